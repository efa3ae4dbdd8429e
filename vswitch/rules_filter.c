/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "inet vifrost-filter": packets of which a guest of a routed network is one end; all others pass it
 * after one look.
 *
 *	forward	established: pass			input	from a guest:	to-host
 *		from or to a guest: guests		output	to a guest:	from-host
 *
 *	guests	invalid; sources that are not the network's; isolated networks; what was not asked
 *		for from outside to translated ones
 *		the policy's rules, first match wins
 *		what a forward let in
 *		the policy's defaults
 *	to-host	invalid; sources; what Vifrost itself serves; rules; default
 *	from-host  rules that say so; else all passes
 *
 * The address checks here are a second line: the guard of each vif is the first.
 */
#include "vswitch/rules_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>

static const int families[] = { AF_INET, AF_INET6 };

static bool serves_dhcp4(const struct vs_network *n)
{
	for (size_t i = 0; i < n->nr_subnets; i++)
		if (n->subnets[i].has_dhcp && n->subnets[i].prefix.family == AF_INET)
			return true;
	return false;
}

/* ---- Which packets are a guest's ---- */

static void add_way(struct rules_doc *d, const char *chain, const char *to, bool is_from,
		    bool (*by_address)(struct rules_doc *d, int family, char ref[RULES_REF_LEN]))
{
	char refs[RULES_DEVICES_MAX][RULES_REF_LEN];
	size_t nr = rules_devices(d, "guests", rules_any_network, refs);

	for (size_t i = 0; i < nr; i++)
		rules_add(d, chain, NULL, NULL, "%s %s goto %s", is_from ? "iifname" : "oifname",
			  refs[i], to);
	for (size_t i = 0; i < 2; i++)
		if (by_address(d, families[i], refs[0]))
			rules_add(d, chain, NULL, NULL, "%s %s %s goto %s", rules_word(families[i]),
				  is_from ? "saddr" : "daddr", refs[0], to);
}

/* "iifname != @dev.guests iifname != "vif*" ip saddr != @routed.4 " */
static void outside_text(struct rules_doc *d, bool is_from, int family, char text[RULES_TEXT_LEN])
{
	char refs[RULES_DEVICES_MAX][RULES_REF_LEN];
	size_t nr = rules_devices(d, "guests", rules_any_network, refs), len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < nr; i++)
		len += (size_t)snprintf(text + len, RULES_TEXT_LEN - len, "%s != %s ",
					is_from ? "iifname" : "oifname", refs[i]);
	if (rules_set_routed(d, family, refs[0]))
		snprintf(text + len, RULES_TEXT_LEN - len, "%s %s != %s ", rules_word(family),
			 is_from ? "saddr" : "daddr", refs[0]);
}

/* ---- What holds without a firewall, too ---- */

/* @chain sees packets from guests; @to_host: those that say who has which address, too. */
static void add_sources(struct rules_doc *d, const char *chain, bool to_host)
{
	static const char *const always[] = { "ip saddr != 0.0.0.0 ",
					      "ip6 saddr != fe80::/10 ip6 saddr != :: " };
	const struct vs_wanted *w = d->wanted;
	char ref[RULES_REF_LEN];

	for (size_t i = 0; i < w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i];

		for (size_t k = 0; rules_is_device(n) && n->nr_subnets && k < 2; k++) {
			const char *word = rules_word(families[k]);
			bool any = rules_set_network(d, n, families[k], ref);

			if (any)
				rules_add(d, chain, n->name, &n->place,
					  "iifname \"%s\" %s%s saddr != %s counter drop", n->name,
					  to_host ? always[k] : "", word, ref);
			else
				rules_add(d, chain, n->name, &n->place,
					  "iifname \"%s\" %smeta nfproto %s counter drop", n->name,
					  to_host ? always[k] : "", k ? "ipv6" : "ipv4");
			if (any && !to_host)
				rules_add(d, chain, n->name, &n->place,
					  "%s saddr %s iifname != \"%s\" counter drop", word, ref,
					  n->name);
		}
	}
}

/* Links of guests: what is not of their networks is theirs least of all. */
static void add_routed_sources(struct rules_doc *d)
{
	char ref[RULES_REF_LEN];

	for (size_t i = 0; i < d->wanted->nr_networks; i++) {
		if (!rules_is_by_address(&d->wanted->networks[i]))
			continue;
		for (size_t k = 0; k < 2; k++)
			if (rules_set_routed(d, families[k], ref))
				rules_add(d, "guests", "routed", NULL,
					  "iifname " RULES_VIF_LINKS " %s saddr != %s counter drop",
					  rules_word(families[k]), ref);
			else
				rules_add(d, "guests", "routed", NULL,
					  "iifname " RULES_VIF_LINKS
					  " meta nfproto %s counter drop",
					  k ? "ipv6" : "ipv4");
		return;
	}
}

static bool is_isolated_device(const struct vs_network *n)
{
	return rules_is_isolated(n) && rules_is_device(n) && !n->fast.is_per_guest;
}

