/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Suspend, save, resume and restore by the toolstack: every step that can fail leaves the guest where it was. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/sched.h>

#include "hv/tool_save.h"
#include "hv/tool_saved.h"
#include "tests/util/tool_fixture.h"

#define LINUX "name='web'\ntype='pvh'\nkernel='/boot/vmlinuz'\nmemory=64\n"

static char saved_path[128];

static void ask_write(struct fixture *f, const char *path, const char *value)
{
	assert_int_equal(hv_store_write(f->store, 0, path, value, strlen(value)), 0);
}

static void node_is(struct fixture *f, const char *path, const char *want)
{
	char *value = NULL;

	assert_int_equal(hv_store_read(f->store, 0, path, &value, NULL), 0);
	assert_string_equal(value, want);
	free(value);
}

/* Turn the loop until @place is @want, which a loaded machine may take its time for. */
static void turn_until(struct fixture *f, const volatile unsigned int *place, unsigned int want)
{
	for (int i = 0; i < 1000 && *place != want; i++)
		loop_turn(f->loop, 10);
	assert_int_equal(*place, want);
}

static void turn_until_made(struct fixture *f, uint16_t domid)
{
	for (int i = 0; i < 1000 && f->engine.last != domid; i++)
		loop_turn(f->loop, 10);
	assert_int_equal(f->engine.last, domid);
}

static void turn_until_asked(struct fixture *f)
{
	char *value = NULL;

	for (int i = 0; i < 1000 && (!value || strcmp(value, "suspend")); i++) {
		loop_turn(f->loop, 10);
		free(value);
		value = NULL;
		hv_store_read(f->store, 0, "/local/domain/1/control/shutdown", &value, NULL);
	}
	assert_string_equal(value, "suspend");
	free(value);
}

static struct fake_domain *linux_guest(struct fixture *f, bool listens)
{
	struct call c;

	snprintf(saved_path, sizeof(saved_path), "%s/web.save", f->dir);
	call_begin(f, &c, "domain.create", json_pack("{s:o}", "config", config_of(LINUX)));
	turn_until_made(f, 1);
	tool_domain_started(f->tool, f->engine.last, NULL);
	json_decref(call_finish(f, &c, 0));
	if (listens)
		ask_write(f, "/local/domain/1/control/feature-suspend", "1");
	return &f->engine.domains[f->engine.last];
}

static void begin_save(struct fixture *f, struct call *c, const char *how)
{
	json_t *params = json_pack("{s:i, s:s}", "domid", 1, "path", saved_path);

	/* As a guest does when it has read it. */
	ask_write(f, "/local/domain/1/control/shutdown", "");
	if (how)
		json_object_set_new(params, how, json_true());
	call_begin(f, c, "domain.save", params);
	turn_until_asked(f);
	assert_false(c->done);
}

static void answer(struct fake_domain *d, unsigned int what, int rc)
{
	assert_int_equal(d->asked.what, what);
	d->asked.done(d->asked.done_arg, rc);
}

static void refused_with(struct fixture *f, struct call *c, const char *text)
{
	json_t *error = call_finish(f, c, -EREMOTEIO);
	const char *message = tool_config_text(error, "message", "");

	if (!strstr(message, text))
		fail_msg("'%s' is not in '%s'", text, message);
	json_decref(error);
}

/* But for what the fixture has, and @nr saved ones. */
static void files_are(struct fixture *f, int nr)
{
	DIR *dir = opendir(f->dir);
	struct dirent *e;

	while ((e = readdir(dir)))
		nr -= !strncmp(e->d_name, "web.save", 8);
	closedir(dir);
	assert_int_equal(nr, 0);
}

