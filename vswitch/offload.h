/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hardware of uplinks is to do for the host. The document "<link>" is { "tso": bool, ... } with the
 * keys of vs_offload_names[] that the policy gives; what was there before stands in
 * <run-dir>/offload/<link>/ and comes back when the document goes.
 */
#ifndef VSWITCH_OFFLOAD_H
#define VSWITCH_OFFLOAD_H

#include "vswitch/docs.h"

/* By enum vs_offload_key. */
extern const char *const vs_offload_names[VS_OFFLOAD_NR];

/* Pure: behind the networks' own steps. */
int offload_plan(const struct vs_plan_input *in, struct vs_plan *plan);

extern const struct vs_doc_ops offload_doc_ops;

#endif
