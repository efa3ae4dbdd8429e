/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One ring in service: requests are taken, checked, done on an image and answered.
 *
 *	ring --take--> note --check--> grants begun --io--> grants ended --answer--> ring
 *
 * Reads and writes go on side by side in any order, as xen/io/blkif.h lets them. A flush covers what was
 * answered before it came. A barrier waits for all before it and holds up all behind it. A flush or barrier with
 * data is a flush, the write, and a flush again.
 *
 * A bad request is answered with an error and counted by its cause. Only an impossible producer index ends the
 * ring's service. Data stays in the guest's pages; all else is copied before it is looked at. One thread.
 */
#ifndef HV_BLOCK_QUEUE_H
#define HV_BLOCK_QUEUE_H

#include <sys/uio.h>

#include "hv/block/image.h"
#include "hv/block/io.h"
#include "hv/block/note.h"
#include "hv/block/ring.h"

#define BLK_SEGMENTS_MAX HV_GNT_OPS_MAX /* of an indirect request: a megabyte */
#define BLK_BATCH	 64u		/* requests of one turn, so that others have theirs */

/* Why a request was answered with an error. */
enum blk_fail {
	BLK_FAIL_NONE,
	BLK_FAIL_OPERATION, /* unknown */
	BLK_FAIL_SEGMENTS,  /* none, or too many */
	BLK_FAIL_SECTORS,   /* a segment's first and last, or a discard of none */
	BLK_FAIL_BEYOND,    /* the end of the disk */
	BLK_FAIL_READONLY,
	BLK_FAIL_GRANT,
	BLK_FAIL_NO_DISCARD,
	BLK_FAIL_IO, /* the image */
	BLK_NR_FAILS
};

enum blk_fatal { BLK_FATAL_NONE, BLK_FATAL_PRODUCER };

struct blk_stats {
	uint64_t reads, writes, flushes, barriers, discards, indirect;
	uint64_t read_bytes, written_bytes;
	uint64_t fails[BLK_NR_FAILS];
	uint64_t events, spurious_events, notifications, redone;
};

/* What all rings together may have in flight: a real Xen has room for so many batches of grants. */
struct blk_budget {
	unsigned int used, max;
	bool is_short; /* a queue has met its end */
};

struct blk_req;

struct blk_queue {
	struct hv *hv;		       /* borrowed, as the next four */
	const struct blk_image *image; /* open */
	struct blk_budget *budget;
	enum blk_io_engine engine;
	const char *note_path; /* NULL: a successor finds nothing */
	bool restarted;	       /* a predecessor may have served this ring */

	struct hv_domain *domain;
	struct hv_evtchn ch;
	struct blk_ring ring;
	struct blk_io *io;
	struct blk_note *note;
	struct blk_req *reqs;	    /* as many as the ring has slots */
	unsigned int nr_fresh;	    /* of those at the end that were never used */
	struct list free, answered; /* answered: not yet published */
	struct blk_req *barrier;    /* being waited for or in work: nothing else is taken */
	bool barrier_begun;
	unsigned int redo[BLK_RING_SLOTS_MAX], nr_redo, redo_at;
	unsigned int nr_busy;	     /* of reqs, not counting those answered */
	bool starved;		     /* of budget */
	unsigned int nr_idle_events; /* since a request was last taken */
	enum blk_fatal fatal;
	int io_rc; /* of the last request that the image failed; 0: none yet */
	struct blk_stats stats;
};

struct blk_queue_refs {
	uint16_t domid;
	enum blk_abi abi;
	unsigned int nr_pages; /* a power of two up to BLK_RING_PAGES_MAX */
	uint32_t refs[BLK_RING_PAGES_MAX];
	uint32_t port;
	char generation[BLK_GENERATION_MAX]; /* of the domain, zero-padded */
};

/**
 * blk_queue_connect() - Map the ring and bind its event channel; its first fields are set by the caller
 * @refs:	As read from the frontend: untrusted
 * @why:	On failure a static text
 * A ring that a predecessor served is taken up with what it had not answered. 0 or -errno, with nothing held.
 */
int blk_queue_connect(struct blk_queue *q, const struct blk_queue_refs *refs, const char **why);
/* Waits for what the image has in work; nothing further is answered. Safe when not connected. */
void blk_queue_disconnect(struct blk_queue *q);
/*
 * Answer what is done, take what has come, a batch at most. Return: whether there is more to do at once; if not,
 * the event channel or q->io->fd will tell.
 */
bool blk_queue_run(struct blk_queue *q);
/* The event channel has told: let its next event in, and run. */
bool blk_queue_event(struct blk_queue *q);

const char *blk_fail_name(enum blk_fail fail);
const char *blk_fatal_text(enum blk_fatal fatal);

#endif
