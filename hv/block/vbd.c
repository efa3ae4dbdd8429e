/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/vbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define REWRITE_MS     200u
#define IMAGE_BEGIN_MS 20u    /* a qemu-storage-daemon that begins is looked at so often */
#define IMAGE_LATE_MS  20000u /* before one that does not is said to fail */
#define IMAGE_AGAIN_MS 500u   /* an image in another's use so often */
#define PATIENCE_MS    3000u  /* before that is said */

#define UN XenbusStateUnknown
#define IN XenbusStateInitialising
#define IW XenbusStateInitWait
#define CO XenbusStateConnected
#define CG XenbusStateClosing
#define CD XenbusStateClosed

/*
 * The next step from each of our states towards a wanted one; Initialised is never ours. A state that answers
 * a want points at itself.
 */
static const enum xenbus_state next[BLK_NR_STATES][BLK_NR_STATES] = {
	/*	   want: Unknown Initialising InitWait Initialised Connected Closing Closed */
	[UN] = { UN, IN, IN, IN, IN, CD, CD },
	[IN] = { IN, IN, IW, IW, IW, CD, CD },
	[IW] = { IW, IW, IW, IW, CO, CG, CG },
	[XenbusStateInitialised] = { CG, CG, CG, CG, CG, CG, CG },
	[CO] = { CO, CG, CG, CO, CO, CG, CG },
	[CG] = { CG, CD, CD, CD, CD, CG, CD },
	[CD] = { CD, IW, IW, IW, IW, CD, CD },
};

static const char *const state_names[] = {
	"Unknown", "Initialising", "InitWait",	    "Initialised",  "Connected",
	"Closing", "Closed",	   "Reconfiguring", "Reconfigured",
};

const char *blk_state_name(uint32_t state)
{
	return state < sizeof(state_names) / sizeof(state_names[0]) ? state_names[state]
								    : "not a state";
}

enum xenbus_state blk_vbd_next_state(enum xenbus_state cur, enum xenbus_state want)
{
	return next[cur][want];
}

void blk_vbd_trouble(struct blk_vbd *vbd, const char *text)
{
	if (!strcmp(vbd->reason, text))
		return;
	snprintf(vbd->reason, sizeof(vbd->reason), "%s", text);
	log_limited(&vbd->log_limit, "%s: %s", vbd->name, text);
	blk_xb_write_error(vbd, text);
}

void blk_vbd_trouble_over(struct blk_vbd *vbd)
{
	if (!vbd->reason[0])
		return;
	vbd->reason[0] = '\0';
	blk_xb_write_error(vbd, NULL);
}

void blk_vbd_look_again(struct blk_vbd *vbd, uint64_t in_ms)
{
	uint64_t at_ns = clock_ns() + in_ms * 1000000;

	if (!vbd->look_at_ns || at_ns < vbd->look_at_ns)
		vbd->look_at_ns = at_ns;
}

void blk_vbd_disable(struct blk_vbd *vbd, const char *why)
{
	vbd->disabled = true;
	vbd->disabled_closed = false;
	blk_vbd_disconnect(vbd, false);
	blk_vbd_trouble(vbd, why);
}

static int write_state(struct blk_vbd *vbd, bool features)
{
	int rc = blk_xb_write_state(vbd, features);

	/* -ENOENT: the area is gone, an event will tell. */
	vbd->unwritten = rc && rc != -ENOENT;
	return rc;
}

static void release_image(struct blk_vbd *vbd)
{
	blk_image_close(&vbd->image);
	vbd->image_since_ns = 0;
}

/* -EINPROGRESS: not yet, and it is looked at again; said when that takes too long. */
static int open_image(struct blk_vbd *vbd, char why[BLK_WHY_MAX])
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
		blk_xb_write_hotplug(vbd, NULL);
		return -EINPROGRESS;
	}
	if (!rc) {
		vbd->image_since_ns = 0;
		blk_xb_write_hotplug(vbd, NULL);
		return 0;
	}
	if (!vbd->image_since_ns)
		vbd->image_since_ns = now;
	if (rc == -EINPROGRESS)
		patience_ms = IMAGE_LATE_MS;
	else if (!patience_ms)
		patience_ms = rc == -EAGAIN ? PATIENCE_MS : 0;
	blk_vbd_look_again(vbd, rc == -EINPROGRESS ? IMAGE_BEGIN_MS : IMAGE_AGAIN_MS);
	if ((rc != -EAGAIN && rc != -EINPROGRESS) ||
	    now - vbd->image_since_ns >= patience_ms * 1000000) {
		if (rc == -EINPROGRESS)
			snprintf(why, BLK_WHY_MAX, "%.200s: its qemu-storage-daemon does not begin",
				 vbd->params);
		blk_vbd_trouble(vbd, why);
		blk_xb_write_hotplug(vbd, why);
	}
	return -EINPROGRESS;
}

