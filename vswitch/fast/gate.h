/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What passes: a port's guard and a network's firewall with its connections, as the switch asks them. */
#ifndef VSWITCH_FAST_GATE_H
#define VSWITCH_FAST_GATE_H

#include "vswitch/fast/guard.h"
#include "vswitch/fast/limit.h"
#include "vswitch/fast/rules.h"

/* Of a guest's port. */
struct fast_gate {
	struct fast_guard *guard;
	bool is_open;		/* it forbids nothing: level "none" and no more */
	struct fast_limit rate; /* its packets-per-s */
	uint64_t drops[FAST_REASONS];
};

/* @guard NULL: nothing passes. 0; -EINVAL, -ENOMEM with @why. */
int fast_gate_create(const json_t *guard, struct fast_gate **gate_out, char *why);
/* NULL is allowed. */
void fast_gate_destroy(struct fast_gate *g);
/* A frame from the guest at @now_ns. False: it is dropped, and counted. */
bool fast_gate_passes(struct fast_gate *g, const struct fast_head *h, uint64_t now_ns);
/* One to it. */
bool fast_gate_passes_to(struct fast_gate *g, const struct fast_head *h);

#endif
