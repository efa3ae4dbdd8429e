/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A specification -> tables. All prefixes of one family are walked through once in the order of their
 * addresses; wherever one begins or ends, the rules that the addresses from there on belong to are a row.
 * Rows that are the same are one.
 */
#include "vswitch/fast/rules_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>

#include "vswitch/array.h"
#include "vswitch/fast/prefix.h"

#define NO_ROW UINT32_MAX

/* Where a prefix of a list begins, or is over. */
struct edge {
	uint64_t at[2];
	uint32_t list;
	bool is_end;
};

/* Addresses that a rule names, a set or its own; which rules do. */
struct list {
	const json_t *items;
	uint32_t depth; /* prefixes of it that an address is in, while they are walked through */
	uint32_t *rules[2]; /* as source, as destination */
	size_t nr_rules[2];
};

struct rule {
	const json_t *json;
	bool accept, host;
	int protocol; /* 0: any */
	const json_t *ports;
};

struct compiler {
	struct fast_rules *r;
	struct rule *rules;
	struct list *lists;
	size_t nr_lists, nr_sets, nr_prefixes;
	struct edge *edges;
	size_t nr_edges;
	uint64_t *from, *to, *row; /* rows being made */
	uint64_t *any[2];	   /* rules that anyone may be an end of */
	uint32_t *index;	   /* of rows by their hash */
	size_t index_mask;
	char *why;
	int rc;
};

static int refuse(struct compiler *c, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(struct compiler *c, int rc, const char *fmt, ...)
{
	char text[FAST_WHY_MAX - 12];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!c->rc)
		snprintf(c->why, FAST_WHY_MAX, "firewall: %s", text);
	c->rc = c->rc ? c->rc : rc;
	return c->rc;
}

static int no_memory(struct compiler *c)
{
	return refuse(c, -ENOMEM, "out of memory");
}

static inline void set_bit(uint64_t *row, size_t i)
{
	row[i / 64] |= UINT64_C(1) << i % 64;
}

static inline void clear_bit(uint64_t *row, size_t i)
{
	row[i / 64] &= ~(UINT64_C(1) << i % 64);
}

/* ---- Rows ---- */

static uint64_t hash_row(const uint64_t *row, size_t nr)
{
	uint64_t hash = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < nr; i++) {
		hash = (hash ^ row[i]) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 32;
	}
	return hash;
}

static int grow_index(struct compiler *c)
{
	size_t mask = c->index_mask * 2 + 1, nr_words = c->r->nr_words;
	uint32_t *index = reallocarray(NULL, mask + 1, sizeof(*index));

	if (!index)
		return no_memory(c);
	memset(index, 0xff, (mask + 1) * sizeof(*index));
	for (uint32_t n = 0; n < c->r->nr_rows; n++) {
		size_t i = hash_row(c->r->rows + n * nr_words, nr_words) & mask;

		while (index[i] != NO_ROW)
			i = (i + 1) & mask;
		index[i] = n;
	}
	free(c->index);
	c->index = index;
	c->index_mask = mask;
	return 0;
}

/* The number of the row that is @row. */
static uint32_t row_number(struct compiler *c, const uint64_t *row)
{
	struct fast_rules *r = c->r;
	size_t size = r->nr_words * sizeof(*row), i;

	if (c->rc || (r->nr_rows * 2 >= c->index_mask && grow_index(c)))
		return 0;
	for (i = hash_row(row, r->nr_words) & c->index_mask; c->index[i] != NO_ROW;
	     i = (i + 1) & c->index_mask)
		if (!memcmp(r->rows + c->index[i] * r->nr_words, row, size))
			return c->index[i];
	if ((r->nr_rows + 1) * size > FAST_ROWS_BYTES) {
		refuse(c, -E2BIG,
		       "more than %u MiB of tables: rules have to name fewer different addresses",
		       FAST_ROWS_BYTES >> 20);
		return 0;
	}
	if (r->nr_rows == r->nr_rows_max) {
		size_t max = r->nr_rows_max ? r->nr_rows_max * 2 : 64;
		uint64_t *rows = reallocarray(r->rows, max, size);

		if (!rows) {
			no_memory(c);
			return 0;
		}
		r->rows = rows;
		r->nr_rows_max = max;
	}
	memcpy(r->rows + r->nr_rows * r->nr_words, row, size);
	c->index[i] = (uint32_t)r->nr_rows;
	return (uint32_t)r->nr_rows++;
}

/* ---- Ends ---- */

static void add_edge(struct compiler *c, const uint64_t at[2], size_t list, bool is_end)
{
	struct edge *e = array_add(&c->edges, &c->nr_edges, sizeof(*e));

	if (!e) {
		no_memory(c);
		return;
	}
	*e = (struct edge){ .at = { at[0], at[1] }, .list = (uint32_t)list, .is_end = is_end };
}

