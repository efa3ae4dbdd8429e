/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VLANs of bridges and their ports over rtnetlink: RTM_GETVLAN to read, bridge port requests to set. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "vswitch/array.h"
#include "vswitch/docs.h"
#include "vswitch/rtnl_priv.h"
#include "vswitch/vlans.h"

/* A request has room for a page's worth of ranges. */
#define RANGES_PER_MSG 256

/* What one link has, while a dump is read. */
struct reader {
	struct vs_observed *o; /* with links in it */
	int ifindex;	       /* whose; 0: nobody's yet */
	struct vlan_set set;
	int rc;
};

static bool is_default(const struct vlan_set *s, uint16_t default_pvid)
{
	struct vlan_set d = { .pvid = default_pvid };

	if (default_pvid)
		vlan_set_add(&d, default_pvid, default_pvid, true);
	return !memcmp(s, &d, sizeof(d));
}

/* The bridge that has the link, or is it. */
static const struct vs_link *bridge_of(const struct vs_observed *o, const struct vs_link *link)
{
	return strcmp(link->kind, "bridge") ? vs_observed_index(o, link->master) : link;
}

static int finish_one(struct reader *r)
{
	const struct vs_link *link = vs_observed_index(r->o, r->ifindex);
	const struct vs_link *bridge = link ? bridge_of(r->o, link) : NULL;
	json_t *doc;
	int rc = 0;

	if (bridge && !is_default(&r->set, (uint16_t)bridge->bridge[VS_BRIDGE_DEFAULT_PVID])) {
		doc = vlan_set_json(&r->set);
		rc = doc ? vs_observed_set_doc(r->o, VS_DOC_VLANS, link->name, doc) : -ENOMEM;
		json_decref(doc);
	}
	r->set = (struct vlan_set){ 0 };
	return rc;
}

static void take_entry(struct nlattr *entry, struct vlan_set *set)
{
	struct nlattr *tb[BRIDGE_VLANDB_ENTRY_MAX + 1];
	struct bridge_vlan_info info;
	uint16_t last;

	if (nla_type(entry) != BRIDGE_VLANDB_ENTRY ||
	    nla_parse_nested(tb, BRIDGE_VLANDB_ENTRY_MAX, entry, NULL) < 0 ||
	    !tb[BRIDGE_VLANDB_ENTRY_INFO] ||
	    nla_len(tb[BRIDGE_VLANDB_ENTRY_INFO]) < (int)sizeof(info))
		return;
	memcpy(&info, nla_data(tb[BRIDGE_VLANDB_ENTRY_INFO]), sizeof(info));
	last = tb[BRIDGE_VLANDB_ENTRY_RANGE] ? nla_get_u16(tb[BRIDGE_VLANDB_ENTRY_RANGE])
					     : info.vid;
	vlan_set_add(set, info.vid, last, info.flags & BRIDGE_VLAN_INFO_UNTAGGED);
	if (info.flags & BRIDGE_VLAN_INFO_PVID)
		set->pvid = info.vid;
}

/* A link's entries may be spread over several messages, one after the other. */
static int take_vlans(struct nlmsghdr *nlh, void *arg)
{
	const struct br_vlan_msg *bvm = nlmsg_data(nlh);
	struct reader *r = arg;
	struct nlattr *attr;
	int left, rc = 0;

	if (nlmsg_datalen(nlh) < (int)sizeof(*bvm))
		return 0;
	if ((int)bvm->ifindex != r->ifindex) {
		rc = r->ifindex ? finish_one(r) : 0;
		r->ifindex = (int)bvm->ifindex;
	}
	nlmsg_for_each_attr(attr, nlh, sizeof(*bvm), left) take_entry(attr, &r->set);
	return rc;
}

