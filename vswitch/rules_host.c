/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operator's way in: services of the host that some reach by the management network before any rule
 * of the firewall is looked at, and that nobody else reaches by networks of ours. Links that are not ours
 * are not spoken of.
 */
#include "vswitch/rules_priv.h"

#include <stdio.h>
#include <string.h>
#include <netinet/in.h>

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

static const char *word_of(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : "udp";
}

static void add_verdict(struct rules_doc *d, const char *chain, const char *match,
			const char *verdict)
{
	const struct vs_management *m = &d->wanted->management;
	char ref[RULES_REF_LEN];

	for (size_t i = 0; i < 2; i++)
		if (rules_set_services(d, protocols[i], ref))
			rules_add(d, chain, "management", &m->place, "%s%s dport %s counter %s",
				  match, word_of(protocols[i]), ref, verdict);
}

void rules_add_allowed(struct rules_doc *d, const char *chain, const char *match)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char ref[RULES_REF_LEN], text[RULES_TEXT_LEN];

	if (!d->wanted->management.nr_allow)
		add_verdict(d, chain, match, "accept");
	for (size_t i = 0; i < 2; i++) {
		if (!rules_set_allowed(d, families[i], ref))
			continue;
		snprintf(text, sizeof(text), "%s%s saddr %s ", match, rules_word(families[i]), ref);
		add_verdict(d, chain, text, "accept");
	}
}

void rules_add_management(struct rules_doc *d, const char *chain)
{
	const struct vs_management *m = &d->wanted->management;
	char ref[RULES_REF_LEN], text[RULES_REF_LEN + 16];

	if (!m->nr_services)
		return;
	snprintf(text, sizeof(text), "iifname \"%s\" ", m->network);
	rules_add_allowed(d, chain, text);
	if (!m->nr_allow)
		return;
	rules_set_all_devices(d, ref);
	snprintf(text, sizeof(text), "iifname %s ", ref);
	add_verdict(d, chain, text, "drop");
	for (size_t i = 0; i < d->wanted->nr_networks; i++)
		if (rules_is_by_address(&d->wanted->networks[i])) {
			add_verdict(d, chain, "iifname " RULES_VIF_LINKS " ", "drop");
			break;
		}
}
