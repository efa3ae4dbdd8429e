/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The toolstack: xenstore areas, life cycle, hotplug, restarts, over its JSON-RPC methods. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/sched.h>

#include "base/clock.h"
#include "hv/tool_saved.h"
#include "tests/util/tool_fixture.h"

#define WEB                                                                                        \
	"name='web'\ntype='ns'\ninit='x'\nmemory=64\nmaxmem=96\nvcpus=2\nmaxvcpus=3\n"             \
	"uuid='c7a5fdbd-edaf-9455-926a-d65c16db1809'\n"                                            \
	"vif=['mac=00:16:3e:00:00:07,bridge=br1,mtu=1400,rate=1MB/s@20ms','devid=3','']\n"

/* The value at @path, which must be @want; NULL: it must not be there. */
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

static void write_node(struct fixture *f, const char *path, const char *value)
{
	assert_int_equal(hv_store_write(f->store, 0, path, value, strlen(value)), 0);
}

static json_t *listed(struct fixture *f, uint16_t domid)
{
	json_t *list = call(f, "domain.list", json_object()), *d, *found = NULL;
	size_t i;

	json_array_foreach (list, i, d) {
		if (json_integer_value(json_object_get(d, "domid")) == domid)
			found = json_incref(d);
	}
	json_decref(list);
	return found;
}

static void xenstore_layout(void **state)
{
	static const struct {
		const char *path, *value;
	} nodes[] = {
		{ "/local/domain/1/name", "web" },
		{ "/local/domain/1/domid", "1" },
		{ "/local/domain/1/vm", "/vm/c7a5fdbd-edaf-9455-926a-d65c16db1809" },
		{ "/local/domain/1/memory/static-max", "98304" },
		{ "/local/domain/1/memory/target", "65536" },
		{ "/local/domain/1/cpu/1/availability", "online" },
		{ "/local/domain/1/cpu/2/availability", "offline" },
		{ "/local/domain/1/cpu/3/availability", NULL },
		{ "/local/domain/1/control/shutdown", "" },
		{ "/local/domain/1/console/type", "xenconsoled" },
		{ "/local/domain/1/console/tty", "/dev/pts/1" },
		{ "/local/domain/1/store/port", "1" },
		{ "/vm/c7a5fdbd-edaf-9455-926a-d65c16db1809/name", "web" },
		{ "/vm/c7a5fdbd-edaf-9455-926a-d65c16db1809/uuid",
		  "c7a5fdbd-edaf-9455-926a-d65c16db1809" },
		{ "/libxl/1/type", "ns" },
		{ "/libxl/1/device/vif/0/mac", "00:16:3e:00:00:07" },
		{ "/local/domain/0/backend/vif/1/0/frontend", "/local/domain/1/device/vif/0" },
		{ "/local/domain/0/backend/vif/1/0/frontend-id", "1" },
		{ "/local/domain/0/backend/vif/1/0/online", "1" },
		{ "/local/domain/0/backend/vif/1/0/state", "1" },
		{ "/local/domain/0/backend/vif/1/0/handle", "0" },
		{ "/local/domain/0/backend/vif/1/0/mac", "00:16:3e:00:00:07" },
		{ "/local/domain/0/backend/vif/1/0/bridge", "br1" },
		{ "/local/domain/0/backend/vif/1/0/mtu", "1400" },
		{ "/local/domain/0/backend/vif/1/0/rate", "20000,20000" },
		{ "/local/domain/0/backend/vif/1/0/script", "/etc/xen/scripts/vif-bridge" },
		{ "/local/domain/0/backend/vif/1/0/type", "vif" },
		{ "/local/domain/0/backend/vif/1/0/hotplug-status", NULL },
		{ "/local/domain/1/device/vif/0/backend", "/local/domain/0/backend/vif/1/0" },
		{ "/local/domain/1/device/vif/0/backend-id", "0" },
		{ "/local/domain/1/device/vif/0/state", "1" },
		{ "/local/domain/1/device/vif/0/handle", "0" },
		{ "/local/domain/1/device/vif/0/mac", "00:16:3e:00:00:07" },
		{ "/local/domain/0/backend/vif/1/3/online", "1" },
		{ "/local/domain/0/backend/vif/1/1/online", "1" },
		{ "/local/domain/0/backend/vif/1/1/bridge", NULL },
		{ "/local/domain/0/backend/vif/1/2", NULL },
	};
	struct fixture *f = *state;

	assert_int_equal(create_ok(f, WEB), 1);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		node_is(f, nodes[i].path, nodes[i].value);
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	node_is(f, "/local/domain/1", NULL);
	node_is(f, "/libxl/1", NULL);
	node_is(f, "/vm/c7a5fdbd-edaf-9455-926a-d65c16db1809", NULL);
	node_is(f, "/local/domain/0/backend/vif/1", NULL);
	node_is(f, "/local/domain/0/backend/console/1", NULL);
	assert_null(listed(f, 1));
}

