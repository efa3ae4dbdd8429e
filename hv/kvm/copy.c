/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/kvm/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define PIECE_PAGES 64u	  /* of one record: the loop is not away for longer */
#define LOOK_PAGES  4096u /* looked at for one */
#define CLEAR_PAGES 1024u /* that KVM notes anew at a time */

struct vk_copy {
	struct vk_vm *vm;
	struct loop_fd watcher;
	int fd;
	void (*done)(void *arg, int rc);
	void *arg;
	bool over; /* the rounds: the guest suspends itself, */
	bool last; /* or has */
	struct loop_timer tail;

	unsigned int round;	     /* from 0 */
	uint64_t *todo, nr_words;    /* a bit for each page of this round, */
	uint64_t page;		     /* those below are done, */
	uint64_t cleared;	     /* and those below this noted anew */
	uint64_t sent, sent_ever;    /* pages */
	uint64_t left;		     /* after the last round */
	uint64_t begin_ms, start_ms; /* of all, of the round */
	uint64_t known_end;	     /* pages from .page to here are @known_hole */
	bool known_hole;

	size_t len, at; /* of what is to be written */
	struct vk_record record;
	uint8_t piece[PIECE_PAGES * VK_PAGE];
};

static bool is_todo(const struct vk_copy *c, uint64_t page)
{
	return page < c->nr_words * 64 && c->todo[page / 64] >> page % 64 & 1;
}

/* Of the memfd: never touched, or given back. Reading it would have the host give a page to it. */
static bool is_hole(struct vk_copy *c, uint64_t page)
{
	int fd = c->vm->dom->memory_fd;
	off_t at = (off_t)(page * VK_PAGE), data;

	if (page < c->known_end)
		return c->known_hole;
	data = lseek(fd, at, SEEK_DATA);
	c->known_hole = data < 0 ? errno == ENXIO : (uint64_t)data >= (page + 1) * VK_PAGE;
	/* Where its data ends is not asked: for that the kernel visits each page until there. */
	if (!c->known_hole)
		c->known_end = page + 1;
	else
		c->known_end = data < 0 ? c->nr_words * 64 : (uint64_t)data / VK_PAGE;
	return c->known_hole;
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, VK_PAGE - 1);
}

/* To the next page that this round has. Return: whether there is one. */
static bool seek(struct vk_copy *c)
{
	while (c->page < c->nr_words * 64) {
		uint64_t word = c->todo[c->page / 64] >> c->page % 64;

		if (word) {
			c->page += (uint64_t)__builtin_ctzll(word);
			return true;
		}
		c->page = (c->page / 64 + 1) * 64;
	}
	return false;
}

/* What is written from now on is for the next round: before it is read. */
static int note_anew(struct vk_copy *c)
{
	uint64_t first = c->page / CLEAR_PAGES * CLEAR_PAGES, nr = CLEAR_PAGES;

	if (c->last || c->page < c->cleared)
		return 0;
	if (nr > c->nr_words * 64 - first)
		nr = c->nr_words * 64 - first;
	c->cleared = first + nr;
	/* What was a hole before may be none. */
	c->known_end = 0;
	return vk_dirty_clear(c->vm, first, nr, c->todo + first / 64);
}

/*
 * One record's worth, perhaps none, of the pages from .page on. In the first round those that are zero are left out:
 * at the other end they are as well.
 */
static int fill(struct vk_copy *c)
{
	const uint8_t *memory = c->vm->dom->memory;
	unsigned int nr = 0, looked = 0;
	int rc = 0;

	while (!rc && nr < PIECE_PAGES && looked++ < LOOK_PAGES &&
	       (nr ? is_todo(c, c->page) : seek(c))) {
		bool hole;

		rc = note_anew(c);
		hole = is_hole(c, c->page);
		if (!c->round && (hole || is_zero(memory + c->page * VK_PAGE))) {
			if (nr)
				break;
			c->page = !hole			      ? c->page + 1
				  : c->known_end < c->cleared ? c->known_end
							      : c->cleared;
			continue;
		}
		if (!nr)
			c->record = (struct vk_record){ .type = VK_RECORD_MEMORY,
							.address = c->page * VK_PAGE };
		if (hole)
			memset(c->piece + (size_t)nr * VK_PAGE, 0, VK_PAGE);
		else
			memcpy(c->piece + (size_t)nr * VK_PAGE, memory + c->page * VK_PAGE,
			       VK_PAGE);
		nr++;
		c->page++;
	}
	c->record.size = (uint64_t)nr * VK_PAGE;
	c->sent += nr;
	c->at = 0;
	c->len = nr ? sizeof(c->record) + c->record.size : 0;
	return rc;
}

