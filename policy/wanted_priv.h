/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files that fill struct vs_wanted share. */
#ifndef POLICY_WANTED_PRIV_H
#define POLICY_WANTED_PRIV_H

#include <stdio.h>

#include "policy/wanted.h"

/* Texts were checked to fit while reading; a copy cut short would name something else. */
#define COPY_TEXT(to, from)                                                                        \
	do {                                                                                       \
		_Static_assert(sizeof(to) > sizeof(char *), "an array");                           \
		snprintf((to), sizeof(to), "%s", (from) ? (from) : "");                            \
	} while (0)

struct diag_place pol_diag_place(const struct pol_place *place);
void pol_take_prefix(const struct pol_prefix *from, struct vs_prefix *to);
/* Return: 0; -ENOMEM with @to as far as it came. */
int pol_take_network(const struct pol_network *from, struct vs_network *to);
int pol_take_rules(const struct policy *policy, struct vs_wanted *wanted);

#endif
