/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From wanted, observed and record to steps. The order: rules; what the host needs; uplinks given back by
 * networks that lose them; networks made and changed, each make before break; vifs moved, one
 * master change each; networks that are wanted no more, by now empty, taken down.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "vswitch/fastnet.h"
#include "vswitch/guard.h"
#include "vswitch/l3_priv.h"
#include "vswitch/ovs.h"
#include "vswitch/rate.h"
#include "vswitch/switch.h"
#include "vswitch/uplinks.h"
#include "vswitch/offload.h"
#include "vswitch/ports.h"
#include "vswitch/resolv.h"

static const struct vs_mode *const modes[] = { &vs_mode_bridge,	   &vs_mode_ovs,
					       &vs_mode_nat,	   &vs_mode_isolated,
					       &vs_mode_route,	   &vs_mode_fast_bridge,
					       &vs_mode_fast_nat,  &vs_mode_fast_isolated,
					       &vs_mode_fast_route };

const struct vs_mode *vs_mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i]->name, name))
			return modes[i];
	return NULL;
}

const struct vs_mode *vs_mode_plain(const struct vs_mode *mode)
{
	return mode && mode->plain ? mode->plain : mode;
}

const struct vs_mode *vs_mode_fast(const struct vs_mode *mode)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (modes[i]->plain == mode)
			return modes[i];
	return NULL;
}

/* -1: leave it, or give it back if we had turned it. */
static int wanted_sysctl(const struct vs_plan_input *in, enum vs_sysctl which)
{
	switch (which) {
	case VS_SYSCTL_FORWARDING4:
		return vs_rules_forwarding(in, AF_INET);
	case VS_SYSCTL_FORWARDING6:
		return vs_rules_forwarding(in, AF_INET6);
	default:
		/* Bridged frames are not the host's to filter. */
		return in->wanted->nr_networks ? 0 : -1;
	}
}

static int plan_sysctls(const struct vs_plan_input *in, struct vs_plan *plan, bool give_back)
{
	struct plan_for p = { .plan = plan, .network = "" };

	for (int i = 0; i < VS_SYSCTL_NR; i++) {
		enum vs_sysctl which = (enum vs_sysctl)i;
		int want = wanted_sysctl(in, which);
		int old = in->record->old_sysctls[i];
		int now = plan->model.sysctls[i];

		if (want == -EINVAL)
			return want;
		if (give_back != (want < 0))
			continue;
		if (want >= 0) {
			plan->record.old_sysctls[i] = old >= 0 ? old : now;
			plan_set_sysctl(&p, which, want);
		} else if (old >= 0) {
			plan_set_sysctl(&p, which, old);
		}
	}
	return p.rc;
}

/* What a vif without a link was on another switch. */
static int drop_ports(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	int rc = vs_is_fast(n) ? 0 : fastnet_drop_port(vif, plan);

	return rc || ovs_is_dpdk(n) ? rc : ovs_drop_port(vif, plan);
}

static int plan_vifs(const struct vs_plan_input *in, struct vs_plan *plan)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < in->wanted->nr_vifs; i++) {
		const struct vs_vif *vif = &in->wanted->vifs[i];
		const struct vs_network *n = vs_wanted_network(in->wanted, vif->network);

		if (vs_observed_link(&plan->model, vif->name) || vs_is_fast(n) || ovs_is_dpdk(n))
			rc = vs_plan_vif(n, vif, plan);
		else
			rc = drop_ports(n, vif, plan);
	}
	return rc;
}

/* Modes go on after an error, so that all of them are told. */
static void keep_first(int *rc, int next)
{
	if (next == -ENOMEM || !*rc)
		*rc = next;
}

/* Whether the device of @old is in the way of what @n is to be: one name, but another kind of thing. */
static bool is_in_the_way(const struct vs_record_network *old, const struct vs_network *n)
{
	const struct vs_mode *mode = vs_mode_find(old->mode);

	return mode && n && mode->segment != n->mode->segment;
}

static int plan_network(const struct vs_plan_input *in, const struct takeovers *taken,
			const struct vs_network *n, struct vs_plan *plan)
{
	const struct vs_record_network *old = vs_record_find(in->record, n->name);
	struct takeover *t = takeover_of_new(taken, n);
	int rc = 0;

	if (t) {
		rc = takeover_begin(in, t, plan);
		old = &t->carried;
	} else if (old && is_in_the_way(old, n)) {
		rc = vs_mode_find(old->mode)->plan_down(in, old, plan);
		old = NULL;
	}
	return rc ? rc : n->mode->plan(in, old, n, plan);
}

static int release_uplinks(const struct vs_plan_input *in, const struct takeovers *taken,
			   struct vs_plan *plan)
{
	int rc = 0;

