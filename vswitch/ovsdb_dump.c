/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at flows is one dump of all of a bridge, which are compared with those that the ports' guards
 * stand for.
 */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <byte-order.h>
#include <util.h>
#include <vswitch-idl.h>
#include <openvswitch/hmap.h>
#include <openvswitch/match.h>
#include <openvswitch/ofp-actions.h>
#include <openvswitch/ofp-flow.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofp-util.h>
#include <openvswitch/ofpbuf.h>

#include "vswitch/array.h"
#include "vswitch/ovs.h"
#include "vswitch/ovs_rules.h"

/* ---- How many flows there are to be ---- */

void ovs_count_forget(struct ovs *ovs, const char *bridge)
{
	for (size_t i = ovs->nr_counts; i-- > 0;)
		if (!strcmp(ovs->counts[i].bridge, bridge))
			array_remove(ovs->counts, &ovs->nr_counts, sizeof(*ovs->counts), i);
}

static void note_count(struct ovs *ovs, const char *bridge, size_t nr)
{
	struct ovs_count *count;

	ovs_count_forget(ovs, bridge);
	count = array_add(&ovs->counts, &ovs->nr_counts, sizeof(*count));
	if (!count)
		return;
	snprintf(count->bridge, sizeof(count->bridge), "%s", bridge);
	count->nr = nr;
}

static int count_flows(struct ovs_conn *c, uint32_t *nr)
{
	struct ofputil_flow_stats_request request = { .aggregate = true,
						      .match = MATCH_CATCHALL_INITIALIZER,
						      .out_port = OFPP_ANY,
						      .out_group = OFPG_ANY,
						      .table_id = OFPTT_ALL };
	struct ofpbuf *msg = ofputil_encode_flow_stats_request(&request, OVS_OF_PROTOCOL);
	ovs_be32 xid = ((const struct ofp_header *)msg->data)->xid;
	struct ofputil_aggregate_stats stats = { 0 };
	int rc = ovs_conn_send(c, msg);
	bool done = false;

	while (!rc && !done) {
		rc = ovs_conn_recv(c, &msg);
		if (rc)
			break;
		done = ((const struct ofp_header *)msg->data)->xid == xid;
		if (done && ofputil_decode_aggregate_stats_reply(&stats, msg->data))
			rc = -EPROTO;
		ofpbuf_delete(msg);
	}
	*nr = stats.flow_count;
	return rc;
}

bool ovs_flows_changed(struct ovs *ovs, const char *bridge)
{
	char why[VS_TEXT_LEN];
	struct ovs_conn *c;
	uint32_t nr;
	int rc;

	for (size_t i = 0; i < ovs->nr_counts; i++) {
		if (strcmp(ovs->counts[i].bridge, bridge) != 0)
			continue;
		if (ovs_conn_get(ovs, bridge, &c, why))
			return true;
		rc = count_flows(c, &nr);
		if (rc)
			ovs_conn_close(ovs, bridge);
		else if (nr != ovs->counts[i].nr)
			ovs_expect_doubt(ovs, bridge);
		return rc || nr != ovs->counts[i].nr;
	}
	return true;
}

/* ---- Looking ---- */

struct seen {
	struct hmap_node node; /* by hash_flow() */
	struct ofputil_flow_stats fs;
	bool is_expected;
};

struct ovs_dump {
	char bridge[IFNAMSIZ];
	struct hmap flows;
};

static uint32_t hash_flow(const struct match *m, unsigned int table, unsigned int priority)
{
	return match_hash(m, table << 16 | priority);
}

void ovs_dump_free(struct ovs_dump *dump)
{
	struct seen *s;

	if (!dump)
		return;
	HMAP_FOR_EACH_POP (s, node, &dump->flows) {
		free((void *)(uintptr_t)s->fs.ofpacts);
		/* cppcheck-suppress uninitvar */
		free(s);
	}
	hmap_destroy(&dump->flows);
	free(dump);
}

