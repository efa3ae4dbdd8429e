/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Usage: netns-pmd-frames PLUGIN RUN-DIR DOMID STEP [EAL-OPTION...]
 * One program at both ends of a vif: net_xenvif of the plug-in, and a frontend of its own, whose guest has
 * frontend = "program" and an MTU of 65521. Every frame is compared byte for byte. STEP: how many lengths to
 * go on by, 1 for all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_epoll.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "tests/netns/pmd_util.h"
#include "tests/util/nb_rig.h"

#include "base/clock.h"
#include "netback/front/front.h"

#define NR_QUEUES 2u
#define NR_MBUFS  512u
#define PATIENCE  3000000u /* turns without anything coming */

static struct hv_guest *guest;
static struct front *front;
static struct front_queue *fq;
static struct rte_mempool *pool;
static uint16_t port, queue; /* of ours, and @fq is its other end */
static uint8_t frame[FRAME_MAX], seen[FRAME_MAX];

void explain(void)
{
	print_xstats(port);
}

static void fill(unsigned int size, unsigned int seed)
{
	fill_frame(frame, size, seed);
}

/* ---- From the guest ---- */

/* @layout decides how it is cut into slots, and where in their pages they begin. */
static void guest_sends(unsigned int size, unsigned int layout, uint8_t flags, uint8_t gso_type,
			uint16_t gso_size)
{
	struct front_packet p = {
		.size = size, .flags = flags, .gso_type = gso_type, .gso_size = gso_size
	};
	unsigned int done = 0, left_frags = FRONT_MAX_FRAGS;
	uint16_t buffers[FRONT_MAX_FRAGS];
	unsigned int nr = 0;

	while (nr < FRONT_MAX_FRAGS) {
		nr += front_take(fq, buffers + nr, FRONT_MAX_FRAGS - nr);
		if (nr < FRONT_MAX_FRAGS)
			front_from_guest_room(fq);
	}
	while (done < size) {
		unsigned int left = size - done, n = left;
		/* What the last slots must take at least, so that they suffice. */
		unsigned int least = left > (left_frags - 1) * FRONT_BUFFER_SIZE
					     ? left - (left_frags - 1) * FRONT_BUFFER_SIZE
					     : 1;
		unsigned int cut = 1 + (layout * 577 + p.nr_frags * 1031) % FRONT_BUFFER_SIZE;

		if (layout)
			n = cut > least ? cut : least;
		if (n > left)
			n = left;
		if (n > FRONT_BUFFER_SIZE)
			n = FRONT_BUFFER_SIZE;
		p.frags[p.nr_frags].buffer = buffers[p.nr_frags];
		p.frags[p.nr_frags].len = (uint16_t)n;
		p.frags[p.nr_frags].offset = (uint16_t)(layout ? (layout * 97) %
									 (FRONT_BUFFER_SIZE - n + 1)
							       : 0);
		memcpy(front_from_guest_pages(fq) +
			       (size_t)buffers[p.nr_frags] * FRONT_BUFFER_SIZE +
			       p.frags[p.nr_frags].offset,
		       frame + done, n);
		done += n;
		p.nr_frags++;
		left_frags--;
	}
	front_put(fq, buffers + p.nr_frags, nr - p.nr_frags);
	CHECK(front_from_guest(fq, &p, 1) == 1, "size %u", size);
	front_from_guest_flush(fq);
}

static struct rte_mbuf *host_receives(void)
{
	struct rte_mbuf *m;

	for (unsigned int i = 0; i < PATIENCE; i++)
		if (rte_eth_rx_burst(port, queue, &m, 1))
			return m;
	return NULL;
}

static void test_from_guest(unsigned int step)
{
	for (unsigned int size = FRAME_MIN; size <= FRAME_MAX; size += step) {
		struct rte_mbuf *m;

		fill(size, size);
		guest_sends(size, size % 5, 0, 0, 0);
		m = host_receives();
		check_mbuf(m, frame, size);
		rte_pktmbuf_free(m);
	}
}

/* ---- To the guest ---- */

