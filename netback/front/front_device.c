/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device's life: the xenbus states, drawn in front.h, tabled here and moved by front_update(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "netback/front/front_priv.h"

#define MTU_DEFAULT	   1500u
#define MTU_MIN		   68u
#define MTU_MAX		   (FRONT_MAX_FRAME - 14u)
#define MTU_MAX_WITHOUT_SG (FRONT_BUFFER_SIZE - 14u)
#define LET_GO_MS	   1000 /* for the backend, at most */
#define UPDATE_STEPS	   4	/* transitions that one change in the store can lead to, at most */

enum action { STAY, CONNECT, CONNECTED, CLOSE, RESTART };

#define NR_BACKEND_STATES (BACKEND_GONE + 1)

static const enum action actions[FRONT_NR_STATES][NR_BACKEND_STATES] = {
	[FRONT_INITIALISING] = {
		[XenbusStateInitWait] = CONNECT,
		[XenbusStateClosing] = CLOSE,
	},
	[FRONT_INITIALISED] = {
		[XenbusStateConnected] = CONNECTED,
		[XenbusStateClosing] = CLOSE,
		[XenbusStateClosed] = CLOSE,
		[BACKEND_GONE] = CLOSE,
	},
	[FRONT_CONNECTED] = {
		[XenbusStateInitialising] = CLOSE,
		[XenbusStateInitWait] = CLOSE,
		[XenbusStateClosing] = CLOSE,
		[XenbusStateClosed] = CLOSE,
		[BACKEND_GONE] = CLOSE,
	},
	[FRONT_CLOSED] = {
		[XenbusStateInitialising] = RESTART,
		[XenbusStateInitWait] = RESTART,
	},
};

static const char *const state_names[FRONT_NR_STATES] = {
	[FRONT_INITIALISING] = "initialising",
	[FRONT_INITIALISED] = "initialised",
	[FRONT_CONNECTED] = "connected",
	[FRONT_CLOSED] = "closed",
	[FRONT_BROKEN] = "broken",
};

const char *front_state_name(enum front_state state)
{
	return state_names[state];
}

static void set_state(struct front *f, enum front_state state, const char *reason)
{
	log_debug("%s: %s -> %s%s%s", f->dir, state_names[f->info.state], state_names[state],
		  reason ? ": " : "", reason ? reason : "");
	f->info.state = state;
	f->info.reason = reason;
	if (state != FRONT_CONNECTED)
		f->info.carrier = false;
}

static int write_state(struct front *f, enum xenbus_state state)
{
	char path[FRONT_PATH_MAX];

	front_path(f, path, "state");
	return hv_store_printf(f->store, 0, path, "%d", (int)state);
}

static void disconnect(struct front *f)
{
	f->info.nr_leaked_pages += front_ctrl_destroy(f);
	for (unsigned int i = 0; i < FRONT_MAX_QUEUES; i++) {
		f->info.nr_leaked_pages += front_queue_destroy(f, f->queues[i]);
		f->queues[i] = NULL;
	}
	f->info.nr_queues = 0;
	f->info.connection = 0;
}

/* Nonsense is read as XenbusStateUnknown, on which nobody acts. */
static int read_backend_state(struct front *f, unsigned int *state_out)
{
	char path[FRONT_PATH_MAX];
	uint32_t value;
	int rc;

	snprintf(path, sizeof(path), "%s/state", f->backend);
	rc = hv_store_read_u32(f->store, 0, path, XenbusStateReconfigured, &value);
	if (!rc)
		*state_out = value;
	else if (rc == -ENOENT)
		*state_out = BACKEND_GONE;
	else if (rc == -EINVAL || rc == -ERANGE)
		*state_out = XenbusStateUnknown;
	else
		return rc;
	return 0;
}

/*
 * Pages that the backend has mapped are not ours to use again: Linux's gntalloc frees ten of them a second. When it
 * says Closing it has let go.
 */
static void await_letting_go(struct front *f)
{
	uint64_t end = clock_ms() + LET_GO_MS;
	unsigned int backend_state;

	while (!read_backend_state(f, &backend_state) && backend_state == XenbusStateConnected &&
	       clock_ms() < end)
		usleep(1000);
}

