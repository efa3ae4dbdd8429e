/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names in address sets: what answers do over time, which of their addresses are taken, what is kept. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "policy/names.h"
#include "vswitch/array.h"

#define S UINT64_C(1000)

struct fixture {
	struct names names;
	struct vs_wanted w;
	struct name *name; /* www.example.org */
};

static struct fixture f;

static void add_set(const char *set, const char *fqdn)
{
	struct vs_address_set *s = vs_wanted_add_set(&f.w);

	snprintf(s->name, sizeof(s->name), "%s", set);
	s->fqdns = calloc(1, sizeof(*s->fqdns));
	s->nr_fqdns = 1;
	snprintf(s->fqdns[0], sizeof(s->fqdns[0]), "%s", fqdn);
}

static int setup(void **state)
{
	(void)state;
	f = (struct fixture){ 0 };
	vs_wanted_init(&f.w);
	add_set("mirrors", "www.example.org");
	if (names_follow(&f.names, &f.w, 1 * S))
		return -1;
	f.name = names_find(&f.names, "www.example.org");
	return f.name ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	names_fini(&f.names);
	vs_wanted_fini(&f.w);
	return 0;
}

static void put(struct name_answers *a, const char *address, uint32_t ttl_s)
{
	int k = strchr(address, ':') != NULL;
	struct name_answer *to = &a->family[k];

	assert_int_equal(inet_pton(k ? AF_INET6 : AF_INET, address, to->v[to->nr++]), 1);
	to->ttl_s = ttl_s;
}

/* "192.0.2.1 2001:db8::1": what it answers. Return: whether that changed anything. */
static bool answer(const char *addresses, uint32_t ttl_s, uint64_t now_ms)
{
	struct name_answers a = { 0 };
	char copy[256], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", addresses);
	while ((word = strsep(&rest, " ")))
		put(&a, word, ttl_s);
	return name_take(f.name, &a, now_ms);
}

static bool no_answer(int rc4, int rc6, uint64_t now_ms)
{
	struct name_answers a = { .family = { { .rc = rc4 }, { .rc = rc6 } } };

	return name_take(f.name, &a, now_ms);
}

/* What the set holds, "192.0.2.1/32 ...", in no order that matters. */
static void expect(const char *want)
{
	char found[512] = "", text[INET6_ADDRSTRLEN];
	const struct vs_address_set *s = &f.w.sets[0];

	assert_int_equal(names_fill(&f.names, &f.w), 0);
	for (size_t i = 0; i < s->nr_found; i++) {
		const struct vs_prefix *p = &s->found[i];

		assert_int_equal(p->len, p->family == AF_INET ? 32 : 128);
		inet_ntop(p->family, p->address, text, sizeof(text));
		snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", i ? " " : "",
			 text);
	}
	assert_string_equal(found, want);
}

static void answers_hold_for_their_time(void **state)
{
	(void)state;
	assert_int_equal(f.name->next_ms, 1 * S);
	assert_int_equal(f.name->rc, -EINPROGRESS);
	expect("");
	assert_true(answer("192.0.2.1 192.0.2.2 2001:db8::1", 60, 1 * S));
	assert_int_equal(f.name->next_ms, 61 * S);
	assert_false(answer("192.0.2.2 192.0.2.1 2001:db8::1", 60, 61 * S));
	/* Its time is over with the answer that had it last. */
	assert_true(answer("192.0.2.3", 60, 121 * S));
	expect("192.0.2.3");
	/* Asked again before that, both hold. */
	assert_true(answer("192.0.2.4", 600, 131 * S));
	expect("192.0.2.4 192.0.2.3");
	assert_true(answer("192.0.2.4", 600, 181 * S));
	expect("192.0.2.4");
}

static void times_are_bounded(void **state)
{
	(void)state;
	answer("192.0.2.1", 0, 10 * S);
	assert_int_equal(f.name->next_ms, (10 + NAMES_TTL_MIN_S) * S);
	answer("192.0.2.1", UINT32_MAX, 20 * S);
	assert_int_equal(f.name->next_ms, (20 + NAMES_TTL_MAX_S) * S);
}

static void nobody_answers(void **state)
{
	uint64_t began = 100 * S;

	(void)state;
	answer("192.0.2.1 2001:db8::1", 5, 95 * S);
	assert_false(no_answer(-EAGAIN, -EAGAIN, began));
	assert_int_equal(f.name->rc, -EAGAIN);
	expect("192.0.2.1 2001:db8::1");
	assert_int_equal(f.name->next_ms, began + 5 * S);
	for (int i = 0; i < 40; i++)
		assert_false(no_answer(-EAGAIN, -EAGAIN, began + 10 * S));
	assert_int_equal(f.name->next_ms, began + (10 + NAMES_RETRY_MAX_S) * S);
	assert_false(no_answer(-EAGAIN, -EAGAIN, began + NAMES_GRACE_SILENT_S * S - 1));
	assert_true(no_answer(-EAGAIN, -EAGAIN, began + NAMES_GRACE_SILENT_S * S));
	expect("");
	assert_true(answer("192.0.2.1", 5, began + NAMES_GRACE_SILENT_S * S + 1));
	assert_int_equal(f.name->rc, 0);
}

