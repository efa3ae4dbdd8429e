/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/pmd/pmd_rig.h"

#include <sched.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_eal.h>

#include "base/clock.h"
#include "netback/frame.h"
#include "netback/pmd_xenvif.h"

#define NR_PORTS  4u
#define NR_MBUFS  512u
#define MBUF_ROOM 2048u

#define RX_FLAGS                                                                                   \
	(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_LRO | RTE_MBUF_F_TX_IPV4 |                    \
	 RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_EXTERNAL)

struct pmd_port {
	struct rig *rig;
	struct rte_eth_dev dev;
	struct rte_eth_dev_data data;
	struct xv_port port;
	struct xv_rx rx;
	struct xv_tx tx;
	bool gone; /* its guest */
};

static struct rte_mempool *pool;
static struct pmd_port ports[NR_PORTS];
static struct pmd_rig_program program = { true, true, true, XV_BURST };

/* Its mbufs go back to the pool. */
static void drop_hand(struct xv_rx *rx)
{
	if (rx->nr_stash)
		rte_mempool_put_bulk(pool, (void **)&rx->stash[rx->first], rx->nr_stash);
	rx->first = rx->nr_stash = 0;
	xv_left_drop(rx);
}

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void init_port(struct pmd_port *p, struct rig *r)
{
	drop_hand(&p->rx);
	memset(p, 0, sizeof(*p));
	p->rig = r;
	p->dev.data = &p->data;
	p->port.dev = &p->dev;
	p->port.nr_rx = 1;
	p->rx.port = p->tx.port = &p->port;
	p->rx.pool = pool;
	p->rx.room = MBUF_ROOM;
	for (unsigned int i = 0; i < XV_BURST; i++)
		p->tx.list[i] = &p->tx.views[i];
	atomic_store(&p->port.nr_links, 1);
}

static struct pmd_port *port_of(struct rig *r)
{
	static unsigned int next;
	unsigned int i = 0;

	while (i < NR_PORTS && ports[i].rig != r)
		i++;
	/* Rigs that a test is done with need theirs no more. */
	if (i == NR_PORTS) {
		i = next++ % NR_PORTS;
		init_port(&ports[i], r);
	}
	ports[i].port.carry_scatter = program.scatter;
	ports[i].port.carry_csum = program.csum;
	ports[i].port.carry_gso = program.gso;
	/* A rig may have been made anew since. */
	if (ports[i].gone)
		return &ports[i];
	ports[i].port.links[0].queue = &r->queue;
	ports[i].port.links[0].batch = r->batch;
	return &ports[i];
}

struct rte_mempool *pmd_rig_pool(void)
{
	return pool;
}

void pmd_rig_check(const struct rte_mbuf *m)
{
	uint32_t size = 0;
	unsigned int nr = 0;

	rte_mbuf_sanity_check(m, 1);
	must(!(m->ol_flags & ~RX_FLAGS));
	for (const struct rte_mbuf *at = m; at; at = at->next, nr++) {
		must(at->data_len && at->data_off + at->data_len <= at->buf_len);
		size += at->data_len;
	}
	must(size == m->pkt_len && nr == m->nb_segs);
	must(!(m->ol_flags & RTE_MBUF_F_TX_L4_MASK) ||
	     (uint32_t)m->l2_len + m->l3_len + 8 <= m->data_len);
	must(!(m->ol_flags & RTE_MBUF_F_RX_LRO) || (m->tso_segsz && program.gso));
	must(!(m->ol_flags & RTE_MBUF_F_TX_L4_MASK) || program.csum);
	must(m->nb_segs == 1 || program.scatter);
}

static void to_port(struct rig *r, const struct rte_mbuf *m)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[64] = { { &vnet, sizeof(vnet) } };
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	int nr = 1;

	pmd_rig_check(m);
	if (l4) {
		vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet.csum_start = (uint16_t)(m->l2_len + m->l3_len);
		vnet.csum_offset = l4 == RTE_MBUF_F_TX_UDP_CKSUM ? 6 : 16;
	}
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		vnet.gso_type = m->ol_flags & RTE_MBUF_F_TX_IPV6 ? VIRTIO_NET_HDR_GSO_TCPV6
								 : VIRTIO_NET_HDR_GSO_TCPV4;
		vnet.gso_size = m->tso_segsz;
		vnet.hdr_len = (uint16_t)(m->l2_len + m->l3_len + m->l4_len);
	}
	for (; m; m = m->next)
		iov[nr++] = (struct iovec){ rte_pktmbuf_mtod(m, void *), m->data_len };
	must(writev(r->port[1], iov, nr) >= 0);
}