static void saves_and_restores(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	const char *why;
	json_t *config, *result;
	struct call c;
	int fd;

	begin_save(f, &c, NULL);
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	/* Not there before it is whole. */
	assert_int_equal(access(saved_path, F_OK), -1);
	answer(d, ENGINE_SAVE, 0);
	json_decref(call_finish(f, &c, 0));
	assert_false(d->exists);
	files_are(f, 1);
	fd = open(saved_path, O_RDONLY);
	assert_int_equal(saved_read(fd, &config, &why), 0);
	assert_string_equal(tool_config_text(config, "name", ""), "web");
	json_decref(config);
	close(fd);

	call_begin(f, &c, "domain.restore", json_pack("{s:s}", "path", saved_path));
	turn_until_made(f, 2);
	node_is(f, "/local/domain/2/control/feature-suspend", "1");
	assert_true(f->engine.domains[2].restored);
	tool_domain_started(f->tool, 2, NULL);
	result = call_finish(f, &c, 0);
	assert_int_equal(json_integer_value(json_object_get(result, "domid")), 2);
	json_decref(result);
	/* Once more is another of the same name. */
	call_refused(f, "domain.restore", json_pack("{s:s}", "path", saved_path), "exists", "web");
	call_refused(f, "domain.restore", json_pack("{s:s}", "path", "/nowhere/x"), "not-found",
		     NULL);
	call_refused(f, "domain.restore", json_pack("{s:s}", "path", "x"), "invalid", "absolute");
}

static void a_checkpoint_goes_on(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	struct call c;

	begin_save(f, &c, "checkpoint");
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	call_refused(f, "domain.save", json_pack("{s:i, s:s}", "domid", 1, "path", saved_path),
		     "busy", "already");
	answer(d, ENGINE_SAVE, 0);
	assert_false(c.done);
	answer(d, ENGINE_RESUME, 0);
	json_decref(call_finish(f, &c, 0));
	assert_true(d->exists);
	assert_int_equal(tool_find(f->tool, 1)->state, TOOL_RUNNING);
	files_are(f, 1);
	/* And ends as any does. */
	tool_domain_ended(f->tool, 1, SHUTDOWN_poweroff);
	assert_false(d->exists);
}

static void failures_leave_it_running(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, false);
	json_t *here = json_pack("{s:i, s:s}", "domid", 1, "path", saved_path);
	struct tool_domain *t = tool_find(f->tool, 1);
	struct call c;

	call_refused(f, "domain.save", json_incref(here), "unsupported", "does not listen");
	ask_write(f, "/local/domain/1/control/feature-suspend", "1");
	call_refused(f, "domain.save", json_pack("{s:i, s:s}", "domid", 1, "path", "/none/x"),
		     "not-found", NULL);
	/* The disk is full. */
	begin_save(f, &c, NULL);
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	answer(d, ENGINE_SAVE, -ENOSPC);
	answer(d, ENGINE_RESUME, 0);
	refused_with(f, &c, "disk is full");
	files_are(f, 0);
	assert_int_equal(t->state, TOOL_RUNNING);
	/* It never does what it is asked. */
	begin_save(f, &c, NULL);
	assert_int_equal(loop_timer_set(tool_save_timer(t), 1, 0), 0);
	assert_true(call_turn(f, &c, 10000));
	refused_with(f, &c, "not suspended itself in time");
	node_is(f, "/local/domain/1/control/shutdown", "");
	files_are(f, 0);
	assert_int_equal(t->state, TOOL_RUNNING);
	/* Late, it is not left standing. */
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	answer(d, ENGINE_RESUME, 0);
	assert_int_equal(t->state, TOOL_RUNNING);
	begin_save(f, &c, NULL);
	tool_domain_ended(f->tool, 1, SHUTDOWN_poweroff);
	refused_with(f, &c, "shut down instead");
	assert_false(d->exists);
	files_are(f, 0);
	json_decref(here);
}

static void a_destroyed_one_is_not_saved(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	struct call c;

	begin_save(f, &c, NULL);
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	refused_with(f, &c, "gone meanwhile");
	answer(d, ENGINE_SAVE, -EPIPE);
	files_are(f, 0);
}

