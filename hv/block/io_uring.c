/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The only file that knows liburing. */
#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>

#include <liburing.h>

#include "hv/block/io.h"

struct uring {
	struct blk_io io;
	struct io_uring ring;
	struct list waiting; /* found no place in the submission queue */
};

static void prepare(struct io_uring_sqe *sqe, struct blk_io_op *op)
{
	switch (op->what) {
	case BLK_IO_READ:
		io_uring_prep_readv(sqe, op->fd, op->iov, op->nr_iov, op->offset);
		break;
	case BLK_IO_WRITE:
		io_uring_prep_writev(sqe, op->fd, op->iov, op->nr_iov, op->offset);
		break;
	case BLK_IO_SYNC:
		io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
		break;
	case BLK_IO_DISCARD:
		io_uring_prep_fallocate(sqe, op->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)op->offset, (off_t)op->len);
		break;
	}
	io_uring_sqe_set_data(sqe, op);
}

static void take_waiting(struct uring *u)
{
	while (!list_empty(&u->waiting)) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
		struct blk_io_op *op = list_entry(u->waiting.next, struct blk_io_op, node);

		if (!sqe)
			return;
		list_remove(&op->node);
		prepare(sqe, op);
	}
}

/* -EBUSY, -EAGAIN: what stays in the queue goes with a later call, when some is reaped. */
static void uring_submit(struct blk_io *io)
{
	struct uring *u = (struct uring *)io;

	do
		take_waiting(u);
	while (io_uring_submit(&u->ring) > 0 && !list_empty(&u->waiting));
}

static void uring_queue(struct blk_io *io, struct blk_io_op *op)
{
	struct uring *u = (struct uring *)io;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (sqe)
		prepare(sqe, op);
	else
		list_append(&u->waiting, &op->node);
}

static struct blk_io_op *uring_reap(struct blk_io *io, bool wait)
{
	struct uring *u = (struct uring *)io;
	struct io_uring_cqe *cqe = NULL;
	struct blk_io_op *op;
	int rc;

	/* What could not be submitted before may be by now. */
	if (io_uring_sq_ready(&u->ring) || !list_empty(&u->waiting))
		uring_submit(io);
	do
		rc = wait ? io_uring_wait_cqe(&u->ring, &cqe) : io_uring_peek_cqe(&u->ring, &cqe);
	while (rc == -EINTR);
	if (rc || !cqe)
		return NULL;
	op = io_uring_cqe_get_data(cqe);
	op->result = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	return op;
}

static void uring_destroy(struct blk_io *io)
{
	struct uring *u = (struct uring *)io;

	io_uring_queue_exit(&u->ring);
	free(u);
}

static const struct blk_io_ops uring_ops = {
	.name = "io_uring",
	.submit = uring_submit,
	.queue = uring_queue,
	.reap = uring_reap,
	.destroy = uring_destroy,
};

int blk_io_uring_create(unsigned int depth, struct blk_io **io_out)
{
	struct uring *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return -ENOMEM;
	rc = io_uring_queue_init(depth, &u->ring, 0);
	if (rc) {
		free(u);
		return rc;
	}
	list_init(&u->waiting);
	u->io.ops = &uring_ops;
	u->io.fd = u->ring.ring_fd;
	*io_out = &u->io;
	return 0;
}
