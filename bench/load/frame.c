/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of UDP without a checksum, so that neither number nor port needs a sum made anew. The number is
 * behind the headers and, mixed, in the last bytes: a frame cut short or put together of two shows. Of
 * one in 64 every byte is looked at.
 */
#include "bench/load/load.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define MAGIC	   0x76664c44u
#define MIX	   0x9e3779b97f4a7c15ull
#define EVERY	   64 /* frames of which one is looked at whole */
#define PORTS_MAX  2
#define FIRST_PORT 1024

struct stamp {
	uint32_t magic;
	uint8_t way;
	uint8_t pad;
	uint64_t number;
} __attribute__((packed));

struct frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct stamp stamp;
} __attribute__((packed, aligned(2)));

_Static_assert(offsetof(struct frame, stamp) == LOAD_HEADERS,
	       "headers are what is before the stamp");
_Static_assert(sizeof(struct frame) <= LOAD_SIZE_MIN, "the smallest frame holds all of it");

static struct rte_ether_addr macs[PORTS_MAX];
static uint8_t filling[LOAD_SIZE_MAX];

int load_frame_init(uint16_t nr_ports)
{
	for (uint16_t i = 0; i < nr_ports && i < PORTS_MAX; i++) {
		int r = rte_eth_macaddr_get(i, &macs[i]);

		if (r)
			return r;
	}
	for (size_t i = 0; i < sizeof(filling); i++)
		filling[i] = (uint8_t)(i * 7 + 13);
	return 0;
}

/* The last bytes of a frame of the smallest size are part of the stamp's own neighbours: none then. */
static bool has_tail(const struct load_spec *spec)
{
	return spec->size >= sizeof(struct frame) + sizeof(uint64_t);
}

static void stamp(uint8_t *data, const struct load_spec *spec, struct load_way *way)
{
	struct frame *f = (struct frame *)data;
	uint64_t number = way->next++, tail = number * MIX;

	f->stamp.number = number;
	if (spec->flows > 1)
		f->udp.src_port = rte_cpu_to_be_16((uint16_t)(FIRST_PORT + number % spec->flows));
	if (has_tail(spec))
		memcpy(data + spec->size - sizeof(tail), &tail, sizeof(tail));
}

static bool has_router(const struct load_spec *spec)
{
	static const uint8_t none[RTE_ETHER_ADDR_LEN];

	return memcmp(spec->gw, none, sizeof(none)) != 0;
}

/* Only port 0's are told: what comes out of port 1 is an answer. */
static uint32_t address(uint32_t told, uint16_t port, const struct load_way *way)
{
	return told && !way->from ? told : RTE_IPV4(10, 99, 0, 1 + port);
}

void load_frame_begin(const struct load_spec *spec, struct load_way *way)
{
	uint16_t ip_size = (uint16_t)(spec->size - sizeof(struct rte_ether_hdr));
	struct frame *f = (struct frame *)(void *)way->headers;

	f->eth.dst_addr = macs[way->to];
	if (has_router(spec) && !way->from)
		memcpy(f->eth.dst_addr.addr_bytes, spec->gw, sizeof(spec->gw));
	f->eth.src_addr = macs[way->from];
	f->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	f->ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(ip_size),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(address(spec->src, way->from, way)),
		.dst_addr = rte_cpu_to_be_32(address(spec->dst, way->to, way)),
	};
	f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
	f->udp = (struct rte_udp_hdr){
		.src_port = RTE_BE16(FIRST_PORT),
		.dst_port = RTE_BE16(9),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(ip_size - sizeof(f->ip))),
	};
}

struct rte_mbuf *load_frame_make(struct rte_mempool *pool, const struct load_spec *spec,
				 struct load_way *way)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *data;

	if (!m)
		return NULL;
	data = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = (uint16_t)spec->size;
	m->pkt_len = (uint32_t)spec->size;
	memcpy(data, filling, spec->size);
	memcpy(data, way->headers, sizeof(way->headers));
	((struct frame *)data)->stamp = (struct stamp){ .magic = MAGIC, .way = way->id };
	stamp(data, spec, way);
	return m;
}

