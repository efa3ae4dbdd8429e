/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/hotplug.h"
#include "policy/wanted.h"

static void take_place(struct placement *out, const struct pol_place *place)
{
	if (!place || !place->line)
		return;
	snprintf(out->file, sizeof(out->file), "%s", place->file ? place->file : "");
	out->line = place->line;
	out->column = place->column;
}

static void quarantine(struct placement *out, const struct pol_place *place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void quarantine(struct placement *out, const struct pol_place *place, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, args);
	va_end(args);
	out->is_placed = false;
	out->vif.network[0] = '\0';
	take_place(out, place);
}

/* The guest's configuration has a say where the policy gives this vif no MTU of its own. */
static void take_mtu(struct pol_effective *e, const struct place_vif *who, struct placement *out)
{
	size_t used = strlen(out->why);

	if (!who->mtu || e->mtu.origin == POL_FROM_VIF)
		return;
	if (who->mtu <= e->network->effective_mtu)
		e->mtu = (struct pol_value){ .value = who->mtu, .origin = POL_FROM_GUEST };
	else
		snprintf(out->why + used, sizeof(out->why) - used,
			 "; mtu=%u of its configuration is above the network's and does not hold",
			 who->mtu);
}

/* What the guest's configuration adds, where the policy is silent. Return: 0; -EINVAL with @why. */
static int take_config(const struct pol_effective *e, const struct place_vif *who,
		       const struct vs_vlans *vlans, struct vs_vif *vif, char why[HOTPLUG_WHY_LEN])
{
	struct vs_vlans *v = &vif->vlans;
	int rc = 0;

	if (who->ip[0] && !vif->nr_addrs && !vif->receive_only) {
		rc = hotplug_parse_addrs(who->ip, vif->addrs, VS_VIF_ADDRS_MAX, &vif->nr_addrs,
					 why);
		/* An allow-list is meant to be kept to. */
		if (!rc && vif->has_mac && e->anti_spoof.origin == POL_FROM_DEFAULT &&
		    !pol_is_ovs_dpdk(e->network))
			vif->anti_spoof = VS_SPOOF_STRICT;
	}
	if (rc || v->access || v->native || v->nr_trunk)
		return rc;
	*v = *vlans;
	if (!who->vlan[0])
		return 0;
	if (v->access || v->native || v->nr_trunk) {
		snprintf(why, HOTPLUG_WHY_LEN, "both vlan=%.60s and bridge=%.60s give VLANs",
			 who->vlan, who->bridge);
		return -EINVAL;
	}
	return hotplug_parse_vlans(who->vlan, v, why);
}

/* By what it would be told from others: entries were checked for it, a vif by bridge= was not. */
static bool lacks_identity(const struct pol_effective *e, const struct vs_vif *vif,
			   struct placement *out)
{
	const struct pol_place *place = e->anti_spoof.place.line ? &e->anti_spoof.place : NULL;

	if (e->anti_spoof.value != POL_ANTI_SPOOF_NONE && !vif->has_mac)
		quarantine(out, place, "anti-spoof %s needs its hardware address, which is not set",
			   pol_anti_spoof_name(e->anti_spoof.value));
	else if (e->anti_spoof.value == POL_ANTI_SPOOF_STRICT && !vif->nr_addrs &&
		 !vif->receive_only && !vif->by_lease)
		quarantine(out, place,
			   "anti-spoof strict needs its addresses, and neither a guests entry nor "
			   "ip= gives them");
	else if (pol_is_per_guest(e->network) && !vif->nr_addrs)
		quarantine(out, &e->network->place,
			   "network %s routes to addresses, and neither a guests entry nor ip= "
			   "gives them",
			   e->network->name);
	else
		return false;
	return true;
}

static void take_offer(const struct pol_effective *e, struct place_offer *to)
{
	to->queues = e->queues.value;
	to->no_csum = !e->tx_checksum.value;
	to->no_gso = !e->tso.value || to->no_csum || !e->sg.value;
	to->no_sg = !e->sg.value;
	if (e->trusted.place.line)
		to->trusted = e->trusted.value ? PLACE_TRUSTED : PLACE_UNTRUSTED;
}

static void accept_vif(struct pol_effective *e, const struct place_vif *who, bool explain,
		       const struct pol_place *place, const struct vs_vlans *vlans,
		       struct placement *out)
{
	char want[MAC_TEXT_LEN], why[HOTPLUG_WHY_LEN];
	struct vs_vif vif = { .name = "" };
	uint8_t mac[MAC_LEN] = { 0 };
	bool has_mac;

	take_mtu(e, who, out);
	take_place(out, place);
	if (explain)
		out->effective = pol_effective_vif_json(e);
	has_mac = !parse_mac(who->mac, mac);
	if (e->has_mac && (!has_mac || memcmp(mac, e->mac, MAC_LEN) != 0)) {
		format_mac(e->mac, want);
		quarantine(out, &e->vif->mac.place,
			   "its hardware address is %s, the policy says %s",
			   who->mac[0] ? who->mac : "not set", want);
		return;
	}
	pol_wanted_vif(e, who->domid, who->devid, &vif);
	/* What the toolstack gave it is its address, where the policy has none. */
	vif.has_mac = has_mac;
	memcpy(vif.mac, mac, MAC_LEN);
	if (take_config(e, who, vlans, &vif, why)) {
		quarantine(out, NULL, "%s", why);
		return;
	}
	vif.by_lease = vif.anti_spoof == VS_SPOOF_STRICT && vif.has_mac && !vif.nr_addrs &&
		       !vif.receive_only && pol_gives_leases(e->network);
	if (lacks_identity(e, &vif, out))
		return;
	out->vif = vif;
	snprintf(out->vif.uuid, sizeof(out->vif.uuid), "%.36s", who->uuid);
	if (!strcmp(e->guest->name, POL_ANY_GUEST))
		snprintf(out->vif.guest, sizeof(out->vif.guest), "%.63s", who->guest);
	take_offer(e, &out->offer);
	out->datapath = e->datapath.value;
	out->is_placed = true;
}

