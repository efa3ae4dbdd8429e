/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of addresses. Each large one is a bit: a packet's addresses are looked up once, the longest prefix
 * saying all sets that have it, and rules match bits. So a rule costs no flow for each address; with more sets
 * than bits, the rest does.
 */
#include "vswitch/ovs_rules_priv.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/array.h"
#include "vswitch/rules_priv.h"

struct member {
	struct vs_prefix prefix;
	uint64_t bits;
	const char *text;
};

/* The list itself, and its number; -1: none of the numbered. */
static const json_t *find_list(const struct gen *g, const json_t *ends, int *number)
{
	*number = json_is_integer(ends) ? (int)json_integer_value(ends) : -1;
	return json_is_integer(ends)
		       ? json_array_get(json_object_get(g->spec, "sets"), (size_t)*number)
		       : ends;
}

static bool is_of(const json_t *item, int family)
{
	const char *text = json_string_value(item);

	return text && (strchr(text, ':') != NULL) == family;
}

/* What covers all others. */
static bool is_all(const json_t *item)
{
	const char *slash = strchr(json_string_value(item), '/');

	return slash && !strcmp(slash, "/0");
}

bool ovs_side_of_ends(const struct gen *g, struct side *s, const json_t *ends, int family,
		      bool is_source)
{
	static const char *const fields[2][2] = { { "nw_dst", "nw_src" },
						  { "ipv6_dst", "ipv6_src" } };
	const json_t *item, *list;
	bool any = false, all = false;
	int number;
	size_t i;

	list = find_list(g, ends, &number);
	ovs_side_begin(s, json_array_size(list));
	json_array_foreach (list, i, item) {
		if (!is_of(item, family))
			continue;
		any = true;
		all |= is_all(item);
		if (number < 0 || number >= SET_BITS)
			ovs_side_add(s, "%s=%s", fields[family][is_source],
				     json_string_value(item));
	}
	if (all)
		s->nr = 0;
	else if (any && number >= 0 && number < SET_BITS)
		ovs_side_add(s, "reg%d=0x%x/0x%x", (is_source ? 1 : 3) + number / 32,
			     1u << number % 32, 1u << number % 32);
	return !ends || any;
}

/* ---- Looking up ---- */

static bool parse_member(struct member *m, const char *text)
{
	struct vs_prefix *p = &m->prefix;
	char address[INET6_ADDRSTRLEN] = "";
	size_t size = strcspn(text, "/");

	if (size >= sizeof(address))
		return false;
	memcpy(address, text, size);
	p->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	p->len = p->family == AF_INET ? 32 : 128;
	if (text[size] == '/')
		p->len = (uint8_t)strtoul(text + size + 1, NULL, 10);
	m->text = text;
	if (p->len > 128 || inet_pton(p->family, address, p->address) != 1)
		return false;
	/* Those that differ in what is not compared are the same flow. */
	for (unsigned int bit = p->len; bit < 128; bit++)
		p->address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return true;
}

/* What covers others comes before them. */
static int compare(const void *a, const void *b)
{
	const struct vs_prefix *x = &((const struct member *)a)->prefix;
	const struct vs_prefix *y = &((const struct member *)b)->prefix;
	int order = (int)x->family - (int)y->family;

	if (!order)
		order = memcmp(x->address, y->address, sizeof(x->address));
	return order ? order : (int)x->len - (int)y->len;
}

static void collect(const struct gen *g, struct member **v, size_t *nr)
{
	const json_t *set, *item;
	struct member *m;
	size_t i, k;

	json_array_foreach (json_object_get(g->spec, "sets"), i, set) {
		if (i == SET_BITS)
			break;
		json_array_foreach (set, k, item) {
			m = json_is_string(item) ? array_add(v, nr, sizeof(*m)) : NULL;
			if (!m)
				continue;
			m->bits = UINT64_C(1) << i;
			if (!parse_member(m, json_string_value(item)))
				--*nr;
		}
	}
	if (*nr)
		qsort(*v, *nr, sizeof(**v), compare);
}

/* Each prefix once, with the sets of those that cover it. Return: how many are left. */
static size_t merge(struct member *v, size_t nr)
{
	size_t up[130], depth = 0, kept = 0; /* at most one of each length covers another */

	for (size_t i = 0; i < nr; i++) {
		if (kept && !compare(&v[kept - 1], &v[i])) {
			v[kept - 1].bits |= v[i].bits;
			continue;
		}
		while (depth && !rules_covers(&v[up[depth - 1]].prefix, &v[i].prefix))
			depth--;
		v[kept] = v[i];
		if (depth)
			v[kept].bits |= v[up[depth - 1]].bits;
		up[depth++] = kept++;
	}
	return kept;
}

static void add_table(struct gen *g, const struct member *v, size_t nr, int table, int next)
{
	static const char *const fields[2][2] = { { "nw_src", "nw_dst" },
						  { "ipv6_src", "ipv6_dst" } };
	int is_to = table == TABLE_TO;

	for (size_t i = 0; i < nr; i++) {
		int family = v[i].prefix.family == AF_INET6;

		ovs_gen_add(g,
			    "table=%d,priority=%d,%s,%s=%s,actions=load:0x%x->NXM_NX_REG%d[],"
			    "load:0x%x->NXM_NX_REG%d[],goto_table:%d",
			    table, 1 + v[i].prefix.len, ovs_gen_families[family],
			    fields[family][is_to], v[i].text, (uint32_t)v[i].bits, is_to ? 3 : 1,
			    (uint32_t)(v[i].bits >> 32), is_to ? 4 : 2, next);
	}
	ovs_gen_add(g, "table=%d,priority=0,actions=goto_table:%d", table, next);
}

void ovs_gen_sets(struct gen *g)
{
	struct member *v = NULL;
	size_t nr = 0;

	collect(g, &v, &nr);
	nr = merge(v, nr);
	add_table(g, v, nr, TABLE_FROM, TABLE_TO);
	add_table(g, v, nr, TABLE_TO, TABLE_RULES);
	free(v);
}