/* Only what libxl gives a guest is the guest's own; its quota counts them. */
static void guest_owns_little(void **state)
{
	struct fixture *f = *state;

	create_ok(f, "name='a'\ntype='ns'\ninit='x'");
	assert_int_equal(xs_server_domain_nodes(f->xenstore, 1), 11);
	/* A frontend: its folder and five values. */
	call_drop(f, "network.attach", json_pack("{s:i, s:{}}", "domid", 1, "vif"));
	assert_int_equal(xs_server_domain_nodes(f->xenstore, 1), 17);
}

static void mac_is_stable_and_unique(void **state)
{
	struct fixture *f = *state;
	char path[] = "/local/domain/0/backend/vif/1/0/mac", *first, *second, *other;

	create_ok(f, "name='a'\ntype='ns'\ninit='x'\nvif=['']");
	assert_int_equal(hv_store_read(f->store, 0, path, &first, NULL), 0);
	assert_memory_equal(first, "00:16:3e:", 9);
	call_drop(f, "domain.destroy", json_pack("{s:s}", "name", "a"));
	create_ok(f, "name='a'\ntype='ns'\ninit='x'\nvif=['']");
	path[strlen("/local/domain/0/backend/vif/")] = '2';
	assert_int_equal(hv_store_read(f->store, 0, path, &second, NULL), 0);
	assert_string_equal(first, second);
	create_ok(f, "name='b'\ntype='ns'\ninit='x'\nvif=['']");
	path[strlen("/local/domain/0/backend/vif/")] = '3';
	assert_int_equal(hv_store_read(f->store, 0, path, &other, NULL), 0);
	assert_string_not_equal(first, other);
	free(first);
	free(second);
	free(other);
}

static void refusals_change_nothing(void **state)
{
	struct fixture *f = *state;
	struct xs_server_stats before, after;
	json_t *web;

	create_ok(f, WEB);
	web = config_of(WEB);
	xs_server_stats(f->xenstore, &before);
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "exists",
		     "Domain with name \"web\" already exists");
	json_object_set_new(web, "name", json_string("a/b"));
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "invalid", "'name'");
	json_object_set_new(web, "name", json_string("other"));
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "exists",
		     "Domain with uuid");
	json_object_del(web, "uuid");
	json_object_set_new(web, "type", json_string("vmx"));
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "unsupported", "vmx");
	json_object_set_new(web, "type", json_string("ns"));
	json_object_set_new(web, "memory", json_string("lots"));
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "invalid", "'memory'");
	json_object_set_new(web, "memory", json_integer(0));
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "invalid", "'memory'");
	json_object_set_new(web, "memory", json_integer(64));
	json_object_set_new(web, "vif", json_pack("[{s:s}]", "mac", "zz"));
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "invalid", "'mac'");
	json_object_set_new(web, "vif", json_pack("[{s:i}, {s:i}]", "devid", 1, "devid", 1));
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "invalid", "'devid'");
	json_object_set_new(web, "vif", json_array());
	f->engine.fail_create = -ENOMEM;
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "failed",
		     "made to fail");
	f->engine.fail_create = 0;
	f->engine.fail_start = -EIO;
	call_refused(f, "domain.create", json_pack("{s:O}", "config", web), "failed",
		     "made to fail");
	f->engine.fail_start = 0;
	json_decref(web);
	call_refused(f, "domain.create", json_object(), "invalid", "'config'");
	call_refused(f, "domain.destroy", json_pack("{s:i}", "domid", 0), "invalid", "Domain-0");
	call_refused(f, "domain.destroy", json_pack("{s:i}", "domid", 77), "not-found", NULL);
	call_refused(f, "domain.pause", json_object(), "invalid", "'domid'");
	xs_server_stats(f->xenstore, &after);
	assert_int_equal(before.nodes, after.nodes);
	assert_int_equal(tool_host_next(&f->host, 1), 0);
}

