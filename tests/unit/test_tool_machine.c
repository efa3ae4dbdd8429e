/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the toolstack does for domains with a kernel of their own: start, asks, vCPUs, memory, dumps. */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/sched.h>

#include "tests/util/tool_fixture.h"

#define LINUX                                                                                      \
	"name='web'\ntype='pvh'\nkernel='/boot/vmlinuz'\nmemory=64\nmaxmem=96\nvcpus=2\n"          \
	"maxvcpus=3\ncpus=['0','all']\nextra='quiet'\n"

static void node_is(struct fixture *f, const char *path, const char *want)
{
	char *value = NULL;
	int rc = hv_store_read(f->store, 0, path, &value, NULL);

	if (rc || strcmp(value, want))
		fail_msg("%s is '%s', not '%s'", path, rc ? strerror(-rc) : value, want);
	free(value);
}

static void write_node(struct fixture *f, const char *path, const char *value)
{
	assert_int_equal(hv_store_write(f->store, 0, path, value, strlen(value)), 0);
}

static json_t *of(uint16_t domid)
{
	return json_pack("{s:i}", "domid", (int)domid);
}

/* However slow the caller's thread is: until the domain is there, and the call not answered. */
static void begin_create(struct fixture *f, struct call *c, const char *text)
{
	uint16_t before = f->engine.last;

	call_begin(f, c, "domain.create", json_pack("{s:o}", "config", config_of(text)));
	for (int i = 0; i < 300 && f->engine.last == before; i++)
		assert_false(call_turn(f, c, 50));
	assert_int_equal(f->engine.last, before + 1);
}

/* Until the engine has been asked, the first time of that domain. */
static void await_question(struct fixture *f, struct call *c, const struct fake_domain *d)
{
	for (int i = 0; i < 300 && !d->asked.done; i++)
		assert_false(call_turn(f, c, 50));
	assert_non_null(d->asked.done);
}

static uint16_t create_linux(struct fixture *f, const char *more)
{
	char text[1024];
	struct call c;

	snprintf(text, sizeof(text), LINUX "%s", more);
	begin_create(f, &c, text);
	tool_domain_started(f->tool, f->engine.last, NULL);
	json_decref(call_finish(f, &c, 0));
	return f->engine.last;
}

static void starts_in_its_own_time(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d;
	struct call c;
	json_t *result;

	begin_create(f, &c, LINUX);
	d = &f->engine.domains[1];
	assert_string_equal(d->kernel, "/boot/vmlinuz");
	assert_string_equal(d->cmdline, "quiet");
	assert_int_equal(d->max_memory_mib, 96);
	assert_int_equal(d->max_vcpus, 3);
	tool_domain_started(f->tool, 1, NULL);
	result = call_finish(f, &c, 0);
	assert_int_equal(json_integer_value(json_object_get(result, "domid")), 1);
	json_decref(result);

	/* One that fails is gone, whatever on_crash says, and says why to who made it. */
	begin_create(f, &c, "name='b'\ntype='pvh'\nkernel='k'\non_crash='restart'\n");
	tool_domain_started(f->tool, 2, "k: no PVH note: use another kernel");
	result = call_finish(f, &c, -EREMOTEIO);
	assert_string_equal(tool_config_text(result, "message", ""),
			    "k: no PVH note: use another kernel");
	json_decref(result);
	assert_false(f->engine.domains[2].exists);
	assert_int_equal(f->engine.last, 2);
	assert_null(tool_find(f->tool, 2));
}