/* @ifindex: 0 for all. The links are in @o. */
static int read_vlans(struct vs_rtnl *r, int ifindex, struct vs_observed *o)
{
	struct br_vlan_msg bvm = { .family = AF_BRIDGE, .ifindex = (uint32_t)ifindex };
	struct reader reader = { .o = o };
	int rc = rtnl_ask(r, rtnl_msg(RTM_GETVLAN, NLM_F_DUMP, &bvm, sizeof(bvm)), take_vlans,
			  &reader);

	/* A kernel without, or a link that is no port: nothing. */
	if (rc == -EOPNOTSUPP || rc == -EINVAL)
		return 0;
	return !rc && reader.ifindex ? finish_one(&reader) : rc;
}

static int vlans_open(const char *rundir, void **ctx, char *why)
{
	struct vs_system *sys;
	int rc = vs_rtnl_open(rundir, &sys);

	*ctx = sys;
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot open rtnetlink: %s", strerror(-rc));
	return rc;
}

static void vlans_close(void *ctx)
{
	struct vs_system *sys = ctx;

	sys->ops->close(sys);
}

static int fail(int rc, char *why)
{
	if (rc && rc != -EINTR)
		snprintf(why, VS_TEXT_LEN, "cannot read the VLANs of bridges: %s", strerror(-rc));
	return rc;
}

static int vlans_observe(void *ctx, struct vs_observed *o, char *why)
{
	return fail(read_vlans(ctx, 0, o), why);
}

/* The link and its bridge. */
static int read_links(struct vs_rtnl *r, const char *name, struct vs_observed *o)
{
	struct vs_link *link = array_add(&o->links, &o->nr_links, sizeof(*link));
	int master, rc = link ? rtnl_link_read(r, name, link) : -ENOMEM;

	master = rc ? 0 : link->master;
	if (master) {
		link = array_add(&o->links, &o->nr_links, sizeof(*link));
		rc = link ? rtnl_link_read_number(r, master, link) : -ENOMEM;
	}
	return rc;
}

static int vlans_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct vs_observed o = { 0 };
	int rc = read_links(ctx, name, &o);

	if (!rc)
		rc = read_vlans(ctx, o.links[0].ifindex, &o);
	if (!rc)
		*doc = json_incref(vs_observed_doc(&o, VS_DOC_VLANS, name));
	vs_observed_fini(&o);
	return rc == -ENODEV ? 0 : fail(rc, why);
}

static int put_range(struct nl_msg *msg, uint16_t first, uint16_t last, uint16_t flags)
{
	struct bridge_vlan_info info = { .flags = flags, .vid = first };
	int rc;

	if (first == last)
		return nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
	info.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
	rc = nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
	info.flags = (uint16_t)(flags | BRIDGE_VLAN_INFO_RANGE_END);
	info.vid = last;
	return rc ? rc : nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
}

/* Which of two sets' differences a request is about. */
enum part { PART_GONE, PART_TAGGED, PART_UNTAGGED, PART_PVID };

static bool is_part(enum part part, const struct vlan_set *now, const struct vlan_set *want,
		    uint16_t id)
{
	const uint8_t bit = (uint8_t)(1u << id % 8);
	bool had_tagged = now->tagged[id / 8] & bit, had_untagged = now->untagged[id / 8] & bit;
	bool tagged = want->tagged[id / 8] & bit, untagged = want->untagged[id / 8] & bit;

	switch (part) {
	case PART_GONE:
		return (had_tagged || had_untagged) && !tagged && !untagged;
	case PART_TAGGED:
		/* Said without the flag, it is no PVID any more. */
		return tagged && id != want->pvid && (!had_tagged || id == now->pvid);
	case PART_UNTAGGED:
		return untagged && id != want->pvid && (!had_untagged || id == now->pvid);
	default:
		return id == want->pvid && (id != now->pvid || had_untagged != untagged);
	}
}

