/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subnets that would take addresses from somebody on this host: what the policy alone cannot tell. An
 * address or route of others that overlaps is refused before the first change; where the network is
 * there already and others came later, they are only named.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "vswitch/l3_priv.h"

struct foreign {
	const struct vs_link *link;
	uint8_t family, len;
	const uint8_t *address;
	const char *what; /* "an address", "a route" */
};

/* The first @bits of both are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	uint8_t mask = (uint8_t)(0xff00u >> bits % 8);

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return !(bits % 8) || !((a[bits / 8] ^ b[bits / 8]) & mask);
}

static bool overlaps(const struct vs_prefix *net, const struct foreign *f)
{
	return net->family == f->family &&
	       same_bits(net->address, f->address, net->len < f->len ? net->len : f->len);
}

/* A part of the LAN's subnet may be routed to guests where the host answers for them. */
static bool is_part_of_lan(const struct vs_wanted *w, const struct vs_network *n,
			   const struct vs_subnet *s, const struct foreign *f)
{
	const struct vs_network *other = vs_wanted_network(w, f->link->name);

	return n->proxy_neighbours && s->prefix.len > f->len &&
	       (!other || !strcmp(other->name, n->egress.network));
}

static bool is_in_force(const struct vs_observed *o, const struct vs_network *n,
			const struct vs_subnet *s)
{
	for (size_t i = 0; i < o->nr_addrs; i++) {
		const struct vs_link *l = vs_observed_index(o, o->addrs[i].ifindex);

		if (l && !strcmp(l->name, n->name) && o->addrs[i].addr.family == s->prefix.family &&
		    !memcmp(o->addrs[i].addr.local, s->gateway, sizeof(s->gateway)))
			return true;
	}
	return false;
}

static void check_against(const struct vs_plan_input *in, const struct vs_observed *o,
			  const struct foreign *f)
{
	char mine[INET6_ADDRSTRLEN], theirs[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < in->wanted->nr_networks; i++) {
		const struct vs_network *n = &in->wanted->networks[i];

		for (size_t k = 0; strcmp(n->name, f->link->name) && k < n->nr_subnets; k++) {
			const struct vs_subnet *s = &n->subnets[k];
			bool is_old;

			if (!overlaps(&s->prefix, f) || is_part_of_lan(in->wanted, n, s, f))
				continue;
			is_old = is_in_force(o, n, s);
			inet_ntop(f->family, s->prefix.address, mine, sizeof(mine));
			inet_ntop(f->family, f->address, theirs, sizeof(theirs));
			diag_add(in->ds, is_old ? DIAG_WARNING : DIAG_ERROR, "VF0520", &s->place,
				 is_old ? "one of them will not be reached"
					: "another subnet is needed",
				 "network %s: %s/%u overlaps %s/%u, %s of this host on %s", n->name,
				 mine, s->prefix.len, theirs, f->len, f->what, f->link->name);
		}
	}
}

/* What we gave the link ourselves: the policy's own checks looked at that. */
static bool is_our_addr(const struct vs_record *r, const char *link, const struct vs_addr *a)
{
	const struct vs_record_network *n = vs_record_find(r, link);

	for (size_t i = 0; n && i < n->nr_addrs; i++)
		if (n->addrs[i].family == a->family && n->addrs[i].prefix_len == a->prefix_len &&
		    !memcmp(n->addrs[i].local, a->local, sizeof(a->local)))
			return true;
	return false;
}

static bool is_our_route(const struct vs_record *r, const char *link, const struct vs_route *route)
{
	const struct vs_record_network *n = vs_record_find(r, link);

	for (size_t i = 0; n && i < n->nr_routes; i++)
		if (n->routes[i].family == route->family &&
		    n->routes[i].prefix_len == route->prefix_len &&
		    !memcmp(n->routes[i].to, route->to, sizeof(route->to)))
			return true;
	return false;
}

/* Those without a subnet are ours on guests' links, or loopback's and harmless. */
static bool has_subnet(const struct vs_link *l, const struct vs_addr *a)
{
	uint8_t whole = a->family == AF_INET ? 32 : 128;

	return a->prefix_len != whole && !(l3_is_routed(l) && a->flags & IFA_F_NOPREFIXROUTE);
}

static bool is_whole(uint8_t family, uint8_t len)
{
	return len == (family == AF_INET ? 32 : 128);
}

int plan_check_overlaps(const struct vs_plan_input *in, const struct vs_observed *o)
{
	size_t before = in->ds->nr_errors;

	for (size_t i = 0; i < o->nr_addrs; i++) {
		const struct vs_addr *a = &o->addrs[i].addr;
		const struct vs_link *l = vs_observed_index(o, o->addrs[i].ifindex);
		struct foreign f = { l, a->family, a->prefix_len, a->local, "an address" };

		if (l && !l->is_loopback && a->scope == RT_SCOPE_UNIVERSE && has_subnet(l, a) &&
		    !is_our_addr(in->record, l->name, a))
			check_against(in, o, &f);
	}
	for (size_t i = 0; i < o->nr_routes; i++) {
		const struct vs_route *r = &o->routes[i].route;
		const struct vs_link *l = vs_observed_index(o, o->routes[i].ifindex);
		struct foreign f = { l, r->family, r->prefix_len, r->to, "a route" };

		if (l && r->table == RT_TABLE_MAIN && r->prefix_len && r->type == RTN_UNICAST &&
		    r->protocol != RTPROT_KERNEL && r->protocol != VS_PROTOCOL &&
		    !is_whole(r->family, r->prefix_len) && !is_our_route(in->record, l->name, r))
			check_against(in, o, &f);
	}
	return in->ds->nr_errors > before ? -EINVAL : 0;
}
