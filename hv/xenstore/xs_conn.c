/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections: requests in, replies and events out, whatever carries them. A connection gets
 * XS_BUDGET requests a turn; what a guest does not read holds up only its own requests.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "hv/xenstore/xs_priv.h"

#define XS_FLUSH_BATCH	   16
#define XS_SOCK_BACKLOG	   256 /* unsent replies of a privileged client */
#define XS_PAUSE_FIRST_MS  20
#define XS_PAUSE_MAX_MS	   500
#define XS_PAUSE_FORGET_MS 2000 /* without further conflict the next pause is a first one */

struct xs_conn *xs_conn_new(struct xs_server *server, const struct xs_conn_ops *ops, uint16_t domid)
{
	struct xs_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->ops = ops;
	conn->server = server;
	conn->domid = domid;
	htab_init(&conn->events);
	list_init(&conn->out);
	list_init(&conn->watches);
	list_init(&conn->txs);
	list_init(&conn->flush_link);
	list_init(&conn->ready_link);
	list_init(&conn->pause_link);
	list_append(&server->conns, &conn->link);
	server->stats.connections++;
	return conn;
}

void xs_conn_drop_out(struct xs_conn *conn, struct xs_out *out)
{
	if (out->watch)
		htab_remove(&conn->events, &out->key);
	if (out->is_event) {
		conn->nr_events--;
		conn->event_bytes -= out->size;
	} else {
		conn->nr_replies--;
	}
	list_remove(&out->link);
	free(out);
}

void xs_conn_reset(struct xs_conn *conn)
{
	struct list *link, *next;

	xs_watch_remove_all(conn);
	list_for_each_safe (&conn->txs, link, next)
		xs_tx_free(list_entry(link, struct xs_tx, link));
	list_for_each_safe (&conn->out, link, next)
		xs_conn_drop_out(conn, list_entry(link, struct xs_out, link));
	conn->in_at = conn->in_end = 0;
}

static void conn_free(struct xs_conn *conn)
{
	xs_conn_reset(conn);
	htab_fini(&conn->events);
	list_remove(&conn->link);
	list_remove(&conn->flush_link);
	list_remove(&conn->ready_link);
	list_remove(&conn->pause_link);
	conn->server->stats.connections--;
	conn->ops->fini(conn);
	free(conn);
}

void xs_conn_touch(struct xs_conn *conn)
{
	if (list_empty(&conn->flush_link))
		list_append(&conn->server->flush, &conn->flush_link);
}

void xs_conn_kill(struct xs_conn *conn)
{
	conn->dead = true;
	xs_conn_touch(conn);
}

void xs_conn_ready(struct xs_conn *conn)
{
	uint64_t one = 1;

	if (!list_empty(&conn->ready_link))
		return;
	if (list_empty(&conn->server->ready) &&
	    write(conn->server->kick_fd, &one, sizeof(one)) != sizeof(one)) {
		/* The counter is full: then it is readable already. */
	}
	list_append(&conn->server->ready, &conn->ready_link);
}

bool xs_conn_may_read(const struct xs_conn *conn)
{
	if (conn->dead || conn->ignored || conn->pause_until_ms)
		return false;
	return conn->nr_replies < (xs_privileged(conn) ? XS_SOCK_BACKLOG : XS_QUOTA_OUTSTANDING);
}

static struct xs_out *out_new(struct xs_conn *conn, const struct xsd_sockmsg *msg)
{
	struct xs_out *out = malloc(sizeof(*out) + sizeof(*msg) + msg->len);

	if (!out)
		return NULL;
	*out = (struct xs_out){ .size = (uint32_t)sizeof(*msg) + msg->len };
	memcpy(out->data, msg, sizeof(*msg));
	list_append(&conn->out, &out->link);
	xs_conn_touch(conn);
	return out;
}

