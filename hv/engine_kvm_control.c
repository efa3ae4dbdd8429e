/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a runner is asked and what it says. It is of a guest's making as far as we know: what it writes into
 * the launch block or sends costs its own domain only.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/sched.h>

#include "base/log.h"
#include "base/unixsock.h"
#include "hv/engine_kvm.h"
#include "hv/kvm/control.h"

#define SKIP_5	" %*s %*s %*s %*s %*s "
#define SKIP_35 SKIP_5 SKIP_5 SKIP_5 SKIP_5 SKIP_5 SKIP_5 SKIP_5
#define BATCH	16 /* of packets, before the others have their turn */

static const uint32_t operations[] = {
	[ENGINE_TRIGGER] = KVM_CONTROL_TRIGGER,	      [ENGINE_DUMP_CORE] = KVM_CONTROL_DUMP_CORE,
	[ENGINE_MAX_MEMORY] = KVM_CONTROL_MAX_MEMORY, [ENGINE_SAVE] = KVM_CONTROL_SAVE,
	[ENGINE_RESUME] = KVM_CONTROL_RESUME,	      [ENGINE_PAUSE] = KVM_CONTROL_PAUSE,
	[ENGINE_UNPAUSE] = KVM_CONTROL_UNPAUSE,	      [ENGINE_COPY] = KVM_CONTROL_COPY,
	[ENGINE_COPY_END] = KVM_CONTROL_COPY_END,
};

_Static_assert((int)ENGINE_TRIGGER_NMI == (int)KVM_TRIGGER_NMI &&
		       (int)ENGINE_TRIGGER_INIT == (int)KVM_TRIGGER_INIT &&
		       (int)ENGINE_TRIGGER_RESET == (int)KVM_TRIGGER_RESET &&
		       (int)ENGINE_TRIGGER_POWER == (int)KVM_TRIGGER_POWER &&
		       (int)ENGINE_TRIGGER_CRASH == (int)KVM_TRIGGER_CRASH,
	       "triggers are passed on as they are");
_Static_assert(ENGINE_MAX_ROUNDS == KVM_LAUNCH_MAX_ROUNDS, "all of them");

int kvm_ask(struct engine_domain *d, const struct engine_question *q)
{
	struct kvm_control_request request = {
		.magic = KVM_CONTROL_MAGIC,
		.id = engine_domain_asking(d, q),
		.op = operations[q->what],
		.arg = q->arg,
		.vcpu = q->vcpu,
		.value = q->value,
	};
	ssize_t n;

	if (!request.id)
		return -EBUSY;
	n = unixsock_send(d->fds[PART_CONTROL], &request, sizeof(request), &q->fd, q->fd >= 0);
	if (n >= 0)
		return 0;
	engine_domain_forget(d, request.id);
	return (int)n;
}

