/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Polled rings of hostile guests, in a build of netback in which each read of their memory gives other bytes:
 * what is checked and then read again shows, as a view that reaches beyond its page or a page still in use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netback/shared.h"
#include "tests/util/nb_program.h"

#define PROGRAMS 1000u

static unsigned long nr_reads;

void nb_shared_fuzz(void *to, const void *from, size_t size);

void nb_shared_fuzz(void *to, const void *from, size_t size)
{
	nr_reads++;
	nb_program_shared(to, from, size);
}

static uint32_t seed = 4711;

static uint8_t any(void)
{
	seed = seed * 1664525 + 1013904223;
	return (uint8_t)(seed >> 24);
}

/* One step as an honest frontend would take it; now and then, one that is not. Return: bytes. */
static size_t add_step(uint8_t *at)
{
	const uint8_t steps[][8] = {
		{ 0, 0, any() },					     /* a short frame */
		{ 0, 0, any() },					     /* the same */
		{ 0, 8, any(), any() & 3, any() },			     /* one of any length */
		{ 2, any() & 31, any() & 15, any(), 4, any(), any() | 128 }, /* one to be cut */
		{ 5, 60 },		  /* slots to receive into */
		{ 3, 63 },		  /* both rings are served */
		{ 6, any() & 15, any() }, /* pages to keep mapped */
	};
	static const uint8_t sizes[] = { 3, 3, 5, 7, 2, 2, 3 };
	unsigned int which = any() % 7;
	size_t size = sizes[which];

	memcpy(at, steps[which], size);
	if (any() < 4)
		for (size_t i = 1; i < size; i++)
			at[i] = any();
	at[0] |= any() & 128;
	return size;
}

static void programs_of_any_bytes(void **state)
{
	static uint8_t program[600];
	unsigned long nr_views = 0;

	(void)state;
	for (unsigned int i = 0; i < PROGRAMS; i++) {
		size_t size = 0;

		while (size < 4)
			program[size++] = any();
		while (size < sizeof(program) - 8)
			size += add_step(program + size);
		nr_views += nb_program_run(program, size);
	}
	/* Without the build that this needs, nothing would be tested. */
	assert_true(nr_reads > 10 * PROGRAMS);
	print_message("%lu views\n", nr_views);
	assert_true(nr_views > 5 * PROGRAMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(programs_of_any_bytes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
