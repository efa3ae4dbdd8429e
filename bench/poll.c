/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one guest's ring to another's on a polling core: nb_poll_take(), put, flush, answer, with no switch
 * in between. Both guests' frontends are one bare load on another core. Beside it, in turn, what it cannot be
 * faster than: the copy and both rings' updates alone.
 *
 * Cycles are the time stamp counter's, of all rounds of the polling core that moved something. A window counts
 * only when neither thread waited for its processor in more than 2% of it, and is of one distance between
 * both processors, near or far: each has figures of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/parse.h"
#include "bench/bench_host.h"
#include "bench/bench_rings.h"
#include "bench/bench_util.h"
#include "netback/gref.h"
#include "netback/poll.h"

#define WINDOW_NS  3000000u
#define ROUNDS	   300u
#define ROUNDS_FEW 60u /* --quick */
#define COUNT_MIN  10u /* windows that make a figure */

struct bed {
	struct bench_rings rings;
	struct nb_queue *a, *b; /* frames go from a to b */
	struct nb_batch *batch, *other;
	unsigned int burst;
};

/* What moves up to a burst from a's ring to b's. Return: packets. */
typedef unsigned int mover(struct bed *b);

struct kind {
	const char *name, *text;
	mover *move;
	double goal; /* cycles; 0: none */
	struct bed *bed;
	uint64_t cycles, packets, rounds, ns; /* of the last window */
	struct {
		double cycles[ROUNDS], rate[ROUNDS], burst[ROUNDS];
		unsigned int nr;
	} windows[BENCH_DISTANCES];
	double median[BENCH_DISTANCES];
};

static unsigned int move_views(struct bed *bed)
{
	struct nb_view *views[NB_VIEWS_MAX];
	unsigned int nr = nb_poll_take(bed->a, bed->batch, bed->burst, 0, views), done = 0;

	if (!nr)
		return 0;
	while (done < nr) {
		done += nb_poll_put(bed->b, views + done, nr - done);
		nb_poll_flush(bed->b);
	}
	nb_poll_answer(bed->a, bed->batch);
	/* As what serves both ways does. */
	nb_poll_take(bed->b, bed->other, bed->burst, 0, views);
	return nr;
}

/* One copy and two ring updates with nothing else: no check, no view, no counter. */
static unsigned int move_bare(struct bed *bed)
{
	netif_tx_back_ring_t *from = &bed->a->from_ring;
	netif_rx_back_ring_t *to = &bed->b->to_ring;
	uint32_t nr = nb_ring_req_prod(from) - from->req_cons,
		 room = nb_ring_req_prod(to) - to->req_cons, i;
	const uint8_t *src[NB_VIEWS_MAX];
	uint8_t *dst[NB_VIEWS_MAX];

	nr = nr < room ? nr : room;
	nr = nr < bed->burst ? nr : bed->burst;
	for (i = 0; i < nr; i++) {
		const netif_tx_request_t *tx = RING_GET_REQUEST(from, from->req_cons + i);
		const netif_rx_request_t *rx = RING_GET_REQUEST(to, to->req_cons + i);

		src[i] = nb_gref_readable(bed->a, tx->gref) + tx->offset;
		dst[i] = nb_gref_writable(bed->b, rx->gref);
		__builtin_prefetch(src[i]);
		__builtin_prefetch(dst[i], 1);
	}
	for (i = 0; i < nr; i++) {
		netif_tx_response_t *tx = RING_GET_RESPONSE(from, from->req_cons + i);
		netif_rx_response_t *rx = RING_GET_RESPONSE(to, to->req_cons + i);

		if (bed->rings.size == 64)
			memcpy(dst[i], src[i], 64);
		else
			memcpy(dst[i], src[i], bed->rings.size);
		*tx = (netif_tx_response_t){ .id = ((netif_tx_request_t *)tx)->id };
		*rx = (netif_rx_response_t){ .id = rx->id, .status = (int16_t)bed->rings.size };
	}
	if (!nr)
		return 0;
	from->req_cons += nr;
	to->req_cons += nr;
	from->rsp_prod_pvt = from->req_cons;
	to->rsp_prod_pvt = to->req_cons;
	bed->b->to_shown = bed->b->to_prod = to->req_cons;
	bed->a->from_prod = from->req_cons;
	__atomic_store_n(&from->sring->rsp_prod, from->rsp_prod_pvt, __ATOMIC_RELEASE);
	__atomic_store_n(&to->sring->rsp_prod, to->rsp_prod_pvt, __ATOMIC_RELEASE);
	return nr;
}

