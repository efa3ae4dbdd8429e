/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vifrost bench without a host: statistics, documents, verdicts, and its load over the loopback. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/bench/bench.h"
#include "policy/bench/load.h"

/* Others may run this test on the same machine. */
#define PORT (12000 + (uint32_t)getpid() % 20000)

static void percentiles_are_samples(void **state)
{
	double v[] = { 5, 1, 4, 2, 3 }, one[] = { 7 };

	(void)state;
	assert_true(bench_percentile(v, 5, 50) == 3);
	assert_true(bench_percentile(v, 5, 99) == 5);
	assert_true(bench_percentile(v, 5, 0) == 1);
	assert_true(bench_percentile(one, 1, 50) == 7);
	assert_true(bench_percentile(v, 0, 50) == 0);
}

static void spread_is_the_worst_from_the_median(void **state)
{
	double odd[] = { 100, 80, 110 }, even[] = { 1, 3 }, none[] = { 0, 0 };

	(void)state;
	assert_true(bench_median(odd, 3) == 100);
	assert_true(fabs(bench_spread(odd, 3) - 0.2) < 1e-9);
	assert_true(bench_median(even, 2) == 2);
	assert_true(bench_spread(none, 2) == 0);
}

static json_t *result(const char *from, const char *to, const char *test, const char *size,
		      const char *key, double value, double spread)
{
	json_t *j = json_pack("{ss ss ss ss ss ss s{sf}}", "network", "xenbr0", "from", from, "to",
			      to, "test", test, "protocol", "tcp", "size", size, "noise", "spread",
			      spread);

	if (strcmp(test, "round-trip") != 0)
		json_object_set_new(j, key, json_real(value));
	else
		json_object_set_new(j, "rtt-us",
				    json_pack("{sf sf}", "p50", value / 2, "p99", value));
	return j;
}

static json_t *document(void)
{
	return json_pack("{ss s[o o o] s[]}", "schema", BENCH_SCHEMA, "results",
			 result("web", "host", "stream", "gso", "bits-per-s", 5e9, 0.02),
			 result("web", "host", "packets", "64", "packets-per-s", 200e3, 0.02),
			 result("web", "host", "round-trip", "64", "", 400, 0.02), "failed");
}

static void a_document_is_checked(void **state)
{
	char why[BENCH_WHY];
	json_t *doc = document();

	(void)state;
	assert_int_equal(bench_document_check(doc, why), 0);
	json_object_del(json_array_get(json_object_get(doc, "results"), 1), "size");
	assert_int_not_equal(bench_document_check(doc, why), 0);
	assert_non_null(strstr(why, "result 2 has no \"size\""));
	json_object_set_new(doc, "schema", json_string("vifrost/bench/v9"));
	assert_int_not_equal(bench_document_check(doc, why), 0);
	json_decref(doc);
	assert_int_not_equal(bench_document_check(NULL, why), 0);
}

static void objectives_are_judged(void **state)
{
	static const struct {
		const char *throughput, *packets, *rtt;
		unsigned int reached, missed;
	} cases[] = {
		{ "5Gbit", "200kpps", "400us", 3, 0 },
		{ "6Gbit", "200kpps", "399us", 1, 2 },
		{ "4900Mbit", "201kpps", "1ms", 2, 1 },
	};
	json_t *doc = document();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *policy = json_pack("{s[{ss ss ss ss ss ss}]}", "objectives", "name", "one",
					   "from", "web", "to", "host", "min-throughput",
					   cases[i].throughput, "min-packets", cases[i].packets,
					   "max-rtt-p99", cases[i].rtt);
		json_t *list = bench_objectives(policy, doc);

		assert_int_equal(json_array_size(list), 3);
		assert_int_equal(bench_count(list, "state", "reached"), cases[i].reached);
		assert_int_equal(bench_count(list, "state", "missed"), cases[i].missed);
		json_decref(list);
		json_decref(policy);
	}
	json_decref(doc);
}

static void what_was_not_measured_is_not_reached(void **state)
{
	json_t *doc = document(), *list, *policy;
	const char *reason;

	(void)state;
	json_array_append_new(json_object_get(doc, "failed"),
			      json_pack("{ss ss ss}", "from", "db", "to", "host", "reason",
					"there is no guest \"db\""));
	policy = json_pack("{s[{ss ss ss ss}]}", "objectives", "name", "two", "from", "db", "to",
			   "host", "min-throughput", "1Mbit");
	list = bench_objectives(policy, doc);
	assert_int_equal(bench_count(list, "state", "unmeasured"), 1);
	reason = json_string_value(json_object_get(json_array_get(list, 0), "reason"));
	assert_string_equal(reason, "there is no guest \"db\"");
	json_decref(list);
	json_decref(policy);
	json_decref(doc);
}

