/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_xenfront: a vif's guest end as a DPDK port, by devargs guest=PATH (the socket of a guest with
 * frontend = "program"; without it this domU of a real Xen), devid= and queues=.
 *
 * The port connects when it is started and closes when it is stopped. In between the backend may go and
 * come back; meanwhile the link is down, bursts do nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>

#include "netback/pmd_xenfront.h"

#define RX_OFFLOADS                                                                                \
	(RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |                             \
	 RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER)
#define LONG_OFFLOADS (RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_TCP_LRO)
#define TX_OFFLOADS                                                                                \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |                            \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO |                               \
	 RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
#define MTU_DEFAULT 1500u
#define CONNECT_MS  500 /* that a start waits for a backend that is there */

static struct xenfront *priv(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

static void lock(struct xenfront *x)
{
	pthread_mutex_lock(&x->guest->lock);
}

static void unlock(struct xenfront *x)
{
	pthread_mutex_unlock(&x->guest->lock);
	/* What there is to wait for may be another. */
	xenfront_wake(x->guest);
}

static int dev_configure(struct rte_eth_dev *dev)
{
	(void)dev;
	return 0;
}

static void close_interrupts(struct rte_eth_dev *dev)
{
	struct xenfront *x = priv(dev);

	rte_intr_efd_disable(dev->intr_handle);
	rte_intr_vec_list_free(dev->intr_handle);
	for (unsigned int i = 0; i < FRONT_MAX_QUEUES; i++) {
		x->rx[i].armed = false;
		if (x->rx[i].event_fd >= 0)
			close(x->rx[i].event_fd);
		x->rx[i].event_fd = -1;
	}
}

static int open_interrupts(struct rte_eth_dev *dev)
{
	struct rte_intr_handle *h = dev->intr_handle;
	struct xenfront *x = priv(dev);
	uint16_t nr = dev->data->nb_rx_queues;

	if (!dev->data->dev_conf.intr_conf.rxq)
		return 0;
	if (rte_intr_vec_list_alloc(h, "xenfront", nr))
		return -ENOMEM;
	for (uint16_t i = 0; i < nr; i++) {
		x->rx[i].event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (x->rx[i].event_fd < 0)
			return -errno;
		if (rte_intr_vec_list_index_set(h, i, RTE_INTR_VEC_RXTX_OFFSET + i) ||
		    rte_intr_efds_index_set(h, i, x->rx[i].event_fd))
			return -rte_errno;
	}
	rte_intr_nb_efd_set(h, nr);
	rte_intr_max_intr_set(h, nr + 1);
	rte_intr_efd_counter_size_set(h, sizeof(uint64_t));
	rte_intr_type_set(h, RTE_INTR_HANDLE_VDEV);
	return 0;
}

static int dev_start(struct rte_eth_dev *dev)
{
	struct xenfront *x = priv(dev);
	bool up = false;
	int rc;

	rc = open_interrupts(dev);
	if (rc) {
		close_interrupts(dev);
		return rc;
	}
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		x->rx[i].scatter = (dev->data->dev_conf.rxmode.offloads & LONG_OFFLOADS) != 0;
	lock(x);
	x->started = true;
	xenfront_follow(x);
	unlock(x);
	/* A program that begins to send at once is not to lose its first frames. */
	for (int i = 0; i < CONNECT_MS / 10 && !up; i++) {
		lock(x);
		up = x->connection && front_info(x->front)->state == FRONT_CONNECTED;
		unlock(x);
		if (!up)
			usleep(10000);
	}
	return 0;
}

static int dev_stop(struct rte_eth_dev *dev)
{
	struct xenfront *x = priv(dev);

	lock(x);
	x->started = false;
	xenfront_disconnect(x);
	unlock(x);
	close_interrupts(dev);
	dev->data->dev_started = 0;
	return 0;
}

static int dev_close(struct rte_eth_dev *dev)
{
	struct xenfront *x = priv(dev);

	if (!x->guest)
		return 0;
	dev_stop(dev);
	lock(x);
	list_remove(&x->list);
	xenfront_await_told(x->guest);
	unlock(x);
	xenfront_guest_put(x->guest);
	x->guest = NULL;
	dev->data->mac_addrs = NULL;
	rte_intr_instance_free(dev->intr_handle);
	dev->intr_handle = NULL;
	return 0;
}

static int dev_info(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	struct xenfront *x = priv(dev);

	info->max_mac_addrs = 1;
	info->max_rx_pktlen = FRONT_MAX_FRAME;
	info->max_lro_pkt_size = FRONT_MAX_FRAME;
	info->min_rx_bufsize = 64;
	info->min_mtu = 68;
	info->max_mtu = FRONT_MAX_FRAME - XENFRONT_OVERHEAD;
	info->max_rx_queues = (uint16_t)x->max_queues;
	info->max_tx_queues = (uint16_t)x->max_queues;
	info->rx_offload_capa = RX_OFFLOADS;
	info->tx_offload_capa = TX_OFFLOADS;
	info->rx_desc_lim = (struct rte_eth_desc_lim){ .nb_max = FRONT_RING_SLOTS,
						       .nb_min = FRONT_RING_SLOTS,
						       .nb_align = 1 };
	info->tx_desc_lim = info->rx_desc_lim;
	info->tx_desc_lim.nb_seg_max = UINT8_MAX;
	info->tx_desc_lim.nb_mtu_seg_max = UINT8_MAX;
	info->default_rxportconf = (struct rte_eth_dev_portconf){ XENFRONT_BURST, FRONT_RING_SLOTS,
								  1 };
	info->default_txportconf = info->default_rxportconf;
	info->speed_capa = 0;
	return 0;
}

static int rx_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t nr_desc, unsigned int socket,
		    const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	struct xenfront_rx *rx = &priv(dev)->rx[id];

	(void)nr_desc;
	(void)socket;
	(void)conf;
	rx->pool = pool;
	rx->attaches = !(rte_pktmbuf_priv_flags(pool) & RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF);
	rx->port = dev->data->port_id;
	rx->room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	dev->data->rx_queues[id] = rx;
	return 0;
}

