/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables. A key that is LATER is known to the language but not to this version: it is refused
 * by name. To make one work, give it a kind, a place in policy.h and the status READY, and take it
 * up in configs/policy.schema.json. Here: the policy, its host, guests and what vifs may say.
 */
#include "policy/keys_priv.h"

const struct pol_choice pol_isolations[] = {
	{ "none", POL_READY, POL_ISOLATION_NONE },
	{ "port", POL_READY, POL_ISOLATION_PORT },
	{ "per-guest", POL_READY, POL_ISOLATION_GUEST },
	{ NULL, 0, 0 },
};

const struct pol_choice pol_anti_spoofs[] = {
	{ "none", POL_READY, POL_ANTI_SPOOF_NONE },
	{ "mac", POL_READY, POL_ANTI_SPOOF_MAC },
	{ "strict", POL_READY, POL_ANTI_SPOOF_STRICT },
	{ NULL, 0, 0 },
};

const struct pol_choice pol_datapaths[] = {
	{ "tap", POL_READY, POL_DATAPATH_TAP },
	{ "kernel", POL_READY, POL_DATAPATH_KERNEL },
	{ "dpdk", POL_LATER, 0 },
	{ "afxdp", POL_LATER, 0 },
	{ NULL, 0, 0 },
};

const struct pol_choice pol_drifts[] = {
	{ "repair", POL_READY, POL_DRIFT_REPAIR },
	{ "report", POL_READY, POL_DRIFT_REPORT },
	{ "adopt", POL_READY, POL_DRIFT_ADOPT },
	{ NULL, 0, 0 },
};

static const struct pol_choice on_errors[] = {
	{ "quarantine", POL_READY, POL_ON_ERROR_QUARANTINE },
	{ NULL, 0, 0 },
};

static const struct pol_choice roles[] = {
	{ "mirror-target", POL_READY, POL_ROLE_MIRROR_TARGET },
	{ NULL, 0, 0 },
};

static const struct pol_range queues_range = { 1, 16 }; /* NB_MAX_QUEUES */
static const struct pol_range version_range = { 1, 1 };
static const struct pol_range devid_range = { 0, 65535 };
static const struct pol_range domid_range = { 1, 0x7fef }; /* below Xen's reserved ones */
const struct pol_range pol_mtu_range = { 68, 65535 };

/* Limits below are of no use to anybody, those above no device has. */
static const struct pol_quantity bits = { UNIT_RATE, 8000, 1000000000000, true, 0 };
static const struct pol_quantity packets = { UNIT_PACKETS, 10, 1000000000, true, 0 };
static const struct pol_quantity burst = { UNIT_SIZE, 1514, 1u << 30, false, 0 };

static const struct pol_key datapath_keys[] = {
	NEEDED(struct pol_datapath, type, "type", POL_KIND_CHOICE, pol_datapaths),
	LATER("pmd-cpus"),
	LATER("socket-mem"),
	LATER("rx-queues"),
	LATER("fallback"),
	END,
};
const struct pol_map pol_datapath_map = { .what = "a datapath",
					  .keys = datapath_keys,
					  .scalar = "type" };

static const struct pol_key vlan_keys[] = {
	FIELD(struct pol_vlans, access, "access", POL_KIND_VLAN, NULL),
	LIMITED(struct pol_vlans, trunk, "trunk", POL_KIND_VLANS, NULL, 1, 16),
	FIELD(struct pol_vlans, native, "native", POL_KIND_VLAN, NULL),
	END,
};
const struct pol_map pol_vlans_map = { .what = "a vlan", .keys = vlan_keys };

static const struct pol_key rate_keys[] = {
	FIELD(struct pol_rate, ingress, "ingress", POL_KIND_QUANTITY, &bits),
	FIELD(struct pol_rate, egress, "egress", POL_KIND_QUANTITY, &bits),
	FIELD(struct pol_rate, ingress_pps, "ingress-pps", POL_KIND_QUANTITY, &packets),
	FIELD(struct pol_rate, egress_pps, "egress-pps", POL_KIND_QUANTITY, &packets),
	FIELD(struct pol_rate, burst, "burst", POL_KIND_QUANTITY, &burst),
	END,
};
const struct pol_map pol_rate_map = { .what = "a rate", .keys = rate_keys };

static const struct pol_key offload_keys[] = {
	FIELD(struct pol_offload, tx_checksum, "tx-checksum", POL_KIND_BOOL, NULL),
	FIELD(struct pol_offload, tso, "tso", POL_KIND_BOOL, NULL),
	FIELD(struct pol_offload, sg, "sg", POL_KIND_BOOL, NULL),
	END,
};
static const struct pol_map offload_map = { .what = "an offload", .keys = offload_keys };

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
	LIMITED(struct pol_management, allow_from, "allow-from", POL_KIND_NETS, NULL, 1, 0),
	LIMITED(struct pol_management, services, "services", POL_KIND_SERVICES, NULL, 1, 16),
	END,
};
static const struct pol_map management_map = { .what = "host.management", .keys = management_keys };

