/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/blk_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/rundir.h"

#define PAGE 4096u

static void make_image(struct blk_rig *r)
{
	uint8_t *bytes = malloc(BLK_RIG_IMAGE);
	FILE *f;

	snprintf(r->folder, sizeof(r->folder), "/tmp/vf-blk.XXXXXX");
	rig_must(mkdtemp(r->folder) && bytes ? 0 : -1);
	snprintf(r->image, sizeof(r->image), "%s/disk.img", r->folder);
	for (size_t i = 0; i < BLK_RIG_IMAGE; i += 4) {
		uint32_t sector = (uint32_t)(i / 512);

		memcpy(bytes + i, &sector, 4);
	}
	f = fopen(r->image, "we");
	rig_must(f && fwrite(bytes, BLK_RIG_IMAGE, 1, f) == 1 ? 0 : -1);
	rig_must(fclose(f));
	free(bytes);
}

static unsigned int slot_size(const struct blk_rig *r)
{
	return r->abi == BLK_ABI_X86_64 ? 112 : 108;
}

uint32_t *blk_rig_index(struct blk_rig *r, unsigned int which)
{
	return (uint32_t *)(void *)(r->ring + (size_t)which * 4);
}

static uint8_t *slot(struct blk_rig *r, uint32_t index)
{
	return r->ring + 64 + (size_t)(index % r->nr_slots) * slot_size(r);
}

void blk_rig_init(struct blk_rig *r, enum blk_abi abi, unsigned int nr_pages, uint32_t first)
{
	memset(r, 0, sizeof(*r));
	r->disk.fd = -1;
	r->abi = abi;
	r->nr_pages = nr_pages;
	make_image(r);
	core_rig_init(&r->c);
	r->ring = core_rig_grant(&r->c, nr_pages, r->ring_refs);
	r->pages = core_rig_grant(&r->c, BLK_RIG_PAGES, r->refs);
	rig_must(hv_guest_evtchn_alloc(r->c.guest, 0, &r->ch));
	for (r->nr_slots = 1; r->nr_slots * 2 * slot_size(r) + 64 <= nr_pages * PAGE;)
		r->nr_slots *= 2;
	*blk_rig_index(r, 0) = *blk_rig_index(r, 2) = first;
	*blk_rig_index(r, 1) = *blk_rig_index(r, 3) = first + 1;
	r->req_prod = r->rsp_cons = first;
	r->config = (struct blkback_config){ .hv = r->c.hv,
					     .rundir = r->folder,
					     .max_ring_order = BLK_RING_ORDER_MAX };
}

void blk_rig_fini(struct blk_rig *r)
{
	char path[PATH_MAX];

	blk_rig_disconnect(r);
	blk_rig_stop(r);
	for (unsigned int i = 0; i < BLK_RIG_PAGES; i++)
		rig_must(hv_guest_grant_end(r->c.guest, r->refs[i]));
	for (unsigned int i = 0; i < r->nr_pages; i++)
		rig_must(hv_guest_grant_end(r->c.guest, r->ring_refs[i]));
	hv_guest_evtchn_free(r->c.guest, &r->ch);
	core_rig_fini(&r->c);
	unlink(r->image);
	snprintf(path, sizeof(path), "%s/note", r->folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s/vbd%u.%u.ring", r->folder, RUNDIR_BLKBACK, r->c.domid,
		 BLK_RIG_DEVID);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s", r->folder, RUNDIR_BLKBACK);
	rmdir(path);
	rmdir(r->folder);
}

int blk_rig_connect(struct blk_rig *r, const char *note, bool restarted)
{
	struct blk_image_spec spec = {
		.path = r->image, .format = "raw", .rundir = r->folder, .name = "rig"
	};
	struct blk_queue_refs refs = { .domid = r->c.domid,
				       .abi = r->abi,
				       .nr_pages = r->nr_pages,
				       .port = r->ch.local_port,
				       .generation = "vm" };
	static char path[128];
	char why[BLK_WHY_MAX];
	const char *text;
	int rc;

	if (r->disk.fd < 0)
		rig_must(blk_image_open(&r->disk, &spec, why));
	r->budget.max = r->budget.max ? r->budget.max : 1000;
	memcpy(refs.refs, r->ring_refs, sizeof(refs.refs));
	snprintf(path, sizeof(path), "%s/%s", r->folder, note ? note : "");
	r->queue = (struct blk_queue){ .hv = r->c.hv,
				       .image = &r->disk,
				       .budget = &r->budget,
				       .engine = r->config.engine,
				       .note_path = note ? path : NULL,
				       .restarted = restarted };
	rc = blk_queue_connect(&r->queue, &refs, &text);
	if (rc)
		r->queue.hv = NULL;
	return rc;
}

