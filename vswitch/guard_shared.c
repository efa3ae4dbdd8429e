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
 *	to-<link> -> apart, apart_addrs: what is said to many, of a guest that has a layer 2 of its own
 *
 * Each chain ends in one that counts by link, and drops. Nothing is accepted because it could not be read:
 * where a rule reads a header that is not there, the rule does not match, so every accept says what it has
 * read. "ip6 nexthdr" only ever narrows what is accepted: neighbour discovery must follow the IPv6 header
 * at once, without extension headers.
 */
#include "vswitch/guard.h"

#include <stdio.h>
#include <string.h>

#include "vswitch/nft.h"

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

	/* Of frames to many, those that are for the guest; who returns is none. */
	{ "apart", { "udp sport 67 udp dport 68 goto apart_dhcp", "accept" } },
	{ "apart_addrs",
	  { "meta protocol arp goto apart_arp", "meta protocol rarp return",
	    "icmpv6 type 135-136 goto apart_nd", "udp sport 67 udp dport 68 goto apart_dhcp",
	    "accept" } },
	{ "apart_arp",
	  { "oifname . arp daddr ip @own4 accept", "oifname . arp daddr ip @net4 accept" } },
	{ "apart_nd",
	  { "oifname . icmpv6 taddr @own6 accept", "oifname . icmpv6 taddr @net6 accept" } },
	{ "apart_dhcp", { "oifname . @th,288,48 @macs accept" } },
	{ "count_others", { "add @n_others { oifname counter }" } },
	{ "count_foreign_mac", { "add @n_foreign_mac { oifname counter }" } },
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
	{ "n_others", GUARD_OTHERS, true },
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
