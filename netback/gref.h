/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that a guest lets us have mapped for as long as its rings live ("static grants" of io/netif.h),
 * so that a frame in one of them takes no grant operation. One table a queue, of the thread that serves
 * the queue; a page is found by its reference, untrusted, in one look.
 */
#ifndef NETBACK_GREF_H
#define NETBACK_GREF_H

#include "netback/queue.h"

#define NB_GREF_END (1u << 16) /* references from here on are not kept mapped */

#define NB_GREF_READONLY 1u /* in the address of a page, which is a multiple of its size */

/* The page of @ref to read; NULL: not mapped. */
static inline const uint8_t *nb_gref_readable(const struct nb_queue *q, uint32_t ref)
{
	return ref < q->nr_grefs
		       ? (const uint8_t *)(q->gref_pages[ref] & ~(uintptr_t)NB_GREF_READONLY)
		       : NULL;
}

/* The page of @ref to write to; NULL: not mapped, or only to be read. */
static inline uint8_t *nb_gref_writable(const struct nb_queue *q, uint32_t ref)
{
	uintptr_t page = ref < q->nr_grefs ? q->gref_pages[ref] : 0;

	return page & NB_GREF_READONLY ? NULL : (uint8_t *)page;
}

/*
 * Map all of @grefs, or none. Return: 0; -EINVAL: one is out of range, is there already or cannot be mapped;
 * -ENOSPC: more than q->gref_max; -ENOMEM.
 */
int nb_gref_add(struct nb_queue *q, const struct xen_netif_gref *grefs, unsigned int nr);
/* Unmap those of @grefs that are mapped, and say so in their status. Return: how many were. */
unsigned int nb_gref_del(struct nb_queue *q, struct xen_netif_gref *grefs, unsigned int nr);
/* Unmap all. Safe without any. */
void nb_gref_clear(struct nb_queue *q);

#endif
