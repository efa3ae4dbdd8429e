/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The row "ns" of the engines' table. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/log.h"
#include "base/rundir.h"
#include "base/unixsock.h"
#include "hv/engine_priv.h"

#define MAX_ARGS 64

static size_t args_size(const struct engine_config *c, uint32_t *nr)
{
	size_t size = strlen(c->init) + 1;

	*nr = 1;
	for (; c->args && c->args[*nr - 1]; (*nr)++)
		size += strlen(c->args[*nr - 1]) + 1;
	return size;
}

static int open_programs(struct engine *e, char why[ENGINE_WHY])
{
	int rc;

	if (e->programs_open)
		return 0;
	rc = ns_programs_open(&e->programs, why);
	e->programs_open = rc == 0;
	return rc;
}

static int check(struct engine *e, const struct engine_config *c, char why[ENGINE_WHY])
{
	uint32_t nr;

	if (!c->init || c->init[0] != '/') {
		snprintf(why, ENGINE_WHY, "init: an absolute path within the guest's root");
		return -EINVAL;
	}
	if (args_size(c, &nr) > NS_LAUNCH_ARGS || nr > MAX_ARGS) {
		snprintf(why, ENGINE_WHY, "init: at most %d arguments of %d bytes in all", MAX_ARGS,
			 NS_LAUNCH_ARGS);
		return -E2BIG;
	}
	if (c->root &&
	    (c->root[0] != '/' || strlen(c->root) >= sizeof(((struct ns_launch *)0)->root))) {
		snprintf(why, ENGINE_WHY, "root: an absolute path of at most %zu bytes",
			 sizeof(((struct ns_launch *)0)->root) - 1);
		return -EINVAL;
	}
	return open_programs(e, why);
}

static int prepare(struct engine_domain *d, const struct engine_config *c, const char *tty)
{
	const struct ns_programs *programs = &d->engine->programs;
	struct ns_launch *l = d->launch;
	char *p = l->args;
	uint32_t nr;

	args_size(c, &nr);
	*l = (struct ns_launch){ .magic = NS_LAUNCH_MAGIC,
				 .tmpfs_mib = c->memory_mib,
				 .nr_args = nr,
				 .program = c->program,
				 .nr_filter = c->program ? programs->nr_program_filter
							 : programs->nr_guest_filter };
	snprintf(l->tty, sizeof(l->tty), "%.63s", tty);
	snprintf(l->root, sizeof(l->root), "%s", c->root ? c->root : "/");
	p = stpcpy(p, c->init) + 1;
	for (uint32_t i = 0; i + 1 < nr; i++)
		p = stpcpy(p, c->args[i]) + 1;
	memcpy(l->filter, c->program ? programs->program_filter : programs->guest_filter,
	       l->nr_filter * sizeof(l->filter[0]));
	return 0;
}

/* The guest's root may connect, and the host's; another guest's may not. */
static int open_program_socket(struct engine_domain *d, int *mount_fd_out, char why[ENGINE_WHY])
{
	uid_t owner = NS_UID_BASE(d->domid);
	char path[PATH_MAX];
	int rc = 0;

	rundir_file(path, d->engine->rundir, "guests");
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		rc = -errno;
	engine_socket_path(d, path);
	if (!rc)
		rc = d->fds[PART_SOCKET] = unixsock_listen(path, SOCK_SEQPACKET, 0600);
	if (rc >= 0)
		rc = chown(path, owner, owner) < 0 ? -errno : ns_tree_clone(path);
	if (rc < 0) {
		snprintf(why, ENGINE_WHY, "%.200s: %s", path, strerror(-rc));
		return rc;
	}
	*mount_fd_out = rc;
	return 0;
}

static int start(struct engine_domain *d, const struct engine_config *c,
		 const struct cgroup_join *join, bool paused, char why[ENGINE_WHY])
{
	struct engine *e = d->engine;
	struct engine_record *r = d->record;
	struct ns_launch *l = d->launch;
	struct ns_start s = {
		&e->programs,	r->name, r->has_cpus ? &r->cpus : NULL, join,
		d->domid,	l,	 d->fds[PART_LAUNCH],		.guest_fd = -1,
		.socket_fd = -1
	};
	int rc = open_programs(e, why);

	(void)c;
	if (rc < 0)
		return rc;
	l->hold = paused;
	rc = l->program ? open_program_socket(d, &s.socket_fd, why)
			: engine_domain_socket(d, &s.guest_fd);
	if (!rc)
		rc = ns_start(&s, why);
	if (s.guest_fd >= 0)
		close(s.guest_fd);
	if (s.socket_fd >= 0)
		close(s.socket_fd);
	if (rc < 0)
		return rc;
	d->fds[PART_FRONT] = s.front_pidfd;
	d->fds[PART_FIRST] = s.init_pidfd;
	r->init_pid = s.init_pid;
	return 0;
}

static int shut_down(struct engine_domain *d, unsigned int grace_ms)
{
	struct ns_launch *l = d->launch;

	/* Not 0: it also tells a first process that is not ready for signals yet. */
	__atomic_store_n(&l->grace_ms, grace_ms ? grace_ms : 1, __ATOMIC_RELEASE);
	/* A paused guest hears of it when it goes on, as a Xen guest would. */
	return engine_signal(d, SIGTERM);
}

static unsigned int end_reason(struct engine_domain *d)
{
	const struct ns_launch *l = d->launch;
	uint32_t stage = __atomic_load_n(&l->stage, __ATOMIC_ACQUIRE);
	char why[NS_LAUNCH_WHY];

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

static void cleared(struct engine_domain *d)
{
	const struct ns_launch *l = d->launch;
	char path[PATH_MAX];

	if (!l->program)
		return;
	engine_socket_path(d, path);
	unlink(path);
}

const struct engine_ops engine_ns = {
	.type = "ns",
	.launch_size = sizeof(struct ns_launch),
	.needs = PART_BIT(PART_LAUNCH) | PART_BIT(PART_SOCKET) | PART_BIT(PART_FIRST) |
		 PART_BIT(PART_FRONT),
	.nr_pids = NS_MAX_PIDS,
	.shares_cpus = true,
	.check = check,
	.prepare = prepare,
	.start = start,
	.pause = ns_pause,
	.shutdown = shut_down,
	.end_reason = end_reason,
	.cleared = cleared,
	.forget = ns_forget,
};
