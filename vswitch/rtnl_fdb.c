/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of bridges' forwarding tables that are static and sticky, over rtnetlink. A static one alone would
 * still move to the port where its address is seen; sticky is since Linux 4.19.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "vswitch/array.h"
#include "vswitch/docs.h"
#include "vswitch/rtnl_priv.h"
#include "vswitch/vlans.h"

/* Of one port: more than a few are somebody's joke. */
#define MACS_MAX 64

/* What one port has. */
struct entries {
	int ifindex;
	uint8_t macs[MACS_MAX][MAC_LEN];
	size_t nr;
	struct vlan_set vlans;
};

struct reader {
	int ifindex; /* whose; 0: everyone's */
	struct entries *v;
	size_t nr;
};

static struct entries *entries_of(struct reader *r, int ifindex)
{
	struct entries *e = NULL;

	/* A port's come one after the other. */
	for (size_t i = r->nr; !e && i-- > 0;)
		if (r->v[i].ifindex == ifindex)
			e = &r->v[i];
		else if (r->nr - i > 1)
			break;
	if (!e)
		e = array_add(&r->v, &r->nr, sizeof(*r->v));
	if (e)
		e->ifindex = ifindex;
	return e;
}

static int take_entry(struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = nlmsg_data(nlh);
	struct nlattr *tb[NDA_MAX + 1];
	struct reader *r = arg;
	struct entries *e;
	size_t i = 0;

	/* Most are others'. */
	if (nlmsg_datalen(nlh) < (int)sizeof(*ndm) || ndm->ndm_family != AF_BRIDGE ||
	    !(ndm->ndm_flags & NTF_STICKY) || !(ndm->ndm_state & NUD_NOARP))
		return 0;
	if (nlmsg_parse(nlh, sizeof(*ndm), tb, NDA_MAX, NULL) < 0 || !tb[NDA_MASTER] ||
	    !tb[NDA_LLADDR] || nla_len(tb[NDA_LLADDR]) != MAC_LEN ||
	    (r->ifindex && ndm->ndm_ifindex != r->ifindex))
		return 0;
	e = entries_of(r, ndm->ndm_ifindex);
	if (!e)
		return -ENOMEM;
	if (tb[NDA_VLAN])
		vlan_set_add(&e->vlans, nla_get_u16(tb[NDA_VLAN]), nla_get_u16(tb[NDA_VLAN]),
			     false);
	while (i < e->nr && memcmp(e->macs[i], nla_data(tb[NDA_LLADDR]), MAC_LEN) != 0)
		i++;
	if (i == e->nr && e->nr < MACS_MAX)
		memcpy(e->macs[e->nr++], nla_data(tb[NDA_LLADDR]), MAC_LEN);
	return 0;
}

/* @ifindex: a port's; 0 for all. r->v: freed by the caller. */
static int read_entries(struct vs_rtnl *rtnl, int ifindex, struct reader *r)
{
	/* As "bridge fdb show" asks: the long header, so that one port's can be asked for. */
	struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE, .ifi_index = ifindex };

	*r = (struct reader){ .ifindex = ifindex };
	return rtnl_ask(rtnl, rtnl_msg(RTM_GETNEIGH, NLM_F_DUMP, &ifi, sizeof(ifi)), take_entry, r);
}

static int compare_macs(const void *a, const void *b)
{
	return memcmp(a, b, MAC_LEN);
}

/* @is_filtering: else VLANs have no say, whatever ids the kernel has noted. NULL: out of memory. */
static json_t *entries_json(struct entries *e, bool is_filtering)
{
	json_t *doc = is_filtering ? vlan_set_json(&e->vlans) : json_object();
	json_t *macs = json_array();
	char text[MAC_TEXT_LEN];

	qsort(e->macs, e->nr, MAC_LEN, compare_macs);
	for (size_t i = 0; i < e->nr; i++) {
		format_mac(e->macs[i], text);
		json_array_append_new(macs, json_string(text));
	}
	if (!doc || json_array_size(macs) != e->nr || json_object_set(doc, "macs", macs) < 0) {
		json_decref(doc);
		doc = NULL;
	}
	json_decref(macs);
	return doc;
}

static int add_doc(struct vs_observed *o, struct entries *e)
{
	const struct vs_link *link = vs_observed_index(o, e->ifindex);
	const struct vs_link *bridge = link ? vs_observed_index(o, link->master) : NULL;
	json_t *doc;
	int rc;

	/* It has gone meanwhile. */
	if (!bridge)
		return 0;
	doc = entries_json(e, bridge->bridge[VS_BRIDGE_VLAN_FILTERING] != 0);
	rc = doc ? vs_observed_set_doc(o, VS_DOC_FDB, link->name, doc) : -ENOMEM;
	json_decref(doc);
	return rc;
}

static int fail(int rc, char *why)
{
	if (rc && rc != -EINTR)
		snprintf(why, VS_TEXT_LEN, "cannot read the forwarding tables of bridges: %s",
			 strerror(-rc));
	return rc;
}

static int fdb_observe(void *ctx, struct vs_observed *o, char *why)
{
	struct reader r;
	int rc = read_entries(ctx, 0, &r);

	/* Two links are looked for, and a document, for each. */
	if (!rc && r.nr)
		rc = vs_observed_make_index(o);
	for (size_t i = 0; !rc && i < r.nr; i++)
		rc = add_doc(o, &r.v[i]);
	free(r.v);
	return fail(rc, why);
}

