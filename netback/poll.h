/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A queue's rings served by polling, without a port: frames come out as views and go in from views, so
 * that one between two guests is copied once. For our switch and for net_xenvif, which hold the queue
 * in place of a worker (queue.h tells the rest: one thread, hostile memory, counters, nb_queue_arm()).
 */
#ifndef NETBACK_POLL_H
#define NETBACK_POLL_H

#include "netback/view.h"

/* Frames of one queue, taken and not yet answered. One a thread; some 30 KiB. */
struct nb_batch;

struct nb_batch *nb_batch_create(void);
/* NULL is allowed. */
void nb_batch_destroy(struct nb_batch *b);

/**
 * nb_poll_take() - Take up to @max frames off the ring that the guest sends on
 * @views_out:	Room for @max pointers; what they point to is valid until nb_poll_answer()
 *
 * Also serves requests that are no frames (multicast lists, the control ring). Frames that are no good
 * are counted and answered, not returned. Return: number of views; with 0 there is nothing to answer.
 */
unsigned int nb_poll_take(struct nb_queue *q, struct nb_batch *b, unsigned int max, uint64_t now_ns,
			  struct nb_view **views_out);
/*
 * The same, with the views' heads where the caller wants them: of @places, one for each of @max, each has
 * @room bytes, at least NB_VIEW_HEAD_MAX and at most UINT16_MAX, all of which may be written. The heads of
 * the views are at the first of @places, in their order, less those of frames that are no good; each has
 * as much of its frame as it has room for, or NB_VIEW_HEAD_MAX.
 */
unsigned int nb_poll_take_into(struct nb_queue *q, struct nb_batch *b, unsigned int max,
			       uint64_t now_ns, uint8_t *const *places, uint32_t room,
			       struct nb_view **views_out);
/* All of the last nb_poll_take() have been handed on or dropped; notifies if the guest asked. */
void nb_poll_answer(struct nb_queue *q, struct nb_batch *b);

/**
 * nb_poll_put() - Copy frames into the guest's receive slots
 *
 * Checksums and segments are made where the guest takes no blank ones. What can never go (too long, not
 * listed) is counted as a drop and passed by; it stops at the first that has no slots now.
 * Return: number of views done with. To be shown with nb_poll_flush().
 */
unsigned int nb_poll_put(struct nb_queue *q, struct nb_view *const *views, unsigned int nr);
/* Show the guest what was put; notifies if it asked. */
void nb_poll_flush(struct nb_queue *q);
/* Those that nb_poll_put() had no slots for are given up: counted as enum nb_to_drop @why. */
void nb_poll_drop(struct nb_queue *q, enum nb_to_drop why, unsigned int nr);

/* An event came in by a channel of @q, as its descriptor says: to be taken by the next nb_queue_arm(). */
static inline void nb_poll_event(struct nb_queue *q, enum nb_source_kind kind)
{
	q->event = true;
	q->signalled |= (uint8_t)(1u << kind);
	nb_count(&q->stats.wakeups, 1);
}

#endif