static void stop(struct fixture *f, uint16_t domid, unsigned int reason)
{
	f->engine.domains[domid].info.state = TOOL_HOST_STOPPED;
	f->engine.domains[domid].info.reason = reason;
	tool_domain_ended(f->tool, domid, reason);
}

static void end_actions(void **state)
{
	static const struct {
		const char *config;
		unsigned int reason;
		bool kept, anew;
	} cases[] = {
		{ "", SHUTDOWN_poweroff, false, false },
		{ "", SHUTDOWN_reboot, false, true },
		{ "", SHUTDOWN_crash, false, false },
		{ "on_poweroff='restart'\n", SHUTDOWN_poweroff, false, true },
		{ "on_poweroff='preserve'\n", SHUTDOWN_poweroff, true, false },
		{ "on_reboot='destroy'\n", SHUTDOWN_reboot, false, false },
		{ "on_crash='restart'\n", SHUTDOWN_crash, false, true },
		{ "on_crash='coredump-restart'\n", SHUTDOWN_crash, false, true },
		{ "on_crash='coredump-destroy'\n", SHUTDOWN_crash, false, false },
		{ "on_crash='preserve'\n", SHUTDOWN_crash, true, false },
		{ "on_crash='rename-restart'\n", SHUTDOWN_crash, true, true },
		{ "on_crash='restart'\n", SHUTDOWN_watchdog, false, true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[1024], path[64];
		uint16_t domid, next;
		json_t *d;

		snprintf(text, sizeof(text), WEB "%s", cases[i].config);
		domid = create_ok(f, text);
		stop(f, domid, cases[i].reason);
		d = listed(f, domid);
		assert_int_equal(d != NULL, cases[i].kept);
		if (d) {
			assert_true(json_is_true(json_object_get(d, "shutdown")));
			assert_int_equal(json_integer_value(json_object_get(d, "reason")),
					 cases[i].reason);
			assert_int_equal(!strcmp(tool_config_text(d, "name", ""), "web"),
					 !cases[i].anew);
			json_decref(d);
			call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", (int)domid));
		}
		next = tool_host_next(&f->host, domid);
		assert_int_equal(next != 0, cases[i].anew);
		if (!next)
			continue;
		d = listed(f, next);
		assert_string_equal(tool_config_text(d, "name", ""), "web");
		json_decref(d);
		snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/1/mac", next);
		assert_int_equal(tool_store_number(f->tool, path, "x"), -1);
		snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/0/mac", next);
		node_is(f, path, "00:16:3e:00:00:07");
		call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", (int)next));
	}
}

static void crash_loop_ends(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_ok(f, WEB "on_crash='restart'\n");
	int restarts = 0;

	while (domid && restarts < 50) {
		stop(f, domid, SHUTDOWN_crash);
		domid = tool_host_next(&f->host, domid);
		restarts += domid != 0;
	}
	assert_int_equal(restarts, TOOL_RESTARTS_MAX);
	/* A reboot that the operator asks for is never one too many. */
	domid = create_ok(f, WEB);
	for (int i = 0; i < TOOL_RESTARTS_MAX + 2; i++) {
		call_drop(f, "domain.reboot", json_pack("{s:i}", "domid", (int)domid));
		assert_true(f->engine.domains[domid].shutdown_asked);
		stop(f, domid, SHUTDOWN_reboot);
		domid = tool_host_next(&f->host, domid);
		assert_int_not_equal(domid, 0);
	}
}

static void shutdown_and_wait(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_ok(f, WEB);
	struct call shut, death, reboot;
	json_t *result;

	call_begin(f, &shut, "domain.wait",
		   json_pack("{s:i, s:s}", "domid", (int)domid, "for", "shutdown"));
	call_begin(f, &death, "domain.wait",
		   json_pack("{s:i, s:s}", "domid", (int)domid, "for", "death"));
	assert_false(call_turn(f, &shut, 50));
	call_drop(f, "domain.shutdown", json_pack("{s:i}", "domid", (int)domid));
	node_is(f, "/local/domain/1/control/shutdown", "poweroff");
	assert_true(f->engine.domains[domid].shutdown_asked);
	assert_int_equal(f->engine.domains[domid].info.reason, SHUTDOWN_poweroff);
	/* A backend that takes its time: only then there is something between shutdown and death. */
	write_node(f, "/local/domain/0/backend/vif/1/0/state", "4");
	stop(f, domid, SHUTDOWN_poweroff);
	result = call_finish(f, &shut, 0);
	assert_string_equal(tool_config_text(result, "event", ""), "shutdown");
	json_decref(result);
	assert_false(call_turn(f, &death, 50));
	call_refused(f, "domain.pause", json_pack("{s:i}", "domid", (int)domid), "busy", "dying");
	call_refused(f, "domain.create", json_pack("{s:o}", "config", config_of(WEB)), "exists",
		     "dying");
	write_node(f, "/local/domain/0/backend/vif/1/0/state", "6");
	result = call_finish(f, &death, 0);
	assert_string_equal(tool_config_text(result, "event", ""), "death");
	assert_null(json_object_get(result, "successor"));
	json_decref(result);

	domid = create_ok(f, WEB);
	call_begin(f, &reboot, "domain.wait", json_pack("{s:i}", "domid", (int)domid));
	assert_false(call_turn(f, &reboot, 50));
	call_drop(f, "domain.reboot", json_pack("{s:i}", "domid", (int)domid));
	stop(f, domid, SHUTDOWN_reboot);
	result = call_finish(f, &reboot, 0);
	assert_int_equal(json_integer_value(json_object_get(result, "successor")), domid + 1);
	json_decref(result);
}

static void a_dead_backend_holds_nothing_up(void **state)
{
	struct fixture *f = *state;
	uint64_t start;

	create_ok(f, WEB);
	write_node(f, "/local/domain/0/backend/vif/1/0/state", "4");
	start = clock_ms();
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	assert_in_range(clock_ms() - start, TOOL_CLOSE_MS - 100, TOOL_CLOSE_MS + 2000);
	node_is(f, "/local/domain/0/backend/vif/1", NULL);
}

static void network_attach_and_detach(void **state)
{
	struct fixture *f = *state;
	struct call detach;
	json_t *vif, *list;

	create_ok(f, WEB);
	vif = call(f, "network.attach",
		   json_pack("{s:i, s:{s:s}}", "domid", 1, "vif", "bridge", "br9"));
	assert_int_equal(json_integer_value(json_object_get(vif, "devid")), 2);
	json_decref(vif);
	node_is(f, "/local/domain/0/backend/vif/1/2/bridge", "br9");
	node_is(f, "/local/domain/1/device/vif/2/state", "1");
	call_refused(f, "network.attach",
		     json_pack("{s:i, s:{s:i}}", "domid", 1, "vif", "devid", 2), "invalid",
		     "'devid'");
	call_refused(f, "network.attach", json_pack("{s:i}", "domid", 1), "invalid", "'vif'");

	/* Lies in the frontend's area change nothing but what is shown. */
	write_node(f, "/local/domain/1/device/vif/2/backend", "/local/domain/0/backend/vif/9/9");
	write_node(f, "/local/domain/1/device/vif/2/mac", "ff:ff:ff:ff:ff:ff");
	write_node(f, "/local/domain/1/device/vif/2/tx-ring-ref", "8");
	write_node(f, "/local/domain/1/device/vif/2/rx-ring-ref", "-1x");
	list = call(f, "network.list", json_pack("{s:i}", "domid", 1));
	assert_int_equal(json_array_size(list), 4);
	vif = json_array_get(list, 3);
	assert_int_equal(json_integer_value(json_object_get(vif, "tx-ring-ref")), 8);
	assert_int_equal(json_integer_value(json_object_get(vif, "rx-ring-ref")), -1);
	assert_memory_equal(tool_config_text(vif, "mac", ""), "00:16:3e:", 9);
	assert_string_equal(tool_config_text(vif, "backend", ""),
			    "/local/domain/0/backend/vif/1/2");
	json_decref(list);

	write_node(f, "/local/domain/0/backend/vif/1/2/state", "4");
	call_begin(f, &detach, "network.detach", json_pack("{s:i, s:i}", "domid", 1, "devid", 2));
	assert_false(call_turn(f, &detach, 100));
	node_is(f, "/local/domain/0/backend/vif/1/2/state", "5");
	node_is(f, "/local/domain/0/backend/vif/1/2/online", "0");
	call_refused(f, "network.attach",
		     json_pack("{s:i, s:{s:i}}", "domid", 1, "vif", "devid", 2), "busy",
		     "being detached");
	write_node(f, "/local/domain/0/backend/vif/1/2/state", "6");
	vif = call_finish(f, &detach, 0);
	assert_true(json_is_false(json_object_get(vif, "forced")));
	json_decref(vif);
	node_is(f, "/local/domain/0/backend/vif/1/2", NULL);
	node_is(f, "/local/domain/1/device/vif/2", NULL);
	node_is(f, "/libxl/1/device/vif/2", NULL);

	/* One that does not let go, by its MAC. */
	write_node(f, "/local/domain/0/backend/vif/1/0/state", "4");
	vif = call(f, "network.detach",
		   json_pack("{s:i, s:s, s:i}", "domid", 1, "mac", "00:16:3E:00:00:07",
			     "timeout-ms", 100));
	assert_true(json_is_true(json_object_get(vif, "forced")));
	json_decref(vif);
	node_is(f, "/local/domain/0/backend/vif/1/0", NULL);
	call_refused(f, "network.detach", json_pack("{s:i, s:i}", "domid", 1, "devid", 0),
		     "not-found", NULL);
}

static void pause_without_freezer_names_the_cure(void **state)
{
	struct fixture *f = *state;

	create_ok(f, WEB);
	f->engine.fail_pause = -ENOTSUP;
	call_refused(f, "domain.pause", json_pack("{s:i}", "domid", 1), "unsupported",
		     "no cgroup freezer: mount cgroup2");
}

#define BACKEND_2 "/local/domain/0/backend/vif/1/2/"

static bool is_node(struct fixture *f, const char *path, const char *want)
{
	char *value = NULL;
	int rc = hv_store_read(f->store, 0, path, &value, NULL);
	bool is_so = want ? !rc && !strcmp(value, want) : rc == -ENOENT;

	free(value);
	return is_so;
}

/* However long the thread that calls takes to be heard, and events to come. */
static void node_becomes(struct fixture *f, const char *path, const char *want)
{
	uint64_t end = clock_ms() + 10000;

	while (!is_node(f, path, want) && clock_ms() < end)
		loop_turn(f->loop, 5);
	node_is(f, path, want);
}

/* It waits, and what the backend says from here on is about this vif. */
static void attach_awaiting(struct fixture *f, struct call *c, int timeout_ms)
{
	call_begin(f, c, "network.attach",
		   json_pack("{s:i, s:{}, s:i}", "domid", 1, "vif", "timeout-ms", timeout_ms));
	node_becomes(f, BACKEND_2 "state", "1");
}

static void attach_refused(struct fixture *f, struct call *c, const char *why)
{
	json_t *error = call_finish(f, c, -EREMOTEIO);

	if (!strstr(tool_config_text(error, "message", ""), why))
		fail_msg("%s", tool_config_text(error, "message", ""));
	json_decref(error);
}

static void network_attach_tells_its_outcome(void **state)
{
	struct fixture *f = *state;
	struct call attach;
	json_t *vif;

	create_ok(f, WEB);
	attach_awaiting(f, &attach, 10000);
	write_node(f, BACKEND_2 "state", "2");
	assert_false(call_turn(f, &attach, 100));
	write_node(f, BACKEND_2 "hotplug-status", "connected");
	vif = call_finish(f, &attach, 0);
	assert_int_equal(json_integer_value(json_object_get(vif, "devid")), 2);
	json_decref(vif);
	call_drop(f, "network.detach",
		  json_pack("{s:i, s:i, s:i}", "domid", 1, "devid", 2, "timeout-ms", 1));

	/* One whose hotplug fails is taken away, as soon as its backend lets go of it. */
	attach_awaiting(f, &attach, 10000);
	write_node(f, BACKEND_2 "state", "2");
	write_node(f, BACKEND_2 "hotplug-error", "no bridge br9: create it");
	write_node(f, BACKEND_2 "hotplug-status", "error");
	attach_refused(f, &attach, "vif 2: no bridge br9: create it");
	node_is(f, BACKEND_2 "state", "5");
	write_node(f, BACKEND_2 "state", "6");
	node_becomes(f, "/local/domain/0/backend/vif/1/2", NULL);

	/* One that nobody cares for stays. */
	attach_awaiting(f, &attach, 300);
	attach_refused(f, &attach, "start vifrost-netback");
	node_is(f, BACKEND_2 "state", "1");
	call_drop(f, "network.detach", json_pack("{s:i, s:i}", "domid", 1, "devid", 2));
	attach_awaiting(f, &attach, 1000);
	write_node(f, BACKEND_2 "state", "2");
	attach_refused(f, &attach, "start vifrostd");

	/* Taken away while it is waited for. */
	call_drop(f, "network.detach",
		  json_pack("{s:i, s:i, s:i}", "domid", 1, "devid", 2, "timeout-ms", 1));
	attach_awaiting(f, &attach, 10000);
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	attach_refused(f, &attach, "vif 2 is being detached");
}

static void restart_forgets_detached_and_keeps_attached(void **state)
{
	struct fixture *f = *state;

	create_ok(f, WEB);
	call_drop(f, "network.detach", json_pack("{s:i, s:i}", "domid", 1, "devid", 3));
	call_drop(f, "network.attach", json_pack("{s:i, s:{s:i}}", "domid", 1, "vif", "devid", 9));
	call_drop(f, "domain.reboot", json_pack("{s:i}", "domid", 1));
	stop(f, 1, SHUTDOWN_reboot);
	node_is(f, "/local/domain/0/backend/vif/2/3", NULL);
	node_is(f, "/local/domain/0/backend/vif/2/9/online", "1");
}

static void rename_and_pin(void **state)
{
	struct fixture *f = *state;
	json_t *list, *d;

	create_ok(f, WEB);
	create_ok(f, "name='b'\ntype='ns'\ninit='x'");
	call_drop(f, "domain.rename", json_pack("{s:i, s:s}", "domid", 1, "new-name", "www"));
	node_is(f, "/local/domain/1/name", "www");
	call_refused(f, "domain.rename", json_pack("{s:i, s:s}", "domid", 1, "new-name", "b"),
		     "exists", NULL);
	call_refused(f, "domain.rename", json_pack("{s:i, s:s}", "domid", 1, "new-name", "12"),
		     "invalid", NULL);
	list = call(f, "domain.list", json_pack("{s:s}", "name", "www"));
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);

	call_drop(f, "vcpu.pin", json_pack("{s:i, s:i, s:s}", "domid", 1, "vcpu", 1, "cpus", "0"));
	list = call(f, "vcpu.list", json_pack("{s:i}", "domid", 1));
	assert_string_equal(tool_config_text(json_array_get(list, 0), "cpus", ""), "all");
	assert_string_equal(tool_config_text(json_array_get(list, 1), "cpus", ""), "0");
	json_decref(list);
	call_drop(f, "vcpu.pin",
		  json_pack("{s:i, s:s, s:s}", "domid", 1, "vcpu", "all", "cpus", "0"));
	assert_int_equal(CPU_COUNT(&f->engine.domains[1].cpus), 1);
	call_refused(f, "vcpu.pin",
		     json_pack("{s:i, s:i, s:s}", "domid", 1, "vcpu", 2, "cpus", "0"), "invalid",
		     "'vcpu'");
	call_refused(f, "vcpu.pin",
		     json_pack("{s:i, s:i, s:s}", "domid", 1, "vcpu", 0, "cpus", "x"), "invalid",
		     "'cpus'");
	call_refused(f, "vcpu.pin",
		     json_pack("{s:i, s:i, s:s}", "domid", 1, "vcpu", 0, "cpus", "1000"), "invalid",
		     "none of these CPUs is there");

	call_drop(f, "domain.pause", json_pack("{s:i}", "domid", 1));
	d = listed(f, 1);
	assert_true(json_is_true(json_object_get(d, "paused")));
	json_decref(d);
	call_refused(f, "domain.pause", json_pack("{s:i}", "domid", 1), "invalid", "not running");
	call_drop(f, "domain.unpause", json_pack("{s:i}", "domid", 1));
	call_refused(f, "domain.unpause", json_pack("{s:i}", "domid", 1), "invalid", "not paused");
}

