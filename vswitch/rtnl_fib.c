/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/rtnl_fib.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "vswitch/array.h"
#include "vswitch/rtnl_priv.h"
#include "vswitch/rules_priv.h"

#define EVENTS_MAX 20000 /* that are thrown away at once */
#define READ_TRIES 3
#define NUD_USABLE (NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

static uint8_t whole(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

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

static int refuse(struct vs_fib *fib, const char *why)
{
	snprintf(fib->why, sizeof(fib->why), "%s", why);
	return 0;
}

/* ---- Routes ---- */

/* One hop by one link, and nothing that the kernel alone can do. */
static bool is_plain(const struct rtmsg *rtm, struct nlattr *const *tb)
{
	return rtm->rtm_type == RTN_UNICAST && tb[RTA_OIF] && !rtm->rtm_tos &&
	       !(rtm->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN | RTNH_F_UNRESOLVED)) &&
	       !tb[RTA_MULTIPATH] && !tb[RTA_ENCAP] && !tb[RTA_ENCAP_TYPE] && !tb[RTA_VIA] &&
	       !tb[RTA_NH_ID] && !tb[RTA_SRC];
}

static bool is_usual(const struct vs_fib_route *r)
{
	return r->to.len == whole(r->to.family) ||
	       (r->to.family == AF_INET ? r->to.address[0] == 127 : r->to.address[0] == 0xff);
}

static uint32_t mtu_of(struct nlattr *attr)
{
	struct nlattr *metrics[RTAX_MAX + 1];

	if (!attr || nla_parse_nested(metrics, RTAX_MAX, attr, NULL) < 0 || !metrics[RTAX_MTU] ||
	    nla_len(metrics[RTAX_MTU]) < (int)sizeof(uint32_t))
		return 0;
	return nla_get_u32(metrics[RTAX_MTU]);
}

static int add_route(struct nlmsghdr *nlh, void *arg)
{
	struct vs_fib *fib = arg;
	struct nlattr *tb[RTA_MAX + 1];
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct vs_fib_route r = { 0 }, *added;
	uint32_t table;

	if (nlmsg_parse(nlh, sizeof(*rtm), tb, RTA_MAX, NULL) < 0 ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    rtm->rtm_flags & RTM_F_CLONED || rtm->rtm_dst_len > whole(rtm->rtm_family))
		return 0;
	table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : rtm->rtm_table;
	if (table != RT_TABLE_LOCAL && table != RT_TABLE_MAIN)
		return 0;
	r.to.family = rtm->rtm_family;
	r.to.len = rtm->rtm_dst_len;
	take_bytes(r.to.address, tb[RTA_DST], rtm->rtm_family);
	r.is_ours = table == RT_TABLE_LOCAL;
	r.is_plain = !r.is_ours && is_plain(rtm, tb);
	r.ifindex = tb[RTA_OIF] ? (int)nla_get_u32(tb[RTA_OIF]) : 0;
	r.has_via = take_bytes(r.via, tb[RTA_GATEWAY], rtm->rtm_family);
	r.metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
	r.mtu = mtu_of(tb[RTA_METRICS]);
	/* The kernel looks there first, whatever is longer elsewhere. */
	if (r.is_ours && !is_usual(&r))
		return refuse(fib, "the host has whole prefixes as its own addresses");
	if (fib->nr_routes == VS_FIB_ROUTES_MAX)
		return refuse(fib, "the host has too many routes");
	added = array_add(&fib->routes, &fib->nr_routes, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = r;
	return 0;
}

static bool suppresses(const struct nlattr *attr)
{
	return attr && nla_get_u32(attr) != UINT32_MAX;
}

/* Those that a host has without anybody's doing: local, main, default. */
static int check_rule(struct nlmsghdr *nlh, void *arg)
{
	static const unsigned int tables[] = { RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT };
	static const uint32_t places[] = { 0, 32766, 32767 };
	struct nlattr *tb[FRA_MAX + 1];
	const struct fib_rule_hdr *rule = nlmsg_data(nlh);
	uint32_t table, place;
	bool is_usual_one = false;

	if (nlmsg_parse(nlh, sizeof(*rule), tb, FRA_MAX, NULL) < 0)
		return refuse(arg, "a routing rule cannot be read");
	table = tb[FRA_TABLE] ? nla_get_u32(tb[FRA_TABLE]) : rule->table;
	place = tb[FRA_PRIORITY] ? nla_get_u32(tb[FRA_PRIORITY]) : 0;
	for (int i = 0; i < 3; i++)
		is_usual_one |= table == tables[i] && place == places[i];
	if (is_usual_one && rule->action == FR_ACT_TO_TBL && !rule->src_len && !rule->dst_len &&
	    !rule->tos && !(rule->flags & FIB_RULE_INVERT) && !tb[FRA_IIFNAME] &&
	    !tb[FRA_OIFNAME] && !tb[FRA_FWMARK] && !tb[FRA_L3MDEV] && !tb[FRA_UID_RANGE] &&
	    !tb[FRA_IP_PROTO] && !suppresses(tb[FRA_SUPPRESS_PREFIXLEN]) && !tb[FRA_SPORT_RANGE] &&
	    !tb[FRA_DPORT_RANGE])
		return 0;
	return refuse(arg, "the host has routing rules of its own");
}

static int read_rules(struct vs_rtnl *r, struct vs_fib *fib)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int rc = 0;

	for (int i = 0; !rc && i < 2; i++) {
		struct fib_rule_hdr rule = { .family = families[i] };

		rc = rtnl_ask(r, rtnl_msg(RTM_GETRULE, NLM_F_DUMP, &rule, sizeof(rule)), check_rule,
			      fib);
		/* Without IPv6, or without rules at all. */
		if (rc == -EOPNOTSUPP || rc == -EAFNOSUPPORT)
			rc = 0;
	}
	return rc;
}

