/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing over NBD. Requests are sent one after another, as far as the socket takes them; answers come
 * in any order, each by its handle, which is a slot here.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hv/block/nbd.h"

#define DEPTH_MAX     512u
#define IOV_PART      64u /* of one call */
#define TRIM_MAX      (1u << 30)
#define REQUEST_MAGIC 0x25609513u
#define ANSWER_MAGIC  0x67446698u

struct __attribute__((packed)) request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t len;
};

struct __attribute__((packed)) answer {
	uint32_t magic, error;
	uint64_t handle;
};

struct io_nbd {
	struct blk_io io; /* its fd is an epoll's, of the socket */
	int sock;	  /* -1: lost */
	bool waits_out;	  /* for the socket to take more */
	struct list todo, done;
	struct blk_io_op *sent[DEPTH_MAX]; /* by handle; NULL: free */
	unsigned int depth;

	struct request request; /* of the first of todo */
	bool has_request;
	size_t out; /* bytes of that and its data that are sent */

	struct answer answer;
	struct blk_io_op *reading; /* whose data comes now; NULL: an answer does */
	size_t in;		   /* bytes of either */
};

static size_t total(const struct blk_io_op *op)
{
	size_t size = 0;

	for (unsigned int i = 0; i < op->nr_iov; i++)
		size += op->iov[i].iov_len;
	return size;
}

/* What is left of @op's areas from byte @skip on, up to IOV_PART of them. */
static unsigned int rest(const struct blk_io_op *op, size_t skip, struct iovec *part)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < op->nr_iov && nr < IOV_PART; i++) {
		const struct iovec *v = &op->iov[i];

		if (skip >= v->iov_len) {
			skip -= v->iov_len;
			continue;
		}
		part[nr++] = (struct iovec){ (uint8_t *)v->iov_base + skip, v->iov_len - skip };
		skip = 0;
	}
	return nr;
}

static void finish(struct io_nbd *n, struct blk_io_op *op, int64_t result)
{
	op->result = result;
	list_append(&n->done, &op->node);
}

/* The server is gone, or not to be believed. */
static void lose(struct io_nbd *n)
{
	if (n->sock >= 0)
		close(n->sock);
	n->sock = -1;
	n->reading = NULL;
	n->has_request = false;
	for (unsigned int i = 0; i < n->depth; i++) {
		if (n->sent[i])
			finish(n, n->sent[i], -EIO);
		n->sent[i] = NULL;
	}
	while (!list_empty(&n->todo)) {
		struct blk_io_op *op = list_entry(n->todo.next, struct blk_io_op, node);

		list_remove(&op->node);
		finish(n, op, -EIO);
	}
}

static void watch(struct io_nbd *n, bool out)
{
	struct epoll_event ev = { .events = EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0u) };

	if (n->sock >= 0 && out != n->waits_out &&
	    !epoll_ctl(n->io.fd, EPOLL_CTL_MOD, n->sock, &ev))
		n->waits_out = out;
}

/* False: no handle is free. */
static bool make_request(struct io_nbd *n, const struct blk_io_op *op)
{
	static const uint16_t types[] = {
		[BLK_IO_READ] = 0, [BLK_IO_WRITE] = 1, [BLK_IO_SYNC] = 3, [BLK_IO_DISCARD] = 4
	};
	bool moves = op->what == BLK_IO_READ || op->what == BLK_IO_WRITE;
	uint64_t len = moves ? total(op) : op->what == BLK_IO_DISCARD ? op->len : 0;
	unsigned int handle = 0;

	while (handle < n->depth && n->sent[handle])
		handle++;
	if (handle == n->depth)
		return false;
	n->request = (struct request){
		.magic = htobe32(REQUEST_MAGIC),
		.type = htobe16(types[op->what]),
		.handle = htobe64(handle),
		.offset = htobe64(op->what == BLK_IO_SYNC ? 0 : op->offset),
		.len = htobe32((uint32_t)(len < TRIM_MAX ? len : TRIM_MAX)),
	};
	n->has_request = true;
	n->out = 0;
	return true;
}

