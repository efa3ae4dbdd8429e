/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/request.h"

#include <errno.h>
#include <string.h>

#include <xen/io/blkif.h>

#define TRIES_MAX 16 /* of a step that comes back with less than was asked for, or EAGAIN */

static void fail(struct blk_req *r, enum blk_fail why)
{
	r->fail = why;
	r->status = why == BLK_FAIL_OPERATION || why == BLK_FAIL_NO_DISCARD ? BLKIF_RSP_EOPNOTSUPP
									    : BLKIF_RSP_ERROR;
}

static bool within(const struct blk_queue *q, uint64_t sector, uint64_t nr)
{
	uint64_t all = q->image->size / BLK_SECTOR_SIZE;

	return sector <= all && nr <= all - sector;
}

/* Checked copies become areas of granted pages. False: what is wrong is said. */
static bool take_segments(struct blk_req *r, const struct blk_segment *segments, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		const struct blk_segment *s = &segments[i];
		unsigned int nr_sectors = s->last + 1u - s->first;

		if (s->first > s->last || s->last >= BLK_SECTORS_PER_PAGE) {
			fail(r, BLK_FAIL_SECTORS);
			return false;
		}
		r->ops[r->nr_ops++] = (struct hv_gnt_op){
			.ref = s->gref,
			.offset = (uint16_t)(s->first * BLK_SECTOR_SIZE),
			.len = (uint16_t)(nr_sectors * BLK_SECTOR_SIZE),
		};
		r->size += (uint64_t)nr_sectors * BLK_SECTOR_SIZE;
	}
	return true;
}

/* A page of segments is the guest's: copied, then looked at. */
static bool take_indirect(struct blk_req *r, struct blk_queue *q, const struct blk_cmd *cmd)
{
	struct blk_segment segments[BLK_SEGMENTS_MAX];
	uint8_t copy[BLK_SEGMENTS_MAX * 8];
	struct hv_gnt_op page = { .ref = cmd->indirect[0],
				  .len = (uint16_t)(cmd->nr_segments * 8) };

	_Static_assert(BLK_SEGMENTS_MAX <= BLK_SEGMENTS_PER_PAGE, "one indirect page is enough");
	q->hv->gnt->begin(q->domain, &page, 1, false);
	if (page.status == GNTST_okay)
		memcpy(copy, page.ptr, page.len);
	q->hv->gnt->end(q->domain, &page, 1, false);
	if (page.status != GNTST_okay) {
		fail(r, BLK_FAIL_GRANT);
		return false;
	}
	for (unsigned int i = 0; i < cmd->nr_segments; i++)
		blk_segment_decode(copy, i, &segments[i]);
	return take_segments(r, segments, cmd->nr_segments);
}

/* All pages or none. Neighbours become one area: a guest's pages often are. */
static bool open_pages(struct blk_req *r, struct blk_queue *q)
{
	unsigned int nr = r->nr_ops;
	bool ok = true;

	q->hv->gnt->begin(q->domain, r->ops, nr, r->fills);
	for (unsigned int i = 0; i < nr; i++) {
		struct hv_gnt_op *op = &r->ops[i];
		struct iovec *last = r->nr_iov ? &r->iov[r->nr_iov - 1] : NULL;

		if (op->status != GNTST_okay)
			ok = false;
		else if (last && (uint8_t *)last->iov_base + last->iov_len == op->ptr)
			last->iov_len += op->len;
		else
			r->iov[r->nr_iov++] = (struct iovec){ op->ptr, op->len };
	}
	if (!ok)
		fail(r, BLK_FAIL_GRANT);
	return ok;
}

static void add_step(struct blk_req *r, enum blk_io_what what)
{
	r->steps[r->nr_steps++] = what;
}

static void prepare_data(struct blk_req *r, struct blk_queue *q, const struct blk_cmd *cmd)
{
	bool indirect = cmd->op == BLKIF_OP_INDIRECT, write;
	uint8_t op = indirect ? cmd->indirect_op : cmd->op;
	bool syncs = op == BLKIF_OP_FLUSH_DISKCACHE || op == BLKIF_OP_WRITE_BARRIER;

	if (indirect && op != BLKIF_OP_READ && op != BLKIF_OP_WRITE) {
		fail(r, BLK_FAIL_OPERATION);
		return;
	}
	write = op != BLKIF_OP_READ;
	r->exclusive = op == BLKIF_OP_WRITE_BARRIER;
	if (syncs)
		add_step(r, BLK_IO_SYNC);
	if (syncs && !cmd->nr_segments)
		return;
	if (!cmd->nr_segments ||
	    cmd->nr_segments > (indirect ? BLK_SEGMENTS_MAX : BLK_INLINE_SEGMENTS)) {
		fail(r, BLK_FAIL_SEGMENTS);
		return;
	}
	if (write && q->image->readonly) {
		fail(r, BLK_FAIL_READONLY);
		return;
	}
	if (!(indirect ? take_indirect(r, q, cmd)
		       : take_segments(r, cmd->segments, cmd->nr_segments)))
		goto out;
	if (!within(q, cmd->sector, r->size / BLK_SECTOR_SIZE)) {
		fail(r, BLK_FAIL_BEYOND);
		goto out;
	}
	r->offset = cmd->sector * BLK_SECTOR_SIZE;
	r->fills = !write;
	if (!open_pages(r, q))
		return;
	add_step(r, write ? BLK_IO_WRITE : BLK_IO_READ);
	if (syncs)
		add_step(r, BLK_IO_SYNC);
	return;
out:
	/* None was begun. */
	r->nr_ops = 0;
}

