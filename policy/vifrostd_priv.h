/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of vifrostd: its loop and start (vifrostd.c), xenstore (_store), vifs (_vif), RPC (_rpc, _status). */
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
};

/* One vif of the store's backend/vif/<domid>/<devid>. */
struct vif {
	struct htab_node node;
	uint16_t domid, devid;
	char name[IFNAMSIZ];
	enum vif_state state;
	bool is_ready; /* the backend waits for us, or has passed on */
	struct place_vif who;
	struct placement placement;
	char reason[PLACE_WHY_LEN]; /* of any state but connected */
	char logged[PLACE_WHY_LEN]; /* the reason that was logged last */
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
	struct policy *policy; /* the applied one; NULL: none */

	struct hv_store *store; /* NULL: not connected */
	struct loop_fd store_watcher;
	struct loop_timer store_timer; /* next try to connect */
	char store_why[HV_WHY_MAX];    /* why not connected */

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

/* vifrostd_vif.c */
struct vif *vif_find(struct vifrostd *d, uint16_t domid, uint16_t devid);
struct vif *vif_next(struct vifrostd *d, struct vif *vif);
/* Look at the vif anew and do what it needs, whatever was known of it. Return: 0; -ECONNRESET. */
int vif_update(struct vifrostd *d, uint16_t domid, uint16_t devid);
/* As vif_update() for all of @domid, and all of everyone. */
int vif_update_domain(struct vifrostd *d, uint16_t domid);
int vif_update_all(struct vifrostd *d);
void vif_on_link(void *arg, const struct vs_link *link, bool is_gone);
void vif_forget_all(struct vifrostd *d);
const char *vif_state_name(enum vif_state state);
/* Where @policy (NULL: none) wants the vifs that are ready. */
int vif_wanted(struct vifrostd *d, const struct policy *policy, struct vs_wanted *wanted);

/* vifrostd_rpc.c */
extern const struct rpc_method vifrostd_methods[];
/* The wish of @policy, NULL for none, vifs included. */
int rpc_wanted(struct vifrostd *d, const struct policy *policy, struct vs_wanted *wanted);

/* vifrostd_status.c. NULL: out of memory. */
json_t *status_json(struct vifrostd *d);
json_t *status_vifs_json(struct vifrostd *d);
json_t *status_vif_json(const struct vif *vif);

#endif
