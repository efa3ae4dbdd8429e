/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frontend's rings and grants, with a well-behaved backend. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/front_rig.h"

struct piece {
	uint16_t offset, len, flags;
};

static bool signalled(int fd)
{
	uint64_t value;

	return read(fd, &value, sizeof(value)) == sizeof(value);
}

/* Offset and length of slots: whole pages, a late start, short ones; those that fit 18 slots. */
static const struct piece layouts[] = {
	{ 0, 4096, 0 }, { 2, 4094, 0 }, { 256, 3840, 0 },
	{ 4095, 1, 0 }, { 0, 1500, 0 }, { 64, 61, 0 },
};

static void test_sizes_and_layouts(void **state)
{
	static uint8_t data[FRONT_MAX_FRAME];
	static struct front_rig_seen s;
	struct front_rig *x = *state;
	struct front_packet p;
	unsigned int nr_sent = 0;

	for (unsigned int l = 0; l < sizeof(layouts) / sizeof(layouts[0]); l++) {
		size_t max = (size_t)layouts[l].len * FRONT_MAX_FRAGS;

		for (size_t size = 14; size <= FRONT_MAX_FRAME && size <= max;
		     size += size < 200 || size > FRONT_MAX_FRAME - 40 ? 1 : 97) {
			front_rig_fill(data, size, (unsigned int)size);
			front_rig_build(x, &p, data, size, layouts[l].offset, layouts[l].len);
			assert_int_equal(front_from_guest(x->q, &p, 1), 1);
			front_from_guest_flush(x->q);
			front_rig_take(x, &s);
			assert_int_equal(s.size, size);
			assert_memory_equal(s.data, data, size);
			front_rig_answer(x, &s, NETIF_RSP_OKAY);
			assert_int_equal(front_from_guest_room(x->q), FRONT_RING_SLOTS);

			front_rig_send(x, data, size, layouts[l].offset, layouts[l].len, 0, NULL);
			assert_int_equal(front_to_guest(x->q, &p, 1), 1);
			front_rig_check(x, &p, data, size);
			front_release(x->q, &p, 1);
			front_to_guest_refill(x->q);
			nr_sent++;
		}
	}
	assert_null(front_queue_broken(x->q));
	assert_int_equal(x->q->from.nr_free, FRONT_NR_BUFFERS);
	assert_int_equal(front_queue_counters(x->q)->from_guest_packets, nr_sent);
	assert_int_equal(front_queue_counters(x->q)->to_guest_packets, nr_sent);
}

static void test_offloads(void **state)
{
	static uint8_t data[60000];
	static struct front_rig_seen s;
	static const struct {
		uint8_t type;
		uint16_t size;
		uint8_t flags;
	} cases[] = {
		{ XEN_NETIF_GSO_TYPE_TCPV4, 1448, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED },
		{ XEN_NETIF_GSO_TYPE_TCPV6, 65535, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED },
		{ XEN_NETIF_GSO_TYPE_NONE, 0, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED },
		{ XEN_NETIF_GSO_TYPE_NONE, 0, FRONT_DATA_VALIDATED },
	};
	struct front_rig *x = *state;
	struct front_packet p;

	front_rig_fill(data, sizeof(data), 7);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool gso = cases[i].type != XEN_NETIF_GSO_TYPE_NONE;
		struct netif_extra_info extra = {
			.type = XEN_NETIF_EXTRA_TYPE_GSO,
			.u.gso = { .size = cases[i].size, .type = cases[i].type },
		};
		uint16_t flags = gso ? NETRXF_extra_info : 0;

		front_rig_build(x, &p, data, sizeof(data), 0, 4096);
		p.gso_type = cases[i].type;
		p.gso_size = cases[i].size;
		p.flags = cases[i].flags;
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
		front_from_guest_flush(x->q);
		front_rig_take(x, &s);
		assert_int_equal(s.gso_type, cases[i].type);
		assert_int_equal(s.gso_size, cases[i].size);
		assert_int_equal(s.size, sizeof(data));
		assert_memory_equal(s.data, data, sizeof(data));
		assert_int_equal(!!(s.flags & NETTXF_csum_blank),
				 !!(cases[i].flags & FRONT_CSUM_BLANK));
		assert_int_equal(!!(s.flags & NETTXF_data_validated),
				 !!(cases[i].flags & FRONT_DATA_VALIDATED));
		front_rig_answer(x, &s, NETIF_RSP_OKAY);
		assert_int_equal(front_from_guest_room(x->q), FRONT_RING_SLOTS);

		if (cases[i].flags & FRONT_CSUM_BLANK)
			flags |= NETRXF_csum_blank;
		if (cases[i].flags & FRONT_DATA_VALIDATED)
			flags |= NETRXF_data_validated;
		front_rig_send(x, data, sizeof(data), 0, 4096, flags, gso ? &extra : NULL);
		assert_int_equal(front_to_guest(x->q, &p, 1), 1);
		front_rig_check(x, &p, data, sizeof(data));
		assert_int_equal(p.gso_type, cases[i].type);
		assert_int_equal(p.gso_size, cases[i].size);
		assert_int_equal(p.flags, cases[i].flags);
		front_release(x->q, &p, 1);
		front_to_guest_refill(x->q);
	}
	assert_int_equal(x->q->to.nr_free + (x->q->to_prod - x->q->to_cons), FRONT_NR_BUFFERS);
}

