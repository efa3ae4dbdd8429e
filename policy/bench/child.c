/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "policy/bench/bench.h"

#define TICK_MS	   20
#define OUTPUT_MAX (1u << 20)

static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	interrupted = signo;
}

void bench_catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool bench_interrupted(void)
{
	return interrupted;
}

int bench_sleep(unsigned int ms)
{
	if (!interrupted)
		poll(NULL, 0, (int)ms);
	return interrupted ? -EINTR : 0;
}

static int enter(pid_t netns)
{
	char path[64];
	int fd, rc;

	if (!netns)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static void run(pid_t parent, pid_t netns, const char *const *argv, int (*fn)(const void *arg),
		const void *arg, int out)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0)
		_exit(127);
	/* Ctrl-C goes to the whole group of processes; we decide when which of them ends. */
	setpgid(0, 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	if (enter(netns) || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	if (!argv) {
		status = fn(arg);
		fflush(stdout);
		_exit(status);
	}
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(errno == ENOENT ? 126 : 127);
}

int bench_child_start(struct bench_child *c, pid_t netns, const char *const *argv,
		      int (*fn)(const void *arg), const void *arg)
{
	pid_t parent = getpid();
	int ends[2], rc;

	*c = (struct bench_child){ .fd = -1 };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	/* What stands in our buffers is not the child's to print. */
	fflush(stdout);
	c->pid = fork();
	if (c->pid < 0) {
		rc = -errno;
		c->pid = 0;
		close(ends[0]);
		close(ends[1]);
		return rc;
	}
	if (!c->pid)
		run(parent, netns, argv, fn, arg, ends[1]);
	close(ends[1]);
	c->fd = ends[0];
	return 0;
}

/* Return: 1 at its end, 0 more may come, -errno. */
static int take_output(int fd, char **text, size_t *size)
{
	char buffer[4096], *larger;
	ssize_t n = read(fd, buffer, sizeof(buffer));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (!n)
		return 1;
	if (*size + (size_t)n >= OUTPUT_MAX)
		return -EFBIG;
	larger = realloc(*text, *size + (size_t)n + 1);
	if (!larger)
		return -ENOMEM;
	memcpy(larger + *size, buffer, (size_t)n);
	*size += (size_t)n;
	larger[*size] = 0;
	*text = larger;
	return 0;
}

int bench_child_wait(struct bench_child *c, int timeout_ms, char **text_out)
{
	uint64_t end = clock_ms() + (uint64_t)timeout_ms;
	char *text = NULL;
	size_t size = 0;
	int rc = 0, status = 0;

	if (text_out)
		*text_out = NULL;
	if (!c->pid)
		return -ECHILD;
	while (!rc) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

		if (poll(&p, 1, TICK_MS) > 0)
			rc = take_output(c->fd, &text, &size);
		if (interrupted)
			rc = -EINTR;
		else if (!rc && clock_ms() > end)
			rc = -ETIMEDOUT;
	}
	if (rc < 0)
		kill(c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(c->fd);
	*c = (struct bench_child){ .fd = -1 };
	if (rc < 0) {
		free(text);
		return rc;
	}
	if (text_out)
		*text_out = text;
	else
		free(text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void bench_child_end(struct bench_child *c)
{
	if (c->pid)
		kill(c->pid, SIGTERM);
}

void bench_child_kill(struct bench_child *c)
{
	if (!c->pid)
		return;
	kill(c->pid, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(c->fd);
	*c = (struct bench_child){ .fd = -1 };
}

/* A line as in /proc/net/tcp: "  0: 0100007F:1538 00000000:0000 0A ...". */
static bool has_port(pid_t pid, const char *table, uint32_t port, unsigned int state)
{
	char path[64], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, table);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned int at, is;

		found = sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &at, &is) == 2 &&
			at == port && is == state;
	}
	if (f)
		fclose(f);
	return found;
}

int bench_child_listens(const struct bench_child *c, uint32_t port, bool udp, int timeout_ms)
{
	static const char *const tables[2][2] = { { "tcp", "tcp6" }, { "udp", "udp6" } };
	uint64_t end = clock_ms() + (uint64_t)timeout_ms;
	unsigned int state = udp ? 7 : 10; /* TCP_CLOSE, TCP_LISTEN */
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid)
			return -ECHILD;
		if (has_port(c->pid, tables[udp][0], port, state) ||
		    has_port(c->pid, tables[udp][1], port, state))
			return 0;
		if (clock_ms() > end)
			return -ETIMEDOUT;
		if (bench_sleep(5))
			return -EINTR;
	}
}
