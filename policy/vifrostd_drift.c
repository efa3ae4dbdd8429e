/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others change of ours. A change that the kernel tells of is only a hint: once it has been quiet
 * for a moment, what is there is compared with the policy in force, by the planner as ever; steps that it
 * finds are the drift. It is named in the log and in "status", and repaired, reported or adopted.
 *
 * Our own changes give hints too, and no steps. A look costs what a plan costs, so looks keep a distance
 * of many times their own length. Who repairs again and again has met another who does: after a few times
 * in a row we name it and pause.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/wanted.h"
#include "vswitch/ovs.h"

#define POLL_MS		500 /* Open vSwitch and our daemons are asked, they do not tell */
#define QUIET_MS	100 /* after the last hint */
#define LATEST_MS	400 /* after the first */
#define COST_FACTOR	5   /* of the time, at most 1/6 goes into looking */
#define VIF_QUIET_MS	300
#define VIF_COST_FACTOR 100
#define REPAIRS_MAX	5 /* within */
#define REPAIRS_MS	10000
#define PAUSE_MS	30000
#define BOOT_RETRY_MS	2000
#define STEPS_LOGGED	8

static void schedule(struct vifrostd *d)
{
	struct drift *dr = &d->drift;
	uint64_t now = clock_ms(), at = now + QUIET_MS;

	dr->is_due = true;
	if (!dr->first_hint_ms)
		dr->first_hint_ms = now;
	if (at > dr->first_hint_ms + LATEST_MS)
		at = dr->first_hint_ms + LATEST_MS;
	if (at < dr->not_before_ms)
		at = dr->not_before_ms;
	loop_timer_set(&dr->timer, at > now ? at - now : 1, 0);
}

void drift_kick(struct vifrostd *d)
{
	if (d->changes)
		schedule(d);
}

/* Guests come and go, mostly by our own doing: that is worth a look, but not many. */
static void schedule_vif(struct vifrostd *d)
{
	struct drift *dr = &d->drift;
	uint64_t now = clock_ms(), at = now + VIF_QUIET_MS;

	if (dr->is_due)
		return;
	dr->is_due = true;
	if (at < dr->vif_not_before_ms)
		at = dr->vif_not_before_ms;
	loop_timer_set(&dr->timer, at - now, 0);
}

static void on_change(void *arg, const struct vs_change *change)
{
	struct vifrostd *d = arg;
	struct drift *dr = &d->drift;
	bool is_others = change->pid != getpid();

	if (change->link[0] && vif_find_name(d, change->link)) {
		schedule_vif(d);
		return;
	}
	if (!change->is_inner)
		vs_forget_egress(&d->networks);
	/* The first of a burst is its cause more often than the last; what we do is nobody's fault. */
	if (is_others && change->pid > 0 && change->process[0] && !dr->by[0])
		snprintf(dr->by, sizeof(dr->by), "%s, process %d", change->process,
			 (int)change->pid);
	else if (is_others && change->pid > 0 && !dr->by_pid)
		dr->by_pid = change->pid;
	schedule(d);
}

/* "ip, process 812", "process 812", "". */
static void take_culprit(struct vifrostd *d, char text[DRIFT_BY_LEN])
{
	struct drift *dr = &d->drift;

	if (dr->by[0])
		snprintf(text, DRIFT_BY_LEN, "%s", dr->by);
	else if (dr->by_pid)
		snprintf(text, DRIFT_BY_LEN, "process %d", (int)dr->by_pid);
	else
		text[0] = '\0';
	dr->by[0] = '\0';
	dr->by_pid = 0;
}

