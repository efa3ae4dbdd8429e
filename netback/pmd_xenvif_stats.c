/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters: frames as the program sees them, and per cause what was lost, in the driver or at the guest's
 * rings. A reset only remembers where they stood.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "netback/pmd_xenvif.h"

#define NR_WORDS (sizeof(struct nb_queue_stats) / sizeof(uint64_t))

_Static_assert(sizeof(struct nb_queue_stats) % sizeof(uint64_t) == 0, "counters and nothing else");

static void add_counters(struct nb_queue_stats *sum, const struct nb_queue_stats *s)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)s;

	for (size_t i = 0; i < NR_WORDS; i++)
		pmd_count(&to[i], nb_counted(&from[i]));
}

void xv_stats_retire(struct xv_link *link)
{
	add_counters(&link->past, &link->queue->stats);
}

/* Of all connections ever. */
static void sum_queues(struct xv_port *port, struct nb_queue_stats *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int i = 0; i < NB_MAX_QUEUES; i++) {
		struct xv_link *link = &port->links[i];

		rte_spinlock_lock(&link->lock);
		add_counters(sum, &link->past);
		if (link->queue)
			add_counters(sum, &link->queue->stats);
		rte_spinlock_unlock(&link->lock);
	}
}

/* Of counters and nothing else, like the next. */
static void copy(void *to, const void *from, size_t size)
{
	uint64_t *t = to;
	const uint64_t *f = from;

	for (size_t i = 0; i < size / sizeof(*t); i++)
		__atomic_store_n(&t[i], pmd_counted(&f[i]), __ATOMIC_RELAXED);
}

static void subtract(void *from, const void *what, size_t size)
{
	uint64_t *to = from;
	const uint64_t *w = what;

	for (size_t i = 0; i < size / sizeof(*to); i++)
		pmd_count(&to[i], -pmd_counted(&w[i]));
}

static struct xv_rx_stats rx_stats(struct xv_port *port, unsigned int id)
{
	const struct xv_rx *rx = port->dev->data->rx_queues[id];
	struct xv_rx_stats s = { 0 };

	if (rx)
		copy(&s, &rx->stats, sizeof(s));
	subtract(&s, &port->rx_base[id], sizeof(s));
	return s;
}

static struct xv_tx_stats tx_stats(struct xv_port *port, unsigned int id)
{
	const struct xv_tx *tx = port->dev->data->tx_queues[id];
	struct xv_tx_stats s = { 0 };

	if (tx)
		copy(&s, &tx->stats, sizeof(s));
	subtract(&s, &port->tx_base[id], sizeof(s));
	return s;
}

/* Its counters are counted from below 0 from now on, so that the sum stays. */
void xv_stats_retire_rx(struct xv_rx *rx)
{
	subtract(&rx->port->rx_base[rx->id], &rx->stats, sizeof(rx->stats));
}

void xv_stats_retire_tx(struct xv_tx *tx)
{
	subtract(&tx->port->tx_base[tx->id], &tx->stats, sizeof(tx->stats));
}

int xv_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	struct xv_port *port = dev->data->dev_private;
	struct nb_queue_stats sum;

	for (unsigned int i = 0; i < dev->data->nb_rx_queues; i++) {
		struct xv_rx_stats s = rx_stats(port, i);

		stats->ipackets += s.frames;
		stats->ibytes += s.bytes;
		stats->ierrors += s.no_scatter + s.no_gso + s.forged;
		if (i < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
			stats->q_ipackets[i] = s.frames;
			stats->q_ibytes[i] = s.bytes;
		}
	}
	for (unsigned int i = 0; i < dev->data->nb_tx_queues; i++) {
		struct xv_tx_stats s = tx_stats(port, i);

		stats->opackets += s.frames;
		stats->obytes += s.bytes;
		stats->oerrors += s.bad_chain + s.bad_offload;
		if (i < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
			stats->q_opackets[i] = s.frames;
			stats->q_obytes[i] = s.bytes;
		}
	}
	stats->rx_nombuf = dev->data->rx_mbuf_alloc_failed;
	sum_queues(port, &sum);
	subtract(&sum, &port->base, sizeof(sum));
	for (unsigned int i = 0; i < NB_NR_FROM_DROPS; i++)
		stats->ierrors += sum.from_drops[i];
	/* The guest's rings count them among those that went; they did not. */
	for (unsigned int i = 0; i < NB_NR_TO_DROPS; i++) {
		stats->oerrors += sum.to_drops[i];
		stats->opackets -= RTE_MIN(stats->opackets, sum.to_drops[i]);
	}
	return 0;
}

int xv_stats_reset(struct rte_eth_dev *dev)
{
	struct xv_port *port = dev->data->dev_private;
	struct nb_queue_stats sum;

	sum_queues(port, &sum);
	copy(&port->base, &sum, sizeof(sum));
	for (unsigned int i = 0; i < dev->data->nb_rx_queues; i++)
		copy(&port->rx_base[i], &((struct xv_rx *)dev->data->rx_queues[i])->stats,
		     sizeof(port->rx_base[i]));
	for (unsigned int i = 0; i < dev->data->nb_tx_queues; i++)
		copy(&port->tx_base[i], &((struct xv_tx *)dev->data->tx_queues[i])->stats,
		     sizeof(port->tx_base[i]));
	dev->data->rx_mbuf_alloc_failed = 0;
	return 0;
}

/* ---- By cause ---- */

struct counter {
	const char *name;
	size_t offset; /* in struct nb_queue_stats */
};

#define COUNTER(field)                                                                             \
	{                                                                                          \
#field, offsetof(struct nb_queue_stats, field)                                     \
	}

