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

/* Of networks whose switch vifrost-netback was to be. */
static json_t *fallen_json(const struct vs_network *n, const char *why)
{
	char text[2 * POL_DEGRADED_MAX];

	snprintf(text, sizeof(text), "network %s is on datapath kernel, its fall-back: %s", n->name,
		 why[0] ? why
			: "when the policy was applied vifrost-netback could not be its switch; "
			  "apply again once it can");
	return json_string(text);
}

json_t *degraded_json(const struct policy *policy, const struct vs_wanted *wanted)
{
	json_t *list = NULL;
	char why[POL_DEGRADED_MAX];

	for (size_t i = 0; i < wanted->nr_networks; i++) {
		if (!wanted->networks[i].fast.has_fallen)
			continue;
		if (!list)
			list = json_array();
		json_array_append_new(list, fallen_json(&wanted->networks[i], wanted->fast_why));
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
