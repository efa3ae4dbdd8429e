/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A policy in several files: one base, drop-ins beside it in name order, one overlay of this host's.
 * They travel and are kept as one text, in which each part stands with its file's name; a policy of one
 * file is that file's text as it is. Private to the loader and who reads files for it.
 */
#ifndef POLICY_PARTS_H
#define POLICY_PARTS_H

#include "policy/tree.h"

#define POL_PARTS_MAX 256 /* files of one policy */

enum pol_part_kind { POL_PART_BASE, POL_PART_DROP_IN, POL_PART_OVERLAY, POL_PART_NR };

struct pol_part {
	enum pol_part_kind kind;
	const char *file; /* in the reader's arena */
	const char *text; /* inside the whole, no NUL behind it */
	size_t size;
	struct pol_node *root; /* NULL: says nothing */
};

/* Whether @text is one of several parts. */
bool pol_is_parts(const char *text, size_t size);
/* Return: 0 with *nr_out parts in the arena; -EINVAL, told; -ENOMEM. */
int pol_parts_split(struct pol_reader *r, const char *text, size_t size,
		    struct pol_part **parts_out, size_t *nr_out);
/*
 * One tree of all parts, made of their nodes: maps are merged, all else is replaced by what comes later.
 * Names that two drop-ins define are errors unless the overlay has them. NULL: no part says anything.
 */
struct pol_node *pol_parts_merge(struct pol_reader *r, struct pol_part *parts, size_t nr);

#endif
