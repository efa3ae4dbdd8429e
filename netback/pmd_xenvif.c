/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_xenvif as DPDK sees it: how a port comes, is set up, and goes. */
#include "netback/pmd_xenvif.h"

#include <errno.h>
#include <stdio.h>

#include <bus_vdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_malloc.h>

#define DOMID_MAX   0x7fefu
#define MTU_DEFAULT 1500u
#define MTU_MAX	    65521u
#define OVERHEAD    22u /* an Ethernet header and two VLAN tags */
#define RX_OFFLOADS                                                                                \
	(RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |  \
	 RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_OFFLOADS                                                                                \
	(RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |                           \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |                             \
	 RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)

/* Frames that wait were made for a program that took part in other offloads. */
static int dev_configure(struct rte_eth_dev *dev)
{
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		if (dev->data->rx_queues[i])
			xv_left_drop(dev->data->rx_queues[i]);
	return 0;
}

static int dev_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	const struct xv_port *port = dev->data->dev_private;

	info->max_mac_addrs = 1;
	info->max_rx_queues = (uint16_t)port->max_queues;
	info->max_tx_queues = XV_TX_QUEUES_MAX;
	info->min_rx_bufsize = NB_VIEW_HEAD_MAX;
	info->max_rx_pktlen = MTU_MAX + OVERHEAD;
	info->max_lro_pkt_size = NB_FRAME_MAX;
	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = MTU_MAX;
	info->rx_offload_capa = info->rx_queue_offload_capa = RX_OFFLOADS;
	info->tx_offload_capa = info->tx_queue_offload_capa = TX_OFFLOADS;
	info->rx_desc_lim = (struct rte_eth_desc_lim){ .nb_max = UINT16_MAX, .nb_align = 1 };
	info->tx_desc_lim = (struct rte_eth_desc_lim){
		.nb_max = UINT16_MAX,
		.nb_align = 1,
		.nb_seg_max = XV_SEGS_MAX,
		.nb_mtu_seg_max = XV_SEGS_MAX,
	};
	/* The rings are the guest's. */
	info->default_rxportconf = (struct rte_eth_dev_portconf){ XV_BURST, NB_RING_SIZE, 1 };
	info->default_txportconf = (struct rte_eth_dev_portconf){ XV_BURST, NB_RING_SIZE, 1 };
	return 0;
}

static int rx_queue_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t nr_desc,
			  unsigned int socket, const struct rte_eth_rxconf *conf,
			  struct rte_mempool *pool)
{
	struct xv_rx *rx = rte_zmalloc_socket("xenvif", sizeof(*rx), RTE_CACHE_LINE_SIZE,
					      (int)socket);

	(void)nr_desc;
	(void)conf;
	if (!rx)
		return -ENOMEM;
	rx->port = dev->data->dev_private;
	rx->id = id;
	rx->pool = pool;
	rx->room = rte_pktmbuf_data_room_size(pool) -
		   RTE_PKTMBUF_HEADROOM; /* ethdev has seen to min_rx_bufsize */
	rx->epoll_fd = rx->wake_fd = rx->timer_fd = -1;
	dev->data->rx_queues[id] = rx;
	return 0;
}

static void rx_queue_release(struct rte_eth_dev *dev, uint16_t id)
{
	struct xv_rx *rx = dev->data->rx_queues[id];

	if (!rx)
		return;
	xv_left_drop(rx);
	if (rx->nr_stash)
		rte_mempool_put_bulk(rx->pool, (void **)&rx->stash[rx->first], rx->nr_stash);
	xv_stats_retire_rx(rx);
	rte_free(rx);
	dev->data->rx_queues[id] = NULL;
}

static int tx_queue_setup(struct rte_eth_dev *dev, uint16_t id, uint16_t nr_desc,
			  unsigned int socket, const struct rte_eth_txconf *conf)
{
	struct xv_tx *tx = rte_zmalloc_socket("xenvif", sizeof(*tx), RTE_CACHE_LINE_SIZE,
					      (int)socket);

	(void)nr_desc;
	(void)conf;
	if (!tx)
		return -ENOMEM;
	tx->port = dev->data->dev_private;
	tx->id = id;
	for (unsigned int i = 0; i < XV_BURST; i++)
		tx->list[i] = &tx->views[i];
	dev->data->tx_queues[id] = tx;
	return 0;
}

