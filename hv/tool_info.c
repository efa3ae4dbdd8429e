/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What domain.list, vcpu.list and info say. */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <xen/sched.h>

#include "base/clock.h"
#include "hv/tool_priv.h"
#include "hv/xlcfg.h"

/* Xen says whether it is on a CPU right now; here, whether it was for most of the time since asked last. */
static bool is_busy(struct tool_domain *d, uint64_t cpu_ns)
{
	uint64_t now = clock_ns(), elapsed = d->seen_ns ? now - d->seen_ns : 0;
	bool busy = elapsed && cpu_ns > d->seen_cpu_ns && (cpu_ns - d->seen_cpu_ns) * 2 > elapsed;

	d->seen_ns = now;
	d->seen_cpu_ns = cpu_ns;
	return busy;
}

/* What it has, which is not yet what it is to have while its balloon is at work. */
static unsigned int memory_now(const struct tool_domain *d, const struct tool_host_info *info)
{
	return info->own_kernel && info->memory_mib && !info->starting
		       ? info->memory_mib
		       : tool_config_number(d->config, "memory", TOOL_MEMORY_MIB);
}

json_t *tool_domain_json(struct tool_domain *d)
{
	struct tool_host_info info = { 0 };
	bool known = !tool_host_info(&d->tool->host, d->domid, &info),
	     live = d->state == TOOL_RUNNING;
	bool paused = known && live && info.state == TOOL_HOST_PAUSED;
	bool busy = is_busy(d, info.cpu_ns) && live && !paused;

	return json_pack(
		"{s:i, s:s, s:s, s:s, s:i, s:i, s:b, s:b, s:b, s:b, s:b, s:i, s:I, s:I, s:i, s:i, "
		"s:i, s:O}",
		"domid", (int)d->domid, "name", tool_name(d), "uuid",
		tool_config_text(d->config, "uuid", ""), "type",
		tool_config_text(d->config, "type", "pv"), "memory", (int)memory_now(d, &info),
		"vcpus", (int)tool_config_vcpus(d->config), "running", busy, "blocked",
		live && !paused && !busy, "paused", paused, "shutdown", d->state == TOOL_SHUTDOWN,
		"dying", d->state == TOOL_DYING, "reason", (int)d->reason, "cpu-time-ns",
		(json_int_t)info.cpu_ns, "created", (json_int_t)d->created_s, "pid", (int)info.pid,
		"weight", (int)tool_config_number(d->config, "cpu_weight", TOOL_WEIGHT), "cap",
		(int)tool_config_number(d->config, "cap", 0), "config", d->config);
}

json_t *tool_created_json(struct tool_domain *d)
{
	bool ns = !strcmp(tool_config_text(d->config, "type", ""), "ns");
	char cmdline[TOOL_CMDLINE], why[TOOL_WHY];
	json_t *o = json_pack("{s:i, s:O}", "domid", (int)d->domid, "config", d->config);

	if (d->booted)
		json_object_set(o, "bootloader", d->booted);
	else if (!ns && !tool_cmdline(d->config, cmdline, why))
		json_object_set_new(o, "cmdline", json_string(cmdline));
	return o;
}

