/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's firewall on an Open vSwitch bridge: what rules_bridge.c says to nftables, said to OpenFlow.
 *
 *	ovs_rules_spec.c	struct vs_wanted -> a specification, part of the bridge's document
 *	ovs_rules.c		the specification -> flows; ovs_rules_match.c rules, ovs_rules_sets.c sets
 *
 * The specification, made of the policy's addresses alone, of guests that run and guests that do not:
 *
 *	zone		of tracked connections, the network's own
 *	segment		true: it reaches beyond the host; what guests say to the host is looked at, too
 *	uplink		true: it has one
 *	local		true: what guests may not have of a broadcast the host gets nonetheless
 *	defaults	{"guest-to-guest","guest-to-host","ingress","egress"}: true: accepted
 *	rules		[{"accept","host","protocol","ports","from","to"}], first match wins; host: of what
 *			guests say to the host, else of the others; ports: [[first, last], ...];
 *			from, to: prefixes, or if they are more than a few the number of a set; not
 *			there: anyone
 *	sets		[[prefix, ...], ...]
 */
#ifndef VSWITCH_OVS_RULES_H
#define VSWITCH_OVS_RULES_H

#include "vswitch/vswitch.h"

/* Tables behind the guard's, which end in one of the first three. */
#define OVS_TABLE_GUEST	 6
#define OVS_TABLE_UPLINK 7
#define OVS_TABLE_HOST	 8
/* By port: MACs of vifs, and how the uplink is reached by what may leave by it only. */
#define OVS_TABLE_TO  9
#define OVS_TABLE_OUT 19

#define OVS_RULES_FLOWS_MAX 20000
#define OVS_GRACE_S	    300

unsigned int ovs_rules_zone(const struct vs_wanted *w, const struct vs_network *n);
/* A new reference; NULL: out of memory. */
json_t *ovs_rules_spec(const struct vs_wanted *w, const struct vs_network *n);
/* How many flows it stands for. */
size_t ovs_rules_count(const json_t *spec);
/*
 * Append to @flows, texts in ovs-ofctl(8)'s syntax. @spec NULL or no object: none, everything passes.
 * @mac: of the bridge's own link.
 */
void ovs_rules_flows(const json_t *spec, const char *mac, json_t *flows);
/*
 * For OVS_GRACE_S after the first of those: TCP connections that live already and are met in their answers
 * pass where their other direction may.
 */
void ovs_rules_grace_flows(const json_t *spec, json_t *flows);

#endif
