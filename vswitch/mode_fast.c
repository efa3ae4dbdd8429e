/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's modes by vifrost-netback's own switch: no kernel bridge, but a TAP of the network's name,
 * which that makes when it is told of the network (fastnet.h). To the host it is what a bridge is in the
 * plain modes: its addresses, routes, rules and daemons are on it, and the uplink's are moved there by the
 * same steps and in the same order (mode_bridge.c). Guests have no link on the host: a vif on such a
 * network is a document, and without one nothing passes.
 *
 * A network that changes between the kernel's switch and this one is taken down and made anew: both cannot
 * have its name, and neither has an end for a cable. Guests keep their frontends: they see a pause.
 */
#include "vswitch/fastnet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/bridge_priv.h"
#include "vswitch/fastnet_route.h"
#include "vswitch/guard.h"
#include "vswitch/l3_priv.h"

static json_t *network_doc(const struct vs_observed *o, const char *name)
{
	return vs_observed_doc(o, VS_DOC_FAST_NETWORK, name);
}

static const char *uplink_of(const json_t *doc)
{
	return json_string_value(json_object_get(json_object_get(doc, "uplink"), "link"));
}

static bool is_wanted_port(const struct vs_wanted *w, const char *network, const char *port)
{
	char name[IFNAMSIZ];

	for (size_t i = 0; i < w->nr_vifs; i++) {
		fastnet_port_name(&w->vifs[i], name);
		if (!strcmp(name, port))
			return !strcmp(w->vifs[i].network, network);
	}
	return false;
}

/* Ports that stand there without reason. Of all when @w is NULL. */
static void drop_ports(struct plan_for *p, const struct vs_wanted *w, const char *network)
{
	const struct vs_observed *o = &p->plan->model;

	for (size_t i = o->nr_docs; !p->rc && i-- > 0;) {
		const struct vs_doc *d = &o->docs[i];
		const char *on = json_string_value(json_object_get(d->doc, "network"));
		char name[IFNAMSIZ];

		if (d->kind != VS_DOC_FAST_PORT || !on || strcmp(on, network) != 0 ||
		    (w && is_wanted_port(w, network, d->name)))
			continue;
		snprintf(name, sizeof(name), "%.15s", d->name);
		plan_del_doc(p, VS_DISRUPTION_LINK_DOWN, VS_DOC_FAST_PORT, name);
	}
}

/* Two on one port would get everything twice. */
static void set_network(struct plan_for *p, enum vs_disruption d, const struct vs_network *n,
			json_t *doc)
{
	if (doc && !p->rc)
		p->rc = fastnet_keep_found(doc, network_doc(&p->plan->model, n->name));
	plan_set_doc(p, d, VS_DOC_FAST_NETWORK, n->name, doc);
}

/* Nobody but the switch is to take what the uplink receives, as long as it has it. */
static void take_uplink(const struct vs_plan_input *in, struct plan_for *p,
			const struct vs_network *n, const struct vs_record_network *rn,
			const uint8_t mac[MAC_LEN])
{
	const char *now = uplink_of(network_doc(&p->plan->model, n->name));
	bool has_it = now && !strcmp(now, rn->uplink);
	enum vs_disruption d = has_it				    ? VS_DISRUPTION_NONE
			       : rn->nr_moved_addrs || rn->nr_addrs ? VS_DISRUPTION_MANAGEMENT
								    : VS_DISRUPTION_BLIP;

	if (n->uplink_mtu)
		plan_set_mtu(p, VS_DISRUPTION_BLIP, rn->uplink, n->uplink_mtu);
	plan_set_up(p, VS_DISRUPTION_NONE, rn->uplink, true);
	/* Of another switch's: taken over from its network, which goes. */
	plan_set_master(p, VS_DISRUPTION_MANAGEMENT, rn->uplink, "");
	plan_del_doc(p, VS_DISRUPTION_MANAGEMENT, VS_DOC_OVS_PORT, rn->uplink);
	set_network(p, d, n, fastnet_network_doc(in->wanted, n, mac, rn->uplink));
	plan_stack_guard(p, rn->uplink, NULL);
}

