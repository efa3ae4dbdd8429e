/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a port can have one switch at a time:
 *
 *	1. the new device is made, with the host's addresses		old: uplink, vifs
 *	2. a patch cable joins old and new				one segment, whoever has what
 *	3. the uplink moves, then the host's routes			new: uplink
 *	4. the vifs move, one step each					new: uplink, vifs
 *	5. the cable goes, the old device too
 *
 * Open vSwitch's user-space datapath only listens in on links: there both switches have the vifs, then the
 * uplink too, before the old one loses them, and no cable is needed.
 *
 * A Linux bridge and an Open vSwitch one cannot have one name at a time. The Linux bridge then has another
 * name meanwhile: it is renamed as it forwards. Where that cannot be (Linux before 6.2; Open vSwitch never),
 * it is done twice, by way of a bridge aside; a port that goes from one Linux bridge to another is in none
 * for a grace period of the kernel's, a millisecond or, beside much other work, 20.
 */
#include "vswitch/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/array.h"
#include "vswitch/bridge_priv.h"
#include "vswitch/fastnet.h"
#include "vswitch/guard.h"
#include "vswitch/ovs.h"
#include "vswitch/vlans.h"

static uint32_t hash_name(const char *a, const char *b)
{
	uint32_t hash = 2166136261u;

	for (const char *p = a; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	hash = (hash ^ '/') * 16777619u;
	for (const char *p = b; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	return hash;
}

static void name_aside(const char *network, char name[IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, "vfs%08x", hash_name(network, ""));
}

static void name_patch(const char *from, const char *to, char name[IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, "vfp%08x", hash_name(from, to));
}

/* The switch of ours that has the link; NULL: none. */
static const char *switch_of(const struct vs_observed *o, const char *name)
{
	const json_t *port = vs_observed_doc(o, VS_DOC_OVS_PORT, name);
	const struct vs_link *link = vs_observed_link(o, name);
	const struct vs_link *master = link ? vs_observed_index(o, link->master) : NULL;

	if (port)
		return json_string_value(json_object_get(port, "bridge"));
	if (master && !strncmp(master->alias, VS_ALIAS_PREFIX, strlen(VS_ALIAS_PREFIX)))
		return master->name;
	return NULL;
}

bool takeover_may_take(const struct vs_observed *o, const struct vs_link *uplink)
{
	return switch_of(o, uplink->name) != NULL;
}

bool takeover_overlaps(const struct vs_observed *o, const struct vs_network *n, const char *link)
{
	const char *now = switch_of(o, link);
	const json_t *ovs = now ? vs_observed_doc(o, VS_DOC_OVS_BRIDGE, now) : NULL;
	const char *datapath = json_string_value(json_object_get(ovs, "datapath"));

	if (!now || !strcmp(now, n->name))
		return false;
	return (n->mode->segment == VS_SEGMENT_OVS && n->ovs_datapath != VS_OVS_KERNEL) ||
	       (datapath && !strcmp(datapath, "netdev"));
}

static void join(struct plan_for *p, const char *link, const char *device, bool has_vlans)
{
	const json_t *ovs = vs_observed_doc(&p->plan->model, VS_DOC_OVS_BRIDGE, device);
	const struct vs_link *bridge = plan_link(p, device);

	plan_ipv6_off(p, link);
	plan_set_up(p, VS_DISRUPTION_NONE, link, true);
	if (ovs) {
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_OVS_PORT, link,
			     ovs_patch_doc(device, json_is_true(json_object_get(ovs, "secure"))));
		return;
	}
	plan_set_master(p, VS_DISRUPTION_NONE, link, device);
	if (has_vlans || (bridge && bridge->bridge[VS_BRIDGE_VLAN_FILTERING]))
		plan_trunk_all(p, link);
}

static void leave(struct plan_for *p, const char *link)
{
	plan_set_up(p, VS_DISRUPTION_NONE, link, false);
	plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_OVS_PORT, link);
	plan_set_master(p, VS_DISRUPTION_NONE, link, "");
}

