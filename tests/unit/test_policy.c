/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantities, inheritance, selection, limits: what the golden files do not show. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "policy/policy.h"
#include "policy/tree.h"
#include "policy/units.h"

#define UUID "6d1f6a3e-24c4-4b0e-9d5a-0e3f6c1b7a55"

static struct policy *load(const char *text)
{
	struct diags ds = { 0 };
	struct policy *policy;

	if (pol_load_text("f", text, strlen(text), &ds, &policy)) {
		diags_print(&ds, stderr);
		fail_msg("does not load: %s", text);
	}
	diags_fini(&ds);
	return policy;
}

/* Loads nothing and has exactly one error (or @nr) of @code first. */
static void refuse(const char *text, size_t size, const char *code, size_t nr)
{
	struct diags ds = { 0 };
	struct policy *policy;

	assert_int_equal(pol_load_text("f", text, size, &ds, &policy), -EINVAL);
	assert_null(policy);
	assert_int_equal(ds.nr_errors, nr);
	assert_true(ds.nr > 0);
	assert_string_equal(ds.v[0].code, code);
	diags_fini(&ds);
}

static const struct {
	enum unit_kind kind;
	const char *text;
	int rc;
	uint64_t value;
	const char *printed; /* NULL: as @text */
} quantities[] = {
	{ UNIT_RATE, "200Mbit", 0, 200000000, NULL },
	{ UNIT_RATE, "1.5Gbit", 0, 1500000000, "1500Mbit" },
	{ UNIT_RATE, "1000kbit", 0, 1000000, "1Mbit" },
	{ UNIT_RATE, "0bit", 0, 0, NULL },
	{ UNIT_RATE, "18446744073709551615bit", 0, UINT64_MAX, NULL },
	{ UNIT_RATE, "18446744073709551616bit", -ERANGE, 0, NULL },
	{ UNIT_RATE, "99999999Tbit", -ERANGE, 0, NULL },
	{ UNIT_RATE, "0.5bit", -ERANGE, 0, NULL },
	{ UNIT_RATE, "1.0000000001Gbit", -ERANGE, 0, NULL },
	{ UNIT_RATE, "200", -EINVAL, 0, NULL },
	{ UNIT_RATE, "200MB", -EINVAL, 0, NULL },
	{ UNIT_RATE, "200mbit", -EINVAL, 0, NULL },
	{ UNIT_RATE, "200 Mbit", -EINVAL, 0, NULL },
	{ UNIT_RATE, "-1Mbit", -EINVAL, 0, NULL },
	{ UNIT_RATE, "1.Mbit", -EINVAL, 0, NULL },
	{ UNIT_RATE, ".5Mbit", -EINVAL, 0, NULL },
	{ UNIT_RATE, "1.2.3Mbit", -EINVAL, 0, NULL },
	{ UNIT_RATE, "Mbit", -EINVAL, 0, NULL },
	{ UNIT_RATE, "", -EINVAL, 0, NULL },
	{ UNIT_SIZE, "2MB", 0, 2000000, NULL },
	{ UNIT_SIZE, "2MiB", 0, 2097152, NULL },
	{ UNIT_SIZE, "1024MiB", 0, 1073741824, "1GiB" },
	{ UNIT_SIZE, "1B", 0, 1, NULL },
	{ UNIT_SIZE, "1M", -EINVAL, 0, NULL },
	{ UNIT_DURATION, "90s", 0, 90000000, NULL },
	{ UNIT_DURATION, "100ms", 0, 100000, NULL },
	{ UNIT_DURATION, "1.5h", 0, 5400000000, "90m" },
	{ UNIT_DURATION, "24h", 0, 86400000000, "1d" },
	{ UNIT_DURATION, "90", -EINVAL, 0, NULL },
	{ UNIT_PACKETS, "200k", 0, 200000, "200kpps" },
	{ UNIT_PACKETS, "3Mpps", 0, 3000000, NULL },
	{ UNIT_PACKETS, "200", -EINVAL, 0, NULL },
};

