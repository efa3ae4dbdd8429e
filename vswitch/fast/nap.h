/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a port that has run out of work is armed, so that the next frame is an event, or looked at again in a
 * moment, and in how long a one. An event costs its guest an exit and this thread a wakeup; a look may find many
 * frames for one wakeup, and lets a frame that somebody waits for wait. Which is better nobody can tell but by trying:
 * each other way is tried in turn for a window, by how many frames come, and the better one kept, for longer each time
 * that the other is no better. The network's thread only.
 */
#ifndef VSWITCH_FAST_NAP_H
#define VSWITCH_FAST_NAP_H

#include <stdbool.h>
#include <stdint.h>

#define FAST_NAP_WINDOW_NS 20000000u

struct fast_nap {
	unsigned int way, kept;	   /* of nap.c's table; not the same: the first is on trial */
	unsigned int tried;	   /* last */
	unsigned int nr_rests;	   /* in this window */
	unsigned int nr_windows;   /* until another way is tried */
	unsigned int patience;	   /* the same, once a trial has failed */
	uint64_t began_ns, frames; /* of the window, and how many there were then */
	uint64_t kept_rate; /* of the way that is kept, before the trial; in frames a second */
};

/* The port, which has had @frames so far, is out of work. Return: nanoseconds until it is looked at again; 0: arm it. */
uint64_t fast_nap(struct fast_nap *n, uint64_t frames, uint64_t now_ns);

#endif