static void bed_init(struct bed *bed, unsigned int size, unsigned int burst,
		     const struct cli_parsed *parsed)
{
	bed->rings = (struct bench_rings){
		.nr_pairs = 1,
		.size = size,
		.slots = NB_RING_SIZE,
		.spread = cli_count(parsed, "sparse") ? 0 : 128,
	};
	bed->burst = burst;
	bench_rings_create(&bed->rings);
	bed->a = &bed->rings.ends[0].queue;
	bed->b = &bed->rings.ends[1].queue;
	bed->batch = nb_batch_create();
	bed->other = nb_batch_create();
	bench_must(bed->batch && bed->other ? 0 : -ENOMEM, "memory");
}

static void bed_fini(struct bed *bed)
{
	nb_batch_destroy(bed->batch);
	nb_batch_destroy(bed->other);
	bench_rings_destroy(&bed->rings);
}

static uint64_t run_window(void *arg)
{
	struct kind *k = arg;
	uint64_t start_ns = clock_ns(), at = __rdtsc(), now;

	k->cycles = k->packets = k->rounds = 0;
	do {
		for (unsigned int i = 0; i < 50; i++) {
			unsigned int nr = k->move(k->bed);

			now = __rdtsc();
			k->packets += nr;
			k->rounds += nr > 0;
			k->cycles += nr ? now - at : 0;
			at = now;
		}
		k->ns = clock_ns() - start_ns;
	} while (k->ns < WINDOW_NS);
	return k->ns;
}

static void try_window(struct bench_front *front, struct kind *k)
{
	unsigned int nr;
	int distance = bench_window(front, run_window, k);

	if (distance < 0 || !k->packets)
		return;
	nr = k->windows[distance].nr++;
	k->windows[distance].cycles[nr] = (double)k->cycles / (double)k->packets;
	k->windows[distance].rate[nr] = (double)k->packets * 1e3 / (double)k->ns;
	k->windows[distance].burst[nr] = (double)k->packets / (double)k->rounds;
}

static void show(struct bench *bench, struct kind *k, enum bench_distance d)
{
	const unsigned int size = k->bed->rings.size, nr = k->windows[d].nr;
	char key[64], text[96];

	k->median[d] = bench_percentile(k->windows[d].cycles, nr, 50);
	snprintf(key, sizeof(key), "%s-%u-%s", k->name, size, bench_distances[d]);
	snprintf(text, sizeof(text), "%s, %u B, %s", k->text, size, bench_distances[d]);
	if (k->goal > 0)
		bench_figure_max(bench, key, text, k->median[d], "cycles/packet", k->goal);
	else
		bench_figure(bench, key, text, k->median[d], "cycles/packet");
	snprintf(key, sizeof(key), "%s-%u-%s-rate", k->name, size, bench_distances[d]);
	bench_figure(bench, key, text, bench_percentile(k->windows[d].rate, nr, 50), "Mpackets/s");
	snprintf(key, sizeof(key), "%s-%u-%s-burst", k->name, size, bench_distances[d]);
	bench_figure(bench, key, text, bench_percentile(k->windows[d].burst, nr, 50),
		     "packets/round");
}

