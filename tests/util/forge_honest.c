/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every guest may send. */
#include "tests/util/forge_layers.h"

static const uint8_t dhcp_servers[16] = { 0xff, 2, [13] = 1, [15] = 2 };
static const uint8_t reports4[4] = { 224, 0, 0, 22 };
static const uint8_t any4[4] = { 255, 255, 255, 255 };

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

static const struct forge_frame frames[] = {
	H(h_arp_request), H(h_arp_reply),   H(h_arp_probe),  H(h_arp_announce), H(h_udp4),
	H(h_udp6),	  H(h_tcp4),	    H(h_tcp6),	     H(h_echo4),	H(h_echo6),
	H(h_echo6_ll),	  H(h_frag4_first), H(h_frag4_next), H(h_frag6_first),	H(h_frag6_next),
	H(h_dhcp4),	  H(h_dhcp4_renew), H(h_dhcp6),	     H(h_igmp),		H(h_ns),
	H(h_ns_bare),	  H(h_na),	    H(h_dad),	     H(h_dad_nonce),	H(h_rs),
	H(h_rs_option),	  H(h_mld),	    H(h_mld_new),    H(h_hbh_udp),	H(h_esp6),
	H(h_unknown6),	  H(h_no_next6),    H(h_gre4),
};

const struct forge_table forge_honest = { frames, sizeof(frames) / sizeof(frames[0]) };
