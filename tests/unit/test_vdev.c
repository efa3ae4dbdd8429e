/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of virtual disks: numbers from xen-vbd-interface(7). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/vdev.h"

static void test_numbers(void **state)
{
	static const struct {
		const char *name;
		uint32_t devid;
	} good[] = {
		{ "xvda", 51712 },
		{ "xvda1", 51713 },
		{ "xvdb", 51728 },
		{ "xvdp15", 51967 },
		{ "xvda16", 1u << 28 | 16 },
		{ "xvdq", 1u << 28 | 16 << 8 },
		{ "xvdz255", 1u << 28 | 25 << 8 | 255 },
		{ "xvdaa", 1u << 28 | 26 << 8 },
		{ "xvdba3", 1u << 28 | 52 << 8 | 3 },
		{ "d0", 51712 },
		{ "d1p2", 51730 },
		{ "d0p0", 51712 },
		{ "d536p37", 1u << 28 | 536 << 8 | 37 },
		{ "hda", 768 },
		{ "hda63", 831 },
		{ "hdb1", 833 },
		{ "hdc", 5632 },
		{ "hdd", 5696 },
		{ "sda", 2048 },
		{ "sdb1", 2065 },
		{ "sdp15", 2303 },
		{ "51712", 51712 },
	};
	uint32_t devid;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(vdev_parse(good[i].name, &devid), 0);
		assert_int_equal(devid, good[i].devid);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",	 "xvd",	   "xvda0",	"xvda01",    "xvda256",	 "xvdA",
		"hde",	 "hda64",  "sdq",	"sda16",     "sdaa",	 "vda",
		"d",	 "dp1",	   "d0p",	"d0p256",    "d1048576", "d0p01",
		"xvda ", "xvda1x", "/dev/xvda", "536870912", "-1",	 "xvdzzzzzzzzzzzzzzzzzzzzzz"
	};
	uint32_t devid;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vdev_parse(bad[i], &devid), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("vdev", tests, NULL, NULL);
}
