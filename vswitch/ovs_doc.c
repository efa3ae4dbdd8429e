/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wanted of Open vSwitch, as documents (ovs.h). */
#include "vswitch/ovs.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/rate.h"

#define VLAN_MAX 4094
#define CPU_MAX	 4095

bool ovs_is_secure(const struct vs_network *n)
{
	return n->fail_secure || n->ovs_datapath != VS_OVS_KERNEL || n->ports_filtered;
}

bool ovs_is_in_user_space(const struct vs_network *n)
{
	return n->mode->segment == VS_SEGMENT_OVS && n->ovs_datapath != VS_OVS_KERNEL;
}

bool ovs_is_dpdk(const struct vs_network *n)
{
	return n && n->mode && n->mode->segment == VS_SEGMENT_OVS && n->ovs_datapath == VS_OVS_DPDK;
}

json_t *ovs_dpdk_doc(const struct vs_wanted *w)
{
	json_t *doc = json_object(), *cpus = json_array();
	bool used[CPU_MAX + 1] = { false };
	uint64_t memory = 0;

	for (size_t i = 0; i < w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i];

		if (!ovs_is_dpdk(n))
			continue;
		memory = n->dpdk.memory > memory ? n->dpdk.memory : memory;
		for (size_t k = 0; k < n->dpdk.nr_cpus; k++)
			used[n->dpdk.cpus[k] % (CPU_MAX + 1)] = true;
	}
	for (size_t cpu = 0; cpu <= CPU_MAX; cpu++)
		if (used[cpu])
			json_array_append_new(cpus, json_integer((json_int_t)cpu));
	if (json_array_size(cpus))
		json_object_set(doc, "cpus", cpus);
	if (memory)
		json_object_set_new(doc, "memory", json_integer((json_int_t)(memory >> 20)));
	json_decref(cpus);
	return doc;
}

static json_t *tree_doc(const struct vs_network *n)
{
	const struct {
		const char *key;
		uint32_t value;
	} numbers[] = {
		{ "max-age", n->stp_max_age_s },
		{ "forward-delay", n->stp_forward_delay_s },
		{ "hello", n->rstp ? 0 : n->stp_hello_s },
		{ "priority", n->stp_priority },
	};
	json_t *tree = json_object();

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].value)
			json_object_set_new(tree, numbers[i].key, json_integer(numbers[i].value));
	return tree;
}

static json_t *mirrors_doc(const struct vs_network *n)
{
	json_t *list = json_array(), *guests;
	char output[VS_NAME_LEN + 16];

	for (size_t i = 0; i < n->nr_mirrors; i++) {
		const struct vs_mirror *m = &n->mirrors[i];

		guests = json_array();
		for (size_t k = 0; k < m->nr_guests; k++)
			json_array_append_new(guests, json_string(m->guests[k]));
		snprintf(output, sizeof(output), "%s/%u", m->output_guest, m->output_devid);
		json_array_append_new(list, json_pack("{s:s,s:o,s:s}", "name", m->name, "guests",
						      guests, "output", output));
	}
	return list;
}

json_t *ovs_bridge_doc(const struct vs_network *n, const uint8_t mac[MAC_LEN])
{
	char text[MAC_TEXT_LEN];
	json_t *doc;

	format_mac(mac, text);
	doc = json_pack("{s:s,s:b,s:s,s:I}", "datapath",
			n->ovs_datapath != VS_OVS_KERNEL ? "netdev" : "system", "secure",
			ovs_is_secure(n), "mac", text, "mtu", (json_int_t)n->mtu);
	if (doc && ovs_is_secure(n))
		json_object_set_new(doc, "flows", json_true());
	if (doc && n->nr_mirrors)
		json_object_set_new(doc, "mirrors", mirrors_doc(n));
	if (doc && (n->stp || n->rstp))
		json_object_set_new(doc, n->rstp ? "rstp" : "stp", tree_doc(n));
	return doc;
}

