/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/vbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/blkif.h>

#include "base/clock.h"

#define IMAGE_BEGIN_MS 20u    /* a qemu-storage-daemon that begins is looked at so often */
#define IMAGE_LATE_MS  20000u /* before one that does not is said to fail */
#define IMAGE_AGAIN_MS 500u   /* an image in another's use so often */
#define PATIENCE_MS    3000u  /* before that is said */

_Static_assert(XB_WHY_MAX >= BLK_WHY_MAX, "room for why an image cannot be opened");

static void look_again(struct blk_vbd *vbd, uint64_t in_ms)
{
	xb_look_again(&vbd->dev, clock_ns() + in_ms * 1000000);
}

static void release_image(struct blk_vbd *vbd)
{
	blk_image_close(&vbd->image);
	vbd->image_since_ns = 0;
}

/* -EINPROGRESS: not yet, and it is looked at again; said when that takes too long. */
static int open_image(struct blk_vbd *vbd, char *why)
{
	uint64_t now = clock_ns(), patience_ms = vbd->bb->config.patience_ms;
	int rc;

	if (vbd->image.fd >= 0 && !vbd->params_changed)
		return 0;
	if (vbd->params_changed)
		release_image(vbd);
	vbd->params_changed = false;
	rc = blk_vbd_open_image(vbd, why);
	/* An empty drive waits for its area to be made anew, with a medium. */
	if (rc == -ENOMEDIUM) {
		xb_write_hotplug(&vbd->dev, NULL);
		return -EINPROGRESS;
	}
	if (!rc) {
		vbd->image_since_ns = 0;
		xb_write_hotplug(&vbd->dev, NULL);
		return 0;
	}
	if (!vbd->image_since_ns)
		vbd->image_since_ns = now;
	if (rc == -EINPROGRESS)
		patience_ms = IMAGE_LATE_MS;
	else if (!patience_ms)
		patience_ms = rc == -EAGAIN ? PATIENCE_MS : 0;
	look_again(vbd, rc == -EINPROGRESS ? IMAGE_BEGIN_MS : IMAGE_AGAIN_MS);
	if ((rc != -EAGAIN && rc != -EINPROGRESS) ||
	    now - vbd->image_since_ns >= patience_ms * 1000000) {
		if (rc == -EINPROGRESS)
			snprintf(why, BLK_WHY_MAX, "%.200s: its qemu-storage-daemon does not begin",
				 vbd->params);
		xb_trouble(&vbd->dev, why);
		xb_write_hotplug(&vbd->dev, why);
	}
	return -EINPROGRESS;
}

/* The hypervisor went with the store: nothing is wrong with the disk, it is connected when both are back. */
static int connect_ring(struct blk_vbd *vbd, char *why)
{
	int rc = blk_vbd_connect(vbd, why);

	if (rc == -ECONNRESET)
		vbd->dev.store_rc = rc;
	return rc;
}

/* In Closing its ring is served on, until the frontend has closed: the guest may still write back. */
static int enter(struct xb_device *dev, enum xenbus_state state, char *why)
{
	struct blk_vbd *vbd = blk_vbd_of(dev);
	int rc = 0;

	switch (state) {
	case XenbusStateInitWait:
		rc = open_image(vbd, why);
		if (!rc)
			xb_trouble_over(dev);
		break;
	case XenbusStateConnected:
		rc = connect_ring(vbd, why);
		break;
	case XenbusStateClosed:
		blk_vbd_disconnect(vbd, false);
		if (!dev->online || dev->dead)
			release_image(vbd);
		break;
	default:
		break;
	}
	return rc;
}

