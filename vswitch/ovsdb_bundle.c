/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows change in bundles: a packet meets the flows from before or those from after. And packet limits. */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <byte-order.h>
#include <util.h>
#include <openvswitch/match.h>
#include <openvswitch/ofp-bundle.h>
#include <openvswitch/ofp-flow.h>
#include <openvswitch/ofp-meter.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofp-util.h>
#include <openvswitch/ofpbuf.h>

#include "vswitch/ovs.h"

#define BUNDLE_FLAGS (OFPBF_ATOMIC | OFPBF_ORDERED)

static void bundle_ctrl(struct ovs_bundle *b, uint16_t type)
{
	struct ofputil_bundle_ctrl_msg ctrl = { .flags = BUNDLE_FLAGS, .type = type };
	struct ofpbuf *msg;

	if (b->rc)
		return;
	msg = ofputil_encode_bundle_ctrl_request(OVS_OF_VERSION, &ctrl);
	b->commit = ((const struct ofp_header *)msg->data)->xid;
	b->rc = ovs_conn_send(b->c, msg);
}

void ovs_bundle_open(struct ovs_bundle *b, struct ovs_conn *c)
{
	*b = (struct ovs_bundle){ .c = c };
	bundle_ctrl(b, OFPBCT_OPEN_REQUEST);
}

void ovs_bundle_add(struct ovs_bundle *b, const struct ofputil_flow_mod *fm)
{
	struct ofputil_bundle_add_msg add = { .flags = BUNDLE_FLAGS };
	struct ofpbuf *msg;

	if (b->rc)
		return;
	msg = ofputil_encode_flow_mod(fm, OVS_OF_PROTOCOL);
	ofpmsg_update_length(msg);
	add.msg = msg->data;
	b->rc = ovs_conn_send(b->c, ofputil_encode_bundle_add(OVS_OF_VERSION, &add));
	ofpbuf_delete(msg);
}

void ovs_bundle_del_port(struct ovs_bundle *b, unsigned int port)
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
	ovs_bundle_add(b, &fm);
	minimatch_destroy(&fm.match);
}

int ovs_bundle_check(struct ovs_bundle *b)
{
	struct ofpbuf *barrier;
	uint32_t xid;

	if (b->rc)
		return b->rc;
	barrier = ofputil_encode_barrier_request(OVS_OF_VERSION);
	xid = ((const struct ofp_header *)barrier->data)->xid;
	b->rc = ovs_conn_send(b->c, barrier);
	if (!b->rc)
		b->rc = ovs_conn_answer(b->c, xid);
	return b->rc;
}

void ovs_bundle_commit(struct ovs_bundle *b)
{
	bundle_ctrl(b, OFPBCT_COMMIT_REQUEST);
}

int ovs_bundle_end(struct ovs_bundle *b)
{
	if (!b->rc)
		b->rc = ovs_conn_answer(b->c, b->commit);
	return b->rc;
}

/* ---- Packet limits ---- */

static int send_meter(struct ovs_conn *c, uint16_t command, unsigned int port, uint64_t pps)
{
	struct ofputil_meter_band band = { .type = OFPMBT13_DROP,
					   .rate = (uint32_t)MIN(pps, UINT32_MAX),
					   .burst_size = (uint32_t)MIN(pps / 10 + 1, UINT32_MAX) };
	struct ofputil_meter_mod mod = { .command = command,
					 .meter = { .meter_id = port,
						    .flags = OFPMF13_PKTPS | OFPMF13_BURST,
						    .n_bands = command == OFPMC13_DELETE ? 0 : 1,
						    .bands = &band } };
	struct ofpbuf *msg = ofputil_encode_meter_mod(OVS_OF_VERSION, &mod), *barrier;
	uint32_t xid;
	int rc = ovs_conn_send(c, msg);

	if (rc)
		return rc;
	barrier = ofputil_encode_barrier_request(OVS_OF_VERSION);
	xid = ((const struct ofp_header *)barrier->data)->xid;
	rc = ovs_conn_send(c, barrier);
	return rc ? rc : ovs_conn_answer(c, xid);
}

