/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode "ovs": an Open vSwitch bridge of the network's name, and like mode "bridge" otherwise: the
 * uplink's addresses and routes move onto the bridge's own link and back by the same steps. What Open
 * vSwitch is told is two kinds of documents (ovs.h); the bridge's link comes and goes with the first.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/bridge_priv.h"
#include "vswitch/l3_priv.h"
#include "vswitch/ovs.h"
#include "vswitch/ovs_rules.h"

static json_t *port_doc(const struct vs_observed *o, const char *link)
{
	return vs_observed_doc(o, VS_DOC_OVS_PORT, link);
}

static bool is_port_of(const json_t *doc, const char *bridge)
{
	const char *on = json_string_value(json_object_get(doc, "bridge"));

	return on && !strcmp(on, bridge);
}

static bool is_wanted_vif(const struct vs_wanted *w, const char *link)
{
	char name[IFNAMSIZ];

	for (size_t i = 0; i < w->nr_vifs; i++) {
		ovs_port_name(&w->vifs[i], vs_wanted_network(w, w->vifs[i].network), name);
		if (!strcmp(name, link))
			return true;
	}
	return false;
}

/*
 * Ports that stand there without reason: a vif that is gone, or an uplink that is another one now. Of
 * all when @in is NULL.
 */
static void drop_ports(struct plan_for *p, const struct vs_plan_input *in, const char *bridge,
		       const char *uplink)
{
	const struct vs_observed *o = &p->plan->model;

	for (size_t i = o->nr_docs; !p->rc && i-- > 0;) {
		const struct vs_doc *d = &o->docs[i];
		char link[IFNAMSIZ];

		if (d->kind != VS_DOC_OVS_PORT || !is_port_of(d->doc, bridge))
			continue;
		if (in && (!strcmp(d->name, uplink) || is_wanted_vif(in->wanted, d->name)))
			continue;
		snprintf(link, sizeof(link), "%.15s", d->name);
		plan_del_doc(p, VS_DISRUPTION_LINK_DOWN, VS_DOC_OVS_PORT, link);
	}
	/* Their filters: nobody listens in any more. */
	for (size_t i = o->nr_docs; !p->rc && i-- > 0;) {
		const struct vs_doc *d = &o->docs[i];
		char link[IFNAMSIZ];

		if (d->kind != VS_DOC_XDP || port_doc(o, d->name) ||
		    (in && is_wanted_vif(in->wanted, d->name)))
			continue;
		snprintf(link, sizeof(link), "%.15s", d->name);
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_XDP, link);
	}
}

static const struct vs_link *find_uplink(const struct vs_observed *o, const char *bridge)
{
	for (size_t i = 0; i < o->nr_docs; i++)
		if (o->docs[i].kind == VS_DOC_OVS_PORT && is_port_of(o->docs[i].doc, bridge) &&
		    json_is_true(json_object_get(o->docs[i].doc, "uplink")))
			return vs_observed_link(o, o->docs[i].name);
	return NULL;
}

static void set_bridge(struct plan_for *p, const struct vs_network *n, json_t *doc)
{
	const json_t *old = vs_observed_doc(&p->plan->model, VS_DOC_OVS_BRIDGE, n->name);
	enum vs_disruption d = VS_DISRUPTION_NONE;

	/* Each port passes again once its own flows are there. */
	if (old && !json_equal(json_object_get(old, "secure"), json_object_get(doc, "secure")))
		d = VS_DISRUPTION_BLIP;
	plan_set_doc(p, d, VS_DOC_OVS_BRIDGE, n->name, doc);
}

static json_t *bridge_doc(const struct vs_wanted *w, const struct vs_network *n,
			  const uint8_t mac[MAC_LEN])
{
	json_t *doc = ovs_bridge_doc(n, mac);

	if (doc && ovs_is_dpdk(n) && json_object_set_new(doc, "dpdk", ovs_dpdk_doc(w))) {
		json_decref(doc);
		return NULL;
	}
	if (!doc || !n->ports_filtered ||
	    !json_object_set_new(doc, "firewall", ovs_rules_spec(w, n)))
		return doc;
	json_decref(doc);
	return NULL;
}

