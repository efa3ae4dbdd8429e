/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One ring in service: data, honest and hostile requests, with either engine and layout. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/util/blk_rig.h"

#define PAGE 4096u

static const struct variant {
	enum blk_io_engine engine;
	enum blk_abi abi;
	unsigned int nr_pages;
} variants[] = {
	{ BLK_IO_URING, BLK_ABI_X86_64, 1 },
	{ BLK_IO_THREAD, BLK_ABI_X86_32, 1 },
	{ BLK_IO_BEST, BLK_ABI_X86_64, 4 },
	{ BLK_IO_BEST, BLK_ABI_X86_32, 16 },
};

static const struct variant *variant = variants;

static int setup(void **state)
{
	struct blk_rig *r = calloc(1, sizeof(*r));

	log_init("test", LOG_LEVEL_ERR);
	/* So that every test that moves on crosses zero. */
	blk_rig_init(r, variant->abi, variant->nr_pages, UINT32_MAX - 3);
	r->config.engine = variant->engine;
	assert_int_equal(blk_rig_connect(r, NULL, false), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	blk_rig_fini(*state);
	free(*state);
	return 0;
}

static uint32_t word(const struct blk_rig *r, unsigned int page, unsigned int sector)
{
	uint32_t v;

	memcpy(&v, r->pages + (size_t)page * PAGE + (size_t)sector * 512, 4);
	return v;
}

static uint32_t stored(struct blk_rig *r, uint64_t sector)
{
	uint8_t bytes[512];
	uint32_t v;

	blk_rig_sector(r, sector, bytes);
	memcpy(&v, bytes, 4);
	return v;
}

static void fill_page(struct blk_rig *r, unsigned int page, uint32_t value)
{
	for (size_t i = 0; i < PAGE; i += 4)
		memcpy(r->pages + (size_t)page * PAGE + i, &value, 4);
}

static void test_slots(void **state)
{
	struct blk_rig *r = *state;

	/* As Linux's own rings of so many pages have. */
	static const unsigned int slots[] = { [1] = 32, [4] = 128, [16] = 512 };

	assert_int_equal(r->queue.ring.nr_slots, slots[variant->nr_pages]);
	assert_string_equal(r->queue.io->ops->name,
			    variant->engine == BLK_IO_THREAD ? "thread" : "io_uring");
}

static void test_reads(void **state)
{
	struct blk_rig *r = *state;

	for (unsigned int round = 0; round < 3 * r->nr_slots; round++) {
		uint64_t sector = (round * 13) % (BLK_RIG_SECTORS - 88);

		memset(r->pages, 0xee, 11 * PAGE);
		blk_rig_put_pages(r, BLKIF_OP_READ, round, sector, 0, 11);
		blk_rig_go(r);
		blk_rig_expect(r, round, BLKIF_RSP_OKAY);
		for (unsigned int i = 0; i < 88; i++)
			assert_int_equal(word(r, i / 8, i % 8), sector + i);
	}
	assert_int_equal(r->queue.stats.reads, 3 * r->nr_slots);
	assert_int_equal(r->queue.stats.read_bytes, 3ull * r->nr_slots * 11 * PAGE);
}

static void test_parts_of_pages(void **state)
{
	struct blk_rig *r = *state;
	struct blk_cmd cmd = { .op = BLKIF_OP_READ, .id = 9, .sector = 40, .nr_segments = 3 };

	memset(r->pages, 0xee, 4 * PAGE);
	cmd.segments[0] = (struct blk_segment){ r->refs[2], 7, 7 };
	cmd.segments[1] = (struct blk_segment){ r->refs[0], 0, 2 };
	cmd.segments[2] = (struct blk_segment){ r->refs[1], 3, 4 };
	blk_rig_put(r, &cmd);
	blk_rig_go(r);
	blk_rig_expect(r, 9, BLKIF_RSP_OKAY);
	assert_int_equal(word(r, 2, 7), 40);
	assert_int_equal(word(r, 0, 0), 41);
	assert_int_equal(word(r, 0, 2), 43);
	assert_int_equal(word(r, 1, 3), 44);
	assert_int_equal(word(r, 1, 4), 45);
	/* Nothing beside them. */
	assert_int_equal(word(r, 2, 6), 0xeeeeeeee);
	assert_int_equal(word(r, 0, 3), 0xeeeeeeee);
	assert_int_equal(word(r, 1, 2), 0xeeeeeeee);
	assert_int_equal(word(r, 1, 5), 0xeeeeeeee);
}

static void test_writes(void **state)
{
	struct blk_rig *r = *state;

	for (unsigned int i = 0; i < 20; i++) {
		fill_page(r, i, 0xa0000000u + i);
		blk_rig_put_pages(r, BLKIF_OP_WRITE, i, 100 + i * 8, i, 1);
	}
	blk_rig_put_pages(r, BLKIF_OP_FLUSH_DISKCACHE, 99, 0, 0, 0);
	blk_rig_go(r);
	for (unsigned int nr = 0; nr < 21; nr++) {
		blkif_response_t rsp;

		assert_true(blk_rig_answer(r, &rsp));
		assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
	}
	assert_int_equal(stored(r, 99), 99);
	for (unsigned int i = 0; i < 160; i++)
		assert_int_equal(stored(r, 100 + i), 0xa0000000u + i / 8);
	assert_int_equal(stored(r, 260), 260);
	assert_int_equal(r->queue.stats.flushes, 1);
}

static void test_indirect(void **state)
{
	struct blk_rig *r = *state;
	blkif_response_t rsp;

	for (unsigned int i = 0; i < 256; i++)
		fill_page(r, i, 0xb0000000u + i);
	blk_rig_put_indirect(r, BLKIF_OP_WRITE, 1, 0, 0, 256, 299);
	blk_rig_go(r);
	assert_true(blk_rig_answer(r, &rsp));
	assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
	/* Linux gives a disk up whose answers say BLKIF_OP_INDIRECT. */
	assert_int_equal(rsp.operation, BLKIF_OP_WRITE);
	for (unsigned int i = 0; i < 2048; i += 8)
		assert_int_equal(stored(r, i + 7), 0xb0000000u + i / 8);
	assert_int_equal(stored(r, 2048), 2048);
	memset(r->pages, 0, 256 * PAGE);
	blk_rig_put_indirect(r, BLKIF_OP_READ, 2, 8, 0, 256, 298);
	blk_rig_go(r);
	blk_rig_expect(r, 2, BLKIF_RSP_OKAY);
	assert_int_equal(word(r, 0, 0), 0xb0000001u);
	assert_int_equal(word(r, 254, 7), 0xb00000ffu);
	assert_int_equal(word(r, 255, 0), 2048);
}

static void test_barrier(void **state)
{
	struct blk_rig *r = *state;
	blkif_response_t rsp;

	/* All three write the same: only their order decides what stays. */
	fill_page(r, 0, 1);
	fill_page(r, 1, 2);
	fill_page(r, 2, 3);
	blk_rig_put_pages(r, BLKIF_OP_WRITE, 1, 0, 0, 1);
	blk_rig_put_pages(r, BLKIF_OP_WRITE_BARRIER, 2, 0, 1, 1);
	blk_rig_put_pages(r, BLKIF_OP_WRITE, 3, 0, 2, 1);
	blk_rig_put_pages(r, BLKIF_OP_WRITE_BARRIER, 4, 0, 0, 0);
	blk_rig_go(r);
	for (uint64_t id = 1; id <= 4; id++) {
		assert_true(blk_rig_answer(r, &rsp));
		assert_int_equal(rsp.id, id);
		assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
	}
	assert_int_equal(stored(r, 0), 3);
}

static void test_discard(void **state)
{
	struct blk_rig *r = *state;
	struct blk_cmd cmd = { .op = BLKIF_OP_DISCARD, .id = 5, .sector = 16, .nr_sectors = 16 };

	if (!r->disk.discard)
		skip();
	blk_rig_put(r, &cmd);
	blk_rig_go(r);
	blk_rig_expect(r, 5, BLKIF_RSP_OKAY);
	assert_int_equal(stored(r, 15), 15);
	assert_int_equal(stored(r, 16), 0);
	assert_int_equal(stored(r, 31), 0);
	assert_int_equal(stored(r, 32), 32);
	cmd.flag = BLKIF_DISCARD_SECURE;
	blk_rig_put(r, &cmd);
	blk_rig_go(r);
	blk_rig_expect(r, 5, BLKIF_RSP_EOPNOTSUPP);
	r->disk.discard = false;
	cmd.flag = 0;
	blk_rig_put(r, &cmd);
	blk_rig_go(r);
	blk_rig_expect(r, 5, BLKIF_RSP_EOPNOTSUPP);
	assert_int_equal(r->queue.stats.fails[BLK_FAIL_NO_DISCARD], 2);
}

#define OURS 0xfffffff0u /* a page of ours */
#define WHOLE                                                                                      \
	{                                                                                          \
		OURS, 0, 7                                                                         \
	}

/* Bad requests, the answer to each, and what it is counted as. */
static const struct {
	struct blk_cmd cmd;
	enum blk_fail fail;
	int status;
} bad[] = {
	{ { .op = 4 }, BLK_FAIL_OPERATION, -2 },
	{ { .op = 7 }, BLK_FAIL_OPERATION, -2 },
	{ { .op = 255 }, BLK_FAIL_OPERATION, -2 },
	{ { .op = BLKIF_OP_READ }, BLK_FAIL_SEGMENTS, -1 },
	{ { .op = BLKIF_OP_READ, .nr_segments = 12 }, BLK_FAIL_SEGMENTS, -1 },
	{ { .op = BLKIF_OP_WRITE, .nr_segments = 255 }, BLK_FAIL_SEGMENTS, -1 },
	{ { .op = BLKIF_OP_FLUSH_DISKCACHE, .nr_segments = 12 }, BLK_FAIL_SEGMENTS, -1 },
	{ { .op = BLKIF_OP_READ, .nr_segments = 1, .segments = { { OURS, 5, 4 } } },
	  BLK_FAIL_SECTORS,
	  -1 },
	{ { .op = BLKIF_OP_READ, .nr_segments = 1, .segments = { { OURS, 0, 8 } } },
	  BLK_FAIL_SECTORS,
	  -1 },
	{ { .op = BLKIF_OP_READ, .nr_segments = 1, .segments = { { OURS, 0, 255 } } },
	  BLK_FAIL_SECTORS,
	  -1 },
	{ { .op = BLKIF_OP_READ, .nr_segments = 2, .segments = { WHOLE, { 1, 8, 8 } } },
	  BLK_FAIL_SECTORS,
	  -1 },
	{ { .op = BLKIF_OP_READ,
	    .sector = BLK_RIG_SECTORS - 7,
	    .nr_segments = 1,
	    .segments = { WHOLE } },
	  BLK_FAIL_BEYOND,
	  -1 },
	{ { .op = BLKIF_OP_WRITE,
	    .sector = UINT64_MAX - 3,
	    .nr_segments = 1,
	    .segments = { WHOLE } },
	  BLK_FAIL_BEYOND,
	  -1 },
	{ { .op = BLKIF_OP_WRITE,
	    .sector = UINT64_MAX / 512 + 1,
	    .nr_segments = 1,
	    .segments = { WHOLE } },
	  BLK_FAIL_BEYOND,
	  -1 },
	{ { .op = BLKIF_OP_READ, .nr_segments = 1, .segments = { { 0, 0, 7 } } },
	  BLK_FAIL_GRANT,
	  -1 },
	{ { .op = BLKIF_OP_READ, .nr_segments = 1, .segments = { { UINT32_MAX, 0, 7 } } },
	  BLK_FAIL_GRANT,
	  -1 },
	{ { .op = BLKIF_OP_WRITE,
	    .nr_segments = 3,
	    .segments = { WHOLE, { CORE_NR_GRANTS, 0, 7 }, WHOLE } },
	  BLK_FAIL_GRANT,
	  -1 },
	{ { .op = BLKIF_OP_INDIRECT, .nr_segments = 1, .indirect = { 0 } }, BLK_FAIL_GRANT, -1 },
	{ { .op = BLKIF_OP_INDIRECT, .nr_segments = 257, .indirect = { OURS } },
	  BLK_FAIL_SEGMENTS,
	  -1 },
	{ { .op = BLKIF_OP_INDIRECT, .nr_segments = 65535, .indirect = { OURS } },
	  BLK_FAIL_SEGMENTS,
	  -1 },
	{ { .op = BLKIF_OP_INDIRECT, .indirect = { OURS } }, BLK_FAIL_SEGMENTS, -1 },
	{ { .op = BLKIF_OP_INDIRECT,
	    .indirect_op = BLKIF_OP_INDIRECT,
	    .nr_segments = 1,
	    .indirect = { OURS } },
	  BLK_FAIL_OPERATION,
	  -2 },
	{ { .op = BLKIF_OP_INDIRECT,
	    .indirect_op = BLKIF_OP_DISCARD,
	    .nr_segments = 1,
	    .indirect = { OURS } },
	  BLK_FAIL_OPERATION,
	  -2 },
	{ { .op = BLKIF_OP_DISCARD }, BLK_FAIL_SECTORS, -1 },
	{ { .op = BLKIF_OP_DISCARD, .sector = 1, .nr_sectors = BLK_RIG_SECTORS },
	  BLK_FAIL_BEYOND,
	  -1 },
	{ { .op = BLKIF_OP_DISCARD, .sector = 8, .nr_sectors = UINT64_MAX - 7 },
	  BLK_FAIL_BEYOND,
	  -1 },
};

static void test_bad_requests(void **state)
{
	struct blk_rig *r = *state;

	r->disk.discard = true;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct blk_cmd cmd = bad[i].cmd;
		uint64_t before = r->queue.stats.fails[bad[i].fail];

		cmd.id = 0x123456789abcdef0ull + i;
		for (size_t k = 0; k < BLK_INLINE_SEGMENTS; k++)
			if (cmd.segments[k].gref == OURS)
				cmd.segments[k].gref = r->refs[k];
		if (cmd.indirect[0] == OURS)
			cmd.indirect[0] = r->refs[9];
		blk_rig_put(r, &cmd);
		blk_rig_go(r);
		blk_rig_expect(r, cmd.id, bad[i].status);
		assert_int_equal(r->queue.stats.fails[bad[i].fail], before + 1);
		assert_int_equal(r->queue.fatal, BLK_FATAL_NONE);
	}
	/* Nothing was written, and it still serves. */
	for (unsigned int i = 0; i < 64; i++)
		assert_int_equal(stored(r, i), i);
	blk_rig_put_pages(r, BLKIF_OP_READ, 1, 8, 0, 1);
	blk_rig_go(r);
	blk_rig_expect(r, 1, BLKIF_RSP_OKAY);
	assert_int_equal(word(r, 0, 0), 8);
}

