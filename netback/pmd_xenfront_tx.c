/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames from the guest. Each is copied into a page, as headers then are ours to complete. With zero-copy=1
 * what lies in pages of the zone is sent from there, but for headers: pmd_xenfront_zone.h.
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
#define L4_MAX	      60u /* bytes of a TCP header */

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

/* A packet that is put together, of free buffers and of what lies in the zone. */
struct build {
	struct front_packet p;
	uint8_t *pages;
	uint16_t buffers[FRONT_MAX_FRAGS];
	unsigned int nr_buffers;
	struct front_frag *last;
	uint32_t used; /* of its buffer; all of it: the next byte takes another */
	bool lent;     /* a part of it */
};

/* The next fragment. False: there are no more. */
static bool add_frag(struct build *b)
{
	unsigned int nr = b->p.nr_frags;

	if (nr == b->nr_buffers)
		return false;
	b->last = &b->p.frags[nr];
	*b->last = (struct front_frag){ .buffer = b->buffers[nr] };
	b->p.nr_frags++;
	b->used = 0;
	return true;
}

static bool add_copy(struct build *b, const uint8_t *data, uint32_t len)
{
	uint32_t n;

	for (; len; len -= n, data += n, b->used += n) {
		if (b->used == FRONT_BUFFER_SIZE && !add_frag(b))
			return false;
		n = RTE_MIN(len, FRONT_BUFFER_SIZE - b->used);
		memcpy(b->pages + (size_t)b->last->buffer * FRONT_BUFFER_SIZE + b->used, data, n);
		b->last->len = (uint16_t)(b->last->len + n);
	}
	return true;
}

/* Leave it where it is, as far as that is in the zone. */
static bool add_lent(struct build *b, const struct xenfront_zone *zone, const uint8_t *data,
		     uint32_t len)
{
	uint32_t n, ref;

	for (; len; len -= n, data += n) {
		n = RTE_MIN(len,
			    FRONT_BUFFER_SIZE - (uint32_t)((uintptr_t)data % FRONT_BUFFER_SIZE));
		ref = n > XENFRONT_COPIED ? xenfront_zone_ref(zone, data, n) : 0;
		if (!ref) {
			if (!add_copy(b, data, n))
				return false;
			continue;
		}
		if (!add_frag(b))
			return false;
		b->last->offset = (uint16_t)((uintptr_t)data % FRONT_BUFFER_SIZE);
		b->last->len = (uint16_t)n;
		b->last->lent = ref;
		b->used = FRONT_BUFFER_SIZE;
		b->lent = true;
	}
	return true;
}

/* @zone: NULL: all of it is copied. The first @head bytes are in any case, in one piece. */
static bool build_chain(struct build *b, const struct rte_mbuf *m, const struct xenfront_zone *zone,
			uint32_t head)
{
	b->p = (struct front_packet){ .size = m->pkt_len };
	b->used = FRONT_BUFFER_SIZE;
	b->lent = false;
	for (; m; m = m->next) {
		const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t n = zone ? RTE_MIN(head, m->data_len) : m->data_len;

		if (!add_copy(b, data, n))
			return false;
		head -= zone ? n : 0;
		if (n < m->data_len && !add_lent(b, zone, data + n, m->data_len - n))
			return false;
	}
	return true;
}

/* What there is to write to, of a packet whose headers are to be completed. */
static uint32_t head_of(const struct rte_mbuf *m)
{
	return m->ol_flags & CSUM_OFFLOADS ? m->l2_len + m->l3_len + L4_MAX : 0;
}

/* Without scatter-gather one piece is all that there may be, and it has one if it is copied. */
static bool build(struct xenfront_tx *tx, const struct rte_mbuf *m, struct build *b)
{
	if (tx->zone && build_chain(b, m, tx->zone, head_of(m)) && (tx->sg || b->p.nr_frags == 1))
		return true;
	return build_chain(b, m, NULL, 0);
}

