/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of running domains, whatever kind. An attach may be waited for: one whose hotplug fails is taken away again, as
 * xl does; one that nobody serves yet stays, for whoever is started later. Detaching asks both ends to close and waits for the backend's state to be
 * 6 (Closed) or its area to be gone, by the watch on backend/<kind>; a guest that does not let go loses
 * its device when the time is up.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "base/log.h"
#include "hv/tool_priv.h"

const struct tool_kind *const tool_kinds[] = { &tool_kind_vif, &tool_kind_vbd, NULL };

struct tool_device *tool_device_find(const struct tool_domain *d, const struct tool_kind *kind,
				     unsigned int devid)
{
	struct list *n;

	list_for_each (&d->devices, n) {
		struct tool_device *v = list_entry(n, struct tool_device, node);

		if (v->kind == kind && v->devid == devid)
			return v;
	}
	return NULL;
}

/* @config: a member of the domain's config; a reference is taken. */
int tool_device_new(struct tool_domain *d, const struct tool_kind *kind, json_t *config,
		    struct tool_device **v_out)
{
	struct tool_device *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->domain = d;
	v->kind = kind;
	v->devid = tool_config_number(config, "devid", 0);
	v->config = json_incref(config);
	v->emulated = !strcmp(tool_config_text(d->config, "type", "pv"), "hvm");
	list_append(&d->devices, &v->node);
	if (v_out)
		*v_out = v;
	return 0;
}

int tool_devices_new(struct tool_domain *d, json_t *config)
{
	for (const struct tool_kind *const *kind = tool_kinds; *kind; kind++) {
		json_t *device;
		size_t i;

		if ((*kind)->applies && !(*kind)->applies(config))
			continue;
		json_array_foreach (json_object_get(config, (*kind)->key), i, device) {
			int rc = tool_device_new(d, *kind, device, NULL);

			if (rc)
				return rc;
		}
	}
	return 0;
}

bool tool_devid_taken(const json_t *config, const struct tool_kind *kind, const json_t *except,
		      unsigned int devid)
{
	const json_t *device;
	size_t i;

	json_array_foreach (json_object_get(config, kind->key), i, device) {
		const json_t *value = json_object_get(device, "devid");

		if (device != except && value && json_integer_value(value) == (json_int_t)devid)
			return true;
	}
	return false;
}

int tool_devices_complete(struct tool *tool, json_t *config, char why[TOOL_WHY])
{
	int rc = 0;

	for (const struct tool_kind *const *kind = tool_kinds; *kind; kind++) {
		json_t *devices = json_object_get(config, (*kind)->key), *device;
		size_t i;

		if ((*kind)->applies && !(*kind)->applies(config))
			continue;
		/* Those with a devid of their own keep it, whatever stands before them. */
		json_array_foreach (devices, i, device) {
			if (!rc && json_object_get(device, "devid"))
				rc = (*kind)->complete(tool, config, device, why);
		}
		json_array_foreach (devices, i, device) {
			if (!rc && !json_object_get(device, "devid"))
				rc = (*kind)->complete(tool, config, device, why);
		}
	}
	return rc;
}

void tool_device_free(struct tool_device *v)
{
	if (v->call)
		rpc_fail(v->call, "gone", "the daemon ends");
	if (v->attach_call)
		rpc_fail(v->attach_call, "gone", "%s %u is gone", v->kind->name, v->devid);
	loop_timer_del(&v->timer);
	list_remove(&v->node);
	json_decref(v->config);
	free(v);
}

int tool_device_attach(struct tool_domain *d, const struct tool_kind *kind, json_t *config,
		       struct tool_device **v_out, char why[TOOL_WHY])
{
	json_t *all = json_object_get(d->config, kind->key);
	struct tool_device *v = NULL;
	int rc;

	if (!all) {
		all = json_array();
		json_object_set_new(d->config, kind->key, all);
	}
	if (kind->applies && !kind->applies(d->config)) {
		snprintf(why, TOOL_WHY, "a domain of this type has no %s that comes as it runs",
			 kind->name);
		return -EOPNOTSUPP;
	}
	rc = kind->complete(d->tool, d->config, config, why);
	if (rc)
		return rc;
	if (tool_device_find(d, kind, tool_config_number(config, "devid", 0))) {
		snprintf(why, TOOL_WHY, "%s %u is being detached", kind->name,
			 tool_config_number(config, "devid", 0));
		return -EBUSY;
	}
	if (json_array_append(all, config))
		return -ENOMEM;
	rc = tool_device_new(d, kind, config, &v);
	if (!rc)
		rc = tool_store_device(d->tool, d, v);
	if (!rc)
		rc = tool_record_save(d);
	if (rc) {
		snprintf(why, TOOL_WHY, "the %s's areas cannot be written: %s", kind->name,
			 strerror(-rc));
		json_array_remove(all, json_array_size(all) - 1);
		if (v) {
			tool_store_device_remove(d->tool, v);
			tool_device_free(v);
		}
		return rc;
	}
	*v_out = v;
	return 0;
}

