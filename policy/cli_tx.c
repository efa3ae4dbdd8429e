/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trying, confirming, going back: vifrostd does it, here it is asked for and told. */
#include "policy/cli.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "policy/daemon_api.h"
#include "policy/units.h"

#define SSH_VARIABLE  "SSH_CONNECTION="
#define ANCESTORS_MAX 16
#define ENVIRON_MAX   (256 * 1024)

int cli_milliseconds(const char *text, json_int_t *ms_out)
{
	uint64_t us;
	int rc = unit_parse(UNIT_DURATION, text, &us);

	if (!rc)
		*ms_out = (json_int_t)(us / 1000);
	return rc;
}

static size_t read_file(const char *path, char *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && used < size - 1) {
		n = read(fd, data + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	data[used] = '\0';
	return used;
}

static pid_t parent_of(pid_t pid)
{
	char path[40], stat[1024], *p;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	read_file(path, stat, sizeof(stat));
	p = strrchr(stat, ')');
	return p && sscanf(p, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* sudo takes the variable away, but the shell before it has it. NULL: not by ssh. */
static char *find_ssh(void)
{
	const char *own = getenv("SSH_CONNECTION");
	char *data, *found = NULL, path[40];
	pid_t pid = getppid();
	size_t size;

	if (own)
		return strdup(own);
	data = malloc(ENVIRON_MAX);
	for (int i = 0; data && !found && pid > 1 && i < ANCESTORS_MAX; i++) {
		snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
		size = read_file(path, data, ENVIRON_MAX);
		for (char *p = data; !found && p < data + size; p += strlen(p) + 1)
			if (!strncmp(p, SSH_VARIABLE, strlen(SSH_VARIABLE)))
				found = strdup(p + strlen(SSH_VARIABLE));
		pid = parent_of(pid);
	}
	free(data);
	return found;
}

void cli_add_change(const struct cli_parsed *parsed, json_t *params)
{
	char *ssh = find_ssh();

	if (cli_value(parsed, "message"))
		json_object_set_new(params, "message", json_string(cli_value(parsed, "message")));
	if (cli_value(parsed, "plan"))
		json_object_set_new(params, "plan", json_string(cli_value(parsed, "plan")));
	if (cli_value(parsed, "allow-management-cut"))
		json_object_set_new(params, "allow-management-cut", json_true());
	if (ssh)
		json_object_set_new(params, "ssh", json_string(ssh));
	free(ssh);
}

static int bad_time(const struct cli_output *o, const char *option, const char *text)
{
	return cli_fail(o, CLI_USAGE, "usage", "such as 90s or 5m, at least 1s",
			"--%s %s is no time", option, text);
}

static void tell_confirm(const json_t *result)
{
	const char *id = json_string_value(json_object_get(result, "id"));

	printf("confirm within %d s, or it is rolled back: vifrost confirm %s\n",
	       (int)json_number_value(json_object_get(result, "seconds-left")), id ? id : "");
}

static int extend(const struct cli_output *o, struct cli_parsed *parsed)
{
	const char *text = cli_value(parsed, "extend");
	json_int_t ms;
	json_t *result;
	int status;

	if (parsed->nr_args)
		return cli_fail(o, CLI_USAGE, "usage", NULL, "--extend takes no FILE");
	if (cli_milliseconds(text, &ms))
		return bad_time(o, "extend", text);
	status = cli_call(o, parsed, "extend", json_pack("{sI}", "timeout-ms", ms), &result);
	if (status)
		return status;
	if (o->json)
		return cli_print_json(o, result, CLI_OK);
	if (!o->quiet)
		tell_confirm(result);
	json_decref(result);
	return CLI_OK;
}

int cli_change_params(const struct cli_output *o, const struct cli_parsed *parsed,
		      json_t **params_out)
{
	int status = CLI_OK;

	*params_out = NULL;
	if (parsed->nr_args)
		status = cli_policy_params(o, parsed->args[0], params_out);
	else if (!cli_value(parsed, "plan"))
		status = cli_fail(o, CLI_USAGE, "usage", NULL, "FILE is missing");
	else
		*params_out = json_object();
	if (*params_out)
		cli_add_change(parsed, *params_out);
	return status;
}

int cli_try(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	const char *timeout = cli_value(parsed, "timeout");
	json_t *params, *result, *kept;
	json_int_t ms;
	int status;

	(void)cmd;
	if (cli_value(parsed, "extend"))
		return extend(&o, parsed);
	if (timeout && cli_milliseconds(timeout, &ms))
		return bad_time(&o, "timeout", timeout);
	status = cli_change_params(&o, parsed, &params);
	if (status)
		return status;
	if (timeout)
		json_object_set_new(params, "timeout-ms", json_integer(ms));
	status = cli_call(&o, parsed, "try", params, &result);
	if (status)
		return status;
	kept = json_incref(result);
	status = cli_print_outcome(&o, "done", result, CLI_OK);
	if (!o.json && json_object_get(kept, "id"))
		tell_confirm(kept);
	json_decref(kept);
	return status;
}

static int end_try(struct cli_parsed *parsed, const char *method)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *result;
	json_t *params = parsed->nr_args ? json_pack("{ss}", "id", parsed->args[0]) : json_object();
	int status;

	if (!params)
		return cli_fail(&o, CLI_USAGE, "usage", "`vifrost status` shows it", "not an ID");
	status = cli_call(&o, parsed, method, params, &result);
	if (status)
		return status;
	if (o.json)
		return cli_print_json(&o, result, CLI_OK);
	if (!o.quiet && !strcmp(method, "confirm"))
		printf("confirmed: revision %" JSON_INTEGER_FORMAT "\n",
		       json_integer_value(json_object_get(result, "revision")));
	else if (!o.quiet)
		puts("rolled back: all is as before");
	json_decref(result);
	return CLI_OK;
}

int cli_confirm(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	(void)cmd;
	return end_try(parsed, "confirm");
}

int cli_rollback(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	(void)cmd;
	return end_try(parsed, "rollback");
}

int cli_undo(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *params = json_object(), *result;
	uint32_t revision;
	int status;

	(void)cmd;
	if (parsed->nr_args && parse_u32(parsed->args[0], UINT32_MAX, &revision)) {
		json_decref(params);
		return cli_fail(&o, CLI_USAGE, "usage", "`vifrost history` lists them",
				"not a revision");
	}
	if (parsed->nr_args)
		json_object_set_new(params, "revision", json_integer(revision));
	cli_add_change(parsed, params);
	status = cli_call(&o, parsed, "undo", params, &result);
	return status ? status : cli_print_outcome(&o, "done", result, CLI_OK);
}

static const char *text_of(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));

	return text ? text : "";
}

