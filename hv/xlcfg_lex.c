/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens of an xl.cfg text. As xl's own scanner, plus what people write out of habit from Python:
 * triple quotes and a backslash at the end of a line.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/xlcfg_priv.h"

void xlcfg_lexer_init(struct xlcfg_lexer *lx, const char *file, const char *text, size_t size,
		      struct diags *diags)
{
	*lx = (struct xlcfg_lexer){ .file = file,
				    .p = text,
				    .end = text + size,
				    .line_start = text,
				    .line = 1,
				    .diags = diags };
}

static int column_of(const struct xlcfg_lexer *lx, const char *p)
{
	return (int)(p - lx->line_start) + 1;
}

static void newline(struct xlcfg_lexer *lx)
{
	lx->line++;
	lx->line_start = lx->p;
}

static void bad(struct xlcfg_lexer *lx, const char *at, const char *hint, const char *message)
{
	struct diag_place place = { lx->file, lx->line, column_of(lx, at), NULL };

	diag_add(lx->diags, DIAG_ERROR, "XL0101", &place, hint, "%s", message);
}

void xlcfg_lexer_skip_line(struct xlcfg_lexer *lx)
{
	while (lx->p < lx->end && *lx->p != '\n')
		lx->p++;
	if (lx->p < lx->end) {
		lx->p++;
		newline(lx);
	}
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

static bool operator_at(const struct xlcfg_lexer *lx, const char *p)
{
	while (p < lx->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < lx->end && *p == '+')
		p++;
	return p < lx->end && *p == '=';
}

bool xlcfg_lexer_at_setting(const struct xlcfg_lexer *lx)
{
	const char *p = lx->p;

	while (p < lx->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == lx->end)
		return true;
	if (!isalpha((unsigned char)*p))
		return false;
	while (p < lx->end && word_char(*p))
		p++;
	return operator_at(lx, p);
}

bool xlcfg_lexer_at_operator(const struct xlcfg_lexer *lx)
{
	return operator_at(lx, lx->p);
}

static void skip_blanks(struct xlcfg_lexer *lx)
{
	while (lx->p < lx->end) {
		size_t left = (size_t)(lx->end - lx->p);

		if (*lx->p == ' ' || *lx->p == '\t' ||
		    (*lx->p == '\r' && left > 1 && lx->p[1] == '\n')) {
			lx->p++;
		} else if (*lx->p == '\\' && left > 1 && lx->p[1] == '\n') {
			lx->p += 2;
			newline(lx);
		} else if (*lx->p == '\\' && left > 2 && lx->p[1] == '\r' && lx->p[2] == '\n') {
			lx->p += 3;
			newline(lx);
		} else if (*lx->p == '#') {
			while (lx->p < lx->end && *lx->p != '\n')
				lx->p++;
		} else {
			return;
		}
	}
}

/* @digits of base @base at lx->p. Return: the value, -1 when there are none or it is 0 or too
 * large. */
static int escape_number(struct xlcfg_lexer *lx, int digits, int base)
{
	char text[4] = "", *end;
	int n = 0;
	long value;

	while (n < digits && lx->p + n < lx->end && isxdigit((unsigned char)lx->p[n])) {
		if (base == 8 && lx->p[n] > '7')
			break;
		text[n] = lx->p[n];
		n++;
	}
	value = strtol(text, &end, base);
	if (!n || value < 1 || value > 255)
		return -1;
	lx->p += n;
	return (int)value;
}

/* After a backslash. Return: the byte, -1 after reporting. */
static int escape(struct xlcfg_lexer *lx)
{
	static const char from[] = "\\'\"nrt", to[] = "\\'\"\n\r\t";
	const char *start = lx->p - 1, *found;
	int value = -1;
	char c = *lx->p;

	found = c ? strchr(from, c) : NULL;
	if (found) {
		lx->p++;
		return to[found - from];
	}
	if (c == 'x') {
		lx->p++;
		value = escape_number(lx, 2, 16);
	} else if (c >= '0' && c <= '7') {
		value = escape_number(lx, 3, 8);
	}
	if (value < 0)
		bad(lx, start, "allowed after a backslash: \\ ' \" n r t xHH and octal, not 0",
		    "unknown escape in a string");
	return value;
}

static int string(struct xlcfg_lexer *lx, struct xlcfg_token *t)
{
	char quote = *lx->p;
	bool triple = lx->end - lx->p >= 3 && lx->p[1] == quote && lx->p[2] == quote;
	char *out = malloc((size_t)(lx->end - lx->p) + 1);
	bool failed = false;
	size_t n = 0;

	if (!out)
		return -ENOMEM;
	lx->p += triple ? 3 : 1;
	t->column = column_of(lx, lx->p);
	t->exact = true;
	for (;;) {
		int c;

		if (lx->p == lx->end || (*lx->p == '\n' && !triple)) {
			struct diag_place place = { lx->file, t->line, t->column - (triple ? 3 : 1),
						    NULL };

			diag_add(lx->diags, DIAG_ERROR, "XL0102", &place,
				 triple ? "close it with the same three quotes"
					: "close it with the same quote on the same line",
				 "this string is not closed");
			failed = true;
			break;
		}
		if (*lx->p == quote &&
		    (!triple || (lx->end - lx->p >= 3 && lx->p[1] == quote && lx->p[2] == quote))) {
			lx->p += triple ? 3 : 1;
			break;
		}
		c = (unsigned char)*lx->p++;
		if (c == '\\' && lx->p < lx->end) {
			t->exact = false;
			if (*lx->p == '\n' || *lx->p == '\r') {
				lx->p += *lx->p == '\r' && lx->end - lx->p > 1 ? 2 : 1;
				newline(lx);
				continue;
			}
			c = escape(lx);
			failed |= c < 0;
		} else if (c == '\n') {
			t->exact = false;
			newline(lx);
		} else if (c == '\0') {
			bad(lx, lx->p - 1, NULL, "a string cannot hold a NUL byte");
			failed = true;
		}
		if (!failed)
			out[n++] = (char)c;
	}
	out[n] = '\0';
	if (failed) {
		free(out);
		t->type = TOKEN_BAD;
		return 0;
	}
	t->type = TOKEN_STRING;
	t->text = out;
	t->len = n;
	return 0;
}

static int word(struct xlcfg_lexer *lx, struct xlcfg_token *t, enum xlcfg_token_type type)
{
	const char *start = lx->p++;

	while (lx->p < lx->end && word_char(*lx->p))
		lx->p++;
	t->type = type;
	t->len = (size_t)(lx->p - start);
	t->exact = true;
	t->text = strndup(start, t->len);
	return t->text ? 0 : -ENOMEM;
}

int xlcfg_lex(struct xlcfg_lexer *lx, struct xlcfg_token *t)
{
	static const struct {
		char c;
		enum xlcfg_token_type type;
	} single[] = {
		{ ',', TOKEN_COMMA },  { '[', TOKEN_OPEN },    { ']', TOKEN_CLOSE },
		{ '=', TOKEN_ASSIGN }, { ';', TOKEN_NEWLINE },
	};
	char c;

	skip_blanks(lx);
	*t = (struct xlcfg_token){ .line = lx->line, .column = column_of(lx, lx->p) };
	t->start_column = t->column;
	if (lx->p == lx->end) {
		t->type = TOKEN_END;
		return 0;
	}
	c = *lx->p;
	for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
		if (c == single[i].c) {
			lx->p++;
			t->type = single[i].type;
			return 0;
		}
	if (c == '\n') {
		lx->p++;
		newline(lx);
		t->type = TOKEN_NEWLINE;
		return 0;
	}
	if (c == '+' && lx->end - lx->p > 1 && lx->p[1] == '=') {
		lx->p += 2;
		t->type = TOKEN_ADD;
		return 0;
	}
	if (c == '"' || c == '\'')
		return string(lx, t);
	if (isdigit((unsigned char)c) ||
	    (c == '-' && lx->end - lx->p > 1 && isdigit((unsigned char)lx->p[1])))
		return word(lx, t, TOKEN_NUMBER);
	if (isalpha((unsigned char)c) || c == '_')
		return word(lx, t, TOKEN_WORD);
	bad(lx, lx->p,
	    strchr("+-.():{}*%", c) && c
		    ? "this is data, not Python: only key = number, \"string\" or [list]"
		    : "allowed: key = number, \"string\" or [list]",
	    "this character has no meaning here");
	lx->p++;
	t->type = TOKEN_BAD;
	return 0;
}
