/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames from the guest: views whose heads, the private copies, are in mbufs. What they lack is copied behind. */
#include <string.h>

#include <rte_ip.h>

#include "base/clock.h"
#include "netback/forged.h"
#include "netback/frame.h"
#include "netback/pmd_xenvif.h"

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

/* Return: mbufs in the stash, up to @nr. */
static unsigned int fill_stash(struct xv_rx *rx, unsigned int nr)
{
	unsigned int missing = nr - rx->nr_stash;
	struct rte_mbuf **more;

	if (likely(rx->nr_stash >= nr))
		return nr;
	memmove(rx->stash, &rx->stash[rx->first], rx->nr_stash * sizeof(rx->stash[0]));
	memmove(rx->places, &rx->places[rx->first], rx->nr_stash * sizeof(rx->places[0]));
	rx->first = 0;
	more = &rx->stash[rx->nr_stash];
	if (rte_mempool_get_bulk(rx->pool, (void **)more, missing)) {
		rx->stats.no_mbuf++;
		rx->port->dev->data->rx_mbuf_alloc_failed++;
		return rx->nr_stash;
	}
	for (unsigned int i = 0; i < missing; i++)
		rx->places[rx->nr_stash + i] = (uint8_t *)more[i]->buf_addr + RTE_PKTMBUF_HEADROOM;
	rx->nr_stash = nr;
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
void xv_rx_offloads(const struct xv_port *port, struct rte_mbuf *m, const struct nb_view *v)
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

bool xv_rx_copy_rest(struct xv_rx *rx, struct rte_mbuf *first, const struct nb_view *v)
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
			nb_shared_read(to, from, n);
			to += n;
			from += n;
			left -= n;
			room -= n;
			m->data_len = (uint16_t)(m->data_len + n);
		}
	}
	return true;
}

/* Those of no good frames stay in the stash. Return: the mbuf that has the view's beginning. */
static struct rte_mbuf *find_mbuf(const struct xv_rx *rx, const struct nb_view *v, unsigned int *at)
{
	while (unlikely(rx->places[*at] != v->head))
		(*at)++;
	return rx->stash[*at];
}

/* Out of the stash, which is as if it had been its first. */
static void use_mbuf(struct xv_rx *rx, unsigned int at)
{
	rx->stash[at] = rx->stash[rx->first];
	rx->places[at] = rx->places[rx->first];
	rx->first++;
	rx->nr_stash--;
}

/* False: the frame is lost, and counted. Its mbuf is in the stash still, or has gone with it. */
static bool take_frame(struct xv_rx *rx, const struct nb_view *v, struct rte_mbuf *m,
		       unsigned int at)
{
	if (unlikely(v->size > rx->room && !rx->port->carry_scatter)) {
		rx->stats.no_scatter++;
		return false;
	}
	/* What else a mbuf has is as the pool keeps it. */
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->port = rx->port->dev->data->port_id;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->data_len = v->have;
	m->pkt_len = v->size;
	use_mbuf(rx, at);
	if (unlikely(v->nr_frags) && !xv_rx_copy_rest(rx, m, v)) {
		rx->stats.no_mbuf++;
		rx->port->dev->data->rx_mbuf_alloc_failed++;
		rte_pktmbuf_free(m);
		return false;
	}
	/* The mbuf's copy, which goes on: the guest's page may be another by now. */
	if (rx->port->drop_forged &&
	    unlikely(nb_is_forged(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len))) {
		rx->stats.forged++;
		rte_pktmbuf_free(m);
		return false;
	}
	if (v->flags || v->gso_size)
		xv_rx_offloads(rx->port, m, v);
	return true;
}

/* Return: views, of which not all may be good enough to go on; 0: there are no more. */
static unsigned int take_views(struct xv_rx *rx, struct xv_link *link, unsigned int max,
			       struct xv_out *out)
{
	struct nb_queue *q = link->queue;
	unsigned int nr_views, at = rx->first;
	struct nb_view *views[XV_BURST];
	uint64_t now = q->credit && nb_counted(&q->credit->rate.usec) ? clock_ns() : 0;

	nr_views = nb_poll_take_into(q, link->batch, max, now, &rx->places[at], rx->room, views);
	for (unsigned int i = 0; i < nr_views; i++, at++) {
		struct rte_mbuf *m = find_mbuf(rx, views[i], &at);

		if (unlikely(views[i]->gso_size && !rx->port->carry_gso)) {
			xv_cut(rx, q, views[i], nr_views - i - 1, out);
			link->cuts = true;
		} else if (likely(take_frame(rx, views[i], m, at))) {
			xv_hand_on(rx, out, m);
		}
	}
	if (nr_views) {
		nb_poll_answer(q, link->batch);
		q->event = false;
		q->nr_spurious = 0;
	}
	return nr_views;
}

/* At most as many frames as are in the stash. */
static void take_burst(struct xv_rx *rx, struct xv_link *link, unsigned int max, struct xv_out *out)
{
	unsigned int turns = 1;

	if (!xv_take(link, false))
		return;
	if (unlikely(link->cuts && !rx->port->carry_gso)) {
		turns = max;
		max = 1;
	}
	while (turns-- && out->nr < out->max && take_views(rx, link, max, out))
		;
	xv_put(link);
}

uint16_t xv_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	struct xv_rx *rx = queue;
	struct xv_port *port = rx->port;
	uint16_t nr_links = atomic_load_explicit(&port->nr_links, memory_order_relaxed);
	struct xv_out out = { .mbufs = mbufs, .max = nr };

	if (unlikely(rx->nr_left))
		xv_left_take(rx, &out);
	for (unsigned int i = rx->id; i < nr_links && out.nr < nr; i += port->nr_rx) {
		unsigned int max = fill_stash(rx, RTE_MIN(nr - out.nr, XV_BURST));

		if (!max)
			break;
		take_burst(rx, &port->links[i], max, &out);
	}
	pmd_count(&rx->stats.frames, out.nr);
	return (uint16_t)out.nr;
}
