/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vif's area and its life, in a thread of the driver's: what vifrost-netback does for its vifs, a
 * struct netback does here for one, whose plane hands the guest's queues to the port's links.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <xen/io/xenbus.h>

#include "base/log.h"
#include "base/parse.h"
#include "netback/pmd_xenvif.h"

#define MTU_DEFAULT 1500u
#define MTU_MAX	    65521u

/* What the control plane has to say goes where the program's own messages do. */
static void to_rte_log(enum log_level level, const char *text)
{
	static const uint32_t levels[] = {
		[LOG_LEVEL_ERR] = RTE_LOG_ERR,	     [LOG_LEVEL_WARNING] = RTE_LOG_WARNING,
		[LOG_LEVEL_NOTICE] = RTE_LOG_NOTICE, [LOG_LEVEL_INFO] = RTE_LOG_INFO,
		[LOG_LEVEL_DEBUG] = RTE_LOG_DEBUG,
	};

	rte_log(levels[level], (uint32_t)pmd_logtype, "net_xenvif: %s\n", text);
}

static void set_link(struct xv_port *port, bool up)
{
	struct rte_eth_link link = {
		.link_speed = RTE_ETH_SPEED_NUM_10G,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
	};

	if (rte_eth_linkstatus_set(port->dev, &link) == 0)
		rte_eth_dev_callback_process(port->dev, RTE_ETH_EVENT_INTR_LSC, NULL);
}

/* ---- The plane. Control thread. ---- */

static int plane_open(void *plane, uint16_t domid, uint32_t devid, const char *name,
		      unsigned int mtu, void **port_out, unsigned int *ifindex_out, char *why)
{
	(void)domid;
	(void)devid;
	(void)name;
	(void)mtu;
	(void)why;
	*port_out = plane;
	*ifindex_out = 0;
	return 0;
}

static void plane_stop(void *arg)
{
	struct xv_port *port = arg;
	unsigned int nr = atomic_exchange(&port->nr_links, 0);

	for (unsigned int i = 0; i < nr; i++) {
		struct xv_link *link = &port->links[i];

		rte_spinlock_lock(&link->lock);
		if (link->queue) {
			xv_intr_link(port, i, false);
			xv_stats_retire(link);
		}
		link->queue = NULL;
		link->shared = NULL;
		rte_spinlock_unlock(&link->lock);
	}
	if (nr)
		set_link(port, false);
}

static int plane_start(void *arg, struct nb_queue *queues, unsigned int nr, bool together,
		       char *why)
{
	struct xv_port *port = arg;
	bool cuts = port->offers_gso || (port->found_gso && !atomic_load(&port->nr_connections));

	for (unsigned int i = 0; i < nr; i++) {
		struct xv_link *link = &port->links[i];

		if (!link->batch)
			link->batch = nb_batch_create();
		if (!link->batch) {
			snprintf(why, NB_WHY_MAX, "no memory for a queue's frames");
			return -ENOMEM;
		}
	}
	for (unsigned int i = 0; i < nr; i++) {
		struct xv_link *link = &port->links[i];

		rte_spinlock_lock(&link->lock);
		link->shared = together && nr > 1 ? &port->shared : NULL;
		link->cuts = cuts;
		link->queue = &queues[i];
		xv_intr_link(port, i, true);
		rte_spinlock_unlock(&link->lock);
	}
	atomic_store(&port->nr_links, (uint16_t)nr);
	atomic_fetch_add(&port->nr_connections, 1);
	set_link(port, true);
	return 0;
}

/* The vif is gone, as after a detach or the guest's end; not when it is we who go. */
static void plane_close(void *arg)
{
	struct xv_port *port = arg;

	plane_stop(port);
	if (port->closing)
		return;
	atomic_store(&port->removed, true);
	rte_eth_dev_callback_process(port->dev, RTE_ETH_EVENT_INTR_RMV, NULL);
}

static const struct nb_plane_ops plane_ops = {
	.open = plane_open,
	.start = plane_start,
	.stop = plane_stop,
	.close = plane_close,
};

/* ---- The area, as it is before we offer anything ---- */

static int read_key(struct xv_port *port, const char *key, char *text, size_t size)
{
	char path[128], *value;
	int rc;

	snprintf(path, sizeof(path), "backend/vif/%u/%u/%s", port->only.domid, port->only.devid,
		 key);
	rc = hv_store_read(port->hv->store, 0, path, &value, NULL);
	if (rc)
		return rc;
	snprintf(text, size, "%s", value);
	free(value);
	return 0;
}

static bool is_one(struct xv_port *port, const char *key)
{
	char text[64];

	return !read_key(port, key, text, sizeof(text)) && !strcmp(text, "1");
}

