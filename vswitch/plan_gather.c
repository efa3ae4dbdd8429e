/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of Open vSwitch side by side in the plan, so that they are one transaction. Steps of different links
 * that disturb nobody can be done in any order; those of one link stay in theirs: first all that comes
 * before the links' ports, then the ports, then what comes after.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct place {
	const char *link;
	size_t at;	    /* in the plan */
	unsigned int phase; /* even: between the link's ports, odd: a port */
};

static bool is_port(const struct vs_step *step)
{
	return vs_op_gathers(&step->op);
}

/* The only link that the step is about; NULL: it stays where it is. */
static const char *link_of(const struct vs_step *step)
{
	const struct vs_op *op = &step->op;

	if (step->disruption > (is_port(step) ? VS_DISRUPTION_BLIP : VS_DISRUPTION_NONE))
		return NULL;
	switch (op->kind) {
	case VS_OP_SET_MTU:
	case VS_OP_SET_UP:
	case VS_OP_SET_MASTER:
	case VS_OP_SET_ISOLATED:
	case VS_OP_ACCEPT_RA:
	case VS_OP_IPV6_OFF:
		return op->link;
	case VS_OP_DOC:
		return vs_doc_link((enum vs_doc_kind)op->index, op->text);
	default:
		return NULL;
	}
}

static int by_link(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int diff = strcmp(x->link, y->link);

	return diff ? diff : x->at < y->at ? -1 : 1;
}

static int by_phase(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

static void number_phases(const struct vs_plan *plan, struct place *places, size_t nr)
{
	unsigned int phase = 0;

	qsort(places, nr, sizeof(*places), by_link);
	for (size_t i = 0; i < nr; i++) {
		if (i && strcmp(places[i].link, places[i - 1].link) != 0)
			phase = 0;
		if (is_port(&plan->steps[places[i].at]))
			phase |= 1;
		else
			phase += phase & 1;
		places[i].phase = phase;
	}
}

static int gather_run(struct vs_plan *plan, size_t first, size_t end)
{
	struct place *places = calloc(end - first, sizeof(*places));
	struct vs_step *old = calloc(end - first, sizeof(*old));
	int rc = places && old ? 0 : -ENOMEM;

	for (size_t i = first; !rc && i < end; i++)
		places[i - first] = (struct place){ .link = link_of(&plan->steps[i]), .at = i };
	if (!rc) {
		number_phases(plan, places, end - first);
		qsort(places, end - first, sizeof(*places), by_phase);
		memcpy(old, &plan->steps[first], (end - first) * sizeof(*old));
		for (size_t i = first; i < end; i++)
			plan->steps[i] = old[places[i - first].at - first];
	}
	free(places);
	free(old);
	return rc;
}

int plan_gather_ports(struct vs_plan *plan)
{
	size_t end, nr_ports;
	int rc = 0;

	for (size_t first = 0; !rc && first < plan->nr; first = end + 1) {
		nr_ports = 0;
		for (end = first; end < plan->nr && link_of(&plan->steps[end]); end++)
			nr_ports += is_port(&plan->steps[end]);
		if (nr_ports > 1)
			rc = gather_run(plan, first, end);
	}
	return rc;
}
