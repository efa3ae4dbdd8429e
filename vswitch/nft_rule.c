/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule: comparisons and statements one after the other. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/netfilter.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "vswitch/vswitch.h"

int nft_fail(struct nft_build *b, const char *format, ...)
{
	const struct nft_word *w = &b->lex.words[b->lex.pos];
	char text[VS_TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(b->why, VS_TEXT_LEN, "column %u, '%.24s': %.80s", w->at + 1u, w->text, text);
	return -EINVAL;
}

int nft_rule_compile(struct nft_build *b, const char *text)
{
	int rc = nft_lex(text, &b->lex, b->why);

	b->l4 = -1;
	if (b->scope->family == NFPROTO_IPV4)
		b->l3 = 0x0800;
	else if (b->scope->family == NFPROTO_IPV6)
		b->l3 = 0x86dd;
	b->rule = rc ? NULL : nftnl_rule_alloc();
	if (!rc && !b->rule)
		rc = -ENOMEM;
	while (!rc && b->lex.pos < b->lex.nr) {
		/* "meta mark set 1" begins like a comparison. */
		int n = nft_stmt(b);

		if (!n)
			n = nft_match(b);
		if (!n)
			n = nft_fail(b, "neither a field nor a statement");
		rc = n < 0 ? n : 0;
	}
	return !rc && b->is_nomem ? -ENOMEM : rc;
}

void nft_build_fini(struct nft_build *b)
{
	if (b->rule)
		nftnl_rule_free(b->rule);
	for (size_t i = 0; i < b->nr_sets; i++)
		nft_set_fini(&b->sets[i]);
	b->rule = NULL;
	b->nr_sets = 0;
}
