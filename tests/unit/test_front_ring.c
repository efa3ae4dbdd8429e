/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frontend's rings against a backend that lives here: well-behaved first, then hostile. What a
 * hostile one does must break the device, with the right reason, and nothing else.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/core.h"
#include "netback/front/front_priv.h"

#define WRAP_START (UINT32_MAX - 100u) /* so that every test that moves on crosses zero */

struct fixture {
	struct core *core;
	struct hv *hv;
	struct hv_domain *domain;
	struct hv_guest *guest;
	struct front f;
	struct front_queue *q;
	uint16_t domid;
	/* The backend's ends. */
	struct hv_gnt_map from_map, to_map;
	struct hv_evtchn from_ch, to_ch;
	struct netif_tx_sring *from;
	struct netif_rx_sring *to;
	RING_IDX from_cons, from_rsp, to_cons, to_rsp;
};

static void start_at(struct fixture *x, RING_IDX at)
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

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	assert_int_equal(core_create(NULL, &x->core), 0);
	assert_int_equal(core_domain_create(x->core, 16, &x->domid), 0);
	assert_int_equal(hv_core_local(x->core, &x->hv), 0);
	assert_int_equal(hv_guest_attach_local(x->core, x->domid, &x->guest), 0);
	assert_int_equal(x->hv->domain->open(x->hv, x->domid, &x->domain), 0);
	x->f.guest = x->guest;
	x->f.info.sg = x->f.info.gso_tcpv4 = x->f.info.gso_tcpv6 = true;
	x->f.info.split_channels = true;
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
	start_at(x, WRAP_START);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	x->hv->evtchn->unbind(&x->from_ch);
	x->hv->evtchn->unbind(&x->to_ch);
	x->hv->gnt->unmap(&x->from_map);
	x->hv->gnt->unmap(&x->to_map);
	assert_int_equal(front_queue_destroy(&x->f, x->q), 0);
	x->hv->domain->close(x->domain);
	hv_guest_detach(x->guest);
	x->hv->close(x->hv);
	core_destroy(x->core);
	free(x);
	return 0;
}

static bool signalled(int fd)
{
	uint64_t value;

	return read(fd, &value, sizeof(value)) == sizeof(value);
}

static void fill(uint8_t *data, size_t size, unsigned int seed)
{
	uint32_t v = seed * 2654435761u + 12345u;

	for (size_t i = 0; i < size; i++) {
		v = v * 1664525u + 1013904223u;
		data[i] = (uint8_t)(v >> 24);
	}
}

/* ---- A well-behaved backend ---- */

struct seen {
	uint8_t data[FRONT_MAX_FRAGS * FRONT_BUFFER_SIZE];
	size_t size;
	unsigned int nr_slots;
	uint16_t flags, gso_size;
	uint8_t gso_type;
	uint16_t ids[FRONT_MAX_FRAGS];
	unsigned int nr_ids;
	bool extra;
};

static void copy_in(struct fixture *x, uint32_t ref, uint16_t offset, uint16_t len, uint8_t *to)
{
	struct hv_gnt_op op = { .ref = ref, .offset = offset, .len = len };

	assert_true(offset + len <= FRONT_BUFFER_SIZE);
	x->hv->gnt->begin(x->domain, &op, 1, false);
	assert_int_equal(op.status, GNTST_okay);
	memcpy(to, op.ptr, len);
	x->hv->gnt->end(x->domain, &op, 1, false);
	assert_int_equal(op.status, GNTST_okay);
}

static const struct netif_tx_request *next_request(struct fixture *x)
{
	assert_int_not_equal(x->from->req_prod, x->from_cons);
	return &x->from->ring[x->from_cons++ % FRONT_RING_SLOTS].req;
}

/* One packet off the ring, as io/netif.h says: the first slot has the size of all. */
static void backend_take(struct fixture *x, struct seen *s)
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
		copy_in(x, req[i].gref, req[i].offset, req[i].size, s->data + at);
	}
}

