/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one guest's ring to another's on a polling core: nb_poll_take(), put, flush, answer, with no switch
 * in between. Both guests are one bare frontend on another core, which numbers each frame and checks what
 * comes. Beside it, in turn, what it cannot be faster than: the copy and both rings' updates alone.
 *
 * Cycles are the time stamp counter's, of all rounds of the polling core that moved something. A window
 * counts only when neither thread waited for its processor in more than 2% of it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/parse.h"
#include "bench/bench_util.h"
#include "hv/core.h"
#include "hv/guest.h"
#include "netback/gref.h"
#include "netback/poll.h"

#define BURST	      32u /* of the frontend */
#define WINDOW_NS     5000000u
#define WINDOWS	      21u /* of each kind and size that count */
#define WINDOWS_QUICK 5u
#define TRIES	      10u  /* windows for each of those */
#define WAIT_MAX      0.02 /* of a window in the run queue */

struct end {
	struct hv_guest *guest;
	struct nb_queue queue;
	netif_tx_sring_t *from;
	netif_rx_sring_t *to;
	uint8_t *from_pages, *to_pages;
	uint32_t from_refs[NB_RING_SIZE], to_refs[NB_RING_SIZE];
	uint32_t prod, cons;
	struct hv_evtchn channel;
};

struct bed {
	struct core *core;
	struct hv *hv;
	struct end a, b; /* frames go from a to b */
	struct nb_features features;
	struct nb_steering steering;
	struct nb_batch *batch, *other;
	unsigned int size, burst;
	bool sparse; /* frames are at their pages' beginnings */
	pthread_t front;
	atomic_bool stop;
	_Atomic int front_tid;
	uint64_t next_send, next_receive, nr_bad; /* the frontend's */
};

struct window {
	uint64_t cycles, packets, rounds, ns;
};

/* What moves up to a burst from a's ring to b's. Return: packets. */
typedef unsigned int mover(struct bed *b);

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench-poll: %s: %s\n", what, strerror(-rc));
	exit(CLI_BUG);
}

static void on_alert(struct nb_queue *q)
{
	fprintf(stderr, "bench-poll: backend: %s\n",
		nb_fatal_text((enum nb_fatal)atomic_load(&q->fatal)));
	exit(CLI_BUG);
}

static void *share(struct hv_guest *guest, unsigned int nr, uint32_t *refs)
{
	void *pages;

	must(hv_guest_share(guest, 0, nr, false, &pages, refs), "guest memory");
	memset(pages, 0, (size_t)nr * NB_PAGE_SIZE);
	return pages;
}

static void map_all(struct nb_queue *q, const uint32_t *refs)
{
	struct xen_netif_gref grefs[NB_RING_SIZE];

	for (unsigned int i = 0; i < NB_RING_SIZE; i++)
		grefs[i] = (struct xen_netif_gref){ .ref = refs[i] };
	must(nb_gref_add(q, grefs, NB_RING_SIZE), "mapping pages");
}

static void end_init(struct bed *bed, struct end *e)
{
	struct nb_queue_refs refs;
	const char *why;
	uint16_t domid;

	must(core_domain_create(bed->core, 16, &domid), "domain");
	must(hv_guest_attach_local(bed->core, domid, &e->guest), "guest");
	e->from = share(e->guest, 1, &refs.from_ref);
	e->to = share(e->guest, 1, &refs.to_ref);
	e->from->req_event = e->from->rsp_event = e->to->req_event = e->to->rsp_event = 1u << 31;
	e->from_pages = share(e->guest, NB_RING_SIZE, e->from_refs);
	e->to_pages = share(e->guest, NB_RING_SIZE, e->to_refs);
	must(hv_guest_evtchn_alloc(e->guest, 0, &e->channel), "event channel");
	refs.from_port = refs.to_port = e->channel.local_port;
	e->queue.hv = bed->hv;
	e->queue.features = &bed->features;
	e->queue.steering = &bed->steering;
	e->queue.port_fd = -1;
	e->queue.gref_max = 2 * NB_RING_SIZE;
	e->queue.alert = on_alert;
	must(nb_queue_connect(&e->queue, domid, &refs, &why), "queue");
	map_all(&e->queue, e->from_refs);
	map_all(&e->queue, e->to_refs);
}

