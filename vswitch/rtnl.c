/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel as a struct vs_system, over one rtnetlink socket. libnl carries the messages; what is
 * in them is built and read here attribute by attribute, because the library's link, address and
 * route objects leave out what a faithful move needs (lifetimes, metrics, bridge port flags).
 */
#include "vswitch/rtnl_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>

#include "vswitch/conntrack.h"
#include "vswitch/ovs.h"
#include "vswitch/service.h"
#include "vswitch/sysctl.h"

#define RTNL_RECV_SIZE	 (64 * 1024)
#define RTNL_DUMP_TRIES	 8
#define RTNL_TIMEOUT_SEC 5

/* libnl's own failures; the kernel's arrive in on_error() with their errno. */
static int errno_of_nle(int nle)
{
	static const int map[NLE_MAX + 1] = {
		[NLE_INTR] = EINTR,	      [NLE_BAD_SOCK] = EBADF,
		[NLE_AGAIN] = EAGAIN,	      [NLE_NOMEM] = ENOMEM,
		[NLE_EXIST] = EEXIST,	      [NLE_INVAL] = EINVAL,
		[NLE_RANGE] = ERANGE,	      [NLE_MSGSIZE] = EMSGSIZE,
		[NLE_OPNOTSUPP] = EOPNOTSUPP, [NLE_AF_NOSUPPORT] = EAFNOSUPPORT,
		[NLE_OBJ_NOTFOUND] = ENOENT,  [NLE_MSG_OVERFLOW] = EMSGSIZE,
		[NLE_MSG_TRUNC] = EMSGSIZE,   [NLE_NOADDR] = EADDRNOTAVAIL,
		[NLE_BUSY] = EBUSY,	      [NLE_NOACCESS] = EACCES,
		[NLE_PERM] = EPERM,	      [NLE_NODEV] = ENODEV,
		[NLE_DUMP_INTR] = EINTR,
	};
	int n = nle < 0 ? -nle : nle;

	return n <= NLE_MAX && map[n] ? -map[n] : -EIO;
}

struct nl_msg *rtnl_msg(int type, int flags, const void *header, size_t size)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg && nlmsg_append(msg, (void *)(uintptr_t)header, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

/* The text after a refused request, NLMSGERR_ATTR_MSG, where the kernel sent one. */
static void take_ext_ack(struct vs_rtnl *r, const struct nlmsgerr *err)
{
	const struct nlmsghdr *nlh = (const void *)((const char *)err - NLMSG_HDRLEN);
	size_t skip = sizeof(*err);
	struct nlattr *attr;
	size_t len;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - NLMSG_HDRLEN;
	skip = NLMSG_ALIGN(skip);
	if (nlh->nlmsg_len < NLMSG_HDRLEN + skip)
		return;
	len = nlh->nlmsg_len - NLMSG_HDRLEN - skip;
	attr = nla_find((const struct nlattr *)(const void *)((const char *)err + skip), (int)len,
			NLMSGERR_ATTR_MSG);
	if (attr)
		nla_strlcpy(r->why, attr, sizeof(r->why));
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	struct vs_rtnl *r = arg;

	(void)from;
	r->error = err->error;
	take_ext_ack(r, err);
	return NL_STOP;
}

int rtnl_change(struct vs_rtnl *r, struct nl_msg *msg)
{
	int n;

	r->why[0] = '\0';
	r->error = 0;
	if (!msg)
		return -ENOMEM;
	r->sys.nr_changes++;
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	n = nl_send_auto(r->sk, msg);
	nlmsg_free(msg);
	if (n < 0)
		return errno_of_nle(n);
	n = nl_wait_for_ack(r->sk);
	if (r->error)
		return r->error;
	return n < 0 ? errno_of_nle(n) : 0;
}

struct question {
	int (*fn)(struct nlmsghdr *nlh, void *arg);
	void *arg;
	int rc;
};

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct question *q = arg;

	if (!q->rc)
		q->rc = q->fn(nlmsg_hdr(msg), q->arg);
	return NL_OK;
}

