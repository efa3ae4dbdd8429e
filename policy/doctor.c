/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>

#define TEXT_LEN (PATH_MAX + 512)

struct doctor {
	const struct doctor_facts *facts;
	json_t *findings; /* NULL after an error */
};

static void find(struct doctor *d, const char *code, bool is_error, const char *who,
		 const char *fix, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
static void find(struct doctor *d, const char *code, bool is_error, const char *who,
		 const char *fix, const char *fmt, ...)
{
	char what[TEXT_LEN];
	json_t *finding;
	va_list args;
	int rc;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	finding = json_pack("{ss ss ss ss ss}", "code", code, "severity",
			    is_error ? "error" : "warning", "who", who, "what", what, "fix", fix);
	/* Errors stand before warnings. */
	rc = is_error ? json_array_insert_new(d->findings, 0, finding)
		      : json_array_append_new(d->findings, finding);
	if (d->findings && rc) {
		json_decref(d->findings);
		d->findings = NULL;
	}
}

/* ---- Firewalls ---- */

static const struct firewall {
	const char *chain; /* one of its chains begins so; NULL: its table is so named */
	const char *table, *who, *fix;
} firewalls[] = {
	{ "DOCKER", NULL, "Docker",
	  "let guests pass its hook: 'iptables -I DOCKER-USER -i NETWORK -j ACCEPT' and the same with -o, "
	  "for each of our networks; or start dockerd with \"iptables\": false" },
	{ NULL, "firewalld", "firewalld",
	  "put our networks into a zone that forwards: 'firewall-cmd --permanent --zone=trusted "
	  "--add-interface=NETWORK' and 'firewall-cmd --reload'" },
	{ "ufw-", NULL, "ufw",
	  "allow forwarding: 'ufw default allow routed', or 'ufw route allow in on NETWORK' and the same "
	  "with out" },
	{ "LIBVIRT_", NULL, "libvirt",
	  "its networks and ours can live together; remove its FORWARD drop" },
	{ NULL, NULL, "someone's firewall",
	  "accept what comes from and goes to our networks in it" },
};

static const struct firewall *who_has(const struct nft_look *nft, uint8_t family, const char *table)
{
	const struct firewall *f = firewalls;

	for (; f->chain || f->table; f++)
		if (f->chain ? nft_look_has(nft, family, table, f->chain)
			     : !strcmp(table, f->table))
			break;
	return f;
}

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_BRIDGE:
		return "bridge";
	default:
		return "netdev";
	}
}

static bool filters_bridged(const struct doctor_facts *f, uint8_t family)
{
	const int *s = f->kernel.sysctls;

	return (family != NFPROTO_IPV6 && s[VS_SYSCTL_BRIDGE_NF_IPTABLES] == 1) ||
	       (family != NFPROTO_IPV4 && s[VS_SYSCTL_BRIDGE_NF_IP6TABLES] == 1);
}

static void judge_forward(struct doctor *d, uint8_t family, const char *table, const char *chain,
			  const struct firewall *f)
{
	const struct doctor_facts *facts = d->facts;
	bool bridged = facts->has_bridged && filters_bridged(facts, family);

	find(d, "VD01", facts->has_routed || bridged, f->who, f->fix,
	     "drops what the host forwards, by the policy of chain %s in table %s %s: guests of %s",
	     chain, family_name(family), table,
	     bridged		 ? "all networks are cut off, bridged ones by br_netfilter"
	     : facts->has_routed ? "nat and routed networks are cut off"
				 : "nat and routed networks would be cut off");
}

static void judge_nft(struct doctor *d)
{
	const struct nft_look *nft = &d->facts->nft;

	for (size_t i = 0; i < nft->nr; i++) {
		const struct nft_look_chain *c = &nft->chains[i];

		if (!c->is_base || !c->drops)
			continue;
		if (c->family == NFPROTO_BRIDGE && c->hook == NF_BR_FORWARD)
			find(d, "VD02", d->facts->has_bridged, "someone's bridge firewall",
			     "accept what our networks bridge in it, or set its policy to accept",
			     "drops bridged frames, by the policy of chain %s in table bridge %s",
			     c->name, c->table);
		else if ((c->family == NFPROTO_IPV4 || c->family == NFPROTO_IPV6 ||
			  c->family == NFPROTO_INET) &&
			 c->hook == NF_INET_FORWARD)
			judge_forward(d, c->family, c->table, c->name,
				      who_has(nft, c->family, c->table));
	}
	/* firewalld's chain has the policy accept and ends in a reject. */
	if (nft_look_has(nft, NFPROTO_INET, "firewalld", "filter_FORWARD"))
		judge_forward(d, NFPROTO_INET, "firewalld", "filter_FORWARD",
			      who_has(nft, NFPROTO_INET, "firewalld"));
}

