/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views into a guest's receive slots. To a guest that asks for nothing special, most frames are plain: one
 * slot, nothing extra, a page that is mapped. Those take the short way here, all others that of to_slots.c.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "netback/frame.h"
#include "netback/gref.h"
#include "netback/poll.h"
#include "netback/segment.h"
#include "netback/shared.h"
#include "netback/to.h"

#define LINE	 64u
#define DONE	 1
#define NO_SLOTS 0

/* Slots that are open, of which the first @at have been answered. */
struct room {
	struct nb_to_slots slots;
	unsigned int nr_open, at;
};

static void copy_frag(uint8_t *to, const struct nb_frag *frag, uint32_t done, uint32_t size)
{
#ifdef NB_SHARED_FUZZ
	nb_shared_read(to, frag->ptr + done, size);
#else
	memcpy(to, frag->ptr + done, size);
#endif
}

/* ---- Plain frames ---- */

/* Frames to @q may be plain. */
static bool is_plain_queue(const struct nb_queue *q)
{
	return !q->features->headroom && !q->features->mcast_control && q->nr_grefs &&
	       q->steering->hash_algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE;
}

/* Larger ones take several slots, or are too long. */
static uint32_t plain_max(const struct nb_queue *q)
{
	uint32_t max = nb_size_max(q);

	return max < NB_PAGE_SIZE ? max : NB_PAGE_SIZE;
}

static bool is_plain(const struct nb_view *v, uint32_t max)
{
	return !(v->flags & NB_VIEW_CSUM_BLANK) && v->nr_frags <= 1 && v->size <= max &&
	       v->size >= ETH_HLEN;
}

struct plain {
	uint8_t *page;
	uint16_t id;
};

/* The pages of the next slots for as many plain frames as there are. *unmapped_out: the next has none. */
static unsigned int find_pages(struct nb_queue *q, struct nb_view *const *views, unsigned int nr,
			       struct plain *plain, bool *unmapped_out)
{
	uint32_t cons = q->to_ring.req_cons, posted = q->to_prod - cons, max = plain_max(q);
	unsigned int i;

	for (i = 0; i < nr && i < posted; i++) {
		netif_rx_request_t req;

		if (!is_plain(views[i], max))
			break;
		nb_shared_read(&req, RING_GET_REQUEST(&q->to_ring, cons + i), sizeof(req));
		plain[i] = (struct plain){ nb_gref_writable(q, req.gref), req.id };
		*unmapped_out = !plain[i].page;
		if (*unmapped_out)
			break;
		__builtin_prefetch(plain[i].page, 1);
	}
	return i;
}

static void put_plain(struct nb_queue *q, const struct nb_view *v, const struct plain *p,
		      uint32_t at)
{
	if (v->have <= NB_VIEW_HEAD_MAX)
		nb_copy_small(p->page, v->head, v->have);
	else /* tags were pushed in front */
		memcpy(p->page, v->head, v->have);
	if (v->nr_frags)
		copy_frag(p->page + v->have, v->frags, 0, v->frags->len);
	*RING_GET_RESPONSE(&q->to_ring,
			   at) = (netif_rx_response_t){ .id = p->id,
							.flags = v->flags ? NETRXF_data_validated
									  : 0,
							.status = (int16_t)v->size };
}

/*
 * Call for what of a frame is still in its sender's page, while the one before it is copied. The processor
 * sees the stream by itself, but late: with many guests the lines are far away.
 */
static void call_for(const struct nb_view *v)
{
	uint32_t len = v->nr_frags ? v->frags->len : 0;

	for (uint32_t at = 0; at < len; at += LINE)
		__builtin_prefetch(v->frags->ptr + at);
}

/* Put plain frames, until there is another, or no slot. Return: their number. */
static unsigned int put_plains(struct nb_queue *q, struct nb_view *const *views, unsigned int nr,
			       bool *unmapped_out)
{
	struct plain plain[NB_VIEWS_MAX];
	uint32_t at = q->to_ring.rsp_prod_pvt;
	uint64_t bytes = 0;
	unsigned int i;

	if (nr > NB_VIEWS_MAX)
		nr = NB_VIEWS_MAX;
	nr = find_pages(q, views, nr, plain, unmapped_out);
	for (i = 0; i < nr; i++) {
		if (i + 1 < nr)
			call_for(views[i + 1]);
		put_plain(q, views[i], &plain[i], at + i);
		bytes += views[i]->size;
	}
	q->to_ring.rsp_prod_pvt = at + nr;
	q->to_ring.req_cons += nr;
	nb_count(&q->stats.to_frames, nr);
	nb_count(&q->stats.to_bytes, bytes);
	return nr;
}

