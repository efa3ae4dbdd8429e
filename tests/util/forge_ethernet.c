/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forged Ethernet, tags and ARP. */
#include "tests/util/forge_layers.h"

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

static const struct forge_frame frames[] = {
	F(f_mac_other, ONLY_NONE),
	F(f_mac_multicast, FORGE_EITHER),
	F(f_mac_zero, FORGE_EITHER),
	F(f_mac_local, ONLY_NONE),
	F(f_mac_both, ONLY_NONE),
	F(f_mac_arp, ONLY_NONE),
	F(f_vlan0_arp, FORGE_TAGGED),
	F(f_vlan0_prio_arp, FORGE_TAGGED),
	F(f_vlan0_twice_arp, FORGE_TAGGED),
	F(f_vlan0_ra, FORGE_TAGGED),
	F(f_vlan5_arp, FORGE_TAGGED),
	F(f_qinq_arp, FORGE_TAGGED),
	F(f_qinq_ra, FORGE_TAGGED),
	F(f_vlan5_honest, FORGE_TAGGED),
	F(f_vlan_snap_ra, FORGE_TAGGED),
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
};

const struct forge_table forge_ethernet = { frames, sizeof(frames) / sizeof(frames[0]) };