static void end_fini(struct end *e)
{
	nb_queue_disconnect(&e->queue);
	hv_guest_evtchn_free(e->guest, &e->channel);
	hv_guest_detach(e->guest);
}

/* Where frame @i begins in its page: in a line of its own, so that not all pages compete for the same ones. */
static uint16_t offset_of(const struct bed *bed, uint32_t i)
{
	return bed->sparse ? 0 : (uint16_t)(i % 16 * 128);
}

static void send_burst(struct bed *bed)
{
	struct end *e = &bed->a;
	uint32_t free = NB_RING_SIZE -
			(e->prod - __atomic_load_n(&e->from->rsp_prod, __ATOMIC_ACQUIRE));
	unsigned int i, nr = free < BURST ? free : BURST;

	for (i = 0; i < nr; i++, e->prod++) {
		uint32_t slot = e->prod % NB_RING_SIZE;
		uint16_t offset = offset_of(bed, slot);
		uint64_t *data = (void *)(e->from_pages + slot * NB_PAGE_SIZE + offset + 16);

		*data = bed->next_send++;
		e->from->ring[slot].req = (netif_tx_request_t){
			.gref = e->from_refs[slot],
			.offset = offset,
			.id = (uint16_t)slot,
			.size = (uint16_t)bed->size,
		};
	}
	if (nr)
		__atomic_store_n(&e->from->req_prod, e->prod, __ATOMIC_RELEASE);
}

static void post(struct end *e, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, e->prod++) {
		uint32_t slot = e->prod % NB_RING_SIZE;

		e->to->ring[slot].req = (netif_rx_request_t){ .id = (uint16_t)slot,
							      .gref = e->to_refs[slot] };
	}
	__atomic_store_n(&e->to->req_prod, e->prod, __ATOMIC_RELEASE);
}

static void receive_burst(struct bed *bed)
{
	struct end *e = &bed->b;
	uint32_t got = __atomic_load_n(&e->to->rsp_prod, __ATOMIC_ACQUIRE) - e->cons;
	unsigned int i, nr = got < BURST ? got : BURST;

	for (i = 0; i < nr; i++) {
		uint32_t slot = (e->cons + i) % NB_RING_SIZE;
		netif_rx_response_t rsp = e->to->ring[slot].rsp;

		__builtin_prefetch(e->to_pages + slot * NB_PAGE_SIZE + rsp.offset);
	}
	for (i = 0; i < nr; i++, e->cons++) {
		uint32_t slot = e->cons % NB_RING_SIZE;
		netif_rx_response_t rsp = e->to->ring[slot].rsp;
		const uint64_t *data = (const void *)(e->to_pages + slot * NB_PAGE_SIZE +
						      rsp.offset + 16);

		bed->nr_bad += rsp.status != (int)bed->size || *data != bed->next_receive;
		bed->next_receive = *data + 1;
	}
	if (nr)
		post(e, nr);
}

static void *front_thread(void *arg)
{
	struct bed *bed = arg;

	bed->front_tid = (int)syscall(SYS_gettid);
	while (!atomic_load_explicit(&bed->stop, memory_order_relaxed)) {
		receive_burst(bed);
		send_burst(bed);
	}
	return NULL;
}

static unsigned int move_views(struct bed *bed)
{
	struct nb_view *views[NB_VIEWS_MAX];
	unsigned int nr = nb_poll_take(&bed->a.queue, bed->batch, bed->burst, 0, views), done = 0;

	if (!nr)
		return 0;
	while (done < nr) {
		done += nb_poll_put(&bed->b.queue, views + done, nr - done);
		nb_poll_flush(&bed->b.queue);
	}
	nb_poll_answer(&bed->a.queue, bed->batch);
	/* As what serves both ways does. */
	nb_poll_take(&bed->b.queue, bed->other, bed->burst, 0, views);
	return nr;
}

