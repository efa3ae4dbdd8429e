/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct vs_op make_op(enum vs_op_kind kind, const char *link, uint32_t value)
{
	struct vs_op op = { .kind = kind, .value = value };

	memcpy(op.link, link, strnlen(link, sizeof(op.link) - 1));
	return op;
}

static void add_step(struct plan_for *p, enum vs_disruption d, const struct vs_op *op,
		     const struct vs_op *undo)
{
	if (!p->rc)
		p->rc = vs_plan_add(p->plan, p->network, d, op, undo);
}

/* A setter of one number and its inverse. */
static void set_value(struct plan_for *p, enum vs_disruption d, enum vs_op_kind kind,
		      const char *link, uint32_t old, uint32_t value)
{
	struct vs_op op = make_op(kind, link, value), undo = make_op(kind, link, old);

	if (old != value)
		add_step(p, d, &op, &undo);
}

const struct vs_link *plan_link(const struct plan_for *p, const char *name)
{
	return vs_observed_link(&p->plan->model, name);
}

void plan_set_mtu(struct plan_for *p, enum vs_disruption d, const char *link, uint32_t mtu)
{
	const struct vs_link *l = plan_link(p, link);

	if (l)
		set_value(p, d, VS_OP_SET_MTU, l->name, l->mtu, mtu);
}

void plan_set_up(struct plan_for *p, enum vs_disruption d, const char *link, bool up)
{
	const struct vs_link *l = plan_link(p, link);

	if (l)
		set_value(p, d, VS_OP_SET_UP, link, l->is_up, up);
}

void plan_rename_bridge(struct plan_for *p, const char *link, const char *name)
{
	struct vs_op op = make_op(VS_OP_SET_NAME, link, 1), undo = make_op(VS_OP_SET_NAME, name, 1);

	snprintf(op.text, sizeof(op.text), "%s", name);
	snprintf(undo.text, sizeof(undo.text), "%s", link);
	add_step(p, VS_DISRUPTION_NONE, &op, &undo);
}

void plan_set_stp(struct plan_for *p, enum vs_disruption d, const char *link, bool on)
{
	const struct vs_link *l = plan_link(p, link);

	if (l)
		set_value(p, d, VS_OP_SET_STP, link, l->stp, on);
}

void plan_set_bridge(struct plan_for *p, enum vs_disruption d, const char *link,
		     enum vs_bridge_setting which, uint32_t value)
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = make_op(VS_OP_SET_BRIDGE, link, value), undo = op;

	if (!l || l->bridge[which] == value)
		return;
	op.index = undo.index = which;
	undo.value = l->bridge[which];
	add_step(p, d, &op, &undo);
}

void plan_set_isolated(struct plan_for *p, enum vs_disruption d, const char *link, bool on)
{
	const struct vs_link *l = plan_link(p, link);

	if (l)
		set_value(p, d, VS_OP_SET_ISOLATED, link, l->isolated, on);
}

void plan_ipv6_off(struct plan_for *p, const char *link)
{
	const struct vs_link *l = plan_link(p, link);

	if (l && l->accept_ra > 0)
		set_value(p, VS_DISRUPTION_NONE, VS_OP_ACCEPT_RA, link, (uint32_t)l->accept_ra, 0);
	if (l && l->ipv6_off == 0)
		set_value(p, VS_DISRUPTION_NONE, VS_OP_IPV6_OFF, link, 0, 1);
}

void plan_set_ipv6_off(struct plan_for *p, const char *link, bool off)
{
	const struct vs_link *l = plan_link(p, link);

	if (l && l->ipv6_off >= 0)
		set_value(p, VS_DISRUPTION_NONE, VS_OP_IPV6_OFF, link, (uint32_t)l->ipv6_off, off);
}

void plan_set_accept_ra(struct plan_for *p, const char *link, uint32_t value)
{
	const struct vs_link *l = plan_link(p, link);

	if (l && l->accept_ra >= 0)
		set_value(p, VS_DISRUPTION_NONE, VS_OP_ACCEPT_RA, link, (uint32_t)l->accept_ra,
			  value);
}

void plan_set_mac(struct plan_for *p, enum vs_disruption d, const char *link,
		  const uint8_t mac[MAC_LEN])
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = make_op(VS_OP_SET_MAC, link, 0), undo = op;

	if (!l || !memcmp(l->mac, mac, MAC_LEN))
		return;
	memcpy(op.mac, mac, MAC_LEN);
	memcpy(undo.mac, l->mac, MAC_LEN);
	add_step(p, d, &op, &undo);
}

