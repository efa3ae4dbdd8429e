/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON line protocol: answers now and later, pipelined requests, garbage, a vanished peer. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rpc.h"
#include "base/unixsock.h"

struct served {
	char dir[32], path[64];
	struct loop *loop;
	struct rpc_server *server;
	struct rpc_call *held;
	pthread_t thread;
};

static void echo(void *arg, struct rpc_call *call)
{
	(void)arg;
	rpc_reply(call, json_incref(rpc_params(call)));
}

static void refuse(void *arg, struct rpc_call *call)
{
	(void)arg;
	rpc_fail(call, "busy", "held by %d", 42);
}

static void hold(void *arg, struct rpc_call *call)
{
	((struct served *)arg)->held = call;
}

static void release(void *arg, struct rpc_call *call)
{
	struct served *s = arg;

	if (s->held)
		rpc_reply(s->held, json_string("late"));
	s->held = NULL;
	rpc_reply(call, NULL);
}

static void stop(void *arg, struct rpc_call *call)
{
	rpc_reply(call, NULL);
	loop_stop(((struct served *)arg)->loop, 0);
}

static const struct rpc_method methods[] = {
	{ "echo", echo },	{ "fail", refuse }, { "hold", hold },
	{ "release", release }, { "stop", stop },   { NULL, NULL },
};

static void *serve(void *arg)
{
	loop_run(((struct served *)arg)->loop);
	return NULL;
}

static int set_up(void **state)
{
	struct served *s = calloc(1, sizeof(*s));

	strcpy(s->dir, "/tmp/vf-rpc.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
	assert_int_equal(loop_create(&s->loop), 0);
	assert_int_equal(rpc_server_create(s->loop, s->path, methods, s, &s->server), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct served *s = *state;
	json_t *result;

	assert_int_equal(rpc_call(s->path, "stop", NULL, 5000, &result), 0);
	json_decref(result);
	pthread_join(s->thread, NULL);
	rpc_server_destroy(s->server);
	loop_destroy(s->loop);
	unlink(s->path);
	rmdir(s->dir);
	free(s);
	return 0;
}

static void test_answers(void **state)
{
	struct served *s = *state;
	json_t *result;

	assert_int_equal(rpc_call(s->path, "echo", json_pack("{s:i}", "n", 5), 5000, &result), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "n")), 5);
	json_decref(result);
	assert_int_equal(rpc_call(s->path, "fail", NULL, 5000, &result), -EREMOTEIO);
	assert_string_equal(json_string_value(json_object_get(result, "code")), "busy");
	assert_string_equal(json_string_value(json_object_get(result, "message")), "held by 42");
	json_decref(result);
	assert_int_equal(rpc_call(s->path, "nope", NULL, 5000, &result), -EREMOTEIO);
	assert_string_equal(json_string_value(json_object_get(result, "code")), "unknown-method");
	json_decref(result);
	assert_int_equal(rpc_call(s->path, "hold", NULL, 50, &result), -ETIMEDOUT);
	assert_null(result);
	/* The caller of "hold" is gone: answering it must be harmless. */
	assert_int_equal(rpc_call(s->path, "release", NULL, 5000, &result), 0);
	json_decref(result);
}

static size_t exchange(struct served *s, const char *out, char *in, size_t size, int lines)
{
	int fd = unixsock_connect(s->path, SOCK_STREAM);
	size_t used = 0;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, out, strlen(out)), strlen(out));
	while (lines) {
		ssize_t n = read(fd, in + used, size - 1 - used);

		assert_true(n > 0);
		for (ssize_t i = 0; i < n; i++)
			lines -= in[used + (size_t)i] == '\n';
		used += (size_t)n;
	}
	in[used] = '\0';
	close(fd);
	return used;
}

static void test_pipelined_and_garbage(void **state)
{
	char in[4096];

	exchange(*state,
		 "{\"method\":\"echo\"}\n{\"method\":\"fail\"}\n[1]\nrubbish\n{\"method\":5}\n", in,
		 sizeof(in), 5);
	assert_non_null(strstr(in, "{\"result\":{}}\n{\"error\":{\"code\":\"busy\""));
	assert_non_null(strstr(in, "\"protocol\""));
}

/* A request behind one that is answered late waits for it, and is not forgotten. */
static void test_order_behind_a_held_call(void **state)
{
	struct served *s = *state;
	const char *out = "{\"method\":\"hold\"}\n{\"method\":\"echo\"}\n";
	int fd = unixsock_connect(s->path, SOCK_STREAM);
	char in[256];
	size_t used = 0;
	json_t *result;

	assert_int_equal(write(fd, out, strlen(out)), strlen(out));
	do { /* until "hold" has been read */
		assert_int_equal(rpc_call(s->path, "release", NULL, 5000, &result), 0);
		json_decref(result);
		used = (size_t)recv(fd, in, sizeof(in) - 1, MSG_DONTWAIT);
	} while ((ssize_t)used < 0);
	while (!memchr(in, '{', used) || !strstr((in[used] = 0, in), "{}}")) {
		ssize_t n = read(fd, in + used, sizeof(in) - 1 - used);

		assert_true(n > 0);
		used += (size_t)n;
	}
	assert_string_equal(in, "{\"result\":\"late\"}\n{\"result\":{}}\n");
	close(fd);
}

static void test_nobody_there(void **state)
{
	json_t *result;

	(void)state;
	assert_int_equal(rpc_call("/tmp/vf-no-such-socket", "echo", NULL, 100, &result), -ENOENT);
}

struct later {
	struct served *s;
	int fd;
};

static void *serve_later(void *arg)
{
	struct later *l = arg;

	usleep(100000);
	assert_int_equal(rpc_server_create_at(l->s->loop, l->fd, methods, l->s, &l->s->server), 0);
	loop_run(l->s->loop);
	return NULL;
}

static void test_callers_wait_for_the_successor(void **state)
{
	struct served *s = *state;
	struct later later = { .s = s };
	json_t *result;

	assert_int_equal(rpc_call(s->path, "stop", NULL, 5000, &result), 0);
	json_decref(result);
	pthread_join(s->thread, NULL);
	later.fd = rpc_server_leave(s->server);
	rpc_server_destroy(s->server);
	assert_int_equal(pthread_create(&s->thread, NULL, serve_later, &later), 0);
	assert_int_equal(rpc_call(s->path, "echo", json_pack("{s:i}", "n", 6), 5000, &result), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "n")), 6);
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pipelined_and_garbage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order_behind_a_held_call, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_callers_wait_for_the_successor, set_up,
						tear_down),
		cmocka_unit_test(test_nobody_there),
	};

	return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