static int add_edges(struct compiler *c, size_t list, int family)
{
	uint64_t first[2], last[2];
	const json_t *item;
	size_t i;

	json_array_foreach (c->lists[list].items, i, item) {
		const char *text = json_string_value(item);
		int found = text ? fast_prefix_read(text, first, last) : -1;

		if (found < 0)
			return refuse(c, -EINVAL, "\"%.60s\" is no address or prefix",
				      text ? text : "?");
		if (found != family)
			continue;
		add_edge(c, first, list, false);
		if (fast_prefix_next(last, family))
			add_edge(c, last, list, true);
		if (++c->nr_prefixes > FAST_ADDRS_MAX)
			return refuse(c, -E2BIG, "more than %u addresses", FAST_ADDRS_MAX);
	}
	return c->rc;
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return fast_address_compare(x->at, y->at);
}

static void pass_edge(struct compiler *c, const struct edge *e)
{
	struct list *l = &c->lists[e->list];
	uint64_t *rows[2] = { c->from, c->to };

	if (e->is_end ? --l->depth : l->depth++)
		return; /* it is in another of its prefixes, too */
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < l->nr_rules[side]; i++) {
			if (e->is_end)
				clear_bit(rows[side], l->rules[side][i]);
			else
				set_bit(rows[side], l->rules[side][i]);
		}
}

static void add_range(struct compiler *c, struct rules_ranges *ranges, const uint64_t at[2])
{
	struct rules_range *v = array_add(&ranges->v, &ranges->nr, sizeof(*v));

	if (!v) {
		no_memory(c);
		return;
	}
	*v = (struct rules_range){ .first = { at[0], at[1] },
				   .from = row_number(c, c->from),
				   .to = row_number(c, c->to) };
}

static int compile_ends(struct compiler *c, int family)
{
	struct rules_ranges *ranges = &c->r->ends[family];
	size_t size = c->r->nr_words * sizeof(uint64_t);
	static const uint64_t zero[2];

	c->nr_edges = 0;
	free(c->edges);
	c->edges = NULL;
	memcpy(c->from, c->any[0], size);
	memcpy(c->to, c->any[1], size);
	for (size_t i = 0; i < c->nr_lists; i++) {
		c->lists[i].depth = 0;
		if (add_edges(c, i, family))
			return c->rc;
	}
	if (c->nr_edges)
		qsort(c->edges, c->nr_edges, sizeof(*c->edges), compare_edges);
	if (!c->nr_edges || compare_edges(&c->edges[0], &(struct edge){ 0 }))
		add_range(c, ranges, zero);
	for (size_t i = 0; i < c->nr_edges && !c->rc; i++) {
		pass_edge(c, &c->edges[i]);
		if (i + 1 == c->nr_edges || compare_edges(&c->edges[i], &c->edges[i + 1]))
			add_range(c, ranges, c->edges[i].at);
	}
	return c->rc;
}

/* ---- Protocols and ports ---- */

static bool is_in_ports(const struct rule *rule, uint32_t port)
{
	const json_t *range;
	size_t i;

	json_array_foreach (rule->ports, i, range)
		if (port >= (uint32_t)json_integer_value(json_array_get(range, 0)) &&
		    port <= (uint32_t)json_integer_value(json_array_get(range, 1)))
			return true;
	return false;
}

/* @port above 65535: of a later fragment. */
static uint32_t port_row(struct compiler *c, int protocol, uint32_t port)
{
	memset(c->row, 0, c->r->nr_words * sizeof(*c->row));
	for (size_t i = 0; i < c->r->nr_rules; i++) {
		const struct rule *rule = &c->rules[i];

		if (rule->protocol && rule->protocol != protocol)
			continue;
		if (!rule->ports || (port > UINT16_MAX ? rule->accept : is_in_ports(rule, port)))
			set_bit(c->row, i);
	}
	return row_number(c, c->row);
}

