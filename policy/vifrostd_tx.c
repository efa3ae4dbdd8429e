/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One change at a time, from the call that asks for it to its answer.
 *
 *	             steps fail, or cannot be saved: undone, answered
 *	           /
 *	NONE --steps--> PROBING --answered--> apply: committed, NONE
 *	                  |                   try: PENDING --confirm--> committed, NONE
 *	                  | not answered         | rollback, time is up
 *	                  v                      v
 *	                 BACK <------------------+      undone; the old policy's probes are asked
 *	                  +--answered or not--> NONE
 *
 * From the first step to the commit the transaction is open (apply.h), and the new policy is in force: vifs
 * that come meanwhile are placed by it. Killed anywhere, the next start undoes what is open, but for a try
 * that is PENDING, whose lifeline still runs and whose time is not up: that is taken over.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"
#include "policy/daemon_api.h"
#include "policy/lifeline.h"
#include "policy/management.h"

static void tx_reset(struct vifrostd *d)
{
	struct tx *tx = &d->tx;

	tx_guard_stop(d);
	probes_free(tx->probes);
	free(tx->author);
	free(tx->message);
	free(tx->file);
	apply_result_fini(&tx->result);
	*tx = (struct tx){ .timer_fd = -1, .lifeline_fd = -1 };
	names_settled(d);
	routes_sync(d);
	drift_kick(d);
}

/* Those that had to wait get their turn. @is_planned: as vif_update_changed(). */
static void update_vifs(struct vifrostd *d, bool is_planned)
{
	int rc = d->store ? vif_update_changed(d, is_planned) : 0;

	if (rc)
		store_lost(d, rc);
	else
		store_drain(d);
}

/* Who logged in, whatever sudo has made of it; else whose process it is. */
static char *read_author(const struct rpc_call *call)
{
	uid_t uid = rpc_peer_uid(call);
	char path[40], text[16] = "";
	struct passwd *pw;
	uint32_t login;
	char *name;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/loginuid", (int)rpc_peer_pid(call));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		close(fd);
		if (!parse_u32(text, UINT32_MAX, &login) && login != UINT32_MAX)
			uid = login;
	}
	pw = getpwuid(uid);
	if (pw)
		return strdup(pw->pw_name);
	return asprintf(&name, "uid %u", (unsigned int)uid) < 0 ? NULL : name;
}

static json_t *describe(const struct tx *tx)
{
	return json_pack("{sb ss sI sI ss* ss* ss*}", "try", tx->is_try, "id", tx->id, "until-ms",
			 (json_int_t)tx->until_ms, "uid", (json_int_t)tx->uid, "author", tx->author,
			 "message", tx->message, "file", tx->file);
}

static void make_id(char id[TX_ID_LEN])
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint32_t)clock_ns();
	snprintf(id, TX_ID_LEN, "%08x", random);
}