/* However slow the caller's thread is: until the engine has been asked, and the call not answered. */
static void begin_pause(struct fixture *f, struct call *c, const char *method)
{
	f->engine.domains[1].paused = NULL;
	call_begin(f, c, method, json_pack("{s:i}", "domid", 1));
	for (int i = 0; i < 300 && !f->engine.domains[1].paused; i++)
		if (call_turn(f, c, 50))
			return;
	call_turn(f, c, 50);
}

/* Whoever pauses a domain may rely on it. */
static void pause_is_answered_when_it_stands_still(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *fake = &f->engine.domains[1];
	struct call c;

	create_ok(f, WEB);
	f->engine.slow_pause = true;
	for (int paused = 1; paused >= 0; paused--) {
		begin_pause(f, &c, paused ? "domain.pause" : "domain.unpause");
		assert_false(c.done);
		assert_non_null(fake->paused);
		fake->paused(fake->paused_arg, 0);
		json_decref(call_finish(f, &c, 0));
	}
	/* It ends while it is waited for. */
	begin_pause(f, &c, "domain.pause");
	assert_false(c.done);
	fake->paused(fake->paused_arg, -EPIPE);
	json_decref(call_finish(f, &c, -EREMOTEIO));
}

static void config_update_acts_on_restart(void **state)
{
	struct fixture *f = *state;

	create_ok(f, WEB);
	call_drop(
		f, "domain.config-update",
		json_pack(
			"{s:i, s:o}", "domid", 1, "config",
			config_of(
				"name='ignored'\ntype='ns'\ninit='x'\nmemory=32\nvif=['bridge=br5']")));
	node_is(f, "/local/domain/1/memory/target", "65536");
	call_drop(f, "domain.reboot", json_pack("{s:i}", "domid", 1));
	stop(f, 1, SHUTDOWN_reboot);
	node_is(f, "/local/domain/2/memory/target", "32768");
	node_is(f, "/local/domain/2/name", "web");
	node_is(f, "/local/domain/0/backend/vif/2/0/bridge", "br5");
	node_is(f, "/local/domain/0/backend/vif/2/3", NULL);
}

