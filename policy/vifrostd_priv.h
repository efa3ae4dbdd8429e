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
#include "policy/history.h"
#include "policy/place.h"
#include "policy/policy.h"
#include "policy/probe.h"
#include "policy/vifrostd.h"
#include "vswitch/changes.h"
#include "vswitch/fastnet.h"
#include "vswitch/rtnl_events.h"

enum vif_state {
	VIF_WAITING,	 /* in xenstore, but no link yet, or the backend is not ready */
	VIF_CONNECTED,	 /* link up on its network */
	VIF_QUARANTINED, /* the policy gives it no network */
	VIF_ERROR,
	VIF_UNMANAGED, /* without a policy: a script has placed it */
};

/* By whom a vif is served, or is to be. The policy does not speak of vifs that it gives no network. */
/* Without a link on the host: DPDK, by vifrost-netback's own switch; PMD, as a port of Open vSwitch's.
 * EMU: QEMU's, of an emulated card; VHOST: the same without a link, a port of vifrost-netback's switch. Its toolstack says so before anyone else says anything. */
enum vif_datapath {
	VIF_DATAPATH_ANY,
	VIF_DATAPATH_TAP,
	VIF_DATAPATH_KERNEL,
	VIF_DATAPATH_DPDK,
	VIF_DATAPATH_PMD,
	VIF_DATAPATH_EMU,
	VIF_DATAPATH_VHOST,
};

/* One vif of the store's backend/vif/<domid>/<devid>. */
#define RATE_LEN 32

#define KEY_OFFER "vifrost-offer"
#define OFFER_LEN 48

struct vif {
	struct htab_node node, measured, by_mac;
	uint16_t domid, devid;
	bool has_mac; /* it is among vifrostd's macs */
	uint8_t mac[MAC_LEN];
	int ifindex;		/* of its link; 0: there is none */
	char name[IFNAMSIZ];	/* vif<domid>.<devid> */
	char vifname[IFNAMSIZ]; /* what its link is to be called instead; "" */
	char link[IFNAMSIZ];	/* what it is called; "": there is none */
	enum vif_state state;
	bool is_to_be_told;	      /* vif_tell_all() */
	bool is_ready;		      /* the backend waits for us, or has passed on */
	bool is_scripts;	      /* a script places it, while no policy is applied */
	bool was_introduced, is_dead; /* its domain, to xenstored */
	struct place_vif who;
	struct placement placement;
	enum vif_datapath wanted, actual; /* actual: of the link */
	bool is_moving;			  /* its link is the other datapath's */
	bool has_port;			  /* of vifrost-netback's switch, or may have */
	bool has_pmd;			  /* the same of Open vSwitch's */
	bool has_rate;
	/* What passes, measured while there is a limit. */
	struct vif_flow {
		uint64_t at_ns; /* of the counters; 0: none yet */
		struct vs_counters counters;
		uint64_t from_guest_bps, to_guest_bps; /* bits per second */
		bool is_measured;
	} flow;
	char rate[RATE_LEN]; /* what its backend was told; "": no limit of ours */
	char hotplug_status[16], datapath_told[16]; /* as read of its backend area */
	char offer_told[OFFER_LEN];		    /* the same */
	enum place_trust trust_told;
	char reason[PLACE_WHY_LEN]; /* of any state but connected; of that: what is still pending */
	char logged[PLACE_WHY_LEN]; /* the reason that was logged last */
	char segment[192];	    /* what it can reach without a router; "": not placed yet */
	const struct vs_mode *mode; /* of the network where it stands */
	enum vs_ovs_datapath ovs_datapath;
	bool is_carrier_off; /* for a moment, because that has changed */
	struct log_limit limit;
};

enum tx_phase {
	TX_NONE,
	TX_PROBING, /* steps done; whether the host is still on the network is being asked */
	TX_PENDING, /* a try, to be confirmed */
	TX_BACK,    /* rolled back, and the same is being asked */
};

#define TX_ID_LEN 9
#define PLANS_MAX 8

/* What was planned and may be applied by its id. */
struct planned {
	char id[APPLY_ID_LEN];
	char *file, *text;
};

