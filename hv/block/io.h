/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work on files that goes on by itself: io_uring, or where the kernel refuses that, a thread. One user
 * thread. Nothing here knows of rings or guests.
 */
#ifndef HV_BLOCK_IO_H
#define HV_BLOCK_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"

enum blk_io_what { BLK_IO_READ, BLK_IO_WRITE, BLK_IO_SYNC, BLK_IO_DISCARD };

/* One piece of work; the caller's, and its memory must stay until it is reaped. */
struct blk_io_op {
	enum blk_io_what what;
	int fd;
	const struct iovec *iov; /* of read and write */
	unsigned int nr_iov;	 /* up to IOV_MAX */
	uint64_t offset;	 /* bytes */
	uint64_t len;		 /* bytes, of discard */
	int64_t result;	  /* set: bytes of read, write, and of a discard in part; 0; -errno */
	struct list node; /* the engine's */
};

struct blk_io;

struct blk_io_ops {
	const char *name;
	/* Do what was queued, soon. */
	void (*submit)(struct blk_io *io);
	void (*queue)(struct blk_io *io, struct blk_io_op *op);
	struct blk_io_op *(*reap)(struct blk_io *io, bool wait);
	void (*destroy)(struct blk_io *io);
};

struct blk_io {
	const struct blk_io_ops *ops;
	int fd;			  /* readable while something may be reaped */
	unsigned int nr_inflight; /* queued and not reaped */
};

enum blk_io_engine { BLK_IO_BEST, BLK_IO_URING, BLK_IO_THREAD };

/* At most @depth ops are in flight at a time. BLK_IO_BEST: io_uring, else a thread. 0 or -errno. */
int blk_io_create(enum blk_io_engine engine, unsigned int depth, struct blk_io **io_out);
/* Waits for what is in flight, whose results nobody learns. NULL is allowed. */
void blk_io_destroy(struct blk_io *io);

static inline void blk_io_queue(struct blk_io *io, struct blk_io_op *op)
{
	io->nr_inflight++;
	io->ops->queue(io, op);
}

static inline void blk_io_submit(struct blk_io *io)
{
	io->ops->submit(io);
}

/* NULL: nothing is done; with @wait only when nothing is in flight. */
static inline struct blk_io_op *blk_io_reap(struct blk_io *io, bool wait)
{
	struct blk_io_op *op = !wait || io->nr_inflight ? io->ops->reap(io, wait) : NULL;

	if (op)
		io->nr_inflight--;
	return op;
}

/* The fillings. */
int blk_io_uring_create(unsigned int depth, struct blk_io **io_out);
int blk_io_thread_create(struct blk_io **io_out);

#endif
