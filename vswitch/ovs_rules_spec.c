/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/ovs_rules.h"

#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "vswitch/array.h"
#include "vswitch/rules_priv.h"

/* Of the specification in the making. */
struct lists {
	json_t *rules, *sets;
};

/* One end of a rule: anyone, or these. */
struct ends {
	bool is_any, is_nomem;
	struct vs_prefix *v;
	size_t nr;
};

static void add_prefix(struct ends *e, const struct vs_prefix *p)
{
	struct vs_prefix *added = array_add(&e->v, &e->nr, sizeof(*added));

	if (added)
		*added = *p;
	else
		e->is_nomem = true;
}

static void add_network(struct ends *e, const struct vs_network *n)
{
	for (size_t i = 0; n && i < n->nr_subnets; i++)
		add_prefix(e, &n->subnets[i].prefix);
}

static bool is_member(const struct vs_entry *entry, const struct vs_peer *peer)
{
	if (peer->kind == VS_PEER_GUEST)
		return !strcmp(entry->guest, peer->name);
	for (size_t i = 0; i < entry->nr_tags; i++)
		if (!strcmp(entry->tags[i], peer->name))
			return true;
	return false;
}

static void add_members(const struct vs_wanted *w, struct ends *e, const struct vs_peer *peer)
{
	for (size_t i = 0; i < w->nr_entries; i++)
		for (size_t k = 0; is_member(&w->entries[i], peer) && k < w->entries[i].nr_addrs;
		     k++)
			add_prefix(e, &w->entries[i].addrs[k]);
}

static void add_set(const struct vs_wanted *w, struct ends *e, const struct vs_peer *peer)
{
	for (size_t i = 0; i < w->nr_sets; i++)
		for (size_t k = 0; !strcmp(w->sets[i].name, peer->name) && k < w->sets[i].nr; k++)
			add_prefix(e, &w->sets[i].v[k]);
}

/* @is_host: what is asked for is the host itself. */
static void add_peer(const struct vs_wanted *w, const struct vs_network *n, bool is_host,
		     struct ends *e, const struct vs_peer *peer)
{
	switch (peer->kind) {
	case VS_PEER_ANY:
		e->is_any = true;
		break;
	case VS_PEER_HOST:
		e->is_any |= is_host;
		break;
	case VS_PEER_NETWORK:
		if (!strcmp(peer->name, n->name))
			e->is_any = true;
		else if (!is_host)
			add_network(e, vs_wanted_network(w, peer->name));
		break;
	case VS_PEER_TAG:
	case VS_PEER_GUEST:
		if (!is_host)
			add_members(w, e, peer);
		break;
	case VS_PEER_SET:
		add_set(w, e, peer);
		break;
	case VS_PEER_PREFIX:
		add_prefix(e, &peer->prefix);
		break;
	}
}

static struct ends take_ends(const struct vs_wanted *w, const struct vs_network *n, bool is_host,
			     const struct vs_peer *peers, size_t nr)
{
	struct ends e = { .is_any = !nr };

	for (size_t i = 0; i < nr; i++)
		add_peer(w, n, is_host, &e, &peers[i]);
	return e;
}

/* What covers others comes before them. */
static int compare(const void *a, const void *b)
{
	const struct vs_prefix *x = a, *y = b;
	int order = (int)x->family - (int)y->family;

	if (!order)
		order = memcmp(x->address, y->address, sizeof(x->address));
	return order ? order : (int)x->len - (int)y->len;
}

static json_t *ends_json(struct ends *e)
{
	json_t *list = e->is_nomem ? NULL : json_array();
	const struct vs_prefix *last = NULL;
	char text[64];

	if (e->nr)
		qsort(e->v, e->nr, sizeof(*e->v), compare);
	for (size_t i = 0; list && i < e->nr; i++) {
		if (last && rules_covers(last, &e->v[i]))
			continue;
		last = &e->v[i];
		rules_prefix_text(last, text);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

#define INLINE_MAX 2

/* The number of the set that has just these, and is added when there is none yet. @list: taken over. */
static json_t *set_number(json_t *sets, json_t *list)
{
	size_t i, nr = json_array_size(sets);

	for (i = 0; i < nr && !json_equal(json_array_get(sets, i), list);)
		i++;
	if (i < nr)
		json_decref(list);
	else if (json_array_append_new(sets, list))
		return NULL;
	return json_integer((json_int_t)i);
}

/* Return: false: out of memory. */
static bool add_ends(json_t *sets, json_t *rule, const char *key, struct ends *e)
{
	json_t *list = e->is_any ? NULL : ends_json(e);

	if (json_array_size(list) > INLINE_MAX)
		list = set_number(sets, list);
	return e->is_any || !json_object_set_new(rule, key, list);
}

static json_t *ports_json(const struct vs_rule *r)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < r->nr_ports; i++)
		json_array_append_new(ports,
				      json_pack("[i,i]", r->ports[i].first, r->ports[i].last));
	return ports;
}

