/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes as numbers, of IPv4 in the first of two. Pure. */
#ifndef VSWITCH_FAST_PREFIX_H
#define VSWITCH_FAST_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/fast/head.h"

/* First and last address of "10.0.0.0/8", "::1". Return: its family, 0: IPv4, 1: IPv6; -1: it is none. */
int fast_prefix_read(const char *text, uint64_t first[2], uint64_t last[2]);
/* The next address; false: there is none. */
bool fast_prefix_next(uint64_t at[2], int family);

static inline void fast_address(const uint8_t *p, uint8_t version, uint64_t out[2])
{
	if (version == 4) {
		out[0] = fast_get32(p);
		out[1] = 0;
	} else {
		out[0] = (uint64_t)fast_get32(p) << 32 | fast_get32(p + 4);
		out[1] = (uint64_t)fast_get32(p + 8) << 32 | fast_get32(p + 12);
	}
}

/* -1, 0, 1 as the first is before the second, the same, behind it. */
static inline int fast_address_compare(const uint64_t a[2], const uint64_t b[2])
{
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return a[1] != b[1] ? (a[1] < b[1] ? -1 : 1) : 0;
}

#endif
