/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hypercalls over sockets: hostile packets, peers that die or do not listen, a server that dies. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/event_channel.h>

#include "base/unixsock.h"
#include "hv/core.h"
#include "hv/guest.h"
#include "hv/hvd_hypercall.h"
#include "hv/hypercall.h"
#include "hv/xenstore/xs_server.h"

#define NR_KEPT 64

struct rig {
	char dir[32];
	struct loop *loop;
	struct core *core;
	struct xs_server *xs;
	struct hvd_hypercall *server;
	uint16_t domid[2];
	int guest[2], server_end[2];
	struct {
		char name[64];
		int fd;
	} kept[NR_KEPT];
	/* To run the server in a thread of its own. */
	pthread_t thread;
	int stop_fd;
	struct loop_fd stop_watcher;
};

static int keep(void *arg, const char *name, int fd)
{
	struct rig *r = arg;

	for (int i = 0; i < NR_KEPT; i++)
		if (!r->kept[i].name[0]) {
			strcpy(r->kept[i].name, name);
			r->kept[i].fd = dup(fd);
			return 0;
		}
	return -ENOSPC;
}

static void drop(void *arg, const char *name)
{
	struct rig *r = arg;

	for (int i = 0; i < NR_KEPT; i++)
		if (!strcmp(r->kept[i].name, name)) {
			close(r->kept[i].fd);
			r->kept[i].name[0] = '\0';
		}
}

static void serve(struct rig *r)
{
	struct core_keeper keeper = { keep, drop, r };

	assert_int_equal(loop_create(&r->loop), 0);
	assert_int_equal(core_create(&keeper, &r->core), 0);
	assert_int_equal(xs_server_create(r->loop, r->dir, &r->xs), 0);
	assert_int_equal(hvd_hypercall_create(r->loop, r->core, r->dir, &r->server), 0);
	for (int i = 0; i < NR_KEPT; i++)
		if (r->kept[i].name[0])
			assert_true(core_restore(r->core, r->kept[i].name, dup(r->kept[i].fd)));
	core_restore_done(r->core);
	for (int i = 0; i < 2; i++)
		if (r->domid[i])
			assert_int_equal(
				hvd_hypercall_add(r->server, r->domid[i], r->server_end[i], -1), 0);
}

/* As if it were killed: what is kept stays. */
static void die(struct rig *r)
{
	hvd_hypercall_destroy(r->server);
	xs_server_destroy(r->xs);
	core_destroy(r->core);
	loop_destroy(r->loop);
}

static int setup(void **state)
{
	static struct rig rig;
	int pair[2];

	rig = (struct rig){ .dir = "/tmp/vf-hypercall.XXXXXX" };
	assert_non_null(mkdtemp(rig.dir));
	serve(&rig);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(core_domain_create(rig.core, 1, &rig.domid[i]), 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
		rig.guest[i] = pair[0];
		rig.server_end[i] = pair[1];
		assert_int_equal(hvd_hypercall_add(rig.server, rig.domid[i], pair[1], -1), 0);
	}
	*state = &rig;
	return 0;
}

