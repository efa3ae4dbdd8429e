/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows "pvh" and "pv" of the engines' table: unmodified kernels, each in a runner of its own. */
#include "hv/engine_kvm.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/log.h"
#include "hv/engine_process.h"

#define OVERHEAD_MIB 96 /* of a runner, its page tables included; what is used is much less */

static bool is_pv(const struct engine_config *c)
{
	return !strcmp(c->type, "pv");
}

static unsigned int most_mib(const struct engine_config *c)
{
	unsigned int mib = c->max_memory_mib > c->memory_mib ? c->max_memory_mib : c->memory_mib;

	return mib + (is_pv(c) ? KVM_SHIM_MIB : 0);
}

static unsigned int span_mib(const struct engine_config *c)
{
	return (unsigned int)(kvm_launch_span((uint64_t)most_mib(c) << 20) >> 20);
}

/* Return: how many bytes they have. */
static int shim_args(const struct engine_config *c, char args[KVM_LAUNCH_ARGS])
{
	return snprintf(args, KVM_LAUNCH_ARGS, "%s%s%s",
			c->shim_cmdline ? c->shim_cmdline : "pv-shim console=xen",
			c->shim_extra ? " " : "", c->shim_extra ? c->shim_extra : "");
}

static int check_numbers(const struct engine_config *c, char why[ENGINE_WHY])
{
	unsigned int most = c->max_vcpus ? c->max_vcpus : c->nr_vcpus;
	char args[KVM_LAUNCH_ARGS];

	if (!c->kernel && !c->kernel_later) {
		snprintf(why, ENGINE_WHY,
			 "kernel: a domain of type \"%s\" needs one, or a bootloader", c->type);
		return -EINVAL;
	}
	if (!c->nr_vcpus || most < c->nr_vcpus || most > KVM_LAUNCH_MAX_VCPUS) {
		snprintf(why, ENGINE_WHY, "vcpus: 1 to maxvcpus, which is at most %d",
			 KVM_LAUNCH_MAX_VCPUS);
		return -EINVAL;
	}
	if (c->cmdline && strlen(c->cmdline) >= KVM_LAUNCH_ARGS) {
		snprintf(why, ENGINE_WHY, "the kernel's command line has %zu bytes; at most %d",
			 strlen(c->cmdline), KVM_LAUNCH_ARGS - 1);
		return -E2BIG;
	}
	if (is_pv(c) && shim_args(c, args) >= KVM_LAUNCH_ARGS) {
		snprintf(why, ENGINE_WHY, "pvshim_cmdline and pvshim_extra: at most %d bytes",
			 KVM_LAUNCH_ARGS - 1);
		return -E2BIG;
	}
	return 0;
}

/* What domains that run may take yet: their memory is the host's until they touch it. */
static uint64_t promised_mib(struct engine *e)
{
	uint64_t sum = 0, used;

	for (uint16_t domid = engine_next(e, 0); domid; domid = engine_next(e, domid)) {
		const struct engine_domain *d = engine_find(e, domid);
		uint64_t mib = d->record ? d->record->start_mib : 0;

		if (!d->ops || !d->ops->own_kernel || !d->record ||
		    d->record->state == ENGINE_CREATED ||
		    cgroups_memory(&e->cgroups, domid, &used) < 0)
			continue;
		used >>= 20;
		sum += used < mib ? mib - used : 0;
	}
	return sum;
}

static int check(struct engine *e, const struct engine_config *c, char why[ENGINE_WHY])
{
	struct kvm_files files;
	int rc = check_numbers(c, why);

	if (!rc)
		rc = kvm_check_memory(c->memory_mib + (is_pv(c) ? KVM_SHIM_MIB : 0),
				      promised_mib(e), why);
	if (!rc)
		rc = kvm_files_open(c, &files, why);
	if (rc < 0)
		return rc;
	kvm_files_close(&files);
	rc = kvm_device_check(&e->kvm, why);
	if (!rc && e->runner_fd < 0)
		rc = e->runner_fd = engine_open_beside("vifrost-kvm", why);
	return rc < 0 ? rc : 0;
}

static int pvh_usable(struct engine *e, char why[ENGINE_WHY])
{
	return kvm_device_check(&e->kvm, why);
}

static int pv_usable(struct engine *e, char why[ENGINE_WHY])
{
	char shim[PATH_MAX];
	int rc = pvh_usable(e, why);

	return rc ? rc : kvm_find_shim(NULL, shim, why);
}

/* The last part of @path, which messages name. */
static void name_file(char name[KVM_LAUNCH_NAME], const char *path)
{
	size_t len = strlen(path), from = 0;

	if (len >= KVM_LAUNCH_NAME)
		from = len - (KVM_LAUNCH_NAME - 1);
	memcpy(name, path + from, len - from + 1);
}