/* ---- All others ---- */

/* The view's head and fragments, for what reads a frame as such. */
static void vnet_of(const struct nb_view *v, const struct nb_frame *f, struct virtio_net_hdr *vnet)
{
	memset(vnet, 0, sizeof(*vnet));
	if (v->flags & NB_VIEW_DATA_VALIDATED)
		vnet->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	if (v->flags & NB_VIEW_CSUM_BLANK) {
		vnet->flags |= VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet->csum_start = f->l4;
		vnet->csum_offset = f->csum_offset;
	}
	if (v->gso_size) {
		vnet->gso_size = v->gso_size;
		vnet->gso_type = v->gso_type == XEN_NETIF_GSO_TYPE_TCPV6 ? VIRTIO_NET_HDR_GSO_TCPV6
									 : VIRTIO_NET_HDR_GSO_TCPV4;
	}
}

/* Return: 0; -EINVAL: the guest cannot take it. */
static int find_extras(const struct nb_queue *q, const struct nb_view *v,
		       struct virtio_net_hdr *vnet, struct nb_extras *x)
{
	struct iovec iov = { v->head, v->have };
	struct nb_frame f = { 0 };

	if (v->flags & NB_VIEW_CSUM_BLANK) {
		nb_frame_parse(v->head, v->have, v->size, &f);
		if (!f.l4_known)
			return -EINVAL;
	}
	vnet_of(v, &f, vnet);
	return nb_to_find_extras(q, vnet, &iov, v->size, x);
}

/* It lies in one piece, and goes as it is. */
static bool is_lent(const struct nb_view *v, const struct nb_extras *x)
{
	return v->lends && v->nr_frags == 1 && v->head + v->have == v->frags[0].ptr &&
	       v->have + v->frags[0].len == v->size && !x->complete;
}

/* Have the hypervisor copy from the frame itself. False: not all of its slots can. */
static bool lend_view(const struct nb_view *v, struct nb_landing *l, unsigned int nr_slots,
		      unsigned int nr_extras)
{
	uint8_t *from = v->head;
	unsigned int slot;

	for (slot = 0; slot < nr_slots; slot += slot ? 1 : 1 + nr_extras)
		if (!l->lends[slot])
			return false;
	for (slot = 0; slot < nr_slots; slot += slot ? 1 : 1 + nr_extras) {
		l->ops[slot].ptr = from;
		from += l->ops[slot].len;
	}
	return true;
}

/* Copy a view into the slots of @l, whose lengths are set. Return: pieces in @iov. */
static unsigned int copy_view(const struct nb_view *v, const struct nb_landing *l,
			      unsigned int nr_slots, unsigned int nr_extras, struct iovec *iov)
{
	struct nb_frag piece = { v->head, v->have };
	unsigned int next = 0, slot, nr = 0;
	uint32_t done = 0;

	for (slot = 0; slot < nr_slots; slot += slot ? 1 : 1 + nr_extras) {
		uint8_t *to = l->ops[slot].ptr;
		uint32_t left = l->ops[slot].len;

		iov[nr++] = (struct iovec){ to, left };
		while (left) {
			uint32_t n = piece.len - done < left ? piece.len - done : left;

			if (next)
				copy_frag(to, &piece, done, n);
			else
				memcpy(to, piece.ptr + done, n);
			to += n;
			left -= n;
			done += n;
			if (done == piece.len && next < v->nr_frags) {
				piece = v->frags[next++];
				done = 0;
			} else if (left && done == piece.len) {
				return nr; /* a view that is shorter than it says */
			}
		}
	}
	return nr;
}

