/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_xenvif, the host's end of one vif as a DPDK port.
 *
 *	program's lcores             driver's control thread
 *	  rx/tx bursts                 struct netback of this one vif: store, xenbus states
 *	       |                             | plane: start(), stop()
 *	       +------> struct xv_link <-----+      one for each of the guest's queues
 *	                  lock, nb_queue
 *
 * A guest's queue has one user at a time (queue.h), while a program may receive and send with two lcores
 * and the guest may go at any moment: each burst takes the link's lock, once. Receive queue r polls the
 * links r, r + number of receive queues, ...; send queue s feeds link s modulo the guest's queues.
 */
#ifndef NETBACK_PMD_XENVIF_H
#define NETBACK_PMD_XENVIF_H

#include <pthread.h>

#include <ethdev_driver.h>
#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "base/loop.h"
#include "base/rundir.h"
#include "netback/netback.h"
#include "netback/plane.h"
#include "netback/pmd.h"
#include "netback/poll.h"
#include "netback/segment.h"

#define XV_BURST	  NB_VIEWS_MAX
#define XV_SEGS_MAX	  NB_VIEW_FRAGS_MAX /* mbufs of one frame that is sent */
#define XV_GREFS_MAX	  4096u
#define XV_FRAGS	  (XV_BURST * 4u)
#define XV_LEFT_MAX	  (NB_SEGMENTS_MAX + XV_BURST)
#define XV_QUEUES_DEFAULT 4u
#define XV_QUEUES_MAX	  NB_MAX_QUEUES
#define XV_TX_QUEUES_MAX  64u /* a program has one for each of its threads */

struct xv_port;

/* One of the guest's queues. What is behind @lock belongs to who holds it. */
struct xv_link {
	rte_spinlock_t lock;
	struct nb_queue *queue; /* NULL: not connected */
	rte_spinlock_t *shared; /* of all the vif's queues, NULL: each is on its own */
	struct nb_batch *batch;
	unsigned int nr_bursts; /* since the control ring was looked at */
	bool cuts; /* long frames are to be cut: one is taken at a time, so that there is room for its segments */
	struct nb_queue_stats past; /* of connections that are over */
} __rte_cache_aligned;

/* Counted by the queue's lcore alone. */
struct xv_rx_stats {
	uint64_t frames, bytes, no_mbuf, no_scatter, no_gso, forged;
};

struct xv_tx_stats {
	uint64_t frames, bytes, bad_chain, bad_offload;
};

struct xv_rx {
	struct xv_port *port;
	uint16_t id;
	struct rte_mempool *pool;
	struct xv_rx_stats stats;
	uint32_t room; /* of a mbuf; at most UINT16_MAX */
	/* For frames' beginnings, from @first on: none is taken that has no room. */
	unsigned int first, nr_stash;
	struct rte_mbuf *stash[XV_BURST];
	uint8_t *places[XV_BURST]; /* where the data of each begins */
	/* What a burst had no room for, from @first_left on: for the next. While there is any, nothing is taken. */
	unsigned int first_left, nr_left;
	struct rte_mbuf *left[XV_LEFT_MAX];
	/* Interrupts: readable when a link of ours is, or @wake_fd or @timer_fd. -1: not in use. */
	int epoll_fd, wake_fd, timer_fd;
} __rte_cache_aligned;

struct xv_tx {
	struct xv_port *port;
	uint16_t id;
	struct xv_tx_stats stats;
	unsigned int nr_frags;
	struct nb_view views[XV_BURST];
	struct nb_view *list[XV_BURST];
	struct nb_frag frags[XV_FRAGS + XV_SEGS_MAX];
	/* Beginnings that are in several mbufs, or must be rewritten in ones that others have too. */
	uint8_t heads[XV_BURST][NB_VIEW_ROOM + NB_VIEW_HEAD_MAX];
} __rte_cache_aligned;

struct xv_port {
	struct rte_eth_dev *dev;
	const char *name; /* the device's */
	struct nb_only only;
	uint32_t max_queues;  /* "queues=" */
	uint32_t drop_forged; /* "drop-forged=": 1: nb_is_forged() */
	char rundir[RUNDIR_MAX];
	struct rte_ether_addr mac;
	uint32_t mtu_max;

	/* Set by start, read by bursts. */
	bool carry_scatter;	    /* frames may be of several mbufs */
	bool carry_csum, carry_gso; /* the program hands blank checksums, segments to be made, on */
	/* The guest is offered segments to be made, by us; or was, by who had the vif before, and is connected. */
	bool offers_gso, found_gso;
	_Atomic bool running;
	uint16_t nr_rx;
	_Atomic uint16_t nr_links; /* the guest's queues; 0: not connected */
	struct xv_link links[NB_MAX_QUEUES];
	rte_spinlock_t shared;

