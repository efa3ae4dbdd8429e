/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains of a strict guard, each ending in a drop:
 *
 *	from_guest -> arp -> arp_own
 *		   -> ip  -> ip_own -> ip_form (options, fragments)
 *				    -> udp
 *		   -> ip6 -> ip6_own -> nd -> nd_target
 *				     -> udp
 *			  -> ip6_new (from ::) -> nd_target
 *
 * Nothing is accepted because it could not be read: where a rule reads a header that is not there, the
 * rule does not match, so every accept says what it has read. "ip6 nexthdr" only ever narrows what is
 * accepted: neighbour discovery must follow the IPv6 header at once, without extension headers.
 */
#include "vswitch/guard.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "vswitch/nft.h"

#define ADDRS_PER_RULE 4 /* a rule's text is limited */
#define FROM_PRIORITY  (-300)
#define TO_PRIORITY    0

/* A document that is being written. */
struct guard {
	const struct vs_vif *vif;
	json_t *chains, *rules; /* of the last chain */
	bool is_nomem;
	char mac[MAC_TEXT_LEN], hex[2 * MAC_LEN + 1];
	struct vs_prefix own[VS_VIF_ADDRS_MAX + 1];
	size_t nr_own;
};

static void chain(struct guard *g, const char *name)
{
	json_t *c = json_pack("{ss s[]}", "name", name, "rules");

	g->rules = json_object_get(c, "rules");
	if (json_array_append_new(g->chains, c) != 0)
		g->is_nomem = true;
}

static void base_chain(struct guard *g, const char *name, const char *hook, int priority,
		       const char *policy)
{
	json_t *c = json_pack("{ss ss ss ss si ss s[]}", "name", name, "type", "filter", "hook",
			      hook, "device", g->vif->name, "priority", priority, "policy", policy,
			      "rules");

	g->rules = json_object_get(c, "rules");
	if (json_array_append_new(g->chains, c) != 0)
		g->is_nomem = true;
}

static void rule(struct guard *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void rule(struct guard *g, const char *format, ...)
{
	char text[NFT_RULE_LEN + 16];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (json_array_append_new(g->rules, json_string(text)) != 0)
		g->is_nomem = true;
}

static void drop(struct guard *g, const char *reason, const char *what)
{
	rule(g, "%s%scounter drop comment \"%s\"", what, what[0] ? " " : "", reason);
}

/* "10.0.0.1", "2001:db8::/64" */
static void prefix_text(const struct vs_prefix *p, char *text, size_t size)
{
	char addr[INET6_ADDRSTRLEN];
	unsigned int full = p->family == AF_INET ? 32 : 128;

	inet_ntop(p->family, p->address, addr, sizeof(addr));
	if (p->len == full)
		snprintf(text, size, "%s", addr);
	else
		snprintf(text, size, "%s/%u", addr, p->len);
}

/* Of all own addresses of a family, a few a rule: @format has "%s" where their list stands. */
static void rules_of_own(struct guard *g, uint8_t family, const char *before, const char *after)
{
	char list[ADDRS_PER_RULE * (INET6_ADDRSTRLEN + 6)] = "";
	char text[INET6_ADDRSTRLEN + 5];
	size_t nr = 0, len = 0;

	for (size_t i = 0; i <= g->nr_own; i++) {
		if (nr == ADDRS_PER_RULE || (i == g->nr_own && nr)) {
			rule(g, "%s { %s } %s", before, list, after);
			nr = len = 0;
		}
		if (i == g->nr_own || g->own[i].family != family)
			continue;
		prefix_text(&g->own[i], text, sizeof(text));
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", nr ? ", " : "",
					text);
		nr++;
	}
}

static bool has_own(const struct guard *g, uint8_t family)
{
	for (size_t i = 0; i < g->nr_own; i++)
		if (g->own[i].family == family)
			return true;
	return false;
}

/* Whether @p lies in @in. */
static bool lies_in(const struct vs_prefix *p, const struct vs_prefix *in)
{
	if (p->family != in->family || p->len < in->len)
		return false;
	for (unsigned int bit = 0; bit < in->len; bit++)
		if ((p->address[bit / 8] ^ in->address[bit / 8]) & (0x80 >> (bit % 8)))
			return false;
	return true;
}

static void add_own(struct guard *g, const struct vs_prefix *p)
{
	for (size_t i = 0; i < g->nr_own; i++)
		if (lies_in(p, &g->own[i]))
			return;
	for (size_t i = g->nr_own; i-- > 0;)
		if (lies_in(&g->own[i], p))
			g->own[i] = g->own[--g->nr_own];
	g->own[g->nr_own++] = *p;
}

