/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bond of two, the first with the host's addresses:
 *
 *	1. bond made, the members without addresses join	host talks over the first
 *	2. the bond gets addresses and routes, goes up		host talks over the first
 *	3. the first loses its routes and addresses, joins	host talks over the bond
 *
 * and back: the first leaves, gets all of it, then the bond loses it and goes with the rest. With one member
 * only there is a gap, of milliseconds: a link must be down to join.
 */
#include "vswitch/uplinks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/array.h"
#include "vswitch/bridge_priv.h"

#define MII_MS_USUAL 100

static const char alias[] = VS_ALIAS_PREFIX "uplink";

const char *uplinks_made_for(const struct vs_network *n)
{
	if (!n->has_uplink)
		return NULL;
	if (n->uplink_vlan)
		return n->uplink_vlan_name;
	return n->uplink_bond.nr_members ? n->uplink_name : NULL;
}

static json_t *bond_doc(const struct vs_bond *b)
{
	return vs_bond_json((uint8_t)b->mode, (uint8_t)b->hash, b->lacp_fast,
			    b->mii_ms ? b->mii_ms : MII_MS_USUAL);
}

/* The network whose wish is the device @name; NULL: nobody's. */
static const struct vs_network *find_wish(const struct vs_wanted *w, const char *name, bool is_bond)
{
	for (size_t i = 0; i < w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i];

		if (!n->has_uplink || (is_bond ? !n->uplink_bond.nr_members : !n->uplink_vlan))
			continue;
		if (!strcmp(is_bond ? n->uplink_name : n->uplink_vlan_name, name))
			return n;
	}
	return NULL;
}

static int match_member(const struct vs_plan_input *in, const struct vs_observed *o,
			const struct vs_network *n, size_t i, const struct vs_link **link)
{
	char what[VS_TEXT_LEN];

	snprintf(what, sizeof(what), "member %zu of uplink %s", i + 1, n->uplink_name);
	return vs_match_link(in, o, &n->uplink_bond.members[i], &n->uplink_place, what, link);
}

/* What a VLAN stands on: a bond of ours, or the link that is meant. NULL in *name: not made yet. */
static int find_lower(const struct vs_plan_input *in, const struct vs_observed *o,
		      const struct vs_network *n, char name[IFNAMSIZ])
{
	const struct vs_link *link;
	char what[VS_TEXT_LEN];
	int rc = 0;

	if (n->uplink_bond.nr_members) {
		snprintf(name, IFNAMSIZ, "%.15s", n->uplink_name);
		return 0;
	}
	snprintf(what, sizeof(what), "uplink %s", n->uplink_name);
	rc = vs_match_link(in, o, &n->uplink, &n->uplink_place, what, &link);
	if (!rc)
		memcpy(name, link->name, IFNAMSIZ);
	return rc;
}

/* ---- Back ---- */

static void drop_device(struct plan_for *p, const char *name)
{
	const struct vs_link *link = plan_link(p, name);

	if (!link || strcmp(link->alias, alias) != 0)
		return;
	bridge_empty_link(p, name);
	if (link->master)
		plan_set_master(p, VS_DISRUPTION_MANAGEMENT, name, "");
	plan_set_up(p, VS_DISRUPTION_NONE, name, false);
	plan_del_stacked(p, name);
}

/* Whether anything stands on @lower: it is not let down then. */
static bool is_used(const struct vs_plan_input *in, const struct vs_plan *plan, const char *lower)
{
	const struct vs_link *link = vs_observed_link(&plan->model, lower);

	if (link && link->master)
		return true;
	for (size_t i = 0; link && i < plan->model.nr_links; i++)
		if (plan->model.links[i].lower == link->ifindex)
			return true;
	for (size_t i = 0; i < in->wanted->nr_networks; i++)
		if (link && !uplinks_made_for(&in->wanted->networks[i]) &&
		    vs_is_uplink(&in->wanted->networks[i], link))
			return true;
	return false;
}

