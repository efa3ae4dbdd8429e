/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/rundir.h"
#include "policy/cli.h"
#include "policy/doctor.h"

static const char *member(const json_t *finding, const char *key)
{
	const char *text = json_string_value(json_object_get(finding, key));

	return text ? text : "";
}

static void print_finding(const json_t *finding)
{
	printf("%s: ", member(finding, "severity"));
	cli_print_safe(member(finding, "who"), stdout);
	fputs(": ", stdout);
	cli_print_safe(member(finding, "what"), stdout);
	printf(" [%s]\n  to do: ", member(finding, "code"));
	cli_print_safe(member(finding, "fix"), stdout);
	putchar('\n');
}

int cli_doctor(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	const json_t *finding;
	struct doctor_facts facts;
	char rundir[RUNDIR_MAX];
	json_t *findings;
	int status = CLI_OK, rc;
	size_t i;

	(void)cmd;
	if (rundir_resolve(cli_value(parsed, "run-dir"), rundir))
		return cli_fail(&o, CLI_USAGE, "usage", "give a short absolute path",
				"the run directory cannot be used");
	rc = doctor_look("", rundir, &facts);
	if (rc == -EPERM || rc == -EACCES)
		return cli_fail(&o, CLI_NO_PERMISSION, "permission", "try as root",
				"may not look at the kernel's firewall");
	if (rc)
		return cli_fail(&o, CLI_UNAVAILABLE, "unavailable", NULL,
				"cannot look at the kernel's links and firewall: %s",
				strerror(-rc));
	findings = doctor_judge(&facts);
	doctor_fini(&facts);
	if (!findings)
		return cli_fail(&o, CLI_BUG, "out-of-memory", NULL, "out of memory");
	json_array_foreach (findings, i, finding) {
		if (!strcmp(member(finding, "severity"), "error"))
			status = CLI_DIFFERS;
		if (!o.json && !o.quiet)
			print_finding(finding);
	}
	if (o.json)
		return cli_print_json(&o, json_pack("{so}", "findings", findings), status);
	if (!json_array_size(findings) && !o.quiet)
		puts("nobody else cuts guests off");
	json_decref(findings);
	return status;
}