json_t *ovs_patch_doc(const char *bridge, bool is_secure)
{
	json_t *doc = json_pack("{s:s,s:b}", "bridge", bridge, "protected", false);

	if (doc && is_secure)
		json_object_set_new(doc, "guard", json_pack("{s:s}", "level", "trusted"));
	return doc;
}

json_t *ovs_uplink_doc(const struct vs_network *n)
{
	json_t *doc = ovs_patch_doc(n->name, false);

	if (doc && ovs_is_secure(n))
		json_object_set_new(doc, "guard", json_pack("{s:s}", "level", "uplink"));
	if (doc)
		json_object_set_new(doc, "uplink", json_true());
	return doc;
}

json_t *ovs_card_doc(const struct vs_network *n)
{
	uint32_t mtu = n->uplink_mtu ? n->uplink_mtu : n->mtu;
	json_t *doc = ovs_uplink_doc(n);

	if (!doc)
		return NULL;
	json_object_set_new(doc, "devargs", json_string(n->uplink.pci));
	if (n->dpdk.queues)
		json_object_set_new(doc, "queues", json_integer(n->dpdk.queues));
	if (mtu)
		json_object_set_new(doc, "mtu", json_integer(mtu));
	return doc;
}

/* Ranges that touch are one, as they are read back. */
static json_t *trunk_doc(const struct vs_vlans *v)
{
	bool in[VLAN_MAX + 2] = { false };
	json_t *ranges = json_array();
	int first = 0;

	for (size_t i = 0; i < v->nr_trunk; i++)
		for (unsigned int id = v->trunk[i].first; id <= v->trunk[i].last && id <= VLAN_MAX;
		     id++)
			in[id] = true;
	if (v->native <= VLAN_MAX)
		in[v->native] |= v->native != 0;
	for (int id = 1; id <= VLAN_MAX + 1; id++) {
		if (in[id] && !in[id - 1])
			first = id;
		if (!in[id] && in[id - 1])
			json_array_append_new(ranges, json_pack("[i,i]", first, id - 1));
	}
	return ranges;
}

static void add_vlans(json_t *doc, const struct vs_vlans *v)
{
	if (!v->nr_trunk) {
		json_object_set_new(doc, "access", json_integer(v->access));
		return;
	}
	json_object_set_new(doc, "trunk", trunk_doc(v));
	if (v->native)
		json_object_set_new(doc, "native", json_integer(v->native));
}

static json_t *ids_doc(const struct vs_vif *vif)
{
	char mac[MAC_TEXT_LEN], id[VS_NAME_LEN + 16], tags[VS_TAGS_MAX * 33] = "";
	json_t *ids = json_object();
	size_t used = 0;

	if (!vif->guest[0])
		return ids;
	if (vif->has_mac) {
		format_mac(vif->mac, mac);
		json_object_set_new(ids, "attached-mac", json_string(mac));
	}
	snprintf(id, sizeof(id), "%s/%u", vif->guest, vif->devid);
	json_object_set_new(ids, "iface-id", json_string(id));
	json_object_set_new(ids, "vm-id", json_string(vif->uuid[0] ? vif->uuid : vif->guest));
	for (size_t i = 0; i < vif->nr_tags; i++)
		used += (size_t)snprintf(tags + used, sizeof(tags) - used, "%s%.31s", i ? " " : "",
					 vif->tags[i]);
	if (vif->nr_tags)
		json_object_set_new(ids, "tags", json_string(tags));
	return ids;
}

static json_t *addrs_doc(const struct vs_vif *vif)
{
	json_t *addrs = json_array();
	char text[INET6_ADDRSTRLEN], prefix[INET6_ADDRSTRLEN + 8];

	for (size_t i = 0; i < vif->nr_addrs; i++) {
		const struct vs_prefix *a = &vif->addrs[i];

		inet_ntop(a->family, a->address, text, sizeof(text));
		snprintf(prefix, sizeof(prefix), "%s/%u", text, a->len);
		json_array_append_new(
			addrs,
			json_string(a->len == (a->family == AF_INET ? 32 : 128) ? text : prefix));
	}
	return addrs;
}

