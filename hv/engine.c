/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/engine_host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/log.h"
#include "base/rundir.h"
#include "base/unixsock.h"
#include "hv/engine_priv.h"

_Static_assert(sizeof(struct ns_launch) <= ENGINE_RECORD_OFFSET,
	       "the record lies behind the launch block");
_Static_assert(sizeof(struct engine_record) <= 4096, "the record has one page");

static int check_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (!len || len >= ENGINE_NAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	for (const char *p = name; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
		    !(*p >= '0' && *p <= '9') && !strchr("-_.+", *p))
			return -EINVAL;
	return 0;
}

static size_t args_size(const struct engine_config *c, uint32_t *nr)
{
	size_t size = strlen(c->init) + 1;

	*nr = 1;
	for (; c->args && c->args[*nr - 1]; (*nr)++)
		size += strlen(c->args[*nr - 1]) + 1;
	return size;
}

static struct cgroup_limits limits_of(const struct engine_record *r)
{
	unsigned int there = r->has_cpus ? (unsigned int)CPU_COUNT(&r->cpus)
					 : (unsigned int)get_nprocs();

	return (struct cgroup_limits){
		.memory_bytes = r->limit_memory ? (uint64_t)r->memory_mib << 20 : 0,
		.nr_cpus = r->nr_vcpus < there ? r->nr_vcpus : 0,
		.nr_pids = NS_MAX_PIDS,
	};
}

