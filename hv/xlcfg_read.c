/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements of an xl.cfg text into one value per key, with recovery at the next setting. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/xlcfg_priv.h"

struct reader {
	struct xlcfg_settings *s;
	struct xlcfg_lexer lx;
	struct xlcfg_token t; /* the one token of look-ahead */
	bool override;	      /* an argument of the command line */
	bool in_list;	      /* inside a list that has not ended yet */
	bool resume;	      /* the token at hand starts a setting */
};

void xlcfg_value_fini(struct xlcfg_value *v)
{
	for (size_t i = 0; i < v->nr; i++)
		xlcfg_value_fini(&v->items[i]);
	free(v->items);
	free(v->text);
	*v = (struct xlcfg_value){ 0 };
}

struct diag_place xlcfg_place(const struct xlcfg_value *v, size_t offset)
{
	return (struct diag_place){ v->file, v->line, v->column + (v->exact ? (int)offset : 0),
				    NULL };
}

static struct diag_place here(const struct reader *r)
{
	return (struct diag_place){ r->lx.file, r->t.line, r->t.start_column, NULL };
}

static int advance(struct reader *r)
{
	free(r->t.text);
	r->t.text = NULL;
	return xlcfg_lex(&r->lx, &r->t);
}

static int append_item(struct xlcfg_value *list, struct xlcfg_value *item)
{
	if (list->nr == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 4;
		struct xlcfg_value *items = realloc(list->items, capacity * sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->nr++] = *item;
	*item = (struct xlcfg_value){ 0 };
	return 0;
}

static int skip_newlines(struct reader *r)
{
	int rc = 0;

	while (!rc && r->t.type == TOKEN_NEWLINE)
		rc = advance(r);
	return rc;
}

static int wrong_value(struct reader *r)
{
	struct diag_place place = here(r);

	if (r->t.type == TOKEN_WORD)
		diag_add(r->s->diags, DIAG_ERROR, "XL0104", &place, "write it in quotes",
			 "'%s' is a bare word, not a value", r->t.text);
	else if (r->t.type != TOKEN_BAD)
		diag_add(r->s->diags, DIAG_ERROR, "XL0104", &place,
			 "allowed: a number, a \"string\" or a [list]", "a value is missing");
	return -EINVAL;
}

/* In a list, whether the next setting starts already; then that is reported. */
static bool next_setting(struct reader *r, const struct diag_place *open)
{
	if (r->t.type != TOKEN_WORD || !xlcfg_lexer_at_operator(&r->lx))
		return false;
	diag_add(r->s->diags, DIAG_ERROR, "XL0106", open, "close it with ]",
		 "this list is not closed before line %d", r->t.line);
	r->resume = true;
	return true;
}

/* Return: 0; -EINVAL reported; -ENOMEM. Recursion is bounded by @depth. */
static int read_value(struct reader *r, unsigned int depth, struct xlcfg_value *v)
{
	struct xlcfg_value item = { 0 };
	struct diag_place open = here(r);
	int rc;

	*v = (struct xlcfg_value){ .file = r->lx.file, .line = r->t.line, .column = r->t.column };
	if (r->t.type == TOKEN_NUMBER || r->t.type == TOKEN_STRING) {
		v->quoted = r->t.type == TOKEN_STRING;
		v->exact = r->t.exact;
		v->text = r->t.text;
		v->len = r->t.len;
		r->t.text = NULL;
		return advance(r);
	}
	if (r->t.type != TOKEN_OPEN)
		return wrong_value(r);
	if (depth == XLCFG_DEPTH_MAX) {
		diag_add(r->s->diags, DIAG_ERROR, "XL0105", &open, "allowed: 8 levels",
			 "lists are nested too deeply");
		return -EINVAL;
	}
	v->list = true;
	r->in_list = true;
	rc = advance(r);
	while (!rc) {
		rc = skip_newlines(r);
		if (rc || r->t.type == TOKEN_CLOSE)
			break;
		if (r->t.type == TOKEN_END) {
			diag_add(r->s->diags, DIAG_ERROR, "XL0106", &open, "close it with ]",
				 "this list is not closed");
			rc = -EINVAL;
			break;
		}
		if (next_setting(r, &open)) {
			rc = -EINVAL;
			break;
		}
		rc = read_value(r, depth + 1, &item);
		if (!rc)
			rc = append_item(v, &item);
		if (!rc)
			rc = skip_newlines(r);
		if (rc || r->t.type == TOKEN_CLOSE)
			break;
		if (r->t.type == TOKEN_COMMA) {
			rc = advance(r);
		} else if (r->t.type == TOKEN_END) {
			continue;
		} else if (r->t.type == TOKEN_BAD || next_setting(r, &open)) {
			rc = -EINVAL;
		} else {
			struct diag_place place = here(r);

			diag_add(r->s->diags, DIAG_ERROR, "XL0107", &place, "allowed: , or ]",
				 "list entries are separated by commas");
			rc = -EINVAL;
		}
	}
	xlcfg_value_fini(&item);
	if (rc)
		return rc;
	r->in_list = depth > 0;
	return advance(r);
}

/* old += v. Takes @v over. */
static int add_value(struct reader *r, struct xlcfg_value *old, struct xlcfg_value *v)
{
	int rc = 0;

	if (!old->list && v->list) {
		struct diag_place place = xlcfg_place(v, 0);

		diag_add(r->s->diags, DIAG_ERROR, "XL0108", &place, NULL,
			 "a list cannot be added to a string");
		return -EINVAL;
	}
	if (!old->list) {
		char *text = realloc(old->text, old->len + v->len + 1);

		if (!text)
			return -ENOMEM;
		memcpy(text + old->len, v->text, v->len + 1);
		old->text = text;
		old->len += v->len;
		old->quoted = true;
		old->exact = false;
		return 0;
	}
	if (!v->list)
		return append_item(old, v);
	for (size_t i = 0; i < v->nr && !rc; i++)
		rc = append_item(old, &v->items[i]);
	return rc;
}

static int store(struct reader *r, const char *name, const struct diag_place *place, bool add,
		 struct xlcfg_value *v)
{
	int index = xlcfg_key_find(r->s->table, name);
	struct xlcfg_value *old;

	if (index < 0) {
		const char *nearest = xlcfg_key_nearest(r->s->table, name);
		char hint[96];

		snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest ? nearest : "");
		diag_add(r->s->diags, DIAG_ERROR, "XL0201", place,
			 nearest ? hint : r->s->table->allowed, "unknown key '%.64s'", name);
		return -EINVAL;
	}
	old = &r->s->values[index];
	if (add && old->file)
		return add_value(r, old, v);
	if (old->file && !r->override)
		diag_add(r->s->diags, DIAG_WARNING, "XL0202", place, "write += to add to it",
			 "'%s' replaces its value of line %d", name, old->line);
	xlcfg_value_fini(old);
	*old = *v;
	*v = (struct xlcfg_value){ 0 };
	return 0;
}

