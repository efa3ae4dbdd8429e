/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>

#include <linux/fib_rules.h>
#include <linux/filter.h>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define CHANGES_BUFFER (1 << 20)
#define MESSAGE_MAX    65536
#define BATCH	       64

struct source {
	struct vs_changes *all;
	int fd;
	struct loop_fd watcher;
	void (*take)(struct vs_changes *c, const struct nlmsghdr *h);
};

struct vs_changes {
	struct source route, nft;
	void (*fn)(void *arg, const struct vs_change *change);
	void *arg;
	/* The link that was named last, of those that came together; 0: none. */
	int ifindex;
	char name[IFNAMSIZ];
	char data[MESSAGE_MAX] __attribute__((aligned(8)));
};

/* A port's number is mostly its process's. */
static void find_process(struct vs_change *change)
{
	char path[40];
	ssize_t n;
	int fd;

	if (change->pid <= 0 || change->process[0])
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)change->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, change->process, sizeof(change->process) - 1);
	close(fd);
	change->process[n > 0 ? n : 0] = '\0';
	change->process[strcspn(change->process, "\n")] = '\0';
}

/* Where in the message's fixed header the link's index is, and what it tells of. */
static const struct {
	uint16_t first; /* RTM_NEW...; RTM_DEL... follows it */
	const char *what;
	size_t header, index; /* sizes; index 0: none */
} kinds[] = {
	{ RTM_NEWLINK, "link", sizeof(struct ifinfomsg), offsetof(struct ifinfomsg, ifi_index) },
	{ RTM_NEWADDR, "address", sizeof(struct ifaddrmsg), offsetof(struct ifaddrmsg, ifa_index) },
	{ RTM_NEWROUTE, "route", sizeof(struct rtmsg), 0 },
	{ RTM_NEWNEIGH, "neighbour", sizeof(struct ndmsg), offsetof(struct ndmsg, ndm_ifindex) },
	{ RTM_NEWRULE, "rule", sizeof(struct fib_rule_hdr), 0 },
	{ RTM_NEWQDISC, "qdisc", sizeof(struct tcmsg), offsetof(struct tcmsg, tcm_ifindex) },
	{ RTM_NEWNETCONF, "switch", sizeof(struct netconfmsg), 0 },
};

/* Neighbours that are learned come and go all the time, and so do cached routes. */
static bool is_noise(const struct nlmsghdr *h)
{
	const struct ndmsg *nd = NLMSG_DATA(h);
	const struct rtmsg *rt = NLMSG_DATA(h);
	const struct ifinfomsg *ifi = NLMSG_DATA(h);

	switch (h->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (nd->ndm_family == AF_BRIDGE)
			return !(nd->ndm_flags & NTF_STICKY);
		return !(nd->ndm_state & NUD_PERMANENT || nd->ndm_flags & NTF_PROXY);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return rt->rtm_flags & RTM_F_CLONED;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return ifi->ifi_family != AF_UNSPEC;
	default:
		return false;
	}
}

/* Its first attribute; less than 0: all links'. */
static int netconf_index(const struct nlmsghdr *h)
{
	const char *data = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct netconfmsg));
	struct nlattr a;
	int ifindex = 0;

	if (h->nlmsg_len < NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct netconfmsg))) + sizeof(a) + 4)
		return 0;
	memcpy(&a, data, sizeof(a));
	if (a.nla_type == NETCONFA_IFINDEX && a.nla_len == sizeof(a) + sizeof(ifindex))
		memcpy(&ifindex, data + sizeof(a), sizeof(ifindex));
	return ifindex;
}

/* By which link a route leads; of several, none. */
static int route_index(const struct nlmsghdr *h)
{
	const struct rtattr *a = RTM_RTA((const struct rtmsg *)NLMSG_DATA(h));
	size_t left = RTM_PAYLOAD(h);
	int ifindex = 0;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == sizeof(ifindex))
			memcpy(&ifindex, RTA_DATA(a), sizeof(ifindex));
	return ifindex;
}

static void name_link(struct vs_changes *c, int ifindex, char name[IFNAMSIZ])
{
	if (ifindex != c->ifindex && !if_indextoname((unsigned int)ifindex, c->name))
		c->name[0] = '\0';
	c->ifindex = ifindex;
	memcpy(name, c->name, IFNAMSIZ);
}

static void take_route(struct vs_changes *c, const struct nlmsghdr *h)
{
	struct vs_change change = { .pid = (pid_t)h->nlmsg_pid };
	int ifindex = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (h->nlmsg_type != kinds[i].first && h->nlmsg_type != kinds[i].first + 1)
			continue;
		if (h->nlmsg_len < NLMSG_LENGTH(kinds[i].header) || is_noise(h))
			return;
		change.what = kinds[i].what;
		/* The kernel's come and go with links, and ours; what others do is told as theirs. */
		if (kinds[i].first == RTM_NEWROUTE && (!change.pid || change.pid == getpid()))
			ifindex = route_index(h);
		if (kinds[i].first == RTM_NEWROUTE)
			change.is_inner = ((const struct rtmsg *)NLMSG_DATA(h))->rtm_dst_len != 0;
		if (kinds[i].index)
			memcpy(&ifindex, (const char *)NLMSG_DATA(h) + kinds[i].index,
			       sizeof(ifindex));
		else if (kinds[i].first == RTM_NEWNETCONF)
			ifindex = netconf_index(h);
		if (ifindex > 0)
			name_link(c, ifindex, change.link);
		find_process(&change);
		c->fn(c->arg, &change);
		return;
	}
}

