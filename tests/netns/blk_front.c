/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netns-blk-front SOCKET DEVID COMMAND...: a frontend of one disk, for a guest with frontend = "program". Commands,
 * one after another:
 *
 *	size SECTORS		the disk must have so many
 *	write SECTOR PAGES SEED	and read: pages of a pattern, all in work at a time; read compares
 *	read SECTOR PAGES SEED
 *	flush, discard SECTOR SECTORS
 *	fails			the next command must be answered with errors
 *	hammer MS SEED		write and read at random, each request answered once and read as written
 *	wait-closing		until the backend asks for that
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What xen/io/ring.h's macros ask for. */
#define mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#include "base/clock.h"
#include "base/parse.h"
#include "hv/guest.h"

#define PAGE	     4096u
#define SLOTS	     32u
#define HAMMER_PAGES 512u /* of the disk that are written at random */
#define ANSWER_MS    20000

struct disk {
	struct hv_guest *guest;
	struct hv_store *store;
	uint32_t devid;
	blkif_sring_t *sring;
	blkif_front_ring_t ring;
	uint32_t ring_ref, refs[SLOTS];
	uint8_t *pages; /* one for each slot, whose id is its number */
	struct hv_evtchn ch;
	bool busy[SLOTS];
	bool must_fail;
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint32_t number(const char *text)
{
	uint32_t value;

	if (!text || parse_u32(text, UINT32_MAX, &value))
		die("not a number: %s", text ? text : "");
	return value;
}

static void key_path(const struct disk *d, bool backend, const char *key, char path[128])
{
	unsigned int domid = hv_guest_domid(d->guest);

	snprintf(path, 128,
		 backend ? "/local/domain/0/backend/vbd/%u/%u/%s"
			 : "/local/domain/%u/device/vbd/%u/%s",
		 domid, d->devid, key);
}

static uint32_t backend_number(const struct disk *d, const char *key)
{
	char path[128];
	uint32_t value;

	key_path(d, true, key, path);
	return hv_store_read_u32(d->store, 0, path, UINT32_MAX, &value) ? 0 : value;
}

static void publish(const struct disk *d, const char *key, uint32_t value)
{
	char path[128];
	int rc;

	key_path(d, false, key, path);
	rc = hv_store_printf(d->store, 0, path, "%u", value);
	if (rc)
		die("%s: %s", path, strerror(-rc));
}

static void await_state(const struct disk *d, uint32_t state)
{
	uint64_t end = clock_ms() + ANSWER_MS;

	for (;;) {
		uint32_t now = backend_number(d, "state");

		/* Its area is removed as soon as it is closed. */
		if (now == state || (!now && state == XenbusStateClosed))
			return;
		if (clock_ms() > end)
			die("the backend's state is %u, not %u", now, state);
		poll(NULL, 0, 5);
	}
}

static void connect_disk(struct disk *d)
{
	void *p;

	if (hv_guest_share(d->guest, 0, 1, false, &p, &d->ring_ref))
		die("cannot share the ring");
	d->sring = p;
	SHARED_RING_INIT(d->sring);
	FRONT_RING_INIT(&d->ring, d->sring, PAGE);
	if (hv_guest_share(d->guest, 0, SLOTS, false, &p, d->refs) ||
	    hv_guest_evtchn_alloc(d->guest, 0, &d->ch))
		die("cannot share pages or have a channel");
	d->pages = p;
	publish(d, "state", XenbusStateInitialising);
	await_state(d, XenbusStateInitWait);
	publish(d, "ring-ref", d->ring_ref);
	publish(d, "event-channel", d->ch.local_port);
	publish(d, "state", XenbusStateInitialised);
	await_state(d, XenbusStateConnected);
	publish(d, "state", XenbusStateConnected);
}

static void put(struct disk *d, unsigned int id, uint8_t op, uint64_t sector)
{
	blkif_request_t *req = RING_GET_REQUEST(&d->ring, d->ring.req_prod_pvt);

	memset(req, 0, sizeof(*req));
	req->operation = op;
	req->id = id;
	req->sector_number = sector;
	if (op == BLKIF_OP_READ || op == BLKIF_OP_WRITE) {
		req->nr_segments = 1;
		req->seg[0].gref = d->refs[id];
		req->seg[0].last_sect = 7;
	}
	d->ring.req_prod_pvt++;
	d->busy[id] = true;
}

static void push(struct disk *d)
{
	int notify;

	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&d->ring, notify);
	if (notify)
		hv_guest_evtchn_notify(&d->ch);
}