/* Kept apart by the switch, they have but the host between them: back to where they came from they may go. */
static void add_isolated_apart(struct rules_doc *d)
{
	for (size_t i = 0; i < d->wanted->nr_networks; i++) {
		const struct vs_network *n = &d->wanted->networks[i];

		if (!rules_is_isolated(n) || !rules_is_device(n) || !n->fast.is_per_guest)
			continue;
		rules_add(d, "guests", n->name, &n->place,
			  "iifname \"%s\" oifname != \"%s\" counter drop", n->name, n->name);
		rules_add(d, "guests", n->name, &n->place,
			  "oifname \"%s\" iifname != \"%s\" counter drop", n->name, n->name);
	}
}

/*
 * Behind links of their own it is by addresses that guests of one network are told from those of another:
 * so each may have only what is routed to it, whatever its guard lets it say.
 */
static void add_isolated_links(struct rules_doc *d)
{
	const struct vs_wanted *w = d->wanted;
	char ref[RULES_REF_LEN];
	bool is_first = true;

	for (size_t i = 0; i < 2 * w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i / 2];
		const char *word = rules_word(families[i % 2]);

		if (!rules_is_isolated(n) || !rules_is_by_address(n) ||
		    !rules_set_network(d, n, families[i % 2], ref))
			continue;
		if (is_first)
			rules_add(d, "guests", "isolated", NULL,
				  "iifname " RULES_VIF_LINKS
				  " fib saddr . iif oif missing counter drop");
		is_first = false;
		rules_add(d, "guests", n->name, &n->place,
			  "%s saddr %s %s daddr != %s counter drop", word, ref, word, ref);
		rules_add(d, "guests", n->name, &n->place,
			  "%s daddr %s %s saddr != %s counter drop", word, ref, word, ref);
	}
}

static void add_isolated(struct rules_doc *d)
{
	char refs[RULES_DEVICES_MAX][RULES_REF_LEN];
	size_t nr = rules_devices(d, "isolated", is_isolated_device, refs);

	add_isolated_links(d);
	add_isolated_apart(d);
	for (size_t i = 0; i < nr; i++) {
		rules_add(d, "guests", "isolated", NULL, "iifname %s counter drop", refs[i]);
		rules_add(d, "guests", "isolated", NULL, "oifname %s counter drop", refs[i]);
	}
}

/* Addresses behind a translation are not for others to start talking to. */
static void add_unasked(struct rules_doc *d)
{
	const struct vs_wanted *w = d->wanted;
	char ref[RULES_REF_LEN], outside[RULES_TEXT_LEN];
	bool any = false;

	for (size_t i = 0; i < w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i];

		for (size_t k = 0; k < 2; k++) {
			if (!rules_is_translated(n, families[k]) ||
			    !rules_set_network(d, n, families[k], ref))
				continue;
			outside_text(d, true, families[k], outside);
			rules_add(d, "guests", n->name, &n->place, "%s%s daddr %s jump unasked",
				  outside, rules_word(families[k]), ref);
			any = true;
		}
	}
	if (!any)
		return;
	rules_chain(d, "unasked", NULL, NULL, 0);
	rules_add(d, "unasked", NULL, NULL, "ct status dnat return");
	rules_add(d, "unasked", NULL, NULL, "counter drop");
}

/* By another way than its egress a translated network's packets leave only to guests. */
static void add_egress(struct rules_doc *d)
{
	const struct vs_wanted *w = d->wanted;
	char outside[RULES_TEXT_LEN], ref[RULES_REF_LEN];

	for (size_t i = 0; i < w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i];

		for (size_t k = 0; k < 2; k++) {
			if (!n->egress.network[0] || !rules_is_translated(n, families[k]))
				continue;
			outside_text(d, false, families[k], outside);
			if (rules_is_device(n))
				rules_add(
					d, "guests", n->name, &n->place,
					"meta nfproto %s iifname \"%s\" oifname != \"%s\" %scounter drop",
					k ? "ipv6" : "ipv4", n->name, n->egress.network, outside);
			else if (rules_set_network(d, n, families[k], ref))
				rules_add(d, "guests", n->name, &n->place,
					  "%s saddr %s oifname != \"%s\" %scounter drop",
					  rules_word(families[k]), ref, n->egress.network, outside);
		}
	}
}

/* What a network can't do without. */
static void add_services(struct rules_doc *d)
{
	char refs[RULES_DEVICES_MAX][RULES_REF_LEN];
	size_t nr;

	rules_add(d, "to-host", "neighbours", NULL,
		  "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, "
		  "nd-neighbor-advert } accept");
	nr = rules_devices(d, "dhcp", serves_dhcp4, refs);
	for (size_t i = 0; i < nr; i++)
		rules_add(d, "to-host", "dhcp", NULL, "iifname %s udp dport 67 accept", refs[i]);
	nr = rules_devices(d, "guests", rules_any_network, refs);
	for (size_t i = 0; i < nr; i++) {
		rules_add(d, "to-host", "dns", NULL, "iifname %s udp dport { 53, 547 } accept",
			  refs[i]);
		rules_add(d, "to-host", "dns", NULL, "iifname %s tcp dport 53 accept", refs[i]);
	}
}

