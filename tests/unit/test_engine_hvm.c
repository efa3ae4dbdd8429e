/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vifrost-hvd makes of what QEMU says and of how it ends. A child that sleeps is its process. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/sched.h>

#include "base/clock.h"
#include "hv/engine_hvm.h"
#include "tests/util/engine_rig.h"

#define WAIT_MS 5000

struct fixture {
	struct engine_rig rig;
	int qemu, log; /* its ends */
	pid_t pid;
};

static void make_process(struct fixture *f)
{
	int pair[2], log[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
	f->rig.d->fds[PART_CONTROL] = pair[0];
	f->qemu = pair[1];
	f->rig.d->fds[PART_LOG] = log[0];
	f->log = log[1];
	f->pid = fork();
	if (f->pid == 0) {
		/* Also when a test fails and nobody ends it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	f->rig.d->fds[PART_FIRST] = (int)syscall(SYS_pidfd_open, f->pid, 0);
	assert_true(f->rig.d->fds[PART_FIRST] >= 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	engine_rig_create(&f->rig, "hvm", sizeof(struct hvm_launch));
	make_process(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	engine_rig_destroy(&f->rig);
	/* Unless the engine has seen to it: then its number may be another's. */
	if (waitpid(f->pid, NULL, WNOHANG) == 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	close(f->qemu);
	close(f->log);
	free(f);
	return 0;
}

static void listen_as(struct fixture *f, bool restored)
{
	assert_int_equal(hvm_listen(f->rig.d, restored), 0);
	assert_int_equal(engine_domain_watch(f->rig.d), 0);
}

static void say(struct fixture *f, const char *text)
{
	assert_int_equal(write(f->qemu, text, strlen(text)), (ssize_t)strlen(text));
	while (loop_turn(f->rig.loop, 0) > 0)
		;
}

/* Until the end of its process has been seen. */
static void await_end(struct fixture *f)
{
	uint64_t deadline = clock_ms() + WAIT_MS;

	while (!f->rig.nr_stopped && !f->rig.nr_started && clock_ms() < deadline)
		loop_turn(f->rig.loop, 100);
}

#define EVENT(name, data) "{\"event\": \"" name "\", \"data\": " data "}\r\n"

/* What it says before it ends, its end, and what that is to the toolstack. */
static const struct {
	const char *said;
	int signo;
	unsigned int reason;
} ends[] = {
	{ EVENT("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}"), SIGKILL,
	  SHUTDOWN_poweroff },
	{ EVENT("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-reset\"}"), SIGTERM,
	  SHUTDOWN_reboot },
	{ EVENT("SHUTDOWN", "{\"guest\": false, \"reason\": \"host-signal\"}"), SIGTERM,
	  SHUTDOWN_poweroff },
	{ EVENT("GUEST_PANICKED", "{\"action\": \"poweroff\"}")
		  EVENT("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}"),
	  SIGTERM, SHUTDOWN_crash },
	{ EVENT("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-panic\"}"), SIGTERM,
	  SHUTDOWN_crash },
	/* The first of two is what counts; one of an unknown cause is none. */
	{ EVENT("SHUTDOWN", "{\"reason\": \"guest-reset\"}")
		  EVENT("SHUTDOWN", "{\"reason\": \"guest-shutdown\"}"),
	  SIGTERM, SHUTDOWN_reboot },
	{ EVENT("SHUTDOWN", "{\"reason\": \"no-such\"}") EVENT("SHUTDOWN", "[]")
		  EVENT("SHUTDOWN", "{\"reason\": 5}") "{\"event\": \"SHUTDOWN\"}\n",
	  SIGTERM, SHUTDOWN_crash },
	/* Killed, out of the blue. */
	{ "", SIGKILL, SHUTDOWN_crash },
	{ EVENT("STOP", "{}"), SIGABRT, SHUTDOWN_crash },
	/* What is no QMP ends it. */
	{ "SHUTDOWN\nSHUTDOWN\n", 0, SHUTDOWN_crash },
	{ EVENT("SHUTDOWN", "{\"reason\": \"guest-shutdown\"}") "[]\n", 0, SHUTDOWN_poweroff },
};

static void how_it_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		void *own;
		struct fixture *f;

		setup(&own);
		f = own;
		listen_as(f, true);
		say(f, ends[i].said);
		if (ends[i].signo)
			kill(f->pid, ends[i].signo);
		await_end(f);
		if (f->rig.nr_stopped != 1 || f->rig.reason != ends[i].reason)
			fail_msg("%s: stopped %u times, reason %u", ends[i].said, f->rig.nr_stopped,
				 f->rig.reason);
		assert_int_equal(f->rig.d->record->state, ENGINE_STOPPED);
		teardown(&own);
	}
}

/* An answer to a call of its start that says no, an end, a line that is none: why it does not start. */
static const struct {
	const char *said, *printed, *why;
	bool dies;
} failures[] = {
	{ "", "qemu-system-x86_64: -drive x: no such\n", "QEMU: -drive x: no such", true },
	{ "", "a\033[2J\n", "QEMU: a?[2J", true },
	{ "", "qemu: invalid kernel header\n",
	  "kernel: /k: QEMU: invalid kernel header: give it a bzImage, or an ELF file with a PVH note",
	  true },
	{ "", "", "QEMU was killed by signal 9 (Killed)", true },
	{ "{\"QMP\": {}}\n{\"retu", "", "QEMU was killed by signal 9 (Killed)", true },
	{ "{\"QMP\": {}}\nnonsense\n", "", "QEMU sent a line that is no JSON object", false },
	{ "{\"QMP\": {}}\n{}\n", "", "QEMU sent something that is no QMP message", false },
};

static void why_it_does_not_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		void *own;
		struct fixture *f;

		setup(&own);
		f = own;
		f->rig.d->record->starting = 1;
		strcpy(((struct hvm_launch *)f->rig.d->launch)->config, "{\"kernel\": \"/k\"}");
		listen_as(f, false);
		assert_int_equal(write(f->log, failures[i].printed, strlen(failures[i].printed)),
				 (ssize_t)strlen(failures[i].printed));
		say(f, failures[i].said);
		if (failures[i].dies)
			kill(f->pid, SIGKILL);
		await_end(f);
		assert_int_equal(f->rig.nr_started, 1);
		assert_string_equal(f->rig.why, failures[i].why);
		assert_int_equal(f->rig.nr_stopped, 0);
		assert_int_equal(f->rig.d->record->state, ENGINE_STOPPED);
		teardown(&own);
	}
}

