/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that make, change and end domains. */
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/vxl.h"
#include "hv/xlcfg.h"

#define CREATE_MS 180000 /* until its kernel is loaded, on a machine that has others to serve */

/* The config of the file and overrides in @args. Return: 0, or the exit status after saying why. */
static int load_config(const char *file, char **args, int nr_args, bool quiet, FILE *said,
		       json_t **config_out)
{
	struct diags diags = { 0 };
	int rc;

	if (!file && nr_args && !strchr(args[0], '=')) {
		file = args[0];
		args++;
		nr_args--;
	}
	if (!file) {
		fputs("vxl: a domain file is missing\n", stderr);
		return CLI_USAGE;
	}
	for (int i = 0; i < nr_args; i++) {
		if (!strchr(args[i], '=')) {
			fprintf(stderr, "vxl: '%s' is not KEY=VALUE\n", args[i]);
			return CLI_USAGE;
		}
	}
	if (!quiet)
		fprintf(said, "Parsing config from %s\n", file);
	rc = xlcfg_load_domain(file, args, nr_args, &diags, config_out);
	if (rc || !quiet)
		diags_print(&diags, stderr);
	diags_fini(&diags);
	return rc ? CLI_INVALID_POLICY : 0;
}

static int print_config(const json_t *config)
{
	json_t *details = vxl_details(config, -1);

	json_dumpf(details, stdout, JSON_INDENT(4));
	putchar('\n');
	json_decref(details);
	return fflush(stdout) || ferror(stdout) ? VXL_FAILED : 0;
}

static int find_console(unsigned int domid, int *fd_out)
{
	json_t *console;
	int status = vxl_call("console", json_pack("{s:i}", "domid", (int)domid), 0, &console), fd;

	if (status)
		return status;
	fd = vxl_console_open(vxl_text(console, "tty"));
	if (fd < 0) {
		fprintf(stderr, "vxl: %s: %s\n", vxl_text(console, "tty"), strerror(-fd));
		status = VXL_FAILED;
	}
	json_decref(console);
	*fd_out = fd;
	return status;
}

/* Until the domain, or what it came back as, is gone for good. */
static int stay(unsigned int domid)
{
	int status = 0;

	while (!status && domid) {
		json_t *event = NULL;

		status = vxl_call("domain.wait", json_pack("{s:i}", "domid", (int)domid), -1,
				  &event);
		if (!status)
			fprintf(stderr, "Domain %u has been destroyed.\n", domid);
		domid = (unsigned int)vxl_number(event, "successor", 0);
		json_decref(event);
	}
	return status;
}

/* xl -v's debugging is libxl's; ours is what came of the file. */
static void say_made(const json_t *made)
{
	static const char *const keys[] = { "type",   "kernel", "ramdisk", "init",
					    "memory", "maxmem", "vcpus",   "cpus" };
	const json_t *config = json_object_get(made, "config"), *device;
	const json_t *boot = json_object_get(made, "bootloader");
	size_t i;

	printf("Domain %u: name %s, uuid %s\n", (unsigned int)vxl_number(made, "domid", 0),
	       vxl_text(config, "name"), vxl_text(config, "uuid"));
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		char *text = json_dumps(json_object_get(config, keys[i]),
					JSON_COMPACT | JSON_ENCODE_ANY);

		if (text)
			printf("  %s %s\n", keys[i], text);
		free(text);
	}
	if (boot)
		printf("  %s found in the image: a kernel of %lld bytes, a ramdisk of %lld bytes\n"
		       "  command line: %s\n",
		       vxl_text(boot, "program"), (long long)vxl_number(boot, "kernel-size", 0),
		       (long long)vxl_number(boot, "ramdisk-size", 0), vxl_text(boot, "cmdline"));
	if (*vxl_text(made, "cmdline"))
		printf("  command line: %s\n", vxl_text(made, "cmdline"));
	json_array_foreach (json_object_get(config, "vif"), i, device)
		printf("  vif %d: mac %s\n", (int)vxl_number(device, "devid", 0),
		       vxl_text(device, "mac"));
}

