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

#define NB_REASON_MAX	  160
#define NB_GENERATION_MAX 64
#define NB_DEVID_MAX	  65535u
#define NB_NR_STATES	  (XenbusStateClosed + 1)

struct nb_vif {
	struct netback *nb;
	struct htab_node node;
	struct list all, dirty;
	uint16_t domid;
	uint32_t devid;
	char name[IFNAMSIZ];
	char generation[NB_GENERATION_MAX]; /* the domain's "vm": tells a reused domid */

	enum xenbus_state state; /* ours, as written */
	uint32_t frontend_state; /* as read; may be no state at all */
	bool unwritten; /* the store did not take our state: to be written with the next event */
	bool new_area;	/* nothing has been done about it yet */
	bool frontend_seen, online, dead;
	bool hotplug_connected;
	bool close_asked; /* by the toolstack, writing our state */
	bool disabled;	  /* until the frontend has been Closed and initialises again */
	bool disabled_closed;
	char reason[NB_REASON_MAX]; /* why it is not in service; "" */
	struct log_limit log_limit;

	int port_fd; /* the first queue's; -1: no port */
	unsigned int ifindex;
	uint32_t mtu;
	struct nb_rate rate;

	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue *queues; /* NULL: not connected */
	unsigned int nr_queues;
	bool carrier;
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
	uint64_t store_lost, domains_died;
	struct loop_fd store_watcher, alert_watcher;
	struct loop_timer retry, prepare;
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

/* connect.c. @why: buffer of NB_REASON_MAX. */
int nb_vif_connect(struct nb_vif *vif, char *why);
/* Safe when not connected. */
void nb_vif_disconnect(struct nb_vif *vif);
int nb_vif_open_port(struct nb_vif *vif, char *why);
void nb_vif_release_port(struct nb_vif *vif);

/* xenbus.c: the vif's two areas. */
int nb_xb_read_u32(struct nb_vif *vif, bool frontend, const char *key, uint32_t max,
		   uint32_t *value_out);
/* As above, @absent when there is none. */
int nb_xb_read_default(struct nb_vif *vif, bool frontend, const char *key, uint32_t max,
		       uint32_t absent, uint32_t *value_out);
/* A text of at most @size - 1 printable bytes. -ENOENT, -E2BIG, -EINVAL. */
int nb_xb_read_text(struct nb_vif *vif, bool frontend, const char *key, char *text, size_t size);
/* Write our state, and with @features what we offer, if our area is still there. -ENOENT. */
int nb_xb_write_state(struct nb_vif *vif, enum xenbus_state state, bool features);
void nb_xb_write_error(struct nb_vif *vif, const char *text);
void nb_xb_watch_frontend(struct nb_vif *vif, bool on);
/* Find all vifs that are there; then keep up by watches. */
int nb_xb_start(struct netback *nb);
void nb_xb_stop(struct netback *nb);
/* Drain watch events, mark vifs, bring them up to date. */
void nb_xb_run(struct netback *nb);
struct nb_vif *nb_xb_find(struct netback *nb, uint16_t domid, uint32_t devid);
/* "…backend/vif/<d>/<n>[/key]", "…<d>/device/vif/<n>[/key]". False: neither. @key: "" for the area itself. */
bool nb_xb_parse_path(const char *path, uint16_t *domid, uint32_t *devid, const char **key);

#endif
