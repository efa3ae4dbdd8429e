/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cards of a machine that runs: plugged in and taken out, in whatever order QEMU, vifrostd and the guest act. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xen/io/xenbus.h>
#include <xen/sched.h>

#include "tests/util/tool_fixture.h"

#define MACHINE "name='m'\nbuilder='hvm'\nmemory=64\nvif=['model=e1000,bridge=b']\n"
#define BACKEND "/local/domain/0/backend/vif/1/1"

static int64_t state_of(struct fixture *f)
{
	return tool_store_number(f->tool, BACKEND, "state");
}

static void placed(struct fixture *f, const char *status)
{
	assert_int_equal(
		hv_store_write(f->store, 0, BACKEND "/hotplug-status", status, strlen(status)), 0);
}

static void turn_until_state(struct fixture *f, int64_t state)
{
	for (int i = 0; i < 300 && state_of(f) != state; i++)
		loop_turn(f->loop, 10);
	assert_int_equal(state_of(f), state);
}

/* The engine's answer to what it was asked last. */
static void engine_says(struct fixture *f, const char *error)
{
	struct fake_nic nic = f->engine.domains[1].nic;

	assert_non_null(nic.done);
	assert_int_equal(nic.devid, 1);
	f->engine.domains[1].nic.done = NULL;
	nic.done(nic.arg, error);
}

static void begin_attach(struct fixture *f, struct call *c, const char *model)
{
	call_begin(f, c, "network.attach",
		   json_pack("{s:i, s:{s:s, s:s}, s:i}", "domid", 1, "vif", "model", model,
			     "bridge", "b", "timeout-ms", 60000));
	for (int i = 0; i < 300 && state_of(f) < 0; i++)
		assert_false(call_turn(f, c, 10));
}

static void begin_detach(struct fixture *f, struct call *c, unsigned int nr_asked_out)
{
	call_begin(f, c, "network.detach",
		   json_pack("{s:i, s:i, s:i}", "domid", 1, "devid", 1, "timeout-ms", 60000));
	for (int i = 0; i < 300 && f->engine.domains[1].nr_asked_out == nr_asked_out; i++)
		assert_false(call_turn(f, c, 10));
}

static size_t nr_cards(struct fixture *f)
{
	json_t *list = call(f, "network.list", json_pack("{s:i}", "domid", 1));
	size_t nr = json_array_size(list);

	json_decref(list);
	return nr;
}

static void attach_ok(struct fixture *f)
{
	struct call c;

	begin_attach(f, &c, "e1000");
	engine_says(f, NULL);
	placed(f, "connected");
	json_decref(call_finish(f, &c, 0));
}

static void in_and_out(void **state)
{
	struct fixture *f = *state;
	struct call c;

	create_ok(f, MACHINE);
	begin_attach(f, &c, "e1000");
	/* Its link is not there yet: nobody is to place it. */
	assert_int_equal(f->engine.domains[1].nr_plugged, 1);
	assert_int_equal(state_of(f), XenbusStateInitialising);
	engine_says(f, NULL);
	assert_int_equal(state_of(f), XenbusStateInitWait);
	assert_false(call_turn(f, &c, 20));
	placed(f, "connected");
	json_decref(call_finish(f, &c, 0));
	turn_until_state(f, XenbusStateConnected);
	assert_int_equal(nr_cards(f), 2);

	begin_detach(f, &c, 0);
	/* The guest has it as long as it likes. */
	assert_false(call_turn(f, &c, 20));
	engine_says(f, NULL);
	json_decref(call_finish(f, &c, 0));
	assert_true(state_of(f) < 0);
	assert_int_equal(nr_cards(f), 1);
	/* The number is free. */
	attach_ok(f);
}

/* What QEMU connects to is only there when it is placed. */
static void by_shared_memory(void **state)
{
	struct fixture *f = *state;
	struct call c;

	create_ok(f, MACHINE);
	begin_attach(f, &c, "vhost-user");
	turn_until_state(f, XenbusStateInitWait);
	assert_int_equal(f->engine.domains[1].nr_plugged, 0);
	placed(f, "connected");
	for (int i = 0; i < 300 && !f->engine.domains[1].nr_plugged; i++)
		assert_false(call_turn(f, &c, 10));
	/* Once, however often its area changes. */
	placed(f, "connected");
	assert_false(call_turn(f, &c, 20));
	assert_int_equal(f->engine.domains[1].nr_plugged, 1);
	engine_says(f, NULL);
	json_decref(call_finish(f, &c, 0));
	assert_int_equal(state_of(f), XenbusStateConnected);
}