static void tx_queue_release(struct rte_eth_dev *dev, uint16_t id)
{
	if (dev->data->tx_queues[id])
		xv_stats_retire_tx(dev->data->tx_queues[id]);
	rte_free(dev->data->tx_queues[id]);
	dev->data->tx_queues[id] = NULL;
}

/* What of offloads the program takes part in; the guest is offered the rest not. */
static void set_carried(struct xv_port *port)
{
	const struct rte_eth_conf *conf = &port->dev->data->dev_conf;
	uint64_t rx = conf->rxmode.offloads, tx = conf->txmode.offloads;

	port->carry_gso = rx & RTE_ETH_RX_OFFLOAD_TCP_LRO || tx & RTE_ETH_TX_OFFLOAD_TCP_TSO;
	port->carry_csum = port->carry_gso || tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	port->carry_scatter = port->carry_gso || rx & RTE_ETH_RX_OFFLOAD_SCATTER;
}

static int dev_start(struct rte_eth_dev *dev)
{
	struct xv_port *port = dev->data->dev_private;
	char why[PMD_WHY_MAX];
	int rc = 0;

	port->nr_rx = dev->data->nb_rx_queues;
	set_carried(port);
	atomic_store(&port->running, true);
	if (dev->data->dev_conf.intr_conf.rxq)
		rc = xv_intr_install(port);
	if (rc) {
		pmd_log(ERR, "%s: no receive interrupts (%s): it can only be polled\n", port->name,
			rte_strerror(-rc));
		goto out;
	}
	rc = xv_control_start(port, why);
	if (rc)
		pmd_log(ERR, "%s\n", why);
out:
	if (rc)
		atomic_store(&port->running, false);
	for (uint16_t i = 0; i < dev->data->nb_rx_queues && !rc; i++)
		dev->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	for (uint16_t i = 0; i < dev->data->nb_tx_queues && !rc; i++)
		dev->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
	return rc;
}

/* The guest stays connected: its frames wait in its rings until the port is started again, or closed. */
static int dev_stop(struct rte_eth_dev *dev)
{
	struct xv_port *port = dev->data->dev_private;

	atomic_store(&port->running, false);
	xv_intr_remove(port);
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		dev->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
	for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++)
		dev->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
	return 0;
}

static int dev_close(struct rte_eth_dev *dev)
{
	struct xv_port *port = dev->data->dev_private;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	dev_stop(dev);
	xv_control_close(port);
	for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++)
		rx_queue_release(dev, i);
	for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++)
		tx_queue_release(dev, i);
	/* It is part of the port's own memory. */
	dev->data->mac_addrs = NULL;
	return 0;
}

/* Kept up to date as the guest comes and goes. */
static int link_update(struct rte_eth_dev *dev, int wait)
{
	(void)dev;
	(void)wait;
	return 0;
}

static int is_removed(struct rte_eth_dev *dev)
{
	struct xv_port *port = dev->data->dev_private;

	return atomic_load(&port->removed);
}

/* All that the guest sends comes, always. */
static int filter_off(struct rte_eth_dev *dev)
{
	(void)dev;
	return 0;
}

static int filter_on(struct rte_eth_dev *dev)
{
	(void)dev;
	return -ENOTSUP;
}

/*
 * The vif's is its network's matter: the guest was told it, and nothing longer passes. DPDK's default is no
 * wish: a program may set it with any vif.
 */
static int mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
	const struct xv_port *port = dev->data->dev_private;

	if (mtu <= MTU_DEFAULT || mtu <= port->mtu_max)
		return 0;
	pmd_log(ERR,
		"%s: an MTU of %u is more than its vif's, %u: raise the network's MTU and attach the "
		"vif anew\n",
		port->name, mtu, port->mtu_max);
	return -EINVAL;
}

static int mac_addr_set(struct rte_eth_dev *dev, struct rte_ether_addr *addr)
{
	(void)dev;
	(void)addr;
	return 0;
}

