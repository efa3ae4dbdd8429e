/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prefixes lie in or beside each other, so they cut all addresses into ranges, each with the hop of the longest
 * that has it. A range is found by halving; of IPv4 between two places that the address's first half
 * tells, which are mostly next to each other.
 */
#include "vswitch/fast/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vswitch/array.h"
#include "vswitch/fast/prefix.h"

#define NO_HOP	 0u /* hops[0] is not resolved */
#define TOPS	 65536u
#define NEST_MAX 130 /* prefixes one in the other: one of each length */

struct range {
	uint64_t first[2];
	uint32_t hop;
};

struct ranges {
	struct range *v; /* the first one begins at 0 */
	size_t nr;
};

struct fast_routes {
	struct ranges ends[2]; /* IPv4, IPv6 */
	struct fast_hop *hops;
	size_t nr_hops;
	uint32_t tops[TOPS + 1]; /* the range that address n << 16 is in */
};

/* ---- Frames ---- */

static const struct fast_hop *hop_of(const struct fast_routes *r, const uint8_t *address,
				     uint8_t version)
{
	const struct ranges *ranges = &r->ends[version == 6];
	size_t low = 0, high = ranges->nr;
	uint64_t at[2];

	fast_address(address, version, at);
	if (version == 4) {
		low = r->tops[at[0] >> 16];
		high = r->tops[(at[0] >> 16) + 1] + (size_t)1;
	}
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (fast_address_compare(at, ranges->v[middle].first) < 0)
			high = middle;
		else
			low = middle;
	}
	return &r->hops[ranges->v[low].hop];
}

/* Addresses that are not routed: of one link, of one host, of many. */
static bool is_special(const struct fast_head *h, const uint8_t *p)
{
	if (h->version == 4)
		return p[0] >= 224 || !p[0] || p[0] == 127 || (p[0] == 169 && p[1] == 254);
	return p[0] == 0xff || (p[0] == 0xfe && (p[1] & 0xc0) == 0x80) || !fast_get32(p);
}

/* As IP packets, each of its segments. */
static uint32_t size_of(const struct fast_head *h, uint16_t gso_size)
{
	uint32_t size = h->size - h->l3, header = (uint32_t)(h->l4 - h->l3) + 8;

	if (!gso_size)
		return size;
	if (h->protocol == 6 && fast_head_has(h, 0, 20))
		header += (h->p[h->l4 + 12] >> 4) * 4u - 8;
	return header + gso_size;
}

static bool is_routable(const struct fast_head *h)
{
	if ((h->flags & (FAST_IP | FAST_OPTIONS)) != FAST_IP || h->nr_tags || h->ttl <= 1)
		return false;
	return !is_special(h, fast_head_source(h)) && !is_special(h, fast_head_destination(h));
}

