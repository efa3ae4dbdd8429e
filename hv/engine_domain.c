/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A running domain's descriptors and processes, and their end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/clock.h"
#include "base/rundir.h"
#include "hv/engine_priv.h"

#define KILL_WAIT_MS 2000 /* SIGKILL takes milliseconds, unless the kernel is in trouble */

struct engine_domain *engine_find(struct engine *e, uint16_t domid)
{
	return domid < sizeof(e->domains) / sizeof(e->domains[0]) ? e->domains[domid] : NULL;
}

struct engine_domain *engine_domain_alloc(struct engine *e, uint16_t domid)
{
	struct engine_domain *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->engine = e;
	d->domid = domid;
	for (int i = 0; i < ENGINE_NR_PARTS; i++)
		d->fds[i] = -1;
	for (int i = 0; i < 3; i++)
		d->restored[i] = -1;
	e->domains[domid] = d;
	return d;
}

static int map_part(struct engine_domain *d, enum engine_part part, size_t size, void **at)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fds[part], 0);

	if (p == MAP_FAILED)
		return -errno;
	*at = p;
	return 0;
}

int engine_domain_map(struct engine_domain *d)
{
	void *p = NULL;
	int rc = map_part(d, PART_STATE, sizeof(*d->record), &p);

	if (!rc)
		d->record = p;
	return rc;
}

int engine_domain_map_launch(struct engine_domain *d)
{
	return map_part(d, PART_LAUNCH, d->ops->launch_size, &d->launch);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void unwatch(struct engine_domain *d)
{
	for (size_t i = 0; i < sizeof(d->watchers) / sizeof(d->watchers[0]); i++)
		loop_fd_del(&d->watchers[i]);
	loop_fd_del(&d->control_watcher);
}

uint32_t engine_domain_asking(struct engine_domain *d, const struct engine_question *q)
{
	for (size_t i = 0; i < ENGINE_MAX_ASKED; i++) {
		if (d->asked[i].id)
			continue;
		d->asked[i] = (struct engine_asked){ d->record->next_id++, q->what, q->done,
						     q->done_arg };
		/* 0 is an event's. */
		if (!d->record->next_id)
			d->record->next_id = 1;
		return d->asked[i].id;
	}
	return 0;
}

int engine_domain_answered(struct engine_domain *d, uint32_t id, int rc)
{
	for (size_t i = 0; id && i < ENGINE_MAX_ASKED; i++) {
		struct engine_asked asked = d->asked[i];

		if (asked.id != id)
			continue;
		d->asked[i].id = 0;
		if (asked.done)
			asked.done(asked.done_arg, rc);
		return (int)asked.what;
	}
	return -1;
}

void engine_domain_forget(struct engine_domain *d, uint32_t id)
{
	for (size_t i = 0; i < ENGINE_MAX_ASKED; i++)
		if (d->asked[i].id == id)
			d->asked[i].id = 0;
}

/* Return: whether @d is still there, after what whoever had asked has done. */
static bool answer_all(struct engine_domain *d, int rc)
{
	struct engine *e = d->engine;
	uint16_t domid = d->domid;

	for (size_t i = 0; i < ENGINE_MAX_ASKED; i++) {
		engine_domain_answered(d, d->asked[i].id, rc);
		if (engine_find(e, domid) != d)
			return false;
	}
	return true;
}

void engine_domain_free(struct engine_domain *d)
{
	unwatch(d);
	answer_all(d, -EPIPE);
	console_ring_free(d->ring);
	if (d->ops && d->ops->forget)
		d->ops->forget(d);
	console_free(d->console);
	for (int i = 0; i < 3; i++)
		close_fd(&d->restored[i]);
	if (d->launch)
		munmap(d->launch, d->ops->launch_size);
	if (d->record)
		munmap(d->record, sizeof(*d->record));
	for (int i = 0; i < ENGINE_NR_PARTS; i++)
		close_fd(&d->fds[i]);
	d->engine->domains[d->domid] = NULL;
	free(d);
}

static const char *const parts[ENGINE_NR_PARTS] = {
	[PART_STATE] = "state", [PART_LAUNCH] = "launch",   [PART_SOCKET] = "sock",
	[PART_FIRST] = "init",	[PART_FRONT] = "front",	    [PART_CONTROL] = "control",
	[PART_LOG] = "log",	[PART_PROGRAM] = "program",
};

static void part_name(char name[KEEPER_NAME_MAX], uint16_t domid, size_t part)
{
	snprintf(name, KEEPER_NAME_MAX, "e%u.%s", domid, parts[part]);
}

int *engine_domain_part(struct engine_domain *d, const char *name)
{
	for (size_t i = 0; i < ENGINE_NR_PARTS; i++)
		if (!strcmp(name, parts[i]))
			return &d->fds[i];
	return NULL;
}

void engine_domain_keep(struct engine_domain *d)
{
	char name[KEEPER_NAME_MAX];

	for (size_t i = 0; i < ENGINE_NR_PARTS; i++) {
		if (d->fds[i] < 0)
			continue;
		part_name(name, d->domid, i);
		keeper_store(d->engine->params.keeper, name, d->fds[i]);
	}
}

void engine_domain_unkeep(struct engine *e, uint16_t domid)
{
	char name[KEEPER_NAME_MAX];

	for (size_t i = 0; i < ENGINE_NR_PARTS; i++) {
		part_name(name, domid, i);
		keeper_drop(e->params.keeper, name);
	}
}

int engine_domain_socket(struct engine_domain *d, int *guest_fd_out)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* Only ours: a guest waits for its replies, we for nobody. */
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	d->fds[PART_SOCKET] = pair[0];
	*guest_fd_out = pair[1];
	return 0;
}

