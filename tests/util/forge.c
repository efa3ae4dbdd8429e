/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/forge.h"

#include <string.h>
#include <arpa/inet.h>

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
static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
static const uint8_t all_mld[16] = { 0xff, 2, [15] = 0x16 };
static const uint8_t dhcp_servers[16] = { 0xff, 2, [13] = 1, [15] = 2 };
static const uint8_t all_hosts4[4] = { 224, 0, 0, 1 };
static const uint8_t reports4[4] = { 224, 0, 0, 22 };
static const uint8_t any4[4] = { 255, 255, 255, 255 };

/* ---- Bytes ---- */

static void put(struct forge *f, const void *data, size_t size)
{
	if (f->n + size > sizeof(f->b))
		return;
	memcpy(f->b + f->n, data, size);
	f->n += size;
}

static void put8(struct forge *f, unsigned int v)
{
	uint8_t b = (uint8_t)v;

	put(f, &b, 1);
}

static void put16(struct forge *f, unsigned int v)
{
	put8(f, v >> 8);
	put8(f, v);
}

static void put32(struct forge *f, uint32_t v)
{
	put16(f, v >> 16);
	put16(f, v & 0xffff);
}

static void set16(struct forge *f, size_t at, unsigned int v)
{
	f->b[at] = (uint8_t)(v >> 8);
	f->b[at + 1] = (uint8_t)v;
}

static void mark(struct forge *f)
{
	put(f, MARK, sizeof(MARK) - 1);
	put16(f, f->index);
}

static uint32_t sum(const uint8_t *p, size_t size, uint32_t s)
{
	for (size_t i = 0; i < size; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

static unsigned int fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s & 0xffff;
}

/* ---- Layers ---- */

static void eth(struct forge *f, const uint8_t *to, const uint8_t *from, unsigned int type)
{
	put(f, to, 6);
	put(f, from, 6);
	put16(f, type);
	f->l3 = f->n;
}

/* Ethernet to the multicast address of an IPv6 group. */
static void eth6(struct forge *f, const uint8_t *group, const uint8_t *from)
{
	uint8_t to[6] = { 0x33, 0x33, group[12], group[13], group[14], group[15] };

	eth(f, to, from, 0x86dd);
}

static void ip4_raw(struct forge *f, const uint8_t *from, const uint8_t *to, unsigned int proto,
		    unsigned int frag, const uint8_t *options, size_t nr_options)
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

static void ip4(struct forge *f, const uint8_t *from, const uint8_t *to, unsigned int proto)
{
	ip4_raw(f, from, to, proto, 0, NULL, 0);
}

static void ip4_end(struct forge *f)
{
	size_t header = (f->b[f->l3] & 15u) * 4u;

	set16(f, f->l3 + 2, (unsigned int)(f->n - f->l3));
	set16(f, f->l3 + 10, 0);
	set16(f, f->l3 + 10, fold(sum(f->b + f->l3, header, 0)));
}

static void ip6(struct forge *f, const uint8_t *from, const uint8_t *to, unsigned int next)
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
static void ext(struct forge *f, unsigned int next, int is_alert)
{
	put8(f, next);
	put8(f, 0);
	put32(f, is_alert ? 0x05020000 : 0x01040000);
	put16(f, is_alert ? 0x0100 : 0);
	f->l4 = f->n;
}

static void frag6(struct forge *f, unsigned int next, unsigned int offset, int more)
{
	put8(f, next);
	put8(f, 0);
	put16(f, offset << 3 | (more ? 1 : 0));
	put32(f, 0x12345678);
	f->l4 = f->n;
}

static void ip6_end(struct forge *f)
{
	size_t size = f->n - f->l4;
	uint32_t s = sum(f->b + f->l3 + 8, 32, (uint32_t)size + ICMP6);

	set16(f, f->l3 + 4, (unsigned int)(f->n - f->l3 - 40));
	/* Of ICMPv6 where it follows at once; elsewhere nobody looks. */
	if (f->b[f->l3 + 6] == ICMP6 && size >= 4)
		set16(f, f->l4 + 2, fold(sum(f->b + f->l4, size, s)));
}

static void udp(struct forge *f, unsigned int sport, unsigned int dport)
{
	put16(f, sport);
	put16(f, dport);
	put16(f, 8 + MARK_SIZE);
	put16(f, 0);
	mark(f);
}

static void tcp(struct forge *f, unsigned int sport, unsigned int dport)
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
static void dhcp(struct forge *f, unsigned int sport, unsigned int dport, const uint8_t *chaddr)
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

static void arp(struct forge *f, unsigned int op, const uint8_t *sha, const uint8_t *spa,
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

static void icmp6(struct forge *f, unsigned int type)
{
	put8(f, type);
	put8(f, 0);
	put16(f, 0);
	put32(f, 0);
}

static void target(struct forge *f, unsigned int type, const uint8_t *address)
{
	icmp6(f, type);
	put(f, address, 16);
}

static void option(struct forge *f, unsigned int type, const uint8_t *mac)
{
	put8(f, type);
	put8(f, 1);
	put(f, mac, 6);
}

static const uint8_t *link_local(const struct forge_id *id)
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

static void udp4_from(struct forge *f, const uint8_t *mac, const uint8_t *from,
		      const struct forge_id *id, unsigned int sport, unsigned int dport)
{
	eth(f, id->to_mac, mac, 0x0800);
	ip4(f, from, id->to_ip4, UDP);
	udp(f, sport, dport);
	ip4_end(f);
}

static void udp6_from(struct forge *f, const uint8_t *from, const struct forge_id *id,
		      unsigned int sport, unsigned int dport)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, from, id->to_ip6, UDP);
	udp(f, sport, dport);
	ip6_end(f);
}

