/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/offload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/ethtool.h"
#include "vswitch/plan_priv.h"
#include "vswitch/service.h"
#include "vswitch/uplinks.h"

#define KIND	 "offload"
#define FEATURES 5 /* of one key */

const char *const vs_offload_names[VS_OFFLOAD_NR] = {
	[VS_OFFLOAD_TSO] = "tso",
	[VS_OFFLOAD_GSO] = "gso",
	[VS_OFFLOAD_GRO] = "gro",
	[VS_OFFLOAD_LRO] = "lro",
	[VS_OFFLOAD_SG] = "sg",
	[VS_OFFLOAD_TX_CHECKSUM] = "tx-checksum",
	[VS_OFFLOAD_RX_CHECKSUM] = "rx-checksum",
	[VS_OFFLOAD_TX_VLAN] = "tx-vlan",
	[VS_OFFLOAD_RX_VLAN] = "rx-vlan",
};

/* The kernel's names; a key is on when any of them is. */
static const char *const features_of[VS_OFFLOAD_NR][FEATURES] = {
	[VS_OFFLOAD_TSO] = { "tx-tcp-segmentation", "tx-tcp6-segmentation",
			     "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation",
			     "tx-tcp-accecn-segmentation" },
	[VS_OFFLOAD_GSO] = { "tx-generic-segmentation" },
	[VS_OFFLOAD_GRO] = { "rx-gro" },
	[VS_OFFLOAD_LRO] = { "rx-lro" },
	[VS_OFFLOAD_SG] = { "tx-scatter-gather" },
	[VS_OFFLOAD_TX_CHECKSUM] = { "tx-checksum-ipv4", "tx-checksum-ip-generic",
				     "tx-checksum-ipv6", "tx-checksum-sctp",
				     "tx-checksum-fcoe-crc" },
	[VS_OFFLOAD_RX_CHECKSUM] = { "rx-checksum" },
	[VS_OFFLOAD_TX_VLAN] = { "tx-vlan-hw-insert" },
	[VS_OFFLOAD_RX_VLAN] = { "rx-vlan-hw-parse" },
};

/* ---- The plan ---- */

static json_t *doc_of(const struct vs_offload *o)
{
	json_t *doc = json_object();

	for (int i = 0; doc && i < VS_OFFLOAD_NR; i++)
		if (o->given & 1u << i)
			json_object_set_new(doc, vs_offload_names[i],
					    json_boolean(o->on & 1u << i));
	return doc;
}

static int plan_one(const struct vs_plan_input *in, struct plan_for *p, const struct vs_network *n,
		    const struct vs_match *match, const struct vs_offload *o, json_t *kept)
{
	const struct vs_link *link;
	char what[VS_TEXT_LEN];
	json_t *doc;
	int rc;

	if (!o->given)
		return 0;
	snprintf(what, sizeof(what), "uplink %s", n->uplink_name);
	rc = vs_match_link(in, &p->plan->model, match, &n->uplink_place, what, &link);
	if (rc)
		return rc;
	doc = doc_of(o);
	if (!doc || json_object_set_new(kept, link->name, json_true()) != 0) {
		json_decref(doc);
		return -ENOMEM;
	}
	plan_set_doc(p, VS_DISRUPTION_BLIP, VS_DOC_OFFLOAD, link->name, doc);
	return p->rc;
}

static int plan_wanted(const struct vs_plan_input *in, struct vs_plan *plan, json_t *kept)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < in->wanted->nr_networks; i++) {
		const struct vs_network *n = &in->wanted->networks[i];
		const struct vs_bond *b = &n->uplink_bond;
		struct plan_for p = { .plan = plan, .network = n->name };

		if (!n->has_uplink)
			continue;
		if (!b->nr_members)
			rc = plan_one(in, &p, n, &n->uplink, &n->uplink_offload, kept);
		for (size_t m = 0; !rc && m < b->nr_members; m++)
			rc = plan_one(in, &p, n, &b->members[m], &b->offloads[m], kept);
	}
	return rc;
}

