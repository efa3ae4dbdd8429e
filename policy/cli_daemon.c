/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that vifrostd does: one call each, its answer for people or as JSON. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "policy/bench/bench.h"
#include "policy/cli.h"
#include "policy/daemon_api.h"
#include "policy/policy.h"
#include "policy/units.h"

#define TIMEOUT_DEFAULT_US 60000000u
#define US_PER_MS	   1000u

static const struct {
	const char *code;
	int status;
} error_statuses[] = {
	{ DAEMON_ERROR_INVALID, CLI_INVALID_POLICY },
	{ DAEMON_ERROR_BUSY, CLI_BUSY },
	{ DAEMON_ERROR_NOT_FOUND, CLI_DATA },
	{ DAEMON_ERROR_ROLLED_BACK, CLI_ROLLED_BACK },
	{ DAEMON_ERROR_ROLLBACK_FAILED, CLI_ROLLBACK_FAILED },
	{ DAEMON_ERROR_UNAVAILABLE, CLI_UNAVAILABLE },
	{ DAEMON_ERROR_PERMISSION, CLI_NO_PERMISSION },
};

static const char *member_text(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

/* The daemon's diagnostics in the loader's own form. */
static void print_data(const json_t *data)
{
	for (size_t i = 0; i < json_array_size(data); i++) {
		const json_t *d = json_array_get(data, i);
		const char *hint = member_text(d, "hint", NULL);

		cli_print_safe(member_text(d, "file", "policy"), stderr);
		if (json_integer_value(json_object_get(d, "line")))
			fprintf(stderr, ":%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT,
				json_integer_value(json_object_get(d, "line")),
				json_integer_value(json_object_get(d, "column")));
		fputs(": ", stderr);
		cli_print_safe(member_text(d, "severity", "error"), stderr);
		fputs(": ", stderr);
		cli_print_safe(member_text(d, "message", ""), stderr);
		fputs(hint ? ", " : "", stderr);
		cli_print_safe(hint ? hint : "", stderr);
		fputs(" [", stderr);
		cli_print_safe(member_text(d, "code", "?"), stderr);
		fputs("]\n", stderr);
	}
}

/* "3. move address ... (management at risk)", with what undoes it when asked for more. */
static void print_steps(const json_t *steps, bool undo_too, FILE *out)
{
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i);
		const char *disruption = member_text(step, "disruption", "none");
		const char *undo = member_text(step, "undo", NULL);

		fprintf(out, "%3zu. ", i + 1);
		cli_print_safe(json_is_string(step) ? json_string_value(step)
						    : member_text(step, "text", "?"),
			       out);
		if (strcmp(disruption, "none")) {
			fputs(" [", out);
			cli_print_safe(disruption, out);
			fputc(']', out);
		}
		fputc('\n', out);
		if (undo_too && undo) {
			fputs("     undo: ", out);
			cli_print_safe(undo, out);
			fputc('\n', out);
		}
	}
}

/* The step that failed, of {steps, failed}: counted from 1. */
static void print_failed_step(const json_t *data)
{
	json_int_t failed = json_integer_value(json_object_get(data, "failed"));
	const json_t *steps = json_object_get(data, "steps"), *step;

	if (failed < 1 || (size_t)failed > json_array_size(steps))
		return;
	step = json_array_get(steps, (size_t)failed - 1);
	fprintf(stderr, "step %" JSON_INTEGER_FORMAT " of %zu failed: ", failed,
		json_array_size(steps));
	cli_print_safe(member_text(step, "text", "?"), stderr);
	fputc('\n', stderr);
}

/* Takes @error. */
static int fail_remote(const struct cli_output *o, json_t *error)
{
	const char *code = member_text(error, "code", "");
	const char *hint = member_text(error, "hint", NULL);
	int status = CLI_BUG;

	for (size_t i = 0; i < sizeof(error_statuses) / sizeof(error_statuses[0]); i++)
		if (!strcmp(code, error_statuses[i].code))
			status = error_statuses[i].status;
	fputs("vifrost: ", stderr);
	cli_print_safe(member_text(error, "message", "vifrostd reports an error without a message"),
		       stderr);
	fputs(hint ? "; " : "", stderr);
	cli_print_safe(hint ? hint : "", stderr);
	fputc('\n', stderr);
	print_data(json_object_get(error, "data"));
	print_failed_step(json_object_get(error, "data"));
	if (o->json)
		return cli_print_json(o, json_pack("{s:o}", "error", error), status);
	json_decref(error);
	return status;
}

