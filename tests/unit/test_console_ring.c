/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The console ring's backend against a guest that keeps the rules, and one that does not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/io/console.h>

#include "base/clock.h"
#include "hv/console_ring.h"
#include "hv/hypercall.h"

struct fixture {
	struct loop *loop;
	struct console_ring *ring;
	struct xencons_interface page;
	int from_guest, to_guest;
	char said[8192];
	size_t size, taken, turns;
};

static void output(void *arg, const char *data, size_t size)
{
	struct fixture *f = arg;

	assert_true(size && size <= sizeof(f->page.out));
	f->turns++;
	if (f->size + size > sizeof(f->said))
		f->size = 0;
	memcpy(f->said + f->size, data, size);
	f->size += size;
}

static void taken(void *arg)
{
	struct fixture *f = arg;

	f->taken++;
}

static void open_ring(struct fixture *f)
{
	const struct console_ring_params params = { .loop = f->loop,
						    .page = &f->page,
						    .from_guest = f->from_guest,
						    .to_guest = f->to_guest,
						    .output = output,
						    .taken = taken,
						    .arg = f };

	assert_int_equal(console_ring_create(&params, &f->ring), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(loop_create(&f->loop), 0);
	f->from_guest = eventfd(0, EFD_NONBLOCK);
	f->to_guest = eventfd(0, EFD_NONBLOCK);
	open_ring(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	console_ring_free(f->ring);
	close(f->from_guest);
	close(f->to_guest);
	loop_destroy(f->loop);
	free(f);
	return 0;
}

static void ring_once(struct fixture *f)
{
	hypercall_event_send(f->from_guest);
	while (loop_turn(f->loop, 0) > 0)
		;
}

static bool was_rung(struct fixture *f)
{
	uint64_t count;

	return read(f->to_guest, &count, sizeof(count)) == sizeof(count);
}

/* As Linux does: as much as fits. */
static void print(struct fixture *f, const char *text)
{
	struct xencons_interface *p = &f->page;

	for (; *text && p->out_prod - p->out_cons < sizeof(p->out); text++)
		p->out[MASK_XENCONS_IDX(p->out_prod++, p->out)] = *text;
}

static void both_ways(void **state)
{
	struct fixture *f = *state;
	char typed[sizeof(f->page.in) + 100];

	/* So that it wraps, in the ring and in its indexes. */
	console_ring_free(f->ring);
	f->page.out_prod = f->page.out_cons = f->page.in_prod = f->page.in_cons = UINT32_MAX - 1;
	open_ring(f);
	print(f, "hello");
	ring_once(f);
	assert_int_equal(f->size, 5);
	assert_memory_equal(f->said, "hello", 5);
	assert_int_equal(f->page.out_cons, f->page.out_prod);
	assert_true(was_rung(f));
	ring_once(f);
	assert_int_equal(f->size, 5);
	assert_false(was_rung(f));

	assert_int_equal(console_ring_room(f->ring), sizeof(f->page.in));
	console_ring_input(f->ring, "date\n", 5);
	assert_true(was_rung(f));
	assert_int_equal(f->page.in_prod, (uint32_t)(UINT32_MAX - 1 + 5));
	assert_int_equal(f->page.in[MASK_XENCONS_IDX(UINT32_MAX - 1, f->page.in)], 'd');
	assert_int_equal(f->page.in[MASK_XENCONS_IDX(2, f->page.in)], '\n');
	memset(typed, 'x', sizeof(typed));
	console_ring_input(f->ring, typed, sizeof(typed));
	assert_int_equal(console_ring_room(f->ring), 0);
	assert_int_equal(f->page.in_prod - f->page.in_cons, sizeof(f->page.in));
	assert_int_equal(f->page.in[MASK_XENCONS_IDX(UINT32_MAX - 1, f->page.in)], 'd');
	f->page.in_cons += 7;
	ring_once(f);
	assert_true(f->taken > 0);
	assert_int_equal(console_ring_room(f->ring), 7);
}

/* A successor goes on where the page says, and hears what nobody has rung for. */
static void successor(void **state)
{
	struct fixture *f = *state;

	print(f, "one ");
	ring_once(f);
	console_ring_free(f->ring);
	print(f, "two");
	open_ring(f);
	console_ring_drain(f->ring);
	assert_int_equal(f->size, 7);
	assert_memory_equal(f->said, "one two", 7);
}

static void hostile_indexes(void **state)
{
	static const uint32_t values[] = { 2049, 4096, 0x7fffffff, 0x80000000, UINT32_MAX, 12345 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		f->size = 0;
		f->page.out_prod = f->page.out_cons + values[i];
		ring_once(f);
		assert_int_equal(f->size, 0);
		/* Nothing is lost but the nonsense. */
		print(f, "again");
		ring_once(f);
		assert_int_equal(f->size, 5);
		assert_memory_equal(f->said, "again", 5);
	}
	/* Our own indexes are not the guest's to move. */
	f->size = 0;
	f->page.out_cons -= 1000;
	ring_once(f);
	assert_int_equal(f->size, 0);
	f->page.in_prod = 77777;
	f->page.in_cons = f->page.in_prod;
	console_ring_input(f->ring, "x", 1);
	assert_int_equal(f->page.in_prod, 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		f->page.in_cons = values[i];
		assert_true(console_ring_room(f->ring) <= sizeof(f->page.in));
		console_ring_input(f->ring, "abc", 3);
	}
}

/* One that does nothing but print is heard so often, and no more; and then again. */
static void busy_guest(void **state)
{
	struct fixture *f = *state;
	uint64_t end = clock_ms() + CONSOLE_RING_PERIOD_MS / 2;

	while (clock_ms() < end) {
		if (f->page.out_prod - f->page.out_cons < 1000)
			print(f, "x");
		ring_once(f);
	}
	assert_true(f->turns > CONSOLE_RING_TURNS / 2);
	assert_true(f->turns <= 2 * CONSOLE_RING_TURNS);
	print(f, "last");
	hypercall_event_send(f->from_guest);
	end = clock_ms() + 20 * CONSOLE_RING_PERIOD_MS;
	while (clock_ms() < end && f->page.out_cons != f->page.out_prod)
		loop_turn(f->loop, 10);
	assert_memory_equal(f->said + f->size - 4, "last", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(successor, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_indexes, setup, teardown),
		cmocka_unit_test_setup_teardown(busy_guest, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
