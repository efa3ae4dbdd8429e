/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking frames off the ring that a guest sends on: what the TAP's side (from_guest.c) and the polled one
 * (poll_from.c) share. Requests are copied, checked and gathered into a batch; then what is not mapped is
 * opened at once; then each frame's header is copied and its offloads are checked.
 *
 * Tolerance for imperfect frontends is Linux's: up to NB_SLOTS_AFTER slots behind the first are a frame, up
 * to NB_SLOTS_FATAL are refused, more end the service.
 */
#ifndef NETBACK_FROM_H
#define NETBACK_FROM_H

#include "netback/view.h"

struct nb_from_packet {
	uint16_t first_slot, nr_slots, first_frag, nr_frags; /* in the batch */
	uint32_t size;
	uint16_t flags;
	uint16_t gso_size;
	uint8_t gso_type;
	int8_t drop; /* enum nb_from_drop, or -1 */
};

_Static_assert(NB_RING_SIZE <= HV_GNT_OPS_MAX, "a batch is at most a ring");

struct nb_from_batch {
	unsigned int nr_slots, nr_frags, nr_ops, nr_packets;
	netif_tx_response_t slots[NB_RING_SIZE];
	struct nb_frag frags[NB_RING_SIZE]; /* ptr NULL: could not be opened */
	struct nb_from_packet packets[NB_BATCH_PACKETS];
	struct hv_gnt_op ops[NB_RING_SIZE]; /* for those that are not mapped */
	uint16_t op_frags[NB_RING_SIZE];    /* whose each is */
};

/* Requests that wait, up to what *prod_out then says; 0 also when the ring is bad, which ends the service. */
uint32_t nb_from_waiting(struct nb_queue *q, uint32_t *prod_out);
/*
 * Take one frame, or one request that is none: size 0. Return: 1; 0: none may be taken now; negative:
 * the service has ended, and the batch is as before.
 */
int nb_from_take_packet(struct nb_queue *q, struct nb_from_batch *b, uint32_t prod,
			uint64_t now_ns);
/* Make what was taken accessible, until nb_from_answer(). */
void nb_from_open(struct nb_queue *q, struct nb_from_batch *b);
/*
 * Copy the first bytes of a frame to @head, which has NB_HEADER_MAX, and check its offloads. False: it was dropped.
 */
bool nb_from_check(struct nb_queue *q, struct nb_from_batch *b, struct nb_from_packet *p,
		   uint8_t *head, size_t *have_out, struct virtio_net_hdr *vnet);
void nb_from_drop(struct nb_queue *q, struct nb_from_batch *b, struct nb_from_packet *p,
		  enum nb_from_drop why, int16_t status);
/* It went on. */
void nb_from_count(struct nb_queue *q, const struct nb_from_packet *p);
static inline void nb_from_clear(struct nb_from_batch *b)
{
	b->nr_slots = b->nr_frags = b->nr_ops = b->nr_packets = 0;
}

/* Close and answer all, and empty the batch. */
void nb_from_answer(struct nb_queue *q, struct nb_from_batch *b);

#endif
