/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/engine_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unixsock.h"
#include "hv/engine_process.h"

#define START_MS 5000 /* a machine so busy will not run the guest either */

/* From the first child to us. */
struct ns_report {
	int32_t error;
	char what[32];
};

/* What is open only while a guest is being started. */
struct ns_start_fds {
	int sync[2];	/* ours, the child's */
	int ready[2];	/* nsinit's, the front's */
	int started[2]; /* ours, nsinit's */
	struct ns_trees trees;
};

int ns_programs_open(struct ns_programs *p, char why[ENGINE_WHY])
{
	int rc;

	p->front_fd = p->init_fd = -1;
	rc = p->front_fd = engine_open_beside("vifrost-front", why);
	if (rc >= 0)
		rc = p->init_fd = engine_open_beside("vifrost-nsinit", why);
	if (rc < 0)
		goto out;
	rc = ns_seccomp_build(NS_FILTER_FRONT, p->front_filter, &p->nr_front_filter);
	if (!rc)
		rc = ns_seccomp_build(NS_FILTER_GUEST, p->guest_filter, &p->nr_guest_filter);
	if (!rc)
		rc = ns_seccomp_build(NS_FILTER_PROGRAM, p->program_filter, &p->nr_program_filter);
	if (rc < 0)
		snprintf(why, ENGINE_WHY, "seccomp: %s", strerror(-rc));
out:
	if (rc < 0)
		ns_programs_close(p);
	return rc;
}

void ns_programs_close(struct ns_programs *p)
{
	if (p->front_fd >= 0)
		close(p->front_fd);
	if (p->init_fd >= 0)
		close(p->init_fd);
	p->front_fd = p->init_fd = -1;
}

static void child_fail(const struct ns_start_fds *fds, const char *what)
{
	struct ns_report report = { .error = errno ? errno : EIO };

	snprintf(report.what, sizeof(report.what), "%s", what);
	unixsock_send(fds->sync[1], &report, sizeof(report), NULL, 0);
	_exit(1);
}

static void exec_nsinit(const struct ns_start *s, struct ns_start_fds *fds)
{
	static char *const argv[] = { "vifrost-nsinit", NULL }, *const env[] = { NULL };
	int exe = engine_high_fd(s->programs->init_fd), launch = engine_high_fd(s->launch_fd);
	int ready = engine_high_fd(fds->ready[0]), started = engine_high_fd(fds->started[1]);

	int program_socket = s->socket_fd >= 0 ? engine_high_fd(s->socket_fd) : -1;

	for (uint32_t i = 0; i < fds->trees.nr; i++)
		fds->trees.fds[i] = engine_high_fd(fds->trees.fds[i]);
	for (uint32_t i = 0; i < fds->trees.nr; i++)
		if (dup2(fds->trees.fds[i], NS_TREE_FD + (int)i) < 0)
			_exit(1);
	if (program_socket >= 0 && dup2(program_socket, NS_SOCKET_FD) < 0)
		_exit(1);
	if (exe >= 0 && dup2(launch, NS_LAUNCH_FD) >= 0 && dup2(ready, NS_READY_FD) >= 0 &&
	    dup2(started, NS_STARTED_FD) >= 0)
		execveat(exe, "", argv, env, AT_EMPTY_PATH);
	snprintf(s->launch->why, sizeof(s->launch->why), "vifrost-nsinit: %s", strerror(errno));
	s->launch->stage = NS_FAILED;
	_exit(1);
}

static int lock_front_down(const struct ns_programs *p)
{
	struct sock_fprog program = { (unsigned short)p->nr_front_filter,
				      (struct sock_filter *)p->front_filter };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (cap != CAP_NET_ADMIN && prctl(PR_CAPBSET_DROP, cap) < 0)
			return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return -errno;
	return 0;
}

static void exec_front(const struct ns_start *s, const struct ns_start_fds *fds)
{
	static char *const argv[] = { "vifrost-front", NULL }, *const env[] = { NULL };
	int exe = engine_high_fd(s->programs->front_fd), guest = engine_high_fd(s->guest_fd);
	int ready = engine_high_fd(fds->ready[1]);

	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(guest, 3) < 0 || dup2(ready, 4) < 0)
		_exit(1);
	if (lock_front_down(s->programs) < 0)
		_exit(1);
	execveat(exe, "", argv, env, AT_EMPTY_PATH);
	/* Seen as the front's death, which it is. */
	_exit(127);
}

static void exec_holder(const struct ns_start *s)
{
	static char *const argv[] = { "vifrost-nsinit", NS_HOLD, NULL }, *const env[] = { NULL };
	int exe = engine_high_fd(s->programs->init_fd);

	signal(SIGCHLD, SIG_IGN);
	if (lock_front_down(s->programs) < 0)
		_exit(1);
	execveat(exe, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

static int loopback_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (fd < 0)
		return -errno;
	rc = ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static void child_main(const struct ns_start *s, struct ns_start_fds *fds)
{
	struct ns_report report = { 0 };
	int pidfd = -1;
	sigset_t none;
	pid_t pid;
	char go;

	/* Ours would keep the child from hearing that its starter has died. */
	close(fds->sync[0]);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (engine_join(s->join) < 0)
		child_fail(fds, "cgroup");
	/* Until then no id is mapped, and nothing can be done. */
	if (read(fds->sync[1], &go, 1) != 1)
		_exit(1);
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		child_fail(fds, "user namespace");
	if (s->cpus && sched_setaffinity(0, sizeof(cpu_set_t), s->cpus) < 0)
		child_fail(fds, "cpus");
	if (sethostname(s->host_name, strlen(s->host_name)) < 0)
		child_fail(fds, "host name");
	if (loopback_up() < 0)
		child_fail(fds, "loopback");
	pid = engine_clone(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP, -1, &pidfd);
	if (pid == 0)
		exec_nsinit(s, fds);
	if (pid < 0)
		child_fail(fds, "pid namespace");
	if (unixsock_send(fds->sync[1], &report, sizeof(report), &pidfd, 1) < 0)
		_exit(1);
	if (s->guest_fd < 0)
		exec_holder(s);
	exec_front(s, fds);
}

static int write_map(pid_t pid, const char *file, uint16_t domid)
{
	char path[64], text[64];
	int fd, n, rc = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	n = snprintf(text, sizeof(text), "0 %u 65536", NS_UID_BASE(domid));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)n) != n)
		rc = -errno;
	close(fd);
	return rc;
}

