/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a port counts: its bursts, and what the frontend library knows, over all connections. */
#include <stdio.h>

#include "netback/pmd_xenfront.h"

/* Behind what ethdev itself gives: drops by their cause, summed over the queues. */
enum own { TX_LENGTH, TX_OFFLOAD, TX_FULL, CONNECTIONS, KEPT, HELD, NR_OWN };

static const char *const own_names[NR_OWN] = {
	[TX_LENGTH] = "tx_bad_length",	       [TX_OFFLOAD] = "tx_bad_offload",
	[TX_FULL] = "tx_ring_full_bursts",     [CONNECTIONS] = "connections",
	[KEPT] = "pages_backend_keeps_mapped", [HELD] = "pages_held_when_closed",
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

		stats->ipackets += rx->packets;
		stats->ibytes += rx->bytes;
		stats->rx_nombuf += rx->no_mbuf;
		stats->opackets += tx->packets;
		stats->obytes += tx->bytes;
		stats->oerrors += tx->too_long + tx->bad_offload;
		stats->q_ipackets[i] = rx->packets;
		stats->q_ibytes[i] = rx->bytes;
		stats->q_opackets[i] = tx->packets;
		stats->q_obytes[i] = tx->bytes;
	}
	stats->ierrors = c.to_guest_errors - before->to_guest_errors + c.to_guest_dropped -
			 before->to_guest_dropped;
	stats->oerrors += c.from_guest_errors - before->from_guest_errors + c.from_guest_refused -
			  before->from_guest_refused;
	return 0;
}

int xenfront_stats_reset(struct rte_eth_dev *dev)
{
	struct xenfront *x = dev->data->dev_private;

	read_counters(x, &x->counted);
	x->connections_counted = x->nr_connections;
	for (unsigned int i = 0; i < x->max_queues; i++) {
		struct xenfront_rx *rx = &x->rx[i];
		struct xenfront_tx *tx = &x->tx[i];

		rx->packets = rx->bytes = rx->no_mbuf = 0;
		tx->packets = tx->bytes = tx->too_long = tx->bad_offload = tx->no_room = 0;
	}
	return 0;
}

static void read_own(struct xenfront *x, uint64_t own[NR_OWN])
{
	for (unsigned int i = 0; i < x->max_queues; i++) {
		own[TX_LENGTH] += x->tx[i].too_long;
		own[TX_OFFLOAD] += x->tx[i].bad_offload;
		own[TX_FULL] += x->tx[i].no_room;
	}
	pthread_mutex_lock(&x->guest->lock);
	own[CONNECTIONS] = x->nr_connections - x->connections_counted;
	own[KEPT] = x->front ? front_info(x->front)->nr_kept_pages : 0;
	own[HELD] = x->front ? front_info(x->front)->nr_leaked_pages : 0;
	pthread_mutex_unlock(&x->guest->lock);
}

int xenfront_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats, unsigned int nr)
{
	struct xenfront *x = dev->data->dev_private;
	uint64_t own[NR_OWN] = { 0 };
	struct front_counters c;

	if (nr < NR_XSTATS || !xstats)
		return NR_XSTATS;
	read_own(x, own);
	read_counters(x, &c);
	for (unsigned int i = 0; i < NR_XSTATS; i++) {
		xstats[i].id = i;
		xstats[i].value = i < NR_OWN ? own[i]
					     : value(&c, kept[i - NR_OWN].offset) -
						       value(&x->counted, kept[i - NR_OWN].offset);
	}
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
