/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What carries the messages: rings that a guest spoils in every way, the ring client, and the stream
 * client against a server that lies.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/unixsock.h"
#include "hv/xenstore/xs_ring_client.h"
#include "tests/util/xs_guest.h"

struct world {
	struct loop *loop;
	struct xs_server *server;
	struct hv_store *dom0;
	struct xs_guest a, b;
};

static void prepare(struct world *w)
{
	struct hv_store_perm all = { 0, true, true };

	assert_int_equal(xs_server_create_private(w->loop, &w->server), 0);
	assert_int_equal(xs_server_store(w->server, &w->dom0), 0);
	assert_int_equal(hv_store_mkdir(w->dom0, 0, "/m"), 0);
	assert_int_equal(hv_store_set_perms(w->dom0, 0, "/m", &all, 1), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_create(&w->loop), 0);
	prepare(w);
	xs_guest_start(&w->a, w->loop, w->server, 1);
	xs_guest_start(&w->b, w->loop, w->server, 2);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	xs_guest_end(&w->a);
	xs_guest_end(&w->b);
	hv_store_close(w->dom0);
	xs_server_destroy(w->server);
	loop_destroy(w->loop);
	free(w);
	return 0;
}

/* The one guest is cut off with @error in its page, the other does not notice. */
static void check_cut_off(struct world *w, struct xs_guest *g, unsigned int error)
{
	xs_guest_kick(g);
	xs_turns(w->loop);
	assert_int_equal(g->page->error, error);
	assert_true(xs_server_is_introduced(w->server, g->domid));
	assert_int_equal(xs_guest_write(&w->b, 0, "/m/b", "alive"), 0);
	assert_int_equal(xs_guest_write(g, 0, "/m/a", "no"), -EIO);
}

static void test_full_ring(void **state)
{
	struct world *w = *state;
	struct xsd_sockmsg msg = { XS_WRITE, 1, 0, XENSTORE_RING_SIZE - sizeof(msg) };
	char request[XENSTORE_RING_SIZE];

	/* A request that fills the ring to the last byte, beginning anywhere in it. */
	for (int i = 0; i < 50; i++) {
		memset(request, 'v', sizeof(request));
		memcpy(request, &msg, sizeof(msg));
		strcpy(request + sizeof(msg), "/m/full");
		assert_int_equal(xs_guest_put(&w->a, request, sizeof(request)), sizeof(request));
		xs_guest_kick(&w->a);
		xs_turns(w->loop);
		assert_true(xs_guest_get(&w->a));
		assert_int_equal(w->a.msg.type, XS_WRITE);
		assert_int_equal(xs_guest_write(&w->a, 0, "/m/odd", "length"), 0);
	}
	/* And one larger than the ring, byte by byte. */
	msg.len = 2000;
	memcpy(request, &msg, sizeof(msg));
	for (size_t i = 0; i < sizeof(msg) + msg.len; i++) {
		const char *byte = i < sizeof(msg) + 8 ? request + i : "v";

		assert_int_equal(xs_guest_put(&w->a, byte, 1), 1);
		xs_guest_kick(&w->a);
		xs_turns(w->loop);
	}
	assert_true(xs_guest_get(&w->a));
	assert_int_equal(w->a.msg.type, XS_WRITE);
}

static void test_bad_indices(void **state)
{
	static const uint32_t off[] = { XENSTORE_RING_SIZE + 1, 0x7fffffff, 0x80000000,
					0xfffffff0 };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		for (int response = 0; response < 2; response++) {
			struct xs_guest g;

			xs_guest_start(&g, w->loop, w->server, 9);
			assert_int_equal(xs_guest_write(&g, 0, "/m/x", "y"), 0);
			if (response)
				g.page->rsp_cons = g.page->rsp_prod - off[i];
			else
				g.page->req_prod = g.page->req_cons + off[i];
			check_cut_off(w, &g, XENSTORE_ERROR_RINGIDX);
			xs_guest_end(&g);
		}
	}
}

