/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets and maps: their types, their elements, and look-ups in them. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnftnl/expr.h>

#include "vswitch/array.h"
#include "vswitch/vswitch.h"

static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

/* Joined fields begin at multiples of 4 bytes. */
size_t nft_key_size(const struct nft_key *key)
{
	size_t size = 0;

	if (key->nr == 1)
		return key->sizes[0];
	for (size_t i = 0; i < key->nr; i++)
		size += padded(key->sizes[i]);
	return size;
}

int nft_key_parse(const char *text, struct nft_key *key, char *why)
{
	struct nft_lex lex;
	int rc = nft_lex(text, &lex, why);

	*key = (struct nft_key){ 0 };
	if (rc)
		return rc;
	do {
		int type = nft_type_find(nft_peek(&lex));

		if (type < 0 || key->nr == NFT_FIELDS_MAX) {
			snprintf(why, VS_TEXT_LEN, "'%.40s' is no type that a set can have here",
				 nft_peek(&lex));
			return -EINVAL;
		}
		key->types[key->nr] = (uint8_t)type;
		key->sizes[key->nr++] = nft_types[type].size;
		lex.pos++;
	} while (nft_take(&lex, "."));
	if (lex.pos == lex.nr && nft_key_size(key) <= NFT_KEY_SIZE)
		return 0;
	snprintf(why, VS_TEXT_LEN, "'%.60s' is no type of a set", text);
	return -EINVAL;
}

static int bad_element(const struct nft_lex *lex, char *why, const char *what)
{
	const struct nft_word *w = &lex->words[lex->pos];

	snprintf(why, VS_TEXT_LEN, "column %u, '%.32s': %.60s", w->at + 1u, w->text, what);
	return -EINVAL;
}

/* The parts of one key; @end NULL: no ranges. */
static int take_parts(struct nft_lex *lex, const struct nft_key *key, uint8_t *from, uint8_t *end,
		      bool *is_range, char *why)
{
	struct nft_value v;
	size_t at = 0;

	for (size_t i = 0; i < key->nr; i++) {
		if (i && !nft_take(lex, "."))
			return bad_element(lex, why, "the set's type has more fields");
		if (!nft_value_parse((enum nft_type_id)key->types[i], key->sizes[i], nft_peek(lex),
				     &v) ||
		    v.size != key->sizes[i])
			return bad_element(lex, why, nft_types[key->types[i]].name);
		if (v.is_range && !end)
			return bad_element(lex, why, "one value, not several");
		memcpy(from + at, v.from, v.size);
		if (end) {
			memcpy(end + at, v.to, v.size);
			*is_range |= v.is_range;
		}
		at += padded(v.size);
		lex->pos++;
	}
	return 0;
}

static int take_data(struct nft_lex *lex, const struct nft_set *set, struct nft_elem *e, char *why)
{
	int rc;

	if (!nft_take(lex, ":"))
		return bad_element(lex, why, "a map's element is 'key : value'");
	if (set->data.types[0] != NFT_T_VERDICT)
		return take_parts(lex, &set->data, e->data, NULL, NULL, why);
	rc = nft_verdict_take(lex, &e->verdict, e->chain, why);
	return rc ? (rc < 0 ? rc : 0) : bad_element(lex, why, "not a verdict");
}

int nft_set_add_words(struct nft_set *set, struct nft_lex *lex, char *why)
{
	struct nft_elem *e = array_add(&set->elems, &set->nr, sizeof(*e));
	int rc;

	if (!e)
		return -ENOMEM;
	rc = take_parts(lex, &set->key, e->key, e->end, &e->is_range, why);
	if (!rc && e->is_range && !set->is_interval && !set->is_anonymous)
		rc = bad_element(lex, why, "a range: the set lacks flag \"interval\"");
	set->is_interval |= e->is_range;
	return !rc && set->is_map ? take_data(lex, set, e, why) : rc;
}

