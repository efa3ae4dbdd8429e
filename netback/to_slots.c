/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/to.h"

#include <errno.h>
#include <string.h>

#include "netback/frame.h"
#include "netback/gref.h"
#include "netback/shared.h"

#define VNET_GSO_TYPE_MASK (~(unsigned int)VIRTIO_NET_HDR_GSO_ECN & 0xff)

unsigned int nb_to_extras_max(const struct nb_queue *q)
{
	const struct nb_features *f = q->features;

	return (f->gso_v4 || f->gso_v6) + (f->headroom > 0) +
	       (q->steering->hash_algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE);
}

unsigned int nb_to_slots_needed(const struct nb_queue *q)
{
	const struct nb_features *f = q->features;

	if (!f->sg)
		return 1 + nb_to_extras_max(q);
	if (f->gso_v4 || f->gso_v6)
		return nb_to_slots_for(q, NB_FRAME_MAX) + nb_to_extras_max(q);
	return nb_to_slots_for(q, f->mtu + ETH_HLEN + 8) + nb_to_extras_max(q);
}

unsigned int nb_to_slots_posted(const struct nb_queue *q)
{
	uint32_t prod = nb_ring_req_prod(&q->to_ring);

	if (prod - q->to_ring.rsp_prod_pvt > q->to_ring.nr_ents)
		return NB_RING_SIZE + 1;
	return prod - q->to_ring.req_cons;
}

static netif_extra_info_t *add_extra(struct nb_extras *x, uint8_t type)
{
	netif_extra_info_t *info = &x->infos[x->nr];

	if (x->nr)
		x->infos[x->nr - 1].flags |= XEN_NETIF_EXTRA_FLAG_MORE;
	x->nr++;
	memset(info, 0, sizeof(*info));
	info->type = type;
	return info;
}

int nb_to_complete_csum(const struct iovec *iov, unsigned int nr, size_t size,
			const struct virtio_net_hdr *vnet)
{
	size_t at = (size_t)vnet->csum_start + vnet->csum_offset;
	uint8_t sum[2], i;
	unsigned int k;
	uint16_t v;

	if (at + 2 > size)
		return -EINVAL;
	v = (uint16_t)~nb_frame_sum(iov, nr, vnet->csum_start, size - vnet->csum_start);
	if (!v)
		v = 0xffff;
	sum[0] = (uint8_t)(v >> 8);
	sum[1] = (uint8_t)v;
	for (i = 0; i < 2; i++, at++) {
		size_t off = at;

		for (k = 0; k + 1 < nr && off >= iov[k].iov_len; k++)
			off -= iov[k].iov_len;
		((uint8_t *)iov[k].iov_base)[off] = sum[i];
	}
	return 0;
}

