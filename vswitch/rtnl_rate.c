/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Token buckets on links, as qdiscs at the root with a handle of ours: others' are not touched. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "vswitch/docs.h"
#include "vswitch/rtnl_priv.h"

#define HANDLE	  0x76660000u /* "vf" */
#define QUEUE_MIN (128 * 1024)
#define QUEUE_MAX (64 * 1024 * 1024)
#define BURST_MAX (1024 * 1024 * 1024)

/* Bytes that may wait: 50 ms of them, then TCP had better hear of it. */
static uint64_t queue_of(uint64_t bytes_per_s)
{
	uint64_t queue = bytes_per_s / 20;

	if (queue < QUEUE_MIN)
		return QUEUE_MIN;
	return queue > QUEUE_MAX ? QUEUE_MAX : queue;
}

struct reader {
	struct vs_observed *o;
	int ifindex; /* 0: all */
	const char *name;
	json_t *doc; /* of the one */
};

static json_t *parse(struct nlattr *options)
{
	struct nlattr *tb[TCA_TBF_MAX + 1];
	struct tc_tbf_qopt opt;
	uint64_t bytes_per_s;

	if (!options || nla_parse_nested(tb, TCA_TBF_MAX, options, NULL) < 0 ||
	    !tb[TCA_TBF_PARMS] || nla_len(tb[TCA_TBF_PARMS]) < (int)sizeof(opt))
		return NULL;
	memcpy(&opt, nla_data(tb[TCA_TBF_PARMS]), sizeof(opt));
	bytes_per_s = tb[TCA_TBF_RATE64] ? nla_get_u64(tb[TCA_TBF_RATE64]) : opt.rate.rate;
	/* The kernel keeps the burst as a time, not to the byte; so it is what the limit is above the queue. */
	return json_pack("{sI sI}", "bits-per-s", (json_int_t)bytes_per_s * 8, "burst",
			 (json_int_t)opt.limit - (json_int_t)queue_of(bytes_per_s));
}

static int take_qdisc(struct nlmsghdr *nlh, void *arg)
{
	struct reader *r = arg;
	struct nlattr *tb[TCA_MAX + 1];
	const struct tcmsg *tcm = nlmsg_data(nlh);
	const struct vs_link *link;
	json_t *doc;
	int rc = 0;

	if (nlmsg_parse(nlh, sizeof(*tcm), tb, TCA_MAX, NULL) < 0 || tcm->tcm_handle != HANDLE ||
	    tcm->tcm_parent != TC_H_ROOT || !tb[TCA_KIND] || nla_strcmp(tb[TCA_KIND], "tbf") != 0 ||
	    (r->ifindex && tcm->tcm_ifindex != r->ifindex))
		return 0;
	doc = parse(tb[TCA_OPTIONS]);
	link = r->o ? vs_observed_index(r->o, tcm->tcm_ifindex) : NULL;
	if (doc && link)
		rc = vs_observed_set_doc(r->o, VS_DOC_RATE, link->name, doc);
	if (r->ifindex) {
		json_decref(r->doc);
		r->doc = json_incref(doc);
	}
	json_decref(doc);
	return rc;
}

static int read_qdiscs(struct vs_rtnl *r, struct reader *reader)
{
	struct tcmsg tcm = { .tcm_family = AF_UNSPEC };

	if (!reader->ifindex)
		return rtnl_ask(r, rtnl_msg(RTM_GETQDISC, NLM_F_DUMP, &tcm, sizeof(tcm)),
				take_qdisc, reader);
	/* A dump would be of all links. */
	tcm.tcm_ifindex = reader->ifindex;
	tcm.tcm_handle = HANDLE;
	tcm.tcm_parent = TC_H_ROOT;
	/* Without the flag the kernel tells everyone but us. */
	return rtnl_ask(r, rtnl_msg(RTM_GETQDISC, NLM_F_ECHO, &tcm, sizeof(tcm)), take_qdisc,
			reader);
}

static int rate_open(const char *rundir, void **ctx, char *why)
{
	struct vs_system *sys;
	int rc = vs_rtnl_open(rundir, &sys);

	*ctx = sys;
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot open rtnetlink: %s", strerror(-rc));
	return rc;
}

static void rate_close(void *ctx)
{
	struct vs_system *sys = ctx;

	sys->ops->close(sys);
}

static int fail(int rc, char *why)
{
	if (rc && rc != -EINTR)
		snprintf(why, VS_TEXT_LEN, "cannot read the limits of links: %s", strerror(-rc));
	return rc;
}

static int rate_observe(void *ctx, struct vs_observed *o, char *why)
{
	struct reader reader = { .o = o };

	return fail(read_qdiscs(ctx, &reader), why);
}

static int rate_get(void *ctx, const char *name, json_t **doc, char *why)
{
	struct reader reader = { .ifindex = rtnl_ifindex(ctx, name) };
	int rc;

	if (reader.ifindex < 0)
		return reader.ifindex == -ENODEV ? 0 : fail(reader.ifindex, why);
	rc = read_qdiscs(ctx, &reader);
	*doc = reader.doc;
	/* None, or none of ours. */
	return rc == -ENOENT || rc == -EINVAL ? 0 : fail(rc, why);
}

