/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that serves queues. A queue with work is polled, in turns of bounded batches; one without
 * is armed and sleeps in epoll on its event channels and its port, edge-triggered, so that a busy
 * queue costs no system call for events and an idle one no timer.
 */
#ifndef NETBACK_WORKER_H
#define NETBACK_WORKER_H

#include <stdbool.h>

#include "netback/queue.h"

/* @threaded: false: the caller drives it with nb_worker_turn(), for tests. Return: 0 or -errno. */
int nb_worker_create(bool threaded, struct nb_worker **w_out);
/* All queues must have been detached. NULL is allowed. */
void nb_worker_destroy(struct nb_worker *w);
/* Hand @q, connected, over to the worker's thread. Return: 0 or -errno. */
int nb_worker_attach(struct nb_worker *w, struct nb_queue *q);
/* Take it back: when this returns, the worker no longer knows it. Safe when not attached. */
void nb_worker_detach(struct nb_queue *q);
unsigned int nb_worker_nr_queues(const struct nb_worker *w);
/* Wait up to @timeout_ms (-1: until an event), serve each active queue once. Return: queues still active. */
unsigned int nb_worker_turn(struct nb_worker *w, int timeout_ms);

#endif