/* Say so to the backend and whoever reads the store; errors of the store change nothing here. */
static void close_as(struct front *f, enum front_state state, const char *reason)
{
	char path[FRONT_PATH_MAX];

	if (!write_state(f, XenbusStateClosing) && state != FRONT_BROKEN)
		await_letting_go(f);
	disconnect(f);
	set_state(f, state, reason);
	if (state == FRONT_BROKEN) {
		snprintf(path, sizeof(path), "error/%s/error", f->dir);
		(void)hv_store_printf(f->store, 0, path, "%s", reason);
	}
	(void)write_state(f, XenbusStateClosed);
}

static int connect_queues(struct front *f)
{
	unsigned int nr_queues;
	bool ctrl_ring;
	int rc;

	rc = front_features_read(f, &nr_queues, &ctrl_ring);
	for (unsigned int i = 0; !rc && i < nr_queues; i++) {
		rc = front_queue_create(f, &f->queues[i]);
		f->info.nr_queues = i + 1;
	}
	if (!rc && ctrl_ring)
		rc = front_ctrl_create(f);
	if (!rc)
		rc = front_publish(f);
	if (rc)
		disconnect(f);
	else
		f->info.connection = ++f->nr_connections;
	return rc;
}

/* On its way from an earlier frontend's connection to InitWait, not out of the world. */
static bool backend_stays(struct front *f)
{
	char path[FRONT_PATH_MAX];
	uint32_t online;

	snprintf(path, sizeof(path), "%s/online", f->backend);
	return !hv_store_read_u32(f->store, 0, path, 1, &online) && online;
}

static int act(struct front *f, enum action action)
{
	int rc;

	switch (action) {
	case STAY:
		return 0;
	case CONNECT:
		rc = connect_queues(f);
		if (rc == -ENOMEM || rc == -ENOSPC) {
			close_as(f, FRONT_BROKEN,
				 "no guest memory, grant or event channel left for it");
			return 0;
		}
		if (!rc)
			set_state(f, FRONT_INITIALISED, NULL);
		return rc;
	case CONNECTED:
		set_state(f, FRONT_CONNECTED, NULL);
		front_ctrl_start(f);
		return 0;
	case CLOSE:
		if (f->info.state == FRONT_INITIALISING && backend_stays(f))
			return 0;
		close_as(f, FRONT_CLOSED, "closed by the backend");
		return 0;
	case RESTART:
		rc = write_state(f, XenbusStateInitialising);
		if (!rc)
			set_state(f, FRONT_INITIALISING, NULL);
		return rc;
	}
	return 0;
}

static void check_broken(struct front *f)
{
	for (unsigned int i = 0; i < f->info.nr_queues; i++) {
		const char *reason = front_queue_broken(f->queues[i]);

		if (reason) {
			close_as(f, FRONT_BROKEN, reason);
			return;
		}
	}
}

static int read_link(struct front *f)
{
	const char *dirs[] = { f->dir, f->backend };
	uint32_t max = f->info.nr_queues && !f->info.sg ? MTU_MAX_WITHOUT_SG : MTU_MAX;
	uint32_t mtu = MTU_DEFAULT, carrier = 1;
	char path[FRONT_PATH_MAX];
	int rc = -ENOENT;

	for (unsigned int i = 0; rc == -ENOENT && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/mtu", dirs[i]);
		rc = hv_store_read_u32(f->store, 0, path, UINT32_MAX, &mtu);
	}
	if (rc && rc != -ENOENT && rc != -EINVAL && rc != -ERANGE)
		return rc;
	if (rc || mtu < MTU_MIN)
		mtu = MTU_DEFAULT;
	f->info.mtu = (uint16_t)(mtu < max ? mtu : max);

	snprintf(path, sizeof(path), "%s/carrier", f->backend);
	rc = hv_store_read_u32(f->store, 0, path, 1, &carrier);
	if (rc && rc != -ENOENT && rc != -EINVAL && rc != -ERANGE)
		return rc;
	f->info.carrier = f->info.state == FRONT_CONNECTED && (rc || carrier);
	return 0;
}

int front_update(struct front *f)
{
	unsigned int backend_state;
	char path[FRONT_PATH_MAX], *backend;
	enum action action;
	int rc;

	front_path(f, path, "backend");
	rc = hv_store_read(f->store, 0, path, &backend, NULL);
	if (rc)
		return rc;
	rc = strcmp(backend, f->backend) ? -ENOENT : 0;
	free(backend);
	if (rc)
		return rc;

	check_broken(f);
	for (int i = 0; i < UPDATE_STEPS; i++) {
		rc = read_backend_state(f, &backend_state);
		if (rc)
			return rc;
		action = actions[f->info.state][backend_state];
		if (action == STAY)
			break;
		rc = act(f, action);
		if (rc)
			return rc;
	}
	return read_link(f);
}

