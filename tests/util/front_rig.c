/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/front_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void (*front_rig_begin)(struct front_rig *x), (*front_rig_end)(struct front_rig *x);

static void start_at(struct front_rig *x, RING_IDX at)
{
	struct front_queue *q = x->q;
	unsigned int posted = q->to_prod - q->to_cons;
	uint16_t slots[FRONT_RING_SLOTS];
	union netif_rx_sring_entry entries[FRONT_RING_SLOTS];

	q->from_prod = q->from_cons = q->from_pushed = at;
	x->from->req_prod = x->from->rsp_prod = at;
	x->from->req_event = x->from->rsp_event = at + 1;
	x->from_cons = x->from_rsp = at;

	memcpy(slots, q->to_slots, sizeof(slots));
	memcpy(entries, x->to->ring, sizeof(entries));
	for (unsigned int i = 0; i < posted; i++) {
		q->to_slots[(at + i) % FRONT_RING_SLOTS] = slots[i];
		x->to->ring[(at + i) % FRONT_RING_SLOTS] = entries[i];
	}
	q->to_cons = at;
	q->to_prod = q->to_pushed = at + posted;
	x->to->req_prod = at + posted;
	x->to->rsp_prod = at;
	x->to->req_event = at + posted + 1;
	x->to->rsp_event = at + 1;
	x->to_cons = x->to_rsp = at;
}

int front_rig_setup(void **state)
{
	struct front_rig *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(core_create(NULL, &x->core), 0);
	assert_int_equal(core_domain_create(x->core, 16, &x->domid), 0);
	assert_int_equal(hv_core_local(x->core, &x->hv), 0);
	assert_int_equal(hv_guest_attach_local(x->core, x->domid, &x->guest), 0);
	assert_int_equal(x->hv->domain->open(x->hv, x->domid, &x->domain), 0);
	x->f.guest = x->guest;
	x->f.info.sg = x->f.info.gso_tcpv4 = x->f.info.gso_tcpv6 = true;
	x->f.info.split_channels = true;
	if (front_rig_begin)
		front_rig_begin(x);
	assert_int_equal(front_queue_create(&x->f, &x->q), 0);

	assert_int_equal(x->hv->gnt->map(x->domain, x->q->from_ring_ref, &x->from_map), 0);
	assert_int_equal(x->hv->gnt->map(x->domain, x->q->to_ring_ref, &x->to_map), 0);
	assert_int_equal(
		x->hv->evtchn->bind(x->hv, x->domid, x->q->from_channel.local_port, &x->from_ch),
		0);
	assert_int_equal(
		x->hv->evtchn->bind(x->hv, x->domid, x->q->to_channel.local_port, &x->to_ch), 0);
	x->from = x->from_map.page;
	x->to = x->to_map.page;
	start_at(x, FRONT_RIG_START);
	*state = x;
	return 0;
}

int front_rig_teardown(void **state)
{
	struct front_rig *x = *state;

	x->hv->evtchn->unbind(&x->from_ch);
	x->hv->evtchn->unbind(&x->to_ch);
	x->hv->gnt->unmap(&x->from_map);
	x->hv->gnt->unmap(&x->to_map);
	assert_int_equal(front_queue_destroy(&x->f, x->q), 0);
	if (front_rig_end)
		front_rig_end(x);
	x->hv->domain->close(x->domain);
	hv_guest_detach(x->guest);
	x->hv->close(x->hv);
	core_destroy(x->core);
	free(x);
	return 0;
}

void front_rig_fill(uint8_t *data, size_t size, unsigned int seed)
{
	uint32_t v = seed * 2654435761u + 12345u;

	for (size_t i = 0; i < size; i++) {
		v = v * 1664525u + 1013904223u;
		data[i] = (uint8_t)(v >> 24);
	}
}

void front_rig_read(struct front_rig *x, uint32_t ref, uint16_t offset, uint16_t len, uint8_t *to)
{
	struct hv_gnt_op op = { .ref = ref, .offset = offset, .len = len };

	assert_true(offset + len <= FRONT_BUFFER_SIZE);
	x->hv->gnt->begin(x->domain, &op, 1, false);
	assert_int_equal(op.status, GNTST_okay);
	memcpy(to, op.ptr, len);
	x->hv->gnt->end(x->domain, &op, 1, false);
	assert_int_equal(op.status, GNTST_okay);
}

static const struct netif_tx_request *next_request(struct front_rig *x)
{
	assert_int_not_equal(x->from->req_prod, x->from_cons);
	return &x->from->ring[x->from_cons++ % FRONT_RING_SLOTS].req;
}

