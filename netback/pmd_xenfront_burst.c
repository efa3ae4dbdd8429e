/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bursts. Every frame is copied between mbuf and granted page: to the guest, as the backend may write to
 * the page at any time; from it, as headers then are ours to complete.
 */
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "netback/pmd_xenfront.h"

#define CSUM_OFFLOADS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG)
#define FRAME_MIN     14u

/* By FRONT_CSUM_BLANK and FRONT_DATA_VALIDATED. */
static const uint64_t rx_flags[4] = { 0, RTE_MBUF_F_RX_L4_CKSUM_NONE, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
				      RTE_MBUF_F_RX_L4_CKSUM_NONE };

/* ---- To the guest ---- */

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
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), data, n);
		m->data_len = (uint16_t)(m->data_len + n);
		head->pkt_len += n;
		data += n;
		len -= n;
	}
	return true;
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
	if (!head)
		return NULL;
	head->port = rx->port;
	head->ol_flags = rx_flags[p->flags & 3];
	if (p->gso_type != XEN_NETIF_GSO_TYPE_NONE) {
		head->ol_flags |= RTE_MBUF_F_RX_LRO;
		head->tso_segsz = p->gso_size;
	}
	return head;
}

/* The next one, whatever it is. Return: how many mbufs there are for it; *more: it may not be the last. */
static unsigned int rx_packet(struct xenfront_rx *rx, struct front_queue *q, struct rte_mbuf **mbuf,
			      bool *more)
{
	struct front_packet p;

	*more = front_to_guest(q, &p, 1) == 1;
	if (!*more)
		return 0;
	*mbuf = copy_packet(rx, front_to_guest_pages(q), &p);
	front_release(q, &p, 1);
	if (p.nr_frags > 1)
		front_to_guest_refill(q);
	if (!*mbuf) {
		rx->no_mbuf++;
		return 0;
	}
	rx->bytes += p.size;
	return 1;
}

/* Of frames longer than an mbuf, in their place. Return: how many mbufs are good. */
static unsigned int rx_long(struct xenfront_rx *rx, const struct front_frame *frames,
			    struct rte_mbuf **mbufs, unsigned int nr)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < nr; i++) {
		struct rte_mbuf *m = mbufs[i], *tail = m;

		if (frames[i].len > rx->room &&
		    !append(rx, m, &tail, frames[i].data, frames[i].len)) {
			rte_pktmbuf_free(m);
			rx->no_mbuf++;
			continue;
		}
		mbufs[good++] = m;
	}
	return good;
}

static unsigned int rx_frames(struct xenfront_rx *rx, struct front_queue *q,
			      struct rte_mbuf **mbufs, unsigned int max)
{
	struct front_frame frames[XENFRONT_BURST];
	unsigned int nr = front_frames_to_guest(q, frames, RTE_MIN(max, XENFRONT_BURST)), good = nr;
	bool any_long = false;
	uint64_t bytes = 0;

	if (!nr)
		return 0;
	if (rte_pktmbuf_alloc_bulk(rx->pool, mbufs, nr)) {
		front_frames_release(q, frames, nr);
		rx->no_mbuf += nr;
		return 0;
	}
	for (unsigned int i = 0; i < nr; i++) {
		struct rte_mbuf *m = mbufs[i];
		uint16_t len = frames[i].len;

		m->port = rx->port;
		m->ol_flags = rx_flags[frames[i].flags & 3];
		bytes += len;
		if (unlikely(len > rx->room)) {
			any_long = true;
			continue;
		}
		m->data_len = len;
		m->pkt_len = len;
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), frames[i].data, len);
	}
	if (unlikely(any_long))
		good = rx_long(rx, frames, mbufs, nr);
	front_frames_release(q, frames, nr);
	rx->bytes += bytes;
	return good;
}

