/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frontend device's life against a real xenstore server, which runs in a thread of its own: the keys
 * that are published, every pair of states, and backends that lie in the store.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rundir.h"
#include "hv/core.h"
#include "hv/xenstore/xs_ring_client.h"
#include "hv/xenstore/xs_server.h"
#include "netback/front/front_priv.h"
#include "tests/util/scratch.h"

struct host {
	char rundir[32];
	struct loop *loop;
	struct loop_fd stop_watcher;
	int stop_fd;
	struct xs_server *server;
	pthread_t thread;
	struct core *core;
	uint16_t domid;
	struct hv_guest *guest;
	struct hv_store *store; /* domain 0's */
	struct front *f;
};

static int open_store(void *arg, uint16_t domid, struct hv_store **store_out)
{
	struct host *h = arg;
	char path[PATH_MAX];
	int to_guest, from_guest;

	if (!domid) {
		rundir_file(path, h->rundir, RUNDIR_XENSTORED_SOCKET);
		return hv_store_connect(path, store_out);
	}
	assert_int_equal(core_evtchn_fds(h->core, domid, CORE_PORT_STORE, &to_guest, &from_guest),
			 0);
	return xs_ring_client_open(core_domain_page(h->core, domid, CORE_PAGE_STORE), to_guest,
				   from_guest, store_out);
}

static void on_stop(void *arg, uint32_t events)
{
	(void)events;
	loop_stop(arg, 0);
}

static void *serve(void *arg)
{
	return (void *)(intptr_t)loop_run(arg);
}

static void be(struct host *h, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/0/%s", h->domid, key);
	if (value)
		assert_int_equal(hv_store_write(h->store, 0, path, value, strlen(value)), 0);
	else
		(void)hv_store_rm(h->store, 0, path);
}

static void fe(struct host *h, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/local/domain/%u/device/vif/0/%s", h->domid, key);
	if (value)
		assert_int_equal(hv_store_write(h->store, 0, path, value, strlen(value)), 0);
	else
		(void)hv_store_rm(h->store, 0, path);
}

static char *fe_read(struct host *h, const char *key)
{
	static char text[256];
	char path[128], *value;

	snprintf(path, sizeof(path), "/local/domain/%u/%s%s", h->domid,
		 strncmp(key, "error", 5) ? "device/vif/0/" : "", key);
	if (hv_store_read(h->store, 0, path, &value, NULL))
		return NULL;
	snprintf(text, sizeof(text), "%s", value);
	free(value);
	return text;
}

static void toolstack(struct host *h)
{
	struct hv_store_perm owner = { .domid = h->domid };
	char path[64], backend[64], id[16];

	snprintf(path, sizeof(path), "/local/domain/%u", h->domid);
	assert_int_equal(hv_store_mkdir(h->store, 0, path), 0);
	assert_int_equal(hv_store_set_perms(h->store, 0, path, &owner, 1), 0);
	snprintf(backend, sizeof(backend), "/local/domain/0/backend/vif/%u/0", h->domid);
	assert_int_equal(hv_store_mkdir(h->store, 0, backend), 0);
	assert_int_equal(
		hv_store_set_perms(h->store, 0, backend,
				   (struct hv_store_perm[]){ { .domid = 0 },
							     { .domid = h->domid, .read = true } },
				   2),
		0);
	snprintf(id, sizeof(id), "%u", h->domid);
	be(h, "frontend-id", id);
	be(h, "state", "1");
	fe(h, "backend", backend);
	fe(h, "backend-id", "0");
	fe(h, "mac", "00:16:3e:01:02:03");
	fe(h, "state", "1");
}

