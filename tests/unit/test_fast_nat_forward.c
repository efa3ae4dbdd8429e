/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translation in user space: forwards, and what is the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "tests/util/nat_rig.h"

/* Without an address: at the pool's, whichever that is. */
#define FORWARD(more)                                                                              \
	"\"forwards\":[{\"protocol\":6,\"ports\":[8080,8089],\"to\":\"" B "\",\"to-port\":80" more \
	"}]"

static void test_forwards(void **state)
{
	(void)state;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	nat_rig_expect(IN, REMOTE ":5000 > " B ":83");
	assert_true(nat_rig.is_forwarded);
	nat_rig_make(B, REMOTE, IPPROTO_TCP, 83, 5000);
	nat_rig.p.b[L4 + 13] = 0x12;
	packet_sum(&nat_rig.p, false);
	nat_rig_expect(OUT, PUBLIC ":8083 > " REMOTE ":5000");
	assert_false(nat_rig.is_forwarded);
	assert_int_equal(nat_rig_stats().forwarded, 1);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8090);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, 8083);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, 45000);
	nat_rig_expect(IN, REMOTE ":5000 > " B ":53");
	nat_rig_make(B, REMOTE, IPPROTO_UDP, 53, 5000);
	nat_rig_expect(OUT, PUBLIC ":45000 > " REMOTE ":5000");
	/* B's own talk with that remote, from the same port, is another flow. */
	nat_rig_make(B, REMOTE, IPPROTO_UDP, 54, 5000);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	assert_int_not_equal(packet_get16(&nat_rig.p, L4), 45000);
	assert_int_equal(fast_nat_of_guest(nat_rig.nat, 1), 1);
}

/* Its first is given back as it came, whatever its sum is like, and nothing of it stays. */
static void test_forward_undone(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		bool is_tcp = !(i & 1), is_blank = i & 2;
		struct fast_head h;

		nat_rig_make(REMOTE, PUBLIC, protocols[i & 1], 5000 + i, is_tcp ? 8083 : 45000);
		packet_sum(&nat_rig.p, is_blank);
		nat_rig.first = nat_rig.p;
		fast_head_parse(nat_rig.p.b, 128 < nat_rig.p.size ? 128 : (uint16_t)nat_rig.p.size,
				(uint32_t)nat_rig.p.size, &h);
		assert_int_equal(
			fast_nat_translate(nat_rig.nat, &h, false, 1, is_blank, nat_rig.now),
			FAST_NAT_FORWARDED);
		assert_int_equal(nat_rig_stats().nr, 1);
		assert_memory_not_equal(nat_rig.p.b, nat_rig.first.b, nat_rig.p.size);
		fast_nat_undo(nat_rig.nat, &h, is_blank, nat_rig.now);
		assert_memory_equal(nat_rig.p.b, nat_rig.first.b, nat_rig.p.size);
		assert_int_equal(h.to, is_tcp ? 8083 : 45000);
		assert_int_equal(nat_rig_stats().nr, 0);
	}
	assert_int_equal(nat_rig_stats().forwarded, 0);
	assert_int_equal(nat_rig_stats().begun, 0);
	assert_int_equal(nat_rig_stats().to_kernel, 400);
}

/* For others than those it is for, it is not there; and for these no more when the document changes. */
static void test_forward_from(void **state)
{
	(void)state;
	nat_rig_change(DOC(FORWARD(",\"from\":[\"198.51.100.0/24\",\"" REMOTE "\"]")));
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	nat_rig_expect(IN, REMOTE ":5000 > " B ":83");
	nat_rig_make("198.51.100.9", PUBLIC, IPPROTO_TCP, 5000, 8083);
	nat_rig_expect(IN, "198.51.100.9:5000 > " B ":83");
	nat_rig_make("203.0.113.8", PUBLIC, IPPROTO_TCP, 5000, 8083);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(A, PUBLIC, IPPROTO_TCP, 5000,
		     8083); /* a guest, where hairpins are the kernel's */
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	assert_int_equal(nat_rig_stats().nr, 2);
	nat_rig_change(DOC(FORWARD(",\"from\":[\"198.51.100.0/24\"]")));
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	nat_rig.p.b[L4 + 13] = 0x10;
	packet_sum(&nat_rig.p, false);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	assert_int_equal(nat_rig_stats().nr, 1);
	nat_rig_change(DOC(FORWARD(",\"from\":[]")));
	nat_rig_make("198.51.100.9", PUBLIC, IPPROTO_TCP, 5001, 8083);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
}

/* With a forward for which there is no room, or no address, the kernel does it. */
static void test_forward_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(nat_rig_create(DOC(FORWARD("") ",\"flows\":8,\"flows-per-guest\":4")), 0);
	for (unsigned int i = 0; i < 6; i++) {
		nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000 + i, 8083);
		assert_int_equal(nat_rig_translate(IN),
				 i < 4 ? FAST_NAT_TRANSLATED : FAST_NAT_KERNEL);
	}
	assert_int_equal(nat_rig_stats().over_limit, 2);
	assert_int_equal(nat_rig_stats().forwarded, 4);
	nat_rig_change(DOC(FORWARD(",\"address\":\"192.0.2.11\"") ",\"flows\":8"));
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 6000, 8083);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, "192.0.2.11", IPPROTO_TCP, 6000, 8083);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_UNTOUCHED);
	/* Met in its midst, it is part of what the kernel has. */
	nat_rig_change(DOC(FORWARD("") ",\"flows\":8"));
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 6001, 8083);
	nat_rig.p.b[L4 + 13] = 0x10;
	packet_sum(&nat_rig.p, false);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
}

