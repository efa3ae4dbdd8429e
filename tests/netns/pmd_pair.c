/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Usage: netns-pmd-pair PLUGIN RUN-DIR DOMID STEP ROUNDS ZERO-COPY [EAL-OPTION...]
 * One vif between our two drivers, net_xenvif and net_xenfront, in one program: every frame is compared byte
 * for byte, both ways; links, interrupts, hot plug. Then one end polls in a thread of its own while the other
 * leaves and comes back, ROUNDS times. The guest has frontend = "program" and an MTU of 65521. STEP: how many
 * lengths to go on by, 1 for all. ZERO-COPY: net_xenfront's argument; with 1 what the guest receives it sends back, too, from
 * where it is, and some of what it sends lies in granted pages.
 */
#include <pthread.h>

#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_epoll.h>
#include <rte_ip.h>

#include "tests/netns/pmd_util.h"
#include "tests/util/nb_rig.h"

#include "base/clock.h"

#define NR_QUEUES 2u
#define NR_MBUFS  512u
#define BURST	  32u
#define WAIT_MS	  10000u

struct end {
	const char *name;
	char args[160];
	uint16_t port;
	struct rte_mempool
		*pool; /* of its own: a thread that polls it shares no mbuf with others */
	struct rte_mempool *granted; /* NULL: it has none */
	atomic_uint nr_link_events;
};

static struct end host = { .name = "net_xenvif0" }, guest = { .name = "net_xenfront0" };
static uint8_t frames[BURST][FRAME_MAX];

void explain(void)
{
	print_xstats(host.port);
	print_xstats(guest.port);
}

/* Now and then the other end's thread is to have the processor. False: it takes too long. */
static bool may_wait(unsigned int turn, uint64_t *until)
{
	if (turn % 256 != 255)
		return true;
	if (!*until)
		*until = clock_ms() + WAIT_MS;
	sched_yield();
	return clock_ms() < *until;
}

/* ---- Frames ---- */

static void send_one(const struct end *e, uint16_t queue, struct rte_mbuf *m)
{
	uint64_t until = 0;

	CHECK(rte_eth_tx_prepare(e->port, queue, &m, 1) == 1, "%s", rte_strerror(rte_errno));
	for (unsigned int i = 0; may_wait(i, &until); i++)
		if (rte_eth_tx_burst(e->port, queue, &m, 1))
			return;
	CHECK(false, "%s: it does not go", e->name);
}

static struct rte_mbuf *receive_one(const struct end *e, uint16_t queue)
{
	struct rte_mbuf *m;
	uint64_t until = 0;

	for (unsigned int i = 0; may_wait(i, &until); i++)
		if (rte_eth_rx_burst(e->port, queue, &m, 1))
			return m;
	CHECK(false, "%s: nothing comes", e->name);
	return NULL;
}

/* Every other frame from where it need not be copied, if there is such a place. */
static struct rte_mempool *pool_for(const struct end *e, unsigned int size)
{
	return e->granted && size & 1 ? e->granted : e->pool;
}

static void pass(const struct end *from, const struct end *to, uint16_t queue, unsigned int size,
		 unsigned int layout)
{
	struct rte_mbuf *m;

	fill_frame(frames[0], size, size + layout);
	send_one(from, queue, make_chain(pool_for(from, size), frames[0], size, layout));
	m = receive_one(to, queue);
	check_mbuf(m, frames[0], size);
	CHECK(m->port == to->port, "of port %u", m->port);
	if (to->granted) {
		m->ol_flags &= RTE_MBUF_F_EXTERNAL;
		send_one(to, queue, m);
		m = receive_one(from, queue);
		check_mbuf(m, frames[0], size);
	}
	rte_pktmbuf_free(m);
}

