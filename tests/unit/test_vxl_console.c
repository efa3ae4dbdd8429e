/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vxl console between two real terminals: the operator's, and a domain's. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/vxl.h"

struct terminal {
	int master, slave;
	char name[64];
};

struct session {
	struct terminal operator, domain;
	pid_t pid;
};

static void open_terminal(struct terminal *t)
{
	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(t->master >= 0);
	assert_int_equal(grantpt(t->master), 0);
	assert_int_equal(unlockpt(t->master), 0);
	assert_int_equal(ptsname_r(t->master, t->name, sizeof(t->name)), 0);
	t->slave = open(t->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(t->slave >= 0);
}

static bool is_raw(const struct terminal *t)
{
	struct termios now;

	assert_int_equal(tcgetattr(t->slave, &now), 0);
	return !(now.c_lflag & (ICANON | ECHO | ISIG));
}

static int setup(void **state)
{
	struct session *s = calloc(1, sizeof(*s));

	open_terminal(&s->operator);
	open_terminal(&s->domain);
	assert_false(is_raw(&s->operator));
	s->pid = fork();
	if (s->pid == 0) {
		int fd = vxl_console_open(s->domain.name);

		/* One that never ends is a failure, not a hang. */
		alarm(10);
		close(s->operator.master);
		close(s->domain.master);
		if (fd < 0 || dup2(s->operator.slave, 0) < 0 || dup2(s->operator.slave, 1) < 0)
			_exit(99);
		_exit(vxl_console_run(fd));
	}
	for (int i = 0; i < 500 && !is_raw(&s->operator); i++)
		usleep(10000);
	assert_true(is_raw(&s->operator));
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct session *s = *state;

	close(s->operator.master);
	close(s->operator.slave);
	close(s->domain.master);
	close(s->domain.slave);
	free(s);
	return 0;
}

static void type(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect(int fd, const char *want)
{
	char got[64] = "";
	size_t n = 0;

	while (n < strlen(want)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t more;

		assert_int_equal(poll(&p, 1, 5000), 1);
		more = read(fd, got + n, sizeof(got) - 1 - n);
		assert_true(more > 0);
		n += (size_t)more;
	}
	assert_string_equal(got, want);
}

static void expect_nothing(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 100), 0);
}

static void expect_left(struct session *s)
{
	int status;

	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(is_raw(&s->operator));
}

static void test_escape_leaves(void **state)
{
	struct session *s = *state;

	/* Ctrl-C and Ctrl-D are the domain's, not ours. */
	type(s->operator.master, "ab\003\004c");
	expect(s->domain.master, "ab\003\004c");
	type(s->domain.master, "login: ");
	expect(s->operator.master, "login: ");
	type(s->operator.master, "xy\035z");
	expect_left(s);
	expect(s->domain.master, "xy");
	expect_nothing(s->domain.master);
}

static void test_domain_ends(void **state)
{
	struct session *s = *state;

	type(s->domain.master, "bye");
	expect(s->operator.master, "bye");
	close(s->domain.slave);
	close(s->domain.master);
	s->domain.slave = s->domain.master = -1;
	expect_left(s);
}

static void test_signal_restores(void **state)
{
	struct session *s = *state;
	int status;

	assert_int_equal(kill(s->pid, SIGTERM), 0);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_false(is_raw(&s->operator));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_escape_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domain_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal_restores, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
