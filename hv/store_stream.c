/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests over a stream of messages. The server is not trusted: a size beyond the protocol's, an
 * answer to something else or a broken event ends the store, with -ECONNRESET from then on.
 *
 * When the transport reports -ERESTART (a ring whose server started anew), watches are registered
 * again and the request under way is sent again; transactions begun before are stale.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hv/store_priv.h"

#define CALLS_AT_ONCE 32

struct queued_event {
	struct list link;
	size_t size;
	char data[];
};

struct kept_watch {
	struct list link;
	size_t size; /* of "path\0token\0" */
	char data[];
};

static int broken(struct store_stream *st, int rc)
{
	st->broken = true;
	return rc == -ENOMEM ? rc : -ECONNRESET;
}

/* Take the next message off the stream. 0; -EAGAIN: not whole yet; -ERESTART; -errno. */
static int next_message(struct store_stream *st, bool wait, struct xsd_sockmsg *msg)
{
	for (;;) {
		size_t want = sizeof(*msg);
		ssize_t n;

		if (st->have >= want) {
			memcpy(msg, st->in, sizeof(*msg));
			if (msg->len > XENSTORE_PAYLOAD_MAX)
				return broken(st, -EPROTO);
			want += msg->len;
			if (st->have == want) {
				st->have = 0;
				if (st->ops->taken)
					st->ops->taken(st);
				return 0;
			}
		}
		n = st->ops->recv(st, st->in + st->have, want - st->have, wait);
		if (n == 0)
			return -EAGAIN;
		if (n == -ERESTART) {
			st->have = 0;
			return -ERESTART;
		}
		if (n < 0)
			return broken(st, (int)n);
		st->have += (size_t)n;
	}
}

/* What next_message() left in the buffer. */
static const char *message_body(const struct store_stream *st)
{
	return st->in + sizeof(struct xsd_sockmsg);
}

static int queue_event(struct store_stream *st, size_t size)
{
	struct queued_event *event = malloc(sizeof(*event) + size);
	uint64_t one = 1;

	if (!event)
		return -ENOMEM;
	event->size = size;
	memcpy(event->data, message_body(st), size);
	if (list_empty(&st->events) && write(st->queue_fd, &one, sizeof(one)) != sizeof(one)) {
		/* Full means readable. */
	}
	list_append(&st->events, &event->link);
	return 0;
}

static int send_request(struct store_stream *st, const struct xsd_sockmsg *msg,
			const struct iovec *body, int nr)
{
	struct iovec iov[STORE_IOV_MAX + 1];
	int rc;

	iov[0] = (struct iovec){ (void *)(uintptr_t)msg, sizeof(*msg) };
	memcpy(iov + 1, body, (size_t)nr * sizeof(*body));
	rc = st->ops->send(st, iov, nr + 1);
	return rc < 0 && rc != -ERESTART ? broken(st, rc) : rc;
}

/* The answer to request @req, events queued meanwhile. -ERESTART: the server started anew. */
static int take_answer(struct store_stream *st, uint32_t type, uint32_t req,
		       struct store_reply *reply)
{
	struct xsd_sockmsg msg;
	int rc;

	do {
		rc = next_message(st, true, &msg);
		if (rc == 0 && msg.type == XS_WATCH_EVENT) {
			rc = queue_event(st, msg.len);
			if (rc < 0)
				return broken(st, rc);
			rc = -EAGAIN;
		}
	} while (rc == -EAGAIN);
	if (rc < 0)
		return rc;
	if (msg.req_id != req || (msg.type != type && msg.type != XS_ERROR))
		return broken(st, -EPROTO);
	reply->data = malloc(msg.len + 1);
	if (!reply->data)
		return -ENOMEM;
	memcpy(reply->data, message_body(st), msg.len);
	reply->data[msg.len] = '\0';
	reply->size = msg.len;
	reply->type = msg.type;
	return 0;
}

static struct xsd_sockmsg header(struct store_stream *st, uint32_t type, uint32_t tx,
				 const struct iovec *body, int nr)
{
	struct xsd_sockmsg msg = { .type = type, .req_id = ++st->next_req, .tx_id = tx };

	for (int i = 0; i < nr; i++)
		msg.len += (uint32_t)body[i].iov_len;
	return msg;
}

/* One request and its answer. -ERESTART: the server started anew. */
static int exchange(struct store_stream *st, uint32_t type, uint32_t tx, const struct iovec *body,
		    int nr, struct store_reply *reply)
{
	struct xsd_sockmsg msg = header(st, type, tx, body, nr);
	int rc = send_request(st, &msg, body, nr);

	return rc < 0 ? rc : take_answer(st, type, msg.req_id, reply);
}

static int register_again(struct store_stream *st)
{
	const struct list *link;

	list_for_each (&st->watches, link) {
		struct kept_watch *watch = list_entry(link, struct kept_watch, link);
		struct iovec body = { watch->data, watch->size };
		struct store_reply reply;
		int rc = exchange(st, XS_WATCH, 0, &body, 1, &reply);

		if (rc < 0)
			return rc;
		free(reply.data);
	}
	return 0;
}

