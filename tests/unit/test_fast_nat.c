/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translation in user space: flows of guests, their ends, and errors about them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "tests/util/nat_rig.h"

static void test_out_and_back(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	char want[80];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned int port = nat_rig_go_out(protocols[i], 1000, REMOTE, 443);

		assert_in_range(port, 40000, 49999);
		snprintf(want, sizeof(want), PUBLIC ":%u > " REMOTE ":443", port);
		assert_string_equal(packet_text(&nat_rig.p), want);
		/* The same again leaves from the same. */
		assert_int_equal(nat_rig_go_out(protocols[i], 1000, REMOTE, 443), port);
		nat_rig_make(REMOTE, PUBLIC, protocols[i], 443, port);
		if (protocols[i] == IPPROTO_TCP) {
			nat_rig.p.b[L4 + 13] = 0x12;
			packet_sum(&nat_rig.p, false);
		}
		nat_rig_expect(IN, REMOTE ":443 > " A ":1000");
	}
	nat_rig_make(A, REMOTE, IPPROTO_ICMP, 8, 7);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_ICMP, 0, packet_get16(&nat_rig.p, L4 + 4));
	nat_rig_expect(IN, REMOTE " > " A " echo 7");
	assert_int_equal(nat_rig_stats().nr, 3);
}

/* Sums that are there in part, and one that is not there at all. */
static void test_sums(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		nat_rig_make(A, REMOTE, protocols[i % 2], 1000 + i, i * 163);
		packet_sum(&nat_rig.p, true);
		assert_int_equal(nat_rig_translate_as(OUT, 1, true), FAST_NAT_TRANSLATED);
		nat_rig_make(A, REMOTE, protocols[i % 2], 2000 + i, i * 163);
		assert_int_equal(nat_rig_translate_as(OUT, 1, false), FAST_NAT_TRANSLATED);
	}
	nat_rig_make(A, REMOTE, IPPROTO_UDP, 1, 2);
	packet_set16(&nat_rig.p, L4 + 6, 0);
	{
		struct fast_head h;

		fast_head_parse(nat_rig.p.b, (uint16_t)nat_rig.p.size, (uint32_t)nat_rig.p.size,
				&h);
		assert_int_equal(fast_nat_translate(nat_rig.nat, &h, true, 1, false, nat_rig.now),
				 FAST_NAT_TRANSLATED);
		assert_int_equal(packet_get16(&nat_rig.p, L4 + 6), 0);
	}
}

static void test_not_ours(void **state)
{
	(void)state;
	nat_rig_make(A, "10.9.0.1", IPPROTO_UDP, 1, 2); /* direct */
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_UNTOUCHED);
	nat_rig_make("10.21.0.1", REMOTE, IPPROTO_UDP, 1, 2); /* not inside */
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_UNTOUCHED);
	nat_rig_make("fd00::1", "fd00::2", IPPROTO_UDP, 1, 2);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_UNTOUCHED);
	nat_rig_make(REMOTE, A, IPPROTO_UDP, 1, 2); /* routed */
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_UNTOUCHED);
	nat_rig_make(A, PUBLIC, IPPROTO_TCP, 1, 22); /* the host itself */
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 1, 22);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_ICMP, 8, 41000);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_ICMP, 0, 41000); /* the host's own ping */
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(A, REMOTE, IPPROTO_GRE, 0, 0);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_KERNEL);
	assert_int_equal(nat_rig_stats().nr, 0);
}

