/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending connections that the kernel tracks, over ctnetlink. Which, is a JSON object:
 *
 *	"ends"		addresses: all of which one is an end, as the guest sees it
 *	"forwards"	[ { "protocol", "first", "last", "to" } ]: those that came by a forward of
 *			these ports to that address
 *
 * The kernel looks through its table for each address and hands over only what has it.
 */
#ifndef VSWITCH_CONNTRACK_H
#define VSWITCH_CONNTRACK_H

#include <jansson.h>

/* @why: VS_TEXT_LEN bytes. Return: how many have been ended; -errno. */
int vs_conntrack_end(const json_t *which, char *why);

#endif
