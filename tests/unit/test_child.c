/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children that outlive us: started, found, not mistaken for another, ended. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/child.h"
#include "base/clock.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vifrost-child.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const files[] = { "a.child", "a.log" };
	char path[128];

	(void)state;
	child_stop(dir, "a", 100);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static int start(const char *script, const char *const *env, pid_t *pid)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct child_spec spec = { .rundir = dir, .name = "a", .argv = argv, .env = env };

	return child_start(&spec, pid);
}

static void log_text(char *text, size_t size)
{
	char path[128];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/a.log", dir);
	f = fopen(path, "r");
	if (f) {
		n = fread(text, 1, size - 1, f);
		fclose(f);
	}
	text[n] = '\0';
}

static void test_life(void **state)
{
	pid_t pid = 0, again = 0;

	(void)state;
	assert_int_equal(child_find(dir, "a", &pid), -ESRCH);
	assert_int_equal(start("exec sleep 60", NULL, &pid), 0);
	assert_true(pid > 1);
	assert_int_not_equal(getsid(pid), getsid(0));
	assert_int_equal(child_find(dir, "a", &again), 0);
	assert_int_equal(again, pid);
	assert_int_equal(start("exec sleep 60", NULL, &again), -EALREADY);
	assert_int_equal(again, pid);
	assert_int_equal(child_stop(dir, "a", 2000), 0);
	assert_int_equal(child_find(dir, "a", NULL), -ESRCH);
	assert_int_equal(child_stop(dir, "a", 2000), 0);
	/* It was never ours to wait for. */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

static void test_what_it_gets(void **state)
{
	static const char *const env[] = { "VF_WORD=word", NULL };
	char text[256] = "";
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	/* A number that the shell does not use. */
	assert_int_equal(dup2(fds[0], 77), 77);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(start("echo \"$VF_WORD $(pwd) $(ls /proc/$$/fd | tr '\\n' ' ')\";"
			       "grep SigIgn /proc/$$/status",
			       env, NULL),
			 0);
	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 200 && !strstr(text, "SigIgn"); i++) {
		usleep(10000);
		log_text(text, sizeof(text));
	}
	/* No descriptor of ours, no ignored signal. */
	assert_non_null(strstr(text, "word / 0 1 2"));
	assert_null(strstr(text, " 77"));
	assert_non_null(strstr(text, "0000000000000000"));
	close(77);
	close(fds[0]);
	close(fds[1]);
}

static void test_no_such_program(void **state)
{
	const char *argv[] = { "vifrost-no-such-program", NULL };
	struct child_spec spec = { .rundir = dir, .name = "a", .argv = argv };

	(void)state;
	assert_int_equal(child_start(&spec, NULL), -ENOENT);
	assert_int_equal(child_find(dir, "a", NULL), -ESRCH);
}

static void test_stubborn_is_killed(void **state)
{
	char text[64] = "";
	uint64_t before;

	(void)state;
	assert_int_equal(start("trap '' TERM; echo deaf; while :; do sleep 1; done", NULL, NULL),
			 0);
	for (int i = 0; i < 200 && !strstr(text, "deaf"); i++) {
		usleep(10000);
		log_text(text, sizeof(text));
	}
	before = clock_ms();
	assert_int_equal(child_stop(dir, "a", 100), 0);
	assert_true(clock_ms() - before >= 100);
	assert_int_equal(child_find(dir, "a", NULL), -ESRCH);
}

/* Another process with the pid that is written down, another boot, no number: none is signalled. */
static void test_not_mistaken(void **state)
{
	static const char *const others[] = { "%d 1 00000000-0000-0000-0000-000000000000\n", "%d\n",
					      "", "x\n", "-%d 1 x\n" };
	char path[128], mine[128] = "";
	pid_t other;
	FILE *f;

	(void)state;
	assert_int_equal(start("exec sleep 60", NULL, NULL), 0);
	snprintf(path, sizeof(path), "%s/a.child", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(mine, sizeof(mine), f));
	fclose(f);
	other = fork();
	assert_true(other >= 0);
	if (other == 0) {
		pause();
		_exit(0);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		f = fopen(path, "w");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(f, others[i], (int)other);
#pragma GCC diagnostic pop
		fclose(f);
		assert_int_equal(child_find(dir, "a", NULL), -ESRCH);
		assert_int_equal(child_signal(dir, "a", SIGKILL), -ESRCH);
		assert_int_equal(child_stop(dir, "a", 100), 0);
		assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	}
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	f = fopen(path, "w");
	fputs(mine, f);
	fclose(f);
	assert_int_equal(child_signal(dir, "a", SIGTERM), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_it_gets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stubborn_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_mistaken, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
