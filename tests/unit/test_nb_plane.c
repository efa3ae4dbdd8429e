/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vifs that a plane serves instead of a TAP: what it is told and when, and whose a vif is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netback/poll.h"
#include "tests/util/nb_host.h"

/* What a plane was told, in order, and whether it may have been. */
static struct {
	char told[256];
	struct nb_queue *queues;
	unsigned int nr;
	bool together, refuses;
} fake;

static void tell(const char *what)
{
	strncat(fake.told, what, sizeof(fake.told) - strlen(fake.told) - 1);
}

static int fake_open(void *plane, uint16_t domid, uint32_t devid, const char *name,
		     unsigned int mtu, void **port_out, unsigned int *ifindex_out, char *why)
{
	char expected[32];

	assert_ptr_equal(plane, &fake);
	snprintf(expected, sizeof(expected), "vif%u.%u", domid, devid);
	assert_string_equal(name, expected);
	assert_int_equal(mtu, 1400);
	if (fake.refuses) {
		snprintf(why, NB_WHY_MAX, "no memory left for ports: give it more");
		return -ENOMEM;
	}
	tell("open ");
	*port_out = &fake;
	*ifindex_out = 0;
	return 0;
}

static int fake_start(void *port, struct nb_queue *queues, unsigned int nr, bool together,
		      char *why)
{
	(void)why;
	assert_ptr_equal(port, &fake);
	assert_null(fake.queues);
	for (unsigned int i = 0; i < nr; i++)
		assert_non_null(queues[i].domain);
	tell("start ");
	fake.queues = queues;
	fake.nr = nr;
	fake.together = together;
	return 0;
}

static void fake_stop(void *port)
{
	assert_ptr_equal(port, &fake);
	if (!fake.queues)
		return;
	/* They are there until it has let go of them. */
	assert_non_null(fake.queues[0].domain);
	tell("stop ");
	fake.queues = NULL;
}

static void fake_close(void *port)
{
	assert_ptr_equal(port, &fake);
	assert_null(fake.queues);
	tell("close ");
}

static const struct nb_plane_ops fake_ops = { fake_open, fake_start, fake_stop, fake_close };

static void expect_told(const char *told)
{
	assert_string_equal(fake.told, told);
	fake.told[0] = '\0';
}

static int setup(void **state)
{
	struct host *h;
	int rc = host_setup(state);

	h = *state;
	memset(&fake, 0, sizeof(fake));
	h->planes[NB_DATAPATH_DPDK] = h->planes[NB_DATAPATH_PMD] = (struct nb_plane){ &fake_ops,
										      &fake };
	return rc;
}

static void restart(struct host *h)
{
	netback_destroy(h->nb);
	host_start(h);
}

/* Take what the guest sends, as a plane does. */
static void assert_plane_takes_frames(struct host *h)
{
	struct nb_batch *b = nb_batch_create();
	struct nb_view *views[4];
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 1 };

	rig_put_frame(&h->r, frame, sizeof(frame), 60, 0, NULL);
	__atomic_store_n(&h->r.from->req_prod, h->r.from_prod, __ATOMIC_SEQ_CST);
	assert_non_null(fake.queues);
	assert_int_equal(nb_poll_take(fake.queues, b, 4, 1, views), 1);
	assert_memory_equal(views[0]->head, frame, sizeof(frame));
	nb_poll_answer(fake.queues, b);
	assert_int_equal(h->r.from->rsp_prod, h->r.from_prod);
	nb_batch_destroy(b);
}

static void a_plane_has_a_life_cycle(void **state)
{
	struct host *h = *state;

	restart(h);
	host_be(h, "vifrost-datapath", "dpdk");
	host_add_device(h);
	host_expect_state(h, 2);
	expect_told("open ");
	host_be(h, "hotplug-status", "connected");
	host_publish(h);
	host_expect_state(h, 4);
	expect_told("start ");
	assert_int_equal(fake.nr, 1);
	assert_false(fake.together);
	assert_int_equal(host_ports.nr_open, 0);
	assert_plane_takes_frames(h);

	/* A rate is shared by all queues. */
	host_be(h, "rate", "125000,50000");
	netback_turn(h->nb);
	expect_told("stop start ");
	assert_true(fake.together);

	host_fe(h, "state", "5");
	host_expect_state(h, 5);
	expect_told("stop ");
	host_fe(h, "state", "6");
	host_expect_state(h, 6);
	host_be(h, "online", "0");
	netback_turn(h->nb);
	expect_told("close ");
	assert_int_equal(host_ports.nr_open, 0);
}

