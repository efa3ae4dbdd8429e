/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pausing an ns guest: its control group is frozen, which its processes come to one by one, on their way out of the kernel.
 * A pause is done when all have; one that cannot be is undone, so that nobody takes for still what is not.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "hv/engine_priv.h"

#define LOOK_MS	 5
#define PAUSE_MS 3000 /* a process that waits for a disk, say */

/* d->own. */
struct pausing {
	struct engine_domain *d;
	struct loop_timer timer;
	uint64_t deadline_ms;
	engine_done *done;
	void *done_arg;
};

static void end(struct engine_domain *d, int rc)
{
	struct pausing p, *own = d->own;

	if (!own)
		return;
	loop_timer_del(&own->timer);
	p = *own;
	free(own);
	d->own = NULL;
	if (p.done)
		p.done(p.done_arg, rc);
}

static void look(void *arg)
{
	struct pausing *p = arg;
	struct engine_domain *d = p->d;
	struct cgroups *g = &d->engine->cgroups;
	int rc = cgroups_frozen(g, d->domid);

	if (d->record->state != ENGINE_PAUSED) {
		end(d, -EPIPE);
	} else if (rc) {
		end(d, rc < 0 ? rc : 0);
	} else if (clock_ms() >= p->deadline_ms) {
		log_notice("domain %u (%s) does not stand still: it runs on", d->domid,
			   d->record->name);
		cgroups_freeze(g, d->domid, false);
		d->record->state = ENGINE_RUNNING;
		end(d, -ETIMEDOUT);
	}
}

/* Return: 0: it is; 1: when @done says so. */
static int await_standstill(struct engine_domain *d, engine_done *done, void *done_arg)
{
	struct pausing *p;
	int rc = cgroups_frozen(&d->engine->cgroups, d->domid);

	if (rc)
		return rc < 0 ? rc : 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct pausing){
		.d = d, .deadline_ms = clock_ms() + PAUSE_MS, .done = done, .done_arg = done_arg
	};
	rc = loop_timer_add(d->engine->params.loop, &p->timer, look, p);
	if (!rc)
		rc = loop_timer_set(&p->timer, LOOK_MS, LOOK_MS);
	if (rc) {
		loop_timer_del(&p->timer);
		free(p);
		return rc;
	}
	d->own = p;
	return 1;
}

int ns_pause(struct engine_domain *d, bool paused, engine_done *done, void *done_arg)
{
	struct cgroups *g = &d->engine->cgroups;
	struct ns_launch *l = d->launch;
	int rc;

	/* Created paused: its init has not started, and the rest is ours and may run. */
	if (!paused && l->hold) {
		__atomic_store_n(&l->hold, 0, __ATOMIC_RELEASE);
		return engine_signal(d, SIGUSR1);
	}
	/* Let go before it stood still. */
	end(d, -ECANCELED);
	rc = cgroups_freeze(g, d->domid, paused);
	if (rc || !paused)
		return rc;
	rc = await_standstill(d, done, done_arg);
	if (rc < 0)
		cgroups_freeze(g, d->domid, false);
	return rc;
}

void ns_forget(struct engine_domain *d)
{
	end(d, -EPIPE);
}