static void respond(struct fixture *x, uint16_t id, int16_t status)
{
	x->from->ring[x->from_rsp++ % FRONT_RING_SLOTS].rsp = (struct netif_tx_response){
		.id = id, .status = status
	};
}

static void publish_from(struct fixture *x)
{
	__atomic_store_n(&x->from->rsp_prod, x->from_rsp, __ATOMIC_RELEASE);
}

static void backend_answer(struct fixture *x, const struct seen *s, int16_t status)
{
	for (unsigned int i = 0; i < s->nr_ids; i++) {
		respond(x, s->ids[i], status);
		if (!i && s->extra)
			respond(x, 0xdead, NETIF_RSP_NULL);
	}
	publish_from(x);
}

struct piece {
	uint16_t offset, len, flags;
};

static void put_response(struct fixture *x, uint16_t offset, uint16_t flags, int16_t status)
{
	struct netif_rx_request req = x->to->ring[x->to_cons++ % FRONT_RING_SLOTS].req;

	x->to->ring[x->to_rsp++ % FRONT_RING_SLOTS].rsp = (struct netif_rx_response){
		.id = req.id, .offset = offset, .flags = flags, .status = status
	};
}

static void put_extra(struct fixture *x, const struct netif_extra_info *extra)
{
	x->to_cons++;
	memcpy(&x->to->ring[x->to_rsp++ % FRONT_RING_SLOTS].rsp, extra, sizeof(*extra));
}

static void publish_to(struct fixture *x)
{
	__atomic_store_n(&x->to->rsp_prod, x->to_rsp, __ATOMIC_RELEASE);
}

/* Send @size bytes in slots of at most @slot_len from @offset on. */
static void backend_send(struct fixture *x, const uint8_t *data, size_t size, uint16_t offset,
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
		put_response(
			x, offset,
			(uint16_t)((at ? 0 : flags) | (at + len < size ? NETRXF_more_data : 0)),
			(int16_t)len);
		if (!at && extra)
			put_extra(x, extra);
		at += len;
	}
	publish_to(x);
}

/* ---- What the guest does ---- */

