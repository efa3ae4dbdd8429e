/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by rtnl*.c, the only files that know libnl. */
#ifndef VSWITCH_RTNL_PRIV_H
#define VSWITCH_RTNL_PRIV_H

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "vswitch/docs.h"
#include "vswitch/vswitch.h"

#define RTNL_KNOWN 4

struct vs_rtnl {
	struct vs_system sys;
	struct vs_docs docs;
	struct nl_sock *sk;
	struct nl_sock *strict; /* heeds what a dump's question asks for; NULL: not opened yet */
	int ioctl_fd;
	struct rtnl_known { /* links asked for last */
		char name[IFNAMSIZ];
		int ifindex;
	} known[RTNL_KNOWN];
	unsigned int nr_known; /* ever; the oldest gives way */
	int error;	       /* of the last answer: -errno as the kernel gave it */
	char why[VS_TEXT_LEN]; /* the kernel's own words to it; "": none */
};

/* A request with its fixed header. NULL: out of memory. */
struct nl_msg *rtnl_msg(int type, int flags, const void *header, size_t size);
/* Send a request that changes something and wait for the answer. @msg is freed; NULL gives -ENOMEM.
 */
int rtnl_change(struct vs_rtnl *r, struct nl_msg *msg);
/*
 * Send a question and hand each answer to @fn, which returns 0 or -errno. A dump that the kernel
 * calls torn is given as -EINTR: start over. @msg is freed.
 */
int rtnl_ask(struct vs_rtnl *r, struct nl_msg *msg, int (*fn)(struct nlmsghdr *nlh, void *arg),
	     void *arg);
/* -ENODEV. */
int rtnl_ifindex(struct vs_rtnl *r, const char *name);

/* rtnl_link.c */
int rtnl_link_read(struct vs_rtnl *r, const char *name, struct vs_link *out);
int rtnl_link_read_number(struct vs_rtnl *r, int ifindex, struct vs_link *out);
int rtnl_links_read(struct vs_rtnl *r, bool with_drivers, struct vs_observed *o);
int rtnl_link_parse(struct nlmsghdr *nlh, struct vs_link *out);
int rtnl_link_apply(struct vs_rtnl *r, const struct vs_op *op);

/* rtnl_patch.c */
int rtnl_patch_apply(struct vs_rtnl *r, const struct vs_op *op);

/* rtnl_rate.c */
int rtnl_counters(struct vs_system *sys, void (*fn)(void *arg, const struct vs_counters *c),
		  void *arg);

/* rtnl_stack.c */
int rtnl_stack_apply(struct vs_rtnl *r, const struct vs_op *op);

/* rtnl_probe.c: which of @lacks the kernel does lack. */
int rtnl_probe(struct vs_rtnl *r, unsigned int lacks, unsigned int *out);

/* rtnl_addr.c */
/* @ifindex: 0: all; of one link only where r->sk is strict. */
int rtnl_addrs_read(struct vs_rtnl *r, int ifindex, struct vs_observed *o);
int rtnl_addr_apply(struct vs_rtnl *r, const struct vs_op *op);

/* rtnl_neigh.c */
int rtnl_neighs_read(struct vs_rtnl *r, struct vs_observed *o);
int rtnl_neighs_read_link(struct vs_rtnl *r, int ifindex, struct vs_observed *o);
int rtnl_neigh_apply(struct vs_rtnl *r, const struct vs_op *op);

/* rtnl_route.c */
int rtnl_routes_read(struct vs_rtnl *r, struct vs_observed *o);
/* Ours, where r->sk is strict. */
int rtnl_routes_read_link(struct vs_rtnl *r, int family, int ifindex, struct vs_observed *o);
int rtnl_route_apply(struct vs_rtnl *r, const struct vs_op *op);

#endif