void front_rig_take(struct front_rig *x, struct front_rig_seen *s)
{
	struct netif_tx_request req[FRONT_MAX_FRAGS], r = *next_request(x);
	struct netif_extra_info extra;
	unsigned int nr = 0;
	uint16_t first;

	memset(s, 0, sizeof(*s));
	s->flags = r.flags;
	s->size = first = r.size;
	s->extra = r.flags & NETTXF_extra_info;
	req[nr++] = r;
	if (s->extra) {
		memcpy(&extra, next_request(x), sizeof(extra));
		assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
		assert_int_equal(extra.flags, 0);
		s->gso_type = extra.u.gso.type;
		s->gso_size = extra.u.gso.size;
	}
	while (r.flags & NETTXF_more_data) {
		r = *next_request(x);
		assert_true(nr < FRONT_MAX_FRAGS);
		assert_int_equal(r.flags & ~NETTXF_more_data, 0);
		first = (uint16_t)(first - r.size);
		req[nr++] = r;
	}
	req[0].size = first;
	s->nr_ids = nr;
	for (size_t i = 0, at = 0; i < nr; at += req[i++].size) {
		s->ids[i] = req[i].id;
		front_rig_read(x, req[i].gref, req[i].offset, req[i].size, s->data + at);
	}
}

void front_rig_respond(struct front_rig *x, uint16_t id, int16_t status)
{
	x->from->ring[x->from_rsp++ % FRONT_RING_SLOTS].rsp = (struct netif_tx_response){
		.id = id, .status = status
	};
}

void front_rig_publish_from(struct front_rig *x)
{
	__atomic_store_n(&x->from->rsp_prod, x->from_rsp, __ATOMIC_RELEASE);
}

void front_rig_answer(struct front_rig *x, const struct front_rig_seen *s, int16_t status)
{
	for (unsigned int i = 0; i < s->nr_ids; i++) {
		front_rig_respond(x, s->ids[i], status);
		if (!i && s->extra)
			front_rig_respond(x, 0xdead, NETIF_RSP_NULL);
	}
	front_rig_publish_from(x);
}

void front_rig_put(struct front_rig *x, uint16_t offset, uint16_t flags, int16_t status)
{
	struct netif_rx_request req = x->to->ring[x->to_cons++ % FRONT_RING_SLOTS].req;

	x->to->ring[x->to_rsp++ % FRONT_RING_SLOTS].rsp = (struct netif_rx_response){
		.id = req.id, .offset = offset, .flags = flags, .status = status
	};
}

void front_rig_put_extra(struct front_rig *x, const struct netif_extra_info *extra)
{
	x->to_cons++;
	memcpy(&x->to->ring[x->to_rsp++ % FRONT_RING_SLOTS].rsp, extra, sizeof(*extra));
}

void front_rig_publish_to(struct front_rig *x)
{
	__atomic_store_n(&x->to->rsp_prod, x->to_rsp, __ATOMIC_RELEASE);
}

void front_rig_send(struct front_rig *x, const uint8_t *data, size_t size, uint16_t offset,
		    uint16_t slot_len, uint16_t flags, const struct netif_extra_info *extra)
{
	for (size_t at = 0; at < size;) {
		size_t len = size - at < slot_len ? size - at : slot_len;
		struct hv_gnt_op op = { .ref = x->to->ring[x->to_cons % FRONT_RING_SLOTS].req.gref,
					.offset = offset,
					.len = (uint16_t)len };

		x->hv->gnt->begin(x->domain, &op, 1, true);
		assert_int_equal(op.status, GNTST_okay);
		memcpy(op.ptr, data + at, len);
		x->hv->gnt->end(x->domain, &op, 1, true);
		front_rig_put(
			x, offset,
			(uint16_t)((at ? 0 : flags) | (at + len < size ? NETRXF_more_data : 0)),
			(int16_t)len);
		if (!at && extra)
			front_rig_put_extra(x, extra);
		at += len;
	}
	front_rig_publish_to(x);
}

void front_rig_build(struct front_rig *x, struct front_packet *p, const uint8_t *data, size_t size,
		     uint16_t offset, uint16_t slot_len)
{
	unsigned int nr = (unsigned int)((size + slot_len - 1) / slot_len);
	uint16_t buffers[FRONT_MAX_FRAGS];
	size_t at = 0;

	memset(p, 0, sizeof(*p));
	assert_int_equal(front_take(x->q, buffers, nr), nr);
	for (unsigned int i = 0; i < nr; i++) {
		uint16_t len = (uint16_t)(size - at < slot_len ? size - at : slot_len);

		memcpy(front_from_guest_pages(x->q) + (size_t)buffers[i] * FRONT_BUFFER_SIZE +
			       offset,
		       data + at, len);
		p->frags[i] = (struct front_frag){ .buffer = buffers[i],
						   .offset = offset,
						   .len = len };
		at += len;
	}
	p->nr_frags = (uint16_t)nr;
	p->size = (uint32_t)size;
}

void front_rig_check(struct front_rig *x, const struct front_packet *p, const uint8_t *data,
		     size_t size)
{
	size_t at = 0;

	assert_int_equal(p->size, size);
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		const struct front_frag *frag = &p->frags[i];

		assert_memory_equal(front_to_guest_pages(x->q) +
					    (size_t)frag->buffer * FRONT_BUFFER_SIZE + frag->offset,
				    data + at, frag->len);
		at += frag->len;
	}
	assert_int_equal(at, size);
}
