/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fastnet_route.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "vswitch/fastnet.h"
#include "vswitch/fastnet_forward.h"
#include "vswitch/fastnet_nat.h"
#include "vswitch/rules_priv.h"

#define MTU_MIN 68

/* ---- Who takes part ---- */

static bool is_nat(const struct vs_network *n)
{
	return vs_mode_plain(n->mode) == &vs_mode_nat;
}

/* Guests of ours are behind it, and the host is their way out. */
static bool is_inner(const struct vs_network *n)
{
	return vs_mode_plain(n->mode) == &vs_mode_route || is_nat(n);
}

static bool has_forwards(const struct vs_wanted *w, const struct vs_network *n)
{
	for (size_t i = 0; i < w->nr_forwards; i++)
		if (!strcmp(w->forwards[i].network, n->name))
			return true;
	return false;
}

static bool may_take_part(const struct vs_wanted *w, const struct vs_network *n)
{
	/* Of a network that is translated, the ends of forwards are told apart. */
	if (!vs_is_fast(n) || (!is_nat(n) && has_forwards(w, n)))
		return false;
	return is_inner(n) || (vs_mode_plain(n->mode) == &vs_mode_bridge && rules_is_segment(n));
}

/* Of @n and @m, which may take part: whether one thread has both, and guests of ours are behind one. */
static bool are_partners(const struct vs_wanted *w, const struct vs_network *n,
			 const struct vs_network *m)
{
	if (is_nat(n) || is_nat(m))
		return fastnet_translates_for(w, is_nat(n) ? m : n, is_nat(n) ? n : m);
	return n != m && (is_inner(n) || is_inner(m)) && n->fast.nr_cpus == m->fast.nr_cpus &&
	       !memcmp(n->fast.cpus, m->fast.cpus, n->fast.nr_cpus * sizeof(n->fast.cpus[0]));
}

json_t *fastnet_partners(const struct vs_wanted *w, const struct vs_network *n, const char **why)
{
	json_t *names = json_array();

	for (size_t i = 0; names && may_take_part(w, n) && i < w->nr_networks; i++) {
		const struct vs_network *m = &w->networks[i];

		if (are_partners(w, n, m) && may_take_part(w, m) &&
		    json_array_append_new(names, json_string(m->name))) {
			json_decref(names);
			names = NULL;
		}
	}
	*why = NULL;
	if (!is_nat(n) && has_forwards(w, n))
		*why = "forwards lead to it, whose answers the kernel has to see";
	else if (!json_array_size(names))
		*why = "no bridge with an uplink, and no other network of mode route, is on such "
		       "a datapath with the same pmd-cpus";
	return names;
}

bool fastnet_routes(const struct vs_wanted *w, const struct vs_network *n)
{
	if (!may_take_part(w, n))
		return false;
	for (size_t i = 0; i < w->nr_networks; i++)
		if (are_partners(w, n, &w->networks[i]) && may_take_part(w, &w->networks[i]))
			return true;
	return false;
}

/* ---- What surely passes ---- */

/* One end of a rule: anyone, or these. */
struct ends {
	bool is_any;
	json_t *list;
};

static void add_prefix(struct ends *e, const struct vs_prefix *p)
{
	char text[64];

	rules_prefix_text(p, text);
	json_array_append_new(e->list, json_string(text));
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

static void add_entry(struct ends *e, const struct vs_entry *entry)
{
	for (size_t i = 0; i < entry->nr_addrs; i++)
		add_prefix(e, &entry->addrs[i]);
}

static void add_set(const struct vs_wanted *w, struct ends *e, const char *name, bool refuses)
{
	for (size_t i = 0; i < w->nr_sets; i++) {
		if (strcmp(w->sets[i].name, name) != 0)
			continue;
		for (size_t k = 0; k < w->sets[i].nr; k++)
			add_prefix(e, &w->sets[i].v[k]);
		e->is_any |= refuses && w->sets[i].nr_fqdns;
	}
}

/* Where only the kernel can tell, as of devices and names: nobody is let through for it, and all are refused. */
static void add_peer(const struct vs_wanted *w, struct ends *e, const struct vs_peer *peer,
		     bool refuses)
{
	const struct vs_network *n;

	switch (peer->kind) {
	case VS_PEER_ANY:
		e->is_any = true;
		break;
	case VS_PEER_HOST:
		break;
	case VS_PEER_NETWORK:
		n = vs_wanted_network(w, peer->name);
		e->is_any |= refuses;
		for (size_t i = 0; n && i < n->nr_subnets; i++)
			add_prefix(e, &n->subnets[i].prefix);
		break;
	case VS_PEER_TAG:
	case VS_PEER_GUEST:
		for (size_t i = 0; i < w->nr_entries; i++)
			if (is_member(&w->entries[i], peer))
				add_entry(e, &w->entries[i]);
		break;
	case VS_PEER_SET:
		add_set(w, e, peer->name, refuses);
		break;
	case VS_PEER_PREFIX:
		add_prefix(e, &peer->prefix);
		break;
	}
}

static struct ends take_ends(const struct vs_wanted *w, const struct vs_peer *peers, size_t nr,
			     bool refuses)
{
	struct ends e = { .is_any = !nr, .list = json_array() };

	for (size_t i = 0; i < nr; i++)
		add_peer(w, &e, &peers[i], refuses);
	return e;
}

json_t *fastnet_ends(const struct vs_wanted *w, const struct vs_peer *peers, size_t nr,
		     bool *is_any)
{
	struct ends e = take_ends(w, peers, nr, false);

	*is_any = e.is_any;
	return e.list;
}

static json_t *ports_json(const struct vs_rule *r)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < r->nr_ports; i++)
		json_array_append_new(ports,
				      json_pack("[i,i]", r->ports[i].first, r->ports[i].last));
	return ports;
}

