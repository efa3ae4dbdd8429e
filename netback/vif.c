/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/vif.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define REWRITE_NS (200u * 1000000u)

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
static const enum xenbus_state next[NB_NR_STATES][NB_NR_STATES] = {
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

const char *nb_state_name(uint32_t state)
{
	return state < sizeof(state_names) / sizeof(state_names[0]) ? state_names[state]
								    : "not a state";
}

enum xenbus_state nb_vif_next_state(enum xenbus_state cur, enum xenbus_state want)
{
	return next[cur][want];
}

static void say(struct nb_vif *vif, const char *text)
{
	log_limited(&vif->log_limit, "%s: %s", vif->name, text);
}

void nb_vif_disable(struct nb_vif *vif, const char *why)
{
	vif->disabled = true;
	vif->disabled_closed = false;
	nb_trouble(vif, why);
}

uint32_t nb_vif_written_state(const struct nb_vif *vif)
{
	return vif->reconfigured ? XenbusStateReconfigured : vif->state;
}

/* What the store holds is not what it must: tried again, and said. */
static int store_refuses(struct nb_vif *vif, int rc)
{
	char why[NB_REASON_MAX];

	snprintf(why, sizeof(why), "xenstore refuses a request of ours (%s): tried again",
		 strerror(-rc));
	if (!vif->disabled)
		nb_trouble(vif, why);
	vif->refused = true;
	nb_look_again(vif, clock_ns() + REWRITE_NS);
	return rc;
}

/* -ENOENT: the area is gone, an event will tell. */
static int write_state(struct nb_vif *vif, bool features)
{
	int rc = nb_xb_write_state(vif, nb_vif_written_state(vif), features);

	vif->unwritten = rc && rc != -ENOENT;
	return rc;
}

/* What must be done to be in @state, before the store says so. On failure @why says what failed. */
static int enter(struct nb_vif *vif, enum xenbus_state state, char *why)
{
	int rc = 0;

	switch (state) {
	case XenbusStateInitWait:
		rc = nb_vif_open_port(vif, why);
		break;
	case XenbusStateConnected:
		rc = nb_vif_connect(vif, why);
		break;
	case XenbusStateClosing:
		nb_vif_disconnect(vif);
		nb_vif_remove_notes(vif);
		break;
	case XenbusStateClosed:
		nb_vif_disconnect(vif);
		nb_vif_remove_notes(vif);
		if (!vif->online || vif->dead)
			nb_vif_release_port(vif);
		break;
	default:
		break;
	}
	return rc;
}

/* The only place where a vif's state changes. */
static int set_state(struct nb_vif *vif, enum xenbus_state want)
{
	char why[NB_REASON_MAX] = "";
	int rc = 0;

	while (!rc && next[vif->state][want] != vif->state) {
		enum xenbus_state new = next[vif->state][want];

		rc = enter(vif, new, why);
		if (rc && vif->store_rc)
			return vif->store_rc;
		if (rc) {
			nb_vif_disable(vif, why);
			if (want == XenbusStateClosing)
				break;
			want = XenbusStateClosing;
			rc = 0;
			continue;
		}
		log_debug("%s: %s -> %s", vif->name, nb_state_name(vif->state), nb_state_name(new));
		vif->state = new;
		vif->reconfigured = false;
		if (new == XenbusStateConnected)
			nb_trouble_over(vif);
		rc = write_state(vif, new == XenbusStateInitWait);
	}
	return rc;
}

/*
 * Linux's netfront wants more room in front of frames, or less, and waits for our answer. It may write
 * how much after it has written its state, so that is read again when it goes on.
 */
static int reconfigure(struct nb_vif *vif, bool done)
{
	char why[NB_REASON_MAX] = "";
	int rc;

	if (!vif->queues || vif->reconfigured == !done)
		return 0;
	rc = nb_vif_reconfigure(vif, why);
	if (rc && vif->store_rc)
		return vif->store_rc;
	if (rc) {
		nb_vif_disable(vif, why);
		return set_state(vif, XenbusStateClosing);
	}
	vif->reconfigured = !done;
	return write_state(vif, false);
}

/*
 * What the frontend's state asks of us. Our own closing, asked for by the toolstack, goes first; a
 * frontend that has nothing connected cannot hold it up.
 */
static int follow_frontend(struct nb_vif *vif)
{
	bool closing = !vif->online;

	switch (vif->frontend_state) {
	case XenbusStateUnknown:
		if (closing || vif->frontend_seen)
			return set_state(vif, XenbusStateClosed);
		return set_state(vif, XenbusStateInitWait);
	case XenbusStateInitialising:
		if (closing)
			return set_state(vif, XenbusStateClosed);
		if (vif->disabled && vif->disabled_closed) {
			vif->disabled = false;
			nb_trouble_over(vif);
		}
		return vif->disabled ? 0 : set_state(vif, XenbusStateInitWait);
	case XenbusStateInitWait:
		return closing ? set_state(vif, XenbusStateClosed) : 0;
	case XenbusStateInitialised:
	case XenbusStateConnected:
		if (closing)
			return set_state(vif, XenbusStateClosing);
		if (vif->disabled)
			return 0;
		if (vif->reconfigured)
			return reconfigure(vif, true);
		return set_state(vif, vif->hotplug_connected || vif->state == XenbusStateConnected
					      ? XenbusStateConnected
					      : XenbusStateInitWait);
	case XenbusStateReconfiguring:
		if (closing)
			return set_state(vif, XenbusStateClosing);
		return vif->disabled ? 0 : reconfigure(vif, false);
	case XenbusStateClosing:
		return set_state(vif, XenbusStateClosing);
	case XenbusStateClosed:
		vif->disabled_closed = true;
		/* It may be closed from a former life, before its domain's kernel has looked at it. */
		return set_state(vif, vif->new_area && vif->online ? XenbusStateInitWait
								   : XenbusStateClosed);
	default:
		if (!vif->disabled) {
			char why[NB_REASON_MAX];

			snprintf(why, sizeof(why), "frontend state %u is not one",
				 vif->frontend_state);
			nb_vif_disable(vif, why);
		}
		return set_state(vif, XenbusStateClosing);
	}
}

static int read_hotplug(struct nb_vif *vif)
{
	char text[32];
	int rc = nb_xb_read_text(vif, NB_BACKEND, "hotplug-status", text, sizeof(text));

	if (nb_xb_failed(rc))
		return rc;
	vif->hotplug_connected = !rc && !strcmp(text, "connected");
	vif->hotplug_failed = !rc && !strcmp(text, "error");
	return 0;
}

/* The domain's identity. Return: 1 when it is another than before. */
static int read_generation(struct nb_vif *vif)
{
	char text[NB_GENERATION_MAX];
	int rc = nb_xb_read_text(vif, NB_DOMAIN, "vm", text, sizeof(text));
	int changed = 0;

	if (nb_xb_failed(rc))
		return rc;
	if (!rc) {
		changed = vif->generation[0] && strcmp(vif->generation, text);
		strcpy(vif->generation, text);
	}
	return changed;
}

static int read_ahead(struct nb_vif *vif)
{
	struct nb_key keys[12] = {
		{ NB_BACKEND, "state" },  { NB_DOMAIN, "vm" },
		{ NB_BACKEND, "online" }, { NB_BACKEND, "hotplug-status" },
		{ NB_FRONTEND, "state" }, { NB_BACKEND, "vifrost-datapath" },
	};
	unsigned int nr = 6;

	if (!vif->rate_known)
		keys[nr++] = (struct nb_key){ NB_BACKEND, "rate" };
	if (!nb_vif_has_port(vif)) {
		keys[nr++] = (struct nb_key){ NB_BACKEND, "mtu" };
		keys[nr++] = (struct nb_key){ NB_BACKEND, "vifname" };
	}
	if (!vif->queues && !vif->elsewhere)
		keys[nr++] = (struct nb_key){ NB_BACKEND, "vifrost-offer" };
	if (!vif->offer_known)
		keys[nr++] = (struct nb_key){ NB_HOST, "offers" };
	return nb_xb_read_ahead(vif, keys, nr);
}

/* All that matters of both areas. -ENOENT: ours is gone. 1: it is another domain's than before. */
static int read_areas(struct nb_vif *vif)
{
	uint32_t state = 0, value;
	int rc = read_ahead(vif);

	if (rc)
		return rc;
	rc = nb_xb_read_u32(vif, NB_BACKEND, "state", UINT32_MAX, &state);
	if (nb_xb_failed(rc) || rc == -ENOENT)
		return rc;
	if (rc || (state > XenbusStateClosed && state != XenbusStateReconfigured))
		state = XenbusStateUnknown;
	vif->store_state = state;
	rc = read_generation(vif);
	if (rc)
		return rc;
	rc = nb_xb_read_default(vif, NB_BACKEND, "online", 1, 0, &value);
	if (rc)
		return nb_xb_failed(rc) ? rc : 0;
	vif->online = value;
	rc = read_hotplug(vif);
	if (rc)
		return rc;
	rc = nb_xb_read_default(vif, NB_FRONTEND, "state", UINT32_MAX, XenbusStateUnknown, &value);
	if (nb_xb_failed(rc))
		return rc;
	vif->frontend_state = rc ? UINT32_MAX : value;
	if (vif->dead)
		vif->frontend_state = XenbusStateClosed;
	vif->frontend_seen |= vif->frontend_state != XenbusStateUnknown;
	return 0;
}

/*
 * A predecessor's vif: it is in the state that the store says, and what that state needs is made
 * again without a word to the store. Live rings are taken up where they are.
 */
static int adopt(struct nb_vif *vif)
{
	char why[NB_REASON_MAX] = "";
	int rc = 0;

	if (vif->state == XenbusStateInitialising || vif->state == XenbusStateClosed)
		return 0;
	vif->steering.restarted = true;
	if (vif->state == XenbusStateInitWait || vif->state == XenbusStateConnected)
		rc = nb_vif_open_port(vif, why);
	if (!rc && vif->state == XenbusStateConnected &&
	    (vif->frontend_state == XenbusStateConnected ||
	     vif->frontend_state == XenbusStateInitialised ||
	     vif->frontend_state == XenbusStateReconfiguring))
		rc = nb_vif_connect(vif, why);
	if (!rc)
		log_debug("%s: adopted in state %s", vif->name, nb_state_name(vif->state));
	if (!rc && vif->queues)
		for (unsigned int i = 0; i < vif->nr_queues; i++)
			nb_queue_kick(&vif->queues[i]);
	if (!rc || vif->store_rc)
		return vif->store_rc;
	nb_vif_disable(vif, why);
	return set_state(vif, XenbusStateClosing);
}

/* Gone and made anew since we looked: its state is that of a new one, and its frontend's is not ours. */
static bool made_anew(const struct nb_vif *vif)
{
	return !vif->new_area && !vif->elsewhere && vif->store_state == XenbusStateInitialising &&
	       vif->state != XenbusStateInitialising &&
	       !(vif->queues && vif->frontend_state == XenbusStateConnected);
}

/* A new one, or one that another backend had: it is in the state that the store says. */
static int begin(struct nb_vif *vif)
{
	uint32_t state = vif->store_state;
	int rc;

	vif->reconfigured = state == XenbusStateReconfigured;
	if (vif->reconfigured)
		vif->state = XenbusStateConnected;
	else if (state == XenbusStateUnknown || state == XenbusStateInitialised)
		vif->state = XenbusStateInitialising;
	else
		vif->state = (enum xenbus_state)state;
	if (vif->elsewhere)
		return 0;
	rc = adopt(vif);
	/* Whoever looks after its link is to look again; and guests announce themselves. */
	if (!rc && vif->taken && !vif->disabled && nb_vif_has_port(vif))
		rc = write_state(vif, vif->state == XenbusStateInitWait);
	vif->taken = false;
	return rc;
}

static int follow(struct nb_vif *vif)
{
	bool is_stale;
	int rc = nb_offer_read(vif, &is_stale);

	if (rc)
		return rc;
	if (vif->new_area || vif->elsewhere)
		rc = begin(vif);
	else
		rc = nb_datapath_contest(vif);
	if (rc || vif->elsewhere)
		return rc;
	if (vif->disabled && vif->state != XenbusStateClosed)
		set_state(vif, XenbusStateClosing);
	/* The toolstack asks to close what is closed: it waits for our answer all the same. */
	if (!vif->online && vif->state == XenbusStateClosed &&
	    vif->store_state == XenbusStateClosing)
		vif->unwritten = true;
	if (nb_offer_is_awaited(vif))
		return 0;
	rc = vif->dead ? set_state(vif, XenbusStateClosed) : follow_frontend(vif);
	if (!rc && is_stale && vif->state == XenbusStateInitWait)
		rc = write_state(vif, true);
	vif->new_area = false;
	if (!rc && vif->state == XenbusStateClosed && (!vif->online || vif->dead))
		nb_vif_release_port(vif);
	if (!rc && vif->unwritten)
		rc = write_state(vif, false);
	if (!rc)
		nb_wait_check(vif);
	return rc;
}

int nb_vif_update(struct nb_vif *vif)
{
	struct netback *nb = vif->nb;
	uint16_t domid = vif->domid;
	uint32_t devid = vif->devid;
	int rc = vif->unwatched ? nb_xb_watch_frontend(vif, true) : 0;

	vif->store_rc = 0;
	if (!rc && vif->unwritten)
		rc = write_state(vif, true);
	if (!rc)
		rc = read_areas(vif);
	if (!rc && made_anew(vif))
		rc = 1;
	if (rc == -ENOENT || rc == 1) {
		bool again = rc == 1;

		nb_xb_forget_ahead(nb);
		nb_vif_destroy(vif, true);
		rc = again ? nb_vif_create(nb, domid, devid, &vif) : 0;
		if (!rc && again)
			list_append(&nb->dirty, &vif->dirty);
		return rc;
	}
	if (!rc)
		rc = nb_datapath_settle(vif);
	if (!rc)
		rc = nb_vif_read_rate(vif);
	if (!rc)
		rc = follow(vif);
	nb_xb_forget_ahead(nb);
	if (rc != -ECONNRESET && (nb_xb_failed(rc) || vif->unwritten || vif->unwatched))
		return store_refuses(vif, rc);
	if (!rc && vif->refused) {
		vif->refused = false;
		if (!vif->disabled)
			nb_trouble_over(vif);
	}
	return rc;
}

void nb_vif_check_queues(struct nb_vif *vif)
{
	bool stalled = false;
	unsigned int i;
	int fatal = NB_FATAL_NONE;
	bool bad_grants = false;

	for (i = 0; i < vif->nr_queues && vif->queues; i++) {
		if (!fatal)
			fatal = atomic_load(&vif->queues[i].fatal);
		stalled |= atomic_load(&vif->queues[i].stalled);
		bad_grants |= atomic_exchange(&vif->queues[i].bad_grants, false);
	}
	if (!vif->queues)
		return;
	if (fatal) {
		nb_vif_disable(vif, nb_fatal_text((enum nb_fatal)fatal));
		set_state(vif, XenbusStateClosing);
		return;
	}
	if (bad_grants)
		nb_trouble(vif, "the guest has revoked grants of pages in its rings, frames were "
				"dropped: its netfront is at fault");
	if (vif->carrier == stalled) {
		vif->carrier = !stalled;
		if (!vif->plane)
			vif->nb->config.port_ops->set_carrier(vif->port_fd, vif->carrier);
		say(vif, !stalled     ? "the guest takes frames again"
			 : vif->plane ? "the guest takes no frames"
				      : "the guest takes no frames: link down");
	}
}

int nb_vif_create(struct netback *nb, uint16_t domid, uint32_t devid, struct nb_vif **vif_out)
{
	struct nb_vif *vif = calloc(1, sizeof(*vif));
	uint32_t key[2] = { domid, devid };
	int rc;

	*vif_out = NULL;
	if (!vif)
		return -ENOMEM;
	vif->nb = nb;
	vif->domid = domid;
	vif->devid = devid;
	vif->port_fd = -1;
	vif->new_area = true;
	vif->state = XenbusStateInitialising;
	snprintf(vif->name, sizeof(vif->name), "vif%u.%u", domid, devid);
	memcpy(vif->port_name, vif->name, sizeof(vif->name));
	list_init(&vif->all);
	list_init(&vif->dirty);
	rc = htab_insert(&nb->vifs, &vif->node, htab_hash(&nb->vifs, key, sizeof(key)));
	if (rc) {
		free(vif);
		return rc;
	}
	list_append(&nb->all, &vif->all);
	nb->nr_vifs++;
	nb_xb_watch_frontend(vif, true);
	*vif_out = vif;
	return 0;
}

void nb_vif_destroy(struct nb_vif *vif, bool release_port)
{
	nb_vif_disconnect(vif);
	nb_xb_watch_frontend(vif, false);
	if (release_port) {
		nb_vif_release_port(vif);
		nb_vif_remove_notes(vif);
		nb_xb_write_error(vif, NULL);
	} else {
		nb_vif_leave_port(vif);
	}
	htab_remove(&vif->nb->vifs, &vif->node);
	list_remove(&vif->all);
	list_remove(&vif->dirty);
	vif->nb->nr_vifs--;
	free(vif);
}
