/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels, 2-level: a bit a port in shared_info, a bit for each word of those in the vCPU's
 * vcpu_info, and a byte there that says that there is anything. The order is that of Xen's
 * event_2l.c, as the guest looks at the same words at the same time from the other end.
 */
#include <sched.h>
#include <unistd.h>

#include "hv/kvm/call.h"

#define WORD_BITS (8 * sizeof(xen_ulong_t))

static bool test_and_set(xen_ulong_t *words, uint32_t bit)
{
	xen_ulong_t mask = (xen_ulong_t)1 << bit % WORD_BITS;

	return __atomic_fetch_or(&words[bit / WORD_BITS], mask, __ATOMIC_SEQ_CST) & mask;
}

static bool test_and_clear(xen_ulong_t *words, uint32_t bit)
{
	xen_ulong_t mask = (xen_ulong_t)1 << bit % WORD_BITS;

	return __atomic_fetch_and(&words[bit / WORD_BITS], ~mask, __ATOMIC_SEQ_CST) & mask;
}

static bool test(const xen_ulong_t *words, uint32_t bit)
{
	return __atomic_load_n(&words[bit / WORD_BITS], __ATOMIC_SEQ_CST) >> bit % WORD_BITS & 1;
}

static void upcall(struct vk_dom *dom, unsigned int vcpu)
{
	/* Already told, and it has not looked yet. */
	if (__atomic_exchange_n(&dom->vcpu[vcpu].info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
		return;
	__atomic_fetch_add(&dom->launch->stats.upcalls, 1, __ATOMIC_RELAXED);
	dom->ops->upcall(dom->arg, vcpu);
}

static void select_word(struct vk_dom *dom, uint32_t port)
{
	unsigned int vcpu = dom->ports[port].vcpu;
	uint32_t word = port / WORD_BITS;

	if (!test_and_set(&dom->vcpu[vcpu].info->evtchn_pending_sel, word))
		upcall(dom, vcpu);
}

void vk_evtchn_pend(struct vk_dom *dom, uint32_t port)
{
	if (test_and_set(dom->shared->evtchn_pending, port))
		return;
	if (!test(dom->shared->evtchn_mask, port))
		select_word(dom, port);
	if (dom->nr_polls)
		pthread_cond_broadcast(&dom->wakeup);
}

bool vk_evtchn_is_pending(const struct vk_dom *dom, uint32_t port)
{
	return test(dom->shared->evtchn_pending, port);
}

void vk_evtchn_refresh(struct vk_dom *dom, unsigned int vcpu)
{
	for (uint32_t port = 1; port < VK_MAX_PORTS; port++)
		if (dom->ports[port].kind != VK_CLOSED && dom->ports[port].vcpu == vcpu &&
		    test(dom->shared->evtchn_pending, port) &&
		    !test(dom->shared->evtchn_mask, port))
			select_word(dom, port);
}

void vk_virq(struct vk_dom *dom, unsigned int vcpu, unsigned int virq)
{
	uint32_t port = dom->vcpu[vcpu].virqs[virq];

	if (port)
		vk_evtchn_pend(dom, port);
}

void vk_dom_event(struct vk_dom *dom, uint32_t port)
{
	pthread_mutex_lock(&dom->lock);
	if (port < VK_MAX_PORTS && dom->ports[port].kind == VK_CHANNEL) {
		__atomic_fetch_add(&dom->launch->stats.events_to_guest, 1, __ATOMIC_RELAXED);
		vk_evtchn_pend(dom, port);
	}
	pthread_mutex_unlock(&dom->lock);
}

void vk_dom_timer(struct vk_dom *dom, unsigned int vcpu)
{
	pthread_mutex_lock(&dom->lock);
	vk_virq(dom, vcpu, VIRQ_TIMER);
	pthread_mutex_unlock(&dom->lock);
}

bool vk_dom_upcall_pending(const struct vk_dom *dom, unsigned int vcpu)
{
	return __atomic_load_n(&dom->vcpu[vcpu].info->evtchn_upcall_pending, __ATOMIC_SEQ_CST);
}

void vk_port_clear(struct vk_dom *dom, uint32_t port)
{
	struct vk_port *p = &dom->ports[port];

	if (p->kind == VK_VIRQ)
		dom->vcpu[p->vcpu].virqs[p->virq] = 0;
	if (p->to_guest >= 0)
		close(p->to_guest);
	if (p->from_guest >= 0)
		close(p->from_guest);
	*p = (struct vk_port){ .to_guest = -1, .from_guest = -1 };
}

/* An open port; NULL: there is no such. */
static struct vk_port *find(struct vk_dom *dom, uint32_t port)
{
	return port && port < VK_MAX_PORTS && dom->ports[port].kind != VK_CLOSED ? &dom->ports[port]
										 : NULL;
}

static int64_t send_event(struct vk_call *call, void *arg)
{
	const struct evtchn_send *op = arg;
	struct vk_dom *dom = call->dom;
	const struct vk_port *p;
	int64_t rc = 0;

	pthread_mutex_lock(&dom->lock);
	p = find(dom, op->port);
	if (!p || p->kind == VK_VIRQ)
		rc = -EINVAL;
	else if (p->kind == VK_IPI)
		vk_evtchn_pend(dom, op->port);
	else {
		hypercall_event_send(p->from_guest);
		__atomic_fetch_add(&dom->launch->stats.events_from_guest, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&dom->lock);
	return rc;
}

/* A port of ours, of @kind; the lock is held. 0: none is left. */
static uint32_t take_port(struct vk_dom *dom, enum vk_port_kind kind, unsigned int vcpu,
			  unsigned int virq)
{
	for (uint32_t port = VK_FIRST_PORT; port < VK_MAX_PORTS; port++)
		if (dom->ports[port].kind == VK_CLOSED) {
			dom->ports[port] = (struct vk_port){ .kind = (uint8_t)kind,
							     .virq = (uint8_t)virq,
							     .vcpu = (uint16_t)vcpu,
							     .to_guest = -1,
							     .from_guest = -1 };
			test_and_clear(dom->shared->evtchn_pending, port);
			return port;
		}
	return 0;
}

static bool is_per_vcpu(uint32_t virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF ||
	       virq == VIRQ_XENPMU;
}

static int64_t bind_virq(struct vk_call *call, void *arg)
{
	struct evtchn_bind_virq *op = arg;
	struct vk_dom *dom = call->dom;
	uint16_t *slot;
	int64_t rc = 0;

	if (op->virq >= NR_VIRQS || (!is_per_vcpu(op->virq) && op->vcpu))
		return -EINVAL;
	if (op->vcpu >= dom->nr_vcpus)
		return -ENOENT;
	pthread_mutex_lock(&dom->lock);
	slot = &dom->vcpu[op->vcpu].virqs[op->virq];
	if (*slot)
		rc = -EEXIST;
	else {
		*slot = (uint16_t)take_port(dom, VK_VIRQ, op->vcpu, op->virq);
		op->port = *slot;
		rc = op->port ? 0 : -ENOSPC;
		if (op->port && op->virq == VIRQ_TIMER)
			dom->ops->renew(dom->arg, op->vcpu);
	}
	pthread_mutex_unlock(&dom->lock);
	return rc;
}

static int64_t bind_ipi(struct vk_call *call, void *arg)
{
	struct evtchn_bind_ipi *op = arg;
	struct vk_dom *dom = call->dom;

	if (op->vcpu >= dom->nr_vcpus)
		return -ENOENT;
	pthread_mutex_lock(&dom->lock);
	op->port = take_port(dom, VK_IPI, op->vcpu, 0);
	pthread_mutex_unlock(&dom->lock);
	return op->port ? 0 : -ENOSPC;
}

/* To the core, which may have to wait for a new vifrost-hvd. */
static int core_call(struct vk_dom *dom, struct hypercall_request *req,
		     struct hypercall_reply *reply, int *fds, size_t nr_fds)
{
	int rc;

	pthread_mutex_lock(&dom->link_lock);
	rc = hypercall_call(&dom->link, req, reply, fds, nr_fds);
	pthread_mutex_unlock(&dom->link_lock);
	return rc;
}

static void close_in_core(struct vk_dom *dom, uint32_t port)
{
	struct hypercall_request req = { .op = HYPERCALL_EVTCHN_CLOSE, .port = port };
	struct hypercall_reply reply;

	/* Its fault, if any, is nothing that the guest could help. */
	core_call(dom, &req, &reply, NULL, 0);
}

static int64_t alloc_unbound(struct vk_call *call, void *arg)
{
	struct evtchn_alloc_unbound *op = arg;
	struct vk_dom *dom = call->dom;
	struct hypercall_request req = { .op = HYPERCALL_EVTCHN_ALLOC, .domid = op->remote_dom };
	struct hypercall_reply reply;
	int fds[2], rc;

	if (!vk_is_self(call, op->dom))
		return -EPERM;
	rc = core_call(dom, &req, &reply, fds, 2);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&dom->lock);
	if (!reply.port || reply.port >= VK_FIRST_PORT ||
	    dom->ports[reply.port].kind != VK_CLOSED) {
		pthread_mutex_unlock(&dom->lock);
		close(fds[0]);
		close(fds[1]);
		return -EINVAL;
	}
	dom->ports[reply.port] = (struct vk_port){ .kind = VK_CHANNEL,
						   .remote = op->remote_dom,
						   .to_guest = fds[0],
						   .from_guest = fds[1] };
	test_and_clear(dom->shared->evtchn_pending, reply.port);
	rc = dom->ops->watch(dom->arg, reply.port, fds[0], true);
	if (rc < 0)
		vk_port_clear(dom, reply.port);
	pthread_mutex_unlock(&dom->lock);
	if (rc < 0)
		close_in_core(dom, reply.port);
	op->port = reply.port;
	return rc;
}

static int64_t close_port(struct vk_call *call, void *arg)
{
	const struct evtchn_close *op = arg;
	struct vk_dom *dom = call->dom;
	bool channel = false;
	struct vk_port *p;

	pthread_mutex_lock(&dom->lock);
	p = find(dom, op->port);
	if (p) {
		channel = p->kind == VK_CHANNEL;
		if (channel)
			dom->ops->watch(dom->arg, op->port, p->to_guest, false);
		if (p->kind == VK_VIRQ && p->virq == VIRQ_TIMER)
			dom->ops->renew(dom->arg, p->vcpu);
		vk_port_clear(dom, op->port);
		test_and_clear(dom->shared->evtchn_pending, op->port);
	}
	pthread_mutex_unlock(&dom->lock);
	if (!p)
		return -EINVAL;
	/* Until then the core does not give this number again. Its store and console it keeps. */
	if (channel)
		close_in_core(dom, op->port);
	return 0;
}

static int channel_status(struct vk_dom *dom, struct evtchn_status *op)
{
	struct hypercall_request req = { .op = HYPERCALL_EVTCHN_STATUS, .port = op->port };
	struct hypercall_reply reply;
	int rc = core_call(dom, &req, &reply, NULL, 0);

	if (rc < 0)
		return rc;
	op->status = reply.arg;
	op->u.interdomain.dom = reply.domid;
	if (op->status == EVTCHNSTAT_interdomain)
		op->u.interdomain.port = reply.port;
	return 0;
}

static int64_t port_status(struct vk_call *call, void *arg)
{
	struct evtchn_status *op = arg;
	struct vk_dom *dom = call->dom;
	const struct vk_port *p;
	struct vk_port port = { 0 };

	if (!vk_is_self(call, op->dom))
		return -EPERM;
	if (!op->port || op->port >= VK_MAX_PORTS)
		return -EINVAL;
	pthread_mutex_lock(&dom->lock);
	p = find(dom, op->port);
	if (p)
		port = *p;
	pthread_mutex_unlock(&dom->lock);
	memset(&op->u, 0, sizeof(op->u));
	op->vcpu = port.vcpu;
	switch ((enum vk_port_kind)port.kind) {
	case VK_CHANNEL:
		return channel_status(dom, op);
	case VK_VIRQ:
		op->status = EVTCHNSTAT_virq;
		op->u.virq = port.virq;
		return 0;
	case VK_IPI:
		op->status = EVTCHNSTAT_ipi;
		return 0;
	case VK_CLOSED:
		break;
	}
	op->status = EVTCHNSTAT_closed;
	return 0;
}

static int64_t bind_vcpu(struct vk_call *call, void *arg)
{
	const struct evtchn_bind_vcpu *op = arg;
	struct vk_dom *dom = call->dom;
	struct vk_port *p;
	int64_t rc = 0;

	if (op->vcpu >= dom->nr_vcpus)
		return -ENOENT;
	pthread_mutex_lock(&dom->lock);
	p = find(dom, op->port);
	if (!p || p->kind == VK_IPI || (p->kind == VK_VIRQ && is_per_vcpu(p->virq)))
		rc = -EINVAL;
	/* A domain's VIRQ stays in vCPU 0's table, where it is looked for. */
	else if (p->kind == VK_CHANNEL)
		p->vcpu = (uint16_t)op->vcpu;
	pthread_mutex_unlock(&dom->lock);
	return rc;
}

static int64_t unmask(struct vk_call *call, void *arg)
{
	const struct evtchn_unmask *op = arg;
	struct vk_dom *dom = call->dom;
	int64_t rc = 0;

	pthread_mutex_lock(&dom->lock);
	if (!find(dom, op->port))
		rc = -EINVAL;
	else if (test_and_clear(dom->shared->evtchn_mask, op->port) &&
		 test(dom->shared->evtchn_pending, op->port))
		select_word(dom, op->port);
	pthread_mutex_unlock(&dom->lock);
	return rc;
}

/* All but the store's and the console's. */
static int64_t reset(struct vk_call *call, void *arg)
{
	const struct evtchn_reset *op = arg;

	if (!vk_is_self(call, op->dom))
		return -EPERM;
	for (uint32_t port = CORE_PORT_CONSOLE + 1; port < VK_MAX_PORTS; port++) {
		struct evtchn_close one = { .port = port };

		/* Those that are closed say so, which is fine. */
		close_port(call, &one);
	}
	return 0;
}

#define OP(name, out_)                                                                             \
	{                                                                                          \
		name, sizeof(struct evtchn_##name), out_                                           \
	}

static const struct vk_op ops[] = {
	[EVTCHNOP_bind_virq] = OP(bind_virq, true),
	[EVTCHNOP_bind_ipi] = OP(bind_ipi, true),
	[EVTCHNOP_alloc_unbound] = OP(alloc_unbound, true),
	[EVTCHNOP_close] = { close_port, sizeof(struct evtchn_close), false },
	[EVTCHNOP_send] = { send_event, sizeof(struct evtchn_send), false },
	[EVTCHNOP_status] = { port_status, sizeof(struct evtchn_status), true },
	[EVTCHNOP_bind_vcpu] = OP(bind_vcpu, false),
	[EVTCHNOP_unmask] = OP(unmask, false),
	[EVTCHNOP_reset] = OP(reset, false),
};

int64_t vk_evtchn_op(struct vk_call *call)
{
	return vk_op_run(call, ops, sizeof(ops) / sizeof(ops[0]), call->arg[0], call->arg[1]);
}
