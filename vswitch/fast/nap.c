/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/nap.h"

#define RESTS_MIN    8u		/* in a window, for its rate to mean something */
#define WINDOW_LAST  200000000u /* ns: fewer rests in it than that are no load */
#define RESTS_FEW    3u		/* enough to tell half of what came before */
#define PATIENCE_MIN 25u	/* windows */
#define PATIENCE_MAX 200u
#define SECOND_NS    1000000000u

static void begin(struct fast_nap *n, uint64_t frames, uint64_t now_ns)
{
	n->nr_rests = 0;
	n->frames = frames;
	n->began_ns = now_ns;
}

static void reset(struct fast_nap *n)
{
	n->naps = n->on_trial = false;
	n->patience = PATIENCE_MIN;
	n->nr_windows = PATIENCE_MIN;
}

/* Naps are to be clearly better, as they cost those who wait. */
static bool is_better(bool naps, uint64_t rate, uint64_t than)
{
	return naps ? rate * 4 > than * 5 : rate * 5 > than * 4;
}

static void judge(struct fast_nap *n, uint64_t rate)
{
	bool keep = is_better(n->naps, rate, n->kept_rate);

	n->on_trial = false;
	if (keep)
		n->patience = PATIENCE_MIN;
	else
		n->naps = !n->naps;
	n->nr_windows = n->patience;
	n->patience = n->patience < PATIENCE_MAX ? 2 * n->patience : PATIENCE_MAX;
}

/* Not worth a whole window. */
static bool is_hopeless(const struct fast_nap *n, uint64_t rate)
{
	return n->on_trial && n->nr_rests >= RESTS_FEW && 2 * rate < n->kept_rate;
}

bool fast_nap(struct fast_nap *n, uint64_t frames, uint64_t now_ns)
{
	uint64_t passed = now_ns - n->began_ns, rate;

	n->nr_rests++;
	if (passed > WINDOW_LAST) {
		reset(n);
		begin(n, frames, now_ns);
		return false;
	}
	rate = (frames - n->frames) * SECOND_NS / (passed ? passed : 1);
	if (!is_hopeless(n, rate) && (passed < FAST_NAP_WINDOW_NS || n->nr_rests < RESTS_MIN))
		return n->naps;
	begin(n, frames, now_ns);
	if (n->on_trial) {
		judge(n, rate);
	} else if (!rate) {
		reset(n);
	} else if (--n->nr_windows == 0) {
		n->kept_rate = rate;
		n->naps = !n->naps;
		n->on_trial = true;
	}
	return n->naps;
}
