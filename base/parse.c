/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DISTANCE_MAX 64

int parse_u64(const char *text, uint64_t max, uint64_t *value_out)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value) || value > max)
			return -ERANGE;
	}
	*value_out = value;
	return 0;
}

int parse_u32(const char *text, uint32_t max, uint32_t *value_out)
{
	uint64_t value;
	int rc = parse_u64(text, max, &value);

	if (!rc)
		*value_out = (uint32_t)value;
	return rc;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_mac(const char *text, uint8_t mac[MAC_LEN])
{
	uint8_t out[MAC_LEN];

	if (strlen(text) != MAC_TEXT_LEN - 1)
		return -EINVAL;
	for (int i = 0; i < MAC_LEN; i++) {
		int hi = hex_digit(text[3 * i]), lo = hex_digit(text[3 * i + 1]);

		if (hi < 0 || lo < 0 || (i < MAC_LEN - 1 && text[3 * i + 2] != ':'))
			return -EINVAL;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	memcpy(mac, out, MAC_LEN);
	return 0;
}

void format_mac(const uint8_t mac[MAC_LEN], char text[MAC_TEXT_LEN])
{
	snprintf(text, MAC_TEXT_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

unsigned int text_distance(const char *a, const char *b)
{
	unsigned int row[DISTANCE_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > DISTANCE_MAX || lb > DISTANCE_MAX)
		return DISTANCE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *text_nearest(const char *text, const char *const *names)
{
	unsigned int limit = (unsigned int)strlen(text) / 3 + 1, best = limit + 1;
	const char *nearest = NULL;

	for (; *names; names++) {
		unsigned int d = text_distance(text, *names);

		if (d < best) {
			best = d;
			nearest = *names;
		}
	}
	return nearest;
}