void plan_set_master(struct plan_for *p, enum vs_disruption d, const char *link, const char *master)
{
	const struct vs_link *l = plan_link(p, link);
	const struct vs_link *new = master[0] ? plan_link(p, master) : NULL;
	const struct vs_link *old = l && l->master ? vs_observed_index(&p->plan->model, l->master)
						   : NULL;
	struct vs_op op = make_op(VS_OP_SET_MASTER, link, 0), undo = op;

	if (!l || l->master == (new ? new->ifindex : 0))
		return;
	/* The kernel forgets them with the port; so does a step, and its inverse knows them. */
	if (old) {
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, link);
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_VLANS, link);
	}
	memcpy(op.text, master, strnlen(master, IFNAMSIZ - 1));
	if (old)
		memcpy(undo.text, old->name, sizeof(old->name));
	add_step(p, d, &op, &undo);
}

/* FNV-1a. */
void plan_make_mac(const char *a, const char *b, uint8_t mac[MAC_LEN])
{
	const char *const texts[] = { a, "/", b };
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (const char *p = texts[i]; *p; p++)
			hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
	for (int i = 0; i < MAC_LEN; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02);
}

static struct vs_op addr_op(enum vs_op_kind kind, const char *link, const struct vs_addr *a,
			    bool is_moved)
{
	struct vs_op op = make_op(kind, link, is_moved);

	op.addr = *a;
	return op;
}

void plan_add_addr(struct plan_for *p, enum vs_disruption d, const char *link,
		   const struct vs_addr *a, bool is_moved)
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = addr_op(VS_OP_ADDR_ADD, link, a, is_moved);
	struct vs_op undo = addr_op(VS_OP_ADDR_DEL, link, a, false);

	if (l && !vs_find_addr(&p->plan->model, l->ifindex, a))
		add_step(p, d, &op, &undo);
}

void plan_del_addr(struct plan_for *p, enum vs_disruption d, const char *link,
		   const struct vs_addr *a)
{
	const struct vs_link *l = plan_link(p, link);
	const struct vs_addr *old = l ? vs_find_addr(&p->plan->model, l->ifindex, a) : NULL;
	struct vs_op op, undo;

	if (!old)
		return;
	op = addr_op(VS_OP_ADDR_DEL, link, old, false);
	undo = addr_op(VS_OP_ADDR_ADD, link, old, true);
	add_step(p, d, &op, &undo);
}

static struct vs_op route_op(enum vs_op_kind kind, const char *link, const struct vs_route *r)
{
	struct vs_op op = make_op(kind, link, 0);

	op.route = *r;
	return op;
}

void plan_add_route(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_route *r)
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = route_op(VS_OP_ROUTE_ADD, link, r);
	struct vs_op undo = route_op(VS_OP_ROUTE_DEL, link, r);

	if (l && !vs_find_route(&p->plan->model, l->ifindex, r))
		add_step(p, d, &op, &undo);
}

void plan_del_route(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_route *r)
{
	const struct vs_link *l = plan_link(p, link);
	const struct vs_route *old = l ? vs_find_route(&p->plan->model, l->ifindex, r) : NULL;
	struct vs_op op, undo;

	if (!old)
		return;
	op = route_op(VS_OP_ROUTE_DEL, link, old);
	undo = route_op(VS_OP_ROUTE_ADD, link, old);
	add_step(p, d, &op, &undo);
}

static void add_link(struct plan_for *p, enum vs_op_kind add, enum vs_op_kind del, const char *link,
		     const uint8_t mac[MAC_LEN], uint32_t mtu, const char *alias)
{
	struct vs_op op = make_op(add, link, mtu), undo;

	memcpy(op.mac, mac, MAC_LEN);
	snprintf(op.text, sizeof(op.text), "%s", alias);
	undo = op;
	undo.kind = del;
	add_step(p, VS_DISRUPTION_NONE, &op, &undo);
}

/* A step that changes nothing, but whose inverse says again what a link that was made anew has forgotten. */
static void remember_value(struct plan_for *p, enum vs_op_kind kind, const char *link,
			   uint32_t index, int value, int fresh)
{
	struct vs_op op = make_op(kind, link, (uint32_t)value);

	op.index = index;
	if (value >= 0 && value != fresh)
		add_step(p, VS_DISRUPTION_NONE, &op, &op);
}

