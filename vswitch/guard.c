/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard of a vif is a base chain on its link, "from-<link>", and mostly one more for the other
 * direction, in the one table that guards share: what differs from vif to vif stands in its own few rules
 * and in elements of sets (link . address), the rest is there once:
 *
 *	from-<link> -> strict, trunk -> arp -> arp_own
 *				     -> ip  -> ip_own -> ip_form (options, fragments), udp, icmp, igmp
 *				     -> ip6 -> ip6_own -> nd -> nd_target
 *						       -> udp
 *					    -> ip6_new (from ::) -> nd_target
 *		    -> mac, mac_trunk
 *
 * Each chain ends in one that counts by link, and drops. Nothing is accepted because it could not be read:
 * where a rule reads a header that is not there, the rule does not match, so every accept says what it has
 * read. "ip6 nexthdr" only ever narrows what is accepted: neighbour discovery must follow the IPv6 header
 * at once, without extension headers.
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

#define FROM_PRIORITY (-300)
#define TO_PRIORITY   0

#define RESERVED "ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f goto reserved"
#define IS_NS	 "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-solicit ip6 length "
#define IS_NA	 "ip6 nexthdr icmpv6 icmpv6 type nd-neighbor-advert ip6 length "
#define IS_RS	 "ip6 nexthdr icmpv6 icmpv6 type nd-router-solicit ip6 length "

/* A chain of the table's, and its rules. */
struct chain_text {
	const char *name;
	const char *rules[16];
};

