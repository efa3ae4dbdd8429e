/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of uplinks and networks. */
#include "policy/keys_priv.h"
#include "vswitch/wanted.h"

#define SECOND	    UINT64_C(1000000)
#define MILLISECOND UINT64_C(1000)
#define BRIDGE	    POL_MODE_BIT(POL_MODE_BRIDGE)
#define OVS	    POL_MODE_BIT(POL_MODE_OVS)
#define NAT	    POL_MODE_BIT(POL_MODE_NAT)
#define ROUTE	    POL_MODE_BIT(POL_MODE_ROUTE)
#define ISOLATED    POL_MODE_BIT(POL_MODE_ISOLATED)

const struct pol_choice pol_modes[] = {
	{ "bridge", POL_READY, POL_MODE_BRIDGE },     { "ovs", POL_READY, POL_MODE_OVS },
	{ "nat", POL_READY, POL_MODE_NAT },	      { "route", POL_READY, POL_MODE_ROUTE },
	{ "isolated", POL_READY, POL_MODE_ISOLATED }, { NULL, 0, 0 },
};

/* Of the vifs; of an ovs network: of the switch. */
const struct pol_choice pol_network_datapaths[] = {
	{ "tap", POL_READY, POL_DATAPATH_TAP },	      { "kernel", POL_READY, POL_DATAPATH_KERNEL },
	{ "netdev", POL_READY, POL_DATAPATH_NETDEV }, { "dpdk", POL_READY, POL_DATAPATH_DPDK },
	{ "afxdp", POL_READY, POL_DATAPATH_AFXDP },   { NULL, 0, 0 },
};

static const struct pol_choice fallbacks[] = {
	{ "none", POL_READY, POL_FALLBACK_NONE },
	{ "kernel", POL_READY, POL_FALLBACK_KERNEL },
	{ "netdev", POL_READY, POL_FALLBACK_NETDEV },
	{ NULL, 0, 0 },
};

static const struct pol_range cpu_range = { 0, 4095 };
static const struct pol_range rx_queues_range = { 1, 64 };
static const struct pol_quantity socket_mem = { UNIT_SIZE, 1u << 20, UINT64_C(1) << 40, false,
						1u << 20 };

static const struct pol_choice fail_modes[] = {
	{ "standalone", POL_READY, POL_FAIL_STANDALONE },
	{ "secure", POL_READY, POL_FAIL_SECURE },
	{ NULL, 0, 0 },
};

static const struct pol_choice advertises[] = {
	{ "proxy-neighbor", POL_READY, POL_ADVERTISE_PROXY },
	{ "none", POL_READY, POL_ADVERTISE_NONE },
	{ NULL, 0, 0 },
};

static const struct pol_choice ras[] = {
	{ "none", POL_READY, POL_RA_NONE },
	{ "slaac", POL_READY, POL_RA_SLAAC },
	{ "stateless", POL_READY, POL_RA_STATELESS },
	{ "dhcpv6", POL_READY, POL_RA_DHCPV6 },
	{ NULL, 0, 0 },
};

static const struct pol_choice bond_modes[] = {
	{ "balance-rr", POL_READY, POL_BOND_BALANCE_RR },
	{ "active-backup", POL_READY, POL_BOND_ACTIVE_BACKUP },
	{ "balance-xor", POL_READY, POL_BOND_BALANCE_XOR },
	{ "broadcast", POL_READY, POL_BOND_BROADCAST },
	{ "802.3ad", POL_READY, POL_BOND_802_3AD },
	{ "balance-tlb", POL_READY, POL_BOND_BALANCE_TLB },
	{ "balance-alb", POL_READY, POL_BOND_BALANCE_ALB },
	{ NULL, 0, 0 },
};

static const struct pol_choice bond_hashes[] = {
	{ "layer2", POL_READY, POL_BOND_LAYER2 },
	{ "layer3+4", POL_READY, POL_BOND_LAYER34 },
	{ "layer2+3", POL_READY, POL_BOND_LAYER23 },
	{ NULL, 0, 0 },
};

static const struct pol_choice lacp_rates[] = {
	{ "slow", POL_READY, POL_LACP_SLOW },
	{ "fast", POL_READY, POL_LACP_FAST },
	{ NULL, 0, 0 },
};

const struct pol_range pol_vlan_range = { 1, 4094 };
static const struct pol_range metric_range = { 0, UINT32_MAX };
static const struct pol_range priority_range = { 0, 65535 };

