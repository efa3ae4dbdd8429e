/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all backends share of a device's life: every pair of states, and which paths are whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/xenbus.h"

static const struct xb_class vif = { .type = "vif", .devid_max = 65535 };
static const struct xb_class vbd = { .type = "vbd", .devid_max = 0x1fffffff };

static void every_pair_of_states_is_reached(void **state)
{
	(void)state;
	for (int cur = 0; cur < XB_NR_STATES; cur++) {
		for (int want = 0; want < XB_NR_STATES; want++) {
			enum xenbus_state s = (enum xenbus_state)cur, n;
			int steps;

			for (steps = 0; (n = xb_next_state(s, (enum xenbus_state)want)) != s;
			     steps++) {
				assert_true(steps < 4);
				/* Rings are only mapped on the way from InitWait, and let go of in Closing. */
				if (n == XenbusStateConnected)
					assert_int_equal(s, XenbusStateInitWait);
				if (s == XenbusStateConnected)
					assert_int_equal(n, XenbusStateClosing);
				s = n;
			}
			if (want == XenbusStateInitWait || want == XenbusStateConnected ||
			    want == XenbusStateClosed)
				assert_true(
					s == (enum xenbus_state)want ||
					(want == XenbusStateInitWait && s == XenbusStateInitWait));
		}
	}
}

static void paths_are_parsed_strictly(void **state)
{
	static const char *const bad[] = { "backend/vif",
					   "backend/vif/",
					   "backend/vif/1",
					   "backend/vif/x/0",
					   "backend/vif/1/x",
					   "backend/vif/-1/0",
					   "backend/vif/40000/0",
					   "backend/vif/1/65536",
					   "backend/vif/99999999999999/0",
					   "/local/domain/1/device/vbd/0/state",
					   "/local/domain//device/vif/0",
					   "@releaseDomain",
					   "" };
	uint16_t domid;
	uint32_t devid;
	const char *key;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(xb_parse_path(&vif, bad[i], &domid, &devid, &key));
	assert_true(xb_parse_path(&vif, "backend/vif/7/2/state", &domid, &devid, &key));
	assert_int_equal(domid, 7);
	assert_int_equal(devid, 2);
	assert_string_equal(key, "state");
	assert_true(
		xb_parse_path(&vif, "/local/domain/3/device/vif/1/state", &domid, &devid, &key));
	assert_int_equal(domid, 3);
	assert_int_equal(devid, 1);
	assert_true(xb_parse_path(&vbd, "/local/domain/3/device/vbd/268435456/state", &domid,
				  &devid, &key));
	assert_int_equal(devid, 268435456);
	assert_false(
		xb_parse_path(&vbd, "/local/domain/3/device/vbd/536870912", &domid, &devid, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_states_is_reached),
		cmocka_unit_test(paths_are_parsed_strictly),
	};

	return cmocka_run_group_tests_name("xenbus", tests, NULL, NULL);
}
