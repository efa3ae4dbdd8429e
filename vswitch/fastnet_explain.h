/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who routes and translates what guests say to elsewhere, for `vifrost explain`. */
#ifndef VSWITCH_FASTNET_EXPLAIN_H
#define VSWITCH_FASTNET_EXPLAIN_H

#include "vswitch/plan_priv.h"

/**
 * fastnet_explain() - Of @guest on @n, which is of mode nat or route on vifrost-netback's switch, or was to be
 * @doc_of:	A network's document as the switch has it; a new reference, NULL: it has none
 * @host_why:	Why no route of the host's is taken at all; "": they are
 *
 *	by		"user space" or "kernel"
 *	why		the kernel: why
 *	networks	user space: what comes from or goes to those
 *	address, ports	nat in user space: what guests are seen as
 *	kernel		user space: what the kernel does nevertheless
 *	forwards	to the guest: [{"name", "by", "why"}]
 *
 * Return: a new reference; NULL: another network, or out of memory.
 */
json_t *fastnet_explain(const struct vs_wanted *w, const struct vs_network *n, const char *guest,
			json_t *(*doc_of)(void *ctx, const char *network), void *ctx,
			const char *host_why);

#endif
