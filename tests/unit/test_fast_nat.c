/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translation in user space: each packet that comes out is read again from its first byte, sums and all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "tests/util/packet.h"
#include "vswitch/fast/nat.h"

#define S      UINT64_C(1000000000)
#define A      "10.20.0.11"
#define B      "10.20.0.12"
#define PUBLIC "192.0.2.10"
#define REMOTE "203.0.113.7"
#define L4     34u
#define DOC(more)                                                                                     \
	"{\"inside\":[\"10.20.0.0/24\"],\"direct\":[\"10.0.0.0/8\"],\"pool\":[{\"address\":\"" PUBLIC \
	"\",\"ports\":[40000,49999],\"shared\":true}]," more "}"
#define FORWARDS                                                                                   \
	"\"forwards\":[{\"protocol\":6,\"address\":\"" PUBLIC                                      \
	"\",\"ports\":[8080,8089],\"to\":\"" B                                                     \
	"\",\"to-port\":80},{\"protocol\":17,\"address\":\"" PUBLIC                                \
	"\",\"ports\":[45000,45000],\"to\":\"" B "\",\"to-port\":53}]"
/* Without an address: at the pool's, whichever that is. */
#define FORWARD(more)                                                                              \
	"\"forwards\":[{\"protocol\":6,\"ports\":[8080,8089],\"to\":\"" B "\",\"to-port\":80" more \
	"}]"

enum { OUT, IN };

static struct fast_nat *nat;
static bool is_forwarded; /* the one before: the first of a forward */
static struct packet_bytes p, first;
static uint64_t now;
static char why[FAST_WHY_MAX];

static int create(const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(doc);
	fast_nat_destroy(nat);
	now = 1000 * S;
	rc = fast_nat_create(doc, &nat, why);
	json_decref(doc);
	return rc;
}

static void change(const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);
	struct fast_nat *new;

	assert_non_null(doc);
	assert_int_equal(fast_nat_create(doc, &new, why), 0);
	nat = fast_nat_replace(nat, new);
	json_decref(doc);
}

static int setup(void **state)
{
	(void)state;
	return create(DOC(FORWARDS));
}

static int teardown(void **state)
{
	(void)state;
	fast_nat_destroy(nat);
	nat = NULL;
	return 0;
}

/* In memory of just the size that the switch gives. */
static enum fast_nat_verdict translate_as(int from, uint16_t guest, bool is_blank)
{
	size_t have = p.size < 128 ? p.size : 128;
	uint8_t *copy = malloc(have);
	enum fast_nat_verdict verdict;
	struct fast_head h;

	memcpy(copy, p.b, have);
	fast_head_parse(copy, (uint16_t)have, (uint32_t)p.size, &h);
	fast_nat_prefetch(nat, &h);
	verdict = fast_nat_translate(nat, &h, from == OUT, guest, is_blank, now);
	is_forwarded = verdict == FAST_NAT_FORWARDED;
	if (is_forwarded)
		verdict = FAST_NAT_TRANSLATED;
	if (verdict != FAST_NAT_TRANSLATED)
		assert_memory_equal(copy, p.b, have);
	else if (h.protocol != IPPROTO_ICMP)
		assert_true(h.from == fast_get16(copy + h.l4) &&
			    h.to == fast_get16(copy + h.l4 + 2));
	memcpy(p.b, copy, have);
	free(copy);
	assert_true(packet_is_right(&p, is_blank));
	return verdict;
}

static enum fast_nat_verdict translate(int from)
{
	return translate_as(from, 1, false);
}

/* What @from sends comes out as @want. */
static void expect(int from, const char *want)
{
	assert_int_equal(translate(from), FAST_NAT_TRANSLATED);
	assert_string_equal(packet_text(&p), want);
}

static void make(const char *from, const char *to, uint8_t protocol, unsigned int a, unsigned int b)
{
	packet_make(&p, from, to, protocol, a, b);
}

static struct fast_nat_stats stats(void)
{
	struct fast_nat_stats s;

	fast_nat_stats(nat, &s);
	return s;
}

/* Out from A; the port that it got. */
static unsigned int go_out(uint8_t protocol, unsigned int port, const char *to,
			   unsigned int to_port)
{
	make(A, to, protocol, port, to_port);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	first = p;
	return packet_get16(&p, L4);
}

