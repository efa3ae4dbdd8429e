/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection with OpenFlow 1.4 to a bridge of ovs-vswitchd, over its management socket. Replies are waited
 * for no longer than OVS_OPENFLOW_MS. One is kept for each bridge, and opened again when it has ended: with
 * many ports ovs-vswitchd needs a millisecond to take one.
 */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <timeval.h>
#include <openvswitch/ofp-errors.h>
#include <openvswitch/ofp-msgs.h>
#include <openvswitch/ofpbuf.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vconn.h>

#include "vswitch/array.h"

#define CONNECT_AGAIN_MS 5

static bool other_end_gone(int error)
{
	return error == EOF || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE;
}

static int conn_fail(const struct ovs_conn *c, int error)
{
	return ovs_fail(error == ENOMEM ? -ENOMEM : -EIO, c->why, "OpenFlow of %s: %.80s",
			c->bridge,
			other_end_gone(error) ? "ovs-vswitchd is gone" : strerror(error));
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

static int conn_open(struct ovs_conn *c, const struct ovs *ovs)
{
	char name[PATH_MAX + 64];
	int error, rc = 0;

	snprintf(name, sizeof(name), "unix:%s/%s.mgmt", ovs->dir, c->bridge);
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
	return rc;
}

/* What nobody waits for any more is thrown away. */
static bool is_alive(struct ovs_conn *c)
{
	struct ofpbuf *msg;
	int error;

	vconn_run(c->vconn);
	while (!(error = vconn_recv(c->vconn, &msg)))
		ofpbuf_delete(msg);
	return error == EAGAIN;
}

static void conn_free(struct ovs *ovs, size_t i)
{
	struct ovs_conn *c = ovs->conns[i];

	array_remove(ovs->conns, &ovs->nr_conns, sizeof(*ovs->conns), i);
	vconn_close(c->vconn);
	free(c);
}

static size_t find(const struct ovs *ovs, const char *bridge)
{
	size_t i = 0;

	while (i < ovs->nr_conns && strcmp(ovs->conns[i]->bridge, bridge) != 0)
		i++;
	return i;
}

void ovs_conn_close(struct ovs *ovs, const char *bridge)
{
	size_t i = find(ovs, bridge);

	if (i < ovs->nr_conns)
		conn_free(ovs, i);
	/* Who has made it end may have changed the flows too. */
	ovs_expect_doubt(ovs, bridge);
}

void ovs_conn_close_all(struct ovs *ovs)
{
	while (ovs->nr_conns)
		ovs_conn_close(ovs, ovs->conns[0]->bridge);
	free(ovs->conns);
	ovs->conns = NULL;
}

int ovs_conn_get(struct ovs *ovs, const char *bridge, struct ovs_conn **c_out, char *why)
{
	size_t i = find(ovs, bridge);
	struct ovs_conn *c, **added;
	int rc;

	*c_out = NULL;
	if (i < ovs->nr_conns && !is_alive(ovs->conns[i])) {
		ovs_conn_close(ovs, bridge);
		i = ovs->nr_conns;
	}
	if (i == ovs->nr_conns) {
		c = calloc(1, sizeof(*c));
		added = c ? array_add(&ovs->conns, &ovs->nr_conns, sizeof(*ovs->conns)) : NULL;
		if (!added) {
			free(c);
			return ovs_fail(-ENOMEM, why, "out of memory");
		}
		*added = c;
		snprintf(c->bridge, sizeof(c->bridge), "%s", bridge);
	}
	c = ovs->conns[i];
	c->why = why;
	c->has_sent = false;
	c->end = time_msec() + OVS_OPENFLOW_MS;
	rc = c->vconn ? 0 : conn_open(c, ovs);
	if (rc)
		ovs_conn_close(ovs, bridge);
	else
		*c_out = c;
	return rc;
}

int ovs_conn_send(struct ovs_conn *c, struct ofpbuf *msg)
{
	int error, rc = 0;

	ofpmsg_update_length(msg);
	if (!c->has_sent)
		c->since = ntohl(((const struct ofp_header *)msg->data)->xid);
	c->has_sent = true;
	while (!rc && (error = vconn_send(c->vconn, msg)) == EAGAIN)
		rc = conn_wait(c, WAIT_SEND);
	if (!rc && !error) {
		c->end = time_msec() + OVS_OPENFLOW_MS;
		return 0;
	}
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

int ovs_conn_answer(struct ovs_conn *c, uint32_t xid)
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
		if (!rc && (int32_t)(ntohl(oh->xid) - c->since) >= 0 &&
		    !ofptype_decode(&type, oh) && type == OFPTYPE_ERROR)
			rc = ovs_fail(-EINVAL, c->why, "ovs-vswitchd refuses a flow of %s: %.60s",
				      c->bridge, ofperr_get_name(ofperr_decode_msg(oh, NULL)));
		ofpbuf_delete(msg);
	}
	return rc;
}