static void judge_legacy(struct doctor *d)
{
	const struct firewall *f = firewalls;
	static const uint8_t families[2] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	const struct vs_link *docker = vs_observed_link(&d->facts->kernel, "docker0");

	while (!docker && (f->chain || f->table))
		f++;
	for (int i = 0; i < 2; i++)
		if (d->facts->legacy[i] == DOCTOR_POLICY_DROP)
			judge_forward(d, families[i], "filter (iptables-legacy)", "FORWARD", f);
}

static void judge_bridge_nf(struct doctor *d)
{
	if (filters_bridged(d->facts, NFPROTO_INET))
		find(d, "VD03", d->facts->has_bridged, "br_netfilter",
		     "'sysctl net.bridge.bridge-nf-call-iptables=0' and the same for ip6tables, also in "
		     "/etc/sysctl.d; Docker and Kubernetes set it",
		     "bridged frames of guests pass the host's iptables and connection tracking");
}

/* ---- Who else manages our links ---- */

static const struct manager {
	const char *who, *fix;
} managers[] = {
	{ "NetworkManager",
	  "install configs/NetworkManager/conf.d/90-vifrost.conf in "
	  "/etc/NetworkManager/conf.d with the link's name, 'nmcli general reload'" },
	{ "systemd-networkd",
	  "install configs/systemd/network/10-vifrost.network in /etc/systemd/network "
	  "with the link's name, 'networkctl reload'" },
	{ "ifupdown",
	  "take its stanza out of /etc/network/interfaces: addresses stand in the policy" },
};

static void judge_links(struct doctor *d)
{
	for (size_t i = 0; i < d->facts->nr_links; i++) {
		const struct doctor_link *l = &d->facts->links[i];
		const bool manages[] = { l->nm, l->networkd, l->ifupdown };

		for (size_t m = 0; m < sizeof(manages) / sizeof(manages[0]); m++)
			if (manages[m])
				find(d, "VD04", false, managers[m].who, managers[m].fix,
				     "manages %s, %s: it may take down or reconfigure it", l->name,
				     l->is_ours ? "which is ours" : "an uplink of ours");
	}
}

/* ---- Switches of the kernel ---- */

static void judge_routing(struct doctor *d)
{
	const struct doctor_facts *f = d->facts;

	if (!f->has_routed)
		return;
	if (f->kernel.sysctls[VS_SYSCTL_FORWARDING4] == 0)
		find(d, "VD05", true, "net.ipv4.ip_forward",
		     "'sysctl net.ipv4.ip_forward=1', and look who turns it off in /etc/sysctl.d",
		     "the host does not forward IPv4: guests of nat and routed networks are cut off");
	if (f->rp_filter == 1)
		find(d, "VD06", false, "rp_filter",
		     "'sysctl net.ipv4.conf.all.rp_filter=2' (loose)",
		     "strict reverse path filtering drops packets of guests that come another way than "
		     "their answers go");
}

static void judge_resolver(struct doctor *d)
{
	if (d->facts->unasked[0])
		find(d, "VD07", false, "/etc/resolv.conf",
		     "write 'resolv-conf: true' under \"host:\" in the policy; or make it a symbolic "
		     "link to that file; or leave it, if the host is to ask others than guests do",
		     "does not lead to %s: the host does not ask the policy's nameservers",
		     d->facts->unasked);
}

json_t *doctor_judge(const struct doctor_facts *facts)
{
	struct doctor d = { .facts = facts, .findings = json_array() };

	if (!d.findings)
		return NULL;
	judge_bridge_nf(&d);
	judge_nft(&d);
	judge_legacy(&d);
	judge_routing(&d);
	judge_links(&d);
	judge_resolver(&d);
	return d.findings;
}
