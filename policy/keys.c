/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables. A key that is LATER is known to the language but not to this version: it is refused
 * by name. To make one work, give it a kind, a place in policy.h and the status READY, and take it
 * up in configs/policy.schema.json.
 */
#include "policy/keys.h"

#define LATER(name_)                                                                               \
	{                                                                                          \
		.name = (name_), .status = POL_LATER                                               \
	}
#define LATER_SO(name_, text)                                                                      \
	{                                                                                          \
		.name = (name_), .status = POL_LATER, .instead = (text)                            \
	}
#define END                                                                                        \
	{                                                                                          \
		.name = NULL                                                                       \
	}

#define FIELD(type, member, name_, kind_, arg_)                                                    \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .offset = offsetof(type, member), .arg = (arg_)  \
	}
#define NEEDED(type, member, name_, kind_, arg_)                                                   \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .required = true,                                \
		.offset = offsetof(type, member), .arg = (arg_)                                    \
	}

static const char no_vlans[] = "leave VLANs to the uplink or to the guest";
static const char no_rates[] = "leave the limit out";
static const char no_queues[] = "leave it out, all vifs are offered the same number";

const struct pol_choice pol_modes[] = {
	{ "bridge", POL_READY, POL_MODE_BRIDGE },
	{ "ovs", POL_LATER, 0 },
	{ "nat", POL_LATER, 0 },
	{ "route", POL_LATER, 0 },
	{ "isolated", POL_LATER, 0 },
	{ NULL, 0, 0 },
};

const struct pol_choice pol_isolations[] = {
	{ "none", POL_READY, POL_ISOLATION_NONE },
	{ "port", POL_READY, POL_ISOLATION_PORT },
	{ "per-guest", POL_LATER, 0 },
	{ NULL, 0, 0 },
};

const struct pol_choice pol_anti_spoofs[] = {
	{ "none", POL_READY, POL_ANTI_SPOOF_NONE },
	{ "mac", POL_LATER, 0 },
	{ "strict", POL_LATER, 0 },
	{ NULL, 0, 0 },
};

const struct pol_choice pol_datapaths[] = {
	{ "tap", POL_READY, POL_DATAPATH_TAP },
	{ "kernel", POL_READY, POL_DATAPATH_KERNEL },
	{ "dpdk", POL_LATER, 0 },
	{ "afxdp", POL_LATER, 0 },
	{ NULL, 0, 0 },
};

static const struct pol_range version_range = { 1, 1 };
static const struct pol_range mtu_range = { 68, 65535 };
static const struct pol_range devid_range = { 0, 65535 };
static const struct pol_range metric_range = { 0, UINT32_MAX };
static const struct pol_range domid_range = { 1, 0x7fef }; /* below Xen's reserved ones */

static const struct pol_key datapath_keys[] = {
	NEEDED(struct pol_datapath, type, "type", POL_KIND_CHOICE, pol_datapaths),
	LATER("pmd-cpus"),
	LATER("socket-mem"),
	LATER("rx-queues"),
	LATER("fallback"),
	END,
};
static const struct pol_map datapath_map = { .what = "a datapath",
					     .keys = datapath_keys,
					     .scalar = "type" };

static const struct pol_key host_match_keys[] = {
	FIELD(struct pol_host_match, hostname, "hostname", POL_KIND_TEXT, &pol_rule_hostglob),
	LATER_SO("machine-id", "match by hostname"),
	END,
};
static const struct pol_map host_match_map = { .what = "host.match", .keys = host_match_keys };

static const struct pol_key forwarding_keys[] = {
	FIELD(struct pol_forwarding, ipv4, "ipv4", POL_KIND_BOOL, NULL),
	FIELD(struct pol_forwarding, ipv6, "ipv6", POL_KIND_BOOL, NULL),
	END,
};
static const struct pol_map forwarding_map = { .what = "host.forwarding", .keys = forwarding_keys };

static const struct pol_key management_keys[] = {
	NEEDED(struct pol_management, network_name, "network", POL_KIND_TEXT, &pol_rule_ifname),
	LATER_SO("allow-from", "filter on the host itself"),
	LATER_SO("services", "filter on the host itself"),
	END,
};
static const struct pol_map management_map = { .what = "host.management", .keys = management_keys };

static const struct pol_key host_keys[] = {
	FIELD(struct pol_host, match, "match", POL_KIND_MAP, &host_match_map),
	FIELD(struct pol_host, forwarding, "forwarding", POL_KIND_MAP, &forwarding_map),
	FIELD(struct pol_host, management, "management", POL_KIND_MAP, &management_map),
	FIELD(struct pol_host, unmanaged, "unmanaged", POL_KIND_TEXTS, &pol_rule_ifglob),
	END,
};
static const struct pol_map host_map = { .what = "host", .keys = host_keys };

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

