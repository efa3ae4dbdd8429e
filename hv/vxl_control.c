/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands for domains with a kernel of their own: memory, CPUs, keys, triggers, cores. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "hv/vxl.h"

#define DUMP_MS 600000 /* gigabytes, to a slow disk */

/* A method of a domain and one number. */
static int call_number(const char *method, const char *domain, const char *key, unsigned int value)
{
	unsigned int domid;
	int status = vxl_find_id(domain, &domid);

	return status ? status
		      : vxl_call(method,
				 json_pack("{s:i, s:I}", "domid", (int)domid, key,
					   (json_int_t)value),
				 0, NULL);
}

int vxl_vcpu_set(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t nr;

	if (parse_u32(parsed->args[1], 4096, &nr) || !nr) {
		fprintf(stderr, "Error: Invalid argument %s.\n", parsed->args[1]);
		return VXL_FAILED;
	}
	if ((long)nr > cpus && !vxl_option(cmd, parsed, "i")) {
		fprintf(stderr,
			"You are overcommmitting! You have %ld physical CPUs and want %u vCPUs! "
			"Aborting, use --ignore-host to continue\n",
			cpus, nr);
		return VXL_FAILED;
	}
	return call_number("vcpu.set", parsed->args[0], "vcpus", nr);
}

int vxl_parse_memory(const char *text, unsigned int *mib_out)
{
	static const struct {
		char unit;
		unsigned int shift;
	} units[] = { { 'b', 0 }, { 'k', 10 }, { 'm', 20 }, { 'g', 30 }, { 't', 40 } };
	char *end;
	unsigned long long value;
	unsigned int shift = 20;
	bool known;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	known = !*end;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (!*end || end[1] || (*end | 0x20) != units[i].unit)
			continue;
		shift = units[i].shift;
		known = true;
	}
	if (errno || !known || value > (UINT64_MAX >> shift))
		return -EINVAL;
	value = (value << shift) >> 20;
	if (!value || value > 1u << 24)
		return -EINVAL;
	*mib_out = (unsigned int)value;
	return 0;
}

int vxl_memory(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int mib;

	if (vxl_parse_memory(parsed->args[1], &mib)) {
		fprintf(stderr, "invalid memory size: %s; allowed: 64 (MiB), 64m, 1g, 65536k\n",
			parsed->args[1]);
		return VXL_FAILED;
	}
	return call_number(cmd->data, parsed->args[0], "mib", mib);
}

int vxl_sysrq(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	int status = vxl_find_id(parsed->args[0], &domid);

	(void)cmd;
	if (status)
		return status;
	if (strlen(parsed->args[1]) != 1) {
		fputs("Invalid sysrq.\n\n", stderr);
		return VXL_FAILED;
	}
	return vxl_call("domain.sysrq",
			json_pack("{s:i, s:s}", "domid", (int)domid, "key", parsed->args[1]), 0,
			NULL);
}

int vxl_trigger(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	uint32_t vcpu = 0;
	int status = vxl_find_id(parsed->args[0], &domid);

	(void)cmd;
	if (status)
		return status;
	if (parsed->nr_args > 2 && parse_u32(parsed->args[2], 4096, &vcpu)) {
		fprintf(stderr, "Invalid vcpuid, using default vcpuid=0.\n\n");
		vcpu = 0;
	}
	return vxl_call("domain.trigger",
			json_pack("{s:i, s:s, s:i}", "domid", (int)domid, "trigger",
				  parsed->args[1], "vcpu", (int)vcpu),
			0, NULL);
}

int vxl_dump_core(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *file = parsed->nr_args > 1 ? parsed->args[1] : NULL;
	char path[PATH_MAX + 64], here[PATH_MAX] = "";
	unsigned int domid;
	int status = vxl_find_id(parsed->args[0], &domid);

	(void)cmd;
	if (status)
		return status;
	/* It is not we who open it. */
	if ((!file || *file != '/') && !getcwd(here, sizeof(here))) {
		fprintf(stderr, "vxl: this folder: %s\n", strerror(errno));
		return VXL_FAILED;
	}
	if (!file)
		snprintf(path, sizeof(path), "%s/%u.core", here, domid);
	else if (snprintf(path, sizeof(path), "%s%s%s", here, *here ? "/" : "", file) >= PATH_MAX)
		path[0] = '\0';
	if (vxl_verbosity())
		printf("Dumping domain %u to %s\n", domid, path);
	return vxl_call("domain.dump-core",
			json_pack("{s:i, s:s}", "domid", (int)domid, "file", path), DUMP_MS, NULL);
}

static int set_sched(const char *domain, const char *weight, const char *cap)
{
	json_t *params = json_object();
	unsigned int domid;
	uint32_t value;
	int status = vxl_find_id(domain, &domid);

	json_object_set_new(params, "domid", json_integer(domid));
	if (!status && weight && (parse_u32(weight, 65535, &value) || !value))
		status = VXL_FAILED;
	else if (weight)
		json_object_set_new(params, "weight", json_integer(value));
	if (!status && cap && parse_u32(cap, 12800, &value))
		status = VXL_FAILED;
	else if (cap)
		json_object_set_new(params, "cap", json_integer(value));
	if (!status)
		return vxl_call("domain.sched", params, 0, NULL);
	fputs("vxl: allowed: --weight of 1 to 65535, --cap of 0 to 12800\n", stderr);
	json_decref(params);
	return status;
}

int vxl_sched(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *domain = vxl_option(cmd, parsed, "d"), *weight = vxl_option(cmd, parsed, "w");
	const char *cap = vxl_option(cmd, parsed, "c");
	json_t *list;
	int status;

	if (!domain && (weight || cap)) {
		fputs("Must specify a domain.\n", stderr);
		return VXL_FAILED;
	}
	if (weight || cap)
		return set_sched(domain, weight, cap);
	status = vxl_domains(domain, &list);
	if (status)
		return status;
	vxl_print_sched_head(stdout);
	vxl_print_sched(list, stdout);
	json_decref(list);
	return 0;
}

int vxl_cpupool_list(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	bool cpus = vxl_option(cmd, parsed, "c") != NULL;
	json_t *info;
	int status;

	if (parsed->nr_args && strcmp(parsed->args[0], "Pool-0")) {
		fprintf(stderr, "Pool '%s' does not exist\n", parsed->args[0]);
		return VXL_FAILED;
	}
	status = vxl_call("info", json_object(), 0, &info);
	if (status)
		return status;
	printf(cpus ? "%-19sCPU list\n" : "%-19sCPUs   Sched     Active   Domain count\n", "Name");
	printf("%-19s", "Pool-0");
	for (int i = 0; cpus && i < (int)vxl_number(info, "nr-cpus", 0); i++)
		printf("%s%d", i ? "," : "", i);
	if (!cpus)
		printf("%3d %9s       %s       %4d", (int)vxl_number(info, "nr-cpus", 0), "cgroup",
		       "y", (int)vxl_number(info, "domains", 0) + 1);
	putchar('\n');
	json_decref(info);
	return 0;
}
