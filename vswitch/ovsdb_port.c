/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VS_DOC_OVS_PORT: rows of ports, read and written. */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ovsdb-idl.h>
#include <vswitch-idl.h>

#include "vswitch/ovs.h"

#define NR_VLANS  4096
#define IS_UPLINK "vifrost-uplink" /* in external_ids of an uplink's port */

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

/* A port without a link. */
static void read_device(const struct ovsrec_port *port, json_t *doc)
{
	const struct ovsrec_interface *iface = port->interfaces[0];
	const char *devargs = smap_get(&iface->options, "dpdk-devargs");
	int queues = smap_get_int(&iface->options, "n_rxq", 0);
	json_t *rate;

	if (strcmp(iface->type, "dpdk") != 0 || !devargs)
		return;
	rate = ovs_qos_read(port);
	json_object_set_new(doc, "devargs", json_string(devargs));
	if (queues)
		json_object_set_new(doc, "queues", json_integer(queues));
	if (iface->n_mtu_request)
		json_object_set_new(doc, "mtu", json_integer(iface->mtu_request[0]));
	if (rate)
		json_object_set_new(doc, "to-guest", rate);
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
	if (doc && port->n_interfaces)
		read_device(port, doc);
	return doc;
}

/* ---- Writing ---- */

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

static void write_device(const struct ovsrec_interface *iface, const json_t *doc)
{
	const char *devargs = json_string_value(json_object_get(doc, "devargs"));
	int64_t mtu = json_integer_value(json_object_get(doc, "mtu"));
	struct smap options = SMAP_INITIALIZER(&options);
	char text[16];

	if (!devargs && strcmp(iface->type, "dpdk") != 0)
		return;
	snprintf(text, sizeof(text), "%u",
		 (unsigned int)json_integer_value(json_object_get(doc, "queues")));
	if (devargs)
		smap_add(&options, "dpdk-devargs", devargs);
	if (devargs && json_object_get(doc, "queues"))
		smap_add(&options, "n_rxq", text);
	ovsrec_interface_set_type(iface, devargs ? "dpdk" : "");
	ovsrec_interface_set_options(iface, &options);
	ovsrec_interface_set_mtu_request(iface, &mtu, devargs && mtu);
	smap_destroy(&options);
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

int ovs_port_write(struct ovs *ovs, const struct ovs_port_change *c, const struct ovsrec_port *port,
		   const struct ovsrec_bridge *old_on, char *why)
{
	const char *bridge = json_string_value(json_object_get(c->doc, "bridge"));
	const struct ovsrec_bridge *on = NULL;
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
		ovs_qos_write(ovs, port, NULL);
		ovsrec_bridge_update_ports_delvalue(old_on, port);
		ovsrec_port_delete(port);
		port = NULL;
	}
	if (!on)
		return 0;
	if (!port) {
		port = insert(ovs->txn, c->name);
		ovsrec_bridge_update_ports_addvalue(on, port);
		if (number)
			ovsrec_interface_set_ofport_request(port->interfaces[0], &number, 1);
	}
	write_vlans(port, c->doc);
	write_ids(port, port->interfaces[0], c->doc);
	write_device(port->interfaces[0], c->doc);
	ovs_qos_write(ovs, port, json_object_get(c->doc, "to-guest"));
	ovsrec_port_set_protected_(port, json_is_true(json_object_get(c->doc, "protected")));
	/* A guest has no say in the spanning tree. */
	if (!json_is_true(json_object_get(c->doc, "uplink"))) {
		ovsrec_port_update_other_config_setkey(port, "stp-enable", "false");
		ovsrec_port_update_other_config_setkey(port, "rstp-enable", "false");
	}
	return 0;
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
		if (!strcmp(on->ports[i]->name, on->name) ||
		    !ovs_is_ours(&on->ports[i]->external_ids))
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
	json_t *guard;
	int rc = ovs_ready(ovs, false, why);

	*doc = NULL;
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	port = ovs_port(ovs, name, &on);
	if (!port)
		return 0;
	*doc = ovs_port_read(port, on);
	/* Where it is not known to be there it is set again, whatever the flow table has. */
	guard = ovs_port_guard(port);
	if (*doc && guard && ovs_guard_is_there(ovs, on->name, ovs_port_number(port), guard))
		json_object_set(*doc, "guard", guard);
	json_decref(guard);
	return *doc ? 0 : -ENOMEM;
}

static int port_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct ovs_port_change c = { .name = name, .doc = doc };

	return ovs_ports_change(ctx, &c, 1, why);
}

static int port_apply_many(void *ctx, const struct vs_op *const *ops, size_t nr, char *why)
{
	struct ovs_port_change *v = calloc(nr, sizeof(*v));
	int rc = -ENOMEM;

	for (size_t i = 0; v && i < nr; i++) {
		v[i].name = ops[i]->text;
		v[i].doc = ops[i]->doc;
	}
	if (v)
		rc = ovs_ports_change(ctx, v, nr, why);
	free(v);
	return rc;
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
	.apply_many = port_apply_many,
	.close = port_close,
};