void blk_rig_disconnect(struct blk_rig *r)
{
	if (r->queue.hv)
		blk_queue_disconnect(&r->queue);
	r->queue.hv = NULL;
	blk_image_close(&r->disk);
}

static void encode_segment(uint8_t *at, const struct blk_segment *s)
{
	memcpy(at, &s->gref, 4);
	at[4] = s->first;
	at[5] = s->last;
}

void blk_rig_put(struct blk_rig *r, const struct blk_cmd *cmd)
{
	uint8_t *at = slot(r, r->req_prod++);
	size_t id = r->abi == BLK_ABI_X86_64 ? 8 : 4;
	uint16_t nr = (uint16_t)cmd->nr_segments;

	memset(at, 0, slot_size(r));
	at[0] = cmd->op;
	memcpy(at + id, &cmd->id, 8);
	memcpy(at + id + 8, &cmd->sector, 8);
	if (cmd->op == BLKIF_OP_INDIRECT) {
		at[1] = cmd->indirect_op;
		memcpy(at + 2, &nr, 2);
		memcpy(at + id + 20, cmd->indirect, sizeof(cmd->indirect));
	} else if (cmd->op == BLKIF_OP_DISCARD) {
		at[1] = cmd->flag;
		memcpy(at + id + 16, &cmd->nr_sectors, 8);
	} else {
		at[1] = (uint8_t)nr;
		for (size_t i = 0; i < BLK_INLINE_SEGMENTS; i++)
			encode_segment(at + id + 16 + i * 8, &cmd->segments[i]);
	}
}

void blk_rig_put_pages(struct blk_rig *r, uint8_t op, uint64_t id, uint64_t sector,
		       unsigned int page, unsigned int nr)
{
	struct blk_cmd cmd = { .op = op, .id = id, .sector = sector, .nr_segments = nr };

	for (unsigned int i = 0; i < nr && i < BLK_INLINE_SEGMENTS; i++)
		cmd.segments[i] = (struct blk_segment){ r->refs[page + i], 0, 7 };
	blk_rig_put(r, &cmd);
}

void blk_rig_put_indirect(struct blk_rig *r, uint8_t op, uint64_t id, uint64_t sector,
			  unsigned int page, unsigned int nr, unsigned int list)
{
	struct blk_cmd cmd = { .op = BLKIF_OP_INDIRECT,
			       .indirect_op = op,
			       .id = id,
			       .sector = sector,
			       .nr_segments = nr,
			       .indirect = { r->refs[list] } };

	for (unsigned int i = 0; i < nr && i < BLK_SEGMENTS_PER_PAGE; i++) {
		struct blk_segment s = { r->refs[(page + i) % BLK_RIG_PAGES], 0, 7 };

		encode_segment(r->pages + (size_t)list * PAGE + (size_t)i * 8, &s);
	}
	blk_rig_put(r, &cmd);
}

void blk_rig_publish(struct blk_rig *r)
{
	__atomic_store_n(blk_rig_index(r, 0), r->req_prod, __ATOMIC_RELEASE);
}

void blk_rig_go(struct blk_rig *r)
{
	blk_rig_publish(r);
	hv_guest_evtchn_notify(&r->ch);
	if (r->bb) {
		struct blk_vbd *vbd;

		for (int i = 0; i < 1000; i++) {
			blkback_turn(r->bb);
			vbd = blk_rig_vbd(r);
			if (!vbd || !vbd->dev.connected || !vbd->queue.nr_busy)
				return;
			poll(&(struct pollfd){ vbd->queue.io->fd, POLLIN, 0 }, 1, 1000);
		}
		rig_must(-1);
	}
	while (blk_queue_event(&r->queue) || r->queue.nr_busy)
		poll(&(struct pollfd){ r->queue.io->fd, POLLIN, 0 }, 1, 1000);
}

