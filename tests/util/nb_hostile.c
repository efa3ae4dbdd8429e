/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile frontends, one row each: what is put on the ring, and the class of outcome. After each, every
 * consumed request has exactly one response with its own id, the grants are all back, and another vif
 * of the same worker still forwards.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/nb_rig.h"
#include "tests/util/nb_tests.h"

enum outcome { DELIVER, DROP, FATAL };

static const char *const outcome_names[] = { "deliver", "drop", "fatal" };
static uint8_t frame[NB_FRAME_MAX];

static netif_tx_request_t slot(struct rig *r, unsigned int page, uint16_t offset, uint16_t size,
			       uint16_t flags)
{
	return (netif_tx_request_t){ .gref = r->from_refs[page],
				     .offset = offset,
				     .flags = flags,
				     .id = (uint16_t)(r->from_prod * 7 + 3),
				     .size = size };
}

static void put(struct rig *r, unsigned int page, uint16_t offset, uint16_t size, uint16_t flags)
{
	netif_tx_request_t req = slot(r, page, offset, size, flags);

	rig_put(r, &req);
}

static void extra(struct rig *r, uint8_t type, uint8_t flags, uint16_t gso_size, uint8_t gso_type)
{
	netif_extra_info_t x = { .type = type, .flags = flags };

	x.u.gso.size = gso_size;
	x.u.gso.type = gso_type;
	rig_put_extra(r, &x);
}

/* @nr slots behind a head, @each bytes in all of them. */
static void chain(struct rig *r, unsigned int nr, uint16_t each)
{
	put(r, 0, 0, (uint16_t)(each * (nr + 1)), nr ? NETTXF_more_data : 0);
	for (unsigned int i = 1; i <= nr; i++)
		put(r, i % RIG_NR_PAGES, 0, each, i < nr ? NETTXF_more_data : 0);
}

static void good(struct rig *r)
{
	put(r, 0, 0, 100, 0);
}
static void chain_18(struct rig *r)
{
	chain(r, 18, 60);
}
static void chain_19(struct rig *r)
{
	chain(r, 19, 60);
}
static void chain_20(struct rig *r)
{
	chain(r, 20, 60);
}
static void chain_21(struct rig *r)
{
	chain(r, 21, 60);
}
static void chain_17_tiny(struct rig *r)
{
	chain(r, 17, 1);
}
static void chain_18_tiny(struct rig *r)
{
	chain(r, 18, 1);
}
static void chain_18_of_6(struct rig *r)
{
	chain(r, 18, 6);
}
static void chain_200(struct rig *r)
{
	chain(r, 200, 0);
}

static void unfinished(struct rig *r)
{
	put(r, 0, 0, 200, NETTXF_more_data);
	put(r, 1, 0, 100, NETTXF_more_data);
}

static void slot_larger_than_rest(struct rig *r)
{
	put(r, 0, 0, 200, NETTXF_more_data);
	put(r, 1, 0, 201, 0);
}

static void sum_wraps_16_bits(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_more_data);
	for (int i = 0; i < 16; i++)
		put(r, 1, 0, 4096, NETTXF_more_data);
	put(r, 1, 0, 60, 0);
}

static void zero_slot(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_more_data);
	put(r, 1, 0, 0, 0);
}

static void zero_slots_17(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_more_data);
	for (int i = 0; i < 17; i++)
		put(r, 1, 0, 0, i < 16 ? NETTXF_more_data : 0);
}

static void all_zero(struct rig *r)
{
	chain(r, 5, 0);
}

static void head_empty(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_more_data);
	put(r, 1, 0, 100, 0);
}

static void crosses_first(struct rig *r)
{
	put(r, 0, 4000, 200, 0);
}
static void offset_max(struct rig *r)
{
	put(r, 0, 0xffff, 100, 0);
}
static void offset_page(struct rig *r)
{
	put(r, 0, 4096, 14, 0);
}

