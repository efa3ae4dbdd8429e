/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOOP_BATCH 64

struct loop {
	int epfd;
	bool stopped;
	int status;
	struct epoll_event batch[LOOP_BATCH];
	int batch_len, batch_pos;
	struct loop_fd signal_watcher;
	void (*signal_fn)(void *arg, int signo);
	void *signal_arg;
};

int loop_create(struct loop **loop_out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->signal_watcher.fd = -1;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		int rc = -errno;

		free(loop);
		return rc;
	}
	*loop_out = loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->signal_watcher.loop) {
		int fd = loop->signal_watcher.fd;

		loop_fd_del(&loop->signal_watcher);
		close(fd);
	}
	close(loop->epfd);
	free(loop);
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	int n = epoll_wait(loop->epfd, loop->batch, LOOP_BATCH, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	loop->batch_len = n;
	for (loop->batch_pos = 0; loop->batch_pos < n; loop->batch_pos++) {
		struct loop_fd *w = loop->batch[loop->batch_pos].data.ptr;

		if (w)
			w->fn(w->arg, loop->batch[loop->batch_pos].events);
	}
	loop->batch_len = 0;
	return n;
}

int loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped) {
		int n = loop_turn(loop, -1);

		if (n < 0)
			return n;
	}
	return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
	loop->stopped = true;
	loop->status = status;
}

int loop_fd_add(struct loop *loop, struct loop_fd *w, int fd, uint32_t events,
		void (*fn)(void *arg, uint32_t events), void *arg)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	*w = (struct loop_fd){ .fd = fd, .fn = fn, .arg = arg };
	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	w->loop = loop;
	return 0;
}

int loop_fd_set(struct loop_fd *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(w->loop->epfd, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

void loop_fd_del(struct loop_fd *w)
{
	struct loop *loop = w->loop;

	if (!loop)
		return;
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	/* Events of this very batch may still name the watcher. */
	for (int i = loop->batch_pos; i < loop->batch_len; i++)
		if (loop->batch[i].data.ptr == w)
			loop->batch[i].data.ptr = NULL;
	w->loop = NULL;
}

static void timer_fired(void *arg, uint32_t events)
{
	struct loop_timer *t = arg;
	uint64_t expirations;

	(void)events;
	if (read(t->watcher.fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		t->fn(t->arg);
}

int loop_timer_add(struct loop *loop, struct loop_timer *t, void (*fn)(void *arg), void *arg)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	t->fn = fn;
	t->arg = arg;
	rc = loop_fd_add(loop, &t->watcher, fd, EPOLLIN, timer_fired, t);
	if (rc < 0)
		close(fd);
	return rc;
}

int loop_timer_set(struct loop_timer *t, uint64_t first_ms, uint64_t every_ms)
{
	struct itimerspec its = {
		.it_value = { (time_t)(first_ms / 1000), (long)(first_ms % 1000) * 1000000 },
		.it_interval = { (time_t)(every_ms / 1000), (long)(every_ms % 1000) * 1000000 },
	};

	return timerfd_settime(t->watcher.fd, 0, &its, NULL) < 0 ? -errno : 0;
}

void loop_timer_del(struct loop_timer *t)
{
	int fd = t->watcher.fd;

	if (!t->watcher.loop)
		return;
	loop_fd_del(&t->watcher);
	close(fd);
}

static void signal_arrived(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(loop->signal_watcher.fd, &info, sizeof(info)) == sizeof(info))
		loop->signal_fn(loop->signal_arg, (int)info.ssi_signo);
}

int loop_signals(struct loop *loop, const sigset_t *set, void (*fn)(void *arg, int signo),
		 void *arg)
{
	int fd, rc;

	rc = pthread_sigmask(SIG_BLOCK, set, NULL);
	if (rc)
		return -rc;
	fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	loop->signal_fn = fn;
	loop->signal_arg = arg;
	rc = loop_fd_add(loop, &loop->signal_watcher, fd, EPOLLIN, signal_arrived, loop);
	if (rc < 0)
		close(fd);
	return rc;
}

static void stop_signal(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg, 0);
}

int loop_stop_on_signals(struct loop *loop)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return loop_signals(loop, &set, stop_signal, loop);
}
