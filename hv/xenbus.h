/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The xenbus life of a backend's devices, whatever class they are of: found below backend/<type> of the store,
 * followed by watches, moved through their states with their frontends, taken up from a predecessor.
 *
 *			   +--------------+
 *	     area appears  | Initialising |
 *	    -------------->|      1       |
 *			   +--------------+
 *				  | what it needs is opened, features offered
 *				  v
 *			   +--------------+
 *	    +------------->|   InitWait   |  frontend Initialised or Connected
 *	    |		   |      2       |-----------------+
 *	    |		   +--------------+		    v rings mapped
 *	    | frontend            |		     +--------------+
 *	    | initialises         | detach	     |  Connected   |
 *	    | again               |		     |      4       |
 *	    |			  v		     +--------------+
 *	+--------+		+--------------+	    | frontend closes, detach,
 *	| Closed |<-------------|   Closing    |<-----------+ or the device fails
 *	|   6    | 		|      5       |
 *	+--------+		+--------------+
 *	     | offline, area gone or domain dead: what it had open is closed before 6 is written
 *
 * A frontend's states move it as in Linux's backends; one that is not a state is a device error. An event only
 * marks its device; marked devices are then brought up to date by reading named keys, so a guest that writes in a
 * loop costs one pass at a time. Control thread only.
 */
#ifndef HV_XENBUS_H
#define HV_XENBUS_H

#include <xen/io/xenbus.h>

#include "base/htab.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "hv/hv.h"

#define XB_DOMID_MAX	  0x7fefu
#define XB_NAME_MAX	  24
#define XB_GENERATION_MAX 64
#define XB_WHY_MAX	  320
#define XB_NR_STATES	  (XenbusStateClosed + 1)
#define XB_FEATURES_MAX	  16
#define XB_AHEAD_MAX	  20

struct xb_backend;

struct xb_device {
	struct xb_backend *backend;
	struct htab_node node;
	struct list all, dirty;
	uint16_t domid;
	uint32_t devid;
	char name[XB_NAME_MAX]; /* <type><domid>.<devid> */
	char generation
		[XB_GENERATION_MAX]; /* the domain's "vm", zero-padded: tells a reused domid */

	enum xenbus_state state; /* ours, as written */
	uint32_t frontend_state; /* as read; may be no state at all */
	uint32_t store_state;	 /* ours, as read; Unknown when it is no state */
	bool reconfigured;	 /* Connected, and written as Reconfigured */
	bool unwritten;		 /* the store did not take our state: to be written again */
	bool unwatched;		 /* nor the watch on the frontend's */
	bool refused;		 /* something of it, and that was said */
	int store_rc;  /* of a read that failed in this update, the store being at fault */
	bool new_area; /* nothing has been done about it yet */
	bool frontend_seen, online, dead;
	bool disabled; /* until the frontend has been Closed and initialises again */
	bool disabled_closed;
	char reason[XB_WHY_MAX]; /* what is wrong with it, in service or not; "" */
	bool error_written;	 /* so it stands in the store */
	struct log_limit log_limit;
	uint64_t look_at_ns; /* look at it again then; 0: only on events */

	/* Set by its class. */
	bool connected;	   /* its rings are mapped */
	bool elsewhere;	   /* another serves it: its area is not touched */
	bool taken;	   /* from another, and nobody has been told */
	bool hold_offer;   /* not to be offered yet: stays in Initialising */
	bool hold_connect; /* not to be connected yet: stays in InitWait */
	bool stale;	   /* what it was offered is out of date */
};

/* Whose keys: the device's in the backend's or the frontend's folder, its domain's, or vifrostd's own. */
enum xb_area { XB_BACKEND, XB_FRONTEND, XB_DOMAIN, XB_HOST };

struct xb_key {
	enum xb_area area;
	const char *name;
};

struct xb_feature {
	const char *key;
	uint64_t value;
};

/* ahead, settle and wait may be NULL. @why: buffer of XB_WHY_MAX, filled on failure. */
struct xb_class {
	const char *type;   /* "vif" */
	const char *plural; /* for people */
	uint32_t devid_max;
	const char *const *keys;  /* of the backend area that not only we write; NULL ends them */
	bool reconfigures;	  /* enter(XenbusStateReconfigured) */
	bool offers_on_connected; /* features are written in Connected, too */

	/* *dev_out: a zeroed device of its class. -ENODEV: that one is none of ours; -ENOMEM. */
	int (*create)(struct xb_backend *xb, uint16_t domid, uint32_t devid,
		      struct xb_device **dev_out);
	/* Close and free it. @leave: as it is, a successor takes up what is connected. */
	void (*destroy)(struct xb_device *dev, bool leave);
	/* @key of class->keys was written. */
	void (*written)(struct xb_device *dev, const char *key);
	/* Which keys settle() and wait() want, to be read with the others; at most @max. */
	unsigned int (*ahead)(struct xb_device *dev, struct xb_key *keys, unsigned int max);
	/* Both areas have been read: what else is to be known of it. 0; -errno of the store. */
	int (*settle)(struct xb_device *dev);
	/*
	 * Do what must be done to be in @state, before the store says so: InitWait, Connected, Closing, Closed,
	 * Reconfigured. Done again, it does nothing. -EINPROGRESS: not yet, xb_look_again() was called.
	 */
	int (*enter)(struct xb_device *dev, enum xenbus_state state, char *why);
	/* A predecessor's: make again what its state needs. As enter(). */
	int (*adopt)(struct xb_device *dev, char *why);
	/* Let go of its rings. Safe when not connected. */
	void (*disconnect)(struct xb_device *dev);
	/* It is up to date: is it waiting for too long? */
	void (*wait)(struct xb_device *dev);
	/* What it is offered; their number. */
	unsigned int (*offer)(const struct xb_device *dev, struct xb_feature f[XB_FEATURES_MAX]);
};