static void crosses_later(struct rig *r)
{
	put(r, 0, 0, 300, NETTXF_more_data);
	put(r, 1, 4000, 200, 0);
}

static void short_13(struct rig *r)
{
	put(r, 0, 0, 13, 0);
}
static void short_0(struct rig *r)
{
	put(r, 0, 0, 0, 0);
}

static void bad_ref(struct rig *r)
{
	netif_tx_request_t req = slot(r, 0, 0, 100, 0);

	req.gref = 0xfffffff0;
	rig_put(r, &req);
}

static void bad_ref_later(struct rig *r)
{
	netif_tx_request_t req;

	put(r, 0, 0, 200, NETTXF_more_data);
	req = slot(r, 1, 0, 100, 0);
	req.gref = 7; /* reserved or of another use */
	rig_put(r, &req);
}

static void ring_as_data(struct rig *r)
{
	netif_tx_request_t req = slot(r, 0, 0, 100, 0);

	req.gref = r->refs.from_ref;
	rig_put(r, &req);
}

static void extra_missing(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_extra_info);
}

static void extra_type_0(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_extra_info);
	extra(r, 0, 0, 0, 0);
}

static void extra_type_max(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_extra_info);
	extra(r, XEN_NETIF_EXTRA_TYPE_MAX, 0, 0, 0);
}

static void extras_for_ever(struct rig *r)
{
	put(r, 0, 0, 100, NETTXF_extra_info);
	for (unsigned int i = 1; i < NB_RING_SIZE; i++)
		extra(r, XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE, 100,
		      XEN_NETIF_GSO_TYPE_TCPV4);
}

static void gso_head(struct rig *r, int version, size_t payload, uint16_t flags, uint16_t size,
		     uint8_t type)
{
	size_t n = rig_tcp(frame, version, payload, false);

	memcpy(r->from_pages, frame, n);
	put(r, 0, 0, (uint16_t)n, NETTXF_extra_info | flags);
	extra(r, XEN_NETIF_EXTRA_TYPE_GSO, 0, size, type);
}

static void gso_0(struct rig *r)
{
	gso_head(r, 4, 3000, NETTXF_csum_blank, 0, 1);
}
static void gso_type_3(struct rig *r)
{
	gso_head(r, 4, 3000, NETTXF_csum_blank, 1000, 3);
}
static void gso_v6_on_v4(struct rig *r)
{
	gso_head(r, 4, 3000, NETTXF_csum_blank, 1000, 2);
}
static void gso_v4_on_v6(struct rig *r)
{
	gso_head(r, 6, 3000, NETTXF_csum_blank, 1000, 1);
}
static void gso_larger_than_frame(struct rig *r)
{
	gso_head(r, 4, 500, NETTXF_csum_blank, 60000, 1);
}
static void gso_without_csum(struct rig *r)
{
	gso_head(r, 4, 3000, 0, 1000, 1);
}

static void gso_on_garbage(struct rig *r)
{
	memset(r->from_pages, 0x5a, NB_PAGE_SIZE);
	put(r, 0, 0, 3000, NETTXF_extra_info | NETTXF_csum_blank);
	extra(r, XEN_NETIF_EXTRA_TYPE_GSO, 0, 1000, XEN_NETIF_GSO_TYPE_TCPV4);
}

/* A TCP frame with one byte changed, checksum blank. */
static void csum_with(struct rig *r, size_t at, uint8_t value, size_t cut)
{
	size_t n = rig_tcp(frame, 4, 100, false);

	frame[at] = value;
	memcpy(r->from_pages, frame, n);
	put(r, 0, 0, (uint16_t)(n - cut), NETTXF_csum_blank);
}

