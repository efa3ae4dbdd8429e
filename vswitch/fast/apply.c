/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Documents take effect together: first all are read and what they need is made, which may fail, then
 * they are written to the file, then switched over to, which may not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "vswitch/fast/fast_priv.h"

/* @docs with @change made to them. NULL: out of memory. */
static json_t *changed(const json_t *docs, const json_t *change)
{
	json_t *all = json_copy((json_t *)(uintptr_t)docs), *doc;
	const char *name;
	int rc = all ? 0 : -1;

	json_object_foreach ((json_t *)(uintptr_t)change, name, doc) {
		if (rc)
			break;
		if (json_is_null(doc))
			json_object_del(all, name);
		else
			rc = json_object_set_new(all, name, json_deep_copy(doc));
	}
	if (!rc)
		return all;
	json_decref(all);
	return NULL;
}

static int check_change(const json_t *change, char *why)
{
	const char *key;
	json_t *docs;

	json_object_foreach ((json_t *)(uintptr_t)change, key, docs) {
		if ((strcmp(key, "networks") != 0 && strcmp(key, "ports") != 0) ||
		    !json_is_object(docs)) {
			snprintf(why, FAST_TEXT_MAX,
				 "\"%.40s\": {\"networks\": {NAME: document or null}, \"ports\": "
				 "{VIF: document or null}} is wanted",
				 key);
			return -EINVAL;
		}
	}
	return 0;
}

/* What one fast_apply() does. */
struct apply {
	struct fast *f;
	json_t *networks, *ports, *waiting; /* as they are to be */
	struct fast_net_change *nets;
	size_t nr_nets;
	struct port_change {
		const char *name;
		struct fast_vif *vif;
		bool has_doc;
		struct fast_port_doc doc;
		struct fast_gate *gate;
	} * vifs;
	size_t nr_vifs;
	char *why;
};

static bool is_new_doc(const json_t *docs, const char *name, const json_t *doc)
{
	return !json_is_null(doc) && !json_equal(json_object_get(docs, name), doc);
}

static int prepare_networks(struct apply *a, const json_t *change)
{
	const char *name;
	json_t *doc;
	int rc = 0;

	a->nets = calloc(json_object_size(change) + 1, sizeof(a->nets[0]));
	if (!a->nets)
		return -ENOMEM;
	json_object_foreach ((json_t *)(uintptr_t)change, name, doc) {
		if (!is_new_doc(a->f->networks, name, doc))
			continue;
		rc = fast_net_prepare(a->f, name, json_object_get(a->networks, name),
				      &a->nets[a->nr_nets++], a->why);
		if (rc)
			break;
	}
	return rc;
}

static int prepare_port(struct apply *a, const char *name, const json_t *doc)
{
	struct port_change *c = &a->vifs[a->nr_vifs];
	char text[FAST_WHY_MAX] = "";
	int rc;

	*c = (struct port_change){ .name = name, .has_doc = !json_is_null(doc) };
	if (c->has_doc) {
		rc = fast_port_read(name, json_object_get(a->ports, name), &c->doc, a->why);
		if (!rc) {
			rc = fast_gate_create(c->doc.guard, &c->gate, text);
			if (rc)
				snprintf(a->why, FAST_TEXT_MAX, "port %.40s: %.340s", name, text);
		}
		if (rc)
			return rc;
	}
	/* The gate is a's from here on. */
	a->nr_vifs++;
	rc = fast_vif_get(a->f, name, &c->vif);
	if (rc)
		snprintf(a->why, FAST_TEXT_MAX, "port %.40s: out of memory", name);
	return rc;
}

static int prepare_ports(struct apply *a, const json_t *change)
{
	const char *name;
	json_t *doc;
	int rc = 0;

	a->vifs = calloc(json_object_size(change) + 1, sizeof(a->vifs[0]));
	if (!a->vifs)
		return -ENOMEM;
	json_object_foreach ((json_t *)(uintptr_t)change, name, doc) {
		if (json_is_null(doc) ? !json_object_get(a->f->ports, name)
				      : !is_new_doc(a->f->ports, name, doc))
			continue;
		rc = prepare_port(a, name, doc);
		if (rc)
			break;
	}
	return rc;
}

/* Each port has its network. */
static int check_ports(struct apply *a)
{
	const char *name;
	json_t *doc;

	json_object_foreach (a->ports, name, doc) {
		const char *network = json_string_value(json_object_get(doc, "network"));

		if (network && json_object_get(a->networks, network))
			continue;
		snprintf(a->why, FAST_TEXT_MAX,
			 "port %.40s: there is no network %.40s: apply its document with or before "
			 "the port's, and take it away with or after it",
			 name, network ? network : "");
		return -EINVAL;
	}
	return 0;
}