/* A frontend fills its whole ring with them. */
static void test_bad_ring(void **state)
{
	struct blk_rig *r = *state;
	unsigned int nr = 0;
	blkif_response_t rsp;

	for (unsigned int i = 0; i < r->nr_slots; i++)
		blk_rig_put_pages(r, i % 3 ? BLKIF_OP_READ : 77, i, i % 2 ? UINT64_MAX : 0, 0, 1);
	blk_rig_go(r);
	while (blk_rig_answer(r, &rsp))
		nr++;
	assert_int_equal(nr, r->nr_slots);
}

static void test_read_only(void **state)
{
	struct blk_rig *r = *state;
	struct blk_cmd discard = { .op = BLKIF_OP_DISCARD, .id = 3, .nr_sectors = 8 };

	r->disk.readonly = true;
	r->disk.discard = true;
	blk_rig_put_pages(r, BLKIF_OP_WRITE, 1, 0, 0, 1);
	blk_rig_go(r);
	blk_rig_expect(r, 1, BLKIF_RSP_ERROR);
	blk_rig_put_indirect(r, BLKIF_OP_WRITE, 2, 0, 0, 20, 299);
	blk_rig_go(r);
	blk_rig_expect(r, 2, BLKIF_RSP_ERROR);
	blk_rig_put(r, &discard);
	blk_rig_go(r);
	blk_rig_expect(r, 3, BLKIF_RSP_ERROR);
	blk_rig_put_pages(r, BLKIF_OP_WRITE_BARRIER, 4, 0, 0, 1);
	blk_rig_go(r);
	blk_rig_expect(r, 4, BLKIF_RSP_ERROR);
	assert_int_equal(r->queue.stats.fails[BLK_FAIL_READONLY], 4);
	blk_rig_put_pages(r, BLKIF_OP_READ, 5, 0, 0, 1);
	blk_rig_go(r);
	blk_rig_expect(r, 5, BLKIF_RSP_OKAY);
	assert_int_equal(word(r, 0, 0), 0);
}

