/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's language as tables: which key holds what kind of value, where it goes, and whether
 * this version acts on it. Reader and printer both walk them. Private.
 */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

#include "policy/tree.h"
#include "policy/units.h"

enum pol_kind {
	POL_KIND_BOOL,		 /* struct pol_bool */
	POL_KIND_U32,		 /* struct pol_u32; arg: struct pol_range */
	POL_KIND_U32S,		 /* struct pol_u32s; arg: struct pol_range of each */
	POL_KIND_CHOICE,	 /* struct pol_u32; arg: struct pol_choice[] */
	POL_KIND_TEXT,		 /* struct pol_text; arg: struct pol_text_rule */
	POL_KIND_TEXTS,		 /* struct pol_texts; arg: struct pol_text_rule of each */
	POL_KIND_MAC,		 /* struct pol_mac */
	POL_KIND_MAC_OR_AUTO,	 /* struct pol_mac */
	POL_KIND_ADDRESS,	 /* struct pol_prefix, of full length */
	POL_KIND_TARGET,	 /* struct pol_prefix: "default" or a network */
	POL_KIND_NETWORK,	 /* struct pol_prefix: a network, host bits 0 */
	POL_KIND_ADDRESSES,	 /* struct pol_prefixes, each of full length */
	POL_KIND_NETS,		 /* struct pol_nets: addresses, networks; arg: "fqdn:NAME" too */
	POL_KIND_HOST_ADDRESSES, /* struct pol_host_addresses */
	POL_KIND_SPAN,		 /* struct pol_span: "first-last" */
	POL_KIND_SOURCE,	 /* struct pol_source */
	POL_KIND_QUANTITY,	 /* struct pol_u64; arg: struct pol_quantity */
	POL_KIND_VLAN,		 /* struct pol_vlan: a number or a name */
	POL_KIND_VLANS,		 /* a list of them, and of "first-last" */
	POL_KIND_PORT_RANGE,	 /* struct pol_port_range: a number or "first-last" */
	POL_KIND_PORTS,		 /* struct pol_ports: a list of them */
	POL_KIND_SERVICES,	 /* struct pol_services: a list of names and ports */
	POL_KIND_PEERS,		 /* struct pol_peers: one or a list */
	POL_KIND_UPLINK, /* struct pol_network's uplink_name, or uplink_match; arg: struct pol_map */
	POL_KIND_MAP,	 /* a struct with a pol_head; arg: struct pol_map */
	POL_KIND_LIST,	 /* struct pol_items of maps; arg: struct pol_map */
	POL_KIND_NAMED, /* struct pol_items of maps by name (pol_named_head); arg: struct pol_map */
};

/* Flipped from LATER to READY by whoever makes a key work. */
enum pol_status { POL_READY, POL_LATER };

struct pol_range {
	uint32_t min, max;
};

struct pol_quantity {
	enum unit_kind unit;
	uint64_t min, max;
	bool or_none;	   /* "none" is 0 */
	uint64_t multiple; /* of this; 0: any */
};

struct pol_choice {
	const char *name; /* NULL ends */
	enum pol_status status;
	uint32_t value;
};

struct pol_text_rule {
	const char *what; /* "a name", for messages */
	const char *allowed;
	bool (*is_good)(const char *text);
	bool fold; /* keep in lower case */
};

struct pol_key {
	const char *name; /* NULL ends */
	enum pol_kind kind;
	enum pol_status status;
	bool required;
	size_t offset;
	const void *arg;
	const char *instead; /* LATER: what can be done now, or NULL */
	uint8_t min, max;    /* items of a list; max 0: any number */
	uint8_t modes;	     /* POL_MODE_BIT()s of the networks that act on it; 0: all */
};

#define POL_MODE_BIT(mode) (1u << (mode))

struct pol_map {
	const char *what; /* "a network", for messages */
	const struct pol_key *keys;
	size_t size;			   /* of one item in a list or by name */
	const struct pol_text_rule *names; /* of the names of a POL_KIND_NAMED */
	size_t min;			   /* items at least */
	const char *scalar; /* the key that a single value in the map's place stands for, or NULL */
	const char *list;   /* the key that a list in the map's place stands for, or NULL */
	bool is_short;	    /* never written as a map */
};

/* How every map's struct begins, and those that have a name. */
struct pol_head {
	struct pol_place place;
	const struct pol_node *node;
};

struct pol_named_head {
	struct pol_head head;
	const char *name;
};

/* The layout that all lists of structs share. */
struct pol_items {
	void *v;
	size_t nr;
	struct pol_place place;
};

extern const struct pol_map pol_policy_map, pol_network_map;
extern const struct pol_choice pol_modes[], pol_isolations[], pol_anti_spoofs[], pol_datapaths[],
	pol_network_datapaths[], pol_drifts[];

/* Read @node into @target by its table; errors are collected in @r. */
void pol_read_map(struct pol_reader *r, const struct pol_node *node, const struct pol_map *map,
		  void *target);
