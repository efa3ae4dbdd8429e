/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/docs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/conntrack.h"
#include "vswitch/dhcpcd.h"
#include "vswitch/dnsmasq.h"
#include "vswitch/nft.h"
#include "vswitch/offload.h"
#include "vswitch/ports.h"
#include "vswitch/resolv.h"

const struct vs_doc_ops *const vs_doc_ops[VS_DOC_NR] = {
	[VS_DOC_NFT] = &nft_doc_ops,
	[VS_DOC_OVS_BRIDGE] = &ovs_bridge_ops,
	[VS_DOC_OVS_PORT] = &ovs_port_ops,
	[VS_DOC_DNSMASQ] = &dnsmasq_doc_ops,
	[VS_DOC_DHCP] = &dhcpcd_doc_ops,
	[VS_DOC_VLANS] = &vs_vlans_doc_ops,
	[VS_DOC_RATE] = &vs_rate_doc_ops,
	[VS_DOC_RESOLV] = &resolv_doc_ops,
	[VS_DOC_FDB] = &vs_fdb_doc_ops,
	[VS_DOC_OFFLOAD] = &offload_doc_ops,
	[VS_DOC_XDP] = &vs_xdp_doc_ops,
	[VS_DOC_FAST_NETWORK] = &fastnet_network_ops,
	[VS_DOC_FAST_PORT] = &fastnet_port_ops,
	[VS_DOC_PORTS] = &ports_doc_ops,
};

static const struct {
	const char *text;	/* for people, before its name */
	const char *vif_prefix; /* of the name, before the link's; NULL: not a vif's */
} kinds[VS_DOC_NR] = {
	[VS_DOC_NFT] = { "nftables table", "netdev vifrost-" },
	[VS_DOC_OVS_BRIDGE] = { "Open vSwitch bridge", NULL },
	[VS_DOC_OVS_PORT] = { "Open vSwitch port", "" },
	[VS_DOC_DNSMASQ] = { "DHCP and DNS for", NULL },
	[VS_DOC_DHCP] = { "the host's DHCP client on", NULL },
	[VS_DOC_VLANS] = { "VLANs of", "" },
	[VS_DOC_RATE] = { "rate limit of", "" },
	[VS_DOC_RESOLV] = { "name servers in", NULL },
	[VS_DOC_FDB] = { "forwarding entry of", "" },
	[VS_DOC_OFFLOAD] = { "offloads of", NULL },
	[VS_DOC_XDP] = { "packet filter of", "" },
	[VS_DOC_FAST_NETWORK] = { "vifrost-netback's switch", NULL },
	[VS_DOC_FAST_PORT] = { "switch port of", "" },
	[VS_DOC_PORTS] = { "ports kept from sockets of the", NULL },
};

const char *vs_doc_text(enum vs_doc_kind kind)
{
	return kinds[kind].text;
}

bool vs_doc_of_vif(enum vs_doc_kind kind, const char *link, char name[VS_TEXT_LEN])
{
	if (!kinds[kind].vif_prefix)
		return false;
	snprintf(name, VS_TEXT_LEN, "%s%s", kinds[kind].vif_prefix, link);
	return true;
}

const char *vs_doc_link(enum vs_doc_kind kind, const char *name)
{
	const char *prefix = kinds[kind].vif_prefix;

	return prefix && !strncmp(name, prefix, strlen(prefix)) ? name + strlen(prefix) : NULL;
}

static int open_kind(struct vs_docs *d, enum vs_doc_kind kind, char *why)
{
	const struct vs_doc_ops *ops = vs_doc_ops[kind];
	int rc;

	if (d->is_open[kind])
		return 0;
	if (!ops) {
		snprintf(why, VS_TEXT_LEN, "not supported by this build");
		return -EOPNOTSUPP;
	}
	rc = ops->open(d->rundir, &d->ctx[kind], why);
	d->is_open[kind] = !rc;
	return rc;
}

int vs_docs_observe(struct vs_docs *d, unsigned int which, struct vs_observed *o, char *why)
{
	int rc = 0;

	for (int i = 0; !rc && i < VS_DOC_NR; i++) {
		enum vs_doc_kind kind = (enum vs_doc_kind)i;

		if (!(which & VS_DOC_BIT(kind)) || !vs_doc_ops[kind])
			continue;
		rc = open_kind(d, kind, why);
		if (!rc)
			rc = vs_doc_ops[kind]->observe(d->ctx[kind], o, why);
	}
	return rc;
}

int vs_docs_get(struct vs_docs *d, enum vs_doc_kind kind, const char *name, json_t **doc, char *why)
{
	int rc;

	*doc = NULL;
	if (!vs_doc_ops[kind])
		return 0;
	rc = open_kind(d, kind, why);
	return rc ? rc : vs_doc_ops[kind]->get(d->ctx[kind], name, doc, why);
}

int vs_docs_apply(struct vs_docs *d, const struct vs_op *op, char *why)
{
	enum vs_doc_kind kind = (enum vs_doc_kind)op->index;
	int rc = op->index < VS_DOC_NR ? open_kind(d, kind, why) : -EINVAL;

	return rc ? rc : vs_doc_ops[kind]->apply(d->ctx[kind], op->text, op->doc, why);
}

int vs_docs_apply_many(struct vs_docs *d, const struct vs_op *const *ops, size_t nr, char *why)
{
	enum vs_doc_kind kind = (enum vs_doc_kind)ops[0]->index;
	int rc = ops[0]->index < VS_DOC_NR ? open_kind(d, kind, why) : -EINVAL;

	return rc ? rc : vs_doc_ops[kind]->apply_many(d->ctx[kind], ops, nr, why);
}

int vs_docs_end_flows(struct vs_docs *d, const json_t *which, char *why)
{
	int rc = open_kind(d, VS_DOC_OVS_BRIDGE, why);

	return rc ? rc : ovs_conntrack_end(d->ctx[VS_DOC_OVS_BRIDGE], which, why);
}

void vs_docs_close(struct vs_docs *d)
{
	for (int i = 0; i < VS_DOC_NR; i++)
		if (d->is_open[i])
			vs_doc_ops[i]->close(d->ctx[i]);
	*d = (struct vs_docs){ 0 };
}

bool vs_op_gathers(const struct vs_op *op)
{
	return op->kind == VS_OP_DOC && op->index < VS_DOC_NR && vs_doc_ops[op->index] &&
	       vs_doc_ops[op->index]->apply_many;
}