static int setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	int to_guest, from_guest;

	assert_non_null(h);
	strcpy(h->rundir, "/tmp/vf.XXXXXX");
	assert_non_null(mkdtemp(h->rundir));
	assert_int_equal(loop_create(&h->loop), 0);
	assert_int_equal(xs_server_create(h->loop, h->rundir, &h->server), 0);
	h->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(
		loop_fd_add(h->loop, &h->stop_watcher, h->stop_fd, EPOLLIN, on_stop, h->loop), 0);

	assert_int_equal(core_create(NULL, &h->core), 0);
	core_set_hooks(h->core, &(struct core_hooks){ .store_open = open_store, .arg = h });
	assert_int_equal(core_domain_create(h->core, 32, &h->domid), 0);
	assert_int_equal(
		core_evtchn_fds(h->core, h->domid, CORE_PORT_STORE, &to_guest, &from_guest), 0);
	assert_int_equal(xs_server_introduce(h->server, h->domid,
					     core_domain_page(h->core, h->domid, CORE_PAGE_STORE),
					     from_guest, to_guest, false),
			 0);
	assert_int_equal(pthread_create(&h->thread, NULL, serve, h->loop), 0);
	assert_int_equal(open_store(h, 0, &h->store), 0);
	assert_int_equal(hv_guest_attach_local(h->core, h->domid, &h->guest), 0);
	toolstack(h);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct host *h = *state;

	front_destroy(h->f);
	hv_store_close(h->store);
	hv_guest_detach(h->guest);
	assert_int_equal(eventfd_write(h->stop_fd, 1), 0);
	pthread_join(h->thread, NULL);
	loop_fd_del(&h->stop_watcher);
	close(h->stop_fd);
	xs_server_destroy(h->server);
	loop_destroy(h->loop);
	core_destroy(h->core);
	assert_int_equal(scratch_remove(h->rundir), 0);
	free(h);
	return 0;
}

static void create(struct host *h, unsigned int max_queues)
{
	front_destroy(h->f);
	h->f = NULL;
	assert_int_equal(front_create(h->guest, 0, max_queues, "vif0", &h->f), 0);
}

static void backend_state(struct host *h, int state)
{
	char text[8];

	snprintf(text, sizeof(text), "%d", state);
	be(h, "state", state == BACKEND_GONE ? NULL : text);
}

static const struct front_info *after(struct host *h, int state)
{
	backend_state(h, state);
	assert_int_equal(front_update(h->f), 0);
	return front_info(h->f);
}

/* From a fresh device to @state, as a backend leads it there. */
static void reach(struct host *h, enum front_state state)
{
	fe(h, "state", "1");
	backend_state(h, XenbusStateInitialising);
	create(h, 1);
	assert_int_equal(front_update(h->f), 0);
	if (state == FRONT_INITIALISING)
		return;
	after(h, XenbusStateInitWait);
	if (state == FRONT_INITIALISED)
		return;
	after(h, XenbusStateConnected);
	if (state == FRONT_CONNECTED)
		return;
	if (state == FRONT_BROKEN)
		front_queue_break(front_queue(h->f, 0), "test");
	after(h, state == FRONT_BROKEN ? XenbusStateConnected : XenbusStateClosing);
	assert_int_equal(front_info(h->f)->state, state);
}

static void test_every_pair_of_states(void **state)
{
	enum {
		I = FRONT_INITIALISING,
		P = FRONT_INITIALISED,
		C = FRONT_CONNECTED,
		X = FRONT_CLOSED,
		B = FRONT_BROKEN
	};
	/* Backend: Unknown, Initialising, InitWait, Initialised, Connected, Closing, Closed,
	 * Reconfiguring, Reconfigured, gone */
	static const int want[FRONT_NR_STATES][BACKEND_GONE + 1] = {
		[I] = { I, I, P, I, I, X, I, I, I, I },
		[P] = { P, P, P, P, C, X, X, P, P, X },
		/* A backend that starts over is followed: closed, and connected anew. */
		[C] = { C, I, P, C, C, X, X, C, C, X },
		[X] = { X, I, P, X, X, X, X, X, X, X },
		[B] = { B, B, B, B, B, B, B, B, B, B },
	};
	static const char *const xenbus[] = {
		[I] = "1", [P] = "4", [C] = "4", [X] = "6", [B] = "6"
	};
	struct host *h = *state;

	for (enum front_state from = 0; from < FRONT_NR_STATES; from++) {
		for (int backend = 0; backend <= BACKEND_GONE; backend++) {
			unsigned int queues;

			reach(h, from);
			assert_int_equal(after(h, backend)->state, want[from][backend]);
			assert_string_equal(fe_read(h, "state"), xenbus[want[from][backend]]);
			queues = want[from][backend] == P || want[from][backend] == C;
			assert_int_equal(front_info(h->f)->nr_queues, queues);
			assert_int_equal(front_queue(h->f, 0) != NULL, queues);
			assert_int_equal(!!front_info(h->f)->connection, queues);
			/* Again changes nothing. */
			assert_int_equal(front_update(h->f), 0);
			assert_int_equal(front_info(h->f)->state, want[from][backend]);
		}
	}
	assert_int_equal(front_info(h->f)->nr_leaked_pages, 0);
}