uint16_t xenfront_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	struct xenfront_rx *rx = queue;
	struct front_queue *q = xenfront_enter(&rx->gate);
	unsigned int done = 0, n;
	bool more = true;

	if (!q)
		return 0;
	while (done < nr && more) {
		n = rx_frames(rx, q, mbufs + done, nr - done);
		if (!n)
			n = rx_packet(rx, q, mbufs + done, &more);
		done += n;
	}
	front_to_guest_refill(q);
	xenfront_leave(&rx->gate);
	rx->packets += done;
	return (uint16_t)done;
}

/* ---- From the guest ---- */

struct l4 {
	uint16_t *field; /* of the checksum */
	uint16_t pseudo; /* the pseudo header's sum, as a blank checksum holds it */
	uint32_t offset;
	bool v6;
};

/* Whether the headers that the mbuf speaks of lie in the first page's @len bytes. */
static bool find_l4(const struct rte_mbuf *m, uint8_t *page, uint32_t len, struct l4 *l4)
{
	uint32_t l3 = m->l2_len;
	bool tcp = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) ||
		   (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;
	uint32_t at;

	l4->v6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
	l4->offset = l3 + m->l3_len;
	at = l4->offset + (tcp ? offsetof(struct rte_tcp_hdr, cksum)
			       : offsetof(struct rte_udp_hdr, dgram_cksum));
	if (m->l3_len < (l4->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr)) ||
	    at + sizeof(uint16_t) > len)
		return false;
	l4->field = (uint16_t *)(void *)(page + at);
	/* With the length in it, also of segments that are yet to be cut: as Linux has it. */
	l4->pseudo = l4->v6 ? rte_ipv6_phdr_cksum((void *)(page + l3), 0)
			    : rte_ipv4_phdr_cksum((void *)(page + l3), 0);
	return true;
}

static void set_ip_csum(const struct rte_mbuf *m, uint8_t *page)
{
	struct rte_ipv4_hdr *ip = (void *)(page + m->l2_len);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static uint16_t full_csum(const struct rte_mbuf *m, const struct l4 *l4)
{
	uint16_t raw, field = *l4->field, sum;
	uint32_t all;

	if (rte_raw_cksum_mbuf(m, l4->offset, m->pkt_len - l4->offset, &raw))
		return 0;
	/* Without what stood in the field. */
	all = (uint32_t)raw + (uint16_t)~field + l4->pseudo;
	all = (all & 0xffff) + (all >> 16);
	all = (all & 0xffff) + (all >> 16);
	sum = (uint16_t)~all;
	return sum ? sum : 0xffff;
}

/* What the mbuf asks for, in the copy. Return: false: it makes no sense, or the backend cannot. */
static bool offload(const struct xenfront_tx *tx, const struct rte_mbuf *m, uint8_t *page,
		    uint32_t len, struct front_packet *p)
{
	bool gso = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
	struct l4 l4;

	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		if (m->l3_len < sizeof(struct rte_ipv4_hdr) || m->l2_len + m->l3_len > len)
			return false;
		set_ip_csum(m, page);
	}
	if (!gso && !(m->ol_flags & RTE_MBUF_F_TX_L4_MASK))
		return true;
	if (!find_l4(m, page, len, &l4))
		return false;
	if (gso) {
		if (!(l4.v6 ? tx->gso_tcpv6 : tx->gso_tcpv4) || !m->tso_segsz)
			return false;
		p->gso_type = l4.v6 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
		p->gso_size = m->tso_segsz;
	}
	if (gso || (l4.v6 ? tx->csum_ipv6 : tx->csum_ipv4)) {
		*l4.field = l4.pseudo;
		p->flags = FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED;
	} else {
		*l4.field = full_csum(m, &l4);
	}
	return true;
}

static void copy_chain(const struct rte_mbuf *m, uint8_t *pages, struct front_packet *p,
		       const uint16_t *buffers)
{
	uint32_t used = FRONT_BUFFER_SIZE;

	for (; m; m = m->next) {
		const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t len = m->data_len, n;

		for (; len; len -= n, data += n, used += n) {
			struct front_frag *frag;

			if (used == FRONT_BUFFER_SIZE) {
				p->frags[p->nr_frags] = (struct front_frag){
					.buffer = buffers[p->nr_frags]
				};
				p->nr_frags++;
				used = 0;
			}
			frag = &p->frags[p->nr_frags - 1];
			n = RTE_MIN(len, FRONT_BUFFER_SIZE - used);
			memcpy(pages + (size_t)frag->buffer * FRONT_BUFFER_SIZE + used, data, n);
			frag->len = (uint16_t)(frag->len + n);
		}
	}
}

