/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block backend and a guest with one disk, in one process on a core of their own: the frontend is a bare ring,
 * which a test may drive as honestly or as badly as it likes, and the image a file in a folder of its own.
 */
#ifndef TESTS_UTIL_BLK_RIG_H
#define TESTS_UTIL_BLK_RIG_H

#include <stdint.h>

#include <xen/io/blkif.h>

#include "hv/block/vbd.h"
#include "tests/util/core_rig.h"

#define BLK_RIG_DEVID	51712u /* xvda */
#define BLK_RIG_PAGES	300u   /* of data */
#define BLK_RIG_SECTORS 8192u
#define BLK_RIG_IMAGE	((size_t)BLK_RIG_SECTORS * 512)

struct blk_rig {
	struct core_rig c;
	char folder[64], image[96];

	/* The frontend's. */
	enum blk_abi abi;
	unsigned int nr_pages, nr_slots;
	uint8_t *ring;
	uint32_t ring_refs[BLK_RING_PAGES_MAX];
	struct hv_evtchn ch;
	uint32_t req_prod, rsp_cons;
	uint8_t *pages; /* BLK_RIG_PAGES of them */
	uint32_t refs[BLK_RIG_PAGES];

	/* The backend: either of them. */
	struct blkback *bb;
	struct blkback_config config;
	struct blk_queue queue;
	struct blk_image disk;
	struct blk_budget budget;
};

/* An image of BLK_RIG_SECTORS, each filled with its number; rings start at @first. */
void blk_rig_init(struct blk_rig *r, enum blk_abi abi, unsigned int nr_pages, uint32_t first);
void blk_rig_fini(struct blk_rig *r);

/* The queue alone, without store and daemon. @note: a file of r->folder, NULL: none. 0 or -errno. */
int blk_rig_connect(struct blk_rig *r, const char *note, bool restarted);
void blk_rig_disconnect(struct blk_rig *r);

/* The ring's slots, in the frontend's own layout; unpublished. */
void blk_rig_put(struct blk_rig *r, const struct blk_cmd *cmd);
/* A read or write of @nr whole pages from page @page of ours on, at most 11. */
void blk_rig_put_pages(struct blk_rig *r, uint8_t op, uint64_t id, uint64_t sector,
		       unsigned int page, unsigned int nr);
/* The same, @nr up to 256, by an indirect request whose segments stand in page @list. */
void blk_rig_put_indirect(struct blk_rig *r, uint8_t op, uint64_t id, uint64_t sector,
			  unsigned int page, unsigned int nr, unsigned int list);
void blk_rig_publish(struct blk_rig *r);
/* Publish, tell, and let the backend work until it has nothing more in work. */
void blk_rig_go(struct blk_rig *r);
/* The next answer. False: there is none. */
bool blk_rig_answer(struct blk_rig *r, blkif_response_t *rsp);
/* That exactly one answer came, of @id, and is @status. */
void blk_rig_expect(struct blk_rig *r, uint64_t id, int status);
/* The four indices. */
uint32_t *blk_rig_index(struct blk_rig *r, unsigned int which);
/* A sector of the image file. */
void blk_rig_sector(struct blk_rig *r, uint64_t sector, uint8_t out[512]);

/* The daemon, with its store. */
void blk_rig_start(struct blk_rig *r);
void blk_rig_stop(struct blk_rig *r);
void blk_rig_key(struct blk_rig *r, bool frontend, const char *key, const char *value);
void blk_rig_key_u32(struct blk_rig *r, bool frontend, const char *key, uint32_t value);
/* -1: none. */
int64_t blk_rig_number(struct blk_rig *r, bool frontend, const char *key);
/* @params: NULL: the image. */
void blk_rig_add(struct blk_rig *r, const char *params, const char *mode);
/* The frontend's ring, event channel and state. */
void blk_rig_publish_frontend(struct blk_rig *r);
void blk_rig_expect_state(struct blk_rig *r, int state);
struct blk_vbd *blk_rig_vbd(struct blk_rig *r);

#endif
