/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_xenfront's bursts on the queue of a front_rig (front_rig.h), whose backend is the test. */
#ifndef TESTS_UTIL_PMD_XENFRONT_RIG_H
#define TESTS_UTIL_PMD_XENFRONT_RIG_H

/* Before what has Xen's rings without it. */
#include "netback/queue.h"

#include "netback/pmd_xenfront.h"
#include "tests/util/front_rig.h"

#define XENFRONT_RIG_HELD 1200 /* more than there are free pages */

struct xenfront_rig {
	struct front_rig *front;
	struct xenfront_rx rx;
	struct xenfront_tx tx;
	/* Of what it received, the program keeps some a while. */
	struct rte_mbuf *held[XENFRONT_RIG_HELD];
};

/* Of rigs from now on: with zero-copy=1 or without, as at first. */
void xenfront_rig_set_zone(bool wanted);
/* After pmd_rig_begin(). */
void xenfront_rig_init(struct xenfront_rig *x, bool scatter);
/* All grants, and with them all pages, must be the frontend's again. */
void xenfront_rig_fini(struct xenfront_rig *x);
/*
 * @nr programs of what a backend does, honest for the most part, while a program sends and receives. Traps when
 * an mbuf is not what it says, or buffers are more than there are, or what lay in the zone is not free in the end. Return: frames that were received.
 */
unsigned long xenfront_rig_any(unsigned int nr);

#endif
