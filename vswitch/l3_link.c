/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest behind a link of its own, with no segment that it shares: the gateway's addresses, alone, on the
 * vif; routes to the guest's addresses and its hardware address as a neighbour that is told; and proxy ARP
 * for all that is elsewhere. Guests that share the subnet reach each other by the host, as everybody else.
 */
#include "vswitch/l3_priv.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#define IP6_METRIC_STATIC 1024

/* fe80::1: a gateway that every guest may use, whatever its addresses. */
static const struct vs_addr gateway_ll = {
	.family = AF_INET6,
	.prefix_len = 64,
	.scope = RT_SCOPE_LINK,
	.local = { 0xfe, 0x80, [15] = 1 },
	.peer = { 0xfe, 0x80, [15] = 1 },
	.flags = IFA_F_NODAD,
	.valid_s = UINT32_MAX,
	.preferred_s = UINT32_MAX,
};

static void route_to(const struct vs_prefix *to, struct vs_route *r)
{
	*r = (struct vs_route){
		.family = to->family,
		.prefix_len = to->len,
		.scope = to->family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.type = RTN_UNICAST,
		.protocol = VS_PROTOCOL,
		.table = RT_TABLE_MAIN,
		.metric = to->family == AF_INET6 ? IP6_METRIC_STATIC : 0,
	};
	memcpy(r->to, to->address, sizeof(r->to));
}

static void neigh_of(const struct vs_vif *vif, size_t i, struct vs_neigh *neigh)
{
	*neigh = (struct vs_neigh){ .family = vif->addrs[i].family };
	memcpy(neigh->address, vif->addrs[i].address, sizeof(neigh->address));
	memcpy(neigh->mac, vif->mac, MAC_LEN);
}

static bool wants_route(const struct vs_vif *vif, const struct vs_route *r)
{
	for (size_t i = 0; i < vif->nr_addrs; i++)
		if (vif->addrs[i].family == r->family && vif->addrs[i].len == r->prefix_len &&
		    !memcmp(vif->addrs[i].address, r->to, sizeof(r->to)))
			return true;
	return false;
}

static bool wants_neigh(const struct vs_vif *vif, const struct vs_neigh *neigh)
{
	for (size_t i = 0; vif->has_mac && i < vif->nr_addrs; i++)
		if (vif->addrs[i].family == neigh->family &&
		    !memcmp(vif->addrs[i].address, neigh->address, sizeof(neigh->address)))
			return true;
	return false;
}

static bool wants_addr(const struct vs_network *n, const struct vs_addr *a)
{
	struct vs_addr gateway;

	if (vs_addr_same(a, &gateway_ll))
		return l3_is_router(n, AF_INET6);
	for (size_t i = 0; i < n->nr_subnets; i++) {
		l3_gateway(&n->subnets[i], true, &gateway);
		if (vs_addr_same(a, &gateway))
			return true;
	}
	return false;
}

/* The kernel gives links addresses, too. */
static bool is_ours(const struct vs_addr *a)
{
	return a->prefix_len == (a->family == AF_INET ? 32 : 128) ||
	       a->flags & IFA_F_NOPREFIXROUTE || vs_addr_same(a, &gateway_ll);
}

/* What is on the link and not wanted for @vif on @n; both NULL: nothing is. */
static void drop_unwanted(struct plan_for *p, const char *name, const struct vs_network *n,
			  const struct vs_vif *vif)
{
	const struct vs_observed *o = &p->plan->model;
	int ifindex = plan_link(p, name)->ifindex;

	for (size_t i = o->nr_routes; !p->rc && i-- > 0;)
		if (o->routes[i].ifindex == ifindex && o->routes[i].route.protocol == VS_PROTOCOL &&
		    !(vif && wants_route(vif, &o->routes[i].route)))
			plan_del_route(p, VS_DISRUPTION_LINK_DOWN, name, &o->routes[i].route);
	for (size_t i = o->nr_neighs; !p->rc && i-- > 0;)
		if (o->neighs[i].ifindex == ifindex && !o->neighs[i].neigh.is_proxy &&
		    !(vif && wants_neigh(vif, &o->neighs[i].neigh)))
			plan_del_neigh(p, VS_DISRUPTION_LINK_DOWN, name, &o->neighs[i].neigh);
	for (size_t i = o->nr_addrs; !p->rc && i-- > 0;)
		if (o->addrs[i].ifindex == ifindex && is_ours(&o->addrs[i].addr) &&
		    !(n && wants_addr(n, &o->addrs[i].addr)))
			plan_del_addr(p, VS_DISRUPTION_LINK_DOWN, name, &o->addrs[i].addr);
}

static bool has_ipv6(const struct plan_for *p, const char *link)
{
	const struct vs_link *l = plan_link(p, link);

	return l && l->ipv6_off >= 0;
}

static void set_switches(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	plan_set_link_sysctl(p, vif->name, VS_LINK_PROXY_ARP, 1);
	plan_set_link_sysctl(p, vif->name, VS_LINK_PROXY_DELAY4, 0);
	plan_set_link_sysctl(p, vif->name, VS_LINK_SEND_REDIRECTS, 0);
	plan_set_link_sysctl(p, vif->name, VS_LINK_RP_FILTER,
			     vif->anti_spoof == VS_SPOOF_ANY ? 0 : 1);
	if (l3_is_router(n, AF_INET6)) {
		plan_set_accept_ra(p, vif->name, 0);
		plan_set_ipv6_off(p, vif->name, false);
	} else {
		plan_ipv6_off(p, vif->name);
	}
}

static void add_gateways(struct plan_for *p, const struct vs_network *n, const char *link)
{
	struct vs_addr a;

	if (l3_is_router(n, AF_INET6) && has_ipv6(p, link))
		plan_add_addr(p, VS_DISRUPTION_NONE, link, &gateway_ll, false);
	for (size_t i = 0; i < n->nr_subnets; i++) {
		l3_gateway(&n->subnets[i], true, &a);
		if (a.family == AF_INET || has_ipv6(p, link))
			plan_add_addr(p, VS_DISRUPTION_NONE, link, &a, false);
	}
}

static void add_guest(struct plan_for *p, const struct vs_vif *vif)
{
	struct vs_route route;
	struct vs_neigh neigh;

	for (size_t i = 0; i < vif->nr_addrs; i++) {
		const struct vs_prefix *a = &vif->addrs[i];

		if (a->family == AF_INET6 && !has_ipv6(p, vif->name))
			continue;
		neigh_of(vif, i, &neigh);
		if (vif->has_mac && l3_is_host(a))
			plan_add_neigh(p, VS_DISRUPTION_NONE, vif->name, &neigh);
		route_to(a, &route);
		plan_add_route(p, VS_DISRUPTION_NONE, vif->name, &route);
	}
}

void l3_attach_link(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	set_switches(p, n, vif);
	if (vif->mtu)
		plan_set_mtu(p, VS_DISRUPTION_NONE, vif->name, vif->mtu);
	drop_unwanted(p, vif->name, n, vif);
	plan_set_up(p, VS_DISRUPTION_NONE, vif->name, true);
	add_gateways(p, n, vif->name);
	add_guest(p, vif);
}

int l3_detach_link(const char *link, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };
	const struct vs_link *l = plan_link(&p, link);

	if (!l || !l3_is_routed(l))
		return 0;
	drop_unwanted(&p, link, NULL, NULL);
	plan_set_link_sysctl(&p, link, VS_LINK_PROXY_ARP, 0);
	return p.rc;
}