static int compare_numbers(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int compile_ports(struct compiler *c, int which, int protocol)
{
	struct rules_ports *p = &c->r->ports[which];
	uint32_t *edges = NULL, *edge;
	size_t nr = 0, k;
	const json_t *range;

	if (array_add(&edges, &nr, sizeof(*edges)))
		edges[0] = 0;
	for (size_t i = 0; edges && i < c->r->nr_rules; i++) {
		if (c->rules[i].protocol && c->rules[i].protocol != protocol)
			continue;
		json_array_foreach (c->rules[i].ports, k, range)
			for (size_t side = 0; side < 2; side++) {
				edge = array_add(&edges, &nr, sizeof(*edges));
				if (edge)
					*edge = (uint32_t)json_integer_value(
							json_array_get(range, side)) +
						(uint32_t)side;
			}
	}
	if (edges)
		qsort(edges, nr, sizeof(*edges), compare_numbers);
	p->v = edges ? calloc(nr, sizeof(*p->v)) : NULL;
	for (size_t i = 0; p->v && i < nr && edges[i] <= UINT16_MAX; i++) {
		if (i && edges[i] == edges[i - 1])
			continue;
		p->v[p->nr].first = edges[i];
		p->v[p->nr++].row = port_row(c, protocol, edges[i]);
	}
	p->later = port_row(c, protocol, UINT32_MAX);
	free(edges);
	return p->v ? c->rc : no_memory(c);
}

static int compile_protocols(struct compiler *c)
{
	bool is_named[256] = { false };
	uint32_t any;

	for (size_t i = 0; i < c->r->nr_rules; i++)
		is_named[c->rules[i].protocol & 255] = true;
	for (int p = 255; p >= 0; p--) {
		if (p && p < 255 && !is_named[p]) {
			c->r->protocols[p] = c->r->protocols[255];
			continue;
		}
		memset(c->row, 0, c->r->nr_words * sizeof(*c->row));
		for (size_t i = 0; i < c->r->nr_rules; i++)
			if (!c->rules[i].ports &&
			    (!c->rules[i].protocol || (p && c->rules[i].protocol == p)))
				set_bit(c->row, i);
		any = row_number(c, c->row);
		c->r->protocols[p] = any;
	}
	return c->rc;
}

/* ---- The document ---- */

static int add_list_rule(struct compiler *c, size_t list, int side, size_t rule)
{
	struct list *l = &c->lists[list];
	uint32_t *added = array_add(&l->rules[side], &l->nr_rules[side], sizeof(*added));

	if (!added)
		return no_memory(c);
	*added = (uint32_t)rule;
	return 0;
}

static int read_end(struct compiler *c, size_t rule, int side)
{
	const json_t *ends = json_object_get(c->rules[rule].json, side ? "to" : "from");
	json_int_t number = json_integer_value(ends);
	struct list *added;

	if (!ends) {
		set_bit(c->any[side], rule);
		return 0;
	}
	if (json_is_integer(ends)) {
		if (number < 0 || (size_t)number >= c->nr_sets)
			return refuse(c, -EINVAL, "rule %zu: there is no set %lld", rule,
				      (long long)number);
		return add_list_rule(c, (size_t)number, side, rule);
	}
	if (!json_is_array(ends))
		return refuse(c, -EINVAL, "rule %zu: its ends are neither addresses nor a set",
			      rule);
	added = array_add(&c->lists, &c->nr_lists, sizeof(*added));
	if (!added)
		return no_memory(c);
	added->items = ends;
	return add_list_rule(c, c->nr_lists - 1, side, rule);
}

static int read_ports(struct compiler *c, size_t rule)
{
	const json_t *range;
	size_t i;

	if (c->rules[rule].ports && !json_is_array(c->rules[rule].ports))
		return refuse(c, -EINVAL, "rule %zu: ports have to be [[first, last], ...]", rule);
	json_array_foreach (c->rules[rule].ports, i, range) {
		json_int_t first = json_integer_value(json_array_get(range, 0)),
			   last = json_integer_value(json_array_get(range, 1));

		if (json_array_size(range) != 2 || first < 0 || last < first || last > UINT16_MAX)
			return refuse(c, -EINVAL, "rule %zu: ports have to be [[first, last], ...]",
				      rule);
	}
	return 0;
}

static int read_rule(struct compiler *c, size_t i, const json_t *json)
{
	json_int_t protocol = json_integer_value(json_object_get(json, "protocol"));
	struct rule *rule = &c->rules[i];

	if (!json_is_boolean(json_object_get(json, "accept")))
		return refuse(c, -EINVAL, "rule %zu: \"accept\" has to be true or false", i);
	if (protocol < 0 || protocol > 255)
		return refuse(c, -EINVAL, "rule %zu: protocols are 0 to 255", i);
	*rule = (struct rule){ .json = json,
			       .accept = json_is_true(json_object_get(json, "accept")),
			       .host = json_is_true(json_object_get(json, "host")),
			       .protocol = (int)protocol,
			       .ports = json_object_get(json, "ports") };
	if (rule->accept)
		set_bit(c->r->accepting, i);
	if (rule->host)
		set_bit(c->r->of_host, i);
	if (read_ports(c, i) || read_end(c, i, 0) || read_end(c, i, 1))
		return c->rc;
	return 0;
}

static void read_defaults(struct compiler *c, const json_t *spec)
{
	static const char *const keys[RULES_WAYS] = { [RULES_GUEST] = "guest-to-guest",
						      [RULES_HOST] = "guest-to-host",
						      [RULES_OUT] = "egress",
						      [RULES_IN] = "ingress" };
	const json_t *defaults = json_object_get(spec, "defaults");

	for (int way = 0; way < RULES_WAYS; way++) {
		const json_t *value = json_object_get(defaults, keys[way]);

		if (!json_is_boolean(value))
			refuse(c, -EINVAL, "\"defaults\" has to say true or false for %s",
			       keys[way]);
		c->r->accepts[way] = json_is_true(value);
	}
}

/* Frames that nothing is known of but who they are for: the first rule that asks for nothing more. */
static void read_others(struct compiler *c)
{
	for (int way = 0; way < RULES_WAYS; way++) {
		bool accepts = c->r->accepts[way];

		for (size_t i = c->r->nr_rules; i-- > 0;) {
			const struct rule *rule = &c->rules[i];

			if (rule->host == (way == RULES_HOST) && !rule->protocol && !rule->ports &&
			    !json_object_get(rule->json, "from") &&
			    !json_object_get(rule->json, "to"))
				accepts = rule->accept;
		}
		c->r->others[way] = accepts;
	}
}

static uint32_t hash_spec(const json_t *spec)
{
	char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);
	uint32_t hash = 2166136261u;

	for (const char *p = text; p && *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	free(text);
	hash &= ~1u;
	return hash ? hash : 2;
}

static int read_spec(struct compiler *c, const json_t *spec)
{
	const json_t *rules = json_object_get(spec, "rules"), *sets = json_object_get(spec, "sets"),
		     *item;
	size_t i;

	c->r->is_segment = json_is_true(json_object_get(spec, "segment"));
	c->r->mark = hash_spec(spec);
	read_defaults(c, spec);
	json_array_foreach (sets, i, item) {
		struct list *added = array_add(&c->lists, &c->nr_lists, sizeof(*added));

		if (!added)
			return no_memory(c);
		if (!json_is_array(item))
			return refuse(c, -EINVAL, "set %zu is no array of addresses", i);
		added->items = item;
	}
	c->nr_sets = c->nr_lists;
	json_array_foreach (rules, i, item)
		if (read_rule(c, i, item))
			return c->rc;
	read_others(c);
	return c->rc;
}

static int take_memory(struct compiler *c, const json_t *spec)
{
	struct fast_rules *r = c->r;
	uint64_t **rows[] = { &r->accepting, &r->of_host, &c->from,  &c->to,
			      &c->row,	     &c->any[0],  &c->any[1] };

	r->nr_rules = json_array_size(json_object_get(spec, "rules"));
	r->nr_words = r->nr_rules / 64 + 1;
	if (!json_is_object(spec))
		return refuse(c, -EINVAL, "it has to be an object");
	if (r->nr_rules > FAST_RULES_MAX)
		return refuse(c, -E2BIG, "more than %u rules", FAST_RULES_MAX);
	c->rules = calloc(r->nr_rules + 1, sizeof(*c->rules));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		*rows[i] = calloc(r->nr_words, sizeof(uint64_t));
		if (!*rows[i])
			return no_memory(c);
	}
	return c->rules ? 0 : no_memory(c);
}

