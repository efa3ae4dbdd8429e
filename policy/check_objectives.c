/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a measurement is to see, and between whom. */
#include <string.h>

#include "policy/check_priv.h"

static void check_end(struct pol_checks *c, const struct pol_objective *o,
		      const struct pol_text *end)
{
	if (end->text && strcmp(end->text, POL_HOST) != 0)
		pol_find_guest(c, o->node, end);
}

static void check_one(struct pol_checks *c, struct pol_index *names, const struct pol_objective *o)
{
	const struct pol_objective *other = NULL;
	char quoted[POL_QUOTE_MAX];

	if (o->name.text)
		other = pol_index_put(names, o->name.text, strlen(o->name.text), o);
	if (other)
		pol_error(c->r, "VF0245", o->node, &o->name.place, "each has its own",
			  "the name %s is that of the objective in %s already",
			  pol_quote(quoted, o->name.text), pol_at(c->r, &other->place));
	check_end(c, o, &o->from);
	check_end(c, o, &o->to);
	if (o->from.text && o->to.text && !strcmp(o->from.text, o->to.text))
		pol_error(c->r, "VF0245", o->node, &o->to.place, "two guests, or a guest and host",
			  "from and to are the same");
	if (!o->min_throughput.place.line && !o->min_packets.place.line &&
	    !o->max_rtt_p99.place.line)
		pol_error(c->r, "VF0245", o->node, &o->place,
			  "one of min-throughput, min-packets and max-rtt-p99 is required",
			  "an objective that says nothing");
}

void pol_check_objectives(struct pol_checks *c)
{
	const struct policy *p = c->policy;
	struct pol_index names;

	pol_index_init(&names, c->r);
	for (size_t i = 0; i < p->objectives.nr && !c->r->rc; i++)
		check_one(c, &names, &p->objectives.v[i]);
	pol_index_fini(&names);
}
