/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frontend's rings against a hostile backend, security catalogue T097, T098, T107: what it does
 * must break the device, with the right reason, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/util/front_rig.h"

/* Two packets of one slot and a GSO packet of two are outstanding from the guest when these run. */
static void bad_from_id_range(struct front_rig *x)
{
	front_rig_respond(x, FRONT_NR_BUFFERS, NETIF_RSP_OKAY);
}

static void bad_from_id_max(struct front_rig *x)
{
	front_rig_respond(x, UINT16_MAX, NETIF_RSP_OKAY);
}

static void bad_from_id_never_sent(struct front_rig *x)
{
	uint16_t id;

	assert_int_equal(front_take(x->q, &id, 1), 1);
	front_rig_respond(x, id, NETIF_RSP_OKAY);
}

static void bad_from_duplicate(struct front_rig *x)
{
	uint16_t id = x->from->ring[FRONT_RIG_START % FRONT_RING_SLOTS].req.id;

	front_rig_respond(x, id, NETIF_RSP_OKAY);
	front_rig_respond(x, id, NETIF_RSP_OKAY);
}

static void bad_from_status(struct front_rig *x)
{
	front_rig_respond(x, x->from->ring[FRONT_RIG_START % FRONT_RING_SLOTS].req.id, 2);
}

static void bad_from_status_min(struct front_rig *x)
{
	front_rig_respond(x, x->from->ring[FRONT_RIG_START % FRONT_RING_SLOTS].req.id, INT16_MIN);
}

static void bad_from_extras(struct front_rig *x)
{
	front_rig_respond(x, 0, NETIF_RSP_NULL);
	front_rig_respond(x, 0, NETIF_RSP_NULL);
}

static void bad_from_prod_over(struct front_rig *x)
{
	x->from_rsp = x->from->req_prod + 1;
}

static void bad_from_prod_back(struct front_rig *x)
{
	x->from_rsp = FRONT_RIG_START - 1;
}

static void bad_from_prod_far(struct front_rig *x)
{
	x->from_rsp = FRONT_RIG_START + 0x80000000u;
}

static void bad_to_id(struct front_rig *x)
{
	front_rig_put(x, 0, 0, 100);
	x->to->ring[FRONT_RIG_START % FRONT_RING_SLOTS].rsp.id ^= 1;
}

static void bad_to_id_range(struct front_rig *x)
{
	front_rig_put(x, 0, 0, 100);
	x->to->ring[FRONT_RIG_START % FRONT_RING_SLOTS].rsp.id = UINT16_MAX;
}

static void bad_to_duplicate(struct front_rig *x)
{
	uint16_t id = x->to->ring[FRONT_RIG_START % FRONT_RING_SLOTS].req.id;

	front_rig_put(x, 0, NETRXF_more_data, 100);
	front_rig_put(x, 0, 0, 100);
	x->to->ring[(FRONT_RIG_START + 1) % FRONT_RING_SLOTS].rsp.id = id;
}

static void bad_to_len(struct front_rig *x)
{
	front_rig_put(x, 0, 0, 4097);
}

static void bad_to_len_max(struct front_rig *x)
{
	front_rig_put(x, 0, 0, INT16_MAX);
}

static void bad_to_offset(struct front_rig *x)
{
	front_rig_put(x, 4000, 0, 97);
}

static void bad_to_offset_max(struct front_rig *x)
{
	front_rig_put(x, UINT16_MAX, 0, 1);
}

static void bad_to_status(struct front_rig *x)
{
	front_rig_put(x, 0, 0, INT16_MIN);
}

static void bad_to_unfinished(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_more_data, 100);
}

static void bad_to_too_many(struct front_rig *x)
{
	for (unsigned int i = 0; i < FRONT_MAX_FRAGS + 1; i++)
		front_rig_put(x, 0, i < FRONT_MAX_FRAGS ? NETRXF_more_data : 0, 100);
}

static void put_gso(struct front_rig *x, uint8_t type, uint8_t flags, uint8_t gso_type,
		    uint16_t size)
{
	struct netif_extra_info extra = {
		.type = type,
		.flags = flags,
		.u.gso = { .size = size, .type = gso_type },
	};

	front_rig_put_extra(x, &extra);
}

static void bad_to_extra_missing(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_extra_info, 100);
}

static void bad_to_extra_endless(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_extra_info, 100);
	for (int i = 0; i < 40; i++)
		put_gso(x, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE, 0, 0);
}

static void bad_to_extra_last_more(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, XEN_NETIF_GSO_TYPE_TCPV4,
		1000);
}

static void bad_to_extra_type(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_NONE, 0, XEN_NETIF_GSO_TYPE_TCPV4, 1000);
}

static void bad_to_extra_twice(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, XEN_NETIF_GSO_TYPE_TCPV4,
		1000);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, XEN_NETIF_GSO_TYPE_TCPV4, 1000);
}

static void bad_to_gso_type(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, 3, 1000);
}

static void bad_to_gso_size(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, XEN_NETIF_GSO_TYPE_TCPV4, 0);
}

static void bad_to_late_extra(struct front_rig *x)
{
	front_rig_put(x, 0, NETRXF_more_data, 100);
	front_rig_put(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, XEN_NETIF_GSO_TYPE_TCPV4, 1000);
}

