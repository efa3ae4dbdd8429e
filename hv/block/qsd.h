/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images in QEMU's formats, by a qemu-storage-daemon each. */
#ifndef HV_BLOCK_QSD_H
#define HV_BLOCK_QSD_H

#include "hv/block/image.h"

struct blk_qsd {
	char socket[BLK_SOCKET_MAX]; /* speaks NBD */
	int fd;			     /* connected there, the caller's */
	uint64_t size;		     /* bytes */
	bool discard;
};

/**
 * blk_qsd_open() - Have an image served
 * @begun:	An earlier call said -EINPROGRESS
 * Return: 0; -EINPROGRESS: ask again soon; -EAGAIN: another uses it; -errno, with @why. After all but the first two
 * none runs any more, or blk_qsd_stop() ends it.
 */
int blk_qsd_open(const struct blk_image_spec *spec, bool begun, struct blk_qsd *qsd,
		 char why[BLK_WHY_MAX]);
/* Waits until it has ended, and with it all that it had in work. */
void blk_qsd_stop(const char *rundir, const char *name);
/* All those of @rundir. */
void blk_qsd_stop_all(const char *rundir);

#endif
