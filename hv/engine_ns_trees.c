/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an ns guest sees of the host's file systems: private, read-only clones of the mount at its root
 * and of the real file systems mounted below, made with our rights and handed to vifrost-nsinit. Pseudo
 * file systems stay out, and with them the host's processes, control groups and namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hv/engine_ns.h"

static const char *const pseudo_types[] = {
	"proc",	      "sysfs",	    "devtmpfs",	 "devpts",	"cgroup",   "cgroup2",
	"mqueue",     "nsfs",	    "autofs",	 "debugfs",	"tracefs",  "bpf",
	"pstore",     "securityfs", "configfs",	 "hugetlbfs",	"efivarfs", "ramfs",
	"rpc_pipefs", "fusectl",    "selinuxfs", "binfmt_misc", NULL,
};

/* Covered in the guest, see hv/nsinit/root.c. */
static const char *const covered[] = { "proc", "sys", "dev", "run", "tmp", "var", NULL };

int ns_tree_clone(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV,
				   .propagation = MS_PRIVATE };
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
	    rc;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static bool in_list(const char *const *list, const char *word, size_t len)
{
	for (; *list; list++)
		if (strlen(*list) == len && !memcmp(*list, word, len))
			return true;
	return false;
}

/* \040 and the like, in place. */
static void unescape(char *text)
{
	char *out = text;

	for (char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
			*out++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
}

static bool already_there(const struct ns_trees *t, const char *below)
{
	const char *p = t->paths;

	for (uint32_t i = 0; i < t->nr; i++, p += strlen(p) + 1)
		if (!strcmp(p, below))
			return true;
	return false;
}

static bool add_tree(struct ns_trees *t, const char *path, const char *below)
{
	size_t size = strlen(below) + 1;
	int fd;

	if (t->nr == NS_MAX_TREES || t->size + size > sizeof(t->paths) || already_there(t, below))
		return false;
	fd = ns_tree_clone(path);
	if (fd < 0)
		return false;
	memcpy(t->paths + t->size, below, size);
	t->size += size;
	t->fds[t->nr++] = fd;
	return true;
}

/* A line of /proc/self/mountinfo: "36 35 98:0 /root /mount/point options - type source options". */
static void add_mount(struct ns_trees *t, const char *root, char *line)
{
	char *dash = strstr(line, " - "), *point = line, *end;
	const char *below;
	size_t len = strlen(root);

	for (int i = 0; point && i < 4; i++) {
		point = strchr(point, ' ');
		point = point ? point + 1 : NULL;
	}
	if (!point || !dash || !(end = strchr(point, ' ')))
		return;
	*end = '\0';
	unescape(point);
	dash += 3;
	if (in_list(pseudo_types, dash, strcspn(dash, " ")) || !strncmp(dash, "fuse.", 5))
		return;
	if (len == 1)
		len = 0;
	if (strncmp(point, root, len) || point[len] != '/' || !point[len + 1])
		return;
	below = point + len + 1;
	if (!in_list(covered, below, strcspn(below, "/")))
		add_tree(t, point, below);
}

int ns_trees_open(const char *root, struct ns_trees *t, char why[ENGINE_WHY])
{
	char path[PATH_MAX], *line = NULL;
	size_t capacity = 0;
	FILE *f;

	*t = (struct ns_trees){ 0 };
	if (!realpath(root, path) || !add_tree(t, path, "")) {
		int rc = errno ? -errno : -EINVAL;

		snprintf(why, ENGINE_WHY, "root %.128s: %s", root, strerror(-rc));
		return rc;
	}
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return 0;
	while (getline(&line, &capacity, f) > 0)
		add_mount(t, path, line);
	free(line);
	fclose(f);
	return 0;
}

void ns_trees_close(struct ns_trees *t)
{
	while (t->nr)
		close(t->fds[--t->nr]);
}
