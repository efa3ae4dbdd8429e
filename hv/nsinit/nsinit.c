/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vifrost-nsinit: the first process of an ns guest. Makes the guest's root, starts init on the console,
 * reaps what is orphaned, passes a shutdown on, reports how it ended. Linked statically, as there may be
 * no library to load in the guest's root, and to be small: every guest has one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "hv/nsinit/nsinit.h"

#define CONSOLE_FD 5

void nsinit_fail(struct ns_launch *l, const char *what, const char *detail, int error)
{
	snprintf(l->why, sizeof(l->why), "%s %s: %s", what, detail, strerror(error));
	__atomic_store_n(&l->stage, NS_FAILED, __ATOMIC_RELEASE);
	_exit(1);
}

static struct ns_launch *take_launch(void)
{
	struct ns_launch *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED,
				   NS_LAUNCH_FD, 0);

	if (l == MAP_FAILED || l->magic != NS_LAUNCH_MAGIC)
		_exit(1);
	close(NS_LAUNCH_FD);
	return l;
}

/* A guest without its network starts all the same: then init sees to what is missing. */
static void wait_for_network(void)
{
	struct pollfd p = { .fd = NS_READY_FD, .events = POLLIN };

	poll(&p, 1, NS_READY_MS);
	close(NS_READY_FD);
}

/* What a container's root may do within its own namespaces. */
static const int kept_caps[] = {
	CAP_CHOWN,     CAP_DAC_OVERRIDE, CAP_FOWNER,	       CAP_FSETID,
	CAP_KILL,      CAP_SETGID,	 CAP_SETUID,	       CAP_SETPCAP,
	CAP_NET_ADMIN, CAP_NET_RAW,	 CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT
};

static int drop_caps(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		size_t i = 0, nr = sizeof(kept_caps) / sizeof(kept_caps[0]);

		while (i < nr && kept_caps[i] != cap)
			i++;
		if (i == nr && prctl(PR_CAPBSET_DROP, cap) < 0)
			return -errno;
	}
	return 0;
}

static int lock_down(struct ns_launch *l)
{
	struct sock_fprog program = { (unsigned short)l->nr_filter, l->filter };
	int rc = drop_caps();

	if (rc < 0)
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return -errno;
	return 0;
}

static void run_init(struct ns_launch *l, int report_fd)
{
	static char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp",
		"TERM=linux", "container=vifrost", NULL
	};
	static char *argv[NS_LAUNCH_ARGS / 2 + 1];
	char *p = l->args;
	sigset_t none;
	int error;

	for (uint32_t i = 0; i < l->nr_args; i++, p += strlen(p) + 1)
		argv[i] = p;
	setsid();
	if (ioctl(CONSOLE_FD, TIOCSCTTY, 0) < 0 || dup2(CONSOLE_FD, 0) < 0 ||
	    dup2(CONSOLE_FD, 1) < 0 || dup2(CONSOLE_FD, 2) < 0)
		goto out;
	close(CONSOLE_FD);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* So that the kernel stops it between its execution and its first instruction. */
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		goto out;
	error = -lock_down(l);
	if (error) {
		errno = error;
		goto out;
	}
	execve(argv[0], argv, env);
out:
	error = errno;
	if (write(report_fd, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(127);
}

static void wait_until_let_go(const struct ns_launch *l, const sigset_t *signals)
{
	/* A SIGTERM before main() blocked it is lost: a namespace's first process ignores what it can. */
	if (__atomic_load_n(&l->grace_ms, __ATOMIC_ACQUIRE))
		_exit(0);
	while (__atomic_load_n(&l->hold, __ATOMIC_ACQUIRE))
		if (sigwaitinfo(signals, NULL) == SIGTERM)
			_exit(0);
}

/* Execute init, which then stands still: whether it can be is known before anything is waited for. */
static pid_t start_init(struct ns_launch *l)
{
	int report[2], error, status;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		nsinit_fail(l, "pipe", "", errno);
	pid = fork();
	if (pid < 0)
		nsinit_fail(l, "fork", "", errno);
	if (pid == 0)
		run_init(l, report[1]);
	close(report[1]);
	if (read(report[0], &error, sizeof(error)) == sizeof(error))
		nsinit_fail(l, "init", l->args, error);
	close(report[0]);
	/* The kernel kills what it finds broken only when the old program is gone already. */
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		nsinit_fail(l, "init", l->args, ENOEXEC);
	return pid;
}

static void tell_started(struct ns_launch *l)
{
	__atomic_store_n(&l->stage, NS_STARTED, __ATOMIC_RELEASE);
	if (write(NS_STARTED_FD, "", 1) != 1)
		_exit(1);
	close(NS_STARTED_FD);
}

static void let_go(struct ns_launch *l, pid_t init)
{
	/* Not there any more only if it was killed meanwhile, which wait_for_end() sees. */
	ptrace(PTRACE_DETACH, init, NULL, NULL);
	__atomic_store_n(&l->stage, NS_RUNNING, __ATOMIC_RELEASE);
}

static void wait_for_end(struct ns_launch *l, pid_t init, const sigset_t *signals)
{
	uint64_t deadline_ms = 0; /* CLOCK_MONOTONIC; orphans that die do not put it off */
	int status;

	for (;;) {
		uint64_t now = clock_ms(), left = deadline_ms > now ? deadline_ms - now : 0;
		struct timespec timeout = { (time_t)(left / 1000), (long)(left % 1000) * 1000000 };
		int signo = sigtimedwait(signals, NULL, deadline_ms ? &timeout : NULL);
		pid_t pid;

		if (signo == SIGTERM && !deadline_ms) {
			deadline_ms = clock_ms() + l->grace_ms;
			kill(init, SIGTERM);
		}
		if (deadline_ms && clock_ms() >= deadline_ms)
			kill(init, SIGKILL);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid != init)
				continue;
			l->status = status;
			__atomic_store_n(&l->stage, NS_EXITED, __ATOMIC_RELEASE);
			/* The kernel ends all that is left of the namespace. */
			_exit(0);
		}
	}
}

/* In the place of a front that is not there: keeps the namespaces and, by its end, ends the guest. */
static void hold_namespaces(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	close_range(0, ~0u, 0);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct ns_launch *l;
	sigset_t signals;
	pid_t init;
	int fd;

	if (argc > 1 && !strcmp(argv[1], NS_HOLD))
		hold_namespaces();
	l = take_launch();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	setsid();
	nsinit_enter_root(l);
	fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0 || (fd != CONSOLE_FD && dup2(fd, CONSOLE_FD) < 0))
		nsinit_fail(l, "console", "/dev/console", errno);
	if (fd != CONSOLE_FD)
		close(fd);
	for (fd = 0; fd < 3; fd++)
		dup2(CONSOLE_FD, fd);
	fcntl(NS_READY_FD, F_SETFD, FD_CLOEXEC);
	fcntl(NS_STARTED_FD, F_SETFD, FD_CLOEXEC);
	close_range(NS_STARTED_FD + 1, ~0u, 0);
	init = start_init(l);
	tell_started(l);
	wait_for_network();
	wait_until_let_go(l, &signals);
	let_go(l, init);
	wait_for_end(l, init, &signals);
}
