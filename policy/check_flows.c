/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the firewall cannot do by flows of Open vSwitch. */
#include "policy/check_priv.h"

static const struct pol_network *find_ovs(const struct policy *p)
{
	for (size_t i = 0; i < p->networks.nr; i++)
		if (p->networks.v[i].mode.value == POL_MODE_OVS)
			return &p->networks.v[i];
	return NULL;
}

static const struct pol_u32 *find_reject(const struct pol_firewall_defaults *d)
{
	const struct pol_u32 *all[] = { &d->guest_to_guest, &d->guest_to_host, &d->ingress,
					&d->egress };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->value == POL_REJECT)
			return all[i];
	return NULL;
}

/* Once a policy each, not once a rule. */
void pol_warn_flows(struct pol_checks *c)
{
	const struct pol_firewall *fw = &c->policy->firewall;
	const struct pol_network *n = find_ovs(c->policy);
	const struct pol_u32 *reject = find_reject(&fw->defaults);
	const struct pol_rule *logs = NULL;
	char quoted[POL_QUOTE_MAX];

	if (!n || pol_has_errors(c->r))
		return;
	for (size_t i = 0; i < fw->rules.nr; i++) {
		const struct pol_rule *r = &fw->rules.v[i];

		if (!reject && r->action.value == POL_REJECT)
			reject = &r->action;
		if (!logs && r->log.value)
			logs = r;
	}
	if (reject)
		pol_warning(c->r, "VF0246", fw->node, &reject->place,
			    "it stays so on networks that the host routes for",
			    "between ports of %s, an Open vSwitch bridge, reject is drop",
			    pol_quote(quoted, n->name));
	if (logs)
		pol_warning(c->r, "VF0247", logs->node, &logs->log.place,
			    "it stays so on networks that the host routes for",
			    "between ports of %s, an Open vSwitch bridge, nothing is logged",
			    pol_quote(quoted, n->name));
}
