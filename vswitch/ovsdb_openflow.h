/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenFlow with a bridge of ovs-vswitchd, among the files that speak it:
 *
 *	ovsdb_conn.c	the connection, messages
 *	ovsdb_bundle.c	changing flows
 *	ovsdb_dump.c	reading them, comparing
 *
 * Return: 0/-errno with @why (VS_TEXT_LEN).
 */
#ifndef VSWITCH_OVSDB_OPENFLOW_H
#define VSWITCH_OVSDB_OPENFLOW_H

#include <openvswitch/ofp-bundle.h>
#include <openvswitch/ofp-flow.h>
#include <openvswitch/types.h>

#include "vswitch/ovsdb_priv.h"

#define OVS_OF_PROTOCOL OFPUTIL_P_OF14_OXM
#define OVS_OF_VERSION	OFP14_VERSION

struct ofpbuf;
struct vconn;

/* ovsdb_conn.c */
struct ovs_conn {
	struct vconn *vconn;
	const char *bridge;
	long long end;
	char *why;
};

int ovs_conn_open(struct ovs_conn *c, const struct ovs *ovs, const char *bridge, char *why);
void ovs_conn_close(struct ovs_conn *c);
/* Takes @msg, in any case. */
int ovs_conn_send(struct ovs_conn *c, struct ofpbuf *msg);
/* The caller's to delete. */
int ovs_conn_recv(struct ovs_conn *c, struct ofpbuf **msg);
/* Until the reply to @xid; an error about anything before it counts as the answer. */
int ovs_conn_answer(struct ovs_conn *c, ovs_be32 xid);

/* ovsdb_bundle.c */
/* One flow of ovs_guard_flows(); ovs_flow_mod_free() by the caller. */
int ovs_flow_parse(const char *text, unsigned int port, struct ofputil_flow_mod *fm, char *why);
void ovs_flow_mod_free(struct ofputil_flow_mod *fm);

/* A bundle, filled message by message; what goes wrong shows in @rc. */
struct ovs_bundle {
	struct ovs_conn *c;
	struct ofputil_bundle_ctrl_msg ctrl;
	int rc;
};

void ovs_bundle_open(struct ovs_bundle *b, struct ovs_conn *c);
void ovs_bundle_add(struct ovs_bundle *b, const struct ofputil_flow_mod *fm);
/* All flows of ours for @port go. */
void ovs_bundle_del_port(struct ovs_bundle *b, unsigned int port);
void ovs_bundle_flows(struct ovs_bundle *b, unsigned int port, const json_t *flows);
/* A message that was refused is not in the bundle: so nothing is done unless all of them are. */
int ovs_bundle_commit(struct ovs_bundle *b);

/* ovsdb_dump.c: @bridge has another number of flows from now on. */
void ovs_count_forget(struct ovs *ovs, const char *bridge);

#endif
