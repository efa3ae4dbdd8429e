/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layers of frames, for forge*.c. */
#ifndef TESTS_UTIL_FORGE_LAYERS_H
#define TESTS_UTIL_FORGE_LAYERS_H

#include <string.h>
#include <arpa/inet.h>

#include "tests/util/forge.h"

#define MARK	  "VIFROST-FORGE"
#define MARK_SIZE (sizeof(MARK) - 1 + 2)

#define TCP    6
#define UDP    17
#define ICMP   1
#define IGMP   2
#define ICMP6  58
#define HBH    0
#define ROUTE  43
#define FRAG   44
#define ESP    50
#define NONEXT 59
#define DSTOPT 60

struct forge {
	uint8_t b[FORGE_SIZE];
	size_t n;
	size_t l3, l4; /* where they begin */
	uint16_t index;
};

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t zero[16];
static const uint8_t all_mld[16] = { 0xff, 2, [15] = 0x16 };
static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };

/* ---- Bytes ---- */

static inline void put(struct forge *f, const void *data, size_t size)
{
	if (!size || f->n + size > sizeof(f->b))
		return;
	memcpy(f->b + f->n, data, size);
	f->n += size;
}

static inline void put8(struct forge *f, unsigned int v)
{
	uint8_t b = (uint8_t)v;

	put(f, &b, 1);
}

static inline void put16(struct forge *f, unsigned int v)
{
	put8(f, v >> 8);
	put8(f, v);
}

static inline void put32(struct forge *f, uint32_t v)
{
	put16(f, v >> 16);
	put16(f, v & 0xffff);
}

static inline void set16(struct forge *f, size_t at, unsigned int v)
{
	f->b[at] = (uint8_t)(v >> 8);
	f->b[at + 1] = (uint8_t)v;
}

static inline void mark(struct forge *f)
{
	put(f, MARK, sizeof(MARK) - 1);
	put16(f, f->index);
}

