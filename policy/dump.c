/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy back as JSON, by the same tables that read it: keys in the tables' order, only what
 * was given, notes as they were. What is printed loads again and prints the same.
 */
#include <string.h>

#include "policy/keys.h"

static json_t *map_json(const struct pol_map *map, const void *source);

json_t *pol_append_json(json_t *array, json_t *value)
{
	if (array && !json_array_append_new(array, value))
		return array;
	if (!array)
		json_decref(value);
	json_decref(array);
	return NULL;
}

static json_t *insert(json_t *object, const char *key, json_t *value)
{
	if (object && !json_object_set_new(object, key, value))
		return object;
	if (!object)
		json_decref(value);
	json_decref(object);
	return NULL;
}

static json_t *bool_json(const struct pol_key *key, const void *source)
{
	(void)key;
	return json_boolean(((const struct pol_bool *)source)->value);
}

static json_t *u32_json(const struct pol_key *key, const void *source)
{
	(void)key;
	return json_integer(((const struct pol_u32 *)source)->value);
}

static json_t *choice_json(const struct pol_key *key, const void *source)
{
	const struct pol_u32 *u = source;

	for (const struct pol_choice *c = key->arg; c->name; c++)
		if (c->status == POL_READY && c->value == u->value)
			return json_string(c->name);
	return NULL;
}

static json_t *u32s_json(const struct pol_key *key, const void *source)
{
	const struct pol_u32s *u = source;
	json_t *array = json_array();

	(void)key;
	for (size_t i = 0; array && i < u->nr; i++)
		array = pol_append_json(array, json_integer(u->v[i].value));
	return array;
}

static json_t *text_json(const struct pol_key *key, const void *source)
{
	(void)key;
	return json_string(((const struct pol_text *)source)->text);
}

static json_t *texts_json(const struct pol_key *key, const void *source)
{
	const struct pol_texts *t = source;
	json_t *array = json_array();

	(void)key;
	for (size_t i = 0; array && i < t->nr; i++)
		array = pol_append_json(array, json_string(t->v[i].text));
	return array;
}

static json_t *mac_json(const struct pol_key *key, const void *source)
{
	const struct pol_mac *m = source;
	char text[MAC_TEXT_LEN];

	(void)key;
	if (m->is_auto)
		return json_string(POL_MAC_AUTO);
	format_mac(m->mac, text);
	return json_string(text);
}

static json_t *address_json(const struct pol_key *key, const void *source)
{
	(void)key;
	return pol_prefix_json(source, false);
}

static json_t *target_json(const struct pol_key *key, const void *source)
{
	const struct pol_prefix *p = source;

	(void)key;
	return p->is_default ? json_string("default") : pol_prefix_json(p, true);
}

/* A map that says no more than a single value would is written as that. */
static json_t *one_map_json(const struct pol_map *map, const void *source)
{
	const char *key_name = map->scalar ? map->scalar : map->list;
	json_t *out = map_json(map, source), *only;

	if (!out || !key_name || json_object_size(out) != 1)
		return out;
	only = json_incref(json_object_get(out, key_name));
	if (!only)
		return out;
	json_decref(out);
	return only;
}

static json_t *uplink_json(const struct pol_key *key, const void *source)
{
	const struct pol_network *n = (const void *)((const char *)source -
						     offsetof(struct pol_network, uplink_name));

	return n->uplink_match.place.line ? map_json(key->arg, &n->uplink_match)
					  : text_json(key, source);
}

static json_t *map_value_json(const struct pol_key *key, const void *source)
{
	return one_map_json(key->arg, source);
}

static json_t *items_json(const struct pol_key *key, const void *source)
{
	const struct pol_map *map = key->arg;
	bool by_name = key->kind == POL_KIND_NAMED;
	struct pol_items items;
	json_t *out;

	memcpy(&items, source, sizeof(items));
	out = by_name ? json_object() : json_array();
	for (size_t i = 0; out && i < items.nr; i++) {
		const struct pol_named_head *item = (const void *)((char *)items.v + i * map->size);

		out = by_name ? insert(out, item->name, one_map_json(map, item))
			      : pol_append_json(out, one_map_json(map, item));
	}
	return out;
}

