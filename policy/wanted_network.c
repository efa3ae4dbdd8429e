/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Uplinks and networks. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "policy/keys.h"
#include "policy/wanted_priv.h"

#define IPV6_METRIC_DEFAULT 1024 /* what the kernel makes of none, and then reports */
#define SECOND		    UINT64_C(1000000)

_Static_assert(POL_ISOLATION_GUEST == (int)VS_ISOLATION_GUEST &&
		       POL_ISOLATION_PORT == (int)VS_ISOLATION_PORT &&
		       POL_ANTI_SPOOF_MAC == (int)VS_SPOOF_MAC &&
		       POL_ANTI_SPOOF_STRICT == (int)VS_SPOOF_STRICT &&
		       POL_RA_SLAAC == (int)VS_RA_SLAAC && POL_RA_DHCPV6 == (int)VS_RA_DHCPV6 &&
		       POL_BOND_BALANCE_ALB == (int)VS_BOND_BALANCE_ALB &&
		       POL_BOND_LAYER23 == (int)VS_BOND_HASH_LAYER23,
	       "the file's choices are those of vswitch/");

const struct vs_mode *pol_wanted_mode(const struct pol_network *network)
{
	return vs_mode_find(pol_mode_name(network->mode.value));
}

struct diag_place pol_diag_place(const struct pol_place *place)
{
	return (struct diag_place){ .file = place->file,
				    .line = place->line,
				    .column = place->column };
}

static void take_match(const struct pol_match *from, struct vs_match *to)
{
	to->has_mac = from->mac.place.line;
	memcpy(to->mac, from->mac.mac, MAC_LEN);
	COPY_TEXT(to->pci, from->pci.text);
	COPY_TEXT(to->driver, from->driver.text);
	COPY_TEXT(to->name, from->name.text);
}

static void take_address(const struct pol_prefix *from, struct vs_addr *to)
{
	*to = (struct vs_addr){
		.family = (uint8_t)from->family,
		.prefix_len = (uint8_t)from->len,
		.scope = RT_SCOPE_UNIVERSE,
		.valid_s = UINT32_MAX,
		.preferred_s = UINT32_MAX,
	};
	if (from->family == AF_INET6 && from->address[0] == 0xfe &&
	    (from->address[1] & 0xc0) == 0x80)
		to->scope = RT_SCOPE_LINK;
	memcpy(to->local, from->address, sizeof(to->local));
	memcpy(to->peer, from->address, sizeof(to->peer));
}

static void take_route(const struct pol_route *from, struct vs_route *to)
{
	*to = (struct vs_route){
		.family = (uint8_t)from->via.family,
		.prefix_len = (uint8_t)from->to.len,
		.scope = RT_SCOPE_UNIVERSE,
		.type = RTN_UNICAST,
		.protocol = RTPROT_STATIC,
		.has_via = true,
		.table = RT_TABLE_MAIN,
		.metric = from->metric.value,
	};
	if (!to->metric && from->via.family == AF_INET6)
		to->metric = IPV6_METRIC_DEFAULT;
	memcpy(to->to, from->to.address, sizeof(to->to));
	memcpy(to->via, from->via.address, sizeof(to->via));
}

void pol_take_prefix(const struct pol_prefix *from, struct vs_prefix *to)
{
	to->family = (uint8_t)from->family;
	to->len = (uint8_t)from->len;
	memcpy(to->address, from->address, sizeof(to->address));
}

static struct vs_offload offload_of(const struct pol_uplink_offload *from)
{
	const struct pol_bool *const keys[VS_OFFLOAD_NR] = {
		[VS_OFFLOAD_TSO] = &from->tso,
		[VS_OFFLOAD_GSO] = &from->gso,
		[VS_OFFLOAD_GRO] = &from->gro,
		[VS_OFFLOAD_LRO] = &from->lro,
		[VS_OFFLOAD_SG] = &from->sg,
		[VS_OFFLOAD_TX_CHECKSUM] = &from->tx_checksum,
		[VS_OFFLOAD_RX_CHECKSUM] = &from->rx_checksum,
		[VS_OFFLOAD_TX_VLAN] = &from->tx_vlan,
		[VS_OFFLOAD_RX_VLAN] = &from->rx_vlan,
	};
	struct vs_offload to = { 0 };

	for (int i = 0; i < VS_OFFLOAD_NR; i++) {
		to.given |= keys[i]->place.line ? 1u << i : 0;
		to.on |= keys[i]->value ? 1u << i : 0;
	}
	return to;
}