int rtnl_ask(struct vs_rtnl *r, struct nl_msg *msg, int (*fn)(struct nlmsghdr *nlh, void *arg),
	     void *arg)
{
	struct question q = { .fn = fn, .arg = arg };
	int n;

	r->why[0] = '\0';
	r->error = 0;
	if (!msg)
		return -ENOMEM;
	nl_socket_modify_cb(r->sk, NL_CB_VALID, NL_CB_CUSTOM, on_valid, &q);
	n = nl_send_auto(r->sk, msg);
	nlmsg_free(msg);
	if (n >= 0)
		n = nl_recvmsgs_default(r->sk);
	nl_socket_modify_cb(r->sk, NL_CB_VALID, NL_CB_DEFAULT, NULL, NULL);
	if (r->error)
		return r->error;
	return n < 0 ? errno_of_nle(n) : q.rc;
}

static int take_ifindex(struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = nlmsg_data(nlh);

	*(int *)arg = ifi->ifi_index;
	return 0;
}

/*
 * The steps of one vif ask for its link again and again. Whether an index still has a name is told without
 * the lock that all changes of links take, and a request for a link waits for.
 */
static int find_known(struct vs_rtnl *r, const char *name)
{
	for (size_t i = 0; i < RTNL_KNOWN; i++) {
		const struct rtnl_known *k = &r->known[i];
		struct ifreq ifr = { .ifr_ifindex = k->ifindex };

		if (k->ifindex && !strcmp(k->name, name))
			return ioctl(r->ioctl_fd, SIOCGIFNAME, &ifr) == 0 &&
					       !strcmp(ifr.ifr_name, name)
				       ? k->ifindex
				       : 0;
	}
	return 0;
}

static void remember(struct vs_rtnl *r, const char *name, int ifindex)
{
	struct rtnl_known *k = NULL;

	for (size_t i = 0; !k && i < RTNL_KNOWN; i++)
		if (!strcmp(r->known[i].name, name))
			k = &r->known[i];
	if (!k)
		k = &r->known[r->nr_known++ % RTNL_KNOWN];
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->ifindex = ifindex;
}

int rtnl_ifindex(struct vs_rtnl *r, const char *name)
{
	/* Not by ioctl: for a name that is not there the kernel runs modprobe first. */
	struct ifinfomsg ifi = { 0 };
	int ifindex = find_known(r, name), rc;
	struct nl_msg *msg;

	if (ifindex > 0)
		return ifindex;
	msg = rtnl_msg(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	if (msg && (nla_put_string(msg, IFLA_IFNAME, name) < 0 ||
		    nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	ifindex = -ENODEV;
	rc = rtnl_ask(r, msg, take_ifindex, &ifindex);
	if (rc < 0)
		return rc;
	if (ifindex > 0)
		remember(r, name, ifindex);
	return ifindex;
}

static int observe_once(struct vs_rtnl *r, const struct vs_look *look, struct vs_observed *out,
			char *why)
{
	int rc = rtnl_links_read(r, look->drivers, out);

	if (!rc)
		rc = rtnl_addrs_read(r, 0, out);
	if (!rc)
		rc = rtnl_routes_read(r, out);
	if (!rc && look->neighs)
		rc = rtnl_neighs_read(r, out);
	if (!rc && look->lacks)
		rc = rtnl_probe(r, look->lacks, &out->lacks);
	out->lacks |= vs_services_lacking(look->lacks);
	out->lacks |= vs_ovs_lacking(r->docs.rundir, look->lacks);
	for (int i = 0; i < VS_SYSCTL_NR; i++)
		out->sysctls[i] = vs_sysctl_get((enum vs_sysctl)i);
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot read the kernel's links: %s", strerror(-rc));
	else
		rc = vs_docs_observe(&r->docs, look->docs, out, why);
	return rc;
}

static int rtnl_observe(struct vs_system *sys, const struct vs_look *look, struct vs_observed *out,
			char *why)
{
	struct vs_rtnl *r = (struct vs_rtnl *)sys;
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < RTNL_DUMP_TRIES; i++) {
		*out = (struct vs_observed){ 0 };
		why[0] = '\0';
		rc = observe_once(r, look, out, why);
		if (rc)
			vs_observed_fini(out);
	}
	return rc;
}

static int rtnl_doc(struct vs_system *sys, enum vs_doc_kind kind, const char *name, json_t **doc,
		    char *why)
{
	return vs_docs_get(&((struct vs_rtnl *)sys)->docs, kind, name, doc, why);
}

static int rtnl_link(struct vs_system *sys, const char *name, struct vs_link *out)
{
	return rtnl_link_read((struct vs_rtnl *)sys, name, out);
}

static void rtnl_delays(struct vs_system *sys, struct vs_link *link)
{
	(void)sys;
	for (int i = VS_LINK_PROXY_DELAY4; i <= VS_LINK_PROXY_DELAY6; i++)
		link->sysctls[i] = vs_sysctl_get_link(link->name, (enum vs_link_sysctl)i);
}

static int sysctl_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	int rc;

	if (op->kind == VS_OP_SYSCTL)
		rc = vs_sysctl_set((enum vs_sysctl)op->index, op->value);
	else if (op->kind == VS_OP_LINK_SYSCTL)
		rc = vs_sysctl_set_link(op->link, (enum vs_link_sysctl)op->index, op->value);
	else
		rc = vs_sysctl_set_ipv6(op->link,
					op->kind == VS_OP_IPV6_OFF ? "disable_ipv6" : "accept_ra",
					op->value);
	if (rc <= 0)
		return rc;
	r->sys.nr_changes++;
	return 0;
}

static void tell(const struct vs_rtnl *r, int rc, char *why)
{
	if (!rc)
		why[0] = '\0';
	else if (strlen(r->why) > 80 || strstr(r->why, strerror(-rc))) /* says it all */
		snprintf(why, VS_TEXT_LEN, "%.127s", r->why);
	else if (r->why[0])
		snprintf(why, VS_TEXT_LEN, "%.80s (%.40s)", r->why, strerror(-rc));
	else
		snprintf(why, VS_TEXT_LEN, "%s", strerror(-rc));
}

static int doc_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	r->sys.nr_changes++;
	return vs_docs_apply(&r->docs, op, r->why);
}