static void remove_dir(const char *dir)
{
	static const char *const names[] = { "xenstored/socket", "xenstored/store.log", "xenstored",
					     "hypercall.sock" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	rmdir(dir);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	die(r);
	for (int i = 0; i < NR_KEPT; i++)
		if (r->kept[i].name[0])
			close(r->kept[i].fd);
	for (int i = 0; i < 2; i++) {
		close(r->guest[i]);
		close(r->server_end[i]);
	}
	remove_dir(r->dir);
	return 0;
}

static void turns(struct rig *r)
{
	while (loop_turn(r->loop, 0) > 0)
		;
}

static struct hypercall_request request(uint16_t op, uint16_t domid, uint32_t port)
{
	return (struct hypercall_request){
		.magic = HYPERCALL_MAGIC, .id = 7, .op = op, .domid = domid, .port = port
	};
}

/* Return: the reply's status, or 1: no reply. */
static int ask(struct rig *r, int fd, const struct hypercall_request *req,
	       struct hypercall_reply *reply)
{
	int fds[HYPERCALL_MAX_FDS];
	size_t nr = HYPERCALL_MAX_FDS;

	assert_true(send(fd, req, sizeof(*req), MSG_NOSIGNAL) == sizeof(*req));
	turns(r);
	if (unixsock_recv(fd, reply, sizeof(*reply), fds, &nr) != sizeof(*reply))
		return 1;
	while (nr)
		close(fds[--nr]);
	assert_int_equal(reply->id, req->id);
	return reply->status;
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static int connect_backend(struct rig *r)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/hypercall.sock", r->dir);
	fd = unixsock_connect(path, SOCK_SEQPACKET);
	assert_true(fd >= 0);
	turns(r);
	return fd;
}

static void test_who_may_what(void **state)
{
	struct rig *r = *state;
	struct hypercall_reply reply;
	struct hypercall_request req;
	int backend = connect_backend(r);

	for (uint16_t op = 0; op < 64; op++) {
		bool guests = op == HYPERCALL_ATTACH || op == HYPERCALL_EVTCHN_ALLOC ||
			      op == HYPERCALL_SHUTDOWN;
		bool backends = op >= HYPERCALL_DOMAIN_OPEN && op <= HYPERCALL_EVTCHN_BIND;

		req = request(op, r->domid[1], 1);
		if (backends)
			assert_int_equal(ask(r, r->guest[0], &req, &reply), -EPERM);
		if (guests)
			assert_int_equal(ask(r, backend, &req, &reply), -EPERM);
		if (op == 0 || op >= HYPERCALL_NR_OPS)
			assert_int_equal(ask(r, r->guest[0], &req, &reply), -ENOSYS);
	}
	req = request(HYPERCALL_ATTACH, 0, 0);
	req.zero = 1;
	assert_int_equal(ask(r, r->guest[0], &req, &reply), -EINVAL);
	/* Whatever domain it names, a guest speaks of itself. */
	req = request(HYPERCALL_ATTACH, r->domid[1], 0);
	assert_int_equal(ask(r, r->guest[0], &req, &reply), 0);
	assert_int_equal(reply.domid, r->domid[0]);
	req = request(HYPERCALL_EVTCHN_CLOSE, r->domid[1], CORE_PORT_STORE);
	assert_int_equal(ask(r, r->guest[0], &req, &reply), -EPERM);
	close(backend);
}

static void test_hostile_bytes(void **state)
{
	static const size_t sizes[] = { 1, 23, 25, 4096, 60000 };
	struct rig *r = *state;
	struct hypercall_request req = request(HYPERCALL_ATTACH, 0, 0);
	struct hypercall_reply reply;
	static char garbage[60000];
	int backend;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(garbage, (int)(0x5a + i), sizeof(garbage));
		backend = connect_backend(r);
		assert_true(send(backend, garbage, sizes[i], 0) > 0);
		turns(r);
		assert_true(recv(backend, garbage, 1, 0) <= 0); /* hung up */
		close(backend);
	}
	req.magic++;
	assert_int_equal(ask(r, r->guest[0], &req, &reply), 1);
	req.magic--;
	/* Its own socket is all that it has lost, and it has lost that. */
	assert_int_equal(ask(r, r->guest[0], &req, &reply), 1);
	assert_int_equal(ask(r, r->guest[1], &req, &reply), 0);
	assert_true(core_domain_exists(r->core, r->domid[0]));
}

static void test_luggage_is_dropped(void **state)
{
	struct rig *r = *state;
	struct hypercall_request req = request(HYPERCALL_EVTCHN_STATUS, 0, 1);
	int fds[4] = { 0, 0, 0, 0 };
	char reply[sizeof(struct hypercall_reply)];
	unsigned int before = count_fds();

	for (int i = 0; i < 20; i++) {
		assert_int_equal(unixsock_send(r->guest[0], &req, sizeof(req), fds, 4),
				 sizeof(req));
		turns(r);
		assert_int_equal(recv(r->guest[0], reply, sizeof(reply), 0), sizeof(reply));
	}
	assert_int_equal(count_fds(), before);
}

static void test_guest_that_does_not_listen(void **state)
{
	struct rig *r = *state;
	struct hypercall_request req = request(HYPERCALL_EVTCHN_STATUS, 0, 1);
	struct hypercall_reply reply;
	unsigned int sent = 0;

	for (int i = 0; i < 10000; i++) {
		if (send(r->guest[0], &req, sizeof(req), MSG_NOSIGNAL) < 0)
			break;
		sent++;
		if (i % 8 == 0)
			turns(r);
	}
	assert_true(sent < 10000);
	assert_int_equal(ask(r, r->guest[1], &req, &reply), 0);
}