void xs_conn_reply(struct xs_conn *conn, const struct xsd_sockmsg *msg, uint32_t type,
		   const void *data, size_t size)
{
	struct xsd_sockmsg reply = { type, msg->req_id, msg->tx_id, (uint32_t)size };
	struct xs_out *out = out_new(conn, &reply);

	/* Without its reply the client would wait for ever: let it see the end instead. */
	if (!out) {
		conn->ops->broken(conn, XENSTORE_ERROR_COMM);
		return;
	}
	if (size)
		memcpy(out->data + sizeof(reply), data, size);
	out->answers = conn->in_index;
	conn->nr_replies++;
}

int xs_conn_carry_on(struct xs_conn *conn, const char *rest, uint32_t size)
{
	struct xs_out *out = malloc(sizeof(*out) + size);

	if (!out)
		return -ENOMEM;
	*out = (struct xs_out){ .size = size, .answers = conn->in_index };
	memcpy(out->data, rest, size);
	list_append(&conn->out, &out->link);
	conn->nr_replies++;
	xs_conn_touch(conn);
	return 0;
}

static uint64_t event_hash(const struct xs_conn *conn, const struct xs_watch *watch,
			   const char *path, size_t len)
{
	return htab_hash(&conn->events, path, len) ^ (uintptr_t)watch * 0x9e3779b97f4a7c15u;
}

static bool event_pending(const struct xs_watch *watch, const char *path, size_t len, uint64_t hash)
{
	struct htab_node *key = htab_first(&watch->conn->events, hash);

	for (; key; key = htab_next_match(key)) {
		const struct xs_out *out = htab_entry(key, struct xs_out, key);
		const char *queued = out->data + sizeof(struct xsd_sockmsg);

		if (out->watch == watch && strlen(queued) == len && memcmp(queued, path, len) == 0)
			return true;
	}
	return false;
}

void xs_conn_event(struct xs_watch *watch, const char *path, size_t len)
{
	struct xs_conn *conn = watch->conn;
	struct xs_server_stats *stats = &conn->server->stats;
	size_t token_size = strlen(watch->token) + 1;
	struct xsd_sockmsg msg = { .type = XS_WATCH_EVENT };
	struct xs_out *out = NULL;
	uint64_t hash;

	path += watch->prefix_len;
	len -= watch->prefix_len;
	msg.len = (uint32_t)(len + 1 + token_size);
	hash = event_hash(conn, watch, path, len);
	if (event_pending(watch, path, len, hash)) {
		stats->events_merged++;
		return;
	}
	if (xs_privileged(conn) || (conn->nr_events < XS_QUOTA_EVENTS &&
				    conn->event_bytes + msg.len <= XS_QUOTA_EVENT_BYTES))
		out = out_new(conn, &msg);
	if (out && htab_insert(&conn->events, &out->key, hash) < 0) {
		list_remove(&out->link);
		free(out);
		out = NULL;
	}
	if (!out) {
		stats->events_dropped++;
		return;
	}
	memcpy(out->data + sizeof(msg), path, len);
	out->data[sizeof(msg) + len] = '\0';
	memcpy(out->data + sizeof(msg) + len + 1, watch->token, token_size);
	out->watch = watch;
	out->is_event = true;
	conn->nr_events++;
	conn->event_bytes += out->size;
	stats->events_sent++;
}

void xs_conn_forget_events(struct xs_conn *conn, const struct xs_watch *watch)
{
	struct list *link, *next;

	if (!conn->nr_events)
		return;
	list_for_each_safe (&conn->out, link, next)
		if (list_entry(link, struct xs_out, link)->watch == watch)
			xs_conn_drop_out(conn, list_entry(link, struct xs_out, link));
}

/* Once begun, an event is what the client has seen of it: a further change needs a further event. */
static void out_begun(struct xs_conn *conn, struct xs_out *out)
{
	if (!out->watch)
		return;
	htab_remove(&conn->events, &out->key);
	out->watch = NULL;
}

static void out_taken(struct xs_conn *conn, size_t taken)
{
	while (taken) {
		struct xs_out *out = list_entry(conn->out.next, struct xs_out, link);
		size_t part = out->size - out->sent < taken ? out->size - out->sent : taken;

		out_begun(conn, out);
		out->sent += (uint32_t)part;
		taken -= part;
		if (out->sent == out->size)
			xs_conn_drop_out(conn, out);
	}
}

