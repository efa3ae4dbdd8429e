/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Core dumps: of a guest that crashed where its config says coredump-*, into a folder of ours, and of any
 * by the operator's wish. The engine writes; a disk that would be filled up gets none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "hv/tool_priv.h"

#define DUMP_DIR  "/var/lib/vifrost/dump"
#define SPARE_MIB 64 /* left over of the disk */

struct dump {
	struct tool *tool;
	uint16_t domid;
	bool crashed;
	struct rpc_call *call;
	char path[PATH_MAX];
};

static const char *dump_dir(void)
{
	const char *dir = getenv("VIFROST_DUMP_DIR");

	return dir && *dir ? dir : DUMP_DIR;
}

static int make_dir(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", dir);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

static int check_room(int fd, unsigned int mib, char why[TOOL_WHY])
{
	struct statvfs fs;
	unsigned long long there;

	if (fstatvfs(fd, &fs))
		return -errno;
	there = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
	if (there >= mib + SPARE_MIB)
		return 0;
	snprintf(why, TOOL_WHY,
		 "%u MiB are needed, and %llu are free: make room, or use another "
		 "folder",
		 mib + SPARE_MIB, there);
	return -ENOSPC;
}

static void say(const struct dump *dump, int rc, const char *why)
{
	const struct tool_domain *d = tool_find(dump->tool, dump->domid);

	tool_event(dump->tool, rc ? LOG_LEVEL_ERR : LOG_LEVEL_NOTICE, "domain %u (%s): %s %s%s%s",
		   dump->domid, d ? tool_name(d) : "gone",
		   rc ? "its core is not dumped to" : "its core is dumped to", dump->path,
		   rc ? ": " : "",
		   !rc	  ? ""
		   : *why ? why
			  : strerror(-rc));
}

/* Frees @dump. */
static void finish(struct dump *dump, int rc, const char *why)
{
	struct tool_domain *d = tool_find(dump->tool, dump->domid);

	say(dump, rc, why);
	if (rc && rc != -EEXIST)
		unlink(dump->path);
	if (dump->call)
		tool_rpc_answer(dump->call, rc, why);
	if (dump->crashed && d && d->state == TOOL_SHUTDOWN && d->acting)
		tool_domain_act(d);
	free(dump);
}

static void done(void *arg, int rc)
{
	finish(arg, rc, "");
}

static void begin(struct tool_domain *d, struct dump *dump)
{
	unsigned int mib = tool_config_number(
		d->config, "maxmem", tool_config_number(d->config, "memory", TOOL_MEMORY_MIB));
	struct engine_question q = { .what = ENGINE_DUMP_CORE, .done = done, .done_arg = dump };
	char why[TOOL_WHY] = "";
	int rc = 0;

	q.fd = open(dump->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (q.fd < 0)
		rc = -errno;
	if (!rc)
		rc = check_room(q.fd, mib, why);
	if (!rc)
		rc = tool_host_ask(&d->tool->host, d->domid, &q);
	if (q.fd >= 0)
		close(q.fd);
	if (rc)
		finish(dump, rc, why);
}

static struct dump *new_dump(struct tool_domain *d)
{
	struct dump *dump = calloc(1, sizeof(*dump));

	if (!dump)
		return NULL;
	dump->tool = d->tool;
	dump->domid = d->domid;
	return dump;
}

void tool_dump_crashed(struct tool_domain *d)
{
	struct dump *dump = new_dump(d);
	time_t now = time(NULL);
	char when[32];
	struct tm tm;
	int rc;

	if (!dump) {
		tool_domain_act(d);
		return;
	}
	dump->crashed = true;
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(dump->path, sizeof(dump->path), "%s/%s-%s-%u.core", dump_dir(), tool_name(d), when,
		 d->domid);
	rc = make_dir(dump_dir());
	if (rc)
		finish(dump, rc, "");
	else
		begin(d, dump);
}

void tool_dump(struct tool_domain *d, const char *path, struct rpc_call *call)
{
	struct dump *dump = new_dump(d);

	if (!dump) {
		tool_rpc_answer(call, -ENOMEM, NULL);
		return;
	}
	dump->call = call;
	snprintf(dump->path, sizeof(dump->path), "%s", path);
	begin(d, dump);
}
