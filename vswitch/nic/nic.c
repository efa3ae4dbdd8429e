/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/nic/nic.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf.h>

#include "vswitch/card.h"

#define RING_SIZE    512u
#define VHOST_MBUFS  1024u /* that DPDK holds of a guest, and the ring */
#define NR_MBUFS     (8u * RING_SIZE)
#define QUEUES_MAX   16u
#define SEND_MAX     64u
#define MEMORY_LEAST (64ull << 20)

struct nic {
	uint16_t port;
	bool started, has_interrupts, interrupts; /* may have; has */
	unsigned int nr_queues, next;
	uint32_t frame_max;
	struct rte_mempool *pool;
	const char *bus;
	char name[32]; /* on its bus: a PCI address, or one of ours */
	struct rte_mbuf *sending[SEND_MAX];
	struct rte_mbuf *next_sent; /* room that was given; NULL: none */
	unsigned int nr_sending;
	int fds[QUEUES_MAX];
};

static int fail(char *why, int rc, const char *pci, const char *text)
{
	snprintf(why, FAST_DEVICE_WHY_MAX, "%.20s: %s (%s)", pci, text, strerror(-rc));
	return rc;
}

/* EAL cannot be started twice, so what it lacks must be known before. */
static int check_hugepages(const struct fast_device_config *config, uint64_t memory, char *why)
{
	unsigned long long nr = 0, kib = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "HugePages_Free: %llu", &nr);
		sscanf(line, "Hugepagesize: %llu", &kib);
	}
	if (f)
		fclose(f);
	if (kib && nr * (kib << 10) >= memory)
		return 0;
	snprintf(
		why, FAST_DEVICE_WHY_MAX,
		"%.20s: DPDK needs %llu MiB of hugepages, %llu MiB are free: 'sysctl vm.nr_hugepages=%llu'",
		config->name, (unsigned long long)memory >> 20, nr * kib >> 10,
		kib ? ((unsigned long long)memory >> 10) / kib : 0);
	return -ENOMEM;
}

/* EAL pins the thread that starts it and takes over signals' and log's manners as little as it lets us. */
static int start_eal(const struct fast_device_config *config, char *why)
{
	static int started = 1;
	uint64_t memory = config->memory > MEMORY_LEAST ? config->memory : MEMORY_LEAST;
	char prefix[40], size[24], cpu[16], pages[16];
	char *argv[16];
	cpu_set_t cpus;
	int argc = 0, rc;

	if (started <= 0)
		return started ? fail(why, started, config->name,
				      "DPDK did not start, see the log: restart vifrost-netback")
			       : 0;
	rc = config->hugepages ? check_hugepages(config, memory, why) : 0;
	if (rc)
		return rc;
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return -errno;
	snprintf(prefix, sizeof(prefix), "vifrost-%d", (int)getpid());
	snprintf(size, sizeof(size), "%llu", (unsigned long long)(memory >> 20));
	snprintf(cpu, sizeof(cpu), "%d", sched_getcpu());
	argv[argc++] = (char[]){ "vifrost-netback" };
	argv[argc++] = (char[]){ "-l" };
	argv[argc++] = cpu;
	argv[argc++] = (char[]){ "-m" };
	argv[argc++] = size;
	argv[argc++] = (char[]){ "--no-telemetry" };
	argv[argc++] = (char[]){ "--log-level=lib.*:error" };
	argv[argc++] = (char[]){ "--file-prefix" };
	argv[argc++] = prefix;
	/* Devices are probed one by one, by name. */
	argv[argc++] = (char[]){ "-a" };
	argv[argc++] = (char[]){ "ffff:ff:1f.7" };
	snprintf(pages, sizeof(pages), "%s", config->hugepages ? "--in-memory" : "--no-huge");
	argv[argc++] = pages;
	rc = rte_eal_init(argc, argv);
	started = rc < 0 ? -rte_errno : 0;
	sched_setaffinity(0, sizeof(cpus), &cpus);
	if (rc < 0)
		return fail(why, started, config->name, "DPDK does not start, see the log");
	return 0;
}

static int find_port(const char *bus, const char *name, const char *args, uint16_t *port_out)
{
	int rc = rte_eal_hotplug_add(bus, name, args);

	if (rc && rc != -EEXIST)
		return rc;
	return rte_eth_dev_get_port_by_name(name, port_out);
}

static int set_up_queues(struct nic *n, unsigned int id)
{
	int socket = rte_eth_dev_socket_id(n->port), rc;

	rc = rte_eth_rx_queue_setup(n->port, (uint16_t)id, RING_SIZE,
				    (unsigned int)(socket < 0 ? SOCKET_ID_ANY : socket), NULL,
				    n->pool);
	return rc ? rc
		  : rte_eth_tx_queue_setup(n->port, (uint16_t)id, RING_SIZE,
					   (unsigned int)(socket < 0 ? SOCKET_ID_ANY : socket),
					   NULL);
}

