/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/daemon_api.h"
#include "policy/wanted.h"

int rpc_wanted(struct vifrostd *d, const struct policy *policy, struct vs_wanted *wanted)
{
	int rc = policy ? pol_wanted(policy, d->host_id, wanted) : 0;

	return rc ? rc : vif_wanted(d, policy, wanted);
}

static void fail_invalid(struct rpc_call *call, const struct diags *ds)
{
	rpc_fail_data(call, DAEMON_ERROR_INVALID, diags_json(ds),
		      "the policy cannot be applied: %zu error%s", ds->nr_errors,
		      ds->nr_errors == 1 ? "" : "s");
}

/* The call's policy, checked. Return: 0; else the call is answered. */
static int read_policy(const struct vifrostd *d, struct rpc_call *call, struct policy **policy_out,
		       const char **file_out, const char **text_out)
{
	const json_t *text = json_object_get(rpc_params(call), "policy");
	const char *file = json_string_value(json_object_get(rpc_params(call), "file"));
	struct diags ds = { 0 };
	char host[HOST_NAME_MAX + 1] = "";
	int rc;

	*policy_out = NULL;
	if (!file || !json_is_string(text)) {
		rpc_fail(call, "usage", "params: {\"policy\": text, \"file\": its name}");
		return -EINVAL;
	}
	*file_out = file;
	*text_out = json_string_value(text);
	rc = pol_load_text(file, *text_out, json_string_length(text), &ds, policy_out);
	gethostname(host, sizeof(host) - 1);
	if (rc == -EINVAL) {
		fail_invalid(call, &ds);
	} else if (rc) {
		rpc_fail(call, "internal", "cannot read the policy: %s", strerror(-rc));
	} else if (!pol_matches_host(*policy_out, host)) {
		rpc_reply(call,
			  json_pack("{ss s[]}", "outcome", DAEMON_OUTCOME_NOT_FOR_HOST, "steps"));
		rc = -EPERM;
	} else {
		rc = pol_check_change(d->policy, *policy_out, &ds);
		if (rc)
			fail_invalid(call, &ds);
	}
	if (rc) {
		pol_free(*policy_out);
		*policy_out = NULL;
	}
	diags_fini(&ds);
	return rc;
}

static json_t *failure_json(struct apply_result *result)
{
	return json_pack("{sO* si}", "steps", result->steps, "failed", (int)result->failed_step);
}

static void fail_apply(struct rpc_call *call, int rc, const struct diags *ds,
		       struct apply_result *result)
{
	const char *why = result->why[0] ? result->why : strerror(-rc);

	if (rc == -EINVAL && ds->nr_errors)
		fail_invalid(call, ds);
	else if (rc == -ECANCELED)
		rpc_fail_data(call, DAEMON_ERROR_ROLLED_BACK, failure_json(result),
			      "%s; the old state is back", why);
	else if (rc == -ENOTRECOVERABLE)
		rpc_fail_data(call, DAEMON_ERROR_ROLLBACK_FAILED, failure_json(result),
			      "%s; so did the way back, see vifrostd's log", why);
	else
		rpc_fail(call, rc == -EBUSY ? DAEMON_ERROR_BUSY : "internal", "%s", why);
}

static const char *outcome_of(const struct apply_result *result)
{
	return result->nr_steps ? DAEMON_OUTCOME_CHANGED : DAEMON_OUTCOME_UNCHANGED;
}

static void rpc_plan(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	struct apply_result result = { 0 };
	struct diags ds = { 0 };
	struct vs_wanted wanted;
	struct policy *policy;
	const char *file, *text;
	int rc;

	if (read_policy(d, call, &policy, &file, &text))
		return;
	vs_wanted_init(&wanted);
	rc = rpc_wanted(d, policy, &wanted);
	if (!rc)
		rc = apply_plan(&d->apply, &wanted, &ds, &result);
	if (rc)
		fail_apply(call, rc, &ds, &result);
	else
		rpc_reply(call, json_pack("{ss sO}", "outcome", outcome_of(&result), "steps",
					  result.steps));
	apply_result_fini(&result);
	vs_wanted_fini(&wanted);
	diags_fini(&ds);
	pol_free(policy);
}