/* What is to be found out about the host first keeps nobody else waiting. */
static void waits_for_the_host(void **state)
{
	struct fixture *f = *state;
	struct call c;
	json_t *list;

	f->engine.finding_out = true;
	call_begin(f, &c, "domain.create", json_pack("{s:o}", "config", config_of(LINUX)));
	for (int i = 0; i < 300 && !f->engine.ready; i++)
		assert_false(call_turn(f, &c, 50));
	assert_int_equal(f->engine.last, 0);
	list = call(f, "domain.list", NULL);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	f->engine.finding_out = false;
	f->engine.ready(f->engine.ready_arg, 0);
	assert_int_equal(f->engine.last, 1);
	tool_domain_started(f->tool, 1, NULL);
	json_decref(call_finish(f, &c, 0));

	/* The daemon ends meanwhile. */
	f->engine.finding_out = true;
	f->engine.ready = NULL;
	call_begin(f, &c, "domain.restore", json_pack("{s:s}", "path", "/nowhere"));
	for (int i = 0; i < 300 && !f->engine.ready; i++)
		assert_false(call_turn(f, &c, 50));
	f->engine.ready(f->engine.ready_arg, -ECANCELED);
	json_decref(call_finish(f, &c, -EREMOTEIO));
}

static void is_asked_by_xenstore(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_linux(f, "");
	struct fake_domain *d = &f->engine.domains[domid];

	call_refused(f, "domain.shutdown", of(domid), "unsupported", "does not listen");
	node_is(f, "/local/domain/1/control/shutdown", "");
	write_node(f, "/local/domain/1/control/feature-poweroff", "1");
	call_drop(f, "domain.shutdown", of(domid));
	node_is(f, "/local/domain/1/control/shutdown", "poweroff");
	/* Nothing else is done to it. */
	assert_false(d->shutdown_asked);
	call_refused(f, "domain.reboot", of(domid), "unsupported", "reboot");
	write_node(f, "/local/domain/1/control/feature-reboot", "1");
	call_drop(f, "domain.reboot", of(domid));
	node_is(f, "/local/domain/1/control/shutdown", "reboot");
	tool_domain_ended(f->tool, domid, SHUTDOWN_reboot);
	assert_true(f->engine.domains[2].exists);
	/* Its start fails: that is the end of it. */
	tool_domain_started(f->tool, 2, "no memory");
	assert_false(f->engine.domains[2].exists);
}

static void is_ended_when_forced(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_linux(f, "");
	struct tool_domain *d = tool_find(f->tool, domid);

	call_drop(f, "domain.shutdown", json_pack("{s:i, s:b}", "domid", 1, "force", true));
	node_is(f, "/local/domain/1/control/shutdown", "poweroff");
	assert_false(f->engine.domains[domid].shutdown_asked);
	assert_int_equal(loop_timer_set(&d->grace, 1, 0), 0);
	for (int i = 0; i < 100 && !f->engine.domains[domid].shutdown_asked; i++)
		loop_turn(f->loop, 10);
	assert_true(f->engine.domains[domid].shutdown_asked);
	assert_int_equal(f->engine.domains[domid].info.reason, SHUTDOWN_poweroff);
	assert_int_equal(d->grace_at_ms, 0);
}

/* The daemon dies while it waits: the next one ends the domain when its time is over. */
static void is_ended_when_forced_by_the_successor(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_linux(f, "");
	struct tool_domain *d;
	struct fake_domain *fake = &f->engine.domains[domid];

	call_drop(f, "domain.reboot", json_pack("{s:i, s:b}", "domid", 1, "force", true));
	fixture_stop(f);
	fixture_start(f);
	d = tool_find(f->tool, domid);
	assert_true(d->grace_at_ms > 1 && d->asked);
	assert_int_equal(d->grace_reason, SHUTDOWN_reboot);
	/* It is over while nobody looks. */
	d->grace_at_ms = 1;
	assert_int_equal(tool_record_save(d), 0);
	fixture_stop(f);
	assert_false(fake->shutdown_asked);
	fixture_start(f);
	for (int i = 0; i < 100 && !fake->shutdown_asked; i++)
		loop_turn(f->loop, 10);
	assert_true(fake->shutdown_asked);
	assert_int_equal(fake->info.reason, SHUTDOWN_reboot);
	/* Of one that ended in time nothing is left. */
	tool_domain_ended(f->tool, domid, SHUTDOWN_poweroff);
	assert_null(tool_find(f->tool, domid));
}