static char *copy_text(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void tx_init(struct vifrostd *d, const struct tx_request *r)
{
	struct tx *tx = &d->tx;

	tx_reset(d);
	tx->is_try = r->is_try;
	make_id(tx->id);
	tx->uid = rpc_peer_uid(r->call);
	tx->author = read_author(r->call);
	tx->message = copy_text(r->message);
	tx->file = copy_text(r->file);
	tx->until_ms = r->is_try ? boottime_ms() + r->timeout_ms : 0;
	tx->began_ns = clock_ns();
	tx->changes_before = d->sys->nr_changes;
	tx->call = r->call;
}

/* Short, for people. */
static const char *file_of(const struct tx *tx)
{
	return tx->file ? tx->file : "down";
}

static json_t *answer_json(struct vifrostd *d, const char *outcome, json_int_t revision)
{
	struct tx *tx = &d->tx;

	return json_pack("{ss ss sO* sI sf so* so*}", "outcome", outcome, "plan", tx->result.id,
			 "steps", tx->result.steps, "changes",
			 (json_int_t)(d->sys->nr_changes - tx->changes_before), "duration-ms",
			 (double)(clock_ns() - tx->began_ns) / 1e6, "revision",
			 revision ? json_integer(revision) : NULL, "degraded",
			 degraded_json(d->policy, &d->networks));
}

static void answer(struct vifrostd *d, json_t *json)
{
	if (d->tx.call)
		rpc_reply(d->tx.call, json);
	else
		json_decref(json);
	d->tx.call = NULL;
}

/* Save the revision and the state. On error all is open as before. */
static int commit(struct vifrostd *d)
{
	struct tx *tx = &d->tx;
	json_t *entry = json_pack("{ss* sI ss* ss* ss* ss si sI}", "author", tx->author, "uid",
				  (json_int_t)tx->uid, "message", tx->message, "file",
				  d->apply.state.file, "policy", d->apply.state.text, "result",
				  tx->is_try ? "confirmed" : "applied", "steps",
				  (int)d->apply.open.nr_steps, "serial", d->apply.state.serial);
	int rc = entry ? history_prepare(&d->history, entry) : -ENOMEM;

	json_decref(entry);
	if (rc) {
		snprintf(tx->result.why, sizeof(tx->result.why),
			 "cannot save the revision in %.300s: %s", d->history.dir, strerror(-rc));
		return rc;
	}
	rc = apply_commit(&d->apply, &tx->result);
	if (rc) {
		history_discard(&d->history);
		return rc;
	}
	rc = history_publish(&d->history);
	if (rc)
		log_err("%s: %s; the next boot knows nothing of this change", d->history.dir,
			strerror(-rc));
	if (tx->is_try)
		lifeline_tell(d->state_dir, tx->id, DAEMON_OUTCOME_CONFIRMED, NULL);
	return 0;
}

static void finish_back(struct vifrostd *d, const char *probe_why)
{
	struct tx *tx = &d->tx;
	size_t len = strlen(tx->result.why);

	if (probe_why) {
		log_err("%s: rolled back, but: %s", file_of(tx), probe_why);
		snprintf(tx->result.why + len, sizeof(tx->result.why) - len,
			 "; and after the rollback: %s", probe_why);
	}
	if (tx->is_try)
		lifeline_tell(d->state_dir, tx->id,
			      probe_why ? DAEMON_ERROR_ROLLBACK_FAILED : DAEMON_ERROR_ROLLED_BACK,
			      tx->result.why);
	if (tx->call && tx->is_asked && !probe_why) {
		answer(d, json_pack("{ss ss}", "outcome", DAEMON_ERROR_ROLLED_BACK, "id", tx->id));
	} else if (tx->call) {
		tx_fail(tx->call, probe_why ? -ENOTRECOVERABLE : -ECANCELED, NULL, &tx->result);
		tx->call = NULL;
	}
	tx_reset(d);
}

static void on_back_probes(void *arg, const char *why)
{
	finish_back(arg, why);
}

static int start_probes(struct vifrostd *d, void (*fn)(void *arg, const char *why))
{
	struct probe list[PROBES_MAX];
	size_t nr = d->policy ? pol_probes(d->policy, list) : 0;
	struct probes *old = d->tx.probes;

	d->tx.probes = NULL;
	probes_free(old);
	return nr ? probes_start(d->loop, list, nr, fn, d, &d->tx.probes) : -ENOENT;
}

/* The state before is back, or hands are needed. @why goes to whoever waits. */
static void roll_back(struct vifrostd *d, const char *why)
{
	struct tx *tx = &d->tx;
	int rc;

	log_warning("%s: rolling back: %s", file_of(tx), why);
	snprintf(tx->result.why, sizeof(tx->result.why), "%s", why);
	rc = apply_rollback(&d->apply, &tx->result);
	if (vifrostd_reload_policy(d))
		log_err("out of memory: the policy in force is not read");
	update_vifs(d, false);
	tx_guard_stop(d);
	if (rc) {
		log_err("%s: %s", file_of(tx), tx->result.why);
		if (tx->is_try)
			lifeline_tell(d->state_dir, tx->id, DAEMON_ERROR_ROLLBACK_FAILED,
				      tx->result.why);
		if (tx->call) {
			tx_fail(tx->call, rc, NULL, &tx->result);
			tx->call = NULL;
		}
		tx_reset(d);
		return;
	}
	tx->phase = TX_BACK;
	if (start_probes(d, on_back_probes))
		finish_back(d, NULL);
}

static void wait_for_confirmation(struct vifrostd *d)
{
	struct tx *tx = &d->tx;
	uint64_t now = boottime_ms();
	json_t *json = answer_json(d, DAEMON_OUTCOME_PENDING, 0);

	tx->phase = TX_PENDING;
	json_object_set_new(json, "id", json_string(tx->id));
	json_object_set_new(json, "seconds-left",
			    json_real(tx->until_ms > now ? (double)(tx->until_ms - now) / 1e3 : 0));
	log_notice("%s: try %s by %s waits for its confirmation", file_of(tx), tx->id, tx->author);
	answer(d, json);
}

/* All that could be asked was answered. */
static void settle(struct vifrostd *d)
{
	struct tx *tx = &d->tx;

	if (tx->is_try) {
		wait_for_confirmation(d);
		return;
	}
	if (commit(d)) {
		char why[sizeof(tx->result.why)];

		memcpy(why, tx->result.why, sizeof(why));
		roll_back(d, why);
		return;
	}
	log_notice("%s: %s in %zu steps", file_of(tx), tx->file ? "applied" : "done",
		   tx->result.nr_steps);
	answer(d, answer_json(d, tx_outcome_of(&tx->result), d->history.last));
	tx_reset(d);
}

static void on_probes(void *arg, const char *why)
{
	struct vifrostd *d = arg;

	if (why)
		roll_back(d, why);
	else
		settle(d);
}

struct question {
	struct vifrostd *d;
	const struct tx_request *r;
	struct diags *ds;
};

static int may(void *arg, const struct apply *a, const struct vs_observed *before,
	       const struct vs_plan *plan, struct apply_result *result)
{
	const struct question *q = arg;
	struct vifrostd *d = q->d;
	int rc = tx_check_management(d, q->r, a, before, plan, q->ds);

	if (rc || !d->tx.is_try)
		return rc;
	rc = tx_guard_start(d);
	if (rc)
		snprintf(result->why, sizeof(result->why),
			 "cannot start " LIFELINE_NAME ", which would roll back: %s",
			 strerror(-rc));
	return rc;
}

int tx_check_management(const struct vifrostd *d, const struct tx_request *r, const struct apply *a,
			const struct vs_observed *before, const struct vs_plan *plan,
			struct diags *ds)
{
	const struct management_path path = { .applied = d->policy,
					      .wanted = r->policy,
					      .ssh = r->ssh,
					      .before = before,
					      .record = &a->state.record,
					      .plan = plan };

	return r->allow_management_cut ? 0 : management_check(&path, ds);
}

/* @policy: taken over on success. */
static int do_it(struct vifrostd *d, const struct tx_request *r, struct diags *ds)
{
	struct tx *tx = &d->tx;
	json_t *meta = describe(tx);
	struct question question = { d, r, ds };
	struct vs_wanted wanted;
	struct apply_wish wish = { .wanted = &wanted,
				   .file = r->file,
				   .text = r->text,
				   .meta = meta,
				   .only_id = r->plan_id,
				   .may = may,
				   .arg = &question };
	int rc;

	vs_wanted_init(&wanted);
	rc = meta ? rpc_wanted(d, r->policy, NETBACK_START_MS, &wanted) : -ENOMEM;
	if (!rc)
		rc = vs_fast_check_host(&wanted, ds);
	if (!rc)
		rc = apply_begin(&d->apply, &wish, ds, &tx->result);
	vs_wanted_fini(&wanted);
	json_decref(meta);
	if (rc)
		return rc;
	rc = vifrostd_take_policy(d, r->policy);
	if (rc && d->apply.open.is_open) {
		snprintf(tx->result.why, sizeof(tx->result.why), "%s", strerror(-rc));
		rc = apply_rollback(&d->apply, &tx->result);
		rc = rc ? rc : -ECANCELED;
	}
	return rc;
}

static const char *first_error(const struct diags *ds, int rc)
{
	for (size_t i = 0; i < ds->nr; i++)
		if (ds->v[i].severity == DIAG_ERROR && ds->v[i].message)
			return ds->v[i].message;
	return strerror(-rc);
}

void tx_begin(struct vifrostd *d, const struct tx_request *r)
{
	struct tx *tx = &d->tx;
	struct diags ds = { 0 };
	int rc;

	if (tx_refuse_busy(d, r->call)) {
		pol_free(r->policy);
		return;
	}
	tx_init(d, r);
	rc = do_it(d, r, &ds);
	if (rc) {
		pol_free(r->policy);
		log_warning("%s: not applied: %s", file_of(tx),
			    tx->result.why[0] ? tx->result.why : first_error(&ds, rc));
		tx->call = NULL;
		tx_fail(r->call, rc, &ds, &tx->result);
		tx_reset(d);
	} else if (!d->apply.open.is_open) {
		update_vifs(d, true);
		answer(d, answer_json(d, DAEMON_OUTCOME_UNCHANGED, 0));
		tx_reset(d);
	} else {
		update_vifs(d, true);
		tx->phase = TX_PROBING;
		rc = start_probes(d, on_probes);
		if (rc == -ENOENT)
			settle(d);
		else if (rc)
			roll_back(d, "cannot start the probes");
	}
	diags_fini(&ds);
}

int tx_refuse_busy(struct vifrostd *d, struct rpc_call *call)
{
	struct tx *tx = &d->tx;
	uint64_t now = boottime_ms();

	switch (tx->phase) {
	case TX_NONE:
		return 0;
	case TX_PENDING:
		rpc_fail(
			call, DAEMON_ERROR_BUSY,
			"try %s of %s by %s waits for its confirmation, %llu s more; `vifrost confirm` "
			"or `vifrost rollback` ends it",
			tx->id, file_of(tx), tx->author,
			(unsigned long long)(tx->until_ms > now ? tx->until_ms - now : 0) / 1000);
		break;
	default:
		rpc_fail(call, DAEMON_ERROR_BUSY, "%s by %s is being %s and asks its probes",
			 file_of(tx), tx->author, tx->phase == TX_BACK ? "rolled back" : "applied");
		break;
	}
	return -EBUSY;
}

bool tx_keep(void *arg, const json_t *meta, const json_t *notes)
{
	struct vifrostd *d = arg;
	uint64_t until = lifeline_until(meta, notes);

	d->tx.until_ms = until;
	return json_is_true(json_object_get(meta, "try")) && until > boottime_ms() &&
	       lifeline_runs(d->rundir, NULL);
}

int tx_resume(struct vifrostd *d)
{
	const json_t *meta = d->apply.open.meta;
	struct tx *tx = &d->tx;
	const char *id = json_string_value(json_object_get(meta, "id"));
	const char *author = json_string_value(json_object_get(meta, "author"));

	if (!d->apply.open.is_open) {
		/* Of a try that was just undone, or none. */
		lifeline_stop(d->rundir);
		return 0;
	}
	snprintf(tx->id, sizeof(tx->id), "%s", id ? id : "");
	tx->is_try = true;
	tx->uid = (uid_t)json_integer_value(json_object_get(meta, "uid"));
	tx->author = strdup(author ? author : "");
	tx->message = copy_text(json_string_value(json_object_get(meta, "message")));
	tx->file = copy_text(json_string_value(json_object_get(meta, "file")));
	tx->phase = TX_PENDING;
	log_notice("try %s goes on waiting for its confirmation", tx->id);
	return tx_guard_start(d);
}

/* A try goes on without us. */
void tx_stop(struct vifrostd *d)
{
	tx_guard_leave(d);
	tx_reset(d);
}

/* The try the call speaks of. Return: 0; else the call is answered. */
static int find_try(struct vifrostd *d, struct rpc_call *call)
{
	const struct tx *tx = &d->tx;
	const char *id = json_string_value(json_object_get(rpc_params(call), "id"));
	json_t *told;
	const char *outcome, *why;

	if (tx->phase == TX_PENDING && (!id || !strcmp(id, tx->id))) {
		if (rpc_peer_uid(call) == 0 || rpc_peer_uid(call) == tx->uid)
			return 0;
		rpc_fail(call, DAEMON_ERROR_PERMISSION, "try %s is %s's", tx->id, tx->author);
		return -EPERM;
	}
	told = lifeline_told(d->state_dir);
	outcome = json_string_value(json_object_get(told, "outcome"));
	why = json_string_value(json_object_get(told, "why"));
	if (id && outcome && tx->phase != TX_PENDING &&
	    !strcmp(id, json_string_value(json_object_get(told, "id")) ?: ""))
		rpc_fail(call, outcome, "try %s has ended: %s%s%s", id, outcome, why ? ": " : "",
			 why ? why : "");
	else if (tx->phase == TX_PENDING)
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "no try %s; the one that waits is %s", id,
			 tx->id);
	else if (tx->phase != TX_NONE)
		tx_refuse_busy(d, call);
	else
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "no try waits for its confirmation");
	json_decref(told);
	return -ENOENT;
}

