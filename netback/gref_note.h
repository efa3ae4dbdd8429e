/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest lets us have mapped, noted in a file that outlives us, so that whoever serves the same rings next
 * maps it again: frontends offer their pages once a connection. Written by the thread that serves the queue, a
 * store each time, so that a note is as good after a SIGKILL.
 */
#ifndef NETBACK_GREF_NOTE_H
#define NETBACK_GREF_NOTE_H

#include "netback/gref.h"

/* Whose pages they are: notes of another connection are none. Zeroed before it is filled. */
struct nb_gref_owner {
	char generation[64];
	uint32_t domid, from_ref, to_ref;
};

/**
 * nb_gref_note() - Note from now on in @path what @q, which nobody serves yet, has mapped
 * @restore:	Map first what is noted there for @owner; what the guest has revoked since is left out
 * Return: 0; -errno: nothing is noted.
 */
int nb_gref_note(struct nb_queue *q, const char *path, const struct nb_gref_owner *owner,
		 bool restore);

#endif
