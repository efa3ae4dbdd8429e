/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/vlans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_LEN (VLAN_MAX / 2 * 10)

static bool is_in(const uint8_t *map, unsigned int id)
{
	return map[id / 8] & 1u << id % 8;
}

void vlan_set_add(struct vlan_set *s, uint16_t first, uint16_t last, bool untagged)
{
	for (unsigned int id = first ? first : 1; id <= last && id <= VLAN_MAX; id++) {
		(untagged ? s->untagged : s->tagged)[id / 8] |= (uint8_t)(1u << id % 8);
		(untagged ? s->tagged : s->untagged)[id / 8] &= (uint8_t) ~(1u << id % 8);
	}
}

bool vlan_set_has(const struct vlan_set *s, uint16_t id)
{
	return id && id <= VLAN_MAX && (is_in(s->tagged, id) || is_in(s->untagged, id));
}

static void write_ranges(const uint8_t *map, char *text, size_t size)
{
	unsigned int id = 1, first;
	size_t len = 0;

	text[0] = '\0';
	while (id <= VLAN_MAX && len < size) {
		first = id;
		while (id <= VLAN_MAX && is_in(map, id))
			id++;
		if (id > first + 1)
			len += (size_t)snprintf(text + len, size - len, "%s%u-%u", len ? "," : "",
						first, id - 1);
		else if (id > first)
			len += (size_t)snprintf(text + len, size - len, "%s%u", len ? "," : "",
						first);
		else
			id++;
	}
}

static int put_ranges(json_t *doc, const char *key, const uint8_t *map)
{
	char text[RANGES_LEN];

	write_ranges(map, text, sizeof(text));
	return text[0] ? json_object_set_new(doc, key, json_string(text)) : 0;
}

json_t *vlan_set_json(const struct vlan_set *s)
{
	json_t *doc = json_object();

	if (!doc || (s->pvid && json_object_set_new(doc, "pvid", json_integer(s->pvid)) < 0) ||
	    put_ranges(doc, "untagged", s->untagged) < 0 ||
	    put_ranges(doc, "tagged", s->tagged) < 0) {
		json_decref(doc);
		return NULL;
	}
	return doc;
}

static int read_id(const char **p, uint16_t *id)
{
	unsigned int n = 0;
	const char *start = *p;

	for (; **p >= '0' && **p <= '9' && n <= VLAN_MAX; (*p)++)
		n = n * 10 + (unsigned int)(**p - '0');
	*id = (uint16_t)n;
	return *p == start || !n || n > VLAN_MAX ? -EINVAL : 0;
}

static int read_ranges(const json_t *text, bool untagged, struct vlan_set *s)
{
	const char *p = json_string_value(text);
	uint16_t first, last;
	int rc = 0;

	if (!text)
		return 0;
	if (!p)
		return -EINVAL;
	do {
		rc = read_id(&p, &first);
		last = first;
		if (!rc && *p == '-') {
			p++;
			rc = read_id(&p, &last);
		}
		if (!rc)
			vlan_set_add(s, first, last, untagged);
	} while (!rc && *p == ',' && p++);
	return rc || *p ? -EINVAL : 0;
}

int vlan_set_from_json(const json_t *doc, struct vlan_set *s)
{
	json_int_t pvid = json_integer_value(json_object_get(doc, "pvid"));
	int rc;

	*s = (struct vlan_set){ 0 };
	if (!json_is_object(doc) || pvid < 0 || pvid > VLAN_MAX)
		return -EINVAL;
	s->pvid = (uint16_t)pvid;
	rc = read_ranges(json_object_get(doc, "tagged"), false, s);
	return rc ? rc : read_ranges(json_object_get(doc, "untagged"), true, s);
}

static void set_pvid(struct vlan_set *s, uint16_t id)
{
	s->pvid = id;
	vlan_set_add(s, id, id, true);
}

void vlan_set_of_vif(const struct vs_vlans *v, struct vlan_set *s)
{
	*s = (struct vlan_set){ 0 };
	for (size_t i = 0; i < v->nr_trunk; i++)
		vlan_set_add(s, v->trunk[i].first, v->trunk[i].last, false);
	if (v->nr_trunk && v->native)
		set_pvid(s, v->native);
	else if (!v->nr_trunk)
		set_pvid(s, v->access ? v->access : VLAN_UNTAGGED);
}

static void set_vlans(struct plan_for *p, const char *link, const struct vlan_set *s)
{
	const json_t *now = vs_observed_doc(&p->plan->model, VS_DOC_VLANS, link);
	json_t *doc = vlan_set_json(s);

	/* Linux takes no forwarding entry away of a VLAN that the port has no more. */
	if (!now || !json_equal(now, doc))
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, link);
	plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_VLANS, link, doc);
}

void plan_vif_vlans(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	struct vlan_set s;

	if (!n->vlan_filtering)
		return;
	vlan_set_of_vif(&vif->vlans, &s);
	set_vlans(p, vif->name, &s);
}

void plan_trunk_all(struct plan_for *p, const char *link)
{
	struct vlan_set s = { 0 };

	vlan_set_add(&s, 1, VLAN_MAX, false);
	set_pvid(&s, VLAN_UNTAGGED);
	set_vlans(p, link, &s);
}

