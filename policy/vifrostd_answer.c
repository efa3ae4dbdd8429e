/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a change that failed is told. */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <string.h>

#include "policy/daemon_api.h"

void tx_fail_invalid(struct rpc_call *call, const struct diags *ds)
{
	rpc_fail_data(call, DAEMON_ERROR_INVALID, diags_json(ds),
		      "the policy cannot be applied: %zu error%s", ds->nr_errors,
		      ds->nr_errors == 1 ? "" : "s");
}

static json_t *failure_json(struct apply_result *result)
{
	return json_pack("{sO* si}", "steps", result->steps, "failed", (int)result->failed_step);
}

void tx_fail(struct rpc_call *call, int rc, const struct diags *ds, struct apply_result *result)
{
	const char *why = result->why[0] ? result->why : strerror(-rc);

	if (rc == -EINVAL && ds && ds->nr_errors)
		tx_fail_invalid(call, ds);
	else if (rc == -ECANCELED)
		rpc_fail_data(call, DAEMON_ERROR_ROLLED_BACK, failure_json(result),
			      "%s; the old state is back", why);
	else if (rc == -ENOTRECOVERABLE)
		rpc_fail_data(call, DAEMON_ERROR_ROLLBACK_FAILED, failure_json(result),
			      "%s; the old state is not back as it was, see vifrostd's log", why);
	else
		rpc_fail(call, rc == -EBUSY || rc == -ESTALE ? DAEMON_ERROR_BUSY : "internal", "%s",
			 why);
}

/* Of networks whose switch vifrost-netback, or Open vSwitch's DPDK, was to be. */
static json_t *fallen_json(const struct vs_wanted *w, const struct vs_network *n)
{
	const char *why = n->dpdk.has_fallen ? w->dpdk_why : w->fast_why;
	char text[2 * POL_DEGRADED_MAX];

	if (!why[0])
		why = n->dpdk.has_fallen
			      ? "when the policy was applied Open vSwitch could have no ports of "
				"DPDK's; apply again once it can"
			      : "when the policy was applied vifrost-netback could not be its switch; "
				"apply again once it can";
	snprintf(text, sizeof(text), "network %s is on datapath %s, its fall-back: %s", n->name,
		 n->mode == &vs_mode_ovs && n->ovs_datapath == VS_OVS_NETDEV ? "netdev" : "kernel",
		 why);
	return json_string(text);
}

json_t *degraded_json(const struct policy *policy, const struct vs_wanted *wanted)
{
	json_t *list = NULL;
	char why[POL_DEGRADED_MAX];

	for (size_t i = 0; i < wanted->nr_networks; i++) {
		if (!wanted->networks[i].fast.has_fallen && !wanted->networks[i].dpdk.has_fallen)
			continue;
		if (!list)
			list = json_array();
		json_array_append_new(list, fallen_json(wanted, &wanted->networks[i]));
	}

	for (size_t i = 0; policy && i < policy->networks.nr; i++) {
		if (!pol_network_degraded(&policy->networks.v[i], why))
			continue;
		if (!list)
			list = json_array();
		json_array_append_new(list, json_string(why));
	}
	return list;
}

const char *tx_outcome_of(const struct apply_result *result)
{
	return result->nr_steps ? DAEMON_OUTCOME_CHANGED : DAEMON_OUTCOME_UNCHANGED;
}
