/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two threads on two processors: each on its own, how long they waited for it, and how far apart the two are.
 * Two virtual processors may be two threads of one core at one moment and two cores at the next, which changes
 * figures of threads that share memory 2.5-fold; so a figure is of windows of one distance.
 */
#ifndef BENCH_BENCH_CPU_H
#define BENCH_BENCH_CPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum bench_distance { BENCH_NEAR, BENCH_FAR, BENCH_DISTANCES };

extern const char *const bench_distances[BENCH_DISTANCES];

/* Pin the caller; a thread that never runs elsewhere, whatever its priority. They exit on failure. */
void bench_pin(int cpu);
pthread_t bench_thread(int cpu, void *(*fn)(void *arg), void *arg);
/* Nanoseconds in the run queue so far, of a thread of this process. */
uint64_t bench_waited_ns(int tid);

/* A line that two threads hand to and fro; all zero at first. */
struct bench_hop {
	_Alignas(64) _Atomic uint32_t number; /* odd: the other's turn */
	_Alignas(64) char end;
};

/* Cycles of the time stamp counter there and back; some 0.2 ms. The other calls bench_hop_answer() all the time. */
double bench_hop_ask(struct bench_hop *h);
void bench_hop_serve(struct bench_hop *h);
enum bench_distance bench_hop_distance(double cycles);

static inline void bench_hop_answer(struct bench_hop *h)
{
	if (atomic_load_explicit(&h->number, memory_order_relaxed) & 1)
		bench_hop_serve(h);
}

#endif
