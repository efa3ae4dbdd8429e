/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever /dev/kvm this machine has, the answer comes in time and has a cure; it is the same however little of
 * the machine the question gets, and nobody has to stand still for it.
 */
#include "hv/engine_kvm_device.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static int ask(const char *path, char why[KVM_PROBE_WHY])
{
	struct kvm_probe p;
	int rc = kvm_probe_start(&p, path, why);

	return rc ? rc : kvm_probe_end(&p, KVM_PROBE_MS, why);
}

static void no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_in_time(void **state)
{
	char why[KVM_PROBE_WHY];
	uint64_t start = clock_ms(), took;
	int rc = ask(KVM_DEVICE, why);

	(void)state;
	took = clock_ms() - start;
	print_message("%d in %u ms: %s\n", rc, (unsigned int)took, why);
	assert_true(rc <= 0);
	assert_int_equal(!rc, !why[0]);
	assert_true(took < KVM_PROBE_MS + 2000);
	no_child_is_left();
}

/* As on a machine that has other things to do. */
static void test_held_up(void **state)
{
	char why[KVM_PROBE_WHY], held_why[KVM_PROBE_WHY];
	struct kvm_probe p;
	int rc = ask(KVM_DEVICE, why);

	(void)state;
	if (kvm_probe_start(&p, KVM_DEVICE, held_why))
		skip();
	kill(p.pid, SIGSTOP);
	usleep(2 * KVM_PROBE_CPU_MS * 1000);
	kill(p.pid, SIGCONT);
	assert_int_equal(kvm_probe_end(&p, KVM_PROBE_MS, held_why), rc);
	assert_string_equal(held_why, why);
	no_child_is_left();
	/* One that gets nothing at all is not judged. */
	assert_int_equal(kvm_probe_start(&p, KVM_DEVICE, why), 0);
	kill(p.pid, SIGSTOP);
	assert_int_equal(kvm_probe_end(&p, 50, why), -EAGAIN);
	assert_non_null(strstr(why, "try again"));
	no_child_is_left();
}

static void test_none(void **state)
{
	char why[KVM_PROBE_WHY];

	(void)state;
	assert_int_equal(ask("/nowhere/kvm", why), -ENOENT);
	assert_non_null(strstr(why, "/nowhere/kvm is not there"));
	assert_non_null(strstr(why, "firmware"));
	assert_int_equal(ask("/dev/null", why), -ENODEV);
	assert_non_null(strstr(why, "/dev/null"));
}

static void count(void *arg, int rc)
{
	int *told = arg;

	told[rc ? 1 : 0]++;
}

static void test_waiters(void **state)
{
	char why[KVM_PROBE_WHY], want[KVM_PROBE_WHY];
	int told[2] = { 0 }, rc = ask(KVM_DEVICE, want), turns = 0;
	struct loop *loop;
	struct kvm_device k;

	(void)state;
	if (access(KVM_DEVICE, R_OK | W_OK) < 0)
		skip();
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(kvm_device_init(&k, loop, KVM_DEVICE), 0);
	/* Those who can wait do not keep the loop: the child stands still, and it turns. */
	assert_true(kvm_device_await(&k, count, told));
	kill(k.probe.pid, SIGSTOP);
	assert_true(kvm_device_await(&k, count, told));
	assert_true(loop_turn(loop, 100) == 0);
	assert_int_equal(told[0], 0);
	kill(k.probe.pid, SIGCONT);
	while (!told[0] && turns++ < 100)
		loop_turn(loop, 100);
	assert_int_equal(told[0], 2);
	no_child_is_left();
	assert_false(kvm_device_await(&k, count, told));
	assert_int_equal(kvm_device_check(&k, why), rc);
	assert_string_equal(why, want);
	kvm_device_fini(&k);

	/* Who cannot wait finds it out for those who do. */
	assert_int_equal(kvm_device_init(&k, loop, KVM_DEVICE), 0);
	assert_true(kvm_device_await(&k, count, told));
	assert_int_equal(kvm_device_check(&k, why), rc);
	assert_int_equal(told[0], 2);
	assert_int_equal(loop_turn(loop, 1000), 1);
	assert_int_equal(told[0], 3);
	kvm_device_fini(&k);

	/* At the end of it all. */
	assert_int_equal(kvm_device_init(&k, loop, KVM_DEVICE), 0);
	assert_true(kvm_device_await(&k, count, told));
	kvm_device_fini(&k);
	assert_int_equal(told[1], 1);
	no_child_is_left();
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_time),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_waiters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
