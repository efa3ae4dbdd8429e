/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/hvm/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/unixsock.h"

#define READ_STEP   65536
#define READS_TURN  16	   /* then others have their turn in the loop */
#define DRAIN_READS 64	   /* more than a socket holds */
#define RESYNC	    "\xff" /* makes QEMU forget the half of a command */

struct qmp_command {
	struct list node;
	char *text;
	size_t size, sent;
	int fd;
};

struct qmp_pending {
	struct list node;
	json_int_t id;
	char command[32];
	qmp_reply_fn *reply;
	void *arg;
};

struct qmp {
	struct loop *loop;
	struct loop_fd watcher;
	struct qmp_hooks hooks;
	int fd;
	bool greeted, resumed, closed;
	char *in;
	size_t nr_in, room_in;
	struct list out, pending;
	unsigned int nr_pending;
	json_int_t last_id;
};

static void command_free(struct qmp_command *c)
{
	list_remove(&c->node);
	if (c->fd >= 0)
		close(c->fd);
	free(c->text);
	free(c);
}

static void answer(struct qmp *q, struct qmp_pending *p, const json_t *result, const char *error)
{
	list_remove(&p->node);
	q->nr_pending--;
	if (p->reply)
		p->reply(p->arg, result, error);
	else if (error && !q->closed)
		log_warning("QEMU refuses %s: %.200s", p->command, error);
	free(p);
}

static void close_connection(struct qmp *q, const char *why)
{
	if (q->closed)
		return;
	q->closed = true;
	loop_fd_del(&q->watcher);
	while (!list_empty(&q->out))
		command_free(list_entry(q->out.next, struct qmp_command, node));
	while (!list_empty(&q->pending))
		answer(q, list_entry(q->pending.next, struct qmp_pending, node), NULL,
		       why ? why : "QEMU has ended");
	if (q->hooks.closed)
		q->hooks.closed(q->hooks.arg, why);
}

static void want_events(struct qmp *q)
{
	uint32_t events = EPOLLIN;

	if (q->greeted && !list_empty(&q->out))
		events |= EPOLLOUT;
	if (!q->closed)
		loop_fd_set(&q->watcher, events);
}

static void flush(struct qmp *q)
{
	while (!q->closed && q->greeted && !list_empty(&q->out)) {
		struct qmp_command *c = list_entry(q->out.next, struct qmp_command, node);
		ssize_t n;

		if (c->fd >= 0)
			n = unixsock_send(q->fd, c->text, c->size, &c->fd, 1);
		else
			n = send(q->fd, c->text + c->sent, c->size - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && c->fd < 0)
			n = -errno;
		if (n == -EAGAIN || n == -EINTR)
			break;
		if (n < 0) {
			close_connection(q, n == -EPIPE ? NULL : strerror((int)-n));
			return;
		}
		/* The descriptor went with the first byte. */
		if (c->fd >= 0) {
			close(c->fd);
			c->fd = -1;
		}
		c->sent += (size_t)n;
		if (c->sent == c->size)
			command_free(c);
	}
	want_events(q);
}

static void take_reply(struct qmp *q, const json_t *message)
{
	const json_t *id = json_object_get(message, "id"),
		     *error = json_object_get(message, "error");
	struct list *n;

	list_for_each (&q->pending, n) {
		struct qmp_pending *p = list_entry(n, struct qmp_pending, node);
		const char *text = json_string_value(json_object_get(error, "desc"));

		if (!json_is_integer(id) || json_integer_value(id) != p->id)
			continue;
		answer(q, p, error ? NULL : json_object_get(message, "return"),
		       error ? (text ? text : "no reason given") : NULL);
		return;
	}
	/* One that our predecessor asked for, or that answers the resynchronisation. */
}

static void take_message(struct qmp *q, const json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));

	if (event) {
		if (q->hooks.event)
			q->hooks.event(q->hooks.arg, event, json_object_get(message, "data"));
	} else if (json_object_get(message, "QMP") && !q->greeted) {
		q->greeted = true;
		flush(q);
	} else if (json_object_get(message, "return") || json_object_get(message, "error")) {
		take_reply(q, message);
	} else {
		close_connection(q, "QEMU sent something that is no QMP message");
	}
}

static void take_line(struct qmp *q, const char *line, size_t size)
{
	json_error_t error;
	json_t *message;

	while (size && (line[size - 1] == '\r' || line[size - 1] == ' '))
		size--;
	if (!size)
		return;
	message = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(message))
		take_message(q, message);
	else if (q->resumed)
		log_debug("QEMU: the rest of a line is skipped");
	else
		close_connection(q, "QEMU sent a line that is no JSON object");
	q->resumed = false;
	json_decref(message);
}