/* An uplink that is no link: nothing is to be moved from it, or back. */
static void plug_card(struct plan_for *p, const struct vs_network *n, const char *card)
{
	const json_t *now = port_doc(&p->plan->model, card);
	json_t *doc = ovs_card_doc(n);
	enum vs_disruption d = VS_DISRUPTION_NONE;

	if (!is_port_of(now, n->name) ||
	    !json_equal(json_object_get(now, "devargs"), json_object_get(doc, "devargs")))
		d = n->nr_addrs ? VS_DISRUPTION_MANAGEMENT : VS_DISRUPTION_BLIP;
	plan_set_doc(p, d, VS_DOC_OVS_PORT, card, doc);
}

/* @uplink: a copy, because steps change the model. */
static int plan_ours(const struct vs_plan_input *in, const struct vs_record_network *old,
		     const struct vs_network *n, const struct vs_link *uplink, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	bool has_card = vs_is_card(n, &plan->model);
	struct vs_record_network *rn;
	char card[IFNAMSIZ] = "";
	uint8_t mac[MAC_LEN];
	int rc = bridge_begin(in, old, n, uplink, plan, &rn);

	if (rc)
		return rc;
	bridge_mac(in, n, uplink, mac);
	rn->is_dpdk = ovs_is_dpdk(n);
	if (has_card)
		snprintf(card, sizeof(card), "%.15s", n->uplink.pci);
	set_bridge(&p, n, bridge_doc(in->wanted, n, mac));
	l3_plan_device(&p, n);
	bridge_add_addrs(in, &p, n, rn);
	plan_set_up(&p, VS_DISRUPTION_NONE, n->name, true);
	drop_ports(&p, in, n->name, uplink ? uplink->name : card);
	if (has_card)
		plug_card(&p, n, card);
	if (uplink)
		bridge_take_uplink(in, &p, n, rn, uplink->name);
	bridge_end(in, &p, n, old, rn);
	return p.rc;
}

static bool has_text(const json_t *list, const char *text)
{
	json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), text))
			return true;
	return false;
}

static bool same_member(const json_t *a, const json_t *b, const char *key)
{
	json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x == y || json_equal(x, y);
}

/* Guards that are flows, and whatever else is, would stand among flows that are somebody else's. */
static const char *find_difference(const struct vs_observed *o, const struct vs_network *n,
				   const json_t *doc, const struct vs_link *uplink, char *text,
				   size_t size)
{
	uint8_t mac[MAC_LEN] = { 0 };
	json_t *want = ovs_bridge_doc(n, mac);
	bool same_tree = same_member(want, doc, "stp") && same_member(want, doc, "rstp");

	json_decref(want);
	if (json_is_true(json_object_get(doc, "secure")))
		return "its fail mode is secure, so its flows are somebody else's";
	if (ovs_is_secure(n))
		return "datapath netdev, fail-mode secure and the firewall need all of its flows";
	if (strcmp(json_string_value(json_object_get(doc, "datapath")), "system") != 0)
		return "its datapath is netdev";
	if (!same_tree)
		return "its STP or RSTP is another";
	if (n->nr_mirrors)
		return "mirrors are put only on a bridge of ours";
	snprintf(text, size, "%s is not one of its ports", uplink ? uplink->name : "");
	if (uplink && !has_text(json_object_get(doc, "ports"), uplink->name))
		return text;
	return bridge_find_lack(o, n, vs_observed_link(o, n->name), text, size);
}

/* As a Linux bridge: one that is as wanted is used, gets our ports beside those that it has, and stays. */
static int adopt(const struct vs_plan_input *in, const struct vs_network *n, const json_t *doc,
		 const struct vs_link *uplink, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	char text[96];
	const char *difference = find_difference(&plan->model, n, doc, uplink, text, sizeof(text));

	if (difference)
		return bridge_refuse(in, n, difference);
	p.rc = bridge_record_adopted(n, plan);
	drop_ports(&p, in, n->name, "");
	return p.rc;
}

static bool is_foreign(const json_t *doc)
{
	return json_is_true(json_object_get(doc, "foreign"));
}

static int ovs_plan_down(const struct vs_plan_input *in, const struct vs_record_network *old,
			 struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };

	const json_t *doc = vs_observed_doc(&plan->model, VS_DOC_OVS_BRIDGE, old->name);

	(void)in;
	if (!doc)
		return 0;
	drop_ports(&p, NULL, old->name, "");
	if (old->is_adopted || is_foreign(doc))
		return p.rc;
	if (plan_link(&p, old->name)) {
		bridge_empty_link(&p, old->name);
		plan_set_up(&p, VS_DISRUPTION_NONE, old->name, false);
		plan_remember_link(&p, old->name);
	}
	plan_del_doc(&p, VS_DISRUPTION_LINK_DOWN, VS_DOC_OVS_BRIDGE, old->name);
	return p.rc;
}

