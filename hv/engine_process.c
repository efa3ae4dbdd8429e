/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/engine_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int engine_open_beside(const char *name, char why[ENGINE_WHY])
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;
	int fd;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, name);
	/* Executed through this descriptor: the way there may be closed to a guest's user. */
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		int rc = -errno;

		snprintf(why, ENGINE_WHY, "%.200s: %s", path, strerror(-rc));
		return rc;
	}
	return fd;
}

pid_t engine_clone(uint64_t flags, int cgroup_fd, int *pidfd)
{
	struct clone_args args = { .flags = flags | CLONE_PIDFD,
				   .pidfd = (uintptr_t)pidfd,
				   .exit_signal = SIGCHLD };

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int engine_high_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 64);
}

int engine_join(const struct cgroup_join *join)
{
	for (size_t i = 0; i < join->nr_task_fds; i++)
		if (write(join->task_fds[i], "0", 1) != 1)
			return -errno;
	return 0;
}

pid_t engine_pid_of(int pidfd)
{
	char path[64], line[128];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	fclose(f);
	return pid;
}
