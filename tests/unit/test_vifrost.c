/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line against a vifrostd that answers from a table: exit statuses, what goes to which
 * stream, JSON, and that nothing which a guest wrote reaches the terminal raw.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/rpc.h"
#include "base/rundir.h"
#include "policy/cli.h"
#include "policy/daemon_api.h"
#include "policy/policy.h"

#define ARGS_MAX 10
#define POLICY	 "version: 1\nnetworks: { xenbr0: { mode: bridge } }\n"

static char dir[] = "/tmp/vf-cli.XXXXXX", good[64], bad[64];
static pid_t daemon_pid = -1;

struct run {
	int status;
	char *out, *err;
};

/* What the stand-in answers to "apply", by the policy's file name. */
static const struct {
	const char *file, *code;
	int status;
} failures[] = {
	{ "invalid.yaml", DAEMON_ERROR_INVALID, CLI_INVALID_POLICY },
	{ "busy.yaml", DAEMON_ERROR_BUSY, CLI_BUSY },
	{ "rolled-back.yaml", DAEMON_ERROR_ROLLED_BACK, CLI_ROLLED_BACK },
	{ "rollback-failed.yaml", DAEMON_ERROR_ROLLBACK_FAILED, CLI_ROLLBACK_FAILED },
	{ "unavailable.yaml", DAEMON_ERROR_UNAVAILABLE, CLI_UNAVAILABLE },
	{ "permission.yaml", DAEMON_ERROR_PERMISSION, CLI_NO_PERMISSION },
	{ "internal.yaml", "internal", CLI_BUG },
};

static void answer_apply(void *arg, struct rpc_call *call)
{
	const char *file = json_string_value(json_object_get(rpc_params(call), "file"));
	const char *text = json_string_value(json_object_get(rpc_params(call), "policy"));
	const char *name = file ? strrchr(file, '/') + 1 : "";

	(void)arg;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (!strcmp(name, failures[i].file)) {
			rpc_fail_data(call, failures[i].code,
				      json_pack("[{s:s, s:s, s:s, s:s, s:i, s:i}]", "code",
						"VF9999", "severity", "error", "message",
						"in the way", "file", "f.yaml", "line", 3, "column",
						4),
				      "it did not work");
			return;
		}
	if (!strcmp(name, "step.yaml")) {
		rpc_fail_data(call, DAEMON_ERROR_ROLLED_BACK,
			      json_pack("{s:[{s:s}, {s:s}], s:i}", "steps", "text", "one", "text",
					"two\x1b", "failed", 2),
			      "no");
		return;
	}
	if (!text || strcmp(text, POLICY)) {
		rpc_fail(call, "internal", "not the policy that was given");
		return;
	}
	if (!strcmp(name, "elsewhere.yaml"))
		rpc_reply(call, json_pack("{s:s, s:[]}", "outcome", DAEMON_OUTCOME_NOT_FOR_HOST,
					  "steps"));
	else if (!strcmp(name, "good.yaml"))
		rpc_reply(call,
			  json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "outcome", DAEMON_OUTCOME_CHANGED,
				    "steps", "text", "make bridge xenbr0", "disruption", "none",
				    "undo", "delete bridge xenbr0"));
	else
		rpc_reply(call,
			  json_pack("{s:s, s:[]}", "outcome", DAEMON_OUTCOME_UNCHANGED, "steps"));
}

static void answer_down(void *arg, struct rpc_call *call)
{
	(void)arg;
	rpc_reply(call, json_pack("{s:s, s:[]}", "outcome", DAEMON_OUTCOME_UNCHANGED, "steps"));
}

static void answer_status(void *arg, struct rpc_call *call)
{
	(void)arg;
	rpc_reply(call, json_pack("{s:n, s:[{s:s, s:s, s:[s,s]}], s:{s:{s:s}}}", "policy",
				  "networks", "name", "xenbr0", "state", "up", "addresses",
				  "192.0.2.10/24", "2001:db8::1/64", "daemons", "hvd", "state",
				  "\x1b[31mfor \xc2\x9b all\n\x7f"));
}