static int tx_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t nr_desc, unsigned int socket,
		    const struct rte_eth_txconf *conf)
{
	(void)nr_desc;
	(void)socket;
	(void)conf;
	dev->data->tx_queues[id] = &priv(dev)->tx[id];
	return 0;
}

/* What was lent and has been answered is let go of. */
static int tx_done(void *queue, uint32_t nr)
{
	struct xenfront_tx *tx = queue;
	struct front_queue *q = xenfront_enter(&tx->gate);

	(void)nr;
	if (!q)
		return 0;
	front_from_guest_room(q);
	xenfront_leave(&tx->gate);
	return 0;
}

/* The control thread keeps it true. */
static int link_update(struct rte_eth_dev *dev, int wait)
{
	(void)dev;
	(void)wait;
	return 0;
}

/* The backend sends what it holds to be ours; we keep all of that. */
static int accept_all(struct rte_eth_dev *dev)
{
	(void)dev;
	return 0;
}

/*
 * To the guest any length comes, in as many mbufs as it takes and the program lets it; what is longer than the vif's MTU the backend
 * drops. DPDK's default is no wish: a program may set it with any vif.
 */
static int mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
	struct xenfront *x = priv(dev);
	uint16_t max;

	lock(x);
	max = x->mtu;
	unlock(x);
	if (mtu <= MTU_DEFAULT || mtu <= max)
		return 0;
	pmd_log(ERR, "%s: an MTU of %u is more than its vif's, %u: raise the network's MTU first\n",
		dev->data->name, mtu, max);
	return -EINVAL;
}

