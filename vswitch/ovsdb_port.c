/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VS_DOC_OVS_PORT. A port's number is asked for, so that its guard is in the flow table before it is in
 * the bridge; where ovs-vswitchd gives it another one, nothing passes until the guard has followed.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bitmap.h>
#include <ovsdb-idl.h>
#include <vswitch-idl.h>

#include "vswitch/ovs.h"

#define NR_VLANS   4096
#define NUMBER_MAX 60000
#define IS_UPLINK  "vifrost-uplink" /* in external_ids of an uplink's port */

/* ---- Reading ---- */

unsigned int ovs_port_number(const struct ovsrec_port *port)
{
	const struct ovsrec_interface *iface = port->n_interfaces ? port->interfaces[0] : NULL;

	if (iface && iface->n_ofport && iface->ofport[0] > 0)
		return (unsigned int)iface->ofport[0];
	return 0;
}

json_t *ovs_port_guard(const struct ovsrec_port *port)
{
	const char *text = smap_get(&port->external_ids, OVS_GUARD_KEY);

	return text ? json_loads(text, 0, NULL) : NULL;
}

/* [[first, last], ...] of a port's trunks, which are sorted. */
static json_t *read_trunk(const struct ovsrec_port *port)
{
	json_t *ranges = json_array(), *last = NULL;

	for (size_t i = 0; i < port->n_trunks; i++) {
		if (last && port->trunks[i] == json_integer_value(json_array_get(last, 1)) + 1) {
			json_array_set_new(last, 1, json_integer(port->trunks[i]));
			continue;
		}
		json_array_append_new(ranges, json_pack("[I,I]", (json_int_t)port->trunks[i],
							(json_int_t)port->trunks[i]));
		last = json_array_get(ranges, json_array_size(ranges) - 1);
	}
	return ranges;
}

static void read_vlans(const struct ovsrec_port *port, json_t *doc)
{
	const char *mode = port->vlan_mode ? port->vlan_mode : "";
	const char *key = !strcmp(mode, "native-untagged") ? "native" : "access";

	if (port->n_trunks)
		json_object_set_new(doc, "trunk", read_trunk(port));
	if (port->n_tag)
		json_object_set_new(doc, key, json_integer(port->tag[0]));
}

/* All but the guard, which only the flow table proves. */
json_t *ovs_port_read(const struct ovsrec_port *port, const struct ovsrec_bridge *on)
{
	json_t *doc = json_pack("{s:s,s:b}", "bridge", on->name, "protected", port->protected_);
	json_t *ids = json_object();
	const struct smap_node *node;

	if (port->n_interfaces)
		SMAP_FOR_EACH (node, &port->interfaces[0]->external_ids)
			if (strcmp(node->key, OVS_OWNER_KEY) != 0)
				json_object_set_new(ids, node->key, json_string(node->value));
	if (doc && json_object_size(ids))
		json_object_set(doc, "ids", ids);
	json_decref(ids);
	if (doc && smap_get(&port->external_ids, IS_UPLINK))
		json_object_set_new(doc, "uplink", json_true());
	if (doc)
		read_vlans(port, doc);
	return doc;
}

/* ---- Writing ---- */

struct change {
	const char *name;
	const json_t *doc; /* NULL: take it away */
	unsigned int number;
};

static void write_vlans(const struct ovsrec_port *port, const json_t *doc)
{
	json_t *ranges = json_object_get(doc, "trunk"), *range;
	json_t *native = json_object_get(doc, "native"), *access = json_object_get(doc, "access");
	int64_t *trunks = calloc(NR_VLANS, sizeof(*trunks));
	int64_t tag = json_integer_value(native ? native : access);
	size_t i, nr = 0;

	json_array_foreach (ranges, i, range) {
		json_int_t first = json_integer_value(json_array_get(range, 0));
		json_int_t last = json_integer_value(json_array_get(range, 1));

		for (json_int_t id = first; trunks && id <= last && nr < NR_VLANS; id++)
			trunks[nr++] = id;
	}
	ovsrec_port_set_trunks(port, trunks, nr);
	ovsrec_port_set_tag(port, &tag, native || access);
	ovsrec_port_set_vlan_mode(port, native	 ? "native-untagged"
					: ranges ? "trunk"
					: access ? "access"
						 : NULL);
	free(trunks);
}

