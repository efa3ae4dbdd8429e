/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Long frames of a guest that was offered them before its vif was this program's, which takes none: they
 * are cut, so that it need not connect again to be heard. Rare, and over as soon as it does.
 */
#include <string.h>

#include "netback/forged.h"
#include "netback/pmd_xenvif.h"

/* Return: segments; 0: it is lost, and counted. */
static unsigned int begin(struct xv_rx *rx, const struct nb_queue *q, const struct nb_view *v,
			  unsigned int room, struct nb_segmenter *s)
{
	int nr = nb_segment_begin(s, v);

	if (nr <= 0 || nb_segment_size(s) > nb_size_max(q) || (unsigned int)nr > room) {
		rx->stats.no_gso++;
		return 0;
	}
	/* The headers of all segments are copies of these. */
	if (rx->port->drop_forged && nb_is_forged(v->head, v->have)) {
		rx->stats.forged++;
		return 0;
	}
	if (nb_segment_size(s) > rx->room && !rx->port->carry_scatter) {
		rx->stats.no_scatter++;
		return 0;
	}
	return (unsigned int)nr;
}

static void lack_mbuf(struct xv_rx *rx)
{
	rx->stats.no_mbuf++;
	rx->port->dev->data->rx_mbuf_alloc_failed++;
}

/* False: there are no mbufs for the rest of it. */
static bool fill(struct xv_rx *rx, struct rte_mbuf *m, const struct nb_view *segment)
{
	m->port = rx->port->dev->data->port_id;
	m->data_len = segment->have;
	m->pkt_len = segment->size;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), segment->head, segment->have);
	if (!xv_rx_copy_rest(rx, m, segment))
		return false;
	xv_rx_offloads(rx->port, m, segment);
	return true;
}

void xv_cut(struct xv_rx *rx, const struct nb_queue *q, const struct nb_view *v,
	    unsigned int nr_behind, struct xv_out *out)
{
	unsigned int room = out->max - out->nr + XV_LEFT_MAX - rx->nr_left - nr_behind, nr;
	struct rte_mbuf *mbufs[NB_SEGMENTS_MAX];
	struct nb_segmenter s;

	nr = begin(rx, q, v, room, &s);
	if (!nr)
		return;
	if (rte_pktmbuf_alloc_bulk(rx->pool, mbufs, nr)) {
		lack_mbuf(rx);
		return;
	}
	for (unsigned int i = 0; i < nr; i++) {
		if (fill(rx, mbufs[i], nb_segment_next(&s))) {
			xv_hand_on(rx, out, mbufs[i]);
			continue;
		}
		rte_pktmbuf_free(mbufs[i]);
		lack_mbuf(rx);
	}
}

void xv_left_take(struct xv_rx *rx, struct xv_out *out)
{
	while (rx->nr_left && out->nr < out->max) {
		struct rte_mbuf *m = rx->left[rx->first_left++];

		rx->nr_left--;
		xv_hand_on(rx, out, m);
	}
	if (!rx->nr_left)
		rx->first_left = 0;
}

void xv_left_drop(struct xv_rx *rx)
{
	if (rx->nr_left)
		rte_pktmbuf_free_bulk(&rx->left[rx->first_left], rx->nr_left);
	rx->first_left = rx->nr_left = 0;
}