/* One copy and two ring updates with nothing else: no check, no view, no counter. */
static unsigned int move_bare(struct bed *bed)
{
	netif_tx_back_ring_t *from = &bed->a.queue.from_ring;
	netif_rx_back_ring_t *to = &bed->b.queue.to_ring;
	uint32_t nr = nb_ring_req_prod(from) - from->req_cons,
		 room = nb_ring_req_prod(to) - to->req_cons, i;
	const uint8_t *src[NB_VIEWS_MAX];
	uint8_t *dst[NB_VIEWS_MAX];

	nr = nr < room ? nr : room;
	nr = nr < bed->burst ? nr : bed->burst;
	for (i = 0; i < nr; i++) {
		const netif_tx_request_t *tx = RING_GET_REQUEST(from, from->req_cons + i);
		const netif_rx_request_t *rx = RING_GET_REQUEST(to, to->req_cons + i);

		src[i] = nb_gref_readable(&bed->a.queue, tx->gref) + tx->offset;
		dst[i] = nb_gref_writable(&bed->b.queue, rx->gref);
		__builtin_prefetch(src[i]);
		__builtin_prefetch(dst[i], 1);
	}
	for (i = 0; i < nr; i++) {
		netif_tx_response_t *tx = RING_GET_RESPONSE(from, from->req_cons + i);
		netif_rx_response_t *rx = RING_GET_RESPONSE(to, to->req_cons + i);

		if (bed->size == 64)
			memcpy(dst[i], src[i], 64);
		else
			memcpy(dst[i], src[i], bed->size);
		*tx = (netif_tx_response_t){ .id = ((netif_tx_request_t *)tx)->id };
		*rx = (netif_rx_response_t){ .id = rx->id, .status = (int16_t)bed->size };
	}
	if (!nr)
		return 0;
	from->req_cons += nr;
	to->req_cons += nr;
	from->rsp_prod_pvt = from->req_cons;
	to->rsp_prod_pvt = to->req_cons;
	bed->b.queue.to_shown = bed->b.queue.to_prod = to->req_cons;
	bed->a.queue.from_prod = from->req_cons;
	__atomic_store_n(&from->sring->rsp_prod, from->rsp_prod_pvt, __ATOMIC_RELEASE);
	__atomic_store_n(&to->sring->rsp_prod, to->rsp_prod_pvt, __ATOMIC_RELEASE);
	return nr;
}

static void pin(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(-pthread_setaffinity_np(thread, sizeof(set), &set), "pinning a thread");
}

static void bed_init(struct bed *bed, unsigned int size, unsigned int burst,
		     const struct cli_parsed *parsed)
{
	memset(bed, 0, sizeof(*bed));
	bed->size = size;
	bed->burst = burst;
	bed->sparse = cli_count(parsed, "sparse") > 0;
	bed->features = (struct nb_features){ .sg = true, .csum_v4 = true, .mtu = 1500 };
	bed->steering.nr_queues = 1;
	must(core_create(NULL, &bed->core), "core");
	must(hv_core_local(bed->core, &bed->hv), "core");
	end_init(bed, &bed->a);
	end_init(bed, &bed->b);
	bed->batch = nb_batch_create();
	bed->other = nb_batch_create();
	must(bed->batch && bed->other ? 0 : -ENOMEM, "memory");
	post(&bed->b, NB_RING_SIZE);
	must(-pthread_create(&bed->front, NULL, front_thread, bed), "thread");
	pin(pthread_self(), 0);
	pin(bed->front, 1);
	while (!bed->front_tid)
		;
}

static void bed_fini(struct bed *bed)
{
	atomic_store(&bed->stop, true);
	pthread_join(bed->front, NULL);
	if (bed->nr_bad) {
		fprintf(stderr, "bench-poll: %lu frames were not as sent\n",
			(unsigned long)bed->nr_bad);
		exit(CLI_BUG);
	}
	nb_batch_destroy(bed->batch);
	nb_batch_destroy(bed->other);
	end_fini(&bed->a);
	end_fini(&bed->b);
	bed->hv->close(bed->hv);
	core_destroy(bed->core);
}

/* Nanoseconds in the run queue so far. */
static uint64_t waited_ns(int tid)
{
	unsigned long run, wait = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%lu %lu", &run, &wait) != 2)
		must(-ENOENT, path);
	fclose(f);
	return wait;
}

