/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that stands in another network than before keeps its link, but its addresses no longer hold:
 * it sees the carrier go and come back (the key "carrier" of io/netif.h), and asks for new ones. One that
 * changed from one switch to another on the same LAN sees nothing.
 */
#include "policy/vifrostd_priv.h"

#include <stdio.h>
#include <string.h>

#define DOWN_MS 100

/* What guests of two networks have in common when these are one segment. */
static void segment_text(const struct vs_network *n, char *text, size_t size)
{
	size_t used;

	if (n->has_uplink) {
		snprintf(text, size, "lan %s %u", n->uplink_name, n->uplink_vlan);
		return;
	}
	used = (size_t)snprintf(text, size, "%s %s%s",
				n->nr_subnets ? vs_mode_plain(n->mode)->name : "", n->name,
				n->is_per_guest || n->fast.is_per_guest ? " alone" : "");
	for (size_t i = 0; i < n->nr_subnets && used + 40 < size; i++) {
		const struct vs_prefix *p = &n->subnets[i].prefix;

		used += (size_t)snprintf(text + used, size - used, " ");
		for (int b = 0; b < (p->family == AF_INET ? 4 : 16); b++)
			used += (size_t)snprintf(text + used, size - used, "%02x", p->address[b]);
	}
}

bool carrier_is_same(const struct vif *vif, const struct vs_network *n)
{
	char segment[sizeof(vif->segment)];

	if (!n || vif->mode != n->mode || vif->ovs_datapath != n->ovs_datapath)
		return false;
	segment_text(n, segment, sizeof(segment));
	return !strcmp(segment, vif->segment);
}

static void set_all(void *arg)
{
	struct vifrostd *d = arg;
	struct vif *vif = NULL;
	int rc = 0;

	while (!rc && d->store && (vif = vif_next(d, vif))) {
		if (!vif->is_carrier_off)
			continue;
		rc = vif_write_carrier(d, vif, true);
		vif->is_carrier_off = rc != 0;
	}
	if (rc)
		store_lost(d, rc);
}

int carrier_start(struct vifrostd *d)
{
	return loop_timer_add(d->loop, &d->carrier_timer, set_all, d);
}

void carrier_stop(struct vifrostd *d)
{
	loop_timer_del(&d->carrier_timer);
}

int carrier_check(struct vifrostd *d, struct vif *vif, const struct vs_network *n)
{
	char segment[sizeof(vif->segment)], now[8];
	bool is_first = !vif->segment[0], is_same;
	int rc = 0;

	segment_text(n, segment, sizeof(segment));
	is_same = !strcmp(segment, vif->segment);
	memcpy(vif->segment, segment, sizeof(segment));
	vif->mode = n->mode;
	vif->ovs_datapath = n->ovs_datapath;
	if (is_first) {
		/* One that was in service before us: we may have died while its carrier was off. */
		if (strcmp(vif->hotplug_status, "connected") != 0)
			return 0;
		rc = vif_read_key(d, vif, "carrier", now, sizeof(now));
		return rc || strcmp(now, "0") != 0 ? rc : vif_write_carrier(d, vif, true);
	}
	if (is_same)
		return 0;
	log_info("%s of guest %s has another network: its carrier goes and comes back", vif->name,
		 vif->who.guest);
	rc = vif_write_carrier(d, vif, false);
	if (!rc)
		vif->is_carrier_off = true;
	if (!rc)
		loop_timer_set(&d->carrier_timer, DOWN_MS, 0);
	return rc;
}
