/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vifrost bench: what this host's networks carry, and whether that is what it should be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/rundir.h"
#include "base/unixsock.h"
#include "policy/bench/bench.h"
#include "policy/bench/load.h"
#include "policy/cli.h"
#include "policy/units.h"

#define DURATION_DEFAULT_US 2000000u
#define VERIFY_MS	    1000
#define DURATION_MIN_MS	    50
#define DURATION_MAX_MS	    60000
#define WINDOWS_DEFAULT	    3
#define WINDOW_EXTRA_MS	    400	 /* starting and ending it */
#define THRESHOLD_DEFAULT   10	 /* percent */
#define PATH_EXTRA_MS	    1500 /* until both ends are there */
#define LIFE_EXTRA_S	    120
#define MAX_ROWS	    16
#define PLOT_PROGRAM	    "vifrost-plot"

static const struct bench_row all_rows[] = {
	{ BENCH_STREAM, false, 0 },	{ BENCH_STREAM, false, 1500 },
	{ BENCH_STREAM, false, 512 },	{ BENCH_STREAM, false, 64 },
	{ BENCH_PACKETS, true, 64 },	{ BENCH_PACKETS, true, 512 },
	{ BENCH_PACKETS, true, 1500 },	{ BENCH_PACKETS, true, 0 },
	{ BENCH_ROUND_TRIP, true, 64 }, { BENCH_ROUND_TRIP, true, 1500 },
};

struct plan {
	struct bench_path paths[BENCH_MAX_PATHS];
	struct bench_row rows[BENCH_MAX_PATHS][MAX_ROWS];
	size_t nr_rows[BENCH_MAX_PATHS], nr_paths;
};

struct asked {
	const char *from, *to, *network, *protocol, *output, *plot, *compare, *read;
	uint32_t sizes[8], threshold;
	size_t nr_sizes;
	bool check;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int usage(const struct cli_output *o, const char *hint, const char *option, const char *text)
{
	return cli_fail(o, CLI_USAGE, "usage", hint, "--%s %s cannot be used", option, text);
}

/* ---- what was typed ---- */

static int take_sizes(const struct cli_output *o, const char *list, struct asked *a)
{
	char item[16];

	while (list && *list) {
		size_t len = strcspn(list, ",");
		uint32_t *size = &a->sizes[a->nr_sizes];

		snprintf(item, sizeof(item), "%.*s", (int)(len < 15 ? len : 15), list);
		if (a->nr_sizes == sizeof(a->sizes) / sizeof(a->sizes[0]) ||
		    (strcmp(item, "gso") != 0 &&
		     (parse_u32(item, 9000, size) || *size < LOAD_MIN_SIZE)))
			return usage(o, "up to 8, from 64 to 9000 or gso, as in 64,1500,gso",
				     "size", list);
		if (!strcmp(item, "gso"))
			*size = 0;
		a->nr_sizes++;
		list += len + (list[len] == ',');
	}
	return CLI_OK;
}

static int take_number(const struct cli_output *o, const struct cli_parsed *parsed,
		       const char *name, uint32_t min, uint32_t max, uint32_t *value)
{
	const char *text = cli_value(parsed, name);
	char hint[64];

	if (!text)
		return CLI_OK;
	snprintf(hint, sizeof(hint), "a number from %u to %u", min, max);
	if (parse_u32(text, max, value) || *value < min)
		return usage(o, hint, name, text);
	return CLI_OK;
}

static int take_numbers(const struct cli_output *o, const struct cli_parsed *parsed,
			struct bench *b, struct asked *a)
{
	const char *duration = cli_value(parsed, "duration");
	uint64_t us = DURATION_DEFAULT_US;
	int status;

