/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/engine_host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>
#include <xen/sched.h>

#include "hv/engine_priv.h"

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

/* A row for each type= that there is an engine for. */
static const struct engine_ops *const types[] = { &engine_ns, &engine_pvh, &engine_pv,
						  &engine_hvm };

const struct engine_ops *engine_ops_find(const char *type)
{
	for (size_t i = 0; type && i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(types[i]->type, type))
			return types[i];
	return NULL;
}

const char *engine_type(struct engine *e, unsigned int nr, char why[ENGINE_WHY])
{
	const struct engine_ops *ops = nr < sizeof(types) / sizeof(*types) ? types[nr] : NULL;

	if (!ops || !ops->usable || !ops->usable(e, why))
		why[0] = '\0';
	return ops ? ops->type : NULL;
}

static void no_such_type(const char *type, char why[ENGINE_WHY])
{
	size_t n = (size_t)snprintf(why, ENGINE_WHY,
				    "type \"%.32s\": this host has no engine for it, only for",
				    type ? type : "");

	for (size_t i = 0; i < sizeof(types) / sizeof(*types) && n < ENGINE_WHY; i++)
		n += (size_t)snprintf(why + n, ENGINE_WHY - n, "%s \"%s\"", i ? "," : "",
				      types[i]->type);
}

static struct cgroup_limits limits_of(const struct engine_ops *ops, const struct engine_record *r)
{
	unsigned int there = r->has_cpus ? (unsigned int)CPU_COUNT(&r->cpus)
					 : (unsigned int)get_nprocs();

	return (struct cgroup_limits){
		.memory_bytes = r->limit_memory
					? ((uint64_t)r->memory_mib + ops->overhead_mib) << 20
					: 0,
		.nr_cpus = ops->shares_cpus && r->nr_vcpus < there ? r->nr_vcpus : 0,
		.nr_pids = ops->nr_pids,
	};
}

int engine_check_cpus(const cpu_set_t *cpus)
{
	cpu_set_t there, both;

	if (sched_getaffinity(0, sizeof(there), &there) < 0)
		return -errno;
	CPU_AND(&both, &there, cpus);
	return CPU_COUNT(&both) ? 0 : -EINVAL;
}

static int check_config(struct engine *e, const struct engine_config *c, char why[ENGINE_WHY])
{
	const struct engine_ops *ops = engine_ops_find(c->type);

	if (!ops) {
		no_such_type(c->type, why);
		return -EOPNOTSUPP;
	}
	if (check_name(c->name) < 0) {
		snprintf(why, ENGINE_WHY, "name: 1 to %d of letters, digits and \"-_.+\"",
			 ENGINE_NAME_MAX - 1);
		return -EINVAL;
	}
	if (c->has_cpus && engine_check_cpus(&c->cpus) < 0) {
		snprintf(why, ENGINE_WHY, "cpus: none of them is a CPU of this host");
		return -EINVAL;
	}
	return ops->check(e, c, why);
}

static void fill_record(struct engine_record *r, const struct engine_config *c)
{
	*r = (struct engine_record){
		.magic = ENGINE_RECORD_MAGIC,
		.state = ENGINE_CREATED,
		.memory_mib = c->max_memory_mib ? c->max_memory_mib : c->memory_mib,
		.start_mib = c->memory_mib,
		.max_vcpus = c->max_vcpus ? c->max_vcpus : c->nr_vcpus,
		.next_id = 1,
		.limit_memory = c->limit_memory,
		.nr_vcpus = c->nr_vcpus ? c->nr_vcpus : (unsigned int)get_nprocs(),
		.has_cpus = c->has_cpus,
		.created_s = (uint64_t)time(NULL),
	};
	snprintf(r->type, sizeof(r->type), "%s", c->type);
	snprintf(r->name, sizeof(r->name), "%s", c->name);
	if (c->has_cpus)
		r->cpus = c->cpus;
	else
		sched_getaffinity(0, sizeof(r->cpus), &r->cpus);
}

static int open_memfd(struct engine_domain *d, enum engine_part part, size_t size)
{
	d->fds[part] = memfd_create("vifrost-engine", MFD_CLOEXEC);
	return d->fds[part] < 0 || ftruncate(d->fds[part], (off_t)size) < 0 ? -errno : 0;
}

