/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event loop over epoll, with timerfd timers and signalfd signals. One loop belongs to one
 * thread. Watchers are embedded in their owner's struct and may be removed, and their memory freed,
 * from any callback, their own included.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

struct loop_fd {
	int fd; /* borrowed: the owner closes it, after loop_fd_del() */
	void (*fn)(void *arg, uint32_t events);
	void *arg;
	struct loop *loop; /* NULL when not added */
};

struct loop_timer {
	struct loop_fd watcher; /* its fd, a timerfd, is the timer's own */
	void (*fn)(void *arg);
	void *arg;
};

int loop_create(struct loop **loop_out);
/* All watchers must have been removed before. NULL is allowed. */
void loop_destroy(struct loop *loop);

/**
 * loop_run() - Dispatch until loop_stop()
 * Return: the status given to loop_stop(); -errno when epoll fails.
 */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int status);

/**
 * loop_turn() - Wait up to @timeout_ms (-1 for ever) and dispatch one batch of events
 * Return: number of events dispatched; -errno.
 */
int loop_turn(struct loop *loop, int timeout_ms);

/* @events: EPOLLIN, EPOLLOUT, ... Return: 0 or -errno. */
int loop_fd_add(struct loop *loop, struct loop_fd *w, int fd, uint32_t events,
		void (*fn)(void *arg, uint32_t events), void *arg);
int loop_fd_set(struct loop_fd *w, uint32_t events);
/* Safe on a zeroed or removed watcher. */
void loop_fd_del(struct loop_fd *w);

/* Create a timer, unarmed. Return: 0 or -errno. */
int loop_timer_add(struct loop *loop, struct loop_timer *t, void (*fn)(void *arg), void *arg);
/* Fire after @first_ms (0 disarms), then every @every_ms (0: once). */
int loop_timer_set(struct loop_timer *t, uint64_t first_ms, uint64_t every_ms);
/* Safe on a zeroed or removed timer. */
void loop_timer_del(struct loop_timer *t);

/**
 * loop_signals() - Block the signals of @set in this thread and hand them to @fn
 * Threads started later inherit the mask. Once per loop.
 */
int loop_signals(struct loop *loop, const sigset_t *set, void (*fn)(void *arg, int signo),
		 void *arg);
/* SIGTERM and SIGINT stop the loop with status 0; SIGPIPE is ignored. */
int loop_stop_on_signals(struct loop *loop);

#endif