static void test_our_indices_overwritten(void **state)
{
	struct world *w = *state;

	/* The server's own are only written by it: what a guest puts there changes nothing. */
	for (int i = 0; i < 20; i++) {
		uint32_t cons = w->a.page->req_cons, prod = w->a.page->rsp_prod;

		w->a.page->req_cons = (uint32_t)random();
		w->a.page->rsp_prod = (uint32_t)random();
		xs_guest_kick(&w->a);
		xs_turns(w->loop);
		w->a.page->req_cons = cons;
		w->a.page->rsp_prod = prod;
		assert_int_equal(xs_guest_write(&w->a, 0, "/m/x", "y"), 0);
	}
}

static void test_bad_sizes(void **state)
{
	static const uint32_t sizes[] = { XENSTORE_PAYLOAD_MAX + 1, 0x7fffffff, 0x80000000,
					  0xffffffff };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct xsd_sockmsg msg = { XS_READ, 1, 0, sizes[i] };
		struct xs_guest g;

		xs_guest_start(&g, w->loop, w->server, 9);
		xs_guest_put(&g, &msg, sizeof(msg));
		check_cut_off(w, &g, XENSTORE_ERROR_PROTO);
		xs_guest_end(&g);
	}
}

static void test_random_pages(void **state)
{
	struct world *w = *state;

	srandom(7);
	for (int i = 0; i < 300; i++) {
		struct xs_guest g;

		xs_guest_start(&g, w->loop, w->server, 9);
		for (int turn = 0; turn < 20; turn++) {
			for (size_t at = 0; at < sizeof(*g.page); at++)
				if (random() % 8 == 0)
					((char *)g.page)[at] = (char)random();
			if (random() % 2)
				g.page->req_prod = g.page->req_cons + (uint32_t)random() % 1025;
			xs_guest_kick(&g);
			xs_turns(w->loop);
		}
		xs_guest_end(&g);
	}
	assert_int_equal(xs_guest_write(&w->b, 0, "/m/b", "alive"), 0);
	assert_int_equal(xs_server_domain_nodes(w->server, 9), 0);
}

/* A guest that starts a new kernel asks for an empty ring (XSA-425). */
static void test_guest_reconnects(void **state)
{
	struct world *w = *state;
	struct xs_server_stats stats;

	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "/m", "t"), 0);
	assert_true(xs_guest_tx(&w->a) > 0);
	assert_int_equal(xs_guest_put(&w->a, "half a request", 7), 7);
	w->a.page->connection = XENSTORE_RECONNECT;
	xs_guest_kick(&w->a);
	xs_turns(w->loop);
	assert_int_equal(w->a.page->connection, XENSTORE_CONNECTED);
	assert_int_equal(w->a.page->req_prod, 0);
	assert_int_equal(w->a.page->rsp_prod, 0);
	xs_server_stats(w->server, &stats);
	assert_int_equal(stats.watches, 0);
	assert_int_equal(stats.transactions, 0);
	xs_guest_forget_events(&w->a);
	assert_int_equal(xs_guest_write(&w->a, 0, "/m/x", "y"), 0);
}

/* The server in a thread of its own, so that the blocking client can be used. */
struct thread {
	pthread_t id;
	struct loop *loop;
	int stop_fd;
	struct loop_fd stop;
};

static void stop_loop(void *arg, uint32_t events)
{
	struct thread *t = arg;

	(void)events;
	loop_stop(t->loop, 0);
}

static void *serve(void *arg)
{
	loop_run(((struct thread *)arg)->loop);
	return NULL;
}

static void thread_start(struct thread *t, struct loop *loop)
{
	t->loop = loop;
	t->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(loop_fd_add(loop, &t->stop, t->stop_fd, EPOLLIN, stop_loop, t), 0);
	assert_int_equal(pthread_create(&t->id, NULL, serve, t), 0);
}

static void thread_stop(struct thread *t)
{
	uint64_t one = 1;

	assert_int_equal(write(t->stop_fd, &one, sizeof(one)), sizeof(one));
	pthread_join(t->id, NULL);
	loop_fd_del(&t->stop);
	close(t->stop_fd);
}