/* Let the child go on, and hear how far it came. */
static int await_child(struct ns_start *s, pid_t pid, const struct ns_start_fds *fds,
		       char why[ENGINE_WHY])
{
	struct pollfd p = { .fd = fds->sync[0], .events = POLLIN };
	struct ns_report report;
	size_t nr_fds = 1;
	ssize_t n;
	int rc;

	rc = write_map(pid, "uid_map", s->domid);
	if (!rc)
		rc = write_map(pid, "gid_map", s->domid);
	if (!rc && send(fds->sync[0], "g", 1, MSG_NOSIGNAL) < 0)
		rc = -errno;
	if (rc < 0) {
		snprintf(why, ENGINE_WHY, "user namespace: %s", strerror(-rc));
		return rc;
	}
	if (poll(&p, 1, START_MS) <= 0) {
		snprintf(why, ENGINE_WHY, "its processes did not start within %d s",
			 START_MS / 1000);
		return -ETIMEDOUT;
	}
	n = unixsock_recv(fds->sync[0], &report, sizeof(report), &s->init_pidfd, &nr_fds);
	if (n != sizeof(report) || (!report.error && nr_fds != 1)) {
		snprintf(why, ENGINE_WHY, "its first process died while starting");
		return -EIO;
	}
	if (report.error) {
		report.what[sizeof(report.what) - 1] = '\0';
		snprintf(why, ENGINE_WHY, "%s: %s", report.what, strerror(report.error));
		return -report.error;
	}
	return 0;
}

/* Hear from vifrost-nsinit whether init can be executed. Needs nothing that only our loop would do. */
static int await_init(const struct ns_start *s, const struct ns_start_fds *fds,
		      char why[ENGINE_WHY])
{
	struct pollfd p = { .fd = fds->started[0], .events = POLLIN };
	char byte;

	if (poll(&p, 1, START_MS) <= 0) {
		snprintf(why, ENGINE_WHY, "init is not started within %d s", START_MS / 1000);
		return -ETIMEDOUT;
	}
	if (read(fds->started[0], &byte, 1) == 1)
		return 0;
	if (__atomic_load_n(&s->launch->stage, __ATOMIC_ACQUIRE) == NS_FAILED)
		snprintf(why, ENGINE_WHY, "%.*s", NS_LAUNCH_WHY - 1, s->launch->why);
	else
		snprintf(why, ENGINE_WHY, "vifrost-nsinit died while starting");
	return -EIO;
}

static void close_start_fds(struct ns_start_fds *fds)
{
	for (int i = 0; i < 2; i++) {
		if (fds->sync[i] >= 0)
			close(fds->sync[i]);
		if (fds->ready[i] >= 0)
			close(fds->ready[i]);
		if (fds->started[i] >= 0)
			close(fds->started[i]);
		fds->sync[i] = fds->ready[i] = fds->started[i] = -1;
	}
	ns_trees_close(&fds->trees);
}

static void undo_start(struct ns_start *s, pid_t pid)
{
	if (s->front_pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, s->front_pidfd, SIGKILL, NULL, 0);
		waitpid(pid, NULL, 0);
		close(s->front_pidfd);
	}
	if (s->init_pidfd >= 0)
		close(s->init_pidfd);
	s->front_pidfd = s->init_pidfd = -1;
}

int ns_start(struct ns_start *s, char why[ENGINE_WHY])
{
	struct ns_start_fds fds = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { .nr = 0 } };
	pid_t pid;
	int rc;

	s->front_pidfd = s->init_pidfd = -1;
	rc = ns_trees_open(s->launch->root, &fds.trees, why);
	if (rc < 0)
		return rc;
	s->launch->nr_trees = fds.trees.nr;
	memcpy(s->launch->trees, fds.trees.paths, fds.trees.size);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.sync) < 0 ||
	    pipe2(fds.ready, O_CLOEXEC) < 0 || pipe2(fds.started, O_CLOEXEC) < 0) {
		rc = -errno;
		snprintf(why, ENGINE_WHY, "%s", strerror(-rc));
		close_start_fds(&fds);
		return rc;
	}
	pid = engine_clone(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
			   s->join->v2_fd, &s->front_pidfd);
	if (pid == 0) {
		child_main(s, &fds);
		_exit(1);
	}
	if (pid < 0) {
		rc = -errno;
		s->front_pidfd = -1;
		snprintf(why, ENGINE_WHY, "namespaces: %s", strerror(-rc));
	} else {
		/* Closed here first, so that a dead child is heard as an end of file. */
		close(fds.sync[1]);
		close(fds.started[1]);
		fds.sync[1] = fds.started[1] = -1;
		rc = await_child(s, pid, &fds, why);
		if (!rc)
			rc = await_init(s, &fds, why);
	}
	if (rc < 0)
		undo_start(s, pid);
	else
		s->init_pid = engine_pid_of(s->init_pidfd);
	close_start_fds(&fds);
	return rc;
}