static void set_modules(struct kvm_launch *l, const struct engine_config *c)
{
	const char *cmdline = c->cmdline ? c->cmdline : "";
	char shim[PATH_MAX] = "xen-shim", why[ENGINE_WHY];

	if (is_pv(c)) {
		kvm_find_shim(c->shim, shim, why);
		name_file(l->kernel_name, shim);
		shim_args(c, l->args);
		name_file(l->module_name[0], c->kernel);
		snprintf(l->module_args[0], sizeof(l->module_args[0]), "%s", cmdline);
		l->nr_modules = 1;
	} else {
		name_file(l->kernel_name, c->kernel);
		snprintf(l->args, sizeof(l->args), "%s", cmdline);
	}
	if (c->ramdisk)
		name_file(l->module_name[l->nr_modules++], c->ramdisk);
}

static int prepare(struct engine_domain *d, const struct engine_config *c, const char *tty)
{
	struct kvm_launch *l = d->launch;
	unsigned int extra = is_pv(c) ? KVM_SHIM_MIB : 0;

	(void)tty;
	/* The rest is 0, as a new memfd is. */
	l->magic = KVM_LAUNCH_MAGIC;
	l->uid = l->gid = NS_UID_BASE(d->domid);
	l->nr_vcpus = c->nr_vcpus;
	l->max_vcpus = d->record->max_vcpus;
	l->memory = (uint64_t)(c->memory_mib + extra) << 20;
	l->max_memory = (uint64_t)most_mib(c) << 20;
	memcpy(l->uuid, c->uuid, sizeof(l->uuid));
	for (uint32_t i = 0; c->vcpu_cpus && i < l->max_vcpus; i++)
		l->cpus[i] = c->vcpu_cpus[i];
	if (c->kernel)
		set_modules(l, c);
	return 0;
}

static int start(struct engine_domain *d, const struct engine_config *c,
		 const struct cgroup_join *join, bool paused, char why[ENGINE_WHY])
{
	struct kvm_launch *l = d->launch;
	struct kvm_files files;
	int rc = kvm_files_open(c, &files, why);

	if (rc < 0)
		return rc;
	l->flags = (paused ? KVM_LAUNCH_PAUSED : 0) | (c->restore ? KVM_LAUNCH_RESTORE : 0);
	l->nr_modules = 0;
	if (!c->restore)
		set_modules(l, c);
	if (d->engine->runner_fd < 0)
		rc = d->engine->runner_fd = engine_open_beside("vifrost-kvm", why);
	if (rc >= 0)
		rc = kvm_start(d, &files, join, why);
	kvm_files_close(&files);
	return rc < 0 ? rc : 1;
}

static int set_paused(struct engine_domain *d, bool paused, engine_done *done, void *done_arg)
{
	const struct engine_question q = { .what = paused ? ENGINE_PAUSE : ENGINE_UNPAUSE,
					   .fd = -1,
					   .done = done,
					   .done_arg = done_arg };
	int rc = kvm_ask(d, &q);

	return rc < 0 ? rc : 1;
}

static int shut_down(struct engine_domain *d, unsigned int grace_ms)
{
	const struct engine_question q = {
		.what = ENGINE_TRIGGER,
		.arg = d->record->reboot ? ENGINE_TRIGGER_RESET : ENGINE_TRIGGER_POWER,
		.fd = -1,
	};

	(void)grace_ms;
	return kvm_ask(d, &q);
}

/* Without what its balloon has given back, as the runner counts it. */
static unsigned int memory_now(struct engine_domain *d)
{
	const struct kvm_launch *l = d->launch;
	uint64_t out = __atomic_load_n(&l->stats.balloon_pages, __ATOMIC_RELAXED) >> 8;
	uint64_t most = d->record->memory_mib;

	return (unsigned int)(out < most ? most - out : 0);
}

static unsigned int end_reason(struct engine_domain *d)
{
	char why[ENGINE_WHY];

	kvm_why_not(d, why);
	log_warning("domain %u (%s): %s", d->domid, d->record->name, why);
	return SHUTDOWN_crash;
}

#define KVM_ROW(type_, usable_)                                                                    \
	{                                                                                          \
		.type = type_, .launch_size = KVM_LAUNCH_SIZE,                                     \
		.needs = PART_BIT(PART_LAUNCH) | PART_BIT(PART_SOCKET) | PART_BIT(PART_FIRST) |    \
			 PART_BIT(PART_CONTROL),                                                   \
		.nr_pids = 2 * KVM_LAUNCH_MAX_VCPUS, .asks_kvm = true, .own_kernel = true,         \
		.overhead_mib = OVERHEAD_MIB, .span_mib = span_mib, .check = check,                \
		.usable = usable_, .prepare = prepare, .start = start, .pause = set_paused,        \
		.shutdown = shut_down, .memory_mib = memory_now, .set_cpus = kvm_set_cpus,         \
		.vcpu = kvm_vcpu, .ask = kvm_ask, .control = kvm_control, .look = kvm_look,        \
		.why_not = kvm_why_not, .end_reason = end_reason, .copied = kvm_copied,            \
	}

const struct engine_ops engine_pvh = KVM_ROW("pvh", pvh_usable);
const struct engine_ops engine_pv = KVM_ROW("pv", pv_usable);
