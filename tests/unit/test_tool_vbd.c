/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks in the toolstack: their xenstore areas, attach and detach, drives, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/xlcfg.h"
#include "tests/util/tool_fixture.h"

#define WEB "name='web'\ntype='ns'\ninit='x'\nmemory=64\n"

static const char *const disks_of_web[] = {
	"phy:/bin/sh,xvda,w", "format=qcow2,vdev=xvdb1,access=ro,target=/bin/cat",
	"devtype=cdrom,vdev=hdc,target=", "/bin/ls,raw,xvdz,w!"
};

static void node_is(struct fixture *f, const char *path, const char *want)
{
	char *value = NULL;
	int rc = hv_store_read(f->store, 0, path, &value, NULL);

	if (!want && rc != -ENOENT)
		fail_msg("%s is there: %s", path, value);
	if (want && (rc || strcmp(value, want)))
		fail_msg("%s is '%s', not '%s'", path, rc ? strerror(-rc) : value, want);
	free(value);
}

/* The call, which is not answered yet, has got as far as that; its thread may be late. */
static void await_node(struct fixture *f, struct call *c, const char *path, const char *want)
{
	char *value = NULL;

	for (int i = 0; i < 200; i++) {
		assert_false(call_turn(f, c, 50));
		if (!hv_store_read(f->store, 0, path, &value, NULL) && !strcmp(value, want))
			break;
		free(value);
		value = NULL;
	}
	free(value);
	node_is(f, path, want);
}

static void write_node(struct fixture *f, const char *path, const char *value)
{
	assert_int_equal(hv_store_write(f->store, 0, path, value, strlen(value)), 0);
}

static void create(struct fixture *f)
{
	struct diag_place place = { NULL, 0, 1, NULL };
	struct diags diags = { 0 };
	json_t *config = config_of(WEB), *disks = json_array(), *disk;

	for (size_t i = 0; i < sizeof(disks_of_web) / sizeof(*disks_of_web); i++) {
		assert_int_equal(xlcfg_parse_disk(disks_of_web[i], &place, &diags, &disk), 0);
		json_array_append_new(disks, disk);
	}
	diags_fini(&diags);
	json_object_set_new(config, "disk", disks);
	call_drop(f, "domain.create", json_pack("{s:o}", "config", config));
}

#define BACKEND	 "/local/domain/0/backend/vbd/1/"
#define FRONTEND "/local/domain/1/device/vbd/"

static void areas(void **state)
{
	static const struct {
		const char *path, *value;
	} nodes[] = {
		{ BACKEND "51712/params", "/bin/sh" },
		{ BACKEND "51712/type", "phy" },
		{ BACKEND "51712/mode", "w" },
		{ BACKEND "51712/dev", "xvda" },
		{ BACKEND "51712/device-type", "disk" },
		{ BACKEND "51712/removable", "0" },
		{ BACKEND "51712/online", "1" },
		{ BACKEND "51712/state", "1" },
		{ BACKEND "51712/frontend", FRONTEND "51712" },
		{ BACKEND "51712/frontend-id", "1" },
		{ FRONTEND "51712/backend", BACKEND "51712" },
		{ FRONTEND "51712/backend-id", "0" },
		{ FRONTEND "51712/state", "1" },
		{ FRONTEND "51712/virtual-device", "51712" },
		{ FRONTEND "51712/device-type", "disk" },
		{ "/libxl/1/device/vbd/51712/params", "/bin/sh" },
		{ BACKEND "51729/params", "qcow2:/bin/cat" },
		{ BACKEND "51729/type", "qdisk" },
		{ BACKEND "51729/mode", "r" },
		{ BACKEND "51712/mode", "w" },
		{ BACKEND "268441856/mode", "w!" },
		{ BACKEND "5632/params", "" },
		{ BACKEND "5632/device-type", "cdrom" },
		{ BACKEND "5632/mode", "r" },
		{ BACKEND "5632/removable", "1" },
	};
	struct fixture *f = *state;

	create(f);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		node_is(f, nodes[i].path, nodes[i].value);
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	node_is(f, "/local/domain/0/backend/vbd/1", NULL);
	node_is(f, "/local/domain/1", NULL);
}

/* An emulated machine's are its device model's. */
static void none_of_hvm(void **state)
{
	json_t *config = json_pack("{s:s}", "type", "hvm");

	(void)state;
	assert_false(tool_kind_vbd.applies(config));
	json_object_set_new(config, "type", json_string("pvh"));
	assert_true(tool_kind_vbd.applies(config));
	json_decref(config);
}