static void test_out_and_back(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
	char want[80];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned int port = go_out(protocols[i], 1000, REMOTE, 443);

		assert_in_range(port, 40000, 49999);
		snprintf(want, sizeof(want), PUBLIC ":%u > " REMOTE ":443", port);
		assert_string_equal(packet_text(&p), want);
		/* The same again leaves from the same. */
		assert_int_equal(go_out(protocols[i], 1000, REMOTE, 443), port);
		make(REMOTE, PUBLIC, protocols[i], 443, port);
		if (protocols[i] == IPPROTO_TCP) {
			p.b[L4 + 13] = 0x12;
			packet_sum(&p, false);
		}
		expect(IN, REMOTE ":443 > " A ":1000");
	}
	make(A, REMOTE, IPPROTO_ICMP, 8, 7);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	make(REMOTE, PUBLIC, IPPROTO_ICMP, 0, packet_get16(&p, L4 + 4));
	expect(IN, REMOTE " > " A " echo 7");
	assert_int_equal(stats().nr, 3);
}

/* Sums that are there in part, and one that is not there at all. */
static void test_sums(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		make(A, REMOTE, protocols[i % 2], 1000 + i, i * 163);
		packet_sum(&p, true);
		assert_int_equal(translate_as(OUT, 1, true), FAST_NAT_TRANSLATED);
		make(A, REMOTE, protocols[i % 2], 2000 + i, i * 163);
		assert_int_equal(translate_as(OUT, 1, false), FAST_NAT_TRANSLATED);
	}
	make(A, REMOTE, IPPROTO_UDP, 1, 2);
	packet_set16(&p, L4 + 6, 0);
	{
		struct fast_head h;

		fast_head_parse(p.b, (uint16_t)p.size, (uint32_t)p.size, &h);
		assert_int_equal(fast_nat_translate(nat, &h, true, 1, false, now),
				 FAST_NAT_TRANSLATED);
		assert_int_equal(packet_get16(&p, L4 + 6), 0);
	}
}

static void test_not_ours(void **state)
{
	(void)state;
	make(A, "10.9.0.1", IPPROTO_UDP, 1, 2); /* direct */
	assert_int_equal(translate(OUT), FAST_NAT_UNTOUCHED);
	make("10.21.0.1", REMOTE, IPPROTO_UDP, 1, 2); /* not inside */
	assert_int_equal(translate(OUT), FAST_NAT_UNTOUCHED);
	make("fd00::1", "fd00::2", IPPROTO_UDP, 1, 2);
	assert_int_equal(translate(OUT), FAST_NAT_UNTOUCHED);
	make(REMOTE, A, IPPROTO_UDP, 1, 2); /* routed */
	assert_int_equal(translate(IN), FAST_NAT_UNTOUCHED);
	make(A, PUBLIC, IPPROTO_TCP, 1, 22); /* the host itself */
	assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 1, 22);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_ICMP, 8, 41000);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_ICMP, 0, 41000); /* the host's own ping */
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(A, REMOTE, IPPROTO_GRE, 0, 0);
	assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	assert_int_equal(stats().nr, 0);
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
	fast_nat_destroy(nat);
	assert_int_equal(fast_nat_create(doc, &nat, why), 0);
	json_decref(doc);
	for (unsigned int i = 0; i < 1u << 19; i += 997) {
		bool is_inside = (i >> 4) % 2 == 0 || (i >= 16 && i < 24);

		snprintf(text, sizeof(text), "10.%u.%u.%u", 32 + (i >> 16), i >> 8 & 255, i & 255);
		make(text, REMOTE, IPPROTO_UDP, 1, 2);
		assert_int_equal(translate(OUT),
				 is_inside ? FAST_NAT_TRANSLATED : FAST_NAT_UNTOUCHED);
	}
	make("10.32.0.20", REMOTE, IPPROTO_UDP, 1, 2);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	make("10.31.255.255", REMOTE, IPPROTO_UDP, 1, 2);
	assert_int_equal(translate(OUT), FAST_NAT_UNTOUCHED);
	make("255.255.255.254", REMOTE, IPPROTO_UDP, 1, 2);
	assert_int_equal(translate(OUT), FAST_NAT_UNTOUCHED);
}

