/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our end of nftables by hand, for tests:
 *
 *	netns-nft apply NAME	the document on standard input; "null" takes the table away
 *	netns-nft twice NAME FILE	the document in FILE, and again after a line on standard input
 *	netns-nft many		the documents of {"NAME":{...}} on standard input at once; how many commits that was
 *	netns-nft show		all of ours, as read from the kernel
 *	netns-nft counts	what guards have dropped: link, reason, packets
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/guard.h"
#include "vswitch/nft.h"
#include "vswitch/nft_priv.h"

static int apply(void *ctx, const char *name, char *why)
{
	json_error_t error;
	json_t *doc = json_loadf(stdin, JSON_DECODE_ANY, &error);
	int rc = -EINVAL;

	if (doc)
		rc = nft_doc_ops.apply(ctx, name, json_is_null(doc) ? NULL : doc, why);
	else
		snprintf(why, VS_TEXT_LEN, "%.100s", error.text);
	json_decref(doc);
	return rc;
}

static int apply_twice(void *ctx, const char *name, const char *file, char *why)
{
	json_t *doc = json_load_file(file, 0, NULL);
	int rc = doc ? nft_doc_ops.apply(ctx, name, doc, why) : -EINVAL;

	while (!rc && getchar() != '\n')
		if (feof(stdin))
			break;
	if (!rc)
		rc = nft_doc_ops.apply(ctx, name, doc, why);
	json_decref(doc);
	return rc;
}

#define MANY_MAX 16

static int apply_many(struct nft *n, char *why)
{
	json_t *docs = json_loadf(stdin, 0, NULL), *doc;
	struct vs_op ops[MANY_MAX] = { 0 };
	const struct vs_op *list[MANY_MAX];
	uint32_t before = 0, after = 0;
	const char *name;
	size_t nr = 0;
	int rc = json_is_object(docs) ? nft_generation(n, &before) : -EINVAL;

	json_object_foreach (docs, name, doc) {
		if (nr == MANY_MAX)
			break;
		ops[nr] = (struct vs_op){ .kind = VS_OP_DOC, .index = VS_DOC_NFT, .doc = doc };
		snprintf(ops[nr].text, sizeof(ops[nr].text), "%s", name);
		list[nr] = &ops[nr];
		nr++;
	}
	if (!rc)
		rc = nft_doc_ops.apply_many(n, list, nr, why);
	if (!nft_generation(n, &after))
		printf("%u\n", after - before);
	json_decref(docs);
	return rc;
}

static int show(void *ctx, char *why)
{
	struct vs_observed o = { 0 };
	int rc = nft_doc_ops.observe(ctx, &o, why);

	for (size_t i = 0; !rc && i < o.nr_docs; i++) {
		printf("%s ", o.docs[i].name);
		json_dumpf(o.docs[i].doc, stdout, JSON_COMPACT | JSON_SORT_KEYS);
		printf("\n");
	}
	vs_observed_fini(&o);
	return rc;
}

static void print_count(void *arg, const struct guard_count *count)
{
	(void)arg;
	printf("%s %s %llu\n", count->link, count->reason, (unsigned long long)count->packets);
}

int main(int argc, char **argv)
{
	char why[VS_TEXT_LEN] = "usage: netns-nft apply NAME | many | show | counts";
	void *ctx = NULL;
	int rc = -EINVAL;

	if (argc >= 2)
		rc = nft_doc_ops.open("", &ctx, why);
	if (!rc && argc == 3 && !strcmp(argv[1], "apply"))
		rc = apply(ctx, argv[2], why);
	else if (!rc && argc == 4 && !strcmp(argv[1], "twice"))
		rc = apply_twice(ctx, argv[2], argv[3], why);
	else if (!rc && !strcmp(argv[1], "many"))
		rc = apply_many(ctx, why);
	else if (!rc && !strcmp(argv[1], "show"))
		rc = show(ctx, why);
	else if (!rc && !strcmp(argv[1], "counts"))
		rc = guard_counters(print_count, NULL);
	if (rc)
		fprintf(stderr, "%s\n", why);
	if (ctx)
		nft_doc_ops.close(ctx);
	return rc != 0;
}