static void answer_show(void *arg, struct rpc_call *call)
{
	(void)arg;
	if (json_is_true(json_object_get(rpc_params(call), "effective")))
		rpc_reply(call,
			  json_pack("{s:{s:{s:[{s:i, s:s, s:{s:i, s:s, s:s, s:i}}]}}}", "guests",
				    "web", "vifs", "devid", 0, "network", "xenbr0", "mtu", "value",
				    1500, "origin", "network", "file", "f", "line", 7));
	else
		rpc_reply(call, json_pack("{s:i}", "version", 1));
}

static void answer_vifs(void *arg, struct rpc_call *call)
{
	(void)arg;
	rpc_reply(call, json_array());
}

static void answer_explain(void *arg, struct rpc_call *call)
{
	(void)arg;
	if (strcmp(json_string_value(json_object_get(rpc_params(call), "vif")), "vif1.0"))
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "no such vif");
	else
		rpc_reply(call, json_pack("{s:s, s:s}", "vif", "vif1.0", "why", "the policy"));
}

static const struct rpc_method methods[] = {
	{ "plan", answer_apply },      { "apply", answer_apply },
	{ "down", answer_down },       { "status", answer_status },
	{ "show", answer_show },       { "vif.list", answer_vifs },
	{ "explain", answer_explain }, { NULL, NULL },
};