static const struct pol_quantity mii = { UNIT_DURATION, MILLISECOND, 10 * SECOND, false,
					 MILLISECOND };
static const struct pol_quantity mirror_rate = { UNIT_RATE, 8000, 1000000000000, false, 0 };
static const struct pol_quantity lease = { UNIT_DURATION, 120 * SECOND, 365 * 86400 * SECOND, false,
					   SECOND };
/* What the standard allows. */
static const struct pol_quantity max_age = { UNIT_DURATION, 6 * SECOND, 40 * SECOND, false,
					     SECOND };
static const struct pol_quantity forward_delay = { UNIT_DURATION, 4 * SECOND, 30 * SECOND, false,
						   SECOND };
static const struct pol_quantity hello_time = { UNIT_DURATION, SECOND, 10 * SECOND, false, SECOND };

static const struct pol_key match_keys[] = {
	FIELD(struct pol_match, mac, "mac", POL_KIND_MAC, NULL),
	FIELD(struct pol_match, pci, "pci", POL_KIND_TEXT, &pol_rule_pci),
	FIELD(struct pol_match, driver, "driver", POL_KIND_TEXT, &pol_rule_driver),
	FIELD(struct pol_match, name, "name", POL_KIND_TEXT, &pol_rule_ifglob),
	END,
};
static const struct pol_map match_map = { .what = "an uplink's match",
					  .keys = match_keys,
					  .min = 1 };

static const struct pol_key bond_keys[] = {
	NEEDED(struct pol_bond, mode, "mode", POL_KIND_CHOICE, bond_modes),
	{ .name = "members",
	  .kind = POL_KIND_TEXTS,
	  .required = true,
	  .min = 1,
	  .max = 8,
	  .offset = offsetof(struct pol_bond, member_names),
	  .arg = &pol_rule_name },
	FIELD(struct pol_bond, lacp_rate, "lacp-rate", POL_KIND_CHOICE, lacp_rates),
	FIELD(struct pol_bond, hash, "hash", POL_KIND_CHOICE, bond_hashes),
	FIELD(struct pol_bond, mii_interval, "mii-interval", POL_KIND_QUANTITY, &mii),
	END,
};
static const struct pol_map bond_map = { .what = "a bond", .keys = bond_keys };

static const struct pol_key vlan_uplink_keys[] = {
	NEEDED(struct pol_vlan_uplink, id, "id", POL_KIND_U32, &pol_vlan_range),
	NEEDED(struct pol_vlan_uplink, link_name, "link", POL_KIND_TEXT, &pol_rule_name),
	END,
};
static const struct pol_map vlan_uplink_map = { .what = "an uplink's vlan",
						.keys = vlan_uplink_keys };

#define OFFLOAD(member, name) FIELD(struct pol_uplink_offload, member, name, POL_KIND_BOOL, NULL)

static const struct pol_key uplink_offload_keys[] = {
	OFFLOAD(tso, "tso"),
	OFFLOAD(gso, "gso"),
	OFFLOAD(gro, "gro"),
	OFFLOAD(lro, "lro"),
	OFFLOAD(sg, "sg"),
	OFFLOAD(tx_checksum, "tx-checksum"),
	OFFLOAD(rx_checksum, "rx-checksum"),
	OFFLOAD(tx_vlan, "tx-vlan"),
	OFFLOAD(rx_vlan, "rx-vlan"),
	END,
};
static const struct pol_map uplink_offload_map = { .what = "an uplink's offload",
						   .keys = uplink_offload_keys };

static const struct pol_key uplink_keys[] = {
	FIELD(struct pol_uplink, match, "match", POL_KIND_MAP, &match_map),
	FIELD(struct pol_uplink, bond, "bond", POL_KIND_MAP, &bond_map),
	FIELD(struct pol_uplink, vlan, "vlan", POL_KIND_MAP, &vlan_uplink_map),
	FIELD(struct pol_uplink, mtu, "mtu", POL_KIND_U32, &pol_mtu_range),
	FIELD(struct pol_uplink, offload, "offload", POL_KIND_MAP, &uplink_offload_map),
	END,
};
const struct pol_map pol_uplink_map = {
	.what = "an uplink",
	.keys = uplink_keys,
	.size = sizeof(struct pol_uplink),
	.names = &pol_rule_name,
};

static const struct pol_key route_keys[] = {
	NEEDED(struct pol_route, to, "to", POL_KIND_TARGET, NULL),
	NEEDED(struct pol_route, via, "via", POL_KIND_ADDRESS, NULL),
	FIELD(struct pol_route, metric, "metric", POL_KIND_U32, &metric_range),
	END,
};
static const struct pol_map route_map = {
	.what = "a route",
	.keys = route_keys,
	.size = sizeof(struct pol_route),
};