static const char *member(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void forget(struct drift *dr)
{
	json_decref(dr->steps);
	dr->steps = NULL;
	dr->culprit[0] = '\0';
}

/* What the repair's step undoes is what has been done to us. */
static void log_steps(const json_t *steps, const char *culprit, const char *verdict)
{
	size_t nr = json_array_size(steps);

	for (size_t i = 0; i < nr && i < STEPS_LOGGED; i++)
		log_warning("drift: someone%s%s%s has done: %s; %s: %s", culprit[0] ? " (" : "",
			    culprit, culprit[0] ? ")" : "",
			    member(json_array_get(steps, i), "undo"), verdict,
			    member(json_array_get(steps, i), "text"));
	if (nr > STEPS_LOGGED)
		log_warning("drift: and %zu more", nr - STEPS_LOGGED);
}

/* Return: whether one more repair is due now. */
static bool may_repair(struct vifrostd *d)
{
	struct drift *dr = &d->drift;
	uint64_t now = clock_ms();

	if (now >= dr->window_ms + REPAIRS_MS) {
		dr->window_ms = now;
		dr->repairs = 0;
	}
	if (++dr->repairs <= REPAIRS_MAX)
		return true;
	if (dr->repairs == REPAIRS_MAX + 1)
		log_err("drift: repaired %d times in %d s%s%s and always undone; two are fighting: "
			"pausing for %d s",
			REPAIRS_MAX, REPAIRS_MS / 1000, dr->culprit[0] ? ", against " : "",
			dr->culprit, PAUSE_MS / 1000);
	dr->not_before_ms = now + PAUSE_MS;
	dr->window_ms = dr->not_before_ms;
	dr->is_fight = true;
	schedule(d);
	return false;
}

static void repair(struct vifrostd *d, const struct apply_wish *wish)
{
	struct apply_result result = { 0 };
	struct diags ds = { 0 };
	int rc;

	if (!may_repair(d))
		return;
	rc = apply_run(&d->apply, wish, &ds, &result);
	if (rc) {
		log_err("drift: cannot be repaired: %s",
			result.why[0] ? result.why : strerror(-rc));
		d->drift.not_before_ms = clock_ms() + BOOT_RETRY_MS;
		schedule(d);
	} else {
		d->drift.nr_repaired++;
		d->drift.is_fight = false;
		json_decref(d->drift.last);
		d->drift.last = json_pack("{sO ss* sI}", "steps", d->drift.steps, "by",
					  d->drift.culprit[0] ? d->drift.culprit : NULL, "when",
					  (json_int_t)time(NULL));
		forget(&d->drift);
	}
	apply_result_fini(&result);
	diags_fini(&ds);
}

/* Those of @steps that were not adopted; a new array. */
static json_t *without_adopted(const struct drift *dr, const json_t *steps)
{
	json_t *left = json_array();

	for (size_t i = 0; left && i < json_array_size(steps); i++) {
		json_t *step = json_array_get(steps, i);

		if (!json_object_get(dr->adopted, member(step, "text")))
			json_array_append(left, step);
	}
	return left;
}

static void adopt(struct drift *dr, const json_t *steps)
{
	if (!dr->adopted)
		dr->adopted = json_object();
	for (size_t i = 0; i < json_array_size(steps); i++)
		json_object_set_new(dr->adopted, member(json_array_get(steps, i), "text"),
				    json_true());
}

static void judge(struct vifrostd *d, const struct apply_wish *wish, const json_t *steps)
{
	static const char *const verdicts[] = {
		[POL_DRIFT_REPAIR] = "repairing",
		[POL_DRIFT_REPORT] = "not repaired, as the policy says; would be",
		[POL_DRIFT_ADOPT] = "adopted, as the policy says; would have been",
	};
	uint32_t what = d->policy ? d->policy->drift.value : POL_DRIFT_REPAIR;
	struct drift *dr = &d->drift;
	json_t *left = without_adopted(dr, steps);
	bool is_known = dr->steps && json_equal(dr->steps, left);

	if (!json_array_size(left)) {
		json_decref(left);
		forget(dr);
		dr->is_fight = false;
		return;
	}
	json_decref(dr->steps);
	dr->steps = left;
	if (!is_known) {
		take_culprit(d, dr->culprit);
		log_steps(left, dr->culprit, verdicts[what]);
	}
	if (what == POL_DRIFT_REPAIR) {
		repair(d, wish);
	} else if (what == POL_DRIFT_ADOPT) {
		adopt(dr, left);
		forget(dr);
	}
}

/* Cannot be planned: a missing uplink, say. Told once. */
static void cannot_plan(struct drift *dr, const struct diags *ds, const struct apply_result *result,
			int rc)
{
	const char *why = ds->nr ? ds->v[0].message : result->why[0] ? result->why : strerror(-rc);

	if (why && strncmp(dr->why, why, sizeof(dr->why) - 1) != 0) {
		snprintf(dr->why, sizeof(dr->why), "%.190s", why);
		log_warning("drift: %s", why);
	}
}

/* Ports of guests are not to go because we do not know the guests, yet or for the moment. */
static int may_repair_plan(void *arg, const struct apply *a, const struct vs_observed *before,
			   const struct vs_plan *plan, struct apply_result *result)
{
	struct vifrostd *d = arg;

	(void)a;
	(void)before;
	(void)result;
	for (size_t i = 0; i < plan->nr; i++) {
		const struct vs_op *op = &plan->steps[i].op;
		const struct vif *vif;

		if (op->kind != VS_OP_DOC || op->doc ||
		    (op->index != VS_DOC_OVS_PORT && op->index != VS_DOC_FAST_PORT))
			continue;
		vif = vif_find_name(d, op->text);
		if (!d->store || (vif && vif->state != VIF_QUARANTINED))
			return -EAGAIN;
	}
	return 0;
}

static void look(struct vifrostd *d)
{
	struct apply_result result = { 0 };
	struct diags ds = { 0 };
	struct vs_wanted wanted;
	struct apply_wish wish = { .wanted = &wanted,
				   .file = d->apply.state.file,
				   .text = d->apply.state.text,
				   .may = may_repair_plan,
				   .arg = d };
	int rc;

	vs_wanted_init(&wanted);
	/* Vifs that are not placed yet wait for something, and have their own way there. */
	rc = d->policy ? pol_wanted(d->policy, d->host_id, &wanted) : 0;
	vs_fast_keep(&wanted, &d->apply.state.record);
	vs_ovs_keep(&wanted, &d->apply.state.record, d->rundir);
	if (!rc)
		rc = names_wanted(d, &wanted);
	if (!rc)
		rc = vif_wanted(d, d->policy, true, &wanted);
	if (!rc)
		rc = apply_plan(&d->apply, &wish, &ds, &result);
	if (rc == -EAGAIN) {
		log_debug("drift: guests are not known well enough to be looked at");
	} else if (rc) {
		cannot_plan(&d->drift, &ds, &result, rc);
	} else {
		d->drift.why[0] = '\0';
		judge(d, &wish, result.steps);
	}
	vs_wanted_fini(&wanted);
	apply_result_fini(&result);
	diags_fini(&ds);
}

/* An idle host sleeps, but where those who must be asked are in use. */
static int arm_poll(struct vifrostd *d)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < d->networks.nr_networks; i++) {
		const struct vs_network *n = &d->networks.networks[i];

		if (n->mode == &vs_mode_ovs || vs_is_fast(n) || n->nr_subnets || n->host_dhcp4 ||
		    n->host_dhcp6)
			ms = POLL_MS;
	}
	return loop_timer_set(&d->drift.poll_timer, ms, ms);
}