static void echo6_from(struct forge *f, const uint8_t *from, const struct forge_id *id)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, from, id->to_ip6, ICMP6);
	icmp6(f, 128);
	mark(f);
	ip6_end(f);
}

static void arp_from(struct forge *f, const struct forge_id *id, unsigned int op,
		     const uint8_t *sha, const uint8_t *spa, const uint8_t *tpa)
{
	eth(f, broadcast, id->mac, 0x0806);
	arp(f, op, sha, spa, tpa);
}

static void ra_body(struct forge *f)
{
	icmp6(f, 134);
	put32(f, 0);
	put32(f, 0);
	mark(f);
}

static void ra6(struct forge *f, const struct forge_id *id, unsigned int next)
{
	eth6(f, all_nodes, id->mac);
	ip6(f, link_local(id), all_nodes, next);
}

static void ns(struct forge *f, const struct forge_id *id, const uint8_t *from)
{
	eth6(f, all_nodes, id->mac);
	ip6(f, from, all_nodes, ICMP6);
}

/* ---- Honest ---- */

FRAME(h_arp_request)
{
	arp_from(f, id, 1, id->mac, id->ip4, id->to_ip4);
}
FRAME(h_arp_reply)
{
	arp_from(f, id, 2, id->mac, id->ip4, id->to_ip4);
}
FRAME(h_arp_probe)
{
	arp_from(f, id, 1, id->mac, zero, id->ip4);
}
FRAME(h_arp_announce)
{
	arp_from(f, id, 1, id->mac, id->ip4, id->ip4);
}
FRAME(h_udp4)
{
	udp4_from(f, id->mac, id->ip4, id, 1000, 2000);
}
FRAME(h_udp6)
{
	udp6_from(f, id->ip6, id, 1000, 2000);
}
FRAME(h_dhcp6)
{
	eth6(f, dhcp_servers, id->mac);
	ip6(f, link_local(id), dhcp_servers, UDP);
	udp(f, 546, 547);
	ip6_end(f);
}
FRAME(h_tcp4)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4(f, id->ip4, id->to_ip4, TCP);
	tcp(f, 1000, 2000);
	ip4_end(f);
}
FRAME(h_tcp6)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, id->ip6, id->to_ip6, TCP);
	tcp(f, 1000, 2000);
	ip6_end(f);
}
FRAME(h_echo4)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4(f, id->ip4, id->to_ip4, ICMP);
	put32(f, 0x08000000);
	put32(f, 1);
	mark(f);
	ip4_end(f);
}
FRAME(h_echo6)
{
	echo6_from(f, id->ip6, id);
}
FRAME(h_echo6_ll)
{
	echo6_from(f, link_local(id), id);
}
FRAME(h_frag4_first)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4_raw(f, id->ip4, id->to_ip4, UDP, 0x2000, NULL, 0);
	udp(f, 1000, 2000);
	put8(f, 0);
	ip4_end(f);
}
FRAME(h_frag4_next)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4_raw(f, id->ip4, id->to_ip4, UDP, 185, NULL, 0);
	mark(f);
	ip4_end(f);
}
FRAME(h_frag6_first)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, id->ip6, id->to_ip6, FRAG);
	frag6(f, ICMP6, 0, 1);
	icmp6(f, 128);
	mark(f);
	put8(f, 0);
	ip6_end(f);
}
FRAME(h_frag6_next)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, id->ip6, id->to_ip6, FRAG);
	frag6(f, ICMP6, 150, 0);
	mark(f);
	ip6_end(f);
}
FRAME(h_dhcp4)
{
	eth(f, broadcast, id->mac, 0x0800);
	ip4(f, zero, any4, UDP);
	dhcp(f, 68, 67, id->mac);
	ip4_end(f);
}
FRAME(h_dhcp4_renew)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4(f, id->ip4, id->to_ip4, UDP);
	dhcp(f, 68, 67, id->mac);
	ip4_end(f);
}
FRAME(h_igmp)
{
	static const uint8_t to[6] = { 0x01, 0, 0x5e, 0, 0, 0x16 }, alert[4] = { 0x94, 4, 0, 0 };

	eth(f, to, id->mac, 0x0800);
	ip4_raw(f, id->ip4, reports4, IGMP, 0, alert, 4);
	put32(f, 0x22000000);
	put32(f, 0);
	mark(f);
	ip4_end(f);
}
FRAME(h_ns)
{
	ns(f, id, id->ip6);
	target(f, 135, id->to_ip6);
	option(f, 1, id->mac);
	ip6_end(f);
}
FRAME(h_ns_bare)
{
	ns(f, id, link_local(id));
	target(f, 135, id->to_ip6);
	ip6_end(f);
}
FRAME(h_na)
{
	ns(f, id, id->ip6);
	target(f, 136, id->ip6);
	option(f, 2, id->mac);
	ip6_end(f);
}
FRAME(h_dad)
{
	ns(f, id, zero);
	target(f, 135, id->ip6);
	ip6_end(f);
}
FRAME(h_dad_nonce)
{
	ns(f, id, zero);
	target(f, 135, link_local(id));
	option(f, 14, id->other_mac);
	ip6_end(f);
}
FRAME(h_rs)
{
	ns(f, id, zero);
	icmp6(f, 133);
	ip6_end(f);
}
FRAME(h_rs_option)
{
	ns(f, id, link_local(id));
	icmp6(f, 133);
	option(f, 1, id->mac);
	ip6_end(f);
}
static void mld(struct forge *f, const struct forge_id *id, const uint8_t *from, unsigned int type)
{
	eth6(f, all_mld, id->mac);
	ip6(f, from, all_mld, HBH);
	ext(f, ICMP6, 1);
	icmp6(f, type);
	mark(f);
	ip6_end(f);
}
FRAME(h_mld)
{
	mld(f, id, link_local(id), 143);
}
FRAME(h_mld_new)
{
	mld(f, id, zero, 143);
}
FRAME(h_hbh_udp)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, id->ip6, id->to_ip6, HBH);
	ext(f, UDP, 0);
	udp(f, 1000, 2000);
	ip6_end(f);
}
static void other6(struct forge *f, const struct forge_id *id, unsigned int next)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, id->ip6, id->to_ip6, next);
	mark(f);
	ip6_end(f);
}
FRAME(h_esp6)
{
	other6(f, id, ESP);
}
FRAME(h_unknown6)
{
	other6(f, id, 200);
}
FRAME(h_no_next6)
{
	other6(f, id, NONEXT);
}
FRAME(h_gre4)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4(f, id->ip4, id->to_ip4, 47);
	mark(f);
	ip4_end(f);
}