	/* Control. */
	struct hv *hv;
	struct loop *loop;
	struct netback *netback;
	struct loop_fd stop_watcher;
	int stop_fd;
	pthread_t thread;
	bool threaded, closing;
	_Atomic bool removed; /* its area is gone */
	_Atomic uint64_t nr_connections;

	struct nb_queue_stats base; /* at the last reset */
	struct xv_rx_stats rx_base[XV_QUEUES_MAX];
	struct xv_tx_stats tx_base[XV_TX_QUEUES_MAX];
};

/* pmd_xenvif_control.c: the vif's area and its life. */

/* Look at the area, before anything is offered. On error @why says cause and cure. */
int xv_control_open(struct xv_port *port, char *why);
/* Offer the vif to its guest, once. */
int xv_control_start(struct xv_port *port, char *why);
/* Rings and the store's state stay as they are, for who comes next. Safe twice. */
void xv_control_close(struct xv_port *port);

/* pmd_xenvif_rx.c, pmd_xenvif_tx.c */
uint16_t xv_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr);
uint16_t xv_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr);
uint16_t xv_tx_prepare(void *queue, struct rte_mbuf **mbufs, uint16_t nr);

/* Where the frames of a burst go. */
struct xv_out {
	struct rte_mbuf **mbufs;
	unsigned int nr, max;
};

/* Hand a frame to the program, in this burst or, when that is full, in the next. There is room for it. */
static inline void xv_hand_on(struct xv_rx *rx, struct xv_out *out, struct rte_mbuf *m)
{
	if (likely(out->nr < out->max)) {
		pmd_count(&rx->stats.bytes, m->pkt_len);
		out->mbufs[out->nr++] = m;
	} else {
		rx->left[rx->first_left + rx->nr_left++] = m;
	}
}

/* A view's bytes behind those that @first has, into it and as many more as it takes. False: there are none. */
bool xv_rx_copy_rest(struct xv_rx *rx, struct rte_mbuf *first, const struct nb_view *v);
/* What the view asks for, or says of its checksum. */
void xv_rx_offloads(const struct xv_port *port, struct rte_mbuf *m, const struct nb_view *v);

/* pmd_xenvif_cut.c: frames to be cut, for a program that takes none. */

/* Cut @v, with @nr_behind more views to come. What cannot be is counted. */
void xv_cut(struct xv_rx *rx, const struct nb_queue *q, const struct nb_view *v,
	    unsigned int nr_behind, struct xv_out *out);
/* Hand on what earlier bursts had no room for. */
void xv_left_take(struct xv_rx *rx, struct xv_out *out);
/* Give it up. */
void xv_left_drop(struct xv_rx *rx);

/* pmd_xenvif_intr.c */
int xv_intr_install(struct xv_port *port);
void xv_intr_remove(struct xv_port *port);
int xv_intr_enable(struct rte_eth_dev *dev, uint16_t id);
int xv_intr_disable(struct rte_eth_dev *dev, uint16_t id);
/* The link's channels have come, or (!@on) are about to go. */
void xv_intr_link(struct xv_port *port, unsigned int index, bool on);

/* pmd_xenvif_stats.c */
int xv_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats);
int xv_stats_reset(struct rte_eth_dev *dev);
int xv_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int nr);
int xv_xstats_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names, unsigned int nr);
/* Add what a connection has counted that is over. */
void xv_stats_retire(struct xv_link *link);
/* The same of a queue of ours that is about to be freed. */
void xv_stats_retire_rx(struct xv_rx *rx);
void xv_stats_retire_tx(struct xv_tx *tx);

/*
 * Take the link's queue for one burst. NULL: it is not connected, or (!@wait) another has it. To be given
 * back by xv_put().
 */
static inline struct nb_queue *xv_take(struct xv_link *link, bool wait)
{
	if (wait)
		rte_spinlock_lock(&link->lock);
	else if (!rte_spinlock_trylock(&link->lock))
		return NULL;
	if (likely(link->queue != NULL)) {
		if (unlikely(link->shared != NULL))
			rte_spinlock_lock(link->shared);
		return link->queue;
	}
	rte_spinlock_unlock(&link->lock);
	return NULL;
}

static inline void xv_put(struct xv_link *link)
{
	if (unlikely(link->shared != NULL))
		rte_spinlock_unlock(link->shared);
	rte_spinlock_unlock(&link->lock);
}

#endif
