/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames from the port to the guest's receive slots.
 *
 * readv() puts a frame straight into granted pages, but a frame of several slots has its extra infos
 * (segmentation, headroom, hash) in the slots right after the first, and Linux's netfront takes a
 * response to be for the request of the same slot. So the pages are laid out with a gap for the extra
 * infos that may be needed; a frame that has fewer of them and more than one slot of data, which
 * without segmentation takes a jumbo MTU, is moved up by copying.
 *
 * A frame is copied as a whole only where its place cannot be known before it is read: to a frontend
 * that never posts slots for a largest frame, and under hash steering, which may choose another queue.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "netback/frame.h"
#include "netback/queue.h"

#define CHUNK_MIN	   40u /* requests opened at a time, at first: two largest frames */
#define DRAIN_AFTER_NS	   (10u * 1000000000ull)
#define STALLED_AFTER_NS   (60u * 1000000000ull)
#define DRAIN_BATCH	   64u
#define VNET_GSO_TYPE_MASK (~(unsigned int)VIRTIO_NET_HDR_GSO_ECN & 0xff)

/* What a frame needs besides its data. */
struct extras {
	netif_extra_info_t infos[3];
	unsigned int nr;
	uint16_t flags; /* NETRXF_* of the first response */
};

/* A frame in receive slots. */
struct landing {
	struct hv_gnt_op *ops;
	const netif_rx_request_t *requests;
	union nb_to_response *responses;
};

static unsigned int extras_max(const struct nb_queue *q)
{
	const struct nb_features *f = q->features;

	return (f->gso_v4 || f->gso_v6) + (f->headroom > 0) +
	       (q->steering->hash_algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE);
}

static unsigned int slot_room(const struct nb_queue *q)
{
	return NB_PAGE_SIZE - q->features->headroom;
}

static unsigned int slots_for(const struct nb_queue *q, size_t size)
{
	return (unsigned int)((size + slot_room(q) - 1) / slot_room(q));
}

unsigned int nb_to_slots_needed(const struct nb_queue *q)
{
	const struct nb_features *f = q->features;

	if (!f->sg)
		return 1 + extras_max(q);
	if (f->gso_v4 || f->gso_v6)
		return slots_for(q, NB_FRAME_MAX) + extras_max(q);
	return slots_for(q, f->mtu + ETH_HLEN + 8) + extras_max(q);
}

unsigned int nb_to_slots_posted(const struct nb_queue *q)
{
	uint32_t prod = nb_ring_req_prod(&q->to_ring);

	if (prod - q->to_ring.rsp_prod_pvt > q->to_ring.nr_ents)
		return NB_RING_SIZE + 1;
	return prod - q->to_ring.req_cons;
}

uint64_t nb_to_patience_ns(const struct nb_queue *q)
{
	return q->had_slots ? NB_PARTIAL_AFTER_LATE_NS : NB_PARTIAL_AFTER_NS;
}

static void drop(struct nb_queue *q, enum nb_to_drop why)
{
	nb_count(&q->stats.to_drops[why], 1);
}

static netif_extra_info_t *add_extra(struct extras *x, uint8_t type)
{
	netif_extra_info_t *info = &x->infos[x->nr];

	if (x->nr)
		x->infos[x->nr - 1].flags |= XEN_NETIF_EXTRA_FLAG_MORE;
	x->nr++;
	memset(info, 0, sizeof(*info));
	info->type = type;
	return info;
}

static bool steers(const struct nb_queue *q)
{
	return q->steering->hash_algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE &&
	       q->steering->hash_flags;
}

