/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, routes and neighbours as the kernel lists them: which are the same, and which are there. */
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "vswitch/index.h"
#include "vswitch/plan_priv.h"

#define IP6_METRIC_KERNEL 256

bool vs_addr_same(const struct vs_addr *a, const struct vs_addr *b)
{
	return a->family == b->family && a->prefix_len == b->prefix_len &&
	       !memcmp(a->local, b->local, sizeof(a->local));
}

bool vs_route_same_key(const struct vs_route *a, const struct vs_route *b)
{
	return a->family == b->family && a->prefix_len == b->prefix_len && a->table == b->table &&
	       a->metric == b->metric && a->tos == b->tos && !memcmp(a->to, b->to, sizeof(a->to));
}

bool vs_route_serves(const struct vs_route *have, const struct vs_route *want)
{
	return vs_route_same_key(have, want) && have->has_via == want->has_via &&
	       !memcmp(have->via, want->via, sizeof(have->via)) &&
	       (!want->has_source ||
		(have->has_source && !memcmp(have->source, want->source, sizeof(have->source))));
}

bool vs_neigh_same_key(const struct vs_neigh *a, const struct vs_neigh *b)
{
	return a->family == b->family && a->is_proxy == b->is_proxy &&
	       !memcmp(a->address, b->address, sizeof(a->address));
}

const struct vs_neigh *vs_find_neigh(const struct vs_observed *o, int ifindex,
				     const struct vs_neigh *neigh)
{
	struct index_key key = { .of = INDEX_NEIGH, .number = ifindex, .neigh = neigh };
	size_t i = vs_index_find(o, &key);

	return i == INDEX_NONE ? NULL : &o->neighs[i].neigh;
}

const struct vs_addr *vs_find_addr(const struct vs_observed *o, int ifindex,
				   const struct vs_addr *a)
{
	struct index_key key = { .of = INDEX_ADDR, .number = ifindex, .addr = a };
	size_t i = vs_index_find(o, &key);

	return i == INDEX_NONE ? NULL : &o->addrs[i].addr;
}

const struct vs_route *vs_find_route(const struct vs_observed *o, int ifindex,
				     const struct vs_route *want)
{
	struct index_key key = { .of = INDEX_ROUTE, .number = ifindex, .route = want };
	size_t i = vs_index_find(o, &key);

	return i == INDEX_NONE ? NULL : &o->routes[i].route;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int bytes = len / 8, bits = len % 8;
	uint8_t mask = (uint8_t)(0xff00u >> bits);

	return !memcmp(a, b, bytes) && (!bits || !((a[bytes] ^ b[bytes]) & mask));
}

bool vs_route_is_automatic(const struct vs_observed *o, const struct vs_link_route *r)
{
	const struct vs_route *route = &r->route;
	const struct vs_addr *a;
	uint32_t metric;

	/* fe80::/10 and ff00::/8 belong to the link. */
	if (route->family == AF_INET6 && route->prefix_len >= 8 &&
	    (route->to[0] == 0xff || (route->to[0] == 0xfe && (route->to[1] & 0xc0) == 0x80)))
		return true;
	if (route->protocol != RTPROT_KERNEL || route->has_via)
		return false;
	for (size_t i = 0; i < o->nr_addrs; i++) {
		a = &o->addrs[i].addr;
		metric = a->metric ? a->metric : a->family == AF_INET6 ? IP6_METRIC_KERNEL : 0;
		if (o->addrs[i].ifindex == r->ifindex && a->family == route->family &&
		    !(a->flags & IFA_F_NOPREFIXROUTE) && route->metric == metric &&
		    (a->prefix_len == route->prefix_len || route->prefix_len == 32 ||
		     route->prefix_len == 128) &&
		    same_prefix(a->peer, route->to, route->prefix_len))
			return true;
	}
	return false;
}
