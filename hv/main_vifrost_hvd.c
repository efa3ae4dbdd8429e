/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rundir.h"
#include "hv/xenstore/xs_server.h"

static const struct cli_option options[] = {
	{ 0, "run-dir", "DIR", "where sockets and state are kept" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-hvd",
	.help = "hypervisor core daemon",
	.options = options,
};

static int serve(const char *rundir)
{
	struct xs_server *server = NULL;
	struct loop *loop = NULL;
	pid_t holder = 0;
	int rc, pidfd;

	rc = rundir_create(rundir);
	if (rc < 0) {
		log_err("%s: %s", rundir, strerror(-rc));
		return CLI_UNAVAILABLE;
	}
	pidfd = pidfile_take(rundir, "vifrost-hvd", &holder);
	if (pidfd < 0) {
		log_err("%s: %s (process %d)", rundir, strerror(-pidfd), (int)holder);
		return CLI_BUSY;
	}
	rc = loop_create(&loop);
	if (rc == 0)
		rc = loop_stop_on_signals(loop);
	if (rc == 0)
		rc = xs_server_create(loop, rundir, &server);
	if (rc == 0) {
		notify_ready();
		rc = loop_run(loop);
	}
	if (rc < 0)
		log_err("%s: %s", rundir, strerror(-rc));
	xs_server_destroy(server);
	loop_destroy(loop);
	close(pidfd);
	return rc < 0 ? CLI_UNAVAILABLE : CLI_OK;
}

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	char rundir[RUNDIR_MAX];
	int rc = cli_parse(&program, argc, argv, &parsed);

	if (rc >= 0)
		return rc;
	log_init(program.name, LOG_LEVEL_NOTICE);
	rc = rundir_resolve(cli_value(&parsed, "run-dir"), rundir);
	if (rc < 0) {
		log_err("--run-dir: %s", strerror(-rc));
		return CLI_USAGE;
	}
	return serve(rundir);
}