static int fail_local(const struct cli_output *o, const char *rundir, const char *socket, int rc)
{
	char hint[RUNDIR_MAX + 64];

	switch (-rc) {
	case ENOENT:
	case ECONNREFUSED:
		snprintf(hint, sizeof(hint), "start it with: vifrostd --run-dir %s", rundir);
		return cli_fail(o, CLI_UNAVAILABLE, "unavailable", hint,
				"vifrostd is not running at %s", socket);
	case EACCES:
	case EPERM:
		return cli_fail(o, CLI_NO_PERMISSION, "permission", "try as root",
				"may not talk to vifrostd at %s", socket);
	case ETIMEDOUT:
		return cli_fail(o, CLI_UNAVAILABLE, "timeout",
				"look with: vifrost status, or give it a --timeout",
				"vifrostd has not answered in time and may still be at work");
	case ENOMEM:
		return cli_fail(o, CLI_BUG, "out-of-memory", NULL, "out of memory");
	default:
		return cli_fail(o, CLI_UNAVAILABLE, "unavailable", "its log says why",
				"vifrostd has broken off: %s", strerror(-rc));
	}
}

int cli_call(const struct cli_output *o, const struct cli_parsed *parsed, const char *method,
	     json_t *params, json_t **result_out)
{
	/* Of try it says something else. */
	const char *timeout = strcmp(parsed->command->name, "try") ? cli_value(parsed, "timeout")
								   : NULL;
	uint64_t timeout_us = TIMEOUT_DEFAULT_US;
	char rundir[RUNDIR_MAX], socket[PATH_MAX];
	json_t *result;
	int rc;

	*result_out = NULL;
	if (timeout &&
	    (unit_parse(UNIT_DURATION, timeout, &timeout_us) || timeout_us / US_PER_MS > INT_MAX)) {
		json_decref(params);
		return cli_fail(o, CLI_USAGE, "usage", "such as 90s", "--timeout %s is no time",
				timeout);
	}
	if (rundir_resolve(cli_value(parsed, "run-dir"), rundir)) {
		json_decref(params);
		return cli_fail(o, CLI_USAGE, "usage", "give a short absolute path",
				"the run directory cannot be used");
	}
	rundir_file(socket, rundir, RUNDIR_VIFROSTD_SOCKET);
	rc = rpc_call(socket, method, params, (int)(timeout_us / US_PER_MS), &result);
	if (rc == -EREMOTEIO)
		return fail_remote(o, result);
	if (rc)
		return fail_local(o, rundir, socket, rc);
	*result_out = result;
	return CLI_OK;
}

int cli_policy_params(const struct cli_output *o, const char *path, json_t **params_out)
{
	struct diags ds = { 0 };
	struct policy *policy = NULL;
	char *text = NULL;
	size_t size = 0;
	int status = CLI_OK, rc = pol_read_files(path, NULL, &ds, &text, &size);

	*params_out = NULL;
	if (rc && !ds.nr_errors)
		return cli_fail_file(o, path, rc);
	if (!rc)
		rc = pol_load_text(path, text, size, &ds, &policy);
	pol_free(policy);
	if (ds.nr_errors || (ds.nr && !o->quiet))
		diags_print(&ds, stderr);
	if (rc) {
		status = rc == -EINVAL ? CLI_INVALID_POLICY : CLI_BUG;
		if (o->json)
			cli_print_json(o,
				       json_pack("{s:{s:s, s:s, s:o*}}", "error", "code",
						 DAEMON_ERROR_INVALID, "message",
						 "the policy is invalid", "data", diags_json(&ds)),
				       status);
	} else {
		*params_out = json_pack("{s:s%, s:s}", "policy", text, size, "file", path);
		if (!*params_out)
			status = cli_fail(o, CLI_BUG, "out-of-memory", NULL,
					  "out of memory, or the file's name is not UTF-8");
	}
	diags_fini(&ds);
	free(text);
	return status;
}

static void print_degraded(const json_t *degraded)
{
	for (size_t i = 0; i < json_array_size(degraded); i++) {
		fputs("degraded: ", stdout);
		cli_print_safe(json_string_value(json_array_get(degraded, i)), stdout);
		putchar('\n');
	}
}