static void host_sends(struct rte_mbuf *m)
{
	CHECK(rte_eth_tx_prepare(port, 0, &m, 1) == 1, "%s", rte_strerror(rte_errno));
	for (unsigned int i = 0; i < PATIENCE; i++)
		if (rte_eth_tx_burst(port, queue, &m, 1))
			return;
	CHECK(false, "it does not go");
}

static bool guest_receives(struct front_packet *p)
{
	unsigned int done = 0;

	for (unsigned int i = 0; i < PATIENCE; i++) {
		if (!front_to_guest(fq, p, 1))
			continue;
		for (unsigned int k = 0; k < p->nr_frags; k++) {
			memcpy(seen + done,
			       front_to_guest_pages(fq) +
				       (size_t)p->frags[k].buffer * FRONT_BUFFER_SIZE +
				       p->frags[k].offset,
			       p->frags[k].len);
			done += p->frags[k].len;
		}
		front_release(fq, p, 1);
		front_to_guest_refill(fq);
		return true;
	}
	return false;
}

static void check_seen(const struct front_packet *p, unsigned int size)
{
	CHECK(p->size == size, "%u instead of %u", p->size, size);
	for (unsigned int i = 0; i < size; i++)
		CHECK(seen[i] == frame[i], "size %u: byte %u is %02x instead of %02x", size, i,
		      seen[i], frame[i]);
}

static void test_to_guest(unsigned int step)
{
	struct front_packet p;

	for (unsigned int size = FRAME_MIN; size <= FRAME_MAX; size += step) {
		fill(size, size + 3);
		host_sends(make_chain(pool, frame, size, size % 7));
		CHECK(guest_receives(&p), "size %u: nothing came", size);
		check_seen(&p, size);
	}
}

/* ---- Offloads ---- */

static void check_flags(const struct rte_mbuf *m, uint64_t want, uint16_t tso_segsz)
{
	CHECK(m, "nothing came");
	CHECK((m->ol_flags & want) == want, "%lx instead of %lx", m->ol_flags, want);
	CHECK(m->tso_segsz == tso_segsz, "%u instead of %u", m->tso_segsz, tso_segsz);
}

