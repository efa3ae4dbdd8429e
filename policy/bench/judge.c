/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results against the policy's objectives, and against those of another run. */
#include <math.h>
#include <string.h>

#include "policy/bench/bench.h"
#include "policy/cli.h"
#include "policy/units.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* What an objective says, and which result shows it. */
static const struct goal {
	const char *key, *test, *size, *measure;
	enum unit_kind unit;
	bool at_most;
} goals[] = {
	{ "min-throughput", "stream", "gso", "bits-per-s", UNIT_RATE, false },
	{ "min-packets", "packets", "64", "packets-per-s", UNIT_PACKETS, false },
	{ "max-rtt-p99", "round-trip", "64", "p99", UNIT_DURATION, true },
};

#define NR_GOALS (sizeof(goals) / sizeof(goals[0]))

static const json_t *find_result(const json_t *doc, const json_t *objective, const struct goal *g)
{
	const json_t *r;
	size_t i;

	json_array_foreach (json_object_get(doc, "results"), i, r)
		if (!strcmp(text_of(r, "from"), text_of(objective, "from")) &&
		    !strcmp(text_of(r, "to"), text_of(objective, "to")) &&
		    !strcmp(text_of(r, "test"), g->test) && !strcmp(text_of(r, "size"), g->size))
			return r;
	return NULL;
}

/* Why there is no result, if the document knows. */
static const char *why_not(const json_t *doc, const json_t *objective)
{
	const json_t *f;
	size_t i;

	json_array_foreach (json_object_get(doc, "failed"), i, f)
		if (!strcmp(text_of(f, "from"), text_of(objective, "from")) &&
		    !strcmp(text_of(f, "to"), text_of(objective, "to")))
			return text_of(f, "reason");
	return "it was not part of this run";
}

static json_t *judge(const json_t *doc, const json_t *objective, const struct goal *g)
{
	const json_t *r = find_result(doc, objective, g);
	const char *wanted_text = text_of(objective, g->key), *state = "unmeasured";
	uint64_t wanted = 0;
	double measured = 0;
	json_t *j;

	if (unit_parse(g->unit, wanted_text, &wanted))
		return NULL;
	if (r) {
		measured = g->at_most ? number(json_object_get(r, "rtt-us"), g->measure)
				      : number(r, g->measure);
		state = (g->at_most ? measured <= (double)wanted : measured >= (double)wanted)
				? "reached"
				: "missed";
	}
	j = json_pack("{ss ss ss ss ss sI ss}", "name", text_of(objective, "name"), "from",
		      text_of(objective, "from"), "to", text_of(objective, "to"), "what", g->key,
		      "limit", wanted_text, "wanted", (json_int_t)wanted, "state", state);
	if (r)
		json_object_set_new(j, "measured", json_real(measured));
	else
		json_object_set_new(j, "reason", json_string(why_not(doc, objective)));
	return j;
}

json_t *bench_objectives(const json_t *policy, const json_t *doc)
{
	json_t *list = json_array(), *objective;
	size_t i;

	json_array_foreach (json_object_get(policy, "objectives"), i, objective)
		for (size_t k = 0; k < NR_GOALS; k++) {
			json_t *j = *text_of(objective, goals[k].key)
					    ? judge(doc, objective, &goals[k])
					    : NULL;

			if (j)
				json_array_append_new(list, j);
		}
	return list;
}

static void measured_text(const json_t *j, char text[UNIT_TEXT_MAX + 16])
{
	double v = number(j, "measured");

	for (size_t k = 0; k < NR_GOALS; k++) {
		if (strcmp(goals[k].key, text_of(j, "what")) != 0)
			continue;
		if (goals[k].unit == UNIT_DURATION)
			snprintf(text, UNIT_TEXT_MAX + 16, "%.0fus", v);
		else if (goals[k].unit == UNIT_RATE)
			snprintf(text, UNIT_TEXT_MAX + 16, "%.0fMbit", v / 1e6);
		else
			snprintf(text, UNIT_TEXT_MAX + 16, "%.1fkpps", v / 1e3);
	}
}