static void units(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(quantities) / sizeof(quantities[0]); i++) {
		uint64_t value = 0, again;
		char text[UNIT_TEXT_MAX];

		if (unit_parse(quantities[i].kind, quantities[i].text, &value) !=
			    quantities[i].rc ||
		    value != quantities[i].value)
			fail_msg("%s gives %llu", quantities[i].text, (unsigned long long)value);
		if (quantities[i].rc)
			continue;
		unit_format(text, quantities[i].kind, value);
		assert_string_equal(text, quantities[i].printed ? quantities[i].printed
								: quantities[i].text);
		assert_int_equal(unit_parse(quantities[i].kind, text, &again), 0);
		assert_true(again == value);
	}
}

static const char selection[] =
	"version: 1\n"
	"uplinks: { u: { match: { name: eth0 }, mtu: 9000 } }\n"
	"networks:\n"
	"  a: { mode: bridge, uplink: u, isolation: port, profile: p }\n"
	"  b: { mode: bridge, mtu: 1400 }\n"
	"profiles: { p: { isolation: none }, q: { isolation: port } }\n"
	"guests:\n"
	"  web:\n"
	"    vifs:\n"
	"      - { devid: 0, network: a }\n"
	"      - { devid: 1, network: a, profile: q, mtu: 1300 }\n"
	"      - { network: b, isolation: port }\n"
	"  byid:\n"
	"    match: { uuid: 6D1F6A3E-24C4-4B0E-9D5A-0E3F6C1B7A55 }\n"
	"    vifs: [ { devid: 0, network: b, mac: auto } ]\n"
	"  renamed:\n"
	"    match: { name: \"real name\" }\n"
	"    vifs: [ { devid: 0, network: b, mac: \"00:16:3e:00:00:01\" } ]\n"
	"  \"*\": { vifs: [ { network: b, mac: auto } ] }\n";

static const struct {
	const char *guest, *uuid;
	uint32_t devid;
	const char *entry, *network;
	uint32_t mtu, isolation;
	enum pol_origin mtu_from, isolation_from;
} selected[] = {
	{ "web", NULL, 0, "web", "a", 9000, POL_ISOLATION_NONE, POL_FROM_UPLINK, POL_FROM_PROFILE },
	{ "web", NULL, 1, "web", "a", 1300, POL_ISOLATION_PORT, POL_FROM_VIF, POL_FROM_PROFILE },
	{ "web", NULL, 7, "web", "b", 1400, POL_ISOLATION_PORT, POL_FROM_NETWORK, POL_FROM_VIF },
	/* A uuid goes before a name; a name alone does not select an entry by uuid. */
	{ "web", UUID, 0, "byid", "b", 1400, POL_ISOLATION_NONE, POL_FROM_NETWORK,
	  POL_FROM_DEFAULT },
	{ "byid", NULL, 0, "*", "b", 1400, POL_ISOLATION_NONE, POL_FROM_NETWORK, POL_FROM_DEFAULT },
	{ "real name", NULL, 0, "renamed", "b", 1400, POL_ISOLATION_NONE, POL_FROM_NETWORK,
	  POL_FROM_DEFAULT },
	{ "renamed", NULL, 0, "*", "b", 1400, POL_ISOLATION_NONE, POL_FROM_NETWORK,
	  POL_FROM_DEFAULT },
	/* An entry without this devid gives way to "*". */
	{ "real name", NULL, 1, "*", "b", 1400, POL_ISOLATION_NONE, POL_FROM_NETWORK,
	  POL_FROM_DEFAULT },
	{ "*", NULL, 0, "*", "b", 1400, POL_ISOLATION_NONE, POL_FROM_NETWORK, POL_FROM_DEFAULT },
};

static void effective_values(void **state)
{
	struct policy *p = load(selection);

	(void)state;
	for (size_t i = 0; i < sizeof(selected) / sizeof(selected[0]); i++) {
		struct pol_effective e;

		struct pol_guest_id id = { selected[i].guest, selected[i].uuid, 0 };

		assert_int_equal(pol_effective(p, &id, selected[i].devid, &e), 0);
		assert_string_equal(e.guest->name, selected[i].entry);
		assert_string_equal(e.network->name, selected[i].network);
		assert_int_equal(e.mtu.value, selected[i].mtu);
		assert_int_equal(e.mtu.origin, selected[i].mtu_from);
		assert_int_equal(e.isolation.value, selected[i].isolation);
		assert_int_equal(e.isolation.origin, selected[i].isolation_from);
		assert_true((e.mtu.place.line > 0) == (e.mtu.origin != POL_FROM_DEFAULT));
	}
	pol_free(p);
}