/* Of any lengths, sent at once: none is lost and none overtakes another. */
static void pass_bursts(const struct end *from, const struct end *to)
{
	for (unsigned int round = 0; round < 50; round++) {
		struct rte_mbuf *in[BURST], *out[BURST];
		unsigned int size[BURST], sent = 0, got = 0;
		uint64_t until = 0;

		for (unsigned int i = 0; i < BURST; i++) {
			size[i] = FRAME_MIN + (round * 2000 + i * i * 97) % (i % 8 ? 1500 : 30000);
			fill_frame(frames[i], size[i], i + round);
			in[i] = make_chain(from->pool, frames[i], size[i], i % 3);
		}
		for (unsigned int i = 0; may_wait(i, &until) && got < BURST; i++) {
			sent += rte_eth_tx_burst(from->port, 0, in + sent,
						 (uint16_t)(BURST - sent));
			got += rte_eth_rx_burst(to->port, 0, out + got, (uint16_t)(BURST - got));
		}
		CHECK(got == BURST, "%u of %u", got, sent);
		for (unsigned int i = 0; i < BURST; i++)
			check_mbuf(out[i], frames[i], size[i]);
		rte_pktmbuf_free_bulk(out, BURST);
	}
}

static void test_frames(unsigned int step)
{
	for (unsigned int size = FRAME_MIN; size <= FRAME_MAX; size += step) {
		pass(&guest, &host, 0, size, size % 7);
		pass(&host, &guest, 0, size, size % 5);
	}
	pass(&guest, &host, 0, FRAME_MAX, 1);
	pass(&host, &guest, 0, FRAME_MAX, 1);
	pass_bursts(&guest, &host);
	pass_bursts(&host, &guest);
}

static void test_queues(void)
{
	struct rte_mbuf *other;

	for (unsigned int i = 0; i < 10; i++) {
		uint16_t queue = (uint16_t)(i % NR_QUEUES);

		pass(&guest, &host, queue, 200 + i, i);
		pass(&host, &guest, queue, 200 + i, i);
		CHECK(!rte_eth_rx_burst(host.port, !queue, &other, 1), "the other one, too");
		CHECK(!rte_eth_rx_burst(guest.port, !queue, &other, 1), "the other one, too");
	}
}

/* A segment to be made, or a blank checksum: what one asks for the other is told. */
static void pass_segment(const struct end *from, const struct end *to, int version,
			 unsigned int payload, uint16_t segment)
{
	unsigned int size = (unsigned int)rig_tcp(frames[0], version, payload, true);
	struct rte_mbuf *m = make_chain(from->pool, frames[0], size, 0);
	uint64_t want = RTE_MBUF_F_RX_L4_CKSUM_NONE | (segment ? RTE_MBUF_F_RX_LRO : 0);
	uint16_t *field;
	struct rte_mbuf *got;

	m->l2_len = 14;
	m->l3_len = version == 4 ? 20 : 40;
	m->l4_len = 20;
	m->tso_segsz = segment;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | (segment ? RTE_MBUF_F_TX_TCP_SEG : 0) |
		       (version == 4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM
				     : RTE_MBUF_F_TX_IPV6);
	send_one(from, 0, m);
	got = receive_one(to, 0);
	CHECK((got->ol_flags & want) == want, "%lx", got->ol_flags);
	CHECK(got->tso_segsz == segment, "%u instead of %u", got->tso_segsz, segment);
	/* The pseudo header's sum, with the length in it, whichever driver put it there. */
	field = rte_pktmbuf_mtod_offset(got, uint16_t *, m->l2_len + m->l3_len + 16);
	CHECK(*field == (version == 4 ? rte_ipv4_phdr_cksum((void *)(frames[0] + 14), 0)
				      : rte_ipv6_phdr_cksum((void *)(frames[0] + 14), 0)),
	      "%04x", *field);
	memcpy(frames[0] + 14 + (version == 4 ? 20 : 40) + 16, field, 2);
	check_mbuf(got, frames[0], size);
	rte_pktmbuf_free(got);
}

static void test_segments(void)
{
	for (int version = 4; version <= 6; version += 2) {
		for (unsigned int payload = 100; payload < 65000; payload += 16000) {
			uint16_t segment = payload > 1448 ? 1448 : 0;

			pass_segment(&guest, &host, version, payload, segment);
			pass_segment(&host, &guest, version, payload, segment);
		}
	}
}

