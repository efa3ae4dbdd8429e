/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs that load our DPDK drivers share: frames of a pattern, as mbufs, and a way to fail. */
#ifndef TESTS_NETNS_PMD_UTIL_H
#define TESTS_NETNS_PMD_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#define FRAME_MIN 42u
#define FRAME_MAX 65535u
#define MBUF_ROOM 2048u

/* On a failure: what else to say. Each program has its own. */
void explain(void);

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "FAILED at %s:%d: %s: ", __FILE__, __LINE__, #cond);       \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			explain();                                                                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static inline void fill_frame(uint8_t *frame, unsigned int size, unsigned int seed)
{
	for (unsigned int i = 0; i < size; i++)
		frame[i] = (uint8_t)(i * 7 + (i >> 8) * 13 + seed);
	/* No multicast: 02:..., and no EtherType that means anything. */
	frame[0] = 2;
	frame[12] = 0x88;
	frame[13] = 0xb5;
}

/* The frame in mbufs, cut as @layout says. */
static inline struct rte_mbuf *make_chain(struct rte_mempool *pool, const uint8_t *frame,
					  unsigned int size, unsigned int layout)
{
	struct rte_mbuf *first = NULL, **next = &first;
	unsigned int done = 0, nr = 0, room;

	room = RTE_MIN(MBUF_ROOM, rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM);
	while (done < size) {
		/* Short ones first, so that the header is in several of them, too. */
		unsigned int cut = layout && nr < 4 ? 1 + (layout * 37 + nr * 11) % 60 : room;
		unsigned int n = RTE_MIN(cut, size - done);

		*next = rte_pktmbuf_alloc(pool);
		CHECK(*next, "no mbuf");
		memcpy(rte_pktmbuf_append(*next, (uint16_t)n), frame + done, n);
		if (first != *next) {
			first->nb_segs++;
			first->pkt_len += n;
		}
		next = &(*next)->next;
		done += n;
		nr++;
	}
	return first;
}

static inline void check_mbuf(const struct rte_mbuf *m, const uint8_t *frame, unsigned int size)
{
	unsigned int done = 0, nr = 0;

	CHECK(m, "size %u: nothing came", size);
	CHECK(m->pkt_len == size, "%u instead of %u", m->pkt_len, size);
	for (const struct rte_mbuf *at = m; at; at = at->next, nr++) {
		CHECK(done + at->data_len <= size, "size %u: more", size);
		CHECK(!memcmp(rte_pktmbuf_mtod(at, void *), frame + done, at->data_len),
		      "size %u, in the mbuf of byte %u", size, done);
		done += at->data_len;
	}
	CHECK(done == size, "size %u: only %u", size, done);
	CHECK(m->nb_segs == nr, "size %u: %u mbufs, not %u", size, nr, m->nb_segs);
}

static inline uint64_t port_xstat(uint16_t port, const char *name)
{
	uint64_t id, value;

	CHECK(!rte_eth_xstats_get_id_by_name(port, name, &id), "%s", name);
	CHECK(rte_eth_xstats_get_by_id(port, &id, &value, 1) == 1, "%s", name);
	return value;
}

static inline void print_xstats(uint16_t port)
{
	struct rte_eth_xstat_name names[128];
	struct rte_eth_xstat values[128];
	int nr = rte_eth_xstats_get_names(port, names, 128);

	if (nr < 0 || nr > 128 || rte_eth_xstats_get(port, values, 128) != nr)
		return;
	for (int i = 0; i < nr; i++)
		if (values[i].value)
			fprintf(stderr, "port %u: %s %lu\n", port, names[i].name, values[i].value);
}

#endif
