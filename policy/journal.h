/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a transaction is about to do, on disk before it does it. One file, DIR/journal, of lines
 * "<crc32 of the rest> <json>"; each is on disk when journal_append() returns. A torn or changed line
 * ends the journal: what follows it is not believed.
 *
 *	{"type": "begin", "steps": [...], "state": {...}, "meta": ...}
 *		state: to be saved when all are done; meta: for whom, apply.h
 *	{"type": "start", "step": k, "last": m}		steps k to m may or may not have happened
 *	{"type": "done"}				all of them have
 *	{"type": "back", "step": k}			undone: all above k; k and below may be
 *	{"type": "stuck", "step": k}			could not be undone
 *	{"type": "note", "note": ...}			what was said of it since
 */
#ifndef POLICY_JOURNAL_H
#define POLICY_JOURNAL_H

#include <stdbool.h>

#include <jansson.h>

struct journal {
	int fd; /* -1: none */
};

/* Start a new one in @dir, which must not have one: -EEXIST. */
int journal_create(const char *dir, struct journal *j);
/* Go on with the one that is there, whole to its end. */
int journal_open(const char *dir, struct journal *j);
/* @entry: stolen. */
int journal_append(struct journal *j, json_t *entry);
/* Safe on one that was never created. */
void journal_close(struct journal *j);
/* All believed entries, an array; -ENOENT: no journal. @torn: whether something followed them. */
int journal_read(const char *dir, json_t **entries_out, bool *torn);
int journal_remove(const char *dir);

/* Replace DIR/@name by @value's text: after a crash it is the old one or the new one. */
int file_replace(const char *dir, const char *name, const json_t *value);
/* Names that came or went in it are on disk. */
int file_sync_dir(const char *dir);

#endif
