/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a measurement was disturbed: on a machine where others run, a thread that wants a processor and
 * waits for it shows in /proc/PID/task/TID/schedstat only, not as stolen time.
 */
#include "bench/load/load.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"

#define DATA_PLANE 0.05 /* of the time that a thread must have run or waited to be looked at */

static bool read_thread(struct load_thread *t)
{
	char path[64];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", t->pid, t->tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fscanf(f, "%" SCNu64 " %" SCNu64, &t->run_ns, &t->wait_ns);
	fclose(f);
	return n == 2;
}

static void add_threads(struct load_watch *w, pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while (w->nr < LOAD_THREADS_MAX && (e = readdir(dir))) {
		struct load_thread t = { .pid = pid };
		uint32_t tid;

		if (parse_u32(e->d_name, INT32_MAX, &tid))
			continue;
		t.tid = (pid_t)tid;
		if (read_thread(&t))
			w->threads[w->nr++] = t;
	}
	closedir(dir);
}

/* Of processor @n, as /proc/stat has it. */
static uint64_t idle_ticks(uint64_t n)
{
	uint64_t user, nice, system, idle = 0, iowait = 0;
	char line[256], name[32];
	FILE *f = fopen("/proc/stat", "re");

	if (!f)
		return 0;
	snprintf(name, sizeof(name), "cpu%" PRIu64 " ", n);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name),
			   "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &user, &nice,
			   &system, &idle, &iowait) == 5)
			break;
	}
	fclose(f);
	return idle + iowait;
}

void load_watch_begin(struct load_watch *w, const struct load_spec *spec)
{
	memset(w, 0, sizeof(*w));
	w->spec = spec;
	for (unsigned int i = 0; i < spec->nr_watch; i++)
		add_threads(w, spec->watch[i]);
	add_threads(w, getpid());
	if (spec->processor)
		w->idle_ticks = idle_ticks(spec->processor - 1);
	w->begin_ns = clock_ns();
}

void load_watch_end(struct load_watch *w)
{
	uint64_t ns = clock_ns() - w->begin_ns;

	w->seconds = (double)ns / 1e9;
	if (w->spec->processor) {
		uint64_t idle = idle_ticks(w->spec->processor - 1) - w->idle_ticks;

		w->processor = 1 - (double)idle / (double)sysconf(_SC_CLK_TCK) / w->seconds;
		w->processor = w->processor < 0 ? 0 : w->processor;
	}
	for (unsigned int i = 0; i < w->nr; i++) {
		struct load_thread now = w->threads[i];
		double run, wait;

		if (!read_thread(&now))
			continue;
		run = (double)(now.run_ns - w->threads[i].run_ns) / (double)ns;
		wait = (double)(now.wait_ns - w->threads[i].wait_ns) / (double)ns;
		if (run + wait < DATA_PLANE)
			continue;
		if (wait > w->wait)
			w->wait = wait;
		if (now.pid == getpid())
			w->own_run_s += run * w->seconds;
		else
			w->run_s += run * w->seconds;
	}
}
