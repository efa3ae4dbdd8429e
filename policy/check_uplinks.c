/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Uplinks: other hardware each, bonds of some, VLANs of some. */
#include <errno.h>
#include <string.h>

#include "policy/check_priv.h"

static bool is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

static void check_same_hardware(struct pol_reader *r, struct pol_index *seen,
				const struct pol_uplink *u, const void *key, size_t size,
				const struct pol_place *place)
{
	const struct pol_uplink *other = pol_index_put(seen, key, size, u);
	char quoted[POL_QUOTE_MAX];

	if (other)
		pol_error(r, "VF0217", u->node, place, "each uplink is other hardware",
			  "matches the same hardware as uplink %s in %s",
			  pol_quote(quoted, other->name), pol_at(r, &other->place));
}

void pol_name_uplinks(struct pol_reader *r, struct policy *p)
{
	struct pol_uplink *v = pol_alloc(r->arena, (p->uplinks.nr + p->networks.nr) * sizeof(*v));
	char quoted[POL_QUOTE_MAX];

	p->nr_all_uplinks = p->uplinks.nr;
	if (!v) {
		r->rc = -ENOMEM;
		return;
	}
	if (p->uplinks.nr)
		memcpy(v, p->uplinks.v, p->uplinks.nr * sizeof(*v));
	p->uplinks.v = v;
	for (size_t i = 0; i < p->networks.nr; i++) {
		struct pol_network *n = &p->networks.v[i];

		if (!n->uplink_match.place.line || !n->name)
			continue;
		for (size_t j = 0; j < p->uplinks.nr; j++)
			if (v[j].name && !strcmp(v[j].name, n->name))
				pol_error(
					r, "VF0218", n->node, &n->uplink_name.place,
					"rename that one, or give its name here",
					"uplink %s in %s has the network's name, as this one would",
					pol_quote(quoted, n->name), pol_at(r, &v[j].place));
		n->uplink_name.text = n->name;
		v[p->nr_all_uplinks++] = (struct pol_uplink){
			.place = n->uplink_match.place,
			.node = n->uplink_match.node,
			.name = n->name,
			.match = n->uplink_match,
		};
	}
}

static void check_hardware(struct pol_checks *c)
{
	struct pol_reader *r = c->r;
	const struct policy *p = c->policy;
	struct pol_index macs, texts;
	char quoted[POL_QUOTE_MAX];

	pol_index_init(&macs, r);
	pol_index_init(&texts, r);
	for (size_t i = 0; i < p->nr_all_uplinks; i++) {
		const struct pol_uplink *u = &p->uplinks.v[i];
		const struct pol_match *m = &u->match;
		const char *name = m->name.text && !is_glob(m->name.text) ? m->name.text : NULL;

		if (m->mac.place.line)
			check_same_hardware(r, &macs, u, m->mac.mac, MAC_LEN, &m->mac.place);
		if (m->pci.text)
			check_same_hardware(r, &texts, u, m->pci.text, strlen(m->pci.text),
					    &m->pci.place);
		if (!name)
			continue;
		check_same_hardware(r, &texts, u, name, strlen(name), &m->name.place);
		if (pol_is_unmanaged(p, name))
			pol_error(r, "VF0216", u->node, &m->name.place,
				  "take it off host.unmanaged", "interface %s is in host.unmanaged",
				  pol_quote(quoted, name));
		if (pol_index_get(&c->networks, name, strlen(name)))
			pol_error(r, "VF0218", u->node, &m->name.place, "rename the network",
				  "interface %s is the name of a network", pol_quote(quoted, name));
	}
	pol_index_fini(&macs);
	pol_index_fini(&texts);
}

/* Its name becomes a device's. */
static void check_made_name(struct pol_checks *c, const struct pol_uplink *u)
{
	char quoted[POL_QUOTE_MAX], hint[160];

	pol_quote(quoted, u->name);
	if (!pol_rule_ifname.is_good(u->name)) {
		snprintf(hint, sizeof(hint), "allowed: %s", pol_rule_ifname.allowed);
		pol_error(c->r, "VF0218", u->node, &u->place, hint,
			  "uplink %s is made by us, and no interface can have its name", quoted);
	} else if (pol_index_get(&c->networks, u->name, strlen(u->name))) {
		pol_error(c->r, "VF0218", u->node, &u->place, "rename one of them",
			  "uplink %s, which is made by us, has the name of a network", quoted);
	} else if (pol_is_unmanaged(c->policy, u->name)) {
		pol_error(c->r, "VF0216", u->node, &u->place, "take it off host.unmanaged",
			  "uplink %s is in host.unmanaged", quoted);
	}
}

