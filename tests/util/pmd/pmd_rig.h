/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_xenvif's bursts on the rings of a rig (nb_rig.h): what it receives goes to the rig's port, what comes
 * from there it sends. No probe, no control thread: those have tests with a whole host.
 */
#ifndef TESTS_UTIL_PMD_PMD_RIG_H
#define TESTS_UTIL_PMD_PMD_RIG_H

#include "tests/util/nb_rig.h"

/* What a program takes part in, and how many mbufs it takes at once. */
struct pmd_rig_program {
	bool csum, gso, scatter;
	unsigned int burst;
};

struct xv_rx_stats;

/* Start DPDK, without hugepages, and have all rigs polled by the driver. */
void pmd_rig_begin(void);
/* Of all rigs, from now on. NULL: all of it, as at first. */
void pmd_rig_set(const struct pmd_rig_program *p);
/* Its port begins again, with counters at 0. */
void pmd_rig_anew(struct rig *r);
const struct xv_rx_stats *pmd_rig_stats(struct rig *r);
/* As of a guest that was offered segments by who had the vif before. */
void pmd_rig_expect_cuts(struct rig *r, bool expect);
/* Its guest is not connected any more, for good. */
void pmd_rig_gone(struct rig *r);
/* One burst, to the rig's port. Return: frames. */
unsigned int pmd_rig_poll_once(struct rig *r, unsigned int max);
/* As nb_program's own: frames of @from, at most @max, to @to. Return: how many there were. */
unsigned int pmd_rig_burst(struct rig *from, struct rig *to, unsigned int max);
/* How many mbufs nobody has given back; what the driver keeps in hand is given back first. */
unsigned int pmd_rig_lost(void);

/* What a program is promised of each mbuf that a driver of ours gives it; traps otherwise. */
struct rte_mbuf;
void pmd_rig_check(const struct rte_mbuf *m);
/* Of all rigs. */
struct rte_mempool *pmd_rig_pool(void);

#endif
