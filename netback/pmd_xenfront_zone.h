/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zero-copy: pages of a guest that all its ports with zero-copy=1 share.
 *
 *	free --take--> posted on a ring --burst--> in a program's mbuf --its free--> free
 *	  ^                  |
 *	  +--a second later, or with the device's next connection-- retired, its connection is over
 *
 * A queue has FRONT_NR_BUFFERS pages from connect to disconnect: a burst that hands one out has got
 * another for it, or copies. What a program holds is its own as long as it likes, over the end of its
 * port, and the guest stays attached meanwhile.
 */
#ifndef NETBACK_PMD_XENFRONT_ZONE_H
#define NETBACK_PMD_XENFRONT_ZONE_H

#include <rte_mbuf.h>
#include <rte_spinlock.h>

#include "netback/front/front.h"

struct xenfront_zone {
	struct front_zone zone; /* first */
	struct hv_guest *guest;
	rte_iova_t iova;	  /* of the first page; RTE_BAD_IOVA: no device may be told */
	struct rte_mempool *pool; /* in the last nr_pool pages, for programs to send from; NULL */
	rte_spinlock_t lock;	  /* of what follows */
	unsigned int nr_free, nr_retired, nr_pool;
	uint16_t free[FRONT_ZONE_MAX];
	struct {
		uint16_t page, handle;
		uint64_t ms;
	} retired[FRONT_ZONE_MAX];
	/* By page, of what is out. */
	struct rte_mbuf_ext_shared_info info[FRONT_ZONE_MAX];
};

/* @name: the pool's. Return: 0; -errno: @guest has no memory or grants for it. */
int xenfront_zone_create(struct hv_guest *guest, uint16_t domid, const char *name,
			 struct xenfront_zone **zone_out);
/* Whether a program has mbufs of it, or a queue pages. */
bool xenfront_zone_is_used(struct xenfront_zone *z);
/* Of one that is not used. NULL is allowed. */
void xenfront_zone_destroy(struct xenfront_zone *z);

/* Free pages, up to @nr. Return: their number. Any thread. */
unsigned int xenfront_zone_get(struct xenfront_zone *z, uint16_t *pages, unsigned int nr);
void xenfront_zone_put(struct xenfront_zone *z, const uint16_t *pages, unsigned int nr);

/* The grant of the page that has all of it; 0: there is none. */
static inline uint32_t xenfront_zone_ref(const struct xenfront_zone *z, const void *data,
					 size_t len)
{
	size_t at = (size_t)((uintptr_t)data - (uintptr_t)z->zone.pages);

	if (at >= (size_t)z->zone.nr * FRONT_BUFFER_SIZE ||
	    at % FRONT_BUFFER_SIZE + len > FRONT_BUFFER_SIZE)
		return 0;
	return z->zone.refs[at / FRONT_BUFFER_SIZE];
}

/* Page @page, which is @m's from now on. */
static inline void xenfront_zone_attach(struct xenfront_zone *z, struct rte_mbuf *m, uint16_t page,
					uint16_t offset, uint16_t len)
{
	struct rte_mbuf_ext_shared_info *info = &z->info[page];
	size_t at = (size_t)page * FRONT_BUFFER_SIZE;

	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, z->zone.pages + at,
				  z->iova == RTE_BAD_IOVA ? RTE_BAD_IOVA : z->iova + at,
				  FRONT_BUFFER_SIZE, info);
	m->data_off = offset;
	m->data_len = len;
	m->pkt_len = len;
}

#endif
