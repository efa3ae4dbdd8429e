/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vifrost-hvd makes of a runner's packets and launch block, and of a host that cannot run one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/sched.h>

#include "base/log.h"
#include "base/unixsock.h"
#include "hv/engine_kvm.h"
#include "hv/kvm/control.h"
#include "tests/util/engine_rig.h"

struct fixture {
	struct engine_rig rig;
	int runner; /* its end of the control socket */
	unsigned int nr_done;
	int rc;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	engine_rig_create(&f->rig, "pvh", KVM_LAUNCH_SIZE);
	f->rig.d->record->starting = 1;
	f->rig.d->record->next_id = UINT32_MAX;
	f->rig.d->record->max_vcpus = 2;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	f->rig.d->fds[PART_CONTROL] = pair[0];
	f->runner = pair[1];
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	engine_rig_destroy(&f->rig);
	close(f->runner);
	free(f);
	return 0;
}

static void say(struct fixture *f, uint32_t event, uint32_t arg)
{
	const struct kvm_control_reply r = { .magic = KVM_CONTROL_MAGIC,
					     .event = event,
					     .arg = arg };

	assert_int_equal(send(f->runner, &r, sizeof(r), 0), sizeof(r));
	kvm_control(f->rig.d);
}

static void done(void *arg, int rc)
{
	struct fixture *f = arg;

	f->nr_done++;
	f->rc = rc;
}

static void its_life(void **state)
{
	struct fixture *f = *state;

	say(f, KVM_EVENT_READY, 0);
	assert_int_equal(f->rig.nr_started, 1);
	assert_string_equal(f->rig.why, "");
	/* Once is enough. */
	say(f, KVM_EVENT_READY, 0);
	assert_int_equal(f->rig.nr_started, 1);
	say(f, KVM_EVENT_SHUTDOWN, SHUTDOWN_reboot);
	assert_int_equal(f->rig.nr_stopped, 1);
	assert_int_equal(f->rig.reason, SHUTDOWN_reboot);
	say(f, KVM_EVENT_SHUTDOWN, SHUTDOWN_crash);
	assert_int_equal(f->rig.nr_stopped, 1);
	assert_int_equal(f->rig.d->record->reason, SHUTDOWN_reboot);
}

static void its_failure(void **state)
{
	struct fixture *f = *state;
	struct kvm_launch *l = f->rig.d->launch;

	/* Without an end, and with what a terminal would act on. */
	memset(l->why, 'x', sizeof(l->why));
	memcpy(l->why, "a\033[2Jb\n", 7);
	l->stage = KVM_STAGE_FAILED;
	say(f, KVM_EVENT_FAILED, 0);
	assert_int_equal(f->rig.nr_started, 1);
	assert_int_equal(f->rig.nr_stopped, 0);
	assert_memory_equal(f->rig.why, "a?[2Jb?xxx", 10);
	assert_int_equal(strlen(f->rig.why), KVM_LAUNCH_WHY - 1);
	assert_int_equal(f->rig.d->record->state, ENGINE_STOPPED);
}

static void hostile_packets(void **state)
{
	struct fixture *f = *state;
	struct kvm_control_reply r = { .magic = KVM_CONTROL_MAGIC + 1, .event = KVM_EVENT_READY };
	char much[4096] = { 0 };

	send(f->runner, "", 0, 0);
	send(f->runner, &r, sizeof(r), 0);
	r.magic = KVM_CONTROL_MAGIC;
	send(f->runner, &r, sizeof(r) - 1, 0);
	memcpy(much, &r, sizeof(r));
	send(f->runner, much, sizeof(much), 0);
	r.event = 0x80000000;
	send(f->runner, &r, sizeof(r), 0);
	/* Answers to what nobody asked. */
	for (uint32_t id = 1; id < 40; id++) {
		r.id = id;
		send(f->runner, &r, sizeof(r), 0);
	}
	for (int i = 0; i < 10; i++)
		kvm_control(f->rig.d);
	assert_int_equal(f->rig.nr_started, 0);
	assert_int_equal(f->rig.nr_stopped, 0);
	assert_int_equal(f->rig.d->record->state, ENGINE_RUNNING);
	say(f, KVM_EVENT_SHUTDOWN, 0xffffffff);
	assert_int_equal(f->rig.reason, SHUTDOWN_crash);
}

