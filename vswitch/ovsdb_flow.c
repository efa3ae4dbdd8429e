/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenFlow 1.4 to a bridge of ovs-vswitchd, over its management socket. Flows change in bundles: a
 * packet meets the flows from before or those from after. Replies are waited for no longer than
 * OVS_OPENFLOW_MS.
 *
 * Looking is one dump of all flows per bridge, which are compared with those that the ports' guards
 * stand for. What they stand for is parsed once and kept.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <byte-order.h>
#include <timeval.h>
#include <util.h>
#include <vswitch-idl.h>
#include <openvswitch/hmap.h>
#include <openvswitch/match.h>
#include <openvswitch/ofp-actions.h>
#include <openvswitch/ofp-bundle.h>
#include <openvswitch/ofp-errors.h>
#include <openvswitch/ofp-flow.h>
#include <openvswitch/ofp-meter.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofp-util.h>
#include <openvswitch/ofpbuf.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vconn.h>

#include "vswitch/array.h"
#include "vswitch/ovs.h"

#define PROTOCOL	 OFPUTIL_P_OF14_OXM
#define OF_VERSION	 OFP14_VERSION
#define CONNECT_AGAIN_MS 5
#define BUNDLE_FLAGS	 (OFPBF_ATOMIC | OFPBF_ORDERED)

/* ---- One connection ---- */

struct conn {
	struct vconn *vconn;
	const char *bridge;
	long long end;
	char *why;
};

static int conn_fail(const struct conn *c, int error)
{
	return ovs_fail(error == ENOMEM ? -ENOMEM : -EIO, c->why, "OpenFlow of %s: %.80s",
			c->bridge, error == EOF ? "ovs-vswitchd is gone" : strerror(error));
}

static int conn_wait(struct conn *c, enum vconn_wait_type type)
{
	if (time_msec() >= c->end)
		return ovs_fail(-ETIMEDOUT, c->why, "ovs-vswitchd does not answer for %s",
				c->bridge);
	vconn_run(c->vconn);
	vconn_run_wait(c->vconn);
	vconn_wait(c->vconn, type);
	poll_timer_wait_until(c->end);
	poll_block();
	return 0;
}

static int conn_open(struct conn *c, const struct ovs *ovs, const char *bridge, char *why)
{
	char name[PATH_MAX + 64];
	int error, rc = 0;

	*c = (struct conn){ .bridge = bridge, .why = why, .end = time_msec() + OVS_OPENFLOW_MS };
	snprintf(name, sizeof(name), "unix:%s/%s.mgmt", ovs->dir, bridge);
	/* One that has just started comes to its bridges in a moment. */
	while ((error = vconn_open(name, 1u << OF_VERSION, 0, &c->vconn)) == ENOENT ||
	       error == ECONNREFUSED) {
		if (time_msec() >= c->end)
			break;
		poll_timer_wait(CONNECT_AGAIN_MS);
		poll_block();
	}
	if (error) {
		c->vconn = NULL;
		return conn_fail(c, error);
	}
	while (!rc && (error = vconn_connect(c->vconn)) == EAGAIN)
		rc = conn_wait(c, WAIT_CONNECT);
	if (!rc && error)
		rc = conn_fail(c, error);
	if (rc)
		vconn_close(c->vconn);
	return rc;
}

static int conn_send(struct conn *c, struct ofpbuf *msg)
{
	int error, rc = 0;

	ofpmsg_update_length(msg);
	while (!rc && (error = vconn_send(c->vconn, msg)) == EAGAIN)
		rc = conn_wait(c, WAIT_SEND);
	if (!rc && !error)
		return 0;
	ofpbuf_delete(msg);
	return rc ? rc : conn_fail(c, error);
}

static int conn_recv(struct conn *c, struct ofpbuf **msg)
{
	int error, rc = 0;

	while (!rc && (error = vconn_recv(c->vconn, msg)) == EAGAIN)
		rc = conn_wait(c, WAIT_RECV);
	return rc ? rc : error ? conn_fail(c, error) : 0;
}

/* Until the reply to @xid; an error about anything before it counts as the answer. */
static int conn_answer(struct conn *c, ovs_be32 xid)
{
	const struct ofp_header *oh;
	struct ofpbuf *msg;
	enum ofptype type;
	bool done = false;
	int rc = 0, next;

	while (!done) {
		next = conn_recv(c, &msg);
		if (next)
			return rc ? rc : next;
		oh = msg->data;
		done = oh->xid == xid;
		if (!rc && !ofptype_decode(&type, oh) && type == OFPTYPE_ERROR)
			rc = ovs_fail(-EINVAL, c->why, "ovs-vswitchd refuses a flow of %s: %.60s",
				      c->bridge, ofperr_get_name(ofperr_decode_msg(oh, NULL)));
		ofpbuf_delete(msg);
	}
	return rc;
}

