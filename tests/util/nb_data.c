/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames in both directions between a frontend's rings and the port, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "netback/frame.h"
#include "tests/util/nb_rig.h"
#include "tests/util/nb_tests.h"

static uint8_t frame[NB_FRAME_MAX];

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_init(r, 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

static void expect_answers(struct rig *r, unsigned int nr, int16_t status)
{
	netif_tx_response_t rsp;

	for (unsigned int i = 0; i < nr; i++) {
		uint32_t at = r->from_cons;

		assert_true(rig_response(r, &rsp));
		if (rsp.status == NETIF_RSP_NULL)
			continue;
		assert_int_equal(rsp.id, at % NB_RING_SIZE);
		assert_int_equal(rsp.status, status);
	}
	assert_false(rig_response(r, &rsp));
}

static void fill(size_t size)
{
	for (size_t i = 0; i < size; i++)
		frame[i] = (uint8_t)(i * 13 + i / 255);
}

static void every_length_and_slot_size_goes_out(void **state)
{
	static const size_t sizes[] = { 14, 15, 59, 60, 61, 127, 128, 129, 1499, 1514, 1522 };
	static const size_t slots[] = { 90, 127, 128, 129, 500, 1522 };
	struct rig *r = *state;

	assert_int_equal(rig_connect(r), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t k = 0; k < sizeof(slots) / sizeof(slots[0]); k++) {
			unsigned int nr;

			fill(sizes[i]);
			nr = rig_put_frame(r, frame, sizes[i], slots[k], 0, NULL);
			rig_go(r);
			assert_true(rig_port_take(r));
			assert_int_equal(r->frame.size, sizes[i]);
			assert_memory_equal(r->frame.data, frame, sizes[i]);
			assert_int_equal(r->frame.vnet.flags, 0);
			assert_int_equal(r->frame.vnet.gso_type, 0);
			expect_answers(r, nr, NETIF_RSP_OKAY);
		}
	}
}

static void headers_split_anywhere_are_linear(void **state)
{
	struct rig *r = *state;
	size_t size = rig_tcp(frame, 4, 200, false);

	assert_int_equal(rig_connect(r), 0);
	for (size_t slot = 15; slot < 140; slot++) {
		unsigned int nr = rig_put_frame(r, frame, size, slot, NETTXF_csum_blank, NULL);

		rig_go(r);
		assert_true(rig_port_take(r));
		assert_int_equal(r->frame.vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(r->frame.vnet.csum_start, 34);
		assert_int_equal(r->frame.vnet.csum_offset, 16);
		expect_answers(r, nr, NETIF_RSP_OKAY);
	}
}

static void eighteen_slots_behind_the_first_are_a_frame(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_connect(r), 0);
	for (unsigned int nr = 1; nr <= 1 + NB_SLOTS_AFTER; nr++) {
		fill(20 * nr);
		assert_int_equal(rig_put_frame(r, frame, 20 * nr, 20, 0, NULL), nr);
		rig_go(r);
		assert_true(rig_port_take(r));
		assert_int_equal(r->frame.size, 20 * nr);
		assert_memory_equal(r->frame.data, frame, 20 * nr);
		expect_answers(r, nr, NETIF_RSP_OKAY);
	}
}

static netif_extra_info_t gso(int version, uint16_t size)
{
	netif_extra_info_t x = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	x.u.gso.size = size;
	x.u.gso.type = version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
	return x;
}

