/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of vifrost(8), and how all of them put out what they have to say. */
#include "policy/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policy/policy.h"

#define COMMON                                                                                     \
	{ 'j', "json", NULL, "print one JSON document" }, { 'p', "pretty", NULL, "indent it" },    \
		{ 'q', "quiet", NULL, "print errors only" },                                       \
	{                                                                                          \
		'v', "verbose", NULL, "say more; repeat for more still"                            \
	}
#define DAEMON                                                                                     \
	{ 0, "run-dir", "DIR", "where vifrostd's socket is (VIFROST_RUN_DIR, /run/vifrost)" },     \
	{                                                                                          \
		0, "timeout", "TIME", "wait for it so long (60s)"                                  \
	}
#define CHANGE                                                                                     \
	{ 'm', "message", "TEXT", "why, for the history" },                                        \
		{ 0, "plan", "ID", "that plan of before and no other" },                           \
	{                                                                                          \
		0, "allow-management-cut", NULL, "even if it cuts the network that you come in by" \
	}
#define END                                                                                        \
	{                                                                                          \
		0, NULL, NULL, NULL                                                                \
	}

#define HOST                                                                                       \
	{                                                                                          \
		0, "host", "NAME", "with the overlay of that host, not of this one"                \
	}

static const struct cli_option check_options[] = { COMMON, HOST, END };
static const struct cli_option global_options[] = { COMMON, DAEMON, END };
static const struct cli_option plan_options[] = {
	COMMON,
	DAEMON,
	{ 0, "allow-management-cut", NULL, "as apply with it" },
	{ 'e', "exit-code", NULL, "exit with 1 when something would change" },
	END
};
static const struct cli_option change_options[] = { COMMON, DAEMON, CHANGE, END };
static const struct cli_option apply_options[] = {
	COMMON,
	DAEMON,
	CHANGE,
	{ 0, "verify-performance", NULL,
	  "then measure its objectives; exits with 1 when one is missed" },
	END
};
static const struct cli_option try_options[] = {
	COMMON,
	{ 0, "run-dir", "DIR", "where vifrostd's socket is (VIFROST_RUN_DIR, /run/vifrost)" },
	{ 0, "timeout", "TIME", "roll back unless confirmed in that time (the policy's, or 90s)" },
	{ 0, "extend", "TIME", "give the try that waits that time from now on" },
	CHANGE,
	END
};
static const struct cli_option show_options[] = {
	COMMON,
	DAEMON,
	{ 0, "effective", NULL, "what holds for each vif, and where it comes from" },
	{ 0, "at", "REVISION", "as it was then" },
	HOST,
	END
};

static const struct cli_option bench_options[] = {
	COMMON,
	DAEMON,
	{ 0, "from", "END", "who sends: a guest's name, host, an address; guest: one made for it" },
	{ 0, "to", "END", "who receives" },
	{ 0, "network", "NAME", "on that network only" },
	{ 0, "protocol", "tcp|udp", "that one only" },
	{ 0, "size", "LIST", "bytes a packet or write, or gso, as in 64,1500,gso" },
	{ 0, "duration", "TIME", "of one window (2s)" },
	{ 0, "windows", "NUMBER", "of each row; the median counts (3)" },
	{ 0, "port", "NUMBER", "of both protocols (5299)" },
	{ 'o', "output", "FILE", "write the JSON document to FILE" },
	{ 0, "plot", "FILE", "draw it: FILE.svg or FILE.png" },
	{ 0, "check", NULL, "measure the policy's objectives; exits with 1 when one is missed" },
	{ 0, "compare", "FILE", "with an earlier document; exits with 1 when something is worse" },
	{ 0, "threshold", "PERCENT", "what counts as worse, beyond the noise of both (10)" },
	{ 0, "read", "FILE", "measure nothing: take the document in FILE" },
	END
};

