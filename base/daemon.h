/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the daemons of a host begin. What fails is said here, in the log or, of options, at standard error. */
#ifndef BASE_DAEMON_H
#define BASE_DAEMON_H

#include "base/cli.h"
#include "base/log.h"
#include "base/rundir.h"

/* For their tables of options. */
#define DAEMON_OPTION_RUN_DIR                                                                      \
	{                                                                                          \
		0, "run-dir", "DIR",                                                               \
			"where the daemons meet (default $VIFROST_RUN_DIR or " RUNDIR_DEFAULT ")"  \
	}
#define DAEMON_OPTION_VERBOSE                                                                      \
	{                                                                                          \
		'v', "verbose", NULL, "log state changes too"                                      \
	}

/**
 * daemon_begin() - Read argv, begin the log, find the run directory
 * @program:	With options "run-dir" and, where it has it, "verbose"
 * @level:	Of the log without --verbose
 *
 * Return: -1 go on; else the exit status.
 */
int daemon_begin(const struct cli_program *program, enum log_level level, int argc, char **argv,
		 struct cli_parsed *parsed, char rundir[RUNDIR_MAX]);
/* Make the run directory and, unless it is NULL, @folder below it. Return: CLI_*. */
int daemon_folder(const char *rundir, const char *folder);
/*
 * Be the one @name in @rundir. @cure: behind "another is running in DIR, pid N". *fd_out is held until the process
 * ends. Return: CLI_*.
 */
int daemon_lock(const char *rundir, const char *name, const char *cure, int *fd_out);
/* As many descriptors as the hard limit allows. */
void daemon_raise_fd_limit(void);

#endif
