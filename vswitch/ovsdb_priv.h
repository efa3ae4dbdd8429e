/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open vSwitch's daemons, seen from the files that own libopenvswitch:
 *
 *	ovsdb_daemon.c	which system is used; ours is started and kept running
 *	ovsdb.c		the database's replica, transactions
 *	ovsdb_bridge.c	documents of bridges
 *	ovsdb_port.c	documents of ports
 *	ovsdb_dpdk.c	DPDK in ovs-vswitchd
 *	ovsdb_mirror.c	the mirrors of bridges' documents
 *	ovsdb_qos.c	what ports without a link get at most
 *	ovsdb_put.c	ports that come and go
 *	ovsdb_openflow.h who speaks OpenFlow
 *
 * Every wait is bounded. On error @why (VS_TEXT_LEN) says cause and cure.
 */
#ifndef VSWITCH_OVSDB_PRIV_H
#define VSWITCH_OVSDB_PRIV_H

#include <limits.h>
#include <stdarg.h>

#include "vswitch/docs.h"

#define OVS_OWNER_KEY	 "owner" /* in external_ids of all rows of ours */
#define OVS_OWNER	 "vifrost"
#define OVS_GUARD_KEY	 "vifrost-guard"    /* of a port: its document's guard */
#define OVS_FIREWALL_KEY "vifrost-firewall" /* of a bridge: its document's firewall */
#define OVS_GRACE_PORT	 0xfffffffeu	    /* stands for the flows that go by themselves */
#define OVS_CONNECT_MS	 3000
#define OVS_COMMIT_MS	 5000
#define OVS_EFFECT_MS	 10000 /* until ovs-vswitchd has done it */
#define OVS_DPDK_MS	 60000 /* the same while DPDK starts in it, which clears its hugepages */
#define OVS_OPENFLOW_MS	 5000

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct ovsrec_bridge;
struct ovsrec_port;
struct ovsrec_open_vswitch;

/* One for all kinds of documents of a run directory. */
struct ovs {
	char rundir[PATH_MAX];
	char dir[PATH_MAX]; /* where the daemons in use have their sockets; "": none found yet */
	int users;
	bool is_fresh; /* our ovs-vswitchd was started and has not said yet that it is done */
	struct ovsdb_idl *idl;	   /* NULL: not connected */
	struct ovsdb_idl_txn *txn; /* while one is built */
	unsigned int seqno;	   /* of the replica, when it was looked at last */
	bool is_wide;		   /* others' ports are replicated, too */
	struct ovs_count {
		char bridge[IFNAMSIZ];
		size_t nr;
	} * counts; /* flows of secure bridges, when they were looked at last */
	size_t nr_counts;
	struct ovs_conn **conns; /* OpenFlow's, one a bridge */
	size_t nr_conns;
	int watched[2]; /* our daemons, once they were found running; 0: not known */
	struct ovs_expect *expected;
	size_t nr_expected;
};