/* The next answer. Return: its id. */
static unsigned int take(struct disk *d)
{
	uint64_t end = clock_ms() + ANSWER_MS;
	blkif_response_t rsp;
	int more;

	for (;;) {
		RING_FINAL_CHECK_FOR_RESPONSES(&d->ring, more);
		if (more)
			break;
		if (clock_ms() > end)
			die("no answer");
		poll(&(struct pollfd){ d->ch.fd, POLLIN, 0 }, 1, 1000);
		hv_guest_evtchn_clear(&d->ch);
	}
	rsp = *RING_GET_RESPONSE(&d->ring, d->ring.rsp_cons);
	d->ring.rsp_cons++;
	if (rsp.id >= SLOTS || !d->busy[rsp.id])
		die("an answer to %llu, which was not asked, or is answered already",
		    (unsigned long long)rsp.id);
	if ((rsp.status != BLKIF_RSP_OKAY) != d->must_fail)
		die("request %u answered with %d", (unsigned int)rsp.id, rsp.status);
	d->busy[rsp.id] = false;
	return (unsigned int)rsp.id;
}

static void fill(uint8_t *page, uint32_t where, uint32_t seed)
{
	for (uint32_t i = 0; i < PAGE / 4; i++) {
		uint32_t v = (where * 1024 + i) * 2654435761u ^ seed;

		memcpy(page + (size_t)i * 4, &v, 4);
	}
}

static void check(const uint8_t *page, uint32_t where, uint32_t seed)
{
	uint8_t want[PAGE];

	fill(want, where, seed);
	if (seed && memcmp(page, want, PAGE) != 0)
		die("page %u is not what was written", where);
	for (unsigned int i = 0; !seed && i < PAGE; i++)
		if (page[i])
			die("page %u is not zero", where);
}

static void transfer(struct disk *d, uint8_t op, uint32_t sector, uint32_t pages, uint32_t seed)
{
	for (uint32_t at = 0; at < pages;) {
		uint32_t nr = pages - at < SLOTS ? pages - at : SLOTS;

		for (uint32_t i = 0; i < nr; i++) {
			if (op == BLKIF_OP_WRITE)
				fill(d->pages + (size_t)i * PAGE, sector / 8 + at + i, seed);
			put(d, i, op, sector + (uint64_t)(at + i) * 8);
		}
		push(d);
		for (uint32_t i = 0; i < nr; i++)
			take(d);
		for (uint32_t i = 0; i < nr && op == BLKIF_OP_READ && !d->must_fail; i++)
			check(d->pages + (size_t)i * PAGE, sector / 8 + at + i, seed);
		at += nr;
	}
	d->must_fail = false;
}

static void discard(struct disk *d, uint32_t sector, uint32_t nr)
{
	blkif_request_discard_t *req = (void *)RING_GET_REQUEST(&d->ring, d->ring.req_prod_pvt);

	memset(req, 0, sizeof(*req));
	req->operation = BLKIF_OP_DISCARD;
	req->sector_number = sector;
	req->nr_sectors = nr;
	d->ring.req_prod_pvt++;
	d->busy[0] = true;
	push(d);
	take(d);
	d->must_fail = false;
}

static void flush(struct disk *d)
{
	put(d, 0, BLKIF_OP_FLUSH_DISKCACHE, 0);
	push(d);
	take(d);
	d->must_fail = false;
}