/* Return: bytes sent of the first of todo; 0: not now; -errno. */
static ssize_t send_part(struct io_nbd *n, const struct blk_io_op *op)
{
	struct iovec part[IOV_PART + 1];
	struct msghdr msg = { .msg_iov = part };
	size_t head = n->out < sizeof(n->request) ? sizeof(n->request) - n->out : 0;
	ssize_t sent;

	if (head)
		part[msg.msg_iovlen++] = (struct iovec){
			(uint8_t *)&n->request + sizeof(n->request) - head, head
		};
	if (op->what == BLK_IO_WRITE)
		msg.msg_iovlen += rest(op, head ? 0 : n->out - sizeof(n->request),
				       part + msg.msg_iovlen);
	sent = sendmsg(n->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return sent;
}

static void send_all(struct io_nbd *n)
{
	while (n->sock >= 0 && !list_empty(&n->todo)) {
		struct blk_io_op *op = list_entry(n->todo.next, struct blk_io_op, node);
		size_t size = sizeof(n->request) + (op->what == BLK_IO_WRITE ? total(op) : 0);
		ssize_t sent;

		if (!n->has_request && !make_request(n, op))
			break;
		sent = send_part(n, op);
		if (sent < 0) {
			lose(n);
			return;
		}
		if (!sent) {
			watch(n, true);
			return;
		}
		n->out += (size_t)sent;
		if (n->out < size)
			continue;
		n->has_request = false;
		list_remove(&op->node);
		n->sent[be64toh(n->request.handle)] = op;
	}
	watch(n, false);
}

/* The answer to @op is complete. */
static void answered(struct io_nbd *n, struct blk_io_op *op)
{
	uint32_t error = be32toh(n->answer.error);
	int64_t result = 0;

	if (error)
		/* Its numbers are Linux's. */
		result = error < 4096 ? -(int64_t)error : -EIO;
	else if (op->what == BLK_IO_READ || op->what == BLK_IO_WRITE)
		result = (int64_t)total(op);
	else if (op->what == BLK_IO_DISCARD)
		result = (int64_t)(op->len < TRIM_MAX ? op->len : TRIM_MAX);
	n->sent[be64toh(n->answer.handle)] = NULL;
	n->reading = NULL;
	n->in = 0;
	finish(n, op, result);
}

/* An answer without its data is there. */
static int begin_answer(struct io_nbd *n)
{
	uint64_t handle = be64toh(n->answer.handle);
	struct blk_io_op *op;

	if (be32toh(n->answer.magic) != ANSWER_MAGIC || handle >= n->depth || !n->sent[handle])
		return -EPROTO;
	op = n->sent[handle];
	n->in = 0;
	if (op->what == BLK_IO_READ && !n->answer.error)
		n->reading = op;
	else
		answered(n, op);
	return 0;
}

/* Return: 1: go on; 0: nothing there; -errno. */
static int receive_part(struct io_nbd *n)
{
	struct iovec part[IOV_PART] = { { (uint8_t *)&n->answer + n->in,
					  sizeof(n->answer) - n->in } };
	unsigned int nr = n->reading ? rest(n->reading, n->in, part) : 1;
	ssize_t got = readv(n->sock, part, (int)nr);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!got)
		return -ECONNRESET;
	n->in += (size_t)got;
	if (!n->reading)
		return n->in < sizeof(n->answer) ? 1 : begin_answer(n) < 0 ? -EPROTO : 1;
	if (n->in == total(n->reading))
		answered(n, n->reading);
	return 1;
}

static void receive_all(struct io_nbd *n)
{
	int rc = 1;

	while (n->sock >= 0 && rc > 0)
		rc = receive_part(n);
	if (rc < 0)
		lose(n);
}

static void nbd_queue(struct blk_io *io, struct blk_io_op *op)
{
	struct io_nbd *n = (struct io_nbd *)io;

	if (n->sock >= 0)
		list_append(&n->todo, &op->node);
	else
		finish(n, op, -EIO);
}

static void nbd_submit(struct blk_io *io)
{
	send_all((struct io_nbd *)io);
}

static struct blk_io_op *nbd_reap(struct blk_io *io, bool wait)
{
	struct io_nbd *n = (struct io_nbd *)io;
	struct blk_io_op *op;

	while (list_empty(&n->done)) {
		receive_all(n);
		send_all(n);
		if (!list_empty(&n->done))
			break;
		if (!wait)
			return NULL;
		poll(&(struct pollfd){ n->io.fd, POLLIN, 0 }, 1, -1);
	}
	op = list_entry(n->done.next, struct blk_io_op, node);
	list_remove(&op->node);
	return op;
}

static void nbd_destroy(struct blk_io *io)
{
	struct io_nbd *n = (struct io_nbd *)io;
	struct request bye = { .magic = htobe32(REQUEST_MAGIC), .type = htobe16(2) };

	if (n->sock >= 0) {
		/* Unheard, the end of the connection says the same. */
		if (send(n->sock, &bye, sizeof(bye), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			bye.type = 0;
		close(n->sock);
	}
	close(n->io.fd);
	free(n);
}

static const struct blk_io_ops nbd_ops = {
	.name = "nbd",
	.submit = nbd_submit,
	.queue = nbd_queue,
	.reap = nbd_reap,
	.destroy = nbd_destroy,
};

int blk_io_nbd_create(const char *path, unsigned int depth, struct blk_io **io_out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct io_nbd *n = calloc(1, sizeof(*n));
	struct nbd_export export;
	int rc;

	*io_out = NULL;
	if (!n)
		return -ENOMEM;
	n->io.ops = &nbd_ops;
	n->depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
	list_init(&n->todo);
	list_init(&n->done);
	n->io.fd = epoll_create1(EPOLL_CLOEXEC);
	n->sock = nbd_connect(path, &export);
	rc = n->sock < 0 ? n->sock : 0;
	if (!rc && (n->io.fd < 0 || epoll_ctl(n->io.fd, EPOLL_CTL_ADD, n->sock, &ev) ||
		    fcntl(n->sock, F_SETFL, O_NONBLOCK)))
		rc = -errno;
	if (rc) {
		if (n->sock >= 0)
			close(n->sock);
		if (n->io.fd >= 0)
			close(n->io.fd);
		free(n);
		return rc;
	}
	*io_out = &n->io;
	return 0;
}