/* A backend that closes a predecessor's connection is waited for, one that goes away is not. */
static void test_backend_passes_closing(void **state)
{
	struct host *h = *state;

	reach(h, FRONT_INITIALISING);
	be(h, "online", "1");
	assert_int_equal(after(h, XenbusStateClosing)->state, FRONT_INITIALISING);
	assert_string_equal(fe_read(h, "state"), "1");
	assert_int_equal(after(h, XenbusStateClosed)->state, FRONT_INITIALISING);
	assert_int_equal(after(h, XenbusStateInitWait)->state, FRONT_INITIALISED);

	reach(h, FRONT_INITIALISING);
	be(h, "online", "0");
	assert_int_equal(after(h, XenbusStateClosing)->state, FRONT_CLOSED);
	assert_string_equal(fe_read(h, "state"), "6");
}

static void check_number(struct host *h, const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	assert_non_null(fe_read(h, key));
	assert_string_equal(fe_read(h, key), text);
}

static void check_features(struct host *h)
{
	check_number(h, "request-rx-copy", 1);
	check_number(h, "feature-rx-notify", 1);
	check_number(h, "feature-sg", 1);
	check_number(h, "feature-gso-tcpv4", 1);
	check_number(h, "feature-gso-tcpv6", 1);
	check_number(h, "feature-ipv6-csum-offload", 1);
	check_number(h, "feature-no-csum-offload", 0);
}

static void test_publishes_one_queue(void **state)
{
	struct host *h = *state;
	struct front_queue *q;

	reach(h, FRONT_INITIALISED);
	q = front_queue(h->f, 0);
	check_number(h, "tx-ring-ref", q->from_ring_ref);
	check_number(h, "rx-ring-ref", q->to_ring_ref);
	check_number(h, "event-channel", q->from_channel.local_port);
	assert_null(fe_read(h, "event-channel-tx"));
	assert_null(fe_read(h, "multi-queue-num-queues"));
	assert_null(fe_read(h, "queue-0"));
	assert_int_equal(front_from_guest_fd(q), front_to_guest_fd(q));
	check_features(h);
}

/* A guest that wants no offload, or none but checksums, says so. */
static void test_publishes_what_it_takes(void **state)
{
	static const struct {
		bool csum, gso;
		unsigned int want_csum, want_gso;
	} cases[] = { { true, false, 1, 0 }, { false, false, 0, 0 }, { false, true, 0, 0 } };
	struct host *h = *state;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reach(h, FRONT_INITIALISING);
		front_set_offload(h->f, cases[i].csum, cases[i].gso);
		after(h, XenbusStateInitWait);
		check_number(h, "feature-gso-tcpv4", cases[i].want_gso);
		check_number(h, "feature-gso-tcpv6", cases[i].want_gso);
		check_number(h, "feature-no-csum-offload", !cases[i].want_csum);
		check_number(h, "feature-ipv6-csum-offload", cases[i].want_csum);
		front_destroy(h->f);
		h->f = NULL;
	}
}

