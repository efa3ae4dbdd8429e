/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/forged.h"

#include <string.h>

#define ETHERTYPE_IP4  0x0800u
#define ETHERTYPE_IP6  0x86ddu
#define ETHERTYPE_VLAN 0x8100u
#define IP4_LATER      0x1fffu
#define IP4_FRAGMENT   0x3fffu
#define IP6_LATER      0xfff8u

enum {
	HOP_BY_HOP = 0,
	ICMP4 = 1,
	IGMP = 2,
	UDP = 17,
	ROUTING = 43,
	FRAGMENT = 44,
	ICMP6 = 58,
	DESTINATION = 60
};

struct frame {
	const uint8_t *p;
	size_t have;
	size_t l3, l4;	  /* offsets */
	uint16_t payload; /* IPv6's */
	bool is_behind;	  /* other headers */
};

static const uint8_t fragment_of[] = NB_FORGED_FRAGMENT_OF, icmp4[] = NB_FORGED_ICMP4,
		     icmp6[] = NB_FORGED_ICMP6;
static const uint16_t udp_from[] = NB_FORGED_UDP_FROM, udp_to[] = NB_FORGED_UDP_TO;
static const struct nb_forged_nd nd[] = NB_FORGED_ND;

static bool has(const struct frame *f, size_t at, size_t size)
{
	return at + size <= f->have;
}

static uint16_t number(const struct frame *f, size_t at)
{
	return (uint16_t)(f->p[at] << 8 | f->p[at + 1]);
}

static bool is_in8(const uint8_t *list, size_t nr, uint8_t value)
{
	return memchr(list, value, nr) != NULL;
}

static bool is_in16(const uint16_t *list, size_t nr, uint16_t value)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i] == value)
			return true;
	return false;
}

/* The hardware address at @at has to be the frame's. */
static bool is_own_mac(const struct frame *f, size_t at)
{
	return has(f, at, 6) && !memcmp(f->p + at, f->p + 6, 6);
}

static bool is_forged_udp(const struct frame *f)
{
	uint16_t to;

	if (!has(f, f->l4, 8))
		return true;
	to = number(f, f->l4 + 2);
	if (is_in16(udp_from, sizeof(udp_from) / sizeof(udp_from[0]), number(f, f->l4)) ||
	    is_in16(udp_to, sizeof(udp_to) / sizeof(udp_to[0]), to))
		return true;
	return to == 67 && !is_own_mac(f, f->l4 + 36);
}

/* Group reports carry a router alert; nothing else may have any option. */
static bool is_forged_options4(const struct frame *f, uint16_t fragment)
{
	const uint8_t *ip = f->p + f->l3;

	return !has(f, f->l3, 32) || ip[9] != IGMP || fragment & IP4_FRAGMENT ||
	       number(f, f->l3 + 20) != NB_FORGED_ROUTER_ALERT || number(f, f->l3 + 22) ||
	       ip[24] == NB_FORGED_IGMP_QUERY;
}

static bool is_forged_ip4(struct frame *f)
{
	const uint8_t *ip = f->p + f->l3;
	uint16_t fragment;

	if (!has(f, f->l3, 20))
		return true;
	fragment = number(f, f->l3 + 6);
	if (ip[0] == 0x46)
		return is_forged_options4(f, fragment);
	/* A second fragment at 8 bytes leaves too little in the first. */
	if (ip[0] != 0x45 || number(f, f->l3 + 2) < 28 || (fragment & IP4_LATER) == 1)
		return true;
	if (fragment & IP4_LATER)
		return false;
	if (!has(f, f->l3, 28))
		return true;
	f->l4 = f->l3 + 20;
	switch (ip[9]) {
	case ICMP4:
		return is_in8(icmp4, sizeof(icmp4), f->p[f->l4]);
	case IGMP:
		return f->p[f->l4] == NB_FORGED_IGMP_QUERY;
	case UDP:
		return is_forged_udp(f);
	default:
		return false;
	}
}

static bool is_forged_nd(const struct frame *f, const struct nb_forged_nd *m)
{
	uint16_t option;

	if (f->is_behind)
		return true;
	if (f->payload == m->size)
		return false;
	if (f->payload != m->size + 8 || !has(f, f->l4, m->size + 8u))
		return true;
	option = number(f, f->l4 + m->size);
	if (m->or_option && option == m->or_option)
		return false;
	return option != m->option || !is_own_mac(f, f->l4 + m->size + 2);
}

static bool is_forged_icmp6(const struct frame *f)
{
	uint8_t type;

	if (!has(f, f->l4, 4))
		return true;
	type = f->p[f->l4];
	for (size_t i = 0; i < sizeof(nd) / sizeof(nd[0]); i++)
		if (nd[i].type == type)
			return is_forged_nd(f, &nd[i]);
	return is_in8(icmp6, sizeof(icmp6), type);
}

static bool is_forged_l4(const struct frame *f, uint8_t protocol)
{
	if (protocol == ICMP6)
		return is_forged_icmp6(f);
	return protocol == UDP && is_forged_udp(f);
}

/* Of a fragmented message flows see no type: only an echo may be as long. */
static bool is_forged_fragment(struct frame *f)
{
	uint8_t protocol;
	bool is_later;

	if (!has(f, f->l4, 8))
		return true;
	f->is_behind = true;
	protocol = f->p[f->l4];
	is_later = number(f, f->l4 + 2) & IP6_LATER;
	f->l4 += 8;
	if (!is_in8(fragment_of, sizeof(fragment_of), protocol))
		return true;
	if (is_later)
		return false;
	if (protocol != ICMP6)
		return is_forged_l4(f, protocol);
	return !has(f, f->l4, 4) || (f->p[f->l4] != 128 && f->p[f->l4] != 129);
}

static bool is_forged_ip6(struct frame *f)
{
	uint8_t next;

	if (!has(f, f->l3, 40) || f->p[f->l3] >> 4 != 6)
		return true;
	f->payload = number(f, f->l3 + 4);
	next = f->p[f->l3 + 6];
	f->l4 = f->l3 + 40;
	for (int i = 0; i < NB_FORGED_HEADERS_MAX; i++) {
		if (next == ROUTING)
			return true;
		if (next == FRAGMENT)
			return is_forged_fragment(f);
		if (next != HOP_BY_HOP && next != DESTINATION)
			return is_forged_l4(f, next);
		if (!has(f, f->l4, 8))
			return true;
		f->is_behind = true;
		next = f->p[f->l4];
		f->l4 += 8u * (f->p[f->l4 + 1] + 1u);
	}
	return true;
}

bool nb_is_forged(const uint8_t *frame, size_t have)
{
	struct frame f = { .p = frame, .have = have, .l3 = 14 };
	uint16_t type;

	if (!has(&f, 0, 14))
		return true;
	type = number(&f, 12);
	/* A trunk's. */
	if (type == ETHERTYPE_VLAN) {
		if (!has(&f, 0, 18))
			return true;
		type = number(&f, 16);
		f.l3 = 18;
	}
	if (type == ETHERTYPE_IP4)
		return is_forged_ip4(&f);
	return type == ETHERTYPE_IP6 && is_forged_ip6(&f);
}
