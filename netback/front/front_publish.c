/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the backend offers and what we publish: the xenstore keys of io/netif.h. */
#include <errno.h>
#include <stdio.h>

#include "netback/front/front_priv.h"

#define PUBLISH_ATTEMPTS 16 /* of a transaction that conflicts with others */

void front_path(const struct front *f, char path[FRONT_PATH_MAX], const char *key)
{
	snprintf(path, FRONT_PATH_MAX, "%s/%s", f->dir, key);
}

/* Missing or nonsense counts as @otherwise: the backend's own loss. */
static int read_offer(struct front *f, const char *key, uint32_t max, uint32_t otherwise,
		      uint32_t *value)
{
	char path[FRONT_PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", f->backend, key);
	rc = hv_store_read_u32(f->store, 0, path, max, value);
	if (rc == -ENOENT || rc == -EINVAL || rc == -ERANGE) {
		*value = otherwise;
		return 0;
	}
	return rc;
}

int front_features_read(struct front *f, unsigned int *nr_queues_out, bool *ctrl_ring_out)
{
	uint32_t no_csum_ipv4 = 0, csum_ipv6 = 0, sg = 0, gso_tcpv4 = 0, gso_tcpv6 = 0, split = 0;
	uint32_t max_queues = 1, multicast = 0, ctrl_ring = 0;
	const struct {
		const char *key;
		uint32_t *value;
	} offers[] = {
		{ "feature-no-csum-offload", &no_csum_ipv4 },
		{ "feature-ipv6-csum-offload", &csum_ipv6 },
		{ "feature-sg", &sg },
		{ "feature-gso-tcpv4", &gso_tcpv4 },
		{ "feature-gso-tcpv6", &gso_tcpv6 },
		{ "feature-split-event-channels", &split },
		{ "feature-multicast-control", &multicast },
		{ "feature-ctrl-ring", &ctrl_ring },
	};
	int rc;

	for (unsigned int i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		rc = read_offer(f, offers[i].key, 1, 0, offers[i].value);
		if (rc)
			return rc;
	}
	rc = read_offer(f, "multi-queue-max-queues", UINT32_MAX, 1, &max_queues);
	if (rc)
		return rc;

	/* A GSO packet is several slots long and its checksum is blank. */
	f->info.sg = sg;
	f->info.csum_ipv4 = !no_csum_ipv4;
	f->info.csum_ipv6 = csum_ipv6;
	f->info.gso_tcpv4 = gso_tcpv4 && sg && !no_csum_ipv4;
	f->info.gso_tcpv6 = gso_tcpv6 && sg && csum_ipv6;
	f->info.split_channels = split;
	f->info.multicast_control = multicast && f->want_multicast_control;
	*ctrl_ring_out = ctrl_ring;
	*nr_queues_out = max_queues < f->max_queues ? max_queues : f->max_queues;
	if (!*nr_queues_out)
		*nr_queues_out = 1;
	return 0;
}

static int write_key(struct front *f, uint32_t tx, const char *dir, const char *key, uint32_t value)
{
	char path[FRONT_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return hv_store_printf(f->store, tx, path, "%u", value);
}

static int write_queue(struct front *f, uint32_t tx, const struct front_queue *q, const char *dir)
{
	int rc;

	rc = write_key(f, tx, dir, "tx-ring-ref", q->from_ring_ref);
	if (!rc)
		rc = write_key(f, tx, dir, "rx-ring-ref", q->to_ring_ref);
	if (rc)
		return rc;
	if (!q->split)
		return write_key(f, tx, dir, "event-channel", q->from_channel.local_port);
	rc = write_key(f, tx, dir, "event-channel-tx", q->from_channel.local_port);
	if (!rc)
		rc = write_key(f, tx, dir, "event-channel-rx", q->to_channel.local_port);
	return rc;
}

int front_unpublish(struct front *f, uint32_t tx)
{
	static const char *const keys[] = {
		"tx-ring-ref",	      "rx-ring-ref",	  "event-channel",
		"event-channel-tx",   "event-channel-rx", "multi-queue-num-queues",
		"event-channel-ctrl", "ctrl-ring-ref",	  "request-multicast-control",
	};
	char path[FRONT_PATH_MAX], queue[16];
	int rc;

	for (unsigned int i = 0; i < sizeof(keys) / sizeof(keys[0]) + FRONT_MAX_QUEUES; i++) {
		snprintf(queue, sizeof(queue), "queue-%u", i);
		front_path(f, path, i < FRONT_MAX_QUEUES ? queue : keys[i - FRONT_MAX_QUEUES]);
		rc = hv_store_rm(f->store, tx, path);
		if (rc && rc != -ENOENT)
			return rc;
	}
	return 0;
}

static int write_queues(struct front *f, uint32_t tx)
{
	char dir[FRONT_PATH_MAX - 32];
	int rc;

	if (f->info.nr_queues == 1)
		return write_queue(f, tx, f->queues[0], f->dir);
	rc = write_key(f, tx, f->dir, "multi-queue-num-queues", f->info.nr_queues);
	for (unsigned int i = 0; !rc && i < f->info.nr_queues; i++) {
		snprintf(dir, sizeof(dir), "%s/queue-%u", f->dir, i);
		rc = write_queue(f, tx, f->queues[i], dir);
	}
	return rc;
}

static int write_ctrl(struct front *f, uint32_t tx)
{
	uint32_t ref, port;
	int rc;

	front_ctrl_keys(f, &ref, &port);
	rc = write_key(f, tx, f->dir, "ctrl-ring-ref", ref);
	return rc ? rc : write_key(f, tx, f->dir, "event-channel-ctrl", port);
}

static int publish_once(struct front *f, uint32_t tx)
{
	const struct {
		const char *key;
		uint32_t value;
	} features[] = {
		{ "request-rx-copy", 1 },
		{ "feature-rx-notify", 1 },
		{ "feature-sg", 1 },
		{ "feature-gso-tcpv4", !f->no_gso },
		{ "feature-gso-tcpv6", !f->no_gso },
		{ "feature-no-csum-offload", f->no_csum },
		{ "feature-ipv6-csum-offload", !f->no_csum },
	};
	int rc;

	/* A connection with other queues or channels may have been here before. */
	rc = f->stale ? front_unpublish(f, tx) : 0;
	if (!rc)
		rc = write_queues(f, tx);
	if (!rc && f->ctrl)
		rc = write_ctrl(f, tx);
	if (!rc && f->info.multicast_control)
		rc = write_key(f, tx, f->dir, "request-multicast-control", 1);
	for (unsigned int i = 0; !rc && i < sizeof(features) / sizeof(features[0]); i++)
		rc = write_key(f, tx, f->dir, features[i].key, features[i].value);
	/* Not Initialised: Linux's backend waits for Connected, ours takes either. */
	if (!rc)
		rc = write_key(f, tx, f->dir, "state", XenbusStateConnected);
	return rc;
}

int front_publish(struct front *f)
{
	uint32_t tx;
	int rc = -EAGAIN, end_rc;

	for (int i = 0; rc == -EAGAIN && i < PUBLISH_ATTEMPTS; i++) {
		rc = hv_store_transaction_start(f->store, &tx);
		if (rc)
			return rc;
		rc = publish_once(f, tx);
		end_rc = hv_store_transaction_end(f->store, tx, !rc);
		if (!rc)
			rc = end_rc;
	}
	if (!rc)
		f->stale = true;
	return rc;
}
