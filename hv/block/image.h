/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk is made of: a file or block device, locked as QEMU locks images, so that neither of us spoils the
 * other's; or, for another format, a qemu-storage-daemon (qsd.c), which does the same.
 */
#ifndef HV_BLOCK_IMAGE_H
#define HV_BLOCK_IMAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define BLK_WHY_MAX    320
#define BLK_SOCKET_MAX 108
#define BLK_NAME_MAX   32

struct blk_image_spec {
	const char *path;
	const char *format; /* "raw", "qcow2", "qcow", "qed", "vhd", "vmdk", "vdi" */
	bool readonly;
	bool shared; /* others may write to it too: no locks */
	bool no_discard;
	const char *rundir; /* for formats other than raw; outlives the image */
	const char *name;   /* short and unique in it: a socket is named so */
};

struct blk_image {
	int fd;					       /* -1: not open */
	uint64_t size;				       /* bytes, a multiple of 512 */
	uint32_t physical_sector, discard_granularity; /* bytes */
	bool readonly, direct, is_device, discard;
	/* Of a format other than raw. */
	bool has_qsd;
	char socket[BLK_SOCKET_MAX]; /* where it speaks NBD; "": the image is fd */
	char name[BLK_NAME_MAX];
	const char *rundir;
};

/**
 * blk_image_open() - Open, measure and lock
 * @why:	On failure a sentence with cause and cure
 * Return: 0; -EAGAIN: somebody else uses it; -errno, with img->fd -1. -EINPROGRESS: begun, call again soon with the
 * same @img, zeroed but for fd -1 before the first time.
 */
int blk_image_open(struct blk_image *img, const struct blk_image_spec *spec, char why[BLK_WHY_MAX]);
/* Safe on one with fd -1. */
void blk_image_close(struct blk_image *img);

/*
 * lock.c: what image locking in QEMU's block/file-posix.c does, for a device that reads (and writes), and lets no
 * other write. 0; -EAGAIN; -errno. Ends when @fd is closed.
 */
int blk_lock(int fd, bool write);

#endif
