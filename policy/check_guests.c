/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that can be told apart, vifs that can be placed. */
#include <errno.h>
#include <string.h>

#include "policy/check_priv.h"

struct guests_check {
	struct pol_checks *all;
	struct pol_reader *r;
	struct policy *policy;
	struct pol_index uuids, names, domids, macs, devids;
};

/* A key of the devids index: one vif of one guest. */
struct devid_key {
	const struct pol_guest *guest;
	uint64_t devid; /* UINT64_MAX: the entry without one */
};

struct taken_mac {
	const struct pol_guest *guest;
	const struct pol_vif *vif;
	uint8_t mac[MAC_LEN];
};

static bool is_any(const struct pol_guest *g)
{
	return g->name && !strcmp(g->name, POL_ANY_GUEST);
}

static void check_selector(struct guests_check *c, const struct pol_guest *g)
{
	const struct pol_text *uuid = &g->match.uuid, *by_name = &g->match.name;
	const struct pol_u32 *domid = &g->match.domid;
	const struct pol_place *place = &g->place;
	const char *name = by_name->text ? by_name->text : g->name;
	const struct pol_guest *other = NULL;

	if (is_any(g)) {
		if (g->match.place.line)
			pol_error(c->r, "VF0215", g->node, &g->match.place, "leave match out",
				  "\"*\" is for all guests that no other entry names");
		return;
	}
	if (uuid->text) {
		other = pol_index_put(&c->uuids, uuid->text, strlen(uuid->text), g);
		place = &uuid->place;
	} else if (domid->place.line) {
		other = pol_index_put(&c->domids, &domid->value, sizeof(domid->value), g);
		place = &domid->place;
	} else if (name) {
		other = pol_index_put(&c->names, name, strlen(name), g);
	}
	if (other)
		pol_error(c->r, "VF0214", g->node, place, "each guest has one entry",
			  "the same guest as the entry in %s", pol_at(c->r, &other->place));
}

/* The entry has a devid, but not one that could be read. */
static bool has_bad_devid(const struct pol_vif *v)
{
	if (v->devid.place.line)
		return false;
	for (const struct pol_node *n = v->node->first; n; n = n->next)
		if (n->key && !strcmp(n->key, "devid"))
			return true;
	return v->node->type != POL_NODE_MAP;
}

static void check_devid(struct guests_check *c, const struct pol_guest *g, const struct pol_vif *v)
{
	struct devid_key *key;
	const struct pol_vif *other;

	if (has_bad_devid(v))
		return;
	key = pol_alloc(c->r->arena, sizeof(*key));
	if (!key) {
		c->r->rc = -ENOMEM;
		return;
	}
	*key = (struct devid_key){ g, v->devid.place.line ? v->devid.value : UINT64_MAX };
	other = pol_index_put(&c->devids, key, sizeof(*key), v);
	if (!other)
		return;
	if (v->devid.place.line)
		pol_error(c->r, "VF0208", v->node, &v->devid.place,
			  "each devid may stand once in a guest", "devid %u is used already in %s",
			  v->devid.value, pol_at(c->r, &other->devid.place));
	else
		pol_error(c->r, "VF0208", v->node, &v->place, "give them devids",
			  "a second vif without devid, the first is in %s",
			  pol_at(c->r, &other->place));
}

