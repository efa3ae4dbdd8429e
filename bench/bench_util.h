/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmarks share: figures as a table and as JSON, percentiles, a private run directory,
 * daemons started and stopped by process number.
 */
#ifndef BENCH_BENCH_UTIL_H
#define BENCH_BENCH_UTIL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/rundir.h"

/* First in every benchmark's option table. */
#define BENCH_OPTIONS                                                                              \
	{ 0, "json", "FILE", "also write the figures to FILE" },                                   \
	{                                                                                          \
		0, "quick", NULL, "fewer repetitions: a smoke run, not a measurement"              \
	}

struct bench {
	const char *name;
	const char *json_path; /* NULL: none */
	bool quick;
	json_t *figures;
	unsigned int nr_missed; /* goals */
};

/* As cli_parse(): -1 go on, else the exit status. */
int bench_begin(struct bench *b, const struct cli_program *program, int argc, char **argv,
		struct cli_parsed *parsed);
/* @key: kebab-case, for programs; @text: for people; printed at once. */
void bench_figure(struct bench *b, const char *key, const char *text, double value,
		  const char *unit);
/* With a goal: at most / at least @goal. */
void bench_figure_max(struct bench *b, const char *key, const char *text, double value,
		      const char *unit, double goal);
void bench_figure_min(struct bench *b, const char *key, const char *text, double value,
		      const char *unit, double goal);
/* Write the JSON file. Return: exit status, CLI_DIFFERS when a goal was missed. */
int bench_end(struct bench *b);

/* Sorts @samples; @p in 0..100. 0 when there are none. */
double bench_percentile(double *samples, size_t nr, double p);

/* A new private directory below /tmp; exits on failure. */
void bench_rundir(char path[RUNDIR_MAX]);
/* Remove it with what daemons leave there (two levels). */
void bench_rundir_remove(const char *path);
/* Path of a program of the same build. */
void bench_bin(char path[PATH_MAX], const char *name);
/* Start argv[0]; it dies with us. -errno. */
pid_t bench_spawn(char *const argv[]);
/* Wait until something answers at the socket @path or @pid has ended. 0; -ETIMEDOUT; -ECHILD. */
int bench_wait_socket(const char *path, pid_t pid, int timeout_ms);
/* SIGTERM, then SIGKILL; waits. */
void bench_stop(pid_t pid);
/* User and system time of a process so far, in seconds; -1 when it is gone. */
double bench_cpu_seconds(pid_t pid);
/* The same, exact, in milliseconds, of its first thread; 0 when it is gone. */
double bench_cpu_ms(pid_t pid);

#endif
