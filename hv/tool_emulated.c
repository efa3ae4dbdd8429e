/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated cards: on Xen, libxl has scripts place their links. Here they have backend areas as all vifs
 * do, so that vifrostd places and guards them, but no frontend: the states of both ends are ours.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "hv/tool_area.h"

/* 0: that end is left as it is. */
struct states {
	const struct tool_device *v;
	int backend, frontend;
};

static void write_states(struct tool_area *a, const void *arg)
{
	const struct states *s = arg;
	char path[TOOL_PATH];

	for (int i = 0; i < 2; i++) {
		int state = i ? s->frontend : s->backend;

		tool_device_path(path, s->v, i == 0);
		tool_area_at(a, "%s", path);
		if (state)
			tool_area_put(a, "state", "%d", state);
	}
}

static void set_states(struct tool_device *v, int backend, int frontend)
{
	struct states states = { v, backend, frontend };
	struct tool_domain *d = v->domain;
	int rc = tool_area_transact(d->tool, write_states, d->domid, &states);

	if (rc)
		tool_event(d->tool, LOG_LEVEL_ERR, "domain %u (%s): %s %u: its state stays: %s",
			   d->domid, tool_name(d), v->kind->name, v->devid, strerror(-rc));
}

static int64_t backend_state(const struct tool_device *v)
{
	char path[TOOL_PATH];

	tool_device_path(path, v, true);
	return tool_store_number(v->domain->tool, path, "state");
}

void tool_emulated_started(struct tool_domain *d)
{
	struct list *n;

	list_for_each (&d->devices, n) {
		struct tool_device *v = list_entry(n, struct tool_device, node);

		/* What vifrostd waits for. */
		if (v->emulated && backend_state(v) == XenbusStateInitialising)
			set_states(v, XenbusStateInitWait, 0);
	}
}

void tool_emulated_changed(struct tool_device *v)
{
	char path[TOOL_PATH], key[2 * TOOL_PATH], *status;

	tool_device_path(path, v, true);
	snprintf(key, sizeof(key), "%s/hotplug-status", path);
	if (backend_state(v) != XenbusStateInitWait ||
	    hv_store_read(v->domain->tool->store, 0, key, &status, NULL))
		return;
	if (!strcmp(status, "connected"))
		set_states(v, XenbusStateConnected, XenbusStateConnected);
	free(status);
}
