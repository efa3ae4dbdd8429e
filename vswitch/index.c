/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/htab.h"
#include "vswitch/plan_priv.h"

enum array { ARRAY_LINKS, ARRAY_ADDRS, ARRAY_ROUTES, ARRAY_DOCS, ARRAY_NEIGHS, ARRAY_NR };

struct entry {
	struct htab_node node;
	enum array array;
	size_t i;
};

struct vs_index {
	struct htab entries;
	size_t nr_known[ARRAY_NR]; /* of each array, from its start */
};

static enum array array_of(enum index_of of)
{
	static const enum array arrays[] = {
		[INDEX_LINK_NAME] = ARRAY_LINKS,    [INDEX_LINK_NUMBER] = ARRAY_LINKS,
		[INDEX_ADDR] = ARRAY_ADDRS,	    [INDEX_ROUTE] = ARRAY_ROUTES,
		[INDEX_ROUTE_EXACT] = ARRAY_ROUTES, [INDEX_DOC] = ARRAY_DOCS,
		[INDEX_NEIGH] = ARRAY_NEIGHS,
	};

	return arrays[of];
}

static size_t array_size(const struct vs_observed *o, enum array array)
{
	const size_t sizes[] = {
		[ARRAY_LINKS] = o->nr_links,   [ARRAY_ADDRS] = o->nr_addrs,
		[ARRAY_ROUTES] = o->nr_routes, [ARRAY_DOCS] = o->nr_docs,
		[ARRAY_NEIGHS] = o->nr_neighs,
	};

	return sizes[array];
}

/* What makes a key: of routes, what only one of the wanted can have. */
static uint64_t hash_key(const struct vs_index *index, const struct index_key *key)
{
	struct {
		uint32_t array, number, more[4];
		char bytes[VS_TEXT_LEN];
	} all;
	size_t used = 0;

	memset(&all, 0, sizeof(all));
	all.array = array_of(key->of) << 1 | (key->of == INDEX_LINK_NUMBER);
	all.number = (uint32_t)key->number;
	if (key->text) {
		used = strnlen(key->text, sizeof(all.bytes));
		memcpy(all.bytes, key->text, used);
	} else if (key->addr) {
		all.more[0] = key->addr->family;
		used = sizeof(key->addr->local);
		memcpy(all.bytes, key->addr->local, used);
	} else if (key->route) {
		all.more[0] = key->route->family;
		all.more[1] = key->route->prefix_len;
		all.more[2] = key->route->table;
		all.more[3] = key->route->metric;
		used = sizeof(key->route->to);
		memcpy(all.bytes, key->route->to, used);
	} else if (key->neigh) {
		all.more[0] = key->neigh->family;
		all.more[1] = key->neigh->is_proxy;
		used = sizeof(key->neigh->address);
		memcpy(all.bytes, key->neigh->address, used);
	}
	return htab_hash(&index->entries, &all, offsetof(__typeof__(all), bytes) + used);
}

static bool is_at(const struct vs_observed *o, const struct index_key *key, size_t i)
{
	const struct vs_route *have;

	switch (key->of) {
	case INDEX_LINK_NAME:
		return !strcmp(o->links[i].name, key->text);
	case INDEX_LINK_NUMBER:
		return o->links[i].ifindex == key->number;
	case INDEX_ADDR:
		return o->addrs[i].ifindex == key->number &&
		       vs_addr_same(&o->addrs[i].addr, key->addr);
	case INDEX_ROUTE:
		return o->routes[i].ifindex == key->number &&
		       vs_route_serves(&o->routes[i].route, key->route);
	case INDEX_ROUTE_EXACT:
		have = &o->routes[i].route;
		return o->routes[i].ifindex == key->number && vs_route_same_key(have, key->route) &&
		       have->has_via == key->route->has_via &&
		       !memcmp(have->via, key->route->via, sizeof(have->via));
	case INDEX_NEIGH:
		return o->neighs[i].ifindex == key->number &&
		       vs_neigh_same_key(&o->neighs[i].neigh, key->neigh);
	default:
		return (int)o->docs[i].kind == key->number && !strcmp(o->docs[i].name, key->text);
	}
}