static int create_domain(json_t *config, const struct cli_command *cmd, struct cli_parsed *parsed)
{
	bool paused = vxl_option(cmd, parsed, "p"), console = vxl_option(cmd, parsed, "c");
	json_t *made;
	unsigned int domid;
	int fd = -1, status;

	/* Paused until the console is attached, so that nothing of it is missed. */
	status = vxl_call("domain.create",
			  json_pack("{s:O, s:b, s:i}", "config", config, "paused",
				    paused || console, "timeout-ms", VXL_DEVICE_MS),
			  CREATE_MS, &made);
	if (status)
		return status;
	domid = (unsigned int)vxl_number(made, "domid", 0);
	vxl_say_missing(made);
	if (vxl_verbosity() || vxl_option(cmd, parsed, "v"))
		say_made(made);
	json_decref(made);
	if (console)
		status = find_console(domid, &fd);
	if (console && !paused && !status)
		status = vxl_call("domain.unpause", json_pack("{s:i}", "domid", (int)domid), 0,
				  NULL);
	if (vxl_option(cmd, parsed, "V") && !status)
		status = vxl_view(domid, true);
	if (fd >= 0)
		vxl_console_run(fd);
	if (vxl_option(cmd, parsed, "F") && !status)
		status = stay(domid);
	return status;
}

int vxl_create(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	bool dry = vxl_option(cmd, parsed, "n") || vxl_dry_run();
	json_t *config = NULL;
	int status;

	status = load_config(vxl_option(cmd, parsed, "f"), parsed->args, parsed->nr_args,
			     vxl_option(cmd, parsed, "q"), dry ? stderr : stdout, &config);
	if (!status && (dry || vxl_option(cmd, parsed, "d")))
		status = print_config(config);
	/* The console and what we print share a file when it is no terminal. */
	fflush(stdout);
	if (!status && !dry)
		status = create_domain(config, cmd, parsed);
	json_decref(config);
	return status;
}

int vxl_config_update(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	json_t *config = NULL, *domain = NULL;
	int status = vxl_find(parsed->args[0], &domain);
	char name[128];
	/* The file need not repeat the name, and may have an old one. */
	char *args[CLI_MAX_OPTIONS];
	int nr = 0;

	if (status)
		return status;
	snprintf(name, sizeof(name), "name=\"%s\"", vxl_text(domain, "name"));
	for (int i = 1; i < parsed->nr_args && nr < CLI_MAX_OPTIONS - 1; i++)
		args[nr++] = parsed->args[i];
	args[nr++] = name;
	status = load_config(vxl_option(cmd, parsed, "f"), args, nr, false,
			     vxl_dry_run() ? stderr : stdout, &config);
	if (!status && (vxl_dry_run() || vxl_option(cmd, parsed, "d")))
		status = print_config(config);
	if (!status && !vxl_dry_run())
		status = vxl_call("domain.config-update",
				  json_pack("{s:i, s:O}", "domid",
					    (int)vxl_number(domain, "domid", 0), "config", config),
				  0, NULL);
	json_decref(domain);
	json_decref(config);
	return status;
}

int vxl_destroy(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	int status = vxl_find_id(parsed->args[0], &domid);

	(void)cmd;
	if (status)
		return status;
	if (!domid) {
		fputs("Not destroying domain 0; it is the host.\n\n", stderr);
		return VXL_FAILED;
	}
	/* One that crashes and is restarted may have another id by now, but not another name. */
	return vxl_call("domain.destroy", vxl_identity(parsed->args[0]), 0, NULL);
}

/* It may have gone before we ask. */
static int wait_for(unsigned int domid, bool death)
{
	json_t *params = json_pack("{s:i, s:s}", "domid", (int)domid, "for",
				   death ? "death" : "shutdown");
	json_t *event = NULL;
	int status = vxl_call_except("domain.wait", params, -1, "not-found", &event);

	if (!status)
		fprintf(stderr,
			!strcmp(vxl_text(event, "event"), "death")
				? "Domain %u has been destroyed\n"
				: "Domain %u has been shut down\n",
			domid);
	json_decref(event);
	return status < 0 ? 0 : status;
}

