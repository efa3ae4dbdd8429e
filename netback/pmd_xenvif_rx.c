/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames from the guest: out of views into mbufs. A view's head is a private copy, its rest is copied once. */
#include <string.h>

#include <rte_ip.h>
#include <rte_prefetch.h>

#include "base/clock.h"
#include "netback/frame.h"
#include "netback/pmd_xenvif.h"

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

/* Return: mbufs in the stash. */
static unsigned int fill_stash(struct xv_rx *rx, unsigned int nr)
{
	unsigned int missing = XV_BURST - rx->nr_stash;

	if (likely(rx->nr_stash >= nr))
		return nr;
	if (rte_mempool_get_bulk(rx->pool, (void **)&rx->stash[rx->nr_stash], missing)) {
		/* The last ones of a small pool. */
		missing = nr - rx->nr_stash;
		if (rte_mempool_get_bulk(rx->pool, (void **)&rx->stash[rx->nr_stash], missing)) {
			rx->stats.no_mbuf++;
			rx->port->dev->data->rx_mbuf_alloc_failed++;
			return rx->nr_stash;
		}
	}
	rx->nr_stash += missing;
	return nr;
}

static void complete_csum(struct rte_mbuf *m, const struct nb_frame *f)
{
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, f->l3);
	uint8_t *field = rte_pktmbuf_mtod_offset(m, uint8_t *, f->l4 + f->csum_offset);
	uint16_t sum = 0;

	memcpy(field, &sum, sizeof(sum));
	sum = f->ip_version == 6 ? rte_ipv6_udptcp_cksum_mbuf(m, (void *)l3, f->l4)
				 : rte_ipv4_udptcp_cksum_mbuf(m, (void *)l3, f->l4);
	memcpy(field, &sum, sizeof(sum));
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

/*
 * A blank checksum is none that the program must look at: that the data came whole is known. Whoever hands
 * the frame on as it is finds the flags by which the next driver completes it, as from vhost. A program
 * that does not have the next driver do that gets complete ones.
 */
static void set_offloads(const struct xv_port *port, struct rte_mbuf *m, const struct nb_view *v)
{
	struct nb_frame f;

	if (v->flags & NB_VIEW_DATA_VALIDATED && !(v->flags & NB_VIEW_CSUM_BLANK))
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (!(v->flags & NB_VIEW_CSUM_BLANK) && !v->gso_size)
		return;
	nb_frame_parse(v->head, v->have, v->size, &f);
	if (!f.l4_known)
		return;
	if (!port->carry_csum) {
		complete_csum(m, &f);
		return;
	}
	m->l2_len = f.l3;
	m->l3_len = f.l4 - f.l3;
	m->l4_len = f.l4_header;
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	m->ol_flags |= f.ip_version == 6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	m->ol_flags |= f.protocol == PROTOCOL_TCP ? RTE_MBUF_F_TX_TCP_CKSUM
						  : RTE_MBUF_F_TX_UDP_CKSUM;
	if (v->gso_size) {
		m->ol_flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_TX_TCP_SEG;
		m->tso_segsz = v->gso_size;
	}
}

/* What comes behind the head, into @m and as many more mbufs as it takes. False: there are none. */
static bool copy_rest(struct xv_rx *rx, struct rte_mbuf *first, const struct nb_view *v)
{
	struct rte_mbuf *m = first;
	uint8_t *to = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);
	unsigned int room = rte_pktmbuf_tailroom(m);

	for (unsigned int i = 0; i < v->nr_frags; i++) {
		const uint8_t *from = v->frags[i].ptr;
		uint32_t left = v->frags[i].len, n;

		while (left) {
			if (!room) {
				m->next = rte_pktmbuf_alloc(rx->pool);
				if (!m->next)
					return false;
				m = m->next;
				first->nb_segs++;
				to = rte_pktmbuf_mtod(m, uint8_t *);
				room = rte_pktmbuf_tailroom(m);
			}
			n = left < room ? left : room;
			memcpy(to, from, n);
			to += n;
			from += n;
			left -= n;
			room -= n;
			m->data_len = (uint16_t)(m->data_len + n);
		}
	}
	return true;
}

/* NULL: the frame is lost, and counted. */
static struct rte_mbuf *take_frame(struct xv_rx *rx, const struct nb_view *v)
{
	struct rte_mbuf *m = rx->stash[rx->nr_stash - 1];
	unsigned int room;

	rte_pktmbuf_reset(m);
	m->port = rx->port->dev->data->port_id;
	room = rte_pktmbuf_tailroom(m);
	if (unlikely(v->have > room || (v->size > room && !rx->port->carry_scatter))) {
		rx->stats.no_scatter++;
		return NULL;
	}
	if (unlikely(v->gso_size && !rx->port->carry_gso)) {
		rx->stats.no_gso++;
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(m, void *), v->head, v->have);
	m->data_len = v->have;
	m->pkt_len = v->size;
	rx->nr_stash--;
	if (v->nr_frags && unlikely(!copy_rest(rx, m, v))) {
		rx->stats.no_mbuf++;
		rx->port->dev->data->rx_mbuf_alloc_failed++;
		rte_pktmbuf_free(m);
		return NULL;
	}
	if (v->flags || v->gso_size)
		set_offloads(rx->port, m, v);
	return m;
}

static uint16_t take_burst(struct xv_rx *rx, struct xv_link *link, struct rte_mbuf **mbufs,
			   uint16_t max)
{
	struct nb_queue *q = xv_take(link, false);
	uint16_t nr = 0;
	unsigned int nr_views;
	struct nb_view *views[XV_BURST];
	uint64_t now;

	if (!q)
		return 0;
	now = q->credit && nb_counted(&q->credit->rate.usec) ? clock_ns() : 0;
	nr_views = nb_poll_take(q, link->batch, max, now, views);
	for (unsigned int i = 0; i < nr_views; i++) {
		struct rte_mbuf *m;

		if (i + 1 < nr_views) {
			rte_prefetch0(rx->stash[rx->nr_stash > 1 ? rx->nr_stash - 2 : 0]);
			rte_prefetch0(views[i + 1]->head);
		}
		m = take_frame(rx, views[i]);
		if (unlikely(!m))
			continue;
		rx->stats.bytes += m->pkt_len;
		mbufs[nr++] = m;
	}
	if (nr_views) {
		nb_poll_answer(q, link->batch);
		q->event = false;
		q->nr_spurious = 0;
	}
	xv_put(link);
	rx->stats.frames += nr;
	return nr;
}

uint16_t xv_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	struct xv_rx *rx = queue;
	struct xv_port *port = rx->port;
	uint16_t nr_links = atomic_load_explicit(&port->nr_links, memory_order_relaxed);
	uint16_t done = 0;

	for (unsigned int i = rx->id; i < nr_links && done < nr; i += port->nr_rx) {
		unsigned int max = RTE_MIN(nr - done, (int)XV_BURST);

		max = fill_stash(rx, max);
		if (!max)
			break;
		done = (uint16_t)(done +
				  take_burst(rx, &port->links[i], mbufs + done, (uint16_t)max));
	}
	return done;
}
