/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vifs of running domains. An attach may be waited for: one whose hotplug fails is taken away again, as
 * xl does; one that nobody serves yet stays, for whoever is started later. Detaching asks both ends to close and waits for the backend's state to be
 * 6 (Closed) or its area to be gone, by the watch on backend/vif; a guest that does not let go loses
 * its vif when the time is up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "base/log.h"
#include "hv/tool_priv.h"

struct tool_vif *tool_vif_find(const struct tool_domain *d, unsigned int devid)
{
	struct list *n;

	list_for_each (&d->vifs, n) {
		struct tool_vif *v = list_entry(n, struct tool_vif, node);

		if (v->devid == devid)
			return v;
	}
	return NULL;
}

/* @config: a member of the domain's config; a reference is taken. */
int tool_vif_new(struct tool_domain *d, json_t *config, struct tool_vif **v_out)
{
	struct tool_vif *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->domain = d;
	v->devid = tool_config_number(config, "devid", 0);
	v->config = json_incref(config);
	list_append(&d->vifs, &v->node);
	if (v_out)
		*v_out = v;
	return 0;
}

void tool_vif_free(struct tool_vif *v)
{
	if (v->call)
		rpc_fail(v->call, "gone", "the daemon ends");
	if (v->attach_call)
		rpc_fail(v->attach_call, "gone", "vif %u is gone", v->devid);
	loop_timer_del(&v->timer);
	list_remove(&v->node);
	json_decref(v->config);
	free(v);
}

int tool_vif_attach(struct tool_domain *d, json_t *config, struct tool_vif **v_out,
		    char why[TOOL_WHY])
{
	json_t *vifs = json_object_get(d->config, "vif");
	struct tool_vif *v = NULL;
	int rc;

	if (!vifs) {
		vifs = json_array();
		json_object_set_new(d->config, "vif", vifs);
	}
	rc = tool_vif_complete(d->tool, d->config, config, why);
	if (rc)
		return rc;
	if (tool_vif_find(d, tool_config_number(config, "devid", 0))) {
		snprintf(why, TOOL_WHY, "vif %u is being detached",
			 tool_config_number(config, "devid", 0));
		return -EBUSY;
	}
	if (json_array_append(vifs, config))
		return -ENOMEM;
	rc = tool_vif_new(d, config, &v);
	if (!rc)
		rc = tool_store_vif(d->tool, d, v);
	if (!rc)
		rc = tool_record_save(d);
	if (rc) {
		snprintf(why, TOOL_WHY, "the vif's areas cannot be written: %s", strerror(-rc));
		json_array_remove(vifs, json_array_size(vifs) - 1);
		if (v) {
			tool_store_vif_remove(d->tool, v);
			tool_vif_free(v);
		}
		return rc;
	}
	*v_out = v;
	return 0;
}

static void forget_config(struct tool_vif *v)
{
	json_t *vifs = json_object_get(v->domain->config, "vif"), *entry;
	size_t i;

	json_array_foreach (vifs, i, entry) {
		if (entry == v->config) {
			json_array_remove(vifs, i);
			return;
		}
	}
}

/* Both ends are closed, or the time is up. Frees @v. */
static void gone(struct tool_vif *v, bool forced)
{
	struct tool_domain *d = v->domain;
	bool dying = d->state == TOOL_DYING;

	tool_store_vif_remove(d->tool, v);
	if (v->call)
		rpc_reply(v->call,
			  json_pack("{s:i, s:b}", "devid", (int)v->devid, "forced", forced));
	v->call = NULL;
	if (!dying)
		tool_event(d->tool, forced ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			   "domain %u (%s): vif %u detached%s", d->domid, tool_name(d), v->devid,
			   forced ? " by force: it was not closed in time" : "");
	tool_vif_free(v);
	if (dying)
		tool_domain_closed(d);
}

static void attach_failed(struct tool_vif *v, const char *why)
{
	rpc_fail(v->attach_call, "failed", "vif %u: %s", v->devid, why);
	v->attach_call = NULL;
	tool_event(v->domain->tool, LOG_LEVEL_WARNING, "domain %u (%s) vif %u: %s",
		   v->domain->domid, tool_name(v->domain), v->devid, why);
}

static void timed_out(void *arg)
{
	struct tool_vif *v = arg;
	char backend[TOOL_PATH];

	if (v->closing) {
		gone(v, true);
	} else if (v->attach_call) {
		tool_vif_path(backend, v, true);
		attach_failed(v, tool_store_number(v->domain->tool, backend, "state") <=
						 XenbusStateInitialising
					 ? "nobody serves it, start vifrost-netback; it stays "
					   "and waits for that"
					 : "nobody places it, start vifrostd and apply a policy; "
					   "it stays and waits for that");
	}
}

static int set_timer(struct tool_vif *v, unsigned int timeout_ms)
{
	int rc = 0;

	if (!v->timer.watcher.loop)
		rc = loop_timer_add(v->domain->tool->loop, &v->timer, timed_out, v);
	return rc ? rc : loop_timer_set(&v->timer, timeout_ms ? timeout_ms : 1, 0);
}

