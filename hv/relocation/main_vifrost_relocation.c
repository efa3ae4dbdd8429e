/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/rundir.h"
#include "hv/relocation/relocation.h"

static int serve(const struct cli_command *cmd, struct cli_parsed *parsed);
static int send_one(const struct cli_command *cmd, struct cli_parsed *parsed);

static const struct cli_option options[] = {
	{ 0, "run-dir", "DIR", "of the vifrost-hvd whose domains come and go" },
	{ 0, "config", "FILE", "instead of " RELOCATION_CONF },
	{ 0 },
};

static const struct cli_option send_options[] = {
	{ 'l', "live", NULL, "send most of its memory while it still runs" },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "serve", NULL, "receive domains from other hosts", NULL, 0, 0, serve, NULL },
	{ "send", "DOMAIN HOST[:PORT]", "move a domain to another host: vxl migrate", send_options,
	  2, 2, send_one, NULL },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-relocation",
	.help = "moves domains between hosts, over TLS with certificates at both ends",
	.options = options,
	.commands = commands,
};

/* Return: 0, or the exit status after saying why. */
static int prepare(const struct cli_parsed *parsed, char rundir[RUNDIR_MAX],
		   struct relocation_conf *conf)
{
	const char *path = cli_value(parsed, "config");
	struct diags diags = { 0 };
	int rc = rundir_resolve(cli_value(parsed, "run-dir"), rundir);

	if (rc) {
		log_err("--run-dir: %s", strerror(-rc));
		return CLI_USAGE;
	}
	rc = relocation_conf_load(path ? path : RELOCATION_CONF, conf, &diags);
	diags_print(&diags, stderr);
	diags_fini(&diags);
	return rc ? CLI_INVALID_POLICY : 0;
}

static int serve(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct relocation_conf conf;
	char rundir[RUNDIR_MAX];
	int status = prepare(parsed, rundir, &conf);

	(void)cmd;
	return status ? status : relocation_serve(rundir, &conf);
}

static int send_one(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct relocation_conf conf;
	char rundir[RUNDIR_MAX];
	int status = prepare(parsed, rundir, &conf);

	(void)cmd;
	return status ? status
		      : relocation_send_domain(rundir, &conf, parsed->args[0], parsed->args[1],
					       cli_value(parsed, "live") != NULL);
}

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	int rc = cli_parse(&program, argc, argv, &parsed);

	if (rc >= 0)
		return rc;
	log_init(program.name, LOG_LEVEL_NOTICE);
	return parsed.command->run(parsed.command, &parsed);
}