/* A page that is granted for reading is not written to, and can be written from. */
static void test_readonly_grant(void **state)
{
	struct blk_rig *r = *state;
	struct blk_cmd cmd = { .op = BLKIF_OP_READ, .id = 1, .nr_segments = 1 };
	uint32_t ref;

	fill_page(r, 0, 0xc0ffee);
	assert_int_equal(hv_guest_grant(r->c.guest, 0, r->pages, true, &ref), 0);
	cmd.segments[0] = (struct blk_segment){ ref, 0, 7 };
	blk_rig_put(r, &cmd);
	blk_rig_go(r);
	blk_rig_expect(r, 1, BLKIF_RSP_ERROR);
	assert_int_equal(word(r, 0, 0), 0xc0ffee);
	cmd.op = BLKIF_OP_WRITE;
	blk_rig_put(r, &cmd);
	blk_rig_go(r);
	blk_rig_expect(r, 1, BLKIF_RSP_OKAY);
	assert_int_equal(stored(r, 3), 0xc0ffee);
	assert_int_equal(hv_guest_grant_end(r->c.guest, ref), 0);
}

static void test_impossible_producer(void **state)
{
	struct blk_rig *r = *state;
	blkif_response_t rsp;

	r->req_prod += r->nr_slots + 1;
	blk_rig_go(r);
	assert_int_equal(r->queue.fatal, BLK_FATAL_PRODUCER);
	assert_false(blk_rig_answer(r, &rsp));
	/* It stays so: nothing is taken any more. */
	r->req_prod -= r->nr_slots;
	blk_rig_go(r);
	assert_false(blk_rig_answer(r, &rsp));
}