static int set_meter(struct ovs_conn *c, unsigned int port, uint64_t pps)
{
	/* Which of the two is right only the switch knows: one that is there is not added again. */
	int rc = send_meter(c, OFPMC13_MODIFY, port, pps);

	return rc == -EINVAL ? send_meter(c, OFPMC13_ADD, port, pps) : rc;
}

/* ---- Guards ---- */

static int add_guard(struct ovs *ovs, struct ovs_bundle *b, const struct ovs_guard *g)
{
	struct ovs_expect *e;

	ovs_bundle_del_port(b, g->port);
	if (!g->guard) {
		ovs_expect_forget(ovs, b->c->bridge, g->port);
		return b->rc;
	}
	e = ovs_expect(ovs, b->c->bridge, g->port, g->guard);
	if (!e)
		return ovs_fail(-EINVAL, b->c->why, "the guard of a port cannot be had as flows");
	e->is_there = false;
	for (size_t i = 0; i < e->nr; i++)
		ovs_bundle_add(b, &e->v[i]);
	return b->rc;
}

static int begin(struct ovs *ovs, struct ovs_guards *set, struct ovs_bundle *b)
{
	const json_t *pps;
	int rc = 0;

	for (size_t i = 0; !rc && i < set->nr; i++) {
		pps = json_object_get(set->v[i].guard, "packets-per-s");
		if (pps)
			rc = set_meter(b->c, set->v[i].port, (uint64_t)json_integer_value(pps));
	}
	if (rc)
		return rc;
	ovs_bundle_open(b, b->c);
	for (size_t i = 0; !rc && i < set->nr; i++)
		rc = add_guard(ovs, b, &set->v[i]);
	if (!rc)
		ovs_bundle_commit(b);
	return rc ? rc : b->rc;
}

int ovs_guards_begin(struct ovs *ovs, struct ovs_guards *set, char *why)
{
	int rc;

	set->bundle = calloc(1, sizeof(*set->bundle));
	if (!set->bundle)
		return ovs_fail(-ENOMEM, why, "out of memory");
	rc = ovs_conn_get(ovs, set->bridge, &set->bundle->c, why);
	if (!rc) {
		ovs_count_forget(ovs, set->bridge);
		rc = begin(ovs, set, set->bundle);
	}
	if (rc) {
		ovs_conn_close(ovs, set->bridge);
		free(set->bundle);
		set->bundle = NULL;
	}
	return rc;
}

/* Half a guard is none: nothing passes any more. */
static void close_ports(struct ovs *ovs, const struct ovs_guards *set)
{
	char why[VS_TEXT_LEN];
	struct ovs_bundle b;
	struct ovs_conn *c;

	ovs_conn_close(ovs, set->bridge);
	if (ovs_conn_get(ovs, set->bridge, &c, why))
		return;
	ovs_bundle_open(&b, c);
	for (size_t i = 0; i < set->nr; i++)
		ovs_bundle_del_port(&b, set->v[i].port);
	ovs_bundle_commit(&b);
	if (ovs_bundle_end(&b))
		ovs_conn_close(ovs, set->bridge);
}

int ovs_guards_end(struct ovs *ovs, struct ovs_guards *set, char *why)
{
	struct ovs_expect *e;
	int rc;

	if (!set->bundle)
		return 0;
	set->bundle->c->why = why;
	rc = ovs_bundle_end(set->bundle);
	free(set->bundle);
	set->bundle = NULL;
	if (rc)
		close_ports(ovs, set);
	for (size_t i = 0; !rc && i < set->nr; i++) {
		e = set->v[i].guard ? ovs_expect(ovs, set->bridge, set->v[i].port, set->v[i].guard)
				    : NULL;
		if (e)
			e->is_there = true;
	}
	return rc;
}

int ovs_guards_set(struct ovs *ovs, const char *bridge, struct ovs_guard *v, size_t nr, char *why)
{
	struct ovs_guards set = { .v = v, .nr = nr };
	int rc;

	snprintf(set.bridge, sizeof(set.bridge), "%s", bridge);
	rc = ovs_guards_begin(ovs, &set, why);
	return rc ? rc : ovs_guards_end(ovs, &set, why);
}
