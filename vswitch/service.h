/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Daemons of others that work for a network, each in a folder <run-dir>/<kind>/<network>/ with what it was
 * told (doc.json) and its files; its process is known as <kind>/<network> (base/child.h).
 */
#ifndef VSWITCH_SERVICE_H
#define VSWITCH_SERVICE_H

#include <limits.h>
#include <stdbool.h>

#include <jansson.h>

#include "vswitch/vswitch.h"

struct service {
	const char *rundir;
	const char *kind;	/* "dnsmasq" */
	char name[VS_TEXT_LEN]; /* "dnsmasq/nat0" */
	char dir[PATH_MAX];
};

/* What documents of one such daemon have of their own. */
struct service_kind {
	const char *name; /* of its folder and its program */
	enum vs_doc_kind doc;
	int stop_ms;
	/* Whether it runs, and its files are as @doc has them. */
	bool (*is_as_told)(const struct service *s, const char *network, const json_t *doc);
	int (*set)(const struct service *s, const char *network, const json_t *doc, char *why);
};

/* service_docs.c: struct vs_doc_ops (docs.h) of such a kind. */
int service_open(const char *rundir, void **ctx, char *why);
void service_close(void *ctx);
int service_get(const struct service_kind *k, void *ctx, const char *network, json_t **doc);
int service_observe(const struct service_kind *k, void *ctx, struct vs_observed *o);
int service_apply(const struct service_kind *k, void *ctx, const char *network, const json_t *doc,
		  char *why);

/* Return: 0; -EINVAL: @network is no name of a network. */
int service_init(struct service *s, const char *rundir, const char *kind, const char *network);
/* Its folder, and those in it, readable for a daemon without rights. */
int service_make_dirs(const struct service *s, const char *const *inner, size_t nr);
/* Its folder with all that is in it, and what it said. */
void service_remove(const struct service *s);
/* Whole at any time for whoever reads it. @file: in the service's folder. */
int service_write(const struct service *s, const char *file, const char *text);
/* *text_out: the caller's. -ENOENT. */
int service_read(const struct service *s, const char *file, char **text_out);
/* Whether @file holds exactly @text. */
bool service_holds(const struct service *s, const char *file, const char *text);
void service_unlink(const struct service *s, const char *file);
bool service_has(const struct service *s, const char *file);
/* The strings of a JSON array, one a line. The caller's; NULL: out of memory. */
char *service_lines(const json_t *list);
int service_write_doc(const struct service *s, const json_t *doc);
/* NULL: none. A reference of the caller's. */
json_t *service_read_doc(const struct service *s);
/*
 * End its process, and what one of that name that died otherwise has left: processes called @program of the
 * session that it had been given. Return: as child_stop().
 */
int service_stop(const struct service *s, const char *program, int timeout_ms);
/* The last line that it said before it died. */
void service_last_words(const struct service *s, char *why, size_t size);
/* A program on PATH or where Debian has daemons. Return: false: not installed. */
bool service_find_program(const char *name, char path[PATH_MAX]);
/* Which of @lacks, programs, are not installed. */
unsigned int vs_services_lacking(unsigned int lacks);
/* Calls @fn for each network that has a folder, until it returns other than 0. */
int service_each(const char *rundir, const char *kind, int (*fn)(void *arg, const char *network),
		 void *arg);

#endif
