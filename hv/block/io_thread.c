/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where there is no io_uring: a thread that does one piece of work after another. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hv/block/io.h"

struct io_thread {
	struct blk_io io;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wanted, finished;
	struct list todo, done;
	bool stop;
};

static int64_t act(const struct blk_io_op *op)
{
	ssize_t n = 0;

	switch (op->what) {
	case BLK_IO_READ:
		n = preadv(op->fd, op->iov, (int)op->nr_iov, (off_t)op->offset);
		break;
	case BLK_IO_WRITE:
		n = pwritev(op->fd, op->iov, (int)op->nr_iov, (off_t)op->offset);
		break;
	case BLK_IO_SYNC:
		n = fdatasync(op->fd);
		break;
	case BLK_IO_DISCARD:
		n = fallocate(op->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)op->offset,
			      (off_t)op->len);
		break;
	}
	return n < 0 ? -errno : n;
}

static void *run(void *arg)
{
	struct io_thread *t = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		struct blk_io_op *op;

		if (list_empty(&t->todo)) {
			pthread_cond_wait(&t->wanted, &t->lock);
			continue;
		}
		op = list_entry(t->todo.next, struct blk_io_op, node);
		list_remove(&op->node);
		pthread_mutex_unlock(&t->lock);
		op->result = act(op);
		pthread_mutex_lock(&t->lock);
		list_append(&t->done, &op->node);
		pthread_cond_signal(&t->finished);
		/* A full counter is readable as well. */
		if (write(t->io.fd, &one, sizeof(one)) < 0)
			continue;
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void thread_queue(struct blk_io *io, struct blk_io_op *op)
{
	struct io_thread *t = (struct io_thread *)io;

	pthread_mutex_lock(&t->lock);
	list_append(&t->todo, &op->node);
	pthread_mutex_unlock(&t->lock);
}

static void thread_submit(struct blk_io *io)
{
	struct io_thread *t = (struct io_thread *)io;

	pthread_cond_signal(&t->wanted);
}

static struct blk_io_op *thread_reap(struct blk_io *io, bool wait)
{
	struct io_thread *t = (struct io_thread *)io;
	struct blk_io_op *op = NULL;
	uint64_t count;

	pthread_mutex_lock(&t->lock);
	while (wait && list_empty(&t->done))
		pthread_cond_wait(&t->finished, &t->lock);
	if (!list_empty(&t->done)) {
		op = list_entry(t->done.next, struct blk_io_op, node);
		list_remove(&op->node);
	}
	/* Under the lock, so that what is done later makes it readable again. */
	if (list_empty(&t->done) && read(t->io.fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_unlock(&t->lock);
	return op;
}

static void thread_destroy(struct blk_io *io)
{
	struct io_thread *t = (struct io_thread *)io;

	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wanted);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->wanted);
	pthread_cond_destroy(&t->finished);
	pthread_mutex_destroy(&t->lock);
	close(t->io.fd);
	free(t);
}

static const struct blk_io_ops thread_ops = {
	.name = "thread",
	.submit = thread_submit,
	.queue = thread_queue,
	.reap = thread_reap,
	.destroy = thread_destroy,
};

int blk_io_thread_create(struct blk_io **io_out)
{
	struct io_thread *t = calloc(1, sizeof(*t));
	sigset_t all, old;
	int rc = 0;

	if (!t)
		return -ENOMEM;
	t->io.ops = &thread_ops;
	list_init(&t->todo);
	list_init(&t->done);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wanted, NULL);
	pthread_cond_init(&t->finished, NULL);
	t->io.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->io.fd < 0)
		rc = -errno;
	/* Signals are for the control thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (!rc)
		rc = -pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		if (t->io.fd >= 0)
			close(t->io.fd);
		free(t);
		t = NULL;
	}
	*io_out = t ? &t->io : NULL;
	return rc;
}
