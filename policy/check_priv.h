/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks share. */
#ifndef POLICY_CHECK_PRIV_H
#define POLICY_CHECK_PRIV_H

#include "base/htab.h"
#include "policy/keys.h"

/* Things by a key of bytes, for references and duplicates at any number of entries. */
struct pol_index {
	struct pol_reader *r;
	struct htab table;
};

void pol_index_init(struct pol_index *index, struct pol_reader *r);
void pol_index_fini(struct pol_index *index);
/* NULL: not there. */
const void *pol_index_get(const struct pol_index *index, const void *key, size_t size);
/* @key is borrowed. Return: what was there before, and stays; NULL: @item is there now. */
const void *pol_index_put(struct pol_index *index, const void *key, size_t size, const void *item);

/* Addresses, subnets and routes of all networks. */
void pol_check_addresses(struct pol_reader *r, const struct policy *policy);
/* Guests and their vifs; the networks' references are resolved. */
void pol_check_guests(struct pol_reader *r, struct policy *policy, const struct pol_index *networks,
		      const struct pol_index *profiles);

/* "unknown network "x"", with the nearest of @names (ended by NULL) as a hint. */
void pol_error_reference(struct pol_reader *r, const char *code, const struct pol_node *node,
			 const struct pol_text *reference, const char *what,
			 const struct pol_items *known, size_t size);

#endif