void engine_socket_path(const struct engine_domain *d, char path[PATH_MAX])
{
	char name[32];

	snprintf(name, sizeof(name), "guests/%u.sock", d->domid);
	rundir_file(path, d->engine->rundir, name);
}

void engine_program(struct engine *e, uint16_t domid, int fd)
{
	struct engine_domain *d = engine_find(e, domid);
	char name[KEEPER_NAME_MAX];

	if (!d)
		return;
	part_name(name, domid, PART_PROGRAM);
	if (fd >= 0)
		keeper_store(e->params.keeper, name, fd);
	else
		keeper_drop(e->params.keeper, name);
	if (fd < 0)
		close_fd(&d->fds[PART_PROGRAM]);
	else
		d->fds[PART_PROGRAM] = fd;
}

int engine_domain_introduce(struct engine_domain *d, bool restarted)
{
	struct engine_params *p = &d->engine->params;
	int to_guest, from_guest, rc;

	rc = core_evtchn_fds(p->core, d->domid, CORE_PORT_STORE, &to_guest, &from_guest);
	if (!rc)
		rc = xs_server_introduce(p->xenstore, d->domid,
					 core_domain_page(p->core, d->domid, CORE_PAGE_STORE),
					 from_guest, to_guest, restarted);
	d->introduced = rc == 0;
	return rc;
}

int engine_signal(struct engine_domain *d, int signo)
{
	if (d->fds[PART_FIRST] < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, d->fds[PART_FIRST], signo, NULL, 0) < 0 ? -errno : 0;
}

static void wait_dead(int pidfd, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	uint64_t now = clock_ms();
	siginfo_t info;

	if (pidfd < 0)
		return;
	poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);
	/* Only a process that we started ourselves, not our predecessor, is ours to reap. */
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0)
		return;
}

void engine_domain_kill(struct engine_domain *d)
{
	const int fds[] = { d->fds[PART_FIRST], d->fds[PART_FRONT] };
	uint64_t deadline = clock_ms() + KILL_WAIT_MS;

	if (cgroups_kill(&d->engine->cgroups, d->domid) < 0)
		cgroups_freeze(&d->engine->cgroups, d->domid, false);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			syscall(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0);
	for (int i = 0; i < 2; i++)
		wait_dead(fds[i], deadline);
}

void engine_domain_started(struct engine_domain *d, const char *why)
{
	struct engine_hooks *hooks = &d->engine->hooks;

	if (!d->record->starting)
		return;
	d->record->starting = 0;
	if (why) {
		unwatch(d);
		engine_domain_kill(d);
		d->record->reason = SHUTDOWN_crash;
		d->record->has_reason = 1;
		d->record->state = ENGINE_STOPPED;
	}
	if (hooks->started)
		hooks->started(hooks->arg, d->domid, why);
}

void engine_domain_stopped(struct engine_domain *d, unsigned int reason)
{
	struct engine_hooks *hooks = &d->engine->hooks;

	if (d->record->state == ENGINE_STOPPED)
		return;
	if (d->ring)
		console_ring_drain(d->ring);
	d->record->reason = reason;
	d->record->has_reason = 1;
	d->record->state = ENGINE_STOPPED;
	if (hooks->stopped)
		hooks->stopped(hooks->arg, d->domid, reason);
}

static void process_ended(void *arg, uint32_t events)
{
	struct engine_domain *d = arg;
	char why[ENGINE_WHY];
	unsigned int reason;

	(void)events;
	/* What it said last comes first. */
	if (d->ops->control && d->record->state != ENGINE_STOPPED) {
		uint16_t domid = d->domid;
		struct engine *e = d->engine;

		d->ops->control(d);
		if (engine_find(e, domid) != d)
			return;
	}
	unwatch(d);
	if (!answer_all(d, -EPIPE))
		return;
	if (d->record->starting) {
		d->ops->why_not(d, why);
		engine_domain_started(d, why);
		return;
	}
	reason = d->record->has_reason ? d->record->reason : d->ops->end_reason(d);
	engine_domain_kill(d);
	engine_domain_stopped(d, reason);
}

static void control_readable(void *arg, uint32_t events)
{
	struct engine_domain *d = arg;

	(void)events;
	d->ops->control(d);
}

int engine_domain_watch(struct engine_domain *d)
{
	const int fds[] = { d->fds[PART_FRONT], d->fds[PART_FIRST] };
	struct loop *loop = d->engine->params.loop;
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			rc = loop_fd_add(loop, &d->watchers[i], fds[i], EPOLLIN, process_ended, d);
	if (!rc && d->ops->control && d->fds[PART_CONTROL] >= 0)
		rc = loop_fd_add(loop, &d->control_watcher, d->fds[PART_CONTROL], EPOLLIN,
				 control_readable, d);
	return rc;
}

int engine_domain_destroy(struct engine *e, uint16_t domid)
{
	struct engine_domain *d = engine_find(e, domid);

	if (!d)
		return core_domain_destroy(e->params.core, domid);
	unwatch(d);
	engine_domain_kill(d);
	if (d->fds[PART_SOCKET] >= 0 && e->params.guest_socket)
		e->params.guest_socket(e->params.arg, domid, d->fds[PART_SOCKET], -1, false);
	if (d->launch && d->ops->cleared)
		d->ops->cleared(d);
	if (d->introduced)
		xs_server_release(e->params.xenstore, domid);
	if (d->ring)
		console_ring_drain(d->ring);
	console_ring_free(d->ring);
	d->ring = NULL;
	console_end(d->console);
	d->console = NULL;
	engine_domain_unkeep(e, domid);
	engine_domain_free(d);
	core_domain_destroy(e->params.core, domid);
	if (cgroups_remove(&e->cgroups, domid) < 0)
		engine_sweep_later(e, domid);
	return 0;
}