static void segmentation_is_passed_on(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_connect(r), 0);
	for (int version = 4; version <= 6; version += 2) {
		netif_extra_info_t x = gso(version, 1448);
		size_t size = rig_tcp(frame, version, 60000, false);
		unsigned int l4 = version == 4 ? 34 : 54;
		struct nb_frame f;
		struct virtio_net_hdr vnet = { 0 };
		unsigned int nr = rig_put_frame(r, frame, size, 4096,
						NETTXF_csum_blank | NETTXF_data_validated, &x);

		rig_go(r);
		assert_true(rig_port_take(r));
		assert_int_equal(r->frame.vnet.gso_type, version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
								      : VIRTIO_NET_HDR_GSO_TCPV6);
		assert_int_equal(r->frame.vnet.gso_size, 1448);
		assert_int_equal(r->frame.vnet.hdr_len, l4 + 20);
		assert_int_equal(r->frame.vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(r->frame.vnet.csum_start, l4);
		/* The pseudo header's sum is ours, whatever the frontend left there. */
		nb_frame_parse(frame, 128, size, &f);
		assert_int_equal(nb_frame_request_csum(frame, &f, &vnet), 0);
		assert_int_equal(r->frame.size, size);
		assert_memory_equal(r->frame.data, frame, size);
		expect_answers(r, nr + 1, NETIF_RSP_OKAY);
	}
}

static void blank_checksum_completes_to_the_right_one(void **state)
{
	struct rig *r = *state;
	static uint8_t good[2000];

	assert_int_equal(rig_connect(r), 0);
	for (int version = 4; version <= 6; version += 2) {
		for (size_t payload = 0; payload < 40; payload++) {
			size_t size = rig_tcp(good, version, payload, true);
			struct iovec iov = { r->frame.data, size };
			size_t l4 = version == 4 ? 34 : 54;
			uint16_t sum;

			rig_tcp(frame, version, payload, false);
			rig_put_frame(r, frame, size, 1000, NETTXF_csum_blank, NULL);
			rig_go(r);
			assert_true(rig_port_take(r));
			sum = (uint16_t)~nb_frame_sum(&iov, 1, l4, size - l4);
			r->frame.data[l4 + 16] = (uint8_t)(sum >> 8);
			r->frame.data[l4 + 17] = (uint8_t)sum;
			assert_memory_equal(r->frame.data, good, size);
		}
	}
}

static void indices_wrap_without_loss(void **state)
{
	struct rig *r = *state;

	rig_fini(r);
	rig_init(r, UINT32_MAX - 300);
	assert_int_equal(rig_connect(r), 0);
	rig_post(r, NB_RING_SIZE);
	for (unsigned int i = 0; i < 400; i++) {
		netif_rx_response_t first;
		netif_extra_info_t extras[8];
		unsigned int nr;

		fill(300 + i);
		rig_put_frame(r, frame, 300 + i, 150, 0, NULL);
		rig_go(r);
		assert_true(rig_port_take(r));
		assert_memory_equal(r->frame.data, frame, 300 + i);
		expect_answers(r, (300 + i + 149) / 150, NETIF_RSP_OKAY);

		rig_port_give(r, NULL, frame, 300 + i);
		nr = rig_receive(r, &first, extras);
		assert_int_equal(nr, 1);
		assert_int_equal(r->frame.size, 300 + i);
		assert_memory_equal(r->frame.data, frame, 300 + i);
		rig_post(r, nr);
	}
	assert_true(r->from->rsp_prod < UINT32_MAX - 300);
}

static void every_length_comes_in(void **state)
{
	static const size_t sizes[] = { 14, 60, 1514, 4095, 4096, 4097, 8191, 8192, 8193, 9014 };
	static const uint16_t headrooms[] = { 0, 256 };
	struct rig *r = *state;

	for (size_t h = 0; h < 2; h++) {
		rig_disconnect(r);
		r->features.mtu = 9000;
		r->features.headroom = headrooms[h];
		assert_int_equal(rig_connect(r), 0);
		rig_post(r, NB_RING_SIZE - (r->to_prod - r->to_cons));
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			netif_rx_response_t first;
			netif_extra_info_t extras[8];
			unsigned int nr;

			fill(sizes[i]);
			rig_port_give(r, NULL, frame, sizes[i]);
			nr = rig_receive(r, &first, extras);
			assert_int_equal(r->frame.size, sizes[i]);
			assert_memory_equal(r->frame.data, frame, sizes[i]);
			assert_int_equal(first.offset, headrooms[h]);
			assert_int_equal(extras[NB_EXTRA_TYPE_XDP].type, h ? NB_EXTRA_TYPE_XDP : 0);
			assert_int_equal(extras[XEN_NETIF_EXTRA_TYPE_GSO].type, 0);
			assert_int_equal(
				nr, (sizes[i] + 4095 - headrooms[h]) / (4096 - headrooms[h]) + h);
			rig_post(r, nr);
		}
	}
}

