/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_xenvif's bursts between two hostile guests, and net_xenfront's with a hostile backend, in a build in which each read of their memory gives other
 * bytes: what is checked and then read again shows, as an mbuf that is not what it says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "netback/shared.h"
#include "tests/util/nb_program.h"
#include "tests/util/pmd/pmd_rig.h"
#include "tests/util/pmd/xenfront_rig.h"

static unsigned long nr_reads;

void nb_shared_fuzz(void *to, const void *from, size_t size);

void nb_shared_fuzz(void *to, const void *from, size_t size)
{
	nr_reads++;
	nb_program_shared(to, from, size);
}

static void programs_of_any_bytes(void **state)
{
	const struct pmd_rig_program cutting = { .csum = true, .burst = 32 };

	(void)state;
	assert_true(nb_program_any(500) > 5 * 500);
	/* Without the build that this needs, nothing would be tested. */
	assert_true(nr_reads > 10 * 500);
	assert_int_equal(pmd_rig_lost(), 0);
	pmd_rig_set(&cutting);
	assert_true(nb_program_any(300) > 5 * 300);
	assert_int_equal(pmd_rig_lost(), 0);
}

/* The other end: net_xenfront's bursts and a backend whose memory changes as it is read. */
static void backends_of_any_bytes(void **state)
{
	unsigned long before = nr_reads;

	(void)state;
	pmd_rig_set(NULL);
	assert_true(xenfront_rig_any(1000) > 1000);
	xenfront_rig_set_zone(true);
	assert_true(xenfront_rig_any(50) > 50);
	assert_true(nr_reads - before > 10 * 1000);
	assert_int_equal(pmd_rig_lost(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_of_any_bytes),
		cmocka_unit_test(backends_of_any_bytes),
	};

	pmd_rig_begin();
	nb_program_burst = pmd_rig_burst;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