static void restore_link(struct plan_for *p, const struct vs_record_network *old)
{
	if (old->uplink_old_mtu)
		plan_set_mtu(p, VS_DISRUPTION_BLIP, old->uplink, old->uplink_old_mtu);
	plan_set_up(p, VS_DISRUPTION_NONE, old->uplink, old->uplink_was_up);
}

static void release_vlan(struct plan_for *p, const struct vs_plan_input *in,
			 const struct vs_record_network *old)
{
	drop_device(p, old->name);
	if (!is_used(in, p->plan, old->uplink))
		restore_link(p, old);
}

static void leave_bond(struct plan_for *p, const struct vs_record_network *old)
{
	const struct vs_link *bond = plan_link(p, old->name);
	const struct vs_link *member = plan_link(p, old->uplink);

	if (bond && member && member->master == bond->ifindex)
		plan_set_master(p, VS_DISRUPTION_BLIP, old->uplink, "");
	restore_link(p, old);
}

/* All that is on the bond now, which may have come since, onto the member that had brought addresses. */
static int give_to_member(struct plan_for *p, const struct vs_record_network *old)
{
	const struct vs_observed *o = &p->plan->model;
	const struct vs_link *bond = plan_link(p, old->name);
	struct vs_record_network now = { 0 };
	int rc = bond && plan_link(p, old->uplink) ? bridge_note_all(o, bond->ifindex, &now) : 0;

	if (now.nr_moved_addrs || now.nr_moved_routes)
		plan_set_up(p, VS_DISRUPTION_NONE, old->uplink, true);
	for (size_t i = 0; !rc && i < now.nr_moved_addrs; i++)
		plan_add_addr(p, VS_DISRUPTION_NONE, old->uplink, &now.moved_addrs[i], true);
	for (int via = 0; !rc && via < 2; via++)
		for (size_t i = 0; i < now.nr_moved_routes; i++)
			if (now.moved_routes[i].has_via == via)
				plan_add_route(p, VS_DISRUPTION_NONE, old->uplink,
					       &now.moved_routes[i]);
	if (!rc)
		bridge_strip_uplink(p, &now, old->name);
	free(now.moved_addrs);
	free(now.moved_routes);
	return rc ? rc : p->rc;
}

/* How much a member is the one that the host's addresses belong on. */
static int rank(const struct vs_record_network *u)
{
	return u->nr_moved_addrs ? 2 : u->uplink_was_up;
}

static const struct vs_record_network *first_of_bond(const struct vs_record *r, const char *name)
{
	const struct vs_record_network *first = NULL;

	for (size_t i = 0; i < r->nr_uplinks; i++) {
		const struct vs_record_network *u = &r->uplinks[i];

		if (strcmp(u->mode, "bond") != 0 || strcmp(u->name, name) != 0)
			continue;
		if (!first || rank(u) > rank(first))
			first = u;
	}
	return first;
}

static int release_bond(struct plan_for *p, const struct vs_plan_input *in, const char *name)
{
	const struct vs_record_network *first = first_of_bond(in->record, name);
	int rc = 0;

	/* A bridge that keeps it gets it back when it is made anew. */
	if (plan_link(p, name) && plan_link(p, name)->master)
		plan_set_master(p, VS_DISRUPTION_MANAGEMENT, name, "");
	leave_bond(p, first);
	rc = p->rc ? p->rc : give_to_member(p, first);
	for (size_t i = 0; !rc && i < in->record->nr_uplinks; i++) {
		const struct vs_record_network *u = &in->record->uplinks[i];

		if (u != first && !strcmp(u->mode, "bond") && !strcmp(u->name, name))
			leave_bond(p, u);
	}
	if (!rc)
		drop_device(p, name);
	return rc ? rc : p->rc;
}

/* Whether the bond as it is can become what @n wants without its members. */
static bool is_bond_kept(const struct vs_plan *plan, const char *name, const struct vs_network *n)
{
	const struct vs_link *link = vs_observed_link(&plan->model, name);

	if (!n || !link || strcmp(link->kind, "bond") != 0)
		return n != NULL;
	return link->bond_mode == n->uplink_bond.mode &&
	       link->bond_lacp_fast == n->uplink_bond.lacp_fast;
}

