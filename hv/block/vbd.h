/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One disk of one guest: its xenbus state machine, its image and its ring.
 *
 *			   +--------------+
 *	     area appears  | Initialising |  image opened (in another's use: tried again);
 *	    -------------->|      1       |  failing: hotplug-status = error
 *			   +--------------+
 *				  | size and features written
 *				  v
 *			   +--------------+
 *	    +------------->|   InitWait   |  frontend Initialised or Connected
 *	    |		   |      2       |-----------------+
 *	    |		   +--------------+		    v ring mapped
 *	    | frontend            |		     +--------------+
 *	    | initialises         | detach	     |  Connected   |
 *	    | again               |		     |      4       |
 *	    |			  v		     +--------------+
 *	+--------+ frontend	   +--------------+	    | frontend closes, detach,
 *	| Closed |<----------------|   Closing    |<--------+ or the ring is broken (unmapped at once)
 *	|   6    |   Closed, gone  |      5       |  served on: the guest may still write back
 *	+--------+ ring unmapped   +--------------+
 *	     | offline, area gone or domain dead: the image is closed before 6 is written
 */
#ifndef HV_BLOCK_VBD_H
#define HV_BLOCK_VBD_H

#include <xen/io/xenbus.h>

#include "base/list.h"
#include "base/log.h"
#include "hv/block/blkback.h"
#include "hv/block/queue.h"

#define BLK_DEVID_MAX  0x1fffffffu /* 1 << 28 | disk << 8 | partition */
#define BLK_DOMID_MAX  0x7fefu
#define BLK_NR_STATES  (XenbusStateClosed + 1)
#define BLK_PARAMS_MAX 2048

struct blk_vbd {
	struct blkback *bb;
	struct list all, dirty;
	uint16_t domid;
	uint32_t devid;
	char name[BLK_NAME_MAX]; /* vbd<domid>.<devid> */
	char generation[BLK_GENERATION_MAX];

	enum xenbus_state state; /* ours, as written */
	uint32_t frontend_state; /* as read; may be no state at all */
	uint32_t store_state;	 /* ours, as read */
	bool unwritten, unwatched;
	bool new_area, online, dead, frontend_seen;
	bool disabled; /* until the frontend has been Closed and initialises again */
	bool disabled_closed;
	bool error_written;
	char reason[BLK_WHY_MAX];
	struct log_limit log_limit;
	uint64_t look_at_ns;	 /* look at it again then; 0: only on events */
	uint64_t image_since_ns; /* the image is tried since; 0: it is not */

	char params[BLK_PARAMS_MAX], format[16];
	bool params_changed; /* since the image was opened: a new one is for the next connect */
	bool readonly, shared, no_discard, cdrom, removable;
	struct blk_image image;

	bool connected;
	bool restarted; /* not connected by us, but by a predecessor */
	bool more;	/* its queue has more to do at once */
	char note_path[PATH_MAX];
	struct blk_queue queue;
	struct loop_fd event_watcher, io_watcher;
	struct loop_timer quiet; /* events are not looked at before it fires */
};

struct blkback {
	struct blkback_config config;
	struct loop *loop;
	struct hv *hv;
	struct list all, dirty;
	struct blk_budget budget;
	bool check_domains;
	int again_fd; /* an eventfd: queues have more to do */
	struct loop_fd again_watcher, store_watcher;
	struct loop_timer retry, look;
	uint64_t store_lost;
};

/* vbd.c */
int blk_vbd_create(struct blkback *bb, uint16_t domid, uint32_t devid, struct blk_vbd **vbd_out);
/* @leave: a successor takes up what is connected. */
void blk_vbd_destroy(struct blk_vbd *vbd, bool leave);
/* Read what may have changed and act on it. @vbd may be gone afterwards. -ECONNRESET: the store is. */
int blk_vbd_update(struct blk_vbd *vbd);
/* Out of service until the frontend starts over. */
void blk_vbd_disable(struct blk_vbd *vbd, const char *why);
/* Its ring is broken: tell. */
void blk_vbd_check(struct blk_vbd *vbd);
enum xenbus_state blk_vbd_next_state(enum xenbus_state cur, enum xenbus_state want);
const char *blk_state_name(uint32_t state);
void blk_vbd_trouble(struct blk_vbd *vbd, const char *text);
void blk_vbd_trouble_over(struct blk_vbd *vbd);
void blk_vbd_look_again(struct blk_vbd *vbd, uint64_t in_ms);

/* connect.c */
/*
 * From "params" and the like to an open image. -EINPROGRESS, -EAGAIN: not yet; @why says why. -ENOMEDIUM: an empty
 * drive.
 */
int blk_vbd_open_image(struct blk_vbd *vbd, char why[BLK_WHY_MAX]);
int blk_vbd_connect(struct blk_vbd *vbd, char why[BLK_WHY_MAX]);
/* Safe when not connected. @leave: the notes stay. */
void blk_vbd_disconnect(struct blk_vbd *vbd, bool leave);
/* One turn of its queue. Return: whether it has more to do at once. */
bool blk_vbd_run(struct blk_vbd *vbd);

/* xenbus.c */
enum blk_area { BLK_BACKEND, BLK_FRONTEND, BLK_DOMAIN };
/* Whether @rc says that the store failed, and not what it holds. */
bool blk_xb_failed(int rc);
int blk_xb_read_u32(struct blk_vbd *vbd, enum blk_area area, const char *key, uint32_t max,
		    uint32_t *value_out);
int blk_xb_read_default(struct blk_vbd *vbd, enum blk_area area, const char *key, uint32_t max,
			uint32_t absent, uint32_t *value_out);
/* A text of at most @size - 1 printable bytes. -ENOENT, -E2BIG, -EINVAL. */
int blk_xb_read_text(struct blk_vbd *vbd, enum blk_area area, const char *key, char *text,
		     size_t size);
/* Write our state, and with @features what the disk is, if our area is still there. -ENOENT. */
int blk_xb_write_state(struct blk_vbd *vbd, bool features);
/* "connected" or, with @error, "error". */
void blk_xb_write_hotplug(struct blk_vbd *vbd, const char *error);
/* NULL: none any more. */
void blk_xb_write_error(struct blk_vbd *vbd, const char *text);
void blk_xb_watch_frontend(struct blk_vbd *vbd, bool on);
void blk_xb_mark(struct blk_vbd *vbd);
void blk_xb_mark_all(struct blkback *bb);
int blk_xb_start(struct blkback *bb);
void blk_xb_stop(struct blkback *bb);
void blk_xb_run(struct blkback *bb);
struct blk_vbd *blk_xb_find(struct blkback *bb, uint16_t domid, uint32_t devid);
bool blk_xb_parse_path(const char *path, uint16_t *domid, uint32_t *devid, const char **key);

#endif
