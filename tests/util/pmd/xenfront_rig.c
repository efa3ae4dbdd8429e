/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/pmd/xenfront_rig.h"

#include <string.h>

#include "tests/util/pmd/pmd_rig.h"

#define STEPS 60u

static uint32_t seed;
static unsigned long nr_received;

static bool wants_zone;
static struct xenfront_zone *zone; /* of the one rig */

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* Below @n. */
static uint32_t any(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void begin_zone(struct front_rig *f)
{
	must(!xenfront_zone_create(f->guest, 0, "zone", &zone) && zone->pool);
	f->f.zone = &zone->zone;
}

/* Nothing is lost, whatever the backend did. */
static void end_zone(struct front_rig *f)
{
	(void)f;
	must(!xenfront_zone_is_used(zone));
	xenfront_zone_destroy(zone);
	zone = NULL;
}

void xenfront_rig_set_zone(bool wanted)
{
	wants_zone = wanted;
}

void xenfront_rig_init(struct xenfront_rig *x, bool scatter)
{
	void *state;

	memset(x, 0, sizeof(*x));
	front_rig_begin = wants_zone ? begin_zone : NULL;
	front_rig_end = wants_zone ? end_zone : NULL;
	must(!front_rig_setup(&state));
	x->front = state;
	x->rx.zone = x->tx.zone = zone;
	x->tx.sg = true;
	x->rx.pool = pmd_rig_pool();
	x->rx.event_fd = -1;
	x->rx.scatter = scatter;
	x->rx.room = rte_pktmbuf_data_room_size(x->rx.pool) - RTE_PKTMBUF_HEADROOM;
	x->tx.csum_ipv4 = x->tx.gso_tcpv4 = x->tx.gso_tcpv6 = true;
	x->tx.size_max = 1522;
	x->rx.gate.queue = x->tx.gate.queue = x->front->q;
}

void xenfront_rig_fini(struct xenfront_rig *x)
{
	void *state = x->front;

	rte_pktmbuf_free_bulk(x->held, XENFRONT_RIG_HELD);
	if (zone)
		xenfront_zone_put(zone, x->rx.stash, x->rx.nr_stash);
	must(!front_rig_teardown(&state));
}

/* ---- A backend ---- */

static void spoil(void *entry, size_t size)
{
	if (any(64) == 0)
		((uint8_t *)entry)[any((uint32_t)size)] = (uint8_t)any(256);
}

/* Slots that the frontend has posted, as an honest backend counts them. */
static unsigned int nr_posted(const struct front_rig *f)
{
	unsigned int nr = f->to->req_prod - f->to_cons;

	return nr <= FRONT_RING_SLOTS ? nr : 0;
}

static void send_frame(struct front_rig *f)
{
	unsigned int nr = 1 + (any(4) ? 0 : any(FRONT_MAX_FRAGS)), extra = any(8) == 0;
	struct netif_extra_info gso = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
					.u.gso = { .size = (uint16_t)(1 + any(3000)),
						   .type = any(2) + 1 } };

	for (unsigned int i = 0; i < nr && nr_posted(f) > nr; i++) {
		uint16_t flags = (uint16_t)((i + 1 < nr ? NETRXF_more_data : 0) |
					    (any(4) ? 0 : NETRXF_csum_blank));
		int16_t len = (int16_t)(any(3) ? 14 + any(1500) : 1 + any(4096));

		front_rig_put(f, (uint16_t)any(4097u - (uint32_t)len),
			      (uint16_t)(flags | (!i && extra ? NETRXF_extra_info : 0)), len);
		spoil(&f->to->ring[(f->to_rsp - 1) % FRONT_RING_SLOTS].rsp,
		      sizeof(struct netif_rx_response));
		if (i || !extra)
			continue;
		front_rig_put_extra(f, &gso);
		spoil(&f->to->ring[(f->to_rsp - 1) % FRONT_RING_SLOTS].rsp, sizeof(gso));
	}
	if (any(512) == 0)
		f->to_rsp += any(1000);
	front_rig_publish_to(f);
}

static void answer(struct front_rig *f)
{
	bool is_extra = false;

	while (f->from_cons != f->from->req_prod) {
		const union netif_tx_sring_entry *e =
			&f->from->ring[f->from_cons++ % FRONT_RING_SLOTS];
		struct netif_tx_request req = e->req;

		front_rig_respond(f, req.id, is_extra ? NETIF_RSP_NULL : any(8) ? 0 : -1);
		is_extra = !is_extra && (req.flags & NETTXF_extra_info);
		spoil(&f->from->ring[(f->from_rsp - 1) % FRONT_RING_SLOTS].rsp,
		      sizeof(struct netif_tx_response));
	}
	if (any(512) == 0)
		f->from_rsp += any(1000);
	front_rig_publish_from(f);
}

/* ---- A program ---- */

