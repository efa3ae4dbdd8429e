/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/engine_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void stopped(void *arg, uint16_t domid, unsigned int reason)
{
	struct engine_rig *rig = arg;

	assert_int_equal(domid, ENGINE_RIG_DOMID);
	rig->nr_stopped++;
	rig->reason = reason;
}

static void started(void *arg, uint16_t domid, const char *why)
{
	struct engine_rig *rig = arg;

	assert_int_equal(domid, ENGINE_RIG_DOMID);
	rig->nr_started++;
	snprintf(rig->why, sizeof(rig->why), "%s", why ? why : "");
}

static int shared(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

void engine_rig_create(struct engine_rig *rig, const char *type, size_t launch_size)
{
	const struct engine_hooks hooks = { stopped, started, rig };

	memset(rig, 0, sizeof(*rig));
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/vf.engine.XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	assert_int_equal(loop_create(&rig->loop), 0);
	assert_int_equal(
		engine_create(&(struct engine_params){ .loop = rig->loop, .rundir = rig->dir },
			      &rig->engine),
		0);
	engine_set_hooks(rig->engine, &hooks);
	rig->d = engine_domain_alloc(rig->engine, ENGINE_RIG_DOMID);
	rig->d->ops = engine_ops_find(type);
	rig->d->fds[PART_STATE] = shared(sizeof(struct engine_record));
	rig->d->fds[PART_LAUNCH] = shared(launch_size);
	assert_int_equal(engine_domain_map(rig->d), 0);
	assert_int_equal(engine_domain_map_launch(rig->d), 0);
	rig->d->record->state = ENGINE_RUNNING;
}

void engine_rig_destroy(struct engine_rig *rig)
{
	engine_destroy(rig->engine);
	loop_destroy(rig->loop);
	rmdir(rig->dir);
}
