/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* After its time is up a process has that long to say so itself. */
#define GRACE_MS 500

struct one {
	struct probes *all;
	struct probe probe;
	pid_t pid;
	int fd; /* pidfd; -1: done */
	struct loop_fd watcher;
};

struct probes {
	struct one v[PROBES_MAX];
	size_t nr, nr_left;
	struct loop_timer timer;
	void (*fn)(void *arg, const char *why);
	void *arg;
	char why[PROBE_TARGET_LEN + PROBE_NAME_LEN + 80];
};

static void describe(const struct probe *p, const char *reason, char *text, size_t size)
{
	static const char *const verbs[] = {
		[PROBE_PING] = "ping", [PROBE_TCP] = "tcp", [PROBE_RESOLVE] = "resolve"
	};

	snprintf(text, size, "probe %s (%s %s) failed: %s", p->name, verbs[p->kind], p->target,
		 reason);
}

static void forget(struct one *o)
{
	loop_fd_del(&o->watcher);
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
}

static void finish(struct probes *p, const char *why)
{
	char text[sizeof(p->why)];

	loop_timer_set(&p->timer, 0, 0);
	snprintf(text, sizeof(text), "%s", why ? why : "");
	p->fn(p->arg, why ? text : NULL);
}

static void on_exit_of(void *arg, uint32_t events)
{
	struct one *o = arg;
	struct probes *p = o->all;
	int status = 0;

	(void)events;
	if (waitpid(o->pid, &status, WNOHANG) != o->pid)
		return;
	forget(o);
	p->nr_left--;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		describe(&o->probe,
			 WIFEXITED(status) ? strerror(WEXITSTATUS(status))
					   : "its process was killed",
			 p->why, sizeof(p->why));
		finish(p, p->why);
	} else if (!p->nr_left) {
		finish(p, NULL);
	}
}

static void on_time(void *arg)
{
	struct probes *p = arg;

	for (size_t i = 0; i < p->nr; i++)
		if (p->v[i].fd >= 0) {
			describe(&p->v[i].probe, strerror(ETIMEDOUT), p->why, sizeof(p->why));
			break;
		}
	finish(p, p->why);
}

static void child(const struct probe *probe, pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	_exit(-probe_ask(probe) & 0xff);
}

static int start_one(struct loop *loop, struct one *o)
{
	pid_t parent = getpid();
	int rc;

	o->pid = fork();
	if (o->pid < 0)
		return -errno;
	if (!o->pid)
		child(&o->probe, parent);
	o->fd = (int)syscall(SYS_pidfd_open, o->pid, 0);
	if (o->fd < 0) {
		rc = -errno;
		kill(o->pid, SIGKILL);
		waitpid(o->pid, NULL, 0);
		return rc;
	}
	o->all->nr_left++;
	return loop_fd_add(loop, &o->watcher, o->fd, EPOLLIN, on_exit_of, o);
}

int probes_start(struct loop *loop, const struct probe *list, size_t nr,
		 void (*fn)(void *arg, const char *why), void *arg, struct probes **probes_out)
{
	struct probes *p = calloc(1, sizeof(*p));
	unsigned int longest = 0;
	int rc;

	*probes_out = NULL;
	if (!p)
		return -ENOMEM;
	p->fn = fn;
	p->arg = arg;
	rc = nr <= PROBES_MAX ? loop_timer_add(loop, &p->timer, on_time, p) : -E2BIG;
	for (size_t i = 0; !rc && i < nr; i++) {
		p->v[i] = (struct one){ .all = p, .probe = list[i], .fd = -1 };
		p->nr++;
		rc = start_one(loop, &p->v[i]);
		if (list[i].timeout_ms > longest)
			longest = list[i].timeout_ms;
	}
	if (!rc)
		rc = loop_timer_set(&p->timer, nr ? longest + GRACE_MS : 1, 0);
	if (rc)
		probes_free(p);
	else
		*probes_out = p;
	return rc;
}

void probes_free(struct probes *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nr; i++) {
		if (p->v[i].fd < 0)
			continue;
		kill(p->v[i].pid, SIGKILL);
		waitpid(p->v[i].pid, NULL, 0);
		forget(&p->v[i]);
	}
	loop_timer_del(&p->timer);
	free(p);
}
