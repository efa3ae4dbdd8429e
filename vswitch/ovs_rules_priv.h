/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files share that make flows of a firewall's specification. */
#ifndef VSWITCH_OVS_RULES_PRIV_H
#define VSWITCH_OVS_RULES_PRIV_H

#include "vswitch/ovs_rules.h"

#define FLOW_LEN       320
#define MATCH_LEN      96
#define FIRST_PRIORITY 65000

enum table {
	TABLE_IP = 10,
	TABLE_STATE,
	TABLE_FROM,
	TABLE_TO,
	TABLE_RULES,
	TABLE_HOST_RULES,
	TABLE_ACCEPTED,
	TABLE_REFUSED,
	TABLE_ANSWERS,
};

/* reg1, reg2; reg3, reg4: the sets that the source is in, and the destination. */
#define SET_BITS 64

struct gen {
	const json_t *spec;
	json_t *flows; /* NULL: they are counted only */
	size_t nr;
	int timeout; /* seconds; 0: they stay */
	unsigned int zone, conjunctions;
	uint32_t mark; /* of connections that passed; with bit 0 set, that were refused */
	bool is_segment, has_uplink, has_local;
};

void ovs_gen_add(struct gen *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "ip", "ipv6" */
extern const char *const ovs_gen_families[];

/* What of one field is matched: each entry a match of its own; none: all of it. */
struct side {
	char (*v)[MATCH_LEN];
	size_t nr;
};

void ovs_side_begin(struct side *s, size_t nr_max);
void ovs_side_add(struct side *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ovs_side_end(struct side *s);

/* ovs_rules_sets.c */
/* An end of a rule (NULL: anyone), of one family (0: IPv4). Return: false: nobody of it is meant. */
bool ovs_side_of_ends(const struct gen *g, struct side *s, const json_t *ends, int family,
		      bool is_source);
/* Tables that look addresses up, before the rules. */
void ovs_gen_sets(struct gen *g);

/* ovs_rules_match.c */
/*
 * The rules, in the order of the file, each at a priority of its own. @of_host: what guests say to the host;
 * @is_answer: as answers of the connections that they are about.
 */
void ovs_gen_rules(struct gen *g, int table, bool of_host, const char *accepted,
		   const char *refused, bool is_answer);

#endif