/* The other datapath is another device: everything goes back, and comes anew. */
static int start_again(const struct vs_plan_input *in, const struct vs_record_network *old,
		       struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };

	bridge_give_back(&p, old, NULL);
	return p.rc ? p.rc : ovs_plan_down(in, old, plan);
}

static bool changes_datapath(const struct vs_plan *plan, const struct vs_network *n)
{
	const json_t *old = vs_observed_doc(&plan->model, VS_DOC_OVS_BRIDGE, n->name);
	const char *datapath = json_string_value(json_object_get(old, "datapath"));

	return datapath && strcmp(datapath, ovs_is_in_user_space(n) ? "netdev" : "system") != 0;
}

static int plan_network(const struct vs_plan_input *in, const struct vs_record_network *old,
			const struct vs_network *n, struct vs_plan *plan)
{
	const struct vs_link *link = vs_observed_link(&plan->model, n->name);
	const struct vs_link *found = NULL;
	struct vs_record_network lost = { 0 };
	struct vs_link uplink;
	const json_t *doc;
	int rc = 0;

	if (n->has_uplink && !vs_is_card(n, &plan->model))
		rc = vs_match_uplink(in, &plan->model, n, &found);
	if (rc)
		return rc;
	if (found)
		uplink = *found;
	if (old && !old->is_adopted && changes_datapath(plan, n)) {
		rc = start_again(in, old, plan);
		old = NULL;
		link = vs_observed_link(&plan->model, n->name);
		if (found)
			uplink = *vs_observed_link(&plan->model, uplink.name);
	}
	if (rc)
		return rc;
	doc = vs_observed_doc(&plan->model, VS_DOC_OVS_BRIDGE, n->name);
	if (link && is_foreign(doc))
		return adopt(in, n, doc, found ? &uplink : NULL, plan);
	if (link && !doc)
		return bridge_refuse(in, n, "no Open vSwitch bridge of ours");
	if (link && !old) {
		rc = bridge_rebuild_record(&plan->model, link, find_uplink(&plan->model, n->name),
					   n, &lost);
		old = &lost;
	}
	if (!rc)
		rc = plan_ours(in, old, n, found ? &uplink : NULL, plan);
	free(lost.moved_addrs);
	free(lost.moved_routes);
	return rc;
}

/* Said before the first change. */
static int check_lacks(const struct vs_plan_input *in, const struct vs_network *n,
		       const struct vs_plan *plan)
{
	if (plan->model.lacks & VS_LACKS_OVS)
		diag_add(in->ds, DIAG_ERROR, "VF0515", &n->place,
			 ovs_is_dpdk(n) ? "apt install openvswitch-switch-dpdk"
					: "apt install openvswitch-switch",
			 "network %s: Open vSwitch neither runs here nor is it installed", n->name);
	else if (plan->model.lacks & VS_LACKS_OVS_MODULE && !ovs_is_in_user_space(n))
		diag_add(in->ds, DIAG_ERROR, "VF0515", &n->place,
			 "use a kernel with CONFIG_OPENVSWITCH, or datapath: { type: netdev }",
			 "network %s: openvswitch.ko is not in this kernel", n->name);
	else if (ovs_is_dpdk(n) && in->wanted->dpdk_why[0])
		diag_add(in->ds, DIAG_ERROR, "VF0519", &n->place,
			 "or fallback: netdev, to go on without it",
			 "network %s: datapath dpdk: %s", n->name, in->wanted->dpdk_why);
	else if (vs_is_card(n, &plan->model) && n->dpdk.card_why[0])
		diag_add(in->ds, DIAG_ERROR, "VF0519", &n->uplink_place,
			 "an uplink by its name is a link of the kernel's",
			 "network %s: datapath dpdk: %s", n->name, n->dpdk.card_why);
	else
		return 0;
	return -EINVAL;
}

static int ovs_plan(const struct vs_plan_input *in, const struct vs_record_network *old,
		    const struct vs_network *n, struct vs_plan *plan)
{
	struct vs_network own;
	int rc = check_lacks(in, n, plan);

	if (rc)
		return rc;
	rc = l3_begin(n, &plan->model, &own);
	if (!rc)
		rc = plan_network(in, old, &own, plan);
	l3_end(&own);
	return rc;
}