static void begin_round(struct vk_copy *c)
{
	c->page = c->cleared = c->known_end = 0;
	c->sent = 0;
	c->start_ms = clock_ms();
}

/* What is sent while the guest suspends itself counts as one. */
static void round_over(struct vk_copy *c, bool next)
{
	struct kvm_launch_copy *said = &c->vm->launch->copy;

	said->rounds[c->round].pages += c->sent;
	said->rounds[c->round].ms += (uint32_t)(clock_ms() - c->start_ms);
	c->sent_ever += c->sent;
	if (!next)
		return;
	c->round++;
	__atomic_store_n(&said->nr_rounds, c->round, __ATOMIC_RELEASE);
}

/* Add what was written to since it was asked last; noted by others than KVM no more, then. */
static int take_dirty(struct vk_copy *c)
{
	struct vk_dom *dom = c->vm->dom;

	for (uint64_t i = 0; i < c->nr_words; i++)
		/* Anything can stand there: what is no RAM is not the guest's. */
		for (uint64_t word = core_dirty_take(dom->dirty, i); word; word &= word - 1) {
			uint64_t page = i * 64 + (uint64_t)__builtin_ctzll(word);

			if (vk_is_ram(dom, page))
				c->todo[i] |= 1ull << page % 64;
		}
	return vk_dirty_get(c->vm, c->todo);
}

static bool enough(const struct vk_copy *c, uint64_t left)
{
	/* What one round takes says little: pipes have room for a small one. */
	uint64_t ms = clock_ms() - c->begin_ms + 1;

	return left <= VK_COPY_FEW || left * ms <= c->sent_ever * VK_COPY_LEFT_MS ||
	       (c->round >= 3 && left >= c->left) || c->round == VK_COPY_ROUNDS ||
	       c->sent_ever >= VK_COPY_TIMES * vk_nr_pages(c->vm->dom);
}

/* @sent: all of the last one is. */
static int next_round(struct vk_copy *c, bool sent)
{
	uint64_t left = 0, took_ms = clock_ms() - c->start_ms, pause_ms = VK_COPY_TAIL_MS;
	int rc;

	if (c->over && sent && took_ms * VK_COPY_TAIL_SHARE > pause_ms)
		pause_ms = took_ms * VK_COPY_TAIL_SHARE;
	round_over(c, !c->over);
	if (sent)
		memset(c->todo, 0, c->nr_words * sizeof(*c->todo));
	rc = take_dirty(c);
	if (rc < 0)
		return rc;
	for (uint64_t i = 0; i < c->nr_words; i++)
		left += (uint64_t)__builtin_popcountll(c->todo[i]);
	begin_round(c);
	c->over = c->over || enough(c, left);
	c->left = left;
	/* Once it is to suspend itself it needs the processor more than we do. */
	if (!c->over || (!sent && left > VK_COPY_FEW))
		return loop_fd_set(&c->watcher, EPOLLOUT);
	/* That nobody reads any more is heard without asking for it. */
	rc = loop_fd_set(&c->watcher, 0);
	return rc ? rc : loop_timer_set(&c->tail, pause_ms, 0);
}

static int write_some(struct vk_copy *c)
{
	const uint8_t *from = c->at < sizeof(c->record) ? (const uint8_t *)&c->record + c->at
							: c->piece + (c->at - sizeof(c->record));
	size_t size = (c->at < sizeof(c->record) ? sizeof(c->record) : c->len) - c->at;
	ssize_t n = write(c->fd, from, size);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->at += (size_t)n;
	if (c->at == c->len)
		c->len = 0;
	return 0;
}

/* @was_over: as it was before @rc came of something. */
static void step_done(struct vk_copy *c, bool was_over, int rc)
{
	if (rc < 0) {
		loop_fd_del(&c->watcher);
		loop_timer_del(&c->tail);
	}
	if (rc < 0 || c->over != was_over)
		c->done(c->arg, rc);
}

static void ready(void *arg, uint32_t events)
{
	struct vk_copy *c = arg;
	bool was_over = c->over;
	int rc;

	if (events & EPOLLERR)
		rc = -EPIPE;
	else if (c->len)
		rc = write_some(c);
	else if (seek(c))
		rc = fill(c);
	else
		rc = next_round(c, true);
	step_done(c, was_over, rc);
}

