/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several trees to one. Each node keeps the place it was written at. */
#include <errno.h>
#include <string.h>

#include "policy/keys.h"
#include "policy/parts.h"

static struct pol_node *find_child(const struct pol_node *map, const char *key)
{
	if (!map || map->type != POL_NODE_MAP)
		return NULL;
	for (struct pol_node *n = map->first; n; n = n->next)
		if (!strcmp(n->key, key))
			return n;
	return NULL;
}

/* ---- Names that two drop-ins define ---- */

struct names {
	struct pol_reader *r;
	struct htab table; /* struct pol_node of one section of all drop-ins, by its key */
	const struct pol_node *overlay; /* that section of it; NULL: none */
};

static void take_name(struct names *names, struct pol_node *node)
{
	uint64_t hash = htab_hash(&names->table, node->key, strlen(node->key));
	const struct pol_node *earlier = NULL;
	char quoted[POL_QUOTE_MAX];

	for (struct htab_node *n = htab_first(&names->table, hash); n && !earlier;
	     n = htab_next_match(n)) {
		earlier = htab_entry(n, struct pol_node, by_key);
		if (strcmp(earlier->key, node->key) != 0)
			earlier = NULL;
	}
	if (!earlier) {
		if (htab_insert(&names->table, &node->by_key, hash))
			names->r->rc = -ENOMEM;
	} else if (!find_child(names->overlay, node->key)) {
		pol_error(names->r, "VF0014", node, &node->key_place,
			  "one drop-in may define it, or the host's overlay decides",
			  "%s is defined in %s already", pol_quote(quoted, node->key),
			  pol_at(names->r, &earlier->key_place));
	}
}

static void check_section(struct pol_reader *r, const char *section, struct pol_part *parts,
			  size_t nr)
{
	const struct pol_part *last = &parts[nr - 1];
	struct names names = { .r = r };

	if (last->kind == POL_PART_OVERLAY)
		names.overlay = find_child(last->root, section);
	htab_init(&names.table);
	for (size_t i = 0; i < nr && !r->rc; i++) {
		const struct pol_node *map = find_child(parts[i].root, section);

		if (parts[i].kind != POL_PART_DROP_IN || !map || map->type != POL_NODE_MAP)
			continue;
		for (struct pol_node *n = map->first; n && !r->rc; n = n->next)
			take_name(&names, n);
	}
	htab_fini(&names.table);
}

/* ---- Merging ---- */

static void append(struct pol_node *map, struct pol_node *node)
{
	node->next = NULL;
	node->parent = map;
	node->index = map->nr++;
	if (map->last)
		map->last->next = node;
	else
		map->first = node;
	map->last = node;
}

/* @node says what @by says, and where. */
static void replace(struct pol_node *node, const struct pol_node *by)
{
	node->type = by->type;
	node->is_plain = by->is_plain;
	node->place = by->place;
	node->key_place = by->key_place;
	node->text = by->text;
	node->nr = by->nr;
	node->first = by->first;
	node->last = by->last;
	for (struct pol_node *n = node->first; n; n = n->next)
		n->parent = node;
}

static void index_children(struct pol_reader *r, struct htab *table, struct pol_node *map)
{
	for (struct pol_node *n = map->first; n && !r->rc; n = n->next)
		if (htab_insert(table, &n->by_key, htab_hash(table, n->key, strlen(n->key))))
			r->rc = -ENOMEM;
}

static struct pol_node *indexed(const struct htab *table, const char *key)
{
	for (struct htab_node *n = htab_first(table, htab_hash(table, key, strlen(key))); n;
	     n = htab_next_match(n)) {
		struct pol_node *node = htab_entry(n, struct pol_node, by_key);

		if (!strcmp(node->key, key))
			return node;
	}
	return NULL;
}

static void merge_maps(struct pol_reader *r, struct pol_node *map, struct pol_node *from)
{
	struct htab table;
	struct pol_node *next;

	htab_init(&table);
	index_children(r, &table, map);
	for (struct pol_node *n = from->first; n && !r->rc; n = next) {
		struct pol_node *mine = indexed(&table, n->key);

		next = n->next;
		if (!mine)
			append(map, n);
		else if (mine->type == POL_NODE_MAP && n->type == POL_NODE_MAP)
			merge_maps(r, mine, n);
		else
			replace(mine, n);
	}
	htab_fini(&table);
}

struct pol_node *pol_parts_merge(struct pol_reader *r, struct pol_part *parts, size_t nr)
{
	struct pol_node *root = NULL;

	for (size_t i = 0; i < nr; i++)
		if (parts[i].root && parts[i].root->type != POL_NODE_MAP) {
			pol_error_type(r, parts[i].root, "a map");
			return NULL;
		}
	for (const struct pol_key *k = pol_policy_map.keys; k->name && !r->rc; k++)
		if (k->kind == POL_KIND_NAMED)
			check_section(r, k->name, parts, nr);
	for (size_t i = 0; i < nr && !r->rc; i++) {
		if (!root)
			root = parts[i].root;
		else if (parts[i].root)
			merge_maps(r, root, parts[i].root);
	}
	return root;
}
