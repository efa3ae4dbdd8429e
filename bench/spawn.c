/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench-spawn PROGRAM ARG...: microseconds from fork to exit, as a small parent sees them. */
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

int main(int argc, char **argv)
{
	uint64_t begin = clock_ns();
	int status = 0, rc;
	pid_t pid;

	if (argc < 2)
		return 64;
	rc = posix_spawn(&pid, argv[1], NULL, NULL, argv + 1, environ);
	if (rc) {
		fprintf(stderr, "bench-spawn: %s: %s\n", argv[1], strerror(rc));
		return 69;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 69;
	printf("%.1f\n", (double)(clock_ns() - begin) / 1e3);
	return WEXITSTATUS(status);
}
