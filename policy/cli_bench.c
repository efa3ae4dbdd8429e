/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vifrost bench: what this host's networks carry, and whether that is what it should be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/rundir.h"
#include "base/unixsock.h"
#include "policy/cli_bench.h"

#define VERIFY_MS	1000
#define WINDOW_EXTRA_MS 400  /* starting and ending it */
#define PATH_EXTRA_MS	1500 /* until both ends are there */
#define LIFE_EXTRA_S	120

static void add_failure(struct bench *b, const struct bench_path *p, const char *why)
{
	const char *from = p->from ? p->from : BENCH_GUEST, *to = p->to ? p->to : BENCH_GUEST;
	char path[640];

	snprintf(path, sizeof(path), "%s%s%.255s to %.255s", p->network, *p->network ? ": " : "",
		 from, to);
	json_array_append_new(b->failed,
			      json_pack("{ss ss ss ss ss}", "path", path, "network", p->network,
					"from", from, "to", to, "reason", why));
}

/* How long a path takes. */
static uint32_t path_ms(const struct bench *b, const struct bench_row *rows, size_t nr)
{
	uint32_t seconds_ms = (b->duration_ms + 999) / 1000 * 1000, ms = PATH_EXTRA_MS;

	for (size_t k = 0; k < nr; k++)
		ms += b->windows * (WINDOW_EXTRA_MS +
				    (rows[k].test == BENCH_STREAM ? seconds_ms : b->duration_ms));
	return ms;
}

/* Return: 0; -EINTR. */
static int measure_path(struct bench *b, struct bench_path *path, const struct bench_row *rows,
			size_t nr)
{
	char why[BENCH_WHY] = "";
	int rc;

	/* As many windows again when each is rejected once. */
	b->life_s = 2 * path_ms(b, rows, nr) / 1000 + LIFE_EXTRA_S;
	bench_progress(b, "waiting for both ends");
	rc = bench_path_open(b, path, why);
	if (rc && rc != -EINTR)
		add_failure(b, path, why);
	for (size_t i = 0; !rc && i < nr; i++) {
		rc = bench_measure(b, path, &rows[i], why);
		if (rc && rc != -EINTR) {
			add_failure(b, path, why);
			rc = bench_interrupted() ? -EINTR : 0;
		}
	}
	/* A host of many networks has few of our guests at a time. */
	bench_ends_close(b);
	return rc == -EINTR ? rc : 0;
}

static void iperf3_version(char text[64])
{
	static const char *const argv[] = { "iperf3", "--version", NULL };
	char *said = NULL;
	struct bench_child c;

	text[0] = 0;
	if (!bench_child_start(&c, 0, argv, NULL, NULL) && !bench_child_wait(&c, 3000, &said) &&
	    said)
		snprintf(text, 64, "%.*s", (int)strcspn(said, "\n("), said);
	while (text[0] && text[strlen(text) - 1] == ' ')
		text[strlen(text) - 1] = 0;
	free(said);
}

static json_t *document(const struct bench *b)
{
	time_t now = time(NULL);
	struct tm tm;
	char when[32], iperf3[64];

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	iperf3_version(iperf3);
	return json_pack("{ss ss ss ss so s{si si si} sO sO}", "schema", BENCH_SCHEMA, "version",
			 VIFROST_VERSION, "iperf3", iperf3, "when", when, "machine",
			 bench_machine(), "settings", "duration-ms", (int)b->duration_ms, "windows",
			 (int)b->windows, "port", (int)b->port, "results", b->results, "failed",
			 b->failed);
}

static int run_plan(const struct cli_output *o, struct bench *b, struct bench_plan *p,
		    json_t **doc_out)
{
	uint64_t ms = 0;
	int rc = 0;

	for (size_t i = 0; i < p->nr_paths; i++) {
		ms += path_ms(b, p->rows[i], p->nr_rows[i]);
		b->planned += (unsigned int)p->nr_rows[i] * b->windows;
	}
	if (!o->quiet && !o->json)
		fprintf(stderr, "%u windows on %zu path(s), about %llu s\n", b->planned,
			p->nr_paths, (unsigned long long)ms / 1000 + 1);
	bench_catch_signals();
	for (size_t i = 0; !rc && i < p->nr_paths; i++) {
		rc = measure_path(b, &p->paths[i], p->rows[i], p->nr_rows[i]);
		b->done = 0;
		for (size_t k = 0; k <= i; k++)
			b->done += (unsigned int)p->nr_rows[k] * b->windows;
	}
	bench_ends_close(b);
	bench_progress_end(b);
	if (rc)
		return cli_fail(o, 130, "interrupted", NULL, "interrupted; nothing is left behind");
	*doc_out = document(b);
	if (!*doc_out)
		return cli_fail(o, CLI_BUG, "out-of-memory", NULL, "out of memory");
	return CLI_OK;
}

/* Adds the verdicts to @doc. Return: CLI_OK or CLI_DIFFERS, else all was said. */
static int judge(const struct cli_output *o, const struct bench_asked *a, const json_t *policy,
		 json_t *doc)
{
	json_t *before = NULL, *list;
	int status = CLI_OK;

	if (a->check) {
		list = bench_objectives(policy, doc);
		json_object_set_new(doc, "objectives", list);
		if (bench_count(list, "state", "reached") != json_array_size(list))
			status = CLI_DIFFERS;
	}
	if (a->compare) {
		int rc = bench_read_document(o, a->compare, &before);

		if (rc)
			return rc;
		list = bench_compare(before, doc, a->threshold / 100.0);
		json_decref(before);
		json_object_set_new(doc, "compared", list);
		if (bench_count(list, "verdict", "worse"))
			status = CLI_DIFFERS;
	}
	return status;
}