/* @policy: taken over when it holds now. */
static int make_so(struct vifrostd *d, struct policy *policy, const char *file, const char *text,
		   struct diags *ds, struct apply_result *result)
{
	struct vs_wanted wanted;
	int rc;

	vs_wanted_init(&wanted);
	rc = rpc_wanted(d, policy, &wanted);
	if (!rc)
		rc = apply_run(&d->apply, &wanted, file, text, ds, result);
	vs_wanted_fini(&wanted);
	return rc ? rc : vifrostd_take_policy(d, policy);
}

/* Those that had to wait get their turn. */
static void update_vifs(struct vifrostd *d)
{
	int rc = d->store ? vif_update_changed(d) : 0;

	if (rc)
		store_lost(d, rc);
	else
		store_drain(d);
}

static void answer_apply(struct vifrostd *d, struct rpc_call *call, struct policy *policy,
			 const char *file, const char *text)
{
	struct apply_result result = { 0 };
	struct diags ds = { 0 };
	uint64_t begin = clock_ns(), before = d->sys->nr_changes;
	int rc = make_so(d, policy, file, text, &ds, &result);

	if (rc) {
		pol_free(policy);
		log_warning("%s: not applied: %s", file ? file : "down",
			    result.why[0] ? result.why : strerror(-rc));
		fail_apply(call, rc, &ds, &result);
		goto out;
	}
	update_vifs(d);
	log_notice("%s: %s in %zu steps", file ? file : "down", file ? "applied" : "done",
		   result.nr_steps);
	rpc_reply(call,
		  json_pack("{ss sO sI sf}", "outcome", outcome_of(&result), "steps", result.steps,
			    "changes", (json_int_t)(d->sys->nr_changes - before), "duration-ms",
			    (double)(clock_ns() - begin) / 1e6));
out:
	apply_result_fini(&result);
	diags_fini(&ds);
}

static void rpc_apply(void *arg, struct rpc_call *call)
{
	struct policy *policy;
	const char *file, *text;

	if (!read_policy(arg, call, &policy, &file, &text))
		answer_apply(arg, call, policy, file, text);
}

static void rpc_down(void *arg, struct rpc_call *call)
{
	answer_apply(arg, call, NULL, NULL, NULL);
}

static void reply_or_nomem(struct rpc_call *call, json_t *result)
{
	if (result)
		rpc_reply(call, result);
	else
		rpc_fail(call, "internal", "%s", strerror(ENOMEM));
}

static void rpc_status(void *arg, struct rpc_call *call)
{
	reply_or_nomem(call, status_json(arg));
}

static void rpc_vif_list(void *arg, struct rpc_call *call)
{
	reply_or_nomem(call, status_vifs_json(arg));
}

static void rpc_show(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;

	bool effective = json_is_true(json_object_get(rpc_params(call), "effective"));

	if (!d->policy)
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "no policy is applied");
	else
		reply_or_nomem(call,
			       effective ? pol_effective_json(d->policy) : pol_json(d->policy));
}

static void rpc_explain(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	const char *name = json_string_value(json_object_get(rpc_params(call), "vif"));
	struct placement p;
	struct vif *vif = name && name[0] ? vif_find_name(d, name) : NULL;

	if (!vif) {
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "no vif %s; `vifrost vif list` shows all",
			 name ? name : "");
		return;
	}
	vif_decide(d, d->policy, vif, true, &p);
	reply_or_nomem(call,
		       json_pack("{so ss ss* so* so*}", "vif", status_vif_json(d, vif), "why",
				 p.why, "file", p.line ? p.file : NULL, "line",
				 p.line ? json_integer(p.line) : NULL, "effective", p.effective));
}

const struct rpc_method vifrostd_methods[] = {
	{ "plan", rpc_plan },	    { "apply", rpc_apply }, { "down", rpc_down },
	{ "status", rpc_status },   { "show", rpc_show },   { "vif.list", rpc_vif_list },
	{ "explain", rpc_explain }, { "vif.place", rpc_vif_place }, { NULL, NULL },
};
