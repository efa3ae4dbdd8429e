/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets to the guest: buffers onto the ring, filled ones off it.
 *
 * The ring is kept only as full as the load needs, between 64 and all slots: few buffers in turn
 * stay in the cache, and an idle guest does not touch a megabyte. A program that polls keeps it full: a
 * burst that comes before the load is known would be lost, where a backend that polls waits for nobody.
 */
#include <string.h>

#include "netback/front/front_priv.h"
#include "netback/shared.h"

#define TARGET_WINDOW	 1024u /* refills that a shrinking target is judged by */
#define ETHERNET_MIN_LEN 14u

/* Buffers come back in such an order that the first one is used first. */
static void put_buffers(struct front_queue *q, const struct front_packet *p)
{
	for (unsigned int i = p->nr_frags; i-- > 0;)
		q->to.free[q->to.nr_free++] = p->frags[i].buffer;
}

void front_release(struct front_queue *q, const struct front_packet *packets, unsigned int nr)
{
	while (nr)
		put_buffers(q, &packets[--nr]);
}

static const char *take_extra(struct front_packet *p, const struct netif_extra_info *extra)
{
	switch (extra->type) {
	case XEN_NETIF_EXTRA_TYPE_GSO:
		if (p->gso_type != XEN_NETIF_GSO_TYPE_NONE)
			return "backend sent two GSO extras for one packet";
		if (extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV4 &&
		    extra->u.gso.type != XEN_NETIF_GSO_TYPE_TCPV6)
			return "backend sent a GSO extra of unknown type";
		if (!extra->u.gso.size)
			return "backend sent a GSO extra with size 0";
		p->gso_type = extra->u.gso.type;
		p->gso_size = extra->u.gso.size;
		return NULL;
	case XEN_NETIF_EXTRA_TYPE_HASH:
		return NULL;
	default:
		return "backend sent an extra of unknown type";
	}
}

/* The extras behind a packet's first slot; each type at most once, so the walk is short. */
static const char *take_extras(struct front_queue *q, RING_IDX prod, RING_IDX *cons,
			       struct front_packet *p)
{
	struct netif_extra_info extra;
	unsigned int nr = 0;
	const char *wrong;

