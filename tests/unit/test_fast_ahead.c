/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames in bursts go where each of them goes alone: what is known of the one before is used only where guard and
 * firewall could say nothing else. Frames of a few connections differ from each other in a byte here and there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/fast_rig.h"

#define NR_FRAMES 6000u
#define ROOM	  120u
#define HEADERS	  80u /* bytes that may be another */
#define BURST_MAX 24u
#define NR_ENDS	  3 /* two guests that get frames, and the host */

struct frame {
	uint8_t data[ROOM];
	size_t size;
};

struct seen {
	struct frame frames[NR_ENDS][NR_FRAMES];
	unsigned int nr[NR_ENDS];
	long long drops[3];
};

static struct frame frames[NR_FRAMES];
static struct seen alone, together;

static unsigned int dice(unsigned int sides)
{
	static unsigned int seed = 7;

	return (unsigned int)rand_r(&seed) % sides;
}

#define TO_GUEST    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 8, 0
#define IP4(vhl, p) vhl, 0, 0, 86, 0, 1, 0, 0, 64, p, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2

static const uint8_t kinds[][HEADERS] = {
	{ TO_GUEST, IP4(0x45, 17), 4, 0, 0, 53, 0, 66 },
	{ TO_GUEST, IP4(0x45, 6), 4, 0, 0, 80, 0, 0, 0, 9, 0, 0, 0, 7, 0x50, 0x10, 1, 0 },
	/* Options; behind them ports. */
	{ TO_GUEST, IP4(0x46, 17), 1, 1, 1, 1, 4, 0, 0, 53, 0, 62 },
	/* To a server of leases, with whose hardware address it is at byte 70. */
	{ TO_GUEST, IP4(0x45, 17), 0, 68, 0, 67, 0, 66, 0, 0, 1, 1, 6, [70] = 2 },
};

/* Values that mean something to those who read it. */
static uint8_t another(uint8_t old)
{
	static const uint8_t values[] = { 0,  1,  2,	4,    6,    8,	  17,  53,
					  67, 80, 0x10, 0x11, 0x14, 0x45, 0xff };

	return dice(3) ? values[dice(sizeof(values))] : (uint8_t)(old ^ 1u << dice(8));
}

static void make_frames(void)
{
	struct frame base = { .size = 100 };

	for (unsigned int i = 0; i < NR_FRAMES; i++) {
		struct frame *f = &frames[i];

		if (!(i % 40))
			memcpy(base.data, kinds[i / 40 % 4], HEADERS);
		*f = base;
		if (!dice(4)) {
			unsigned int at = dice(HEADERS);

			f->data[at] = another(f->data[at]);
		}
		if (!dice(40))
			f->size -= dice(60);
		if (!dice(6)) { /* the next ones are so, too */
			base = *f;
			base.size = 100;
		}
		if (f->size > HEADERS + sizeof(i))
			memcpy(f->data + HEADERS, &i, sizeof(i));
	}
}

static size_t receive(struct fast_rig *r, unsigned int end, struct frame *f)
{
	struct virtio_net_hdr vnet;
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { f->data, sizeof(f->data) } };
	ssize_t n;

	if (end < 2)
		return fast_rig_recv(r, end + 1, f->data, sizeof(f->data));
	n = readv(fast_rig_host, iov, 2);
	return n < 0 ? 0 : (size_t)n - sizeof(vnet);
}

static void gather(struct fast_rig *r, struct seen *s)
{
	for (unsigned int end = 0; end < NR_ENDS; end++) {
		struct frame f;

		while ((f.size = receive(r, end, &f))) {
			assert_true(s->nr[end] < NR_FRAMES);
			s->frames[end][s->nr[end]++] = f;
		}
	}
}

static struct fast_rig *create(const char *firewall, const char *guard)
{
	struct fast_rig *r = fast_rig_create(3);
	char text[800];

	snprintf(text, sizeof(text),
		 "{'networks': {'lan': {'mode': 'bridge', 'mac': '02:00:00:00:00:64'%s}}}",
		 firewall);
	fast_rig_apply(r, text);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text),
			 "{'ports': {'vif%u.0': {'network': 'lan', 'mac': '02:00:00:00:00:%02x', "
			 "'guard': {%s}}}}",
			 i, i, i ? "'level': 'mac', 'mac': '02:00:00:00:00:01'" : guard);
		if (i == 2)
			snprintf(
				text, sizeof(text),
				"{'ports': {'vif2.0': {'network': 'lan', 'guard': {'level': 'none'}}}}");
		fast_rig_apply(r, text);
	}
	return r;
}