/* All flows in one message. */
static int take_stats(struct ovs_conn *c, struct ofpbuf *msg, struct ovs_dump *dump)
{
	struct ofpbuf ofpacts;
	struct seen *s;
	int error;

	ofpbuf_init(&ofpacts, 0);
	for (;;) {
		s = xzalloc(sizeof(*s));
		error = ofputil_decode_flow_stats_reply(&s->fs, msg, false, &ofpacts);
		if (error) {
			free(s);
			break;
		}
		s->fs.ofpacts = xmemdup(s->fs.ofpacts, s->fs.ofpacts_len);
		hmap_insert(&dump->flows, &s->node,
			    hash_flow(&s->fs.match, s->fs.table_id, s->fs.priority));
	}
	ofpbuf_uninit(&ofpacts);
	return error == EOF ? 0
			    : ovs_fail(-EPROTO, c->why, "cannot read the flows of %s", c->bridge);
}

static int dump_flows(struct ovs_conn *c, struct ovs_dump *dump)
{
	struct ofputil_flow_stats_request request = { .match = MATCH_CATCHALL_INITIALIZER,
						      .out_port = OFPP_ANY,
						      .out_group = OFPG_ANY,
						      .table_id = OFPTT_ALL };
	struct ofpbuf *msg = ofputil_encode_flow_stats_request(&request, OVS_OF_PROTOCOL);
	ovs_be32 xid = ((const struct ofp_header *)msg->data)->xid;
	int rc = ovs_conn_send(c, msg);
	enum ofptype type;
	bool more = true;

	while (!rc && more) {
		rc = ovs_conn_recv(c, &msg);
		if (rc)
			break;
		if (((const struct ofp_header *)msg->data)->xid == xid) {
			if (ofptype_decode(&type, msg->data) || type != OFPTYPE_FLOW_STATS_REPLY)
				rc = ovs_fail(-EPROTO, c->why, "cannot read the flows of %s",
					      c->bridge);
			more = !rc && ofpmp_more(msg->data);
			if (!rc)
				rc = take_stats(c, msg, dump);
		}
		ofpbuf_delete(msg);
	}
	return rc;
}

int ovs_flows_dump(struct ovs *ovs, const char *bridge, struct ovs_dump **dump_out, char *why)
{
	struct ovs_dump *dump = calloc(1, sizeof(*dump));
	struct ovs_conn *c;
	int rc = -ENOMEM;

	*dump_out = NULL;
	if (!dump)
		return rc;
	hmap_init(&dump->flows);
	snprintf(dump->bridge, sizeof(dump->bridge), "%s", bridge);
	rc = ovs_conn_get(ovs, bridge, &c, why);
	if (!rc) {
		rc = dump_flows(c, dump);
		if (rc)
			ovs_conn_close(ovs, bridge);
		note_count(ovs, bridge, hmap_count(&dump->flows));
	}
	if (rc)
		ovs_dump_free(dump);
	else
		*dump_out = dump;
	return rc;
}

static struct seen *find_seen(const struct ovs_dump *dump, const struct ofputil_flow_mod *fm,
			      const struct match *match)
{
	struct seen *s;

	HMAP_FOR_EACH_WITH_HASH (s, node, hash_flow(match, fm->table_id, (unsigned)fm->priority),
				 &dump->flows)
		if (s->fs.table_id == fm->table_id && s->fs.priority == fm->priority &&
		    s->fs.cookie == fm->new_cookie && match_equal(&s->fs.match, match) &&
		    ofpacts_equal(s->fs.ofpacts, s->fs.ofpacts_len, fm->ofpacts, fm->ofpacts_len))
			return s;
	return NULL;
}

bool ovs_dump_has(struct ovs *ovs, struct ovs_dump *dump, unsigned int port, const json_t *guard)
{
	struct ovs_expect *e = ovs_expect(ovs, dump->bridge, port, guard);
	bool has_all = e != NULL;
	struct seen *s;

	for (size_t i = 0; e && i < e->nr; i++) {
		s = find_seen(dump, &e->v[i], &e->matches[i]);
		if (s)
			s->is_expected = true;
		else
			has_all = false;
	}
	if (e)
		e->is_there = has_all;
	return has_all;
}

