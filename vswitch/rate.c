/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/rate.h"

#include <string.h>

/* 20 ms: from 26 Mbit/s on whole segments of TCP pass as one, and no measurement of a second sees the burst. */
#define BURST_PER_S 50
#define BURST_MIN   16384

uint64_t rate_burst(uint64_t bits_per_s)
{
	uint64_t burst = bits_per_s / 8 / BURST_PER_S;

	return burst < BURST_MIN ? BURST_MIN : burst;
}

void plan_rate(struct plan_for *p, const struct vs_vif *vif)
{
	const struct vs_rate *r = &vif->to_guest;
	uint64_t burst = r->burst_bytes ? r->burst_bytes : rate_burst(r->bits_per_s);

	/* Below a full frame nothing would ever pass. */
	if (burst < BURST_MIN)
		burst = BURST_MIN;
	if (!r->bits_per_s)
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_RATE, vif->name);
	else
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_RATE, vif->name,
			     json_pack("{sI sI}", "bits-per-s", (json_int_t)r->bits_per_s, "burst",
				       (json_int_t)burst));
}