	for (size_t i = 0; i < in->record->nr_networks; i++) {
		const struct vs_record_network *old = &in->record->networks[i];
		const struct vs_mode *mode = vs_mode_find(old->mode);
		const struct vs_network *n = vs_wanted_network(in->wanted, old->name);

		/* The other switch has a port at a time: what it has goes back, and comes anew. */
		if (n && is_in_the_way(old, n) && !n->mode->plain == !!mode->plain)
			n = NULL;
		if (mode && !takeover_of_old(taken, old))
			keep_first(&rc, mode->release(in, old, n, plan));
	}
	return rc;
}

static int take_down(const struct vs_plan_input *in, struct vs_plan *plan)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < in->record->nr_networks; i++) {
		const struct vs_record_network *old = &in->record->networks[i];
		const struct vs_mode *mode = vs_mode_find(old->mode);

		if (mode && !vs_wanted_network(in->wanted, old->name))
			rc = mode->plan_down(in, old, plan);
	}
	return rc;
}

static int plan_networks(const struct vs_plan_input *in, struct vs_plan *plan)
{
	struct takeovers taken;
	int rc = takeovers_find(in, plan, &taken);

	if (!rc)
		rc = l3_plan_services_down(in, plan);
	if (!rc)
		rc = release_uplinks(in, &taken, plan);
	if (!rc)
		rc = uplinks_release(in, plan);
	if (!rc)
		rc = uplinks_make(in, plan);
	for (size_t i = 0; rc != -ENOMEM && i < in->wanted->nr_networks; i++)
		keep_first(&rc, plan_network(in, &taken, &in->wanted->networks[i], plan));
	if (!rc)
		rc = l3_plan_egress(in, plan);
	if (!rc)
		rc = l3_plan_services(in, plan);
	if (!rc)
		rc = plan_vifs(in, plan);
	for (size_t i = 0; !rc && i < taken.nr; i++)
		rc = takeover_end(in, &taken.v[i], plan);
	if (!rc)
		rc = take_down(in, plan);
	takeovers_fini(&taken);
	return rc;
}

struct vs_look vs_look_for(const struct vs_wanted *wanted, const struct vs_record *record)
{
	struct vs_look look = { 0 };

	if (wanted->nr_networks || record->nr_networks)
		look.docs |= VS_DOC_BIT(VS_DOC_NFT) | VS_DOC_BIT(VS_DOC_RATE) |
			     VS_DOC_BIT(VS_DOC_RESOLV) | VS_DOC_BIT(VS_DOC_OFFLOAD) |
			     VS_DOC_BIT(VS_DOC_PORTS);
	for (size_t i = 0; i < record->nr_networks; i++)
		if (vs_wanted_network(wanted, record->networks[i].name))
			look.lacks |= VS_LACKS_LIVE_RENAME;
	if (vs_rules_track_bridges(wanted))
		look.lacks |= VS_LACKS_BRIDGE_CONNTRACK;
	for (size_t i = 0; i < wanted->nr_networks; i++) {
		const struct vs_network *n = &wanted->networks[i];

		look.drivers |= n->uplink.driver[0] || n->uplink.pci[0];
		for (size_t k = 0; k < n->uplink_bond.nr_members; k++)
			look.drivers |= n->uplink_bond.members[k].driver[0] ||
					n->uplink_bond.members[k].pci[0];
		look.lacks |= n->uplink_bond.nr_members ? VS_LACKS_BONDING : 0;
		look.lacks |= n->uplink_vlan ? VS_LACKS_8021Q : 0;
		look.docs |= n->mode->docs;
		if (n->vlan_filtering && n->mode->segment == VS_SEGMENT_BRIDGE)
			look.lacks |= VS_LACKS_VLAN_FILTERING;
		if (n->mode->segment == VS_SEGMENT_OVS)
			look.lacks |= VS_LACKS_OVS | VS_LACKS_OVS_MODULE;
		look.neighs |= n->is_per_guest || vs_mode_plain(n->mode) == &vs_mode_route;
		look.lacks |= l3_services_lacks(n);
	}
	for (size_t i = 0; i < record->nr_networks; i++) {
		const struct vs_mode *mode = vs_mode_find(record->networks[i].mode);

		look.docs |= mode ? mode->docs : 0;
		look.neighs |= record->networks[i].is_per_guest ||
			       vs_mode_plain(mode) == &vs_mode_route;
	}
	return look;
}

int vs_plan_make(const struct vs_wanted *wanted, const struct vs_observed *observed,
		 const struct vs_record *record, struct diags *ds, struct vs_plan *plan)
{
	struct vs_plan_input in = { .wanted = wanted, .record = record, .ds = ds };
	int rc;

	*plan = (struct vs_plan){ 0 };
	vs_record_init(&plan->record);
	rc = vs_observed_copy(&plan->model, observed);
	if (!rc)
		rc = vs_observed_make_index(&plan->model);
	if (!rc)
		rc = plan_check_overlaps(&in, &plan->model);
	if (!rc)
		rc = vs_plan_rules_begin(&in, plan);
	if (!rc)
		rc = resolv_plan(&in, false, plan);
	if (!rc)
		rc = ports_plan(&in, false, plan);
	if (!rc)
		rc = l3_plan_begin(&in, wanted_sysctl(&in, VS_SYSCTL_FORWARDING6) > 0, plan);
	if (!rc)
		rc = plan_sysctls(&in, plan, false);
	if (!rc)
		rc = plan_networks(&in, plan);
	if (!rc)
		rc = offload_plan(&in, plan);
	if (!rc)
		rc = plan_stale_guards(wanted, plan);
	if (!rc)
		rc = plan_sysctls(&in, plan, true);
	if (!rc)
		rc = l3_plan_end(&in, plan);
	if (!rc)
		rc = ports_plan(&in, true, plan);
	if (!rc)
		rc = vs_plan_rules_end(&in, plan);
	if (!rc)
		rc = resolv_plan(&in, true, plan);
	return rc ? rc : plan_gather(plan);
}