/* Of a guest with a link of its own the kernel forgets them by itself. */
static void forget_neighbours(const struct fast *f, const struct fast_port_doc *was)
{
	if (was->has_mac && f->config.host->forget)
		f->config.host->forget(was->network, was->mac);
}

static void commit_ports(struct apply *a)
{
	/* MACs that change places are free only when all have been asked once. */
	for (size_t i = 0; i < a->nr_vifs; i++) {
		struct port_change *c = &a->vifs[i];

		fast_vif_set(c->vif, c->has_doc ? &c->doc : NULL, c->gate);
		if (!c->has_doc)
			forget_neighbours(a->f, &c->vif->doc);
		c->gate = NULL;
	}
	for (size_t i = 0; i < a->nr_vifs; i++) {
		struct fast_vif *vif = a->vifs[i].vif;

		if (vif->trouble[0] && fast_vif_settle(vif))
			log_err("%s: not served: %s", vif->name, vif->trouble);
		fast_vif_put(vif);
	}
}

static void commit(struct apply *a)
{
	struct list *l, *next;

	json_decref(a->f->networks);
	json_decref(a->f->ports);
	json_decref(a->f->waiting);
	a->f->networks = json_incref(a->networks);
	a->f->ports = json_incref(a->ports);
	a->f->waiting = json_incref(a->waiting);
	for (size_t i = 0; i < a->nr_nets; i++)
		fast_net_commit(a->f, &a->nets[i]);
	commit_ports(a);
	list_for_each_safe (&a->f->nets, l, next) {
		struct fast_net *net = list_entry(l, struct fast_net, all);

		if (!json_object_get(a->networks, net->name))
			fast_net_destroy(a->f, net, true);
	}
}

static void abort_all(struct apply *a)
{
	for (size_t i = 0; i < a->nr_nets; i++)
		fast_net_abort(a->f, &a->nets[i]);
	for (size_t i = 0; i < a->nr_vifs; i++) {
		fast_gate_destroy(a->vifs[i].gate);
		if (a->vifs[i].vif)
			fast_vif_put(a->vifs[i].vif);
	}
}

static int prepare(struct apply *a, const json_t *change)
{
	int rc;

	a->networks = changed(a->f->networks, json_object_get(change, "networks"));
	a->ports = changed(a->f->ports, json_object_get(change, "ports"));
	a->waiting = fast_waiting_without(a->f->waiting, change);
	if (!a->networks || !a->ports || !a->waiting) {
		snprintf(a->why, FAST_TEXT_MAX, "out of memory");
		return -ENOMEM;
	}
	rc = prepare_networks(a, json_object_get(change, "networks"));
	if (!rc)
		rc = prepare_ports(a, json_object_get(change, "ports"));
	if (!rc)
		rc = check_ports(a);
	if (!rc && a->f->state) {
		rc = fast_keep(a->f->state, a->networks, a->ports, a->waiting);
		if (rc)
			snprintf(a->why, FAST_TEXT_MAX, "%.200s: %s: nothing was changed",
				 a->f->state, strerror(-rc));
	}
	return rc;
}

static bool changes_nothing(const struct fast *f, const json_t *change)
{
	static const char *const kinds[] = { "networks", "ports" };

	for (int i = 0; i < 2; i++) {
		const json_t *docs = i ? f->ports : f->networks;
		const char *name;
		json_t *doc;

		json_object_foreach (json_object_get(change, kinds[i]), name, doc) {
			const json_t *old = json_object_get(docs, name);

			if (fast_is_waiting(f, kinds[i], name) ||
			    (json_is_null(doc) ? old != NULL : !old || !json_equal(old, doc)))
				return false;
		}
	}
	return true;
}

int fast_apply(struct fast *f, const json_t *change, char why[FAST_TEXT_MAX])
{
	struct apply a = { .f = f, .why = why };
	int rc = check_change(change, why);

	if (rc || changes_nothing(f, change))
		return rc;
	rc = prepare(&a, change);
	if (rc)
		abort_all(&a);
	else
		commit(&a);
	fast_net_sweep(f);
	json_decref(a.networks);
	json_decref(a.ports);
	json_decref(a.waiting);
	free(a.nets);
	free(a.vifs);
	return rc;
}
