/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of vifrostd: its loop and start (vifrostd.c), xenstore (_store), vifs (_vif, _link),
 * RPC (_rpc, _status). */
#ifndef POLICY_VIFROSTD_PRIV_H
#define POLICY_VIFROSTD_PRIV_H

#include <limits.h>

#include "base/htab.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "hv/store.h"
#include "policy/apply.h"
#include "policy/place.h"
#include "policy/policy.h"
#include "policy/vifrostd.h"
#include "vswitch/rtnl_events.h"

enum vif_state {
	VIF_WAITING,	 /* in xenstore, but no link yet, or the backend is not ready */
	VIF_CONNECTED,	 /* link up on its network */
	VIF_QUARANTINED, /* the policy gives it no network */
	VIF_ERROR,
	VIF_UNMANAGED, /* without a policy: a script has placed it */
};

/* By whom a vif is served, or is to be. The policy does not speak of vifs that it gives no network. */
enum vif_datapath { VIF_DATAPATH_ANY, VIF_DATAPATH_TAP, VIF_DATAPATH_KERNEL };

/* One vif of the store's backend/vif/<domid>/<devid>. */
struct vif {
	struct htab_node node;
	uint16_t domid, devid;
	char name[IFNAMSIZ];	/* vif<domid>.<devid> */
	char vifname[IFNAMSIZ]; /* what its link is to be called instead; "" */
	char link[IFNAMSIZ];	/* what it is called; "": there is none */
	enum vif_state state;
	bool is_ready;		      /* the backend waits for us, or has passed on */
	bool is_scripts;	      /* a script places it, while no policy is applied */
	bool was_introduced, is_dead; /* its domain, to xenstored */
	struct place_vif who;
	struct placement placement;
	enum vif_datapath wanted, actual; /* actual: of the link */
	bool is_moving;			  /* its link is the other datapath's */
	char hotplug_status[16];
	char reason[PLACE_WHY_LEN]; /* of any state but connected; of that: what is still pending */
	char logged[PLACE_WHY_LEN]; /* the reason that was logged last */
	char segment[192];	    /* what it can reach without a router; "": not placed yet */
	bool is_carrier_off;	    /* for a moment, because that has changed */
	struct log_limit limit;
};

struct vifrostd {
	const char *rundir;
	char state_dir[PATH_MAX];
	char host_id[64];
	struct loop *loop;
	int pidfile;

	struct vs_system *sys;
	struct vs_events *events;
	struct apply apply;
	struct policy *policy;	   /* the applied one; NULL: none */
	struct vs_wanted networks; /* what it wants but for vifs */

	bool is_xen;		/* a real Xen's store */
	struct hv_store *store; /* NULL: not connected */
	struct loop_fd store_watcher;
	struct loop_timer store_timer; /* next try to connect */
	struct loop_timer again_timer; /* a write was refused: all vifs are looked at again */
	struct loop_timer carrier_timer;
	uint64_t store_retry_ms;
	char store_why[HV_WHY_MAX]; /* why not connected */

	struct htab vifs;
	struct rpc_server *rpc;
};

/* vifrostd_store.c */
void store_start(struct vifrostd *d);
void store_stop(struct vifrostd *d);
/* After use of the store outside its own events: those that came meanwhile make no noise. */
void store_drain(struct vifrostd *d);
/* The connection is gone: forget it and try again soon. */
void store_lost(struct vifrostd *d, int rc);
/* xenstore refused a write: look at all vifs again a little later. */
void store_refused(struct vifrostd *d);

/* vifrostd_vif.c */
struct vif *vif_find(struct vifrostd *d, uint16_t domid, uint16_t devid);
struct vif *vif_next(struct vifrostd *d, struct vif *vif);
struct vif *vif_find_name(struct vifrostd *d, const char *name);
/* Look at the vif anew and do what it needs, whatever was known of it. Return: 0; -ECONNRESET. */
int vif_update(struct vifrostd *d, uint16_t domid, uint16_t devid);
/* As vif_update() for all of @domid, and all of everyone. */
int vif_update_domain(struct vifrostd *d, uint16_t domid);
int vif_update_all(struct vifrostd *d);
/*
 * After an apply, which has put links where @d->policy wants them: those vifs that it says something new of, or
 * that wait for something. Return: 0; -ECONNRESET.
 */
int vif_update_changed(struct vifrostd *d);
/* Domains have come or gone. Return: 0; -ECONNRESET. */
int vif_check_domains(struct vifrostd *d);
/* The watch with that token has fired. Return: 0; -ECONNRESET. */
int vif_check_name(struct vifrostd *d, const char *token);
/* The store's connection is a new one. Return: 0; -errno. */
int vif_watch_names(struct vifrostd *d);
void vif_on_link(void *arg, const struct vs_link *link, bool is_gone);
void vif_forget_all(struct vifrostd *d);
const char *vif_state_name(enum vif_state state);
/* Of a vif that the kernel serves, where @reason is "": it tells by the store alone how it is doing. */
void vif_ask_store(struct vifrostd *d, const struct vif *vif, char *reason, size_t size);
/* Where @policy (NULL: none) wants the vifs that are ready. */
int vif_wanted(struct vifrostd *d, const struct policy *policy, struct vs_wanted *wanted);

/* vifrostd_link.c */
/* Read who the guest is, have the vif served and its link placed as the policy says. Return: 0; -ECONNRESET. */
int vif_place(struct vifrostd *d, struct vif *vif);
/* On a real Xen, before it has a link: who is to serve it. Return: 0; -ECONNRESET. */
int vif_assign(struct vifrostd *d, struct vif *vif);
/* What @policy (NULL: none) says of it, as far as the host can do it. */
enum vif_datapath vif_decide(struct vifrostd *d, const struct policy *policy, const struct vif *vif,
			     bool explain, struct placement *out);
const char *vif_datapath_name(enum vif_datapath datapath);
/* Value of a node as text, cut to @size; "" when it is not there. Return: 0; -ECONNRESET. */
int vif_read_text(struct vifrostd *d, const char *path, char *text, size_t size);
int vif_read_key(struct vifrostd *d, const struct vif *vif, const char *key, char *text,
		 size_t size);

/* vifrostd.c: from now on @policy (NULL: none) is in force; taken over on success. Return: 0; -ENOMEM. */
int vifrostd_take_policy(struct vifrostd *d, struct policy *policy);

int vif_write_carrier(struct vifrostd *d, struct vif *vif, bool on);

/* vifrostd_carrier.c */
int carrier_start(struct vifrostd *d);
void carrier_stop(struct vifrostd *d);
/* The vif stands in @n now. Return: 0; -ECONNRESET. */
int carrier_check(struct vifrostd *d, struct vif *vif, const struct vs_network *n);

/* vifrostd_place.c: for Xen's scripts, policy/hotplug.h */
void rpc_vif_place(void *arg, struct rpc_call *call);

/* vifrostd_rpc.c */
extern const struct rpc_method vifrostd_methods[];
/* The wish of @policy, NULL for none, vifs included. */
int rpc_wanted(struct vifrostd *d, const struct policy *policy, struct vs_wanted *wanted);

/* vifrostd_status.c. NULL: out of memory. */
json_t *status_json(struct vifrostd *d);
json_t *status_vifs_json(struct vifrostd *d);
json_t *status_vif_json(struct vifrostd *d, const struct vif *vif);

#endif
