/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of a network's device: what was moved to it, and what the policy has put there. */
#include "vswitch/bridge_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "vswitch/array.h"

bool bridge_is_link_local(const struct vs_addr *a)
{
	return a->family == AF_INET6 && a->scope == RT_SCOPE_LINK;
}

bool bridge_wants_addr(const struct vs_record_network *rn, const struct vs_addr *a)
{
	for (size_t i = 0; i < rn->nr_addrs; i++)
		if (vs_addr_same(&rn->addrs[i], a))
			return true;
	for (size_t i = 0; i < rn->nr_moved_addrs; i++)
		if (vs_addr_same(&rn->moved_addrs[i], a))
			return true;
	return false;
}

bool bridge_wants_route(const struct vs_record_network *rn, const struct vs_route *r)
{
	for (size_t i = 0; i < rn->nr_routes; i++)
		if (vs_route_serves(r, &rn->routes[i]))
			return true;
	for (size_t i = 0; i < rn->nr_moved_routes; i++)
		if (vs_route_serves(r, &rn->moved_routes[i]))
			return true;
	return false;
}

static int note_addr(struct vs_record_network *rn, const struct vs_addr *a)
{
	struct vs_addr *added;

	for (size_t i = 0; i < rn->nr_moved_addrs; i++)
		if (vs_addr_same(&rn->moved_addrs[i], a))
			return 0;
	added = array_add(&rn->moved_addrs, &rn->nr_moved_addrs, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = *a;
	return 0;
}

static int note_route(struct vs_record_network *rn, const struct vs_route *r)
{
	struct vs_route *added;

	for (size_t i = 0; i < rn->nr_moved_routes; i++)
		if (vs_route_serves(&rn->moved_routes[i], r))
			return 0;
	added = array_add(&rn->moved_routes, &rn->nr_moved_routes, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = *r;
	return 0;
}

/*
 * In the order in which they have to be added to end up as they were: the kernel lists IPv4
 * addresses oldest first, the primary before its secondaries, and IPv6 addresses newest first.
 */
static int note_addrs(const struct vs_observed *o, int ifindex, struct vs_record_network *rn)
{
	const struct vs_link_addr *a;
	int rc = 0;

	for (size_t i = 0; !rc && i < o->nr_addrs; i++) {
		a = &o->addrs[i];
		if (a->ifindex == ifindex && a->addr.family == AF_INET)
			rc = note_addr(rn, &a->addr);
	}
	for (size_t i = o->nr_addrs; !rc && i-- > 0;) {
		a = &o->addrs[i];
		if (a->ifindex == ifindex && a->addr.family == AF_INET6 &&
		    !bridge_is_link_local(&a->addr))
			rc = note_addr(rn, &a->addr);
	}
	return rc;
}

int bridge_note_all(const struct vs_observed *o, int ifindex, struct vs_record_network *rn)
{
	int rc = note_addrs(o, ifindex, rn);

	for (size_t i = 0; !rc && i < o->nr_routes; i++)
		if (o->routes[i].ifindex == ifindex && !o->routes[i].is_multipath &&
		    !vs_route_is_automatic(o, &o->routes[i]))
			rc = note_route(rn, &o->routes[i].route);
	return rc;
}

int bridge_rebuild_record(const struct vs_observed *o, const struct vs_link *bridge,
			  const struct vs_link *port, const struct vs_network *n,
			  struct vs_record_network *lost)
{
	int rc;

	memcpy(lost->name, n->name, sizeof(lost->name));
	lost->uplink_was_up = true;
	if (!port)
		return 0;
	memcpy(lost->uplink, port->name, sizeof(lost->uplink));
	lost->uplink_old_mtu = port->mtu;
	rc = note_addrs(o, bridge->ifindex, lost);
	for (size_t i = 0; !rc && i < o->nr_routes; i++)
		if (o->routes[i].ifindex == bridge->ifindex &&
		    !vs_route_is_automatic(o, &o->routes[i]))
			rc = note_route(lost, &o->routes[i].route);
	return rc;
}

/* The record as it will be: what was moved before, and what is wanted now. */
int bridge_start_record(const struct vs_record_network *old, const struct vs_network *n,
			const struct vs_link *uplink, struct vs_plan *plan,
			struct vs_record_network **rn_out)
{
	struct vs_record_network *rn = vs_record_add(&plan->record);
	bool is_kept = old && uplink && !strcmp(old->uplink, uplink->name);

	*rn_out = rn;
	if (!rn)
		return -ENOMEM;
	snprintf(rn->name, sizeof(rn->name), "%s", n->name);
	snprintf(rn->mode, sizeof(rn->mode), "%s", n->mode->name);
	rn->is_per_guest = n->is_per_guest;
	if (uplink) {
		snprintf(rn->uplink, sizeof(rn->uplink), "%s", uplink->name);
		rn->uplink_was_up = is_kept ? old->uplink_was_up : uplink->is_up;
		rn->uplink_old_mtu = is_kept ? old->uplink_old_mtu : uplink->mtu;
	}
	rn->nr_addrs = n->nr_addrs;
	rn->nr_routes = n->nr_routes;
	if (!array_copy(&rn->addrs, n->addrs, n->nr_addrs, sizeof(*n->addrs)) ||
	    !array_copy(&rn->routes, n->routes, n->nr_routes, sizeof(*n->routes)))
		goto nomem;
	if (!is_kept)
		return 0;
	rn->nr_moved_addrs = old->nr_moved_addrs;
	rn->nr_moved_routes = old->nr_moved_routes;
	if (array_copy(&rn->moved_addrs, old->moved_addrs, old->nr_moved_addrs,
		       sizeof(*old->moved_addrs)) &&
	    array_copy(&rn->moved_routes, old->moved_routes, old->nr_moved_routes,
		       sizeof(*old->moved_routes)))
		return 0;
nomem:
	if (!rn->addrs)
		rn->nr_addrs = 0;
	if (!rn->routes)
		rn->nr_routes = 0;
	if (!rn->moved_addrs)
		rn->nr_moved_addrs = 0;
	if (!rn->moved_routes)
		rn->nr_moved_routes = 0;
	return -ENOMEM;
}
