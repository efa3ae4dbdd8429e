/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for one vif: found by guest and devid, inherited from network to profile to vif. */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "policy/keys.h"

#define XEN_OUI_0 0x00
#define XEN_OUI_1 0x16
#define XEN_OUI_2 0x3e

static const char *choice_name(const struct pol_choice *choices, uint32_t value)
{
	for (; choices->name; choices++)
		if (choices->status == POL_READY && choices->value == value)
			return choices->name;
	return "?";
}

const char *pol_mode_name(uint32_t mode)
{
	return choice_name(pol_modes, mode);
}

const char *pol_isolation_name(uint32_t isolation)
{
	return choice_name(pol_isolations, isolation);
}

const char *pol_anti_spoof_name(uint32_t anti_spoof)
{
	return choice_name(pol_anti_spoofs, anti_spoof);
}

const char *pol_datapath_name(uint32_t datapath)
{
	const char *name = choice_name(pol_datapaths, datapath);

	/* A vif may have it of its network alone. */
	return strcmp(name, "?") != 0 ? name : choice_name(pol_network_datapaths, datapath);
}

const char *pol_origin_name(enum pol_origin origin)
{
	static const char *const names[] = {
		[POL_FROM_DEFAULT] = "default", [POL_FROM_UPLINK] = "uplink",
		[POL_FROM_NETWORK] = "network", [POL_FROM_PROFILE] = "profile",
		[POL_FROM_VIF] = "vif",		[POL_FROM_GUEST] = "guest's configuration",
	};

	return names[origin];
}

bool pol_matches_host(const struct policy *policy, const char *hostname)
{
	const char *glob = policy->host.match.hostname.text;

	return !glob || !fnmatch(glob, hostname, 0);
}

bool pol_is_unmanaged(const struct policy *policy, const char *ifname)
{
	for (size_t i = 0; i < policy->host.unmanaged.nr; i++) {
		const char *glob = policy->host.unmanaged.v[i].text;

		if (glob && !fnmatch(glob, ifname, 0))
			return true;
	}
	return false;
}

const struct pol_network *pol_network_find(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->networks.nr; i++)
		if (!strcmp(policy->networks.v[i].name, name))
			return &policy->networks.v[i];
	return NULL;
}

/* FNV-1a, 64 bit: written down here because the result must never change. */
static uint64_t fnv(uint64_t hash, unsigned char byte)
{
	return (hash ^ byte) * UINT64_C(0x100000001b3);
}

void pol_auto_mac(const char *guest_name, const char *guest_uuid, uint32_t devid,
		  uint8_t mac[MAC_LEN])
{
	const char *id = guest_uuid ? guest_uuid : guest_name;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *id; id++)
		hash = fnv(hash, (unsigned char)(guest_uuid ? tolower((unsigned char)*id) : *id));
	hash = fnv(hash, 0);
	for (int shift = 24; shift >= 0; shift -= 8)
		hash = fnv(hash, (unsigned char)(devid >> shift));
	hash ^= hash >> 32;
	hash ^= hash >> 24;
	mac[0] = XEN_OUI_0;
	mac[1] = XEN_OUI_1;
	mac[2] = XEN_OUI_2;
	mac[3] = (uint8_t)(hash >> 16);
	mac[4] = (uint8_t)(hash >> 8);
	mac[5] = (uint8_t)hash;
}

/* The last level that says something. */
static void inherit(struct pol_value *value, const struct pol_u32 *said, enum pol_origin origin)
{
	if (said && said->place.line)
		*value = (struct pol_value){ said->value, origin, said->place };
}

static void inherit_bool(struct pol_value *value, const struct pol_bool *said,
			 enum pol_origin origin)
{
	if (said->place.line)
		*value = (struct pol_value){ said->value, origin, said->place };
}

static void inherit_offload(struct pol_effective *out, const struct pol_offload *said,
			    enum pol_origin origin)
{
	inherit_bool(&out->tx_checksum, &said->tx_checksum, origin);
	inherit_bool(&out->tso, &said->tso, origin);
	inherit_bool(&out->sg, &said->sg, origin);
}

static void inherit_amount(struct pol_amount *amount, const struct pol_u64 *said,
			   enum pol_origin origin)
{
	if (said->place.line)
		*amount = (struct pol_amount){ said->value, origin, said->place };
}

