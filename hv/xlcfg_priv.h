/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the xl.cfg reader: values with their places, and the table of keys. */
#ifndef HV_XLCFG_PRIV_H
#define HV_XLCFG_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/diag.h"

#define XLCFG_DEPTH_MAX	 8   /* nested lists; bounds the recursion */
#define XLCFG_ERRORS_MAX 100 /* then reading stops */

struct xlcfg_value {
	bool list;
	bool quoted; /* a number written as a string is a number too, a string never is */
	bool exact;  /* byte n of the text stands n columns right of @column */
	char *text;
	size_t len;
	struct xlcfg_value *items;
	size_t nr, capacity;
	const char *file; /* borrowed */
	int line, column;
};

void xlcfg_value_fini(struct xlcfg_value *v);
/* The place of byte @offset of a string, as near as its quoting lets us say. */
struct diag_place xlcfg_place(const struct xlcfg_value *v, size_t offset);

enum xlcfg_token_type {
	TOKEN_END,
	TOKEN_NEWLINE, /* or ';' */
	TOKEN_WORD,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_COMMA,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_ASSIGN,
	TOKEN_ADD,
	TOKEN_BAD, /* already reported */
};

struct xlcfg_lexer {
	const char *file, *p, *end, *line_start;
	int line;
	struct diags *diags;
};

struct xlcfg_token {
	enum xlcfg_token_type type;
	char *text; /* words, numbers, strings: the taker's; others NULL */
	size_t len;
	bool exact;
	int line, column; /* of a string: its first byte */
	int start_column; /* of a string: its quote */
};

void xlcfg_lexer_init(struct xlcfg_lexer *lx, const char *file, const char *text, size_t size,
		      struct diags *diags);
/* The text is the token's; -ENOMEM is the only error returned. */
int xlcfg_lex(struct xlcfg_lexer *lx, struct xlcfg_token *token);
/* To the next line, past whatever is on this one. */
void xlcfg_lexer_skip_line(struct xlcfg_lexer *lx);
/* Whether what follows is "word =" or "word +=" or the end: where reading may take up again. */
bool xlcfg_lexer_at_setting(const struct xlcfg_lexer *lx);
/* Whether what follows is "=" or "+=". */
bool xlcfg_lexer_at_operator(const struct xlcfg_lexer *lx);

enum xlcfg_key_type {
	KEY_ANY, /* read, not looked into */
	KEY_STRING,
	KEY_TEXT, /* a string that may be empty */
	KEY_NUMBER,
	KEY_BOOL,
	KEY_CHOICE,
	KEY_COMMAND, /* a string or a list of strings */
	KEY_WORDS,   /* the same, an array in any case */
	KEY_ARGS,    /* the same, a string taken apart at its spaces */
	KEY_CPUS,
	KEY_VIFS,
	KEY_DISKS,
};

/* Types of domain, as bits: which of them a key means something to. */
enum xlcfg_domain_type { TYPE_NS = 1, TYPE_PV = 2, TYPE_PVH = 4, TYPE_HVM = 8, TYPE_ALL = 15 };

struct xlcfg_key {
	const char *name;
	enum xlcfg_key_type type;
	unsigned int acts; /* enum xlcfg_domain_type bits; 0: accepted with a warning */
	uint64_t min, max;
	const char *const *choices;
};

/* The keys of one kind of file. */
struct xlcfg_table {
	const struct xlcfg_key *keys;
	size_t nr;
	const char *allowed; /* for a hint */
};

extern const struct xlcfg_table xlcfg_domain_table; /* xl.cfg(5)'s, and ours */
extern const struct xlcfg_table xlcfg_global_table; /* xl.conf(5)'s */

/* Return: index into the table's keys, -1 when there is none. */
int xlcfg_key_find(const struct xlcfg_table *table, const char *name);
const char *xlcfg_key_nearest(const struct xlcfg_table *table, const char *name);

/* One setting per key of the table: nothing was said about it while value.file is NULL. */
struct xlcfg_settings {
	const struct xlcfg_table *table;
	struct xlcfg_value *values;
	struct diags *diags;
};

/* Read @text's settings into @s. Return: 0 even with errors in @s->diags; -ENOMEM. */
int xlcfg_read(struct xlcfg_settings *s, const char *file, const char *text, size_t size);
/* One "key=value" argument; @place_file names it in messages. */
int xlcfg_read_override(struct xlcfg_settings *s, const char *place_file, int number,
			const char *argument);
#endif
