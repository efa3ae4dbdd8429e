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
			   "    vifs: [ { network: blue } ]\n"
			   "  seventh:\n"
			   "    match: { domid: 7 }\n"
			   "    vifs: [ { network: red, datapath: kernel } ]\n"
			   "  fast:\n"
			   "    vifs: [ { network: blue, mtu: 1200 } ]\n";
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
	{ false,
	  { 5, 0, "web", "", "", "", 0, "", "", "" },
	  "red",
	  1400,
	  false,
	  10,
	  "entry for guest web" },
	{ false,
	  { 5, 0, "web", "", "blue", "", 0, "", "", "" },
	  "red",
	  1400,
	  false,
	  10,
	  "entry for guest web" },
	{ false,
	  { 5, 1, "web", "", "", "00:16:3E:00:00:01", 0, "", "", "" },
	  "blue",
	  1500,
	  true,
	  11,
	  "guest web" },
	{ false,
	  { 5, 1, "web", "", "", "00:16:3e:00:00:02", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  11,
	  "the policy says" },
	{ false,
	  { 5, 1, "web", "", "", "banana", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  11,
	  "is banana" },
	{ false, { 5, 1, "web", "", "", "", 0, "", "", "" }, NULL, 0, false, 11, "is not set" },
	{ false,
	  { 5, 7, "web", "", "", "", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "no guests entry for web, vif 7" },
	{ true, { 5, 7, "web", "", "", "", 0, "", "", "" }, "red", 1300, false, 21, "\"*\"" },
	{ false,
	  { 6, 3, "web2", "11111111-2222-3333-4444-555555555555", "red", "", 0, "", "", "" },
	  "blue",
	  1500,
	  true,
	  14,
	  "guest byid" },
	{ false,
	  { 6, 0, "byid", "11111111-2222-3333-4444-000000000000", "", "", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "no guests entry" },
	{ true,
	  { 8, 0, "other", "", "blue", "", 0, "", "", "" },
	  "blue",
	  1500,
	  true,
	  4,
	  "bridge=blue" },
	{ true,
	  { 8, 0, "other", "", "green", "", 0, "", "", "" },
	  "red",
	  1300,
	  false,
	  21,
	  "bridge=green is no network" },
	{ false,
	  { 8, 0, "other", "", "green", "", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "bridge=green is no network" },
	{ false, { 8, 0, "", "", "", "", 0, "", "", "" }, NULL, 0, false, 0, "no guests entry" },
	/* By domid: before a name, behind a uuid. */
	{ false,
	  { 7, 0, "web", "", "", "", 0, "", "", "" },
	  "red",
	  1400,
	  false,
	  17,
	  "guest seventh" },
	{ false,
	  { 7, 0, "web", "11111111-2222-3333-4444-555555555555", "", "", 0, "", "", "" },
	  "blue",
	  1500,
	  true,
	  14,
	  "guest byid" },
	{ false,
	  { 8, 0, "seventh", "", "", "", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "no guests entry" },
	/* Both ends of a migration are the same guest; only the end of a name counts. */
	{ false,
	  { 9, 0, "web--incoming", "", "", "", 0, "", "", "" },
	  "red",
	  1400,
	  false,
	  10,
	  "guest web" },
	{ false,
	  { 9, 0, "web--migratedaway", "", "", "", 0, "", "", "" },
	  "red",
	  1400,
	  false,
	  10,
	  "guest web" },
	{ false,
	  { 9, 0, "web--incoming2", "", "", "", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "no guests entry" },
	{ false,
	  { 9, 0, "--incoming", "", "", "", 0, "", "", "" },
	  NULL,
	  0,
	  false,
	  0,
	  "no guests entry" },
	/* mtu= of the configuration: where the policy's vif has none, and up to the network's. */
	{ false,
	  { 5, 0, "web", "", "", "", 1300, "", "", "" },
	  "red",
	  1300,
	  false,
	  10,
	  "guest web" },
	{ false,
	  { 5, 0, "web", "", "", "", 1400, "", "", "" },
	  "red",
	  1400,
	  false,
	  10,
	  "guest web" },
	{ false,
	  { 5, 0, "web", "", "", "", 1401, "", "", "" },
	  "red",
	  1400,
	  false,
	  10,
	  "mtu=1401 of its conf" },
	{ false,
	  { 5, 0, "fast", "", "", "", 1300, "", "", "" },
	  "blue",
	  1200,
	  true,
	  19,
	  "guest fast" },
	{ false,
	  { 8, 0, "other", "", "blue", "", 1000, "", "", "" },
	  "blue",
	  1000,
	  true,
	  4,
	  "bridge=blue" },
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
		if (r->network) {
			assert_int_equal(p.vif.mtu, r->mtu);
			assert_int_equal(p.vif.isolation != VS_ISOLATION_NONE, r->isolated);
			assert_int_equal(p.datapath,
					 r->line == 17 ? POL_DATAPATH_KERNEL : POL_DATAPATH_TAP);
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

static const char modes_text[] =
	"version: 1\n"
	"networks:\n"
	"  br: { mode: bridge }\n"
	"  open: { mode: bridge, profile: open }\n"
	"  rt: { mode: route, subnets: [ { cidr: 192.0.2.0/24 } ] }\n"
	"profiles:\n"
	"  open: { anti-spoof: none }\n"
	"guests:\n"
	"  own: { vifs: [ { devid: 0, network: br, addresses: [10.0.0.9] } ] }\n";

/* bridge=, ip=, vlan= and script= of the configuration: what they add where the policy is silent. */
static void test_config(void **state)
{
	static const struct {
		struct place_vif who;
		const char *network;
		size_t nr_addrs, nr_trunk;
		uint16_t access, native;
		enum vs_anti_spoof anti_spoof;
	} cases[] = {
#define MAC "00:16:3e:00:00:01"
		{ { 1, 0, "g", "", "br", MAC, 0, "", "", "" }, "br", 0, 0, 0, 0, VS_SPOOF_ANY },
		{ { 1, 0, "g", "", "br.10", MAC, 0, "", "", "" }, "br", 0, 0, 10, 0, VS_SPOOF_ANY },
		{ { 1, 0, "g", "", "br.10:20", MAC, 0, "", "", "" }, "br", 0, 1, 0, 10, 0 },
		{ { 1, 0, "g", "", "br", MAC, 0, "", "7p/8", "" }, "br", 0, 1, 0, 7, 0 },
		{ { 1, 0, "g", "", "br.1", MAC, 0, "", "7", "" }, NULL, 0, 0, 0, 0, 0 },
		{ { 1, 0, "g", "", "br", MAC, 0, "", "x", "" }, NULL, 0, 0, 0, 0, 0 },
		{ { 1, 0, "g", "", "no.10", MAC, 0, "", "", "" }, NULL, 0, 0, 0, 0, 0 },
		{ { 1, 0, "g", "", "br", MAC, 0, "10.0.0.1 fd00::1", "", "" },
		  "br",
		  2,
		  0,
		  0,
		  0,
		  VS_SPOOF_STRICT },
		{ { 1, 0, "g", "", "br", MAC, 0, "10.0.0.300", "", "" }, NULL, 0, 0, 0, 0, 0 },
		/* Without an address of its own there is nobody to hold to them. */
		{ { 1, 0, "g", "", "br", "", 0, "10.0.0.1", "", "" },
		  "br",
		  1,
		  0,
		  0,
		  0,
		  VS_SPOOF_ANY },
		{ { 1, 0, "g", "", "open", MAC, 0, "10.0.0.1", "", "" }, "open", 1, 0, 0, 0, 0 },
		{ { 1, 0, "own", "", "", MAC, 0, "10.0.0.1", "", "" }, "br", 1, 0, 0, 0, 0 },
		{ { 1, 0, "g", "", "xenbr0", MAC, 0, "192.0.2.7", "",
		    "/etc/xen/scripts/vif-route" },
		  "rt",
		  1,
		  0,
		  0,
		  0,
		  VS_SPOOF_STRICT },
		{ { 1, 0, "g", "", "br", MAC, 0, "192.0.2.7", "", "vif-route" },
		  "rt",
		  1,
		  0,
		  0,
		  0,
		  VS_SPOOF_STRICT },
		{ { 1, 0, "g", "", "br", MAC, 0, "", "", "vif-openvswitch" }, "br", 0, 0, 0, 0, 0 },
		{ { 1, 0, "g", "", "xenbr0", MAC, 0, "", "", "vif-bridge" }, NULL, 0, 0, 0, 0, 0 },
		{ { 1, 0, "g", "", "xenbr0", MAC, 0, "", "", "vif-nat" }, NULL, 0, 0, 0, 0, 0 },
	};
	struct diags ds = { 0 };
	struct policy *p;
	struct placement out;

	(void)state;
	assert_int_equal(pol_load_text("m.yaml", modes_text, strlen(modes_text), &ds, &p), 0);
	diags_fini(&ds);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		place_vif(p, &cases[i].who, false, &out);
		assert_int_equal(out.is_placed, cases[i].network != NULL);
		if (!out.is_placed)
			continue;
		assert_string_equal(out.vif.network, cases[i].network);
		assert_int_equal(out.vif.nr_addrs, cases[i].nr_addrs);
		assert_int_equal(out.vif.vlans.nr_trunk, cases[i].nr_trunk);
		assert_int_equal(out.vif.vlans.access, cases[i].access);
		assert_int_equal(out.vif.vlans.native, cases[i].native);
		assert_int_equal(out.vif.anti_spoof, cases[i].anti_spoof);
	}
	/* The policy's address is the one that holds. */
	place_vif(p, &cases[11].who, false, &out);
	assert_int_equal(out.vif.addrs[0].address[3], 9);
	pol_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_no_policy),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
