/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU that waits, in the hypercall, and a guest that ends. */
#include "hv/kvm/call.h"

#include <sched.h>
#include <time.h>

#include <xen/sched.h>

#define MAX_POLL 128u

static int64_t yield(struct vk_call *call, void *arg)
{
	(void)call;
	(void)arg;
	sched_yield();
	return 0;
}

struct wait {
	const evtchn_port_t *ports; /* NULL: any upcall */
	unsigned int nr_ports;
	uint64_t timeout; /* system time, ns; 0: none */
};

static bool is_over(const struct vk_call *call, const struct wait *w)
{
	const struct vk_dom *dom = call->dom;

	if (dom->stopping)
		return true;
	for (unsigned int i = 0; i < w->nr_ports; i++)
		if (vk_evtchn_is_pending(dom, w->ports[i]))
			return true;
	return !w->ports && vk_dom_upcall_pending(dom, call->vcpu);
}

/*
 * Until then or until the domain is stopped: who is told that it waits no more looks again. In steps,
 * as timers of the guest's own do not come by this condition.
 */
static void wait_for(struct vk_call *call, const struct wait *w)
{
	struct vk_dom *dom = call->dom;
	struct timespec until;

	pthread_mutex_lock(&dom->lock);
	dom->nr_polls++;
	while (!is_over(call, w)) {
		uint64_t now = dom->ops->now(dom->arg), left = 1000000000;

		if (w->timeout && w->timeout <= now)
			break;
		if (w->timeout && w->timeout - now < left)
			left = w->timeout - now;
		clock_gettime(CLOCK_MONOTONIC, &until);
		left += (uint64_t)until.tv_nsec;
		until.tv_sec += (time_t)(left / 1000000000);
		until.tv_nsec = (long)(left % 1000000000);
		pthread_cond_timedwait(&dom->wakeup, &dom->lock, &until);
	}
	dom->nr_polls--;
	pthread_mutex_unlock(&dom->lock);
}

static int64_t block(struct vk_call *call, void *arg)
{
	static const struct wait forever = { 0 };

	(void)arg;
	__atomic_store_n(&call->dom->vcpu[call->vcpu].info->evtchn_upcall_mask, 0,
			 __ATOMIC_SEQ_CST);
	wait_for(call, &forever);
	return 0;
}

static int64_t poll_ports(struct vk_call *call, void *arg)
{
	const struct sched_poll *op = arg;
	evtchn_port_t ports[MAX_POLL];

	if (op->nr_ports > MAX_POLL)
		return -EINVAL;
	if (vk_copy_from(call, ports, (uintptr_t)op->ports.p, op->nr_ports * sizeof(ports[0])) < 0)
		return -EFAULT;
	for (unsigned int i = 0; i < op->nr_ports; i++)
		if (!ports[i] || ports[i] >= VK_MAX_PORTS)
			return -EINVAL;
	wait_for(call, &(struct wait){ ports, op->nr_ports, op->timeout });
	return 0;
}

static int64_t end_domain(struct vk_call *call, void *arg)
{
	const struct sched_shutdown *op = arg;
	struct vk_dom *dom = call->dom;

	if (op->reason > SHUTDOWN_MAX)
		return -EINVAL;
	dom->ops->shutdown(dom->arg, call->vcpu, op->reason);
	/* What it finds when it is another domain. The same one, resumed, finds 1 by the machine. */
	return 0;
}

static const struct vk_op ops[] = {
	[SCHEDOP_yield] = { yield, 0, false },
	[SCHEDOP_block] = { block, 0, false },
	[SCHEDOP_shutdown] = { end_domain, sizeof(struct sched_shutdown), false },
	[SCHEDOP_poll] = { poll_ports, sizeof(struct sched_poll), false },
};

int64_t vk_sched_op(struct vk_call *call)
{
	return vk_op_run(call, ops, sizeof(ops) / sizeof(ops[0]), call->arg[0], call->arg[1]);
}
