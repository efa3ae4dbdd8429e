/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A queue's memory, grants and event channels: all taken at connect, none on the packet path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netback/front/front_priv.h"

static int pool_init(struct hv_guest *guest, uint16_t domid, bool readonly, struct front_pool *pool)
{
	void *pages;
	int rc;

	rc = hv_guest_share(guest, domid, FRONT_NR_BUFFERS, readonly, &pages, pool->own_refs);
	if (rc)
		return rc;
	pool->pages = pages;
	pool->refs = pool->own_refs;
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++)
		pool->free[i] = (uint16_t)(FRONT_NR_BUFFERS - 1 - i);
	pool->nr_free = FRONT_NR_BUFFERS;
	return 0;
}

/* The zone's pages to receive into, if it has enough of them. */
static int to_init(const struct front *f, struct front_queue *q)
{
	struct front_zone *zone = q->zone;

	if (!zone || !zone->take(zone, f->handle, q->to.free))
		return pool_init(f->guest, q->backend_id, false, &q->to);
	q->to_zone = true;
	q->to.pages = zone->pages;
	q->to.refs = zone->refs;
	q->to.nr_free = FRONT_NR_BUFFERS;
	return 0;
}

/* A violation may have left a page in two places, but in none that is not ours. */
static void to_retire(struct front_queue *q)
{
	uint8_t seen[FRONT_ZONE_MAX / 8] = { 0 };
	uint16_t buffers[2 * FRONT_NR_BUFFERS];
	unsigned int nr_all = q->to.nr_free, nr = 0;

	memcpy(buffers, q->to.free, nr_all * sizeof(buffers[0]));
	for (RING_IDX i = q->to_cons; i != q->to_prod; i++)
		buffers[nr_all++] = q->to_slots[i % FRONT_RING_SLOTS];
	for (unsigned int i = 0; i < nr_all; i++) {
		uint16_t buffer = buffers[i];

		if (seen[buffer / 8] & 1u << buffer % 8)
			continue;
		seen[buffer / 8] = (uint8_t)(seen[buffer / 8] | 1u << buffer % 8);
		buffers[nr++] = buffer;
	}
	q->zone->retire(q->zone, q->handle, buffers, nr);
}

/* Nothing is answered any more. */
static void from_let_go(struct front_queue *q)
{
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++)
		if (q->from_owners[i])
			q->zone->let_go(q->zone, &q->from_owners[i], 1);
	q->zone->let_go(q->zone, q->answered, q->nr_answered);
}

static int rings_init(struct hv_guest *guest, struct front_queue *q)
{
	void *page;
	int rc;

	rc = hv_guest_share(guest, q->backend_id, 1, false, &page, &q->from_ring_ref);
	if (rc)
		return rc;
	q->from_sring = page;
	SHARED_RING_INIT(q->from_sring);
	rc = hv_guest_share(guest, q->backend_id, 1, false, &page, &q->to_ring_ref);
	if (rc)
		return rc;
	q->to_sring = page;
	SHARED_RING_INIT(q->to_sring);
	return 0;
}

static void channel_reset(struct hv_evtchn *ch)
{
	*ch = (struct hv_evtchn){ .fd = -1, .notify_fd = -1 };
}

int front_queue_create(const struct front *f, struct front_queue **q_out)
{
	struct front_queue *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return -ENOMEM;
	q->backend_id = (uint16_t)f->backend_id;
	q->sg = f->info.sg;
	q->gso_tcpv4 = f->info.gso_tcpv4;
	q->gso_tcpv6 = f->info.gso_tcpv6;
	q->split = f->info.split_channels;
	q->to_least = f->keeps_full ? FRONT_RING_SLOTS : FRONT_TARGET_MIN;
	q->to_target = q->to_least;
	q->to_low = FRONT_RING_SLOTS;
	q->handle = f->handle;
	q->zone = f->zone && f->zone->domid == q->backend_id ? f->zone : NULL;
	channel_reset(&q->from_channel);
	channel_reset(&q->to_channel);
	*q_out = q;

	rc = rings_init(f->guest, q);
	if (!rc)
		rc = pool_init(f->guest, q->backend_id, true, &q->from);
	if (!rc)
		rc = to_init(f, q);
	if (!rc)
		rc = hv_guest_evtchn_alloc(f->guest, q->backend_id, &q->from_channel);
	if (!rc && q->split)
		rc = hv_guest_evtchn_alloc(f->guest, q->backend_id, &q->to_channel);
	if (!rc)
		front_to_guest_refill(q);
	return rc;
}

unsigned int front_queue_destroy(struct front *f, struct front_queue *q)
{
	unsigned int nr_leaked;

	if (!q)
		return 0;
	if (q->from_channel.local_port)
		hv_guest_evtchn_free(f->guest, &q->from_channel);
	if (q->to_channel.local_port)
		hv_guest_evtchn_free(f->guest, &q->to_channel);
	nr_leaked = hv_guest_unshare(f->guest, q->from_sring, 1, &q->from_ring_ref);
	nr_leaked += hv_guest_unshare(f->guest, q->to_sring, 1, &q->to_ring_ref);
	nr_leaked += hv_guest_unshare(f->guest, q->from.pages, FRONT_NR_BUFFERS, q->from.refs);
	if (q->to_zone)
		to_retire(q);
	else
		nr_leaked += hv_guest_unshare(f->guest, q->to.pages, FRONT_NR_BUFFERS, q->to.refs);
	if (q->zone)
		from_let_go(q);
	free(q);
	return nr_leaked;
}

void front_queue_break(struct front_queue *q, const char *reason)
{
	/* Whoever controls the device looks, too. */
	if (!q->broken)
		__atomic_store_n(&q->broken, reason, __ATOMIC_RELEASE);
}

const char *front_queue_broken(const struct front_queue *q)
{
	return __atomic_load_n(&q->broken, __ATOMIC_ACQUIRE);
}

const struct front_counters *front_queue_counters(const struct front_queue *q)
{
	return &q->counters;
}

struct hv_evtchn *front_to_channel(struct front_queue *q)
{
	return q->split ? &q->to_channel : &q->from_channel;
}

int front_from_guest_fd(const struct front_queue *q)
{
	return q->from_channel.fd;
}

int front_to_guest_fd(const struct front_queue *q)
{
	return q->split ? q->to_channel.fd : q->from_channel.fd;
}

void front_from_guest_clear(struct front_queue *q)
{
	hv_guest_evtchn_clear(&q->from_channel);
}

void front_to_guest_clear(struct front_queue *q)
{
	hv_guest_evtchn_clear(front_to_channel(q));
}

bool front_to_guest_in_zone(const struct front_queue *q)
{
	return q->to_zone;
}

bool front_from_guest_lends(const struct front_queue *q)
{
	return q->zone != NULL;
}

uint8_t *front_from_guest_pages(const struct front_queue *q)
{
	return q->from.pages;
}

uint8_t *front_to_guest_pages(const struct front_queue *q)
{
	return q->to.pages;
}
