/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl's tables, column by column as xl prints them, and libxl's JSON of a domain. */
#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hv/vxl.h"
#include "hv/xlcfg.h"

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static double seconds(const json_t *object, const char *key)
{
	return (double)vxl_number(object, key, 0) / 1e9;
}

static void print_domain(const json_t *d, unsigned int columns, FILE *out)
{
	static const char reasons[] = "-rscwS";
	json_int_t reason = is_true(d, "shutdown") ? vxl_number(d, "reason", 0) : 0;

	fprintf(out, "%-40s %5d %5lu %5d     %c%c%c%c%c%c  %8.1f", vxl_text(d, "name"),
		(int)vxl_number(d, "domid", 0), (unsigned long)vxl_number(d, "memory", 0),
		(int)vxl_number(d, "vcpus", 0), is_true(d, "running") ? 'r' : '-',
		is_true(d, "blocked") ? 'b' : '-', is_true(d, "paused") ? 'p' : '-',
		is_true(d, "shutdown") ? 's' : '-',
		reason >= 0 && reason < (json_int_t)sizeof(reasons) - 1 ? reasons[reason] : '?',
		is_true(d, "dying") ? 'd' : '-', seconds(d, "cpu-time-ns"));
	if (columns & VXL_LIST_VERBOSE) {
		fprintf(out, " %s", vxl_text(d, "uuid"));
		if (is_true(d, "shutdown"))
			fprintf(out, " %8x", (unsigned int)reason);
		else
			fprintf(out, " %8s", "-");
	}
	if (columns & (VXL_LIST_VERBOSE | VXL_LIST_CONTEXT))
		fprintf(out, " %16s", "-");
	if (columns & VXL_LIST_POOL)
		fprintf(out, "%16s", "Pool-0");
	if (columns & VXL_LIST_NUMA)
		fputs(" all", out);
	fputc('\n', out);
}

void vxl_print_list(const json_t *domains, unsigned int columns, FILE *out)
{
	const json_t *d;
	size_t i;

	fputs("Name                                        ID   Mem VCPUs\tState\tTime(s)", out);
	if (columns & VXL_LIST_VERBOSE)
		fputs("   UUID                            Reason-Code\tSecurity Label", out);
	else if (columns & VXL_LIST_CONTEXT)
		fputs("   Security Label", out);
	if (columns & VXL_LIST_POOL)
		fputs("         Cpupool", out);
	if (columns & VXL_LIST_NUMA)
		fputs(" NODE Affinity", out);
	fputc('\n', out);
	json_array_foreach (domains, i, d)
		print_domain(d, columns, out);
}

void vxl_print_networks_head(FILE *out)
{
	fprintf(out, "%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx", "BE", "Mac Addr.",
		"handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path");
}

void vxl_print_networks(const json_t *vifs, FILE *out)
{
	const json_t *v;
	size_t i;

	json_array_foreach (vifs, i, v) {
		fprintf(out, "%-3d %-2d %s%6d %5d %6d %5d/%-11d %-30s\n",
			(int)vxl_number(v, "devid", 0), (int)vxl_number(v, "backend-id", 0),
			vxl_text(v, "mac"), (int)vxl_number(v, "handle", 0),
			(int)vxl_number(v, "state", -1), (int)vxl_number(v, "event-channel", -1),
			(int)vxl_number(v, "tx-ring-ref", -1),
			(int)vxl_number(v, "rx-ring-ref", -1), vxl_text(v, "backend"));
	}
}

void vxl_print_blocks_head(FILE *out)
{
	fprintf(out, "%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state",
		"evt-ch", "ring-ref", "BE-path");
}

void vxl_print_blocks(const json_t *disks, FILE *out)
{
	const json_t *v;
	size_t i;

	json_array_foreach (disks, i, v) {
		/* An emulated machine's virtio disk has no number. */
		if (json_object_get(v, "devid"))
			fprintf(out, "%-5d", (int)vxl_number(v, "devid", 0));
		else
			fprintf(out, "%-5s", vxl_text(json_object_get(v, "config"), "vdev"));
		fprintf(out, " %-3d %-6d %-5d %-6d %-8d %-30s\n",
			(int)vxl_number(v, "backend-id", 0), (int)vxl_number(v, "handle", 0),
			(int)vxl_number(v, "state", -1), (int)vxl_number(v, "event-channel", -1),
			(int)vxl_number(v, "ring-ref", -1), vxl_text(v, "backend"));
	}
}

