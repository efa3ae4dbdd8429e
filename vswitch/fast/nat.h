/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation of IPv4 addresses in user space: what guests say to elsewhere leaves from an address of the pool,
 * answers come back, and forwards lead to guests. The document is
 *
 *	inside		[prefix, ...]: sources that are translated
 *	direct		[prefix, ...]: destinations that are not, nor what comes from them
 *	pool		[{"address", "ports": [first, last], "shared"}]: what they leave from, each guest always from
 *			the same; shared: true: the host has the address, too, and what is not for a port of ours
 *			is the host's, and so is what no port is left for; else it is for nobody; none: the kernel translates all
 *	ports		[first, last], of addresses that say none of their own
 *	forwards	[{"protocol","address","ports": [first, last],"to","to-port","from": [prefix, ...],"hairpin"}];
 *			address: while it is one of the pool, whose ports need not be these; absent: all of the pool;
 *			to-port: of the first, the others follow; from: for whom, absent: for anyone; hairpin: true: for
 *			guests, too. For others, what comes there is as if there were none
 *	kernel		[{"protocol","address","ports": [first, last]}]: inside, whose flows the kernel translates: the ends
 *			of forwards of its own, whose answers would begin a flow here; as many as there are
 *	flows		at most so many; FAST_NAT_FLOWS
 *	flows-per-guest	of which one may have so many; a sixteenth
 *
 * A port of the pool is user space's alone: whoever writes the document keeps the kernel from it
 * (net.ipv4.ip_local_reserved_ports, the ports of "masquerade"). So no packet has two who answer it. What a flow
 * cannot be known of (fragments, options, protocols without ports) is the kernel's, which translates it by itself.
 *
 * TCP, UDP and ICMP echoes are translated, errors about them too. One thread at a time; no memory is taken
 * after fast_nat_create().
 */
#ifndef VSWITCH_FAST_NAT_H
#define VSWITCH_FAST_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "vswitch/fast/ct.h"
#include "vswitch/fast/guard.h"
#include "vswitch/fast/head.h"

#define FAST_NAT_FLOWS 65536u /* 6 MiB */

#define FAST_NAT_GUESTS (FAST_CT_GUESTS - 256)

enum fast_nat_verdict {
	FAST_NAT_UNTOUCHED,  /* nothing to translate */
	FAST_NAT_TRANSLATED, /* addresses, ports and checksums are new, in frame and head */
	FAST_NAT_FORWARDED, /* that, and it is the first from elsewhere by a forward: fast_nat_undo() is possible */
	FAST_NAT_KERNEL, /* untouched, for the host */
	FAST_NAT_DROP,
};

struct fast_nat;

/**
 * fast_nat_create() - Translation as its document says, without flows
 * @why:	FAST_WHY_MAX bytes: cause and cure
 * Return: 0; -EINVAL; -ENOMEM.
 */
int fast_nat_create(const json_t *doc, struct fast_nat **out, char *why);
/*
 * Another document: @new, which has no flows yet, takes the place of @old, either of which may be NULL. Flows that
 * it would not let begin as they are end at their next packet; with another number of flows all do. Return: what
 * goes on; the other is destroyed.
 */
struct fast_nat *fast_nat_replace(struct fast_nat *old, struct fast_nat *new);
/* NULL is allowed. */
void fast_nat_destroy(struct fast_nat *n);

/**
 * fast_nat_translate() - A frame on its way from or to elsewhere
 * @h:		Rewritten with the frame's first bytes
 * @from_guest:	Else it came from elsewhere
 * @guest:	Whose frame it is, whose flows are counted: below FAST_NAT_GUESTS. What comes in by a forward counts
 *		for that forward
 * @is_blank:	Its TCP or UDP checksum holds the pseudo-header's sum only
 */
enum fast_nat_verdict fast_nat_translate(struct fast_nat *n, struct fast_head *h, bool from_guest,
					 uint16_t guest, bool is_blank, uint64_t now_ns);
/* After FAST_NAT_FORWARDED, nothing else in between: the frame is as it came, the kernel's, and there is no flow. */
void fast_nat_undo(struct fast_nat *n, struct fast_head *h, bool is_blank, uint64_t now_ns);
/* Whether it is part of a flow that a guest has here: what the kernel would make another one of. */
bool fast_nat_has(struct fast_nat *n, const struct fast_head *h, uint64_t now_ns);
/* Have the index's line for this frame come near. */
void fast_nat_prefetch(const struct fast_nat *n, const struct fast_head *h);
/* Take out what has ended, looking at @nr flows: to be called now and then. */
void fast_nat_sweep(struct fast_nat *n, unsigned int nr, uint64_t now_ns);
/* End all of which an end inside is so: its guest is gone. Return: how many. */
unsigned int fast_nat_end_if(struct fast_nat *n,
			     bool (*is_so)(const void *arg, uint8_t version,
					   const uint8_t *address),
			     const void *arg);

struct fast_nat_stats {
	uint32_t nr, nr_max;
	uint64_t begun, ended, timed_out;
	uint64_t over_limit, full, no_port; /* flows that could not begin */
	uint64_t invalid;		    /* packets of no state of their flow */
	uint64_t unknown;		    /* for a port of ours that nobody has */
	uint64_t to_kernel;
	uint64_t forwarded;  /* flows from elsewhere that began by forwards */
	uint32_t pool_ports; /* of all its addresses: each may lead to as many ends as there are */
};

void fast_nat_stats(const struct fast_nat *n, struct fast_nat_stats *out);
uint32_t fast_nat_of_guest(const struct fast_nat *n, uint16_t guest);
size_t fast_nat_memory(const struct fast_nat *n);

#endif