static const struct counter counters[] = {
	COUNTER(from_frames),	    COUNTER(from_bytes),     COUNTER(from_gso),
	COUNTER(from_csum_blank),   COUNTER(from_throttled), COUNTER(to_frames),
	COUNTER(to_bytes),	    COUNTER(to_gso),	     COUNTER(to_csum_blank),
	COUNTER(to_csum_completed), COUNTER(to_bad_slots),   COUNTER(wakeups),
	COUNTER(spurious_events),   COUNTER(notifications),  COUNTER(ctrl_requests),
	COUNTER(mcast_requests),
};

/* Of ours Open vSwitch shows those that end like "rx_forged_dropped". */
static const char *const own_names[] = { "rx_drop_no_mbuf",   "rx_drop_no_scatter",
					 "rx_drop_no_gso",    "rx_forged_dropped",
					 "tx_drop_bad_chain", "tx_drop_bad_offload" };

#define NR_XSTATS (RTE_DIM(counters) + NB_NR_FROM_DROPS + NB_NR_TO_DROPS + RTE_DIM(own_names))

/* DPDK's names have underscores; ours may have anything. */
static void name_drop(char *name, const char *direction, const char *why)
{
	snprintf(name, RTE_ETH_XSTATS_NAME_SIZE, "%s_drop_%s", direction, why);
	for (char *p = name; *p; p++)
		if (*p == ' ' || *p == '-')
			*p = '_';
}

int xv_xstats_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names, unsigned int nr)
{
	unsigned int n = 0;

	(void)dev;
	if (!names || nr < NR_XSTATS)
		return NR_XSTATS;
	for (unsigned int i = 0; i < RTE_DIM(counters); i++)
		snprintf(names[n++].name, RTE_ETH_XSTATS_NAME_SIZE, "%s", counters[i].name);
	for (unsigned int i = 0; i < NB_NR_FROM_DROPS; i++)
		name_drop(names[n++].name, "from", nb_from_drop_name((enum nb_from_drop)i));
	for (unsigned int i = 0; i < NB_NR_TO_DROPS; i++)
		name_drop(names[n++].name, "to", nb_to_drop_name((enum nb_to_drop)i));
	for (unsigned int i = 0; i < RTE_DIM(own_names); i++)
		snprintf(names[n++].name, RTE_ETH_XSTATS_NAME_SIZE, "%s", own_names[i]);
	return (int)n;
}

static void read_xstats(struct xv_port *port, uint64_t values[NR_XSTATS])
{
	struct nb_queue_stats sum;
	uint64_t *own;
	unsigned int n = 0;

	sum_queues(port, &sum);
	subtract(&sum, &port->base, sizeof(sum));
	for (unsigned int i = 0; i < RTE_DIM(counters); i++)
		memcpy(&values[n++], (const char *)&sum + counters[i].offset, sizeof(uint64_t));
	for (unsigned int i = 0; i < NB_NR_FROM_DROPS; i++)
		values[n++] = sum.from_drops[i];
	for (unsigned int i = 0; i < NB_NR_TO_DROPS; i++)
		values[n++] = sum.to_drops[i];
	own = &values[n];
	memset(own, 0, RTE_DIM(own_names) * sizeof(*own));
	for (unsigned int i = 0; i < port->dev->data->nb_rx_queues; i++) {
		struct xv_rx_stats s = rx_stats(port, i);

		own[0] += s.no_mbuf;
		own[1] += s.no_scatter;
		own[2] += s.no_gso;
		own[3] += s.forged;
	}
	for (unsigned int i = 0; i < port->dev->data->nb_tx_queues; i++) {
		struct xv_tx_stats s = tx_stats(port, i);

		own[4] += s.bad_chain;
		own[5] += s.bad_offload;
	}
}

int xv_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int nr)
{
	uint64_t values[NR_XSTATS];

	if (!xstats || nr < NR_XSTATS)
		return NR_XSTATS;
	read_xstats(dev->data->dev_private, values);
	for (unsigned int i = 0; i < NR_XSTATS; i++)
		xstats[i] = (struct rte_eth_xstat){ .id = i, .value = values[i] };
	return NR_XSTATS;
}

/* ---- Telemetry: "/xenvif/list", "/xenvif/info,<port>" ---- */

static bool is_ours(const struct rte_eth_dev *dev)
{
	return dev->rx_pkt_burst == xv_rx_burst;
}

static int telemetry_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	(void)cmd;
	(void)params;
	return pmd_telemetry_list(is_ours, d);
}

static int telemetry_info(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct rte_eth_xstat_name names[NR_XSTATS];
	uint64_t values[NR_XSTATS];
	struct xv_port *port = pmd_telemetry_port(is_ours, params);

	(void)cmd;
	if (!port)
		return -1;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", port->name);
	rte_tel_data_add_dict_int(d, "dom", port->only.domid);
	rte_tel_data_add_dict_int(d, "devid", (int)port->only.devid);
	rte_tel_data_add_dict_int(d, "queues", atomic_load(&port->nr_links));
	rte_tel_data_add_dict_u64(d, "connections", atomic_load(&port->nr_connections));
	rte_tel_data_add_dict_int(d, "removed", atomic_load(&port->removed));
	xv_xstats_names(port->dev, names, NR_XSTATS);
	read_xstats(port, values);
	for (unsigned int i = 0; i < NR_XSTATS; i++)
		if (values[i])
			rte_tel_data_add_dict_u64(d, names[i].name, values[i]);
	return 0;
}

RTE_INIT(register_telemetry)
{
	rte_telemetry_register_cmd("/xenvif/list", telemetry_list,
				   "Ports of net_xenvif. No parameters");
	rte_telemetry_register_cmd(
		"/xenvif/info", telemetry_info,
		"A vif, its guest's queues and what was counted. Parameters: int port_id");
}