/* The launch block's why, as one line that can be shown. Return: whether it says anything. */
static bool copy_why(const struct kvm_launch *l, char why[ENGINE_WHY])
{
	snprintf(why, ENGINE_WHY, "%.*s", KVM_LAUNCH_WHY - 1, l->why);
	for (char *p = why; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	return why[0];
}

static uint32_t stage_of(const struct engine_domain *d)
{
	const struct kvm_launch *l = d->launch;

	return __atomic_load_n(&l->stage, __ATOMIC_ACQUIRE);
}

static unsigned int reason_of(const struct engine_domain *d)
{
	const struct kvm_launch *l = d->launch;
	uint32_t reason = __atomic_load_n(&l->reason, __ATOMIC_ACQUIRE);

	return reason <= SHUTDOWN_MAX ? reason : SHUTDOWN_crash;
}

void kvm_why_not(struct engine_domain *d, char why[ENGINE_WHY])
{
	siginfo_t info = { 0 };

	if (stage_of(d) == KVM_STAGE_FAILED && copy_why(d->launch, why))
		return;
	snprintf(why, ENGINE_WHY, "its runner vifrost-kvm died");
	/* Only if it is our child, not our predecessor's. */
	if (waitid(P_PIDFD, (id_t)d->fds[PART_FIRST], &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    !info.si_pid)
		return;
	if (info.si_code == CLD_EXITED)
		snprintf(why, ENGINE_WHY, "its runner vifrost-kvm ended with status %d",
			 info.si_status);
	else
		snprintf(why, ENGINE_WHY, "its runner vifrost-kvm was killed by signal %d (%s)",
			 info.si_status, strsignal(info.si_status));
}

static void event(struct engine_domain *d, const struct kvm_control_reply *r)
{
	char why[ENGINE_WHY];

	switch (r->event) {
	case KVM_EVENT_READY:
		engine_domain_started(d, NULL);
		break;
	case KVM_EVENT_FAILED:
		if (!copy_why(d->launch, why))
			snprintf(why, sizeof(why), "its runner does not say why");
		if (d->record->starting) {
			engine_domain_started(d, why);
		} else {
			log_warning("domain %u (%s): %s", d->domid, d->record->name, why);
			engine_domain_stopped(d, SHUTDOWN_crash);
		}
		break;
	case KVM_EVENT_SHUTDOWN:
		engine_domain_stopped(d, r->arg <= SHUTDOWN_MAX ? r->arg : SHUTDOWN_crash);
		break;
	default:
		break;
	}
}

static void reply(struct engine_domain *d, const struct kvm_control_reply *r)
{
	struct engine_record *record = d->record;

	/* Before whoever waits for it is told. */
	for (size_t i = 0; i < ENGINE_MAX_ASKED; i++) {
		if (d->asked[i].id != r->id || d->asked[i].what != ENGINE_RESUME || r->status ||
		    record->state != ENGINE_STOPPED)
			continue;
		record->has_reason = 0;
		record->state = ENGINE_RUNNING;
	}
	engine_domain_answered(d, r->id, r->status > 0 ? -EPROTO : r->status);
}

void kvm_control(struct engine_domain *d)
{
	struct engine *e = d->engine;
	uint16_t domid = d->domid;

	for (int i = 0; i < BATCH && engine_find(e, domid) == d; i++) {
		struct kvm_control_reply r;
		size_t nr_fds = 0;
		ssize_t n = unixsock_recv(d->fds[PART_CONTROL], &r, sizeof(r), NULL, &nr_fds);

		if (n == -EAGAIN || n == -EINTR)
			return;
		/* Its death tells the rest. */
		if (n <= 0) {
			loop_fd_del(&d->control_watcher);
			return;
		}
		if (n != sizeof(r) || r.magic != KVM_CONTROL_MAGIC)
			continue;
		if (r.id)
			reply(d, &r);
		else
			event(d, &r);
	}
}

void kvm_look(struct engine_domain *d)
{
	struct engine_record *r = d->record;
	uint32_t stage = stage_of(d);

	if (stage == KVM_STAGE_READY || stage == KVM_STAGE_SHUTDOWN)
		r->starting = 0;
	if (stage != KVM_STAGE_SHUTDOWN || r->state == ENGINE_STOPPED)
		return;
	r->reason = reason_of(d);
	r->has_reason = 1;
	r->state = ENGINE_STOPPED;
}

unsigned int kvm_copied(struct engine_domain *d, struct engine_round rounds[ENGINE_MAX_ROUNDS])
{
	const struct kvm_launch *l = d->launch;
	uint32_t nr = __atomic_load_n(&l->copy.nr_rounds, __ATOMIC_ACQUIRE);

	if (nr > ENGINE_MAX_ROUNDS)
		nr = ENGINE_MAX_ROUNDS;
	for (uint32_t i = 0; i < nr; i++)
		rounds[i] = (struct engine_round){ l->copy.rounds[i].pages, l->copy.rounds[i].ms };
	return nr;
}

/* A thread's of the runner, not another's whose number it says, or has when the runner is gone. */
static bool task_path(const struct engine_domain *d, int tid, const char *file, char path[64])
{
	struct pollfd gone = { .fd = d->fds[PART_FIRST], .events = POLLIN };

	snprintf(path, 64, "/proc/%d/task/%d/%s", d->record->init_pid, tid, file);
	return tid > 0 && access(path, F_OK) == 0 && poll(&gone, 1, 0) == 0;
}

int kvm_set_cpus(struct engine_domain *d, const cpu_set_t *cpus, const cpu_set_t *vcpu_cpus,
		 unsigned int nr)
{
	struct kvm_launch *l = d->launch;
	char path[64];

	for (uint32_t i = 0; i < d->record->max_vcpus; i++) {
		const cpu_set_t *set = i < nr ? &vcpu_cpus[i] : cpus;
		int tid = __atomic_load_n(&l->vcpu[i].tid, __ATOMIC_ACQUIRE);

		/* For those that have no thread yet. */
		l->cpus[i] = *set;
		if (task_path(d, tid, "stat", path) &&
		    sched_setaffinity(tid, sizeof(*set), set) < 0 && errno != ESRCH)
			return -errno;
	}
	return 0;
}

static void read_exits(const struct kvm_launch_vcpu *v, struct engine_exits *out)
{
	out->all = __atomic_load_n(&v->exits, __ATOMIC_RELAXED);
	out->hypercalls = __atomic_load_n(&v->hypercalls, __ATOMIC_RELAXED);
	out->timers = __atomic_load_n(&v->timers, __ATOMIC_RELAXED);
	out->kicks = __atomic_load_n(&v->kicks, __ATOMIC_RELAXED);
	out->io = __atomic_load_n(&v->io, __ATOMIC_RELAXED);
	out->mmio = __atomic_load_n(&v->mmio, __ATOMIC_RELAXED);
}

int kvm_vcpu(struct engine_domain *d, unsigned int vcpu, struct engine_vcpu *out)
{
	const struct kvm_launch *l = d->launch;
	unsigned long long ns = 0;
	char path[64], state = 0;
	FILE *f;
	int tid;

	if (vcpu >= d->record->max_vcpus)
		return -ENOENT;
	tid = __atomic_load_n(&l->vcpu[vcpu].tid, __ATOMIC_ACQUIRE);
	out->online = __atomic_load_n(&l->vcpu[vcpu].online, __ATOMIC_ACQUIRE);
	read_exits(&l->vcpu[vcpu], &out->exits);
	f = task_path(d, tid, "schedstat", path) ? fopen(path, "re") : NULL;
	if (f && fscanf(f, "%llu", &ns) == 1)
		out->cpu_ns = ns;
	if (f)
		fclose(f);
	f = task_path(d, tid, "stat", path) ? fopen(path, "re") : NULL;
	/* The third field, behind the name, and the 39th. */
	if (f && fscanf(f, "%*d (%*[^)]) %c" SKIP_35 "%d", &state, &out->cpu) != 2)
		out->cpu = -1;
	out->running = state == 'R';
	if (f)
		fclose(f);
	return 0;
}