bool ovs_dump_has_strays(const struct ovs_dump *dump)
{
	struct seen *s;

	HMAP_FOR_EACH (s, node, &dump->flows)
		/* cppcheck-suppress uninitvar */
		if (!s->is_expected)
			return true;
	return false;
}

static void bundle_del_strays(struct ovs_bundle *b, const struct ovs_dump *dump)
{
	struct ofputil_flow_mod fm;
	struct seen *s;

	HMAP_FOR_EACH (s, node, &dump->flows) {
		/* cppcheck-suppress uninitvar */
		if (s->is_expected)
			continue;
		fm = (struct ofputil_flow_mod){ .command = OFPFC_DELETE_STRICT,
						.table_id = s->fs.table_id,
						.priority = s->fs.priority,
						.buffer_id = UINT32_MAX,
						.out_port = OFPP_ANY,
						.out_group = OFPG_ANY };
		minimatch_init(&fm.match, &s->fs.match);
		ovs_bundle_add(b, &fm);
		minimatch_destroy(&fm.match);
	}
}

/* Whether flows of a firewall were there, whichever. */
static bool has_firewall(const struct ovs_dump *dump)
{
	const struct seen *s;

	HMAP_FOR_EACH (s, node, &dump->flows)
		/* cppcheck-suppress uninitvar */
		if (s->fs.table_id > OVS_TABLE_TO && s->fs.cookie == htonll(OVS_COOKIE))
			return true;
	return false;
}

static void add_expected(struct ovs *ovs, struct ovs_bundle *b, const char *bridge,
			 unsigned int port, const json_t *base)
{
	const struct ovs_expect *e = ovs_expect(ovs, bridge, port, base);

	if (!e)
		b->rc = b->rc ? b->rc : -ENOMEM;
	for (size_t i = 0; e && i < e->nr; i++)
		ovs_bundle_add(b, &e->v[i]);
}

/* With other rules, or once more, what goes by itself does not come again, and what is left of it goes. */
static int reset(struct ovs *ovs, struct ovs_bundle *b, const struct ovs_dump *dump,
		 const json_t *base)
{
	ovs_bundle_open(b, b->c);
	bundle_del_strays(b, dump);
	ovs_bundle_del_port(b, 0);
	add_expected(ovs, b, dump->bridge, 0, base);
	if (!has_firewall(dump))
		add_expected(ovs, b, dump->bridge, OVS_GRACE_PORT, base);
	ovs_bundle_check(b);
	ovs_bundle_commit(b);
	return ovs_bundle_end(b);
}

int ovs_flows_reset(struct ovs *ovs, const struct ovsrec_bridge *bridge, char *why)
{
	json_t *base = ovs_bridge_base(bridge);
	struct ovs_bundle b = { 0 };
	struct ovs_dump *dump;
	json_t *guard;
	int rc = ovs_flows_dump(ovs, bridge->name, &dump, why);

	if (rc) {
		json_decref(base);
		return rc;
	}
	for (size_t i = 0; i < bridge->n_ports; i++) {
		guard = ovs_port_guard(bridge->ports[i]);
		if (guard)
			ovs_dump_has(ovs, dump, ovs_port_number(bridge->ports[i]), guard);
		json_decref(guard);
	}
	ovs_count_forget(ovs, bridge->name);
	rc = ovs_conn_get(ovs, bridge->name, &b.c, why);
	if (!rc) {
		rc = reset(ovs, &b, dump, base);
		if (rc)
			ovs_conn_close(ovs, bridge->name);
		else if (json_is_object(base))
			ovs_settle(ovs);
	}
	json_decref(base);
	ovs_dump_free(dump);
	return rc;
}
