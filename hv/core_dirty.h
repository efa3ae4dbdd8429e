/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of a domain's memory backends have written to: KVM's own log sees only what vCPUs write. It lies in the
 * second memfd from page CORE_PAGE_DIRTY on. Whoever copies a running domain's memory elsewhere switches
 * it on, copies everything, and then again and again what core_dirty_take() names.
 *
 * A page is marked when a writable grant of it is let go, after the last write. What a backend keeps mapped (rings, pages
 * of a GREF_MAPPING) is marked when it unmaps: nothing in those is worth anything to a guest that has moved, since its
 * frontends begin anew. A domain can spoil this page, and so its own copy.
 */
#ifndef HV_CORE_DIRTY_H
#define HV_CORE_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core_dirty {
	uint32_t on;
	uint32_t zero;
	uint64_t bits[]; /* page N: bit N % 64 of word N / 64 */
};

static inline size_t core_dirty_size(uint64_t nr_pages)
{
	return sizeof(struct core_dirty) + (size_t)((nr_pages + 63) / 64) * 8;
}

/* Any thread. @page: less than the domain's nr_pages. */
static inline void core_dirty_mark(struct core_dirty *dirty, uint64_t page)
{
	if (__atomic_load_n(&dirty->on, __ATOMIC_RELAXED))
		__atomic_fetch_or(&dirty->bits[page / 64], 1ull << page % 64, __ATOMIC_RELEASE);
}

/* On: with nothing marked. */
static inline void core_dirty_set(struct core_dirty *dirty, uint64_t nr_pages, bool on)
{
	for (uint64_t i = 0; on && i < (nr_pages + 63) / 64; i++)
		dirty->bits[i] = 0;
	/* A backend that lets go of a page from now on marks it. */
	__atomic_store_n(&dirty->on, on, __ATOMIC_SEQ_CST);
}

/* The marks of word @word, which are gone then: before the pages are copied. */
static inline uint64_t core_dirty_take(struct core_dirty *dirty, uint64_t word)
{
	return __atomic_load_n(&dirty->bits[word], __ATOMIC_RELAXED)
		       ? __atomic_exchange_n(&dirty->bits[word], 0, __ATOMIC_ACQUIRE)
		       : 0;
}

#endif
