/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/nb_rig.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "netback/frame.h"
#include "netback/gref.h"
#include "netback/poll.h"

enum rig_mode rig_mode;
void (*rig_poller)(struct rig *r);

static void on_alert(struct nb_queue *q)
{
	struct rig *r = q->owner;

	r->nr_alerts++;
}

void rig_init(struct rig *r, uint32_t first)
{
	int size = 4 << 20;

	memset(r, 0, sizeof(*r));
	core_rig_init(&r->c);

	rig_must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, r->port));
	for (int i = 0; i < 2; i++)
		rig_must(
			setsockopt(r->port[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0
				? setsockopt(r->port[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size))
				: 0);

	r->from = core_rig_grant(&r->c, 1, &r->refs.from_ref);
	r->to = core_rig_grant(&r->c, 1, &r->refs.to_ref);
	r->from->req_prod = r->from->rsp_prod = first;
	r->from->req_event = r->from->rsp_event = first + 1;
	r->to->req_prod = r->to->rsp_prod = first;
	r->to->req_event = r->to->rsp_event = first + 1;
	r->from_prod = r->from_cons = r->to_prod = r->to_cons = first;
	r->from_pages = core_rig_grant(&r->c, RIG_NR_PAGES, r->from_refs);
	r->to_pages = core_rig_grant(&r->c, NB_RING_SIZE, r->to_refs);
	rig_must(hv_guest_evtchn_alloc(r->c.guest, 0, &r->from_ch));
	r->refs.from_port = r->refs.to_port = r->from_ch.local_port;

	r->features = (struct nb_features){ .sg = true,
					    .gso_v4 = true,
					    .gso_v6 = true,
					    .csum_v4 = true,
					    .csum_v6 = true,
					    .rx_notify = true,
					    .mtu = 1500 };
	rig_must(nb_worker_create(false, &r->worker));
	r->batch = nb_batch_create();
	r->waiting = malloc(sizeof(*r->waiting));
	rig_must(r->batch && r->waiting ? 0 : -ENOMEM);
	r->waiting->size = 0;
}

static void keep_mapped(struct rig *r, const uint32_t *refs, unsigned int nr, bool readonly)
{
	struct xen_netif_gref grefs[NB_RING_SIZE];

	for (unsigned int i = 0; i < nr; i++)
		grefs[i] = (struct xen_netif_gref){
			.ref = refs[i], .flags = readonly ? XEN_NETIF_CTRLF_GREF_readonly : 0
		};
	rig_must(nb_gref_add(&r->queue, grefs, nr));
}

static int attach(struct rig *r)
{
	if (rig_mode == RIG_MAPPED) {
		keep_mapped(r, r->from_refs, RIG_NR_PAGES, true);
		keep_mapped(r, r->to_refs, NB_RING_SIZE, false);
	}
	return rig_mode == RIG_PORT ? nb_worker_attach(r->worker, &r->queue) : 0;
}

int rig_connect(struct rig *r)
{
	const char *why;
	int rc;

	memset(&r->queue, 0, sizeof(r->queue));
	r->steering.nr_queues = 1;
	r->steering.queues[0] = &r->queue;
	r->queue.hv = r->c.hv;
	r->queue.features = &r->features;
	r->queue.steering = &r->steering;
	r->queue.port_fd = r->port[1];
	r->queue.gref_max = 512;
	r->queue.alert = on_alert;
	r->queue.owner = r;
	rc = nb_queue_connect(&r->queue, r->c.domid, &r->refs, &why);
	return rc ? rc : attach(r);
}

void rig_connect_ctrl(struct rig *r)
{
	const char *why;

	r->ctrl = core_rig_grant(&r->c, 1, &r->ctrl_ref);
	r->ctrl->req_event = r->ctrl->rsp_event = 1;
	r->ctrl_data = core_rig_grant(&r->c, 1, &r->ctrl_data_ref);
	rig_must(hv_guest_evtchn_alloc(r->c.guest, 0, &r->ctrl_ch));
	nb_worker_detach(&r->queue);
	rig_must(nb_queue_connect_ctrl(&r->queue, r->c.domid, r->ctrl_ref, r->ctrl_ch.local_port,
				       &why));
	if (rig_mode == RIG_PORT)
		rig_must(nb_worker_attach(r->worker, &r->queue));
}

void rig_disconnect(struct rig *r)
{
	nb_worker_detach(&r->queue);
	if (r->queue.hv)
		nb_queue_disconnect(&r->queue);
}

void rig_fini(struct rig *r)
{
	rig_disconnect(r);
	nb_worker_destroy(r->worker);
	nb_batch_destroy(r->batch);
	free(r->waiting);
	close(r->port[0]);
	close(r->port[1]);
	hv_guest_evtchn_free(r->c.guest, &r->from_ch);
	if (r->ctrl)
		hv_guest_evtchn_free(r->c.guest, &r->ctrl_ch);
	core_rig_fini(&r->c);
}

void rig_put(struct rig *r, const netif_tx_request_t *req)
{
	r->from->ring[r->from_prod++ % NB_RING_SIZE].req = *req;
}

void rig_put_extra(struct rig *r, const netif_extra_info_t *extra)
{
	memcpy(&r->from->ring[r->from_prod++ % NB_RING_SIZE], extra, sizeof(*extra));
}

uint32_t rig_take(struct rig_bytes *p, size_t nr)
{
	uint32_t v = 0;

	while (nr--) {
		v = v << 8 | (p->size ? *p->data : 0);
		if (p->size) {
			p->data++;
			p->size--;
		}
	}
	return v;
}

void rig_put_any_extra(struct rig *r, struct rig_bytes *p)
{
	netif_extra_info_t x = { .type = (uint8_t)rig_take(p, 1),
				 .flags = (uint8_t)rig_take(p, 1) };

	for (int i = 0; i < 3; i++)
		x.u.pad[i] = (uint16_t)rig_take(p, 2);
	rig_put_extra(r, &x);
}

/* As the port would have had it. */
static void to_port(struct rig *r, const struct nb_view *v)
{
	struct iovec iov[3 + XEN_NETIF_NR_SLOTS_MIN] = { { 0 }, { v->head, v->have } };
	struct virtio_net_hdr vnet = { 0 };
	struct nb_frame f;

	assert(v->have == v->size || v->have >= NB_VIEW_HEAD_MAX);
	nb_frame_parse(v->head, v->have, v->size, &f);
	if (v->flags & NB_VIEW_CSUM_BLANK) {
		vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet.csum_start = f.l4;
		vnet.csum_offset = f.csum_offset;
	}
	if (v->gso_size) {
		vnet.gso_type = v->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4
									: VIRTIO_NET_HDR_GSO_TCPV6;
		vnet.gso_size = v->gso_size;
		vnet.hdr_len = (uint16_t)(f.l4 + f.l4_header);
	}
	iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
	for (unsigned int i = 0; i < v->nr_frags; i++)
		iov[2 + i] = (struct iovec){ (void *)(uintptr_t)v->frags[i].ptr, v->frags[i].len };
	rig_must((int)writev(r->port[1], iov, 2 + v->nr_frags));
}

static bool from_port(struct rig *r)
{
	struct rig_frame *w = r->waiting;
	struct iovec iov[2] = { { &w->vnet, sizeof(w->vnet) }, { w->data, sizeof(w->data) } };
	ssize_t n = readv(r->port[1], iov, 2);

	w->size = n < 0 ? 0 : (size_t)n - sizeof(w->vnet);
	return n >= 0;
}

/* Put the frame that waits. True: it is done with. */
static bool put_waiting(struct rig *r)
{
	struct rig_frame *w = r->waiting;
	uint8_t head[NB_VIEW_ROOM + NB_VIEW_HEAD_MAX];
	size_t have = w->size < NB_VIEW_HEAD_MAX ? w->size : NB_VIEW_HEAD_MAX;
	unsigned int type = w->vnet.gso_type & ~(unsigned int)VIRTIO_NET_HDR_GSO_ECN;
	struct nb_frag frag = { w->data + have, (uint32_t)(w->size - have) };
	struct nb_view v = { .head = head + NB_VIEW_ROOM,
			     .frags = &frag,
			     .nr_frags = frag.len > 0,
			     .size = (uint32_t)w->size,
			     .have = (uint16_t)have };
	struct nb_view *view = &v;

	memcpy(v.head, w->data, have);
	if (w->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		v.flags = NB_VIEW_CSUM_BLANK | NB_VIEW_DATA_VALIDATED;
	if (type) {
		v.gso_size = w->vnet.gso_size;
		v.gso_type = type == VIRTIO_NET_HDR_GSO_TCPV4 ? XEN_NETIF_GSO_TYPE_TCPV4
							      : XEN_NETIF_GSO_TYPE_TCPV6;
	}
	if (!nb_poll_put(&r->queue, &view, 1))
		return false;
	w->size = 0;
	return true;
}

/* The least that a user of poll.h does. */
static void poll(struct rig *r)
{
	struct nb_view *views[NB_VIEWS_MAX];
	unsigned int i, nr;

	do {
		nr = nb_poll_take(&r->queue, r->batch, NB_VIEWS_MAX, clock_ns(), views);
		for (i = 0; i < nr; i++)
			to_port(r, views[i]);
		if (nr)
			nb_poll_answer(&r->queue, r->batch);
		while ((r->waiting->size || from_port(r)) && put_waiting(r))
			;
		nb_poll_flush(&r->queue);
	} while (nb_queue_arm(&r->queue, clock_ns()));
}

void rig_run(struct rig *r)
{
	if (rig_mode != RIG_PORT && r->queue.domain)
		(rig_poller ? rig_poller : poll)(r);
	for (unsigned int i = 0; i < 1000 && nb_worker_turn(r->worker, 0); i++)
		;
}

void rig_go(struct rig *r)
{
	bool kick = r->from_prod - r->from->req_event < r->from_prod - r->from->req_prod;

	__atomic_store_n(&r->from->req_prod, r->from_prod, __ATOMIC_SEQ_CST);
	if (kick)
		hv_guest_evtchn_notify(&r->from_ch);
	rig_run(r);
}

bool rig_response(struct rig *r, netif_tx_response_t *rsp)
{
	if (r->from->rsp_prod == r->from_cons)
		return false;
	*rsp = r->from->ring[r->from_cons++ % NB_RING_SIZE].rsp;
	r->from->rsp_event = r->from_cons + 1;
	return true;
}

unsigned int rig_put_frame(struct rig *r, const void *data, size_t size, size_t slot,
			   uint16_t flags, const netif_extra_info_t *extra)
{
	const uint8_t *p = data;
	size_t total = size;
	unsigned int nr = 0;

	do {
		size_t n = size < slot ? size : slot;
		unsigned int page = (r->first_page + nr) % RIG_NR_PAGES;
		uint16_t offset = (uint16_t)(n < NB_PAGE_SIZE - 32 ? nr % 32 : 0);
		netif_tx_request_t req = {
			.gref = r->from_refs[page],
			.offset = offset,
			.flags = (uint16_t)((nr ? 0 : flags) | (size > n ? NETTXF_more_data : 0)),
			.id = (uint16_t)(r->from_prod % NB_RING_SIZE),
			.size = (uint16_t)(nr ? n : total),
		};

		if (!nr && extra)
			req.flags |= NETTXF_extra_info;
		memcpy(r->from_pages + page * NB_PAGE_SIZE + offset, p, n);
		rig_put(r, &req);
		if (!nr && extra)
			rig_put_extra(r, extra);
		p += n;
		size -= n;
		nr++;
	} while (size);
	return nr;
}

bool rig_port_take(struct rig *r)
{
	struct iovec iov[2] = { { &r->frame.vnet, sizeof(r->frame.vnet) },
				{ r->frame.data, sizeof(r->frame.data) } };
	ssize_t n = readv(r->port[0], iov, 2);

	if (n < 0)
		return false;
	assert(n >= (ssize_t)sizeof(r->frame.vnet));
	r->frame.size = (size_t)n - sizeof(r->frame.vnet);
	return true;
}

void rig_port_give(struct rig *r, const struct virtio_net_hdr *vnet, const void *data, size_t size)
{
	static const struct virtio_net_hdr plain;
	struct iovec iov[2] = { { (void *)(uintptr_t)(vnet ? vnet : &plain), sizeof(*vnet) },
				{ (void *)(uintptr_t)data, size } };

	rig_must((int)writev(r->port[0], iov, 2));
	rig_run(r);
}

void rig_post(struct rig *r, unsigned int nr)
{
	uint32_t old = r->to->req_prod;

	for (unsigned int i = 0; i < nr; i++) {
		uint32_t at = r->to_prod++ % NB_RING_SIZE;

		r->to->ring[at].req = (netif_rx_request_t){ .id = (uint16_t)at,
							    .gref = r->to_refs[at] };
	}
	__atomic_store_n(&r->to->req_prod, r->to_prod, __ATOMIC_SEQ_CST);
	if (r->to_prod - r->to->req_event < r->to_prod - old)
		hv_guest_evtchn_notify(&r->from_ch);
	rig_run(r);
}

unsigned int rig_receive(struct rig *r, netif_rx_response_t *first, netif_extra_info_t extras[8])
{
	uint32_t start = r->to_cons;
	netif_rx_response_t rsp;
	bool more_extras;

	if (r->to->rsp_prod == r->to_cons)
		return 0;
	memset(extras, 0, 8 * sizeof(extras[0]));
	r->frame.size = 0;
	rsp = r->to->ring[r->to_cons % NB_RING_SIZE].rsp;
	*first = rsp;
	more_extras = rsp.flags & NETRXF_extra_info;
	for (;;) {
		uint32_t slot = r->to_cons++ % NB_RING_SIZE;

		assert(rsp.status < 0 || rsp.id == slot);
		if (rsp.status > 0) {
			memcpy(r->frame.data + r->frame.size,
			       r->to_pages + slot * NB_PAGE_SIZE + rsp.offset, (size_t)rsp.status);
			r->frame.size += (size_t)rsp.status;
		}
		while (more_extras) {
			netif_extra_info_t x;

			assert(r->to_cons != r->to->rsp_prod);
			memcpy(&x, &r->to->ring[r->to_cons++ % NB_RING_SIZE], sizeof(x));
			assert(x.type && x.type < 8);
			extras[x.type] = x;
			more_extras = x.flags & XEN_NETIF_EXTRA_FLAG_MORE;
		}
		if (!(rsp.flags & NETRXF_more_data))
			break;
		assert(r->to_cons != r->to->rsp_prod);
		rsp = r->to->ring[r->to_cons % NB_RING_SIZE].rsp;
	}
	r->to->rsp_event = r->to_cons + 1;
	return r->to_cons - start;
}

uint32_t rig_ctrl(struct rig *r, uint16_t type, uint32_t d0, uint32_t d1, uint32_t d2,
		  uint32_t *data)
{
	struct xen_netif_ctrl_response rsp;
	unsigned int nr = r->queue.ctrl_ring.nr_ents;

	r->ctrl->ring[r->ctrl_prod % nr].req = (struct xen_netif_ctrl_request){
		(uint16_t)r->ctrl_prod, type, { d0, d1, d2 }
	};
	__atomic_store_n(&r->ctrl->req_prod, ++r->ctrl_prod, __ATOMIC_SEQ_CST);
	hv_guest_evtchn_notify(&r->ctrl_ch);
	rig_run(r);
	if (r->ctrl->rsp_prod == r->ctrl_cons)
		return UINT32_MAX;
	rsp = r->ctrl->ring[r->ctrl_cons % nr].rsp;
	assert(rsp.id == (uint16_t)r->ctrl_cons && rsp.type == type);
	r->ctrl_cons++;
	if (data)
		*data = rsp.data;
	return rsp.status;
}

size_t rig_tcp(uint8_t *out, int version, size_t payload, bool good_csum)
{
	size_t l4 = ETH_HLEN + (version == 4 ? 20 : 40), size = l4 + 20 + payload;
	struct virtio_net_hdr vnet = { 0 };
	struct nb_frame f;
	struct iovec iov = { out, size };
	uint8_t *ip = out + ETH_HLEN;
	uint16_t sum;

	memset(out, 0, l4 + 20);
	memset(out, 0x02, 12);
	out[12] = version == 4 ? 0x08 : 0x86;
	out[13] = version == 4 ? 0x00 : 0xdd;
	if (version == 4) {
		ip[0] = 0x45;
		ip[2] = (uint8_t)((size - ETH_HLEN) >> 8);
		ip[3] = (uint8_t)(size - ETH_HLEN);
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
		iov = (struct iovec){ ip, 20 };
		sum = (uint16_t)~nb_frame_sum(&iov, 1, 0, 20);
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
	} else {
		ip[0] = 0x60;
		ip[4] = (uint8_t)((20 + payload) >> 8);
		ip[5] = (uint8_t)(20 + payload);
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
	}
	out[l4 + 1] = 80;
	out[l4 + 3] = 81;
	out[l4 + 12] = 0x50;
	for (size_t i = 0; i < payload; i++)
		out[l4 + 20 + i] = (uint8_t)(i * 7 + i / 251);
	if (good_csum) {
		nb_frame_parse(out, size < NB_HEADER_MAX ? size : NB_HEADER_MAX, size, &f);
		rig_must(nb_frame_request_csum(out, &f, &vnet));
		iov = (struct iovec){ out, size };
		sum = (uint16_t)~nb_frame_sum(&iov, 1, l4, size - l4);
		out[l4 + 16] = (uint8_t)(sum >> 8);
		out[l4 + 17] = (uint8_t)sum;
	}
	return size;
}