static void vcpus_and_memory(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_linux(f, "");
	struct fake_domain *d = &f->engine.domains[domid];
	struct call c;
	json_t *list;

	node_is(f, "/local/domain/1/cpu/1/availability", "online");
	node_is(f, "/local/domain/1/cpu/2/availability", "offline");
	call_drop(f, "vcpu.set", json_pack("{s:i, s:i}", "domid", 1, "vcpus", 3));
	node_is(f, "/local/domain/1/cpu/2/availability", "online");
	call_drop(f, "vcpu.set", json_pack("{s:i, s:i}", "domid", 1, "vcpus", 1));
	node_is(f, "/local/domain/1/cpu/0/availability", "online");
	node_is(f, "/local/domain/1/cpu/1/availability", "offline");
	call_refused(f, "vcpu.set", json_pack("{s:i, s:i}", "domid", 1, "vcpus", 4), "invalid",
		     "1 to 3");
	call_refused(f, "vcpu.set", json_pack("{s:i, s:i}", "domid", 1, "vcpus", 0), "invalid",
		     "1 to 3");

	list = call(f, "vcpu.list", of(domid));
	assert_int_equal(json_array_size(list), 3);
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "online")));
	assert_false(json_is_true(json_object_get(json_array_get(list, 1), "online")));
	assert_string_equal(tool_config_text(json_array_get(list, 0), "cpus", ""), "0");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(list, 1), "cpu-time-ns")),
		10000000000);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(json_array_get(list, 1), "exits"), "all")),
			 11);
	json_decref(list);
	call_drop(f, "vcpu.pin", json_pack("{s:i, s:i, s:s}", "domid", 1, "vcpu", 2, "cpus", "0"));
	assert_int_equal(CPU_COUNT(&d->vcpu_cpus[2]), 1);
	assert_true(CPU_COUNT(&d->vcpu_cpus[1]) > 1);

	call_drop(f, "memory.set", json_pack("{s:i, s:i}", "domid", 1, "mib", 80));
	node_is(f, "/local/domain/1/memory/target", "81920");
	call_refused(f, "memory.set", json_pack("{s:i, s:i}", "domid", 1, "mib", 97), "invalid",
		     "1 to 96");
	/* What is listed is what it has: its balloon takes its time. */
	d->info.memory_mib = 87;
	list = call(f, "domain.list", of(domid));
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "memory")),
			 87);
	json_decref(list);
	call_refused(f, "memory.max", json_pack("{s:i, s:i}", "domid", 1, "mib", 79), "invalid",
		     "80 at least");
	call_begin(f, &c, "memory.max", json_pack("{s:i, s:i}", "domid", 1, "mib", 88));
	await_question(f, &c, d);
	assert_int_equal(d->asked.what, ENGINE_MAX_MEMORY);
	assert_int_equal(d->asked.value, 88ull << 20);
	d->asked.done(d->asked.done_arg, 0);
	json_decref(call_finish(f, &c, 0));
	call_refused(f, "memory.set", json_pack("{s:i, s:i}", "domid", 1, "mib", 89), "invalid",
		     "1 to 88");
	call_drop(f, "domain.sched",
		  json_pack("{s:i, s:i, s:i}", "domid", 1, "weight", 512, "cap", 50));
	assert_int_equal(d->weight, 512);
	assert_int_equal(d->cap, 50);
	call_refused(f, "domain.sched", json_pack("{s:i, s:i}", "domid", 1, "weight", 0), "invalid",
		     "65535");
}

