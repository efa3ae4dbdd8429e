/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One vif's guard: what differs from vif to vif. guard_shared.c has the chains that its rules lead to. */
#include "vswitch/guard.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "vswitch/nft.h"

#define FROM_PRIORITY (-300)
#define TO_PRIORITY   0
#define GROUP	      "01:00:00:00:00:00"

json_t *guard_chain(const char *link, const json_t *guard, bool is_from)
{
	const char *policy = json_string_value(json_object_get(guard, "policy"));
	char name[NFT_RULE_LEN];

	snprintf(name, sizeof(name), "%s%s", is_from ? GUARD_FROM : GUARD_TO, link);
	return json_pack("{ss ss ss ss si ss}", "name", name, "type", "filter", "hook",
			 is_from ? "ingress" : "egress", "device", link, "priority",
			 is_from ? FROM_PRIORITY : TO_PRIORITY, "policy",
			 is_from && policy ? policy : "accept");
}

/* A document that is being written. */
struct guard {
	const struct vs_vif *vif;
	json_t *rules, *own; /* rules: of the chain that is being written */
	bool is_nomem;
	char mac[MAC_TEXT_LEN];
	struct vs_prefix addrs[VS_VIF_ADDRS_MAX + 1];
	size_t nr_addrs;
};

static void rule(struct guard *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void rule(struct guard *g, const char *format, ...)
{
	char text[NFT_RULE_LEN + 16];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (json_array_append_new(g->rules, json_string(text)) != 0)
		g->is_nomem = true;
}

static void add_own(struct guard *g, const char *text)
{
	if (json_array_append_new(g->own, json_string(text)) != 0)
		g->is_nomem = true;
}

/* "10.0.0.1", "2001:db8::/64" */
static void prefix_text(const struct vs_prefix *p, char *text, size_t size)
{
	char addr[INET6_ADDRSTRLEN];
	unsigned int full = p->family == AF_INET ? 32 : 128;

	inet_ntop(p->family, p->address, addr, sizeof(addr));
	if (p->len == full)
		snprintf(text, size, "%s", addr);
	else
		snprintf(text, size, "%s/%u", addr, p->len);
}

static bool has_family(const struct guard *g, uint8_t family)
{
	for (size_t i = 0; i < g->nr_addrs; i++)
		if (g->addrs[i].family == family)
			return true;
	return false;
}

/* Whether @p lies in @in. */
static bool lies_in(const struct vs_prefix *p, const struct vs_prefix *in)
{
	if (p->family != in->family || p->len < in->len)
		return false;
	for (unsigned int bit = 0; bit < in->len; bit++)
		if ((p->address[bit / 8] ^ in->address[bit / 8]) & (0x80 >> (bit % 8)))
			return false;
	return true;
}

static void add_addr(struct guard *g, const struct vs_prefix *p)
{
	for (size_t i = 0; i < g->nr_addrs; i++)
		if (lies_in(p, &g->addrs[i]))
			return;
	for (size_t i = g->nr_addrs; i-- > 0;)
		if (lies_in(&g->addrs[i], p))
			g->addrs[i] = g->addrs[--g->nr_addrs];
	g->addrs[g->nr_addrs++] = *p;
}

static bool is_apart(const struct vs_vif *vif)
{
	return vif->isolation == VS_ISOLATION_GUEST && vif->has_mac && !vif->receive_only;
}

/* The addresses listed; with any of IPv6 also the link-local one that is made of the MAC. */
static void write_own(struct guard *g)
{
	static const struct vs_prefix any_link_local = { .family = AF_INET6,
							 .len = 10,
							 .address = { 0xfe, 0x80 } };
	bool is_strict = g->vif->anti_spoof == VS_SPOOF_STRICT;
	const uint8_t *m = g->vif->mac;
	struct vs_prefix link_local = {
		.family = AF_INET6,
		.len = 128,
		.address = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3],
			     m[4], m[5] },
	};
	char text[INET6_ADDRSTRLEN + 5];

	add_own(g, g->mac);
	if (!is_strict && !is_apart(g->vif))
		return;
	for (size_t i = 0; i < g->vif->nr_addrs; i++)
		add_addr(g, &g->vif->addrs[i]);
	if (is_strict && has_family(g, AF_INET6))
		add_addr(g, &link_local);
	else if (!is_strict && g->nr_addrs)
		add_addr(g, &any_link_local);
	for (size_t i = 0; i < g->nr_addrs; i++) {
		prefix_text(&g->addrs[i], text, sizeof(text));
		add_own(g, text);
	}
	if (is_strict && (has_family(g, AF_INET) || g->vif->by_lease))
		add_own(g, "dhcp");
	if (is_strict && has_family(g, AF_INET6))
		add_own(g, "slaac");
}

/* Of a trunk: the tag must be one of its own. */
static void write_trunk(struct guard *g)
{
	const struct vs_vlans *v = &g->vif->vlans;
	char ids[VS_TRUNK_MAX * 11 + 1] = "";
	size_t len = 0;

	for (size_t i = 0; i < v->nr_trunk; i++) {
		bool is_range = v->trunk[i].first != v->trunk[i].last;

		len += (size_t)snprintf(ids + len, sizeof(ids) - len, is_range ? "%s%u-%u" : "%s%u",
					i ? ", " : "", v->trunk[i].first, v->trunk[i].last);
	}
	rule(g, "ether type 8021ad goto vlan");
	rule(g, "vlan id != { %s } goto vlan", ids);
}

