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

#include "vswitch/ovsdb_priv.h"

#define OVS_OF_PROTOCOL OFPUTIL_P_OF14_OXM
#define OVS_OF_VERSION	OFP14_VERSION

struct match;
struct ofpbuf;
struct ofputil_flow_mod;
struct vconn;

/* ovsdb_conn.c */
struct ovs_conn {
	struct vconn *vconn;
	char bridge[IFNAMSIZ];
	long long end;
	bool has_sent;	/* since then */
	uint32_t since; /* xid of the first: what is older, nobody waits for */
	char *why;	/* the caller's of ovs_conn_get(), until the next one */
};

/* The one to @bridge. After an error of any function below it is to be closed. */
int ovs_conn_get(struct ovs *ovs, const char *bridge, struct ovs_conn **c_out, char *why);
/* Takes @msg, in any case. */
int ovs_conn_send(struct ovs_conn *c, struct ofpbuf *msg);
/* The caller's to delete. */
int ovs_conn_recv(struct ovs_conn *c, struct ofpbuf **msg);
/* Until the reply to @xid, as it stands in messages; an error about anything before it counts as the answer. */
int ovs_conn_answer(struct ovs_conn *c, uint32_t xid);

/* ovsdb_bundle.c: a bundle, filled message by message; what goes wrong shows in @rc. */
struct ovs_bundle {
	struct ovs_conn *c;
	uint32_t commit; /* xid of the last message */
	int rc;
};

void ovs_bundle_open(struct ovs_bundle *b, struct ovs_conn *c);
void ovs_bundle_add(struct ovs_bundle *b, const struct ofputil_flow_mod *fm);
/* All flows of ours for @port go. */
void ovs_bundle_del_port(struct ovs_bundle *b, unsigned int port);
/* A message that was refused is not in the bundle: wait until all of them were taken, or none is done. */
int ovs_bundle_check(struct ovs_bundle *b);
/* Two halves, with time for something else in between. */
void ovs_bundle_commit(struct ovs_bundle *b);
int ovs_bundle_end(struct ovs_bundle *b);

/* ovsdb_expect.c: the flows that a guard stands for on one port, parsed. */
struct ovs_expect {
	char bridge[IFNAMSIZ];
	unsigned int port;
	json_t *guard; /* json_null(): the bridge's own */
	struct ofputil_flow_mod *v;
	struct match *matches;
	size_t nr;
	bool is_there; /* they were set or seen, and nothing says that they have gone since */
};

/* NULL: out of memory, or no flows can stand for it. Until the next call. */
struct ovs_expect *ovs_expect(struct ovs *ovs, const char *bridge, unsigned int port,
			      const json_t *guard);

#endif