/* "key = value" up to the end of its line. */
static int read_setting(struct reader *r)
{
	struct diag_place place = here(r);
	struct xlcfg_value v = { 0 };
	char *name = NULL;
	bool add;
	int rc = -EINVAL;

	if (r->t.type != TOKEN_WORD) {
		if (r->t.type != TOKEN_BAD)
			diag_add(r->s->diags, DIAG_ERROR, "XL0103", &place,
				 "allowed: key = value, key += value", "a key is missing");
		goto out;
	}
	name = r->t.text;
	r->t.text = NULL;
	rc = advance(r);
	if (rc)
		goto out;
	add = r->t.type == TOKEN_ADD;
	if (!add && r->t.type != TOKEN_ASSIGN) {
		if (r->t.type != TOKEN_BAD) {
			place = here(r);
			diag_add(r->s->diags, DIAG_ERROR, "XL0103", &place,
				 "allowed: = or +=", "'=' is missing after '%.64s'", name);
		}
		rc = -EINVAL;
		goto out;
	}
	rc = advance(r);
	if (!rc)
		rc = read_value(r, 0, &v);
	if (rc)
		goto out;
	if (store(r, name, &place, add, &v) == -ENOMEM) {
		rc = -ENOMEM;
		goto out;
	}
	if (r->t.type != TOKEN_NEWLINE && r->t.type != TOKEN_END) {
		place = here(r);
		if (r->t.type != TOKEN_BAD)
			diag_add(r->s->diags, DIAG_ERROR, "XL0109", &place,
				 "allowed: a new line or ;",
				 "the value is followed by something else");
		rc = -EINVAL;
	}
out:
	free(name);
	xlcfg_value_fini(&v);
	return rc;
}

/* Go on where the next setting starts: the rest of a broken list would only give follow-up errors.
 */
static int recover(struct reader *r)
{
	if (r->resume)
		return 0;
	if (r->t.type != TOKEN_NEWLINE && r->t.type != TOKEN_END)
		xlcfg_lexer_skip_line(&r->lx);
	while (r->in_list && r->lx.p < r->lx.end && !xlcfg_lexer_at_setting(&r->lx))
		xlcfg_lexer_skip_line(&r->lx);
	return advance(r);
}

static int read_all(struct reader *r)
{
	int rc = advance(r);

	while (!rc) {
		rc = skip_newlines(r);
		if (rc || r->t.type == TOKEN_END)
			break;
		r->in_list = r->resume = false;
		rc = read_setting(r);
		if (r->s->diags->nr_errors >= XLCFG_ERRORS_MAX)
			break;
		if (rc == -EINVAL)
			rc = recover(r);
	}
	free(r->t.text);
	return rc == -ENOMEM ? rc : 0;
}

int xlcfg_read(struct xlcfg_settings *s, const char *file, const char *text, size_t size)
{
	struct reader r = { .s = s };

	xlcfg_lexer_init(&r.lx, file, text, size, s->diags);
	return read_all(&r);
}

int xlcfg_read_override(struct xlcfg_settings *s, const char *place_file, int number,
			const char *argument)
{
	const char *equals = strchr(argument, '=');
	struct reader r = { .s = s, .override = true };
	const char *p = equals ? equals + 1 : "";

	while (*p == ' ')
		p++;
	xlcfg_lexer_init(&r.lx, place_file, argument, strlen(argument), s->diags);
	r.lx.line = number;
	if (equals && equals > argument && *p && !strchr("\"'[", *p) &&
	    !isdigit((unsigned char)*p)) {
		struct diag_place place = { place_file, number, 1, NULL };
		bool add = equals[-1] == '+';
		struct xlcfg_value v = { .quoted = true,
					 .exact = true,
					 .file = place_file,
					 .line = number,
					 .column = (int)(p - argument) + 1 };
		char *name = strndup(argument, (size_t)(equals - argument) - add);
		int rc;

		v.text = strdup(p);
		v.len = strlen(p);
		rc = name && v.text ? store(&r, name, &place, add, &v) : -ENOMEM;
		free(name);
		xlcfg_value_fini(&v);
		return rc == -ENOMEM ? rc : 0;
	}
	return read_all(&r);
}
