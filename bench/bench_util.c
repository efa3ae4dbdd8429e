/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/bench_util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unixsock.h"

#define STOP_MS 5000

int bench_begin(struct bench *b, const struct cli_program *program, int argc, char **argv,
		struct cli_parsed *parsed)
{
	int rc = cli_parse(program, argc, argv, parsed);

	if (rc >= 0)
		return rc;
	*b = (struct bench){ .name = program->name, .json_path = cli_value(parsed, "json") };
	b->quick = cli_count(parsed, "quick") > 0;
	b->figures = json_array();
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%-52s %14s %-8s %s\n", "figure", "value", "unit", "goal");
	return -1;
}

static void figure(struct bench *b, const char *key, const char *text, double value,
		   const char *unit, const char *sign, double goal)
{
	bool met = !sign || (*sign == '<' ? value <= goal : value >= goal);
	json_t *f = json_pack("{s:s, s:s, s:f, s:s}", "key", key, "text", text, "value", value,
			      "unit", unit);

	printf("%-52s %14.*f %-8s", text, value < 100 ? 3 : 0, value, unit);
	if (sign) {
		printf(" %s= %g%s", sign, goal, met ? "" : "  MISSED");
		json_object_set_new(f, "goal", json_real(goal));
		json_object_set_new(f, "met", json_boolean(met));
	}
	putchar('\n');
	b->nr_missed += !met;
	json_array_append_new(b->figures, f);
}

void bench_figure(struct bench *b, const char *key, const char *text, double value,
		  const char *unit)
{
	figure(b, key, text, value, unit, NULL, 0);
}

void bench_figure_max(struct bench *b, const char *key, const char *text, double value,
		      const char *unit, double goal)
{
	figure(b, key, text, value, unit, "<", goal);
}

void bench_figure_min(struct bench *b, const char *key, const char *text, double value,
		      const char *unit, double goal)
{
	figure(b, key, text, value, unit, ">", goal);
}

int bench_end(struct bench *b)
{
	struct utsname uts;
	json_t *doc;
	int rc = b->nr_missed ? CLI_DIFFERS : CLI_OK;

	uname(&uts);
	doc = json_pack("{s:s, s:s, s:i, s:b, s:o}", "bench", b->name, "kernel", uts.release,
			"cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "quick", b->quick, "figures",
			b->figures);
	if (b->json_path && json_dump_file(doc, b->json_path, JSON_INDENT(2)) < 0) {
		fprintf(stderr, "%s: %s: cannot be written\n", b->name, b->json_path);
		rc = CLI_UNAVAILABLE;
	}
	json_decref(doc);
	b->figures = NULL;
	return rc;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_percentile(double *samples, size_t nr, double p)
{
	size_t at;

	if (!nr)
		return 0;
	qsort(samples, nr, sizeof(*samples), compare);
	at = (size_t)(p / 100 * (double)nr);
	return samples[at < nr ? at : nr - 1];
}

void bench_rundir(char path[RUNDIR_MAX])
{
	snprintf(path, RUNDIR_MAX, "/tmp/vf-bench.XXXXXX");
	if (!mkdtemp(path)) {
		perror(path);
		exit(CLI_UNAVAILABLE);
	}
}

static void remove_entries(const char *path, bool deeper)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[PATH_MAX];

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name))
			continue;
		if (unlink(name) == 0 || !deeper)
			continue;
		remove_entries(name, false);
		rmdir(name);
	}
	closedir(dir);
}

void bench_rundir_remove(const char *path)
{
	remove_entries(path, true);
	rmdir(path);
}

void bench_bin(char path[PATH_MAX], const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash ? slash + 1 : path, (size_t)(PATH_MAX - (slash ? slash + 1 - path : 0)),
		 "%s", name);
}

pid_t bench_spawn(char *const argv[])
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		execv(argv[0], argv);
	_exit(127);
}

int bench_wait_socket(const char *path, pid_t pid, int timeout_ms)
{
	uint64_t end = clock_ms() + (uint64_t)timeout_ms;

	while (clock_ms() < end) {
		int fd = unixsock_connect(path, SOCK_STREAM);

		if (fd >= 0) {
			close(fd);
			return 0;
		}
		/* EPROTOTYPE: it listens, for packets. */
		if (fd == -EPROTOTYPE)
			return 0;
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return -ECHILD;
		usleep(2000);
	}
	return -ETIMEDOUT;
}

void bench_stop(pid_t pid)
{
	uint64_t end = clock_ms() + STOP_MS;

	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	while (clock_ms() < end) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		usleep(2000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

double bench_cpu_seconds(pid_t pid)
{
	char path[64], text[1024], *at;
	unsigned long user, system;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* The name may hold anything, parentheses too: the fields begin behind the last one. */
	at = strrchr(text, ')');
	if (!at || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			  &system) != 2)
		return -1;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double bench_cpu_ms(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	fclose(f);
	return (double)ns / 1e6;
}
