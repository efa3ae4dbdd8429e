/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fields of packets and connections: where they stand, what must be known of the packet before they
 * mean anything, and how they get into a register.
 */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/netfilter.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "vswitch/vswitch.h"

enum nft_field_kind { PAYLOAD, META, CT, CT_ORIGINAL, EXTHDR, EXTHDR_EXISTS, FIB };
enum nft_dep { NONE, ETHER, VLAN, IP, IP6, ARP, TCP, UDP, ICMP, ICMP6, IGMP };

#define LL NFT_PAYLOAD_LL_HEADER
#define NH NFT_PAYLOAD_NETWORK_HEADER
#define TH NFT_PAYLOAD_TRANSPORT_HEADER

#define HDR_HOPOPTS 0
#define HDR_ROUTING 43
#define HDR_FRAG    44
#define HDR_DSTOPTS 60

static const struct nft_field fields[] = {
	{ "ether daddr", PAYLOAD, LL, 0, 48, NFT_T_ETHER, ETHER },
	{ "ether saddr", PAYLOAD, LL, 48, 48, NFT_T_ETHER, ETHER },
	{ "ether type", PAYLOAD, LL, 96, 16, NFT_T_ETHERTYPE, ETHER },
	{ "vlan id", PAYLOAD, LL, 116, 12, NFT_T_INT, VLAN },
	{ "vlan pcp", PAYLOAD, LL, 112, 3, NFT_T_INT, VLAN },
	{ "vlan type", PAYLOAD, LL, 128, 16, NFT_T_ETHERTYPE, VLAN },
	{ "arp htype", PAYLOAD, NH, 0, 16, NFT_T_INT, ARP },
	{ "arp ptype", PAYLOAD, NH, 16, 16, NFT_T_ETHERTYPE, ARP },
	{ "arp hlen", PAYLOAD, NH, 32, 8, NFT_T_INT, ARP },
	{ "arp plen", PAYLOAD, NH, 40, 8, NFT_T_INT, ARP },
	{ "arp operation", PAYLOAD, NH, 48, 16, NFT_T_ARPOP, ARP },
	{ "arp saddr ether", PAYLOAD, NH, 64, 48, NFT_T_ETHER, ARP },
	{ "arp saddr ip", PAYLOAD, NH, 112, 32, NFT_T_IPV4, ARP },
	{ "arp daddr ether", PAYLOAD, NH, 144, 48, NFT_T_ETHER, ARP },
	{ "arp daddr ip", PAYLOAD, NH, 192, 32, NFT_T_IPV4, ARP },
	{ "ip version", PAYLOAD, NH, 0, 4, NFT_T_INT, IP },
	{ "ip hdrlength", PAYLOAD, NH, 4, 4, NFT_T_INT, IP },
	{ "ip dscp", PAYLOAD, NH, 8, 6, NFT_T_INT, IP },
	{ "ip length", PAYLOAD, NH, 16, 16, NFT_T_INT, IP },
	{ "ip frag-off", PAYLOAD, NH, 48, 16, NFT_T_INT, IP },
	{ "ip ttl", PAYLOAD, NH, 64, 8, NFT_T_INT, IP },
	{ "ip protocol", PAYLOAD, NH, 72, 8, NFT_T_PROTO, IP },
	{ "ip saddr", PAYLOAD, NH, 96, 32, NFT_T_IPV4, IP },
	{ "ip daddr", PAYLOAD, NH, 128, 32, NFT_T_IPV4, IP },
	{ "ip6 version", PAYLOAD, NH, 0, 4, NFT_T_INT, IP6 },
	{ "ip6 length", PAYLOAD, NH, 32, 16, NFT_T_INT, IP6 },
	{ "ip6 nexthdr", PAYLOAD, NH, 48, 8, NFT_T_PROTO, IP6 },
	{ "ip6 hoplimit", PAYLOAD, NH, 56, 8, NFT_T_INT, IP6 },
	{ "ip6 saddr", PAYLOAD, NH, 64, 128, NFT_T_IPV6, IP6 },
	{ "ip6 daddr", PAYLOAD, NH, 192, 128, NFT_T_IPV6, IP6 },
	{ "icmp type", PAYLOAD, TH, 0, 8, NFT_T_ICMP, ICMP },
	{ "icmp code", PAYLOAD, TH, 8, 8, NFT_T_INT, ICMP },
	{ "icmpv6 type", PAYLOAD, TH, 0, 8, NFT_T_ICMP6, ICMP6 },
	{ "icmpv6 code", PAYLOAD, TH, 8, 8, NFT_T_INT, ICMP6 },
	{ "icmpv6 taddr", PAYLOAD, TH, 64, 128, NFT_T_IPV6, ICMP6 },
	{ "igmp type", PAYLOAD, TH, 0, 8, NFT_T_INT, IGMP },
	{ "tcp sport", PAYLOAD, TH, 0, 16, NFT_T_PORT, TCP },
	{ "tcp dport", PAYLOAD, TH, 16, 16, NFT_T_PORT, TCP },
	{ "tcp flags", PAYLOAD, TH, 104, 8, NFT_T_INT, TCP },
	{ "udp sport", PAYLOAD, TH, 0, 16, NFT_T_PORT, UDP },
	{ "udp dport", PAYLOAD, TH, 16, 16, NFT_T_PORT, UDP },
	{ "udp length", PAYLOAD, TH, 32, 16, NFT_T_INT, UDP },
	{ "th sport", PAYLOAD, TH, 0, 16, NFT_T_PORT, NONE },
	{ "th dport", PAYLOAD, TH, 16, 16, NFT_T_PORT, NONE },
	{ "meta length", META, 0, NFT_META_LEN, 32, NFT_T_LENGTH, NONE },
	{ "meta protocol", META, 0, NFT_META_PROTOCOL, 16, NFT_T_ETHERTYPE, NONE },
	{ "meta nfproto", META, 0, NFT_META_NFPROTO, 8, NFT_T_NFPROTO, NONE },
	{ "meta l4proto", META, 0, NFT_META_L4PROTO, 8, NFT_T_PROTO, NONE },
	{ "meta mark", META, 0, NFT_META_MARK, 32, NFT_T_MARK, NONE },
	{ "meta pkttype", META, 0, NFT_META_PKTTYPE, 8, NFT_T_PKTTYPE, NONE },
	{ "meta ibrname", META, 0, NFT_META_BRI_IIFNAME, 128, NFT_T_IFNAME, NONE },
	{ "meta iifname", META, 0, NFT_META_IIFNAME, 128, NFT_T_IFNAME, NONE },
	{ "meta oifname", META, 0, NFT_META_OIFNAME, 128, NFT_T_IFNAME, NONE },
	{ "iifname", META, 0, NFT_META_IIFNAME, 128, NFT_T_IFNAME, NONE },
	{ "oifname", META, 0, NFT_META_OIFNAME, 128, NFT_T_IFNAME, NONE },
	{ "ct state", CT, 0, NFT_CT_STATE, 32, NFT_T_CT_STATE, NONE },
	{ "ct status", CT, 0, NFT_CT_STATUS, 32, NFT_T_CT_STATUS, NONE },
	{ "ct direction", CT, 0, NFT_CT_DIRECTION, 8, NFT_T_CT_DIR, NONE },
	{ "ct mark", CT, 0, NFT_CT_MARK, 32, NFT_T_MARK, NONE },
	{ "ct original ip saddr", CT_ORIGINAL, 0, NFT_CT_SRC_IP, 32, NFT_T_IPV4, NONE },
	{ "ct original ip daddr", CT_ORIGINAL, 0, NFT_CT_DST_IP, 32, NFT_T_IPV4, NONE },
	{ "ct original ip6 saddr", CT_ORIGINAL, 0, NFT_CT_SRC_IP6, 128, NFT_T_IPV6, NONE },
	{ "ct original ip6 daddr", CT_ORIGINAL, 0, NFT_CT_DST_IP6, 128, NFT_T_IPV6, NONE },
	{ "ct original proto-src", CT_ORIGINAL, 0, NFT_CT_PROTO_SRC, 16, NFT_T_PORT, NONE },
	{ "ct original proto-dst", CT_ORIGINAL, 0, NFT_CT_PROTO_DST, 16, NFT_T_PORT, NONE },
	{ "exthdr hbh", EXTHDR_EXISTS, HDR_HOPOPTS, 0, 8, NFT_T_BOOL, IP6 },
	{ "exthdr rt", EXTHDR_EXISTS, HDR_ROUTING, 0, 8, NFT_T_BOOL, IP6 },
	{ "exthdr frag", EXTHDR_EXISTS, HDR_FRAG, 0, 8, NFT_T_BOOL, IP6 },
	{ "exthdr dst", EXTHDR_EXISTS, HDR_DSTOPTS, 0, 8, NFT_T_BOOL, IP6 },
	{ "frag nexthdr", EXTHDR, HDR_FRAG, 0, 8, NFT_T_PROTO, IP6 },
	{ "frag frag-off", EXTHDR, HDR_FRAG, 16, 13, NFT_T_INT, IP6 },
	{ "frag more-fragments", EXTHDR, HDR_FRAG, 31, 1, NFT_T_INT, IP6 },
	{ "rt type", EXTHDR, HDR_ROUTING, 16, 8, NFT_T_INT, IP6 },
	/* base: enum nft_fib_result; at: flags, NFTA_FIB_F_* */
	{ "fib daddr type", FIB, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR, 32, NFT_T_ADDRTYPE,
	  NONE },
	{ "fib saddr type", FIB, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR, 32, NFT_T_ADDRTYPE,
	  NONE },
	{ "fib saddr . iif oif", FIB, NFT_FIB_RESULT_OIF,
	  NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT, 8, NFT_T_BOOL, NONE },
	{ "fib saddr oifname", FIB, NFT_FIB_RESULT_OIFNAME, NFTA_FIB_F_SADDR, 128, NFT_T_IFNAME,
	  NONE },
};

