/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on a file alone: no root, no daemon. */
#include <errno.h>
#include <stdlib.h>

#include "policy/cli.h"
#include "policy/policy.h"

static size_t count_vifs(const struct policy *p)
{
	size_t nr = 0;

	for (size_t i = 0; i < p->guests.nr; i++)
		nr += p->guests.v[i].vifs.nr;
	return nr;
}

/* Errors only when quiet. */
static void print_diags(const struct cli_output *o, const struct diags *ds)
{
	if (!o->quiet || ds->nr_errors)
		diags_print(ds, stderr);
}

/* "2 files beside it: policy.d/10-web.yaml, hosts.d/xen01.yaml" */
static void print_parts(const struct policy *policy)
{
	for (size_t i = 1; i < policy->nr_parts; i++) {
		if (i == 1)
			printf(", with %zu file(s) beside it: ", policy->nr_parts - 1);
		else
			fputs(", ", stdout);
		cli_print_safe(pol_part_file(policy, i), stdout);
	}
}

static json_t *parts_json(const struct policy *policy)
{
	json_t *array = policy && policy->nr_parts > 1 ? json_array() : NULL;

	for (size_t i = 1; array && i < policy->nr_parts; i++)
		json_array_append_new(array, json_string(pol_part_file(policy, i)));
	return array;
}

static int check_one(const struct cli_output *o, const char *path, const char *host, json_t *files)
{
	struct diags ds = { 0 };
	struct policy *policy = NULL;
	int status = CLI_OK, rc = pol_load_file(path, host, &ds, &policy);

	if (rc && !ds.nr_errors) {
		status = cli_fail_file(&(struct cli_output){ .quiet = o->quiet }, path, rc);
		json_array_append_new(files, json_pack("{s:s, s:b, s:[]}", "file", path, "valid", 0,
						       "diagnostics"));
	} else {
		status = rc ? CLI_INVALID_POLICY : CLI_OK;
		json_array_append_new(files, json_pack("{s:s, s:b, s:o*, s:o*}", "file", path,
						       "valid", !rc, "diagnostics", diags_json(&ds),
						       "beside", parts_json(policy)));
		if (!o->json)
			print_diags(o, &ds);
	}
	if (policy && !o->json && !o->quiet) {
		cli_print_safe(path, stdout);
		printf(": good: %zu network(s), %zu uplink(s), %zu guest(s), %zu vif(s)",
		       policy->networks.nr, policy->uplinks.nr, policy->guests.nr,
		       count_vifs(policy));
		print_parts(policy);
		putchar('\n');
	}
	diags_fini(&ds);
	pol_free(policy);
	return status;
}

int cli_check(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *files = json_array();
	int status = CLI_OK;

	(void)cmd;
	for (int i = 0; i < parsed->nr_args; i++) {
		int one = check_one(&o, parsed->args[i], cli_value(parsed, "host"), files);

		if (one && status != CLI_INVALID_POLICY)
			status = one;
	}
	if (!o.json) {
		json_decref(files);
		return status;
	}
	return cli_print_json(
		&o, json_pack("{s:s, s:o}", "schema", "vifrost/check/v1", "files", files), status);
}

/* Whether the file was loaded; *status_out when not. */
static struct policy *load(const struct cli_output *o, const char *path, const char *host,
			   int *status_out)
{
	struct diags ds = { 0 };
	struct policy *policy = NULL;
	int rc = pol_load_file(path, host, &ds, &policy);

	if (rc && !ds.nr_errors) {
		*status_out = cli_fail_file(o, path, rc);
	} else {
		*status_out = rc ? CLI_INVALID_POLICY : CLI_OK;
		print_diags(o, &ds);
		if (rc && o->json)
			cli_print_json(o,
				       json_pack("{s:{s:s, s:s, s:o*}}", "error", "code", "invalid",
						 "message", "the policy is invalid", "data",
						 diags_json(&ds)),
				       rc);
	}
	diags_fini(&ds);
	return policy;
}

int cli_show(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	bool effective = cli_value(parsed, "effective");
	struct policy *policy;
	json_t *json;
	int status;

	(void)cmd;
	if (!parsed->nr_args)
		return cli_show_applied(&o, parsed, effective);
	policy = load(&o, parsed->args[0], cli_value(parsed, "host"), &status);
	if (!policy)
		return status;
	json = effective ? pol_effective_json(policy) : pol_json(policy);
	pol_free(policy);
	if (o.json)
		return cli_print_json(&o, json, CLI_OK);
	if (!json)
		return cli_fail(&o, CLI_BUG, "out-of-memory", NULL, "out of memory");
	if (effective)
		cli_print_effective(json, stdout);
	else
		pol_print_yaml(json, stdout);
	json_decref(json);
	return CLI_OK;
}
