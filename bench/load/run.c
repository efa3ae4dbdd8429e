/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loads. A frame that has come out of a way is numbered anew and sent again, as a guest would that
 * forwards: the load costs as little as testpmd's io mode, so that the switch is what is measured.
 */
#include "bench/load/load.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#define SILENCE_MS 100 /* after which what is in flight is lost */
#define ANSWER_MS  10
#define TRIPS_MAX  (1u << 20)
#define LOOK_EVERY 256 /* rounds between two looks at the clock */

static uint64_t after_ms(uint64_t ms)
{
	return rte_rdtsc() + ms * rte_get_tsc_hz() / 1000;
}

static void start_way(struct load_way *way, const struct load_spec *spec, uint8_t id, uint16_t from,
		      uint16_t to)
{
	/* Numbers go on from one load to the next: a late frame of the last one is no news. */
	static uint64_t numbers[4];

	numbers[id] += 1ull << 40;
	*way = (struct load_way){
		.from = from, .to = to, .id = id, .next = numbers[id], .expected = numbers[id]
	};
	load_frame_begin(spec, way);
}

static void forget_counts(struct load_way *way)
{
	way->sent = way->received = way->lost = way->late = way->bad = way->foreign = 0;
}

static void add_counts(struct load_result *out, const struct load_way *way)
{
	out->sent += way->sent;
	out->received += way->received;
	/* One that only took another path is not lost. */
	out->lost += way->lost > way->late ? way->lost - way->late : 0;
	out->late += way->late;
	out->bad += way->bad;
	out->foreign += way->foreign;
}

static void send_all(struct load_way *way, struct rte_mbuf **frames, uint16_t nr)
{
	uint16_t sent = nr ? rte_eth_tx_burst(way->from, 0, frames, nr) : 0;

	way->sent += sent;
	way->in_flight += sent;
	/* Not taken, so not numbered either. */
	way->next -= nr - sent;
	if (sent < nr)
		rte_pktmbuf_free_bulk(frames + sent, nr - sent);
}

static bool has_room(const struct load_way *way, const struct load_way *next,
		     const struct load_spec *spec, uint16_t nr_out)
{
	return way->in_flight + (way != next ? next->in_flight : 0) + nr_out < spec->window;
}

/*
 * What has come out of @way goes on by @next, renewed, and with @pool more of them until there are enough.
 * Return: number of frames that came.
 */
static uint16_t turn(struct load_way *way, struct load_way *next,
		     void (*renew)(struct rte_mbuf *m, const struct load_spec *spec,
				   struct load_way *way),
		     const struct load_spec *spec, struct rte_mempool *pool, bool send)
{
	struct rte_mbuf *in[LOAD_BURST], *out[LOAD_BURST];
	uint16_t nr = rte_eth_rx_burst(way->to, 0, in, LOAD_BURST), nr_out = 0;

	for (uint16_t i = 0; i < nr; i++) {
		if (load_frame_check(in[i], spec, way) && send &&
		    has_room(way, next, spec, nr_out)) {
			renew(in[i], spec, next);
			out[nr_out++] = in[i];
		} else {
			rte_pktmbuf_free(in[i]);
		}
	}
	while (pool && send && nr_out < LOAD_BURST && has_room(way, next, spec, nr_out)) {
		out[nr_out] = load_frame_make(pool, spec, next);
		if (!out[nr_out])
			break;
		nr_out++;
	}
	send_all(next, out, nr_out);
	return nr;
}

/* One turn of all ways; came[]: whether there was a frame. */
typedef void (*turn_fn)(struct load_way *ways, const struct load_spec *spec,
			struct rte_mempool *pool, bool send, bool *came);

static void turn_pair(struct load_way *ways, const struct load_spec *spec, struct rte_mempool *pool,
		      bool send, bool *came)
{
	for (uint64_t w = 0; w < spec->ways; w++)
		came[w] = turn(&ways[w], &ways[w], load_frame_renew, spec, pool, send) > 0;
}

