/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrost-netback's switch translates by itself: "nat" of a VS_DOC_FAST_NETWORK, a bridge that networks of mode
 * nat leave by, as vswitch/fast/nat.h says.
 *
 *	inside, ports	planned: guests' subnets; the pool's ports
 *	forwards	planned: what fastnet_forward.h says, at the pool's address
 *	kernel		planned: ends of all forwards, since the kernel may do any: what they say beside flows is its
 *	flows, flows-per-guest	planned, the same everywhere
 *	pool		the address that the kernel would translate to, at any moment: it comes and goes without a
 *				plan, so a plan wants the one that is there
 *
 * The pool's ports are what Linux once had for this: above ip_local_port_range as it is everywhere, so that sockets
 * and others' masquerading, which keeps ports, do not meet them. They are kept from sockets (ports.h), and our own
 * masquerading in the kernel stays below (rules_nat.c).
 */
#ifndef VSWITCH_FASTNET_NAT_H
#define VSWITCH_FASTNET_NAT_H

#include "vswitch/plan_priv.h"

#define FASTNET_POOL_FIRST   61000
#define FASTNET_FLOWS	     131072 /* 12 MiB */
#define FASTNET_GUEST_FLOWS  16384
#define FASTNET_KERNEL_PORTS "1024-60999" /* of nft */

/* Whether @bridge translates IPv4 of @n, of mode nat. */
bool fastnet_translates_for(const struct vs_wanted *w, const struct vs_network *bridge,
			    const struct vs_network *n);
bool fastnet_translates(const struct vs_wanted *w, const struct vs_network *bridge);
/* Which does. NULL: none, and why the kernel has to; the cure too, where it is the policy's. */
const struct vs_network *fastnet_translator(const struct vs_wanted *w, const struct vs_network *n,
					    char *why, size_t size);
/* The ports; false: nothing is translated. */
bool fastnet_pool(const struct vs_wanted *w, struct vs_port_range *pool);

/* "nat" of a bridge without its pool; a new reference, NULL: out of memory. */
json_t *fastnet_nat_doc(const struct vs_wanted *w, const struct vs_network *bridge);
/* "pool", where the link of @bridge has @addrs, as the kernel lists them; a new reference, NULL: out of memory. */
json_t *fastnet_pool_doc(const struct vs_wanted *w, const struct vs_network *bridge,
			 const struct vs_link_addr *addrs, size_t nr);

#endif
