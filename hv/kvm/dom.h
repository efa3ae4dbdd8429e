/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain as its hypercalls see it: memory, event channels, hypervisor pages, vCPUs. It knows nothing
 * of KVM: what needs the machine goes through struct vk_machine_ops, so that unit tests and a fuzzer
 * drive all of it in process. For files of this folder and their tests.
 *
 * The guest is hostile. What it points to is copied once and the copy is checked; a hypercall that
 * it gets wrong fails for it alone. Its own words in shared_info and vcpu_info are only ever set and
 * tested bit by bit.
 *
 * Threads: each vCPU's calls vk_hypercall(); one thread calls vk_dom_event() and vk_dom_timer(). All
 * that changes is under the domain's lock, but for requests to vifrost-hvd, which may wait for it to come back.
 */
#ifndef HV_KVM_DOM_H
#define HV_KVM_DOM_H

#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <xen/event_channel.h>
#include <xen/xen.h>

#include "hv/builder/builder.h"
#include "hv/core.h"
#include "hv/core_dirty.h"
#include "hv/hypercall.h"
#include "hv/kvm/launch.h"

#define VK_PAGE	      4096u
#define VK_MAX_PORTS  4096u	     /* of the 2-level ABI */
#define VK_FIRST_PORT CORE_MAX_PORTS /* of ours: VIRQs, IPIs; those below are the core's */
#define VK_NO_GFN     UINT64_MAX
#define VK_NO_GPA     UINT64_MAX

/* Guest-physical pages that are not the guest's to place something at. */
#define VK_GFN_APIC    0xfee00u
#define VK_GFN_SPECIAL 0xfeff8u /* then the store's ring, then the console's */
#define VK_GFN_STORE   VK_GFN_SPECIAL
#define VK_GFN_CONSOLE (VK_GFN_SPECIAL + 1)

/* Hypervisor pages that the guest places where it likes. */
enum vk_page { VK_PAGE_SHARED, VK_PAGE_GRANTS, VK_NR_PAGES = VK_PAGE_GRANTS + CORE_GRANT_FRAMES };

enum vk_port_kind { VK_CLOSED, VK_CHANNEL, VK_VIRQ, VK_IPI };

struct vk_port {
	uint8_t kind; /* enum vk_port_kind */
	uint8_t virq;
	uint16_t vcpu;		  /* that is told */
	uint16_t remote;	  /* VK_CHANNEL: domain that may bind to it */
	int to_guest, from_guest; /* VK_CHANNEL: eventfds; else -1 */
};

struct vk_vcpu {
	struct vcpu_info *info;	  /* in shared_info, or where the guest has put it; never NULL */
	uint64_t info_gpa;	  /* VK_NO_GPA: in shared_info */
	uint8_t vector;		  /* of the upcall, by the LAPIC; 0: the domain's */
	bool down;		  /* by VCPUOP_down: it does not run before VCPUOP_up */
	uint16_t virqs[NR_VIRQS]; /* ports; 0: not bound */
	struct kvm_launch_vcpu *count;
};

/* What the machine does for a domain. All are called with its lock held, but shutdown() and translate(). */
struct vk_machine_ops {
	/* For the vCPU's own thread: the guest-physical address of a virtual one. -EFAULT. */
	int (*translate)(void *arg, unsigned int vcpu, uint64_t va, uint64_t *gpa);
	/* An upcall is pending. */
	void (*upcall)(void *arg, unsigned int vcpu);
	/* @page: shown to the guest at @gfn, which is beyond RAM; NULL: no more. */
	int (*place)(void *arg, uint64_t gfn, void *page);
	/* Xen's system time in ns. */
	uint64_t (*now)(void *arg);
	/* @deadline: in system time, ns; 0: none. */
	void (*timer)(void *arg, unsigned int vcpu, uint64_t deadline);
	/* vk_dom_event() is to be called after each write to @fd, an eventfd that nobody reads; or no more. */
	int (*watch)(void *arg, uint32_t port, int fd, bool on);
	/* From a vCPU's thread, which returns from the hypercall and then stands still. */
	void (*shutdown)(void *arg, unsigned int vcpu, unsigned int reason);
	/*
	 * A vCPU is being set up, or is up or down: its time is to be kept in vk_vcpu.info, its timer's port is what
	 * it is when the lock is free again, its LAPIC may be off.
	 */
	void (*renew)(void *arg, unsigned int vcpu);
};