/* One request with up to RANGES_PER_MSG ranges from *@id on; *@id is where to go on. */
static struct nl_msg *part_msg(int ifindex, bool is_self, enum part part,
			       const struct vlan_set *now, const struct vlan_set *want,
			       uint16_t *id)
{
	struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE, .ifi_index = ifindex };
	struct nl_msg *msg = rtnl_msg(part == PART_GONE ? RTM_DELLINK : RTM_SETLINK, 0, &ifi,
				      sizeof(ifi));
	bool untagged = part == PART_UNTAGGED ||
			(part == PART_PVID && want->untagged[want->pvid / 8] >> want->pvid % 8 & 1);
	uint16_t flags = (uint16_t)((untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0) |
				    (part == PART_PVID ? BRIDGE_VLAN_INFO_PVID : 0));
	struct nlattr *spec = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;
	uint16_t first;

	if (!spec)
		goto fail;
	if (is_self && nla_put_u16(msg, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF) < 0)
		goto fail;
	for (int n = 0; n < RANGES_PER_MSG && *id <= VLAN_MAX;) {
		first = *id;
		while (*id <= VLAN_MAX && is_part(part, now, want, *id))
			(*id)++;
		if (*id == first)
			(*id)++;
		else if (put_range(msg, first, (uint16_t)(*id - 1), flags) < 0)
			goto fail;
		else
			n++;
	}
	nla_nest_end(msg, spec);
	return msg;
fail:
	nlmsg_free(msg);
	return NULL;
}

static bool has_part(enum part part, const struct vlan_set *now, const struct vlan_set *want,
		     uint16_t id)
{
	while (id <= VLAN_MAX && !is_part(part, now, want, id))
		id++;
	return id <= VLAN_MAX;
}

static int change_set(struct vs_rtnl *r, const struct vs_link *link, const struct vlan_set *now,
		      const struct vlan_set *want)
{
	/* What comes before what goes. */
	static const enum part order[] = { PART_TAGGED, PART_UNTAGGED, PART_PVID, PART_GONE };
	bool is_self = !strcmp(link->kind, "bridge");
	uint16_t id;
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(order) / sizeof(order[0]); i++)
		for (id = 1; !rc && has_part(order[i], now, want, id);)
			rc = rtnl_change(
				r, part_msg(link->ifindex, is_self, order[i], now, want, &id));
	return rc;
}

static int set_vlans(struct vs_rtnl *r, const char *name, const struct vlan_set *doc)
{
	struct vs_observed o = { 0 };
	struct vlan_set now = { 0 }, want = { 0 };
	const struct vs_link *bridge;
	const json_t *old;
	uint16_t pvid;
	int rc = read_links(r, name, &o);

	if (!rc)
		rc = read_vlans(r, o.links[0].ifindex, &o);
	bridge = rc ? NULL : bridge_of(&o, &o.links[0]);
	if (!bridge) {
		if (!rc && doc)
			rc = -EINVAL;
		goto out;
	}
	pvid = (uint16_t)bridge->bridge[VS_BRIDGE_DEFAULT_PVID];
	old = vs_observed_doc(&o, VS_DOC_VLANS, name);
	if (old)
		rc = vlan_set_from_json(old, &now);
	else
		now.pvid = pvid;
	if (!old && pvid)
		vlan_set_add(&now, pvid, pvid, true);
	if (doc) {
		want = *doc;
	} else if (pvid) {
		want.pvid = pvid;
		vlan_set_add(&want, pvid, pvid, true);
	}
	if (!rc)
		rc = change_set(r, &o.links[0], &now, &want);
out:
	vs_observed_fini(&o);
	return rc;
}

static int vlans_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct vs_rtnl *r = ctx;
	struct vlan_set want;
	int rc = doc ? vlan_set_from_json(doc, &want) : 0;

	r->why[0] = '\0';
	if (!rc)
		rc = set_vlans(r, name, doc ? &want : NULL);
	/* Gone, with all it had. */
	if (!doc && rc == -ENODEV)
		rc = 0;
	if (rc)
		snprintf(why, VS_TEXT_LEN, "%s", r->why);
	return rc;
}

const struct vs_doc_ops vs_vlans_doc_ops = {
	.open = vlans_open,
	.observe = vlans_observe,
	.get = vlans_get,
	.apply = vlans_apply,
	.close = vlans_close,
};