void vxl_print_vcpus_head(FILE *out)
{
	fprintf(out, "%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State",
		"Time(s)", "Affinity (Hard / Soft)");
}

void vxl_print_vcpus(const json_t *vcpus, FILE *out)
{
	const json_t *v;
	size_t i;

	json_array_foreach (vcpus, i, v) {
		json_int_t cpu = vxl_number(v, "cpu", -1);

		fprintf(out, "%-32s %5u %5u", vxl_text(v, "name"),
			(unsigned int)vxl_number(v, "domid", 0),
			(unsigned int)vxl_number(v, "vcpu", 0));
		if (!is_true(v, "online"))
			fprintf(out, "%5c %3c%cp ", '-', '-', '-');
		else if (cpu < 0)
			fprintf(out, "%5c %3c%c- ", '-', '-', is_true(v, "paused") ? '-' : 'b');
		else
			fprintf(out, "%5u %3c%c- ", (unsigned int)cpu,
				is_true(v, "running") ? 'r' : '-',
				is_true(v, "running") || is_true(v, "paused") ? '-' : 'b');
		fprintf(out, "%9.1f  %s / all\n", seconds(v, "cpu-time-ns"), vxl_text(v, "cpus"));
	}
}

void vxl_print_exits(const json_t *vcpus, FILE *out)
{
	static const char *const columns[] = {
		"all", "hypercalls", "timers", "kicks", "io", "mmio"
	};
	const json_t *v;
	size_t i;

	fprintf(out, "%-32s %5s %5s %11s %11s %11s %11s %11s %11s\n", "Name", "ID", "VCPU", "Exits",
		"Hypercalls", "Timers", "Kicks", "IO", "MMIO");
	json_array_foreach (vcpus, i, v) {
		const json_t *exits = json_object_get(v, "exits");

		if (!exits)
			continue;
		fprintf(out, "%-32s %5u %5u", vxl_text(v, "name"),
			(unsigned int)vxl_number(v, "domid", 0),
			(unsigned int)vxl_number(v, "vcpu", 0));
		for (size_t c = 0; c < sizeof(columns) / sizeof(*columns); c++)
			fprintf(out, " %11lld", (long long)vxl_number(exits, columns[c], 0));
		putc('\n', out);
	}
}

void vxl_print_sched_head(FILE *out)
{
	fprintf(out, "Cpupool Pool-0: ratelimit=0us\n%-33s %4s %6s %4s\n", "Name", "ID", "Weight",
		"Cap");
}

void vxl_print_sched(const json_t *domains, FILE *out)
{
	const json_t *d;
	size_t i;

	json_array_foreach (domains, i, d)
		fprintf(out, "%-33s %4d %6d %4d\n", vxl_text(d, "name"),
			(int)vxl_number(d, "domid", 0), (int)vxl_number(d, "weight", 256),
			(int)vxl_number(d, "cap", 0));
}

void vxl_print_uptime(const json_t *domain, bool brief, int64_t now, FILE *out)
{
	int64_t up = now - vxl_number(domain, "created", now);
	int days = (int)(up / 86400), hours = (int)(up / 3600 % 24), minutes = (int)(up / 60 % 60);
	char text[64] = "", clock[16];
	time_t t = now;
	struct tm tm;

	if (days)
		snprintf(text, sizeof(text), days > 1 ? "%d days, " : "%d day, ", days);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%2d:%02d", hours, minutes);
	if (!brief) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ":%02d", (int)(up % 60));
		fprintf(out, "%-33s %4d %s\n", vxl_text(domain, "name"),
			(int)vxl_number(domain, "domid", 0), text);
		return;
	}
	localtime_r(&t, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(out, " %s up %s, %s (%d)\n", clock, text, vxl_text(domain, "name"),
		(int)vxl_number(domain, "domid", 0));
}