/* Untagged as it was, and the tags of everyone behind the bridge. */
static void plan_uplink(struct plan_for *p, const struct vs_plan_input *in,
			const struct vs_network *n, const char *uplink)
{
	struct vlan_set all = { 0 }, one;

	for (size_t i = 0; i < n->nr_vlans; i++)
		vlan_set_add(&all, n->vlans[i].first, n->vlans[i].last, false);
	for (size_t i = 0; i < in->wanted->nr_vifs; i++) {
		const struct vs_vif *vif = &in->wanted->vifs[i];

		if (strcmp(vif->network, n->name) != 0)
			continue;
		vlan_set_of_vif(&vif->vlans, &one);
		for (size_t k = 0; k < VLAN_MAP_SIZE; k++)
			all.tagged[k] |= one.tagged[k] | one.untagged[k];
	}
	vlan_set_add(&all, n->host_vlan, n->host_vlan, false);
	set_pvid(&all, VLAN_UNTAGGED);
	set_vlans(p, uplink, &all);
}

/* Ports that stand on the bridge already get their VLANs before the filter asks for them. */
static void prepare_ports(struct plan_for *p, const struct vs_plan_input *in,
			  const struct vs_network *n, int bridge)
{
	const struct vs_observed *o = &p->plan->model;
	struct vlan_set untagged = { 0 };

	for (size_t i = 0; i < in->wanted->nr_vifs; i++) {
		const struct vs_vif *vif = &in->wanted->vifs[i];
		const struct vs_link *link = plan_link(p, vif->name);

		if (link && link->master == bridge && !strcmp(vif->network, n->name))
			plan_vif_vlans(p, n, vif);
	}
	/* What others have put on it goes on as it was. */
	set_pvid(&untagged, VLAN_UNTAGGED);
	for (size_t i = 0; !p->rc && i < o->nr_links; i++)
		if (o->links[i].master == bridge &&
		    !vs_observed_doc(o, VS_DOC_VLANS, o->links[i].name))
			set_vlans(p, o->links[i].name, &untagged);
}

/* Changing the VLAN of new ports takes the old one from those that have it, and leaves its entries. */
static void drop_entries(struct plan_for *p, int bridge)
{
	const struct vs_observed *o = &p->plan->model;
	char port[IFNAMSIZ];

	for (size_t i = 0; !p->rc && i < o->nr_links; i++)
		if (o->links[i].master == bridge) {
			memcpy(port, o->links[i].name, sizeof(port));
			plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, port);
		}
}

void plan_vlans_off(struct plan_for *p, const char *bridge)
{
	const struct vs_observed *o = &p->plan->model;
	const struct vs_link *link = plan_link(p, bridge);
	int ifindex = link ? link->ifindex : 0;
	char port[IFNAMSIZ];

	if (!link || !link->bridge[VS_BRIDGE_VLAN_FILTERING])
		return;
	plan_set_bridge(p, VS_DISRUPTION_NONE, bridge, VS_BRIDGE_VLAN_FILTERING, 0);
	for (size_t i = 0; !p->rc && i < o->nr_links; i++)
		if (o->links[i].master == ifindex) {
			memcpy(port, o->links[i].name, sizeof(port));
			plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, port);
			plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_VLANS, port);
		}
	plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_VLANS, bridge);
	plan_set_bridge(p, VS_DISRUPTION_NONE, bridge, VS_BRIDGE_DEFAULT_PVID, VLAN_UNTAGGED);
}

int plan_vlans(const struct vs_plan_input *in, const struct vs_network *n, const char *uplink,
	       struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	const struct vs_link *bridge = plan_link(&p, n->name);
	struct vlan_set own = { 0 };
	int ifindex = bridge ? bridge->ifindex : 0;
	bool is_on = bridge && bridge->bridge[VS_BRIDGE_VLAN_FILTERING];

	if (!n->vlan_filtering) {
		plan_vlans_off(&p, n->name);
		return p.rc;
	}
	if (plan->model.lacks & VS_LACKS_VLAN_FILTERING) {
		diag_add(in->ds, DIAG_ERROR, "VF0514", &n->place,
			 "use a kernel with it, or take vlan-filtering and the vifs' vlans out",
			 "network %s: bridge VLAN filtering is not in this kernel "
			 "(CONFIG_BRIDGE_VLAN_FILTERING)",
			 n->name);
		return -EINVAL;
	}
	/* A new port gets nothing; while the filter is on, Linux refuses to change that. */
	if (!is_on) {
		drop_entries(&p, ifindex);
		plan_set_bridge(&p, VS_DISRUPTION_NONE, n->name, VS_BRIDGE_DEFAULT_PVID, 0);
	}
	set_pvid(&own, n->host_vlan ? n->host_vlan : VLAN_UNTAGGED);
	set_vlans(&p, n->name, &own);
	if (uplink)
		plan_uplink(&p, in, n, uplink);
	if (!is_on)
		prepare_ports(&p, in, n, ifindex);
	plan_set_bridge(&p, VS_DISRUPTION_NONE, n->name, VS_BRIDGE_VLAN_FILTERING, 1);
	return p.rc;
}
