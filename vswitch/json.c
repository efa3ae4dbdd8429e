/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps and the record as JSON, for the journal and the state file. One table per struct serves
 * both directions. What is read back is checked field by field: a file is input like any other.
 */
#include "vswitch/vswitch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/array.h"

enum field_kind {
	FIELD_U8,
	FIELD_U32,
	FIELD_BOOL,
	FIELD_TEXT,
	FIELD_HEX,
	FIELD_JSON, /* a reference of its own; left out when NULL */
	FIELD_STRUCT,
	FIELD_ARRAY
};

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	size_t offset, size; /* size: of TEXT and HEX in bytes, of one STRUCT or ARRAY element */
	const struct field *fields; /* of STRUCT and ARRAY */
	size_t nr_offset;	    /* of ARRAY: the size_t beside the pointer */
};

#define PLAIN(kind_, type, member)                                                                 \
	{                                                                                          \
#member, kind_, offsetof(type, member), sizeof(((type *)0)->member), NULL, 0       \
	}
#define STRUCT(type, member, table)                                                                \
	{                                                                                          \
#member, FIELD_STRUCT, offsetof(type, member), sizeof(((type *)0)->member), table, \
			0                                                                          \
	}
#define ARRAY(type, member, table)                                                                 \
	{                                                                                          \
#member, FIELD_ARRAY, offsetof(type, member), sizeof(*((type *)0)->member), table, \
			offsetof(type, nr_##member)                                                \
	}
#define FIELD_END                                                                                  \
	{                                                                                          \
		NULL, FIELD_U8, 0, 0, NULL, 0                                                      \
	}

static const struct field addr_fields[] = {
	PLAIN(FIELD_U8, struct vs_addr, family),       PLAIN(FIELD_U8, struct vs_addr, prefix_len),
	PLAIN(FIELD_U8, struct vs_addr, scope),	       PLAIN(FIELD_HEX, struct vs_addr, local),
	PLAIN(FIELD_HEX, struct vs_addr, peer),	       PLAIN(FIELD_HEX, struct vs_addr, broadcast),
	PLAIN(FIELD_U32, struct vs_addr, flags),       PLAIN(FIELD_U32, struct vs_addr, valid_s),
	PLAIN(FIELD_U32, struct vs_addr, preferred_s), PLAIN(FIELD_U32, struct vs_addr, metric),
	PLAIN(FIELD_TEXT, struct vs_addr, label),      FIELD_END,
};

static const struct field route_fields[] = {
	PLAIN(FIELD_U8, struct vs_route, family),    PLAIN(FIELD_U8, struct vs_route, prefix_len),
	PLAIN(FIELD_U8, struct vs_route, tos),	     PLAIN(FIELD_U8, struct vs_route, scope),
	PLAIN(FIELD_U8, struct vs_route, type),	     PLAIN(FIELD_U8, struct vs_route, protocol),
	PLAIN(FIELD_BOOL, struct vs_route, has_via), PLAIN(FIELD_BOOL, struct vs_route, has_source),
	PLAIN(FIELD_BOOL, struct vs_route, onlink),  PLAIN(FIELD_HEX, struct vs_route, to),
	PLAIN(FIELD_HEX, struct vs_route, via),	     PLAIN(FIELD_HEX, struct vs_route, source),
	PLAIN(FIELD_U32, struct vs_route, table),    PLAIN(FIELD_U32, struct vs_route, metric),
	PLAIN(FIELD_U32, struct vs_route, mtu),	     FIELD_END,
};

static const struct field op_fields[] = {
	PLAIN(FIELD_U32, struct vs_op, kind),	 PLAIN(FIELD_TEXT, struct vs_op, link),
	PLAIN(FIELD_U32, struct vs_op, value),	 PLAIN(FIELD_U32, struct vs_op, index),
	PLAIN(FIELD_TEXT, struct vs_op, text),	 PLAIN(FIELD_HEX, struct vs_op, mac),
	STRUCT(struct vs_op, addr, addr_fields), STRUCT(struct vs_op, route, route_fields),
	PLAIN(FIELD_JSON, struct vs_op, doc),	 FIELD_END,
};

static const struct field step_fields[] = {
	STRUCT(struct vs_step, op, op_fields),
	STRUCT(struct vs_step, undo, op_fields),
	PLAIN(FIELD_U32, struct vs_step, disruption),
	PLAIN(FIELD_TEXT, struct vs_step, network),
	FIELD_END,
};

static const struct field network_fields[] = {
	PLAIN(FIELD_TEXT, struct vs_record_network, name),
	PLAIN(FIELD_TEXT, struct vs_record_network, mode),
	PLAIN(FIELD_BOOL, struct vs_record_network, is_adopted),
	PLAIN(FIELD_TEXT, struct vs_record_network, uplink),
	PLAIN(FIELD_U32, struct vs_record_network, uplink_old_mtu),
	PLAIN(FIELD_BOOL, struct vs_record_network, uplink_was_up),
	PLAIN(FIELD_BOOL, struct vs_record_network, is_per_guest),
	PLAIN(FIELD_BOOL, struct vs_record_network, is_dpdk),
	ARRAY(struct vs_record_network, moved_addrs, addr_fields),
	ARRAY(struct vs_record_network, moved_routes, route_fields),
	ARRAY(struct vs_record_network, addrs, addr_fields),
	ARRAY(struct vs_record_network, routes, route_fields),
	FIELD_END,
};

static const struct field switch_fields[] = {
	PLAIN(FIELD_TEXT, struct vs_record_switch, link),
	PLAIN(FIELD_U32, struct vs_record_switch, which),
	PLAIN(FIELD_U32, struct vs_record_switch, old),
	FIELD_END,
};

/* vs_record without its fixed array of numbers. */
static const struct field record_fields[] = {
	ARRAY(struct vs_record, networks, network_fields),
	ARRAY(struct vs_record, switches, switch_fields),
	ARRAY(struct vs_record, uplinks, network_fields),
	FIELD_END,
};

_Static_assert(sizeof(enum vs_op_kind) == 4 && sizeof(enum vs_disruption) == 4,
	       "written as 32 bits");

static json_t *to_json(const void *from, const struct field *fields);

static json_t *hex_json(const uint8_t *bytes, size_t size)
{
	char text[2 * 16 + 1];

	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *array_json(const void *from, const struct field *f)
{
	const char *element = *(const char *const *)((const char *)from + f->offset);
	size_t nr = *(const size_t *)(const void *)((const char *)from + f->nr_offset);
	json_t *list = json_array();

	for (size_t i = 0; list && i < nr; i++, element += f->size)
		if (json_array_append_new(list, to_json(element, f->fields)) < 0) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

static json_t *field_json(const void *from, const struct field *f)
{
	const char *at = (const char *)from + f->offset;
	uint32_t u32;

	switch (f->kind) {
	case FIELD_U8:
		return json_integer(*(const uint8_t *)at);
	case FIELD_U32:
		memcpy(&u32, at, sizeof(u32));
		return json_integer(u32);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case FIELD_TEXT:
		return json_string(at);
	case FIELD_HEX:
		return hex_json((const uint8_t *)at, f->size);
	case FIELD_JSON:
		return json_incref(*(json_t *const *)(const void *)at);
	case FIELD_STRUCT:
		return to_json(at, f->fields);
	case FIELD_ARRAY:
		return array_json(from, f);
	}
	return NULL;
}

static json_t *to_json(const void *from, const struct field *fields)
{
	json_t *object = json_object();

	for (const struct field *f = fields; object && f->name; f++) {
		json_t *value = field_json(from, f);

		if (!value && f->kind == FIELD_JSON)
			continue;
		if (json_object_set_new(object, f->name, value) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static int from_json(const json_t *json, const struct field *fields, void *to);

static int hex_from_json(const json_t *json, uint8_t *to, size_t size)
{
	const char *text = json_string_value(json);
	unsigned int byte;

	if (!text || strlen(text) != 2 * size || strspn(text, "0123456789abcdef") != 2 * size)
		return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		sscanf(text + 2 * i, "%2x", &byte);
		to[i] = (uint8_t)byte;
	}
	return 0;
}

static int text_from_json(const json_t *json, char *to, size_t size)
{
	const char *text = json_string_value(json);

	if (!text || strlen(text) >= size)
		return -EINVAL;
	strcpy(to, text);
	return 0;
}

static int array_from_json(const json_t *json, const struct field *f, void *to)
{
	void *v = (char *)to + f->offset;
	size_t *nr = (size_t *)(void *)((char *)to + f->nr_offset);
	void *element;
	/* Not there: by a version that knew of none. */
	int rc = !json || json_is_array(json) ? 0 : -EINVAL;

	for (size_t i = 0; !rc && i < json_array_size(json); i++) {
		element = array_add(v, nr, f->size);
		rc = element ? from_json(json_array_get(json, i), f->fields, element) : -ENOMEM;
	}
	return rc;
}

static int number_from_json(const json_t *json, const struct field *f, char *at)
{
	json_int_t n = json_integer_value(json);
	json_int_t max = f->kind == FIELD_U8 ? UINT8_MAX : UINT32_MAX;
	uint32_t u32 = (uint32_t)n;

	if (!json_is_integer(json) || n < 0 || n > max)
		return -EINVAL;
	if (f->kind == FIELD_U8)
		*(uint8_t *)at = (uint8_t)n;
	else
		memcpy(at, &u32, sizeof(u32));
	return 0;
}

static int field_from_json(const json_t *json, const struct field *f, void *to)
{
	char *at = (char *)to + f->offset;

	switch (f->kind) {
	case FIELD_U8:
	case FIELD_U32:
		return number_from_json(json, f, at);
	case FIELD_BOOL:
		*(bool *)at = json_is_true(json);
		/* Not there: by a version that knew of none. */
		return !json || json_is_boolean(json) ? 0 : -EINVAL;
	case FIELD_TEXT:
		return text_from_json(json, at, f->size);
	case FIELD_HEX:
		return hex_from_json(json, (uint8_t *)at, f->size);
	case FIELD_JSON:
		*(json_t **)(void *)at = json_incref((json_t *)(uintptr_t)json);
		return !json || json_is_object(json) ? 0 : -EINVAL;
	case FIELD_STRUCT:
		return from_json(json, f->fields, at);
	case FIELD_ARRAY:
		return array_from_json(json, f, to);
	}
	return -EINVAL;
}

static int from_json(const json_t *json, const struct field *fields, void *to)
{
	int rc = 0;

	for (const struct field *f = fields; !rc && f->name; f++)
		rc = field_from_json(json_object_get(json, f->name), f, to);
	return rc;
}

json_t *vs_step_json(const struct vs_step *step)
{
	return to_json(step, step_fields);
}

static bool is_op(const struct vs_op *op)
{
	static const uint32_t indexes[VS_OP_NR] = {
		[VS_OP_DOC] = VS_DOC_NR,
		[VS_OP_SYSCTL] = VS_SYSCTL_NR,
		[VS_OP_LINK_SYSCTL] = VS_LINK_SYSCTL_NR,
		[VS_OP_SET_BRIDGE] = VS_BRIDGE_NR,
	};

	return op->kind < VS_OP_NR && (!indexes[op->kind] || op->index < indexes[op->kind]);
}

int vs_step_from_json(const json_t *json, struct vs_step *step)
{
	int rc;

	*step = (struct vs_step){ 0 };
	rc = from_json(json, step_fields, step);
	if (!rc && (!is_op(&step->op) || !is_op(&step->undo) ||
		    step->disruption > VS_DISRUPTION_MANAGEMENT))
		rc = -EINVAL;
	if (rc)
		vs_step_fini(step);
	return rc;
}

json_t *vs_record_json(const struct vs_record *r)
{
	json_t *object = to_json(r, record_fields);
	json_t *old = json_array();

	for (int i = 0; old && i < VS_SYSCTL_NR; i++)
		if (json_array_append_new(old, json_integer(r->old_sysctls[i])) < 0)
			goto fail;
	if (object && json_object_set_new(object, "old_sysctls", old) == 0)
		return object;
	old = NULL;
fail:
	json_decref(old);
	json_decref(object);
	return NULL;
}

int vs_record_from_json(const json_t *json, struct vs_record *r)
{
	const json_t *old = json_object_get(json, "old_sysctls");
	int rc;

	vs_record_init(r);
	rc = from_json(json, record_fields, r);
	if (!rc && json_array_size(old) != VS_SYSCTL_NR)
		rc = -EINVAL;
	for (size_t i = 0; !rc && i < r->nr_switches; i++)
		if (r->switches[i].which >= VS_LINK_SYSCTL_NR)
			rc = -EINVAL;
	for (size_t i = 0; !rc && i < VS_SYSCTL_NR; i++)
		r->old_sysctls[i] = (int)json_integer_value(json_array_get(old, i));
	if (rc)
		vs_record_fini(r);
	return rc;
}
