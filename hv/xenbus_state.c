/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/xenbus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define REWRITE_NS (200u * 1000000u)
#define NR_KEYS	   4 /* that are read of every device */

#define UN XenbusStateUnknown
#define IN XenbusStateInitialising
#define IW XenbusStateInitWait
#define CO XenbusStateConnected
#define CG XenbusStateClosing
#define CD XenbusStateClosed

/*
 * The next step from each of our states towards a wanted one; Initialised is never ours. Every want
 * is reached in at most three steps, and a state that answers a want points at itself.
 */
static const enum xenbus_state next[XB_NR_STATES][XB_NR_STATES] = {
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

const char *xb_state_name(uint32_t state)
{
	return state < sizeof(state_names) / sizeof(state_names[0]) ? state_names[state]
								    : "not a state";
}

enum xenbus_state xb_next_state(enum xenbus_state cur, enum xenbus_state want)
{
	return next[cur][want];
}

uint32_t xb_written_state(const struct xb_device *dev)
{
	return dev->reconfigured ? XenbusStateReconfigured : dev->state;
}

static void disable(struct xb_device *dev, const char *why)
{
	dev->disabled = true;
	dev->disabled_closed = false;
	dev->backend->class->disconnect(dev);
	xb_trouble(dev, why);
}

/* What the store holds is not what it must: tried again, and said. */
static int store_refuses(struct xb_device *dev, int rc)
{
	char why[XB_WHY_MAX];

	snprintf(why, sizeof(why), "xenstore refuses a request of ours (%s): tried again",
		 strerror(-rc));
	if (!dev->disabled)
		xb_trouble(dev, why);
	dev->refused = true;
	xb_look_again(dev, clock_ns() + REWRITE_NS);
	return rc;
}

/* -ENOENT: the area is gone, an event will tell. */
static int write_state(struct xb_device *dev, bool features)
{
	int rc = xb_write_state(dev, features);

	dev->unwritten = rc && rc != -ENOENT;
	return rc;
}

/* The only place where a device's state changes. */
static int set_state(struct xb_device *dev, enum xenbus_state want)
{
	const struct xb_class *class = dev->backend->class;
	char why[XB_WHY_MAX] = "";
	int rc = 0;

	while (!rc && next[dev->state][want] != dev->state) {
		enum xenbus_state new = next[dev->state][want];

		rc = class->enter(dev, new, why);
		if (rc == -EINPROGRESS)
			return 0;
		if (rc && dev->store_rc)
			return dev->store_rc;
		if (rc) {
			disable(dev, why);
			if (want == XenbusStateClosing)
				break;
			want = XenbusStateClosing;
			rc = 0;
			continue;
		}
		log_debug("%s: %s -> %s", dev->name, xb_state_name(dev->state), xb_state_name(new));
		dev->state = new;
		dev->reconfigured = false;
		if (new == XenbusStateConnected)
			xb_trouble_over(dev);
		rc = write_state(dev, new == XenbusStateInitWait || (class->offers_on_connected &&
								     new == XenbusStateConnected));
	}
	return rc;
}

void xb_fail(struct xb_device *dev, const char *why)
{
	disable(dev, why);
	set_state(dev, XenbusStateClosing);
}

/*
 * Linux's netfront wants more room in front of frames, or less, and waits for our answer. It may write
 * how much after it has written its state, so that is read again when it goes on.
 */
static int reconfigure(struct xb_device *dev, bool done)
{
	char why[XB_WHY_MAX] = "";
	int rc;

	if (!dev->connected || dev->reconfigured == !done)
		return 0;
	rc = dev->backend->class->enter(dev, XenbusStateReconfigured, why);
	if (rc && dev->store_rc)
		return dev->store_rc;
	if (rc) {
		disable(dev, why);
		return set_state(dev, XenbusStateClosing);
	}
	dev->reconfigured = !done;
	return write_state(dev, false);
}

static int follow_initialising(struct xb_device *dev)
{
	if (!dev->online)
		return set_state(dev, XenbusStateClosed);
	if (dev->disabled && dev->disabled_closed) {
		dev->disabled = false;
		xb_trouble_over(dev);
	}
	return dev->disabled ? 0 : set_state(dev, XenbusStateInitWait);
}

static int follow_connected(struct xb_device *dev)
{
	if (!dev->online)
		return set_state(dev, XenbusStateClosing);
	if (dev->disabled)
		return 0;
	if (dev->reconfigured)
		return reconfigure(dev, true);
	return set_state(dev, dev->hold_connect && dev->state != XenbusStateConnected
				      ? XenbusStateInitWait
				      : XenbusStateConnected);
}

static int follow_nonsense(struct xb_device *dev)
{
	char why[XB_WHY_MAX];

	if (!dev->disabled) {
		snprintf(why, sizeof(why), "frontend state %u is not one", dev->frontend_state);
		disable(dev, why);
	}
	return set_state(dev, XenbusStateClosing);
}

/*
 * What the frontend's state asks of us. Our own closing, asked for by the toolstack, goes first; a
 * frontend that has nothing connected cannot hold it up.
 */
static int follow_frontend(struct xb_device *dev)
{
	switch (dev->frontend_state) {
	case XenbusStateUnknown:
		return set_state(dev, !dev->online || dev->frontend_seen ? XenbusStateClosed
									 : XenbusStateInitWait);
	case XenbusStateInitialising:
		return follow_initialising(dev);
	case XenbusStateInitWait:
		return dev->online ? 0 : set_state(dev, XenbusStateClosed);
	case XenbusStateInitialised:
	case XenbusStateConnected:
		return follow_connected(dev);
	case XenbusStateReconfiguring:
		if (!dev->backend->class->reconfigures)
			return follow_nonsense(dev);
		if (!dev->online)
			return set_state(dev, XenbusStateClosing);
		return dev->disabled ? 0 : reconfigure(dev, false);
	case XenbusStateClosing:
		return set_state(dev, XenbusStateClosing);
	case XenbusStateClosed:
		dev->disabled_closed = true;
		/* It may be closed from a former life, before its domain's kernel has looked at it. */
		return set_state(dev, dev->new_area && dev->online ? XenbusStateInitWait
								   : XenbusStateClosed);
	default:
		return follow_nonsense(dev);
	}
}

/* The domain's identity. Return: 1 when it is another than before. */
static int read_generation(struct xb_device *dev)
{
	char text[XB_GENERATION_MAX] = "";
	int rc = xb_read_text(dev, XB_DOMAIN, "vm", text, sizeof(text));
	int changed = 0;

	if (xb_failed(rc))
		return rc;
	if (!rc) {
		changed = dev->generation[0] && strcmp(dev->generation, text);
		memset(dev->generation, 0, sizeof(dev->generation));
		strcpy(dev->generation, text);
	}
	return changed;
}

static int read_ahead(struct xb_device *dev)
{
	struct xb_key keys[XB_AHEAD_MAX] = {
		{ XB_BACKEND, "state" },
		{ XB_DOMAIN, "vm" },
		{ XB_BACKEND, "online" },
		{ XB_FRONTEND, "state" },
	};
	const struct xb_class *class = dev->backend->class;
	unsigned int nr = NR_KEYS;

	if (class->ahead)
		nr += class->ahead(dev, keys + nr, XB_AHEAD_MAX - nr);
	return xb_read_ahead(dev, keys, nr);
}

static bool may_be_ours(const struct xb_device *dev, uint32_t state)
{
	return state <= XenbusStateClosed ||
	       (state == XenbusStateReconfigured && dev->backend->class->reconfigures);
}

/* All that matters of both areas. -ENOENT: ours is gone. 1: it is another domain's than before. */
static int read_areas(struct xb_device *dev)
{
	uint32_t state = 0, value = 0;
	int rc = read_ahead(dev);

	if (rc)
		return rc;
	rc = xb_read_u32(dev, XB_BACKEND, "state", UINT32_MAX, &state);
	if (xb_failed(rc) || rc == -ENOENT)
		return rc;
	dev->store_state = rc || !may_be_ours(dev, state) ? XenbusStateUnknown : state;
	rc = read_generation(dev);
	if (rc)
		return rc;
	rc = xb_read_default(dev, XB_BACKEND, "online", 1, 0, &value);
	if (xb_failed(rc))
		return rc;
	dev->online = !rc && value;
	rc = xb_read_default(dev, XB_FRONTEND, "state", UINT32_MAX, XenbusStateUnknown, &value);
	if (xb_failed(rc))
		return rc;
	dev->frontend_state = rc ? UINT32_MAX : value;
	if (dev->dead)
		dev->frontend_state = XenbusStateClosed;
	dev->frontend_seen |= dev->frontend_state != XenbusStateUnknown;
	return 0;
}

/*
 * A predecessor's device: it is in the state that the store says, and what that state needs is made
 * again without a word to the store. Live rings are taken up where they are.
 */
static int adopt(struct xb_device *dev)
{
	char why[XB_WHY_MAX] = "";
	int rc;

	if (dev->state == XenbusStateInitialising || dev->state == XenbusStateClosed)
		return 0;
	rc = dev->backend->class->adopt(dev, why);
	if (!rc)
		log_debug("%s: adopted in state %s", dev->name, xb_state_name(dev->state));
	if (rc == -EINPROGRESS)
		return rc;
	if (!rc || dev->store_rc)
		return dev->store_rc;
	disable(dev, why);
	return set_state(dev, XenbusStateClosing);
}

/* A new one, or one that another backend had: it is in the state that the store says. */
static int begin(struct xb_device *dev)
{
	uint32_t state = dev->store_state;
	int rc;

	dev->reconfigured = state == XenbusStateReconfigured;
	if (dev->reconfigured)
		dev->state = XenbusStateConnected;
	else if (state == XenbusStateUnknown || state == XenbusStateInitialised)
		dev->state = XenbusStateInitialising;
	else
		dev->state = (enum xenbus_state)state;
	if (dev->elsewhere)
		return 0;
	rc = adopt(dev);
	/* Whoever looks after its link is to look again; and guests announce themselves. */
	if (!rc && dev->taken && !dev->disabled &&
	    (dev->state == XenbusStateInitWait || dev->state == XenbusStateConnected))
		rc = write_state(dev, dev->state == XenbusStateInitWait);
	dev->taken = false;
	return rc;
}

static int follow(struct xb_device *dev)
{
	char why[XB_WHY_MAX];
	int rc = dev->new_area || dev->elsewhere ? begin(dev) : 0;

	if (rc || dev->elsewhere)
		return rc == -EINPROGRESS ? 0 : rc;
	if (dev->disabled && dev->state != XenbusStateClosed)
		set_state(dev, XenbusStateClosing);
	/* The toolstack asks to close what is closed: it waits for our answer all the same. */
	if (!dev->online && dev->state == XenbusStateClosed &&
	    dev->store_state == XenbusStateClosing)
		dev->unwritten = true;
	if (dev->hold_offer && dev->state == XenbusStateInitialising && dev->online && !dev->dead)
		return 0;
	rc = dev->dead ? set_state(dev, XenbusStateClosed) : follow_frontend(dev);
	if (!rc && dev->stale && dev->state == XenbusStateInitWait)
		rc = write_state(dev, true);
	dev->new_area = false;
	if (!rc && dev->state == XenbusStateClosed && (!dev->online || dev->dead))
		rc = dev->backend->class->enter(dev, XenbusStateClosed, why);
	if (!rc && dev->unwritten)
		rc = write_state(dev, false);
	if (!rc && dev->backend->class->wait)
		dev->backend->class->wait(dev);
	return rc;
}

/* Gone and made anew since we looked: its state is that of a new one, and its frontend's is not ours. */
static bool made_anew(const struct xb_device *dev)
{
	return !dev->new_area && !dev->elsewhere && dev->store_state == XenbusStateInitialising &&
	       dev->state != XenbusStateInitialising &&
	       !(dev->connected && dev->frontend_state == XenbusStateConnected);
}

/* Its area is gone; with @again another is there in its place. */
static int forget(struct xb_device *dev, bool again)
{
	struct xb_backend *xb = dev->backend;
	uint16_t domid = dev->domid;
	uint32_t devid = dev->devid;
	int rc = 0;

	xb_forget_ahead(xb);
	xb_destroy(dev, false);
	if (again)
		rc = xb_create(xb, domid, devid, &dev);
	if (!rc && again)
		xb_mark(dev);
	return rc;
}

int xb_update(struct xb_device *dev)
{
	int rc = dev->unwatched ? xb_watch_frontend(dev, true) : 0;

	dev->store_rc = 0;
	if (!rc && dev->unwritten)
		rc = write_state(dev, true);
	if (!rc)
		rc = read_areas(dev);
	if (!rc && made_anew(dev))
		rc = 1;
	if (rc == -ENOENT || rc == 1)
		return forget(dev, rc == 1);
	if (!rc && dev->backend->class->settle)
		rc = dev->backend->class->settle(dev);
	if (!rc)
		rc = follow(dev);
	xb_forget_ahead(dev->backend);
	if (rc != -ECONNRESET && (xb_failed(rc) || dev->unwritten || dev->unwatched))
		return store_refuses(dev, rc);
	if (!rc && dev->refused) {
		dev->refused = false;
		if (!dev->disabled)
			xb_trouble_over(dev);
	}
	return rc;
}
