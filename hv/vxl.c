/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/vxl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/rpc.h"
#include "base/rundir.h"

#define CALL_MS		 30000
#define XEN_CAPABILITIES "/proc/xen/capabilities"

static const struct cli_option global_options[] = {
	{ 0, "run-dir", "DIR", "of the vifrost-hvd to talk to" },
	{ 'v', NULL, NULL, "say more; may be repeated" },
	{ 'N', NULL, NULL, "dry run: change nothing" },
	{ 'f', NULL, NULL, "taken for xl's sake: nothing here needs forcing" },
	{ 't', NULL, NULL, "taken for xl's sake: progress is never redrawn" },
	{ 'T', NULL, NULL, "taken for xl's sake: logs have time stamps" },
	{ 0 },
};

static const struct cli_option create_options[] = {
	{ 'c', NULL, NULL, "attach to the console of the domain" },
	{ 'd', "debug", NULL, "print the config that is made of the file" },
	{ 'e', NULL, NULL, "taken for xl's sake: no process stays behind to wait" },
	{ 'F', NULL, NULL, "stay in the foreground until the domain is gone" },
	{ 'f', "defconfig", "FILE", "domain file" },
	{ 'n', "dryrun", NULL, "print the config that is made of the file; create nothing" },
	{ 'p', NULL, NULL, "leave the domain paused" },
	{ 'q', "quiet", NULL, "no warnings about the file" },
	{ 'v', "verbose", NULL, "say what was made of the file, as -v before the command" },
	{ 'V', "vncviewer", NULL, "view its screen, of a domain of type hvm" },
	{ 0 },
};

static const struct cli_option update_options[] = {
	{ 'f', "defconfig", "FILE", "domain file" },
	{ 'd', "debug", NULL, "print the config that is made of the file" },
	{ 0 },
};

static const struct cli_option destroy_options[] = {
	{ 'f', NULL, NULL, "taken for xl's sake" },
	{ 0 },
};

static const struct cli_option shutdown_options[] = {
	{ 'a', "all", NULL, "every domain" },
	{ 'F', NULL, NULL, "end it after 10 s even if it does not listen" },
	{ 'w', "wait", NULL, "wait until it has shut down; twice: until it is gone" },
	{ 0 },
};

static const struct cli_option save_options[] = {
	{ 'c', NULL, NULL, "leave the domain running" },
	{ 'p', NULL, NULL, "leave the domain paused" },
	{ 0 },
};

static const struct cli_option restore_options[] = {
	{ 'p', NULL, NULL, "leave the domain paused" },
	{ 'e', NULL, NULL, "taken for xl's sake: no process stays behind to wait" },
	{ 0 },
};

static const struct cli_option migrate_options[] = {
	{ 0, "live", NULL, "send most of its memory while it still runs" },
	{ 0, "config", "FILE", "of vifrost-relocation, instead of its own" },
	{ 0 },
};

static const struct cli_option list_options[] = {
	{ 'l', "long", NULL, "everything, as JSON" },
	{ 'v', "verbose", NULL, "also the uuid, reason code and label" },
	{ 'Z', "context", NULL, "also the security label" },
	{ 'c', "cpupool", NULL, "also the CPU pool" },
	{ 'n', "numa", NULL, "also the NUMA node affinity" },
	{ 0 },
};

static const struct cli_option console_options[] = {
	{ 't', NULL, "TYPE", "pv: there is no other" },
	{ 'n', NULL, "NUMBER", "0: there is one console" },
	{ 0 },
};

static const struct cli_option vncviewer_options[] = {
	{ 'a', "autopass", NULL, "taken for xl's sake: the viewer asks for a password" },
	{ 0 },
};

static const struct cli_option json_options[] = {
	{ 'j', "json", NULL, "as JSON" },
	{ 0 },
};

static const struct cli_option vcpu_list_options[] = {
	{ 0, "exits", NULL, "how often each has left its guest, of types pvh and pv" },
	{ 0 },
};

static const struct cli_option pin_options[] = {
	{ 'f', "force", NULL, "taken for xl's sake" },
	{ 'i', "ignore-global-affinity-masks", NULL, "also those that xl.conf does not allow" },
	{ 0 },
};

static const struct cli_option vcpu_set_options[] = {
	{ 'i', "ignore-host", NULL, "more than the host has CPUs, too" },
	{ 0 },
};

static const struct cli_option sched_options[] = {
	{ 'd', "domain", "DOMAIN", "one domain" },
	{ 'w', "weight", "WEIGHT", "its share where CPUs are short: 1 to 65535, 256 is normal" },
	{ 'c', "cap", "CAP", "per cent of a CPU that it gets at most; 0: no bound" },
	{ 'p', "cpupool", "POOL", "Pool-0: there is no other" },
	{ 0 },
};