static void forget_config(struct tool_device *v)
{
	json_t *all = json_object_get(v->domain->config, v->kind->key), *entry;
	size_t i;

	json_array_foreach (all, i, entry) {
		if (entry == v->config) {
			json_array_remove(all, i);
			return;
		}
	}
}

/* Not the guest, which has closed it or never had it. */
static bool backend_holds(const struct tool_device *v)
{
	char frontend[TOOL_PATH];
	int64_t state;

	tool_device_path(frontend, v, false);
	state = tool_store_number(v->domain->tool, frontend, "state");
	return state == XenbusStateClosed || state <= XenbusStateInitialising;
}

void tool_device_gone(struct tool_device *v, bool forced)
{
	struct tool_domain *d = v->domain;
	bool dying = d->state == TOOL_DYING, backend = forced && backend_holds(v);

	if (v->emulated && !dying)
		tool_emulated_gone(v);
	tool_store_device_remove(d->tool, v);
	if (v->call)
		rpc_reply(v->call, json_pack("{s:i, s:b, s:b}", "devid", (int)v->devid, "forced",
					     forced, "backend", backend));
	v->call = NULL;
	if (!dying)
		tool_event(d->tool, forced ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			   "domain %u (%s): %s %u detached%s", d->domid, tool_name(d),
			   v->kind->name, v->devid,
			   !forced   ? ""
			   : backend ? " by force: its backend has not let go of it in time"
				     : " by force: it was not closed in time");
	tool_device_free(v);
	if (dying)
		tool_domain_closed(d);
}

static void attach_failed(struct tool_device *v, const char *why)
{
	rpc_fail(v->attach_call, "failed", "%s %u: %s", v->kind->name, v->devid, why);
	v->attach_call = NULL;
	tool_event(v->domain->tool, LOG_LEVEL_WARNING, "domain %u (%s) %s %u: %s", v->domain->domid,
		   tool_name(v->domain), v->kind->name, v->devid, why);
}

void tool_device_failed(struct tool_device *v, const char *why)
{
	if (v->attach_call)
		attach_failed(v, why);
	tool_device_detach(v, TOOL_CLOSE_MS, NULL);
}

enum tool_hotplug tool_device_hotplug(const struct tool_device *v, char why[TOOL_WHY])
{
	struct tool *tool = v->domain->tool;
	char backend[TOOL_PATH], path[2 * TOOL_PATH], *status, *error = NULL;
	enum tool_hotplug hotplug = HOTPLUG_DONE;

	tool_device_path(backend, v, true);
	snprintf(path, sizeof(path), "%s/hotplug-status", backend);
	if (hv_store_read(tool->store, 0, path, &status, NULL))
		status = NULL;
	if (status && !strcmp(status, "error")) {
		snprintf(path, sizeof(path), "%s/hotplug-error", backend);
		if (hv_store_read(tool->store, 0, path, &error, NULL))
			error = NULL;
		snprintf(why, TOOL_WHY, "%s",
			 error && *error ? error : "hotplug failed, without a reason");
		hotplug = HOTPLUG_FAILED;
	} else if (!status || strcmp(status, "connected") != 0 || v->plugging) {
		hotplug = tool_store_number(tool, backend, "state") <= XenbusStateInitialising
				  ? HOTPLUG_NOT_SERVED
				  : HOTPLUG_NOT_PLACED;
		snprintf(why, TOOL_WHY, "%s",
			 hotplug == HOTPLUG_NOT_SERVED ? v->kind->not_served : v->kind->not_placed);
	}
	free(status);
	free(error);
	return hotplug;
}

static void timed_out(void *arg)
{
	struct tool_device *v = arg;
	char why[TOOL_WHY];

	if (v->closing)
		tool_device_gone(v, true);
	else if (v->attach_call && tool_device_hotplug(v, why) != HOTPLUG_DONE)
		attach_failed(v, why);
}

