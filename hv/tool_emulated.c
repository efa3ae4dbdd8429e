/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated cards: on Xen, libxl has scripts place their links. Here they have backend areas as all vifs
 * do, so that vifrostd places and guards them, but no frontend: the states of both ends are ours.
 */
#include <errno.h>
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

static bool is_vhost(const struct tool_device *v)
{
	return !strcmp(tool_config_text(v->config, "model", ""), "vhost-user");
}

/* Whom QEMU answers; the domain, or the card, may be another by then. */
struct change {
	struct tool *tool;
	uint16_t domid;
	uint32_t generation;
	unsigned int devid;
	bool attach;
};

static struct change *change_new(const struct tool_device *v, bool attach)
{
	struct change *c = malloc(sizeof(*c));

	if (c)
		*c = (struct change){ v->domain->tool, v->domain->domid, v->domain->generation,
				      v->devid, attach };
	return c;
}

static void changed(void *arg, const char *error)
{
	struct change c = *(struct change *)arg;
	struct tool_domain *d = tool_find(c.tool, c.domid);
	struct tool_device *v = NULL;

	free(arg);
	if (d && d->generation == c.generation && d->state == TOOL_RUNNING)
		v = tool_device_find(d, &tool_kind_vif, c.devid);
	if (!v || v->closing == c.attach)
		return;
	if (!c.attach) {
		tool_device_gone(v, error != NULL);
		return;
	}
	if (error) {
		v->plug_sent = false;
		tool_device_failed(v, error);
		return;
	}
	v->plugging = false;
	if (is_vhost(v))
		set_states(v, XenbusStateConnected, XenbusStateConnected);
	else
		set_states(v, XenbusStateInitWait, 0);
}

static int plug(struct tool_device *v, char why[TOOL_WHY])
{
	struct change *c = change_new(v, true);
	int rc = c ? tool_host_nic_attach(&v->domain->tool->host, v->domain->domid, v->config,
					  changed, c, why)
		   : -ENOMEM;

	v->plug_sent = rc == 0;
	if (rc)
		free(c);
	return rc;
}

/* The link of a card with a TAP is there before it is placed; what QEMU connects to only when it is. */
int tool_emulated_attach(struct tool_device *v, char why[TOOL_WHY])
{
	v->plugging = true;
	if (!is_vhost(v))
		return plug(v, why);
	set_states(v, XenbusStateInitWait, 0);
	return 0;
}

bool tool_emulated_detach(struct tool_device *v)
{
	struct change *c;
	int rc;

	if (v->domain->state != TOOL_RUNNING || (v->plugging && !v->plug_sent))
		return false;
	c = change_new(v, false);
	rc = c ? tool_host_nic_detach(&v->domain->tool->host, v->domain->domid, v->devid, changed,
				      c)
	       : -ENOMEM;
	if (rc)
		free(c);
	return rc == 0;
}

void tool_emulated_gone(struct tool_device *v)
{
	/* What QEMU is told to forget now is not to come back here. */
	v->closing = false;
	tool_host_nic_cut(&v->domain->tool->host, v->domain->domid, v->devid);
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
	char path[TOOL_PATH], key[2 * TOOL_PATH], why[TOOL_WHY] = "", *status;

	tool_device_path(path, v, true);
	snprintf(key, sizeof(key), "%s/hotplug-status", path);
	if (backend_state(v) != XenbusStateInitWait ||
	    hv_store_read(v->domain->tool->store, 0, key, &status, NULL))
		return;
	if (!strcmp(status, "connected") && !v->plugging)
		set_states(v, XenbusStateConnected, XenbusStateConnected);
	else if (!strcmp(status, "connected") && !v->plug_sent && plug(v, why))
		tool_device_failed(v, why);
	free(status);
}