static inline uint32_t sum(const uint8_t *p, size_t size, uint32_t s)
{
	for (size_t i = 0; i < size; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

static inline unsigned int fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s & 0xffff;
}

/* ---- Layers ---- */

static inline void eth(struct forge *f, const uint8_t *to, const uint8_t *from, unsigned int type)
{
	put(f, to, 6);
	put(f, from, 6);
	put16(f, type);
	f->l3 = f->n;
}

/* Ethernet to the multicast address of an IPv6 group. */
static inline void eth6(struct forge *f, const uint8_t *group, const uint8_t *from)
{
	uint8_t to[6] = { 0x33, 0x33, group[12], group[13], group[14], group[15] };

	eth(f, to, from, 0x86dd);
}

static inline void ip4_raw(struct forge *f, const uint8_t *from, const uint8_t *to,
			   unsigned int proto, unsigned int frag, const uint8_t *options,
			   size_t nr_options)
{
	put8(f, 0x40 | (5 + (unsigned int)nr_options / 4));
	put8(f, 0);
	put16(f, 0); /* length: ip4_end() */
	put16(f, 0x1234);
	put16(f, frag);
	put8(f, 64);
	put8(f, proto);
	put16(f, 0);
	put(f, from, 4);
	put(f, to, 4);
	put(f, options, nr_options);
	f->l4 = f->n;
}

static inline void ip4(struct forge *f, const uint8_t *from, const uint8_t *to, unsigned int proto)
{
	ip4_raw(f, from, to, proto, 0, NULL, 0);
}

static inline void ip4_end(struct forge *f)
{
	size_t header = (f->b[f->l3] & 15u) * 4u;

	set16(f, f->l3 + 2, (unsigned int)(f->n - f->l3));
	set16(f, f->l3 + 10, 0);
	set16(f, f->l3 + 10, fold(sum(f->b + f->l3, header, 0)));
}

static inline void ip6(struct forge *f, const uint8_t *from, const uint8_t *to, unsigned int next)
{
	put32(f, 0x60000000);
	put16(f, 0); /* length: ip6_end() */
	put8(f, next);
	put8(f, 255);
	put(f, from, 16);
	put(f, to, 16);
	f->l4 = f->n;
}

/* An extension header of 8 bytes: padding, or with @is_alert the router alert of MLD. */
static inline void ext(struct forge *f, unsigned int next, int is_alert)
{
	put8(f, next);
	put8(f, 0);
	put32(f, is_alert ? 0x05020000 : 0x01040000);
	put16(f, is_alert ? 0x0100 : 0);
	f->l4 = f->n;
}

static inline void frag6(struct forge *f, unsigned int next, unsigned int offset, int more)
{
	put8(f, next);
	put8(f, 0);
	put16(f, offset << 3 | (more ? 1 : 0));
	put32(f, 0x12345678);
	f->l4 = f->n;
}

static inline void ip6_end(struct forge *f)
{
	size_t size = f->n - f->l4;
	uint32_t s = sum(f->b + f->l3 + 8, 32, (uint32_t)size + ICMP6);

	set16(f, f->l3 + 4, (unsigned int)(f->n - f->l3 - 40));
	/* Of ICMPv6 where it follows at once; elsewhere nobody looks. */
	if (f->b[f->l3 + 6] == ICMP6 && size >= 4)
		set16(f, f->l4 + 2, fold(sum(f->b + f->l4, size, s)));
}

static inline void udp(struct forge *f, unsigned int sport, unsigned int dport)
{
	put16(f, sport);
	put16(f, dport);
	put16(f, 8 + MARK_SIZE);
	put16(f, 0);
	mark(f);
}

static inline void tcp(struct forge *f, unsigned int sport, unsigned int dport)
{
	put16(f, sport);
	put16(f, dport);
	put32(f, 1);
	put32(f, 0);
	put16(f, 0x5002);
	put16(f, 1000);
	put32(f, 0);
	mark(f);
}

/* BOOTP, far enough to hold the client's hardware address. */
static inline void dhcp(struct forge *f, unsigned int sport, unsigned int dport,
			const uint8_t *chaddr)
{
	size_t at = f->n;

	put16(f, sport);
	put16(f, dport);
	put32(f, 0);
	put32(f, sport == 68 ? 0x01010600 : 0x02010600);
	for (int i = 0; i < 6; i++)
		put32(f, 0);
	put(f, chaddr, 6);
	put(f, zero, 10);
	mark(f);
	set16(f, at + 4, (unsigned int)(f->n - at));
}

static inline void arp(struct forge *f, unsigned int op, const uint8_t *sha, const uint8_t *spa,
		       const uint8_t *tpa)
{
	put32(f, 0x00010800);
	put16(f, 0x0604);
	put16(f, op);
	put(f, sha, 6);
	put(f, spa, 4);
	put(f, zero, 6);
	put(f, tpa, 4);
}

static inline void icmp6(struct forge *f, unsigned int type)
{
	put8(f, type);
	put8(f, 0);
	put16(f, 0);
	put32(f, 0);
}

static inline void target(struct forge *f, unsigned int type, const uint8_t *address)
{
	icmp6(f, type);
	put(f, address, 16);
}

static inline void option(struct forge *f, unsigned int type, const uint8_t *mac)
{
	put8(f, type);
	put8(f, 1);
	put(f, mac, 6);
}

static inline const uint8_t *link_local(const struct forge_id *id)
{
	static uint8_t a[16];
	const uint8_t *m = id->mac;

	memcpy(a,
	       (const uint8_t[16]){ 0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe,
				    m[3], m[4], m[5] },
	       16);
	return a;
}

/* ---- Shapes that many frames share ---- */

#define FRAME(name) static void name(struct forge *f, const struct forge_id *id)

static inline void udp4_from(struct forge *f, const uint8_t *mac, const uint8_t *from,
			     const struct forge_id *id, unsigned int sport, unsigned int dport)
{
	eth(f, id->to_mac, mac, 0x0800);
	ip4(f, from, id->to_ip4, UDP);
	udp(f, sport, dport);
	ip4_end(f);
}

static inline void udp6_from(struct forge *f, const uint8_t *from, const struct forge_id *id,
			     unsigned int sport, unsigned int dport)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, from, id->to_ip6, UDP);
	udp(f, sport, dport);
	ip6_end(f);
}

static inline void echo6_from(struct forge *f, const uint8_t *from, const struct forge_id *id)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, from, id->to_ip6, ICMP6);
	icmp6(f, 128);
	mark(f);
	ip6_end(f);
}

static inline void arp_from(struct forge *f, const struct forge_id *id, unsigned int op,
			    const uint8_t *sha, const uint8_t *spa, const uint8_t *tpa)
{
	eth(f, broadcast, id->mac, 0x0806);
	arp(f, op, sha, spa, tpa);
}

static inline void ra_body(struct forge *f)
{
	icmp6(f, 134);
	put32(f, 0);
	put32(f, 0);
	mark(f);
}

static inline void ra6(struct forge *f, const struct forge_id *id, unsigned int next)
{
	eth6(f, all_nodes, id->mac);
	ip6(f, link_local(id), all_nodes, next);
}

static inline void ns(struct forge *f, const struct forge_id *id, const uint8_t *from)
{
	eth6(f, all_nodes, id->mac);
	ip6(f, from, all_nodes, ICMP6);
}

static inline void mld(struct forge *f, const struct forge_id *id, const uint8_t *from,
		       unsigned int type)
{
	eth6(f, all_mld, id->mac);
	ip6(f, from, all_mld, HBH);
	ext(f, ICMP6, 1);
	icmp6(f, type);
	mark(f);
	ip6_end(f);
}

struct forge_table {
	const struct forge_frame *v;
	size_t nr;
};

extern const struct forge_table forge_honest, forge_ethernet, forge_ip;

#define H(name)                                                                                    \
	{                                                                                          \
#name, FORGE_ALL, name                                                             \
	}
#define F(name, where)                                                                             \
	{                                                                                          \
#name, where, name                                                                 \
	}
#define ONLY_NONE FORGE_NONE
#define UP_TO_MAC (FORGE_NONE | FORGE_MAC)

#endif