/* The change under way, drawn in vifrostd_tx.c. */
struct tx {
	enum tx_phase phase;
	bool is_try;
	bool is_asked; /* the way back is what the call wants */
	char id[TX_ID_LEN];
	uid_t uid;
	char *author, *message, *file; /* message, file: NULL: none */
	uint64_t until_ms;	       /* boottime_ms(), of a try */
	uint64_t began_ns, changes_before;
	struct rpc_call *call; /* to be answered in the end; NULL: nobody waits */
	struct apply_result result;
	struct probes *probes;

	struct loop_fd timer; /* beside the lifeline: should that be killed */
	int timer_fd;
	struct loop_fd lifeline;
	int lifeline_fd; /* its pidfd; -1: none */
	unsigned int lifeline_starts;
};

#define GONE_MAX 64

#define DRIFT_BY_LEN 64

/* Where what is there differs from the policy in force. */
struct drift {
	struct loop_timer timer, poll_timer;
	uint64_t first_hint_ms;	    /* of those not yet looked at; 0: none */
	bool is_due;		    /* the timer runs */
	uint64_t vif_not_before_ms; /* the next look for the sake of a vif */
	uint64_t not_before_ms;	    /* the next look */
	char by[DRIFT_BY_LEN];	    /* who is behind the hints; "": unknown */
	pid_t by_pid;		    /* or as much as is known */
	json_t *steps;		    /* what a repair would do; NULL: there is none */
	char culprit[DRIFT_BY_LEN];
	char why[200];	 /* no repair can be planned; "": it can */
	json_t *adopted; /* texts of steps that are not wanted any more */
	json_t *last;	 /* what was repaired last */
	uint64_t nr_repaired;
	uint64_t window_ms;
	unsigned int repairs; /* in the window */
	bool is_fight;
};

struct vifrostd {
	const char *rundir;
	const char *persistent_dir; /* outlives the boot */
	char state_dir[PATH_MAX];
	char host_id[64];
	struct loop *loop;
	int pidfile;

	struct vs_system *sys;
	struct vs_events *events;
	struct vs_changes *changes;
	struct drift drift;
	struct apply apply;
	struct tx tx;
	struct history history;
	bool is_booting;	    /* the last revision could not be applied yet */
	uint64_t patient_until_ms;  /* so long it waits for a vifrost-netback; 0: not begun */
	struct rpc_call *boot_call; /* waits for that; NULL: nobody does */
	struct planned planned[PLANS_MAX];
	unsigned int next_planned;
	struct policy *policy;	   /* the applied one; NULL: none */
	struct vs_wanted networks; /* what it wants but for vifs */

	bool has_offers,
		is_announced;	/* the policy says what vifs are offered; the store says so */
	struct leases *leases;	/* NULL: not started */
	bool is_xen;		/* a real Xen's store */
	struct hv_store *store; /* NULL: not connected */
	struct loop_fd store_watcher;
	struct loop_timer store_timer; /* next try to connect */
	struct loop_timer measure_timer;
	bool is_measuring;
	struct loop_timer again_timer; /* a write was refused: all vifs are looked at again */
	struct loop_timer carrier_timer;
	uint64_t store_retry_ms;
	char store_why[HV_WHY_MAX]; /* why not connected */

	struct names_watch *names;   /* NULL: not started */
	struct routes_watch *routes; /* NULL: not started */

