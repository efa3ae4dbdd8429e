/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rundir.h"
#include "policy/lifeline.h"

static const struct cli_option options[] = {
	{ 0, "run-dir", "DIR", "where vifrostd keeps its journal" },
	{ 0, "id", "ID", "the try to roll back" },
	{ 0, "until", "MS", "when, on CLOCK_BOOTTIME" },
	{ 0 },
};

static const struct cli_program program = {
	.name = LIFELINE_NAME,
	.help = "Rolls a try back that nobody confirms. Started by vifrostd, never by hand.",
	.options = options,
};

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	char rundir[RUNDIR_MAX];
	const char *id, *until;
	uint64_t until_ms;
	int status = cli_parse(&program, argc, argv, &parsed);

	if (status >= 0)
		return status;
	log_init(LIFELINE_NAME, LOG_LEVEL_NOTICE);
	id = cli_value(&parsed, "id");
	until = cli_value(&parsed, "until");
	if (!id || !until || parse_u64(until, INT64_MAX / 1000, &until_ms) ||
	    rundir_resolve(cli_value(&parsed, "run-dir"), rundir)) {
		log_err("needs --run-dir, --id and --until: vifrostd starts it");
		return CLI_USAGE;
	}
	return lifeline_run(rundir, id, until_ms, 0);
}
