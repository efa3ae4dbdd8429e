/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames from one guest to another as views: what passes as it is, what is made for the receiver. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "netback/frame.h"
#include "netback/poll.h"
#include "netback/segment.h"
#include "tests/util/nb_rig.h"

static uint8_t frame[NB_FRAME_MAX], got[NB_FRAME_MAX];

struct pair {
	struct rig from, to;
};

static int setup(void **state)
{
	struct pair *p = malloc(sizeof(*p));

	rig_init(&p->from, UINT32_MAX - 300);
	rig_init(&p->to, 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	rig_fini(&p->to);
	rig_fini(&p->from);
	free(p);
	return 0;
}

static void connect_both(struct pair *p)
{
	assert_int_equal(rig_connect(&p->from), 0);
	assert_int_equal(rig_connect(&p->to), 0);
}

/* Switch what is on the ring. Return: frames that were taken; *put_out: that the receiver was given. */
static unsigned int switch_all(struct pair *p, unsigned int *put_out)
{
	struct nb_view *views[NB_VIEWS_MAX];
	unsigned int nr;

	p->from.from->req_prod = p->from.from_prod;
	nr = nb_poll_take(&p->from.queue, p->from.batch, NB_VIEWS_MAX, 1, views);
	*put_out = nb_poll_put(&p->to.queue, views, nr);
	nb_poll_flush(&p->to.queue);
	nb_poll_answer(&p->from.queue, p->from.batch);
	return nr;
}

/* Post as many receive slots as are free. */
static void post(struct rig *r)
{
	while (r->to_prod - r->to_cons < NB_RING_SIZE) {
		uint32_t at = r->to_prod++ % NB_RING_SIZE;

		r->to->ring[at].req = (netif_rx_request_t){ .id = (uint16_t)at,
							    .gref = r->to_refs[at] };
	}
	r->to->req_prod = r->to_prod;
}

static void drain(struct rig *r)
{
	netif_tx_response_t rsp;

	while (rig_response(r, &rsp))
		assert_true(rsp.status == NETIF_RSP_OKAY || rsp.status == NETIF_RSP_NULL);
}

static netif_extra_info_t gso(int version, uint16_t size)
{
	netif_extra_info_t x = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	x.u.gso.size = size;
	x.u.gso.type = version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
	return x;
}

struct sent {
	unsigned int kind, size, fill;
};

/* One of a few kinds, in pages of its own: plain, long, to be dropped, to be cut. False: dropped. */
static bool send_any(struct pair *p, uint32_t dice, unsigned int at, struct sent *sent)
{
	netif_extra_info_t x = gso(4, 1448);
	unsigned int kind = dice >> 29, fill = (dice >> 3 & 0xfc) | 2;
	size_t size = kind < 5 ? 14 + (dice >> 8) % 1501 : 60 + (dice >> 8) % 5000;

	memset(frame, (int)fill, sizeof(frame));
	if (kind == 7)
		size = rig_tcp(frame, 4, size, false);
	if (kind == 6)
		size = 13;
	p->from.first_page = at * 8;
	rig_put_frame(&p->from, frame, size, kind < 4 ? 4096 : 900,
		      kind == 7 ? NETTXF_csum_blank : 0, kind == 7 ? &x : NULL);
	*sent = (struct sent){ kind, (unsigned int)size, fill };
	return kind != 6;
}

static void expect_view(const struct nb_view *v, const struct sent *sent)
{
	size_t at = v->have;

	assert_int_equal(v->size, sent->size);
	memcpy(got, v->head, v->have);
	for (unsigned int i = 0; i < v->nr_frags; at += v->frags[i++].len)
		memcpy(got + at, v->frags[i].ptr, v->frags[i].len);
	assert_int_equal(at, sent->size);
	for (size_t i = 0; sent->kind != 7 && i < at; i++)
		assert_int_equal(got[i], sent->fill);
}

/* The heads of good frames, in order, and not a byte more than each has room for. */
static void heads_are_where_they_are_wanted(void **state)
{
	static uint8_t room_for[NB_VIEWS_MAX][2048];
	static const uint32_t rooms[] = { NB_VIEW_HEAD_MAX, 600, 1600 };
	struct nb_view *views[NB_VIEWS_MAX];
	uint8_t *places[NB_VIEWS_MAX];
	struct pair *p = *state;
	uint32_t dice = 11;

	p->from.features.mtu = 9000;
	connect_both(p);
	for (unsigned int i = 0; i < NB_VIEWS_MAX; i++)
		places[i] = room_for[i];
	for (unsigned int round = 0; round < 60; round++) {
		uint32_t room = rooms[round % 3];
		struct sent sent[8];
		unsigned int nr = 0, at = 0, taken;

		memset(room_for, 0xee, sizeof(room_for));
		for (unsigned int i = 0; i < 8; i++)
			nr += send_any(p, dice = dice * 1664525 + 1013904223, i, &sent[nr]);
		p->from.from->req_prod = p->from.from_prod;
		taken = nb_poll_take_into(&p->from.queue, p->from.batch, NB_VIEWS_MAX, 1, places,
					  room, views);
		assert_int_equal(taken, nr);
		for (unsigned int i = 0; i < nr; i++) {
			while (places[at] != views[i]->head)
				assert_true(++at < NB_VIEWS_MAX);
			expect_view(views[i], &sent[i]);
			/* One piece, which is mapped. */
			if (rig_mode == RIG_MAPPED && sent[i].kind < 4 && sent[i].size <= 1518)
				assert_int_equal(views[i]->have,
						 sent[i].size < room ? sent[i].size : room);
			for (size_t k = room; k < sizeof(room_for[at]); k++)
				assert_int_equal(room_for[at][k], 0xee);
			at++;
		}
		nb_poll_answer(&p->from.queue, p->from.batch);
		p->from.from_cons = p->from.from->rsp_prod;
		assert_int_equal(p->from.from_cons, p->from.from_prod);
	}
}

static void expect_sent(struct rig *r, const struct sent *sent)
{
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	bool cut = sent->kind == 7 && sent->size - 54 > 1448;

	assert_true(rig_receive(r, &first, extras));
	assert_int_equal(r->frame.size, sent->size);
	assert_int_equal(extras[XEN_NETIF_EXTRA_TYPE_GSO].type, cut);
	if (sent->kind == 7)
		sent = NULL;
	for (size_t i = 0; sent && i < r->frame.size; i++)
		assert_int_equal(r->frame.data[i], sent->fill);
}

/* In one burst and in any order, each arrives in its turn. */
static void kinds_of_frames_may_alternate(void **state)
{
	struct pair *p = *state;
	uint32_t seed = 7;

	p->from.features.mtu = p->to.features.mtu = 9000;
	connect_both(p);
	for (unsigned int round = 0; round < 500; round++) {
		unsigned int nr = 0, put;
		struct sent sent[8];

		post(&p->to);
		for (unsigned int i = 0; i < 8; i++) {
			seed = seed * 1664525 + 1013904223;
			nr += send_any(p, seed, i, &sent[nr]);
		}
		assert_int_equal(switch_all(p, &put), nr);
		assert_int_equal(put, nr);
		for (unsigned int i = 0; i < nr; i++)
			expect_sent(&p->to, &sent[i]);
		p->from.from_cons = p->from.from->rsp_prod;
		assert_int_equal(p->from.from_cons, p->from.from_prod);
	}
	assert_true(p->from.queue.stats.from_drops[NB_FROM_TOO_SHORT] > 100);
	assert_int_equal(p->from.queue.fatal, 0);
	assert_int_equal(p->to.queue.fatal, 0);
}

static uint16_t l4_sum(const uint8_t *f, size_t size)
{
	struct virtio_net_hdr vnet = { 0 };
	static uint8_t copy[NB_FRAME_MAX];
	struct iovec iov = { copy, size };
	struct nb_frame h;
	uint16_t sum;

	memcpy(copy, f, size);
	nb_frame_parse(copy, size < 128 ? size : 128, size, &h);
	assert_true(h.l4_known);
	assert_int_equal(nb_frame_request_csum(copy, &h, &vnet), 0);
	sum = (uint16_t)~nb_frame_sum(&iov, 1, h.l4, h.l4_size);
	return sum ? sum : 0xffff;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A segment as a network would have it. */
static void check_segment(const uint8_t *f, size_t size, int version, unsigned int n, bool last,
			  bool blank)
{
	size_t l4 = version == 4 ? 34 : 54;
	struct iovec iov = { (void *)(uintptr_t)(f + 14), 20 };

	assert_int_equal(get32(f + l4 + 4), 0xfffff000u + n * 1000);
	assert_int_equal(f[l4 + 13] & 0x09, last ? 0x09 : 0); /* FIN, PSH */
	assert_int_equal(f[l4 + 13] & 0x80, n ? 0 : 0x80);    /* CWR */
	if (version == 4) {
		assert_int_equal(nb_frame_sum(&iov, 1, 0, 20), 0xffff);
		assert_int_equal(f[18] << 8 | f[19], (0xfffe + n) & 0xffff);
		assert_int_equal(f[16] << 8 | f[17], size - 14);
	} else {
		assert_int_equal(f[18] << 8 | f[19], size - 54);
	}
	if (!blank)
		assert_int_equal(f[l4 + 16] << 8 | f[l4 + 17], l4_sum(f, size));
}

static void cut_for(struct pair *p, int version, size_t payload, bool csum, size_t slot)
{
	size_t size = rig_tcp(frame, version, payload, false), l4 = version == 4 ? 34 : 54;
	netif_extra_info_t extras[8], x = gso(version, 1000);
	unsigned int nr = (unsigned int)(payload + 999) / 1000, put;
	netif_rx_response_t first;
	size_t done = 0;

	frame[18] = 0xff;
	frame[19] = version == 4 ? 0xfe : frame[19];
	frame[18] = version == 4 ? 0xff : (uint8_t)((payload + 20) >> 8);
	memcpy(frame + l4 + 4, "\xff\xff\xf0\x00", 4);
	frame[l4 + 13] = 0x99; /* CWR, ACK, PSH, FIN */
	post(&p->to);
	rig_put_frame(&p->from, frame, size, slot, NETTXF_csum_blank, &x);
	assert_int_equal(switch_all(p, &put), 1);
	assert_int_equal(put, 1);
	drain(&p->from);
	for (unsigned int n = 0; n < nr; n++) {
		size_t part = payload - done < 1000 ? payload - done : 1000;

		assert_true(rig_receive(&p->to, &first, extras));
		assert_int_equal(p->to.frame.size, l4 + 20 + part);
		assert_int_equal(extras[XEN_NETIF_EXTRA_TYPE_GSO].type, 0);
		assert_int_equal(!!(first.flags & NETRXF_csum_blank), csum);
		check_segment(p->to.frame.data, p->to.frame.size, version, n, n + 1 == nr, csum);
		memcpy(got + done, p->to.frame.data + l4 + 20, part);
		done += part;
	}
	assert_int_equal(rig_receive(&p->to, &first, extras), 0);
	assert_memory_equal(got, frame + l4 + 20, payload);
}

static void frames_are_cut_for_who_cannot(void **state)
{
	static const size_t payloads[] = { 1001, 1999, 2000, 2001, 5555, 60000 };
	struct pair *p = *state;

	p->to.features.gso_v4 = p->to.features.gso_v6 = false;
	connect_both(p);
	for (int version = 4; version <= 6; version += 2)
		for (int csum = 0; csum < 2; csum++)
			for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
				for (size_t slot = 3501; slot < 4097; slot += 595) {
					p->to.features.csum_v4 = p->to.features.csum_v6 = csum;
					cut_for(p, version, payloads[i], csum, slot);
				}
	assert_int_equal(p->to.queue.stats.to_drops[NB_TO_BAD_OFFLOAD], 0);
}

/* However small the segments that a guest asks for: no more than a ring of them. */
static void cutting_is_bounded(void **state)
{
	struct pair *p = *state;
	netif_extra_info_t extras[8], x = gso(4, 1);
	size_t size = rig_tcp(frame, 4, 2000, false);
	netif_rx_response_t first;
	unsigned int put;

	p->to.features.gso_v4 = false;
	connect_both(p);
	post(&p->to);
	rig_put_frame(&p->from, frame, size, 4096, NETTXF_csum_blank, &x);
	assert_int_equal(switch_all(p, &put), 1);
	assert_int_equal(put, 1);
	assert_int_equal(rig_receive(&p->to, &first, extras), 0);
	assert_int_equal(p->to.queue.stats.to_drops[NB_TO_BAD_OFFLOAD], 1);
}

/* Headers as long as a head may have, and a tag in front of them: nothing is written behind the segment. */
static void tagged_headers_have_room(void **state)
{
	static const uint8_t mark[64] = { 0x5a, 0xa5, 0x5a };
	static const uint8_t tag_and_ip[] = { 0x81, 0, 0, 7, 0x08, 0, 0x4e };
	struct {
		struct nb_segmenter s;
		uint8_t behind[64];
	} m;
	/* IPv4 and TCP with 36 and 40 bytes of options. */
	const uint32_t headers = ETH_HLEN + 4 + 56 + 60, payload = 2000;
	struct nb_frag frag = { got, headers + payload - NB_VIEW_HEAD_MAX - 4 };
	struct nb_view v = { .head = frame,
			     .frags = &frag,
			     .nr_frags = 1,
			     .size = headers + payload,
			     .have = NB_VIEW_HEAD_MAX + 4,
			     .gso_size = 1000,
			     .gso_type = XEN_NETIF_GSO_TYPE_TCPV4,
			     .flags = NB_VIEW_CSUM_BLANK };

	(void)state;
	memset(frame, 0, headers);
	memcpy(frame + 12, tag_and_ip, sizeof(tag_and_ip));
	frame[ETH_HLEN + 6] = (uint8_t)((v.size - ETH_HLEN - 4) >> 8);
	frame[ETH_HLEN + 7] = (uint8_t)(v.size - ETH_HLEN - 4);
	frame[ETH_HLEN + 4 + 9] = IPPROTO_TCP;
	frame[ETH_HLEN + 4 + 56 + 12] = 0xf0;
	memset(frame + headers - 40, 0x11, 40);
	memcpy(m.behind, mark, sizeof(mark));
	assert_int_equal(nb_segment_begin(&m.s, &v),
			 -EINVAL); /* the last bytes are not in the head */
	v.have = (uint16_t)headers;
	frag.len = payload;
	assert_int_equal(nb_segment_begin(&m.s, &v), 2);
	for (int i = 0; i < 2; i++) {
		const struct nb_view *part = nb_segment_next(&m.s);

		assert_int_equal(part->have, headers);
		assert_memory_equal(part->head + headers - 40, frame + headers - 40, 40);
		assert_memory_equal(m.behind, mark, sizeof(mark));
	}
	assert_null(nb_segment_next(&m.s));
}

/* All or nothing, and nothing is taken of the ring for what does not fit. */
static void what_has_no_slots_stays_with_the_caller(void **state)
{
	struct pair *p = *state;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	unsigned int put;

	connect_both(p);
	memset(frame, 2, sizeof(frame));
	p->to.to_prod = 3;
	for (unsigned int i = 0; i < 3; i++)
		p->to.to->ring[i].req = (netif_rx_request_t){ .id = (uint16_t)i,
							      .gref = p->to.to_refs[i] };
	p->to.to->req_prod = 3;
	for (unsigned int i = 0; i < 5; i++)
		rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
	assert_int_equal(switch_all(p, &put), 5);
	assert_int_equal(put, 3);
	nb_poll_drop(&p->to.queue, NB_TO_NO_SLOTS, 2);
	assert_int_equal(p->to.queue.stats.to_drops[NB_TO_NO_SLOTS], 2);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(rig_receive(&p->to, &first, extras), 1);
	post(&p->to);
	rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
	assert_int_equal(switch_all(p, &put), 1);
	assert_int_equal(put, 1);
	assert_int_equal(rig_receive(&p->to, &first, extras), 1);
}

/* A guest that posts nothing for a minute, while there is something for it, is said to; until it does. */
static void who_never_reads_is_stalled(void **state)
{
	const uint64_t minute = 60u * 1000000000ull;
	struct pair *p = *state;
	struct nb_queue *q = &p->to.queue;
	unsigned int put, nr_alerts;

	connect_both(p);
	nr_alerts = p->to.nr_alerts;
	for (unsigned int i = 0; i < 3; i++) {
		rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
		assert_int_equal(switch_all(p, &put), 1);
		assert_int_equal(put, 0);
		assert_true(q->slots_wait_ns);
		q->slots_wait_ns -= i ? minute / 2 : 0;
		assert_int_equal(atomic_load(&q->stalled), 0);
	}
	rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
	switch_all(p, &put);
	assert_int_equal(atomic_load(&q->stalled), 1);
	assert_int_equal(p->to.nr_alerts, nr_alerts + 1);
	nb_poll_put(q, NULL, 0);
	assert_int_equal(atomic_load(&q->stalled), 1);
	post(&p->to);
	rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
	switch_all(p, &put);
	assert_int_equal(put, 1);
	assert_int_equal(atomic_load(&q->stalled), 0);
	assert_int_equal(p->to.nr_alerts, nr_alerts + 2);
	assert_int_equal(q->slots_wait_ns, 0);
	/* Who is not told of frames may be slow. */
	p->to.features.rx_notify = false;
	p->to.to->req_prod = p->to.to_prod = q->to_ring.req_cons;
	q->to_prod = q->to_ring.req_cons;
	rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
	switch_all(p, &put);
	assert_int_equal(put, 0);
	assert_int_equal(q->slots_wait_ns, 0);
}

static void what_cannot_go_is_passed_by(void **state)
{
	struct pair *p = *state;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	unsigned int put;

	p->from.features.mtu = 9000;
	p->to.features.mcast_control = true;
	connect_both(p);
	post(&p->to);
	memset(frame, 2, sizeof(frame));
	rig_put_frame(&p->from, frame, 1600, 4096, 0, NULL);
	assert_int_equal(switch_all(p, &put), 1);
	assert_int_equal(put, 1);
	assert_int_equal(p->to.queue.stats.to_drops[NB_TO_TOO_LONG], 1);
	frame[0] = 1;
	rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
	assert_int_equal(switch_all(p, &put), 1);
	assert_int_equal(put, 1);
	assert_int_equal(p->to.queue.stats.to_drops[NB_TO_NOT_LISTED], 1);
	frame[0] = 2;
	rig_put_frame(&p->from, frame, 100, 4096, 0, NULL);
	assert_int_equal(switch_all(p, &put), 1);
	assert_int_equal(put, 1);
	assert_int_equal(rig_receive(&p->to, &first, extras), 1);
	assert_int_equal(rig_receive(&p->to, &first, extras), 0);
}

/* A tag may be pushed in front of any head, and what lies behind a frame in the page is left alone. */
static void pushed_tags_and_exact_lengths(void **state)
{
	struct pair *p = *state;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;

	connect_both(p);
	for (size_t size = 14; size <= 1518; size += size < 300 ? 1 : 97) {
		struct nb_view *views[NB_VIEWS_MAX];
		uint32_t slot;

		post(&p->to);
		slot = p->to.to_cons % NB_RING_SIZE;
		memset(p->to.to_pages + slot * NB_PAGE_SIZE, 0xee, NB_PAGE_SIZE);
		for (size_t i = 0; i < size; i++)
			frame[i] = (uint8_t)(i * 7 + 1);
		rig_put_frame(&p->from, frame, size, 4096, 0, NULL);
		p->from.from->req_prod = p->from.from_prod;
		assert_int_equal(nb_poll_take(&p->from.queue, p->from.batch, 1, 1, views), 1);
		views[0]->head -= 4;
		memcpy(views[0]->head, "TAGS", 4);
		views[0]->have = (uint16_t)(views[0]->have + 4);
		views[0]->size += 4;
		assert_int_equal(nb_poll_put(&p->to.queue, views, 1), 1);
		nb_poll_answer(&p->from.queue, p->from.batch);
		nb_poll_flush(&p->to.queue);
		assert_int_equal(rig_receive(&p->to, &first, extras), 1);
		assert_int_equal(p->to.frame.size, size + 4);
		assert_memory_equal(p->to.frame.data, "TAGS", 4);
		assert_memory_equal(p->to.frame.data + 4, frame, size);
		for (size_t i = size + 4; i < NB_PAGE_SIZE; i++)
			assert_int_equal(p->to.to_pages[slot * NB_PAGE_SIZE + i], 0xee);
		drain(&p->from);
	}
}

/* A hypervisor that copies, as Xen does: what is behind an op's place is the guest's only when it is ended. */
static struct {
	const struct hv_gnt_ops *real;
	uint8_t *pages[HV_GNT_OPS_MAX], arena[HV_GNT_OPS_MAX][NB_PAGE_SIZE];
	unsigned int nr_lent; /* ended with a place that is not the arena's */
} copier;

static void copier_begin(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr,
			 bool write)
{
	copier.real->begin(domain, ops, nr, write);
	for (unsigned int i = 0; i < nr; i++) {
		copier.pages[i] = ops[i].ptr;
		ops[i].ptr = copier.arena[i];
	}
}

static void copier_end(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr, bool write)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (ops[i].len && ops[i].ptr != copier.arena[i])
			copier.nr_lent++;
		memcpy(copier.pages[i], ops[i].ptr, ops[i].len);
		ops[i].ptr = copier.pages[i];
	}
	copier.real->end(domain, ops, nr, write);
}