static void on_poll_timer(void *arg)
{
	static const struct vs_change ovs = { .what = "Open vSwitch" };
	static const struct vs_change service = { .what = "a daemon" };
	static const struct vs_change netback = { .what = "vifrost-netback's switch" };
	struct vifrostd *d = arg;

	if (!d->policy || d->tx.phase != TX_NONE)
		return;
	if (vs_ovs_changed())
		on_change(d, &ovs);
	if (vs_fast_changed(d->rundir)) {
		on_change(d, &netback);
		vif_on_netback(d);
	}
	if (vs_services_died(d->rundir))
		on_change(d, &service);
}

static void on_timer(void *arg)
{
	struct vifrostd *d = arg;
	struct drift *dr = &d->drift;
	uint64_t begin = clock_ms(), end;

	dr->first_hint_ms = 0;
	dr->is_due = false;
	/* What is under way looks at all anyway, and asks for a look when it is done. */
	if (d->tx.phase != TX_NONE || d->apply.is_broken)
		return;
	if (d->is_booting) {
		history_boot(d);
		if (d->is_booting)
			loop_timer_set(&dr->timer, BOOT_RETRY_MS, 0);
		return;
	}
	if (!d->policy)
		return;
	look(d);
	dr->by[0] = '\0';
	dr->by_pid = 0;
	end = clock_ms();
	if (dr->not_before_ms < end + COST_FACTOR * (end - begin))
		dr->not_before_ms = end + COST_FACTOR * (end - begin);
	dr->vif_not_before_ms = end + VIF_COST_FACTOR * (end - begin);
}

void drift_reset(struct vifrostd *d)
{
	struct drift *dr = &d->drift;

	forget(dr);
	json_decref(dr->adopted);
	dr->adopted = NULL;
	dr->why[0] = '\0';
	dr->repairs = 0;
	dr->is_fight = false;
	dr->not_before_ms = 0;
	if (d->changes)
		arm_poll(d);
	drift_kick(d);
}

json_t *drift_json(const struct vifrostd *d)
{
	const struct drift *dr = &d->drift;

	if (!dr->steps && !dr->why[0] && !dr->last && !json_object_size(dr->adopted))
		return NULL;
	return json_pack("{sO* ss* ss* sb sI si sO*}", "steps", dr->steps, "by",
			 dr->culprit[0] ? dr->culprit : NULL, "reason", dr->why[0] ? dr->why : NULL,
			 "paused", dr->is_fight, "repaired", (json_int_t)dr->nr_repaired, "adopted",
			 (int)json_object_size(dr->adopted), "last", dr->last);
}

int drift_start(struct vifrostd *d)
{
	int rc = loop_timer_add(d->loop, &d->drift.timer, on_timer, d);

	if (!rc)
		rc = loop_timer_add(d->loop, &d->drift.poll_timer, on_poll_timer, d);
	if (!rc)
		rc = arm_poll(d);
	if (!rc)
		rc = vs_changes_open(d->loop, on_change, d, &d->changes);
	if (!rc)
		drift_kick(d);
	return rc;
}

void drift_stop(struct vifrostd *d)
{
	vs_changes_close(d->changes);
	d->changes = NULL;
	loop_timer_del(&d->drift.timer);
	loop_timer_del(&d->drift.poll_timer);
	forget(&d->drift);
	json_decref(d->drift.adopted);
	json_decref(d->drift.last);
}
