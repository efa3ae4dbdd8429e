/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/bridge_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "vswitch/array.h"
#include "vswitch/fastnet.h"
#include "vswitch/guard.h"
#include "vswitch/ovs.h"
#include "vswitch/switch.h"
#include "vswitch/text.h"

int bridge_refuse(const struct vs_plan_input *in, const struct vs_network *n, const char *what)
{
	diag_add(
		in->ds, DIAG_ERROR, "VF0510", &n->place,
		"rename the network, remove that link, or make it as the policy wants it to be taken over",
		"%s exists already and is not Vifrost's: %s", n->name, what);
	return -EINVAL;
}

static int check_uplink(const struct vs_plan_input *in, const struct vs_network *n,
			const struct vs_link *uplink, const struct vs_plan *plan)
{
	const struct vs_link *bridge = vs_observed_link(&plan->model, n->name);
	const struct vs_link *master = vs_observed_index(&plan->model, uplink->master);

	/* The last record is this network's own. */
	for (size_t i = 0; i + 1 < plan->record.nr_networks; i++)
		if (!strcmp(plan->record.networks[i].uplink, uplink->name)) {
			diag_add(in->ds, DIAG_ERROR, "VF0511", &n->place, "one network per uplink",
				 "uplink %s is %s, which network %s has already", n->uplink_name,
				 uplink->name, plan->record.networks[i].name);
			return -EINVAL;
		}
	for (size_t i = 0; i < plan->record.nr_uplinks; i++)
		if (!strcmp(plan->record.uplinks[i].uplink, uplink->name) &&
		    !strcmp(plan->record.uplinks[i].mode, "bond")) {
			diag_add(in->ds, DIAG_ERROR, "VF0511", &n->place, "name the bond instead",
				 "uplink %s is %s, which is a member of bond %s", n->uplink_name,
				 uplink->name, plan->record.uplinks[i].name);
			return -EINVAL;
		}
	if (uplink->master && (!bridge || uplink->master != bridge->ifindex) &&
	    !vs_observed_doc(&plan->model, VS_DOC_OVS_PORT, uplink->name) &&
	    !takeover_may_take(&plan->model, uplink)) {
		diag_add(in->ds, DIAG_ERROR, "VF0512", &n->place,
			 "take it off that link first; what is not Vifrost's is not touched",
			 "uplink %s is %s, which is a port of %s", n->uplink_name, uplink->name,
			 master ? master->name : "another link");
		return -EINVAL;
	}
	return 0;
}

/* Of a route with several next hops, one over @link. */
int bridge_check_routes(const struct vs_plan_input *in, const struct vs_network *n,
			const struct vs_link *link, const struct vs_observed *o)
{
	char text[VS_ROUTE_TEXT_LEN];

	for (size_t i = 0; i < o->nr_routes; i++) {
		const struct vs_link_route *r = &o->routes[i];

		if (r->ifindex != link->ifindex || !r->is_multipath || vs_route_is_automatic(o, r))
			continue;
		vs_route_text(&r->route, text);
		diag_add(in->ds, DIAG_ERROR, "VF0513", &n->place,
			 "split it into routes with different metrics",
			 "route %s has several next hops, one of them over %s: it cannot be moved",
			 text, link->name);
		return -EINVAL;
	}
	return 0;
}

int bridge_begin(const struct vs_plan_input *in, const struct vs_record_network *old,
		 const struct vs_network *n, const struct vs_link *uplink, struct vs_plan *plan,
		 struct vs_record_network **rn)
{
	int rc = bridge_start_record(old, n, uplink, plan, rn);

	if (!rc && uplink)
		rc = check_uplink(in, n, uplink, plan);
	if (!rc && uplink)
		rc = bridge_check_routes(in, n, uplink, &plan->model);
	return rc || !uplink ? rc : bridge_note_all(&plan->model, uplink->ifindex, *rn);
}

