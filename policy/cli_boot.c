/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a boot waits for. vifrostd applies the last confirmed revision by itself, again as links appear; here
 * that is waited for, and a host's first policy is taken from its file. A file that was edited since is not
 * looked at: what nobody has confirmed cannot keep a host from coming back.
 */
#include "policy/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "policy/daemon_api.h"

#define TIMEOUT_MS   60000
#define POLL_NS	     200000000
#define RPC_LIMIT_MS 30000
#define FIRST_POLICY "/etc/vifrost/policy.yaml"

enum boot_state {
	BOOT_DONE,    /* a policy is in force */
	BOOT_NOTHING, /* there is none to be: all was taken down */
	BOOT_FIRST,   /* nothing was ever applied */
	BOOT_WAIT,    /* vifrostd is not there, or could not apply it yet */
};

static bool has_code(const json_t *error, const char *code)
{
	const char *have = json_string_value(json_object_get(error, "code"));

	return have && !strcmp(have, code);
}

static enum boot_state look(const char *socket)
{
	json_t *answer = NULL, *last;
	enum boot_state state = BOOT_WAIT;
	int rc = rpc_call(socket, "show", NULL, RPC_LIMIT_MS, &answer);

	if (!rc)
		state = BOOT_DONE;
	if (rc != -EREMOTEIO || !has_code(answer, DAEMON_ERROR_NOT_FOUND)) {
		json_decref(answer);
		return state;
	}
	json_decref(answer);
	if (rpc_call(socket, "history", NULL, RPC_LIMIT_MS, &answer))
		return BOOT_WAIT;
	last = json_array_get(answer, json_array_size(answer) - 1);
	if (!last)
		state = BOOT_FIRST;
	else if (!json_object_get(last, "file"))
		state = BOOT_NOTHING;
	json_decref(answer);
	return state;
}

static int apply_first(const struct cli_output *o, const struct cli_parsed *parsed)
{
	const char *path = parsed->nr_args ? parsed->args[0] : FIRST_POLICY;
	json_t *params, *result;
	int status;

	if (!parsed->nr_args && access(path, F_OK)) {
		if (!o->quiet)
			printf("nothing to do: nothing was ever applied, and there is no %s\n",
			       path);
		return CLI_OK;
	}
	status = cli_policy_params(o, path, &params);
	if (status)
		return status;
	json_object_set_new(params, "message", json_string("first boot"));
	status = cli_call(o, parsed, "apply", params, &result);
	return status ? status : cli_print_outcome(o, "applied", result, CLI_OK);
}

int cli_boot(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	struct cli_output o = cli_output_of(parsed);
	const char *timeout = cli_value(parsed, "timeout");
	char rundir[RUNDIR_MAX], socket[PATH_MAX];
	json_int_t limit_ms = TIMEOUT_MS;
	enum boot_state state;
	json_t *answer = NULL;
	uint64_t end, now;

	(void)cmd;
	if ((timeout && cli_milliseconds(timeout, &limit_ms)) || limit_ms > INT_MAX ||
	    rundir_resolve(cli_value(parsed, "run-dir"), rundir))
		return cli_fail(&o, CLI_USAGE, "usage", "such as 90s, and a short absolute path",
				"--timeout or --run-dir cannot be used");
	rundir_file(socket, rundir, RUNDIR_VIFROSTD_SOCKET);
	end = clock_ms() + (uint64_t)limit_ms;
	while ((state = look(socket)) == BOOT_WAIT && (now = clock_ms()) < end) {
		/* Answered when it is in force. */
		if (rpc_call(socket, "boot", NULL, (int)(end - now), &answer))
			nanosleep(&pause, NULL);
		json_decref(answer);
		answer = NULL;
	}
	switch (state) {
	case BOOT_DONE:
		return CLI_OK;
	case BOOT_NOTHING:
		if (!o.quiet)
			puts("nothing to do: all was taken down");
		return CLI_OK;
	case BOOT_FIRST:
		return apply_first(&o, parsed);
	case BOOT_WAIT:
		break;
	}
	return cli_fail(&o, CLI_UNAVAILABLE, "unavailable",
			"vifrostd's log says why; it goes on trying as links appear",
			"the last confirmed policy is not in force");
}