static int check_cpus(const cpu_set_t *cpus)
{
	cpu_set_t there, both;

	if (sched_getaffinity(0, sizeof(there), &there) < 0)
		return -errno;
	CPU_AND(&both, &there, cpus);
	return CPU_COUNT(&both) ? 0 : -EINVAL;
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

static int check_config(struct engine *e, const struct engine_config *c, char why[ENGINE_WHY])
{
	uint32_t nr;

	if (!c->type || strcmp(c->type, "ns")) {
		snprintf(why, ENGINE_WHY,
			 "type \"%.32s\": this host has no engine for it, only for \"ns\"",
			 c->type ? c->type : "");
		return -EOPNOTSUPP;
	}
	if (check_name(c->name) < 0) {
		snprintf(why, ENGINE_WHY, "name: 1 to %d of letters, digits and \"-_.+\"",
			 ENGINE_NAME_MAX - 1);
		return -EINVAL;
	}
	if (!c->init || c->init[0] != '/') {
		snprintf(why, ENGINE_WHY, "init: an absolute path within the guest's root");
		return -EINVAL;
	}
	if (args_size(c, &nr) > NS_LAUNCH_ARGS || nr > ENGINE_MAX_ARGS) {
		snprintf(why, ENGINE_WHY, "init: at most %d arguments of %d bytes in all",
			 ENGINE_MAX_ARGS, NS_LAUNCH_ARGS);
		return -E2BIG;
	}
	if (c->root &&
	    (c->root[0] != '/' || strlen(c->root) >= sizeof(((struct ns_launch *)0)->root))) {
		snprintf(why, ENGINE_WHY, "root: an absolute path of at most %zu bytes",
			 sizeof(((struct ns_launch *)0)->root) - 1);
		return -EINVAL;
	}
	if (c->has_cpus && check_cpus(&c->cpus) < 0) {
		snprintf(why, ENGINE_WHY, "cpus: none of them is a CPU of this host");
		return -EINVAL;
	}
	return open_programs(e, why);
}

static void fill_launch(struct engine *e, struct ns_launch *l, const struct engine_config *c,
			const char *tty)
{
	char *p = l->args;
	uint32_t nr;

	args_size(c, &nr);
	*l = (struct ns_launch){ .magic = NS_LAUNCH_MAGIC,
				 .tmpfs_mib = c->memory_mib,
				 .nr_args = nr,
				 .program = c->program,
				 .nr_filter = c->program ? e->programs.nr_program_filter
							 : e->programs.nr_guest_filter };
	snprintf(l->tty, sizeof(l->tty), "%.63s", tty);
	snprintf(l->root, sizeof(l->root), "%s", c->root ? c->root : "/");
	p = stpcpy(p, c->init) + 1;
	for (uint32_t i = 0; i + 1 < nr; i++)
		p = stpcpy(p, c->args[i]) + 1;
	memcpy(l->filter, c->program ? e->programs.program_filter : e->programs.guest_filter,
	       l->nr_filter * sizeof(l->filter[0]));
}

static void fill_record(struct engine_record *r, const struct engine_config *c)
{
	*r = (struct engine_record){
		.magic = ENGINE_RECORD_MAGIC,
		.state = ENGINE_CREATED,
		.memory_mib = c->memory_mib,
		.limit_memory = c->limit_memory,
		.nr_vcpus = c->nr_vcpus ? c->nr_vcpus : (unsigned int)get_nprocs(),
		.has_cpus = c->has_cpus,
		.created_s = (uint64_t)time(NULL),
	};
	snprintf(r->name, sizeof(r->name), "%s", c->name);
	if (c->has_cpus)
		r->cpus = c->cpus;
	else
		sched_getaffinity(0, sizeof(r->cpus), &r->cpus);
}

static int open_state(struct engine_domain *d)
{
	d->state_fd = memfd_create("vifrost-engine", MFD_CLOEXEC);
	if (d->state_fd < 0 || ftruncate(d->state_fd, ENGINE_STATE_SIZE) < 0)
		return -errno;
	return engine_domain_map(d);
}

static int open_guest_console(struct engine_domain *d, char tty[PATH_MAX])
{
	struct console_params params;
	uid_t owner = NS_UID_BASE(d->domid);
	int rc;

	engine_console_params(d, &params);
	rc = console_create(&params, tty, &d->console);
	if (rc < 0)
		return rc;
	return chown(tty, owner, owner) < 0 || chmod(tty, 0620) < 0 ? -errno : 0;
}

static int make_domain(struct engine *e, uint16_t domid, const struct engine_config *c)
{
	struct engine_domain *d = engine_domain_alloc(e, domid);
	char tty[PATH_MAX];
	int rc;

	if (!d)
		return -ENOMEM;
	rc = open_state(d);
	if (rc < 0)
		return rc;
	fill_record(d->record, c);
	rc = open_guest_console(d, tty);
	if (rc < 0)
		return rc;
	fill_launch(e, d->launch, c, tty);
	rc = engine_domain_introduce(d, false);
	if (rc < 0)
		return rc;
	__atomic_store_n(&d->record->generation, core_domain_generation(e->params.core, domid),
			 __ATOMIC_RELEASE);
	engine_domain_keep(d);
	return 0;
}

int engine_domain_create(struct engine *e, const struct engine_config *c, uint16_t *domid_out,
			 char why[ENGINE_WHY])
{
	struct engine_record record;
	struct cgroup_limits limits;
	uint16_t domid;
	int rc;

	why[0] = '\0';
	rc = check_config(e, c, why);
	if (rc < 0)
		return rc;
	fill_record(&record, c);
	limits = limits_of(&record);
	rc = cgroups_check(&e->cgroups, &limits, why, ENGINE_WHY);
	if (rc < 0)
		return rc;
	rc = core_domain_create(e->params.core, c->memory_mib, &domid);
	if (!rc) {
		rc = make_domain(e, domid, c);
		if (rc < 0)
			engine_domain_destroy(e, domid);
	}
	if (rc < 0) {
		snprintf(why, ENGINE_WHY, "%s",
			 rc == -EINVAL ? "memory: 1 MiB to 1 TiB" : strerror(-rc));
		return rc;
	}
	*domid_out = domid;
	return 0;
}

static int open_pair(struct engine_domain *d, int *guest_fd_out)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* Only ours: a guest waits for its replies, we for nobody. */
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	d->hypercall_fd = pair[0];
	*guest_fd_out = pair[1];
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
		rc = d->hypercall_fd = unixsock_listen(path, SOCK_SEQPACKET, 0600);
	if (rc >= 0)
		rc = chown(path, owner, owner) < 0 ? -errno : ns_tree_clone(path);
	if (rc < 0) {
		snprintf(why, ENGINE_WHY, "%.200s: %s", path, strerror(-rc));
		return rc;
	}
	*mount_fd_out = rc;
	return 0;
}

