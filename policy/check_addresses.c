/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that a host can have, subnets that are apart, gateways that can be reached. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/check_priv.h"

struct subnet {
	struct pol_prefix net; /* masked */
	const struct pol_prefix *address;
	const struct pol_network *network;
	bool is_served; /* one of its subnets; else around an address of the host's */
};

/* NULL: a host may have it. */
static const char *unusable_v4(const struct pol_prefix *a)
{
	uint32_t host, mask = a->len ? UINT32_MAX << (32 - a->len) : 0;

	memcpy(&host, a->address, sizeof(host));
	host = ntohl(host);
	if (host >> 28 == 0xe)
		return "a multicast address";
	if (host >> 28 == 0xf || host >> 24 == 0)
		return "no address of a host";
	if (host >> 24 == 127)
		return "a loopback address";
	if (a->len > 30 || a->len == 0)
		return NULL;
	if (!(host & ~mask))
		return "the network itself";
	return (host | mask) == UINT32_MAX ? "the broadcast address" : NULL;
}

static const char *unusable_v6(const struct pol_prefix *a)
{
	static const uint8_t zero[15];

	if (a->address[0] == 0xff)
		return "a multicast address";
	if (!memcmp(a->address, zero, sizeof(zero)) && a->address[15] <= 1)
		return a->address[15] ? "a loopback address" : "no address of a host";
	return NULL;
}

const char *pol_address_unusable(const struct pol_prefix *a)
{
	return a->family == AF_INET6 ? unusable_v6(a) : unusable_v4(a);
}

static void address_key(const struct pol_prefix *a, uint8_t key[POL_ADDRESS_KEY])
{
	key[0] = a->family == AF_INET6;
	memcpy(key + 1, a->address, 16);
}

const struct pol_owned *pol_take_address(struct pol_checks *c, const struct pol_prefix *a,
					 const struct pol_place *place,
					 const struct pol_guest *guest,
					 const struct pol_network *network)
{
	struct {
		struct pol_owned owned;
		uint8_t key[POL_ADDRESS_KEY];
	} *e = pol_alloc(c->r->arena, sizeof(*e));

	if (!e) {
		c->r->rc = -ENOMEM;
		return NULL;
	}
	e->owned = (struct pol_owned){ place, guest, network };
	address_key(a, e->key);
	return pol_index_put(&c->addresses, e->key, sizeof(e->key), &e->owned);
}

const struct pol_owned *pol_owner(const struct pol_checks *c, const struct pol_prefix *a)
{
	uint8_t key[POL_ADDRESS_KEY];

	address_key(a, key);
	return pol_index_get(&c->addresses, key, sizeof(key));
}

static void check_one_address(struct pol_checks *c, const struct pol_network *n,
			      const struct pol_prefix *a)
{
	struct pol_reader *r = c->r;
	const struct pol_owned *other;
	char text[POL_PREFIX_TEXT_MAX];
	const char *why = pol_address_unusable(a);

	pol_prefix_text(text, a, true);
	if (why)
		pol_error(r, "VF0211", n->node, &a->place,
			  "a host's own unicast address is allowed", "%s is %s", text, why);
	if (!a->len)
		pol_error(r, "VF0211", n->node, &a->place, "at least /1 is allowed",
			  "%s has no subnet", text);
	other = pol_take_address(c, a, &a->place, NULL, n);
	if (other)
		pol_error(r, "VF0205", n->node, &a->place, "each address may stand once",
			  "address %s is used already in %s", text, pol_at(r, other->place));
}

static int subnet_compare(const void *x, const void *y)
{
	const struct subnet *a = x, *b = y;
	int order = a->net.family - b->net.family;

	if (!order)
		order = memcmp(a->net.address, b->net.address, sizeof(a->net.address));
	if (!order)
		order = (int)a->net.len - (int)b->net.len;
	/* The file's order decides which of two equal ones is the later. */
	if (!order)
		order = a->address->place.line - b->address->place.line;
	return order;
}

/*
 * The same network's addresses share subnets; an address that stands twice was told as such; and a part of
 * the LAN may be routed to guests, where the host answers for them there.
 */
static bool may_overlap(const struct subnet *wide, const struct subnet *s)
{
	const struct pol_network *n = s->network;

	if (wide->network == n)
		return !(wide->is_served && s->is_served);
	if (!wide->is_served && !s->is_served)
		return !memcmp(wide->address->address, s->address->address,
			       sizeof(s->address->address));
	return s->is_served && !wide->is_served && n->mode.value == POL_MODE_ROUTE &&
	       n->advertise.value == POL_ADVERTISE_PROXY && n->egress.network == wide->network &&
	       s->net.len > wide->net.len;
}

static void overlap(struct pol_reader *r, const struct subnet *wide, const struct subnet *s)
{
	char text[POL_PREFIX_TEXT_MAX], other[POL_PREFIX_TEXT_MAX], quoted[POL_QUOTE_MAX];

	pol_error(r, "VF0206", s->network->node, &s->address->place,
		  wide->network == s->network ? "subnets may not overlap"
					      : "subnets of different networks may not overlap",
		  "%s overlaps %s of network %s in %s", pol_prefix_text(text, &s->net, true),
		  pol_prefix_text(other, &wide->net, true), pol_quote(quoted, wide->network->name),
		  pol_at(r, &wide->address->place));
}

#define NESTED_MAX 130 /* lengths that a prefix can have, and some */

