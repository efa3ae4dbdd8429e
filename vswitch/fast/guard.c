/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verdicts of guard_shared.c, in the same order, so that a frame with several faults is dropped for the
 * same one. Where nftables cannot read a header its rule does not match; here what cannot be read is not
 * accepted, neither what lies behind the bytes that were copied.
 */
#include "vswitch/fast/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include "base/parse.h"
#include "vswitch/guard.h"

#define PASSES	      (-1)
#define OPTION_SOURCE 0x0101 /* link-layer options of neighbour discovery, of 8 bytes */
#define OPTION_TARGET 0x0201
#define OPTION_NONCE  0x0e01 /* RFC 7527 */
#define ROUTER_ALERT  0x94040000u
#define IP4_LATER     0x1fffu
#define CHADDR	      36u /* from the UDP header on */

enum level { SILENT, NONE, MAC, STRICT };

/* In the order of bytes of a frame. */
struct own4 {
	uint32_t address, mask;
};

struct own6 {
	uint64_t address[2], mask[2];
};

struct fast_guard {
	uint64_t mac; /* as its 6 bytes are read */
	enum level level;
	bool is_trunk, by_lease, has_addrs, is_apart;
	uint8_t nr4, nr6;
	uint64_t packets;
	struct own4 own4[VS_VIF_ADDRS_MAX];
	struct own6 own6[VS_VIF_ADDRS_MAX + 1]; /* the link-local one too */
};

static const char *const names[FAST_REASONS] = {
	[FAST_SPOOF_MAC] = GUARD_SPOOF_MAC,
	[FAST_VLAN] = GUARD_VLAN,
	[FAST_RESERVED] = GUARD_RESERVED,
	[FAST_L2_FORM] = GUARD_L2_FORM,
	[FAST_BAD_ARP] = GUARD_ARP,
	[FAST_SPOOF_IP] = GUARD_SPOOF_IP,
	[FAST_IP_FORM] = GUARD_IP_FORM,
	[FAST_BAD_ND] = GUARD_ND,
	[FAST_ROGUE_DHCP] = GUARD_ROGUE_DHCP,
	[FAST_ROGUE_RA] = GUARD_ROGUE_RA,
	[FAST_ROGUE_QUERIER] = GUARD_ROGUE_QUERIER,
	[FAST_RATE] = GUARD_RATE,
	[FAST_FOREIGN_MAC] = GUARD_FOREIGN_MAC,
	[FAST_OTHERS] = GUARD_OTHERS,
	[FAST_TO_RATE] = GUARD_TO_RATE,
};

const char *fast_reason_name(enum fast_reason reason)
{
	return names[reason];
}

/* ---- Reading ---- */

static inline uint64_t read_mac(const uint8_t *p)
{
	uint32_t high;
	uint16_t low;

	memcpy(&high, p, sizeof(high));
	memcpy(&low, p + 4, sizeof(low));
	return (uint64_t)low << 32 | high;
}

static bool owns4(const struct fast_guard *g, const uint8_t *p)
{
	uint32_t address;

	memcpy(&address, p, sizeof(address));
	for (unsigned int i = 0; i < g->nr4; i++)
		if ((address & g->own4[i].mask) == g->own4[i].address)
			return true;
	return false;
}

static bool owns6(const struct fast_guard *g, const uint8_t *p)
{
	uint64_t a[2];

	memcpy(a, p, sizeof(a));
	for (unsigned int i = 0; i < g->nr6; i++)
		if ((a[0] & g->own6[i].mask[0]) == g->own6[i].address[0] &&
		    (a[1] & g->own6[i].mask[1]) == g->own6[i].address[1])
			return true;
	return false;
}

static bool is_unspecified6(const uint8_t *p)
{
	uint64_t a[2];

	memcpy(a, p, sizeof(a));
	return !(a[0] | a[1]);
}

/* Whether the hardware address at byte @at of the layer above IP is its own. */
static bool is_own_mac(const struct fast_guard *g, const struct fast_head *h, unsigned int at)
{
	return fast_head_has(h, at, ETH_ALEN) && read_mac(h->p + h->l4 + at) == g->mac;
}

/* ---- From the guest ---- */