/* Members of ours, under libxl's names. */
struct member {
	const char *ours, *libxls;
};

static void copy_members(const json_t *from, json_t *to, const struct member *members)
{
	for (; members->ours; members++) {
		json_t *value = json_object_get(from, members->ours);

		if (value)
			json_object_set(to, members->libxls, value);
	}
}

static json_t *nic_details(const json_t *vif)
{
	static const struct member members[] = {
		{ "devid", "devid" },	{ "mac", "mac" },     { "bridge", "bridge" },
		{ "script", "script" }, { "model", "model" }, { "vifname", "ifname" },
		{ "ip", "ip" },		{ "mtu", "mtu" },     { "gatewaydev", "gatewaydev" },
		{ NULL, NULL },
	};
	static const struct member rate[] = {
		{ "bytes-per-interval", "rate_bytes_per_interval" },
		{ "interval-usecs", "rate_interval_usecs" },
		{ NULL, NULL },
	};
	json_t *nic = json_object();

	copy_members(vif, nic, members);
	copy_members(json_object_get(vif, "rate"), nic, rate);
	json_object_set_new(nic, "nictype", json_string("vif"));
	return nic;
}

static void set_kib(json_t *build, const char *key, const json_t *mib)
{
	if (mib)
		json_object_set_new(build, key, json_integer(json_integer_value(mib) * 1024));
}

static json_t *build_details(const json_t *config)
{
	static const struct member members[] = {
		{ "kernel", "kernel" },	  { "ramdisk", "ramdisk" },
		{ "cmdline", "cmdline" }, { "cpus", "vcpu_hard_affinity" },
		{ NULL, NULL },
	};
	static const struct member ns[] = {
		{ "init", "init" }, { "root", "root" }, { "frontend", "frontend" }, { NULL, NULL }
	};
	json_t *build = json_object(), *own = json_object(), *avail = json_array();
	json_int_t vcpus = vxl_number(config, "vcpus", 1);
	const json_t *memory = json_object_get(config, "memory"),
		     *most = json_object_get(config, "maxmem");
	char type[16];

	json_object_set_new(build, "max_vcpus",
			    json_integer(vxl_number(config, "maxvcpus", vcpus)));
	for (json_int_t i = 0; i < vcpus; i++)
		json_array_append_new(avail, json_integer(i));
	json_object_set_new(build, "avail_vcpus", avail);
	set_kib(build, "max_memkb", most ? most : memory);
	set_kib(build, "target_memkb", memory);
	copy_members(config, build, members);
	if (!strcmp(vxl_text(config, "type"), "ns"))
		copy_members(config, own, ns);
	snprintf(type, sizeof(type), "type.%s", vxl_text(config, "type"));
	json_object_set_new(build, type, own);
	return build;
}

json_t *vxl_details(const json_t *config, int domid)
{
	static const struct member create[] = {
		{ "type", "type" },
		{ "name", "name" },
		{ "uuid", "uuid" },
		{ NULL, NULL },
	};
	static const struct {
		const char *key, *fallback;
	} actions[] = { { "on_poweroff", "destroy" },
			{ "on_reboot", "restart" },
			{ "on_crash", "destroy" } };
	json_t *made = json_object(), *info = json_object(), *nics = json_array(), *value;
	size_t i;

	copy_members(config, info, create);
	json_object_set_new(made, "c_info", info);
	json_object_set_new(made, "b_info", build_details(config));
	if (json_array_size(json_object_get(config, "disk")))
		json_object_set(made, "disks", json_object_get(config, "disk"));
	json_array_foreach (json_object_get(config, "vif"), i, value)
		json_array_append_new(nics, nic_details(value));
	json_object_set_new(made, "nics", nics);
	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		const char *action = vxl_text(config, actions[i].key);

		json_object_set_new(made, actions[i].key,
				    json_string(*action ? action : actions[i].fallback));
	}
	return json_pack("{s:o, s:o}", "domid", domid < 0 ? json_null() : json_integer(domid),
			 "config", made);
}
