/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict readers of short texts: the whole text must be the value; no locale, no leading blanks. */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAC_LEN	     6
#define MAC_TEXT_LEN 18 /* with the NUL */

/* Decimal digits only, at most @max. Return: 0; -EINVAL not a number; -ERANGE above @max. */
int parse_u64(const char *text, uint64_t max, uint64_t *value_out);
int parse_u32(const char *text, uint32_t max, uint32_t *value_out);
/* "aa:bb:cc:dd:ee:ff", either case. Return: 0 or -EINVAL. */
int parse_mac(const char *text, uint8_t mac[MAC_LEN]);
void format_mac(const uint8_t mac[MAC_LEN], char text[MAC_TEXT_LEN]);

/* Edit distance for "did you mean": 0 equal, larger further, capped at 64. */
unsigned int text_distance(const char *a, const char *b);
/* The entry of @names (ended by NULL) nearest to @text, or NULL when none is near enough. */
const char *text_nearest(const char *text, const char *const *names);

#endif