/* Put a text into @why and return @rc. */
int ovs_fail(int rc, char *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ovsdb_daemon.c */
/*
 * Find the daemons to use: ours when they were started once, and then start again what of them ended;
 * the system's; with @start, new ones of ours. Return: 0 with ovs->dir; -ENOENT: none; -errno.
 */
int ovs_daemons_find(struct ovs *ovs, bool start, char *why);
/* Which ovs-vswitchd ours is, or is going to be: "ovs-vswitchd-dpdk" where that is there. */
const char *ovs_switch_program(void);
/* End ours, if ours are used, and remove what they leave. */
int ovs_daemons_stop(struct ovs *ovs, char *why);
/* Whether one of ours is in use and does not run. */
bool ovs_daemons_ended(const struct ovs *ovs);
/* Whether those in use were found before and still run: nothing is looked for, nothing started. */
bool ovs_daemons_run(struct ovs *ovs);
void ovs_daemons_unwatch(struct ovs *ovs);
/*
 * The switch, or the database, was given its time and has not answered. Ours is killed: a rollback needs one
 * that answers, and gets a new one. A system's own is left alone.
 */
void ovs_daemon_hangs(struct ovs *ovs, bool is_db);
/* A path below our own daemons' folder. */
void ovs_own_path(const struct ovs *ovs, char path[PATH_MAX], const char *name);

/* ovsdb.c */
int ovs_open(const char *rundir, struct ovs **ovs_out, char *why);
void ovs_close(struct ovs *ovs);
/* Connected, and the replica as new as what was sent to us. Return: 0; -ENOENT: no daemons; -errno. */
int ovs_ready(struct ovs *ovs, bool start, char *why);
/*
 * One transaction. @build: fills it; may run again, when someone else changed what it had read.
 * Returns once ovs-vswitchd has done all that the database says.
 */
int ovs_commit(struct ovs *ovs, int (*build)(struct ovs *ovs, void *arg, char *why), void *arg,
	       char *why);
/* End the connection, then the daemons, if they are ours. */
int ovs_disconnect_and_stop(struct ovs *ovs, char *why);
const struct ovsrec_open_vswitch *ovs_root(const struct ovs *ovs);
struct smap;
/* By the owner in them. */
bool ovs_is_ours(const struct smap *external_ids);
/* NULL: none. @is_ours: by its external_ids. */
const struct ovsrec_bridge *ovs_bridge(const struct ovs *ovs, const char *name, bool *is_ours);
/* Ours only. @on: its bridge, if not NULL. */
const struct ovsrec_port *ovs_port(const struct ovs *ovs, const char *name,
				   const struct ovsrec_bridge **on);

/*
 * ovsdb_settle.c: until no packet passes by what was cached of other flows, at most a second. Return: 0;
 * -errno: it will be so soon nonetheless.
 */
int ovs_settle(const struct ovs *ovs);

/* ovsdb_bridge.c: what its own flows are made of, ovs_base_flows(); a new reference. */
json_t *ovs_bridge_base(const struct ovsrec_bridge *row);

/*
 * ovsdb_dpdk.c: have ovs-vswitchd start DPDK as a bridge's document says, if it has not. -EOPNOTSUPP and others
 * with cause and cure in @why.
 */
int ovs_dpdk_start(struct ovs *ovs, const json_t *dpdk, char *why);
/* Whether it has. ovs-vswitchd says so only as ports come or go: if @bridge has not just come, one does both. */
int ovs_dpdk_await(struct ovs *ovs, const char *bridge, char *why);
/* What a bridge's document says of it, as far as it holds: a new reference; NULL: nothing. */
json_t *ovs_dpdk_read(const struct ovs *ovs, const struct ovsrec_bridge *row);
/* In a transaction. */
void ovs_dpdk_write(const struct ovsrec_bridge *row, const json_t *dpdk);

/* ovsdb_port.c: 0: not known (yet). */
unsigned int ovs_port_number(const struct ovsrec_port *port);
/* The guard that the port is to have, a new reference; NULL: none. */
json_t *ovs_port_guard(const struct ovsrec_port *port);
json_t *ovs_port_read(const struct ovsrec_port *port, const struct ovsrec_bridge *on);
struct ovs_port_change {
	const char *name;
	const json_t *doc;	 /* NULL: take it away */
	bool is_new;		 /* to its bridge */
	unsigned int number;	 /* that it has, or is to ask for */
	unsigned int old_number; /* whose flows go with it; 0: none */
	char old_bridge[IFNAMSIZ];
};
/* In a transaction. @port: as it is, NULL: not there; @old_on: its bridge. */
int ovs_port_write(struct ovs *ovs, const struct ovs_port_change *c, const struct ovsrec_port *port,
		   const struct ovsrec_bridge *old_on, char *why);

/* ovsdb_qos.c: a document's "to-guest"; a new reference, NULL: none of ours */
json_t *ovs_qos_read(const struct ovsrec_port *port);
/* In a transaction. @rate: NULL: none; before the port goes, too. */
void ovs_qos_write(struct ovs *ovs, const struct ovsrec_port *port, const json_t *rate);

/* ovsdb_put.c: each name once. */
int ovs_ports_change(struct ovs *ovs, struct ovs_port_change *v, size_t nr, char *why);

/* ovsdb_mirror.c: a document's "mirrors" */
/* Those that select and copy as they should; a new reference, NULL: out of memory. */
json_t *ovs_mirrors_read(const struct ovsrec_bridge *on);
/* In a transaction. @mirrors: NULL: none. -ENOMEM. */
int ovs_mirrors_write(struct ovs *ovs, const struct ovsrec_bridge *on, const json_t *mirrors);
/* Ports have come or gone: a transaction of its own, if there are mirrors. */
int ovs_mirrors_refresh(struct ovs *ovs, const char *bridge, char *why);

/* ovsdb_conn.c */
void ovs_conn_close(struct ovs *ovs, const char *bridge);
void ovs_conn_close_all(struct ovs *ovs);

/* ovsdb_learn.c: the switch learns that @mac is at @port; no matter if not. */
void ovs_learn(struct ovs *ovs, const char *bridge, unsigned int port, const uint8_t mac[MAC_LEN]);

/* ovsdb_bundle.c: guards of ports, in one bundle a bridge */
struct ovs_guard {
	unsigned int port;
	const json_t *guard; /* NULL: all flows of that port go */
};
struct ovs_guards {
	char bridge[IFNAMSIZ];
	struct ovs_guard *v;
	size_t nr;
	struct ovs_bundle *bundle; /* under way */
};

int ovs_guards_set(struct ovs *ovs, const char *bridge, struct ovs_guard *v, size_t nr, char *why);
/* The same in two halves, with time for something else in between. After an error the ports have no flows. */
int ovs_guards_begin(struct ovs *ovs, struct ovs_guards *set, char *why);
int ovs_guards_end(struct ovs *ovs, struct ovs_guards *set, char *why);

/* ovsdb_expect.c */
void ovs_expect_free(struct ovs *ovs);
void ovs_expect_forget(struct ovs *ovs, const char *bridge, unsigned int port);
/* Whether all flows of the bridge's ports are still there is not known any more. */
void ovs_expect_doubt(struct ovs *ovs, const char *bridge);
/* Whether we know, without asking, that the flows of the guard are there. */
bool ovs_guard_is_there(struct ovs *ovs, const char *bridge, unsigned int port,
			const json_t *guard);

/* ovsdb_dump.c */
struct ovs_dump; /* all flows of a bridge, and which of them were expected */

/* The bridge's own flows come, and all that nobody expects go. */
int ovs_flows_reset(struct ovs *ovs, const struct ovsrec_bridge *bridge, char *why);
int ovs_flows_dump(struct ovs *ovs, const char *bridge, struct ovs_dump **dump_out, char *why);
void ovs_dump_free(struct ovs_dump *dump);
/* Whether the port's flows are there, all of them; they then count as expected. */
bool ovs_dump_has(struct ovs *ovs, struct ovs_dump *dump, unsigned int port, const json_t *guard);
/* Whether there are flows that nobody expected. */
bool ovs_dump_has_strays(const struct ovs_dump *dump);
/* Whether the bridge has another number of flows than when they were dumped, or that is not known. */
bool ovs_flows_changed(struct ovs *ovs, const char *bridge);
/* It has from now on. */
void ovs_count_forget(struct ovs *ovs, const char *bridge);

#endif