static void ask_offloads(struct rte_mbuf *m, const struct rig_frame *w)
{
	unsigned int type = w->vnet.gso_type & ~(unsigned int)VIRTIO_NET_HDR_GSO_ECN;
	struct nb_frame f;

	if (!(w->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return;
	nb_frame_parse(w->data, RTE_MIN(w->size, (size_t)NB_HEADER_MAX), w->size, &f);
	m->l2_len = f.l3;
	m->l3_len = f.l4 - f.l3;
	m->l4_len = f.l4_header;
	m->ol_flags |= f.ip_version == 6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	m->ol_flags |= f.protocol == 17 ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
	if (!type)
		return;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->tso_segsz = w->vnet.gso_size;
}

/* NULL: there is none. */
static struct rte_mbuf *from_port(struct rig *r)
{
	struct rig_frame *w = r->waiting;
	struct iovec iov[2] = { { &w->vnet, sizeof(w->vnet) }, { w->data, sizeof(w->data) } };
	ssize_t n = w->size ? 0 : readv(r->port[1], iov, 2);
	struct rte_mbuf *first = NULL, **next = &first;

	if (n < 0)
		return NULL;
	if (n)
		w->size = (size_t)n - sizeof(w->vnet);
	for (size_t done = 0; done < w->size; next = &(*next)->next) {
		size_t len = RTE_MIN(w->size - done, (size_t)MBUF_ROOM);

		*next = rte_pktmbuf_alloc(pool);
		must(*next);
		memcpy(rte_pktmbuf_append(*next, (uint16_t)len), w->data + done, len);
		if (*next != first) {
			first->nb_segs++;
			first->pkt_len += (uint32_t)len;
		}
		done += len;
	}
	if (first)
		ask_offloads(first, w);
	return first;
}

/* False: it waits, or there is none. */
static bool send_waiting(struct pmd_port *p, struct rig *r)
{
	struct rte_mbuf *m = from_port(r);

	if (!m)
		return false;
	if (!xv_tx_burst(&p->tx, &m, 1)) {
		rte_pktmbuf_free(m);
		return false;
	}
	r->waiting->size = 0;
	return true;
}

static void poll_rig(struct rig *r)
{
	struct pmd_port *p = port_of(r);
	struct rte_mbuf *mbufs[XV_BURST];

	do {
		uint16_t nr = xv_rx_burst(&p->rx, mbufs, (uint16_t)program.burst);

		must(nr <= program.burst && p->rx.nr_left <= XV_LEFT_MAX);

		for (uint16_t i = 0; i < nr; i++)
			to_port(r, mbufs[i]);
		rte_pktmbuf_free_bulk(mbufs, nr);
		while (send_waiting(p, r))
			;
	} while (nb_queue_arm(&r->queue, clock_ns()) || p->rx.nr_left);
}

void pmd_rig_set(const struct pmd_rig_program *p)
{
	program = p ? *p : (struct pmd_rig_program){ true, true, true, XV_BURST };
}

const struct xv_rx_stats *pmd_rig_stats(struct rig *r)
{
	return &port_of(r)->rx.stats;
}

void pmd_rig_anew(struct rig *r)
{
	init_port(port_of(r), r);
}

void pmd_rig_expect_cuts(struct rig *r, bool expect)
{
	port_of(r)->port.links[0].cuts = expect;
}

void pmd_rig_gone(struct rig *r)
{
	struct pmd_port *p = port_of(r);

	p->gone = true;
	p->port.links[0].queue = NULL;
	atomic_store(&p->port.nr_links, 0);
}

unsigned int pmd_rig_poll_once(struct rig *r, unsigned int max)
{
	struct pmd_port *p = port_of(r);
	struct rte_mbuf *mbufs[XV_BURST];
	uint16_t nr = xv_rx_burst(&p->rx, mbufs, (uint16_t)max);

	for (uint16_t i = 0; i < nr; i++)
		to_port(r, mbufs[i]);
	rte_pktmbuf_free_bulk(mbufs, nr);
	return nr;
}

unsigned int pmd_rig_burst(struct rig *from, struct rig *to, unsigned int max)
{
	struct pmd_port *in = port_of(from), *out = port_of(to);
	struct rte_mbuf *mbufs[XV_BURST];
	uint16_t nr = xv_rx_burst(&in->rx, mbufs, (uint16_t)RTE_MIN(max, XV_BURST)), done;

	for (uint16_t i = 0; i < nr; i++)
		pmd_rig_check(mbufs[i]);
	done = xv_tx_burst(&out->tx, mbufs, nr);
	must(done <= nr);
	rte_pktmbuf_free_bulk(mbufs + done, nr - done);
	return nr;
}

unsigned int pmd_rig_lost(void)
{
	for (unsigned int i = 0; i < NR_PORTS; i++)
		drop_hand(&ports[i].rx);
	return NR_MBUFS - rte_mempool_avail_count(pool);
}

void pmd_rig_begin(void)
{
	char prefix[48], lcores[16];
	cpu_set_t cpus;
	char *args[] = { (char *)"test",
			 (char *)"--no-huge",
			 (char *)"-m",
			 (char *)"64",
			 (char *)"--no-pci",
			 (char *)"--no-telemetry",
			 (char *)"--file-prefix",
			 prefix,
			 (char *)"--lcores",
			 lcores,
			 (char *)"--log-level=error" };

	snprintf(prefix, sizeof(prefix), "vifrost-test-%d", (int)getpid());
	snprintf(lcores, sizeof(lcores), "0@%d", sched_getcpu());
	must(!sched_getaffinity(0, sizeof(cpus), &cpus));
	must(rte_eal_init((int)RTE_DIM(args), args) >= 0);
	/* A guest's thread that races with us is to have a processor of its own. */
	must(!sched_setaffinity(0, sizeof(cpus), &cpus));
	pool = rte_pktmbuf_pool_create("rig", NR_MBUFS, 0, 0, MBUF_ROOM + RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
	must(pool);
	rig_poller = poll_rig;
}