/* Each slot has its own pages of the disk, one request at a time on each. */
static void hammer(struct disk *d, uint32_t ms, uint32_t seed)
{
	static uint32_t written[HAMMER_PAGES]; /* the seed it was written with; 0: never */
	uint64_t end = clock_ms() + ms, nr = 0;
	uint32_t where[SLOTS], seeds[SLOTS];
	unsigned int open = SLOTS, state = seed, id;
	bool reads[SLOTS];

	transfer(d, BLKIF_OP_WRITE, 0, HAMMER_PAGES, seed);
	for (uint32_t i = 0; i < HAMMER_PAGES; i++)
		written[i] = seed;
	for (id = 0; id < SLOTS; id++)
		reads[id] = true, where[id] = id, seeds[id] = seed,
		put(d, id, BLKIF_OP_READ, id * 8);
	push(d);
	while (open) {
		uint8_t *page;

		id = take(d);
		page = d->pages + (size_t)id * PAGE;
		nr++;
		if (reads[id])
			check(page, where[id], seeds[id]);
		else
			written[where[id]] = seeds[id];
		if (clock_ms() > end) {
			open--;
			continue;
		}
		where[id] = id + SLOTS * ((uint32_t)rand_r(&state) % (HAMMER_PAGES / SLOTS));
		reads[id] = rand_r(&state) % 2;
		seeds[id] = reads[id] ? written[where[id]] : (uint32_t)rand_r(&state) | 1;
		if (!reads[id])
			fill(page, where[id], seeds[id]);
		put(d, id, reads[id] ? BLKIF_OP_READ : BLKIF_OP_WRITE, (uint64_t)where[id] * 8);
		push(d);
	}
	for (uint32_t i = 0; i < HAMMER_PAGES; i++)
		transfer(d, BLKIF_OP_READ, i * 8, 1, written[i]);
	printf("%llu requests\n", (unsigned long long)nr);
}

static void has_size(const struct disk *d, uint32_t sectors)
{
	if (backend_number(d, "sectors") != sectors)
		die("%u sectors, not %u", backend_number(d, "sectors"), sectors);
}

/* Return: arguments taken. */
static int run(struct disk *d, char **argv)
{
	if (!strcmp(argv[0], "size"))
		return has_size(d, number(argv[1])), 2;
	if (!strcmp(argv[0], "write"))
		return transfer(d, BLKIF_OP_WRITE, number(argv[1]), number(argv[2]),
				number(argv[3])),
		       4;
	if (!strcmp(argv[0], "read"))
		return transfer(d, BLKIF_OP_READ, number(argv[1]), number(argv[2]),
				number(argv[3])),
		       4;
	if (!strcmp(argv[0], "flush"))
		return flush(d), 1;
	if (!strcmp(argv[0], "discard"))
		return discard(d, number(argv[1]), number(argv[2])), 3;
	if (!strcmp(argv[0], "fails"))
		return d->must_fail = true, 1;
	if (!strcmp(argv[0], "hammer"))
		return hammer(d, number(argv[1]), number(argv[2])), 3;
	if (!strcmp(argv[0], "wait-closing"))
		return await_state(d, XenbusStateClosing), 1;
	die("unknown command %s", argv[0]);
}

int main(int argc, char **argv)
{
	struct disk d = { .ch = { .fd = -1 } };
	char why[HV_WHY_MAX];

	if (argc < 4)
		die("usage: %s SOCKET DEVID COMMAND...", argv[0]);
	if (hv_guest_attach_socket(argv[1], &d.guest, why))
		die("%s", why);
	d.devid = number(argv[2]);
	d.store = hv_guest_store(d.guest);
	connect_disk(&d);
	puts("connected");
	fflush(stdout);
	for (int i = 3; i < argc;)
		i += run(&d, argv + i);
	publish(&d, "state", XenbusStateClosed);
	await_state(&d, XenbusStateClosed);
	hv_guest_unshare(d.guest, d.pages, SLOTS, d.refs);
	hv_guest_unshare(d.guest, d.sring, 1, &d.ring_ref);
	hv_guest_evtchn_free(d.guest, &d.ch);
	hv_guest_detach(d.guest);
	return 0;
}
