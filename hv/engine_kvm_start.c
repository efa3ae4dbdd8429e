/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a runner: in namespaces of its own for network, mounts, ipc and host name, in the domain's
 * control group, with nothing open but what hv/kvm/launch.h lists. It becomes the domain's user and
 * gives up the rest by itself, before it looks at an image.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hv/engine_kvm.h"
#include "hv/engine_process.h"

#define NR_FDS (KVM_LAUNCH_IMAGE + 1)

static void place_fds(const int fds[NR_FDS])
{
	int high[NR_FDS];

	for (int i = 0; i < NR_FDS; i++) {
		high[i] = fds[i] < 0 ? -1 : engine_high_fd(fds[i]);
		if (fds[i] >= 0 && high[i] < 0)
			_exit(126);
	}
	for (int i = 0; i < NR_FDS; i++) {
		if (high[i] >= 0 && dup2(high[i], i) < 0)
			_exit(126);
		else if (high[i] < 0)
			close(i);
	}
}

static void run_child(struct engine_domain *d, const struct kvm_files *files,
		      const struct cgroup_join *join, int guest_fd, int control_fd)
{
	static char *const argv[] = { "vifrost-kvm", NULL }, *const env[] = { NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[NR_FDS] = { null,
			    null,
			    STDERR_FILENO,
			    [KVM_LAUNCH_FD] = d->fds[PART_LAUNCH],
			    [KVM_LAUNCH_HYPERCALL] = guest_fd,
			    [KVM_LAUNCH_CONTROL] = control_fd,
			    [KVM_LAUNCH_DEVICE] = files->device,
			    [KVM_LAUNCH_KERNEL] = files->kernel,
			    [KVM_LAUNCH_MODULE] = files->modules[0],
			    [KVM_LAUNCH_MODULE + 1] = files->modules[1],
			    [KVM_LAUNCH_IMAGE] = files->image };
	int exe = engine_high_fd(d->engine->runner_fd);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (engine_join(join) < 0)
		_exit(125);
	place_fds(fds);
	execveat(exe, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

static int open_control(struct engine_domain *d, int *control_fd_out)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	d->fds[PART_CONTROL] = pair[0];
	*control_fd_out = pair[1];
	return 0;
}

int kvm_start(struct engine_domain *d, const struct kvm_files *files,
	      const struct cgroup_join *join, char why[ENGINE_WHY])
{
	int guest_fd = -1, control_fd = -1, pidfd = -1, rc;
	pid_t pid;

	rc = engine_domain_socket(d, &guest_fd);
	if (!rc)
		rc = open_control(d, &control_fd);
	if (rc < 0)
		goto out;
	pid = engine_clone(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS, join->v2_fd,
			   &pidfd);
	if (pid == 0) {
		run_child(d, files, join, guest_fd, control_fd);
		_exit(1);
	}
	if (pid < 0) {
		rc = -errno;
		snprintf(why, ENGINE_WHY, "vifrost-kvm cannot be started: %s", strerror(-rc));
		goto out;
	}
	d->fds[PART_FIRST] = pidfd;
	d->record->init_pid = pid;
out:
	if (guest_fd >= 0)
		close(guest_fd);
	if (control_fd >= 0)
		close(control_fd);
	return rc;
}