/* However many, in whatever order, within each other or not: as one by one. */
static void test_many_prefixes(void **state)
{
	json_t *doc = json_loads(DOC(FORWARDS), 0, NULL), *inside = json_array();
	char text[64];

	(void)state;
	/* Every second /28 of 10.32.0.0/13 from its end, and what overlaps and touches. */
	for (unsigned int i = 1u << 15; i--;) {
		snprintf(text, sizeof(text), "10.%u.%u.%u/28", 32 + (i >> 12), i >> 4 & 255,
			 (i & 15) << 4);
		if (i % 2 == 0)
			json_array_append_new(inside, json_string(text));
	}
	json_array_append_new(inside, json_string("10.32.0.16/29"));
	json_array_append_new(inside, json_string("10.32.0.0/30"));
	json_array_append_new(inside, json_string("255.255.255.255"));
	json_object_set_new(doc, "inside", inside);
	fast_nat_destroy(nat_rig.nat);
	assert_int_equal(fast_nat_create(doc, &nat_rig.nat, nat_rig.why), 0);
	json_decref(doc);
	for (unsigned int i = 0; i < 1u << 19; i += 997) {
		bool is_inside = (i >> 4) % 2 == 0 || (i >= 16 && i < 24);

		snprintf(text, sizeof(text), "10.%u.%u.%u", 32 + (i >> 16), i >> 8 & 255, i & 255);
		nat_rig_make(text, REMOTE, IPPROTO_UDP, 1, 2);
		assert_int_equal(nat_rig_translate(OUT),
				 is_inside ? FAST_NAT_TRANSLATED : FAST_NAT_UNTOUCHED);
	}
	nat_rig_make("10.32.0.20", REMOTE, IPPROTO_UDP, 1, 2);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	nat_rig_make("10.31.255.255", REMOTE, IPPROTO_UDP, 1, 2);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_UNTOUCHED);
	nat_rig_make("255.255.255.254", REMOTE, IPPROTO_UDP, 1, 2);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_UNTOUCHED);
}

/* A port of ours that nobody has is not the host's to refuse: it may be another's tomorrow. */
static void test_wrong_answers(void **state)
{
	unsigned int port = nat_rig_go_out(IPPROTO_UDP, 1000, REMOTE, 53);

	(void)state;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port == 49999 ? 40000 : port + 1);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 54, port);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	nat_rig_make("203.0.113.8", PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 53, port);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	assert_int_equal(nat_rig_stats().unknown, 4);
	/* From the wrong side: elsewhere with a guest's address, a guest as the remote one. */
	nat_rig_make(A, REMOTE, IPPROTO_UDP, 1000, 53);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_DROP);
	assert_int_equal(nat_rig_stats().invalid, 2);
	nat_rig.now += 25 * S;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	nat_rig_expect(IN, REMOTE ":53 > " A ":1000");
	nat_rig.now += 130 * S;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
}

static bool is_8(const void *arg, uint8_t version, const uint8_t *address)
{
	(void)arg;
	return version == 4 && !memcmp(address, (const uint8_t[]){ 10, 20, 0, 8 }, 4);
}