/* A port of ours that nobody has is not the host's to refuse: it may be another's tomorrow. */
static void test_wrong_answers(void **state)
{
	unsigned int port = go_out(IPPROTO_UDP, 1000, REMOTE, 53);

	(void)state;
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port == 49999 ? 40000 : port + 1);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 54, port);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	make("203.0.113.8", PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 53, port);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	assert_int_equal(stats().unknown, 4);
	/* From the wrong side: elsewhere with a guest's address, a guest as the remote one. */
	make(A, REMOTE, IPPROTO_UDP, 1000, 53);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(translate(OUT), FAST_NAT_DROP);
	assert_int_equal(stats().invalid, 2);
	now += 25 * S;
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	expect(IN, REMOTE ":53 > " A ":1000");
	now += 130 * S;
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
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
	assert_int_equal(create(DOC("\"flows\":20000,\"flows-per-guest\":100")), 0);
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(from, sizeof(from), "10.20.0.%u", 1 + i / 100);
		make(from, remotes[i % 2], IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(translate_as(OUT, (uint16_t)(i / 100), false),
				 FAST_NAT_TRANSLATED);
		ports[i] = (uint16_t)packet_get16(&p, L4);
	}
	assert_int_equal(stats().nr, 10000);
	for (unsigned int i = 0; i < 10000; i++) {
		make(remotes[i % 2], PUBLIC, IPPROTO_UDP, 53, ports[i]);
		snprintf(want, sizeof(want), "%s:53 > 10.20.0.%u:%u", remotes[i % 2], 1 + i / 100,
			 1000 + i);
		expect(IN, want);
	}
	assert_int_equal(fast_nat_of_guest(nat, 7), 100);
	assert_int_equal(fast_nat_end_if(nat, is_8, NULL), 100);
	assert_int_equal(fast_nat_of_guest(nat, 7), 0);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, ports[700]);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, ports[800]);
	assert_int_equal(translate(IN), FAST_NAT_TRANSLATED);
	now += 1000 * S;
	fast_nat_sweep(nat, 20000, now);
	assert_int_equal(stats().nr, 0);
	assert_true(fast_nat_memory(nat) < 3 * 1024 * 1024);
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(create(DOC("\"flows\":60,\"flows-per-guest\":20")), 0);
	for (unsigned int i = 0; i < 200; i++) {
		make(A, REMOTE, IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(translate_as(OUT, 1, false),
				 i < 20 ? FAST_NAT_TRANSLATED : FAST_NAT_DROP);
	}
	assert_int_equal(stats().over_limit, 180);
	make(B, REMOTE, IPPROTO_UDP, 1000, 53); /* does not keep another from its own */
	assert_int_equal(translate_as(OUT, 2, false), FAST_NAT_TRANSLATED);
	for (unsigned int i = 0; i < 200; i++) {
		make("10.20.0.13", REMOTE, IPPROTO_UDP, 1000 + i, 53);
		translate_as(OUT, (uint16_t)(3 + i / 20), false);
	}
	assert_int_equal(stats().nr, 60);
	assert_true(stats().full > 0);
}

static void test_no_ports(void **state)
{
	(void)state;
	assert_int_equal(create("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[{\"address\":\"" PUBLIC
				"\",\"ports\":[65532,65535]}],\"forwards\":[{\"protocol\":17,"
				"\"address\":\"" PUBLIC "\",\"ports\":[65533,65533],\"to\":\"" B
				"\",\"to-port\":53}]}"),
			 0);
	for (unsigned int i = 0; i < 8; i++) {
		make(A, REMOTE, IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(translate(OUT), i < 3 ? FAST_NAT_TRANSLATED : FAST_NAT_DROP);
		/* The forward's is not given away. */
		assert_int_not_equal(packet_get16(&p, L4), 65533);
	}
	assert_int_equal(stats().no_port, 5);
	make(A, "203.0.113.8", IPPROTO_UDP, 1000, 53);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	/* Nobody else has the address: what is not known there is nobody's. */
	make(REMOTE, PUBLIC, IPPROTO_TCP, 1, 22);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	make(REMOTE, PUBLIC, IPPROTO_GRE, 1, 22);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
}

/* Of an address that the host has, too, the kernel has other ports. */
static void test_no_ports_but_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(create("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[{\"address\":\"" PUBLIC
				"\",\"ports\":[65534,65535],\"shared\":true}]}"),
			 0);
	for (unsigned int i = 0; i < 4; i++) {
		make(A, REMOTE, IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(translate(OUT), i < 2 ? FAST_NAT_TRANSLATED : FAST_NAT_KERNEL);
	}
	assert_int_equal(stats().no_port, 2);
}

/* A question and its answer last 30 s, a conversation 120. */
static void test_conversations(void **state)
{
	unsigned int port[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		port[i] = go_out(IPPROTO_UDP, 1000 + i, REMOTE, 53);
		make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[i]);
		assert_int_equal(translate(IN), FAST_NAT_TRANSLATED);
	}
	assert_int_equal(go_out(IPPROTO_UDP, 1001, REMOTE, 53), port[1]);
	now += 60 * S;
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[0]);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[1]);
	assert_int_equal(translate(IN), FAST_NAT_TRANSLATED);
	now += 130 * S;
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port[1]);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
}

