/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which network a vif gets: entry by uuid, name and devid; bridge=; "*"; none. And why, with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/place.h"

static const char text[] = "version: 1\n"
			   "networks:\n"
			   "  red: { mode: bridge, mtu: 1400 }\n"
			   "  blue: { mode: bridge, profile: shy }\n"
			   "profiles:\n"
			   "  shy: { isolation: port }\n"
			   "guests:\n"
			   "  web:\n"
			   "    vifs:\n"
			   "      - { devid: 0, network: red }\n"
			   "      - { devid: 1, network: blue, mac: \"00:16:3e:00:00:01\" }\n"
			   "  byid:\n"
			   "    match: { uuid: 11111111-2222-3333-4444-555555555555 }\n"
			   "    vifs: [ { network: blue } ]\n";
static const char star[] = "  \"*\":\n"
			   "    vifs: [ { network: red, mtu: 1300 } ]\n";

static struct policy *load(bool with_star)
{
	char whole[sizeof(text) + sizeof(star)];
	struct diags ds = { 0 };
	struct policy *p;

	snprintf(whole, sizeof(whole), "%s%s", text, with_star ? star : "");
	assert_int_equal(pol_load_text("p.yaml", whole, strlen(whole), &ds, &p), 0);
	diags_fini(&ds);
	return p;
}

static const struct row {
	bool with_star;
	struct place_vif who;
	const char *network; /* NULL: quarantined */
	uint32_t mtu;
	bool isolated;
	int line;
	const char *why;
} rows[] = {
	{ false, { 5, 0, "web", "", "", "" }, "red", 1400, false, 10, "entry for guest web" },
	{ false, { 5, 0, "web", "", "blue", "" }, "red", 1400, false, 10, "entry for guest web" },
	{ false,
	  { 5, 1, "web", "", "", "00:16:3E:00:00:01" },
	  "blue",
	  1500,
	  true,
	  11,
	  "guest web" },
	{ false,
	  { 5, 1, "web", "", "", "00:16:3e:00:00:02" },
	  NULL,
	  0,
	  false,
	  11,
	  "the policy says" },
	{ false, { 5, 1, "web", "", "", "banana" }, NULL, 0, false, 11, "is banana" },
	{ false, { 5, 1, "web", "", "", "" }, NULL, 0, false, 11, "is not set" },
	{ false, { 5, 7, "web", "", "", "" }, NULL, 0, false, 0, "no guests entry for web, vif 7" },
	{ true, { 5, 7, "web", "", "", "" }, "red", 1300, false, 16, "\"*\"" },
	{ false,
	  { 6, 3, "web2", "11111111-2222-3333-4444-555555555555", "red", "" },
	  "blue",
	  1500,
	  true,
	  14,
	  "guest byid" },
	{ false,
	  { 6, 0, "byid", "11111111-2222-3333-4444-000000000000", "", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "no guests entry" },
	{ true, { 8, 0, "other", "", "blue", "" }, "blue", 1500, true, 4, "bridge=blue" },
	{ true,
	  { 8, 0, "other", "", "green", "" },
	  "red",
	  1300,
	  false,
	  16,
	  "bridge=green is no network" },
	{ false,
	  { 8, 0, "other", "", "green", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "bridge=green is no network" },
	{ false, { 8, 0, "", "", "", "" }, NULL, 0, false, 0, "no guests entry" },
};

static void test_rows(void **state)
{
	struct policy *policies[2] = { load(false), load(true) };
	struct placement p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		place_vif(policies[r->with_star], &r->who, true, &p);
		if (p.is_placed != !!r->network || p.line != r->line || !strstr(p.why, r->why))
			fail_msg("row %zu: %s, line %d: %s", i, p.vif.network, p.line, p.why);
		assert_string_equal(p.vif.network, r->network ? r->network : "");
		assert_ptr_equal(p.mode, r->network ? &vs_mode_bridge : NULL);
		if (r->network) {
			assert_int_equal(p.vif.mtu, r->mtu);
			assert_int_equal(p.vif.isolated, r->isolated);
			assert_string_equal(p.file, "p.yaml");
			assert_non_null(p.effective);
		}
		json_decref(p.effective);
	}
	pol_free(policies[0]);
	pol_free(policies[1]);
}

static void test_no_policy(void **state)
{
	struct place_vif who = { .domid = 65535, .devid = 65535, .guest = "g", .bridge = "xenbr0" };
	struct placement p;

	(void)state;
	place_vif(NULL, &who, false, &p);
	assert_false(p.is_placed);
	assert_string_equal(p.why, "no policy is applied");
	assert_string_equal(p.vif.name, "vif65535.65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_no_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