static int open_record(struct engine_domain *d, const struct engine_config *c)
{
	int rc = open_memfd(d, PART_STATE, sizeof(struct engine_record));

	if (!rc)
		rc = open_memfd(d, PART_LAUNCH, d->ops->launch_size);
	if (!rc)
		rc = engine_domain_map(d);
	if (!rc)
		rc = engine_domain_map_launch(d);
	if (!rc)
		fill_record(d->record, c);
	return rc;
}

static int make_domain(struct engine *e, uint16_t domid, const struct engine_config *c)
{
	struct engine_domain *d = engine_domain_alloc(e, domid);
	char tty[PATH_MAX];
	int rc;

	if (!d)
		return -ENOMEM;
	d->ops = engine_ops_find(c->type);
	rc = open_record(d, c);
	if (!rc)
		rc = engine_domain_console(d, false, tty);
	if (!rc)
		rc = d->ops->prepare(d, c, tty);
	if (!rc)
		rc = engine_domain_introduce(d, false);
	if (rc < 0)
		return rc;
	__atomic_store_n(&d->record->generation, core_domain_generation(e->params.core, domid),
			 __ATOMIC_RELEASE);
	engine_domain_keep(d);
	return 0;
}

bool engine_await(struct engine *e, const char *type, void (*ready)(void *arg, int rc), void *arg)
{
	const struct engine_ops *ops = engine_ops_find(type);

	return ops && ops->asks_kvm && kvm_device_await(&e->kvm, ready, arg);
}