static int check_arp(const struct fast_guard *g, const struct fast_head *h)
{
	const uint8_t *arp = h->p + h->l3;
	uint16_t op;

	if (!(h->flags & FAST_ARP) || fast_get32(arp) != 0x00010800 ||
	    fast_get16(arp + 4) != 0x0604 || read_mac(arp + 8) != g->mac)
		return FAST_BAD_ARP;
	op = fast_get16(arp + 6);
	if ((op == 1 || op == 2) && owns4(g, arp + 14))
		return PASSES;
	return op == 1 && !fast_get32(arp + 14) && owns4(g, arp + 24) ? PASSES : FAST_BAD_ARP;
}

static int check_udp(const struct fast_guard *g, const struct fast_head *h)
{
	if (!(h->flags & FAST_L4))
		return FAST_IP_FORM;
	/* Nearly all are beyond every port that is asked for. */
	if ((h->from != 67 && h->from != 547) && h->to > 4784)
		return PASSES;
	if (h->from == 67 || h->from == 547 || h->to == 68 || h->to == 546)
		return FAST_ROGUE_DHCP;
	if (h->to == 67 && !is_own_mac(g, h, CHADDR))
		return FAST_ROGUE_DHCP;
	return h->to == 3784 || h->to == 3785 || h->to == 4784 ? FAST_RESERVED : PASSES;
}

static int check_icmp4(const struct fast_head *h)
{
	uint8_t type;

	if (!(h->flags & FAST_L4))
		return FAST_IP_FORM;
	type = h->p[h->l4];
	return type == 5 || type == 9 ? FAST_ROGUE_RA : PASSES;
}

static int check_igmp(const struct fast_head *h)
{
	if (!(h->flags & FAST_L4))
		return FAST_IP_FORM;
	return h->p[h->l4] == 0x11 ? FAST_ROGUE_QUERIER : PASSES;
}

/* Group reports carry the router alert option; nothing else may have any. */
static int check_options4(const struct fast_head *h)
{
	const uint8_t *ip = h->p + h->l3;

	return ip[0] == 0x46 && (h->flags & FAST_L4) && fast_get32(ip + 20) == ROUTER_ALERT &&
			       !(h->flags & FAST_FRAGMENT) && h->protocol == IPPROTO_IGMP &&
			       h->p[h->l4] != 0x11
		       ? PASSES
		       : FAST_IP_FORM;
}

static bool is_lease_request(const struct fast_guard *g, const struct fast_head *h)
{
	const uint8_t *ip = h->p + h->l3;

	return (h->flags & (FAST_IP | FAST_L4 | FAST_OPTIONS | FAST_FRAGMENT)) ==
		       (FAST_IP | FAST_L4) &&
	       !fast_get32(ip + 12) && fast_get32(ip + 16) == 0xffffffff &&
	       h->protocol == IPPROTO_UDP && h->from == 68 && h->to == 67 &&
	       is_own_mac(g, h, CHADDR);
}

static int check_ip4(const struct fast_guard *g, const struct fast_head *h)
{
	if (h->version != 4)
		return FAST_SPOOF_IP;
	if (!owns4(g, fast_head_source(h)))
		return is_lease_request(g, h) && (g->nr4 || g->by_lease) ? PASSES : FAST_SPOOF_IP;
	if (!(h->flags & FAST_IP))
		return FAST_IP_FORM;
	if (h->flags & FAST_OPTIONS)
		return check_options4(h);
	if (h->l4_size < 8)
		return FAST_IP_FORM;
	/* With a second fragment at 8 bytes the first holds too little of TCP to be judged. */
	if (h->flags & FAST_LATER)
		return (h->frag & IP4_LATER) > 1 ? PASSES : FAST_IP_FORM;
	switch (h->protocol) {
	case IPPROTO_TCP:
		return h->flags & FAST_L4 ? PASSES : FAST_IP_FORM;
	case IPPROTO_UDP:
		return check_udp(g, h);
	case IPPROTO_ICMP:
		return check_icmp4(h);
	case IPPROTO_IGMP:
		return check_igmp(h);
	default:
		return PASSES;
	}
}