int offload_plan(const struct vs_plan_input *in, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };
	json_t *kept = json_object();
	int rc = kept ? plan_wanted(in, plan, kept) : -ENOMEM;

	/* From behind: what is taken out moves those behind it. */
	for (size_t i = plan->model.nr_docs; !rc && i-- > 0;) {
		const struct vs_doc *d = &plan->model.docs[i];

		if (d->kind == VS_DOC_OFFLOAD && !json_object_get(kept, d->name))
			plan_del_doc(&p, VS_DISRUPTION_BLIP, VS_DOC_OFFLOAD, d->name);
		rc = p.rc;
	}
	json_decref(kept);
	return rc;
}

/* ---- The link ---- */

struct offload {
	const char *rundir;
	struct ethtool *ethtool; /* NULL: not needed yet */
};

/* As it is, and as it was: { "keys": { "tso": true, ... }, "was": { "tx-tcp-segmentation": true, ... } } */
struct state {
	struct service s;
	json_t *active, *changeable;
	json_t *keys, *was; /* of what is kept */
	json_t *kept;
};

static void state_fini(struct state *st)
{
	json_decref(st->active);
	json_decref(st->changeable);
	json_decref(st->kept);
}

static int state_read(struct offload *o, const char *link, struct state *st)
{
	int rc;

	*st = (struct state){ .active = NULL };
	rc = service_init(&st->s, o->rundir, KIND, link);
	if (!rc && !o->ethtool)
		rc = ethtool_open(&o->ethtool);
	if (rc)
		return rc;
	st->kept = service_read_doc(&st->s);
	if (!json_is_object(json_object_get(st->kept, "keys")) ||
	    !json_is_object(json_object_get(st->kept, "was"))) {
		json_decref(st->kept);
		st->kept = json_pack("{s{} s{}}", "keys", "was");
	}
	st->keys = json_object_get(st->kept, "keys");
	st->was = json_object_get(st->kept, "was");
	rc = st->keys && st->was ? ethtool_features(o->ethtool, link, &st->active, &st->changeable)
				 : -ENOMEM;
	return rc;
}

static bool is_on(const struct state *st, int key)
{
	for (int f = 0; f < FEATURES && features_of[key][f]; f++)
		if (json_object_get(st->active, features_of[key][f]))
			return true;
	return false;
}

static int offload_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct state st;
	int rc = state_read(ctx, name, &st);

	(void)why;
	*doc = NULL;
	if (!rc && json_object_size(st.keys)) {
		*doc = json_object();
		for (int k = 0; *doc && k < VS_OFFLOAD_NR; k++)
			if (json_object_get(st.keys, vs_offload_names[k]))
				json_object_set_new(*doc, vs_offload_names[k],
						    json_boolean(is_on(&st, k)));
	}
	state_fini(&st);
	/* A link that is gone has none. */
	return rc == -ENODEV ? 0 : rc;
}

struct observer {
	void *ctx;
	struct vs_observed *o;
	char *why;
};

static int observe_one(void *arg, const char *link)
{
	struct observer *ob = arg;
	json_t *doc;
	int rc = offload_get(ob->ctx, link, &doc, ob->why);

	if (!rc && doc)
		rc = vs_observed_set_doc(ob->o, VS_DOC_OFFLOAD, link, doc);
	json_decref(doc);
	return rc;
}

static int offload_observe(void *ctx, struct vs_observed *o, char *why)
{
	struct observer ob = { ctx, o, why };

	return service_each(((struct offload *)ctx)->rundir, KIND, observe_one, &ob);
}