static const struct pol_key stp_keys[] = {
	FIELD(struct pol_stp, enabled, "enabled", POL_KIND_BOOL, NULL),
	FIELD(struct pol_stp, max_age, "max-age", POL_KIND_QUANTITY, &max_age),
	FIELD(struct pol_stp, forward_delay, "forward-delay", POL_KIND_QUANTITY, &forward_delay),
	FIELD(struct pol_stp, hello_time, "hello-time", POL_KIND_QUANTITY, &hello_time),
	FIELD(struct pol_stp, priority, "priority", POL_KIND_U32, &priority_range),
	END,
};
static const struct pol_map stp_map = { .what = "stp", .keys = stp_keys, .scalar = "enabled" };

static const struct pol_key network_datapath_keys[] = {
	NEEDED(struct pol_network_datapath, type, "type", POL_KIND_CHOICE, pol_network_datapaths),
	LIMITED(struct pol_network_datapath, pmd_cpus, "pmd-cpus", POL_KIND_U32S, &cpu_range, 1,
		64),
	FIELD(struct pol_network_datapath, socket_mem, "socket-mem", POL_KIND_QUANTITY,
	      &socket_mem),
	FIELD(struct pol_network_datapath, hugepages, "hugepages", POL_KIND_BOOL, NULL),
	FIELD(struct pol_network_datapath, rx_queues, "rx-queues", POL_KIND_U32, &rx_queues_range),
	FIELD(struct pol_network_datapath, fallback, "fallback", POL_KIND_CHOICE, fallbacks),
	END,
};
static const struct pol_map network_datapath_map = { .what = "a network's datapath",
						     .keys = network_datapath_keys,
						     .scalar = "type" };

static const struct pol_key dhcp_keys[] = {
	FIELD(struct pol_dhcp, range, "range", POL_KIND_SPAN, NULL),
	FIELD(struct pol_dhcp, lease, "lease", POL_KIND_QUANTITY, &lease),
	END,
};
static const struct pol_map dhcp_map = { .what = "dhcp", .keys = dhcp_keys };

static const struct pol_key subnet_keys[] = {
	NEEDED(struct pol_subnet, cidr, "cidr", POL_KIND_NETWORK, NULL),
	FIELD(struct pol_subnet, gateway, "gateway", POL_KIND_ADDRESS, NULL),
	FIELD(struct pol_subnet, dhcp, "dhcp", POL_KIND_MAP, &dhcp_map),
	FIELD(struct pol_subnet, ra, "ra", POL_KIND_CHOICE, ras),
	FIELD(struct pol_subnet, nat66, "nat66", POL_KIND_BOOL, NULL),
	END,
};
static const struct pol_map subnet_map = {
	.what = "a subnet",
	.keys = subnet_keys,
	.size = sizeof(struct pol_subnet),
};

static const struct pol_key egress_keys[] = {
	FIELD(struct pol_egress, network_name, "network", POL_KIND_TEXT, &pol_rule_ifname),
	LIMITED(struct pol_egress, source, "source", POL_KIND_SOURCE, NULL, 1, 2),
	END,
};
static const struct pol_map egress_map = { .what = "egress", .keys = egress_keys };

static const struct pol_key dns_keys[] = {
	FIELD(struct pol_dns, domain, "domain", POL_KIND_TEXT, &pol_rule_dns),
	LIMITED(struct pol_dns, forward_to, "forward-to", POL_KIND_ADDRESSES, NULL, 0, 8),
	FIELD(struct pol_dns, register_guests, "register-guests", POL_KIND_BOOL, NULL),
	END,
};
static const struct pol_map dns_map = { .what = "dns", .keys = dns_keys };

static const struct pol_key nameservers_keys[] = {
	{ .name = "addresses",
	  .kind = POL_KIND_ADDRESSES,
	  .required = true,
	  .offset = offsetof(struct pol_nameservers, addresses),
	  .min = 1,
	  .max = VS_NAMESERVERS_MAX },
	LIMITED(struct pol_nameservers, search, "search", POL_KIND_TEXTS, &pol_rule_dns, 1,
		VS_SEARCH_MAX),
	END,
};
static const struct pol_map nameservers_map = { .what = "nameservers", .keys = nameservers_keys };

