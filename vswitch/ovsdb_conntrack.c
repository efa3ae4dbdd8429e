/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ending connections that ovs-vswitchd itself tracks, for its user-space datapath. */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <packets.h>
#include <util.h>
#include <openvswitch/ofp-ct.h>
#include <openvswitch/ofp-errors.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofp-util.h>
#include <openvswitch/ofpbuf.h>

#include "vswitch/conntrack.h"

static bool parse_end(const char *text, struct in6_addr *end, uint16_t *family)
{
	struct in_addr ip4;

	*family = text && strchr(text, ':') ? AF_INET6 : AF_INET;
	if (!text || inet_pton(*family, text, *family == AF_INET ? (void *)&ip4 : end) != 1)
		return false;
	if (*family == AF_INET)
		in6_addr_set_mapped_ipv4(end, ip4.s_addr);
	return true;
}

/* All that @text began, and all that it answers. */
static int send_end(struct ovs_conn *c, const char *text, uint16_t zone)
{
	struct ofp_ct_match match = { 0 };
	int rc;

	if (!parse_end(text, &match.tuple_orig.src, &match.l3_type))
		return ovs_fail(-EINVAL, c->why, "no address to end connections of");
	rc = ovs_conn_send(c, ofp_ct_match_encode(&match, &zone, OVS_OF_VERSION));
	match.tuple_reply.src = match.tuple_orig.src;
	memset(&match.tuple_orig, 0, sizeof(match.tuple_orig));
	return rc ? rc : ovs_conn_send(c, ofp_ct_match_encode(&match, &zone, OVS_OF_VERSION));
}

static int end_all(struct ovs_conn *c, const json_t *ends, uint16_t zone)
{
	struct ofpbuf *barrier;
	const json_t *end;
	ovs_be32 xid;
	size_t i;
	int rc = 0;

	json_array_foreach (ends, i, end)
		if (!rc)
			rc = send_end(c, json_string_value(end), zone);
	if (rc)
		return rc;
	barrier = ofputil_encode_barrier_request(OVS_OF_VERSION);
	xid = ((const struct ofp_header *)barrier->data)->xid;
	rc = ovs_conn_send(c, barrier);
	return rc ? rc : ovs_conn_answer(c, xid);
}

int ovs_conntrack_end(void *ctx, const json_t *which, char *why)
{
	const char *bridge = json_string_value(json_object_get(which, "bridge"));
	json_int_t zone = json_integer_value(json_object_get(which, "zone"));
	struct ovs *ovs = ctx;
	struct ovs_conn *c;
	bool is_ours = false;
	int rc = ovs_ready(ovs, false, why);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	if (!ovs_bridge(ovs, bridge ? bridge : "", &is_ours) || !is_ours)
		return 0;
	rc = ovs_conn_get(ovs, bridge, &c, why);
	return rc ? rc : end_all(c, json_object_get(which, "ends"), (uint16_t)zone);
}
