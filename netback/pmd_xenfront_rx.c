/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames to the guest. Each is copied out of its page into an mbuf, as the backend may write to the page at
 * any time. With zero-copy=1 longer ones are handed out as they lie there: pmd_xenfront_zone.h.
 */
#include "netback/pmd_xenfront.h"
#include "netback/shared.h"

/* By FRONT_CSUM_BLANK and FRONT_DATA_VALIDATED. */
static const uint64_t rx_flags[4] = { 0, RTE_MBUF_F_RX_L4_CKSUM_NONE, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
				      RTE_MBUF_F_RX_L4_CKSUM_NONE };

/* Behind what the chain has. Return: false: no mbuf. */
static bool append(struct xenfront_rx *rx, struct rte_mbuf *head, struct rte_mbuf **tail,
		   const uint8_t *data, uint32_t len)
{
	while (len) {
		struct rte_mbuf *m = *tail;
		uint32_t n = rte_pktmbuf_tailroom(m);

		if (!n) {
			m = rte_pktmbuf_alloc(rx->pool);
			if (!m)
				return false;
			(*tail)->next = m;
			*tail = m;
			head->nb_segs++;
			n = rte_pktmbuf_tailroom(m);
		}
		if (n > len)
			n = len;
		nb_shared_read(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), data, n);
		m->data_len = (uint16_t)(m->data_len + n);
		head->pkt_len += n;
		data += n;
		len -= n;
	}
	return true;
}

/* Have @nr pages for those that are handed out. False: there are not so many. */
static bool has_spare(struct xenfront_rx *rx, unsigned int nr)
{
	if (likely(rx->nr_stash >= nr))
		return true;
	rx->nr_stash += xenfront_zone_get(rx->zone, rx->stash + rx->nr_stash,
					  RTE_DIM(rx->stash) - rx->nr_stash);
	if (rx->nr_stash >= nr)
		return true;
	pmd_count(&rx->short_of_pages, 1);
	return false;
}

/* Its pages themselves, each in an mbuf, where all of it can be had. NULL: it is to be copied. */
static struct rte_mbuf *lend_packet(struct xenfront_rx *rx, struct front_packet *p)
{
	struct rte_mbuf *mbufs[FRONT_MAX_FRAGS];

	if (p->size <= XENFRONT_COPIED || (p->nr_frags > 1 && !rx->scatter))
		return NULL;
	for (unsigned int i = 0; i < p->nr_frags; i++)
		if (!p->frags[i].len)
			return NULL;
	if (!has_spare(rx, p->nr_frags) || rte_pktmbuf_alloc_bulk(rx->pool, mbufs, p->nr_frags))
		return NULL;
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		struct front_frag *frag = &p->frags[i];

		xenfront_zone_attach(rx->zone, mbufs[i], frag->buffer, frag->offset, frag->len);
		frag->buffer = rx->stash[--rx->nr_stash];
		if (i)
			mbufs[i - 1]->next = mbufs[i];
	}
	mbufs[0]->nb_segs = p->nr_frags;
	mbufs[0]->pkt_len = p->size;
	pmd_count(&rx->lent, 1);
	return mbufs[0];
}

static void note_packet(const struct xenfront_rx *rx, const struct front_packet *p,
			struct rte_mbuf *head)
{
	head->port = rx->port;
	head->ol_flags |= rx_flags[p->flags & 3];
	if (p->gso_type != XEN_NETIF_GSO_TYPE_NONE) {
		head->ol_flags |= RTE_MBUF_F_RX_LRO;
		head->tso_segsz = p->gso_size;
	}
}

static struct rte_mbuf *copy_packet(struct xenfront_rx *rx, const uint8_t *pages,
				    const struct front_packet *p)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(rx->pool), *tail = head;

	for (unsigned int i = 0; head && i < p->nr_frags; i++) {
		const struct front_frag *frag = &p->frags[i];

		if (!append(rx, head, &tail,
			    pages + (size_t)frag->buffer * FRONT_BUFFER_SIZE + frag->offset,
			    frag->len)) {
			rte_pktmbuf_free(head);
			return NULL;
		}
	}
	return head;
}

