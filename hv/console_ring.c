/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/console_ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <xen/io/console.h>

#include "base/clock.h"
#include "hv/hypercall.h"

struct console_ring {
	struct console_ring_params p;
	struct loop_fd watcher;
	struct loop_timer resume; /* after the guest was heard too often */
	uint32_t out_cons, in_prod;
	uint64_t period_ms;
	unsigned int turns;
};

static uint32_t load(const XENCONS_RING_IDX *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

/* Return: bytes of @buf. */
static size_t take_output(struct console_ring *r, char buf[sizeof(r->p.page->out)])
{
	struct xencons_interface *page = r->p.page;
	uint32_t prod = load(&page->out_prod), size = prod - r->out_cons;

	/* More than fits is nonsense: there is no telling which part of it was ever written. */
	if (size > sizeof(page->out))
		size = 0;
	for (uint32_t i = 0; i < size; i++)
		buf[i] = page->out[MASK_XENCONS_IDX(r->out_cons + i, page->out)];
	r->out_cons = prod;
	__atomic_store_n(&page->out_cons, prod, __ATOMIC_RELEASE);
	return size;
}

void console_ring_drain(struct console_ring *r)
{
	char buf[sizeof(r->p.page->out)];
	size_t size = take_output(r, buf);

	if (!size)
		return;
	hypercall_event_send(r->p.to_guest);
	r->p.output(r->p.arg, buf, size);
}

size_t console_ring_room(const struct console_ring *r)
{
	uint32_t used = r->in_prod - load(&r->p.page->in_cons);

	return used < sizeof(r->p.page->in) ? sizeof(r->p.page->in) - used : 0;
}

void console_ring_input(struct console_ring *r, const char *data, size_t size)
{
	struct xencons_interface *page = r->p.page;
	size_t room = console_ring_room(r);

	if (size > room)
		size = room;
	for (size_t i = 0; i < size; i++)
		page->in[MASK_XENCONS_IDX(r->in_prod + i, page->in)] = data[i];
	r->in_prod += (uint32_t)size;
	__atomic_store_n(&page->in_prod, r->in_prod, __ATOMIC_RELEASE);
	hypercall_event_send(r->p.to_guest);
}

/* Whether the guest has been heard often enough for now. */
static bool is_too_often(struct console_ring *r)
{
	uint64_t now = clock_ms();

	if (now - r->period_ms >= CONSOLE_RING_PERIOD_MS) {
		r->period_ms = now;
		r->turns = 0;
	}
	return ++r->turns > CONSOLE_RING_TURNS;
}

static void rung(void *arg, uint32_t events)
{
	struct console_ring *r = arg;

	(void)events;
	if (is_too_often(r)) {
		loop_fd_set(&r->watcher, 0);
		loop_timer_set(&r->resume, CONSOLE_RING_PERIOD_MS, 0);
		return;
	}
	hypercall_event_clear(r->p.from_guest);
	console_ring_drain(r);
	r->p.taken(r->p.arg);
}

static void resume(void *arg)
{
	struct console_ring *r = arg;

	loop_fd_set(&r->watcher, EPOLLIN);
}

int console_ring_create(const struct console_ring_params *params, struct console_ring **ring_out)
{
	struct console_ring *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->p = *params;
	r->out_cons = load(&r->p.page->out_cons);
	r->in_prod = load(&r->p.page->in_prod);
	rc = loop_timer_add(r->p.loop, &r->resume, resume, r);
	if (!rc)
		rc = loop_fd_add(r->p.loop, &r->watcher, r->p.from_guest, EPOLLIN, rung, r);
	if (rc) {
		console_ring_free(r);
		return rc;
	}
	*ring_out = r;
	return 0;
}

void console_ring_free(struct console_ring *r)
{
	if (!r)
		return;
	loop_fd_del(&r->watcher);
	loop_timer_del(&r->resume);
	free(r);
}