static bool add_rule(const struct lists *doc, const struct vs_wanted *w, const struct vs_network *n,
		     const struct vs_rule *r, bool to_host)
{
	struct ends from = take_ends(w, n, false, r->from, r->nr_from);
	struct ends to = take_ends(w, n, to_host, r->to, r->nr_to);
	bool can_be = (from.is_any || from.nr) && (to.is_any || to.nr);
	bool ok = !from.is_nomem && !to.is_nomem;
	json_t *rule;

	if (ok && can_be) {
		rule = json_pack("{s:b}", "accept", r->action == VS_ACCEPT);
		ok = rule && add_ends(doc->sets, rule, "from", &from) &&
		     add_ends(doc->sets, rule, "to", &to);
		if (ok && to_host)
			ok = !json_object_set_new(rule, "host", json_true());
		if (ok && r->protocol)
			ok = !json_object_set_new(rule, "protocol", json_integer(r->protocol));
		if (ok && r->nr_ports)
			ok = !json_object_set_new(rule, "ports", ports_json(r));
		ok = !json_array_append_new(doc->rules, rule) && ok;
	}
	free(from.v);
	free(to.v);
	return ok;
}

/* Those that host.management lets in to the host, before any rule: rules_host.c. */
static bool add_allowed(const struct lists *doc, const struct vs_wanted *w,
			const struct vs_network *n)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	const struct vs_management *m = &w->management;
	struct vs_peer *from = calloc(m->nr_allow + 1, sizeof(*from));
	bool ok = from != NULL;

	for (size_t i = 0; ok && i < m->nr_allow; i++)
		from[i] = (struct vs_peer){ .kind = VS_PEER_PREFIX, .prefix = m->allow[i] };
	for (size_t k = 0; ok && k < 2; k++) {
		struct vs_rule r = { .action = VS_ACCEPT,
				     .protocol = protocols[k],
				     .from = from,
				     .nr_from = m->nr_allow };

		for (size_t i = 0; i < m->nr_services; i++)
			if (m->services[i].protocol == protocols[k])
				r.ports[r.nr_ports++] = m->services[i].ports;
		if (r.nr_ports)
			ok = add_rule(doc, w, n, &r, true);
	}
	free(from);
	return ok;
}

static bool add_rules(const struct lists *doc, const struct vs_wanted *w,
		      const struct vs_network *n)
{
	bool ok = doc->rules && doc->sets;

	if (ok && rules_is_segment(n) && !strcmp(n->name, w->management.network))
		ok = add_allowed(doc, w, n);
	for (size_t i = 0; ok && i < w->firewall.nr_rules; i++) {
		ok = add_rule(doc, w, n, &w->firewall.rules[i], false);
		if (ok && rules_is_segment(n))
			ok = add_rule(doc, w, n, &w->firewall.rules[i], true);
	}
	return ok;
}

/*
 * Zones are shared with whoever else uses them: each network's is made of its name, and stays what it is
 * whatever other networks there are, but for two that would have the same.
 */
static unsigned int name_zone(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return 1 + (hash ^ hash >> 16) % 0xff00;
}

unsigned int ovs_rules_zone(const struct vs_wanted *w, const struct vs_network *n)
{
	unsigned int zone = name_zone(n->name);

	for (size_t i = 0; i < w->nr_networks && strcmp(w->networks[i].name, n->name) != 0; i++)
		zone += name_zone(w->networks[i].name) == zone;
	return zone;
}

json_t *ovs_rules_spec(const struct vs_wanted *w, const struct vs_network *n)
{
	const struct vs_firewall *fw = &w->firewall;
	struct lists doc = { json_array(), json_array() };

	if (!add_rules(&doc, w, n)) {
		json_decref(doc.rules);
		json_decref(doc.sets);
		return NULL;
	}
	return json_pack("{s:i,s:b,s:b,s:b,s:{s:b,s:b,s:b,s:b},s:o,s:o}", "zone",
			 (int)ovs_rules_zone(w, n), "segment", rules_is_segment(n), "uplink",
			 n->has_uplink, "local", !n->host_vlan, "defaults", "guest-to-guest",
			 fw->guest_to_guest == VS_ACCEPT, "guest-to-host",
			 fw->guest_to_host == VS_ACCEPT, "ingress", fw->ingress == VS_ACCEPT,
			 "egress", fw->egress == VS_ACCEPT, "rules", doc.rules, "sets", doc.sets);
}