/* Each transaction ends with the ruleset's new generation, which names who made it. */
static void take_nft(struct vs_changes *c, const struct nlmsghdr *h)
{
	struct vs_change change = { .what = "nftables" };
	const char *data = NLMSG_DATA(h);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(0), offset = NLMSG_ALIGN(sizeof(struct nfgenmsg));
	struct nlattr a;
	uint32_t pid;

	if (h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
		return;
	while (offset + sizeof(a) <= left) {
		memcpy(&a, data + offset, sizeof(a));
		if (a.nla_len < sizeof(a) || offset + a.nla_len > left)
			break;
		if ((a.nla_type & NLA_TYPE_MASK) == NFTA_GEN_PROC_PID &&
		    a.nla_len == sizeof(a) + sizeof(pid)) {
			memcpy(&pid, data + offset + sizeof(a), sizeof(pid));
			change.pid = (pid_t)ntohl(pid);
		} else if ((a.nla_type & NLA_TYPE_MASK) == NFTA_GEN_PROC_NAME) {
			snprintf(change.process, sizeof(change.process), "%.*s",
				 (int)(a.nla_len - sizeof(a)), data + offset + sizeof(a));
		}
		offset += NLA_ALIGN(a.nla_len);
	}
	if (change.pid != getpid())
		c->fn(c->arg, &change);
}

static void on_readable(void *arg, uint32_t events)
{
	static const struct vs_change lost = { .what = "" };
	struct source *s = arg;
	struct vs_changes *c = s->all;
	struct nlmsghdr *h;
	unsigned int left;
	ssize_t n;

	(void)events;
	/* It may have another name since. */
	c->ifindex = 0;
	for (int i = 0; i < BATCH; i++) {
		n = recv(s->fd, c->data, sizeof(c->data), MSG_DONTWAIT);
		if (n < 0 && errno == ENOBUFS)
			c->fn(c->arg, &lost);
		if (n <= 0)
			return;
		left = (unsigned int)n;
		for (h = (struct nlmsghdr *)(void *)c->data; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left))
			s->take(c, h);
	}
}

/*
 * Neighbours are learned and forgotten all the time, and an idle host is to sleep: the kernel itself passes on
 * only those that are permanent, proxies or a bridge's sticky ones. Loads see big endian, the messages are the host's.
 */
static int filter_neighbours(int fd)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STATE_OFFSET (NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_state))
#else
#define STATE_OFFSET (NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_state) + 1)
#endif
#define FLAGS_OFFSET (NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_flags))
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWNEIGH), 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELNEIGH), 0, 8),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_BRIDGE, 4, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, STATE_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NUD_PERMANENT, 4, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NTF_PROXY, 2, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NTF_STICKY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, MESSAGE_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static int open_source(struct loop *loop, struct source *s, int protocol, const int *groups)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	int size = CHANGES_BUFFER;

	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (s->fd < 0)
		return -errno;
	if (bind(s->fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return -errno;
	for (; *groups; groups++)
		if (setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups,
			       sizeof(*groups)) < 0)
			return -errno;
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return loop_fd_add(loop, &s->watcher, s->fd, EPOLLIN, on_readable, s);
}

int vs_changes_open(struct loop *loop, void (*fn)(void *arg, const struct vs_change *change),
		    void *arg, struct vs_changes **changes_out)
{
	static const int route_groups[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,	RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE,	RTNLGRP_NEIGH,
		RTNLGRP_TC,	    RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, 0
	};
	static const int nft_groups[] = { NFNLGRP_NFTABLES, 0 };
	struct vs_changes *c = calloc(1, sizeof(*c));
	int rc;

	*changes_out = NULL;
	if (!c)
		return -ENOMEM;
	c->fn = fn;
	c->arg = arg;
	c->route = (struct source){ .all = c, .fd = -1, .take = take_route };
	c->nft = (struct source){ .all = c, .fd = -1, .take = take_nft };
	rc = open_source(loop, &c->route, NETLINK_ROUTE, route_groups);
	if (!rc)
		rc = filter_neighbours(c->route.fd);
	/* A kernel without nftables has nothing of ours there. */
	if (!rc && open_source(loop, &c->nft, NETLINK_NETFILTER, nft_groups)) {
		loop_fd_del(&c->nft.watcher);
		if (c->nft.fd >= 0)
			close(c->nft.fd);
		c->nft.fd = -1;
	}
	if (rc)
		vs_changes_close(c);
	else
		*changes_out = c;
	return rc;
}

void vs_changes_close(struct vs_changes *c)
{
	if (!c)
		return;
	loop_fd_del(&c->route.watcher);
	loop_fd_del(&c->nft.watcher);
	if (c->route.fd >= 0)
		close(c->route.fd);
	if (c->nft.fd >= 0)
		close(c->nft.fd);
	free(c);
}
