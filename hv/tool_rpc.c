/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The toolstack's JSON-RPC methods, docs/design.md section 10. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/tool_priv.h"
#include "hv/tool_save.h"
#include "hv/vdev.h"
#include "hv/xlcfg.h"

struct tool_domain *tool_rpc_domain(struct tool *tool, struct rpc_call *call)
{
	json_t *params = rpc_params(call), *domid = json_object_get(params, "domid");
	const char *name = tool_config_text(params, "name", NULL);
	struct tool_domain *d = NULL;

	if (json_is_integer(domid)) {
		json_int_t id = json_integer_value(domid);

		if (id == 0) {
			rpc_fail(call, "invalid",
				 "Domain-0 is the host: this cannot be done to it");
			return NULL;
		}
		d = id > 0 && id < UINT16_MAX ? tool_find(tool, (uint16_t)id) : NULL;
	} else if (!domid && name) {
		d = tool_find_name(tool, name);
	} else {
		rpc_fail(call, "invalid", "'domid' is missing, allowed: a number");
		return NULL;
	}
	if (!d)
		rpc_fail(call, "not-found", "no such domain");
	return d;
}

struct tool_domain *tool_rpc_live(struct tool *tool, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_domain(tool, call);

	if (d && d->state == TOOL_DYING) {
		rpc_fail(call, "busy", "domain %u is dying", d->domid);
		return NULL;
	}
	return d;
}

void tool_rpc_answer(struct rpc_call *call, int rc, const char *why)
{
	const char *code = "failed";

	if (!rc) {
		rpc_reply(call, json_object());
		return;
	}
	if (rc == -EINVAL)
		code = "invalid";
	else if (rc == -EEXIST)
		code = "exists";
	else if (rc == -ENOENT)
		code = "not-found";
	else if (rc == -EBUSY)
		code = "busy";
	else if (rc == -EOPNOTSUPP)
		code = "unsupported";
	rpc_fail(call, code, "%s", why && *why ? why : strerror(-rc));
}

/* A call that waits for what is found out about the host. */
struct tool_waiting {
	void *tool;
	struct rpc_call *call;
	void (*method)(void *arg, struct rpc_call *call);
};

static void found_out(void *arg, int rc)
{
	struct tool_waiting w = *(struct tool_waiting *)arg;

	free(arg);
	if (rc)
		rpc_fail(w.call, "gone", "the daemon ends");
	else
		w.method(w.tool, w.call);
}

bool tool_rpc_await(struct tool *tool, const char *type, struct rpc_call *call,
		    void (*method)(void *arg, struct rpc_call *call))
{
	struct tool_waiting *w = malloc(sizeof(*w));

	if (!w)
		return false;
	*w = (struct tool_waiting){ tool, call, method };
	if (tool_host_await(&tool->host, type, found_out, w))
		return true;
	free(w);
	return false;
}

static void domain_create(void *arg, struct rpc_call *call)
{
	json_t *config = json_object_get(rpc_params(call), "config");

	if (!json_is_object(config))
		rpc_fail(call, "invalid", "'config' is missing, allowed: what an xl.cfg gives");
	else if (!tool_rpc_await(arg, tool_config_text(config, "type", "pv"), call, domain_create))
		tool_creation_begin(arg, config, -1, call);
}

static void domain_list(void *arg, struct rpc_call *call)
{
	json_t *params = rpc_params(call), *list, *domid = json_object_get(params, "domid");
	struct tool *tool = arg;
	bool one = domid || json_object_get(params, "name");
	bool dom0 = (json_is_integer(domid) && !json_integer_value(domid)) ||
		    !strcmp(tool_config_text(params, "name", ""), "Domain-0");
	struct tool_domain *d = NULL;
	struct list *n;

	if (one && !dom0) {
		d = tool_rpc_domain(tool, call);
		if (!d)
			return;
	}
	list = json_array();
	if (!one || dom0)
		json_array_append_new(list, tool_dom0_json(tool));
	if (d)
		json_array_append_new(list, tool_domain_json(d));
	if (!one)
		list_for_each (&tool->domains, n)
			json_array_append_new(
				list, tool_domain_json(list_entry(n, struct tool_domain, node)));
	rpc_reply(call, list);
}

static void domain_destroy(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_domain(arg, call);

	if (!d)
		return;
	tool_domain_wait(d, false, call);
	tool_domain_destroy(d, false);
}