static void turn_echo(struct load_way *ways, const struct load_spec *spec, struct rte_mempool *pool,
		      bool send, bool *came)
{
	came[0] = turn(&ways[0], &ways[1], load_frame_return, spec, NULL, true) > 0;
	came[1] = turn(&ways[1], &ways[0], load_frame_restore, spec, pool, send) > 0;
}

/* Until @end, or with @send false until nothing is in flight. */
static void circulate(struct load_way *ways, const struct load_spec *spec, struct rte_mempool *pool,
		      turn_fn turn_all, bool send, uint64_t end)
{
	uint64_t silent[2] = { after_ms(SILENCE_MS), after_ms(SILENCE_MS) }, now = rte_rdtsc();

	for (uint32_t i = 1; now < end; i++) {
		bool is_flying = false, came[2];

		turn_all(ways, spec, pool, send, came);
		for (uint64_t w = 0; w < spec->ways; w++) {
			if (came[w])
				silent[w] = 0;
			is_flying |= ways[w].in_flight > 0;
		}
		if (!send && !is_flying)
			return;
		if (i % LOOK_EVERY)
			continue;
		now = rte_rdtsc();
		for (uint64_t w = 0; w < spec->ways; w++) {
			if (!silent[w])
				silent[w] = after_ms(SILENCE_MS);
			else if (now > silent[w])
				ways[w].in_flight = 0;
		}
	}
}

static void run_ways(const struct load_spec *spec, struct rte_mempool *pool, turn_fn turn_all,
		     struct load_watch *watch, struct load_result *out)
{
	struct load_way ways[2];
	uint64_t lost_at_end = 0;

	start_way(&ways[0], spec, 0, 0, 1);
	start_way(&ways[1], spec, 1, 1, 0);
	circulate(ways, spec, pool, turn_all, true, after_ms(spec->warmup_ms));
	forget_counts(&ways[0]);
	forget_counts(&ways[1]);
	load_watch_begin(watch, spec);
	circulate(ways, spec, pool, turn_all, true, after_ms(spec->seconds * 1000));
	load_watch_end(watch);
	for (uint64_t w = 0; w < spec->ways; w++)
		add_counts(out, &ways[w]);
	circulate(ways, spec, pool, turn_all, false, after_ms(SILENCE_MS * 2));
	for (uint64_t w = 0; w < spec->ways; w++)
		lost_at_end += ways[w].next - ways[w].expected;
	out->lost += lost_at_end;
	out->seconds = watch->seconds;
}

void load_run_pair(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out)
{
	run_ways(spec, pool, turn_pair, watch, out);
}

void load_run_echo(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out)
{
	struct load_spec both = *spec;

	both.ways = 2;
	run_ways(&both, pool, turn_echo, watch, out);
}

/* The frame that was sent on @way. NULL: it did not come. */
static struct rte_mbuf *await(struct load_way *way, const struct load_spec *spec)
{
	uint64_t end = after_ms(ANSWER_MS), received = way->received;
	struct rte_mbuf *in[LOAD_BURST];

	do {
		uint16_t nr = rte_eth_rx_burst(way->to, 0, in, LOAD_BURST);
		struct rte_mbuf *found = NULL;

		for (uint16_t i = 0; i < nr; i++) {
			load_frame_check(in[i], spec, way);
			if (way->received != received && !found)
				found = in[i];
			else
				rte_pktmbuf_free(in[i]);
		}
		if (found)
			return found;
	} while (rte_rdtsc() < end);
	return NULL;
}

static bool one_way(struct load_way *way, const struct load_spec *spec, struct rte_mempool *pool)
{
	struct rte_mbuf *m = load_frame_make(pool, spec, way);

	if (!m)
		return false;
	send_all(way, &m, 1);
	m = await(way, spec);
	rte_pktmbuf_free(m);
	return m != NULL;
}

static void pause_us(uint64_t us)
{
	uint64_t end = rte_rdtsc() + us * rte_get_tsc_hz() / 1000000;

	while (rte_rdtsc() < end)
		rte_pause();
}

