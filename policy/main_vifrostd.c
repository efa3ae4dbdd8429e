/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/daemon.h"
#include "base/parse.h"
#include "policy/vifrostd.h"

static const struct cli_option options[] = {
	{ 0, "run-dir", "DIR",
	  "where the daemons of this host meet ($VIFROST_RUN_DIR, " RUNDIR_DEFAULT ")" },
	{ 0, "state-dir", "DIR",
	  "where confirmed policies are kept over reboots ($VIFROST_STATE_DIR, /var/lib/vifrost)" },
	{ 'v', "verbose", NULL, "more log lines" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrostd",
	.help = "Control daemon: applies policies, places guests' network interfaces",
	.options = options,
};

int main(int argc, char **argv)
{
	struct vifrostd_options opts = { 0 };
	struct cli_parsed parsed;
	char rundir[RUNDIR_MAX];
	const char *fault;
	int status = daemon_begin(&program, LOG_LEVEL_NOTICE, argc, argv, &parsed, rundir);

	if (status >= 0)
		return status;
	fault = getenv("VIFROST_FAULT_POINT");
	opts.fault_stops = fault && !strncmp(fault, "stop-", 5);
	if (opts.fault_stops)
		fault += 5;
	if (fault && parse_u32(fault, 100000, &opts.fault_at)) {
		log_err("VIFROST_FAULT_POINT=%s: a number up to 100000, \"stop-\" before it or not",
			fault);
		return CLI_USAGE;
	}
	opts.rundir = rundir;
	opts.state_dir = cli_value(&parsed, "state-dir");
	if (!opts.state_dir)
		opts.state_dir = getenv("VIFROST_STATE_DIR");
	return vifrostd_run(&opts);
}
