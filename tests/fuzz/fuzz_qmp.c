/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes from QEMU, whose guest may have taken it over, to the client of its protocol. The input is what it
 * sends, but for a few bytes: CALL makes a call of ours, TURN lets the client read, END closes its side, and
 * RESUMED, at the very beginning, makes the client a successor of one that has greeted before.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "hv/hvm/qmp.h"

#define CALL	1
#define TURN	2
#define END	3
#define RESUMED 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
	struct loop *loop;
	struct qmp *qmp;
	int peer;
	unsigned int nr_calls, nr_answers, nr_closed;
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void event(void *arg, const char *name, const json_t *data)
{
	struct client *c = arg;

	require(!c->nr_closed && name && (!data || json_typeof(data) <= JSON_NULL));
}

static void closed(void *arg, const char *why)
{
	struct client *c = arg;

	require(!why || *why);
	require(++c->nr_closed == 1);
}

static void answered(void *arg, const json_t *result, const char *error)
{
	struct client *c = arg;

	require(!result != !error);
	require(!result || qmp_is_open(c->qmp));
	require(++c->nr_answers <= c->nr_calls);
}

static void turn(struct client *c)
{
	static char heard[1 << 16];

	/* Bounded: what was sent is less than a turn takes. */
	for (int i = 0; i < 8 && loop_turn(c->loop, 0) > 0; i++)
		if (c->peer >= 0)
			(void)!recv(c->peer, heard, sizeof(heard), MSG_DONTWAIT);
	require(qmp_is_open(c->qmp) == !c->nr_closed);
}

static void call(struct client *c)
{
	int rc;

	c->nr_calls++;
	rc = qmp_call(c->qmp, "stop", json_pack("{s:s}", "a", "b"), -1, answered, c);
	require(!rc || rc == (c->nr_closed ? -EPIPE : -EBUSY));
	c->nr_calls -= rc != 0;
}

static void send_all(struct client *c, const uint8_t *data, size_t size)
{
	while (size && c->peer >= 0 && !c->nr_closed) {
		ssize_t n = send(c->peer, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		} else if (errno != EAGAIN) {
			return;
		}
		turn(c);
	}
}

static void close_peer(struct client *c)
{
	if (c->peer >= 0)
		close(c->peer);
	c->peer = -1;
}

static void play(struct client *c, const uint8_t *data, size_t size)
{
	size_t from = 0;

	for (size_t i = 0; i <= size; i++) {
		int byte = i < size ? data[i] : TURN;

		if (byte != CALL && byte != TURN && byte != END)
			continue;
		send_all(c, data + from, i - from);
		from = i + 1;
		if (byte == CALL)
			call(c);
		else if (byte == END)
			close_peer(c);
		turn(c);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client c = { 0 };
	struct qmp_hooks hooks = { event, closed, &c };
	bool resumed = size && data[0] == RESUMED;
	int pair[2];

	log_init("fuzz", LOG_LEVEL_ERR);
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	require(loop_create(&c.loop) == 0);
	c.peer = pair[1];
	require(qmp_create(c.loop, pair[0], resumed, &hooks, &c.qmp) == 0);
	play(&c, data + resumed, size - resumed);
	close_peer(&c);
	qmp_drain(c.qmp);
	require(c.nr_closed == 1 && c.nr_answers == c.nr_calls);
	qmp_destroy(c.qmp);
	close(pair[0]);
	loop_destroy(c.loop);
	return 0;
}