/* What one end has sent the other has received, and nobody lost anything. */
static void test_counters(void)
{
	static const char *const none[] = {
		"rx_errors",
		"tx_errors",
		"rx_mbuf_allocation_errors",
		"rx_missed_errors",
	};
	struct rte_eth_stats h, g;

	CHECK(!rte_eth_stats_get(host.port, &h) && !rte_eth_stats_get(guest.port, &g), "stats");
	CHECK(h.ipackets == g.opackets && h.ibytes == g.obytes, "%lu %lu, %lu %lu", h.ipackets,
	      g.opackets, h.ibytes, g.obytes);
	CHECK(h.opackets == g.ipackets && h.obytes == g.ibytes, "%lu %lu, %lu %lu", h.opackets,
	      g.ipackets, h.obytes, g.ibytes);
	for (unsigned int i = 0; i < RTE_DIM(none); i++) {
		CHECK(!port_xstat(host.port, none[i]), "host %s", none[i]);
		CHECK(!port_xstat(guest.port, none[i]), "guest %s", none[i]);
	}
	CHECK(guest.granted || (g.q_ipackets[1] == 5 && g.q_opackets[1] == 5), "%lu %lu",
	      g.q_ipackets[1], g.q_opackets[1]);
	CHECK(!rte_eth_xstats_reset(host.port) && !rte_eth_xstats_reset(guest.port), "reset");
	CHECK(!port_xstat(host.port, "from_frames") && !port_xstat(guest.port, "tx_good_packets"),
	      "after a reset");
}

/* ---- Zero-copy ---- */

static void test_lent(unsigned int step)
{
	uint64_t sent = port_xstat(guest.port, "tx_zero_copy"), nr = (FRAME_MAX - 300) / step;
	uint64_t received = port_xstat(guest.port, "rx_zero_copy");

	/* What was received is sent back; of half of the others a half, by their lengths, fit the slots of a packet. */
	CHECK(guest.granted ? received > nr && sent > nr + nr / 5 : !sent && !received,
	      "%lu sent, %lu received", sent, received);
}

/* What a program holds is its own after its port is gone; then its guest is another's to take, once it is freed. */
static void test_held(void)
{
	struct rte_mbuf *m;

	fill_frame(frames[0], 1514, 5);
	send_one(&host, 0, make_chain(host.pool, frames[0], 1514, 0));
	m = receive_one(&guest, 0);
	CHECK(!rte_eal_hotplug_remove("vdev", guest.name), "unplug");
	check_mbuf(m, frames[0], 1514);
	if (guest.granted) {
		CHECK(RTE_MBUF_HAS_EXTBUF(m), "copied");
		/* The same one, with its pages. */
		CHECK(!rte_eal_hotplug_add("vdev", guest.name, guest.args), "plug");
		CHECK(!rte_eal_hotplug_remove("vdev", guest.name), "unplug");
		check_mbuf(m, frames[0], 1514);
	}
	rte_pktmbuf_free(m);
	for (uint64_t until = clock_ms() + WAIT_MS; rte_mempool_lookup(guest.name);) {
		CHECK(clock_ms() < until, "the guest stays");
		usleep(1000);
	}
}

/* ---- Interrupts ---- */

static void test_interrupts(const struct end *to, const struct end *from)
{
	struct rte_epoll_event event;
	struct rte_mbuf *m;

	CHECK(!rte_eth_dev_rx_intr_ctl_q(to->port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD,
					 NULL),
	      "ctl");
	for (unsigned int i = 0; i < 20; i++) {
		CHECK(!rte_eth_dev_rx_intr_enable(to->port, 0), "enable");
		while (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 0) > 0)
			;
		CHECK(!rte_eth_rx_burst(to->port, 0, &m, 1), "a frame from nowhere");
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 5) == 0, "awake");
		fill_frame(frames[0], 100 + i, i);
		send_one(from, 0, make_chain(from->pool, frames[0], 100 + i, 0));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 3000) == 1, "%s: asleep",
		      to->name);
		CHECK(!rte_eth_dev_rx_intr_disable(to->port, 0), "disable");
		m = receive_one(to, 0);
		check_mbuf(m, frames[0], 100 + i);
		rte_pktmbuf_free(m);
	}
	CHECK(!rte_eth_dev_rx_intr_ctl_q(to->port, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL,
					 NULL),
	      "ctl");
}

/* ---- Links ---- */

static bool is_up(const struct end *e)
{
	struct rte_eth_link link = { 0 };

	CHECK(!rte_eth_link_get_nowait(e->port, &link), "link");
	return link.link_status;
}

static void await_link(const struct end *e, bool up)
{
	uint64_t until = clock_ms() + WAIT_MS;

	while (is_up(e) != up) {
		CHECK(clock_ms() < until, "%s is %s", e->name, up ? "down" : "up");
		usleep(1000);
	}
}