/* ---- Ethernet ---- */

FRAME(f_mac_other)
{
	udp4_from(f, id->other_mac, id->ip4, id, 1, 2);
}
FRAME(f_mac_multicast)
{
	udp4_from(f, (const uint8_t[6]){ 1, 0, 0x5e, 1, 2, 3 }, id->ip4, id, 1, 2);
}
FRAME(f_mac_zero)
{
	udp4_from(f, zero, id->ip4, id, 1, 2);
}
FRAME(f_mac_local)
{
	uint8_t mac[6];

	memcpy(mac, id->mac, 6);
	mac[0] |= 2;
	udp4_from(f, mac, id->ip4, id, 1, 2);
}
FRAME(f_mac_both)
{
	udp4_from(f, id->other_mac, id->other_ip4, id, 1, 2);
}
FRAME(f_mac_arp)
{
	eth(f, broadcast, id->other_mac, 0x0806);
	arp(f, 2, id->other_mac, id->other_ip4, id->to_ip4);
}

static void tags(struct forge *f, const struct forge_id *id, const uint16_t *tci, size_t nr)
{
	put(f, broadcast, 6);
	put(f, id->mac, 6);
	for (size_t i = 0; i < nr; i++) {
		put16(f, nr > 1 && !i ? 0x88a8 : 0x8100);
		put16(f, tci[i]);
	}
}

static void tagged_arp(struct forge *f, const struct forge_id *id, const uint16_t *tci, size_t nr)
{
	tags(f, id, tci, nr);
	put16(f, 0x0806);
	arp(f, 2, id->mac, id->other_ip4, id->to_ip4);
}

static void tagged_ra(struct forge *f, const struct forge_id *id, const uint16_t *tci, size_t nr)
{
	tags(f, id, tci, nr);
	put16(f, 0x86dd);
	f->l3 = f->n;
	ip6(f, link_local(id), all_nodes, ICMP6);
	ra_body(f);
	ip6_end(f);
}

FRAME(f_vlan0_arp)
{
	tagged_arp(f, id, (const uint16_t[]){ 0 }, 1);
}
FRAME(f_vlan0_prio_arp)
{
	tagged_arp(f, id, (const uint16_t[]){ 0xe000 }, 1);
}
FRAME(f_vlan0_twice_arp)
{
	tagged_arp(f, id, (const uint16_t[]){ 0, 0 }, 2);
}
FRAME(f_vlan0_ra)
{
	tagged_ra(f, id, (const uint16_t[]){ 0 }, 1);
}
FRAME(f_vlan5_arp)
{
	tagged_arp(f, id, (const uint16_t[]){ 5 }, 1);
}
FRAME(f_qinq_arp)
{
	tagged_arp(f, id, (const uint16_t[]){ 5, 6 }, 2);
}
FRAME(f_qinq_ra)
{
	tagged_ra(f, id, (const uint16_t[]){ 5, 6 }, 2);
}
FRAME(f_vlan5_honest)
{
	tags(f, id, (const uint16_t[]){ 5 }, 1);
	put16(f, 0x0806);
	arp(f, 1, id->mac, id->ip4, id->to_ip4);
}

