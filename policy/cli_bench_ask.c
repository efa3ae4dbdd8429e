/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was asked of vifrost bench, and the paths and rows that this means. */
#include "policy/cli_bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "policy/bench/load.h"
#include "policy/units.h"

#define DURATION_DEFAULT_US 2000000u
#define DURATION_MIN_MS	    50
#define DURATION_MAX_MS	    60000
#define THRESHOLD_DEFAULT   10 /* percent */

static const struct bench_row all_rows[] = {
	{ BENCH_STREAM, false, 0 },	{ BENCH_STREAM, false, 1500 },
	{ BENCH_STREAM, false, 512 },	{ BENCH_STREAM, false, 64 },
	{ BENCH_PACKETS, true, 64 },	{ BENCH_PACKETS, true, 512 },
	{ BENCH_PACKETS, true, 1500 },	{ BENCH_PACKETS, true, 0 },
	{ BENCH_ROUND_TRIP, true, 64 }, { BENCH_ROUND_TRIP, true, 1500 },
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

static int take_sizes(const struct cli_output *o, const char *list, struct bench_asked *a)
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
			struct bench *b, struct bench_asked *a)
{
	const char *duration = cli_value(parsed, "duration");
	uint64_t us = DURATION_DEFAULT_US;
	int status;

	b->windows = BENCH_WINDOWS_DEFAULT;
	b->port = BENCH_PORT;
	a->threshold = THRESHOLD_DEFAULT;
	if (duration && (unit_parse(UNIT_DURATION, duration, &us) || us / 1000 < DURATION_MIN_MS ||
			 us / 1000 > DURATION_MAX_MS))
		return usage(o, "from 50ms to 60s, with its unit", "duration", duration);
	b->duration_ms = (uint32_t)(us / 1000);
	status = take_number(o, parsed, "windows", 1, BENCH_MAX_WINDOWS, &b->windows);
	if (!status)
		status = take_number(o, parsed, "port", 1, 65535, &b->port);
	if (!status)
		status = take_number(o, parsed, "threshold", 0, 1000, &a->threshold);
	return status ? status : take_sizes(o, cli_value(parsed, "size"), a);
}

int bench_take_options(const struct cli_output *o, const struct cli_parsed *parsed, struct bench *b,
		       struct bench_asked *a)
{
	int status;

	*a = (struct bench_asked){ .from = cli_value(parsed, "from"),
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
	if (cli_value(parsed, "threshold") && !a->compare)
		return cli_fail(
			o, CLI_USAGE, "usage", "add --compare FILE",
			"--threshold says what counts as a change, and nothing is compared");
	if (a->plot && !(strlen(a->plot) > 4 && (!strcmp(a->plot + strlen(a->plot) - 4, ".svg") ||
						 !strcmp(a->plot + strlen(a->plot) - 4, ".png"))))
		return usage(o, "a name that ends in .svg or .png", "plot", a->plot);
	return CLI_OK;
}

static bool is_wanted(const struct bench_asked *a, const struct bench_row *row)
{
	if (a->protocol && strcmp(a->protocol, row->udp ? "udp" : "tcp") != 0)
		return false;
	for (size_t i = 0; i < a->nr_sizes; i++)
		if (a->sizes[i] == row->size)
			return true;
	return !a->nr_sizes;
}

/* Sizes of the operator's own that no row of ours has. */
static size_t choose_rows(const struct bench_asked *a, struct bench_row *rows)
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
		for (size_t k = 0; k < 3 && nr < BENCH_MAX_ROWS; k++) {
			struct bench_row row = kinds[k];

			row.size = a->sizes[i];
			/* One packet at a time is nothing to segment. */
			if (is_wanted(a, &row) && (row.size || row.test != BENCH_ROUND_TRIP))
				rows[nr++] = row;
		}
	return nr;
}

static void add_path(struct bench_plan *p, const struct bench_asked *a, const char *network,
		     const char *from, const char *to)
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
int bench_plan_paths(const struct cli_output *o, struct bench *b, struct bench_asked *a,
		     struct bench_plan *p)
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
int bench_plan_objectives(const struct cli_output *o, const json_t *policy, struct bench_plan *p)
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
