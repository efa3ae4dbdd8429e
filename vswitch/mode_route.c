/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode "route": guests are routed to, both ways, with the addresses that they have. A bridge of the
 * network's name without ports holds the host's addresses in its subnets, so that what goes to an address
 * that no guest has ends there. Each guest is behind its own link:
 *
 *	LAN --- egress ------------------ host ------------ vif1.0 --- guest
 *		answers ARP and ND		gateway's addresses, alone
 *		for the guests			/32 and /128 routes to the guest
 *		(VS_OP_NEIGH_ADD, proxy)	its hardware address, told
 *						answers ARP for all that is elsewhere
 *
 * or, where guests share a segment, the bridge has them as ports, as in mode "nat".
 */
#include "vswitch/plan_priv.h"

#include "vswitch/bridge_priv.h"
#include "vswitch/l3_priv.h"

static int route_attach(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };

	p.rc = bridge_attach(n, vif, plan);
	l3_add_proxies(&p, n, vif);
	return p.rc;
}

const struct vs_mode vs_mode_route = {
	.name = "route",
	.segment = VS_SEGMENT_NONE,
	.docs = BRIDGE_DOCS,
	.release = bridge_release,
	.plan = bridge_plan,
	.plan_down = bridge_plan_down,
	.attach = route_attach,
	.detach = l3_detach_link,
};
