/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request between ring and image: within the block backend's queue alone. */
#ifndef HV_BLOCK_REQUEST_H
#define HV_BLOCK_REQUEST_H

#include "hv/block/queue.h"

#define BLK_STEPS_MAX 3

struct blk_req {
	struct list node;  /* of the queue's lists */
	unsigned int note; /* its slot there */
	uint64_t id;	   /* for the answer, as op */
	uint8_t op;
	int16_t status; /* BLKIF_RSP_* */
	enum blk_fail fail;

	enum blk_io_what steps[BLK_STEPS_MAX];
	unsigned int nr_steps, step;
	bool exclusive;
	struct blk_io_op io;
	uint64_t offset, size; /* bytes on the disk */
	uint64_t done;	       /* of size, by the step at hand */
	unsigned int nr_tries;

	bool fills;	     /* the guest's pages, as a read does */
	unsigned int nr_ops; /* begun */
	unsigned int nr_iov, iov_at;
	struct hv_gnt_op ops[BLK_SEGMENTS_MAX];
	struct iovec iov[BLK_SEGMENTS_MAX];
};

/* Take @raw apart, check it and open its pages; r->fail says what is wrong with it. */
void blk_req_prepare(struct blk_req *r, struct blk_queue *q, const struct blk_raw *raw);
/* The step at hand, as far as it is not done, as r->io. */
void blk_req_fill_io(struct blk_req *r, int fd);
/* r->io has come back. Return: whether there is more to do (blk_req_fill_io() again). */
bool blk_req_advance(struct blk_req *r);
/* Let go of its pages. */
void blk_req_end(struct blk_req *r, struct blk_queue *q);

#endif