static void test_publishes_many_queues_then_one(void **state)
{
	struct host *h = *state;
	char key[64];

	be(h, "multi-queue-max-queues", "3");
	be(h, "feature-split-event-channels", "1");
	create(h, 4);
	assert_int_equal(after(h, XenbusStateInitWait)->nr_queues, 3);
	check_number(h, "multi-queue-num-queues", 3);
	for (unsigned int i = 0; i < 3; i++) {
		struct front_queue *q = front_queue(h->f, i);

		snprintf(key, sizeof(key), "queue-%u/tx-ring-ref", i);
		check_number(h, key, q->from_ring_ref);
		snprintf(key, sizeof(key), "queue-%u/rx-ring-ref", i);
		check_number(h, key, q->to_ring_ref);
		snprintf(key, sizeof(key), "queue-%u/event-channel-tx", i);
		check_number(h, key, q->from_channel.local_port);
		snprintf(key, sizeof(key), "queue-%u/event-channel-rx", i);
		check_number(h, key, q->to_channel.local_port);
		assert_int_not_equal(front_from_guest_fd(q), front_to_guest_fd(q));
	}
	assert_null(front_queue(h->f, 3));
	assert_null(fe_read(h, "tx-ring-ref"));
	assert_null(fe_read(h, "event-channel-tx"));
	check_features(h);

	/* The next backend offers less: nothing of the old connection may be left. */
	after(h, XenbusStateConnected);
	after(h, XenbusStateClosed);
	be(h, "multi-queue-max-queues", NULL);
	be(h, "feature-split-event-channels", NULL);
	assert_int_equal(after(h, XenbusStateInitWait)->nr_queues, 1);
	check_number(h, "tx-ring-ref", front_queue(h->f, 0)->from_ring_ref);
	check_number(h, "event-channel", front_queue(h->f, 0)->from_channel.local_port);
	assert_null(fe_read(h, "multi-queue-num-queues"));
	assert_null(fe_read(h, "queue-0"));
	assert_null(fe_read(h, "queue-2"));
}

static void test_takes_offers_for_what_they_are(void **state)
{
	static const struct {
		const char *sg, *v4, *v6, *no_csum, *csum6;
		bool want_sg, want_v4, want_v6;
	} cases[] = {
		{ "1", "1", "1", NULL, "1", true, true, true },
		{ NULL, "1", "1", NULL, "1", false, false, false },
		{ "1", "1", "1", NULL, NULL, true, true, false },
		{ "1", "1", "1", "1", "1", true, false, true },
		{ "banana", "1", "1", NULL, "1", false, false, false },
		{ "2", "", "-1", NULL, "1", false, false, false },
		{ "1", "99999999999999999999", " 1", NULL, "1", true, false, false },
	};
	static const char *const queues[] = { "0", "-1", "many", "" };
	struct host *h = *state;
	const struct front_info *info;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		be(h, "feature-sg", cases[i].sg);
		be(h, "feature-gso-tcpv4", cases[i].v4);
		be(h, "feature-gso-tcpv6", cases[i].v6);
		be(h, "feature-no-csum-offload", cases[i].no_csum);
		be(h, "feature-ipv6-csum-offload", cases[i].csum6);
		reach(h, FRONT_CONNECTED);
		info = front_info(h->f);
		assert_int_equal(info->sg, cases[i].want_sg);
		assert_int_equal(info->gso_tcpv4, cases[i].want_v4);
		assert_int_equal(info->gso_tcpv6, cases[i].want_v6);
	}
	for (unsigned int i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		be(h, "multi-queue-max-queues", queues[i]);
		create(h, 2);
		assert_int_equal(after(h, XenbusStateInitWait)->nr_queues, 1);
	}
	be(h, "multi-queue-max-queues", "4294967295");
	create(h, 2);
	assert_int_equal(after(h, XenbusStateInitWait)->nr_queues, 2);
}

