/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who was reached at a MAC behind a host's end is not there any more. On a guest's own link the kernel would know,
 * because that goes with it.
 */
#include <errno.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "vswitch/fast/fast_priv.h"
#include "vswitch/rtnl_priv.h"

#define FORGET_MAX 64 /* addresses of one vif */

struct found {
	int ifindex;
	const uint8_t *mac;
	struct nl_msg *gone[FORGET_MAX];
	unsigned int nr;
};

static int note(struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *n = nlmsg_data(nlh);
	struct nlattr *tb[NDA_MAX + 1];
	struct found *f = arg;
	struct ndmsg gone = { .ndm_ifindex = f->ifindex };
	struct nl_msg *msg;

	if (nlmsg_parse(nlh, sizeof(*n), tb, NDA_MAX, NULL) < 0 || n->ndm_ifindex != f->ifindex ||
	    n->ndm_state & NUD_PERMANENT || !tb[NDA_DST] || !tb[NDA_LLADDR] ||
	    nla_len(tb[NDA_LLADDR]) != MAC_LEN ||
	    memcmp(nla_data(tb[NDA_LLADDR]), f->mac, MAC_LEN) != 0 || f->nr == FORGET_MAX)
		return 0;
	gone.ndm_family = n->ndm_family;
	msg = rtnl_msg(RTM_DELNEIGH, 0, &gone, sizeof(gone));
	if (!msg)
		return -ENOMEM;
	f->gone[f->nr++] = msg;
	return nla_put(msg, NDA_DST, nla_len(tb[NDA_DST]), nla_data(tb[NDA_DST])) < 0 ? -ENOMEM : 0;
}

static int forget(struct vs_rtnl *r, const char *name, const uint8_t *mac)
{
	struct found f = { .ifindex = rtnl_ifindex(r, name), .mac = mac };
	struct ndmsg all = { .ndm_family = AF_UNSPEC };
	int rc;

	if (f.ifindex < 0)
		return f.ifindex;
	rc = rtnl_ask(r, rtnl_msg(RTM_GETNEIGH, NLM_F_DUMP, &all, sizeof(all)), note, &f);
	for (unsigned int i = 0; i < f.nr; i++) {
		int failed = rtnl_change(r, f.gone[i]);

		if (failed && failed != -ENOENT)
			rc = failed;
	}
	return rc;
}

int fast_host_forget(const char *name, const uint8_t *mac)
{
	struct vs_system *sys;
	int rc = vs_rtnl_open(NULL, &sys);

	if (rc)
		return rc;
	rc = forget((struct vs_rtnl *)sys, name, mac);
	sys->ops->close(sys);
	return rc;
}
