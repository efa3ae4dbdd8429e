/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains that somebody waits for. Whoever makes one, anew or of an image, hears of its devices as well, for as long as
 * "timeout-ms" says: a domain without one of its disks would be of no use, and is ended; a vif that is refused is
 * said, and the domain runs without. One with disks runs only when these are open, so that it has all of them or writes
 * to none.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "hv/tool_priv.h"

#define UNSERVED_MS 2000 /* for the first sign of a backend: one that lives shows it in a few */

static bool has_vital(const json_t *config)
{
	for (const struct tool_kind *const *kind = tool_kinds; *kind; kind++)
		if ((*kind)->vital && (!(*kind)->applies || (*kind)->applies(config)) &&
		    json_array_size(json_object_get(config, (*kind)->key)))
			return true;
	return false;
}

static void let_run(struct tool_domain *d)
{
	int rc;

	if (!d->held)
		return;
	d->held = false;
	tool_record_save(d);
	rc = tool_host_pause(&d->tool->host, d->domid, false, NULL, NULL);
	/* -EINVAL: another has done so, or it has ended. */
	if (rc < 0 && rc != -EINVAL)
		tool_event(d->tool, LOG_LEVEL_ERR, "domain %u (%s) stays paused: %s", d->domid,
			   tool_name(d), strerror(-rc));
}

/* @missing: devices that are not there, NULL for none; a reference is taken over. */
static void answer(struct tool_domain *d, json_t *missing)
{
	struct rpc_call *call = d->create_call;
	json_t *made = tool_created_json(d);

	d->create_call = NULL;
	loop_timer_del(&d->devices_timer);
	if (json_array_size(missing))
		json_object_set(made, "missing", missing);
	json_decref(missing);
	rpc_reply(call, made);
}

static void refuse(struct tool_domain *d, const char *why)
{
	struct rpc_call *call = d->create_call;

	d->create_call = NULL;
	loop_timer_del(&d->devices_timer);
	if (call)
		rpc_fail(call, "failed", "%s", why);
	/* Once more would be the same. */
	tool_domain_destroy(d, false);
}

/* For how long @v is waited for, by now. */
static uint64_t patience(const struct tool_domain *d, enum tool_hotplug hotplug)
{
	uint64_t most = hotplug == HOTPLUG_NOT_SERVED && d->devices_ms > UNSERVED_MS
				? UNSERVED_MS
				: d->devices_ms,
		 past = clock_ms() - d->started_ms;

	return hotplug != HOTPLUG_FAILED && past < most ? most - past : 0;
}

/* Return: how long it may still take, 0: nothing is waited for. @missing: gets those that are not there. */
static uint64_t look(struct tool_domain *d, json_t *missing, char vital[TOOL_WHY])
{
	char why[TOOL_WHY];
	uint64_t left = 0;
	struct list *n;

	list_for_each (&d->devices, n) {
		const struct tool_device *v = list_entry(n, struct tool_device, node);
		enum tool_hotplug hotplug = tool_device_hotplug(v, why);

		if (hotplug == HOTPLUG_DONE || v->closing)
			continue;
		if (hotplug == HOTPLUG_FAILED && v->kind->vital)
			snprintf(vital, TOOL_WHY, "%s %u: %.220s", v->kind->name, v->devid, why);
		if (patience(d, hotplug) > left)
			left = patience(d, hotplug);
		json_array_append_new(missing, json_pack("{s:s, s:i, s:s}", "kind", v->kind->name,
							 "devid", (int)v->devid, "why", why));
	}
	return left;
}

void tool_creation_look(struct tool_domain *d)
{
	char vital[TOOL_WHY] = "";
	json_t *missing;
	uint64_t left;

	if (!d->create_call || !d->devices_ms || d->state != TOOL_RUNNING)
		return;
	missing = json_array();
	left = look(d, missing, vital);
	if (*vital) {
		tool_event(d->tool, LOG_LEVEL_ERR, "domain %u (%s) does not start: %s", d->domid,
			   tool_name(d), vital);
		json_decref(missing);
		refuse(d, vital);
	} else if (!d->started_ms || (left && !loop_timer_set(&d->devices_timer, left, 0))) {
		json_decref(missing);
	} else {
		let_run(d);
		answer(d, missing);
	}
}

static void out_of_patience(void *arg)
{
	tool_creation_look(arg);
}

void tool_creation_started(struct tool_domain *d, const char *why)
{
	if (why) {
		refuse(d, why);
		return;
	}
	d->started_ms = clock_ms();
	if (!d->create_call)
		return;
	/* Without a timer nothing is waited for. */
	if (d->devices_ms &&
	    !loop_timer_add(d->tool->loop, &d->devices_timer, out_of_patience, d)) {
		tool_creation_look(d);
	} else {
		let_run(d);
		answer(d, NULL);
	}
}

void tool_creation_over(struct tool_domain *d)
{
	if (d->create_call && d->started_ms)
		answer(d, NULL);
}

void tool_creation_begin(struct tool *tool, const json_t *config, int image_fd,
			 struct rpc_call *call)
{
	const json_t *params = rpc_params(call);
	bool paused = json_is_true(json_object_get(params, "paused"));
	unsigned int devices_ms = tool_config_number(params, "timeout-ms", 0);
	bool held = !paused && devices_ms && has_vital(config);
	struct tool_domain *d;
	char why[TOOL_WHY] = "";
	int rc = tool_vbd_find(config, why);

	if (!rc)
		rc = tool_domain_restore(tool, config, image_fd, paused || held, &d, why);
	if (rc < 0) {
		tool_rpc_answer(call, rc, why);
		return;
	}
	d->create_call = call;
	d->devices_ms = devices_ms;
	d->held = held;
	if (held) {
		/* Whoever finds its bootloader dead is to start it again: nobody has asked for it to stand still. */
		d->booting = d->boot != NULL;
		tool_record_save(d);
	}
	if (!rc)
		tool_creation_started(d, NULL);
}
