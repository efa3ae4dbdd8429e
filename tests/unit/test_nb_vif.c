/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vif's life: what frontends write into their area, detach, death, restart. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "netback/vif.h"
#include "tests/util/nb_host.h"

static void hotplug_connect_and_detach(void **state)
{
	struct host *h = *state;

	host_add_device(h);
	assert_int_equal(host_ports.nr_open, 0);
	host_expect_state(h, 2);
	assert_int_equal(host_ports.nr_open, 1);
	assert_int_equal(host_ports.mtu, 1400);
	assert_false(host_ports.carrier);

	/* Rings alone do not connect: the link must be in its place first. */
	host_publish(h);
	host_expect_state(h, 2);
	host_be(h, "hotplug-status", "error");
	host_expect_state(h, 2);
	host_be(h, "hotplug-status", "connected");
	host_expect_state(h, 4);
	assert_true(host_ports.carrier);
	host_assert_passes_frames(h);

	host_be(h, "online", "0");
	host_be(h, "state", "5");
	host_expect_state(h, 5);
	assert_false(host_ports.carrier);
	assert_null(host_the_vif(h)->queues);
	host_fe(h, "state", "5");
	host_expect_state(h, 5);
	assert_true(host_ports.exists);
	host_fe(h, "state", "6");
	host_expect_state(h, 6);
	assert_false(host_ports.exists);

	host_be(h, "", NULL);
	netback_turn(h->nb);
	assert_null(host_the_vif(h));
	assert_int_equal(host_be_state(h), -1);
}

static void detach_does_not_wait_for_a_frontend_that_never_came(void **state)
{
	struct host *h = *state;

	host_add_device(h);
	host_expect_state(h, 2);
	host_be(h, "online", "0");
	host_be(h, "state", "5");
	host_expect_state(h, 6);
	assert_false(host_ports.exists);
}

static void detach_of_a_closed_vif_is_answered(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	host_fe(h, "state", "6");
	host_expect_state(h, 6);
	assert_true(host_ports.exists);
	host_be(h, "online", "0");
	host_be(h, "state", "5");
	host_expect_state(h, 6);
	assert_false(host_ports.exists);
}

static void a_frontend_may_close_and_come_again(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	for (int i = 0; i < 50; i++) {
		host_fe(h, "state", "5");
		host_expect_state(h, 5);
		host_fe(h, "state", "6");
		host_expect_state(h, 6);
		assert_true(host_ports.exists);
		host_fe(h, "state", "1");
		host_expect_state(h, 2);
		host_fresh_rings(h);
		host_fe(h, "state", "4");
		host_expect_state(h, 4);
		host_assert_passes_frames(h);
	}
	assert_int_equal(host_ports.nr_open, 1);
}

/* T058: any sequence over states and what is none; the backend stays in its diagram and recovers. */
static void any_sequence_of_frontend_states(void **state)
{
	static const char *const states[] = { "0", "1", "2", "3",  "4",		 "5",	 "6",
					      "7", "8", "9", "-1", "4294967296", "junk", "" };
	struct host *h = *state;
	unsigned int seed = 1;
	bool connected;

	host_go_online(h);
	for (int i = 0; i < 3000; i++) {
		seed = seed * 1103515245 + 12345;
		host_fe(h, "state", states[seed / 65536 % 14]);
		if (seed & 0x1000)
			continue;
		netback_turn(h->nb);
		assert_in_range(host_be_state(h), 2, 8);
		assert_int_not_equal(host_be_state(h), 7);
		connected = host_be_state(h) == 4 || host_be_state(h) == 8;
		assert_true(!host_the_vif(h)->queues == !connected);
	}
	host_fe(h, "state", "6");
	netback_turn(h->nb);
	host_fe(h, "state", "1");
	host_expect_state(h, 2);
	host_fresh_rings(h);
	host_fe(h, "state", "4");
	host_expect_state(h, 4);
	host_assert_passes_frames(h);
}

