/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients on the UNIX socket that die, hang or send anything: it costs them, and nobody else. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/unixsock.h"
#include "tests/util/xs_guest.h"

struct world {
	char dir[32], socket[64];
	struct loop *loop;
	struct xs_server *server;
	struct hv_store *s;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/vf-xssock.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->socket, sizeof(w->socket), "%s/xenstored/socket", w->dir);
	assert_int_equal(loop_create(&w->loop), 0);
	assert_int_equal(xs_server_create(w->loop, w->dir, &w->server), 0);
	assert_int_equal(xs_server_store(w->server, &w->s), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	struct xs_server_stats stats;
	char path[64];

	xs_turns(w->loop);
	xs_server_stats(w->server, &stats);
	/* Nothing of the clients is left but our own store. */
	assert_int_equal(stats.connections, 1);
	assert_int_equal(stats.watches, 0);
	assert_int_equal(stats.transactions, 0);
	hv_store_close(w->s);
	xs_server_destroy(w->server);
	loop_destroy(w->loop);
	assert_int_equal(access(w->socket, F_OK), -1);
	snprintf(path, sizeof(path), "%s/xenstored/store.log", w->dir);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/xenstored", w->dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(w->dir), 0);
	free(w);
	return 0;
}

static int client(struct world *w)
{
	int fd = unixsock_connect(w->socket, SOCK_STREAM);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	xs_turns(w->loop);
	return fd;
}

static size_t request(char *at, uint32_t type, uint32_t tx, const char *body, size_t size)
{
	struct xsd_sockmsg msg = { type, 7, tx, (uint32_t)size };

	memcpy(at, &msg, sizeof(msg));
	memcpy(at + sizeof(msg), body, size);
	return sizeof(msg) + size;
}

static void put(struct world *w, int fd, const char *bytes, size_t size)
{
	assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
	xs_turns(w->loop);
}

/* The type of the one message that has come. */
static uint32_t answer(int fd)
{
	char buf[8192];
	struct xsd_sockmsg msg;
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	assert_true(n >= (ssize_t)sizeof(msg));
	memcpy(&msg, buf, sizeof(msg));
	assert_int_equal(n, sizeof(msg) + msg.len);
	return msg.type;
}

static bool closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0 || errno == ECONNRESET;
}

static void test_byte_by_byte(void **state)
{
	struct world *w = *state;
	char buf[128];
	size_t size = request(buf, XS_WRITE, 0, "/a\0value", 8);
	int fd = client(w);

	for (size_t i = 0; i < size; i++)
		put(w, fd, buf + i, 1);
	assert_int_equal(answer(fd), XS_WRITE);
	/* Many at once are answered in order, more than one turn's worth. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(send(fd, buf, size, MSG_NOSIGNAL), size);
	xs_turns(w->loop);
	for (int i = 0; i < 100; i++) {
		char reply[sizeof(struct xsd_sockmsg) + 3];

		assert_int_equal(recv(fd, reply, sizeof(reply), 0), sizeof(reply));
		assert_memory_equal(reply + sizeof(struct xsd_sockmsg), "OK", 3);
	}
	close(fd);
}

static void test_too_long(void **state)
{
	static const uint32_t sizes[] = { XENSTORE_PAYLOAD_MAX + 1, 0x7fffffff, 0x80000000,
					  0xffffffff };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct xsd_sockmsg msg = { XS_READ, 1, 0, sizes[i] };
		int fd = client(w);

		put(w, fd, (char *)&msg, sizeof(msg));
		assert_true(closed(fd));
		close(fd);
	}
	assert_int_equal(hv_store_mkdir(w->s, 0, "/still-here"), 0);
}

static void test_dies_anywhere(void **state)
{
	struct world *w = *state;
	char buf[256];
	size_t size;

	/* A watch, a transaction, a half request; then gone. */
	size = request(buf, XS_WATCH, 0, "/\0t", 4);
	size += request(buf + size, XS_TRANSACTION_START, 0, "", 1);
	size += request(buf + size, XS_WRITE, 0, "/a\0v", 4);
	for (size_t n = 1; n <= size; n++) {
		int fd = client(w);

		put(w, fd, buf, n);
		assert_int_equal(hv_store_mkdir(w->s, 0, "/seen"), 0);
		close(fd);
		/* Events for it are on their way while it is gone already. */
		assert_int_equal(hv_store_rm(w->s, 0, "/seen"), 0);
	}
}

static void test_does_not_read(void **state)
{
	struct world *w = *state;
	struct xs_server_stats before, after;
	int fd = client(w), other = client(w);
	char value[4000], buf[128];
	size_t size = request(buf, XS_READ, 0, "/big", 5);

	memset(value, 'v', sizeof(value));
	assert_int_equal(hv_store_write(w->s, 0, "/big", value, sizeof(value)), 0);
	xs_server_stats(w->server, &before);
	/* Until it gets no more requests in: the server has stopped to listen to it. */
	while (send(fd, buf, size, MSG_NOSIGNAL) > 0)
		xs_turns(w->loop);
	assert_int_equal(errno, EAGAIN);
	xs_server_stats(w->server, &after);
	assert_true(after.requests - before.requests < 1000);
	size = request(buf, XS_MKDIR, 0, "/ok", 4);
	put(w, other, buf, size);
	assert_int_equal(answer(other), XS_MKDIR);
	/* No busy waiting for it either. */
	assert_int_equal(loop_turn(w->loop, 50), 0);
	/* When it reads, it gets all. */
	for (uint64_t got = 0; got < (after.requests - before.requests) * sizeof(value);) {
		ssize_t n = recv(fd, value, sizeof(value), 0);

		if (n > 0)
			got += (uint64_t)n;
		xs_turns(w->loop);
	}
	close(fd);
	close(other);
}