/* NULL: an error was told. */
static struct pol_uplink *find_uplink(struct pol_checks *c, const struct pol_node *node,
				      const struct pol_text *name)
{
	const struct policy *p = c->policy;
	const struct pol_items items = { p->uplinks.v, p->uplinks.nr, p->uplinks.place };
	const struct pol_uplink *found = pol_index_get(&c->uplinks, name->text, strlen(name->text));

	if (!found)
		pol_error_reference(c->r, "VF0203", node, name, "uplink", &items,
				    sizeof(struct pol_uplink));
	return found ? &p->uplinks.v[found - p->uplinks.v] : NULL;
}

static void check_bond(struct pol_checks *c, struct pol_index *members, struct pol_uplink *u)
{
	const struct pol_bond *b = &u->bond;
	const struct pol_uplink *other;
	char quoted[POL_QUOTE_MAX];

	u->members = pol_alloc(c->r->arena, b->member_names.nr * sizeof(*u->members));
	if (!u->members) {
		c->r->rc = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < b->member_names.nr && !c->r->rc; i++) {
		const struct pol_text *name = &b->member_names.v[i];
		struct pol_uplink *m = name->text ? find_uplink(c, b->node, name) : NULL;

		if (!m)
			continue;
		pol_quote(quoted, name->text);
		if (!m->match.place.line)
			pol_error(c->r, "VF0228", b->node, &name->place, "uplinks with match are",
				  "%s cannot be a member of a bond", quoted);
		if (m->mtu.place.line)
			pol_error(c->r, "VF0228", m->node, &m->mtu.place,
				  "give the bond's own, members have the same",
				  "an MTU of %s, a member of the bond in %s", quoted,
				  pol_at(c->r, &u->place));
		other = pol_index_put(members, m->name, strlen(m->name), u);
		if (other)
			pol_error(c->r, "VF0204", b->node, &name->place, "an uplink is in one bond",
				  "uplink %s is a member already in %s", quoted,
				  pol_at(c->r, &other->place));
		u->members[u->nr_members++] = m;
	}
	if (b->lacp_rate.place.line && b->mode.place.line && b->mode.value != POL_BOND_802_3AD)
		pol_error(c->r, "VF0228", b->node, &b->lacp_rate.place,
			  "leave it out, or mode 802.3ad", "only 802.3ad has an lacp-rate");
	if (b->hash.place.line && b->mode.place.line && b->mode.value != POL_BOND_802_3AD &&
	    b->mode.value != POL_BOND_BALANCE_XOR && b->mode.value != POL_BOND_BALANCE_TLB)
		pol_error(c->r, "VF0228", b->node, &b->hash.place,
			  "leave it out, or mode 802.3ad, balance-xor or balance-tlb",
			  "a bond of this mode has no hash");
}

static void check_vlan_uplink(struct pol_checks *c, struct pol_index *vlans, struct pol_uplink *u)
{
	const struct pol_vlan_uplink *v = &u->vlan;
	const struct pol_uplink *other;
	char hint[64];
	struct {
		const struct pol_uplink *link;
		uint64_t id;
	} * key;

	if (!v->link_name.text)
		return;
	u->link = find_uplink(c, v->node, &v->link_name);
	if (!u->link)
		return;
	if (u->link->vlan.place.line) {
		pol_error(c->r, "VF0228", v->node, &v->link_name.place,
			  "an uplink with match or bond is", "a VLAN of a VLAN is not made");
		u->link = NULL;
		return;
	}
	if (u->link->mtu.place.line && u->mtu.value > u->link->mtu.value) {
		snprintf(hint, sizeof(hint), "at most %u is allowed", u->link->mtu.value);
		pol_error(c->r, "VF0209", u->node, &u->mtu.place, hint,
			  "MTU %u is above the %u of its link in %s", u->mtu.value,
			  u->link->mtu.value, pol_at(c->r, &u->link->mtu.place));
	}
	key = pol_alloc(c->r->arena, sizeof(*key));
	if (!key) {
		c->r->rc = -ENOMEM;
		return;
	}
	key->link = u->link;
	key->id = v->id.value;
	other = v->id.place.line ? pol_index_put(vlans, key, sizeof(*key), u) : NULL;
	if (other)
		pol_error(c->r, "VF0217", v->node, &v->id.place, "each uplink is another VLAN",
			  "VLAN %u of that link is the uplink in %s already", v->id.value,
			  pol_at(c->r, &other->place));
}

