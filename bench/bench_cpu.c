/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "bench/bench_cpu.h"
#include "bench/bench_util.h"

#define NR_WINDOWS 9
#define NR_HOPS	   50 /* of a window, there and back */

#define NEAR_MAX 400 /* cycles; 120 to 175 and 980 to 1220 were seen, nothing in between */

const char *const bench_distances[] = { [BENCH_NEAR] = "near", [BENCH_FAR] = "far" };

static void must(int r, const char *what)
{
	if (!r)
		return;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(r));
	exit(CLI_UNAVAILABLE);
}

void bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(pthread_setaffinity_np(pthread_self(), sizeof(set), &set), "pinning a thread");
}

pthread_t bench_thread(int cpu, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(pthread_attr_init(&attr), "thread");
	must(pthread_attr_setaffinity_np(&attr, sizeof(set), &set), "pinning a thread");
	must(pthread_create(&thread, &attr, fn, arg), "thread");
	pthread_attr_destroy(&attr);
	return thread;
}

uint64_t bench_waited_ns(int tid)
{
	unsigned long run, wait = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
	f = fopen(path, "re");
	must(!f || fscanf(f, "%lu %lu", &run, &wait) != 2 ? ENOENT : 0, path);
	fclose(f);
	return wait;
}

static void wait_for(struct bench_hop *h, uint32_t number)
{
	while (atomic_load_explicit(&h->number, memory_order_acquire) != number)
		_mm_pause();
}

double bench_hop_ask(struct bench_hop *h)
{
	uint32_t at = atomic_load_explicit(&h->number, memory_order_relaxed);
	double windows[NR_WINDOWS];

	for (unsigned int w = 0; w < NR_WINDOWS; w++) {
		uint64_t begin = __rdtsc();

		for (unsigned int n = 0; n < NR_HOPS; n++, at += 2) {
			atomic_store_explicit(&h->number, at + 1, memory_order_release);
			wait_for(h, at + 2);
		}
		windows[w] = (double)(__rdtsc() - begin) / NR_HOPS;
	}
	return bench_percentile(windows, NR_WINDOWS, 50);
}

void bench_hop_serve(struct bench_hop *h)
{
	uint32_t at = atomic_load_explicit(&h->number, memory_order_relaxed) - 1;

	for (unsigned int n = 0; n < NR_WINDOWS * NR_HOPS; n++, at += 2) {
		wait_for(h, at + 1);
		atomic_store_explicit(&h->number, at + 2, memory_order_release);
	}
}

enum bench_distance bench_hop_distance(double cycles)
{
	return cycles <= NEAR_MAX ? BENCH_NEAR : BENCH_FAR;
}