static void segments_come_in_with_their_extra_in_the_second_slot(void **state)
{
	static const size_t payloads[] = { 2000, 4000, 4030, 4096, 30000, 65483 };
	struct rig *r = *state;

	assert_int_equal(rig_connect(r), 0);
	rig_post(r, NB_RING_SIZE);
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					       .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					       .gso_size = 1460,
					       .hdr_len = 54,
					       .csum_start = 34,
					       .csum_offset = 16 };
		size_t size = rig_tcp(frame, 4, payloads[i], false);
		netif_extra_info_t extras[8];
		netif_rx_response_t first;
		unsigned int nr;

		rig_port_give(r, &vnet, frame, size);
		nr = rig_receive(r, &first, extras);
		assert_int_equal(nr, (size + 4095) / 4096 + 1);
		assert_int_equal(r->frame.size, size);
		/* The blank checksum: a driver makes it what it must be. */
		memcpy(frame + 50, r->frame.data + 50, 2);
		assert_memory_equal(r->frame.data, frame, size);
		assert_int_equal(extras[XEN_NETIF_EXTRA_TYPE_GSO].u.gso.size, 1460);
		assert_int_equal(extras[XEN_NETIF_EXTRA_TYPE_GSO].u.gso.type,
				 XEN_NETIF_GSO_TYPE_TCPV4);
		assert_int_equal(first.flags & (NETRXF_csum_blank | NETRXF_data_validated),
				 NETRXF_csum_blank | NETRXF_data_validated);
		rig_post(r, nr);
	}
	assert_int_equal(r->queue.stats.to_copied, 0);
}

/* A frontend that cannot make a checksum gets a whole one; one without segmentation gets no segments. */
static void what_the_frontend_lacks_is_done_or_refused(void **state)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = 54,
				       .csum_offset = 16 };
	struct rig *r = *state;
	static uint8_t good[2000];
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	struct nb_frame f;
	struct virtio_net_hdr ignored = { 0 };
	size_t size;

	r->features.csum_v6 = false;
	r->features.gso_v6 = false;
	assert_int_equal(rig_connect(r), 0);
	rig_post(r, NB_RING_SIZE);
	for (size_t payload = 0; payload < 64; payload++) {
		size = rig_tcp(good, 6, payload, true);
		rig_tcp(frame, 6, payload, false);
		nb_frame_parse(frame, 128, size, &f);
		assert_int_equal(nb_frame_request_csum(frame, &f, &ignored), 0);
		rig_port_give(r, &vnet, frame, size);
		rig_post(r, rig_receive(r, &first, extras));
		assert_int_equal(first.flags & NETRXF_csum_blank, 0);
		assert_int_equal(r->frame.size, size);
		assert_memory_equal(r->frame.data, good, size);
	}
	if (rig_mode != RIG_PORT) /* which cuts it */
		return;
	vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	vnet.gso_size = 1000;
	size = rig_tcp(frame, 6, 3000, false);
	rig_port_give(r, &vnet, frame, size);
	assert_int_equal(rig_receive(r, &first, extras), 0);
	assert_int_equal(r->queue.stats.to_drops[NB_TO_BAD_OFFLOAD], 1);
}

