/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/apply_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Steps that one entry of the journal tells of: each costs a flush of the disk. */
#define BATCH_MAX  256
#define FNV_OFFSET 14695981039346656037u
#define FNV_PRIME  1099511628211u

/* Where tests kill us, or have us wait. */
static void fault_point(struct apply *a)
{
	if (++a->points == a->fault_at)
		raise(a->fault_stops ? SIGSTOP : SIGKILL);
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

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
	return (hash ^ 0xff) * FNV_PRIME;
}

/* Steps and their inverses tell of all that matters in what was found. */
static int make_id(const struct apply_wish *wish, json_t *steps, char id[APPLY_ID_LEN])
{
	uint64_t hash = hash_text(FNV_OFFSET, wish->text);
	char *text = steps ? json_dumps(steps, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	if (!text)
		return -ENOMEM;
	snprintf(id, APPLY_ID_LEN, "%016" PRIx64, hash_text(hash, text));
	free(text);
	return 0;
}

/* After it a name may stand for another thing: what follows must not be undone before it was done. */
static bool changes_links(const struct vs_op *op)
{
	switch (op->kind) {
	case VS_OP_BRIDGE_ADD:
	case VS_OP_LINK_DEL:
	case VS_OP_PATCH_ADD:
	case VS_OP_PATCH_DEL:
	case VS_OP_SET_NAME:
		return true;
	case VS_OP_DOC:
		return op->index == VS_DOC_OVS_BRIDGE || op->index == VS_DOC_FAST_NETWORK;
	default:
		return false;
	}
}

/*
 * Undoing what was never done does no harm: so one entry starts many steps. What moves the host's own
 * addresses gets one for itself, or more of them would be moved to and fro than need be.
 */
static bool stands_alone(const struct vs_step *step)
{
	return step->disruption == VS_DISRUPTION_MANAGEMENT || changes_links(&step->op);
}

/* Before step @i and some below it are undone, with all above it undone already. */
static void note_back(struct apply *a, const struct vs_step *steps, size_t nr, size_t i,
		      size_t *run)
{
	bool is_new = i + 1 == nr || stands_alone(&steps[i]) || stands_alone(&steps[i + 1]) ||
		      ++*run >= BATCH_MAX;

	if (!is_new || a->open.journal.fd < 0)
		return;
	*run = 0;
	/* Without it the next start undoes more than need be. */
	journal_append(&a->open.journal, json_pack("{ss si}", "type", "back", "step", (int)i));
	fault_point(a);
}

static int undo_step(struct apply *a, const struct vs_step *steps, size_t i, char *why, size_t size)
{
	char reason[VS_TEXT_LEN], text[VS_OP_TEXT_LEN];
	int rc;

	fault_point(a);
	rc = vs_step_undo(a->sys, &steps[i], reason);
	if (!rc)
		return 0;
	vs_op_text(&steps[i].undo, text);
	log_err("rollback: cannot %s: %s", text, reason);
	if (!why[0])
		snprintf(why, size, "rollback: cannot %s: %s", text, reason);
	if (a->open.journal.fd >= 0)
		journal_append(&a->open.journal,
			       json_pack("{ss si}", "type", "stuck", "step", (int)i));
	return rc;
}

int apply_undo(struct apply *a, const struct vs_step *steps, size_t nr, const bool *todo, char *why,
	       size_t size)
{
	size_t run = 0;
	int rc = 0, r;

	why[0] = '\0';
	for (size_t i = nr; i-- > 0;) {
		if (todo && !todo[i])
			continue;
		note_back(a, steps, nr, i, &run);
		r = undo_step(a, steps, i, why, size);
		rc = rc ? rc : r;
	}
	if (rc && a->open.journal.fd >= 0)
		journal_append(&a->open.journal, json_pack("{ss si}", "type", "back", "step", -1));
	return rc;
}

static void say_no_journal(const struct apply *a, int rc, struct apply_result *result)
{
	snprintf(result->why, sizeof(result->why), "cannot write the journal in %s: %s%s", a->dir,
		 strerror(-rc),
		 rc == -ENOSPC ? "; make room there: no change without a way back" : "");
}

static size_t batch_end(const struct vs_plan *plan, size_t first)
{
	size_t i = first + 1;

	if (stands_alone(&plan->steps[first]))
		return i;
	while (i < plan->nr && i < first + BATCH_MAX && !stands_alone(&plan->steps[i]))
		i++;
	return i;
}

/* Step @i and those that the system does with it at once, @nr in all. */
static int do_some(struct apply *a, const struct vs_plan *plan, size_t i, size_t nr,
		   struct apply_result *result)
{
	char why[VS_TEXT_LEN] = "", text[VS_OP_TEXT_LEN];
	int rc;

	fault_point(a);
	rc = vs_steps_do(a->sys, &plan->steps[i], nr, why);
	fault_point(a);
	if (!rc)
		return 0;
	result->failed_step = i + 1;
	vs_op_text(&plan->steps[i].op, text);
	snprintf(result->why, sizeof(result->why), "cannot %s: %s", text,
		 why[0] ? why : strerror(-rc));
	return rc;
}

/* @done: how many of the first steps may have happened. */
static int do_steps(struct apply *a, const struct vs_plan *plan, struct apply_result *result,
		    size_t *done)
{
	size_t end = 0;
	int rc = 0;

	*done = 0;
	for (size_t i = 0; !rc && i < plan->nr; i = *done) {
		if (i == end) {
			end = batch_end(plan, i);
			rc = journal_append(&a->open.journal,
					    json_pack("{ss si si}", "type", "start", "step", (int)i,
						      "last", (int)end - 1));
			if (rc) {
				say_no_journal(a, rc, result);
				break;
			}
		}
		*done = i + vs_steps_at_once(a->sys, &plan->steps[i], end - i);
		rc = do_some(a, plan, i, *done - i, result);
	}
	return rc;
}

void apply_open_fini(struct apply_open *o)
{
	journal_close(&o->journal);
	vs_steps_free(o->steps, o->nr_steps);
	apply_state_fini(&o->old);
	json_decref(o->state);
	json_decref(o->meta);
	if (o->has_before)
		vs_observed_fini(&o->before);
	*o = (struct apply_open){ .journal.fd = -1 };
}

static int end_rollback(struct apply *a, size_t nr, struct apply_result *result)
{
	struct apply_open *o = &a->open;
	char why[256] = "";
	int rc = apply_undo(a, o->steps, nr, NULL, why, sizeof(why));
	size_t len = strlen(result->why);

	a->is_broken = rc != 0;
	if (!rc) {
		journal_remove(a->dir);
		rc = apply_verify(a, o, why, sizeof(why));
	}
	if (rc)
		snprintf(result->why + len, sizeof(result->why) - len, "%s%s", len ? "; " : "",
			 why[0] ? why : strerror(-rc));
	result->is_rolled_back = !rc;
	return rc ? -ENOTRECOVERABLE : 0;
}

int apply_rollback(struct apply *a, struct apply_result *result)
{
	struct apply_open *o = &a->open;
	int rc = end_rollback(a, o->nr_steps, result);

	apply_state_fini(&a->state);
	a->state = o->old;
	o->old = (struct apply_state){ 0 };
	apply_open_fini(o);
	return rc;
}

static int write_begin(struct apply *a, const struct apply_wish *wish, json_t *steps,
		       struct apply_result *result)
{
	struct apply_open *o = &a->open;
	int rc = journal_create(a->dir, &o->journal);

	fault_point(a);
	if (!rc) {
		rc = journal_append(&o->journal,
				    json_pack("{ss sO sO sO*}", "type", "begin", "steps", steps,
					      "state", o->state, "meta", wish->meta));
		if (rc)
			journal_remove(a->dir);
	}
	fault_point(a);
	if (rc)
		say_no_journal(a, rc, result);
	return rc;
}

/* The plan's steps are the open transaction's from here on. */
static int take_steps(struct apply *a, struct vs_plan *plan)
{
	struct apply_open *o = &a->open;
	struct apply_state new;
	int rc = apply_state_from_json(o->state, &new);

	if (rc)
		return rc;
	o->steps = plan->steps;
	o->nr_steps = plan->nr;
	plan->steps = NULL;
	plan->nr = plan->capacity = 0;
	o->old = a->state;
	a->state = new;
	o->is_open = true;
	return 0;
}

static int transact(struct apply *a, const struct apply_wish *wish, struct vs_plan *plan,
		    json_t *steps, struct apply_result *result)
{
	struct apply_open *o = &a->open;
	size_t done;
	int rc = write_begin(a, wish, steps, result);

	if (rc)
		return rc;
	o->meta = json_incref(wish->meta);
	rc = do_steps(a, plan, result, &done);
	fault_point(a);
	if (!rc) {
		rc = journal_append(&o->journal, json_pack("{ss}", "type", "done"));
		fault_point(a);
		if (rc)
			say_no_journal(a, rc, result);
	}
	if (!rc)
		rc = take_steps(a, plan);
	if (!rc)
		return 0;
	o->steps = plan->steps;
	o->nr_steps = plan->nr;
	rc = end_rollback(a, done, result);
	o->steps = NULL;
	o->nr_steps = 0;
	return rc ? rc : -ECANCELED;
}

/* Also what there is, unless @before is NULL. */
static int make_plan(struct apply *a, const struct apply_wish *wish, struct diags *ds,
		     struct vs_plan *plan, struct apply_result *result, struct apply_open *before)
{
	struct vs_look look = vs_look_for(wish->wanted, &a->state.record);
	struct vs_observed observed;
	int rc;

	*plan = (struct vs_plan){ 0 };
	*result = (struct apply_result){ 0 };
	rc = a->sys->ops->observe(a->sys, &look, &observed, result->why);
	if (rc)
		return rc;
	rc = vs_plan_make(wish->wanted, &observed, &a->state.record, ds, plan);
	if (!rc && before) {
		before->look = look;
		before->before = observed;
		before->has_before = true;
	} else {
		vs_observed_fini(&observed);
	}
	if (rc)
		return rc;
	result->nr_steps = plan->nr;
	result->steps = vs_plan_json(plan);
	return result->steps ? 0 : -ENOMEM;
}

int apply_plan(struct apply *a, const struct apply_wish *wish, struct diags *ds,
	       struct apply_result *result)
{
	struct apply_open before = { 0 };
	struct vs_plan plan;
	json_t *steps = NULL;
	int rc = make_plan(a, wish, ds, &plan, result, &before);

	if (!rc) {
		steps = steps_json(&plan);
		rc = make_id(wish, steps, result->id);
	}
	if (!rc && wish->may)
		rc = wish->may(wish->arg, a, &before.before, &plan, result);
	json_decref(steps);
	if (before.has_before)
		vs_observed_fini(&before.before);
	vs_plan_fini(&plan);
	return rc;
}

/* Whether the state on disk says that already. */
static bool is_saved(const struct apply *a, json_t *state)
{
	json_t *now = apply_state_json(&a->state.record, a->state.file, a->state.text,
				       a->state.serial + 1);
	bool same = now && json_equal(now, state);

	json_decref(now);
	return same;
}

static int may_begin(struct apply *a, struct apply_result *result)
{
	*result = (struct apply_result){ 0 };
	if (a->is_broken)
		snprintf(result->why, sizeof(result->why),
			 "an earlier rollback failed; repair its cause and restart vifrostd");
	else if (a->open.is_open)
		snprintf(result->why, sizeof(result->why), "another change is not confirmed yet");
	return a->is_broken || a->open.is_open ? -EBUSY : 0;
}

static int may_run(struct apply *a, const struct apply_wish *wish, const struct vs_plan *plan,
		   struct apply_result *result)
{
	if (wish->only_id && strcmp(wish->only_id, result->id) != 0) {
		snprintf(result->why, sizeof(result->why),
			 "this would be plan %s: what was planned, or what is there, has changed",
			 result->id);
		return -ESTALE;
	}
	return wish->may ? wish->may(wish->arg, a, &a->open.before, plan, result) : 0;
}

int apply_begin(struct apply *a, const struct apply_wish *wish, struct diags *ds,
		struct apply_result *result)
{
	struct vs_plan plan = { 0 };
	json_t *steps = NULL;
	uint64_t before = a->sys->nr_changes;
	int rc = may_begin(a, result);

	if (rc)
		return rc;
	apply_open_fini(&a->open);
	rc = make_plan(a, wish, ds, &plan, result, &a->open);
	if (!rc) {
		steps = steps_json(&plan);
		a->open.state = apply_state_json(&plan.record, wish->file, wish->text,
						 a->state.serial + 1);
		rc = a->open.state ? make_id(wish, steps, result->id) : -ENOMEM;
	}
	if (!rc)
		rc = may_run(a, wish, &plan, result);
	if (!rc && (plan.nr || !is_saved(a, a->open.state)))
		rc = transact(a, wish, &plan, steps, result);
	if (!a->open.is_open)
		apply_open_fini(&a->open);
	result->nr_changes = a->sys->nr_changes - before;
	json_decref(steps);
	vs_plan_fini(&plan);
	return rc;
}

int apply_note(struct apply *a, json_t *note)
{
	return journal_append(&a->open.journal, json_pack("{ss so}", "type", "note", "note", note));
}

int apply_commit(struct apply *a, struct apply_result *result)
{
	/* The new state file, with this transaction's serial, is what commits it. */
	int rc = apply_state_save(a, a->open.state);

	fault_point(a);
	if (rc) {
		snprintf(result->why, sizeof(result->why), "cannot save the state in %s: %s",
			 a->dir, strerror(-rc));
		return rc;
	}
	apply_open_fini(&a->open);
	rc = journal_remove(a->dir);
	fault_point(a);
	/* A journal that stays is found to be committed by the next start, but is in the way here. */
	if (rc)
		log_err("%s: cannot remove the journal: %s", a->dir, strerror(-rc));
	return 0;
}

int apply_run(struct apply *a, const struct apply_wish *wish, struct diags *ds,
	      struct apply_result *result)
{
	uint64_t before = a->sys->nr_changes;
	int rc = apply_begin(a, wish, ds, result);

	if (rc || !a->open.is_open)
		return rc;
	if (apply_commit(a, result)) {
		rc = apply_rollback(a, result);
		rc = rc ? rc : -ECANCELED;
	}
	result->nr_changes = a->sys->nr_changes - before;
	return rc;
}

void apply_result_fini(struct apply_result *result)
{
	json_decref(result->steps);
	result->steps = NULL;
}

void apply_fini(struct apply *a)
{
	apply_open_fini(&a->open);
	apply_state_fini(&a->state);
}