static void a_vif_in_service_changes_planes(void **state)
{
	struct host *h = *state;

	restart(h);
	host_go_online(h);
	assert_int_equal(host_ports.nr_open, 1);
	host_assert_passes_frames(h);
	for (unsigned int i = 0; i < 3; i++) {
		host_be(h, "vifrost-datapath", "dpdk");
		host_expect_state(h, 4);
		expect_told("open start ");
		assert_false(host_ports.exists);
		assert_plane_takes_frames(h);
		/* The kernel serves no vif here. */
		host_be(h, "vifrost-datapath", i & 1 ? "kernel" : NULL);
		host_expect_state(h, 4);
		expect_told("stop close ");
		assert_true(host_ports.exists);
		assert_string_equal(host_the_vif(h)->dev.reason, "");
		host_assert_passes_frames(h);
	}
}

/* One that ends leaves all to the next, which finds it by the key. */
static void a_successor_takes_it_up(void **state)
{
	struct host *h = *state;

	restart(h);
	host_be(h, "vifrost-datapath", "dpdk");
	host_go_online(h);
	expect_told("open start ");
	restart(h);
	expect_told("stop close open start ");
	assert_int_equal(host_be_state(h), 4);
	assert_plane_takes_frames(h);
}

static void what_is_missing_is_said(void **state)
{
	struct host *h = *state;

	h->planes[NB_DATAPATH_DPDK].ops = NULL;
	restart(h);
	host_be(h, "vifrost-datapath", "dpdk");
	host_add_device(h);
	host_expect_state(h, 6);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "no switch of its own"));
	host_be(h, "vifrost-datapath", "tap");
	host_expect_state(h, 2);
	assert_string_equal(host_the_vif(h)->dev.reason, "");
	assert_int_equal(host_ports.nr_open, 1);
}

static void what_a_plane_refuses_is_said(void **state)
{
	struct host *h = *state;

	restart(h);
	fake.refuses = true;
	host_be(h, "vifrost-datapath", "dpdk");
	host_add_device(h);
	host_expect_state(h, 6);
	assert_string_equal(host_the_vif(h)->dev.reason, "no memory left for ports: give it more");
	expect_told("");
}

static void a_bad_frontend_loses_its_vif_only(void **state)
{
	struct host *h = *state;

	restart(h);
	host_be(h, "vifrost-datapath", "dpdk");
	host_go_online(h);
	expect_told("open start ");
	nb_queue_fail(fake.queues, NB_FATAL_FROM_SLOTS);
	netback_turn(h->nb);
	netback_turn(h->nb);
	expect_told("stop ");
	assert_true(host_the_vif(h)->dev.disabled);
}

static void another_programs_vif_is_left_alone(void **state)
{
	struct host *h = *state;

	restart(h);
	host_go_online(h);
	host_be(h, "vifrost-datapath", "pmd");
	netback_turn(h->nb);
	assert_false(host_ports.exists);
	assert_true(host_the_vif(h)->dev.elsewhere);
	assert_string_equal(nb_datapath_name(host_the_vif(h)), "pmd");
	/* Whatever happens there. */
	host_be(h, "state", "5");
	host_fe(h, "state", "5");
	netback_turn(h->nb);
	assert_int_equal(host_be_state(h), 5);
	expect_told("");
	host_fe(h, "state", "4");
	host_be(h, "state", "4");
	host_be(h, "vifrost-datapath", "dpdk");
	host_expect_state(h, 4);
	expect_told("open start ");
	assert_plane_takes_frames(h);
}

/* The other program: a netback for one vif, as long as that is to be its. */
static void a_program_may_serve_one_vif(void **state)
{
	struct nb_only only;
	struct host *h = *state;

	only = (struct nb_only){ .domid = h->r.c.domid, .devid = 0 };
	h->only = &only;
	restart(h);
	host_add_device(h);
	host_expect_state(h, 1);
	expect_told("");
	host_be(h, "vifrost-datapath", "pmd");
	host_expect_state(h, 2);
	expect_told("open ");
	host_be(h, "hotplug-status", "connected");
	host_publish(h);
	host_expect_state(h, 4);
	expect_told("start ");
	assert_plane_takes_frames(h);
	host_be(h, "vifrost-datapath", "tap");
	host_expect_state(h, 4);
	expect_told("stop close ");
	assert_int_equal(host_ports.nr_open, 0);

	only.devid = 1;
	host_be(h, "vifrost-datapath", "pmd");
	restart(h);
	netback_turn(h->nb);
	expect_told("");
	assert_null(host_the_vif(h));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, host_teardown)
	const struct CMUnitTest tests[] = {
		T(a_plane_has_a_life_cycle),
		T(a_vif_in_service_changes_planes),
		T(a_successor_takes_it_up),
		T(what_is_missing_is_said),
		T(what_a_plane_refuses_is_said),
		T(a_bad_frontend_loses_its_vif_only),
		T(another_programs_vif_is_left_alone),
		T(a_program_may_serve_one_vif),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