/* Return: false: out of memory. */
static bool add_rule(const struct vs_wanted *w, json_t *rules, const struct vs_rule *r)
{
	/* Whoever is to be logged is the kernel's. */
	bool refuses = r->action != VS_ACCEPT || r->log;
	struct ends from = take_ends(w, r->from, r->nr_from, refuses);
	struct ends to = take_ends(w, r->to, r->nr_to, refuses);
	bool can_be = (from.is_any || json_array_size(from.list)) &&
		      (to.is_any || json_array_size(to.list));
	json_t *rule = json_pack("{s:b}", "accept", !refuses);
	bool ok = rule && from.list && to.list;

	if (ok && !from.is_any)
		ok = !json_object_set(rule, "from", from.list);
	if (ok && !to.is_any)
		ok = !json_object_set(rule, "to", to.list);
	if (ok && r->protocol)
		ok = !json_object_set_new(rule, "protocol", json_integer(r->protocol));
	if (ok && r->nr_ports)
		ok = !json_object_set_new(rule, "ports", ports_json(r));
	if (ok && can_be)
		ok = !json_array_append(rules, rule);
	json_decref(rule);
	json_decref(from.list);
	json_decref(to.list);
	return ok;
}

/* Guests elsewhere are guests, too: between them another default holds than for the world. */
static bool add_guests(const struct vs_wanted *w, const struct vs_network *n, json_t *rules)
{
	struct ends e = { .list = json_array() };
	bool ok = e.list;

	for (size_t i = 0; i < w->nr_entries; i++)
		if (strcmp(w->entries[i].network, n->name) != 0)
			add_entry(&e, &w->entries[i]);
	for (int i = 0; ok && i < 2 && json_array_size(e.list); i++)
		ok = !json_array_append_new(
			rules, json_pack("{sb sO}", "accept", 0, i ? "from" : "to", e.list));
	json_decref(e.list);
	return ok;
}

static json_t *spec(const struct vs_wanted *w, const struct vs_network *n)
{
	const struct vs_firewall *fw = &w->firewall;
	json_t *rules = json_array();
	bool ok = rules;

	for (size_t i = 0; ok && i < fw->nr_rules; i++)
		ok = add_rule(w, rules, &fw->rules[i]);
	if (ok)
		ok = fastnet_add_forwarded(w, n, rules);
	if (ok && fw->guest_to_guest != VS_ACCEPT)
		ok = add_guests(w, n, rules);
	if (!ok) {
		json_decref(rules);
		return NULL;
	}
	return json_pack("{sb sb sb s{sb sb sb sb} so s[]}", "segment", 0, "uplink", 1, "local", 1,
			 "defaults", "guest-to-guest", fw->guest_to_guest == VS_ACCEPT,
			 "guest-to-host", 1, "ingress", fw->ingress == VS_ACCEPT, "egress",
			 fw->egress == VS_ACCEPT, "rules", rules, "sets");
}

json_t *fastnet_route_doc(const struct vs_wanted *w, const struct vs_network *n)
{
	json_t *doc = json_pack("{s[]}", "prefixes");

	if (!doc || !w->firewall.given || !is_inner(n) ||
	    !json_object_set_new(doc, "firewall", spec(w, n)))
		return doc;
	json_decref(doc);
	return NULL;
}

int fastnet_keep_found(json_t *doc, const json_t *old)
{
	static const char *const found[][2] = { { "route", "prefixes" }, { "nat", "pool" } };
	int rc = 0;

	for (int i = 0; !rc && i < 2; i++) {
		json_t *part = json_object_get(doc, found[i][0]);
		json_t *was = json_object_get(json_object_get(old, found[i][0]), found[i][1]);

		if (part && was && json_object_set(part, found[i][1], was))
			rc = -ENOMEM;
	}
	return rc;
}

/* ---- Where the host's routes lead ---- */

struct feed {
	const struct vs_wanted *w;
	const struct vs_network *n;
	const struct fastnet_end *ends;
	const struct vs_fib *fib;
	bool *used;
	json_t *list;
	bool is_nomem;
};

