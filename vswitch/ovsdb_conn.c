/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection with OpenFlow 1.4 to a bridge of ovs-vswitchd, over its management socket. Replies are waited
 * for no longer than OVS_OPENFLOW_MS.
 */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <timeval.h>
#include <openvswitch/ofp-errors.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofpbuf.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vconn.h>

#define CONNECT_AGAIN_MS 5

static int conn_fail(const struct ovs_conn *c, int error)
{
	return ovs_fail(error == ENOMEM ? -ENOMEM : -EIO, c->why, "OpenFlow of %s: %.80s",
			c->bridge, error == EOF ? "ovs-vswitchd is gone" : strerror(error));
}

static int conn_wait(struct ovs_conn *c, enum vconn_wait_type type)
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

int ovs_conn_open(struct ovs_conn *c, const struct ovs *ovs, const char *bridge, char *why)
{
	char name[PATH_MAX + 64];
	int error, rc = 0;

	*c = (struct ovs_conn){ .bridge = bridge,
				.why = why,
				.end = time_msec() + OVS_OPENFLOW_MS };
	snprintf(name, sizeof(name), "unix:%s/%s.mgmt", ovs->dir, bridge);
	/* One that has just started comes to its bridges in a moment. */
	while ((error = vconn_open(name, 1u << OVS_OF_VERSION, 0, &c->vconn)) == ENOENT ||
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

void ovs_conn_close(struct ovs_conn *c)
{
	vconn_close(c->vconn);
	c->vconn = NULL;
}

int ovs_conn_send(struct ovs_conn *c, struct ofpbuf *msg)
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

int ovs_conn_recv(struct ovs_conn *c, struct ofpbuf **msg)
{
	int error, rc = 0;

	while (!rc && (error = vconn_recv(c->vconn, msg)) == EAGAIN)
		rc = conn_wait(c, WAIT_RECV);
	return rc ? rc : error ? conn_fail(c, error) : 0;
}

int ovs_conn_answer(struct ovs_conn *c, ovs_be32 xid)
{
	const struct ofp_header *oh;
	struct ofpbuf *msg;
	enum ofptype type;
	bool done = false;
	int rc = 0, next;

	while (!done) {
		next = ovs_conn_recv(c, &msg);
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
