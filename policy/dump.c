/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy back as JSON, by the same tables that read it: keys in the tables' order, only what
 * was given, notes as they were. What is printed loads again and prints the same.
 */
#include <string.h>

#include "policy/keys.h"

static json_t *map_json(const struct pol_map *map, const void *source);

static json_t *text_json(const struct pol_text *t)
{
	return t->text ? json_string(t->text) : NULL;
}

static json_t *bool_json(const struct pol_key *key, const void *source)
{
	const struct pol_bool *b = source;

	(void)key;
	return b->place.line ? json_boolean(b->value) : NULL;
}

static json_t *u32_json(const struct pol_key *key, const void *source)
{
	const struct pol_u32 *u = source;

	(void)key;
	return u->place.line ? json_integer(u->value) : NULL;
}

static json_t *choice_json(const struct pol_key *key, const void *source)
{
	const struct pol_u32 *u = source;

	for (const struct pol_choice *c = key->arg; u->place.line && c->name; c++)
		if (c->status == POL_READY && c->value == u->value)
			return json_string(c->name);
	return NULL;
}

static json_t *one_text_json(const struct pol_key *key, const void *source)
{
	(void)key;
	return text_json(source);
}

static json_t *texts_json(const struct pol_key *key, const void *source)
{
	const struct pol_texts *t = source;
	json_t *array = t->place.line ? json_array() : NULL;

	(void)key;
	for (size_t i = 0; array && i < t->nr; i++)
		json_array_append_new(array, text_json(&t->v[i]));
	return array;
}

static json_t *mac_json(const struct pol_key *key, const void *source)
{
	const struct pol_mac *m = source;
	char text[MAC_TEXT_LEN];

	(void)key;
	if (!m->place.line)
		return NULL;
	if (m->is_auto)
		return json_string(POL_MAC_AUTO);
	format_mac(m->mac, text);
	return json_string(text);
}

static json_t *prefix_json(const struct pol_prefix *p, bool always)
{
	char text[POL_PREFIX_TEXT_MAX];

	return json_string(pol_prefix_text(text, p, always));
}

static json_t *address_json(const struct pol_key *key, const void *source)
{
	const struct pol_prefix *p = source;

	(void)key;
	return p->place.line ? prefix_json(p, false) : NULL;
}

static json_t *target_json(const struct pol_key *key, const void *source)
{
	const struct pol_prefix *p = source;

	(void)key;
	if (!p->place.line)
		return NULL;
	return p->is_default ? json_string("default") : prefix_json(p, true);
}

static json_t *prefixes_json(const struct pol_key *key, const void *source)
{
	const struct pol_prefixes *p = source;
	json_t *array = p->place.line ? json_array() : NULL;

	(void)key;
	for (size_t i = 0; array && i < p->nr; i++)
		json_array_append_new(array, prefix_json(&p->v[i], true));
	return array;
}

static json_t *one_map_json(const struct pol_key *key, const void *source)
{
	return ((const struct pol_head *)source)->node ? map_json(key->arg, source) : NULL;
}

static json_t *items_json(const struct pol_key *key, const void *source)
{
	const struct pol_map *map = key->arg;
	struct pol_items items;
	json_t *out;

	memcpy(&items, source, sizeof(items));
	if (!items.place.line)
		return NULL;
	out = key->kind == POL_KIND_NAMED ? json_object() : json_array();
	for (size_t i = 0; out && i < items.nr; i++) {
		const struct pol_named_head *item = (const void *)((char *)items.v + i * map->size);
		json_t *value = map_json(map, item);

		if (key->kind == POL_KIND_NAMED)
			json_object_set_new(out, item->name, value);
		else
			json_array_append_new(out, value);
	}
	return out;
}

/* A note, as it was written: plain numbers and truth values as such. */
static json_t *node_json(const struct pol_node *node)
{
	json_t *out;
	uint64_t number;

	if (node->type == POL_NODE_SCALAR) {
		if (pol_node_is_null(node))
			return json_null();
		if (node->is_plain && (!strcmp(node->text, "true") || !strcmp(node->text, "false")))
			return json_boolean(node->text[0] == 't');
		if (node->is_plain && !(node->text[0] == '0' && node->text[1]) &&
		    !parse_u64(node->text, INT64_MAX, &number))
			return json_integer((json_int_t)number);
		return json_string(node->text);
	}
	out = node->type == POL_NODE_MAP ? json_object() : json_array();
	for (const struct pol_node *n = node->first; out && n; n = n->next) {
		if (node->type == POL_NODE_MAP)
			json_object_set_new(out, n->key, node_json(n));
		else
			json_array_append_new(out, node_json(n));
	}
	return out;
}

static json_t *map_json(const struct pol_map *map, const void *source)
{
	static json_t *(*const writers[])(const struct pol_key *, const void *) = {
		[POL_KIND_BOOL] = bool_json,	   [POL_KIND_U32] = u32_json,
		[POL_KIND_CHOICE] = choice_json,   [POL_KIND_TEXT] = one_text_json,
		[POL_KIND_TEXTS] = texts_json,	   [POL_KIND_MAC] = mac_json,
		[POL_KIND_MAC_OR_AUTO] = mac_json, [POL_KIND_ADDRESS] = address_json,
		[POL_KIND_TARGET] = target_json,   [POL_KIND_PREFIXES] = prefixes_json,
		[POL_KIND_MAP] = one_map_json,	   [POL_KIND_LIST] = items_json,
		[POL_KIND_NAMED] = items_json,
	};
	const struct pol_head *head = source;
	json_t *out = json_object();

	for (const struct pol_key *k = map->keys; out && k->name; k++) {
		json_t *value = k->status == POL_READY
					? writers[k->kind](k, (const char *)source + k->offset)
					: NULL;

		if (value)
			json_object_set_new(out, k->name, value);
	}
	for (const struct pol_node *n = head->node ? head->node->first : NULL; out && n;
	     n = n->next)
		if (pol_is_note(n->key))
			json_object_set_new(out, n->key, node_json(n));
	return out;
}

json_t *pol_json(const struct policy *policy)
{
	return map_json(&pol_policy_map, policy);
}
