/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/ring.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <xen/io/blkif.h>

#define PAGE	    4096u
#define RING_HEADER 64u /* before slot 0: four indices and padding, as xen/io/ring.h lays it out */

/* All numbers behind the first eight bytes of a request are at four less for a frontend of 32 bits. */
static const struct layout {
	unsigned int slot_size, answer_size, id;
} layouts[] = {
	[BLK_ABI_X86_64] = { 112, 16, 8 },
	[BLK_ABI_X86_32] = { 108, 12, 4 },
};

_Static_assert(sizeof(struct blkif_request) == 112 && sizeof(struct blkif_response) == 16,
	       "layout of x86_64");
_Static_assert(offsetof(struct blkif_request, seg) == 24 &&
		       offsetof(struct blkif_request_indirect, indirect_grefs) == 28 &&
		       offsetof(struct blkif_request_discard, nr_sectors) == 24,
	       "the fields that decode() reads");
_Static_assert(offsetof(struct blkif_sring, ring) == RING_HEADER, "the header of a ring");

static uint32_t *word_at(const struct blk_ring *r, size_t offset)
{
	return (uint32_t *)(void *)((uint8_t *)r->pages[offset / PAGE].page + offset % PAGE);
}

/* The order of the four in the page. */
enum ring_index { REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT };

static uint32_t load(const struct blk_ring *r, enum ring_index i, int order)
{
	uint32_t *word = word_at(r, (size_t)i * 4);

	return order == __ATOMIC_ACQUIRE ? __atomic_load_n(word, __ATOMIC_ACQUIRE)
					 : __atomic_load_n(word, __ATOMIC_RELAXED);
}

static size_t slot_offset(const struct blk_ring *r, uint32_t index)
{
	return RING_HEADER + (size_t)(index & (r->nr_slots - 1)) * layouts[r->abi].slot_size;
}

static unsigned int slots_of(enum blk_abi abi, unsigned int nr_pages)
{
	unsigned int fit = (nr_pages * PAGE - RING_HEADER) / layouts[abi].slot_size, nr = 1;

	while (nr * 2 <= fit)
		nr *= 2;
	return nr;
}

int blk_ring_map(struct blk_ring *r, struct hv *hv, struct hv_domain *domain, enum blk_abi abi,
		 const uint32_t *refs, unsigned int nr_pages)
{
	int rc = 0;

	memset(r, 0, sizeof(*r));
	r->abi = abi;
	while (r->nr_pages < nr_pages && !rc) {
		rc = hv->gnt->map(domain, refs[r->nr_pages], &r->pages[r->nr_pages]);
		r->nr_pages += !rc;
	}
	if (rc)
		goto out;
	r->nr_slots = slots_of(abi, nr_pages);
	r->req_cons = r->rsp_prod = r->published = load(r, RSP_PROD, __ATOMIC_RELAXED);
	if (load(r, REQ_PROD, __ATOMIC_ACQUIRE) - r->rsp_prod > r->nr_slots)
		rc = -EPROTO;
out:
	if (rc)
		blk_ring_unmap(r, hv);
	return rc;
}

void blk_ring_unmap(struct blk_ring *r, struct hv *hv)
{
	while (r->nr_pages)
		hv->gnt->unmap(&r->pages[--r->nr_pages]);
}

int blk_ring_take(struct blk_ring *r, struct blk_raw *raw)
{
	/* Pairs with the frontend's write barrier between a request and its index. */
	uint32_t prod = load(r, REQ_PROD, __ATOMIC_ACQUIRE);
	unsigned int nr = layouts[r->abi].slot_size / 4;
	size_t offset;

	/* More than the ring has room for: it would have written over what is not answered. */
	if (prod - r->rsp_prod > r->nr_slots || prod - r->req_cons > r->nr_slots)
		return -EPROTO;
	if (prod == r->req_cons)
		return 0;
	offset = slot_offset(r, r->req_cons);
	memset(raw, 0, sizeof(*raw));
	/* Each word is read once: the guest may be writing it. A slot may lie across two pages. */
	for (unsigned int i = 0; i < nr; i++)
		raw->words[i] = __atomic_load_n(word_at(r, offset + (size_t)i * 4),
						__ATOMIC_RELAXED);
	r->req_cons++;
	return 1;
}