static void look_again(void *arg)
{
	struct vk_copy *c = arg;

	step_done(c, true, next_round(c, false));
}

static void all_todo(struct vk_copy *c)
{
	const struct vk_dom *dom = c->vm->dom;

	for (uint64_t page = 0; page < c->nr_words * 64; page += 64)
		if (vk_is_ram(dom, page))
			c->todo[page / 64] = UINT64_MAX;
}

int vk_copy_start(const struct vk_copy_params *params, struct vk_copy **copy_out)
{
	struct vk_dom *dom = params->vm->dom;
	struct vk_copy *c = calloc(1, sizeof(*c));
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->vm = params->vm;
	c->fd = params->fd;
	c->done = params->done;
	c->arg = params->arg;
	c->nr_words = (kvm_launch_span(dom->ram) / VK_PAGE + 63) / 64;
	c->todo = calloc(c->nr_words, sizeof(*c->todo));
	params->vm->launch->copy = (struct kvm_launch_copy){ 0 };
	if (!c->todo)
		rc = -ENOMEM;
	else
		all_todo(c);
	begin_round(c);
	c->begin_ms = c->start_ms;
	if (!rc)
		rc = loop_fd_add(params->loop, &c->watcher, c->fd, EPOLLOUT, ready, c);
	if (!rc)
		rc = loop_timer_add(params->loop, &c->tail, look_again, c);
	if (!rc)
		rc = vk_image_put_head(c->vm, c->fd);
	if (!rc) {
		core_dirty_set(dom->dirty, dom->memory_size / VK_PAGE, true);
		rc = vk_dirty_start(c->vm);
	}
	if (rc < 0) {
		c->fd = -1;
		vk_copy_end(c);
		return rc;
	}
	*copy_out = c;
	return 0;
}

/* Where vcpu_info is we write without saying so. */
static void add_infos(struct vk_copy *c)
{
	const struct vk_dom *dom = c->vm->dom;

	for (unsigned int i = 0; i < dom->nr_vcpus; i++) {
		uint64_t page = dom->vcpu[i].info_gpa / VK_PAGE;

		if (dom->vcpu[i].info_gpa != VK_NO_GPA)
			c->todo[page / 64] |= 1ull << page % 64;
	}
}

/* What the loop has begun to write. */
static int flush(struct vk_copy *c, int fd)
{
	size_t head = sizeof(c->record), at = c->at < head ? head : c->at;
	int rc = 0;

	if (!c->len)
		return 0;
	if (c->at < head)
		rc = file_write_all(fd, (const uint8_t *)&c->record + c->at, head - c->at);
	if (!rc)
		rc = file_write_all(fd, c->piece + (at - head), c->len - at);
	c->len = 0;
	return rc;
}

/* Who reads sees the end of it. */
static void close_fd(struct vk_copy *c)
{
	loop_fd_del(&c->watcher);
	loop_timer_del(&c->tail);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int vk_copy_finish(struct vk_copy *c, int fd)
{
	int rc = c->over ? flush(c, fd) : -EPIPE;

	close_fd(c);

	/* Of a round that was under way. */
	memset(c->todo, 0, c->page / 64 * sizeof(*c->todo));
	if (c->page % 64)
		c->todo[c->page / 64] &= ~0ull << c->page % 64;
	if (!rc)
		rc = take_dirty(c);
	if (rc < 0)
		return rc;
	if (c->sent || c->vm->launch->copy.rounds[c->round].pages)
		round_over(c, true);
	c->last = true;
	add_infos(c);
	begin_round(c);
	while (!rc && seek(c)) {
		rc = fill(c);
		if (!rc && c->len)
			rc = flush(c, fd);
	}
	if (!rc)
		rc = vk_image_put(fd,
				  &(struct vk_record){ .type = VK_RECORD_CLOCK,
						       .address = vk_clock_now(c->vm) },
				  NULL);
	round_over(c, true);
	return rc < 0 ? rc : vk_image_put_state(c->vm, fd);
}

void vk_copy_end(struct vk_copy *c)
{
	if (!c)
		return;
	vk_dirty_stop(c->vm);
	core_dirty_set(c->vm->dom->dirty, c->vm->dom->memory_size / VK_PAGE, false);
	close_fd(c);
	free(c->todo);
	free(c);
}
