/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one vif wants, after inheritance, of a network that must be able to give it. */
#include <errno.h>
#include <string.h>

#include "policy/check_priv.h"

struct vif_check {
	struct pol_checks *c;
	const struct pol_guest *guest;
	const struct pol_vif *vif;
	const struct pol_network *network;
	struct pol_effective e;
};

static bool is_one(const struct vif_check *v)
{
	return v->vif->devid.place.line && strcmp(v->guest->name, POL_ANY_GUEST) != 0;
}

/* Where it is said, when the vif says it itself. */
static const struct pol_place *said_at(const struct vif_check *v, enum pol_origin origin,
				       const struct pol_place *place)
{
	return origin == POL_FROM_VIF ? place : &v->vif->place;
}

static void check_inside(const struct vif_check *v, const struct pol_prefix *a)
{
	const struct pol_network *n = v->network;
	char text[POL_PREFIX_TEXT_MAX], quoted[POL_QUOTE_MAX];
	bool is_inside = !n->subnets.nr;

	pol_prefix_text(text, a, false);
	for (size_t i = 0; i < n->subnets.nr; i++) {
		const struct pol_subnet *s = &n->subnets.v[i];
		struct pol_prefix as_in = *a;
		const char *why;

		if (!s->cidr.family || !pol_prefix_covers(&s->cidr, a))
			continue;
		is_inside = true;
		as_in.len = s->cidr.len;
		why = pol_address_unusable(&as_in);
		if (why)
			pol_error(v->c->r, "VF0231", v->vif->node, &a->place,
				  "a guest's own unicast address is allowed", "%s is %s", text,
				  why);
		if (pol_span_holds(&s->dhcp.range, a))
			pol_error(v->c->r, "VF0231", v->vif->node, &a->place,
				  "an address outside of the range is allowed",
				  "%s is in the DHCP range in %s, others may be given it", text,
				  pol_at(v->c->r, &s->dhcp.range.place));
	}
	if (!is_inside)
		pol_error(v->c->r, "VF0231", v->vif->node, &a->place,
			  "an address in one of its subnets is allowed",
			  "%s is in no subnet of network %s", text, pol_quote(quoted, n->name));
}

static void check_address(const struct vif_check *v, const struct pol_prefix *a)
{
	char text[POL_PREFIX_TEXT_MAX], mine[POL_QUOTE_MAX], theirs[POL_QUOTE_MAX];
	const char *why = pol_address_unusable(a);
	const struct pol_owned *other;

	pol_prefix_text(text, a, false);
	if (why) {
		pol_error(v->c->r, "VF0231", v->vif->node, &a->place,
			  "a guest's own unicast address is allowed", "%s is %s", text, why);
		return;
	}
	check_inside(v, a);
	other = pol_take_address(v->c, a, &a->place, v->guest, v->network);
	if (!other)
		return;
	pol_quote(mine, v->guest->name);
	if (other->guest)
		pol_error(v->c->r, "VF0232", v->vif->node, &a->place, "each address may stand once",
			  "address %s of guest %s is that of guest %s in %s already", text, mine,
			  pol_quote(theirs, other->guest->name), pol_at(v->c->r, other->place));
	else
		pol_error(v->c->r, "VF0232", v->vif->node, &a->place, "each address may stand once",
			  "address %s of guest %s is the host's on network %s in %s", text, mine,
			  pol_quote(theirs, other->network->name), pol_at(v->c->r, other->place));
}

static void check_addresses(const struct vif_check *v)
{
	const struct pol_prefixes *all = &v->vif->addresses;

	if (all->nr && !is_one(v)) {
		pol_error(v->c->r, "VF0215", v->vif->node, &all->place,
			  "give a devid and a guest, or no addresses",
			  "one address for more than one vif");
		return;
	}
	for (size_t i = 0; i < all->nr && !v->c->r->rc; i++)
		check_address(v, &all->v[i]);
}

static bool can_vlans(const struct pol_network *n)
{
	return n->mode.value == POL_MODE_OVS ||
	       (!pol_is_per_guest(n) && n->mode.value == POL_MODE_BRIDGE &&
		n->vlan_filtering.value);
}

static void check_vlan_name(const struct vif_check *v, const struct pol_vlan *vlan)
{
	const struct pol_items items = { v->network->vlans.v, v->network->vlans.nr,
					 v->network->vlans.place };
	const struct pol_text name = { vlan->name, vlan->place };

	if (vlan->name && !pol_vlan_id(v->network, vlan))
		pol_error_reference(v->c->r, "VF0233", v->vif->node, &name, "vlan", &items,
				    sizeof(struct pol_vlan_name));
}