int engine_domain_create(struct engine *e, const struct engine_config *c, uint16_t *domid_out,
			 char why[ENGINE_WHY])
{
	const struct engine_ops *ops;
	struct engine_record record;
	struct cgroup_limits limits;
	uint16_t domid;
	int rc;

	why[0] = '\0';
	rc = check_config(e, c, why);
	if (rc < 0)
		return rc;
	fill_record(&record, c);
	ops = engine_ops_find(c->type);
	limits = limits_of(ops, &record);
	rc = cgroups_check(&e->cgroups, &limits, why, ENGINE_WHY);
	if (rc < 0)
		return rc;
	rc = core_domain_create(e->params.core, ops->span_mib ? ops->span_mib(c) : c->memory_mib,
				&domid);
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

static int start_processes(struct engine_domain *d, const struct engine_config *c, bool paused,
			   char why[ENGINE_WHY])
{
	struct engine *e = d->engine;
	struct cgroup_limits limits = limits_of(d->ops, d->record);
	struct cgroup_join join;
	int rc = cgroups_create(&e->cgroups, d->domid, &limits, &join, why, ENGINE_WHY), watched;

	if (rc < 0)
		return rc;
	rc = d->ops->start(d, c, &join, paused, why);
	cgroup_join_close(&join);
	watched = rc < 0 ? 0 : engine_domain_watch(d);
	return watched < 0 ? watched : rc;
}

int engine_domain_start(struct engine *e, uint16_t domid, const struct engine_config *c,
			bool paused, char why[ENGINE_WHY])
{
	struct engine_domain *d = engine_find(e, domid);
	int rc;

	why[0] = '\0';
	if (!d || d->record->state != ENGINE_CREATED) {
		snprintf(why, ENGINE_WHY, "%s", d ? "it was started before" : "no such domain");
		return d ? -EINVAL : -ENOENT;
	}
	rc = start_processes(d, c, paused, why);
	if (rc < 0) {
		if (!why[0])
			snprintf(why, ENGINE_WHY, "%s", strerror(-rc));
		return rc;
	}
	d->record->state = paused ? ENGINE_PAUSED : ENGINE_RUNNING;
	d->record->starting = rc > 0;
	engine_domain_keep(d);
	if (e->params.guest_socket && d->fds[PART_SOCKET] >= 0)
		e->params.guest_socket(e->params.arg, domid, d->fds[PART_SOCKET], -1, true);
	return rc;
}

static int set_paused(struct engine *e, uint16_t domid, bool paused, engine_done *done,
		      void *done_arg)
{
	struct engine_domain *d = engine_find(e, domid);
	int rc;

	if (!d)
		return -ENOENT;
	if (d->record->state != (paused ? ENGINE_RUNNING : ENGINE_PAUSED))
		return -EINVAL;
	rc = d->ops->pause(d, paused, done, done_arg);
	if (rc >= 0)
		d->record->state = paused ? ENGINE_PAUSED : ENGINE_RUNNING;
	return rc;
}

int engine_pause(struct engine *e, uint16_t domid, engine_done *done, void *done_arg)
{
	return set_paused(e, domid, true, done, done_arg);
}

int engine_unpause(struct engine *e, uint16_t domid, engine_done *done, void *done_arg)
{
	return set_paused(e, domid, false, done, done_arg);
}

int engine_shutdown(struct engine *e, uint16_t domid, bool reboot, unsigned int grace_ms)
{
	struct engine_domain *d = engine_find(e, domid);

	if (!d)
		return -ENOENT;
	if (d->record->state != ENGINE_RUNNING && d->record->state != ENGINE_PAUSED)
		return -EINVAL;
	d->record->reboot = reboot;
	/* A kernel of its own says it by itself. */
	if (!d->ops->own_kernel) {
		d->record->reason = reboot ? SHUTDOWN_reboot : SHUTDOWN_poweroff;
		d->record->has_reason = 1;
	}
	return d->ops->shutdown(d, grace_ms);
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

static int set_all_cpus(struct engine_domain *d, const cpu_set_t *cpus)
{
	cpu_set_t set = *cpus;
	int rc = 0;

	/* Twice: a thread born while we read the list has the old set only if its parent had. */
	for (int i = 0; !rc && i < 2; i++)
		rc = cgroups_for_each_task(&d->engine->cgroups, d->domid, set_affinity, &set);
	return rc;
}

int engine_set_cpus(struct engine *e, uint16_t domid, const cpu_set_t *cpus,
		    const cpu_set_t *vcpu_cpus, unsigned int nr)
{
	struct engine_domain *d = engine_find(e, domid);
	int rc;

	if (!d)
		return -ENOENT;
	rc = engine_check_cpus(cpus);
	if (!rc)
		rc = d->ops->set_cpus ? d->ops->set_cpus(d, cpus, vcpu_cpus, nr)
				      : set_all_cpus(d, cpus);
	if (!rc)
		d->record->cpus = *cpus;
	return rc;
}

int engine_sched(struct engine *e, uint16_t domid, unsigned int weight, unsigned int cap)
{
	struct engine_domain *d = engine_find(e, domid);
	struct cgroup_limits limits;

	if (!d)
		return -ENOENT;
	limits = limits_of(d->ops, d->record);
	return cgroups_sched(&e->cgroups, domid, weight, cap ? cap : 100 * limits.nr_cpus);
}

int engine_vcpu(struct engine *e, uint16_t domid, unsigned int vcpu, struct engine_vcpu *out)
{
	struct engine_domain *d = engine_find(e, domid);

	*out = (struct engine_vcpu){ .cpu = -1 };
	if (!d)
		return -ENOENT;
	return d->ops->vcpu && d->record->state != ENGINE_CREATED ? d->ops->vcpu(d, vcpu, out)
								  : -EOPNOTSUPP;
}

int engine_ask(struct engine *e, uint16_t domid, const struct engine_question *q)
{
	struct engine_domain *d = engine_find(e, domid);

	if (!d)
		return -ENOENT;
	if (!d->ops->ask)
		return -EOPNOTSUPP;
	return d->record->state == ENGINE_CREATED ? -EINVAL : d->ops->ask(d, q);
}

unsigned int engine_copied(struct engine *e, uint16_t domid,
			   struct engine_round rounds[ENGINE_MAX_ROUNDS])
{
	struct engine_domain *d = engine_find(e, domid);

	return d && d->ops->copied && d->launch ? d->ops->copied(d, rounds) : 0;
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
		.own_kernel = d->ops->own_kernel,
		.starting = r->starting,
	};
	if (d->ops->memory_mib && d->launch && r->state != ENGINE_CREATED)
		info->memory_mib = d->ops->memory_mib(d);
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