/* The last level that says it, in either form; and the form in which it is printed. */
static void datapaths(void **state)
{
	struct policy *p = load(
		"version: 1\n"
		"networks:\n"
		"  plain: { mode: bridge }\n"
		"  fast: { mode: bridge, datapath: { type: kernel }, profile: p }\n"
		"profiles:\n"
		"  p: {}\n"
		"  q: { datapath: tap }\n"
		"guests:\n"
		"  g:\n"
		"    vifs:\n"
		"      - { devid: 0, network: plain }\n"
		"      - { devid: 1, network: fast }\n"
		"      - { devid: 2, network: fast, profile: q }\n"
		"      - { devid: 3, network: fast, profile: q, datapath: kernel }\n");
	static const struct {
		enum pol_datapath_type type;
		enum pol_origin origin;
		int line;
	} want[] = {
		{ POL_DATAPATH_TAP, POL_FROM_DEFAULT, 0 },
		{ POL_DATAPATH_KERNEL, POL_FROM_NETWORK, 4 },
		{ POL_DATAPATH_TAP, POL_FROM_PROFILE, 7 },
		{ POL_DATAPATH_KERNEL, POL_FROM_VIF, 14 },
	};
	struct pol_guest_id id = { "g", NULL, 0 };
	struct pol_effective e;
	json_t *json = pol_json(p), *networks = json_object_get(json, "networks");

	(void)state;
	for (uint32_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_int_equal(pol_effective(p, &id, i, &e), 0);
		assert_int_equal(e.datapath.value, want[i].type);
		assert_int_equal(e.datapath.origin, want[i].origin);
		assert_int_equal(e.datapath.place.line, want[i].line);
	}
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(networks, "fast"), "datapath")),
		"kernel");
	json_decref(json);
	json = pol_effective_vif_json(&e);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "datapath"), "value")),
		"kernel");
	json_decref(json);
	pol_free(p);
}

static void no_entry_no_network(void **state)
{
	struct policy *p = load("version: 1\nnetworks: { a: { mode: bridge } }\n"
				"guests: { g: { vifs: [ { devid: 0, network: a } ] } }\n");
	struct pol_effective e;

	(void)state;
	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "g", NULL, 0 }, 0, &e), 0);
	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "g", NULL, 0 }, 1, &e), -ENOENT);
	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "other", NULL, 0 }, 0, &e),
			 -ENOENT);
	pol_free(p);
}

static void auto_macs(void **state)
{
	struct policy *p = load(selection);
	struct pol_effective e;
	char text[MAC_TEXT_LEN];
	uint8_t mac[MAC_LEN], other[MAC_LEN];

	(void)state;
	/* Guests keep their address over upgrades: these values may never change. */
	pol_auto_mac("web", NULL, 0, mac);
	format_mac(mac, text);
	assert_string_equal(text, "00:16:3e:80:3d:82");
	pol_auto_mac("web", UUID, 0, mac);
	format_mac(mac, text);
	assert_string_equal(text, "00:16:3e:ab:a7:8f");
	pol_auto_mac("renamed", "6D1F6A3E-24C4-4B0E-9D5A-0E3F6C1B7A55", 0, other);
	assert_memory_equal(mac, other, MAC_LEN);

	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "anything", UUID, 0 }, 0, &e), 0);
	assert_true(e.has_mac);
	assert_memory_equal(e.mac, mac, MAC_LEN);
	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "x", NULL, 0 }, 0, &e), 0);
	assert_true(e.has_mac);
	memcpy(mac, e.mac, MAC_LEN);
	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "x", NULL, 0 }, 1, &e), 0);
	assert_memory_not_equal(e.mac, mac, MAC_LEN);
	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "web", NULL, 0 }, 0, &e), 0);
	assert_false(e.has_mac);
	pol_free(p);
}