void bridge_mac(const struct vs_plan_input *in, const struct vs_network *n,
		const struct vs_link *uplink, uint8_t mac[MAC_LEN])
{
	if (uplink)
		memcpy(mac, uplink->mac, MAC_LEN);
	else
		plan_make_mac(in->wanted->host_id, n->name, mac);
}

static void leave_ovs(struct plan_for *p, enum vs_disruption d, const char *uplink)
{
	if (!vs_observed_doc(&p->plan->model, VS_DOC_OVS_PORT, uplink))
		return;
	plan_unguard(p, uplink);
	plan_del_doc(p, d, VS_DOC_OVS_PORT, uplink);
}

void bridge_take_uplink(const struct vs_plan_input *in, struct plan_for *p,
			const struct vs_network *n, const struct vs_record_network *rn,
			const char *uplink)
{
	enum vs_disruption d = rn->nr_moved_addrs || rn->nr_addrs ? VS_DISRUPTION_MANAGEMENT
								  : VS_DISRUPTION_BLIP;

	if (n->uplink_mtu)
		plan_set_mtu(p, VS_DISRUPTION_BLIP, uplink, n->uplink_mtu);
	plan_set_up(p, VS_DISRUPTION_NONE, uplink, true);
	takeover_uplink(in, p, d, n, uplink);
}

static bool policy_has_key(const struct vs_network *n, const struct vs_route *r)
{
	for (size_t i = 0; i < n->nr_routes; i++)
		if (vs_route_same_key(&n->routes[i], r))
			return true;
	return false;
}

/* Another device of ours that goes has it still: the answer to "is it free" would be that one's. */
static bool is_held(const struct vs_observed *o, const struct vs_addr *a)
{
	for (size_t i = 0; i < o->nr_addrs; i++)
		if (vs_addr_same(&o->addrs[i].addr, a))
			return true;
	return false;
}

void bridge_add_addrs(const struct vs_plan_input *in, struct plan_for *p,
		      const struct vs_network *n, const struct vs_record_network *rn)
{
	for (size_t i = 0; i < rn->nr_moved_addrs; i++)
		if (!bridge_is_clients_addr(in, p, n, rn, &rn->moved_addrs[i]))
			plan_add_addr(p, VS_DISRUPTION_NONE, n->name, &rn->moved_addrs[i], true);
	for (size_t i = 0; i < n->nr_addrs; i++)
		plan_add_addr(p, VS_DISRUPTION_NONE, n->name, &n->addrs[i],
			      is_held(&p->plan->model, &n->addrs[i]));
}

/* Those without a gateway first, because gateways are reached by them. */
static void add_routes(const struct vs_plan_input *in, struct plan_for *p,
		       const struct vs_network *n, const struct vs_record_network *rn)
{
	for (int via = 0; via < 2; via++) {
		for (size_t i = 0; i < rn->nr_moved_routes; i++)
			if (rn->moved_routes[i].has_via == via &&
			    !policy_has_key(n, &rn->moved_routes[i]) &&
			    !bridge_is_clients_route(in, p, n, rn, &rn->moved_routes[i]))
				plan_add_route(p, VS_DISRUPTION_NONE, n->name,
					       &rn->moved_routes[i]);
		for (size_t i = 0; i < n->nr_routes; i++)
			if (n->routes[i].has_via == via)
				plan_add_route(p, VS_DISRUPTION_NONE, n->name, &n->routes[i]);
	}
}

/* The kernel leaves the prefix route of an address with a lifetime behind. */
static void sweep_prefix_routes(struct plan_for *p, const char *link, const struct vs_addr *a)
{
	const struct vs_observed *o = &p->plan->model;
	struct vs_link_addr gone = { .ifindex = plan_link(p, link)->ifindex, .addr = *a };
	struct vs_observed only = { .addrs = &gone, .nr_addrs = 1 };

	if (a->family != AF_INET6 || a->valid_s == UINT32_MAX)
		return;
	for (size_t i = o->nr_routes; !p->rc && i-- > 0;)
		if (o->routes[i].ifindex == gone.ifindex &&
		    vs_route_is_automatic(&only, &o->routes[i]) &&
		    !vs_route_is_automatic(o, &o->routes[i]))
			plan_del_route(p, VS_DISRUPTION_NONE, link, &o->routes[i].route);
}