static void test_10000_flows(void **state)
{
	static const char *const remotes[] = { REMOTE, "203.0.113.9" };
	static uint16_t ports[10000];
	char from[32], want[80];

	(void)state;
	assert_int_equal(nat_rig_create(DOC("\"flows\":20000,\"flows-per-guest\":100")), 0);
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(from, sizeof(from), "10.20.0.%u", 1 + i / 100);
		nat_rig_make(from, remotes[i % 2], IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(nat_rig_translate_as(OUT, (uint16_t)(i / 100), false),
				 FAST_NAT_TRANSLATED);
		ports[i] = (uint16_t)packet_get16(&nat_rig.p, L4);
	}
	assert_int_equal(nat_rig_stats().nr, 10000);
	for (unsigned int i = 0; i < 10000; i++) {
		nat_rig_make(remotes[i % 2], PUBLIC, IPPROTO_UDP, 53, ports[i]);
		snprintf(want, sizeof(want), "%s:53 > 10.20.0.%u:%u", remotes[i % 2], 1 + i / 100,
			 1000 + i);
		nat_rig_expect(IN, want);
	}
	assert_int_equal(fast_nat_of_guest(nat_rig.nat, 7), 100);
	assert_int_equal(fast_nat_end_if(nat_rig.nat, is_8, NULL), 100);
	assert_int_equal(fast_nat_of_guest(nat_rig.nat, 7), 0);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, ports[700]);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, ports[800]);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_TRANSLATED);
	nat_rig.now += 1000 * S;
	fast_nat_sweep(nat_rig.nat, 20000, nat_rig.now);
	assert_int_equal(nat_rig_stats().nr, 0);
	assert_true(fast_nat_memory(nat_rig.nat) < 3 * 1024 * 1024);
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(nat_rig_create(DOC("\"flows\":60,\"flows-per-guest\":20")), 0);
	for (unsigned int i = 0; i < 200; i++) {
		nat_rig_make(A, REMOTE, IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(nat_rig_translate_as(OUT, 1, false),
				 i < 20 ? FAST_NAT_TRANSLATED : FAST_NAT_DROP);
	}
	assert_int_equal(nat_rig_stats().over_limit, 180);
	nat_rig_make(B, REMOTE, IPPROTO_UDP, 1000, 53); /* does not keep another from its own */
	assert_int_equal(nat_rig_translate_as(OUT, 2, false), FAST_NAT_TRANSLATED);
	for (unsigned int i = 0; i < 200; i++) {
		nat_rig_make("10.20.0.13", REMOTE, IPPROTO_UDP, 1000 + i, 53);
		nat_rig_translate_as(OUT, (uint16_t)(3 + i / 20), false);
	}
	assert_int_equal(nat_rig_stats().nr, 60);
	assert_true(nat_rig_stats().full > 0);
}

static void test_no_ports(void **state)
{
	(void)state;
	assert_int_equal(
		nat_rig_create("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[{\"address\":\"" PUBLIC
			       "\",\"ports\":[65532,65535]}],\"forwards\":[{\"protocol\":17,"
			       "\"address\":\"" PUBLIC "\",\"ports\":[65533,65533],\"to\":\"" B
			       "\",\"to-port\":53}]}"),
		0);
	for (unsigned int i = 0; i < 8; i++) {
		nat_rig_make(A, REMOTE, IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(nat_rig_translate(OUT),
				 i < 3 ? FAST_NAT_TRANSLATED : FAST_NAT_DROP);
		/* The forward's is not given away. */
		assert_int_not_equal(packet_get16(&nat_rig.p, L4), 65533);
	}
	assert_int_equal(nat_rig_stats().no_port, 5);
	nat_rig_make(A, "203.0.113.8", IPPROTO_UDP, 1000, 53);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	/* Nobody else has the address: what is not known there is nobody's. */
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 1, 22);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_GRE, 1, 22);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
}

/* Of an address that the host has, too, the kernel has other ports. */
static void test_no_ports_but_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(
		nat_rig_create("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[{\"address\":\"" PUBLIC
			       "\",\"ports\":[65534,65535],\"shared\":true}]}"),
		0);
	for (unsigned int i = 0; i < 4; i++) {
		nat_rig_make(A, REMOTE, IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(nat_rig_translate(OUT),
				 i < 2 ? FAST_NAT_TRANSLATED : FAST_NAT_KERNEL);
	}
	assert_int_equal(nat_rig_stats().no_port, 2);
}

/* A question and its answer last 30 s, a conversation 120. */
static void test_conversations(void **state)
{
	unsigned int port[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		port[i] = nat_rig_go_out(IPPROTO_UDP, 1000 + i, REMOTE, 53);
		nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[i]);
		assert_int_equal(nat_rig_translate(IN), FAST_NAT_TRANSLATED);
	}
	assert_int_equal(nat_rig_go_out(IPPROTO_UDP, 1001, REMOTE, 53), port[1]);
	nat_rig.now += 60 * S;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[0]);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[1]);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_TRANSLATED);
	nat_rig.now += 130 * S;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[1]);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
}

