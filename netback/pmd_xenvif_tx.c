/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames to the guest: mbufs become views, which are copied into the guest's pages once. */
#include <string.h>

#include <rte_net.h>

#include "netback/pmd_xenvif.h"

#define OFFLOADS	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM)
#define UDP_CSUM_OFFSET 6
#define TCP_CSUM_OFFSET 16

/* Have the first @len bytes of @m, at most NB_VIEW_HEAD_MAX, in @head. */
static void copy_head(const struct rte_mbuf *m, uint8_t *head, uint32_t len)
{
	for (uint32_t done = 0; done < len; m = m->next) {
		uint32_t n = RTE_MIN((uint32_t)m->data_len, len - done);

		memcpy(head + done, rte_pktmbuf_mtod(m, const uint8_t *), n);
		done += n;
	}
}

/* The mbufs' bytes from @skip on as fragments of @v. False: they are too many. */
static bool add_frags(struct xv_tx *tx, struct nb_view *v, const struct rte_mbuf *m, uint32_t skip)
{
	unsigned int nr = 0;

	v->frags = &tx->frags[tx->nr_frags];
	for (; m; m = m->next) {
		uint32_t over = RTE_MIN((uint32_t)m->data_len, skip);

		skip -= over;
		if (over == m->data_len)
			continue;
		if (nr == XV_SEGS_MAX)
			return false;
		tx->frags[tx->nr_frags + nr++] = (struct nb_frag){
			.ptr = rte_pktmbuf_mtod_offset(m, const uint8_t *, over),
			.len = m->data_len - over,
		};
	}
	v->nr_frags = (uint8_t)nr;
	tx->nr_frags += nr;
	return true;
}

/*
 * The sum of the pseudo header, which is all that a blank checksum has: DPDK's of segments to be made
 * lacks the length, Xen's has it.
 */
static void set_pseudo(uint8_t *l3, uint8_t *field, bool v6)
{
	uint16_t sum;

	/* Behind other headers of IPv6 it is as the program made it. */
	if (v6 && field - l3 > (long)sizeof(struct rte_ipv6_hdr) + TCP_CSUM_OFFSET)
		return;
	sum = v6 ? rte_ipv6_phdr_cksum((void *)l3, 0) : rte_ipv4_phdr_cksum((void *)l3, 0);

	memcpy(field, &sum, sizeof(sum));
}

static bool check_offsets(const struct rte_mbuf *m, const struct nb_view *v, uint32_t l4_size)
{
	return m->l2_len >= RTE_ETHER_HDR_LEN && m->l3_len >= sizeof(struct rte_ipv4_hdr) &&
	       (uint32_t)m->l2_len + m->l3_len + l4_size <= v->have;
}

/* What the mbuf asks to be done to its frame, whose beginning is in @v's head. False: that makes no sense. */
static bool ask_offloads(struct nb_view *v, const struct rte_mbuf *m)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	bool v6 = m->ol_flags & RTE_MBUF_F_TX_IPV6, tso = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	uint8_t *l3 = v->head + m->l2_len;
	uint16_t sum = 0;
	bool udp;

	if (tso)
		l4 = RTE_MBUF_F_TX_TCP_CKSUM;
	udp = l4 == RTE_MBUF_F_TX_UDP_CKSUM;
	if (l4 == RTE_MBUF_F_TX_SCTP_CKSUM ||
	    !check_offsets(m, v,
			   !l4	 ? 0
			   : udp ? sizeof(struct rte_udp_hdr)
				 : sizeof(struct rte_tcp_hdr)) ||
	    (v6 && m->l3_len < sizeof(struct rte_ipv6_hdr)))
		return false;
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM && !v6) {
		struct rte_ipv4_hdr *ip = (void *)l3;

		ip->hdr_checksum = 0;
		sum = rte_raw_cksum(ip, m->l3_len);
		ip->hdr_checksum = sum == 0xffff ? sum : (uint16_t)~sum;
	}
	if (!l4)
		return true;
	v->flags |= NB_VIEW_CSUM_BLANK | NB_VIEW_DATA_VALIDATED;
	set_pseudo(l3, l3 + m->l3_len + (udp ? UDP_CSUM_OFFSET : TCP_CSUM_OFFSET), v6);
	if (!tso)
		return true;
	if (!m->tso_segsz)
		return false;
	v->gso_type = v6 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
	/* One segment needs no cutting. */
	if (v->size - m->l2_len - m->l3_len - m->l4_len > m->tso_segsz)
		v->gso_size = m->tso_segsz;
	return true;
}

