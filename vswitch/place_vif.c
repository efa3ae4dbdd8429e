/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One vif, without an apply: looked at by few questions, whatever else the host has, planned as ever, and done.
 * So an attach costs the same beside ten guests and beside a thousand.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "vswitch/array.h"
#include "vswitch/fastnet.h"
#include "vswitch/l3_priv.h"
#include "vswitch/ovs.h"

static int look_at(struct vs_system *sys, const char *name, struct vs_observed *model)
{
	struct vs_link *link = array_add(&model->links, &model->nr_links, sizeof(*link));
	int rc = link ? sys->ops->link(sys, name, link) : -ENOMEM;

	if (rc && link)
		model->nr_links--;
	return rc;
}

/* The vif's documents as they are. */
static int look_at_docs(struct vs_system *sys, unsigned int docs, const char *link,
			struct vs_observed *model, char *why)
{
	char name[VS_TEXT_LEN];
	json_t *doc;
	int rc = 0;

	for (int i = 0; !rc && i < VS_DOC_NR; i++) {
		enum vs_doc_kind kind = (enum vs_doc_kind)i;

		if (!(docs & VS_DOC_BIT(kind)) || !vs_doc_of_vif(kind, link, name))
			continue;
		/* Of bridges' ports only. */
		if ((kind == VS_DOC_FDB || kind == VS_DOC_VLANS) && !model->links[0].master)
			continue;
		rc = sys->ops->doc(sys, kind, name, &doc, why);
		if (rc)
			break;
		rc = vs_observed_set_doc(model, kind, name, doc);
		json_decref(doc);
	}
	return rc;
}

/* Of a vif on @n. */
static unsigned int docs_of(const struct vs_network *n)
{
	unsigned int docs = n->mode->docs | VS_DOC_BIT(VS_DOC_NFT) | VS_DOC_BIT(VS_DOC_RATE);

	return n->vlan_filtering ? docs : docs & ~VS_DOC_BIT(VS_DOC_VLANS);
}

/* Guests are answered for on links that only the kernel's routes tell. */
static bool has_unknown_egress(const struct vs_network *n)
{
	return n && l3_has_proxies(n) && !n->egress.network[0] && !n->egress.is_known;
}

static int look_at_egress(struct vs_system *sys, const struct vs_network *n,
			  struct vs_observed *model)
{
	const char *names[2] = { n->egress.links[0], n->egress.links[1] };
	int rc = 0;

	if (n->egress.network[0]) {
		names[0] = n->egress.network;
		names[1] = "";
	}
	for (int i = 0; !rc && i < 2; i++) {
		if (!names[i][0] || vs_observed_link(model, names[i]))
			continue;
		rc = look_at(sys, names[i], model);
		if (rc == -ENODEV)
			rc = 0;
	}
	return rc;
}

/* What else than its link matters for the vif, which is the first in the model. */
static int look_around(struct vs_system *sys, const struct vs_network *n, struct vs_observed *model,
		       char *why)
{
	const struct vs_look look = { .neighs = true };
	struct vs_link *link = &model->links[0];
	/* Addresses, routes and neighbours on it; one that is new and down has none. */
	bool has_more = l3_is_routed(link) || (n && n->is_per_guest && link->is_up);
	int rc = 0;

	if ((has_more && !sys->ops->on_link) || has_unknown_egress(n)) {
		vs_observed_fini(model);
		return sys->ops->observe(sys, &look, model, why);
	}
	if (n && n->is_per_guest && sys->ops->delays)
		sys->ops->delays(sys, link);
	if (has_more)
		rc = sys->ops->on_link(sys, link->ifindex, model, why);
	if (rc || !n)
		return rc;
	rc = look_at(sys, n->name, model);
	if (rc)
		return rc == -ENODEV ? -ENONET : rc;
	return l3_has_proxies(n) ? look_at_egress(sys, n, model) : 0;
}

int vs_find_egress(struct vs_system *sys, struct vs_wanted *wanted, char *why)
{
	static const int families[2] = { AF_INET, AF_INET6 };
	const struct vs_look look = { .drivers = false };
	struct vs_observed o = { 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < wanted->nr_networks; i++) {
		struct vs_network *n = &wanted->networks[i];

		if (!has_unknown_egress(n))
			continue;
		if (!o.nr_links)
			rc = sys->ops->observe(sys, &look, &o, why);
		for (int f = 0; !rc && f < 2; f++) {
			const struct vs_link *link = l3_egress(&o, n, families[f]);

			snprintf(n->egress.links[f], IFNAMSIZ, "%s", link ? link->name : "");
		}
		n->egress.is_known = !rc;
	}
	vs_observed_fini(&o);
	return rc;
}

