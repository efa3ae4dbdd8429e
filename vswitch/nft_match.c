/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparisons: of a field with a value, range, prefix or set; of several fields with a set. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include <libnftnl/expr.h>

#include "vswitch/vswitch.h"

static const struct {
	const char *text;
	uint32_t op;
} operators[] = {
	{ "==", NFT_CMP_EQ },  { "!=", NFT_CMP_NEQ }, { "<=", NFT_CMP_LTE },
	{ ">=", NFT_CMP_GTE }, { "<", NFT_CMP_LT },   { ">", NFT_CMP_GT },
};

/* Return: whether one was written. */
static bool take_operator(struct nft_lex *lex, uint32_t *op)
{
	*op = NFT_CMP_EQ;
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (nft_take(lex, operators[i].text)) {
			*op = operators[i].op;
			return true;
		}
	return false;
}

static void shift_left(uint8_t *bytes, size_t size, unsigned int shift)
{
	if (!shift)
		return;
	for (size_t i = 0; i < size; i++) {
		unsigned int next = i + 1 < size ? bytes[i + 1] : 0;

		bytes[i] = (uint8_t)((bytes[i] << shift) | (next >> (8 - shift)));
	}
}

/* Whether a number that was written fits the bits of its field. */
static bool fits(const struct nft_field *f, const uint8_t *bytes, size_t size)
{
	size_t spare = size * 8 - f->bits;

	if (f->bits % 8 == 0)
		return true;
	for (size_t bit = 0; bit < spare; bit++)
		if (bytes[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	return true;
}

static int take_value(struct nft_build *b, const struct nft_field *f, struct nft_value *v)
{
	const char *text = nft_peek(&b->lex);
	size_t size = nft_field_size(f);

	if (!nft_value_parse((enum nft_type_id)f->type, size, text, v) || !fits(f, v->from, size) ||
	    !fits(f, v->to, size))
		return nft_fail(b, "not a value of %s", f->words);
	shift_left(v->from, size, nft_field_shift(f));
	shift_left(v->to, size, nft_field_shift(f));
	b->lex.pos++;
	return 0;
}

/* "established,related" */
static int take_bits(struct nft_build *b, const struct nft_field *f, struct nft_value *v)
{
	struct nft_value next;
	int rc = take_value(b, f, v);

	while (!rc && nft_take(&b->lex, ",")) {
		rc = take_value(b, f, &next);
		for (size_t i = 0; !rc && i < v->size; i++)
			v->from[i] |= next.from[i];
	}
	return rc;
}

static int match_bits(struct nft_build *b, const struct nft_field *f, uint32_t op)
{
	static const uint8_t zero[NFT_VALUE_SIZE];
	struct nft_value v;
	int rc = op > NFT_CMP_NEQ ? nft_fail(b, "%s has no order", f->words) : take_bits(b, f, &v);

	if (rc)
		return rc;
	nft_emit_mask(b, v.from, v.size);
	nft_emit_cmp(b, op == NFT_CMP_EQ ? NFT_CMP_NEQ : NFT_CMP_EQ, zero, v.size);
	return 1;
}

static void emit_outside(struct nft_build *b, const struct nft_value *v)
{
	struct nftnl_expr *e = nft_expr(b, "range");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_RANGE_OP, NFT_RANGE_NEQ);
	nftnl_expr_set(e, NFTNL_EXPR_RANGE_FROM_DATA, v->from, v->size);
	nftnl_expr_set(e, NFTNL_EXPR_RANGE_TO_DATA, v->to, v->size);
}

static void emit_prefix(struct nft_build *b, uint32_t op, const struct nft_value *v)
{
	uint8_t mask[NFT_VALUE_SIZE] = { 0 };

	for (int bit = 0; bit < v->prefix_len; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	nft_emit_mask(b, mask, v->size);
	nft_emit_cmp(b, op, v->from, v->size);
}

/* Order is that of the bytes: what is in host order is turned round first. */
static void emit_ordered(struct nft_build *b, const struct nft_field *f, uint32_t op,
			 struct nft_value *v)
{
	struct nftnl_expr *e;
	uint32_t host;

	if (op > NFT_CMP_NEQ && nft_types[f->type].is_host && f->bits == 32) {
		e = nft_expr(b, "byteorder");
		if (!e)
			return;
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_DREG, NFT_REG_1);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_LEN, 4);
		nftnl_expr_set_u32(e, NFTNL_EXPR_BYTEORDER_SIZE, 4);
		memcpy(&host, v->from, sizeof(host));
		host = htonl(host);
		memcpy(v->from, &host, sizeof(host));
	}
	nft_emit_cmp(b, op, v->from, v->size);
}