static void conn_flush(struct xs_conn *conn)
{
	while (!list_empty(&conn->out) && !conn->dead && !conn->ignored) {
		struct iovec iov[XS_FLUSH_BATCH];
		struct list *link;
		size_t total = 0;
		ssize_t n;
		int nr = 0;

		list_for_each (&conn->out, link) {
			struct xs_out *out = list_entry(link, struct xs_out, link);

			if (nr == XS_FLUSH_BATCH)
				break;
			iov[nr].iov_base = out->data + out->sent;
			iov[nr].iov_len = out->size - out->sent;
			total += iov[nr++].iov_len;
		}
		n = conn->ops->write(conn, iov, nr);
		if (n < 0) {
			conn->dead = true;
			return;
		}
		out_taken(conn, (size_t)n);
		if ((size_t)n < total)
			return;
	}
}

void xs_settle(struct xs_server *server)
{
	if (server->depth)
		return;
	xs_log_flush(server);
	while (!list_empty(&server->flush)) {
		struct xs_conn *conn = list_entry(server->flush.next, struct xs_conn, flush_link);

		list_remove(&conn->flush_link);
		if (!conn->dead)
			conn_flush(conn);
		if (conn->dead)
			conn_free(conn);
		else
			conn->ops->settled(conn);
	}
}

/* A whole request in the buffer? Reads more when not. 1: yes; 0: not yet; -errno. */
static int fill(struct xs_conn *conn, struct xsd_sockmsg *msg)
{
	for (;;) {
		size_t have = conn->in_end - conn->in_at;
		ssize_t n;

		if (have >= sizeof(*msg)) {
			memcpy(msg, conn->in + conn->in_at, sizeof(*msg));
			if (msg->len > XENSTORE_PAYLOAD_MAX)
				return -EPROTO;
			if (have >= sizeof(*msg) + msg->len)
				return 1;
		}
		memmove(conn->in, conn->in + conn->in_at, have);
		conn->in_at = 0;
		conn->in_end = have;
		n = conn->ops->read(conn, conn->in + have, sizeof(conn->in) - have);
		if (n <= 0)
			return (int)n;
		conn->in_end += (size_t)n;
	}
}

void xs_conn_service(struct xs_conn *conn)
{
	struct xs_server *server = conn->server;
	int budget = XS_BUDGET;
	struct xsd_sockmsg msg;
	int rc = 0;

	conn_flush(conn);
	server->depth++;
	while (budget && xs_conn_may_read(conn) && (rc = fill(conn, &msg)) > 0) {
		const char *body = conn->in + conn->in_at + sizeof(msg);

		conn->in_at += sizeof(msg) + msg.len;
		conn->in_index += (uint32_t)sizeof(msg) + msg.len;
		xs_dispatch(conn, &msg, body);
		budget--;
	}
	if (rc == -EPROTO)
		conn->ops->broken(conn, XENSTORE_ERROR_PROTO);
	else if (rc < 0)
		conn->dead = true;
	if (!budget)
		xs_conn_ready(conn);
	xs_conn_touch(conn);
	server->depth--;
	xs_settle(server);
}

void xs_conn_pause(struct xs_conn *conn)
{
	struct xs_server *server = conn->server;
	uint64_t now = clock_ms();

	if (conn->pause_until_ms)
		return;
	if (!conn->pause_ms || now - conn->paused_last_ms > XS_PAUSE_FORGET_MS)
		conn->pause_ms = XS_PAUSE_FIRST_MS;
	else if (conn->pause_ms < XS_PAUSE_MAX_MS)
		conn->pause_ms *= 2;
	conn->paused_last_ms = now;
	conn->pause_until_ms = now + conn->pause_ms;
	if (list_empty(&server->paused))
		loop_timer_set(&server->pause_timer, conn->pause_ms, 0);
	list_append(&server->paused, &conn->pause_link);
	server->stats.pauses++;
	xs_conn_touch(conn);
}