static void prepare_discard(struct blk_req *r, struct blk_queue *q, const struct blk_cmd *cmd)
{
	if (q->image->readonly)
		fail(r, BLK_FAIL_READONLY);
	/* Secure erasure is not offered. */
	else if (!q->image->discard || cmd->flag & BLKIF_DISCARD_SECURE)
		fail(r, BLK_FAIL_NO_DISCARD);
	else if (!cmd->nr_sectors)
		fail(r, BLK_FAIL_SECTORS);
	else if (!within(q, cmd->sector, cmd->nr_sectors))
		fail(r, BLK_FAIL_BEYOND);
	if (r->fail)
		return;
	r->offset = cmd->sector * BLK_SECTOR_SIZE;
	r->size = cmd->nr_sectors * BLK_SECTOR_SIZE;
	add_step(r, BLK_IO_DISCARD);
}

static void count(struct blk_queue *q, const struct blk_cmd *cmd)
{
	struct blk_stats *s = &q->stats;
	uint64_t *counters[] = {
		[BLKIF_OP_READ] = &s->reads,
		[BLKIF_OP_WRITE] = &s->writes,
		[BLKIF_OP_WRITE_BARRIER] = &s->barriers,
		[BLKIF_OP_FLUSH_DISKCACHE] = &s->flushes,
		[BLKIF_OP_DISCARD] = &s->discards,
		[BLKIF_OP_INDIRECT] = &s->indirect,
	};
	size_t nr = sizeof(counters) / sizeof(counters[0]);

	if (cmd->op < nr && counters[cmd->op])
		(*counters[cmd->op])++;
	if (cmd->op == BLKIF_OP_INDIRECT && cmd->indirect_op <= BLKIF_OP_WRITE)
		(*counters[cmd->indirect_op])++;
}

void blk_req_prepare(struct blk_req *r, struct blk_queue *q, const struct blk_raw *raw)
{
	struct blk_cmd cmd;

	blk_cmd_decode(q->ring.abi, raw, &cmd);
	r->id = cmd.id;
	/* What it does, which Linux compares, whatever it came as. */
	r->op = cmd.op == BLKIF_OP_INDIRECT ? cmd.indirect_op : cmd.op;
	r->status = BLKIF_RSP_OKAY;
	r->fail = BLK_FAIL_NONE;
	r->nr_steps = r->step = r->nr_ops = r->nr_iov = r->iov_at = r->nr_tries = 0;
	r->offset = r->size = r->done = 0;
	r->exclusive = r->fills = false;
	count(q, &cmd);
	switch (cmd.op) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
	case BLKIF_OP_WRITE_BARRIER:
	case BLKIF_OP_FLUSH_DISKCACHE:
	case BLKIF_OP_INDIRECT:
		prepare_data(r, q, &cmd);
		break;
	case BLKIF_OP_DISCARD:
		prepare_discard(r, q, &cmd);
		break;
	default:
		fail(r, BLK_FAIL_OPERATION);
		break;
	}
}

void blk_req_fill_io(struct blk_req *r, int fd)
{
	r->io = (struct blk_io_op){
		.what = r->steps[r->step],
		.fd = fd,
		.iov = &r->iov[r->iov_at],
		.nr_iov = r->nr_iov - r->iov_at,
		.offset = r->offset + r->done,
		.len = r->size - r->done,
	};
}

/* Step over @n bytes of the areas. */
static void consume(struct blk_req *r, uint64_t n)
{
	r->done += n;
	while (n && r->iov_at < r->nr_iov) {
		struct iovec *v = &r->iov[r->iov_at];
		size_t part = n < v->iov_len ? (size_t)n : v->iov_len;

		v->iov_base = (uint8_t *)v->iov_base + part;
		v->iov_len -= part;
		n -= part;
		if (!v->iov_len)
			r->iov_at++;
	}
}

bool blk_req_advance(struct blk_req *r)
{
	enum blk_io_what what = r->steps[r->step];
	int64_t result = r->io.result;
	bool moves = what == BLK_IO_READ || what == BLK_IO_WRITE;
	/* Not all engines take the whole of a large one. */
	bool part = what == BLK_IO_DISCARD && result > 0;

	if ((result == -EAGAIN || result == -EINTR) && r->nr_tries++ < TRIES_MAX)
		return true;
	/* 0 of a read: the file has become shorter than the disk. */
	if (result < 0 || (moves && !result)) {
		r->io.result = result ? result : -EIO;
		fail(r, what == BLK_IO_DISCARD && result == -EOPNOTSUPP ? BLK_FAIL_NO_DISCARD
									: BLK_FAIL_IO);
		return false;
	}
	if (moves || part) {
		consume(r, (uint64_t)result);
		if (r->done < r->size)
			return true;
	}
	r->done = 0;
	r->step++;
	return r->step < r->nr_steps;
}

void blk_req_end(struct blk_req *r, struct blk_queue *q)
{
	if (!r->nr_ops)
		return;
	/* Nothing of a read that failed reaches the guest, where that is a copy. */
	for (unsigned int i = 0; i < r->nr_ops && r->fills && r->fail; i++)
		r->ops[i].len = 0;
	q->hv->gnt->end(q->domain, r->ops, r->nr_ops, r->fills);
	for (unsigned int i = 0; i < r->nr_ops && !r->fail; i++)
		if (r->ops[i].status != GNTST_okay)
			fail(r, BLK_FAIL_GRANT);
	r->nr_ops = 0;
}