void blk_ring_answer(struct blk_ring *r, uint64_t id, uint8_t op, int16_t status)
{
	const struct layout *l = &layouts[r->abi];
	size_t offset = slot_offset(r, r->rsp_prod++);
	uint32_t words[4] = { (uint32_t)id, (uint32_t)(id >> 32),
			      op | (uint32_t)(uint16_t)status << 16 };

	for (unsigned int i = 0; i < l->answer_size / 4; i++)
		__atomic_store_n(word_at(r, offset + (size_t)i * 4), words[i], __ATOMIC_RELAXED);
}

bool blk_ring_publish(struct blk_ring *r)
{
	uint32_t old = r->published, new = r->rsp_prod, event;

	if (old == new)
		return false;
	/* Answers before their index; pairs with the frontend's read barrier behind the index. */
	__atomic_store_n(word_at(r, RSP_PROD * 4), new, __ATOMIC_RELEASE);
	r->published = new;
	/* The index before the look at what it waits for: it sets that and then looks at the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = load(r, RSP_EVENT, __ATOMIC_RELAXED);
	return new - event < new - old;
}

bool blk_ring_arm(struct blk_ring *r)
{
	__atomic_store_n(word_at(r, REQ_EVENT * 4), r->req_cons + 1, __ATOMIC_RELAXED);
	/* Pairs with the frontend, which writes its index and then looks at ours. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load(r, REQ_PROD, __ATOMIC_RELAXED) == r->req_cons;
}

void blk_ring_indices(const struct blk_ring *r, struct blk_ring_indices *out)
{
	out->req_prod = load(r, REQ_PROD, __ATOMIC_RELAXED);
	out->req_event = load(r, REQ_EVENT, __ATOMIC_RELAXED);
	out->rsp_prod = load(r, RSP_PROD, __ATOMIC_RELAXED);
	out->rsp_event = load(r, RSP_EVENT, __ATOMIC_RELAXED);
}

static uint64_t get(const uint8_t *bytes, size_t offset, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, bytes + offset, size);
	return value;
}

void blk_segment_decode(const uint8_t *bytes, unsigned int i, struct blk_segment *segment)
{
	const uint8_t *at = bytes + (size_t)i * sizeof(struct blkif_request_segment);

	segment->gref = (uint32_t)get(at, 0, 4);
	segment->first = at[4];
	segment->last = at[5];
}

void blk_cmd_decode(enum blk_abi abi, const struct blk_raw *raw, struct blk_cmd *cmd)
{
	const uint8_t *bytes = (const uint8_t *)raw->words;
	size_t id = layouts[abi].id;

	memset(cmd, 0, sizeof(*cmd));
	cmd->op = bytes[0];
	cmd->id = get(bytes, id, 8);
	cmd->sector = get(bytes, id + 8, 8);
	if (cmd->op == BLKIF_OP_INDIRECT) {
		cmd->indirect_op = bytes[1];
		cmd->nr_segments = (unsigned int)get(bytes, 2, 2);
		for (size_t i = 0; i < BLK_INDIRECT_PAGES; i++)
			cmd->indirect[i] = (uint32_t)get(bytes, id + 20 + i * 4, 4);
	} else if (cmd->op == BLKIF_OP_DISCARD) {
		cmd->flag = bytes[1];
		cmd->nr_sectors = get(bytes, id + 16, 8);
	} else {
		cmd->nr_segments = bytes[1];
		for (unsigned int i = 0; i < BLK_INLINE_SEGMENTS; i++)
			blk_segment_decode(bytes + id + 16, i, &cmd->segments[i]);
	}
}