int nft_set_add(struct nft_set *set, const char *text, char *why)
{
	struct nft_lex lex;
	int rc = strlen(text) > NFT_ELEMENT_LEN ? -EINVAL : nft_lex(text, &lex, why);

	if (rc) {
		snprintf(why, VS_TEXT_LEN, "element '%.60s' of set %.30s", text, set->name);
		return rc;
	}
	rc = nft_set_add_words(set, &lex, why);
	if (!rc && lex.pos != lex.nr)
		rc = bad_element(&lex, why, "not part of an element");
	if (!rc)
		set->elems[set->nr - 1].text = text;
	return rc;
}

static int compare_elems(const void *a, const void *b)
{
	return memcmp(((const struct nft_elem *)a)->key, ((const struct nft_elem *)b)->key,
		      NFT_KEY_SIZE);
}

int nft_set_finish(struct nft_set *set, char *why)
{
	if (set->nr)
		qsort(set->elems, set->nr, sizeof(*set->elems), compare_elems);
	for (size_t i = 1; i < set->nr; i++) {
		const struct nft_elem *a = &set->elems[i - 1], *b = &set->elems[i];
		int order = memcmp(set->key.nr == 1 ? a->end : a->key, b->key, NFT_KEY_SIZE);

		if (order < 0 || (set->key.nr > 1 && set->is_interval))
			continue;
		snprintf(why, VS_TEXT_LEN, "set %.20s: elements %.36s and %.36s overlap", set->name,
			 a->text ? a->text : "", b->text ? b->text : "");
		return -EINVAL;
	}
	return 0;
}

static int read_definition(const json_t *json, struct nft_set *set, char *why)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *type = json_string_value(json_object_get(json, "type"));
	const char *map = json_string_value(json_object_get(json, "map"));
	const json_t *flags = json_object_get(json, "flags"), *flag;
	size_t i;
	int rc;

	snprintf(why, VS_TEXT_LEN, "a set has \"name\" and \"type\"");
	if (!name || !type || !name[0] || strlen(name) >= 32)
		return -EINVAL;
	strcpy(set->name, name);
	json_array_foreach (flags, i, flag)
		if (json_is_string(flag)) {
			set->is_interval |= !strcmp(json_string_value(flag), "interval");
			set->is_dynamic |= !strcmp(json_string_value(flag), "dynamic");
		}
	rc = nft_key_parse(type, &set->key, why);
	if (rc || !map)
		return rc;
	set->is_map = true;
	return nft_key_parse(map, &set->data, why);
}

