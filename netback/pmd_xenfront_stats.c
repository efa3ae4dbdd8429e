/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a port counts: its bursts, and what the frontend library knows, over all connections. */
#include <stdio.h>
#include <string.h>

#include <rte_telemetry.h>

#include "netback/pmd_xenfront.h"

/* Behind what ethdev itself gives: drops by their cause, summed over the queues. */
enum own {
	RX_NO_MBUF,
	RX_NO_SCATTER,
	TX_LENGTH,
	TX_OFFLOAD,
	TX_FULL,
	TX_OVER_MTU,
	RX_LENT,
	RX_SHORT,
	TX_LENT,
	CONNECTIONS,
	KEPT,
	HELD,
	NR_OWN
};

static const char *const own_names[NR_OWN] = {
	[RX_NO_MBUF] = "rx_no_mbuf",
	[RX_NO_SCATTER] = "rx_no_scatter",
	[TX_LENGTH] = "tx_bad_length",
	[TX_OFFLOAD] = "tx_bad_offload",
	[TX_FULL] = "tx_ring_full_bursts",
	[TX_OVER_MTU] = "tx_over_mtu",
	[RX_LENT] = "rx_zero_copy",
	[RX_SHORT] = "rx_no_free_page",
	[TX_LENT] = "tx_zero_copy",
	[CONNECTIONS] = "connections",
	[KEPT] = "pages_backend_keeps_mapped",
	[HELD] = "pages_held_when_closed",
};

static const struct {
	const char *name;
	size_t offset;
} kept[] = {
	{ "tx_backend_errors", offsetof(struct front_counters, from_guest_errors) },
	{ "tx_backend_refused", offsetof(struct front_counters, from_guest_refused) },
	{ "tx_notifies", offsetof(struct front_counters, from_guest_notifies) },
	{ "rx_backend_errors", offsetof(struct front_counters, to_guest_errors) },
	{ "rx_too_short", offsetof(struct front_counters, to_guest_dropped) },
	{ "rx_notifies", offsetof(struct front_counters, to_guest_notifies) },
};

#define NR_KEPT	  (sizeof(kept) / sizeof(kept[0]))
#define NR_XSTATS (NR_OWN + NR_KEPT)

static void read_counters(struct xenfront *x, struct front_counters *c)
{
	pthread_mutex_lock(&x->guest->lock);
	xenfront_counters(x, c);
	pthread_mutex_unlock(&x->guest->lock);
}

static uint64_t value(const struct front_counters *c, size_t offset)
{
	return *(const uint64_t *)(const void *)((const char *)c + offset);
}

int xenfront_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	struct xenfront *x = dev->data->dev_private;
	const struct front_counters *before = &x->counted;
	struct front_counters c;

	read_counters(x, &c);
	for (unsigned int i = 0; i < x->max_queues; i++) {
		const struct xenfront_rx *rx = &x->rx[i];
		const struct xenfront_tx *tx = &x->tx[i];

		stats->ipackets += pmd_counted(&rx->packets);
		stats->ibytes += pmd_counted(&rx->bytes);
		stats->rx_nombuf += pmd_counted(&rx->no_mbuf);
		stats->ierrors += pmd_counted(&rx->no_scatter);
		stats->opackets += pmd_counted(&tx->packets);
		stats->obytes += pmd_counted(&tx->bytes);
		stats->oerrors += pmd_counted(&tx->too_long) + pmd_counted(&tx->bad_offload);
		stats->q_ipackets[i] = pmd_counted(&rx->packets);
		stats->q_ibytes[i] = pmd_counted(&rx->bytes);
		stats->q_opackets[i] = pmd_counted(&tx->packets);
		stats->q_obytes[i] = pmd_counted(&tx->bytes);
	}
	stats->ierrors += c.to_guest_errors - before->to_guest_errors + c.to_guest_dropped -
			  before->to_guest_dropped;
	stats->oerrors += c.from_guest_errors - before->from_guest_errors + c.from_guest_refused -
			  before->from_guest_refused;
	return 0;
}

static const size_t tx_own[] = {
	offsetof(struct xenfront_tx, packets),	offsetof(struct xenfront_tx, bytes),
	offsetof(struct xenfront_tx, too_long), offsetof(struct xenfront_tx, bad_offload),
	offsetof(struct xenfront_tx, no_room),	offsetof(struct xenfront_tx, over_mtu),
	offsetof(struct xenfront_tx, lent),
};

static void reset(uint64_t *counter)
{
	__atomic_store_n(counter, 0, __ATOMIC_RELAXED);
}

int xenfront_stats_reset(struct rte_eth_dev *dev)
{
	struct xenfront *x = dev->data->dev_private;

	read_counters(x, &x->counted);
	x->connections_counted = x->nr_connections;
	for (unsigned int i = 0; i < x->max_queues; i++) {
		struct xenfront_rx *rx = &x->rx[i];
		struct xenfront_tx *tx = &x->tx[i];

		reset(&rx->packets);
		reset(&rx->bytes);
		reset(&rx->no_mbuf);
		reset(&rx->no_scatter);
		reset(&rx->lent);
		reset(&rx->short_of_pages);
		for (unsigned int k = 0; k < RTE_DIM(tx_own); k++)
			reset((uint64_t *)(void *)((char *)tx + tx_own[k]));
	}
	return 0;
}