static int start_processes(struct engine_domain *d, char why[ENGINE_WHY])
{
	struct engine *e = d->engine;
	struct engine_record *r = d->record;
	struct cgroup_limits limits = limits_of(r);
	struct cgroup_join join;
	struct ns_start s = { &e->programs, r->name,	    r->has_cpus ? &r->cpus : NULL,
			      &join,	    d->domid,	    d->launch,
			      d->state_fd,  .guest_fd = -1, .socket_fd = -1 };
	int rc;

	rc = cgroups_create(&e->cgroups, d->domid, &limits, &join, why, ENGINE_WHY);
	if (rc < 0)
		return rc;
	rc = d->launch->program ? open_program_socket(d, &s.socket_fd, why)
				: open_pair(d, &s.guest_fd);
	if (!rc)
		rc = ns_start(&s, why);
	if (s.guest_fd >= 0)
		close(s.guest_fd);
	if (s.socket_fd >= 0)
		close(s.socket_fd);
	cgroup_join_close(&join);
	if (rc < 0)
		return rc;
	d->front_pidfd = s.front_pidfd;
	d->init_pidfd = s.init_pidfd;
	r->init_pid = s.init_pid;
	return engine_domain_watch(d);
}

int engine_domain_start(struct engine *e, uint16_t domid, bool paused, char why[ENGINE_WHY])
{
	struct engine_domain *d = engine_find(e, domid);
	int rc;

	why[0] = '\0';
	if (!d || d->record->state != ENGINE_CREATED) {
		snprintf(why, ENGINE_WHY, "%s", d ? "it was started before" : "no such domain");
		return d ? -EINVAL : -ENOENT;
	}
	rc = open_programs(e, why);
	if (rc < 0)
		return rc;
	d->launch->hold = paused;
	rc = start_processes(d, why);
	if (rc < 0) {
		if (!why[0])
			snprintf(why, ENGINE_WHY, "%s", strerror(-rc));
		return rc;
	}
	d->record->state = paused ? ENGINE_PAUSED : ENGINE_RUNNING;
	engine_domain_keep(d);
	if (e->params.guest_socket)
		e->params.guest_socket(e->params.arg, domid, d->hypercall_fd, -1, true);
	return 0;
}

int engine_pause(struct engine *e, uint16_t domid)
{
	struct engine_domain *d = engine_find(e, domid);
	int rc;

	if (!d)
		return -ENOENT;
	if (d->record->state != ENGINE_RUNNING)
		return -EINVAL;
	rc = cgroups_freeze(&e->cgroups, domid, true);
	if (!rc)
		d->record->state = ENGINE_PAUSED;
	return rc;
}

int engine_unpause(struct engine *e, uint16_t domid)
{
	struct engine_domain *d = engine_find(e, domid);
	int rc;

	if (!d)
		return -ENOENT;
	if (d->record->state != ENGINE_PAUSED)
		return -EINVAL;
	/* Created paused: its init has not started, and the rest is ours and may run. */
	if (d->launch->hold) {
		__atomic_store_n(&d->launch->hold, 0, __ATOMIC_RELEASE);
		rc = engine_signal(d, SIGUSR1);
	} else {
		rc = cgroups_freeze(&e->cgroups, domid, false);
	}
	if (!rc)
		d->record->state = ENGINE_RUNNING;
	return rc;
}