static void globs(void **state)
{
	struct policy *p = load(
		"version: 1\nnetworks: { a: { mode: bridge } }\n"
		"host: { match: { hostname: \"xen0*\" }, unmanaged: [\"wg*\", docker0] }\n");
	struct policy *all = load("version: 1\nnetworks: { a: { mode: bridge } }\n");

	(void)state;
	assert_true(pol_matches_host(p, "xen01"));
	assert_false(pol_matches_host(p, "xen1"));
	assert_true(pol_matches_host(all, "any"));
	assert_true(pol_is_unmanaged(p, "wg0"));
	assert_true(pol_is_unmanaged(p, "docker0"));
	assert_false(pol_is_unmanaged(p, "docker00"));
	assert_false(pol_is_unmanaged(all, "wg0"));
	assert_non_null(pol_network_find(p, "a"));
	assert_null(pol_network_find(p, "b"));
	pol_free(p);
	pol_free(all);
}

static void management_stays(void **state)
{
	struct policy *applied = load(
		"version: 1\nnetworks: { a: { mode: bridge }, b: { mode: bridge } }\n"
		"host: { management: { network: a } }\n");
	struct policy *without = load("version: 1\nnetworks:\n  b: { mode: bridge }\n");
	struct policy *moved = load("version: 1\nnetworks: { b: { mode: bridge } }\n"
				    "host: { management: { network: b } }\n");
	struct diags ds = { 0 };

	(void)state;
	assert_int_equal(pol_check_change(NULL, without, &ds), 0);
	assert_int_equal(pol_check_change(without, applied, &ds), 0);
	assert_int_equal(pol_check_change(applied, applied, &ds), 0);
	assert_int_equal(pol_check_change(applied, moved, &ds), 0);
	assert_int_equal(ds.nr, 0);
	assert_int_equal(pol_check_change(applied, without, &ds), -EINVAL);
	assert_int_equal(ds.nr_errors, 1);
	assert_string_equal(ds.v[0].code, "VF0225");
	assert_int_equal(ds.v[0].line, 2);
	diags_fini(&ds);
	pol_free(applied);
	pol_free(without);
	pol_free(moved);
}

static void places(void **state)
{
	struct policy *p = load(selection);
	const struct pol_network *a = pol_network_find(p, "a");

	(void)state;
	assert_int_equal(a->place.line, 4);
	assert_int_equal(a->place.column, 3);
	assert_string_equal(a->place.file, "f");
	assert_int_equal(a->uplink->mtu.place.line, 2);
	assert_int_equal(p->guests.v[0].vifs.v[1].place.line, 11);
	assert_int_equal(p->guests.v[0].vifs.v[1].mtu.place.column, 50);
	pol_free(p);
}

/* @nr times @item between @head and @tail. */
static char *repeat(const char *head, const char *item, size_t nr, const char *tail)
{
	size_t item_size = strlen(item), at = strlen(head);
	char *text = malloc(at + nr * item_size + strlen(tail) + 1);

	assert_non_null(text);
	memcpy(text, head, at);
	for (size_t i = 0; i < nr; i++, at += item_size)
		memcpy(text + at, item, item_size);
	strcpy(text + at, tail);
	return text;
}

#define HEAD "version: 1\nnetworks: { a: { mode: bridge } }\n"

static void size_limit(void **state)
{
	char *text = repeat(HEAD "#", "x", POL_TEXT_MAX, "\n");

	(void)state;
	refuse(text, strlen(text), "VF0002", 1);
	text[POL_TEXT_MAX] = 0;
	pol_free(load(text));
	free(text);
}

static void depth_limit(void **state)
{
	char *open = repeat(HEAD "x-n: ", "[", 15, ""), *text = repeat(open, "]", 15, "\n");

	(void)state;
	pol_free(load(text));
	free(text);
	free(open);
	text = repeat(HEAD "x-n: ", "[", 1000000, "");
	refuse(text, strlen(text), "VF0003", 1);
	free(text);
	text = repeat(HEAD "x-n: ", "{a: ", 1000000, "");
	refuse(text, strlen(text), "VF0003", 1);
	free(text);
}

static void entries_limit(void **state)
{
	char *text = repeat(HEAD "x-n: [", "1,", POL_ENTRIES_MAX - 10, "1]\n");

	(void)state;
	pol_free(load(text));
	free(text);
	text = repeat(HEAD "x-n: [", "1,", POL_ENTRIES_MAX, "1]\n");
	refuse(text, strlen(text), "VF0004", 1);
	free(text);
}

