/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What values look like, in text and in the kernel's registers. */
#include "vswitch/nft_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include "base/parse.h"

static const struct nft_symbol ethertypes[] = {
	{ "ip", 0x0800 },    { "arp", 0x0806 }, { "rarp", 0x8035 },   { "vlan", 0x8100 },
	{ "8021q", 0x8100 }, { "ip6", 0x86dd }, { "8021ad", 0x88a8 }, { NULL, 0 },
};
static const struct nft_symbol arpops[] = { { "request", 1 }, { "reply", 2 }, { NULL, 0 } };
static const struct nft_symbol protocols[] = {
	{ "icmp", 1 },	  { "igmp", 2 },   { "tcp", 6 }, { "udp", 17 },
	{ "gre", 47 },	  { "esp", 50 },   { "ah", 51 }, { "ipv6-icmp", 58 },
	{ "icmpv6", 58 }, { "sctp", 132 }, { NULL, 0 },
};
static const struct nft_symbol icmp_types[] = {
	{ "echo-reply", 0 },	 { "destination-unreachable", 3 }, { "redirect", 5 },
	{ "echo-request", 8 },	 { "router-advertisement", 9 },	   { "router-solicitation", 10 },
	{ "time-exceeded", 11 }, { "parameter-problem", 12 },	   { NULL, 0 },
};
static const struct nft_symbol icmp6_types[] = {
	{ "destination-unreachable", 1 },
	{ "packet-too-big", 2 },
	{ "time-exceeded", 3 },
	{ "parameter-problem", 4 },
	{ "echo-request", 128 },
	{ "echo-reply", 129 },
	{ "mld-listener-query", 130 },
	{ "mld-listener-report", 131 },
	{ "mld-listener-done", 132 },
	{ "nd-router-solicit", 133 },
	{ "nd-router-advert", 134 },
	{ "nd-neighbor-solicit", 135 },
	{ "nd-neighbor-advert", 136 },
	{ "nd-redirect", 137 },
	{ "router-renumbering", 138 },
	{ "ind-neighbor-solicit", 141 },
	{ "ind-neighbor-advert", 142 },
	{ "mld2-listener-report", 143 },
	{ NULL, 0 },
};
static const struct nft_symbol nfprotos[] = { { "ipv4", 2 }, { "ipv6", 10 }, { NULL, 0 } };
static const struct nft_symbol pkttypes[] = { { "host", 0 },	  { "unicast", 0 },
					      { "broadcast", 1 }, { "multicast", 2 },
					      { "other", 3 },	  { NULL, 0 } };
static const struct nft_symbol ct_states[] = { { "invalid", 1 },    { "established", 2 },
					       { "related", 4 },    { "new", 8 },
					       { "untracked", 64 }, { NULL, 0 } };
static const struct nft_symbol ct_statuses[] = { { "expected", 1 }, { "seen-reply", 2 },
						 { "assured", 4 },  { "confirmed", 8 },
						 { "snat", 16 },    { "dnat", 32 },
						 { "dying", 512 },  { NULL, 0 } };
static const struct nft_symbol ct_dirs[] = { { "original", 0 }, { "reply", 1 }, { NULL, 0 } };
static const struct nft_symbol addrtypes[] = { { "unspec", 0 },	   { "unicast", 1 },
					       { "local", 2 },	   { "broadcast", 3 },
					       { "anycast", 4 },   { "multicast", 5 },
					       { "blackhole", 6 }, { "unreachable", 7 },
					       { "prohibit", 8 },  { NULL, 0 } };
static const struct nft_symbol bools[] = { { "missing", 0 }, { "exists", 1 }, { NULL, 0 } };

const struct nft_type nft_types[NFT_T_NR] = {
	[NFT_T_INT] = { "integer", 0, 4, false, false, NULL },
	[NFT_T_ETHER] = { "ether_addr", 6, 9, false, false, NULL },
	[NFT_T_ETHERTYPE] = { "ether_type", 2, 10, false, false, ethertypes },
	[NFT_T_ARPOP] = { "arp_op", 2, 11, false, false, arpops },
	[NFT_T_IPV4] = { "ipv4_addr", 4, 7, false, false, NULL },
	[NFT_T_IPV6] = { "ipv6_addr", 16, 8, false, false, NULL },
	[NFT_T_PROTO] = { "inet_proto", 1, 12, false, false, protocols },
	[NFT_T_PORT] = { "inet_service", 2, 13, false, false, NULL },
	[NFT_T_ICMP] = { "icmp_type", 1, 14, false, false, icmp_types },
	[NFT_T_ICMP6] = { "icmpv6_type", 1, 29, false, false, icmp6_types },
	[NFT_T_NFPROTO] = { "nf_proto", 1, 2, false, false, nfprotos },
	[NFT_T_PKTTYPE] = { "pkt_type", 1, 31, false, false, pkttypes },
	[NFT_T_IFNAME] = { "ifname", IFNAMSIZ, 41, true, false, NULL },
	[NFT_T_MARK] = { "mark", 4, 19, true, false, NULL },
	[NFT_T_LENGTH] = { "length", 4, 4, true, false, NULL },
	[NFT_T_CT_STATE] = { "ct_state", 4, 26, true, true, ct_states },
	[NFT_T_CT_STATUS] = { "ct_status", 4, 28, true, true, ct_statuses },
	[NFT_T_CT_DIR] = { "ct_dir", 1, 27, false, false, ct_dirs },
	[NFT_T_ADDRTYPE] = { "fib_addrtype", 4, 38, true, false, addrtypes },
	[NFT_T_BOOL] = { "boolean", 1, 39, false, false, bools },
	[NFT_T_VERDICT] = { "verdict", 0, 1, false, false, NULL },
};