static const struct cli_option cpupool_options[] = {
	{ 'c', "cpus", NULL, "the pool's CPUs" },
	{ 0 },
};

static const struct cli_option info_options[] = {
	{ 'n', "numa", NULL, "also the NUMA nodes" },
	{ 0 },
};

static const struct cli_option dmesg_options[] = {
	{ 'c', NULL, NULL, "clear it afterwards" },
	{ 0 },
};

static const struct cli_option uptime_options[] = {
	{ 's', "short", NULL, "one line a domain, with the time of day" },
	{ 0 },
};

static const struct cli_option top_options[] = {
	{ 'd', "delay", "SECONDS", "between two looks" },
	{ 'i', "iterations", "NUMBER", "of looks, then end" },
	{ 'b', "batch", NULL, "print one after the other; no keys" },
	{ 0 },
};

static int print_manual(const struct cli_command *cmd, struct cli_parsed *parsed);
static int print_completion(const struct cli_command *cmd, struct cli_parsed *parsed);

static const struct cli_command commands[] = {
	{ "create", "[FILE] [KEY=VALUE...]", "create a domain from a domain file", create_options,
	  0, -1, vxl_create, NULL },
	{ "config-update", "DOMAIN [FILE] [KEY=VALUE...]",
	  "change what a domain is created with when it restarts", update_options, 1, -1,
	  vxl_config_update, NULL },
	{ "list", "[DOMAIN]", "list domains", list_options, 0, 1, vxl_list, NULL },
	{ "destroy", "DOMAIN", "end a domain immediately", destroy_options, 1, 1, vxl_destroy,
	  NULL },
	{ "shutdown", "[DOMAIN]", "ask a domain to shut down", shutdown_options, 0, 1, vxl_shutdown,
	  "domain.shutdown" },
	{ "reboot", "[DOMAIN]", "ask a domain to reboot", shutdown_options, 0, 1, vxl_shutdown,
	  "domain.reboot" },
	{ "pause", "DOMAIN", "stop a domain from running", NULL, 1, 1, vxl_pause, "domain.pause" },
	{ "unpause", "DOMAIN", "let a paused domain run", NULL, 1, 1, vxl_pause, "domain.unpause" },
	{ "save", "DOMAIN FILE [CONFIG]", "save a domain's state to a file, to restore it later",
	  save_options, 2, 3, vxl_save, NULL },
	{ "restore", "[CONFIG] FILE", "go on with a saved domain", restore_options, 1, 2,
	  vxl_restore, NULL },
	{ "migrate", "DOMAIN HOST[:PORT]", "move a domain to another host", migrate_options, 2, 2,
	  vxl_migrate, NULL },
	{ "suspend", "DOMAIN", "have a domain suspend itself", NULL, 1, 1, vxl_suspend,
	  "domain.suspend" },
	{ "resume", "DOMAIN", "let a suspended domain go on", NULL, 1, 1, vxl_suspend,
	  "domain.resume" },
	{ "console", "DOMAIN", "attach to a domain's console; Ctrl-] leaves it", console_options, 1,
	  1, vxl_console, NULL },
	{ "domid", "NAME", "a domain's id", NULL, 1, 1, vxl_domid, NULL },
	{ "domname", "ID", "a domain's name", NULL, 1, 1, vxl_domname, NULL },
	{ "rename", "DOMAIN NAME", "give a domain another name", NULL, 2, 2, vxl_rename, NULL },
	{ "network-attach", "DOMAIN [KEY=VALUE...]", "give a domain one more network interface",
	  NULL, 1, -1, vxl_network_attach, NULL },
	{ "network-detach", "DOMAIN DEVID|MAC", "take a network interface from a domain", NULL, 2,
	  2, vxl_network_detach, NULL },
	{ "network-list", "DOMAIN...", "list domains' network interfaces", json_options, 1, -1,
	  vxl_network_list, NULL },
	{ "block-attach", "DOMAIN DISK...", "give a domain one more disk", NULL, 2, -1,
	  vxl_block_attach, NULL },
	{ "block-detach", "DOMAIN DEVID|VDEV", "take a disk from a domain", NULL, 2, 2,
	  vxl_block_detach, NULL },
	{ "cd-insert", "DOMAIN VDEV TARGET", "put a medium into a CD drive", NULL, 3, 3, vxl_cdrom,
	  NULL },
	{ "cd-eject", "DOMAIN VDEV", "take the medium out of a CD drive", NULL, 2, 2, vxl_cdrom,
	  NULL },
	{ "block-list", "DOMAIN...", "list domains' disks", NULL, 1, -1, vxl_block_list, NULL },
	{ "vncviewer", "DOMAIN", "view a domain's screen", vncviewer_options, 1, 1, vxl_vncviewer,
	  NULL },
	{ "vcpu-list", "[DOMAIN...]", "list domains' virtual CPUs", vcpu_list_options, 0, -1,
	  vxl_vcpu_list, NULL },
	{ "vcpu-pin", "DOMAIN VCPU|all CPUS [SOFT]", "choose the CPUs that a virtual CPU may use",
	  pin_options, 3, 4, vxl_vcpu_pin, NULL },
	{ "vcpu-set", "DOMAIN NUMBER", "let so many of a domain's virtual CPUs run",
	  vcpu_set_options, 2, 2, vxl_vcpu_set, NULL },
	{ "mem-set", "DOMAIN MEMORY", "have a domain use so much memory, by its balloon", NULL, 2,
	  2, vxl_memory, "memory.set" },
	{ "mem-max", "DOMAIN MEMORY", "let a domain have so much memory at most", NULL, 2, 2,
	  vxl_memory, "memory.max" },
	{ "sysrq", "DOMAIN LETTER", "press a magic key of a domain's kernel", NULL, 2, 2, vxl_sysrq,
	  NULL },
	{ "trigger", "DOMAIN nmi|init|reset|power|crash [VCPU]", "send a trigger to a domain", NULL,
	  2, 3, vxl_trigger, NULL },
	{ "dump-core", "DOMAIN [FILE]", "write a domain's memory to a file", NULL, 1, 2,
	  vxl_dump_core, NULL },
	{ "sched-credit2", NULL, "show and set domains' shares of the CPUs", sched_options, 0, 0,
	  vxl_sched, NULL },
	{ "cpupool-list", "[POOL]", "list pools of CPUs: there is one", cpupool_options, 0, 1,
	  vxl_cpupool_list, NULL },
	{ "info", "[FIELD]", "what is known of the host", info_options, 0, 1, vxl_info, NULL },
	{ "dmesg", NULL, "what the toolstack has done", dmesg_options, 0, 0, vxl_dmesg, NULL },
	{ "top", NULL, "watch what domains use", top_options, 0, 0, vxl_top, NULL },
	{ "uptime", "[DOMAIN...]", "how long domains have run", uptime_options, 0, -1, vxl_uptime,
	  NULL },
	{ "synopsis", NULL, "the commands, one a line, for the manual page", NULL, 0, 0,
	  print_manual, NULL },
	{ "completion", "bash|zsh|fish", "a completion script for a shell", NULL, 1, 1,
	  print_completion, NULL },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vxl",
	.help = "Domains of vifrost-hvd, with the commands of Xen's xl",
	.options = global_options,
	.commands = commands,
	.abbreviate = true,
};