static void find_fds(struct nic *n)
{
	n->interrupts = true;
	for (unsigned int i = 0; i < n->nr_queues; i++) {
		n->fds[i] = rte_eth_dev_rx_intr_ctl_q_get_fd(n->port, (uint16_t)i);
		n->interrupts &= n->fds[i] >= 0;
	}
}

static int configure(struct nic *n, const struct fast_device_config *config, char *why)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(n->port, &info);

	if (rc)
		return fail(why, rc, n->name, "its driver does not answer");
	n->nr_queues = config->queues ? config->queues : 1;
	if (n->nr_queues > info.max_rx_queues || n->nr_queues > info.max_tx_queues ||
	    n->nr_queues > QUEUES_MAX)
		return fail(why, -ERANGE, n->name, "it has not so many queues: rx-queues");
	if (n->nr_queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP |
						    RTE_ETH_RSS_UDP) &
						   info.flow_type_rss_offloads;
	}
	conf.rxmode.mtu = config->mtu;
	/* A driver that has none says so here: then it is looked at now and then. */
	conf.intr_conf.rxq = n->has_interrupts;
	rc = rte_eth_dev_configure(n->port, (uint16_t)n->nr_queues, (uint16_t)n->nr_queues, &conf);
	if (rc && n->has_interrupts) {
		conf.intr_conf.rxq = 0;
		rc = rte_eth_dev_configure(n->port, (uint16_t)n->nr_queues, (uint16_t)n->nr_queues,
					   &conf);
	}
	for (unsigned int i = 0; !rc && i < n->nr_queues; i++)
		rc = set_up_queues(n, i);
	if (!rc)
		rc = rte_eth_dev_start(n->port);
	n->started = !rc;
	if (rc)
		return fail(why, rc, n->name, "its driver does not take this configuration");
	rte_eth_promiscuous_enable(n->port);
	if (conf.intr_conf.rxq)
		find_fds(n);
	return 0;
}

static void nic_close(void *device)
{
	struct nic *n = device;

	if (!n)
		return;
	if (n->started)
		rte_eth_dev_stop(n->port);
	if (n->port != RTE_MAX_ETHPORTS)
		rte_eal_hotplug_remove(n->bus, n->name);
	rte_mempool_free(n->pool);
	free(n);
}

/* @n: as far as its maker has filled it; taken over. */
static int open_port(struct nic *n, const struct fast_device_config *config, const char *args,
		     unsigned int nr_mbufs, void **device_out, char *why)
{
	unsigned int mtu = config->mtu ? config->mtu : RTE_ETHER_MTU;
	int rc;

	n->port = RTE_MAX_ETHPORTS;
	n->frame_max = mtu + RTE_ETHER_HDR_LEN + 8;
	n->pool = rte_pktmbuf_pool_create(n->name, nr_mbufs, 0, 0,
					  (uint16_t)(RTE_PKTMBUF_HEADROOM + n->frame_max + 64),
					  SOCKET_ID_ANY);
	if (!n->pool) {
		rc = fail(why, -rte_errno, n->name, "no memory for its frames: socket-mem");
		goto out;
	}
	rc = find_port(n->bus, n->name, args, &n->port);
	if (rc) {
		n->port = RTE_MAX_ETHPORTS;
		rc = fail(why, rc, n->name, "no driver of DPDK takes it");
		goto out;
	}
	rc = configure(n, config, why);
out:
	if (rc) {
		nic_close(n);
		n = NULL;
	}
	*device_out = n;
	return rc;
}

static int nic_open(const struct fast_device_config *config, void **device_out, char *why)
{
	struct nic *n;
	int rc = card_check(config->name, why, FAST_DEVICE_WHY_MAX);

	*device_out = NULL;
	if (!rc)
		rc = start_eal(config, why);
	if (rc)
		return rc;
	n = calloc(1, sizeof(*n));
	if (!n)
		return fail(why, -ENOMEM, config->name, "no memory");
	n->bus = "pci";
	n->has_interrupts = true;
	snprintf(n->name, sizeof(n->name), "%s", config->name);
	return open_port(n, config, "", NR_MBUFS, device_out, why);
}

/*
 * We listen, and QEMU connects again when we have come back. Frames come in one piece, with all sums made: what
 * a guest left to do DPDK does as it copies.
 */
static int vhost_open(const struct fast_device_config *config, void **device_out, char *why)
{
	static unsigned int nr_opened;
	char args[PATH_MAX + 64];
	struct nic *n;
	int rc;

	*device_out = NULL;
	/* Of DPDK's, what separates one argument from the next. */
	if (strpbrk(config->name, ",[]=")) {
		snprintf(why, FAST_DEVICE_WHY_MAX, "%.200s: a path without , = [ ] is wanted",
			 config->name);
		return -EINVAL;
	}
	rc = start_eal(config, why);
	if (rc)
		return rc;
	n = calloc(1, sizeof(*n));
	if (!n)
		return fail(why, -ENOMEM, config->name, "no memory");
	n->bus = "vdev";
	snprintf(n->name, sizeof(n->name), "net_vhost%u", nr_opened++);
	snprintf(args, sizeof(args), "iface=%s,queues=1,linear-buffer=1", config->name);
	/* A dead predecessor's; DPDK does not take its place. */
	unlink(config->name);
	rc = open_port(n, config, args, VHOST_MBUFS, device_out, why);
	if (!rc && chown(config->name, config->owner, config->owner) < 0) {
		rc = fail(why, -errno, config->name, "its owner cannot be set");
		nic_close(*device_out);
		*device_out = NULL;
	}
	return rc;
}

