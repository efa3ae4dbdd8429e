/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/tree.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE  (16u << 10)
#define MESSAGE_MAX 512

struct pol_chunk {
	struct pol_chunk *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

void *pol_alloc(struct pol_arena *arena, size_t size)
{
	struct pol_chunk *c = arena->chunks;
	size_t aligned = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *p;

	if (!c || c->size - c->used < aligned) {
		size_t room = aligned > CHUNK_SIZE ? aligned : CHUNK_SIZE;

		c = calloc(1, sizeof(*c) + room);
		if (!c)
			return NULL;
		c->size = room;
		c->next = arena->chunks;
		arena->chunks = c;
	}
	p = c->bytes + c->used;
	c->used += aligned;
	return p;
}

char *pol_copy(struct pol_arena *arena, const char *text, size_t len)
{
	char *copy = pol_alloc(arena, len + 1);

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

void pol_arena_fini(struct pol_arena *arena)
{
	struct pol_chunk *next;

	for (struct pol_chunk *c = arena->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	arena->chunks = NULL;
}

bool pol_node_is_null(const struct pol_node *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	if (node->type != POL_NODE_SCALAR || !node->is_plain)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!strcmp(node->text, nulls[i]))
			return true;
	return false;
}

bool pol_is_note(const char *key)
{
	return !strncmp(key, "x-", 2);
}

bool pol_is_control(const unsigned char *p, size_t len)
{
	return p[0] < 0x20 || p[0] == 0x7f || (len == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

const char *pol_quote(char out[POL_QUOTE_MAX], const char *text)
{
	const size_t limit = POL_QUOTE_MAX - sizeof("...\"");
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text), used = 0;

	out[used++] = '"';
	while (left) {
		size_t len = pol_utf8_len(p, left);

		if (!len || pol_is_control(p, len)) {
			if (used + 4 > limit)
				break;
			used += (size_t)snprintf(out + used, 5, "\\x%02x", *p);
			len = 1;
		} else {
			if (used + len > limit)
				break;
			memcpy(out + used, p, len);
			used += len;
		}
		p += len;
		left -= len;
	}
	snprintf(out + used, POL_QUOTE_MAX - used, "%s\"", left ? "..." : "");
	return out;
}

/* Put one step of a path in front of @at; false when it has no room. */
static bool path_prepend(char *out, size_t *at, const struct pol_node *node)
{
	char step[POL_QUOTE_MAX];
	size_t len;

	if (node->key)
		pol_quote(step, node->key);
	else
		snprintf(step, sizeof(step), "\"%zu\"", node->index);
	len = strlen(step) - 2;
	if (*at < len + 1)
		return false;
	*at -= len;
	memcpy(out + *at, step + 1, len);
	out[--*at] = '/';
	return true;
}

void pol_node_path(char out[POL_PATH_MAX], const struct pol_node *node)
{
	size_t at = POL_PATH_MAX - 1;

	out[at] = 0;
	for (; node && node->parent; node = node->parent)
		if (!path_prepend(out, &at, node))
			break;
	if (!out[at] && at)
		out[--at] = '/';
	memmove(out, out + at, POL_PATH_MAX - at);
}

const char *pol_at(struct pol_reader *r, const struct pol_place *place)
{
	size_t size = sizeof("line  of ") + 12 + (place->file ? strlen(place->file) : 0);
	char *text = pol_alloc(r->arena, size);

	if (!text) {
		r->rc = -ENOMEM;
		return "another line";
	}
	if (r->has_parts && place->file)
		snprintf(text, size, "line %d of %s", place->line, place->file);
	else
		snprintf(text, size, "line %d", place->line);
	return text;
}

bool pol_has_errors(const struct pol_reader *r)
{
	return r->rc || r->ds->nr_errors > r->errors_before;
}

bool pol_errors_full(const struct pol_reader *r)
{
	return r->ds->nr_errors - r->errors_before > POL_ERRORS_MAX;
}

static void add_message(struct pol_reader *r, enum diag_severity severity, const char *code,
			const struct pol_node *node, const struct pol_place *place,
			const char *hint, const char *message)
{
	struct diag_place where = { .file = r->file };
	char path[POL_PATH_MAX];

	if (!place && node)
		place = &node->place;
	if (place) {
		if (place->file)
			where.file = place->file;
		where.line = place->line;
		where.column = place->column;
	}
	if (node) {
		pol_node_path(path, node);
		where.path = path;
	}
	diag_add(r->ds, severity, code, &where, hint, "%s", message);
}

void pol_error(struct pol_reader *r, const char *code, const struct pol_node *node,
	       const struct pol_place *place, const char *hint, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	if (pol_errors_full(r))
		return;
	if (r->ds->nr_errors - r->errors_before == POL_ERRORS_MAX) {
		add_message(r, DIAG_ERROR, "VF0007", node, place, "correct these first",
			    "more than 1000 errors, the rest is not shown");
		return;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	add_message(r, DIAG_ERROR, code, node, place, hint, message);
}

void pol_warning(struct pol_reader *r, const char *code, const struct pol_node *node,
		 const struct pol_place *place, const char *hint, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;

	if (r->ds->nr - r->ds->nr_errors > POL_ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	add_message(r, DIAG_WARNING, code, node, place, hint, message);
}