static int rtnl_apply_many(struct vs_system *sys, const struct vs_op *const *ops, size_t nr,
			   char *why)
{
	struct vs_rtnl *r = (struct vs_rtnl *)sys;
	int rc;

	r->sys.nr_changes += nr;
	r->why[0] = '\0';
	rc = vs_docs_apply_many(&r->docs, ops, nr, r->why);
	tell(r, rc, why);
	return rc;
}

static int flows_apply(struct vs_rtnl *r, const struct vs_op *op)
{
	int nr = 0, rc = 0;

	/* A guest's link does not wait for it. */
	if (json_object_get(op->doc, "bridge"))
		rc = vs_docs_end_flows(&r->docs, op->doc, r->why);
	else if (!json_object_get(op->doc, "forwards"))
		rc = vs_conntrack_end_soon(op->doc);
	else
		nr = vs_conntrack_end(op->doc, r->why);
	r->sys.nr_changes += nr > 0;
	return nr < 0 ? nr : rc;
}

static int rtnl_apply(struct vs_system *sys, const struct vs_op *op, char *why)
{
	static int (*const fns[VS_OP_NR])(struct vs_rtnl *, const struct vs_op *) = {
		[VS_OP_BRIDGE_ADD] = rtnl_link_apply,	[VS_OP_LINK_DEL] = rtnl_link_apply,
		[VS_OP_SET_MTU] = rtnl_link_apply,	[VS_OP_SET_MAC] = rtnl_link_apply,
		[VS_OP_SET_UP] = rtnl_link_apply,	[VS_OP_SET_MASTER] = rtnl_link_apply,
		[VS_OP_SET_STP] = rtnl_link_apply,	[VS_OP_SET_BRIDGE] = rtnl_link_apply,
		[VS_OP_SET_ISOLATED] = rtnl_link_apply, [VS_OP_ADDR_ADD] = rtnl_addr_apply,
		[VS_OP_ADDR_DEL] = rtnl_addr_apply,	[VS_OP_ROUTE_ADD] = rtnl_route_apply,
		[VS_OP_ROUTE_DEL] = rtnl_route_apply,	[VS_OP_SYSCTL] = sysctl_apply,
		[VS_OP_IPV6_OFF] = sysctl_apply,	[VS_OP_ACCEPT_RA] = sysctl_apply,
		[VS_OP_SET_NAME] = rtnl_link_apply,	[VS_OP_STACK_ADD] = rtnl_stack_apply,
		[VS_OP_STACK_DEL] = rtnl_stack_apply,	[VS_OP_SET_BOND] = rtnl_stack_apply,
		[VS_OP_PATCH_ADD] = rtnl_patch_apply,

		[VS_OP_PATCH_DEL] = rtnl_patch_apply,	[VS_OP_DOC] = doc_apply,
		[VS_OP_NEIGH_ADD] = rtnl_neigh_apply,	[VS_OP_NEIGH_DEL] = rtnl_neigh_apply,
		[VS_OP_LINK_SYSCTL] = sysctl_apply,	[VS_OP_FLOWS] = flows_apply,
	};
	struct vs_rtnl *r = (struct vs_rtnl *)sys;
	int rc;

	r->why[0] = '\0';
	rc = fns[op->kind] ? fns[op->kind](r, op) : -EINVAL;
	tell(r, rc, why);
	return rc;
}

