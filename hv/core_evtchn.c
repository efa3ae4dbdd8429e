/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels. A port belongs to the guest that allocated it and owns two eventfds, one for each
 * direction; who binds to it gets duplicates, so that binding anew needs nothing from the guest and
 * loses no event. Domain 0's ends live in one table, each with the backend that holds it.
 *
 *	closed --alloc--> unbound --bind by domain 0--> interdomain
 *	  ^                 |  ^                             |  |
 *	  +-----close-------+  +---unbind, backend dies------+  |
 *	  +-----close-------------------------------------------+
 */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hv/core_priv.h"
#include "hv/hypercall.h"

void core_port_name(char name[CORE_NAME_MAX], uint16_t domid, uint32_t port, bool to_guest)
{
	snprintf(name, CORE_NAME_MAX, "d%u.p%u.%c", domid, port, to_guest ? 't' : 'f');
}

static struct core_port *find_port(const struct core *core, uint16_t domid, uint32_t port,
				   struct core_domain **domain_out)
{
	struct core_domain *d = core_domain_find(core, domid);

	*domain_out = d;
	if (!d || !port || port >= CORE_MAX_PORTS ||
	    d->state->ports[port].status == EVTCHNSTAT_closed)
		return NULL;
	return &d->state->ports[port];
}

static void close_channel(struct core *core, struct core_domain *d, uint32_t port)
{
	struct core_channel *ch = &d->channels[port];
	char name[CORE_NAME_MAX];

	for (int side = 0; side < 2; side++) {
		int *fd = side ? &ch->to_guest : &ch->from_guest;

		if (*fd < 0)
			continue;
		core_port_name(name, d->domid, port, side);
		core_unkeep(core, name);
		close(*fd);
		*fd = -1;
	}
}

static int open_channel(struct core *core, struct core_domain *d, uint32_t port)
{
	struct core_channel *ch = &d->channels[port];
	char name[CORE_NAME_MAX];
	int rc;

	ch->to_guest = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ch->to_guest < 0)
		return -errno;
	ch->from_guest = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ch->from_guest < 0) {
		rc = -errno;
		close(ch->to_guest);
		ch->to_guest = -1;
		return rc;
	}
	core_port_name(name, d->domid, port, true);
	core_keep(core, name, ch->to_guest);
	core_port_name(name, d->domid, port, false);
	core_keep(core, name, ch->from_guest);
	return 0;
}