static void set_csum(const struct nb_queue *q, const struct virtio_net_hdr *vnet,
		     const struct nb_frame *f, struct nb_extras *x)
{
	bool can = f->ip_version == 4 ? q->features->csum_v4 : q->features->csum_v6;

	if (vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		x->flags |= NETRXF_data_validated;
	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return;
	x->flags |= NETRXF_data_validated;
	/* csum_blank says no more than "the TCP or UDP checksum": anything else we complete here. */
	if (can && f->l4_known && vnet->csum_start == f->l4 &&
	    vnet->csum_offset == f->csum_offset) {
		x->flags |= NETRXF_csum_blank;
		return;
	}
	x->complete = true;
}

static int set_gso(const struct nb_queue *q, const struct virtio_net_hdr *vnet, struct nb_extras *x)
{
	unsigned int type = vnet->gso_type & VNET_GSO_TYPE_MASK;
	netif_extra_info_t *info;

	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	if (type == VIRTIO_NET_HDR_GSO_TCPV4   ? !q->features->gso_v4
	    : type == VIRTIO_NET_HDR_GSO_TCPV6 ? !q->features->gso_v6
					       : true)
		return -EINVAL;
	if (!(x->flags & NETRXF_csum_blank) || !vnet->gso_size)
		return -EINVAL;
	info = add_extra(x, XEN_NETIF_EXTRA_TYPE_GSO);
	info->u.gso.size = vnet->gso_size;
	info->u.gso.type = type == VIRTIO_NET_HDR_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4
							    : XEN_NETIF_GSO_TYPE_TCPV6;
	return 0;
}

static void set_hash(const struct nb_steering *st, const uint8_t *header, const struct nb_frame *f,
		     struct nb_extras *x)
{
	netif_extra_info_t *info;
	uint32_t hash;
	int type;

	type = nb_frame_hash(header, f, st->hash_flags, st->hash_key, sizeof(st->hash_key), &hash);
	if (type < 0)
		return;
	info = add_extra(x, XEN_NETIF_EXTRA_TYPE_HASH);
	info->u.hash.type = (uint8_t)type;
	info->u.hash.algorithm = (uint8_t)st->hash_algorithm;
	memcpy(info->u.hash.value, &hash, sizeof(hash));
}

int nb_to_find_extras(const struct nb_queue *q, const struct virtio_net_hdr *vnet,
		      const struct iovec *iov, size_t size, struct nb_extras *x)
{
	uint8_t header[NB_HEADER_MAX];
	struct nb_frame f = { 0 };
	size_t have = iov[0].iov_len < size ? iov[0].iov_len : size;

	x->nr = 0;
	x->flags = 0;
	x->complete = false;
	if (have > sizeof(header))
		have = sizeof(header);
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM || nb_to_steers(q)) {
		nb_shared_read(header, iov[0].iov_base, have);
		nb_frame_parse(header, have, size, &f);
	}
	set_csum(q, vnet, &f, x);
	if (set_gso(q, vnet, x))
		return -EINVAL;
	if (q->features->headroom) {
		uint16_t headroom = q->features->headroom;

		memcpy(&add_extra(x, NB_EXTRA_TYPE_XDP)->u, &headroom, sizeof(headroom));
	}
	if (nb_to_steers(q))
		set_hash(q->steering, header, &f, x);
	if (x->nr)
		x->flags |= NETRXF_extra_info;
	return 0;
}

void nb_to_count(struct nb_queue *q, size_t size, const struct nb_extras *x)
{
	nb_count(&q->stats.to_frames, 1);
	nb_count(&q->stats.to_bytes, size);
	if (x->flags & NETRXF_csum_blank)
		nb_count(&q->stats.to_csum_blank, 1);
	if (x->complete)
		nb_count(&q->stats.to_csum_completed, 1);
	if (x->nr && x->infos[0].type == XEN_NETIF_EXTRA_TYPE_GSO)
		nb_count(&q->stats.to_gso, 1);
}

struct nb_queue *nb_to_steer(struct nb_queue *q, const struct nb_extras *x)
{
	const struct nb_steering *st = q->steering;
	uint32_t hash, queue;

	if (!x->nr || x->infos[x->nr - 1].type != XEN_NETIF_EXTRA_TYPE_HASH)
		return q;
	memcpy(&hash, x->infos[x->nr - 1].u.hash.value, sizeof(hash));
	queue = st->hash_map_size ? st->hash_map[hash % st->hash_map_size] : hash % st->nr_queues;
	return queue < st->nr_queues ? st->queues[queue] : q;
}

unsigned int nb_to_respond(struct nb_queue *q, struct nb_landing *l, size_t size,
			   const struct nb_extras *x)
{
	unsigned int slot = 0, i;
	uint16_t flags = x->flags;

	do {
		uint16_t len = (uint16_t)(size < nb_to_slot_room(q) ? size : nb_to_slot_room(q));

		size -= len;
		l->ops[slot].len = len;
		l->responses[slot].data = (netif_rx_response_t){
			.id = l->requests[slot].id,
			.offset = q->features->headroom,
			.flags = (uint16_t)(flags | (size ? NETRXF_more_data : 0)),
			.status = (int16_t)len,
		};
		for (i = 0; !slot && i < x->nr; i++) {
			l->ops[1 + i].len = 0;
			l->responses[1 + i].extra = x->infos[i];
		}
		slot += slot ? 1 : 1 + x->nr;
		flags = 0;
	} while (size);
	return slot;
}

