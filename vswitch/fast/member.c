/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports come into their network and leave it: between two turns of its thread. */
#include <errno.h>
#include <string.h>

#include "vswitch/fast/fast_priv.h"

/* The one it had with a predecessor, or if it can be had none that another had. */
static uint16_t free_id(const struct fast_net *net, const char *name)
{
	uint16_t any = 0, fresh = 0;

	for (uint16_t id = FAST_PORTS_MAX - 1; id; id--) {
		if (net->by_id[id])
			continue;
		any = id;
		if (!net->names || !net->names[id][0])
			fresh = id;
		else if (!strncmp(net->names[id], name, IFNAMSIZ))
			return id;
	}
	return fresh ? fresh : any;
}

/* Its MAC is nowhere else. One that another port has already stays there. */
static int fix_mac(struct fast_port *p)
{
	uint16_t vlan = p->vlans.is_trunk ? FAST_ANY_VLAN : p->vlans.pvid;

	if (!p->has_mac)
		return 0;
	p->net->has_any_vlan |= p->vlans.is_trunk;
	return fast_fdb_fix(&p->net->fdb, fast_fdb_key(p->mac, vlan), p->id);
}

int fast_member_add(struct fast_net *net, struct fast_port *p)
{
	int rc;

	p->net = net;
	p->id = free_id(net, p->name);
	if (!p->id)
		return -ENOSPC;
	net->by_id[p->id] = p;
	list_append(&net->ports, &p->siblings);
	rc = fix_mac(p);
	if (!rc)
		rc = fast_thread_add(net->thread, p);
	if (rc)
		fast_member_remove(p);
	return rc;
}

/* Whoever has its addresses next is not to go on with what it began, nor with what was said to it. */
static void end_flows(struct fast_port *p)
{
	const struct fast_guard *guard = p->gate ? p->gate->guard : NULL;
	struct fast_net *net = p->net;
	struct list *l;

	if (net->ct)
		fast_ct_end_guest(net->ct, p->id);
	if (net->ct && guard)
		fast_ct_end_if(net->ct, fast_guard_is_of, guard);
	list_for_each (&net->thread->nets, l) {
		struct fast_gateway *g = list_entry(l, struct fast_net, members)->gateway;

		if (guard && g && g->nat)
			fast_nat_end_if(g->nat, fast_guard_is_of, guard);
	}
}

void fast_member_remove(struct fast_port *p)
{
	struct fast_net *net = p->net;

	if (!p->id)
		return;
	fast_thread_remove(p);
	fast_fdb_forget(&net->fdb, p->id, true);
	if (p->kind == FAST_GUEST)
		end_flows(p);
	net->by_id[p->id] = NULL;
	list_remove(&p->siblings);
	p->id = 0;
}

/* Whether frames to MACs that nobody knows cannot be for who is behind @doc. */
static bool is_only_mac(const struct fast_port_doc *doc)
{
	const char *level = json_string_value(json_object_get(doc->guard, "level"));

	return doc->has_mac && level && strcmp(level, "none") != 0;
}

int fast_member_update(struct fast_port *p, const struct fast_port_doc *doc, struct fast_gate *gate)
{
	uint8_t mac[8] = { 0 };

	memcpy(mac, doc->mac, MAC_LEN);
	p->has_mac = doc->has_mac;
	p->mac = fast_mac(mac);
	p->is_protected = doc->is_protected;
	p->is_only_mac = is_only_mac(doc);
	p->vlans = doc->vlans;
	p->gate = gate;
	fast_limit_set(&p->from, &doc->from);
	fast_limit_set(&p->to, &doc->to);
	if (!p->id)
		return 0;
	/* What it was known by may be another VLAN's now. */
	fast_fdb_forget(&p->net->fdb, p->id, true);
	return fix_mac(p);
}