/* ---- Flows ---- */

static void flow_mod_free(struct ofputil_flow_mod *fm)
{
	minimatch_destroy(&fm->match);
	free(fm->ofpacts);
}

static int parse_flow(const char *text, unsigned int port, struct ofputil_flow_mod *fm, char *why)
{
	enum ofputil_protocol usable;
	char *error = parse_ofp_flow_mod_str(fm, text, NULL, NULL, OFPFC_ADD, &usable);

	if (error) {
		ovs_fail(-EINVAL, why, "a flow of ours is no flow: %.90s", error);
		free(error);
		return -EINVAL;
	}
	fm->new_cookie = htonll(OVS_COOKIE | port);
	fm->cookie = fm->cookie_mask = htonll(0);
	return 0;
}

/* A bundle, filled message by message. */
struct bundle {
	struct conn *c;
	struct ofputil_bundle_ctrl_msg ctrl;
	int rc;
};

static void bundle_ctrl(struct bundle *b, uint16_t type, bool answered)
{
	struct ofpbuf *msg;
	ovs_be32 xid;

	if (b->rc)
		return;
	b->ctrl.type = type;
	msg = ofputil_encode_bundle_ctrl_request(OF_VERSION, &b->ctrl);
	xid = ((const struct ofp_header *)msg->data)->xid;
	b->rc = conn_send(b->c, msg);
	if (!b->rc && answered)
		b->rc = conn_answer(b->c, xid);
}

static void bundle_open(struct bundle *b, struct conn *c)
{
	*b = (struct bundle){ .c = c, .ctrl = { .flags = BUNDLE_FLAGS } };
	/* Its answer comes before the barrier's; an error counts as that. */
	bundle_ctrl(b, OFPBCT_OPEN_REQUEST, false);
}

static void bundle_add(struct bundle *b, const struct ofputil_flow_mod *fm)
{
	struct ofputil_bundle_add_msg add = { .bundle_id = b->ctrl.bundle_id,
					      .flags = BUNDLE_FLAGS };
	struct ofpbuf *msg;

	if (b->rc)
		return;
	msg = ofputil_encode_flow_mod(fm, PROTOCOL);
	ofpmsg_update_length(msg);
	add.msg = msg->data;
	b->rc = conn_send(b->c, ofputil_encode_bundle_add(OF_VERSION, &add));
	ofpbuf_delete(msg);
}

static void bundle_del_port(struct bundle *b, unsigned int port)
{
	struct ofputil_flow_mod fm = { .command = OFPFC_DELETE,
				       .table_id = OFPTT_ALL,
				       .priority = OFP_DEFAULT_PRIORITY,
				       .buffer_id = UINT32_MAX,
				       .out_port = OFPP_ANY,
				       .out_group = OFPG_ANY,
				       .cookie = htonll(OVS_COOKIE | port),
				       .cookie_mask = htonll(UINT64_MAX) };
	struct match any = MATCH_CATCHALL_INITIALIZER;

	minimatch_init(&fm.match, &any);
	bundle_add(b, &fm);
	minimatch_destroy(&fm.match);
}

static void bundle_flows(struct bundle *b, unsigned int port, const json_t *flows)
{
	struct ofputil_flow_mod fm;
	json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		if (!b->rc)
			b->rc = parse_flow(json_string_value(flow), port, &fm, b->c->why);
		if (b->rc)
			return;
		bundle_add(b, &fm);
		flow_mod_free(&fm);
	}
}

/* A message that was refused is not in the bundle: so nothing is done unless all of them are. */
static int bundle_commit(struct bundle *b)
{
	struct ofpbuf *barrier;
	ovs_be32 xid;

	if (b->rc)
		return b->rc;
	barrier = ofputil_encode_barrier_request(OF_VERSION);
	xid = ((const struct ofp_header *)barrier->data)->xid;
	b->rc = conn_send(b->c, barrier);
	if (!b->rc)
		b->rc = conn_answer(b->c, xid);
	bundle_ctrl(b, OFPBCT_COMMIT_REQUEST, true);
	return b->rc;
}

/* ---- How many flows there are to be ---- */

static void forget_count(struct ovs *ovs, const char *bridge)
{
	for (size_t i = ovs->nr_counts; i-- > 0;)
		if (!strcmp(ovs->counts[i].bridge, bridge))
			array_remove(ovs->counts, &ovs->nr_counts, sizeof(*ovs->counts), i);
}

