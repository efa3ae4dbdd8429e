/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every revision that was confirmed, a file each in DIR/history: who, when, why, and the policy's text.
 * It outlives the boot, other than state and journal, which speak of what is in the kernel now.
 *
 * A revision is written and flushed before the transaction commits, and gets its name after: a full disk
 * is an error in time, and a crash between leaves the revision before as the last one.
 */
#ifndef POLICY_HISTORY_H
#define POLICY_HISTORY_H

#include <limits.h>
#include <stdbool.h>

#include <jansson.h>

#define HISTORY_MAX 50 /* revisions kept */

struct history {
	char dir[PATH_MAX];
	json_int_t last; /* newest revision; 0: none */
	bool is_prepared;
};

/* @state_dir: exists. Return: 0; -errno. */
int history_open(struct history *h, const char *state_dir);
/*
 * @entry: {author, uid, message?, file?, policy?, result, steps, serial: the transaction's}, borrowed; revision and when are added.
 * No policy: all was taken down.
 */
int history_prepare(struct history *h, json_t *entry);
/* What was prepared is the newest revision now. Return: 0; -errno: it is not. */
int history_publish(struct history *h);
/* A predecessor was killed: what it prepared for the transaction @serial that holds is published. */
int history_recover(struct history *h, json_int_t serial);
/* Safe without anything prepared. */
void history_discard(struct history *h);
/* Return: 0; -ENOENT; -EBADMSG: it is damaged; -errno. */
int history_read(const struct history *h, json_int_t revision, json_t **entry_out);
/* All, oldest first, without their policies. NULL: out of memory. */
json_t *history_list(const struct history *h);

#endif