/* What an error quotes is as whoever gets it has sent it. */
static void check_quoted(const struct packet_bytes *sent)
{
	assert_memory_equal(nat_rig.p.b + L4 + 8, sent->b + PACKET_L3, 28);
}

static void test_errors(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct packet_bytes sent;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		nat_rig_make(A, REMOTE, protocols[i], protocols[i] == IPPROTO_ICMP ? 8 : 1000, 443);
		sent = nat_rig.p;
		assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
		nat_rig.first = nat_rig.p;
		packet_error(&nat_rig.p, "198.51.100.1", PUBLIC, &nat_rig.first); /* a router */
		nat_rig_expect(IN, "198.51.100.1 > " A " echo 0");
		check_quoted(&sent);
		packet_error(&nat_rig.p, REMOTE, PUBLIC, &nat_rig.first);
		nat_rig_expect(IN, REMOTE " > " A " echo 0");
		check_quoted(&sent);
	}
	packet_error(&nat_rig.p, REMOTE, "192.0.2.11", &nat_rig.first); /* not to who sent it */
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	packet_error(&nat_rig.p, A, PUBLIC, &nat_rig.first); /* by a guest, about what none sent */
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_DROP);
	packet_set16(&nat_rig.first, L4, 39999);
	nat_rig.first.b[PACKET_L3 + 9] = IPPROTO_UDP;
	packet_error(&nat_rig.p, REMOTE, PUBLIC, &nat_rig.first); /* the host's */
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	/* From a guest that a forward leads to. */
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, 45000);
	sent = nat_rig.p;
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_TRANSLATED);
	nat_rig.first = nat_rig.p;
	packet_error(&nat_rig.p, B, REMOTE, &nat_rig.first);
	nat_rig_expect(OUT, PUBLIC " > " REMOTE " echo 0");
	check_quoted(&sent);
	packet_error(&nat_rig.p, A, REMOTE, &nat_rig.first); /* its address would be told */
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_DROP);
}

static void flags(unsigned int value)
{
	nat_rig.p.b[L4 + 13] = (uint8_t)value;
	packet_sum(&nat_rig.p, false);
}

static void test_tcp_ends(void **state)
{
	unsigned int port = nat_rig_go_out(IPPROTO_TCP, 1000, REMOTE, 80);

	(void)state;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 80, port);
	flags(0x12);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_TRANSLATED);
	nat_rig_make(A, REMOTE, IPPROTO_TCP, 1000, 80);
	flags(0x10);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	nat_rig.now += 100000 * S;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 80, port);
	flags(0x10);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_TRANSLATED);
	nat_rig_make(A, REMOTE, IPPROTO_TCP, 1000, 80);
	memcpy(nat_rig.p.b + L4 + 4, nat_rig.p.b + L4 + 8, 4); /* the number that is waited for */
	flags(0x14);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	nat_rig.now += 15 * S;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 80, port);
	flags(0x10);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_DROP);
	assert_int_equal(nat_rig_stats().nr, 0);
}

/* With another document flows go on that it would have begun as they are. */
static void test_change(void **state)
{
	unsigned int port = nat_rig_go_out(IPPROTO_UDP, 1000, REMOTE, 53);

	(void)state;
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	nat_rig_expect(IN, REMOTE ":5000 > " B ":83");
	nat_rig_change(DOC(FORWARDS ",\"flows-per-guest\":100"));
	nat_rig_make(A, REMOTE, IPPROTO_UDP, 1000, 53);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	assert_int_equal(packet_get16(&nat_rig.p, L4), port);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	nat_rig_expect(IN, REMOTE ":5000 > " B ":83");
	nat_rig_change(DOC("\"forwards\":[]"));
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_KERNEL);
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	nat_rig_expect(IN, REMOTE ":53 > " A ":1000");
	nat_rig_change("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[{\"address\":\"192.0.2.99\","
		       "\"ports\":[1,9]}]}");
	nat_rig_make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(nat_rig_translate(IN), FAST_NAT_UNTOUCHED);
	assert_int_equal(nat_rig_stats().nr, 0);
}

