/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one vif is offered less than others, and a frontend that takes more than that. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/if_tun.h>

#include "hv/store_priv.h"
#include "tests/util/nb_host.h"

static void texts(void **state)
{
	static const char *const bad[] = { "queues=0", "queues=17", "queues=",	      "queues=2x",
					   "csum=1",   "other",	    "queues=2,csum=0" };
	struct nb_offer o = { .queues = 9 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(nb_offer_parse(bad[i], &o), 0);
	assert_int_equal(o.queues, 9);
	assert_int_equal(nb_offer_parse("queues=3 csum=0 gso=0 sg=0", &o), 0);
	assert_true(o.queues == 3 && o.no_csum && o.no_gso && o.no_sg);
	assert_int_equal(nb_offer_parse("all", &o), 0);
	assert_true(!o.queues && !o.no_csum && !o.no_gso && !o.no_sg);
}

static uint32_t offered(struct host *h, const char *key)
{
	char path[96];
	uint32_t value = 99;

	snprintf(path, sizeof(path), "backend/vif/%u/0/%s", h->r.c.domid, key);
	assert_int_equal(hv_store_read_u32(host_store(h), 0, path, 98, &value), 0);
	return value;
}

static void announce(struct host *h)
{
	assert_int_equal(hv_store_write(host_store(h), 0, "vifrost/offers", "1", 1), 0);
}

static void less_is_offered(void **state)
{
	struct host *h = *state;

	host_be(h, "vifrost-offer", "queues=2 csum=0 gso=0");
	host_add_device(h);
	host_expect_state(h, 2);
	assert_int_equal(offered(h, "multi-queue-max-queues"), 2);
	assert_int_equal(offered(h, "feature-ipv6-csum-offload"), 0);
	assert_int_equal(offered(h, "feature-no-csum-offload"), 1);
	assert_int_equal(offered(h, "feature-gso-tcpv4"), 0);
	assert_int_equal(offered(h, "feature-gso-tcpv6"), 0);
	assert_int_equal(offered(h, "feature-sg"), 1);
	assert_int_equal(offered(h, "feature-rx-copy"), 1);
	/* Nor is it sent what it takes itself: the host completes checksums and makes segments. */
	host_be(h, "hotplug-status", "connected");
	host_publish(h);
	host_expect_state(h, 4);
	assert_int_equal(host_ports.offload, 0);
	host_assert_passes_frames(h);
}

static void all_is_offered_without(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	assert_int_equal(offered(h, "multi-queue-max-queues"), 4);
	assert_int_equal(offered(h, "feature-ipv6-csum-offload"), 1);
	assert_int_equal(offered(h, "feature-no-csum-offload"), 0);
	assert_true(host_ports.offload & TUN_F_CSUM);
}

static void a_frontend_that_takes_more_is_refused(void **state)
{
	struct host *h = *state;

	host_be(h, "vifrost-offer", "queues=2");
	host_add_device(h);
	host_expect_state(h, 2);
	host_be(h, "hotplug-status", "connected");
	host_fe(h, "multi-queue-num-queues", "3");
	host_publish(h);
	host_expect_state(h, 5);
	assert_non_null(
		strstr(host_the_vif(h)->dev.reason, "takes 3 queues, the policy lets it have 2"));
}

static void waits_for_who_has_said_to_tell(void **state)
{
	struct host *h = *state;

	announce(h);
	host_add_device(h);
	host_expect_state(h, 1);
	host_expect_state(h, 1);
	host_be(h, "vifrost-offer", "queues=1");
	host_expect_state(h, 2);
	assert_int_equal(offered(h, "multi-queue-max-queues"), 1);
}

static void does_not_wait_for_ever(void **state)
{
	struct host *h = *state;

	announce(h);
	host_add_device(h);
	host_expect_state(h, 1);
	usleep(1100000);
	host_expect_state(h, 2);
	assert_int_equal(offered(h, "multi-queue-max-queues"), 4);
	/* Late, but the frontend has not come yet. */
	host_be(h, "vifrost-offer", "queues=3 sg=0");
	host_expect_state(h, 2);
	assert_int_equal(offered(h, "multi-queue-max-queues"), 3);
	assert_int_equal(offered(h, "feature-sg"), 0);
}

/* A daemon that starts over takes up what is in service as it is, and sends it no more than before. */
static void holds_for_a_successor(void **state)
{
	struct host *h = *state;

	host_be(h, "vifrost-offer", "csum=0");
	host_go_online(h);
	netback_destroy(h->nb);
	host_ports.offload = 99;
	host_be(h, "vifrost-offer", "csum=0 queues=1");
	host_start(h);
	host_expect_state(h, 4);
	assert_int_equal(host_ports.offload, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		TEST(less_is_offered),
		TEST(all_is_offered_without),
		TEST(a_frontend_that_takes_more_is_refused),
		TEST(waits_for_who_has_said_to_tell),
		TEST(does_not_wait_for_ever),
		TEST(holds_for_a_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
