/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One queue of a vif: a pair of shared rings, their event channels, and one descriptor of the vif's
 * port (a TAP; in unit tests a datagram socket). Frames go between them by writev() and readv(), with
 * a virtio_net_hdr in front and the payload straight in or out of the guest's granted pages.
 *
 * A queue belongs to one worker thread from nb_worker_attach() to nb_worker_detach(), which alone
 * touches it then, except for the counters and the two flags that say so. Everything read from a ring
 * or a granted page is hostile: it is copied once and the copy is checked.
 */
#ifndef NETBACK_QUEUE_H
#define NETBACK_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/if_ether.h>
#include <linux/virtio_net.h>

/* ring.h asks its includer for these; we publish through the helpers below instead. */
#define xen_mb()  atomic_thread_fence(memory_order_seq_cst)
#define xen_rmb() atomic_thread_fence(memory_order_acquire)
#define xen_wmb() atomic_thread_fence(memory_order_release)
#include <xen/io/netif.h>

#include "base/list.h"
#include "hv/hv.h"
#include "netback/shared.h"

#define NB_PAGE_SIZE	 4096u
#define NB_RING_SIZE	 256u /* slots of either data ring, a page each */
#define NB_HEADER_MAX	 128u /* bytes of each frame that are copied, checked and handed on linear */
#define NB_SLOTS_AFTER	 XEN_NETIF_NR_SLOTS_MIN /* slots behind a frame's first that must be taken */
#define NB_SLOTS_FATAL	 20u /* more behind the first than any honest frontend sends */
#define NB_FRAME_MAX	 (65536u + ETH_HLEN + 8u) /* a GSO frame with two VLAN tags */
#define NB_BATCH_PACKETS 64u			  /* of one queue before the next has its turn */
#define NB_BATCH_BYTES	 (512u << 10)
#define NB_MCAST_MAX	 64u /* as Linux's netback allows */
#define NB_HASH_KEY_MAX	 40u
#define NB_HASH_MAP_MAX	 128u
#define NB_MAX_QUEUES	 16u
#define NB_HEADROOM_MAX	 1024u
/*
 * How long frames wait for the slots of a largest one before they may be copied into fewer: not long for
 * a frontend that never posted so many, long for one that did and is only behind.
 */
#define NB_PARTIAL_AFTER_NS	 5000000u
#define NB_PARTIAL_AFTER_LATE_NS 1000000000u

/*
 * Linux's addition to the extra infos, by which netfront learns where a frame starts when it asked
 * for room in front of it ("xdp-headroom"); Xen 4.17's netif.h does not have it yet.
 */
#define NB_EXTRA_TYPE_XDP 5

/* What ends a vif's service. One text each, nb_fatal_text(). */
enum nb_fatal {
	NB_FATAL_NONE,
	NB_FATAL_FROM_PRODUCER,
	NB_FATAL_FROM_UNFINISHED,
	NB_FATAL_FROM_SLOTS,
	NB_FATAL_FROM_PAGE,
	NB_FATAL_FROM_EXTRA_MISSING,
	NB_FATAL_FROM_EXTRA_TYPE,
	NB_FATAL_FROM_GSO_SIZE,
	NB_FATAL_FROM_GSO_TYPE,
	NB_FATAL_TO_PRODUCER,
	NB_FATAL_CTRL_PRODUCER,
	NB_FATAL_PORT,
	NB_NR_FATALS,
};

/* Why a frame from the guest was not handed on. nb_from_drop_name(). */
enum nb_from_drop {
	NB_FROM_TOO_MANY_SLOTS,
	NB_FROM_SLOT_SIZE,
	NB_FROM_TOO_SHORT,
	NB_FROM_TOO_LONG,
	NB_FROM_BAD_GRANT,
	NB_FROM_BAD_GSO,
	NB_FROM_BAD_CSUM,
	NB_FROM_PORT_FULL,
	NB_FROM_PORT_DOWN,
	NB_FROM_PORT_REFUSED,
	NB_NR_FROM_DROPS,
};

/* Why a frame to the guest did not get there. nb_to_drop_name(). */
enum nb_to_drop {
	NB_TO_NO_SLOTS,
	NB_TO_STALLED,
	NB_TO_BAD_GRANT,
	NB_TO_NOT_LISTED,
	NB_TO_TOO_SHORT,
	NB_TO_TOO_LONG,
	NB_TO_BAD_OFFLOAD,
	NB_NR_TO_DROPS,
};

