/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One vif: its xenbus state machine, its port and its queues. Control thread only.
 *
 *			   +--------------+
 *	     area appears  | Initialising |
 *	    -------------->|      1       |
 *			   +--------------+
 *				  | port made, features offered
 *				  v
 *			   +--------------+   frontend published and hotplug-status
 *	    +------------->|   InitWait   |   is connected: rings mapped
 *	    |		   |      2       |-----------------+
 *	    |		   +--------------+		    v
 *	    | frontend            |		     +--------------+
 *	    | initialises         | detach	     |  Connected   |
 *	    | again               |		     |      4       |
 *	    |			  v		     +--------------+
 *	+--------+ disconnected +--------------+	    | frontend closes, detach,
 *	| Closed |<-------------|   Closing    |<-----------+ or the frontend misbehaves
 *	|   6    |		|      5       |  rings unmapped
 *	+--------+		+--------------+
 *	     | offline, area gone or domain dead: the port is released before 6 is written
 *
 * A frontend's states move it as in Linux's netback; one that is not a state is a device error.
 */
#ifndef NETBACK_VIF_H
#define NETBACK_VIF_H

#include <xen/io/xenbus.h>

#include "base/htab.h"
#include "base/log.h"
#include "netback/netback.h"
#include "netback/worker.h"

#define NB_REASON_MAX	  240
#define NB_GENERATION_MAX 64
#define NB_DEVID_MAX	  65535u
#define NB_NR_STATES	  (XenbusStateClosed + 1)

/* What "vifrost-offer" in the backend area says: what a frontend is offered less than others. */
struct nb_offer {
	uint32_t queues; /* 0: as many as we have */
	bool no_csum, no_gso, no_sg;
};

enum nb_wait { NB_WAIT_NONE, NB_WAIT_HOTPLUG, NB_WAIT_FRONTEND };

struct nb_vif {
	struct netback *nb;
	struct htab_node node;
	struct list all, dirty;
	uint16_t domid;
	uint32_t devid;
	char name[IFNAMSIZ];		    /* vif<domid>.<devid> */
	char port_name[IFNAMSIZ];	    /* the same, or "vifname" */
	char generation[NB_GENERATION_MAX]; /* the domain's "vm": tells a reused domid */

	enum xenbus_state state; /* ours, as written */
	uint32_t frontend_state; /* as read; may be no state at all */
	uint32_t store_state;	 /* ours, as read; Unknown when it is no state */
	bool reconfigured;	 /* Connected, and written as Reconfigured */
	bool unwritten;		 /* the store did not take our state: to be written again */
	bool unwatched;		 /* nor the watch on the frontend's */
	bool refused;		 /* something of it, and that was said */
	int store_rc;  /* of a read that failed in this nb_vif_update(), the store being at fault */
	bool new_area; /* nothing has been done about it yet */
	bool frontend_seen, online, dead;
	bool hotplug_connected, hotplug_failed;
	bool disabled; /* until the frontend has been Closed and initialises again */
	bool disabled_closed;
	char reason[NB_REASON_MAX]; /* what is wrong with it, in service or not; "" */
	bool error_written;	    /* so it stands in the store */
	struct log_limit log_limit;
	uint64_t look_at_ns; /* look at it again then; 0: only on events */

	enum nb_wait wait;
	uint64_t wait_since_ns;
	bool wait_told;

	/* datapath.c */
	enum nb_datapath datapath;
	bool elsewhere; /* another serves it, as the kernel does: nothing of ours is open, its area is not touched */
	bool taken; /* from another, and nobody has been told */
	unsigned int nr_tries, nr_contests, nr_contested;
	uint64_t contest_ns;

	const struct nb_plane *plane; /* that has a port for it; NULL: none, or port_fd */
	void *plane_port;
	int port_fd; /* the first queue's; -1: no TAP */
	unsigned int ifindex;
	uint32_t mtu;
	struct nb_credit credit;
	bool rate_known; /* "rate" has not been written since it was read */
	int rate_rc;	 /* of reading it last */

	struct nb_offer offer;
	bool offer_known;	/* it was read, or has not come in time */
	uint64_t offer_wait_ns; /* when it is not waited for any more; 0: not yet begun */
	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue *queues; /* NULL: not connected */
	unsigned int nr_queues;
	bool together; /* they have one thread */
	bool carrier;
};

/* Whose keys: the vif's in the backend's or the frontend's folder, its domain's, or vifrostd's own. */
enum nb_area { NB_BACKEND, NB_FRONTEND, NB_DOMAIN, NB_HOST };

struct nb_key {
	enum nb_area area;
	const char *name;
};

#define NB_AHEAD_MAX 20

/* Keys of one vif that were read together. */
struct nb_ahead {
	unsigned int nr;
	char paths[NB_AHEAD_MAX][128];
	struct hv_store_op ops[NB_AHEAD_MAX];
};

struct netback {
	struct netback_config config;
	struct loop *loop;
	struct hv *hv;
	struct nb_worker *workers[64];
	unsigned int nr_workers;
	struct htab vifs;
	struct list all, dirty;
	unsigned int nr_vifs;
	int alert_fd; /* workers have something to say */
	bool check_domains;
	bool is_handed_over; /* ports go to config.bag */
	struct nb_ahead ahead;
	uint64_t store_lost, domains_died;
	struct loop_fd store_watcher, alert_watcher;
	struct loop_timer retry, prepare, look;
	int kernel_fd; /* changes of the kernel's devices; -1 */
	struct loop_fd kernel_watcher;
};