static const struct pol_key vlan_name_keys[] = {
	NEEDED(struct pol_vlan_name, id, "id", POL_KIND_U32, &pol_vlan_range),
	END,
};
static const struct pol_map vlan_name_map = {
	.what = "a VLAN's name",
	.keys = vlan_name_keys,
	.size = sizeof(struct pol_vlan_name),
	.names = &pol_rule_vlan,
	.scalar = "id",
	.is_short = true,
};

static const struct pol_key mirror_select_keys[] = {
	{ .name = "guests",
	  .kind = POL_KIND_TEXTS,
	  .required = true,
	  .min = 1,
	  .offset = offsetof(struct pol_mirror_select, guests),
	  .arg = &pol_rule_guest_or_tag },
	END,
};
static const struct pol_map mirror_select_map = { .what = "a mirror's select",
						  .keys = mirror_select_keys };

static const struct pol_key mirror_output_keys[] = {
	NEEDED(struct pol_mirror_output, vif, "vif", POL_KIND_TEXT, &pol_rule_vif),
	END,
};
static const struct pol_map mirror_output_map = { .what = "a mirror's output",
						  .keys = mirror_output_keys };

static const struct pol_key mirror_keys[] = {
	NEEDED(struct pol_mirror, select, "select", POL_KIND_MAP, &mirror_select_map),
	NEEDED(struct pol_mirror, output, "output", POL_KIND_MAP, &mirror_output_map),
	FIELD(struct pol_mirror, max_rate, "max-rate", POL_KIND_QUANTITY, &mirror_rate),
	END,
};
static const struct pol_map mirror_map = {
	.what = "a mirror",
	.keys = mirror_keys,
	.size = sizeof(struct pol_mirror),
	.names = &pol_rule_name,
};

static const struct pol_key network_keys[] = {
	NEEDED(struct pol_network, mode, "mode", POL_KIND_CHOICE, pol_modes),
	MODES(struct pol_network, uplink_name, "uplink", POL_KIND_UPLINK, &match_map, BRIDGE | OVS),
	FIELD(struct pol_network, mtu, "mtu", POL_KIND_U32, &pol_mtu_range),
	MODES(struct pol_network, stp, "stp", POL_KIND_MAP, &stp_map, BRIDGE | OVS),
	MODES(struct pol_network, rstp, "rstp", POL_KIND_BOOL, NULL, OVS),
	MODES(struct pol_network, vlan_filtering, "vlan-filtering", POL_KIND_BOOL, NULL, BRIDGE),
	MODES(struct pol_network, vlans, "vlans", POL_KIND_NAMED, &vlan_name_map, BRIDGE | OVS),
	MODES(struct pol_network, fail_mode, "fail-mode", POL_KIND_CHOICE, fail_modes, OVS),
	MODES(struct pol_network, mirrors, "mirrors", POL_KIND_NAMED, &mirror_map, OVS),
	MODES(struct pol_network, addresses, "addresses", POL_KIND_HOST_ADDRESSES, NULL,
	      BRIDGE | OVS),
	MODES(struct pol_network, routes, "routes", POL_KIND_LIST, &route_map, BRIDGE | OVS),
	MODES(struct pol_network, subnets, "subnets", POL_KIND_LIST, &subnet_map,
	      BRIDGE | OVS | NAT | ROUTE | ISOLATED),
	MODES(struct pol_network, egress, "egress", POL_KIND_MAP, &egress_map,
	      BRIDGE | OVS | NAT | ROUTE),
	MODES(struct pol_network, masquerade, "masquerade", POL_KIND_BOOL, NULL, BRIDGE | OVS),
	MODES(struct pol_network, dns, "dns", POL_KIND_MAP, &dns_map,
	      BRIDGE | OVS | NAT | ROUTE | ISOLATED),
	MODES(struct pol_network, advertise, "advertise", POL_KIND_CHOICE, advertises, ROUTE),
	FIELD(struct pol_network, isolation, "isolation", POL_KIND_CHOICE, pol_isolations),
	FIELD(struct pol_network, datapath, "datapath", POL_KIND_MAP, &network_datapath_map),
	FIELD(struct pol_network, profile_name, "profile", POL_KIND_TEXT, &pol_rule_name),
	FIELD(struct pol_network, nameservers, "nameservers", POL_KIND_MAP, &nameservers_map),
	END,
};
const struct pol_map pol_network_map = {
	.what = "a network",
	.keys = network_keys,
	.size = sizeof(struct pol_network),
	.names = &pol_rule_ifname,
	.min = 1,
};