/* The link and its bridge. Return: as vlans'; o->nr_links 1: it is nobody's port. */
static int read_links(struct vs_rtnl *r, const char *name, struct vs_observed *o)
{
	struct vs_link *link = array_add(&o->links, &o->nr_links, sizeof(*link));
	int rc = link ? rtnl_link_read(r, name, link) : -ENOMEM, master = rc ? 0 : link->master;

	if (!master)
		return rc;
	link = array_add(&o->links, &o->nr_links, sizeof(*link));
	return link ? rtnl_link_read_number(r, master, link) : -ENOMEM;
}

static int fdb_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct vs_observed o = { 0 };
	struct reader r = { 0 };
	int rc = read_links(ctx, name, &o);

	if (!rc && o.nr_links == 2)
		rc = read_entries(ctx, o.links[0].ifindex, &r);
	if (!rc && r.nr)
		rc = add_doc(&o, &r.v[0]);
	if (!rc)
		*doc = json_incref(vs_observed_doc(&o, VS_DOC_FDB, name));
	free(r.v);
	vs_observed_fini(&o);
	return rc == -ENODEV ? 0 : fail(rc, why);
}

/* Without a VLAN: of all that the port has. */
static int change_entry(struct vs_rtnl *r, int ifindex, const uint8_t mac[MAC_LEN], bool is_there)
{
	struct ndmsg ndm = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_MASTER | (is_there ? NTF_STICKY : 0),
	};
	struct nl_msg *msg = rtnl_msg(is_there ? RTM_NEWNEIGH : RTM_DELNEIGH,
				      is_there ? NLM_F_CREATE | NLM_F_REPLACE : 0, &ndm,
				      sizeof(ndm));
	int rc;

	if (msg && nla_put(msg, NDA_LLADDR, MAC_LEN, mac) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	rc = rtnl_change(r, msg);
	return !is_there && rc == -ENOENT ? 0 : rc;
}

/* One message each. What else the port has a plan takes away first. */
static int add_entries(struct vs_rtnl *rtnl, int ifindex, const json_t *doc)
{
	const json_t *one;
	uint8_t mac[MAC_LEN];
	int rc = 0;
	size_t i;

	json_array_foreach (json_object_get(doc, "macs"), i, one) {
		if (!rc && parse_mac(json_string_value(one), mac))
			rc = -EINVAL;
		if (!rc)
			rc = change_entry(rtnl, ifindex, mac, true);
	}
	return rc;
}

static int remove_entries(struct vs_rtnl *rtnl, int ifindex, const struct entries *have)
{
	int rc = 0;

	for (size_t i = 0; !rc && have && i < have->nr; i++)
		rc = change_entry(rtnl, ifindex, have->macs[i], false);
	return rc;
}

static const struct entries *find_entries(const struct reader *r, int ifindex)
{
	for (size_t i = 0; i < r->nr; i++)
		if (r->v[i].ifindex == ifindex)
			return &r->v[i];
	return NULL;
}

/* @have: of all ports; NULL: it is to be asked for, where there is need. */
static int set_port(struct vs_rtnl *rtnl, const char *name, const struct reader *have,
		    const json_t *doc, char *why)
{
	struct reader own = { 0 };
	int ifindex = rtnl_ifindex(rtnl, name), rc = ifindex < 0 ? ifindex : 0;

	rtnl->why[0] = '\0';
	if (!rc && !have && !doc)
		rc = read_entries(rtnl, ifindex, &own);
	if (!rc && doc)
		rc = add_entries(rtnl, ifindex, doc);
	else if (!rc)
		rc = remove_entries(rtnl, ifindex, find_entries(have ? have : &own, ifindex));
	free(own.v);
	/* Gone, with all it had. */
	if (!doc && rc == -ENODEV)
		rc = 0;
	if (rc)
		snprintf(why, VS_TEXT_LEN, "%s", rtnl->why);
	return rc;
}

static int fdb_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	return set_port(ctx, name, NULL, doc, why);
}

/* For one port's entries the kernel looks at all links: of many ports they are asked for once. */
static int fdb_apply_many(void *ctx, const struct vs_op *const *ops, size_t nr, char *why)
{
	struct reader have = { 0 };
	bool is_asked = false;
	int rc = 0;

	for (size_t i = 0; i < nr; i++)
		is_asked |= !ops[i]->doc;
	if (is_asked)
		rc = fail(read_entries(ctx, 0, &have), why);
	for (size_t i = 0; !rc && i < nr; i++)
		rc = set_port(ctx, ops[i]->text, &have, ops[i]->doc, why);
	free(have.v);
	return rc;
}

static int fdb_open(const char *rundir, void **ctx, char *why)
{
	struct vs_system *sys;
	int rc = vs_rtnl_open(rundir, &sys);

	*ctx = sys;
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot open rtnetlink: %s", strerror(-rc));
	return rc;
}

static void fdb_close(void *ctx)
{
	struct vs_system *sys = ctx;

	sys->ops->close(sys);
}

const struct vs_doc_ops vs_fdb_doc_ops = {
	.open = fdb_open,
	.observe = fdb_observe,
	.get = fdb_get,
	.apply = fdb_apply,
	.apply_many = fdb_apply_many,
	.close = fdb_close,
};
