/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of hypercalls share. */
#ifndef HV_KVM_CALL_H
#define HV_KVM_CALL_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "hv/kvm/dom.h"

/* Guest-virtual memory of the caller. -EFAULT. */
int vk_copy_from(struct vk_call *call, void *to, uint64_t va, size_t size);
int vk_copy_to(struct vk_call *call, uint64_t va, const void *from, size_t size);

/* Room for the argument of any operation in a table of vk_op. */
#define VK_OP_ARG 256

/* One operation of a hypercall: @size bytes are copied in for @fn; @out: copied back when it has not failed. */
struct vk_op {
	int64_t (*fn)(struct vk_call *call, void *arg);
	uint16_t size;
	bool out;
};

/* @op of the @nr in @ops, whose argument is at @va. -ENOSYS: there is no such operation. */
int64_t vk_op_run(struct vk_call *call, const struct vk_op *ops, size_t nr, uint64_t op,
		  uint64_t va);

static inline bool vk_is_self(const struct vk_call *call, domid_t domid)
{
	return domid == DOMID_SELF || domid == call->dom->domid;
}

/* A message of its own for Xen's numbers of errors, which are Linux's. */
int64_t vk_memory_op(struct vk_call *call);
int64_t vk_version_op(struct vk_call *call);
int64_t vk_console_op(struct vk_call *call);
int64_t vk_grant_op(struct vk_call *call);
int64_t vk_vcpu_op(struct vk_call *call);
int64_t vk_sched_op(struct vk_call *call);
int64_t vk_evtchn_op(struct vk_call *call);
int64_t vk_hvm_op(struct vk_call *call);
int64_t vk_timer_op(struct vk_call *call);

/* ---- Event channels; the lock is held ---- */

/* As Xen's evtchn_2l_set_pending(). */
void vk_evtchn_pend(struct vk_dom *dom, uint32_t port);
bool vk_evtchn_is_pending(const struct vk_dom *dom, uint32_t port);
/* Raise what is pending and not masked; after a vCPU's vcpu_info has moved. */
void vk_evtchn_refresh(struct vk_dom *dom, unsigned int vcpu);
void vk_virq(struct vk_dom *dom, unsigned int vcpu, unsigned int virq);
/* Forget a port here; not the core's channel. */
void vk_port_clear(struct vk_dom *dom, uint32_t port);

/* ---- Hypervisor pages; the lock is held ---- */

/* @gfn VK_NO_GFN: nowhere. */
int vk_page_place(struct vk_dom *dom, enum vk_page page, uint64_t gfn);
/* The page that is at @gfn; VK_NR_PAGES: none. */
unsigned int vk_page_at(const struct vk_dom *dom, uint64_t gfn);

#endif
