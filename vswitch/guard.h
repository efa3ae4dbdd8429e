/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest may send: rules on its vif's own link, before bridge, Open vSwitch and IP stack see a
 * frame. The document "netdev vifrost-<link>" is
 *
 *	{ "from": { "policy", "rules": [text] }, "to": [text], "own": [address...] }
 *
 * of which nft_guard.c makes chains and elements of sets in the table "netdev vifrost", which all guards
 * share. docs/operator.md has the verdicts, docs/design.md the chains.
 */
#ifndef VSWITCH_GUARD_H
#define VSWITCH_GUARD_H

#include "vswitch/plan_priv.h"

/* Why frames are dropped: the comments of the rules that do it, and names of counters. */
#define GUARD_SPOOF_MAC	    "spoof-mac" /* Ethernet source not the vif's */
#define GUARD_VLAN	    "vlan"	/* a tag that the vif may not send */
#define GUARD_RESERVED	    "reserved"	/* to 01:80:c2:00:00:0x; BFD */
#define GUARD_L2_FORM	    "l2-form"	/* neither IPv4, IPv6 nor ARP in Ethernet II */
#define GUARD_ARP	    "arp"	/* any field of ARP; RARP */
#define GUARD_SPOOF_IP	    "spoof-ip"	/* source address not listed */
#define GUARD_IP_FORM	    "ip-form" /* options, source routes, fragments that hide what they are */
#define GUARD_ND	    "nd"      /* target, link-layer option, form */
#define GUARD_ROGUE_DHCP    "rogue-dhcp"    /* a server's answers, another's hardware address */
#define GUARD_ROGUE_RA	    "rogue-ra"	    /* a router's messages, redirects */
#define GUARD_ROGUE_QUERIER "rogue-querier" /* IGMP queries */
#define GUARD_RATE	    "rate"	    /* packets per second, from the guest */
#define GUARD_FOREIGN_MAC   "foreign-mac"   /* to the guest, but not for it */
#define GUARD_OTHERS	    "others" /* to many, and by what it asks for not the guest's business */
#define GUARD_TO_RATE	    "to-guest-rate" /* packets per second, to the guest */

/* NULL: no memory, or (*is_needed false) nothing is forbidden. Pure. */
json_t *guard_doc(const struct vs_vif *vif, bool *is_needed);
/* Of a link that a program reads before its hooks: the stack gets nothing from it. NULL: no memory. Pure. */
json_t *guard_stack_doc(const struct vs_vif *vif);
#define GUARD_TABLE "netdev vifrost"
#define GUARD_FROM  "from-"
#define GUARD_TO    "to-"
/* What all guards share: an nftables document of GUARD_TABLE, its sets without elements. */
json_t *guard_shared_doc(void);
/* The set that something of a document's "own" belongs to. */
const char *guard_set_of(const char *own);
/* The reason that a set of counters stands for; NULL: it is none. */
const char *guard_reason(const char *set);
/* The sets of counters; NULL: there are not so many. */
const char *guard_counter_set(size_t i);

struct guard_count {
	char link[IFNAMSIZ];
	const char *reason; /* GUARD_* */
	uint64_t packets, bytes;
};

/* What guards have dropped since each was there first, as the kernel counts; @fn of each that is not 0. */
int guard_counters(void (*fn)(void *arg, const struct guard_count *count), void *arg);

/* A base chain of a document, without its rules. @guard: the document's "from", or NULL. */
json_t *guard_chain(const char *link, const json_t *guard, bool is_from);
/* "netdev vifrost-<link>" */
void guard_name(const char *link, char name[VS_TEXT_LEN]);

/* A step to the vif's guard as it is to be, or none. To be called before the link goes up. */
void plan_guard(struct plan_for *p, const struct vs_vif *vif);
/*
 * Where a switch in user space reads the link before its hooks and checks what comes from the guest: the
 * host's own network stack, which gets each frame too, takes none. To be called when no bridge has the
 * link. @vif: NULL for an uplink.
 */
void plan_stack_guard(struct plan_for *p, const char *link, const struct vs_vif *vif);
/* Its guard goes: once the link is down, or where something else guards it. */
void plan_unguard(struct plan_for *p, const char *link);
/* Guards that no wanted vif has, unless they still hold a link that is up. Return: 0; -ENOMEM. */
int plan_stale_guards(const struct vs_wanted *wanted, struct vs_plan *plan);

#endif
