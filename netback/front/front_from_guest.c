/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets from the guest: requests onto the ring, the backend's answers off it. */
#include <assert.h>
#include <string.h>

#include "netback/front/front_priv.h"
#include "netback/shared.h"

unsigned int front_take(struct front_queue *q, uint16_t *buffers, unsigned int nr)
{
	struct front_pool *pool = &q->from;

	if (nr > pool->nr_free)
		nr = pool->nr_free;
	for (unsigned int i = 0; i < nr; i++)
		buffers[i] = pool->free[--pool->nr_free];
	return nr;
}

void front_put(struct front_queue *q, const uint16_t *buffers, unsigned int nr)
{
	struct front_pool *pool = &q->from;

	/* Backwards, so that the next front_take() gets them in the same order. */
	while (nr)
		pool->free[pool->nr_free++] = buffers[--nr];
}

/* One answer. Return: NULL or what is wrong with it. */
static const char *take_response(struct front_queue *q, const struct netif_tx_response *rsp)
{
	if (rsp->status == NETIF_RSP_NULL) {
		if (!q->nr_from_extras)
			return "backend answered an extra that was never sent";
		q->nr_from_extras--;
		return NULL;
	}
	if (rsp->id >= FRONT_NR_BUFFERS)
		return "backend's transmit response has an id out of range";
	if (!q->from_outstanding[rsp->id])
		return "backend's transmit response has an id that is not outstanding";
	if (rsp->status != NETIF_RSP_OKAY) {
		if (rsp->status != NETIF_RSP_ERROR && rsp->status != NETIF_RSP_DROPPED)
			return "backend's transmit response has an unknown status";
		/* All requests of a packet are answered with it. */
		front_count(&q->counters.from_guest_errors,
			    q->from_outstanding[rsp->id] != FRONT_LATER);
	}
	q->from_outstanding[rsp->id] = 0;
	if (q->from_owners[rsp->id]) {
		q->answered[q->nr_answered++] = q->from_owners[rsp->id];
		q->from_owners[rsp->id] = NULL;
	}
	q->from.free[q->from.nr_free++] = rsp->id;
	return NULL;
}

unsigned int front_from_guest_room(struct front_queue *q)
{
	struct netif_tx_response rsp;
	const char *wrong;
	RING_IDX prod;

	if (q->broken)
		return 0;
	/* Pairs with the backend's push: responses are there before the index. */
	prod = nb_shared_load(&q->from_sring->rsp_prod);
	if (prod - q->from_cons > q->from_pushed - q->from_cons) {
		front_queue_break(q, "backend answered more transmit requests than there were");
		return 0;
	}
	while (q->from_cons != prod) {
		nb_shared_read(&rsp, &q->from_sring->ring[q->from_cons % FRONT_RING_SLOTS].rsp,
			       sizeof(rsp));
		wrong = take_response(q, &rsp);
		if (wrong) {
			front_queue_break(q, wrong);
			return 0;
		}
		q->from_cons++;
	}
	if (q->nr_answered) {
		q->zone->let_go(q->zone, q->answered, q->nr_answered);
		q->nr_answered = 0;
	}
	return FRONT_RING_SLOTS - (q->from_prod - q->from_cons);
}

static bool acceptable(const struct front_queue *q, const struct front_packet *p)
{
	if (p->size > FRONT_MAX_FRAME)
		return false;
	if (p->nr_frags > 1 && !q->sg)
		return false;
	switch (p->gso_type) {
	case XEN_NETIF_GSO_TYPE_NONE:
		return true;
	case XEN_NETIF_GSO_TYPE_TCPV4:
		return q->gso_tcpv4 && p->gso_size;
	case XEN_NETIF_GSO_TYPE_TCPV6:
		return q->gso_tcpv6 && p->gso_size;
	default:
		return false;
	}
}

static union netif_tx_sring_entry *next_slot(struct front_queue *q)
{
	return &q->from_sring->ring[q->from_prod++ % FRONT_RING_SLOTS];
}

static void put_extra(struct front_queue *q, const struct netif_extra_info *extra)
{
	memcpy(next_slot(q), extra, sizeof(*extra));
	q->nr_from_extras++;
}

static void put_gso(struct front_queue *q, const struct front_packet *p)
{
	put_extra(q, &(struct netif_extra_info){
			     .type = XEN_NETIF_EXTRA_TYPE_GSO,
			     .u.gso = { .size = p->gso_size, .type = p->gso_type },
		     });
}

