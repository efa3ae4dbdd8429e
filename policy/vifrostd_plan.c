/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans that are only looked at, and remembered for those who then say "that one". */
#include "policy/vifrostd_priv.h"

#include <stdlib.h>
#include <string.h>

#include "policy/daemon_api.h"
#include "vswitch/fastnet.h"

static void forget(struct planned *p)
{
	free(p->file);
	free(p->text);
	*p = (struct planned){ 0 };
}

void plan_forget_all(struct vifrostd *d)
{
	for (int i = 0; i < PLANS_MAX; i++)
		forget(&d->planned[i]);
}

const struct planned *plan_find(const struct vifrostd *d, const char *id)
{
	for (int i = 0; i < PLANS_MAX; i++)
		if (d->planned[i].text && !strcmp(d->planned[i].id, id))
			return &d->planned[i];
	return NULL;
}

static void remember(struct vifrostd *d, const char *id, const char *file, const char *text)
{
	struct planned *p = &d->planned[d->next_planned];

	if (plan_find(d, id))
		return;
	forget(p);
	memcpy(p->id, id, sizeof(p->id));
	p->file = strdup(file);
	p->text = strdup(text);
	if (!p->file || !p->text)
		forget(p);
	else
		d->next_planned = (d->next_planned + 1) % PLANS_MAX;
}

struct question {
	struct vifrostd *d;
	const struct tx_request *r;
	struct diags ds;
	json_t *degraded; /* NULL: nothing is */
};

static int may(void *arg, const struct apply *a, const struct vs_observed *before,
	       const struct vs_plan *plan, struct apply_result *result)
{
	struct question *q = arg;

	(void)result;
	return tx_check_management(q->d, q->r, a, before, plan, &q->ds);
}

/* @policy: NULL: none. Return: 0 with @result; else the call is answered. */
static int look(struct question *q, struct rpc_call *call, const struct policy *policy,
		struct apply_wish *wish, struct apply_result *result)
{
	struct vifrostd *d = q->d;
	struct vs_wanted wanted;
	int rc;

	*result = (struct apply_result){ 0 };
	vs_wanted_init(&wanted);
	wish->wanted = &wanted;
	rc = rpc_wanted(d, policy, NETBACK_START_MS, &wanted);
	if (!rc)
		rc = vs_fast_check_host(&wanted, &q->ds);
	if (!rc)
		rc = apply_plan(&d->apply, wish, &q->ds, result);
	if (rc)
		tx_fail(call, rc, &q->ds, result);
	else
		q->degraded = degraded_json(policy, &wanted);
	wish->wanted = NULL;
	vs_wanted_fini(&wanted);
	diags_fini(&q->ds);
	return rc;
}

/* @degraded: taken over. */
static void answer(struct rpc_call *call, json_t *degraded, const struct apply_result *result)
{
	rpc_reply(call, json_pack("{ss ss sO so*}", "outcome", tx_outcome_of(result), "plan",
				  result->id, "steps", result->steps, "degraded", degraded));
}

void plan_rpc_plan(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	struct tx_request r = { 0 };
	struct question q = { .d = d, .r = &r };
	struct apply_result result;
	struct apply_wish wish = { .may = may, .arg = &q };

	if (rpc_read_change(d, call, &r))
		return;
	wish.file = r.file;
	wish.text = r.text;
	if (!look(&q, call, r.policy, &wish, &result)) {
		remember(d, result.id, r.file, r.text);
		answer(call, q.degraded, &result);
	}
	apply_result_fini(&result);
	pol_free(r.policy);
}

void plan_rpc_diff(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	struct question q = { .d = d };
	struct apply_result result;
	struct apply_wish wish = { .file = d->apply.state.file, .text = d->apply.state.text };

	if (!look(&q, call, d->policy, &wish, &result))
		answer(call, q.degraded, &result);
	apply_result_fini(&result);
}