static void snap(struct forge *f, const struct forge_id *id, unsigned int type)
{
	put(f, broadcast, 6);
	put(f, id->mac, 6);
	put16(f, 100);
	put32(f, 0xaaaa0300);
	put16(f, 0);
	put16(f, type);
	f->l3 = f->n;
}
FRAME(f_snap_ra)
{
	snap(f, id, 0x86dd);
	ip6(f, link_local(id), all_nodes, ICMP6);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_snap_arp)
{
	snap(f, id, 0x0806);
	arp(f, 2, id->mac, id->other_ip4, id->to_ip4);
}
FRAME(f_vlan_snap_ra)
{
	tags(f, id, (const uint16_t[]){ 0 }, 1);
	put16(f, 100);
	put32(f, 0xaaaa0300);
	put16(f, 0);
	put16(f, 0x86dd);
	f->l3 = f->n;
	ip6(f, link_local(id), all_nodes, ICMP6);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_length_ip4)
{
	eth(f, id->to_mac, id->mac, 60);
	ip4(f, id->other_ip4, id->to_ip4, UDP);
	udp(f, 1, 2);
	ip4_end(f);
}
FRAME(f_llc)
{
	eth(f, broadcast, id->mac, 1400);
	put32(f, 0x42420300);
	mark(f);
}
static void group(struct forge *f, const struct forge_id *id, unsigned int last, unsigned int type)
{
	uint8_t to[6] = { 0x01, 0x80, 0xc2, 0, 0, (uint8_t)last };

	eth(f, to, id->mac, type);
	mark(f);
}
FRAME(f_stp)
{
	group(f, id, 0, 39);
}
FRAME(f_pause)
{
	group(f, id, 1, 0x8808);
}
FRAME(f_lacp)
{
	group(f, id, 2, 0x8809);
}
FRAME(f_eapol)
{
	group(f, id, 3, 0x888e);
}
FRAME(f_lldp)
{
	group(f, id, 14, 0x88cc);
}
static void ethertype(struct forge *f, const struct forge_id *id, unsigned int type)
{
	eth(f, broadcast, id->mac, type);
	mark(f);
}
FRAME(f_ethercat)
{
	ethertype(f, id, 0x88a4);
}
FRAME(f_mpls)
{
	ethertype(f, id, 0x8847);
}
FRAME(f_pppoe)
{
	ethertype(f, id, 0x8863);
}
FRAME(f_rarp)
{
	eth(f, broadcast, id->mac, 0x8035);
	arp(f, 3, id->mac, id->other_ip4, id->to_ip4);
}

/* ---- ARP ---- */

FRAME(f_arp_reply_ip)
{
	arp_from(f, id, 2, id->mac, id->other_ip4, id->to_ip4);
}
FRAME(f_arp_request_ip)
{
	arp_from(f, id, 1, id->mac, id->other_ip4, id->to_ip4);
}
FRAME(f_arp_gratuitous)
{
	arp_from(f, id, 1, id->mac, id->other_ip4, id->other_ip4);
}
FRAME(f_arp_sha)
{
	arp_from(f, id, 2, id->other_mac, id->ip4, id->to_ip4);
}
FRAME(f_arp_sha_ip)
{
	arp_from(f, id, 1, id->other_mac, id->other_ip4, id->to_ip4);
}
FRAME(f_arp_op)
{
	arp_from(f, id, 9, id->mac, id->ip4, id->to_ip4);
}
FRAME(f_arp_probe_other)
{
	arp_from(f, id, 1, id->mac, zero, id->other_ip4);
}
FRAME(f_arp_probe_reply)
{
	arp_from(f, id, 2, id->mac, zero, id->ip4);
}
static void arp_patched(struct forge *f, const struct forge_id *id, size_t at, unsigned int v)
{
	arp_from(f, id, 1, id->mac, id->ip4, id->to_ip4);
	set16(f, f->l3 + at, v);
}
FRAME(f_arp_htype)
{
	arp_patched(f, id, 0, 6);
}
FRAME(f_arp_ptype)
{
	arp_patched(f, id, 2, 0x0801);
}
FRAME(f_arp_hlen)
{
	arp_patched(f, id, 4, 0x0804);
}
FRAME(f_arp_plen)
{
	arp_patched(f, id, 4, 0x0608);
}
FRAME(f_arp_short)
{
	eth(f, broadcast, id->mac, 0x0806);
	put32(f, 0x00010800);
	put16(f, 0x0604);
}

