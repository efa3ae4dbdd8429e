/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's console: a terminal that its processes have, or the ring of a kernel of its own. */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hv/engine_priv.h"

static void ring_output(void *arg, const char *data, size_t size)
{
	struct engine_domain *d = arg;

	console_output(d->console, data, size);
}

static void ring_taken(void *arg)
{
	struct engine_domain *d = arg;

	console_wake(d->console);
}

static size_t ring_room(void *arg)
{
	struct engine_domain *d = arg;

	return console_ring_room(d->ring);
}

static void ring_input(void *arg, const char *data, size_t size)
{
	struct engine_domain *d = arg;

	console_ring_input(d->ring, data, size);
}

static int open_ring(struct engine_domain *d)
{
	struct engine_params *p = &d->engine->params;
	struct console_ring_params ring = {
		.loop = p->loop,
		.page = core_domain_page(p->core, d->domid, CORE_PAGE_CONSOLE),
		.output = ring_output,
		.taken = ring_taken,
		.arg = d,
	};
	int rc = core_evtchn_fds(p->core, d->domid, CORE_PORT_CONSOLE, &ring.to_guest,
				 &ring.from_guest);

	return rc < 0 ? rc : console_ring_create(&ring, &d->ring);
}

int engine_domain_console(struct engine_domain *d, bool restored, char tty[PATH_MAX])
{
	struct engine_params *p = &d->engine->params;
	struct console_params params = { .loop = p->loop,
					 .keeper = p->keeper,
					 .dir = d->engine->console_dir,
					 .name = d->record->name,
					 .domid = d->domid };
	uid_t owner = NS_UID_BASE(d->domid);
	int rc;

	if (d->ops->own_kernel) {
		params.room = ring_room;
		params.input = ring_input;
		params.arg = d;
	}
	if (restored)
		rc = console_restore(&params, d->restored[0], d->restored[1], d->restored[2],
				     &d->console);
	else
		rc = console_create(&params, tty, &d->console);
	if (rc < 0)
		return rc;
	for (int i = 0; i < 3; i++)
		d->restored[i] = -1;
	if (!d->ops->own_kernel)
		return restored || (!chown(tty, owner, owner) && !chmod(tty, 0620)) ? 0 : -errno;
	rc = open_ring(d);
	/* What it printed while nobody looked. */
	if (!rc && restored)
		console_ring_drain(d->ring);
	return rc;
}