static void check_vlan(const struct vif_check *v)
{
	const struct pol_vlans *vlan = v->e.vlan;
	const struct pol_place *place;
	char quoted[POL_QUOTE_MAX];

	if (!vlan)
		return;
	place = said_at(v, v->e.vlan_origin, &vlan->place);
	pol_quote(quoted, v->network->name);
	if (!can_vlans(v->network)) {
		pol_error(v->c->r, "VF0233", v->vif->node, place,
			  pol_is_per_guest(v->network) ? "leave it out, its guests share no segment"
			  : v->network->mode.value == POL_MODE_BRIDGE
				  ? "vlan-filtering: true in the network"
				  : "a network of mode bridge or ovs has VLANs",
			  "network %s has no VLANs", quoted);
		return;
	}
	if (vlan->access.place.line && vlan->trunk.place.line)
		pol_error(v->c->r, "VF0233", v->vif->node, place, "one of them is allowed",
			  "both access and trunk");
	if (vlan->native.place.line && !vlan->trunk.place.line)
		pol_error(v->c->r, "VF0233", v->vif->node, place, "a trunk has one",
			  "native without trunk");
	if (!vlan->access.place.line && !vlan->trunk.place.line && !vlan->native.place.line)
		pol_error(v->c->r, "VF0233", v->vif->node, place, "access or trunk",
			  "a vlan that says nothing");
	if (vlan->trunk.place.line && v->e.anti_spoof.value == POL_ANTI_SPOOF_STRICT)
		pol_error(v->c->r, "VF0234", v->vif->node, place, "anti-spoof: mac, or none",
			  "anti-spoof \"strict\" knows no tagged frames, and this is a trunk");
	check_vlan_name(v, &vlan->access);
	check_vlan_name(v, &vlan->native);
	for (size_t i = 0; i < vlan->trunk.nr; i++)
		check_vlan_name(v, &vlan->trunk.v[i]);
}

/* Where it is by their own links that guests are kept apart, or not at all. */
static bool is_gateway(const struct pol_network *n)
{
	return n->mode.value != POL_MODE_OVS && !n->uplink_name.text && pol_is_router(n);
}

static void check_protection(const struct vif_check *v)
{
	const struct pol_effective *e = &v->e;
	bool is_apart = pol_is_per_guest(v->network);
	char quoted[POL_QUOTE_MAX];

	pol_quote(quoted, v->network->name);
	if (e->anti_spoof.value == POL_ANTI_SPOOF_STRICT && !v->vif->addresses.nr &&
	    !e->receive_only && !pol_gives_leases(v->network))
		pol_error(
			v->c->r, "VF0234", v->vif->node,
			said_at(v, e->anti_spoof.origin, &e->anti_spoof.place),
			is_one(v)
				? "give it addresses, its network a DHCP range, or anti-spoof: mac"
				: "give its network a DHCP range, or anti-spoof: mac for vifs that "
				  "are not named one by one",
			"anti-spoof \"strict\" for a vif without addresses: it could send nothing");
	if (is_apart && !v->vif->addresses.nr)
		pol_error(v->c->r, "VF0234", v->vif->node, &v->vif->place,
			  is_one(v) ? "give it addresses" : "name each vif with its addresses",
			  "network %s routes to addresses, and this vif has none", quoted);
	if (!is_apart && e->isolation.value == POL_ISOLATION_GUEST && is_gateway(v->network))
		pol_error(v->c->r, "VF0234", v->vif->node,
			  said_at(v, e->isolation.origin, &e->isolation.place),
			  "isolation: per-guest in the network, for all of its guests",
			  "isolation \"per-guest\" in network %s, whose guests share a segment",
			  quoted);
}

/* xen-netback offers all vifs the same. */
static void check_offers(const struct vif_check *v)
{
	const struct pol_effective *e = &v->e;
	const struct {
		const char *key;
		const struct pol_value *value;
		bool is_said;
	} offers[] = {
		{ "queues", &e->queues, e->queues.place.line },
		{ "tx-checksum: false", &e->tx_checksum, !e->tx_checksum.value },
		{ "tso: false", &e->tso, !e->tso.value },
		{ "sg: false", &e->sg, !e->sg.value },
	};

	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
		if (offers[i].is_said && e->datapath.value == POL_DATAPATH_KERNEL)
			pol_error(v->c->r, "VF0243", v->vif->node,
				  said_at(v, offers[i].value->origin, &offers[i].value->place),
				  "datapath: tap, or leave it out",
				  "\"%s\" for a vif of datapath kernel: xen-netback offers all its "
				  "vifs the same",
				  offers[i].key);
	if (e->receive_only && v->vif->addresses.nr)
		pol_error(v->c->r, "VF0237", v->vif->node, &v->vif->addresses.place,
			  "leave them out", "addresses for a mirror's target: it sends nothing");
}

/* There is one switch for all vifs of a network. */
static void check_datapath(const struct vif_check *v)
{
	const struct pol_value *is = &v->e.datapath;

	if ((!pol_is_fast(v->network) && !pol_is_ovs_dpdk(v->network)) ||
	    is->origin == POL_FROM_NETWORK || is->origin == POL_FROM_DEFAULT)
		return;
	pol_error(
		v->c->r, "VF0243", v->vif->node, said_at(v, is->origin, &is->place),
		"leave it out, or move the vif to another network",
		"datapath \"%s\" for a vif of a network on datapath dpdk or afxdp, which switches all of "
		"its vifs itself",
		pol_datapath_name(is->value));
}

static void note_tags(const struct vif_check *v)
{
	struct pol_index *index = v->vif->addresses.nr ? &v->c->tags : &v->c->bare_tags;

	for (size_t i = 0; i < v->vif->tags.nr && !v->c->r->rc; i++) {
		const char *tag = v->vif->tags.v[i].text;

		if (tag)
			pol_index_put(index, tag, strlen(tag), v->vif);
	}
}

void pol_check_vif(struct pol_checks *c, const struct pol_guest *g, const struct pol_vif *vif)
{
	struct vif_check v = { .c = c, .guest = g, .vif = vif, .network = vif->network };

	if (!v.network->mode.place.line)
		return;
	pol_effective_vif(g, vif, &v.e);
	check_addresses(&v);
	check_vlan(&v);
	check_protection(&v);
	check_offers(&v);
	check_datapath(&v);
	note_tags(&v);
}