const struct pol_u32 *pol_uplink_mtu(const struct pol_uplink *u)
{
	return u->link && !u->mtu.place.line ? &u->link->mtu : &u->mtu;
}

/* A member serves its bond only. */
static void check_members(struct pol_checks *c, const struct pol_index *members)
{
	char quoted[POL_QUOTE_MAX];

	for (size_t i = 0; i < c->policy->networks.nr; i++) {
		const struct pol_network *n = &c->policy->networks.v[i];
		const char *name = n->uplink_name.text;
		const struct pol_uplink *bond = name ? pol_index_get(members, name, strlen(name))
						     : NULL;

		if (bond)
			pol_error(c->r, "VF0204", n->node, &n->uplink_name.place,
				  "name the bond instead", "uplink %s is a member of bond %s", name,
				  pol_quote(quoted, bond->name));
	}
	for (size_t i = 0; i < c->policy->uplinks.nr; i++) {
		const struct pol_uplink *u = &c->policy->uplinks.v[i];

		if (u->link && u->link->name &&
		    pol_index_get(members, u->link->name, strlen(u->link->name)))
			pol_error(c->r, "VF0204", u->vlan.node, &u->vlan.link_name.place,
				  "name the bond instead", "that uplink is a member of a bond");
	}
}

void pol_check_uplinks(struct pol_checks *c)
{
	const struct policy *p = c->policy;
	struct pol_index members, vlans;

	pol_index_init(&members, c->r);
	pol_index_init(&vlans, c->r);
	check_hardware(c);
	for (size_t i = 0; i < p->uplinks.nr && !c->r->rc; i++) {
		struct pol_uplink *u = &p->uplinks.v[i];
		int nr = !!u->match.place.line + !!u->bond.place.line + !!u->vlan.place.line;

		if (!u->name || !u->place.line || u->node->type != POL_NODE_MAP)
			continue;
		if (nr != 1)
			pol_error(c->r, "VF0228", u->node, &u->place,
				  "one of match, bond and vlan is required",
				  nr ? "an uplink that is several things"
				     : "an uplink that does not say what it is");
		if (u->offload.place.line && !u->match.place.line)
			pol_error(c->r, "VF0228", u->node, &u->offload.place,
				  "give it to the uplinks with match that this one is made of",
				  "offload is of hardware");
		if (u->bond.place.line)
			check_bond(c, &members, u);
		if (u->vlan.place.line)
			check_vlan_uplink(c, &vlans, u);
		if (u->bond.place.line || u->vlan.place.line)
			check_made_name(c, u);
	}
	if (!c->r->rc)
		check_members(c, &members);
	pol_index_fini(&members);
	pol_index_fini(&vlans);
}

void pol_warn_uplinks(struct pol_checks *c)
{
	const struct policy *p = c->policy;
	struct pol_index used;
	char quoted[POL_QUOTE_MAX];

	if (pol_has_errors(c->r))
		return;
	pol_index_init(&used, c->r);
	for (size_t i = 0; i < p->networks.nr; i++)
		if (p->networks.v[i].uplink)
			pol_index_put(&used, &p->networks.v[i].uplink, sizeof(void *), p);
	for (size_t i = 0; i < p->uplinks.nr; i++) {
		struct pol_uplink *u = &p->uplinks.v[i];

		for (size_t j = 0; j < u->nr_members; j++)
			pol_index_put(&used, &u->members[j], sizeof(void *), p);
		if (u->link)
			pol_index_put(&used, &u->link, sizeof(void *), p);
	}
	for (size_t i = 0; i < p->uplinks.nr; i++) {
		const struct pol_uplink *u = &p->uplinks.v[i];

		if (!pol_index_get(&used, &u, sizeof(u)))
			pol_warning(c->r, "VF0222", u->node, &u->place, "nothing is done with it",
				    "uplink %s is used by no network", pol_quote(quoted, u->name));
	}
	pol_index_fini(&used);
}