/* Without a MAC to compare with, nothing may pass. */
static json_t *guard_doc(const struct vs_vif *vif, const struct vs_network *n)
{
	static const char *const levels[] = {
		[VS_SPOOF_ANY] = "none", [VS_SPOOF_MAC] = "mac", [VS_SPOOF_STRICT] = "strict"
	};
	json_t *guard = json_pack("{s:s}", "level",
				  vif->receive_only ? "silent" : levels[vif->anti_spoof]);
	char mac[MAC_TEXT_LEN];

	if (vif->receive_only)
		return guard;
	if (guard && vif->anti_spoof != VS_SPOOF_ANY) {
		format_mac(vif->mac, mac);
		json_object_set_new(guard, "mac", json_string(mac));
		if (vif->vlans.nr_trunk)
			json_object_set_new(guard, "trunk", json_true());
	}
	if (guard && vif->anti_spoof == VS_SPOOF_STRICT)
		json_object_set_new(guard, "addrs", addrs_doc(vif));
	if (guard && vif->by_lease)
		json_object_set_new(guard, "by-lease", json_true());
	if (guard && n->ports_filtered && vif->has_mac) {
		format_mac(vif->mac, mac);
		json_object_set_new(guard, "to", json_string(mac));
		if (vif->vlans.nr_trunk || vif->vlans.access)
			json_object_set_new(guard, "vlans", json_true());
	}
	if (guard && vif->from_guest.packets_per_s)
		json_object_set_new(guard, "packets-per-s",
				    json_integer((json_int_t)vif->from_guest.packets_per_s));
	return guard;
}

void ovs_port_name(const struct vs_vif *vif, const struct vs_network *n, char name[IFNAMSIZ])
{
	if (ovs_is_dpdk(n) && vif->domid)
		snprintf(name, IFNAMSIZ, "vif%u.%u", vif->domid, vif->devid);
	else
		memcpy(name, vif->name, IFNAMSIZ);
}

static void add_device(json_t *doc, const struct vs_vif *vif, const struct vs_network *n)
{
	const struct vs_ovs_dpdk *d = &n->dpdk;
	bool is_strict = vif->anti_spoof == VS_SPOOF_STRICT;
	char text[192];

	/* What flows cannot ask for: there is no link for a filter. */
	snprintf(text, sizeof(text), "net_xenvif_%u_%u,dom=%u,devid=%u%s%s%s", vif->domid,
		 vif->devid, vif->domid, vif->devid, is_strict ? ",drop-forged=1" : "",
		 d->run_dir[0] ? ",run-dir=" : "", d->run_dir);
	json_object_set_new(doc, "devargs", json_string(text));
	if (d->queues)
		json_object_set_new(doc, "queues", json_integer(d->queues));
	if (vif->mtu)
		json_object_set_new(doc, "mtu", json_integer(vif->mtu));
	/* What comes from a guest is limited by its backend. */
	if (vif->to_guest.bits_per_s)
		json_object_set_new(
			doc, "to-guest",
			json_pack("{sIsI}", "bits-per-s", (json_int_t)vif->to_guest.bits_per_s,
				  "burst",
				  (json_int_t)(vif->to_guest.burst_bytes
						       ? vif->to_guest.burst_bytes
						       : rate_burst(vif->to_guest.bits_per_s))));
}

json_t *ovs_vif_doc(const struct vs_vif *vif, const struct vs_network *n)
{
	json_t *doc = json_pack("{s:s,s:b}", "bridge", n->name, "protected",
				vif->isolation != VS_ISOLATION_NONE || n->ports_closed);
	json_t *ids = ids_doc(vif);

	if (!doc) {
		json_decref(ids);
		return NULL;
	}
	if (json_object_size(ids))
		json_object_set(doc, "ids", ids);
	json_decref(ids);
	add_vlans(doc, &vif->vlans);
	if (ovs_is_dpdk(n))
		add_device(doc, vif, n);
	if (ovs_is_secure(n))
		json_object_set_new(doc, "guard", guard_doc(vif, n));
	return doc;
}