/* ---- IPv4 ---- */

FRAME(f_ip4_other)
{
	udp4_from(f, id->mac, id->other_ip4, id, 1, 2);
}
FRAME(f_ip4_zero)
{
	udp4_from(f, id->mac, zero, id, 1, 2);
}
FRAME(f_ip4_to67)
{
	udp4_from(f, id->mac, id->other_ip4, id, 68, 67);
}
FRAME(f_dhcp4_zero_unicast)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4(f, zero, id->to_ip4, UDP);
	dhcp(f, 68, 67, id->mac);
	ip4_end(f);
}
FRAME(f_dhcp4_chaddr)
{
	eth(f, broadcast, id->mac, 0x0800);
	ip4(f, zero, any4, UDP);
	dhcp(f, 68, 67, id->other_mac);
	ip4_end(f);
}
static void server4(struct forge *f, const struct forge_id *id, unsigned int sport,
		    unsigned int dport)
{
	eth(f, broadcast, id->mac, 0x0800);
	ip4(f, id->ip4, any4, UDP);
	dhcp(f, sport, dport, id->other_mac);
	ip4_end(f);
}
FRAME(f_dhcp4_server)
{
	server4(f, id, 67, 68);
}
FRAME(f_dhcp4_server_port)
{
	server4(f, id, 1067, 68);
}
FRAME(f_dhcp4_relay)
{
	server4(f, id, 67, 67);
}
static void options4(struct forge *f, const struct forge_id *id, const uint8_t *options, size_t nr)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4_raw(f, id->ip4, id->to_ip4, UDP, 0, options, nr);
	udp(f, 1, 2);
	ip4_end(f);
}
FRAME(f_source_route)
{
	options4(f, id, (const uint8_t[]){ 131, 7, 4, 9, 9, 9, 9, 0 }, 8);
}
FRAME(f_record_route)
{
	options4(f, id, (const uint8_t[]){ 7, 7, 4, 0, 0, 0, 0, 0 }, 8);
}
FRAME(f_alert_udp)
{
	options4(f, id, (const uint8_t[]){ 0x94, 4, 0, 0 }, 4);
}
static void fragment4(struct forge *f, const struct forge_id *id, unsigned int proto,
		      unsigned int frag)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4_raw(f, id->ip4, id->to_ip4, proto, frag, NULL, 0);
}
FRAME(f_tiny_second)
{
	fragment4(f, id, TCP, 1);
	mark(f);
	ip4_end(f);
}
FRAME(f_no_l4_first)
{
	fragment4(f, id, UDP, 0x2000);
	ip4_end(f);
}
FRAME(f_dhcp4_server_frag)
{
	fragment4(f, id, UDP, 0x2000);
	dhcp(f, 67, 68, id->other_mac);
	ip4_end(f);
}
FRAME(f_frag4_other)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4_raw(f, id->other_ip4, id->to_ip4, UDP, 185, NULL, 0);
	mark(f);
	ip4_end(f);
}
FRAME(f_bad_ihl)
{
	h_udp4(f, id);
	f->b[f->l3] = 0x44;
}
FRAME(f_bad_version)
{
	h_udp4(f, id);
	f->b[f->l3] = 0x55;
}
FRAME(f_bad_length)
{
	h_udp4(f, id);
	set16(f, f->l3 + 2, 1500);
}
FRAME(f_icmp_redirect)
{
	eth(f, id->to_mac, id->mac, 0x0800);
	ip4(f, id->ip4, id->to_ip4, ICMP);
	put32(f, 0x05010000);
	put(f, id->ip4, 4);
	mark(f);
	ip4_end(f);
}
FRAME(f_irdp)
{
	eth(f, broadcast, id->mac, 0x0800);
	ip4(f, id->ip4, any4, ICMP);
	put32(f, 0x09000000);
	put32(f, 0x01020708);
	mark(f);
	ip4_end(f);
}
static void igmp_query(struct forge *f, const struct forge_id *id, const uint8_t *options,
		       size_t nr)
{
	static const uint8_t to[6] = { 0x01, 0, 0x5e, 0, 0, 1 };

	eth(f, to, id->mac, 0x0800);
	ip4_raw(f, id->ip4, all_hosts4, IGMP, 0, options, nr);
	put32(f, 0x11640000);
	put32(f, 0);
	mark(f);
	ip4_end(f);
}
FRAME(f_igmp_query)
{
	igmp_query(f, id, NULL, 0);
}
FRAME(f_igmp_query_alert)
{
	igmp_query(f, id, (const uint8_t[]){ 0x94, 4, 0, 0 }, 4);
}
FRAME(f_bfd)
{
	udp4_from(f, id->mac, id->ip4, id, 49152, 3784);
}

/* ---- IPv6 ---- */