static void compiler_end(struct compiler *c)
{
	for (size_t i = 0; i < c->nr_lists; i++)
		for (int side = 0; side < 2; side++)
			free(c->lists[i].rules[side]);
	free(c->lists);
	free(c->rules);
	free(c->edges);
	free(c->from);
	free(c->to);
	free(c->row);
	free(c->any[0]);
	free(c->any[1]);
	free(c->index);
}

static int compile_all(struct compiler *c, const json_t *spec)
{
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

	if (take_memory(c, spec) || read_spec(c, spec))
		return c->rc;
	for (int family = 0; family < 2; family++)
		if (compile_ends(c, family))
			return c->rc;
	for (int i = 0; i < RULES_WITH_PORTS; i++)
		if (compile_ports(c, i, protocols[i]))
			return c->rc;
	return compile_protocols(c);
}

int fast_rules_compile(const json_t *spec, struct fast_rules **out, char *why)
{
	struct compiler c = { .why = why };

	*out = NULL;
	c.r = calloc(1, sizeof(*c.r));
	if (!c.r)
		return no_memory(&c);
	compile_all(&c, spec);
	compiler_end(&c);
	if (c.rc)
		fast_rules_destroy(c.r);
	else
		*out = c.r;
	return c.rc;
}

void fast_rules_destroy(struct fast_rules *r)
{
	if (!r)
		return;
	free(r->rows);
	free(r->accepting);
	free(r->of_host);
	for (int i = 0; i < 2; i++)
		free(r->ends[i].v);
	for (int i = 0; i < RULES_WITH_PORTS; i++)
		free(r->ports[i].v);
	free(r);
}