static const struct cli_command commands[] = {
	{ .name = "check",
	  .args = "FILE...",
	  .help = "check policies; needs no root and no daemon",
	  .options = check_options,
	  .min_args = 1,
	  .max_args = -1,
	  .run = cli_check },
	{ .name = "plan",
	  .args = "FILE",
	  .help = "show what applying would change, step by step",
	  .options = plan_options,
	  .min_args = 1,
	  .max_args = 1,
	  .run = cli_plan },
	{ .name = "apply",
	  .args = "[FILE]",
	  .help = "make the host as the policy says; what fails is rolled back",
	  .options = apply_options,
	  .max_args = 1,
	  .run = cli_apply },
	{ .name = "try",
	  .args = "[FILE]",
	  .help = "apply, and roll back unless it is confirmed in time",
	  .options = try_options,
	  .max_args = 1,
	  .run = cli_try },
	{ .name = "confirm",
	  .args = "[ID]",
	  .help = "keep what is being tried",
	  .options = global_options,
	  .max_args = 1,
	  .run = cli_confirm },
	{ .name = "rollback",
	  .args = "[ID]",
	  .help = "end what is being tried, now",
	  .options = global_options,
	  .max_args = 1,
	  .run = cli_rollback },
	{ .name = "down",
	  .help = "take down all that was applied, give back what was there before",
	  .options = change_options,
	  .run = cli_down },
	{ .name = "history",
	  .help = "list all revisions that were applied or confirmed",
	  .options = global_options,
	  .run = cli_history },
	{ .name = "undo",
	  .args = "[REVISION]",
	  .help = "make the host as it was at a revision, or before the last one",
	  .options = change_options,
	  .max_args = 1,
	  .run = cli_undo },
	{ .name = "boot",
	  .args = "[FILE]",
	  .help = "wait until the last confirmed policy is in force; FILE is a host's first",
	  .options = global_options,
	  .max_args = 1,
	  .run = cli_boot },
	{ .name = "doctor",
	  .help = "name whoever else on this host would cut guests off; exits with 1 when someone does",
	  .options = global_options,
	  .run = cli_doctor },
	{ .name = "bench",
	  .help = "measure this host: guest to guest, to the host, to an address",
	  .options = bench_options,
	  .run = cli_bench },
	{ .name = "diff",
	  .args = "[FILE]",
	  .help = "what differs from the policy in force, or FILE; exits with 1 when something does",
	  .options = global_options,
	  .max_args = 1,
	  .run = cli_diff },
	{ .name = "status",
	  .help = "show networks and vifs as they are",
	  .options = global_options,
	  .run = cli_query,
	  .data = (void *)"status" },
	{ .name = "show",
	  .args = "[FILE]",
	  .help = "print the applied policy, or FILE, in full",
	  .options = show_options,
	  .max_args = 1,
	  .run = cli_show },
	{ .name = "vif list",
	  .help = "list the guests' interfaces",
	  .options = global_options,
	  .run = cli_query,
	  .data = (void *)"vif.list" },
	{ .name = "explain",
	  .args = "VIF",
	  .help = "say why a vif is as it is, with the policy's lines",
	  .options = global_options,
	  .min_args = 1,
	  .max_args = 1,
	  .run = cli_explain },
	{ .name = "completion",
	  .args = "bash|zsh|fish",
	  .help = "print shell completion",
	  .min_args = 1,
	  .max_args = 1,
	  .run = cli_completion },
	{ .name = NULL },
};

const struct cli_program cli_vifrost = {
	.name = "vifrost",
	.help = "Networks for Xen guests, from one policy file. See vifrost(8), vifrost-policy(5).",
	.options = global_options,
	.commands = commands,
	.abbreviate = true,
};

int cli_run(int argc, char **argv)
{
	struct cli_parsed parsed;
	int rc;

	log_init("vifrost", LOG_LEVEL_WARNING);
	rc = cli_parse(&cli_vifrost, argc, argv, &parsed);
	if (rc >= 0)
		return rc;
	rc = parsed.command->run(parsed.command, &parsed);
	/* A full disk or closed pipe must not look like success. */
	if ((fflush(stdout) || ferror(stdout)) && rc == CLI_OK) {
		fprintf(stderr, "vifrost: cannot write the output: %s\n", strerror(errno));
		rc = CLI_BUG;
	}
	return rc;
}

int cli_completion(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);

	(void)cmd;
	if (cli_print_completion(&cli_vifrost, parsed->args[0], stdout))
		return cli_fail(&o, CLI_USAGE, "usage", "bash, zsh and fish are",
				"no completion for %s", parsed->args[0]);
	return CLI_OK;
}

struct cli_output cli_output_of(const struct cli_parsed *parsed)
{
	return (struct cli_output){
		.json = cli_value(parsed, "json") || cli_value(parsed, "pretty"),
		.pretty = cli_value(parsed, "pretty"),
		.quiet = cli_value(parsed, "quiet"),
		.verbose = cli_count(parsed, "verbose"),
	};
}

/* jansson takes DEL for printable. */
static int write_json(const char *bytes, size_t size, void *out)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] == 0x7f)
			fputs("\\u007f", out);
		else
			putc(bytes[i], out);
	return ferror((FILE *)out) ? -1 : 0;
}

int cli_print_json(const struct cli_output *o, json_t *doc, int status)
{
	/* ASCII, so that no terminal acts on what a guest has written. */
	size_t flags = JSON_ENCODE_ANY | JSON_ENSURE_ASCII |
		       (o->pretty ? JSON_INDENT(2) : JSON_COMPACT);
	int rc = doc ? json_dump_callback(doc, write_json, stdout, flags) : -1;

	json_decref(doc);
	putchar('\n');
	if (!rc)
		return status;
	fputs("vifrost: out of memory or cannot write the output\n", stderr);
	return CLI_BUG;
}

int cli_fail(const struct cli_output *o, int status, const char *code, const char *hint,
	     const char *fmt, ...)
{
	char *message = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&message, fmt, ap) < 0)
		message = NULL;
	va_end(ap);
	fputs("vifrost: ", stderr);
	cli_print_safe(message ? message : "out of memory", stderr);
	if (hint) {
		fputs("; ", stderr);
		cli_print_safe(hint, stderr);
	}
	fputc('\n', stderr);
	if (o->json)
		cli_print_json(o,
			       json_pack("{s:{s:s, s:s, s:s*}}", "error", "code", code, "message",
					 message ? message : "out of memory", "hint", hint),
			       status);
	free(message);
	return status;
}

int cli_fail_file(const struct cli_output *o, const char *path, int rc)
{
	if (rc == -EACCES || rc == -EPERM)
		return cli_fail(o, CLI_NO_PERMISSION, "permission", "try as root",
				"cannot read %s: %s", path, strerror(-rc));
	if (rc == -EFBIG)
		return cli_fail(o, CLI_INVALID_POLICY, "invalid", "at most 4 MiB are allowed",
				"%s is too large for a policy", path);
	if (rc == -ENOMEM)
		return cli_fail(o, CLI_BUG, "out-of-memory", NULL, "out of memory");
	return cli_fail(o, CLI_DATA, "file", NULL, "cannot read %s: %s", path, strerror(-rc));
}