static void test_full_ring_waits(void **state)
{
	static struct front_rig_seen s;
	struct front_rig *x = *state;
	uint8_t data[60];
	struct front_packet p;

	front_rig_fill(data, sizeof(data), 1);
	for (unsigned int i = 0; i < FRONT_RING_SLOTS; i++) {
		front_rig_build(x, &p, data, sizeof(data), 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	assert_int_equal(front_from_guest(x->q, &p, 1), 0);
	assert_int_equal(front_take(x->q, &p.frags[0].buffer, 1), 0);
	front_from_guest_flush(x->q);
	assert_false(front_from_guest_arm(x->q, FRONT_MAX_SLOTS));
	assert_int_equal(x->from->rsp_event, x->q->from_cons + FRONT_MAX_SLOTS);
	for (unsigned int i = 0; i < FRONT_MAX_SLOTS; i++) {
		front_rig_take(x, &s);
		front_rig_answer(x, &s, NETIF_RSP_OKAY);
	}
	assert_true(front_from_guest_arm(x->q, FRONT_MAX_SLOTS));
	assert_int_equal(front_from_guest_room(x->q), FRONT_MAX_SLOTS);
	assert_null(front_queue_broken(x->q));
}

static void test_notifies_only_when_asked(void **state)
{
	struct front_rig *x = *state;
	uint8_t data[60];
	struct front_packet p;

	front_rig_fill(data, sizeof(data), 1);
	signalled(x->from_ch.fd);
	x->hv->evtchn->unmask(&x->from_ch);
	for (int i = 0; i < 3; i++) {
		front_rig_build(x, &p, data, sizeof(data), 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	front_from_guest_flush(x->q); /* crosses req_event, FRONT_RIG_START + 1 */
	assert_int_equal(front_queue_counters(x->q)->from_guest_notifies, 1);
	front_rig_build(x, &p, data, sizeof(data), 0, 4096);
	assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	front_from_guest_flush(x->q);
	front_from_guest_flush(x->q);
	assert_int_equal(front_queue_counters(x->q)->from_guest_notifies, 1);
	x->from->req_event = x->from->req_prod + 2;
	for (int i = 0; i < 2; i++) {
		front_rig_build(x, &p, data, sizeof(data), 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
		front_from_guest_flush(x->q);
		assert_int_equal(front_queue_counters(x->q)->from_guest_notifies, 1 + i);
	}
	assert_true(signalled(x->from_ch.fd));
}

static void test_arm_sees_late_packet(void **state)
{
	struct front_rig *x = *state;
	struct front_packet p;
	uint8_t data[100];

	front_rig_fill(data, sizeof(data), 1);
	assert_false(front_to_guest_arm(x->q));
	assert_int_equal(x->to->rsp_event, x->to->rsp_prod + 1);
	front_rig_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	assert_true(front_to_guest_arm(x->q));
	assert_int_equal(front_to_guest(x->q, &p, 1), 1);
	assert_false(front_to_guest_arm(x->q));
	x->hv->evtchn->notify(&x->to_ch);
	assert_true(signalled(front_to_guest_fd(x->q)));
	assert_false(signalled(front_from_guest_fd(x->q)));
}

static void test_refuses_what_was_not_offered(void **state)
{
	struct front_rig *x = *state;
	struct front_packet p;
	uint8_t data[9000];

	front_rig_fill(data, sizeof(data), 1);
	x->q->sg = x->q->gso_tcpv4 = x->q->gso_tcpv6 = false;
	front_rig_build(x, &p, data, sizeof(data), 0, 4096);
	assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	for (uint8_t type = XEN_NETIF_GSO_TYPE_TCPV4; type <= XEN_NETIF_GSO_TYPE_TCPV6 + 1;
	     type++) {
		front_rig_build(x, &p, data, 3000, 0, 4096);
		p.gso_type = type;
		p.gso_size = 1000;
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	front_from_guest_flush(x->q);
	assert_int_equal(x->from->req_prod, FRONT_RIG_START);
	assert_int_equal(front_queue_counters(x->q)->from_guest_refused, 4);
	assert_int_equal(x->q->from.nr_free, FRONT_NR_BUFFERS);
}

static void test_failed_packets_are_counted(void **state)
{
	static struct front_rig_seen s;
	struct front_rig *x = *state;
	struct front_packet p;
	uint8_t data[100];

	front_rig_fill(data, sizeof(data), 1);
	for (int16_t status = NETIF_RSP_DROPPED; status <= NETIF_RSP_ERROR; status++) {
		/* Of several slots, and one error all the same. */
		front_rig_build(x, &p, data, sizeof(data), 0, 40);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
		front_from_guest_flush(x->q);
		front_rig_take(x, &s);
		front_rig_answer(x, &s, status);
		assert_int_equal(front_from_guest_room(x->q), FRONT_RING_SLOTS);
		front_rig_put(x, 0, 0, status);
	}
	front_rig_put(x, 0, NETRXF_more_data, 100);
	front_rig_put(x, 0, 0, NETIF_RSP_ERROR);
	front_rig_put(x, 0, 0, 13); /* shorter than an Ethernet header */
	front_rig_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	assert_int_equal(front_to_guest(x->q, &p, 1), 1);
	front_rig_check(x, &p, data, sizeof(data));
	front_release(x->q, &p, 1);
	assert_null(front_queue_broken(x->q));
	assert_int_equal(front_queue_counters(x->q)->from_guest_errors, 2);
	assert_int_equal(front_queue_counters(x->q)->to_guest_errors, 3);
	assert_int_equal(front_queue_counters(x->q)->to_guest_dropped, 1);
	assert_int_equal(x->q->to.nr_free + (x->q->to_prod - x->q->to_cons), FRONT_NR_BUFFERS);
}

/* ---- Grants ---- */

static void test_backend_cannot_write_from_guest(void **state)
{
	struct front_rig *x = *state;
	struct hv_gnt_op op = { .ref = x->q->from.refs[0], .len = 64 };
	uint8_t page[FRONT_BUFFER_SIZE], zero[FRONT_BUFFER_SIZE] = { 0 };

	x->hv->gnt->begin(x->domain, &op, 1, true);
	assert_int_not_equal(op.status, GNTST_okay);
	/* What it can read is nobody's old data (T102). */
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++) {
		front_rig_read(x, x->q->from.refs[i], 0, FRONT_BUFFER_SIZE, page);
		assert_memory_equal(page, zero, sizeof(page));
		front_rig_read(x, x->q->to.refs[i], 0, FRONT_BUFFER_SIZE, page);
		assert_memory_equal(page, zero, sizeof(page));
	}
}

/* T100: what the backend still has mapped is lost on purpose, counted, and never handed out again. */
static void test_held_page_is_never_reused(void **state)
{
	struct front_rig *x = *state;
	struct hv_gnt_map held = { 0 };
	struct front_queue *other;
	uint8_t *page;

	assert_int_equal(front_queue_create(&x->f, &other), 0);
	page = front_to_guest_pages(other) + 5 * FRONT_BUFFER_SIZE;
	assert_int_equal(x->hv->gnt->map(x->domain, other->to.refs[5], &held), 0);
	assert_int_equal(front_queue_destroy(&x->f, other), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(front_queue_create(&x->f, &other), 0);
		assert_false(page >= other->to.pages &&
			     page < other->to.pages + FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE);
		assert_false(page >= other->from.pages &&
			     page < other->from.pages + FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE);
		assert_int_equal(front_queue_destroy(&x->f, other), 0);
	}
	x->hv->gnt->unmap(&held);

	/* Let go of, it is one like any other: none is lost, however often it happens. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(front_queue_create(&x->f, &other), 0);
		assert_int_equal(x->hv->gnt->map(x->domain, other->to.refs[5], &held), 0);
		assert_int_equal(front_queue_destroy(&x->f, other), 1);
		x->hv->gnt->unmap(&held);
	}
}

/* T105: more reconnects than there is memory, grants or ports for, if one were lost. */
static void test_reconnects_leak_nothing(void **state)
{
	struct front_rig *x = *state;
	struct front_queue *other;

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(front_queue_create(&x->f, &other), 0);
		assert_int_equal(front_queue_destroy(&x->f, other), 0);
	}
}

static void test_out_of_resources_is_clean(void **state)
{
	struct front_rig *x = *state;
	struct front_queue *queues[64] = { NULL };
	unsigned int nr = 0;
	int rc = 0;

	while (nr < 64 && !rc)
		rc = front_queue_create(&x->f, &queues[nr++]);
	assert_int_equal(rc, -ENOMEM);
	assert_true(nr > 2);
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(front_queue_destroy(&x->f, queues[i]), 0);
	assert_int_equal(front_queue_create(&x->f, &queues[0]), 0);
	assert_int_equal(front_queue_destroy(&x->f, queues[0]), 0);
}

/* An idle queue must not cost the host its buffers. */
static void test_buffers_are_not_touched_early(void **state)
{
	struct front_rig *x = *state;
	unsigned char resident[FRONT_NR_BUFFERS];
	unsigned int nr = 0;

	assert_int_equal(mincore(x->q->from.pages, FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE, resident),
			 0);
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++)
		nr += resident[i] & 1;
	assert_int_equal(mincore(x->q->to.pages, FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE, resident),
			 0);
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++)
		nr += resident[i] & 1;
	assert_int_equal(nr, 0);
}

static void test_target_follows_load(void **state)
{
	struct front_rig *x = *state;
	struct front_packet out[64];
	uint8_t data[60];

	front_rig_fill(data, sizeof(data), 1);
	assert_int_equal(x->q->to_prod - x->q->to_cons, FRONT_TARGET_MIN);
	for (int round = 0; round < 3; round++) {
		unsigned int posted = x->to->req_prod - x->to_cons, left = posted;

		while (left-- > 0)
			front_rig_send(x, data, sizeof(data), 0, 4096, 0, NULL);
		while (posted) {
			unsigned int nr = front_to_guest(x->q, out, 64);

			assert_true(nr > 0);
			front_release(x->q, out, nr);
			posted -= nr;
		}
		front_to_guest_refill(x->q);
	}
	assert_int_equal(x->q->to_target, FRONT_RING_SLOTS);
	assert_int_equal(x->to->req_prod - x->to_cons, FRONT_RING_SLOTS);
	for (int i = 0; i < 5000; i++) {
		front_rig_send(x, data, sizeof(data), 0, 4096, 0, NULL);
		assert_int_equal(front_to_guest(x->q, out, 64), 1);
		front_release(x->q, out, 1);
		front_to_guest_refill(x->q);
	}
	assert_int_equal(x->q->to_target, FRONT_TARGET_MIN);
}

static void test_full_stays_full(void **state)
{
	struct front_rig *x = *state;
	struct front_queue *q = NULL;

	front_keep_full(&x->f);
	assert_int_equal(front_queue_create(&x->f, &q), 0);
	assert_int_equal(q->to_sring->req_prod, FRONT_RING_SLOTS);
	for (int i = 0; i < 5000; i++)
		front_to_guest_refill(q);
	assert_int_equal(q->to_target, FRONT_RING_SLOTS);
	assert_int_equal(front_queue_destroy(&x->f, q), 0);
}

#define test_ring(fn) cmocka_unit_test_setup_teardown(fn, front_rig_setup, front_rig_teardown)

/* Short and long frames in turn, by bursts where they are one piece each: all come, in their order. */
static void test_frames_in_bursts(void **state)
{
	static const size_t sizes[] = { 14, 60, 4096, 4097, 1514, 20000, 60 };
	static uint8_t data[20000];
	static struct front_rig_seen s;
	struct front_frame frames[8];
	struct front_rig *x = *state;
	struct front_packet p;
	unsigned int nr, at = 0, nr_at[64] = { 0 }, nr_lines = 0;

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		front_rig_fill(data, sizes[i], i);
		front_rig_send(x, data, sizes[i], 0, 4096, NETRXF_csum_blank, NULL);
	}
	while (at < sizeof(sizes) / sizeof(sizes[0])) {
		nr = front_frames_to_guest(x->q, frames, 8);
		for (unsigned int i = 0; i < nr; i++, at++) {
			front_rig_fill(data, sizes[at], at);
			assert_int_equal(frames[i].len, sizes[at]);
			assert_int_equal(frames[i].flags, FRONT_CSUM_BLANK);
			assert_memory_equal(frames[i].data, data, sizes[at]);
		}
		front_frames_release(x->q, frames, nr);
		if (nr)
			continue;
		assert_true(sizes[at] > FRONT_BUFFER_SIZE);
		assert_int_equal(front_to_guest(x->q, &p, 1), 1);
		front_rig_fill(data, sizes[at], at);
		front_rig_check(x, &p, data, sizes[at++]);
		front_release(x->q, &p, 1);
	}
	front_to_guest_refill(x->q);
	assert_int_equal(x->q->to.nr_free + (x->q->to_prod - x->q->to_cons), FRONT_NR_BUFFERS);
	assert_int_equal(front_queue_counters(x->q)->to_guest_packets, at);

	for (unsigned int i = 0; i < 3; i++)
		frames[i] = (struct front_frame){ .data = data,
						  .len = (uint16_t)sizes[i],
						  .flags = i == 1 ? FRONT_CSUM_BLANK : 0 };
	for (unsigned int sent = 0; sent < FRONT_RING_SLOTS; sent += nr) {
		nr = front_frames_from_guest(x->q, frames, 3);
		assert_int_equal(nr, FRONT_RING_SLOTS - sent < 3 ? FRONT_RING_SLOTS - sent : 3);
	}
	assert_int_equal(front_frames_from_guest(x->q, frames, 3), 0);
	front_from_guest_flush(x->q);
	/* They begin all over their pages, where they have the room. */
	for (unsigned int i = 0; i < FRONT_RING_SLOTS; i++) {
		netif_tx_request_t req = x->from->ring[(x->from_cons + i) % FRONT_RING_SLOTS].req;

		assert_true(req.offset + sizes[i % 3] <= FRONT_BUFFER_SIZE);
		nr_at[req.offset / 64]++;
	}
	for (unsigned int i = 1; i < 32; i++)
		nr_lines += nr_at[i] > 0 && nr_at[i] <= 16;
	assert_true(nr_lines >= 24);
	for (unsigned int i = 0; i < FRONT_RING_SLOTS; i++) {
		front_rig_take(x, &s);
		assert_int_equal(s.size, sizes[i % 3]);
		assert_memory_equal(s.data, data, sizes[i % 3]);
		assert_int_equal(!!(s.flags & NETTXF_csum_blank), i % 3 == 1);
		front_rig_answer(x, &s, NETIF_RSP_OKAY);
	}
	assert_int_equal(front_from_guest_room(x->q), FRONT_RING_SLOTS);
	assert_int_equal(x->q->from.nr_free, FRONT_NR_BUFFERS);
	assert_null(front_queue_broken(x->q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_ring(test_sizes_and_layouts),
		test_ring(test_offloads),
		test_ring(test_full_ring_waits),
		test_ring(test_notifies_only_when_asked),
		test_ring(test_arm_sees_late_packet),
		test_ring(test_refuses_what_was_not_offered),
		test_ring(test_failed_packets_are_counted),
		test_ring(test_backend_cannot_write_from_guest),
		test_ring(test_held_page_is_never_reused),
		test_ring(test_reconnects_leak_nothing),
		test_ring(test_out_of_resources_is_clean),
		test_ring(test_buffers_are_not_touched_early),
		test_ring(test_target_follows_load),
		test_ring(test_full_stays_full),
		test_ring(test_frames_in_bursts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
