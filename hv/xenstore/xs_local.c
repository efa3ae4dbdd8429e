/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A privileged connection of this very process: a request is handled within the call, by the same
 * code as one from a socket.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hv/store_priv.h"
#include "hv/xenstore/xs_priv.h"

struct local_store {
	struct hv_store store;
	struct xs_conn *conn;
};

static ssize_t local_read(struct xs_conn *conn, void *buf, size_t size)
{
	(void)conn;
	(void)buf;
	(void)size;
	return 0;
}

/* Output stays queued until the process takes it. */
static ssize_t local_write(struct xs_conn *conn, const struct iovec *iov, int nr)
{
	(void)conn;
	(void)iov;
	(void)nr;
	return 0;
}

static void local_signal(struct xs_conn *conn)
{
	bool wanted = conn->nr_events > 0;
	uint64_t count = 1;

	if (wanted == conn->local.signalled)
		return;
	if (wanted ? write(conn->local.event_fd, &count, sizeof(count)) < 0
		   : read(conn->local.event_fd, &count, sizeof(count)) < 0)
		return;
	conn->local.signalled = wanted;
}

static void local_broken(struct xs_conn *conn, unsigned int error)
{
	(void)conn;
	(void)error;
}

static void local_fini(struct xs_conn *conn)
{
	close(conn->local.event_fd);
}

static const struct xs_conn_ops local_ops = {
	.read = local_read,
	.write = local_write,
	.settled = local_signal,
	.broken = local_broken,
	.fini = local_fini,
};

static struct xs_out *first_out(const struct xs_conn *conn, bool event)
{
	const struct list *link;

	list_for_each (&conn->out, link) {
		struct xs_out *out = list_entry(link, struct xs_out, link);

		if (out->is_event == event)
			return out;
	}
	return NULL;
}

static int take_reply(struct xs_conn *conn, struct store_reply *reply)
{
	struct xs_out *out = first_out(conn, false);
	struct xsd_sockmsg msg;

	if (!out)
		return -ENOMEM;
	memcpy(&msg, out->data, sizeof(msg));
	reply->data = malloc(msg.len + 1);
	if (reply->data) {
		memcpy(reply->data, out->data + sizeof(msg), msg.len);
		reply->data[msg.len] = '\0';
		reply->size = msg.len;
		reply->type = msg.type;
	}
	xs_conn_drop_out(conn, out);
	return reply->data ? 0 : -ENOMEM;
}

static int local_call(struct hv_store *s, uint32_t type, uint32_t tx, const struct iovec *body,
		      int nr, struct store_reply *reply)
{
	struct xs_conn *conn = ((struct local_store *)s)->conn;
	struct xsd_sockmsg msg = { .type = type, .tx_id = tx };
	char buf[XENSTORE_PAYLOAD_MAX];
	struct xs_tx *open_tx;
	int rc;

	for (int i = 0; i < nr; i++) {
		memcpy(buf + msg.len, body[i].iov_base, body[i].iov_len);
		msg.len += (uint32_t)body[i].iov_len;
	}
	conn->server->depth++;
	xs_dispatch(conn, &msg, buf);
	conn->server->depth--;
	rc = take_reply(conn, reply);
	/* The caller believes that the step was not done. */
	open_tx = rc < 0 && tx ? xs_tx_find(conn, tx) : NULL;
	if (open_tx)
		open_tx->failed = true;
	xs_settle(conn->server);
	return rc;
}

static int local_next_event(struct hv_store *s, char **path_out, char **token_out)
{
	struct xs_conn *conn = ((struct local_store *)s)->conn;
	struct xs_out *out = conn->nr_events ? first_out(conn, true) : NULL;
	int rc;

	if (!out)
		return -EAGAIN;
	rc = store_parse_event(out->data + sizeof(struct xsd_sockmsg),
			       out->size - sizeof(struct xsd_sockmsg), path_out, token_out);
	xs_conn_drop_out(conn, out);
	local_signal(conn);
	return rc;
}

static int local_fd(struct hv_store *s)
{
	return ((struct local_store *)s)->conn->local.event_fd;
}

static void local_close(struct hv_store *s)
{
	struct local_store *ls = (struct local_store *)s;

	xs_conn_kill(ls->conn);
	xs_settle(ls->conn->server);
	free(ls);
}

static const struct store_ops local_store_ops = {
	.call = local_call,
	.next_event = local_next_event,
	.fd = local_fd,
	.close = local_close,
};

int xs_server_store(struct xs_server *server, struct hv_store **store_out)
{
	struct local_store *ls = calloc(1, sizeof(*ls));
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (!ls || fd < 0)
		goto fail;
	ls->conn = xs_conn_new(server, &local_ops, 0);
	if (!ls->conn)
		goto fail;
	ls->conn->local.event_fd = fd;
	ls->store.ops = &local_store_ops;
	*store_out = &ls->store;
	return 0;
fail:
	free(ls);
	if (fd >= 0)
		close(fd);
	return -ENOMEM;
}