/*
 * A reply that the host sends itself has no UDP checksum yet when the guest reads it raw, as some DHCP
 * clients do: none at all satisfies them.
 */
static void add_dhcp_checksum(struct rules_doc *d)
{
	char refs[RULES_DEVICES_MAX][RULES_REF_LEN];
	size_t nr = rules_devices(d, "dhcp", serves_dhcp4, refs);

	for (size_t i = 0; i < nr; i++)
		rules_add(d, "output", "dhcp-checksum", NULL,
			  "oifname %s udp sport 67 udp dport 68 udp checksum set 0", refs[i]);
}

/* ---- The table ---- */

static void add_guests(struct rules_doc *d)
{
	const struct vs_firewall *fw = &d->wanted->firewall;
	struct rules_where forward = { .hook = RULES_FORWARD };

	rules_add(d, "guests", NULL, NULL, "ct state invalid counter drop");
	add_sources(d, "guests", false);
	add_routed_sources(d);
	add_isolated(d);
	add_unasked(d);
	add_egress(d);
	if (!fw->given)
		return;
	rules_add_policy(d, "guests", &forward);
	rules_add(d, "guests", NULL, NULL, "ct status dnat goto accepted");
	rules_chain(d, "from-guest", NULL, NULL, 0);
	add_way(d, "guests", "from-guest", true, rules_set_guests);
	rules_add_default(d, "guests", "ingress", fw->ingress, NULL, NULL);
	add_way(d, "from-guest", "guest-to-guest", false, rules_set_guests);
	rules_add_default(d, "from-guest", "egress", fw->egress, NULL, NULL);
	rules_chain(d, "guest-to-guest", NULL, NULL, 0);
	rules_add_default(d, "guest-to-guest", "guest-to-guest", fw->guest_to_guest, NULL, NULL);
}

/* Without a default, rules that accept change nothing by themselves. */
static bool has_refusals(struct rules_doc *d, const struct rules_where *where)
{
	const struct vs_firewall *fw = &d->wanted->firewall;

	for (size_t i = 0; i < fw->nr_rules; i++)
		if (fw->rules[i].action != VS_ACCEPT && rules_reach(d, where, &fw->rules[i]))
			return true;
	return false;
}

/* Return: whether there are rules for what the host says to guests. */
static bool add_host(struct rules_doc *d)
{
	const struct vs_firewall *fw = &d->wanted->firewall;
	struct rules_where input = { .hook = RULES_INPUT }, output = { .hook = RULES_OUTPUT };

	if (!fw->given)
		rules_add(d, "to-host", NULL, NULL, "ct state established,related accept");
	add_sources(d, "to-host", true);
	if (!fw->given)
		return false;
	add_services(d);
	rules_add(d, "to-host", NULL, NULL, "ct state invalid counter drop");
	rules_add_policy(d, "to-host", &input);
	rules_add_default(d, "to-host", "guest-to-host", fw->guest_to_host, NULL, NULL);
	if (!has_refusals(d, &output))
		return false;
	rules_chain(d, "from-host", NULL, NULL, 0);
	add_way(d, "output", "from-host", false, rules_set_routed);
	rules_add_policy(d, "from-host", &output);
	return true;
}

static bool has_guests(const struct vs_wanted *w)
{
	for (size_t i = 0; i < w->nr_networks; i++)
		if (!rules_is_segment(&w->networks[i]))
			return true;
	return false;
}

json_t *rules_filter(const struct vs_wanted *w, const char (*closed)[IFNAMSIZ], size_t nr_closed,
		     int *rc)
{
	static const char *const seen[] = { "forward", "to-host", "from-host" };
	struct rules_doc d;
	bool has_from_host;
	json_t *doc;

	*rc = 0;
	if (!has_guests(w) && !nr_closed && !w->management.nr_services)
		return NULL;
	rules_begin(&d, w);
	rules_chain(&d, "forward", "filter", "forward", 0);
	rules_chain(&d, "input", "filter", "input", 0);
	rules_chain(&d, "output", "filter", "output", 0);
	rules_chain(&d, "guests", NULL, NULL, 0);
	rules_chain(&d, "to-host", NULL, NULL, 0);
	if (!w->firewall.given)
		rules_add(&d, "forward", NULL, NULL, "ct state established,related accept");
	add_guests(&d);
	add_way(&d, "forward", "guests", true, rules_set_guests);
	add_way(&d, "forward", "guests", false, rules_set_guests);
	rules_add_management(&d, "input");
	add_way(&d, "input", "to-host", true, rules_set_routed);
	add_dhcp_checksum(&d);
	has_from_host = add_host(&d);
	if (w->firewall.given) {
		rules_begin_verdicts(&d, false);
		rules_add_seen(&d, seen, has_from_host ? 3 : 2);
	}
	for (size_t i = 0; i < nr_closed; i++) {
		rules_add_first(&d, "forward", "closed", "iifname \"%s\" counter drop", closed[i]);
		rules_add_first(&d, "forward", "closed", "oifname \"%s\" counter drop", closed[i]);
	}

	doc = rules_end(&d);
	*rc = d.rc;
	return doc;
}
