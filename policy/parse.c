/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tree to structs: one walk over each map by its table. All errors are collected; structs that
 * could not be read whole are never handed out.
 */
#include "policy/keys.h"
#include "policy/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAP_KEYS_MAX 64

/* What pol_free() frees. */
struct loaded {
	struct policy policy;
	struct pol_arena arena;
};

static void read_key(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target);

static void unknown_key(struct pol_reader *r, const struct pol_node *node,
			const struct pol_map *map)
{
	const char *names[MAP_KEYS_MAX + 1], *nearest;
	char quoted[POL_QUOTE_MAX], hint[512];
	size_t nr = 0, used = 0;

	if (pol_errors_full(r))
		return;
	for (const struct pol_key *k = map->keys; k->name && nr < MAP_KEYS_MAX; k++)
		if (k->status == POL_READY)
			names[nr++] = k->name;
	names[nr] = NULL;
	nearest = text_nearest(node->key, names);
	if (nearest) {
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest);
	} else {
		for (size_t i = 0; i < nr; i++)
			used += (size_t)snprintf(hint + used, sizeof(hint) - used, "%s%s",
						 i ? ", " : "allowed: ", names[i]);
	}
	pol_error(r, "VF0102", node, &node->key_place, hint, "unknown key %s in %s",
		  pol_quote(quoted, node->key), map->what);
}

static void later_key(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		      const struct pol_map *map)
{
	pol_error(r, "VF0110", node, &node->key_place, key->instead ? key->instead : "leave it out",
		  "not in this version: \"%s\" in %s", key->name, map->what);
}