static void ask(struct tool *tool, struct rpc_call *call, const struct tool_command *command)
{
	struct tool_domain *d = tool_rpc_live(tool, call);
	char why[TOOL_WHY] = "";
	int rc;

	if (!d)
		return;
	rc = tool_domain_ask(d, command, json_is_true(json_object_get(rpc_params(call), "force")),
			     why);
	tool_rpc_answer(call, rc, why);
}

static void domain_shutdown(void *arg, struct rpc_call *call)
{
	ask(arg, call, &tool_poweroff);
}

static void domain_reboot(void *arg, struct rpc_call *call)
{
	ask(arg, call, &tool_reboot);
}

static void domain_wait(void *arg, struct rpc_call *call)
{
	const char *until = tool_config_text(rpc_params(call), "for", "death");
	bool shutdown = !strcmp(until, "shutdown");
	struct tool_domain *d;

	if (!shutdown && strcmp(until, "death")) {
		rpc_fail(call, "invalid", "'for' cannot be used, allowed: shutdown, death");
		return;
	}
	d = tool_rpc_domain(arg, call);
	if (d)
		tool_domain_wait(d, shutdown, call);
}

/* Who asked hears of it when its vCPUs stand still, or run. */
static void pause_done(void *arg, int rc)
{
	tool_rpc_answer(arg, rc,
			rc == -EPIPE	   ? "the domain has ended meanwhile"
			: rc == -ECANCELED ? "it was unpaused meanwhile"
			: rc == -ETIMEDOUT ? "it runs on: a process of it waits in the kernel, and "
					     "does not stand still; try again"
					   : NULL);
}

static void domain_pause(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	int rc;

	if (!d)
		return;
	rc = tool_host_pause(&d->tool->host, d->domid, true, pause_done, call);
	if (rc > 0)
		return;
	tool_rpc_answer(call, rc,
			rc == -EINVAL ? "it is not running"
			: rc == -EOPNOTSUPP
				? "this host has no cgroup freezer: mount cgroup2, or version "
				  "1's freezer (CONFIG_CGROUP_FREEZER)"
				: NULL);
}

static void domain_unpause(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	int rc;

	if (!d)
		return;
	rc = tool_host_pause(&d->tool->host, d->domid, false, pause_done, call);
	if (rc <= 0)
		tool_rpc_answer(call, rc, rc == -EINVAL ? "it is not paused" : NULL);
}

static void domain_rename(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	const char *name;
	char why[TOOL_WHY] = "";
	int rc;

	if (!d)
		return;
	name = tool_config_text(rpc_params(call), "new-name", "");
	rc = tool_domain_rename(d, name, why);
	tool_rpc_answer(call, rc, why);
}

static void domain_config(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_domain(arg, call);

	if (d)
		rpc_reply(call, json_incref(d->updated ? d->updated : d->config));
}

/* What the config says from the next restart on; the domain keeps its name and uuid. */
static void domain_config_update(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	json_t *config;
	struct tool_spec spec = { 0 };
	char why[TOOL_WHY] = "";
	int rc;

	if (!d)
		return;
	config = json_deep_copy(json_object_get(rpc_params(call), "config"));
	rc = json_is_object(config) ? tool_spec_read(config, &spec, why) : -EINVAL;
	tool_spec_fini(&spec);
	if (!rc) {
		json_object_set(config, "name", json_object_get(d->config, "name"));
		json_object_set(config, "uuid", json_object_get(d->config, "uuid"));
		json_decref(d->updated);
		d->updated = json_incref(config);
		rc = tool_record_save(d);
	}
	json_decref(config);
	tool_rpc_answer(call, rc, why);
}

static void vcpu_list(void *arg, struct rpc_call *call)
{
	struct tool *tool = arg;
	struct tool_domain *d;
	struct list *n;
	json_t *list, *part;

	if (json_object_get(rpc_params(call), "domid")) {
		d = tool_rpc_domain(tool, call);
		if (d)
			rpc_reply(call, tool_vcpus_json(d));
		return;
	}
	list = json_array();
	list_for_each (&tool->domains, n) {
		part = tool_vcpus_json(list_entry(n, struct tool_domain, node));
		json_array_extend(list, part);
		json_decref(part);
	}
	rpc_reply(call, list);
}

static void network_attach(void *arg, struct rpc_call *call)
{
	tool_rpc_attach(arg, call, &tool_kind_vif, "vif");
}