/* A document of one row. */
static json_t *one(const char *test, double value, double spread)
{
	return json_pack("{ss s[o] s[]}", "schema", BENCH_SCHEMA, "results",
			 result("a", "b", test, "64", "packets-per-s", value, spread), "failed");
}

static void noise_is_no_change(void **state)
{
	static const struct {
		const char *test, *verdict;
		double before, after, spread;
	} cases[] = {
		{ "packets", "same", 100, 95, 0.0 },
		{ "packets", "worse", 100, 80, 0.0 },
		{ "packets", "better", 100, 120, 0.0 },
		{ "packets", "same", 100, 80, 0.06 },
		{ "round-trip", "worse", 100, 130, 0.01 },
		{ "round-trip", "better", 100, 70, 0.01 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *before = one(cases[i].test, cases[i].before, cases[i].spread);
		json_t *after = one(cases[i].test, cases[i].after, cases[i].spread);
		json_t *list = bench_compare(before, after, 0.1);

		assert_int_equal(bench_count(list, "verdict", cases[i].verdict),
				 json_array_size(list));
		assert_true(json_array_size(list) > 0);
		json_decref(list);
		json_decref(before);
		json_decref(after);
	}
}

static void rows_that_come_and_go_are_named(void **state)
{
	json_t *before = one("packets", 1, 0), *after = document();
	json_t *list = bench_compare(before, after, 0.1);

	(void)state;
	assert_int_equal(bench_count(list, "verdict", "new"), 3);
	assert_int_equal(bench_count(list, "verdict", "gone"), 1);
	json_decref(list);
	json_decref(before);
	json_decref(after);
}

static void causes_are_named(void **state)
{
	json_t *vif = json_loads(
		"{\"from-guest\": {\"frames\": 5, \"drops\": {\"port-full\": 2}},"
		"\"to-guest\": {\"frames\": 7, \"drops\": {\"no-slots\": 3, \"stalled\": 1}},"
		"\"queues\": [{\"wakeups\": 1, \"id\": 9}, {\"wakeups\": 2}],"
		"\"mtu\": 1500}",
		0, NULL);
	json_t *counters = json_object(), *a;

	(void)state;
	bench_flatten(counters, vif);
	assert_null(json_object_get(counters, "mtu"));
	assert_null(json_object_get(counters, "id"));
	a = bench_attribution(counters, 11, 0);
	assert_int_equal(json_integer_value(json_object_get(a, "ring-full")), 4);
	assert_int_equal(json_integer_value(json_object_get(a, "port-full")), 2);
	assert_int_equal(json_integer_value(json_object_get(a, "frames")), 12);
	assert_int_equal(json_integer_value(json_object_get(a, "wakeups")), 3);
	assert_int_equal(json_integer_value(json_object_get(a, "softnet-dropped")), 11);
	json_decref(a);
	json_decref(counters);
	json_decref(vif);
}

static void an_own_guest_gets_an_address_that_is_free(void **state)
{
	static const struct {
		const char *policy, *others, *ip, *gateway;
		int rc;
	} cases[] = {
		{ "{'networks': {'n': {'subnets': [{'cidr': '10.1.0.0/24'}]}}}", "[]", "10.1.0.254",
		  "10.1.0.1", 0 },
		{ "{'networks': {'n': {'subnets': [{'cidr': 'fd00::/64'}, {'cidr': '10.1.0.0/24',"
		  "'gateway': '10.1.0.254', 'dhcp': {'range': '10.1.0.100-10.1.0.252'}}]}}}",
		  "[{'config': {'vif': [{'ip': '10.1.0.253/24 fd00::3'}]}}]", "10.1.0.99",
		  "10.1.0.254", 0 },
		{ "{'networks': {'n': {'subnets': [{'cidr': '10.1.0.0/30'}]}}}", "['10.1.0.2']", "",
		  "", -ENOSPC },
		{ "{'networks': {'n': {'subnets': [{'cidr': '10.1.0.0/31'}]}}}", "[]", "", "",
		  -ENOSPC },
		{ "{'networks': {'n': {'subnets': [{'cidr': 'fd00::/64'}]}}}", "[]", "", "",
		  -ENOENT },
		{ "{'networks': {'m': {}}}", "[]", "", "", -ENOENT },
		{ "{}", "[]", "", "", -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2][512];
		json_t *policy, *others;
		struct bench_address a;

		for (int k = 0; k < 2; k++) {
			snprintf(text[k], sizeof(text[k]), "%s",
				 k ? cases[i].others : cases[i].policy);
			for (char *p = text[k]; *p; p++)
				*p = *p == '\'' ? '"' : *p;
		}
		policy = json_loads(text[0], 0, NULL);
		others = json_loads(text[1], 0, NULL);
		assert_non_null(policy);
		assert_int_equal(bench_free_address(policy, others, "n", &a), cases[i].rc);
		if (!cases[i].rc) {
			assert_string_equal(a.ip, cases[i].ip);
			assert_string_equal(a.gateway, cases[i].gateway);
		}
		json_decref(policy);
		json_decref(others);
	}
}

/* Both ends on the loopback: @near's and @far's last words. */
static void both_ends(const char *address, enum load_kind kind, uint32_t size, uint64_t far_run,
		      json_t **near_out, json_t **far_out)
{
	struct load near = { kind, address, PORT, size, 100, 42 };
	struct load far = {
		kind == LOAD_PING ? LOAD_ECHO : LOAD_SINK, address, PORT, size, 5000, far_run
	};
	struct bench_child server, client;
	char *text;

	assert_int_equal(bench_child_start(&server, 0, NULL, load_run, &far), 0);
	assert_int_equal(bench_child_listens(&server, PORT, true, 3000), 0);
	assert_int_equal(bench_child_start(&client, 0, NULL, load_run, &near), 0);
	assert_int_equal(bench_child_wait(&client, 5000, &text), 0);
	*near_out = json_loads(text, 0, NULL);
	free(text);
	bench_child_end(&server);
	assert_int_equal(bench_child_wait(&server, 5000, &text), 0);
	*far_out = json_loads(text, 0, NULL);
	free(text);
}

static json_int_t integer(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void datagrams_are_counted(void **state)
{
	static const uint32_t sizes[] = { 64, 1500, 0 };
	json_t *sent, *received;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		uint32_t payload = sizes[i] ? sizes[i] - 28 : LOAD_GSO_SIZE;

		both_ends("127.0.0.1", LOAD_SEND, sizes[i], 42, &sent, &received);
		assert_true(integer(received, "received") > 0);
		assert_true(integer(received, "received") <= integer(sent, "sent"));
		assert_int_equal(integer(received, "bytes"),
				 integer(received, "received") * payload);
		assert_int_equal(integer(received, "alien"), 0);
		json_decref(sent);
		json_decref(received);
	}
}

static void others_datagrams_do_not_count(void **state)
{
	json_t *sent, *received;

	(void)state;
	both_ends("127.0.0.1", LOAD_SEND, 64, 43, &sent, &received);
	assert_int_equal(integer(received, "received"), 0);
	assert_true(integer(received, "alien") > 0);
	json_decref(sent);
	json_decref(received);
	both_ends("127.0.0.1", LOAD_PING, 64, 43, &sent, &received);
	assert_int_equal(integer(sent, "samples"), 0);
	json_decref(sent);
	json_decref(received);
}

static void round_trips_are_timed(void **state)
{
	json_t *near, *far;
	const json_t *rtt;

	(void)state;
	both_ends("127.0.0.1", LOAD_PING, 64, 42, &near, &far);
	rtt = json_object_get(near, "rtt-us");
	assert_true(integer(near, "samples") > 0);
	assert_int_equal(integer(near, "samples") + integer(near, "lost"),
			 integer(far, "received"));
	assert_true(json_number_value(json_object_get(rtt, "p50")) > 0);
	assert_true(json_number_value(json_object_get(rtt, "p99")) >=
		    json_number_value(json_object_get(rtt, "p50")));
	json_decref(near);
	json_decref(far);
}

static void a_child_that_hangs_is_ended(void **state)
{
	static const char *const sleeps[] = { "sleep", "60", NULL }, *const none[] = { "vf-none",
										       NULL };
	struct bench_child c;

	(void)state;
	assert_int_equal(bench_child_start(&c, 0, sleeps, NULL, NULL), 0);
	assert_int_equal(bench_child_wait(&c, 50, NULL), -ETIMEDOUT);
	assert_int_equal(bench_child_start(&c, 0, none, NULL, NULL), 0);
	assert_int_equal(bench_child_listens(&c, PORT, false, 3000), -ECHILD);
	assert_int_equal(bench_child_wait(&c, 3000, NULL), 126);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_samples),
		cmocka_unit_test(spread_is_the_worst_from_the_median),
		cmocka_unit_test(a_document_is_checked),
		cmocka_unit_test(objectives_are_judged),
		cmocka_unit_test(what_was_not_measured_is_not_reached),
		cmocka_unit_test(noise_is_no_change),
		cmocka_unit_test(rows_that_come_and_go_are_named),
		cmocka_unit_test(causes_are_named),
		cmocka_unit_test(an_own_guest_gets_an_address_that_is_free),
		cmocka_unit_test(datagrams_are_counted),
		cmocka_unit_test(others_datagrams_do_not_count),
		cmocka_unit_test(round_trips_are_timed),
		cmocka_unit_test(a_child_that_hangs_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
