/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/bench_host.h"
#include "bench/bench_rings.h"
#include "bench/bench_util.h"
#include "netback/gref.h"

#define BURST BENCH_FRONT_BURST

static void on_alert(struct nb_queue *q)
{
	fprintf(stderr, "%s: backend: %s\n", program_invocation_short_name,
		nb_fatal_text((enum nb_fatal)atomic_load(&q->fatal)));
	exit(CLI_BUG);
}

static void *share(struct hv_guest *guest, unsigned int nr, uint32_t *refs)
{
	void *pages;

	bench_must(hv_guest_share(guest, 0, nr, false, &pages, refs), "guest memory");
	memset(pages, 0, (size_t)nr * NB_PAGE_SIZE);
	return pages;
}

static void map_all(const struct bench_rings *r, struct nb_queue *q, const uint32_t *refs)
{
	struct xen_netif_gref grefs[NB_RING_SIZE];

	for (unsigned int i = 0; i < r->slots; i++)
		grefs[i] = (struct xen_netif_gref){ .ref = refs[i] };
	bench_must(nb_gref_add(q, grefs, r->slots), "mapping pages");
}

void bench_end_fill(const struct bench_rings *r, struct bench_end *e, const uint8_t *header,
		    size_t len)
{
	for (unsigned int slot = 0; slot < r->slots; slot++)
		memcpy(e->from_pages + slot * NB_PAGE_SIZE + bench_offset(r, slot), header, len);
}

static void post(const struct bench_rings *r, struct bench_end *e, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, e->prod++) {
		uint32_t page = e->prod % r->slots;

		e->to->ring[e->prod % NB_RING_SIZE].req = (netif_rx_request_t){
			.id = (uint16_t)page, .gref = e->to_refs[page]
		};
	}
	__atomic_store_n(&e->to->req_prod, e->prod, __ATOMIC_RELEASE);
}

static void end_init(struct bench_rings *r, struct bench_end *e)
{
	struct nb_queue_refs refs;
	const char *why;
	uint16_t domid;

	bench_must(core_domain_create(r->core, 4, &domid), "domain");
	bench_must(hv_guest_attach_local(r->core, domid, &e->guest), "guest");
	e->from = share(e->guest, 1, &refs.from_ref);
	e->to = share(e->guest, 1, &refs.to_ref);
	e->from->req_event = e->from->rsp_event = e->to->req_event = e->to->rsp_event = 1u << 31;
	e->from_pages = share(e->guest, r->slots, e->from_refs);
	e->to_pages = share(e->guest, r->slots, e->to_refs);
	bench_must(hv_guest_evtchn_alloc(e->guest, 0, &e->channel), "event channel");
	refs.from_port = refs.to_port = e->channel.local_port;
	e->queue.hv = r->hv;
	e->queue.features = &r->features;
	e->queue.steering = &r->steering;
	e->queue.port_fd = -1;
	e->queue.gref_max = 2 * NB_RING_SIZE;
	e->queue.alert = on_alert;
	bench_must(nb_queue_connect(&e->queue, domid, &refs, &why), "queue");
	map_all(r, &e->queue, e->from_refs);
	map_all(r, &e->queue, e->to_refs);
}

void bench_rings_create(struct bench_rings *r)
{
	size_t size = 2 * r->nr_pairs * sizeof(*r->ends);

	r->features = (struct nb_features){ .sg = true, .csum_v4 = true, .mtu = 1500 };
	r->steering.nr_queues = 1;
	bench_must(core_create(NULL, &r->core), "core");
	bench_must(hv_core_local(r->core, &r->hv), "core");
	r->ends = aligned_alloc(_Alignof(struct bench_end), size);
	bench_must(r->ends ? 0 : -ENOMEM, "memory");
	memset(r->ends, 0, size);
	for (unsigned int i = 0; i < 2 * r->nr_pairs; i++) {
		end_init(r, &r->ends[i]);
		if (i % 2)
			post(r, &r->ends[i], r->slots);
	}
}

void bench_rings_destroy(struct bench_rings *r)
{
	for (unsigned int i = 0; i < 2 * r->nr_pairs; i++) {
		struct bench_end *e = &r->ends[i];

		nb_queue_disconnect(&e->queue);
		hv_guest_evtchn_free(e->guest, &e->channel);
		hv_guest_detach(e->guest);
	}
	free(r->ends);
	r->hv->close(r->hv);
	core_destroy(r->core);
	if (!r->nr_bad)
		return;
	fprintf(stderr, "%s: %lu frames were lost or not as sent\n", program_invocation_short_name,
		(unsigned long)r->nr_bad);
	exit(CLI_BUG);
}