bool blk_rig_answer(struct blk_rig *r, blkif_response_t *rsp)
{
	const uint8_t *at;

	if (__atomic_load_n(blk_rig_index(r, 2), __ATOMIC_ACQUIRE) == r->rsp_cons)
		return false;
	at = slot(r, r->rsp_cons++);
	memcpy(&rsp->id, at, 8);
	rsp->operation = at[8];
	memcpy(&rsp->status, at + 10, 2);
	*blk_rig_index(r, 3) = r->rsp_cons + 1;
	return true;
}

void blk_rig_expect(struct blk_rig *r, uint64_t id, int status)
{
	blkif_response_t rsp;

	assert_true(blk_rig_answer(r, &rsp));
	assert_int_equal(rsp.id, id);
	assert_int_equal(rsp.status, status);
	assert_false(blk_rig_answer(r, &rsp));
}

void blk_rig_sector(struct blk_rig *r, uint64_t sector, uint8_t out[512])
{
	int fd = open(r->image, O_RDONLY | O_CLOEXEC);

	rig_must(fd);
	rig_must(pread(fd, out, 512, (off_t)(sector * 512)) == 512 ? 0 : -1);
	close(fd);
}

void blk_rig_start(struct blk_rig *r)
{
	char path[PATH_MAX];

	rundir_file(path, r->folder, RUNDIR_BLKBACK);
	rig_must(rundir_create(path));
	rig_must(blkback_create(&r->config, NULL, &r->bb));
}

void blk_rig_stop(struct blk_rig *r)
{
	blkback_destroy(r->bb);
	r->bb = NULL;
}

static void key_path(const struct blk_rig *r, bool frontend, const char *key, char path[160])
{
	snprintf(path, 160,
		 frontend ? "/local/domain/%u/device/vbd/%u%s%s" : "backend/vbd/%u/%u%s%s",
		 r->c.domid, BLK_RIG_DEVID, *key ? "/" : "", key);
}

void blk_rig_key(struct blk_rig *r, bool frontend, const char *key, const char *value)
{
	char path[160];

	key_path(r, frontend, key, path);
	if (value)
		rig_must(hv_store_write(r->c.hv->store, 0, path, value, strlen(value)));
	else
		hv_store_rm(r->c.hv->store, 0, path);
}

void blk_rig_key_u32(struct blk_rig *r, bool frontend, const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	blk_rig_key(r, frontend, key, text);
}

int64_t blk_rig_number(struct blk_rig *r, bool frontend, const char *key)
{
	char path[160];
	uint32_t value;

	key_path(r, frontend, key, path);
	return hv_store_read_u32(r->c.hv->store, 0, path, UINT32_MAX, &value) ? -1 : (int64_t)value;
}

void blk_rig_add(struct blk_rig *r, const char *params, const char *mode)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/vm", r->c.domid);
	rig_must(hv_store_write(r->c.hv->store, 0, path, "/vm/1", 5));
	blk_rig_key(r, true, "state", "1");
	blk_rig_key(r, false, "params", params ? params : r->image);
	blk_rig_key(r, false, "mode", mode);
	blk_rig_key(r, false, "online", "1");
	blk_rig_key(r, false, "state", "1");
}

void blk_rig_publish_frontend(struct blk_rig *r)
{
	char key[24];

	blk_rig_key(r, true, "protocol", r->abi == BLK_ABI_X86_64 ? "x86_64-abi" : "x86_32-abi");
	if (r->nr_pages == 1) {
		blk_rig_key_u32(r, true, "ring-ref", r->ring_refs[0]);
	} else {
		blk_rig_key_u32(r, true, "ring-page-order", (uint32_t)__builtin_ctz(r->nr_pages));
		for (unsigned int i = 0; i < r->nr_pages; i++) {
			snprintf(key, sizeof(key), "ring-ref%u", i);
			blk_rig_key_u32(r, true, key, r->ring_refs[i]);
		}
	}
	blk_rig_key_u32(r, true, "event-channel", r->ch.local_port);
	blk_rig_key(r, true, "state", "3");
}

void blk_rig_expect_state(struct blk_rig *r, int state)
{
	blkback_turn(r->bb);
	assert_int_equal(blk_rig_number(r, false, "state"), state);
}

struct blk_vbd *blk_rig_vbd(struct blk_rig *r)
{
	return blk_vbd_find(r->bb, r->c.domid, BLK_RIG_DEVID);
}
