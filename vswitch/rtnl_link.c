/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links over rtnetlink: read one or all, make and remove bridges, set what a step sets. */
#include "vswitch/rtnl_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "vswitch/array.h"

static const struct {
	int attr, size; /* size: in bytes, as the kernel has it */
} bridge_attrs[VS_BRIDGE_NR] = {
	[VS_BRIDGE_FORWARD_DELAY] = { IFLA_BR_FORWARD_DELAY, 4 },
	[VS_BRIDGE_HELLO] = { IFLA_BR_HELLO_TIME, 4 },
	[VS_BRIDGE_MAX_AGE] = { IFLA_BR_MAX_AGE, 4 },
	[VS_BRIDGE_PRIORITY] = { IFLA_BR_PRIORITY, 2 },
	[VS_BRIDGE_VLAN_FILTERING] = { IFLA_BR_VLAN_FILTERING, 1 },
	[VS_BRIDGE_DEFAULT_PVID] = { IFLA_BR_VLAN_DEFAULT_PVID, 2 },
};

static void parse_bridge(struct nlattr *info, struct vs_link *out)
{
	struct nlattr *data[IFLA_BR_MAX + 1];

	if (nla_parse_nested(data, IFLA_BR_MAX, info, NULL) < 0)
		return;
	if (data[IFLA_BR_STP_STATE])
		out->stp = nla_get_u32(data[IFLA_BR_STP_STATE]) != 0;
	for (int i = 0; i < VS_BRIDGE_NR; i++) {
		const struct nlattr *attr = data[bridge_attrs[i].attr];

		if (attr && nla_len(attr) == bridge_attrs[i].size)
			out->bridge[i] = bridge_attrs[i].size == 4   ? nla_get_u32(attr)
					 : bridge_attrs[i].size == 2 ? nla_get_u16(attr)
								     : nla_get_u8(attr);
	}
}

static void parse_stacked(struct nlattr *info, struct vs_link *out)
{
	struct nlattr *vlan[IFLA_VLAN_MAX + 1], *bond[IFLA_BOND_MAX + 1];

	if (!strcmp(out->kind, "vlan") && nla_parse_nested(vlan, IFLA_VLAN_MAX, info, NULL) >= 0 &&
	    vlan[IFLA_VLAN_ID])
		out->vlan_id = nla_get_u16(vlan[IFLA_VLAN_ID]);
	if (strcmp(out->kind, "bond") != 0 || nla_parse_nested(bond, IFLA_BOND_MAX, info, NULL) < 0)
		return;
	if (bond[IFLA_BOND_MODE])
		out->bond_mode = nla_get_u8(bond[IFLA_BOND_MODE]);
	if (bond[IFLA_BOND_XMIT_HASH_POLICY])
		out->bond_hash = nla_get_u8(bond[IFLA_BOND_XMIT_HASH_POLICY]);
	if (bond[IFLA_BOND_AD_LACP_RATE])
		out->bond_lacp_fast = nla_get_u8(bond[IFLA_BOND_AD_LACP_RATE]) != 0;
	if (bond[IFLA_BOND_MIIMON])
		out->bond_mii_ms = nla_get_u32(bond[IFLA_BOND_MIIMON]);
}

/* A member has its bond's address; this is its own. */
static void parse_member(struct nlattr *info, struct vs_link *out)
{
	struct nlattr *tb[IFLA_BOND_SLAVE_MAX + 1];

	if (nla_parse_nested(tb, IFLA_BOND_SLAVE_MAX, info, NULL) >= 0 &&
	    tb[IFLA_BOND_SLAVE_PERM_HWADDR] && nla_len(tb[IFLA_BOND_SLAVE_PERM_HWADDR]) == MAC_LEN)
		memcpy(out->permanent_mac, nla_data(tb[IFLA_BOND_SLAVE_PERM_HWADDR]), MAC_LEN);
}