static void test_forwards(void **state)
{
	(void)state;
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	expect(IN, REMOTE ":5000 > " B ":83");
	assert_true(is_forwarded);
	make(B, REMOTE, IPPROTO_TCP, 83, 5000);
	p.b[L4 + 13] = 0x12;
	packet_sum(&p, false);
	expect(OUT, PUBLIC ":8083 > " REMOTE ":5000");
	assert_false(is_forwarded);
	assert_int_equal(stats().forwarded, 1);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8090);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, 8083);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, 45000);
	expect(IN, REMOTE ":5000 > " B ":53");
	make(B, REMOTE, IPPROTO_UDP, 53, 5000);
	expect(OUT, PUBLIC ":45000 > " REMOTE ":5000");
	/* B's own talk with that remote, from the same port, is another flow. */
	make(B, REMOTE, IPPROTO_UDP, 54, 5000);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	assert_int_not_equal(packet_get16(&p, L4), 45000);
	assert_int_equal(fast_nat_of_guest(nat, 1), 1);
}

/* Its first is given back as it came, whatever its sum is like, and nothing of it stays. */
static void test_forward_undone(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		bool is_tcp = !(i & 1), is_blank = i & 2;
		struct fast_head h;

		make(REMOTE, PUBLIC, protocols[i & 1], 5000 + i, is_tcp ? 8083 : 45000);
		packet_sum(&p, is_blank);
		first = p;
		fast_head_parse(p.b, 128 < p.size ? 128 : (uint16_t)p.size, (uint32_t)p.size, &h);
		assert_int_equal(fast_nat_translate(nat, &h, false, 1, is_blank, now),
				 FAST_NAT_FORWARDED);
		assert_int_equal(stats().nr, 1);
		assert_memory_not_equal(p.b, first.b, p.size);
		fast_nat_undo(nat, &h, is_blank, now);
		assert_memory_equal(p.b, first.b, p.size);
		assert_int_equal(h.to, is_tcp ? 8083 : 45000);
		assert_int_equal(stats().nr, 0);
	}
	assert_int_equal(stats().forwarded, 0);
	assert_int_equal(stats().begun, 0);
	assert_int_equal(stats().to_kernel, 400);
}

/* For others than those it is for, it is not there; and for these no more when the document changes. */
static void test_forward_from(void **state)
{
	(void)state;
	change(DOC(FORWARD(",\"from\":[\"198.51.100.0/24\",\"" REMOTE "\"]")));
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	expect(IN, REMOTE ":5000 > " B ":83");
	make("198.51.100.9", PUBLIC, IPPROTO_TCP, 5000, 8083);
	expect(IN, "198.51.100.9:5000 > " B ":83");
	make("203.0.113.8", PUBLIC, IPPROTO_TCP, 5000, 8083);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(A, PUBLIC, IPPROTO_TCP, 5000, 8083); /* a guest, where hairpins are the kernel's */
	assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	assert_int_equal(stats().nr, 2);
	change(DOC(FORWARD(",\"from\":[\"198.51.100.0/24\"]")));
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	p.b[L4 + 13] = 0x10;
	packet_sum(&p, false);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	assert_int_equal(stats().nr, 1);
	change(DOC(FORWARD(",\"from\":[]")));
	make("198.51.100.9", PUBLIC, IPPROTO_TCP, 5001, 8083);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
}

