/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no single value can tell: references, names, sizes and hardware across the file. Runs on
 * what could be read even when some could not, so that all errors come at once; nothing here may
 * rely on a required key being there.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/check_priv.h"
#include "vswitch/wanted.h"

#define MTU_DEFAULT  1500
#define MTU_IPV6_MIN 1280
#define NEAREST_MAX  256 /* names looked at for a hint */

struct index_entry {
	struct htab_node node;
	const void *key, *item;
	size_t size;
};

void pol_index_init(struct pol_index *index, struct pol_reader *r)
{
	index->r = r;
	htab_init(&index->table);
}

void pol_index_fini(struct pol_index *index)
{
	htab_fini(&index->table);
}

const void *pol_index_get(const struct pol_index *index, const void *key, size_t size)
{
	for (struct htab_node *n = htab_first(&index->table, htab_hash(&index->table, key, size));
	     n; n = htab_next_match(n)) {
		const struct index_entry *e = htab_entry(n, struct index_entry, node);

		if (e->size == size && !memcmp(e->key, key, size))
			return e->item;
	}
	return NULL;
}

const void *pol_index_put(struct pol_index *index, const void *key, size_t size, const void *item)
{
	const void *before = pol_index_get(index, key, size);
	struct index_entry *e;

	if (before)
		return before;
	e = pol_alloc(index->r->arena, sizeof(*e));
	if (e) {
		*e = (struct index_entry){ .key = key, .size = size, .item = item };
		if (!htab_insert(&index->table, &e->node, htab_hash(&index->table, key, size)))
			return NULL;
	}
	index->r->rc = -ENOMEM;
	return NULL;
}

void pol_error_reference(struct pol_reader *r, const char *code, const struct pol_node *node,
			 const struct pol_text *reference, const char *what,
			 const struct pol_items *known, size_t size)
{
	const char *names[NEAREST_MAX + 1], *nearest;
	char quoted[POL_QUOTE_MAX], near_quoted[POL_QUOTE_MAX], hint[POL_QUOTE_MAX + 32];
	size_t nr = 0;

	if (pol_errors_full(r))
		return;
	for (size_t i = 0; i < known->nr && nr < NEAREST_MAX; i++) {
		const struct pol_named_head *h = (const void *)((const char *)known->v + i * size);

		if (h->name)
			names[nr++] = h->name;
	}
	names[nr] = NULL;
	nearest = text_nearest(reference->text, names);
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean %s?", pol_quote(near_quoted, nearest));
	else
		snprintf(hint, sizeof(hint), "it must stand under \"%ss:\"", what);
	pol_error(r, code, node, &reference->place, hint, "unknown %s %s", what,
		  pol_quote(quoted, reference->text));
}

/* Names that the kernel or a guest's interface has. */
static bool is_reserved(const char *name)
{
	static const char *const reserved[] = { "lo", "all", "default" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!strcmp(name, reserved[i]))
			return true;
	return !strncmp(name, "vif", 3) && isdigit((unsigned char)name[3]) && strchr(name, '.');
}

static void check_network_name(struct pol_reader *r, const struct policy *p,
			       const struct pol_network *n)
{
	char quoted[POL_QUOTE_MAX];

	if (!n->name)
		return;
	pol_quote(quoted, n->name);
	if (is_reserved(n->name))
		pol_error(r, "VF0218", n->node, &n->place, "take another name, such as \"xenbr0\"",
			  "%s is the name of another interface", quoted);
	if (pol_is_unmanaged(p, n->name))
		pol_error(r, "VF0216", n->node, &n->place,
			  "take it off host.unmanaged or rename the network",
			  "network %s is in host.unmanaged", quoted);
}

