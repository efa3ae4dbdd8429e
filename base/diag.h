/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Located messages about a text that a user wrote: all of them are collected, then printed as
 * "file:line:col: error: message" with a hint, or as JSON.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag_place {
	const char *file; /* NULL: the command line */
	int line, column; /* from 1; 0: unknown */
	const char *path; /* JSON-pointer-like, "/networks/nat0/dhpc"; NULL: none */
};

struct diag {
	enum diag_severity severity;
	const char *code; /* static, "VF0203" */
	char *file, *path, *message, *hint;
	int line, column;
};

struct diags {
	struct diag *v;
	size_t nr, capacity;
	size_t nr_errors;
};

/* A zeroed struct is an empty list. */
void diags_fini(struct diags *ds);

/**
 * diag_add() - Append one message; all texts are copied
 * @code:	Static string
 * @hint:	What is allowed or what to do, or NULL
 * Out of memory drops the text but still counts the error.
 */
void diag_add(struct diags *ds, enum diag_severity severity, const char *code,
	      const struct diag_place *place, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* Ordered by file, line, column. */
void diags_sort(struct diags *ds);
void diags_print(const struct diags *ds, FILE *out);
/* Array of {code,severity,message,hint,file,line,column,path}; NULL when out of memory. */
json_t *diags_json(const struct diags *ds);

#endif
