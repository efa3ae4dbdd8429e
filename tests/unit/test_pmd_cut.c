/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Long frames to net_xenvif in a program that takes none, of a guest that was offered them by who had the vif
 * before: they come as the segments that a network would have had of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netback/frame.h"
#include "netback/pmd_xenvif.h"
#include "tests/util/pmd/pmd_rig.h"

#define GSO_SIZE 1000u
#define FIN_PSH	 0x09
#define CWR	 0x80

static uint8_t frame[NB_FRAME_MAX], got[NB_FRAME_MAX];

static int setup(void **state)
{
	static struct rig r;

	rig_init(&r, UINT32_MAX - 100);
	if (rig_connect(&r))
		return -1;
	pmd_rig_anew(&r);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	pmd_rig_set(NULL);
	rig_fini(*state);
	return pmd_rig_lost() ? -1 : 0;
}

static netif_extra_info_t gso(int version, uint16_t size)
{
	netif_extra_info_t x = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	x.u.gso.size = size;
	x.u.gso.type = version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
	return x;
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Put a frame to be cut on the ring, whose sequence number, IP id and flags are near what segments change. */
static size_t put_long(struct rig *r, int version, size_t payload, size_t slot)
{
	size_t size = rig_tcp(frame, version, payload, false), l4 = version == 4 ? 34 : 54;
	netif_extra_info_t x = gso(version, GSO_SIZE);
	struct iovec ip = { frame + 14, 20 };

	if (version == 4) {
		put16(frame + 18, 0xfffe);
		put16(frame + 24, 0);
		put16(frame + 24, (uint16_t)~nb_frame_sum(&ip, 1, 0, 20));
	}
	put16(frame + l4 + 4, 0xffff);
	put16(frame + l4 + 6, 0xf000);
	frame[l4 + 13] = 0x10 | FIN_PSH | CWR;
	rig_put_frame(r, frame, size, slot, NETTXF_csum_blank, &x);
	return size;
}

/* Segment @n as a network would have it, made here by other means. Return: its size. */
static size_t make_segment(int version, size_t payload, unsigned int n, bool blank, uint8_t *out)
{
	size_t l4 = version == 4 ? 34 : 54, at = (size_t)n * GSO_SIZE, size;
	size_t part = payload - at < GSO_SIZE ? payload - at : GSO_SIZE;
	uint32_t seq = 0xfffff000u + (uint32_t)at;
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov = { out, 0 };
	struct nb_frame f;
	uint16_t sum;

	iov.iov_len = size = l4 + 20 + part;
	memcpy(out, frame, l4 + 20);
	memcpy(out + l4 + 20, frame + l4 + 20 + at, part);
	put16(out + l4 + 4, seq >> 16);
	put16(out + l4 + 6, seq & 0xffff);
	out[l4 + 13] = 0x10 | (at + part == payload ? FIN_PSH : 0) | (n ? 0 : CWR);
	if (version == 4) {
		put16(out + 16, size - 14);
		put16(out + 18, (0xfffe + n) & 0xffff);
		put16(out + 24, 0);
		put16(out + 24, (uint16_t)~nb_frame_sum(&iov, 1, 14, 20));
	} else {
		put16(out + 18, size - 54);
	}
	nb_frame_parse(out, RTE_MIN(size, (size_t)128), size, &f);
	assert_int_equal(nb_frame_request_csum(out, &f, &vnet), 0);
	sum = (uint16_t)~nb_frame_sum(&iov, 1, l4, size - l4);
	if (!blank)
		put16(out + l4 + 16, sum);
	return size;
}

static void expect_segments(struct rig *r, int version, size_t payload, bool blank)
{
	unsigned int nr = (unsigned int)((payload + GSO_SIZE - 1) / GSO_SIZE);

	for (unsigned int n = 0; n < nr; n++) {
		size_t size = make_segment(version, payload, n, blank, got);

		assert_true(rig_port_take(r));
		assert_int_equal(r->frame.size, size);
		assert_memory_equal(r->frame.data, got, size);
		assert_int_equal(r->frame.vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_int_equal(r->frame.vnet.flags, blank ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
	}
}

static void expect_answered(struct rig *r)
{
	netif_tx_response_t rsp;

	while (rig_response(r, &rsp))
		assert_true(rsp.status == NETIF_RSP_OKAY || rsp.status == NETIF_RSP_NULL);
	assert_int_equal(r->from_cons, r->from_prod);
}

static void long_frames_come_as_segments(void **state)
{
	static const size_t payloads[] = { 1, 999, 1000, 1001, 1999, 2000, 5555, 60000, 65000 };
	static const unsigned int bursts[] = { 1, 3, 32 };
	struct rig *r = *state;

	for (unsigned int i = 0; i < RTE_DIM(bursts) * RTE_DIM(payloads) * 8; i++) {
		unsigned int k = i / 8;
		struct pmd_rig_program p = { .csum = i & 1, .burst = bursts[k % RTE_DIM(bursts)] };
		int version = i & 2 ? 4 : 6;
		size_t payload = payloads[k / RTE_DIM(bursts)];

		pmd_rig_set(&p);
		pmd_rig_expect_cuts(r, i & 1);
		put_long(r, version, payload, i & 4 ? 4096 : 3501);
		rig_go(r);
		expect_segments(r, version, payload, p.csum);
		assert_false(rig_port_take(r));
		expect_answered(r);
	}
	assert_int_equal(pmd_rig_stats(r)->no_gso, 0);
}

/* What is behind them waits for them, and what a burst has no room for for the next. */
static void order_stays(void **state)
{
	static uint8_t small[60];
	struct rig *r = *state;
	unsigned int nr = 0, all = 0;

	pmd_rig_set(&(struct pmd_rig_program){ .burst = 1 });
	pmd_rig_expect_cuts(r, true);
	for (unsigned int i = 0; i < 6; i++) {
		memset(small, (int)i, sizeof(small));
		r->first_page += rig_put_frame(r, small, sizeof(small), 4096, 0, NULL);
		put_long(r, 4, 30000, 4096);
		r->first_page += 8;
	}
	r->from->req_prod = r->from_prod;
	/* One frame at a time: what waits is never more than one's segments. */
	while ((nr = pmd_rig_poll_once(r, 7)) > 0) {
		assert_true(nr == 7 || all + nr == 6 * 31);
		all += nr;
	}
	assert_int_equal(all, 6 * 31);
	for (unsigned int i = 0; i < 6; i++) {
		assert_true(rig_port_take(r));
		assert_int_equal(r->frame.size, sizeof(small));
		assert_int_equal(r->frame.data[0], i);
		expect_segments(r, 4, 30000, false);
	}
	expect_answered(r);
	assert_int_equal(pmd_rig_stats(r)->frames, 6 * 31);
	assert_int_equal(pmd_rig_stats(r)->bytes, 6 * (60 + 30 * 54 + 30000));
}

/* Of one that nobody expected to send any: what the list has no room for is lost, but from then on nothing. */
static void surprises_are_bounded(void **state)
{
	struct rig *r = *state;
	unsigned int nr, cut = 0;

	pmd_rig_set(&(struct pmd_rig_program){ .burst = 32 });
	for (int turn = 0; turn < 2; turn++) {
		for (unsigned int i = 0; i < 8; i++)
			put_long(r, 4, 60000, 4096);
		r->from->req_prod = r->from_prod;
		for (cut = 0; (nr = pmd_rig_poll_once(r, 32)) > 0; cut += nr)
			;
		/* The burst, and 192 behind it, of which some are kept for views to come. */
		assert_int_equal(cut, turn ? 480 : 180);
		assert_int_equal(pmd_rig_stats(r)->no_gso, 5);
		while (rig_port_take(r))
			;
		expect_answered(r);
	}
}

/* However small or large the segments that a guest asks for. */
static void sizes_are_bounded(void **state)
{
	static const struct {
		uint16_t gso_size;
		size_t payload;
		unsigned int nr;
	} cases[] = { { 1, 129, 0 },	 { 1, 128, 128 },   { 10, 2000, 0 },
		      { 1600, 9000, 0 }, { 1468, 2936, 2 }, { 1469, 2936, 0 } };
	struct rig *r = *state;
	uint64_t lost = 0;

	pmd_rig_set(&(struct pmd_rig_program){ .burst = 32, .scatter = true });
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		netif_extra_info_t x = gso(4, cases[i].gso_size);
		size_t size = rig_tcp(frame, 4, cases[i].payload, false);
		unsigned int nr = 0;

		rig_put_frame(r, frame, size, 4096, NETTXF_csum_blank, &x);
		rig_go(r);
		while (rig_port_take(r))
			nr++;
		assert_int_equal(nr, cases[i].nr);
		lost += !cases[i].nr;
		assert_int_equal(pmd_rig_stats(r)->no_gso, lost);
		expect_answered(r);
	}
}

/* A segment that is the whole frame is no longer than any other frame may be. */
static void one_segment_is_a_frame(void **state)
{
	struct rig *r = *state;

	for (int gso_on = 0; gso_on < 2; gso_on++) {
		netif_extra_info_t x = gso(4, 65535);
		size_t size = rig_tcp(frame, 4, 60000, false);
		netif_tx_response_t rsp;

		pmd_rig_set(&(struct pmd_rig_program){
			.burst = 32, .scatter = true, .gso = gso_on, .csum = true });
		rig_put_frame(r, frame, size, 4096, NETTXF_csum_blank, &x);
		rig_go(r);
		assert_false(rig_port_take(r));
		assert_int_equal(r->queue.stats.from_drops[NB_FROM_TOO_LONG], gso_on + 1);
		assert_true(rig_response(r, &rsp));
		assert_int_equal(rsp.status, NETIF_RSP_ERROR);
		while (rig_response(r, &rsp))
			;
	}
}

/* Segments longer than an mbuf, of a vif with a large MTU. */
static void long_segments(void **state)
{
	struct rig *r = *state;
	netif_extra_info_t x = gso(4, 8000);

	r->features.mtu = 9000;
	for (int scatter = 0; scatter < 2; scatter++) {
		size_t size = rig_tcp(frame, 4, 20000, true);

		pmd_rig_set(&(struct pmd_rig_program){ .burst = 32, .scatter = scatter });
		rig_put_frame(r, frame, size, 4096, NETTXF_csum_blank, &x);
		rig_go(r);
		for (unsigned int n = 0; n < 3 && scatter; n++) {
			assert_true(rig_port_take(r));
			assert_int_equal(r->frame.size, 54 + (n < 2 ? 8000 : 4000));
			assert_memory_equal(r->frame.data + 54, frame + 54 + n * 8000,
					    r->frame.size - 54);
		}
		assert_false(rig_port_take(r));
		assert_int_equal(pmd_rig_stats(r)->no_scatter, 1);
	}
}

/* A guest that goes while segments of its wait: they come, and are not lost either when the port goes. */
static void segments_outlive_their_guest(void **state)
{
	struct rig *r = *state;

	pmd_rig_set(&(struct pmd_rig_program){ .burst = 1 });
	put_long(r, 6, 20000, 4096);
	r->from->req_prod = r->from_prod;
	assert_int_equal(pmd_rig_poll_once(r, 5), 5);
	pmd_rig_gone(r);
	assert_int_equal(pmd_rig_poll_once(r, 5), 5);
	/* The others: teardown looks for them. */
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(long_frames_come_as_segments), T(order_stays),
		T(surprises_are_bounded),	 T(sizes_are_bounded),
		T(one_segment_is_a_frame),	 T(long_segments),
		T(segments_outlive_their_guest),
	};
	int rc;

	pmd_rig_begin();
	rig_mode = RIG_POLLED;
	rc = cmocka_run_group_tests_name("by grant operations", tests, NULL, NULL);
	rig_mode = RIG_MAPPED;
	return rc + cmocka_run_group_tests_name("mapped", tests, NULL, NULL);
}
