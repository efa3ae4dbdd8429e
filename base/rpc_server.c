/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/rpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/unixsock.h"

#define RPC_READ_CHUNK 65536

struct rpc_server {
	struct loop *loop;
	const struct rpc_method *methods;
	void *arg;
	int fd;
	struct loop_fd watcher;
	struct list conns;
};

struct rpc_conn {
	struct list link;
	struct rpc_server *server;
	int fd;
	pid_t pid;
	uid_t uid;
	struct loop_fd watcher;
	char *in, *out;
	size_t in_used, in_size, out_used, out_sent;
	struct rpc_call *call; /* being answered: no further request is read meanwhile */
};

struct rpc_call {
	struct rpc_conn *conn; /* NULL: hung up meanwhile */
	json_t *request, *params;
};

static void conn_close(struct rpc_conn *conn)
{
	if (conn->call)
		conn->call->conn = NULL;
	loop_fd_del(&conn->watcher);
	close(conn->fd);
	list_remove(&conn->link);
	free(conn->in);
	free(conn->out);
	free(conn);
}

static void conn_watch(struct rpc_conn *conn)
{
	uint32_t events = conn->out_sent < conn->out_used ? EPOLLOUT : conn->call ? 0 : EPOLLIN;

	loop_fd_set(&conn->watcher, events);
}

/* Return: false when the connection is gone. */
static bool conn_flush(struct rpc_conn *conn)
{
	while (conn->out_sent < conn->out_used) {
		ssize_t n = send(conn->fd, conn->out + conn->out_sent,
				 conn->out_used - conn->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			conn_close(conn);
			return false;
		}
		conn->out_sent += (size_t)n;
	}
	if (conn->out_sent == conn->out_used) {
		free(conn->out);
		conn->out = NULL;
		conn->out_used = conn->out_sent = 0;
	}
	return true;
}

static void call_answer(struct rpc_call *call, json_t *answer)
{
	struct rpc_conn *conn = call->conn;
	char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(answer);
	json_decref(call->request);
	free(call);
	if (!conn) {
		free(text);
		return;
	}
	conn->call = NULL;
	if (!text) {
		conn_close(conn);
		return;
	}
	/* One answer at a time, so the output buffer is empty or being drained by an older one. */
	conn->out = text;
	conn->out_used = strlen(text);
	text[conn->out_used++] = '\n'; /* in place of the NUL: sent by length */
	conn->out_sent = 0;
	if (!conn_flush(conn))
		return;
	if (conn->in_used)
		loop_fd_set(&conn->watcher,
			    EPOLLOUT); /* comes back for the requests in the buffer */
	else
		conn_watch(conn);
}

void rpc_reply(struct rpc_call *call, json_t *result)
{
	call_answer(call, json_pack("{s:o}", "result", result ? result : json_null()));
}

static __attribute__((format(printf, 4, 0))) void
call_fail(struct rpc_call *call, const char *code, json_t *data, const char *fmt, va_list ap)
{
	char message[1024];

	vsnprintf(message, sizeof(message), fmt, ap);
	call_answer(call, json_pack("{s:{s:s, s:s, s:o*}}", "error", "code", code, "message",
				    message, "data", data));
}

void rpc_fail(struct rpc_call *call, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	call_fail(call, code, NULL, fmt, ap);
	va_end(ap);
}

void rpc_fail_data(struct rpc_call *call, const char *code, json_t *data, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	call_fail(call, code, data, fmt, ap);
	va_end(ap);
}

json_t *rpc_params(const struct rpc_call *call)
{
	return call->params;
}

pid_t rpc_peer_pid(const struct rpc_call *call)
{
	return call->conn ? call->conn->pid : 0;
}

uid_t rpc_peer_uid(const struct rpc_call *call)
{
	return call->conn ? call->conn->uid : geteuid();
}

static void conn_dispatch(struct rpc_conn *conn, const char *line, size_t len)
{
	const struct rpc_method *m = conn->server->methods;
	struct rpc_call *call = calloc(1, sizeof(*call));
	const char *name;
	json_error_t error;

	if (!call) {
		conn_close(conn);
		return;
	}
	call->conn = conn;
	conn->call = call;
	call->request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(call->request)) {
		rpc_fail(call, "protocol", "a request is one JSON object on one line");
		return;
	}
	call->params = json_object_get(call->request, "params");
	if (!call->params) {
		call->params = json_object();
		json_object_set_new(call->request, "params", call->params);
	}
	name = json_string_value(json_object_get(call->request, "method"));
	if (!name || !json_is_object(call->params)) {
		rpc_fail(call, "protocol", "\"method\" is a string, \"params\" an object");
		return;
	}
	for (; m->name; m++)
		if (!strcmp(m->name, name)) {
			m->fn(conn->server->arg, call);
			return;
		}
	rpc_fail(call, "unknown-method", "no method \"%.64s\"", name);
}