void tx_rpc_confirm(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	struct tx *tx = &d->tx;
	char why[sizeof(tx->result.why)];

	if (find_try(d, call))
		return;
	tx->call = call;
	if (commit(d)) {
		memcpy(why, tx->result.why, sizeof(why));
		roll_back(d, why);
		return;
	}
	log_notice("%s: try %s is confirmed", file_of(tx), tx->id);
	answer(d, json_pack("{ss ss sI}", "outcome", DAEMON_OUTCOME_CONFIRMED, "id", tx->id,
			    "revision", d->history.last));
	tx_reset(d);
}

void tx_rpc_rollback(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;

	if (find_try(d, call))
		return;
	d->tx.call = call;
	d->tx.is_asked = true;
	roll_back(d, "asked to");
}

void tx_expire(struct vifrostd *d)
{
	if (d->tx.is_try && (d->tx.phase == TX_PENDING || d->tx.phase == TX_PROBING))
		roll_back(d, "not confirmed in time");
}

/* From the lifeline. */
void tx_rpc_expire(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	const char *id = json_string_value(json_object_get(rpc_params(call), "id"));

	if (id && !strcmp(id, d->tx.id) && d->tx.until_ms <= boottime_ms())
		tx_expire(d);
	if (d->apply.is_broken)
		rpc_fail(call, DAEMON_ERROR_ROLLBACK_FAILED, "the rollback failed");
	else
		rpc_reply(call, json_pack("{ss}", "outcome", DAEMON_ERROR_ROLLED_BACK));
}