static int read_area(struct xv_port *port, char *why)
{
	char text[64];
	int rc = read_key(port, "state", text, sizeof(text));
	uint32_t state;
	bool connected;

	if (rc) {
		snprintf(
			why, PMD_WHY_MAX,
			"%s: there is no vif %u of domain %u in the store (%s): see 'vifrost status' "
			"for those there are, attach it first",
			port->name, port->only.devid, port->only.domid, strerror(-rc));
		return rc == -ENOENT ? -ENODEV : rc;
	}
	connected = parse_u32(text, UINT32_MAX, &state) == 0 && state == XenbusStateConnected;
	rc = read_key(port, "vifrost-datapath", text, sizeof(text));
	if (rc || strcmp(text, "pmd") != 0) {
		snprintf(
			why, PMD_WHY_MAX,
			"%s: vif%u.%u is another program's: its datapath is '%s', and must be 'pmd' for "
			"this driver: put its network on Open vSwitch's DPDK by the policy, or write "
			"vifrost-datapath in its backend area",
			port->name, port->only.domid, port->only.devid, rc ? "not set" : text);
		return -EBUSY;
	}
	port->found_gso = connected &&
			  (is_one(port, "feature-gso-tcpv4") || is_one(port, "feature-gso-tcpv6"));
	/* The guest has the area's; a port on its wire is another station. */
	rc = read_key(port, "mac", text, sizeof(text));
	if (rc || parse_mac(text, port->mac.addr_bytes))
		rte_eth_random_addr(port->mac.addr_bytes);
	port->mac.addr_bytes[0] = 0xfe;
	port->mtu_max = MTU_DEFAULT;
	rc = read_key(port, "mtu", text, sizeof(text));
	if (!rc && parse_u32(text, MTU_MAX, &port->mtu_max))
		port->mtu_max = MTU_DEFAULT;
	return 0;
}

int xv_control_open(struct xv_port *port, char *why)
{
	char reason[HV_WHY_MAX] = "";
	int rc;

	log_set_sink(to_rte_log);
	port->stop_fd = -1;
	rc = hv_connect(port->rundir, &port->hv, reason);
	if (rc) {
		snprintf(why, PMD_WHY_MAX,
			 "%s: %s, or name its run directory: 'run-dir=/run/vifrost'", port->name,
			 reason);
		return rc;
	}
	return read_area(port, why);
}

/* ---- The thread ---- */

static void on_stop(void *arg, uint32_t events)
{
	struct xv_port *port = arg;

	(void)events;
	loop_stop(port->loop, 0);
}

static void *control_thread(void *arg)
{
	struct xv_port *port = arg;
	int rc = loop_run(port->loop);

	if (rc)
		pmd_log(ERR,
			"%s: its control thread has ended (%s): close the port and add it anew\n",
			port->name, strerror(-rc));
	return NULL;
}

int xv_control_start(struct xv_port *port, char *why)
{
	struct netback_config config = {
		.max_queues = RTE_MIN(port->max_queues, (uint32_t)port->nr_rx),
		.hv = port->hv,
		.sysfs = port->hv->is_xen ? "/sys" : NULL,
		.max_grefs = XV_GREFS_MAX,
		.planes[NB_DATAPATH_PMD] = { &plane_ops, port },
		.only = &port->only,
		.no_csum = !port->carry_csum,
		.no_gso = !port->carry_gso,
	};
	int rc;

	if (port->threaded)
		return 0;
	port->offers_gso = port->carry_gso;
	rc = loop_create(&port->loop);
	if (rc)
		goto out;
	port->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = port->stop_fd < 0 ? -errno : 0;
	if (!rc)
		rc = loop_fd_add(port->loop, &port->stop_watcher, port->stop_fd, EPOLLIN, on_stop,
				 port);
	if (!rc)
		rc = netback_create(&config, port->loop, &port->netback);
	if (!rc)
		rc = -rte_ctrl_thread_create(&port->thread, "xenvif", NULL, control_thread, port);
	port->threaded = !rc;
out:
	if (rc)
		snprintf(why, PMD_WHY_MAX, "%s: the vif cannot be served (%s)", port->name,
			 strerror(-rc));
	return rc;
}

void xv_control_close(struct xv_port *port)
{
	uint64_t one = 1;

	if (port->threaded && write(port->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(port->thread, NULL);
	port->threaded = false;
	port->closing = true;
	netback_destroy(port->netback);
	port->netback = NULL;
	loop_fd_del(&port->stop_watcher);
	loop_destroy(port->loop);
	port->loop = NULL;
	if (port->stop_fd >= 0)
		close(port->stop_fd);
	port->stop_fd = -1;
	if (port->hv)
		port->hv->close(port->hv);
	port->hv = NULL;
	for (unsigned int i = 0; i < NB_MAX_QUEUES; i++) {
		nb_batch_destroy(port->links[i].batch);
		port->links[i].batch = NULL;
	}
}