static void write_ids(const struct ovsrec_port *port, const struct ovsrec_interface *iface,
		      const json_t *doc)
{
	struct smap ids = SMAP_INITIALIZER(&ids), port_ids = SMAP_INITIALIZER(&port_ids);
	json_t *guard = json_object_get(doc, "guard"), *value;
	char *text = guard ? json_dumps(guard, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	const char *key;

	json_object_foreach (json_object_get(doc, "ids"), key, value)
		smap_add(&ids, key, json_string_value(value));
	smap_add(&ids, OVS_OWNER_KEY, OVS_OWNER);
	smap_add(&port_ids, OVS_OWNER_KEY, OVS_OWNER);
	if (text)
		smap_add(&port_ids, OVS_GUARD_KEY, text);
	if (json_is_true(json_object_get(doc, "uplink")))
		smap_add(&port_ids, IS_UPLINK, "true");
	ovsrec_interface_set_external_ids(iface, &ids);
	ovsrec_port_set_external_ids(port, &port_ids);
	smap_destroy(&ids);
	smap_destroy(&port_ids);
	free(text);
}

static const struct ovsrec_port *insert(struct ovsdb_idl_txn *txn, const char *name)
{
	struct ovsrec_port *port = ovsrec_port_insert(txn);
	struct ovsrec_interface *iface = ovsrec_interface_insert(txn);

	ovsrec_interface_set_name(iface, name);
	ovsrec_port_set_name(port, name);
	ovsrec_port_set_interfaces(port, &iface, 1);
	return port;
}

static int build(struct ovs *ovs, void *arg, char *why)
{
	const struct change *c = arg;
	const char *bridge = json_string_value(json_object_get(c->doc, "bridge"));
	const struct ovsrec_bridge *old_on = NULL, *on = NULL;
	const struct ovsrec_port *port = ovs_port(ovs, c->name, &old_on);
	struct ovsdb_idl_txn *txn = ovs->txn;
	int64_t number = c->number;
	bool is_ours;

	if (bridge) {
		on = ovs_bridge(ovs, bridge, &is_ours);
		if (!on)
			return ovs_fail(-ENONET, why, "Open vSwitch has no bridge %s", bridge);
	}
	/* A bridge's own comes and goes with it. */
	if (port && !strcmp(old_on->name, c->name))
		return c->doc ? ovs_fail(-EEXIST, why, "%s is a bridge of Open vSwitch", c->name)
			      : 0;
	if (port && on != old_on) {
		ovsrec_bridge_update_ports_delvalue(old_on, port);
		ovsrec_port_delete(port);
		port = NULL;
	}
	if (!on)
		return 0;
	if (!port) {
		port = insert(txn, c->name);
		ovsrec_bridge_update_ports_addvalue(on, port);
		if (number)
			ovsrec_interface_set_ofport_request(port->interfaces[0], &number, 1);
	}
	write_vlans(port, c->doc);
	write_ids(port, port->interfaces[0], c->doc);
	ovsrec_port_set_protected_(port, json_is_true(json_object_get(c->doc, "protected")));
	/* A guest has no say in the spanning tree. */
	if (!json_is_true(json_object_get(c->doc, "uplink"))) {
		ovsrec_port_update_other_config_setkey(port, "stp-enable", "false");
		ovsrec_port_update_other_config_setkey(port, "rstp-enable", "false");
	}
	return 0;
}

/* One that no port of ours on that bridge has. */
static unsigned int free_number(const struct ovsrec_bridge *on)
{
	unsigned long *used = bitmap_allocate(NUMBER_MAX + 1);
	const struct ovsrec_interface *iface;
	size_t number;

	bitmap_set1(used, 0);
	for (size_t i = 0; i < on->n_ports; i++) {
		iface = on->ports[i]->n_interfaces ? on->ports[i]->interfaces[0] : NULL;
		if (iface && iface->n_ofport && iface->ofport[0] > 0 &&
		    iface->ofport[0] <= NUMBER_MAX)
			bitmap_set1(used, (size_t)iface->ofport[0]);
		if (iface && iface->n_ofport_request && iface->ofport_request[0] <= NUMBER_MAX)
			bitmap_set1(used, (size_t)iface->ofport_request[0]);
	}
	number = bitmap_scan(used, 0, 1, NUMBER_MAX + 1);
	bitmap_free(used);
	return number <= NUMBER_MAX ? (unsigned int)number : 0;
}

static int set_guard(struct ovs *ovs, const char *bridge, unsigned int number, const json_t *guard,
		     char *why)
{
	json_t *flows = ovs_guard_flows(guard, number);
	uint64_t pps = (uint64_t)json_integer_value(json_object_get(guard, "packets-per-s"));
	int rc = flows ? ovs_flows_set(ovs, bridge, number, flows, pps, why) : -ENOMEM;

	json_decref(flows);
	return rc;
}

static int take_away(struct ovs *ovs, const char *name, char *why)
{
	const struct ovsrec_bridge *on;
	const struct ovsrec_port *port = ovs_port(ovs, name, &on);
	struct change c = { .name = name };
	char bridge[IFNAMSIZ];
	unsigned int number;
	bool has_guard;
	int rc;

	if (!port)
		return 0;
	snprintf(bridge, sizeof(bridge), "%s", on->name);
	number = ovs_port_number(port);
	has_guard = smap_get(&port->external_ids, OVS_GUARD_KEY) != NULL;
	rc = ovs_commit(ovs, build, &c, why);
	if (!rc && has_guard && number)
		rc = ovs_flows_set(ovs, bridge, number, NULL, 0, why);
	return rc ? rc : ovs_mirrors_refresh(ovs, bridge, why);
}

/* ovs-vswitchd has done what it could: whether that is what was asked for. */
static int check(struct ovs *ovs, const struct change *c, const json_t *guard, char *why)
{
	const struct ovsrec_bridge *on;
	const struct ovsrec_port *port = ovs_port(ovs, c->name, &on);
	const struct ovsrec_interface *iface = port && port->n_interfaces ? port->interfaces[0]
									  : NULL;
	char text[VS_TEXT_LEN];
	unsigned int number;
	int rc;

	if (!iface)
		return ovs_fail(-EAGAIN, why, "someone else has removed port %s", c->name);
	number = ovs_port_number(port);
	if (!number || iface->error) {
		ovs_fail(0, text, "ovs-vswitchd cannot use %s: %.90s", c->name,
			 iface->error ? iface->error : "no such link");
		rc = take_away(ovs, c->name, why);
		if (!rc)
			snprintf(why, VS_TEXT_LEN, "%s", text);
		return rc ? rc : -EIO;
	}
	if (!guard || number == c->number)
		return 0;
	rc = ovs_flows_set(ovs, on->name, c->number, NULL, 0, why);
	return rc ? rc : set_guard(ovs, on->name, number, guard, why);
}

static int put(struct ovs *ovs, const char *name, const json_t *doc, char *why)
{
	const char *bridge = json_string_value(json_object_get(doc, "bridge"));
	const json_t *guard = json_object_get(doc, "guard");
	const struct ovsrec_bridge *on, *old_on = NULL;
	const struct ovsrec_port *port;
	struct change c = { .name = name, .doc = doc };
	bool is_ours;
	int rc = 0;

	on = bridge ? ovs_bridge(ovs, bridge, &is_ours) : NULL;
	if (!on)
		return ovs_fail(-ENONET, why, "Open vSwitch has no bridge %s",
				bridge ? bridge : "");
	port = ovs_port(ovs, name, &old_on);
	/* Flows of a port that moves to another bridge go with it. */
	if (port && old_on != on && smap_get(&port->external_ids, OVS_GUARD_KEY))
		rc = take_away(ovs, name, why);
	if (rc)
		return rc;
	on = ovs_bridge(ovs, bridge, &is_ours);
	port = ovs_port(ovs, name, &old_on);
	c.number = port && old_on == on ? ovs_port_number(port) : 0;
	if (!c.number && on)
		c.number = free_number(on);
	if (guard)
		rc = set_guard(ovs, bridge, c.number, guard, why);
	if (!rc)
		rc = ovs_commit(ovs, build, &c, why);
	if (!rc)
		rc = check(ovs, &c, guard, why);
	return rc ? rc : ovs_mirrors_refresh(ovs, bridge, why);
}

/* ---- The kind of document ---- */

static int port_open(const char *rundir, void **ctx, char *why)
{
	return ovs_open(rundir, (struct ovs **)ctx, why);
}

static int observe_bridge(struct ovs *ovs, const struct ovsrec_bridge *on, struct vs_observed *o,
			  char *why)
{
	bool is_secure = on->fail_mode && !strcmp(on->fail_mode, "secure");
	struct ovs_dump *dump = NULL;
	int rc = is_secure ? ovs_flows_dump(ovs, on->name, &dump, why) : 0;
	json_t *doc, *guard;

	for (size_t i = 0; !rc && i < on->n_ports; i++) {
		if (!strcmp(on->ports[i]->name, on->name))
			continue;
		doc = ovs_port_read(on->ports[i], on);
		guard = ovs_port_guard(on->ports[i]);
		if (doc && guard && dump &&
		    ovs_dump_has(ovs, dump, ovs_port_number(on->ports[i]), guard))
			json_object_set(doc, "guard", guard);
		rc = doc ? vs_observed_set_doc(o, VS_DOC_OVS_PORT, on->ports[i]->name, doc)
			 : -ENOMEM;
		json_decref(guard);
		json_decref(doc);
	}
	ovs_dump_free(dump);
	return rc;
}

static int port_observe(void *ctx, struct vs_observed *o, char *why)
{
	struct ovs *ovs = ctx;
	const struct ovsrec_bridge *row;
	int rc = ovs_ready(ovs, false, why);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl) {
		rc = observe_bridge(ovs, row, o, why);
		if (rc)
			return rc;
	}
	return 0;
}

static int port_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct ovs *ovs = ctx;
	const struct ovsrec_bridge *on;
	const struct ovsrec_port *port;
	int rc = ovs_ready(ovs, false, why);

	*doc = NULL;
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	port = ovs_port(ovs, name, &on);
	/* Without the guard: so it is set again, whatever the flow table has. */
	if (port)
		*doc = ovs_port_read(port, on);
	return port && !*doc ? -ENOMEM : 0;
}

static int port_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct ovs *ovs = ctx;
	int rc = ovs_ready(ovs, doc != NULL, why);

	if (rc == -ENOENT && !doc)
		return 0;
	if (rc)
		return rc;
	return doc ? put(ovs, name, doc, why) : take_away(ovs, name, why);
}

static void port_close(void *ctx)
{
	ovs_close(ctx);
}

const struct vs_doc_ops ovs_port_ops = {
	.open = port_open,
	.observe = port_observe,
	.get = port_get,
	.apply = port_apply,
	.close = port_close,
};