static bool is_member(const struct vs_plan_input *in, const struct vs_plan *plan,
		      const struct vs_network *n, const char *name)
{
	const struct vs_link *link;

	for (size_t i = 0; i < n->uplink_bond.nr_members; i++)
		if (!match_member(in, &plan->model, n, i, &link) && !strcmp(link->name, name))
			return true;
	return false;
}

static int release_member(const struct vs_plan_input *in, const struct vs_record_network *old,
			  struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };
	const struct vs_network *n = find_wish(in->wanted, old->name, true);
	bool is_first = first_of_bond(in->record, old->name) == old;

	if (!is_bond_kept(plan, old->name, n))
		return is_first ? release_bond(&p, in, old->name) : 0;
	if (!is_member(in, plan, n, old->uplink))
		leave_bond(&p, old);
	return p.rc;
}

static int release_one(const struct vs_plan_input *in, const struct vs_record_network *old,
		       struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };
	const struct vs_network *n = find_wish(in->wanted, old->name, false);
	const struct vs_link *link = plan_link(&p, old->name);
	char lower[IFNAMSIZ] = "";
	int rc = 0;

	if (!strcmp(old->mode, "bond"))
		return release_member(in, old, plan);
	if (n)
		rc = find_lower(in, &plan->model, n, lower);
	if (!rc && n && !strcmp(lower, old->uplink) && (!link || link->vlan_id == n->uplink_vlan))
		return 0;
	if (!rc)
		release_vlan(&p, in, old);
	return rc ? rc : p.rc;
}

int uplinks_release(const struct vs_plan_input *in, struct vs_plan *plan)
{
	int rc = 0;

	/* VLANs of a bond go before it. */
	for (int bonds = 0; bonds < 2; bonds++)
		for (size_t i = in->record->nr_uplinks; !rc && i-- > 0;)
			if ((strcmp(in->record->uplinks[i].mode, "bond") == 0) == (bonds != 0))
				rc = release_one(in, &in->record->uplinks[i], plan);
	return rc;
}

/* ---- There ---- */

static int refuse(const struct vs_plan_input *in, const struct vs_network *n, const char *code,
		  const char *hint, const char *name, const char *what)
{
	diag_add(in->ds, DIAG_ERROR, code, &n->uplink_place, hint, "uplink %s: %s", name, what);
	return -EINVAL;
}

/* Ours, or not there. */
static int check_name(const struct vs_plan_input *in, const struct vs_network *n,
		      const struct vs_plan *plan, const char *name, const char *kind)
{
	const struct vs_link *link = vs_observed_link(&plan->model, name);
	char what[VS_TEXT_LEN];

	if (!link || (!strcmp(link->alias, alias) && !strcmp(link->kind, kind)))
		return 0;
	snprintf(what, sizeof(what), "a link of that name exists and is not Vifrost's");
	return refuse(in, n, "VF0516", "rename the uplink, or match that link instead", name, what);
}

/* As it was before us, by the old record or by what is there. */
static struct vs_record_network *note_uplink(const struct vs_plan_input *in, struct vs_plan *plan,
					     const char *name, const char *mode,
					     const struct vs_link *lower)
{
	struct vs_record_network *u = array_add(&plan->record.uplinks, &plan->record.nr_uplinks,
						sizeof(*u));

	if (!u)
		return NULL;
	snprintf(u->name, sizeof(u->name), "%s", name);
	snprintf(u->mode, sizeof(u->mode), "%s", mode);
	memcpy(u->uplink, lower->name, sizeof(u->uplink));
	u->uplink_was_up = lower->is_up;
	u->uplink_old_mtu = lower->mtu;
	for (size_t i = 0; i < in->record->nr_uplinks; i++) {
		const struct vs_record_network *old = &in->record->uplinks[i];

		if (strcmp(old->uplink, lower->name) != 0)
			continue;
		u->uplink_was_up = old->uplink_was_up;
		u->uplink_old_mtu = old->uplink_old_mtu;
		if (strcmp(old->name, name) != 0 || u->moved_addrs)
			continue;
		if (!array_copy(&u->moved_addrs, old->moved_addrs, old->nr_moved_addrs,
				sizeof(*old->moved_addrs)))
			return NULL;
		u->nr_moved_addrs = old->nr_moved_addrs;
	}
	return u;
}

