/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole bursts of frames that are one piece each, which most are: no walk over fragments, no packet
 * struct. What is more goes by front_to_guest() and front_from_guest(), in its turn.
 */
#include <string.h>

#include "netback/front/front_priv.h"
#include "netback/shared.h"

#define ETHERNET_MIN_LEN 14
#define LINE		 64u
#define SPREAD		 32u /* lines of a page that frames may begin at */

/*
 * Where a frame begins in its page. Were it always the first line, all first lines would be in a few sets of
 * the caches, as pages are.
 */
static uint16_t spread(uint16_t buffer, uint16_t len)
{
	uint16_t line = (uint16_t)((buffer + buffer / 16u) % SPREAD);

	return len <= FRONT_BUFFER_SIZE - (SPREAD - 1) * LINE ? (uint16_t)(line * LINE) : 0;
}

static void copy_frame(uint8_t *page, const struct front_frame *f)
{
	if (f->len <= NB_COPY_SMALL_MAX)
		nb_copy_small(page, f->data, f->len);
	else
		memcpy(page, f->data, f->len);
}

unsigned int front_frames_to_guest(struct front_queue *q, struct front_frame *frames,
				   unsigned int max)
{
	unsigned int nr = 0;
	uint64_t bytes = 0;
	RING_IDX prod, cons = q->to_cons;

	if (q->broken)
		return 0;
	/* Pairs with the backend's push: responses are there before the index. */
	prod = nb_shared_load(&q->to_sring->rsp_prod);
	if (prod - cons > q->to_pushed - cons) {
		front_queue_break(q, "backend filled more receive buffers than there were");
		return 0;
	}
	if (q->to_pushed - prod < q->to_low)
		q->to_low = q->to_pushed - prod;
	while (nr < max && cons != prod) {
		struct front_frame *f = &frames[nr];
		struct netif_rx_response rsp;

		nb_shared_read(&rsp, &q->to_sring->ring[cons % FRONT_RING_SLOTS].rsp, sizeof(rsp));
		/* The slow way also says what is wrong with it. */
		if ((rsp.flags & (NETRXF_more_data | NETRXF_extra_info)) ||
		    rsp.id != q->to_slots[cons % FRONT_RING_SLOTS] ||
		    rsp.status < ETHERNET_MIN_LEN || rsp.offset + rsp.status > FRONT_BUFFER_SIZE)
			break;
		f->data = q->to.pages + (size_t)rsp.id * FRONT_BUFFER_SIZE + rsp.offset;
		__builtin_prefetch(f->data);
		f->len = (uint16_t)rsp.status;
		f->buffer = rsp.id;
		f->flags = (uint16_t)((rsp.flags & NETRXF_csum_blank ? FRONT_CSUM_BLANK : 0) |
				      (rsp.flags & NETRXF_data_validated ? FRONT_DATA_VALIDATED
									 : 0));
		bytes += f->len;
		nr++;
		cons++;
	}
	q->to_cons = cons;
	front_count(&q->counters.to_guest_packets, nr);
	front_count(&q->counters.to_guest_bytes, bytes);
	return nr;
}

void front_frames_release(struct front_queue *q, const struct front_frame *frames, unsigned int nr)
{
	while (nr)
		q->to.free[q->to.nr_free++] = frames[--nr].buffer;
}

unsigned int front_frames_from_guest(struct front_queue *q, const struct front_frame *frames,
				     unsigned int nr)
{
	unsigned int room = FRONT_RING_SLOTS - (q->from_prod - q->from_cons);
	uint64_t bytes = 0;

	if (q->broken)
		return 0;
	if (nr > room)
		nr = room;
	if (nr > q->from.nr_free)
		nr = q->from.nr_free;
	for (unsigned int i = 0; i < nr; i++) {
		const struct front_frame *f = &frames[i];
		uint16_t buffer = q->from.free[--q->from.nr_free], offset;
		uint32_t ref = q->from.refs[buffer];

		if (q->zone && f->lent) {
			ref = f->lent;
			offset = (uint16_t)((uintptr_t)f->data % FRONT_BUFFER_SIZE);
			q->from_owners[buffer] = f->owner;
		} else {
			offset = spread(buffer, f->len);
			copy_frame(q->from.pages + (size_t)buffer * FRONT_BUFFER_SIZE + offset, f);
		}
		q->from_sring->ring[q->from_prod++ % FRONT_RING_SLOTS]
			.req = (struct netif_tx_request){
			.gref = ref,
			.offset = offset,
			.flags = (uint16_t)((f->flags & FRONT_CSUM_BLANK ? NETTXF_csum_blank : 0) |
					    (f->flags & FRONT_DATA_VALIDATED ? NETTXF_data_validated
									     : 0)),
			.id = buffer,
			.size = f->len,
		};
		q->from_outstanding[buffer] = 1;
		bytes += f->len;
	}
	front_count(&q->counters.from_guest_packets, nr);
	front_count(&q->counters.from_guest_bytes, bytes);
	return nr;
}