static void frames_wait_for_slots_and_none_is_lost(void **state)
{
	struct rig *r = *state;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	unsigned int got = 0;

	assert_int_equal(rig_connect(r), 0);
	fill(1514);
	for (unsigned int i = 0; i < 8; i++) {
		frame[0] = (uint8_t)(2 + 4 * i);
		rig_port_give(r, NULL, frame, 1514);
	}
	assert_int_equal(rig_receive(r, &first, extras), 0);
	rig_post(r, 64);
	while (rig_receive(r, &first, extras)) {
		assert_int_equal(r->frame.data[0], 2 + 4 * got);
		got++;
	}
	assert_int_equal(got, 8);
}

static void few_slots_are_used_after_a_while(void **state)
{
	struct rig *r = *state;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				       .gso_size = 1460,
				       .csum_start = 34,
				       .csum_offset = 16 };
	size_t size = rig_tcp(frame, 4, 20000, false);

	assert_int_equal(rig_connect(r), 0);
	rig_post(r, 3);
	rig_port_give(r, NULL, frame, 1000);
	rig_port_give(r, &vnet, frame, size);
	rig_port_give(r, NULL, frame, 1001);
	for (unsigned int i = 0; i < 20; i++) {
		usleep(1000);
		nb_worker_turn(r->worker, 0);
	}
	assert_int_equal(rig_receive(r, &first, extras), 1);
	assert_int_equal(r->frame.size, 1000);
	assert_int_equal(rig_receive(r, &first, extras), 1);
	assert_int_equal(r->frame.size, 1001);
	assert_int_equal(r->queue.stats.to_drops[NB_TO_NO_SLOTS], 1);
}

static void notifications_are_sent_only_when_asked_for(void **state)
{
	struct rig *r = *state;
	uint64_t before;

	assert_int_equal(rig_connect(r), 0);
	fill(100);
	r->from->rsp_event = 50;
	before = r->queue.stats.notifications;
	for (unsigned int i = 0; i < 49; i++) {
		rig_put_frame(r, frame, 100, 100, 0, NULL);
		rig_go(r);
	}
	assert_int_equal(r->queue.stats.notifications, before);
	rig_put_frame(r, frame, 100, 100, 0, NULL);
	rig_go(r);
	assert_int_equal(r->queue.stats.notifications, before + 1);
}

static void credit_is_never_exceeded(void **state)
{
	struct nb_credit credit = { .rate = { .bytes = 10000, .usec = 20000 } };
	struct rig *r = *state;
	unsigned int sent = 0;

	assert_int_equal(rig_connect(r), 0);
	r->queue.credit = &credit;
	fill(1000);
	for (unsigned int i = 0; i < 15; i++)
		rig_put_frame(r, frame, 1000, 1000, 0, NULL);
	rig_go(r);
	while (rig_port_take(r))
		sent++;
	assert_int_equal(sent, 10);
	assert_true(r->queue.deadline_ns);
	usleep(25000);
	rig_run(r);
	while (rig_port_take(r))
		sent++;
	assert_int_equal(sent, 15);
}

static void rates_are_parsed_totally(void **state)
{
	static const char *const bad[] = { ",",
					   "1,",
					   ",1",
					   "1",
					   "x,1",
					   "1,x",
					   "1,1,1",
					   "-1,1",
					   "1,-1",
					   " 1,1",
					   "1, 1",
					   "0,1",
					   "4294967296,1",
					   "1,4294967296",
					   "99999999999999999999999999,1" };
	struct nb_rate rate;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(nb_rate_parse(bad[i], &rate), -22);
	assert_int_equal(nb_rate_parse("125000,50000", &rate), 0);
	assert_int_equal(rate.bytes, 125000);
	assert_int_equal(rate.usec, 50000);
	assert_int_equal(nb_rate_parse("1,0", &rate), 0);
	assert_int_equal(rate.usec, 0);
	assert_int_equal(nb_rate_parse(NULL, &rate), 0);
}

