/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/apply.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policy/journal.h"

#define STATE_NAME "state.json"

static void state_fini(struct apply_state *s)
{
	vs_record_fini(&s->record);
	free(s->file);
	free(s->text);
	s->file = s->text = NULL;
}

static json_t *state_json(const struct vs_record *record, const char *file, const char *text,
			  json_int_t serial)
{
	json_t *r = vs_record_json(record);

	return r ? json_pack("{si sI so ss* ss*}", "version", 1, "serial", serial, "record", r,
			     "file", file, "text", text)
		 : NULL;
}

static int state_from_json(const json_t *json, struct apply_state *s)
{
	const char *file = json_string_value(json_object_get(json, "file"));
	const char *text = json_string_value(json_object_get(json, "text"));
	int rc;

	*s = (struct apply_state){ .serial = json_integer_value(json_object_get(json, "serial")) };
	rc = vs_record_from_json(json_object_get(json, "record"), &s->record);
	if (rc || !file || !text)
		return rc;
	s->file = strdup(file);
	s->text = strdup(text);
	if (s->file && s->text)
		return 0;
	state_fini(s);
	return -ENOMEM;
}

/* Save and take over. @json: borrowed. */
static int state_commit(struct apply *a, const json_t *json)
{
	struct apply_state s;
	int rc = state_from_json(json, &s);

	if (rc)
		return rc;
	rc = file_replace(a->dir, STATE_NAME, json);
	if (rc) {
		state_fini(&s);
		return rc;
	}
	state_fini(&a->state);
	a->state = s;
	return 0;
}

static int state_load(struct apply *a)
{
	char path[PATH_MAX];
	json_error_t error;
	json_t *json;
	int rc;

	snprintf(path, sizeof(path), "%.4000s/" STATE_NAME, a->dir);
	json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json) {
		vs_record_init(&a->state.record);
		if (json_error_code(&error) == json_error_cannot_open_file)
			return 0;
		log_err("%s:%d: %s; what it said is lost", path, error.line, error.text);
		return 0;
	}
	rc = state_from_json(json, &a->state);
	json_decref(json);
	if (rc == -EINVAL) {
		log_err("%s: not a state of this version; what it said is lost", path);
		rc = 0;
	}
	return rc;
}

/* Where tests kill us. */
static void fault_point(struct apply *a)
{
	if (++a->points == a->fault_at)
		raise(SIGKILL);
}

static json_t *steps_json(const struct vs_plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < plan->nr; i++)
		if (json_array_append_new(list, vs_step_json(&plan->steps[i])) < 0) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

/* Undo steps @nr-1 to 0, all of them whatever fails. Return: the first failure. */
static int undo_steps(struct apply *a, const struct vs_step *steps, size_t nr)
{
	char why[VS_TEXT_LEN], text[VS_OP_TEXT_LEN];
	int rc = 0, r;

	while (nr-- > 0) {
		r = vs_step_undo(a->sys, &steps[nr], why);
		if (!r)
			continue;
		vs_op_text(&steps[nr].undo, text);
		log_err("rollback: cannot %s: %s", text, why);
		if (!rc)
			rc = r;
	}
	return rc;
}

static int do_steps(struct apply *a, struct journal *j, const struct vs_plan *plan,
		    struct apply_result *result)
{
	char why[VS_TEXT_LEN], text[VS_OP_TEXT_LEN];
	int rc = 0;

	for (size_t i = 0; !rc && i < plan->nr; i++) {
		why[0] = '\0';
		rc = journal_append(j, json_pack("{ss si}", "type", "start", "step", (int)i));
		fault_point(a);
		if (!rc)
			rc = vs_step_do(a->sys, &plan->steps[i], why);
		fault_point(a);
		if (!rc)
			continue;
		result->failed_step = i + 1;
		vs_op_text(&plan->steps[i].op, text);
		snprintf(result->why, sizeof(result->why), "cannot %s: %s", text,
			 why[0] ? why : strerror(-rc));
	}
	return rc;
}

static int roll_back(struct apply *a, const struct vs_plan *plan, struct apply_result *result)
{
	int rc = undo_steps(a, plan->steps, result->failed_step ? result->failed_step : plan->nr);

	a->is_broken = rc != 0;
	if (rc)
		return -ENOTRECOVERABLE;
	result->is_rolled_back = true;
	journal_remove(a->dir);
	return -ECANCELED;
}

/* @state: borrowed. */
static int transact(struct apply *a, const struct vs_plan *plan, json_t *state,
		    struct apply_result *result)
{
	struct journal j = { .fd = -1 };
	int rc = journal_create(a->dir, &j);

	fault_point(a);
	if (!rc)
		rc = journal_append(&j, json_pack("{ss so sO}", "type", "begin", "steps",
						  steps_json(plan), "state", state));
	fault_point(a);
	if (rc) {
		snprintf(result->why, sizeof(result->why), "cannot write the journal in %s: %s",
			 a->dir, strerror(-rc));
		journal_close(&j);
		if (rc != -EEXIST)
			journal_remove(a->dir);
		return rc;
	}
	rc = do_steps(a, &j, plan, result);
	fault_point(a);
	/* The new state file, with this transaction's serial, is what commits it. */
	if (!rc)
		rc = state_commit(a, state);
	fault_point(a);
	journal_close(&j);
	if (!rc)
		return journal_remove(a->dir);
	if (!result->why[0])
		snprintf(result->why, sizeof(result->why), "cannot save the state in %s: %s",
			 a->dir, strerror(-rc));
	return roll_back(a, plan, result);
}