static void test_producer_backwards(void **state)
{
	struct blk_rig *r = *state;

	r->req_prod--;
	blk_rig_go(r);
	assert_int_equal(r->queue.fatal, BLK_FATAL_PRODUCER);
}

/* The image has become shorter than the disk was said to be. */
static void test_image_fails(void **state)
{
	struct blk_rig *r = *state;

	r->disk.size += 1 << 20;
	blk_rig_put_pages(r, BLKIF_OP_READ, 1, BLK_RIG_SECTORS - 8, 0, 2);
	blk_rig_go(r);
	blk_rig_expect(r, 1, BLKIF_RSP_ERROR);
	assert_int_equal(r->queue.stats.fails[BLK_FAIL_IO], 1);
	assert_int_equal(r->queue.io_rc, -EIO);
	r->queue.io_rc = 0;
}

/* With little in flight at a time, as where grants are copied, all is done all the same. */
static void test_budget(void **state)
{
	struct blk_rig *r = *state;
	blkif_response_t rsp;
	unsigned int nr = 0;

	r->budget.max = 2;
	for (unsigned int i = 0; i < 20; i++)
		blk_rig_put_pages(r, BLKIF_OP_READ, i, i * 8, i, 1);
	blk_rig_publish(r);
	for (int i = 0; i < 100 && nr < 20; i++) {
		blk_queue_run(&r->queue);
		assert_true(r->budget.used <= 2);
		poll(&(struct pollfd){ r->queue.io->fd, POLLIN, 0 }, 1, 1000);
		while (blk_rig_answer(r, &rsp))
			nr++;
	}
	assert_int_equal(nr, 20);
	assert_int_equal(r->budget.used, 0);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(word(r, i, 0), i * 8);
}

