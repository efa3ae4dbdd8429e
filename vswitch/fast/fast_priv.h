/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch's own parts: what is here is the control thread's. */
#ifndef VSWITCH_FAST_FAST_PRIV_H
#define VSWITCH_FAST_FAST_PRIV_H

#include "vswitch/fast/fast.h"
#include "vswitch/fast/inherit.h"
#include "vswitch/fast/net.h"
#include "vswitch/fast/port_device.h"

struct fast {
	struct fast_config config;
	char *state;
	json_t *networks, *ports; /* documents as applied */
	json_t *waiting; /* of the file's, those that could not be: {kind: {name: {"doc","why"}}} */
	struct list nets, threads, vifs;
	bool restoring; /* of the file's */
	bool is_paused;
	bool is_handed_over;
	struct fast_legacy *legacy; /* a predecessor's, until all ports are back */
};

/* A vif that is open, or has a document, or both. With queues as well it is a port of its network. */
struct fast_vif {
	struct list all;
	struct fast *fast;
	char name[IFNAMSIZ];
	bool is_open, has_doc;
	struct nb_queue *queues; /* NULL: not started */
	unsigned int nr_queues;
	struct fast_port_doc doc;
	struct fast_device *device; /* of a document that has "vhost-user"; NULL: not open */
	struct fast_gate *gate;
	struct fast_port port;
	char trouble[FAST_DEVICE_WHY_MAX];
};

/* In a bag. */
#define FAST_BAG_HOST	"host"
#define FAST_BAG_UPLINK "uplink"
#define FAST_BAG_TABLES "tables"

/* keep.c. Write @networks and @ports, and those that are @waiting, to @path, whole or not at all. 0 or -errno. */
int fast_keep(const char *path, json_t *networks, json_t *ports, const json_t *waiting);
/* Try the file's: what does not go waits, and does not take others with it. */
void fast_restore(struct fast *f, const json_t *state);
/* @waiting without what @change names. NULL: out of memory. */
json_t *fast_waiting_without(const json_t *waiting, const json_t *change);
bool fast_is_waiting(const struct fast *f, const char *kind, const char *name);
/* {kind: {name: why}}. NULL: out of memory. */
json_t *fast_waiting_status(const struct fast *f);
/* {"networks","ports"}; no file: both empty. -EINVAL: it is none of ours. */
int fast_kept(const char *path, json_t **state_out, char *why);

/* What a network's new document takes, made ahead. */
struct fast_net_change {
	struct fast_net *net; /* as it is, or a new one */
	bool is_new, is_set;
	bool is_route; /* nothing but its routes */
	struct fast_network_doc doc;
	struct fast_rules *rules;
	struct fast_ct *ct;
	struct fast_gateway *gateway;
	struct fast_thread *thread;
	bool new_uplink;
	struct fast_uplink uplink; /* if new_uplink */
};

/* net.c */
struct fast_net *fast_net_find(const struct fast *f, const char *name);
int fast_net_prepare(struct fast *f, const char *name, const json_t *doc, struct fast_net_change *c,
		     char *why);
void fast_net_abort(struct fast *f, struct fast_net_change *c);
void fast_net_commit(struct fast *f, struct fast_net_change *c);
/* No port is left. @gone: the host's end goes too. */
void fast_net_destroy(struct fast *f, struct fast_net *net, bool gone);
/* Threads that no network has any more. */
void fast_net_sweep(struct fast *f);

/* host_neigh.c: as fast_host_ops.forget() */
int fast_host_forget(const char *name, const uint8_t *mac);

/* uplink.c */
/* 0; -errno with @why. */
int fast_uplink_open(const struct fast *f, const struct fast_uplink_doc *doc, unsigned int mtu,
		     struct fast_uplink *u, char *why);
/* Safe on one that is none. */
void fast_uplink_close(struct fast_uplink *u);
/* The virtio card of a QEMU that runs as @owner and connects to the socket @path. 0; -errno with @why. */
int fast_vhost_open(const char *path, uid_t owner, unsigned int mtu,
		    struct fast_device **device_out, char *why);
/* Make @p, which has fast_fd_init() behind it, its port, or none. */
void fast_uplink_init(struct fast_port *p, const struct fast_uplink *u);

/* vif.c */
struct fast_vif *fast_vif_find(const struct fast *f, const char *name);
/* -ENOMEM. */
int fast_vif_get(struct fast *f, const char *name, struct fast_vif **vif_out);
/* Its document is @doc from now on, NULL: none; takes @gate. */
int fast_vif_set(struct fast_vif *vif, const struct fast_port_doc *doc, struct fast_gate *gate);
/* As document and queues say, a port of its network or not. 0; or why not stands in its trouble. */
int fast_vif_settle(struct fast_vif *vif);
/* Out of its network. */
void fast_vif_leave(struct fast_vif *vif);
/* Forgotten, if nothing is left of it. */
void fast_vif_put(struct fast_vif *vif);

/* member.c: by the thread. Have @p in @net as its fields say. 0; -errno. */
int fast_member_add(struct fast_net *net, struct fast_port *p);
void fast_member_remove(struct fast_port *p);
/* What its document says has changed. 0; -EEXIST: its MAC is another port's; -ENOMEM. */
int fast_member_update(struct fast_port *p, const struct fast_port_doc *doc,
		       struct fast_gate *gate);

#endif