static void bad_keys_are_refused_and_said(void **state)
{
	static const char *const keys[] = { "tx-ring-ref",   "rx-ring-ref",
					    "event-channel", "request-rx-copy",
					    "feature-sg",    "multi-queue-num-queues",
					    "xdp-headroom" };
	static const char *const values[] = {
		"", " 1", "0x8", "-1", "4294967296", "1x", "99999999999999999999", "\x1b[2J%s%n"
	};
	struct host *h = *state;
	char path[64], *error;

	host_add_device(h);
	host_be(h, "hotplug-status", "connected");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			host_expect_state(h, 2);
			host_fe(h, "multi-queue-num-queues", "1");
			host_fe(h, "xdp-headroom", "0");
			host_publish(h);
			host_fe(h, keys[i], values[k]);
			netback_turn(h->nb);
			assert_true(host_be_state(h) == 5 || host_be_state(h) == 6);
			assert_true(host_the_vif(h)->dev.disabled);
			assert_non_null(strstr(host_the_vif(h)->dev.reason, keys[i]));
			snprintf(path, sizeof(path), "error/backend/vif/%u/0/error", h->r.c.domid);
			assert_int_equal(hv_store_read(host_store(h), 0, path, &error, NULL), 0);
			assert_string_equal(error, host_the_vif(h)->dev.reason);
			free(error);
			host_fe(h, "state", "6");
			netback_turn(h->nb);
			host_fe(h, "state", "1");
		}
	}
	host_expect_state(h, 2);
	host_fe(h, "xdp-headroom", "0");
	host_publish(h);
	host_expect_state(h, 4);
}

static void queues_and_channels_must_agree(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	host_fe(h, "state", "6");
	netback_turn(h->nb);
	host_fe(h, "state", "1");
	host_expect_state(h, 2);
	/* Two queues, but the keys are those of one. */
	host_fe(h, "multi-queue-num-queues", "2");
	host_fe(h, "state", "4");
	netback_turn(h->nb);
	assert_int_not_equal(host_be_state(h), 4);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "queue-0/tx-ring-ref"));
	host_fe(h, "state", "6");
	netback_turn(h->nb);
	host_fe(h, "state", "1");
	netback_turn(h->nb);
	host_fe(h, "multi-queue-num-queues", "17");
	host_fe(h, "state", "4");
	netback_turn(h->nb);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "multi-queue-num-queues"));
	host_fe(h, "state", "6");
	netback_turn(h->nb);
	host_fe(h, "state", "1");
	netback_turn(h->nb);
	host_fe(h, "multi-queue-num-queues", "1");
	host_fe(h, "event-channel", "77");
	host_fe(h, "state", "4");
	netback_turn(h->nb);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "event channel"));
}

static void a_fatal_ring_disables_only_until_the_frontend_starts_over(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	h->r.from->req_prod = h->r.from->rsp_prod + NB_RING_SIZE + 1;
	hv_guest_evtchn_notify(&h->r.from_ch);
	netback_turn(h->nb);
	host_expect_state(h, 5);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "producer"));
	/* T060: flipping states does not bring it back. */
	host_fe(h, "state", "3");
	host_expect_state(h, 5);
	host_fe(h, "state", "1");
	host_expect_state(h, 5);
	host_fe(h, "state", "4");
	host_expect_state(h, 5);
	host_fe(h, "state", "6");
	host_expect_state(h, 6);
	host_fe(h, "state", "1");
	host_expect_state(h, 2);
	assert_string_equal(host_the_vif(h)->dev.reason, "");
	host_fresh_rings(h);
	host_fe(h, "state", "4");
	host_expect_state(h, 4);
	host_assert_passes_frames(h);
}

