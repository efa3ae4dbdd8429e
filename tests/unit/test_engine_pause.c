/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pausing an ns guest whose processes take their time, with both versions of the freezer's files made up. */
#include <errno.h>
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

#include "base/clock.h"
#include "base/log.h"
#include "hv/engine_priv.h"
#include "tests/util/scratch.h"

#define DOMID 5

struct fixture {
	struct loop *loop;
	struct engine *engine;
	struct engine_domain *d;
	char dir[64], group[160];
	unsigned int nr_done;
	int rc;
};

static void done(void *arg, int rc)
{
	struct fixture *f = arg;

	f->nr_done++;
	f->rc = rc;
}

static int shared(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->group, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void file_is(struct fixture *f, const char *name, const char *want)
{
	char path[256], text[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->group, name);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	assert_string_equal(text, want);
}

static void setup(struct fixture *f, bool v2)
{
	struct cgroups *g;

	*f = (struct fixture){ .dir = "/tmp/vf.pause.XXXXXX" };
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(loop_create(&f->loop), 0);
	assert_int_equal(engine_create(&(struct engine_params){ .loop = f->loop, .rundir = f->dir },
				       &f->engine),
			 0);
	g = &f->engine->cgroups;
	memset(g->jobs, 0, sizeof(g->jobs));
	g->jobs[CGROUP_FREEZE].v2 = v2;
	snprintf(g->jobs[CGROUP_FREEZE].dir, sizeof(g->jobs[0].dir), "%s", f->dir);
	snprintf(f->group, sizeof(f->group), "%s/vifrost-%s-%u", f->dir, g->instance, DOMID);
	assert_int_equal(mkdir(f->group, 0700), 0);
	f->d = engine_domain_alloc(f->engine, DOMID);
	f->d->ops = engine_ops_find("ns");
	f->d->fds[PART_STATE] = shared(sizeof(struct engine_record));
	f->d->fds[PART_LAUNCH] = shared(f->d->ops->launch_size);
	assert_int_equal(engine_domain_map(f->d), 0);
	assert_int_equal(engine_domain_map_launch(f->d), 0);
	f->d->record->state = ENGINE_RUNNING;
}

static void teardown(struct fixture *f)
{
	engine_destroy(f->engine);
	loop_destroy(f->loop);
	scratch_remove(f->dir);
}

static void turn(struct fixture *f, unsigned int ms)
{
	uint64_t end = clock_ms() + ms;

	while (!f->nr_done && clock_ms() < end)
		loop_turn(f->loop, 10);
}

static enum engine_state state_of(struct fixture *f)
{
	return f->d->record->state;
}

static void still_at_once(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, true);
	write_file(&f, "cgroup.freeze", "0");
	write_file(&f, "cgroup.events", "populated 1\nfrozen 1\n");
	assert_int_equal(engine_pause(f.engine, DOMID, done, &f), 0);
	assert_int_equal(state_of(&f), ENGINE_PAUSED);
	file_is(&f, "cgroup.freeze", "1");
	assert_int_equal(engine_unpause(f.engine, DOMID, done, &f), 0);
	assert_int_equal(state_of(&f), ENGINE_RUNNING);
	assert_int_equal(f.nr_done, 0);
	teardown(&f);
}

#define NOT_YET "populated 1\nfrozen 0\n"
#define STILL	"populated 1\nfrozen 1\n"

static void setup_slow(struct fixture *f)
{
	setup(f, true);
	write_file(f, "cgroup.freeze", "0");
	write_file(f, "cgroup.events", NOT_YET);
	assert_int_equal(engine_pause(f->engine, DOMID, done, f), 1);
	assert_int_equal(state_of(f), ENGINE_PAUSED);
	turn(f, 30);
	assert_int_equal(f->nr_done, 0);
}

static void still_in_time(void **state)
{
	struct fixture f;

	(void)state;
	setup_slow(&f);
	write_file(&f, "cgroup.events", STILL);
	turn(&f, 5000);
	assert_int_equal(f.nr_done, 1);
	assert_int_equal(f.rc, 0);
	assert_int_equal(state_of(&f), ENGINE_PAUSED);
	/* It is over: nobody looks any more. */
	write_file(&f, "cgroup.events", NOT_YET);
	assert_int_equal(loop_turn(f.loop, 20), 0);
	teardown(&f);
}

/* What waits in the kernel for good: nobody is to take it for still. */
static void never_still(void **state)
{
	uint64_t began = clock_ms();
	struct fixture f;

	(void)state;
	setup_slow(&f);
	turn(&f, 10000);
	assert_int_equal(f.rc, -ETIMEDOUT);
	assert_in_range(clock_ms() - began, 1000, 8000);
	assert_int_equal(state_of(&f), ENGINE_RUNNING);
	file_is(&f, "cgroup.freeze", "0");
	teardown(&f);
}

static void given_up(void **state)
{
	struct fixture f;

	(void)state;
	/* Let go meanwhile. */
	setup_slow(&f);
	assert_int_equal(engine_unpause(f.engine, DOMID, NULL, NULL), 0);
	assert_int_equal(f.nr_done, 1);
	assert_int_equal(f.rc, -ECANCELED);
	assert_int_equal(state_of(&f), ENGINE_RUNNING);
	file_is(&f, "cgroup.freeze", "0");
	teardown(&f);
	/* It ends. */
	setup_slow(&f);
	f.d->record->state = ENGINE_STOPPED;
	turn(&f, 5000);
	assert_int_equal(f.rc, -EPIPE);
	teardown(&f);
	/* vifrost-hvd ends, and the guest lives on. */
	setup_slow(&f);
	teardown(&f);
	assert_int_equal(f.nr_done, 1);
	assert_int_equal(f.rc, -EPIPE);
}

static void version_1(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, false);
	assert_int_equal(engine_pause(f.engine, DOMID, done, &f), -ENOENT);
	assert_int_equal(state_of(&f), ENGINE_RUNNING);
	write_file(&f, "freezer.state", "");
	assert_int_equal(engine_pause(f.engine, DOMID, done, &f), 0);
	file_is(&f, "freezer.state", "FROZEN");
	write_file(&f, "freezer.state", "FREEZING\n");
	assert_int_equal(cgroups_frozen(&f.engine->cgroups, DOMID), 0);
	write_file(&f, "freezer.state", "FROZEN\n");
	assert_int_equal(cgroups_frozen(&f.engine->cgroups, DOMID), 1);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(still_at_once), cmocka_unit_test(still_in_time),
		cmocka_unit_test(never_still),	 cmocka_unit_test(given_up),
		cmocka_unit_test(version_1),
	};

	log_init("test", LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
