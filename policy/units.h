/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quantities with a unit, which is never left out: "200Mbit", "2MB", "90s", "200kpps". The whole
 * text must be one; decimals are allowed where they come out whole.
 */
#ifndef POLICY_UNITS_H
#define POLICY_UNITS_H

#include <stdint.h>

enum unit_kind {
	UNIT_RATE,     /* bit, kbit, Mbit, Gbit, Tbit: bits per second */
	UNIT_SIZE,     /* B, kB, MB, GB, KiB, MiB, GiB: bytes */
	UNIT_DURATION, /* us, ms, s, m, h, d: microseconds */
	UNIT_PACKETS,  /* pps, kpps, Mpps, or short k, M: packets per second */
};

/* Return: 0; -EINVAL: no number or no such unit; -ERANGE: does not fit or is no whole number of the
 * base. */
int unit_parse(enum unit_kind kind, const char *text, uint64_t *value_out);
/* The units of @kind, for messages: "bit, kbit, Mbit, Gbit, Tbit". */
const char *unit_names(enum unit_kind kind);
/* In the largest unit that gives a whole number; unit_parse() reads it back the same. */
#define UNIT_TEXT_MAX 32
const char *unit_format(char out[UNIT_TEXT_MAX], enum unit_kind kind, uint64_t value);

#endif