static void frontend_area_gone_and_back(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	host_fe(h, "", NULL);
	host_expect_state(h, 6);
	assert_true(host_ports.exists);
	host_fe(h, "state", "1");
	host_expect_state(h, 2);
	host_fresh_rings(h);
	host_publish(h);
	host_expect_state(h, 4);
}

static void a_removed_area_is_not_made_again(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	host_fe(h, "state", "5");
	host_be(h, "", NULL);
	netback_turn(h->nb);
	assert_int_equal(host_be_state(h), -1);
	assert_null(host_the_vif(h));
	assert_false(host_ports.exists);
}

static void a_reused_domid_is_another_domain(void **state)
{
	struct host *h = *state;
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/vm", h->r.c.domid);
	assert_int_equal(hv_store_write(host_store(h), 0, path, "/vm/a", 5), 0);
	host_go_online(h);
	/* Gone and made anew before we look, down to the same keys. */
	host_be(h, "", NULL);
	host_fe(h, "", NULL);
	assert_int_equal(hv_store_write(host_store(h), 0, path, "/vm/b", 5), 0);
	host_add_device(h);
	host_publish(h);
	host_expect_state(h, 2);
	assert_int_equal(host_ports.nr_released, 1);
	assert_int_equal(host_ports.nr_open, 2);
}

static void a_dead_domain_is_let_go_of(void **state)
{
	struct host *h = *state;

	host_go_online(h);
	hv_guest_evtchn_free(h->r.c.guest, &h->r.from_ch);
	xs_server_release(h->r.c.xs, h->r.c.domid);
	assert_int_equal(core_domain_destroy(h->r.c.core, h->r.c.domid), 0);
	host_expect_state(h, 6);
	assert_false(host_ports.exists);
	assert_null(host_the_vif(h)->queues);
}

static void a_restart_changes_nothing_in_the_store(void **state)
{
	struct host *h = *state;
	char path[64];

	host_go_online(h);
	host_assert_passes_frames(h);
	netback_destroy(h->nb);
	assert_true(host_ports.exists);
	assert_int_equal(host_be_state(h), 4);

	/* A frame that waited, and a watch that would see any write. */
	snprintf(path, sizeof(path), "backend/vif/%u/0/state", h->r.c.domid);
	assert_int_equal(hv_store_watch(host_store(h), path, "spy"), 0);
	host_start(h);
	assert_int_equal(host_be_state(h), 4);
	assert_true(host_ports.carrier);
	host_assert_passes_frames(h);
	assert_true(host_the_vif(h)->steering.restarted);
	assert_int_equal(host_ports.nr_released, 0);
}

/* With threads: frames in flight while the frontend comes, goes and breaks the rules. */
static void workers_have_threads_of_their_own(void **state)
{
	struct host *h = *state;
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 1 }, got[256];

	netback_destroy(h->nb);
	host_start_with(h, 2);
	host_go_online(h);
	for (unsigned int i = 0; i < 30; i++) {
		unsigned int waited;

		for (unsigned int k = 0; k < 20; k++)
			rig_put_frame(&h->r, frame, sizeof(frame), 60, 0, NULL);
		__atomic_store_n(&h->r.from->req_prod, h->r.from_prod, __ATOMIC_SEQ_CST);
		hv_guest_evtchn_notify(&h->r.from_ch);
		for (waited = 0;
		     waited < 5000 &&
		     __atomic_load_n(&h->r.from->rsp_prod, __ATOMIC_ACQUIRE) != h->r.from_prod;
		     waited++)
			usleep(1000);
		assert_true(waited < 5000);
		for (unsigned int k = 0; k < 20; k++)
			assert_int_equal(read(host_ports.far, got, sizeof(got)), 70);
		if (i % 3 == 0) {
			__atomic_store_n(&h->r.from->req_prod, h->r.from_prod + 1000,
					 __ATOMIC_SEQ_CST);
			hv_guest_evtchn_notify(&h->r.from_ch);
			for (waited = 0; waited < 5000 && host_be_state(h) == 4; waited++) {
				usleep(1000);
				netback_turn(h->nb);
			}
			assert_non_null(strstr(host_the_vif(h)->dev.reason, "producer"));
		}
		host_fe(h, "state", "6");
		host_expect_state(h, 6);
		host_fe(h, "state", "1");
		host_expect_state(h, 2);
		host_fresh_rings(h);
		host_fe(h, "state", "4");
		host_expect_state(h, 4);
	}
}