static void check_network_mtu(struct pol_reader *r, struct pol_network *n)
{
	const struct pol_u32 *uplink_mtu = n->uplink ? pol_uplink_mtu(n->uplink) : NULL;
	bool has_v6 = false;
	char hint[64];

	n->effective_mtu = n->mtu.place.line			  ? n->mtu.value
			   : uplink_mtu && uplink_mtu->place.line ? uplink_mtu->value
								  : MTU_DEFAULT;
	if (uplink_mtu && uplink_mtu->place.line && n->mtu.value > uplink_mtu->value) {
		snprintf(hint, sizeof(hint), "at most %u is allowed", uplink_mtu->value);
		pol_error(r, "VF0209", n->node, &n->mtu.place, hint,
			  "MTU %u is above the %u of its uplink in %s", n->mtu.value,
			  uplink_mtu->value, pol_at(r, &uplink_mtu->place));
	}
	for (size_t i = 0; i < n->addresses.nr; i++)
		has_v6 |= n->addresses.v[i].family == AF_INET6;
	for (size_t i = 0; i < n->subnets.nr; i++)
		has_v6 |= n->subnets.v[i].cidr.family == AF_INET6;
	if (has_v6 && n->effective_mtu < MTU_IPV6_MIN)
		pol_error(r, "VF0219", n->node, n->mtu.place.line ? &n->mtu.place : &n->place,
			  "at least 1280 is allowed", "MTU %u is too small for IPv6",
			  n->effective_mtu);
}

static void check_networks(struct pol_checks *c)
{
	struct pol_reader *r = c->r;
	struct policy *p = c->policy;
	const struct pol_items uplink_items = { p->uplinks.v, p->uplinks.nr, p->uplinks.place };
	const struct pol_items profile_items = { p->profiles.v, p->profiles.nr, p->profiles.place };
	struct pol_index used;
	char quoted[POL_QUOTE_MAX];

	pol_index_init(&used, r);
	for (size_t i = 0; i < p->networks.nr; i++) {
		struct pol_network *n = &p->networks.v[i];
		const char *uplink = n->uplink_name.text, *profile = n->profile_name.text;
		const struct pol_network *other = NULL;

		if (uplink) {
			n->uplink = pol_index_get(&c->uplinks, uplink, strlen(uplink));
			other = pol_index_put(&used, uplink, strlen(uplink), n);
		}
		if (uplink && !n->uplink)
			pol_error_reference(r, "VF0203", n->node, &n->uplink_name, "uplink",
					    &uplink_items, sizeof(struct pol_uplink));
		else if (other)
			pol_error(r, "VF0204", n->node, &n->uplink_name.place,
				  "an uplink serves one network", "uplink %s is used already in %s",
				  pol_quote(quoted, uplink), pol_at(r, &other->uplink_name.place));
		if (profile)
			n->profile = pol_index_get(&c->profiles, profile, strlen(profile));
		if (profile && !n->profile)
			pol_error_reference(r, "VF0202", n->node, &n->profile_name, "profile",
					    &profile_items, sizeof(struct pol_profile));
		check_network_name(r, p, n);
		check_network_mtu(r, n);
	}
	pol_index_fini(&used);
}

static void check_management(struct pol_checks *c)
{
	struct pol_reader *r = c->r;
	struct policy *p = c->policy;
	const struct pol_index *networks = &c->networks;
	const struct pol_items items = { p->networks.v, p->networks.nr, p->networks.place };
	struct pol_management *m = &p->host.management;

	if (!m->network_name.text)
		return;
	m->network = pol_index_get(networks, m->network_name.text, strlen(m->network_name.text));
	if (!m->network)
		pol_error_reference(r, "VF0201", m->node, &m->network_name, "network", &items,
				    sizeof(struct pol_network));
	else if (!m->network->uplink_name.text && !pol_has_errors(r))
		pol_warning(r, "VF0220", m->node, &m->network_name.place, "give it an uplink",
			    "the management network has no uplink, nobody outside can reach it");
}

/* How many different things there are. */
static size_t count_new(struct pol_index *seen, const void *key, size_t size, size_t nr)
{
	return pol_index_put(seen, key, size, key) ? nr : nr + 1;
}

