/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/nb_program.h"

#include <string.h>

#include "base/log.h"
#include "netback/gref.h"
#include "netback/poll.h"
#include "tests/util/nb_rig.h"

#define FRAME_MAX 9000u

struct program {
	struct rig_bytes bytes;
	struct rig rigs[2];
};

static uint32_t dice = 1;
static unsigned long nr_views, nr_many, nr_gso;
unsigned int (*nb_program_burst)(struct rig *from, struct rig *to, unsigned int max);

static uint32_t roll(void)
{
	dice = dice * 1664525 + 1013904223;
	return dice >> 8;
}

void nb_program_shared(void *to, const void *from, size_t size)
{
	uint32_t how = roll() % 256;

	memmove(to, from, size);
	/* Impossible indices end it: seldom, so that there is something to end. */
	if (size == 4 && how > 3)
		return;
	if (how < 24)
		((uint8_t *)to)[roll() % size] = (uint8_t)roll();
	else if (how < 32)
		for (size_t i = 0; i < size; i++)
			((uint8_t *)to)[i] = (uint8_t)roll();
}

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void put_request(struct rig *r, struct rig_bytes *p)
{
	uint32_t how = rig_take(p, 1);
	netif_tx_request_t req = {
		.gref = how & 1 ? rig_take(p, 4) : r->from_refs[rig_take(p, 1) % RIG_NR_PAGES],
		.offset = (uint16_t)(how & 2 ? rig_take(p, 2) : 0),
		.flags = (uint16_t)(how & 4 ? rig_take(p, 1) : 0),
		.id = (uint16_t)r->from_prod,
		.size = (uint16_t)(how & 8 ? rig_take(p, 2) : 60 + how),
	};

	rig_put(r, &req);
}

/* A whole frame to be cut, in as many slots as the program wants. */
static void put_frame(struct rig *r, struct rig_bytes *p)
{
	static uint8_t frame[NB_FRAME_MAX];
	uint32_t how = rig_take(p, 1);
	size_t n = rig_tcp(frame, how & 1 ? 4 : 6, rig_take(p, 2) % FRAME_MAX, false);
	netif_extra_info_t x = { .type = XEN_NETIF_EXTRA_TYPE_GSO };

	x.u.gso.size = (uint16_t)rig_take(p, 2);
	x.u.gso.type = how & 2 ? 1 : 2;
	for (uint32_t i = 0; i < how >> 5; i++)
		frame[rig_take(p, 1) % 128] = (uint8_t)rig_take(p, 1);
	rig_put_frame(r, frame, n, 500 + rig_take(p, 1) * 14, (uint16_t)(how >> 2 & 3),
		      how & 16 ? &x : NULL);
}

static void post(struct rig *r, struct rig_bytes *p)
{
	uint32_t nr = rig_take(p, 1);

	for (; nr && r->to_prod - r->to->rsp_prod < NB_RING_SIZE; nr--) {
		uint32_t at = r->to_prod++ % NB_RING_SIZE;

		r->to->ring[at].req = (netif_rx_request_t){ .id = (uint16_t)at,
							    .gref = r->to_refs[at] };
	}
	r->to->req_prod = r->to_prod;
}

static void keep_mapped(struct rig *r, struct rig_bytes *p)
{
	uint32_t how = rig_take(p, 1), first = rig_take(p, 1) % RIG_NR_PAGES, i;
	struct xen_netif_gref grefs[16];

	for (i = 0; i < 16; i++)
		grefs[i] = (struct xen_netif_gref){
			.ref = how & 1 ? r->from_refs[(first + i) % RIG_NR_PAGES]
				       : r->to_refs[first * 4 + i % 4],
			.flags = (uint16_t)(how & 2 ? XEN_NETIF_CTRLF_GREF_readonly : 0)
		};
	if (how & 4)
		grefs[how >> 4].ref = rig_take(p, 4);
	if (how & 8)
		nb_gref_del(&r->queue, grefs, 16);
	else
		nb_gref_add(&r->queue, grefs, how & 1 ? 16 : 4);
}