/* Put one frame as it is. DONE: it is there, or was dropped; NO_SLOTS. */
static int put_frame(struct nb_queue *q, struct room *r, const struct nb_view *v)
{
	struct iovec iov[NB_FRAME_MAX / (NB_PAGE_SIZE - NB_HEADROOM_MAX) + 2];
	struct virtio_net_hdr vnet;
	unsigned int need, bad, nr;
	struct nb_landing l;
	struct nb_extras x;

	if (find_extras(q, v, &vnet, &x)) {
		nb_to_drop(q, NB_TO_BAD_OFFLOAD);
		return DONE;
	}
	need = nb_to_slots_for(q, v->size) + x.nr;
	do {
		if (r->at + need > r->nr_open)
			return NO_SLOTS;
		bad = nb_to_refuse_bad(q, &r->slots, r->at, need);
		r->at += bad;
	} while (bad);
	l = nb_to_landing(&r->slots, r->at);
	r->at += nb_to_respond(q, &l, v->size, &x);
	if (!is_lent(v, &x) || !lend_view(v, &l, need, x.nr)) {
		nr = copy_view(v, &l, need, x.nr, iov);
		if (x.complete)
			nb_to_complete_csum(iov, nr, v->size, &vnet);
	}
	nb_to_count(q, v->size, &x);
	return DONE;
}

static bool takes_gso(const struct nb_queue *q, const struct nb_view *v)
{
	return v->gso_type == XEN_NETIF_GSO_TYPE_TCPV6 ? q->features->gso_v6 : q->features->gso_v4;
}

/* Slots that a frame of @size may take at most. */
static unsigned int slots_max(const struct nb_queue *q, uint32_t size)
{
	return nb_to_slots_for(q, size) + nb_to_extras_max(q);
}

/* Of what is cut here. *segments_out: 0: it goes as it is. Return: -1, or why it never can. */
static int plan(const struct nb_queue *q, const struct nb_view *v, struct nb_segmenter *s,
		unsigned int *segments_out)
{
	uint32_t size = v->size, max = nb_size_max(q);
	int nr = 0;

	*segments_out = 0;
	if (v->size < ETH_HLEN)
		return NB_TO_TOO_SHORT;
	if (q->features->mcast_control && !nb_mcast_wanted(q->steering, v->head))
		return NB_TO_NOT_LISTED;
	if (v->gso_size) {
		nr = nb_segment_begin(s, v);
		if (nr < 0)
			return NB_TO_BAD_OFFLOAD;
		size = nb_segment_size(s);
	}
	if (size > max || v->size > NB_FRAME_MAX || (!q->features->sg && size > nb_to_slot_room(q)))
		return NB_TO_TOO_LONG;
	if (v->gso_size && !takes_gso(q, v)) {
		if ((unsigned int)nr * slots_max(q, size) > NB_RING_SIZE)
			return NB_TO_TOO_LONG;
		*segments_out = (unsigned int)nr;
	}
	return -1;
}

/* DONE: it is there, or was dropped; NO_SLOTS. */
static int put_view(struct nb_queue *q, struct room *r, const struct nb_view *v)
{
	const struct nb_view *segment;
	struct nb_segmenter s;
	unsigned int segments;
	int why = plan(q, v, &s, &segments);

	if (why >= 0) {
		nb_to_drop(q, (enum nb_to_drop)why);
		return DONE;
	}
	if (!segments)
		return put_frame(q, r, v);
	/* All of them, or none yet. */
	if (r->at + segments * slots_max(q, nb_segment_size(&s)) > r->nr_open)
		return NO_SLOTS;
	while ((segment = nb_segment_next(&s)))
		if (put_frame(q, r, segment) == NO_SLOTS)
			nb_to_drop(q, NB_TO_NO_SLOTS); /* some of them were bad */
	return DONE;
}

/* Slots that may be needed for @v, roughly: what is too few for it is opened next time. */
static unsigned int slots_wanted(const struct nb_queue *q, const struct nb_view *v)
{
	unsigned int nr = 1;

	if (v->gso_size && !takes_gso(q, v))
		nr = (v->size + v->gso_size - 1) / v->gso_size;
	return nr * slots_max(q, nr == 1 ? v->size : NB_VIEW_HEAD_MAX + (uint32_t)v->gso_size);
}

/* Put frames with all that may belong to them, as long as there are slots. Return: those done with. */
static unsigned int put_views(struct nb_queue *q, struct nb_view *const *views, unsigned int nr)
{
	unsigned int wanted = 0, posted = q->to_prod - q->to_ring.req_cons, i;
	struct room r;

	for (i = 0; i < nr && wanted < posted; i++)
		wanted += slots_wanted(q, views[i]);
	r.nr_open = wanted < posted ? wanted : posted;
	r.at = 0;
	nb_to_open(q, &r.slots, r.nr_open);
	for (i = 0; i < nr && put_view(q, &r, views[i]) == DONE; i++)
		;
	nb_to_close(q, &r.slots, r.nr_open, r.at);
	return i;
}

