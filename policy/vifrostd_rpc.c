/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/daemon_api.h"
#include "policy/wanted.h"
#include "vswitch/ovs.h"
#include "vswitch/fastnet.h"
#include "vswitch/guard.h"

int rpc_wanted(struct vifrostd *d, const struct policy *policy, unsigned int wait_ms,
	       struct vs_wanted *wanted)
{
	int rc = policy ? pol_wanted(policy, d->host_id, wanted) : 0;

	vs_fast_decide(wanted, d->rundir, wait_ms);
	vs_ovs_decide(wanted, d->rundir);
	if (!rc)
		rc = names_wanted(d, wanted);
	return rc ? rc : vif_wanted(d, policy, false, wanted);
}

void rpc_read_request(struct rpc_call *call, struct tx_request *r)
{
	const json_t *params = rpc_params(call);

	r->call = call;
	r->file = json_string_value(json_object_get(params, "file"));
	r->text = json_string_value(json_object_get(params, "policy"));
	r->plan_id = json_string_value(json_object_get(params, "plan"));
	r->message = json_string_value(json_object_get(params, "message"));
	r->ssh = json_string_value(json_object_get(params, "ssh"));
	r->allow_management_cut = json_is_true(json_object_get(params, "allow-management-cut"));
}

int rpc_load_policy(const struct vifrostd *d, struct tx_request *r)
{
	struct diags ds = { 0 };
	char host[HOST_NAME_MAX + 1] = "";
	int rc = pol_load_text(r->file, r->text, strlen(r->text), &ds, &r->policy);

	gethostname(host, sizeof(host) - 1);
	if (rc == -EINVAL) {
		tx_fail_invalid(r->call, &ds);
	} else if (rc) {
		rpc_fail(r->call, "internal", "cannot read the policy: %s", strerror(-rc));
	} else if (!pol_matches_host(r->policy, host)) {
		rpc_reply(r->call,
			  json_pack("{ss s[]}", "outcome", DAEMON_OUTCOME_NOT_FOR_HOST, "steps"));
		rc = -EPERM;
	} else if (!r->allow_management_cut) {
		rc = pol_check_change(d->policy, r->policy, &ds);
		if (rc)
			tx_fail_invalid(r->call, &ds);
	}
	if (rc) {
		pol_free(r->policy);
		r->policy = NULL;
	}
	diags_fini(&ds);
	return rc;
}

static bool has_nul(const json_t *text)
{
	return text && strlen(json_string_value(text)) != json_string_length(text);
}

int rpc_read_change(const struct vifrostd *d, struct rpc_call *call, struct tx_request *r)
{
	const struct planned *planned;

	rpc_read_request(call, r);
	if (r->plan_id && !r->text) {
		planned = plan_find(d, r->plan_id);
		if (!planned) {
			rpc_fail(call, DAEMON_ERROR_NOT_FOUND,
				 "plan %s is not one of the last %d; plan again", r->plan_id,
				 PLANS_MAX);
			return -ENOENT;
		}
		r->file = planned->file;
		r->text = planned->text;
	}
	if (!r->file || !r->text || has_nul(json_object_get(rpc_params(call), "policy"))) {
		rpc_fail(call, "usage", "params: {\"policy\": text, \"file\": its name}");
		return -EINVAL;
	}
	return rpc_load_policy(d, r);
}

static void rpc_apply(void *arg, struct rpc_call *call)
{
	struct tx_request r = { 0 };

	if (!tx_refuse_busy(arg, call) && !rpc_read_change(arg, call, &r))
		tx_begin(arg, &r);
}

static uint64_t confirm_ms(const struct policy *policy)
{
	const struct pol_u64 *us = &policy->apply.confirm_timeout;

	return us->place.line ? us->value / 1000 : DAEMON_TRY_DEFAULT_MS;
}

