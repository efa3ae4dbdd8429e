/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: options anywhere, two-word commands, prefixes, every kind of mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cli.h"

static const struct cli_option global_options[] = { { 'v', NULL, NULL, "more" }, { 0 } };
static const struct cli_option options[] = { { 'j', "json", NULL, "JSON" },
					     { 't', "timeout", "SECONDS", "wait" },
					     { 0 } };
static const struct cli_command commands[] = {
	{ .name = "check",
	  .args = "FILE",
	  .help = "check",
	  .options = options,
	  .min_args = 1,
	  .max_args = 1 },
	{ .name = "create",
	  .args = "FILE [KEY=VALUE...]",
	  .help = "c",
	  .min_args = 1,
	  .max_args = -1 },
	{ .name = "vif list", .help = "vifs", .options = options },
	{ 0 },
};
static const struct cli_program exact = { "prog", "test", global_options, commands, false };
static const struct cli_program plain = { "prog", "test", global_options, NULL, false };
static const struct cli_program brief = { "prog", "test", global_options, commands, true };

static int parse(const struct cli_program *program, struct cli_parsed *p, char *words)
{
	static char *argv[32];
	int argc = 1;

	argv[0] = (char *)(uintptr_t) "prog";
	for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	return cli_parse(program, argc, argv, p);
}
#define PARSE(program, p, text) parse(program, p, (char[]){ text })

static void test_good(void **state)
{
	struct cli_parsed p;

	(void)state;
	assert_int_equal(PARSE(&exact, &p, "-v check a.yaml -j --timeout 5"), -1);
	assert_string_equal(p.command->name, "check");
	assert_int_equal(p.nr_args, 1);
	assert_string_equal(p.args[0], "a.yaml");
	assert_non_null(cli_value(&p, "json"));
	assert_non_null(cli_value(&p, "j"));
	assert_string_equal(cli_value(&p, "timeout"), "5");
	assert_int_equal(cli_count(&p, "v"), 1);
	assert_int_equal(PARSE(&exact, &p, "vif list -j"), -1);
	assert_string_equal(p.command->name, "vif list");
	assert_int_equal(PARSE(&exact, &p, "create f a=1 -- -b=2"), -1);
	assert_int_equal(p.nr_args, 3);
	assert_string_equal(p.args[2], "-b=2");
	assert_int_equal(PARSE(&brief, &p, "cr f"), -1);
	assert_string_equal(p.command->name, "create");
}

static void test_bad(void **state)
{
	struct cli_parsed p;

	(void)state;
	assert_int_equal(PARSE(&exact, &p, ""), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "chekc f"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "cr f"), CLI_USAGE);
	assert_int_equal(PARSE(&brief, &p, "c f"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "check"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "check a b"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "check a --jsno"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "check a -x"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "check a --timeout"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "vif"), CLI_USAGE);
	assert_int_equal(PARSE(&plain, &p, "-v"), -1);
	assert_int_equal(PARSE(&plain, &p, "-v stray"), CLI_USAGE);
	assert_int_equal(PARSE(&exact, &p, "--help"), CLI_OK);
	assert_int_equal(PARSE(&exact, &p, "check --help"), CLI_OK);
	assert_int_equal(PARSE(&exact, &p, "help"), CLI_OK);
	assert_int_equal(PARSE(&exact, &p, "help vif list"), CLI_OK);
	assert_int_equal(PARSE(&exact, &p, "help chekc"), CLI_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_good),
					    cmocka_unit_test(test_bad) };

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