/* The addresses listed; with any of IPv6 also the link-local one that is made of the MAC. */
static void take_own(struct guard *g)
{
	const uint8_t *m = g->vif->mac;
	struct vs_prefix link_local = {
		.family = AF_INET6,
		.len = 128,
		.address = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3],
			     m[4], m[5] },
	};

	for (size_t i = 0; i < g->vif->nr_addrs; i++)
		add_own(g, &g->vif->addrs[i]);
	if (has_own(g, AF_INET6))
		add_own(g, &link_local);
}

static void write_tags(struct guard *g)
{
	const struct vs_vlans *v = &g->vif->vlans;
	char ids[VS_TRUNK_MAX * 11 + 1] = "", what[sizeof(ids) + 32];
	size_t len = 0;

	if (!v->nr_trunk) {
		drop(g, GUARD_VLAN, "ether type { 8021q, 8021ad }");
		return;
	}
	for (size_t i = 0; i < v->nr_trunk; i++) {
		bool is_range = v->trunk[i].first != v->trunk[i].last;

		len += (size_t)snprintf(ids + len, sizeof(ids) - len, is_range ? "%s%u-%u" : "%s%u",
					i ? ", " : "", v->trunk[i].first, v->trunk[i].last);
	}
	snprintf(what, sizeof(what), "vlan id != { %s }", ids);
	drop(g, GUARD_VLAN, "ether type 8021ad");
	drop(g, GUARD_VLAN, what);
	/* The outer tag is off by now: this one stands behind it. */
	drop(g, GUARD_VLAN, "meta protocol { 8021q, 8021ad }");
}

static void write_arp(struct guard *g)
{
	chain(g, "arp");
	if (has_own(g, AF_INET))
		rule(g,
		     "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether %s goto arp_own",
		     g->mac);
	drop(g, GUARD_ARP, "");
	if (!has_own(g, AF_INET))
		return;
	chain(g, "arp_own");
	rules_of_own(g, AF_INET, "arp operation { request, reply } arp saddr ip", "accept");
	/* A probe: whether anybody has an address that is the guest's to ask for. */
	rules_of_own(g, AF_INET, "arp operation request arp saddr ip 0.0.0.0 arp daddr ip",
		     "accept");
	drop(g, GUARD_ARP, "");
}

static void write_ip(struct guard *g)
{
	chain(g, "ip");
	if (has_own(g, AF_INET)) {
		rules_of_own(g, AF_INET, "ip saddr", "goto ip_own");
		rule(g,
		     "ip saddr 0.0.0.0 ip daddr 255.255.255.255 ip hdrlength 5 "
		     "ip frag-off & 0x3fff == 0 udp sport 68 udp dport 67 @th,288,48 0x%s accept",
		     g->hex);
	}
	drop(g, GUARD_SPOOF_IP, "");
	if (!has_own(g, AF_INET))
		return;
	chain(g, "ip_own");
	rule(g, "ip hdrlength != 5 goto ip_form");
	/* What stands behind the packet's end is padding, and must not be taken for a header. */
	drop(g, GUARD_IP_FORM, "ip length < 28");
	rule(g, "ip frag-off & 0x1fff != 0 goto ip_form");
	rule(g, "meta l4proto tcp th sport >= 0 accept");
	rule(g, "meta l4proto udp goto udp");
	drop(g, GUARD_ROGUE_RA, "icmp type { redirect, router-advertisement }");
	rule(g, "icmp type >= 0 accept");
	drop(g, GUARD_ROGUE_QUERIER, "igmp type 0x11");
	rule(g, "igmp type >= 0 accept");
	rule(g, "meta l4proto != { icmp, igmp, tcp, udp } accept");
	drop(g, GUARD_IP_FORM, "");

	chain(g, "ip_form");
	/* Group reports carry the router alert option. */
	rule(g, "ip hdrlength 6 @nh,160,32 0x94040000 ip frag-off & 0x3fff == 0 "
		"igmp type != 0x11 accept");
	/* The first fragment of such a packet holds too little of TCP to be judged. */
	rule(g, "ip hdrlength 5 ip frag-off & 0x1fff > 1 meta l4proto >= 0 accept");
	drop(g, GUARD_IP_FORM, "");
}

static void write_udp(struct guard *g)
{
	chain(g, "udp");
	drop(g, GUARD_ROGUE_DHCP, "udp sport { 67, 547 }");
	drop(g, GUARD_ROGUE_DHCP, "udp dport { 68, 546 }");
	rule(g, "udp dport 67 @th,288,48 != 0x%s counter drop comment \"" GUARD_ROGUE_DHCP "\"",
	     g->hex);
	drop(g, GUARD_RESERVED, "udp dport { 3784, 3785, 4784 }");
	rule(g, "udp length >= 8 accept");
	drop(g, GUARD_IP_FORM, "");
}

/*
 * Length tells which options there are: none, or one of 8 bytes. Nonces are part of duplicate
 * detection (RFC 7527).
 */
