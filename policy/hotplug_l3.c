/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vif-nat and vif-route without a policy: the vif's own link has an address of the host's and a route
 * for each of the guest's, and answers ARP for the rest of the world.
 *
 *	vif-route	the address of netdev=, eth0's, or of where the default route leads
 *	vif-nat		the guest's ip=, else 10.<domid>.<devid + 1>, plus 127
 */
#include "policy/hotplug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/guard.h"
#include "vswitch/sysctl.h"

#define METRIC_EMULATED 1
#define METRIC_VIF	2
#define NAT_OFFSET	127

static const struct vs_look links_only;

static const uint8_t *link_address(const struct vs_observed *o, const char *name)
{
	const struct vs_link *link = vs_observed_link(o, name);

	for (size_t i = 0; link && i < o->nr_addrs; i++)
		if (o->addrs[i].ifindex == link->ifindex && o->addrs[i].addr.family == AF_INET)
			return o->addrs[i].addr.local;
	return NULL;
}

static const uint8_t *default_address(const struct vs_observed *o)
{
	const struct vs_link *link;

	for (size_t i = 0; i < o->nr_routes; i++) {
		if (o->routes[i].route.family != AF_INET || o->routes[i].route.prefix_len)
			continue;
		link = vs_observed_index(o, o->routes[i].ifindex);
		if (link && link_address(o, link->name))
			return link_address(o, link->name);
	}
	return NULL;
}

static int host_address(const struct hotplug_call *call, struct vs_system *sys, uint8_t address[16],
			char why[HOTPLUG_WHY_LEN])
{
	struct vs_observed o;
	const uint8_t *found;
	int rc = sys->ops->observe(sys, &links_only, &o, why);

	if (rc) {
		snprintf(why, HOTPLUG_WHY_LEN, "cannot read the host's addresses: %s",
			 strerror(-rc));
		return rc;
	}
	found = link_address(&o, call->netdev ? call->netdev : "eth0");
	if (!found && !call->netdev)
		found = default_address(&o);
	if (found)
		memcpy(address, found, 4);
	else if (call->netdev)
		snprintf(why, HOTPLUG_WHY_LEN, "netdev=%.32s has no IPv4 address", call->netdev);
	else
		snprintf(why, HOTPLUG_WHY_LEN,
			 "neither eth0 nor a default route's link has an IPv4 address: give "
			 "gatewaydev=");
	vs_observed_fini(&o);
	return found ? 0 : -EADDRNOTAVAIL;
}

static int do_op(struct vs_system *sys, const struct vs_op *op, char why[HOTPLUG_WHY_LEN])
{
	char text[VS_OP_TEXT_LEN], said[VS_TEXT_LEN] = "";
	int rc = sys->ops->apply(sys, op, said);

	if (!rc)
		return 0;
	vs_op_text(op, text);
	snprintf(why, HOTPLUG_WHY_LEN, "cannot %.120s: %.100s", text,
		 said[0] ? said : strerror(-rc));
	return rc;
}

static int add_address(struct vs_system *sys, const char *link, const uint8_t address[16],
		       char why[HOTPLUG_WHY_LEN])
{
	struct vs_op op = { .kind = VS_OP_ADDR_ADD, .value = 1 };

	op.addr = (struct vs_addr){ .family = AF_INET,
				    .prefix_len = 32,
				    .scope = RT_SCOPE_UNIVERSE,
				    .valid_s = UINT32_MAX,
				    .preferred_s = UINT32_MAX };
	memcpy(op.addr.local, address, 4);
	memcpy(op.addr.peer, address, 4);
	snprintf(op.link, sizeof(op.link), "%s", link);
	return do_op(sys, &op, why);
}

