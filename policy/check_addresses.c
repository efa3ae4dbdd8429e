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

static const char *unusable(const struct pol_prefix *a)
{
	return a->family == AF_INET6 ? unusable_v6(a) : unusable_v4(a);
}

/* Bytes that tell an address from all others, in @key; its size is returned. */
static size_t address_key(const struct pol_prefix *a, uint8_t key[17])
{
	key[0] = a->family == AF_INET6;
	memcpy(key + 1, a->address, 16);
	return 17;
}

static void check_one_address(struct pol_reader *r, struct pol_index *seen,
			      const struct pol_network *n, const struct pol_prefix *a)
{
	const struct pol_prefix *other;
	char text[POL_PREFIX_TEXT_MAX];
	const char *why = unusable(a);
	uint8_t *key;

	pol_prefix_text(text, a, true);
	if (why)
		pol_error(r, "VF0211", n->node, &a->place,
			  "a host's own unicast address is allowed", "%s is %s", text, why);
	if (!a->len)
		pol_error(r, "VF0211", n->node, &a->place, "at least /1 is allowed",
			  "%s has no subnet", text);
	key = pol_alloc(r->arena, 17);
	if (!key) {
		r->rc = -ENOMEM;
		return;
	}
	other = pol_index_put(seen, key, address_key(a, key), a);
	if (other)
		pol_error(r, "VF0205", n->node, &a->place, "each address may stand once",
			  "address %s is used already in line %d", text, other->place.line);
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

/* Sorted, a subnet stands behind the one that holds it. */
static void check_overlaps(struct pol_reader *r, const struct subnet *subnets, size_t nr)
{
	const struct subnet *wide = NULL;
	char text[POL_PREFIX_TEXT_MAX], other[POL_PREFIX_TEXT_MAX], quoted[POL_QUOTE_MAX];

	for (size_t i = 0; i < nr; i++) {
		const struct subnet *s = &subnets[i];

		if (!wide || !pol_prefix_covers(&wide->net, &s->net)) {
			wide = s;
			continue;
		}
		if (wide->network == s->network ||
		    !memcmp(wide->address->address, s->address->address,
			    sizeof(s->address->address)))
			continue;
		pol_error(r, "VF0206", s->network->node, &s->address->place,
			  "subnets of different networks may not overlap",
			  "%s overlaps %s of network %s in line %d",
			  pol_prefix_text(text, &s->net, true),
			  pol_prefix_text(other, &wide->net, true),
			  pol_quote(quoted, wide->network->name), wide->address->place.line);
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
	const char *why = unusable(via);

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
				  "%s is the network's own address in line %d", text,
				  a->place.line);
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
		uint8_t target[17];
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
			  "the same target and metric as the route in line %d", other->place.line);
}

void pol_check_addresses(struct pol_reader *r, const struct policy *p)
{
	struct subnet *subnets;
	struct pol_index addresses, routes;
	size_t nr = 0;

	for (size_t i = 0; i < p->networks.nr; i++)
		nr += p->networks.v[i].addresses.nr;
	subnets = calloc(nr + 1, sizeof(*subnets));
	if (!subnets) {
		r->rc = -ENOMEM;
		return;
	}
	pol_index_init(&addresses, r);
	pol_index_init(&routes, r);
	nr = 0;
	for (size_t i = 0; i < p->networks.nr; i++) {
		const struct pol_network *n = &p->networks.v[i];

		for (size_t j = 0; j < n->addresses.nr && !r->rc; j++) {
			struct subnet *s = &subnets[nr++];

			check_one_address(r, &addresses, n, &n->addresses.v[j]);
			*s = (struct subnet){ n->addresses.v[j], &n->addresses.v[j], n };
			pol_prefix_mask(&s->net);
			/* fe80::/10 is on every link; all of the Internet was refused already. */
			nr -= is_link_local(&s->net) || !s->net.len;
		}
		for (size_t j = 0; j < n->routes.nr && !r->rc; j++)
			check_one_route(r, &routes, n, &n->routes.v[j]);
	}
	qsort(subnets, nr, sizeof(*subnets), subnet_compare);
	if (!r->rc)
		check_overlaps(r, subnets, nr);
	pol_index_fini(&addresses);
	pol_index_fini(&routes);
	free(subnets);
}
