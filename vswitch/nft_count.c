/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guards have dropped. Each reason has a set of its own, in which a link's element is made by the first
 * packet that is dropped for it, with a counter.
 */
#include "vswitch/nft_priv.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <libmnl/libmnl.h>

#include "vswitch/guard.h"

struct reading {
	const char *reason;
	void (*fn)(void *arg, const struct guard_count *count);
	void *arg;
};

static const struct nlattr *find(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	if (nest)
		mnl_attr_for_each_nested(attr,
					 nest) if (mnl_attr_get_type(attr) == type) return attr;
	return NULL;
}

static uint64_t u64_of(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == 8 ? be64toh(mnl_attr_get_u64(attr)) : 0;
}

static void take_element(const struct reading *r, const struct nlattr *elem)
{
	const struct nlattr *key = find(find(elem, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *counter = find(find(elem, NFTA_SET_ELEM_EXPR), NFTA_EXPR_DATA);
	struct guard_count count = { .reason = r->reason,
				     .packets = u64_of(find(counter, NFTA_COUNTER_PACKETS)),
				     .bytes = u64_of(find(counter, NFTA_COUNTER_BYTES)) };

	if (!key || mnl_attr_get_payload_len(key) != IFNAMSIZ)
		return;
	snprintf(count.link, sizeof(count.link), "%.15s", mnl_attr_get_str(key));
	r->fn(r->arg, &count);
}

static int on_elements(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr, *elem;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) ==
								  NFTA_SET_ELEM_LIST_ELEMENTS)
		mnl_attr_for_each_nested(elem, attr) take_element(data, elem);
	return 0;
}

static void fill(struct nlmsghdr *nlh, const void *set)
{
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, strchr(GUARD_TABLE, ' ') + 1);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
}

/* A torn dump is as good: each counter it has was right when it was read. */
int nft_counts(struct nft *n, void (*fn)(void *arg, const struct guard_count *count), void *arg)
{
	const char *set;
	int rc = 0;

	for (size_t i = 0; (!rc || rc == -EINTR) && (set = guard_counter_set(i)); i++) {
		struct reading r = { .reason = guard_reason(set), .fn = fn, .arg = arg };

		rc = nft_ask(n, NFT_MSG_GETSETELEM, NFPROTO_NETDEV, NLM_F_DUMP, fill, set,
			     on_elements, &r);
	}
	return rc == -ENOENT || rc == -EINTR ? 0 : rc;
}

int guard_counters(void (*fn)(void *arg, const struct guard_count *count), void *arg)
{
	struct nft *n;
	int rc = nft_open(&n);

	if (!rc)
		rc = nft_counts(n, fn, arg);
	nft_close(n);
	return rc;
}
