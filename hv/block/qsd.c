/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other formats than raw: a qemu-storage-daemon for each image, which we speak NBD to. It lives as long as we
 * have the image open; those of a predecessor are ended before anything is opened, so that nothing of its is written
 * any more when requests are done again. (Its export by FUSE needs no client, but mixes up writes that are in work
 * at a time, at least in QEMU 7.2 to 10.0.)
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/child.h"
#include "base/file.h"
#include "base/rundir.h"
#include "hv/block/nbd.h"
#include "hv/block/qsd.h"

#define STOP_MS 5000
#define SUFFIX	".child"

/* As xl calls them, and as QEMU does. */
static const char *driver_of(const char *format)
{
	static const char *const drivers[][2] = { { "qcow2", "qcow2" }, { "qcow", "qcow" },
						  { "qed", "qed" },	{ "vhd", "vpc" },
						  { "vmdk", "vmdk" },	{ "vdi", "vdi" } };

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(format, drivers[i][0]))
			return drivers[i][1];
	return NULL;
}

static void child_name(const char *name, char child[PATH_MAX])
{
	snprintf(child, PATH_MAX, "%s/%.64s", RUNDIR_BLKBACK, name);
}

static void file_of(const char *rundir, const char *name, const char *suffix, char path[PATH_MAX])
{
	char below[128];

	snprintf(below, sizeof(below), "%s/%.64s%s", RUNDIR_BLKBACK, name, suffix);
	rundir_file(path, rundir, below);
}

/* The first thing it said. */
static void read_reason(const char *rundir, const char *name, char *text, size_t size)
{
	char path[PATH_MAX], line[512] = "", *said;
	FILE *f;

	file_of(rundir, name, ".log", path);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		line[strcspn(line, "\n")] = '\0';
	if (f)
		fclose(f);
	/* "qemu-storage-daemon: --blockdev {...}: what is wrong" */
	said = strstr(line, "}: ");
	snprintf(text, size, "%.190s", said ? said + 3 : *line ? line : "it ended without a word");
}

static char *dump(json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

static int start(const struct blk_image_spec *spec, const char *driver, const char *socket)
{
	const char *discard = spec->no_discard ? "ignore" : "unmap";
	char *dev = dump(json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s, s:b, s:s, s:s}}", "node-name",
				   "disk", "driver", driver, "read-only", spec->readonly, "discard",
				   discard, "file", "driver",
				   file_is_block_device(spec->path) ? "host_device" : "file",
				   "filename", spec->path, "read-only", spec->readonly, "discard",
				   discard, "locking", spec->shared ? "off" : "auto"));
	char *server = dump(json_pack("{s:{s:s, s:s}}", "addr", "type", "unix", "path", socket));
	char *export = dump(json_pack("{s:s, s:s, s:s, s:s, s:b}", "type", "nbd", "id", "disk",
				      "node-name", "disk", "name", NBD_EXPORT, "writable",
				      !spec->readonly));
	const char *argv[] = { "qemu-storage-daemon",
			       "--blockdev",
			       dev,
			       "--nbd-server",
			       server,
			       "--export",
			       export,
			       NULL };
	char child[PATH_MAX], log[PATH_MAX];
	struct child_spec c = { .rundir = spec->rundir, .name = child, .argv = argv };
	int rc = dev && server && export ? 0 : -ENOMEM;

	child_name(spec->name, child);
	/* What an earlier one said is not this one's reason. */
	file_of(spec->rundir, spec->name, ".log", log);
	unlink(log);
	unlink(socket);
	if (!rc)
		rc = child_start(&c, NULL);
	free(dev);
	free(server);
	free(export);
	return rc;
}

static int fail(char why[BLK_WHY_MAX], int rc, const char *path, const char *text)
{
	snprintf(why, BLK_WHY_MAX, "%.100s: %.200s", path, text);
	return rc;
}

int blk_qsd_open(const struct blk_image_spec *spec, bool begun, struct blk_qsd *qsd,
		 char why[BLK_WHY_MAX])
{
	const char *driver = driver_of(spec->format);
	char child[PATH_MAX], socket[PATH_MAX], reason[200];
	struct nbd_export export = { 0 };
	int rc;

	if (!driver)
		return fail(why, -EINVAL, spec->path,
			    "unknown format; allowed: raw, qcow2, qcow, qed, vhd, vmdk, vdi");
	child_name(spec->name, child);
	file_of(spec->rundir, spec->name, ".nbd", socket);
	snprintf(qsd->socket, sizeof(qsd->socket), "%.107s", socket);
	if (!begun) {
		rc = start(spec, driver, socket);
		if (!rc)
			return -EINPROGRESS;
		return fail(why, rc, spec->path,
			    rc == -ENOENT ? "this format needs qemu-storage-daemon: apt install "
					    "qemu-system-common"
					  : strerror(-rc));
	}
	if (child_find(spec->rundir, child, NULL)) {
		read_reason(spec->rundir, spec->name, reason, sizeof(reason));
		/* Another has it: it may let go. */
		return fail(why, strstr(reason, "\" lock") ? -EAGAIN : -EIO, spec->path, reason);
	}
	rc = nbd_connect(socket, &export);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return -EINPROGRESS;
	if (rc < 0)
		return fail(why, rc, spec->path, "its qemu-storage-daemon does not serve it");
	qsd->fd = rc;
	qsd->size = export.size;
	qsd->discard = export.flags & NBD_FLAG_SEND_TRIM;
	return 0;
}

void blk_qsd_stop(const char *rundir, const char *name)
{
	static const char *const suffixes[] = { ".nbd", ".log" };
	char child[PATH_MAX], path[PATH_MAX];

	child_name(name, child);
	child_stop(rundir, child, STOP_MS);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		file_of(rundir, name, suffixes[i], path);
		unlink(path);
	}
}

void blk_qsd_stop_all(const char *rundir)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	rundir_file(path, rundir, RUNDIR_BLKBACK);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len <= strlen(SUFFIX) || strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX))
			continue;
		entry->d_name[len - strlen(SUFFIX)] = '\0';
		blk_qsd_stop(rundir, entry->d_name);
	}
	if (dir)
		closedir(dir);
}
