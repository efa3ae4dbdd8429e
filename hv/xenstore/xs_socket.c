/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Privileged clients on DIR/xenstored/socket: root and the server's own user. */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rundir.h"
#include "base/unixsock.h"
#include "hv/xenstore/xs_priv.h"

static ssize_t socket_read(struct xs_conn *conn, void *buf, size_t size)
{
	ssize_t n;

	do
		n = recv(conn->sock.fd, buf, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ECONNRESET;
	return n < 0 ? (errno == EAGAIN ? 0 : -errno) : n;
}

static ssize_t socket_write(struct xs_conn *conn, const struct iovec *iov, int nr)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)nr };
	ssize_t n;

	do
		n = sendmsg(conn->sock.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? (errno == EAGAIN ? 0 : -errno) : n;
}

static void socket_settled(struct xs_conn *conn)
{
	uint32_t interest = (xs_conn_may_read(conn) ? EPOLLIN : 0) |
			    (list_empty(&conn->out) ? 0 : EPOLLOUT);

	if (interest == conn->sock.interest)
		return;
	conn->sock.interest = interest;
	if (loop_fd_set(&conn->watcher, interest) < 0)
		xs_conn_kill(conn);
}

static void socket_broken(struct xs_conn *conn, unsigned int error)
{
	(void)error;
	conn->dead = true;
}

static void socket_fini(struct xs_conn *conn)
{
	loop_fd_del(&conn->watcher);
	close(conn->sock.fd);
}

static const struct xs_conn_ops socket_ops = {
	.read = socket_read,
	.write = socket_write,
	.settled = socket_settled,
	.broken = socket_broken,
	.fini = socket_fini,
};

static void socket_event(void *arg, uint32_t events)
{
	struct xs_conn *conn = arg;

	/* Gone, and nothing to be read from it now: a hang-up would be reported again and again. */
	if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
		conn->dead = true;
	xs_conn_service(conn);
}

static void socket_accept(void *arg, uint32_t events)
{
	struct xs_server *server = arg;
	struct xs_conn *conn;
	uid_t uid;
	int fd = unixsock_accept(server->listen_fd);

	(void)events;
	if (fd < 0)
		return;
	if (unixsock_peer(fd, NULL, &uid) < 0 || (uid != 0 && uid != geteuid()))
		goto refuse;
	conn = xs_conn_new(server, &socket_ops, 0);
	if (!conn)
		goto refuse;
	conn->sock.fd = fd;
	conn->sock.interest = EPOLLIN;
	if (loop_fd_add(server->loop, &conn->watcher, fd, EPOLLIN, socket_event, conn) < 0) {
		xs_conn_kill(conn);
		xs_settle(server);
	}
	return;
refuse:
	close(fd);
}

int xs_socket_listen(struct xs_server *server, const char *rundir)
{
	int rc;

	if (snprintf(server->socket_path, sizeof(server->socket_path), "%s/%s", rundir,
		     RUNDIR_XENSTORED_SOCKET) >= (int)sizeof(server->socket_path))
		return -ENAMETOOLONG;
	rc = unixsock_listen(server->socket_path, SOCK_STREAM, 0600);
	if (rc < 0)
		return rc;
	server->listen_fd = rc;
	return loop_fd_add(server->loop, &server->listen_watcher, server->listen_fd, EPOLLIN,
			   socket_accept, server);
}

void xs_socket_unlisten(struct xs_server *server)
{
	loop_fd_del(&server->listen_watcher);
	if (server->listen_fd < 0)
		return;
	close(server->listen_fd);
	unlink(server->socket_path);
	server->listen_fd = -1;
}
