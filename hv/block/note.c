/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	0x6b6c4266u
#define VERSION 1u

enum slot_state { FREE, TAKEN, ANSWERED };

struct slot {
	uint32_t state;
	uint32_t request; /* its index in the ring */
	uint32_t answer;  /* ANSWERED: the answer's */
	struct blk_raw raw;
};

struct file {
	uint32_t magic, version;
	struct blk_note_owner owner;
	uint32_t req_cons;
	struct slot slots[BLK_RING_SLOTS_MAX];
};

struct blk_note {
	struct file *file;
	unsigned int nr_free;
	uint16_t free[BLK_RING_SLOTS_MAX]; /* a stack: few slots are ever touched */
};

/* What was stored before is there for whoever looks after we were killed here. */
static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static int map_file(const char *path, struct file **file_out)
{
	int fd = -1, rc = 0;
	void *p;

	if (path) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		/* Taken now, so that no store meets a full file system. */
		rc = -posix_fallocate(fd, 0, sizeof(struct file));
	}
	p = rc ? MAP_FAILED
	       : mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE,
		      path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
	if (!rc && p == MAP_FAILED)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (!rc)
		*file_out = p;
	return rc;
}

int blk_note_open(const char *path, const struct blk_note_owner *owner, struct blk_note **note_out,
		  bool *resumed)
{
	struct blk_note *note = calloc(1, sizeof(*note));
	struct file *f;
	int rc = note ? map_file(path, &note->file) : -ENOMEM;

	*note_out = NULL;
	if (rc) {
		free(note);
		return rc;
	}
	f = note->file;
	*resumed = f->magic == MAGIC && f->version == VERSION &&
		   !memcmp(&f->owner, owner, sizeof(*owner));
	if (!*resumed) {
		f->magic = 0;
		memset(f->slots, 0, sizeof(f->slots));
		f->owner = *owner;
	}
	*note_out = note;
	return 0;
}

void blk_note_close(struct blk_note *note)
{
	if (!note)
		return;
	munmap(note->file, sizeof(*note->file));
	free(note);
}

static void collect_free(struct blk_note *note)
{
	note->nr_free = 0;
	for (unsigned int i = BLK_RING_SLOTS_MAX; i--;)
		if (note->file->slots[i].state == FREE)
			note->free[note->nr_free++] = (uint16_t)i;
}

void blk_note_begin(struct blk_note *note, const struct blk_ring *r)
{
	struct file *f = note->file;

	for (unsigned int i = 0; i < BLK_RING_SLOTS_MAX; i++)
		f->slots[i].state = FREE;
	f->req_cons = r->req_cons;
	f->version = VERSION;
	store(&f->magic, MAGIC);
	collect_free(note);
}

static bool is_open(const struct file *f, const struct slot *s, uint32_t rsp_prod)
{
	/* Not yet counted as taken: it is still in the ring. */
	if (s->state == FREE || (int32_t)(s->request - f->req_cons) >= 0)
		return false;
	return s->state == TAKEN || (int32_t)(s->answer - rsp_prod) >= 0;
}

int blk_note_resume(struct blk_note *note, struct blk_ring *r,
		    unsigned int slots[BLK_RING_SLOTS_MAX])
{
	struct file *f = note->file;
	unsigned int nr = 0, k;

	for (unsigned int i = 0; i < BLK_RING_SLOTS_MAX; i++) {
		struct slot *s = &f->slots[i];

		if (!is_open(f, s, r->rsp_prod)) {
			s->state = FREE;
			continue;
		}
		s->state = TAKEN;
		for (k = nr++; k && (int32_t)(f->slots[slots[k - 1]].request - s->request) > 0; k--)
			slots[k] = slots[k - 1];
		slots[k] = i;
	}
	/* All that was taken was answered or is open. */
	if (nr > r->nr_slots || f->req_cons - r->rsp_prod != nr)
		return -EPROTO;
	r->req_cons = f->req_cons;
	collect_free(note);
	return (int)nr;
}

unsigned int blk_note_take(struct blk_note *note, const struct blk_ring *r,
			   const struct blk_raw *raw)
{
	unsigned int slot = note->free[--note->nr_free];
	struct slot *s = &note->file->slots[slot];

	s->raw = *raw;
	s->request = r->req_cons - 1;
	store(&s->state, TAKEN);
	store(&note->file->req_cons, r->req_cons);
	return slot;
}

const struct blk_raw *blk_note_raw(const struct blk_note *note, unsigned int slot)
{
	return &note->file->slots[slot].raw;
}

void blk_note_answer(struct blk_note *note, unsigned int slot, const struct blk_ring *r)
{
	struct slot *s = &note->file->slots[slot];

	s->answer = r->rsp_prod;
	store(&s->state, ANSWERED);
}

void blk_note_free(struct blk_note *note, unsigned int slot)
{
	store(&note->file->slots[slot].state, FREE);
	note->free[note->nr_free++] = (uint16_t)slot;
}