static void print_revision(const json_t *entry)
{
	printf("%4" JSON_INTEGER_FORMAT "  %s  ",
	       json_integer_value(json_object_get(entry, "revision")), text_of(entry, "when"));
	cli_print_safe(text_of(entry, "author"), stdout);
	fputs("  ", stdout);
	cli_print_safe(text_of(entry, "result"), stdout);
	fputs("  ", stdout);
	cli_print_safe(json_is_true(json_object_get(entry, "down")) ? "down"
								    : text_of(entry, "file"),
		       stdout);
	if (text_of(entry, "message")[0]) {
		fputs("  ", stdout);
		cli_print_safe(text_of(entry, "message"), stdout);
	}
	putchar('\n');
}

int cli_history(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *result;
	int status = cli_call(&o, parsed, "history", NULL, &result);

	(void)cmd;
	if (status)
		return status;
	if (o.json)
		return cli_print_json(&o, result, CLI_OK);
	if (!json_array_size(result) && !o.quiet)
		puts("no revision yet");
	for (size_t i = 0; !o.quiet && i < json_array_size(result); i++)
		print_revision(json_array_get(result, i));
	json_decref(result);
	return CLI_OK;
}

/* As diff(1): 0 the same, 1 not, more: trouble. */
int cli_diff(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	json_t *params = NULL, *result;
	int status = parsed->nr_args ? cli_policy_params(&o, parsed->args[0], &params) : CLI_OK;

	(void)cmd;
	if (status)
		return status;
	status = cli_call(&o, parsed, parsed->nr_args ? "plan" : "diff", params, &result);
	if (status)
		return status;
	if (json_array_size(json_object_get(result, "steps")))
		status = CLI_DIFFERS;
	return cli_print_outcome(&o, "would make it so", result, status);
}