static bool has_addrs(const struct vs_observed *o, int ifindex)
{
	for (size_t i = 0; i < o->nr_addrs; i++)
		if (o->addrs[i].ifindex == ifindex && !bridge_is_link_local(&o->addrs[i].addr))
			return true;
	return false;
}

struct members {
	char names[VS_MEMBERS_MAX][IFNAMSIZ];
	size_t nr, first; /* first: the one with addresses, else 0 */
};

static int find_members(const struct vs_plan_input *in, const struct vs_network *n,
			const struct vs_plan *plan, struct members *m)
{
	const struct vs_link *bond = vs_observed_link(&plan->model, n->uplink_name);
	const struct vs_link *link, *master;
	bool found = false;
	int rc;

	for (m->nr = 0; m->nr < n->uplink_bond.nr_members; m->nr++) {
		rc = match_member(in, &plan->model, n, m->nr, &link);
		if (rc)
			return rc;
		master = vs_observed_index(&plan->model, link->master);
		if (master && master != bond) {
			diag_add(
				in->ds, DIAG_ERROR, "VF0512", &n->uplink_place,
				"take it off that link first; what is not Vifrost's is not touched",
				"member %s of uplink %s is a port of %s", link->name,
				n->uplink_name, master->name);
			return -EINVAL;
		}
		rc = master ? 0 : bridge_check_routes(in, n, link, &plan->model);
		if (rc)
			return rc;
		memcpy(m->names[m->nr], link->name, IFNAMSIZ);
		if (!found && has_addrs(&plan->model, link->ifindex)) {
			m->first = m->nr;
			found = true;
		}
	}
	return 0;
}

static void join_bond(struct plan_for *p, const char *member, const char *bond)
{
	const struct vs_link *link = plan_link(p, member), *b = plan_link(p, bond);

	if (!link || !b || link->master == b->ifindex)
		return;
	/* So that the kernel notes this as the one to give back, and the steps do the rest. */
	plan_set_mtu(p, VS_DISRUPTION_BLIP, member, b->mtu);
	plan_set_up(p, VS_DISRUPTION_BLIP, member, false);
	plan_set_master(p, VS_DISRUPTION_BLIP, member, bond);
}

static int move_to_bond(struct plan_for *p, struct vs_record_network *u)
{
	const struct vs_link *member = plan_link(p, u->uplink), *bond = plan_link(p, u->name);
	int rc = member->master ? 0 : bridge_note_all(&p->plan->model, member->ifindex, u);

	if (rc || !bond)
		return rc;
	for (size_t i = 0; i < u->nr_moved_addrs; i++)
		plan_add_addr(p, VS_DISRUPTION_NONE, u->name, &u->moved_addrs[i], true);
	plan_set_up(p, VS_DISRUPTION_NONE, u->name, true);
	for (int via = 0; via < 2; via++)
		for (size_t i = 0; i < u->nr_moved_routes; i++)
			if (u->moved_routes[i].has_via == via)
				plan_add_route(p, VS_DISRUPTION_NONE, u->name, &u->moved_routes[i]);
	bridge_strip_uplink(p, u, u->uplink);
	return p->rc;
}

static int join_members(struct plan_for *p, const struct vs_plan_input *in, const struct members *m,
			const char *bond)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < m->nr; i++) {
		/* The first comes last. */
		const char *name = m->names[(m->first + 1 + i) % m->nr];
		const struct vs_link *link = plan_link(p, name);
		struct vs_record_network *u = note_uplink(in, p->plan, bond, "bond", link);
		const struct vs_link *b = plan_link(p, bond);

		if (!u)
			return -ENOMEM;
		if (link->master != b->ifindex)
			rc = move_to_bond(p, u);
		join_bond(p, name, bond);
	}
	plan_set_up(p, VS_DISRUPTION_NONE, bond, true);
	return rc ? rc : p->rc;
}

