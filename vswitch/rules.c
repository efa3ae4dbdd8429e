/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host-wide tables as steps. New ones are in force before forwarding is turned on and before the first
 * link comes up; those that are wanted no more go when no guest is left behind them. A network that is
 * about to go is closed first: what the new table no longer says of its guests, nobody may use.
 */
#include "vswitch/rules_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "vswitch/array.h"
#include "vswitch/l3_priv.h"
#include "vswitch/ovs_rules.h"

#define SHIFTED_PORTS_MAX 256

const char *const vs_rules_tables[VS_RULES_TABLES] = { RULES_FILTER, RULES_NAT, RULES_BRIDGE };

static void refuse(const struct vs_plan_input *in, const struct diag_place *place, const char *hint,
		   const char *what, const char *name)
{
	diag_add(in->ds, DIAG_ERROR, "VF0540", place, hint, "%s: %s", name, what);
}

static void check_forward(const struct vs_plan_input *in, const struct vs_forward *f)
{
	const struct vs_network *n = vs_wanted_network(in->wanted, f->network);
	uint16_t to = f->to_port ? f->to_port : f->ports.first;

	if (!n || rules_is_segment(n) || rules_is_isolated(n))
		refuse(in, &f->place, "forward to a guest of a nat or route network",
		       "the host does not route for that network", f->name);
	else if (f->listen.family == AF_INET ? !f->to4.family
		 : f->listen.family	     ? !f->to6.family
					     : !f->to4.family && !f->to6.family)
		refuse(in, &f->place, "give the guest's vif an address of the family it listens at",
		       "its guest has no such address", f->name);
	else if (to != f->ports.first && f->ports.last - f->ports.first >= SHIFTED_PORTS_MAX)
		refuse(in, &f->place, "keep the numbers of so many ports",
		       "more than 256 ports that change their number", f->name);
	else if (to + (f->ports.last - f->ports.first) > UINT16_MAX)
		refuse(in, &f->place, "choose a lower port", "ports beyond 65535", f->name);
}

static bool peer_means(const struct vs_peer *peer, const struct vs_entry *e)
{
	if (peer->kind == VS_PEER_GUEST)
		return !strcmp(peer->name, e->guest);
	for (size_t i = 0; peer->kind == VS_PEER_TAG && i < e->nr_tags; i++)
		if (!strcmp(peer->name, e->tags[i]))
			return true;
	return false;
}

/* A rule that means a guest without addresses would not see its packets. */
static void check_peers(const struct vs_plan_input *in, const char *name,
			const struct diag_place *place, const struct vs_peer *peers, size_t nr)
{
	const struct vs_wanted *w = in->wanted;

	for (size_t i = 0; i < nr; i++) {
		if (peers[i].kind != VS_PEER_TAG && peers[i].kind != VS_PEER_GUEST)
			continue;
		for (size_t k = 0; k < w->nr_entries; k++)
			if (!w->entries[k].nr_addrs && peer_means(&peers[i], &w->entries[k]))
				diag_add(
					in->ds, DIAG_ERROR, "VF0541", place,
					"give that vif its addresses in the policy",
					"%s: guest %s has a vif on %s without addresses, so no rule can know its packets",
					name, w->entries[k].guest, w->entries[k].network);
	}
}

static bool has_fqdns(const struct vs_wanted *w, const struct vs_peer *peers, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; peers[i].kind == VS_PEER_SET && k < w->nr_sets; k++)
			if (w->sets[k].nr_fqdns && !strcmp(w->sets[k].name, peers[i].name))
				return true;
	return false;
}

/* Flows hold addresses, not sets that could change beneath them. */
static void check_fqdns(const struct vs_plan_input *in, const struct vs_network *n)
{
	const struct vs_firewall *fw = &in->wanted->firewall;

	for (size_t i = 0; i < fw->nr_rules; i++) {
		const struct vs_rule *r = &fw->rules[i];

		if (has_fqdns(in->wanted, r->from, r->nr_from) ||
		    has_fqdns(in->wanted, r->to, r->nr_to))
			diag_add(
				in->ds, DIAG_ERROR, "VF0545", &r->place,
				"write addresses in the set, or move the guests to a bridge network",
				"%s: names in an address set cannot be followed on the Open vSwitch bridge %s",
				r->name, n->name);
	}
}

static void check_flows(const struct vs_plan_input *in, const struct vs_network *n)
{
	json_t *spec = ovs_rules_spec(in->wanted, n);
	size_t nr = spec ? ovs_rules_count(spec) : 0;

	json_decref(spec);
	check_fqdns(in, n);
	if (nr > OVS_RULES_FLOWS_MAX)
		diag_add(in->ds, DIAG_ERROR, "VF0543", &n->place,
			 "name networks, not so many single addresses, or in fewer rules",
			 "%s: the firewall there is %zu flows of Open vSwitch, more than %d",
			 n->name, nr, OVS_RULES_FLOWS_MAX);
}

