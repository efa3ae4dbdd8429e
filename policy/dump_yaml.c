/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values as YAML for people: block style, quotes only where a reader might guess wrong. */
#include <ctype.h>
#include <string.h>

#include "policy/tree.h"

#define INDENT 2

static void print_value(const json_t *value, int depth, FILE *out);

/* No YAML 1.1 or 1.2 reader takes it for anything but this text. */
static bool is_plain_safe(const char *text)
{
	static const char *const guessed[] = { "true", "false", "yes",	"no",  "on", "off",
					       "y",    "n",	"null", "nan", "inf" };

	if (!isalpha((unsigned char)text[0]))
		return false;
	for (const char *p = text; *p; p++)
		if (!isascii((unsigned char)*p) ||
		    !(isalnum((unsigned char)*p) || strchr("._-", *p)))
			return false;
	for (size_t i = 0; i < sizeof(guessed) / sizeof(guessed[0]); i++)
		if (!strcasecmp(text, guessed[i]))
			return false;
	return true;
}

/* Double quotes, and escapes that JSON has as well, for what would break them or a terminal. */
static void print_quoted(const char *text, FILE *out)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len;

	fputc('"', out);
	for (size_t left = strlen(text); left; left -= len, p += len) {
		len = pol_utf8_len(p, left);
		if (!len) {
			/* Cannot be: JSON texts are UTF-8. */
			fputs("\\ufffd", out);
			len = 1;
		} else if (pol_is_control(p, len)) {
			fprintf(out, "\\u%04x", len == 2 ? p[1] : *p);
		} else {
			if (*p == '"' || *p == '\\')
				fputc('\\', out);
			fwrite(p, 1, len, out);
		}
	}
	fputc('"', out);
}

static void print_text(const char *text, FILE *out)
{
	if (is_plain_safe(text))
		fputs(text, out);
	else
		print_quoted(text, out);
}

static bool is_block(const json_t *value)
{
	return (json_is_object(value) && json_object_size(value)) ||
	       (json_is_array(value) && json_array_size(value));
}

/* What follows "key:" or "-". */
static void print_member(const json_t *value, int depth, FILE *out)
{
	if (is_block(value)) {
		fputc('\n', out);
		print_value(value, depth + 1, out);
		return;
	}
	fputc(' ', out);
	print_value(value, depth + 1, out);
	fputc('\n', out);
}

/* @behind_dash: the first key stands in the line of a list's dash. */
static void print_map(const json_t *map, int depth, bool behind_dash, FILE *out)
{
	void *i = json_object_iter((json_t *)(uintptr_t)map);

	for (; i; i = json_object_iter_next((json_t *)(uintptr_t)map, i)) {
		if (!behind_dash)
			fprintf(out, "%*s", depth * INDENT, "");
		behind_dash = false;
		print_text(json_object_iter_key(i), out);
		fputc(':', out);
		print_member(json_object_iter_value(i), depth, out);
	}
}

static void print_list(const json_t *list, int depth, FILE *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *value = json_array_get(list, i);

		fprintf(out, "%*s-", depth * INDENT, "");
		if (json_is_object(value) && is_block(value)) {
			fputc(' ', out);
			print_map(value, depth + 1, true, out);
		} else {
			print_member(value, depth, out);
		}
	}
}

static void print_value(const json_t *value, int depth, FILE *out)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		if (is_block(value))
			print_map(value, depth, false, out);
		else
			fputs("{}", out);
		break;
	case JSON_ARRAY:
		if (is_block(value))
			print_list(value, depth, out);
		else
			fputs("[]", out);
		break;
	case JSON_STRING:
		print_text(json_string_value(value), out);
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(out, "%.17g", json_real_value(value));
		break;
	default:
		fputs(json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null", out);
		break;
	}
}

void pol_print_yaml(const json_t *value, FILE *out)
{
	print_value(value, 0, out);
	if (!is_block(value))
		fputc('\n', out);
}