/* ---- Neighbours ---- */

static int add_neigh(struct nlmsghdr *nlh, void *arg)
{
	struct vs_fib *fib = arg;
	struct nlattr *tb[NDA_MAX + 1];
	const struct ndmsg *ndm = nlmsg_data(nlh);
	struct vs_fib_neigh n = { 0 }, *added;

	if (nlmsg_parse(nlh, sizeof(*ndm), tb, NDA_MAX, NULL) < 0 ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
	    !(ndm->ndm_state & NUD_USABLE) || ndm->ndm_flags & NTF_PROXY || !tb[NDA_LLADDR] ||
	    nla_len(tb[NDA_LLADDR]) != MAC_LEN ||
	    !take_bytes(n.address, tb[NDA_DST], ndm->ndm_family))
		return 0;
	n.family = ndm->ndm_family;
	n.ifindex = ndm->ndm_ifindex;
	n.is_stale = ndm->ndm_state & NUD_STALE;
	memcpy(n.mac, nla_data(tb[NDA_LLADDR]), MAC_LEN);
	/* Who has more is served by the kernel beyond that. */
	if (n.mac[0] & 1 || fib->nr_neighs == VS_FIB_NEIGHS_MAX)
		return 0;
	added = array_add(&fib->neighs, &fib->nr_neighs, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = n;
	return 0;
}

int vs_fib_confirm(struct vs_system *sys, const struct vs_fib_neigh *neigh)
{
	const struct ndmsg ndm = { .ndm_family = neigh->family,
				   .ndm_ifindex = neigh->ifindex,
				   .ndm_flags = NTF_USE };
	struct nl_msg *msg = rtnl_msg(RTM_NEWNEIGH, NLM_F_CREATE, &ndm, sizeof(ndm));
	uint64_t before = sys->nr_changes;
	int rc;

	if (msg && nla_put(msg, NDA_DST, (int)addr_size(neigh->family), neigh->address) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	rc = rtnl_change((struct vs_rtnl *)sys, msg);
	sys->nr_changes = before;
	return rc;
}

/* ---- All of it ---- */

static int compare_prefixes(const struct vs_prefix *x, const struct vs_prefix *y)
{
	int order = (int)x->family - (int)y->family;

	if (!order)
		order = memcmp(x->address, y->address, sizeof(x->address));
	return order ? order : (int)x->len - (int)y->len;
}

static int compare_routes(const void *a, const void *b)
{
	const struct vs_fib_route *x = a, *y = b;
	int order = compare_prefixes(&x->to, &y->to);

	if (!order)
		order = (int)y->is_ours - (int)x->is_ours;
	if (!order)
		order = (x->metric > y->metric) - (x->metric < y->metric);
	return order;
}

static int compare_neighs(const void *a, const void *b)
{
	const struct vs_fib_neigh *x = a, *y = b;
	int order = (int)x->family - (int)y->family;

	if (!order)
		order = memcmp(x->address, y->address, sizeof(x->address));
	return order ? order : x->ifindex - y->ifindex;
}

void vs_fib_sort(struct vs_fib *fib)
{
	size_t nr = 0;

	if (fib->nr_routes)
		qsort(fib->routes, fib->nr_routes, sizeof(*fib->routes), compare_routes);
	if (fib->nr_neighs)
		qsort(fib->neighs, fib->nr_neighs, sizeof(*fib->neighs), compare_neighs);
	for (size_t i = 0; i < fib->nr_routes; i++) {
		struct vs_fib_route *r = &fib->routes[i], *last = nr ? &fib->routes[nr - 1] : NULL;

		if (!last || compare_prefixes(&last->to, &r->to) != 0)
			fib->routes[nr++] = *r;
		else if (last->is_ours == r->is_ours && last->metric == r->metric)
			last->is_plain = false; /* several ways, and the kernel chooses */
	}
	fib->nr_routes = nr;
}

const struct vs_fib_route *vs_fib_find(const struct vs_fib *fib, const struct vs_prefix *address)
{
	size_t low = 0, high = fib->nr_routes;

	/* Behind all that begin before it or with it; those that have it come before. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_prefixes(&fib->routes[middle].to, address) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low-- > 0)
		if (rules_covers(&fib->routes[low].to, address))
			return &fib->routes[low];
	return NULL;
}

static int read_once(struct vs_rtnl *r, struct vs_fib *fib)
{
	struct rtmsg rtm = { .rtm_family = AF_UNSPEC };
	struct ndmsg ndm = { .ndm_family = AF_UNSPEC };
	int rc = read_rules(r, fib);

	if (!rc)
		rc = rtnl_ask(r, rtnl_msg(RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm)), add_route,
			      fib);
	if (!rc)
		rc = rtnl_ask(r, rtnl_msg(RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm)), add_neigh,
			      fib);
	return rc;
}

int vs_fib_read(struct vs_system *sys, struct vs_fib *out)
{
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < READ_TRIES; i++) {
		*out = (struct vs_fib){ 0 };
		rc = read_once((struct vs_rtnl *)sys, out);
		if (rc)
			vs_fib_fini(out);
	}
	if (!rc)
		vs_fib_sort(out);
	return rc;
}

void vs_fib_fini(struct vs_fib *fib)
{
	free(fib->routes);
	free(fib->neighs);
	*fib = (struct vs_fib){ 0 };
}

/* ---- Events ---- */

struct vs_fib_events {
	struct loop *loop;
	int fd;
	bool is_watched;
	struct loop_fd watcher;
	void (*fn)(void *arg);
	void *arg;
};

static void on_readable(void *arg, uint32_t events)
{
	struct vs_fib_events *e = arg;

	(void)events;
	loop_fd_del(&e->watcher);
	e->is_watched = false;
	e->fn(e->arg);
}

static int watch(struct vs_fib_events *e)
{
	int rc = loop_fd_add(e->loop, &e->watcher, e->fd, EPOLLIN, on_readable, e);

	e->is_watched = !rc;
	return rc;
}

/* Nobody reads them: all is looked at anyway. A socket that overflowed says so as an error, once. */
int vs_fib_events_rest(struct vs_fib_events *e)
{
	char some[16];

	for (int i = 0; i < EVENTS_MAX; i++)
		if (recv(e->fd, some, sizeof(some), MSG_DONTWAIT | MSG_TRUNC) < 0 &&
		    errno != ENOBUFS)
			break;
	return e->is_watched ? 0 : watch(e);
}

int vs_fib_events_open(struct loop *loop, void (*fn)(void *arg), void *arg,
		       struct vs_fib_events **events_out)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK,
				   .nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE |
						RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
						1u << (RTNLGRP_IPV6_RULE - 1) };
	struct vs_fib_events *e = calloc(1, sizeof(*e));
	int rc;

	*events_out = NULL;
	if (!e)
		return -ENOMEM;
	e->loop = loop;
	e->fn = fn;
	e->arg = arg;
	e->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	rc = e->fd < 0 || bind(e->fd, (struct sockaddr *)&all, sizeof(all)) < 0 ? -errno : 0;
	if (!rc)
		rc = watch(e);
	if (rc)
		vs_fib_events_close(e);
	else
		*events_out = e;
	return rc;
}

void vs_fib_events_close(struct vs_fib_events *e)
{
	if (!e)
		return;
	if (e->is_watched)
		loop_fd_del(&e->watcher);
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}
