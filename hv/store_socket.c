/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store over a xenstored's UNIX socket. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unixsock.h"
#include "hv/store_priv.h"

struct store_socket {
	struct store_stream stream;
	int fd;
};

static ssize_t socket_recv(struct store_stream *st, void *buf, size_t size, bool wait)
{
	struct store_socket *so = (struct store_socket *)st;
	ssize_t n;

	do
		n = recv(so->fd, buf, size, wait ? 0 : MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -ECONNRESET;
	return n < 0 ? (errno == EAGAIN ? 0 : -errno) : n;
}

static int socket_send(struct store_stream *st, const struct iovec *iov, int nr)
{
	struct store_socket *so = (struct store_socket *)st;
	struct iovec left[STORE_IOV_MAX + 1];
	struct msghdr msg = { .msg_iov = left, .msg_iovlen = (size_t)nr };

	memcpy(left, iov, (size_t)nr * sizeof(*iov));
	while (msg.msg_iovlen) {
		ssize_t n = sendmsg(so->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (msg.msg_iovlen && (size_t)n >= msg.msg_iov->iov_len) {
			n -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + n;
			msg.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static void socket_close(struct store_stream *st)
{
	struct store_socket *so = (struct store_socket *)st;

	close(so->fd);
	free(so);
}

static const struct store_stream_ops socket_stream_ops = {
	.recv = socket_recv,
	.send = socket_send,
	.close = socket_close,
};

int hv_store_connect(const char *socket_path, struct hv_store **store_out)
{
	struct store_socket *so;
	int rc = unixsock_connect(socket_path, SOCK_STREAM);

	if (rc < 0)
		return rc;
	so = calloc(1, sizeof(*so));
	if (!so) {
		close(rc);
		return -ENOMEM;
	}
	so->fd = rc;
	rc = store_stream_init(&so->stream, &socket_stream_ops, so->fd, false);
	if (rc < 0) {
		hv_store_close(&so->stream.store);
		return rc;
	}
	*store_out = &so->stream.store;
	return 0;
}