static void a_name_that_is_gone(void **state)
{
	(void)state;
	answer("192.0.2.1", 5, 95 * S);
	assert_false(no_answer(-ENOENT, -ENOENT, 100 * S));
	expect("192.0.2.1");
	/* Nothing of either family is the same. */
	assert_false(no_answer(0, 0, 200 * S));
	assert_true(no_answer(-ENOENT, -ENOENT, (100 + NAMES_GRACE_GONE_S) * S));
	expect("");
	assert_int_equal(f.name->rc, -ENOENT);
}

/* An answer of one family says nothing of the other, where that one failed. */
static void one_family_fails(void **state)
{
	struct name_answers a = { .family = { { 0 }, { .rc = -EAGAIN } } };

	(void)state;
	answer("192.0.2.1 2001:db8::1", 5, 10 * S);
	put(&a, "192.0.2.2", 3600);
	assert_true(name_take(f.name, &a, 20 * S));
	expect("192.0.2.2 2001:db8::1");
	assert_int_equal(f.name->rc, 0);
	assert_int_equal(f.name->next_ms, 25 * S);
}

static void too_many_addresses(void **state)
{
	struct name_answers a = { 0 };
	char text[24];

	(void)state;
	for (int i = 0; i < NAMES_ADDRS_MAX; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d", i + 1);
		put(&a, text, 60);
	}
	name_take(f.name, &a, 10 * S);
	answer("198.51.100.1", 60, 11 * S);
	assert_int_equal(f.name->family[0].nr, NAMES_ADDRS_MAX);
	assert_int_equal(f.name->family[0].v[0].address[0], 198);
}

static void policies_change(void **state)
{
	(void)state;
	answer("192.0.2.1", 60, 10 * S);
	f.w.sets[0].fqdns[0][0] = 'x';
	assert_int_equal(names_follow(&f.names, &f.w, 11 * S), 0);
	expect("");
	/* A try is taken back: nothing needs to be asked. */
	f.w.sets[0].fqdns[0][0] = 'w';
	assert_int_equal(names_follow(&f.names, &f.w, 12 * S), 0);
	names_drop_unused(&f.names);
	expect("192.0.2.1");
	f.w.sets[0].fqdns[0][0] = 'x';
	names_follow(&f.names, &f.w, 13 * S);
	names_drop_unused(&f.names);
	assert_null(names_find(&f.names, "www.example.org"));
	assert_string_equal(names_next(&f.names)->text, "xww.example.org");
}

static void kept_over_a_restart(void **state)
{
	json_t *json;

	(void)state;
	answer("192.0.2.1 2001:db8::1", 60, 10 * S);
	json = names_json(&f.names);
	names_fini(&f.names);
	assert_int_equal(names_load(&f.names, json), 0);
	json_decref(json);
	names_follow(&f.names, &f.w, 1 * S);
	f.name = names_find(&f.names, "www.example.org");
	expect("192.0.2.1 2001:db8::1");
	assert_int_equal(f.name->next_ms, 1 * S);
	no_answer(-EAGAIN, -EAGAIN, 2 * S);
	expect("192.0.2.1 2001:db8::1");
	assert_true(answer("192.0.2.9", 60, 3 * S));
	expect("192.0.2.9");
}

static void damaged_files(void **state)
{
	static const char *const texts[] = {
		"[]",
		"{\"version\":2,\"names\":{\"www.example.org\":[\"192.0.2.1\"]}}",
		"{\"version\":1,\"names\":{\"www.example.org\":\"192.0.2.1\"}}",
		"{\"version\":1,\"names\":{\"www.example.org\":[1,null,\"x\",\"127.0.0.1\",\"::1\",\"192.0.2.1/24\"]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *json = json_loads(texts[i], 0, NULL);

		assert_non_null(json);
		assert_int_equal(names_load(&f.names, json), 0);
		json_decref(json);
		expect("");
	}
}

