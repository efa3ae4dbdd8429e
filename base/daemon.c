/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

int daemon_begin(const struct cli_program *program, enum log_level level, int argc, char **argv,
		 struct cli_parsed *parsed, char rundir[RUNDIR_MAX])
{
	int status = cli_parse(program, argc, argv, parsed);

	if (status >= 0)
		return status;
	log_init(program->name, cli_value(parsed, "verbose") ? LOG_LEVEL_DEBUG : level);
	if (rundir_resolve(cli_value(parsed, "run-dir"), rundir)) {
		fprintf(stderr,
			"%s: --run-dir: an absolute path of at most %d characters is wanted\n",
			program->name, RUNDIR_MAX - 1);
		return CLI_USAGE;
	}
	return -1;
}

int daemon_folder(const char *rundir, const char *folder)
{
	char path[PATH_MAX];
	int rc = rundir_create(rundir);

	snprintf(path, sizeof(path), "%s", rundir);
	if (!rc && folder) {
		rundir_file(path, rundir, folder);
		rc = rundir_create(path);
	}
	if (!rc)
		return CLI_OK;
	log_err("%s: %s", path, strerror(-rc));
	return CLI_UNAVAILABLE;
}

int daemon_lock(const char *rundir, const char *name, const char *cure, int *fd_out)
{
	pid_t holder = 0;

	*fd_out = pidfile_take(rundir, name, &holder);
	if (*fd_out >= 0)
		return CLI_OK;
	if (*fd_out != -EBUSY) {
		log_err("%s: %s", rundir, strerror(-*fd_out));
		return CLI_UNAVAILABLE;
	}
	log_err("another is running in %s, pid %d%s", rundir, (int)holder, cure);
	return CLI_BUSY;
}

void daemon_raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