static void nothing_is_left(void **state)
{
	struct fixture *f = *state;
	struct call c;

	create_ok(f, MACHINE);
	/* Not even asked. */
	f->engine.fail_nic = -EBUSY;
	call_refused(f, "network.attach",
		     json_pack("{s:i, s:{s:s}}", "domid", 1, "vif", "bridge", "b"), "busy",
		     "made to fail");
	f->engine.fail_nic = 0;
	assert_int_equal(nr_cards(f), 1);
	/* QEMU says no. */
	begin_attach(f, &c, "e1000");
	engine_says(f, "QEMU: no slot");
	json_decref(call_finish(f, &c, -EREMOTEIO));
	assert_true(state_of(f) < 0);
	assert_int_equal(f->engine.domains[1].nr_asked_out, 0);
	/* vifrostd says no: it is taken out again. */
	begin_attach(f, &c, "e1000");
	engine_says(f, NULL);
	placed(f, "error");
	json_decref(call_finish(f, &c, -EREMOTEIO));
	assert_int_equal(f->engine.domains[1].nr_asked_out, 1);
	engine_says(f, NULL);
	assert_true(state_of(f) < 0);
	/* Placed, and then it cannot be plugged in. */
	begin_attach(f, &c, "vhost-user");
	turn_until_state(f, XenbusStateInitWait);
	f->engine.fail_nic = -EAGAIN;
	placed(f, "connected");
	json_decref(call_finish(f, &c, -EREMOTEIO));
	f->engine.fail_nic = 0;
	assert_true(state_of(f) < 0);
	assert_int_equal(nr_cards(f), 1);
}

static void by_force(void **state)
{
	struct fixture *f = *state;
	json_t *answer;
	struct call c;

	create_ok(f, MACHINE);
	attach_ok(f);
	/* A guest that does not let go. */
	answer = call(f, "network.detach",
		      json_pack("{s:i, s:i, s:i}", "domid", 1, "devid", 1, "timeout-ms", 20));
	assert_true(json_is_true(json_object_get(answer, "forced")));
	json_decref(answer);
	assert_int_equal(f->engine.domains[1].nr_cut, 1);
	assert_true(state_of(f) < 0);
	/* The domain ends while its guest is asked, and while a card is plugged in. */
	attach_ok(f);
	begin_detach(f, &c, 1);
	tool_domain_ended(f->tool, 1, SHUTDOWN_poweroff);
	json_decref(call_finish(f, &c, 0));
	engine_says(f, "QEMU has ended");
	assert_null(tool_find(f->tool, 1));
}

/* Its disks, as the list has them: "hda vdb". */
static void disks_are(struct fixture *f, const char *want)
{
	json_t *list = call(f, "block.list", json_pack("{s:i}", "domid", 1)), *disk;
	char names[128] = "";
	size_t i;

	json_array_foreach (list, i, disk)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
			 tool_config_text(json_object_get(disk, "config"), "vdev", ""));
	assert_string_equal(names, want);
	json_decref(list);
}

static void begin_disk(struct fixture *f, struct call *c, const char *method, json_t *params)
{
	f->engine.domains[1].disk.done = NULL;
	call_begin(f, c, method, params);
	for (int i = 0; i < 300 && !f->engine.domains[1].disk.done; i++)
		assert_false(call_turn(f, c, 10));
}

static void disk_says(struct fixture *f, const char *error)
{
	struct fake_nic disk = f->engine.domains[1].disk;

	f->engine.domains[1].disk.done = NULL;
	disk.done(disk.arg, error);
}

static json_t *disk_vdb(void)
{
	return json_pack("{s:i, s:{s:s, s:s}}", "domid", 1, "disk", "vdev", "vdb", "target", "/b");
}

static void disks_come_and_go(void **state)
{
	json_t *detach = json_pack("{s:i, s:s, s:i}", "domid", 1, "vdev", "vdb", "timeout-ms", 20);
	struct fixture *f = *state;
	struct call c;

	create_ok(f, MACHINE "disk=['/bin/sh,raw,hda,w']\n");
	disks_are(f, "hda");
	begin_disk(f, &c, "block.attach", disk_vdb());
	/* Only what is there is listed. */
	disks_are(f, "hda");
	disk_says(f, "no");
	json_decref(call_finish(f, &c, -EREMOTEIO));
	disks_are(f, "hda");
	begin_disk(f, &c, "block.attach", disk_vdb());
	disk_says(f, NULL);
	json_decref(call_finish(f, &c, 0));
	disks_are(f, "hda vdb");
	call_refused(f, "block.attach", disk_vdb(), "invalid", "no other disk");
	call_refused(
		f, "block.attach",
		json_pack("{s:i, s:{s:s, s:s}}", "domid", 1, "disk", "vdev", "vdc", "target", "b"),
		"invalid", "absolute path");
	call_refused(f, "block.detach", json_pack("{s:i, s:s}", "domid", 1, "vdev", "vdc"),
		     "not-found", NULL);
	f->engine.fail_nic = -EBUSY;
	call_refused(f, "block.detach", json_pack("{s:i, s:s}", "domid", 1, "vdev", "vdb"), "busy",
		     "made to fail");
	f->engine.fail_nic = 0;

	/* The guest takes its time: who asked is told, and it goes all the same. */
	begin_disk(f, &c, "block.detach", json_incref(detach));
	json_decref(call_finish(f, &c, -EREMOTEIO));
	disks_are(f, "hda vdb");
	disk_says(f, NULL);
	disks_are(f, "hda");
	/* By its number; and at the domain's end. */
	begin_disk(f, &c, "block.detach", json_pack("{s:i, s:i}", "domid", 1, "devid", 768));
	tool_domain_ended(f->tool, 1, SHUTDOWN_poweroff);
	disk_says(f, NULL);
	json_decref(call_finish(f, &c, -EREMOTEIO));
	assert_null(tool_find(f->tool, 1));
	json_decref(detach);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_and_out), TEST(by_shared_memory),  TEST(nothing_is_left),
		TEST(by_force),	  TEST(disks_come_and_go),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