static char *next_event(struct hv_store *s, const char *token)
{
	struct pollfd pfd = { .fd = hv_store_fd(s), .events = POLLIN };
	char *path, *got;

	while (hv_store_next_event(s, &path, &got) == -EAGAIN)
		assert_int_equal(poll(&pfd, 1, 5000), 1);
	assert_string_equal(got, token);
	return path;
}

static void expect_event(struct hv_store *s, const char *token, const char *want)
{
	char *path = next_event(s, token);

	assert_string_equal(path, want);
	free(path);
}

static void test_ring_client(void **state)
{
	struct world *w = *state;
	char big[XS_QUOTA_NODE_SIZE - 64], *value, **names;
	struct hv_store *s;
	struct thread t;
	unsigned int nr;
	size_t size;
	uint32_t tx;

	assert_int_equal(xs_ring_client_open(w->a.page, w->a.to_guest, w->a.to_server, &s), 0);
	thread_start(&t, w->loop);
	memset(big, 'b', sizeof(big));
	/* Larger than the ring, both ways. */
	assert_int_equal(hv_store_write(s, 0, "/m/big", big, sizeof(big)), 0);
	assert_int_equal(hv_store_read(s, 0, "/m/big", &value, &size), 0);
	assert_int_equal(size, sizeof(big));
	assert_memory_equal(value, big, size);
	free(value);
	assert_int_equal(hv_store_read(s, 0, "/nope", &value, NULL), -EACCES);
	/* Events that come before an answer wait, and the descriptor tells of them. */
	assert_int_equal(hv_store_watch(s, "/m", "t"), 0);
	assert_int_equal(hv_store_write(s, 0, "/m/x", "1", 1), 0);
	assert_int_equal(hv_store_write(s, 0, "/m/y", "1", 1), 0);
	expect_event(s, "t", "/m");
	expect_event(s, "t", "/m/x");
	expect_event(s, "t", "/m/y");
	assert_int_equal(hv_store_directory(s, 0, "/m", &names, &nr), 0);
	assert_int_equal(nr, 3);
	free(names);
	assert_int_equal(hv_store_transaction_start(s, &tx), 0);
	assert_int_equal(hv_store_write(s, tx, "/m/x", "2", 1), 0);
	assert_int_equal(hv_store_transaction_end(s, tx, true), 0);
	expect_event(s, "t", "/m/x");
	assert_int_equal(hv_store_unwatch(s, "/m", "t"), 0);
	thread_stop(&t);
	hv_store_close(s);
}

struct late {
	struct hv_store *s;
	int rc;
};

static void *late_write(void *arg)
{
	struct late *late = arg;

	late->rc = hv_store_write(late->s, 0, "/m/late", "1", 1);
	return NULL;
}

/* An answer and an event with one notification: the descriptor still tells of the event. */
static void test_event_behind_answer(void **state)
{
	static const char event[] = "/m/w\0t";
	struct xsd_sockmsg reply = { XS_WRITE, 1, 0, 3 };
	struct xsd_sockmsg told = { XS_WATCH_EVENT, 0, 0, sizeof(event) };
	struct xenstore_domain_interface page = { .connection = XENSTORE_CONNECTED };
	int to_guest = eventfd(0, EFD_NONBLOCK), to_server = eventfd(0, EFD_NONBLOCK);
	struct pollfd pfd = { .events = POLLIN };
	struct hv_store *s;
	uint64_t one = 1;
	char *at = page.rsp, *path, *token;

	(void)state;
	at = mempcpy(at, &reply, sizeof(reply));
	at = mempcpy(at, "OK", 3);
	at = mempcpy(at, &told, sizeof(told));
	at = mempcpy(at, event, sizeof(event));
	page.rsp_prod = (uint32_t)(at - page.rsp);
	assert_int_equal(write(to_guest, &one, sizeof(one)), sizeof(one));
	assert_int_equal(xs_ring_client_open(&page, to_guest, to_server, &s), 0);
	assert_int_equal(hv_store_write(s, 0, "/m/x", "1", 1), 0);
	pfd.fd = hv_store_fd(s);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	expect_event(s, "t", "/m/w");
	/* And of no more. */
	assert_int_equal(hv_store_next_event(s, &path, &token), -EAGAIN);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	hv_store_close(s);
	close(to_guest);
	close(to_server);
}

