/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be seen from outside: vifs, rings, counters. Guest texts never appear, only numbers. */
#include "netback/vif.h"

#define ITEMS(v) (sizeof(v) / sizeof((v)[0]))

struct counter {
	const char *name;
	size_t offset;
};

#define COUNTER(name, field)                                                                       \
	{                                                                                          \
		name, offsetof(struct nb_queue_stats, field)                                       \
	}

static const struct counter from_counters[] = {
	COUNTER("frames", from_frames),	      COUNTER("bytes", from_bytes),
	COUNTER("gso-frames", from_gso),      COUNTER("csum-blank", from_csum_blank),
	COUNTER("throttled", from_throttled),
};

static const struct counter to_counters[] = {
	COUNTER("frames", to_frames),
	COUNTER("bytes", to_bytes),
	COUNTER("gso-frames", to_gso),
	COUNTER("csum-blank", to_csum_blank),
	COUNTER("csum-completed", to_csum_completed),
	COUNTER("copied", to_copied),
	COUNTER("bad-slots", to_bad_slots),
};

static const struct counter queue_counters[] = {
	COUNTER("wakeups", wakeups),
	COUNTER("spurious-events", spurious_events),
	COUNTER("notifications", notifications),
	COUNTER("ctrl-requests", ctrl_requests),
	COUNTER("multicast-requests", mcast_requests),
};

static json_t *counters(const struct nb_queue_stats *stats, const struct counter *table, size_t nr)
{
	json_t *j = json_object();

	for (size_t i = 0; i < nr; i++) {
		const uint64_t *value = (const void *)((const char *)stats + table[i].offset);

		json_object_set_new(j, table[i].name, json_integer((json_int_t)nb_counted(value)));
	}
	return j;
}

static void add(json_t *sum, const json_t *part)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)part, key, value) {
		json_int_t old = json_integer_value(json_object_get(sum, key));

		if (json_is_object(value)) {
			if (!json_object_get(sum, key))
				json_object_set_new(sum, key, json_object());
			add(json_object_get(sum, key), value);
		} else {
			json_object_set_new(sum, key,
					    json_integer(old + json_integer_value(value)));
		}
	}
}

static json_t *from_guest(const struct nb_queue_stats *stats)
{
	json_t *j = counters(stats, from_counters, ITEMS(from_counters));
	json_t *drops = json_object();

	for (int i = 0; i < NB_NR_FROM_DROPS; i++)
		json_object_set_new(drops, nb_from_drop_name((enum nb_from_drop)i),
				    json_integer((json_int_t)nb_counted(&stats->from_drops[i])));
	json_object_set_new(j, "drops", drops);
	return j;
}

static json_t *to_guest(const struct nb_queue_stats *stats)
{
	json_t *j = counters(stats, to_counters, ITEMS(to_counters));
	json_t *drops = json_object();

	for (int i = 0; i < NB_NR_TO_DROPS; i++)
		json_object_set_new(drops, nb_to_drop_name((enum nb_to_drop)i),
				    json_integer((json_int_t)nb_counted(&stats->to_drops[i])));
	json_object_set_new(j, "drops", drops);
	return j;
}

/* Indices as the shared page has them: the guest's word, for people to look at. */
#define RING(sring)                                                                                \
	json_pack("{s:I, s:I, s:I, s:I}", "req-prod",                                              \
		  (json_int_t)__atomic_load_n(&(sring)->req_prod, __ATOMIC_RELAXED), "rsp-prod",   \
		  (json_int_t)__atomic_load_n(&(sring)->rsp_prod, __ATOMIC_RELAXED), "req-event",  \
		  (json_int_t)__atomic_load_n(&(sring)->req_event, __ATOMIC_RELAXED), "rsp-event", \
		  (json_int_t)__atomic_load_n(&(sring)->rsp_event, __ATOMIC_RELAXED))