/* Hooks may close the connection, and may not destroy it. */
static void take_lines(struct qmp *q, size_t searched)
{
	size_t start = 0;
	char *end;

	while (!q->closed &&
	       (end = memchr(q->in + start + searched, '\n', q->nr_in - start - searched))) {
		take_line(q, q->in + start, (size_t)(end - q->in) - start);
		start = (size_t)(end - q->in) + 1;
		searched = 0;
	}
	memmove(q->in, q->in + start, q->nr_in - start);
	q->nr_in -= start;
	if (q->nr_in >= QMP_LINE_MAX)
		close_connection(q, "QEMU sent a line that is too long");
}

/* Return: whether there may be more. */
static bool take_some(struct qmp *q)
{
	ssize_t n;

	if (q->room_in - q->nr_in < READ_STEP) {
		char *in = realloc(q->in, q->room_in + 2 * READ_STEP);

		if (!in) {
			close_connection(q, "out of memory");
			return false;
		}
		q->in = in;
		q->room_in += 2 * READ_STEP;
	}
	n = recv(q->fd, q->in + q->nr_in, READ_STEP, MSG_DONTWAIT);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		close_connection(q, n < 0 && errno != ECONNRESET ? strerror(errno) : NULL);
		return false;
	}
	q->nr_in += (size_t)n;
	take_lines(q, q->nr_in - (size_t)n);
	return !q->closed;
}

static void ready(void *arg, uint32_t events)
{
	struct qmp *q = arg;

	if (events & EPOLLOUT)
		flush(q);
	for (int i = 0; i < READS_TURN && !q->closed; i++)
		if (!take_some(q))
			break;
}

static void greet(struct qmp *q)
{
	struct qmp_command *c;

	if (!q->resumed) {
		/* QEMU lets no other command through before it. */
		qmp_call(q, "qmp_capabilities", NULL, -1, NULL, NULL);
		return;
	}
	q->greeted = true;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->fd = -1;
	c->text = strdup(RESYNC);
	c->size = c->text ? strlen(RESYNC) : 0;
	list_append(&q->out, &c->node);
	flush(q);
}

int qmp_create(struct loop *loop, int fd, bool resumed, const struct qmp_hooks *hooks,
	       struct qmp **qmp_out)
{
	struct qmp *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	q->loop = loop;
	q->fd = fd;
	q->resumed = resumed;
	q->hooks = *hooks;
	list_init(&q->out);
	list_init(&q->pending);
	rc = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 0;
	if (!rc)
		rc = loop_fd_add(loop, &q->watcher, fd, EPOLLIN, ready, q);
	if (rc) {
		free(q);
		return rc;
	}
	greet(q);
	*qmp_out = q;
	return 0;
}

void qmp_destroy(struct qmp *q)
{
	if (!q)
		return;
	q->hooks = (struct qmp_hooks){ 0 };
	close_connection(q, NULL);
	free(q->in);
	free(q);
}

static int put_command(struct qmp *q, const char *command, const json_t *arguments, int fd)
{
	struct qmp_command *c = calloc(1, sizeof(*c));
	json_t *message;
	char *text = NULL;

	if (!c)
		return -ENOMEM;
	c->fd = -1;
	message = json_pack("{s:s, s:I, s:O*}", "execute", command, "id", q->last_id + 1,
			    "arguments", arguments);
	text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (fd >= 0)
		c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (!text || (fd >= 0 && c->fd < 0) || asprintf(&c->text, "%s\n", text) < 0) {
		c->text = NULL;
		list_init(&c->node);
		command_free(c);
		free(text);
		return -ENOMEM;
	}
	free(text);
	c->size = strlen(c->text);
	list_append(&q->out, &c->node);
	return 0;
}

int qmp_call(struct qmp *q, const char *command, json_t *arguments, int fd, qmp_reply_fn *reply,
	     void *arg)
{
	struct qmp_pending *p = NULL;
	int rc = 0;

	if (q->closed)
		rc = -EPIPE;
	else if (q->nr_pending >= QMP_CALLS_MAX)
		rc = -EBUSY;
	else if (!(p = calloc(1, sizeof(*p))))
		rc = -ENOMEM;
	if (!rc)
		rc = put_command(q, command, arguments, fd);
	json_decref(arguments);
	if (rc) {
		free(p);
		return rc;
	}
	p->id = ++q->last_id;
	snprintf(p->command, sizeof(p->command), "%.31s", command);
	p->reply = reply;
	p->arg = arg;
	list_append(&q->pending, &p->node);
	q->nr_pending++;
	/* A failure is told from the loop, when the socket is read. */
	want_events(q);
	return 0;
}

bool qmp_is_open(const struct qmp *q)
{
	return !q->closed;
}

void qmp_drain(struct qmp *q)
{
	/* Somebody may be filling it as we go. */
	for (unsigned int i = 0; i < DRAIN_READS && !q->closed; i++)
		if (!take_some(q))
			break;
}
