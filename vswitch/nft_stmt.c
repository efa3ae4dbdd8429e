/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a rule does with a packet that its comparisons let through. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>

#include <libnftnl/expr.h>

#include "vswitch/vswitch.h"

static const struct {
	const char *word;
	int verdict;
	bool has_chain;
} verdicts[] = {
	{ "accept", NF_ACCEPT, false },	 { "drop", NF_DROP, false },
	{ "return", NFT_RETURN, false }, { "continue", NFT_CONTINUE, false },
	{ "jump", NFT_JUMP, true },	 { "goto", NFT_GOTO, true },
};

bool nft_has_chain(const struct nft_scope *scope, const char *name)
{
	const json_t *chain;
	size_t i;

	json_array_foreach (scope->chains, i, chain) {
		const char *have = json_string_value(json_object_get(chain, "name"));

		if (have && !strcmp(have, name))
			return true;
	}
	return !scope->chains;
}

int nft_verdict_take(struct nft_lex *lex, int *verdict, char chain[NFT_NAME_LEN], char *why)
{
	const char *name;

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (!nft_take(lex, verdicts[i].word))
			continue;
		*verdict = verdicts[i].verdict;
		chain[0] = '\0';
		if (!verdicts[i].has_chain)
			return 1;
		name = nft_peek(lex);
		if (!name[0] || strlen(name) >= 64) {
			snprintf(why, VS_TEXT_LEN, "%s needs the name of a chain",
				 verdicts[i].word);
			return -EINVAL;
		}
		strcpy(chain, name);
		lex->pos++;
		return 1;
	}
	return 0;
}

void nft_emit_immediate(struct nft_build *b, uint32_t reg, const void *data, size_t size)
{
	struct nftnl_expr *e = nft_expr(b, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, (uint32_t)size);
}

void nft_emit_verdict(struct nft_build *b, int verdict, const char *chain)
{
	struct nftnl_expr *e = nft_expr(b, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain[0])
		nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain);
}

static int take_number(struct nft_build *b, uint64_t max, uint64_t *n)
{
	const char *text = nft_peek(&b->lex);

	if (!strncmp(text, "0x", 2) ? sscanf(text + 2, "%8lx", n) != 1 || *n > max
				    : parse_u64(text, max, n) != 0)
		return nft_fail(b, "not a number, or too large");
	b->lex.pos++;
	return 0;
}

static int stmt_verdict(struct nft_build *b)
{
	char chain[NFT_NAME_LEN];
	int verdict, rc = nft_verdict_take(&b->lex, &verdict, chain, b->why);

	if (rc <= 0)
		return rc;
	if (chain[0] && !nft_has_chain(b->scope, chain))
		return nft_fail(b, "no chain %s in this table", chain);
	nft_emit_verdict(b, verdict, chain);
	return 1;
}

static int stmt_counter(struct nft_build *b)
{
	struct nftnl_expr *e = nft_expr(b, "counter");

	if (e) {
		nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_PACKETS, 0);
		nftnl_expr_set_u64(e, NFTNL_EXPR_CTR_BYTES, 0);
	}
	return 1;
}

/* "10 mbytes/second", "1000/second" */
static int take_rate(struct nft_build *b, uint64_t *rate, uint64_t *unit, bool *is_bytes)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = { { "second", 1 }, { "minute", 60 }, { "hour", 3600 }, { "day", 86400 } };
	const char *text = nft_peek(&b->lex);
	char word[24] = "";
	unsigned long long n;
	char scale = ' ';

	*is_bytes = false;
	if (sscanf(text, "%19llu/%23s", &n, word) != 2) {
		if (take_number(b, UINT64_MAX >> 20, rate) != 0)
			return -EINVAL;
		n = *rate;
		text = nft_peek(&b->lex);
		*is_bytes = sscanf(text, "bytes/%23s", word) == 1;
		if (!*is_bytes)
			*is_bytes = sscanf(text,
					   "%c"
					   "bytes/%23s",
					   &scale, word) == 2;
		if (!*is_bytes)
			return nft_fail(b, "a rate is N/second or N kbytes/second");
	}
	*rate = n << (scale == 'k' ? 10 : scale == 'm' ? 20 : 0);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(word, units[i].name) && *rate) {
			*unit = units[i].seconds;
			b->lex.pos++;
			return 0;
		}
	return nft_fail(b, "a rate is at least 1, per second, minute, hour or day");
}