static int ask_one(const char *method, unsigned int domid, bool force)
{
	fprintf(stderr,
		!strcmp(method, "domain.reboot") ? "Rebooting domain %u\n"
						 : "Shutting down domain %u\n",
		domid);
	return vxl_call(method, json_pack("{s:i, s:b}", "domid", (int)domid, "force", force), 0,
			NULL);
}

int vxl_shutdown(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	int waits = vxl_option_count(cmd, parsed, "w"), status, failed = 0;
	bool all = vxl_option(cmd, parsed, "a") != NULL;
	json_t *list, *d;
	size_t i;

	if (!parsed->nr_args && !all) {
		fputs("You must specify -a or a domain id.\n\n", stderr);
		return CLI_USAGE;
	}
	status = vxl_domains(all ? NULL : parsed->args[0], &list);
	if (status)
		return status;
	json_array_foreach (list, i, d) {
		unsigned int domid = (unsigned int)vxl_number(d, "domid", 0);

		if (!domid && all)
			continue;
		status = ask_one(cmd->data, domid, vxl_option(cmd, parsed, "F"));
		/* Left out when it comes to waiting. */
		if (status) {
			failed = status;
			json_object_set_new(d, "domid", json_integer(0));
		}
	}
	json_array_foreach (list, i, d) {
		unsigned int domid = (unsigned int)vxl_number(d, "domid", 0);

		status = domid && waits ? wait_for(domid, waits > 1) : 0;
		if (status)
			failed = status;
	}
	json_decref(list);
	return failed;
}

int vxl_pause(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	int status = vxl_find_id(parsed->args[0], &domid);

	return status ? status
		      : vxl_call(cmd->data, json_pack("{s:i}", "domid", (int)domid), 0, NULL);
}

int vxl_rename(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	int status = vxl_find_id(parsed->args[0], &domid);

	(void)cmd;
	return status ? status
		      : vxl_call("domain.rename",
				 json_pack("{s:i, s:s}", "domid", (int)domid, "new-name",
					   parsed->args[1]),
				 0, NULL);
}

int vxl_console(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *type = vxl_option(cmd, parsed, "t"), *number = vxl_option(cmd, parsed, "n");
	unsigned int domid;
	int fd, status;

	if ((type && strcmp(type, "pv")) || (number && strcmp(number, "0"))) {
		fputs("vxl: a domain has one console: type pv, number 0\n", stderr);
		return CLI_USAGE;
	}
	status = vxl_find_id(parsed->args[0], &domid);
	if (!status)
		status = find_console(domid, &fd);
	return status ? status : vxl_console_run(fd);
}

int vxl_domid(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	json_t *params = json_pack("{s:s}", "name", parsed->args[0]), *list = NULL;
	int status = params ? vxl_call_except("domain.list", params, 0, "not-found", &list) : -1;

	(void)cmd;
	if (status < 0) {
		fprintf(stderr,
			"Can't get domid of domain name '%s', maybe this domain does not exist.\n",
			parsed->args[0]);
		return VXL_FAILED;
	}
	if (!status)
		printf("%u\n", (unsigned int)vxl_number(json_array_get(list, 0), "domid", 0));
	json_decref(list);
	return status;
}

int vxl_domname(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	json_t *list = NULL;
	uint32_t domid;
	int status;

	(void)cmd;
	if (parse_u32(parsed->args[0], UINT16_MAX, &domid)) {
		fputs("Invalid domain id.\n\n", stderr);
		return VXL_FAILED;
	}
	status = vxl_call_except("domain.list", json_pack("{s:i}", "domid", (int)domid), 0,
				 "not-found", &list);
	if (status < 0) {
		fprintf(stderr,
			"Can't get domain name of domain id '%u', maybe this domain does not exist.\n",
			domid);
		return VXL_FAILED;
	}
	if (!status)
		printf("%s\n", vxl_text(json_array_get(list, 0), "name"));
	json_decref(list);
	return status;
}