static struct {
	char socket[PATH_MAX];
	char rundir[RUNDIR_MAX];
	bool dry_run;
	int verbosity;
} vxl;

static int print_manual(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	(void)cmd;
	(void)parsed;
	cli_print_synopsis(&program, stdout);
	return CLI_OK;
}

static int print_completion(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	(void)cmd;
	if (!cli_print_completion(&program, parsed->args[0], stdout))
		return CLI_OK;
	fprintf(stderr, "vxl: unknown shell '%s', allowed: bash, zsh, fish\n", parsed->args[0]);
	return CLI_USAGE;
}

static bool is_of(const struct cli_option *table, const struct cli_option *option)
{
	for (; table && (table->letter || table->name); table++)
		if (table == option)
			return true;
	return false;
}

static bool is_named(const struct cli_option *option, const char *name)
{
	return (option->name && !strcmp(option->name, name)) ||
	       (!name[1] && option->letter == name[0]);
}

const char *vxl_option(const struct cli_command *cmd, const struct cli_parsed *parsed,
		       const char *name)
{
	for (int i = parsed->nr_given - 1; i >= 0; i--)
		if (is_of(cmd->options, parsed->given[i].option) &&
		    is_named(parsed->given[i].option, name))
			return parsed->given[i].value ? parsed->given[i].value : "";
	return NULL;
}

int vxl_option_count(const struct cli_command *cmd, const struct cli_parsed *parsed,
		     const char *name)
{
	int n = 0;

	for (int i = 0; i < parsed->nr_given; i++)
		n += is_of(cmd->options, parsed->given[i].option) &&
		     is_named(parsed->given[i].option, name);
	return n;
}

const char *vxl_rundir(void)
{
	return vxl.rundir;
}

bool vxl_dry_run(void)
{
	return vxl.dry_run;
}

int vxl_verbosity(void)
{
	return vxl.verbosity;
}