static void run(const char *firewall, const char *guard, unsigned int burst_max, struct seen *s)
{
	static const char *const drops[] = {
		"ports/vif0.0/drops/guard",
		"ports/vif0.0/drops/firewall",
		"ports/vif0.0/drops/no-port",
	};
	struct fast_rig *r = create(firewall, guard);
	unsigned int i = 0;

	memset(s->nr, 0, sizeof(s->nr));
	while (i < NR_FRAMES) {
		unsigned int nr = 1 + (burst_max > 1 ? dice(burst_max) : 0);

		for (; nr && i < NR_FRAMES; nr--, i++)
			assert_true(fast_rig_send(r, 0, frames[i].data, frames[i].size));
		fast_rig_turn(r);
		gather(r, s);
	}
	for (unsigned int d = 0; d < 3; d++)
		s->drops[d] = fast_rig_status(r, drops[d]);
	fast_rig_destroy(r);
}

static void compare(const char *firewall, const char *guard)
{
	run(firewall, guard, 1, &alone);
	run(firewall, guard, BURST_MAX, &together);
	for (unsigned int end = 0; end < NR_ENDS; end++) {
		for (unsigned int i = 0; i < alone.nr[end] && i < together.nr[end]; i++) {
			const struct frame *a = &alone.frames[end][i],
					   *b = &together.frames[end][i];

			if (a->size != b->size || memcmp(a->data, b->data, a->size))
				fail_msg("end %u: its frame %u is another", end, i);
		}
		assert_int_equal(alone.nr[end], together.nr[end]);
	}
	for (unsigned int d = 0; d < 3; d++)
		assert_int_equal(alone.drops[d], together.drops[d]);
	/* Most go to the one guest, and not all. */
	assert_true(together.nr[0] > NR_FRAMES / 10 && together.nr[0] < NR_FRAMES);
}

#define WALL                                                                                       \
	", 'firewall': {'segment': false, 'defaults': {'guest-to-guest': false, 'guest-to-host': " \
	"true, 'ingress': false, 'egress': false}, 'rules': [{'accept': true, 'protocol': 17, "    \
	"'ports': [[53, 53]]}, {'accept': true, 'protocol': 6, 'ports': [[80, 80]], 'from': "      \
	"['10.0.0.0/30']}], 'sets': []}"
#define OPEN   "'level': 'none'"
#define STRICT "'level': 'strict', 'mac': '02:00:00:00:00:00', 'addrs': ['10.0.0.1', '10.0.0.0/31']"

static void test_guard(void **state)
{
	(void)state;
	compare("", STRICT);
}

static void test_firewall(void **state)
{
	(void)state;
	compare(WALL, OPEN);
}

static void test_both(void **state)
{
	(void)state;
	compare(WALL, STRICT);
}

/* Each counts, alike or not. */
static void test_rate(void **state)
{
	struct fast_rig *r = create("", STRICT ", 'packets-per-s': 10");
	uint8_t frame[100] = { 0 };

	(void)state;
	memcpy(frame, kinds[0], HEADERS);
	memset(alone.nr, 0, sizeof(alone.nr));
	for (unsigned int i = 0; i < 200; i++) {
		assert_true(fast_rig_send(r, 0, frame, sizeof(frame)));
		if (i % 20)
			continue;
		fast_rig_turn(r);
		gather(r, &alone);
	}
	assert_true(fast_rig_status(r, "ports/vif0.0/drops/guard") > 100);
	fast_rig_destroy(r);
}

/* One TCP segment; from guest 1 it is an answer. */
static void say(struct fast_rig *r, unsigned int guest, uint8_t flags, uint8_t number,
		uint8_t acked)
{
	static const uint8_t back[HEADERS] = { 2, 0, 0, 0, 0, 0, 2,	      0,
					       0, 0, 0, 1, 8, 0, IP4(0x45, 6) };
	uint8_t f[100] = { 0 };

	memcpy(f, kinds[1], HEADERS);
	if (guest) {
		memcpy(f, back, 26);
		memcpy(f + 26, kinds[1] + 30, 4);
		memcpy(f + 30, kinds[1] + 26, 4);
		memcpy(f + 34, kinds[1] + 36, 2);
		memcpy(f + 36, kinds[1] + 34, 2);
	}
	f[41] = number;
	f[45] = acked;
	f[47] = flags;
	assert_true(fast_rig_send(r, guest, f, sizeof(f)));
}

/* What was acknowledged last in a burst tells a reset that is meant from one that anybody may send. */
static void test_reset(void **state)
{
	enum { SYN = 2, RST = 4, ACK = 16 };
	struct fast_rig *r = create(WALL, OPEN);

	(void)state;
	say(r, 0, SYN, 1, 0);
	fast_rig_turn(r);
	say(r, 1, SYN | ACK, 6, 2);
	fast_rig_turn(r);
	say(r, 0, ACK, 2, 7);
	say(r, 0, ACK, 3, 8);
	fast_rig_turn(r);
	say(r, 1, RST, 8, 0);
	fast_rig_turn(r);
	say(r, 0, SYN, 20, 0);
	fast_rig_turn(r);
	assert_int_equal(fast_rig_status(r, "networks/lan/connections/begun"), 2);
	fast_rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guard), cmocka_unit_test(test_firewall),
		cmocka_unit_test(test_both),  cmocka_unit_test(test_rate),
		cmocka_unit_test(test_reset),
	};

	make_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
