/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One disk of one guest: its life on xenbus, which hv/xenbus.h draws, its image and its ring.
 *
 * In InitWait its image is open (in another's use: tried again; failing: hotplug-status = error). In Closing its ring
 * is served on until the frontend has closed, unless it is broken: then it is unmapped at once.
 */
#ifndef HV_BLOCK_VBD_H
#define HV_BLOCK_VBD_H

#include "hv/block/blkback.h"
#include "hv/block/queue.h"
#include "hv/xenbus.h"

#define BLK_DEVID_MAX  0x1fffffffu /* 1 << 28 | disk << 8 | partition */
#define BLK_PARAMS_MAX 2048

struct blk_vbd {
	struct xb_device dev;
	struct blkback *bb;
	uint64_t image_since_ns; /* the image is tried since; 0: it is not */

	char params[BLK_PARAMS_MAX], format[16];
	bool params_changed; /* since the image was opened: a new one is for the next connect */
	bool readonly, shared, no_discard, cdrom, removable;
	struct blk_image image;

	bool restarted; /* not connected by us, but by a predecessor */
	bool more;	/* its queue has more to do at once */
	char note_path[PATH_MAX];
	struct blk_queue queue;
	struct loop_fd event_watcher, io_watcher;
	struct loop_timer quiet; /* events are not looked at before it fires */
};

struct blkback {
	struct blkback_config config;
	struct xb_backend xb;
	struct blk_budget budget;
	int again_fd; /* an eventfd: queues have more to do */
	struct loop_fd again_watcher;
};

static inline struct blk_vbd *blk_vbd_of(const struct xb_device *dev)
{
	return list_entry(dev, struct blk_vbd, dev);
}

/* vbd.c */
extern const struct xb_class blk_vbd_class;
/* NULL: none. */
struct blk_vbd *blk_vbd_find(const struct blkback *bb, uint16_t domid, uint32_t devid);
/* Its ring is broken: tell. */
void blk_vbd_check(struct blk_vbd *vbd);

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

#endif
