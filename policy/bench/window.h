/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One window of a row: what a run of two ends has shown. */
#ifndef POLICY_BENCH_WINDOW_H
#define POLICY_BENCH_WINDOW_H

#include "policy/bench/bench.h"

#define WINDOW_START_MS 2000 /* until an end listens */
#define WINDOW_GRACE_MS 8000 /* beyond what a run is asked to take */

struct window {
	double bits, packets, lost, rtt_min, rtt_p50, rtt_p99, bytes, received;
	double machine_s, netback_s, wait, others, elapsed_s;
	json_int_t retransmits;
	json_t *counters; /* what the vifs counted in it */
	uint64_t softnet_dropped, softnet_squeezed;
};

double window_number(const json_t *object, const char *key);
/* The address of the path's second end, as that says it. */
void window_address(const struct bench_path *p, char out[BENCH_ADDRESS_LEN]);
/* A stream, or datagrams to an end where nothing of ours runs. Return: 0; -EINTR; -errno with @why. */
int window_iperf3(const struct bench *b, const struct bench_path *p, const struct bench_row *row,
		  struct window *w, char why[BENCH_WHY]);

#endif