static void parse_info(struct nlattr *info, struct vs_link *out)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1], *port[IFLA_BRPORT_MAX + 1];

	if (nla_parse_nested(tb, IFLA_INFO_MAX, info, NULL) < 0)
		return;
	if (tb[IFLA_INFO_KIND])
		nla_strlcpy(out->kind, tb[IFLA_INFO_KIND], sizeof(out->kind));
	if (!strcmp(out->kind, "bridge") && tb[IFLA_INFO_DATA])
		parse_bridge(tb[IFLA_INFO_DATA], out);
	else if (tb[IFLA_INFO_DATA])
		parse_stacked(tb[IFLA_INFO_DATA], out);
	/* Changed by ovs-vswitchd alone: who has the port is a document's. */
	if (tb[IFLA_INFO_SLAVE_KIND] && !nla_strcmp(tb[IFLA_INFO_SLAVE_KIND], "openvswitch"))
		out->master = 0;
	if (tb[IFLA_INFO_SLAVE_KIND] && !nla_strcmp(tb[IFLA_INFO_SLAVE_KIND], "bond") &&
	    tb[IFLA_INFO_SLAVE_DATA])
		parse_member(tb[IFLA_INFO_SLAVE_DATA], out);
	if (tb[IFLA_INFO_SLAVE_KIND] && !nla_strcmp(tb[IFLA_INFO_SLAVE_KIND], "bridge") &&
	    tb[IFLA_INFO_SLAVE_DATA] &&
	    nla_parse_nested(port, IFLA_BRPORT_MAX, tb[IFLA_INFO_SLAVE_DATA], NULL) >= 0 &&
	    port[IFLA_BRPORT_ISOLATED])
		out->isolated = nla_get_u8(port[IFLA_BRPORT_ISOLATED]) != 0;
}

/* Settings of the link as an array of numbers, in the order of the kernel's headers. */
static const int32_t *settings(struct nlattr *attr, unsigned int last)
{
	return attr && nla_len(attr) > (int)(last * sizeof(int32_t)) ? nla_data(attr) : NULL;
}

static void parse_ipv4(struct nlattr *af_spec, struct vs_link *out)
{
	struct nlattr *tb[IFLA_INET_MAX + 1];
	struct nlattr *inet = nla_find(nla_data(af_spec), nla_len(af_spec), AF_INET);
	const int32_t *conf = NULL;

	if (inet && nla_parse_nested(tb, IFLA_INET_MAX, inet, NULL) >= 0)
		conf = settings(tb[IFLA_INET_CONF], IPV4_DEVCONF_PROXY_ARP_PVLAN - 1);
	if (!conf)
		return;
	out->sysctls[VS_LINK_PROXY_ARP] = conf[IPV4_DEVCONF_PROXY_ARP - 1];
	out->sysctls[VS_LINK_SEND_REDIRECTS] = conf[IPV4_DEVCONF_SEND_REDIRECTS - 1];
	out->sysctls[VS_LINK_RP_FILTER] = conf[IPV4_DEVCONF_RP_FILTER - 1];
	out->sysctls[VS_LINK_PROXY_ARP_PVLAN] = conf[IPV4_DEVCONF_PROXY_ARP_PVLAN - 1];
}

static void parse_ipv6(struct nlattr *af_spec, struct vs_link *out)
{
	struct nlattr *tb[IFLA_INET6_MAX + 1];
	struct nlattr *inet6 = nla_find(nla_data(af_spec), nla_len(af_spec), AF_INET6);
	const int32_t *conf = NULL;

	if (inet6 && nla_parse_nested(tb, IFLA_INET6_MAX, inet6, NULL) >= 0)
		conf = settings(tb[IFLA_INET6_CONF], DEVCONF_DISABLE_IPV6);
	if (!conf)
		return;
	if (settings(tb[IFLA_INET6_CONF], DEVCONF_PROXY_NDP))
		out->sysctls[VS_LINK_PROXY_NDP] = conf[DEVCONF_PROXY_NDP];
	out->ipv6_off = conf[DEVCONF_DISABLE_IPV6];
	out->accept_ra = out->sysctls[VS_LINK_ACCEPT_RA] = conf[DEVCONF_ACCEPT_RA];
}