static void note_count(struct ovs *ovs, const char *bridge, size_t nr)
{
	struct ovs_count *count;

	forget_count(ovs, bridge);
	count = array_add(&ovs->counts, &ovs->nr_counts, sizeof(*count));
	if (!count)
		return;
	snprintf(count->bridge, sizeof(count->bridge), "%s", bridge);
	count->nr = nr;
}

static int count_flows(struct conn *c, uint32_t *nr)
{
	struct ofputil_flow_stats_request request = { .aggregate = true,
						      .match = MATCH_CATCHALL_INITIALIZER,
						      .out_port = OFPP_ANY,
						      .out_group = OFPG_ANY,
						      .table_id = OFPTT_ALL };
	struct ofpbuf *msg = ofputil_encode_flow_stats_request(&request, PROTOCOL);
	ovs_be32 xid = ((const struct ofp_header *)msg->data)->xid;
	struct ofputil_aggregate_stats stats = { 0 };
	int rc = conn_send(c, msg);
	bool done = false;

	while (!rc && !done) {
		rc = conn_recv(c, &msg);
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
	struct conn c;
	uint32_t nr;
	int rc;

	for (size_t i = 0; i < ovs->nr_counts; i++) {
		if (strcmp(ovs->counts[i].bridge, bridge) != 0)
			continue;
		if (conn_open(&c, ovs, bridge, why))
			return true;
		rc = count_flows(&c, &nr);
		vconn_close(c.vconn);
		return rc || nr != ovs->counts[i].nr;
	}
	return true;
}

/* ---- Packet limits ---- */

static int send_meter(struct conn *c, uint16_t command, unsigned int port, uint64_t pps)
{
	struct ofputil_meter_band band = { .type = OFPMBT13_DROP,
					   .rate = (uint32_t)MIN(pps, UINT32_MAX),
					   .burst_size = (uint32_t)MIN(pps / 10 + 1, UINT32_MAX) };
	struct ofputil_meter_mod mod = { .command = command,
					 .meter = { .meter_id = port,
						    .flags = OFPMF13_PKTPS | OFPMF13_BURST,
						    .n_bands = command == OFPMC13_DELETE ? 0 : 1,
						    .bands = &band } };
	struct ofpbuf *msg = ofputil_encode_meter_mod(OF_VERSION, &mod), *barrier;
	ovs_be32 xid;
	int rc = conn_send(c, msg);

	if (rc)
		return rc;
	barrier = ofputil_encode_barrier_request(OF_VERSION);
	xid = ((const struct ofp_header *)barrier->data)->xid;
	rc = conn_send(c, barrier);
	return rc ? rc : conn_answer(c, xid);
}

static int set_meter(struct conn *c, unsigned int port, uint64_t pps)
{
	/* Which of the two is right only the switch knows: one that is there is not added again. */
	int rc = send_meter(c, OFPMC13_MODIFY, port, pps);

	return rc == -EINVAL ? send_meter(c, OFPMC13_ADD, port, pps) : rc;
}

int ovs_flows_set(struct ovs *ovs, const char *bridge, unsigned int port, const json_t *flows,
		  uint64_t pps, char *why)
{
	struct bundle b;
	struct conn c;
	int rc = conn_open(&c, ovs, bridge, why);

	if (rc)
		return rc;
	forget_count(ovs, bridge);
	if (pps)
		rc = set_meter(&c, port, pps);
	if (!rc) {
		bundle_open(&b, &c);
		bundle_del_port(&b, port);
		bundle_flows(&b, port, flows);
		rc = bundle_commit(&b);
	}
	vconn_close(c.vconn);
	return rc;
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

/* What a guard stands for on one port, parsed. */
struct ovs_expect {
	char bridge[IFNAMSIZ];
	unsigned int port;
	json_t *guard; /* json_null(): the bridge's own */
	struct ofputil_flow_mod *v;
	struct match *matches;
	size_t nr;
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
static int take_stats(struct conn *c, struct ofpbuf *msg, struct ovs_dump *dump)
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

static int dump_flows(struct conn *c, struct ovs_dump *dump)
{
	struct ofputil_flow_stats_request request = { .match = MATCH_CATCHALL_INITIALIZER,
						      .out_port = OFPP_ANY,
						      .out_group = OFPG_ANY,
						      .table_id = OFPTT_ALL };
	struct ofpbuf *msg = ofputil_encode_flow_stats_request(&request, PROTOCOL);
	ovs_be32 xid = ((const struct ofp_header *)msg->data)->xid;
	int rc = conn_send(c, msg);
	enum ofptype type;
	bool more = true;

	while (!rc && more) {
		rc = conn_recv(c, &msg);
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
	struct conn c;
	int rc = -ENOMEM;

	*dump_out = NULL;
	if (!dump)
		return rc;
	hmap_init(&dump->flows);
	snprintf(dump->bridge, sizeof(dump->bridge), "%s", bridge);
	rc = conn_open(&c, ovs, bridge, why);
	if (!rc) {
		rc = dump_flows(&c, dump);
		vconn_close(c.vconn);
		note_count(ovs, bridge, hmap_count(&dump->flows));
	}
	if (rc)
		ovs_dump_free(dump);
	else
		*dump_out = dump;
	return rc;
}

static void expect_fini(struct ovs_expect *e)
{
	for (size_t i = 0; i < e->nr; i++)
		flow_mod_free(&e->v[i]);
	free(e->v);
	free(e->matches);
	json_decref(e->guard);
	*e = (struct ovs_expect){ 0 };
}

void ovs_expect_free(struct ovs *ovs)
{
	free(ovs->counts);
	ovs->counts = NULL;
	ovs->nr_counts = 0;
	for (size_t i = 0; i < ovs->nr_expected; i++)
		expect_fini(&ovs->expected[i]);
	free(ovs->expected);
	ovs->expected = NULL;
	ovs->nr_expected = 0;
}

static bool expect_init(struct ovs_expect *e, unsigned int port, const json_t *guard)
{
	json_t *flows = port ? ovs_guard_flows(guard, port) : ovs_base_flows(), *flow;
	size_t i, nr = json_array_size(flows);
	char why[VS_TEXT_LEN];
	bool is_good;

	*e = (struct ovs_expect){ .port = port, .guard = json_incref((json_t *)(uintptr_t)guard) };
	e->v = calloc(nr, sizeof(*e->v));
	e->matches = calloc(nr, sizeof(*e->matches));
	is_good = e->v && e->matches;
	json_array_foreach (flows, i, flow) {
		if (is_good && !parse_flow(json_string_value(flow), port, &e->v[i], why)) {
			minimatch_expand(&e->v[i].match, &e->matches[i]);
			e->nr++;
		} else {
			is_good = false;
		}
	}
	json_decref(flows);
	if (!is_good)
		expect_fini(e);
	return is_good;
}

static const struct ovs_expect *expect(struct ovs *ovs, const char *bridge, unsigned int port,
				       const json_t *guard)
{
	struct ovs_expect made, *e;

	for (size_t i = 0; i < ovs->nr_expected; i++) {
		e = &ovs->expected[i];
		if (e->port != port || strcmp(e->bridge, bridge) != 0)
			continue;
		if (json_equal(e->guard, guard))
			return e;
		expect_fini(e);
		array_remove(ovs->expected, &ovs->nr_expected, sizeof(*e), i--);
	}
	if (!expect_init(&made, port, guard))
		return NULL;
	e = array_add(&ovs->expected, &ovs->nr_expected, sizeof(*e));
	if (e) {
		*e = made;
		snprintf(e->bridge, sizeof(e->bridge), "%s", bridge);
	} else {
		expect_fini(&made);
	}
	return e;
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
	const struct ovs_expect *e = expect(ovs, dump->bridge, port, guard);
	bool has_all = e != NULL;
	struct seen *s;

	for (size_t i = 0; e && i < e->nr; i++) {
		s = find_seen(dump, &e->v[i], &e->matches[i]);
		if (s)
			s->is_expected = true;
		else
			has_all = false;
	}
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

static void bundle_del_strays(struct bundle *b, const struct ovs_dump *dump)
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
		bundle_add(b, &fm);
		minimatch_destroy(&fm.match);
	}
}

int ovs_flows_reset(struct ovs *ovs, const struct ovsrec_bridge *bridge, char *why)
{
	struct ovs_dump *dump;
	json_t *flows, *guard;
	struct bundle b;
	struct conn c;
	int rc = ovs_flows_dump(ovs, bridge->name, &dump, why);

	if (rc)
		return rc;
	for (size_t i = 0; i < bridge->n_ports; i++) {
		guard = ovs_port_guard(bridge->ports[i]);
		if (guard)
			ovs_dump_has(ovs, dump, ovs_port_number(bridge->ports[i]), guard);
		json_decref(guard);
	}
	flows = ovs_base_flows();
	forget_count(ovs, bridge->name);
	rc = flows ? conn_open(&c, ovs, bridge->name, why) : -ENOMEM;
	if (!rc) {
		bundle_open(&b, &c);
		bundle_del_strays(&b, dump);
		bundle_del_port(&b, 0);
		bundle_flows(&b, 0, flows);
		rc = bundle_commit(&b);
		vconn_close(c.vconn);
	}
	json_decref(flows);
	ovs_dump_free(dump);
	return rc;
}