struct scribbler {
	struct blk_rig *r;
	volatile bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	unsigned int seed = 1;

	while (!s->stop) {
		/* All but the indices: the slots, and the list of segments. */
		size_t at = 64 + (size_t)rand_r(&seed) % (s->r->nr_pages * PAGE - 64);

		s->r->ring[at] = (uint8_t)rand_r(&seed);
		s->r->pages[299 * PAGE + (size_t)rand_r(&seed) % PAGE] = (uint8_t)rand_r(&seed);
	}
	return NULL;
}

static void begin_anew(struct blk_rig *r)
{
	blk_rig_disconnect(r);
	*blk_rig_index(r, 0) = *blk_rig_index(r, 2) = r->rsp_cons = r->req_prod;
	*blk_rig_index(r, 1) = *blk_rig_index(r, 3) = r->req_prod + 1;
	assert_int_equal(blk_rig_connect(r, NULL, false), 0);
}

/* Whatever is read of it, only what was checked is done: nothing is written behind the disk's end. */
static void test_rewritten_while_read(void **state)
{
	struct blk_rig *r = *state;
	struct scribbler s = { .r = r };
	pthread_t thread;
	blkif_response_t rsp;
	unsigned int nr;

#ifdef __SANITIZE_THREAD__
	/* The guest's own two threads race, which is the point. */
	skip();
#endif
	assert_int_equal(pthread_create(&thread, NULL, scribble, &s), 0);
	for (unsigned int i = 0; i < 300; i++) {
		for (unsigned int k = 0; k < 8; k++)
			blk_rig_put_indirect(r, BLKIF_OP_READ, k, k * 8, 0, 64, 299);
		blk_rig_go(r);
		for (nr = 0; blk_rig_answer(r, &rsp);)
			nr++;
		assert_int_equal(r->queue.nr_busy, 0);
		/* Now and then it has the disk read into its own ring. */
		if (r->queue.fatal) {
			assert_int_equal(r->queue.fatal, BLK_FATAL_PRODUCER);
			begin_anew(r);
		} else {
			assert_int_equal(nr, 8);
		}
	}
	s.stop = true;
	pthread_join(thread, NULL);
}