/* With a forward for which there is no room, or no address, the kernel does it. */
static void test_forward_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(create(DOC(FORWARD("") ",\"flows\":8,\"flows-per-guest\":4")), 0);
	for (unsigned int i = 0; i < 6; i++) {
		make(REMOTE, PUBLIC, IPPROTO_TCP, 5000 + i, 8083);
		assert_int_equal(translate(IN), i < 4 ? FAST_NAT_TRANSLATED : FAST_NAT_KERNEL);
	}
	assert_int_equal(stats().over_limit, 2);
	assert_int_equal(stats().forwarded, 4);
	change(DOC(FORWARD(",\"address\":\"192.0.2.11\"") ",\"flows\":8"));
	make(REMOTE, PUBLIC, IPPROTO_TCP, 6000, 8083);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(REMOTE, "192.0.2.11", IPPROTO_TCP, 6000, 8083);
	assert_int_equal(translate(IN), FAST_NAT_UNTOUCHED);
	/* Met in its midst, it is part of what the kernel has. */
	change(DOC(FORWARD("") ",\"flows\":8"));
	make(REMOTE, PUBLIC, IPPROTO_TCP, 6001, 8083);
	p.b[L4 + 13] = 0x10;
	packet_sum(&p, false);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
}

/* A guest asks the public address, and another guest answers: both by way of us. */
static void test_hairpin(void **state)
{
	char want[80];
	unsigned int port;

	(void)state;
	change(DOC(FORWARD(",\"hairpin\":true")));
	make(A, PUBLIC, IPPROTO_TCP, 1000, 8080);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	port = packet_get16(&p, L4);
	snprintf(want, sizeof(want), PUBLIC ":%u > " B ":80", port);
	assert_string_equal(packet_text(&p), want);
	make(B, PUBLIC, IPPROTO_TCP, 80, port);
	p.b[L4 + 13] = 0x12;
	packet_sum(&p, false);
	expect(OUT, PUBLIC ":8080 > " A ":1000");
	make(B, PUBLIC, IPPROTO_TCP, 80, port);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
}

/* What an error quotes is as whoever gets it has sent it. */
static void check_quoted(const struct packet_bytes *sent)
{
	assert_memory_equal(p.b + L4 + 8, sent->b + PACKET_L3, 28);
}

static void test_errors(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct packet_bytes sent;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make(A, REMOTE, protocols[i], protocols[i] == IPPROTO_ICMP ? 8 : 1000, 443);
		sent = p;
		assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
		first = p;
		packet_error(&p, "198.51.100.1", PUBLIC, &first); /* a router */
		expect(IN, "198.51.100.1 > " A " echo 0");
		check_quoted(&sent);
		packet_error(&p, REMOTE, PUBLIC, &first);
		expect(IN, REMOTE " > " A " echo 0");
		check_quoted(&sent);
	}
	packet_error(&p, REMOTE, "192.0.2.11", &first); /* not to who sent it */
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	packet_error(&p, A, PUBLIC, &first); /* by a guest, about what none sent */
	assert_int_equal(translate(OUT), FAST_NAT_DROP);
	packet_set16(&first, L4, 39999);
	first.b[PACKET_L3 + 9] = IPPROTO_UDP;
	packet_error(&p, REMOTE, PUBLIC, &first); /* the host's */
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	/* From a guest that a forward leads to. */
	make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, 45000);
	sent = p;
	assert_int_equal(translate(IN), FAST_NAT_TRANSLATED);
	first = p;
	packet_error(&p, B, REMOTE, &first);
	expect(OUT, PUBLIC " > " REMOTE " echo 0");
	check_quoted(&sent);
	packet_error(&p, A, REMOTE, &first); /* its address would be told */
	assert_int_equal(translate(OUT), FAST_NAT_DROP);
}

/* What a flow cannot be known of is the host's. */
static void test_kernel(void **state)
{
	(void)state;
	make(A, REMOTE, IPPROTO_UDP, 1, 2);
	packet_set16(&p, PACKET_L3 + 6, 0x2000);
	packet_sum(&p, false);
	assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	packet_set16(&p, PACKET_L3 + 6, 7);
	packet_sum(&p, false);
	assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 1, 41000);
	packet_set16(&p, PACKET_L3 + 6, 7);
	packet_sum(&p, false);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	assert_int_equal(stats().to_kernel, 3);
	make(A, REMOTE, IPPROTO_ICMP, 0, 1);
	assert_int_equal(translate(OUT), FAST_NAT_DROP);
	make(A, REMOTE, IPPROTO_TCP, 1, 2);
	p.b[L4 + 13] = 0x10; /* began before: by the kernel */
	packet_sum(&p, false);
	assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	p.b[L4 + 13] = 0x10;
	packet_sum(&p, false);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	assert_int_equal(stats().nr, 0);
}