/* The daemon dies, some domains with it, some in the middle of something. */
static void records_survive(void **state)
{
	struct fixture *f = *state;
	struct call detach;
	json_t *d;

	create_ok(f, WEB);
	create_ok(f, "name='dies'\ntype='ns'\ninit='x'");
	create_ok(f, "name='crashes'\ntype='ns'\ninit='x'\non_crash='restart'");
	call_drop(f, "domain.rename", json_pack("{s:i, s:s}", "domid", 1, "new-name", "www"));
	write_node(f, "/local/domain/0/backend/vif/1/0/state", "4");
	write_node(f, "/local/domain/0/backend/vif/1/3/state", "4");
	call_begin(f, &detach, "network.detach", json_pack("{s:i, s:i}", "domid", 1, "devid", 3));
	assert_false(call_turn(f, &detach, 100));
	fixture_stop(f);
	pthread_join(detach.thread, NULL);
	json_decref(detach.result);
	tool_host_destroy(&f->host, 2);
	f->engine.domains[3].info.state = TOOL_HOST_STOPPED;
	f->engine.domains[3].info.reason = SHUTDOWN_crash;
	/* One that the engine made and the toolstack never heard of. */
	f->engine.domains[9].exists = true;
	f->engine.last = 9;
	fixture_start(f);

	d = listed(f, 1);
	assert_string_equal(tool_config_text(d, "name", ""), "www");
	json_decref(d);
	node_is(f, "/local/domain/0/backend/vif/1/0/state", "4");
	write_node(f, "/local/domain/0/backend/vif/1/3/state", "6");
	for (int i = 0; i < 20; i++)
		loop_turn(f->loop, 5);
	node_is(f, "/local/domain/0/backend/vif/1/3", NULL);
	assert_null(listed(f, 2));
	node_is(f, "/local/domain/2", NULL);
	assert_null(listed(f, 3));
	assert_false(f->engine.domains[9].exists);
	d = listed(f, 10);
	assert_string_equal(tool_config_text(d, "name", ""), "crashes");
	json_decref(d);
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 10));
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void autostart(void **state)
{
	struct fixture *f = *state;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/auto", f->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	put_file(dir, "20-b.cfg", "name='b'\ntype='ns'\ninit='x'\n");
	put_file(dir, "10-a.cfg", "name='a'\ntype='ns'\ninit='x'\n");
	put_file(dir, "15-bad.cfg", "name='bad'\nmemory=lots\n");
	put_file(dir, "30-b.cfg~", "name='c'\ntype='ns'\ninit='x'\n");
	put_file(dir, ".hidden", "name='d'\ntype='ns'\ninit='x'\n");
	assert_int_equal(tool_autostart(f->tool, dir), 2);
	node_is(f, "/local/domain/1/name", "a");
	node_is(f, "/local/domain/2/name", "b");
	node_is(f, "/local/domain/3", NULL);
	/* Restarted beside a host that runs: what the operator destroyed stays destroyed. */
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	fixture_stop(f);
	fixture_start(f);
	assert_int_equal(tool_autostart(f->tool, dir), 0);
	assert_null(listed(f, 3));
	/* A host that ended starts them again. */
	tool_end(f->tool);
	node_is(f, "/local/domain/2", NULL);
	assert_int_equal(tool_autostart(f->tool, dir), 2);
	assert_int_equal(tool_autostart(f->tool, "/nonexistent"), 0);
}