/* Written by the worker only, read by anyone: nb_count(), nb_counted(). */
struct nb_queue_stats {
	uint64_t from_frames, from_bytes, from_gso, from_csum_blank, from_throttled;
	uint64_t to_frames, to_bytes, to_gso, to_csum_blank, to_csum_completed, to_copied;
	uint64_t from_drops[NB_NR_FROM_DROPS], to_drops[NB_NR_TO_DROPS];
	uint64_t to_bad_slots;
	uint64_t wakeups, spurious_events, notifications;
	uint64_t ctrl_requests, mcast_requests;
};

static inline void nb_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline uint64_t nb_counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* What the frontend asked for and we agreed to; fixed while connected. */
struct nb_features {
	bool sg, gso_v4, gso_v6, csum_v4, csum_v6;
	bool rx_notify;	    /* it kicks us when it posts receive slots */
	bool mcast_control; /* only listed multicast groups go to the guest */
	uint16_t headroom;  /* bytes free in front of each received frame's data */
	uint32_t mtu;
};

/* @bytes in every @usec microseconds, in bursts of at least 128 KiB. usec 0: unlimited. */
struct nb_rate {
	uint64_t bytes, usec;
};

/* What a limited vif may send still. Its queues share it, and one worker. */
struct nb_credit {
	struct nb_rate rate; /* changed by the control thread at any time: nb_counted() */
	uint64_t left, window_ns;
};

/* What all queues of a vif share: only set up when all are with one worker. */
struct nb_steering {
	bool restarted; /* lists and keys given to a predecessor are lost: filter nothing */
	uint8_t mcast[NB_MCAST_MAX][ETH_ALEN];
	unsigned int nr_mcast;
	uint32_t hash_algorithm, hash_flags;
	uint8_t hash_key[NB_HASH_KEY_MAX];
	uint32_t hash_map[NB_HASH_MAP_MAX], hash_map_size;
	unsigned int nr_queues;
	struct nb_queue *queues[NB_MAX_QUEUES];
};

struct nb_worker;

enum nb_source_kind { NB_SOURCE_FROM, NB_SOURCE_TO, NB_SOURCE_PORT, NB_SOURCE_CTRL };

struct nb_source {
	enum nb_source_kind kind;
	struct nb_queue *queue;
};

struct nb_queue {
	/* Fixed while connected. */
	unsigned int id;
	struct hv *hv;
	struct hv_domain *domain; /* a handle of its own, so that each has one thread */
	const struct nb_features *features;
	struct nb_steering *steering;
	struct nb_credit *credit; /* NULL: unlimited */
	int port_fd;		  /* borrowed, non-blocking */
	bool shares_port;	  /* another queue reads it */
	bool split_channels;
	uint32_t gref_max; /* pages that the guest may have kept mapped; 0: it is not offered */
	struct hv_gnt_map from_page, to_page, ctrl_page;
	netif_tx_back_ring_t from_ring;
	netif_rx_back_ring_t to_ring;
	xen_netif_ctrl_back_ring_t ctrl_ring; /* on queue 0 when there is one; nr_ents 0: none */
	struct hv_evtchn from_ch, to_ch, ctrl_ch;
	uintptr_t *gref_pages; /* by reference: gref.h */
	uint32_t nr_grefs;     /* references that it has room for; 0: none */
	uint32_t nr_gref_pages;
	uint8_t *gref_notes; /* of them: gref_note.h; NULL: none */
	void (*alert)(
		struct nb_queue *q); /* from the worker: fatal, stalled or bad_grants has changed */
	void *owner;

	/* The worker's. */
	struct nb_worker *worker;
	struct nb_source sources[4];
	struct list all, active;
	bool event;	   /* an event woke us and no work has been seen yet */
	uint8_t signalled; /* 1 << enum nb_source_kind: channels whose event is still to be taken */
	bool masked;	   /* events are held back after a storm, until masked_until_ns */
	bool port_ready;   /* the port may have a frame */
	bool had_slots;	   /* for a largest frame, once */
	bool partial;	   /* the frontend never posts slots for a whole GSO frame: copy */
	unsigned int nr_spurious;
	unsigned int to_chunk;	     /* receive slots to open at a time */
	uint32_t to_seen;	     /* the receive ring's producer when last looked at */
	uint32_t to_shown;	     /* answers that the guest has been shown */
	uint32_t from_prod, to_prod; /* producers as polling saw them last: poll.h */
	uint64_t masked_until_ns;
	uint64_t slots_wait_ns; /* waiting for receive slots since; 0: not */
	uint64_t deadline_ns;	/* look again then; 0: only on events */
	uint64_t credit_wait_ns;

	/* For everyone. */
	_Atomic int fatal;	 /* enum nb_fatal */
	_Atomic bool stalled;	 /* no receive slots for a minute */
	_Atomic bool bad_grants; /* some since the control thread looked */
	struct nb_queue_stats stats;
};