static void run_window(struct bed *bed, mover *move, struct window *w)
{
	uint64_t start_ns = clock_ns(), at = __rdtsc(), now;

	*w = (struct window){ 0 };
	do {
		for (unsigned int i = 0; i < 50; i++) {
			unsigned int nr = move(bed);

			now = __rdtsc();
			w->packets += nr;
			w->rounds += nr > 0;
			w->cycles += nr ? now - at : 0;
			at = now;
		}
		w->ns = clock_ns() - start_ns;
	} while (w->ns < WINDOW_NS);
}

/* True: it counts. */
static bool try_window(struct bed *bed, mover *move, struct window *w)
{
	int tids[2] = { (int)syscall(SYS_gettid), bed->front_tid };
	uint64_t before[2] = { waited_ns(tids[0]), waited_ns(tids[1]) };

	run_window(bed, move, w);
	for (int i = 0; i < 2; i++)
		if ((double)(waited_ns(tids[i]) - before[i]) > WAIT_MAX * WINDOW_NS)
			return false;
	return w->packets;
}

struct kind {
	const char *name, *text;
	mover *move;
	double cycles[WINDOWS], rate[WINDOWS], burst[WINDOWS];
	unsigned int nr;
};

/* Return: windows that did not count. */
static unsigned int measure(struct bed *bed, struct kind *kinds, unsigned int nr_kinds,
			    unsigned int windows)
{
	unsigned int rejected = 0;

	for (unsigned int i = 0; i < windows * TRIES && kinds[nr_kinds - 1].nr < windows; i++) {
		for (unsigned int k = 0; k < nr_kinds; k++) {
			struct kind *kind = &kinds[k];
			struct window w;

			if (kind->nr == windows)
				continue;
			if (!try_window(bed, kind->move, &w)) {
				rejected++;
				continue;
			}
			kind->cycles[kind->nr] = (double)w.cycles / (double)w.packets;
			kind->rate[kind->nr] = (double)w.packets * 1e3 / (double)w.ns;
			kind->burst[kind->nr++] = (double)w.packets / (double)w.rounds;
		}
	}
	return rejected;
}

static void show(struct bench *bench, struct kind *kind, unsigned int size, double goal)
{
	char key[64], text[96];

	snprintf(key, sizeof(key), "%s-%u-cycles", kind->name, size);
	snprintf(text, sizeof(text), "%s, %u B", kind->text, size);
	if (goal > 0)
		bench_figure_max(bench, key, text, bench_percentile(kind->cycles, kind->nr, 50),
				 "cycles/packet", goal);
	else
		bench_figure(bench, key, text, bench_percentile(kind->cycles, kind->nr, 50),
			     "cycles/packet");
	snprintf(key, sizeof(key), "%s-%u-rate", kind->name, size);
	bench_figure(bench, key, text, bench_percentile(kind->rate, kind->nr, 50), "Mpackets/s");
	snprintf(key, sizeof(key), "%s-%u-burst", kind->name, size);
	bench_figure(bench, key, text, bench_percentile(kind->burst, kind->nr, 50),
		     "packets/round");
}

static void one_size(struct bench *bench, unsigned int size, unsigned int burst,
		     const struct cli_parsed *parsed, double goal)
{
	struct kind kinds[] = {
		{ .name = "poll", .text = "ring to ring", .move = move_views },
		{ .name = "bare", .text = "one copy, two ring updates", .move = move_bare },
	};
	static struct bed bed;
	unsigned int rejected;
	char key[64];

	bed_init(&bed, size, burst, parsed);
	rejected = measure(&bed, kinds, 2, bench->quick ? WINDOWS_QUICK : WINDOWS);
	bed_fini(&bed);
	show(bench, &kinds[0], size, goal);
	show(bench, &kinds[1], size, 0);
	snprintf(key, sizeof(key), "distance-%u", size);
	bench_figure(bench, key, "our distance from it",
		     bench_percentile(kinds[0].cycles, kinds[0].nr, 50) -
			     bench_percentile(kinds[1].cycles, kinds[1].nr, 50),
		     "cycles/packet");
	snprintf(key, sizeof(key), "rejected-%u", size);
	bench_figure(bench, key, "windows that did not count", rejected, "windows");
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

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	struct bench bench = { .name = "poll" };
	uint32_t burst = NB_VIEWS_MAX;
	int status;

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
	one_size(&bench, 64, burst, &parsed, 90);
	one_size(&bench, 1514, burst, &parsed, 260);
	return bench_end(&bench);
}
