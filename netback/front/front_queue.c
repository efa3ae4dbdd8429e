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

	rc = hv_guest_share(guest, domid, FRONT_NR_BUFFERS, readonly, &pages, pool->refs);
	if (rc)
		return rc;
	pool->pages = pages;
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++)
		pool->free[i] = (uint16_t)(FRONT_NR_BUFFERS - 1 - i);
	pool->nr_free = FRONT_NR_BUFFERS;
	return 0;
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
	q->to_target = FRONT_TARGET_MIN;
	q->to_low = FRONT_RING_SLOTS;
	channel_reset(&q->from_channel);
	channel_reset(&q->to_channel);
	*q_out = q;

	rc = rings_init(f->guest, q);
	if (!rc)
		rc = pool_init(f->guest, q->backend_id, true, &q->from);
	if (!rc)
		rc = pool_init(f->guest, q->backend_id, false, &q->to);
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
	nr_leaked += hv_guest_unshare(f->guest, q->to.pages, FRONT_NR_BUFFERS, q->to.refs);
	free(q);
	return nr_leaked;
}

void front_queue_break(struct front_queue *q, const char *reason)
{
	if (!q->broken)
		q->broken = reason;
}

const char *front_queue_broken(const struct front_queue *q)
{
	return q->broken;
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

uint8_t *front_from_guest_pages(const struct front_queue *q)
{
	return q->from.pages;
}

uint8_t *front_to_guest_pages(const struct front_queue *q)
{
	return q->to.pages;
}
