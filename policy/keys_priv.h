/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the tables of keys.c, keys_network.c and keys_rules.c are written, and what they share. */
#ifndef POLICY_KEYS_PRIV_H
#define POLICY_KEYS_PRIV_H

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
/* Of a network: what only some modes act on. */
#define MODES(type, member, name_, kind_, arg_, modes_)                                            \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .offset = offsetof(type, member), .arg = (arg_), \
		.modes = (modes_)                                                                  \
	}
/* A list of @min_ to @max_ items. */
#define LIMITED(type, member, name_, kind_, arg_, min_, max_)                                      \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .offset = offsetof(type, member), .arg = (arg_), \
		.min = (min_), .max = (max_)                                                       \
	}
#define NEEDED(type, member, name_, kind_, arg_)                                                   \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .required = true,                                \
		.offset = offsetof(type, member), .arg = (arg_)                                    \
	}

extern const struct pol_range pol_mtu_range, pol_port_range, pol_vlan_range;
extern const struct pol_map pol_uplink_map, pol_datapath_map, pol_vlans_map, pol_rate_map;
extern const struct pol_map pol_objective_map;
extern const struct pol_map pol_apply_map, pol_address_set_map, pol_firewall_map, pol_forward_map;

#endif