/* The server dies and another takes over the ring, with a request half way in it. */
static void test_server_restarts(void **state)
{
	struct world *w = *state;
	struct late late = { 0 };
	struct hv_store *s;
	struct thread t;
	pthread_t writer;
	uint32_t tx;

	assert_int_equal(xs_ring_client_open(w->a.page, w->a.to_guest, w->a.to_server, &s), 0);
	thread_start(&t, w->loop);
	assert_int_equal(hv_store_watch(s, "/m/w", "t"), 0);
	assert_int_equal(hv_store_watch(s, "/m/gone", "gone"), 0);
	assert_int_equal(hv_store_unwatch(s, "/m/gone", "gone"), 0);
	expect_event(s, "t", "/m/w");
	expect_event(s, "gone", "/m/gone");
	assert_int_equal(hv_store_transaction_start(s, &tx), 0);
	thread_stop(&t);

	/* Nobody serves: the request lies in the ring. */
	late.s = s;
	assert_int_equal(pthread_create(&writer, NULL, late_write, &late), 0);
	while (__atomic_load_n(&w->a.page->req_prod, __ATOMIC_ACQUIRE) ==
	       __atomic_load_n(&w->a.page->req_cons, __ATOMIC_ACQUIRE))
		usleep(1000);
	xs_server_release(w->server, 1);
	xs_server_release(w->server, 2);
	hv_store_close(w->dom0);
	xs_server_destroy(w->server);
	prepare(w);
	assert_int_equal(
		xs_server_introduce(w->server, 1, w->a.page, w->a.to_server, w->a.to_guest, true),
		0);
	assert_int_equal(
		xs_server_introduce(w->server, 2, w->b.page, w->b.to_server, w->b.to_guest, true),
		0);
	w->a.server = w->b.server = w->server;
	thread_start(&t, w->loop);
	pthread_join(writer, NULL);
	assert_int_equal(late.rc, 0);

	/* The transaction from before is to be repeated; the watch is there again and fires anew. */
	assert_int_equal(hv_store_write(s, tx, "/m/t", "1", 1), -EAGAIN);
	assert_int_equal(hv_store_transaction_end(s, tx, true), -EAGAIN);
	expect_event(s, "t", "/m/w");
	assert_int_equal(hv_store_write(s, 0, "/m/gone", "1", 1), 0);
	assert_int_equal(hv_store_write(s, 0, "/m/w/x", "1", 1), 0);
	expect_event(s, "t", "/m/w/x");
	assert_int_equal(hv_store_transaction_start(s, &tx), 0);
	assert_int_equal(hv_store_write(s, tx, "/m/t", "1", 1), 0);
	assert_int_equal(hv_store_transaction_end(s, tx, true), 0);
	thread_stop(&t);
	hv_store_close(s);
}

/* A server that answers with prepared bytes, a few at a time. */
struct liar {
	int listen_fd;
	const char *bytes;
	size_t size, step;
};

static void *lie(void *arg)
{
	struct liar *l = arg;
	struct pollfd pfd = { .fd = l->listen_fd, .events = POLLIN };
	int fd = poll(&pfd, 1, 5000) == 1 ? accept(l->listen_fd, NULL, NULL) : -1;
	char request[XENSTORE_PAYLOAD_MAX];

	if (fd < 0 || recv(fd, request, sizeof(request), 0) <= 0)
		return NULL;
	for (size_t at = 0; at < l->size; at += l->step) {
		size_t n = l->size - at < l->step ? l->size - at : l->step;

		if (send(fd, l->bytes + at, n, MSG_NOSIGNAL) < 0)
			break;
	}
	/* Until the client gives up. */
	shutdown(fd, SHUT_WR);
	while (recv(fd, request, sizeof(request), 0) > 0)
		;
	close(fd);
	return NULL;
}

