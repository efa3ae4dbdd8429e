/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections of one network, tracked: who began them, how far they are, under which rules they were accepted.
 * A table of fixed size, an entry a cache line, no memory taken after fast_ct_create(); of each guest at
 * most so many that it cannot fill the table. One thread at a time.
 *
 * Windows of TCP are not followed: a reset ends a connection only with the number that the other end waits for.
 */
#ifndef VSWITCH_FAST_CT_H
#define VSWITCH_FAST_CT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/fast/head.h"

/* Bits of enum fast_kind (port.h). */
#define FAST_TO_GUEST  1u
#define FAST_TO_UPLINK 2u
#define FAST_TO_HOST   4u
#define FAST_TO_ALL    7u

#define FAST_CT_ENTRIES 65536u /* if nothing else is asked for: 8 MiB */
#define FAST_CT_GUESTS	4096u  /* numbers of guests */

/* Between whom a frame goes. */
struct fast_ends {
	uint8_t from, to; /* FAST_TO_*: one; one or more */
	uint16_t
		guest; /* whose limit a new connection counts against: the sender, or who gets it; below FAST_CT_GUESTS */
};

struct fast_ct;

/**
 * fast_ct_create() - An empty table
 * @nr_max:		Connections, at most 2^24; 0: FAST_CT_ENTRIES. Memory: 128 bytes each, to the next power of two
 * @nr_guest_max:	Of one guest; 0: a sixteenth of @nr_max
 * @now_ns:		For 5 minutes TCP connections that live already and are met in their answers are taken for
 *			those of a table that is gone, if the rules would let them begin
 * Return: NULL: out of memory.
 */
struct fast_ct *fast_ct_create(uint32_t nr_max, uint32_t nr_guest_max, uint64_t now_ns);
/* NULL is allowed. */
void fast_ct_destroy(struct fast_ct *ct);
size_t fast_ct_memory(const struct fast_ct *ct);

/* Have the table's line for this frame come near. */
void fast_ct_prefetch(const struct fast_ct *ct, const struct fast_head *h);
/* Take out what has ended, a part of the table a call, @nr entries: to be called now and then. */
void fast_ct_sweep(struct fast_ct *ct, unsigned int nr, uint64_t now_ns);
/* End all of which an end (4 or 16 bytes, by its version) is so. Return: how many. */
unsigned int fast_ct_end_if(struct fast_ct *ct,
			    bool (*is_so)(const void *arg, uint8_t version, const uint8_t *address),
			    const void *arg);
/* A guest's port is gone: so are the connections counted against it. Return: how many. */
unsigned int fast_ct_end_guest(struct fast_ct *ct, uint16_t guest);

struct fast_ct_stats {
	uint32_t nr, nr_max;
	uint64_t begun, ended, timed_out; /* ended: early, by what their ends said */
	uint64_t refused;		  /* packets of connections that the rules refuse now */
	uint64_t invalid;		  /* packets that no connection can have */
	uint64_t over_limit; /* connections that could not begin: their guest has too many */
	uint64_t full;	     /* ... or the table is full */
	uint64_t made_room;  /* ended for another of the same guest, before any answer */
};

void fast_ct_stats(const struct fast_ct *ct, struct fast_ct_stats *out);
uint32_t fast_ct_of_guest(const struct fast_ct *ct, uint16_t guest);

#endif