/* Ends of the kernel's forwards are its own; without a pool all is. */
static void test_kernels_ends(void **state)
{
	unsigned int port;

	(void)state;
	port = go_out(IPPROTO_UDP, 53, REMOTE, 5000);
	change("{\"inside\":[\"10.20.0.0/24\"],\"ports\":[40000,49999],\"pool\":[{\"address\":\"" PUBLIC
	       "\",\"shared\":true}],\"kernel\":[{\"protocol\":17,\"address\":\"" A
	       "\",\"ports\":[53,54]}]}");
	assert_int_equal(stats().pool_ports, 10000);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 5000, port);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	for (unsigned int i = 53; i <= 54; i++) {
		make(A, REMOTE, IPPROTO_UDP, i, 5000);
		assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	}
	make(A, REMOTE, IPPROTO_TCP, 53, 5000);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	make(B, REMOTE, IPPROTO_UDP, 53, 5000);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	go_out(IPPROTO_UDP, 55, REMOTE, 5000);
	change("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[]}");
	make(A, REMOTE, IPPROTO_UDP, 55, 5000);
	assert_int_equal(translate(OUT), FAST_NAT_KERNEL);
	make("10.21.0.1", REMOTE, IPPROTO_UDP, 55, 5000);
	assert_int_equal(translate(OUT), FAST_NAT_UNTOUCHED);
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
	assert_int_equal(fast_nat_create(doc, &new, why), 0);
	json_decref(doc);
	nat = fast_nat_replace(nat, new);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		make(A, REMOTE, IPPROTO_UDP, ports[i].port, 5000);
		assert_int_equal(translate(OUT),
				 ports[i].is_kernels ? FAST_NAT_KERNEL : FAST_NAT_TRANSLATED);
		make(B, REMOTE, IPPROTO_UDP, ports[i].port, 5001);
		assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	}
}

static void flags(unsigned int value)
{
	p.b[L4 + 13] = (uint8_t)value;
	packet_sum(&p, false);
}

static void test_tcp_ends(void **state)
{
	unsigned int port = go_out(IPPROTO_TCP, 1000, REMOTE, 80);

	(void)state;
	make(REMOTE, PUBLIC, IPPROTO_TCP, 80, port);
	flags(0x12);
	assert_int_equal(translate(IN), FAST_NAT_TRANSLATED);
	make(A, REMOTE, IPPROTO_TCP, 1000, 80);
	flags(0x10);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	now += 100000 * S;
	make(REMOTE, PUBLIC, IPPROTO_TCP, 80, port);
	flags(0x10);
	assert_int_equal(translate(IN), FAST_NAT_TRANSLATED);
	make(A, REMOTE, IPPROTO_TCP, 1000, 80);
	memcpy(p.b + L4 + 4, p.b + L4 + 8, 4); /* the number that is waited for */
	flags(0x14);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	now += 15 * S;
	make(REMOTE, PUBLIC, IPPROTO_TCP, 80, port);
	flags(0x10);
	assert_int_equal(translate(IN), FAST_NAT_DROP);
	assert_int_equal(stats().nr, 0);
}

/* With another document flows go on that it would have begun as they are. */
static void test_change(void **state)
{
	unsigned int port = go_out(IPPROTO_UDP, 1000, REMOTE, 53);

	(void)state;
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	expect(IN, REMOTE ":5000 > " B ":83");
	change(DOC(FORWARDS ",\"flows-per-guest\":100"));
	make(A, REMOTE, IPPROTO_UDP, 1000, 53);
	assert_int_equal(translate(OUT), FAST_NAT_TRANSLATED);
	assert_int_equal(packet_get16(&p, L4), port);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	expect(IN, REMOTE ":5000 > " B ":83");
	change(DOC("\"forwards\":[]"));
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8083);
	assert_int_equal(translate(IN), FAST_NAT_KERNEL);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	expect(IN, REMOTE ":53 > " A ":1000");
	change("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[{\"address\":\"192.0.2.99\","
	       "\"ports\":[1,9]}]}");
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, port);
	assert_int_equal(translate(IN), FAST_NAT_UNTOUCHED);
	assert_int_equal(stats().nr, 0);
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
		why[0] = '\0';
		if (create(docs[i]) != -EINVAL)
			print_message("%s\n", docs[i]);
		assert_int_equal(create(docs[i]), -EINVAL);
		assert_non_null(strstr(why, "nat: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_out_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sums, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_prefixes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_10000_flows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_ports_but_the_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conversations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forward_undone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forward_from, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forward_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hairpin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernels_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tcp_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_documents, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