/* Frames in our own memory go from there, but where something has to be done to them: they stay as they are. */
static void what_lends_is_not_copied_twice(void **state)
{
	static const struct hv_gnt_ops ops = { .begin = copier_begin,
					       .end = copier_end,
					       .copies = true };
	enum { WHOLE, TAGGED, COMPLETED, CUT, SMALL, NR };
	struct pair *p = *state;
	struct hv hv = *p->to.c.hv;

	copier.real = hv.gnt;
	hv.gnt = &ops;
	connect_both(p);
	p->to.queue.hv = &hv;
	for (int kind = 0; kind < NR; kind++) {
		size_t size = kind == SMALL ? 100 : rig_tcp(frame, 4, 20000, false), at = 0;
		struct nb_frag frag = { frame + 128, (uint32_t)size - 128 };
		uint8_t head[NB_VIEW_ROOM + 128 + 8];
		struct nb_view v = { .head = frame,
				     .frags = &frag,
				     .size = (uint32_t)size,
				     .have = 128,
				     .nr_frags = 1,
				     .gso_size = 1448,
				     .gso_type = XEN_NETIF_GSO_TYPE_TCPV4,
				     .flags = NB_VIEW_CSUM_BLANK,
				     .lends = true };
		struct nb_view *view = &v;
		netif_extra_info_t extras[8];
		netif_rx_response_t first;

		if (kind == TAGGED) { /* a head of its own */
			v.head = head + NB_VIEW_ROOM;
			memcpy(v.head, frame, 128);
			v.head[0] ^= 2;
		}
		if (kind == SMALL) {
			v.have = 100;
			v.nr_frags = v.flags = v.gso_type = 0;
		}
		if (kind == COMPLETED || kind == SMALL)
			v.gso_size = 0;
		p->to.features.csum_v4 = kind != COMPLETED;
		p->to.features.gso_v4 = kind != CUT;
		p->to.features.mtu = 65535;
		memcpy(got, frame, size);
		copier.nr_lent = 0;
		post(&p->to);
		assert_int_equal(nb_poll_put(&p->to.queue, &view, 1), 1);
		nb_poll_flush(&p->to.queue);
		assert_memory_equal(frame, got, size);
		assert_int_equal(copier.nr_lent, kind == WHOLE && rig_mode != RIG_MAPPED ? 5 : 0);
		got[0] ^= kind == TAGGED ? 2 : 0;
		while (rig_receive(&p->to, &first, extras)) {
			size_t headers = kind == CUT ? 54 : 0, n = p->to.frame.size;

			at = at ? at : headers;
			if (kind == COMPLETED) { /* by the sum alone */
				assert_memory_not_equal(p->to.frame.data + 50, got + 50, 2);
				memcpy(p->to.frame.data + 50, got + 50, 2);
			}
			assert_memory_equal(p->to.frame.data + headers, got + at, n - headers);
			at += n - headers;
		}
		assert_int_equal(at, size);
	}
	p->to.queue.hv = p->to.c.hv;
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(kinds_of_frames_may_alternate), T(heads_are_where_they_are_wanted),
		T(frames_are_cut_for_who_cannot), T(cutting_is_bounded),
		T(tagged_headers_have_room),	  T(what_has_no_slots_stays_with_the_caller),
		T(what_cannot_go_is_passed_by),	  T(who_never_reads_is_stalled),
		T(pushed_tags_and_exact_lengths), T(what_lends_is_not_copied_twice),
	};
	int rc;

	rig_mode = RIG_POLLED;
	rc = cmocka_run_group_tests_name("by grant operations", tests, NULL, NULL);
	rig_mode = RIG_MAPPED;
	return rc + cmocka_run_group_tests_name("mapped", tests, NULL, NULL);
}
