/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP client against a peer that says anything. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/unixsock.h"
#include "hv/hvm/qmp.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"

struct peer {
	struct loop *loop;
	struct qmp *qmp;
	int fd, ours; /* the peer's end; the client's */
	char events[256], why[128], reply[128];
	unsigned int nr_closed, nr_replies;
};

static void event(void *arg, const char *name, const json_t *data)
{
	struct peer *p = arg;
	char *text = data ? json_dumps(data, JSON_COMPACT) : strdup("");

	snprintf(p->events + strlen(p->events), sizeof(p->events) - strlen(p->events), "%s%s;",
		 name, text);
	free(text);
}

static void closed(void *arg, const char *why)
{
	struct peer *p = arg;

	p->nr_closed++;
	snprintf(p->why, sizeof(p->why), "%s", why ? why : "end");
}

static void reply(void *arg, const json_t *result, const char *error)
{
	struct peer *p = arg;
	char *text = result ? json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	p->nr_replies++;
	snprintf(p->reply, sizeof(p->reply), "%s", text ? text : error);
	free(text);
}

static void start(struct peer *p, bool resumed)
{
	struct qmp_hooks hooks = { event, closed, p };
	int pair[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	p->fd = pair[0];
	p->ours = pair[1];
	assert_int_equal(loop_create(&p->loop), 0);
	assert_int_equal(qmp_create(p->loop, p->ours, resumed, &hooks, &p->qmp), 0);
}

static void end(struct peer *p)
{
	qmp_destroy(p->qmp);
	if (p->fd >= 0)
		close(p->fd);
	close(p->ours);
	loop_destroy(p->loop);
}

static void turn(struct peer *p)
{
	while (loop_turn(p->loop, 0) > 0)
		;
}

static void say(struct peer *p, const char *text)
{
	assert_int_equal(write(p->fd, text, strlen(text)), (ssize_t)strlen(text));
	turn(p);
}

/* What the client has sent. */
static const char *hear(struct peer *p)
{
	static char text[4096];
	ssize_t n;

	turn(p);
	n = recv(p->fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void greet(struct peer *p)
{
	start(p, false);
	say(p, GREETING);
	assert_string_equal(hear(p), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
	say(p, "{\"return\": {}, \"id\": 1}\r\n");
}

static void test_call(void **state)
{
	struct peer p;

	(void)state;
	start(&p, false);
	/* Nothing is sent before the greeting. */
	assert_int_equal(qmp_call(p.qmp, "stop", NULL, -1, reply, &p), 0);
	assert_string_equal(hear(&p), "");
	say(&p, GREETING);
	assert_string_equal(hear(&p), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n"
				      "{\"execute\":\"stop\",\"id\":2}\n");
	/* Answers by their id, in pieces, with events in between. */
	say(&p, "{\"return\": {}, \"id\": 1}\r\n{\"event\": \"STOP\"}\n{\"ret");
	assert_int_equal(p.nr_replies, 0);
	say(&p, "urn\": {\"a\": 1}, \"id\": 2}\r\n");
	assert_int_equal(p.nr_replies, 1);
	assert_string_equal(p.reply, "{\"a\":1}");
	assert_string_equal(p.events, "STOP;");
	assert_int_equal(qmp_call(p.qmp, "x", json_pack("{s:s}", "k", "a\"b\n"), -1, reply, &p), 0);
	assert_string_equal(hear(&p),
			    "{\"execute\":\"x\",\"id\":3,\"arguments\":{\"k\":\"a\\\"b\\n\"}}\n");
	say(&p, "{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n");
	assert_string_equal(p.reply, "no");
	assert_int_equal(p.nr_closed, 0);
	end(&p);
}

/* Answers nobody waits for, of a wrong shape, twice: no reply is called, nothing else happens. */
static void test_stray(void **state)
{
	struct peer p;

	(void)state;
	greet(&p);
	assert_int_equal(qmp_call(p.qmp, "stop", NULL, -1, reply, &p), 0);
	hear(&p);
	say(&p,
	    "{\"return\": {}}\n{\"return\": 1, \"id\": 1}\n{\"return\": {}, \"id\": \"2\"}\n"
	    "{\"error\": 5}\n{\"error\": {\"desc\": 7}, \"id\": 99}\n\n \r\n"
	    "{\"event\": \"A\", \"data\": [1]}\n{\"event\": \"B\", \"return\": 1, \"id\": 2}\n");
	assert_int_equal(p.nr_replies, 0);
	assert_string_equal(p.events, "A[1];B;");
	say(&p, "{\"error\": [], \"id\": 2}\n{\"return\": {}, \"id\": 2}\n");
	assert_int_equal(p.nr_replies, 1);
	assert_string_equal(p.reply, "no reason given");
	assert_int_equal(p.nr_closed, 0);
	end(&p);
}

/* Each ends the connection, once, and fails what is unanswered. */
static void test_bad_lines(void **state)
{
	static const char *const lines[] = { "x\n",
					     "[]\n",
					     "5\n",
					     "{\"QMP\"\n",
					     "{}\n",
					     "{\"QMP\": 1}\n",
					     "{\"event\": 5}\n",
					     "{\"a\": 1, \"a\": 1}\n",
					     "{\"event\": \"\xff\"}\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct peer p;

		greet(&p);
		assert_int_equal(qmp_call(p.qmp, "stop", NULL, -1, reply, &p), 0);
		say(&p, lines[i]);
		assert_int_equal(p.nr_closed, 1);
		assert_true(!strncmp(p.why, "QEMU sent", 9));
		assert_int_equal(p.nr_replies, 1);
		assert_string_equal(p.reply, p.why);
		assert_int_equal(qmp_call(p.qmp, "stop", NULL, -1, reply, &p), -EPIPE);
		end(&p);
	}
}

static void test_long_line(void **state)
{
	static char chunk[65536];
	struct peer p;
	size_t sent = 0;

	(void)state;
	memset(chunk, ' ', sizeof(chunk));
	greet(&p);
	fcntl(p.fd, F_SETFL, O_NONBLOCK);
	while (!p.nr_closed && sent < 4 * QMP_LINE_MAX) {
		ssize_t n = write(p.fd, chunk, sizeof(chunk));

		sent += n > 0 ? (size_t)n : 0;
		turn(&p);
	}
	assert_int_equal(p.nr_closed, 1);
	assert_true(sent <= QMP_LINE_MAX + 16 * sizeof(chunk));
	assert_string_equal(p.why, "QEMU sent a line that is too long");
	end(&p);
}

static void test_end(void **state)
{
	struct peer p;

	(void)state;
	greet(&p);
	assert_int_equal(qmp_call(p.qmp, "stop", NULL, -1, reply, &p), 0);
	say(&p, "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n{\"eve");
	close(p.fd);
	p.fd = -1;
	qmp_drain(p.qmp);
	assert_string_equal(p.events, "SHUTDOWN{\"guest\":true};");
	assert_string_equal(p.why, "end");
	assert_int_equal(p.nr_replies, 1);
	assert_string_equal(p.reply, "QEMU has ended");
	end(&p);
}

static void test_too_many(void **state)
{
	struct peer p;
	int rc = 0;
	unsigned int n = 0;

	(void)state;
	greet(&p);
	while (!rc && n <= QMP_CALLS_MAX) {
		rc = qmp_call(p.qmp, "stop", NULL, -1, reply, &p);
		n += rc == 0;
	}
	assert_int_equal(rc, -EBUSY);
	assert_int_equal(n, QMP_CALLS_MAX);
	end(&p);
}

/* A successor: half a line of an answer is left, and perhaps half a command. */
static void test_resumed(void **state)
{
	struct peer p;

	(void)state;
	start(&p, true);
	assert_int_equal(qmp_call(p.qmp, "cont", NULL, -1, reply, &p), 0);
	assert_string_equal(hear(&p), "\xff{\"execute\":\"cont\",\"id\":1}\n");
	say(&p, "rn\": {}, \"id\": 9}\r\n{\"error\": {\"desc\": \"JSON parse error\"}}\n");
	assert_int_equal(p.nr_replies, 0);
	say(&p, "{\"return\": {}, \"id\": 1}\n");
	assert_int_equal(p.nr_replies, 1);
	assert_int_equal(p.nr_closed, 0);
	/* Only once. */
	say(&p, "rn\": {}, \"id\": 9}\r\n");
	assert_int_equal(p.nr_closed, 1);
	end(&p);
}

static void test_descriptor(void **state)
{
	struct peer p;
	char text[256];
	int pipe_fds[2], fds[2];
	size_t nr = 2;

	(void)state;
	greet(&p);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(qmp_call(p.qmp, "getfd", NULL, pipe_fds[1], reply, &p), 0);
	close(pipe_fds[1]);
	turn(&p);
	assert_true(unixsock_recv(p.fd, text, sizeof(text), fds, &nr) > 0);
	assert_int_equal(nr, 1);
	assert_int_equal(write(fds[0], "x", 1), 1);
	assert_int_equal(read(pipe_fds[0], text, 1), 1);
	close(fds[0]);
	/* No copy has been kept. */
	assert_int_equal(read(pipe_fds[0], text, 1), 0);
	close(pipe_fds[0]);
	end(&p);
}

/* Values within values, an endless string, an id of any number: one line each. */
static void test_monsters(void **state)
{
	static const struct {
		const char *head;
		char fill;
	} monsters[] = { { "", '[' },
			 { "{\"a\":", '[' },
			 { "{\"event\":\"", 'x' },
			 { "{\"id\":", '9' },
			 { "{\"error\":{\"desc\":\"", '\\' } };
	char *line = malloc(QMP_LINE_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(monsters) / sizeof(*monsters); i++) {
		size_t size = QMP_LINE_MAX - 1, sent = 0;
		struct peer p;

		memset(line, monsters[i].fill, size);
		memcpy(line, monsters[i].head, strlen(monsters[i].head));
		line[size - 1] = '\n';
		greet(&p);
		assert_int_equal(qmp_call(p.qmp, "stop", NULL, -1, reply, &p), 0);
		while (sent < size) {
			ssize_t n = send(p.fd, line + sent, size - sent, MSG_DONTWAIT);

			sent += n > 0 ? (size_t)n : 0;
			loop_turn(p.loop, 0);
		}
		turn(&p);
		assert_int_equal(p.nr_closed, 1);
		assert_int_equal(p.nr_replies, 1);
		assert_string_equal(p.events, "");
		end(&p);
	}
	free(line);
}

/* Events without an end, as fast as they can be written: whoever reads them has turns for others. */
static void test_flood(void **state)
{
	static const char events[] = "{\"event\":\"A\"}\n{\"event\":\"A\"}\n{\"event\":\"A\"}\n";
	struct peer p;
	pid_t pid;

	(void)state;
	greet(&p);
	pid = fork();
	if (pid == 0) {
		close(p.ours);
		while (send(p.fd, events, sizeof(events) - 1, MSG_NOSIGNAL) > 0)
			;
		_exit(0);
	}
	alarm(60);
	for (int i = 0; i < 3; i++) {
		assert_true(loop_turn(p.loop, 1000) > 0);
		qmp_drain(p.qmp);
	}
	alarm(0);
	assert_int_equal(p.nr_closed, 0);
	assert_memory_equal(p.events, "A;A;A;", 6);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call),	  cmocka_unit_test(test_stray),
		cmocka_unit_test(test_bad_lines), cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_end),	  cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_resumed),	  cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_monsters),  cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
