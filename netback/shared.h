/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads of what a guest may write at the same time: rings and granted pages. Each happens once, into
 * private memory. A build with NB_SHARED_FUZZ gets other bytes by each of them, as a guest could see to:
 * what was read twice and was to be the same both times then shows.
 */
#ifndef NETBACK_SHARED_H
#define NETBACK_SHARED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef NB_SHARED_FUZZ
/* Of the test's. @from is what is there in truth. */
void nb_shared_fuzz(void *to, const void *from, size_t size);
#endif

static inline void nb_shared_read(void *to, const void *from, size_t size)
{
#ifdef NB_SHARED_FUZZ
	nb_shared_fuzz(to, from, size);
#else
	memcpy(to, from, size);
	/* No later use of the copy may be turned into a second read. */
	__asm__ volatile("" ::: "memory");
#endif
}

/* An index; what the guest wrote before it is seen afterwards. */
static inline uint32_t nb_shared_load(const uint32_t *from)
{
	uint32_t v = __atomic_load_n(from, __ATOMIC_ACQUIRE);

#ifdef NB_SHARED_FUZZ
	nb_shared_fuzz(&v, &v, sizeof(v));
#endif
	return v;
}

#define NB_COPY_SMALL_MAX 128u

/* Exactly @size bytes, 1 to NB_COPY_SMALL_MAX, without a call: what lies behind them is left alone on both sides. */
static inline void nb_copy_small(uint8_t *to, const uint8_t *from, size_t size)
{
	if (size > 64) {
		__builtin_memcpy(to, from, 64);
		__builtin_memcpy(to + size - 64, from + size - 64, 64);
	} else if (size > 32) {
		__builtin_memcpy(to, from, 32);
		__builtin_memcpy(to + size - 32, from + size - 32, 32);
	} else if (size > 16) {
		__builtin_memcpy(to, from, 16);
		__builtin_memcpy(to + size - 16, from + size - 16, 16);
	} else if (size >= 8) {
		__builtin_memcpy(to, from, 8);
		__builtin_memcpy(to + size - 8, from + size - 8, 8);
	} else {
		memcpy(to, from, size);
	}
}

/* The same of what another may write at the same time: a read of it. */
static inline void nb_shared_read_small(uint8_t *to, const uint8_t *from, size_t size)
{
#ifdef NB_SHARED_FUZZ
	nb_shared_fuzz(to, from, size);
#else
	nb_copy_small(to, from, size);
#endif
}

#endif
