/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the switch has learnt, from one that is paused to its successor: where MACs are, connections, translations.
 * It is a memfd of sections, each of one kind and one network with records of one size. Another layout is another
 * kind: whoever does not know a kind, or gets records of another size, passes over that section and says so.
 *
 * Ports' numbers are in those records, so that ports that come back have the numbers that they had. All that is
 * read is checked: what no connection can be, or is of a port that did not come back, is left out. What rules
 * said is not believed, only who began: the first packet asks the successor's rules.
 */
#ifndef VSWITCH_FAST_INHERIT_H
#define VSWITCH_FAST_INHERIT_H

#include <net/if.h>

struct fast;
struct fast_net;
struct fast_legacy;

/* Of @f, which is paused and has its ports. Return: a descriptor; -errno. */
int fast_bequeath(struct fast *f);
/* Read what @fd has, which is closed. NULL: nothing that is of use, and that is in the log. */
struct fast_legacy *fast_legacy_open(int fd);
/* NULL is allowed. */
void fast_legacy_close(struct fast_legacy *legacy);
/* The numbers that ports of the new @net had: it has not got any yet. */
void fast_legacy_ports(const struct fast_legacy *legacy, struct fast_net *net);
/* All ports are back, and @f is paused: their networks know what they knew. */
void fast_inherit(struct fast *f, const struct fast_legacy *legacy);

#endif