/* An address that a guest had before: what was let through for that one is not for this one. */
static void end_old_flows(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	const struct vs_link *link = plan_link(p, vif->name);
	bool is_new = vs_is_fast(n) ? !fastnet_port(&p->plan->model, vif) : link && !link->is_up;
	json_t *ends = json_array();
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; ends && i < vif->nr_addrs; i++)
		if (inet_ntop(vif->addrs[i].family, vif->addrs[i].address, text, sizeof(text)) &&
		    json_array_append_new(ends, json_string(text)) != 0) {
			json_decref(ends);
			ends = NULL;
		}
	if (!ends && !p->rc)
		p->rc = -ENOMEM;
	if (is_new && json_array_size(ends)) {
		bool is_theirs = n->ports_filtered && ovs_is_in_user_space(n);

		if (l3_is_router(n, AF_UNSPEC) || (n->ports_filtered && !is_theirs))
			plan_end_flows(p, VS_DISRUPTION_NONE, vif->name,
				       json_pack("{sO}", "ends", ends));
		if (is_theirs)
			plan_end_flows(p, VS_DISRUPTION_NONE, vif->name,
				       json_pack("{sOsssi}", "ends", ends, "bridge", n->name,
						 "zone", n->zone));
	}
	json_decref(ends);
}

/* Where packets are read off the link before its own hooks see them, the switch itself is the guard. */
static bool has_guard(const struct vs_network *n)
{
	return !ovs_is_in_user_space(n) && !vs_is_fast(n);
}

enum vs_segment plan_segment_of(const struct vs_network *n)
{
	if (n->is_per_guest)
		return VS_SEGMENT_NONE;
	return n->mode->segment == VS_SEGMENT_NONE ? VS_SEGMENT_BRIDGE : n->mode->segment;
}

int plan_join(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	struct vs_vif guarded = *vif;

	/* On a link of its own there is nobody to keep apart. */
	if (n->is_per_guest)
		guarded.isolation = VS_ISOLATION_NONE;
	if (has_guard(n))
		plan_guard(&p, &guarded);
	end_old_flows(&p, n, vif);
	return p.rc ? p.rc : n->mode->attach(n, vif, plan);
}

int plan_leave(const struct vs_network *n, enum vs_disruption d, const char *link,
	       struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };
	size_t first = plan->nr;

	for (size_t i = 0; !p.rc && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!n || modes[i]->segment != plan_segment_of(n))
			p.rc = modes[i]->detach(link, plan);
	for (size_t i = first; i < plan->nr; i++)
		plan->steps[i].disruption = d;
	return p.rc;
}

/* Not while a bridge has the link: it would get nothing any more. */
static void guard_stack(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	if (n && !has_guard(n))
		plan_stack_guard(p, vif->name, vif);
	else if (!n)
		plan_unguard(p, vif->name);
}

int vs_plan_vif(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };
	bool overlaps = n && takeover_overlaps(&plan->model, n, vif->name);

	p.rc = drop_ports(n, vif, plan);
	if (!p.rc && vs_is_fast(n))
		return fastnet_plan_vif(n, vif, plan);
	if (!p.rc && ovs_is_dpdk(n))
		return ovs_plan_port(n, vif, plan);
	if (!n)
		plan_set_up(&p, VS_DISRUPTION_LINK_DOWN, vif->name, false);
	if (!p.rc && !overlaps)
		p.rc = plan_leave(n, n ? VS_DISRUPTION_BLIP : VS_DISRUPTION_LINK_DOWN, vif->name,
				  plan);
	if (!overlaps)
		guard_stack(&p, n, vif);
	if (n)
		plan_rate(&p, vif);
	if (!p.rc && n)
		p.rc = plan_join(n, vif, plan);
	if (!p.rc && overlaps)
		p.rc = plan_leave(n, VS_DISRUPTION_NONE, vif->name, plan);
	guard_stack(&p, n, vif);
	return p.rc;
}

unsigned int plan_docs_of_vifs(void)
{
	unsigned int docs = VS_DOC_BIT(VS_DOC_NFT);

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		docs |= modes[i]->docs;
	/* Not of a link: whoever knows of one asks vifrost-netback. */
	return docs & ~VS_DOC_BIT(VS_DOC_FAST_PORT);
}