static int add_route(const struct hotplug_call *call, struct vs_system *sys, const char *link,
		     const struct vs_prefix *to, const uint8_t source[16],
		     char why[HOTPLUG_WHY_LEN])
{
	struct vs_op op = { .kind = VS_OP_ROUTE_ADD };

	op.route = (struct vs_route){ .family = to->family,
				      .prefix_len = to->len,
				      .scope = to->family == AF_INET ? RT_SCOPE_LINK
								     : RT_SCOPE_UNIVERSE,
				      .type = RTN_UNICAST,
				      .protocol = RTPROT_STATIC,
				      .table = RT_TABLE_MAIN,
				      .has_source = to->family == AF_INET,
				      .metric = call->is_emulated ? METRIC_EMULATED : METRIC_VIF };
	memcpy(op.route.to, to->address, sizeof(to->address));
	/* The kernel refuses bits behind the prefix. */
	for (unsigned int bit = to->len; bit < 128; bit++)
		op.route.to[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	memcpy(op.route.source, source, op.route.has_source ? 4 : 0);
	snprintf(op.link, sizeof(op.link), "%s", link);
	return do_op(sys, &op, why);
}

/* The addresses that vif-nat gives to host and guest: a /32 each, whatever prefix ip= carries. */
static void nat_addresses(const struct hotplug_call *call, struct vs_vif *vif, uint8_t host[16])
{
	struct vs_prefix *guest = &vif->addrs[0];

	if (!vif->nr_addrs) {
		vif->nr_addrs = 1;
		*guest = (struct vs_prefix){ .family = AF_INET,
					     .address = { 10, (uint8_t)(call->domid >> 8),
							  (uint8_t)call->domid,
							  (uint8_t)(call->devid + 1) } };
	}
	for (size_t i = 0; i < vif->nr_addrs; i++)
		vif->addrs[i].len = vif->addrs[i].family == AF_INET ? 32 : 128;
	memcpy(host, guest->address, 4);
	host[3] = (uint8_t)(host[3] + NAT_OFFSET);
}

/* What ip= allows, and nothing else, before the link is up. */
static int set_guard(struct vs_system *sys, const struct vs_vif *vif, char why[HOTPLUG_WHY_LEN])
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = VS_DOC_NFT };
	bool is_needed;
	int rc;

	op.doc = guard_doc(vif, &is_needed);
	if (!op.doc)
		return is_needed ? -ENOMEM : 0;
	guard_name(vif->name, op.text);
	rc = do_op(sys, &op, why);
	json_decref(op.doc);
	return rc;
}

static int set_link(struct vs_system *sys, const struct vs_vif *vif, char why[HOTPLUG_WHY_LEN])
{
	struct vs_op op = { .kind = VS_OP_SET_MTU, .value = vif->mtu };
	int rc = 0;

	snprintf(op.link, sizeof(op.link), "%s", vif->name);
	if (vif->mtu)
		rc = do_op(sys, &op, why);
	op.kind = VS_OP_SET_UP;
	op.value = 1;
	if (!rc)
		rc = do_op(sys, &op, why);
	if (!rc)
		rc = vs_sysctl_set_ipv4(vif->name, "proxy_arp", 1);
	if (rc < 0 && !why[0])
		snprintf(why, HOTPLUG_WHY_LEN, "cannot set proxy_arp of %s: %s", vif->name,
			 strerror(-rc));
	return rc < 0 ? rc : 0;
}

int hotplug_l3_up(const struct hotplug_call *call, struct vs_system *sys, const struct vs_vif *wish,
		  char why[HOTPLUG_WHY_LEN])
{
	struct vs_vif vif = *wish;
	uint8_t host[16] = { 0 };
	int rc = 0;

	if (call->mode == HOTPLUG_NAT && vif.nr_addrs && vif.addrs[0].family != AF_INET) {
		snprintf(why, HOTPLUG_WHY_LEN, "the first address of ip= must be IPv4 for vif-nat");
		return -EINVAL;
	}
	if (call->mode == HOTPLUG_NAT)
		nat_addresses(call, &vif, host);
	else
		rc = host_address(call, sys, host, why);
	why[0] = rc ? why[0] : '\0';
	if (!rc)
		rc = set_guard(sys, &vif, why);
	if (!rc)
		rc = set_link(sys, &vif, why);
	if (!rc)
		rc = add_address(sys, vif.name, host, why);
	for (size_t i = 0; !rc && i < vif.nr_addrs; i++)
		rc = add_route(call, sys, vif.name, &vif.addrs[i], host, why);
	return rc;
}

int hotplug_l3_down(struct vs_system *sys, const char *name, char why[HOTPLUG_WHY_LEN])
{
	struct vs_op op = { .kind = VS_OP_ADDR_DEL };
	const struct vs_link *link;
	struct vs_observed o;
	int rc = sys->ops->observe(sys, &links_only, &o, why);

	if (rc)
		return rc;
	link = vs_observed_link(&o, name);
	snprintf(op.link, sizeof(op.link), "%s", name);
	/* Its routes went when it went down; those are IPv4's only. */
	for (size_t i = 0; !rc && link && i < o.nr_addrs; i++) {
		if (o.addrs[i].ifindex != link->ifindex || o.addrs[i].addr.family != AF_INET)
			continue;
		op.addr = o.addrs[i].addr;
		rc = do_op(sys, &op, why);
	}
	vs_observed_fini(&o);
	return rc;
}
