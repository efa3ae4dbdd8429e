/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which forwards vifrost-netback's switch does itself: those of TCP whose IPv4 end is on a network of mode nat for which
 * a bridge translates, for what comes in by that bridge at the address that it translates to. The kernel has rules for
 * all of them, and does the same for whatever the switch leaves to it: another address to listen at, who is allowed by a
 * name or a device, a neighbour not resolved yet, guests, the host itself.
 *
 * UDP is the kernel's alone: only it can tell a forward's first from an answer to a socket of the host's, or to what it
 * translates itself, at that port; and answers in fragments find their way only where the question went by.
 */
#ifndef VSWITCH_FASTNET_FORWARD_H
#define VSWITCH_FASTNET_FORWARD_H

#include "vswitch/plan_priv.h"

/* @why: why it is the kernel's alone; NULL: it is not. */
typedef void (*fastnet_forward_fn)(void *ctx, const struct vs_forward *f, const char *why);

/* "forwards" of @bridge's "nat"; @said, or NULL, hears of each. A new reference, NULL: out of memory. */
json_t *fastnet_forwards_doc(const struct vs_wanted *w, const struct vs_network *bridge,
			     fastnet_forward_fn said, void *ctx);
/*
 * What these need to pass the firewall of @n's "route": an accepting rule for each, where the kernel's accepts what it
 * has forwarded, behind the policy's rules. Return: false: out of memory.
 */
bool fastnet_add_forwarded(const struct vs_wanted *w, const struct vs_network *n, json_t *rules);

#endif