static void serve(int ready)
{
	struct rpc_server *server;
	struct loop *loop;
	char path[PATH_MAX];

	rundir_file(path, dir, RUNDIR_VIFROSTD_SOCKET);
	if (loop_create(&loop) || rpc_server_create(loop, path, methods, NULL, &server))
		_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	loop_run(loop);
	_exit(0);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static char *read_file(const char *name)
{
	char path[128], *text;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(pol_read_file(path, &text, &size), 0);
	text = realloc(text, size + 1);
	text[size] = 0;
	return text;
}

static void run_in_child(char **argv, int argc)
{
	char out[128], err[128];

	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(err, sizeof(err), "%s/err", dir);
	if (!freopen(out, "w", stdout) || !freopen(err, "w", stderr))
		_exit(99);
	int status = cli_run(argc, argv);

	fflush(NULL);
	_exit(status);
}

/* Runs vifrost with the arguments up to NULL. */
static struct run run(const char *first, ...)
{
	char *argv[ARGS_MAX + 1] = { (char *)"vifrost" };
	int argc = 1, wait_status;
	const char *arg = first;
	va_list ap;
	pid_t pid;

	va_start(ap, first);
	for (; arg && argc < ARGS_MAX; arg = va_arg(ap, const char *))
		argv[argc++] = (char *)(uintptr_t)arg;
	va_end(ap);
	fflush(NULL);
	pid = fork();
	if (!pid)
		run_in_child(argv, argc);
	assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	assert_true(WIFEXITED(wait_status));
	return (struct run){ WEXITSTATUS(wait_status), read_file("out"), read_file("err") };
}

/* Whether @r went as it should; releases it. @out, @err: to be found there, "" nothing may be there. */
static void expect(struct run r, int status, const char *out, const char *err)
{
	if (r.status != status || !(*out ? strstr(r.out, out) != NULL : !*r.out) ||
	    !(*err ? strstr(r.err, err) != NULL : !*r.err))
		fail_msg("status %d, want %d\nstdout: %s\nwant: %s\nstderr: %s\nwant: %s", r.status,
			 status, r.out, out, r.err, err);
	free(r.out);
	free(r.err);
}

static void check_files(void **state)
{
	(void)state;
	expect(run("check", good, NULL), CLI_OK, "good: 1 network", "");
	expect(run("check", "-q", good, NULL), CLI_OK, "", "");
	expect(run("check", bad, NULL), CLI_INVALID_POLICY, "",
	       "bad.yaml:1:10: error: \"2\" is not in range, allowed: 1 [VF0105]");
	expect(run("check", good, bad, NULL), CLI_INVALID_POLICY, "good.yaml: good", "bad.yaml:");
	expect(run("check", "/nonexistent", NULL), CLI_DATA, "", "cannot read /nonexistent");
	expect(run("check", NULL), CLI_USAGE, "", "argument is missing");
	expect(run("chekc", good, NULL), CLI_USAGE, "", "did you mean 'check'");
	expect(run("check", "--jsno", good, NULL), CLI_USAGE, "", "--json");
}

static void check_json(void **state)
{
	struct run r = run("check", "-j", good, bad, NULL);
	json_t *doc = json_loads(r.out, 0, NULL), *files = json_object_get(doc, "files");
	const json_t *d;

	(void)state;
	assert_int_equal(r.status, CLI_INVALID_POLICY);
	assert_string_equal(r.err, "");
	assert_string_equal(json_string_value(json_object_get(doc, "schema")), "vifrost/check/v1");
	assert_true(json_is_true(json_object_get(json_array_get(files, 0), "valid")));
	assert_true(json_is_false(json_object_get(json_array_get(files, 1), "valid")));
	d = json_array_get(json_object_get(json_array_get(files, 1), "diagnostics"), 0);
	assert_string_equal(json_string_value(json_object_get(d, "code")), "VF0105");
	assert_string_equal(json_string_value(json_object_get(d, "path")), "/version");
	assert_int_equal(json_integer_value(json_object_get(d, "line")), 1);
	json_decref(doc);
	free(r.out);
	free(r.err);
}

static void show_files(void **state)
{
	(void)state;
	expect(run("show", good, NULL), CLI_OK, "networks:\n  xenbr0:\n    mode: bridge\n", "");
	expect(run("show", "-j", good, NULL), CLI_OK,
	       "{\"version\":1,\"networks\":{\"xenbr0\":{\"mode\":\"bridge\"}}}\n", "");
	expect(run("-p", "show", good, NULL), CLI_OK, "{\n  \"version\": 1,", "");
	expect(run("show", "--effective", good, NULL), CLI_OK, "names no guests", "");
	expect(run("show", bad, NULL), CLI_INVALID_POLICY, "", "VF0105");
	expect(run("show", "-j", bad, NULL), CLI_INVALID_POLICY, "\"error\"", "VF0105");
}

static void apply_outcomes(void **state)
{
	char path[128];

	(void)state;
	expect(run("apply", "--run-dir", dir, good, NULL), CLI_OK,
	       "1 step(s) done:\n  1. make bridge xenbr0\n", "");
	expect(run("apply", "--run-dir", dir, "-v", good, NULL), CLI_OK,
	       "undo: delete bridge xenbr0", "");
	expect(run("apply", "--run-dir", dir, "-q", good, NULL), CLI_OK, "", "");
	expect(run("plan", "--run-dir", dir, good, NULL), CLI_OK, "1 step(s) to do", "");
	expect(run("plan", "-e", "--run-dir", dir, good, NULL), CLI_DIFFERS, "to do", "");
	expect(run("apply", "--run-dir", dir, bad, NULL), CLI_INVALID_POLICY, "", "VF0105");
	snprintf(path, sizeof(path), "%s/same.yaml", dir);
	write_file(path, POLICY);
	expect(run("plan", "-e", "--run-dir", dir, path, NULL), CLI_OK, "nothing to do: all is",
	       "");
	snprintf(path, sizeof(path), "%s/elsewhere.yaml", dir);
	write_file(path, POLICY);
	expect(run("apply", "--run-dir", dir, path, NULL), CLI_OK, "another host", "");
	expect(run("down", "--run-dir", dir, NULL), CLI_OK, "nothing to do", "");
}

static void apply_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		char path[128], code[64];

		snprintf(path, sizeof(path), "%s/%s", dir, failures[i].file);
		write_file(path, POLICY);
		expect(run("apply", "--run-dir", dir, path, NULL), failures[i].status, "",
		       "vifrost: it did not work\nf.yaml:3:4: error: in the way [VF9999]\n");
		snprintf(code, sizeof(code), "\"code\":\"%s\"", failures[i].code);
		expect(run("apply", "-j", "--run-dir", dir, path, NULL), failures[i].status, code,
		       "it did not work");
	}
}

