/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values of a policy, each with its place: what policy.h's structs are made of. */
#ifndef POLICY_POLICY_VALUES_H
#define POLICY_POLICY_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"

/* Where something is written. line 0: it is not in the file. */
struct pol_place {
	const char *file;
	int line, column; /* from 1 */
};

/* Single values with their place; place.line 0: not given, value is 0 or NULL. */
struct pol_bool {
	bool value;
	struct pol_place place;
};

struct pol_u32 {
	uint32_t value;
	struct pol_place place;
};

struct pol_u64 {
	uint64_t value;
	struct pol_place place;
};

struct pol_u32s {
	struct pol_u32 *v;
	size_t nr;
	struct pol_place place;
};

struct pol_text {
	const char *text;
	struct pol_place place;
};

struct pol_texts {
	struct pol_text *v;
	size_t nr;
	struct pol_place place;
};

struct pol_mac {
	uint8_t mac[MAC_LEN];
	bool is_auto; /* ask pol_effective() for the address */
	struct pol_place place;
};

/* An address with its prefix length, or an address alone (len 32 or 128). */
struct pol_prefix {
	int family;	     /* AF_INET or AF_INET6; 0: not given */
	uint8_t address[16]; /* network byte order; 4 bytes used for AF_INET */
	unsigned int len;
	bool is_default; /* a route's target, written as "default" */
	struct pol_place place;
};

struct pol_prefixes {
	struct pol_prefix *v;
	size_t nr;
	struct pol_place place;
};

/* Addresses and networks, and names whose addresses are asked for while the policy is in force. */
struct pol_nets {
	struct pol_prefix *v;
	size_t nr;
	struct pol_place place;
	struct pol_text *names;
	size_t nr_names;
};

/* The host's own addresses on a network: given, or to be asked of the LAN. */
struct pol_host_addresses {
	struct pol_prefix *v;
	size_t nr;
	struct pol_place place;
	struct pol_place dhcp, dhcp6, ra; /* line 0: not asked for */
};

/* From one address to another, both included. */
struct pol_span {
	int family; /* 0: not given */
	uint8_t first[16], last[16];
	struct pol_place place;
};

#endif
