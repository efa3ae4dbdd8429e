/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's firewall between the ports of a network: the specification of vswitch/ovs_rules.h with the
 * verdicts that a Linux bridge has. What was accepted once is a connection (ct.h): its answers pass, and so
 * do errors about it. With other rules each is looked at again at its next packet, whoever sends it, and
 * refused in both directions if that is what they say.
 *
 * A rule's ends, protocol and ports are looked up one by one, each in a sorted table by halving, each answer a
 * row of bits, one for each rule: the first that all rows have is the rule. So a packet costs the same whether
 * sets have ten addresses or ten thousand.
 *
 * Later fragments pass with the first. Where that has not come yet, they pass if a rule that accepts would let any port of
 * their ends pass: nobody can read them without it.
 */
#ifndef VSWITCH_FAST_RULES_H
#define VSWITCH_FAST_RULES_H

#include <stdint.h>

#include <jansson.h>

#include "vswitch/fast/ct.h"
#include "vswitch/fast/guard.h"
#include "vswitch/fast/head.h"

#define FAST_RULES_MAX	20000
#define FAST_ADDRS_MAX	200000		    /* prefixes in all rules and sets */
#define FAST_ROWS_BYTES (64u * 1024 * 1024) /* of rows of bits */

struct fast_rules;

/**
 * fast_rules_compile() - The firewall of its specification
 * @why:	FAST_WHY_MAX bytes: cause and cure
 *
 * Never changes, any thread may ask. Return: 0, with what the caller destroys; -EINVAL; -ENOMEM; -E2BIG.
 */
int fast_rules_compile(const json_t *spec, struct fast_rules **out, char *why);
/* NULL is allowed. */
void fast_rules_destroy(struct fast_rules *r);

/**
 * fast_rules_check() - Where a frame may go
 * @ct:		The network's connections; their thread only
 * @ends:	Who sends it, and who may be meant: to one, a single bit; to many (a group, or flooded because
 *		nobody knows where it is) several, and no connection is made of it
 *
 * Of a guest's frame to a unicast address that no port has, @ends.to is FAST_TO_UPLINK where there is one.
 * Return: those of @ends.to that may have it; 0: it is dropped.
 */
unsigned int fast_rules_check(const struct fast_rules *r, struct fast_ct *ct,
			      const struct fast_head *h, const struct fast_ends *ends,
			      uint64_t now_ns);

#endif