/* A segment from the guest goes back as it came: what it carries must arrive both ways. */
static void test_segments(int version, unsigned int payload, uint16_t gso_size)
{
	uint8_t type = version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
	unsigned int size = (unsigned int)rig_tcp(frame, version, payload, false);
	uint64_t flags = RTE_MBUF_F_RX_L4_CKSUM_NONE | RTE_MBUF_F_TX_TCP_CKSUM |
			 (version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	struct front_packet p;
	struct rte_mbuf *m;

	if (gso_size)
		flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_TX_TCP_SEG;
	guest_sends(size, 0, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED, gso_size ? type : 0,
		    gso_size);
	m = host_receives();
	check_flags(m, flags, gso_size);
	CHECK(m->l2_len == 14 && m->l3_len == (version == 4 ? 20 : 40) && m->l4_len == 20,
	      "%u %u %u", m->l2_len, m->l3_len, m->l4_len);
	/* The sum of the pseudo header is in the checksum's place by now, or was. */
	memcpy(frame + m->l2_len + m->l3_len + 16,
	       rte_pktmbuf_mtod_offset(m, void *, m->l2_len + m->l3_len + 16), 2);
	check_mbuf(m, frame, size);
	host_sends(m);
	CHECK(guest_receives(&p), "nothing came");
	CHECK(p.flags & FRONT_CSUM_BLANK, "flags %x", p.flags);
	CHECK(p.gso_size == gso_size && (!gso_size || p.gso_type == type), "%u %u", p.gso_size,
	      p.gso_type);
	check_seen(&p, size);
}

/* Sums that the program leaves to the driver. */
static void test_ip_csum(void)
{
	unsigned int size = (unsigned int)rig_tcp(frame, 4, 100, true);
	struct front_packet p;
	struct rte_mbuf *m;

	m = make_chain(pool, frame, size, 0);
	memset(rte_pktmbuf_mtod_offset(m, void *, 14 + 10), 0, 2);
	m->l2_len = 14;
	m->l3_len = 20;
	m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	host_sends(m);
	CHECK(guest_receives(&p), "nothing came");
	check_seen(&p, size);
}

static uint64_t xstat(const char *name)
{
	return port_xstat(port, name);
}

/* What can never go is counted by its cause, once, and holds up nothing. */
static void test_refused(void)
{
	struct rte_mbuf *m[3];
	struct front_packet p;
	unsigned int sent = 0;

	fill(100, 1);
	for (unsigned int i = 0; i < 3; i++)
		m[i] = make_chain(pool, frame, 100, 0);
	m[1]->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4;
	m[1]->l2_len = 14;
	m[1]->l3_len = 200;
	m[1]->tso_segsz = 1000;
	for (unsigned int i = 0; i < PATIENCE && sent < 3; i++)
		sent += rte_eth_tx_burst(port, 0, m + sent, (uint16_t)(3 - sent));
	CHECK(sent == 3, "%u", sent);
	CHECK(guest_receives(&p) && guest_receives(&p), "those around it");
	check_seen(&p, 100);
	CHECK(xstat("tx_drop_bad_offload") == 1, "%lu", xstat("tx_drop_bad_offload"));
}

/* ---- Counters, interrupts ---- */

static void test_stats(void)
{
	const struct front_counters *c = front_queue_counters(fq);
	struct rte_eth_stats s;

	CHECK(!rte_eth_stats_get(port, &s), "stats");
	CHECK(s.ipackets == c->from_guest_packets, "%lu %lu", s.ipackets, c->from_guest_packets);
	CHECK(s.ibytes == c->from_guest_bytes, "%lu %lu", s.ibytes, c->from_guest_bytes);
	CHECK(s.opackets == c->to_guest_packets, "%lu %lu", s.opackets, c->to_guest_packets);
	CHECK(s.obytes == c->to_guest_bytes, "%lu %lu", s.obytes, c->to_guest_bytes);
	CHECK(s.ierrors == 0 && s.oerrors == 1, "%lu %lu", s.ierrors, s.oerrors);
	CHECK(!rte_eth_stats_reset(port), "reset");
	CHECK(!rte_eth_stats_get(port, &s), "stats");
	CHECK(!s.ipackets && !s.obytes && !s.oerrors, "after a reset");
}

static void test_interrupts(void)
{
	struct rte_epoll_event event;
	struct rte_mbuf *m;

	CHECK(!rte_eth_dev_rx_intr_ctl_q(port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL),
	      "ctl");
	for (unsigned int i = 0; i < 20; i++) {
		CHECK(!rte_eth_dev_rx_intr_enable(port, 0), "enable");
		/* What came before is over: nothing wakes us that is not there. */
		while (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0) > 0)
			;
		CHECK(!rte_eth_rx_burst(port, queue, &m, 1), "a frame from nowhere");
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 10) == 0, "awake");
		fill(100 + i, i);
		guest_sends(100 + i, 0, 0, 0, 0);
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 3000) == 1, "asleep");
		CHECK(!rte_eth_dev_rx_intr_disable(port, 0), "disable");
		m = host_receives();
		check_mbuf(m, frame, 100 + i);
		rte_pktmbuf_free(m);
	}
}

/* Each queue of ours is one of the guest's, both ways. */
static void test_queues(void)
{
	struct rte_mbuf *m, *other;
	struct front_packet p;

	for (unsigned int i = 0; i < 10; i++) {
		queue = (uint16_t)(i % NR_QUEUES);
		fq = front_queue(front, queue);
		fill(200 + i, i);
		guest_sends(200 + i, 0, 0, 0, 0);
		m = host_receives();
		check_mbuf(m, frame, 200 + i);
		CHECK(!rte_eth_rx_burst(port, !queue, &other, 1), "from the other one, too");
		host_sends(make_chain(pool, frame, 200 + i, 0));
		CHECK(guest_receives(&p), "nothing came");
		check_seen(&p, 200 + i);
		rte_pktmbuf_free(m);
	}
	queue = 0;
	fq = front_queue(front, 0);
}

/* ---- Set up ---- */

