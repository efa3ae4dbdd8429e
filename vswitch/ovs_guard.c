/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a port of a secure bridge may send, as flows. Tables:
 *
 *	0  whose port, and is the source MAC its own	by port
 *	   and no other port's that is held to it
 *	1  what nobody may send				common
 *	2  neighbour solicitations			by port
 *	3  neighbour advertisements			by port
 *	4  addresses: ARP, IPv4, IPv6			by port
 *	5  IPv6 from the unspecified address		common
 *	6, 7, 8	from a guest, the uplink, the host: ovs_rules.c
 *
 * A frame that no flow matches is dropped. Open vSwitch reads through LLC/SNAP, VLAN and IPv6 extension
 * headers, so what hides behind them is checked like the rest; what it can't read has protocol 0. Of
 * ARP with other sizes than Ethernet's and IPv4's, and of ND with a doubled option, it reads nothing:
 * all fields are 0.
 */
#include "vswitch/ovs.h"
#include "vswitch/ovs_rules.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FLOW_LEN 256

static void add(json_t *flows, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(json_t *flows, const char *fmt, ...)
{
	char text[FLOW_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_array_append_new(flows, json_string(text));
}

static const char *const base_flows[] = {
	/* The host itself. */
	"table=0,priority=65000,in_port=LOCAL,actions=goto_table:8",
	/* Of a fragment Open vSwitch sees no type: that it is an echo's the link's own filter has seen to. */
	"table=1,priority=220,icmp6,ip_frag=first,actions=goto_table:4",
/* Servers of DHCP, routers, and those who would be told of a neighbour's death. */
#define UDP(match)                                                                                 \
	"table=1,priority=210,udp," match ",actions=drop",                                         \
		"table=1,priority=210,udp6," match ",actions=drop"
	UDP("tp_src=67"),
	UDP("tp_src=547"),
	UDP("tp_dst=68"),
	UDP("tp_dst=546"),
	UDP("tp_dst=3784"),
	UDP("tp_dst=3785"),
	UDP("tp_dst=4784"),
#undef UDP
	"table=1,priority=210,icmp,icmp_type=5,actions=drop",
	"table=1,priority=210,icmp,icmp_type=9,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=130,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=134,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=137,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=138,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=141,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=142,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=151,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=152,actions=drop",
	"table=1,priority=210,icmp6,icmp_type=153,actions=drop",
	"table=1,priority=210,ipv6,nw_proto=0,actions=drop",
	"table=1,priority=200,icmp6,icmp_type=135,icmp_code=0,actions=goto_table:2",
	"table=1,priority=200,icmp6,icmp_type=136,icmp_code=0,actions=goto_table:3",
	"table=1,priority=190,icmp6,icmp_type=135,actions=drop",
	"table=1,priority=190,icmp6,icmp_type=136,actions=drop",
	"table=1,priority=100,arp,arp_op=1,actions=goto_table:4",
	"table=1,priority=100,arp,arp_op=2,actions=goto_table:4",
	"table=1,priority=100,ip,actions=goto_table:4",
	"table=1,priority=100,ipv6,actions=goto_table:4",
	"table=2,priority=120,icmp6,icmp_type=135,icmp_code=0,nd_target=::,actions=drop",
	"table=2,priority=105,icmp6,icmp_type=135,icmp_code=0,ipv6_src=::,actions=drop",
	/* Router solicitation, multicast listener reports. */
	"table=5,priority=100,icmp6,icmp_type=133,actions=goto_table:6",
	"table=5,priority=100,icmp6,icmp_type=131,actions=goto_table:6",
	"table=5,priority=100,icmp6,icmp_type=132,actions=goto_table:6",
	"table=5,priority=100,icmp6,icmp_type=143,actions=goto_table:6",
};

json_t *ovs_base_flows(const json_t *base)
{
	const char *mac = json_string_value(json_object_get(base, "mac"));
	json_t *flows = json_array();

	for (size_t i = 0; i < sizeof(base_flows) / sizeof(base_flows[0]); i++)
		json_array_append_new(flows, json_string(base_flows[i]));
	ovs_rules_flows(json_object_get(base, "firewall"), mac ? mac : "00:00:00:00:00:00", flows);
	return flows;
}

json_t *ovs_grace_flows(const json_t *base)
{
	const json_t *spec = json_object_get(base, "firewall");
	json_t *flows = json_array();

	if (spec)
		ovs_rules_grace_flows(spec, flows);
	return flows;
}

static void add_ipv4(json_t *flows, unsigned int port, const char *mac, const char *addr)
{
	add(flows, "table=4,priority=100,in_port=%u,arp,arp_sha=%s,arp_spa=%s,actions=goto_table:6",
	    port, mac, addr);
	add(flows,
	    "table=4,priority=100,in_port=%u,arp,arp_op=1,arp_sha=%s,arp_spa=0.0.0.0,arp_tpa=%s,"
	    "actions=goto_table:6",
	    port, mac, addr);
	add(flows, "table=4,priority=100,in_port=%u,ip,nw_src=%s,actions=goto_table:6", port, addr);
}

static void add_ipv6(json_t *flows, unsigned int port, const char *mac, const char *addr)
{
	add(flows, "table=4,priority=100,in_port=%u,ipv6,ipv6_src=%s,actions=goto_table:6", port,
	    addr);
	/* Duplicate address detection has no link-layer address to tell. */
	add(flows,
	    "table=2,priority=110,in_port=%u,icmp6,icmp_type=135,icmp_code=0,ipv6_src=::,"
	    "nd_sll=00:00:00:00:00:00,nd_target=%s,actions=goto_table:6",
	    port, addr);
	add(flows,
	    "table=3,priority=100,in_port=%u,icmp6,icmp_type=136,icmp_code=0,nd_target=%s,nd_tll=%s,"
	    "actions=goto_table:4",
	    port, addr, mac);
	add(flows,
	    "table=3,priority=100,in_port=%u,icmp6,icmp_type=136,icmp_code=0,nd_target=%s,"
	    "nd_tll=00:00:00:00:00:00,actions=goto_table:4",
	    port, addr);
}

/* fe80:: with the interface identifier made of the MAC. */
static void link_local(const char *mac, char text[INET6_ADDRSTRLEN])
{
	uint8_t m[MAC_LEN] = { 0 };
	struct in6_addr a = { 0 };

	parse_mac(mac, m);
	a.s6_addr[0] = 0xfe;
	a.s6_addr[1] = 0x80;
	a.s6_addr[8] = m[0] ^ 0x02;
	a.s6_addr[9] = m[1];
	a.s6_addr[10] = m[2];
	a.s6_addr[11] = 0xff;
	a.s6_addr[12] = 0xfe;
	memcpy(&a.s6_addr[13], &m[3], 3);
	inet_ntop(AF_INET6, &a, text, INET6_ADDRSTRLEN);
}

static void add_strict(json_t *flows, const json_t *guard, unsigned int port, const char *mac)
{
	json_t *addrs = json_object_get(guard, "addrs"), *addr;
	bool has_ipv4 = false, has_ipv6 = false;
	char own[INET6_ADDRSTRLEN];
	size_t i;

	json_array_foreach (addrs, i, addr) {
		const char *text = json_string_value(addr);

		if (strchr(text, ':')) {
			has_ipv6 = true;
			add_ipv6(flows, port, mac, text);
		} else {
			has_ipv4 = true;
			add_ipv4(flows, port, mac, text);
		}
	}
	if (has_ipv4 || json_is_true(json_object_get(guard, "by-lease")))
		add(flows,
		    "table=4,priority=100,in_port=%u,udp,nw_src=0.0.0.0,nw_dst=255.255.255.255,"
		    "tp_src=68,tp_dst=67,actions=goto_table:6",
		    port);
	if (!has_ipv6)
		return;
	link_local(mac, own);
	add_ipv6(flows, port, mac, own);
	add(flows, "table=4,priority=100,in_port=%u,ipv6,ipv6_src=::,actions=goto_table:5", port);
	add(flows,
	    "table=2,priority=100,in_port=%u,icmp6,icmp_type=135,icmp_code=0,nd_sll=%s,"
	    "actions=goto_table:4",
	    port, mac);
	add(flows,
	    "table=2,priority=100,in_port=%u,icmp6,icmp_type=135,icmp_code=0,"
	    "nd_sll=00:00:00:00:00:00,actions=goto_table:4",
	    port);
}

/* Of a guest that may use any addresses: its own MAC in ARP too, and no tag inside a tag. */
static void add_mac(json_t *flows, unsigned int port, const char *mac, const char *match,
		    const char *meter)
{
	static const char *const no[] = { "arp", "dl_type=0x8035", "dl_type=0x8100",
					  "dl_type=0x88a8" };

	add(flows, "table=0,priority=65020,in_port=%u%s,arp,arp_sha=%s,actions=%sgoto_table:6",
	    port, match, mac, meter);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		add(flows, "table=0,priority=65010,in_port=%u,%s,actions=drop", port, no[i]);
}

/* Who is a guest the firewall knows by the port's MAC. Priorities differ, should two have the same. */
static void add_firewall(json_t *flows, const json_t *guard, unsigned int port, bool is_uplink)
{
	const char *to = json_string_value(json_object_get(guard, "to"));

	if (is_uplink)
		add(flows, "table=%d,priority=100,actions=output:%u", OVS_TABLE_OUT, port);
	if (to)
		add(flows,
		    "table=%d,priority=%u,dl_dst=%s,actions=load:1->NXM_NX_REG0[],goto_table:10",
		    OVS_TABLE_TO, 100 + port % 60000, to);
	if (to && json_object_get(guard, "vlans"))
		add(flows, "table=%d,priority=150,in_port=%u,actions=drop", OVS_TABLE_OUT, port);
}

json_t *ovs_guard_flows(const json_t *guard, unsigned int ofport)
{
	const char *level = json_string_value(json_object_get(guard, "level"));
	const char *mac = json_string_value(json_object_get(guard, "mac"));
	bool is_strict = level && !strcmp(level, "strict");
	bool is_checked = is_strict || (level && !strcmp(level, "mac"));
	bool is_trusted = level && !strcmp(level, "trusted");
	bool is_uplink = level && !strcmp(level, "uplink");
	bool is_open = is_trusted || is_uplink || (level && !strcmp(level, "none"));
	char match[64] = "", meter[32] = "";
	json_t *flows = json_array();

	if (!flows || !(is_open || (is_checked && mac)))
		return flows;
	/* A packet limit's meter has the port's number. */
	if (json_object_get(guard, "packets-per-s"))
		snprintf(meter, sizeof(meter), "meter:%u,", ofport);
	if (is_checked)
		snprintf(match, sizeof(match), ",dl_src=%s%s", mac,
			 json_is_true(json_object_get(guard, "trunk")) ? ""
								       : ",vlan_tci=0x0000/0x1000");
	/*
	 * Nobody takes its place by sending as it, not even who may send with any address. Priorities differ,
	 * should two have the same.
	 */
	if (is_checked)
		add(flows, "table=0,priority=%u,dl_src=%s,actions=drop", 1000 + ofport % 60000,
		    mac);
	add(flows, "table=0,priority=%u,in_port=%u%s,actions=%sgoto_table:%d",
	    is_checked ? 65000 : 100, ofport, match, meter,
	    is_strict	 ? 1
	    : is_trusted ? OVS_TABLE_HOST
	    : is_uplink	 ? OVS_TABLE_UPLINK
			 : OVS_TABLE_GUEST);
	add_firewall(flows, guard, ofport, is_uplink);
	if (is_strict)
		add_strict(flows, guard, ofport, mac);
	else if (is_checked)
		add_mac(flows, ofport, mac, match, meter);
	return flows;
}