/* TTL stands in the upper half of its 16 bits: one less there is 0x100 more in the sum's complement. */
static void less_ttl4(uint8_t *ip)
{
	uint32_t sum = fast_get16(ip + 10) + 0x100u;

	sum += sum >> 16;
	ip[8]--;
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

const struct fast_hop *fast_route_find(const struct fast_routes *r, const struct fast_head *h,
				       uint16_t gso_size)
{
	const struct fast_hop *hop = is_routable(h)
					     ? hop_of(r, fast_head_destination(h), h->version)
					     : NULL;

	return hop && hop->is_resolved && size_of(h, gso_size) <= hop->mtu ? hop : NULL;
}

const struct fast_hop *fast_route_back(const struct fast_routes *r, const struct fast_head *h)
{
	const struct fast_hop *hop = hop_of(r, fast_head_source(h), h->version);

	return hop->is_resolved ? hop : NULL;
}

bool fast_route_is_cut(const struct fast_routes *r, const struct fast_head *h)
{
	return is_routable(h) && !hop_of(r, fast_head_destination(h), h->version)->is_resolved;
}

void fast_route_take(const struct fast_hop *hop, struct fast_head *h)
{
	memcpy(h->p, hop->macs, sizeof(hop->macs));
	if (h->version == 4)
		less_ttl4(h->p + h->l3);
	else
		h->p[h->l3 + 7]--;
	h->ttl--;
}

/* ---- The document ---- */

struct prefix {
	uint64_t first[2], last[2];
	int family;
	uint32_t hop;
};

struct compiler {
	struct fast_routes *r;
	struct prefix *v;
	size_t nr;
	int (*port_of)(void *ctx, const char *name);
	void *ctx;
	char *why;
};

static int refuse(const struct compiler *c, int rc, const char *what, const char *value)
{
	snprintf(c->why, FAST_WHY_MAX, "route: %s%s%.60s", what, value ? ": " : "",
		 value ? value : "");
	return rc;
}

static int no_memory(const struct compiler *c)
{
	return refuse(c, -ENOMEM, "out of memory", NULL);
}

static int read_hop(const struct compiler *c, const json_t *doc, struct fast_hop *hop)
{
	const char *mac = json_string_value(json_object_get(doc, "mac")),
		   *via = json_string_value(json_object_get(doc, "via-mac")),
		   *name = json_string_value(json_object_get(doc, "network"));
	const json_t *mtu = json_object_get(doc, "mtu");
	int port;

	*hop = (struct fast_hop){ .mtu = 1500 };
	if (!via)
		return 0;
	if (parse_mac(via, hop->macs) || hop->macs[0] & 1)
		return refuse(c, -EINVAL, "\"via-mac\" is no neighbour's address", via);
	if (!mac || parse_mac(mac, hop->macs + MAC_LEN))
		return refuse(c, -EINVAL, "\"mac\" is no hardware address", mac ? mac : "?");
	port = name ? c->port_of(c->ctx, name) : -1;
	if (port < 0)
		return refuse(c, -EINVAL, "there is no such network", name ? name : "?");
	if (mtu && (json_integer_value(mtu) < 68 || json_integer_value(mtu) > UINT16_MAX))
		return refuse(c, -EINVAL, "\"mtu\" has to be from 68 to 65535", NULL);
	if (mtu)
		hop->mtu = (uint16_t)json_integer_value(mtu);
	hop->port = (uint32_t)port;
	hop->is_resolved = true;
	return 0;
}

/* Prefixes with the same hop follow each other, mostly. */
static int add_hop(struct compiler *c, const struct fast_hop *hop, uint32_t *number)
{
	struct fast_routes *r = c->r;
	struct fast_hop *added;

	if (!hop->is_resolved) {
		*number = NO_HOP;
		return 0;
	}
	*number = (uint32_t)r->nr_hops - 1;
	if (*number != NO_HOP && r->hops[*number].port == hop->port &&
	    r->hops[*number].mtu == hop->mtu &&
	    !memcmp(r->hops[*number].macs, hop->macs, sizeof(hop->macs)))
		return 0;
	added = array_add(&r->hops, &r->nr_hops, sizeof(*added));
	if (!added)
		return no_memory(c);
	*added = *hop;
	++*number;
	return 0;
}

static int read_prefix(struct compiler *c, const json_t *doc)
{
	const char *to = json_string_value(json_object_get(doc, "to"));
	struct prefix *p = array_add(&c->v, &c->nr, sizeof(*p));
	struct fast_hop hop;
	int rc;

	if (!p)
		return no_memory(c);
	p->family = to ? fast_prefix_read(to, p->first, p->last) : -1;
	if (p->family < 0)
		return refuse(c, -EINVAL, "\"to\" is no address or prefix", to ? to : "?");
	rc = read_hop(c, doc, &hop);
	return rc ? rc : add_hop(c, &hop, &p->hop);
}

/* Those that others lie in come first. */
static int compare(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int order = x->family - y->family;

	if (!order)
		order = fast_address_compare(x->first, y->first);
	return order ? order : fast_address_compare(y->last, x->last);
}

static bool begin_range(struct ranges *ranges, const uint64_t at[2], uint32_t hop)
{
	struct range *last = ranges->nr ? &ranges->v[ranges->nr - 1] : NULL;

	if (last && !fast_address_compare(last->first, at)) {
		last->hop = hop;
		return true;
	}
	if (last && last->hop == hop)
		return true;
	last = array_add(&ranges->v, &ranges->nr, sizeof(*last));
	if (last)
		*last = (struct range){ .first = { at[0], at[1] }, .hop = hop };
	return last;
}

/* Behind the innermost prefix of @nest, the next one goes on. */
static bool leave(struct ranges *ranges, const struct prefix **nest, size_t *depth)
{
	const struct prefix *p = nest[--*depth];
	uint64_t at[2] = { p->last[0], p->last[1] };

	return !fast_prefix_next(at, p->family) ||
	       begin_range(ranges, at, *depth ? nest[*depth - 1]->hop : NO_HOP);
}

static int compile_family(struct compiler *c, int family)
{
	struct ranges *ranges = &c->r->ends[family];
	static const uint64_t zero[2];
	const struct prefix *nest[NEST_MAX];
	size_t depth = 0;
	bool ok = begin_range(ranges, zero, NO_HOP);

	for (size_t i = 0; ok && i < c->nr; i++) {
		const struct prefix *p = &c->v[i];

		if (p->family != family)
			continue;
		if (i && !compare(p, p - 1))
			return refuse(c, -EINVAL, "a prefix is there twice", NULL);
		while (ok && depth && fast_address_compare(nest[depth - 1]->last, p->first) < 0)
			ok = leave(ranges, nest, &depth);
		nest[depth++] = p;
		ok = ok && begin_range(ranges, p->first, p->hop);
	}
	while (ok && depth)
		ok = leave(ranges, nest, &depth);
	return ok ? 0 : no_memory(c);
}

static void set_tops(struct fast_routes *r)
{
	const struct ranges *ranges = &r->ends[0];
	uint32_t at = 0;

	for (uint64_t n = 0; n < TOPS; n++) {
		while (at + 1 < ranges->nr && ranges->v[at + 1].first[0] <= n << 16)
			at++;
		r->tops[n] = at;
	}
	r->tops[TOPS] = (uint32_t)ranges->nr - 1;
}

static int compile(struct compiler *c, const json_t *doc)
{
	const json_t *list = json_object_get(doc, "prefixes"), *item;
	size_t i;
	int rc = 0;

	if (!json_is_array(list))
		return refuse(c, -EINVAL, "\"prefixes\" has to be an array", NULL);
	if (json_array_size(list) > FAST_ROUTES_MAX)
		return refuse(c, -E2BIG, "more than 100000 prefixes", NULL);
	if (!array_add(&c->r->hops, &c->r->nr_hops, sizeof(*c->r->hops)))
		return no_memory(c);
	json_array_foreach (list, i, item)
		if ((rc = read_prefix(c, item)))
			return rc;
	if (c->nr)
		qsort(c->v, c->nr, sizeof(*c->v), compare);
	for (int family = 0; !rc && family < 2; family++)
		rc = compile_family(c, family);
	if (!rc)
		set_tops(c->r);
	return rc;
}

int fast_routes_compile(const json_t *doc, int (*port_of)(void *ctx, const char *name), void *ctx,
			struct fast_routes **out, char *why)
{
	struct compiler c = { .port_of = port_of, .ctx = ctx, .why = why };
	int rc;

	*out = NULL;
	c.r = calloc(1, sizeof(*c.r));
	rc = c.r ? compile(&c, doc) : no_memory(&c);
	free(c.v);
	if (rc)
		fast_routes_destroy(c.r);
	else
		*out = c.r;
	return rc;
}

void fast_routes_destroy(struct fast_routes *r)
{
	if (!r)
		return;
	for (int i = 0; i < 2; i++)
		free(r->ends[i].v);
	free(r->hops);
	free(r);
}