/* What is to be set now, and what is to be kept of before: written before anything is set. */
static int prepare(struct state *st, const json_t *doc, json_t *set)
{
	for (int k = 0; k < VS_OFFLOAD_NR; k++) {
		const json_t *want = json_object_get(doc, vs_offload_names[k]);

		for (int f = 0; f < FEATURES && features_of[k][f]; f++) {
			const char *name = features_of[k][f];
			json_t *was = json_object_get(st->was, name);

			if (want && !was && json_object_get(st->changeable, name)) {
				was = json_boolean(json_object_get(st->active, name));
				json_object_set_new(st->was, name, was);
			}
			if (was)
				json_object_set(set, name, want ? (json_t *)want : was);
		}
		if (want)
			json_object_set_new(st->keys, vs_offload_names[k], json_true());
	}
	if (!json_object_size(st->keys))
		return 0;
	return service_make_dirs(&st->s, NULL, 0) ? -EIO : service_write_doc(&st->s, st->kept);
}

/* Once all is set: what is given back is not kept any longer. */
static int forget(struct state *st, const json_t *doc)
{
	for (int k = 0; k < VS_OFFLOAD_NR; k++) {
		if (json_object_get(doc, vs_offload_names[k]))
			continue;
		json_object_del(st->keys, vs_offload_names[k]);
		for (int f = 0; f < FEATURES && features_of[k][f]; f++)
			json_object_del(st->was, features_of[k][f]);
	}
	if (json_object_size(st->keys))
		return service_write_doc(&st->s, st->kept);
	service_remove(&st->s);
	return 0;
}

/* A driver may do otherwise, and says nothing. */
static int verify(struct offload *o, const char *link, const json_t *doc, char *why)
{
	struct state st;
	int rc = state_read(o, link, &st);

	for (int k = 0; !rc && k < VS_OFFLOAD_NR; k++) {
		const json_t *want = json_object_get(doc, vs_offload_names[k]);

		if (!want || json_is_true(want) == is_on(&st, k))
			continue;
		snprintf(why, VS_TEXT_LEN, "%s cannot have %s %s: its driver has no such thing",
			 link, vs_offload_names[k], json_is_true(want) ? "on" : "off");
		rc = -EOPNOTSUPP;
	}
	state_fini(&st);
	return rc;
}

/* As if nothing had been tried. @before: what was kept. */
static void put_back(struct offload *o, const char *link, struct state *st, const json_t *set,
		     const json_t *before)
{
	json_t *back = json_object(), *ignored;
	const char *name;

	json_object_foreach ((json_t *)set, name, ignored)
		json_object_set_new(back, name, json_boolean(json_object_get(st->active, name)));
	if (json_object_size(back))
		ethtool_set_features(o->ethtool, link, back);
	if (json_object_size(json_object_get(before, "keys")))
		service_write_doc(&st->s, before);
	else
		service_remove(&st->s);
	json_decref(back);
}

static int offload_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct offload *o = ctx;
	json_t *set = json_object(), *before;
	struct state st;
	int rc = state_read(o, name, &st);

	before = rc ? NULL : json_deep_copy(st.kept);

	/* Its features went with it. */
	if (rc == -ENODEV && !doc) {
		service_remove(&st.s);
		rc = 0;
		goto out;
	}
	if (!rc)
		rc = set ? prepare(&st, doc, set) : -ENOMEM;
	if (!rc && json_object_size(set))
		rc = ethtool_set_features(o->ethtool, name, set);
	if (!rc && doc)
		rc = verify(o, name, doc, why);
	if (!rc)
		rc = forget(&st, doc);
	else if (set && before)
		put_back(o, name, &st, set, before);
	if (rc && !why[0])
		snprintf(why, VS_TEXT_LEN, "offloads of %s cannot be set: %s", name, strerror(-rc));
out:
	json_decref(before);
	json_decref(set);
	state_fini(&st);
	return rc;
}

static int offload_open(const char *rundir, void **ctx, char *why)
{
	struct offload *o = calloc(1, sizeof(*o));

	(void)why;
	*ctx = o;
	if (!o)
		return -ENOMEM;
	o->rundir = rundir;
	return 0;
}

static void offload_close(void *ctx)
{
	struct offload *o = ctx;

	ethtool_close(o->ethtool);
	free(o);
}

const struct vs_doc_ops offload_doc_ops = {
	.open = offload_open,
	.observe = offload_observe,
	.get = offload_get,
	.apply = offload_apply,
	.close = offload_close,
};