static int set_timer(struct tool_device *v, unsigned int timeout_ms)
{
	int rc = 0;

	if (!v->timer.watcher.loop)
		rc = loop_timer_add(v->domain->tool->loop, &v->timer, timed_out, v);
	return rc ? rc : loop_timer_set(&v->timer, timeout_ms ? timeout_ms : 1, 0);
}

static void look_at_hotplug(struct tool_device *v)
{
	char why[TOOL_WHY];
	enum tool_hotplug hotplug = tool_device_hotplug(v, why);

	if (hotplug == HOTPLUG_FAILED) {
		tool_device_failed(v, why);
	} else if (hotplug == HOTPLUG_DONE) {
		loop_timer_set(&v->timer, 0, 0);
		rpc_reply(v->attach_call, v->kind->json(v));
		v->attach_call = NULL;
	}
}

void tool_device_await(struct tool_device *v, unsigned int timeout_ms, struct rpc_call *call)
{
	int rc = set_timer(v, timeout_ms);

	v->attach_call = call;
	if (rc)
		attach_failed(v, strerror(-rc));
	else
		look_at_hotplug(v);
}

void tool_device_detach(struct tool_device *v, unsigned int timeout_ms, struct rpc_call *call)
{
	struct tool *tool = v->domain->tool;
	unsigned int state;
	int rc;

	if (v->call)
		rpc_fail(v->call, "busy", "%s %u is being detached by another call", v->kind->name,
			 v->devid);
	if (v->attach_call)
		rpc_fail(v->attach_call, "gone", "%s %u is being detached", v->kind->name,
			 v->devid);
	v->attach_call = NULL;
	v->closing = true;
	v->call = call;
	/* At once, so that a restart of the domain or of the daemon does not bring it back. */
	if (v->domain->state != TOOL_DYING) {
		forget_config(v);
		tool_record_save(v->domain);
	}
	rc = tool_store_device_close(tool, v, &state);
	/*
	 * Nobody has taken up a backend that still initialises, and nobody but us an emulated one. One that has closed
	 * may have its image or link yet, for the next frontend: it says once more that it is closed, with nothing.
	 */
	if (v->emulated ? !tool_emulated_detach(v) : rc || state == XenbusStateInitialising) {
		tool_device_gone(v, rc && rc != -ENOENT);
		return;
	}
	if (set_timer(v, timeout_ms))
		tool_device_gone(v, true);
}

static void look_at_close(struct tool_device *v)
{
	char backend[TOOL_PATH];
	int64_t state;

	tool_device_path(backend, v, true);
	state = tool_store_number(v->domain->tool, backend, "state");
	if (state == XenbusStateClosed || state < 0)
		tool_device_gone(v, false);
}

/* "/local/domain/0/backend/<kind>/<domid>/<devid>..." */
void tool_device_changed(struct tool *tool, const char *path)
{
	unsigned int domid, devid;
	char name[16];
	struct tool_domain *d;
	struct tool_device *v = NULL;

	if (sscanf(path, "/local/domain/0/backend/%15[a-z]/%5u/%10u", name, &domid, &devid) != 3 ||
	    domid >= UINT16_MAX)
		return;
	d = tool_find(tool, (uint16_t)domid);
	for (const struct tool_kind *const *kind = tool_kinds; d && *kind; kind++)
		if (!strcmp((*kind)->name, name))
			v = tool_device_find(d, *kind, devid);

	if (v && v->closing) {
		/* An emulated one's states are ours. */
		if (!v->emulated)
			look_at_close(v);
		return;
	}
	if (v && v->emulated) {
		tool_emulated_changed(v);
		v = tool_device_find(d, &tool_kind_vif, devid);
	}
	if (v && v->attach_call && !v->closing)
		look_at_hotplug(v);
	else if (v && !v->closing)
		tool_creation_look(d);
}

void tool_program_gone(struct tool *tool, uint16_t domid)
{
	struct tool_domain *d = tool_find(tool, domid);
	char key[TOOL_PATH + 8];
	struct list *n;

	if (!d)
		return;
	list_for_each (&d->devices, n) {
		struct tool_device *v = list_entry(n, struct tool_device, node);
		char path[TOOL_PATH];
		int rc;

		tool_device_path(path, v, false);
		snprintf(key, sizeof(key), "%s/state", path);
		rc = hv_store_printf(tool->store, 0, key, "%d", XenbusStateClosed);
		if (rc)
			tool_event(tool, LOG_LEVEL_WARNING, "domain %u (%s): %s: %s", d->domid,
				   tool_name(d), key, strerror(-rc));
	}
}
