/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wanted of vifrost-netback's switch, as documents. */
#include "vswitch/fastnet.h"

#include <stdio.h>
#include <string.h>

#include "vswitch/fastnet_nat.h"
#include "vswitch/fastnet_route.h"
#include "vswitch/ovs.h"
#include "vswitch/ovs_rules.h"
#include "vswitch/rate.h"
#include "vswitch/rules_priv.h"

#define AGEING_S 300 /* as a Linux bridge */

bool vs_is_fast(const struct vs_network *n)
{
	return n && n->mode && n->mode->segment == VS_SEGMENT_FAST;
}

static bool add(json_t *doc, const char *key, json_t *value)
{
	return !json_object_set_new(doc, key, value);
}

static bool add_resources(json_t *doc, const struct vs_fast *f)
{
	json_t *cpus = f->nr_cpus ? json_array() : NULL;
	bool ok = cpus || !f->nr_cpus;

	for (size_t i = 0; ok && i < f->nr_cpus; i++)
		ok = !json_array_append_new(cpus, json_integer(f->cpus[i]));
	if (cpus)
		ok = add(doc, "cpus", cpus) && ok;
	if (ok && f->memory)
		ok = add(doc, "memory", json_integer((json_int_t)f->memory));
	if (ok && f->says_hugepages)
		ok = add(doc, "hugepages", json_boolean(f->hugepages));
	return ok;
}

static json_t *uplink_doc(const struct vs_network *n, const char *uplink)
{
	if (!strcmp(uplink, FASTNET_CARD))
		return json_pack("{ss si}", "pci", n->uplink.pci, "queues",
				 n->fast.queues ? (int)n->fast.queues : 1);
	return json_pack("{ss ss}", "link", uplink, "kind", n->fast.by_xdp ? "afxdp" : "auto");
}

json_t *fastnet_network_doc(const struct vs_wanted *w, const struct vs_network *n,
			    const uint8_t mac[MAC_LEN], const char *uplink)
{
	char text[MAC_TEXT_LEN];
	json_t *doc;
	bool ok;

	format_mac(mac, text);
	doc = json_pack("{ss sI ss si si sb}", "mode", vs_mode_plain(n->mode)->name, "mtu",
			(json_int_t)n->mtu, "mac", text, "ageing", AGEING_S, "host-vlan",
			n->vlan_filtering ? n->host_vlan : 0, "segment", rules_is_segment(n));
	ok = doc && add_resources(doc, &n->fast);
	if (ok && uplink)
		ok = add(doc, "uplink", uplink_doc(n, uplink));
	if (ok && n->ports_filtered)
		ok = add(doc, "firewall", ovs_rules_spec(w, n));
	if (ok && fastnet_routes(w, n))
		ok = add(doc, "route", fastnet_route_doc(w, n));
	if (ok && fastnet_translates(w, n))
		ok = add(doc, "nat", fastnet_nat_doc(w, n));
	if (ok && n->fast.is_per_guest)
		ok = add(doc, "per-guest", json_true());
	if (ok)
		return doc;
	json_decref(doc);
	return NULL;
}

static json_t *rate_doc(const struct vs_rate *r)
{
	json_t *doc = json_object();
	uint64_t burst = r->burst_bytes ? r->burst_bytes : rate_burst(r->bits_per_s);
	bool ok = doc;

	if (ok && r->bits_per_s)
		ok = add(doc, "bits-per-s", json_integer((json_int_t)r->bits_per_s)) &&
		     add(doc, "burst-bytes", json_integer((json_int_t)burst));
	if (ok && r->packets_per_s)
		ok = add(doc, "packets-per-s", json_integer((json_int_t)r->packets_per_s));
	if (ok)
		return doc;
	json_decref(doc);
	return NULL;
}

static bool is_limited(const struct vs_rate *r)
{
	return r->bits_per_s || r->packets_per_s;
}

/* As guard.c has it: of what is said to many, a guest with a layer 2 of its own gets what is about it alone. */
static bool add_apart(json_t *guard, const struct vs_vif *vif)
{
	json_t *addrs = json_array();
	char text[64];
	bool ok = addrs && add(guard, "apart", json_true());

	if (ok && !json_object_get(guard, "mac")) {
		format_mac(vif->mac, text);
		ok = add(guard, "to", json_string(text));
	}
	for (size_t i = 0; ok && i < vif->nr_addrs; i++) {
		rules_prefix_text(&vif->addrs[i], text);
		ok = !json_array_append_new(addrs, json_string(text));
	}
	if (ok && vif->nr_addrs && !json_object_get(guard, "addrs"))
		ok = !json_object_set(guard, "addrs", addrs);
	json_decref(addrs);
	return ok;
}

json_t *fastnet_port_doc(const struct vs_network *n, const struct vs_vif *vif)
{
	/* A guard is a port's of a switch without the kernel's hooks, whichever that is. */
	struct vs_network as_ovs = *n;
	char mac[MAC_TEXT_LEN];
	json_t *doc;
	bool ok;

	as_ovs.mode = &vs_mode_ovs;
	as_ovs.ovs_datapath = VS_OVS_NETDEV;
	as_ovs.ports_closed |= n->fast.is_per_guest;
	doc = ovs_vif_doc(vif, &as_ovs);
	if (!doc)
		return NULL;
	json_object_del(doc, "bridge");
	json_object_del(doc, "ids");
	ok = add(doc, "network", json_string(n->name));
	if (ok && n->fast.is_per_guest && vif->has_mac && !vif->receive_only)
		ok = add_apart(json_object_get(doc, "guard"), vif);
	if (ok && vif->has_mac) {
		format_mac(vif->mac, mac);
		ok = add(doc, "mac", json_string(mac));
	}
	if (ok && vif->is_vhost)
		ok = add(doc, "vhost-user", json_true());
	if (ok && is_limited(&vif->from_guest))
		ok = add(doc, "from-guest", rate_doc(&vif->from_guest));
	if (ok && is_limited(&vif->to_guest))
		ok = add(doc, "to-guest", rate_doc(&vif->to_guest));
	if (ok)
		return doc;
	json_decref(doc);
	return NULL;
}

void fastnet_port_name(const struct vs_vif *vif, char name[IFNAMSIZ])
{
	if (vif->domid)
		snprintf(name, IFNAMSIZ, "vif%u.%u", vif->domid, vif->devid);
	else
		memcpy(name, vif->name, IFNAMSIZ);
}

json_t *fastnet_port(const struct vs_observed *o, const struct vs_vif *vif)
{
	char name[IFNAMSIZ];

	fastnet_port_name(vif, name);
	return vs_observed_doc(o, VS_DOC_FAST_PORT, name);
}
