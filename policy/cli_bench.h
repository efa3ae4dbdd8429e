/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of vifrost bench, the command, share. */
#ifndef POLICY_CLI_BENCH_H
#define POLICY_CLI_BENCH_H

#include "policy/bench/bench.h"
#include "policy/cli.h"

#define BENCH_MAX_ROWS	      16
#define BENCH_WINDOWS_DEFAULT 3

struct bench_plan {
	struct bench_path paths[BENCH_MAX_PATHS];
	struct bench_row rows[BENCH_MAX_PATHS][BENCH_MAX_ROWS];
	size_t nr_rows[BENCH_MAX_PATHS], nr_paths;
};

struct bench_asked {
	const char *from, *to, *network, *protocol, *output, *plot, *compare, *read;
	uint32_t sizes[8], threshold;
	size_t nr_sizes;
	bool check;
};

/* cli_bench_ask.c: each returns CLI_OK, or another status when all was said. */
int bench_take_options(const struct cli_output *o, const struct cli_parsed *parsed, struct bench *b,
		       struct bench_asked *a);
/* All networks, or one; guest to guest and guest to host unless one end is named. */
int bench_plan_paths(const struct cli_output *o, struct bench *b, struct bench_asked *a,
		     struct bench_plan *p);
/* The objectives' ends, each pair once, with the rows that they speak of. */
int bench_plan_objectives(const struct cli_output *o, const json_t *policy, struct bench_plan *p);

/* cli_bench_files.c: likewise. The first: that both can be written, before minutes are spent on what is to be in them. */
int bench_check_files(const struct cli_output *o, const struct bench_asked *a);
int bench_read_document(const struct cli_output *o, const char *path, json_t **doc_out);
int bench_write_file(const struct cli_output *o, const char *path, const json_t *doc);
int bench_plot(const struct cli_output *o, const char *path, const json_t *doc);

#endif
