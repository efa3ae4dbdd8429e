/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/wanted.h"

#include <errno.h>
#include <string.h>

#define VLANS_MAX 4096

void pol_wanted_vlans_of(const struct pol_network *network, const struct pol_vlans *from,
			 struct vs_vlans *to)
{
	to->access = pol_vlan_id(network, &from->access);
	to->native = pol_vlan_id(network, &from->native);
	for (size_t i = 0; i < from->trunk.nr && i < VS_TRUNK_MAX; i++) {
		const struct pol_vlan *v = &from->trunk.v[i];
		uint16_t id = pol_vlan_id(network, v);

		to->trunk[to->nr_trunk++] = (struct vs_vlan_range){ id, v->name ? id : v->last };
	}
}

static void note(const struct pol_network *network, const struct pol_vlans *vlan,
		 bool has[VLANS_MAX])
{
	struct vs_vlans v = { 0 };

	if (!vlan)
		return;
	pol_wanted_vlans_of(network, vlan, &v);
	has[v.access % VLANS_MAX] = has[v.native % VLANS_MAX] = true;
	for (size_t i = 0; i < v.nr_trunk; i++)
		for (unsigned int id = v.trunk[i].first; id <= v.trunk[i].last; id++)
			has[id % VLANS_MAX] = true;
}

static int take_network(const struct policy *policy, const struct pol_network *network,
			struct vs_network *n)
{
	bool has[VLANS_MAX] = { false };
	struct pol_effective e;
	struct vs_vlan_range *range = NULL;

	/* Of vifs that name the network in their own configuration. */
	if (network->profile && network->profile->vlan.place.line)
		note(network, &network->profile->vlan, has);
	for (size_t i = 0; i < policy->guests.nr; i++) {
		const struct pol_guest *g = &policy->guests.v[i];

		for (size_t j = 0; j < g->vifs.nr; j++) {
			if (g->vifs.v[j].network != network)
				continue;
			pol_effective_vif(g, &g->vifs.v[j], &e);
			note(network, e.vlan, has);
		}
	}
	for (uint16_t id = 1; id < VLANS_MAX - 1; id++) {
		if (!has[id])
			continue;
		if (!range || range->last + 1 != id) {
			range = vs_network_add_vlans(n);
			if (!range)
				return -ENOMEM;
			range->first = id;
		}
		range->last = id;
	}
	return 0;
}

int pol_wanted_vlans(const struct policy *policy, struct vs_wanted *wanted)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < wanted->nr_networks; i++) {
		struct vs_network *n = &wanted->networks[i];
		const struct pol_network *network = pol_network_find(policy, n->name);

		if (n->vlan_filtering && network)
			rc = take_network(policy, network, n);
	}
	return rc;
}
