/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode "bridge": a Linux bridge of the network's name, with the uplink's hardware address, so that
 * the LAN sees the same machine as before. The uplink's own addresses and routes are moved onto it:
 *
 *	1. the bridge is made, gets the addresses, goes up	host talks over the uplink
 *	2. the uplink becomes its port				sends over the uplink, receives over
 *the bridge
 *	3. the bridge gets the routes
 *	4. the uplink loses routes, then addresses		host talks over the bridge
 *
 * and back in the same manner (bridge_uplink.c). Between 2 and 4 nothing is lost but what waits for
 * an ARP answer. What is on a bridge of ours but not from us is left alone.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/array.h"
#include "vswitch/bridge_priv.h"
#include "vswitch/l3_priv.h"

static void alias_of(const char *network, char alias[VS_TEXT_LEN])
{
	snprintf(alias, VS_TEXT_LEN, VS_ALIAS_PREFIX "%s", network);
}

static int refuse(const struct vs_plan_input *in, const struct vs_network *n, const char *what)
{
	diag_add(
		in->ds, DIAG_ERROR, "VF0510", &n->place,
		"rename the network, remove that link, or make it as the policy wants it to be taken over",
		"%s exists already and is not Vifrost's: %s", n->name, what);
	return -EINVAL;
}

/* The first difference between a foreign bridge and what is wanted, as text; NULL: none. */
static const char *find_difference(const struct vs_observed *o, const struct vs_network *n,
				   const struct vs_link *link, const struct vs_link *uplink,
				   char *text, size_t size)
{
	if (strcmp(link->kind, "bridge") != 0)
		return "it is not a bridge";
	if (link->stp != n->stp)
		return link->stp ? "its STP is on" : "its STP is off";
	if (!link->is_up)
		return "it is down";
	snprintf(text, size, "its MTU is %u, not %u", link->mtu, n->mtu);
	if (link->mtu != n->mtu)
		return text;
	snprintf(text, size, "%s is not one of its ports", uplink ? uplink->name : "");
	if (uplink && uplink->master != link->ifindex)
		return text;
	for (size_t i = 0; i < n->nr_addrs; i++)
		if (!vs_find_addr(o, link->ifindex, &n->addrs[i]))
			return "it lacks an address of the policy";
	for (size_t i = 0; i < n->nr_routes; i++)
		if (!vs_find_route(o, link->ifindex, &n->routes[i]))
			return "it lacks a route of the policy";
	return NULL;
}

/* A bridge that someone else made and that is as wanted: used, and left alone for ever. */
static int adopt(const struct vs_plan_input *in, const struct vs_network *n,
		 const struct vs_link *link, const struct vs_link *uplink, struct vs_plan *plan)
{
	struct vs_record_network *rn;
	char text[96];
	const char *difference = find_difference(&plan->model, n, link, uplink, text, sizeof(text));

	if (difference)
		return refuse(in, n, difference);
	rn = vs_record_add(&plan->record);
	if (!rn)
		return -ENOMEM;
	snprintf(rn->name, sizeof(rn->name), "%s", n->name);
	snprintf(rn->mode, sizeof(rn->mode), "%s", n->mode->name);
	rn->is_adopted = true;
	return 0;
}

/* The record as it will be: what was moved before, and what is wanted now. */
static int start_record(const struct vs_record_network *old, const struct vs_network *n,
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

/* What the last policy put on the bridge and this one does not want. */
static void drop_unwanted(struct plan_for *p, const struct vs_record_network *old,
			  const struct vs_record_network *rn)
{
	for (size_t i = 0; old && i < old->nr_routes; i++)
		if (!bridge_wants_route(rn, &old->routes[i]))
			plan_del_route(p, VS_DISRUPTION_MANAGEMENT, rn->name, &old->routes[i]);
	for (size_t i = old ? old->nr_addrs : 0; i-- > 0;)
		if (!bridge_wants_addr(rn, &old->addrs[i]))
			plan_del_addr(p, VS_DISRUPTION_MANAGEMENT, rn->name, &old->addrs[i]);
}

static void plan_settings(struct plan_for *p, const struct vs_plan_input *in,
			  const struct vs_network *n, const struct vs_link *uplink)
{
	char alias[VS_TEXT_LEN];
	uint8_t mac[MAC_LEN];

	if (uplink)
		memcpy(mac, uplink->mac, MAC_LEN);
	else
		plan_make_mac(in->wanted->host_id, n->name, mac);
	alias_of(n->name, alias);
	if (!plan_link(p, n->name))
		plan_add_bridge(p, n->name, mac, n->mtu, alias);
	plan_set_mac(p, VS_DISRUPTION_MANAGEMENT, n->name, mac);
	plan_set_mtu(p, VS_DISRUPTION_NONE, n->name, n->mtu);
}

/* @uplink: a copy, because steps change the model. */
static int plan_ours(const struct vs_plan_input *in, const struct vs_record_network *old,
		     const struct vs_network *n, const struct vs_link *uplink, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	struct vs_record_network *rn;
	int rc = start_record(old, n, uplink, plan, &rn);

	if (!rc && uplink)
		rc = bridge_note_uplink(in, n, uplink, plan, rn);
	if (rc)
		return rc;
	plan_settings(&p, in, n, uplink);
	l3_plan_device(&p, n);
	for (size_t i = 0; i < rn->nr_moved_addrs; i++)
		plan_add_addr(&p, VS_DISRUPTION_NONE, n->name, &rn->moved_addrs[i], true);
	for (size_t i = 0; i < n->nr_addrs; i++)
		plan_add_addr(&p, VS_DISRUPTION_NONE, n->name, &n->addrs[i], false);
	plan_set_up(&p, VS_DISRUPTION_NONE, n->name, true);
	if (uplink)
		bridge_take_uplink(&p, n, rn, uplink->name);
	/* Last: a port that forwards already goes on, one that comes later listens for 30 s first. */
	plan_set_stp(&p, VS_DISRUPTION_NONE, n->name, n->stp);
	bridge_add_routes(&p, n, rn);
	if (uplink)
		bridge_strip_uplink(&p, rn, uplink->name);
	drop_unwanted(&p, old, rn);
	return p.rc;
}

static int plan_network(const struct vs_plan_input *in, const struct vs_record_network *old,
			const struct vs_network *n, struct vs_plan *plan)
{
	const struct vs_link *link = vs_observed_link(&plan->model, n->name);
	const struct vs_link *found = NULL;
	struct vs_record_network lost = { 0 };
	struct vs_link uplink;
	char alias[VS_TEXT_LEN];
	int rc = 0;

	if (n->has_uplink)
		rc = vs_match_uplink(in, &plan->model, n, &found);
	if (rc)
		return rc;
	if (found)
		uplink = *found;
	alias_of(n->name, alias);
	if (link && strcmp(link->alias, alias) != 0)
		return adopt(in, n, link, found ? &uplink : NULL, plan);
	if (link && !old) {
		rc = bridge_rebuild_record(&plan->model, link, n, &lost);
		old = &lost;
	}
	if (!rc)
		rc = plan_ours(in, old, n, found ? &uplink : NULL, plan);
	free(lost.moved_addrs);
	free(lost.moved_routes);
	return rc;
}

int bridge_plan(const struct vs_plan_input *in, const struct vs_record_network *old,
		const struct vs_network *n, struct vs_plan *plan)
{
	struct vs_network own;
	int rc = l3_begin(n, &plan->model, &own);

	if (!rc)
		rc = plan_network(in, old, &own, plan);
	l3_end(&own);
	return rc;
}

int bridge_release(const struct vs_plan_input *in, const struct vs_record_network *old,
		   const struct vs_network *n, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };
	const struct vs_link *found = NULL;
	int rc = 0;

	if (old->is_adopted || !old->uplink[0])
		return 0;
	if (n && n->has_uplink)
		rc = vs_match_uplink(in, &plan->model, n, &found);
	if (rc)
		return rc;
	if (found && !strcmp(found->name, old->uplink))
		return 0;
	bridge_give_back(&p, old, n);
	return p.rc;
}

