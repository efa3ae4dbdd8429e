/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of a burst's frames before any of them is decided upon. */
#ifndef VSWITCH_FAST_AHEAD_H
#define VSWITCH_FAST_AHEAD_H

#include "vswitch/fast/net.h"

/* A bit for each frame. */
struct fast_ahead {
	uint64_t
		like; /* guard and firewall say of it what they said of the one before, and remember the same */
	uint64_t read; /* its head is there */
	struct fast_head heads[FAST_BURST];
};

_Static_assert(FAST_BURST <= 64, "a bit for each frame");

/* Read headers where they decide, and call for the lines of their connections. @again: MACs and VLAN are the last's. */
void fast_look_ahead(const struct fast_burst *b, uint64_t again, struct fast_ahead *a);

#endif