int nft_type_find(const char *name)
{
	for (int i = 0; i < NFT_T_NR; i++)
		if (i != NFT_T_INT && i != NFT_T_LENGTH && !strcmp(nft_types[i].name, name))
			return i;
	return -1;
}

static void put_number(uint64_t n, bool is_host, size_t size, uint8_t *out)
{
	uint32_t host = (uint32_t)n;

	if (is_host) {
		memcpy(out, &host, sizeof(host));
		return;
	}
	for (size_t i = 0; i < size; i++)
		out[size - 1 - i] = i < 8 ? (uint8_t)(n >> (8 * i)) : 0;
}

/* Any number of hexadecimal digits that fits. */
static bool parse_hex(const char *digits, bool is_host, size_t size, uint8_t *out)
{
	uint8_t bytes[NFT_VALUE_SIZE] = { 0 };
	size_t len = strlen(digits);

	if (!len || len > 2 * size || strspn(digits, "0123456789abcdefABCDEF") != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int c = (unsigned char)digits[len - 1 - i];
		unsigned int n = isdigit((int)c) ? c - '0' : (c | 32) - 'a' + 10;

		bytes[size - 1 - i / 2] |= (uint8_t)(n << (4 * (i & 1)));
	}
	for (size_t i = 0; i < size; i++)
		out[i] = bytes[is_host ? size - 1 - i : i];
	return true;
}

static bool parse_number(const struct nft_type *t, size_t size, const char *text, uint8_t *out)
{
	uint64_t max = size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
	uint64_t n;

	if (text[0] == '0' && text[1] == 'x')
		return parse_hex(text + 2, t->is_host, size, out);
	if (parse_u64(text, max, &n) != 0)
		return false;
	put_number(n, t->is_host, size, out);
	return true;
}

static bool parse_single(enum nft_type_id type, size_t size, const char *text, uint8_t *out)
{
	const struct nft_type *t = &nft_types[type];

	for (const struct nft_symbol *s = t->symbols; s && s->name; s++)
		if (!strcmp(s->name, text)) {
			put_number(s->value, t->is_host, size, out);
			return true;
		}
	switch (type) {
	case NFT_T_ETHER:
		return parse_mac(text, out) == 0;
	case NFT_T_IPV4:
		return inet_pton(AF_INET, text, out) == 1;
	case NFT_T_IPV6:
		return inet_pton(AF_INET6, text, out) == 1;
	case NFT_T_VERDICT:
	case NFT_T_IFNAME:
		return false;
	default:
		return parse_number(t, size, text, out);
	}
}

/* "vif*" compares only what stands before the star. */
static bool parse_ifname(const char *text, struct nft_value *v)
{
	size_t len = strlen(text);

	if (!len || len >= IFNAMSIZ)
		return false;
	memcpy(v->from, text, len);
	if (text[len - 1] == '*') {
		v->from[len - 1] = '\0';
		v->size = (uint8_t)(len - 1);
	}
	memcpy(v->to, v->from, sizeof(v->to));
	return v->size > 0;
}

/* Host bits must be 0: a typing error otherwise. */
static bool parse_prefix(enum nft_type_id type, size_t size, char *text, struct nft_value *v)
{
	char *slash = strchr(text, '/');
	uint32_t len;

	*slash = '\0';
	if ((type != NFT_T_IPV4 && type != NFT_T_IPV6) ||
	    !parse_single(type, size, text, v->from) ||
	    parse_u32(slash + 1, (uint32_t)size * 8, &len) != 0)
		return false;
	memcpy(v->to, v->from, sizeof(v->to));
	for (size_t bit = len; bit < size * 8; bit++) {
		if (v->from[bit / 8] & (0x80 >> (bit % 8)))
			return false;
		v->to[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	}
	v->prefix_len = (int)len;
	v->is_range = len < size * 8;
	return true;
}

bool nft_value_parse(enum nft_type_id type, size_t size, const char *text, struct nft_value *v)
{
	char copy[NFT_RULE_LEN + 1];
	char *dash;

	*v = (struct nft_value){ .size = (uint8_t)size, .prefix_len = -1 };
	if (size > NFT_VALUE_SIZE || strlen(text) >= sizeof(copy))
		return false;
	if (type == NFT_T_IFNAME)
		return parse_ifname(text, v);
	if (parse_single(type, size, text, v->from)) {
		memcpy(v->to, v->from, sizeof(v->to));
		return true;
	}
	strcpy(copy, text);
	if (strchr(copy, '/'))
		return parse_prefix(type, size, copy, v);
	dash = strchr(copy, '-');
	/* What is in host order cannot be compared byte by byte. */
	if (!dash || nft_types[type].is_host)
		return false;
	*dash = '\0';
	v->is_range = true;
	return parse_single(type, size, copy, v->from) &&
	       parse_single(type, size, dash + 1, v->to) && memcmp(v->from, v->to, size) <= 0;
}
