/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a vbd has taken off its ring and not yet answered, in a file that is mapped, so that it outlives a
 * daemon that is killed: answers come in another order than requests and are written over them, so that the
 * ring alone does not tell. The successor does again what is noted here; a request that is done twice has done
 * the same twice, since nobody was told of the first time.
 *
 * The file is ours alone (in the run directory); it is checked against the ring all the same. One thread.
 */
#ifndef HV_BLOCK_NOTE_H
#define HV_BLOCK_NOTE_H

#include "hv/block/ring.h"

#define BLK_GENERATION_MAX 64

/* Whose rings those are: another's notes are none. */
struct blk_note_owner {
	uint16_t domid;
	uint16_t abi;
	uint32_t nr_pages;
	uint32_t refs[BLK_RING_PAGES_MAX];
	char generation[BLK_GENERATION_MAX];
};

struct blk_note;

/**
 * blk_note_open() - Make notes, or find a predecessor's
 * @path:	NULL: in memory, for nobody
 * @resumed:	Set: @path had the notes of @owner
 */
int blk_note_open(const char *path, const struct blk_note_owner *owner, struct blk_note **note_out,
		  bool *resumed);
/* The file stays. NULL is allowed. */
void blk_note_close(struct blk_note *note);

/**
 * blk_note_resume() - Take up where the predecessor was
 * @r:		Mapped; its req_cons is set
 * @slots:	Set: what is to be done again, in the order of the ring
 * Return: their number; -EPROTO: notes and ring contradict each other.
 */
int blk_note_resume(struct blk_note *note, struct blk_ring *r,
		    unsigned int slots[BLK_RING_SLOTS_MAX]);
/* Forget all: the ring begins where @r is. */
void blk_note_begin(struct blk_note *note, const struct blk_ring *r);

/* @raw was taken off the ring. Return: its slot here; there are as many as the largest ring has. */
unsigned int blk_note_take(struct blk_note *note, const struct blk_ring *r,
			   const struct blk_raw *raw);
const struct blk_raw *blk_note_raw(const struct blk_note *note, unsigned int slot);
/* Before its answer is written as the ring's next. */
void blk_note_answer(struct blk_note *note, unsigned int slot, const struct blk_ring *r);
/* After that was published. */
void blk_note_free(struct blk_note *note, unsigned int slot);

#endif