static void csum_on_icmp(struct rig *r)
{
	csum_with(r, 23, 1, 0);
}
static void csum_on_fragment(struct rig *r)
{
	csum_with(r, 20, 0x20, 0);
}
static void csum_on_later_fragment(struct rig *r)
{
	csum_with(r, 21, 1, 0);
}
static void csum_on_arp(struct rig *r)
{
	csum_with(r, 13, 0x06, 0);
}
static void csum_ihl_0(struct rig *r)
{
	csum_with(r, 14, 0x40, 0);
}
static void csum_ihl_15(struct rig *r)
{
	csum_with(r, 14, 0x4f, 0);
}
static void csum_total_too_long(struct rig *r)
{
	csum_with(r, 16, 0xff, 0);
}
static void csum_total_tiny(struct rig *r)
{
	csum_with(r, 16, 0, 0);
	r->from_pages[17] = 21;
}
static void csum_doff_0(struct rig *r)
{
	csum_with(r, 46, 0x00, 0);
}
static void csum_doff_15(struct rig *r)
{
	csum_with(r, 46, 0xf0, 0);
}
static void csum_cut(struct rig *r)
{
	csum_with(r, 0, 2, 101);
}
static void undefined_flags(struct rig *r)
{
	put(r, 0, 0, 100, 0xfff0);
}

static void too_long_for_mtu(struct rig *r)
{
	put(r, 0, 0, 1523, 0);
}

static void same_ids(struct rig *r)
{
	for (int i = 0; i < 5; i++) {
		netif_tx_request_t req = slot(r, 0, 0, 100, 0);

		req.id = 0xffff;
		rig_put(r, &req);
	}
}

static void full_ring(struct rig *r)
{
	for (unsigned int i = 0; i < NB_RING_SIZE; i++)
		good(r);
}

static void producer_over(struct rig *r)
{
	full_ring(r);
	good(r);
}

static void producer_far(struct rig *r)
{
	r->from_prod += 0x80000000u;
}
static void producer_back(struct rig *r)
{
	r->from_prod -= 1;
}

struct program {
	const char *id, *name;
	void (*put)(struct rig *r);
	enum outcome outcome;
	int fatal; /* or the drop */
};

#define D(id, fn)                                                                                  \
	{                                                                                          \
		id, #fn, fn, DELIVER, 0                                                            \
	}
#define X(id, fn, why)                                                                             \
	{                                                                                          \
		id, #fn, fn, DROP, NB_FROM_##why                                                   \
	}
#define F(id, fn, why)                                                                             \
	{                                                                                          \
		id, #fn, fn, FATAL, NB_FATAL_FROM_##why                                            \
	}

static const struct program programs[] = {
	D("-", good),
	F("T001", producer_over, PRODUCER),
	F("T002", producer_back, PRODUCER),
	F("T002", producer_far, PRODUCER),
	F("T007", unfinished, UNFINISHED),
	D("T008", chain_18),
	X("T008", chain_19, TOO_MANY_SLOTS),
	X("T008", chain_20, TOO_MANY_SLOTS),
	F("T008", chain_21, SLOTS),
	F("T008", chain_200, SLOTS),
	X("T009", slot_larger_than_rest, SLOT_SIZE),
	X("T009", sum_wraps_16_bits, SLOT_SIZE),
	D("T010", zero_slot),
	D("T010", zero_slots_17),
	X("T010", all_zero, TOO_SHORT),
	D("T010", head_empty),
	D("T011", chain_17_tiny),
	D("T011", chain_18_tiny),
	D("T011", chain_18_of_6),
	F("T013", crosses_first, PAGE),
	F("T013", crosses_later, PAGE),
	F("T013", offset_max, PAGE),
	F("T013", offset_page, PAGE),
	X("T014", short_13, TOO_SHORT),
	X("T014", short_0, TOO_SHORT),
	F("T015", gso_0, GSO_SIZE),
	F("T015", gso_type_3, GSO_TYPE),
	X("T015", gso_v6_on_v4, BAD_GSO),
	X("T015", gso_v4_on_v6, BAD_GSO),
	D("T015", gso_larger_than_frame),
	D("T015", gso_without_csum),
	X("T015", gso_on_garbage, BAD_GSO),
	X("T016", csum_on_icmp, BAD_CSUM),
	X("T016", csum_on_fragment, BAD_CSUM),
	X("T016", csum_on_later_fragment, BAD_CSUM),
	X("T016", csum_on_arp, BAD_CSUM),
	X("T016", csum_ihl_0, BAD_CSUM),
	D("T016", csum_ihl_15), /* what lies there could be a header */
	X("T016", csum_total_too_long, BAD_CSUM),
	X("T016", csum_total_tiny, BAD_CSUM),
	X("T016", csum_doff_0, BAD_CSUM),
	D("T016", csum_doff_15),
	X("T016", csum_cut, BAD_CSUM),
	F("T017", extra_missing, EXTRA_MISSING),
	F("T017", extra_type_0, EXTRA_TYPE),
	F("T017", extra_type_max, EXTRA_TYPE),
	F("T017", extras_for_ever, EXTRA_MISSING),
	D("T019", same_ids),
	D("T022", undefined_flags),
	D("T026", ring_as_data),
	X("T028", too_long_for_mtu, TOO_LONG),
	X("T085", bad_ref, BAD_GRANT),
	X("T085", bad_ref_later, BAD_GRANT),
	D("T003", full_ring),
};