static int intr_enable(struct rte_eth_dev *dev, uint16_t id)
{
	struct xenfront_rx *rx = &priv(dev)->rx[id];
	struct front_queue *q = xenfront_enter(&rx->gate);
	bool there = false;

	if (q) {
		/* An event of frames that were polled since would use up the only wakeup. */
		front_to_guest_clear(q);
		there = front_to_guest_arm(q);
		xenfront_leave(&rx->gate);
	}
	if (there) {
		eventfd_write(rx->event_fd, 1);
		return 0;
	}
	__atomic_store_n(&rx->armed, true, __ATOMIC_RELEASE);
	xenfront_wake(priv(dev)->guest);
	return 0;
}

static int intr_disable(struct rte_eth_dev *dev, uint16_t id)
{
	__atomic_store_n(&priv(dev)->rx[id].armed, false, __ATOMIC_RELEASE);
	return 0;
}

static const struct eth_dev_ops ops = {
	.dev_configure = dev_configure,
	.dev_start = dev_start,
	.dev_stop = dev_stop,
	.dev_close = dev_close,
	.dev_infos_get = dev_info,
	.rx_queue_setup = rx_setup,
	.tx_queue_setup = tx_setup,
	.tx_done_cleanup = tx_done,
	.link_update = link_update,
	.promiscuous_enable = accept_all,
	.promiscuous_disable = accept_all,
	.allmulticast_enable = accept_all,
	.allmulticast_disable = accept_all,
	.mtu_set = mtu_set,
	.rx_queue_intr_enable = intr_enable,
	.rx_queue_intr_disable = intr_disable,
	.stats_get = xenfront_stats_get,
	.stats_reset = xenfront_stats_reset,
	.xstats_get = xenfront_xstats_get,
	.xstats_get_names = xenfront_xstats_get_names,
	.xstats_reset = xenfront_stats_reset,
};

/* Also whether there is such a vif: known here, or a mistyped devid= would be a link that never comes up. */
static int read_mac(struct xenfront *x, char *why)
{
	char path[64], *text = NULL;
	int rc;

	snprintf(path, sizeof(path), "device/vif/%u/mac", x->devid);
	rc = hv_store_read(hv_guest_store(x->guest->guest), 0, path, &text, NULL);
	if (!rc)
		rc = parse_mac(text, x->mac.addr_bytes);
	free(text);
	if (rc == -ENOENT)
		snprintf(why, PMD_WHY_MAX,
			 "the guest has no vif %u: its xl.cfg or 'vxl network-list' says which",
			 x->devid);
	else if (rc)
		snprintf(why, PMD_WHY_MAX, "device/vif/%u/mac: %s", x->devid, strerror(-rc));
	return rc;
}

/* The vif's, which only a connection reads again. Without the key it is Ethernet's. */
static void read_mtu(struct xenfront *x)
{
	struct hv_store *store = hv_guest_store(x->guest->guest);
	char path[PATH_MAX], *backend = NULL;
	uint32_t mtu;

	x->mtu = MTU_DEFAULT;
	snprintf(path, sizeof(path), "device/vif/%u/mtu", x->devid);
	if (hv_store_read_u32(store, 0, path, UINT16_MAX, &mtu)) {
		snprintf(path, sizeof(path), "device/vif/%u/backend", x->devid);
		if (hv_store_read(store, 0, path, &backend, NULL))
			return;
		snprintf(path, sizeof(path), "%s/mtu", backend);
		free(backend);
		if (hv_store_read_u32(store, 0, path, UINT16_MAX, &mtu))
			return;
	}
	x->mtu = (uint16_t)mtu;
}

static bool is_taken(const struct xenfront *x)
{
	struct list *n;

	list_for_each (&x->guest->devices, n)
		if (list_entry(n, struct xenfront, list)->devid == x->devid)
			return true;
	return false;
}

