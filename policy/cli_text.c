/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON for people. Shape decides, not knowledge of keys: what the daemon adds shows up here without a
 * change. Nothing printed can move the cursor or change colours.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "policy/cli.h"
#include "policy/tree.h"

#define COLUMNS_MAX 24
#define CELL_MAX    160

struct table {
	const char *keys[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX];
	size_t nr;
};

void cli_print_safe(const char *text, FILE *out)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text);

	while (left) {
		size_t len = pol_utf8_len(p, left);

		if (!len || pol_is_control(p, len)) {
			fprintf(out, "\\x%02x", *p);
			len = 1;
		} else {
			fwrite(p, 1, len, out);
		}
		p += len;
		left -= len;
	}
}

/* {value, origin, file?, line?}: one value that says where it comes from. */
static bool is_sourced(const json_t *value)
{
	return json_object_get(value, "value") && json_is_string(json_object_get(value, "origin"));
}

static bool is_scalar(const json_t *value)
{
	return !json_is_object(value) && !json_is_array(value);
}

static bool is_list_of_scalars(const json_t *value)
{
	if (!json_is_array(value))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is_scalar(json_array_get(value, i)))
			return false;
	return true;
}

static bool fits_cell(const json_t *value)
{
	return is_scalar(value) || is_sourced(value) || is_list_of_scalars(value);
}

static void print_scalar(const json_t *value, FILE *out)
{
	if (json_is_string(value))
		cli_print_safe(json_string_value(value), out);
	else if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%g", json_real_value(value));
	else
		fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-", out);
}

static void print_cell(const json_t *value, FILE *out)
{
	if (is_sourced(value)) {
		const char *file = json_string_value(json_object_get(value, "file"));
		json_int_t line = json_integer_value(json_object_get(value, "line"));

		print_scalar(json_object_get(value, "value"), out);
		fputs(" (", out);
		print_scalar(json_object_get(value, "origin"), out);
		if (file && line) {
			fputs(", ", out);
			cli_print_safe(file, out);
			fprintf(out, ":%" JSON_INTEGER_FORMAT, line);
		} else if (line) {
			fprintf(out, ", line %" JSON_INTEGER_FORMAT, line);
		}
		fputc(')', out);
	} else if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++) {
			fputs(i ? " " : "", out);
			print_scalar(json_array_get(value, i), out);
		}
		if (!json_array_size(value))
			fputc('-', out);
	} else {
		print_scalar(value, out);
	}
}

/* malloc()ed; NULL when out of memory. */
static char *cell_text(const json_t *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (value)
		print_cell(value, f);
	fclose(f);
	return text;
}

/* Columns on a terminal: characters, not bytes. */
static size_t text_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void add_column(struct table *t, const char *key)
{
	for (size_t i = 0; i < t->nr; i++)
		if (!strcmp(t->keys[i], key))
			return;
	if (t->nr < COLUMNS_MAX)
		t->keys[t->nr++] = key;
}

static void measure(struct table *t, const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i), *value;
		const char *key;

		json_object_foreach (row, key, value)
			if (fits_cell(value))
				add_column(t, key);
	}
	for (size_t c = 0; c < t->nr; c++)
		t->widths[c] = text_width(t->keys[c]);
	for (size_t i = 0; i < json_array_size(rows); i++)
		for (size_t c = 0; c < t->nr; c++) {
			char *text = cell_text(
				json_object_get(json_array_get(rows, i), t->keys[c]));
			size_t width = text ? text_width(text) : 0;

			if (width > t->widths[c] && width <= CELL_MAX)
				t->widths[c] = width;
			free(text);
		}
}

static void print_padded(const char *text, size_t width, bool last, FILE *out)
{
	size_t used = text_width(text);

	fputs(text, out);
	if (!last)
		fprintf(out, "%*s", (int)(used < width ? width - used : 0) + 2, "");
}

static void print_heading(const char *key, FILE *out)
{
	for (; *key; key++)
		fputc(isalnum((unsigned char)*key) ? toupper((unsigned char)*key) : ' ', out);
}

