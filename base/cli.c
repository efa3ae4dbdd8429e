/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cli.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/parse.h"

#define CLI_MAX_COMMANDS 128
#define CLI_LONG_BASE	 0x100 /* getopt_long values above the letters: index of the option */
#define CLI_HELP	 0x7fff
#define CLI_VERSION	 0x7ffe

struct getopt_tables {
	char letters[CLI_MAX_OPTIONS * 2 + 4];
	struct option longs[CLI_MAX_OPTIONS + 3];
};

static void build_getopt(const struct cli_option *options, bool stop_at_command,
			 struct getopt_tables *t)
{
	char *p = t->letters;
	int n = 0;

	*p++ = stop_at_command ? '+' : '-';
	*p++ = ':';
	for (int i = 0; options && (options[i].letter || options[i].name) && i < CLI_MAX_OPTIONS;
	     i++) {
		if (options[i].letter) {
			*p++ = options[i].letter;
			if (options[i].arg)
				*p++ = ':';
		}
		if (options[i].name)
			t->longs[n++] = (struct option){ options[i].name,
							 options[i].arg ? required_argument
									: no_argument,
							 NULL, CLI_LONG_BASE + i };
	}
	*p = '\0';
	t->longs[n++] = (struct option){ "help", no_argument, NULL, CLI_HELP };
	if (stop_at_command)
		t->longs[n++] = (struct option){ "version", no_argument, NULL, CLI_VERSION };
	t->longs[n] = (struct option){ 0 };
}

static const struct cli_option *find_option(const struct cli_option *options, int value)
{
	if (value >= CLI_LONG_BASE)
		return &options[value - CLI_LONG_BASE];
	for (; options && (options->letter || options->name); options++)
		if (options->letter == value)
			return options;
	return NULL;
}

static int usage_error(const struct cli_program *program, const struct cli_command *command)
{
	fprintf(stderr, "Try '%s%s%s --help'.\n", program->name, command ? " " : "",
		command ? command->name : "");
	return CLI_USAGE;
}

static int bad_option(const struct cli_program *program, const struct cli_command *command,
		      const struct cli_option *options, int r, char **argv)
{
	const char *given = argv[optind - 1], *names[CLI_MAX_OPTIONS + 1];
	const char *nearest = NULL;
	int n = 0;

	if (r == ':') {
		fprintf(stderr, "%s: option '%s' needs a value\n", program->name, given);
		return usage_error(program, command);
	}
	for (; options && (options->letter || options->name) && n < CLI_MAX_OPTIONS; options++)
		if (options->name)
			names[n++] = options->name;
	names[n] = NULL;
	if (optopt && optopt < CLI_LONG_BASE) {
		fprintf(stderr, "%s: unknown option '-%c'\n", program->name, optopt);
		return usage_error(program, command);
	}
	if (!strncmp(given, "--", 2))
		nearest = text_nearest(given + 2, names);
	fprintf(stderr, "%s: unknown option '%s'", program->name, given);
	if (nearest)
		fprintf(stderr, "; did you mean '--%s'?", nearest);
	fputc('\n', stderr);
	return usage_error(program, command);
}

/* Return: -1 go on; else an exit status. optind is after the last word consumed. */
static int parse_options(const struct cli_program *program, const struct cli_command *command,
			 const struct cli_option *options, int argc, char **argv, char **rest,
			 int *nr_rest, struct cli_parsed *parsed)
{
	struct getopt_tables t;
	int r;

	build_getopt(options, rest == NULL, &t);
	opterr = 0;
	while ((r = getopt_long(argc, argv, t.letters, t.longs, NULL)) != -1) {
		if (r == 1 && rest) {
			rest[(*nr_rest)++] = optarg;
			continue;
		}
		if (r == CLI_HELP) {
			cli_print_help(program, command, stdout);
			return CLI_OK;
		}
		if (r == CLI_VERSION) {
			printf("%s %s\n", program->name, VIFROST_VERSION);
			return CLI_OK;
		}
		if (r == '?' || r == ':')
			return bad_option(program, command, options, r, argv);
		if (parsed->nr_given == CLI_MAX_OPTIONS) {
			fprintf(stderr, "%s: too many options\n", program->name);
			return usage_error(program, command);
		}
		parsed->given[parsed->nr_given].option = find_option(options, r);
		parsed->given[parsed->nr_given++].value = optarg;
	}
	return -1;
}