static void inherit_rate(struct pol_effective *out, const struct pol_rate *said,
			 enum pol_origin origin)
{
	inherit_amount(&out->rate.ingress, &said->ingress, origin);
	inherit_amount(&out->rate.egress, &said->egress, origin);
	inherit_amount(&out->rate.ingress_pps, &said->ingress_pps, origin);
	inherit_amount(&out->rate.egress_pps, &said->egress_pps, origin);
	inherit_amount(&out->rate.burst, &said->burst, origin);
}

static void inherit_vlan(struct pol_effective *out, const struct pol_vlans *said,
			 enum pol_origin origin)
{
	if (!said->place.line)
		return;
	out->vlan = said;
	out->vlan_origin = origin;
}

enum pol_datapath_type pol_network_datapath(const struct pol_network *network)
{
	uint32_t type = network->datapath.type.value;

	if (type != POL_DATAPATH_AFXDP || pol_is_fast(network))
		return (enum pol_datapath_type)type;
	return network->datapath.fallback.value == POL_FALLBACK_NETDEV ? POL_DATAPATH_NETDEV
								       : POL_DATAPATH_KERNEL;
}

bool pol_is_fast(const struct pol_network *network)
{
	uint32_t type = network->datapath.type.value;

	return network->mode.value != POL_MODE_OVS &&
	       (type == POL_DATAPATH_DPDK || type == POL_DATAPATH_AFXDP);
}

bool pol_is_ovs_dpdk(const struct pol_network *network)
{
	return network->mode.value == POL_MODE_OVS &&
	       network->datapath.type.value == POL_DATAPATH_DPDK;
}

bool pol_network_degraded(const struct pol_network *network, char why[POL_DEGRADED_MAX])
{
	const struct pol_network_datapath *d = &network->datapath;
	enum pol_datapath_type is = pol_network_datapath(network);
	bool has_more = d->pmd_cpus.place.line || d->socket_mem.place.line ||
			d->rx_queues.place.line;

	if (is == d->type.value)
		return false;
	snprintf(why, POL_DEGRADED_MAX,
		 "network %s is on datapath %s, its fall-back: this version has no %s%s",
		 network->name, choice_name(pol_network_datapaths, is),
		 choice_name(pol_network_datapaths, d->type.value),
		 has_more ? ", and pmd-cpus, socket-mem and rx-queues have no effect" : "");
	return true;
}

bool pol_is_router(const struct pol_network *network)
{
	return network->subnets.nr || network->egress.place.line || network->masquerade.value;
}

bool pol_gives_leases(const struct pol_network *network)
{
	bool has_range = false;

	for (size_t i = 0; i < network->subnets.nr; i++)
		has_range |= network->subnets.v[i].dhcp.range.family == AF_INET;
	return has_range && !pol_is_per_guest(network);
}

bool pol_is_per_guest(const struct pol_network *network)
{
	if (network->mode.value == POL_MODE_ROUTE && !network->isolation.place.line)
		return true;
	/* A segment that is the LAN's, or Open vSwitch's, stays one. */
	return network->mode.value != POL_MODE_OVS && !network->uplink_name.text &&
	       pol_is_router(network) && network->isolation.value == POL_ISOLATION_GUEST;
}

/* Where no segment is shared, nothing a profile or vif says makes it so. */
static void inherit_isolation(struct pol_effective *out)
{
	const struct pol_network *n = out->network;
	const struct pol_u32 *said = &n->isolation;

	inherit(&out->isolation, said, POL_FROM_NETWORK);
	inherit(&out->isolation, out->profile ? &out->profile->isolation : NULL, POL_FROM_PROFILE);
	inherit(&out->isolation, &out->vif->isolation, POL_FROM_VIF);
	if (pol_is_per_guest(n))
		out->isolation = (struct pol_value){ POL_ISOLATION_GUEST,
						     said->place.line ? POL_FROM_NETWORK
								      : POL_FROM_DEFAULT,
						     said->place };
}

uint16_t pol_vlan_id(const struct pol_network *network, const struct pol_vlan *vlan)
{
	if (!vlan->name)
		return vlan->first;
	for (size_t i = 0; i < network->vlans.nr; i++)
		if (network->vlans.v[i].name && !strcmp(network->vlans.v[i].name, vlan->name))
			return (uint16_t)network->vlans.v[i].id.value;
	return 0;
}