	b->windows = WINDOWS_DEFAULT;
	b->port = BENCH_PORT;
	a->threshold = THRESHOLD_DEFAULT;
	if (duration && (unit_parse(UNIT_DURATION, duration, &us) || us / 1000 < DURATION_MIN_MS ||
			 us / 1000 > DURATION_MAX_MS))
		return usage(o, "from 50ms to 60s", "duration", duration);
	b->duration_ms = (uint32_t)(us / 1000);
	status = take_number(o, parsed, "windows", 1, BENCH_MAX_WINDOWS, &b->windows);
	if (!status)
		status = take_number(o, parsed, "port", 1, 65535, &b->port);
	if (!status)
		status = take_number(o, parsed, "threshold", 0, 1000, &a->threshold);
	return status ? status : take_sizes(o, cli_value(parsed, "size"), a);
}

static int take_options(const struct cli_output *o, const struct cli_parsed *parsed,
			struct bench *b, struct asked *a)
{
	int status;

	*a = (struct asked){ .from = cli_value(parsed, "from"),
			     .to = cli_value(parsed, "to"),
			     .network = cli_value(parsed, "network"),
			     .protocol = cli_value(parsed, "protocol"),
			     .output = cli_value(parsed, "output"),
			     .plot = cli_value(parsed, "plot"),
			     .compare = cli_value(parsed, "compare"),
			     .read = cli_value(parsed, "read"),
			     .check = cli_value(parsed, "check") };
	status = take_numbers(o, parsed, b, a);
	if (status)
		return status;
	if (a->protocol && strcmp(a->protocol, "tcp") != 0 && strcmp(a->protocol, "udp") != 0)
		return usage(o, "tcp or udp", "protocol", a->protocol);
	if (a->from && a->to && strcmp(a->from, BENCH_GUEST) != 0 && !strcmp(a->from, a->to))
		return cli_fail(o, CLI_USAGE, "usage",
				"two guests, a guest and host, a guest and an address",
				"--from and --to are the same");
	if (a->check && (a->from || a->to || a->network || a->nr_sizes || a->protocol))
		return cli_fail(o, CLI_USAGE, "usage",
				"leave --from, --to, --network, --size and --protocol out",
				"--check measures what the policy's objectives name");
	if (a->plot && !(strlen(a->plot) > 4 && (!strcmp(a->plot + strlen(a->plot) - 4, ".svg") ||
						 !strcmp(a->plot + strlen(a->plot) - 4, ".png"))))
		return usage(o, "a name that ends in .svg or .png", "plot", a->plot);
	return CLI_OK;
}

/* ---- what is to be measured ---- */

static bool is_wanted(const struct asked *a, const struct bench_row *row)
{
	if (a->protocol && strcmp(a->protocol, row->udp ? "udp" : "tcp") != 0)
		return false;
	for (size_t i = 0; i < a->nr_sizes; i++)
		if (a->sizes[i] == row->size)
			return true;
	return !a->nr_sizes;
}

/* Sizes of the operator's own that no row of ours has. */
static size_t choose_rows(const struct asked *a, struct bench_row *rows)
{
	static const struct bench_row kinds[] = { { BENCH_STREAM, false, 0 },
						  { BENCH_PACKETS, true, 0 },
						  { BENCH_ROUND_TRIP, true, 0 } };
	size_t nr = 0;

	if (!a->nr_sizes) {
		for (size_t i = 0; i < sizeof(all_rows) / sizeof(all_rows[0]); i++)
			if (is_wanted(a, &all_rows[i]))
				rows[nr++] = all_rows[i];
		return nr;
	}
	for (size_t i = 0; i < a->nr_sizes; i++)
		for (size_t k = 0; k < 3 && nr < MAX_ROWS; k++) {
			struct bench_row row = kinds[k];

			row.size = a->sizes[i];
			/* One packet at a time is nothing to segment. */
			if (is_wanted(a, &row) && (row.size || row.test != BENCH_ROUND_TRIP))
				rows[nr++] = row;
		}
	return nr;
}

static void add_path(struct plan *p, const struct asked *a, const char *network, const char *from,
		     const char *to)
{
	struct bench_path *path = &p->paths[p->nr_paths];

	if (p->nr_paths == BENCH_MAX_PATHS)
		return;
	snprintf(path->network, sizeof(path->network), "%s", network);
	path->from = from && strcmp(from, BENCH_GUEST) != 0 ? from : NULL;
	path->to = to && strcmp(to, BENCH_GUEST) != 0 ? to : NULL;
	p->nr_rows[p->nr_paths] = choose_rows(a, p->rows[p->nr_paths]);
	p->nr_paths++;
}

/* Is @name a network, when the operator gives one as an end: a guest of ours there. */
static const json_t *find_network(const struct bench *b, const char *name)
{
	const json_t *network;
	size_t i;

	json_array_foreach (json_object_get(b->status, "networks"), i, network)
		if (name && !strcmp(text_of(network, "name"), name))
			return network;
	return NULL;
}

/* All networks, or one; guest to guest and guest to host unless one end is named. */
static int plan_paths(const struct cli_output *o, struct bench *b, struct asked *a, struct plan *p)
{
	const json_t *network, *networks = json_object_get(b->status, "networks");
	bool open = !a->from && !a->to;
	size_t i;

	if (!a->network && find_network(b, a->from)) {
		a->network = a->from;
		a->from = NULL;
	}
	if (a->network && !find_network(b, a->network))
		return cli_fail(o, CLI_DATA, "not-found", "`vifrost status` shows all",
				"the policy in force has no network \"%s\"", a->network);
	if (a->from && a->to && !a->network) {
		add_path(p, a, "", a->from, a->to);
		return CLI_OK;
	}
	json_array_foreach (networks, i, network) {
		const char *name = text_of(network, "name");

		if (a->network && strcmp(a->network, name) != 0)
			continue;
		if (!open) {
			add_path(p, a, name, a->from, a->to);
			continue;
		}
		add_path(p, a, name, NULL, NULL);
		add_path(p, a, name, NULL, BENCH_HOST);
		add_path(p, a, name, BENCH_HOST, NULL);
	}
	if (p->nr_paths)
		return CLI_OK;
	return cli_fail(o, CLI_DATA, "not-found", "`vifrost apply FILE` makes some",
			"there is no network to measure");
}

/* The objectives' ends, each pair once, with the rows that they speak of. */
static int plan_objectives(const struct cli_output *o, const json_t *policy, struct plan *p)
{
	static const struct {
		const char *key;
		struct bench_row row;
	} kinds[] = {
		{ "min-throughput", { BENCH_STREAM, false, 0 } },
		{ "min-packets", { BENCH_PACKETS, true, 64 } },
		{ "max-rtt-p99", { BENCH_ROUND_TRIP, true, 64 } },
	};
	const json_t *objective;
	size_t i;

	json_array_foreach (json_object_get(policy, "objectives"), i, objective) {
		const char *from = text_of(objective, "from"), *to = text_of(objective, "to");
		size_t at = 0;

		while (at < p->nr_paths &&
		       (strcmp(p->paths[at].from, from) != 0 || strcmp(p->paths[at].to, to) != 0))
			at++;
		if (at == BENCH_MAX_PATHS)
			break;
		if (at == p->nr_paths)
			p->paths[p->nr_paths++] = (struct bench_path){ .from = from, .to = to };
		for (size_t k = 0; k < 3; k++) {
			bool has = !*text_of(objective, kinds[k].key);

			for (size_t n = 0; n < p->nr_rows[at]; n++)
				has |= p->rows[at][n].test == kinds[k].row.test;
			if (!has)
				p->rows[at][p->nr_rows[at]++] = kinds[k].row;
		}
	}
	if (p->nr_paths)
		return CLI_OK;
	return cli_fail(o, CLI_DATA, "not-found", "see \"objectives\" in vifrost-policy(5)",
			"the policy in force has no objectives");
}

/* ---- measuring ---- */

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

static int run_plan(const struct cli_output *o, struct bench *b, struct plan *p, json_t **doc_out)
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

/* ---- what comes of it ---- */

static int write_file(const struct cli_output *o, const char *path, const json_t *doc)
{
	if (!json_dump_file(doc, path, JSON_INDENT(2) | JSON_ENSURE_ASCII))
		return CLI_OK;
	return cli_fail(o, CLI_DATA, "file", NULL, "cannot write %s: %s", path, strerror(errno));
}

static int read_document(const struct cli_output *o, const char *path, json_t **doc_out)
{
	char why[BENCH_WHY];
	json_error_t error;
	json_t *doc = json_load_file(path, 0, &error);

	*doc_out = NULL;
	if (!doc)
		return cli_fail(o, CLI_DATA, "file", "it takes what `vifrost bench --output` wrote",
				"cannot read %s: %s", path, error.text);
	if (bench_document_check(doc, why)) {
		json_decref(doc);
		return cli_fail(o, CLI_DATA, "file", "it takes what `vifrost bench --output` wrote",
				"%s is no result of a benchmark: %s", path, why);
	}
	*doc_out = doc;
	return CLI_OK;
}

/* The one of this build, if it stands beside us. */
static void find_plot(char program[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", program, PATH_MAX - sizeof(PLOT_PROGRAM));

	program[len > 0 ? len : 0] = 0;
	if (strrchr(program, '/'))
		strcpy(strrchr(program, '/') + 1, PLOT_PROGRAM);
	if (access(program, X_OK) < 0)
		strcpy(program, PLOT_PROGRAM);
}

/* What it has to say goes where its results would. */
static int run_plot(const void *argv)
{
	const char *const *words = argv;

	dup2(1, 2);
	execvp(words[0], (char *const *)(uintptr_t)words);
	return CLI_UNAVAILABLE;
}

static int plot(const struct cli_output *o, const char *path, const json_t *doc)
{
	char name[] = "/tmp/vifrost-bench.XXXXXX", program[PATH_MAX], *said = NULL;
	const char *argv[] = { program, "--results", name, "--plot", path, NULL };
	struct bench_child c;
	int status, fd = mkstemp(name);

	if (fd < 0)
		return cli_fail(o, CLI_DATA, "file", NULL, "cannot write %s: %s", name,
				strerror(errno));
	status = json_dumpfd(doc, fd, JSON_ENSURE_ASCII);
	close(fd);
	find_plot(program);
	if (!status)
		status = bench_child_start(&c, 0, NULL, run_plot, argv);
	if (!status)
		status = bench_child_wait(&c, 30000, &said);
	unlink(name);
	if (status && said)
		said[strcspn(said, "\n")] = 0;
	if (status)
		cli_fail(o, CLI_DATA, "plot",
			 said ? NULL : "vifrost-plot belongs to vifrost, and needs libcairo2", "%s",
			 said ? said : "cannot run vifrost-plot");
	free(said);
	return status ? CLI_DATA : CLI_OK;
}

/* Adds the verdicts to @doc. Return: CLI_OK or CLI_DIFFERS, else all was said. */
static int judge(const struct cli_output *o, const struct asked *a, const json_t *policy,
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
		int rc = read_document(o, a->compare, &before);

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
static int finish(const struct cli_output *o, const struct asked *a, const json_t *policy,
		  json_t *doc)
{
	bool failed = json_array_size(json_object_get(doc, "failed"));
	int status = judge(o, a, policy, doc), rc = CLI_OK;

	if (status != CLI_OK && status != CLI_DIFFERS) {
		json_decref(doc);
		return status;
	}
	if (a->output)
		rc = write_file(o, a->output, doc);
	if (!rc && a->plot)
		rc = plot(o, a->plot, doc);
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
		   struct asked *a, const json_t *policy, json_t **doc_out)
{
	struct plan *p = calloc(1, sizeof(*p));
	int lock, status = p ? prepare(o, parsed, b) : CLI_BUG;
	pid_t holder = 0;

	if (!status)
		status = a->check ? plan_objectives(o, policy, p) : plan_paths(o, b, a, p);
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
	struct asked a;
	int status = take_options(&o, parsed, &b, &a);

	(void)cmd;
	if (status)
		return status;
	if (rundir_resolve(cli_value(parsed, "run-dir"), rundir))
		return cli_fail(&o, CLI_USAGE, "usage", "give a short absolute path",
				"the run directory cannot be used");
	/* Before minutes are spent on the rest. */
	if (a.compare) {
		status = read_document(&o, a.compare, &doc);
		json_decref(doc);
		doc = NULL;
	}
	if (!status && a.check)
		status = cli_call(&o, parsed, "show", NULL, &policy);
	if (!status)
		status = a.read ? read_document(&o, a.read, &doc)
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
			   .windows = WINDOWS_DEFAULT,
			   .port = BENCH_PORT };
	struct asked a = { .check = true };
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
