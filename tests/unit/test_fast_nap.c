/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that a port serves by events or by looks, each with what either brings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vswitch/fast/nap.h"

#define SECOND_NS UINT64_C(1000000000)

/* How long it takes until the port is out of work again, and what came by then. */
struct guest {
	uint64_t ns;
	unsigned int frames;
};

struct load {
	struct fast_nap nap;
	uint64_t now_ns, frames, napped_ns;
	bool naps;
};

static void run(struct load *l, uint64_t ns, struct guest by_event, struct guest by_nap)
{
	for (uint64_t end = l->now_ns + ns; l->now_ns < end;) {
		const struct guest *g = l->naps ? &by_nap : &by_event;

		l->now_ns += g->ns;
		l->frames += g->frames;
		l->napped_ns += l->naps ? g->ns : 0;
		l->naps = fast_nap(&l->nap, l->frames, l->now_ns);
	}
}

/* Percent of the time, after some seconds to find out. */
static unsigned int naps(struct guest by_event, struct guest by_nap)
{
	struct load l = { .now_ns = 7 * SECOND_NS };

	run(&l, 3 * SECOND_NS, by_event, by_nap);
	l.napped_ns = 0;
	run(&l, 20 * SECOND_NS, by_event, by_nap);
	return (unsigned int)(l.napped_ns * 100 / (20 * SECOND_NS));
}

/* Its guest gets more done when it is not interrupted. */
static void flood(void **state)
{
	(void)state;
	assert_in_range(naps((struct guest){ 100000, 1 }, (struct guest){ 1060000, 50 }), 90, 100);
	/* An event that costs milliseconds. */
	assert_in_range(naps((struct guest){ 3600000, 1 }, (struct guest){ 1100000, 5 }), 85, 100);
}

/* Nobody sends before he is answered: one at a time, or many. */
static void conversation(void **state)
{
	(void)state;
	assert_in_range(naps((struct guest){ 60000, 1 }, (struct guest){ 1060000, 1 }), 0, 0);
	assert_in_range(naps((struct guest){ 200000, 16 }, (struct guest){ 1200000, 16 }), 0, 0);
}

/* As much comes either way. */
static void no_difference(void **state)
{
	(void)state;
	assert_in_range(naps((struct guest){ 200000, 2 }, (struct guest){ 1000000, 10 }), 0, 10);
}

static void hardly_any_load(void **state)
{
	(void)state;
	assert_int_equal(naps((struct guest){ 100000000, 1 }, (struct guest){ 1000000, 1 }), 0);
}

/* It is armed again soon when nothing comes any more, and finds out anew when it does. */
static void over(void **state)
{
	const struct guest by_event = { 100000, 1 }, by_nap = { 1060000, 50 },
			   none = { 1000000, 0 };
	struct load l = { .now_ns = SECOND_NS };

	(void)state;
	run(&l, SECOND_NS, by_event, by_nap);
	assert_true(l.naps);
	run(&l, 3 * FAST_NAP_WINDOW_NS, none, none);
	assert_false(l.naps);
	l.now_ns += 100 * SECOND_NS;
	run(&l, SECOND_NS, by_event, by_nap);
	assert_true(l.naps);
	/* Then it is a conversation. */
	run(&l, 5 * SECOND_NS, (struct guest){ 60000, 1 }, (struct guest){ 1060000, 1 });
	assert_false(l.naps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flood),	 cmocka_unit_test(conversation),
		cmocka_unit_test(no_difference), cmocka_unit_test(hardly_any_load),
		cmocka_unit_test(over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
