/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever /dev/kvm this machine has, the answer comes in time and has a cure. */
#include "hv/kvm/probe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_in_time(void **state)
{
	char why[KVM_PROBE_WHY];
	uint64_t start = clock_ms(), took;
	int rc = kvm_probe("/dev/kvm", why);

	(void)state;
	took = clock_ms() - start;
	print_message("%d in %u ms: %s\n", rc, (unsigned int)took, why);
	assert_true(rc <= 0);
	assert_int_equal(!rc, !why[0]);
	assert_true(took < KVM_PROBE_MS + 2000);
	/* No child is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_none(void **state)
{
	char why[KVM_PROBE_WHY];

	(void)state;
	assert_int_equal(kvm_probe("/nowhere/kvm", why), -ENOENT);
	assert_non_null(strstr(why, "/nowhere/kvm is not there"));
	assert_non_null(strstr(why, "firmware"));
	assert_int_equal(kvm_probe("/dev/null", why), -ENODEV);
	assert_non_null(strstr(why, "/dev/null"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_time),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
