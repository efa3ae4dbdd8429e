/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pvh domain of a core in this process, on a machine that only writes down what it is asked for. */
#ifndef TESTS_UTIL_VK_RIG_H
#define TESTS_UTIL_VK_RIG_H

#include "hv/kvm/dom.h"

#define VK_RIG_MIB   4u
#define VK_RIG_PAGES (VK_RIG_MIB << 8)
#define VK_RIG_VCPUS 34u /* more than shared_info has room for */

struct vk_rig {
	struct core *core;
	uint16_t domid;
	struct kvm_launch *launch;
	struct vk_dom *dom;
	unsigned int upcalls[VK_RIG_VCPUS];
	uint64_t timer[VK_RIG_VCPUS]; /* deadline */
	uint64_t now;
	uint64_t placed; /* beyond RAM: the last gfn; VK_NO_GFN: it was taken away */
	unsigned int nr_placed;
	unsigned int reason; /* SHUTDOWN_* + 1 */
	unsigned int renewed;
	uint32_t watched[CORE_MAX_PORTS]; /* 0 or 1 */
};

/* Guest-virtual addresses are physical ones. */
void vk_rig_create(struct vk_rig *rig);
void vk_rig_destroy(struct vk_rig *rig);
/* A hypercall of vCPU @vcpu with its argument, of @size bytes, copied to guest memory and back. */
int64_t vk_rig_call(struct vk_rig *rig, unsigned int vcpu, uint64_t nr, uint64_t op, void *arg,
		    uint32_t size);
/* The same by a hypercall's name, with @arg a structure. */
#define VK_RIG_CALL(rig, vcpu, nr, op, arg)                                                        \
	vk_rig_call(rig, vcpu, __HYPERVISOR_##nr, op, &(arg), sizeof(arg))

/* For cmocka: a rig for each test, which *@state is. */
int vk_rig_setup(void **state);
int vk_rig_teardown(void **state);

#endif
