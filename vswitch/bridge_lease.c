/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses and routes of the host's that have a lifetime, and a DHCP client of ours that keeps them up once
 * the uplink is under its bridge: from then on only that knows which of them still hold.
 */
#include "vswitch/bridge_priv.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

static bool has_client(const struct vs_network *n, uint8_t family)
{
	return family == AF_INET ? n->host_dhcp4 : n->host_dhcp6 || n->host_ra;
}

/* Whether the network's device is the one that it had before this plan. */
static bool keeps_device(const struct vs_plan_input *in, const struct vs_network *n)
{
	const struct vs_record_network *old = vs_record_find(in->record, n->name);
	const struct vs_mode *mode = old ? vs_mode_find(old->mode) : NULL;

	return mode && mode->segment == n->mode->segment;
}

bool bridge_is_clients_addr(const struct vs_plan_input *in, const struct plan_for *p,
			    const struct vs_network *n, const struct vs_record_network *rn,
			    const struct vs_addr *a)
{
	const struct vs_link *uplink = plan_link(p, rn->uplink);

	return a->valid_s != UINT32_MAX && has_client(n, a->family) && keeps_device(in, n) &&
	       !(uplink && vs_find_addr(&p->plan->model, uplink->ifindex, a));
}

bool bridge_is_clients_route(const struct vs_plan_input *in, const struct plan_for *p,
			     const struct vs_network *n, const struct vs_record_network *rn,
			     const struct vs_route *r)
{
	const struct vs_link *uplink = plan_link(p, rn->uplink);

	/* KERNEL: a prefix of a router's, which the client takes over from the kernel. */
	return (r->protocol == RTPROT_DHCP || r->protocol == RTPROT_RA ||
		r->protocol == RTPROT_KERNEL) &&
	       has_client(n, r->family) && keeps_device(in, n) &&
	       !(uplink && vs_find_route(&p->plan->model, uplink->ifindex, r));
}

static bool was_moved(const struct vs_record_network *old, const struct vs_addr *a)
{
	for (size_t i = 0; i < old->nr_moved_addrs; i++)
		if (vs_addr_same(&old->moved_addrs[i], a))
			return true;
	return false;
}

const struct vs_addr *bridge_successor(const struct vs_observed *o, int ifindex,
				       const struct vs_record_network *old, const struct vs_addr *a)
{
	const struct vs_addr *now;

	for (size_t i = 0; a->valid_s != UINT32_MAX && i < o->nr_addrs; i++) {
		now = &o->addrs[i].addr;
		if (o->addrs[i].ifindex == ifindex && now->family == a->family &&
		    now->valid_s != UINT32_MAX && now->scope == a->scope && !was_moved(old, now))
			return now;
	}
	return NULL;
}
