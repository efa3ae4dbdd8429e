/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Subnets that a network serves: a gateway and a DHCP range inside them, and what is announced. */
#include <string.h>
#include <sys/socket.h>

#include "policy/check_priv.h"

#define LEN_MAX_V4 30 /* room for the host and one guest */
#define LEN_MAX_V6 126

static bool covers(const struct pol_prefix *cidr, int family, const uint8_t address[16])
{
	struct pol_prefix a = { .family = family };

	memcpy(a.address, address, sizeof(a.address));
	return pol_prefix_covers(cidr, &a);
}

bool pol_span_holds(const struct pol_span *span, const struct pol_prefix *address)
{
	size_t size = pol_family_bits(address->family) / 8;

	return span->family == address->family &&
	       memcmp(span->first, address->address, size) <= 0 &&
	       memcmp(span->last, address->address, size) >= 0;
}

static void check_gateway(struct pol_checks *c, const struct pol_network *n, struct pol_subnet *s)
{
	struct pol_prefix *g = &s->gateway;
	char text[POL_PREFIX_TEXT_MAX], net[POL_PREFIX_TEXT_MAX];
	const struct pol_owned *other;
	const char *why;

	if (!g->family) {
		*g = s->cidr;
		g->address[pol_family_bits(g->family) / 8 - 1] |= 1;
		g->place.line = 0;
	}
	g->len = s->cidr.len;
	pol_prefix_text(text, g, true);
	why = pol_address_unusable(g);
	if (!pol_prefix_covers(&s->cidr, g))
		pol_error(c->r, "VF0230", s->node, &g->place, "an address of the subnet is allowed",
			  "gateway %s is not in %s", text, pol_prefix_text(net, &s->cidr, true));
	else if (why)
		pol_error(c->r, "VF0211", s->node, g->place.line ? &g->place : &s->place,
			  "a host's own unicast address is allowed", "gateway %s is %s", text, why);
	g->len = pol_family_bits(g->family);
	other = pol_take_address(c, g, g->place.line ? &g->place : &s->cidr.place, NULL, n);
	if (other && other->network != n)
		pol_error(c->r, "VF0205", s->node, g->place.line ? &g->place : &s->cidr.place,
			  "each address may stand once",
			  "the gateway's address %s is used already in %s",
			  pol_prefix_text(text, g, false), pol_at(c->r, other->place));
}

static void check_dhcp(struct pol_checks *c, const struct pol_subnet *s)
{
	const struct pol_span *range = &s->dhcp.range;
	char net[POL_PREFIX_TEXT_MAX];

	if (!s->dhcp.place.line)
		return;
	if (s->cidr.family == AF_INET6 && s->ra.value != POL_RA_DHCPV6)
		pol_error(c->r, "VF0230", s->node, &s->dhcp.place, "ra: dhcpv6",
			  "dhcp in an IPv6 subnet whose RA does not tell guests to ask for it");
	if (!range->family)
		return;
	if (!covers(&s->cidr, range->family, range->first) ||
	    !covers(&s->cidr, range->family, range->last))
		pol_error(c->r, "VF0230", s->dhcp.node, &range->place,
			  "addresses of the subnet are allowed", "the range is not in %s",
			  pol_prefix_text(net, &s->cidr, true));
	else if (pol_span_holds(range, &s->gateway))
		pol_error(c->r, "VF0230", s->dhcp.node, &range->place, "leave it out of the range",
			  "the range holds the gateway, %s",
			  pol_prefix_text(net, &s->gateway, false));
	else if (s->cidr.family == AF_INET) {
		struct pol_prefix first = s->cidr, last = s->cidr;

		memcpy(first.address, range->first, sizeof(first.address));
		memcpy(last.address, range->last, sizeof(last.address));
		if (pol_address_unusable(&first) || pol_address_unusable(&last))
			pol_error(c->r, "VF0230", s->dhcp.node, &range->place,
				  "without the first and the last of the subnet",
				  "the range holds an address that no guest can have");
	}
}

static void check_announced(struct pol_checks *c, const struct pol_network *n,
			    const struct pol_subnet *s)
{
	bool is_v6 = s->cidr.family == AF_INET6;

	if (s->ra.place.line && !is_v6)
		pol_error(c->r, "VF0230", s->node, &s->ra.place, "leave it out, or use dhcp",
			  "router advertisements in an IPv4 subnet");
	if (is_v6 && s->cidr.len != 64 &&
	    (s->ra.value == POL_RA_SLAAC || s->ra.value == POL_RA_STATELESS))
		pol_error(c->r, "VF0230", s->node, &s->ra.place, "a /64, or ra: dhcpv6",
			  "guests make themselves addresses in a /64 only");
	if (s->nat66.value && (!is_v6 || (n->mode.value != POL_MODE_NAT && !n->masquerade.value)))
		pol_error(c->r, "VF0230", s->node, &s->nat66.place, "leave it out",
			  "nat66 is for IPv6 subnets of networks that translate");
}

void pol_check_subnets(struct pol_checks *c, struct pol_network *n)
{
	for (size_t i = 0; i < n->subnets.nr && !c->r->rc; i++) {
		struct pol_subnet *s = &n->subnets.v[i];
		unsigned int max = s->cidr.family == AF_INET6 ? LEN_MAX_V6 : LEN_MAX_V4;

		if (!s->cidr.family)
			continue;
		if (s->gateway.family && s->gateway.family != s->cidr.family) {
			pol_error(c->r, "VF0230", s->node, &s->gateway.place,
				  "both must be IPv4 or both IPv6",
				  "a gateway of another family than the subnet");
			continue;
		}
		if (!s->cidr.len || s->cidr.len > max) {
			pol_error(c->r, "VF0230", s->node, &s->cidr.place,
				  s->cidr.len ? "at most /30, or /126 of IPv6, is allowed"
					      : "at least /1 is allowed",
				  "no subnet for the host and a guest");
			continue;
		}
		check_gateway(c, n, s);
		check_dhcp(c, s);
		check_announced(c, n, s);
	}
}