/* -EINPROGRESS: the image is not there yet, the guest waits. */
static int adopt(struct xb_device *dev, char *why)
{
	struct blk_vbd *vbd = blk_vbd_of(dev);
	bool frontend_is_connected = dev->frontend_state == XenbusStateConnected ||
				     dev->frontend_state == XenbusStateInitialised;
	int rc = 0;

	if (dev->state == XenbusStateInitWait || dev->state == XenbusStateConnected ||
	    (dev->state == XenbusStateClosing && frontend_is_connected))
		rc = open_image(vbd, why);
	if (!rc && dev->state != XenbusStateInitWait && vbd->image.fd >= 0 &&
	    frontend_is_connected) {
		vbd->restarted = true;
		rc = connect_ring(vbd, why);
		vbd->restarted = false;
	}
	return rc;
}

static void disconnect(struct xb_device *dev)
{
	blk_vbd_disconnect(blk_vbd_of(dev), false);
}

static void written(struct xb_device *dev, const char *key)
{
	blk_vbd_of(dev)->params_changed |= !strcmp(key, "params");
}

static unsigned int offer(const struct xb_device *dev, struct xb_feature f[XB_FEATURES_MAX])
{
	const struct blk_vbd *vbd = blk_vbd_of(dev);
	const struct blk_image *img = &vbd->image;
	bool fits = img->physical_sector && !(img->size % img->physical_sector);
	const struct xb_feature features[] = {
		{ "sectors", img->size / BLK_SECTOR_SIZE },
		{ "sector-size", BLK_SECTOR_SIZE },
		{ "physical-sector-size", fits ? img->physical_sector : BLK_SECTOR_SIZE },
		{ "info", (vbd->cdrom ? VDISK_CDROM : 0u) |
				  (vbd->removable ? VDISK_REMOVABLE : 0u) |
				  (vbd->readonly ? VDISK_READONLY : 0u) },
		{ "feature-flush-cache", 1 },
		{ "feature-barrier", 1 },
		{ "feature-persistent", 0 },
		{ "feature-max-indirect-segments", BLK_SEGMENTS_MAX },
		{ "multi-queue-max-queues", 1 },
		{ "max-ring-page-order", vbd->bb->config.max_ring_order },
		{ "feature-discard", img->discard },
		{ "discard-granularity", img->discard_granularity },
		{ "discard-alignment", 0 },
		{ "discard-secure", 0 },
	};
	const unsigned int nr = sizeof(features) / sizeof(features[0]);

	_Static_assert(sizeof(features) / sizeof(features[0]) <= XB_FEATURES_MAX, "room for all");
	memcpy(f, features, sizeof(features));
	/* Linux takes the others for granted when one of them is there. */
	return img->discard ? nr : nr - 3;
}

void blk_vbd_check(struct blk_vbd *vbd)
{
	if (vbd->dev.connected && vbd->queue.fatal)
		xb_fail(&vbd->dev, blk_fatal_text(vbd->queue.fatal));
}

static int create(struct xb_backend *xb, uint16_t domid, uint32_t devid, struct xb_device **dev_out)
{
	struct blk_vbd *vbd = calloc(1, sizeof(*vbd));

	(void)domid;
	(void)devid;
	if (!vbd)
		return -ENOMEM;
	vbd->bb = list_entry(xb, struct blkback, xb);
	vbd->image.fd = -1;
	*dev_out = &vbd->dev;
	return 0;
}

static void destroy(struct xb_device *dev, bool leave)
{
	struct blk_vbd *vbd = blk_vbd_of(dev);

	blk_vbd_disconnect(vbd, leave);
	blk_image_close(&vbd->image);
	free(vbd);
}

static const char *const keys[] = { "state", "online", "params", NULL };

const struct xb_class blk_vbd_class = {
	.type = "vbd",
	.plural = "disks",
	.devid_max = BLK_DEVID_MAX,
	.keys = keys,
	.offers_on_connected = true, /* by then it may have another medium */
	.create = create,
	.destroy = destroy,
	.written = written,
	.enter = enter,
	.adopt = adopt,
	.disconnect = disconnect,
	.offer = offer,
};

struct blk_vbd *blk_vbd_find(const struct blkback *bb, uint16_t domid, uint32_t devid)
{
	struct xb_device *dev = xb_find(&bb->xb, domid, devid);

	return dev ? blk_vbd_of(dev) : NULL;
}