int cli_print_outcome(const struct cli_output *o, const char *verb, json_t *result, int status)
{
	const json_t *steps = json_object_get(result, "steps");
	const char *outcome = member_text(result, "outcome", "");

	if (o->json)
		return cli_print_json(o, result, status);
	if (!o->quiet) {
		if (!strcmp(outcome, DAEMON_OUTCOME_NOT_FOR_HOST))
			puts("nothing to do: the policy's host.match is another host");
		else if (!json_array_size(steps))
			puts("nothing to do: all is as wanted");
		else
			printf("%zu step(s) %s:\n", json_array_size(steps), verb);
		print_steps(steps, o->verbose, stdout);
		print_degraded(json_object_get(result, "degraded"));
		if (o->verbose && json_array_size(steps))
			printf("plan %s\n", member_text(result, "plan", ""));
	}
	json_decref(result);
	return status;
}

int cli_plan(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *params, *result;
	int status = cli_policy_params(&o, parsed->args[0], &params);

	(void)cmd;
	if (status)
		return status;
	cli_add_change(parsed, params);
	status = cli_call(&o, parsed, "plan", params, &result);
	if (status)
		return status;
	if (cli_value(parsed, "exit-code") && json_array_size(json_object_get(result, "steps")))
		status = CLI_DIFFERS;
	/* What undoes it is half of what a plan is for. */
	o.verbose++;
	return cli_print_outcome(&o, "to do", result, status);
}

/* What it carries, after it was applied. Takes @result. */
static int verify(const struct cli_output *o, const struct cli_parsed *parsed, json_t *result)
{
	json_t *objectives;
	int status;

	if (!o->json)
		cli_print_outcome(o, "done", json_incref(result), CLI_OK);
	status = cli_verify_performance(o, parsed, &objectives);
	if (status == CLI_DIFFERS)
		fputs("vifrost: an objective is missed; the policy stays in force, `vifrost undo` "
		      "takes it back\n",
		      stderr);
	if (o->json && objectives) {
		json_object_set_new(result, "objectives", objectives);
		return cli_print_json(o, result, status);
	}
	if (!o->quiet || status)
		bench_print_objectives(objectives, stdout);
	json_decref(objectives);
	json_decref(result);
	return status;
}

int cli_apply(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *params, *result;
	int status = cli_change_params(&o, parsed, &params);

	(void)cmd;
	if (status)
		return status;
	status = cli_call(&o, parsed, "apply", params, &result);
	if (!status && cli_value(parsed, "verify-performance"))
		return verify(&o, parsed, result);
	return status ? status : cli_print_outcome(&o, "done", result, CLI_OK);
}

int cli_down(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *params = json_object(), *result;
	int status;

	(void)cmd;
	cli_add_change(parsed, params);
	status = cli_call(&o, parsed, "down", params, &result);
	return status ? status : cli_print_outcome(&o, "done", result, CLI_OK);
}

/* Takes @result. */
static int print_answer(const struct cli_output *o, json_t *result, const char *empty)
{
	if (o->json)
		return cli_print_json(o, result, CLI_OK);
	if (!o->quiet) {
		if (json_is_array(result) && !json_array_size(result))
			puts(empty);
		else
			cli_print_text(result, stdout);
	}
	json_decref(result);
	return CLI_OK;
}

int cli_query(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *result;
	int status = cli_call(&o, parsed, cmd->data, NULL, &result);

	return status ? status : print_answer(&o, result, "none");
}

int cli_explain(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *params = json_pack("{s:s}", "vif", parsed->args[0]), *result;
	int status;

	(void)cmd;
	if (!params)
		return cli_fail(&o, CLI_USAGE, "usage", "such as vif1.0", "not the name of a vif");
	status = cli_call(&o, parsed, "explain", params, &result);
	return status ? status : print_answer(&o, result, "none");
}

int cli_show_applied(const struct cli_output *o, const struct cli_parsed *parsed, bool effective)
{
	const char *at = cli_value(parsed, "at");
	json_t *params = json_pack("{s:b}", "effective", effective), *result;
	uint32_t revision;
	int status;

	if (at && parse_u32(at, UINT32_MAX, &revision)) {
		json_decref(params);
		return cli_fail(o, CLI_USAGE, "usage", "`vifrost history` lists them",
				"--at %s is no revision", at);
	}
	if (at)
		json_object_set_new(params, "at", json_integer(revision));
	status = cli_call(o, parsed, "show", params, &result);

	if (status)
		return status;
	if (o->json)
		return cli_print_json(o, result, CLI_OK);
	if (effective)
		cli_print_effective(result, stdout);
	else
		pol_print_yaml(result, stdout);
	json_decref(result);
	return CLI_OK;
}