static struct nl_msg *set_msg(int ifindex, uint64_t bytes_per_s, uint64_t burst)
{
	struct tcmsg tcm = { .tcm_family = AF_UNSPEC,
			     .tcm_ifindex = ifindex,
			     .tcm_handle = HANDLE,
			     .tcm_parent = TC_H_ROOT };
	struct tc_tbf_qopt opt = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = bytes_per_s < UINT32_MAX ? (uint32_t)bytes_per_s : UINT32_MAX },
		.limit = (uint32_t)(burst + queue_of(bytes_per_s)),
	};
	struct nl_msg *msg = rtnl_msg(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &tcm,
				      sizeof(tcm));
	struct nlattr *options;

	if (!msg)
		return NULL;
	NLA_PUT_STRING(msg, TCA_KIND, "tbf");
	options = nla_nest_start(msg, TCA_OPTIONS);
	if (!options)
		goto nla_put_failure;
	NLA_PUT(msg, TCA_TBF_PARMS, sizeof(opt), &opt);
	NLA_PUT_U32(msg, TCA_TBF_BURST, (uint32_t)burst);
	if (bytes_per_s >= UINT32_MAX)
		NLA_PUT_U64(msg, TCA_TBF_RATE64, bytes_per_s);
	nla_nest_end(msg, options);
	return msg;
nla_put_failure:
	nlmsg_free(msg);
	return NULL;
}

static struct nl_msg *del_msg(int ifindex)
{
	struct tcmsg tcm = { .tcm_family = AF_UNSPEC,
			     .tcm_ifindex = ifindex,
			     .tcm_handle = HANDLE,
			     .tcm_parent = TC_H_ROOT };

	return rtnl_msg(RTM_DELQDISC, 0, &tcm, sizeof(tcm));
}

static int rate_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	struct vs_rtnl *r = ctx;
	json_int_t rate = json_integer_value(json_object_get(doc, "bits-per-s"));
	json_int_t burst = json_integer_value(json_object_get(doc, "burst"));
	int ifindex = rtnl_ifindex(r, name), rc;

	r->why[0] = '\0';
	if (ifindex < 0)
		return !doc && ifindex == -ENODEV ? 0 : ifindex;
	if (!doc) {
		rc = rtnl_change(r, del_msg(ifindex));
		/* There is none, or none of ours. */
		return rc == -ENOENT || rc == -EINVAL ? 0 : rc;
	}
	if (rate < 8 || burst <= 0 || burst > BURST_MAX)
		return -EINVAL;
	rc = rtnl_change(r, set_msg(ifindex, (uint64_t)rate / 8, (uint64_t)burst));
	if (rc == -ENOENT)
		snprintf(why, VS_TEXT_LEN,
			 "token buckets are not in this kernel (CONFIG_NET_SCH_TBF)");
	else if (rc)
		snprintf(why, VS_TEXT_LEN, "%s", r->why);
	return rc;
}

struct counting {
	void (*fn)(void *arg, const struct vs_counters *c);
	void *arg;
};

static int take_counters(struct nlmsghdr *nlh, void *arg)
{
	const struct if_stats_msg *ism = nlmsg_data(nlh);
	struct nlattr *tb[IFLA_STATS_MAX + 1];
	struct rtnl_link_stats64 stats;
	struct counting *counting = arg;
	struct vs_counters c;

	if (nlmsg_parse(nlh, sizeof(*ism), tb, IFLA_STATS_MAX, NULL) < 0 ||
	    !tb[IFLA_STATS_LINK_64] || nla_len(tb[IFLA_STATS_LINK_64]) < (int)sizeof(stats))
		return 0;
	memcpy(&stats, nla_data(tb[IFLA_STATS_LINK_64]), sizeof(stats));
	c = (struct vs_counters){ .ifindex = (int)ism->ifindex,
				  .from_guest_bytes = stats.rx_bytes,
				  .to_guest_bytes = stats.tx_bytes,
				  .from_guest_packets = stats.rx_packets,
				  .to_guest_packets = stats.tx_packets };
	counting->fn(counting->arg, &c);
	return 0;
}

int rtnl_counters(struct vs_system *sys, void (*fn)(void *arg, const struct vs_counters *c),
		  void *arg)
{
	struct if_stats_msg ism = { .family = AF_UNSPEC,
				    .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) };
	struct counting counting = { .fn = fn, .arg = arg };

	return rtnl_ask((struct vs_rtnl *)sys,
			rtnl_msg(RTM_GETSTATS, NLM_F_DUMP, &ism, sizeof(ism)), take_counters,
			&counting);
}

const struct vs_doc_ops vs_rate_doc_ops = {
	.open = rate_open,
	.observe = rate_observe,
	.get = rate_get,
	.apply = rate_apply,
	.close = rate_close,
};