/* How each kind is written, and where its struct says whether it was given. */
static const struct {
	json_t *(*write)(const struct pol_key *key, const void *source);
	size_t place;
} kinds[] = {
	[POL_KIND_BOOL] = { bool_json, offsetof(struct pol_bool, place) },
	[POL_KIND_U32] = { u32_json, offsetof(struct pol_u32, place) },
	[POL_KIND_U32S] = { u32s_json, offsetof(struct pol_u32s, place) },
	[POL_KIND_CHOICE] = { choice_json, offsetof(struct pol_u32, place) },
	[POL_KIND_TEXT] = { text_json, offsetof(struct pol_text, place) },
	[POL_KIND_TEXTS] = { texts_json, offsetof(struct pol_texts, place) },
	[POL_KIND_MAC] = { mac_json, offsetof(struct pol_mac, place) },
	[POL_KIND_MAC_OR_AUTO] = { mac_json, offsetof(struct pol_mac, place) },
	[POL_KIND_ADDRESS] = { address_json, offsetof(struct pol_prefix, place) },
	[POL_KIND_TARGET] = { target_json, offsetof(struct pol_prefix, place) },
	[POL_KIND_NETWORK] = { target_json, offsetof(struct pol_prefix, place) },
	[POL_KIND_ADDRESSES] = { pol_addresses_json, offsetof(struct pol_prefixes, place) },
	[POL_KIND_NETS] = { pol_nets_json, offsetof(struct pol_nets, place) },
	[POL_KIND_HOST_ADDRESSES] = { pol_host_addresses_json,
				      offsetof(struct pol_host_addresses, place) },
	[POL_KIND_SPAN] = { pol_span_json, offsetof(struct pol_span, place) },
	[POL_KIND_SOURCE] = { pol_source_json, offsetof(struct pol_source, place) },
	[POL_KIND_QUANTITY] = { pol_quantity_json, offsetof(struct pol_u64, place) },
	[POL_KIND_VLAN] = { pol_vlan_json, offsetof(struct pol_vlan, place) },
	[POL_KIND_VLANS] = { pol_vlans_json, offsetof(struct pol_items, place) },
	[POL_KIND_PORT_RANGE] = { pol_port_range_json, offsetof(struct pol_port_range, place) },
	[POL_KIND_PORTS] = { pol_ports_json, offsetof(struct pol_ports, place) },
	[POL_KIND_SERVICES] = { pol_services_json, offsetof(struct pol_services, place) },
	[POL_KIND_PEERS] = { pol_peers_json, offsetof(struct pol_peers, place) },
	[POL_KIND_UPLINK] = { uplink_json, offsetof(struct pol_text, place) },
	[POL_KIND_MAP] = { map_value_json, offsetof(struct pol_head, place) },
	[POL_KIND_LIST] = { items_json, offsetof(struct pol_items, place) },
	[POL_KIND_NAMED] = { items_json, offsetof(struct pol_items, place) },
};

static bool is_given(const struct pol_key *key, const void *source)
{
	struct pol_place place;

	memcpy(&place, (const char *)source + kinds[key->kind].place, sizeof(place));
	return place.line > 0;
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
	for (const struct pol_node *n = node->first; out && n; n = n->next)
		out = node->type == POL_NODE_MAP ? insert(out, n->key, node_json(n))
						 : pol_append_json(out, node_json(n));
	return out;
}

static json_t *map_json(const struct pol_map *map, const void *source)
{
	const struct pol_head *head = source;
	json_t *out = json_object();

	for (const struct pol_key *k = map->keys; out && k->name; k++) {
		const void *value = (const char *)source + k->offset;

		if (k->status == POL_READY && is_given(k, value))
			out = insert(out, k->name, kinds[k->kind].write(k, value));
	}
	for (const struct pol_node *n = head->node->first; out && n; n = n->next)
		if (n->key && pol_is_note(n->key))
			out = insert(out, n->key, node_json(n));
	return out;
}

json_t *pol_json(const struct policy *policy)
{
	return map_json(&pol_policy_map, policy);
}