static void start_port(void)
{
	struct rte_eth_conf conf = {
		.rxmode = { .offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER },
		.txmode = { .offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
					RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
					RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO },
		.intr_conf = { .rxq = 1 },
	};
	struct rte_eth_link link = { 0 };

	pool = rte_pktmbuf_pool_create("frames", NR_MBUFS, 0, 0, MBUF_ROOM + RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
	CHECK(pool, "%s", rte_strerror(rte_errno));
	CHECK(!rte_eth_dev_get_port_by_name("net_xenvif0", &port), "no port");
	CHECK(!rte_eth_dev_configure(port, NR_QUEUES, NR_QUEUES, &conf), "configure");
	for (uint16_t i = 0; i < NR_QUEUES; i++) {
		CHECK(!rte_eth_rx_queue_setup(port, i, 256, 0, NULL, pool), "receive queue");
		CHECK(!rte_eth_tx_queue_setup(port, i, 256, 0, NULL), "send queue");
	}
	CHECK(!rte_eth_link_get_nowait(port, &link) && !link.link_status, "link before the start");
	CHECK(!rte_eth_dev_start(port), "start");
}

static void connect_guest(const char *rundir, const char *domid)
{
	uint64_t until = clock_ms() + 5000;
	struct rte_eth_link link = { 0 };
	char path[128], why[HV_WHY_MAX];

	snprintf(path, sizeof(path), "%s/guests/%s.sock", rundir, domid);
	CHECK(!hv_guest_attach_socket(path, &guest, why), "%s", why);
	CHECK(!front_create(guest, 0, NR_QUEUES, "front", &front), "front");
	while (front_info(front)->state != FRONT_CONNECTED || !link.link_status) {
		CHECK(clock_ms() < until, "%s, link %u", front_state_name(front_info(front)->state),
		      link.link_status);
		CHECK(!front_update(front), "update");
		CHECK(!rte_eth_link_get_nowait(port, &link), "link");
	}
	CHECK(front_info(front)->gso_tcpv4 && front_info(front)->gso_tcpv6 &&
		      front_info(front)->csum_ipv6,
	      "offers");
	CHECK(front_info(front)->nr_queues == NR_QUEUES, "%u", front_info(front)->nr_queues);
	for (unsigned int i = 0; i < NR_QUEUES; i++) {
		fq = front_queue(front, i);
		front_to_guest_refill(fq);
	}
	fq = front_queue(front, 0);
}

int main(int argc, char **argv)
{
	char device[160], *eal[32];
	unsigned int nr = 0, step;

	CHECK(argc > 4 && argc < 20, "usage: %s PLUGIN RUN-DIR DOMID STEP [EAL-OPTION...]",
	      argv[0]);
	snprintf(device, sizeof(device), "--vdev=net_xenvif0,dom=%s,run-dir=%s", argv[3], argv[2]);
	step = (unsigned int)strtoul(argv[4], NULL, 10);
	eal[nr++] = argv[0];
	eal[nr++] = (char *)"-d";
	eal[nr++] = argv[1];
	eal[nr++] = device;
	for (int i = 5; i < argc; i++)
		eal[nr++] = argv[i];
	CHECK(rte_eal_init((int)nr, eal) >= 0, "%s", rte_strerror(rte_errno));
	start_port();
	connect_guest(argv[2], argv[3]);
	test_from_guest(step);
	test_to_guest(step);
	for (int version = 4; version <= 6; version += 2) {
		test_segments(version, 100, 0);
		test_segments(version, 20000, 1448);
		test_segments(version, 60000, 1400);
	}
	test_ip_csum();
	test_refused();
	test_stats();
	test_interrupts();
	test_queues();
	front_destroy(front);
	hv_guest_detach(guest);
	CHECK(!rte_eth_dev_stop(port) && !rte_eth_dev_close(port), "close");
	CHECK(rte_mempool_avail_count(pool) == NR_MBUFS, "%u mbufs are lost",
	      NR_MBUFS - rte_mempool_avail_count(pool));
	CHECK(!rte_eal_cleanup(), "cleanup");
	return 0;
}