static void plug_patch(struct plan_for *p, const struct vs_network *n, const char *uplink)
{
	const char *now = switch_of(&p->plan->model, uplink);
	char from[IFNAMSIZ], patch[IFNAMSIZ], peer[IFNAMSIZ], alias[VS_TEXT_LEN];
	uint8_t mac[MAC_LEN];

	if (!now || !strcmp(now, n->name))
		return;
	snprintf(from, sizeof(from), "%s", now);
	name_patch(from, n->name, patch);
	vs_patch_peer(patch, peer);
	snprintf(alias, sizeof(alias), VS_ALIAS_PREFIX "%s", n->name);
	plan_make_mac(from, n->name, mac);
	plan_add_patch(p, patch, mac, n->mtu, alias);
	/* A new port would listen for 30 s first. */
	plan_set_stp(p, VS_DISRUPTION_NONE, from, false);
	join(p, patch, from, false);
	join(p, peer, n->name, n->vlan_filtering);
}

static void enslave(struct plan_for *p, enum vs_disruption d, const struct vs_network *n,
		    const char *link)
{
	if (n->mode->segment == VS_SEGMENT_OVS)
		plan_set_doc(p, d, VS_DOC_OVS_PORT, link, ovs_uplink_doc(n));
	else
		plan_set_master(p, d, link, n->name);
}

/* Of an uplink: its frames are for the one that has it, not for the host's stack besides. */
static void guard_stack(struct plan_for *p, const struct vs_network *n, const char *uplink)
{
	if (ovs_is_in_user_space(n))
		plan_stack_guard(p, uplink, NULL);
	else
		plan_unguard(p, uplink);
}

static void release(struct plan_for *p, enum vs_disruption d, const struct vs_network *n,
		    const char *link)
{
	if (n->mode->segment == VS_SEGMENT_OVS)
		plan_set_master(p, d, link, "");
	else
		plan_del_doc(p, d, VS_DOC_OVS_PORT, link);
}

enum move { MOVE_ATTACH, MOVE_DETACH, MOVE_WHOLE };

/* The vifs of @n, from wherever they are; in two halves where both switches may have them. */
static void move_vifs(const struct vs_plan_input *in, struct plan_for *p,
		      const struct vs_network *n, enum move move)
{
	const char *network = in->vifs_of ? in->vifs_of : n->name;

	for (size_t i = 0; !p->rc && i < in->wanted->nr_vifs; i++) {
		struct vs_vif vif = in->wanted->vifs[i];

		if (strcmp(vif.network, network) != 0 || !plan_link(p, vif.name))
			continue;
		snprintf(vif.network, sizeof(vif.network), "%s", n->name);
		if (move == MOVE_ATTACH)
			p->rc = plan_join(n, &vif, p->plan);
		else if (move == MOVE_DETACH)
			p->rc = plan_leave(n, VS_DISRUPTION_NONE, vif.name, p->plan);
		else
			p->rc = vs_plan_vif(n, &vif, p->plan);
	}
}

/*
 * Both switches have all of it for the moment that it takes Open vSwitch to take or to leave the uplink:
 * packets arrive twice rather than not at all. Joined by a cable they would make a ring.
 */
static void move_overlapping(const struct vs_plan_input *in, struct plan_for *p,
			     enum vs_disruption d, const struct vs_network *n, const char *uplink)
{
	move_vifs(in, p, n, MOVE_ATTACH);
	enslave(p, VS_DISRUPTION_NONE, n, uplink);
	release(p, d, n, uplink);
	move_vifs(in, p, n, MOVE_DETACH);
}

void takeover_uplink(const struct vs_plan_input *in, struct plan_for *p, enum vs_disruption d,
		     const struct vs_network *n, const char *uplink)
{
	if (!ovs_is_in_user_space(n))
		guard_stack(p, n, uplink);
	if (takeover_overlaps(&p->plan->model, n, uplink)) {
		move_overlapping(in, p, d, n, uplink);
	} else {
		plug_patch(p, n, uplink);
		release(p, d, n, uplink);
		enslave(p, d, n, uplink);
	}
	guard_stack(p, n, uplink);
}

static bool is_lan(const struct vs_mode *mode)
{
	return mode && mode->joins_lan;
}