static void check_view(const struct nb_view *v)
{
	uint32_t size = v->have;

	nr_views++;
	nr_many += v->nr_frags > 2;
	nr_gso += v->gso_size > 0;
	check(v->have == v->size || v->have >= NB_VIEW_HEAD_MAX);
	for (unsigned int i = 0; i < v->nr_frags; i++) {
		const struct nb_frag *f = &v->frags[i];

		check(f->len && ((uintptr_t)f->ptr & (NB_PAGE_SIZE - 1)) + f->len <= NB_PAGE_SIZE);
		size += f->len;
	}
	check(size == v->size);
}

static void check_answers(struct rig *r)
{
	check(r->from->rsp_prod - r->from_cons <= NB_RING_SIZE || r->queue.fatal);
	check(r->to->rsp_prod - r->to_cons <= NB_RING_SIZE || r->queue.fatal);
	r->from_cons = r->from->rsp_prod;
	r->to_cons = r->to->rsp_prod;
}

/* Heads are in the caller's places, in order, and no longer than those. */
static unsigned int take_into(struct rig *from, unsigned int max, uint32_t room,
			      struct nb_view **views)
{
	static uint8_t all[NB_VIEWS_MAX][NB_VIEW_HEAD_MAX << 4];
	uint8_t *places[NB_VIEWS_MAX];
	unsigned int nr, at = 0;

	/* At their end, so that what is behind is not theirs. */
	for (unsigned int i = 0; i < max; i++)
		places[i] = &all[i][sizeof(all[i]) - room];
	nr = nb_poll_take_into(&from->queue, from->batch, max, 1, places, room, views);
	for (unsigned int i = 0; i < nr; i++) {
		while (at < max && places[at] != views[i]->head)
			at++;
		check(at++ < max && views[i]->have <= room);
	}
	return nr;
}

/* By poll.h itself. */
static void switch_views(struct rig *from, struct rig *to, unsigned int max)
{
	struct nb_view *views[NB_VIEWS_MAX];
	unsigned int nr, done;

	nr = max % 4 == 1 ? take_into(from, max, NB_VIEW_HEAD_MAX << max % 5, views)
			  : nb_poll_take(&from->queue, from->batch, max, 1, views);
	check(nr <= max);
	for (unsigned int i = 0; i < nr; i++)
		check_view(views[i]);
	done = nb_poll_put(&to->queue, views, nr);
	check(done <= nr);
	nb_poll_drop(&to->queue, NB_TO_NO_SLOTS, nr - done);
	nb_poll_flush(&to->queue);
	if (nr)
		nb_poll_answer(&from->queue, from->batch);
}

static void switch_burst(struct rig *from, struct rig *to, unsigned int max)
{
	from->from->req_prod = from->from_prod;
	if (nb_program_burst)
		nr_views += nb_program_burst(from, to, max);
	else
		switch_views(from, to, max);
	nb_queue_arm(&from->queue, 1);
	check_answers(from);
	check_answers(to);
}

static void spoil(struct rig *r, struct rig_bytes *p)
{
	uint32_t v = rig_take(p, 1);

	if (v < 8)
		r->from_prod += rig_take(p, 4);
	else if (v < 16)
		r->to_refs[rig_take(p, 1)] = rig_take(p, 4);
	else if (v < 24)
		r->to->req_prod = r->to_prod += rig_take(p, 4);
	else
		r->from->rsp_event = rig_take(p, 4);
}

static void step(struct program *p)
{
	struct rig_bytes *b = &p->bytes;
	uint32_t what = rig_take(b, 1);
	struct rig *r = &p->rigs[what >> 7];

	switch (what % 8) {
	case 0:
		put_request(r, b);
		break;
	case 1:
		rig_put_any_extra(r, b);
		break;
	case 2:
		put_frame(r, b);
		break;
	case 3:
	case 4:
		switch_burst(r, &p->rigs[!(what >> 7)], 1 + rig_take(b, 1) % NB_VIEWS_MAX);
		break;
	case 5:
		post(r, b);
		break;
	case 6:
		keep_mapped(r, b);
		break;
	default:
		spoil(r, b);
		break;
	}
}