static const struct eth_dev_ops ops = {
	.dev_configure = dev_configure,
	.dev_start = dev_start,
	.dev_stop = dev_stop,
	.dev_close = dev_close,
	.dev_infos_get = dev_infos_get,
	.rx_queue_setup = rx_queue_setup,
	.rx_queue_release = rx_queue_release,
	.tx_queue_setup = tx_queue_setup,
	.tx_queue_release = tx_queue_release,
	.rx_queue_intr_enable = xv_intr_enable,
	.rx_queue_intr_disable = xv_intr_disable,
	.link_update = link_update,
	.is_removed = is_removed,
	.promiscuous_enable = filter_off,
	.promiscuous_disable = filter_on,
	.allmulticast_enable = filter_off,
	.allmulticast_disable = filter_on,
	.mtu_set = mtu_set,
	.mac_addr_set = mac_addr_set,
	.stats_get = xv_stats_get,
	.stats_reset = xv_stats_reset,
	.xstats_get = xv_xstats_get,
	.xstats_get_names = xv_xstats_names,
	.xstats_reset = xv_stats_reset,
};

static int read_args(struct rte_vdev_device *vdev, struct xv_port *port, char *why)
{
	const char *device = rte_vdev_device_name(vdev);
	char rundir[RUNDIR_MAX] = "";
	uint32_t dom = 0;
	struct pmd_arg args[] = {
		{ .key = "dom",
		  .what = "the guest's domain id",
		  .min = 1,
		  .max = DOMID_MAX,
		  .number = &dom,
		  .required = true },
		{ .key = "devid",
		  .what = "the vif's number",
		  .max = 65535,
		  .number = &port->only.devid },
		{ .key = "queues",
		  .what = "how many queues the guest may have",
		  .min = 1,
		  .max = XV_QUEUES_MAX,
		  .number = &port->max_queues },
		{ .key = "drop-forged",
		  .what = "1 to drop what an anti-spoof of flows cannot tell",
		  .max = 1,
		  .number = &port->drop_forged },
		{ .key = "run-dir",
		  .what = "the path of vifrost-hvd's run directory",
		  .text = rundir,
		  .size = sizeof(rundir) },
	};
	int rc;

	port->max_queues = XV_QUEUES_DEFAULT;
	rc = pmd_args_read(device, rte_vdev_device_args(vdev), args, RTE_DIM(args), why);
	if (rc)
		return rc;
	port->only.domid = (uint16_t)dom;
	rc = rundir_resolve(rundir[0] ? rundir : NULL, port->rundir);
	if (rc)
		snprintf(why, PMD_WHY_MAX, "%s: run-dir=%s: a short absolute path is wanted",
			 device, rundir);
	return rc;
}

static int xenvif_probe(struct rte_vdev_device *vdev)
{
	const char *device = rte_vdev_device_name(vdev);
	char why[PMD_WHY_MAX] = "";
	struct rte_eth_dev *dev;
	struct xv_port *port;
	int rc = pmd_refuse_secondary(device);

	if (rc)
		return rc;
	dev = rte_eth_vdev_allocate(vdev, sizeof(*port));
	if (!dev)
		return -ENOMEM;
	port = dev->data->dev_private;
	port->dev = dev;
	port->name = dev->data->name;
	port->stop_fd = -1;
	rc = read_args(vdev, port, why);
	if (!rc)
		rc = xv_control_open(port, why);
	if (rc) {
		pmd_log(ERR, "%s\n", why);
		xv_control_close(port);
		rte_eth_dev_release_port(dev);
		return rc;
	}
	dev->data->mac_addrs = &port->mac;
	dev->data->dev_link = (struct rte_eth_link){
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_status = RTE_ETH_LINK_DOWN,
	};
	dev->data->promiscuous = 1;
	dev->data->all_multicast = 1;
	dev->data->dev_flags |= RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_INTR_RMV |
				RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	dev->dev_ops = &ops;
	dev->rx_pkt_burst = xv_rx_burst;
	dev->tx_pkt_burst = xv_tx_burst;
	dev->tx_pkt_prepare = xv_tx_prepare;
	rte_eth_dev_probing_finish(dev);
	return 0;
}

static int xenvif_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (!dev)
		return 0;
	/* One that runs cannot be closed, but unplugged it can be. */
	if (dev->data->dev_started)
		rte_eth_dev_stop(dev->data->port_id);
	return rte_eth_dev_close(dev->data->port_id);
}

static struct rte_vdev_driver xenvif_driver = {
	.probe = xenvif_probe,
	.remove = xenvif_remove,
};

RTE_PMD_REGISTER_VDEV(net_xenvif, xenvif_driver);
RTE_PMD_REGISTER_PARAM_STRING(
	net_xenvif, "dom=<int> devid=<int> queues=<int> drop-forged=<0|1> run-dir=<path>");