void front_close(struct front *f)
{
	if (f->info.state == FRONT_CLOSED || f->info.state == FRONT_BROKEN)
		return;
	close_as(f, FRONT_CLOSED, "closed by the guest");
	/* Linux's netfront, if it comes next, would not remove a key that it does not know. */
	(void)front_unpublish(f, 0);
}

void front_set_multicast_control(struct front *f, bool wanted)
{
	f->want_multicast_control = wanted;
}

void front_set_offload(struct front *f, bool csum, bool gso)
{
	f->no_csum = !csum;
	f->no_gso = !csum || !gso;
}

void front_keep_full(struct front *f)
{
	f->keeps_full = true;
}

void front_set_zone(struct front *f, struct front_zone *zone)
{
	f->zone = zone;
}

const struct front_info *front_info(const struct front *f)
{
	return &f->info;
}

struct front_queue *front_queue(struct front *f, unsigned int index)
{
	return index < f->info.nr_queues ? f->queues[index] : NULL;
}

static int read_identity(struct front *f)
{
	char path[FRONT_PATH_MAX], *text;
	int rc;

	front_path(f, path, "backend");
	rc = hv_store_read(f->store, 0, path, &f->backend, NULL);
	if (rc)
		return rc;
	if (strlen(f->backend) > FRONT_PATH_MAX - 40)
		return -EINVAL;
	front_path(f, path, "backend-id");
	rc = hv_store_read_u32(f->store, 0, path, DOMID_FIRST_RESERVED - 1, &f->backend_id);
	if (rc)
		return rc == -ERANGE ? -EINVAL : rc;
	front_path(f, path, "mac");
	rc = hv_store_read(f->store, 0, path, &text, NULL);
	if (rc)
		return rc;
	rc = parse_mac(text, f->info.mac);
	free(text);
	return rc;
}

/* Whatever was here before us left its state behind: the backend is to start over with us. */
static int reset_state(struct front *f)
{
	char path[FRONT_PATH_MAX];
	uint32_t state;
	int rc;

	front_path(f, path, "state");
	rc = hv_store_read_u32(f->store, 0, path, XenbusStateReconfigured, &state);
	if (rc && rc != -ENOENT && rc != -EINVAL && rc != -ERANGE)
		return rc;
	if (!rc && state == XenbusStateInitialising)
		return 0;
	f->stale = true;
	return write_state(f, XenbusStateInitialising);
}

static int watch(struct front *f, const char *key)
{
	char path[FRONT_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", f->backend, key);
	return hv_store_watch(f->store, path, f->token);
}

static void unwatch(struct front *f, const char *key)
{
	char path[FRONT_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", f->backend, key);
	(void)hv_store_unwatch(f->store, path, f->token);
}

int front_create(struct hv_guest *guest, unsigned int handle, unsigned int max_queues,
		 const char *token, struct front **front_out)
{
	struct front *f = calloc(1, sizeof(*f));
	int rc = -ENOMEM;

	if (!f)
		return -ENOMEM;
	f->guest = guest;
	f->store = hv_guest_store(guest);
	f->handle = handle;
	f->max_queues = max_queues > FRONT_MAX_QUEUES ? FRONT_MAX_QUEUES : max_queues;
	snprintf(f->dir, sizeof(f->dir), "device/vif/%u", handle);
	f->info.state = FRONT_INITIALISING;
	f->info.mtu = MTU_DEFAULT;
	f->token = strdup(token);
	if (!f->token)
		goto out;
	rc = read_identity(f);
	if (!rc)
		rc = reset_state(f);
	if (!rc)
		rc = watch(f, "state");
	if (!rc)
		rc = watch(f, "carrier");
	if (!rc) {
		*front_out = f;
		f = NULL;
	}
out:
	front_destroy(f);
	return rc;
}

void front_destroy(struct front *f)
{
	if (!f)
		return;
	if (f->backend && f->token) {
		unwatch(f, "state");
		unwatch(f, "carrier");
	}
	disconnect(f);
	free(f->hash);
	free(f->backend);
	free(f->token);
	free(f);
}
