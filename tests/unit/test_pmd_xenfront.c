/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_xenfront's bursts: what a program gets of frames of any length, and with backends honest and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/util/pmd/pmd_rig.h"
#include "tests/util/pmd/xenfront_rig.h"

static void check_bytes(const struct rte_mbuf *m, const uint8_t *data, size_t size)
{
	static uint8_t copy[FRONT_MAX_FRAME];

	pmd_rig_check(m);
	assert_int_equal(m->pkt_len, size);
	assert_memory_equal(rte_pktmbuf_read(m, 0, (uint32_t)size, copy), data, size);
}

/* Those that an mbuf has no room for come in several, or not at all, where the program takes none such. */
static void frames_of_any_length(void **state)
{
	static const size_t sizes[] = { 14, 60, 128, 129, 1514, 2048, 2049, 4000, 9000, 60000 };
	static uint8_t data[FRONT_MAX_FRAME];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(sizes) * 4; i++) {
		size_t size = sizes[i / 4];
		bool scatter = i & 1, whole = i & 2, comes = scatter || size <= 2048;
		struct rte_mbuf *m = NULL;
		struct xenfront_rig x;

		xenfront_rig_init(&x, scatter);
		front_rig_fill(data, size, i);
		front_rig_send(x.front, data, size, 0, whole ? 4096 : 3700, 0, NULL);
		front_rig_send(x.front, data, 60, 0, 4096, 0, NULL);
		assert_int_equal(xenfront_rx_burst(&x.rx, &m, 1), 1);
		check_bytes(m, data, comes ? size : 60);
		rte_pktmbuf_free(m);
		assert_int_equal(x.rx.no_scatter, !comes);
		assert_int_equal(x.rx.no_mbuf, 0);
		assert_int_equal(xenfront_rx_burst(&x.rx, &m, 1), comes);
		if (comes) {
			check_bytes(m, data, 60);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(x.rx.bytes, 60 + (comes ? size : 0));
		assert_int_equal(x.rx.packets, 1 + comes);
		xenfront_rig_fini(&x);
	}
	assert_int_equal(pmd_rig_lost(), 0);
}

static void any_backend(void **state)
{
	(void)state;
	assert_true(xenfront_rig_any(400) > 400);
	assert_int_equal(pmd_rig_lost(), 0);
	xenfront_rig_set_zone(true);
	assert_true(xenfront_rig_any(100) > 100);
	assert_int_equal(pmd_rig_lost(), 0);
	xenfront_rig_set_zone(false);
}

static bool is_in_zone(const struct xenfront_rig *x, const struct rte_mbuf *m)
{
	return xenfront_zone_ref(x->rx.zone, rte_pktmbuf_mtod(m, void *), m->data_len) != 0;
}

/* Received frames are the backend's own pages, and go out of them again; short ones are copied. */
static void frames_stay_where_they_are(void **state)
{
	static const size_t sizes[] = { 60, 256, 257, 1514, 4096, 9000, 60000 };
	static uint8_t data[FRONT_MAX_FRAME];
	struct xenfront_rig x;

	(void)state;
	xenfront_rig_set_zone(true);
	xenfront_rig_init(&x, true);
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		bool lent = sizes[i] > XENFRONT_COPIED;
		static struct front_rig_seen seen;
		struct rte_mbuf *m;

		front_rig_fill(data, sizes[i], i);
		front_rig_send(x.front, data, sizes[i], 0, 4096, 0, NULL);
		assert_int_equal(xenfront_rx_burst(&x.rx, &m, 1), 1);
		check_bytes(m, data, sizes[i]);
		assert_int_equal(is_in_zone(&x, m), lent);
		x.tx.size_max = FRONT_MAX_FRAME;
		assert_int_equal(xenfront_tx_burst(&x.tx, &m, 1), 1);
		assert_int_equal(x.tx.lent, x.rx.lent);
		front_rig_take(x.front, &seen);
		assert_memory_equal(seen.data, data, sizes[i]);
		assert_int_equal(xenfront_zone_is_used(x.rx.zone), true);
		front_rig_answer(x.front, &seen, NETIF_RSP_OKAY);
		front_from_guest_room(x.front->q);
		assert_int_equal(pmd_rig_lost(), 0);
	}
	assert_int_equal(x.rx.lent, RTE_DIM(sizes) - 2);
	xenfront_rig_fini(&x);
	xenfront_rig_set_zone(false);
}

