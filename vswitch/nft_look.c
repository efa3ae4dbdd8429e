/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/nft_look.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <libmnl/libmnl.h>

#include "vswitch/array.h"
#include "vswitch/nft.h"

#define ANSWER_SIZE 65536
#define TIMEOUT_SEC 5

struct dump {
	struct nft_look *out;
	bool is_nomem;
};

static void take_hook(const struct nlattr *nest, struct nft_look_chain *c)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) != NFTA_HOOK_HOOKNUM ||
		    mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		c->is_base = true;
		c->hook = ntohl(mnl_attr_get_u32(attr));
	}
}

static int on_chain(const struct nlmsghdr *nlh, void *arg)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(nlh);
	struct nft_look_chain c = { .family = head->nfgen_family };
	struct nft_look_chain *added;
	struct dump *d = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*head))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			snprintf(c.table, sizeof(c.table), "%s", mnl_attr_get_str(attr));
			break;
		case NFTA_CHAIN_NAME:
			snprintf(c.name, sizeof(c.name), "%s", mnl_attr_get_str(attr));
			break;
		case NFTA_CHAIN_HOOK:
			take_hook(attr, &c);
			break;
		case NFTA_CHAIN_POLICY:
			c.drops = ntohl(mnl_attr_get_u32(attr)) == NF_DROP;
			break;
		default:
			break;
		}
	}
	if (!strncmp(c.table, NFT_TABLE_PREFIX, strlen(NFT_TABLE_PREFIX)))
		return MNL_CB_OK;
	added = array_add(&d->out->chains, &d->out->nr, sizeof(c));
	if (!added) {
		d->is_nomem = true;
		return MNL_CB_ERROR;
	}
	*added = c;
	return MNL_CB_OK;
}

static int dump_chains(struct mnl_socket *nl, struct dump *d)
{
	char *buffer = malloc(ANSWER_SIZE);
	struct nlmsghdr *nlh;
	struct nfgenmsg *head;
	ssize_t n = 0;
	int rc = MNL_CB_OK;

	if (!buffer)
		return -ENOMEM;
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 1;
	head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	head->nfgen_family = NFPROTO_UNSPEC;
	head->version = NFNETLINK_V0;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		rc = MNL_CB_ERROR;
	while (rc > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(nl, buffer, ANSWER_SIZE);
		rc = n < 0 ? MNL_CB_ERROR
			   : mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(nl), on_chain,
					d);
	}
	free(buffer);
	if (d->is_nomem)
		return -ENOMEM;
	/* EINVAL, EOPNOTSUPP: the kernel has no nftables. */
	if (rc == MNL_CB_ERROR && errno != EINVAL && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

int nft_look(struct nft_look *out)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_SEC };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	struct dump d = { .out = out };
	int rc;

	*out = (struct nft_look){ 0 };
	if (!nl)
		return errno == EPROTONOSUPPORT ? 0 : -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) <
		    0)
		rc = -errno;
	else
		rc = dump_chains(nl, &d);
	mnl_socket_close(nl);
	if (rc)
		nft_look_fini(out);
	return rc;
}

void nft_look_fini(struct nft_look *out)
{
	free(out->chains);
	*out = (struct nft_look){ 0 };
}

bool nft_look_has(const struct nft_look *look, uint8_t family, const char *table,
		  const char *prefix)
{
	for (size_t i = 0; i < look->nr; i++) {
		const struct nft_look_chain *c = &look->chains[i];

		if (c->family == family && !strcmp(c->table, table) &&
		    !strncmp(c->name, prefix, strlen(prefix)))
			return true;
	}
	return false;
}