static void keys_and_triggers(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_linux(f, "");
	struct fake_domain *d = &f->engine.domains[domid];
	struct call c;

	call_drop(f, "domain.sysrq", json_pack("{s:i, s:s}", "domid", 1, "key", "s"));
	node_is(f, "/local/domain/1/control/sysrq", "s");
	call_refused(f, "domain.sysrq", json_pack("{s:i, s:s}", "domid", 1, "key", "ss"), "invalid",
		     "one letter");
	call_begin(f, &c, "domain.trigger",
		   json_pack("{s:i, s:s, s:i}", "domid", 1, "trigger", "nmi", "vcpu", 1));
	await_question(f, &c, d);
	assert_int_equal(d->asked.arg, ENGINE_TRIGGER_NMI);
	assert_int_equal(d->asked.vcpu, 1);
	d->asked.done(d->asked.done_arg, -EPIPE);
	json_decref(call_finish(f, &c, -EREMOTEIO));
	call_refused(f, "domain.trigger", json_pack("{s:i, s:s}", "domid", 1, "trigger", "sleep"),
		     "invalid", "nmi");
	call_refused(f, "domain.trigger",
		     json_pack("{s:i, s:s, s:i}", "domid", 1, "trigger", "nmi", "vcpu", 3),
		     "invalid", "0 to 2");
	/* Not for processes. */
	create_ok(f, "name='a'\ntype='ns'\ninit='x'");
	call_refused(f, "vcpu.set", json_pack("{s:i, s:i}", "domid", 2, "vcpus", 1), "unsupported",
		     "no kernel");
	call_refused(f, "domain.sysrq", json_pack("{s:i, s:s}", "domid", 2, "key", "s"),
		     "unsupported", "no kernel");
}

static size_t cores(struct fixture *f)
{
	char pattern[128];
	glob_t found;
	size_t nr;

	snprintf(pattern, sizeof(pattern), "%s/dump/web-*Z-*.core", f->dir);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	nr = found.gl_pathc;
	globfree(&found);
	return nr;
}

/* The domain, its core dumped or not, comes back once and only then. */
static void crash_is_dumped(void **state)
{
	struct fixture *f = *state;
	char dir[128];
	uint16_t domid;

	snprintf(dir, sizeof(dir), "%s/dump", f->dir);
	setenv("VIFROST_DUMP_DIR", dir, 1);
	domid = create_linux(f, "on_crash='coredump-restart'\n");
	tool_domain_ended(f->tool, domid, SHUTDOWN_crash);
	assert_int_equal(f->engine.domains[domid].asked.what, ENGINE_DUMP_CORE);
	assert_int_equal(cores(f), 1);
	assert_int_equal(f->engine.last, domid);
	f->engine.domains[domid].asked.done(f->engine.domains[domid].asked.done_arg, 0);
	assert_int_equal(f->engine.last, domid + 1);
	assert_int_equal(cores(f), 1);
	tool_domain_started(f->tool, ++domid, NULL);

	/* A dump that fails holds nothing up, and leaves no half of one. */
	f->engine.fail_ask = -EBUSY;
	tool_domain_ended(f->tool, domid, SHUTDOWN_crash);
	f->engine.fail_ask = 0;
	assert_int_equal(f->engine.last, ++domid);
	assert_int_equal(cores(f), 1);
	tool_domain_started(f->tool, domid, NULL);

	/* The daemon dies meanwhile: the next one goes on with what was to be done. */
	tool_domain_ended(f->tool, domid, SHUTDOWN_crash);
	assert_int_equal(f->engine.last, domid);
	free(f->engine.domains[domid].asked.done_arg);
	f->engine.domains[domid].info.state = TOOL_HOST_STOPPED;
	fixture_stop(f);
	fixture_start(f);
	assert_int_equal(f->engine.last, domid + 1);
	unsetenv("VIFROST_DUMP_DIR");
}