static void check_mac(struct guests_check *c, const struct pol_guest *g, const struct pol_vif *v)
{
	static const uint8_t zero[MAC_LEN];
	struct taken_mac *mine;
	const struct taken_mac *other;
	char text[MAC_TEXT_LEN], quoted[POL_QUOTE_MAX], other_quoted[POL_QUOTE_MAX];
	uint8_t *mac;

	if (!v->mac.place.line)
		return;
	/* The address of these follows from the guest, not from the file. */
	if (v->mac.is_auto && (is_any(g) || !v->devid.place.line || !g->name))
		return;
	if (!v->mac.is_auto && (is_any(g) || !v->devid.place.line))
		pol_error(c->r, "VF0215", v->node, &v->mac.place,
			  "give a devid and a guest, or \"auto\"",
			  "one MAC address for more than one vif");
	mine = pol_alloc(c->r->arena, sizeof(*mine));
	if (!mine) {
		c->r->rc = -ENOMEM;
		return;
	}
	mine->guest = g;
	mine->vif = v;
	mac = mine->mac;
	memcpy(mac, v->mac.mac, MAC_LEN);
	if (v->mac.is_auto)
		pol_auto_mac(g->match.name.text ? g->match.name.text : g->name, g->match.uuid.text,
			     v->devid.value, mac);
	if (mac[0] & 1 || !memcmp(mac, zero, MAC_LEN))
		pol_error(c->r, "VF0221", v->node, &v->mac.place, "a unicast address is allowed",
			  "a guest cannot have this MAC address");
	other = pol_index_put(&c->macs, mac, MAC_LEN, mine);
	format_mac(mac, text);
	if (other)
		pol_error(c->r, "VF0207", v->node, &v->mac.place, "each address may stand once",
			  "MAC address %s of guest %s is that of guest %s in %s already", text,
			  pol_quote(quoted, g->name ? g->name : ""),
			  pol_quote(other_quoted, other->guest->name ? other->guest->name : ""),
			  pol_at(c->r, &other->vif->mac.place));
}

static void check_vif(struct guests_check *c, const struct pol_guest *g, struct pol_vif *v)
{
	const struct policy *p = c->policy;
	const struct pol_items networks = { p->networks.v, p->networks.nr, p->networks.place };
	const struct pol_items profiles = { p->profiles.v, p->profiles.nr, p->profiles.place };
	const char *network = v->network_name.text, *profile = v->profile_name.text;
	char hint[64];

	if (network)
		v->network = pol_index_get(&c->all->networks, network, strlen(network));
	if (network && !v->network)
		pol_error_reference(c->r, "VF0201", v->node, &v->network_name, "network", &networks,
				    sizeof(struct pol_network));
	if (profile)
		v->profile = pol_index_get(&c->all->profiles, profile, strlen(profile));
	else if (v->network)
		v->profile = v->network->profile;
	if (profile && !v->profile)
		pol_error_reference(c->r, "VF0202", v->node, &v->profile_name, "profile", &profiles,
				    sizeof(struct pol_profile));
	if (v->network && v->mtu.value > v->network->effective_mtu) {
		snprintf(hint, sizeof(hint), "at most %u is allowed", v->network->effective_mtu);
		pol_error(c->r, "VF0210", v->node, &v->mtu.place, hint,
			  "MTU %u is above that of its network", v->mtu.value);
	}
	check_devid(c, g, v);
	check_mac(c, g, v);
	if (v->network && v->network->name && g->name && !c->r->rc)
		pol_check_vif(c->all, g, v);
}

void pol_check_guests(struct pol_checks *all)
{
	struct pol_reader *r = all->r;
	struct policy *policy = all->policy;
	struct guests_check c = { .all = all, .r = r, .policy = policy };

	pol_index_init(&c.uuids, r);
	pol_index_init(&c.names, r);
	pol_index_init(&c.domids, r);
	pol_index_init(&c.macs, r);
	pol_index_init(&c.devids, r);
	for (size_t i = 0; i < policy->guests.nr; i++) {
		struct pol_guest *g = &policy->guests.v[i];

		check_selector(&c, g);
		for (size_t j = 0; j < g->vifs.nr && !r->rc; j++)
			check_vif(&c, g, &g->vifs.v[j]);
	}
	pol_index_fini(&c.uuids);
	pol_index_fini(&c.names);
	pol_index_fini(&c.domids);
	pol_index_fini(&c.macs);
	pol_index_fini(&c.devids);
}
