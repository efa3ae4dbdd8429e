/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/hvm/hvm_start.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COPY_MAX (1ll << 30) /* bytes of a kernel or ramdisk */
#define FD_HIGH	 128	     /* above all numbers that QEMU is given */
#define NR_FDS	 (HVM_MAX_FILES + HVM_MAX_NICS)

/* From the child to us, when it does not come to execute QEMU. */
struct report {
	int32_t error;
	char why[ENGINE_WHY];
};

/* Descriptors and the numbers that they are to have in QEMU. */
struct fds {
	int fd[NR_FDS], number[NR_FDS];
	const char *copy[NR_FDS]; /* its path, where QEMU is to have a copy */
	unsigned int nr;
	int qmp[2], log[2], report[2]; /* ours, QEMU's */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int hvm_open_file(const char *path, bool writable, char why[ENGINE_WHY])
{
	int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
	struct stat st;

	if (fd < 0) {
		rc = -errno;
		snprintf(why, ENGINE_WHY, "%.160s cannot be opened%s: %s", path,
			 writable ? " for writing" : "", strerror(-rc));
		return rc;
	}
	if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))) {
		snprintf(why, ENGINE_WHY, "%.160s is neither a regular file nor a block device",
			 path);
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static int open_files(const struct hvm_args *args, struct fds *fds, char why[ENGINE_WHY])
{
	for (unsigned int i = 0; i < args->nr_files; i++) {
		const struct hvm_file *f = &args->files[i];
		int fd = hvm_open_file(f->path, f->writable, why);

		if (fd < 0)
			return fd;
		fds->copy[fds->nr] = f->copy ? f->path : NULL;
		fds->number[fds->nr] = f->fd;
		fds->fd[fds->nr++] = fd;
	}
	for (unsigned int i = 0; i < args->nr_nics; i++) {
		int fd;

		if (args->nics[i].fd < 0)
			continue;
		fd = hvm_open_tap(&args->nics[i], why);
		if (fd < 0)
			return fd;
		fds->number[fds->nr] = args->nics[i].fd;
		fds->fd[fds->nr++] = fd;
	}
	return 0;
}

static int open_sockets(struct fds *fds)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds->qmp) < 0 ||
	    pipe2(fds->log, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    pipe2(fds->report, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* @hint: "", or what follows the cause. */
static void fail_hint(const struct fds *fds, const char *what, const char *hint)
{
	struct report report = { .error = errno ? errno : EIO };

	snprintf(report.why, sizeof(report.why), "%.160s: %s%s", what, strerror(report.error),
		 hint);
	/* In one piece: a pipe takes so much, and it is empty. */
	if (write(fds->report[1], &report, sizeof(report)) < 0)
		_exit(2);
	_exit(1);
}

static void fail(const struct fds *fds, const char *what)
{
	fail_hint(fds, what, "");
}

/* One that QEMU's user may open once more by /proc/self/fd. It may take its time: here it holds up nobody. */
static int copy_file(int from)
{
	int to = memfd_create("vifrost-hvm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t at = 0;
	struct stat st;

	if (to < 0 || fstat(from, &st) < 0)
		return -1;
	errno = EINVAL;
	if (!S_ISREG(st.st_mode) || !st.st_size || st.st_size > COPY_MAX)
		return -1;
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));

		if (n == 0)
			errno = EIO;
		if (n <= 0 && (n == 0 || errno != EINTR))
			return -1;
	}
	return fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) < 0 ? -1 : to;
}

static void copy_files(struct fds *fds)
{
	for (unsigned int i = 0; i < fds->nr; i++) {
		int copy = fds->copy[i] ? copy_file(fds->fd[i]) : fds->fd[i];

		if (copy < 0)
			fail_hint(fds, fds->copy[i],
				  errno == EINVAL ? "; a file of 1 byte to 1 GiB is wanted" : "");
		fds->fd[i] = copy;
	}
}

/* Everything to its number, through numbers that are nobody's. */
static void place_fds(struct fds *fds, int null_fd)
{
	int report = fcntl(fds->report[1], F_DUPFD_CLOEXEC, FD_HIGH);
	int qmp = fcntl(fds->qmp[1], F_DUPFD_CLOEXEC, FD_HIGH);
	int log = fcntl(fds->log[1], F_DUPFD_CLOEXEC, FD_HIGH);
	bool good = report >= 0 && qmp >= 0 && log >= 0;

	for (unsigned int i = 0; i < fds->nr && good; i++) {
		fds->fd[i] = fcntl(fds->fd[i], F_DUPFD_CLOEXEC, FD_HIGH);
		good = fds->fd[i] >= 0;
	}
	if (!good)
		fail(fds, "descriptors");
	fds->report[1] = report;
	good = dup2(null_fd, 0) >= 0 && dup2(log, 1) >= 0 && dup2(log, 2) >= 0 &&
	       dup2(qmp, HVM_FD_QMP) >= 0;
	for (unsigned int i = 0; i < fds->nr && good; i++)
		good = dup2(fds->fd[i], fds->number[i]) >= 0;
	/* What is left in between are ours, all of them close-on-exec. */
	if (!good)
		fail(fds, "descriptors");
}

