/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters of a domain without a device model: where its rings are, and how it hears of events. */
#include "hv/kvm/call.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#define CALLBACK_TYPE_SHIFT 56

static int64_t get_param(struct vk_call *call, void *arg)
{
	struct xen_hvm_param *op = arg;

	if (!vk_is_self(call, op->domid))
		return -EPERM;
	switch (op->index) {
	case HVM_PARAM_CALLBACK_IRQ:
		op->value = call->dom->callback_irq;
		return 0;
	case HVM_PARAM_STORE_PFN:
		op->value = VK_GFN_STORE;
		return 0;
	case HVM_PARAM_STORE_EVTCHN:
		op->value = CORE_PORT_STORE;
		return 0;
	case HVM_PARAM_CONSOLE_PFN:
		op->value = VK_GFN_CONSOLE;
		return 0;
	case HVM_PARAM_CONSOLE_EVTCHN:
		op->value = CORE_PORT_CONSOLE;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Linux says 1 here when its vCPUs have vectors of their own; older ones a vector for all of them. */
static int64_t set_param(struct vk_call *call, void *arg)
{
	const struct xen_hvm_param *op = arg;
	uint64_t type = op->value >> CALLBACK_TYPE_SHIFT;
	struct vk_dom *dom = call->dom;
	bool changes;

	if (!vk_is_self(call, op->domid))
		return -EPERM;
	if (op->index != HVM_PARAM_CALLBACK_IRQ)
		return -EINVAL;
	if (type == HVM_PARAM_CALLBACK_TYPE_VECTOR && (op->value & 0xff) < 16)
		return -EINVAL;
	pthread_mutex_lock(&dom->lock);
	changes = dom->callback_irq != op->value;
	__atomic_store_n(&dom->callback_irq, op->value, __ATOMIC_RELEASE);
	/* What was pending before could not be said. */
	for (unsigned int vcpu = 0; changes && vcpu < dom->nr_vcpus; vcpu++)
		if (!dom->vcpu[vcpu].vector)
			dom->ops->renew(dom->arg, vcpu);
	pthread_mutex_unlock(&dom->lock);
	return 0;
}

static int64_t set_vector(struct vk_call *call, void *arg)
{
	const struct xen_hvm_evtchn_upcall_vector *op = arg;

	if (op->vector < 16 || op->vcpu >= call->dom->nr_vcpus)
		return op->vector < 16 ? -EINVAL : -ENOENT;
	pthread_mutex_lock(&call->dom->lock);
	call->dom->vcpu[op->vcpu].vector = op->vector;
	call->dom->ops->renew(call->dom->arg, op->vcpu);
	pthread_mutex_unlock(&call->dom->lock);
	return 0;
}

/* By leaving the guest: KVM flushes nothing of the kind for us. Only xen-shim asks, when it starts. */
static int64_t flush_tlbs(struct vk_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return 0;
}

static const struct vk_op ops[] = {
	[HVMOP_set_param] = { set_param, sizeof(struct xen_hvm_param), false },
	[HVMOP_get_param] = { get_param, sizeof(struct xen_hvm_param), true },
	[HVMOP_flush_tlbs] = { flush_tlbs, 0, false },
	[HVMOP_set_evtchn_upcall_vector] = { set_vector,
					     sizeof(struct xen_hvm_evtchn_upcall_vector), false },
};

int64_t vk_hvm_op(struct vk_call *call)
{
	return vk_op_run(call, ops, sizeof(ops) / sizeof(ops[0]), call->arg[0], call->arg[1]);
}