static void questions(void **state)
{
	struct fixture *f = *state;
	const struct engine_question q = {
		.what = ENGINE_DUMP_CORE, .fd = f->runner, .done = done, .done_arg = f
	};
	struct kvm_control_request got;
	struct kvm_control_reply r = { .magic = KVM_CONTROL_MAGIC, .status = -ENOSPC };
	size_t nr_fds = 1;
	int fd = -1, rc = 0;

	assert_int_equal(engine_ask(f->rig.engine, ENGINE_RIG_DOMID, &q), 0);
	assert_int_equal(unixsock_recv(f->runner, &got, sizeof(got), &fd, &nr_fds), sizeof(got));
	assert_int_equal(nr_fds, 1);
	close(fd);
	assert_int_equal(got.magic, KVM_CONTROL_MAGIC);
	assert_int_equal(got.op, KVM_CONTROL_DUMP_CORE);
	assert_int_equal(got.id, UINT32_MAX);
	r.id = got.id;
	for (int i = 0; i < 2; i++) {
		send(f->runner, &r, sizeof(r), 0);
		kvm_control(f->rig.d);
		assert_int_equal(f->nr_done, 1);
	}
	assert_int_equal(f->rc, -ENOSPC);
	/* The next id is no event's. */
	assert_int_equal(f->rig.d->record->next_id, 1);
	/* So many at a time; all are answered when it goes. */
	for (int i = 0; i < 2 * ENGINE_MAX_ASKED && !rc; i++)
		rc = engine_ask(f->rig.engine, ENGINE_RIG_DOMID, &q);
	assert_int_equal(rc, -EBUSY);
	engine_domain_free(f->rig.d);
	assert_int_equal(f->nr_done, 1 + ENGINE_MAX_ASKED);
	assert_int_equal(f->rc, -EPIPE);
}

/* Its state is the new one at once; done() is called when the runner says that vCPUs stand still. */
static void pauses(void **state)
{
	struct fixture *f = *state;
	struct kvm_control_request got;
	struct kvm_control_reply r = { .magic = KVM_CONTROL_MAGIC };

	assert_int_equal(engine_unpause(f->rig.engine, ENGINE_RIG_DOMID, done, f), -EINVAL);
	assert_int_equal(engine_pause(f->rig.engine, ENGINE_RIG_DOMID, done, f), 1);
	assert_int_equal(f->rig.d->record->state, ENGINE_PAUSED);
	assert_int_equal(recv(f->runner, &got, sizeof(got), 0), sizeof(got));
	assert_int_equal(got.op, KVM_CONTROL_PAUSE);
	kvm_control(f->rig.d);
	assert_int_equal(f->nr_done, 0);
	r.id = got.id;
	send(f->runner, &r, sizeof(r), 0);
	kvm_control(f->rig.d);
	assert_int_equal(f->nr_done, 1);
	assert_int_equal(f->rc, 0);
	assert_int_equal(engine_unpause(f->rig.engine, ENGINE_RIG_DOMID, NULL, NULL), 1);
	assert_int_equal(f->rig.d->record->state, ENGINE_RUNNING);
}

/* As its balloon has it; a runner that says more than there is harms its own domain's number only. */
static void its_memory(void **state)
{
	struct fixture *f = *state;
	struct kvm_launch *l = f->rig.d->launch;
	struct engine_info info;

	f->rig.d->record->memory_mib = 160;
	assert_int_equal(engine_info(f->rig.engine, ENGINE_RIG_DOMID, &info), 0);
	assert_int_equal(info.memory_mib, 160);
	l->stats.balloon_pages = 64 * 256 + 3;
	assert_int_equal(engine_info(f->rig.engine, ENGINE_RIG_DOMID, &info), 0);
	assert_int_equal(info.memory_mib, 96);
	l->stats.balloon_pages = UINT64_MAX;
	assert_int_equal(engine_info(f->rig.engine, ENGINE_RIG_DOMID, &info), 0);
	assert_int_equal(info.memory_mib, 0);
}

