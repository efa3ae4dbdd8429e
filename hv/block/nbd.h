/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the NBD protocol (the network block device project's doc/proto.md), as far as a qemu-storage-daemon
 * on a UNIX socket needs it: fixed newstyle negotiation, simple replies. The server is ours, yet what it says is
 * checked.
 */
#ifndef HV_BLOCK_NBD_H
#define HV_BLOCK_NBD_H

#include <stdint.h>

#include "hv/block/io.h"

#define NBD_EXPORT "disk"

#define NBD_FLAG_READ_ONLY  (1u << 1)
#define NBD_FLAG_SEND_FLUSH (1u << 2)
#define NBD_FLAG_SEND_TRIM  (1u << 5)

struct nbd_export {
	uint64_t size;	/* bytes */
	uint16_t flags; /* NBD_FLAG_* */
};

/**
 * nbd_connect() - Begin to use the export NBD_EXPORT of the server at socket @path
 * Blocks, for 2 s at most. Return: a connected socket; -ENOENT, -ECONNREFUSED: no server there (yet); -EPROTO;
 * -errno.
 */
int nbd_connect(const char *path, struct nbd_export *export_out);

/* A filling of io.h: ops' fd means nothing. @depth: up to 512. A server that goes away fails all ops, for ever. */
int blk_io_nbd_create(const char *path, unsigned int depth, struct blk_io **io_out);

#endif