static void write_nd(struct guard *g)
{
	chain(g, "nd");
	drop(g, GUARD_ROGUE_RA,
	     "icmpv6 type { mld-listener-query, nd-router-advert, 137-138, 141-142, 151, 153 }");
	/* What the first fragment is has been seen: it is none of neighbour discovery. */
	rule(g, "frag frag-off != 0 accept");
	rule(g, "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit ip6 length 24 accept");
	rule(g,
	     "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit ip6 length 32 "
	     "@th,192,64 0x0101%s accept",
	     g->hex);
	rule(g, "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-advert ip6 length 24 goto nd_target");
	rule(g,
	     "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-advert ip6 length 32 "
	     "@th,192,64 0x0201%s goto nd_target",
	     g->hex);
	rule(g, "ip6 nexthdr icmpv6 icmpv6 type nd-router-solicit ip6 length 8 accept");
	rule(g,
	     "ip6 nexthdr icmpv6 icmpv6 type nd-router-solicit ip6 length 16 @th,64,64 0x0101%s accept",
	     g->hex);
	rule(g, "icmpv6 type { 1-4, 128-129, 131-132, 143 } accept");
	drop(g, GUARD_ND, "");

	chain(g, "ip6_new");
	drop(g, GUARD_ND, "exthdr frag exists");
	rule(g, "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit ip6 length 24 goto nd_target");
	rule(g, "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit ip6 length 32 "
		"@th,192,16 0x0e01 goto nd_target");
	rule(g, "ip6 nexthdr icmpv6 icmpv6 type nd-router-solicit ip6 length 8 accept");
	rule(g, "icmpv6 type { 131-132, 143 } accept");
	drop(g, GUARD_ND, "");

	chain(g, "nd_target");
	rules_of_own(g, AF_INET6, "icmpv6 taddr", "accept");
	drop(g, GUARD_ND, "");
}

static void write_ip6(struct guard *g)
{
	chain(g, "ip6");
	if (has_own(g, AF_INET6)) {
		rules_of_own(g, AF_INET6, "ip6 saddr", "goto ip6_own");
		rule(g, "ip6 saddr :: meta l4proto icmpv6 goto ip6_new");
	}
	drop(g, GUARD_SPOOF_IP, "");
	if (!has_own(g, AF_INET6))
		return;
	chain(g, "ip6_own");
	drop(g, GUARD_IP_FORM, "exthdr rt exists");
	/* Else the last header could lie behind the end of the first fragment. */
	drop(g, GUARD_IP_FORM, "frag nexthdr { 0, 43, 44, 51, 60, 135, 139, 140 }");
	rule(g, "meta l4proto icmpv6 goto nd");
	rule(g, "frag frag-off != 0 meta l4proto >= 0 accept");
	rule(g, "meta l4proto tcp th sport >= 0 accept");
	rule(g, "meta l4proto udp goto udp");
	rule(g, "meta l4proto != { icmpv6, tcp, udp } accept");
	drop(g, GUARD_IP_FORM, "");
	write_nd(g);
}

static void write_from_guest(struct guard *g)
{
	const struct vs_vif *vif = g->vif;
	bool is_strict = vif->anti_spoof == VS_SPOOF_STRICT;
	uint64_t pps = vif->from_guest.packets_per_s;
	bool has_vlan = vif->vlans.access || vif->vlans.nr_trunk;
	char what[64];

	base_chain(g, "from_guest", "ingress", FROM_PRIORITY, is_strict ? "drop" : "accept");
	if (pps)
		rule(g,
		     "limit rate over %llu/second burst %llu packets counter drop "
		     "comment \"" GUARD_RATE "\"",
		     (unsigned long long)pps, (unsigned long long)(pps / 20 + 32));
	if (vif->anti_spoof == VS_SPOOF_ANY) {
		if (has_vlan)
			write_tags(g);
		return;
	}
	/* Nothing is known that the guest could be held to: it stays silent. */
	if (!vif->has_mac) {
		drop(g, GUARD_SPOOF_MAC, "");
		return;
	}
	snprintf(what, sizeof(what), "ether saddr != %s", g->mac);
	drop(g, GUARD_SPOOF_MAC, what);
	drop(g, GUARD_RESERVED, "ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f");
	write_tags(g);
	if (is_strict) {
		rule(g, "meta protocol vmap { ip : goto ip, ip6 : goto ip6, arp : goto arp }");
		drop(g, GUARD_ARP, "meta protocol rarp");
		drop(g, GUARD_L2_FORM, "");
		return;
	}
	drop(g, GUARD_ARP, "meta protocol rarp");
	drop(g, GUARD_ARP, "arp hlen != 6");
	snprintf(what, sizeof(what), "arp saddr ether != %s", g->mac);
	drop(g, GUARD_ARP, what);
}

