/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's text as a tree of maps, lists and texts with places, before any meaning; and the
 * memory that it and the structs made of it live in. Private to the loader and the printer.
 */
#ifndef POLICY_TREE_H
#define POLICY_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/htab.h"
#include "policy/policy.h"

struct pol_chunk;

/* Memory given back all at once. A zeroed one is valid and empty. */
struct pol_arena {
	struct pol_chunk *chunks;
};

/* Zeroed and aligned for any type; NULL when out of memory. */
void *pol_alloc(struct pol_arena *arena, size_t size);
/* @len bytes of @text and a NUL. */
char *pol_copy(struct pol_arena *arena, const char *text, size_t len);
void pol_arena_fini(struct pol_arena *arena);

enum pol_node_type { POL_NODE_SCALAR, POL_NODE_LIST, POL_NODE_MAP };

struct pol_node {
	enum pol_node_type type;
	bool is_plain; /* a scalar without quotes: may be a number, a truth value or nothing */
	struct pol_place place; /* of the value */
	const char *text;	/* a scalar's: no NUL inside, valid UTF-8 */
	size_t nr;		/* children */
	struct pol_node *first, *last, *next, *parent;

	const char *key; /* in a map; NULL in a list */
	struct pol_place key_place;
	size_t index; /* in a list */
	struct htab_node by_key;
};

/* What goes with every step of reading: where memory comes from and errors go to. */
struct pol_reader {
	struct pol_arena *arena;
	struct diags *ds;
	const char *file;     /* of the part being read; then of the first */
	size_t errors_before; /* in @ds, of other files */
	bool has_parts;	      /* several files: a line alone does not say where */
	int rc;		      /* -ENOMEM once memory ran out; what was read is then incomplete */
};

/* "line 12", for messages; "line 12 of FILE" when the policy has several. */
const char *pol_at(struct pol_reader *r, const struct pol_place *place);

/* Plain and empty, "~" or "null". */
bool pol_node_is_null(const struct pol_node *node);
/* A key for the users' own notes. */
bool pol_is_note(const char *key);

/* Of a character of pol_utf8_len() bytes. C0, DEL and C1: what a terminal might act on. */
bool pol_is_control(const unsigned char *p, size_t len);

/* @text for a message, quoted, shortened, unprintable bytes escaped. Return: @out. */
#define POL_QUOTE_MAX 96
const char *pol_quote(char out[POL_QUOTE_MAX], const char *text);

/* JSON-pointer-like path of @node, shortened at the front when long. */
#define POL_PATH_MAX 256
void pol_node_path(char out[POL_PATH_MAX], const struct pol_node *node);

/**
 * pol_error() - Add a located error
 * @node:	For the path; NULL: none
 * @place:	For the line; NULL: @node's
 * @hint:	What is allowed, or NULL
 * After POL_ERRORS_MAX errors one last message says that there are more.
 */
#define POL_ERRORS_MAX 1000
void pol_error(struct pol_reader *r, const char *code, const struct pol_node *node,
	       const struct pol_place *place, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* Whether this text has errors already: warnings would only distract from them. */
bool pol_has_errors(const struct pol_reader *r);
/* Whether one more error would not be shown. */
bool pol_errors_full(const struct pol_reader *r);
void pol_warning(struct pol_reader *r, const char *code, const struct pol_node *node,
		 const struct pol_place *place, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* The first bytes of @text that are not what a policy file may hold: bad UTF-8, control characters.
 */
int pol_text_check(struct pol_reader *r, const char *text, size_t size);
/* Length of the UTF-8 character at @p, 0 when it is none. */
size_t pol_utf8_len(const unsigned char *p, size_t left);

/* Errors are added to @r; *root_out is NULL when there is no usable tree. Return: 0; -EINVAL;
 * -ENOMEM. */
int pol_tree_read(struct pol_reader *r, const char *text, size_t size, struct pol_node **root_out);

#endif