static const struct {
	uint16_t l3;
	int l4;
} deps[] = {
	[IP] = { 0x0800, -1 },
	[IP6] = { 0x86dd, -1 },
	[ARP] = { 0x0806, -1 },
	[TCP] = { 0, IPPROTO_TCP },
	[UDP] = { 0, IPPROTO_UDP },
	[ICMP] = { 0x0800, IPPROTO_ICMP },
	[ICMP6] = { 0x86dd, IPPROTO_ICMPV6 },
	[IGMP] = { 0x0800, IPPROTO_IGMP },
};

struct nftnl_expr *nft_expr(struct nft_build *b, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (e)
		nftnl_rule_add_expr(b->rule, e);
	else
		b->is_nomem = true;
	return e;
}

void nft_emit_cmp(struct nft_build *b, uint32_t op, const void *data, size_t size)
{
	struct nftnl_expr *e = nft_expr(b, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, (uint32_t)size);
}

static void emit_mask_reg(struct nft_build *b, uint32_t reg, const void *mask, size_t size)
{
	static const uint8_t zero[NFT_VALUE_SIZE];
	struct nftnl_expr *e = nft_expr(b, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, (uint32_t)size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, (uint32_t)size);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, (uint32_t)size);
}

void nft_emit_mask(struct nft_build *b, const void *mask, size_t size)
{
	emit_mask_reg(b, NFT_REG_1, mask, size);
}

