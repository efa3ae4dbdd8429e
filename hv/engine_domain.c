/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A running domain's descriptors and processes, their end, and their way through a restart. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rundir.h"
#include "hv/engine_priv.h"

#define KILL_WAIT_MS 2000 /* SIGKILL takes milliseconds, unless the kernel is in trouble */
#define SWEEP_MS     100

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
	d->program_fd = -1;
	d->state_fd = d->hypercall_fd = d->front_pidfd = d->init_pidfd = -1;
	for (int i = 0; i < 3; i++)
		d->restored[i] = -1;
	e->domains[domid] = d;
	return d;
}

int engine_domain_map(struct engine_domain *d)
{
	char *p = mmap(NULL, ENGINE_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, d->state_fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	d->launch = (void *)p;
	d->record = (void *)(p + ENGINE_RECORD_OFFSET);
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void engine_domain_free(struct engine_domain *d)
{
	loop_fd_del(&d->front_watcher);
	loop_fd_del(&d->init_watcher);
	console_free(d->console);
	for (int i = 0; i < 3; i++)
		close_fd(&d->restored[i]);
	if (d->launch)
		munmap(d->launch, ENGINE_STATE_SIZE);
	close_fd(&d->state_fd);
	close_fd(&d->hypercall_fd);
	close_fd(&d->program_fd);
	close_fd(&d->front_pidfd);
	close_fd(&d->init_pidfd);
	d->engine->domains[d->domid] = NULL;
	free(d);
}

/* The first PARTS_NEEDED are there from a domain's start to its end. */
static const char *const parts[] = { "state", "sock", "front", "init", "program" };

#define NR_PARTS     5
#define PARTS_NEEDED 4

static int *part_fd(struct engine_domain *d, size_t part)
{
	int *const fds[] = { &d->state_fd, &d->hypercall_fd, &d->front_pidfd, &d->init_pidfd,
			     &d->program_fd };

	return fds[part];
}

void engine_domain_keep(struct engine_domain *d)
{
	char name[KEEPER_NAME_MAX];

	for (size_t i = 0; i < NR_PARTS; i++) {
		if (*part_fd(d, i) < 0)
			continue;
		snprintf(name, sizeof(name), "e%u.%s", d->domid, parts[i]);
		keeper_store(d->engine->params.keeper, name, *part_fd(d, i));
	}
}

void engine_domain_unkeep(struct engine *e, uint16_t domid)
{
	char name[KEEPER_NAME_MAX];

	for (size_t i = 0; i < NR_PARTS; i++) {
		snprintf(name, sizeof(name), "e%u.%s", domid, parts[i]);
		keeper_drop(e->params.keeper, name);
	}
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
	snprintf(name, sizeof(name), "e%u.%s", domid, parts[PARTS_NEEDED]);
	if (fd >= 0)
		keeper_store(e->params.keeper, name, fd);
	else
		keeper_drop(e->params.keeper, name);
	if (fd < 0)
		close_fd(&d->program_fd);
	else
		d->program_fd = fd;
}

void engine_console_params(const struct engine_domain *d, struct console_params *params)
{
	*params = (struct console_params){ d->engine->params.loop, d->engine->params.keeper,
					   d->engine->console_dir, d->record->name, d->domid,
					   NULL, NULL, NULL };
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
	if (d->init_pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, d->init_pidfd, signo, NULL, 0) < 0 ? -errno : 0;
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
	const int fds[] = { d->init_pidfd, d->front_pidfd };
	uint64_t deadline = clock_ms() + KILL_WAIT_MS;

	if (cgroups_kill(&d->engine->cgroups, d->domid) < 0)
		cgroups_freeze(&d->engine->cgroups, d->domid, false);
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			syscall(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0);
	for (int i = 0; i < 2; i++)
		wait_dead(fds[i], deadline);
}

static unsigned int end_reason(struct engine_domain *d)
{
	const struct ns_launch *l = d->launch;
	uint32_t stage = __atomic_load_n(&l->stage, __ATOMIC_ACQUIRE);
	char why[NS_LAUNCH_WHY];

	if (d->record->has_reason)
		return d->record->reason;
	if (stage == NS_EXITED && WIFEXITED(l->status) && WEXITSTATUS(l->status) == 0)
		return SHUTDOWN_poweroff;
	memcpy(why, l->why, sizeof(why));
	why[sizeof(why) - 1] = '\0';
	if (stage == NS_FAILED)
		log_warning("domain %u (%s): %s", d->domid, d->record->name, why);
	else if (stage == NS_EXITED && WIFEXITED(l->status))
		log_notice("domain %u (%s): init ended with status %d", d->domid, d->record->name,
			   WEXITSTATUS(l->status));
	else if (stage == NS_EXITED)
		log_notice("domain %u (%s): init was killed by signal %d", d->domid,
			   d->record->name, WTERMSIG(l->status));
	else
		log_warning("domain %u (%s): its %s process died", d->domid, d->record->name,
			    stage == NS_RUNNING ? "network or first" : "starting");
	return SHUTDOWN_crash;
}

static void domain_ended(struct engine_domain *d)
{
	struct engine_hooks *hooks = &d->engine->hooks;
	unsigned int reason;

	loop_fd_del(&d->front_watcher);
	loop_fd_del(&d->init_watcher);
	reason = end_reason(d);
	engine_domain_kill(d);
	d->record->reason = reason;
	d->record->has_reason = 1;
	d->record->state = ENGINE_STOPPED;
	if (hooks->stopped)
		hooks->stopped(hooks->arg, d->domid, reason);
}

static void process_ended(void *arg, uint32_t events)
{
	(void)events;
	domain_ended(arg);
}

int engine_domain_watch(struct engine_domain *d)
{
	struct loop *loop = d->engine->params.loop;
	int rc = loop_fd_add(loop, &d->front_watcher, d->front_pidfd, EPOLLIN, process_ended, d);

	return rc < 0 ? rc
		      : loop_fd_add(loop, &d->init_watcher, d->init_pidfd, EPOLLIN, process_ended,
				    d);
}

static void sweep(void *arg)
{
	struct engine *e = arg;
	unsigned int left = 0;

	for (unsigned int i = 0; i < e->nr_unswept; i++)
		if (!engine_find(e, e->unswept[i]) &&
		    cgroups_remove(&e->cgroups, e->unswept[i]) < 0)
			e->unswept[left++] = e->unswept[i];
	e->nr_unswept = left;
	if (left)
		loop_timer_set(&e->sweep, SWEEP_MS, 0);
}

int engine_domain_destroy(struct engine *e, uint16_t domid)
{
	struct engine_domain *d = engine_find(e, domid);
	char path[PATH_MAX];

	if (!d)
		return core_domain_destroy(e->params.core, domid);
	loop_fd_del(&d->front_watcher);
	loop_fd_del(&d->init_watcher);
	engine_domain_kill(d);
	if (d->hypercall_fd >= 0 && e->params.guest_socket)
		e->params.guest_socket(e->params.arg, domid, d->hypercall_fd, -1, false);
	if (d->launch && d->launch->program) {
		engine_socket_path(d, path);
		unlink(path);
	}
	if (d->introduced)
		xs_server_release(e->params.xenstore, domid);
	console_end(d->console);
	d->console = NULL;
	engine_domain_unkeep(e, domid);
	engine_domain_free(d);
	core_domain_destroy(e->params.core, domid);
	if (cgroups_remove(&e->cgroups, domid) < 0 &&
	    e->nr_unswept < sizeof(e->unswept) / sizeof(e->unswept[0])) {
		e->unswept[e->nr_unswept++] = domid;
		loop_timer_set(&e->sweep, SWEEP_MS, 0);
	}
	return 0;
}

int engine_create(const struct engine_params *params, struct engine **engine_out)
{
	struct engine *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return -ENOMEM;
	e->params = *params;
	e->programs.front_fd = e->programs.init_fd = -1;
	snprintf(e->rundir, sizeof(e->rundir), "%s", params->rundir);
	e->params.rundir = e->rundir;
	rundir_file(e->console_dir, e->rundir, "console");
	cgroups_init(&e->cgroups, e->rundir);
	rc = loop_timer_add(params->loop, &e->sweep, sweep, e);
	if (rc < 0) {
		free(e);
		return rc;
	}
	*engine_out = e;
	return 0;
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < sizeof(e->domains) / sizeof(e->domains[0]); i++)
		if (e->domains[i])
			engine_domain_free(e->domains[i]);
	loop_timer_del(&e->sweep);
	ns_programs_close(&e->programs);
	free(e);
}

bool engine_restore(struct engine *e, const char *name, int fd)
{
	static const char *const console_parts[] = { "guest", "master", "slave" };
	struct engine_domain *d;
	unsigned int domid;
	char kind;
	int used = 0, *slot = NULL;

	if (sscanf(name, "%c%u.%n", &kind, &domid, &used) != 2 || !used ||
	    (kind != 'e' && kind != 'c') || !domid ||
	    domid >= sizeof(e->domains) / sizeof(e->domains[0]))
		return false;
	d = engine_find(e, (uint16_t)domid);
	if (!d)
		d = engine_domain_alloc(e, (uint16_t)domid);
	if (!d)
		return false;
	for (size_t i = 0; kind == 'e' && i < NR_PARTS; i++)
		if (!strcmp(name + used, parts[i]))
			slot = part_fd(d, i);
	for (size_t i = 0; kind == 'c' && i < 3; i++)
		if (!strcmp(name + used, console_parts[i]))
			slot = &d->restored[i];
	if (!slot || *slot >= 0)
		return false;
	*slot = fd;
	return true;
}

static int watch_again(struct engine_domain *d)
{
	struct engine_params *p = &d->engine->params;
	int rc;

	if (d->record->state == ENGINE_CREATED)
		return 0;
	/* A death that nobody saw is seen now, and one that nobody acted on is seen again. */
	rc = engine_domain_watch(d);
	if (!rc && p->guest_socket)
		p->guest_socket(p->arg, d->domid, d->hypercall_fd, d->program_fd, true);
	return rc;
}

static bool restore_domain(struct engine_domain *d)
{
	struct engine *e = d->engine;
	struct console_params params;

	if (d->state_fd < 0 || d->restored[0] < 0 || engine_domain_map(d) < 0 ||
	    d->record->magic != ENGINE_RECORD_MAGIC ||
	    d->record->generation != core_domain_generation(e->params.core, d->domid))
		return false;
	for (size_t i = 1; d->record->state != ENGINE_CREATED && i < PARTS_NEEDED; i++)
		if (*part_fd(d, i) < 0)
			return false;
	engine_console_params(d, &params);
	if (console_restore(&params, d->restored[0], d->restored[1], d->restored[2], &d->console) <
	    0)
		return false;
	for (int i = 0; i < 3; i++)
		d->restored[i] = -1;
	return engine_domain_introduce(d, true) == 0 && watch_again(d) == 0;
}

void engine_restore_done(struct engine *e)
{
	uint16_t domid, next;

	for (uint32_t i = 1; i < sizeof(e->domains) / sizeof(e->domains[0]); i++) {
		if (!e->domains[i] || restore_domain(e->domains[i]))
			continue;
		log_warning("domain %u was not whole when vifrost-hvd ended: destroyed", i);
		engine_domain_destroy(e, (uint16_t)i);
	}
	for (domid = core_domain_next(e->params.core, 0); domid; domid = next) {
		next = core_domain_next(e->params.core, domid);
		if (!engine_find(e, domid))
			core_domain_destroy(e->params.core, domid);
	}
	xs_server_drop_dead(e->params.xenstore);
}
