/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests that a port serves by events, by looks soon or by looks later, each with what that brings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vswitch/fast/nap.h"

#define SECOND_NS UINT64_C(1000000000)
#define SHORT_NS  1000000u
#define LONG_NS	  4000000u

/* How long it takes until the port is out of work again, and what came by then. */
struct guest {
	uint64_t ns;
	unsigned int frames;
};

struct load {
	struct fast_nap nap;
	uint64_t now_ns, frames, naps_ns;
	uint64_t by_ns[3]; /* how long it was served by events, short naps, long ones */
};

static void run_by(struct load *l, uint64_t ns, const struct guest ways[3])
{
	for (uint64_t end = l->now_ns + ns; l->now_ns < end;) {
		unsigned int way = l->naps_ns == 0 ? 0 : l->naps_ns == SHORT_NS ? 1 : 2;

		l->now_ns += ways[way].ns;
		l->frames += ways[way].frames;
		l->by_ns[way] += ways[way].ns;
		l->naps_ns = fast_nap(&l->nap, l->frames, l->now_ns);
	}
}

/* Who gets no more of a longer nap than of a short one. */
static void run(struct load *l, uint64_t ns, struct guest by_event, struct guest by_nap)
{
	run_by(l, ns,
	       (struct guest[]){
		       by_event, by_nap, { by_nap.ns + LONG_NS - SHORT_NS, by_nap.frames } });
}

/* Percent of the time, after some seconds to find out. */
static unsigned int naps(struct guest by_event, struct guest by_nap)
{
	struct load l = { .now_ns = 7 * SECOND_NS };

	run(&l, 3 * SECOND_NS, by_event, by_nap);
	l.by_ns[1] = l.by_ns[2] = 0;
	run(&l, 20 * SECOND_NS, by_event, by_nap);
	return (unsigned int)((l.by_ns[1] + l.by_ns[2]) * 100 / (20 * SECOND_NS));
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
	assert_int_equal(l.naps_ns, SHORT_NS);
	run(&l, 3 * FAST_NAP_WINDOW_NS, none, none);
	assert_int_equal(l.naps_ns, 0);
	l.now_ns += 100 * SECOND_NS;
	run(&l, SECOND_NS, by_event, by_nap);
	assert_int_equal(l.naps_ns, SHORT_NS);
	/* Then it is a conversation. */
	run(&l, 5 * SECOND_NS, (struct guest){ 60000, 1 }, (struct guest){ 1060000, 1 });
	assert_int_equal(l.naps_ns, 0);
}

/* A host so slow that a short nap hardly pays: the longer one, and back when it is faster again. */
static void slow_host(void **state)
{
	const struct guest slow[] = { { 600000, 1 }, { 2500000, 10 }, { 5500000, 50 } };
	const struct guest fast[] = { { 100000, 1 }, { 1100000, 200 }, { 4100000, 256 } };
	struct load l = { .now_ns = SECOND_NS };

	(void)state;
	run_by(&l, 5 * SECOND_NS, slow);
	l.by_ns[2] = 0;
	run_by(&l, 20 * SECOND_NS, slow);
	assert_in_range(l.by_ns[2], 18 * SECOND_NS, 21 * SECOND_NS);
	run_by(&l, 10 * SECOND_NS, fast);
	l.by_ns[1] = 0;
	run_by(&l, 20 * SECOND_NS, fast);
	assert_in_range(l.by_ns[1], 18 * SECOND_NS, 21 * SECOND_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flood),	 cmocka_unit_test(conversation),
		cmocka_unit_test(no_difference), cmocka_unit_test(hardly_any_load),
		cmocka_unit_test(over),		 cmocka_unit_test(slow_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