/* CPU time that the host used in all since its start. */
static uint64_t host_cpu_ns(void)
{
	unsigned long long v[8] = { 0 }, busy = 0;
	FILE *file = fopen("/proc/stat", "re");

	if (!file)
		return 0;
	if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
		   &v[4], &v[5], &v[6], &v[7]) >= 4)
		busy = v[0] + v[1] + v[2] + v[5] + v[6] + v[7];
	fclose(file);
	return busy * (1000000000ull / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static unsigned int guests_memory(const struct tool *tool)
{
	unsigned int sum = 0;
	struct list *n;

	list_for_each (&tool->domains, n)
		sum += tool_config_number(list_entry(n, struct tool_domain, node)->config, "memory",
					  TOOL_MEMORY_MIB);
	return sum;
}

static uint64_t host_memory(uint64_t *free_out)
{
	struct sysinfo info = { .mem_unit = 1 };

	sysinfo(&info);
	*free_out = (uint64_t)info.freeram * info.mem_unit >> 20;
	return (uint64_t)info.totalram * info.mem_unit >> 20;
}

json_t *tool_dom0_json(struct tool *tool)
{
	uint64_t free_mib, total = host_memory(&free_mib), guests = guests_memory(tool);
	struct sysinfo info = { 0 };
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	sysinfo(&info);
	return json_pack(
		"{s:i, s:s, s:s, s:s, s:i, s:i, s:b, s:b, s:b, s:b, s:b, s:i, s:I, s:I, s:i,"
		" s:{s:s, s:s, s:s, s:i, s:i}}",
		"domid", 0, "name", "Domain-0", "uuid", "00000000-0000-0000-0000-000000000000",
		"type", "pv", "memory", (int)(guests < total ? total - guests : 0), "vcpus", cpus,
		"running", true, "blocked", false, "paused", false, "shutdown", false, "dying",
		false, "reason", 0, "cpu-time-ns", (json_int_t)host_cpu_ns(), "created",
		(json_int_t)(time(NULL) - info.uptime), "pid", 1, "config", "name", "Domain-0",
		"type", "pv", "uuid", "00000000-0000-0000-0000-000000000000", "memory",
		(int)(guests < total ? total - guests : 0), "vcpus", cpus);
}

/* @lacks: why, of those that cannot be run here; the caller's. */
static void find_types(struct tool *tool, char *caps, size_t size, json_t **lacks)
{
	char why[ENGINE_WHY];
	const char *type;
	size_t n = 0;

	*lacks = json_object();
	caps[0] = '\0';
	for (unsigned int i = 0; (type = tool_host_type(&tool->host, i, why)); i++) {
		if (*why)
			json_object_set_new(*lacks, type, json_string(why));
		else if (n < size)
			n += (size_t)snprintf(caps + n, size - n, "%svifrost-%s", n ? " " : "",
					      type);
	}
}

void tool_say_types(struct tool *tool)
{
	char why[ENGINE_WHY];
	const char *type;

	for (unsigned int i = 0; (type = tool_host_type(&tool->host, i, why)); i++)
		tool_event(tool, LOG_LEVEL_INFO, "domains of type %s can%s be run%s%s", type,
			   *why ? "not" : "", *why ? ": " : "", why);
}

json_t *tool_host_json(struct tool *tool)
{
	char caps[128];
	json_t *lacks;
	uint64_t free_mib, total = host_memory(&free_mib);
	struct xs_server_stats stats;
	struct utsname uts = { 0 };
	unsigned int nr = 0;
	struct list *n;

	uname(&uts);
	list_for_each (&tool->domains, n)
		nr++;
	xs_server_stats(tool->host.xenstore, &stats);
	find_types(tool, caps, sizeof(caps), &lacks);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:s, s:o, s:s, s:i, s:I, s:i}",
			 "host", uts.nodename, "release", uts.release, "version", uts.version,
			 "machine", uts.machine, "nr-cpus", (int)sysconf(_SC_NPROCESSORS_ONLN),
			 "max-cpu-id", (int)sysconf(_SC_NPROCESSORS_CONF) - 1, "total-memory",
			 (json_int_t)total, "free-memory", (json_int_t)free_mib, "caps", caps,
			 "lacks", lacks, "vifrost-version", VIFROST_VERSION, "domains", (int)nr,
			 "xenstore-nodes", (json_int_t)stats.nodes, "hvd-pid", (int)getpid());
}

static json_t *exits_json(const struct engine_exits *e)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "all", (json_int_t)e->all, "hypercalls",
			 (json_int_t)e->hypercalls, "timers", (json_int_t)e->timers, "kicks",
			 (json_int_t)e->kicks, "io", (json_int_t)e->io, "mmio",
			 (json_int_t)e->mmio);
}

static json_t *vcpu_json(struct tool_domain *d, unsigned int vcpu, const cpu_set_t *cpus,
			 const struct tool_host_info *info)
{
	unsigned int nr = tool_config_vcpus(d->config);
	struct engine_vcpu v = { .cpu = -1 };
	json_t *json;
	char text[1024];

	xlcfg_format_cpus(cpus, (unsigned int)sysconf(_SC_NPROCESSORS_CONF), text, sizeof(text));
	if (tool_host_vcpu(&d->tool->host, d->domid, vcpu, &v))
		/* An ns guest's are not told apart by the host: the time is shared out evenly. */
		v = (struct engine_vcpu){ .online = vcpu < nr,
					  .cpu = -1,
					  .cpu_ns = info->cpu_ns / (nr ? nr : 1) };
	json = json_pack("{s:s, s:i, s:i, s:b, s:b, s:b, s:i, s:I, s:s}", "name", tool_name(d),
			 "domid", (int)d->domid, "vcpu", (int)vcpu, "online",
			 v.online && d->state == TOOL_RUNNING, "paused",
			 info->state == TOOL_HOST_PAUSED, "running", v.running, "cpu", v.cpu,
			 "cpu-time-ns", (json_int_t)v.cpu_ns, "cpus", text);
	if (v.exits.all)
		json_object_set_new(json, "exits", exits_json(&v.exits));
	return json;
}

json_t *tool_vcpus_json(struct tool_domain *d)
{
	struct tool_host_info info = { 0 };
	json_t *list = json_array();
	struct tool_spec spec;
	char why[TOOL_WHY];
	unsigned int nr;

	if (tool_spec_read(d->config, &spec, why)) {
		tool_spec_fini(&spec);
		return list;
	}
	tool_host_info(&d->tool->host, d->domid, &info);
	nr = info.own_kernel ? spec.engine.max_vcpus : spec.engine.nr_vcpus;
	for (unsigned int i = 0; i < nr; i++)
		json_array_append_new(list, vcpu_json(d, i, &spec.vcpu_cpus[i], &info));
	tool_spec_fini(&spec);
	return list;
}
