/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of what two hostile guests do to their rings while frames are switched between them by polling. */
#ifndef TESTS_UTIL_NB_PROGRAM_H
#define TESTS_UTIL_NB_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Return: views that were switched. Traps when a view is not within one page or not as long as it says, when there are more answers than
 * requests, or when a page is still in use in the end.
 */
unsigned long nb_program_run(const uint8_t *data, size_t size);

/* What switches in place of the rigs' own polling: frames of @from, at most @max, to @to. Return: their number. */
struct rig;
extern unsigned int (*nb_program_burst)(struct rig *from, struct rig *to, unsigned int max);

/*
 * @nr programs as honest frontends would write them for the most part. Return: views that were switched, or, by
 * who switches in their place, frames. Traps as above, and when too few have had several slots, or extras.
 */
unsigned long nb_program_any(unsigned int nr);

/* Bytes that are as @size real ones are at times, and otherwise what a guest may have made of them since. */
void nb_program_shared(void *to, const void *from, size_t size);

#endif
