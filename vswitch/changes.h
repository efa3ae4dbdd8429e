/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * That something of the host's network has changed, and by whom as far as the kernel tells: links,
 * addresses, routes, rules, permanent neighbours, qdiscs, forwarding switches, nftables. What exactly it
 * means is found by looking at all; so no message is taken for more than a hint, and lost ones do no harm.
 */
#ifndef VSWITCH_CHANGES_H
#define VSWITCH_CHANGES_H

#include "base/loop.h"
#include "vswitch/vswitch.h"

struct vs_change {
	const char *what;    /* "address", "route", "nftables"; "": more than could be told */
	char link[IFNAMSIZ]; /* ""; of what */
	bool is_inner;	     /* of a route: it does not lead everywhere */
	pid_t pid;	     /* who did it; 0: unknown */
	char process[32];    /* its name; "": gone already */
};

struct vs_changes;

/* @fn: of every change but nftables' by this process. Return: 0; -errno. */
int vs_changes_open(struct loop *loop, void (*fn)(void *arg, const struct vs_change *change),
		    void *arg, struct vs_changes **changes_out);
/* NULL is allowed. */
void vs_changes_close(struct vs_changes *changes);

#endif
