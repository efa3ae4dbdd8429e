/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel is able to do, asked for without making anything: a request for a link whose address cannot be
 * is refused for the address where the kind is known, and for the kind where not.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "vswitch/plan_priv.h"
#include "vswitch/rtnl_priv.h"

/* Loads the module of that kind of link, where there is one. */
static int probe_kind(struct vs_rtnl *r, const char *kind, bool *is_known)
{
	static const uint8_t multicast[MAC_LEN] = { 0x01 };
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	uint64_t before = r->sys.nr_changes;
	struct nlattr *info;
	int rc;

	if (!msg)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_IFNAME, "vifrost-probe");
	NLA_PUT(msg, IFLA_ADDRESS, MAC_LEN, multicast);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info)
		goto nla_put_failure;
	NLA_PUT_STRING(msg, IFLA_INFO_KIND, kind);
	nla_nest_end(msg, info);
	rc = rtnl_change(r, msg);
	r->sys.nr_changes = before;
	*is_known = rc != -EOPNOTSUPP;
	return 0;
nla_put_failure:
	nlmsg_free(msg);
	return -EMSGSIZE;
}

static int ignore(struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	(void)arg;
	return 0;
}

static int probe_vlan_filtering(struct vs_rtnl *r, bool *is_known)
{
	struct br_vlan_msg bvm = { .family = AF_BRIDGE };
	int rc = probe_kind(r, "bridge", is_known);

	if (rc || !*is_known)
		return rc;
	rc = rtnl_ask(r, rtnl_msg(RTM_GETVLAN, NLM_F_DUMP, &bvm, sizeof(bvm)), ignore, NULL);
	*is_known = rc != -EOPNOTSUPP;
	return rc == -EOPNOTSUPP ? 0 : rc;
}

static bool renames_live(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 2));
}

int rtnl_probe(struct vs_rtnl *r, unsigned int lacks, unsigned int *out)
{
	static const struct {
		enum vs_lack lack;
		const char *kind;
	} kinds[] = { { VS_LACKS_8021Q, "vlan" }, { VS_LACKS_BONDING, "bond" } };
	bool is_known = true;
	int rc = 0;

	*out = 0;
	for (size_t i = 0; !rc && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!(lacks & kinds[i].lack))
			continue;
		rc = probe_kind(r, kinds[i].kind, &is_known);
		*out |= is_known ? 0 : kinds[i].lack;
	}
	if (!rc && lacks & VS_LACKS_VLAN_FILTERING) {
		rc = probe_vlan_filtering(r, &is_known);
		*out |= is_known ? 0 : VS_LACKS_VLAN_FILTERING;
	}
	if (lacks & VS_LACKS_LIVE_RENAME && !renames_live())
		*out |= VS_LACKS_LIVE_RENAME;
	if (lacks & VS_LACKS_BRIDGE_CONNTRACK && !vs_rules_can_track_bridges())
		*out |= VS_LACKS_BRIDGE_CONNTRACK;
	return rc;
}