static int recover(struct store_stream *st)
{
	int rc;

	st->nr_stale = st->nr_txs;
	do
		rc = register_again(st);
	while (rc == -ERESTART);
	return rc;
}

static struct kept_watch *find_watch(const struct store_stream *st, const char *data, size_t size)
{
	struct list *link;

	list_for_each (&st->watches, link) {
		struct kept_watch *watch = list_entry(link, struct kept_watch, link);

		if (watch->size == size && memcmp(watch->data, data, size) == 0)
			return watch;
	}
	return NULL;
}

static struct kept_watch *flatten(const struct iovec *body, int nr)
{
	struct kept_watch *watch;
	size_t size = 0;

	for (int i = 0; i < nr; i++)
		size += body[i].iov_len;
	watch = malloc(sizeof(*watch) + size);
	if (!watch)
		return NULL;
	watch->size = 0;
	for (int i = 0; i < nr; i++) {
		memcpy(watch->data + watch->size, body[i].iov_base, body[i].iov_len);
		watch->size += body[i].iov_len;
	}
	return watch;
}

/* 0, or the position behind that of @tx in the list of open transactions. */
static unsigned int tx_place(const struct store_stream *st, uint32_t tx)
{
	for (unsigned int i = 0; i < st->nr_txs; i++)
		if (st->txs[i] == tx)
			return i + 1;
	return 0;
}

static void forget_tx(struct store_stream *st, uint32_t tx)
{
	unsigned int place = tx_place(st, tx);

	if (!place)
		return;
	if (place <= st->nr_stale)
		st->nr_stale--;
	memmove(st->txs + place - 1, st->txs + place, (st->nr_txs - place) * sizeof(*st->txs));
	st->nr_txs--;
}

/* Keep what a restart of the server would lose, after a request that went well. */
static void note(struct store_stream *st, uint32_t type, uint32_t tx, struct kept_watch *watch,
		 const struct store_reply *reply)
{
	struct kept_watch *known;
	uint32_t *txs;

	switch (type) {
	case XS_TRANSACTION_END:
		forget_tx(st, tx);
		break;
	case XS_TRANSACTION_START:
		txs = realloc(st->txs, (st->nr_txs + 1) * sizeof(*txs));
		if (!txs)
			break; /* then it is not known to be stale, and ends in ENOENT */
		st->txs = txs;
		txs[st->nr_txs++] = (uint32_t)strtoul(reply->data, NULL, 10);
		break;
	case XS_WATCH:
		list_append(&st->watches, &watch->link);
		break;
	case XS_UNWATCH:
		known = find_watch(st, watch->data, watch->size);
		if (known) {
			list_remove(&known->link);
			free(known);
		}
		break;
	}
}

static int answer_stale(struct store_stream *st, uint32_t type, uint32_t tx,
			const struct iovec *body, struct store_reply *reply)
{
	bool abort = type == XS_TRANSACTION_END && *(const char *)body[0].iov_base == 'F';

	if (type == XS_TRANSACTION_END)
		forget_tx(st, tx);
	if (!abort)
		return -EAGAIN;
	reply->data = strdup("OK");
	reply->size = 3;
	reply->type = type;
	return reply->data ? 0 : -ENOMEM;
}

static int call_restartable(struct store_stream *st, uint32_t type, uint32_t tx,
			    const struct iovec *body, int nr, struct store_reply *reply)
{
	struct kept_watch *watch = NULL;
	int rc;

	if (type == XS_WATCH || type == XS_UNWATCH) {
		watch = flatten(body, nr);
		if (!watch)
			return -ENOMEM;
	}
	do {
		unsigned int place = tx ? tx_place(st, tx) : 0;

		if (place && place <= st->nr_stale) {
			rc = answer_stale(st, type, tx, body, reply);
			goto out;
		}
		rc = exchange(st, type, tx, body, nr, reply);
		if (rc == -ERESTART && recover(st) < 0)
			rc = -ECONNRESET;
	} while (rc == -ERESTART);
	if (rc == 0 && (reply->type == type || type == XS_TRANSACTION_END)) {
		note(st, type, tx, watch, reply);
		if (type == XS_WATCH)
			watch = NULL;
	}
out:
	free(watch);
	return rc;
}

static int stream_call(struct hv_store *s, uint32_t type, uint32_t tx, const struct iovec *body,
		       int nr, struct store_reply *reply)
{
	struct store_stream *st = (struct store_stream *)s;

	if (st->broken)
		return -ECONNRESET;
	return st->restartable ? call_restartable(st, type, tx, body, nr, reply)
			       : exchange(st, type, tx, body, nr, reply);
}

static size_t put(char *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return size;
}

/*
 * As many of @calls as one send takes, and their answers. So few bytes do not fill a socket, and servers
 * keep answers that do: nobody waits for the other to read. Return: how many; -errno.
 */