/* What must be done to be in @state, before the store says so. */
static int enter(struct blk_vbd *vbd, enum xenbus_state state, char why[BLK_WHY_MAX])
{
	int rc = 0;

	switch (state) {
	case XenbusStateInitWait:
		rc = open_image(vbd, why);
		break;
	case XenbusStateConnected:
		rc = blk_vbd_connect(vbd, why);
		break;
	case XenbusStateClosed:
		blk_vbd_disconnect(vbd, false);
		if (!vbd->online || vbd->dead)
			release_image(vbd);
		break;
	default:
		break;
	}
	return rc;
}

/* The only place where a disk's state changes. */
static int set_state(struct blk_vbd *vbd, enum xenbus_state want)
{
	char why[BLK_WHY_MAX] = "";
	int rc = 0;

	while (!rc && next[vbd->state][want] != vbd->state) {
		enum xenbus_state new = next[vbd->state][want];

		rc = enter(vbd, new, why);
		if (rc == -EINPROGRESS)
			return 0;
		if (blk_xb_failed(rc) && rc == -ECONNRESET)
			return rc;
		if (rc) {
			blk_vbd_disable(vbd, why);
			if (want == XenbusStateClosing)
				break;
			want = XenbusStateClosing;
			rc = 0;
			continue;
		}
		log_debug("%s: %s -> %s", vbd->name, blk_state_name(vbd->state),
			  blk_state_name(new));
		vbd->state = new;
		if (new == XenbusStateConnected || new == XenbusStateInitWait)
			blk_vbd_trouble_over(vbd);
		rc = write_state(vbd, new == XenbusStateInitWait || new == XenbusStateConnected);
	}
	return rc;
}

/* A detach asks the frontend to close, and its ring is served until it has. */
static int follow_frontend(struct blk_vbd *vbd)
{
	bool closing = !vbd->online;

	switch (vbd->frontend_state) {
	case XenbusStateUnknown:
		return set_state(vbd, closing || vbd->frontend_seen ? XenbusStateClosed
								    : XenbusStateInitWait);
	case XenbusStateInitialising:
		if (closing)
			return set_state(vbd, XenbusStateClosed);
		if (vbd->disabled && vbd->disabled_closed) {
			vbd->disabled = false;
			blk_vbd_trouble_over(vbd);
		}
		return vbd->disabled ? 0 : set_state(vbd, XenbusStateInitWait);
	case XenbusStateInitWait:
		return closing ? set_state(vbd, XenbusStateClosed) : 0;
	case XenbusStateInitialised:
	case XenbusStateConnected:
		if (closing)
			return set_state(vbd, XenbusStateClosing);
		return vbd->disabled ? 0 : set_state(vbd, XenbusStateConnected);
	case XenbusStateClosing:
		return set_state(vbd, XenbusStateClosing);
	case XenbusStateClosed:
		vbd->disabled_closed = true;
		/* It may be closed from a former life, before its domain's kernel has looked at it. */
		return set_state(vbd, vbd->new_area && vbd->online ? XenbusStateInitWait
								   : XenbusStateClosed);
	default:
		if (!vbd->disabled) {
			char why[BLK_WHY_MAX];

			snprintf(why, sizeof(why), "frontend state %u is not one",
				 vbd->frontend_state);
			blk_vbd_disable(vbd, why);
		}
		return set_state(vbd, XenbusStateClosing);
	}
}

/* The domain's identity. Return: 1 when it is another than before. */
static int read_generation(struct blk_vbd *vbd)
{
	char text[BLK_GENERATION_MAX];
	int rc = blk_xb_read_text(vbd, BLK_DOMAIN, "vm", text, sizeof(text));
	int changed = 0;

	if (blk_xb_failed(rc))
		return rc;
	if (!rc) {
		changed = vbd->generation[0] && strcmp(vbd->generation, text);
		memset(vbd->generation, 0, sizeof(vbd->generation));
		strcpy(vbd->generation, text);
	}
	return changed;
}

/* -ENOENT: ours is gone. 1: it is another domain's than before. */
static int read_areas(struct blk_vbd *vbd)
{
	uint32_t state = 0, value = 0;
	int rc = blk_xb_read_u32(vbd, BLK_BACKEND, "state", UINT32_MAX, &state);

	if (blk_xb_failed(rc) || rc == -ENOENT)
		return rc;
	vbd->store_state = rc || state > XenbusStateClosed ? XenbusStateUnknown : state;
	rc = read_generation(vbd);
	if (rc)
		return rc;
	rc = blk_xb_read_default(vbd, BLK_BACKEND, "online", 1, 0, &value);
	if (blk_xb_failed(rc))
		return rc;
	vbd->online = !rc && value;
	rc = blk_xb_read_default(vbd, BLK_FRONTEND, "state", UINT32_MAX, XenbusStateUnknown,
				 &value);
	if (blk_xb_failed(rc))
		return rc;
	vbd->frontend_state = rc ? UINT32_MAX : value;
	if (vbd->dead)
		vbd->frontend_state = XenbusStateClosed;
	vbd->frontend_seen |= vbd->frontend_state != XenbusStateUnknown;
	return 0;
}

static bool frontend_is_connected(const struct blk_vbd *vbd)
{
	return vbd->frontend_state == XenbusStateConnected ||
	       vbd->frontend_state == XenbusStateInitialised;
}

