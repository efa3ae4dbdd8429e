/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block backend: every disk below backend/vbd of the store, served from the image that it names. One thread,
 * the caller's. Guests are hostile, the backend area is the toolstack's.
 *
 * It leaves all as it is when destroyed or killed: store and rings are taken up by the next one, which does again
 * what was not answered.
 */
#ifndef HV_BLOCK_BLKBACK_H
#define HV_BLOCK_BLKBACK_H

#include <jansson.h>

#include "base/loop.h"
#include "hv/block/io.h"
#include "hv/hv.h"

struct blkback;

struct blkback_config {
	struct hv *hv;	    /* borrowed; its store is ours to close and to open anew */
	const char *rundir; /* borrowed; RUNDIR_BLKBACK is there */
	enum blk_io_engine engine;
	unsigned int max_ring_order; /* offered to frontends: pages of a ring, as a power of two */
	unsigned int
		patience_ms; /* with an image in another's use, before that is said; 0: the usual */
};

/* @loop: NULL: the caller calls blkback_turn(). Return: 0 or -errno. */
int blkback_create(const struct blkback_config *config, struct loop *loop, struct blkback **bb_out);
/* Waits for what images have in work. NULL is allowed. */
void blkback_destroy(struct blkback *bb);
/* Handle what is pending of the store and of rings. */
void blkback_turn(struct blkback *bb);
/* For the status RPC and tests: {"disks": [...], ...}. NULL when out of memory. */
json_t *blkback_status(const struct blkback *bb);

#endif
