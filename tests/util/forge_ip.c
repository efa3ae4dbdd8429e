/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forged IPv4 and IPv6. */
#include "tests/util/forge_layers.h"

static const uint8_t all_hosts4[4] = { 224, 0, 0, 1 };
static const uint8_t any4[4] = { 255, 255, 255, 255 };

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
	udp4_from(f, id->mac, id->ip4, id, 1000, 2000);
	f->b[f->l3] = 0x44;
}
FRAME(f_bad_version)
{
	udp4_from(f, id->mac, id->ip4, id, 1000, 2000);
	f->b[f->l3] = 0x55;
}
FRAME(f_bad_length)
{
	udp4_from(f, id->mac, id->ip4, id, 1000, 2000);
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

static const struct forge_frame frames[] = {
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

const struct forge_table forge_ip = { frames, sizeof(frames) / sizeof(frames[0]) };
