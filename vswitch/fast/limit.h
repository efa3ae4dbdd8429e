/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of bits and packets a second: token buckets that may be overdrawn by what is at hand, so that a
 * frame larger than a bucket passes too, and what they are short of must come in before the next one.
 */
#ifndef VSWITCH_FAST_LIMIT_H
#define VSWITCH_FAST_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/fast/doc.h"

struct fast_bucket {
	uint64_t per_s; /* tokens; 0: unlimited */
	int64_t left, burst;
	uint64_t at_ns;
};

struct fast_limit {
	struct fast_bucket bytes, packets;
};

/* As @rate says; what the buckets hold stays. */
void fast_limit_set(struct fast_limit *l, const struct fast_rate *rate);
/* Take in what came since. */
void fast_limit_fill(struct fast_limit *l, uint64_t now_ns);
/* Frames that may pass now, at most @max; 0: *again_ns_out says when. Of a filled one. */
unsigned int fast_limit_frames(const struct fast_limit *l, unsigned int max, uint64_t now_ns,
			       uint64_t *again_ns_out);

static inline bool fast_limit_is_set(const struct fast_limit *l)
{
	return l->bytes.per_s || l->packets.per_s;
}

static inline bool fast_limit_allows(const struct fast_limit *l)
{
	return (!l->bytes.per_s || l->bytes.left > 0) && (!l->packets.per_s || l->packets.left > 0);
}

static inline void fast_limit_take(struct fast_limit *l, unsigned int frames, uint64_t bytes)
{
	l->bytes.left -= (int64_t)bytes;
	l->packets.left -= frames;
}

#endif