static json_t *queue_status(const struct nb_queue *q)
{
	json_t *j = counters(&q->stats, queue_counters, ITEMS(queue_counters));

	json_object_set_new(j, "id", json_integer(q->id));
	json_object_set_new(j, "split-event-channels", json_boolean(q->split_channels));
	json_object_set_new(j, "stalled", json_boolean(atomic_load(&q->stalled)));
	json_object_set_new(
		j, "pages-kept-mapped",
		json_integer((json_int_t)__atomic_load_n(&q->nr_gref_pages, __ATOMIC_RELAXED)));
	json_object_set_new(j, "from-ring", RING(q->from_ring.sring));
	json_object_set_new(j, "to-ring", RING(q->to_ring.sring));
	json_object_set_new(j, "from-guest", from_guest(&q->stats));
	json_object_set_new(j, "to-guest", to_guest(&q->stats));
	return j;
}

static json_t *features(const struct nb_features *f)
{
	return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:i}", "sg", f->sg, "gso-tcpv4",
			 f->gso_v4, "gso-tcpv6", f->gso_v6, "csum-ipv4", f->csum_v4, "csum-ipv6",
			 f->csum_v6, "rx-notify", f->rx_notify, "multicast-control",
			 f->mcast_control, "headroom", (int)f->headroom);
}

static const char *reason(const struct nb_vif *vif)
{
	if (vif->dev.reason[0])
		return vif->dev.reason;
	if (vif->dev.dead)
		return "the domain is gone";
	if (vif->dev.elsewhere)
		return "";
	if (vif->dev.state == XenbusStateInitWait && !vif->hotplug_connected)
		return "waiting for hotplug-status";
	if (vif->dev.state == XenbusStateInitWait)
		return "waiting for the frontend";
	return "";
}

static json_t *vif_status(const struct nb_vif *vif)
{
	json_t *j = json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:i, s:i}",
			      "name", vif->dev.name, "device", vif->port_name, "domid",
			      (int)vif->dev.domid, "devid", (int)vif->dev.devid, "datapath",
			      nb_datapath_name(vif), "state", xb_state_name(vif->dev.state),
			      "frontend-state", xb_state_name(vif->dev.frontend_state), "online",
			      vif->dev.online, "disabled", vif->dev.disabled, "carrier",
			      vif->carrier, "reason", reason(vif), "ifindex", (int)vif->ifindex,
			      "mtu", (int)vif->mtu);
	const struct nb_rate *rate = &vif->credit.rate;
	json_t *queues = json_array(), *from = json_object(), *to = json_object();

	for (unsigned int i = 0; vif->queues && i < vif->nr_queues; i++) {
		json_t *q = queue_status(&vif->queues[i]);

		add(from, json_object_get(q, "from-guest"));
		add(to, json_object_get(q, "to-guest"));
		json_array_append_new(queues, q);
	}
	if (vif->queues)
		json_object_set_new(j, "features", features(&vif->features));
	if (vif->nr_contested)
		json_object_set_new(j, "contested", json_integer(vif->nr_contested));
	if (rate->usec)
		json_object_set_new(j, "rate",
				    json_pack("{s:I, s:I}", "bytes", (json_int_t)rate->bytes,
					      "usec", (json_int_t)rate->usec));
	json_object_set_new(j, "from-guest", from);
	json_object_set_new(j, "to-guest", to);
	json_object_set_new(j, "queues", queues);
	return j;
}

json_t *netback_status(const struct netback *nb)
{
	json_t *vifs = json_array();
	const struct list *l;

	for (l = nb->xb.all.next; l != &nb->xb.all; l = l->next)
		json_array_append_new(vifs, vif_status(list_entry(l, struct nb_vif, dev.all)));
	return json_pack("{s:i, s:b, s:I, s:o}", "workers", (int)nb->nr_workers, "xenstore",
			 nb->xb.hv->store != NULL, "xenstore-lost", (json_int_t)nb->xb.store_lost,
			 "vifs", vifs);
}