static int on_link(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_stats stats;
	struct end *e = arg;

	(void)type;
	(void)ret;
	/* A program may well ask for more from there. */
	CHECK(!rte_eth_stats_get(port, &stats), "stats");
	atomic_fetch_add(&e->nr_link_events, 1);
	return 0;
}

static void test_link(void)
{
	unsigned int before = atomic_load(&host.nr_link_events);
	struct rte_mbuf *m;

	CHECK(!rte_eth_dev_stop(guest.port), "stop");
	await_link(&host, false);
	CHECK(!is_up(&guest), "stopped, and up");
	fill_frame(frames[0], 100, 1);
	m = make_chain(host.pool, frames[0], 100, 0);
	CHECK(!rte_eth_tx_burst(host.port, 0, &m, 1), "sent to nobody");
	rte_pktmbuf_free(m);
	CHECK(!rte_eth_rx_burst(host.port, 0, &m, 1), "from nobody");
	CHECK(!rte_eth_dev_start(guest.port), "start");
	await_link(&host, true);
	await_link(&guest, true);
	/* By the event all is said and done. */
	CHECK(atomic_load(&host.nr_link_events) >= before + 1, "no event");
	pass(&guest, &host, 1, 1000, 0);
	pass(&host, &guest, 1, 1000, 0);
}

/* ---- One end polls, the other leaves and comes back ---- */

struct echo {
	struct end *end;
	atomic_bool stop;
	uint64_t nr;
};

/* What comes goes back. */
static void *echo_main(void *arg)
{
	struct echo *e = arg;
	struct rte_mbuf *m[BURST];
	struct rte_eth_stats stats;

	CHECK(!rte_thread_register(), "register");
	while (!atomic_load(&e->stop)) {
		for (uint16_t q = 0; q < NR_QUEUES; q++) {
			uint16_t nr = rte_eth_rx_burst(e->end->port, q, m, BURST), sent;

			sent = nr ? rte_eth_tx_burst(e->end->port, q, m, nr) : 0;
			rte_pktmbuf_free_bulk(m + sent, nr - sent);
			e->nr += nr;
		}
		CHECK(!rte_eth_stats_get(e->end->port, &stats), "stats");
		sched_yield();
	}
	rte_thread_unregister();
	return NULL;
}

static void open_port(struct end *e);

static void leave_and_return(struct end *e, unsigned int how)
{
	if (e == &host) {
		CHECK(!rte_eal_hotplug_remove("vdev", e->name), "unplug");
		CHECK(!rte_eal_hotplug_add("vdev", e->name, e->args), "plug");
		open_port(e);
	} else if (how % 4) {
		CHECK(!rte_eth_dev_stop(e->port), "stop");
		CHECK(!rte_eth_dev_start(e->port), "start");
	} else {
		CHECK(!rte_eal_hotplug_remove("vdev", e->name), "unplug");
		CHECK(!rte_eal_hotplug_add("vdev", e->name, e->args), "plug");
		open_port(e);
	}
	await_link(e, true);
}

static void test_threads(struct end *polled, struct end *moved, unsigned int rounds)
{
	struct echo echo = { .end = polled };
	struct rte_mbuf *m, *back;
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, echo_main, &echo), "thread");
	for (unsigned int i = 0; i < rounds; i++) {
		leave_and_return(moved, i);
		await_link(polled, true);
		for (unsigned int k = 0; k < 20; k++) {
			uint16_t queue = (uint16_t)(k % NR_QUEUES);

			fill_frame(frames[0], 100 + k * 400, i);
			m = make_chain(moved->pool, frames[0], 100 + k * 400, 0);
			send_one(moved, queue, m);
			back = receive_one(moved, queue);
			check_mbuf(back, frames[0], 100 + k * 400);
			rte_pktmbuf_free(back);
		}
	}
	atomic_store(&echo.stop, true);
	pthread_join(thread, NULL);
	CHECK(echo.nr >= rounds * 20, "%lu", echo.nr);
}