static unsigned int nr_special(struct nb_view *const *views, unsigned int nr, uint32_t max)
{
	unsigned int i;

	for (i = 0; i < nr && !is_plain(views[i], max); i++)
		;
	return i;
}

/* Look at the guest's index only when there is need: it is in a line that it keeps writing. */
static bool look_for_slots(struct nb_queue *q, unsigned int wanted)
{
	unsigned int posted;

	if (q->to_prod - q->to_ring.req_cons >= wanted)
		return true;
	posted = nb_to_slots_posted(q);
	if (posted > NB_RING_SIZE) {
		nb_queue_fail(q, NB_FATAL_TO_PRODUCER);
		return false;
	}
	q->to_prod = q->to_ring.req_cons + posted;
	return posted;
}

/* There are none. Without notifications, nobody can say that the guest is not just slow. */
static void lack_slots(struct nb_queue *q)
{
	if (!q->features->rx_notify || atomic_load_explicit(&q->stalled, memory_order_relaxed))
		return;
	if (!q->slots_wait_ns)
		q->slots_wait_ns = clock_ns();
	else if (clock_ns() - q->slots_wait_ns >= NB_STALLED_AFTER_NS)
		nb_to_set_stalled(q, true);
}

static unsigned int put(struct nb_queue *q, struct nb_view *const *views, unsigned int nr)
{
	bool plain = is_plain_queue(q);
	unsigned int done = 0, n, nr_put;
	uint32_t cons;

	if (!nr || atomic_load_explicit(&q->fatal, memory_order_relaxed))
		return 0;
	if (!look_for_slots(q, plain ? nr : NB_RING_SIZE)) {
		lack_slots(q);
		return 0;
	}
	if (__builtin_expect(q->slots_wait_ns != 0, 0)) {
		q->slots_wait_ns = 0;
		nb_to_set_stalled(q, false);
	}
	while (done < nr) {
		bool unmapped = !plain;

		n = plain ? put_plains(q, views + done, nr - done, &unmapped) : 0;
		done += n;
		if (done == nr)
			break;
		if (n == NB_VIEWS_MAX)
			continue;
		n = unmapped ? nr - done : nr_special(views + done, nr - done, plain_max(q));
		/* 0: the next is plain, and there is no slot. */
		if (!n || !look_for_slots(q, NB_RING_SIZE))
			break;
		cons = q->to_ring.req_cons;
		nr_put = put_views(q, views + done, n);
		done += nr_put;
		/* As long as slots are used, if only because they were bad, there may be enough more. */
		if (nr_put < n && q->to_ring.req_cons == cons)
			break;
	}
	return done;
}

/* The guest chooses the queue, frame by frame: one that is full keeps none of the others waiting. */
static void put_steered(struct nb_queue *q, struct nb_view *v)
{
	struct virtio_net_hdr vnet;
	struct nb_extras x;

	if (!find_extras(q, v, &vnet, &x))
		q = nb_to_steer(q, &x);
	if (!put(q, &v, 1))
		nb_to_drop(q, NB_TO_NO_SLOTS);
}

static bool is_steered(const struct nb_queue *q)
{
	return nb_to_steers(q) && q->steering->nr_queues > 1;
}

unsigned int nb_poll_put(struct nb_queue *q, struct nb_view *const *views, unsigned int nr)
{
	unsigned int i;

	if (!is_steered(q))
		return put(q, views, nr);
	for (i = 0; i < nr; i++)
		put_steered(q, views[i]);
	return nr;
}

static void flush(struct nb_queue *q)
{
	if (q->to_shown != q->to_ring.rsp_prod_pvt)
		nb_to_show(q);
}

void nb_poll_flush(struct nb_queue *q)
{
	unsigned int i;

	flush(q);
	for (i = 0; is_steered(q) && i < q->steering->nr_queues; i++)
		flush(q->steering->queues[i]);
}

void nb_poll_drop(struct nb_queue *q, enum nb_to_drop why, unsigned int nr)
{
	nb_count(&q->stats.to_drops[why], nr);
}
