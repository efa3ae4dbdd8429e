/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Neighbours of ours over rtnetlink: those that are told, and those that are answered for. */
#include "vswitch/rtnl_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "vswitch/array.h"

#define MS_PER_TICK 10 /* of proxy_delay in /proc/sys */

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static int add_neigh(struct nlmsghdr *nlh, void *arg)
{
	struct vs_observed *o = arg;
	struct nlattr *tb[NDA_MAX + 1];
	const struct ndmsg *ndm = nlmsg_data(nlh);
	struct vs_link_neigh *added;

	if (nlmsg_parse(nlh, sizeof(*ndm), tb, NDA_MAX, NULL) < 0 ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) || !tb[NDA_PROTOCOL] ||
	    nla_get_u8(tb[NDA_PROTOCOL]) != VS_PROTOCOL || !tb[NDA_DST] ||
	    (size_t)nla_len(tb[NDA_DST]) != addr_size(ndm->ndm_family))
		return 0;
	added = array_add(&o->neighs, &o->nr_neighs, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->ifindex = ndm->ndm_ifindex;
	added->neigh.family = ndm->ndm_family;
	added->neigh.is_proxy = ndm->ndm_flags & NTF_PROXY;
	memcpy(added->neigh.address, nla_data(tb[NDA_DST]), addr_size(ndm->ndm_family));
	if (!added->neigh.is_proxy && tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == MAC_LEN)
		memcpy(added->neigh.mac, nla_data(tb[NDA_LLADDR]), MAC_LEN);
	return 0;
}

/* How long each link waits before it answers for others. */
static int take_table(struct nlmsghdr *nlh, void *arg)
{
	struct vs_observed *o = arg;
	struct nlattr *tb[NDTA_MAX + 1], *parms[NDTPA_MAX + 1];
	const struct ndtmsg *ndt = nlmsg_data(nlh);
	const struct vs_link *link;

	if (nlmsg_parse(nlh, sizeof(*ndt), tb, NDTA_MAX, NULL) < 0 || !tb[NDTA_PARMS] ||
	    (ndt->ndtm_family != AF_INET && ndt->ndtm_family != AF_INET6) ||
	    nla_parse_nested(parms, NDTPA_MAX, tb[NDTA_PARMS], NULL) < 0 || !parms[NDTPA_IFINDEX] ||
	    !parms[NDTPA_PROXY_DELAY])
		return 0;
	link = vs_observed_index(o, (int)nla_get_u32(parms[NDTPA_IFINDEX]));
	if (link)
		o->links[link - o->links]
			.sysctls[ndt->ndtm_family == AF_INET ? VS_LINK_PROXY_DELAY4
							     : VS_LINK_PROXY_DELAY6] =
			(int)(nla_get_u64(parms[NDTPA_PROXY_DELAY]) / MS_PER_TICK);
	return 0;
}

int rtnl_neighs_read(struct vs_rtnl *r, struct vs_observed *o)
{
	struct ndmsg ndm = { .ndm_family = AF_UNSPEC };
	struct ndtmsg ndt = { .ndtm_family = AF_UNSPEC };
	int rc = rtnl_ask(r, rtnl_msg(RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm)), add_neigh, o);

	ndm.ndm_flags = NTF_PROXY;
	if (!rc)
		rc = rtnl_ask(r, rtnl_msg(RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm)), add_neigh,
			      o);
	/* A link is looked for once per table. */
	if (!rc)
		rc = vs_observed_make_index(o);
	if (!rc)
		rc = rtnl_ask(r, rtnl_msg(RTM_GETNEIGHTBL, NLM_F_DUMP, &ndt, sizeof(ndt)),
			      take_table, o);
	return rc;
}

int rtnl_neighs_read_link(struct vs_rtnl *r, int ifindex, struct vs_observed *o)
{
	struct ndmsg ndm = { .ndm_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm));

	if (msg && nla_put_u32(msg, NDA_IFINDEX, (uint32_t)ifindex) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return rtnl_ask(r, msg, add_neigh, o);
}

static struct nl_msg *neigh_msg(int type, int flags, int ifindex, const struct vs_op *op)
{
	struct ndmsg ndm = {
		.ndm_family = op->addr.family,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_PERMANENT,
		.ndm_flags = op->value ? NTF_PROXY : 0,
	};
	struct nl_msg *msg = rtnl_msg(type, flags, &ndm, sizeof(ndm));

	if (!msg)
		return NULL;
	NLA_PUT(msg, NDA_DST, (int)addr_size(op->addr.family), op->addr.local);
	if (type == RTM_DELNEIGH)
		return msg;
	NLA_PUT_U8(msg, NDA_PROTOCOL, VS_PROTOCOL);
	if (!op->value)
		NLA_PUT(msg, NDA_LLADDR, MAC_LEN, op->mac);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

int rtnl_neigh_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	int ifindex = rtnl_ifindex(r, op->link);
	int rc;

	if (ifindex < 0)
		return ifindex;
	if (op->kind == VS_OP_NEIGH_DEL) {
		rc = rtnl_change(r, neigh_msg(RTM_DELNEIGH, 0, ifindex, op));
		return rc == -ENOENT ? 0 : rc;
	}
	return rtnl_change(r, neigh_msg(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, ifindex, op));
}
