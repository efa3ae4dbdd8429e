/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NAME.child holds "PID START BOOT": START is the process's start in ticks since boot, BOOT the
 * boot's id. It is written by the child itself, before it executes the program: a parent killed at
 * any moment leaves either no process or one that can be found.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "base/file.h"

#define LOG_SIZE_MAX (1 << 20) /* a log longer than that is begun anew */
#define KILL_WAIT_MS 2000

struct identity {
	pid_t pid;
	uint64_t start;
	char boot[40];
};

/* Up to @size - 1 bytes, as a string without its last newline. */
static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;
	int rc = 0;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		rc = -errno;
	close(fd);
	if (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = '\0';
	return rc;
}

/* Of a process that runs; a zombie does not. */
static int identify(pid_t pid, struct identity *id)
{
	char path[40], stat[1024], *p;
	int rc;

	*id = (struct identity){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	rc = read_text(path, stat, sizeof(stat));
	if (rc)
		return rc == -ENOENT ? -ESRCH : rc;
	/* The name before it, in parentheses, may hold anything. */
	p = strrchr(stat, ')');
	if (!p || sscanf(p,
			 ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
			 " %*d %*d %" SCNu64,
			 &id->start) != 1)
		return -EPROTO;
	if (p[2] == 'Z' || p[2] == 'X')
		return -ESRCH;
	return read_text("/proc/sys/kernel/random/boot_id", id->boot, sizeof(id->boot));
}

static int read_identity(const char *path, struct identity *id)
{
	char text[128];
	int pid, rc = read_text(path, text, sizeof(text));

	if (rc)
		return rc == -ENOENT ? -ESRCH : rc;
	*id = (struct identity){ 0 };
	if (sscanf(text, "%d %" SCNu64 " %39s", &pid, &id->start, id->boot) != 3 || pid <= 1)
		return -ESRCH;
	id->pid = pid;
	return 0;
}

static void child_path(char path[PATH_MAX], const char *rundir, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s.child", rundir, name);
}

/* A descriptor of the process itself, so that nobody else is hit when it ends meanwhile. */
static int open_child(const char *path, pid_t *pid_out)
{
	struct identity written, now;
	int fd, rc = read_identity(path, &written);

	if (rc)
		return rc;
	fd = (int)syscall(SYS_pidfd_open, written.pid, 0);
	if (fd < 0)
		return -errno;
	rc = identify(written.pid, &now);
	if (!rc && (now.start != written.start || strcmp(now.boot, written.boot) != 0))
		rc = -ESRCH;
	if (rc) {
		close(fd);
		return rc;
	}
	if (pid_out)
		*pid_out = written.pid;
	return fd;
}

int child_find(const char *rundir, const char *name, pid_t *pid_out)
{
	char path[PATH_MAX];
	int fd;

	child_path(path, rundir, name);
	fd = open_child(path, pid_out);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int child_open(const char *rundir, const char *name)
{
	char path[PATH_MAX];

	child_path(path, rundir, name);
	return open_child(path, NULL);
}

int child_signal(const char *rundir, const char *name, int signo)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	child_path(path, rundir, name);
	fd = open_child(path, NULL);
	if (fd < 0)
		return fd;
	if (syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int end(int fd, int signo, int timeout_ms)
{
	struct pollfd gone = { .fd = fd, .events = POLLIN };
	int n;

	if (syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	do {
		n = poll(&gone, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

int child_stop(const char *rundir, const char *name, int timeout_ms)
{
	char path[PATH_MAX];
	int fd, rc;

	child_path(path, rundir, name);
	fd = open_child(path, NULL);
	if (fd < 0 && fd != -ESRCH)
		return fd;
	if (fd >= 0) {
		rc = end(fd, SIGTERM, timeout_ms);
		if (rc == -ETIMEDOUT)
			rc = end(fd, SIGKILL, KILL_WAIT_MS);
		close(fd);
		if (rc)
			return rc;
	}
	return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int write_identity(const char *path)
{
	struct identity id;
	char text[128];
	int fd, n, rc = identify(getpid(), &id);

	if (rc)
		return rc;
	n = snprintf(text, sizeof(text), "%d %" PRIu64 " %s\n", (int)id.pid, id.start, id.boot);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	rc = file_write_all(fd, text, (size_t)n);
	close(fd);
	return rc;
}

static void default_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int take_stdio(const struct child_spec *spec, const char *log)
{
	struct stat st;
	int in = spec->stdin_fd > 0 ? spec->stdin_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (in < 0 || out < 0)
		return -errno;
	if (fstat(out, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > LOG_SIZE_MAX &&
	    ftruncate(out, 0) < 0)
		return -errno;
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		return -errno;
	return 0;
}

/* In the child. Ends in the program, or tells @report why not. */
static void become(const struct child_spec *spec, const char *path, const char *log, int report)
{
	int rc, moved;

	setsid();
	default_signals();
	umask(022);
	if (spec->priority)
		setpriority(PRIO_PROCESS, 0, spec->priority);
	/* Not below 3, where stdio goes. */
	moved = fcntl(report, F_DUPFD_CLOEXEC, 3);
	rc = moved < 0 ? -errno : write_identity(path);
	if (!rc)
		rc = take_stdio(spec, log);
	if (!rc && chdir("/") < 0)
		rc = -errno;
	for (size_t i = 0; !rc && spec->env && spec->env[i]; i++)
		if (putenv((char *)(uintptr_t)spec->env[i]) != 0)
			rc = -ENOMEM;
	if (!rc && syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		rc = -errno;
	if (!rc) {
		execvp(spec->argv[0], (char *const *)(uintptr_t)spec->argv);
		rc = -errno;
	}
	unlink(path);
	if (file_write_all(moved < 0 ? report : moved, &rc, sizeof(rc)))
		_exit(126);
	_exit(127);
}

/* Nothing comes when the program was executed: its end of the pipe closed by that. */
static int read_report(int fd)
{
	ssize_t n;
	int rc;

	do {
		n = read(fd, &rc, sizeof(rc));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	return n == sizeof(rc) && rc < 0 ? rc : -EIO;
}

int child_start(const struct child_spec *spec, pid_t *pid_out)
{
	char path[PATH_MAX], log[PATH_MAX];
	int report[2], rc = child_find(spec->rundir, spec->name, pid_out);
	pid_t between;

	if (rc != -ESRCH)
		return rc ? rc : -EALREADY;
	child_path(path, spec->rundir, spec->name);
	if (spec->log)
		snprintf(log, sizeof(log), "%s", spec->log);
	else
		snprintf(log, sizeof(log), "%s/%s.log", spec->rundir, spec->name);
	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	/* Twice, so that it is init's to wait for, not ours. */
	between = fork();
	if (between == 0) {
		pid_t child = fork();

		if (child == 0)
			become(spec, path, log, report[1]);
		if (child < 0) {
			rc = -errno;
			if (file_write_all(report[1], &rc, sizeof(rc)))
				_exit(126);
		}
		_exit(0);
	}
	rc = between < 0 ? -errno : 0;
	close(report[1]);
	if (between > 0) {
		rc = read_report(report[0]);
		while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(report[0]);
	/* It may have ended at once: that is its log's to tell. */
	if (!rc && pid_out && child_find(spec->rundir, spec->name, pid_out))
		*pid_out = 0;
	return rc;
}