static void read_own(struct xenfront *x, uint64_t own[NR_OWN])
{
	for (unsigned int i = 0; i < x->max_queues; i++) {
		own[RX_NO_MBUF] += pmd_counted(&x->rx[i].no_mbuf);
		own[RX_NO_SCATTER] += pmd_counted(&x->rx[i].no_scatter);
		own[RX_LENT] += pmd_counted(&x->rx[i].lent);
		own[RX_SHORT] += pmd_counted(&x->rx[i].short_of_pages);
		own[TX_LENT] += pmd_counted(&x->tx[i].lent);
		own[TX_LENGTH] += pmd_counted(&x->tx[i].too_long);
		own[TX_OFFLOAD] += pmd_counted(&x->tx[i].bad_offload);
		own[TX_FULL] += pmd_counted(&x->tx[i].no_room);
		own[TX_OVER_MTU] += pmd_counted(&x->tx[i].over_mtu);
	}
	pthread_mutex_lock(&x->guest->lock);
	own[CONNECTIONS] = x->nr_connections - x->connections_counted;
	own[KEPT] = x->front ? front_info(x->front)->nr_kept_pages : 0;
	own[HELD] = x->front ? front_info(x->front)->nr_leaked_pages : 0;
	pthread_mutex_unlock(&x->guest->lock);
}

static void read_xstats(struct xenfront *x, uint64_t values[NR_XSTATS])
{
	struct front_counters c;

	memset(values, 0, NR_XSTATS * sizeof(values[0]));
	read_own(x, values);
	read_counters(x, &c);
	for (unsigned int i = 0; i < NR_KEPT; i++)
		values[NR_OWN + i] = value(&c, kept[i].offset) - value(&x->counted, kept[i].offset);
}

int xenfront_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int nr)
{
	uint64_t values[NR_XSTATS];

	if (nr < NR_XSTATS || !xstats)
		return NR_XSTATS;
	read_xstats(dev->data->dev_private, values);
	for (unsigned int i = 0; i < NR_XSTATS; i++)
		xstats[i] = (struct rte_eth_xstat){ .id = i, .value = values[i] };
	return NR_XSTATS;
}

int xenfront_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names,
			      unsigned int nr)
{
	(void)dev;
	if (!names || nr < NR_XSTATS)
		return NR_XSTATS;
	for (unsigned int i = 0; i < NR_XSTATS; i++)
		snprintf(names[i].name, sizeof(names[i].name), "%s",
			 i < NR_OWN ? own_names[i] : kept[i - NR_OWN].name);
	return NR_XSTATS;
}

/* ---- Telemetry: "/xenfront/list", "/xenfront/info,<port>" ---- */

/* And not about to go. */
static bool is_ours(const struct rte_eth_dev *dev)
{
	return dev->rx_pkt_burst == xenfront_rx_burst &&
	       ((const struct xenfront *)dev->data->dev_private)->guest;
}

static int telemetry_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	(void)cmd;
	(void)params;
	return pmd_telemetry_list(is_ours, d);
}

static void add_front(struct xenfront *x, struct rte_tel_data *d)
{
	const struct front_info *info;

	pthread_mutex_lock(&x->guest->lock);
	info = x->front ? front_info(x->front) : NULL;
	rte_tel_data_add_dict_string(d, "state",
				     info ? front_state_name(info->state) : "no vif, or stopped");
	if (info && info->reason)
		rte_tel_data_add_dict_string(d, "reason", info->reason);
	rte_tel_data_add_dict_int(d, "queues", info ? (int)info->nr_queues : 0);
	rte_tel_data_add_dict_int(d, "mtu", x->mtu);
	pthread_mutex_unlock(&x->guest->lock);
}

static int telemetry_info(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct rte_eth_xstat_name names[NR_XSTATS];
	uint64_t values[NR_XSTATS];
	struct xenfront *x = pmd_telemetry_port(is_ours, params);

	(void)cmd;
	if (!x)
		return -1;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", x->dev->data->name);
	rte_tel_data_add_dict_string(d, "guest", x->guest->path);
	rte_tel_data_add_dict_int(d, "devid", (int)x->devid);
	add_front(x, d);
	xenfront_xstats_get_names(x->dev, names, NR_XSTATS);
	read_xstats(x, values);
	for (unsigned int i = 0; i < NR_XSTATS; i++)
		if (values[i])
			rte_tel_data_add_dict_u64(d, names[i].name, values[i]);
	return 0;
}

RTE_INIT(register_xenfront_telemetry)
{
	rte_telemetry_register_cmd("/xenfront/list", telemetry_list,
				   "Ports of net_xenfront. No parameters");
	rte_telemetry_register_cmd(
		"/xenfront/info", telemetry_info,
		"A vif, its state and what was counted. Parameters: int port_id");
}