/* What is sent while the host's end is away waits in the rings. */
static void test_hot_plug(void)
{
	struct rte_mbuf *m;

	CHECK(!rte_eal_hotplug_remove("vdev", host.name), "unplug");
	CHECK(is_up(&guest), "its backend may come back, and the guest is to notice nothing");
	fill_frame(frames[0], 3000, 1);
	send_one(&guest, 0, make_chain(guest.pool, frames[0], 3000, 0));
	CHECK(!rte_eal_hotplug_add("vdev", host.name, host.args), "plug");
	open_port(&host);
	await_link(&host, true);
	m = receive_one(&host, 0);
	check_mbuf(m, frames[0], 3000);
	rte_pktmbuf_free(m);
	pass(&host, &guest, 1, 3000, 0);
}

/* ---- Set up ---- */

static void open_port(struct end *e)
{
	struct rte_eth_conf conf = {
		.rxmode = { .offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER |
					RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM,
			    .max_lro_pkt_size = FRAME_MAX },
		.txmode = { .offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
					RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
					RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO },
		.intr_conf = { .rxq = 1, .lsc = 1 },
	};

	CHECK(!rte_eth_dev_get_port_by_name(e->name, &e->port), "no port %s", e->name);
	CHECK(!rte_eth_dev_configure(e->port, NR_QUEUES, NR_QUEUES, &conf), "configure");
	for (uint16_t i = 0; i < NR_QUEUES; i++) {
		CHECK(!rte_eth_rx_queue_setup(e->port, i, 256, 0, NULL, e->pool), "receive queue");
		CHECK(!rte_eth_tx_queue_setup(e->port, i, 256, 0, NULL), "send queue");
	}
	CHECK(!rte_eth_dev_set_mtu(e->port, 9000), "MTU of 9000");
	CHECK(!rte_eth_dev_callback_register(e->port, RTE_ETH_EVENT_INTR_LSC, on_link, e), "event");
	CHECK(!rte_eth_dev_start(e->port), "start");
	e->granted = rte_mempool_lookup(e->name);
}

static void begin(struct end *e)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "mbufs of %s", e->name);
	e->pool = rte_pktmbuf_pool_create(name, NR_MBUFS, 0, 0, MBUF_ROOM + RTE_PKTMBUF_HEADROOM,
					  SOCKET_ID_ANY);
	CHECK(e->pool, "%s", rte_strerror(rte_errno));
	CHECK(!rte_eal_hotplug_add("vdev", e->name, e->args), "%s,%s", e->name, e->args);
	open_port(e);
}

static void check_all_back(const struct end *e)
{
	CHECK(rte_mempool_avail_count(e->pool) == NR_MBUFS, "%s: %u mbufs are lost", e->name,
	      NR_MBUFS - rte_mempool_avail_count(e->pool));
}

static void end(const struct end *e)
{
	CHECK(!rte_eth_dev_stop(e->port) && !rte_eth_dev_close(e->port), "close");
	check_all_back(e);
}

int main(int argc, char **argv)
{
	unsigned int nr = 0, step, rounds;
	char *eal[32];

	CHECK(argc > 6 && argc < 20,
	      "usage: %s PLUGIN RUN-DIR DOMID STEP ROUNDS ZERO-COPY [EAL-OPTION...]", argv[0]);
	snprintf(host.args, sizeof(host.args), "dom=%s,run-dir=%s", argv[3], argv[2]);
	snprintf(guest.args, sizeof(guest.args), "guest=%s/guests/%s.sock,zero-copy=%s", argv[2],
		 argv[3], argv[6]);
	step = (unsigned int)strtoul(argv[4], NULL, 10);
	rounds = (unsigned int)strtoul(argv[5], NULL, 10);
	eal[nr++] = argv[0];
	eal[nr++] = (char *)"-d";
	eal[nr++] = argv[1];
	for (int i = 7; i < argc; i++)
		eal[nr++] = argv[i];
	CHECK(rte_eal_init((int)nr, eal) >= 0, "%s", rte_strerror(rte_errno));
	begin(&host);
	begin(&guest);
	await_link(&host, true);
	await_link(&guest, true);
	test_queues();
	test_frames(step);
	test_segments();
	CHECK(!guest.granted == !strcmp(argv[6], "0"), "a pool of granted pages");
	test_lent(step);
	test_counters();
	test_interrupts(&host, &guest);
	test_interrupts(&guest, &host);
	test_link();
	test_hot_plug();
	test_threads(&host, &guest, rounds);
	test_threads(&guest, &host, rounds);
	test_held();
	check_all_back(&guest);
	end(&host);
	CHECK(!rte_eal_cleanup(), "cleanup");
	return 0;
}
