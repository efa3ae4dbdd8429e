/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of firewall, forwards, address sets, and of how a policy is applied. */
#include <netinet/in.h>

#include "policy/keys_priv.h"

#define SECOND UINT64_C(1000000)

static const struct pol_choice verdicts[] = {
	{ "accept", POL_READY, POL_ACCEPT },
	{ "drop", POL_READY, POL_DROP },
	{ "reject", POL_READY, POL_REJECT },
	{ NULL, 0, 0 },
};

static const struct pol_choice protocols[] = {
	{ "any", POL_READY, 0 },
	{ "tcp", POL_READY, IPPROTO_TCP },
	{ "udp", POL_READY, IPPROTO_UDP },
	{ "sctp", POL_READY, IPPROTO_SCTP },
	{ "icmp", POL_READY, IPPROTO_ICMP },
	{ "icmpv6", POL_READY, IPPROTO_ICMPV6 },
	{ NULL, 0, 0 },
};

static const struct pol_choice forward_protocols[] = {
	{ "tcp", POL_READY, IPPROTO_TCP },
	{ "udp", POL_READY, IPPROTO_UDP },
	{ NULL, 0, 0 },
};

static const struct pol_choice on_failures[] = {
	{ "rollback", POL_READY, POL_ON_FAILURE_ROLLBACK },
	{ NULL, 0, 0 },
};

static const struct pol_range devid_range = { 0, 65535 };
const struct pol_range pol_port_range = { 1, 65535 };
static const struct pol_quantity confirm = { UNIT_DURATION, SECOND, 86400 * SECOND, false, SECOND };
static const struct pol_quantity probe_time = { UNIT_DURATION, SECOND / 10, 600 * SECOND, false,
						SECOND / 1000 };

static const struct pol_key probe_tcp_keys[] = {
	NEEDED(struct pol_probe_tcp, address, "address", POL_KIND_ADDRESS, NULL),
	NEEDED(struct pol_probe_tcp, port, "port", POL_KIND_U32, &pol_port_range),
	END,
};
static const struct pol_map probe_tcp_map = { .what = "a probe's tcp", .keys = probe_tcp_keys };

static const struct pol_key probe_keys[] = {
	NEEDED(struct pol_probe, name, "name", POL_KIND_TEXT, &pol_rule_name),
	FIELD(struct pol_probe, ping, "ping", POL_KIND_ADDRESS, NULL),
	FIELD(struct pol_probe, from, "from", POL_KIND_TEXT, &pol_rule_ifname),
	FIELD(struct pol_probe, resolve, "resolve", POL_KIND_TEXT, &pol_rule_dns),
	FIELD(struct pol_probe, tcp, "tcp", POL_KIND_MAP, &probe_tcp_map),
	FIELD(struct pol_probe, timeout, "timeout", POL_KIND_QUANTITY, &probe_time),
	END,
};
static const struct pol_map probe_map = {
	.what = "a probe",
	.keys = probe_keys,
	.size = sizeof(struct pol_probe),
};

static const struct pol_key apply_keys[] = {
	FIELD(struct pol_apply, confirm_timeout, "confirm-timeout", POL_KIND_QUANTITY, &confirm),
	FIELD(struct pol_apply, on_failure, "on-failure", POL_KIND_CHOICE, on_failures),
	FIELD(struct pol_apply, probes, "probes", POL_KIND_LIST, &probe_map),
	END,
};
const struct pol_map pol_apply_map = { .what = "apply", .keys = apply_keys };

static const struct pol_key address_set_keys[] = {
	NEEDED(struct pol_address_set, nets, "nets", POL_KIND_NETS, &pol_rule_fqdn),
	END,
};
const struct pol_map pol_address_set_map = {
	.what = "an address set",
	.keys = address_set_keys,
	.size = sizeof(struct pol_address_set),
	.names = &pol_rule_name,
	.list = "nets",
	.is_short = true,
};

static const struct pol_key defaults_keys[] = {
	FIELD(struct pol_firewall_defaults, guest_to_guest, "guest-to-guest", POL_KIND_CHOICE,
	      verdicts),
	FIELD(struct pol_firewall_defaults, guest_to_host, "guest-to-host", POL_KIND_CHOICE,
	      verdicts),
	FIELD(struct pol_firewall_defaults, ingress, "ingress", POL_KIND_CHOICE, verdicts),
	FIELD(struct pol_firewall_defaults, egress, "egress", POL_KIND_CHOICE, verdicts),
	END,
};
static const struct pol_map defaults_map = { .what = "firewall.defaults", .keys = defaults_keys };