/* Keys of one device that were read together. */
struct xb_ahead {
	unsigned int nr;
	char paths[XB_AHEAD_MAX][128];
	struct hv_store_op ops[XB_AHEAD_MAX];
};

struct xb_backend {
	const struct xb_class *class;
	struct hv *hv; /* borrowed; its store is ours to close and to open anew */
	struct loop *loop;
	struct htab devices;
	struct list all, dirty;
	bool check_domains;
	struct xb_ahead ahead;
	uint64_t store_lost;
	struct loop_fd store_watcher;
	struct loop_timer retry, look;
};

/* xenbus_watch.c */

/**
 * xb_start() - Find all devices of a class and keep up with them
 * @xb:		Zeroed; stays where it is until xb_stop()
 * @class:	Borrowed
 * @hv:		Borrowed
 * @loop:	NULL: the caller calls xb_run()
 *
 * Return: 0 or -errno; xb_stop() is to be called either way.
 */
int xb_start(struct xb_backend *xb, const struct xb_class *class, struct hv *hv, struct loop *loop);
/* All devices are left as they are, for a successor. Safe on a zeroed one. */
void xb_stop(struct xb_backend *xb);
/* Drain watch events, mark devices, bring them up to date. */
void xb_run(struct xb_backend *xb);
/* "…backend/vif/<d>/<n>[/key]", "…<d>/device/vif/<n>[/key]". False: neither. @key: "" for the area itself. */
bool xb_parse_path(const struct xb_class *class, const char *path, uint16_t *domid, uint32_t *devid,
		   const char **key);

/* xenbus_device.c */

/* Have it, or all, brought up to date by the next xb_run(). */
void xb_mark(struct xb_device *dev);
void xb_mark_all(struct xb_backend *xb);
/* Have it brought up to date at @at_ns at the latest. */
void xb_look_again(struct xb_device *dev, uint64_t at_ns);
struct xb_device *xb_find(const struct xb_backend *xb, uint16_t domid, uint32_t devid);
int xb_create(struct xb_backend *xb, uint16_t domid, uint32_t devid, struct xb_device **dev_out);
void xb_destroy(struct xb_device *dev, bool leave);
/* Make known what is wrong with it; again only when it has changed. */
void xb_trouble(struct xb_device *dev, const char *text);
void xb_trouble_over(struct xb_device *dev);

/* xenbus_state.c */

/* Read what may have changed and act on it. @dev may be gone afterwards. -ECONNRESET: the store is. */
int xb_update(struct xb_device *dev);
/* Out of service until the frontend starts over. */
void xb_fail(struct xb_device *dev, const char *why);
enum xenbus_state xb_next_state(enum xenbus_state cur, enum xenbus_state want);
const char *xb_state_name(uint32_t state);
/* Our state as it is to stand in the store. */
uint32_t xb_written_state(const struct xb_device *dev);

/* xenbus_area.c */

/* Whether @rc says that the store failed, and not what it holds. */
bool xb_failed(int rc);
/* The next of xb_read_*() find these @nr keys read; what was read ahead before is dropped. */
int xb_read_ahead(struct xb_device *dev, const struct xb_key *keys, unsigned int nr);
void xb_forget_ahead(struct xb_backend *xb);
/* A strictly decimal value up to @max. -ENOENT, -EINVAL, -ERANGE; -errno of the store, also in dev->store_rc. */
int xb_read_u32(struct xb_device *dev, enum xb_area area, const char *key, uint32_t max,
		uint32_t *value_out);
/* As above, @absent when there is none. */
int xb_read_default(struct xb_device *dev, enum xb_area area, const char *key, uint32_t max,
		    uint32_t absent, uint32_t *value_out);
/* A text of at most @size - 1 printable ASCII bytes. -ENOENT, -E2BIG, -EINVAL. */
int xb_read_text(struct xb_device *dev, enum xb_area area, const char *key, char *text,
		 size_t size);
/* A path: any bytes but control characters. */
int xb_read_path(struct xb_device *dev, enum xb_area area, const char *key, char *text,
		 size_t size);
/* Write our state, and with @features what we offer, if our area is still there. -ENOENT. */
int xb_write_state(struct xb_device *dev, bool features);
/* "connected" or, with @error, "error". */
void xb_write_hotplug(struct xb_device *dev, const char *error);
/* NULL: none any more. */
void xb_write_error(struct xb_device *dev, const char *text);
/* Failing is noted, to be tried again. */
int xb_watch_frontend(struct xb_device *dev, bool on);

#endif