/* Longest frame that is not to be segmented: two VLAN tags are no part of the MTU. */
static inline uint32_t nb_size_max(const struct nb_queue *q)
{
	return q->features->mtu + ETH_HLEN + 8;
}

/* One response slot of the receive ring. */
union nb_to_response {
	netif_rx_response_t data;
	netif_extra_info_t extra;
};

struct nb_scratch; /* scratch.h */

/* Indices are shared with the guest: read once, by these. */
#define nb_ring_req_prod(ring) nb_shared_load(&(ring)->sring->req_prod)

/* Let the guest see responses from @old up to rsp_prod_pvt. True: it wants to be notified. */
#define nb_ring_push(ring, old)                                                                    \
	({                                                                                         \
		RING_IDX new_ = (ring)->rsp_prod_pvt;                                              \
		/* Pairs with the frontend's read barrier after it reads rsp_prod. */              \
		__atomic_store_n(&(ring)->sring->rsp_prod, new_, __ATOMIC_RELEASE);                \
		/* Pairs with the frontend's barrier between its rsp_event and its last look. */   \
		atomic_thread_fence(memory_order_seq_cst);                                         \
		(RING_IDX)(new_ - nb_shared_load(&(ring)->sring->rsp_event)) <                     \
			(RING_IDX)(new_ - (old));                                                  \
	})

/* Ask to be notified when req_prod reaches @index, then look at it once more. */
#define nb_ring_arm(ring, index)                                                                        \
	({                                                                                              \
		__atomic_store_n(&(ring)->sring->req_event, (index), __ATOMIC_RELAXED);                 \
		/* Pairs with the frontend's barrier between its req_prod and its look at req_event. */ \
		atomic_thread_fence(memory_order_seq_cst);                                              \
		nb_ring_req_prod(ring);                                                                 \
	})

/* What the frontend published for one queue: all untrusted. */
struct nb_queue_refs {
	uint32_t from_ref, to_ref;
	uint32_t from_port, to_port; /* equal: one channel for both */
};

/**
 * nb_queue_connect() - Map a queue's rings and bind its channels
 * @q:		Zeroed but for hv, features, steering, credit, port_fd, id, alert and owner
 * @why:	Static text about a failure
 *
 * Takes up both rings at rsp_prod: 0 on new ones, and on live ones where a predecessor stopped.
 * Return: 0; -EPROTO bad ring state; -errno of the seam. On error @q is as before the call.
 */
int nb_queue_connect(struct nb_queue *q, uint16_t domid, const struct nb_queue_refs *refs,
		     const char **why);
int nb_queue_connect_ctrl(struct nb_queue *q, uint16_t domid, uint32_t ref, uint32_t port,
			  const char **why);
/* Safe on half-built state and twice. */
void nb_queue_disconnect(struct nb_queue *q);
/* Tell the guest of whatever it may have missed, in all directions. */
void nb_queue_kick(struct nb_queue *q);
/*
 * Arm all that can wake @q. True: there is work after all, go on polling.
 * Sets deadline_ns when time alone must wake it.
 */
bool nb_queue_arm(struct nb_queue *q, uint64_t now_ns);
/* A page of the guest's could not be opened. */
void nb_queue_bad_grant(struct nb_queue *q);
/* Stop service: @q is left alone until disconnected. */
void nb_queue_fail(struct nb_queue *q, enum nb_fatal why);
const char *nb_fatal_text(enum nb_fatal why);
const char *nb_from_drop_name(enum nb_from_drop why);
const char *nb_to_drop_name(enum nb_to_drop why);

/* One bounded batch each. Return: what was consumed, in any unit; 0: nothing to do. */
unsigned int nb_from_guest(struct nb_queue *q, struct nb_scratch *s, uint64_t now_ns);
unsigned int nb_to_guest(struct nb_queue *q, struct nb_scratch *s, uint64_t now_ns);
unsigned int nb_ctrl_serve(struct nb_queue *q);

uint64_t nb_to_patience_ns(const struct nb_queue *q);
/* Receive slots that the largest frame takes. */
unsigned int nb_to_slots_needed(const struct nb_queue *q);
/* Receive slots posted; NB_RING_SIZE + 1 is an impossible producer. */
unsigned int nb_to_slots_posted(const struct nb_queue *q);

/* Return: 0; -ENOSPC. */
int nb_mcast_add(struct nb_steering *steering, const uint8_t addr[ETH_ALEN]);
void nb_mcast_del(struct nb_steering *steering, const uint8_t addr[ETH_ALEN]);
bool nb_mcast_wanted(const struct nb_steering *steering, const uint8_t addr[ETH_ALEN]);

/* "bytes,usecs", both decimal and not 0; NULL or "": unlimited. Return: 0 or -EINVAL. */
int nb_rate_parse(const char *text, struct nb_rate *rate_out);

#endif