/* Neighbour discovery follows the IPv6 header at once. */
static uint16_t discovery_size(const struct fast_head *h)
{
	const uint8_t *ip = h->p + h->l3;
	uint16_t size = fast_get16(ip + 4);

	return ip[6] == IPPROTO_ICMPV6 && fast_head_has(h, 0, size) ? size : 0;
}

/* A message whose bare form has @bare bytes, or one @option behind that with its own address. */
static bool is_discovery(const struct fast_guard *g, const struct fast_head *h, unsigned int bare,
			 unsigned int option)
{
	uint16_t size = discovery_size(h);

	return size == bare || (size == bare + 8 && fast_get16(h->p + h->l4 + bare) == option &&
				is_own_mac(g, h, bare + 2));
}

static int check_nd(const struct fast_guard *g, const struct fast_head *h)
{
	uint8_t type;
	bool ok;

	if (h->flags & FAST_LATER)
		return PASSES;
	if (!(h->flags & FAST_L4))
		return FAST_BAD_ND;
	type = h->p[h->l4];
	switch (type) {
	case 134:
	case 137:
		return FAST_ROGUE_RA;
	case 130:
		return FAST_ROGUE_QUERIER;
	case 133:
		ok = is_discovery(g, h, 8, OPTION_SOURCE);
		break;
	case 135:
		ok = is_discovery(g, h, 24, OPTION_SOURCE);
		break;
	case 136:
		ok = is_discovery(g, h, 24, OPTION_TARGET) && owns6(g, h->p + h->l4 + 8);
		break;
	default:
		ok = (type >= 1 && type <= 4) || (type >= 128 && type <= 132) || type == 143;
	}
	return ok ? PASSES : FAST_BAD_ND;
}

/* From the unspecified address: duplicate detection, and what a guest says before it has any. */
static int check_new6(const struct fast_guard *g, const struct fast_head *h)
{
	uint16_t size;
	uint8_t type;

	if (!(h->flags & FAST_IP) || h->protocol != IPPROTO_ICMPV6)
		return FAST_SPOOF_IP;
	if (h->flags & FAST_FRAGMENT || !(h->flags & FAST_L4))
		return FAST_BAD_ND;
	type = h->p[h->l4];
	size = discovery_size(h);
	if (type == 135 &&
	    (size == 24 || (size == 32 && fast_get16(h->p + h->l4 + 24) == OPTION_NONCE)))
		return owns6(g, h->p + h->l4 + 8) ? PASSES : FAST_BAD_ND;
	if ((type == 133 && size == 8) || type == 131 || type == 132 || type == 143)
		return g->nr6 ? PASSES : FAST_SPOOF_IP;
	return FAST_BAD_ND;
}

static int check_ip6(const struct fast_guard *g, const struct fast_head *h)
{
	if (h->version != 6)
		return FAST_SPOOF_IP;
	if (!owns6(g, fast_head_source(h)))
		return is_unspecified6(fast_head_source(h)) ? check_new6(g, h) : FAST_SPOOF_IP;
	if (!(h->flags & FAST_IP) || h->flags & (FAST_ROUTING | FAST_FRAG_HIDE))
		return FAST_IP_FORM;
	if (h->protocol == IPPROTO_ICMPV6)
		return check_nd(g, h);
	if (h->flags & FAST_LATER)
		return PASSES;
	if (h->protocol == IPPROTO_UDP)
		return check_udp(g, h);
	return h->protocol != IPPROTO_TCP || h->flags & FAST_L4 ? PASSES : FAST_IP_FORM;
}

static bool is_reserved(const uint8_t *p)
{
	return fast_get32(p) == 0x0180c200 && !p[4] && p[5] < 16;
}