/* Errors past the limit are not kept, nor is the time for them spent. */
static void errors_limit(void **state)
{
	char *text = repeat("version: 1\nprofiles:\n", "  ? p\n  : { unknown-key: 1 }\n", 60000,
			    "");
	struct diags ds = { 0 };
	struct policy *policy;
	uint64_t start = clock_ms();

	(void)state;
	assert_int_equal(pol_load_text("f", text, strlen(text), &ds, &policy), -EINVAL);
	assert_int_equal(ds.nr_errors, POL_ERRORS_MAX + 1);
	assert_true(clock_ms() - start < 20000);
	diags_fini(&ds);
	free(text);
}

static void second_file(void **state)
{
	struct diags ds = { 0 };
	struct policy *policy;

	(void)state;
	/* An error of one file must not make another bad. */
	assert_int_equal(pol_load_text("bad", "x", 1, &ds, &policy), -EINVAL);
	assert_int_equal(pol_load_text("good", HEAD, strlen(HEAD), &ds, &policy), 0);
	assert_non_null(policy);
	pol_free(policy);
	diags_fini(&ds);
	pol_free(NULL);
}

static void files(void **state)
{
	struct diags ds = { 0 };
	struct policy *policy;

	(void)state;
	assert_int_equal(pol_load_file("/nonexistent/policy", NULL, &ds, &policy), -ENOENT);
	assert_int_equal(pol_load_file("/", NULL, &ds, &policy), -EISDIR);
	assert_int_equal(pol_load_file("/dev/zero", NULL, &ds, &policy), -EFBIG);
	assert_null(policy);
	assert_int_equal(ds.nr, 0);
	diags_fini(&ds);
}

static const struct {
	const char *bytes;
	size_t len; /* 0: not UTF-8 */
} characters[] = {
	{ "a", 1 },
	{ "\xc2\x80", 2 },
	{ "\xdf\xbf", 2 },
	{ "\xe0\xa0\x80", 3 },
	{ "\xed\x9f\xbf", 3 },
	{ "\xee\x80\x80", 3 },
	{ "\xef\xbf\xbf", 3 },
	{ "\xf0\x90\x80\x80", 4 },
	{ "\xf4\x8f\xbf\xbf", 4 },
	{ "\x80", 0 },
	{ "\xbf", 0 },
	{ "\xc0\x80", 0 },
	{ "\xc1\xbf", 0 },
	{ "\xc2", 0 },
	{ "\xc2\x20", 0 },
	{ "\xe0\x9f\xbf", 0 },
	{ "\xe1\x80", 0 },
	{ "\xe1\x80\x20", 0 },
	{ "\xed\xa0\x80", 0 },
	{ "\xed\xbf\xbf", 0 },
	{ "\xf0\x8f\xbf\xbf", 0 },
	{ "\xf1\x80\x80", 0 },
	{ "\xf4\x90\x80\x80", 0 },
	{ "\xf5\x80\x80\x80", 0 },
	{ "\xff", 0 },
};

static void utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		const char *bytes = characters[i].bytes;

		if (pol_utf8_len((const unsigned char *)bytes, strlen(bytes)) != characters[i].len)
			fail_msg("character %zu", i);
	}
	assert_int_equal(pol_utf8_len((const unsigned char *)"a", 0), 0);
	refuse("version: 1\nx-n: \xed\xa0\x80\n", 20, "VF0005", 1);
}

static void quoting(void **state)
{
	char out[POL_QUOTE_MAX];
	char *text = repeat("", "\xc3\xa4", 200, "");

	(void)state;
	assert_string_equal(pol_quote(out, "a\x1b[0m\xc2\x9b\xff"), "\"a\\x1b[0m\\xc2\\x9b\\xff\"");
	pol_quote(out, text);
	assert_true(strlen(out) < POL_QUOTE_MAX);
	assert_string_equal(out + strlen(out) - 6, "\xc3\xa4...\"");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units),
		cmocka_unit_test(effective_values),
		cmocka_unit_test(auto_macs),
		cmocka_unit_test(datapaths),
		cmocka_unit_test(no_entry_no_network),
		cmocka_unit_test(globs),
		cmocka_unit_test(places),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(depth_limit),
		cmocka_unit_test(entries_limit),
		cmocka_unit_test(errors_limit),
		cmocka_unit_test(second_file),
		cmocka_unit_test(files),
		cmocka_unit_test(quoting),
		cmocka_unit_test(utf8),
		cmocka_unit_test(management_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
