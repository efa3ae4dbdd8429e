/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store over /dev/xen/xenbus, the way of a guest's user space: its kernel passes requests on, one
 * message a write, and keeps apart the watches and transactions of those who have it open.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/store_priv.h"

struct store_xenbus {
	struct store_stream stream;
	int fd;
};

static ssize_t xenbus_recv(struct store_stream *st, void *buf, size_t size, bool wait)
{
	struct store_xenbus *x = (struct store_xenbus *)st;
	struct pollfd readable = { .fd = x->fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		n = read(x->fd, buf, size);
		if (n > 0)
			return n;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!wait)
			return 0;
		if (poll(&readable, 1, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

static int xenbus_send(struct store_stream *st, const struct iovec *iov, int nr)
{
	struct store_xenbus *x = (struct store_xenbus *)st;
	char message[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
	size_t size = 0;
	ssize_t n;

	for (int i = 0; i < nr; i++) {
		if (iov[i].iov_len > sizeof(message) - size)
			return -E2BIG;
		memcpy(message + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
	}
	do
		n = write(x->fd, message, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static void xenbus_close(struct store_stream *st)
{
	struct store_xenbus *x = (struct store_xenbus *)st;

	close(x->fd);
	free(x);
}

static const struct store_stream_ops xenbus_stream_ops = {
	.recv = xenbus_recv,
	.send = xenbus_send,
	.close = xenbus_close,
};

int store_xenbus_open(const char *path, struct hv_store **store_out)
{
	struct store_xenbus *x;
	int rc = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (rc < 0)
		return -errno;
	x = calloc(1, sizeof(*x));
	if (!x) {
		close(rc);
		return -ENOMEM;
	}
	x->fd = rc;
	rc = store_stream_init(&x->stream, &xenbus_stream_ops, x->fd, false);
	if (rc < 0) {
		hv_store_close(&x->stream.store);
		return rc;
	}
	*store_out = &x->stream.store;
	return 0;
}