/*
 * A predecessor's: it is in the state that the store says, and what that needs is made again. -EINPROGRESS: the
 * image is not there yet, the guest waits.
 */
static int adopt(struct blk_vbd *vbd)
{
	char why[BLK_WHY_MAX] = "";
	int rc = 0;

	if (vbd->state == XenbusStateInitWait || vbd->state == XenbusStateConnected ||
	    (vbd->state == XenbusStateClosing && frontend_is_connected(vbd)))
		rc = open_image(vbd, why);
	if (!rc && vbd->state != XenbusStateInitWait && vbd->image.fd >= 0 &&
	    frontend_is_connected(vbd)) {
		vbd->restarted = true;
		rc = blk_vbd_connect(vbd, why);
		vbd->restarted = false;
	}
	if (!rc) {
		log_debug("%s: adopted in state %s", vbd->name, blk_state_name(vbd->state));
		return 0;
	}
	if (rc == -EINPROGRESS || rc == -ECONNRESET)
		return rc;
	blk_vbd_disable(vbd, why);
	return set_state(vbd, XenbusStateClosing);
}

static int begin(struct blk_vbd *vbd)
{
	uint32_t state = vbd->store_state;

	if (state == XenbusStateUnknown || state == XenbusStateInitialised)
		state = XenbusStateInitialising;
	vbd->state = (enum xenbus_state)state;
	if (state == XenbusStateInitialising || state == XenbusStateClosed)
		return 0;
	return adopt(vbd);
}

static int follow(struct blk_vbd *vbd)
{
	int rc = 0;

	if (vbd->new_area)
		rc = begin(vbd);
	if (rc)
		return rc == -EINPROGRESS ? 0 : rc;
	if (vbd->disabled && vbd->state != XenbusStateClosed)
		set_state(vbd, XenbusStateClosing);
	/* The toolstack asks to close what is closed: it waits for our answer all the same. */
	if (!vbd->online && vbd->state == XenbusStateClosed &&
	    vbd->store_state == XenbusStateClosing)
		vbd->unwritten = true;
	rc = vbd->dead ? set_state(vbd, XenbusStateClosed) : follow_frontend(vbd);
	vbd->new_area = false;
	if (!rc && vbd->state == XenbusStateClosed && (!vbd->online || vbd->dead))
		release_image(vbd);
	if (!rc && vbd->unwritten)
		rc = write_state(vbd, false);
	return rc;
}

/* Gone and made anew since we looked. */
static bool made_anew(const struct blk_vbd *vbd)
{
	return !vbd->new_area && vbd->store_state == XenbusStateInitialising &&
	       vbd->state != XenbusStateInitialising &&
	       !(vbd->connected && vbd->frontend_state == XenbusStateConnected);
}

int blk_vbd_update(struct blk_vbd *vbd)
{
	struct blkback *bb = vbd->bb;
	uint16_t domid = vbd->domid;
	uint32_t devid = vbd->devid;
	int rc;

	if (vbd->unwatched)
		blk_xb_watch_frontend(vbd, true);
	rc = read_areas(vbd);
	if (!rc && made_anew(vbd))
		rc = 1;
	if (rc == -ENOENT || rc == 1) {
		bool again = rc == 1;

		blk_vbd_destroy(vbd, false);
		rc = again ? blk_vbd_create(bb, domid, devid, &vbd) : 0;
		if (!rc && again)
			list_append(&bb->dirty, &vbd->dirty);
		return rc;
	}
	if (!rc)
		rc = follow(vbd);
	if (rc != -ECONNRESET && (blk_xb_failed(rc) || vbd->unwritten || vbd->unwatched))
		blk_vbd_look_again(vbd, REWRITE_MS);
	return rc == -ECONNRESET ? rc : 0;
}

void blk_vbd_check(struct blk_vbd *vbd)
{
	if (!vbd->connected || !vbd->queue.fatal)
		return;
	blk_vbd_disable(vbd, blk_fatal_text(vbd->queue.fatal));
	set_state(vbd, XenbusStateClosing);
}

int blk_vbd_create(struct blkback *bb, uint16_t domid, uint32_t devid, struct blk_vbd **vbd_out)
{
	struct blk_vbd *vbd = calloc(1, sizeof(*vbd));

	*vbd_out = NULL;
	if (!vbd)
		return -ENOMEM;
	vbd->bb = bb;
	vbd->domid = domid;
	vbd->devid = devid;
	vbd->new_area = true;
	vbd->state = XenbusStateInitialising;
	vbd->image.fd = -1;
	snprintf(vbd->name, sizeof(vbd->name), "vbd%u.%u", domid, devid);
	list_init(&vbd->dirty);
	list_append(&bb->all, &vbd->all);
	blk_xb_watch_frontend(vbd, true);
	*vbd_out = vbd;
	return 0;
}

void blk_vbd_destroy(struct blk_vbd *vbd, bool leave)
{
	blk_vbd_disconnect(vbd, leave);
	blk_xb_watch_frontend(vbd, false);
	if (!leave)
		blk_xb_write_error(vbd, NULL);
	blk_image_close(&vbd->image);
	list_remove(&vbd->all);
	list_remove(&vbd->dirty);
	free(vbd);
}