/* /dev/kvm is its group's. */
static int drop_privileges(uid_t uid)
{
	struct rlimit none = { 0, 0 };
	struct stat st;
	gid_t kvm;
	int nr = stat("/dev/kvm", &st) == 0 ? 1 : 0;

	kvm = nr ? st.st_gid : 0;
	/* Not root's, whatever somebody has made of the device. */
	if (setgroups(nr && kvm ? 1 : 0, &kvm) < 0 || setresgid(uid, uid, uid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}

static void child_main(const struct hvm_start *s, struct fds *fds)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const char *program = s->args->program;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; i < s->join->nr_task_fds; i++)
		if (write(s->join->task_fds[i], "0", 1) != 1)
			fail(fds, "cgroup");
	if (null_fd < 0 || chdir("/") < 0)
		fail(fds, "/dev/null");
	if (s->cpus && sched_setaffinity(0, sizeof(cpu_set_t), s->cpus) < 0)
		fail(fds, "cpus");
	copy_files(fds);
	place_fds(fds, null_fd);
	umask(077);
	errno = -drop_privileges(s->uid);
	if (errno)
		fail(fds, "privileges");
	execve(program, (char *const *)s->args->argv, (char *const *)s->args->env);
	fail_hint(fds, program, errno == ENOENT ? "; install the package qemu-system-x86" : "");
}

/* Without libc's wrappers, whose locks another thread might hold; there is none, and will be none. */
static pid_t clone_process(int cgroup_fd, int *pidfd)
{
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_NEWNET | CLONE_NEWIPC |
					    CLONE_NEWUTS,
				   .pidfd = (uintptr_t)pidfd,
				   .exit_signal = SIGCHLD };

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* An end of file says that QEMU is executed, or that the process has died without a word. */
int hvm_start_report(int report_fd, char why[ENGINE_WHY])
{
	struct report report;
	ssize_t n = read(report_fd, &report, sizeof(report));

	if (n <= 0)
		return n == 0 ? 0 : errno == EAGAIN ? 1 : -errno;
	if (n != sizeof(report))
		return -EIO;
	snprintf(why, ENGINE_WHY, "%.*s", ENGINE_WHY - 1, report.why);
	return report.error > 0 ? -report.error : -EIO;
}

static void close_fds(struct fds *fds)
{
	for (unsigned int i = 0; i < fds->nr; i++)
		close_fd(&fds->fd[i]);
	for (int i = 0; i < 2; i++) {
		close_fd(&fds->qmp[i]);
		close_fd(&fds->log[i]);
		close_fd(&fds->report[i]);
	}
}

static int run(struct hvm_start *s, struct fds *fds, char why[ENGINE_WHY])
{
	int rc;

	s->pid = clone_process(s->join->v2_fd, &s->pidfd);
	if (s->pid == 0) {
		child_main(s, fds);
		_exit(1);
	}
	if (s->pid < 0) {
		rc = -errno;
		s->pidfd = -1;
		snprintf(why, ENGINE_WHY, "QEMU's process: %s", strerror(-rc));
		return rc;
	}
	return 0;
}

int hvm_start(struct hvm_start *s, char why[ENGINE_WHY])
{
	struct fds fds = { .qmp = { -1, -1 }, .log = { -1, -1 }, .report = { -1, -1 } };
	int rc;

	s->qmp_fd = s->log_fd = s->report_fd = s->pidfd = -1;
	rc = open_files(s->args, &fds, why);
	if (rc < 0)
		goto out;
	rc = open_sockets(&fds);
	if (rc < 0) {
		snprintf(why, ENGINE_WHY, "%s", strerror(-rc));
		goto out;
	}
	rc = run(s, &fds, why);
	if (rc < 0)
		goto out;
	s->qmp_fd = fds.qmp[0];
	s->log_fd = fds.log[0];
	s->report_fd = fds.report[0];
	fds.qmp[0] = fds.log[0] = fds.report[0] = -1;
out:
	close_fds(&fds);
	return rc;
}
