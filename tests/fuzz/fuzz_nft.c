/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules and documents of nftables' tables as they may be read back from a kernel that others write to. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/nft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text is a rule, what begins with a brace a document. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const families[] = { "inet", "netdev", "ip", "ip6", "bridge" };
	char why[VS_TEXT_LEN];
	json_t *doc;
	char *text;

	if (size && data[0] == '{') {
		doc = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
		if (doc) {
			nft_check("inet vifrost", doc, why);
			nft_check("netdev vifrost", doc, why);
		}
		json_decref(doc);
		return 0;
	}
	text = strndup((const char *)data, size);
	if (!text)
		abort();
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (nft_check_rule(families[i], text, why) && !why[0])
			abort();
	free(text);
	return 0;
}
