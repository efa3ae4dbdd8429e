/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that suspend, save, restore and move domains. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "hv/vxl.h"
#include "hv/xlcfg.h"

#define FOREVER (-1)

/* vifrost-hvd has another working directory. Return: 0, or the exit status after saying why. */
static int absolute(const char *path, char out[PATH_MAX])
{
	char here[PATH_MAX] = "";
	int n;

	if (*path != '/' && !getcwd(here, sizeof(here))) {
		fprintf(stderr, "vxl: the current directory: %s\n", strerror(errno));
		return VXL_FAILED;
	}
	n = snprintf(out, PATH_MAX, "%s%s%s", here, *path == '/' ? "" : "/", path);
	if (n < PATH_MAX)
		return 0;
	fprintf(stderr, "vxl: '%.64s...' is too long for a path\n", path);
	return CLI_USAGE;
}

/* Add the domain file @file, if any, to @params. */
static int add_config(json_t *params, const char *file)
{
	struct diags diags = { 0 };
	json_t *config = NULL;
	int rc;

	if (!file)
		return 0;
	rc = xlcfg_load_domain(file, NULL, 0, &diags, &config);
	diags_print(&diags, stderr);
	diags_fini(&diags);
	if (rc)
		return CLI_INVALID_POLICY;
	json_object_set_new(params, "config", config);
	return 0;
}

int vxl_save(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	char path[PATH_MAX];
	unsigned int domid;
	json_t *params;
	int status = vxl_find_id(parsed->args[0], &domid);

	if (!status)
		status = absolute(parsed->args[1], path);
	if (status)
		return status;
	params = json_pack("{s:i, s:s, s:b, s:b}", "domid", (int)domid, "path", path, "checkpoint",
			   vxl_option(cmd, parsed, "c") != NULL, "paused",
			   vxl_option(cmd, parsed, "p") != NULL);
	status = params ? add_config(params, parsed->nr_args > 2 ? parsed->args[2] : NULL)
			: VXL_FAILED;
	if (status || vxl_dry_run()) {
		json_decref(params);
		return status;
	}
	fprintf(stderr, "Saving to %s\n", parsed->args[1]);
	return vxl_call("domain.save", params, FOREVER, NULL);
}

int vxl_restore(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *config = parsed->nr_args > 1 ? parsed->args[0] : NULL;
	const char *file = parsed->args[parsed->nr_args - 1];
	char path[PATH_MAX];
	json_t *params, *made = NULL;
	int status = absolute(file, path);

	if (status)
		return status;
	params = json_pack("{s:s, s:b, s:i}", "path", path, "paused",
			   vxl_option(cmd, parsed, "p") != NULL, "timeout-ms", VXL_DEVICE_MS);
	status = params ? add_config(params, config) : VXL_FAILED;
	if (status || vxl_dry_run()) {
		json_decref(params);
		return status;
	}
	fprintf(stderr, "Loading new save file %s\n", file);
	status = vxl_call("domain.restore", params, FOREVER, &made);
	vxl_say_missing(made);
	json_decref(made);
	return status;
}

int vxl_suspend(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	int status = vxl_find_id(parsed->args[0], &domid);

	return status || vxl_dry_run()
		       ? status
		       : vxl_call(cmd->data, json_pack("{s:i}", "domid", (int)domid), FOREVER,
				  NULL);
}

/* By the program beside us, which alone has TLS; else where programs are. */
int vxl_migrate(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *config = vxl_option(cmd, parsed, "config");
	char program[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 32);
	char *argv[10];
	int nr = 0;

	argv[nr++] = "vifrost-relocation";
	argv[nr++] = "--run-dir";
	argv[nr++] = (char *)vxl_rundir();
	if (config) {
		argv[nr++] = "--config";
		argv[nr++] = (char *)config;
	}
	argv[nr++] = "send";
	if (vxl_option(cmd, parsed, "live"))
		argv[nr++] = "--live";
	argv[nr++] = parsed->args[0];
	argv[nr++] = parsed->args[1];
	argv[nr] = NULL;
	if (vxl_dry_run())
		return 0;
	if (n > 0)
		strcpy(strrchr(program, '/') + 1, argv[0]);
	if (n > 0 && !access(program, X_OK))
		execv(program, argv);
	execvp(argv[0], argv);
	fprintf(stderr, "vxl: %s: %s\n", argv[0], strerror(errno));
	return CLI_UNAVAILABLE;
}