/* Asked for only where it is offered, and what was asked for once is not left in the store. */
static void test_publishes_control(void **state)
{
	static const struct front_hash hash = { .types = XEN_NETIF_CTRL_HASH_TYPE_IPV4,
						.nr_map = 1 };
	static const char *const keys[] = { "ctrl-ring-ref", "event-channel-ctrl",
					    "request-multicast-control" };
	struct host *h = *state;

	for (int offered = 1; offered >= 0; offered--) {
		be(h, "feature-ctrl-ring", offered ? "1" : "0");
		be(h, "feature-multicast-control", offered ? "1" : NULL);
		for (int wanted = 1; wanted >= 0; wanted--) {
			bool both = offered && wanted;

			/* After its predecessor's end, whose keys are still there. */
			backend_state(h, XenbusStateInitialising);
			create(h, 1);
			assert_int_equal(front_update(h->f), 0);
			if (wanted)
				assert_int_equal(front_set_hash(h->f, &hash), 0);
			front_set_multicast_control(h->f, wanted);
			after(h, XenbusStateInitWait);
			for (int i = 0; i < 3; i++)
				assert_int_equal(fe_read(h, keys[i]) != NULL,
						 i < 2 ? offered : both);
			if (both)
				check_number(h, "request-multicast-control", 1);
			assert_int_equal(front_info(h->f)->multicast_control, both);
			/* Also for what is no hash: which pages the backend may keep. */
			assert_int_equal(front_ctrl_fd(h->f) >= 0, offered);
			assert_int_equal(after(h, XenbusStateConnected)->hash,
					 both ? FRONT_HASH_ASKED : FRONT_HASH_NONE);
		}
	}
	assert_int_equal(front_info(h->f)->nr_leaked_pages, 0);
}

static void test_mtu_and_carrier(void **state)
{
	static const struct {
		const char *sg, *front, *back;
		unsigned int want;
	} cases[] = {
		{ "1", NULL, NULL, 1500 },     { "1", "9000", NULL, 9000 },
		{ "1", "1400", "9000", 1400 }, { "1", NULL, "9000", 9000 },
		{ "1", "67", NULL, 1500 },     { "1", "68", NULL, 68 },
		{ "1", "65521", NULL, 65521 }, { "1", "65522", NULL, 65521 },
		{ "1", "x", NULL, 1500 },      { "1", "-1", NULL, 1500 },
		{ NULL, "9000", NULL, 4082 },
	};
	struct host *h = *state;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		be(h, "feature-sg", cases[i].sg);
		fe(h, "mtu", cases[i].front);
		be(h, "mtu", cases[i].back);
		reach(h, FRONT_CONNECTED);
		assert_int_equal(front_info(h->f)->mtu, cases[i].want);
	}
	assert_true(front_info(h->f)->carrier);
	be(h, "carrier", "0");
	assert_int_equal(front_update(h->f), 0);
	assert_false(front_info(h->f)->carrier);
	be(h, "carrier", "1");
	assert_int_equal(front_update(h->f), 0);
	assert_true(front_info(h->f)->carrier);
	assert_false(after(h, XenbusStateClosing)->carrier);
}

static void test_violation_is_for_good(void **state)
{
	struct host *h = *state;

	reach(h, FRONT_CONNECTED);
	front_queue_break(front_queue(h->f, 0), "backend did this or that");
	assert_int_equal(front_update(h->f), 0);
	assert_int_equal(front_info(h->f)->state, FRONT_BROKEN);
	assert_string_equal(front_info(h->f)->reason, "backend did this or that");
	assert_string_equal(fe_read(h, "error/device/vif/0/error"), "backend did this or that");
	assert_string_equal(fe_read(h, "state"), "6");
	assert_int_equal(after(h, XenbusStateInitWait)->state, FRONT_BROKEN);
}

static void test_restarted_backend_is_waited_for(void **state)
{
	struct host *h = *state;
	unsigned int connection;

	reach(h, FRONT_CONNECTED);
	connection = front_info(h->f)->connection;
	for (int i = 0; i < 3; i++)
		assert_int_equal(front_update(h->f), 0);
	assert_int_equal(front_info(h->f)->connection, connection);
	after(h, XenbusStateClosed);
	after(h, XenbusStateInitWait);
	assert_int_equal(after(h, XenbusStateConnected)->connection, connection + 1);
}

static void test_successor_starts_over(void **state)
{
	struct host *h = *state;

	reach(h, FRONT_CONNECTED);
	create(h, 1); /* as after the death of the process: the store still says Connected */
	assert_string_equal(fe_read(h, "state"), "1");
	assert_int_equal(front_update(h->f), 0);
	assert_int_equal(front_info(h->f)->state, FRONT_INITIALISING);
	assert_int_equal(after(h, XenbusStateInitWait)->state, FRONT_INITIALISED);
	assert_int_equal(after(h, XenbusStateConnected)->state, FRONT_CONNECTED);
}