int engine_shutdown(struct engine *e, uint16_t domid, bool reboot, unsigned int grace_ms)
{
	struct engine_domain *d = engine_find(e, domid);

	if (!d)
		return -ENOENT;
	if (d->record->state != ENGINE_RUNNING && d->record->state != ENGINE_PAUSED)
		return -EINVAL;
	d->record->reason = reboot ? SHUTDOWN_reboot : SHUTDOWN_poweroff;
	d->record->reboot = reboot;
	d->record->has_reason = 1;
	/* Not 0: it also tells a first process that is not ready for signals yet. */
	__atomic_store_n(&d->launch->grace_ms, grace_ms ? grace_ms : 1, __ATOMIC_RELEASE);
	/* A paused guest hears of it when it goes on, as a Xen guest would. */
	return engine_signal(d, SIGTERM);
}

void engine_guest_shutdown(struct engine *e, uint16_t domid, unsigned int reason)
{
	struct engine_domain *d = engine_find(e, domid);

	if (!d || d->record->state == ENGINE_STOPPED)
		return;
	d->record->reason = reason;
	d->record->has_reason = 1;
	/* Its death is then seen from the loop. */
	engine_signal(d, SIGKILL);
}

int engine_rename(struct engine *e, uint16_t domid, const char *name)
{
	struct engine_domain *d = engine_find(e, domid);

	if (!d)
		return -ENOENT;
	if (check_name(name) < 0)
		return -EINVAL;
	memset(d->record->name, 0, sizeof(d->record->name));
	strcpy(d->record->name, name);
	return 0;
}

static void set_affinity(void *arg, pid_t tid)
{
	sched_setaffinity(tid, sizeof(cpu_set_t), arg);
}

int engine_set_cpus(struct engine *e, uint16_t domid, const cpu_set_t *cpus)
{
	struct engine_domain *d = engine_find(e, domid);
	cpu_set_t set = *cpus;
	int rc;

	if (!d)
		return -ENOENT;
	rc = check_cpus(cpus);
	/* Twice: a thread born while we read the list has the old set only if its parent had. */
	for (int i = 0; !rc && i < 2; i++)
		rc = cgroups_for_each_task(&e->cgroups, domid, set_affinity, &set);
	if (!rc)
		d->record->cpus = set;
	return rc;
}

int engine_info(struct engine *e, uint16_t domid, struct engine_info *info)
{
	struct engine_domain *d = engine_find(e, domid);
	struct engine_record *r;

	if (!d)
		return -ENOENT;
	r = d->record;
	*info = (struct engine_info){
		.state = r->state,
		.reason = r->reason,
		.shutting_down = r->has_reason && r->state != ENGINE_STOPPED,
		.reboot = r->reboot,
		.memory_mib = r->memory_mib,
		.nr_vcpus = r->nr_vcpus,
		.cpus = r->cpus,
		.created_s = r->created_s,
		.pid = r->state == ENGINE_STOPPED ? 0 : r->init_pid,
	};
	memcpy(info->name, r->name, sizeof(info->name));
	if (r->state != ENGINE_CREATED)
		cgroups_cpu_ns(&e->cgroups, domid, &info->cpu_ns);
	return 0;
}

uint16_t engine_next(struct engine *e, uint16_t domid)
{
	for (size_t i = domid + 1u; i < sizeof(e->domains) / sizeof(e->domains[0]); i++)
		if (e->domains[i])
			return (uint16_t)i;
	return 0;
}

int engine_console(struct engine *e, uint16_t domid, char tty[PATH_MAX], char log[PATH_MAX])
{
	struct engine_domain *d = engine_find(e, domid);

	if (!d || !d->console)
		return -ENOENT;
	return console_tty(d->console, tty, log);
}

void engine_set_hooks(struct engine *e, const struct engine_hooks *hooks)
{
	e->hooks = *hooks;
}
