/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modes "nat" and "isolated": a bridge of the network's name without an uplink, the host on it as the
 * guests' gateway. They are built as mode "bridge" builds one; what is done to packets that leave or
 * may not leave is the rules' (rules_nat.c, rules_filter.c).
 */
#include "vswitch/plan_priv.h"

#include "vswitch/bridge_priv.h"

const struct vs_mode vs_mode_nat = {
	.name = "nat",
	.segment = VS_SEGMENT_BRIDGE,
	.docs = BRIDGE_DOCS,
	.release = bridge_release,
	.plan = bridge_plan,
	.plan_down = bridge_plan_down,
	.attach = bridge_attach,
	.detach = bridge_detach,
};

const struct vs_mode vs_mode_isolated = {
	.name = "isolated",
	.segment = VS_SEGMENT_BRIDGE,
	.docs = BRIDGE_DOCS,
	.release = bridge_release,
	.plan = bridge_plan,
	.plan_down = bridge_plan_down,
	.attach = bridge_attach,
	.detach = bridge_detach,
};