static struct tool_device *the_vif(struct tool_domain *d, const json_t *params)
{
	const char *mac = tool_config_text(params, "mac", NULL);
	struct list *n;

	list_for_each (&d->devices, n) {
		struct tool_device *v = list_entry(n, struct tool_device, node);

		if (mac && v->kind == &tool_kind_vif &&
		    !strcasecmp(tool_config_text(v->config, "mac", ""), mac))
			return v;
	}
	return NULL;
}

static void network_detach(void *arg, struct rpc_call *call)
{
	tool_rpc_detach(arg, call, &tool_kind_vif, the_vif);
}

static void network_list(void *arg, struct rpc_call *call)
{
	tool_rpc_list(arg, call, &tool_kind_vif);
}

static void block_attach(void *arg, struct rpc_call *call)
{
	tool_rpc_attach(arg, call, &tool_kind_vbd, "disk");
}

static struct tool_device *the_vbd(struct tool_domain *d, const json_t *params)
{
	uint32_t devid;

	return vdev_parse(tool_config_text(params, "vdev", ""), &devid)
		       ? NULL
		       : tool_device_find(d, &tool_kind_vbd, devid);
}

static void block_detach(void *arg, struct rpc_call *call)
{
	tool_rpc_detach(arg, call, &tool_kind_vbd, the_vbd);
}

static void block_list(void *arg, struct rpc_call *call)
{
	tool_rpc_list(arg, call, &tool_kind_vbd);
}

static void console(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	char tty[PATH_MAX] = "", log[PATH_MAX] = "";
	int rc;

	if (!d)
		return;
	rc = tool_host_console(&d->tool->host, d->domid, tty, log);
	if (rc)
		tool_rpc_answer(call, rc, NULL);
	else
		rpc_reply(call, json_pack("{s:s, s:s}", "tty", tty, "log", log));
}

static void info(void *arg, struct rpc_call *call)
{
	if (!tool_rpc_await(arg, "pvh", call, info))
		rpc_reply(call, tool_host_json(arg));
}

static void dmesg(void *arg, struct rpc_call *call)
{
	struct tool *tool = arg;
	unsigned int first = tool->nr_events > TOOL_EVENT_LINES ? tool->nr_events - TOOL_EVENT_LINES
								: 0;
	bool clear = json_is_true(json_object_get(rpc_params(call), "clear"));
	json_t *lines = json_array();

	for (unsigned int i = first; i < tool->nr_events; i++)
		json_array_append_new(lines, json_string(tool->events[i % TOOL_EVENT_LINES]));
	if (clear) {
		for (unsigned int i = 0; i < TOOL_EVENT_LINES; i++) {
			free(tool->events[i]);
			tool->events[i] = NULL;
		}
		tool->nr_events = 0;
	}
	rpc_reply(call, lines);
}

const struct rpc_method tool_methods[] = {
	{ "domain.create", domain_create },
	{ "domain.list", domain_list },
	{ "domain.destroy", domain_destroy },
	{ "domain.shutdown", domain_shutdown },
	{ "domain.reboot", domain_reboot },
	{ "domain.wait", domain_wait },
	{ "domain.pause", domain_pause },
	{ "domain.unpause", domain_unpause },
	{ "domain.rename", domain_rename },
	{ "domain.config", domain_config },
	{ "domain.config-update", domain_config_update },
	{ "vcpu.list", vcpu_list },
	{ "vcpu.pin", tool_rpc_vcpu_pin },
	{ "vcpu.set", tool_machine_vcpu_set },
	{ "memory.set", tool_machine_memory_set },
	{ "memory.max", tool_machine_memory_max },
	{ "domain.sysrq", tool_machine_sysrq },
	{ "domain.trigger", tool_machine_trigger },
	{ "domain.suspend", tool_save_suspend },
	{ "domain.resume", tool_save_resume },
	{ "domain.save", tool_save_save },
	{ "domain.restore", tool_restore_restore },
	{ "domain.dump-core", tool_machine_dump_core },
	{ "domain.sched", tool_machine_sched },
	{ "network.attach", network_attach },
	{ "network.detach", network_detach },
	{ "network.list", network_list },
	{ "cdrom.change", tool_rpc_cdrom },
	{ "screen", tool_rpc_screen },
	{ "block.attach", block_attach },
	{ "block.detach", block_detach },
	{ "block.list", block_list },
	{ "console", console },
	{ "info", info },
	{ "dmesg", dmesg },
	{ NULL, NULL },
};