static const struct vs_network *successor(const struct vs_plan_input *in,
					  const struct vs_observed *o,
					  const struct vs_record_network *old)
{
	const struct vs_network *n = vs_wanted_network(in->wanted, old->name);
	const struct vs_link *uplink = vs_observed_link(o, old->uplink);

	if (!uplink || old->is_adopted || !is_lan(vs_mode_find(old->mode)))
		return NULL;
	/* vifrost-netback's switch has no end for a cable. */
	if (vs_mode_find(old->mode)->plain || vs_is_fast(n))
		return NULL;
	if (n && is_lan(n->mode) && vs_is_uplink(n, uplink))
		return n->mode->segment == vs_mode_find(old->mode)->segment ? NULL : n;
	for (size_t i = 0; !n && i < in->wanted->nr_networks; i++) {
		const struct vs_network *other = &in->wanted->networks[i];

		if (is_lan(other->mode) && !vs_is_fast(other) && vs_is_uplink(other, uplink) &&
		    !vs_record_find(in->record, other->name))
			return other;
	}
	return NULL;
}

static int carry_addrs(const struct vs_observed *o, int device, const struct vs_record_network *old,
		       struct vs_record_network *to)
{
	const struct vs_addr *now;
	struct vs_addr *added;

	if (!array_copy(&to->moved_addrs, old->moved_addrs, old->nr_moved_addrs,
			sizeof(*old->moved_addrs)))
		return -ENOMEM;
	to->nr_moved_addrs = old->nr_moved_addrs;
	for (size_t i = 0; i < to->nr_moved_addrs; i++) {
		/* The lifetime of a lease has gone on meanwhile. */
		now = vs_find_addr(o, device, &to->moved_addrs[i]);
		if (now)
			to->moved_addrs[i] = *now;
	}
	for (size_t i = 0; i < o->nr_addrs; i++) {
		const struct vs_link_addr *a = &o->addrs[i];

		if (a->ifindex != device || bridge_is_link_local(&a->addr) ||
		    bridge_wants_addr(old, &a->addr))
			continue;
		added = array_add(&to->moved_addrs, &to->nr_moved_addrs, sizeof(*added));
		if (!added)
			return -ENOMEM;
		*added = a->addr;
	}
	return 0;
}

static int carry_routes(const struct vs_observed *o, int device,
			const struct vs_record_network *old, struct vs_record_network *to)
{
	struct vs_route *added;

	if (!array_copy(&to->moved_routes, old->moved_routes, old->nr_moved_routes,
			sizeof(*old->moved_routes)))
		return -ENOMEM;
	to->nr_moved_routes = old->nr_moved_routes;
	for (size_t i = 0; i < o->nr_routes; i++) {
		const struct vs_link_route *r = &o->routes[i];

		if (r->ifindex != device || vs_route_is_automatic(o, r) ||
		    bridge_wants_route(old, &r->route))
			continue;
		added = array_add(&to->moved_routes, &to->nr_moved_routes, sizeof(*added));
		if (!added)
			return -ENOMEM;
		*added = r->route;
	}
	return 0;
}

/* What had been the uplink's, and what came to the old device since, by DHCP say. */
static int carry(const struct vs_observed *o, const struct vs_record_network *old,
		 struct vs_record_network *to)
{
	const struct vs_link *device = vs_observed_link(o, old->name);
	int ifindex = device ? device->ifindex : -1;
	int rc = carry_addrs(o, ifindex, old, to);

	return rc ? rc : carry_routes(o, ifindex, old, to);
}

static int add_takeover(struct takeovers *t, const struct vs_plan *plan,
			const struct vs_record_network *old, const struct vs_network *to)
{
	struct takeover *one = array_add(&t->v, &t->nr, sizeof(*one));

	if (!one)
		return -ENOMEM;
	one->old = old;
	one->to = to;
	snprintf(one->from, sizeof(one->from), "%s", old->name);
	one->carried.uplink_old_mtu = old->uplink_old_mtu;
	one->carried.uplink_was_up = old->uplink_was_up;
	snprintf(one->carried.name, sizeof(one->carried.name), "%s", to->name);
	snprintf(one->carried.mode, sizeof(one->carried.mode), "%s", to->mode->name);
	snprintf(one->carried.uplink, sizeof(one->carried.uplink), "%s", old->uplink);
	return carry(&plan->model, old, &one->carried);
}

int takeovers_find(const struct vs_plan_input *in, const struct vs_plan *plan, struct takeovers *t)
{
	int rc = 0;

	*t = (struct takeovers){ 0 };
	for (size_t i = 0; !rc && i < in->record->nr_networks; i++) {
		const struct vs_record_network *old = &in->record->networks[i];
		const struct vs_network *to = successor(in, &plan->model, old);

		if (to)
			rc = add_takeover(t, plan, old, to);
	}
	return rc;
}

