/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routing in user space: the longest prefix against a walk through all, and what is left to the kernel. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "tests/util/packet.h"
#include "vswitch/fast/route.h"

#define MACS "\"mac\":\"02:00:00:00:00:01\",\"via-mac\":\"02:00:00:00:00:02\""

static struct fast_routes *routes;
static struct packet_bytes p;
static char why[FAST_WHY_MAX];

static int port_of(void *ctx, const char *name)
{
	uint32_t number;

	(void)ctx;
	return strncmp(name, "port", 4) || parse_u32(name + 4, 100000, &number) ? -1 : (int)number;
}

static int compile(const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(doc);
	fast_routes_destroy(routes);
	rc = fast_routes_compile(doc, port_of, NULL, &routes, why);
	json_decref(doc);
	return rc;
}

static int teardown(void **state)
{
	(void)state;
	fast_routes_destroy(routes);
	routes = NULL;
	return 0;
}

/* The port; -1: the kernel, and then not a byte is changed. */
static int route_segments(uint16_t gso_size)
{
	size_t have = p.size < 128 ? p.size : 128;
	uint8_t *copy = malloc(have);
	const struct fast_hop *hop;
	struct fast_head h;

	memcpy(copy, p.b, have);
	fast_head_parse(copy, (uint16_t)have, (uint32_t)p.size, &h);
	hop = fast_route_find(routes, &h, gso_size);
	assert_memory_equal(copy, p.b, have);
	if (hop)
		fast_route_take(hop, &h);
	memcpy(p.b, copy, have);
	free(copy);
	return hop ? (int)hop->port : -1;
}

static int route_to(const char *to)
{
	packet_make(&p, strchr(to, ':') ? "2001:db8::7" : "10.1.0.7", to, IPPROTO_UDP, 1, 2);
	return route_segments(0);
}

static void test_rewrite(void **state)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };

	(void)state;
	assert_int_equal(compile("{\"prefixes\":[{\"to\":\"0.0.0.0/0\",\"network\":\"port7\"," MACS
				 "},"
				 "{\"to\":\"::/0\",\"network\":\"port8\"," MACS "}]}"),
			 0);
	for (unsigned int ttl = 2; ttl < 256; ttl++) {
		packet_make(&p, "10.1.0.7", "203.0.113.9", IPPROTO_UDP, ttl * 257, 2);
		p.b[PACKET_L3 + 8] = (uint8_t)ttl;
		packet_set16(&p, PACKET_L3 + 4, ttl * 255);
		packet_sum(&p, false);
		assert_int_equal(route_segments(0), 7);
		assert_memory_equal(p.b, macs, 12);
		assert_int_equal(p.b[PACKET_L3 + 8], ttl - 1);
		assert_true(packet_is_right(&p, false));
	}
	assert_int_equal(route_to("2001:db8:1::1"), 8);
	assert_memory_equal(p.b, macs, 12);
	assert_int_equal(p.b[PACKET_L3 + 7], 63);
	assert_true(packet_is_right(&p, false));
}

/* Every sum there can be. */
static void test_all_sums(void **state)
{
	(void)state;
	assert_int_equal(
		compile("{\"prefixes\":[{\"to\":\"0.0.0.0/0\",\"network\":\"port7\"," MACS "}]}"),
		0);
	for (unsigned int id = 0; id < 65536; id++) {
		packet_make(&p, "10.1.0.7", "203.0.113.9", IPPROTO_ICMP, 8, 2);
		packet_set16(&p, PACKET_L3 + 4, id);
		packet_sum(&p, false);
		assert_int_equal(route_segments(0), 7);
		assert_true(packet_is_right(&p, false));
	}
}