/* Takes @doc. */
static int finish(const struct cli_output *o, const struct bench_asked *a, const json_t *policy,
		  json_t *doc)
{
	bool failed = json_array_size(json_object_get(doc, "failed"));
	int status = judge(o, a, policy, doc), rc = CLI_OK;

	if (status != CLI_OK && status != CLI_DIFFERS) {
		json_decref(doc);
		return status;
	}
	if (a->output)
		rc = bench_write_file(o, a->output, doc);
	if (!rc && a->plot)
		rc = bench_plot(o, a->plot, doc);
	if (!rc && failed && status == CLI_OK)
		rc = CLI_UNAVAILABLE;
	status = rc ? rc : status;
	if (o->json)
		return cli_print_json(o, doc, status);
	if (!o->quiet || status) {
		bench_print(doc, stdout);
		bench_print_objectives(json_object_get(doc, "objectives"), stdout);
		bench_print_compare(json_object_get(doc, "compared"), stdout);
	}
	json_decref(doc);
	return status;
}

static int prepare(const struct cli_output *o, const struct cli_parsed *parsed, struct bench *b)
{
	char path[PATH_MAX];
	int fd, status;

	status = cli_call(o, parsed, "status", NULL, &b->status);
	if (status)
		return status;
	if (geteuid() != 0)
		return cli_fail(o, CLI_NO_PERMISSION, "permission", "try as root",
				"may not enter guests' networks");
	if (getrandom(&b->run, sizeof(b->run), 0) != sizeof(b->run))
		return cli_fail(o, CLI_BUG, "random", NULL, "no random numbers: %s",
				strerror(errno));
	rundir_file(path, b->rundir, RUNDIR_HVD_SOCKET);
	fd = unixsock_connect(path, SOCK_STREAM);
	b->has_core = fd >= 0;
	if (fd >= 0)
		close(fd);
	b->results = json_array();
	b->failed = json_array();
	return CLI_OK;
}

/* One at a time: two would measure each other. */
static int measure(const struct cli_output *o, const struct cli_parsed *parsed, struct bench *b,
		   struct bench_asked *a, const json_t *policy, json_t **doc_out)
{
	struct bench_plan *p = calloc(1, sizeof(*p));
	int lock, status = p ? prepare(o, parsed, b) : CLI_BUG;
	pid_t holder = 0;

	if (!status)
		status = a->check ? bench_plan_objectives(o, policy, p)
				  : bench_plan_paths(o, b, a, p);
	if (!status) {
		lock = pidfile_take(b->rundir, "vifrost-bench", &holder);
		if (lock == -EBUSY)
			status = cli_fail(o, CLI_BUSY, "busy", "wait for it",
					  "another benchmark runs, process %d", (int)holder);
		else
			status = run_plan(o, b, p, doc_out);
		if (lock >= 0)
			close(lock);
	}
	free(p);
	json_decref(b->status);
	json_decref(b->policy);
	json_decref(b->results);
	json_decref(b->failed);
	return status;
}

int cli_bench(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct cli_output o = cli_output_of(parsed);
	char rundir[RUNDIR_MAX];
	struct bench b = { .rundir = rundir, .quiet = o.quiet };
	json_t *policy = NULL, *doc = NULL;
	struct bench_asked a;
	int status = bench_take_options(&o, parsed, &b, &a);

	(void)cmd;
	if (status)
		return status;
	if (rundir_resolve(cli_value(parsed, "run-dir"), rundir))
		return cli_fail(&o, CLI_USAGE, "usage", "give a short absolute path",
				"the run directory cannot be used");
	/* Before minutes are spent on the rest. */
	status = bench_check_files(&o, &a);
	if (!status && a.compare) {
		status = bench_read_document(&o, a.compare, &doc);
		json_decref(doc);
		doc = NULL;
	}
	if (!status && a.check)
		status = cli_call(&o, parsed, "show", NULL, &policy);
	if (!status)
		status = a.read ? bench_read_document(&o, a.read, &doc)
				: measure(&o, parsed, &b, &a, policy, &doc);
	if (!status)
		status = finish(&o, &a, policy, doc);
	json_decref(policy);
	return status;
}

int cli_verify_performance(const struct cli_output *o, const struct cli_parsed *parsed,
			   json_t **list_out)
{
	struct cli_output quiet = { .json = o->json, .pretty = o->pretty, .quiet = true };
	char rundir[RUNDIR_MAX];
	struct bench b = { .rundir = rundir,
			   .quiet = o->quiet,
			   .duration_ms = VERIFY_MS,
			   .windows = BENCH_WINDOWS_DEFAULT,
			   .port = BENCH_PORT };
	struct bench_asked a = { .check = true };
	json_t *policy = NULL, *doc = NULL;
	int status;

	*list_out = NULL;
	if (rundir_resolve(cli_value(parsed, "run-dir"), rundir))
		return CLI_USAGE;
	status = cli_call(o, parsed, "show", NULL, &policy);
	if (!status && !json_array_size(json_object_get(policy, "objectives")))
		*list_out = json_array();
	else if (!status)
		status = measure(&quiet, parsed, &b, &a, policy, &doc);
	if (!status && doc) {
		*list_out = bench_objectives(policy, doc);
		if (bench_count(*list_out, "state", "reached") != json_array_size(*list_out))
			status = CLI_DIFFERS;
	}
	json_decref(doc);
	json_decref(policy);
	return status;
}
