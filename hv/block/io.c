/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/io.h"

int blk_io_create(enum blk_io_engine engine, unsigned int depth, struct blk_io **io_out)
{
	int rc;

	*io_out = NULL;
	if (engine == BLK_IO_THREAD)
		return blk_io_thread_create(io_out);
	rc = blk_io_uring_create(depth, io_out);
	/* Old, switched off (kernel.io_uring_disabled), or a container's filter: nothing to fail for. */
	if (rc && engine == BLK_IO_BEST)
		rc = blk_io_thread_create(io_out);
	return rc;
}

void blk_io_destroy(struct blk_io *io)
{
	if (!io)
		return;
	blk_io_submit(io);
	while (blk_io_reap(io, true))
		;
	io->ops->destroy(io);
}