static void bad_to_prod_over(struct front_rig *x)
{
	x->to_rsp = x->to->req_prod + 1;
}

static void bad_to_prod_back(struct front_rig *x)
{
	x->to_rsp = FRONT_RIG_START - 1;
}

static const struct {
	void (*misbehave)(struct front_rig *x);
	const char *reason;
} attacks[] = {
	{ bad_from_id_range, "backend's transmit response has an id out of range" },
	{ bad_from_id_max, "backend's transmit response has an id out of range" },
	{ bad_from_id_never_sent, "backend's transmit response has an id that is not outstanding" },
	{ bad_from_duplicate, "backend's transmit response has an id that is not outstanding" },
	{ bad_from_status, "backend's transmit response has an unknown status" },
	{ bad_from_status_min, "backend's transmit response has an unknown status" },
	{ bad_from_extras, "backend answered an extra that was never sent" },
	{ bad_from_prod_over, "backend answered more transmit requests than there were" },
	{ bad_from_prod_back, "backend answered more transmit requests than there were" },
	{ bad_from_prod_far, "backend answered more transmit requests than there were" },
	{ bad_to_id, "backend's receive response has an id that is not outstanding in its slot" },
	{ bad_to_id_range,
	  "backend's receive response has an id that is not outstanding in its slot" },
	{ bad_to_duplicate,
	  "backend's receive response has an id that is not outstanding in its slot" },
	{ bad_to_len, "backend's receive response lies outside of its page" },
	{ bad_to_len_max, "backend's receive response lies outside of its page" },
	{ bad_to_offset, "backend's receive response lies outside of its page" },
	{ bad_to_offset_max, "backend's receive response lies outside of its page" },
	{ bad_to_status, "backend's receive response has an unknown status" },
	{ bad_to_unfinished, "backend sent a packet without its last fragment" },
	{ bad_to_too_many, "backend sent a packet of too many fragments" },
	{ bad_to_extra_missing, "backend sent a packet without its last extra" },
	{ bad_to_extra_endless, "backend sent an endless chain of extras" },
	{ bad_to_extra_last_more, "backend sent a packet without its last extra" },
	{ bad_to_extra_type, "backend sent an extra of unknown type" },
	{ bad_to_extra_twice, "backend sent two GSO extras for one packet" },
	{ bad_to_gso_type, "backend sent a GSO extra of unknown type" },
	{ bad_to_gso_size, "backend sent a GSO extra with size 0" },
	{ bad_to_late_extra, "backend sent an extra in the middle of a packet" },
	{ bad_to_prod_over, "backend filled more receive buffers than there were" },
	{ bad_to_prod_back, "backend filled more receive buffers than there were" },
};

static void attack(struct front_rig *x, unsigned int i, bool in_frames)
{
	struct front_packet p, out[4];
	struct front_frame frames[4];
	uint8_t data[5000];

	front_rig_fill(data, sizeof(data), i);
	for (int k = 0; k < 2; k++) {
		front_rig_build(x, &p, data, 100, 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	front_rig_build(x, &p, data, sizeof(data), 0, 4096);
	p.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
	p.gso_size = 1448;
	assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	front_from_guest_flush(x->q);

	attacks[i].misbehave(x);
	front_rig_publish_from(x);
	front_rig_publish_to(x);
	front_from_guest_room(x->q);
	if (in_frames)
		assert_int_equal(front_frames_to_guest(x->q, frames, 4), 0);
	assert_int_equal(front_to_guest(x->q, out, 4), 0);
	assert_non_null(front_queue_broken(x->q));
	assert_string_equal(front_queue_broken(x->q), attacks[i].reason);

	/* It is left alone from now on. */
	assert_int_equal(front_from_guest_room(x->q), 0);
	assert_int_equal(front_from_guest(x->q, &p, 1), 0);
	assert_int_equal(front_frames_to_guest(x->q, frames, 4), 0);
	frames[0] = (struct front_frame){ .data = data, .len = 60 };
	assert_int_equal(front_frames_from_guest(x->q, frames, 1), 0);
	front_to_guest_refill(x->q);
	assert_int_equal(x->to->req_prod, x->q->to_pushed);
}

static void test_hostile_backend(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2 * sizeof(attacks) / sizeof(attacks[0]); i++) {
		void *fresh;

		front_rig_setup(&fresh);
		attack(fresh, i / 2, i % 2);
		front_rig_teardown(&fresh);
	}
}

/* Good packets before the first bad one are delivered, none after it. */
static void test_good_before_bad(void **state)
{
	struct front_rig *x = *state;
	struct front_packet out[4];
	uint8_t data[100];

	front_rig_fill(data, sizeof(data), 1);
	front_rig_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	front_rig_put(x, 4096, 0, 1);
	front_rig_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	assert_int_equal(front_to_guest(x->q, out, 4), 1);
	front_rig_check(x, &out[0], data, sizeof(data));
	assert_non_null(front_queue_broken(x->q));
	front_release(x->q, out, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_backend),
		cmocka_unit_test_setup_teardown(test_good_before_bad, front_rig_setup,
						front_rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