/* One text by its rule. */
void pol_read_text(struct pol_reader *r, const struct pol_node *node,
		   const struct pol_text_rule *rule, struct pol_text *out);
/* One value that is no map nor a list of maps. */
void pol_read_value(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target);
/* Those of parse_net.c: what networks are made of. */
void pol_read_network(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		      void *target);
void pol_read_addresses(struct pol_reader *r, const struct pol_node *node,
			const struct pol_key *key, void *target);
void pol_read_nets(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		   void *target);
void pol_read_host_addresses(struct pol_reader *r, const struct pol_node *node,
			     const struct pol_key *key, void *target);
void pol_read_span(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		   void *target);
void pol_read_source(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target);
void pol_read_uplink(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		     void *target);
/* Those of parse_number.c: with units, from-to. */
void pol_read_quantity(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		       void *target);
void pol_read_vlan(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		   void *target);
void pol_read_vlans(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target);
void pol_read_port_range(struct pol_reader *r, const struct pol_node *node,
			 const struct pol_key *key, void *target);
void pol_read_ports(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target);
void pol_read_services(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		       void *target);
void pol_read_peers(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target);

/* What readers of values share. "x" is not @what, with @allowed as the hint. */
void pol_error_value(struct pol_reader *r, const struct pol_node *node, const char *code,
		     const char *allowed, const char *what);
/* A scalar that says something, else an error. */
bool pol_want_scalar(struct pol_reader *r, const struct pol_node *node, const char *wanted);
/* One that no other reader would take for a number or truth value. */
bool pol_want_text(struct pol_reader *r, const struct pol_node *node, const char *wanted);
/* One without quotes. */
bool pol_want_plain(struct pol_reader *r, const struct pol_node *node, const char *wanted);
/* Room for @node's items, else an error; NULL: @node is no list, or out of memory. */
void *pol_want_list(struct pol_reader *r, const struct pol_node *node, const char *wanted,
		    size_t size);
/* An address without its length, and with it. */
bool pol_parse_address(const char *text, struct pol_prefix *out);
bool pol_parse_prefix(const char *text, struct pol_prefix *out);

/* @node is not of the type that was wanted. */
void pol_error_type(struct pol_reader *r, const struct pol_node *node, const char *wanted);

/* And back, dump_values.c. NULL: out of memory. */
json_t *pol_prefix_json(const struct pol_prefix *p, bool always);
json_t *pol_addresses_json(const struct pol_key *key, const void *source);
json_t *pol_nets_json(const struct pol_key *key, const void *source);
json_t *pol_host_addresses_json(const struct pol_key *key, const void *source);
json_t *pol_span_json(const struct pol_key *key, const void *source);
json_t *pol_source_json(const struct pol_key *key, const void *source);
json_t *pol_quantity_json(const struct pol_key *key, const void *source);
json_t *pol_vlan_json(const struct pol_key *key, const void *source);
json_t *pol_vlans_json(const struct pol_key *key, const void *source);
json_t *pol_port_range_json(const struct pol_key *key, const void *source);
json_t *pol_ports_json(const struct pol_key *key, const void *source);
json_t *pol_services_json(const struct pol_key *key, const void *source);
json_t *pol_peers_json(const struct pol_key *key, const void *source);
/* Takes both; what cannot be put in makes the whole of no use: NULL. */
json_t *pol_append_json(json_t *array, json_t *value);

/* Text rules, policy/parse_rules.c. */
extern const struct pol_text_rule pol_rule_name, pol_rule_ifname, pol_rule_guest, pol_rule_domain,
	pol_rule_uuid, pol_rule_pci, pol_rule_driver, pol_rule_ifglob, pol_rule_hostglob,
	pol_rule_tag, pol_rule_guest_or_tag, pol_rule_vlan, pol_rule_dns, pol_rule_fqdn,
	pol_rule_vif;

/* Cross checks over a policy that was read without an error; sets what policy.h says they set. */
void pol_check(struct pol_reader *r, struct policy *policy);

/* The largest prefix length of a family. */
unsigned int pol_family_bits(int family);
/* "192.0.2.0/24", without the length when it is full and @always is false. */
#define POL_PREFIX_TEXT_MAX 64
const char *pol_prefix_text(char out[POL_PREFIX_TEXT_MAX], const struct pol_prefix *prefix,
			    bool always);
/* @a's network holds @b's address; same family. */
bool pol_prefix_covers(const struct pol_prefix *a, const struct pol_prefix *b);
/* Clears the bits behind the prefix length. */
void pol_prefix_mask(struct pol_prefix *prefix);

/* Of a policy without errors. Memory that ran out is noted in @r. */
void pol_finder_make(struct pol_reader *r, struct policy *policy);
/* The entry that is meant for @id alone; NULL: none, POL_ANY_GUEST may be. */
const struct pol_guest *pol_find_entry(const struct policy *policy, const struct pol_guest_id *id);

#endif
