/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands and options in static tables, over getopt_long(3). The same tables print --help, the
 * shell completions and the synopsis for the manual page.
 */
#ifndef BASE_CLI_H
#define BASE_CLI_H

#include <stdbool.h>
#include <stdio.h>

/* Exit statuses, after features of diff(1), sysexits(3) and docs/design.md. */
enum cli_exit {
	CLI_OK = 0,
	CLI_DIFFERS = 1,
	CLI_ROLLED_BACK = 10,
	CLI_ROLLBACK_FAILED = 11,
	CLI_USAGE = 64,
	CLI_DATA = 65,
	CLI_UNAVAILABLE = 69,
	CLI_BUG = 70,
	CLI_BUSY = 75,
	CLI_NO_PERMISSION = 77,
	CLI_INVALID_POLICY = 78,
};

struct cli_parsed;

struct cli_option {
	char letter;	  /* 0: long form only */
	const char *name; /* NULL: short form only */
	const char *arg;  /* metavariable; NULL: a flag */
	const char *help;
};

struct cli_command {
	const char *name;		  /* "vif list" is one command of two words */
	const char *args;		  /* metavariables, "FILE [KEY=VALUE...]" */
	const char *help;		  /* one line */
	const struct cli_option *options; /* ended by a zero entry; NULL: none */
	int min_args, max_args;		  /* positional; max -1: any number */
	/* Return: an exit status. */
	int (*run)(const struct cli_command *cmd, struct cli_parsed *parsed);
	void *data;
};

#define CLI_MAX_OPTIONS 48

/* What one invocation said. Texts point into argv. */
struct cli_parsed {
	const struct cli_command *command;
	struct {
		const struct cli_option *option;
		const char *value; /* NULL for a flag */
	} given[CLI_MAX_OPTIONS];
	int nr_given;
	char **args;
	int nr_args;
};

struct cli_program {
	const char *name, *help;
	const struct cli_option *options; /* before the command; ended by a zero entry */
	const struct cli_command
		*commands; /* ended by a NULL name; NULL: a program without commands */
	bool abbreviate;   /* take unambiguous prefixes of commands, as xl and ip do */
};

/**
 * cli_parse() - Read argv: global options, command, its options and arguments
 * Options and arguments may be mixed; "--" ends options. --help, --version and the command "help" are answered here.
 * Return: -1 go on with @parsed->command (NULL when the program has none); else the exit status, all
 *	   messages printed.
 */
int cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_parsed *parsed);

/* The value of an option given last, "" for a flag, NULL when not given. By long name, else letter. */
const char *cli_value(const struct cli_parsed *parsed, const char *name);
int cli_count(const struct cli_parsed *parsed, const char *name);

void cli_print_help(const struct cli_program *program, const struct cli_command *command,
		    FILE *out);
/* For the manual page: one "command [options] args" a line. */
void cli_print_synopsis(const struct cli_program *program, FILE *out);
/* @shell: "bash", "zsh" or "fish". Return: 0 or -EINVAL. */
int cli_print_completion(const struct cli_program *program, const char *shell, FILE *out);

#endif