int rtnl_link_parse(struct nlmsghdr *nlh, struct vs_link *out)
{
	struct nlattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *ifi = nlmsg_data(nlh);

	if (nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME])
		return -EINVAL;
	*out = (struct vs_link){
		.ifindex = ifi->ifi_index,
		.is_up = ifi->ifi_flags & IFF_UP,
		.is_loopback = ifi->ifi_flags & IFF_LOOPBACK,
		.ipv6_off = -1,
		.accept_ra = -1,
	};
	nla_strlcpy(out->name, tb[IFLA_IFNAME], sizeof(out->name));
	if (tb[IFLA_IFALIAS])
		nla_strlcpy(out->alias, tb[IFLA_IFALIAS], sizeof(out->alias));
	if (tb[IFLA_MTU])
		out->mtu = nla_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_CARRIER])
		out->has_carrier = nla_get_u8(tb[IFLA_CARRIER]) != 0;
	if (tb[IFLA_MASTER])
		out->master = (int)nla_get_u32(tb[IFLA_MASTER]);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == MAC_LEN)
		memcpy(out->mac, nla_data(tb[IFLA_ADDRESS]), MAC_LEN);
	memcpy(out->permanent_mac, out->mac, MAC_LEN);
	if (tb[IFLA_PERM_ADDRESS] && nla_len(tb[IFLA_PERM_ADDRESS]) == MAC_LEN)
		memcpy(out->permanent_mac, nla_data(tb[IFLA_PERM_ADDRESS]), MAC_LEN);
	if (tb[IFLA_PARENT_DEV_NAME])
		nla_strlcpy(out->parent, tb[IFLA_PARENT_DEV_NAME], sizeof(out->parent));
	if (tb[IFLA_LINKINFO])
		parse_info(tb[IFLA_LINKINFO], out);
	/* Of others it may be a number of another namespace. */
	if (!strcmp(out->kind, "vlan") && tb[IFLA_LINK])
		out->lower = (int)nla_get_u32(tb[IFLA_LINK]);
	for (int i = 0; i < VS_LINK_SYSCTL_NR; i++)
		out->sysctls[i] = -1;
	if (tb[IFLA_AF_SPEC]) {
		parse_ipv4(tb[IFLA_AF_SPEC], out);
		parse_ipv6(tb[IFLA_AF_SPEC], out);
	}
	return 0;
}

static int one_link(struct nlmsghdr *nlh, void *arg)
{
	return rtnl_link_parse(nlh, arg);
}

int rtnl_link_read(struct vs_rtnl *r, const char *name, struct vs_link *out)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_GETLINK, 0, &ifi, sizeof(ifi));

	if (!msg)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_IFNAME, name);
	NLA_PUT_U32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return rtnl_ask(r, msg, one_link, out);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

int rtnl_link_read_number(struct vs_rtnl *r, int ifindex, struct vs_link *out)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	struct nl_msg *msg = rtnl_msg(RTM_GETLINK, 0, &ifi, sizeof(ifi));

	if (msg && nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	return rtnl_ask(r, msg, one_link, out);
}

static int add_link(struct nlmsghdr *nlh, void *arg)
{
	struct vs_observed *o = arg;
	struct vs_link *link = array_add(&o->links, &o->nr_links, sizeof(*link));

	if (!link)
		return -ENOMEM;
	/* An answer without a name is about something else than a link. */
	if (rtnl_link_parse(nlh, link))
		o->nr_links--;
	return 0;
}

static void read_driver(struct vs_rtnl *r, struct vs_link *link)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", link->name);
	if (ioctl(r->ioctl_fd, SIOCETHTOOL, &ifr) < 0)
		return;
	snprintf(link->driver, sizeof(link->driver), "%.31s", info.driver);
	snprintf(link->pci, sizeof(link->pci), "%.31s", info.bus_info);
}