FRAME(f_ip6_other)
{
	udp6_from(f, id->other_ip6, id, 1, 2);
}
FRAME(f_ip6_link_local)
{
	uint8_t a[16];

	memcpy(a, link_local(id), 16);
	a[15] ^= 1;
	echo6_from(f, a, id);
}
FRAME(f_ip6_unspec_udp)
{
	udp6_from(f, zero, id, 1, 2);
}
FRAME(f_ip6_unspec_echo)
{
	echo6_from(f, zero, id);
}
FRAME(f_dhcp6_server)
{
	udp6_from(f, link_local(id), id, 547, 546);
}
FRAME(f_dhcp6_server_port)
{
	udp6_from(f, id->ip6, id, 1547, 546);
}
FRAME(f_dhcp6_server_hbh)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, link_local(id), id->to_ip6, HBH);
	ext(f, UDP, 0);
	udp(f, 547, 546);
	ip6_end(f);
}
static void neighbour(struct forge *f, const struct forge_id *id, const uint8_t *from,
		      unsigned int type, const uint8_t *address, const uint8_t *mac)
{
	ns(f, id, from);
	target(f, type, address);
	if (mac)
		option(f, type == 136 ? 2 : 1, mac);
	ip6_end(f);
}
FRAME(f_ns_source)
{
	neighbour(f, id, id->other_ip6, 135, id->to_ip6, id->mac);
}
FRAME(f_ns_option)
{
	neighbour(f, id, id->ip6, 135, id->to_ip6, id->other_mac);
}
FRAME(f_na_target)
{
	neighbour(f, id, id->ip6, 136, id->other_ip6, id->mac);
}
FRAME(f_na_target_bare)
{
	neighbour(f, id, id->ip6, 136, id->other_ip6, NULL);
}
FRAME(f_na_option)
{
	neighbour(f, id, id->ip6, 136, id->ip6, id->other_mac);
}
FRAME(f_na_unspec)
{
	neighbour(f, id, zero, 136, id->ip6, id->mac);
}
FRAME(f_dad_other)
{
	neighbour(f, id, zero, 135, id->other_ip6, NULL);
}
FRAME(f_dad_option)
{
	neighbour(f, id, zero, 135, id->ip6, id->mac);
}
FRAME(f_ns_two_options)
{
	ns(f, id, id->ip6);
	target(f, 135, id->to_ip6);
	option(f, 1, id->mac);
	option(f, 1, id->other_mac);
	ip6_end(f);
}
FRAME(f_ns_hidden_option)
{
	ns(f, id, id->ip6);
	target(f, 135, id->to_ip6);
	option(f, 14, id->mac);
	option(f, 1, id->other_mac);
	ip6_end(f);
}
FRAME(f_na_long_option)
{
	ns(f, id, id->ip6);
	target(f, 136, id->ip6);
	put16(f, 0x0202);
	put(f, id->other_mac, 6);
	put(f, zero, 8);
	ip6_end(f);
}
FRAME(f_na_hbh)
{
	eth6(f, all_nodes, id->mac);
	ip6(f, id->ip6, all_nodes, HBH);
	ext(f, ICMP6, 0);
	target(f, 136, id->other_ip6);
	option(f, 2, id->mac);
	ip6_end(f);
}
FRAME(f_na_fragment)
{
	eth6(f, all_nodes, id->mac);
	ip6(f, id->ip6, all_nodes, FRAG);
	frag6(f, ICMP6, 0, 0);
	target(f, 136, id->other_ip6);
	option(f, 2, id->mac);
	ip6_end(f);
}
FRAME(f_rs_option)
{
	ns(f, id, link_local(id));
	icmp6(f, 133);
	option(f, 1, id->other_mac);
	ip6_end(f);
}
FRAME(f_ra)
{
	ra6(f, id, ICMP6);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_ra_other)
{
	eth6(f, all_nodes, id->mac);
	ip6(f, id->other_ip6, all_nodes, ICMP6);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_ra_hbh)
{
	ra6(f, id, HBH);
	ext(f, ICMP6, 0);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_ra_dstopt)
{
	ra6(f, id, DSTOPT);
	ext(f, ICMP6, 0);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_ra_chain)
{
	ra6(f, id, DSTOPT);
	for (int i = 0; i < 64; i++)
		ext(f, i == 63 ? ICMP6 : DSTOPT, 0);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_ra_atomic)
{
	ra6(f, id, FRAG);
	frag6(f, ICMP6, 0, 0);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_ra_first)
{
	ra6(f, id, FRAG);
	frag6(f, ICMP6, 0, 1);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_ra_two_fragments)
{
	ra6(f, id, FRAG);
	frag6(f, FRAG, 0, 0);
	frag6(f, ICMP6, 0, 0);
	ra_body(f);
	ip6_end(f);
}
/* RFC 7113: the header chain fills the first fragment, the message stands in the second. */
FRAME(f_ra_behind_first)
{
	ra6(f, id, FRAG);
	frag6(f, DSTOPT, 0, 1);
	put16(f, ICMP6 << 8 | 3);
	put16(f, 0x0114);
	put(f, zero, 4);
	mark(f);
	put8(f, 0);
	ip6_end(f);
}
/* ... and what stands behind the packet's end looks like the beginning of an echo request. */
FRAME(f_ra_trailer)
{
	ra6(f, id, FRAG);
	frag6(f, DSTOPT, 0, 1);
	put16(f, ICMP6 << 8 | 2);
	put16(f, 0x0114);
	put(f, zero, 4);
	mark(f);
	put8(f, 0);
	ip6_end(f);
	put16(f, 0x8000);
}
FRAME(f_udp_trailer)
{
	fragment4(f, id, UDP, 0x2000);
	ip4_end(f);
	udp(f, 1000, 2000);
}
FRAME(f_ra_in_second)
{
	ra6(f, id, FRAG);
	frag6(f, DSTOPT, 3, 0);
	ra_body(f);
	ip6_end(f);
}
FRAME(f_first_without_l4)
{
	ra6(f, id, FRAG);
	frag6(f, ICMP6, 0, 1);
	ip6_end(f);
}
FRAME(f_redirect)
{
	ra6(f, id, ICMP6);
	target(f, 137, id->ip6);
	put(f, id->to_ip6, 16);
	mark(f);
	ip6_end(f);
}
FRAME(f_redirect_hbh)
{
	ra6(f, id, HBH);
	ext(f, ICMP6, 0);
	target(f, 137, id->ip6);
	put(f, id->to_ip6, 16);
	mark(f);
	ip6_end(f);
}
FRAME(f_mld_query)
{
	mld(f, id, link_local(id), 130);
}
FRAME(f_rt0)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, id->ip6, id->to_ip6, ROUTE);
	put16(f, UDP << 8 | 2);
	put16(f, 1);
	put32(f, 0);
	put(f, id->other_ip6, 16);
	f->l4 = f->n;
	udp(f, 1, 2);
	ip6_end(f);
}
FRAME(f_chain_broken)
{
	eth(f, id->to_mac, id->mac, 0x86dd);
	ip6(f, id->ip6, id->to_ip6, DSTOPT);
	put16(f, UDP << 8 | 200);
	mark(f);
	ip6_end(f);
}

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

