/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a number to its function, and the guest's memory that arguments lie in. */
#include "hv/kvm/call.h"

static int copy(struct vk_call *call, void *host, uint64_t va, size_t size, bool to_guest)
{
	uint8_t *p = host;

	while (size) {
		uint32_t n = VK_PAGE - (uint32_t)(va % VK_PAGE);
		uint64_t gpa;
		void *mem;

		if (n > size)
			n = (uint32_t)size;
		if (call->dom->ops->translate(call->dom->arg, call->vcpu, va, &gpa) < 0)
			return -EFAULT;
		mem = vk_mem(call->dom, gpa, n);
		if (!mem)
			return -EFAULT;
		if (to_guest) {
			memcpy(mem, p, n);
			vk_dirtied(call->dom, gpa);
		} else
			memcpy(p, mem, n);
		va += n;
		p += n;
		size -= n;
	}
	return 0;
}

int vk_copy_from(struct vk_call *call, void *to, uint64_t va, size_t size)
{
	return copy(call, to, va, size, false);
}

int vk_copy_to(struct vk_call *call, uint64_t va, const void *from, size_t size)
{
	/* Only read when copying to the guest. */
	return copy(call, (void *)(uintptr_t)from, va, size, true);
}

int64_t vk_op_run(struct vk_call *call, const struct vk_op *ops, size_t nr, uint64_t op,
		  uint64_t va)
{
	union {
		uint64_t align;
		uint8_t bytes[VK_OP_ARG];
	} arg;
	int64_t rc;

	if (op >= nr || !ops[op].fn)
		return -ENOSYS;
	rc = vk_copy_from(call, arg.bytes, va, ops[op].size);
	if (rc < 0)
		return rc;
	rc = ops[op].fn(call, arg.bytes);
	if (rc >= 0 && ops[op].out && vk_copy_to(call, va, arg.bytes, ops[op].size) < 0)
		return -EFAULT;
	return rc;
}

static int64_t (*const hypercalls[])(struct vk_call *call) = {
	[__HYPERVISOR_memory_op] = vk_memory_op,     [__HYPERVISOR_set_timer_op] = vk_timer_op,
	[__HYPERVISOR_xen_version] = vk_version_op,  [__HYPERVISOR_console_io] = vk_console_op,
	[__HYPERVISOR_grant_table_op] = vk_grant_op, [__HYPERVISOR_vcpu_op] = vk_vcpu_op,
	[__HYPERVISOR_sched_op] = vk_sched_op,	     [__HYPERVISOR_event_channel_op] = vk_evtchn_op,
	[__HYPERVISOR_hvm_op] = vk_hvm_op,
};

int64_t vk_hypercall(struct vk_call *call)
{
	__atomic_fetch_add(&call->dom->vcpu[call->vcpu].count->hypercalls, 1, __ATOMIC_RELAXED);
	if (call->nr >= sizeof(hypercalls) / sizeof(hypercalls[0]) || !hypercalls[call->nr])
		return -ENOSYS;
	return hypercalls[call->nr](call);
}
