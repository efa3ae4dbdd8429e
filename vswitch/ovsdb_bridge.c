/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VS_DOC_OVS_BRIDGE. The bridge's own link comes and goes with it. When the last one of ours goes, so
 * do the daemons that we started.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ovsdb-idl.h>
#include <vswitch-idl.h>

#include "vswitch/ovs.h"

/* Numbers of the spanning tree: the document's key, the database's for STP and RSTP (NULL: none). */
static const struct {
	const char *key, *stp, *rstp;
} tree_keys[] = {
	{ "max-age", "stp-max-age", "rstp-max-age" },
	{ "forward-delay", "stp-forward-delay", "rstp-forward-delay" },
	{ "hello", "stp-hello-time", NULL },
	{ "priority", "stp-priority", "rstp-priority" },
};

/* ---- Reading ---- */

static const struct ovsrec_interface *own_interface(const struct ovsrec_bridge *row)
{
	for (size_t i = 0; i < row->n_ports; i++)
		if (!strcmp(row->ports[i]->name, row->name) && row->ports[i]->n_interfaces)
			return row->ports[i]->interfaces[0];
	return NULL;
}

static json_t *read_tree(const struct ovsrec_bridge *row, bool is_rstp)
{
	json_t *tree = json_object();

	for (size_t i = 0; i < sizeof(tree_keys) / sizeof(tree_keys[0]); i++) {
		const char *key = is_rstp ? tree_keys[i].rstp : tree_keys[i].stp;
		const char *text = key ? smap_get(&row->other_config, key) : NULL;

		if (text)
			json_object_set_new(tree, tree_keys[i].key,
					    json_integer(strtol(text, NULL, 10)));
	}
	return tree;
}

static json_t *read_firewall(const struct ovsrec_bridge *row)
{
	const char *text = smap_get(&row->external_ids, OVS_FIREWALL_KEY);

	return text ? json_loads(text, 0, NULL) : NULL;
}

json_t *ovs_bridge_base(const struct ovsrec_bridge *row)
{
	const char *mac = smap_get(&row->other_config, "hwaddr");
	json_t *firewall = read_firewall(row);

	return firewall ? json_pack("{s:s,s:o}", "mac", mac ? mac : "", "firewall", firewall)
			: json_null();
}

/* All but the flows. */
static json_t *read_bridge(const struct ovs *ovs, const struct ovsrec_bridge *row)
{
	const struct ovsrec_interface *own = own_interface(row);
	bool is_netdev = !strcmp(row->datapath_type, "netdev");
	bool is_secure = row->fail_mode && !strcmp(row->fail_mode, "secure");
	const char *mac = smap_get(&row->other_config, "hwaddr");
	json_t *doc = json_pack("{s:s,s:b}", "datapath", is_netdev ? "netdev" : "system", "secure",
				is_secure);
	json_t *mirrors, *firewall, *dpdk;

	if (!doc)
		return NULL;
	if (mac)
		json_object_set_new(doc, "mac", json_string(mac));
	if (own && own->n_mtu_request)
		json_object_set_new(doc, "mtu", json_integer(own->mtu_request[0]));
	if (row->stp_enable)
		json_object_set_new(doc, "stp", read_tree(row, false));
	if (row->rstp_enable)
		json_object_set_new(doc, "rstp", read_tree(row, true));
	mirrors = ovs_mirrors_read(row);
	if (json_array_size(mirrors))
		json_object_set(doc, "mirrors", mirrors);
	json_decref(mirrors);
	firewall = read_firewall(row);
	if (firewall)
		json_object_set_new(doc, "firewall", firewall);
	dpdk = ovs_dpdk_read(ovs, row);
	if (dpdk)
		json_object_set_new(doc, "dpdk", dpdk);
	return doc;
}