/* vif.c. @new_state: what the store has for us now. */
int nb_vif_create(struct netback *nb, uint16_t domid, uint32_t devid, struct nb_vif **vif_out);
/* Let go of rings and, with @release_port, of the port, and forget it. */
void nb_vif_destroy(struct nb_vif *vif, bool release_port);
/* Read what may have changed and act on it. @vif may be gone afterwards. -ECONNRESET: the store is. */
int nb_vif_update(struct nb_vif *vif);
/* A worker's alert: fatal or stalled queues. */
void nb_vif_check_queues(struct nb_vif *vif);
enum xenbus_state nb_vif_next_state(enum xenbus_state cur, enum xenbus_state want);
const char *nb_state_name(uint32_t state);
/* Our state as it is to stand in the store. */
uint32_t nb_vif_written_state(const struct nb_vif *vif);
/* Out of service until the frontend starts over. */
void nb_vif_disable(struct nb_vif *vif, const char *why);

/* datapath.c: have the vif served by whom it is to be, vif->elsewhere tells. 0; -ECONNRESET. */
int nb_datapath_settle(struct nb_vif *vif);
/* A state that we have not written is set right. 0; -errno of the store. */
int nb_datapath_contest(struct nb_vif *vif);

const char *nb_datapath_name(const struct nb_vif *vif);
/* Whether this process is to look after it at all. */
bool nb_datapath_is_mine(const struct netback *nb, uint16_t domid, uint32_t devid);

/* trouble.c: make it known; again only when it has changed. */
void nb_trouble(struct nb_vif *vif, const char *text);
void nb_trouble_over(struct nb_vif *vif);
void nb_wait_check(struct nb_vif *vif);
/* Update @vif at @at_ns at the latest. */
void nb_look_again(struct nb_vif *vif, uint64_t at_ns);

/* connect.c. @why: buffer of NB_REASON_MAX. */
int nb_vif_connect(struct nb_vif *vif, char *why);
/* Safe when not connected. */
void nb_vif_disconnect(struct nb_vif *vif);
/* Of what it had mapped: these rings end, and nobody takes them up. */
void nb_vif_remove_notes(const struct nb_vif *vif);
/* What a connected frontend changes as it runs: room in front of frames. */
int nb_vif_reconfigure(struct nb_vif *vif, char *why);
int nb_vif_open_port(struct nb_vif *vif, char *why);
/* Take up what "rate" says now. 0; -ECONNRESET. */
int nb_vif_read_rate(struct nb_vif *vif);
/*
 * offer.c: what it is to be offered. *changed_out: what the store holds is out of date. Waits a while for
 * a vifrostd that has said that it will tell: until then @vif is not to be offered.
 */
int nb_offer_read(struct nb_vif *vif, bool *changed_out);
bool nb_offer_is_awaited(const struct nb_vif *vif);
int nb_offer_parse(const char *text, struct nb_offer *offer_out);
void nb_vif_release_port(struct nb_vif *vif);
/* Let go of it as it is, for a successor. */
void nb_vif_leave_port(struct nb_vif *vif);
static inline bool nb_vif_has_port(const struct nb_vif *vif)
{
	return vif->plane || vif->port_fd >= 0;
}

/* xenbus.c: the vif's two areas. */
/* Whether @rc says that the store failed, and not what it holds. */
bool nb_xb_failed(int rc);
/* The next of nb_xb_read_*() find these @nr keys read; what was read ahead before is dropped. */
int nb_xb_read_ahead(struct nb_vif *vif, const struct nb_key *keys, unsigned int nr);
void nb_xb_forget_ahead(struct netback *nb);
int nb_xb_read_u32(struct nb_vif *vif, enum nb_area area, const char *key, uint32_t max,
		   uint32_t *value_out);
/* As above, @absent when there is none. */
int nb_xb_read_default(struct nb_vif *vif, enum nb_area area, const char *key, uint32_t max,
		       uint32_t absent, uint32_t *value_out);
/* A text of at most @size - 1 printable bytes. -ENOENT, -E2BIG, -EINVAL. */
int nb_xb_read_text(struct nb_vif *vif, enum nb_area area, const char *key, char *text,
		    size_t size);
/* Write our state, and with @features what we offer, if our area is still there. -ENOENT. */
int nb_xb_write_state(struct nb_vif *vif, uint32_t state, bool features);
/* NULL: none any more. */
void nb_xb_write_error(struct nb_vif *vif, const char *text);
/* Failing is noted, to be tried again. */
int nb_xb_watch_frontend(struct nb_vif *vif, bool on);
/* Have it brought up to date by the next nb_xb_run(). */
void nb_xb_mark(struct nb_vif *vif);
/* Find all vifs that are there; then keep up by watches. */
int nb_xb_start(struct netback *nb);
void nb_xb_stop(struct netback *nb);
/* Drain watch events, mark vifs, bring them up to date. */
void nb_xb_run(struct netback *nb);
/* Have all vifs brought up to date by the next nb_xb_run(). */
void nb_xb_mark_all(struct netback *nb);
struct nb_vif *nb_xb_find(struct netback *nb, uint16_t domid, uint32_t devid);
/* "…backend/vif/<d>/<n>[/key]", "…<d>/device/vif/<n>[/key]". False: neither. @key: "" for the area itself. */
bool nb_xb_parse_path(const char *path, uint16_t *domid, uint32_t *devid, const char **key);

#endif