static int exchange_some(struct store_stream *st, uint32_t tx, struct store_call *calls,
			 unsigned int nr)
{
	char out[2 * (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)];
	struct iovec all = { out, 0 };
	uint32_t first = st->next_req + 1;
	unsigned int n = 0;
	int rc;

	for (; n < nr && n < CALLS_AT_ONCE; n++) {
		const struct store_call *c = &calls[n];
		struct xsd_sockmsg msg = header(st, c->type, tx, c->body, c->nr);

		if (all.iov_len + sizeof(msg) + msg.len > sizeof(out)) {
			st->next_req--;
			break;
		}
		all.iov_len += put(out + all.iov_len, &msg, sizeof(msg));
		for (int i = 0; i < c->nr; i++)
			all.iov_len += put(out + all.iov_len, c->body[i].iov_base,
					   c->body[i].iov_len);
	}
	rc = st->ops->send(st, &all, 1);
	if (rc < 0)
		return broken(st, rc);
	for (unsigned int i = 0; i < n; i++) {
		rc = take_answer(st, calls[i].type, first + i, &calls[i].reply);
		/* The answers behind it would be taken for another's. */
		if (rc < 0)
			return broken(st, rc);
	}
	return (int)n;
}

static int stream_call_all(struct hv_store *s, uint32_t tx, struct store_call *calls,
			   unsigned int nr)
{
	struct store_stream *st = (struct store_stream *)s;
	unsigned int done = 0;
	int rc = st->broken ? -ECONNRESET : 0;

	while (rc >= 0 && done < nr) {
		/* A ring is smaller than many requests, and its server may start anew between two. */
		if (st->restartable) {
			struct store_call *c = &calls[done];

			rc = call_restartable(st, c->type, tx, c->body, c->nr, &c->reply);
			done += !rc;
		} else {
			rc = exchange_some(st, tx, calls + done, nr - done);
			done += rc > 0 ? (unsigned int)rc : 0;
		}
	}
	for (unsigned int i = 0; rc < 0 && i < nr; i++)
		free(calls[i].reply.data);
	return rc < 0 ? rc : 0;
}

static int take_queued(struct store_stream *st, char **path_out, char **token_out)
{
	struct queued_event *event;
	uint64_t count;
	int rc;

	if (list_empty(&st->events))
		return -EAGAIN;
	event = list_entry(st->events.next, struct queued_event, link);
	list_remove(&event->link);
	if (list_empty(&st->events) && read(st->queue_fd, &count, sizeof(count)) < 0) {
		/* Was not readable: nothing to take back. */
	}
	rc = store_parse_event(event->data, event->size, path_out, token_out);
	free(event);
	return rc == -EPROTO ? broken(st, rc) : rc;
}

static int stream_next_event(struct hv_store *s, char **path_out, char **token_out)
{
	struct store_stream *st = (struct store_stream *)s;
	struct xsd_sockmsg msg;
	int rc = take_queued(st, path_out, token_out);

	if (rc != -EAGAIN)
		return rc;
	if (st->broken)
		return -ECONNRESET;
	rc = next_message(st, false, &msg);
	if (rc == -ERESTART) {
		rc = recover(st);
		return rc < 0 ? rc : take_queued(st, path_out, token_out);
	}
	if (rc < 0)
		return rc;
	/* An answer that nobody asked for. */
	if (msg.type != XS_WATCH_EVENT)
		return broken(st, -EPROTO);
	rc = store_parse_event(message_body(st), msg.len, path_out, token_out);
	return rc == -EPROTO ? broken(st, rc) : rc;
}

static int stream_fd(struct hv_store *s)
{
	return ((struct store_stream *)s)->epoll_fd;
}

static void stream_close(struct hv_store *s)
{
	struct store_stream *st = (struct store_stream *)s;
	struct list *link, *next;

	list_for_each_safe (&st->events, link, next)
		free(list_entry(link, struct queued_event, link));
	list_for_each_safe (&st->watches, link, next)
		free(list_entry(link, struct kept_watch, link));
	free(st->txs);
	if (st->epoll_fd >= 0)
		close(st->epoll_fd);
	if (st->queue_fd >= 0)
		close(st->queue_fd);
	st->ops->close(st);
}

static const struct store_ops stream_store_ops = {
	.call = stream_call,
	.call_all = stream_call_all,
	.next_event = stream_next_event,
	.fd = stream_fd,
	.close = stream_close,
};

int store_stream_init(struct store_stream *st, const struct store_stream_ops *ops, int fd,
		      bool restartable)
{
	struct epoll_event ev = { .events = EPOLLIN };

	st->store.ops = &stream_store_ops;
	st->ops = ops;
	st->restartable = restartable;
	list_init(&st->events);
	list_init(&st->watches);
	st->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	st->queue_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (st->epoll_fd < 0 || st->queue_fd < 0 ||
	    epoll_ctl(st->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ||
	    epoll_ctl(st->epoll_fd, EPOLL_CTL_ADD, st->queue_fd, &ev) < 0)
		return -errno;
	return 0;
}
