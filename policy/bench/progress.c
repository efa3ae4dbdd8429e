/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bar while it measures, on a terminal only. */
#include <string.h>
#include <unistd.h>

#include "policy/bench/bench.h"

#define BAR 24

void bench_progress(const struct bench *b, const char *what)
{
	unsigned int planned = b->planned ? b->planned : 1;
	unsigned int full = b->done >= planned ? BAR : b->done * BAR / planned;
	char bar[BAR + 1];

	if (b->quiet || !isatty(2))
		return;
	memset(bar, '.', BAR);
	memset(bar, '#', full);
	bar[BAR] = 0;
	fprintf(stderr, "\r[%s] %3u%%  %-.60s\033[K", bar,
		b->done >= planned ? 100 : b->done * 100 / planned, what);
	fflush(stderr);
}

void bench_progress_end(const struct bench *b)
{
	if (!b->quiet && isatty(2))
		fputs("\r\033[K", stderr);
}