void bench_print_objectives(const json_t *list, FILE *out)
{
	const json_t *j;
	size_t i;

	json_array_foreach (list, i, j) {
		char measured[UNIT_TEXT_MAX + 16] = "";

		fputs(i ? "" : "\nobjectives\n", out);
		measured_text(j, measured);
		fputs("  ", out);
		cli_print_safe(text_of(j, "name"), out);
		fprintf(out, ": %s %s: %s", text_of(j, "what"), text_of(j, "limit"),
			text_of(j, "state"));
		if (json_object_get(j, "measured")) {
			fprintf(out, ", measured %s", measured);
		} else {
			fputs(": ", out);
			cli_print_safe(text_of(j, "reason"), out);
		}
		fputc('\n', out);
	}
}

/* ---- against another run ---- */

static const struct measure {
	const char *test, *key, *in; /* in: a member that has it; NULL: the result itself */
	bool less_is_better;
} measures[] = {
	{ "stream", "bits-per-s", NULL, false },
	{ "packets", "packets-per-s", NULL, false },
	{ "round-trip", "p50", "rtt-us", true },
	{ "round-trip", "p99", "rtt-us", true },
};

static const json_t *same_row(const json_t *doc, const json_t *result)
{
	char wanted[1024], key[1024];
	const json_t *r;
	size_t i;

	bench_key(result, wanted, sizeof(wanted));
	json_array_foreach (json_object_get(doc, "results"), i, r) {
		bench_key(r, key, sizeof(key));
		if (!strcmp(key, wanted))
			return r;
	}
	return NULL;
}

static double value_of(const json_t *r, const struct measure *m)
{
	return number(m->in ? json_object_get(r, m->in) : r, m->key);
}

static json_t *change(const json_t *before, const json_t *after, const struct measure *m,
		      double threshold)
{
	double was = value_of(before, m), is = value_of(after, m), by, bound;
	const char *verdict = "same";
	char key[1024];

	if (was <= 0 || is <= 0)
		return NULL;
	by = is / was - 1;
	bound = threshold + number(json_object_get(before, "noise"), "spread") +
		number(json_object_get(after, "noise"), "spread");
	if (fabs(by) > bound)
		verdict = (by > 0) == m->less_is_better ? "worse" : "better";
	bench_key(after, key, sizeof(key));
	return json_pack("{ss ss sf sf sf sf ss}", "key", key, "what", m->key, "before", was,
			 "after", is, "change", by, "bound", bound, "verdict", verdict);
}

static void append_only_one(json_t *list, const json_t *result, const char *verdict)
{
	char key[1024];

	bench_key(result, key, sizeof(key));
	json_array_append_new(list, json_pack("{ss ss}", "key", key, "verdict", verdict));
}

json_t *bench_compare(const json_t *before, const json_t *after, double threshold)
{
	json_t *list = json_array(), *r;
	size_t i;

	json_array_foreach (json_object_get(after, "results"), i, r) {
		const json_t *old = same_row(before, r);

		if (!old)
			append_only_one(list, r, "new");
		for (size_t k = 0; old && k < sizeof(measures) / sizeof(measures[0]); k++) {
			json_t *j = strcmp(measures[k].test, text_of(r, "test"))
					    ? NULL
					    : change(old, r, &measures[k], threshold);

			if (j)
				json_array_append_new(list, j);
		}
	}
	json_array_foreach (json_object_get(before, "results"), i, r)
		if (!same_row(after, r))
			append_only_one(list, r, "gone");
	return list;
}

void bench_print_compare(const json_t *list, FILE *out)
{
	const json_t *j;
	size_t i;

	json_array_foreach (list, i, j) {
		fputs(i ? "  " : "\ncompared\n  ", out);
		fprintf(out, "%-6s  ", text_of(j, "verdict"));
		if (json_object_get(j, "change"))
			fprintf(out, "%+7.1f%% (bound %.1f%%)  %s ", 100 * number(j, "change"),
				100 * number(j, "bound"), text_of(j, "what"));
		cli_print_safe(text_of(j, "key"), out);
		fputc('\n', out);
	}
}

unsigned int bench_count(const json_t *list, const char *key, const char *value)
{
	unsigned int n = 0;
	const json_t *j;
	size_t i;

	json_array_foreach (list, i, j)
		n += !strcmp(text_of(j, key), value);
	return n;
}
