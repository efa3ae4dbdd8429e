/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of each permission i, byte 100 + i of the image is locked by who uses it, byte 200 + i by who lets no other
 * use it; all are read locks, so that everyone can look who else is there.
 */
#include <errno.h>
#include <fcntl.h>

#include "hv/block/image.h"

#define USED_BASE     100
#define UNSHARED_BASE 200

enum permission { READ, WRITE, WRITE_UNCHANGED, RESIZE, NR_PERMISSIONS };

static int lock_byte(int fd, int offset)
{
	struct flock lock = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1
	};

	return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

/* -EAGAIN: somebody else has it. */
static int test_byte(int fd, int offset)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1
	};

	if (fcntl(fd, F_OFD_GETLK, &lock))
		return -errno;
	return lock.l_type == F_UNLCK ? 0 : -EAGAIN;
}

int blk_lock(int fd, bool write)
{
	bool used[NR_PERMISSIONS] = { [READ] = true, [WRITE] = write };
	bool unshared[NR_PERMISSIONS] = { [WRITE] = true, [RESIZE] = true };
	int rc = 0;

	/* Locked before looked at: of two at a time, one at least sees the other. */
	for (int i = 0; i < NR_PERMISSIONS && !rc; i++) {
		if (used[i])
			rc = lock_byte(fd, USED_BASE + i);
		if (!rc && unshared[i])
			rc = lock_byte(fd, UNSHARED_BASE + i);
	}
	for (int i = 0; i < NR_PERMISSIONS && !rc; i++) {
		if (used[i])
			rc = test_byte(fd, UNSHARED_BASE + i);
		if (!rc && unshared[i])
			rc = test_byte(fd, USED_BASE + i);
	}
	return rc;
}
