/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A xenstore server that is killed at any moment, again and again, under a guest that knows nothing of that, as
 * Linux does not: its requests, several at a time and larger than the ring, are answered once each, in order.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <xen/io/xs_wire.h>

#include "base/loop.h"
#include "hv/xenstore/xs_server.h"

#define DOMID	 3
#define KILLS	 120
#define FLIGHT	 6
#define WAIT_MS	 10000
#define BODY_MAX 1800
#define KEYS	 4

/* Of both processes. */
struct shared {
	struct xenstore_domain_interface page;
	char pad[4096 - sizeof(struct xenstore_domain_interface)];
	unsigned int kills;
	unsigned int started;
	int stop;
};

struct world {
	struct shared *shared;
	volatile struct xenstore_domain_interface *page;
	int to_server, to_guest;
	char rundir[64];
	pid_t supervisor;
	/* What is asked and not answered yet, oldest first. */
	struct xsd_sockmsg asked[FLIGHT];
	uint32_t sent, answered; /* numbers of requests */
	struct xsd_sockmsg msg;
	char data[XENSTORE_PAYLOAD_MAX + 1];
	unsigned int events;
};

static void serve(struct world *w, bool restarted)
{
	struct hv_store_perm all = { 0, true, true };
	struct xs_server *server;
	struct hv_store *dom0;
	struct loop *loop;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (loop_create(&loop) || xs_server_create(loop, w->rundir, &server) ||
	    xs_server_store(server, &dom0))
		_exit(1);
	if (!restarted &&
	    (hv_store_mkdir(dom0, 0, "/m") || hv_store_set_perms(dom0, 0, "/m", &all, 1)))
		_exit(1);
	if (xs_server_introduce(server, DOMID, &w->shared->page, w->to_server, w->to_guest,
				restarted))
		_exit(1);
	__atomic_add_fetch(&w->shared->started, 1, __ATOMIC_RELEASE);
	loop_run(loop);
	_exit(1);
}

/* Ends with the last server alive, which dies with it. */
static void supervise(struct world *w)
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int n = 0;; n++) {
		pid_t pid = fork();

		if (pid == 0)
			serve(w, n > 0);
		if (pid < 0)
			_exit(1);
		while (__atomic_load_n(&w->shared->stop, __ATOMIC_ACQUIRE))
			pause();
		/* However long a start takes, each server gets to do something. */
		while (__atomic_load_n(&w->shared->started, __ATOMIC_ACQUIRE) <= n &&
		       waitpid(pid, NULL, WNOHANG) == 0)
			usleep(200);
		usleep((useconds_t)(random() % 4000));
		kill(pid, SIGKILL);
		/* One that ended by itself could not take up what the one before left. */
		if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
			_exit(1);
		__atomic_add_fetch(&w->shared->kills, 1, __ATOMIC_RELEASE);
	}
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->rundir, "/tmp/vifrost-xs.XXXXXX");
	assert_non_null(mkdtemp(w->rundir));
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(w->shared != MAP_FAILED);
	w->page = &w->shared->page;
	w->to_server = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->to_guest = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	srandom(3);
	w->supervisor = fork();
	if (w->supervisor == 0)
		supervise(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = { "xenstored/ring.3", "xenstored/store.log",
					     "xenstored/store.log.new", "xenstored/socket",
					     "xenstored/socket.lock" };
	struct world *w = *state;
	char path[128];

	kill(w->supervisor, SIGKILL);
	waitpid(w->supervisor, NULL, 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->rundir, files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/xenstored", w->rundir);
	rmdir(path);
	rmdir(w->rundir);
	munmap(w->shared, sizeof(*w->shared));
	close(w->to_server);
	close(w->to_guest);
	free(w);
	return 0;
}

/* What Linux's driver does: write what there is room for, tell, wait to be told. */
static void wait_for_server(struct world *w)
{
	struct pollfd p = { .fd = w->to_guest, .events = POLLIN };
	uint64_t n = 1;

	assert_int_equal(write(w->to_server, &n, sizeof(n)), sizeof(n));
	/* Each new server tells, too. */
	if (poll(&p, 1, WAIT_MS) != 1 || w->shared->kills > 4 * KILLS)
		fail_msg("request %u is not answered, after %u kills", w->answered,
			 w->shared->kills);
	assert_int_equal(read(w->to_guest, &n, sizeof(n)), sizeof(n));
	/* Nobody asked it to reconnect. */
	assert_int_equal(w->page->connection, XENSTORE_CONNECTED);
	assert_int_equal(w->page->error, XENSTORE_ERROR_NONE);
}

static void take(struct world *w, void *to, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		while (__atomic_load_n(&w->page->rsp_prod, __ATOMIC_ACQUIRE) == w->page->rsp_cons)
			wait_for_server(w);
		((char *)to)[i] = w->page->rsp[MASK_XENSTORE_IDX(w->page->rsp_cons)];
		__atomic_store_n(&w->page->rsp_cons, w->page->rsp_cons + 1, __ATOMIC_RELEASE);
	}
}

