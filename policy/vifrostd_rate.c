/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of what comes from guests, and how much really passes in both directions. */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define PATH_LEN   96
#define MEASURE_MS 1000
#define KEY_RATE   "vifrost-rate" /* what "rate" was before; "-": nothing */
#define QUEUES_MAX 64
/* Of credit: short enough for TCP, long enough for timers. */
#define RATE_WINDOW_US	   50000
#define RATE_WINDOW_MIN_US 10000
#define RATE_WINDOW_MAX_US 1000000

/* "BYTES,MICROSECONDS", as Xen has it. xen-netback gives every queue all of it. */
static void rate_text(struct vifrostd *d, const struct vif *vif, char text[RATE_LEN])
{
	const struct vs_rate *r = &vif->placement.vif.from_guest;
	uint64_t bytes_per_s = r->bits_per_s / 8, usec = RATE_WINDOW_US, bytes;
	uint32_t queues = 1;
	char path[PATH_LEN];

	text[0] = '\0';
	if (!bytes_per_s || !vif->placement.is_placed)
		return;
	snprintf(path, sizeof(path), "/local/domain/%u/device/vif/%u/multi-queue-num-queues",
		 vif->domid, vif->devid);
	if (d->is_xen && vif->wanted == VIF_DATAPATH_KERNEL &&
	    (hv_store_read_u32(d->store, 0, path, QUEUES_MAX, &queues) || !queues))
		queues = 1;
	if (r->burst_bytes)
		usec = r->burst_bytes * 1000000 / bytes_per_s;
	if (usec < RATE_WINDOW_MIN_US || usec > RATE_WINDOW_MAX_US)
		usec = usec < RATE_WINDOW_MIN_US ? RATE_WINDOW_MIN_US : RATE_WINDOW_MAX_US;
	bytes = bytes_per_s * usec / 1000000 / queues;
	if (bytes > UINT32_MAX)
		bytes = UINT32_MAX;
	snprintf(text, RATE_LEN, "%" PRIu64 ",%" PRIu64, bytes ? bytes : 1, usec);
}

static bool has_limit(const struct vif *vif)
{
	const struct vs_vif *v = &vif->placement.vif;

	return vif->placement.is_placed &&
	       (v->from_guest.bits_per_s || v->to_guest.bits_per_s || v->from_guest.packets_per_s ||
		v->to_guest.packets_per_s);
}

static bool is_limited(const struct vif *vif)
{
	return has_limit(vif) && vif->link[0];
}

/*
 * What may come from the guest is its backend's to limit, by "rate". What the guest's configuration has there is
 * kept aside as long as the policy says something.
 */
int vif_limit(struct vifrostd *d, struct vif *vif)
{
	char want[RATE_LEN], now[RATE_LEN], own[RATE_LEN];
	struct vif_note notes[2] = { { "rate", NULL }, { KEY_RATE, NULL } };
	int rc;

	if (has_limit(vif) && !d->is_measuring) {
		d->is_measuring = true;
		loop_timer_set(&d->measure_timer, MEASURE_MS, MEASURE_MS);
	}
	rate_text(d, vif, want);
	if (vif->has_rate && !strcmp(want, vif->rate))
		return 0;
	rc = vif_read_key(d, vif, "rate", now, sizeof(now));
	if (!rc)
		rc = vif_read_key(d, vif, KEY_RATE, own, sizeof(own));
	if (rc)
		return rc;
	vif->has_rate = true;
	memcpy(vif->rate, want, sizeof(want));
	if (want[0] && (!own[0] || strcmp(now, want) != 0)) {
		notes[0].value = want;
		notes[1].value = own[0] ? own : now[0] ? now : "-";
		return vif_write_notes(d, vif, notes, 2);
	}
	if (want[0] || !own[0])
		return 0;
	notes[0].value = strcmp(own, "-") != 0 ? own : NULL;
	return vif_write_notes(d, vif, notes, 2);
}

static uint64_t bits_since(uint64_t before, uint64_t now, uint64_t ns)
{
	/* A link that is new counts from 0. */
	return now < before ? 0 : (now - before) * 8000000 / (ns / 1000);
}

struct measuring {
	struct htab by_ifindex;
	uint64_t now_ns;
};

static void take_counters(void *arg, const struct vs_counters *c)
{
	struct measuring *m = arg;
	struct htab_node *node = htab_first(
		&m->by_ifindex, htab_hash(&m->by_ifindex, &c->ifindex, sizeof(c->ifindex)));
	struct vif_flow *f;
	struct vif *vif;

	if (!node)
		return;
	vif = htab_entry(node, struct vif, measured);
	f = &vif->flow;
	if (f->at_ns && f->counters.ifindex == c->ifindex && m->now_ns > f->at_ns + 1000000) {
		uint64_t ns = m->now_ns - f->at_ns;

		f->from_guest_bps = bits_since(f->counters.from_guest_bytes, c->from_guest_bytes,
					       ns);
		f->to_guest_bps = bits_since(f->counters.to_guest_bytes, c->to_guest_bytes, ns);
		f->is_measured = true;
	}
	f->counters = *c;
	f->at_ns = m->now_ns;
}

/* One dump of all links' counters; when no vif has a limit any more, the last. */
static void measure(void *arg)
{
	struct vifrostd *d = arg;
	struct measuring m = { .now_ns = clock_ns() };
	struct vif *vif = NULL;

	htab_init(&m.by_ifindex);
	while ((vif = vif_next(d, vif)))
		if (is_limited(vif) && vif->ifindex)
			htab_insert(&m.by_ifindex, &vif->measured,
				    htab_hash(&m.by_ifindex, &vif->ifindex, sizeof(vif->ifindex)));
	if (m.by_ifindex.nr_entries && d->sys->ops->counters)
		d->sys->ops->counters(d->sys, take_counters, &m);
	d->is_measuring = m.by_ifindex.nr_entries != 0;
	if (!d->is_measuring)
		loop_timer_set(&d->measure_timer, 0, 0);
	htab_fini(&m.by_ifindex);
}

void vif_measure_start(struct vifrostd *d)
{
	int rc = loop_timer_add(d->loop, &d->measure_timer, measure, d);

	if (rc)
		log_warning("what passes of limited vifs is not measured: %s", strerror(-rc));
}

void vif_measure_stop(struct vifrostd *d)
{
	loop_timer_del(&d->measure_timer);
}

static json_t *direction_json(const struct vs_rate *limit, bool is_measured, uint64_t bps)
{
	return json_pack("{so* so* so*}", "limit-bits-per-s",
			 limit->bits_per_s ? json_integer((json_int_t)limit->bits_per_s) : NULL,
			 "limit-packets-per-s",
			 limit->packets_per_s ? json_integer((json_int_t)limit->packets_per_s)
					      : NULL,
			 "bits-per-s", is_measured ? json_integer((json_int_t)bps) : NULL);
}

json_t *vif_rate_json(const struct vif *vif)
{
	const struct vs_vif *v = &vif->placement.vif;
	const struct vif_flow *f = &vif->flow;

	if (!is_limited(vif))
		return NULL;
	return json_pack("{so so}", "to-guest",
			 direction_json(&v->to_guest, f->is_measured, f->to_guest_bps),
			 "from-guest",
			 direction_json(&v->from_guest, f->is_measured, f->from_guest_bps));
}