static int join_guest(struct xenfront *x, const char *path, char *why)
{
	int rc = xenfront_guest_get(path, &x->guest, why);

	if (rc)
		return rc;
	lock(x);
	if (is_taken(x)) {
		snprintf(why, PMD_WHY_MAX,
			 "vif %u of this guest is a port already: name another devid=", x->devid);
		rc = -EBUSY;
	} else {
		rc = read_mac(x, why);
	}
	if (!rc) {
		read_mtu(x);
		if (x->zero_copy)
			xenfront_zone_join(x);
		list_append(&x->guest->devices, &x->list);
	}
	unlock(x);
	if (rc)
		xenfront_guest_put(x->guest);
	return rc;
}

static int make_port(struct rte_vdev_device *vdev, const struct xenfront *args, const char *path,
		     char *why)
{
	struct rte_eth_dev *dev = rte_eth_vdev_allocate(vdev, sizeof(struct xenfront));
	struct xenfront *x;
	int rc;

	if (!dev) {
		snprintf(why, PMD_WHY_MAX, "no port or memory left");
		return -ENOMEM;
	}
	x = priv(dev);
	*x = *args;
	x->dev = dev;
	list_init(&x->list);
	for (unsigned int i = 0; i < FRONT_MAX_QUEUES; i++)
		x->rx[i].event_fd = -1;
	dev->dev_ops = &ops;
	dev->rx_pkt_burst = xenfront_rx_burst;
	dev->tx_pkt_burst = xenfront_tx_burst;
	dev->tx_pkt_prepare = xenfront_tx_prepare;
	dev->data->mac_addrs = &x->mac;
	dev->data->dev_flags = RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	dev->data->dev_link = (struct rte_eth_link){ .link_speed = RTE_ETH_SPEED_NUM_UNKNOWN,
						     .link_duplex = RTE_ETH_LINK_FULL_DUPLEX };
	/* A pretended one, for the interrupts' sake. */
	dev->intr_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	rc = dev->intr_handle ? join_guest(x, path, why) : -ENOMEM;
	if (rc) {
		rte_intr_instance_free(dev->intr_handle);
		dev->data->mac_addrs = NULL;
		rte_eth_dev_release_port(dev);
		return rc;
	}
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int xenfront_probe(struct rte_vdev_device *vdev)
{
	const char *device = rte_vdev_device_name(vdev);
	char path[sizeof(((struct xenfront_guest *)0)->path)] = "", why[PMD_WHY_MAX] = "";
	struct xenfront x = { .max_queues = FRONT_MAX_QUEUES };
	struct pmd_arg args[] = {
		{ .key = "guest",
		  .what = "the socket of a guest with frontend = \"program\"",
		  .text = path,
		  .size = sizeof(path) },
		{ .key = "devid", .what = "the vif's number", .max = 65535, .number = &x.devid },
		{ .key = "queues",
		  .what = "the most queues to have",
		  .min = 1,
		  .max = FRONT_MAX_QUEUES,
		  .number = &x.max_queues },
		{ .key = "zero-copy",
		  .what = "1 to leave frames in granted pages",
		  .max = 1,
		  .number = &x.zero_copy },
	};
	int rc = pmd_refuse_secondary(device);

	if (rc)
		return rc;
	rc = pmd_args_read(device, rte_vdev_device_args(vdev), args, sizeof(args) / sizeof(args[0]),
			   why);
	if (rc) {
		pmd_log(ERR, "%s\n", why);
		return rc;
	}
	rc = make_port(vdev, &x, path, why);
	if (rc)
		pmd_log(ERR, "%s: %s\n", device, why[0] ? why : strerror(-rc));
	return rc;
}

static int xenfront_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (!dev)
		return 0;
	dev_close(dev);
	return rte_eth_dev_release_port(dev);
}

static struct rte_vdev_driver xenfront_driver = {
	.probe = xenfront_probe,
	.remove = xenfront_remove,
};

RTE_PMD_REGISTER_VDEV(net_xenfront, xenfront_driver);
RTE_PMD_REGISTER_PARAM_STRING(net_xenfront, "guest=<path> devid=<n> queues=<1-8> zero-copy=<0|1>");
