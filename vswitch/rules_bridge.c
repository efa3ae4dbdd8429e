/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "bridge vifrost-filter": what ports of one bridge say to each other, which the host never routes. On a
 * network behind the host that is its guests among themselves; on a segment that reaches further, all that
 * its guests do.
 *
 * Nothing is needed where everything passes. Where guests of a network behind the host may say nothing to
 * each other, its ports are closed to each other (vs_rules_prepare()). All else needs connections to be
 * tracked on the bridge, which a kernel can lack.
 */
#include "vswitch/rules_priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "vswitch/nft.h"
#include "vswitch/ovs_rules.h"

/* ---- What a network needs ---- */

static bool is_here(const struct vs_wanted *w, const struct vs_network *n,
		    const struct vs_peer *peer)
{
	for (size_t i = 0; i < w->nr_entries; i++) {
		const struct vs_entry *e = &w->entries[i];
		bool is_it = peer->kind == VS_PEER_GUEST && !strcmp(e->guest, peer->name);

		for (size_t k = 0; peer->kind == VS_PEER_TAG && k < e->nr_tags; k++)
			is_it |= !strcmp(e->tags[k], peer->name);
		if (is_it && !strcmp(e->network, n->name))
			return true;
	}
	return false;
}

static bool overlaps(const struct vs_network *n, const struct vs_prefix *p)
{
	for (size_t i = 0; i < n->nr_subnets; i++)
		if (rules_covers(&n->subnets[i].prefix, p) ||
		    rules_covers(p, &n->subnets[i].prefix))
			return true;
	return false;
}

/* Whether a guest on @n, or what else is on that segment, can be @peer. */
static bool can_be(const struct vs_wanted *w, const struct vs_network *n,
		   const struct vs_peer *peer)
{
	switch (peer->kind) {
	case VS_PEER_ANY:
		return true;
	case VS_PEER_HOST:
		return rules_is_segment(n);
	case VS_PEER_NETWORK:
		return !strcmp(peer->name, n->name);
	case VS_PEER_TAG:
	case VS_PEER_GUEST:
		return is_here(w, n, peer);
	case VS_PEER_PREFIX:
		return rules_is_segment(n) || overlaps(n, &peer->prefix);
	case VS_PEER_SET:
		break;
	}
	for (size_t i = 0; i < w->nr_sets; i++)
		for (size_t k = 0; !strcmp(w->sets[i].name, peer->name) && k < w->sets[i].nr; k++)
			if (rules_is_segment(n) || overlaps(n, &w->sets[i].v[k]))
				return true;
	return false;
}

static bool any_can_be(const struct vs_wanted *w, const struct vs_network *n,
		       const struct vs_peer *peers, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (can_be(w, n, &peers[i]))
			return true;
	return !nr;
}

enum rules_ports rules_ports(const struct vs_wanted *w, const struct vs_network *n)
{
	const struct vs_firewall *fw = &w->firewall;
	const enum vs_verdict defaults[] = { fw->guest_to_guest, fw->ingress, fw->egress,
					     fw->guest_to_host };
	bool passes = false, refuses = false;

	if (!fw->given || rules_is_by_address(n))
		return RULES_PORTS_OPEN;
	for (size_t i = 0; i < (rules_is_segment(n) ? 4 : 1); i++) {
		passes |= defaults[i] == VS_ACCEPT;
		refuses |= defaults[i] != VS_ACCEPT;
	}
	for (size_t i = 0; i < fw->nr_rules; i++) {
		const struct vs_rule *r = &fw->rules[i];

		if (!any_can_be(w, n, r->from, r->nr_from) || !any_can_be(w, n, r->to, r->nr_to))
			continue;
		passes |= r->action == VS_ACCEPT;
		refuses |= r->action != VS_ACCEPT;
	}
	if (!refuses)
		return RULES_PORTS_OPEN;
	return passes || rules_is_segment(n) ? RULES_PORTS_FILTERED : RULES_PORTS_CLOSED;
}

bool rules_is_flows(const struct vs_wanted *w, const struct vs_network *n)
{
	return n->mode &&
	       (n->mode->segment == VS_SEGMENT_OVS || n->mode->segment == VS_SEGMENT_FAST) &&
	       rules_ports(w, n) == RULES_PORTS_FILTERED;
}

/* Whether nftables has to tell connections between its ports apart. */
static bool is_tracked(const struct vs_wanted *w, const struct vs_network *n)
{
	return rules_ports(w, n) == RULES_PORTS_FILTERED && !rules_is_flows(w, n);
}

void vs_rules_prepare(struct vs_wanted *w)
{
	for (size_t i = 0; i < w->nr_networks; i++) {
		struct vs_network *n = &w->networks[i];

		n->ports_closed = rules_ports(w, n) == RULES_PORTS_CLOSED;
		n->ports_filtered = rules_ports(w, n) == RULES_PORTS_FILTERED;
		n->zone = (uint16_t)ovs_rules_zone(w, n);
	}
}

bool vs_rules_track_bridges(const struct vs_wanted *w)
{
	for (size_t i = 0; i < w->nr_networks; i++)
		if (is_tracked(w, &w->networks[i]))
			return true;
	return false;
}

