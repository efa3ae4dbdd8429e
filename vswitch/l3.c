/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/l3_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "vswitch/array.h"

bool l3_is_router(const struct vs_network *n, int family)
{
	for (size_t i = 0; i < n->nr_subnets; i++)
		if (family == AF_UNSPEC || n->subnets[i].prefix.family == family)
			return true;
	return false;
}

bool l3_has_ipv6(const struct vs_observed *o)
{
	const struct vs_link *lo = vs_observed_link(o, "lo");

	return !lo || lo->ipv6_off >= 0;
}

void l3_gateway(const struct vs_subnet *s, bool is_alone, struct vs_addr *a)
{
	bool is_ipv6 = s->prefix.family == AF_INET6;
	/* dnsmasq tells guests of a prefix where it finds that on the link; a route is not meant. */
	bool is_told = is_ipv6 && is_alone && s->ra != VS_RA_NONE;
	uint8_t all = is_ipv6 ? 128 : 32;

	*a = (struct vs_addr){
		.family = s->prefix.family,
		.prefix_len = is_alone && !is_told ? all : s->prefix.len,
		.scope = RT_SCOPE_UNIVERSE,
		.valid_s = UINT32_MAX,
		.preferred_s = UINT32_MAX,
		/*
		 * The subnet is ours to give. Detection would begin with the first guest's link and
		 * leave that without a gateway for a second.
		 */
		.flags = (is_ipv6 ? IFA_F_NODAD : 0u) | (is_told ? IFA_F_NOPREFIXROUTE : 0u),
	};
	memcpy(a->local, s->gateway, sizeof(a->local));
	memcpy(a->peer, s->gateway, sizeof(a->peer));
}

int l3_begin(const struct vs_network *n, const struct vs_observed *o, struct vs_network *own)
{
	struct vs_addr a, *added;

	*own = *n;
	own->nr_addrs = 0;
	if (!array_copy(&own->addrs, n->addrs, n->nr_addrs, sizeof(*n->addrs)))
		return -ENOMEM;
	own->nr_addrs = n->nr_addrs;
	for (size_t i = 0; i < n->nr_subnets; i++) {
		bool is_given = false;

		l3_gateway(&n->subnets[i], false, &a);
		for (size_t k = 0; k < n->nr_addrs; k++)
			is_given |= vs_addr_same(&n->addrs[k], &a);
		if (is_given || (a.family == AF_INET6 && !l3_has_ipv6(o)))
			continue;
		added = array_add(&own->addrs, &own->nr_addrs, sizeof(*added));
		if (!added)
			return -ENOMEM;
		*added = a;
	}
	return 0;
}

void l3_end(struct vs_network *own)
{
	free(own->addrs);
	own->addrs = NULL;
	own->nr_addrs = 0;
}

void l3_plan_device(struct plan_for *p, const struct vs_network *n)
{
	if (!l3_is_router(n, AF_UNSPEC))
		return;
	/* Guests are on it: they must not tell the host where its routes lead. */
	plan_set_accept_ra(p, n->name, 0);
	/* Nor are they told what is nearer than the host: guests may be isolated from each other. */
	plan_set_link_sysctl(p, n->name, VS_LINK_SEND_REDIRECTS, 0);
	if (l3_is_router(n, AF_INET6))
		plan_set_ipv6_off(p, n->name, false);
}