static int make_plan(struct apply *a, const struct vs_wanted *wanted, struct diags *ds,
		     struct vs_plan *plan, struct apply_result *result)
{
	struct vs_look look = vs_look_for(wanted, &a->state.record);
	struct vs_observed observed;
	int rc;

	*plan = (struct vs_plan){ 0 };
	*result = (struct apply_result){ 0 };
	rc = a->sys->ops->observe(a->sys, &look, &observed, result->why);
	if (rc)
		return rc;
	rc = vs_plan_make(wanted, &observed, &a->state.record, ds, plan);
	vs_observed_fini(&observed);
	if (rc)
		return rc;
	result->nr_steps = plan->nr;
	result->steps = vs_plan_json(plan);
	return result->steps ? 0 : -ENOMEM;
}

int apply_plan(struct apply *a, const struct vs_wanted *wanted, struct diags *ds,
	       struct apply_result *result)
{
	struct vs_plan plan;
	int rc = make_plan(a, wanted, ds, &plan, result);

	vs_plan_fini(&plan);
	return rc;
}

/* Whether the state on disk says that already. */
static bool is_saved(const struct apply *a, const json_t *state)
{
	json_t *now = state_json(&a->state.record, a->state.file, a->state.text,
				 a->state.serial + 1);
	bool same = now && json_equal(now, (json_t *)(uintptr_t)state);

	json_decref(now);
	return same;
}

int apply_run(struct apply *a, const struct vs_wanted *wanted, const char *file, const char *text,
	      struct diags *ds, struct apply_result *result)
{
	struct vs_plan plan = { 0 };
	json_t *state = NULL;
	uint64_t before = a->sys->nr_changes;
	int rc;

	if (a->is_broken) {
		*result = (struct apply_result){ 0 };
		snprintf(result->why, sizeof(result->why),
			 "an earlier rollback failed; repair its cause and restart vifrostd");
		return -EBUSY;
	}
	rc = make_plan(a, wanted, ds, &plan, result);
	if (!rc) {
		state = state_json(&plan.record, file, text, a->state.serial + 1);
		rc = state ? 0 : -ENOMEM;
	}
	if (rc)
		goto out;
	if (plan.nr)
		rc = transact(a, &plan, state, result);
	else if (!is_saved(a, state))
		rc = state_commit(a, state);
	result->nr_changes = a->sys->nr_changes - before;
out:
	json_decref(state);
	vs_plan_fini(&plan);
	return rc;
}

void apply_result_fini(struct apply_result *result)
{
	json_decref(result->steps);
	result->steps = NULL;
}

/* The plan as the journal's first entry has it. */
static int steps_from_json(const json_t *list, struct vs_step **steps_out, size_t *nr_out)
{
	size_t nr = json_array_size(list);
	struct vs_step *steps = calloc(nr + 1, sizeof(*steps));
	int rc = steps ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < nr; i++)
		rc = vs_step_from_json(json_array_get(list, i), &steps[i]);
	if (rc) {
		vs_steps_free(steps, steps ? nr : 0);
		return rc;
	}
	*steps_out = steps;
	*nr_out = nr;
	return 0;
}

static const char *type_of(const json_t *entry)
{
	const char *type = json_string_value(json_object_get(entry, "type"));

	return type ? type : "";
}

/* Steps that were begun: the last "start" and all before it. */
static size_t count_started(const json_t *entries, size_t nr_steps)
{
	size_t started = 0;
	json_int_t k;

	for (size_t i = 1; i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i);

		k = json_integer_value(json_object_get(entry, "step"));
		if (!strcmp(type_of(entry), "start") && k >= 0 && (size_t)k < nr_steps)
			started = (size_t)k + 1;
	}
	return started;
}

static int recover_steps(struct apply *a, const json_t *entries, const json_t *begin)
{
	struct vs_step *steps;
	size_t nr, started;
	int rc = steps_from_json(json_object_get(begin, "steps"), &steps, &nr);

	if (rc)
		return rc;
	started = count_started(entries, nr);
	log_warning("undoing %zu of %zu steps of an apply that was cut short", started, nr);
	rc = undo_steps(a, steps, started);
	vs_steps_free(steps, nr);
	a->is_broken = rc != 0;
	return rc ? -ENOTRECOVERABLE : 0;
}

int apply_recover(struct apply *a)
{
	json_t *entries = NULL, *begin;
	json_int_t serial;
	bool torn;
	int rc = state_load(a);

	if (!rc)
		rc = journal_read(a->dir, &entries, &torn);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	if (torn)
		log_warning("%s: the journal ends in the middle of an entry", a->dir);
	begin = json_array_get(entries, 0);
	serial = json_integer_value(json_object_get(json_object_get(begin, "state"), "serial"));
	/*
	 * The first entry is on disk before the first step: without it nothing was done. And with
	 * its state saved, all was.
	 */
	if (!strcmp(type_of(begin), "begin") && serial != a->state.serial)
		rc = recover_steps(a, entries, begin);
	json_decref(entries);
	return rc ? rc : journal_remove(a->dir);
}

void apply_fini(struct apply *a)
{
	state_fini(&a->state);
}