bool vs_rules_can_track_bridges(void)
{
	static const char text[] =
		"{\"chains\":[{\"name\":\"c\",\"type\":\"filter\",\"hook\":\"forward\","
		"\"priority\":0}],\"sets\":[],\"rules\":[{\"chain\":\"c\",\"rule\":"
		"\"meta ibrname \\\"br0\\\" ct state established accept\"}]}";
	json_t *doc = json_loads(text, 0, NULL);
	int rc = doc ? nft_probe("bridge vifrost-probe", doc) : 0;

	json_decref(doc);
	return !rc;
}

/* ---- The table ---- */

/* "l2.<network>" and the like. */
static void chain_name(const char *kind, const struct vs_network *n, char name[RULES_REF_LEN])
{
	snprintf(name, RULES_REF_LEN, "%s.%s", kind, n->name);
}

/* What a segment can't do without, and who gives out its addresses. */
static void add_basics(struct rules_doc *d, const char *chain)
{
	static const char *const basics[] = {
		"meta protocol arp accept",
		"ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, "
		"nd-neighbor-solicit, nd-neighbor-advert } accept",
		"icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, "
		"mld2-listener-report } accept",
		"udp sport 67 udp dport 68 accept",
		"udp sport 68 udp dport 67 accept",
		"udp sport 547 udp dport 546 accept",
		"udp sport 546 udp dport 547 accept",
		"meta protocol { ip, ip6 } ct state invalid counter drop",
	};

	for (size_t i = 0; i < sizeof(basics) / sizeof(basics[0]); i++)
		rules_add(d, chain, NULL, NULL, "%s", basics[i]);
}

static void add_between(struct rules_doc *d, const struct vs_network *n, const char *uplink,
			const char *chain)
{
	const struct vs_firewall *fw = &d->wanted->firewall;
	struct rules_where where = { .hook = RULES_FORWARD, .bridge = n };

	rules_add(d, "forward", n->name, &n->place, "meta ibrname \"%s\" goto %s", n->name, chain);
	add_basics(d, chain);
	rules_add_policy(d, chain, &where);
	if (uplink[0]) {
		rules_add_default(d, chain, "ingress", fw->ingress, "iifname", uplink);
		rules_add_default(d, chain, "egress", fw->egress, "oifname", uplink);
	}
	rules_add_default(d, chain, "guest-to-guest", fw->guest_to_guest, NULL, NULL);
}

/* The host is on the segment as others are; only what guests say to it is looked at. */
static void add_host(struct rules_doc *d, const struct vs_network *n, const char *uplink,
		     const char *chain)
{
	struct rules_where where = { .hook = RULES_INPUT, .bridge = n };
	char not_uplink[48] = "";

	if (uplink[0])
		snprintf(not_uplink, sizeof(not_uplink), "iifname != \"%s\" ", uplink);
	rules_add(d, "input", n->name, &n->place, "meta ibrname \"%s\" %sgoto %s", n->name,
		  not_uplink, chain);
	add_basics(d, chain);
	if (!strcmp(n->name, d->wanted->management.network))
		rules_add_allowed(d, chain, "");
	rules_add_policy(d, chain, &where);
	rules_add_default(d, chain, "guest-to-host", d->wanted->firewall.guest_to_host, NULL, NULL);
}

static void add_network(struct rules_doc *d, const struct vs_network *n, const char *uplink)
{
	char between[RULES_REF_LEN], host[RULES_REF_LEN];
	const char *chains[] = { between, host };
	bool is_segment = rules_is_segment(n);

	chain_name("ports", n, between);
	chain_name("host", n, host);
	for (size_t i = 0; i < (is_segment ? 2 : 1); i++)
		rules_chain(d, chains[i], NULL, NULL, 0);
	add_between(d, n, uplink, between);
	if (is_segment)
		add_host(d, n, uplink, host);
}

json_t *rules_bridge(const struct vs_wanted *w, const char (*uplinks)[IFNAMSIZ], int *rc)
{
	static const char *const kinds[] = { "ports", "host" };
	char names[2][RULES_REF_LEN];
	const char *seen[] = { names[0], names[1] };
	struct rules_doc d;
	json_t *doc;

	*rc = 0;
	if (!vs_rules_track_bridges(w))
		return NULL;
	rules_begin(&d, w);
	rules_chain(&d, "forward", "filter", "forward", 0);
	rules_chain(&d, "input", "filter", "input", 0);
	for (size_t i = 0; i < w->nr_networks; i++)
		if (is_tracked(w, &w->networks[i]))
			add_network(&d, &w->networks[i], uplinks[i]);
	rules_begin_verdicts(&d, true);
	for (size_t i = 0; i < w->nr_networks; i++) {
		if (!is_tracked(w, &w->networks[i]))
			continue;
		for (size_t k = 0; k < 2; k++)
			chain_name(kinds[k], &w->networks[i], names[k]);
		rules_add_seen(&d, seen, rules_is_segment(&w->networks[i]) ? 2 : 1);
	}
	doc = rules_end(&d);
	*rc = d.rc;
	return doc;
}