/* Gone in the middle of its work: every page is given back, which blk_rig_fini() checks. */
static void test_disconnect_in_flight(void **state)
{
	struct blk_rig *r = *state;

	for (unsigned int i = 0; i < r->nr_slots; i++)
		blk_rig_put_indirect(r, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE, i, 0, 0, 200, 299);
	blk_rig_put_pages(r, BLKIF_OP_WRITE_BARRIER, 1, 0, 0, 1);
	r->req_prod--;
	blk_rig_publish(r);
	blk_queue_run(&r->queue);
	blk_rig_disconnect(r);
	assert_int_equal(r->budget.used, 0);
}

/* Killed with requests in work: the next one does those, and only those, again. */
static void test_taken_up(void **state)
{
	struct blk_rig *r = *state;
	struct blk_queue dead;
	blkif_response_t rsp;
	bool seen[13] = { false };

	blk_rig_disconnect(r);
	assert_int_equal(blk_rig_connect(r, "note", false), 0);
	for (unsigned int i = 0; i < 12; i++) {
		fill_page(r, i, 0xd0000000u + i);
		blk_rig_put_pages(r, BLKIF_OP_WRITE, i, i * 8, i, 1);
	}
	blk_rig_go(r);
	for (unsigned int i = 0; i < 5; i++)
		assert_true(blk_rig_answer(r, &rsp));
	while (blk_rig_answer(r, &rsp))
		;
	/*
	 * More are taken, none is answered; what was written over their slots is no matter. However quick the disk is,
	 * the barrier waits for the next run.
	 */
	for (unsigned int i = 0; i < 12; i++)
		blk_rig_put_pages(r, BLKIF_OP_WRITE, i, 200 + i * 8, i, 1);
	blk_rig_put_pages(r, BLKIF_OP_WRITE_BARRIER, 12, 200, 0, 1);
	blk_rig_publish(r);
	blk_queue_run(&r->queue);
	dead = r->queue;
	memset(r->ring + 64, 0xff, r->nr_pages * PAGE - 64);
	assert_true(dead.nr_busy > 0);
	r->rsp_cons = *blk_rig_index(r, 2);
	blk_queue_disconnect(&r->queue);
	r->queue.hv = NULL;
	assert_int_equal(blk_rig_connect(r, "note", true), 0);
	assert_true(r->queue.nr_redo > 0);
	blk_rig_go(r);
	while (blk_rig_answer(r, &rsp)) {
		assert_int_equal(rsp.status, BLKIF_RSP_OKAY);
		assert_true(rsp.id < 13);
		assert_false(seen[rsp.id]);
		seen[rsp.id] = true;
	}
	assert_true(seen[12]);
	for (unsigned int i = 0; i < 12; i++) {
		assert_int_equal(stored(r, 200 + i * 8), 0xd0000000u + i);
		assert_int_equal(stored(r, i * 8), 0xd0000000u + i);
	}
}