/* Words of @argv that @name, perhaps of two words, takes: 0 no match; whether it is exact. */
static int match_command(const char *name, int argc, char **argv, bool *exact)
{
	const char *space = strchr(name, ' ');
	size_t first = space ? (size_t)(space - name) : strlen(name);
	size_t given = strlen(argv[0]);

	*exact = given == first;
	if (given > first || strncmp(name, argv[0], given))
		return 0;
	if (!space)
		return 1;
	if (argc < 2 || !*exact)
		return 0;
	given = strlen(argv[1]);
	*exact = given == strlen(space + 1);
	return strncmp(space + 1, argv[1], given) ? 0 : 2;
}

static int find_command(const struct cli_program *program, int argc, char **argv,
			const struct cli_command **command_out)
{
	const struct cli_command *found = NULL;
	const char *names[CLI_MAX_COMMANDS + 1], *nearest;
	int words = 0, nr_found = 0, n = 0;

	for (const struct cli_command *c = program->commands; c->name; c++) {
		bool exact;
		int w = match_command(c->name, argc, argv, &exact);

		if (n < CLI_MAX_COMMANDS)
			names[n++] = c->name;
		if (w && exact) {
			*command_out = c;
			return w;
		}
		if (w && program->abbreviate) {
			found = c;
			words = w;
			nr_found++;
		}
	}
	names[n] = NULL;
	if (nr_found == 1) {
		*command_out = found;
		return words;
	}
	nearest = text_nearest(argv[0], names);
	fprintf(stderr, "%s: %s command '%s'", program->name, nr_found ? "ambiguous" : "unknown",
		argv[0]);
	if (nearest && !nr_found)
		fprintf(stderr, "; did you mean '%s'?", nearest);
	fputc('\n', stderr);
	return -usage_error(program, NULL);
}

/* "help", or "help COMMAND", as xl and git have it. */
static int help(const struct cli_program *program, int argc, char **argv)
{
	const struct cli_command *command = NULL;
	int words = argc ? find_command(program, argc, argv, &command) : 0;

	if (words < 0)
		return -words;
	cli_print_help(program, command, stdout);
	return CLI_OK;
}

int cli_parse(const struct cli_program *program, int argc, char **argv, struct cli_parsed *parsed)
{
	const struct cli_command *command;
	int rc, words, nr = 0, offset;

	*parsed = (struct cli_parsed){ 0 };
	optind = 0;
	rc = parse_options(program, NULL, program->options, argc, argv, NULL, NULL, parsed);
	if (rc >= 0)
		return rc;
	if (!program->commands) {
		parsed->args = argv + optind;
		parsed->nr_args = argc - optind;
		if (!parsed->nr_args)
			return -1;
		fprintf(stderr, "%s: takes no argument, got '%s'\n", program->name, argv[optind]);
		return usage_error(program, NULL);
	}
	if (optind == argc) {
		cli_print_help(program, NULL, stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[optind], "help"))
		return help(program, argc - optind - 1, argv + optind + 1);
	offset = optind;
	words = find_command(program, argc - offset, argv + offset, &command);
	if (words < 0)
		return -words;
	offset += words - 1;
	argc -= offset;
	argv += offset;
	/* Positional words are collected in place: never more of them than words read so far. */
	optind = 0;
	rc = parse_options(program, command, command->options, argc, argv, argv, &nr, parsed);
	if (rc >= 0)
		return rc;
	while (optind < argc)
		argv[nr++] = argv[optind++];
	parsed->command = command;
	parsed->args = argv;
	parsed->nr_args = nr;
	if (nr < command->min_args || (command->max_args >= 0 && nr > command->max_args)) {
		fprintf(stderr, "%s %s: %s\n", program->name, command->name,
			nr < command->min_args ? "an argument is missing" : "too many arguments");
		fprintf(stderr, "Usage: %s %s %s\n", program->name, command->name,
			command->args ? command->args : "");
		return usage_error(program, command);
	}
	return -1;
}

