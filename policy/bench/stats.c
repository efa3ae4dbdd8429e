/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <stdlib.h>

#include "policy/bench/bench.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_percentile(double *v, size_t nr, double percent)
{
	size_t i;

	if (!nr)
		return 0;
	qsort(v, nr, sizeof(*v), compare);
	i = (size_t)ceil(percent / 100 * (double)nr);
	return v[i < 1 ? 0 : i > nr ? nr - 1 : i - 1];
}

double bench_median(double *v, size_t nr)
{
	if (!nr)
		return 0;
	qsort(v, nr, sizeof(*v), compare);
	return nr % 2 ? v[nr / 2] : (v[nr / 2 - 1] + v[nr / 2]) / 2;
}

double bench_spread(double *v, size_t nr)
{
	double median = bench_median(v, nr), worst = 0;

	if (median == 0)
		return 0;
	for (size_t i = 0; i < nr; i++)
		worst = fmax(worst, fabs(v[i] - median) / fabs(median));
	return worst;
}
