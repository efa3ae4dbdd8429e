/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The structs of vswitch.h as things that are made, copied, searched and freed. */
#include "vswitch/vswitch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/array.h"
#include "vswitch/index.h"

void vs_observed_fini(struct vs_observed *o)
{
	free(o->links);
	free(o->addrs);
	free(o->routes);
	free(o->neighs);
	for (size_t i = 0; i < o->nr_docs; i++)
		json_decref(o->docs[i].doc);
	free(o->docs);
	vs_index_free(o->index);
	*o = (struct vs_observed){ 0 };
}

int vs_observed_copy(struct vs_observed *to, const struct vs_observed *from)
{
	*to = *from;
	to->links = NULL;
	to->addrs = NULL;
	to->routes = NULL;
	to->neighs = NULL;
	to->docs = NULL;
	to->nr_docs = 0;
	to->index = NULL;
	if (array_copy(&to->links, from->links, from->nr_links, sizeof(*from->links)) &&
	    array_copy(&to->addrs, from->addrs, from->nr_addrs, sizeof(*from->addrs)) &&
	    array_copy(&to->routes, from->routes, from->nr_routes, sizeof(*from->routes)) &&
	    array_copy(&to->neighs, from->neighs, from->nr_neighs, sizeof(*from->neighs)) &&
	    array_copy(&to->docs, from->docs, from->nr_docs, sizeof(*from->docs))) {
		for (; to->nr_docs < from->nr_docs; to->nr_docs++)
			json_incref(to->docs[to->nr_docs].doc);
		return 0;
	}
	vs_observed_fini(to);
	return -ENOMEM;
}

const struct vs_link *vs_observed_link(const struct vs_observed *o, const char *name)
{
	struct index_key key = { .of = INDEX_LINK_NAME, .text = name };
	size_t i = vs_index_find(o, &key);

	return i == INDEX_NONE ? NULL : &o->links[i];
}

const struct vs_link *vs_observed_index(const struct vs_observed *o, int ifindex)
{
	struct index_key key = { .of = INDEX_LINK_NUMBER, .number = ifindex };
	size_t i = vs_index_find(o, &key);

	return i == INDEX_NONE ? NULL : &o->links[i];
}

static struct vs_doc *find_doc(const struct vs_observed *o, enum vs_doc_kind kind, const char *name)
{
	struct index_key key = { .of = INDEX_DOC, .number = (int)kind, .text = name };
	size_t i = vs_index_find(o, &key);

	return i == INDEX_NONE ? NULL : &o->docs[i];
}

json_t *vs_observed_doc(const struct vs_observed *o, enum vs_doc_kind kind, const char *name)
{
	const struct vs_doc *d = find_doc(o, kind, name);

	return d ? d->doc : NULL;
}

int vs_observed_set_doc(struct vs_observed *o, enum vs_doc_kind kind, const char *name, json_t *doc)
{
	struct vs_doc *d = find_doc(o, kind, name);

	if (!doc && d) {
		json_decref(d->doc);
		vs_index_remove(o, INDEX_DOC, (size_t)(d - o->docs));
		array_remove(o->docs, &o->nr_docs, sizeof(*d), (size_t)(d - o->docs));
	}
	if (!doc)
		return 0;
	if (d) {
		json_decref(d->doc);
	} else {
		d = array_add(&o->docs, &o->nr_docs, sizeof(*d));
		if (!d)
			return -ENOMEM;
		d->kind = kind;
		snprintf(d->name, sizeof(d->name), "%s", name);
	}
	d->doc = json_incref(doc);
	return 0;
}

void vs_step_fini(struct vs_step *step)
{
	json_decref(step->op.doc);
	json_decref(step->undo.doc);
	step->op.doc = step->undo.doc = NULL;
}

void vs_steps_free(struct vs_step *steps, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		vs_step_fini(&steps[i]);
	free(steps);
}

void vs_record_init(struct vs_record *r)
{
	*r = (struct vs_record){ 0 };
	for (int i = 0; i < VS_SYSCTL_NR; i++)
		r->old_sysctls[i] = -1;
}

