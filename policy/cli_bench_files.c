/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of vifrost bench: its document, and the plot that another program draws of it. */
#include "policy/cli_bench.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLOT_PROGRAM "vifrost-plot"

/* As far as that can be told without writing: what was there stays until there is something better. */
static int check_file(const struct cli_output *o, const char *option, const char *path)
{
	char folder[PATH_MAX];
	struct stat st;
	int rc;

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		rc = ENAMETOOLONG;
	else if (!stat(path, &st) && S_ISDIR(st.st_mode))
		rc = EISDIR;
	else if (!access(path, F_OK))
		rc = access(path, W_OK) ? errno : 0;
	else
		rc = access(dirname(folder), W_OK | X_OK) ? errno : 0;
	if (!rc)
		return CLI_OK;
	return cli_fail(o, CLI_DATA, "file", "name a file in a folder that is there and writable",
			"--%s: cannot write %s: %s", option, path, strerror(rc));
}

int bench_check_files(const struct cli_output *o, const struct bench_asked *a)
{
	int status = a->output ? check_file(o, "output", a->output) : CLI_OK;

	return status || !a->plot ? status : check_file(o, "plot", a->plot);
}

int bench_write_file(const struct cli_output *o, const char *path, const json_t *doc)
{
	if (!json_dump_file(doc, path, JSON_INDENT(2) | JSON_ENSURE_ASCII))
		return CLI_OK;
	return cli_fail(o, CLI_DATA, "file", NULL, "cannot write %s: %s", path, strerror(errno));
}

int bench_read_document(const struct cli_output *o, const char *path, json_t **doc_out)
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

int bench_plot(const struct cli_output *o, const char *path, const json_t *doc)
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