static void write_to_guest(struct guard *g)
{
	uint64_t pps = g->vif->to_guest.packets_per_s;
	char what[120];

	if (g->vif->anti_spoof == VS_SPOOF_ANY && !pps)
		return;
	base_chain(g, "to_guest", "egress", TO_PRIORITY, "accept");
	if (g->vif->anti_spoof != VS_SPOOF_ANY && g->vif->has_mac) {
		snprintf(what, sizeof(what),
			 "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 ether daddr != %s",
			 g->mac);
		drop(g, GUARD_FOREIGN_MAC, what);
	}
	if (pps)
		rule(g,
		     "limit rate over %llu/second burst %llu packets counter drop "
		     "comment \"" GUARD_TO_RATE "\"",
		     (unsigned long long)pps, (unsigned long long)(pps / 20 + 32));
}

json_t *guard_doc(const struct vs_vif *vif, bool *is_needed)
{
	struct guard g = { .vif = vif };
	const uint8_t *m = vif->mac;
	json_t *doc;

	*is_needed = vif->anti_spoof != VS_SPOOF_ANY || vif->vlans.access || vif->vlans.nr_trunk ||
		     vif->from_guest.packets_per_s || vif->to_guest.packets_per_s;
	if (!*is_needed)
		return NULL;
	doc = json_pack("{s[]}", "chains");
	g.chains = json_object_get(doc, "chains");
	format_mac(m, g.mac);
	snprintf(g.hex, sizeof(g.hex), "%02x%02x%02x%02x%02x%02x", m[0], m[1], m[2], m[3], m[4],
		 m[5]);
	take_own(&g);
	write_from_guest(&g);
	if (vif->anti_spoof == VS_SPOOF_STRICT) {
		write_arp(&g);
		write_ip(&g);
		write_ip6(&g);
		if (g.nr_own)
			write_udp(&g);
	}
	write_to_guest(&g);
	if (!doc || g.is_nomem) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

static json_t *stack_guard_doc(const struct vs_vif *vif)
{
	struct guard g = { .vif = vif };
	json_t *doc = json_pack("{s[]}", "chains");

	g.chains = json_object_get(doc, "chains");
	format_mac(vif->mac, g.mac);
	base_chain(&g, "from_guest", "ingress", FROM_PRIORITY, "drop");
	write_to_guest(&g);
	if (!doc || g.is_nomem) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

void plan_stack_guard(struct plan_for *p, const char *link, const struct vs_vif *vif)
{
	struct vs_vif none = { .anti_spoof = VS_SPOOF_ANY };
	char name[VS_TEXT_LEN];

	snprintf(none.name, sizeof(none.name), "%s", link);
	guard_name(link, name);
	plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name, stack_guard_doc(vif ? vif : &none));
}

void guard_name(const char *link, char name[VS_TEXT_LEN])
{
	vs_doc_of_vif(VS_DOC_NFT, link, name);
}

void plan_guard(struct plan_for *p, const struct vs_vif *vif)
{
	char name[VS_TEXT_LEN];
	bool is_needed;
	json_t *doc = guard_doc(vif, &is_needed);

	guard_name(vif->name, name);
	if (is_needed)
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name, doc);
	else
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name);
}

void plan_unguard(struct plan_for *p, const char *link)
{
	char name[VS_TEXT_LEN];

	guard_name(link, name);
	plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name);
}

/* The link that a table guards; NULL: it is none of these. */
static const char *guarded_link(const struct vs_doc *d)
{
	char prefix[VS_TEXT_LEN];
	size_t len;

	guard_name("", prefix);
	len = strlen(prefix);
	return d->kind == VS_DOC_NFT && !strncmp(d->name, prefix, len) ? d->name + len : NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_wanted(const char **names, size_t nr, const char *name)
{
	return bsearch(&name, names, nr, sizeof(*names), compare_names) != NULL;
}

int plan_stale_guards(const struct vs_wanted *wanted, struct vs_plan *plan)
{
	const char **names = calloc(wanted->nr_vifs + 1, sizeof(*names));
	struct plan_for p = { .plan = plan, .network = "" };

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->nr_vifs; i++)
		names[i] = wanted->vifs[i].name;
	qsort(names, wanted->nr_vifs, sizeof(*names), compare_names);
	/* From behind: what is taken out moves those behind it. */
	for (size_t i = plan->model.nr_docs; !p.rc && i-- > 0;) {
		const char *name = guarded_link(&plan->model.docs[i]);
		const struct vs_link *link;
		char doc[VS_TEXT_LEN];

		if (!name || is_wanted(names, wanted->nr_vifs, name))
			continue;
		link = plan_link(&p, name);
		if (link && link->is_up && wanted->nr_networks)
			continue;
		memcpy(doc, plan->model.docs[i].name, sizeof(doc));
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_NFT, doc);
	}
	free(names);
	return p.rc;
}
