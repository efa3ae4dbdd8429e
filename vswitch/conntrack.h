/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending connections that the kernel tracks, over ctnetlink. Which, is a JSON object:
 *
 *	"ends"		addresses: all of which one is an end, as the guest sees it
 *	"bridge", "zone"	there: those that ovs-vswitchd tracks for this bridge itself, and no others
 *	"forwards"	[ { "protocol", "first", "last", "to" } ]: those that came by a forward of
 *			these ports to that address
 *
 * The kernel has no index by address: each question walks through its whole table, 25 ms with the usual
 * 262144 buckets however few entries there are. So one walk serves all that is asked, and what a vif's
 * attach asks for is done beside it by a thread.
 */
#ifndef VSWITCH_CONNTRACK_H
#define VSWITCH_CONNTRACK_H

#include <jansson.h>

/* @why: VS_TEXT_LEN bytes. Return: how many have been ended; -errno. */
int vs_conntrack_end(const json_t *which, char *why);
/* The same soon, of "ends" alone; failures are logged. Return: 0; -EINVAL; -ENOMEM; -EAGAIN: no thread. */
int vs_conntrack_end_soon(const json_t *which);
/* Those of a "bridge"; @ctx: of its kind of documents. */
int ovs_conntrack_end(void *ctx, const json_t *which, char *why);
/* Wait until all of that is done. */
void vs_conntrack_wait(void);

#endif
