/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the frontend library share. */
#ifndef NETBACK_FRONT_FRONT_PRIV_H
#define NETBACK_FRONT_FRONT_PRIV_H

#include <xen/io/xenbus.h>

#include "netback/front/front.h"

#define BACKEND_GONE	 (XenbusStateReconfigured + 1) /* no state in the store: its own kind */
#define FRONT_PATH_MAX	 128
#define FRONT_TARGET_MIN 64u /* receive buffers posted when idle */

/* A direction's buffers: contiguous pages, each with its grant, and the free ones as a stack, so
 * that what was used last, and is still in the cache, is used first. */
struct front_pool {
	uint8_t *pages;	      /* NULL: none */
	const uint32_t *refs; /* by buffer; @own_refs or the zone's */
	uint32_t own_refs[FRONT_NR_BUFFERS];
	uint16_t free[FRONT_NR_BUFFERS];
	unsigned int nr_free;
};

#define FRONT_LATER 2u

struct front_queue {
	const char *broken; /* static text; set once */
	uint16_t backend_id;
	bool sg, gso_tcpv4, gso_tcpv6;

	/* From the guest. Indices are ours alone; only requests and events are in shared memory. */
	struct netif_tx_sring *from_sring;
	RING_IDX from_prod, from_cons;
	RING_IDX from_pushed;	     /* req_prod as the backend sees it */
	unsigned int nr_from_extras; /* extras in the ring: as many NULL responses are due */
	uint8_t from_outstanding[FRONT_NR_BUFFERS]; /* 0: free; 1: a packet's first; FRONT_LATER */
	struct front_pool from;

	/* To the guest. Slot i of the ring holds buffer to_slots[i]. */
	struct netif_rx_sring *to_sring;
	RING_IDX to_prod, to_cons;
	RING_IDX to_pushed;
	unsigned int to_target; /* how many buffers to keep posted, at least to_least */
	unsigned int to_least;
	unsigned int to_low; /* fewest posted since the target was last moved */
	unsigned int to_refills;
	uint16_t to_slots[FRONT_RING_SLOTS];
	struct front_pool to;	 /* its buffers are the zone's pages if @to_zone */
	struct front_zone *zone; /* NULL: nothing is lent */
	bool to_zone;
	unsigned int handle;
	/* Of what is lent, by buffer; and of what has been answered. */
	void *from_owners[FRONT_NR_BUFFERS], *answered[FRONT_NR_BUFFERS];
	unsigned int nr_answered;

	struct hv_evtchn from_channel, to_channel; /* to_channel is unused unless split */
	bool split;
	uint32_t from_ring_ref, to_ring_ref;
	struct front_counters counters;
};

/* Written by the queue's thread only, read by anyone. */
static inline void front_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

struct front {
	struct hv_guest *guest;
	struct hv_store *store;
	unsigned int handle;
	unsigned int max_queues;
	char *token;
	char dir[32];  /* device/vif/<n> */
	char *backend; /* path, and the watched one */
	uint32_t backend_id;
	struct front_info info;
	unsigned int nr_connections;
	bool stale;		 /* keys of an earlier connection may be in the store */
	struct front_hash *hash; /* NULL: none wanted */
	bool want_multicast_control;
	bool no_csum, no_gso;	 /* the backend is not to send */
	bool keeps_full;	 /* receive slots are all posted, always */
	struct front_zone *zone; /* NULL: every connection has pages of its own */
	struct front_ctrl *ctrl; /* NULL: none in this connection */
	struct front_queue *queues[FRONT_MAX_QUEUES];
};

/**
 * front_queue_create() - Rings, buffers, grants and channels of one queue, not yet known to anyone
 * Return: 0; -ENOMEM; -ENOSPC: no grant or port left; -errno.
 */
int front_queue_create(const struct front *f, struct front_queue **q_out);
/* Return: pages that the backend holds on to, and that are therefore lost. NULL is allowed. */
unsigned int front_queue_destroy(struct front *f, struct front_queue *q);
/* Marks the queue as broken; @reason is static. The first one stays. */
void front_queue_break(struct front_queue *q, const char *reason);

/* The control ring; what it could not get is freed by the destroy. After the queues. */
int front_ctrl_create(struct front *f);
/* As front_queue_destroy(). */
unsigned int front_ctrl_destroy(struct front *f);
void front_ctrl_keys(const struct front *f, uint32_t *ref, uint32_t *port);
/* The backend is connected: ask it. */
void front_ctrl_start(struct front *f);

/* Where to notify about receive buffers. */
struct hv_evtchn *front_to_channel(struct front_queue *q);

/* Read what the backend offers into f->info; @nr_queues_out: how many queues to make. */
int front_features_read(struct front *f, unsigned int *nr_queues_out, bool *ctrl_ring_out);
/* Write everything that the backend needs, and state Connected, in one transaction. */
int front_publish(struct front *f);
/* Remove what names rings, channels and wishes; what says what we can stays. */
int front_unpublish(struct front *f, uint32_t tx);
/* "device/vif/<n>/<key>" into @path. */
void front_path(const struct front *f, char path[FRONT_PATH_MAX], const char *key);

#endif