/* Its predecessor has ended amidst its start. */
static void a_start_that_is_left(void **state)
{
	struct fixture *f = *state;

	f->rig.d->record->starting = 1;
	listen_as(f, true);
	await_end(f);
	assert_int_equal(f->rig.nr_started, 1);
	assert_string_equal(f->rig.why, "vifrost-hvd ended while it was starting");
}

/* Paused while it starts: it is told when it has. */
static void paused_meanwhile(void **state)
{
	struct fixture *f = *state;
	char text[256] = "";

	f->rig.d->record->starting = 1;
	listen_as(f, false);
	assert_int_equal(engine_pause(f->rig.engine, ENGINE_RIG_DOMID, NULL, NULL), 0);
	say(f, "{\"QMP\": {}}\n");
	assert_true(recv(f->qemu, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_null(strstr(text, "stop"));
	((struct hvm_domain *)f->rig.d->own)->settled = true;
	hvm_start_timer(f->rig.d->own);
	assert_int_equal(f->rig.nr_started, 1);
	assert_string_equal(f->rig.why, "");
	say(f, "");
	memset(text, 0, sizeof(text));
	assert_true(recv(f->qemu, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(text, "\"stop\""));
}

struct outcome {
	unsigned int nr;
	char error[ENGINE_WHY];
};

static void outcome(void *arg, const char *error)
{
	struct outcome *o = arg;

	o->nr++;
	snprintf(o->error, sizeof(o->error), "%s", error ? error : "");
}

/* All that was asked since, in order; answered: the @fail-th, from 1, by an error. */
static void answer(struct fixture *f, unsigned int fail, char asked[512])
{
	char text[8192] = "", reply[128], *line, *rest = text;
	unsigned int nr = 0;
	size_t len = 0;
	ssize_t n;

	asked[0] = '\0';
	/* One read ends where a descriptor comes. */
	while ((n = recv(f->qemu, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	assert_true(len > 0);
	while ((line = strsep(&rest, "\n")) && *line) {
		json_t *call = json_loads(line, 0, NULL);
		int id = (int)json_integer_value(json_object_get(call, "id"));

		assert_non_null(call);
		snprintf(asked + strlen(asked), 512 - strlen(asked), "%s ",
			 json_string_value(json_object_get(call, "execute")));
		if (++nr == fail)
			snprintf(reply, sizeof(reply),
				 "{\"error\": {\"desc\": \"broken\"}, \"id\": %d}\n", id);
		else
			snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %d}\n", id);
		say(f, reply);
		json_decref(call);
	}
}

static void disks(void **state)
{
	struct fixture *f = *state;
	json_t *disk = json_pack("{s:s, s:s}", "vdev", "sdb", "target", "/proc/self/exe");
	char why[ENGINE_WHY], asked[512];
	struct outcome o = { 0 };

	json_object_set_new(disk, "access", json_string("ro"));
	listen_as(f, false);
	say(f, "{\"QMP\": {}}\n");
	answer(f, 0, asked);
	/* Nobody is told before the last is done; one that fails leaves nothing. */
	assert_int_equal(
		engine_disk_attach(f->rig.engine, ENGINE_RIG_DOMID, disk, outcome, &o, why), 0);
	say(f, "");
	answer(f, 3, asked);
	assert_string_equal(asked,
			    "add-fd blockdev-add blockdev-add remove-fd device_add device_add ");
	assert_int_equal(o.nr, 1);
	assert_string_equal(o.error, "QEMU: broken");
	say(f, "");
	answer(f, 0, asked);
	assert_string_equal(asked, "blockdev-del blockdev-del ");
	/* The adapter may be there. */
	assert_int_equal(
		engine_disk_attach(f->rig.engine, ENGINE_RIG_DOMID, disk, outcome, &o, why), 0);
	say(f, "");
	answer(f, 5, asked);
	assert_int_equal(o.nr, 2);
	assert_string_equal(o.error, "");

	/* It goes when the guest lets go of it, and its image is closed. */
	assert_int_equal(
		engine_disk_detach(f->rig.engine, ENGINE_RIG_DOMID, disk, outcome, &o, why), 0);
	assert_int_equal(
		engine_disk_detach(f->rig.engine, ENGINE_RIG_DOMID, disk, outcome, &o, why),
		-EBUSY);
	say(f, "");
	answer(f, 0, asked);
	assert_string_equal(asked, "device_del ");
	say(f, EVENT("DEVICE_DELETED", "{\"device\": \"disk-sdc\"}"));
	answer(f, 0, asked);
	assert_int_equal(o.nr, 2);
	say(f, EVENT("DEVICE_DELETED", "{\"device\": \"disk-sdb\"}"));
	assert_int_equal(o.nr, 3);
	assert_string_equal(o.error, "");
	answer(f, 0, asked);
	assert_string_equal(asked, "blockdev-del blockdev-del ");

	/* Not even begun. */
	json_object_set_new(disk, "target", json_string("/nowhere"));
	assert_int_equal(
		engine_disk_attach(f->rig.engine, ENGINE_RIG_DOMID, disk, outcome, &o, why),
		-ENOENT);
	assert_non_null(strstr(why, "/nowhere"));
	json_object_set_new(disk, "vdev", json_string("hda"));
	assert_int_equal(
		engine_disk_attach(f->rig.engine, ENGINE_RIG_DOMID, disk, outcome, &o, why),
		-EINVAL);
	assert_int_equal(
		engine_disk_detach(f->rig.engine, ENGINE_RIG_DOMID, disk, outcome, &o, why),
		-EINVAL);
	assert_non_null(strstr(why, "while the machine runs"));
	assert_int_equal(o.nr, 3);
	json_decref(disk);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_it_ends),
		cmocka_unit_test(why_it_does_not_start),
		TEST(a_start_that_is_left),
		TEST(paused_meanwhile),
		TEST(disks),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
