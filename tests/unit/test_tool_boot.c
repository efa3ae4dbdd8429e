/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Domains whose kernel a bootloader finds: started with it, refused, given up, anew after a restart of the daemon. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/util/tool_fixture.h"

#define GUEST                                                                                      \
	"name='g'\ntype='pvh'\nmemory=64\nextra='quiet'\nbootloader='/usr/bin/sh'\n"               \
	"disk=['/usr/bin/sh,raw,xvda,ro']\n"
#define FOUND                                                                                      \
	"bootloader_args=['-c', \"\"\"echo KERNEL > /out/k && "                                    \
	"printf 'kernel /out/k\\\\0args a b\\\\0\\\\0'\"\"\"]\n"
#define HANGS "bootloader_args=['-c', 'while :; do :; done']\n"
#define FAILS "bootloader_args=['-c', 'echo a broken image >&2; exit 1']\n"

static json_t *params(const char *text, bool paused)
{
	return json_pack("{s:o, s:b, s:i}", "config", config_of(text), "paused", paused,
			 "timeout-ms", 100);
}

static void turn_until(struct fixture *f, bool (*is_there)(struct fixture *f))
{
	uint64_t end = clock_ms() + 15000;

	while (!is_there(f) && clock_ms() < end)
		loop_turn(f->loop, 10);
	assert_true(is_there(f));
}

static bool is_booting(struct fixture *f)
{
	struct tool_domain *d = tool_find(f->tool, 1);

	return d && d->boot;
}

static bool has_booted(struct fixture *f)
{
	struct tool_domain *d = tool_find(f->tool, 1);

	return d && d->booted;
}

static void starts(void **state)
{
	struct fixture *f = *state;
	const json_t *boot;
	struct call c;
	json_t *made;

	call_begin(f, &c, "domain.create", params(GUEST FOUND, false));
	turn_until(f, has_booted);
	assert_null(tool_find(f->tool, 1)->boot);
	assert_int_equal(f->engine.domains[1].kernel_size, 7);
	assert_string_equal(f->engine.domains[1].cmdline, "a b");
	tool_domain_started(f->tool, 1, NULL);
	made = call_finish(f, &c, 0);
	boot = json_object_get(made, "bootloader");
	assert_int_equal(json_integer_value(json_object_get(boot, "kernel-size")), 7);
	assert_string_equal(tool_config_text(boot, "cmdline", ""), "a b");
	json_decref(made);

	/* Its image may have another kernel when it comes back. */
	tool_domain_ended(f->tool, 1, 1 /* SHUTDOWN_reboot */);
	assert_null(tool_find(f->tool, 1));
	assert_non_null(tool_find(f->tool, 2));
	assert_non_null(tool_find(f->tool, 2)->boot);
}

static void fails(void **state)
{
	struct fixture *f = *state;

	call_refused(f, "domain.create", params(GUEST FAILS, false), "failed",
		     "sh: a broken image");
	assert_null(tool_find(f->tool, 1));
	assert_false(f->engine.domains[1].exists);
	f->engine.fail_start = -EIO;
	call_refused(f, "domain.create", params(GUEST FOUND, false), "failed", "made to fail");
	assert_false(f->engine.domains[2].exists);
}

static void given_up(void **state)
{
	struct fixture *f = *state;
	json_t *error;
	struct call c;

	call_begin(f, &c, "domain.create", params(GUEST HANGS, false));
	turn_until(f, is_booting);
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	error = call_finish(f, &c, -EREMOTEIO);
	assert_string_equal(tool_config_text(error, "code", ""), "gone");
	json_decref(error);
	assert_false(f->engine.domains[1].exists);
}

/* A successor finds a domain that nothing was started in. */
static void daemon_dies(void **state)
{
	struct fixture *f = *state;

	for (int paused = 0; paused < 2; paused++) {
		uint16_t domid = (uint16_t)(f->engine.last + 1);
		struct tool_domain *d;
		struct call c;

		call_begin(f, &c, "domain.create", params(GUEST HANGS, paused));
		while (!(d = tool_find(f->tool, domid)) || !d->boot)
			loop_turn(f->loop, 10);
		fixture_stop(f);
		assert_true(call_turn(f, &c, 15000));
		assert_int_not_equal(c.rc, 0);
		json_decref(c.result);
		fixture_start(f);
		assert_null(tool_find(f->tool, domid));
		d = tool_find(f->tool, (uint16_t)(domid + 1));
		assert_int_equal(d && d->boot, !paused);
		if (d)
			tool_domain_destroy(d, false);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "bootloader='/usr/bin/sh'", "needs a disk" },
		{ "bootloader='/usr/bin/none'\ndisk=['/bin/sh,raw,xvda,w']", "no such program" },
		{ "bootloader='/usr/bin/sh'\ndisk=['/x,raw,xvda,w']", "/x: No such file" },
	};
	struct fixture *f = *state;
	char text[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct call c;
		json_t *error;

		snprintf(text, sizeof(text), "name='g'\ntype='pvh'\nmemory=64\n%s\n",
			 cases[i].text);
		call_begin(f, &c, "domain.create", params(text, false));
		error = call_finish(f, &c, -EREMOTEIO);
		if (!strstr(tool_config_text(error, "message", ""), cases[i].why))
			fail_msg("%s: %s", text, tool_config_text(error, "message", ""));
		json_decref(error);
		assert_true(list_empty(&f->tool->domains));
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest pure[] = { TEST(refused) };
	const struct CMUnitTest as_root[] = { TEST(starts), TEST(fails), TEST(given_up),
					      TEST(daemon_dies) };
	int failed = cmocka_run_group_tests_name("tool_boot_refused", pure, NULL, NULL);

	if (geteuid()) {
		puts("needs root for the rest");
		return failed;
	}
	return failed + cmocka_run_group_tests_name("tool_boot", as_root, NULL, NULL);
}