int core_evtchn_alloc(struct core *core, uint16_t domid, uint16_t remote_domid, uint32_t *port_out)
{
	struct core_domain *d = core_domain_find(core, domid);
	uint32_t port;
	int rc;

	if (!d)
		return -ENOENT;
	if (remote_domid == DOMID_SELF)
		remote_domid = domid;
	if (remote_domid >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	for (port = 1; port < CORE_MAX_PORTS; port++)
		if (d->state->ports[port].status == EVTCHNSTAT_closed)
			break;
	if (port == CORE_MAX_PORTS)
		return -ENOSPC;
	rc = open_channel(core, d, port);
	if (rc < 0)
		return rc;
	d->state->ports[port].remote_domid = remote_domid;
	d->state->ports[port].remote_port = 0;
	__atomic_store_n(&d->state->ports[port].status, EVTCHNSTAT_unbound, __ATOMIC_RELEASE);
	*port_out = port;
	return 0;
}

static void close_port(struct core *core, struct core_domain *d, uint32_t port)
{
	struct core_port *p = &d->state->ports[port];

	if (p->status == EVTCHNSTAT_interdomain && p->remote_port < CORE_DOM0_PORTS)
		core->bindings[p->remote_port].connected = false;
	p->status = EVTCHNSTAT_closed;
	close_channel(core, d, port);
}

int core_evtchn_close(struct core *core, uint16_t domid, uint32_t port)
{
	struct core_domain *d;

	if (!find_port(core, domid, port, &d))
		return d ? -EINVAL : -ENOENT;
	close_port(core, d, port);
	return 0;
}

void core_evtchn_close_all(struct core *core, struct core_domain *d)
{
	for (uint32_t port = 1; port < CORE_MAX_PORTS; port++)
		if (d->state->ports[port].status != EVTCHNSTAT_closed)
			close_port(core, d, port);
}

int core_evtchn_status(const struct core *core, uint16_t domid, uint32_t port,
		       struct core_evtchn_status *status_out)
{
	struct core_domain *d;
	const struct core_port *p;

	*status_out = (struct core_evtchn_status){ .status = EVTCHNSTAT_closed };
	if (domid == 0) {
		const struct core_binding *b = &core->bindings[port < CORE_DOM0_PORTS ? port : 0];

		if (!port || port >= CORE_DOM0_PORTS)
			return -EINVAL;
		if (b->owner)
			*status_out = (struct core_evtchn_status){
				b->connected ? EVTCHNSTAT_interdomain : EVTCHNSTAT_unbound,
				b->domid, b->connected ? b->port : 0
			};
		return 0;
	}
	p = find_port(core, domid, port, &d);
	if (!d)
		return -ENOENT;
	if (!port || port >= CORE_MAX_PORTS)
		return -EINVAL;
	if (p)
		*status_out = (struct core_evtchn_status){ p->status, p->remote_domid,
							   p->remote_port };
	return 0;
}

int core_evtchn_fds(const struct core *core, uint16_t domid, uint32_t port, int *to_guest_out,
		    int *from_guest_out)
{
	struct core_domain *d;

	if (!find_port(core, domid, port, &d))
		return d ? -EINVAL : -ENOENT;
	*to_guest_out = d->channels[port].to_guest;
	*from_guest_out = d->channels[port].from_guest;
	return 0;
}

static uint32_t free_local_port(struct core *core)
{
	for (uint32_t i = 1; i < CORE_DOM0_PORTS; i++) {
		uint32_t port = core->next_local_port;

		core->next_local_port = port + 1 < CORE_DOM0_PORTS ? port + 1 : 1;
		if (!core->bindings[port].owner)
			return port;
	}
	return 0;
}

int core_evtchn_bind(struct core *core, const void *owner, uint16_t domid, uint32_t port,
		     uint32_t *local_port)
{
	struct core_domain *d;
	struct core_port *p = find_port(core, domid, port, &d);
	uint32_t local = *local_port;

	if (!d)
		return -ENOENT;
	if (!p || p->status != EVTCHNSTAT_unbound)
		return -EINVAL;
	if (p->remote_domid != 0)
		return -EPERM;
	if (local >= CORE_DOM0_PORTS)
		return -EINVAL;
	if (local && core->bindings[local].owner)
		return -EBUSY;
	if (!local)
		local = free_local_port(core);
	if (!local)
		return -ENOSPC;
	core->bindings[local] = (struct core_binding){ owner, domid, d->state->generation, port,
						       true };
	p->remote_port = local;
	p->status = EVTCHNSTAT_interdomain;
	/* As Xen does: an event sent before the binding must not be lost. */
	hypercall_event_send(d->channels[port].from_guest);
	*local_port = local;
	return 0;
}

static void unbind(struct core *core, uint32_t local_port)
{
	struct core_binding *b = &core->bindings[local_port];
	struct core_domain *d;

	if (b->connected) {
		struct core_port *p = find_port(core, b->domid, b->port, &d);

		if (p && p->status == EVTCHNSTAT_interdomain && p->remote_port == local_port) {
			p->remote_port = 0;
			p->status = EVTCHNSTAT_unbound;
		}
	}
	*b = (struct core_binding){ 0 };
}

int core_evtchn_unbind(struct core *core, const void *owner, uint32_t local_port)
{
	if (!local_port || local_port >= CORE_DOM0_PORTS ||
	    core->bindings[local_port].owner != owner)
		return -EINVAL;
	unbind(core, local_port);
	return 0;
}

void core_evtchn_release(struct core *core, const void *owner)
{
	for (uint32_t i = 1; i < CORE_DOM0_PORTS; i++)
		if (core->bindings[i].owner == owner)
			unbind(core, i);
}