/* A ring that was in use, without notes of it, is not guessed at. */
static void test_no_notes(void **state)
{
	struct blk_rig *r = *state;

	blk_rig_disconnect(r);
	blk_rig_put_pages(r, BLKIF_OP_READ, 1, 0, 0, 1);
	blk_rig_publish(r);
	assert_int_equal(blk_rig_connect(r, "note", true), -ENODATA);
	blk_image_close(&r->disk);
	/* A guest that changes its index meanwhile harms itself. */
	assert_int_equal(blk_rig_connect(r, "note", false), 0);
	blk_rig_disconnect(r);
	*blk_rig_index(r, 2) -= 1;
	*blk_rig_index(r, 0) = *blk_rig_index(r, 2);
	assert_int_equal(blk_rig_connect(r, "note", true), -EPROTO);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_slots),
		TEST(test_reads),
		TEST(test_parts_of_pages),
		TEST(test_writes),
		TEST(test_indirect),
		TEST(test_barrier),
		TEST(test_discard),
		TEST(test_bad_requests),
		TEST(test_bad_ring),
		TEST(test_read_only),
		TEST(test_readonly_grant),
		TEST(test_impossible_producer),
		TEST(test_producer_backwards),
		TEST(test_image_fails),
		TEST(test_budget),
		TEST(test_rewritten_while_read),
		TEST(test_disconnect_in_flight),
		TEST(test_taken_up),
		TEST(test_no_notes),
	};
	int rc = 0;

	for (; variant < variants + sizeof(variants) / sizeof(variants[0]); variant++)
		rc += cmocka_run_group_tests_name("queue", tests, NULL, NULL);
	return rc;
}
