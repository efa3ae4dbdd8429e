/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest may send, and what is delivered to it: the guards of vswitch/guard.h for ports of the switch
 * in user space, with the same verdicts by the same names. The document is the "guard" of a port,
 *
 *	level		"silent", "none", "mac", "strict"
 *	mac		the vif's; has to be there for "mac" and "strict"
 *	addrs		"strict": addresses and prefixes that it may send from; those that leases gave it too
 *	by-lease	true: it may ask for an address though it has none
 *	trunk		true: frames may have one tag; which, the port knows (and counts as "vlan")
 *	to		the vif's MAC where "mac" is not there
 *	apart		true: of what is said to many it gets what is for its "addrs" alone
 *	packets-per-s	fast_guard_packets()
 *
 * A guard never changes; one is compiled anew and takes the place of the old one. Any number of threads.
 */
#ifndef VSWITCH_FAST_GUARD_H
#define VSWITCH_FAST_GUARD_H

#include <stdint.h>

#include <jansson.h>

#include "vswitch/fast/head.h"

#define FAST_WHY_MAX 400

/* Why a frame is dropped; in the order of vswitch/guard.h. */
enum fast_reason {
	FAST_SPOOF_MAC,
	FAST_VLAN,
	FAST_RESERVED,
	FAST_L2_FORM,
	FAST_BAD_ARP,
	FAST_SPOOF_IP,
	FAST_IP_FORM,
	FAST_BAD_ND,
	FAST_ROGUE_DHCP,
	FAST_ROGUE_RA,
	FAST_ROGUE_QUERIER,
	FAST_RATE,
	FAST_FOREIGN_MAC,
	FAST_OTHERS,
	FAST_TO_RATE,
	FAST_REASONS,
};

/* GUARD_* of vswitch/guard.h. */
const char *fast_reason_name(enum fast_reason reason);

struct fast_guard;

/**
 * fast_guard_compile() - A guard of its document
 * @guard:	NULL: as level "silent"
 * @why:	FAST_WHY_MAX bytes: cause and cure
 * Return: 0, with a guard that the caller destroys; -EINVAL; -ENOMEM.
 */
int fast_guard_compile(const json_t *guard, struct fast_guard **out, char *why);
/* NULL is allowed. */
void fast_guard_destroy(struct fast_guard *g);

/* A frame from the guest. Return: -1: it may pass; why not: enum fast_reason. */
int fast_guard_check(const struct fast_guard *g, const struct fast_head *h);
/* A frame to the guest. Return: as fast_guard_check(). */
int fast_guard_check_to(const struct fast_guard *g, const struct fast_head *h);
/* Whether the address (4 or 16 bytes) is one that its guest alone has: none of a prefix. @g: a fast_guard. */
bool fast_guard_is_of(const void *g, uint8_t version, const uint8_t *address);
/* The limit of packets from the guest, per second; 0: none. The port keeps count, and says FAST_RATE. */
uint64_t fast_guard_packets(const struct fast_guard *g);

#endif
