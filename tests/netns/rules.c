/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A policy's rules for routed traffic into the kernel, without its networks, for tests:
 *
 *	netns-rules POLICY
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/wanted.h"
#include "vswitch/docs.h"
#include "vswitch/nft.h"
#include "vswitch/rules_priv.h"

/* @doc: taken over; NULL: none is needed. */
static int apply(void *ctx, const char *name, json_t *doc, char *why)
{
	int rc = vs_doc_ops[VS_DOC_NFT]->apply(ctx, name, doc, why);

	json_decref(doc);
	return rc;
}

static int load(const char *path, struct policy **policy)
{
	struct diags ds = { 0 };
	char *text = NULL;
	size_t size = 0;
	int rc = pol_read_file(path, &text, &size);

	if (!rc)
		rc = pol_load_text(path, text, size, &ds, policy);
	diags_print(&ds, stderr);
	diags_fini(&ds);
	free(text);
	return rc;
}

int main(int argc, char **argv)
{
	char why[VS_TEXT_LEN] = "usage: netns-rules POLICY";
	struct policy *policy = NULL;
	struct vs_wanted w;
	void *ctx = NULL;
	json_t *doc;
	int rc = argc == 2 ? load(argv[1], &policy) : -EINVAL;

	vs_wanted_init(&w);
	if (!rc)
		rc = pol_wanted(policy, "test", &w);
	if (!rc)
		rc = vs_doc_ops[VS_DOC_NFT]->open("", &ctx, why);
	doc = rc ? NULL : rules_filter(&w, NULL, 0, &rc);
	if (!rc)
		rc = apply(ctx, RULES_FILTER, doc, why);
	doc = rc ? NULL : rules_nat(&w, &rc);
	if (!rc)
		rc = apply(ctx, RULES_NAT, doc, why);
	if (rc)
		fprintf(stderr, "%s: %s\n", strerror(-rc), why);
	if (ctx)
		vs_doc_ops[VS_DOC_NFT]->close(ctx);
	vs_wanted_fini(&w);
	pol_free(policy);
	return rc != 0;
}