static const struct pol_key host_keys[] = {
	FIELD(struct pol_host, match, "match", POL_KIND_MAP, &host_match_map),
	FIELD(struct pol_host, forwarding, "forwarding", POL_KIND_MAP, &forwarding_map),
	FIELD(struct pol_host, management, "management", POL_KIND_MAP, &management_map),
	FIELD(struct pol_host, resolv_conf, "resolv-conf", POL_KIND_BOOL, NULL),
	FIELD(struct pol_host, unmanaged, "unmanaged", POL_KIND_TEXTS, &pol_rule_ifglob),
	END,
};
static const struct pol_map host_map = { .what = "host", .keys = host_keys };

static const struct pol_key profile_keys[] = {
	FIELD(struct pol_profile, anti_spoof, "anti-spoof", POL_KIND_CHOICE, pol_anti_spoofs),
	FIELD(struct pol_profile, isolation, "isolation", POL_KIND_CHOICE, pol_isolations),
	FIELD(struct pol_profile, datapath, "datapath", POL_KIND_MAP, &pol_datapath_map),
	FIELD(struct pol_profile, vlan, "vlan", POL_KIND_MAP, &pol_vlans_map),
	FIELD(struct pol_profile, rate, "rate", POL_KIND_MAP, &pol_rate_map),
	FIELD(struct pol_profile, on_policy_error, "on-policy-error", POL_KIND_CHOICE, on_errors),
	FIELD(struct pol_profile, queues, "queues", POL_KIND_U32, &queues_range),
	FIELD(struct pol_profile, trusted_backend, "trusted-backend", POL_KIND_BOOL, NULL),
	FIELD(struct pol_profile, offload, "offload", POL_KIND_MAP, &offload_map),
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
	FIELD(struct pol_vif, mtu, "mtu", POL_KIND_U32, &pol_mtu_range),
	FIELD(struct pol_vif, queues, "queues", POL_KIND_U32, &queues_range),
	FIELD(struct pol_vif, isolation, "isolation", POL_KIND_CHOICE, pol_isolations),
	FIELD(struct pol_vif, anti_spoof, "anti-spoof", POL_KIND_CHOICE, pol_anti_spoofs),
	FIELD(struct pol_vif, datapath, "datapath", POL_KIND_MAP, &pol_datapath_map),
	LIMITED(struct pol_vif, addresses, "addresses", POL_KIND_ADDRESSES, NULL, 0, 16),
	FIELD(struct pol_vif, vlan, "vlan", POL_KIND_MAP, &pol_vlans_map),
	FIELD(struct pol_vif, rate, "rate", POL_KIND_MAP, &pol_rate_map),
	FIELD(struct pol_vif, on_policy_error, "on-policy-error", POL_KIND_CHOICE, on_errors),
	FIELD(struct pol_vif, profile_name, "profile", POL_KIND_TEXT, &pol_rule_name),
	LIMITED(struct pol_vif, tags, "tags", POL_KIND_TEXTS, &pol_rule_tag, 0, 8),
	FIELD(struct pol_vif, trusted_backend, "trusted-backend", POL_KIND_BOOL, NULL),
	FIELD(struct pol_vif, offload, "offload", POL_KIND_MAP, &offload_map),
	FIELD(struct pol_vif, role, "role", POL_KIND_CHOICE, roles),
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
	FIELD(struct policy, uplinks, "uplinks", POL_KIND_NAMED, &pol_uplink_map),
	NEEDED(struct policy, networks, "networks", POL_KIND_NAMED, &pol_network_map),
	FIELD(struct policy, profiles, "profiles", POL_KIND_NAMED, &profile_map),
	FIELD(struct policy, guests, "guests", POL_KIND_NAMED, &guest_map),
	FIELD(struct policy, address_sets, "address-sets", POL_KIND_NAMED, &pol_address_set_map),
	FIELD(struct policy, firewall, "firewall", POL_KIND_MAP, &pol_firewall_map),
	FIELD(struct policy, forwards, "forwards", POL_KIND_LIST, &pol_forward_map),
	FIELD(struct policy, apply, "apply", POL_KIND_MAP, &pol_apply_map),
	FIELD(struct policy, drift, "drift", POL_KIND_CHOICE, pol_drifts),
	LATER_SO("qos", "limit each vif by its rate"),
	FIELD(struct policy, objectives, "objectives", POL_KIND_LIST, &pol_objective_map),
	END,
};
const struct pol_map pol_policy_map = { .what = "a policy", .keys = policy_keys };