/* What the receiving driver noted is nothing to send, but for whose memory it is in. */
static void forget_notes(struct rte_mbuf *m)
{
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
}

/* Nobody else has its data. */
static bool is_own(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && !RTE_MBUF_CLONED(m) && rte_mbuf_refcnt_read(m) == 1 &&
	       (!RTE_MBUF_HAS_EXTBUF(m) || rte_mbuf_ext_refcnt_read(m->shinfo) == 1);
}

void load_frame_renew(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way)
{
	forget_notes(m);
	stamp(rte_pktmbuf_mtod(m, uint8_t *), spec, way);
}

void load_frame_restore(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way)
{
	struct frame *f = rte_pktmbuf_mtod(m, struct frame *);

	memcpy(f, way->headers, sizeof(way->headers));
	f->stamp.way = way->id;
	load_frame_renew(m, spec, way);
}

void load_frame_return(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way)
{
	struct frame *f = rte_pktmbuf_mtod(m, struct frame *);
	struct rte_ether_addr mac = f->eth.dst_addr;
	rte_be32_t ip = f->ip.dst_addr;
	rte_be16_t port = f->udp.dst_port;

	f->eth.dst_addr = f->eth.src_addr;
	f->eth.src_addr = mac;
	f->ip.dst_addr = f->ip.src_addr;
	f->ip.src_addr = ip;
	f->udp.dst_port = f->udp.src_port;
	forget_notes(m);
	f->stamp.way = way->id;
	stamp((uint8_t *)f, spec, way);
	/* Last: stamp() may have given it another. */
	f->udp.src_port = port;
}

/* Who seems to have sent it: whether addresses are translated. */
static bool is_from(const struct frame *f, const struct load_spec *spec, const struct load_way *way)
{
	return !spec->seen || way->to == 0 || f->ip.src_addr == rte_cpu_to_be_32(spec->seen);
}

static bool is_whole(const uint8_t *data, const struct load_spec *spec, uint64_t number)
{
	size_t end = spec->size - (has_tail(spec) ? sizeof(uint64_t) : 0);
	uint64_t tail;

	if (has_tail(spec)) {
		memcpy(&tail, data + end, sizeof(tail));
		if (tail != number * MIX)
			return false;
	}
	return number % EVERY ||
	       !memcmp(data + sizeof(struct frame), filling + sizeof(struct frame),
		       end - sizeof(struct frame));
}

bool load_frame_check(struct rte_mbuf *m, const struct load_spec *spec, struct load_way *way)
{
	uint8_t copy[LOAD_SIZE_MAX];
	const struct frame *f;
	uint64_t number;

	if (unlikely(m->pkt_len < sizeof(*f) || m->pkt_len > LOAD_SIZE_MAX)) {
		way->foreign++;
		return false;
	}
	f = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	if (unlikely(!f || f->stamp.magic != MAGIC || f->stamp.way != way->id)) {
		way->foreign++;
		return false;
	}
	number = f->stamp.number;
	if (unlikely(m->pkt_len != spec->size || !is_from(f, spec, way) ||
		     !is_whole((const uint8_t *)f, spec, number))) {
		way->bad++;
		return false;
	}
	way->received++;
	if (way->in_flight)
		way->in_flight--;
	if (likely(number == way->expected)) {
		way->expected = number + 1;
	} else if (number > way->expected) {
		uint64_t gap = number - way->expected;

		way->lost += gap;
		way->in_flight -= (uint32_t)RTE_MIN(gap, (uint64_t)way->in_flight);
		way->expected = number + 1;
	} else {
		/* Counted as lost before, and it was not. */
		way->late++;
	}
	return is_own(m);
}