/* What flows cannot ask for; in the kernel's datapath the guard does. */
static void plan_filter(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	if (ovs_is_in_user_space(n) && vif->anti_spoof == VS_SPOOF_STRICT)
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_XDP, vif->name,
			     json_pack("{ss}", "filter", "strict"));
	else
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_XDP, vif->name);
}

static int ovs_attach(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	const json_t *now = port_doc(&plan->model, vif->name);

	if (!plan_link(&p, n->name))
		return -ENONET;
	plan_ipv6_off(&p, vif->name);
	plan_filter(&p, n, vif);
	if (vif->mtu)
		plan_set_mtu(&p, VS_DISRUPTION_NONE, vif->name, vif->mtu);
	plan_set_doc(&p, is_port_of(now, n->name) ? VS_DISRUPTION_NONE : VS_DISRUPTION_BLIP,
		     VS_DOC_OVS_PORT, vif->name, ovs_vif_doc(vif, n));
	plan_set_up(&p, VS_DISRUPTION_NONE, vif->name, true);
	return p.rc;
}

int ovs_plan_port(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	enum vs_disruption d = VS_DISRUPTION_BLIP;
	const json_t *now;
	char name[IFNAMSIZ];
	json_t *doc;

	if (!plan_link(&p, n->name))
		return -ENONET;
	/* What is left of its time on a TAP goes with that. */
	if (plan_link(&p, vif->name)) {
		plan_set_up(&p, VS_DISRUPTION_BLIP, vif->name, false);
		if (!p.rc)
			p.rc = plan_leave(n, VS_DISRUPTION_BLIP, vif->name, plan);
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_XDP, vif->name);
	}
	ovs_port_name(vif, n, name);
	now = port_doc(&plan->model, name);
	/* Whoever has it must let go of it first: then it is placed. */
	if (!vif->is_given || plan_link(&p, vif->name)) {
		plan_del_doc(&p, VS_DISRUPTION_BLIP, VS_DOC_OVS_PORT, name);
		return p.rc;
	}
	doc = ovs_vif_doc(vif, n);
	/* A device with other arguments is another. */
	if (is_port_of(now, n->name) &&
	    json_equal(json_object_get(now, "devargs"), json_object_get(doc, "devargs")))
		d = VS_DISRUPTION_NONE;
	plan_set_doc(&p, d, VS_DOC_OVS_PORT, name, doc);
	return p.rc;
}

int ovs_drop_port(const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = vif->network };
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "vif%u.%u", vif->domid, vif->devid);
	if (json_object_get(port_doc(&plan->model, name), "devargs"))
		plan_del_doc(&p, VS_DISRUPTION_LINK_DOWN, VS_DOC_OVS_PORT, name);
	return p.rc;
}

int ovs_place_port(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
		   char *why)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = VS_DOC_OVS_PORT };
	struct vs_link device;
	json_t *now = NULL;
	int rc = sys->ops->link(sys, n->name, &device);

	snprintf(why, VS_TEXT_LEN, "%s", rc ? strerror(-rc) : "");
	if (rc)
		return rc == -ENODEV ? -ENONET : rc;
	ovs_port_name(vif, n, op.text);
	op.doc = ovs_vif_doc(vif, n);
	rc = op.doc ? sys->ops->doc(sys, VS_DOC_OVS_PORT, op.text, &now, why) : -ENOMEM;
	if (!rc && !json_equal(now, op.doc))
		rc = sys->ops->apply(sys, &op, why);
	json_decref(now);
	json_decref(op.doc);
	return rc;
}

int vs_ovs_forget(struct vs_system *sys, const char *vif, char *why)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = VS_DOC_OVS_PORT };

	snprintf(op.text, sizeof(op.text), "%s", vif);
	why[0] = '\0';
	return sys->ops->apply(sys, &op, why);
}

static int ovs_detach(const char *link, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };

	plan_del_doc(&p, VS_DISRUPTION_LINK_DOWN, VS_DOC_OVS_PORT, link);
	plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_XDP, link);
	return p.rc;
}

const struct vs_mode vs_mode_ovs = {
	.name = "ovs",
	.segment = VS_SEGMENT_OVS,
	.joins_lan = true,
	.docs = BRIDGE_DOCS | VS_DOC_BIT(VS_DOC_OVS_BRIDGE) | VS_DOC_BIT(VS_DOC_OVS_PORT) |
		VS_DOC_BIT(VS_DOC_XDP),
	.release = bridge_release,
	.plan = ovs_plan,
	.plan_down = ovs_plan_down,
	.attach = ovs_attach,
	.detach = ovs_detach,
};
