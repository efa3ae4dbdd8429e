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

/* How a page is noted, in two bits: gref_note.h. */
#define NB_GREF_NOTED	       1u
#define NB_GREF_NOTED_READONLY 2u
#define NB_GREF_NOTES	       (NB_GREF_END / 4) /* bytes for all */

static inline unsigned int nb_gref_noted(const uint8_t *notes, uint32_t ref)
{
	return notes[ref / 4] >> ref % 4 * 2 & 3u;
}

static inline void nb_gref_note_page(struct nb_queue *q, uint32_t ref)
{
	unsigned int bits = q->gref_pages[ref] ? NB_GREF_NOTED : 0, shift = ref % 4 * 2;
	uint8_t *byte;

	if (!q->gref_notes)
		return;
	if (q->gref_pages[ref] & NB_GREF_READONLY)
		bits |= NB_GREF_NOTED_READONLY;
	byte = &q->gref_notes[ref / 4];
	*byte = (uint8_t)((*byte & ~(3u << shift)) | bits << shift);
}

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
/* gref_note.c: note nothing more; what is noted stays. Safe without notes. */
void nb_gref_forget_notes(struct nb_queue *q);
/* Unmap all, which is not noted. Safe without any. */
void nb_gref_clear(struct nb_queue *q);

#endif
