/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/nap.h"

#define RESTS_MIN    8u		/* in a window, for its rate to mean something */
#define WINDOW_LAST  200000000u /* ns: fewer rests in it than that are no load */
#define RESTS_FEW    3u		/* enough to tell half of what came before */
#define PATIENCE_MIN 10u	/* windows */
#define PATIENCE_MAX 200u
#define SECOND_NS    1000000000u

#define RING 256u /* slots of a guest's: what a nap can bring */

/* Armed, then naps. The longer one is for hosts where an exit takes as long as tens of frames do. */
static const uint64_t ways_ns[] = { 0, 1000000, 4000000 };

#define NR_WAYS (sizeof(ways_ns) / sizeof(ways_ns[0]))

static void begin(struct fast_nap *n, uint64_t frames, uint64_t now_ns)
{
	n->nr_rests = 0;
	n->frames = frames;
	n->began_ns = now_ns;
}

static void reset(struct fast_nap *n)
{
	n->way = n->kept = 0;
	n->patience = PATIENCE_MIN;
	n->nr_windows = PATIENCE_MIN;
}

/* Longer naps are to be clearly better, as they cost those who wait. */
static bool is_better(const struct fast_nap *n, uint64_t rate)
{
	return n->way > n->kept ? rate * 4 > n->kept_rate * 5 : rate * 5 > n->kept_rate * 4;
}

static void judge(struct fast_nap *n, uint64_t rate)
{
	if (is_better(n, rate)) {
		n->kept = n->way;
		n->patience = PATIENCE_MIN;
	} else {
		n->way = n->kept;
	}
	n->nr_windows = n->patience;
	n->patience = n->patience < PATIENCE_MAX ? 2 * n->patience : PATIENCE_MAX;
}

/* Each other way in turn, but those in which more comes than a ring holds. */
static void try(struct fast_nap *n, uint64_t kept_rate)
{
	n->kept_rate = kept_rate;
	n->nr_windows = n->patience;
	n->tried = (n->tried + 1) % NR_WAYS;
	if (n->tried == n->kept)
		n->tried = (n->tried + 1) % NR_WAYS;
	if (kept_rate * ways_ns[n->tried] / SECOND_NS <= RING)
		n->way = n->tried;
}

/* Not worth a whole window. */
static bool is_hopeless(const struct fast_nap *n, uint64_t rate)
{
	return n->way != n->kept && n->nr_rests >= RESTS_FEW && 2 * rate < n->kept_rate;
}

uint64_t fast_nap(struct fast_nap *n, uint64_t frames, uint64_t now_ns)
{
	uint64_t passed = now_ns - n->began_ns, rate;

	n->nr_rests++;
	if (passed > WINDOW_LAST) {
		reset(n);
		begin(n, frames, now_ns);
		return 0;
	}
	rate = (frames - n->frames) * SECOND_NS / (passed ? passed : 1);
	if (!is_hopeless(n, rate) && (passed < FAST_NAP_WINDOW_NS || n->nr_rests < RESTS_MIN))
		return ways_ns[n->way];
	begin(n, frames, now_ns);
	if (n->way != n->kept)
		judge(n, rate);
	else if (!rate)
		reset(n);
	else if (--n->nr_windows == 0)
		try(n, rate);
	return ways_ns[n->way];
}
