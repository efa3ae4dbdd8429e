/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links that come, go and change, as the kernel tells of them. */
#ifndef VSWITCH_RTNL_EVENTS_H
#define VSWITCH_RTNL_EVENTS_H

#include "base/loop.h"
#include "vswitch/vswitch.h"

struct vs_events;

/**
 * vs_events_open() - Hear of links from now on
 * @fn: @link NULL: some events were lost, look at everything; @is_gone: the link was deleted.
 */
int vs_events_open(struct loop *loop,
		   void (*fn)(void *arg, const struct vs_link *link, bool is_gone), void *arg,
		   struct vs_events **events_out);
/* NULL is allowed. */
void vs_events_close(struct vs_events *events);

#endif