/* The next reply; events before it are counted. */
static void take_reply(struct world *w)
{
	const struct xsd_sockmsg *asked = &w->asked[w->answered % FLIGHT];

	do {
		take(w, &w->msg, sizeof(w->msg));
		assert_true(w->msg.len <= XENSTORE_PAYLOAD_MAX);
		take(w, w->data, w->msg.len);
		w->data[w->msg.len] = '\0';
		w->events += w->msg.type == XS_WATCH_EVENT;
	} while (w->msg.type == XS_WATCH_EVENT);
	assert_int_equal(w->msg.req_id, asked->req_id);
	assert_int_equal(w->msg.tx_id, asked->tx_id);
	assert_true(w->msg.type == asked->type || w->msg.type == XS_ERROR);
	w->answered++;
}

static void give(struct world *w, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		while (w->page->req_prod - __atomic_load_n(&w->page->req_cons, __ATOMIC_ACQUIRE) ==
		       XENSTORE_RING_SIZE)
			wait_for_server(w);
		w->page->req[MASK_XENSTORE_IDX(w->page->req_prod)] = ((const char *)from)[i];
		__atomic_store_n(&w->page->req_prod, w->page->req_prod + 1, __ATOMIC_RELEASE);
	}
}

static void ask(struct world *w, uint32_t type, uint32_t tx, const void *body, size_t size)
{
	struct xsd_sockmsg msg = { type, w->sent + 1, tx, (uint32_t)size };

	assert_true(w->sent - w->answered < FLIGHT);
	w->asked[w->sent++ % FLIGHT] = msg;
	give(w, &msg, sizeof(msg));
	give(w, body, size);
}

static const char *call(struct world *w, uint32_t type, uint32_t tx, const void *body, size_t size)
{
	ask(w, type, tx, body, size);
	while (w->answered != w->sent)
		take_reply(w);
	return w->msg.type == XS_ERROR ? w->data : "OK";
}

/* "/m/KEY\0NUMBER " and letters, so that replies of such a value are larger than the ring, too. */
static size_t value_body(char body[BODY_MAX], unsigned int key, unsigned int number, size_t size)
{
	int n = snprintf(body, BODY_MAX, "/m/%u", key) + 1;

	memset(body + n, 'v', size);
	n += snprintf(body + n, 16, "%u ", number);
	body[n] = 'v';
	return 5 + size;
}

/* Writes and reads of some keys in one go; what is read was written by then. */
static void burst(struct world *w, unsigned int number)
{
	char body[BODY_MAX];
	unsigned int key = number % KEYS;

	ask(w, XS_WRITE, 0, body,
	    value_body(body, key, number, 20 + (size_t)random() % (BODY_MAX - 40)));
	snprintf(body, sizeof(body), "/m/%u", key);
	ask(w, XS_READ, 0, body, strlen(body) + 1);
	ask(w, XS_DIRECTORY, 0, "/m", 3);
	take_reply(w);
	assert_string_equal(w->data, "OK");
	take_reply(w);
	assert_int_equal(w->msg.type, XS_READ);
	assert_int_equal(strtoul(w->data, NULL, 10), number);
	take_reply(w);
	assert_int_equal(w->msg.type, XS_DIRECTORY);
}

static void transaction(struct world *w, unsigned int number)
{
	char body[64];
	const char *end;
	uint32_t tx;
	int n;

	do {
		call(w, XS_TRANSACTION_START, 0, "", 1);
		assert_int_equal(w->msg.type, XS_TRANSACTION_START);
		tx = (uint32_t)strtoul(w->data, NULL, 10);
		for (int i = 0; i < 2; i++) {
			n = snprintf(body, sizeof(body), "/m/t%d%c%u", i, 0, number);
			assert_string_equal(call(w, XS_WRITE, tx, body, (size_t)n), "OK");
		}
		end = call(w, XS_TRANSACTION_END, tx, "T", 2);
	} while (!strcmp(end, "EAGAIN"));
	assert_string_equal(end, "OK");
	for (int i = 0; i < 2; i++) {
		n = snprintf(body, sizeof(body), "/m/t%d", i) + 1;
		call(w, XS_READ, 0, body, (size_t)n);
		assert_int_equal(strtoul(w->data, NULL, 10), number);
	}
}

static void test_killed_at_any_moment(void **state)
{
	static const char watch[] = "/m/w\0token", gone[] = "/m/x\0token";
	struct world *w = *state;
	unsigned int number = 0, events;

	assert_string_equal(call(w, XS_WATCH, 0, watch, sizeof(watch)), "OK");
	assert_string_equal(call(w, XS_WATCH, 0, gone, sizeof(gone)), "OK");
	call(w, XS_UNWATCH, 0, gone, sizeof(gone));
	while (__atomic_load_n(&w->shared->kills, __ATOMIC_ACQUIRE) < KILLS) {
		burst(w, ++number);
		if (number % 5 == 0)
			transaction(w, number);
	}
	__atomic_store_n(&w->shared->stop, 1, __ATOMIC_RELEASE);
	usleep(20000);
	/* The last server may have its kill coming; the watch is there in whichever lives. */
	for (int i = 0; i < 3; i++)
		burst(w, ++number);
	events = w->events;
	assert_true(events > 0);
	assert_string_equal(call(w, XS_WRITE, 0, "/m/x\0001", 6), "OK");
	burst(w, ++number);
	assert_int_equal(w->events, events);
	assert_string_equal(call(w, XS_WRITE, 0, "/m/w\0001", 6), "OK");
	burst(w, ++number);
	assert_true(w->events > events);
	/* It came forward between two deaths, if slowly where all is checked. */
	assert_true(number > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed_at_any_moment, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