static void put_saved(const char *dir, const char *name, const char *domain)
{
	json_t *config = json_pack("{s:s}", "name", domain);
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(saved_write(fd, config), 0);
	close(fd);
	json_decref(config);
}

/* Whatever the files are called: what is in them counts. */
static void autostart_leaves_what_is_saved_to_xendomains(void **state)
{
	struct fixture *f = *state;
	char dir[128], save[128], conf[160], text[400];

	snprintf(dir, sizeof(dir), "%s/auto", f->dir);
	snprintf(save, sizeof(save), "%s/save", f->dir);
	snprintf(conf, sizeof(conf), "%s/xendomains", f->dir);
	assert_int_equal(mkdir(dir, 0700) | mkdir(save, 0700), 0);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "name='d%d'\ntype='ns'\ninit='x'\n", i);
		put_file(dir, (const char *[]){ "a", "b", "c" }[i], text);
	}
	put_saved(save, "d0", "another");
	put_saved(save, "x", "d1");
	put_file(save, "d2", "no saved domain");
	snprintf(text, sizeof(text),
		 "# a comment\nXENDOMAINS_SAVE=/none\n XENDOMAINS_SAVE=\"%s\" # so\n"
		 "XENDOMAINS_RESTORE='true'\n",
		 save);
	put_file(f->dir, "xendomains", text);
	setenv("XENDOMAINS_CONFIG", conf, 1);
	assert_int_equal(tool_autostart(f->tool, dir), 2);
	assert_non_null(tool_find_name(f->tool, "d0"));
	assert_null(tool_find_name(f->tool, "d1"));
	assert_non_null(tool_find_name(f->tool, "d2"));
	/* Where nothing is restored, it is created. */
	tool_end(f->tool);
	snprintf(text, sizeof(text), "XENDOMAINS_SAVE=%s\nXENDOMAINS_RESTORE=false\n", save);
	put_file(f->dir, "xendomains", text);
	assert_int_equal(tool_autostart(f->tool, dir), 3);
	unsetenv("XENDOMAINS_CONFIG");
}

