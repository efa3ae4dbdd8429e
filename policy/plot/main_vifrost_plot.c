/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/cli.h"
#include "policy/bench/bench.h"
#include "policy/plot/plot.h"

static const struct cli_option options[] = {
	{ 0, "results", "FILE", "what vifrost bench --output wrote" },
	{ 0, "plot", "FILE", "the picture: FILE.svg or FILE.png" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-plot",
	.help = "Draws results of vifrost bench, which runs it for its --plot.",
	.options = options,
};

static int run(const char *from, const char *to)
{
	char why[BENCH_WHY];
	json_error_t error;
	json_t *doc = json_load_file(from, 0, &error);
	int rc;

	if (!doc) {
		fprintf(stderr, "vifrost-plot: cannot read %s: %s\n", from, error.text);
		return CLI_DATA;
	}
	rc = bench_document_check(doc, why);
	if (!rc)
		rc = plot_write(doc, to, why);
	json_decref(doc);
	if (!rc)
		return CLI_OK;
	fprintf(stderr, "vifrost-plot: cannot draw %s: %s\n", to, why);
	return CLI_DATA;
}

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	int status = cli_parse(&program, argc, argv, &parsed);

	if (status >= 0)
		return status;
	if (!cli_value(&parsed, "results") || !cli_value(&parsed, "plot")) {
		fputs("vifrost-plot: --results and --plot are needed\n", stderr);
		return CLI_USAGE;
	}
	return run(cli_value(&parsed, "results"), cli_value(&parsed, "plot"));
}
