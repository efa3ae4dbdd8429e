/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/from.h"

#include <string.h>

#include "netback/frame.h"
#include "netback/gref.h"
#include "netback/shared.h"

/* So that a frame larger than the credit of one window still goes. */
#define BURST_MIN (128u << 10)
#define FRAME_MAX (64u << 10)

static void set_status(struct nb_from_batch *b, const struct nb_from_packet *p, int16_t status)
{
	unsigned int i;

	for (i = p->first_slot; i < p->first_slot + p->nr_slots; i++)
		if (b->slots[i].status != NETIF_RSP_NULL)
			b->slots[i].status = status;
}

void nb_from_drop(struct nb_queue *q, struct nb_from_batch *b, struct nb_from_packet *p,
		  enum nb_from_drop why, int16_t status)
{
	p->drop = (int8_t)why;
	set_status(b, p, status);
	nb_count(&q->stats.from_drops[why], 1);
}

void nb_from_count(struct nb_queue *q, const struct nb_from_packet *p)
{
	nb_count(&q->stats.from_frames, 1);
	nb_count(&q->stats.from_bytes, p->size);
	if (p->gso_type)
		nb_count(&q->stats.from_gso, 1);
	if (p->flags & NETTXF_csum_blank)
		nb_count(&q->stats.from_csum_blank, 1);
}

uint32_t nb_from_waiting(struct nb_queue *q, uint32_t *prod_out)
{
	uint32_t prod = nb_ring_req_prod(&q->from_ring);

	*prod_out = prod;
	if (prod - q->from_ring.rsp_prod_pvt > q->from_ring.nr_ents) {
		nb_queue_fail(q, NB_FATAL_FROM_PRODUCER);
		return 0;
	}
	return prod - q->from_ring.req_cons;
}

static void take_slot(struct nb_queue *q, struct nb_from_batch *b, struct nb_from_packet *p,
		      uint16_t id, int16_t status)
{
	b->slots[b->nr_slots++] = (netif_tx_response_t){ .id = id, .status = status };
	p->nr_slots++;
	q->from_ring.req_cons++;
}

/*
 * True: the frame may go now. Credit is given as Linux's netback gives it, but what a window has left because
 * the next frame is larger, and the time until somebody looks, are not lost: the rate is met in the mean.
 */
static bool credit_allows(struct nb_queue *q, uint32_t size, uint64_t now_ns)
{
	struct nb_credit *c = q->credit;
	uint64_t bytes, burst, window_ns = c ? nb_counted(&c->rate.usec) * 1000 : 0;

	if (!window_ns)
		return true;
	bytes = nb_counted(&c->rate.bytes);
	burst = bytes + FRAME_MAX > BURST_MIN ? bytes + FRAME_MAX : BURST_MIN;
	if (!c->window_ns) {
		c->window_ns = now_ns;
		c->left = bytes;
	}
	if (size > c->left && now_ns >= c->window_ns + window_ns) {
		c->left += bytes;
		if (c->left > burst)
			c->left = burst;
		c->window_ns += window_ns;
		if (now_ns >= c->window_ns + window_ns)
			c->window_ns = now_ns;
	}
	if (size > c->left) {
		q->credit_wait_ns = c->window_ns + window_ns;
		nb_count(&q->stats.from_throttled, 1);
		return false;
	}
	c->left -= size;
	return true;
}

/* Return: 0, or what ends the service. Sets @mcast when the request is one for the group list. */
static enum nb_fatal take_extras(struct nb_queue *q, struct nb_from_batch *b,
				 struct nb_from_packet *p, uint32_t prod, netif_extra_info_t *mcast)
{
	netif_extra_info_t extra;