static void test_bad_documents(void **state)
{
#define ONE  "{\"address\":\"192.0.2.1\",\"ports\":[1,9]}"
#define POOL "\"pool\":[" ONE "]"
	static const char *const docs[] = {
		"[]",
		"{}",
		"{\"pool\":[{\"address\":\"192.0.2.1\"}]}",
		"{" POOL ",\"kernel\":[{\"protocol\":1,\"address\":\"10.0.0.1\",\"ports\":[1,1]}]}",
		"{" POOL ",\"kernel\":[{\"protocol\":6,\"address\":\"fd00::\",\"ports\":[1,1]}]}",
		"{\"pool\":[{\"address\":\"192.0.2\",\"ports\":[1,2]}]}",
		"{\"pool\":[{\"address\":\"192.0.2.1\",\"ports\":[2,1]}]}",
		"{\"pool\":[{\"address\":\"192.0.2.1\",\"ports\":[0,1]}]}",
		"{\"pool\":[{\"address\":\"192.0.2.1\",\"ports\":[1,65536]}]}",
		"{" POOL ",\"inside\":\"10.0.0.0/8\"}",
		"{" POOL ",\"inside\":[\"10.0.0.0/33\"]}",
		"{" POOL ",\"inside\":[\"fd00::/8\"]}",
		"{" POOL ",\"flows\":0}",
		"{" POOL ",\"flows\":99999999}",
		"{" POOL ",\"forwards\":[{\"protocol\":6,\"address\":\"192.0.2\",\"ports\":[1,1],"
		"\"to\":\"10.0.0.1\",\"to-port\":1}]}",
		"{" POOL ",\"forwards\":[{\"protocol\":6,\"ports\":[1,1],\"to\":\"10.0.0.1\","
		"\"to-port\":1,\"from\":\"10.0.0.0/8\"}]}",
		"{" POOL ",\"forwards\":[{\"protocol\":6,\"ports\":[1,1],\"to\":\"10.0.0.1\","
		"\"to-port\":1,\"from\":[\"fd00::/8\"]}]}",
		"{" POOL ",\"forwards\":[{\"protocol\":1,\"address\":\"192.0.2.1\",\"ports\":[1,1],"
		"\"to\":\"10.0.0.1\",\"to-port\":1}]}",
		"{" POOL
		",\"forwards\":[{\"protocol\":6,\"address\":\"192.0.2.1\",\"ports\":[1,10],"
		"\"to\":\"10.0.0.1\",\"to-port\":65530}]}",
		"{" POOL
		",\"forwards\":[{\"protocol\":6,\"address\":\"192.0.2.1\",\"ports\":[1,10],"
		"\"to\":\"10.0.0.1\",\"to-port\":1},{\"protocol\":6,\"address\":\"192.0.2.1\","
		"\"ports\":[10,11],\"to\":\"10.0.0.1\",\"to-port\":1}]}",
		"{\"pool\":[" ONE "," ONE "]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		nat_rig.why[0] = '\0';
		if (nat_rig_create(docs[i]) != -EINVAL)
			print_message("%s\n", docs[i]);
		assert_int_equal(nat_rig_create(docs[i]), -EINVAL);
		assert_non_null(strstr(nat_rig.why, "nat: "));
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, nat_rig_setup, nat_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_out_and_back),
		TEST(test_sums),
		TEST(test_not_ours),
		TEST(test_many_prefixes),
		TEST(test_wrong_answers),
		TEST(test_10000_flows),
		TEST(test_limits),
		TEST(test_no_ports),
		TEST(test_no_ports_but_the_kernels),
		TEST(test_conversations),
		TEST(test_errors),
		TEST(test_tcp_ends),
		TEST(test_change),
		TEST(test_bad_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