static void attach_and_detach(void **state)
{
	struct fixture *f = *state;
	json_t *disks, *answer, *disk;
	struct call c;

	create(f);
	call_begin(f, &c, "block.attach",
		   json_pack("{s:i, s:{s:s, s:s}, s:i}", "domid", 1, "disk", "target", "/d", "vdev",
			     "xvdq", "timeout-ms", 10000));
	await_node(f, &c, BACKEND "268439552/params", "/d");
	write_node(f, BACKEND "268439552/state", "2");
	write_node(f, BACKEND "268439552/hotplug-status", "connected");
	disk = call_finish(f, &c, 0);
	assert_int_equal(json_integer_value(json_object_get(disk, "devid")), 268439552);
	json_decref(disk);
	write_node(f, FRONTEND "268439552/ring-ref", "8");
	write_node(f, FRONTEND "268439552/event-channel", "12");
	disks = call(f, "block.list", json_pack("{s:i}", "domid", 1));
	assert_int_equal(json_array_size(disks), 5);
	disk = json_array_get(disks, 4);
	assert_int_equal(json_integer_value(json_object_get(disk, "ring-ref")), 8);
	assert_int_equal(json_integer_value(json_object_get(disk, "event-channel")), 12);
	assert_int_equal(json_integer_value(json_object_get(disk, "handle")), 1);
	json_decref(disks);
	/* By name; it is gone when the backend says so. */
	call_begin(f, &c, "block.detach",
		   json_pack("{s:i, s:s, s:i}", "domid", 1, "vdev", "xvdq", "timeout-ms", 10000));
	await_node(f, &c, BACKEND "268439552/online", "0");
	node_is(f, BACKEND "268439552/state", "5");
	write_node(f, BACKEND "268439552/state", "6");
	answer = call_finish(f, &c, 0);
	assert_true(json_is_false(json_object_get(answer, "forced")));
	json_decref(answer);
	node_is(f, BACKEND "268439552", NULL);
	call_refused(f, "block.detach", json_pack("{s:i, s:s}", "domid", 1, "vdev", "xvdq"),
		     "not-found", "no such vbd");
}

/* A guest that has closed its disk: the backend has the image yet, for the next frontend. */
static void detached_when_let_go_of(void **state)
{
	struct fixture *f = *state;
	json_t *answer;
	struct call c;

	create(f);
	write_node(f, FRONTEND "51712/state", "6");
	write_node(f, BACKEND "51712/state", "6");
	call_begin(f, &c, "block.detach",
		   json_pack("{s:i, s:s, s:i}", "domid", 1, "vdev", "xvda", "timeout-ms", 10000));
	await_node(f, &c, BACKEND "51712/online", "0");
	node_is(f, BACKEND "51712/state", "5");
	assert_false(call_turn(f, &c, 50));
	write_node(f, BACKEND "51712/state", "6");
	answer = call_finish(f, &c, 0);
	assert_true(json_is_false(json_object_get(answer, "forced")));
	json_decref(answer);
	node_is(f, BACKEND "51712", NULL);

	/* One that does not say so: told from a guest that does not. */
	for (int closed = 0; closed < 2; closed++) {
		const char *vdev = closed ? "hdc" : "xvdb1";

		write_node(f, closed ? FRONTEND "5632/state" : FRONTEND "51729/state",
			   closed ? "6" : "4");
		write_node(f, closed ? BACKEND "5632/state" : BACKEND "51729/state",
			   closed ? "6" : "4");
		answer = call(
			f, "block.detach",
			json_pack("{s:i, s:s, s:i}", "domid", 1, "vdev", vdev, "timeout-ms", 20));
		assert_true(json_is_true(json_object_get(answer, "forced")));
		assert_int_equal(json_is_true(json_object_get(answer, "backend")), closed);
		json_decref(answer);
	}
}

/* An image that cannot be opened: said, and taken away. */
static void attach_fails(void **state)
{
	struct fixture *f = *state;
	json_t *error;
	struct call c;

	create(f);
	call_begin(f, &c, "block.attach",
		   json_pack("{s:i, s:{s:s, s:s}, s:i}", "domid", 1, "disk", "target", "/d", "vdev",
			     "xvdd", "timeout-ms", 10000));
	await_node(f, &c, BACKEND "51760/online", "1");
	write_node(f, BACKEND "51760/hotplug-error", "/d: no such file or device");
	write_node(f, BACKEND "51760/hotplug-status", "error");
	error = call_finish(f, &c, -EREMOTEIO);
	assert_string_equal(tool_config_text(error, "message", ""),
			    "vbd 51760: /d: no such file or device");
	json_decref(error);
	node_is(f, BACKEND "51760", NULL);
}

static void refused(void **state)
{
	static const struct {
		const char *key, *value, *message;
	} bad[] = {
		{ "vdev", "xvda", "one that no other disk has" },
		{ "vdev", "d0", "one that no other disk has" },
		{ "vdev", "vda", "xvda to xvd" },
		{ "vdev", "", "xvda to xvd" },
		{ "target", "disk.img", "an absolute path" },
		{ "target", "", "an absolute path" },
		{ "format", "zip", "raw, qcow2" },
	};
	struct fixture *f = *state;

	create(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		json_t *disk = json_pack("{s:s, s:s, s:s}", "target", "/d", "format", "raw", "vdev",
					 "xvdz");

		json_object_set_new(disk, bad[i].key, json_string(bad[i].value));
		call_refused(f, "block.attach", json_pack("{s:i, s:o}", "domid", 1, "disk", disk),
			     "invalid", bad[i].message);
	}
	call_refused(f, "block.attach", json_pack("{s:i, s:i}", "domid", 1, "disk", 5), "invalid",
		     "objects of keywords");
	call_refused(f, "block.attach", json_pack("{s:i}", "domid", 9), "not-found", NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(areas),
		cmocka_unit_test(none_of_hvm),
		TEST(attach_and_detach),
		TEST(detached_when_let_go_of),
		TEST(attach_fails),
		TEST(refused),
	};

	return cmocka_run_group_tests_name("tool_vbd", tests, NULL, NULL);
}