void plan_remember_link(struct plan_for *p, const char *link)
{
	static const int fresh[VS_LINK_SYSCTL_NR] = {
		[VS_LINK_SEND_REDIRECTS] = 1,
		[VS_LINK_ACCEPT_RA] = 1,
		[VS_LINK_PROXY_DELAY4] = VS_PROXY_DELAY_DEFAULT,
		[VS_LINK_PROXY_DELAY6] = VS_PROXY_DELAY_DEFAULT,
	};
	const struct vs_link *l = plan_link(p, link);
	int sysctls[VS_LINK_SYSCTL_NR], ipv6_off, accept_ra;

	if (!l)
		return;
	ipv6_off = l->ipv6_off;
	accept_ra = l->accept_ra;
	memcpy(sysctls, l->sysctls, sizeof(sysctls));
	for (int i = 0; i < VS_LINK_SYSCTL_NR; i++)
		if (i != VS_LINK_ACCEPT_RA)
			remember_value(p, VS_OP_LINK_SYSCTL, link, (uint32_t)i, sysctls[i],
				       fresh[i]);
	remember_value(p, VS_OP_ACCEPT_RA, link, 0, accept_ra, 1);
	remember_value(p, VS_OP_IPV6_OFF, link, 0, ipv6_off, 1);
}

/* Whoever stands on it was moved by steps of their own. */
static void del_link(struct plan_for *p, enum vs_op_kind add, enum vs_op_kind del, const char *link)
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = make_op(del, link, 0), undo;

	if (!l)
		return;
	if (add == VS_OP_BRIDGE_ADD)
		plan_remember_link(p, link);
	l = plan_link(p, link);
	if (!l)
		return;
	op.value = l->mtu;
	memcpy(op.mac, l->mac, MAC_LEN);
	memcpy(op.text, l->alias, sizeof(op.text));
	undo = op;
	undo.kind = add;
	add_step(p, VS_DISRUPTION_NONE, &op, &undo);
}

static struct vs_op neigh_op(enum vs_op_kind kind, const char *link, const struct vs_neigh *n)
{
	struct vs_op op = make_op(kind, link, n->is_proxy);

	op.addr.family = n->family;
	memcpy(op.addr.local, n->address, sizeof(op.addr.local));
	memcpy(op.mac, n->mac, MAC_LEN);
	return op;
}

void plan_add_neigh(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_neigh *neigh)
{
	const struct vs_link *l = plan_link(p, link);
	const struct vs_neigh *old = l ? vs_find_neigh(&p->plan->model, l->ifindex, neigh) : NULL;
	struct vs_op op = neigh_op(VS_OP_NEIGH_ADD, link, neigh), undo;

	if (!l || (old && !memcmp(old->mac, neigh->mac, MAC_LEN)))
		return;
	undo = old ? neigh_op(VS_OP_NEIGH_ADD, link, old) : neigh_op(VS_OP_NEIGH_DEL, link, neigh);
	add_step(p, d, &op, &undo);
}

void plan_del_neigh(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_neigh *neigh)
{
	const struct vs_link *l = plan_link(p, link);
	const struct vs_neigh *old = l ? vs_find_neigh(&p->plan->model, l->ifindex, neigh) : NULL;
	struct vs_op op, undo;

	if (!old)
		return;
	op = neigh_op(VS_OP_NEIGH_DEL, link, old);
	undo = neigh_op(VS_OP_NEIGH_ADD, link, old);
	add_step(p, d, &op, &undo);
}

void plan_set_link_sysctl(struct plan_for *p, const char *link, enum vs_link_sysctl which,
			  int value)
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = make_op(VS_OP_LINK_SYSCTL, link, (uint32_t)value), undo;

	if (!l || l->sysctls[which] < 0 || l->sysctls[which] == value)
		return;
	op.index = which;
	undo = op;
	undo.value = (uint32_t)l->sysctls[which];
	add_step(p, VS_DISRUPTION_NONE, &op, &undo);
}

void plan_add_bridge(struct plan_for *p, const char *link, const uint8_t mac[MAC_LEN], uint32_t mtu,
		     const char *alias)
{
	add_link(p, VS_OP_BRIDGE_ADD, VS_OP_LINK_DEL, link, mac, mtu, alias);
}

void plan_del_bridge(struct plan_for *p, const char *link)
{
	del_link(p, VS_OP_BRIDGE_ADD, VS_OP_LINK_DEL, link);
}

void plan_add_patch(struct plan_for *p, const char *link, const uint8_t mac[MAC_LEN], uint32_t mtu,
		    const char *alias)
{
	add_link(p, VS_OP_PATCH_ADD, VS_OP_PATCH_DEL, link, mac, mtu, alias);
}

void plan_del_patch(struct plan_for *p, const char *link)
{
	del_link(p, VS_OP_PATCH_ADD, VS_OP_PATCH_DEL, link);
}

json_t *vs_bond_json(uint8_t mode, uint8_t hash, bool lacp_fast, uint32_t mii_ms)
{
	return json_pack("{ss si si sb si}", "kind", "bond", "mode", mode, "hash", hash,
			 "lacp-fast", lacp_fast, "mii-ms", (int)mii_ms);
}

