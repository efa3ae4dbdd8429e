/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be seen of the switch: by network and port, counters by cause. Numbers, never a guest's texts. */
#include "base/clock.h"
#include "vswitch/fast/fast_priv.h"

static const char *const drop_names[FAST_NR_DROPS] = {
	[FAST_DROP_GUARD] = "guard",	   [FAST_DROP_FIREWALL] = "firewall",
	[FAST_DROP_VLAN] = "vlan",	   [FAST_DROP_NO_PORT] = "no-port",
	[FAST_DROP_ISOLATED] = "isolated", [FAST_DROP_RESERVED] = "reserved",
	[FAST_DROP_FORM] = "form",	   [FAST_DROP_TO_RATE] = "to-guest-rate",
	[FAST_DROP_NO_ROOM] = "no-room",   [FAST_DROP_REFUSED] = "refused",
	[FAST_DROP_GATEWAY] = "gateway",
};

const char *fast_drop_name(enum fast_drop why)
{
	return drop_names[why];
}

static json_t *count(const uint64_t *counter)
{
	return json_integer((json_int_t)nb_counted(counter));
}

static json_t *port_counters(const struct fast_port *p, const struct fast_gate *gate)
{
	const struct fast_port_stats *s = &p->stats;
	json_t *drops = json_object(), *guard = json_object();
	json_t *j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "frames",
			      count(&s->frames), "bytes", count(&s->bytes), "to-frames",
			      count(&s->to_frames), "flooded", count(&s->flooded), "throttled",
			      count(&s->throttled), "waits", count(&s->waits), "not-learnt",
			      count(&s->not_learnt), "wakeups", count(&s->wakeups), "routed",
			      count(&s->routed));

	for (int i = 0; i < FAST_NR_DROPS; i++)
		json_object_set_new(drops, drop_names[i], count(&s->drops[i]));
	for (int i = 0; gate && i < FAST_REASONS; i++)
		if (nb_counted(&gate->drops[i]))
			json_object_set_new(guard, fast_reason_name((enum fast_reason)i),
					    count(&gate->drops[i]));
	json_object_set_new(j, "drops", drops);
	json_object_set_new(j, "guard", guard);
	return j;
}

/* What only the thread may look at. */
struct inside {
	struct fast_net *net;
	uint32_t learnt, fixed, buckets;
	uint64_t moved, evicted;
	unsigned int nr_ports;
	struct fast_ct_stats ct;
	struct fast_nat_stats nat;
};

static void look_inside(void *arg)
{
	struct inside *in = arg;
	struct fast_net *net = in->net;
	struct list *l;

	net->fdb.now_s = (uint32_t)(clock_ns() / 1000000000u);
	fast_fdb_age(&net->fdb, net->fdb.mask + 1);
	in->learnt = net->fdb.nr_learnt;
	in->fixed = net->fdb.nr_fixed;
	in->buckets = net->fdb.mask + 1;
	in->moved = net->fdb.moved;
	in->evicted = net->fdb.evicted;
	list_for_each (&net->ports, l)
		in->nr_ports++;
	if (net->ct)
		fast_ct_stats(net->ct, &in->ct);
	if (net->gateway && net->gateway->nat)
		fast_nat_stats(net->gateway->nat, &in->nat);
}

/* Flows of what it translates. */
static json_t *nat_status(const struct fast_nat_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "now",
			 (json_int_t)s->nr, "room", (json_int_t)s->nr_max, "begun",
			 (json_int_t)s->begun, "ended", (json_int_t)s->ended, "timed-out",
			 (json_int_t)s->timed_out, "over-limit", (json_int_t)s->over_limit, "full",
			 (json_int_t)s->full, "no-port", (json_int_t)s->no_port, "invalid",
			 (json_int_t)s->invalid, "unknown", (json_int_t)s->unknown, "to-kernel",
			 (json_int_t)s->to_kernel, "forwarded", (json_int_t)s->forwarded,
			 "pool-ports", (json_int_t)s->pool_ports);
}

static json_t *cpus_of(const struct fast_thread *t)
{
	json_t *cpus = json_array();

	for (int i = 0; t->is_pinned && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &t->cpus))
			json_array_append_new(cpus, json_integer(i));
	return cpus;
}

static json_t *thread_status(const struct fast_thread *t)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o}", "cpus", cpus_of(t), "state",
			 atomic_load_explicit(&t->sleeping, memory_order_relaxed) ? "sleeping"
										  : "polling",
			 "sleeps", count(&t->sleeps), "turns", count(&t->turns), "busy-turns",
			 count(&t->busy_turns));
}

static json_t *network_status(struct fast_net *net)
{
	struct inside in = { .net = net };
	json_t *j;

	fast_thread_call(net->thread, look_inside, &in);
	j = json_pack("{s:s, s:i, s:{s:I, s:I, s:I, s:I, s:I}, s:o, s:o, s:s}", "mode",
		      fast_mode_name(net->doc.mode), "ports", (int)in.nr_ports, "fdb", "learnt",
		      (json_int_t)in.learnt, "fixed", (json_int_t)in.fixed, "room",
		      (json_int_t)in.buckets * FAST_FDB_WAYS, "moved", (json_int_t)in.moved,
		      "evicted", (json_int_t)in.evicted, "thread", thread_status(net->thread),
		      "host", port_counters(&net->host, NULL), "trouble", net->trouble);
	if (j && net->uplink.ops)
		json_object_set_new(j, "uplink",
				    json_pack("{s:s, s:s, s:o}", "link", net->doc.uplink.name,
					      "kind", net->reach.says, "counters",
					      port_counters(&net->uplink, NULL)));
	if (j && in.nat.nr_max)
		json_object_set_new(j, "nat", nat_status(&in.nat));
	if (j && net->ct)
		json_object_set_new(
			j, "connections",
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "now", (json_int_t)in.ct.nr,
				  "room", (json_int_t)in.ct.nr_max, "begun",
				  (json_int_t)in.ct.begun, "refused", (json_int_t)in.ct.refused,
				  "over-limit", (json_int_t)in.ct.over_limit, "full",
				  (json_int_t)in.ct.full));
	return j;
}

static json_t *vif_status(const struct fast_vif *vif)
{
	const char *state = vif->port.id			 ? "served"
			    : !vif->has_doc			 ? "no document"
			    : !vif->queues && !vif->doc.is_vhost ? "not connected"
								 : "not served";
	json_t *j = port_counters(&vif->port, vif->gate);

	json_object_set_new(j, "network", json_string(vif->has_doc ? vif->doc.network : ""));
	json_object_set_new(j, "state", json_string(state));
	json_object_set_new(j, "trouble", json_string(vif->trouble));
	return j;
}

json_t *fast_status(struct fast *f)
{
	json_t *networks = json_object(), *ports = json_object();
	struct list *l;

	list_for_each (&f->nets, l) {
		struct fast_net *net = list_entry(l, struct fast_net, all);

		json_object_set_new(networks, net->name, network_status(net));
	}
	list_for_each (&f->vifs, l) {
		const struct fast_vif *vif = list_entry(l, struct fast_vif, all);

		json_object_set_new(ports, vif->name, vif_status(vif));
	}
	return json_pack("{s:o*, s:o*, s:o*}", "networks", networks, "ports", ports, "waiting",
			 fast_waiting_status(f));
}