static void dump_by_wish(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_linux(f, "");
	struct fake_domain *d = &f->engine.domains[domid];
	char path[128];
	struct call c;

	snprintf(path, sizeof(path), "%s/core", f->dir);
	call_refused(f, "domain.dump-core", json_pack("{s:i, s:s}", "domid", 1, "file", "core"),
		     "invalid", "absolute");
	call_begin(f, &c, "domain.dump-core", json_pack("{s:i, s:s}", "domid", 1, "file", path));
	await_question(f, &c, d);
	assert_int_equal(d->asked.what, ENGINE_DUMP_CORE);
	d->asked.done(d->asked.done_arg, 0);
	json_decref(call_finish(f, &c, 0));
	assert_int_equal(access(path, F_OK), 0);
	/* Nothing that is there is written over, or removed. */
	call_refused(f, "domain.dump-core", json_pack("{s:i, s:s}", "domid", 1, "file", path),
		     "exists", NULL);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_suspended_one_stays(void **state)
{
	struct fixture *f = *state;
	uint16_t domid = create_linux(f, "on_poweroff='destroy'\non_crash='destroy'\n");

	tool_domain_ended(f->tool, domid, SHUTDOWN_suspend);
	assert_true(f->engine.domains[domid].exists);
	assert_int_equal(tool_find(f->tool, domid)->state, TOOL_SHUTDOWN);
}

static void command_lines(void **state)
{
	static const struct {
		const char *config, *line; /* NULL: refused */
	} cases[] = {
		{ "{}", "" },
		{ "{\"extra\": \"quiet\"}", "quiet" },
		{ "{\"root\": \"/dev/xvda1 ro\", \"extra\": \"4\"}", "root=/dev/xvda1 ro 4" },
		{ "{\"cmdline\": \"a b\", \"root\": \"x\", \"extra\": \"y\", \"ip\": \"z\"}",
		  "a b" },
		{ "{\"cmdline\": \"\", \"root\": \"x\"}", "" },
		{ "{\"name\": \"n\", \"root\": \"/dev/nfs\", \"nfs_server\": \"10.0.0.1\","
		  " \"nfs_root\": \"/srv/n\", \"ip\": \"10.0.0.9\", \"netmask\": "
		  "\"255.255.255.0\", \"gateway\": \"10.0.0.254\", \"extra\": \"rw\"}",
		  "root=/dev/nfs nfsroot=10.0.0.1:/srv/n "
		  "ip=10.0.0.9:10.0.0.1:10.0.0.254:255.255.255.0:n:eth0:off rw" },
		{ "{\"name\": \"n\", \"nfs_server\": \"s\", \"nfs_root\": \"/r\"}",
		  "root=/dev/nfs nfsroot=s:/r ip=:s:::n:eth0:dhcp" },
		{ "{\"ip\": \"1.2.3.4::1.2.3.1:255.0.0.0:h:eth1:off\"}",
		  "ip=1.2.3.4::1.2.3.1:255.0.0.0:h:eth1:off" },
		{ "{\"name\": \"n\", \"dhcp\": \"dhcp\", \"hostname\": \"other\"}",
		  "ip=::::other:eth0:dhcp" },
		{ "{\"nfs_root\": \"/r\"}", NULL },
	};
	char line[TOOL_CMDLINE], why[TOOL_WHY], *much = malloc(TOOL_CMDLINE + 2);
	json_t *config;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		config = json_loads(cases[i].config, 0, NULL);
		assert_int_equal(tool_cmdline(config, line, why), cases[i].line ? 0 : -EINVAL);
		if (cases[i].line)
			assert_string_equal(line, cases[i].line);
		json_decref(config);
	}
	memset(much, 'x', TOOL_CMDLINE + 1);
	much[TOOL_CMDLINE + 1] = '\0';
	config = json_pack("{s:s}", "extra", much + 2);
	assert_int_equal(tool_cmdline(config, line, why), 0);
	json_decref(config);
	config = json_pack("{s:s}", "extra", much + 1);
	assert_int_equal(tool_cmdline(config, line, why), -E2BIG);
	json_decref(config);
	config = json_pack("{s:s, s:s}", "root", much + 20, "extra", much);
	assert_int_equal(tool_cmdline(config, line, why), -E2BIG);
	json_decref(config);
	free(much);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_in_its_own_time),
		TEST(waits_for_the_host),
		TEST(is_asked_by_xenstore),
		TEST(is_ended_when_forced),
		TEST(is_ended_when_forced_by_the_successor),
		TEST(vcpus_and_memory),
		TEST(keys_and_triggers),
		TEST(crash_is_dumped),
		TEST(dump_by_wish),
		TEST(a_suspended_one_stays),
		cmocka_unit_test(command_lines),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