static unsigned int sum_drops(const struct nb_queue_stats *stats)
{
	unsigned int sum = 0;

	for (int i = 0; i < NB_NR_FROM_DROPS; i++)
		sum += (unsigned int)stats->from_drops[i];
	return sum;
}

/* Each answered slot of the ring against what was asked in it. */
static void check_answers(struct rig *r, const union netif_tx_sring_entry *asked, uint32_t first)
{
	netif_tx_response_t rsp;

	while (rig_response(r, &rsp)) {
		uint32_t at = r->from_cons - 1;

		assert_true(at - first < NB_RING_SIZE);
		if (rsp.status != NETIF_RSP_NULL)
			assert_int_equal(rsp.id, asked[at % NB_RING_SIZE].req.id);
	}
}

static void expect_no_grant_in_use(struct rig *r)
{
	for (unsigned int i = 0; i < RIG_NR_PAGES; i++)
		assert_int_equal(hv_guest_grant_end(r->c.guest, r->from_refs[i]), 0);
}

static void run_program(const struct program *p, uint32_t first)
{
	static struct rig bad, other;
	static union netif_tx_sring_entry asked[NB_RING_SIZE];
	uint32_t frames;
	int bystander;

	rig_init(&bad, first);
	rig_init(&other, 0);
	/* Both with one worker. */
	nb_worker_destroy(other.worker);
	other.worker = bad.worker;
	assert_int_equal(rig_connect(&bad), 0);
	assert_int_equal(rig_connect(&other), 0);
	rig_go(&bad);

	/* A slot that was never written holds nothing sensible. */
	p->put(&bad);
	memcpy(asked, bad.from->ring, sizeof(asked));
	rig_go(&bad);
	frames = (uint32_t)bad.queue.stats.from_frames;
	check_answers(&bad, asked, first);
	switch (p->outcome) {
	case DELIVER:
		assert_int_equal(bad.queue.fatal, 0);
		assert_true(frames > 0);
		assert_int_equal(sum_drops(&bad.queue.stats), 0);
		assert_int_equal(bad.from_cons, bad.from_prod);
		assert_true(rig_port_take(&bad));
		break;
	case DROP:
		assert_int_equal(bad.queue.fatal, 0);
		assert_int_equal(frames, 0);
		assert_int_equal(bad.queue.stats.from_drops[p->fatal], 1);
		assert_int_equal(sum_drops(&bad.queue.stats), 1);
		assert_int_equal(bad.from_cons, bad.from_prod);
		break;
	case FATAL:
		assert_int_equal(bad.queue.fatal, p->fatal);
		assert_int_equal(bad.nr_alerts, 1);
		assert_int_equal(frames, 0);
		break;
	}
	memset(frame, 0x5a, 100);
	bystander = (int)rig_put_frame(&other, frame, 100, 100, 0, NULL);
	rig_go(&other);
	assert_true(rig_port_take(&other));
	assert_int_equal(other.frame.size, 100 * bystander);

	rig_disconnect(&bad);
	rig_disconnect(&other);
	expect_no_grant_in_use(&bad);
	other.worker = NULL;
	rig_fini(&other);
	rig_fini(&bad);
}