/* A program that keeps all it gets is served on, by copies; what it has is not touched. */
static void pages_run_out(void **state)
{
	static struct rte_mbuf *held[FRONT_ZONE_MAX];
	static uint8_t data[1514];
	struct rte_mempool *pool = rte_pktmbuf_pool_create("many", FRONT_ZONE_MAX, 0, 0, 2176, 0);
	struct xenfront_rig x;
	unsigned int lent;

	(void)state;
	assert_non_null(pool);
	xenfront_rig_set_zone(true);
	xenfront_rig_init(&x, false);
	x.rx.pool = pool;
	for (unsigned int i = 0; i < FRONT_ZONE_MAX; i++) {
		front_rig_fill(data, sizeof(data), i);
		front_rig_send(x.front, data, sizeof(data), 0, 4096, 0, NULL);
		assert_int_equal(xenfront_rx_burst(&x.rx, &held[i], 1), 1);
	}
	lent = (unsigned int)x.rx.lent;
	assert_in_range(lent, 1000, FRONT_ZONE_MAX - FRONT_NR_BUFFERS - 1);
	assert_true(x.rx.short_of_pages > 0);
	for (unsigned int i = 0; i < FRONT_ZONE_MAX; i++) {
		front_rig_fill(data, sizeof(data), i);
		check_bytes(held[i], data, sizeof(data));
		assert_int_equal(is_in_zone(&x, held[i]), i < lent);
	}
	rte_pktmbuf_free_bulk(held, FRONT_ZONE_MAX);
	front_rig_send(x.front, data, sizeof(data), 0, 4096, 0, NULL);
	assert_int_equal(xenfront_rx_burst(&x.rx, held, 1), 1);
	assert_int_equal(x.rx.lent, lent + 1);
	rte_pktmbuf_free(held[0]);
	xenfront_rig_fini(&x);
	xenfront_rig_set_zone(false);
	assert_int_equal(rte_mempool_avail_count(pool), FRONT_ZONE_MAX);
	rte_mempool_free(pool);
}

/* What begins in granted pages and goes on elsewhere: a part is copied, headers are, and sums are right. */
static void chains_in_part(void **state)
{
	struct rte_mbuf *m, *parts[3];
	static struct front_rig_seen seen;
	static uint8_t want[4000];
	struct xenfront_rig x;

	(void)state;
	xenfront_rig_set_zone(true);
	for (unsigned int mask = 0; mask < 16; mask++) {
		bool csum = mask & 8, lent = mask & 7;
		uint32_t size = 0;

		xenfront_rig_init(&x, true);
		x.tx.size_max = FRONT_MAX_FRAME;
		front_rig_fill(want, sizeof(want), mask);
		for (unsigned int i = 0; i < 3; i++) {
			uint16_t len = (uint16_t)(700 + 300 * i);

			parts[i] = rte_pktmbuf_alloc(mask & 1u << i ? x.rx.zone->pool
								    : pmd_rig_pool());
			memcpy(rte_pktmbuf_append(parts[i], len), want + size, len);
			size += len;
			assert_true(!i || !rte_pktmbuf_chain(parts[0], parts[i]));
		}
		m = parts[0];
		m->l2_len = 14;
		m->l3_len = 20;
		m->l4_len = 20;
		if (csum)
			m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
		assert_int_equal(xenfront_tx_burst(&x.tx, &m, 1), 1);
		assert_int_equal(x.tx.lent, lent);
		front_rig_take(x.front, &seen);
		assert_int_equal(seen.size, size);
		assert_int_equal(seen.flags & NETTXF_csum_blank, csum ? NETTXF_csum_blank : 0);
		/* The field of the checksum is the driver's to write, in a copy. */
		if (csum)
			memcpy(want + 50, seen.data + 50, 2);
		assert_memory_equal(seen.data, want, size);
		if (lent)
			assert_memory_equal(rte_pktmbuf_mtod(parts[2], uint8_t *), want + 1700,
					    1300);
		front_rig_answer(x.front, &seen, NETIF_RSP_OKAY);
		front_from_guest_room(x.front->q);
		assert_int_equal(pmd_rig_lost(), 0);
		xenfront_rig_fini(&x);
	}
	xenfront_rig_set_zone(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_any_length),
		cmocka_unit_test(frames_stay_where_they_are),
		cmocka_unit_test(pages_run_out),
		cmocka_unit_test(chains_in_part),
		cmocka_unit_test(any_backend),
	};

	pmd_rig_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