/* Write the sum that the frontend cannot make into the frame: it only concerns that guest. */
static int complete_csum(const struct iovec *iov, unsigned int nr, size_t size,
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

static int set_csum(struct nb_queue *q, const struct virtio_net_hdr *vnet, const struct nb_frame *f,
		    const struct iovec *iov, unsigned int nr, size_t size, struct extras *x)
{
	bool can = f->ip_version == 4 ? q->features->csum_v4 : q->features->csum_v6;

	if (vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		x->flags |= NETRXF_data_validated;
	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return 0;
	/* csum_blank says no more than "the TCP or UDP checksum": anything else we complete here. */
	if (can && f->l4_known && vnet->csum_start == f->l4 &&
	    vnet->csum_offset == f->csum_offset) {
		x->flags |= NETRXF_csum_blank | NETRXF_data_validated;
		nb_count(&q->stats.to_csum_blank, 1);
		return 0;
	}
	nb_count(&q->stats.to_csum_completed, 1);
	x->flags |= NETRXF_data_validated;
	return complete_csum(iov, nr, size, vnet);
}

/* Return: 0; -EINVAL: the kernel gave us what this frontend cannot take. */
static int set_gso(struct nb_queue *q, const struct virtio_net_hdr *vnet, struct extras *x)
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
	nb_count(&q->stats.to_gso, 1);
	return 0;
}

static void set_hash(const struct nb_steering *st, const uint8_t *header, const struct nb_frame *f,
		     struct extras *x)
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

/* What goes along with the frame in @iov. Return: 0 or -EINVAL. */
static int find_extras(struct nb_queue *q, const struct virtio_net_hdr *vnet,
		       const struct iovec *iov, unsigned int nr, size_t size, struct extras *x)
{
	uint8_t header[NB_HEADER_MAX];
	struct nb_frame f = { 0 };
	size_t have = iov[0].iov_len < size ? iov[0].iov_len : size;

	x->nr = 0;
	x->flags = 0;
	if (have > sizeof(header))
		have = sizeof(header);
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM || steers(q)) {
		memcpy(header, iov[0].iov_base, have);
		__asm__ volatile("" ::: "memory");
		nb_frame_parse(header, have, size, &f);
	}
	if (set_csum(q, vnet, &f, iov, nr, size, x) || set_gso(q, vnet, x))
		return -EINVAL;
	if (q->features->headroom) {
		uint16_t headroom = q->features->headroom;

		memcpy(&add_extra(x, NB_EXTRA_TYPE_XDP)->u, &headroom, sizeof(headroom));
	}
	if (steers(q))
		set_hash(q->steering, header, &f, x);
	if (x->nr)
		x->flags |= NETRXF_extra_info;
	return 0;
}

