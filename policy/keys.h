/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's language as tables: which key holds what kind of value, where it goes, and whether
 * this version acts on it. Reader and printer both walk them. Private.
 */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

#include "policy/tree.h"

enum pol_kind {
	POL_KIND_BOOL,	      /* struct pol_bool */
	POL_KIND_U32,	      /* struct pol_u32; arg: struct pol_range */
	POL_KIND_CHOICE,      /* struct pol_u32; arg: struct pol_choice[] */
	POL_KIND_TEXT,	      /* struct pol_text; arg: struct pol_text_rule */
	POL_KIND_TEXTS,	      /* struct pol_texts; arg: struct pol_text_rule of each */
	POL_KIND_MAC,	      /* struct pol_mac */
	POL_KIND_MAC_OR_AUTO, /* struct pol_mac */
	POL_KIND_ADDRESS,     /* struct pol_prefix, of full length */
	POL_KIND_TARGET,      /* struct pol_prefix: "default" or a network */
	POL_KIND_PREFIXES,    /* struct pol_prefixes: addresses with prefix length */
	POL_KIND_MAP,	      /* a struct with a pol_head; arg: struct pol_map */
	POL_KIND_LIST,	      /* struct pol_items of maps; arg: struct pol_map */
	POL_KIND_NAMED, /* struct pol_items of maps by name (pol_named_head); arg: struct pol_map */
};

/* Flipped from LATER to READY by whoever makes a key work. */
enum pol_status { POL_READY, POL_LATER };

struct pol_range {
	uint32_t min, max;
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
};

struct pol_map {
	const char *what; /* "a network", for messages */
	const struct pol_key *keys;
	size_t size;			   /* of one item in a list or by name */
	const struct pol_text_rule *names; /* of the names of a POL_KIND_NAMED */
	size_t min;			   /* items at least */
	const char *scalar; /* the key that a single value in the map's place stands for, or NULL */
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

extern const struct pol_map pol_policy_map;
extern const struct pol_choice pol_modes[], pol_isolations[], pol_anti_spoofs[], pol_datapaths[];

/* Read @node into @target by its table; errors are collected in @r. */
void pol_read_map(struct pol_reader *r, const struct pol_node *node, const struct pol_map *map,
		  void *target);
/* One value that is no map nor a list of maps. */
void pol_read_value(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target);
/* @node is not of the type that was wanted. */
void pol_error_type(struct pol_reader *r, const struct pol_node *node, const char *wanted);

/* Text rules, policy/parse_rules.c. */
extern const struct pol_text_rule pol_rule_name, pol_rule_ifname, pol_rule_guest, pol_rule_domain,
	pol_rule_uuid, pol_rule_pci, pol_rule_driver, pol_rule_ifglob, pol_rule_hostglob;

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

#endif
