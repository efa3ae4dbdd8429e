/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames from the guest to its port. A batch goes in four steps: take requests off the ring into
 * private copies, open the granted areas in one go, write each frame to the port (header checked in a
 * private copy, the rest straight from the guest's pages), answer. An answer follows its hand-off, so
 * that a successor of a killed process finds unanswered what was not handed on.
 *
 * Tolerance for imperfect frontends is Linux's: up to NB_SLOTS_AFTER slots behind the first are a
 * frame, up to NB_SLOTS_FATAL are refused, more end the service.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "netback/frame.h"
#include "netback/queue.h"

/* So that a frame larger than the credit of one window still goes. */
#define BURST_MIN (128u << 10)
#define FRAME_MAX (64u << 10)

static int16_t *slot_status(struct nb_scratch *s, unsigned int i)
{
	return &s->slots[i].status;
}

static void set_status(struct nb_scratch *s, const struct nb_from_packet *p, int16_t status)
{
	unsigned int i;

	for (i = p->first_slot; i < p->first_slot + p->nr_slots; i++)
		if (*slot_status(s, i) != NETIF_RSP_NULL)
			*slot_status(s, i) = status;
}

static void drop(struct nb_queue *q, struct nb_scratch *s, struct nb_from_packet *p,
		 enum nb_from_drop why, int16_t status)
{
	p->drop = (int)why;
	set_status(s, p, status);
	nb_count(&q->stats.from_drops[why], 1);
}

static void take_slot(struct nb_queue *q, struct nb_scratch *s, struct nb_from_packet *p,
		      uint16_t id, int16_t status)
{
	s->slots[s->nr_slots++] = (struct nb_from_slot){ .id = id, .status = status };
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
static enum nb_fatal take_extras(struct nb_queue *q, struct nb_scratch *s, struct nb_from_packet *p,
				 uint32_t prod, netif_extra_info_t *mcast)
{
	netif_extra_info_t extra;

	do {
		if (q->from_ring.req_cons == prod)
			return NB_FATAL_FROM_EXTRA_MISSING;
		memcpy(&extra, RING_GET_REQUEST(&q->from_ring, q->from_ring.req_cons),
		       sizeof(extra));
		/* The copy stays one: no later use may be turned into a second read of the ring. */
		__asm__ volatile("" : "+m"(extra));
		take_slot(q, s, p, 0, NETIF_RSP_NULL);
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

static void add_op(struct nb_scratch *s, struct nb_from_packet *p, const netif_tx_request_t *req,
		   uint16_t size)
{
	if (!size)
		return; /* answered, but nothing to read */
	s->ops[s->nr_ops++] = (struct hv_gnt_op){
		.ref = req->gref, .offset = req->offset, .len = size, .status = GNTST_general_error
	};
	p->nr_ops++;
}

static bool crosses_page(const netif_tx_request_t *req, uint32_t size)
{
	return (uint32_t)req->offset + size > NB_PAGE_SIZE;
}

/* The slots behind the first, whose size is what they leave of the total. */
static enum nb_fatal take_data(struct nb_queue *q, struct nb_scratch *s, struct nb_from_packet *p,
			       const netif_tx_request_t *head, uint32_t prod)
{
	unsigned int head_op = s->nr_ops, nr_after = 0;
	uint16_t left = head->size;
	uint16_t flags = head->flags;
	int why = -1;
	netif_tx_request_t req;

	add_op(s, p, head, left ? left : 1); /* its place; the size follows */
	while (flags & NETTXF_more_data) {
		if (q->from_ring.req_cons == prod)
			return NB_FATAL_FROM_UNFINISHED;
		if (nr_after >= NB_SLOTS_FATAL)
			return NB_FATAL_FROM_SLOTS;
		if (nr_after >= NB_SLOTS_AFTER && why < 0)
			why = NB_FROM_TOO_MANY_SLOTS;
		RING_COPY_REQUEST(&q->from_ring, q->from_ring.req_cons, &req);
		take_slot(q, s, p, req.id, NETIF_RSP_OKAY);
		nr_after++;
		if (req.size > left && why < 0)
			why = NB_FROM_SLOT_SIZE;
		if (crosses_page(&req, req.size))
			return NB_FATAL_FROM_PAGE;
		left = why < 0 ? (uint16_t)(left - req.size) : left;
		if (why < 0)
			add_op(s, p, &req, req.size);
		flags = req.flags;
	}
	if (why < 0 && p->size < ETH_HLEN)
		why = NB_FROM_TOO_SHORT;
	if (why >= 0) {
		s->nr_ops = head_op;
		p->nr_ops = 0;
		drop(q, s, p, (enum nb_from_drop)why, NETIF_RSP_ERROR);
		return NB_FATAL_NONE;
	}
	if (crosses_page(head, left))
		return NB_FATAL_FROM_PAGE;
	s->ops[head_op].len = left;
	if (!left) {
		/* All the data is in later slots. */
		memmove(&s->ops[head_op], &s->ops[head_op + 1],
			(s->nr_ops - head_op - 1) * sizeof(s->ops[0]));
		s->nr_ops--;
		p->nr_ops--;
	}
	return NB_FATAL_NONE;
}

static void amend_groups(struct nb_queue *q, struct nb_scratch *s, struct nb_from_packet *p,
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
	set_status(s, p, rc ? NETIF_RSP_ERROR : NETIF_RSP_OKAY);
	p->nr_ops = 0;
	p->size = 0;
}

/* Take one frame. Return: 1; 0: none may be taken now; negative: the service has ended. */
static int take_packet(struct nb_queue *q, struct nb_scratch *s, uint32_t prod, uint64_t now_ns)
{
	struct nb_from_packet *p = &s->packets[s->nr_packets];
	netif_extra_info_t mcast = { .type = XEN_NETIF_EXTRA_TYPE_NONE };
	enum nb_fatal fatal = NB_FATAL_NONE;
	netif_tx_request_t head;

	RING_COPY_REQUEST(&q->from_ring, q->from_ring.req_cons, &head);
	if (!credit_allows(q, head.size, now_ns))
		return 0;
	*p = (struct nb_from_packet){ .first_slot = s->nr_slots,
				      .first_op = s->nr_ops,
				      .size = head.size,
				      .flags = head.flags,
				      .drop = -1 };
	take_slot(q, s, p, head.id, NETIF_RSP_OKAY);
	if (head.flags & NETTXF_extra_info)
		fatal = take_extras(q, s, p, prod, &mcast);
	if (!fatal && mcast.type == XEN_NETIF_EXTRA_TYPE_NONE)
		fatal = take_data(q, s, p, &head, prod);
	else if (!fatal)
		amend_groups(q, s, p, &mcast);
	if (fatal) {
		nb_queue_fail(q, fatal);
		return -1;
	}
	s->nr_packets++;
	return 1;
}

/* The first bytes of a frame, out of however many slots. Return: their number. */
static size_t copy_header(struct nb_scratch *s, const struct nb_from_packet *p)
{
	size_t have = 0;
	unsigned int i;

	for (i = p->first_op; i < p->first_op + p->nr_ops && have < NB_HEADER_MAX; i++) {
		size_t n = s->ops[i].len;

		if (n > NB_HEADER_MAX - have)
			n = NB_HEADER_MAX - have;
		memcpy(s->header + have, s->ops[i].ptr, n);
		have += n;
	}
	__asm__ volatile("" ::: "memory"); /* checks below must not read the guest's page again */
	return have;
}

/* Return: -1, or why the frame cannot go. */
static int make_vnet_header(struct nb_scratch *s, const struct nb_from_packet *p, size_t have,
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
	nb_frame_parse(s->header, have, p->size, &f);
	if (p->gso_type) {
		bool v6 = p->gso_type == XEN_NETIF_GSO_TYPE_TCPV6;

		if (!f.l4_known || f.protocol != 6 || f.ip_version != (v6 ? 6 : 4) ||
		    f.l4 + f.l4_header > have)
			return NB_FROM_BAD_GSO;
		/* One segment's worth needs no segmentation. */
		if (f.l4_size - f.l4_header > p->gso_size) {
			vnet->gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
			if (s->header[f.l4 + 13] & 0x80) /* CWR */
				vnet->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
			vnet->gso_size = p->gso_size;
			vnet->hdr_len = (uint16_t)(f.l4 + f.l4_header);
		}
	}
	/* Segmentation implies a blank checksum, whether or not the frontend said so. */
	if (nb_frame_request_csum(s->header, &f, vnet))
		return NB_FROM_BAD_CSUM;
	return -1;
}

static unsigned int fill_iov(struct nb_scratch *s, const struct nb_from_packet *p, size_t have,
			     struct virtio_net_hdr *vnet, struct iovec *iov)
{
	unsigned int nr = 0, i;
	size_t skip = have;

	iov[nr++] = (struct iovec){ vnet, sizeof(*vnet) };
	iov[nr++] = (struct iovec){ s->header, have };
	for (i = p->first_op; i < p->first_op + p->nr_ops; i++) {
		size_t len = s->ops[i].len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		iov[nr++] = (struct iovec){ (uint8_t *)s->ops[i].ptr + skip, len - skip };
		skip = 0;
	}
	return nr;
}

static enum nb_from_drop port_error(int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return NB_FROM_PORT_FULL;
	case EIO:
	case ENETDOWN:
	case EBADFD:
		return NB_FROM_PORT_DOWN;
	default:
		return NB_FROM_PORT_REFUSED;
	}
}

static void hand_on(struct nb_queue *q, struct nb_scratch *s, struct nb_from_packet *p)
{
	struct iovec iov[2 + 1 + NB_SLOTS_AFTER];
	struct virtio_net_hdr vnet;
	unsigned int i, nr;
	size_t have;
	int why;

	for (i = p->first_op; i < p->first_op + p->nr_ops; i++) {
		if (s->ops[i].status != GNTST_okay) {
			nb_queue_bad_grant(q);
			drop(q, s, p, NB_FROM_BAD_GRANT, NETIF_RSP_ERROR);
			return;
		}
	}
	if (!p->gso_type && p->size > q->features->mtu + ETH_HLEN + 8) {
		drop(q, s, p, NB_FROM_TOO_LONG, NETIF_RSP_ERROR);
		return;
	}
	have = copy_header(s, p);
	why = make_vnet_header(s, p, have, &vnet);
	if (why >= 0) {
		drop(q, s, p, (enum nb_from_drop)why, NETIF_RSP_ERROR);
		return;
	}
	nr = fill_iov(s, p, have, &vnet, iov);
	if (writev(q->port_fd, iov, (int)nr) < 0) {
		drop(q, s, p, port_error(errno), NETIF_RSP_OKAY);
		return;
	}
	nb_count(&q->stats.from_frames, 1);
	nb_count(&q->stats.from_bytes, p->size);
	if (p->gso_type)
		nb_count(&q->stats.from_gso, 1);
	if (p->flags & NETTXF_csum_blank)
		nb_count(&q->stats.from_csum_blank, 1);
}

static void answer(struct nb_queue *q, const struct nb_scratch *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_slots; i++) {
		netif_tx_response_t *rsp = RING_GET_RESPONSE(&q->from_ring,
							     q->from_ring.rsp_prod_pvt);

		rsp->id = s->slots[i].id;
		rsp->status = s->slots[i].status;
		q->from_ring.rsp_prod_pvt++;
	}
	if (nb_ring_push(&q->from_ring)) {
		nb_count(&q->stats.notifications, 1);
		q->hv->evtchn->notify(&q->from_ch);
	}
}

unsigned int nb_from_guest(struct nb_queue *q, struct nb_scratch *s, uint64_t now_ns)
{
	uint32_t prod = nb_ring_req_prod(&q->from_ring);
	unsigned int i, bytes = 0;
	int rc = 1;

	if (prod == q->from_ring.req_cons)
		return 0;
	if (prod - q->from_ring.rsp_prod_pvt > q->from_ring.nr_ents) {
		nb_queue_fail(q, NB_FATAL_FROM_PRODUCER);
		return 0;
	}
	q->credit_wait_ns = 0;
	s->nr_ops = s->nr_slots = s->nr_packets = 0;
	while (q->from_ring.req_cons != prod && s->nr_packets < NB_BATCH_PACKETS &&
	       bytes < NB_BATCH_BYTES) {
		rc = take_packet(q, s, prod, now_ns);
		if (rc <= 0)
			break;
		bytes += s->packets[s->nr_packets - 1].size;
	}
	if (!s->nr_packets)
		return 0;
	if (rc < 0) { /* the bad one is left unanswered */
		s->nr_slots = s->packets[s->nr_packets].first_slot;
		s->nr_ops = s->packets[s->nr_packets].first_op;
	}

	q->hv->gnt->begin(q->domain, s->ops, s->nr_ops, false);
	for (i = 0; i < s->nr_packets; i++)
		if (s->packets[i].drop < 0 && s->packets[i].size)
			hand_on(q, s, &s->packets[i]);
	q->hv->gnt->end(q->domain, s->ops, s->nr_ops, false);
	answer(q, s);
	return s->nr_slots;
}