void vs_record_drop_last(struct vs_record *r)
{
	struct vs_record_network *last = &r->networks[--r->nr_networks];

	free(last->moved_addrs);
	free(last->moved_routes);
	free(last->addrs);
	free(last->routes);
}

static void uplinks_fini(struct vs_record *r)
{
	for (size_t i = 0; i < r->nr_uplinks; i++) {
		free(r->uplinks[i].moved_addrs);
		free(r->uplinks[i].moved_routes);
		free(r->uplinks[i].addrs);
		free(r->uplinks[i].routes);
	}
	free(r->uplinks);
}

void vs_record_fini(struct vs_record *r)
{
	uplinks_fini(r);
	while (r->nr_networks)
		vs_record_drop_last(r);
	free(r->networks);
	free(r->switches);
	vs_record_init(r);
}

struct vs_record_network *vs_record_add(struct vs_record *r)
{
	return array_add(&r->networks, &r->nr_networks, sizeof(*r->networks));
}

const struct vs_record_network *vs_record_find(const struct vs_record *r, const char *name)
{
	for (size_t i = 0; i < r->nr_networks; i++)
		if (!strcmp(r->networks[i].name, name))
			return &r->networks[i];
	return NULL;
}

void vs_plan_fini(struct vs_plan *plan)
{
	vs_steps_free(plan->steps, plan->nr);
	vs_record_fini(&plan->record);
	vs_observed_fini(&plan->model);
	*plan = (struct vs_plan){ 0 };
}

int vs_plan_add(struct vs_plan *plan, const char *network, enum vs_disruption disruption,
		const struct vs_op *op, const struct vs_op *undo)
{
	struct vs_step *step = array_add(&plan->steps, &plan->nr, sizeof(*step));
	size_t len = strnlen(network, sizeof(step->network) - 1);
	int rc;

	if (!step)
		return -ENOMEM;
	step->op = *op;
	step->undo = *undo;
	json_incref(step->op.doc);
	json_incref(step->undo.doc);
	step->disruption = disruption;
	memcpy(step->network, network, len);
	rc = vs_model_apply(&plan->model, op);
	return rc == -ENOMEM ? rc : 0;
}

int vs_step_do(struct vs_system *sys, const struct vs_step *step, char *why)
{
	return sys->ops->apply(sys, &step->op, why);
}

static bool is_named(const struct vs_step *steps, size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(steps[i].op.text, name))
			return true;
	return false;
}

size_t vs_steps_at_once(const struct vs_system *sys, const struct vs_step *steps, size_t nr)
{
	size_t n = 1;

	if (!sys->ops->apply_many || !vs_op_gathers(&steps[0].op))
		return 1;
	while (n < nr && steps[n].op.kind == steps[0].op.kind &&
	       steps[n].op.index == steps[0].op.index && !is_named(steps, n, steps[n].op.text))
		n++;
	return n;
}

int vs_steps_do(struct vs_system *sys, const struct vs_step *steps, size_t nr, char *why)
{
	const struct vs_op **ops;
	int rc;

	if (nr == 1)
		return vs_step_do(sys, steps, why);
	ops = calloc(nr, sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		ops[i] = &steps[i].op;
	rc = sys->ops->apply_many(sys, ops, nr, why);
	free(ops);
	return rc;
}

int vs_step_undo(struct vs_system *sys, const struct vs_step *step, char *why)
{
	int rc;

	why[0] = '\0';
	if (step->undo.kind == VS_OP_NONE)
		return 0;
	rc = sys->ops->apply(sys, &step->undo, why);
	/* What bears the name is not what the step has made: that is gone already. */
	if (rc == -EPERM &&
	    (step->undo.kind == VS_OP_LINK_DEL || step->undo.kind == VS_OP_PATCH_DEL))
		rc = 0;
	/* So it is where it is no bridge any more: the step was undone before. */
	if (rc == -EOPNOTSUPP && step->undo.kind == VS_OP_SET_BRIDGE)
		rc = 0;
	/* What is gone cannot be put back as it was, nor is it in the way. */
	return rc == -ENODEV ? 0 : rc;
}