/* Everything on the link goes by steps of its own, so that each can be undone. */
static void empty_link(struct plan_for *p, const char *name)
{
	const struct vs_observed *o = &p->plan->model;
	int ifindex = plan_link(p, name)->ifindex;
	char port[IFNAMSIZ];

	for (size_t i = 0; i < o->nr_links; i++)
		if (o->links[i].master == ifindex) {
			memcpy(port, o->links[i].name, sizeof(port));
			plan_set_master(p, VS_DISRUPTION_LINK_DOWN, port, "");
		}
	for (size_t i = o->nr_routes; !p->rc && i-- > 0;)
		if (o->routes[i].ifindex == ifindex && !vs_route_is_automatic(o, &o->routes[i]))
			plan_del_route(p, VS_DISRUPTION_MANAGEMENT, name, &o->routes[i].route);
	for (size_t i = o->nr_addrs; !p->rc && i-- > 0;)
		if (o->addrs[i].ifindex == ifindex && !bridge_is_link_local(&o->addrs[i].addr))
			plan_del_addr(p, VS_DISRUPTION_MANAGEMENT, name, &o->addrs[i].addr);
}

int bridge_plan_down(const struct vs_plan_input *in, const struct vs_record_network *old,
		     struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };
	const struct vs_link *link = plan_link(&p, old->name);
	char alias[VS_TEXT_LEN];

	(void)in;
	alias_of(old->name, alias);
	if (old->is_adopted || !link || strcmp(link->alias, alias) != 0)
		return 0;
	empty_link(&p, old->name);
	plan_set_up(&p, VS_DISRUPTION_NONE, old->name, false);
	plan_set_stp(&p, VS_DISRUPTION_NONE, old->name, false);
	plan_del_bridge(&p, old->name);
	return p.rc;
}

int bridge_attach(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	const struct vs_link *link = plan_link(&p, vif->name);
	const struct vs_link *bridge = plan_link(&p, n->name);

	if (!bridge)
		return -ENONET;
	/* A new port is not isolated yet: it must not pass traffic until it is. */
	if (link->is_up && (vif->isolation != VS_ISOLATION_NONE) && link->master != bridge->ifindex)
		plan_set_up(&p, VS_DISRUPTION_BLIP, vif->name, false);
	plan_ipv6_off(&p, vif->name);
	if (vif->mtu)
		plan_set_mtu(&p, VS_DISRUPTION_NONE, vif->name, vif->mtu);
	plan_set_master(&p, VS_DISRUPTION_BLIP, vif->name, n->name);
	plan_set_isolated(&p, VS_DISRUPTION_NONE, vif->name, vif->isolation != VS_ISOLATION_NONE);
	plan_set_up(&p, VS_DISRUPTION_NONE, vif->name, true);
	return p.rc;
}

int bridge_detach(const char *link, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };

	plan_set_master(&p, VS_DISRUPTION_LINK_DOWN, link, "");
	return p.rc;
}

const struct vs_mode vs_mode_bridge = {
	.name = "bridge",
	.segment = VS_SEGMENT_BRIDGE,
	.joins_lan = true,
	.docs = BRIDGE_DOCS,
	.release = bridge_release,
	.plan = bridge_plan,
	.plan_down = bridge_plan_down,
	.attach = bridge_attach,
	.detach = bridge_detach,
};