static void rpc_try(void *arg, struct rpc_call *call)
{
	struct tx_request r = { .is_try = true };
	const json_t *timeout = json_object_get(rpc_params(call), "timeout-ms");
	json_int_t ms = json_integer_value(timeout);

	if (tx_refuse_busy(arg, call))
		return;
	if (timeout && (ms < 1000 || ms > DAEMON_TRY_MAX_MS)) {
		rpc_fail(call, "usage", "timeout-ms: from 1000 to %d", DAEMON_TRY_MAX_MS);
		return;
	}
	if (rpc_read_change(arg, call, &r))
		return;
	r.timeout_ms = timeout ? (uint64_t)ms : confirm_ms(r.policy);
	tx_begin(arg, &r);
}

static void rpc_down(void *arg, struct rpc_call *call)
{
	struct tx_request r = { 0 };

	rpc_read_request(call, &r);
	r.file = r.text = NULL;
	tx_begin(arg, &r);
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
	const json_t *at = json_object_get(rpc_params(call), "at");
	bool effective = json_is_true(json_object_get(rpc_params(call), "effective"));

	if (at)
		history_show(d, call, json_integer_value(at), effective);
	else if (!d->policy)
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "no policy is applied");
	else
		reply_or_nomem(call,
			       effective ? pol_effective_json(d->policy) : pol_json(d->policy));
}

struct dropped {
	const char *link;
	json_t *by_reason;
};

static void note_dropped(void *arg, const struct guard_count *count)
{
	struct dropped *d = arg;

	if (!strcmp(count->link, d->link))
		json_object_set_new(d->by_reason, count->reason,
				    json_integer((json_int_t)count->packets));
}

static void add_dropped(json_t *by_reason, const json_t *counters)
{
	const char *reason;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)counters, reason, value) {
		if (json_integer_value(value))
			json_object_set(by_reason, reason, value);
	}
}

/* The same by vifrost-netback's switch, which has no link to count on. */
static json_t *dropped_by_switch(const struct vifrostd *d, const struct vif *vif)
{
	json_t *status = vs_fast_status(d->rundir), *by_reason = json_object();
	const json_t *port = json_object_get(json_object_get(status, "ports"), vif->name);

	add_dropped(by_reason, json_object_get(port, "drops"));
	/* Told one by one. */
	if (json_object_size(json_object_get(port, "guard")))
		json_object_del(by_reason, "guard");
	add_dropped(by_reason, json_object_get(port, "guard"));
	json_decref(status);
	if (json_object_size(by_reason))
		return by_reason;
	json_decref(by_reason);
	return NULL;
}

/* Packets of the guest's, and to it, by why its guard has dropped them. NULL: none. */
static json_t *dropped_json(const struct vif *vif)
{
	struct dropped d = { .link = vif->link, .by_reason = json_object() };

	if (d.by_reason && (guard_counters(note_dropped, &d) || !json_object_size(d.by_reason))) {
		json_decref(d.by_reason);
		d.by_reason = NULL;
	}
	return d.by_reason;
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
	reply_or_nomem(
		call,
		json_pack("{so ss ss* so* so* so* so*}", "vif", status_vif_json(d, vif), "why",
			  p.why, "file", p.line ? p.file : NULL, "line",
			  p.line ? json_integer(p.line) : NULL, "effective", p.effective, "routing",
			  p.is_placed ? routes_explain(d, &p.vif) : NULL, "dropped",
			  vif->actual == VIF_DATAPATH_DPDK || vif->actual == VIF_DATAPATH_VHOST
				  ? dropped_by_switch(d, vif)
				  : dropped_json(vif)));
}

const struct rpc_method vifrostd_methods[] = {
	{ "plan", plan_rpc_plan },	{ "diff", plan_rpc_diff },
	{ "apply", rpc_apply },		{ "try", rpc_try },
	{ "confirm", tx_rpc_confirm },	{ "rollback", tx_rpc_rollback },
	{ "extend", tx_rpc_extend },	{ "expire", tx_rpc_expire },
	{ "undo", history_rpc_undo },	{ "history", history_rpc_list },
	{ "boot", history_rpc_boot },	{ "down", rpc_down },
	{ "status", rpc_status },	{ "show", rpc_show },
	{ "vif.list", rpc_vif_list },	{ "explain", rpc_explain },
	{ "vif.place", rpc_vif_place }, { NULL, NULL },
};