/* The guest's own configuration, as if a guests entry named that network and no more. */
static void accept_network(const struct pol_network *n, const struct place_vif *who, bool explain,
			   const struct vs_vlans *vlans, struct placement *out)
{
	struct pol_guest guest = { .name = who->guest };
	struct pol_vif vif = { .network = n, .profile = n->profile };
	struct pol_effective e;

	pol_effective_vif(&guest, &vif, &e);
	accept_vif(&e, who, explain, &n->place, vlans, out);
}

/* bridge=NAME, or NAME.TAG:TRUNK where no network has the whole for its name. NULL: none. */
static const struct pol_network *find_bridge(const struct policy *policy,
					     const struct place_vif *who, struct vs_vlans *vlans)
{
	const struct pol_network *n = pol_network_find(policy, who->bridge);
	char name[IFNAMSIZ], why[HOTPLUG_WHY_LEN];

	*vlans = (struct vs_vlans){ 0 };
	if (n || !who->bridge[0])
		return n;
	return hotplug_parse_bridge(who->bridge, name, vlans, why) ? NULL
								   : pol_network_find(policy, name);
}

/* script=vif-route means the routed network, where there is one and no other. */
static const struct pol_network *find_by_script(const struct policy *policy, const char *script)
{
	static const struct {
		const char *script;
		enum pol_mode mode;
	} modes[] = { { "vif-nat", POL_MODE_NAT },
		      { "vif-route", POL_MODE_ROUTE },
		      { "vif-openvswitch", POL_MODE_OVS } };
	const char *base = strrchr(script, '/');
	const struct pol_network *found = NULL;
	size_t m = 0;

	base = base ? base + 1 : script;
	while (m < sizeof(modes) / sizeof(modes[0]) && strcmp(base, modes[m].script) != 0)
		m++;
	for (size_t i = 0; m < sizeof(modes) / sizeof(modes[0]) && i < policy->networks.nr; i++) {
		if (policy->networks.v[i].mode.value != (uint32_t)modes[m].mode)
			continue;
		if (found)
			return NULL;
		found = &policy->networks.v[i];
	}
	return found;
}

/* vif-nat and vif-route never looked at bridge=, which libxl fills in with xenbr0. */
static bool ignores_bridge(const struct pol_network *n, const struct pol_network *by_script)
{
	return (by_script->mode.value == POL_MODE_NAT || by_script->mode.value == POL_MODE_ROUTE) &&
	       (n->mode.value == POL_MODE_BRIDGE || n->mode.value == POL_MODE_OVS);
}

/* What xl appends to a name while the guest migrates. */
static void settle_name(char *name)
{
	static const char *const suffixes[] = { "--incoming", "--migratedaway" };
	size_t len = strlen(name), cut;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		cut = strlen(suffixes[i]);
		if (len > cut && !strcmp(name + len - cut, suffixes[i])) {
			name[len - cut] = '\0';
			return;
		}
	}
}

void place_vif(const struct policy *policy, const struct place_vif *vif, bool explain,
	       struct placement *out)
{
	struct place_vif settled = *vif;
	const struct place_vif *who = &settled;
	struct pol_guest_id id = { settled.guest, settled.uuid[0] ? settled.uuid : NULL,
				   settled.domid };
	const struct pol_network *n, *by_script;
	struct vs_vlans vlans;
	struct pol_effective e;
	bool has_entry, is_any, is_by_script;

	settle_name(settled.guest);
	*out = (struct placement){ 0 };
	snprintf(out->vif.name, sizeof(out->vif.name), "vif%u.%u", who->domid, who->devid);
	if (!policy) {
		quarantine(out, NULL, "no policy is applied");
		return;
	}
	has_entry = !pol_effective(policy, &id, who->devid, &e);
	is_any = has_entry && !strcmp(e.guest->name, POL_ANY_GUEST);
	n = find_bridge(policy, who, &vlans);
	by_script = find_by_script(policy, who->script);
	is_by_script = by_script && (n ? ignores_bridge(n, by_script) : !has_entry);
	if (has_entry && !is_any) {
		snprintf(out->why, sizeof(out->why), "the policy's entry for guest %s",
			 e.guest->name);
		accept_vif(&e, who, explain, &e.vif->place, &vlans, out);
	} else if (is_by_script) {
		snprintf(out->why, sizeof(out->why),
			 "script=%s of its configuration means this network", who->script);
		accept_network(by_script, who, explain, &vlans, out);
	} else if (n) {
		snprintf(out->why, sizeof(out->why),
			 "bridge=%.63s of its configuration names this network", who->bridge);
		accept_network(n, who, explain, &vlans, out);
	} else if (has_entry) {
		/* Not an error: a toolstack fills in its default for a vif that names no bridge. */
		snprintf(out->why, sizeof(out->why),
			 "no entry names it%s%.63s%s: the policy's entry \"*\"",
			 who->bridge[0] ? ", and bridge=" : "", who->bridge,
			 who->bridge[0] ? " is no network of the policy" : "");
		accept_vif(&e, who, explain, &e.vif->place, &vlans, out);
	} else if (who->bridge[0]) {
		quarantine(
			out, NULL,
			"bridge=%s is no network of the policy, which has no guests entry for %s "
			"either",
			who->bridge, who->guest);
	} else {
		quarantine(out, NULL,
			   "the policy has no guests entry for %s, vif %u, and none for \"*\"",
			   who->guest, who->devid);
	}
}
