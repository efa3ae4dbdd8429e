/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's life: made, ended, and what follows its end by its config's on_* actions. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xen/sched.h>

#include "hv/tool_save.h"
#include "hv/xlcfg.h"

static const char *const reason_names[] = {
	[SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
	[SHUTDOWN_suspend] = "suspend",	  [SHUTDOWN_crash] = "crash",
	[SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft-reset",
};

static const char *reason_name(unsigned int reason)
{
	return reason < sizeof(reason_names) / sizeof(*reason_names) ? reason_names[reason]
								     : "crash";
}

static int check_name_free(const struct tool *tool, const char *name, char why[TOOL_WHY])
{
	const struct tool_domain *d = tool_find_name(tool, name);

	if (!d)
		return 0;
	snprintf(why, TOOL_WHY, "Domain with name \"%s\" already exists: id %u%s", name, d->domid,
		 d->state == TOOL_DYING ? ", which is dying" : "");
	return -EEXIST;
}

/* Two domains of one uuid would share /vm/UUID, and the first to die would take it along. */
static int check_uuid_free(const struct tool *tool, const json_t *config, char why[TOOL_WHY])
{
	const char *uuid = tool_config_text(config, "uuid", "");
	struct list *n;

	list_for_each (&tool->domains, n) {
		const struct tool_domain *d = list_entry(n, struct tool_domain, node);

		if (strcasecmp(tool_config_text(d->config, "uuid", ""), uuid))
			continue;
		snprintf(why, TOOL_WHY, "Domain with uuid %s already exists: id %u (%s)", uuid,
			 d->domid, tool_name(d));
		return -EEXIST;
	}
	return 0;
}

static int engine_make(struct tool *tool, struct engine_config *config, uint16_t *domid_out,
		       char why[TOOL_WHY])
{
	int rc = tool_host_create(&tool->host, config, domid_out, why);

	if (rc != -EOPNOTSUPP || !config->limit_memory)
		return rc;
	/* Perhaps it was only the memory limit that this host cannot do. */
	config->limit_memory = false;
	rc = tool_host_create(&tool->host, config, domid_out, why);
	if (!rc)
		tool_event(tool, LOG_LEVEL_WARNING,
			   "domain %u (%s): its memory is not limited: no memory cgroup here",
			   *domid_out, config->name);
	return rc;
}

static void unmake(struct tool *tool, uint16_t domid, const char *uuid)
{
	tool_host_destroy(&tool->host, domid);
	tool_store_remove(tool, domid, uuid);
	tool_record_drop(tool, domid);
}

void tool_domain_set_sched(struct tool_domain *d)
{
	unsigned int weight = tool_config_number(d->config, "cpu_weight", TOOL_WEIGHT);
	unsigned int cap = tool_config_number(d->config, "cap", 0);
	int rc = 0;

	if (weight != TOOL_WEIGHT || cap)
		rc = tool_host_sched(&d->tool->host, d->domid, weight, cap);
	if (rc)
		tool_event(d->tool, LOG_LEVEL_WARNING,
			   "domain %u (%s): its weight and cap are not in force: %s", d->domid,
			   tool_name(d), strerror(-rc));
}

/* A kernel says once, when it boots, what it listens for: one that suspended itself has said it elsewhere. */
static int write_features(const struct tool_domain *d)
{
	const struct tool_command *const all[] = { &tool_poweroff, &tool_reboot, &tool_suspend };
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(all) / sizeof(*all); i++)
		rc = tool_store_control(d->tool, d, all[i]->feature, "1");
	return rc;
}

/* @config is complete. */
static int make_domain(struct tool *tool, json_t *config, struct tool_spec *spec, bool paused,
		       struct tool_domain **d_out, char why[TOOL_WHY])
{
	bool boots = spec->engine.kernel_later && !spec->engine.restore;
	struct tool_domain *d = NULL;
	uint16_t domid;
	int rc = engine_make(tool, &spec->engine, &domid, why);

	if (rc)
		return rc;
	rc = tool_domain_new(tool, domid, config, &d);
	if (!rc)
		rc = tool_store_domain(tool, d);
	if (!rc && spec->engine.restore)
		rc = write_features(d);
	if (!rc) {
		d->booting = boots && !paused;
		rc = tool_record_save(d);
	}
	if (rc)
		snprintf(why, TOOL_WHY, "its records cannot be written in %.99s: %s%s",
			 tool->rundir, strerror(-rc), rc == -ENOSPC ? "; make room there" : "");
	else if (boots)
		rc = tool_boot_start(d, spec->cmdline, paused, why);
	else
		rc = tool_host_start(&tool->host, domid, &spec->engine, paused, why);
	if (rc >= 0)
		tool_emulated_started(d);
	if (rc < 0) {
		if (d)
			tool_domain_free(d);
		unmake(tool, domid, tool_config_text(config, "uuid", NULL));
		return rc;
	}
	if (!boots)
		tool_domain_set_sched(d);
	*d_out = d;
	return rc;
}

static int read_spec(const json_t *config, int image_fd, struct tool_spec *spec, char why[TOOL_WHY])
{
	int rc = tool_spec_read(config, spec, why);

	spec->engine.restore = image_fd >= 0;
	spec->engine.image_fd = image_fd;
	if (rc || image_fd < 0 || !strcmp(spec->engine.type, "pvh"))
		return rc;
	snprintf(why, TOOL_WHY, "a guest of type \"%.32s\" cannot be restored: only \"pvh\" can",
		 spec->engine.type);
	return -EOPNOTSUPP;
}

int tool_domain_create(struct tool *tool, const json_t *config, bool paused,
		       struct tool_domain **d_out, char why[TOOL_WHY])
{
	return tool_domain_restore(tool, config, -1, paused, d_out, why);
}

int tool_domain_restore(struct tool *tool, const json_t *config, int image_fd, bool paused,
			struct tool_domain **d_out, char why[TOOL_WHY])
{
	json_t *own = json_deep_copy(config);
	struct tool_spec spec = { 0 };
	int rc = own ? 0 : -ENOMEM;

	why[0] = '\0';
	if (!rc)
		rc = read_spec(own, image_fd, &spec, why);
	if (!rc)
		rc = check_name_free(tool, spec.engine.name, why);
	if (!rc)
		rc = tool_config_complete(tool, own, why);
	if (!rc)
		rc = check_uuid_free(tool, own, why);
	if (!rc)
		rc = make_domain(tool, own, &spec, paused, d_out, why);
	if (rc >= 0)
		tool_event(tool, LOG_LEVEL_INFO, "domain %u (%s) %s%s", (*d_out)->domid,
			   tool_name(*d_out), image_fd < 0 ? "created" : "restored",
			   rc ? ", starting" : "");
	else if (!why[0])
		snprintf(why, TOOL_WHY, "%s", strerror(-rc));
	tool_spec_fini(&spec);
	json_decref(own);
	return rc;
}

void tool_domain_wait(struct tool_domain *d, bool shutdown, struct rpc_call *call)
{
	struct tool_waiter *w;

	if (shutdown && d->state == TOOL_SHUTDOWN) {
		rpc_reply(call, json_pack("{s:s, s:s}", "event", "shutdown", "reason",
					  reason_name(d->reason)));
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		rpc_fail(call, "failed", "out of memory");
		return;
	}
	w->call = call;
	w->shutdown = shutdown;
	list_append(&d->waiters, &w->node);
}

/* @successor: the domid it has come back under, 0 if not. */
static void answer_waiters(struct tool_domain *d, bool death, uint16_t successor)
{
	struct list *n, *next;

	list_for_each_safe (&d->waiters, n, next) {
		struct tool_waiter *w = list_entry(n, struct tool_waiter, node);
		json_t *answer;

		if (!death && !w->shutdown)
			continue;
		answer = json_pack("{s:s, s:s}", "event", death ? "death" : "shutdown", "reason",
				   reason_name(d->reason));
		if (successor)
			json_object_set_new(answer, "successor", json_integer(successor));
		rpc_reply(w->call, answer);
		list_remove(&w->node);
		free(w);
	}
}

/* The old domain is off all lists: create its config anew. Return: the new domid, 0 on failure. */
static uint16_t create_anew(const struct tool_domain *d)
{
	struct tool_domain *anew;
	char why[TOOL_WHY];
	int rc = tool_domain_create(d->tool, d->updated ? d->updated : d->config, false, &anew,
				    why);

	if (rc < 0) {
		tool_event(d->tool, LOG_LEVEL_ERR, "domain %u (%s) cannot be restarted: %s",
			   d->domid, tool_name(d), why);
		return 0;
	}
	memcpy(anew->restarts_ms, d->restarts_ms, sizeof(anew->restarts_ms));
	tool_record_save(anew);
	tool_event(d->tool, LOG_LEVEL_INFO, "domain %u (%s) restarted as %u", d->domid,
		   tool_name(d), anew->domid);
	return anew->domid;
}

void tool_domain_closed(struct tool_domain *d)
{
	struct tool *tool = d->tool;
	uint16_t successor = 0;

	if (d->sweeping || !list_empty(&d->devices))
		return;
	tool_store_remove(tool, d->domid, tool_config_text(d->config, "uuid", NULL));
	tool_record_drop(tool, d->domid);
	list_remove(&d->node);
	tool_event(tool, LOG_LEVEL_INFO, "domain %u (%s) destroyed", d->domid, tool_name(d));
	if (d->restart)
		successor = create_anew(d);
	answer_waiters(d, true, successor);
	tool_domain_free(d);
}

void tool_domain_destroy(struct tool_domain *d, bool restart)
{
	struct list *n, *next;

	d->restart = restart;
	if (d->state == TOOL_DYING)
		return;
	if (d->state == TOOL_RUNNING)
		d->reason = SHUTDOWN_poweroff;
	d->state = TOOL_DYING;
	d->sweeping = true;
	tool_record_save(d);
	tool_save_gone(d);
	boot_free(d->boot);
	d->boot = NULL;
	tool_host_destroy(&d->tool->host, d->domid);
	list_for_each_safe (&d->devices, n, next) {
		struct tool_device *v = list_entry(n, struct tool_device, node);
		struct rpc_call *call = v->call;

		v->call = NULL;
		tool_device_detach(v, TOOL_CLOSE_MS, call);
	}
	d->sweeping = false;
	tool_domain_closed(d);
}

/* Whether one more restart that nobody asked for is let through. */
static bool restart_allowed(struct tool_domain *d)
{
	uint64_t now = (uint64_t)time(NULL) * 1000, *oldest = &d->restarts_ms[0];

	if (d->asked)
		return true;
	for (int i = 1; i < TOOL_RESTARTS_MAX; i++)
		if (d->restarts_ms[i] < *oldest)
			oldest = &d->restarts_ms[i];
	if (*oldest && now - *oldest < TOOL_RESTARTS_MS)
		return false;
	*oldest = now;
	return true;
}

/* Keep the dead domain under another name and uuid, so that its config can be created anew. */
static int step_aside(struct tool_domain *d)
{
	char name[ENGINE_NAME_MAX], why[TOOL_WHY];
	time_t now = time(NULL);
	struct tm tm;
	json_t *config;
	int rc;

	gmtime_r(&now, &tm);
	snprintf(name, sizeof(name), "%.40s-", tool_name(d));
	strftime(name + strlen(name), 20, "%Y%m%dT%H%M%SZ", &tm);
	config = json_deep_copy(d->config);
	if (!config)
		return -ENOMEM;
	json_object_del(config, "uuid");
	for (const struct tool_kind *const *kind = tool_kinds; *kind; kind++)
		json_object_del(config, (*kind)->key);
	rc = tool_config_complete(d->tool, config, why);
	/* Nothing is left that could use them, and the new domain has the same addresses. */
	while (!rc && !list_empty(&d->devices)) {
		struct tool_device *v = list_entry(d->devices.next, struct tool_device, node);

		tool_store_device_remove(d->tool, v);
		tool_device_free(v);
	}
	if (!rc) {
		json_decref(d->config);
		d->config = config;
		rc = tool_domain_rename(d, name, why);
	} else {
		json_decref(config);
	}
	return rc;
}

static void rename_and_restart(struct tool_domain *d)
{
	struct tool_domain old = *d;
	int rc;

	old.config = json_deep_copy(d->updated ? d->updated : d->config);
	old.updated = NULL;
	rc = old.config ? step_aside(d) : -ENOMEM;
	if (!rc)
		create_anew(&old);
	else
		tool_event(d->tool, LOG_LEVEL_ERR, "domain %u (%s) cannot be renamed: %s", d->domid,
			   tool_name(d), strerror(-rc));
	json_decref(old.config);
}

void tool_domain_act(struct tool_domain *d)
{
	struct tool *tool = d->tool;
	bool dump;
	enum tool_action action = tool_config_action(d->config, d->reason, &dump);

	d->acting = false;
	if ((action == ACTION_RESTART || action == ACTION_RENAME_RESTART) && !restart_allowed(d)) {
		tool_event(tool, LOG_LEVEL_ERR,
			   "domain %u (%s) is not restarted: %d restarts within %d s are a loop",
			   d->domid, tool_name(d), TOOL_RESTARTS_MAX, TOOL_RESTARTS_MS / 1000);
		action = ACTION_DESTROY;
	}
	if (action == ACTION_RENAME_RESTART)
		rename_and_restart(d);
	else if (action != ACTION_PRESERVE)
		tool_domain_destroy(d, action == ACTION_RESTART);
	else
		tool_record_save(d);
}

void tool_domain_ended(struct tool *tool, uint16_t domid, unsigned int reason)
{
	struct tool_domain *d = tool_find(tool, domid);
	struct tool_host_info info;
	bool dump;

	if (!d || d->state != TOOL_RUNNING)
		return;
	d->state = TOOL_SHUTDOWN;
	d->reason = reason;
	d->acting = true;
	tool_creation_over(d);
	loop_timer_del(&d->grace);
	d->grace_at_ms = 0;
	tool_event(tool, LOG_LEVEL_INFO, "domain %u (%s) has shut down: %s", domid, tool_name(d),
		   reason_name(reason));
	tool_record_save(d);
	if (tool_save_ended(d))
		return;
	answer_waiters(d, false, 0);
	tool_config_action(d->config, reason, &dump);
	if (dump && !tool_host_info(&tool->host, domid, &info) && info.own_kernel)
		tool_dump_crashed(d);
	else
		tool_domain_act(d);
}

void tool_domain_started(struct tool *tool, uint16_t domid, const char *why)
{
	struct tool_domain *d = tool_find(tool, domid);

	if (!d || d->state != TOOL_RUNNING)
		return;
	tool_event(tool, why ? LOG_LEVEL_ERR : LOG_LEVEL_INFO, "domain %u (%s) %s%s", domid,
		   tool_name(d),
		   why	     ? "does not start: "
		   : d->held ? "is loaded, its disks are awaited"
			     : "runs",
		   why ? why : "");
	tool_creation_started(d, why);
}

const struct tool_command tool_poweroff = { "poweroff", "feature-poweroff", SHUTDOWN_poweroff };
const struct tool_command tool_reboot = { "reboot", "feature-reboot", SHUTDOWN_reboot };
const struct tool_command tool_suspend = { "suspend", "feature-suspend", SHUTDOWN_suspend };

static void grace_over(void *arg)
{
	struct tool_domain *d = arg;

	d->grace_at_ms = 0;
	tool_event(d->tool, LOG_LEVEL_WARNING, "domain %u (%s) has not shut down in time: ended",
		   d->domid, tool_name(d));
	tool_host_shutdown(&d->tool->host, d->domid, d->grace_reason, 0);
}

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int tool_domain_grace(struct tool_domain *d, uint64_t at_ms, unsigned int reason)
{
	uint64_t now = wall_ms(), left = at_ms > now ? at_ms - now : 1;
	int rc = 0;

	/* Not longer because the clock was set meanwhile. */
	if (left > TOOL_GRACE_MS)
		left = TOOL_GRACE_MS;
	if (!d->grace.watcher.loop)
		rc = loop_timer_add(d->tool->loop, &d->grace, grace_over, d);
	if (!rc)
		rc = loop_timer_set(&d->grace, left, 0);
	if (rc)
		return rc;
	d->grace_reason = reason;
	d->grace_at_ms = now + left;
	return 0;
}

/* A kernel of its own acts on xenstore, in its own time. */
static int ask_kernel(struct tool_domain *d, const struct tool_command *c, bool force,
		      char why[TOOL_WHY])
{
	char base[TOOL_PATH];
	int rc = 0;

	snprintf(base, sizeof(base), "/local/domain/%u/control", d->domid);
	if (!force && tool_store_number(d->tool, base, c->feature) != 1) {
		snprintf(why, TOOL_WHY,
			 "the guest does not listen for \"%s\": it is still booting, or has no Xen "
			 "drivers; shutdown -F ends it after %d s, destroy at once",
			 c->name, TOOL_GRACE_MS / 1000);
		return -EOPNOTSUPP;
	}
	if (force)
		rc = tool_domain_grace(d, wall_ms() + TOOL_GRACE_MS, c->reason);
	/* A daemon that takes over goes on to wait. */
	if (!rc)
		rc = tool_record_save(d);
	return rc ? rc : tool_store_control(d->tool, d, "shutdown", c->name);
}

int tool_domain_ask(struct tool_domain *d, const struct tool_command *c, bool force,
		    char why[TOOL_WHY])
{
	struct tool_host_info info;
	int rc;

	if (d->state != TOOL_RUNNING) {
		snprintf(why, TOOL_WHY, "it is not running");
		return -EINVAL;
	}
	rc = tool_host_info(&d->tool->host, d->domid, &info);
	if (!rc && !info.own_kernel && c->reason == SHUTDOWN_suspend) {
		snprintf(why, TOOL_WHY, "a guest of type \"%s\" has no kernel that could",
			 tool_config_text(d->config, "type", ""));
		return -EOPNOTSUPP;
	}
	d->asked = true;
	if (!rc && info.own_kernel)
		return ask_kernel(d, c, force, why);
	if (!rc)
		rc = tool_store_control(d->tool, d, "shutdown", c->name);
	if (!rc)
		rc = tool_host_shutdown(&d->tool->host, d->domid, c->reason, TOOL_GRACE_MS);
	if (rc)
		snprintf(why, TOOL_WHY, "%s",
			 rc == -EINVAL ? "it is paused; unpause it first" : strerror(-rc));
	return rc;
}

int tool_domain_rename(struct tool_domain *d, const char *name, char why[TOOL_WHY])
{
	const struct tool_domain *other = tool_find_name(d->tool, name);
	json_t *text;
	int rc;

	if (!xlcfg_name_is_good(name)) {
		snprintf(why, TOOL_WHY,
			 "'%.64s' is no name for a domain, allowed: " XLCFG_NAME_ALLOWED, name);
		return -EINVAL;
	}
	if (other == d)
		return 0;
	rc = check_name_free(d->tool, name, why);
	if (rc)
		return rc;
	text = json_string(name);
	if (!text)
		return -ENOMEM;
	json_object_set(d->config, "name", text);
	if (d->updated)
		json_object_set(d->updated, "name", text);
	json_decref(text);
	rc = tool_store_name(d->tool, d);
	if (!rc)
		rc = tool_record_save(d);
	if (rc)
		snprintf(why, TOOL_WHY, "%s", strerror(-rc));
	return rc;
}
