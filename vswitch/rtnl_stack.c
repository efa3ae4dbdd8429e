/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bonds and 802.1Q devices. */
#include "vswitch/rtnl_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/if_bonding.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

static uint32_t number(const json_t *doc, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(doc, key));
}

static const char *text(const json_t *doc, const char *key)
{
	const char *value = json_string_value(json_object_get(doc, key));

	return value ? value : "";
}

/* Killed while it was made, it has no alias yet. */
static bool is_ours(const struct vs_link *link, const struct vs_op *op)
{
	if (strcmp(link->kind, text(op->doc, "kind")) != 0)
		return false;
	return link->alias[0] ? !strcmp(link->alias, op->text)
			      : !memcmp(link->mac, op->mac, MAC_LEN);
}

/* Of a bond that has members only what can change under them. */
static int put_bond(struct nl_msg *msg, const json_t *doc, bool is_new)
{
	if (is_new) {
		NLA_PUT_U8(msg, IFLA_BOND_MODE, (uint8_t)number(doc, "mode"));
		if (number(doc, "mode") == BOND_MODE_8023AD)
			NLA_PUT_U8(msg, IFLA_BOND_AD_LACP_RATE,
				   json_is_true(json_object_get(doc, "lacp-fast")));
	}
	NLA_PUT_U8(msg, IFLA_BOND_XMIT_HASH_POLICY, (uint8_t)number(doc, "hash"));
	NLA_PUT_U32(msg, IFLA_BOND_MIIMON, number(doc, "mii-ms"));
	return 0;
nla_put_failure:
	return -EMSGSIZE;
}

static int put_info(struct nl_msg *msg, const json_t *doc, bool is_new)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO), *data;
	const char *kind = text(doc, "kind");
	int rc;

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, kind) < 0)
		return -EMSGSIZE;
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	if (!data)
		return -EMSGSIZE;
	if (!strcmp(kind, "bond"))
		rc = put_bond(msg, doc, is_new);
	else
		rc = nla_put_u16(msg, IFLA_VLAN_ID, (uint16_t)number(doc, "id"));
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return rc < 0 ? -EMSGSIZE : 0;
}

static struct nl_msg *add_msg(const struct vs_op *op, int lower)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));

	if (!msg)
		return NULL;
	NLA_PUT_STRING(msg, IFLA_IFNAME, op->link);
	NLA_PUT(msg, IFLA_ADDRESS, MAC_LEN, op->mac);
	NLA_PUT_U32(msg, IFLA_MTU, op->value);
	if (lower)
		NLA_PUT_U32(msg, IFLA_LINK, (uint32_t)lower);
	if (put_info(msg, op->doc, true) < 0)
		goto nla_put_failure;
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

static int stack_add(struct vs_rtnl *r, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	const char *under = text(op->doc, "link");
	int lower = under[0] ? rtnl_ifindex(r, under) : 0;
	struct vs_link link;
	struct nl_msg *msg;
	int rc;

	if (lower < 0)
		return lower;
	rc = rtnl_change(r, add_msg(op, lower));
	if (rc == -EEXIST && !rtnl_link_read(r, op->link, &link) && is_ours(&link, op))
		rc = 0;
	if (rc)
		return rc;
	msg = rtnl_msg(RTM_SETLINK, 0, &ifi, sizeof(ifi));
	if (msg && (nla_put_string(msg, IFLA_IFNAME, op->link) < 0 ||
		    nla_put(msg, IFLA_IFALIAS, (int)strlen(op->text), op->text) < 0)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return rtnl_change(r, msg);
}

static int stack_del(struct vs_rtnl *r, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct vs_link link;
	int rc = rtnl_link_read(r, op->link, &link);

	if (rc)
		return rc == -ENODEV ? 0 : rc;
	if (!is_ours(&link, op)) {
		snprintf(r->why, sizeof(r->why), "%s is not the link that we made", op->link);
		return -EPERM;
	}
	ifi.ifi_index = link.ifindex;
	rc = rtnl_change(r, rtnl_msg(RTM_DELLINK, 0, &ifi, sizeof(ifi)));
	return rc == -ENODEV ? 0 : rc;
}

static int set_bond(struct vs_rtnl *r, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg;
	int ifindex = rtnl_ifindex(r, op->link);

	if (ifindex < 0)
		return ifindex;
	ifi.ifi_index = ifindex;
	msg = rtnl_msg(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	if (msg && put_info(msg, op->doc, false) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return rtnl_change(r, msg);
}

int rtnl_stack_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	switch (op->kind) {
	case VS_OP_STACK_ADD:
		return stack_add(r, op);
	case VS_OP_STACK_DEL:
		return stack_del(r, op);
	default:
		return set_bond(r, op);
	}
}