static void look_at_hotplug(struct tool_vif *v)
{
	struct tool *tool = v->domain->tool;
	char backend[TOOL_PATH], path[2 * TOOL_PATH], *status, *error = NULL;

	tool_vif_path(backend, v, true);
	snprintf(path, sizeof(path), "%s/hotplug-status", backend);
	if (hv_store_read(tool->store, 0, path, &status, NULL))
		return;
	if (!strcmp(status, "connected")) {
		loop_timer_set(&v->timer, 0, 0);
		rpc_reply(v->attach_call, tool_vif_json(v));
		v->attach_call = NULL;
	} else if (!strcmp(status, "error")) {
		snprintf(path, sizeof(path), "%s/hotplug-error", backend);
		if (hv_store_read(tool->store, 0, path, &error, NULL))
			error = NULL;
		attach_failed(v, error && *error ? error : "hotplug failed, without a reason");
		free(error);
		tool_vif_detach(v, TOOL_CLOSE_MS, NULL);
	}
	free(status);
}

void tool_vif_await(struct tool_vif *v, unsigned int timeout_ms, struct rpc_call *call)
{
	int rc = set_timer(v, timeout_ms);

	v->attach_call = call;
	if (rc)
		attach_failed(v, strerror(-rc));
	else
		look_at_hotplug(v);
}

void tool_vif_detach(struct tool_vif *v, unsigned int timeout_ms, struct rpc_call *call)
{
	struct tool *tool = v->domain->tool;
	unsigned int state;
	int rc;

	if (v->call)
		rpc_fail(v->call, "busy", "vif %u is being detached by another call", v->devid);
	if (v->attach_call)
		rpc_fail(v->attach_call, "gone", "vif %u is being detached", v->devid);
	v->attach_call = NULL;
	v->closing = true;
	v->call = call;
	/* At once, so that a restart of the domain or of the daemon does not bring it back. */
	if (v->domain->state != TOOL_DYING) {
		forget_config(v);
		tool_record_save(v->domain);
	}
	rc = tool_store_vif_close(tool, v, &state);
	/* Nobody has taken up a backend that still initialises. */
	if (rc || state == XenbusStateClosed || state == XenbusStateInitialising) {
		gone(v, rc && rc != -ENOENT);
		return;
	}
	if (set_timer(v, timeout_ms))
		gone(v, true);
}

static void look_at_close(struct tool_vif *v)
{
	char backend[TOOL_PATH];
	int64_t state;

	tool_vif_path(backend, v, true);
	state = tool_store_number(v->domain->tool, backend, "state");
	if (state == XenbusStateClosed || state < 0)
		gone(v, false);
}

void tool_vif_changed(struct tool *tool, uint16_t domid, unsigned int devid)
{
	struct tool_domain *d = tool_find(tool, domid);
	struct tool_vif *v = d ? tool_vif_find(d, devid) : NULL;

	if (v && v->closing)
		look_at_close(v);
	else if (v && v->attach_call)
		look_at_hotplug(v);
}

/* Of a single-queue frontend, else of a multi-queue one's first queue. */
static int64_t front_number(struct tool *tool, const char *frontend, const char *const keys[])
{
	int64_t value = -1;

	for (size_t i = 0; keys[i] && value < 0; i++)
		value = tool_store_number(tool, frontend, keys[i]);
	return value;
}

/* The ring's numbers are what the guest says: for display. */
json_t *tool_vif_json(struct tool_vif *v)
{
	static const char *const evtchns[] = { "event-channel", "event-channel-tx",
					       "queue-0/event-channel", "queue-0/event-channel-tx",
					       NULL };
	static const char *const tx[] = { "tx-ring-ref", "queue-0/tx-ring-ref", NULL };
	static const char *const rx[] = { "rx-ring-ref", "queue-0/rx-ring-ref", NULL };
	struct tool *tool = v->domain->tool;
	char backend[TOOL_PATH], frontend[TOOL_PATH], path[2 * TOOL_PATH], *status = NULL,
									   *error = NULL;
	json_t *o;

	tool_vif_path(backend, v, true);
	tool_vif_path(frontend, v, false);
	o = json_pack("{s:i, s:i, s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:s}", "domid",
		      (int)v->domain->domid, "devid", (int)v->devid, "backend-id", 0, "mac",
		      tool_config_text(v->config, "mac", ""), "handle", (int)v->devid, "state",
		      (json_int_t)tool_store_number(tool, frontend, "state"), "backend-state",
		      (json_int_t)tool_store_number(tool, backend, "state"), "event-channel",
		      (json_int_t)front_number(tool, frontend, evtchns), "tx-ring-ref",
		      (json_int_t)front_number(tool, frontend, tx), "rx-ring-ref",
		      (json_int_t)front_number(tool, frontend, rx), "backend", backend);
	snprintf(path, sizeof(path), "%s/hotplug-status", backend);
	if (!hv_store_read(tool->store, 0, path, &status, NULL))
		json_object_set_new(o, "hotplug-status", json_string(status));
	snprintf(path, sizeof(path), "%s/hotplug-error", backend);
	if (!hv_store_read(tool->store, 0, path, &error, NULL))
		json_object_set_new(o, "hotplug-error", json_string(error));
	json_object_set(o, "config", v->config);
	free(status);
	free(error);
	return o;
}
