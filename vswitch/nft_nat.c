/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements that rewrite addresses: to one written out, or to what a map gives for some fields. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>

#include <libnftnl/expr.h>

#include "vswitch/vswitch.h"

/* Each holds an IPv6 address. */
#define REG_ADDR     NFT_REG_1
#define REG_ADDR_MAX NFT_REG_2
#define REG_PORT     NFT_REG_3
#define REG_PORT_MAX NFT_REG_4

struct target {
	uint8_t family; /* NFPROTO_*; 0: none */
	struct nft_value addr, port;
	bool has_addr, has_port;
};

static uint32_t take_flags(struct nft_build *b)
{
	uint32_t flags = 0;

	for (;; nft_take(&b->lex, ",")) {
		if (nft_take(&b->lex, "random"))
			flags |= NF_NAT_RANGE_PROTO_RANDOM;
		else if (nft_take(&b->lex, "fully-random"))
			flags |= NF_NAT_RANGE_PROTO_RANDOM_FULLY;
		else if (nft_take(&b->lex, "persistent"))
			flags |= NF_NAT_RANGE_PERSISTENT;
		else
			return flags;
	}
}

/* ":8080", ":100-110" */
static bool parse_port(const char *text, struct target *t)
{
	t->has_port = nft_value_parse(NFT_T_PORT, 2, text, &t->port);
	return t->has_port;
}

/* "10.0.0.1", "10.0.0.1-10.0.0.9", "10.0.0.1:80", "[fd00::1]:80", ":80" */
static bool parse_target(const char *text, struct target *t)
{
	enum nft_type_id type = t->family == NFPROTO_IPV6 ? NFT_T_IPV6 : NFT_T_IPV4;
	size_t size = type == NFT_T_IPV6 ? 16 : 4;
	char copy[NFT_RULE_LEN + 1];
	char *addr = copy, *port = NULL, *bracket;

	snprintf(copy, sizeof(copy), "%s", text);
	if (copy[0] == ':' && copy[1] != ':')
		return parse_port(copy + 1, t);
	if (copy[0] == '[') {
		bracket = strchr(copy, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return false;
		port = bracket[1] ? bracket + 2 : NULL;
		*bracket = '\0';
		addr++;
	} else if (type == NFT_T_IPV4) {
		port = strchr(copy, ':');
		if (port)
			*port++ = '\0';
	}
	t->has_addr = nft_value_parse(type, size, addr, &t->addr);
	return t->has_addr && (!port || parse_port(port, t));
}

static int take_family(struct nft_build *b, struct target *t)
{
	if (b->scope->family == NFPROTO_IPV4 || b->scope->family == NFPROTO_IPV6)
		t->family = b->scope->family;
	else if (b->l3 == 0x0800)
		t->family = NFPROTO_IPV4;
	else if (b->l3 == 0x86dd)
		t->family = NFPROTO_IPV6;
	if (nft_take(&b->lex, "ip"))
		t->family = NFPROTO_IPV4;
	else if (nft_take(&b->lex, "ip6"))
		t->family = NFPROTO_IPV6;
	if (!nft_take(&b->lex, "to"))
		return nft_fail(b, "'to' is missing");
	return t->family ? 0 : nft_fail(b, "say 'ip to' or 'ip6 to'");
}

static int emit_nat(struct nft_build *b, uint32_t type, const struct target *t, bool is_mapped,
		    bool is_mapped_port)
{
	uint32_t flags = take_flags(b);
	struct nftnl_expr *e;

	if (t->has_addr) {
		nft_emit_immediate(b, REG_ADDR, t->addr.from, t->addr.size);
		if (t->addr.is_range)
			nft_emit_immediate(b, REG_ADDR_MAX, t->addr.to, t->addr.size);
	}
	if (t->has_port) {
		nft_emit_immediate(b, REG_PORT, t->port.from, 2);
		if (t->port.is_range)
			nft_emit_immediate(b, REG_PORT_MAX, t->port.to, 2);
		flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	}
	e = nft_expr(b, "nat");
	if (!e)
		return 1;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, type);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, t->family);
	if (t->has_addr || is_mapped)
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, REG_ADDR);
	if (t->has_addr && t->addr.is_range)
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MAX, REG_ADDR_MAX);
	if (t->has_port)
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, REG_PORT);
	if (t->has_port && t->port.is_range)
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MAX, REG_PORT_MAX);
	/* Behind the address, where a map gives both. */
	if (is_mapped_port)
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN,
				   NFT_REG32_00 + (t->family == NFPROTO_IPV6 ? 4 : 1));
	if (flags)
		nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, flags);
	return 1;
}