static bool is_tag(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

/* Its own tag of a trunk is looked at by the port; another inside it no port takes. */
static bool has_bad_tag(const struct fast_guard *g, const struct fast_head *h)
{
	if (!h->nr_tags)
		return is_tag(h->outer);
	return !g->is_trunk || h->outer != ETH_P_8021Q || !(h->tci & 0xfff) || h->nr_tags > 1 ||
	       !h->type;
}

/* Of one that may use any addresses, ARP says nothing of another's hardware address. */
static int check_mac(const struct fast_guard *g, const struct fast_head *h)
{
	const uint8_t *arp = h->p + h->l3;

	if (h->type == ETH_P_RARP)
		return FAST_BAD_ARP;
	if (h->type != ETH_P_ARP)
		return PASSES;
	return h->flags & FAST_ARP && arp[4] == ETH_ALEN && read_mac(arp + 8) == g->mac
		       ? PASSES
		       : FAST_BAD_ARP;
}

int fast_guard_check(const struct fast_guard *g, const struct fast_head *h)
{
	if (g->level == NONE)
		return PASSES;
	if (g->level == SILENT || h->have < ETH_HLEN || read_mac(h->p + ETH_ALEN) != g->mac)
		return FAST_SPOOF_MAC;
	if (h->outer != h->type && has_bad_tag(g, h))
		return FAST_VLAN;
	if (is_reserved(h->p))
		return FAST_RESERVED;
	if (g->level == MAC)
		return check_mac(g, h);
	switch (h->type) {
	case ETH_P_IP:
		return check_ip4(g, h);
	case ETH_P_IPV6:
		return check_ip6(g, h);
	case ETH_P_ARP:
		return check_arp(g, h);
	default:
		return FAST_L2_FORM;
	}
}

/* ---- To the guest ---- */

/* Of what is said to many, what is for it. */
static bool is_for(const struct fast_guard *g, const struct fast_head *h)
{
	bool has_l4 = h->flags & FAST_L4;
	uint8_t type = has_l4 ? h->p[h->l4] : 0;

	if (has_l4 && h->protocol == IPPROTO_UDP && h->from == 67 && h->to == 68)
		return is_own_mac(g, h, CHADDR);
	if (!g->has_addrs)
		return true;
	if (h->type == ETH_P_ARP)
		return h->flags & FAST_ARP && owns4(g, h->p + h->l3 + 24);
	if (has_l4 && h->protocol == IPPROTO_ICMPV6 && (type == 135 || type == 136))
		return fast_head_has(h, 8, 16) && owns6(g, h->p + h->l4 + 8);
	return h->type != ETH_P_RARP;
}

int fast_guard_check_to(const struct fast_guard *g, const struct fast_head *h)
{
	bool is_its = h->have >= ETH_HLEN && read_mac(h->p) == g->mac;

	if (g->is_apart)
		return is_its || (h->flags & FAST_MANY && is_for(g, h)) ? PASSES : FAST_OTHERS;
	if (g->level == MAC || g->level == STRICT)
		return is_its || h->flags & FAST_MANY ? PASSES : FAST_FOREIGN_MAC;
	return PASSES;
}

bool fast_guard_is_of(const void *guard, uint8_t version, const uint8_t *address)
{
	const struct fast_guard *g = guard;

	for (unsigned int i = 0; version == 4 && i < g->nr4; i++)
		if (g->own4[i].mask == UINT32_MAX && !memcmp(&g->own4[i].address, address, 4))
			return true;
	for (unsigned int i = 0; version == 6 && i < g->nr6; i++)
		if (g->own6[i].mask[1] == UINT64_MAX && !memcmp(g->own6[i].address, address, 16))
			return true;
	return false;
}

uint64_t fast_guard_packets(const struct fast_guard *g)
{
	return g->packets;
}

/* ---- The document ---- */

static int refuse(char *why, const char *what, const char *value)
{
	snprintf(why, FAST_WHY_MAX, "guard: %s%s%.60s", what, value ? ": " : "",
		 value ? value : "");
	return -EINVAL;
}

static void mask_bytes(uint8_t *mask, size_t size, unsigned int len)
{
	for (size_t i = 0; i < size; i++, len -= len < 8 ? len : 8)
		mask[i] = (uint8_t)(0xff00u >> (len < 8 ? len : 8));
}

static void add6(struct fast_guard *g, const uint8_t address[16], unsigned int len)
{
	struct own6 *o = &g->own6[g->nr6++];

	mask_bytes((uint8_t *)o->mask, sizeof(o->mask), len);
	memcpy(o->address, address, sizeof(o->address));
	for (int i = 0; i < 2; i++)
		o->address[i] &= o->mask[i];
}

static int add_addr(struct fast_guard *g, const char *text, char *why)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	uint32_t len = family == AF_INET ? 32 : 128;
	char address[INET6_ADDRSTRLEN] = "";
	size_t size = strcspn(text, "/");
	uint8_t raw[16];

	if (size < sizeof(address))
		memcpy(address, text, size);
	if (inet_pton(family, address, raw) != 1 ||
	    (text[size] && parse_u32(text + size + 1, len, &len)))
		return refuse(why, "\"addrs\" has what is no address or prefix", text);
	if (family == AF_INET) {
		struct own4 *o = &g->own4[g->nr4++];

		mask_bytes((uint8_t *)&o->mask, sizeof(o->mask), len);
		memcpy(&o->address, raw, sizeof(o->address));
		o->address &= o->mask;
	} else {
		add6(g, raw, len);
	}
	return 0;
}