bool pol_stp_is_on(const struct pol_stp *stp)
{
	return stp->place.line && (stp->enabled.value || !stp->enabled.place.line);
}

void pol_effective_vif(const struct pol_guest *guest, const struct pol_vif *vif,
		       struct pol_effective *out)
{
	const struct pol_network *n = vif->network;
	const struct pol_profile *p = vif->profile;

	*out = (struct pol_effective){ .guest = guest, .vif = vif, .network = n, .profile = p };
	out->mtu.value = n->effective_mtu;
	if (n->uplink)
		inherit(&out->mtu,
			n->uplink->link && !n->uplink->mtu.place.line ? &n->uplink->link->mtu
								      : &n->uplink->mtu,
			POL_FROM_UPLINK);
	inherit(&out->mtu, &n->mtu, POL_FROM_NETWORK);
	inherit(&out->mtu, &vif->mtu, POL_FROM_VIF);
	inherit_isolation(out);
	inherit(&out->anti_spoof, p ? &p->anti_spoof : NULL, POL_FROM_PROFILE);
	inherit(&out->anti_spoof, &vif->anti_spoof, POL_FROM_VIF);
	/* An ovs network's is the switch's; what falls back is on TAPs. */
	if (n->mode.value != POL_MODE_OVS)
		inherit(&out->datapath, &n->datapath.type, POL_FROM_NETWORK);
	inherit(&out->datapath, p ? &p->datapath.type : NULL, POL_FROM_PROFILE);
	inherit(&out->datapath, &vif->datapath.type, POL_FROM_VIF);
	out->tx_checksum.value = out->tso.value = out->sg.value = 1;
	if (p) {
		inherit_vlan(out, &p->vlan, POL_FROM_PROFILE);
		inherit_rate(out, &p->rate, POL_FROM_PROFILE);
		inherit(&out->queues, &p->queues, POL_FROM_PROFILE);
		inherit_bool(&out->trusted, &p->trusted_backend, POL_FROM_PROFILE);
		inherit_offload(out, &p->offload, POL_FROM_PROFILE);
	}
	inherit_vlan(out, &vif->vlan, POL_FROM_VIF);
	inherit_rate(out, &vif->rate, POL_FROM_VIF);
	if (!out->rate.ingress.value || vif->copies_rate.value < out->rate.ingress.value)
		inherit_amount(&out->rate.ingress, &vif->copies_rate, POL_FROM_NETWORK);
	inherit(&out->queues, &vif->queues, POL_FROM_VIF);
	inherit_bool(&out->trusted, &vif->trusted_backend, POL_FROM_VIF);
	inherit_offload(out, &vif->offload, POL_FROM_VIF);
	out->receive_only = vif->role.value == POL_ROLE_MIRROR_TARGET;
	if (vif->mac.place.line && !vif->mac.is_auto) {
		out->has_mac = true;
		memcpy(out->mac, vif->mac.mac, MAC_LEN);
	} else if (vif->mac.is_auto && vif->devid.place.line &&
		   strcmp(guest->name, POL_ANY_GUEST)) {
		out->has_mac = true;
		pol_auto_mac(guest->match.name.text ? guest->match.name.text : guest->name,
			     guest->match.uuid.text, vif->devid.value, out->mac);
	}
}

static const struct pol_vif *find_vif(const struct pol_guest *guest, uint32_t devid)
{
	const struct pol_vif *any = NULL;

	for (size_t i = 0; i < guest->vifs.nr; i++) {
		const struct pol_vif *v = &guest->vifs.v[i];

		if (!v->devid.place.line)
			any = v;
		else if (v->devid.value == devid)
			return v;
	}
	return any;
}

int pol_effective(const struct policy *policy, const struct pol_guest_id *id, uint32_t devid,
		  struct pol_effective *out)
{
	const struct pol_guest *any = policy->finder.any, *best = pol_find_entry(policy, id);
	const struct pol_vif *vif = NULL;

	if (best)
		vif = find_vif(best, devid);
	if (!vif) {
		best = any;
		vif = best ? find_vif(best, devid) : NULL;
	}
	if (!vif)
		return -ENOENT;
	pol_effective_vif(best, vif, out);
	if (vif->mac.is_auto) {
		/* "auto" without a uuid in the file stays the address of the name, as printed by
		 * show. */
		out->has_mac = true;
		pol_auto_mac(id->name, best->match.uuid.text, devid, out->mac);
	}
	return 0;
}
