/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods for domains with a kernel of their own: their vCPUs and memory, keys, triggers, dumps. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/tool_priv.h"

/* The running domain that is meant, with a kernel that can be asked; NULL after failing @call. */
static struct tool_domain *machine(struct tool *tool, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(tool, call);
	struct tool_host_info info;

	if (!d)
		return NULL;
	if (d->state != TOOL_RUNNING || tool_host_info(&tool->host, d->domid, &info)) {
		rpc_fail(call, "invalid", "it is not running");
		return NULL;
	}
	if (!info.own_kernel) {
		rpc_fail(call, "unsupported",
			 "a guest of type \"%s\" has no kernel of its own to do this",
			 tool_config_text(d->config, "type", ""));
		return NULL;
	}
	return d;
}

/* Remember it for a restart of the daemon, and of the domain. */
static void keep_number(struct tool_domain *d, const char *key, unsigned int value)
{
	json_object_set_new(d->config, key, json_integer(value));
	if (d->updated)
		json_object_set_new(d->updated, key, json_integer(value));
	tool_record_save(d);
}

void tool_machine_vcpu_set(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = machine(arg, call);
	unsigned int nr = d ? tool_config_number(rpc_params(call), "vcpus", 0) : 0, most;
	int rc;

	if (!d)
		return;
	most = tool_config_max_vcpus(d->config);
	if (!nr || nr > most) {
		rpc_fail(call, "invalid", "'vcpus' cannot be used, allowed: 1 to %u, its maxvcpus",
			 most);
		return;
	}
	rc = tool_store_vcpus(d->tool, d, nr);
	if (!rc) {
		json_object_set_new(d->config, "maxvcpus", json_integer(most));
		keep_number(d, "vcpus", nr);
	}
	tool_rpc_answer(call, rc, NULL);
}

static unsigned int max_memory(const struct tool_domain *d)
{
	unsigned int now = tool_config_number(d->config, "memory", TOOL_MEMORY_MIB);

	return tool_config_number(d->config, "maxmem", now);
}

void tool_machine_memory_set(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = machine(arg, call);
	unsigned int mib = d ? tool_config_number(rpc_params(call), "mib", 0) : 0, most;
	int rc;

	if (!d)
		return;
	most = max_memory(d);
	if (!mib || mib > most) {
		rpc_fail(call, "invalid",
			 "'mib' cannot be used, allowed: 1 to %u, its maxmem; mem-max sets that",
			 most);
		return;
	}
	rc = tool_store_memory(d->tool, d, "target", mib * 1024ull);
	if (!rc) {
		json_object_set_new(d->config, "maxmem", json_integer(most));
		keep_number(d, "memory", mib);
	}
	tool_rpc_answer(call, rc, NULL);
}

/* A question whose answer is @call's. */
struct asked {
	struct tool *tool;
	struct rpc_call *call;
	uint16_t domid;
	unsigned int max_memory_mib; /* 0: it is about something else */
};

static void answered(void *arg, int rc)
{
	struct asked *a = arg;
	struct tool_domain *d = tool_find(a->tool, a->domid);

	if (!rc && a->max_memory_mib && d)
		keep_number(d, "maxmem", a->max_memory_mib);
	tool_rpc_answer(a->call, rc,
			rc == -EPIPE ? "the domain has ended meanwhile"
			: rc == -EINVAL && a->max_memory_mib
				? "allowed: what it was created with as maxmem, at most"
				: NULL);
	free(a);
}

static void ask(struct tool_domain *d, struct rpc_call *call, struct engine_question *q,
		unsigned int max_memory_mib)
{
	struct asked *a = malloc(sizeof(*a));
	int rc = a ? 0 : -ENOMEM;

	if (a)
		*a = (struct asked){ d->tool, call, d->domid, max_memory_mib };
	q->fd = -1;
	q->done = answered;
	q->done_arg = a;
	if (!rc)
		rc = tool_host_ask(&d->tool->host, d->domid, q);
	if (!rc)
		return;
	free(a);
	tool_rpc_answer(call, rc, NULL);
}