static void build(struct fixture *x, struct front_packet *p, const uint8_t *data, size_t size,
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

static void check_received(struct fixture *x, const struct front_packet *p, const uint8_t *data,
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

/* Offset and length of slots: whole pages, a late start, short ones; those that fit 18 slots. */
static const struct piece layouts[] = {
	{ 0, 4096, 0 }, { 2, 4094, 0 }, { 256, 3840, 0 },
	{ 4095, 1, 0 }, { 0, 1500, 0 }, { 64, 61, 0 },
};

static void test_sizes_and_layouts(void **state)
{
	static uint8_t data[FRONT_MAX_FRAME];
	static struct seen s;
	struct fixture *x = *state;
	struct front_packet p;
	unsigned int nr_sent = 0;

	for (unsigned int l = 0; l < sizeof(layouts) / sizeof(layouts[0]); l++) {
		size_t max = (size_t)layouts[l].len * FRONT_MAX_FRAGS;

		for (size_t size = 14; size <= FRONT_MAX_FRAME && size <= max;
		     size += size < 200 || size > FRONT_MAX_FRAME - 40 ? 1 : 97) {
			fill(data, size, (unsigned int)size);
			build(x, &p, data, size, layouts[l].offset, layouts[l].len);
			assert_int_equal(front_from_guest(x->q, &p, 1), 1);
			front_from_guest_flush(x->q);
			backend_take(x, &s);
			assert_int_equal(s.size, size);
			assert_memory_equal(s.data, data, size);
			backend_answer(x, &s, NETIF_RSP_OKAY);
			assert_int_equal(front_from_guest_room(x->q), FRONT_RING_SLOTS);

			backend_send(x, data, size, layouts[l].offset, layouts[l].len, 0, NULL);
			assert_int_equal(front_to_guest(x->q, &p, 1), 1);
			check_received(x, &p, data, size);
			front_release(x->q, &p, 1);
			front_to_guest_refill(x->q);
			nr_sent++;
		}
	}
	assert_null(front_queue_broken(x->q));
	assert_int_equal(x->q->from.nr_free, FRONT_NR_BUFFERS);
	assert_int_equal(front_queue_counters(x->q)->from_guest_packets, nr_sent);
	assert_int_equal(front_queue_counters(x->q)->to_guest_packets, nr_sent);
}

static void test_offloads(void **state)
{
	static uint8_t data[60000];
	static struct seen s;
	static const struct {
		uint8_t type;
		uint16_t size;
		uint8_t flags;
	} cases[] = {
		{ XEN_NETIF_GSO_TYPE_TCPV4, 1448, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED },
		{ XEN_NETIF_GSO_TYPE_TCPV6, 65535, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED },
		{ XEN_NETIF_GSO_TYPE_NONE, 0, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED },
		{ XEN_NETIF_GSO_TYPE_NONE, 0, FRONT_DATA_VALIDATED },
	};
	struct fixture *x = *state;
	struct front_packet p;

	fill(data, sizeof(data), 7);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool gso = cases[i].type != XEN_NETIF_GSO_TYPE_NONE;
		struct netif_extra_info extra = {
			.type = XEN_NETIF_EXTRA_TYPE_GSO,
			.u.gso = { .size = cases[i].size, .type = cases[i].type },
		};
		uint16_t flags = gso ? NETRXF_extra_info : 0;

		build(x, &p, data, sizeof(data), 0, 4096);
		p.gso_type = cases[i].type;
		p.gso_size = cases[i].size;
		p.flags = cases[i].flags;
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
		front_from_guest_flush(x->q);
		backend_take(x, &s);
		assert_int_equal(s.gso_type, cases[i].type);
		assert_int_equal(s.gso_size, cases[i].size);
		assert_int_equal(s.size, sizeof(data));
		assert_memory_equal(s.data, data, sizeof(data));
		assert_int_equal(!!(s.flags & NETTXF_csum_blank),
				 !!(cases[i].flags & FRONT_CSUM_BLANK));
		assert_int_equal(!!(s.flags & NETTXF_data_validated),
				 !!(cases[i].flags & FRONT_DATA_VALIDATED));
		backend_answer(x, &s, NETIF_RSP_OKAY);
		assert_int_equal(front_from_guest_room(x->q), FRONT_RING_SLOTS);

		if (cases[i].flags & FRONT_CSUM_BLANK)
			flags |= NETRXF_csum_blank;
		if (cases[i].flags & FRONT_DATA_VALIDATED)
			flags |= NETRXF_data_validated;
		backend_send(x, data, sizeof(data), 0, 4096, flags, gso ? &extra : NULL);
		assert_int_equal(front_to_guest(x->q, &p, 1), 1);
		check_received(x, &p, data, sizeof(data));
		assert_int_equal(p.gso_type, cases[i].type);
		assert_int_equal(p.gso_size, cases[i].size);
		assert_int_equal(p.flags, cases[i].flags);
		front_release(x->q, &p, 1);
		front_to_guest_refill(x->q);
	}
	assert_int_equal(x->q->to.nr_free + (x->q->to_prod - x->q->to_cons), FRONT_NR_BUFFERS);
}

static void test_full_ring_waits(void **state)
{
	static struct seen s;
	struct fixture *x = *state;
	uint8_t data[60];
	struct front_packet p;

	fill(data, sizeof(data), 1);
	for (unsigned int i = 0; i < FRONT_RING_SLOTS; i++) {
		build(x, &p, data, sizeof(data), 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	assert_int_equal(front_from_guest(x->q, &p, 1), 0);
	assert_int_equal(front_take(x->q, &p.frags[0].buffer, 1), 0);
	front_from_guest_flush(x->q);
	assert_false(front_from_guest_arm(x->q, FRONT_MAX_SLOTS));
	assert_int_equal(x->from->rsp_event, x->q->from_cons + FRONT_MAX_SLOTS);
	for (unsigned int i = 0; i < FRONT_MAX_SLOTS; i++) {
		backend_take(x, &s);
		backend_answer(x, &s, NETIF_RSP_OKAY);
	}
	assert_true(front_from_guest_arm(x->q, FRONT_MAX_SLOTS));
	assert_int_equal(front_from_guest_room(x->q), FRONT_MAX_SLOTS);
	assert_null(front_queue_broken(x->q));
}

static void test_notifies_only_when_asked(void **state)
{
	struct fixture *x = *state;
	uint8_t data[60];
	struct front_packet p;

	fill(data, sizeof(data), 1);
	signalled(x->from_ch.fd);
	x->hv->evtchn->unmask(&x->from_ch);
	for (int i = 0; i < 3; i++) {
		build(x, &p, data, sizeof(data), 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	front_from_guest_flush(x->q); /* crosses req_event, WRAP_START + 1 */
	assert_int_equal(front_queue_counters(x->q)->from_guest_notifies, 1);
	build(x, &p, data, sizeof(data), 0, 4096);
	assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	front_from_guest_flush(x->q);
	front_from_guest_flush(x->q);
	assert_int_equal(front_queue_counters(x->q)->from_guest_notifies, 1);
	x->from->req_event = x->from->req_prod + 2;
	for (int i = 0; i < 2; i++) {
		build(x, &p, data, sizeof(data), 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
		front_from_guest_flush(x->q);
		assert_int_equal(front_queue_counters(x->q)->from_guest_notifies, 1 + i);
	}
	assert_true(signalled(x->from_ch.fd));
}

static void test_arm_sees_late_packet(void **state)
{
	struct fixture *x = *state;
	struct front_packet p;
	uint8_t data[100];

	fill(data, sizeof(data), 1);
	assert_false(front_to_guest_arm(x->q));
	assert_int_equal(x->to->rsp_event, x->to->rsp_prod + 1);
	backend_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	assert_true(front_to_guest_arm(x->q));
	assert_int_equal(front_to_guest(x->q, &p, 1), 1);
	assert_false(front_to_guest_arm(x->q));
	x->hv->evtchn->notify(&x->to_ch);
	assert_true(signalled(front_to_guest_fd(x->q)));
	assert_false(signalled(front_from_guest_fd(x->q)));
}

static void test_refuses_what_was_not_offered(void **state)
{
	struct fixture *x = *state;
	struct front_packet p;
	uint8_t data[9000];

	fill(data, sizeof(data), 1);
	x->q->sg = x->q->gso_tcpv4 = x->q->gso_tcpv6 = false;
	build(x, &p, data, sizeof(data), 0, 4096);
	assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	for (uint8_t type = XEN_NETIF_GSO_TYPE_TCPV4; type <= XEN_NETIF_GSO_TYPE_TCPV6 + 1;
	     type++) {
		build(x, &p, data, 3000, 0, 4096);
		p.gso_type = type;
		p.gso_size = 1000;
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	front_from_guest_flush(x->q);
	assert_int_equal(x->from->req_prod, WRAP_START);
	assert_int_equal(front_queue_counters(x->q)->from_guest_refused, 4);
	assert_int_equal(x->q->from.nr_free, FRONT_NR_BUFFERS);
}

static void test_failed_packets_are_counted(void **state)
{
	static struct seen s;
	struct fixture *x = *state;
	struct front_packet p;
	uint8_t data[100];

	fill(data, sizeof(data), 1);
	for (int16_t status = NETIF_RSP_DROPPED; status <= NETIF_RSP_ERROR; status++) {
		build(x, &p, data, sizeof(data), 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
		front_from_guest_flush(x->q);
		backend_take(x, &s);
		backend_answer(x, &s, status);
		assert_int_equal(front_from_guest_room(x->q), FRONT_RING_SLOTS);
		put_response(x, 0, 0, status);
	}
	put_response(x, 0, NETRXF_more_data, 100);
	put_response(x, 0, 0, NETIF_RSP_ERROR);
	put_response(x, 0, 0, 13); /* shorter than an Ethernet header */
	backend_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	assert_int_equal(front_to_guest(x->q, &p, 1), 1);
	check_received(x, &p, data, sizeof(data));
	front_release(x->q, &p, 1);
	assert_null(front_queue_broken(x->q));
	assert_int_equal(front_queue_counters(x->q)->from_guest_errors, 2);
	assert_int_equal(front_queue_counters(x->q)->to_guest_errors, 3);
	assert_int_equal(front_queue_counters(x->q)->to_guest_dropped, 1);
	assert_int_equal(x->q->to.nr_free + (x->q->to_prod - x->q->to_cons), FRONT_NR_BUFFERS);
}

/* ---- A hostile backend: security catalogue T097, T098, T107 ---- */

/* Two packets of one slot and a GSO packet of two are outstanding from the guest when these run. */
static void bad_from_id_range(struct fixture *x)
{
	respond(x, FRONT_NR_BUFFERS, NETIF_RSP_OKAY);
}

static void bad_from_id_max(struct fixture *x)
{
	respond(x, UINT16_MAX, NETIF_RSP_OKAY);
}

static void bad_from_id_never_sent(struct fixture *x)
{
	uint16_t id;

	assert_int_equal(front_take(x->q, &id, 1), 1);
	respond(x, id, NETIF_RSP_OKAY);
}

static void bad_from_duplicate(struct fixture *x)
{
	uint16_t id = x->from->ring[WRAP_START % FRONT_RING_SLOTS].req.id;

	respond(x, id, NETIF_RSP_OKAY);
	respond(x, id, NETIF_RSP_OKAY);
}

static void bad_from_status(struct fixture *x)
{
	respond(x, x->from->ring[WRAP_START % FRONT_RING_SLOTS].req.id, 2);
}

static void bad_from_status_min(struct fixture *x)
{
	respond(x, x->from->ring[WRAP_START % FRONT_RING_SLOTS].req.id, INT16_MIN);
}

static void bad_from_extras(struct fixture *x)
{
	respond(x, 0, NETIF_RSP_NULL);
	respond(x, 0, NETIF_RSP_NULL);
}

static void bad_from_prod_over(struct fixture *x)
{
	x->from_rsp = x->from->req_prod + 1;
}

static void bad_from_prod_back(struct fixture *x)
{
	x->from_rsp = WRAP_START - 1;
}

static void bad_from_prod_far(struct fixture *x)
{
	x->from_rsp = WRAP_START + 0x80000000u;
}

static void bad_to_id(struct fixture *x)
{
	put_response(x, 0, 0, 100);
	x->to->ring[WRAP_START % FRONT_RING_SLOTS].rsp.id ^= 1;
}

static void bad_to_id_range(struct fixture *x)
{
	put_response(x, 0, 0, 100);
	x->to->ring[WRAP_START % FRONT_RING_SLOTS].rsp.id = UINT16_MAX;
}

static void bad_to_duplicate(struct fixture *x)
{
	uint16_t id = x->to->ring[WRAP_START % FRONT_RING_SLOTS].req.id;

	put_response(x, 0, NETRXF_more_data, 100);
	put_response(x, 0, 0, 100);
	x->to->ring[(WRAP_START + 1) % FRONT_RING_SLOTS].rsp.id = id;
}

static void bad_to_len(struct fixture *x)
{
	put_response(x, 0, 0, 4097);
}

static void bad_to_len_max(struct fixture *x)
{
	put_response(x, 0, 0, INT16_MAX);
}

static void bad_to_offset(struct fixture *x)
{
	put_response(x, 4000, 0, 97);
}

static void bad_to_offset_max(struct fixture *x)
{
	put_response(x, UINT16_MAX, 0, 1);
}

static void bad_to_status(struct fixture *x)
{
	put_response(x, 0, 0, INT16_MIN);
}

static void bad_to_unfinished(struct fixture *x)
{
	put_response(x, 0, NETRXF_more_data, 100);
}

static void bad_to_too_many(struct fixture *x)
{
	for (unsigned int i = 0; i < FRONT_MAX_FRAGS + 1; i++)
		put_response(x, 0, i < FRONT_MAX_FRAGS ? NETRXF_more_data : 0, 100);
}

static void put_gso(struct fixture *x, uint8_t type, uint8_t flags, uint8_t gso_type, uint16_t size)
{
	struct netif_extra_info extra = {
		.type = type,
		.flags = flags,
		.u.gso = { .size = size, .type = gso_type },
	};

	put_extra(x, &extra);
}

static void bad_to_extra_missing(struct fixture *x)
{
	put_response(x, 0, NETRXF_extra_info, 100);
}

static void bad_to_extra_endless(struct fixture *x)
{
	put_response(x, 0, NETRXF_extra_info, 100);
	for (int i = 0; i < 40; i++)
		put_gso(x, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE, 0, 0);
}

static void bad_to_extra_last_more(struct fixture *x)
{
	put_response(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, XEN_NETIF_GSO_TYPE_TCPV4,
		1000);
}

static void bad_to_extra_type(struct fixture *x)
{
	put_response(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_NONE, 0, XEN_NETIF_GSO_TYPE_TCPV4, 1000);
}

static void bad_to_extra_twice(struct fixture *x)
{
	put_response(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, XEN_NETIF_GSO_TYPE_TCPV4,
		1000);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, XEN_NETIF_GSO_TYPE_TCPV4, 1000);
}

static void bad_to_gso_type(struct fixture *x)
{
	put_response(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, 3, 1000);
}

static void bad_to_gso_size(struct fixture *x)
{
	put_response(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, XEN_NETIF_GSO_TYPE_TCPV4, 0);
}

static void bad_to_late_extra(struct fixture *x)
{
	put_response(x, 0, NETRXF_more_data, 100);
	put_response(x, 0, NETRXF_extra_info, 100);
	put_gso(x, XEN_NETIF_EXTRA_TYPE_GSO, 0, XEN_NETIF_GSO_TYPE_TCPV4, 1000);
}

static void bad_to_prod_over(struct fixture *x)
{
	x->to_rsp = x->to->req_prod + 1;
}

static void bad_to_prod_back(struct fixture *x)
{
	x->to_rsp = WRAP_START - 1;
}

static const struct {
	void (*misbehave)(struct fixture *x);
	const char *reason;
} attacks[] = {
	{ bad_from_id_range, "backend's transmit response has an id out of range" },
	{ bad_from_id_max, "backend's transmit response has an id out of range" },
	{ bad_from_id_never_sent, "backend's transmit response has an id that is not outstanding" },
	{ bad_from_duplicate, "backend's transmit response has an id that is not outstanding" },
	{ bad_from_status, "backend's transmit response has an unknown status" },
	{ bad_from_status_min, "backend's transmit response has an unknown status" },
	{ bad_from_extras, "backend answered an extra that was never sent" },
	{ bad_from_prod_over, "backend answered more transmit requests than there were" },
	{ bad_from_prod_back, "backend answered more transmit requests than there were" },
	{ bad_from_prod_far, "backend answered more transmit requests than there were" },
	{ bad_to_id, "backend's receive response has an id that is not outstanding in its slot" },
	{ bad_to_id_range,
	  "backend's receive response has an id that is not outstanding in its slot" },
	{ bad_to_duplicate,
	  "backend's receive response has an id that is not outstanding in its slot" },
	{ bad_to_len, "backend's receive response lies outside of its page" },
	{ bad_to_len_max, "backend's receive response lies outside of its page" },
	{ bad_to_offset, "backend's receive response lies outside of its page" },
	{ bad_to_offset_max, "backend's receive response lies outside of its page" },
	{ bad_to_status, "backend's receive response has an unknown status" },
	{ bad_to_unfinished, "backend sent a packet without its last fragment" },
	{ bad_to_too_many, "backend sent a packet of too many fragments" },
	{ bad_to_extra_missing, "backend sent a packet without its last extra" },
	{ bad_to_extra_endless, "backend sent an endless chain of extras" },
	{ bad_to_extra_last_more, "backend sent a packet without its last extra" },
	{ bad_to_extra_type, "backend sent an extra of unknown type" },
	{ bad_to_extra_twice, "backend sent two GSO extras for one packet" },
	{ bad_to_gso_type, "backend sent a GSO extra of unknown type" },
	{ bad_to_gso_size, "backend sent a GSO extra with size 0" },
	{ bad_to_late_extra, "backend sent an extra in the middle of a packet" },
	{ bad_to_prod_over, "backend filled more receive buffers than there were" },
	{ bad_to_prod_back, "backend filled more receive buffers than there were" },
};

static void attack(struct fixture *x, unsigned int i)
{
	struct front_packet p, out[4];
	uint8_t data[5000];

	fill(data, sizeof(data), i);
	for (int k = 0; k < 2; k++) {
		build(x, &p, data, 100, 0, 4096);
		assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	}
	build(x, &p, data, sizeof(data), 0, 4096);
	p.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
	p.gso_size = 1448;
	assert_int_equal(front_from_guest(x->q, &p, 1), 1);
	front_from_guest_flush(x->q);

	attacks[i].misbehave(x);
	publish_from(x);
	publish_to(x);
	front_from_guest_room(x->q);
	assert_int_equal(front_to_guest(x->q, out, 4), 0);
	assert_non_null(front_queue_broken(x->q));
	assert_string_equal(front_queue_broken(x->q), attacks[i].reason);

	/* It is left alone from now on. */
	assert_int_equal(front_from_guest_room(x->q), 0);
	assert_int_equal(front_from_guest(x->q, &p, 1), 0);
	front_to_guest_refill(x->q);
	assert_int_equal(x->to->req_prod, x->q->to_pushed);
}

static void test_hostile_backend(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		void *fresh;

		setup(&fresh);
		attack(fresh, i);
		teardown(&fresh);
	}
}

/* Good packets before the first bad one are delivered, none after it. */
static void test_good_before_bad(void **state)
{
	struct fixture *x = *state;
	struct front_packet out[4];
	uint8_t data[100];

	fill(data, sizeof(data), 1);
	backend_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	put_response(x, 4096, 0, 1);
	backend_send(x, data, sizeof(data), 0, 4096, 0, NULL);
	assert_int_equal(front_to_guest(x->q, out, 4), 1);
	check_received(x, &out[0], data, sizeof(data));
	assert_non_null(front_queue_broken(x->q));
	front_release(x->q, out, 1);
}

/* ---- Grants ---- */

static void test_backend_cannot_write_from_guest(void **state)
{
	struct fixture *x = *state;
	struct hv_gnt_op op = { .ref = x->q->from.refs[0], .len = 64 };
	uint8_t page[FRONT_BUFFER_SIZE], zero[FRONT_BUFFER_SIZE] = { 0 };

	x->hv->gnt->begin(x->domain, &op, 1, true);
	assert_int_not_equal(op.status, GNTST_okay);
	/* What it can read is nobody's old data (T102). */
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++) {
		copy_in(x, x->q->from.refs[i], 0, FRONT_BUFFER_SIZE, page);
		assert_memory_equal(page, zero, sizeof(page));
		copy_in(x, x->q->to.refs[i], 0, FRONT_BUFFER_SIZE, page);
		assert_memory_equal(page, zero, sizeof(page));
	}
}

/* T100: what the backend still has mapped is lost on purpose, counted, and never handed out again. */
static void test_held_page_is_never_reused(void **state)
{
	struct fixture *x = *state;
	struct hv_gnt_map held = { 0 };
	struct front_queue *other;
	uint8_t *page;

	assert_int_equal(front_queue_create(&x->f, &other), 0);
	page = front_to_guest_pages(other) + 5 * FRONT_BUFFER_SIZE;
	assert_int_equal(x->hv->gnt->map(x->domain, other->to.refs[5], &held), 0);
	assert_int_equal(front_queue_destroy(&x->f, other), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(front_queue_create(&x->f, &other), 0);
		assert_false(page >= other->to.pages &&
			     page < other->to.pages + FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE);
		assert_false(page >= other->from.pages &&
			     page < other->from.pages + FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE);
		assert_int_equal(front_queue_destroy(&x->f, other), 0);
	}
	x->hv->gnt->unmap(&held);
}

/* T105: more reconnects than there is memory, grants or ports for, if one were lost. */
static void test_reconnects_leak_nothing(void **state)
{
	struct fixture *x = *state;
	struct front_queue *other;

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(front_queue_create(&x->f, &other), 0);
		assert_int_equal(front_queue_destroy(&x->f, other), 0);
	}
}

static void test_out_of_resources_is_clean(void **state)
{
	struct fixture *x = *state;
	struct front_queue *queues[64] = { NULL };
	unsigned int nr = 0;
	int rc = 0;

	while (nr < 64 && !rc)
		rc = front_queue_create(&x->f, &queues[nr++]);
	assert_int_equal(rc, -ENOMEM);
	assert_true(nr > 2);
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(front_queue_destroy(&x->f, queues[i]), 0);
	assert_int_equal(front_queue_create(&x->f, &queues[0]), 0);
	assert_int_equal(front_queue_destroy(&x->f, queues[0]), 0);
}

/* An idle queue must not cost the host its buffers. */
static void test_buffers_are_not_touched_early(void **state)
{
	struct fixture *x = *state;
	unsigned char resident[FRONT_NR_BUFFERS];
	unsigned int nr = 0;

	assert_int_equal(mincore(x->q->from.pages, FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE, resident),
			 0);
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++)
		nr += resident[i] & 1;
	assert_int_equal(mincore(x->q->to.pages, FRONT_NR_BUFFERS * FRONT_BUFFER_SIZE, resident),
			 0);
	for (unsigned int i = 0; i < FRONT_NR_BUFFERS; i++)
		nr += resident[i] & 1;
	assert_int_equal(nr, 0);
}

static void test_target_follows_load(void **state)
{
	struct fixture *x = *state;
	struct front_packet out[64];
	uint8_t data[60];

	fill(data, sizeof(data), 1);
	assert_int_equal(x->q->to_prod - x->q->to_cons, FRONT_TARGET_MIN);
	for (int round = 0; round < 3; round++) {
		unsigned int posted = x->to->req_prod - x->to_cons, left = posted;

		while (left-- > 0)
			backend_send(x, data, sizeof(data), 0, 4096, 0, NULL);
		while (posted) {
			unsigned int nr = front_to_guest(x->q, out, 64);

			assert_true(nr > 0);
			front_release(x->q, out, nr);
			posted -= nr;
		}
		front_to_guest_refill(x->q);
	}
	assert_int_equal(x->q->to_target, FRONT_RING_SLOTS);
	assert_int_equal(x->to->req_prod - x->to_cons, FRONT_RING_SLOTS);
	for (int i = 0; i < 5000; i++) {
		backend_send(x, data, sizeof(data), 0, 4096, 0, NULL);
		assert_int_equal(front_to_guest(x->q, out, 64), 1);
		front_release(x->q, out, 1);
		front_to_guest_refill(x->q);
	}
	assert_int_equal(x->q->to_target, FRONT_TARGET_MIN);
}

#define test_ring(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_ring(test_sizes_and_layouts),
		test_ring(test_offloads),
		test_ring(test_full_ring_waits),
		test_ring(test_notifies_only_when_asked),
		test_ring(test_arm_sees_late_packet),
		test_ring(test_refuses_what_was_not_offered),
		test_ring(test_failed_packets_are_counted),
		cmocka_unit_test(test_hostile_backend),
		test_ring(test_good_before_bad),
		test_ring(test_backend_cannot_write_from_guest),
		test_ring(test_held_page_is_never_reused),
		test_ring(test_reconnects_leak_nothing),
		test_ring(test_out_of_resources_is_clean),
		test_ring(test_buffers_are_not_touched_early),
		test_ring(test_target_follows_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
