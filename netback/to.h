/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive slots of a guest and what goes into them besides data: what the TAP's side (to_guest.c) and the
 * polled one (poll_to.c) share.
 *
 * A frame of several slots has its extra infos (segmentation, headroom, hash) in the slots right after
 * the first, and Linux's netfront takes a response to be for the request of the same slot.
 */
#ifndef NETBACK_TO_H
#define NETBACK_TO_H

#include <sys/uio.h>

#include "netback/queue.h"

/* What a frame needs besides its data. */
struct nb_extras {
	netif_extra_info_t infos[3];
	unsigned int nr;
	uint16_t flags; /* NETRXF_* of the first response */
	bool complete;	/* the guest takes no blank checksum: nb_to_complete_csum() */
};

/* Receive slots that are open: private copies of the requests, and where their pages are. */
struct nb_to_slots {
	struct hv_gnt_op ops[NB_RING_SIZE];
	netif_rx_request_t requests[NB_RING_SIZE];
	union nb_to_response responses[NB_RING_SIZE];
	struct hv_gnt_op begun[NB_RING_SIZE]; /* of those that are not mapped */
	uint16_t begun_slots[NB_RING_SIZE];
	unsigned int nr_begun;
	bool lends[NB_RING_SIZE]; /* its op's ptr may be set to where the data is */
};

/* A frame in receive slots. */
struct nb_landing {
	struct hv_gnt_op *ops;
	const netif_rx_request_t *requests;
	union nb_to_response *responses;
	const bool *lends;
};

static inline struct nb_landing nb_to_landing(struct nb_to_slots *s, unsigned int at)
{
	return (struct nb_landing){ &s->ops[at], &s->requests[at], &s->responses[at],
				    &s->lends[at] };
}

static inline unsigned int nb_to_slot_room(const struct nb_queue *q)
{
	return NB_PAGE_SIZE - q->features->headroom;
}

static inline unsigned int nb_to_slots_for(const struct nb_queue *q, size_t size)
{
	return (unsigned int)((size + nb_to_slot_room(q) - 1) / nb_to_slot_room(q));
}

static inline bool nb_to_steers(const struct nb_queue *q)
{
	return q->steering->hash_algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE &&
	       q->steering->hash_flags;
}

#define NB_STALLED_AFTER_NS (60u * 1000000000ull)

/* Whether the guest lets frames wait and posts no slots. */
static inline void nb_to_set_stalled(struct nb_queue *q, bool stalled)
{
	if (atomic_load_explicit(&q->stalled, memory_order_relaxed) == stalled)
		return;
	atomic_store(&q->stalled, stalled);
	q->alert(q);
}

static inline void nb_to_drop(struct nb_queue *q, enum nb_to_drop why)
{
	nb_count(&q->stats.to_drops[why], 1);
}

unsigned int nb_to_extras_max(const struct nb_queue *q);
/*
 * What goes along with a frame of @size bytes, whose headers are in the first of @iov.
 * Return: 0; -EINVAL: this frontend cannot take it.
 */
int nb_to_find_extras(const struct nb_queue *q, const struct virtio_net_hdr *vnet,
		      const struct iovec *iov, size_t size, struct nb_extras *x);
/* Write the sum that the frontend cannot make into the frame: it only concerns that guest. 0, -EINVAL. */
int nb_to_complete_csum(const struct iovec *iov, unsigned int nr, size_t size,
			const struct virtio_net_hdr *vnet);
/* It got there. */
void nb_to_count(struct nb_queue *q, size_t size, const struct nb_extras *x);
/* The queue that the guest wants frames of @x's hash in: @q where it does not say. */
struct nb_queue *nb_to_steer(struct nb_queue *q, const struct nb_extras *x);

/* Fetch @nr requests, which are posted, into private copies and open their pages. */
void nb_to_open(struct nb_queue *q, struct nb_to_slots *s, unsigned int nr);
/* Answer the slots up to the last one with a bad grant among the @nr from @at on. Return: how many. */
unsigned int nb_to_refuse_bad(struct nb_queue *q, struct nb_to_slots *s, unsigned int at,
			      unsigned int nr);
/* The responses of a frame of @size bytes with its data in slots 0, x->nr + 1, ... Return: slots. */
unsigned int nb_to_respond(struct nb_queue *q, struct nb_landing *l, size_t size,
			   const struct nb_extras *x);
/* Close @nr_open slots and answer the first @nr_used, not yet shown to the guest. */
void nb_to_close(struct nb_queue *q, struct nb_to_slots *s, unsigned int nr_open,
		 unsigned int nr_used);
/* Show the guest what was answered. */
void nb_to_show(struct nb_queue *q);

#endif