static void told_in_status(void **state)
{
	json_t *status = names_status_json(&f.names, &f.w), *one = json_array_get(status, 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(one, "state")), "unresolved");
	json_decref(status);
	answer("192.0.2.1", 5, 10 * S);
	no_answer(-EAGAIN, -EAGAIN, 20 * S);
	status = names_status_json(&f.names, &f.w);
	one = json_array_get(status, 0);
	assert_string_equal(json_string_value(json_object_get(one, "name")), "www.example.org");
	assert_string_equal(json_string_value(json_object_get(one, "state")), "kept");
	assert_non_null(json_object_get(one, "reason"));
	assert_int_equal(json_array_size(json_object_get(one, "addresses")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(one, "sets"), 0)),
			    "mirrors");
	json_decref(status);
}

static void special_addresses(void **state)
{
	static const char *const never[] = {
		"0.0.0.0",	    "0.1.2.3",	 "127.0.0.1", "127.1.2.3",
		"169.254.169.254",  "224.0.0.1", "239.1.1.1", "240.0.0.1",
		"255.255.255.255",  "::",	 "::1",	      "::192.0.2.1",
		"::ffff:192.0.2.1", "fe80::1",	 "febf::1",   "ff02::1"
	};
	static const char *const may[] = { "1.0.0.1",	      "10.0.0.1",	  "126.255.255.255",
					   "128.0.0.1",	      "169.253.0.1",	  "169.255.0.1",
					   "223.255.255.255", "fd00::1",	  "2001:db8::1",
					   "fec0::1",	      "64:ff9b::c000:201" };
	uint8_t address[16];

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		int family = strchr(never[i], ':') ? AF_INET6 : AF_INET;

		inet_pton(family, never[i], address);
		if (name_may_have(family, address))
			fail_msg("%s", never[i]);
	}
	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++) {
		int family = strchr(may[i], ':') ? AF_INET6 : AF_INET;

		inet_pton(family, may[i], address);
		if (!name_may_have(family, address))
			fail_msg("%s", may[i]);
	}
}

/* ---- Messages of DNS ---- */

#define HEADER "\x12\x34\x81\x80\x00\x01\x00"
#define QUESTION                                                                                   \
	"\x03www\x07"                                                                              \
	"example\x03org\x00\x00\x01\x00\x01"
#define NAME "\xc0\x0c"
/* Of class IN: type, TTL, and an IPv4 address. */
#define A(ttl, address) NAME "\x00\x01\x00\x01\x00\x00" ttl "\x00\x04" address

static void messages(void **state)
{
	/* An alias that holds for 30 s to a name that holds for 256 s, which has two addresses and a loopback one. */
	static const char good[] = HEADER
		"\x04\x00\x00\x00\x00" QUESTION NAME
		"\x00\x05\x00\x01\x00\x00\x00\x1e\x00\x02" NAME A("\x01\x00", "\xc0\x00\x02\x01")
			A("\x01\x00", "\xc0\x00\x02\x02") A("\x01\x00", "\x7f\x00\x00\x01");
	static const char cut[] = HEADER
		"\x02\x00\x00\x00\x00" QUESTION A("\x01\x00", "\xc0\x00\x02\x01");
	static const char loop[] = HEADER "\x01\x00\x00\x00\x00" QUESTION
					  "\xc0\x21\x00\x01\x00\x01";
	static const char wide[] = HEADER "\x01\x00\x00\x00\x00" QUESTION NAME
					  "\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x05"
					  "\xc0\x00\x02\x01\x01";
	struct name_answer a;

	(void)state;
	name_read_answer(AF_INET, (const uint8_t *)good, sizeof(good) - 1, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(a.nr, 2);
	assert_int_equal(a.nr_refused, 1);
	assert_int_equal(a.ttl_s, 30);
	assert_memory_equal(a.v[1], "\xc0\x00\x02\x02", 4);
	name_read_answer(AF_INET6, (const uint8_t *)good, sizeof(good) - 1, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(a.nr, 0);
	name_read_answer(AF_INET, (const uint8_t *)cut, sizeof(cut) - 1, &a);
	assert_int_equal(a.rc, -EBADMSG);
	assert_int_equal(a.nr, 0);
	name_read_answer(AF_INET, (const uint8_t *)loop, sizeof(loop) - 1, &a);
	assert_int_equal(a.rc, -EBADMSG);
	name_read_answer(AF_INET, (const uint8_t *)wide, sizeof(wide) - 1, &a);
	assert_int_equal(a.nr, 0);
	for (size_t size = 0; size < sizeof(good) - 1; size++) {
		name_read_answer(AF_INET, (const uint8_t *)good, size, &a);
		assert_int_not_equal(a.rc, 0);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(answers_hold_for_their_time),
		TEST(times_are_bounded),
		TEST(nobody_answers),
		TEST(a_name_that_is_gone),
		TEST(one_family_fails),
		TEST(too_many_addresses),
		TEST(policies_change),
		TEST(kept_over_a_restart),
		TEST(damaged_files),
		TEST(told_in_status),
		cmocka_unit_test(special_addresses),
		cmocka_unit_test(messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