static void test_to_kernel(void **state)
{
	static const char *const special[] = { "224.0.0.5", "255.255.255.255",
					       "127.0.0.1", "169.254.1.1",
					       "0.0.0.9",   "ff02::1",
					       "fe80::1",   "::1" };

	(void)state;
	assert_int_equal(
		compile("{\"prefixes\":[{\"to\":\"0.0.0.0/0\",\"network\":\"port7\"," MACS "},"
			"{\"to\":\"::/0\",\"network\":\"port8\"," MACS "},"
			"{\"to\":\"192.0.2.0/24\"},"
			"{\"to\":\"192.0.2.9\",\"network\":\"port9\",\"mtu\":100," MACS "}]}"),
		0);
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		assert_int_equal(route_to(special[i]), -1);
	packet_make(&p, "127.0.0.1", "203.0.113.9", IPPROTO_UDP, 1, 2);
	assert_int_equal(route_segments(0), -1);
	assert_int_equal(route_to("192.0.2.8"), -1); /* its neighbour is not resolved */
	assert_int_equal(route_to("192.0.2.9"), 9);
	p.size = 14 + 101;
	packet_set16(&p, PACKET_L3 + 2, 101);
	packet_sum(&p, false);
	assert_int_equal(route_segments(0), -1);
	packet_make(&p, "10.1.0.7", "192.0.2.9", IPPROTO_TCP, 1, 2);
	p.size = 400;
	packet_set16(&p, PACKET_L3 + 2, 386);
	packet_sum(&p, false);
	assert_int_equal(route_segments(60), 9);
	packet_sum(&p, false);
	assert_int_equal(route_segments(61), -1);
	for (unsigned int ttl = 0; ttl < 2; ttl++) {
		packet_make(&p, "10.1.0.7", "203.0.113.9", IPPROTO_UDP, 1, 2);
		p.b[PACKET_L3 + 8] = (uint8_t)ttl;
		packet_sum(&p, false);
		assert_int_equal(route_segments(0), -1);
	}
	packet_make(&p, "10.1.0.7", "203.0.113.9", IPPROTO_UDP, 1, 2);
	p.b[PACKET_L3] = 0x46; /* options */
	assert_int_equal(route_segments(0), -1);
	p.b[PACKET_L3] = 0x45;
	packet_set16(&p, PACKET_L3 + 2, 9000); /* longer than it is */
	assert_int_equal(route_segments(0), -1);
	packet_make(&p, "2001:db8::7", "2001:db8::9", 0, 1, 2); /* hop-by-hop options */
	p.b[54] = 17;
	p.b[55] = 0;
	assert_int_equal(route_segments(0), -1);
	packet_make(&p, "10.1.0.7", "203.0.113.9", IPPROTO_UDP, 1, 2);
	memmove(p.b + 16, p.b + 12, p.size - 12);
	p.size += 4;
	packet_set16(&p, 12, 0x8100);
	packet_set16(&p, 14, 5);
	assert_int_equal(route_segments(0), -1);
}

#define NR 2000

static struct {
	uint32_t net;
	unsigned int len;
} v[NR];