void vs_forget_egress(struct vs_wanted *wanted)
{
	for (size_t i = 0; i < wanted->nr_networks; i++)
		wanted->networks[i].egress.is_known = false;
}

/* Of one that needs no link; what it has one for is over, if there is one. */
static int look_at_port(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
			struct vs_observed *model, char *why)
{
	const struct vs_look look = { .neighs = true };
	char name[IFNAMSIZ];
	json_t *doc;
	int rc = 0;

	if (has_unknown_egress(n)) {
		rc = sys->ops->observe(sys, &look, model, why);
	} else {
		rc = look_at(sys, n->name, model);
		if (!rc)
			rc = look_at(sys, vif->name, model);
		if (rc == -ENODEV)
			rc = model->nr_links ? 0 : -ENONET;
		if (!rc && l3_has_proxies(n))
			rc = look_at_egress(sys, n, model);
	}
	if (rc)
		return rc;
	fastnet_port_name(vif, name);
	rc = sys->ops->doc(sys, VS_DOC_FAST_PORT, name, &doc, why);
	if (rc)
		return rc;
	rc = vs_observed_set_doc(model, VS_DOC_FAST_PORT, name, doc);
	json_decref(doc);
	return rc;
}

static int place_port(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
		      char *why)
{
	struct vs_plan plan = { 0 };
	int rc;

	why[0] = '\0';
	rc = look_at_port(sys, n, vif, &plan.model, why);
	if (rc && !why[0])
		snprintf(why, VS_TEXT_LEN, "%s", strerror(-rc));
	if (!rc)
		rc = vs_plan_vif(n, vif, &plan);
	for (size_t i = 0; !rc && i < plan.nr; i++)
		rc = vs_step_do(sys, &plan.steps[i], why);
	vs_plan_fini(&plan);
	return rc;
}

int vs_place_vif(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
		 char *why)
{
	struct vs_plan plan = { 0 };
	int rc;

	if (vs_is_fast(n))
		return place_port(sys, n, vif, why);
	if (ovs_is_dpdk(n))
		return ovs_place_port(sys, n, vif, why);
	rc = look_at(sys, vif->name, &plan.model);
	snprintf(why, VS_TEXT_LEN, "%s", rc ? strerror(-rc) : "");
	if (!rc)
		rc = look_around(sys, n, &plan.model, why);
	if (!rc)
		rc = look_at_docs(sys, n ? docs_of(n) : plan_docs_of_vifs(), vif->name, &plan.model,
				  why);
	if (!rc)
		rc = vs_plan_vif(n, vif, &plan);
	for (size_t i = 0; !rc && i < plan.nr; i++)
		rc = vs_step_do(sys, &plan.steps[i], why);
	vs_plan_fini(&plan);
	return rc;
}

static int forget_doc(struct vs_system *sys, enum vs_doc_kind kind, const char *link, char *why)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = kind };
	json_t *doc = NULL;
	int rc;

	if (!vs_doc_of_vif(kind, link, op.text))
		return 0;
	rc = sys->ops->doc(sys, kind, op.text, &doc, why);
	if (!rc && doc)
		rc = sys->ops->apply(sys, &op, why);
	json_decref(doc);
	return rc;
}

int vs_forget_link(struct vs_system *sys, const char *name, char *why)
{
	int rc = forget_doc(sys, VS_DOC_OVS_PORT, name, why);

	return rc ? rc : forget_doc(sys, VS_DOC_NFT, name, why);
}

int vs_rename_link(struct vs_system *sys, const char *name, const char *new_name, char *why)
{
	struct vs_op down = { .kind = VS_OP_SET_UP }, op = { .kind = VS_OP_SET_NAME };
	struct vs_link link;
	int rc = sys->ops->link(sys, name, &link);

	snprintf(why, VS_TEXT_LEN, "%s", rc ? strerror(-rc) : "");
	if (rc)
		return rc;
	snprintf(down.link, sizeof(down.link), "%s", name);
	snprintf(op.link, sizeof(op.link), "%s", name);
	snprintf(op.text, sizeof(op.text), "%s", new_name);
	rc = sys->ops->apply(sys, &op, why);
	/* Linux renames a link that is up from 6.2 on only. */
	if (rc != -EBUSY)
		return rc;
	rc = sys->ops->apply(sys, &down, why);
	return rc ? rc : sys->ops->apply(sys, &op, why);
}
