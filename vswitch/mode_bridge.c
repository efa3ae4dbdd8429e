/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode "bridge": a Linux bridge of the network's name, with the uplink's hardware address, so that
 * the LAN sees the same machine as before. The uplink's own addresses and routes are moved onto it:
 *
 *	1. the bridge is made, gets the addresses, goes up	host talks over the uplink
 *	2. the uplink becomes its port				sends over the uplink, receives over
 *the bridge
 *	3. the bridge gets the routes
 *	4. the uplink loses routes, then addresses		host talks over the bridge
 *
 * and back in the same manner (bridge_uplink.c). Between 2 and 4 nothing is lost but what waits for
 * an ARP answer. What is on a bridge of ours but not from us is left alone.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/array.h"
#include "vswitch/bridge_priv.h"
#include "vswitch/fdb.h"
#include "vswitch/l3_priv.h"
#include "vswitch/vlans.h"

static void alias_of(const char *network, char alias[VS_TEXT_LEN])
{
	snprintf(alias, VS_TEXT_LEN, VS_ALIAS_PREFIX "%s", network);
}

const char *bridge_find_lack(const struct vs_observed *o, const struct vs_network *n,
			     const struct vs_link *link, char *text, size_t size)
{
	if (!link->is_up)
		return "it is down";
	snprintf(text, size, "its MTU is %u, not %u", link->mtu, n->mtu);
	if (link->mtu != n->mtu)
		return text;
	for (size_t i = 0; i < n->nr_addrs; i++)
		if (!vs_find_addr(o, link->ifindex, &n->addrs[i]))
			return "it lacks an address of the policy";
	for (size_t i = 0; i < n->nr_routes; i++)
		if (!vs_find_route(o, link->ifindex, &n->routes[i]))
			return "it lacks a route of the policy";
	return NULL;
}

int bridge_record_adopted(const struct vs_network *n, struct vs_plan *plan)
{
	struct vs_record_network *rn = vs_record_add(&plan->record);

	if (!rn)
		return -ENOMEM;
	snprintf(rn->name, sizeof(rn->name), "%s", n->name);
	snprintf(rn->mode, sizeof(rn->mode), "%s", n->mode->name);
	rn->is_adopted = true;
	rn->is_per_guest = n->is_per_guest;
	return 0;
}

/* The first difference between a foreign bridge and what is wanted, as text; NULL: none. */
static const char *find_difference(const struct vs_observed *o, const struct vs_network *n,
				   const struct vs_link *link, const struct vs_link *uplink,
				   char *text, size_t size)
{
	const char *lack = bridge_find_lack(o, n, link, text, size);

	if (strcmp(link->kind, "bridge") != 0)
		return "it is not a bridge";
	if (link->stp != n->stp)
		return link->stp ? "its STP is on" : "its STP is off";
	if (!link->bridge[VS_BRIDGE_VLAN_FILTERING] != !n->vlan_filtering)
		return n->vlan_filtering ? "its VLAN filtering is off" : "its VLAN filtering is on";
	if (lack)
		return lack;
	snprintf(text, size, "%s is not one of its ports", uplink ? uplink->name : "");
	return uplink && uplink->master != link->ifindex ? text : NULL;
}

/* A bridge that someone else made and that is as wanted: used, and left alone for ever. */
static int adopt(const struct vs_plan_input *in, const struct vs_network *n,
		 const struct vs_link *link, const struct vs_link *uplink, struct vs_plan *plan)
{
	char text[96];
	const char *difference = find_difference(&plan->model, n, link, uplink, text, sizeof(text));

	return difference ? bridge_refuse(in, n, difference) : bridge_record_adopted(n, plan);
}

static void plan_settings(struct plan_for *p, const struct vs_plan_input *in,
			  const struct vs_network *n, const struct vs_link *uplink)
{
	char alias[VS_TEXT_LEN];
	uint8_t mac[MAC_LEN];

	bridge_mac(in, n, uplink, mac);
	alias_of(n->name, alias);
	if (!plan_link(p, n->name))
		plan_add_bridge(p, n->name, mac, n->mtu, alias);
	plan_set_mac(p, VS_DISRUPTION_MANAGEMENT, n->name, mac);
	plan_set_mtu(p, VS_DISRUPTION_NONE, n->name, n->mtu);
}

/* Only with STP on: else they are nobody's, and whoever has set them. */
static void plan_stp(struct plan_for *p, const struct vs_network *n)
{
	const struct {
		enum vs_bridge_setting which;
		bool is_given;
		uint32_t value;
	} settings[] = {
		{ VS_BRIDGE_FORWARD_DELAY, n->stp_forward_delay_s, n->stp_forward_delay_s * 100 },
		{ VS_BRIDGE_HELLO, n->stp_hello_s, n->stp_hello_s * 100 },
		{ VS_BRIDGE_MAX_AGE, n->stp_max_age_s, n->stp_max_age_s * 100 },
		{ VS_BRIDGE_PRIORITY, n->has_stp_priority, n->stp_priority },
	};
	struct vs_link usual;

	vs_bridge_defaults(&usual);
	for (size_t i = 0; n->stp && i < sizeof(settings) / sizeof(settings[0]); i++)
		plan_set_bridge(p, VS_DISRUPTION_NONE, n->name, settings[i].which,
				settings[i].is_given ? settings[i].value
						     : usual.bridge[settings[i].which]);
}

