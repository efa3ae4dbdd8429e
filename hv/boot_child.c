/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bootloader's process, from its birth to the program's first instruction. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hv/boot_priv.h"
#include "hv/engine_ns.h"

#define STAGING	   "/tmp" /* where the new root is put together: any folder that every system has */
#define CPU_S	   60
#define FILE_BYTES (256ull << 20)
#define AS_BYTES   (2048ull << 20)

/* What programs of a Debian need; where they are symbolic links, those. */
static const char *const roots[] = { "usr", "lib", "lib32", "lib64", "libx32", "bin" };

#define NR_ROOTS (sizeof(roots) / sizeof(roots[0]))

static void die(const struct boot_child *c, const char *what) __attribute__((noreturn));

static void die(const struct boot_child *c, const char *what)
{
	dprintf(c->log_fd, "%s: %s\n", what, strerror(errno));
	_exit(126);
}

static int attach(int tree, const char *path)
{
	return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* A device is to be opened through it. */
static int clone_image(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NOEXEC,
				   .propagation = MS_PRIVATE };
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd >= 0 && syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	return fd;
}

/* Below the new root, where we are. */
static void place_root(const struct boot_child *c, const char *name)
{
	char target[256], path[16];
	ssize_t n;
	int tree;

	snprintf(path, sizeof(path), "/%s", name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = '\0';
		if (symlink(target, name) < 0)
			die(c, path);
		return;
	}
	if (access(path, F_OK) < 0)
		return;
	tree = ns_tree_clone(path);
	errno = tree < 0 ? -tree : 0;
	if (tree < 0 || mkdir(name, 0755) < 0 || attach(tree, name) < 0)
		die(c, path);
}

/*
 * In the image's place: who is in our mount namespace sees it there, raw, and nobody else. The program may be another
 * user than root, to whom it is given. It is our child, being the first process of a namespace, and so ends with us.
 */
static void serve_image(const struct boot_child *c)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		dup2(c->log_fd, STDOUT_FILENO);
		execvp(c->server[0], (char *const *)c->server);
		die(c, c->server[0]);
	}
	if (pid < 0)
		die(c, c->server[0]);
	/* It says that it serves by going on in another process. */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* It has said why. */
	if (status)
		_exit(126);
	if (chown(c->image, c->uid, c->gid) < 0)
		die(c, c->image);
}

static void enter_root(const struct boot_child *c)
{
	int image;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die(c, "mount");
	if (c->server)
		serve_image(c);
	/* It may be where the new root goes. */
	image = clone_image(c->image);
	if (image < 0)
		die(c, c->image);
	if (mount("tmpfs", STAGING, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k") < 0 ||
	    chdir(STAGING) < 0)
		die(c, STAGING);
	for (size_t i = 0; i < NR_ROOTS; i++)
		place_root(c, roots[i]);
	if (mknod(&BOOT_IMAGE[1], S_IFREG | 0600, 0) < 0 || attach(image, &BOOT_IMAGE[1]) < 0)
		die(c, c->image);
	if (mkdir(&BOOT_DIR[1], 0755) < 0 || attach(c->out, &BOOT_DIR[1]) < 0)
		die(c, BOOT_DIR);
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die(c, "pivot_root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) <
	    0)
		die(c, "read-only root");
}

static void limit(const struct boot_child *c, int what, rlim_t value)
{
	struct rlimit l = { value, value }, is;

	if (!getrlimit((__rlimit_resource_t)what, &is) && is.rlim_max < value)
		return;
	if (setrlimit((__rlimit_resource_t)what, &l) < 0)
		die(c, "setrlimit");
}

/* Root's files may be root's alone: its user id is then all that is left of it. */
static void drop_rights(const struct boot_child *c)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (unsigned long cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			die(c, "capabilities");
	if (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
	    setresuid(c->uid, c->uid, c->uid) < 0)
		die(c, "the image's owner");
	if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		die(c, "privileges");
	limit(c, RLIMIT_CORE, 0);
	limit(c, RLIMIT_CPU, CPU_S);
	limit(c, RLIMIT_FSIZE, FILE_BYTES);
	limit(c, RLIMIT_AS, AS_BYTES);
}

/* No other process, which no limit of root's would hold up, and no user namespace with rights of its own. */
static void filter_calls(const struct boot_child *c)
{
	static const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* x32's numbers are other ones. */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, __X32_SYSCALL_BIT, 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fork, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_vfork, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]),
					    (struct sock_filter *)code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		die(c, "seccomp");
}

static void place_stdio(const struct boot_child *c)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(c->output_fd, STDOUT_FILENO) < 0 ||
	    dup2(c->log_fd, STDERR_FILENO) < 0)
		die(c, "/dev/null");
}

void boot_child_main(const struct boot_child *c)
{
	static char *const env[] = { "PATH=/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8",
				     "PYTHONDONTWRITEBYTECODE=1", NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* Nobody would wait for it any more. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	setsid();
	umask(077);
	place_stdio(c);
	enter_root(c);
	drop_rights(c);
	filter_calls(c);
	/* The change of user has taken it back. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	execve(c->argv[0], (char *const *)c->argv, env);
	die(c, c->argv[0]);
}