static void count_tx(struct xenfront_tx *tx, uint64_t packets, uint64_t bytes, uint64_t lent)
{
	pmd_count(&tx->packets, packets);
	pmd_count(&tx->bytes, bytes);
	pmd_count(&tx->lent, lent);
}

/* Return: false: not now. What can never go is dropped, and done with. *mbuf is NULL if it is lent. */
static bool tx_packet(struct xenfront_tx *tx, struct front_queue *q, struct rte_mbuf **mbuf)
{
	struct rte_mbuf *m = *mbuf;
	uint32_t nr_pages = (m->pkt_len + FRONT_BUFFER_SIZE - 1) / FRONT_BUFFER_SIZE, room;
	struct build b;

	if (m->pkt_len < FRAME_MIN || m->pkt_len > FRONT_MAX_FRAME) {
		pmd_count(&tx->too_long, 1);
		return true;
	}
	room = front_from_guest_room(q);
	if (room < nr_pages + 1)
		return false;
	b.pages = front_from_guest_pages(q);
	b.nr_buffers = front_take(q, b.buffers,
				  tx->zone ? RTE_MIN(room - 1, FRONT_MAX_FRAGS) : nr_pages);
	if (b.nr_buffers < nr_pages) {
		front_put(q, b.buffers, b.nr_buffers);
		return false;
	}
	if (!build(tx, m, &b) || !offload(tx, m, b.pages + (size_t)b.buffers[0] * FRONT_BUFFER_SIZE,
					  b.p.frags[0].len, &b.p)) {
		front_put(q, b.buffers, b.nr_buffers);
		pmd_count(&tx->bad_offload, 1);
		return true;
	}
	front_put(q, b.buffers + b.p.nr_frags, b.nr_buffers - b.p.nr_frags);
	if (unlikely(m->pkt_len > tx->size_max) && !b.p.gso_size)
		pmd_count(&tx->over_mtu, 1);
	count_tx(tx, 1, m->pkt_len, b.lent);
	if (b.lent) {
		b.p.owner = m;
		*mbuf = NULL;
	}
	front_from_guest(q, &b.p, 1);
	return true;
}

static inline void note_lent(const struct xenfront_tx *tx, struct rte_mbuf *m,
			     struct front_frame *frame)
{
	frame->lent = frame->len > XENFRONT_COPIED
			      ? xenfront_zone_ref(tx->zone, frame->data, frame->len)
			      : 0;
	frame->owner = m;
}

/* Those at the start that are one piece and want nothing. Return: how many went; those lent are NULL then. */
static unsigned int tx_frames(struct xenfront_tx *tx, struct front_queue *q,
			      struct rte_mbuf **mbufs, unsigned int max, bool *full)
{
	const uint32_t max_len = RTE_MIN(tx->size_max, (uint32_t)FRONT_BUFFER_SIZE);
	struct front_frame frames[XENFRONT_BURST];
	unsigned int nr, sent, lent = 0;
	uint64_t bytes = 0;

	for (nr = 0; nr < RTE_MIN(max, XENFRONT_BURST); nr++) {
		struct rte_mbuf *m = mbufs[nr];

		if (m->nb_segs != 1 || (m->ol_flags & CSUM_OFFLOADS) || m->data_len < FRAME_MIN ||
		    m->data_len > max_len)
			break;
		frames[nr].data = rte_pktmbuf_mtod(m, uint8_t *);
		frames[nr].len = m->data_len;
		frames[nr].flags = 0;
		if (tx->zone)
			note_lent(tx, m, &frames[nr]);
	}
	sent = front_frames_from_guest(q, frames, nr);
	for (unsigned int i = 0; i < sent; i++) {
		bytes += frames[i].len;
		if (tx->zone && frames[i].lent) {
			mbufs[i] = NULL;
			lent++;
		}
	}
	*full = sent < nr;
	count_tx(tx, sent, bytes, lent);
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
			n = tx_packet(tx, q, &mbufs[done]);
			full = !n;
		}
		done += n;
	}
	front_from_guest_flush(q);
	xenfront_leave(&tx->gate);
	pmd_count(&tx->no_room, full);
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
