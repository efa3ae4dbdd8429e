/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A veth pair as a patch cable between two switches of the host. */
#include "vswitch/rtnl_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

void vs_patch_peer(const char *link, char peer[IFNAMSIZ])
{
	snprintf(peer, IFNAMSIZ, "%.14sp", link);
}

/* Killed while it was made, it has no alias yet. */
static bool is_ours(const struct vs_link *link, const struct vs_op *op)
{
	if (strcmp(link->kind, "veth") != 0)
		return false;
	return link->alias[0] ? !strcmp(link->alias, op->text)
			      : !memcmp(link->mac, op->mac, MAC_LEN);
}

static int put_veth(struct nl_msg *msg, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nlattr *info, *data, *end;
	char peer[IFNAMSIZ];

	vs_patch_peer(op->link, peer);
	NLA_PUT_STRING(msg, IFLA_IFNAME, op->link);
	NLA_PUT(msg, IFLA_ADDRESS, MAC_LEN, op->mac);
	NLA_PUT_U32(msg, IFLA_MTU, op->value);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info)
		goto nla_put_failure;
	NLA_PUT_STRING(msg, IFLA_INFO_KIND, "veth");
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	end = data ? nla_nest_start(msg, VETH_INFO_PEER) : NULL;
	if (!end || nlmsg_append(msg, &ifi, sizeof(ifi), 0) < 0)
		goto nla_put_failure;
	NLA_PUT_STRING(msg, IFLA_IFNAME, peer);
	NLA_PUT_U32(msg, IFLA_MTU, op->value);
	nla_nest_end(msg, end);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
nla_put_failure:
	return -EMSGSIZE;
}

static int patch_add(struct vs_rtnl *r, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	struct vs_link link;
	int rc;

	if (!msg)
		return -ENOMEM;
	if (put_veth(msg, op) < 0)
		goto nla_put_failure;
	rc = rtnl_change(r, msg);
	if (rc == -EEXIST && !rtnl_link_read(r, op->link, &link) && is_ours(&link, op))
		rc = 0;
	if (rc)
		return rc;
	msg = rtnl_msg(RTM_SETLINK, 0, &ifi, sizeof(ifi));
	if (!msg)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_IFNAME, op->link);
	NLA_PUT_STRING(msg, IFLA_IFALIAS, op->text);
	return rtnl_change(r, msg);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

static int patch_del(struct vs_rtnl *r, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct vs_link link;
	int rc = rtnl_link_read(r, op->link, &link);

	if (rc)
		return rc == -ENODEV ? 0 : rc;
	if (!is_ours(&link, op)) {
		snprintf(r->why, sizeof(r->why), "%s is not the patch cable that we made",
			 op->link);
		return -EPERM;
	}
	ifi.ifi_index = link.ifindex;
	rc = rtnl_change(r, rtnl_msg(RTM_DELLINK, 0, &ifi, sizeof(ifi)));
	return rc == -ENODEV ? 0 : rc;
}

int rtnl_patch_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	return op->kind == VS_OP_PATCH_ADD ? patch_add(r, op) : patch_del(r, op);
}
