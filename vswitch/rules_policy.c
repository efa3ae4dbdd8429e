/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy's named rules, as rules of one chain: in the file's order, so that the first match wins.
 *
 * What was allowed once passes by its connection's mark, which is a hash of all rules: with other rules
 * every connection is looked at again, at its next packet in the direction that it began in, and goes
 * on or is marked as refused in both. So tightening a rule cuts what lives, without a moment's gap for
 * what stays allowed.
 */
#include "vswitch/rules_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>

#define LOG_LIMIT "limit rate 10/second"

static const struct vs_peer anyone = { .kind = VS_PEER_ANY };

static const char *const verdict_chains[] = {
	[VS_ACCEPT] = "accepted", [VS_DROP] = "dropped", [VS_REJECT] = "rejected"
};

static uint32_t hash_text(uint32_t hash, const char *text)
{
	for (; text && *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

/*
 * FNV-1a, of what decides: not of comments, which change with every line above a rule, nor of addresses of
 * names, which change by themselves: what was let in by an older address lives on.
 */
static uint32_t hash_rules(struct rules_doc *d)
{
	json_t *fixed = rules_fixed_sets(d);
	char *sets = json_dumps(fixed, JSON_COMPACT | JSON_SORT_KEYS);
	uint32_t hash = hash_text(2166136261u, sets);
	const json_t *rule;
	size_t i;

	if (!sets)
		d->rc = d->rc ? d->rc : -ENOMEM;
	json_array_foreach (d->rules, i, rule) {
		hash = hash_text(hash, json_string_value(json_object_get(rule, "chain")));
		hash = hash_text(hash, json_string_value(json_object_get(rule, "rule")));
	}
	free(sets);
	json_decref(fixed);
	return hash;
}

void rules_begin_verdicts(struct rules_doc *d, bool is_bridge)
{
	uint32_t passed, refused;

	for (size_t i = 0; i < 3; i++)
		rules_chain(d, verdict_chains[i], NULL, NULL, 0);
	passed = hash_rules(d) & ~1u;
	passed = passed ? passed : 2;
	refused = passed | 1;
	d->mark = passed;
	rules_add(d, "accepted", NULL, NULL, "ct mark set 0x%08x accept", passed);
	rules_add(d, "dropped", NULL, NULL, "ct mark set 0x%08x drop", refused);
	if (is_bridge) {
		rules_add(d, "rejected", NULL, NULL, "ct mark set 0x%08x drop", refused);
		return;
	}
	rules_add(d, "rejected", NULL, NULL, "ct mark set 0x%08x", refused);
	rules_add(d, "rejected", NULL, NULL, "meta l4proto tcp reject with tcp reset");
	rules_add(d, "rejected", NULL, NULL, "reject with icmpx admin-prohibited");
}

void rules_add_seen(struct rules_doc *d, const char *const *chains, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		rules_add_first(d, chains[i], NULL,
				"ct direction reply ct state established,related accept");
		rules_add_first(d, chains[i], NULL, "ct mark 0x%08x drop", d->mark | 1);
		rules_add_first(d, chains[i], NULL,
				"ct state established,related ct mark 0x%08x accept", d->mark);
	}
}

void rules_add_default(struct rules_doc *d, const char *chain, const char *name,
		       enum vs_verdict verdict, const char *word, const char *device)
{
	if (word)
		rules_add(d, chain, name, NULL, "%s \"%s\" counter goto %s", word, device,
			  verdict_chains[verdict]);
	else
		rules_add(d, chain, name, NULL, "counter goto %s", verdict_chains[verdict]);
}

/* The family of a protocol that has only one. */
static int protocol_family(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP ? AF_INET : protocol == IPPROTO_ICMPV6 ? AF_INET6 : 0;
}

/* Families of both ends and of the protocol together. Return: false: no packet has them. */
static bool join_families(const int *v, size_t nr, int *family)
{
	*family = 0;
	for (size_t i = 0; i < nr; i++) {
		if (v[i] && *family && v[i] != *family)
			return false;
		if (v[i])
			*family = v[i];
	}
	return true;
}

static void add_one(struct rules_doc *d, const char *chain, const struct vs_rule *r,
		    const char *ends, const char *protocol)
{
	char name[RULES_NAME_LEN];

	rules_short_name(r->name, name);
	if (r->log)
		rules_add(d, chain, r->name, &r->place,
			  "%s%s" LOG_LIMIT " log prefix \"vifrost %s: \"", ends, protocol, name);
	rules_add(d, chain, r->name, &r->place, "%s%scounter goto %s", ends, protocol,
		  verdict_chains[r->action]);
}

/* @protocol: with ports. */
static void protocol_text(struct rules_doc *d, const struct vs_rule *r, const char *protocol,
			  char text[80])
{
	const struct vs_port_range *p = &r->ports[0];
	char ref[RULES_REF_LEN];

	if (r->nr_ports > 1) {
		rules_set_ports(d, r, ref);
		snprintf(text, 80, "%s dport %.40s ", protocol, ref);
	} else if (p->first == p->last) {
		snprintf(text, 80, "%s dport %u ", protocol, p->first);
	} else {
		snprintf(text, 80, "%s dport %u-%u ", protocol, p->first, p->last);
	}
}

static void add_protocols(struct rules_doc *d, const char *chain, const struct vs_rule *r,
			  const char *ends)
{
	static const struct {
		uint8_t protocol;
		const char *text;
	} with_ports[] = { { IPPROTO_TCP, "tcp" },
			   { IPPROTO_UDP, "udp" },
			   { IPPROTO_SCTP, "meta l4proto sctp th" } };
	char text[80] = "";

	for (size_t i = 0; r->nr_ports && i < 3; i++) {
		if (r->protocol && r->protocol != with_ports[i].protocol)
			continue;
		protocol_text(d, r, with_ports[i].text, text);
		add_one(d, chain, r, ends, text);
	}
	if (r->nr_ports)
		return;
	if (protocol_family(r->protocol))
		snprintf(text, sizeof(text), "meta protocol %s meta l4proto %u ",
			 rules_word(protocol_family(r->protocol)), r->protocol);
	else if (r->protocol)
		snprintf(text, sizeof(text), "meta l4proto %u ", r->protocol);
	add_one(d, chain, r, ends, text);
}

/* @chain NULL: only count. Return: the ways in which these ends can match. */
static size_t add_ends(struct rules_doc *d, const char *chain, const struct rules_where *where,
		       const struct vs_rule *r, const struct vs_peer *from,
		       const struct vs_peer *to)
{
	struct rules_match f[RULES_MATCHES_MAX], t[RULES_MATCHES_MAX];
	size_t nr_f = rules_peer(d, where, from, true, f),
	       nr_t = rules_peer(d, where, to, false, t);
	char ends[RULES_TEXT_LEN];
	size_t nr = 0;
	int family;

	for (size_t i = 0; i < nr_f * nr_t; i++) {
		const struct rules_match *a = &f[i / nr_t], *b = &t[i % nr_t];
		const int v[] = { a->family, b->family, protocol_family(r->protocol) };

		if (!join_families(v, 3, &family))
			continue;
		nr++;
		snprintf(ends, sizeof(ends), "%s%s", a->text, b->text);
		if (chain)
			add_protocols(d, chain, r, ends);
	}
	return nr;
}

static size_t add_rule(struct rules_doc *d, const char *chain, const struct rules_where *where,
		       const struct vs_rule *r)
{
	size_t nr_from = r->nr_from ? r->nr_from : 1, nr_to = r->nr_to ? r->nr_to : 1;
	size_t nr = 0;

	for (size_t i = 0; i < nr_from * nr_to; i++)
		nr += add_ends(d, chain, where, r, r->nr_from ? &r->from[i / nr_to] : &anyone,
			       r->nr_to ? &r->to[i % nr_to] : &anyone);
	return nr;
}

bool rules_reach(struct rules_doc *d, const struct rules_where *where, const struct vs_rule *r)
{
	return add_rule(d, NULL, where, r) != 0;
}

void rules_add_policy(struct rules_doc *d, const char *chain, const struct rules_where *where)
{
	const struct vs_firewall *fw = &d->wanted->firewall;

	for (size_t i = 0; i < fw->nr_rules; i++)
		add_rule(d, chain, where, &fw->rules[i]);
}
