/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of a Xen console ring (xen/io/console.h): what a Linux guest prints comes out, what its
 * operator types goes in. The page is the guest's to scribble on: indexes are our own once we have begun,
 * the guest's are read once and bounded, and a guest that does nothing but ring is heard less often.
 * One thread, the loop's.
 */
#ifndef HV_CONSOLE_RING_H
#define HV_CONSOLE_RING_H

#include <stddef.h>

#include "base/loop.h"

#define CONSOLE_RING_TURNS     64 /* times that the guest is heard within CONSOLE_RING_PERIOD_MS */
#define CONSOLE_RING_PERIOD_MS 100

struct console_ring;
struct xencons_interface;

struct console_ring_params {
	struct loop *loop;
	struct xencons_interface *page; /* mapped as long as the ring lives */
	int from_guest, to_guest;	/* eventfds of its channel; borrowed */
	/* What the guest prints, at most a ring's worth at a time. */
	void (*output)(void *arg, const char *data, size_t size);
	/* It may have taken what was typed: console_ring_room() is worth asking again. */
	void (*taken)(void *arg);
	void *arg;
};

/* Starts where the page says that a predecessor ended. */
int console_ring_create(const struct console_ring_params *params, struct console_ring **ring_out);
/* NULL is allowed. */
void console_ring_free(struct console_ring *r);
/* Bytes that can be typed now. */
size_t console_ring_room(const struct console_ring *r);
/* @size: at most console_ring_room(); what is more is dropped. */
void console_ring_input(struct console_ring *r, const char *data, size_t size);
/* What the guest has printed last, whether it has rung or not. */
void console_ring_drain(struct console_ring *r);

#endif