static void apply_failed_step(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/step.yaml", dir);
	write_file(path, POLICY);
	expect(run("apply", "--run-dir", dir, path, NULL), CLI_ROLLED_BACK, "",
	       "vifrost: no\nstep 2 of 2 failed: two\\x1b\n");
	unlink(path);
}

static void no_daemon(void **state)
{
	(void)state;
	expect(run("status", "--run-dir", "/nonexistent", NULL), CLI_UNAVAILABLE, "",
	       "vifrostd is not running at /nonexistent/vifrostd.sock; start it with: "
	       "vifrostd --run-dir /nonexistent\n");
	expect(run("status", "-j", "--run-dir", "/nonexistent", NULL), CLI_UNAVAILABLE,
	       "\"code\":\"unavailable\"", "not running");
	expect(run("status", "--run-dir", "relative", NULL), CLI_USAGE, "", "run directory");
	expect(run("status", "--run-dir", dir, "--timeout", "90", NULL), CLI_USAGE, "", "90s");
	expect(run("apply", "--run-dir", "/nonexistent", bad, NULL), CLI_INVALID_POLICY, "",
	       "VF0105");
}

static void queries(void **state)
{
	struct run r;

	(void)state;
	r = run("status", "--run-dir", dir, NULL);
	assert_null(strchr(r.out, '\x1b'));
	assert_null(strstr(r.out, "\xc2\x9b"));
	expect(r, CLI_OK, "  NAME  STATE\n  hvd   \\x1b[31mfor \\xc2\\x9b all\\x0a\\x7f\n", "");
	expect(run("status", "--run-dir", dir, NULL), CLI_OK,
	       "networks:\n  NAME    STATE  ADDRESSES\n"
	       "  xenbr0  up     192.0.2.10/24 2001:db8::1/64\n",
	       "");
	expect(run("status", "-j", "--run-dir", dir, NULL), CLI_OK,
	       "\\u001B[31mfor \\u009B all\\n\\u007f\"", "");
	expect(run("show", "--run-dir", dir, NULL), CLI_OK, "version: 1\n", "");
	expect(run("show", "--effective", "--run-dir", dir, NULL), CLI_OK,
	       "web    0      xenbr0   1500 (network, line 7)", "");
	expect(run("vif", "list", "--run-dir", dir, NULL), CLI_OK, "none\n", "");
	expect(run("vif", "list", "-j", "--run-dir", dir, NULL), CLI_OK, "[]\n", "");
	expect(run("explain", "--run-dir", dir, "vif1.0", NULL), CLI_OK, "why: the policy", "");
	expect(run("explain", "--run-dir", dir, "vif9.0", NULL), CLI_DATA, "", "no such vif");
	expect(run("completion", "bash", NULL), CLI_OK, "complete ", "");
	expect(run("completion", "csh", NULL), CLI_USAGE, "", "csh");
}

static int start(void **state)
{
	int ready[2];
	char byte;

	(void)state;
	if (!mkdtemp(dir) || pipe(ready))
		return -1;
	snprintf(good, sizeof(good), "%s/good.yaml", dir);
	snprintf(bad, sizeof(bad), "%s/bad.yaml", dir);
	write_file(good, POLICY);
	write_file(bad, "version: 2\nnetworks: { xenbr0: { mode: bridge } }\n");
	daemon_pid = fork();
	if (!daemon_pid)
		serve(ready[1]);
	close(ready[1]);
	return read(ready[0], &byte, 1) == 1 ? 0 : -1;
}

static int stop(void **state)
{
	static const char *const names[] = { "good.yaml", "bad.yaml",
					     "same.yaml", "elsewhere.yaml",
					     "out",	  "err",
					     "step.yaml", RUNDIR_VIFROSTD_SOCKET };
	char path[128];

	(void)state;
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, failures[i].file);
		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_files),	  cmocka_unit_test(check_json),
		cmocka_unit_test(show_files),	  cmocka_unit_test(apply_outcomes),
		cmocka_unit_test(apply_failures), cmocka_unit_test(apply_failed_step),
		cmocka_unit_test(no_daemon),	  cmocka_unit_test(queries),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
