/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nftables: one document is one table of ours, named "<family> vifrost...":
 *
 *	{ "chains": [ { "name", "type"?, "hook"?, "device"?, "priority"?, "policy"?, "rules"?: [text] } ],
 *	  "sets":   [ { "name", "type", "flags"?: ["interval"], "map"?, "elements": [text] } ],
 *	  "rules":  [ { "chain", "rule", "comment"? } ] }
 *
 * A base chain has type, hook, priority (and in netdev its device). A rule is a line of nft(8)'s syntax
 * (docs/design.md says which part of it); its rules stand in the chain ("rules", with comment "..." as
 * the last words where there is one) or in the table's list, a table uses one of both. "map" is the type
 * of a map's values. Elements are sorted (nft_sort()) and none overlaps another.
 *
 * The text of each rule, set and element is kept in the kernel beside it (userdata), so that a document
 * is read back from the kernel alone. What others put into our tables reads back as "?" and so differs.
 *
 * Return 0 or -errno. One thread. @why: VS_TEXT_LEN bytes, what is wrong and where.
 */
#ifndef VSWITCH_NFT_H
#define VSWITCH_NFT_H

#include <stdint.h>

#include <jansson.h>

#include "vswitch/docs.h"

#define NFT_TABLE_PREFIX "vifrost"
#define NFT_RULE_LEN	 240 /* characters of a rule with its comment: what userdata holds */
#define NFT_ELEMENT_LEN	 120

extern const struct vs_doc_ops nft_doc_ops;

/* Whether it compiles, without the kernel. -EINVAL: see @why; -ENOMEM. */
int nft_check(const char *name, const json_t *doc, char *why);
/* One rule of a family ("inet", "netdev"), that may name no sets and any chain. */
int nft_check_rule(const char *family, const char *text, char *why);

/* Whether the kernel would take that table; nothing changes. Return: 0; -errno. */
int nft_probe(const char *name, const json_t *doc);

/* Bring a set's elements into the order they are read back in. -ENOMEM. */
int nft_sort(json_t *elements);

#endif
