/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's root: the read-only clones that vifrost-hvd made, with /proc, /sys and /dev covered by the
 * guest's own, /tmp, /run and /var by empty file systems.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hv/nsinit/nsinit.h"

/* Where the new root is put together: any folder that every system has. */
#define STAGING "/tmp"

static const char *const device_nodes[] = { "null",    "zero", "full",	 "random",
					    "urandom", "tty",  "net/tun" };

#define NR_NODES (sizeof(device_nodes) / sizeof(device_nodes[0]))

static int clone_mount(const char *path)
{
	return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int attach_tree(int fd, const char *path)
{
	return (int)syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static void stage_root(struct ns_launch *l)
{
	char path[NS_TREE_PATHS + sizeof(STAGING) + 1];
	const char *below = l->trees;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		nsinit_fail(l, "mount", "/", errno);
	for (uint32_t i = 0; i < l->nr_trees; i++, below += strlen(below) + 1) {
		int fd = NS_TREE_FD + (int)i;

		snprintf(path, sizeof(path), STAGING "/%s", below);
		/* What is mounted where a guest cannot go is nothing that it misses. */
		if (attach_tree(fd, path) < 0 && i == 0)
			nsinit_fail(l, "root", l->root, errno);
		close(fd);
	}
	if (chdir(STAGING) < 0)
		nsinit_fail(l, "root", l->root, errno);
}

static void mount_on(struct ns_launch *l, const char *type, const char *path, unsigned long flags,
		     const char *options, bool needed)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		/* Behind a symbolic link there is nothing of the host's to cover. */
		if (needed)
			nsinit_fail(l, "the root has no folder", path, ENOENT);
		return;
	}
	if (mount(type, path, type, flags, options) < 0)
		nsinit_fail(l, "mount", path, errno);
}

static void mount_nodes(struct ns_launch *l, const int nodes[NR_NODES], int console)
{
	char path[64];

	if (mkdir("dev/net", 0755) < 0 || mkdir("dev/pts", 0755) < 0 || mkdir("dev/shm", 0755) < 0)
		nsinit_fail(l, "mkdir", "/dev", errno);
	for (size_t i = 0; i <= NR_NODES; i++) {
		int fd = i < NR_NODES ? nodes[i] : console;

		if (fd < 0)
			continue;
		snprintf(path, sizeof(path), "dev/%s", i < NR_NODES ? device_nodes[i] : "console");
		if (mknod(path, S_IFREG | 0600, 0) < 0 || attach_tree(fd, path) < 0)
			nsinit_fail(l, "device", path, errno);
		close(fd);
	}
	mount_on(l, "devpts", "dev/pts", MS_NOSUID | MS_NOEXEC,
		 "newinstance,ptmxmode=0666,mode=0620", true);
	mount_on(l, "tmpfs", "dev/shm", MS_NOSUID | MS_NODEV, "mode=1777,size=16m", true);
	if (symlink("pts/ptmx", "dev/ptmx") < 0 || symlink("/proc/self/fd", "dev/fd") < 0 ||
	    symlink("/proc/self/fd/0", "dev/stdin") < 0 ||
	    symlink("/proc/self/fd/1", "dev/stdout") < 0 ||
	    symlink("/proc/self/fd/2", "dev/stderr") < 0)
		nsinit_fail(l, "symlink", "/dev", errno);
}

static void mount_socket(struct ns_launch *l)
{
	if (mkdir("run/vifrost", 0755) < 0 || mknod(NS_GUEST_SOCKET, S_IFREG | 0600, 0) < 0 ||
	    attach_tree(NS_SOCKET_FD, NS_GUEST_SOCKET) < 0)
		nsinit_fail(l, "the hypercall socket", "/" NS_GUEST_SOCKET, errno);
	close(NS_SOCKET_FD);
}

void nsinit_enter_root(struct ns_launch *l)
{
	int nodes[NR_NODES], console;
	char path[64], options[64];

	umask(0);
	/* While the host's nodes can still be named. A host without one has guests without it. */
	for (size_t i = 0; i < NR_NODES; i++) {
		snprintf(path, sizeof(path), "/dev/%s", device_nodes[i]);
		nodes[i] = clone_mount(path);
	}
	console = clone_mount(l->tty);
	if (console < 0)
		nsinit_fail(l, "console", l->tty, errno);
	stage_root(l);
	snprintf(options, sizeof(options), "mode=1777,size=%um", l->tmpfs_mib);
	mount_on(l, "tmpfs", "tmp", MS_NOSUID | MS_NODEV, options, false);
	snprintf(options, sizeof(options), "mode=755,size=%um", l->tmpfs_mib);
	mount_on(l, "tmpfs", "run", MS_NOSUID | MS_NODEV, options, false);
	if (l->program)
		mount_socket(l);
	mount_on(l, "tmpfs", "var", MS_NOSUID | MS_NODEV, options, false);
	if (mkdir("var/tmp", 01777) < 0 || symlink("/run", "var/run") < 0) {
		/* A root of the user's without /var has none of these either. */
	}
	mount_on(l, "tmpfs", "dev", MS_NOSUID, "mode=755,size=64k", true);
	mount_nodes(l, nodes, console);
	mount_on(l, "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, true);
	mount_on(l, "sysfs", "sys", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL, false);
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		nsinit_fail(l, "pivot_root", l->root, errno);
	umask(022);
}
