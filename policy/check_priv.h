/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks share. */
#ifndef POLICY_CHECK_PRIV_H
#define POLICY_CHECK_PRIV_H

#include "base/htab.h"
#include "policy/keys.h"

/* Things by a key of bytes, for references and duplicates at any number of entries. */
struct pol_index {
	struct pol_reader *r;
	struct htab table;
};

void pol_index_init(struct pol_index *index, struct pol_reader *r);
void pol_index_fini(struct pol_index *index);
/* NULL: not there. */
const void *pol_index_get(const struct pol_index *index, const void *key, size_t size);
/* @key is borrowed. Return: what was there before, and stays; NULL: @item is there now. */
const void *pol_index_put(struct pol_index *index, const void *key, size_t size, const void *item);

/* What the checks of one policy share. */
struct pol_checks {
	struct pol_reader *r;
	struct policy *policy;
	/* By name. */
	struct pol_index uplinks, networks, profiles, guests, sets;
	struct pol_index tags, bare_tags; /* a struct pol_vif with, without addresses, by tag */
	struct pol_index addresses;	  /* struct pol_owned, by its bytes */
};

/* Whose an address is. */
struct pol_owned {
	const struct pol_place *place;
	const struct pol_guest *guest; /* NULL: the host's */
	const struct pol_network *network;
};

/* Those that a network gives in its uplink's place get the network's name, behind all others. */
void pol_name_uplinks(struct pol_reader *r, struct policy *p);
/* Who they are between. */
void pol_check_objectives(struct pol_checks *c);
/* References of uplinks and what they are made of. */
void pol_check_uplinks(struct pol_checks *c);
/* Of those that nobody uses. */
void pol_warn_uplinks(struct pol_checks *c);
/* Its own, else that of the one it is a VLAN of. place.line 0: not given. */
const struct pol_u32 *pol_uplink_mtu(const struct pol_uplink *u);
/* What a network's mode can do, egress, STP, mirrors' names; references are resolved. */
void pol_check_modes(struct pol_checks *c);
/* Addresses, subnets and routes of all networks. */
void pol_check_addresses(struct pol_checks *c);
/* Gateways, DHCP ranges and what is announced of one network. */
void pol_check_subnets(struct pol_checks *c, struct pol_network *n);
/* Guests and their vifs; the networks' references are resolved. */
void pol_check_guests(struct pol_checks *c);
/* One vif whose network and profile are known: what its network can do for it. */
void pol_check_vif(struct pol_checks *c, const struct pol_guest *g, const struct pol_vif *v);
/* Firewall, mirrors, probes: what speaks of all the others. */
void pol_check_rules(struct pol_checks *c);
/* What of the firewall Open vSwitch can't do. */
void pol_warn_flows(struct pol_checks *c);
void pol_check_forwards(struct pol_checks *c);
/* Guests, tags, sets and networks that a rule or forward names. */
void pol_check_peers(struct pol_checks *c, const struct pol_node *node, struct pol_peers *peers);
/* NULL: an error was told. */
const struct pol_guest *pol_find_guest(struct pol_checks *c, const struct pol_node *node,
				       const struct pol_text *name);

#define POL_ADDRESS_KEY 17
/* Why no host may have it in a subnet of its length; NULL: it may. */
const char *pol_address_unusable(const struct pol_prefix *a);
/* @first <= @address <= @last */
bool pol_span_holds(const struct pol_span *span, const struct pol_prefix *address);
/*
 * Note that @a is taken. Return: who has it already, told as an error by the caller; NULL: nobody, or out of
 * memory.
 */
const struct pol_owned *pol_take_address(struct pol_checks *c, const struct pol_prefix *a,
					 const struct pol_place *place,
					 const struct pol_guest *guest,
					 const struct pol_network *network);
/* Who has it; NULL: nobody. */
const struct pol_owned *pol_owner(const struct pol_checks *c, const struct pol_prefix *a);

/* "unknown network "x"", with the nearest of @names (ended by NULL) as a hint. */
void pol_error_reference(struct pol_reader *r, const char *code, const struct pol_node *node,
			 const struct pol_text *reference, const char *what,
			 const struct pol_items *known, size_t size);

#endif