static void address_text(uint32_t a, bool is_v6, char *text, size_t size)
{
	if (is_v6)
		snprintf(text, size, "2001:db8:%x:%x::", a >> 16, a & 0xffff);
	else
		snprintf(text, size, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

/* Thousands of prefixes in and beside each other, of both families. */
static void test_longest(void **state)
{
	unsigned int seed = 3, found = 0, nr = 0;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		json_t *doc = json_pack("{s:[]}", "prefixes");
		char text[64], to[80], name[32];

		nr = 0;
		while (nr < NR) {
			unsigned int len = 6 + (unsigned int)rand_r(&seed) % 27;
			uint32_t net = ((uint32_t)rand_r(&seed) << 5 & 0x1fffffff) | 0x20000000;
			bool is_new = true;

			net = net >> (32 - len) << (32 - len);
			for (unsigned int i = 0; i < nr; i++)
				is_new &= v[i].net != net || v[i].len != len;
			if (!is_new)
				continue;
			v[nr].net = net;
			v[nr].len = len;
			address_text(net, v6, text, sizeof(text));
			snprintf(to, sizeof(to), "%s/%u", text, v6 ? len + 32 : len);
			snprintf(name, sizeof(name), "port%u", nr++);
			json_array_append_new(json_object_get(doc, "prefixes"),
					      json_pack("{ss ss ss ss}", "to", to, "network", name,
							"mac", "02:00:00:00:00:01", "via-mac",
							"02:00:00:00:00:02"));
		}
		fast_routes_destroy(routes);
		assert_int_equal(fast_routes_compile(doc, port_of, NULL, &routes, why), 0);
		json_decref(doc);
		for (int n = 0; n < 20000; n++) {
			uint32_t a = v[(unsigned int)rand_r(&seed) % NR].net;
			int want = -1;

			a += (uint32_t)(rand_r(&seed) % 3) - 1 +
			     (rand_r(&seed) % 2 ? (uint32_t)rand_r(&seed) % 4096 : 0);
			for (unsigned int i = 0; i < NR; i++)
				if (!((a ^ v[i].net) >> (32 - v[i].len)) &&
				    (want < 0 || v[i].len > v[want].len))
					want = (int)i;
			address_text(a, v6, text, sizeof(text));
			assert_int_equal(route_to(text), want);
			found += want >= 0;
		}
	}
	assert_true(found > 20000);
}

static void test_edges(void **state)
{
	(void)state;
	assert_int_equal(compile("{\"prefixes\":[]}"), 0);
	assert_int_equal(route_to("203.0.113.9"), -1);
	assert_int_equal(
		compile("{\"prefixes\":[{\"to\":\"223.255.255.255\",\"network\":\"port1\"," MACS
			"},"
			"{\"to\":\"1.0.0.0\",\"network\":\"port2\"," MACS "},"
			"{\"to\":\"128.0.0.0/1\",\"network\":\"port3\"," MACS "},"
			"{\"to\":\"8000::/1\",\"network\":\"port4\"," MACS "}]}"),
		0);
	assert_int_equal(route_to("223.255.255.255"), 1);
	assert_int_equal(route_to("223.255.255.254"), 3);
	assert_int_equal(route_to("1.0.0.0"), 2);
	assert_int_equal(route_to("1.0.0.1"), -1);
	assert_int_equal(route_to("127.255.255.255"), -1);
	assert_int_equal(route_to("128.0.0.0"), 3);
	assert_int_equal(route_to("fdff::1"), 4);
	assert_int_equal(route_to("7fff::1"), -1);
}

static void test_bad_documents(void **state)
{
	static const char *const docs[] = {
		"[]",
		"{}",
		"{\"prefixes\":[{}]}",
		"{\"prefixes\":[{\"to\":\"10.0.0.0/40\"}]}",
		"{\"prefixes\":[{\"to\":\"10.0.0.0/8\"},{\"to\":\"10.0.0.0/8\"}]}",
		"{\"prefixes\":[{\"to\":\"10.0.0.0/8\",\"via-mac\":\"02:00\"}]}",
		"{\"prefixes\":[{\"to\":\"10.0.0.0/8\",\"network\":\"port1\",\"mac\":\"02:00:00:00:00:01\","
		"\"via-mac\":\"ff:ff:ff:ff:ff:ff\"}]}",
		"{\"prefixes\":[{\"to\":\"10.0.0.0/8\",\"network\":\"port1\","
		"\"via-mac\":\"02:00:00:00:00:01\"}]}",
		"{\"prefixes\":[{\"to\":\"10.0.0.0/8\",\"network\":\"other\"," MACS "}]}",
		"{\"prefixes\":[{\"to\":\"10.0.0.0/8\",\"network\":\"port1\",\"mtu\":67," MACS
		"}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		why[0] = '\0';
		if (compile(docs[i]) != -EINVAL)
			print_message("%s\n", docs[i]);
		assert_int_equal(compile(docs[i]), -EINVAL);
		assert_non_null(strstr(why, "route: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_rewrite, teardown),
		cmocka_unit_test_teardown(test_all_sums, teardown),
		cmocka_unit_test_teardown(test_to_kernel, teardown),
		cmocka_unit_test_teardown(test_longest, teardown),
		cmocka_unit_test_teardown(test_edges, teardown),
		cmocka_unit_test_teardown(test_bad_documents, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