void tool_machine_memory_max(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = machine(arg, call);
	unsigned int mib = d ? tool_config_number(rpc_params(call), "mib", 0) : 0;
	struct engine_question q = { .what = ENGINE_MAX_MEMORY, .value = (uint64_t)mib << 20 };

	if (!d)
		return;
	if (!mib || mib < tool_config_number(d->config, "memory", TOOL_MEMORY_MIB))
		rpc_fail(call, "invalid",
			 "'mib' cannot be used, allowed: its memory of %u at least",
			 tool_config_number(d->config, "memory", TOOL_MEMORY_MIB));
	else
		ask(d, call, &q, mib);
}

void tool_machine_sysrq(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = machine(arg, call);
	const char *key = d ? tool_config_text(rpc_params(call), "key", "") : "";

	if (!d)
		return;
	if (strlen(key) != 1 || !isalnum((unsigned char)*key)) {
		rpc_fail(call, "invalid", "'key' cannot be used, allowed: one letter or digit");
		return;
	}
	tool_rpc_answer(call, tool_store_control(d->tool, d, "sysrq", key), NULL);
}

void tool_machine_trigger(void *arg, struct rpc_call *call)
{
	static const struct {
		const char *name;
		enum engine_trigger trigger;
	} triggers[] = {
		{ "nmi", ENGINE_TRIGGER_NMI },	   { "init", ENGINE_TRIGGER_INIT },
		{ "reset", ENGINE_TRIGGER_RESET }, { "power", ENGINE_TRIGGER_POWER },
		{ "crash", ENGINE_TRIGGER_CRASH },
	};
	struct tool_domain *d = machine(arg, call);
	const char *name = d ? tool_config_text(rpc_params(call), "trigger", "") : "";
	struct engine_question q = { .what = ENGINE_TRIGGER };

	if (!d)
		return;
	q.vcpu = tool_config_number(rpc_params(call), "vcpu", 0);
	for (size_t i = 0; i < sizeof(triggers) / sizeof(*triggers); i++)
		if (!strcmp(triggers[i].name, name))
			q.arg = triggers[i].trigger;
	if (!q.arg)
		rpc_fail(call, "invalid",
			 "'trigger' cannot be used, allowed: nmi, init, reset, power, crash");
	else if (q.vcpu >= tool_config_max_vcpus(d->config))
		rpc_fail(call, "invalid", "'vcpu' cannot be used, allowed: 0 to %u",
			 tool_config_max_vcpus(d->config) - 1);
	else
		ask(d, call, &q, 0);
}

void tool_machine_dump_core(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	const char *path = d ? tool_config_text(rpc_params(call), "file", "") : "";

	if (!d)
		return;
	if (*path != '/' || strlen(path) >= PATH_MAX)
		rpc_fail(call, "invalid", "'file' cannot be used, allowed: an absolute path");
	else
		tool_dump(d, path, call);
}

void tool_machine_sched(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	json_t *params = rpc_params(call);
	unsigned int weight, cap;
	int rc;

	if (!d)
		return;
	weight = tool_config_number(params, "weight",
				    tool_config_number(d->config, "cpu_weight", TOOL_WEIGHT));
	cap = tool_config_number(params, "cap", tool_config_number(d->config, "cap", 0));
	if (!weight || weight > 65535 || cap > 100 * TOOL_VCPUS_MAX) {
		rpc_fail(call, "invalid",
			 "allowed: 'weight' of 1 to 65535, 'cap' of 0 to 100 for each vCPU");
		return;
	}
	rc = tool_host_sched(&d->tool->host, d->domid, weight, cap);
	if (!rc) {
		keep_number(d, "cpu_weight", weight);
		keep_number(d, "cap", cap);
	}
	tool_rpc_answer(call, rc,
			rc == -EOPNOTSUPP
				? "this host has no cgroup cpu controller: mount cgroup2, "
				  "or version 1's cpu (CONFIG_CGROUP_SCHED)"
				: NULL);
}