	do {
		if (q->from_ring.req_cons == prod)
			return NB_FATAL_FROM_EXTRA_MISSING;
		nb_shared_read(&extra, RING_GET_REQUEST(&q->from_ring, q->from_ring.req_cons),
			       sizeof(extra));
		take_slot(q, b, p, 0, NETIF_RSP_NULL);
		switch (extra.type) {
		case XEN_NETIF_EXTRA_TYPE_GSO:
			if (!extra.u.gso.size)
				return NB_FATAL_FROM_GSO_SIZE;
			if (extra.u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 &&
			    extra.u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6)
				return NB_FATAL_FROM_GSO_TYPE;
			p->gso_type = extra.u.gso.type;
			p->gso_size = extra.u.gso.size;
			break;
		case XEN_NETIF_EXTRA_TYPE_MCAST_ADD:
		case XEN_NETIF_EXTRA_TYPE_MCAST_DEL:
			*mcast = extra;
			break;
		case XEN_NETIF_EXTRA_TYPE_HASH:
			break; /* the kernel hashes for itself */
		default:
			return NB_FATAL_FROM_EXTRA_TYPE;
		}
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return NB_FATAL_NONE;
}

/* @size of 0 is answered, but there is nothing to read. */
static void set_frag(struct nb_queue *q, struct nb_from_batch *b, unsigned int at,
		     const netif_tx_request_t *req, uint16_t size)
{
	const uint8_t *page = nb_gref_readable(q, req->gref);

	b->frags[at] = (struct nb_frag){ page ? page + req->offset : NULL, size };
	if (page || !size)
		return;
	b->op_frags[b->nr_ops] = (uint16_t)at;
	b->ops[b->nr_ops++] = (struct hv_gnt_op){
		.ref = req->gref, .offset = req->offset, .len = size, .status = GNTST_general_error
	};
}

static bool crosses_page(const netif_tx_request_t *req, uint32_t size)
{
	return (uint32_t)req->offset + size > NB_PAGE_SIZE;
}

/* The slots behind the first, whose size is what they leave of the total. */
static enum nb_fatal take_data(struct nb_queue *q, struct nb_from_batch *b,
			       struct nb_from_packet *p, const netif_tx_request_t *head,
			       uint32_t prod)
{
	unsigned int first_op = b->nr_ops, head_frag = b->nr_frags++, nr_after = 0;
	uint16_t left = head->size;
	uint16_t flags = head->flags;
	int why = -1;
	netif_tx_request_t req;

	while (flags & NETTXF_more_data) {
		if (q->from_ring.req_cons == prod)
			return NB_FATAL_FROM_UNFINISHED;
		if (nr_after >= NB_SLOTS_FATAL)
			return NB_FATAL_FROM_SLOTS;
		if (nr_after >= NB_SLOTS_AFTER && why < 0)
			why = NB_FROM_TOO_MANY_SLOTS;
		nb_shared_read(&req, RING_GET_REQUEST(&q->from_ring, q->from_ring.req_cons),
			       sizeof(req));
		take_slot(q, b, p, req.id, NETIF_RSP_OKAY);
		nr_after++;
		if (req.size > left && why < 0)
			why = NB_FROM_SLOT_SIZE;
		if (crosses_page(&req, req.size))
			return NB_FATAL_FROM_PAGE;
		if (why < 0) {
			left = (uint16_t)(left - req.size);
			set_frag(q, b, b->nr_frags++, &req, req.size);
		}
		flags = req.flags;
	}
	if (why < 0 && p->size < ETH_HLEN)
		why = NB_FROM_TOO_SHORT;
	if (why >= 0) {
		b->nr_ops = first_op;
		b->nr_frags = head_frag;
		nb_from_drop(q, b, p, (enum nb_from_drop)why, NETIF_RSP_ERROR);
		return NB_FATAL_NONE;
	}
	if (crosses_page(head, left))
		return NB_FATAL_FROM_PAGE;
	set_frag(q, b, head_frag, head, left);
	p->nr_frags = (uint16_t)(b->nr_frags - head_frag);
	return NB_FATAL_NONE;
}

static void amend_groups(struct nb_queue *q, struct nb_from_batch *b, struct nb_from_packet *p,
			 const netif_extra_info_t *mcast)
{
	int rc = 0;

	nb_count(&q->stats.mcast_requests, 1);
	/* Without mcast_control the list never has an effect, and may be shared between workers. */
	if (q->features->mcast_control) {
		if (mcast->type == XEN_NETIF_EXTRA_TYPE_MCAST_ADD)
			rc = nb_mcast_add(q->steering, mcast->u.mcast.addr);
		else
			nb_mcast_del(q->steering, mcast->u.mcast.addr);
	}
	set_status(b, p, rc ? NETIF_RSP_ERROR : NETIF_RSP_OKAY);
	p->size = 0;
}

int nb_from_take_packet(struct nb_queue *q, struct nb_from_batch *b, uint32_t prod, uint64_t now_ns)
{
	struct nb_from_packet *p = &b->packets[b->nr_packets];
	netif_extra_info_t mcast = { .type = XEN_NETIF_EXTRA_TYPE_NONE };
	unsigned int first_op = b->nr_ops;
	enum nb_fatal fatal = NB_FATAL_NONE;
	netif_tx_request_t head;

	nb_shared_read(&head, RING_GET_REQUEST(&q->from_ring, q->from_ring.req_cons), sizeof(head));
	if (!credit_allows(q, head.size, now_ns))
		return 0;
	*p = (struct nb_from_packet){ .first_slot = (uint16_t)b->nr_slots,
				      .first_frag = (uint16_t)b->nr_frags,
				      .size = head.size,
				      .flags = head.flags,
				      .drop = -1 };
	take_slot(q, b, p, head.id, NETIF_RSP_OKAY);
	if (head.flags & NETTXF_extra_info)
		fatal = take_extras(q, b, p, prod, &mcast);
	if (!fatal && mcast.type == XEN_NETIF_EXTRA_TYPE_NONE)
		fatal = take_data(q, b, p, &head, prod);
	else if (!fatal)
		amend_groups(q, b, p, &mcast);
	if (fatal) { /* the bad one is left unanswered */
		b->nr_slots = p->first_slot;
		b->nr_frags = p->first_frag;
		b->nr_ops = first_op;
		nb_queue_fail(q, fatal);
		return -1;
	}
	b->nr_packets++;
	return 1;
}

void nb_from_open(struct nb_queue *q, struct nb_from_batch *b)
{
	unsigned int i;

	if (!b->nr_ops)
		return;
	q->hv->gnt->begin(q->domain, b->ops, b->nr_ops, false);
	for (i = 0; i < b->nr_ops; i++)
		if (b->ops[i].status == GNTST_okay)
			b->frags[b->op_frags[i]].ptr = b->ops[i].ptr;
}

/* The first bytes of a frame, out of however many slots. Return: their number. */
static size_t copy_header(const struct nb_from_batch *b, const struct nb_from_packet *p,
			  uint8_t *head)
{
	size_t have = 0;
	unsigned int i;

	for (i = p->first_frag; i < p->first_frag + p->nr_frags && have < NB_HEADER_MAX; i++) {
		size_t n = b->frags[i].len;

		if (n > NB_HEADER_MAX - have)
			n = NB_HEADER_MAX - have;
		if (n)
			nb_shared_read(head + have, b->frags[i].ptr, n);
		have += n;
	}
	return have;
}

/* Return: -1, or why the frame cannot go. */
static int make_vnet_header(const struct nb_from_packet *p, uint8_t *head, size_t have,
			    struct virtio_net_hdr *vnet)
{
	bool blank = p->flags & NETTXF_csum_blank;
	struct nb_frame f;

