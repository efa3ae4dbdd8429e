/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is meant, as matches on packets. A rule is made for each way that its ends can match together,
 * each of one family at most, so that an end of one family never widens what the other says.
 */
#include "vswitch/rules_priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const int families[RULES_MATCHES_MAX] = { AF_INET, AF_INET6 };

static size_t match_all(struct rules_match *out)
{
	*out = (struct rules_match){ .family = 0 };
	return 1;
}

static void match_ref(struct rules_match *out, int family, bool is_from, const char *ref)
{
	out->family = family;
	snprintf(out->text, sizeof(out->text), "%s %s %s ", rules_word(family),
		 is_from ? "saddr" : "daddr", ref);
}

static size_t match_network(struct rules_doc *d, const struct rules_where *where,
			    const struct vs_network *n, bool is_from, struct rules_match *out)
{
	char ref[RULES_REF_LEN];
	size_t nr = 0;

	if (!n)
		return 0;
	if (where->bridge == n)
		return match_all(out);
	if (where->hook == (is_from ? RULES_OUTPUT : RULES_INPUT))
		return 0;
	if (!where->bridge && !rules_is_by_address(n)) {
		out->family = 0;
		snprintf(out->text, sizeof(out->text), "%s \"%s\" ",
			 is_from ? "iifname" : "oifname", n->name);
		return 1;
	}
	for (size_t i = 0; i < RULES_MATCHES_MAX; i++)
		if (rules_set_network(d, n, families[i], ref))
			match_ref(&out[nr++], families[i], is_from, ref);
	return nr;
}

size_t rules_peer(struct rules_doc *d, const struct rules_where *where, const struct vs_peer *peer,
		  bool is_from, struct rules_match out[RULES_MATCHES_MAX])
{
	bool is_host = where->hook == (is_from ? RULES_OUTPUT : RULES_INPUT);
	char ref[RULES_REF_LEN];
	size_t nr = 0;

	switch (peer->kind) {
	case VS_PEER_ANY:
		return match_all(out);
	case VS_PEER_HOST:
		return is_host ? match_all(out) : 0;
	case VS_PEER_NETWORK:
		return match_network(d, where, vs_wanted_network(d->wanted, peer->name), is_from,
				     out);
	case VS_PEER_PREFIX:
		rules_prefix_text(&peer->prefix, ref);
		match_ref(&out[0], peer->prefix.family, is_from, ref);
		return 1;
	case VS_PEER_TAG:
	case VS_PEER_GUEST:
		if (is_host)
			return 0;
		break;
	case VS_PEER_SET:
		break;
	}
	for (size_t i = 0; i < RULES_MATCHES_MAX; i++)
		if (rules_set_peer(d, peer, families[i], ref))
			match_ref(&out[nr++], families[i], is_from, ref);
	return nr;
}
