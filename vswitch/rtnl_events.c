/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/rtnl_events.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/rtnetlink.h>
#include <netlink/errno.h>

#include "vswitch/rtnl_priv.h"

/* Hundreds of links may change at once, by one bridge going away. */
#define EVENTS_BUFFER (1 << 20)
#define EVENTS_BATCH  256
#define EVENT_SIZE    (32 * 1024)

struct vs_events {
	struct nl_sock *sk;
	struct loop_fd watcher;
	void (*fn)(void *arg, const struct vs_link *link, bool is_gone);
	void *arg;
};

static int on_link(struct nl_msg *msg, void *arg)
{
	struct vs_events *e = arg;
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	const struct ifinfomsg *ifi;
	struct vs_link link;

	if ((nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK) ||
	    nlmsg_datalen(nlh) < (int)sizeof(*ifi))
		return NL_OK;
	ifi = nlmsg_data(nlh);
	/* AF_BRIDGE tells of ports, with AF_UNSPEC's news again or "gone" for "no port any more". */
	if (ifi->ifi_family == AF_UNSPEC && !rtnl_link_parse(nlh, &link))
		e->fn(e->arg, &link, nlh->nlmsg_type == RTM_DELLINK);
	return NL_OK;
}

static void on_readable(void *arg, uint32_t events)
{
	struct vs_events *e = arg;
	int n = 0;

	(void)events;
	for (int i = 0; n >= 0 && i < EVENTS_BATCH; i++)
		n = nl_recvmsgs_default(e->sk);
	/* libnl gives ENOBUFS, a full socket, as NLE_NOMEM. */
	if (n == -NLE_NOMEM)
		e->fn(e->arg, NULL, false);
}

int vs_events_open(struct loop *loop,
		   void (*fn)(void *arg, const struct vs_link *link, bool is_gone), void *arg,
		   struct vs_events **events_out)
{
	struct vs_events *e = calloc(1, sizeof(*e));
	int rc = -ENOMEM;

	*events_out = NULL;
	if (!e)
		return rc;
	e->fn = fn;
	e->arg = arg;
	e->sk = nl_socket_alloc();
	if (!e->sk)
		goto fail;
	nl_socket_disable_seq_check(e->sk);
	nl_socket_set_msg_buf_size(e->sk, EVENT_SIZE);
	nl_socket_disable_msg_peek(e->sk);
	nl_socket_modify_cb(e->sk, NL_CB_VALID, NL_CB_CUSTOM, on_link, e);
	rc = -EIO;
	if (nl_connect(e->sk, NETLINK_ROUTE) < 0 || nl_socket_set_nonblocking(e->sk) < 0 ||
	    nl_socket_add_membership(e->sk, RTNLGRP_LINK) < 0)
		goto fail;
	nl_socket_set_buffer_size(e->sk, EVENTS_BUFFER, 0);
	rc = loop_fd_add(loop, &e->watcher, nl_socket_get_fd(e->sk), EPOLLIN, on_readable, e);
	if (rc)
		goto fail;
	*events_out = e;
	return 0;
fail:
	vs_events_close(e);
	return rc;
}

void vs_events_close(struct vs_events *events)
{
	if (!events)
		return;
	loop_fd_del(&events->watcher);
	nl_socket_free(events->sk);
	free(events);
}