static bool option_is(const struct cli_option *o, const char *name)
{
	return (o->name && !strcmp(o->name, name)) || (!name[1] && o->letter == name[0]);
}

const char *cli_value(const struct cli_parsed *parsed, const char *name)
{
	for (int i = parsed->nr_given - 1; i >= 0; i--)
		if (option_is(parsed->given[i].option, name))
			return parsed->given[i].value ? parsed->given[i].value : "";
	return NULL;
}

int cli_count(const struct cli_parsed *parsed, const char *name)
{
	int n = 0;

	for (int i = 0; i < parsed->nr_given; i++)
		n += option_is(parsed->given[i].option, name);
	return n;
}

static void print_options(const struct cli_option *options, FILE *out)
{
	for (; options && (options->letter || options->name); options++) {
		char left[64];
		int n = 0;

		n += snprintf(left + n, sizeof(left) - (size_t)n, options->letter ? "-%c" : "  ",
			      options->letter);
		if (options->name)
			n += snprintf(left + n, sizeof(left) - (size_t)n, "%s--%s",
				      options->letter ? ", " : "  ", options->name);
		if (options->arg)
			snprintf(left + n, sizeof(left) - (size_t)n, " %s", options->arg);
		fprintf(out, "  %-28s %s\n", left, options->help);
	}
}

void cli_print_help(const struct cli_program *program, const struct cli_command *command, FILE *out)
{
	if (command) {
		fprintf(out, "Usage: %s %s%s%s%s\n\n%s\n", program->name, command->name,
			command->options ? " [options]" : "", command->args ? " " : "",
			command->args ? command->args : "", command->help);
		if (command->options) {
			fputs("\nOptions:\n", out);
			print_options(command->options, out);
		}
		return;
	}
	fprintf(out, "Usage: %s [options]%s\n\n%s\n", program->name,
		program->commands ? " COMMAND [options] [args]" : "", program->help);
	if (program->options) {
		fputs("\nOptions:\n", out);
		print_options(program->options, out);
	}
	if (!program->commands)
		return;
	fputs("\nCommands:\n", out);
	for (const struct cli_command *c = program->commands; c->name; c++)
		fprintf(out, "  %-20s %s\n", c->name, c->help);
}

void cli_print_synopsis(const struct cli_program *program, FILE *out)
{
	for (const struct cli_command *c = program->commands; c && c->name; c++) {
		fprintf(out, "%s %s", program->name, c->name);
		for (const struct cli_option *o = c->options; o && (o->letter || o->name); o++) {
			if (o->name)
				fprintf(out, " [--%s", o->name);
			else
				fprintf(out, " [-%c", o->letter);
			fprintf(out, "%s%s]", o->arg ? " " : "", o->arg ? o->arg : "");
		}
		fprintf(out, "%s%s\n", c->args ? " " : "", c->args ? c->args : "");
	}
}

static void completion_words(const struct cli_program *program, FILE *out)
{
	for (const struct cli_command *c = program->commands; c && c->name; c++)
		fprintf(out, "%.*s ", (int)strcspn(c->name, " "), c->name);
}

int cli_print_completion(const struct cli_program *program, const char *shell, FILE *out)
{
	if (!strcmp(shell, "bash") || !strcmp(shell, "zsh")) {
		if (shell[0] == 'z')
			fputs("autoload -U +X bashcompinit && bashcompinit\n", out);
		fprintf(out, "complete -o default -W \"");
		completion_words(program, out);
		fprintf(out, "\" %s\n", program->name);
		return 0;
	}
	if (strcmp(shell, "fish"))
		return -EINVAL;
	for (const struct cli_command *c = program->commands; c && c->name; c++)
		fprintf(out, "complete -c %s -n __fish_use_subcommand -a %.*s -d '%s'\n",
			program->name, (int)strcspn(c->name, " "), c->name, c->help);
	return 0;
}