/* Answer the complete requests in the buffer, one after the other. May free @conn. */
static void conn_serve(struct rpc_conn *conn)
{
	struct rpc_server *server = conn->server;

	while (!conn->call && conn->in_used) {
		char *end = memchr(conn->in, '\n', conn->in_used);
		char *line;
		size_t len;

		if (!end)
			break;
		len = (size_t)(end - conn->in);
		line = malloc(len + 1);
		if (!line) {
			conn_close(conn);
			return;
		}
		memcpy(line, conn->in, len);
		conn->in_used -= len + 1;
		memmove(conn->in, end + 1, conn->in_used);
		conn_dispatch(conn, line, len);
		free(line);
		/* The handler may have hung up on this very connection. */
		struct list *l;
		bool alive = false;

		list_for_each (&server->conns, l)
			alive |= list_entry(l, struct rpc_conn, link) == conn;
		if (!alive)
			return;
	}
	conn_watch(conn);
}

static void conn_read(struct rpc_conn *conn)
{
	ssize_t n;

	if (conn->in_size - conn->in_used < RPC_READ_CHUNK) {
		size_t size = conn->in_size * 2 + RPC_READ_CHUNK;
		char *in = conn->in_used < RPC_MESSAGE_MAX ? realloc(conn->in, size) : NULL;

		if (!in) {
			conn_close(conn);
			return;
		}
		conn->in = in;
		conn->in_size = size;
	}
	n = recv(conn->fd, conn->in + conn->in_used, conn->in_size - conn->in_used, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(conn);
		return;
	}
	conn->in_used += (size_t)n;
	conn_serve(conn);
}

static void conn_ready(void *arg, uint32_t events)
{
	struct rpc_conn *conn = arg;

	if (events & EPOLLOUT) {
		if (conn_flush(conn))
			conn_serve(conn);
		return;
	}
	if (events & EPOLLIN)
		conn_read(conn);
	else
		conn_close(conn);
}

static void server_accept(void *arg, uint32_t events)
{
	struct rpc_server *server = arg;
	struct rpc_conn *conn;
	uid_t uid;
	int fd = unixsock_accept(server->fd);

	(void)events;
	if (fd < 0)
		return;
	conn = calloc(1, sizeof(*conn));
	if (!conn || unixsock_peer(fd, &conn->pid, &uid) < 0 || (uid != 0 && uid != geteuid()) ||
	    loop_fd_add(server->loop, &conn->watcher, fd, EPOLLIN, conn_ready, conn) < 0) {
		free(conn);
		close(fd);
		return;
	}
	conn->server = server;
	conn->fd = fd;
	conn->uid = uid;
	list_append(&server->conns, &conn->link);
}

int rpc_server_create_at(struct loop *loop, int fd, const struct rpc_method *methods, void *arg,
			 struct rpc_server **server_out)
{
	struct rpc_server *server = calloc(1, sizeof(*server));
	int rc;

	if (!server) {
		close(fd);
		return -ENOMEM;
	}
	server->loop = loop;
	server->methods = methods;
	server->arg = arg;
	list_init(&server->conns);
	server->fd = fd;
	rc = loop_fd_add(loop, &server->watcher, fd, EPOLLIN, server_accept, server);
	if (rc < 0)
		rpc_server_destroy(server);
	else
		*server_out = server;
	return rc;
}

int rpc_server_create(struct loop *loop, const char *path, const struct rpc_method *methods,
		      void *arg, struct rpc_server **server_out)
{
	int fd = unixsock_listen(path, SOCK_STREAM, 0600);

	return fd < 0 ? fd : rpc_server_create_at(loop, fd, methods, arg, server_out);
}

int rpc_server_leave(struct rpc_server *server)
{
	int fd = server->fd;

	loop_fd_del(&server->watcher);
	server->fd = -1;
	return fd;
}

void rpc_server_destroy(struct rpc_server *server)
{
	struct list *l, *next;

	if (!server)
		return;
	list_for_each_safe (&server->conns, l, next)
		conn_close(list_entry(l, struct rpc_conn, link));
	loop_fd_del(&server->watcher);
	if (server->fd >= 0)
		close(server->fd);
	free(server);
}