/* A guest asks the public address, and another guest answers: both by way of us. */
static void test_hairpin(void **state)
{
	char want[80];
	unsigned int port;

	(void)state;
	nat_rig_change(DOC(FORWARD(",\"hairpin\":true")));
	nat_rig_make(A, PUBLIC, IPPROTO_TCP, 1000, 8080);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	port = packet_get16(&nat_rig.p, L4);
	snprintf(want, sizeof(want), PUBLIC ":%u > " B ":80", port);
	assert_string_equal(packet_text(&nat_rig.p), want);
	nat_rig_make(B, PUBLIC, IPPROTO_TCP, 80, port);
	nat_rig.p.b[L4 + 13] = 0x12;
	packet_sum(&nat_rig.p, false);
	nat_rig_expect(OUT, PUBLIC ":8080 > " A ":1000");
	nat_rig_make(B, PUBLIC, IPPROTO_TCP, 80, port);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
}

/* What a flow cannot be known of is the host's. */
static void test_kernel(void **state)
{
	(void)state;
	nat_rig_make(A, REMOTE, IPPROTO_UDP, 1, 2);
	packet_set16(&nat_rig.p, PACKET_L3 + 6, 0x2000);
	packet_sum(&nat_rig.p, false);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	packet_set16(&nat_rig.p, PACKET_L3 + 6, 7);
	packet_sum(&nat_rig.p, false);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 1, 41000);
	packet_set16(&nat_rig.p, PACKET_L3 + 6, 7);
	packet_sum(&nat_rig.p, false);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	assert_int_equal(nat_rig_stats().to_kernel, 3);
	nat_rig_make(A, REMOTE, IPPROTO_ICMP, 0, 1);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_DROP);
	nat_rig_make(A, REMOTE, IPPROTO_TCP, 1, 2);
	nat_rig.p.b[L4 + 13] = 0x10; /* began before: by the kernel */
	packet_sum(&nat_rig.p, false);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	nat_rig.p.b[L4 + 13] = 0x10;
	packet_sum(&nat_rig.p, false);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	assert_int_equal(nat_rig_stats().nr, 0);
}

/* Ends of the kernel's forwards are its own; without a pool all is. */
static void test_kernels_ends(void **state)
{
	unsigned int port;

	(void)state;
	port = nat_rig_go_out(IPPROTO_UDP, 53, REMOTE, 5000);
	nat_rig_change(
		"{\"inside\":[\"10.20.0.0/24\"],\"ports\":[40000,49999],\"pool\":[{\"address\":\"" PUBLIC
		"\",\"shared\":true}],\"kernel\":[{\"protocol\":17,\"address\":\"" A
		"\",\"ports\":[53,54]}]}");
	assert_int_equal(nat_rig_stats().pool_ports, 10000);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, port);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	for (unsigned int i = 53; i <= 54; i++) {
		nat_rig_make(A, REMOTE, IPPROTO_UDP, i, 5000);
		assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	}
	nat_rig_make(A, REMOTE, IPPROTO_TCP, 53, 5000);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	nat_rig_make(B, REMOTE, IPPROTO_UDP, 53, 5000);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	nat_rig_go_out(IPPROTO_UDP, 55, REMOTE, 5000);
	nat_rig_change("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[]}");
	nat_rig_make(A, REMOTE, IPPROTO_UDP, 55, 5000);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	nat_rig_make("10.21.0.1", REMOTE, IPPROTO_UDP, 55, 5000);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_UNTOUCHED);
}

static json_t *end_of_a(unsigned int from, unsigned int to)
{
	return json_pack("{si ss s[ii]}", "protocol", IPPROTO_UDP, "address", A, "ports", from, to);
}

/* However many there are; several may lead to one end, or have ports in common. */
static void test_many_ends(void **state)
{
	static const struct {
		unsigned int port;
		bool is_kernels;
	} ports[] = { { 6, false },	{ 7, true },	 { 8, false },	   { 21000, true },
		      { 21001, false }, { 42000, true }, { 42007, false }, { 59999, false },
		      { 60000, true },	{ 60003, true }, { 60020, true },  { 60021, false } };
	json_t *doc = json_loads(DOC("\"kernel\":[]"), 0, NULL);
	json_t *list = json_object_get(doc, "kernel");
	struct fast_nat *new;

	(void)state;
	for (unsigned int i = 6000; i > 0; i--)
		json_array_append_new(list, end_of_a(7 * i, 7 * i));
	json_array_append_new(list, end_of_a(60005, 60020));
	json_array_append_new(list, end_of_a(60000, 60010));
	json_array_append_new(list, end_of_a(60001, 60002));
	assert_int_equal(json_array_size(list), 6003);
	assert_int_equal(fast_nat_create(doc, &new, nat_rig.why), 0);
	json_decref(doc);
	nat_rig.nat = fast_nat_replace(nat_rig.nat, new);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		nat_rig_make(A, REMOTE, IPPROTO_UDP, ports[i].port, 5000);
		assert_int_equal(nat_rig_translate(OUT),
				 ports[i].is_kernels ? FAST_NAT_KERNEL : FAST_NAT_TRANSLATED);
		nat_rig_make(B, REMOTE, IPPROTO_UDP, ports[i].port, 5001);
		assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, nat_rig_setup, nat_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forwards),	      TEST(test_forward_undone), TEST(test_forward_from),
		TEST(test_forward_elsewhere), TEST(test_hairpin),	 TEST(test_kernel),
		TEST(test_kernels_ends),      TEST(test_many_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
