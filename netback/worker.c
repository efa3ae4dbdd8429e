/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "netback/scratch.h"

#define EVENTS_MAX 64
#define LOOK_AFTER 4 /* turns without a look at the descriptors, while there is work */

struct command {
	struct nb_queue *queue;
	bool attach;
	int rc;
	bool done;
};

struct nb_worker {
	int epoll_fd, kick_fd;
	bool threaded;
	pthread_t thread;
	struct list all, active;
	struct nb_scratch *scratch;
	unsigned int nr_turns; /* since the last look */
	_Atomic unsigned int nr_queues;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t done;
	struct command *command; /* one at a time: commands come from the control thread */
	bool stop;
};

static void activate(struct nb_worker *w, struct nb_queue *q)
{
	if (list_empty(&q->active))
		list_append(&w->active, &q->active);
}

static int watch_channel(struct nb_worker *w, struct nb_queue *q, enum nb_source_kind kind, int fd,
			 int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = &q->sources[kind] };

	if (fd < 0)
		return 0;
	q->sources[kind] = (struct nb_source){ kind, q };
	return epoll_ctl(w->epoll_fd, op, fd, &ev) ? -errno : 0;
}

static int watch_channels(struct nb_worker *w, struct nb_queue *q, int op, uint32_t events)
{
	int rc = watch_channel(w, q, NB_SOURCE_FROM, q->from_ch.fd, op, events);

	if (!rc)
		rc = watch_channel(w, q, NB_SOURCE_TO, q->to_ch.fd, op, events);
	if (!rc)
		rc = watch_channel(w, q, NB_SOURCE_CTRL, q->ctrl_ch.fd, op, events);
	return rc;
}

/* The port that @q is to read, -1: none. */
static int own_port(const struct nb_queue *q)
{
	return q->shares_port ? -1 : q->port_fd;
}

static void detach_here(struct nb_worker *w, struct nb_queue *q)
{
	watch_channels(w, q, EPOLL_CTL_DEL, 0);
	watch_channel(w, q, NB_SOURCE_PORT, own_port(q), EPOLL_CTL_DEL, 0);
	list_remove(&q->active);
	list_remove(&q->all);
	q->worker = NULL;
	w->nr_queues--;
}

static int attach_here(struct nb_worker *w, struct nb_queue *q)
{
	int rc = watch_channels(w, q, EPOLL_CTL_ADD, EPOLLIN | EPOLLET);

	if (!rc)
		rc = watch_channel(w, q, NB_SOURCE_PORT, own_port(q), EPOLL_CTL_ADD,
				   EPOLLIN | EPOLLET);
	q->worker = w;
	w->nr_queues++;
	list_append(&w->all, &q->all);
	if (rc) {
		detach_here(w, q);
		return rc;
	}
	q->port_ready = !q->shares_port;
	activate(w, q);
	return 0;
}

static void run_command(struct nb_worker *w)
{
	struct command *c;

	pthread_mutex_lock(&w->lock);
	c = w->command;
	w->command = NULL;
	if (c) {
		if (c->attach)
			c->rc = attach_here(w, c->queue);
		else
			detach_here(w, c->queue);
		c->done = true;
		pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->lock);
}

static int command(struct nb_worker *w, struct nb_queue *q, bool attach)
{
	struct command c = { .queue = q, .attach = attach };
	uint64_t one = 1;

	if (!w->threaded) {
		w->command = &c;
		run_command(w);
		return c.rc;
	}
	pthread_mutex_lock(&w->lock);
	w->command = &c;
	if (write(w->kick_fd, &one, sizeof(one)) < 0)
		c.rc = -errno;
	while (!c.done && !c.rc)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return c.rc;
}

int nb_worker_attach(struct nb_worker *w, struct nb_queue *q)
{
	return command(w, q, true);
}

void nb_worker_detach(struct nb_queue *q)
{
	if (q->worker)
		command(q->worker, q, false);
}

unsigned int nb_worker_nr_queues(const struct nb_worker *w)
{
	return w->nr_queues;
}

static void on_event(struct nb_worker *w, struct nb_source *source)
{
	struct nb_queue *q = source->queue;

	if (source->kind == NB_SOURCE_PORT) {
		q->port_ready = true;
	} else {
		q->event = true;
		q->signalled |= (uint8_t)(1u << source->kind);
	}
	nb_count(&q->stats.wakeups, 1);
	activate(w, q);
}