/* With the uplink that it has, until that is dealt with. */
static void make_network(const struct vs_plan_input *in, struct plan_for *p,
			 const struct vs_network *n, const struct vs_link *uplink,
			 const uint8_t mac[MAC_LEN])
{
	const char *now = uplink_of(network_doc(&p->plan->model, n->name));
	bool keeps = uplink && now && !strcmp(now, uplink->name);
	const char *has = keeps ? uplink->name : NULL;

	if (vs_is_card(n, &p->plan->model))
		has = FASTNET_CARD;
	set_network(p, VS_DISRUPTION_NONE, n, fastnet_network_doc(in->wanted, n, mac, has));
}

/* @uplink: a copy, because steps change the model. */
static int plan_ours(const struct vs_plan_input *in, const struct vs_record_network *old,
		     const struct vs_network *n, const struct vs_link *uplink, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	struct vs_record_network *rn;
	uint8_t mac[MAC_LEN];
	int rc = bridge_begin(in, old, n, uplink, plan, &rn);

	if (rc)
		return rc;
	bridge_mac(in, n, uplink, mac);
	/* Someone has deleted its TAP. */
	if (network_doc(&plan->model, n->name) && !plan_link(&p, n->name))
		plan_del_doc(&p, VS_DISRUPTION_LINK_DOWN, VS_DOC_FAST_NETWORK, n->name);
	make_network(in, &p, n, uplink, mac);
	l3_plan_device(&p, n);
	/* Guests that share a subnet but no segment ask for each other: the host answers. */
	if (n->fast.is_per_guest)
		plan_set_link_sysctl(&p, n->name, VS_LINK_PROXY_ARP_PVLAN, 1);
	if (n->fast.is_per_guest)
		plan_set_link_sysctl(&p, n->name, VS_LINK_PROXY_DELAY4, 0);
	bridge_add_addrs(in, &p, n, rn);
	plan_set_up(&p, VS_DISRUPTION_NONE, n->name, true);
	drop_ports(&p, in->wanted, n->name);
	if (uplink)
		take_uplink(in, &p, n, rn, mac);
	bridge_end(in, &p, n, old, rn);
	return p.rc;
}

static int refuse(const struct vs_plan_input *in, const struct vs_network *n, const char *hint,
		  const char *why)
{
	diag_add(in->ds, DIAG_ERROR, "VF0516", &n->place, hint, "network %s: datapath dpdk: %s",
		 n->name, why);
	return -EINVAL;
}

static int plan_network(const struct vs_plan_input *in, const struct vs_record_network *old,
			const struct vs_network *n, struct vs_plan *plan)
{
	const struct vs_link *link = vs_observed_link(&plan->model, n->name);
	bool is_told = network_doc(&plan->model, n->name) != NULL;
	const struct vs_link *found = NULL;
	struct vs_record_network lost = { 0 };
	struct vs_link uplink;
	int rc = 0;

	if (n->has_uplink && !vs_is_card(n, &plan->model))
		rc = vs_match_uplink(in, &plan->model, n, &found);
	if (rc)
		return rc;
	if (found)
		uplink = *found;
	if (link && !is_told && (!old || strcmp(link->kind, "tun") != 0))
		return bridge_refuse(in, n, "no TAP of vifrost-netback's");
	if (link && !old) {
		const char *was = uplink_of(network_doc(&plan->model, n->name));

		rc = bridge_rebuild_record(&plan->model, link,
					   was ? vs_observed_link(&plan->model, was) : NULL, n,
					   &lost);
		old = &lost;
	}
	if (!rc)
		rc = plan_ours(in, old, n, found ? &uplink : NULL, plan);
	free(lost.moved_addrs);
	free(lost.moved_routes);
	return rc;
}

static int fast_plan(const struct vs_plan_input *in, const struct vs_record_network *old,
		     const struct vs_network *n, struct vs_plan *plan)
{
	struct vs_network own;
	int rc;

	if (in->wanted->fast_why[0])
		return refuse(in, n, "fallback: kernel in its datapath, to go on without it",
			      in->wanted->fast_why);
	rc = l3_begin(n, &plan->model, &own);
	if (!rc)
		rc = plan_network(in, old, &own, plan);
	l3_end(&own);
	return rc;
}