static int add_entry(struct vs_index *index, const struct index_key *key, size_t i)
{
	struct entry *e = malloc(sizeof(*e));
	int rc = e ? 0 : -ENOMEM;

	if (!rc) {
		*e = (struct entry){ .array = array_of(key->of), .i = i };
		rc = htab_insert(&index->entries, &e->node, hash_key(index, key));
	}
	if (rc)
		free(e);
	return rc;
}

static int add_element(const struct vs_observed *o, enum array array, size_t i)
{
	struct index_key key = { .of = INDEX_LINK_NAME };
	int rc;

	switch (array) {
	case ARRAY_LINKS:
		key.text = o->links[i].name;
		rc = add_entry(o->index, &key, i);
		key = (struct index_key){ .of = INDEX_LINK_NUMBER, .number = o->links[i].ifindex };
		return rc ? rc : add_entry(o->index, &key, i);
	case ARRAY_ADDRS:
		key = (struct index_key){ .of = INDEX_ADDR,
					  .number = o->addrs[i].ifindex,
					  .addr = &o->addrs[i].addr };
		break;
	case ARRAY_ROUTES:
		key = (struct index_key){ .of = INDEX_ROUTE,
					  .number = o->routes[i].ifindex,
					  .route = &o->routes[i].route };
		break;
	case ARRAY_NEIGHS:
		key = (struct index_key){ .of = INDEX_NEIGH,
					  .number = o->neighs[i].ifindex,
					  .neigh = &o->neighs[i].neigh };
		break;
	default:
		key = (struct index_key){ .of = INDEX_DOC,
					  .number = (int)o->docs[i].kind,
					  .text = o->docs[i].name };
	}
	return add_entry(o->index, &key, i);
}

static void drop_entries(struct vs_index *index)
{
	struct htab_node *node, *next;

	htab_for_each_safe (&index->entries, node, next) {
		htab_remove(&index->entries, node);
		free(htab_entry(node, struct entry, node));
	}
	memset(index->nr_known, 0, sizeof(index->nr_known));
}

/* Return: false when there is no index to be relied on. */
static bool is_up_to_date(const struct vs_observed *o, enum array array)
{
	size_t nr = array_size(o, array), *known;

	if (!o->index)
		return false;
	known = &o->index->nr_known[array];
	for (; *known < nr; (*known)++)
		if (add_element(o, array, *known)) {
			drop_entries(o->index);
			return false;
		}
	return *known == nr;
}

size_t vs_index_find(const struct vs_observed *o, const struct index_key *key)
{
	enum array array = array_of(key->of);
	size_t nr = array_size(o, array), found = INDEX_NONE;
	struct htab_node *node;

	if (!is_up_to_date(o, array)) {
		for (size_t i = 0; i < nr; i++)
			if (is_at(o, key, i))
				return i;
		return INDEX_NONE;
	}
	for (node = htab_first(&o->index->entries, hash_key(o->index, key)); node;
	     node = htab_next_match(node)) {
		const struct entry *e = htab_entry(node, struct entry, node);

		if (e->array == array && e->i < found && is_at(o, key, e->i))
			found = e->i;
	}
	return found;
}

void vs_index_remove(struct vs_observed *o, enum index_of of, size_t i)
{
	enum array array = array_of(of);
	struct htab_node *node, *next;

	if (!o->index || i >= o->index->nr_known[array])
		return;
	htab_for_each_safe (&o->index->entries, node, next) {
		struct entry *e = htab_entry(node, struct entry, node);

		if (e->array != array || e->i < i)
			continue;
		if (e->i-- > i)
			continue;
		htab_remove(&o->index->entries, node);
		free(e);
	}
	o->index->nr_known[array]--;
}

void vs_index_forget(struct vs_observed *o)
{
	if (o->index)
		drop_entries(o->index);
}

int vs_observed_make_index(struct vs_observed *o)
{
	if (o->index)
		return 0;
	o->index = calloc(1, sizeof(*o->index));
	if (!o->index)
		return -ENOMEM;
	htab_init(&o->index->entries);
	return 0;
}

void vs_index_free(struct vs_index *index)
{
	if (!index)
		return;
	drop_entries(index);
	htab_fini(&index->entries);
	free(index);
}
