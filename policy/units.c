/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DECIMALS_MAX 9

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit rates[] = {
	{ "Tbit", 1000000000000 }, { "Gbit", 1000000000 }, { "Mbit", 1000000 },
	{ "kbit", 1000 },	   { "bit", 1 },	   { NULL, 0 },
};
static const struct unit sizes[] = {
	{ "GiB", 1u << 30 }, { "GB", 1000000000 }, { "MiB", 1u << 20 }, { "MB", 1000000 },
	{ "KiB", 1u << 10 }, { "kB", 1000 },	   { "B", 1 },		{ NULL, 0 },
};
static const struct unit durations[] = {
	{ "d", 86400000000 }, { "h", 3600000000 }, { "m", 60000000 }, { "s", 1000000 },
	{ "ms", 1000 },	      { "us", 1 },	   { NULL, 0 },
};
static const struct unit packets[] = {
	{ "Mpps", 1000000 }, { "kpps", 1000 }, { "pps", 1 },
	{ "M", 1000000 },    { "k", 1000 },    { NULL, 0 },
};

/* Largest first. */
static const struct {
	const struct unit *units;
	const char *names;
} kinds[] = {
	[UNIT_RATE] = { rates, "bit, kbit, Mbit, Gbit, Tbit" },
	[UNIT_SIZE] = { sizes, "B, kB, MB, GB, KiB, MiB, GiB" },
	[UNIT_DURATION] = { durations, "us, ms, s, m, h, d" },
	[UNIT_PACKETS] = { packets, "k, M, pps, kpps, Mpps" },
};

/* Digits, perhaps a point and digits: @number is the value times @divisor. Return: where they end.
 */
static const char *read_decimal(const char *p, uint64_t *number, uint64_t *divisor, int *rc)
{
	bool behind_point = false;
	int digits = 0, decimals = 0;

	*number = 0;
	*divisor = 1;
	for (; (*p >= '0' && *p <= '9') || (*p == '.' && !behind_point); p++) {
		if (*p == '.') {
			behind_point = true;
			continue;
		}
		digits++;
		if (__builtin_mul_overflow(*number, (uint64_t)10, number) ||
		    __builtin_add_overflow(*number, (uint64_t)(*p - '0'), number))
			*rc = -ERANGE;
		if (behind_point && ++decimals > DECIMALS_MAX)
			*rc = -ERANGE;
		else if (behind_point)
			*divisor *= 10;
	}
	if (!digits || p[-1] == '.')
		*rc = -EINVAL;
	return p;
}

int unit_parse(enum unit_kind kind, const char *text, uint64_t *value_out)
{
	const struct unit *u = kinds[kind].units;
	uint64_t number, divisor, value;
	int rc = 0;

	if (text[0] == '.')
		return -EINVAL;
	text = read_decimal(text, &number, &divisor, &rc);
	while (u->name && strcmp(u->name, text))
		u++;
	if (!u->name || rc == -EINVAL)
		return -EINVAL;
	if (rc)
		return rc;
	if (__builtin_mul_overflow(number, u->factor, &value) || value % divisor)
		return -ERANGE;
	*value_out = value / divisor;
	return 0;
}

const char *unit_names(enum unit_kind kind)
{
	return kinds[kind].names;
}

const char *unit_format(char out[UNIT_TEXT_MAX], enum unit_kind kind, uint64_t value)
{
	const struct unit *u = kinds[kind].units;

	while (u->factor > 1 && (!value || value % u->factor))
		u++;
	snprintf(out, UNIT_TEXT_MAX, "%llu%s", (unsigned long long)(value / u->factor), u->name);
	return out;
}