void nb_to_open(struct nb_queue *q, struct nb_to_slots *s, unsigned int nr)
{
	uint16_t headroom = q->features->headroom;
	unsigned int i;

	s->nr_begun = 0;
	for (i = 0; i < nr; i++) {
		netif_rx_request_t *req = &s->requests[i];
		uint8_t *page;

		nb_shared_read(req, RING_GET_REQUEST(&q->to_ring, q->to_ring.req_cons + i),
			       sizeof(*req));
		page = nb_gref_writable(q, req->gref);
		s->ops[i] = (struct hv_gnt_op){ .ref = req->gref,
						.offset = headroom,
						.len = (uint16_t)nb_to_slot_room(q),
						.status = GNTST_okay,
						.ptr = page ? page + headroom : NULL };
		s->lends[i] = !page && q->hv->gnt->copies;
		if (page)
			continue;
		s->ops[i].status = GNTST_general_error;
		s->begun_slots[s->nr_begun] = (uint16_t)i;
		s->begun[s->nr_begun++] = s->ops[i];
	}
	if (!s->nr_begun)
		return;
	q->hv->gnt->begin(q->domain, s->begun, s->nr_begun, true);
	for (i = 0; i < s->nr_begun; i++)
		s->ops[s->begun_slots[i]] = s->begun[i];
}

static void end_slots(struct nb_queue *q, struct nb_to_slots *s)
{
	unsigned int i;

	if (!s->nr_begun)
		return;
	for (i = 0; i < s->nr_begun; i++) {
		s->begun[i].len = s->ops[s->begun_slots[i]].len;
		s->begun[i].ptr = s->ops[s->begun_slots[i]].ptr;
	}
	q->hv->gnt->end(q->domain, s->begun, s->nr_begun, true);
	for (i = 0; i < s->nr_begun; i++)
		s->ops[s->begun_slots[i]].status = s->begun[i].status;
}

void nb_to_close(struct nb_queue *q, struct nb_to_slots *s, unsigned int nr_open,
		 unsigned int nr_used)
{
	unsigned int i;

	for (i = nr_used; i < nr_open; i++)
		s->ops[i].len = 0;
	end_slots(q, s);
	for (i = 0; i < nr_used; i++) {
		union nb_to_response *rsp = (void *)RING_GET_RESPONSE(&q->to_ring,
								      q->to_ring.rsp_prod_pvt);

		/* Copied out on closing, which can fail. Extra infos have no data. */
		if (s->ops[i].len && s->ops[i].status != GNTST_okay) {
			s->responses[i].data.status = NETIF_RSP_ERROR;
			nb_count(&q->stats.to_bad_slots, 1);
			nb_queue_bad_grant(q);
		}
		memcpy(rsp, &s->responses[i], sizeof(*rsp));
		q->to_ring.rsp_prod_pvt++;
	}
	q->to_ring.req_cons += nr_used;
}

void nb_to_show(struct nb_queue *q)
{
	uint32_t shown = q->to_shown;

	q->to_shown = q->to_ring.rsp_prod_pvt;
	if (!nb_ring_push(&q->to_ring, shown))
		return;
	nb_count(&q->stats.notifications, 1);
	q->hv->evtchn->notify(q->split_channels ? &q->to_ch : &q->from_ch);
}

unsigned int nb_to_refuse_bad(struct nb_queue *q, struct nb_to_slots *s, unsigned int at,
			      unsigned int nr)
{
	unsigned int i, bad = 0;

	for (i = 0; i < nr; i++)
		if (s->ops[at + i].status != GNTST_okay)
			bad = i + 1;
	for (i = 0; i < bad; i++) {
		s->ops[at + i].len = 0;
		s->responses[at + i].data = (netif_rx_response_t){ .id = s->requests[at + i].id,
								   .status = NETIF_RSP_ERROR };
	}
	nb_count(&q->stats.to_bad_slots, bad);
	if (bad)
		nb_queue_bad_grant(q);
	return bad;
}
