/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/apply_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

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

static bool has_entry(const json_t *entries, const char *type)
{
	for (size_t i = 0; i < json_array_size(entries); i++)
		if (!strcmp(type_of(json_array_get(entries, i)), type))
			return true;
	return false;
}

/* Steps that may have been begun: the last "start" and all before it. */
static size_t count_started(const json_t *entries, size_t nr_steps)
{
	size_t started = 0;

	for (size_t i = 1; i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i);
		const json_t *last = json_object_get(entry, "last");
		json_int_t k = json_integer_value(last ? last : json_object_get(entry, "step"));

		if (!strcmp(type_of(entry), "start") && k >= 0 && (size_t)k < nr_steps)
			started = (size_t)k + 1;
	}
	return started;
}

/*
 * Which steps are still to be undone: all that may have begun; where that was under way already, those below
 * the last "back", and those that were stuck. Return: NULL: out of memory.
 */
static bool *list_todo(const json_t *entries, size_t nr_steps, size_t *nr)
{
	bool *todo = calloc(nr_steps + 1, sizeof(*todo));
	size_t left = count_started(entries, nr_steps);

	for (size_t i = 1; todo && i < json_array_size(entries); i++) {
		const json_t *entry = json_array_get(entries, i);
		json_int_t k = json_integer_value(json_object_get(entry, "step"));

		if (!strcmp(type_of(entry), "back") && k >= -1 && k < (json_int_t)left)
			left = (size_t)(k + 1);
		else if (!strcmp(type_of(entry), "stuck") && k >= 0 && (size_t)k < nr_steps)
			todo[k] = true;
	}
	for (size_t i = 0; todo && i < left; i++)
		todo[i] = true;
	*nr = 0;
	for (size_t i = 0; todo && i < nr_steps; i++)
		*nr += todo[i];
	return todo;
}

/* Whether what bears the name now is not what steps @i to @nr - 1 give that name to, but who had it before. */
static bool has_name_back(struct apply *a, const struct vs_step *steps, size_t nr, size_t i)
{
	const char *name = steps[i].undo.text;
	struct vs_link link;
	bool is_bridge, by_ovs;

	if (steps[i].undo.kind != VS_OP_SET_NAME || a->sys->ops->link(a->sys, name, &link))
		return false;
	is_bridge = !strcmp(link.kind, "bridge");
	for (size_t k = i + 1; k < nr; k++) {
		const struct vs_op *op = &steps[k].op;

		by_ovs = op->kind == VS_OP_DOC && op->index == VS_DOC_OVS_BRIDGE && op->doc &&
			 !strcmp(op->text, name);
		if (by_ovs || (op->kind == VS_OP_BRIDGE_ADD && !strcmp(op->link, name)))
			return is_bridge == by_ovs;
	}
	return false;
}

/*
 * Where a device has its name back, all that stood under that name meanwhile is gone: what was undone before, but
 * not known to be, would now be done to the wrong one.
 */
static void skip_what_renaming_ended(struct apply *a, const struct vs_step *steps, size_t nr,
				     bool *todo, size_t *nr_todo)
{
	size_t i = 0;

	while (i < nr && !(todo[i] && has_name_back(a, steps, nr, i)))
		i++;
	for (; i < nr; i++) {
		*nr_todo -= todo[i];
		todo[i] = false;
	}
}

/* @torn: what is appended would not be believed. */
static int undo_entries(struct apply *a, const json_t *entries, const json_t *begin, bool torn)
{
	struct vs_step *steps;
	size_t nr, nr_todo;
	bool *todo;
	char why[256];
	int rc = steps_from_json(json_object_get(begin, "steps"), &steps, &nr);

	if (rc)
		return rc;
	todo = list_todo(entries, nr, &nr_todo);
	rc = todo ? 0 : -ENOMEM;
	if (!rc) {
		skip_what_renaming_ended(a, steps, nr, todo, &nr_todo);
		log_warning("undoing %zu of %zu steps of an apply that was %s", nr_todo, nr,
			    has_entry(entries, "done") ? "not confirmed" : "cut short");
		if (!torn)
			journal_open(a->dir, &a->open.journal);
		rc = apply_undo(a, steps, nr, todo, why, sizeof(why)) ? -ENOTRECOVERABLE : 0;
		journal_close(&a->open.journal);
	}
	free(todo);
	vs_steps_free(steps, nr);
	a->is_broken = rc != 0;
	return rc;
}

static json_t *notes_of(const json_t *entries)
{
	json_t *notes = json_array();

	for (size_t i = 0; notes && i < json_array_size(entries); i++)
		if (!strcmp(type_of(json_array_get(entries, i)), "note"))
			json_array_append(notes,
					  json_object_get(json_array_get(entries, i), "note"));
	return notes;
}

/* Return: 0 with a->open; -EINVAL: it is not to be kept. */
static int open_again(struct apply *a, const json_t *entries, const json_t *begin,
		      bool (*keep)(void *arg, const json_t *meta, const json_t *notes), void *arg)
{
	struct apply_open *o = &a->open;
	json_t *meta = json_object_get(begin, "meta"), *notes = notes_of(entries);
	struct apply_state new;
	bool kept = keep && has_entry(entries, "done") && keep(arg, meta, notes);
	int rc;

	json_decref(notes);
	if (!kept)
		return -EINVAL;
	rc = apply_state_from_json(json_object_get(begin, "state"), &new);
	if (rc)
		return -EINVAL;
	rc = journal_open(a->dir, &o->journal);
	if (!rc)
		rc = steps_from_json(json_object_get(begin, "steps"), &o->steps, &o->nr_steps);
	if (rc) {
		apply_state_fini(&new);
		apply_open_fini(o);
		return -EINVAL;
	}
	o->state = json_incref(json_object_get(begin, "state"));
	o->meta = json_incref(meta);
	o->old = a->state;
	a->state = new;
	o->is_open = true;
	return 0;
}

int apply_resume(struct apply *a, bool (*keep)(void *arg, const json_t *meta, const json_t *notes),
		 void *arg)
{
	json_t *entries = NULL, *begin;
	json_int_t serial;
	bool torn;
	int rc;

	a->open.journal.fd = -1;
	rc = apply_state_load(a);
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
	if (!strcmp(type_of(begin), "begin") && serial != a->state.serial) {
		if (!torn && !open_again(a, entries, begin, keep, arg)) {
			json_decref(entries);
			return 0;
		}
		rc = undo_entries(a, entries, begin, torn);
	}
	json_decref(entries);
	return rc ? rc : journal_remove(a->dir);
}

int apply_recover(struct apply *a)
{
	return apply_resume(a, NULL, NULL);
}