/* By which network, if it is one that may be sent to at once. */
static const struct vs_network *partner(const struct feed *f, int ifindex, int family)
{
	const struct vs_wanted *w = f->w;
	int k = family == AF_INET6;

	if (!ifindex || !f->ends[f->n - w->networks].forwards[k])
		return NULL;
	for (size_t i = 0; i < w->nr_networks; i++) {
		const struct vs_network *m = &w->networks[i];

		if (f->ends[i].ifindex == ifindex && are_partners(w, f->n, m) &&
		    may_take_part(w, m) && (family == AF_INET || !(is_nat(f->n) || is_nat(m))))
			return m;
	}
	return NULL;
}

/* Behind a network of guests there is nobody but in its subnets, as the kernel's firewall has it. */
static bool may_lead(const struct vs_network *m, const struct vs_prefix *to)
{
	if (!is_inner(m))
		return true;
	for (size_t i = 0; i < m->nr_subnets; i++)
		if (rules_covers(&m->subnets[i].prefix, to))
			return true;
	return false;
}

static const struct vs_fib_neigh *find_neigh(const struct vs_fib *fib, int ifindex, uint8_t family,
					     const uint8_t *address)
{
	size_t low = 0, high = fib->nr_neighs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct vs_fib_neigh *n = &fib->neighs[middle];
		int order = (int)n->family - (int)family;

		if (!order)
			order = memcmp(n->address, address, sizeof(n->address));
		if (!order)
			order = n->ifindex - ifindex;
		if (!order)
			return n;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* @hop NULL: the kernel's to do. */
static void add(struct feed *f, const struct vs_prefix *to, const struct vs_network *m,
		const struct vs_fib_neigh *hop, uint32_t mtu)
{
	const struct fastnet_end *end = m ? &f->ends[m - f->w->networks] : NULL;
	char text[64], mac[MAC_TEXT_LEN], via[MAC_TEXT_LEN];
	json_t *item;

	rules_prefix_text(to, text);
	if (hop) {
		f->used[hop - f->fib->neighs] = true;
		format_mac(end->mac, mac);
		format_mac(hop->mac, via);
		if (mtu < MTU_MIN || mtu > end->mtu)
			mtu = end->mtu;
		item = json_pack("{ss ss ss ss si}", "to", text, "network", m->name, "mac", mac,
				 "via-mac", via, "mtu", (int)mtu);
	} else {
		item = json_pack("{ss}", "to", text);
	}
	f->is_nomem |= !item || json_array_append_new(f->list, item);
}

static void add_routes(struct feed *f)
{
	/* Of those in which the next may lie, innermost last: whether they have a hop. */
	struct nest {
		const struct vs_prefix *p;
		bool has_hop;
	} nest[130];
	size_t depth = 0;

	for (size_t i = 0; i < f->fib->nr_routes; i++) {
		const struct vs_fib_route *r = &f->fib->routes[i];
		const struct vs_network *m = r->is_plain ? partner(f, r->ifindex, r->to.family)
							 : NULL;
		const struct vs_fib_neigh *hop = m && r->has_via ? find_neigh(f->fib, r->ifindex,
									      r->to.family, r->via)
								 : NULL;

		if (m && !may_lead(m, &r->to))
			hop = NULL;
		while (depth && !rules_covers(nest[depth - 1].p, &r->to))
			depth--;
		/* What has no hop only matters within what has. */
		if (!hop && (!depth || !nest[depth - 1].has_hop))
			continue;
		add(f, &r->to, m, hop, r->mtu);
		nest[depth++] = (struct nest){ &r->to, hop != NULL };
	}
}

/* Those next to us, where the way to them is the link that they are on. */
static void add_neighs(struct feed *f)
{
	for (size_t i = 0; i < f->fib->nr_neighs; i++) {
		const struct vs_fib_neigh *neigh = &f->fib->neighs[i];
		const struct vs_network *m = partner(f, neigh->ifindex, neigh->family);
		struct vs_prefix p = { .family = neigh->family,
				       .len = neigh->family == AF_INET ? 32 : 128 };
		const struct vs_fib_route *r;

		if (!m || json_array_size(f->list) >= FASTNET_PREFIXES_MAX)
			continue;
		memcpy(p.address, neigh->address, sizeof(p.address));
		r = vs_fib_find(f->fib, &p);
		if (r && r->is_plain && !r->has_via && r->ifindex == neigh->ifindex &&
		    r->to.len < p.len && may_lead(m, &p))
			add(f, &p, m, neigh, r->mtu);
	}
}

json_t *fastnet_prefixes(const struct vs_wanted *w, const struct vs_network *n,
			 const struct fastnet_end *ends, const struct vs_fib *fib, bool *used)
{
	struct feed f = { w, n, ends, fib, used, json_array(), false };

	if (f.list && may_take_part(w, n) && !fib->why[0]) {
		add_routes(&f);
		add_neighs(&f);
	}
	if (!f.is_nomem)
		return f.list;
	json_decref(f.list);
	return NULL;
}