static const struct pol_key *find_key(const struct pol_map *map, const char *name)
{
	for (const struct pol_key *k = map->keys; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

static void missing_keys(struct pol_reader *r, const struct pol_node *node,
			 const struct pol_map *map)
{
	size_t nr = 0;

	for (const struct pol_key *k = map->keys; k->name; k++) {
		const struct pol_node *n = node->first;

		while (n && strcmp(n->key, k->name))
			n = n->next;
		nr += n != NULL;
		if (!n && k->required)
			pol_error(r, "VF0103", node, node->key ? &node->key_place : NULL, NULL,
				  "%s has no \"%s\", which is required", map->what, k->name);
	}
	if (nr < map->min && !map->size)
		pol_error(r, "VF0103", node, NULL, NULL,
			  "%s says nothing, at least one key is required", map->what);
}

void pol_read_map(struct pol_reader *r, const struct pol_node *node, const struct pol_map *map,
		  void *target)
{
	const char *shorthand = node->type == POL_NODE_SCALAR ? map->scalar
				: node->type == POL_NODE_LIST ? map->list
							      : NULL;
	struct pol_head *head = target;

	head->node = node;
	head->place = node->key ? node->key_place : node->place;
	if (shorthand) {
		struct pol_key key = *find_key(map, shorthand);

		/* Messages speak of the key that was written. */
		if (node->key)
			key.name = node->key;
		read_key(r, node, &key, (char *)target + key.offset);
		return;
	}
	if (node->type != POL_NODE_MAP || map->is_short) {
		pol_error_type(r, node,
			       map->list       ? "a list"
			       : map->is_short ? "a single value"
			       : map->scalar   ? "a single value or a map"
					       : "a map");
		return;
	}
	for (const struct pol_node *n = node->first; n && !r->rc; n = n->next) {
		const struct pol_key *key = find_key(map, n->key);

		if (key && key->status == POL_READY)
			read_key(r, n, key, (char *)target + key->offset);
		else if (key)
			later_key(r, n, key, map);
		else if (!pol_is_note(n->key))
			unknown_key(r, n, map);
	}
	missing_keys(r, node, map);
}

/* One entry of a map by name: its key is data. */
static void read_named(struct pol_reader *r, const struct pol_node *node, const struct pol_map *map,
		       void *target)
{
	struct pol_named_head *named = target;
	char quoted[POL_QUOTE_MAX], hint[160];

	if (!map->names->is_good(node->key)) {
		snprintf(hint, sizeof(hint), "allowed: %s", map->names->allowed);
		pol_error(r, "VF0106", node, &node->key_place, hint, "%s is not %s",
			  pol_quote(quoted, node->key), map->names->what);
	}
	pol_read_map(r, node, map, target);
	named->name = node->key;
}

static void read_items(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		       void *target)
{
	const struct pol_map *map = key->arg;
	bool by_name = key->kind == POL_KIND_NAMED;
	struct pol_items items = { .place = by_name ? node->key_place : node->place };

	if (node->type != (by_name ? POL_NODE_MAP : POL_NODE_LIST)) {
		pol_error_type(r, node, by_name ? "a map by name" : "a list of maps");
		return;
	}
	if (node->nr < map->min)
		pol_error(r, "VF0103", node, &node->key_place, NULL,
			  "\"%s\" is empty, at least %s is required", key->name, map->what);
	items.v = pol_alloc(r->arena, node->nr * map->size);
	if (!items.v) {
		r->rc = -ENOMEM;
		return;
	}
	for (const struct pol_node *n = node->first; n && !r->rc; n = n->next) {
		void *item = (char *)items.v + items.nr++ * map->size;

		if (by_name)
			read_named(r, n, map, item);
		else
			pol_read_map(r, n, map, item);
	}
	memcpy(target, &items, sizeof(items));
}

static bool check_length(struct pol_reader *r, const struct pol_node *node,
			 const struct pol_key *key)
{
	char hint[64];

	if (node->nr >= key->min && (!key->max || node->nr <= key->max))
		return true;
	if (key->max)
		snprintf(hint, sizeof(hint), "%u to %u are allowed", key->min, key->max);
	else
		snprintf(hint, sizeof(hint), "at least %u is required", key->min);
	pol_error(r, "VF0105", node, NULL, hint, "%zu items in \"%s\"", node->nr, key->name);
	return false;
}

static void read_key(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target)
{
	if (node->type == POL_NODE_LIST && !check_length(r, node, key))
		return;
	if (key->kind == POL_KIND_MAP)
		pol_read_map(r, node, key->arg, target);
	else if (key->kind == POL_KIND_LIST || key->kind == POL_KIND_NAMED)
		read_items(r, node, key, target);
	else
		pol_read_value(r, node, key, target);
}

static int read_tree(struct pol_reader *r, const char *text, size_t size, struct pol_node **root)
{
	int rc = pol_text_check(r, text, size);

	return rc ? rc : pol_tree_read(r, text, size, root);
}

/* The tree of all files; what is wrong in any of them is told. */
static int read_parts(struct pol_reader *r, const char *text, size_t size, struct policy *policy,
		      struct pol_node **root)
{
	struct pol_part *parts;
	size_t nr;
	int rc = pol_parts_split(r, text, size, &parts, &nr);

	r->has_parts = true;
	for (size_t i = 0; !rc && i < nr; i++) {
		int bad;

		r->file = parts[i].file;
		bad = read_tree(r, parts[i].text, parts[i].size, &parts[i].root);
		if (bad && bad != -EINVAL)
			rc = bad;
	}
	if (rc)
		return rc;
	r->file = parts[0].file;
	if (pol_has_errors(r))
		return r->rc ? r->rc : -EINVAL;
	policy->parts = parts;
	policy->nr_parts = nr;
	*root = pol_parts_merge(r, parts, nr);
	return r->rc ? r->rc : pol_has_errors(r) && !*root ? -EINVAL : 0;
}

static int read_policy(struct pol_reader *r, const char *text, size_t size, struct policy *policy)
{
	struct pol_node *root = NULL;
	int rc;

	if (size > POL_TEXT_MAX) {
		pol_error(r, "VF0002", NULL, NULL, "at most 4 MiB are allowed",
			  "the file is too large");
		return -EINVAL;
	}
	rc = pol_is_parts(text, size) ? read_parts(r, text, size, policy, &root)
				      : read_tree(r, text, size, &root);
	if (rc)
		return rc;
	if (!root) {
		pol_error(r, "VF0008", NULL, NULL, "\"version: 1\" and \"networks:\" are required",
			  "the file is empty");
		return -EINVAL;
	}
	pol_read_map(r, root, &pol_policy_map, policy);
	if (!r->rc)
		pol_check(r, policy);
	if (!pol_has_errors(r))
		pol_finder_make(r, policy);
	if (r->rc)
		return r->rc;
	return r->ds->nr_errors > r->errors_before ? -EINVAL : 0;
}

int pol_load_text(const char *file, const char *text, size_t size, struct diags *ds,
		  struct policy **policy_out)
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));
	struct pol_reader r = { .ds = ds, .errors_before = ds->nr_errors };
	int rc = -ENOMEM;

	*policy_out = NULL;
	if (!loaded)
		return rc;
	r.arena = &loaded->arena;
	r.file = pol_copy(r.arena, file, strlen(file));
	if (r.file)
		rc = read_policy(&r, text, size, &loaded->policy);
	diags_sort(ds);
	if (rc)
		pol_free(&loaded->policy);
	else
		*policy_out = &loaded->policy;
	return rc;
}

const char *pol_part_file(const struct policy *policy, size_t i)
{
	return i < policy->nr_parts ? policy->parts[i].file : NULL;
}

int pol_load_file(const char *path, const char *host, struct diags *ds, struct policy **policy_out)
{
	char *text = NULL;
	size_t size = 0;
	int rc;

	*policy_out = NULL;
	rc = pol_read_files(path, host, ds, &text, &size);
	if (!rc)
		rc = pol_load_text(strcmp(path, "-") ? path : "<stdin>", text, size, ds,
				   policy_out);
	free(text);
	return rc;
}

void pol_free(struct policy *policy)
{
	struct loaded *loaded = (struct loaded *)policy;
	struct pol_arena arena;

	if (!policy)
		return;
	arena = loaded->arena;
	free(loaded);
	pol_arena_fini(&arena);
}