static void put_packet(struct front_queue *q, const struct front_packet *p)
{
	uint16_t flags = 0;

	if (p->flags & FRONT_CSUM_BLANK)
		flags |= NETTXF_csum_blank;
	if (p->flags & FRONT_DATA_VALIDATED)
		flags |= NETTXF_data_validated;
	if (p->gso_type != XEN_NETIF_GSO_TYPE_NONE)
		flags |= NETTXF_extra_info;

	for (unsigned int i = 0; i < p->nr_frags; i++) {
		const struct front_frag *frag = &p->frags[i];
		bool more = i + 1u < p->nr_frags;

		next_slot(q)->req = (struct netif_tx_request){
			.gref = q->zone && frag->lent ? frag->lent : q->from.refs[frag->buffer],
			.offset = frag->offset,
			.flags = (uint16_t)(flags | (more ? NETTXF_more_data : 0)),
			.id = frag->buffer,
			.size = (uint16_t)(i ? frag->len : p->size),
		};
		q->from_outstanding[frag->buffer] = i ? FRONT_LATER : 1;
		if (!i && p->gso_type != XEN_NETIF_GSO_TYPE_NONE)
			put_gso(q, p);
		flags = 0;
	}
	/* All are answered with the last, if the backend keeps to what it should. */
	if (q->zone)
		q->from_owners[p->frags[p->nr_frags - 1].buffer] = p->owner;
	front_count(&q->counters.from_guest_packets, 1);
	front_count(&q->counters.from_guest_bytes, p->size);
}

unsigned int front_from_guest(struct front_queue *q, const struct front_packet *packets,
			      unsigned int nr)
{
	unsigned int room, done;

	if (q->broken)
		return 0;
	room = FRONT_RING_SLOTS - (q->from_prod - q->from_cons);
	for (done = 0; done < nr; done++) {
		const struct front_packet *p = &packets[done];
		unsigned int slots = p->nr_frags + (p->gso_type != XEN_NETIF_GSO_TYPE_NONE);

		assert(p->nr_frags && p->nr_frags <= FRONT_MAX_FRAGS);
		if (!acceptable(q, p)) {
			for (unsigned int i = p->nr_frags; i-- > 0;)
				front_put(q, &p->frags[i].buffer, 1);
			if (q->zone && p->owner)
				q->zone->let_go(q->zone, (void **)(uintptr_t)&p->owner, 1);
			front_count(&q->counters.from_guest_refused, 1);
			continue;
		}
		if (slots > room)
			break;
		room -= slots;
		put_packet(q, p);
	}
	return done;
}

/* A request of no data, for the sake of the extra behind it. */
bool front_multicast(struct front_queue *q, const uint8_t mac[MAC_LEN], bool add)
{
	struct netif_extra_info extra = {
		.type = add ? XEN_NETIF_EXTRA_TYPE_MCAST_ADD : XEN_NETIF_EXTRA_TYPE_MCAST_DEL,
	};
	uint16_t buffer;

	if (q->broken || FRONT_RING_SLOTS - (q->from_prod - q->from_cons) < 2 ||
	    !front_take(q, &buffer, 1))
		return false;
	memcpy(extra.u.mcast.addr, mac, MAC_LEN);
	next_slot(q)->req = (struct netif_tx_request){
		.gref = q->from.refs[buffer],
		.flags = NETTXF_extra_info,
		.id = buffer,
	};
	q->from_outstanding[buffer] = 1;
	put_extra(q, &extra);
	return true;
}

void front_from_guest_flush(struct front_queue *q)
{
	RING_IDX old = q->from_pushed, event;

	if (q->broken || q->from_prod == old)
		return;
	/* The requests are visible before the index, and the index before req_event is read: the
	 * backend sets req_event and then reads the index again. */
	__atomic_store_n(&q->from_sring->req_prod, q->from_prod, __ATOMIC_SEQ_CST);
	q->from_pushed = q->from_prod;
	event = __atomic_load_n(&q->from_sring->req_event, __ATOMIC_SEQ_CST);
	if ((RING_IDX)(q->from_prod - event) < (RING_IDX)(q->from_prod - old)) {
		hv_guest_evtchn_notify(&q->from_channel);
		front_count(&q->counters.from_guest_notifies, 1);
	}
}

bool front_from_guest_arm(struct front_queue *q, unsigned int slots)
{
	unsigned int room = front_from_guest_room(q);
	RING_IDX want;

	if (q->broken || room >= slots)
		return true;
	want = q->from_cons + (slots - room);
	__atomic_store_n(&q->from_sring->rsp_event, want, __ATOMIC_SEQ_CST);
	/* Pairs with the backend's push and check of rsp_event: one of us sees the other. */
	return (RING_IDX)(__atomic_load_n(&q->from_sring->rsp_prod, __ATOMIC_SEQ_CST) -
			  q->from_cons) >= slots - room;
}
