/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VS_DOC_XDP: one program, loaded once, on many links. What is on a link is known again by the program's tag. */
#include "vswitch/xdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "vswitch/docs.h"
#include "vswitch/rtnl_priv.h"

struct xdp {
	struct vs_system *sys;
	int fd;			   /* the program's; -1: not loaded yet */
	uint8_t tag[BPF_TAG_SIZE]; /* its hash */
	uint32_t known_id;	   /* of a loaded one that has the tag; 0: none */
};

static int bpf(int command, union bpf_attr *attr)
{
	long n = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return n < 0 ? -errno : (int)n;
}

static int program_info(int fd, struct bpf_prog_info *info)
{
	union bpf_attr attr = { 0 };

	*info = (struct bpf_prog_info){ 0 };
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uint64_t)(uintptr_t)info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

static int load_program(struct xdp *x, char *why)
{
	struct bpf_insn insns[XDP_CODE_MAX];
	struct bpf_prog_info info;
	union bpf_attr attr = { 0 };
	int n = xdp_code(insns, XDP_CODE_MAX), rc;

	if (x->fd >= 0 || n < 0)
		return n < 0 ? n : 0;
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insn_cnt = (uint32_t)n;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.license = (uint64_t)(uintptr_t) "GPL";
	memcpy(attr.prog_name, "vifrost_strict", sizeof("vifrost_strict"));
	x->fd = bpf(BPF_PROG_LOAD, &attr);
	rc = x->fd < 0 ? x->fd : program_info(x->fd, &info);
	if (rc) {
		snprintf(
			why, VS_TEXT_LEN,
			"the kernel takes no packet program (CONFIG_BPF_SYSCALL), which anti-spoof: "
			"strict needs on datapath netdev: %s",
			strerror(-rc));
		return rc;
	}
	memcpy(x->tag, info.tag, sizeof(x->tag));
	x->known_id = info.id;
	return 0;
}

/* Whether the program of that number does what ours does. */
static bool is_ours(struct xdp *x, uint32_t id)
{
	struct bpf_prog_info info;
	union bpf_attr attr = { 0 };
	bool same = false;
	int fd;

	if (id == x->known_id)
		return true;
	attr.prog_id = id;
	fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return false;
	if (!program_info(fd, &info))
		same = !memcmp(info.tag, x->tag, sizeof(x->tag));
	close(fd);
	if (same)
		x->known_id = id;
	return same;
}

/* While links are read. */
struct reader {
	struct xdp *x;
	struct vs_observed *o; /* or: */
	json_t *doc;
	int rc;
};

static int take_link(struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[IFLA_MAX + 1], *xdp[IFLA_XDP_MAX + 1];
	struct reader *r = arg;
	json_t *doc;
	int rc = 0;

	if (nlmsg_parse(nlh, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_XDP] ||
	    !tb[IFLA_IFNAME] || nla_parse_nested(xdp, IFLA_XDP_MAX, tb[IFLA_XDP], NULL) < 0 ||
	    !xdp[IFLA_XDP_PROG_ID])
		return 0;
	doc = json_pack("{ss}", "filter",
			is_ours(r->x, nla_get_u32(xdp[IFLA_XDP_PROG_ID])) ? "strict" : "?");
	if (r->o)
		rc = doc ? vs_observed_set_doc(r->o, VS_DOC_XDP, nla_get_string(tb[IFLA_IFNAME]),
					       doc)
			 : -ENOMEM;
	else
		r->doc = json_incref(doc);
	json_decref(doc);
	return rc;
}

static int fail(int rc, char *why)
{
	if (rc && rc != -EINTR && !why[0])
		snprintf(why, VS_TEXT_LEN, "cannot read the packet programs of links: %s",
			 strerror(-rc));
	return rc;
}

static int xdp_observe(void *ctx, struct vs_observed *o, char *why)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct xdp *x = ctx;
	struct reader r = { .x = x, .o = o };
	int rc = load_program(x, why);

	/* Without any there is none of ours. */
	if (rc)
		return 0;
	return fail(rtnl_ask((struct vs_rtnl *)x->sys,
			     rtnl_msg(RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi)), take_link, &r),
		    why);
}

static int xdp_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct xdp *x = ctx;
	struct vs_rtnl *rtnl = (struct vs_rtnl *)x->sys;
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = rtnl_ifindex(rtnl, name) };
	struct reader r = { .x = x };
	int rc;

	if (ifi.ifi_index < 0 || load_program(x, why))
		return 0;
	rc = rtnl_ask(rtnl, rtnl_msg(RTM_GETLINK, 0, &ifi, sizeof(ifi)), take_link, &r);
	*doc = r.doc;
	return rc == -ENODEV ? 0 : fail(rc, why);
}

static int set_program(struct vs_rtnl *r, int ifindex, int fd)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
	struct nl_msg *msg = rtnl_msg(RTM_SETLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *xdp = msg ? nla_nest_start(msg, NLA_F_NESTED | IFLA_XDP) : NULL;

	/* The same place in the kernel whatever the driver. */
	if (!xdp || nla_put_s32(msg, IFLA_XDP_FD, fd) < 0 ||
	    nla_put_u32(msg, IFLA_XDP_FLAGS, XDP_FLAGS_SKB_MODE) < 0) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nla_nest_end(msg, xdp);
	return rtnl_change(r, msg);
}

static int xdp_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct xdp *x = ctx;
	struct vs_rtnl *rtnl = (struct vs_rtnl *)x->sys;
	int ifindex = rtnl_ifindex(rtnl, name), rc = ifindex < 0 ? ifindex : 0;

	if (!doc && rc == -ENODEV)
		return 0;
	if (!rc && doc)
		rc = load_program(x, why);
	if (rc)
		return rc;
	rtnl->why[0] = '\0';
	rc = set_program(rtnl, ifindex, doc ? x->fd : -1);
	if (rc)
		snprintf(why, VS_TEXT_LEN, "%s", rtnl->why);
	return rc;
}

static void xdp_close(void *ctx)
{
	struct xdp *x = ctx;

	if (x->fd >= 0)
		close(x->fd);
	if (x->sys)
		x->sys->ops->close(x->sys);
	free(x);
}

static int xdp_open(const char *rundir, void **ctx, char *why)
{
	struct xdp *x = calloc(1, sizeof(*x));
	int rc = -ENOMEM;

	if (x) {
		x->fd = -1;
		rc = vs_rtnl_open(rundir, &x->sys);
	}
	if (rc) {
		snprintf(why, VS_TEXT_LEN, "cannot open rtnetlink: %s", strerror(-rc));
		free(x);
		x = NULL;
	}
	*ctx = x;
	return rc;
}

const struct vs_doc_ops vs_xdp_doc_ops = {
	.open = xdp_open,
	.observe = xdp_observe,
	.get = xdp_get,
	.apply = xdp_apply,
	.close = xdp_close,
};
