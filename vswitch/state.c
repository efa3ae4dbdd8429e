/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The structs of vswitch.h as things that are made, copied, searched and freed. */
#include "vswitch/vswitch.h"

#include <errno.h>
#include <string.h>

#include "vswitch/array.h"

void vs_wanted_init(struct vs_wanted *w)
{
	*w = (struct vs_wanted){ .forwarding4 = -1, .forwarding6 = -1 };
}

void vs_wanted_fini(struct vs_wanted *w)
{
	for (size_t i = 0; i < w->nr_networks; i++) {
		free(w->networks[i].addrs);
		free(w->networks[i].routes);
	}
	free(w->networks);
	free(w->vifs);
	free(w->unmanaged);
	vs_wanted_init(w);
}

struct vs_network *vs_wanted_add_network(struct vs_wanted *w)
{
	return array_add(&w->networks, &w->nr_networks, sizeof(*w->networks));
}

struct vs_vif *vs_wanted_add_vif(struct vs_wanted *w)
{
	return array_add(&w->vifs, &w->nr_vifs, sizeof(*w->vifs));
}

struct vs_addr *vs_network_add_addr(struct vs_network *n)
{
	return array_add(&n->addrs, &n->nr_addrs, sizeof(*n->addrs));
}

struct vs_route *vs_network_add_route(struct vs_network *n)
{
	return array_add(&n->routes, &n->nr_routes, sizeof(*n->routes));
}

void vs_observed_fini(struct vs_observed *o)
{
	free(o->links);
	free(o->addrs);
	free(o->routes);
	*o = (struct vs_observed){ 0 };
}

int vs_observed_copy(struct vs_observed *to, const struct vs_observed *from)
{
	*to = *from;
	to->links = NULL;
	to->addrs = NULL;
	to->routes = NULL;
	if (array_copy(&to->links, from->links, from->nr_links, sizeof(*from->links)) &&
	    array_copy(&to->addrs, from->addrs, from->nr_addrs, sizeof(*from->addrs)) &&
	    array_copy(&to->routes, from->routes, from->nr_routes, sizeof(*from->routes)))
		return 0;
	vs_observed_fini(to);
	return -ENOMEM;
}

const struct vs_link *vs_observed_link(const struct vs_observed *o, const char *name)
{
	for (size_t i = 0; i < o->nr_links; i++)
		if (!strcmp(o->links[i].name, name))
			return &o->links[i];
	return NULL;
}

const struct vs_link *vs_observed_index(const struct vs_observed *o, int ifindex)
{
	for (size_t i = 0; i < o->nr_links; i++)
		if (o->links[i].ifindex == ifindex)
			return &o->links[i];
	return NULL;
}

void vs_record_init(struct vs_record *r)
{
	*r = (struct vs_record){ 0 };
	for (int i = 0; i < VS_SYSCTL_NR; i++)
		r->old_sysctls[i] = -1;
}

void vs_record_fini(struct vs_record *r)
{
	for (size_t i = 0; i < r->nr_networks; i++) {
		free(r->networks[i].moved_addrs);
		free(r->networks[i].moved_routes);
		free(r->networks[i].addrs);
		free(r->networks[i].routes);
	}
	free(r->networks);
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
	free(plan->steps);
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
	step->disruption = disruption;
	memcpy(step->network, network, len);
	rc = vs_model_apply(&plan->model, op);
	return rc == -ENOMEM ? rc : 0;
}

int vs_step_do(struct vs_system *sys, const struct vs_step *step, char *why)
{
	return sys->ops->apply(sys, &step->op, why);
}

int vs_step_undo(struct vs_system *sys, const struct vs_step *step, char *why)
{
	int rc;

	why[0] = '\0';
	if (step->undo.kind == VS_OP_NONE)
		return 0;
	rc = sys->ops->apply(sys, &step->undo, why);
	/* What is gone cannot be put back as it was, nor is it in the way. */
	return rc == -ENODEV ? 0 : rc;
}