int nft_set_from_json(const json_t *json, struct nft_set *set, char *why)
{
	json_t *bare = json_copy((json_t *)(uintptr_t)json);
	int rc = read_definition(json, set, why);
	size_t size;

	if (!bare)
		return -ENOMEM;
	json_object_del(bare, "elements");
	size = json_dumpb(bare, set->definition, sizeof(set->definition) - 1,
			  JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(bare);
	if (rc)
		return rc;
	if (!size || size > NFT_RULE_LEN - 1) {
		snprintf(why, VS_TEXT_LEN, "the definition of set %.40s is too long", set->name);
		return -EINVAL;
	}
	set->definition[size] = '\0';
	return 0;
}

void nft_set_fini(struct nft_set *set)
{
	free(set->elems);
	*set = (struct nft_set){ 0 };
}

/* @b's raw bytes may stand for any type of their size. */
static bool same_key(const struct nft_key *a, const struct nft_key *b)
{
	for (size_t i = 0; i < a->nr && a->nr == b->nr; i++)
		if (a->types[i] != b->types[i] &&
		    (b->types[i] != NFT_T_INT || a->sizes[i] != b->sizes[i]))
			return false;
	return a->nr == b->nr &&
	       (a->types[0] == NFT_T_VERDICT || !memcmp(a->sizes, b->sizes, a->nr));
}

static const struct nft_set *find_named(struct nft_build *b, const struct nft_key *key,
					const struct nft_key *data)
{
	const char *name = nft_peek(&b->lex) + 1;

	for (size_t i = 0; i < b->scope->nr_sets; i++) {
		const struct nft_set *set = &b->scope->sets[i];

		if (strcmp(set->name, name) != 0)
			continue;
		if (same_key(&set->key, key) && set->is_map == (data != NULL) &&
		    (!data || same_key(&set->data, data)))
			return set;
		nft_fail(b, "the set's type is not that of the fields");
		return NULL;
	}
	nft_fail(b, "no such set in this table");
	return NULL;
}

static int take_anonymous(struct nft_build *b, const struct nft_key *key,
			  const struct nft_key *data, const struct nft_set **set_out)
{
	struct nft_set *set = b->nr_sets < NFT_SETS_MAX ? &b->sets[b->nr_sets] : NULL;
	int rc = 0;

	if (!set)
		return nft_fail(b, "too many sets in one rule");
	b->nr_sets++;
	*set_out = set;
	*set = (struct nft_set){ .is_anonymous = true, .is_map = data != NULL, .key = *key };
	if (data)
		set->data = *data;
	strcpy(set->name, data ? "__map%d" : "__set%d");
	set->id = ++*b->scope->set_id;
	b->lex.pos++;
	do {
		rc = nft_set_add_words(set, &b->lex, b->why);
	} while (!rc && nft_take(&b->lex, ","));
	if (!rc && !nft_take(&b->lex, "}"))
		rc = nft_fail(b, "',' or '}' is missing");
	for (size_t i = 0; !rc && b->scope->chains && i < set->nr; i++)
		if (set->elems[i].chain[0] && !nft_has_chain(b->scope, set->elems[i].chain))
			rc = nft_fail(b, "no chain %s in this table", set->elems[i].chain);
	return rc ? rc : nft_set_finish(set, b->why);
}

int nft_lookup(struct nft_build *b, const struct nft_key *key, const struct nft_key *data,
	       bool is_inverted)
{
	const struct nft_set *set = NULL;
	struct nftnl_expr *e;
	int rc = 0;

	if (!strcmp(nft_peek(&b->lex), "{")) {
		rc = take_anonymous(b, key, data, &set);
	} else if (nft_peek(&b->lex)[0] == '@') {
		set = find_named(b, key, data);
		rc = set ? 0 : -EINVAL;
		b->lex.pos++;
	} else {
		rc = nft_fail(b, "'{' or '@set' is missing");
	}
	e = rc ? NULL : nft_expr(b, "lookup");
	if (!e)
		return rc ? rc : 1;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	if (data)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG,
				   data->types[0] == NFT_T_VERDICT ? NFT_REG_VERDICT : NFT_REG_1);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set->name);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, set->id);
	if (is_inverted)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	return 1;
}

/* "add @set { FIELD counter }": the element is made by the first such packet, and counts. */
int nft_stmt_add(struct nft_build *b)
{
	const struct nft_set *set = NULL;
	const struct nft_field *single;
	struct nftnl_expr *e, *counter;
	struct nft_field raw;
	struct nft_key key;
	size_t at = b->lex.pos, end;
	int rc;

	if (nft_peek(&b->lex)[0] != '@')
		return nft_fail(b, "'@set { FIELD counter }' is missing");
	b->lex.pos++;
	rc = nft_take(&b->lex, "{") ? nft_key_take(b, &key, &single, &raw) : 0;
	if (rc <= 0)
		return rc ? rc : nft_fail(b, "'@set { FIELD counter }' is missing");
	end = b->lex.pos;
	b->lex.pos = at;
	set = find_named(b, &key, NULL);
	if (!set || !set->is_dynamic)
		return set ? nft_fail(b, "the set lacks flag \"dynamic\"") : -EINVAL;
	b->lex.pos = end;
	if (!nft_take(&b->lex, "counter") || !nft_take(&b->lex, "}"))
		return nft_fail(b, "'counter }' is missing");
	e = nft_expr(b, "dynset");
	counter = e ? nftnl_expr_alloc("counter") : NULL;
	if (!counter) {
		b->is_nomem = true;
		return 1;
	}
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set->name);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SET_ID, set->id);
	nftnl_expr_add_expr(e, NFTNL_EXPR_DYNSET_EXPR, counter);
	return 1;
}