struct vk_dom {
	const struct vk_machine_ops *ops;
	void *arg;
	struct kvm_launch *launch;
	uint16_t domid;
	unsigned int nr_vcpus;
	/* Guest-physical: RAM, with holes, and hypervisor pages where the guest has put them over RAM. */
	uint8_t *memory;
	int memory_fd;
	uint64_t memory_size;  /* of the memfd */
	uint64_t ram, low_ram; /* bytes in all, and below the hole */
	uint8_t *pages;	       /* the core's second memfd */
	size_t pages_size;
	int pages_fd;
	struct core_dirty *dirty;	    /* in it */
	const struct builder_range *memmap; /* as the guest was told; borrowed */
	unsigned int nr_memmap;
	int shared_fd; /* shared_info: one page */
	struct shared_info *shared;
	bool stopping; /* atomic: nobody waits */

	pthread_mutex_t link_lock; /* of the next */
	struct hypercall_link link;

	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t wakeup;
	unsigned int nr_polls;
	struct vk_port ports[VK_MAX_PORTS];
	struct vk_vcpu vcpu[KVM_LAUNCH_MAX_VCPUS];
	uint64_t placed[VK_NR_PAGES]; /* gfn, VK_NO_GFN: nowhere */
	unsigned int nr_grant_frames;
	uint64_t callback_irq; /* HVM_PARAM_CALLBACK_IRQ */
	uint64_t nr_out;       /* pages that the guest has given back */
	uint64_t max_memory;
	uint8_t *out;	/* a bit for each such page */
	char line[256]; /* that console_io has not ended yet */
	unsigned int line_len;
	uint64_t printed; /* bytes */
};

struct vk_dom_params {
	const struct vk_machine_ops *ops;
	void *arg;
	struct kvm_launch *launch;  /* borrowed */
	struct hypercall_link link; /* taken over, also on failure */
};

/* Attach to the core, map memory and pages. Return: 0 or -errno. */
int vk_dom_create(const struct vk_dom_params *params, struct vk_dom **dom_out);
/* NULL is allowed. */
void vk_dom_destroy(struct vk_dom *dom);
/* Have the channels of store and console watched: once the machine is there. */
int vk_dom_start(struct vk_dom *dom);
/* Who waits in a hypercall returns; until @stopping is false again nobody waits. */
void vk_dom_stop(struct vk_dom *dom, bool stopping);

/* The channel @port has been signalled. */
void vk_dom_event(struct vk_dom *dom, uint32_t port);
/* A vCPU's single-shot timer has run out. */
void vk_dom_timer(struct vk_dom *dom, unsigned int vcpu);
/* Whether the vCPU has an upcall pending that it may not have heard of. */
bool vk_dom_upcall_pending(const struct vk_dom *dom, unsigned int vcpu);

/* [gpa, gpa + size) of RAM within one page; NULL: it is not. */
void *vk_mem(const struct vk_dom *dom, uint64_t gpa, uint32_t size);
bool vk_is_ram(const struct vk_dom *dom, uint64_t gfn);
uint64_t vk_nr_pages(const struct vk_dom *dom);
/* Gives the host pages [first, end) of RAM back; they read as zeros. 0 or -errno. */
int vk_pages_free(struct vk_dom *dom, uint64_t first, uint64_t end);
/* We, not a vCPU, have written to the page of RAM at @gpa: KVM's log of written pages does not have it. */
static inline void vk_dirtied(const struct vk_dom *dom, uint64_t gpa)
{
	core_dirty_mark(dom->dirty, gpa / VK_PAGE);
}

/* One hypercall. Return: what the guest gets in RAX. */
struct vk_call {
	struct vk_dom *dom;
	unsigned int vcpu;
	uint64_t nr;
	uint64_t arg[5];
};

int64_t vk_hypercall(struct vk_call *call);

#endif