static int take_burst(struct nft_build *b, bool is_bytes, uint32_t *burst)
{
	static const char *const words[] = { "packets", "bytes", "kbytes", "mbytes" };
	uint64_t n;

	*burst = is_bytes ? 0 : 5;
	if (!nft_take(&b->lex, "burst"))
		return 0;
	if (take_number(b, is_bytes ? UINT32_MAX >> 20 : UINT32_MAX, &n) != 0)
		return -EINVAL;
	for (unsigned int i = is_bytes ? 1 : 0; i < (is_bytes ? 4u : 1u); i++)
		if (nft_take(&b->lex, words[i])) {
			*burst = (uint32_t)(n << (i > 1 ? 10 * (i - 1) : 0));
			return 0;
		}
	return nft_fail(b, is_bytes ? "bytes, kbytes or mbytes is missing" : "packets is missing");
}

static int stmt_limit(struct nft_build *b)
{
	uint64_t rate = 0, unit = 1;
	bool is_over, is_bytes;
	struct nftnl_expr *e;
	uint32_t burst;

	if (!nft_take(&b->lex, "rate"))
		return nft_fail(b, "'rate' is missing");
	is_over = nft_take(&b->lex, "over");
	if (take_rate(b, &rate, &unit, &is_bytes) != 0 || take_burst(b, is_bytes, &burst) != 0)
		return -EINVAL;
	e = nft_expr(b, "limit");
	if (!e)
		return 1;
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, rate);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, unit);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE,
			   is_bytes ? NFT_LIMIT_PKT_BYTES : NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_FLAGS, is_over ? NFT_LIMIT_F_INV : 0);
	return 1;
}

static int stmt_log(struct nft_build *b)
{
	static const char *const levels[] = { "emerg", "alert",	 "crit", "err",
					      "warn",  "notice", "info", "debug" };
	struct nftnl_expr *e = nft_expr(b, "log");
	const char *prefix;
	uint32_t level = LOG_WARNING;
	uint64_t group;

	if (!e)
		return 1;
	if (nft_take(&b->lex, "prefix")) {
		prefix = nft_peek(&b->lex);
		if (!prefix[0] || strlen(prefix) > 127)
			return nft_fail(b, "a prefix has 1 to 127 characters");
		nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, prefix);
		b->lex.pos++;
	}
	if (nft_take(&b->lex, "group")) {
		if (take_number(b, UINT16_MAX, &group) != 0)
			return -EINVAL;
		nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, (uint16_t)group);
		return 1;
	}
	if (nft_take(&b->lex, "level")) {
		for (level = 0; level < 8; level++)
			if (nft_take(&b->lex, levels[level]))
				break;
		if (level == 8)
			return nft_fail(b, "no such level");
	}
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOG_LEVEL, level);
	return 1;
}

static int stmt_reject(struct nft_build *b)
{
	static const struct {
		const char *word;
		uint8_t code;
	} codes[] = { { "no-route", NFT_REJECT_ICMPX_NO_ROUTE },
		      { "port-unreachable", NFT_REJECT_ICMPX_PORT_UNREACH },
		      { "host-unreachable", NFT_REJECT_ICMPX_HOST_UNREACH },
		      { "admin-prohibited", NFT_REJECT_ICMPX_ADMIN_PROHIBITED } };
	struct nftnl_expr *e = nft_expr(b, "reject");
	uint8_t code = NFT_REJECT_ICMPX_PORT_UNREACH;
	uint32_t type = NFT_REJECT_ICMPX_UNREACH;
	size_t i = 0;

	if (nft_take(&b->lex, "with")) {
		if (nft_take(&b->lex, "tcp")) {
			if (!nft_take(&b->lex, "reset") || b->l4 != IPPROTO_TCP)
				return nft_fail(
					b,
					"'tcp reset' answers TCP alone: compare a TCP field first");
			type = NFT_REJECT_TCP_RST;
		} else if (nft_take(&b->lex, "icmpx")) {
			for (; i < sizeof(codes) / sizeof(codes[0]); i++)
				if (nft_take(&b->lex, codes[i].word))
					break;
			if (i == sizeof(codes) / sizeof(codes[0]))
				return nft_fail(b, "no such code");
			code = codes[i].code;
		} else {
			return nft_fail(b, "'tcp reset' or 'icmpx CODE' is missing");
		}
	}
	if (e) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, type);
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, type == NFT_REJECT_TCP_RST ? 0 : code);
	}
	return 1;
}

