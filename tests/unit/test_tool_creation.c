/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What whoever makes a domain hears of its devices, and that one with disks runs only when they are open. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/util/tool_fixture.h"

#define WEB   "name='web'\ntype='ns'\ninit='x'\nmemory=64\n"
#define GUEST "name='web'\ntype='pvh'\nkernel='/k'\nmemory=64\n"
#define DISK  "disk=['/bin/sh,raw,xvda,ro']\n"
#define VBD   "/local/domain/0/backend/vbd/1/51712/"
#define VIF   "/local/domain/0/backend/vif/1/0/"

static void write_node(struct fixture *f, const char *path, const char *value)
{
	assert_int_equal(hv_store_write(f->store, 0, path, value, strlen(value)), 0);
}

/* The call is not answered, and has got as far as @path. */
static void await_node(struct fixture *f, struct call *c, const char *path)
{
	char *value = NULL;

	for (int i = 0; i < 200 && !value; i++) {
		assert_false(call_turn(f, c, 20));
		if (hv_store_read(f->store, 0, path, &value, NULL))
			value = NULL;
	}
	assert_non_null(value);
	free(value);
}

static void begin(struct fixture *f, struct call *c, const char *text, int timeout_ms)
{
	call_begin(f, c, "domain.create",
		   json_pack("{s:o, s:i}", "config", config_of(text), "timeout-ms", timeout_ms));
}

static void refused(struct fixture *f, struct call *c, const char *why)
{
	json_t *error = call_finish(f, c, -EREMOTEIO);

	if (!strstr(tool_config_text(error, "message", ""), why))
		fail_msg("%s", tool_config_text(error, "message", ""));
	json_decref(error);
}

/* @why: NULL: nothing is missing; else the only one that is. */
static void made(struct fixture *f, struct call *c, const char *why)
{
	json_t *answer = call_finish(f, c, 0), *missing = json_object_get(answer, "missing");

	assert_int_equal(json_integer_value(json_object_get(answer, "domid")), 1);
	assert_int_equal(json_array_size(missing), why ? 1 : 0);
	if (why && !strstr(tool_config_text(json_array_get(missing, 0), "why", ""), why))
		fail_msg("%s", tool_config_text(json_array_get(missing, 0), "why", ""));
	json_decref(answer);
}

static bool runs(const struct fixture *f)
{
	return f->engine.domains[1].info.state == TOOL_HOST_RUNNING;
}

/* It has got as far as its disk, and its kernel is loaded. */
static void started(struct fixture *f, struct call *c)
{
	await_node(f, c, VBD "state");
	tool_domain_started(f->tool, 1, NULL);
}

static void runs_when_its_disks_are_open(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, GUEST DISK, 10000);
	started(f, &c);
	write_node(f, VBD "state", "2");
	assert_false(call_turn(f, &c, 100));
	assert_false(runs(f));
	write_node(f, VBD "hotplug-status", "connected");
	made(f, &c, NULL);
	assert_true(runs(f));
}

static void stays_paused_when_asked_to(void **state)
{
	struct fixture *f = *state;
	struct call c;

	call_begin(f, &c, "domain.create",
		   json_pack("{s:o, s:i, s:b}", "config", config_of(GUEST DISK), "timeout-ms",
			     10000, "paused", true));
	started(f, &c);
	write_node(f, VBD "hotplug-status", "connected");
	made(f, &c, NULL);
	assert_false(runs(f));
}

/* Its disks are open before its kernel is loaded. */
static void started_late(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, GUEST DISK, 10000);
	await_node(f, &c, VBD "state");
	write_node(f, VBD "hotplug-status", "connected");
	assert_false(call_turn(f, &c, 100));
	tool_domain_started(f->tool, 1, NULL);
	made(f, &c, NULL);
	assert_true(runs(f));
}

static void ended_without_a_disk(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, GUEST DISK, 10000);
	started(f, &c);
	write_node(f, VBD "state", "2");
	write_node(f, VBD "hotplug-error", "/bin/sh: in another's use");
	write_node(f, VBD "hotplug-status", "error");
	refused(f, &c, "vbd 51712: /bin/sh: in another's use");
	write_node(f, VBD "state", "6");
	for (int i = 0; i < 100 && !list_empty(&f->tool->domains); i++)
		loop_turn(f->loop, 10);
	assert_true(list_empty(&f->tool->domains));
	assert_false(f->engine.domains[1].exists);
}

/* Nobody waits for a kernel to be loaded for nothing. */
static void ended_before_it_has_started(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, GUEST DISK, 10000);
	await_node(f, &c, VBD "state");
	write_node(f, VBD "hotplug-error", "/bin/sh: no image");
	write_node(f, VBD "hotplug-status", "error");
	refused(f, &c, "vbd 51712: /bin/sh: no image");
	assert_false(f->engine.domains[1].exists);
}

static void runs_without_a_vif(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, WEB "vif=['bridge=br9']\n", 10000);
	await_node(f, &c, VIF "state");
	assert_true(runs(f));
	write_node(f, VIF "state", "2");
	write_node(f, VIF "hotplug-error", "no bridge br9: create it");
	write_node(f, VIF "hotplug-status", "error");
	made(f, &c, "no bridge br9: create it");
	assert_true(runs(f));
}

/* Backends may come later: what is missing is said, and waits for them. */
static void nobody_serves(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, GUEST DISK, 200);
	started(f, &c);
	made(f, &c, "start vifrost-blkback");
	assert_true(runs(f));
}

static void an_image_is_missing(void **state)
{
	struct fixture *f = *state;

	call_refused(f, "domain.create",
		     json_pack("{s:o}", "config", config_of(GUEST "disk=['/none,raw,xvda,w']\n")),
		     "not-found", "disk xvda: /none: No such file or directory");
	call_refused(
		f, "domain.create",
		json_pack("{s:o}", "config", config_of(GUEST "disk=['/dev/null,raw,xvda,w']\n")),
		"invalid", "disk xvda: /dev/null: neither a file nor a block device");
	assert_int_equal(f->engine.last, 0);
}

static void ends_by_itself_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, WEB "vif=['']\n", 10000);
	await_node(f, &c, VIF "state");
	tool_domain_ended(f->tool, 1, 0);
	made(f, &c, NULL);
}

static void destroyed_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, GUEST DISK, 10000);
	started(f, &c);
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	refused(f, &c, "domain 1 is gone");
}

/* Who waits is gone with the daemon; the domain is not to stand still for ever. */
static void the_daemon_dies_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct call c;

	begin(f, &c, GUEST DISK, 10000);
	started(f, &c);
	assert_false(runs(f));
	fixture_stop(f);
	json_decref(call_finish(f, &c, -ECONNRESET));
	fixture_start(f);
	assert_true(runs(f));

	/* Once. */
	call_drop(f, "domain.pause", json_pack("{s:i}", "domid", 1));
	fixture_stop(f);
	fixture_start(f);
	assert_false(runs(f));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(runs_when_its_disks_are_open),
		TEST(stays_paused_when_asked_to),
		TEST(started_late),
		TEST(ended_without_a_disk),
		TEST(runs_without_a_vif),
		TEST(nobody_serves),
		TEST(an_image_is_missing),
		TEST(ends_by_itself_meanwhile),
		TEST(destroyed_meanwhile),
		TEST(the_daemon_dies_meanwhile),
		TEST(ended_before_it_has_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