static void print_table(const json_t *rows, int indent, FILE *out)
{
	struct table t = { .nr = 0 };

	measure(&t, rows);
	fprintf(out, "%*s", indent, "");
	for (size_t c = 0; c < t.nr; c++) {
		print_heading(t.keys[c], out);
		print_padded("", t.widths[c] - text_width(t.keys[c]), c + 1 == t.nr, out);
	}
	fputc('\n', out);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		fprintf(out, "%*s", indent, "");
		for (size_t c = 0; c < t.nr; c++) {
			const json_t *value = json_object_get(json_array_get(rows, i), t.keys[c]);
			char *text = value ? cell_text(value) : NULL;

			print_padded(text && *text ? text : "-", t.widths[c], c + 1 == t.nr, out);
			free(text);
		}
		fputc('\n', out);
	}
}

static void print_object(const json_t *object, int indent, FILE *out);

/* {a: {...}, b: {...}} as [{name: a, ...}, {name: b, ...}]. NULL: not of that shape. */
static json_t *rows_by_name(const json_t *object)
{
	json_t *rows = json_array(), *value;
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
		json_t *row = json_pack("{s:s}", "name", name);

		if (!json_is_object(value) || is_sourced(value) || !json_object_size(value) ||
		    json_object_update_missing(row, value)) {
			json_decref(row);
			json_decref(rows);
			return NULL;
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

static void print_block(const json_t *value, int indent, FILE *out)
{
	json_t *rows = json_is_object(value) ? rows_by_name(value) : NULL;

	if (rows) {
		print_table(rows, indent, out);
		json_decref(rows);
		return;
	}
	if (json_is_object(value)) {
		print_object(value, indent, out);
		return;
	}
	if (json_is_object(json_array_get(value, 0))) {
		print_table(value, indent, out);
		return;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		fprintf(out, "%*s", indent, "");
		if (fits_cell(json_array_get(value, i)))
			print_cell(json_array_get(value, i), out);
		else
			print_block(json_array_get(value, i), indent + 2, out);
		fputc('\n', out);
	}
}

static void print_object(const json_t *object, int indent, FILE *out)
{
	size_t width = 0;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value)
		if (fits_cell(value) && text_width(key) > width)
			width = text_width(key);
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		if (!fits_cell(value))
			continue;
		fprintf(out, "%*s", indent, "");
		cli_print_safe(key, out);
		fprintf(out, ":%*s", (int)(width - text_width(key)) + 1, "");
		print_cell(value, out);
		fputc('\n', out);
	}
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		if (fits_cell(value))
			continue;
		fprintf(out, "%*s", indent, "");
		cli_print_safe(key, out);
		fputs(":\n", out);
		print_block(value, indent + 2, out);
	}
}

void cli_print_text(const json_t *value, FILE *out)
{
	if (fits_cell(value) && !(json_is_array(value) && !json_array_size(value))) {
		print_cell(value, out);
		fputc('\n', out);
	} else {
		print_block(value, 0, out);
	}
}

/* {rate: {ingress: ...}} as {"ingress rate": ...}, a column each. */
static void flatten_rates(json_t *vif)
{
	json_t *rates = json_object_get(vif, "rate"), *value;
	const char *key;
	char name[64];

	json_object_foreach (rates, key, value) {
		snprintf(name, sizeof(name), "%s rate", key);
		json_object_set(vif, name, value);
	}
	json_object_del(vif, "rate");
}

/* One vif as a table's row: all places are in one file, so lines will do. */
static json_t *effective_row(const char *guest, const json_t *vif)
{
	json_t *row = json_pack("{s:s}", "guest", guest), *copy = json_deep_copy(vif), *value;
	const char *key;

	if (!json_object_get(copy, "devid"))
		json_object_set_new(row, "devid", json_string("any"));
	flatten_rates(copy);
	json_object_foreach (copy, key, value)
		if (json_is_object(value))
			json_object_del(value, "file");
	json_object_update(row, copy);
	json_object_del(row, "file");
	json_object_del(row, "line");
	json_decref(copy);
	return row;
}

void cli_print_effective(const json_t *effective, FILE *out)
{
	json_t *rows = json_array(), *entry, *vif;
	const char *guest;
	size_t i;

	json_object_foreach (json_object_get(effective, "guests"), guest, entry)
		json_array_foreach (json_object_get(entry, "vifs"), i, vif)
			json_array_append_new(rows, effective_row(guest, vif));
	if (json_array_size(rows))
		print_table(rows, 0, out);
	else
		fputs("the policy names no guests\n", out);
	json_decref(rows);
}