/* What later fields of the rule need not ask again. */
static void learn(struct nft_build *b, const struct nft_field *f, uint32_t op,
		  const struct nft_value *v)
{
	if (op != NFT_CMP_EQ || v->is_range)
		return;
	if (!strcmp(f->words, "meta l4proto"))
		b->l4 = v->from[0];
	else if (!strcmp(f->words, "meta protocol"))
		b->l3 = (uint16_t)(v->from[0] << 8 | v->from[1]);
	else if (!strcmp(f->words, "meta nfproto"))
		b->l3 = v->from[0] == 2 ? 0x0800 : 0x86dd;
}

static int match_value(struct nft_build *b, const struct nft_field *f, uint32_t op)
{
	struct nft_value v;
	int rc = take_value(b, f, &v);

	if (rc)
		return rc;
	if (v.is_range && op > NFT_CMP_NEQ)
		return nft_fail(b, "a range has no place behind this operator");
	learn(b, f, op, &v);
	if (!v.is_range) {
		emit_ordered(b, f, op, &v);
	} else if (v.prefix_len >= 0) {
		emit_prefix(b, op, &v);
	} else if (op == NFT_CMP_NEQ) {
		emit_outside(b, &v);
	} else {
		nft_emit_cmp(b, NFT_CMP_GTE, v.from, v.size);
		nft_emit_cmp(b, NFT_CMP_LTE, v.to, v.size);
	}
	return 1;
}

/* "field & mask": only those bits are compared. */
static int take_mask(struct nft_build *b, const struct nft_field *f)
{
	struct nft_value mask;
	int rc;

	if (!nft_take(&b->lex, "&"))
		return 0;
	rc = take_value(b, f, &mask);
	if (!rc && mask.is_range)
		rc = nft_fail(b, "a mask is one value");
	if (!rc)
		nft_emit_mask(b, mask.from, mask.size);
	return rc;
}

static int match_single(struct nft_build *b, const struct nft_field *f)
{
	uint32_t op;
	int rc = take_mask(b, f);
	bool is_written;

	if (rc)
		return rc;
	is_written = take_operator(&b->lex, &op);
	(void)is_written;
	return nft_types[f->type].is_bits ? match_bits(b, f, op) : match_value(b, f, op);
}

int nft_key_take(struct nft_build *b, struct nft_key *key, const struct nft_field **single,
		 struct nft_field *raw)
{
	const struct nft_field *taken[NFT_FIELDS_MAX];
	struct nft_field raws[NFT_FIELDS_MAX];
	uint32_t reg = NFT_REG32_00;
	int rc = 0;

	*key = (struct nft_key){ 0 };
	do {
		const struct nft_field *f = key->nr < NFT_FIELDS_MAX
						    ? nft_field_take(b, &raws[key->nr])
						    : NULL;

		if (!f && !key->nr)
			return 0;
		if (!f)
			return nft_fail(b, "no field that can stand here");
		if (key->nr && nft_field_shift(f))
			return nft_fail(b, "%s cannot be joined to others", f->words);
		key->types[key->nr] = f->type;
		key->sizes[key->nr] = (uint8_t)nft_field_size(f);
		taken[key->nr++] = f;
	} while (nft_take(&b->lex, "."));
	for (size_t i = 0; !rc && i < key->nr; i++)
		rc = nft_dependency(b, taken[i]->dep);
	for (size_t i = 0; !rc && i < key->nr; i++) {
		nft_field_load(b, taken[i], reg);
		reg += (key->sizes[i] + 3u) / 4u;
	}
	*raw = *taken[0];
	*single = key->nr == 1 ? raw : NULL;
	return rc ? rc : 1;
}

int nft_match(struct nft_build *b)
{
	static const struct nft_key verdicts = { .nr = 1, .types = { NFT_T_VERDICT } };
	const struct nft_field *single = NULL;
	struct nft_field raw;
	struct nft_key key;
	bool is_inverted = false;
	int rc = nft_key_take(b, &key, &single, &raw);
	size_t at = b->lex.pos;
	const char *next;

	if (rc <= 0)
		return rc;
	if (nft_take(&b->lex, "vmap"))
		return nft_lookup(b, &key, &verdicts, false);
	if (nft_take(&b->lex, "!="))
		is_inverted = true;
	else
		nft_take(&b->lex, "==");
	next = nft_peek(&b->lex);
	if (!strcmp(next, "{") || (next[0] == '@' && !strchr(next, ','))) {
		if (single && nft_field_shift(single))
			return nft_fail(b, "%s cannot be looked up in a set", single->words);
		return nft_lookup(b, &key, NULL, is_inverted);
	}
	if (!single)
		return nft_fail(b, "joined fields are compared with a set");
	b->lex.pos = at;
	return match_single(b, single);
}