static void take_bond(const struct pol_uplink *from, struct vs_bond *to)
{
	to->mode = (enum vs_bond_mode)from->bond.mode.value;
	to->hash = (enum vs_bond_hash)from->bond.hash.value;
	to->lacp_fast = from->bond.lacp_rate.value == POL_LACP_FAST;
	to->mii_ms = (uint32_t)(from->bond.mii_interval.value / 1000);
	for (size_t i = 0; i < from->nr_members && i < VS_MEMBERS_MAX; i++) {
		to->offloads[to->nr_members] = offload_of(&from->members[i]->offload);
		take_match(&from->members[i]->match, &to->members[to->nr_members++]);
	}
}

/* Of a VLAN, the uplink is what it is a VLAN of. */
static void take_uplink(const struct pol_uplink *from, struct vs_network *to)
{
	const struct pol_uplink *lower = from->link ? from->link : from;

	to->has_uplink = true;
	COPY_TEXT(to->uplink_name, lower->name);
	take_match(&lower->match, &to->uplink);
	take_bond(lower, &to->uplink_bond);
	to->uplink_offload = offload_of(&lower->offload);
	to->uplink_place = pol_diag_place(&from->place);
	to->uplink_mtu = lower->mtu.value;
	if (!from->link)
		return;
	to->uplink_vlan = (uint16_t)from->vlan.id.value;
	COPY_TEXT(to->uplink_vlan_name, from->name);
	to->uplink_vlan_mtu = from->mtu.value;
}

static uint32_t seconds(const struct pol_u64 *duration)
{
	return (uint32_t)(duration->value / SECOND);
}

static void take_dpdk(const struct pol_network_datapath *from, struct vs_network *to)
{
	struct vs_ovs_dpdk *d = &to->dpdk;

	to->ovs_datapath = VS_OVS_DPDK;
	d->may_fall_back = from->fallback.value != POL_FALLBACK_NONE;
	d->fallback = from->fallback.value == POL_FALLBACK_NETDEV ? VS_OVS_NETDEV : VS_OVS_KERNEL;
	d->memory = from->socket_mem.value;
	d->queues = from->rx_queues.value;
	for (; d->nr_cpus < from->pmd_cpus.nr && d->nr_cpus < VS_OVS_CPUS_MAX; d->nr_cpus++)
		d->cpus[d->nr_cpus] = (uint16_t)from->pmd_cpus.v[d->nr_cpus].value;
}

static void take_switch(const struct pol_network *from, struct vs_network *to)
{
	to->stp = pol_stp_is_on(&from->stp);
	to->rstp = from->rstp.value;
	to->stp_max_age_s = seconds(&from->stp.max_age);
	to->stp_forward_delay_s = seconds(&from->stp.forward_delay);
	to->stp_hello_s = seconds(&from->stp.hello_time);
	to->stp_priority = from->stp.priority.value;
	to->has_stp_priority = from->stp.priority.place.line;
	to->vlan_filtering = from->vlan_filtering.value;
	to->fail_secure = from->fail_mode.value == POL_FAIL_SECURE;
	if (from->mode.value == POL_MODE_OVS && pol_network_datapath(from) == POL_DATAPATH_NETDEV)
		to->ovs_datapath = VS_OVS_NETDEV;
	if (pol_is_ovs_dpdk(from))
		take_dpdk(&from->datapath, to);
}

static void take_subnet(const struct pol_subnet *from, struct vs_subnet *to)
{
	pol_take_prefix(&from->cidr, &to->prefix);
	memcpy(to->gateway, from->gateway.address, sizeof(to->gateway));
	to->has_dhcp = from->dhcp.place.line;
	memcpy(to->dhcp_first, from->dhcp.range.first, sizeof(to->dhcp_first));
	memcpy(to->dhcp_last, from->dhcp.range.last, sizeof(to->dhcp_last));
	to->lease_s = seconds(&from->dhcp.lease);
	to->ra = (enum vs_ra)from->ra.value;
	to->nat66 = from->nat66.value;
	to->place = pol_diag_place(&from->place);
}

static void take_dns(const struct pol_dns *from, struct vs_dns *to)
{
	to->given = from->place.line;
	COPY_TEXT(to->domain, from->domain.text);
	to->register_guests = from->register_guests.value;
	for (size_t i = 0; i < from->forward_to.nr && i < VS_RESOLVERS_MAX; i++)
		pol_take_prefix(&from->forward_to.v[i], &to->forward_to[to->nr_forward_to++]);
}