/* NULL, or the counter of why the frame cannot go. */
static uint64_t *make_view(struct xv_tx *tx, unsigned int i, struct rte_mbuf *m)
{
	struct nb_view *v = &tx->views[i];
	bool ask = m->ol_flags & OFFLOADS;

	*v = (struct nb_view){ .head = rte_pktmbuf_mtod(m, uint8_t *),
			       .size = m->pkt_len,
			       .have = m->data_len };
	if (likely(!m->next && !ask)) {
		if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
			v->flags = NB_VIEW_DATA_VALIDATED;
		return NULL;
	}
	if (ask || (v->have < v->size && v->have < NB_VIEW_HEAD_MAX)) {
		v->head = tx->heads[i] + NB_VIEW_ROOM;
		v->have = (uint16_t)RTE_MIN(v->size, NB_VIEW_HEAD_MAX);
		copy_head(m, v->head, v->have);
	}
	if (m->pkt_len > v->have && !add_frags(tx, v, m, v->have))
		return &tx->stats.bad_chain;
	if (ask && !ask_offloads(v, m))
		return &tx->stats.bad_offload;
	return NULL;
}

/* Return: mbufs done with, sent or not. */
static uint16_t put_burst(struct xv_tx *tx, struct nb_queue *q, struct rte_mbuf **mbufs,
			  unsigned int nr)
{
	uint64_t *cause = NULL, bytes = 0;
	unsigned int n, done;

	tx->nr_frags = 0;
	for (n = 0; n < nr && tx->nr_frags < XV_FRAGS; n++) {
		if (n + 1 < nr)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[n + 1], void *));
		cause = make_view(tx, n, mbufs[n]);
		if (unlikely(cause != NULL))
			break;
	}
	/* One that can never go is done with once all before it are. */
	if (unlikely(cause && !n)) {
		pmd_count(cause, 1);
		return 1;
	}
	done = n ? nb_poll_put(q, tx->list, n) : 0;
	for (unsigned int i = 0; i < done; i++)
		bytes += tx->views[i].size;
	pmd_count(&tx->stats.bytes, bytes);
	pmd_count(&tx->stats.frames, done);
	return (uint16_t)done;
}

uint16_t xv_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	struct xv_tx *tx = queue;
	struct xv_port *port = tx->port;
	uint16_t nr_links = atomic_load_explicit(&port->nr_links, memory_order_relaxed);
	struct xv_link *link = &port->links[nr_links > 1 ? tx->id % nr_links : 0];
	struct nb_queue *q = xv_take(link, true);
	uint16_t done = 0, n;

	if (unlikely(!q))
		return 0;
	while (done < nr) {
		n = put_burst(tx, q, mbufs + done, RTE_MIN(nr - done, (int)XV_BURST));
		if (!n)
			break;
		done = (uint16_t)(done + n);
	}
	nb_poll_flush(q);
	xv_put(link);
	rte_pktmbuf_free_bulk(mbufs, done);
	return done;
}

/* What ask_offloads() would refuse; blank checksums are made from the frame itself. */
uint16_t xv_tx_prepare(void *queue, struct rte_mbuf **mbufs, uint16_t nr)
{
	uint16_t i;

	(void)queue;
	for (i = 0; i < nr; i++) {
		const struct rte_mbuf *m = mbufs[i];
		bool tso = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;

		if (m->nb_segs > XV_SEGS_MAX || m->pkt_len > NB_FRAME_MAX ||
		    (tso && !m->tso_segsz) ||
		    (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_SCTP_CKSUM) {
			rte_errno = EINVAL;
			break;
		}
	}
	return i;
}