static void receive(struct xenfront_rig *x)
{
	struct rte_mbuf *mbufs[64];
	uint16_t nr = xenfront_rx_burst(&x->rx, mbufs, (uint16_t)(1 + any(64)));

	for (uint16_t i = 0; i < nr; i++) {
		pmd_rig_check(mbufs[i]);
		must(x->rx.scatter || mbufs[i]->nb_segs == 1);
	}
	nr_received += nr;
	for (uint16_t i = 0; i < nr && zone; i++) {
		struct rte_mbuf **place = &x->held[any(XENFRONT_RIG_HELD)];

		/* The pool of all rigs is small. */
		if (any(4) || mbufs[i]->nb_segs > 4 || *place)
			continue;
		*place = mbufs[i];
		mbufs[i] = NULL;
	}
	rte_pktmbuf_free_bulk(mbufs, nr);
}

/* What was received is sent, or some of it at the end of something else; or what begins in granted pages. */
static struct rte_mbuf *make_zone_mbuf(struct xenfront_rig *x)
{
	struct rte_mbuf **place = &x->held[any(XENFRONT_RIG_HELD)], *m = *place, *tail;

	*place = NULL;
	if (!m || m->pkt_len > 9000) {
		rte_pktmbuf_free(m);
		m = rte_pktmbuf_alloc(any(2) ? zone->pool : pmd_rig_pool());
		must(m && rte_pktmbuf_append(m, (uint16_t)(54 + any(1800))));
	}
	m->ol_flags &= RTE_MBUF_F_EXTERNAL;
	if (any(3) == 0) {
		tail = rte_pktmbuf_alloc(zone->pool);
		must(tail && rte_pktmbuf_append(tail, (uint16_t)(1 + any(1900))));
		must(!rte_pktmbuf_chain(m, tail));
	}
	return m;
}

static struct rte_mbuf *make_mbuf(void)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(pmd_rig_pool()), *last = first;

	must(first);
	for (unsigned int nr = 1 + (any(3) ? 0 : any(8)); nr; nr--) {
		uint16_t len = (uint16_t)(54 + any(1900));

		memset(rte_pktmbuf_append(first, len), (int)any(256), len);
		if (nr > 1) {
			last->next = rte_pktmbuf_alloc(pmd_rig_pool());
			must(last->next);
			last = last->next;
			first->nb_segs++;
		}
	}
	/* The last may have stayed empty. */
	if (!last->data_len)
		must(rte_pktmbuf_append(first, 20));
	return first;
}

static void ask_for_offloads(struct rte_mbuf *m)
{
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = (uint16_t)any(3000);
	if (!any(3))
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM |
			       (any(2) ? RTE_MBUF_F_TX_TCP_SEG : 0);
}

static void transmit(struct xenfront_rig *x)
{
	struct rte_mbuf *mbufs[8];
	uint16_t done;

	for (unsigned int i = 0; i < RTE_DIM(mbufs); i++) {
		mbufs[i] = zone && any(2) ? make_zone_mbuf(x) : make_mbuf();
		ask_for_offloads(mbufs[i]);
	}
	done = xenfront_tx_burst(&x->tx, mbufs, RTE_DIM(mbufs));
	must(done <= RTE_DIM(mbufs));
	rte_pktmbuf_free_bulk(mbufs + done, RTE_DIM(mbufs) - done);
}

/* No buffer is in two places. */
static void check_buffers(const struct front_queue *q)
{
	const struct front_pool *pools[] = { &q->from, &q->to };

	for (unsigned int k = 0; k < RTE_DIM(pools); k++) {
		uint32_t nr = k && q->to_zone ? q->zone->nr : FRONT_NR_BUFFERS;
		uint8_t seen[FRONT_ZONE_MAX] = { 0 };

		must(pools[k]->nr_free <= FRONT_NR_BUFFERS);
		for (unsigned int i = 0; i < pools[k]->nr_free; i++) {
			must(pools[k]->free[i] < nr && !seen[pools[k]->free[i]]);
			seen[pools[k]->free[i]] = 1;
		}
		for (unsigned int i = 0; k == 0 && i < FRONT_NR_BUFFERS; i++)
			must(!seen[i] || !q->from_outstanding[i]);
	}
}

static void run(struct xenfront_rig *x)
{
	static void (*const backend[])(struct front_rig *) = { send_frame, send_frame, answer };

	for (unsigned int i = 0; i < STEPS && !front_queue_broken(x->front->q); i++) {
		for (unsigned int k = any(12); k; k--)
			backend[any(RTE_DIM(backend))](x->front);
		receive(x);
		transmit(x);
		check_buffers(x->front->q);
	}
}

unsigned long xenfront_rig_any(unsigned int nr)
{
	seed = 4711;
	nr_received = 0;
	for (unsigned int i = 0; i < nr; i++) {
		struct xenfront_rig x;

		xenfront_rig_init(&x, i & 1);
		run(&x);
		xenfront_rig_fini(&x);
	}
	return nr_received;
}