void takeovers_fini(struct takeovers *t)
{
	for (size_t i = 0; i < t->nr; i++) {
		free(t->v[i].carried.moved_addrs);
		free(t->v[i].carried.moved_routes);
	}
	free(t->v);
}

const struct takeover *takeover_of_old(const struct takeovers *t,
				       const struct vs_record_network *old)
{
	for (size_t i = 0; i < t->nr; i++)
		if (t->v[i].old == old)
			return &t->v[i];
	return NULL;
}

struct takeover *takeover_of_new(const struct takeovers *t, const struct vs_network *n)
{
	for (size_t i = 0; i < t->nr; i++)
		if (t->v[i].to == n)
			return &t->v[i];
	return NULL;
}

static void drop_patch(struct vs_plan *plan, const char *from, const char *to, int *rc)
{
	struct plan_for p = { .plan = plan, .network = to, .rc = *rc };
	char patch[IFNAMSIZ], peer[IFNAMSIZ];

	name_patch(from, to, patch);
	vs_patch_peer(patch, peer);
	leave(&p, patch);
	leave(&p, peer);
	plan_del_patch(&p, patch);
	*rc = p.rc;
}

/* Whether a bridge of ours can just bear another name. */
static bool can_rename(const struct vs_plan *plan, const char *from, const char *to)
{
	const struct vs_link *link = vs_observed_link(&plan->model, from);

	return link && !strcmp(link->kind, "bridge") && !vs_observed_link(&plan->model, to) &&
	       !(plan->model.lacks & VS_LACKS_LIVE_RENAME) &&
	       !strncmp(link->alias, VS_ALIAS_PREFIX, strlen(VS_ALIAS_PREFIX)) &&
	       !strcmp(link->alias + strlen(VS_ALIAS_PREFIX), from) &&
	       /* Its client of DHCP knows it by its name. */
	       !vs_observed_doc(&plan->model, VS_DOC_DHCP, from);
}

int takeover_begin(const struct vs_plan_input *in, struct takeover *t, struct vs_plan *plan)
{
	const struct vs_mode *old_mode = vs_mode_find(t->old->mode);
	struct plan_for p = { .plan = plan, .network = t->to->name };
	struct vs_plan_input in_aside = *in;
	struct vs_network aside = *t->to;
	struct vs_record_network carried = t->carried;
	int rc;

	if (strcmp(t->old->name, t->to->name) != 0)
		return 0;
	name_aside(t->to->name, aside.name);
	if (can_rename(plan, t->old->name, aside.name)) {
		memcpy(t->from, aside.name, sizeof(t->from));
		plan_rename_bridge(&p, t->old->name, t->from);
		return p.rc;
	}
	aside.mode = &vs_mode_bridge;
	aside.stp = false;
	memcpy(carried.name, aside.name, sizeof(carried.name));
	snprintf(carried.mode, sizeof(carried.mode), "%s", aside.mode->name);
	in_aside.vifs_of = t->to->name;
	rc = aside.mode->plan(&in_aside, &carried, &aside, plan);
	if (rc)
		return rc;
	/* Nothing of it is left when the plan is done. */
	vs_record_drop_last(&plan->record);
	move_vifs(&in_aside, &p, &aside, MOVE_WHOLE);
	rc = p.rc;
	drop_patch(plan, t->old->name, aside.name, &rc);
	if (!rc)
		rc = old_mode->plan_down(in, t->old, plan);
	memcpy(t->from, aside.name, sizeof(t->from));
	if (!rc && t->to->mode->segment == VS_SEGMENT_BRIDGE &&
	    can_rename(plan, aside.name, t->to->name)) {
		plan_rename_bridge(&p, aside.name, t->to->name);
		rc = p.rc;
	}
	return rc;
}

int takeover_end(const struct vs_plan_input *in, const struct takeover *t, struct vs_plan *plan)
{
	struct vs_record_network aside = { 0 };
	int rc = 0;

	drop_patch(plan, t->from, t->to->name, &rc);
	if (rc || !strcmp(t->from, t->old->name))
		return rc;
	memcpy(aside.name, t->from, sizeof(aside.name));
	return vs_mode_bridge.plan_down(in, &aside, plan);
}