static void hostile_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		print_message("%s %s: %s\n", programs[i].id, programs[i].name,
			      outcome_names[programs[i].outcome]);
		run_program(&programs[i], 0);
		run_program(&programs[i], UINT32_MAX - 9); /* and over the wrap */
	}
}

/* T018: an error in slot k of n, for all of them, at any place of the ring. */
static void an_error_in_any_slot_answers_all(void **state)
{
	static struct rig r;

	(void)state;
	rig_init(&r, UINT32_MAX - 1000);
	assert_int_equal(rig_connect(&r), 0);
	for (unsigned int n = 1; n <= 18; n++) {
		for (unsigned int k = 0; k < n; k++) {
			netif_tx_response_t rsp;
			uint32_t start = r.from_prod;

			put(&r, 0, 0, (uint16_t)(20 * n), n > 1 ? NETTXF_more_data : 0);
			for (unsigned int i = 1; i < n; i++)
				put(&r, i, 0, 20, i + 1 < n ? NETTXF_more_data : 0);
			r.from->ring[(start + k) % NB_RING_SIZE].req.gref = 0xffffff;
			rig_go(&r);
			for (unsigned int i = 0; i < n; i++) {
				assert_true(rig_response(&r, &rsp));
				assert_int_equal(rsp.id, (uint16_t)((start + i) * 7 + 3));
				assert_int_equal(rsp.status, NETIF_RSP_ERROR);
			}
			assert_false(rig_response(&r, &rsp));
		}
	}
	rig_fini(&r);
}

/* T031, T032 */
static void bad_receive_slots(void **state)
{
	static struct rig r;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	unsigned int bad;
	uint32_t good_ref;

	(void)state;
	rig_init(&r, 0);
	assert_int_equal(rig_connect(&r), 0);
	/* A port is read into more slots than it then turns out to take. */
	bad = rig_mode == RIG_PORT ? 3 : 0;
	good_ref = r.to_refs[bad];
	r.to_refs[bad] = 0xfffffff;
	rig_post(&r, 100);
	r.to_refs[bad] = good_ref;
	memset(frame, 7, 1000);
	rig_port_give(&r, NULL, frame, 1000);
	/* The slots up to the bad one are refused, the frame is not lost. */
	for (unsigned int i = 0; i <= bad; i++) {
		assert_int_equal(rig_receive(&r, &first, extras), 1);
		assert_int_equal(first.status, NETIF_RSP_ERROR);
		assert_int_equal(first.id, i);
	}
	assert_int_equal(rig_receive(&r, &first, extras), 1);
	assert_int_equal(first.status, 1000);
	assert_memory_equal(r.frame.data, frame, 1000);

	r.to->req_prod += NB_RING_SIZE + 1;
	/* Noticed when it is looked at, which polling does when it has no more slots. */
	for (unsigned int i = 0; i < 100 && !r.queue.fatal; i++)
		rig_port_give(&r, NULL, frame, 1000);
	assert_int_equal(r.queue.fatal, NB_FATAL_TO_PRODUCER);
	rig_fini(&r);
}