static int nic_fd(const void *device, unsigned int i)
{
	const struct nic *n = device;

	return n->interrupts && i < n->nr_queues ? n->fds[i] : -1;
}

static bool nic_arm(void *device)
{
	struct nic *n = device;

	for (unsigned int i = 0; n->interrupts && i < n->nr_queues; i++)
		if (rte_eth_dev_rx_intr_enable(n->port, (uint16_t)i))
			return false;
	return n->interrupts;
}

static void nic_disarm(void *device)
{
	struct nic *n = device;
	uint64_t count;

	for (unsigned int i = 0; n->interrupts && i < n->nr_queues; i++) {
		rte_eth_dev_rx_intr_disable(n->port, (uint16_t)i);
		/* An eventfd, non-blocking: nothing to read is as good. */
		if (read(n->fds[i], &count, sizeof(count)) < 0)
			continue;
	}
}

static uint32_t nic_frame_max(const void *device)
{
	return ((const struct nic *)device)->frame_max;
}

static const char *vhost_says(const void *device)
{
	(void)device;
	return "vhost-user";
}

static const char *nic_says(const void *device)
{
	return ((const struct nic *)device)->interrupts ? "DPDK driver" : "DPDK driver, polled";
}

static unsigned int nic_take(void *device, struct fast_frame *frames, unsigned int max)
{
	struct rte_mbuf *mbufs[SEND_MAX];
	struct nic *n = device;
	unsigned int nr = 0;

	for (unsigned int i = 0; i < n->nr_queues && nr < max; i++) {
		unsigned int room = max - nr < SEND_MAX ? max - nr : SEND_MAX;
		uint16_t got = rte_eth_rx_burst(n->port, (uint16_t)n->next, mbufs, (uint16_t)room);

		for (uint16_t k = 0; k < got; k++) {
			/* The pool's are as long as the largest frame; a guest's may be longer. */
			if (mbufs[k]->next) {
				rte_pktmbuf_free(mbufs[k]);
				continue;
			}
			frames[nr++] = (struct fast_frame){ .data = rte_pktmbuf_mtod(mbufs[k],
										     uint8_t *),
							    .len = rte_pktmbuf_data_len(mbufs[k]),
							    .handle = (uintptr_t)mbufs[k] };
		}
		n->next = n->next + 1 < n->nr_queues ? n->next + 1 : 0;
	}
	return nr;
}

static void nic_release(void *device, const struct fast_frame *frames, unsigned int nr)
{
	(void)device;
	for (unsigned int i = 0; i < nr; i++)
		rte_pktmbuf_free((struct rte_mbuf *)(uintptr_t)frames[i].handle);
}

static void nic_flush(void *device)
{
	struct nic *n = device;
	uint16_t sent = rte_eth_tx_burst(n->port, 0, n->sending, (uint16_t)n->nr_sending);

	rte_pktmbuf_free_bulk(n->sending + sent, n->nr_sending - sent);
	n->nr_sending = 0;
}

static uint8_t *nic_room(void *device)
{
	struct nic *n = device;
	struct rte_mbuf *m;

	if (n->nr_sending == SEND_MAX)
		nic_flush(n);
	/* One that was not sent, because a guest's frame could not be, is there still. */
	m = n->next_sent ? n->next_sent : rte_pktmbuf_alloc(n->pool);
	n->next_sent = m;
	return m ? rte_pktmbuf_mtod(m, uint8_t *) : NULL;
}

static void nic_send(void *device, uint32_t len)
{
	struct nic *n = device;
	struct rte_mbuf *m = n->next_sent;

	n->next_sent = NULL;
	n->sending[n->nr_sending++] = m;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

const struct fast_device_ops nic_device = {
	.open = nic_open,
	.close = nic_close,
	.fd = nic_fd,
	.arm = nic_arm,
	.disarm = nic_disarm,
	.frame_max = nic_frame_max,
	.says = nic_says,
	.take = nic_take,
	.release = nic_release,
	.room = nic_room,
	.send = nic_send,
	.flush = nic_flush,
};

const struct fast_device_ops vhost_device = {
	.open = vhost_open,
	.close = nic_close,
	.fd = nic_fd,
	.arm = nic_arm,
	.disarm = nic_disarm,
	.frame_max = nic_frame_max,
	.says = vhost_says,
	.take = nic_take,
	.release = nic_release,
	.room = nic_room,
	.send = nic_send,
	.flush = nic_flush,
};