/* The next one, whatever it is. Return: how many mbufs there are for it; *more: it may not be the last. */
static unsigned int rx_packet(struct xenfront_rx *rx, struct front_queue *q, struct rte_mbuf **mbuf,
			      bool *more)
{
	struct front_packet p;
	struct rte_mbuf *m;
	bool fits = true;

	*more = front_to_guest(q, &p, 1) == 1;
	if (!*more)
		return 0;
	m = rx->zone ? lend_packet(rx, &p) : NULL;
	if (!m) {
		fits = rx->scatter || p.size <= rx->room;
		m = fits ? copy_packet(rx, front_to_guest_pages(q), &p) : NULL;
	}
	front_release(q, &p, 1);
	if (p.nr_frags > 1)
		front_to_guest_refill(q);
	if (!m) {
		pmd_count(fits ? &rx->no_mbuf : &rx->no_scatter, 1);
		return 0;
	}
	note_packet(rx, &p, m);
	*mbuf = m;
	pmd_count(&rx->bytes, p.size);
	return 1;
}

/* Of frames longer than an mbuf that are not lent, in their place. Return: how many mbufs are good; *bytes: less what is lost. */
static unsigned int rx_long(struct xenfront_rx *rx, const struct front_frame *frames,
			    struct rte_mbuf **mbufs, unsigned int nr, uint64_t *bytes)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct rte_mbuf *m = mbufs[i], *tail = m;

		if (frames[i].len > rx->room && !m->pkt_len &&
		    (!rx->scatter || !append(rx, m, &tail, frames[i].data, frames[i].len))) {
			rte_pktmbuf_free(m);
			pmd_count(rx->scatter ? &rx->no_mbuf : &rx->no_scatter, 1);
			*bytes -= frames[i].len;
			continue;
		}
		mbufs[good++] = m;
	}
	return good;
}

static inline void lend_frame(struct xenfront_rx *rx, struct rte_mbuf *m, struct front_frame *frame)
{
	xenfront_zone_attach(rx->zone, m, frame->buffer,
			     (uint16_t)((uintptr_t)frame->data % FRONT_BUFFER_SIZE), frame->len);
	frame->buffer = rx->stash[--rx->nr_stash];
	pmd_count(&rx->lent, 1);
}

static unsigned int rx_frames(struct xenfront_rx *rx, struct front_queue *q,
			      struct rte_mbuf **mbufs, unsigned int max)
{
	struct front_frame frames[XENFRONT_BURST];
	unsigned int nr = front_frames_to_guest(q, frames, RTE_MIN(max, XENFRONT_BURST)), good = nr;
	const uint32_t lent_from = rx->zone ? XENFRONT_COPIED + 1 : UINT32_MAX;
	bool any_long = false;
	uint64_t bytes = 0;

	if (!nr)
		return 0;
	if (rte_pktmbuf_alloc_bulk(rx->pool, mbufs, nr)) {
		front_frames_release(q, frames, nr);
		pmd_count(&rx->no_mbuf, nr);
		return 0;
	}
	for (unsigned int i = 0; i < nr; i++) {
		struct rte_mbuf *m = mbufs[i];
		uint16_t len = frames[i].len;

		m->port = rx->port;
		m->ol_flags = rx_flags[frames[i].flags & 3];
		bytes += len;
		if (len >= lent_from && has_spare(rx, 1)) {
			lend_frame(rx, m, &frames[i]);
			continue;
		}
		if (unlikely(len > rx->room)) {
			any_long = true;
			continue;
		}
		m->data_len = len;
		m->pkt_len = len;
		if (len <= NB_COPY_SMALL_MAX)
			nb_shared_read_small(rte_pktmbuf_mtod(m, uint8_t *), frames[i].data, len);
		else
			nb_shared_read(rte_pktmbuf_mtod(m, uint8_t *), frames[i].data, len);
	}
	if (unlikely(any_long))
		good = rx_long(rx, frames, mbufs, nr, &bytes);
	front_frames_release(q, frames, nr);
	pmd_count(&rx->bytes, bytes);
	return good;
}

uint16_t xenfront_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	struct xenfront_rx *rx = queue;
	struct front_queue *q = xenfront_enter(&rx->gate);
	/* What is lost is no mbuf, and a backend may send it for ever. */
	unsigned int done = 0, n, turns = nr + FRONT_RING_SLOTS;
	bool more = true;

	if (!q)
		return 0;
	while (done < nr && more && turns--) {
		n = rx_frames(rx, q, mbufs + done, nr - done);
		if (!n)
			n = rx_packet(rx, q, mbufs + done, &more);
		done += n;
	}
	front_to_guest_refill(q);
	xenfront_leave(&rx->gate);
	pmd_count(&rx->packets, done);
	return (uint16_t)done;
}
