/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses over rtnetlink, with all that is needed to put them elsewhere unchanged. */
#include "vswitch/rtnl_priv.h"
#include "vswitch/sysctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "vswitch/array.h"

/* Flags that userspace gives; the others are the kernel's own notes. */
#define ADDR_FLAGS                                                                                 \
	(IFA_F_NODAD | IFA_F_OPTIMISTIC | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |               \
	 IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

static size_t addr_size(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static bool take_bytes(uint8_t to[16], const struct nlattr *attr, size_t size)
{
	if (!attr || (size_t)nla_len(attr) != size)
		return false;
	memcpy(to, nla_data(attr), size);
	return true;
}

/* IFA_LOCAL and IFA_ADDRESS: of IPv4 the second is the peer; of IPv6 the first is there only with
 * one. */
static bool parse_local(struct nlattr **tb, struct vs_addr *a)
{
	size_t size = addr_size(a->family);
	bool has_address = take_bytes(a->peer, tb[IFA_ADDRESS], size);
	bool has_local = take_bytes(a->local, tb[IFA_LOCAL], size);

	if (!has_address && !has_local)
		return false;
	if (!has_local)
		memcpy(a->local, a->peer, size);
	if (!has_address)
		memcpy(a->peer, a->local, size);
	return true;
}

static bool parse_addr(struct nlmsghdr *nlh, struct vs_link_addr *out)
{
	struct nlattr *tb[IFA_MAX + 1];
	const struct ifaddrmsg *ifa = nlmsg_data(nlh);
	const struct ifa_cacheinfo *times;
	struct vs_addr *a = &out->addr;

	if (nlmsg_parse(nlh, sizeof(*ifa), tb, IFA_MAX, NULL) < 0 ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return false;
	*out = (struct vs_link_addr){ .ifindex = (int)ifa->ifa_index };
	a->family = ifa->ifa_family;
	a->prefix_len = ifa->ifa_prefixlen;
	a->scope = ifa->ifa_scope;
	a->valid_s = a->preferred_s = UINT32_MAX;
	a->flags = (tb[IFA_FLAGS] ? nla_get_u32(tb[IFA_FLAGS]) : ifa->ifa_flags) & ADDR_FLAGS;
	if (!parse_local(tb, a))
		return false;
	if (tb[IFA_BROADCAST] && nla_len(tb[IFA_BROADCAST]) == sizeof(a->broadcast))
		memcpy(a->broadcast, nla_data(tb[IFA_BROADCAST]), sizeof(a->broadcast));
	if (tb[IFA_CACHEINFO] && nla_len(tb[IFA_CACHEINFO]) >= (int)sizeof(*times)) {
		times = nla_data(tb[IFA_CACHEINFO]);
		a->valid_s = times->ifa_valid;
		a->preferred_s = times->ifa_prefered;
	}
	if (tb[IFA_RT_PRIORITY])
		a->metric = nla_get_u32(tb[IFA_RT_PRIORITY]);
	if (tb[IFA_LABEL])
		nla_strlcpy(a->label, tb[IFA_LABEL], sizeof(a->label));
	return true;
}

static int add_addr(struct nlmsghdr *nlh, void *arg)
{
	struct vs_observed *o = arg;
	struct vs_link_addr *addr = array_add(&o->addrs, &o->nr_addrs, sizeof(*addr));

	if (!addr)
		return -ENOMEM;
	if (!parse_addr(nlh, addr))
		o->nr_addrs--;
	return 0;
}

int rtnl_addrs_read(struct vs_rtnl *r, int ifindex, struct vs_observed *o)
{
	struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC, .ifa_index = (unsigned int)ifindex };

	return rtnl_ask(r, rtnl_msg(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa)), add_addr, o);
}

static int put_times(struct nl_msg *msg, const struct vs_addr *a)
{
	struct ifa_cacheinfo times = { .ifa_valid = a->valid_s, .ifa_prefered = a->preferred_s };

	if (a->valid_s == UINT32_MAX && a->preferred_s == UINT32_MAX)
		return 0;
	return nla_put(msg, IFA_CACHEINFO, sizeof(times), &times);
}

static struct nl_msg *addr_msg(int type, int nl_flags, int ifindex, const struct vs_addr *a,
			       const char *label, uint32_t more_flags)
{
	static const uint8_t no_broadcast[4];
	struct ifaddrmsg ifa = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->prefix_len,
		.ifa_scope = a->scope,
		.ifa_index = (unsigned int)ifindex,
	};
	int size = (int)addr_size(a->family);
	bool has_peer = memcmp(a->local, a->peer, (size_t)size) != 0;
	struct nl_msg *msg = rtnl_msg(type, nl_flags, &ifa, sizeof(ifa));

	if (!msg)
		return NULL;
	NLA_PUT(msg, IFA_LOCAL, size, a->local);
	if (a->family == AF_INET || has_peer)
		NLA_PUT(msg, IFA_ADDRESS, size, a->peer);
	if (type == RTM_DELADDR)
		return msg;
	NLA_PUT_U32(msg, IFA_FLAGS, a->flags | more_flags);
	if (memcmp(a->broadcast, no_broadcast, sizeof(no_broadcast)) != 0)
		NLA_PUT(msg, IFA_BROADCAST, sizeof(a->broadcast), a->broadcast);
	if (a->metric)
		NLA_PUT_U32(msg, IFA_RT_PRIORITY, a->metric);
	if (a->family == AF_INET && label[0])
		NLA_PUT_STRING(msg, IFA_LABEL, label);
	if (put_times(msg, a) < 0)
		goto nla_put_failure;
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

/* IPv4 labels are the link's name, or that and ":something": with the address, the name moves too.
 */
static void label_for(const struct vs_op *op, char label[IFNAMSIZ])
{
	const char *colon = strchr(op->addr.label, ':');
	size_t room;

	snprintf(label, IFNAMSIZ, "%s", op->link);
	room = IFNAMSIZ - strlen(label);
	if (colon && strlen(colon) < room)
		memcpy(label + strlen(label), colon, strlen(colon) + 1);
}

/* One address goes, not all that the kernel holds for its secondaries. */
static int addr_del(struct vs_rtnl *r, const struct vs_op *op, int ifindex)
{
	bool is_kept = op->addr.family == AF_INET &&
		       vs_sysctl_set_ipv4(op->link, "promote_secondaries", 1) > 0;
	int rc = rtnl_change(r, addr_msg(RTM_DELADDR, 0, ifindex, &op->addr, "", 0));

	if (is_kept)
		vs_sysctl_set_ipv4(op->link, "promote_secondaries", 0);
	return rc == -EADDRNOTAVAIL ? 0 : rc;
}

int rtnl_addr_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	/*
	 * An address that only changes links on the same segment needs no duplicate detection,
	 * which would silence IPv6 for a second; the note of that is taken back at once.
	 */
	uint32_t no_dad = op->addr.family == AF_INET6 && op->value ? IFA_F_NODAD : 0;
	char label[IFNAMSIZ];
	int ifindex = rtnl_ifindex(r, op->link);
	int rc;

	if (ifindex < 0)
		return ifindex;
	if (op->kind == VS_OP_ADDR_DEL)
		return addr_del(r, op, ifindex);
	label_for(op, label);
	rc = rtnl_change(r, addr_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, &op->addr,
				     label, no_dad));
	if (rc)
		return rc == -EEXIST ? 0 : rc;
	if (no_dad & ~op->addr.flags)
		rc = rtnl_change(
			r, addr_msg(RTM_NEWADDR, NLM_F_REPLACE, ifindex, &op->addr, label, 0));
	return rc;
}