json_t *vs_vlan_json(const char *lower, uint16_t id)
{
	return json_pack("{ss ss si}", "kind", "vlan", "link", lower, "id", (int)id);
}

static json_t *stack_json(const struct vs_observed *o, const struct vs_link *l)
{
	const struct vs_link *lower = vs_observed_index(o, l->lower);

	if (!strcmp(l->kind, "bond"))
		return vs_bond_json(l->bond_mode, l->bond_hash, l->bond_lacp_fast, l->bond_mii_ms);
	return vs_vlan_json(lower ? lower->name : "", l->vlan_id);
}

static void add_with_doc(struct plan_for *p, enum vs_disruption d, struct vs_op op,
			 enum vs_op_kind undo_kind, json_t *doc)
{
	struct vs_op undo;

	if (!doc && !p->rc)
		p->rc = -ENOMEM;
	op.doc = doc;
	undo = op;
	undo.kind = undo_kind;
	add_step(p, d, &op, &undo);
	json_decref(doc);
}

void plan_add_stacked(struct plan_for *p, const char *link, const uint8_t mac[MAC_LEN],
		      uint32_t mtu, const char *alias, json_t *doc)
{
	struct vs_op op = make_op(VS_OP_STACK_ADD, link, mtu);

	memcpy(op.mac, mac, MAC_LEN);
	snprintf(op.text, sizeof(op.text), "%s", alias);
	add_with_doc(p, VS_DISRUPTION_NONE, op, VS_OP_STACK_DEL, doc);
}

void plan_del_stacked(struct plan_for *p, const char *link)
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = make_op(VS_OP_STACK_DEL, link, 0);

	if (!l)
		return;
	op.value = l->mtu;
	memcpy(op.mac, l->mac, MAC_LEN);
	memcpy(op.text, l->alias, sizeof(op.text));
	add_with_doc(p, VS_DISRUPTION_BLIP, op, VS_OP_STACK_ADD, stack_json(&p->plan->model, l));
}

void plan_set_bond(struct plan_for *p, enum vs_disruption d, const char *link, json_t *doc)
{
	const struct vs_link *l = plan_link(p, link);
	struct vs_op op = make_op(VS_OP_SET_BOND, link, 0), undo = op;

	op.doc = doc;
	undo.doc = l ? stack_json(&p->plan->model, l) : NULL;
	if ((!doc || (l && !undo.doc)) && !p->rc)
		p->rc = -ENOMEM;
	if (l && !json_equal(op.doc, undo.doc))
		add_step(p, d, &op, &undo);
	json_decref(op.doc);
	json_decref(undo.doc);
}

void plan_set_sysctl(struct plan_for *p, enum vs_sysctl which, int value)
{
	int old = p->plan->model.sysctls[which];
	struct vs_op op = make_op(VS_OP_SYSCTL, "", (uint32_t)value);
	struct vs_op undo = make_op(VS_OP_SYSCTL, "", (uint32_t)old);

	if (old < 0 || old == value)
		return;
	op.index = undo.index = which;
	add_step(p, VS_DISRUPTION_NONE, &op, &undo);
}

static struct vs_op doc_op(enum vs_doc_kind kind, const char *name, json_t *doc)
{
	struct vs_op op = make_op(VS_OP_DOC, "", 0);

	op.index = kind;
	snprintf(op.text, sizeof(op.text), "%s", name);
	op.doc = doc;
	return op;
}

void plan_set_doc(struct plan_for *p, enum vs_disruption d, enum vs_doc_kind kind, const char *name,
		  json_t *doc)
{
	json_t *old = vs_observed_doc(&p->plan->model, kind, name);
	struct vs_op op = doc_op(kind, name, doc), undo = doc_op(kind, name, old);

	if (!doc && !p->rc)
		p->rc = -ENOMEM;
	if (!json_equal(old, doc))
		add_step(p, d, &op, &undo);
	json_decref(doc);
}

void plan_del_doc(struct plan_for *p, enum vs_disruption d, enum vs_doc_kind kind, const char *name)
{
	json_t *old = vs_observed_doc(&p->plan->model, kind, name);
	struct vs_op op = doc_op(kind, name, NULL), undo = doc_op(kind, name, old);

	if (old)
		add_step(p, d, &op, &undo);
}

void plan_end_flows(struct plan_for *p, enum vs_disruption d, const char *whose, json_t *which)
{
	struct vs_op op = make_op(VS_OP_FLOWS, "", 0), undo = make_op(VS_OP_NONE, "", 0);

	snprintf(op.text, sizeof(op.text), "%s", whose);
	op.doc = which;
	if (!which && !p->rc)
		p->rc = -ENOMEM;
	add_step(p, d, &op, &undo);
	json_decref(which);
}
