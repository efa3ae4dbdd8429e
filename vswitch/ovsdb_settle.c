/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Until ovs-vswitchd's datapath has forgotten what it had cached of flows from before: over the socket that
 * ovs-appctl(8) uses, JSON-RPC without an end of line.
 */
#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SETTLE_MS  1000
#define ANSWER_MAX 1024

static int find_socket(const struct ovs *ovs, char *path, size_t size)
{
	char name[PATH_MAX + 32];
	unsigned int pid = 0;
	FILE *f;

	/* Ours; else the system's, which has its number in the name. */
	snprintf(path, size, "%s/ovs-vswitchd.ctl", ovs->dir);
	if (!access(path, F_OK))
		return 0;
	snprintf(name, sizeof(name), "%s/ovs-vswitchd.pid", ovs->dir);
	f = fopen(name, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%10u", &pid) != 1)
		pid = 0;
	fclose(f);
	snprintf(path, size, "%s/ovs-vswitchd.%u.ctl", ovs->dir, pid);
	return pid ? 0 : -ENOENT;
}

/* @fd: taken over. Return: 0; -errno. */
static int ask(int fd, const struct sockaddr_un *to)
{
	static const char request[] = "{\"id\":0,\"method\":\"revalidator/wait\",\"params\":[]}";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char answer[ANSWER_MAX];
	size_t len = 0;
	ssize_t got = 0;
	json_t *json = NULL;
	int rc = 0;

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		rc = -errno;
	while (!rc && !json && len < sizeof(answer)) {
		if (poll(&p, 1, SETTLE_MS) <= 0)
			rc = -ETIMEDOUT;
		else
			got = recv(fd, answer + len, sizeof(answer) - len, MSG_DONTWAIT);
		if (!rc && got <= 0)
			rc = -EIO;
		len += rc ? 0 : (size_t)got;
		json = rc ? NULL : json_loadb(answer, len, 0, NULL);
	}
	if (!rc && (!json || !json_is_null(json_object_get(json, "error"))))
		rc = -EPROTO;
	json_decref(json);
	close(fd);
	return rc;
}

int ovs_settle(const struct ovs *ovs)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char path[PATH_MAX + 32];
	int rc = find_socket(ovs, path, sizeof(path));
	int fd;

	if (rc)
		return rc;
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : ask(fd, &to);
}