/* What reading "/x" leads to when the server sends these bytes. */
static int read_from_liar(const void *bytes, size_t size, size_t step, unsigned int *nr_events)
{
	struct liar liar = { .bytes = bytes, .size = size, .step = step };
	char dir[] = "/tmp/vf-liar.XXXXXX", path[64], *value = NULL, *event, *token;
	struct hv_store *s;
	pthread_t thread;
	int rc;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	liar.listen_fd = unixsock_listen(path, SOCK_STREAM, 0600);
	assert_true(liar.listen_fd >= 0);
	assert_int_equal(pthread_create(&thread, NULL, lie, &liar), 0);
	assert_int_equal(hv_store_connect(path, &s), 0);
	rc = hv_store_read(s, 0, "/x", &value, NULL);
	if (rc == 0)
		assert_string_equal(value, "truth");
	free(value);
	for (*nr_events = 0; hv_store_next_event(s, &event, &token) == 0; ++*nr_events)
		free(event);
	/* A store that was lied to stays closed. */
	if (rc == -ECONNRESET)
		assert_int_equal(hv_store_mkdir(s, 0, "/x"), -ECONNRESET);
	hv_store_close(s);
	pthread_join(thread, NULL);
	close(liar.listen_fd);
	unlink(path);
	rmdir(dir);
	return rc;
}

static size_t message(char *at, uint32_t type, uint32_t id, uint32_t len, const char *data,
		      size_t size)
{
	struct xsd_sockmsg msg = { type, id, 0, len };

	memcpy(at, &msg, sizeof(msg));
	memcpy(at + sizeof(msg), data, size);
	return sizeof(msg) + size;
}

static void test_lying_server(void **state)
{
	char buf[8192] = { 0 };
	unsigned int nr;
	size_t size;

	(void)state;
	/* The first request of a store has number 1. Short reads at each byte. */
	size = message(buf, XS_WATCH_EVENT, 0, 6, "/a\0tt", 6);
	size += message(buf + size, XS_WATCH_EVENT, 0, 5, "/b\0t", 5);
	size += message(buf + size, XS_READ, 1, 5, "truth", 5);
	size += message(buf + size, XS_WATCH_EVENT, 0, 5, "/c\0t", 5);
	for (size_t step = 1; step < size; step += 5) {
		assert_int_equal(read_from_liar(buf, size, step, &nr), 0);
		assert_in_range(nr, 2, 3);
	}
	/* Another's answer, another kind of answer, too long, cut off, broken events. */
	size = message(buf, XS_READ, 2, 5, "truth", 5);
	assert_int_equal(read_from_liar(buf, size, size, &nr), -ECONNRESET);
	size = message(buf, XS_DIRECTORY, 1, 5, "truth", 5);
	assert_int_equal(read_from_liar(buf, size, size, &nr), -ECONNRESET);
	size = message(buf, XS_READ, 1, XENSTORE_PAYLOAD_MAX + 1, "truth", 5);
	assert_int_equal(read_from_liar(buf, size, size, &nr), -ECONNRESET);
	size = message(buf, XS_READ, 1, 0xffffffff, "truth", 5);
	assert_int_equal(read_from_liar(buf, size, size, &nr), -ECONNRESET);
	size = message(buf, XS_READ, 1, 6, "truth", 5);
	assert_int_equal(read_from_liar(buf, size, size, &nr), -ECONNRESET);
	assert_int_equal(read_from_liar(buf, 7, 7, &nr), -ECONNRESET);
	size = message(buf, XS_ERROR, 1, 6, "EAGAIN", 6);
	assert_int_equal(read_from_liar(buf, size, size, &nr), -EAGAIN);
	size = message(buf, XS_ERROR, 1, 4, "WHAT", 4);
	assert_int_equal(read_from_liar(buf, size, size, &nr), -EINVAL);
	size = message(buf, XS_WATCH_EVENT, 0, 4, "path", 4);
	size += message(buf + size, XS_READ, 1, 5, "truth", 5);
	assert_int_equal(read_from_liar(buf, size, size, &nr), 0);
	assert_int_equal(nr, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_full_ring),
		T(test_bad_indices),
		T(test_our_indices_overwritten),
		T(test_bad_sizes),
		T(test_random_pages),
		T(test_guest_reconnects),
		T(test_ring_client),
		T(test_server_restarts),
		cmocka_unit_test(test_event_behind_answer),
		cmocka_unit_test(test_lying_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
