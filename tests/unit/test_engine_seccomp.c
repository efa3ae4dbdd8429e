/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel lets a guest and its front do under the filters they are started with. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/engine_ns.h"

#define FD 100 /* in arguments: the shared eventfd */

struct
try {
	const char *what;
	long nr;
	unsigned long args[4];
};

/* Asked so that a kernel that does not deny them finds another fault, or nothing to do. */
static const struct try guest_denied[] = {
	{ "mount", SYS_mount, { 0, 1, 1, 0 } },
	{ "umount2", SYS_umount2, { 1, ~0ul } },
	{ "pivot_root", SYS_pivot_root, { 1, 1 } },
	{ "setns", SYS_setns, { ~0ul, 0 } },
	{ "unshare", SYS_unshare, { 0 } },
	{ "bpf", SYS_bpf, { ~0ul, 0, 0 } },
	{ "kexec_load", SYS_kexec_load, { 0, 1ul << 20, 0, 0 } },
	{ "finit_module", SYS_finit_module, { ~0ul, 0, ~0ul } },
	{ "perf_event_open", SYS_perf_event_open, { 0, 0, ~0ul, ~0ul } },
	{ "io_uring_setup", SYS_io_uring_setup, { 0, 0 } },
	{ "open_by_handle_at", SYS_open_by_handle_at, { ~0ul, 1, ~0ul } },
	{ "ioctl TIOCSTI", SYS_ioctl, { ~0ul, TIOCSTI } },
	{ "ioctl TIOCSTI, a high bit", SYS_ioctl, { ~0ul, TIOCSTI | 1ul << 32 } },
	{ "socket AF_VSOCK", SYS_socket, { AF_VSOCK, ~0ul, 0 } },
	{ "socket AF_ALG", SYS_socket, { AF_ALG, ~0ul, 0 } },
	{ NULL, 0, { 0 } },
};

static const struct try front_denied[] = {
	{ "F_SETFL to blocking", SYS_fcntl, { FD, F_SETFL, 0 } },
	{ "F_SETFL with a high bit", SYS_fcntl, { FD, F_SETFL | 1ul << 32, O_APPEND } },
	{ "FIONBIO", SYS_ioctl, { FD, FIONBIO, 1 } },
	{ "FIONBIO with a high bit", SYS_ioctl, { FD, FIONBIO | 1ul << 32, 1 } },
	{ NULL, 0, { 0 } },
};

static const struct try front_allowed[] = {
	{ "F_GETFL", SYS_fcntl, { FD, F_GETFL } },
	{ "F_SETFL that stays non-blocking", SYS_fcntl, { FD, F_SETFL, O_NONBLOCK } },
	{ "a socket", SYS_socket, { AF_INET, SOCK_DGRAM, 0 } },
	{ NULL, 0, { 0 } },
};

static int errno_of(const struct try *t)
{
	const unsigned long *a = t->args;

	return syscall(t->nr, a[0], a[1], a[2], a[3]) < 0 ? errno : 0;
}

/* In a child, behind @filter unless it is NULL. Return: errno, -1 when it cannot be tried. */
static int attempt(const struct try *t, struct sock_filter *filter, uint32_t nr)
{
	struct sock_fprog program = { (unsigned short)nr, filter };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd = eventfd(0, EFD_NONBLOCK);

		if (fd < 0 || dup2(fd, FD) < 0)
			_exit(255);
		if (filter && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0))
			_exit(255);
		_exit(errno_of(t));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

static void all_denied(const struct try *t, enum ns_filter kind)
{
	struct sock_filter filter[NS_MAX_FILTER];
	uint32_t nr;
	int error;

	assert_int_equal(ns_seccomp_build(kind, filter, &nr), 0);
	for (; t->what; t++) {
		error = attempt(t, filter, nr);
		if (error != EPERM)
			fail_msg("%s: %d, not EPERM", t->what, error);
		/* Else this would be no test of the filter. Others than root are denied much anyway. */
		if (geteuid() == 0 && t->nr != SYS_perf_event_open && attempt(t, NULL, 0) == EPERM)
			print_message("%s: denied here without a filter too\n", t->what);
	}
}

static void test_guest(void **state)
{
	(void)state;
	all_denied(guest_denied, NS_FILTER_GUEST);
	all_denied(guest_denied, NS_FILTER_FRONT);
}

static void test_front(void **state)
{
	struct sock_filter filter[NS_MAX_FILTER];
	uint32_t nr;

	(void)state;
	for (const struct try *t = front_denied; t->what; t++)
		assert_int_not_equal(attempt(t, NULL, 0), EPERM);
	all_denied(front_denied, NS_FILTER_FRONT);
	all_denied(front_denied, NS_FILTER_PROGRAM);
	assert_int_equal(ns_seccomp_build(NS_FILTER_FRONT, filter, &nr), 0);
	for (const struct try *t = front_allowed; t->what; t++)
		if (attempt(t, filter, nr) != 0)
			fail_msg("%s: denied", t->what);
	/* A guest's own descriptors are its own affair. */
	assert_int_equal(ns_seccomp_build(NS_FILTER_GUEST, filter, &nr), 0);
	assert_int_equal(attempt(&front_denied[0], filter, nr), 0);
}

/* Poll-mode programs insist on pinning themselves: told that they are, and left where they were. */
static void test_program(void **state)
{
	struct sock_filter filter[NS_MAX_FILTER];
	const struct try pin = { "sched_setaffinity", SYS_sched_setaffinity, { 0, 0, 0 } };
	uint32_t nr;

	(void)state;
	assert_int_equal(ns_seccomp_build(NS_FILTER_PROGRAM, filter, &nr), 0);
	assert_int_equal(attempt(&pin, filter, nr), 0);
	assert_int_not_equal(attempt(&pin, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest),
		cmocka_unit_test(test_front),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