	memset(vnet, 0, sizeof(*vnet));
	if (!blank && !p->gso_type) {
		if (p->flags & NETTXF_data_validated)
			vnet->flags = VIRTIO_NET_HDR_F_DATA_VALID;
		return -1;
	}
	nb_frame_parse(head, have, p->size, &f);
	if (p->gso_type) {
		bool v6 = p->gso_type == XEN_NETIF_GSO_TYPE_TCPV6;

		if (!f.l4_known || f.protocol != 6 || f.ip_version != (v6 ? 6 : 4) ||
		    f.l4 + f.l4_header > have)
			return NB_FROM_BAD_GSO;
		/* One segment's worth needs no segmentation. */
		if (f.l4_size - f.l4_header > p->gso_size) {
			vnet->gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
			if (head[f.l4 + 13] & 0x80) /* CWR */
				vnet->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
			vnet->gso_size = p->gso_size;
			vnet->hdr_len = (uint16_t)(f.l4 + f.l4_header);
		}
	}
	/* Segmentation implies a blank checksum, whether or not the frontend said so. */
	if (nb_frame_request_csum(head, &f, vnet))
		return NB_FROM_BAD_CSUM;
	return -1;
}

static bool is_open(const struct nb_from_batch *b, const struct nb_from_packet *p)
{
	unsigned int i;

	for (i = p->first_frag; i < p->first_frag + p->nr_frags; i++)
		if (b->frags[i].len && !b->frags[i].ptr)
			return false;
	return true;
}

bool nb_from_check(struct nb_queue *q, struct nb_from_batch *b, struct nb_from_packet *p,
		   uint8_t *head, size_t *have_out, struct virtio_net_hdr *vnet)
{
	int why = -1;

	if (!is_open(b, p)) {
		nb_queue_bad_grant(q);
		why = NB_FROM_BAD_GRANT;
	} else if (!p->gso_type && p->size > nb_size_max(q)) {
		why = NB_FROM_TOO_LONG;
	} else {
		*have_out = copy_header(b, p, head);
		why = make_vnet_header(p, head, *have_out, vnet);
		/* Nobody cuts what is one segment as it is. */
		if (why < 0 && !vnet->gso_size && p->size > nb_size_max(q))
			why = NB_FROM_TOO_LONG;
	}
	if (why >= 0)
		nb_from_drop(q, b, p, (enum nb_from_drop)why, NETIF_RSP_ERROR);
	return why < 0;
}

void nb_from_answer(struct nb_queue *q, struct nb_from_batch *b)
{
	RING_IDX at = q->from_ring.rsp_prod_pvt;
	unsigned int i;

	if (b->nr_ops)
		q->hv->gnt->end(q->domain, b->ops, b->nr_ops, false);
	for (i = 0; i < b->nr_slots; i++)
		*RING_GET_RESPONSE(&q->from_ring, at + i) = b->slots[i];
	q->from_ring.rsp_prod_pvt = at + b->nr_slots;
	nb_from_clear(b);
	if (nb_ring_push(&q->from_ring, at)) {
		nb_count(&q->stats.notifications, 1);
		q->hv->evtchn->notify(&q->from_ch);
	}
}
