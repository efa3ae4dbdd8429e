/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vif and its TAP. The TAP lives as long as the vif's folder in the store, whatever the backend does:
 * while that is away the guest sees a link without carrier and keeps its addresses.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netback/front/eth.h"

static void tap_event(void *arg, uint32_t events)
{
	struct eth_queue *q = arg;

	(void)events;
	q->tap_ready = true;
}

static void from_event(void *arg, uint32_t events)
{
	struct eth_queue *q = arg;

	(void)events;
	front_from_guest_clear(q->front);
}

static void to_event(void *arg, uint32_t events)
{
	struct eth_queue *q = arg;

	(void)events;
	front_to_guest_clear(q->front);
}

static void log_hash(struct eth *eth)
{
	const struct front_info *info = front_info(eth->front);

	if (info->hash == eth->hash)
		return;
	eth->hash = info->hash;
	if (info->hash == FRONT_HASH_SET)
		log_info("%s: the backend hashes as asked", eth->name);
	else if (info->hash == FRONT_HASH_REFUSED)
		log_warning("%s: %s", eth->name, info->hash_reason);
}

static void ctrl_event(void *arg, uint32_t events)
{
	struct eth *eth = arg;

	(void)events;
	front_ctrl_event(eth->front);
	log_hash(eth);
}

static void queue_unwatch(struct eth_queue *q)
{
	loop_fd_del(&q->from_watcher);
	loop_fd_del(&q->to_watcher);
}

/* Level-triggered: an event from before is not lost, and the callbacks consume it. */
static int queue_watch(struct eth *eth, struct eth_queue *q)
{
	int from_fd = front_from_guest_fd(q->front), to_fd = front_to_guest_fd(q->front);
	int rc;

	rc = loop_fd_add(eth->loop, &q->from_watcher, from_fd, EPOLLIN, from_event, q);
	if (!rc && to_fd != from_fd)
		rc = loop_fd_add(eth->loop, &q->to_watcher, to_fd, EPOLLIN, to_event, q);
	return rc;
}

static void take_queue(struct eth *eth, unsigned int i)
{
	const struct front_info *info = front_info(eth->front);
	struct eth_queue *q = &eth->queues[i];

	q->front = front_queue(eth->front, i);
	q->csum_ipv4 = info->csum_ipv4;
	q->csum_ipv6 = info->csum_ipv6;
	q->nr_set = 0;
	q->tap_ready = true;
}

static int connect_taps(struct eth *eth)
{
	const struct front_info *info = front_info(eth->front);
	int rc;

	eth->connection = info->connection;
	eth->nr_groups = 0;
	rc = eth_tap_set_offloads(eth->queues[0].tap_fd, info->csum_ipv4, info->gso_tcpv4,
				  info->gso_tcpv6);
	/* The kernel must not choose TAP queues that the backend has no queue for. */
	for (unsigned int i = 0; !rc && eth->nr_queues > 1 && i < eth->nr_queues; i++)
		rc = eth_tap_use_queue(eth->queues[i].tap_fd, i < info->nr_queues);
	for (unsigned int i = 0; !rc && i < info->nr_queues; i++)
		take_queue(eth, i);
	return rc;
}

static void disconnect_taps(struct eth *eth)
{
	for (unsigned int i = 0; i < eth->nr_queues; i++)
		eth->queues[i].front = NULL;
	eth->connection = 0;
}

static void log_state(struct eth *eth)
{
	const struct front_info *info = front_info(eth->front);

	if (info->state == eth->state)
		return;
	eth->state = info->state;
	if (info->state == FRONT_BROKEN)
		log_err("%s: %s: not used any more", eth->name, info->reason);
	else
		log_info("%s: %s%s%s", eth->name, front_state_name(info->state),
			 info->reason ? ": " : "", info->reason ? info->reason : "");
}

static void follow_link(struct eth *eth, int control_fd)
{
	const struct front_info *info = front_info(eth->front);
	int rc;

	if (info->mtu != eth->mtu) {
		rc = eth_tap_set_mtu(control_fd, eth->name, info->mtu);
		if (rc)
			log_warning("%s: cannot set MTU %u: %s", eth->name, (unsigned int)info->mtu,
				    strerror(-rc));
		eth->mtu = info->mtu;
	}
	if (info->carrier != eth->carrier) {
		rc = eth_tap_set_carrier(eth->queues[0].tap_fd, info->carrier);
		if (rc)
			log_warning("%s: cannot set carrier: %s", eth->name, strerror(-rc));
		eth->carrier = info->carrier;
	}
}