static void strip_routes(struct plan_for *p, const struct vs_record_network *rn, const char *link,
			 const struct vs_network *keep, bool via)
{
	bool is_kept;

	for (size_t i = rn->nr_moved_routes; i-- > 0;) {
		is_kept = rn->moved_routes[i].has_via != via;
		for (size_t k = 0; keep && k < keep->nr_routes; k++)
			is_kept |= vs_route_serves(&rn->moved_routes[i], &keep->routes[k]);
		if (!is_kept)
			plan_del_route(p, VS_DISRUPTION_MANAGEMENT, link, &rn->moved_routes[i]);
	}
}

/*
 * In reverse: with its primary address an interface loses the secondary ones, and routes to gateways, put back,
 * ask for the one that the gateway is reached by.
 */
static void strip(struct plan_for *p, const struct vs_record_network *rn, const char *link,
		  const struct vs_network *keep)
{
	bool is_kept;

	strip_routes(p, rn, link, keep, true);
	strip_routes(p, rn, link, keep, false);
	for (size_t i = rn->nr_moved_addrs; i-- > 0;) {
		is_kept = false;
		for (size_t k = 0; keep && k < keep->nr_addrs; k++)
			is_kept |= vs_addr_same(&rn->moved_addrs[i], &keep->addrs[k]);
		if (is_kept || !plan_link(p, link))
			continue;
		plan_del_addr(p, VS_DISRUPTION_MANAGEMENT, link, &rn->moved_addrs[i]);
		sweep_prefix_routes(p, link, &rn->moved_addrs[i]);
	}
}

void bridge_strip_uplink(struct plan_for *p, const struct vs_record_network *rn, const char *uplink)
{
	strip(p, rn, uplink, NULL);
}

/* What the last policy put on the bridge and this one does not want. */
static void drop_unwanted(struct plan_for *p, const struct vs_record_network *old,
			  const struct vs_record_network *rn)
{
	for (int via = 1; via >= 0; via--)
		for (size_t i = 0; old && i < old->nr_routes; i++)
			if (old->routes[i].has_via == via &&
			    !bridge_wants_route(rn, &old->routes[i]))
				plan_del_route(p, VS_DISRUPTION_MANAGEMENT, rn->name,
					       &old->routes[i]);
	for (size_t i = old ? old->nr_addrs : 0; i-- > 0;)
		if (!bridge_wants_addr(rn, &old->addrs[i]))
			plan_del_addr(p, VS_DISRUPTION_MANAGEMENT, rn->name, &old->addrs[i]);
}

void bridge_end(const struct vs_plan_input *in, struct plan_for *p, const struct vs_network *n,
		const struct vs_record_network *old, const struct vs_record_network *rn)
{
	add_routes(in, p, n, rn);
	if (rn->uplink[0])
		bridge_strip_uplink(p, rn, rn->uplink);
	drop_unwanted(p, old, rn);
}

/* What the policy had put there, in reverse, so that undoing it gives the order it had. */
static void drop_policys(struct plan_for *p, const struct vs_record_network *old)
{
	struct vs_record_network moved = *old;

	moved.nr_addrs = moved.nr_routes = 0;
	for (int via = 1; via >= 0; via--)
		for (size_t i = old->nr_routes; i-- > 0;)
			if (old->routes[i].has_via == via &&
			    !bridge_wants_route(&moved, &old->routes[i]))
				plan_del_route(p, VS_DISRUPTION_MANAGEMENT, old->name,
					       &old->routes[i]);
	for (size_t i = old->nr_addrs; i-- > 0;)
		if (!bridge_wants_addr(&moved, &old->addrs[i]))
			plan_del_addr(p, VS_DISRUPTION_MANAGEMENT, old->name, &old->addrs[i]);
}

