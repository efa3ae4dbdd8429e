/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hostile frontends against a worker with its port, and against who polls. */
#include "tests/util/nb_rig.h"
#include "tests/util/nb_tests.h"

int main(void)
{
	int rc = nb_hostile_tests("a port");

	rig_mode = RIG_POLLED;
	rc += nb_hostile_tests("polled");
	rig_mode = RIG_MAPPED;
	return rc + nb_hostile_tests("polled, mapped");
}