	do {
		unsigned int slot = *cons % FRONT_RING_SLOTS;

		if (*cons == prod)
			return "backend sent a packet without its last extra";
		if (++nr >= XEN_NETIF_EXTRA_TYPE_MAX)
			return "backend sent an endless chain of extras";
		nb_shared_read(&extra, &q->to_sring->ring[slot].rsp, sizeof(extra));
		wrong = take_extra(p, &extra);
		if (wrong)
			return wrong;
		q->to.free[q->to.nr_free++] = q->to_slots[slot];
		(*cons)++;
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return NULL;
}

static const char *take_fragment(struct front_queue *q, RING_IDX cons,
				 const struct netif_rx_response *rsp, struct front_packet *p)
{
	uint16_t len = rsp->status > 0 ? (uint16_t)rsp->status : 0;

	/* Extras have no id, so buffers go by slot, and the backend must keep to that. */
	if (rsp->id != q->to_slots[cons % FRONT_RING_SLOTS])
		return "backend's receive response has an id that is not outstanding in its slot";
	if (rsp->status < NETIF_RSP_DROPPED)
		return "backend's receive response has an unknown status";
	if (rsp->offset + len > FRONT_BUFFER_SIZE)
		return "backend's receive response lies outside of its page";
	if (p->nr_frags == FRONT_MAX_FRAGS)
		return "backend sent a packet of too many fragments";
	if (p->nr_frags && (rsp->flags & NETRXF_extra_info))
		return "backend sent an extra in the middle of a packet";
	p->frags[p->nr_frags++] = (struct front_frag){ .buffer = rsp->id,
						       .offset = rsp->offset,
						       .len = len };
	p->size += len;
	return NULL;
}

static void note_flags(struct front_packet *p, uint16_t flags)
{
	if (flags & NETRXF_csum_blank)
		p->flags |= FRONT_CSUM_BLANK;
	if (flags & NETRXF_data_validated)
		p->flags |= FRONT_DATA_VALIDATED;
}

/* Return: NULL or what is wrong; *failed: the backend says that it could not deliver it. */
static const char *take_packet(struct front_queue *q, RING_IDX prod, struct front_packet *p,
			       bool *failed)
{
	RING_IDX cons = q->to_cons;
	struct netif_rx_response rsp;
	const char *wrong;

	p->size = 0;
	p->gso_size = 0;
	p->gso_type = XEN_NETIF_GSO_TYPE_NONE;
	p->flags = 0;
	p->nr_frags = 0;
	*failed = false;
	do {
		if (cons == prod)
			return "backend sent a packet without its last fragment";
		nb_shared_read(&rsp, &q->to_sring->ring[cons % FRONT_RING_SLOTS].rsp, sizeof(rsp));
		wrong = take_fragment(q, cons, &rsp, p);
		if (wrong)
			return wrong;
		cons++;
		*failed |= rsp.status < 0;
		if (p->nr_frags == 1)
			note_flags(p, rsp.flags);
		if (rsp.flags & NETRXF_extra_info) {
			wrong = take_extras(q, prod, &cons, p);
			if (wrong)
				return wrong;
		}
	} while (rsp.flags & NETRXF_more_data);
	q->to_cons = cons;
	return NULL;
}

unsigned int front_to_guest(struct front_queue *q, struct front_packet *packets, unsigned int max)
{
	unsigned int nr = 0;
	const char *wrong;
	RING_IDX prod;
	bool failed;

	if (q->broken)
		return 0;
	/* Pairs with the backend's push: responses are there before the index. */
	prod = nb_shared_load(&q->to_sring->rsp_prod);
	if (prod - q->to_cons > q->to_pushed - q->to_cons) {
		front_queue_break(q, "backend filled more receive buffers than there were");
		return 0;
	}
	if (q->to_pushed - prod < q->to_low)
		q->to_low = q->to_pushed - prod;

	while (nr < max && q->to_cons != prod) {
		struct front_packet *p = &packets[nr];

		wrong = take_packet(q, prod, p, &failed);
		if (wrong) {
			front_queue_break(q, wrong);
			break;
		}
		if (failed || p->size < ETHERNET_MIN_LEN) {
			put_buffers(q, p);
			if (failed)
				front_count(&q->counters.to_guest_errors, 1);
			else
				front_count(&q->counters.to_guest_dropped, 1);
			continue;
		}
		front_count(&q->counters.to_guest_packets, 1);
		front_count(&q->counters.to_guest_bytes, p->size);
		nr++;
	}
	return nr;
}

/*
 * Double when the backend came near to running out, which it does as soon as the largest packet does
 * not fit; halve when that would still leave enough, and has for long.
 */
static void adapt_target(struct front_queue *q)
{
	if (q->to_low < q->to_target / 4 + FRONT_MAX_SLOTS) {
		if (q->to_target < FRONT_RING_SLOTS)
			q->to_target *= 2;
	} else if (++q->to_refills < TARGET_WINDOW) {
		return;
	} else if (q->to_low > q->to_target / 2 + q->to_target / 8 + FRONT_MAX_SLOTS &&
		   q->to_target > q->to_least) {
		q->to_target /= 2;
	}
	q->to_refills = 0;
	q->to_low = FRONT_RING_SLOTS;
}

void front_to_guest_refill(struct front_queue *q)
{
	RING_IDX old = q->to_pushed, event;

	if (q->broken)
		return;
	adapt_target(q);
	while (q->to_prod - q->to_cons < q->to_target && q->to.nr_free) {
		uint16_t buffer = q->to.free[--q->to.nr_free];
		unsigned int slot = q->to_prod++ % FRONT_RING_SLOTS;

		q->to_slots[slot] = buffer;
		q->to_sring->ring[slot].req = (struct netif_rx_request){
			.id = buffer,
			.gref = q->to.refs[buffer],
		};
	}
	if (q->to_prod == old)
		return;
	/* As in front_from_guest_flush(). */
	__atomic_store_n(&q->to_sring->req_prod, q->to_prod, __ATOMIC_SEQ_CST);
	q->to_pushed = q->to_prod;
	event = __atomic_load_n(&q->to_sring->req_event, __ATOMIC_SEQ_CST);
	if ((RING_IDX)(q->to_prod - event) < (RING_IDX)(q->to_prod - old)) {
		hv_guest_evtchn_notify(front_to_channel(q));
		front_count(&q->counters.to_guest_notifies, 1);
	}
}

bool front_to_guest_arm(struct front_queue *q)
{
	if (q->broken)
		return true;
	__atomic_store_n(&q->to_sring->rsp_event, q->to_cons + 1, __ATOMIC_SEQ_CST);
	/* Pairs with the backend's push and check of rsp_event: one of us sees the other. */
	return __atomic_load_n(&q->to_sring->rsp_prod, __ATOMIC_SEQ_CST) != q->to_cons;
}