static void suspend_and_resume(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	struct call c;

	call_refused(f, "domain.resume", json_pack("{s:i}", "domid", 1), "invalid",
		     "not suspended");
	call_begin(f, &c, "domain.suspend", json_pack("{s:i}", "domid", 1));
	turn_until_asked(f);
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	json_decref(call_finish(f, &c, 0));
	assert_true(d->exists);
	call_begin(f, &c, "domain.resume", json_pack("{s:i}", "domid", 1));
	turn_until(f, (unsigned int *)&d->asked.what, ENGINE_RESUME);
	answer(d, ENGINE_RESUME, 0);
	json_decref(call_finish(f, &c, 0));
	assert_int_equal(tool_find(f->tool, 1)->state, TOOL_RUNNING);
	create_ok(f, "name='a'\ntype='ns'\ninit='x'");
	call_refused(f, "domain.suspend", json_pack("{s:i}", "domid", 2), "unsupported", "pvh");
}

static void a_stream_stays_for_its_asker(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	char fifo[128];
	struct call c;
	int fd;

	call_refused(f, "domain.save",
		     json_pack("{s:i, s:s, s:b}", "domid", 1, "path", "/dev/null", "stream", 1),
		     "invalid", "a FIFO");
	snprintf(fifo, sizeof(fifo), "%s/fifo", f->dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(saved_path, sizeof(saved_path), "%s", fifo);
	fd = open(fifo, O_RDONLY | O_NONBLOCK);
	begin_save(f, &c, "stream");
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	answer(d, ENGINE_SAVE, 0);
	json_decref(call_finish(f, &c, 0));
	assert_true(d->exists);
	assert_int_equal(tool_find(f->tool, 1)->state, TOOL_SHUTDOWN);
	close(fd);
	call_refused(f, "domain.restore", json_pack("{s:s, s:b}", "path", fifo, "stream", 1),
		     "invalid", "config");
	call_begin(f, &c, "domain.restore",
		   json_pack("{s:s, s:b, s:s, s:o}", "path", fifo, "stream", 1, "name", "other",
			     "config", config_of(LINUX)));
	turn_until_made(f, 2);
	tool_domain_started(f->tool, 2, "it ends too early");
	refused_with(f, &c, "ends too early");
	assert_false(f->engine.domains[2].exists);
}

/* A copy that has begun: its pipe's reading end. */
static int begin_copy(struct fixture *f, struct call *c, struct fake_domain *d)
{
	char fifo[128];
	int fd;

	snprintf(fifo, sizeof(fifo), "%s/fifo", f->dir);
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDONLY | O_NONBLOCK);
	d->asked.what = ENGINE_TRIGGER;
	ask_write(f, "/local/domain/1/control/shutdown", "");
	call_begin(f, c, "domain.save",
		   json_pack("{s:i, s:s, s:b, s:b}", "domid", 1, "path", fifo, "stream", 1, "live",
			     1));
	turn_until(f, (unsigned int *)&d->asked.what, ENGINE_COPY);
	/* The runner must not wait for who reads. */
	assert_true(fcntl(d->asked.fd, F_GETFL) & O_NONBLOCK);
	node_is(f, "/local/domain/1/control/shutdown", "");
	return fd;
}

static void live(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	json_t *result, *rounds;
	struct call c;
	int fd = begin_copy(f, &c, d);

	call_refused(f, "domain.suspend", json_pack("{s:i}", "domid", 1), "busy", "already");
	answer(d, ENGINE_COPY, 0);
	turn_until_asked(f);
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	assert_int_equal(d->asked.arg, 1);
	answer(d, ENGINE_SAVE, 0);
	result = call_finish(f, &c, 0);
	rounds = json_object_get(result, "rounds");
	assert_int_equal(json_array_size(rounds), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(rounds, 0), "pages")),
			 1000);
	assert_true(json_integer_value(json_object_get(result, "suspended-ms")) > 0);
	json_decref(result);
	assert_int_equal(tool_find(f->tool, 1)->state, TOOL_SHUTDOWN);
	close(fd);
}