static int read_addrs(struct fast_guard *g, const json_t *addrs, char *why)
{
	const json_t *item;
	size_t i;
	int rc = 0;

	if (json_array_size(addrs) > VS_VIF_ADDRS_MAX)
		return refuse(why, "\"addrs\" has more than a vif may have", NULL);
	json_array_foreach (addrs, i, item) {
		const char *text = json_string_value(item);

		rc = text ? add_addr(g, text, why)
			  : refuse(why, "\"addrs\" has what is no text", NULL);
		if (rc)
			return rc;
	}
	g->has_addrs = g->nr4 + g->nr6 != 0;
	return 0;
}

/* With any of IPv6 the one made of the MAC is its own, too. */
static void add_link_local(struct fast_guard *g, const uint8_t m[MAC_LEN])
{
	const uint8_t own[16] = { 0xfe,	    0x80, 0,	0,    0,    0,	  0,	0,
				  m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] };

	if (g->level == STRICT && g->nr6)
		add6(g, own, 128);
	else if (g->level != STRICT && g->is_apart && g->has_addrs)
		add6(g, own, 10);
}

static int read_level(struct fast_guard *g, const json_t *doc, char *why)
{
	static const char *const levels[] = {
		[SILENT] = "silent", [NONE] = "none", [MAC] = "mac", [STRICT] = "strict"
	};
	const char *level = json_string_value(json_object_get(doc, "level"));

	if (!doc)
		return 0;
	for (int i = SILENT; level && i <= STRICT; i++)
		if (!strcmp(level, levels[i])) {
			g->level = (enum level)i;
			return 0;
		}
	return refuse(why, "\"level\" has to be silent, none, mac or strict", level);
}

static int read_doc(struct fast_guard *g, const json_t *doc, char *why)
{
	const json_t *packets = json_object_get(doc, "packets-per-s");
	const char *mac = json_string_value(json_object_get(doc, "mac"));
	uint8_t bytes[MAC_LEN] = { 0 };
	int rc = read_level(g, doc, why);

	if (rc)
		return rc;
	if (!mac)
		mac = json_string_value(json_object_get(doc, "to"));
	if (mac && parse_mac(mac, bytes))
		return refuse(why, "no hardware address", mac);
	g->is_apart = json_is_true(json_object_get(doc, "apart"));
	if (!mac && (g->level > NONE || g->is_apart))
		return refuse(why, "without \"mac\" there is nothing to hold the guest to", NULL);
	if (packets && json_integer_value(packets) <= 0)
		return refuse(why, "\"packets-per-s\" has to be above 0", NULL);
	g->mac = read_mac(bytes);
	g->packets = (uint64_t)json_integer_value(packets);
	g->is_trunk = json_is_true(json_object_get(doc, "trunk"));
	g->by_lease = json_is_true(json_object_get(doc, "by-lease"));
	rc = read_addrs(g, json_object_get(doc, "addrs"), why);
	if (!rc)
		add_link_local(g, bytes);
	return rc;
}

int fast_guard_compile(const json_t *guard, struct fast_guard **out, char *why)
{
	struct fast_guard *g = calloc(1, sizeof(*g));
	int rc;

	*out = NULL;
	if (!g) {
		snprintf(why, FAST_WHY_MAX, "guard: out of memory");
		return -ENOMEM;
	}
	rc = read_doc(g, guard, why);
	if (rc) {
		free(g);
		return rc;
	}
	*out = g;
	return 0;
}

void fast_guard_destroy(struct fast_guard *g)
{
	free(g);
}
