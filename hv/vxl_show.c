/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that show the host and its domains. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "hv/vxl.h"

int vxl_list(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	static const struct {
		const char *option;
		unsigned int column;
	} columns[] = { { "v", VXL_LIST_VERBOSE },
			{ "Z", VXL_LIST_CONTEXT },
			{ "c", VXL_LIST_POOL },
			{ "n", VXL_LIST_NUMA } };
	json_t *list, *all, *d;
	unsigned int shown = 0;
	size_t i;
	int status = vxl_domains(parsed->nr_args ? parsed->args[0] : NULL, &list);

	if (status)
		return status;
	for (i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		if (vxl_option(cmd, parsed, columns[i].option))
			shown |= columns[i].column;
	if (!vxl_option(cmd, parsed, "l")) {
		vxl_print_list(list, shown, stdout);
	} else {
		all = json_array();
		json_array_foreach (list, i, d) {
			json_t *one = vxl_details(json_object_get(d, "config"),
						  (int)vxl_number(d, "domid", 0));

			/* Ours: for tools that look into an ns guest from the host. */
			json_object_set(one, "pid", json_object_get(d, "pid"));
			json_array_append_new(all, one);
		}
		json_dumpf(all, stdout, JSON_INDENT(4));
		putchar('\n');
		json_decref(all);
	}
	json_decref(list);
	return fflush(stdout) || ferror(stdout) ? VXL_FAILED : 0;
}

/* xl info's names for what vifrost-hvd says, in xl's order; the last are ours. */
static const struct {
	const char *name, *key;
} info_fields[] = {
	{ "host", "host" },
	{ "release", "release" },
	{ "version", "version" },
	{ "machine", "machine" },
	{ "nr_cpus", "nr-cpus" },
	{ "max_cpu_id", "max-cpu-id" },
	{ "total_memory", "total-memory" },
	{ "free_memory", "free-memory" },
	{ "xen_caps", "caps" },
	{ "vifrost_version", "vifrost-version" },
	{ "vifrost_hvd_pid", "hvd-pid" },
	{ "nr_domains", "domains" },
	{ "xenstore_nodes", "xenstore-nodes" },
};

/* Return: whether it is there and wanted. */
static bool print_field(const char *name, const json_t *value, const char *only)
{
	if (!value || (only && strcmp(only, name)))
		return false;
	if (!only)
		printf("%-23s: ", name);
	if (json_is_string(value))
		printf("%s\n", json_string_value(value));
	else
		printf("%lld\n", (long long)json_integer_value(value));
	return true;
}

int vxl_info(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *only = parsed->nr_args ? parsed->args[0] : NULL, *type;
	bool found = false;
	char name[24];
	json_t *info, *why;
	int status = vxl_call("info", json_object(), 0, &info);

	if (status)
		return status;
	for (size_t i = 0; i < sizeof(info_fields) / sizeof(*info_fields); i++)
		found |= print_field(info_fields[i].name, json_object_get(info, info_fields[i].key),
				     only);
	/* Beside xen_caps: what is not among them, and why. */
	json_object_foreach (json_object_get(info, "lacks"), type, why) {
		snprintf(name, sizeof(name), "no_%.16s", type);
		found |= print_field(name, why, only);
	}
	if (!only && vxl_option(cmd, parsed, "n"))
		puts("numa_info              : none");
	json_decref(info);
	if (found)
		return 0;
	fprintf(stderr, "vxl: info has no field '%s'\n", only ? only : "");
	return CLI_USAGE;
}

int vxl_dmesg(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	json_t *lines, *line;
	size_t i;
	int status = vxl_call("dmesg",
			      json_pack("{s:b}", "clear", vxl_option(cmd, parsed, "c") != NULL), 0,
			      &lines);

	if (status)
		return status;
	json_array_foreach (lines, i, line)
		puts(json_string_value(line));
	json_decref(lines);
	return 0;
}

int vxl_uptime(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	bool brief = vxl_option(cmd, parsed, "s") != NULL;
	int failed = 0;

	if (!brief)
		printf("%-33s %4s %s\n", "Name", "ID", "Uptime");
	for (int k = 0; k < parsed->nr_args || k == 0; k++) {
		json_t *list, *d;
		size_t i;
		int status = vxl_domains(parsed->nr_args ? parsed->args[k] : NULL, &list);

		if (status) {
			failed = status;
			continue;
		}
		json_array_foreach (list, i, d)
			vxl_print_uptime(d, brief, time(NULL), stdout);
		json_decref(list);
	}
	return failed;
}

static const json_t *domain_before(const json_t *before, json_int_t domid)
{
	const json_t *d;
	size_t i;

	json_array_foreach (before, i, d) {
		if (vxl_number(d, "domid", -1) == domid)
			return d;
	}
	return NULL;
}

/* Part of a CPU used since @before, in per cent. */
static double cpu_percent(const json_t *d, const json_t *before, double elapsed_ns)
{
	const json_t *old = domain_before(before, vxl_number(d, "domid", -1));
	json_int_t used = vxl_number(d, "cpu-time-ns", 0);

	if (!old || elapsed_ns <= 0)
		return 0;
	return 100.0 * (double)(used - vxl_number(old, "cpu-time-ns", 0)) / elapsed_ns;
}

static void print_top(const json_t *now, const json_t *before, double elapsed_ns)
{
	static const char *const letters[] = { "running", "blocked", "paused", "shutdown",
					       "dying" };
	const json_t *d;
	size_t i;

	printf("%-20s %6s %-6s %11s %6s %10s %5s %4s\n", "NAME", "ID", "STATE", "CPU(sec)",
	       "CPU(%)", "MEM(k)", "VCPUS", "NETS");
	json_array_foreach (now, i, d) {
		char state[6];

		for (size_t k = 0; k < 5; k++)
			state[k] = json_is_true(json_object_get(d, letters[k])) ? letters[k][0]
										: '-';
		state[5] = '\0';
		printf("%-20.20s %6d %-6s %11lld %6.1f %10lld %5d %4zu\n", vxl_text(d, "name"),
		       (int)vxl_number(d, "domid", 0), state,
		       (long long)(vxl_number(d, "cpu-time-ns", 0) / 1000000000),
		       cpu_percent(d, before, elapsed_ns),
		       (long long)vxl_number(d, "memory", 0) * 1024, (int)vxl_number(d, "vcpus", 0),
		       json_array_size(json_object_get(json_object_get(d, "config"), "vif")));
	}
	fflush(stdout);
}

/* Return: whether the user wants to leave. */
static bool pause_top(unsigned int seconds, bool keys)
{
	struct pollfd p = { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN };
	char key = 0;

	if (poll(&p, 1, (int)seconds * 1000) <= 0)
		return false;
	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3;
}

static int run_top(unsigned int delay, unsigned int iterations, bool keys)
{
	json_t *before = NULL, *now = NULL;
	uint64_t then = 0;
	int status = 0;

	for (unsigned int i = 0; !iterations || i < iterations; i++) {
		uint64_t at;

		if (i && pause_top(delay, keys))
			break;
		status = vxl_call("domain.list", json_object(), 0, &now);
		if (status)
			break;
		at = clock_ns();
		if (keys)
			fputs("\033[H\033[J", stdout);
		print_top(now, before, then ? (double)(at - then) : 0);
		then = at;
		json_decref(before);
		before = now;
		now = NULL;
	}
	json_decref(before);
	return status;
}

int vxl_top(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *d = vxl_option(cmd, parsed, "d"), *n = vxl_option(cmd, parsed, "i");
	bool keys = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !vxl_option(cmd, parsed, "b");
	uint32_t delay = 3, iterations = keys ? 0 : 1;
	struct termios before, raw;
	int status;

	if ((d && (parse_u32(d, 3600, &delay) || !delay)) ||
	    (n && (parse_u32(n, UINT32_MAX, &iterations) || !iterations))) {
		fputs("vxl: --delay takes 1 to 3600 seconds, --iterations a number above 0\n",
		      stderr);
		return CLI_USAGE;
	}
	if (vxl_option(cmd, parsed, "b") && !n)
		iterations = 0;
	if (keys && !tcgetattr(STDIN_FILENO, &before)) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		status = run_top(delay, iterations, true);
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
		return status;
	}
	return run_top(delay, iterations, false);
}