static void test_request_outlives_the_server(void **state)
{
	struct rig *r = *state;
	struct hypercall_request req = request(HYPERCALL_EVTCHN_ALLOC, 0, 0);
	struct hypercall_reply reply;
	uint32_t generation = core_domain_generation(r->core, r->domid[0]);

	assert_int_equal(send(r->guest[0], &req, sizeof(req), 0), sizeof(req));
	die(r);
	serve(r);
	assert_int_equal(core_domain_generation(r->core, r->domid[0]), generation);
	turns(r);
	assert_int_equal(recv(r->guest[0], &reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.port, 3);
}

static void test_dead_backend_lets_go(void **state)
{
	struct rig *r = *state;
	struct hypercall_request req = request(HYPERCALL_EVTCHN_BIND, r->domid[0],
					       CORE_PORT_CONSOLE);
	struct core_evtchn_status status;
	struct hypercall_reply reply;
	int backend = connect_backend(r);

	assert_int_equal(ask(r, backend, &req, &reply), 0);
	assert_int_equal(core_evtchn_status(r->core, r->domid[0], CORE_PORT_CONSOLE, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_interdomain);
	close(backend);
	turns(r);
	assert_int_equal(core_evtchn_status(r->core, r->domid[0], CORE_PORT_CONSOLE, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_unbound);
}

static void stop_asked(void *arg, uint32_t events)
{
	struct rig *r = arg;

	(void)events;
	loop_stop(r->loop, 0);
}

static void *run_server(void *arg)
{
	struct rig *r = arg;

	loop_run(r->loop);
	return NULL;
}

static void start_thread(struct rig *r)
{
	r->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(loop_fd_add(r->loop, &r->stop_watcher, r->stop_fd, EPOLLIN, stop_asked, r),
			 0);
	assert_int_equal(pthread_create(&r->thread, NULL, run_server, r), 0);
}

static void stop_thread(struct rig *r)
{
	assert_int_equal(hypercall_event_send(r->stop_fd), 0);
	assert_int_equal(pthread_join(r->thread, NULL), 0);
	loop_fd_del(&r->stop_watcher);
	close(r->stop_fd);
}

static bool pending(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* The server is killed and comes back: rings and events go on meanwhile, and calls afterwards. */
static void test_backend_and_guest_through_a_restart(void **state)
{
	struct rig *r = *state;
	struct core_evtchn_status status;
	struct hv_evtchn front, back, front2, back2;
	struct hv_guest *guest;
	struct hv_domain *dom;
	struct hv_gnt_map map;
	struct hv *hv;
	uint32_t ref;
	void *page;

	start_thread(r);
	assert_int_equal(hv_core_connect(r->dir, &hv), 0);
	assert_int_equal(hv->domain->open(hv, r->domid[0], &dom), 0);
	stop_thread(r);
	assert_int_equal(hv_guest_attach_local(r->core, r->domid[0], &guest), 0);
	assert_int_equal(hv_guest_evtchn_alloc(guest, 0, &front), 0);
	assert_int_equal(hv_guest_evtchn_alloc(guest, 0, &front2), 0);
	assert_int_equal(hv_guest_pages_alloc(guest, 1, &page), 0);
	assert_int_equal(hv_guest_grant(guest, 0, page, false, &ref), 0);
	start_thread(r);
	assert_int_equal(hv->evtchn->bind(hv, r->domid[0], front.local_port, &back), 0);
	assert_int_equal(hv->gnt->map(dom, ref, &map), 0);
	hv->evtchn->unmask(&back);

	stop_thread(r);
	die(r);
	strcpy(page, "still here");
	assert_string_equal(map.page, "still here");
	assert_int_equal(hv_guest_evtchn_notify(&front), 0);
	assert_true(pending(back.fd));
	serve(r);
	assert_int_equal(core_evtchn_status(r->core, r->domid[0], front.local_port, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_unbound);

	start_thread(r);
	assert_int_equal(hv->evtchn->bind(hv, r->domid[0], front2.local_port, &back2), 0);
	stop_thread(r);
	/* The first call after it brought the older channel back, under its own number. */
	assert_int_equal(core_evtchn_status(r->core, r->domid[0], front.local_port, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_interdomain);
	assert_int_equal(status.remote_port, back.local_port);
	assert_int_not_equal(back2.local_port, back.local_port);
	start_thread(r);
	hv->evtchn->unbind(&back);
	hv->evtchn->unbind(&back2);
	hv->gnt->unmap(&map);
	hv->domain->close(dom);
	hv->close(hv);
	stop_thread(r);
	assert_int_equal(core_evtchn_status(r->core, r->domid[0], front.local_port, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_unbound);
	/* Its core went with the first server. */
	close(front.fd);
	close(front.notify_fd);
	close(front2.fd);
	close(front2.notify_fd);
	hv_guest_detach(guest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_may_what),
		TEST(test_hostile_bytes),
		TEST(test_luggage_is_dropped),
		TEST(test_guest_that_does_not_listen),
		TEST(test_request_outlives_the_server),
		TEST(test_dead_backend_lets_go),
		TEST(test_backend_and_guest_through_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