static void rtnl_close(struct vs_system *sys)
{
	struct vs_rtnl *r = (struct vs_rtnl *)sys;

	vs_conntrack_wait();
	vs_docs_close(&r->docs);
	nl_socket_free(r->sk);
	nl_socket_free(r->strict);
	if (r->ioctl_fd >= 0)
		close(r->ioctl_fd);
	free(r);
}

static int open_socket(struct vs_rtnl *r, struct nl_sock **sk_out)
{
	struct timeval timeout = { .tv_sec = RTNL_TIMEOUT_SEC };
	int on = 1;
	struct nl_sock *sk;
	int n, fd;

	*sk_out = sk = nl_socket_alloc();
	if (!sk)
		return -ENOMEM;
	n = nl_connect(sk, NETLINK_ROUTE);
	if (n < 0)
		return errno_of_nle(n);
	nl_socket_set_msg_buf_size(sk, RTNL_RECV_SIZE);
	nl_socket_disable_msg_peek(sk);
	/* An answer is one datagram, or a dump to its end; only changes ask for an acknowledgement.
	 */
	nl_socket_disable_auto_ack(sk);
	nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, on_error, r);
	fd = nl_socket_get_fd(sk);
	/* Both only make errors better told; a kernel without them works. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	/* A kernel that never answers must not hang the daemon. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	return 0;
}

/* Of all links a thousand guests have: a dump of which only one link's were taken would be most of an attach. */
static int rtnl_on_link(struct vs_system *sys, int ifindex, struct vs_observed *out, char *why)
{
	struct vs_rtnl *r = (struct vs_rtnl *)sys;
	struct nl_sock *all = r->sk;
	int on = 1, rc = 0;

	if (!r->strict) {
		rc = open_socket(r, &r->strict);
		if (!rc && setsockopt(nl_socket_get_fd(r->strict), SOL_NETLINK,
				      NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0)
			rc = -errno;
	}
	r->sk = r->strict;
	if (!rc)
		rc = rtnl_addrs_read(r, ifindex, out);
	if (!rc)
		rc = rtnl_routes_read_link(r, AF_INET, ifindex, out);
	if (!rc)
		rc = rtnl_routes_read_link(r, AF_INET6, ifindex, out);
	if (!rc)
		rc = rtnl_neighs_read_link(r, ifindex, out);
	r->sk = all;
	if (rc) {
		nl_socket_free(r->strict);
		r->strict = NULL;
		snprintf(why, VS_TEXT_LEN, "cannot read what is on the link: %s", strerror(-rc));
	}
	return rc;
}

static const struct vs_system_ops rtnl_ops = {
	.observe = rtnl_observe,
	.link = rtnl_link,
	.delays = rtnl_delays,
	.on_link = rtnl_on_link,
	.counters = rtnl_counters,
	.doc = rtnl_doc,
	.apply = rtnl_apply,
	.apply_many = rtnl_apply_many,
	.close = rtnl_close,
};

int vs_rtnl_open(const char *rundir, struct vs_system **sys_out)
{
	struct vs_rtnl *r = calloc(1, sizeof(*r));
	int rc = -ENOMEM;

	*sys_out = NULL;
	if (!r)
		return rc;
	r->sys.ops = &rtnl_ops;
	r->docs.rundir = rundir;
	r->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = r->ioctl_fd < 0 ? -errno : open_socket(r, &r->sk);
	if (rc)
		rtnl_close(&r->sys);
	else
		*sys_out = &r->sys;
	return rc;
}