	struct htab vifs, macs;
	bool has_vifnames; /* some have, or had, another name than their numbers' */
	char gone[GONE_MAX]
		 [IFNAMSIZ]; /* links of vifs that are gone, which were still there then */
	size_t nr_gone;
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
 * that wait for something. @is_planned: those that have a link were in the plan. Return: 0; -ECONNRESET.
 */
int vif_update_changed(struct vifrostd *d, bool is_planned);
/* Domains have come or gone. Return: 0; -ECONNRESET. */
int vif_check_domains(struct vifrostd *d);
/* The watch with that token has fired. Return: 0; -ECONNRESET. */
int vif_check_name(struct vifrostd *d, const char *token);
/* The store's connection is a new one. Return: 0; -errno. */
int vif_watch_names(struct vifrostd *d);
/* vifrost-netback has come, or its switch has changed: those that it was not there for have no link to wait for. */
void vif_on_netback(struct vifrostd *d);
void vif_on_link(void *arg, const struct vs_link *link, bool is_gone);
void vif_forget_all(struct vifrostd *d);
const char *vif_state_name(enum vif_state state);
/* Of a vif that the kernel serves, where @reason is "": it tells by the store alone how it is doing. */
void vif_ask_store(struct vifrostd *d, const struct vif *vif, char *reason, size_t size);
/* Where @policy (NULL: none) wants the vifs that are ready; @placed_only: of those the ones that stand somewhere. */
int vif_wanted(struct vifrostd *d, const struct policy *policy, bool placed_only,
	       struct vs_wanted *wanted);

/* vifrostd_link.c */
/* Of a vif that was just read: have it served and its link placed as the policy says. Return: 0; -ECONNRESET. */
int vif_place(struct vifrostd *d, struct vif *vif);
/*
 * The same for one that lives and whose guest was read for a plan; vif_tell_all() tells of it. @is_planned: its
 * link was in the plan, which is done.
 */
int vif_place_planned(struct vifrostd *d, struct vif *vif, bool is_planned);
/* What is to be told of vifs, for all of them together. Return: 0; -ECONNRESET. */
int vif_tell_all(struct vifrostd *d);
/* On a real Xen, before it has a link: who is to serve it. Return: 0; -ECONNRESET. */
int vif_assign(struct vifrostd *d, struct vif *vif);
/* What @policy (NULL: none) says of it, as far as the host can do it. */
enum vif_datapath vif_decide(struct vifrostd *d, const struct policy *policy, const struct vif *vif,
			     bool explain, struct placement *out);
const char *vif_datapath_name(enum vif_datapath datapath);
/* Whether a link of that name may be @vif's. */
bool vif_may_have_link(const struct vif *vif, const char *link);
/* Nothing passes by vifrost-netback's switch any more. */
void vif_drop_port(struct vifrostd *d, struct vif *vif);
struct vif_note {
	const char *key, *value; /* NULL: removed */
};

#define KEY_DATAPATH "vifrost-datapath" /* who is to serve a vif, in its area */

/* vifrostd_area.c: a vif's area in xenstore. Return: 0; -ECONNRESET. */
/* XenbusStateUnknown: there is none. */
int vif_read_state(struct vifrostd *d, uint16_t domid, uint16_t devid, uint32_t *state_out);
/* Also who its guest is now, and what that one's configuration asks for. */
int vif_read_all(struct vifrostd *d, struct vif *vif, uint32_t *state_out);
/* Value of a node as text, cut to @size; "" when it is not there. */
int vif_read_text(struct vifrostd *d, const char *path, char *text, size_t size);
int vif_read_key(struct vifrostd *d, const struct vif *vif, const char *key, char *text,
		 size_t size);
/* Into one of the vif's two areas, or its backend's, if that is still there. */
int vif_write_area(struct vifrostd *d, struct vif *vif, const char *area,
		   const struct vif_note *notes, size_t nr);
int vif_write_frontend(struct vifrostd *d, struct vif *vif, const struct vif_note *notes,
		       size_t nr);
int vif_write_notes(struct vifrostd *d, struct vif *vif, const struct vif_note *notes, size_t nr);
/* Up to two notes for each of many. */
int vif_write_many(struct vifrostd *d, struct vif *const *vifs, struct vif_note (*notes)[2],
		   const size_t *nr_notes, size_t nr);

/* vifrostd_twin.c */
/* Who the guest is was read again. */
void twin_note(struct vifrostd *d, struct vif *vif);
void twin_forget(struct vifrostd *d, struct vif *vif);
/* @out: what the policy says of @vif; quarantined where another guest has its address already. */
void twin_check(struct vifrostd *d, const struct policy *policy, const struct vif *vif,
		struct placement *out);
/* A vif with that address is no more, or of no more account. */
void twin_release(struct vifrostd *d, const uint8_t mac[MAC_LEN]);

/* vifrostd_rate.c. Tell the backend how much may come from the guest. Return: 0; -ECONNRESET. */
int vif_limit(struct vifrostd *d, struct vif *vif);
/* What its frontend is offered, where the policy says so of any. Return: 0; -ECONNRESET. */
int vif_offer(struct vifrostd *d, struct vif *vif);
/* As the policy is now; netback waits for vif_offer() or does not. @is_new_store: what it says is unknown. */
void offers_announce(struct vifrostd *d, bool is_new_store);

void vif_measure_start(struct vifrostd *d);
void vif_measure_stop(struct vifrostd *d);
/* {"to-guest":{limit, what passes},"from-guest":...}; NULL: no limit. */
json_t *vif_rate_json(const struct vif *vif);

/* vifrostd.c: from now on @policy (NULL: none) is in force; taken over on success. Return: 0; -ENOMEM. */
int vifrostd_take_policy(struct vifrostd *d, struct policy *policy);
/* What the applied state says is in force; one that is not for this version is none. Return: 0; -ENOMEM. */
int vifrostd_reload_policy(struct vifrostd *d);

/* vifrostd_tx.c */
/* What one call asks for. */
struct tx_request {
	struct rpc_call *call;
	bool is_try;
	struct policy *policy;	 /* taken over in any case; NULL: all down */
	const char *file, *text; /* NULL: none */
	const char *plan_id;	 /* NULL: any */
	const char *message;	 /* NULL: none */
	uint64_t timeout_ms;	 /* of a try */
	bool allow_management_cut;
	const char *ssh; /* the caller's SSH_CONNECTION; NULL: none */
};
/* Leads to one answer of request->call, now or later. */
void tx_begin(struct vifrostd *d, const struct tx_request *request);
/* Whether the plan leaves the operator's way in. Return: 0; -EINVAL: see @ds. */
int tx_check_management(const struct vifrostd *d, const struct tx_request *r, const struct apply *a,
			const struct vs_observed *before, const struct vs_plan *plan,
			struct diags *ds);
/* Return: 0; -EBUSY, and the call is answered. */
int tx_refuse_busy(struct vifrostd *d, struct rpc_call *call);
/* At the start, after the journal was read. */
int tx_resume(struct vifrostd *d);
bool tx_keep(void *arg, const json_t *meta, const json_t *notes);
void tx_stop(struct vifrostd *d);
void tx_rpc_confirm(void *arg, struct rpc_call *call);
void tx_rpc_rollback(void *arg, struct rpc_call *call);
void tx_rpc_extend(void *arg, struct rpc_call *call);
void tx_rpc_expire(void *arg, struct rpc_call *call);
/* {id, author, seconds-left, ...} of what is under way; NULL: nothing is. */
json_t *tx_json(const struct vifrostd *d);

/* vifrostd_history.c */
void history_rpc_list(void *arg, struct rpc_call *call);
void history_rpc_undo(void *arg, struct rpc_call *call);
/* "show" with "at". */
void history_show(struct vifrostd *d, struct rpc_call *call, json_int_t revision, bool effective);
/* What was prepared when we were killed is published or dropped, as the state says. */
void history_settle(struct vifrostd *d);

/* Nothing of ours is in the kernel: make it as the last revision has it. Failure is logged, and tried again
 * when links change. */
void history_boot(struct vifrostd *d);

void history_rpc_boot(void *arg, struct rpc_call *call);

/* vifrostd_drift.c */
int drift_start(struct vifrostd *d);
void drift_stop(struct vifrostd *d);
/* Look soon. */
void drift_kick(struct vifrostd *d);
/* Another policy is in force. */
void drift_reset(struct vifrostd *d);
/* NULL: nothing to tell. */
json_t *drift_json(const struct vifrostd *d);

/* vifrostd_plan.c */
void plan_rpc_plan(void *arg, struct rpc_call *call);
void plan_rpc_diff(void *arg, struct rpc_call *call);
/* Of a plan that was made before. NULL: unknown. */
const struct planned *plan_find(const struct vifrostd *d, const char *id);
void plan_forget_all(struct vifrostd *d);

/* vifrostd_leases.c: addresses of vifs that have theirs by DHCP. Return: 0; -errno. */
int leases_start(struct vifrostd *d);
void leases_stop(struct vifrostd *d);
/* Another policy is in force. */
void leases_changed(struct vifrostd *d);
void leases_watch(struct vifrostd *d, const char *network);
/* Give @vif what it has now, if it is one of those. */
void lease_addr(struct vifrostd *d, struct vs_vif *vif);

/* vifrostd_names.c: names in address sets. Return: 0; -errno. */
int names_start(struct vifrostd *d);
void names_stop(struct vifrostd *d);
/* Another policy is in force. */
void names_changed(struct vifrostd *d);
/* Nothing is under way: those that only an earlier policy had are forgotten. */
void names_settled(struct vifrostd *d);
/* Bring what they stand for into the sets of the kernel's tables. */
void names_sync(struct vifrostd *d);
/* What they stand for now, for a plan. Return: 0; -ENOMEM. */
int names_wanted(const struct vifrostd *d, struct vs_wanted *wanted);
/* NULL: there are none. */
json_t *names_json_of(const struct vifrostd *d);

/* vifrostd_routes.c: what vifrost-netback's switch routes by itself. Return: 0; -errno. */
int routes_start(struct vifrostd *d);
void routes_stop(struct vifrostd *d);
/* Another policy is in force. */
void routes_changed(struct vifrostd *d);
/* Documents may have changed: say soon where the host's routes lead. */
void routes_sync(struct vifrostd *d);
/* fastnet_explain() of a vif that is placed; a new reference, NULL: nothing to say, or out of memory. */
json_t *routes_explain(struct vifrostd *d, const struct vs_vif *vif);

/* vifrostd_guard.c: what watches over a try. */
int tx_guard_start(struct vifrostd *d);
void tx_guard_stop(struct vifrostd *d);
/* The lifeline stays. */
void tx_guard_leave(struct vifrostd *d);
int tx_guard_set(struct vifrostd *d);
/* Time is up. */
void tx_expire(struct vifrostd *d);

/* vifrostd_answer.c */
void tx_fail_invalid(struct rpc_call *call, const struct diags *ds);
void tx_fail(struct rpc_call *call, int rc, const struct diags *ds, struct apply_result *result);
/* Networks that are not on the datapath that the policy asks for first. NULL: none. */
json_t *degraded_json(const struct policy *policy, const struct vs_wanted *wanted);
const char *tx_outcome_of(const struct apply_result *result);

int vif_write_carrier(struct vifrostd *d, struct vif *vif, bool on);

/* vifrostd_carrier.c */
int carrier_start(struct vifrostd *d);
void carrier_stop(struct vifrostd *d);
/* The vif stands in @n now. Return: 0; -ECONNRESET. */
int carrier_check(struct vifrostd *d, struct vif *vif, const struct vs_network *n);
/* Whether @n, where it is to stand, is what it stands in already. */
bool carrier_is_same(const struct vif *vif, const struct vs_network *n);

/* vifrostd_place.c: for Xen's scripts, policy/hotplug.h */
void rpc_vif_place(void *arg, struct rpc_call *call);

/* vifrostd_rpc.c */
extern const struct rpc_method vifrostd_methods[];
/* The wish of @policy, NULL for none, vifs included. */
/* @wait_ms: for a vifrost-netback that has only just been started, where one is needed. */
int rpc_wanted(struct vifrostd *d, const struct policy *policy, unsigned int wait_ms,
	       struct vs_wanted *wanted);
#define NETBACK_START_MS 1000
/* What all calls that change something may say. */
void rpc_read_request(struct rpc_call *call, struct tx_request *r);
/* r->policy of r->text, checked. Return: 0; else the call is answered. */
int rpc_load_policy(const struct vifrostd *d, struct tx_request *r);
/* Both, of the call's policy or the plan that it names. */
int rpc_read_change(const struct vifrostd *d, struct rpc_call *call, struct tx_request *r);

/* vifrostd_status.c. NULL: out of memory. */
json_t *status_json(struct vifrostd *d);
json_t *status_vifs_json(struct vifrostd *d);
json_t *status_vif_json(struct vifrostd *d, const struct vif *vif);

#endif