/* A successor learns from the launch block what it was not told. */
static void what_it_has_come_to(void **state)
{
	struct fixture *f = *state;
	struct kvm_launch *l = f->rig.d->launch;

	l->stage = 0xffffffff;
	kvm_look(f->rig.d);
	assert_int_equal(f->rig.d->record->starting, 1);
	l->stage = KVM_STAGE_READY;
	kvm_look(f->rig.d);
	assert_int_equal(f->rig.d->record->starting, 0);
	assert_int_equal(f->rig.d->record->state, ENGINE_RUNNING);
	l->stage = KVM_STAGE_SHUTDOWN;
	l->reason = 77;
	kvm_look(f->rig.d);
	assert_int_equal(f->rig.d->record->state, ENGINE_STOPPED);
	assert_int_equal(f->rig.d->record->reason, SHUTDOWN_crash);
}

/* A runner cannot have us pin, or look at, another's threads. */
static void threads(void **state)
{
	struct fixture *f = *state;
	struct kvm_launch *l = f->rig.d->launch;
	cpu_set_t before, after, one;
	struct engine_vcpu v;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &before))
			CPU_SET(i, &one);
	f->rig.d->record->init_pid = getppid();
	l->vcpu[0].tid = getpid();
	l->vcpu[1].tid = -1;
	l->vcpu[0].exits = 7;
	l->vcpu[0].timers = 3;
	assert_int_equal(kvm_set_cpus(f->rig.d, &one, &one, 1), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	assert_int_equal(engine_vcpu(f->rig.engine, ENGINE_RIG_DOMID, 0, &v), 0);
	assert_int_equal(v.cpu, -1);
	assert_int_equal(v.cpu_ns, 0);
	assert_int_equal(v.exits.all, 7);
	assert_int_equal(v.exits.timers, 3);
	assert_int_equal(engine_vcpu(f->rig.engine, ENGINE_RIG_DOMID, 2, &v), -ENOENT);
	assert_int_equal(CPU_COUNT(&l->cpus[0]), 1);
}

static void what_is_missing(void **state)
{
	struct engine_config c = { .type = "pv", .kernel = "/none" };
	char why[ENGINE_WHY] = "", path[PATH_MAX];
	struct kvm_files files;

	(void)state;
	assert_int_equal(kvm_check_memory(1, 0, why), 0);
	assert_int_equal(kvm_check_memory(UINT32_MAX, 0, why), -ENOMEM);
	assert_int_equal(kvm_check_memory(1, UINT32_MAX, why), -ENOMEM);
	assert_non_null(strstr(why, "end other domains"));
	setenv("VIFROST_XEN_SHIM", "/no/shim", 1);
	assert_int_equal(kvm_find_shim(NULL, path, why), 0);
	assert_string_equal(path, "/no/shim");
	assert_int_equal(kvm_find_shim("/their/own", path, why), 0);
	assert_string_equal(path, "/their/own");
	if (access("/dev/kvm", R_OK | W_OK)) {
		assert_true(kvm_files_open(&c, &files, why) < 0);
		assert_non_null(strstr(why, "/dev/kvm"));
		assert_non_null(strstr(why, "type=\"ns\""));
	} else {
		assert_int_equal(kvm_files_open(&c, &files, why), -ENOENT);
		assert_string_equal(why, "xen-shim: /no/shim: No such file or directory");
		c.type = "pvh";
		assert_int_equal(kvm_files_open(&c, &files, why), -ENOENT);
		assert_string_equal(why, "kernel: /none: No such file or directory");
		c.kernel = "/dev/null";
		assert_int_equal(kvm_files_open(&c, &files, why), -EINVAL);
		c.kernel = "/proc/self/exe";
		c.ramdisk = "/";
		assert_int_equal(kvm_files_open(&c, &files, why), -EINVAL);
		assert_string_equal(why, "ramdisk: /: not a file");
		c.ramdisk = NULL;
		assert_int_equal(kvm_files_open(&c, &files, why), 0);
		kvm_files_close(&files);
	}
	unsetenv("VIFROST_XEN_SHIM");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_life),
		TEST(its_failure),
		TEST(hostile_packets),
		TEST(questions),
		TEST(pauses),
		TEST(its_memory),
		TEST(what_it_has_come_to),
		TEST(threads),
		cmocka_unit_test(what_is_missing),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
