/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of net_xenfront share.
 *
 * All devices of a guest share its struct hv_guest and one control thread, which follows the store.
 * Whatever touches either holds the guest's lock; bursts hold nothing, nor do the program's callbacks. Before anything that may take a
 * connection's rings away the control side shuts the gates of its queues and waits for bursts to leave.
 */
#ifndef NETBACK_PMD_XENFRONT_H
#define NETBACK_PMD_XENFRONT_H

#include <limits.h>
#include <pthread.h>

#include <ethdev_driver.h>

#include "base/list.h"
#include "netback/front/front.h"
#include "netback/pmd.h"
#include "netback/pmd_xenfront_zone.h"

#define XENFRONT_BURST	  32
#define XENFRONT_COPIED	  256u /* bytes: what is no longer costs less to copy than not to */
#define XENFRONT_OVERHEAD 22u  /* an Ethernet header and two VLAN tags */

/* Between a queue's burst function and the control side. */
struct xenfront_gate {
	struct front_queue *queue; /* NULL: shut */
	bool busy;
};

struct xenfront_rx {
	struct xenfront_gate gate;
	struct rte_mempool *pool;
	uint16_t port;
	int event_fd;  /* the application's, for interrupts; -1 */
	bool armed;    /* an interrupt is wanted */
	uint32_t room; /* of one mbuf */
	bool scatter;  /* the program takes frames of several */
	bool attaches; /* the pool's mbufs may have pages attached */
	struct xenfront_zone
		*zone; /* what is received may stay in its pages; NULL: all is copied */
	/* Of the zone, for what is handed out. */
	unsigned int nr_stash;
	uint16_t stash[XENFRONT_BURST];
	uint64_t packets, bytes, no_mbuf, no_scatter, lent, short_of_pages;
} __rte_cache_aligned;

struct xenfront_tx {
	struct xenfront_gate gate;
	bool csum_ipv4, csum_ipv6, gso_tcpv4, gso_tcpv6; /* what the backend takes */
	bool sg;
	struct xenfront_zone
		*zone;	   /* what is in its pages is sent from there; NULL: all is copied */
	uint32_t size_max; /* what is longer by the vif's MTU is for the backend to refuse */
	uint64_t packets, bytes, too_long, bad_offload, no_room, over_mtu, lent;
} __rte_cache_aligned;

struct xenfront_guest {
	struct list list, devices;
	char path[PATH_MAX]; /* empty: this domU of a real Xen */
	unsigned int nr_users;
	struct hv_guest *guest;
	pthread_mutex_t lock;
	pthread_t thread;
	int wake_fd;
	bool quit;
	bool telling;		    /* the program is told of links, without the lock */
	struct xenfront_zone *zone; /* of the ports with zero-copy=1; NULL */
};

struct xenfront {
	struct list list; /* of the guest's devices */
	struct xenfront_guest *guest;
	struct rte_eth_dev *dev;
	struct front *front; /* NULL: the vif is not there */
	uint32_t devid, max_queues;
	uint32_t zero_copy; /* wanted */
	uint64_t kept_ms;   /* when to look at what the backend keeps mapped; 0: looked */
	struct rte_ether_addr mac;
	unsigned int connection; /* which the queues are of; 0: none */
	bool started;
	bool pending;	/* the store has changed something */
	bool tell_link; /* the program is to be told that it has changed */
	bool told_mtu;	/* of frames that are too long for this connection */
	uint16_t mtu;	/* the vif's, as last read */
	uint64_t nr_connections;
	uint64_t retry_ms;	    /* when to look for a vif that is not there; CLOCK_MONOTONIC */
	struct front_counters past; /* of connections that are over */
	struct front_counters counted; /* at the last reset */
	uint64_t connections_counted;
	struct xenfront_rx rx[FRONT_MAX_QUEUES];
	struct xenfront_tx tx[FRONT_MAX_QUEUES];
};

/* Into a burst. Return: the rings, until xenfront_leave(); NULL: there are none now. */
static inline struct front_queue *xenfront_enter(struct xenfront_gate *g)
{
	struct front_queue *q;

	__atomic_store_n(&g->busy, true, __ATOMIC_RELAXED);
	/* Pairs with the one in xenfront_shut(): one of us sees the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q = __atomic_load_n(&g->queue, __ATOMIC_ACQUIRE);
	if (!q)
		__atomic_store_n(&g->busy, false, __ATOMIC_RELEASE);
	return q;
}

static inline void xenfront_leave(struct xenfront_gate *g)
{
	__atomic_store_n(&g->busy, false, __ATOMIC_RELEASE);
}

/* @why: PMD_WHY_MAX bytes. */
int xenfront_guest_get(const char *path, struct xenfront_guest **guest_out, char *why);
void xenfront_guest_put(struct xenfront_guest *guest);
/* With the lock, for a port that wants it. Without memory for a zone, it copies. */
void xenfront_zone_join(struct xenfront *x);
/* With the lock: follow the store now. */
void xenfront_follow(struct xenfront *x);
/* With the lock: say goodbye to the backend and forget the connection. */
void xenfront_disconnect(struct xenfront *x);
/* With the lock, once @x is in no list any more: until the thread has done with it. */
void xenfront_await_told(struct xenfront_guest *guest);
/* Have the control thread look again at what it waits for. */
void xenfront_wake(struct xenfront_guest *guest);
/* With the lock: the sum over all connections. */
void xenfront_counters(const struct xenfront *x, struct front_counters *sum);

int xenfront_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats);
int xenfront_stats_reset(struct rte_eth_dev *dev);
int xenfront_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int nr);
int xenfront_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names,
			      unsigned int nr);

uint16_t xenfront_rx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr);
uint16_t xenfront_tx_burst(void *queue, struct rte_mbuf **mbufs, uint16_t nr);
uint16_t xenfront_tx_prepare(void *queue, struct rte_mbuf **mbufs, uint16_t nr);

#endif