/* False: too few windows. */
static bool show_pair(struct bench *bench, struct kind *kinds, enum bench_distance d)
{
	unsigned int a = kinds[0].windows[d].nr, b = kinds[1].windows[d].nr, nr = a < b ? a : b;
	unsigned int size = kinds[0].bed->rings.size;
	char key[64], text[96];

	if (nr < COUNT_MIN) {
		fprintf(stderr, "bench-poll: %u B, %s: only %u windows counted\n", size,
			bench_distances[d], nr);
		return false;
	}
	show(bench, &kinds[0], d);
	show(bench, &kinds[1], d);
	snprintf(key, sizeof(key), "distance-%u-%s", size, bench_distances[d]);
	snprintf(text, sizeof(text), "our distance from it, %s", bench_distances[d]);
	bench_figure(bench, key, text, kinds[0].median[d] - kinds[1].median[d], "cycles/packet");
	snprintf(key, sizeof(key), "windows-%u-%s", size, bench_distances[d]);
	snprintf(text, sizeof(text), "windows that count, %s, at least", bench_distances[d]);
	bench_figure(bench, key, text, nr, "windows");
	return true;
}

static const struct cli_option options[] = {
	BENCH_OPTIONS,
	{ 0, "burst", "N", "packets at a time, 1 to 64 (default 64)" },
	{ 0, "sparse", NULL, "all frames at the beginning of their pages" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "bench-poll",
	.help = "Cycles per packet from one guest's ring to another's, polled, and the limit.",
	.options = options,
};

static bool run(struct bench *bench, unsigned int burst, const struct cli_parsed *parsed)
{
	static struct bench_front front;
	static struct bed beds[2];
	static struct kind kinds[] = {
		{ .name = "poll",
		  .text = "ring to ring",
		  .move = move_views,
		  .goal = 90,
		  .bed = &beds[0] },
		{ .name = "bare",
		  .text = "one copy, two ring updates",
		  .move = move_bare,
		  .bed = &beds[0] },
		{ .name = "poll",
		  .text = "ring to ring",
		  .move = move_views,
		  .goal = 260,
		  .bed = &beds[1] },
		{ .name = "bare",
		  .text = "one copy, two ring updates",
		  .move = move_bare,
		  .bed = &beds[1] },
	};
	bool any = false;

	bed_init(&beds[0], 64, burst, parsed);
	bed_init(&beds[1], 1514, burst, parsed);
	bench_front_start(&front);
	for (unsigned int i = 0; i < (bench->quick ? ROUNDS_FEW : ROUNDS); i++) {
		for (unsigned int j = 0; j < 4; j++) {
			bench_front_turn_to(&front, &kinds[j].bed->rings);
			try_window(&front, &kinds[j]);
		}
	}
	bench_front_stop(&front);
	for (int d = 0; d < BENCH_DISTANCES; d++) {
		any |= show_pair(bench, kinds, (enum bench_distance)d);
		any |= show_pair(bench, kinds + 2, (enum bench_distance)d);
	}
	bed_fini(&beds[0]);
	bed_fini(&beds[1]);
	return any;
}

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	struct bench bench = { .name = "poll" };
	uint32_t burst = NB_VIEWS_MAX;
	int status;
	bool any;

	status = bench_begin(&bench, &program, argc, argv, &parsed);
	if (status >= 0)
		return status;
	if (cli_value(&parsed, "burst") &&
	    (parse_u32(cli_value(&parsed, "burst"), NB_VIEWS_MAX, &burst) || !burst)) {
		fprintf(stderr, "bench-poll: --burst: a number from 1 to %u is wanted\n",
			NB_VIEWS_MAX);
		return CLI_USAGE;
	}
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fprintf(stderr, "bench-poll: needs two processors\n");
		return CLI_UNAVAILABLE;
	}
	any = run(&bench, burst, &parsed);
	status = bench_end(&bench);
	return any ? status : CLI_BUSY;
}