static void test_introduce_without_hooks(void **state)
{
	struct world *w = *state;
	char buf[64];
	size_t size = request(buf, XS_INTRODUCE, 0, "5\0001\0002", 6);
	int fd = client(w);

	put(w, fd, buf, size);
	assert_int_equal(answer(fd), XS_ERROR);
	assert_false(xs_server_is_introduced(w->server, 5));
	size = request(buf, XS_RELEASE, 0, "5", 2);
	put(w, fd, buf, size);
	assert_int_equal(answer(fd), XS_ERROR);
	size = request(buf, XS_CONTROL, 0, "quota", 6);
	put(w, fd, buf, size);
	assert_int_equal(answer(fd), XS_CONTROL);
	size = request(buf, XS_CONTROL, 0, "nonsense", 9);
	put(w, fd, buf, size);
	assert_int_equal(answer(fd), XS_ERROR);
	close(fd);
}

static void test_random_bytes(void **state)
{
	struct world *w = *state;

	srandom(5);
	for (int i = 0; i < 500; i++) {
		struct xsd_sockmsg msg;
		char body[64];
		int fd = client(w);

		for (int turn = 0; turn < 5; turn++) {
			msg = (struct xsd_sockmsg){ (uint32_t)random() % 24, 1,
						    random() % 4 ? 0 : (uint32_t)random(),
						    (uint32_t)random() % (sizeof(body) + 1) };
			for (size_t at = 0; at < sizeof(body); at++)
				body[at] = "/ab\0\0@T1"[random() % 8];
			if (send(fd, &msg, sizeof(msg), MSG_NOSIGNAL) > 0)
				send(fd, body, msg.len, MSG_NOSIGNAL);
			xs_turns(w->loop);
		}
		close(fd);
	}
	xs_turns(w->loop);
	assert_true(xs_accounts_hold(w->server, 0));
}

static void test_socket_mode(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

#define NR_KEYS 45

struct many {
	const char *socket;
	bool done;
	unsigned int nr_events;
};

/* Writes, reads of what is there and what is not, removals; some of the values fill a message. */
static void ask_for_all(struct hv_store *s)
{
	static char paths[NR_KEYS][24], big[3900];
	struct hv_store_op ops[3 * NR_KEYS];
	unsigned int nr = 0;

	memset(big, 'b', sizeof(big) - 1);
	for (unsigned int i = 0; i < NR_KEYS; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/many/%u", i);
		ops[nr++] = (struct hv_store_op){ .what = HV_STORE_WRITE,
						  .path = paths[i],
						  .text = i % 7 ? paths[i] : big };
		ops[nr++] = (struct hv_store_op){ .what = HV_STORE_READ,
						  .path = i % 5 ? paths[i] : "/none" };
		ops[nr++] = (struct hv_store_op){ .what = HV_STORE_RM,
						  .path = i % 3 ? paths[i] : "/none/below" };
	}
	assert_int_equal(hv_store_all(s, 0, ops, nr), 0);
	for (unsigned int i = 0; i < NR_KEYS; i++) {
		const struct hv_store_op *got = &ops[3 * i + 1];

		assert_int_equal(ops[3 * i].rc, 0);
		assert_null(ops[3 * i].value);
		assert_int_equal(got->rc, i % 5 ? 0 : -ENOENT);
		if (i % 5) {
			assert_int_equal(got->size, strlen(i % 7 ? paths[i] : big));
			assert_string_equal(got->value, i % 7 ? paths[i] : big);
		}
		assert_int_equal(ops[3 * i + 2].rc, i % 3 ? 0 : -ENOENT);
		free(got->value);
	}
}

static void *ask(void *arg)
{
	struct many *m = arg;
	struct hv_store_op none = { .what = HV_STORE_WRITE, .path = "/many/empty", .text = "" };
	struct pollfd pfd = { .events = POLLIN };
	char *path, *token, *value;
	struct hv_store *s;

	assert_int_equal(hv_store_connect(m->socket, &s), 0);
	assert_int_equal(hv_store_watch(s, "/many", "t"), 0);
	ask_for_all(s);
	/* Events came in between; the next answer is still that to the next question. */
	assert_int_equal(hv_store_all(s, 0, &none, 1), 0);
	assert_int_equal(hv_store_read(s, 0, "/many/empty", &value, NULL), 0);
	assert_string_equal(value, "");
	free(value);
	pfd.fd = hv_store_fd(s);
	while (poll(&pfd, 1, 200) == 1)
		for (; hv_store_next_event(s, &path, &token) == 0; m->nr_events++)
			free(path);
	hv_store_close(s);
	__atomic_store_n(&m->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void test_many_at_once(void **state)
{
	struct world *w = *state;
	struct many m = { .socket = w->socket };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ask, &m), 0);
	for (int i = 0; i < 10000 && !__atomic_load_n(&m.done, __ATOMIC_SEQ_CST); i++) {
		xs_turns(w->loop);
		usleep(1000);
	}
	assert_true(m.done);
	pthread_join(thread, NULL);
	/* Of a path's write and removal one event may be left. */
	assert_true(m.nr_events > NR_KEYS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_byte_by_byte),
		T(test_too_long),
		T(test_dies_anywhere),
		T(test_does_not_read),
		T(test_introduce_without_hooks),
		T(test_random_bytes),
		T(test_many_at_once),
		T(test_socket_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