static const struct chain_text shared[] = {
	{ "strict",
	  { RESERVED,
	    "ether type vmap { ip : goto ip, ip6 : goto ip6, arp : goto arp, 8021q : goto vlan, "
	    "8021ad : goto vlan }",
	    "goto l2_form" } },
	/* Its own tag was looked at and is off: what stands behind it. */
	{ "trunk",
	  { RESERVED,
	    "meta protocol vmap { ip : goto ip, ip6 : goto ip6, arp : goto arp, 8021q : goto vlan, "
	    "8021ad : goto vlan }",
	    "goto l2_form" } },
	{ "mac",
	  { RESERVED, "ether type 8021q goto vlan", "ether type 8021ad goto vlan",
	    "goto mac_arp" } },
	{ "mac_trunk",
	  { RESERVED, "meta protocol 8021q goto vlan", "meta protocol 8021ad goto vlan",
	    "goto mac_arp" } },
	{ "mac_arp",
	  { "meta protocol rarp goto bad_arp", "arp hlen != 6 goto bad_arp",
	    "iifname . arp saddr ether != @macs goto bad_arp" } },

	{ "arp",
	  { "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . arp saddr ether @macs goto arp_own",
	    "goto bad_arp" } },
	/* A probe: whether anybody has an address that is the guest's to ask for. */
	{ "arp_own",
	  { "arp operation 1-2 iifname . arp saddr ip @own4 accept",
	    "arp operation request arp saddr ip 0.0.0.0 iifname . arp daddr ip @own4 accept",
	    "arp operation 1-2 iifname . arp saddr ip @net4 accept",
	    "arp operation request arp saddr ip 0.0.0.0 iifname . arp daddr ip @net4 accept",
	    "goto bad_arp" } },

	{ "ip",
	  { "iifname . ip saddr @own4 goto ip_own", "iifname . ip saddr @net4 goto ip_own",
	    "ip saddr 0.0.0.0 ip daddr 255.255.255.255 ip hdrlength 5 ip frag-off & 0x3fff == 0 "
	    "udp sport 68 udp dport 67 iifname . @th,288,48 @macs goto ip_new",
	    "goto spoof_ip" } },
	/* Who has no address of the family has none to ask for. */
	{ "ip_new", { "iifname @dhcp accept", "goto spoof_ip" } },
	/* What stands behind the packet's end is padding, and must not be taken for a header. */
	{ "ip_own",
	  { "ip hdrlength != 5 goto ip_form", "ip length < 28 goto bad_form",
	    "ip frag-off & 0x1fff != 0 goto ip_form", "meta l4proto tcp goto l4",
	    "meta l4proto udp goto udp", "meta l4proto icmp goto icmp",
	    "meta l4proto igmp goto igmp", "meta l4proto >= 0 accept", "goto bad_form" } },
	/*
	 * Group reports carry the router alert option. The first fragment of a packet with a second at 8
	 * bytes holds too little of TCP to be judged.
	 */
	{ "ip_form",
	  { "ip hdrlength 6 @nh,160,32 0x94040000 ip frag-off & 0x3fff == 0 igmp type != 0x11 accept",
	    "ip hdrlength 5 ip frag-off & 0x1fff > 1 meta l4proto >= 0 accept", "goto bad_form" } },
	{ "icmp",
	  { "icmp type redirect goto rogue_ra", "icmp type router-advertisement goto rogue_ra",
	    "goto l4" } },
	{ "igmp", { "igmp type 0x11 goto rogue_querier", "goto l4" } },
	{ "udp",
	  { "udp sport 67 goto rogue_dhcp", "udp sport 547 goto rogue_dhcp",
	    "udp dport 68 goto rogue_dhcp", "udp dport 546 goto rogue_dhcp",
	    "udp dport 67 iifname . @th,288,48 != @macs goto rogue_dhcp",
	    "udp dport 3784-3785 goto reserved", "udp dport 4784 goto reserved", "goto l4" } },
	{ "l4", { "th sport >= 0 accept", "goto bad_form" } },

	{ "ip6",
	  { "iifname . ip6 saddr @own6 goto ip6_own", "iifname . ip6 saddr @net6 goto ip6_own",
	    "ip6 saddr :: meta l4proto icmpv6 goto ip6_new", "goto spoof_ip" } },
	/* Behind a fragment's header, others could reach over the end of the first fragment. */
	{ "ip6_own",
	  { "exthdr rt exists goto bad_form",
	    "frag nexthdr != { tcp, udp, icmpv6, gre, esp, sctp } goto bad_form",
	    "meta l4proto icmpv6 goto nd", "frag frag-off != 0 meta l4proto >= 0 accept",
	    "meta l4proto tcp goto l4", "meta l4proto udp goto udp", "meta l4proto >= 0 accept",
	    "goto bad_form" } },
	/*
	 * Length tells which options there are: none, or one of 8 bytes. What the first fragment is has been
	 * seen where another comes: it is none of neighbour discovery.
	 */
	{ "nd",
	  { "icmpv6 type nd-router-advert goto rogue_ra", "icmpv6 type nd-redirect goto rogue_ra",
	    "icmpv6 type mld-listener-query goto rogue_querier", "frag frag-off != 0 accept",
	    IS_NS "24 accept", IS_NS "32 @th,192,16 0x0101 iifname . @th,208,48 @macs accept",
	    IS_NA "24 goto nd_target",
	    IS_NA "32 @th,192,16 0x0201 iifname . @th,208,48 @macs goto nd_target",
	    IS_RS "8 accept", IS_RS "16 @th,64,16 0x0101 iifname . @th,80,48 @macs accept",
	    "icmpv6 type 1-4 accept", "icmpv6 type 128-129 accept", "icmpv6 type 131-132 accept",
	    "icmpv6 type mld2-listener-report accept", "goto bad_nd" } },
	/* Nonces are part of duplicate detection (RFC 7527). */
	{ "ip6_new",
	  { "exthdr frag exists goto bad_nd", IS_NS "24 goto nd_target",
	    IS_NS "32 @th,192,16 0x0e01 goto nd_target", IS_RS "8 goto ip6_rs",
	    "icmpv6 type 131-132 goto ip6_rs", "icmpv6 type mld2-listener-report goto ip6_rs",
	    "goto bad_nd" } },
	{ "ip6_rs", { "iifname @slaac accept", "goto spoof_ip" } },
	{ "nd_target",
	  { "iifname . icmpv6 taddr @own6 accept", "iifname . icmpv6 taddr @net6 accept",
	    "goto bad_nd" } },
};

/* Where frames end, by reason. */
static const struct {
	const char *set,
		*reason; /* of counters by link; the chain's name is the same without "n_" */
	bool is_to_guest;
} ends[] = {
	{ "n_spoof_mac", GUARD_SPOOF_MAC, false },
	{ "n_vlan", GUARD_VLAN, false },
	{ "n_reserved", GUARD_RESERVED, false },
	{ "n_l2_form", GUARD_L2_FORM, false },
	{ "n_bad_arp", GUARD_ARP, false },
	{ "n_spoof_ip", GUARD_SPOOF_IP, false },
	{ "n_bad_form", GUARD_IP_FORM, false },
	{ "n_bad_nd", GUARD_ND, false },
	{ "n_rogue_dhcp", GUARD_ROGUE_DHCP, false },
	{ "n_rogue_ra", GUARD_ROGUE_RA, false },
	{ "n_rogue_querier", GUARD_ROGUE_QUERIER, false },
	{ "n_rate", GUARD_RATE, false },
	{ "n_foreign_mac", GUARD_FOREIGN_MAC, true },
	{ "n_to_rate", GUARD_TO_RATE, true },
};

