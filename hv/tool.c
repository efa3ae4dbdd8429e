/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "hv/tool_save.h"

struct tool_domain *tool_find(const struct tool *tool, uint16_t domid)
{
	struct list *n;

	list_for_each (&tool->domains, n) {
		struct tool_domain *d = list_entry(n, struct tool_domain, node);

		if (d->domid == domid)
			return d;
	}
	return NULL;
}

const char *tool_name(const struct tool_domain *d)
{
	return tool_config_text(d->config, "name", "");
}

struct tool_domain *tool_find_name(const struct tool *tool, const char *name)
{
	struct list *n;

	list_for_each (&tool->domains, n) {
		struct tool_domain *d = list_entry(n, struct tool_domain, node);

		if (!strcmp(tool_name(d), name))
			return d;
	}
	return NULL;
}

void tool_event(struct tool *tool, int level, const char *fmt, ...)
{
	char *text = NULL, *line = NULL, when[32];
	time_t now = time(NULL);
	struct tm tm;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;
	log_line((enum log_level)level, "%s", text);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	if (asprintf(&line, "[%s] %s", when, text) >= 0) {
		char **slot = &tool->events[tool->nr_events++ % TOOL_EVENT_LINES];

		free(*slot);
		*slot = line;
	}
	free(text);
}

int tool_domain_new(struct tool *tool, uint16_t domid, json_t *config, struct tool_domain **d_out)
{
	struct tool_domain *d = calloc(1, sizeof(*d));
	struct tool_host_info info;
	struct list *at;
	int rc;

	if (!d)
		return -ENOMEM;
	d->tool = tool;
	d->domid = domid;
	d->config = json_incref(config);
	d->created_s = (uint64_t)time(NULL);
	if (!tool_host_info(&tool->host, domid, &info))
		d->generation = info.generation;
	list_init(&d->devices);
	list_init(&d->waiters);
	list_for_each (&tool->domains, at)
		if (list_entry(at, struct tool_domain, node)->domid > domid)
			break;
	list_insert(at, &d->node);
	rc = tool_devices_new(d, config);
	if (rc) {
		tool_domain_free(d);
		return rc;
	}
	*d_out = d;
	return 0;
}

void tool_domain_free(struct tool_domain *d)
{
	while (!list_empty(&d->devices))
		tool_device_free(list_entry(d->devices.next, struct tool_device, node));
	while (!list_empty(&d->waiters)) {
		struct tool_waiter *w = list_entry(d->waiters.next, struct tool_waiter, node);

		rpc_fail(w->call, "gone", "the daemon ends");
		list_remove(&w->node);
		free(w);
	}
	tool_save_gone(d);
	boot_free(d->boot);
	if (d->create_call)
		rpc_fail(d->create_call, "gone", "domain %u is gone", d->domid);
	loop_timer_del(&d->grace);
	loop_timer_del(&d->devices_timer);
	list_remove(&d->node);
	json_decref(d->config);
	json_decref(d->updated);
	json_decref(d->booted);
	free(d);
}

static void store_readable(void *arg, uint32_t events)
{
	struct tool *tool = arg;
	char *path, *token;

	(void)events;
	while (!hv_store_next_event(tool->store, &path, &token)) {
		tool_device_changed(tool, path);
		free(path);
	}
}

static int watch_backends(struct tool *tool)
{
	int rc = 0;

	for (const struct tool_kind *const *kind = tool_kinds; !rc && *kind; kind++) {
		char path[TOOL_PATH];

		snprintf(path, sizeof(path), "/local/domain/0/backend/%s", (*kind)->name);
		rc = hv_store_watch(tool->store, path, (*kind)->name);
	}
	return rc;
}

/* At the engine's end there may be no @arg any more. */
static void on_types(void *arg, int rc)
{
	if (!rc)
		tool_say_types(arg);
}

int tool_create(const struct tool_params *params, struct tool **tool_out)
{
	struct tool *tool = calloc(1, sizeof(*tool));
	int rc;

	if (!tool)
		return -ENOMEM;
	tool->loop = params->loop;
	tool->host = params->host;
	list_init(&tool->domains);
	if (params->rundir)
		snprintf(tool->rundir, sizeof(tool->rundir), "%s", params->rundir);
	rc = xs_server_store(tool->host.xenstore, &tool->store);
	if (!rc)
		rc = tool_store_host(tool);
	if (!rc)
		rc = watch_backends(tool);
	if (!rc)
		rc = loop_fd_add(tool->loop, &tool->store_fd, hv_store_fd(tool->store), EPOLLIN,
				 store_readable, tool);
	if (!rc)
		rc = tool_host_restore(&tool->host);
	if (!rc)
		rc = tool_record_restore(tool);
	if (rc) {
		tool_destroy(tool);
		return rc;
	}
	if (!tool_host_await(&tool->host, "pvh", on_types, tool))
		on_types(tool, 0);
	*tool_out = tool;
	return 0;
}

void tool_destroy(struct tool *tool)
{
	if (!tool)
		return;
	while (!list_empty(&tool->domains))
		tool_domain_free(list_entry(tool->domains.next, struct tool_domain, node));
	loop_fd_del(&tool->store_fd);
	hv_store_close(tool->store);
	for (unsigned int i = 0; i < TOOL_EVENT_LINES; i++)
		free(tool->events[i]);
	free(tool);
}

void tool_end(struct tool *tool)
{
	struct list *n, *next;

	list_for_each_safe (&tool->domains, n, next) {
		struct tool_domain *d = list_entry(n, struct tool_domain, node);

		tool_host_destroy(&tool->host, d->domid);
		tool_store_remove(tool, d->domid, tool_config_text(d->config, "uuid", NULL));
		tool_record_drop(tool, d->domid);
		tool_domain_free(d);
	}
	tool_record_forget_start(tool);
}
