/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrost-netback's switch routes by itself: "route" of a VS_DOC_FAST_NETWORK.
 *
 *	firewall	what surely passes, as ovs_rules.h specifies it; what it refuses goes to the kernel, whose
 *			firewall knows more: devices, names, whom to tell. Absent: the policy has no firewall
 *	prefixes	as vswitch/fast/route.h says; of the host's routes and neighbours. They come and go without a
 *			plan, so a plan wants those that are there
 *
 * Networks of modes route and nat, and bridges beside them, take part where one thread serves both. A network of mode
 * nat does with IPv4, and with the bridge that translates for it (fastnet_nat.h); one of mode route that forwards lead
 * to does not: answers are translated back by the kernel, which has to see them.
 */
#ifndef VSWITCH_FASTNET_ROUTE_H
#define VSWITCH_FASTNET_ROUTE_H

#include "vswitch/plan_priv.h"
#include "vswitch/rtnl_fib.h"

#define FASTNET_PREFIXES_MAX 8192

/* Whether @n takes part at all. */
bool fastnet_routes(const struct vs_wanted *w, const struct vs_network *n);
/*
 * Names of those that @n's packets are routed to and from; none: *@why says why. A new reference, NULL: out of
 * memory.
 */
json_t *fastnet_partners(const struct vs_wanted *w, const struct vs_network *n, const char **why);
/* "route" without its prefixes; a new reference, NULL: out of memory. */
json_t *fastnet_route_doc(const struct vs_wanted *w, const struct vs_network *n);
/* Of @peers those addresses that are known without the kernel, or anyone; a new reference, NULL: out of memory. */
json_t *fastnet_ends(const struct vs_wanted *w, const struct vs_peer *peers, size_t nr,
		     bool *is_any);
/* Have @doc say the prefixes and the pool that @old has. Return: 0; -ENOMEM. */
int fastnet_keep_found(json_t *doc, const json_t *old);

/* The host's end of a network of the wish, by its place there. */
struct fastnet_end {
	int ifindex; /* 0: it is not there, or down */
	uint8_t mac[MAC_LEN];
	uint32_t mtu;
	bool forwards[2]; /* IPv4, IPv6 */
};

/*
 * fastnet_prefixes() - Of @n, where @fib's routes lead
 * @ends:	Of all of @w's networks
 * @used:	As many as @fib has neighbours: set where it is one's hop
 * Return: a new reference; NULL: out of memory.
 */
json_t *fastnet_prefixes(const struct vs_wanted *w, const struct vs_network *n,
			 const struct fastnet_end *ends, const struct vs_fib *fib, bool *used);

#endif