/* ---- The frontends ---- */

static void set_flow(struct bench_end *e, uint8_t *frame)
{
	uint16_t port;

	e->random = e->random * 1664525u + 1013904223u;
	port = (uint16_t)(1024 + (uint64_t)e->random * e->nr_flows / (1ull << 32));
	frame[34] = (uint8_t)(port >> 8);
	frame[35] = (uint8_t)port;
}

static void send_burst(const struct bench_rings *r, struct bench_end *e)
{
	uint32_t free = r->slots -
			(e->prod - __atomic_load_n(&e->from->rsp_prod, __ATOMIC_ACQUIRE));
	unsigned int i, nr = free < BURST ? free : BURST;

	for (i = 0; i < nr; i++, e->prod++) {
		uint32_t page = e->prod % r->slots;
		uint16_t offset = bench_offset(r, page);
		uint8_t *frame = e->from_pages + page * NB_PAGE_SIZE + offset;

		if (e->nr_flows)
			set_flow(e, frame);
		memcpy(frame + BENCH_NUMBER_AT, &e->next, sizeof(e->next));
		e->next++;
		e->from->ring[e->prod % NB_RING_SIZE].req = (netif_tx_request_t){
			.gref = e->from_refs[page],
			.offset = offset,
			.id = (uint16_t)page,
			.size = (uint16_t)r->size,
		};
	}
	if (nr)
		__atomic_store_n(&e->from->req_prod, e->prod, __ATOMIC_RELEASE);
}

static void receive_burst(struct bench_rings *r, struct bench_end *e)
{
	uint32_t got = __atomic_load_n(&e->to->rsp_prod, __ATOMIC_ACQUIRE) - e->cons;
	unsigned int i, nr = got < BURST ? got : BURST;
	const uint8_t *frames = e->to_pages + BENCH_NUMBER_AT;

	for (i = 0; i < nr; i++)
		__builtin_prefetch(frames + (e->cons + i) % r->slots * NB_PAGE_SIZE);
	for (i = 0; i < nr; i++, e->cons++) {
		netif_rx_response_t rsp = e->to->ring[e->cons % NB_RING_SIZE].rsp;
		uint64_t number;

		memcpy(&number, frames + e->cons % r->slots * NB_PAGE_SIZE, sizeof(number));
		r->nr_bad += rsp.status != (int)r->size || rsp.offset || number != e->next;
		e->next = number + 1;
	}
	if (nr)
		post(r, e, nr);
}

static void *front_thread(void *arg)
{
	struct bench_front *f = arg;

	f->tid = (int)syscall(SYS_gettid);
	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		struct bench_rings *r = atomic_load_explicit(&f->now, memory_order_acquire);

		bench_hop_answer(&f->hop);
		for (unsigned int i = 0; r && i < r->nr_pairs; i++) {
			receive_burst(r, &r->ends[2 * i + 1]);
			send_burst(r, &r->ends[2 * i]);
		}
		atomic_fetch_add_explicit(&f->rounds, 1, memory_order_release);
	}
	return NULL;
}

/* Its round at hand is over, and one more. */
static void wait_rounds(struct bench_front *f)
{
	unsigned int rounds = atomic_load_explicit(&f->rounds, memory_order_acquire);

	while (atomic_load_explicit(&f->rounds, memory_order_acquire) - rounds < 2)
		;
}

void bench_front_start(struct bench_front *f)
{
	bench_pin(0);
	f->thread = bench_thread(1, front_thread, f);
	while (!f->tid)
		;
}

void bench_front_turn_to(struct bench_front *f, struct bench_rings *r)
{
	atomic_store(&f->now, r);
	wait_rounds(f);
}

void bench_front_stop(struct bench_front *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
}

int bench_window(struct bench_front *f, uint64_t (*run)(void *arg), void *arg)
{
	int tids[2] = { (int)syscall(SYS_gettid), f->tid };
	uint64_t before[2] = { bench_waited_ns(tids[0]), bench_waited_ns(tids[1]) }, ns;
	enum bench_distance distance = bench_hop_distance(bench_hop_ask(&f->hop));

	ns = run(arg);
	if (bench_hop_distance(bench_hop_ask(&f->hop)) != distance)
		return -1;
	/* A thread's wait is known only once it is over. */
	wait_rounds(f);
	for (int i = 0; i < 2; i++)
		if ((double)(bench_waited_ns(tids[i]) - before[i]) > BENCH_WAIT_MAX * (double)ns)
			return -1;
	return (int)distance;
}
