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

static void programs_of_any_bytes(void **state)
{
	unsigned long nr_views;

	(void)state;
	nr_views = nb_program_any(PROGRAMS);
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