static void begin(struct rig *r, struct rig_bytes *p)
{
	uint32_t how = rig_take(p, 2);

	rig_init(r, how & 1 ? 0 : UINT32_MAX - 100);
	r->features.mcast_control = how & 2;
	r->features.csum_v4 = how & 4;
	r->features.csum_v6 = how & 8;
	r->features.gso_v4 = how & 16;
	r->features.gso_v6 = how & 32;
	r->features.headroom = how & 64 ? 256 : 0;
	r->features.sg = !(how & 128);
	r->features.mtu = how & 1024 ? 9000 : 1500;
	r->steering.hash_algorithm = how & 256 ? XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ : 0;
	r->steering.hash_flags = how & 512 ? 15 : 0;
	rig_mode = how & 2048 ? RIG_MAPPED : RIG_POLLED;
	/* With indices that change as they are looked at, a ring may look impossible. */
	r->queue.domain = rig_connect(r) ? NULL : r->queue.domain;
}

unsigned long nb_program_run(const uint8_t *data, size_t size)
{
	static struct program p;

	log_init("program", LOG_LEVEL_ERR);
	nr_views = 0;
	p.bytes = (struct rig_bytes){ data, size };
	dice = (uint32_t)size + 1;
	for (unsigned int i = 0; i < 2; i++)
		begin(&p.rigs[i], &p.bytes);
	while (p.bytes.size && p.rigs[0].queue.domain && p.rigs[1].queue.domain)
		step(&p);
	for (unsigned int i = 0; i < 2; i++) {
		rig_disconnect(&p.rigs[i]);
		for (unsigned int k = 0; k < RIG_NR_PAGES; k++)
			check(!hv_guest_grant_end(p.rigs[i].c.guest, p.rigs[i].from_refs[k]));
		rig_fini(&p.rigs[i]);
	}
	rig_mode = RIG_PORT;
	return nr_views;
}

static uint32_t seed;

static uint8_t any(void)
{
	seed = seed * 1664525 + 1013904223;
	return (uint8_t)(seed >> 24);
}

/* One step as an honest frontend would take it; now and then, one that is not. Return: bytes. */
static size_t add_step(uint8_t *at)
{
	const uint8_t steps[][8] = {
		{ 0, 0, any() },					     /* a short frame */
		{ 0, 0, any() },					     /* the same */
		{ 0, 8, any(), any() & 3, any() },			     /* one of any length */
		{ 2, any() & 31, any() & 15, any(), 4, any(), any() | 128 }, /* one to be cut */
		{ 2, any() & 1 ? 23 : 20, any() & 31, any(), 4, any(),
		  any() & 15 },		  /* of many slots */
		{ 5, 60 },		  /* slots to receive into */
		{ 3, 63 },		  /* both rings are served */
		{ 6, any() & 15, any() }, /* pages to keep mapped */
	};
	static const uint8_t sizes[] = { 3, 3, 5, 7, 7, 2, 2, 3 };
	unsigned int which = any() % 8;
	size_t size = sizes[which];

	memcpy(at, steps[which], size);
	if (any() < 4)
		for (size_t i = 1; i < size; i++)
			at[i] = any();
	at[0] |= any() & 128;
	return size;
}

unsigned long nb_program_any(unsigned int nr)
{
	static uint8_t program[600];
	unsigned long sum = 0;

	seed = 4711;
	nr_many = nr_gso = 0;
	for (unsigned int i = 0; i < nr; i++) {
		size_t size = 0;

		while (size < 4)
			program[size++] = any();
		while (size < sizeof(program) - 8)
			size += add_step(program + size);
		sum += nb_program_run(program, size);
	}
	check(nb_program_burst || (nr_many > nr / 4 && nr_gso > nr / 4));
	return sum;
}