/* A bridge with the host as router, which may give no more than the host's addresses. */
static int take_own_subnets(const struct pol_network *from, struct vs_network *to)
{
	for (size_t i = 0; i < from->addresses.nr; i++) {
		struct vs_subnet *s = vs_network_add_subnet(to);
		struct pol_prefix net = from->addresses.v[i];

		if (!s)
			return -ENOMEM;
		memcpy(s->gateway, net.address, sizeof(s->gateway));
		pol_prefix_mask(&net);
		pol_take_prefix(&net, &s->prefix);
		s->place = pol_diag_place(&net.place);
	}
	return 0;
}

static int take_routing(const struct pol_network *from, struct vs_network *to)
{
	if (from->egress.network)
		COPY_TEXT(to->egress.network, from->egress.network->name);
	pol_take_prefix(&from->egress.source.v4, &to->egress.source4);
	pol_take_prefix(&from->egress.source.v6, &to->egress.source6);
	to->masquerade = from->masquerade.value;
	take_dns(&from->dns, &to->dns);
	to->is_per_guest = pol_is_per_guest(from);
	to->proxy_neighbours = from->mode.value == POL_MODE_ROUTE &&
			       from->advertise.value == POL_ADVERTISE_PROXY;
	for (size_t i = 0; i < from->subnets.nr; i++) {
		struct vs_subnet *s = vs_network_add_subnet(to);

		if (!s)
			return -ENOMEM;
		take_subnet(&from->subnets.v[i], s);
	}
	return from->subnets.nr || !pol_is_router(from) ? 0 : take_own_subnets(from, to);
}

/* Guests without a segment of their own are kept apart by the switch: there is no link each. */
static void take_fast(const struct pol_network *from, struct vs_network *to)
{
	const struct pol_network_datapath *d = &from->datapath;
	struct vs_fast *f = &to->fast;

	if (!pol_is_fast(from))
		return;
	to->mode = vs_mode_fast(to->mode);
	f->by_xdp = d->type.value == POL_DATAPATH_AFXDP;
	f->queues = d->rx_queues.value;
	f->may_fall_back = d->fallback.value == POL_FALLBACK_KERNEL;
	f->is_per_guest = to->is_per_guest;
	to->is_per_guest = false;
	f->says_hugepages = d->hugepages.place.line;
	f->hugepages = d->hugepages.value;
	f->memory = d->socket_mem.value;
	for (; f->nr_cpus < d->pmd_cpus.nr && f->nr_cpus < VS_CPUS_MAX; f->nr_cpus++)
		f->cpus[f->nr_cpus] = (uint16_t)d->pmd_cpus.v[f->nr_cpus].value;
}

static int take_mirror(const struct pol_mirror *from, struct vs_mirror *to)
{
	const struct pol_texts *guests = &from->select.guests;

	COPY_TEXT(to->name, from->name);
	to->guests = calloc(guests->nr, sizeof(*to->guests));
	if (!to->guests)
		return -ENOMEM;
	for (; to->nr_guests < guests->nr; to->nr_guests++)
		COPY_TEXT(to->guests[to->nr_guests], guests->v[to->nr_guests].text);
	COPY_TEXT(to->output_guest, from->output_guest->name);
	to->output_devid = from->output_vif->devid.value;
	return 0;
}

int pol_take_network(const struct pol_network *from, struct vs_network *to)
{
	int rc;

	COPY_TEXT(to->name, from->name);
	to->mode = pol_wanted_mode(from);
	to->place = pol_diag_place(&from->place);
	to->mtu = from->effective_mtu;
	if (from->uplink)
		take_uplink(from->uplink, to);
	take_switch(from, to);
	to->host_dhcp4 = from->addresses.dhcp.line;
	to->host_dhcp6 = from->addresses.dhcp6.line;
	to->host_ra = from->addresses.ra.line;
	for (size_t i = 0; i < from->addresses.nr; i++) {
		struct vs_addr *a = vs_network_add_addr(to);

		if (!a)
			return -ENOMEM;
		take_address(&from->addresses.v[i], a);
	}
	for (size_t i = 0; i < from->routes.nr; i++) {
		struct vs_route *r = vs_network_add_route(to);

		if (!r)
			return -ENOMEM;
		take_route(&from->routes.v[i], r);
	}
	rc = take_routing(from, to);
	take_fast(from, to);
	for (size_t i = 0; !rc && i < from->mirrors.nr; i++) {
		struct vs_mirror *m = vs_network_add_mirror(to);

		rc = m ? take_mirror(&from->mirrors.v[i], m) : -ENOMEM;
	}
	return rc;
}
