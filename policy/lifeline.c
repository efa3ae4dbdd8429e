/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/lifeline.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "policy/journal.h"

#define ARM_TIMEOUT_MS	5000
#define STOP_TIMEOUT_MS 1000
#define TOLD_NAME	"last-try.json"

uint64_t boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* Beside our own program: a version of its own is not of use to us. */
static void program_path(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(LIFELINE_NAME) - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, LIFELINE_NAME);
}

static int await_armed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;
	int n = poll(&p, 1, ARM_TIMEOUT_MS);

	if (n < 0)
		return -errno;
	if (!n)
		return -ETIMEDOUT;
	return read(fd, &byte, 1) == 1 ? 0 : -EPIPE;
}

int lifeline_start(const char *rundir, const char *id, uint64_t until_ms, pid_t *pid_out)
{
	char program[PATH_MAX], until[24];
	const char *argv[] = { program, "--run-dir", rundir, "--id", id, "--until", until, NULL };
	int fds[2] = { -1, -1 };
	struct child_spec spec = { .rundir = rundir, .name = LIFELINE_NAME, .argv = argv };
	int rc;

	lifeline_stop(rundir);
	program_path(program);
	snprintf(until, sizeof(until), "%llu", (unsigned long long)until_ms);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	spec.stdin_fd = fds[1];
	rc = child_start(&spec, pid_out);
	close(fds[1]);
	if (!rc) {
		rc = await_armed(fds[0]);
		if (rc)
			lifeline_stop(rundir);
	}
	close(fds[0]);
	return rc;
}

void lifeline_stop(const char *rundir)
{
	child_stop(rundir, LIFELINE_NAME, STOP_TIMEOUT_MS);
}

bool lifeline_runs(const char *rundir, pid_t *pid_out)
{
	return child_find(rundir, LIFELINE_NAME, pid_out) == 0;
}

uint64_t lifeline_until(const json_t *meta, const json_t *notes)
{
	json_int_t until = json_integer_value(json_object_get(meta, "until-ms"));

	for (size_t i = 0; i < json_array_size(notes); i++) {
		const json_t *later = json_object_get(json_array_get(notes, i), "until-ms");

		if (json_is_integer(later))
			until = json_integer_value(later);
	}
	return until > 0 ? (uint64_t)until : 0;
}

void lifeline_tell(const char *state_dir, const char *id, const char *outcome, const char *why)
{
	json_t *told = json_pack("{ss ss ss* sI}", "id", id, "outcome", outcome, "why",
				 why && why[0] ? why : NULL, "when", (json_int_t)time(NULL));

	if (told)
		file_replace(state_dir, TOLD_NAME, told);
	json_decref(told);
}

json_t *lifeline_told(const char *state_dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.4000s/" TOLD_NAME, state_dir);
	return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}