/* @uplink: a copy, because steps change the model. */
static int plan_ours(const struct vs_plan_input *in, const struct vs_record_network *old,
		     const struct vs_network *n, const struct vs_link *uplink, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	struct vs_record_network *rn;
	int rc = bridge_begin(in, old, n, uplink, plan, &rn);

	if (rc)
		return rc;
	plan_settings(&p, in, n, uplink);
	l3_plan_device(&p, n);
	bridge_add_addrs(in, &p, n, rn);
	plan_set_up(&p, VS_DISRUPTION_NONE, n->name, true);
	if (uplink)
		bridge_take_uplink(in, &p, n, rn, uplink->name);
	rc = p.rc ? p.rc : plan_vlans(in, n, uplink ? uplink->name : NULL, plan);
	if (rc)
		return rc;
	plan_stp(&p, n);
	/* Last: a port that forwards already goes on, one that comes later listens for 30 s first. */
	plan_set_stp(&p, VS_DISRUPTION_NONE, n->name, n->stp);
	bridge_end(in, &p, n, old, rn);
	return p.rc;
}

/* Which is no vif: so it was the uplink. */
static const struct vs_link *find_port(const struct vs_observed *o, const struct vs_link *bridge)
{
	for (size_t i = 0; i < o->nr_links; i++)
		if (o->links[i].master == bridge->ifindex &&
		    strncmp(o->links[i].name, "vif", 3) != 0)
			return &o->links[i];
	return NULL;
}

static int plan_network(const struct vs_plan_input *in, const struct vs_record_network *old,
			const struct vs_network *n, struct vs_plan *plan)
{
	const struct vs_link *link = vs_observed_link(&plan->model, n->name);
	const struct vs_link *found = NULL;
	struct vs_record_network lost = { 0 };
	struct vs_link uplink;
	char alias[VS_TEXT_LEN];
	int rc = 0;

	if (n->has_uplink)
		rc = vs_match_uplink(in, &plan->model, n, &found);
	if (rc)
		return rc;
	if (found)
		uplink = *found;
	alias_of(n->name, alias);
	if (link && strcmp(link->alias, alias) != 0)
		return adopt(in, n, link, found ? &uplink : NULL, plan);
	if (link && !old) {
		rc = bridge_rebuild_record(&plan->model, link, find_port(&plan->model, link), n,
					   &lost);
		old = &lost;
	}
	if (!rc)
		rc = plan_ours(in, old, n, found ? &uplink : NULL, plan);
	free(lost.moved_addrs);
	free(lost.moved_routes);
	return rc;
}

int bridge_plan(const struct vs_plan_input *in, const struct vs_record_network *old,
		const struct vs_network *n, struct vs_plan *plan)
{
	struct vs_network own;
	int rc = l3_begin(n, &plan->model, &own);

	if (!rc)
		rc = plan_network(in, old, &own, plan);
	l3_end(&own);
	return rc;
}

/* So that undoing it brings them back. */
static void reset_settings(struct plan_for *p, const char *name)
{
	struct vs_link usual;

	vs_bridge_defaults(&usual);
	for (int i = 0; i < VS_BRIDGE_NR; i++)
		plan_set_bridge(p, VS_DISRUPTION_NONE, name, (enum vs_bridge_setting)i,
				usual.bridge[i]);
}

int bridge_plan_down(const struct vs_plan_input *in, const struct vs_record_network *old,
		     struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = old->name };
	const struct vs_link *link = plan_link(&p, old->name);
	char alias[VS_TEXT_LEN];

	(void)in;
	alias_of(old->name, alias);
	if (old->is_adopted || !link || strcmp(link->alias, alias) != 0)
		return 0;
	bridge_empty_link(&p, old->name);
	plan_set_up(&p, VS_DISRUPTION_NONE, old->name, false);
	plan_set_stp(&p, VS_DISRUPTION_NONE, old->name, false);
	plan_vlans_off(&p, old->name);
	reset_settings(&p, old->name);
	plan_del_bridge(&p, old->name);
	return p.rc;
}

int bridge_attach(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	const struct vs_link *link = plan_link(&p, vif->name);
	const struct vs_link *bridge = plan_link(&p, n->name);
	bool is_isolated = vif->isolation != VS_ISOLATION_NONE || n->ports_closed;
	enum vs_disruption move;

	if (!bridge)
		return -ENONET;
	/* Through a link that is down nothing passes that could be lost. */
	move = link->is_up ? VS_DISRUPTION_BLIP : VS_DISRUPTION_NONE;
	if (n->is_per_guest) {
		l3_attach_link(&p, n, vif);
		return p.rc;
	}
	/* A new port is not isolated yet: it must not pass traffic until it is. */
	if (link->is_up && is_isolated && link->master != bridge->ifindex)
		plan_set_up(&p, VS_DISRUPTION_BLIP, vif->name, false);
	plan_ipv6_off(&p, vif->name);
	if (vif->mtu)
		plan_set_mtu(&p, VS_DISRUPTION_NONE, vif->name, vif->mtu);
	plan_set_master(&p, move, vif->name, n->name);
	plan_vif_vlans(&p, n, vif);
	plan_fdb(&p, n, vif);
	plan_set_isolated(&p, VS_DISRUPTION_NONE, vif->name, is_isolated);
	plan_set_up(&p, VS_DISRUPTION_NONE, vif->name, true);
	return p.rc;
}

int bridge_detach(const char *link, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };

	plan_set_master(&p, VS_DISRUPTION_LINK_DOWN, link, "");
	return p.rc;
}

const struct vs_mode vs_mode_bridge = {
	.name = "bridge",
	.segment = VS_SEGMENT_BRIDGE,
	.joins_lan = true,
	.docs = BRIDGE_DOCS,
	.release = bridge_release,
	.plan = bridge_plan,
	.plan_down = bridge_plan_down,
	.attach = bridge_attach,
	.detach = bridge_detach,
};