static void test_gone_and_nonsense(void **state)
{
	struct host *h = *state;
	struct front *none = NULL;

	reach(h, FRONT_CONNECTED);
	be(h, "state", "seventeen");
	assert_int_equal(front_update(h->f), 0);
	assert_int_equal(front_info(h->f)->state, FRONT_CONNECTED);
	fe(h, "backend", "/local/domain/0/backend/vif/1/1");
	assert_int_equal(front_update(h->f), -ENOENT);
	fe(h, "backend", NULL);
	assert_int_equal(front_update(h->f), -ENOENT);

	assert_int_equal(front_create(h->guest, 0, 1, "x", &none), -ENOENT);
	assert_int_equal(front_create(h->guest, 7, 1, "x", &none), -ENOENT);
	toolstack(h);
	fe(h, "mac", "00:16:3e:01:02");
	assert_int_equal(front_create(h->guest, 0, 1, "x", &none), -EINVAL);
	fe(h, "mac", NULL);
	assert_int_equal(front_create(h->guest, 0, 1, "x", &none), -ENOENT);
	fe(h, "mac", "00:16:3e:01:02:03");
	fe(h, "backend-id", "32752");
	assert_int_equal(front_create(h->guest, 0, 1, "x", &none), -EINVAL);
	assert_null(none);
}

static void test_close_by_the_guest(void **state)
{
	struct host *h = *state;

	reach(h, FRONT_CONNECTED);
	assert_non_null(fe_read(h, "tx-ring-ref"));
	front_close(h->f);
	assert_string_equal(fe_read(h, "state"), "6");
	assert_null(front_queue(h->f, 0));
	assert_null(fe_read(h, "tx-ring-ref"));
	assert_null(fe_read(h, "event-channel"));
	front_close(h->f);
}

struct backend {
	struct host host; /* with a connection of its own */
	uint32_t ref;
	bool seen, granted;
};

static bool granted(struct host *h, uint32_t ref)
{
	const grant_entry_v1_t *grants = core_domain_page(h->core, h->domid, CORE_PAGE_GRANTS);

	return __atomic_load_n(&grants[ref].flags, __ATOMIC_ACQUIRE) != 0;
}

static void *lets_go_late(void *arg)
{
	struct backend *b = arg;

	for (int i = 0; i < 5000 && !b->seen; i++) {
		const char *state = fe_read(&b->host, "state");

		b->seen = state && !strcmp(state, "5");
		usleep(1000);
	}
	usleep(50000);
	b->granted = granted(&b->host, b->ref);
	backend_state(&b->host, XenbusStateClosing);
	return NULL;
}

/* A page that a backend has mapped would not be the guest's again for long. */
static void test_backend_lets_go_first(void **state)
{
	struct host *h = *state;
	struct backend b = { .host = *h };
	pthread_t thread;

	reach(h, FRONT_CONNECTED);
	assert_int_equal(parse_u32(fe_read(h, "tx-ring-ref"), UINT32_MAX, &b.ref), 0);
	assert_true(granted(h, b.ref));
	assert_int_equal(open_store(h, 0, &b.host.store), 0);
	assert_int_equal(pthread_create(&thread, NULL, lets_go_late, &b), 0);
	front_close(h->f);
	pthread_join(thread, NULL);
	hv_store_close(b.host.store);
	assert_true(b.seen);
	assert_true(b.granted);
	assert_false(granted(h, b.ref));
}

#define test_device(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_device(test_every_pair_of_states),
		test_device(test_backend_passes_closing),
		test_device(test_publishes_one_queue),
		test_device(test_publishes_what_it_takes),
		test_device(test_publishes_many_queues_then_one),
		test_device(test_takes_offers_for_what_they_are),
		test_device(test_publishes_control),
		test_device(test_mtu_and_carrier),
		test_device(test_violation_is_for_good),
		test_device(test_restarted_backend_is_waited_for),
		test_device(test_successor_starts_over),
		test_device(test_gone_and_nonsense),
		test_device(test_close_by_the_guest),
		test_device(test_backend_lets_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
