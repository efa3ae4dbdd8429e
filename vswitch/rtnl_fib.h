/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes and neighbours of the host, for who forwards in its place. */
#ifndef VSWITCH_RTNL_FIB_H
#define VSWITCH_RTNL_FIB_H

#include "base/loop.h"
#include "vswitch/vswitch.h"

#define VS_FIB_ROUTES_MAX 4096u
#define VS_FIB_NEIGHS_MAX 4096u

struct vs_fib_route {
	struct vs_prefix to;
	bool is_ours;  /* to the host itself */
	bool is_plain; /* one way, by a link; else only the kernel knows */
	bool has_via;
	int ifindex;
	uint8_t via[16];
	uint32_t metric, mtu; /* mtu 0: the link's */
};

struct vs_fib_neigh {
	int ifindex;
	uint8_t family, address[16], mac[MAC_LEN];
	bool is_stale; /* not heard of for a while */
};

/* Sorted, each prefix once, what lies in others behind them; neighbours that have an address, by that. */
struct vs_fib {
	struct vs_fib_route *routes;
	size_t nr_routes;
	struct vs_fib_neigh *neighs;
	size_t nr_neighs;
	char why[80]; /* why none of it can be used: it is not all that decides; "": it is */
};

/* -ENOMEM, -errno. */
int vs_fib_read(struct vs_system *sys, struct vs_fib *out);
void vs_fib_fini(struct vs_fib *fib);
/* Bring it in order: vs_fib_read() has. */
void vs_fib_sort(struct vs_fib *fib);
/* NULL: none. */
const struct vs_fib_route *vs_fib_find(const struct vs_fib *fib, const struct vs_prefix *address);
/* Have the kernel ask whether that neighbour is there, known or not, as if it had something for it. */
int vs_fib_confirm(struct vs_system *sys, const struct vs_fib_neigh *neigh);

struct vs_fib_events;

/*
 * vs_fib_events_open() - Hear that something of it may have changed
 * @fn: Once; then not again until vs_fib_events_rest(). So those that make many changes make no work.
 */
int vs_fib_events_open(struct loop *loop, void (*fn)(void *arg), void *arg,
		       struct vs_fib_events **events_out);
int vs_fib_events_rest(struct vs_fib_events *events);
/* NULL is allowed. */
void vs_fib_events_close(struct vs_fib_events *events);

#endif