const char *vxl_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t vxl_number(const json_t *object, const char *key, json_int_t fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

static int not_reached(int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ECONNREFUSED:
		fprintf(stderr,
			"vxl: vifrost-hvd is not running in %s; start it: vifrost-hvd --run-dir %s\n",
			vxl.rundir, vxl.rundir);
		return CLI_UNAVAILABLE;
	case -EACCES:
	case -EPERM:
		fprintf(stderr, "vxl: %s: permission denied; only root may do this\n", vxl.socket);
		return CLI_NO_PERMISSION;
	case -ETIMEDOUT:
		fprintf(stderr, "vxl: vifrost-hvd did not answer in time\n");
		return CLI_UNAVAILABLE;
	default:
		fprintf(stderr, "vxl: %s: %s\n", vxl.socket, strerror(-rc));
		return CLI_UNAVAILABLE;
	}
}

static int call(const char *method, json_t *params, int timeout_ms, const char *quiet_code,
		json_t **result_out)
{
	json_t *result = NULL;
	int rc = rpc_call(vxl.socket, method, params, timeout_ms, &result), status = 0;

	if (rc == -EREMOTEIO) {
		if (quiet_code && !strcmp(vxl_text(result, "code"), quiet_code)) {
			status = -1;
		} else {
			fprintf(stderr, "vxl: %s\n", vxl_text(result, "message"));
			status = VXL_FAILED;
		}
	} else if (rc) {
		status = not_reached(rc);
	}
	if (!status && result_out)
		*result_out = result;
	else
		json_decref(result);
	return status;
}

int vxl_call(const char *method, json_t *params, int timeout_ms, json_t **result_out)
{
	return call(method, params, timeout_ms ? timeout_ms : CALL_MS, NULL, result_out);
}

int vxl_call_except(const char *method, json_t *params, int timeout_ms, const char *code,
		    json_t **result_out)
{
	return call(method, params, timeout_ms ? timeout_ms : CALL_MS, code, result_out);
}

json_t *vxl_identity(const char *text)
{
	uint32_t domid;

	return !parse_u32(text, UINT16_MAX, &domid) ? json_pack("{s:i}", "domid", (int)domid)
						    : json_pack("{s:s}", "name", text);
}

int vxl_find(const char *text, json_t **domain_out)
{
	json_t *params = vxl_identity(text), *list = NULL;
	int status;

	*domain_out = NULL;
	if (!params) {
		fprintf(stderr, "vxl: '%s' is an invalid domain identifier\n", text);
		return VXL_FAILED;
	}
	status = vxl_call_except("domain.list", params, 0, "not-found", &list);
	if (!status && json_array_size(list) == 1)
		*domain_out = json_incref(json_array_get(list, 0));
	json_decref(list);
	if (status > 0 || *domain_out)
		return status;
	fprintf(stderr, "%s is an invalid domain identifier (rc=-6)\n", text);
	return VXL_FAILED;
}

int vxl_find_id(const char *text, unsigned int *domid_out)
{
	json_t *domain;
	int status = vxl_find(text, &domain);

	if (status)
		return status;
	*domid_out = (unsigned int)vxl_number(domain, "domid", 0);
	json_decref(domain);
	return 0;
}

int vxl_domains(const char *text, json_t **list_out)
{
	json_t *domain;
	int status;

	if (!text)
		return vxl_call("domain.list", json_object(), 0, list_out);
	status = vxl_find(text, &domain);
	if (!status)
		*list_out = json_pack("[o]", domain);
	return status;
}

bool vxl_on_xen(const char *capabilities)
{
	return !access(capabilities, F_OK);
}

int vxl_main(int argc, char **argv)
{
	struct cli_parsed parsed;
	const char *rundir = NULL;
	int rc = cli_parse(&program, argc, argv, &parsed);

	if (rc >= 0)
		return rc;
	log_init(program.name, LOG_LEVEL_NOTICE);
	for (int i = 0; i < parsed.nr_given; i++) {
		const struct cli_option *o = parsed.given[i].option;

		if (!is_of(global_options, o))
			continue;
		if (o->name)
			rundir = parsed.given[i].value;
		vxl.dry_run |= o->letter == 'N';
		vxl.verbosity += o->letter == 'v';
	}
	rc = rundir_resolve(rundir, vxl.rundir);
	if (rc) {
		fprintf(stderr, "vxl: --run-dir: %s\n", strerror(-rc));
		return CLI_USAGE;
	}
	rundir_file(vxl.socket, vxl.rundir, RUNDIR_HVD_SOCKET);
	if (access(vxl.socket, F_OK) && vxl_on_xen(XEN_CAPABILITIES)) {
		fprintf(stderr, "vxl: domains on a real Xen are xl's\n");
		return CLI_UNAVAILABLE;
	}
	return parsed.command->run(parsed.command, &parsed);
}