static int stmt_notrack(struct nft_build *b)
{
	nft_expr(b, "notrack");
	return 1;
}

/* "fwd to 2", the number of a link; one that is not there takes the packet all the same. */
static int stmt_fwd(struct nft_build *b)
{
	struct nftnl_expr *e;
	uint32_t ifindex;
	uint64_t n;

	if (!nft_take(&b->lex, "to"))
		return nft_fail(b, "'to' is missing");
	if (take_number(b, INT32_MAX, &n) != 0)
		return -EINVAL;
	ifindex = (uint32_t)n;
	nft_emit_immediate(b, NFT_REG_1, &ifindex, sizeof(ifindex));
	e = nft_expr(b, "fwd");
	if (e)
		nftnl_expr_set_u32(e, NFTNL_EXPR_FWD_SREG_DEV, NFT_REG_1);
	return 1;
}

/* "ct mark set 5", "meta mark set ct mark" */
static int set_mark(struct nft_build *b, bool is_ct)
{
	const char *other = is_ct ? "meta mark" : "ct mark";
	size_t nr_words = nft_words_match(&b->lex, other);
	const struct nft_field *from;
	struct nftnl_expr *e;
	struct nft_field raw;
	uint64_t n;
	uint32_t mark;

	if (nr_words) {
		from = nft_field_take(b, &raw);
		nft_field_load(b, from, NFT_REG_1);
	} else {
		if (take_number(b, UINT32_MAX, &n) != 0)
			return -EINVAL;
		mark = (uint32_t)n;
		nft_emit_immediate(b, NFT_REG_1, &mark, sizeof(mark));
	}
	e = nft_expr(b, is_ct ? "ct" : "meta");
	if (!e)
		return 1;
	nftnl_expr_set_u32(e, is_ct ? NFTNL_EXPR_CT_KEY : NFTNL_EXPR_META_KEY,
			   is_ct ? (uint32_t)NFT_CT_MARK : (uint32_t)NFT_META_MARK);
	nftnl_expr_set_u32(e, is_ct ? NFTNL_EXPR_CT_SREG : NFTNL_EXPR_META_SREG, NFT_REG_1);
	return 1;
}

static int stmt_ct_mark(struct nft_build *b)
{
	return set_mark(b, true);
}

static int stmt_meta_mark(struct nft_build *b)
{
	return set_mark(b, false);
}

/* "udp checksum set 0": for receivers that check what was left to the hardware. */
static int stmt_udp_checksum(struct nft_build *b)
{
	uint16_t zero = 0;
	struct nftnl_expr *e;
	uint64_t n;

	if (take_number(b, 0, &n) != 0)
		return -EINVAL;
	if (b->l4 != IPPROTO_UDP)
		return nft_fail(b, "compare a field of UDP first");
	nft_emit_immediate(b, NFT_REG_1, &zero, sizeof(zero));
	e = nft_expr(b, "payload");
	if (!e)
		return 1;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, 6);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, 2);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, 6);
	return 1;
}

static const struct {
	const char *words;
	int (*fn)(struct nft_build *b);
} stmts[] = {
	{ "counter", stmt_counter },
	{ "add", nft_stmt_add },
	{ "limit", stmt_limit },
	{ "log", stmt_log },
	{ "reject", stmt_reject },
	{ "notrack", stmt_notrack },
	{ "fwd", stmt_fwd },
	{ "masquerade", nft_stmt_masquerade },
	{ "snat", nft_stmt_snat },
	{ "dnat", nft_stmt_dnat },
	{ "redirect", nft_stmt_redirect },
	{ "ct mark set", stmt_ct_mark },
	{ "meta mark set", stmt_meta_mark },
	{ "udp checksum set", stmt_udp_checksum },
};

int nft_stmt(struct nft_build *b)
{
	for (size_t i = 0; i < sizeof(stmts) / sizeof(stmts[0]); i++) {
		size_t n = nft_words_match(&b->lex, stmts[i].words);

		if (!n)
			continue;
		b->lex.pos += n;
		return stmts[i].fn(b);
	}
	return stmt_verdict(b);
}