/* Between ports of one bridge: not every kernel can do it. */
static void check_ports(const struct vs_plan_input *in, const struct vs_plan *plan,
			const struct vs_network *n)
{
	static const char hint[] =
		"accept, or refuse, everything between its guests, or use isolation";

	if (rules_ports(in->wanted, n) != RULES_PORTS_FILTERED)
		return;
	if (rules_is_flows(in->wanted, n))
		check_flows(in, n);
	else if (plan->model.lacks & VS_LACKS_BRIDGE_CONNTRACK)
		diag_add(
			in->ds, DIAG_ERROR, "VF0544", &n->place, hint,
			"%s: tracking connections on bridges is not in this kernel (CONFIG_NF_CONNTRACK_BRIDGE, CONFIG_NFT_BRIDGE_META), and the firewall needs it there",
			n->name);
}

static int check(const struct vs_plan_input *in, const struct vs_plan *plan)
{
	const struct vs_wanted *w = in->wanted;
	size_t before = in->ds->nr_errors;

	for (size_t i = 0; i < w->nr_forwards; i++) {
		check_forward(in, &w->forwards[i]);
		check_peers(in, w->forwards[i].name, &w->forwards[i].place,
			    w->forwards[i].allow_from, w->forwards[i].nr_allow_from);
	}
	for (size_t i = 0; i < w->firewall.nr_rules; i++) {
		const struct vs_rule *r = &w->firewall.rules[i];

		check_peers(in, r->name, &r->place, r->from, r->nr_from);
		check_peers(in, r->name, &r->place, r->to, r->nr_to);
	}
	for (size_t i = 0; i < w->nr_networks; i++)
		check_ports(in, plan, &w->networks[i]);
	return in->ds->nr_errors == before ? 0 : -EINVAL;
}

/* The first network that the host has to forward for; NULL: none. */
static const struct vs_network *needs_forwarding(const struct vs_wanted *w, int family)
{
	for (size_t i = 0; i < w->nr_networks; i++)
		if ((!rules_is_isolated(&w->networks[i]) || w->networks[i].is_per_guest ||
		     w->networks[i].fast.is_per_guest) &&
		    l3_is_router(&w->networks[i], family))
			return &w->networks[i];
	return NULL;
}

int vs_rules_forwarding(const struct vs_plan_input *in, int family)
{
	const struct vs_wanted *w = in->wanted;
	int given = family == AF_INET ? w->forwarding4 : w->forwarding6;
	const struct vs_network *n = needs_forwarding(w, family);

	if (given > 0 || !n)
		return given;
	if (given < 0)
		return 1;
	diag_add(in->ds, DIAG_ERROR, "VF0542", &n->place,
		 "set host.forwarding to true, or leave it away",
		 "network %s needs forwarding of %s, which host.forwarding turns off", n->name,
		 family == AF_INET ? "IPv4" : "IPv6");
	return -EINVAL;
}

/* Whether @doc told @network's guests by its device. */
static bool has_device(const json_t *doc, const char *network)
{
	const json_t *set, *name;
	size_t i, k;

	json_array_foreach (json_object_get(doc, "sets"), i, set) {
		const char *set_name = json_string_value(json_object_get(set, "name"));

		if (!set_name || strcmp(set_name, "dev.guests") != 0)
			continue;
		json_array_foreach (json_object_get(set, "elements"), k, name)
			if (json_is_string(name) && !strcmp(json_string_value(name), network))
				return true;
	}
	return false;
}

/* Networks that go while guests may still be on them. Return: their names, or NULL. */
static char (*find_closed(const struct vs_plan_input *in, const struct vs_plan *plan,
			  size_t *nr))[IFNAMSIZ]
{
	const json_t *doc = vs_observed_doc(&plan->model, VS_DOC_NFT, RULES_FILTER);
	const struct vs_record *r = in->record;
	char(*closed)[IFNAMSIZ] = NULL, *added;

	*nr = 0;
	for (size_t i = 0; i < r->nr_networks; i++) {
		const char *name = r->networks[i].name;

		if (vs_wanted_network(in->wanted, name) || !has_device(doc, name) ||
		    !vs_observed_link(&plan->model, name))
			continue;
		added = array_add(&closed, nr, sizeof(*closed));
		if (!added)
			break;
		memcpy(added, name, IFNAMSIZ);
	}
	return closed;
}

static void set_or_delete(struct plan_for *p, const char *name, json_t *doc, bool may_delete)
{
	if (doc)
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name, doc);
	else if (may_delete)
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name);
}