int rtnl_links_read(struct vs_rtnl *r, bool with_drivers, struct vs_observed *o)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi));
	int rc;

	if (msg && nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	rc = rtnl_ask(r, msg, add_link, o);
	for (size_t i = 0; !rc && with_drivers && i < o->nr_links; i++)
		read_driver(r, &o->links[i]);
	return rc;
}

/* A request about the link of that name. */
static struct nl_msg *link_msg(int type, int flags, const char *name, unsigned int up,
			       unsigned int change)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_flags = up, .ifi_change = change };
	struct nl_msg *msg = rtnl_msg(type, flags, &ifi, sizeof(ifi));

	if (msg && nla_put_string(msg, IFLA_IFNAME, name) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int put_number(struct nl_msg *msg, int attr, int size, uint32_t value)
{
	if (size == 4)
		return nla_put_u32(msg, attr, value);
	return size == 2 ? nla_put_u16(msg, attr, (uint16_t)value)
			 : nla_put_u8(msg, attr, (uint8_t)value);
}

/* IFLA_LINKINFO of a bridge. @attr: 0: none of its settings. Return: 0, or negative when out of room. */
static int put_bridge_info(struct nl_msg *msg, int attr, int size, uint32_t value)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	struct nlattr *data;

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, "bridge") < 0)
		return -EMSGSIZE;
	if (attr) {
		data = nla_nest_start(msg, IFLA_INFO_DATA);
		if (!data || put_number(msg, attr, size, value) < 0)
			return -EMSGSIZE;
		nla_nest_end(msg, data);
	}
	nla_nest_end(msg, info);
	return 0;
}

/* Whether @link is the bridge that @op made, or began to make: killed in between, it has no alias
 * yet. */
static bool is_made_by(const struct vs_link *link, const struct vs_op *op)
{
	if (strcmp(link->kind, "bridge") != 0)
		return false;
	if (link->alias[0])
		return !strcmp(link->alias, op->text);
	return !memcmp(link->mac, op->mac, MAC_LEN);
}

static int bridge_add(struct vs_rtnl *r, const struct vs_op *op)
{
	/*
	 * Linux keeps a bridge's MTU against its ports' only after it was changed once, so it is
	 * born with another one.
	 */
	uint32_t other_mtu = op->value > 1280 ? op->value - 1 : op->value + 1;
	struct nl_msg *msg = link_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, op->link, 0, 0);
	struct vs_link link;
	int rc;

	if (!msg)
		return -ENOMEM;
	NLA_PUT(msg, IFLA_ADDRESS, MAC_LEN, op->mac);
	NLA_PUT_U32(msg, IFLA_MTU, other_mtu);
	if (put_bridge_info(msg, 0, 0, 0) < 0)
		goto nla_put_failure;
	rc = rtnl_change(r, msg);
	if (rc == -EEXIST && !rtnl_link_read(r, op->link, &link) && is_made_by(&link, op))
		rc = 0;
	if (rc)
		return rc;
	msg = link_msg(RTM_SETLINK, 0, op->link, 0, 0);
	if (!msg)
		return -ENOMEM;
	NLA_PUT(msg, IFLA_IFALIAS, (int)strlen(op->text), op->text);
	NLA_PUT_U32(msg, IFLA_MTU, op->value);
	return rtnl_change(r, msg);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

static int bridge_del(struct vs_rtnl *r, const struct vs_op *op)
{
	struct vs_link link;
	int rc = rtnl_link_read(r, op->link, &link);

	if (rc)
		return rc == -ENODEV ? 0 : rc;
	if (!is_made_by(&link, op)) {
		snprintf(r->why, sizeof(r->why), "%s is not the bridge that we made", op->link);
		return -EPERM;
	}
	rc = rtnl_change(r, link_msg(RTM_DELLINK, 0, op->link, 0, 0));
	return rc == -ENODEV ? 0 : rc;
}