static void r_ctrl_init(struct host *h, uint32_t *ref)
{
	void *page;

	assert_int_equal(hv_guest_pages_alloc(h->r.c.guest, 1, &page), 0);
	assert_int_equal(hv_guest_grant(h->r.c.guest, 0, page, false, ref), 0);
	h->r.ctrl = page;
	h->r.ctrl->req_event = h->r.ctrl->rsp_event = 1;
	assert_int_equal(hv_guest_evtchn_alloc(h->r.c.guest, 0, &h->r.ctrl_ch), 0);
}

static void ctrl(struct host *h, uint16_t type, uint32_t d0, uint32_t d1, uint32_t d2)
{
	uint32_t at = h->r.ctrl_prod++;

	h->r.ctrl->ring[at].req = (struct xen_netif_ctrl_request){ (uint16_t)at,
								   type,
								   { d0, d1, d2 } };
	__atomic_store_n(&h->r.ctrl->req_prod, h->r.ctrl_prod, __ATOMIC_SEQ_CST);
	hv_guest_evtchn_notify(&h->r.ctrl_ch);
	netback_turn(h->nb);
	assert_int_equal(h->r.ctrl->rsp_prod, h->r.ctrl_prod);
	assert_int_equal(h->r.ctrl->ring[at].rsp.status, XEN_NETIF_CTRL_STATUS_SUCCESS);
}

static void *shared_page(struct host *h, uint32_t *ref)
{
	void *page;

	assert_int_equal(hv_guest_pages_alloc(h->r.c.guest, 1, &page), 0);
	assert_int_equal(hv_guest_grant(h->r.c.guest, 0, page, false, ref), 0);
	return page;
}

/* Two queues and a control ring whose table sends all frames to the second, whatever port queue had them. */
static void frames_are_steered_between_queues(void **state)
{
	struct host *h = *state;
	uint32_t from_ref, to_ref, ctrl_ref, table_ref, key_ref;
	netif_tx_sring_t *from = shared_page(h, &from_ref);
	netif_rx_sring_t *to = shared_page(h, &to_ref);
	uint32_t *table = shared_page(h, &table_ref);
	uint8_t *key = shared_page(h, &key_ref), frame[200];
	struct hv_evtchn from_ch, to_ch;
	struct virtio_net_hdr vnet = { 0 };

	r_ctrl_init(h, &ctrl_ref);
	from->req_event = from->rsp_event = to->req_event = to->rsp_event = 1;
	assert_int_equal(hv_guest_evtchn_alloc(h->r.c.guest, 0, &from_ch), 0);
	assert_int_equal(hv_guest_evtchn_alloc(h->r.c.guest, 0, &to_ch), 0);
	host_add_device(h);
	host_be(h, "hotplug-status", "connected");
	host_expect_state(h, 2);
	host_fe(h, "request-rx-copy", "1");
	host_fe(h, "feature-rx-notify", "1");
	host_fe(h, "multi-queue-num-queues", "2");
	host_fe_u32(h, "queue-0/tx-ring-ref", h->r.refs.from_ref);
	host_fe_u32(h, "queue-0/rx-ring-ref", h->r.refs.to_ref);
	host_fe_u32(h, "queue-0/event-channel", h->r.refs.from_port);
	host_fe_u32(h, "queue-1/tx-ring-ref", from_ref);
	host_fe_u32(h, "queue-1/rx-ring-ref", to_ref);
	host_fe_u32(h, "queue-1/event-channel-tx", from_ch.local_port);
	host_fe_u32(h, "queue-1/event-channel-rx", to_ch.local_port);
	host_fe_u32(h, "ctrl-ring-ref", ctrl_ref);
	host_fe_u32(h, "event-channel-ctrl", h->r.ctrl_ch.local_port);
	host_fe(h, "state", "4");
	host_expect_state(h, 4);
	assert_int_equal(host_the_vif(h)->nr_queues, 2);

	for (unsigned int i = 0; i < 32; i++)
		to->ring[i].req = (netif_rx_request_t){ .id = (uint16_t)i,
							.gref = h->r.to_refs[i] };
	to->req_prod = 32;
	memset(key, 0x5a, 40);
	table[0] = 1;
	ctrl(h, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 1, 0, 0);
	ctrl(h, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 15, 0, 0);
	ctrl(h, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, key_ref, 40, 0);
	ctrl(h, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 1, 0, 0);
	ctrl(h, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, table_ref, 1, 0);

	memcpy(frame, &vnet, sizeof(vnet));
	assert_int_equal(rig_tcp(frame + sizeof(vnet), 4, 50, true), 104);
	assert_int_equal(write(host_ports.far, frame, sizeof(vnet) + 104), sizeof(vnet) + 104);
	netback_turn(h->nb);
	assert_int_equal(h->r.to->rsp_prod, 0);
	assert_int_equal(to->rsp_prod, 2);
	assert_int_equal(to->ring[0].rsp.status, 104);
	assert_true(to->ring[0].rsp.flags & NETRXF_extra_info);
	assert_memory_equal(h->r.to_pages, frame + sizeof(vnet), 104);
}

