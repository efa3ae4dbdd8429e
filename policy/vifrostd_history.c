/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/daemon_api.h"

#define BOOT_PATIENCE_MS 15000

void history_rpc_list(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	json_t *list = history_list(&d->history);

	if (list)
		rpc_reply(call, list);
	else
		rpc_fail(call, "internal", "%s", strerror(ENOMEM));
}

/* Return: 0 with *entry the caller's; else the call is answered. */
static int read_revision(struct vifrostd *d, struct rpc_call *call, json_int_t revision,
			 json_t **entry)
{
	int rc = history_read(&d->history, revision, entry);

	if (rc == -ENOENT)
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND,
			 "no revision %" JSON_INTEGER_FORMAT "; `vifrost history` lists them",
			 revision);
	else if (rc)
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND,
			 "revision %" JSON_INTEGER_FORMAT " cannot be read: %s", revision,
			 strerror(-rc));
	return rc;
}

static const char *text_of(const json_t *entry, const char *key)
{
	return json_string_value(json_object_get(entry, key));
}

void history_show(struct vifrostd *d, struct rpc_call *call, json_int_t revision, bool effective)
{
	struct policy *policy = NULL;
	struct diags ds = { 0 };
	json_t *entry;
	const char *text, *file;
	int rc;

	if (read_revision(d, call, revision, &entry))
		return;
	text = text_of(entry, "policy");
	file = text_of(entry, "file");
	rc = text ? pol_load_text(file ? file : "", text, strlen(text), &ds, &policy) : -ENOENT;
	if (rc == -ENOENT)
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND,
			 "at revision %" JSON_INTEGER_FORMAT " all was down", revision);
	else if (rc == -EINVAL)
		tx_fail_invalid(call, &ds);
	else if (rc)
		rpc_fail(call, "internal", "%s", strerror(-rc));
	else
		rpc_reply(call, effective ? pol_effective_json(policy) : pol_json(policy));
	pol_free(policy);
	diags_fini(&ds);
	json_decref(entry);
}

void history_rpc_undo(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	const json_t *given = json_object_get(rpc_params(call), "revision");
	json_int_t revision = given ? json_integer_value(given) : d->history.last - 1;
	struct tx_request r = { 0 };
	char message[64];
	json_t *entry;

	if (tx_refuse_busy(d, call))
		return;
	if (!given && revision < 1) {
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "nothing was applied before that");
		return;
	}
	if (read_revision(d, call, revision, &entry))
		return;
	rpc_read_request(call, &r);
	r.file = text_of(entry, "file");
	r.text = text_of(entry, "policy");
	snprintf(message, sizeof(message), "undo to revision %" JSON_INTEGER_FORMAT, revision);
	if (!r.message)
		r.message = message;
	if (!r.text)
		r.file = NULL;
	if (!r.text || !rpc_load_policy(d, &r))
		tx_begin(d, &r);
	json_decref(entry);
}

void history_settle(struct vifrostd *d)
{
	int rc = history_recover(&d->history, d->apply.state.serial);

	if (rc)
		log_err("%s: %s; the next boot knows nothing of the last change", d->history.dir,
			strerror(-rc));
}

static int boot_policy(struct vifrostd *d, const json_t *entry, struct diags *ds,
		       struct apply_result *result)
{
	const char *text = text_of(entry, "policy"), *file = text_of(entry, "file");
	struct policy *policy = NULL;
	struct vs_wanted wanted;
	struct apply_wish wish = { .wanted = &wanted, .file = file ? file : "", .text = text };
	int rc = pol_load_text(wish.file, text, strlen(text), ds, &policy);

	if (rc)
		return rc;
	vs_wanted_init(&wanted);
	rc = rpc_wanted(d, policy, 0, &wanted);
	/* It is started behind us; to fall back now would last until somebody applies again. */
	if (!rc && wanted.fast_may_come && clock_ms() < d->patient_until_ms) {
		diag_add(ds, DIAG_ERROR, "VF0516", NULL, NULL, "%s", wanted.fast_why);
		rc = -EAGAIN;
	}
	if (!rc)
		rc = apply_run(&d->apply, &wish, ds, result);
	vs_wanted_fini(&wanted);
	if (!rc)
		rc = vifrostd_take_policy(d, policy);
	if (rc)
		pol_free(policy);
	return rc;
}

static void answer_boot(struct vifrostd *d, struct rpc_call *call)
{
	rpc_reply(call, json_pack("{ss sI ss*}", "outcome",
				  d->policy ? DAEMON_OUTCOME_CHANGED : DAEMON_OUTCOME_UNCHANGED,
				  "revision", d->history.last, "file", d->apply.state.file));
}

void history_boot(struct vifrostd *d)
{
	struct apply_result result = { 0 };
	struct diags ds = { 0 };
	json_t *entry;
	int rc;

	d->is_booting = false;
	if (!d->patient_until_ms)
		d->patient_until_ms = clock_ms() + BOOT_PATIENCE_MS;
	if (!d->history.last || history_read(&d->history, d->history.last, &entry))
		return;
	if (text_of(entry, "policy")) {
		rc = boot_policy(d, entry, &ds, &result);
		d->is_booting = rc != 0;
		if (!rc)
			log_notice("revision %" JSON_INTEGER_FORMAT
				   ", the last one, is in force in %zu steps",
				   d->history.last, result.nr_steps);
		else
			log_err("revision %" JSON_INTEGER_FORMAT
				", the last one, cannot be applied yet: %s",
				d->history.last,
				result.why[0] ? result.why
				: ds.nr	      ? ds.v[0].message
					      : strerror(-rc));
	}
	apply_result_fini(&result);
	diags_fini(&ds);
	json_decref(entry);
	if (!d->is_booting && d->boot_call) {
		answer_boot(d, d->boot_call);
		d->boot_call = NULL;
	}
}

void history_rpc_boot(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;

	if (d->is_booting)
		history_boot(d);
	if (!d->is_booting)
		answer_boot(d, call);
	else if (d->boot_call)
		rpc_fail(call, DAEMON_ERROR_BUSY, "someone else waits for that already");
	else
		d->boot_call = call;
}