/* Whether the flow table is ours alone, and whole. */
static int check_flows(struct ovs *ovs, const struct ovsrec_bridge *row, bool *good, char *why)
{
	struct ovs_dump *dump;
	json_t *guard, *base;
	int rc = ovs_flows_dump(ovs, row->name, &dump, why);

	if (rc)
		return rc;
	base = ovs_bridge_base(row);
	*good = ovs_dump_has(ovs, dump, 0, base);
	ovs_dump_has(ovs, dump, OVS_GRACE_PORT, base);
	json_decref(base);
	for (size_t i = 0; i < row->n_ports; i++) {
		guard = ovs_port_guard(row->ports[i]);
		if (guard)
			ovs_dump_has(ovs, dump, ovs_port_number(row->ports[i]), guard);
		json_decref(guard);
	}
	*good &= !ovs_dump_has_strays(dump);
	ovs_dump_free(dump);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of a bridge that somebody else made: what it is like, and who is on it that is not ours. */
static json_t *read_foreign(const struct ovs *ovs, const struct ovsrec_bridge *row)
{
	const char **names = calloc(row->n_ports + 1, sizeof(*names));
	json_t *doc = read_bridge(ovs, row), *ports = json_array();
	size_t nr = 0;

	for (size_t i = 0; names && i < row->n_ports; i++)
		if (!ovs_is_ours(&row->ports[i]->external_ids))
			names[nr++] = row->ports[i]->name;
	if (nr)
		qsort(names, nr, sizeof(*names), compare_names);
	for (size_t i = 0; i < nr; i++)
		json_array_append_new(ports, json_string(names[i]));
	if (doc && json_array_size(ports) == nr && names) {
		json_object_set_new(doc, "foreign", json_true());
		json_object_set(doc, "ports", ports);
	} else {
		json_decref(doc);
		doc = NULL;
	}
	json_decref(ports);
	free(names);
	return doc;
}

static int read_whole(struct ovs *ovs, const struct ovsrec_bridge *row, json_t **doc, char *why)
{
	bool good = false;
	int rc = 0;

	if (!ovs_is_ours(&row->external_ids)) {
		*doc = read_foreign(ovs, row);
		return *doc ? 0 : -ENOMEM;
	}
	*doc = read_bridge(ovs, row);
	if (!*doc)
		return -ENOMEM;
	if (json_is_true(json_object_get(*doc, "secure")))
		rc = check_flows(ovs, row, &good, why);
	if (good)
		json_object_set_new(*doc, "flows", json_true());
	if (!rc)
		return 0;
	json_decref(*doc);
	*doc = NULL;
	return rc;
}

/* ---- Writing ---- */

struct change {
	const char *name;
	const json_t *doc; /* NULL: take it away */
};

static const struct ovsrec_bridge *insert(struct ovs *ovs, const char *name)
{
	struct ovsdb_idl_txn *txn = ovs->txn;
	struct ovsrec_bridge *row = ovsrec_bridge_insert(txn);
	struct ovsrec_port *port = ovsrec_port_insert(txn);
	struct ovsrec_interface *iface = ovsrec_interface_insert(txn);
	struct smap owner = SMAP_INITIALIZER(&owner);

	smap_add(&owner, OVS_OWNER_KEY, OVS_OWNER);
	ovsrec_interface_set_name(iface, name);
	ovsrec_interface_set_type(iface, "internal");
	ovsrec_interface_set_external_ids(iface, &owner);
	ovsrec_port_set_name(port, name);
	ovsrec_port_set_interfaces(port, &iface, 1);
	ovsrec_port_set_external_ids(port, &owner);
	ovsrec_bridge_set_name(row, name);
	ovsrec_bridge_set_external_ids(row, &owner);
	ovsrec_bridge_set_ports(row, &port, 1);
	ovsrec_open_vswitch_update_bridges_addvalue(ovs_root(ovs), row);
	smap_destroy(&owner);
	return row;
}

static void write_tree(const struct ovsrec_bridge *row, const json_t *tree, bool is_rstp)
{
	char text[24];

	for (size_t i = 0; i < sizeof(tree_keys) / sizeof(tree_keys[0]); i++) {
		const char *key = is_rstp ? tree_keys[i].rstp : tree_keys[i].stp;
		json_t *value = json_object_get(tree, tree_keys[i].key);

		if (!key)
			continue;
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
		if (value)
			ovsrec_bridge_update_other_config_setkey(row, key, text);
		else if (smap_get(&row->other_config, key))
			ovsrec_bridge_update_other_config_delkey(row, key);
	}
}

static void write_firewall(const struct ovsrec_bridge *row, const json_t *firewall)
{
	char *text = firewall ? json_dumps(firewall, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	const char *now = smap_get(&row->external_ids, OVS_FIREWALL_KEY);

	if (text && (!now || strcmp(now, text) != 0))
		ovsrec_bridge_update_external_ids_setkey(row, OVS_FIREWALL_KEY, text);
	else if (!text && now)
		ovsrec_bridge_update_external_ids_delkey(row, OVS_FIREWALL_KEY);
	free(text);
}

static void write_bridge(const struct ovsrec_bridge *row, const json_t *doc)
{
	const json_t *stp = json_object_get(doc, "stp"), *rstp = json_object_get(doc, "rstp");
	const char *mac = json_string_value(json_object_get(doc, "mac"));
	const char *datapath = json_string_value(json_object_get(doc, "datapath"));
	bool is_secure = json_is_true(json_object_get(doc, "secure"));
	int64_t mtu = json_integer_value(json_object_get(doc, "mtu"));

	ovsrec_bridge_set_datapath_type(row, datapath ? datapath : "system");
	ovsrec_bridge_set_fail_mode(row, is_secure ? "secure" : "standalone");
	ovsrec_bridge_set_stp_enable(row, stp != NULL);
	ovsrec_bridge_set_rstp_enable(row, rstp != NULL);
	write_tree(row, stp, false);
	write_tree(row, rstp, true);
	write_firewall(row, json_object_get(doc, "firewall"));
	ovs_dpdk_write(row, json_object_get(doc, "dpdk"));
	if (mac)
		ovsrec_bridge_update_other_config_setkey(row, "hwaddr", mac);
	for (size_t i = 0; i < row->n_ports; i++)
		if (!strcmp(row->ports[i]->name, row->name) && row->ports[i]->n_interfaces)
			ovsrec_interface_set_mtu_request(row->ports[i]->interfaces[0], &mtu,
							 mtu != 0);
}

static int build(struct ovs *ovs, void *arg, char *why)
{
	const struct change *c = arg;
	bool is_ours;
	const struct ovsrec_bridge *row = ovs_bridge(ovs, c->name, &is_ours);

	if (row && !is_ours)
		return ovs_fail(-EEXIST, why, "Open vSwitch's bridge %s is not Vifrost's", c->name);
	if (!c->doc) {
		if (row) {
			ovsrec_open_vswitch_update_bridges_delvalue(ovs_root(ovs), row);
			ovsrec_bridge_delete(row);
		}
		return 0;
	}
	if (!row)
		row = insert(ovs, c->name);
	write_bridge(row, c->doc);
	return ovs_mirrors_write(ovs, row, json_object_get(c->doc, "mirrors"));
}

static bool knows_datapath(const struct ovs *ovs, const char *type)
{
	const struct ovsrec_open_vswitch *root = ovs_root(ovs);

	for (size_t i = 0; root && i < root->n_datapath_types; i++)
		if (!strcmp(root->datapath_types[i], type))
			return true;
	return !root || !root->n_datapath_types;
}

static int put(struct ovs *ovs, const char *name, const json_t *doc, char *why)
{
	struct change c = { .name = name, .doc = doc };
	const char *datapath = json_string_value(json_object_get(doc, "datapath"));
	const struct ovsrec_bridge *row;
	const struct ovsrec_interface *own;
	char text[VS_TEXT_LEN];
	bool is_ours;
	int rc;

	/* Ours does: see ovsdb_daemon.c. */
	if (datapath && !strcmp(datapath, "netdev") && ovs_root(ovs) &&
	    !smap_get_bool(&ovs_root(ovs)->other_config, "userspace-tso-enable", false))
		return ovs_fail(-EOPNOTSUPP, why,
				"datapath netdev: set Open vSwitch's "
				"other_config:userspace-tso-enable=true and restart it");
	rc = json_object_get(doc, "dpdk") ? ovs_dpdk_start(ovs, json_object_get(doc, "dpdk"), why)
					  : 0;
	if (!rc)
		rc = ovs_commit(ovs, build, &c, why);
	if (rc)
		return rc;
	row = ovs_bridge(ovs, name, &is_ours);
	own = row ? own_interface(row) : NULL;
	if (!own || !own->n_ofport || own->ofport[0] < 0) {
		if (datapath && (!strcmp(datapath, "system") || !knows_datapath(ovs, datapath)))
			snprintf(text, sizeof(text),
				 "openvswitch.ko is not in this kernel: use "
				 "datapath: netdev");
		else
			snprintf(text, sizeof(text), "ovs-vswitchd cannot make it: %.80s",
				 own && own->error ? own->error : "see its log");
		c.doc = NULL;
		rc = ovs_commit(ovs, build, &c, why);
		return rc ? rc : ovs_fail(-EOPNOTSUPP, why, "%s", text);
	}
	if (json_object_get(doc, "dpdk"))
		rc = ovs_dpdk_await(ovs, name, why);
	if (rc) {
		c.doc = NULL;
		ovs_commit(ovs, build, &c, text);
		return rc;
	}
	if (json_is_true(json_object_get(doc, "secure")))
		rc = ovs_flows_reset(ovs, row, why);
	return rc;
}

static int take_away(struct ovs *ovs, const char *name, char *why)
{
	struct change c = { .name = name };
	const struct ovsrec_bridge *row;
	int rc = ovs_commit(ovs, build, &c, why);

	if (rc)
		return rc;
	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl)
		return 0;
	return ovs_disconnect_and_stop(ovs, why);
}

/* ---- The kind of document ---- */

static int bridge_open(const char *rundir, void **ctx, char *why)
{
	return ovs_open(rundir, (struct ovs **)ctx, why);
}

static int bridge_observe(void *ctx, struct vs_observed *o, char *why)
{
	struct ovs *ovs = ctx;
	const struct ovsrec_bridge *row;
	int rc = ovs_ready(ovs, false, why);
	json_t *doc;

	if (rc == -ENOENT)
		return 0;
	if (rc)
		return rc;
	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl) {
		rc = read_whole(ovs, row, &doc, why);
		if (rc)
			return rc;
		/* Its link is gone, or has just come back: either way it has to be looked after. */
		if (!vs_observed_link(o, row->name))
			json_object_del(doc, "mac");
		rc = vs_observed_set_doc(o, VS_DOC_OVS_BRIDGE, row->name, doc);
		json_decref(doc);
		if (rc)
			return rc;
	}
	return 0;
}

static int bridge_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct ovs *ovs = ctx;
	const struct ovsrec_bridge *row;
	bool is_ours = false;
	int rc = ovs_ready(ovs, false, why);

	*doc = NULL;
	row = rc ? NULL : ovs_bridge(ovs, name, &is_ours);
	if (row)
		rc = read_whole(ovs, row, doc, why);
	return rc == -ENOENT ? 0 : rc;
}

static int bridge_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct ovs *ovs = ctx;
	int rc = ovs_ready(ovs, doc != NULL, why);

	if (rc == -ENOENT && !doc)
		return 0;
	if (rc)
		return rc;
	return doc ? put(ovs, name, doc, why) : take_away(ovs, name, why);
}

static void bridge_close(void *ctx)
{
	ovs_close(ctx);
}

const struct vs_doc_ops ovs_bridge_ops = {
	.open = bridge_open,
	.observe = bridge_observe,
	.get = bridge_get,
	.apply = bridge_apply,
	.close = bridge_close,
};
