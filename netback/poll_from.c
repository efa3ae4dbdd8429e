/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views of the frames that a guest sends. Most are plain: one slot, nothing extra, a page that is mapped.
 * Those take the short way here, all others that of from_slots.c; they may alternate.
 */
#include <stdlib.h>
#include <string.h>

#include "netback/from.h"
#include "netback/gref.h"
#include "netback/poll.h"
#include "netback/shared.h"

#define LINE 64u

/* A head begins at a cache line, behind one for what is pushed in front of it. */
struct head {
	uint8_t room[LINE];
	uint8_t data[NB_VIEW_HEAD_MAX];
};

_Static_assert(NB_VIEW_ROOM <= LINE && sizeof(struct head) % LINE == 0, "heads begin at lines");

struct nb_batch {
	struct head heads[NB_VIEWS_MAX]; /* first: aligned as the batch is */
	struct nb_from_batch from;
	struct nb_view views[NB_VIEWS_MAX];
	struct nb_view *all[NB_VIEWS_MAX]; /* of views, in order */
	uint8_t *own[NB_VIEWS_MAX];	   /* of heads, in order */
	uint8_t *const *places;		   /* where heads are copied to now: own, or the caller's */
	uint32_t room;			   /* of each */
	uint8_t packet_views[NB_VIEWS_MAX]; /* of from.packets, which are the others */
};

struct nb_batch *nb_batch_create(void)
{
	size_t size = (sizeof(struct nb_batch) + LINE - 1) / LINE * LINE;
	struct nb_batch *b = aligned_alloc(LINE, size);
	unsigned int i;

	if (!b)
		return NULL;
	memset(b, 0, size);
	for (i = 0; i < NB_VIEWS_MAX; i++) {
		b->all[i] = &b->views[i];
		b->own[i] = b->heads[i].data;
	}
	return b;
}

void nb_batch_destroy(struct nb_batch *b)
{
	free(b);
}

/* The heads of views [@at, @end), each of one fragment. */
static void copy_heads(struct nb_batch *b, unsigned int at, unsigned int end)
{
	for (; at < end; at++) {
		struct nb_view *v = &b->views[at];
		struct nb_frag *frag = (struct nb_frag *)(uintptr_t)v->frags;
		size_t left = NB_PAGE_SIZE - ((uintptr_t)frag->ptr & (NB_PAGE_SIZE - 1));

		/* More than the frame has, as long as it is in the page: only we see it. */
		if (v->size <= LINE && left >= LINE)
			nb_shared_read(v->head, frag->ptr, LINE);
		else if (v->have <= NB_VIEW_HEAD_MAX && left >= NB_VIEW_HEAD_MAX)
			nb_shared_read(v->head, frag->ptr, NB_VIEW_HEAD_MAX);
		else
			nb_shared_read(v->head, frag->ptr, v->have);
		frag->ptr += v->have;
		frag->len -= v->have;
		v->nr_frags = frag->len > 0;
	}
}

/* Take plain frames from view @at on, until there is another or no more. Return: the next view. */
static unsigned int take_plain(struct nb_queue *q, struct nb_batch *b, uint32_t prod,
			       unsigned int at, unsigned int max)
{
	uint32_t cons = q->from_ring.req_cons, size_max = nb_size_max(q);
	struct nb_from_batch *f = &b->from;
	unsigned int first = at;
	uint64_t bytes = 0;

	for (; at < max && cons != prod; cons++, at++) {
		struct nb_view *v = &b->views[at];
		netif_tx_request_t req;
		const uint8_t *page;

		nb_shared_read(&req, RING_GET_REQUEST(&q->from_ring, cons), sizeof(req));
		if (req.flags & ~NETTXF_data_validated || req.size < ETH_HLEN ||
		    req.size > size_max || (uint32_t)req.offset + req.size > NB_PAGE_SIZE)
			break;
		page = nb_gref_readable(q, req.gref);
		if (!page)
			break;
		page += req.offset;
		__builtin_prefetch(page);
		f->frags[f->nr_frags] = (struct nb_frag){ page, req.size };
		*v = (struct nb_view){
			.head = b->places[at],
			.frags = &f->frags[f->nr_frags++],
			.size = req.size,
			.have = (uint16_t)(req.size < b->room ? req.size : b->room),
			.flags = req.flags ? NB_VIEW_DATA_VALIDATED : 0,
		};
		f->slots[f->nr_slots++] = (netif_tx_response_t){ .id = req.id,
								 .status = NETIF_RSP_OKAY };
		bytes += req.size;
	}
	q->from_ring.req_cons = cons;
	copy_heads(b, first, at);
	nb_count(&q->stats.from_frames, at - first);
	nb_count(&q->stats.from_bytes, bytes);
	return at;
}

static uint8_t view_flags(const struct virtio_net_hdr *vnet)
{
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return NB_VIEW_CSUM_BLANK | NB_VIEW_DATA_VALIDATED;
	return vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID ? NB_VIEW_DATA_VALIDATED : 0;
}

