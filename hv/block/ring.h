/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend's end of a blkif ring (xen/io/blkif.h) of one or several pages, in the layout of a
 * frontend's own machine. Every field of the shared pages is the guest's: a slot is copied once, word by
 * word, and only the copy is used; indices that we produce are kept here and never read back.
 *
 * One thread, that of the queue.
 */
#ifndef HV_BLOCK_RING_H
#define HV_BLOCK_RING_H

#include "hv/hv.h"

#define BLK_RING_ORDER_MAX    4u /* pages as a power of two */
#define BLK_RING_PAGES_MAX    (1u << BLK_RING_ORDER_MAX)
#define BLK_RING_SLOTS_MAX    512u /* what so many pages hold, of either layout */
#define BLK_SLOT_SIZE_MAX     112u
#define BLK_INLINE_SEGMENTS   11u
#define BLK_INDIRECT_PAGES    8u
#define BLK_SEGMENTS_PER_PAGE 512u /* of an indirect page */
#define BLK_SECTOR_SIZE	      512u
#define BLK_SECTORS_PER_PAGE  8u

enum blk_abi { BLK_ABI_X86_64, BLK_ABI_X86_32 };

struct blk_raw {
	uint32_t words[BLK_SLOT_SIZE_MAX / 4];
};

/* Sectors of a page, both inclusive: untrusted. */
struct blk_segment {
	uint32_t gref;
	uint8_t first, last;
};

/* A slot taken apart, not checked. Which fields mean anything depends on @op. */
struct blk_cmd {
	uint8_t op;	     /* BLKIF_OP_* */
	uint8_t indirect_op; /* of BLKIF_OP_INDIRECT: read or write */
	uint8_t flag;	     /* of BLKIF_OP_DISCARD */
	unsigned int nr_segments;
	uint64_t id, sector;
	uint64_t nr_sectors; /* of BLKIF_OP_DISCARD */
	struct blk_segment segments[BLK_INLINE_SEGMENTS];
	uint32_t indirect[BLK_INDIRECT_PAGES];
};

struct blk_ring {
	enum blk_abi abi;
	unsigned int nr_pages, nr_slots; /* powers of two */
	struct hv_gnt_map pages[BLK_RING_PAGES_MAX];
	uint32_t req_cons, rsp_prod; /* free-running; rsp_prod: answers written, published or not */
	uint32_t published;
};

/**
 * blk_ring_map() - Map the pages of a ring
 * @refs:	Untrusted
 * @nr_pages:	A power of two up to BLK_RING_PAGES_MAX
 * Requests are taken from where the ring says it was answered up to. Return: 0; -EPROTO: impossible indices;
 * -errno of the grants. On error nothing is mapped.
 */
int blk_ring_map(struct blk_ring *r, struct hv *hv, struct hv_domain *domain, enum blk_abi abi,
		 const uint32_t *refs, unsigned int nr_pages);
/* Safe on a zeroed or unmapped one. */
void blk_ring_unmap(struct blk_ring *r, struct hv *hv);

/* Copy the next request out. Return: 1; 0: none; -EPROTO: the producer's index is impossible. */
int blk_ring_take(struct blk_ring *r, struct blk_raw *raw);
/* Write an answer, which the frontend sees from blk_ring_publish() on. */
void blk_ring_answer(struct blk_ring *r, uint64_t id, uint8_t op, int16_t status);
/* Return: whether the frontend wants to be told. */
bool blk_ring_publish(struct blk_ring *r);
/* Ask to be told of the next request. Return: false: there is one already. */
bool blk_ring_arm(struct blk_ring *r);

/* The indices in the page, the guest's word: for people to look at. */
struct blk_ring_indices {
	uint32_t req_prod, req_event, rsp_prod, rsp_event;
};
void blk_ring_indices(const struct blk_ring *r, struct blk_ring_indices *out);

void blk_cmd_decode(enum blk_abi abi, const struct blk_raw *raw, struct blk_cmd *cmd);
/* Segment @i of an indirect page, of which @bytes is a private copy. */
void blk_segment_decode(const uint8_t *bytes, unsigned int i, struct blk_segment *segment);

#endif