const struct forge_frame forge_frames[] = {
	H(h_arp_request),
	H(h_arp_reply),
	H(h_arp_probe),
	H(h_arp_announce),
	H(h_udp4),
	H(h_udp6),
	H(h_tcp4),
	H(h_tcp6),
	H(h_echo4),
	H(h_echo6),
	H(h_echo6_ll),
	H(h_frag4_first),
	H(h_frag4_next),
	H(h_frag6_first),
	H(h_frag6_next),
	H(h_dhcp4),
	H(h_dhcp4_renew),
	H(h_dhcp6),
	H(h_igmp),
	H(h_ns),
	H(h_ns_bare),
	H(h_na),
	H(h_dad),
	H(h_dad_nonce),
	H(h_rs),
	H(h_rs_option),
	H(h_mld),
	H(h_mld_new),
	H(h_hbh_udp),
	H(h_esp6),
	H(h_unknown6),
	H(h_no_next6),
	H(h_gre4),
	F(f_mac_other, ONLY_NONE),
	F(f_mac_multicast, FORGE_EITHER),
	F(f_mac_zero, FORGE_EITHER),
	F(f_mac_local, ONLY_NONE),
	F(f_mac_both, ONLY_NONE),
	F(f_mac_arp, ONLY_NONE),
	F(f_vlan0_arp, FORGE_EITHER),
	F(f_vlan0_prio_arp, FORGE_EITHER),
	F(f_vlan0_twice_arp, FORGE_EITHER),
	F(f_vlan0_ra, FORGE_EITHER),
	F(f_vlan5_arp, FORGE_EITHER),
	F(f_qinq_arp, FORGE_EITHER),
	F(f_qinq_ra, FORGE_EITHER),
	F(f_vlan5_honest, FORGE_EITHER),
	F(f_vlan_snap_ra, FORGE_EITHER),
	F(f_snap_ra, UP_TO_MAC),
	F(f_snap_arp, UP_TO_MAC),
	F(f_length_ip4, UP_TO_MAC),
	F(f_llc, UP_TO_MAC),
	F(f_stp, FORGE_EITHER),
	F(f_pause, FORGE_EITHER),
	F(f_lacp, FORGE_EITHER),
	F(f_eapol, FORGE_EITHER),
	F(f_lldp, FORGE_EITHER),
	F(f_ethercat, UP_TO_MAC),
	F(f_mpls, UP_TO_MAC),
	F(f_pppoe, UP_TO_MAC),
	F(f_rarp, ONLY_NONE),
	F(f_arp_reply_ip, UP_TO_MAC),
	F(f_arp_request_ip, UP_TO_MAC),
	F(f_arp_gratuitous, UP_TO_MAC),
	F(f_arp_sha, ONLY_NONE),
	F(f_arp_sha_ip, ONLY_NONE),
	F(f_arp_op, UP_TO_MAC),
	F(f_arp_probe_other, UP_TO_MAC),
	F(f_arp_probe_reply, UP_TO_MAC),
	F(f_arp_htype, UP_TO_MAC),
	F(f_arp_ptype, UP_TO_MAC),
	F(f_arp_hlen, ONLY_NONE),
	F(f_arp_plen, UP_TO_MAC),
	F(f_arp_short, FORGE_EITHER),
	F(f_ip4_other, UP_TO_MAC),
	F(f_ip4_zero, UP_TO_MAC),
	F(f_ip4_to67, UP_TO_MAC),
	F(f_dhcp4_zero_unicast, UP_TO_MAC),
	F(f_dhcp4_chaddr, UP_TO_MAC),
	F(f_dhcp4_server, UP_TO_MAC),
	F(f_dhcp4_server_port, UP_TO_MAC),
	F(f_dhcp4_relay, UP_TO_MAC),
	F(f_source_route, UP_TO_MAC),
	F(f_record_route, UP_TO_MAC),
	F(f_alert_udp, UP_TO_MAC),
	F(f_tiny_second, UP_TO_MAC),
	F(f_no_l4_first, UP_TO_MAC),
	F(f_dhcp4_server_frag, UP_TO_MAC),
	F(f_frag4_other, UP_TO_MAC),
	F(f_bad_ihl, UP_TO_MAC),
	F(f_bad_version, UP_TO_MAC),
	F(f_bad_length, UP_TO_MAC),
	F(f_icmp_redirect, UP_TO_MAC),
	F(f_irdp, UP_TO_MAC),
	F(f_igmp_query, UP_TO_MAC),
	F(f_igmp_query_alert, UP_TO_MAC),
	F(f_bfd, UP_TO_MAC),
	F(f_ip6_other, UP_TO_MAC),
	F(f_ip6_link_local, UP_TO_MAC),
	F(f_ip6_unspec_udp, UP_TO_MAC),
	F(f_ip6_unspec_echo, UP_TO_MAC),
	F(f_dhcp6_server, UP_TO_MAC),
	F(f_dhcp6_server_port, UP_TO_MAC),
	F(f_dhcp6_server_hbh, UP_TO_MAC),
	F(f_ns_source, UP_TO_MAC),
	F(f_ns_option, UP_TO_MAC),
	F(f_na_target, UP_TO_MAC),
	F(f_na_target_bare, UP_TO_MAC),
	F(f_na_option, UP_TO_MAC),
	F(f_na_unspec, UP_TO_MAC),
	F(f_dad_other, UP_TO_MAC),
	F(f_dad_option, UP_TO_MAC),
	F(f_ns_two_options, UP_TO_MAC),
	F(f_ns_hidden_option, UP_TO_MAC),
	F(f_na_long_option, UP_TO_MAC),
	F(f_na_hbh, UP_TO_MAC),
	F(f_na_fragment, UP_TO_MAC),
	F(f_rs_option, UP_TO_MAC),
	F(f_ra, UP_TO_MAC),
	F(f_ra_other, UP_TO_MAC),
	F(f_ra_hbh, UP_TO_MAC),
	F(f_ra_dstopt, UP_TO_MAC),
	F(f_ra_chain, UP_TO_MAC),
	F(f_ra_atomic, UP_TO_MAC),
	F(f_ra_first, UP_TO_MAC),
	F(f_ra_two_fragments, UP_TO_MAC),
	F(f_ra_behind_first, UP_TO_MAC),
	F(f_ra_trailer, UP_TO_MAC),
	F(f_udp_trailer, UP_TO_MAC),
	F(f_ra_in_second, UP_TO_MAC),
	F(f_first_without_l4, UP_TO_MAC),
	F(f_redirect, UP_TO_MAC),
	F(f_redirect_hbh, UP_TO_MAC),
	F(f_mld_query, UP_TO_MAC),
	F(f_rt0, UP_TO_MAC),
	F(f_chain_broken, UP_TO_MAC),
};
const size_t forge_nr_frames = sizeof(forge_frames) / sizeof(forge_frames[0]);

size_t forge_build(size_t i, const struct forge_id *id, uint8_t frame[FORGE_SIZE])
{
	struct forge f = { .index = (uint16_t)i };

	forge_frames[i].build(&f, id);
	mark(&f);
	if (f.n < 60)
		f.n = 60;
	memcpy(frame, f.b, f.n);
	return f.n;
}

size_t forge_which(const uint8_t *frame, size_t size)
{
	const uint8_t *at = memmem(frame, size, MARK, sizeof(MARK) - 1);
	size_t i;

	if (!at || (size_t)(at - frame) + MARK_SIZE > size)
		return SIZE_MAX;
	i = (size_t)at[sizeof(MARK) - 1] << 8 | at[sizeof(MARK)];
	return i < forge_nr_frames ? i : SIZE_MAX;
}

int forge_arrives(size_t i, unsigned int verdict)
{
	if (verdict == FORGE_NONE && (forge_frames[i].arrives & FORGE_EITHER))
		return -1;
	return (forge_frames[i].arrives & verdict) != 0;
}