/* What a vif owns: the elements are "<link> . <address>", "<link>". */
static const struct {
	const char *name, *type;
	bool is_interval;
} sets[] = {
	{ "macs", "ifname . ether_addr", false },
	{ "own4", "ifname . ipv4_addr", false },
	{ "net4", "ifname . ipv4_addr", true },
	{ "own6", "ifname . ipv6_addr", false },
	{ "net6", "ifname . ipv6_addr", true },
	{ "dhcp", "ifname", false },
	{ "slaac", "ifname", false },
};

static json_t *shared_chains(void)
{
	json_t *chains = json_array();
	char text[NFT_RULE_LEN];

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		json_t *rules = json_array();

		for (size_t r = 0; r < 16 && shared[i].rules[r]; r++)
			json_array_append_new(rules, json_string(shared[i].rules[r]));
		json_array_append_new(chains,
				      json_pack("{ss so}", "name", shared[i].name, "rules", rules));
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(text, sizeof(text), "add @%s { %s counter } drop", ends[i].set,
			 ends[i].is_to_guest ? "oifname" : "iifname");
		json_array_append_new(
			chains, json_pack("{ss s[s]}", "name", ends[i].set + 2, "rules", text));
	}
	return chains;
}

static json_t *shared_sets(void)
{
	json_t *all = json_array();

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		json_array_append_new(all, sets[i].is_interval
						   ? json_pack("{ss ss s[s] s[]}", "name",
							       sets[i].name, "type", sets[i].type,
							       "flags", "interval", "elements")
						   : json_pack("{ss ss s[]}", "name", sets[i].name,
							       "type", sets[i].type, "elements"));
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		json_array_append_new(all,
				      json_pack("{ss ss s[s] s[]}", "name", ends[i].set, "type",
						"ifname", "flags", "dynamic", "elements"));
	return all;
}

json_t *guard_shared_doc(void)
{
	return json_pack("{so so}", "chains", shared_chains(), "sets", shared_sets());
}

const char *guard_reason(const char *set)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcmp(set, ends[i].set))
			return ends[i].reason;
	return NULL;
}

const char *guard_counter_set(size_t i)
{
	return i < sizeof(ends) / sizeof(ends[0]) ? ends[i].set : NULL;
}

const char *guard_set_of(const char *own)
{
	bool is_net = strchr(own, '/') != NULL;
	uint8_t mac[MAC_LEN];

	if (!strcmp(own, "dhcp") || !strcmp(own, "slaac"))
		return own;
	if (!parse_mac(own, mac))
		return "macs";
	if (strchr(own, ':'))
		return is_net ? "net6" : "own6";
	return is_net ? "net4" : "own4";
}

json_t *guard_chain(const char *link, const json_t *guard, bool is_from)
{
	const char *policy = json_string_value(json_object_get(guard, "policy"));
	char name[NFT_RULE_LEN];

	snprintf(name, sizeof(name), "%s%s", is_from ? GUARD_FROM : GUARD_TO, link);
	return json_pack("{ss ss ss ss si ss}", "name", name, "type", "filter", "hook",
			 is_from ? "ingress" : "egress", "device", link, "priority",
			 is_from ? FROM_PRIORITY : TO_PRIORITY, "policy",
			 is_from && policy ? policy : "accept");
}

/* ---- One vif ---- */

/* A document that is being written. */
struct guard {
	const struct vs_vif *vif;
	json_t *rules, *own; /* rules: of the chain that is being written */
	bool is_nomem;
	char mac[MAC_TEXT_LEN];
	struct vs_prefix addrs[VS_VIF_ADDRS_MAX + 1];
	size_t nr_addrs;
};

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

static void add_own(struct guard *g, const char *text)
{
	if (json_array_append_new(g->own, json_string(text)) != 0)
		g->is_nomem = true;
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

static bool has_family(const struct guard *g, uint8_t family)
{
	for (size_t i = 0; i < g->nr_addrs; i++)
		if (g->addrs[i].family == family)
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

static void add_addr(struct guard *g, const struct vs_prefix *p)
{
	for (size_t i = 0; i < g->nr_addrs; i++)
		if (lies_in(p, &g->addrs[i]))
			return;
	for (size_t i = g->nr_addrs; i-- > 0;)
		if (lies_in(&g->addrs[i], p))
			g->addrs[i] = g->addrs[--g->nr_addrs];
	g->addrs[g->nr_addrs++] = *p;
}

/* The addresses listed; with any of IPv6 also the link-local one that is made of the MAC. */
static void write_own(struct guard *g)
{
	const uint8_t *m = g->vif->mac;
	struct vs_prefix link_local = {
		.family = AF_INET6,
		.len = 128,
		.address = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3],
			     m[4], m[5] },
	};
	char text[INET6_ADDRSTRLEN + 5];

	add_own(g, g->mac);
	if (g->vif->anti_spoof != VS_SPOOF_STRICT)
		return;
	for (size_t i = 0; i < g->vif->nr_addrs; i++)
		add_addr(g, &g->vif->addrs[i]);
	if (has_family(g, AF_INET6))
		add_addr(g, &link_local);
	for (size_t i = 0; i < g->nr_addrs; i++) {
		prefix_text(&g->addrs[i], text, sizeof(text));
		add_own(g, text);
	}
	if (has_family(g, AF_INET))
		add_own(g, "dhcp");
	if (has_family(g, AF_INET6))
		add_own(g, "slaac");
}

