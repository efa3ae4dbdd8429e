/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests on our core whose rings a bench serves by polling, and their frontends, all of them one bare load in a
 * thread of its own: it numbers each frame that it sends and checks what comes. Pages are mapped for good and
 * used in turn, as many as a ring has slots: a frontend that keeps its receive ring full, as Linux's does, gets
 * each of them back only after all others.
 */
#ifndef BENCH_BENCH_RINGS_H
#define BENCH_BENCH_RINGS_H

#include <stdbool.h>

#include "bench/bench_cpu.h"
#include "hv/core.h"
#include "hv/guest.h"
#include "netback/queue.h"

#define BENCH_FRONT_BURST 32u
#define BENCH_NUMBER_AT	  42u  /* of a frame: behind the headers */
#define BENCH_WAIT_MAX	  0.02 /* of a window in the run queue */

/* One guest's queue; what follows it is the frontend's, in lines of its own. */
struct bench_end {
	struct nb_queue queue;
	_Alignas(128) struct hv_guest *guest;
	netif_tx_sring_t *from;
	netif_rx_sring_t *to;
	uint8_t *from_pages, *to_pages;
	uint32_t prod, cons; /* of the one ring that is used */
	uint64_t next;	     /* number */
	uint32_t
		nr_flows; /* UDP source ports of what it sends, at random; 0: as the frame has it */
	uint32_t random;
	uint32_t from_refs[NB_RING_SIZE], to_refs[NB_RING_SIZE];
	struct hv_evtchn channel;
};

/* Guests in pairs: 2n sends to 2n + 1. */
struct bench_rings {
	struct core *core;
	struct hv *hv;
	struct nb_features features;
	struct nb_steering steering;
	unsigned int nr_pairs, size, slots;
	unsigned int spread; /* bytes from one frame's place in its page to the next one's */
	uint64_t nr_bad;
	struct bench_end *ends;
};

/* nr_pairs, size, slots and spread are set. They exit on failure, as all that follows. */
void bench_rings_create(struct bench_rings *r);
/* Nobody serves its queues. Frames that were lost or not as sent are a failure. */
void bench_rings_destroy(struct bench_rings *r);
/* Begin all frames of @e so; @len up to BENCH_NUMBER_AT. */
void bench_end_fill(const struct bench_rings *r, struct bench_end *e, const uint8_t *header,
		    size_t len);

static inline uint16_t bench_offset(const struct bench_rings *r, uint32_t slot)
{
	return (uint16_t)(slot % 16 * r->spread);
}

/* The load, on processor 1. */
struct bench_front {
	struct bench_hop hop;
	_Atomic(struct bench_rings *) now; /* whose guests are busy; NULL: nobody's */
	_Atomic int tid;
	atomic_bool stop;
	_Alignas(64) _Atomic unsigned int rounds;
	pthread_t thread;
};

/* The caller stays on processor 0. */
void bench_front_start(struct bench_front *f);
void bench_front_turn_to(struct bench_front *f, struct bench_rings *r);
void bench_front_stop(struct bench_front *f);

/*
 * Run @run(@arg) once, with how far apart the processors were. Return: enum bench_distance; -1: it does not count,
 * a thread waited for its processor or the distance changed.
 */
int bench_window(struct bench_front *f, uint64_t (*run)(void *arg), void *arg);

#endif