static const struct pol_key uplink_keys[] = {
	NEEDED(struct pol_uplink, match, "match", POL_KIND_MAP, &match_map),
	FIELD(struct pol_uplink, mtu, "mtu", POL_KIND_U32, &mtu_range),
	LATER_SO("offload", "set offloads with ethtool"),
	LATER_SO("bond", "make the bond outside and match it by name"),
	END,
};
static const struct pol_map uplink_map = {
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

static const struct pol_key network_keys[] = {
	NEEDED(struct pol_network, mode, "mode", POL_KIND_CHOICE, pol_modes),
	FIELD(struct pol_network, uplink_name, "uplink", POL_KIND_TEXT, &pol_rule_name),
	FIELD(struct pol_network, mtu, "mtu", POL_KIND_U32, &mtu_range),
	FIELD(struct pol_network, stp, "stp", POL_KIND_BOOL, NULL),
	FIELD(struct pol_network, isolation, "isolation", POL_KIND_CHOICE, pol_isolations),
	FIELD(struct pol_network, addresses, "addresses", POL_KIND_PREFIXES, NULL),
	FIELD(struct pol_network, routes, "routes", POL_KIND_LIST, &route_map),
	FIELD(struct pol_network, profile_name, "profile", POL_KIND_TEXT, &pol_rule_name),
	LATER_SO("vlan-filtering", no_vlans),
	LATER_SO("vlans", no_vlans),
	LATER_SO("nameservers", "set name servers in resolv.conf(5)"),
	LATER("fail-mode"),
	FIELD(struct pol_network, datapath, "datapath", POL_KIND_MAP, &datapath_map),
	LATER_SO("mirrors", "capture on the vif's interface"),
	LATER("subnets"),
	LATER("egress"),
	LATER("dns"),
	LATER("advertise"),
	END,
};
static const struct pol_map network_map = {
	.what = "a network",
	.keys = network_keys,
	.size = sizeof(struct pol_network),
	.names = &pol_rule_ifname,
	.min = 1,
};

static const struct pol_key profile_keys[] = {
	FIELD(struct pol_profile, anti_spoof, "anti-spoof", POL_KIND_CHOICE, pol_anti_spoofs),
	FIELD(struct pol_profile, isolation, "isolation", POL_KIND_CHOICE, pol_isolations),
	FIELD(struct pol_profile, datapath, "datapath", POL_KIND_MAP, &datapath_map),
	LATER_SO("queues", no_queues),
	LATER_SO("rate", no_rates),
	LATER_SO("trusted-backend", "leave it out, the default is true"),
	LATER_SO("on-policy-error", "leave it out, a vif that cannot be placed stays down"),
	END,
};
static const struct pol_map profile_map = {
	.what = "a profile",
	.keys = profile_keys,
	.size = sizeof(struct pol_profile),
	.names = &pol_rule_name,
};

static const struct pol_key guest_match_keys[] = {
	FIELD(struct pol_guest_match, uuid, "uuid", POL_KIND_TEXT, &pol_rule_uuid),
	FIELD(struct pol_guest_match, name, "name", POL_KIND_TEXT, &pol_rule_domain),
	FIELD(struct pol_guest_match, domid, "domid", POL_KIND_U32, &domid_range),
	END,
};
static const struct pol_map guest_match_map = {
	.what = "a guest's match",
	.keys = guest_match_keys,
	.min = 1,
};

static const struct pol_key vif_keys[] = {
	FIELD(struct pol_vif, devid, "devid", POL_KIND_U32, &devid_range),
	NEEDED(struct pol_vif, network_name, "network", POL_KIND_TEXT, &pol_rule_ifname),
	FIELD(struct pol_vif, mac, "mac", POL_KIND_MAC_OR_AUTO, NULL),
	FIELD(struct pol_vif, mtu, "mtu", POL_KIND_U32, &mtu_range),
	LATER_SO("queues", no_queues),
	FIELD(struct pol_vif, isolation, "isolation", POL_KIND_CHOICE, pol_isolations),
	FIELD(struct pol_vif, anti_spoof, "anti-spoof", POL_KIND_CHOICE, pol_anti_spoofs),
	FIELD(struct pol_vif, datapath, "datapath", POL_KIND_MAP, &datapath_map),
	FIELD(struct pol_vif, profile_name, "profile", POL_KIND_TEXT, &pol_rule_name),
	FIELD(struct pol_vif, tags, "tags", POL_KIND_TEXTS, &pol_rule_name),
	LATER_SO("addresses", "set addresses in the guest"),
	LATER_SO("vlan", no_vlans),
	LATER_SO("rate", no_rates),
	LATER_SO("offload", "set offloads in the guest"),
	LATER("role"),
	END,
};
static const struct pol_map vif_map = {
	.what = "a vif",
	.keys = vif_keys,
	.size = sizeof(struct pol_vif),
};

static const struct pol_key guest_keys[] = {
	FIELD(struct pol_guest, match, "match", POL_KIND_MAP, &guest_match_map),
	FIELD(struct pol_guest, vifs, "vifs", POL_KIND_LIST, &vif_map),
	END,
};
static const struct pol_map guest_map = {
	.what = "a guest",
	.keys = guest_keys,
	.size = sizeof(struct pol_guest),
	.names = &pol_rule_guest,
};

static const struct pol_key policy_keys[] = {
	NEEDED(struct policy, version, "version", POL_KIND_U32, &version_range),
	FIELD(struct policy, host, "host", POL_KIND_MAP, &host_map),
	FIELD(struct policy, uplinks, "uplinks", POL_KIND_NAMED, &uplink_map),
	NEEDED(struct policy, networks, "networks", POL_KIND_NAMED, &network_map),
	FIELD(struct policy, profiles, "profiles", POL_KIND_NAMED, &profile_map),
	FIELD(struct policy, guests, "guests", POL_KIND_NAMED, &guest_map),
	LATER_SO("apply", "an apply that fails is always rolled back"),
	LATER_SO("qos", no_rates),
	LATER("address-sets"),
	LATER_SO("firewall", "filter on the host itself"),
	LATER("forwards"),
	LATER("objectives"),
	END,
};
const struct pol_map pol_policy_map = { .what = "a policy", .keys = policy_keys };
