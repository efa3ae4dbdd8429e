/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others have in nftables, as far as it decides whether guests' packets pass. Read-only. */
#ifndef VSWITCH_NFT_LOOK_H
#define VSWITCH_NFT_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nft_look_chain {
	uint8_t family; /* NFPROTO_* */
	char table[64], name[64];
	bool is_base, drops; /* drops: by its policy */
	uint32_t hook;	     /* of a base chain: NF_INET_*; of NFPROTO_BRIDGE NF_BR_* */
};

struct nft_look {
	struct nft_look_chain *chains; /* of tables that are not ours */
	size_t nr;
};

/* A kernel without nftables has none. Return: 0; -errno. */
int nft_look(struct nft_look *out);
void nft_look_fini(struct nft_look *out);
/* Whether a chain whose name begins with @prefix is in that table. */
bool nft_look_has(const struct nft_look *look, uint8_t family, const char *table,
		  const char *prefix);

#endif