static void write_limit(struct guard *g, uint64_t pps, const char *end)
{
	uint64_t burst = pps / 20 + 32;

	if (pps)
		rule(g, "limit rate over %llu/second burst %llu packets goto %s",
		     (unsigned long long)pps,
		     (unsigned long long)(burst > UINT32_MAX ? UINT32_MAX : burst), end);
}

static void write_from(struct guard *g)
{
	const struct vs_vif *vif = g->vif;
	bool is_trunk = vif->vlans.nr_trunk != 0;

	write_limit(g, vif->from_guest.packets_per_s, "rate");
	if (vif->receive_only || (vif->anti_spoof != VS_SPOOF_ANY && !vif->has_mac)) {
		/* None of its own, or nothing is known that it could be held to: it stays silent. */
		rule(g, "goto spoof_mac");
		return;
	}
	if (vif->anti_spoof != VS_SPOOF_ANY)
		rule(g, "ether saddr != %s goto spoof_mac", g->mac);
	if (is_trunk)
		write_trunk(g);
	if (vif->anti_spoof == VS_SPOOF_STRICT)
		rule(g, "goto %s", is_trunk ? "trunk" : "strict");
	else if (vif->anti_spoof == VS_SPOOF_MAC)
		rule(g, "goto %s", is_trunk ? "mac_trunk" : "mac");
	else if (vif->vlans.access)
		for (int i = 0; i < 2; i++)
			rule(g, "ether type %s goto vlan", i ? "8021ad" : "8021q");
}

/*
 * What is not for the guest. Open vSwitch in user space sends many frames by one call, and gives up on those
 * behind one that is dropped: so there a frame is sent on, by a link that cannot be. @match: "" or ends in a blank.
 */
static void refuse_to(struct guard *g, const char *match, const char *reason, bool is_from_program)
{
	if (!is_from_program) {
		rule(g, "%sgoto %s", match, reason);
		return;
	}
	rule(g, "%sjump count_%s", match, reason);
	rule(g, "%sfwd to %d", match, INT_MAX);
}

static void write_apart(struct guard *g, bool is_from_program)
{
	rule(g, "ether daddr %s accept", g->mac);
	rule(g, "ether daddr & " GROUP " == " GROUP " jump %s",
	     g->vif->nr_addrs ? "apart_addrs" : "apart");
	refuse_to(g, "", "others", is_from_program);
}

static void write_to(struct guard *g, bool is_from_program)
{
	bool is_held = g->vif->anti_spoof != VS_SPOOF_ANY && !g->vif->receive_only;
	char foreign[NFT_RULE_LEN];

	if (is_held && !is_apart(g->vif) && g->vif->has_mac) {
		snprintf(foreign, sizeof(foreign),
			 "ether daddr & " GROUP " == 00:00:00:00:00:00 ether daddr != %s ", g->mac);
		refuse_to(g, foreign, "foreign_mac", is_from_program);
	}
	write_limit(g, g->vif->to_guest.packets_per_s, "to_rate");
	if (is_apart(g->vif))
		write_apart(g, is_from_program);
}

json_t *guard_doc(const struct vs_vif *vif, bool *is_needed)
{
	struct guard g = { .vif = vif };
	json_t *doc;

	*is_needed = vif->anti_spoof != VS_SPOOF_ANY || vif->receive_only || vif->vlans.access ||
		     vif->vlans.nr_trunk || vif->from_guest.packets_per_s ||
		     vif->to_guest.packets_per_s || is_apart(vif);
	if (!*is_needed)
		return NULL;
	format_mac(vif->mac, g.mac);
	doc = json_pack("{s{ss s[]} s[] s[]}", "from", "policy",
			vif->anti_spoof == VS_SPOOF_STRICT || vif->receive_only ? "drop" : "accept",
			"rules", "to", "own");
	g.rules = json_object_get(json_object_get(doc, "from"), "rules");
	g.own = json_object_get(doc, "own");
	if (is_apart(vif) ||
	    (vif->anti_spoof != VS_SPOOF_ANY && vif->has_mac && !vif->receive_only))
		write_own(&g);
	write_from(&g);
	g.rules = json_object_get(doc, "to");
	write_to(&g, false);
	if (!doc || g.is_nomem || nft_sort(g.own) != 0) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

json_t *guard_stack_doc(const struct vs_vif *vif)
{
	struct guard g = { .vif = vif };
	json_t *doc = json_pack("{s{ss s[]} s[] s[]}", "from", "policy", "drop", "rules", "to",
				"own");

	format_mac(vif->mac, g.mac);
	g.own = json_object_get(doc, "own");
	if (is_apart(vif))
		write_own(&g);
	g.rules = json_object_get(doc, "to");
	write_to(&g, true);
	if (!doc || g.is_nomem || nft_sort(g.own) != 0) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}
