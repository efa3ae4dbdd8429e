/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The method vcpu.pin. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hv/tool_priv.h"

static unsigned int pinnable(const struct tool_domain *d)
{
	bool ns = !strcmp(tool_config_text(d->config, "type", ""), "ns");

	return ns ? tool_config_vcpus(d->config) : tool_config_max_vcpus(d->config);
}

/* The config's "cpus" with that of @vcpu (-1: all) replaced. */
static json_t *new_cpus(const struct tool_domain *d, json_int_t vcpu, const char *cpus)
{
	unsigned int nr = pinnable(d);
	const json_t *old = json_object_get(d->config, "cpus");
	json_t *list = json_array();

	for (unsigned int i = 0; i < nr; i++) {
		const char *text = json_string_value(json_is_array(old) ? json_array_get(old, i)
									: old);

		if (vcpu < 0 || vcpu == (json_int_t)i)
			text = cpus;
		json_array_append_new(list, json_string(text ? text : "all"));
	}
	return list;
}

/* Or the other vCPUs' would do for this one's. */
static bool any_is_there(const cpu_set_t *cpus)
{
	long nr = sysconf(_SC_NPROCESSORS_CONF);

	for (int i = 0; i < nr && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, cpus))
			return true;
	return false;
}

void tool_rpc_vcpu_pin(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	json_t *params = rpc_params(call), *vcpu = json_object_get(params, "vcpu"), *config;
	json_int_t number = json_is_integer(vcpu) ? json_integer_value(vcpu) : -1;
	struct tool_spec spec = { 0 };
	char why[TOOL_WHY] = "";
	int rc;

	if (!d)
		return;
	if ((!json_is_integer(vcpu) && strcmp(tool_config_text(params, "vcpu", ""), "all")) ||
	    (json_is_integer(vcpu) && (number < 0 || number >= (json_int_t)pinnable(d)))) {
		rpc_fail(call, "invalid", "'vcpu' cannot be used, allowed: 0 to %u, all",
			 pinnable(d) - 1);
		return;
	}
	config = json_copy(d->config);
	json_object_set_new(config, "cpus",
			    new_cpus(d, number, tool_config_text(params, "cpus", "")));
	rc = tool_spec_read(config, &spec, why);
	if (!rc) {
		rc = any_is_there(&spec.vcpu_cpus[number < 0 ? 0 : number])
			     ? tool_host_set_cpus(&d->tool->host, d->domid, &spec.engine.cpus,
						  spec.vcpu_cpus, spec.engine.max_vcpus)
			     : -EINVAL;
		if (rc == -EINVAL)
			snprintf(why, sizeof(why), "none of these CPUs is there");
	}
	if (!rc) {
		json_object_set(d->config, "cpus", json_object_get(config, "cpus"));
		rc = tool_record_save(d);
	}
	tool_spec_fini(&spec);
	json_decref(config);
	tool_rpc_answer(call, rc, why);
}