static int fast_plan_down(const struct vs_plan_input *in, const struct vs_record_network *old,
			  struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };

	(void)in;
	if (!network_doc(&plan->model, old->name))
		return 0;
	drop_ports(&p, NULL, old->name);
	if (plan_link(&p, old->name)) {
		bridge_empty_link(&p, old->name);
		plan_set_up(&p, VS_DISRUPTION_NONE, old->name, false);
		plan_remember_link(&p, old->name);
	}
	plan_del_doc(&p, VS_DISRUPTION_LINK_DOWN, VS_DOC_FAST_NETWORK, old->name);
	return p.rc;
}

void fastnet_leave_uplink(struct plan_for *p, enum vs_disruption d,
			  const struct vs_record_network *old)
{
	json_t *now = network_doc(&p->plan->model, old->name), *doc;
	const char *uplink = uplink_of(now);

	if (!uplink || strcmp(uplink, old->uplink) != 0)
		return;
	plan_unguard(p, old->uplink);
	doc = json_deep_copy(now);
	if (doc)
		json_object_del(doc, "uplink");
	plan_set_doc(p, d, VS_DOC_FAST_NETWORK, old->name, doc);
}

static int fast_attach(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	const struct vs_link *link = plan_link(&p, vif->name);
	char name[IFNAMSIZ];

	if (!plan_link(&p, n->name))
		return -ENONET;
	fastnet_port_name(vif, name);
	plan_set_doc(&p, link && link->is_up ? VS_DISRUPTION_BLIP : VS_DISRUPTION_NONE,
		     VS_DOC_FAST_PORT, name, fastnet_port_doc(n, vif));
	l3_add_proxies(&p, n, vif);
	return p.rc;
}

static int fast_detach(const char *link, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };

	plan_del_doc(&p, VS_DISRUPTION_LINK_DOWN, VS_DOC_FAST_PORT, link);
	return p.rc;
}

int fastnet_plan_vif(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };

	/* What is left of its time on a TAP, guard and all, goes with that. */
	if (plan_link(&p, vif->name)) {
		/* Going down takes routes and neighbours along, which no way back would bring. */
		p.rc = l3_detach_link(vif->name, plan);
		plan_set_up(&p, VS_DISRUPTION_BLIP, vif->name, false);
		if (!p.rc)
			p.rc = plan_leave(n, VS_DISRUPTION_BLIP, vif->name, plan);
	}
	return p.rc ? p.rc : plan_join(n, vif, plan);
}

int fastnet_drop_port(const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = vif->network };
	char name[IFNAMSIZ];

	fastnet_port_name(vif, name);
	plan_del_doc(&p, VS_DISRUPTION_LINK_DOWN, VS_DOC_FAST_PORT, name);
	return p.rc;
}

int vs_fast_forget(struct vs_system *sys, const char *vif, char *why)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = VS_DOC_FAST_PORT };

	snprintf(op.text, sizeof(op.text), "%s", vif);
	why[0] = '\0';
	return sys->ops->apply(sys, &op, why);
}

#define FAST_DOCS (BRIDGE_DOCS | VS_DOC_BIT(VS_DOC_FAST_NETWORK) | VS_DOC_BIT(VS_DOC_FAST_PORT))

#define FAST_MODE(mode_name, of, lan)                                                              \
	{                                                                                          \
		.name = mode_name, .plain = of, .segment = VS_SEGMENT_FAST, .joins_lan = lan,      \
		.docs = FAST_DOCS, .release = bridge_release, .plan = fast_plan,                   \
		.plan_down = fast_plan_down, .attach = fast_attach, .detach = fast_detach,         \
	}

const struct vs_mode vs_mode_fast_bridge = FAST_MODE("bridge-dpdk", &vs_mode_bridge, true);
const struct vs_mode vs_mode_fast_nat = FAST_MODE("nat-dpdk", &vs_mode_nat, false);
const struct vs_mode vs_mode_fast_isolated = FAST_MODE("isolated-dpdk", &vs_mode_isolated, false);
const struct vs_mode vs_mode_fast_route = FAST_MODE("route-dpdk", &vs_mode_route, false);
