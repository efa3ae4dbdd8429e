/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching, detaching and listing devices of any kind. */
#include <stdint.h>
#include <string.h>

#include "hv/tool_priv.h"

/* An emulated machine's disks: none of the store's devices. */
static bool is_elsewhere(const struct tool_domain *d, const struct tool_kind *kind)
{
	return kind->applies && !kind->applies(d->config);
}

void tool_rpc_attach(struct tool *tool, struct rpc_call *call, const struct tool_kind *kind,
		     const char *param)
{
	struct tool_domain *d = tool_rpc_live(tool, call);
	struct tool_device *v;
	json_t *config;
	char why[TOOL_WHY] = "";
	unsigned int timeout_ms;
	int rc;

	if (!d)
		return;
	if (d->state != TOOL_RUNNING) {
		rpc_fail(call, "invalid", "domain %u is not running", d->domid);
		return;
	}
	config = json_deep_copy(json_object_get(rpc_params(call), param));
	if (is_elsewhere(d, kind)) {
		tool_disk_attach(d, call, config);
		json_decref(config);
		return;
	}
	rc = tool_device_attach(d, kind, config, &v, why);
	json_decref(config);
	if (!rc && v->emulated) {
		rc = tool_emulated_attach(v, why);
		if (rc)
			tool_device_detach(v, TOOL_CLOSE_MS, NULL);
	}
	timeout_ms = tool_config_number(rpc_params(call), "timeout-ms", 0);
	if (rc)
		tool_rpc_answer(call, rc, why);
	else if (timeout_ms)
		tool_device_await(v, timeout_ms, call);
	else
		rpc_reply(call, kind->json(v));
}

void tool_rpc_detach(struct tool *tool, struct rpc_call *call, const struct tool_kind *kind,
		     struct tool_device *(*find)(struct tool_domain *d, const json_t *params))
{
	struct tool_domain *d = tool_rpc_live(tool, call);
	json_t *params = rpc_params(call);
	struct tool_device *v;

	if (!d)
		return;
	if (is_elsewhere(d, kind)) {
		tool_disk_detach(d, call);
		return;
	}
	v = json_is_integer(json_object_get(params, "devid"))
		    ? tool_device_find(d, kind, tool_config_number(params, "devid", UINT_MAX))
		    : find(d, params);
	if (!v)
		rpc_fail(call, "not-found", "no such %s", kind->name);
	else
		tool_device_detach(v, tool_config_number(params, "timeout-ms", TOOL_DETACH_MS),
				   call);
}

void tool_rpc_list(struct tool *tool, struct rpc_call *call, const struct tool_kind *kind)
{
	struct tool_domain *d = tool_rpc_domain(tool, call);
	struct list *n;
	json_t *list;

	if (!d)
		return;
	if (is_elsewhere(d, kind)) {
		tool_disk_list(d, call);
		return;
	}
	list = json_array();
	list_for_each (&d->devices, n) {
		struct tool_device *v = list_entry(n, struct tool_device, node);

		if (v->kind == kind)
			json_array_append_new(list, kind->json(v));
	}
	rpc_reply(call, list);
}