/* Of a trunk: the tag must be one of its own. */
static void write_trunk(struct guard *g)
{
	const struct vs_vlans *v = &g->vif->vlans;
	char ids[VS_TRUNK_MAX * 11 + 1] = "";
	size_t len = 0;

	for (size_t i = 0; i < v->nr_trunk; i++) {
		bool is_range = v->trunk[i].first != v->trunk[i].last;

		len += (size_t)snprintf(ids + len, sizeof(ids) - len, is_range ? "%s%u-%u" : "%s%u",
					i ? ", " : "", v->trunk[i].first, v->trunk[i].last);
	}
	rule(g, "ether type 8021ad goto vlan");
	rule(g, "vlan id != { %s } goto vlan", ids);
}

static void write_limit(struct guard *g, uint64_t pps, const char *end)
{
	uint64_t burst = pps / 20 + 32;

	if (pps)
		rule(g, "limit rate over %llu/second burst %llu packets goto %s",
		     (unsigned long long)pps,
		     (unsigned long long)(burst > UINT32_MAX ? UINT32_MAX : burst), end);
}

static void write_from(struct guard *g)
{
	const struct vs_vif *vif = g->vif;
	bool is_trunk = vif->vlans.nr_trunk != 0;

	write_limit(g, vif->from_guest.packets_per_s, "rate");
	if (vif->anti_spoof != VS_SPOOF_ANY && !vif->has_mac) {
		/* Nothing is known that the guest could be held to: it stays silent. */
		rule(g, "goto spoof_mac");
		return;
	}
	if (vif->anti_spoof != VS_SPOOF_ANY)
		rule(g, "ether saddr != %s goto spoof_mac", g->mac);
	if (is_trunk)
		write_trunk(g);
	if (vif->anti_spoof == VS_SPOOF_STRICT)
		rule(g, "goto %s", is_trunk ? "trunk" : "strict");
	else if (vif->anti_spoof == VS_SPOOF_MAC)
		rule(g, "goto %s", is_trunk ? "mac_trunk" : "mac");
	else if (vif->vlans.access)
		for (int i = 0; i < 2; i++)
			rule(g, "ether type %s goto vlan", i ? "8021ad" : "8021q");
}

static void write_to(struct guard *g)
{
	if (g->vif->anti_spoof != VS_SPOOF_ANY && g->vif->has_mac)
		rule(g,
		     "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 ether daddr != %s "
		     "goto foreign_mac",
		     g->mac);
	write_limit(g, g->vif->to_guest.packets_per_s, "to_rate");
}

json_t *guard_doc(const struct vs_vif *vif, bool *is_needed)
{
	struct guard g = { .vif = vif };
	json_t *doc;

	*is_needed = vif->anti_spoof != VS_SPOOF_ANY || vif->vlans.access || vif->vlans.nr_trunk ||
		     vif->from_guest.packets_per_s || vif->to_guest.packets_per_s;
	if (!*is_needed)
		return NULL;
	format_mac(vif->mac, g.mac);
	doc = json_pack("{s{ss s[]} s[] s[]}", "from", "policy",
			vif->anti_spoof == VS_SPOOF_STRICT ? "drop" : "accept", "rules", "to",
			"own");
	g.rules = json_object_get(json_object_get(doc, "from"), "rules");
	g.own = json_object_get(doc, "own");
	if (vif->anti_spoof != VS_SPOOF_ANY && vif->has_mac)
		write_own(&g);
	write_from(&g);
	g.rules = json_object_get(doc, "to");
	write_to(&g);
	if (!doc || g.is_nomem || nft_sort(g.own) != 0) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

/* The stack gets nothing from the link; what goes to the guest is as ever. */
static json_t *stack_guard_doc(const struct vs_vif *vif)
{
	struct guard g = { .vif = vif };
	json_t *doc = json_pack("{s{ss s[]} s[] s[]}", "from", "policy", "drop", "rules", "to",
				"own");

	format_mac(vif->mac, g.mac);
	g.rules = json_object_get(doc, "to");
	write_to(&g);
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
