/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_xenvif with frontends honest and hostile, the same that netback has: no mbuf is lost by any of them. */
#include <stdio.h>

#include "tests/util/nb_tests.h"
#include "tests/util/pmd/pmd_rig.h"

int main(void)
{
	int rc;

	pmd_rig_begin();
	rig_mode = RIG_POLLED;
	rc = nb_data_tests("net_xenvif") + nb_hostile_tests("net_xenvif");
	rig_mode = RIG_MAPPED;
	rc += nb_data_tests("net_xenvif, mapped") + nb_hostile_tests("net_xenvif, mapped");
	/* Guests who were offered segments by who had the vif before; whose frames are cut, those go on whole. */
	pmd_rig_set(&(struct pmd_rig_program){ .csum = true, .scatter = true, .burst = 3 });
	rc += nb_hostile_tests("net_xenvif, cutting");
	if (pmd_rig_lost())
		fprintf(stderr, "mbufs are lost: %u\n", pmd_rig_lost());
	return rc + (pmd_rig_lost() != 0);
}
