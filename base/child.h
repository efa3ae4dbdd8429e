/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Daemons that outlive the one who starts them. Each stands in the run directory by a file
 * NAME.child, which names its process in a way that another process with the same pid, or the same
 * pid after a boot, does not match. So whoever comes next finds it, uses it, ends it.
 *
 * One at a time per run directory and name. Calls wait, but never longer than they say.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <sys/types.h>

struct child_spec {
	const char *rundir;
	const char *name;	 /* short and unique in @rundir; "ovs/db": the folder is there */
	const char *const *argv; /* ended by NULL; argv[0] is looked up in PATH */
	const char *const *env;	 /* "NAME=value", ended by NULL, added to ours; NULL: none */
	const char *log;	 /* its stdout and stderr are appended to it; NULL: DIR/NAME.log */
	int stdin_fd;		 /* becomes its stdin; 0 or less: /dev/null */
	int priority;		 /* -20 to 19, see setpriority(2), where that is permitted */
};

/**
 * child_start() - Run a program in a session of its own, as a child of init
 * It inherits no descriptors but 0 to 2, default signals, cwd "/". When this returns 0 it has been
 * executed and child_find() finds it, even if we are killed now.
 * @pid_out:	NULL: not asked for
 * Return: 0; -EALREADY: one runs, its pid is in @pid_out; -ENOENT: no such program; -errno.
 */
int child_start(const struct child_spec *spec, pid_t *pid_out);

/* Return: 0 with its pid, if @pid_out; -ESRCH: not running; -errno. */
int child_find(const char *rundir, const char *name, pid_t *pid_out);

/* Return: a descriptor of the process, readable once it has ended, the caller's; -ESRCH; -errno. */
int child_open(const char *rundir, const char *name);

/* Return: 0; -ESRCH: not running; -errno. */
int child_signal(const char *rundir, const char *name, int signo);

/**
 * child_stop() - SIGTERM, after @timeout_ms SIGKILL
 * Return: 0: it is gone, or was not there; -ETIMEDOUT: not even SIGKILL ended it in 2 s; -errno.
 */
int child_stop(const char *rundir, const char *name, int timeout_ms);

#endif