/* The responses of a frame of @size bytes with its data in slots 0, nr, nr + 1, ... Return: slots. */
static unsigned int fill_responses(struct nb_queue *q, struct landing *l, size_t size,
				   const struct extras *x)
{
	unsigned int slot = 0, i;
	uint16_t flags = x->flags;

	do {
		uint16_t len = (uint16_t)(size < slot_room(q) ? size : slot_room(q));

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

/* Fetch requests into private copies and open their pages. */
static void open_slots(struct nb_queue *q, struct nb_scratch *s, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		RING_COPY_REQUEST(&q->to_ring, q->to_ring.req_cons + i, &s->requests[i]);
		s->ops[i] = (struct hv_gnt_op){ .ref = s->requests[i].gref,
						.offset = q->features->headroom,
						.len = (uint16_t)slot_room(q),
						.status = GNTST_general_error };
	}
	q->hv->gnt->begin(q->domain, s->ops, nr, true);
}

/* Close @nr_open slots and answer the first @nr_used. */
static void close_slots(struct nb_queue *q, struct nb_scratch *s, unsigned int nr_open,
			unsigned int nr_used)
{
	unsigned int i;

	for (i = nr_used; i < nr_open; i++)
		s->ops[i].len = 0;
	q->hv->gnt->end(q->domain, s->ops, nr_open, true);
	if (!nr_used)
		return;
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
	if (nb_ring_push(&q->to_ring)) {
		nb_count(&q->stats.notifications, 1);
		q->hv->evtchn->notify(q->split_channels ? &q->to_ch : &q->from_ch);
	}
}

/* Answer the slots up to the last one with a bad grant among the next @nr. Return: how many. */
static unsigned int refuse_bad(struct nb_queue *q, struct nb_scratch *s, unsigned int at,
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

/* Return: bytes with the virtio header; 0: empty, or the port is gone. */
static size_t read_port(struct nb_queue *q, const struct iovec *iov, unsigned int nr)
{
	ssize_t n = readv(q->port_fd, iov, (int)nr);

	if (n > 0)
		return (size_t)n;
	q->port_ready = false;
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
		nb_queue_fail(q, NB_FATAL_PORT);
	if (n < 0 && errno == EINTR)
		q->port_ready = true;
	return 0;
}

static bool frame_acceptable(struct nb_queue *q, size_t n, size_t room, const uint8_t *dest)
{
	if (n < sizeof(struct virtio_net_hdr) + ETH_HLEN) {
		drop(q, NB_TO_TOO_SHORT);
		return false;
	}
	if (n > room) {
		drop(q, NB_TO_TOO_LONG);
		return false;
	}
	if (q->features->mcast_control && !nb_mcast_wanted(q->steering, dest)) {
		drop(q, NB_TO_NOT_LISTED);
		return false;
	}
	return true;
}

/* Data was read past a gap of @gap slots of which only @have are used: move it up. */
static void close_gap(struct landing *l, unsigned int gap, unsigned int have, unsigned int nr_data)
{
	unsigned int i;

	for (i = 1; i < nr_data; i++)
		memcpy(l->ops[have + i].ptr, l->ops[gap + i].ptr, l->ops[gap + i].len);
}

/* The private copies that a real Xen is given lie one behind the other. Return: the new @nr. */
static unsigned int add_room(struct iovec *iov, unsigned int nr, void *at, size_t size)
{
	struct iovec *last = &iov[nr - 1];

	if (nr > 1 && (uint8_t *)last->iov_base + last->iov_len == at) {
		last->iov_len += size;
		return nr;
	}
	iov[nr] = (struct iovec){ at, size };
	return nr + 1;
}

/* Read one frame into the slots of @l. Return: slots used; 0: none, see port_ready. */
static unsigned int read_direct(struct nb_queue *q, struct landing *l, unsigned int need)
{
	unsigned int gap = extras_max(q), nr_data = need - gap, i, nr = 1, nr_room;
	struct iovec iov[NB_FRAME_MAX / (NB_PAGE_SIZE - NB_HEADROOM_MAX) + 4];
	struct virtio_net_hdr vnet;
	uint8_t beyond;
	struct extras x;
	size_t size, n;

	iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
	for (i = 0; i < nr_data; i++)
		nr = add_room(iov, nr, l->ops[i ? gap + i : 0].ptr, slot_room(q));
	nr_room = nr - 1;
	iov[nr++] = (struct iovec){ &beyond, 1 };
	n = read_port(q, iov, nr);
	if (!n)
		return 0;
	if (!frame_acceptable(q, n, sizeof(vnet) + (size_t)nr_data * slot_room(q), l->ops[0].ptr))
		return 0;
	size = n - sizeof(vnet);
	if (find_extras(q, &vnet, iov + 1, nr_room, size, &x)) {
		drop(q, NB_TO_BAD_OFFLOAD);
		return 0;
	}
	if (x.nr < gap && size > slot_room(q))
		close_gap(l, gap, x.nr, slots_for(q, size));
	nb_count(&q->stats.to_frames, 1);
	nb_count(&q->stats.to_bytes, size);
	return fill_responses(q, l, size, &x);
}

static unsigned int to_guest_direct(struct nb_queue *q, struct nb_scratch *s, unsigned int need)
{
	unsigned int posted = nb_to_slots_posted(q), at = 0, nr_frames = 0, nr_open;

	if (q->to_chunk < CHUNK_MIN)
		q->to_chunk = CHUNK_MIN;
	nr_open = posted < q->to_chunk ? posted : q->to_chunk;
	open_slots(q, s, nr_open);
	while (q->port_ready && at + need <= nr_open && nr_frames < NB_BATCH_PACKETS) {
		struct landing l = { &s->ops[at], &s->requests[at], &s->responses[at] };
		unsigned int bad = refuse_bad(q, s, at, need);

		at += bad;
		if (bad)
			continue;
		at += read_direct(q, &l, need);
		nr_frames += q->port_ready;
	}
	close_slots(q, s, nr_open, at);
	/* As many at a time as were of use: each time costs system calls, each slot a little. */
	if (q->port_ready && at + need > nr_open && nr_open == q->to_chunk)
		q->to_chunk = 2 * nr_open < NB_RING_SIZE ? 2 * nr_open : NB_RING_SIZE;
	else if (at < q->to_chunk / 4)
		q->to_chunk /= 2;
	return nr_frames + at;
}

static struct nb_queue *steer(struct nb_queue *q, const struct extras *x)
{
	const struct nb_steering *st = q->steering;
	uint32_t hash, queue;

	if (!x->nr || x->infos[x->nr - 1].type != XEN_NETIF_EXTRA_TYPE_HASH)
		return q;
	memcpy(&hash, x->infos[x->nr - 1].u.hash.value, sizeof(hash));
	queue = st->hash_map_size ? st->hash_map[hash % st->hash_map_size] : hash % st->nr_queues;
	return queue < st->nr_queues ? st->queues[queue] : q;
}

/* Copy one frame into the receive slots of @q, if it has enough. */
static void deliver_copy(struct nb_queue *q, struct nb_scratch *s, size_t size,
			 const struct extras *x)
{
	unsigned int need = slots_for(q, size) + x->nr, posted = nb_to_slots_posted(q), i;
	struct landing l = { s->ops, s->requests, s->responses };
	size_t done = 0;

	if (posted > NB_RING_SIZE) {
		nb_queue_fail(q, NB_FATAL_TO_PRODUCER);
		return;
	}
	if (posted < need || atomic_load(&q->fatal)) {
		drop(q, NB_TO_NO_SLOTS);
		return;
	}
	open_slots(q, s, need);
	i = refuse_bad(q, s, 0, need);
	if (i) {
		drop(q, NB_TO_BAD_GRANT);
		close_slots(q, s, need, i);
		return;
	}
	fill_responses(q, &l, size, x);
	for (i = 0; i < need; i += i ? 1 : 1 + x->nr) {
		memcpy(s->ops[i].ptr, s->bounce + done, s->ops[i].len);
		done += s->ops[i].len;
	}
	nb_count(&q->stats.to_frames, 1);
	nb_count(&q->stats.to_bytes, size);
	nb_count(&q->stats.to_copied, 1);
	close_slots(q, s, need, need);
}

static unsigned int to_guest_copied(struct nb_queue *q, struct nb_scratch *s)
{
	struct iovec iov[2];
	struct virtio_net_hdr vnet;
	unsigned int nr_frames = 0;
	struct extras x;
	size_t n, size;

	while (q->port_ready && nr_frames < NB_BATCH_PACKETS && !atomic_load(&q->fatal)) {
		iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
		iov[1] = (struct iovec){ s->bounce, sizeof(s->bounce) };
		n = read_port(q, iov, 2);
		if (!n)
			break;
		nr_frames++;
		if (!frame_acceptable(q, n, sizeof(vnet) + NB_FRAME_MAX, s->bounce))
			continue;
		size = n - sizeof(vnet);
		iov[1].iov_len = size;
		if (find_extras(q, &vnet, iov + 1, 1, size, &x) ||
		    (!q->features->sg && size > slot_room(q))) {
			drop(q, NB_TO_BAD_OFFLOAD);
			continue;
		}
		deliver_copy(steer(q, &x), s, size, &x);
	}
	return nr_frames;
}

static unsigned int drain(struct nb_queue *q, struct nb_scratch *s)
{
	struct iovec iov = { s->bounce, sizeof(s->bounce) };
	unsigned int nr;

	for (nr = 0; nr < DRAIN_BATCH && read_port(q, &iov, 1); nr++)
		drop(q, NB_TO_STALLED);
	return nr;
}

static void set_stalled(struct nb_queue *q, bool stalled)
{
	if (atomic_exchange(&q->stalled, stalled) != stalled)
		q->alert(q);
}

/* Frames wait and there are too few slots. */
static unsigned int wait_for_slots(struct nb_queue *q, struct nb_scratch *s, unsigned int posted,
				   uint64_t now_ns)
{
	uint64_t waited;

	if (!q->slots_wait_ns)
		q->slots_wait_ns = now_ns;
	waited = now_ns - q->slots_wait_ns;
	if (posted && (q->partial || waited >= nb_to_patience_ns(q))) {
		q->partial = true;
		q->slots_wait_ns = 0;
		set_stalled(q, false);
		return to_guest_copied(q, s);
	}
	/* Without notifications, nobody can say that the guest is not just slow. */
	if (posted || !q->features->rx_notify)
		return 0;
	if (waited >= STALLED_AFTER_NS)
		set_stalled(q, true);
	return waited >= DRAIN_AFTER_NS ? drain(q, s) : 0;
}

unsigned int nb_to_guest(struct nb_queue *q, struct nb_scratch *s, uint64_t now_ns)
{
	unsigned int need, posted;

	if (!q->port_ready)
		return 0;
	posted = nb_to_slots_posted(q);
	if (posted > NB_RING_SIZE) {
		nb_queue_fail(q, NB_FATAL_TO_PRODUCER);
		return 0;
	}
	if (steers(q) && q->steering->nr_queues > 1)
		return to_guest_copied(q, s);
	need = nb_to_slots_needed(q);
	if (posted < need)
		return wait_for_slots(q, s, posted, now_ns);
	q->slots_wait_ns = 0;
	q->partial = false;
	q->had_slots = true;
	set_stalled(q, false);
	return to_guest_direct(q, s, need);
}
