/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int rundir_resolve(const char *option, char path[RUNDIR_MAX])
{
	const char *dir = option ? option : getenv("VIFROST_RUN_DIR");

	if (!dir || !*dir)
		dir = RUNDIR_DEFAULT;
	if (dir[0] != '/')
		return -EINVAL;
	if (strlen(dir) >= RUNDIR_MAX)
		return -ENAMETOOLONG;
	strcpy(path, dir);
	return 0;
}

int rundir_create(const char *path)
{
	struct stat st;

	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

void rundir_file(char out[PATH_MAX], const char *rundir, const char *name)
{
	snprintf(out, PATH_MAX, "%s/%s", rundir, name);
}

int pidfile_take(const char *rundir, const char *name, pid_t *holder)
{
	char path[PATH_MAX], text[16] = "";
	int fd, n;

	snprintf(path, sizeof(path), "%s/%s.pid", rundir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int rc = errno == EWOULDBLOCK ? -EBUSY : -errno;

		if (holder) {
			n = (int)read(fd, text, sizeof(text) - 1);
			*holder = n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
		}
		close(fd);
		return rc;
	}
	n = pidfile_adopt(fd);
	if (n) {
		close(fd);
		return n;
	}
	return fd;
}

int pidfile_adopt(int fd)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	errno = 0;
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return errno ? -errno : -EIO;
	return 0;
}

static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(addr.sun_path))
		return;
	strcpy(addr.sun_path, path);
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0) {
		/* Nobody listens: then nobody waits either. */
	}
	close(fd);
}

void notify_ready(void)
{
	notify("READY=1");
}

void notify_main_pid(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "MAINPID=%d", (int)pid);
	notify(text);
}
