/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engines' start and end, and their domains' way through a restart of vifrost-hvd. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rundir.h"
#include "hv/engine_priv.h"

#define LOG_DIR "/var/log/vifrost"

static void sweep(void *arg)
{
	struct engine *e = arg;
	unsigned int left = 0;

	for (unsigned int i = 0; i < e->nr_unswept; i++)
		if (!engine_find(e, e->unswept[i]) &&
		    cgroups_remove(&e->cgroups, e->unswept[i]) < 0)
			e->unswept[left++] = e->unswept[i];
	e->nr_unswept = left;
	if (left)
		loop_timer_set(&e->sweep, ENGINE_SWEEP_MS, 0);
}

void engine_sweep_later(struct engine *e, uint16_t domid)
{
	if (e->nr_unswept == sizeof(e->unswept) / sizeof(e->unswept[0]))
		return;
	e->unswept[e->nr_unswept++] = domid;
	loop_timer_set(&e->sweep, ENGINE_SWEEP_MS, 0);
}

/* What our predecessor had no time to sweep. */
static void sweep_stray(void *arg, uint16_t domid)
{
	struct engine *e = arg;

	if (!engine_find(e, domid) && cgroups_remove(&e->cgroups, domid) < 0)
		engine_sweep_later(e, domid);
}

/* Of a host that has a run directory of its own, there; tests have many at a time. */
static void find_console_dir(struct engine *e)
{
	if (strcmp(e->rundir, RUNDIR_DEFAULT) != 0)
		rundir_file(e->console_dir, e->rundir, "console");
	else
		snprintf(e->console_dir, sizeof(e->console_dir), "%s", LOG_DIR);
}

int engine_create(const struct engine_params *params, struct engine **engine_out)
{
	struct engine *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return -ENOMEM;
	e->params = *params;
	e->programs.front_fd = e->programs.init_fd = e->runner_fd = -1;
	snprintf(e->rundir, sizeof(e->rundir), "%s", params->rundir);
	e->params.rundir = e->rundir;
	find_console_dir(e);
	cgroups_init(&e->cgroups, e->rundir);
	rc = loop_timer_add(params->loop, &e->sweep, sweep, e);
	if (!rc)
		rc = kvm_device_init(&e->kvm, params->loop, KVM_DEVICE);
	if (rc < 0) {
		loop_timer_del(&e->sweep);
		free(e);
		return rc;
	}
	*engine_out = e;
	return 0;
}

void engine_destroy(struct engine *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < sizeof(e->domains) / sizeof(e->domains[0]); i++)
		if (e->domains[i])
			engine_domain_free(e->domains[i]);
	loop_timer_del(&e->sweep);
	kvm_device_fini(&e->kvm);
	ns_programs_close(&e->programs);
	if (e->runner_fd >= 0)
		close(e->runner_fd);
	free(e);
}

bool engine_restore(struct engine *e, const char *name, int fd)
{
	static const char *const console_parts[] = { "guest", "master", "slave" };
	struct engine_domain *d;
	unsigned int domid;
	char kind;
	int used = 0, *slot = NULL;

	if (sscanf(name, "%c%u.%n", &kind, &domid, &used) != 2 || !used ||
	    (kind != 'e' && kind != 'c') || !domid ||
	    domid >= sizeof(e->domains) / sizeof(e->domains[0]))
		return false;
	d = engine_find(e, (uint16_t)domid);
	if (!d)
		d = engine_domain_alloc(e, (uint16_t)domid);
	if (!d)
		return false;
	if (kind == 'e')
		slot = engine_domain_part(d, name + used);
	for (size_t i = 0; kind == 'c' && i < 3; i++)
		if (!strcmp(name + used, console_parts[i]))
			slot = &d->restored[i];
	if (!slot || *slot >= 0)
		return false;
	*slot = fd;
	return true;
}

static int watch_again(struct engine_domain *d)
{
	struct engine_params *p = &d->engine->params;
	int rc;

	if (d->record->state == ENGINE_CREATED)
		return 0;
	/* A death that nobody saw is seen now, and one that nobody acted on is seen again. */
	rc = d->ops->listen ? d->ops->listen(d, true) : 0;
	if (!rc)
		rc = engine_domain_watch(d);
	if (!rc && p->guest_socket && d->fds[PART_SOCKET] >= 0)
		p->guest_socket(p->arg, d->domid, d->fds[PART_SOCKET], d->fds[PART_PROGRAM], true);
	return rc;
}

/* Whether everything is there that a domain of its type and state needs. */
static bool is_whole(struct engine_domain *d)
{
	const struct engine_record *r;

	if (d->fds[PART_STATE] < 0 || engine_domain_map(d) < 0)
		return false;
	r = d->record;
	if (r->magic != ENGINE_RECORD_MAGIC || r->type[ENGINE_TYPE_MAX - 1] ||
	    r->generation != core_domain_generation(d->engine->params.core, d->domid))
		return false;
	d->ops = engine_ops_find(r->type);
	if (!d->ops || (!d->ops->own_kernel && d->restored[0] < 0) || d->fds[PART_LAUNCH] < 0 ||
	    engine_domain_map_launch(d) < 0)
		return false;
	for (size_t i = 0; r->state != ENGINE_CREATED && i < ENGINE_NR_PARTS; i++)
		if ((d->ops->needs & PART_BIT(i)) && d->fds[i] < 0)
			return false;
	return true;
}

static bool restore_domain(struct engine_domain *d)
{
	if (!is_whole(d) || engine_domain_console(d, true, NULL) < 0)
		return false;
	if (d->ops->own_kernel)
		kvm_device_works(&d->engine->kvm);
	if (d->ops->look && d->record->state != ENGINE_CREATED)
		d->ops->look(d);
	return engine_domain_introduce(d, true) == 0 && watch_again(d) == 0;
}

void engine_restore_done(struct engine *e)
{
	uint16_t domid, next;

	for (uint32_t i = 1; i < sizeof(e->domains) / sizeof(e->domains[0]); i++) {
		if (!e->domains[i] || restore_domain(e->domains[i]))
			continue;
		log_warning("domain %u was not whole when vifrost-hvd ended: destroyed", i);
		engine_domain_destroy(e, (uint16_t)i);
	}
	for (domid = core_domain_next(e->params.core, 0); domid; domid = next) {
		next = core_domain_next(e->params.core, domid);
		if (!engine_find(e, domid))
			core_domain_destroy(e->params.core, domid);
	}
	cgroups_for_each_domain(&e->cgroups, sweep_stray, e);
	xs_server_drop_dead(e->params.xenstore);
}
