/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far apart processors 0 and 1 are now, for benchmarks in shell: bench_cpu.h. */
#include <stdio.h>

#include "bench/bench_cpu.h"
#include "bench/bench_util.h"

#define NR_ASKED 11

struct other {
	struct bench_hop hop;
	atomic_bool stop;
};

static void *answer(void *arg)
{
	struct other *other = arg;

	while (!atomic_load_explicit(&other->stop, memory_order_relaxed))
		bench_hop_answer(&other->hop);
	return NULL;
}

static const struct cli_option options[] = { { 0 } };

static const struct cli_program program = {
	.name = "bench-hop",
	.help = "Cycles of a cache line from processor 0 to 1 and back, and what that is: near or far.",
	.options = options,
};

int main(int argc, char **argv)
{
	static struct other other;
	struct cli_parsed parsed;
	double asked[NR_ASKED], cycles;
	pthread_t thread;
	int status;

	status = cli_parse(&program, argc, argv, &parsed);
	if (status >= 0)
		return status;
	bench_pin(0);
	thread = bench_thread(1, answer, &other);
	for (unsigned int i = 0; i < NR_ASKED; i++)
		asked[i] = bench_hop_ask(&other.hop);
	atomic_store(&other.stop, true);
	pthread_join(thread, NULL);
	cycles = bench_percentile(asked, NR_ASKED, 50);
	printf("%.0f %s\n", cycles, bench_distances[bench_hop_distance(cycles)]);
	return 0;
}