/* "... tcp dport 8000-8010 ... dnat ip to 10.20.0.11:443". Return: false: it is not like that. */
static bool forward_of_rule(const char *text, json_t **which)
{
	const char *dport = strstr(text, " dport "), *to = strstr(text, " to ");
	unsigned int first, last;
	char address[64];
	int n;

	if (!dport || !to || dport - text < 3)
		return false;
	n = sscanf(dport, " dport %5u-%5u", &first, &last);
	to += strlen(" to ");
	if (n < 1 || sscanf(to, to[0] == '[' ? "[%63[0-9a-f:.]" : "%63[0-9a-f:.]", address) != 1)
		return false;
	/* An IPv4 address's port; all of an IPv6 address's are in brackets. */
	if (to[0] != '[' && strchr(address, '.'))
		address[strcspn(address, ":")] = '\0';
	*which = json_pack("{sisisiss}", "protocol",
			   !strncmp(dport - 3, "udp", 3) ? IPPROTO_UDP : IPPROTO_TCP, "first",
			   (int)first, "last", (int)(n == 2 ? last : first), "to", address);
	return true;
}

static bool has_rule(const json_t *rules, const char *text)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule)
		if (!strcmp(json_string_value(json_object_get(rule, "rule")), text))
			return true;
	return false;
}

/* Connections by forwards that were and are no more, or are for others now, are ended. */
static void end_forwards(struct plan_for *p, json_t *old, const json_t *doc)
{
	const json_t *now = json_object_get(doc, "rules"), *rule;
	json_t *forwards = json_array(), *which;
	size_t i;

	json_array_foreach (json_object_get(old, "rules"), i, rule) {
		const char *text = json_string_value(json_object_get(rule, "rule"));

		if (text && !has_rule(now, text) && forward_of_rule(text, &which) &&
		    json_array_append_new(forwards, which) != 0)
			p->rc = p->rc ? p->rc : -ENOMEM;
	}
	if (!forwards && !p->rc)
		p->rc = -ENOMEM;
	if (json_array_size(forwards))
		plan_end_flows(p, VS_DISRUPTION_BLIP, "forwards that changed",
			       json_pack("{sO}", "forwards", forwards));
	json_decref(forwards);
}

/* @name: "" for a network without uplink, or one whose ports nobody asks about. */
static int find_uplink(const struct vs_plan_input *in, const struct vs_plan *plan,
		       const struct vs_network *n, char name[IFNAMSIZ])
{
	const struct vs_link *link = NULL;
	const char *found = "";
	int rc = 0;

	if (rules_ports(in->wanted, n) != RULES_PORTS_FILTERED || !n->has_uplink)
		found = "";
	else if (n->uplink_vlan)
		found = n->uplink_vlan_name;
	else if (n->uplink_bond.nr_members)
		found = n->uplink_name;
	else
		rc = vs_match_uplink(in, &plan->model, n, &link);
	snprintf(name, IFNAMSIZ, "%.15s", link ? link->name : found);
	return rc;
}

static int set_bridges(const struct vs_plan_input *in, struct vs_plan *plan, struct plan_for *p,
		       bool is_end)
{
	const struct vs_wanted *w = in->wanted;
	char(*uplinks)[IFNAMSIZ] = calloc(w->nr_networks + 1, sizeof(*uplinks));
	json_t *doc = NULL;

	if (!uplinks)
		p->rc = -ENOMEM;
	for (size_t i = 0; !p->rc && i < w->nr_networks; i++)
		p->rc = find_uplink(in, plan, &w->networks[i], uplinks[i]);
	if (!p->rc)
		doc = rules_bridge(w, (const char(*)[IFNAMSIZ])uplinks, &p->rc);
	if (!p->rc)
		set_or_delete(p, RULES_BRIDGE, doc, is_end);
	free(uplinks);
	return p->rc;
}

static int set_documents(const struct vs_plan_input *in, struct vs_plan *plan, bool is_end)
{
	struct plan_for p = { .plan = plan, .network = "" };
	size_t nr_closed = 0;
	char(*closed)[IFNAMSIZ] = is_end ? NULL : find_closed(in, plan, &nr_closed);
	json_t *doc = rules_filter(in->wanted, (const char(*)[IFNAMSIZ])closed, nr_closed, &p.rc);
	json_t *old;

	free(closed);
	if (!p.rc)
		set_bridges(in, plan, &p, is_end);
	if (!p.rc)
		set_or_delete(&p, RULES_FILTER, doc, is_end);
	doc = NULL;
	if (!p.rc)
		doc = rules_nat(in->wanted, &p.rc);
	old = json_incref(vs_observed_doc(&plan->model, VS_DOC_NFT, RULES_NAT));
	json_incref(doc);
	if (!p.rc)
		set_or_delete(&p, RULES_NAT, doc, is_end);
	if (!p.rc && (doc || is_end))
		end_forwards(&p, old, doc);
	json_decref(old);
	json_decref(doc);
	return p.rc;
}

int vs_plan_rules_begin(const struct vs_plan_input *in, struct vs_plan *plan)
{
	int rc = check(in, plan);

	return rc ? rc : set_documents(in, plan, false);
}

int vs_plan_rules_end(const struct vs_plan_input *in, struct vs_plan *plan)
{
	return set_documents(in, plan, true);
}