void bridge_give_back(struct plan_for *p, const struct vs_record_network *old,
		      const struct vs_network *n)
{
	const struct vs_link *uplink = plan_link(p, old->uplink);
	const struct vs_link *bridge = plan_link(p, old->name);
	const struct vs_addr *now;
	struct vs_addr a;

	/* Gone for good, or unplugged: there is nothing to give back to. */
	if (!uplink)
		return;
	for (size_t i = 0; i < old->nr_moved_addrs; i++) {
		/* As it is now: the lifetime of a lease has gone on meanwhile, or was renewed. */
		now = bridge ? vs_find_addr(&p->plan->model, bridge->ifindex, &old->moved_addrs[i])
			     : NULL;
		if (!now && bridge)
			now = bridge_successor(&p->plan->model, bridge->ifindex, old,
					       &old->moved_addrs[i]);
		a = now ? *now : old->moved_addrs[i];
		plan_add_addr(p, VS_DISRUPTION_NONE, old->uplink, &a, true);
	}
	leave_ovs(p, VS_DISRUPTION_MANAGEMENT, old->uplink);
	fastnet_leave_uplink(p, VS_DISRUPTION_MANAGEMENT, old);
	if (bridge && uplink->master == bridge->ifindex)
		plan_set_master(p, VS_DISRUPTION_MANAGEMENT, old->uplink, "");
	if (old->uplink_old_mtu)
		plan_set_mtu(p, VS_DISRUPTION_BLIP, old->uplink, old->uplink_old_mtu);
	for (int via = 0; via < 2; via++)
		for (size_t i = 0; i < old->nr_moved_routes; i++)
			if (old->moved_routes[i].has_via == via)
				plan_add_route(p, VS_DISRUPTION_NONE, old->uplink,
					       &old->moved_routes[i]);
	if (!n)
		drop_policys(p, old);
	strip(p, old, old->name, n);
	if (!old->uplink_was_up)
		plan_set_up(p, VS_DISRUPTION_NONE, old->uplink, false);
}

int bridge_release(const struct vs_plan_input *in, const struct vs_record_network *old,
		   const struct vs_network *n, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };
	const struct vs_link *found = NULL;
	int rc = 0;

	if (old->is_adopted || !old->uplink[0])
		return 0;
	if (n && n->has_uplink && !vs_is_card(n, &plan->model))
		rc = vs_match_uplink(in, &plan->model, n, &found);
	if (rc)
		return rc;
	if (found && !strcmp(found->name, old->uplink))
		return 0;
	bridge_give_back(&p, old, n);
	return p.rc;
}

/* Everything on the link goes by steps of its own, so that each can be undone. */
void bridge_empty_link(struct plan_for *p, const char *name)
{
	const struct vs_observed *o = &p->plan->model;
	int ifindex = plan_link(p, name)->ifindex;
	char port[IFNAMSIZ];

	for (size_t i = 0; i < o->nr_links; i++)
		if (o->links[i].master == ifindex) {
			memcpy(port, o->links[i].name, sizeof(port));
			plan_set_master(p, VS_DISRUPTION_LINK_DOWN, port, "");
		}
	for (int via = 1; via >= 0; via--)
		for (size_t i = o->nr_routes; !p->rc && i-- > 0;)
			if (o->routes[i].ifindex == ifindex && o->routes[i].route.has_via == via &&
			    !vs_route_is_automatic(o, &o->routes[i]))
				plan_del_route(p, VS_DISRUPTION_MANAGEMENT, name,
					       &o->routes[i].route);
	for (size_t i = o->nr_addrs; !p->rc && i-- > 0;)
		if (o->addrs[i].ifindex == ifindex && !bridge_is_link_local(&o->addrs[i].addr))
			plan_del_addr(p, VS_DISRUPTION_MANAGEMENT, name, &o->addrs[i].addr);
	for (size_t i = o->nr_neighs; !p->rc && i-- > 0;)
		if (o->neighs[i].ifindex == ifindex) {
			struct vs_neigh neigh = o->neighs[i].neigh;

			plan_del_neigh(p, VS_DISRUPTION_LINK_DOWN, name, &neigh);
		}
}