static void rest_of_the_methods(void **state)
{
	struct fixture *f = *state;
	json_t *result;

	create_ok(f, WEB);
	result = call(f, "console", json_pack("{s:i}", "domid", 1));
	assert_string_equal(tool_config_text(result, "tty", ""), "/dev/pts/1");
	json_decref(result);
	result = call(f, "block.list", json_pack("{s:i}", "domid", 1));
	assert_int_equal(json_array_size(result), 0);
	json_decref(result);
	result = call(f, "info", NULL);
	assert_int_equal(tool_config_number(result, "domains", 99), 1);
	assert_true(tool_config_number(result, "total-memory", 0) > 0);
	assert_string_equal(tool_config_text(result, "caps", ""), "vifrost-ns vifrost-pvh");
	assert_string_equal(tool_config_text(json_object_get(result, "lacks"), "hvm", ""),
			    "no QEMU: install it");
	json_decref(result);
	result = call(f, "dmesg", json_pack("{s:b}", "clear", true));
	assert_int_equal(json_array_size(result), 4);
	assert_non_null(strstr(json_string_value(json_array_get(result, 2)),
			       "domains of type hvm cannot be run: no QEMU: install it"));
	assert_non_null(
		strstr(json_string_value(json_array_get(result, 3)), "domain 1 (web) created"));
	json_decref(result);
	result = call(f, "dmesg", NULL);
	assert_int_equal(json_array_size(result), 0);
	json_decref(result);
	result = call(f, "domain.list", json_pack("{s:i}", "domid", 0));
	assert_string_equal(tool_config_text(json_array_get(result, 0), "name", ""), "Domain-0");
	json_decref(result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(xenstore_layout),
		TEST(guest_owns_little),
		TEST(mac_is_stable_and_unique),
		TEST(refusals_change_nothing),
		TEST(end_actions),
		TEST(crash_loop_ends),
		TEST(shutdown_and_wait),
		TEST(a_dead_backend_holds_nothing_up),
		TEST(network_attach_and_detach),
		TEST(network_attach_tells_its_outcome),
		TEST(pause_without_freezer_names_the_cure),
		TEST(pause_is_answered_when_it_stands_still),
		TEST(restart_forgets_detached_and_keeps_attached),
		TEST(rename_and_pin),
		TEST(config_update_acts_on_restart),
		TEST(records_survive),
		TEST(autostart),
		TEST(autostart_leaves_what_is_saved_to_xendomains),
		TEST(rest_of_the_methods),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