/* T025, T001 at connect */
static void rings_that_cannot_be(void **state)
{
	static struct rig r;
	uint32_t ref;

	(void)state;
	rig_init(&r, 0);
	ref = r.refs.from_ref;
	r.refs.from_ref = 0xfffff;
	assert_int_not_equal(rig_connect(&r), 0);
	assert_int_equal(hv_guest_grant(r.c.guest, 0, r.from, true, &r.refs.from_ref), 0);
	assert_int_not_equal(rig_connect(&r), 0);
	r.refs.from_ref = ref;
	r.from->req_prod = NB_RING_SIZE + 1;
	assert_int_equal(rig_connect(&r), -EPROTO);
	r.from->req_prod = 0;
	r.refs.from_port = r.refs.to_port = 0;
	assert_int_not_equal(rig_connect(&r), 0);
	r.refs.from_port = r.refs.to_port = r.from_ch.local_port;
	assert_int_equal(rig_connect(&r), 0);
	rig_fini(&r);
}

/* T023: pages of any bytes. */
static void random_ring_pages(void **state)
{
	static struct rig r;
	uint32_t seed = 12345;

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		rig_init(&r, 0);
		assert_int_equal(rig_connect(&r), 0);
		for (unsigned int k = 0; k < sizeof(r.from->ring[0]) * NB_RING_SIZE; k++) {
			seed = seed * 1664525 + 1013904223;
			((uint8_t *)r.from->ring)[k] = (uint8_t)(seed >> 24);
		}
		/* Some requests that get past the first checks. */
		for (unsigned int k = 0; k < NB_RING_SIZE; k++) {
			seed = seed * 1664525 + 1013904223;
			if (seed >> 30)
				continue;
			r.from->ring[k].req = slot(&r, seed >> 8 & 63, seed >> 14 & 255,
						   seed >> 4 & 2047, seed >> 25 & 15);
		}
		r.from_prod = seed >> 20 & 255;
		rig_go(&r);
		while (rig_port_take(&r))
			;
		rig_fini(&r);
	}
}

struct racer {
	struct rig *r;
	atomic_bool stop;
};

/*
 * T004: a second thread of the guest that rewrites what was checked. It races with the test's other
 * writes as well, which is no finding.
 */
__attribute__((no_sanitize("thread"))) static void *rewrite(void *arg)
{
	struct racer *racer = arg;
	struct rig *r = racer->r;
	uint32_t seed = 99;

	while (!atomic_load(&racer->stop)) {
		seed = seed * 1664525 + 1013904223;
		__atomic_store_n(&r->from->ring[seed >> 24].req.size,
				 (uint16_t)(seed & 8 ? 60 : 0xffff), __ATOMIC_RELAXED);
		__atomic_store_n(&r->from->ring[seed >> 24].req.offset,
				 (uint16_t)(seed & 16 ? 0 : 0xfff0), __ATOMIC_RELAXED);
		__atomic_store_n(&r->from->ring[seed >> 16 & 255].req.gref, seed, __ATOMIC_RELAXED);
		__atomic_store_n(&r->from_pages[seed >> 8 & 127], (uint8_t)seed, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void rewriting_while_it_is_used(void **state)
{
	static struct rig r;
	struct racer racer = { .r = &r };
	pthread_t thread;

	(void)state;
	for (unsigned int round = 0; round < 20; round++) {
		rig_init(&r, 0);
		assert_int_equal(rig_connect(&r), 0);
		racer.stop = false;
		pthread_create(&thread, NULL, rewrite, &racer);
		for (unsigned int i = 0; i < 200 && !r.queue.fatal; i++) {
			size_t n = rig_tcp(frame, 4, 1000, false);

			rig_put_frame(&r, frame, n, 300, NETTXF_csum_blank, NULL);
			rig_go(&r);
			while (rig_port_take(&r))
				;
		}
		atomic_store(&racer.stop, true);
		pthread_join(thread, NULL);
		rig_fini(&r);
	}
}

int nb_hostile_tests(const char *name)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_programs),
		cmocka_unit_test(an_error_in_any_slot_answers_all),
		cmocka_unit_test(bad_receive_slots),
		cmocka_unit_test(rings_that_cannot_be),
		cmocka_unit_test(random_ring_pages),
		cmocka_unit_test(rewriting_while_it_is_used),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