/* Queues that only time can wake. Return: milliseconds until the first, -1: none. */
static int serve_deadlines(struct nb_worker *w)
{
	uint64_t now = clock_ns(), first = UINT64_MAX;
	struct list *l;

	list_for_each (&w->all, l) {
		struct nb_queue *q = list_entry(l, struct nb_queue, all);

		if (!q->deadline_ns)
			continue;
		if (q->deadline_ns > now) {
			first = q->deadline_ns < first ? q->deadline_ns : first;
			continue;
		}
		q->deadline_ns = 0;
		activate(w, q);
	}
	if (first == UINT64_MAX)
		return -1;
	return (int)((first - now + 999999) / 1000000);
}

/* Storms are held back in epoll, since each signal of an eventfd is an edge of its own. */
static void apply_mask(struct nb_worker *w, struct nb_queue *q, uint64_t now, bool was_masked)
{
	if (q->masked && was_masked && now >= q->masked_until_ns)
		q->masked = false;
	if (q->masked != was_masked)
		watch_channels(w, q, EPOLL_CTL_MOD, q->masked ? 0 : EPOLLIN | EPOLLET);
}

static void serve(struct nb_worker *w, struct nb_queue *q)
{
	uint64_t now = clock_ns();
	unsigned int work = 0;
	bool was_masked = q->masked;

	apply_mask(w, q, now, was_masked);
	if (!atomic_load_explicit(&q->fatal, memory_order_relaxed)) {
		work = nb_from_guest(q, w->scratch, now);
		work += nb_to_guest(q, w->scratch, now);
		work += nb_ctrl_serve(q);
	}
	if (work) {
		q->event = false;
		q->nr_spurious = 0;
		/* The end of the round: others first. */
		list_remove(&q->active);
		list_append(&w->active, &q->active);
		return;
	}
	was_masked = q->masked;
	if (nb_queue_arm(q, now))
		return;
	apply_mask(w, q, now, was_masked);
	list_remove(&q->active);
}

unsigned int nb_worker_turn(struct nb_worker *w, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	struct list *l, *next, *last;
	unsigned int nr_active = 0;
	int i, n = 0, first;

	first = serve_deadlines(w);
	if (!list_empty(&w->active))
		timeout_ms = 0;
	else if (first >= 0 && (timeout_ms < 0 || first < timeout_ms))
		timeout_ms = first;
	/* The rings tell of more work without a system call. Who drives the worker sees each event at once. */
	if (!w->threaded || list_empty(&w->active) || ++w->nr_turns >= LOOK_AFTER) {
		n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, timeout_ms);
		w->nr_turns = 0;
	}
	for (i = 0; i < n; i++)
		if (events[i].data.ptr)
			on_event(w, events[i].data.ptr);
	for (i = 0; i < n; i++) {
		uint64_t count;

		if (!events[i].data.ptr && read(w->kick_fd, &count, sizeof(count)) > 0)
			run_command(w);
	}
	if (first >= 0)
		serve_deadlines(w);

	/* Those that serve() appends wait for the next turn. */
	last = w->active.prev;
	for (l = w->active.next; l != &w->active; l = next) {
		bool is_last = l == last;

		next = l->next;
		serve(w, list_entry(l, struct nb_queue, active));
		if (is_last)
			break;
	}
	list_for_each (&w->active, l)
		nr_active++;
	return nr_active;
}

static void *worker_thread(void *arg)
{
	struct nb_worker *w = arg;
	bool stop = false;

	while (!stop) {
		nb_worker_turn(w, -1);
		pthread_mutex_lock(&w->lock);
		stop = w->stop;
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static int start_thread(struct nb_worker *w)
{
	sigset_t all, old;
	int rc;

	/* Signals are for the control thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	rc = pthread_create(&w->thread, NULL, worker_thread, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->threaded = !rc;
	return -rc;
}

int nb_worker_create(bool threaded, struct nb_worker **w_out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct nb_worker *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (!w)
		return -ENOMEM;
	list_init(&w->all);
	list_init(&w->active);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	w->scratch = malloc(sizeof(*w->scratch));
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!w->scratch || w->epoll_fd < 0 || w->kick_fd < 0) {
		rc = w->scratch ? -errno : -ENOMEM;
		goto out;
	}
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->kick_fd, &ev)) {
		rc = -errno;
		goto out;
	}
	if (threaded)
		rc = start_thread(w);
out:
	if (rc) {
		nb_worker_destroy(w);
		w = NULL;
	}
	*w_out = w;
	return rc;
}

void nb_worker_destroy(struct nb_worker *w)
{
	uint64_t one = 1;

	if (!w)
		return;
	if (w->threaded) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_mutex_unlock(&w->lock);
		if (write(w->kick_fd, &one, sizeof(one)) == sizeof(one))
			pthread_join(w->thread, NULL);
	}
	if (w->kick_fd >= 0)
		close(w->kick_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->lock);
	free(w->scratch);
	free(w);
}