/* Take up a new connection, drop an old one, leave one that still stands as it is. */
static int follow_connection(struct eth *eth)
{
	const struct front_info *info = front_info(eth->front);
	int rc = 0;

	if (eth->connection && eth->connection != info->connection)
		disconnect_taps(eth);
	if (info->state == FRONT_CONNECTED && !eth->connection)
		rc = connect_taps(eth);
	for (unsigned int i = 0; !rc && i < eth->nr_queues; i++)
		if (eth->queues[i].front)
			rc = queue_watch(eth, &eth->queues[i]);
	if (!rc && front_ctrl_fd(eth->front) >= 0)
		rc = loop_fd_add(eth->loop, &eth->ctrl_watcher, front_ctrl_fd(eth->front), EPOLLIN,
				 ctrl_event, eth);
	return rc;
}

int eth_update(struct eth *eth, int control_fd)
{
	int rc, connection_rc;

	/* The library may close these descriptors, of which others have copies: epoll would keep them. */
	for (unsigned int i = 0; i < eth->nr_queues; i++)
		queue_unwatch(&eth->queues[i]);
	loop_fd_del(&eth->ctrl_watcher);
	rc = front_update(eth->front);
	connection_rc = follow_connection(eth);
	if (connection_rc) {
		log_err("%s: cannot connect its TAP: %s", eth->name, strerror(-connection_rc));
		disconnect_taps(eth);
	}
	log_state(eth);
	log_hash(eth);
	follow_link(eth, control_fd);
	return rc;
}

static int open_tap(struct eth *eth, int control_fd)
{
	const struct front_info *info = front_info(eth->front);
	int rc;

	for (unsigned int i = 0; i < eth->nr_queues; i++) {
		struct eth_queue *q = &eth->queues[i];

		rc = eth_tap_open(eth->name, eth->nr_queues > 1);
		if (rc < 0)
			return rc;
		q->tap_fd = rc;
		rc = loop_fd_add(eth->loop, &q->tap_watcher, q->tap_fd, EPOLLIN | EPOLLET,
				 tap_event, q);
		if (rc)
			return rc;
	}
	rc = eth_tap_set_mac(control_fd, eth->name, info->mac);
	return rc ? rc : eth_tap_set_mtu(control_fd, eth->name, info->mtu);
}

int eth_create(struct hv_guest *guest, struct loop *loop, int control_fd, unsigned int handle,
	       const struct eth_options *options, struct eth **eth_out)
{
	struct eth *eth = calloc(1, sizeof(*eth));
	char token[16];
	int rc;

	if (!eth)
		return -ENOMEM;
	list_init(&eth->node);
	eth->loop = loop;
	eth->handle = handle;
	eth->nr_queues = options->max_queues;
	for (unsigned int i = 0; i < eth->nr_queues; i++)
		eth->queues[i].tap_fd = -1;
	if (options->tap)
		snprintf(eth->name, sizeof(eth->name), "%s", options->tap);
	else
		snprintf(eth->name, sizeof(eth->name), "eth%u", handle);
	snprintf(token, sizeof(token), "vif%u", handle);

	rc = front_create(guest, handle, eth->nr_queues, token, &eth->front);
	if (!rc && options->hash)
		rc = front_set_hash(eth->front, options->hash);
	if (!rc)
		front_set_multicast_control(eth->front, options->multicast_control);
	if (!rc)
		rc = open_tap(eth, control_fd);
	if (rc) {
		eth_destroy(eth);
		return rc;
	}
	eth->mtu = front_info(eth->front)->mtu;
	*eth_out = eth;
	return 0;
}

/* The last word: nobody else knows how the backend has spread packets over the queues. */
static void log_counters(const struct eth *eth)
{
	for (unsigned int i = 0; i < front_info(eth->front)->nr_queues; i++) {
		const struct front_counters *c = front_queue_counters(front_queue(eth->front, i));

		log_info("%s: queue %u: %llu packets from the guest (%llu refused by the backend), "
			 "%llu to it",
			 eth->name, i, (unsigned long long)c->from_guest_packets,
			 (unsigned long long)c->from_guest_errors,
			 (unsigned long long)c->to_guest_packets);
	}
}

void eth_close(struct eth *eth)
{
	log_counters(eth);
	for (unsigned int i = 0; i < eth->nr_queues; i++)
		queue_unwatch(&eth->queues[i]);
	loop_fd_del(&eth->ctrl_watcher);
	disconnect_taps(eth);
	front_close(eth->front);
}

void eth_destroy(struct eth *eth)
{
	list_remove(&eth->node);
	loop_fd_del(&eth->ctrl_watcher);
	for (unsigned int i = 0; i < eth->nr_queues; i++) {
		queue_unwatch(&eth->queues[i]);
		loop_fd_del(&eth->queues[i].tap_watcher);
		if (eth->queues[i].tap_fd >= 0)
			close(eth->queues[i].tap_fd);
	}
	front_destroy(eth->front);
	free(eth);
}