/* Make fragments of what of @p's the head does not have. */
static void set_frags(struct nb_from_batch *f, const struct nb_from_packet *p, size_t have,
		      struct nb_view *v)
{
	struct nb_frag *frags = &f->frags[p->first_frag];
	unsigned int nr = 0, i;

	for (i = 0; i < p->nr_frags; i++) {
		struct nb_frag frag = frags[i];
		size_t skip = frag.len < have ? frag.len : have;

		have -= skip;
		if (skip < frag.len)
			frags[nr++] = (struct nb_frag){ frag.ptr + skip,
							frag.len - (uint32_t)skip };
	}
	v->frags = frags;
	v->nr_frags = (uint8_t)nr;
}

/* False: it was dropped. */
static bool make_view(struct nb_queue *q, struct nb_batch *b, struct nb_from_packet *p,
		      unsigned int at)
{
	struct nb_view *v = &b->views[at];
	struct virtio_net_hdr vnet;
	size_t have;

	*v = (struct nb_view){ .head = b->places[at], .size = p->size };
	if (!nb_from_check(q, &b->from, p, v->head, &have, &vnet))
		return false;
	v->have = (uint16_t)have;
	v->flags = view_flags(&vnet);
	if (vnet.gso_size) {
		v->gso_size = vnet.gso_size;
		v->gso_type = p->gso_type;
	}
	set_frags(&b->from, p, have, v);
	nb_from_count(q, p);
	return true;
}

static bool is_limited(const struct nb_queue *q)
{
	return q->credit && nb_counted(&q->credit->rate.usec);
}

/* Gather up to @max frames. Return: views, of which those of b->from.packets are still to be made. */
static unsigned int gather(struct nb_queue *q, struct nb_batch *b, uint32_t prod, unsigned int max,
			   uint64_t now_ns)
{
	struct nb_from_batch *f = &b->from;
	unsigned int nr = 0, bytes = 0;
	bool limited = is_limited(q);

	while (nr < max && f->nr_packets < NB_BATCH_PACKETS && bytes < NB_BATCH_BYTES) {
		const struct nb_from_packet *p = &f->packets[f->nr_packets];

		if (!limited)
			nr = take_plain(q, b, prod, nr, max);
		if (nr == max || q->from_ring.req_cons == prod ||
		    nb_from_take_packet(q, f, prod, now_ns) <= 0)
			break;
		bytes += p->size;
		if (p->drop < 0 && p->size)
			b->packet_views[f->nr_packets - 1] = (uint8_t)nr++;
	}
	return nr;
}

/* Make the views that are not plain. Return: how many are left of @nr, in @views. */
static unsigned int make_views(struct nb_queue *q, struct nb_batch *b, struct nb_view **views,
			       unsigned int nr)
{
	struct nb_from_batch *f = &b->from;
	unsigned int i, nr_good = 0;

	nb_from_open(q, f);
	for (i = 0; i < f->nr_packets; i++) {
		struct nb_from_packet *p = &f->packets[i];

		if (p->drop < 0 && p->size && !make_view(q, b, p, b->packet_views[i]))
			views[b->packet_views[i]] = NULL;
	}
	for (i = 0; i < nr; i++)
		if (views[i])
			views[nr_good++] = views[i];
	return nr_good;
}

unsigned int nb_poll_take_into(struct nb_queue *q, struct nb_batch *b, unsigned int max,
			       uint64_t now_ns, uint8_t *const *places, uint32_t room,
			       struct nb_view **views_out)
{
	unsigned int nr;

	if (atomic_load_explicit(&q->fatal, memory_order_relaxed))
		return 0;
	nb_ctrl_serve(q);
	/* What was taken of a queue that has been disconnected since was never answered. */
	nb_from_clear(&b->from);
	q->credit_wait_ns = 0;
	b->places = places;
	b->room = room;
	if (max > NB_VIEWS_MAX)
		max = NB_VIEWS_MAX;
	/* The guest's index is in a line that it keeps writing: looked at only when there is need. */
	if (q->from_prod - q->from_ring.req_cons < max && !nb_from_waiting(q, &q->from_prod))
		return 0;
	nr = gather(q, b, q->from_prod, max, now_ns);
	memcpy(views_out, b->all, nr * sizeof(b->all[0]));
	if (b->from.nr_packets)
		nr = make_views(q, b, views_out, nr);
	if (!nr && b->from.nr_slots)
		nb_from_answer(q, &b->from);
	return nr;
}

unsigned int nb_poll_take(struct nb_queue *q, struct nb_batch *b, unsigned int max, uint64_t now_ns,
			  struct nb_view **views_out)
{
	return nb_poll_take_into(q, b, max, now_ns, b->own, NB_VIEW_HEAD_MAX, views_out);
}

void nb_poll_answer(struct nb_queue *q, struct nb_batch *b)
{
	if (b->from.nr_slots)
		nb_from_answer(q, &b->from);
}
