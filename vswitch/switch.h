/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks that change hands with their guests up: another device on the same LAN takes over the uplink,
 * the vifs and what the host has there, make before break.
 */
#ifndef VSWITCH_SWITCH_H
#define VSWITCH_SWITCH_H

#include "vswitch/plan_priv.h"

/* One network that changes hands. */
struct takeover {
	const struct vs_record_network *old;
	const struct vs_network *to;
	char from[IFNAMSIZ];		  /* the device that is left behind */
	struct vs_record_network carried; /* @old, as if it had been @to's; owned */
};

struct takeovers {
	struct takeover *v;
	size_t nr;
};

/* Who takes over from whom. Return: 0, takeovers_fini() by the caller in any case; -ENOMEM. */
int takeovers_find(const struct vs_plan_input *in, const struct vs_plan *plan, struct takeovers *t);
void takeovers_fini(struct takeovers *t);
/* NULL: it does not change hands. */
const struct takeover *takeover_of_old(const struct takeovers *t,
				       const struct vs_record_network *old);
struct takeover *takeover_of_new(const struct takeovers *t, const struct vs_network *n);

/*
 * Before @t->to is planned. Where old and new need the same name, everything stands on a bridge aside
 * meanwhile, and the old device is gone afterwards.
 */
int takeover_begin(const struct vs_plan_input *in, struct takeover *t, struct vs_plan *plan);
/* When all vifs stand on their new device: the patch cable goes, and so does a bridge aside. */
int takeover_end(const struct vs_plan_input *in, const struct takeover *t, struct vs_plan *plan);

/*
 * Make @uplink a port of @n's device. When another switch of ours has it now, the two are patched together,
 * so that each end of the LAN is reached from both.
 */
void takeover_uplink(const struct vs_plan_input *in, struct plan_for *p, enum vs_disruption d,
		     const struct vs_network *n, const char *uplink);
/*
 * Whether @link can stand on its old switch and on @n's at a time: Open vSwitch's user-space datapath taps a
 * link as a sniffer does, whoever else has it.
 */
bool takeover_overlaps(const struct vs_observed *o, const struct vs_network *n, const char *link);
/* Whether the uplink is a port of another switch of ours. */
bool takeover_may_take(const struct vs_observed *o, const struct vs_link *uplink);

#endif
