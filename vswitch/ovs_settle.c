/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether networks that are to be on Open vSwitch's DPDK are: decided when a policy is applied, and kept then, so
 * that hugepages which others take later move nobody to another datapath.
 */
#include "vswitch/ovs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vswitch/card.h"

static void fall_back(struct vs_network *n)
{
	n->ovs_datapath = n->dpdk.fallback;
	n->dpdk.has_fallen = true;
}

/* The driver asks a core where there is one, else Xen. */
static void note_core(struct vs_network *n, const char *rundir)
{
	char path[PATH_MAX];

	rundir_file(path, rundir, RUNDIR_HYPERCALL_SOCKET);
	if (access(path, F_OK) == 0)
		snprintf(n->dpdk.run_dir, sizeof(n->dpdk.run_dir), "%s", rundir);
}

/* Whether DPDK has it is asked before the first change; whether it is a link, the plan knows. */
static void note_card(struct vs_network *n)
{
	struct vs_ovs_dpdk *d = &n->dpdk;

	if (!n->has_uplink || !n->uplink.pci[0] ||
	    !card_check(n->uplink.pci, d->card_why, sizeof(d->card_why)))
		d->card_why[0] = '\0';
}

void vs_ovs_keep(struct vs_wanted *w, const struct vs_record *r, const char *rundir)
{
	for (size_t i = 0; i < w->nr_networks; i++) {
		struct vs_network *n = &w->networks[i];
		const struct vs_record_network *old = vs_record_find(r, n->name);

		if (!ovs_is_dpdk(n))
			continue;
		note_core(n, rundir);
		if (n->dpdk.may_fall_back && old && !old->is_dpdk)
			fall_back(n);
	}
	vs_rules_prepare(w);
}

void vs_ovs_decide(struct vs_wanted *w, const char *rundir)
{
	uint64_t memory = 0;
	bool is_wanted = false;

	w->dpdk_why[0] = '\0';
	for (size_t i = 0; i < w->nr_networks; i++) {
		struct vs_network *n = &w->networks[i];

		if (!ovs_is_dpdk(n))
			continue;
		is_wanted = true;
		memory = n->dpdk.memory > memory ? n->dpdk.memory : memory;
		note_core(n, rundir);
		note_card(n);
	}
	if (!is_wanted || !vs_ovs_dpdk_probe(rundir, memory, w->dpdk_why)) {
		w->dpdk_why[0] = '\0';
		return;
	}
	for (size_t i = 0; i < w->nr_networks; i++)
		if (ovs_is_dpdk(&w->networks[i]) && w->networks[i].dpdk.may_fall_back)
			fall_back(&w->networks[i]);
	vs_rules_prepare(w);
}
