/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows change in bundles: a packet meets the flows from before or those from after. And packet limits. */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <errno.h>
#include <stdlib.h>

#include <byte-order.h>
#include <util.h>
#include <openvswitch/match.h>
#include <openvswitch/ofp-meter.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofp-util.h>
#include <openvswitch/ofpbuf.h>

#include "vswitch/ovs.h"

#define BUNDLE_FLAGS (OFPBF_ATOMIC | OFPBF_ORDERED)

void ovs_flow_mod_free(struct ofputil_flow_mod *fm)
{
	minimatch_destroy(&fm->match);
	free(fm->ofpacts);
}

int ovs_flow_parse(const char *text, unsigned int port, struct ofputil_flow_mod *fm, char *why)
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

static void bundle_ctrl(struct ovs_bundle *b, uint16_t type, bool answered)
{
	struct ofpbuf *msg;
	ovs_be32 xid;

	if (b->rc)
		return;
	b->ctrl.type = type;
	msg = ofputil_encode_bundle_ctrl_request(OVS_OF_VERSION, &b->ctrl);
	xid = ((const struct ofp_header *)msg->data)->xid;
	b->rc = ovs_conn_send(b->c, msg);
	if (!b->rc && answered)
		b->rc = ovs_conn_answer(b->c, xid);
}

void ovs_bundle_open(struct ovs_bundle *b, struct ovs_conn *c)
{
	*b = (struct ovs_bundle){ .c = c, .ctrl = { .flags = BUNDLE_FLAGS } };
	/* Its answer comes before the barrier's; an error counts as that. */
	bundle_ctrl(b, OFPBCT_OPEN_REQUEST, false);
}

void ovs_bundle_add(struct ovs_bundle *b, const struct ofputil_flow_mod *fm)
{
	struct ofputil_bundle_add_msg add = { .bundle_id = b->ctrl.bundle_id,
					      .flags = BUNDLE_FLAGS };
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

void ovs_bundle_flows(struct ovs_bundle *b, unsigned int port, const json_t *flows)
{
	struct ofputil_flow_mod fm;
	json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow) {
		if (!b->rc)
			b->rc = ovs_flow_parse(json_string_value(flow), port, &fm, b->c->why);
		if (b->rc)
			return;
		ovs_bundle_add(b, &fm);
		ovs_flow_mod_free(&fm);
	}
}

int ovs_bundle_commit(struct ovs_bundle *b)
{
	struct ofpbuf *barrier;
	ovs_be32 xid;

	if (b->rc)
		return b->rc;
	barrier = ofputil_encode_barrier_request(OVS_OF_VERSION);
	xid = ((const struct ofp_header *)barrier->data)->xid;
	b->rc = ovs_conn_send(b->c, barrier);
	if (!b->rc)
		b->rc = ovs_conn_answer(b->c, xid);
	bundle_ctrl(b, OFPBCT_COMMIT_REQUEST, true);
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
	ovs_be32 xid;
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

int ovs_flows_set(struct ovs *ovs, const char *bridge, unsigned int port, const json_t *flows,
		  uint64_t pps, char *why)
{
	struct ovs_bundle b;
	struct ovs_conn c;
	int rc = ovs_conn_open(&c, ovs, bridge, why);

	if (rc)
		return rc;
	ovs_count_forget(ovs, bridge);
	if (pps)
		rc = set_meter(&c, port, pps);
	if (!rc) {
		ovs_bundle_open(&b, &c);
		ovs_bundle_del_port(&b, port);
		ovs_bundle_flows(&b, port, flows);
		rc = ovs_bundle_commit(&b);
	}
	ovs_conn_close(&c);
	return rc;
}