static void emit_meta(struct nft_build *b, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = nft_expr(b, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
}

static void emit_payload(struct nft_build *b, uint32_t base, size_t offset, size_t size,
			 uint32_t reg)
{
	struct nftnl_expr *e = nft_expr(b, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, (uint32_t)offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, (uint32_t)size);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void emit_ct(struct nft_build *b, const struct nft_field *f, uint32_t reg)
{
	struct nftnl_expr *e = nft_expr(b, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, f->at);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
	if (f->kind == CT_ORIGINAL)
		nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, 0);
}

static void emit_exthdr(struct nft_build *b, const struct nft_field *f, uint32_t reg)
{
	struct nftnl_expr *e = nft_expr(b, "exthdr");

	if (!e)
		return;
	nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, f->base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, f->at / 8u);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, (uint32_t)nft_field_size(f));
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, reg);
	if (f->kind == EXTHDR_EXISTS)
		nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
}

static void emit_fib(struct nft_build *b, const struct nft_field *f, uint32_t reg)
{
	struct nftnl_expr *e = nft_expr(b, "fib");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, f->base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, f->at);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, reg);
}

static bool is_in_packet(const struct nft_field *f)
{
	return f->kind == PAYLOAD || f->kind == EXTHDR;
}

size_t nft_field_size(const struct nft_field *f)
{
	return is_in_packet(f) ? (f->at % 8u + f->bits + 7u) / 8u : f->bits / 8u;
}

unsigned int nft_field_shift(const struct nft_field *f)
{
	return is_in_packet(f) ? (8u - (f->at + f->bits) % 8u) % 8u : 0;
}

