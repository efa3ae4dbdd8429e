/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps of one kind that the system does at once, ports of Open vSwitch and guards, side by side in the plan, so
 * that they are one transaction. Steps of different links that disturb nobody can be done in any order; those of
 * one link stay in theirs: first all that comes before the links' guards, then those, then what comes before
 * the ports, the ports, and what comes after.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PHASES (2 * VS_DOC_NR)

struct place {
	const char *link;
	size_t at;	    /* in the plan */
	unsigned int phase; /* by kind odd: of those that go at once; even: between them */
};

static bool goes_at_once(const struct vs_step *step)
{
	return vs_op_gathers(&step->op);
}

/* Links that have a guard or a port in the plan: guests'. Sorted. */
struct links {
	const char **v;
	size_t nr;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int find_links(const struct vs_plan *plan, struct links *l)
{
	*l = (struct links){ .v = calloc(plan->nr + 1, sizeof(*l->v)) };
	if (!l->v)
		return -ENOMEM;
	for (size_t i = 0; i < plan->nr; i++) {
		const struct vs_op *op = &plan->steps[i].op;

		if (goes_at_once(&plan->steps[i]))
			l->v[l->nr] = vs_doc_link((enum vs_doc_kind)op->index, op->text);
		l->nr += l->v[l->nr] != NULL;
	}
	qsort(l->v, l->nr, sizeof(*l->v), by_name);
	return 0;
}

static const char *if_guests(const struct links *l, const char *link)
{
	return bsearch(&link, l->v, l->nr, sizeof(*l->v), by_name) ? link : NULL;
}

/* The only link that the step is about; NULL: it stays where it is. */
static const char *link_of(const struct links *l, const struct vs_step *step)
{
	const struct vs_op *op = &step->op;

	if (step->disruption > (goes_at_once(step) ? VS_DISRUPTION_BLIP : VS_DISRUPTION_NONE))
		return NULL;
	switch (op->kind) {
	case VS_OP_SET_MTU:
	case VS_OP_SET_UP:
	case VS_OP_SET_MASTER:
	case VS_OP_SET_ISOLATED:
	case VS_OP_ACCEPT_RA:
	case VS_OP_IPV6_OFF:
		return op->link;
	case VS_OP_LINK_SYSCTL:
	case VS_OP_ADDR_ADD:
	case VS_OP_ROUTE_ADD:
		return if_guests(l, op->link);
	case VS_OP_NEIGH_ADD:
		/* A proxy waits for nothing. */
		return op->value ? op->link : if_guests(l, op->link);
	case VS_OP_FLOWS:
		return if_guests(l, op->text);
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

/* The first phase of a step of that kind that is not before @phase. */
static unsigned int phase_of(const struct vs_step *step, unsigned int phase)
{
	unsigned int kind = 2 * step->op.index + 1;

	if (!goes_at_once(step))
		return phase + (phase & 1);
	return phase - phase % PHASES + kind + (phase % PHASES > kind ? PHASES : 0);
}

static void number_phases(const struct vs_plan *plan, struct place *places, size_t nr)
{
	unsigned int phase = 0;

	qsort(places, nr, sizeof(*places), by_link);
	for (size_t i = 0; i < nr; i++) {
		if (i && strcmp(places[i].link, places[i - 1].link) != 0)
			phase = 0;
		phase = phase_of(&plan->steps[places[i].at], phase);
		places[i].phase = phase;
	}
}

static int gather_run(const struct links *l, struct vs_plan *plan, size_t first, size_t end)
{
	struct place *places = calloc(end - first, sizeof(*places));
	struct vs_step *old = calloc(end - first, sizeof(*old));
	int rc = places && old ? 0 : -ENOMEM;

	for (size_t i = first; !rc && i < end; i++)
		places[i - first] = (struct place){ .link = link_of(l, &plan->steps[i]), .at = i };
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

int plan_gather(struct vs_plan *plan)
{
	struct links l;
	size_t end, nr;
	int rc = find_links(plan, &l);

	for (size_t first = 0; !rc && first < plan->nr; first = end + 1) {
		nr = 0;
		for (end = first; end < plan->nr && link_of(&l, &plan->steps[end]); end++)
			nr += goes_at_once(&plan->steps[end]);
		if (nr > 1)
			rc = gather_run(&l, plan, first, end);
	}
	free(l.v);
	return rc;
}