static bool is_noted(const struct vs_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->record.nr_uplinks; i++)
		if (!strcmp(plan->record.uplinks[i].name, name))
			return true;
	return false;
}

static int make_bond(const struct vs_plan_input *in, const struct vs_network *n,
		     struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	const char *name = n->uplink_name;
	const struct vs_link *first;
	struct members m = { .nr = 0 };
	int rc = 0;

	if (is_noted(plan, name))
		return 0;
	if (plan->model.lacks & VS_LACKS_BONDING)
		return refuse(in, n, "VF0515", "use a kernel with it, or an uplink without a bond",
			      name, "bonding is not in this kernel (CONFIG_BONDING)");
	rc = check_name(in, n, plan, name, "bond");
	if (!rc)
		rc = find_members(in, n, plan, &m);
	if (rc)
		return rc;
	first = plan_link(&p, m.names[m.first]);
	if (!plan_link(&p, name))
		plan_add_stacked(&p, name, first->mac, n->uplink_mtu ? n->uplink_mtu : first->mtu,
				 alias, bond_doc(&n->uplink_bond));
	else
		plan_set_bond(&p, VS_DISRUPTION_NONE, name, bond_doc(&n->uplink_bond));
	if (n->uplink_mtu)
		plan_set_mtu(&p, VS_DISRUPTION_BLIP, name, n->uplink_mtu);
	return p.rc ? p.rc : join_members(&p, in, &m, name);
}

static int make_vlan(const struct vs_plan_input *in, const struct vs_network *n,
		     struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	const char *name = n->uplink_vlan_name;
	const struct vs_link *link;
	struct vs_link lower;
	char what[VS_TEXT_LEN], lower_name[IFNAMSIZ];
	uint32_t mtu;
	int rc;

	if (plan->model.lacks & VS_LACKS_8021Q)
		return refuse(in, n, "VF0515", "use a kernel with it, or an uplink without a VLAN",
			      name, "802.1Q VLANs are not in this kernel (CONFIG_VLAN_8021Q)");
	rc = check_name(in, n, plan, name, "vlan");
	if (!rc)
		rc = find_lower(in, &plan->model, n, lower_name);
	link = rc ? NULL : plan_link(&p, lower_name);
	if (!link)
		return rc ? rc : -EINVAL;
	lower = *link;
	if (!note_uplink(in, plan, name, "vlan", &lower))
		return -ENOMEM;
	if (n->uplink_mtu)
		plan_set_mtu(&p, VS_DISRUPTION_BLIP, lower.name, n->uplink_mtu);
	lower.mtu = n->uplink_mtu ? n->uplink_mtu : lower.mtu;
	mtu = n->uplink_vlan_mtu ? n->uplink_vlan_mtu : lower.mtu;
	if (mtu > lower.mtu) {
		snprintf(what, sizeof(what), "MTU %u is above the %u of %s, which carries it", mtu,
			 lower.mtu, lower.name);
		return refuse(in, n, "VF0517", "set mtu of that uplink too", name, what);
	}
	plan_set_up(&p, VS_DISRUPTION_NONE, lower.name, true);
	if (!plan_link(&p, name))
		plan_add_stacked(&p, name, lower.mac, mtu, alias,
				 vs_vlan_json(lower.name, n->uplink_vlan));
	plan_set_mtu(&p, VS_DISRUPTION_BLIP, name, mtu);
	return p.rc;
}

int uplinks_make(const struct vs_plan_input *in, struct vs_plan *plan)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < in->wanted->nr_networks; i++) {
		const struct vs_network *n = &in->wanted->networks[i];

		if (n->has_uplink && n->uplink_bond.nr_members)
			rc = make_bond(in, n, plan);
		if (!rc && n->has_uplink && n->uplink_vlan)
			rc = make_vlan(in, n, plan);
	}
	return rc;
}