static const struct nft_set *named(const struct nft_build *b)
{
	const char *name = nft_peek(&b->lex);

	for (size_t i = 0; name[0] == '@' && i < b->scope->nr_sets; i++)
		if (!strcmp(b->scope->sets[i].name, name + 1))
			return &b->scope->sets[i];
	return NULL;
}

/* "tcp dport map { 80 : 10.0.0.2 . 8080 }": whether it gives a port shows in the map. */
static int nat_by_map(struct nft_build *b, uint32_t type, struct target *t)
{
	uint8_t addr = t->family == NFPROTO_IPV6 ? NFT_T_IPV6 : NFT_T_IPV4;
	struct nft_key data = { .nr = 1, .types = { addr, NFT_T_PORT }, .sizes = { 4, 2 } };
	const struct nft_field *single;
	const struct nft_set *set;
	struct nft_field raw;
	struct nft_key key;
	int rc = nft_key_take(b, &key, &single, &raw);
	size_t pos;

	if (rc < 0)
		return rc;
	if (!rc || !nft_take(&b->lex, "map"))
		return nft_fail(b, "an address, or 'FIELD map' is missing");
	data.sizes[0] = nft_types[addr].size;
	set = named(b);
	for (pos = b->lex.pos; !set && pos < b->lex.nr && strcmp(b->lex.words[pos].text, ":") != 0;)
		pos++;
	if (set ? set->data.nr == 2
		: pos + 2 < b->lex.nr && !strcmp(b->lex.words[pos + 2].text, "."))
		data.nr = 2;
	rc = nft_lookup(b, &key, &data, false);
	return rc < 0 ? rc : emit_nat(b, type, t, true, data.nr == 2);
}

static int stmt_nat(struct nft_build *b, uint32_t type)
{
	struct target t = { 0 };
	int rc = take_family(b, &t);

	if (rc)
		return rc;
	if (!parse_target(nft_peek(&b->lex), &t))
		return nat_by_map(b, type, &t);
	b->lex.pos++;
	return emit_nat(b, type, &t, false, false);
}

int nft_stmt_snat(struct nft_build *b)
{
	return stmt_nat(b, NFT_NAT_SNAT);
}

int nft_stmt_dnat(struct nft_build *b)
{
	return stmt_nat(b, NFT_NAT_DNAT);
}

/* "masquerade", "masquerade to :1024-65535 random", "redirect to :53" */
static int stmt_own_address(struct nft_build *b, const char *name, uint16_t min, uint16_t max,
			    uint16_t flags_attr)
{
	struct target t = { .family = NFPROTO_IPV4 };
	struct nftnl_expr *e;
	uint32_t flags;

	if (nft_take(&b->lex, "to")) {
		if (!parse_target(nft_peek(&b->lex), &t) || !t.has_port)
			return nft_fail(b, "':PORT' is missing");
		b->lex.pos++;
		nft_emit_immediate(b, REG_PORT, t.port.from, 2);
		if (t.port.is_range)
			nft_emit_immediate(b, REG_PORT_MAX, t.port.to, 2);
	}
	flags = take_flags(b) | (t.has_port ? NF_NAT_RANGE_PROTO_SPECIFIED : 0);
	e = nft_expr(b, name);
	if (!e)
		return 1;
	if (t.has_port)
		nftnl_expr_set_u32(e, min, REG_PORT);
	if (t.has_port && t.port.is_range)
		nftnl_expr_set_u32(e, max, REG_PORT_MAX);
	if (flags)
		nftnl_expr_set_u32(e, flags_attr, flags);
	return 1;
}

int nft_stmt_masquerade(struct nft_build *b)
{
	return stmt_own_address(b, "masq", NFTNL_EXPR_MASQ_REG_PROTO_MIN,
				NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFTNL_EXPR_MASQ_FLAGS);
}

int nft_stmt_redirect(struct nft_build *b)
{
	return stmt_own_address(b, "redir", NFTNL_EXPR_REDIR_REG_PROTO_MIN,
				NFTNL_EXPR_REDIR_REG_PROTO_MAX, NFTNL_EXPR_REDIR_FLAGS);
}