static void a_taken_name_is_an_error(void **state)
{
	struct host *h = *state;

	host_ports.taken = true;
	host_add_device(h);
	netback_turn(h->nb);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "another device"));
	assert_int_not_equal(host_be_state(h), 2);
}

static void a_malformed_rate_is_refused(void **state)
{
	struct host *h = *state;

	host_be(h, "rate", "12x,3");
	host_add_device(h);
	netback_turn(h->nb);
	assert_non_null(strstr(host_the_vif(h)->dev.reason, "rate"));
	assert_int_equal(host_ports.nr_open, 0);
}

static void status_tells_all(void **state)
{
	struct host *h = *state;
	json_t *status, *vif;

	host_go_online(h);
	host_assert_passes_frames(h);
	status = netback_status(h->nb);
	assert_non_null(status);
	vif = json_array_get(json_object_get(status, "vifs"), 0);
	assert_string_equal(json_string_value(json_object_get(vif, "state")), "Connected");
	assert_int_equal(json_integer_value(json_object_get(vif, "ifindex")), 42);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(vif, "from-guest"), "frames")),
		1);
	assert_int_equal(json_array_size(json_object_get(vif, "queues")), 1);
	json_decref(status);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, host_setup, host_teardown)
	const struct CMUnitTest tests[] = {
		T(hotplug_connect_and_detach),
		T(detach_does_not_wait_for_a_frontend_that_never_came),
		T(detach_of_a_closed_vif_is_answered),
		T(a_frontend_may_close_and_come_again),
		T(any_sequence_of_frontend_states),
		T(bad_keys_are_refused_and_said),
		T(queues_and_channels_must_agree),
		T(a_fatal_ring_disables_only_until_the_frontend_starts_over),
		T(frontend_area_gone_and_back),
		T(a_removed_area_is_not_made_again),
		T(a_reused_domid_is_another_domain),
		T(a_dead_domain_is_let_go_of),
		T(a_restart_changes_nothing_in_the_store),
		T(frames_are_steered_between_queues),
		T(workers_have_threads_of_their_own),
		T(a_taken_name_is_an_error),
		T(a_malformed_rate_is_refused),
		T(status_tells_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
