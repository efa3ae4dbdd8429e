/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operator's command line: what its files share. */
#ifndef POLICY_CLI_H
#define POLICY_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "base/cli.h"

extern const struct cli_program cli_vifrost;

/* Return: an exit status. */
int cli_run(int argc, char **argv);

/* Output, as the common options ask for it. */
struct cli_output {
	bool json, pretty, quiet;
	int verbose;
};

struct cli_output cli_output_of(const struct cli_parsed *parsed);
/* Prints and releases @doc (NULL: out of memory). Return: @status, or CLI_BUG when it cannot be written. */
int cli_print_json(const struct cli_output *o, json_t *doc, int status);
/* "vifrost: ..." on stderr; hint NULL: none. In JSON mode also an error document on stdout. Return: @status. */
int cli_fail(const struct cli_output *o, int status, const char *code, const char *hint,
	     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* -errno of reading a policy file. */
int cli_fail_file(const struct cli_output *o, const char *path, int rc);

/* @text with everything that a terminal might act on escaped: it may come from a guest. */
void cli_print_safe(const char *text, FILE *out);
/* Any JSON for people: scalars as aligned "key: value", arrays of objects as tables. */
void cli_print_text(const json_t *value, FILE *out);
/* pol_effective_json() as one table of all vifs. */
void cli_print_effective(const json_t *effective, FILE *out);

/* Commands, named as they are typed. */
int cli_check(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_show(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_plan(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_apply(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_down(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_query(const struct cli_command *cmd, struct cli_parsed *parsed); /* data: the method */
int cli_explain(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_try(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_confirm(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_rollback(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_undo(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_doctor(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_bench(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_boot(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_history(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_diff(const struct cli_command *cmd, struct cli_parsed *parsed);
int cli_completion(const struct cli_command *cmd, struct cli_parsed *parsed);

/* The policy that vifrostd has applied, or had at a revision, by its method "show". */
int cli_show_applied(const struct cli_output *o, const struct cli_parsed *parsed, bool effective);

/**
 * cli_verify_performance() - Measure the objectives of the policy in force
 * @list_out:	as bench_objectives() has it, the caller's; empty: there are none
 * Return: CLI_OK; CLI_DIFFERS: one is missed; else an exit status, all said.
 */
int cli_verify_performance(const struct cli_output *o, const struct cli_parsed *parsed,
			   json_t **list_out);

/* One call. @params is taken. Return: CLI_OK with *result_out the caller's, else an exit status, all said. */
int cli_call(const struct cli_output *o, const struct cli_parsed *parsed, const char *method,
	     json_t *params, json_t **result_out);
/* {policy, file} of a file that was checked here first, so that errors need no daemon. Return: a status. */
int cli_policy_params(const struct cli_output *o, const char *path, json_t **params_out);
/* What plan, apply and down say at the end. Takes @result. */
int cli_print_outcome(const struct cli_output *o, const char *verb, json_t *result, int status);
/* What all that changes something takes along: message, SSH_CONNECTION, what was typed. */
void cli_add_change(const struct cli_parsed *parsed, json_t *params);
/* {policy, file} of FILE, and cli_add_change(); with --plan and no FILE vifrostd knows it. */
int cli_change_params(const struct cli_output *o, const struct cli_parsed *parsed,
		      json_t **params_out);
/* A time as an option gives it, in ms. Return: 0; -EINVAL. */
int cli_milliseconds(const char *text, json_int_t *ms_out);

#endif