void tx_rpc_extend(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	struct tx *tx = &d->tx;
	json_int_t ms = json_integer_value(json_object_get(rpc_params(call), "timeout-ms"));
	uint64_t until;
	int rc;

	if (find_try(d, call))
		return;
	if (ms <= 0 || ms > DAEMON_TRY_MAX_MS) {
		rpc_fail(call, "usage", "params: {\"timeout-ms\": up to %d}", DAEMON_TRY_MAX_MS);
		return;
	}
	until = boottime_ms() + (uint64_t)ms;
	rc = apply_note(&d->apply, json_pack("{sI}", "until-ms", (json_int_t)until));
	if (rc) {
		rpc_fail(call, "internal", "cannot write the journal: %s; it ends as before",
			 strerror(-rc));
		return;
	}
	tx->until_ms = until;
	tx_guard_set(d);
	rpc_reply(call, json_pack("{ss ss sf}", "outcome", DAEMON_OUTCOME_PENDING, "id", tx->id,
				  "seconds-left", (double)ms / 1e3));
}

json_t *tx_json(const struct vifrostd *d)
{
	static const char *const phases[] = {
		[TX_PROBING] = "probing", [TX_PENDING] = "unconfirmed", [TX_BACK] = "rolling-back"
	};
	const struct tx *tx = &d->tx;
	uint64_t now = boottime_ms();

	if (tx->phase == TX_NONE)
		return NULL;
	return json_pack("{ss ss ss ss* ss* sf}", "state", phases[tx->phase], "id", tx->id,
			 "author", tx->author, "message", tx->message, "file", tx->file,
			 "seconds-left",
			 tx->until_ms > now ? (double)(tx->until_ms - now) / 1e3 : 0.0);
}
