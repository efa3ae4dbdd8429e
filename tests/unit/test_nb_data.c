/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Honest frontends with a worker and its port, and with who polls. */
#include "tests/util/nb_rig.h"
#include "tests/util/nb_tests.h"

int main(void)
{
	int rc = nb_data_tests("a port") + nb_data_tests_of_a_port();

	rig_mode = RIG_POLLED;
	rc += nb_data_tests("polled");
	rig_mode = RIG_MAPPED;
	return rc + nb_data_tests("polled, mapped");
}