static const struct pol_key rule_keys[] = {
	NEEDED(struct pol_rule, name, "name", POL_KIND_TEXT, &pol_rule_name),
	NEEDED(struct pol_rule, action, "action", POL_KIND_CHOICE, verdicts),
	LIMITED(struct pol_rule, from, "from", POL_KIND_PEERS, NULL, 1, 0),
	LIMITED(struct pol_rule, to, "to", POL_KIND_PEERS, NULL, 1, 0),
	FIELD(struct pol_rule, protocol, "protocol", POL_KIND_CHOICE, protocols),
	LIMITED(struct pol_rule, ports, "ports", POL_KIND_PORTS, NULL, 1, 16),
	FIELD(struct pol_rule, log, "log", POL_KIND_BOOL, NULL),
	END,
};
static const struct pol_map rule_map = {
	.what = "a rule",
	.keys = rule_keys,
	.size = sizeof(struct pol_rule),
};

static const struct pol_key firewall_keys[] = {
	FIELD(struct pol_firewall, defaults, "defaults", POL_KIND_MAP, &defaults_map),
	FIELD(struct pol_firewall, rules, "rules", POL_KIND_LIST, &rule_map),
	END,
};
const struct pol_map pol_firewall_map = { .what = "firewall", .keys = firewall_keys };

static const struct pol_quantity objective_bits = { UNIT_RATE, 8000, 1000000000000, false, 0 };
static const struct pol_quantity objective_packets = { UNIT_PACKETS, 10, 1000000000, false, 0 };
static const struct pol_quantity objective_time = { UNIT_DURATION, 1, 60 * SECOND, false, 0 };

static const struct pol_key objective_keys[] = {
	NEEDED(struct pol_objective, name, "name", POL_KIND_TEXT, &pol_rule_name),
	NEEDED(struct pol_objective, from, "from", POL_KIND_TEXT, &pol_rule_name),
	NEEDED(struct pol_objective, to, "to", POL_KIND_TEXT, &pol_rule_name),
	FIELD(struct pol_objective, min_throughput, "min-throughput", POL_KIND_QUANTITY,
	      &objective_bits),
	FIELD(struct pol_objective, min_packets, "min-packets", POL_KIND_QUANTITY,
	      &objective_packets),
	FIELD(struct pol_objective, max_rtt_p99, "max-rtt-p99", POL_KIND_QUANTITY, &objective_time),
	END,
};
const struct pol_map pol_objective_map = {
	.what = "an objective",
	.keys = objective_keys,
	.size = sizeof(struct pol_objective),
};

static const struct pol_key listen_keys[] = {
	FIELD(struct pol_listen, address, "address", POL_KIND_ADDRESS, NULL),
	NEEDED(struct pol_listen, port, "port", POL_KIND_PORT_RANGE, NULL),
	END,
};
static const struct pol_map listen_map = { .what = "a forward's listen", .keys = listen_keys };

static const struct pol_key forward_to_keys[] = {
	NEEDED(struct pol_forward_to, guest_name, "guest", POL_KIND_TEXT, &pol_rule_name),
	FIELD(struct pol_forward_to, devid, "devid", POL_KIND_U32, &devid_range),
	FIELD(struct pol_forward_to, port, "port", POL_KIND_U32, &pol_port_range),
	END,
};
static const struct pol_map forward_to_map = { .what = "a forward's to", .keys = forward_to_keys };

static const struct pol_key forward_keys[] = {
	NEEDED(struct pol_forward, name, "name", POL_KIND_TEXT, &pol_rule_name),
	NEEDED(struct pol_forward, network_name, "network", POL_KIND_TEXT, &pol_rule_ifname),
	NEEDED(struct pol_forward, protocol, "protocol", POL_KIND_CHOICE, forward_protocols),
	NEEDED(struct pol_forward, listen, "listen", POL_KIND_MAP, &listen_map),
	NEEDED(struct pol_forward, to, "to", POL_KIND_MAP, &forward_to_map),
	LIMITED(struct pol_forward, allow_from, "allow-from", POL_KIND_PEERS, NULL, 1, 0),
	FIELD(struct pol_forward, hairpin, "hairpin", POL_KIND_BOOL, NULL),
	END,
};
const struct pol_map pol_forward_map = {
	.what = "a forward",
	.keys = forward_keys,
	.size = sizeof(struct pol_forward),
};
