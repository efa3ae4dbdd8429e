/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routing in user space: what is known to the last step goes on at once, all else is the kernel's, by the
 * network's TAP. Neighbours are resolved by the kernel alone: whoever writes the document has them from it.
 * The document is
 *
 *	prefixes	[{"to","network","mac","via-mac","mtu"}]: the longest that has the destination wins;
 *			network: where the next hop is; mac: of the host's end there; via-mac: of the next hop, not there: not
 *			resolved, the kernel's to do; mtu: 1500. A prefix whose hosts are next to us has no
 *			via-mac, and for each that is resolved there is one of full length
 *
 * The kernel gets what has options or extension headers, an end of its way (TTL, size), groups, addresses of one
 * link, frames with tags, and what has no prefix: it answers, or drops it. Routes never change, any thread may ask.
 */
#ifndef VSWITCH_FAST_ROUTE_H
#define VSWITCH_FAST_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/parse.h"
#include "vswitch/fast/guard.h"
#include "vswitch/fast/head.h"

#define FAST_ROUTES_MAX 100000u

struct fast_hop {
	uint32_t port; /* as port_of said of the network */
	uint16_t mtu;
	bool is_resolved;
	uint8_t macs[2 * MAC_LEN]; /* to, from: as a frame begins */
};

struct fast_routes;

/**
 * fast_routes_compile() - Routes of their document
 * @port_of:	The number of the network called so; -1: there is none
 * @why:	FAST_WHY_MAX bytes: cause and cure
 * Return: 0, with what the caller destroys; -EINVAL; -ENOMEM; -E2BIG.
 */
int fast_routes_compile(const json_t *doc, int (*port_of)(void *ctx, const char *name), void *ctx,
			struct fast_routes **out, char *why);
/* NULL is allowed. */
void fast_routes_destroy(struct fast_routes *r);

/**
 * fast_route_find() - Where a frame goes that came for the gateway's MAC
 * @gso_size:	Bytes of payload of its segments; 0: it is one
 * Return: to be followed by fast_route_take(); NULL: to the kernel.
 */
const struct fast_hop *fast_route_find(const struct fast_routes *r, const struct fast_head *h,
				       uint16_t gso_size);
/* Where its answers would go, whatever they are; NULL: that is the kernel's to do. */
const struct fast_hop *fast_route_back(const struct fast_routes *r, const struct fast_head *h);
/* Whether it could go on but that nobody says where: no matter of its own form, TTL or size. */
bool fast_route_is_cut(const struct fast_routes *r, const struct fast_head *h);
/* It goes there: MACs, TTL and IPv4 checksum are rewritten. */
void fast_route_take(const struct fast_hop *hop, struct fast_head *h);

#endif