/* Sorted, a subnet stands behind all that hold it. */
static void check_overlaps(struct pol_reader *r, const struct subnet *subnets, size_t nr)
{
	const struct subnet *around[NESTED_MAX];
	size_t depth = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct subnet *s = &subnets[i];
		bool is_told = false, is_same = false;

		while (depth && !pol_prefix_covers(&around[depth - 1]->net, &s->net))
			depth--;
		for (size_t j = 0; j < depth && !is_told; j++) {
			is_told = !may_overlap(around[j], s);
			if (is_told)
				overlap(r, around[j], s);
			is_same |= around[j]->net.len == s->net.len &&
				   around[j]->is_served == s->is_served;
		}
		/* At most two of each length stay, so that many equal ones cost nothing. */
		if (!is_told && !is_same && depth < NESTED_MAX)
			around[depth++] = s;
	}
}

static bool is_link_local(const struct pol_prefix *a)
{
	return a->family == AF_INET6 && a->address[0] == 0xfe && (a->address[1] & 0xc0) == 0x80;
}

static void check_gateway(struct pol_reader *r, const struct pol_network *n,
			  const struct pol_route *route)
{
	const struct pol_prefix *via = &route->via;
	bool has_family = false, is_reached = is_link_local(via);
	char text[POL_PREFIX_TEXT_MAX], quoted[POL_QUOTE_MAX];
	const char *why = pol_address_unusable(via);

	pol_prefix_text(text, via, false);
	if (why) {
		pol_error(r, "VF0212", route->node, &via->place, "a router's address is allowed",
			  "%s is %s", text, why);
		return;
	}
	for (size_t i = 0; i < n->addresses.nr; i++) {
		const struct pol_prefix *a = &n->addresses.v[i];

		if (a->family != via->family)
			continue;
		has_family = true;
		is_reached |= pol_prefix_covers(a, via);
		if (!memcmp(a->address, via->address, sizeof(a->address)))
			pol_error(r, "VF0212", route->node, &via->place,
				  "another host's address is allowed",
				  "%s is the network's own address in %s", text,
				  pol_at(r, &a->place));
	}
	/* Without an own address of the family, the one that is moved from the uplink may reach it.
	 */
	if (has_family && !is_reached)
		pol_error(r, "VF0212", route->node, &via->place,
			  "an address in one of its subnets is allowed",
			  "%s is in no subnet of network %s", text,
			  pol_quote(quoted, n->name ? n->name : ""));
}

static void check_one_route(struct pol_reader *r, struct pol_index *seen,
			    const struct pol_network *n, struct pol_route *route)
{
	const struct pol_route *other;
	struct pol_prefix *to = &route->to;
	struct {
		uint8_t target[POL_ADDRESS_KEY];
		uint8_t len;
		uint32_t metric;
	} * key;

	if (!route->via.family || !to->place.line)
		return;
	if (!to->family)
		to->family = route->via.family;
	if (to->family != route->via.family) {
		pol_error(r, "VF0212", route->node, &route->via.place,
			  "both must be IPv4 or both IPv6",
			  "a gateway of another family than the target");
		return;
	}
	check_gateway(r, n, route);
	key = pol_alloc(r->arena, sizeof(*key));
	if (!key) {
		r->rc = -ENOMEM;
		return;
	}
	address_key(to, key->target);
	key->len = (uint8_t)to->len;
	key->metric = route->metric.value;
	other = pol_index_put(seen, key, sizeof(*key), route);
	if (other)
		pol_error(r, "VF0213", route->node, &to->place, "give one of them another metric",
			  "the same target and metric as the route in %s",
			  pol_at(r, &other->place));
}

/* fe80::/10 is on every link; all of the Internet was refused already. */
static void add_subnet(struct subnet *subnets, size_t *nr, const struct pol_network *n,
		       const struct pol_prefix *a, bool is_served)
{
	struct subnet *s = &subnets[*nr];

	*s = (struct subnet){ *a, a, n, is_served };
	pol_prefix_mask(&s->net);
	if (a->family && s->net.len && !is_link_local(&s->net))
		++*nr;
}

void pol_check_addresses(struct pol_checks *c)
{
	const struct policy *p = c->policy;
	struct subnet *subnets;
	struct pol_index routes;
	size_t nr = 0;

	for (size_t i = 0; i < p->networks.nr; i++)
		nr += p->networks.v[i].addresses.nr + p->networks.v[i].subnets.nr;
	subnets = calloc(nr + 1, sizeof(*subnets));
	if (!subnets) {
		c->r->rc = -ENOMEM;
		return;
	}
	pol_index_init(&routes, c->r);
	nr = 0;
	for (size_t i = 0; i < p->networks.nr; i++) {
		struct pol_network *n = &p->networks.v[i];

		for (size_t j = 0; j < n->addresses.nr && !c->r->rc; j++) {
			check_one_address(c, n, &n->addresses.v[j]);
			add_subnet(subnets, &nr, n, &n->addresses.v[j], false);
		}
		for (size_t j = 0; j < n->routes.nr && !c->r->rc; j++)
			check_one_route(c->r, &routes, n, &n->routes.v[j]);
		if (!c->r->rc)
			pol_check_subnets(c, n);
		for (size_t j = 0; j < n->subnets.nr; j++)
			add_subnet(subnets, &nr, n, &n->subnets.v[j].cidr, true);
	}
	qsort(subnets, nr, sizeof(*subnets), subnet_compare);
	if (!c->r->rc)
		check_overlaps(c->r, subnets, nr);
	pol_index_fini(&routes);
	free(subnets);
}