static int by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void load_run_trip(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out)
{
	uint32_t *trips = malloc(TRIPS_MAX * sizeof(*trips));
	uint64_t begin, p50, p99, end = after_ms(spec->warmup_ms);
	double us = 1e6 / (double)rte_get_tsc_hz();
	struct load_way ways[2];

	if (!trips)
		return;
	start_way(&ways[0], spec, 0, 0, 1);
	start_way(&ways[1], spec, 1, 1, 0);
	while (rte_rdtsc() < end)
		(void)(one_way(&ways[0], spec, pool) && one_way(&ways[1], spec, pool));
	load_watch_begin(watch, spec);
	end = after_ms(spec->seconds * 1000);
	while ((begin = rte_rdtsc()) < end && out->rounds < TRIPS_MAX) {
		if (one_way(&ways[0], spec, pool) && one_way(&ways[1], spec, pool))
			trips[out->rounds++] = (uint32_t)(rte_rdtsc() - begin);
		else
			out->no_answer++;
		if (spec->gap_us)
			pause_us(spec->gap_us);
	}
	load_watch_end(watch);
	add_counts(out, &ways[0]);
	add_counts(out, &ways[1]);
	out->seconds = watch->seconds;
	if (out->rounds) {
		qsort(trips, out->rounds, sizeof(*trips), by_size);
		p50 = out->rounds / 2;
		p99 = out->rounds * 99 / 100;
		out->p50_us = trips[p50] * us;
		out->p99_us = trips[p99] * us;
	}
	free(trips);
}

static void send_until(struct load_way *way, const struct load_spec *spec, struct rte_mempool *pool,
		       uint64_t end)
{
	struct rte_mbuf *out[LOAD_BURST];
	uint16_t nr = 0, sent;

	while (rte_rdtsc() < end) {
		while (nr < LOAD_BURST && (out[nr] = load_frame_make(pool, spec, way)))
			nr++;
		sent = rte_eth_tx_burst(way->from, 0, out, nr);
		way->sent += sent;
		nr -= sent;
		memmove(out, out + sent, nr * sizeof(out[0]));
	}
	way->next -= nr;
	rte_pktmbuf_free_bulk(out, nr);
}

void load_run_send(const struct load_spec *spec, struct rte_mempool *pool, struct load_watch *watch,
		   struct load_result *out)
{
	struct load_way way;

	start_way(&way, spec, 2, 0, 0);
	send_until(&way, spec, pool, after_ms(spec->warmup_ms));
	forget_counts(&way);
	load_watch_begin(watch, spec);
	send_until(&way, spec, pool, after_ms(spec->seconds * 1000));
	load_watch_end(watch);
	add_counts(out, &way);
	out->seconds = watch->seconds;
}

/* Whoever sends: its frames have no numbers of ours, or old ones, so that only their size can be checked. */
static void receive_until(struct load_way *way, const struct load_spec *spec, uint64_t end)
{
	struct rte_mbuf *in[LOAD_BURST];
	uint16_t nr;

	while (rte_rdtsc() < end) {
		nr = rte_eth_rx_burst(way->to, 0, in, LOAD_BURST);
		for (uint16_t i = 0; i < nr; i++) {
			if (in[i]->pkt_len == spec->size)
				way->received++;
			else
				way->bad++;
		}
		rte_pktmbuf_free_bulk(in, nr);
	}
}

void load_run_receive(const struct load_spec *spec, struct rte_mempool *pool,
		      struct load_watch *watch, struct load_result *out)
{
	struct load_way way;

	(void)pool;
	start_way(&way, spec, 2, 0, 0);
	receive_until(&way, spec, after_ms(spec->warmup_ms));
	forget_counts(&way);
	load_watch_begin(watch, spec);
	receive_until(&way, spec, after_ms(spec->seconds * 1000));
	load_watch_end(watch);
	add_counts(out, &way);
	out->seconds = watch->seconds;
}