void nft_field_load(struct nft_build *b, const struct nft_field *f, uint32_t reg)
{
	uint8_t mask[NFT_VALUE_SIZE] = { 0 };
	size_t size = nft_field_size(f);

	switch ((enum nft_field_kind)f->kind) {
	case PAYLOAD:
		emit_payload(b, f->base, f->at / 8u, size, reg);
		break;
	case META:
		emit_meta(b, f->at, reg);
		break;
	case CT:
	case CT_ORIGINAL:
		emit_ct(b, f, reg);
		break;
	case EXTHDR:
	case EXTHDR_EXISTS:
		emit_exthdr(b, f, reg);
		break;
	case FIB:
		emit_fib(b, f, reg);
		break;
	}
	if (!is_in_packet(f) || !(f->bits % 8))
		return;
	for (unsigned int bit = f->at % 8u; bit < f->at % 8u + f->bits; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	emit_mask_reg(b, reg, mask, size);
}

/* The link is Ethernet. Asked only where a packet is sure to have come in by a link. */
static void depend_on_ether(struct nft_build *b)
{
	uint16_t ether = 1; /* ARPHRD_ETHER, host order */

	if (b->is_ether || !b->scope->is_ingress)
		return;
	b->is_ether = true;
	emit_meta(b, NFT_META_IIFTYPE, NFT_REG_1);
	nft_emit_cmp(b, NFT_CMP_EQ, &ether, sizeof(ether));
}

static void depend_on_tag(struct nft_build *b)
{
	uint16_t tag = htons(0x8100);

	depend_on_ether(b);
	if (b->is_tagged)
		return;
	b->is_tagged = true;
	emit_payload(b, LL, 12, 2, NFT_REG_1);
	nft_emit_cmp(b, NFT_CMP_EQ, &tag, sizeof(tag));
}

static int depend_on_l3(struct nft_build *b, uint16_t l3)
{
	uint8_t nfproto = l3 == 0x0800 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	uint16_t ethertype = htons(l3);

	if (b->l3 == l3)
		return 0;
	if (b->l3)
		return nft_fail(b, "no packet is of both kinds");
	b->l3 = l3;
	switch (b->scope->family) {
	case NFPROTO_INET:
		if (l3 == 0x0806)
			return nft_fail(b, "a table of family inet sees no ARP");
		emit_meta(b, NFT_META_NFPROTO, NFT_REG_1);
		nft_emit_cmp(b, NFT_CMP_EQ, &nfproto, 1);
		return 0;
	case NFPROTO_NETDEV:
	case NFPROTO_BRIDGE:
		emit_meta(b, NFT_META_PROTOCOL, NFT_REG_1);
		nft_emit_cmp(b, NFT_CMP_EQ, &ethertype, sizeof(ethertype));
		return 0;
	default:
		return nft_fail(b, "not in a table of this family");
	}
}

int nft_dependency(struct nft_build *b, uint8_t dep)
{
	int rc = 0;
	uint8_t l4;

	if (dep == NONE)
		return 0;
	if (dep == ETHER)
		depend_on_ether(b);
	else if (dep == VLAN)
		depend_on_tag(b);
	else if (deps[dep].l3)
		rc = depend_on_l3(b, deps[dep].l3);
	if (rc || dep < IP || deps[dep].l4 < 0 || b->l4 == deps[dep].l4)
		return rc;
	if (b->l4 >= 0)
		return nft_fail(b, "no packet is of both protocols");
	b->l4 = deps[dep].l4;
	l4 = (uint8_t)b->l4;
	emit_meta(b, NFT_META_L4PROTO, NFT_REG_1);
	nft_emit_cmp(b, NFT_CMP_EQ, &l4, 1);
	return 0;
}

static const struct nft_field *raw_take(struct nft_build *b, struct nft_field *raw)
{
	unsigned int at, bits, base;
	char name[3], end;

	if (sscanf(nft_peek(&b->lex), "@%2[a-z],%4u,%4u%c", name, &at, &bits, &end) != 3)
		return NULL;
	base = !strcmp(name, "ll") ? LL : !strcmp(name, "nh") ? NH : !strcmp(name, "th") ? TH : 9;
	if (base == 9 || !bits || bits > 128 || at > 1600 || at % 8 + bits > 128)
		return NULL;
	*raw = (struct nft_field){ "@",		  PAYLOAD,   (uint8_t)base, (uint16_t)at,
				   (uint8_t)bits, NFT_T_INT, NONE };
	b->lex.pos++;
	return raw;
}

const struct nft_field *nft_field_take(struct nft_build *b, struct nft_field *raw)
{
	const struct nft_field *best = NULL;
	size_t best_n = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t n = nft_words_match(&b->lex, fields[i].words);

		if (n > best_n) {
			best_n = n;
			best = &fields[i];
		}
	}
	b->lex.pos += best_n;
	return best ? best : raw_take(b, raw);
}
