/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/limit.h"

#include "vswitch/rate.h"

#define NS_PER_S      1000000000u
#define BURST_MIN     16384u /* below a full frame nothing would pass evenly */
#define PACKETS_MIN   64u
#define PACKETS_PER_S 50u /* bursts: 20 ms of packets */
#define FRAME_SIZE    1514u

static void set(struct fast_bucket *b, uint64_t per_s, uint64_t burst)
{
	if (b->per_s == per_s && b->burst == (int64_t)burst)
		return;
	*b = (struct fast_bucket){ .per_s = per_s,
				   .burst = (int64_t)burst,
				   .left = (int64_t)burst };
}

void fast_limit_set(struct fast_limit *l, const struct fast_rate *rate)
{
	uint64_t burst = rate->burst_bytes ? rate->burst_bytes : rate_burst(rate->bits_per_s);
	uint64_t packets = rate->packets_per_s / PACKETS_PER_S;

	set(&l->bytes, rate->bits_per_s / 8 + (rate->bits_per_s > 0 && rate->bits_per_s < 8),
	    burst < BURST_MIN ? BURST_MIN : burst);
	set(&l->packets, rate->packets_per_s, packets < PACKETS_MIN ? PACKETS_MIN : packets);
}

static void fill(struct fast_bucket *b, uint64_t now_ns)
{
	uint64_t passed, tokens;

	if (!b->per_s)
		return;
	if (!b->at_ns)
		b->at_ns = now_ns;
	passed = now_ns - b->at_ns;
	tokens = (uint64_t)((unsigned __int128)passed * b->per_s / NS_PER_S);
	if (!tokens)
		return;
	/* What was rounded off stays for the next time. */
	b->at_ns += (uint64_t)((unsigned __int128)tokens * NS_PER_S / b->per_s);
	b->left = tokens < (uint64_t)(b->burst - b->left) ? b->left + (int64_t)tokens : b->burst;
}

void fast_limit_fill(struct fast_limit *l, uint64_t now_ns)
{
	fill(&l->bytes, now_ns);
	fill(&l->packets, now_ns);
}

/* When @b holds something again. */
static uint64_t again_ns(const struct fast_bucket *b, uint64_t now_ns)
{
	unsigned __int128 short_of = (unsigned __int128)(1 - b->left) * NS_PER_S / b->per_s + 1;

	return now_ns + (short_of < NS_PER_S ? (uint64_t)short_of : NS_PER_S);
}

unsigned int fast_limit_frames(const struct fast_limit *l, unsigned int max, uint64_t now_ns,
			       uint64_t *again_ns_out)
{
	if (l->bytes.per_s) {
		if (l->bytes.left <= 0) {
			*again_ns_out = again_ns(&l->bytes, now_ns);
			return 0;
		}
		if ((uint64_t)l->bytes.left / FRAME_SIZE + 1 < max)
			max = (unsigned int)((uint64_t)l->bytes.left / FRAME_SIZE + 1);
	}
	if (l->packets.per_s) {
		if (l->packets.left <= 0) {
			*again_ns_out = again_ns(&l->packets, now_ns);
			return 0;
		}
		if ((uint64_t)l->packets.left < max)
			max = (unsigned int)l->packets.left;
	}
	return max;
}
