/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes towards a guest, shaped by a token bucket on its link. The document (VS_DOC_RATE, by the link's name) is
 * {"bits-per-s":100000000,"burst":250000}, burst in bytes. What comes from a guest is limited by its backend.
 */
#ifndef VSWITCH_RATE_H
#define VSWITCH_RATE_H

#include "vswitch/plan_priv.h"

/* Of a vif whose link is in the model: as its to_guest says; no limit when that has none. */
void plan_rate(struct plan_for *p, const struct vs_vif *vif);
/* The bucket, where the policy gives none: a burst of @bits_per_s, in bytes. */
uint64_t rate_burst(uint64_t bits_per_s);

#endif