/* Whatever fails, it runs, and what it writes is noted no more. */
static void live_failures(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	struct tool_domain *t = tool_find(f->tool, 1);
	struct call c;
	int fd = begin_copy(f, &c, d);

	answer(d, ENGINE_COPY, -EPIPE);
	assert_int_equal(d->asked.what, ENGINE_COPY_END);
	refused_with(f, &c, "nobody reads");
	assert_int_equal(t->state, TOOL_RUNNING);
	node_is(f, "/local/domain/1/control/shutdown", "");
	close(fd);
	/* It does not do what it is asked. */
	fd = begin_copy(f, &c, d);
	answer(d, ENGINE_COPY, 0);
	turn_until_asked(f);
	assert_int_equal(loop_timer_set(tool_save_timer(t), 1, 0), 0);
	assert_true(call_turn(f, &c, 10000));
	refused_with(f, &c, "not suspended itself in time");
	assert_int_equal(d->asked.what, ENGINE_COPY_END);
	assert_int_equal(t->state, TOOL_RUNNING);
	t->unsuspend = false;
	close(fd);
	/* Its last round cannot be sent. */
	fd = begin_copy(f, &c, d);
	answer(d, ENGINE_COPY, 0);
	turn_until_asked(f);
	tool_domain_ended(f->tool, 1, SHUTDOWN_suspend);
	answer(d, ENGINE_SAVE, -EPIPE);
	answer(d, ENGINE_RESUME, 0);
	refused_with(f, &c, "");
	assert_int_equal(t->state, TOOL_RUNNING);
	close(fd);
	/* It cannot be copied at all. */
	f->engine.fail_ask = -EOPNOTSUPP;
	call_refused(f, "domain.save",
		     json_pack("{s:i, s:s, s:b, s:b}", "domid", 1, "path", "/dev/null", "stream", 1,
			       "live", 1),
		     "invalid", "a FIFO");
	f->engine.fail_ask = 0;
	/* It is powered off meanwhile, and destroyed; the runner says so only then. */
	fd = begin_copy(f, &c, d);
	tool_domain_ended(f->tool, 1, SHUTDOWN_poweroff);
	refused_with(f, &c, "shut down instead");
	assert_false(d->exists);
	answer(d, ENGINE_COPY, -EPIPE);
	close(fd);
}

static void a_copied_one_is_destroyed(void **state)
{
	struct fixture *f = *state;
	struct fake_domain *d = linux_guest(f, true);
	struct call c;
	int fd = begin_copy(f, &c, d);

	call_drop(f, "domain.destroy", json_pack("{s:i}", "domid", 1));
	refused_with(f, &c, "gone meanwhile");
	answer(d, ENGINE_COPY, -EPIPE);
	close(fd);
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("saved", 0);

	assert_int_equal(write(fd, data, size), size);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Cut off, or changed, at every byte: an answer each time, and no config of a file without one. */
static void damaged_files(void **state)
{
	json_t *config = json_pack("{s:s, s:i}", "name", "web", "memory", 64), *got;
	uint8_t whole[256];
	const char *why;
	ssize_t size;
	int fd = memfd_create("saved", 0);

	(void)state;
	assert_int_equal(saved_write(fd, config), 0);
	size = pread(fd, whole, sizeof(whole), 0);
	close(fd);
	for (ssize_t i = 0; i < size; i++) {
		fd = file_of(whole, (size_t)i);
		assert_int_equal(saved_read(fd, &got, &why), -ENODATA);
		assert_non_null(strstr(why, "cut off"));
		close(fd);
		for (unsigned int bit = 0; bit < 8; bit++) {
			int rc;

			whole[i] ^= (uint8_t)(1u << bit);
			fd = file_of(whole, (size_t)size);
			why = NULL;
			rc = saved_read(fd, &got, &why);
			assert_int_equal(rc == 0, got != NULL);
			assert_int_equal(rc == 0, why == NULL);
			/* Each bit of the head counts. */
			if (i < (ssize_t)sizeof(struct saved_head))
				assert_int_not_equal(rc, 0);
			json_decref(got);
			close(fd);
			whole[i] ^= (uint8_t)(1u << bit);
		}
	}
	json_decref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(saves_and_restores, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_checkpoint_goes_on, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(failures_leave_it_running, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_destroyed_one_is_not_saved, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(suspend_and_resume, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_stream_stays_for_its_asker, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(live, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(live_failures, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_copied_one_is_destroyed, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(damaged_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
