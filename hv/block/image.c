/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/parse.h"
#include "hv/block/qsd.h"

#define SECTOR 512u

static int fail(char why[BLK_WHY_MAX], int rc, const char *path, const char *text)
{
	snprintf(why, BLK_WHY_MAX, "%.160s: %s", path, text);
	return rc;
}

static const char *open_failure(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "no such file or device";
	case -EBUSY:
		return "the device is mounted, or part of another: unmount it, or attach it read-only";
	case -EROFS:
		return "it stands on a read-only file system: attach it read-only (access=ro)";
	case -EACCES:
	case -EPERM:
		return "it may not be opened: attach it read-only, or let vifrost-blkback write to it";
	default:
		return strerror(-rc);
	}
}

/* A whole disk's queue, or that of the disk a partition is of. */
static uint32_t device_limit(dev_t dev, const char *name)
{
	static const char *const above[] = { "", "../" };
	uint32_t value = 0;

	for (size_t i = 0; i < 2; i++) {
		char path[128], text[24] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev),
			 minor(dev), above[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f)) {
			uint64_t wide;

			text[strcspn(text, "\n")] = '\0';
			if (!parse_u64(text, UINT64_MAX, &wide))
				value = wide > UINT32_MAX ? UINT32_MAX : (uint32_t)wide;
		}
		fclose(f);
		break;
	}
	return value;
}

static int measure_device(struct blk_image *img, const struct stat *st)
{
	unsigned int physical = SECTOR;
	uint64_t size;

	if (ioctl(img->fd, BLKGETSIZE64, &size))
		return -errno;
	if (ioctl(img->fd, BLKPBSZGET, &physical))
		physical = SECTOR;
	img->is_device = true;
	img->size = size;
	img->physical_sector = physical;
	img->discard = !img->readonly && device_limit(st->st_rdev, "discard_max_bytes");
	img->discard_granularity = device_limit(st->st_rdev, "discard_granularity");
	return 0;
}

static int measure_file(struct blk_image *img, const struct stat *st)
{
	uint64_t end = ((uint64_t)st->st_size + 4095) & ~4095ull;

	img->size = (uint64_t)st->st_size;
	img->physical_sector = SECTOR;
	/* Behind its end there is nothing to lose, and its size is kept. */
	img->discard = !img->readonly &&
		       !fallocate(img->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)end,
				  4096);
	img->discard_granularity = 4096;
	return 0;
}

/* Without a cache, where requests of single sectors may go that way: tried, since nothing tells for sure. */
static bool set_direct(int fd)
{
	alignas(4096) static uint8_t buffer[8192];
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT))
		return false;
	if (pread(fd, buffer + SECTOR, SECTOR, SECTOR) >= 0)
		return true;
	fcntl(fd, F_SETFL, flags & ~O_DIRECT);
	return false;
}

static int open_fd(const struct blk_image_spec *spec, struct stat *st)
{
	/* A pipe must not keep us waiting. */
	int flags = (spec->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd, rc;

	if (stat(spec->path, st))
		return -errno;
	if (S_ISBLK(st->st_mode) && !spec->readonly && !spec->shared)
		flags |= O_EXCL;
	fd = open(spec->path, flags);
	if (fd < 0)
		return -errno;
	rc = fstat(fd, st) ? -errno : 0;
	if (!rc && !S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		rc = -ENOTBLK;
	if (!rc)
		rc = fcntl(fd, F_SETFL, spec->readonly ? O_RDONLY : O_RDWR) ? -errno : 0;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static int open_raw(struct blk_image *img, const struct blk_image_spec *spec, char why[BLK_WHY_MAX])
{
	struct stat st;
	int rc = 0, fd = open_fd(spec, &st);

	if (fd == -ENOTBLK)
		return fail(why, fd, spec->path, "neither a file nor a block device");
	if (fd < 0)
		return fail(why, fd, spec->path, open_failure(fd));
	img->fd = fd;
	img->readonly = spec->readonly;
	if (!spec->shared)
		rc = blk_lock(fd, !spec->readonly);
	if (rc == -EAGAIN || rc == -EACCES)
		return fail(why, -EAGAIN, spec->path,
			    spec->readonly ? "another guest or program writes to it"
					   : "another guest or program uses it: two would spoil it "
					     "(access=ro shares it among readers)");
	if (rc)
		return fail(why, rc, spec->path, "cannot be locked");
	rc = S_ISBLK(st.st_mode) ? measure_device(img, &st) : measure_file(img, &st);
	if (rc)
		return fail(why, rc, spec->path, "its size cannot be read");
	img->size &= ~(uint64_t)(SECTOR - 1);
	if (!img->size)
		return fail(why, -EINVAL, spec->path,
			    "it is empty: truncate -s 10G makes it a disk");
	img->discard &= !spec->no_discard;
	img->direct = set_direct(fd);
	return 0;
}

static int open_other(struct blk_image *img, const struct blk_image_spec *spec,
		      char why[BLK_WHY_MAX])
{
	struct blk_qsd qsd = { .fd = -1 };
	int rc = blk_qsd_open(spec, img->has_qsd, &qsd, why);

	snprintf(img->name, sizeof(img->name), "%s", spec->name);
	img->rundir = spec->rundir;
	img->has_qsd = true;
	if (rc)
		return rc;
	img->fd = qsd.fd;
	img->size = qsd.size & ~(uint64_t)(SECTOR - 1);
	img->readonly = spec->readonly;
	img->physical_sector = SECTOR;
	img->discard = qsd.discard && !spec->readonly && !spec->no_discard;
	img->discard_granularity = 65536;
	memcpy(img->socket, qsd.socket, sizeof(img->socket));
	return img->size ? 0 : fail(why, -EINVAL, spec->path, "it is empty");
}

int blk_image_open(struct blk_image *img, const struct blk_image_spec *spec, char why[BLK_WHY_MAX])
{
	int rc;

	if (spec->path[0] != '/')
		rc = fail(why, -EINVAL, spec->path, "an absolute path is wanted");
	else if (!strcmp(spec->format, "raw"))
		rc = open_raw(img, spec, why);
	else
		rc = open_other(img, spec, why);
	if (rc && rc != -EINPROGRESS)
		blk_image_close(img);
	return rc;
}

void blk_image_close(struct blk_image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	if (img->has_qsd)
		blk_qsd_stop(img->rundir, img->name);
	*img = (struct blk_image){ .fd = -1 };
}
