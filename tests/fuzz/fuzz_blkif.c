/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program of ring operations, as a hostile guest would run it against a disk. What must hold, besides what the
 * sanitizers see: each request is answered once, the image keeps its size and what is read-only, and all grants are
 * given back in the end.
 */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "tests/util/blk_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIST 299u

struct program {
	const uint8_t *data;
	size_t size;
	unsigned int nr_sent, nr_answered;
	bool broken; /* it has moved its index itself */
};

static uint64_t take(struct program *p, size_t nr)
{
	uint64_t v = 0;

	while (nr--) {
		v = v << 8 | (p->size ? *p->data : 0);
		if (p->size) {
			p->data++;
			p->size--;
		}
	}
	return v;
}

/* Mostly a page of ours. */
static uint32_t take_ref(struct blk_rig *r, struct program *p)
{
	uint32_t how = (uint32_t)take(p, 1);

	return how < 240 ? r->refs[how % BLK_RIG_PAGES] : (uint32_t)take(p, 4);
}

static uint64_t take_sector(struct program *p)
{
	uint64_t how = take(p, 1);

	return how < 200 ? how * 32 : how < 240 ? BLK_RIG_SECTORS - take(p, 1) : take(p, 8);
}

static void put(struct blk_rig *r, struct program *p)
{
	struct blk_cmd cmd = { .op = (uint8_t)take(p, 1), .id = p->nr_sent++ };

	if (cmd.op < 224)
		cmd.op %= 7;
	cmd.sector = take_sector(p);
	cmd.flag = (uint8_t)take(p, 1) & 1;
	cmd.nr_sectors = cmd.op == BLKIF_OP_DISCARD ? take_sector(p) : 0;
	cmd.indirect_op = (uint8_t)take(p, 1) % 8;
	cmd.nr_segments = (unsigned int)take(p, 1);
	if (cmd.op == BLKIF_OP_INDIRECT)
		cmd.nr_segments += (unsigned int)take(p, 1) % 4 * 100;
	else if (cmd.nr_segments < 240)
		cmd.nr_segments %= 13;
	for (unsigned int i = 0; i < BLK_INLINE_SEGMENTS && i < cmd.nr_segments; i++)
		cmd.segments[i] = (struct blk_segment){ take_ref(r, p), (uint8_t)take(p, 1) % 9,
							(uint8_t)take(p, 1) % 9 };
	cmd.indirect[0] = r->refs[LIST];
	if (take(p, 1) > 250)
		cmd.indirect[0] = (uint32_t)take(p, 4);
	blk_rig_put(r, &cmd);
}

static void put_list(struct blk_rig *r, struct program *p)
{
	uint8_t *list = r->pages + (size_t)LIST * 4096;
	unsigned int nr = (unsigned int)take(p, 1) * 2;

	for (unsigned int i = 0; i < nr; i++) {
		uint32_t ref = r->refs[i % LIST];

		memcpy(list + (size_t)i * 8, &ref, 4);
		list[(size_t)i * 8 + 4] = 0;
		list[(size_t)i * 8 + 5] = 7;
	}
	for (unsigned int i = (unsigned int)take(p, 1) % 8; i; i--)
		list[take(p, 2) % 4096] = (uint8_t)take(p, 1);
}

static void go(struct blk_rig *r, struct program *p)
{
	blkif_response_t rsp;

	blk_rig_go(r);
	/* Its own index may be one of those that it has spoilt. */
	for (unsigned int i = 0; i < r->nr_slots && blk_rig_answer(r, &rsp); i++)
		p->nr_answered++;
	if (!p->broken && !r->queue.fatal && p->nr_answered != p->nr_sent)
		abort();
}

static void step(struct blk_rig *r, struct program *p)
{
	uint64_t v = take(p, 1);

	if (v < 150) {
		if (r->req_prod - r->rsp_cons < r->nr_slots)
			put(r, p);
	} else if (v < 180) {
		put_list(r, p);
	} else if (v < 235) {
		go(r, p);
	} else if (v < 240) {
		r->req_prod += (uint32_t)take(p, 4);
		p->broken = true;
	} else if (v < 245) {
		/* Only the answers' side, which is not read back. */
		*blk_rig_index(r, 1 + (unsigned int)take(p, 1) % 3) = (uint32_t)take(p, 4);
		p->broken = true;
	} else {
		r->ring[64 + take(p, 2) % (r->nr_pages * 4096u - 64)] = (uint8_t)take(p, 1);
	}
}

static void check_image(const struct blk_rig *r)
{
	struct stat st;

	if (stat(r->image, &st) || (uint64_t)st.st_size != BLK_RIG_IMAGE)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct blk_rig r;
	struct program p = { .data = data, .size = size };
	uint64_t how;

	log_init("fuzz", LOG_LEVEL_ERR);
	how = take(&p, 1);
	blk_rig_init(&r, how & 1 ? BLK_ABI_X86_32 : BLK_ABI_X86_64, how & 2 ? 2 : 1,
		     how & 4 ? 0 : UINT32_MAX - 10);
	r.config.engine = how & 8 ? BLK_IO_THREAD : BLK_IO_BEST;
	r.budget.max = how & 16 ? 4 : 1000;
	if (blk_rig_connect(&r, NULL, false))
		abort();
	r.disk.readonly = how & 32;
	while (p.size)
		step(&r, &p);
	if (!(how & 64))
		go(&r, &p);
	check_image(&r);
	blk_rig_fini(&r);
	return 0;
}