/* Return: false: not now. What can never go is dropped, and done with. */
static bool tx_packet(struct xenfront_tx *tx, struct front_queue *q, struct rte_mbuf *m)
{
	uint32_t nr_pages = (m->pkt_len + FRONT_BUFFER_SIZE - 1) / FRONT_BUFFER_SIZE;
	struct front_packet p = { .size = m->pkt_len };
	uint16_t buffers[FRONT_MAX_FRAGS];
	uint8_t *pages = front_from_guest_pages(q);
	unsigned int nr;

	if (m->pkt_len < FRAME_MIN || m->pkt_len > FRONT_MAX_FRAME) {
		tx->too_long++;
		return true;
	}
	if (front_from_guest_room(q) < nr_pages + 1)
		return false;
	nr = front_take(q, buffers, nr_pages);
	if (nr < nr_pages) {
		front_put(q, buffers, nr);
		return false;
	}
	copy_chain(m, pages, &p, buffers);
	if (!offload(tx, m, pages + (size_t)buffers[0] * FRONT_BUFFER_SIZE, p.frags[0].len, &p)) {
		front_put(q, buffers, nr);
		tx->bad_offload++;
		return true;
	}
	front_from_guest(q, &p, 1);
	tx->packets++;
	tx->bytes += m->pkt_len;
	return true;
}

/* Those at the start that are one piece and want nothing. Return: how many went. */
static unsigned int tx_frames(struct xenfront_tx *tx, struct front_queue *q,
			      struct rte_mbuf **mbufs, unsigned int max, bool *full)
{
	struct front_frame frames[XENFRONT_BURST];
	unsigned int nr, sent;
	uint64_t bytes = 0;

	for (nr = 0; nr < RTE_MIN(max, XENFRONT_BURST); nr++) {
		const struct rte_mbuf *m = mbufs[nr];

		if (m->nb_segs != 1 || (m->ol_flags & CSUM_OFFLOADS) || m->data_len < FRAME_MIN ||
		    m->data_len > FRONT_BUFFER_SIZE)
			break;
		frames[nr].data = rte_pktmbuf_mtod(m, uint8_t *);
		frames[nr].len = m->data_len;
		frames[nr].flags = 0;
	}
	sent = front_frames_from_guest(q, frames, nr);
	for (unsigned int i = 0; i < sent; i++)
		bytes += frames[i].len;
	*full = sent < nr;
	tx->packets += sent;
	tx->bytes += bytes;
	return sent;
}

uint16_t xenfront_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	struct xenfront_tx *tx = queue;
	struct front_queue *q = xenfront_enter(&tx->gate);
	unsigned int done = 0, n;
	bool full = false;

	if (!q)
		return 0;
	front_from_guest_room(q);
	while (done < nr && !full) {
		n = tx_frames(tx, q, mbufs + done, nr - done, &full);
		if (!n && !full) {
			n = tx_packet(tx, q, mbufs[done]);
			full = !n;
		}
		done += n;
	}
	front_from_guest_flush(q);
	xenfront_leave(&tx->gate);
	tx->no_room += full;
	rte_pktmbuf_free_bulk(mbufs, done);
	return (uint16_t)done;
}

uint16_t xenfront_tx_prepare(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	(void)queue;
	for (uint16_t i = 0; i < nr; i++) {
		int rc = rte_validate_tx_offload(mbufs[i]);

		if (!rc && mbufs[i]->pkt_len > FRONT_MAX_FRAME)
			rc = -EINVAL;
		if (rc) {
			rte_errno = -rc;
			return i;
		}
	}
	return nr;
}