static int set_isolated(struct vs_rtnl *r, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE };
	struct nlattr *port;
	struct nl_msg *msg;
	int ifindex = rtnl_ifindex(r, op->link);

	if (ifindex < 0)
		return ifindex;
	ifi.ifi_index = ifindex;
	msg = rtnl_msg(RTM_SETLINK, 0, &ifi, sizeof(ifi));
	if (!msg)
		return -ENOMEM;
	port = nla_nest_start(msg, IFLA_PROTINFO | NLA_F_NESTED);
	if (!port)
		goto nla_put_failure;
	NLA_PUT_U8(msg, IFLA_BRPORT_ISOLATED, (uint8_t)op->value);
	nla_nest_end(msg, port);
	return rtnl_change(r, msg);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

static int set_name(struct vs_rtnl *r, const struct vs_op *op)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	char alias[VS_TEXT_LEN];
	struct nl_msg *msg;
	int ifindex = rtnl_ifindex(r, op->link);

	/* Done before, perhaps. */
	if (ifindex == -ENODEV && rtnl_ifindex(r, op->text) > 0)
		return 0;
	if (ifindex < 0)
		return ifindex;
	ifi.ifi_index = ifindex;
	msg = rtnl_msg(RTM_SETLINK, 0, &ifi, sizeof(ifi));
	if (!msg)
		return -ENOMEM;
	snprintf(alias, sizeof(alias), VS_ALIAS_PREFIX "%.15s", op->text);
	NLA_PUT_STRING(msg, IFLA_IFNAME, op->text);
	if (op->value)
		NLA_PUT_STRING(msg, IFLA_IFALIAS, alias);
	return rtnl_change(r, msg);
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

/* The setters that are one message with one attribute. */
static int set_link(struct vs_rtnl *r, const struct vs_op *op)
{
	unsigned int up = op->kind == VS_OP_SET_UP ? IFF_UP : 0;
	bool is_bridge = op->kind == VS_OP_SET_STP || op->kind == VS_OP_SET_BRIDGE;
	struct nl_msg *msg;
	int master = 0;
	int rc = -EINVAL;

	if (op->kind == VS_OP_SET_MASTER && op->text[0]) {
		master = rtnl_ifindex(r, op->text);
		if (master < 0)
			return master;
	}
	/* Of these, only a bridge's own settings need RTM_NEWLINK. */
	msg = link_msg(is_bridge ? RTM_NEWLINK : RTM_SETLINK, 0, op->link, op->value ? up : 0, up);
	if (!msg)
		return -ENOMEM;
	switch (op->kind) {
	case VS_OP_SET_UP:
		rc = 0;
		break;
	case VS_OP_SET_MTU:
		rc = nla_put_u32(msg, IFLA_MTU, op->value);
		break;
	case VS_OP_SET_MAC:
		rc = nla_put(msg, IFLA_ADDRESS, MAC_LEN, op->mac);
		break;
	case VS_OP_SET_MASTER:
		rc = nla_put_u32(msg, IFLA_MASTER, (uint32_t)master);
		break;
	case VS_OP_SET_STP:
		rc = put_bridge_info(msg, IFLA_BR_STP_STATE, 4, op->value != 0);
		break;
	case VS_OP_SET_BRIDGE:
		if (op->index < VS_BRIDGE_NR)
			rc = put_bridge_info(msg, bridge_attrs[op->index].attr,
					     bridge_attrs[op->index].size, op->value);
		break;
	default:
		break;
	}
	if (rc < 0) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	return rtnl_change(r, msg);
}

int rtnl_link_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	switch (op->kind) {
	case VS_OP_BRIDGE_ADD:
		return bridge_add(r, op);
	case VS_OP_LINK_DEL:
		return bridge_del(r, op);
	case VS_OP_SET_ISOLATED:
		return set_isolated(r, op);
	case VS_OP_SET_NAME:
		return set_name(r, op);
	default:
		return set_link(r, op);
	}
}
