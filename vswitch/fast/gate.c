/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netback/queue.h"
#include "vswitch/fast/fast.h"

_Static_assert(FAST_TEXT_MAX >= FAST_WHY_MAX, "the guard's and the firewall's texts fit");

int fast_gate_create(const json_t *guard, struct fast_gate **gate_out, char *why)
{
	const char *level = json_string_value(json_object_get(guard, "level"));
	struct fast_rate rate = { 0 };
	struct fast_gate *g = calloc(1, sizeof(*g));
	int rc;

	*gate_out = NULL;
	if (!g) {
		snprintf(why, FAST_TEXT_MAX, "out of memory");
		return -ENOMEM;
	}
	rc = fast_guard_compile(guard, &g->guard, why);
	if (rc) {
		free(g);
		return rc;
	}
	g->is_open = level && !strcmp(level, "none") && json_object_size(guard) == 1;
	rate.packets_per_s = fast_guard_packets(g->guard);
	fast_limit_set(&g->rate, &rate);
	*gate_out = g;
	return 0;
}

void fast_gate_destroy(struct fast_gate *g)
{
	if (!g)
		return;
	fast_guard_destroy(g->guard);
	free(g);
}

bool fast_gate_passes(struct fast_gate *g, const struct fast_head *h, uint64_t now_ns)
{
	int why = fast_guard_check(g->guard, h);

	if (why < 0 && fast_limit_is_set(&g->rate)) {
		fast_limit_fill(&g->rate, now_ns);
		if (fast_limit_allows(&g->rate))
			fast_limit_take(&g->rate, 1, 0);
		else
			why = FAST_RATE;
	}
	if (why >= 0)
		nb_count(&g->drops[why], 1);
	return why < 0;
}

bool fast_gate_passes_to(struct fast_gate *g, const struct fast_head *h)
{
	int why = fast_guard_check_to(g->guard, h);

	if (why >= 0)
		nb_count(&g->drops[why], 1);
	return why < 0;
}