/* A successor starts at rsp_prod: what its predecessor had not answered is taken again. */
static void a_successor_takes_up_live_rings(void **state)
{
	struct rig *r = *state;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;

	assert_int_equal(rig_connect(r), 0);
	rig_post(r, 100);
	fill(500);
	rig_port_give(r, NULL, frame, 500);
	assert_int_equal(rig_receive(r, &first, extras), 1);
	rig_put_frame(r, frame, 500, 500, 0, NULL);
	rig_go(r);
	assert_true(rig_port_take(r));
	expect_answers(r, 1, NETIF_RSP_OKAY);

	rig_disconnect(r);
	rig_put_frame(r, frame, 500, 250, 0, NULL);
	r->from->req_prod = r->from_prod;
	assert_int_equal(rig_connect(r), 0);
	nb_queue_kick(&r->queue);
	rig_go(r);
	assert_true(rig_port_take(r));
	assert_int_equal(r->frame.size, 500);
	expect_answers(r, 2, NETIF_RSP_OKAY);
	rig_port_give(r, NULL, frame, 400);
	assert_int_equal(rig_receive(r, &first, extras), 1);
	assert_int_equal(r->frame.size, 400);
}

static void an_event_storm_is_held_back(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_connect(r), 0);
	rig_go(r);
	for (unsigned int i = 0; i < 10000; i++) {
		hv_guest_evtchn_notify(&r->from_ch);
		nb_worker_turn(r->worker, 0);
	}
	assert_true(r->queue.masked);
	assert_in_range(r->queue.stats.spurious_events, 2, 20);
	/* Real work ends it, at the latest when the mask does. */
	fill(100);
	rig_put_frame(r, frame, 100, 100, 0, NULL);
	for (unsigned int i = 0; i < 1500 && !rig_port_take(r); i++) {
		usleep(1000);
		rig_go(r);
	}
	assert_int_equal(r->frame.size, 100);
	rig_go(r);
	assert_true(r->queue.nr_spurious < 2);
}

static void a_guest_that_takes_nothing_does_not_keep_the_port(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_connect(r), 0);
	fill(1000);
	rig_port_give(r, NULL, frame, 1000);
	assert_true(r->queue.slots_wait_ns);
	assert_int_equal(r->queue.stats.to_drops[NB_TO_STALLED], 0);
	r->queue.slots_wait_ns -= 11000000000ull;
	rig_port_give(r, NULL, frame, 1000);
	assert_int_equal(r->queue.stats.to_drops[NB_TO_STALLED], 2);
	assert_false(r->queue.stalled);
	r->queue.slots_wait_ns -= 50000000000ull;
	rig_port_give(r, NULL, frame, 1000);
	assert_true(r->queue.stalled);
	assert_int_equal(r->nr_alerts, 1);
	rig_post(r, 64);
	rig_port_give(r, NULL, frame, 1000);
	assert_false(r->queue.stalled);
	assert_int_equal(r->nr_alerts, 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int nb_data_tests(const char *name)
{
	const struct CMUnitTest tests[] = {
		T(every_length_and_slot_size_goes_out),
		T(headers_split_anywhere_are_linear),
		T(eighteen_slots_behind_the_first_are_a_frame),
		T(segmentation_is_passed_on),
		T(blank_checksum_completes_to_the_right_one),
		T(indices_wrap_without_loss),
		T(every_length_comes_in),
		T(segments_come_in_with_their_extra_in_the_second_slot),
		T(what_the_frontend_lacks_is_done_or_refused),
		T(frames_wait_for_slots_and_none_is_lost),
		T(notifications_are_sent_only_when_asked_for),
		T(credit_is_never_exceeded),
		T(a_successor_takes_up_live_rings),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int nb_data_tests_of_a_port(void)
{
	const struct CMUnitTest of_a_port[] = {
		T(few_slots_are_used_after_a_while),
		T(rates_are_parsed_totally),
		T(an_event_storm_is_held_back),
		T(a_guest_that_takes_nothing_does_not_keep_the_port),
	};

	return cmocka_run_group_tests(of_a_port, NULL, NULL);
}