/* All networks' nameservers are in one resolv.conf(5), which takes so many. */
static void check_nameservers(struct pol_checks *c)
{
	static const char hint[] = "name some in one network's nameservers, or leave it out";
	const struct policy *p = c->policy;
	struct pol_index servers, search;
	size_t nr_servers = 0, nr_search = 0;

	pol_index_init(&servers, c->r);
	pol_index_init(&search, c->r);
	for (size_t i = 0; i < p->networks.nr && !c->r->rc; i++) {
		const struct pol_nameservers *ns = &p->networks.v[i].nameservers;
		size_t before = nr_servers + nr_search;

		for (size_t k = 0; k < ns->addresses.nr; k++)
			nr_servers = count_new(&servers, ns->addresses.v[k].address,
					       ns->addresses.v[k].len / 8, nr_servers);
		for (size_t k = 0; k < ns->search.nr && ns->search.v[k].text; k++)
			nr_search = count_new(&search, ns->search.v[k].text,
					      strlen(ns->search.v[k].text), nr_search);
		if (nr_servers + nr_search == before ||
		    (nr_servers <= VS_NAMESERVERS_MAX && nr_search <= VS_SEARCH_MAX))
			continue;
		pol_error(
			c->r, "VF0244", ns->node, &ns->place, "drop those that are asked last",
			"more than %d nameservers or %d domains to search, with those of other networks",
			VS_NAMESERVERS_MAX, VS_SEARCH_MAX);
		break;
	}
	if (p->host.resolv_conf.value && !nr_servers)
		pol_error(c->r, "VF0244", p->host.node, &p->host.resolv_conf.place, hint,
			  "resolv-conf without nameservers");
	pol_index_fini(&servers);
	pol_index_fini(&search);
}

static void index_named(struct pol_index *index, const void *items, size_t nr, size_t size)
{
	for (size_t i = 0; i < nr; i++) {
		const struct pol_named_head *h = (const void *)((const char *)items + i * size);

		if (h->name)
			pol_index_put(index, h->name, strlen(h->name), h);
	}
}

void pol_check(struct pol_reader *r, struct policy *p)
{
	static void (*const checks[])(struct pol_checks * c) = {
		pol_check_uplinks,   check_networks,   check_management, pol_check_modes,
		pol_check_addresses, pol_check_guests, pol_check_rules,	 pol_check_objectives,
		pol_check_forwards,  pol_warn_uplinks, pol_warn_flows,	 check_nameservers,
	};
	struct pol_checks c = { .r = r, .policy = p };
	struct pol_index *const indexes[] = { &c.uplinks, &c.networks, &c.profiles,  &c.guests,
					      &c.sets,	  &c.tags,     &c.bare_tags, &c.addresses };

	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++)
		pol_index_init(indexes[i], r);
	pol_name_uplinks(r, p);
	index_named(&c.uplinks, p->uplinks.v, p->nr_all_uplinks, sizeof(struct pol_uplink));
	index_named(&c.networks, p->networks.v, p->networks.nr, sizeof(struct pol_network));
	index_named(&c.profiles, p->profiles.v, p->profiles.nr, sizeof(struct pol_profile));
	index_named(&c.guests, p->guests.v, p->guests.nr, sizeof(struct pol_guest));
	index_named(&c.sets, p->address_sets.v, p->address_sets.nr, sizeof(struct pol_address_set));
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !r->rc; i++)
		checks[i](&c);
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++)
		pol_index_fini(indexes[i]);
}

int pol_check_change(const struct policy *applied, const struct policy *wanted, struct diags *ds)
{
	const struct pol_network *lifeline = applied ? applied->host.management.network : NULL;
	struct pol_reader r = { .ds = ds, .file = wanted->place.file };
	char quoted[POL_QUOTE_MAX];

	if (!lifeline || wanted->host.management.network ||
	    pol_network_find(wanted, lifeline->name))
		return 0;
	pol_error(&r, "VF0225", NULL, &wanted->networks.place,
		  "keep it, or name another network in host.management",
		  "without %s, the management network of the applied policy, nobody may come in",
		  pol_quote(quoted, lifeline->name));
	return -EINVAL;
}
