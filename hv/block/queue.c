/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hv/block/nbd.h"
#include "hv/block/request.h"

static const char *const fail_names[BLK_NR_FAILS] = {
	[BLK_FAIL_NONE] = "none",	  [BLK_FAIL_OPERATION] = "operation",
	[BLK_FAIL_SEGMENTS] = "segments", [BLK_FAIL_SECTORS] = "sectors",
	[BLK_FAIL_BEYOND] = "beyond-end", [BLK_FAIL_READONLY] = "read-only",
	[BLK_FAIL_GRANT] = "bad-grant",	  [BLK_FAIL_NO_DISCARD] = "no-discard",
	[BLK_FAIL_IO] = "image",
};

const char *blk_fail_name(enum blk_fail fail)
{
	return fail_names[fail];
}

const char *blk_fatal_text(enum blk_fatal fatal)
{
	return fatal == BLK_FATAL_PRODUCER ? "ring: impossible producer index" : "none";
}

static size_t reqs_size(const struct blk_queue *q)
{
	return q->ring.nr_slots * sizeof(struct blk_req);
}

/* Zero pages until used; those few that were are used again. */
static int make_reqs(struct blk_queue *q)
{
	void *p = mmap(NULL, reqs_size(q), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	q->reqs = p;
	q->nr_fresh = q->ring.nr_slots;
	return 0;
}

static bool has_free(const struct blk_queue *q)
{
	return q->nr_fresh || !list_empty(&q->free);
}

static struct blk_req *get_free(struct blk_queue *q)
{
	struct blk_req *r;

	if (list_empty(&q->free)) {
		r = &q->reqs[q->ring.nr_slots - q->nr_fresh--];
		list_init(&r->node);
	} else {
		r = list_entry(q->free.next, struct blk_req, node);
		list_remove(&r->node);
	}
	return r;
}

static void owner_of(const struct blk_queue_refs *refs, struct blk_note_owner *owner)
{
	memset(owner, 0, sizeof(*owner));
	owner->domid = refs->domid;
	owner->abi = (uint16_t)refs->abi;
	owner->nr_pages = refs->nr_pages;
	memcpy(owner->refs, refs->refs, refs->nr_pages * sizeof(refs->refs[0]));
	memcpy(owner->generation, refs->generation, sizeof(owner->generation));
}

static int take_up(struct blk_queue *q, const struct blk_queue_refs *refs)
{
	struct blk_note_owner owner;
	struct blk_ring_indices at;
	bool resumed;
	int rc;

	owner_of(refs, &owner);
	rc = blk_note_open(q->note_path, &owner, &q->note, &resumed);
	if (rc)
		return rc;
	if (q->restarted && resumed) {
		rc = blk_note_resume(q->note, &q->ring, q->redo);
		if (rc < 0)
			return rc;
		q->nr_redo = (unsigned int)rc;
		q->stats.redone = q->nr_redo;
		return 0;
	}
	blk_ring_indices(&q->ring, &at);
	/* Of a ring that was in use by another, only an idle one tells where it is. */
	if (q->restarted && at.req_prod != q->ring.rsp_prod)
		return -ENODATA;
	blk_note_begin(q->note, &q->ring);
	return 0;
}

int blk_queue_connect(struct blk_queue *q, const struct blk_queue_refs *refs, const char **why)
{
	struct hv *hv = q->hv;
	int rc;

	q->ch.fd = -1;
	list_init(&q->free);
	list_init(&q->answered);
	*why = "the domain is gone";
	rc = hv->domain->open(hv, refs->domid, &q->domain);
	if (rc)
		goto out;
	*why = "cannot map the ring, or its indices are impossible";
	rc = blk_ring_map(&q->ring, hv, q->domain, refs->abi, refs->refs, refs->nr_pages);
	if (rc)
		goto out;
	*why = "what was not answered before a restart is not known: attach the disk anew";
	rc = take_up(q, refs);
	if (rc)
		goto out;
	*why = "no memory for its requests";
	rc = make_reqs(q);
	if (rc)
		goto out;
	*why = "cannot begin input and output";
	rc = q->image->socket[0] ? blk_io_nbd_create(q->image->socket, q->ring.nr_slots, &q->io)
				 : blk_io_create(q->engine, q->ring.nr_slots, &q->io);
	if (rc)
		goto out;
	*why = "cannot bind the event channel";
	rc = hv->evtchn->bind(hv, refs->domid, refs->port, &q->ch);
out:
	if (rc)
		blk_queue_disconnect(q);
	return rc;
}

static void done(struct blk_queue *q, struct blk_req *r)
{
	q->nr_busy--;
	q->budget->used--;
	if (q->barrier == r)
		q->barrier = NULL;
	if (r->fail == BLK_FAIL_IO)
		q->io_rc = (int)r->io.result;
	blk_req_end(r, q);
	q->stats.fails[r->fail]++;
	if (!r->fail)
		*(r->fills ? &q->stats.read_bytes : &q->stats.written_bytes) += r->nr_iov ? r->size
											  : 0;
	list_append(&q->answered, &r->node);
}

static void start(struct blk_queue *q, struct blk_req *r)
{
	blk_req_fill_io(r, q->image->fd);
	blk_io_queue(q->io, &r->io);
}

static bool reap(struct blk_queue *q, bool wait)
{
	struct blk_io_op *op = blk_io_reap(q->io, wait);
	struct blk_req *r;

	if (!op)
		return false;
	r = list_entry(op, struct blk_req, io);
	if (blk_req_advance(r))
		start(q, r);
	else
		done(q, r);
	return true;
}

/* Notes first, so that whoever comes after us answers each once. */
static void publish(struct blk_queue *q)
{
	struct list *l, *next;

	if (list_empty(&q->answered))
		return;
	list_for_each (&q->answered, l) {
		struct blk_req *r = list_entry(l, struct blk_req, node);

		blk_note_answer(q->note, r->note, &q->ring);
		blk_ring_answer(&q->ring, r->id, r->op, r->status);
	}
	if (blk_ring_publish(&q->ring)) {
		q->stats.notifications++;
		q->hv->evtchn->notify(&q->ch);
	}
	list_for_each_safe (&q->answered, l, next) {
		struct blk_req *r = list_entry(l, struct blk_req, node);

		blk_note_free(q->note, r->note);
		list_remove(&r->node);
		/* In front, so that the same few are used again. */
		list_insert(q->free.next, &r->node);
	}
}

/* The next one, left over or from the ring. Return: 1; 0: none; -EPROTO. */
static int next_raw(struct blk_queue *q, struct blk_raw *raw, unsigned int *note)
{
	int rc;

	if (q->redo_at < q->nr_redo) {
		*note = q->redo[q->redo_at++];
		*raw = *blk_note_raw(q->note, *note);
		return 1;
	}
	rc = blk_ring_take(&q->ring, raw);
	if (rc > 0)
		*note = blk_note_take(q->note, &q->ring, raw);
	return rc;
}

/* Nothing is taken while a barrier is waited for. */
static void begin_barrier(struct blk_queue *q)
{
	if (q->barrier && q->nr_busy == 1 && !q->barrier_begun) {
		q->barrier_begun = true;
		start(q, q->barrier);
	}
}

/* Return: 1: taken; 0: none to take now; -EPROTO. */
static int take(struct blk_queue *q)
{
	struct blk_raw raw;
	unsigned int note;
	struct blk_req *r;
	int rc;

	q->starved = q->budget->used >= q->budget->max;
	q->budget->is_short |= q->starved;
	if (q->barrier || q->starved || !has_free(q))
		return 0;
	rc = next_raw(q, &raw, &note);
	if (rc <= 0)
		return rc;
	r = get_free(q);
	r->note = note;
	q->nr_busy++;
	q->budget->used++;
	blk_req_prepare(r, q, &raw);
	if (r->fail) {
		done(q, r);
	} else if (r->exclusive) {
		q->barrier = r;
		q->barrier_begun = false;
	} else {
		start(q, r);
	}
	return 1;
}

static unsigned int reap_some(struct blk_queue *q)
{
	unsigned int nr = 0;

	while (nr < BLK_BATCH && reap(q, false))
		nr++;
	begin_barrier(q);
	if (nr)
		blk_io_submit(q->io);
	return nr;
}

bool blk_queue_run(struct blk_queue *q)
{
	unsigned int nr_reaped = reap_some(q), nr_taken = 0;
	int rc = 1;

	publish(q);
	while (!q->fatal && nr_taken < BLK_BATCH && rc > 0) {
		rc = take(q);
		nr_taken += rc > 0;
	}
	if (rc < 0)
		q->fatal = BLK_FATAL_PRODUCER;
	begin_barrier(q);
	blk_io_submit(q->io);
	/* What was done at once, as what the page cache has. */
	if (nr_reaped < BLK_BATCH)
		nr_reaped = reap_some(q);
	publish(q);
	if (nr_taken)
		q->nr_idle_events = 0;
	if (nr_reaped == BLK_BATCH || nr_taken == BLK_BATCH)
		return true;
	if (!q->fatal && !q->barrier && (q->redo_at < q->nr_redo || q->starved) && has_free(q) &&
	    q->budget->used < q->budget->max)
		return true;
	/* What is still in the ring waits for something in work. */
	if (q->fatal || q->barrier || q->starved || !has_free(q))
		return false;
	return !blk_ring_arm(&q->ring);
}

bool blk_queue_event(struct blk_queue *q)
{
	unsigned int nr = ++q->nr_idle_events;
	bool more;

	q->stats.events++;
	q->hv->evtchn->unmask(&q->ch);
	more = blk_queue_run(q);
	q->stats.spurious_events += q->nr_idle_events == nr;
	return more;
}

void blk_queue_disconnect(struct blk_queue *q)
{
	struct hv *hv = q->hv;

	if (!q->domain)
		return;
	while (q->io && q->nr_busy) {
		begin_barrier(q);
		blk_io_submit(q->io);
		if (!reap(q, true))
			break;
	}
	hv->evtchn->unbind(&q->ch);
	blk_io_destroy(q->io);
	blk_ring_unmap(&q->ring, hv);
	blk_note_close(q->note);
	if (q->reqs)
		munmap(q->reqs, reqs_size(q));
	hv->domain->close(q->domain);
	q->io = NULL;
	q->note = NULL;
	q->reqs = NULL;
	q->domain = NULL;
	q->barrier = NULL;
	q->nr_redo = q->redo_at = 0;
}
