/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unicast routes over rtnetlink. */
#include "vswitch/rtnl_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "vswitch/array.h"

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static bool take_bytes(uint8_t to[16], const struct nlattr *attr, uint8_t family)
{
	if (!attr || (size_t)nla_len(attr) != addr_size(family))
		return false;
	memcpy(to, nla_data(attr), addr_size(family));
	return true;
}

static int push_route(struct vs_observed *o, const struct vs_link_route *route)
{
	struct vs_link_route *added = array_add(&o->routes, &o->nr_routes, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = *route;
	return 0;
}

/* Of IPv6 each next hop is a route of its own, of IPv4 all are one. */
static int push_next_hops(struct vs_observed *o, struct nlattr *multipath,
			  struct vs_link_route route)
{
	const struct rtnexthop *nh = nla_data(multipath);
	int left = nla_len(multipath);
	struct nlattr *via;
	int rc;

	route.is_multipath = route.route.family == AF_INET;
	while (left >= (int)sizeof(*nh) && nh->rtnh_len >= sizeof(*nh) && nh->rtnh_len <= left) {
		via = nla_find((const struct nlattr *)(const void *)(nh + 1),
			       nh->rtnh_len - (int)sizeof(*nh), RTA_GATEWAY);
		route.ifindex = nh->rtnh_ifindex;
		route.route.has_via = take_bytes(route.route.via, via, route.route.family);
		route.route.onlink = nh->rtnh_flags & RTNH_F_ONLINK;
		rc = push_route(o, &route);
		if (rc)
			return rc;
		left -= NLMSG_ALIGN(nh->rtnh_len);
		nh = (const void *)((const char *)nh + NLMSG_ALIGN(nh->rtnh_len));
	}
	return 0;
}

static int add_route(struct nlmsghdr *nlh, void *arg)
{
	struct vs_observed *o = arg;
	struct nlattr *tb[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct vs_link_route out = { 0 };
	struct vs_route *route = &out.route;

	if (nlmsg_parse(nlh, sizeof(*rtm), tb, RTA_MAX, NULL) < 0 ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    rtm->rtm_type != RTN_UNICAST || rtm->rtm_flags & RTM_F_CLONED)
		return 0;
	*route = (struct vs_route){
		.family = rtm->rtm_family,
		.prefix_len = rtm->rtm_dst_len,
		.tos = rtm->rtm_tos,
		.scope = rtm->rtm_scope,
		.type = rtm->rtm_type,
		.protocol = rtm->rtm_protocol,
		.onlink = rtm->rtm_flags & RTNH_F_ONLINK,
		.table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : rtm->rtm_table,
		.metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0,
	};
	if (route->table == RT_TABLE_LOCAL)
		return 0;
	take_bytes(route->to, tb[RTA_DST], route->family);
	route->has_via = take_bytes(route->via, tb[RTA_GATEWAY], route->family);
	route->has_source = take_bytes(route->source, tb[RTA_PREFSRC], route->family);
	if (tb[RTA_METRICS] && nla_parse_nested(metrics, RTAX_MAX, tb[RTA_METRICS], NULL) >= 0 &&
	    metrics[RTAX_MTU])
		route->mtu = nla_get_u32(metrics[RTAX_MTU]);
	if (tb[RTA_MULTIPATH])
		return push_next_hops(o, tb[RTA_MULTIPATH], out);
	out.ifindex = tb[RTA_OIF] ? (int)nla_get_u32(tb[RTA_OIF]) : 0;
	return push_route(o, &out);
}

int rtnl_routes_read(struct vs_rtnl *r, struct vs_observed *o)
{
	struct rtmsg rtm = { .rtm_family = AF_UNSPEC };

	return rtnl_ask(r, rtnl_msg(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm)), add_route, o);
}

int rtnl_routes_read_link(struct vs_rtnl *r, int family, int ifindex, struct vs_observed *o)
{
	struct rtmsg rtm = { .rtm_family = (unsigned char)family,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_protocol = VS_PROTOCOL };
	struct nl_msg *msg = rtnl_msg(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
	int rc;

	if (msg && nla_put_u32(msg, RTA_OIF, (uint32_t)ifindex) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	rc = rtnl_ask(r, msg, add_route, o);
	/* There is no table yet. */
	return rc == -ENOENT ? 0 : rc;
}

static int put_mtu(struct nl_msg *msg, uint32_t mtu)
{
	struct nlattr *metrics = nla_nest_start(msg, RTA_METRICS);

	if (!metrics || nla_put_u32(msg, RTAX_MTU, mtu) < 0)
		return -EMSGSIZE;
	nla_nest_end(msg, metrics);
	return 0;
}

static struct nl_msg *route_msg(int type, int flags, int ifindex, const struct vs_route *route)
{
	struct rtmsg rtm = {
		.rtm_family = route->family,
		.rtm_dst_len = route->prefix_len,
		.rtm_tos = route->tos,
		.rtm_scope = route->scope,
		.rtm_type = route->type,
		.rtm_protocol = route->protocol,
		.rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_UNSPEC,
		.rtm_flags = type == RTM_NEWROUTE && route->onlink ? RTNH_F_ONLINK : 0,
	};
	int size = (int)addr_size(route->family);
	struct nl_msg *msg = rtnl_msg(type, flags, &rtm, sizeof(rtm));

	if (!msg)
		return NULL;
	NLA_PUT_U32(msg, RTA_TABLE, route->table);
	NLA_PUT_U32(msg, RTA_OIF, (uint32_t)ifindex);
	if (route->prefix_len)
		NLA_PUT(msg, RTA_DST, size, route->to);
	if (route->has_via)
		NLA_PUT(msg, RTA_GATEWAY, size, route->via);
	if (route->has_source)
		NLA_PUT(msg, RTA_PREFSRC, size, route->source);
	if (route->metric)
		NLA_PUT_U32(msg, RTA_PRIORITY, route->metric);
	if (route->mtu && type == RTM_NEWROUTE && put_mtu(msg, route->mtu) < 0)
		goto nla_put_failure;
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

int rtnl_route_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	int ifindex = rtnl_ifindex(r, op->link);
	int rc;

	if (ifindex < 0)
		return ifindex;
	if (op->kind == VS_OP_ROUTE_DEL) {
		rc = rtnl_change(r, route_msg(RTM_DELROUTE, 0, ifindex, &op->route));
		return rc == -ESRCH ? 0 : rc;
	}
	/* Appended: beside the same route over another link, which wins until it goes. */
	rc = rtnl_change(r,
			 route_msg(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, ifindex, &op->route));
	return rc == -EEXIST ? 0 : rc;
}
