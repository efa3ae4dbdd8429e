/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hv/xlcfg.h"

static const char *number(const char *p, unsigned int *value_out)
{
	unsigned int value = 0;

	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++) {
		value = value * 10 + (unsigned int)(*p - '0');
		if (value >= CPU_SETSIZE)
			return NULL;
	}
	*value_out = value;
	return p;
}

static const char *blanks(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n')
		p++;
	return p;
}

/* One of "all", "N", "N-M" behind an optional '^'. Return: what follows; NULL with @why_out set. */
static const char *item(const char *p, cpu_set_t *set, const char **why_out)
{
	unsigned int from = 0, to = CPU_SETSIZE - 1;
	bool remove = *p == '^';
	const char *q = p + remove;

	*why_out = "allowed: all, N, N-M, ^N, ^N-M, separated by commas";
	if (!strncmp(q, "all", 3) && !isalnum((unsigned char)q[3])) {
		q += 3;
	} else {
		q = number(q, &from);
		if (!q)
			return NULL;
		to = from;
		if (*q == '-') {
			q = number(q + 1, &to);
			if (!q)
				return NULL;
		}
		if (to < from) {
			*why_out = "the range ends before it starts";
			return NULL;
		}
	}
	for (unsigned int i = from; i <= to; i++) {
		if (remove)
			CPU_CLR(i, set);
		else
			CPU_SET(i, set);
	}
	return q;
}

int xlcfg_parse_cpus(const char *text, cpu_set_t *set, size_t *offset_out, const char **why_out)
{
	const char *p = text;

	CPU_ZERO(set);
	for (;;) {
		const char *next;

		p = blanks(p);
		next = item(p, set, why_out);
		if (!next)
			break;
		p = blanks(next);
		if (!*p) {
			if (CPU_COUNT(set))
				return 0;
			*why_out = "no CPU is left in the list";
			p = text;
			break;
		}
		if (*p != ',') {
			*why_out = "allowed: all, N, N-M, ^N, ^N-M, separated by commas";
			break;
		}
		p++;
	}
	*offset_out = (size_t)(p - text);
	return -EINVAL;
}

void xlcfg_format_cpus(const cpu_set_t *set, unsigned int nr_cpus, char *text, size_t size)
{
	unsigned int count = 0;
	size_t n = 0;

	if (nr_cpus > CPU_SETSIZE)
		nr_cpus = CPU_SETSIZE;
	for (unsigned int i = 0; i < nr_cpus; i++)
		count += CPU_ISSET(i, set) != 0;
	snprintf(text, size, "%s", count ? "all" : "none");
	if (!count || count == nr_cpus)
		return;
	for (unsigned int i = 0; i < nr_cpus && n < size; i++) {
		unsigned int from = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (i + 1 < nr_cpus && CPU_ISSET(i + 1, set))
			i++;
		n += (size_t)snprintf(text + n, size - n, from == i ? "%s%u" : "%s%u-%u",
				      n ? "," : "", from, i);
	}
}
