/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VLANs of a bridge: documents there and back, and who gets which before the filter asks. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/util/plan_host.h"
#include "vswitch/fake.h"
#include "vswitch/vlans.h"

static void want_vif(struct plan_host *h, const char *name, struct vs_vlans vlans)
{
	struct vs_vif *vif = vs_wanted_add_vif(&h->wanted);
	struct vs_link *link = vs_fake_add_link(h->fake, name, "tun");

	assert_non_null(vif);
	assert_non_null(link);
	link->is_up = false;
	strcpy(vif->name, name);
	strcpy(vif->network, "xenbr0");
	vif->vlans = vlans;
}

static int setup(void **state)
{
	struct plan_host *h = plan_host_open();
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_bridge);

	n->has_uplink = true;
	strcpy(n->uplink.name, "eth0");
	*vs_network_add_vlans(n) = (struct vs_vlan_range){ 30, 32 };
	want_vif(h, "vif1.0", (struct vs_vlans){ 0 });
	want_vif(h, "vif2.0", (struct vs_vlans){ .access = 10 });
	want_vif(h, "vif3.0",
		 (struct vs_vlans){
			 .native = 10, .trunk = { { 10, 10 }, { 20, 29 } }, .nr_trunk = 2 });
	*state = h;
	return 0;
}

static void assert_vlans(const struct plan_host *h, const char *link, const char *want)
{
	json_t *doc = vs_observed_doc(&h->fake->model, VS_DOC_VLANS, link);
	json_t *wanted = want ? json_loads(want, 0, NULL) : NULL;
	char *text = doc ? json_dumps(doc, JSON_SORT_KEYS) : NULL;

	if (!!doc != !!wanted || (doc && !json_equal(doc, wanted)))
		fail_msg("%s has %s, not %s", link, text ? text : "none", want ? want : "none");
	free(text);
	json_decref(wanted);
}

/* The step that sets @which of the bridge; the document of @link. */
static size_t find_setting(const struct plan_host *h, enum vs_bridge_setting which)
{
	for (size_t i = 0; i < h->plan.nr; i++)
		if (h->plan.steps[i].op.kind == VS_OP_SET_BRIDGE &&
		    h->plan.steps[i].op.index == which)
			return i;
	fail_msg("setting %d is not planned", (int)which);
	return 0;
}

static size_t find_doc(const struct plan_host *h, const char *link)
{
	for (size_t i = 0; i < h->plan.nr; i++)
		if (h->plan.steps[i].op.kind == VS_OP_DOC &&
		    h->plan.steps[i].op.index == VS_DOC_VLANS &&
		    !strcmp(h->plan.steps[i].op.text, link))
			return i;
	fail_msg("no VLANs are planned for %s", link);
	return 0;
}

static void documents(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"pvid\": 1, \"untagged\": \"1\"}",
		"{\"pvid\": 4094, \"tagged\": \"1-9,11,4000-4093\", \"untagged\": \"10,4094\"}",
	};
	static const char *const bad[] = {
		"[]",
		"{\"pvid\": 4095}",
		"{\"tagged\": 7}",
		"{\"tagged\": \"7-\"}",
		"{\"tagged\": \"1,,2\"}",
		"{\"tagged\": \"0\"}",
		"{\"untagged\": \"1 2\"}",
		"{\"tagged\": \"99999999999\"}",
	};
	struct vlan_set s;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *doc = json_loads(texts[i], 0, NULL), *again;

		assert_int_equal(vlan_set_from_json(doc, &s), 0);
		again = vlan_set_json(&s);
		assert_true(json_equal(doc, again));
		json_decref(doc);
		json_decref(again);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *doc = json_loads(bad[i], 0, NULL);

		assert_int_equal(vlan_set_from_json(doc, &s), -EINVAL);
		json_decref(doc);
	}
	s = (struct vlan_set){ 0 };
	for (uint16_t id = 1; id < 4094; id += 2)
		vlan_set_add(&s, id, id, false);
	{
		json_t *doc = vlan_set_json(&s);
		struct vlan_set back;

		assert_int_equal(vlan_set_from_json(doc, &back), 0);
		assert_memory_equal(&back, &s, sizeof(s));
		json_decref(doc);
	}
}

static void everyone_has_theirs(void **state)
{
	struct plan_host *h = *state;
	char *before, *after;

	h->wanted.networks[0].vlan_filtering = true;
	before = vs_observed_text(&h->fake->model);
	plan_host_apply(h);
	assert_vlans(h, "xenbr0", "{\"pvid\": 1, \"untagged\": \"1\"}");
	assert_vlans(h, "eth0", "{\"pvid\": 1, \"untagged\": \"1\", \"tagged\": \"10,20-32\"}");
	assert_vlans(h, "vif1.0", "{\"pvid\": 1, \"untagged\": \"1\"}");
	assert_vlans(h, "vif2.0", "{\"pvid\": 10, \"untagged\": \"10\"}");
	assert_vlans(h, "vif3.0", "{\"pvid\": 10, \"untagged\": \"10\", \"tagged\": \"20-29\"}");
	/* What comes to the bridge gets nothing by itself. */
	assert_true(find_setting(h, VS_BRIDGE_DEFAULT_PVID) < find_doc(h, "eth0"));
	assert_true(find_doc(h, "eth0") < find_setting(h, VS_BRIDGE_VLAN_FILTERING));
	plan_host_undo(h);
	after = vs_observed_text(&h->fake->model);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void turned_on_and_off_under_guests(void **state)
{
	struct plan_host *h = *state;
	char *plain, *filtered, *text;

	plan_host_apply(h);
	plain = vs_observed_text(&h->fake->model);
	assert_vlans(h, "vif2.0", NULL);

	h->wanted.networks[0].vlan_filtering = true;
	h->wanted.networks[0].host_vlan = 20;
	plan_host_apply(h);
	filtered = vs_observed_text(&h->fake->model);
	for (int i = 1; i < 4; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "vif%u.0", (uint16_t)i);
		assert_true(find_doc(h, name) < find_setting(h, VS_BRIDGE_VLAN_FILTERING));
	}
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_int_equal(h->plan.steps[i].disruption, VS_DISRUPTION_NONE);
	assert_vlans(h, "xenbr0", "{\"pvid\": 20, \"untagged\": \"20\"}");
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);

	/* One changes its VLAN: one step. */
	h->wanted.vifs[1].vlans.access = 31;
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 1);
	find_doc(h, "vif2.0");
	h->wanted.vifs[1].vlans.access = 10;

	h->wanted.networks[0].vlan_filtering = false;
	plan_host_apply(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, plain);
	free(text);
	plan_host_undo(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, filtered);
	free(text);
	free(filtered);
	free(plain);
}

static void taken_down_and_back(void **state)
{
	struct plan_host *h = *state;
	struct vs_wanted none;
	char *before, *filtered, *text;

	for (size_t i = 0; i < h->wanted.nr_vifs; i++)
		h->wanted.vifs[i].mtu = 0;
	before = vs_observed_text(&h->fake->model);
	h->wanted.networks[0].vlan_filtering = true;
	h->wanted.networks[0].stp = true;
	h->wanted.networks[0].stp_forward_delay_s = 4;
	h->wanted.networks[0].stp_priority = 4096;
	h->wanted.networks[0].has_stp_priority = true;
	h->wanted.nr_vifs = 0;
	plan_host_apply(h);
	filtered = vs_observed_text(&h->fake->model);
	none = h->wanted;
	vs_wanted_init(&h->wanted);
	plan_host_apply(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, before);
	free(text);
	plan_host_undo(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, filtered);
	free(text);
	free(filtered);
	free(before);
	h->wanted = none;
}

static void moving_takes_them_along(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = vs_wanted_add_network(&h->wanted);
	char *before, *text;

	strcpy(n->name, "plain");
	n->mode = &vs_mode_bridge;
	n->mtu = 1500;
	h->wanted.networks[0].vlan_filtering = true;
	plan_host_apply(h);
	before = vs_observed_text(&h->fake->model);
	strcpy(h->wanted.vifs[1].network, "plain");
	plan_host_apply(h);
	assert_vlans(h, "vif2.0", NULL);
	plan_host_undo(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, before);
	free(text);
	free(before);
}

static void a_kernel_without(void **state)
{
	struct plan_host *h = *state;

	h->wanted.networks[0].vlan_filtering = true;
	h->fake->model.lacks = VS_LACKS_VLAN_FILTERING;
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_int_equal(h->ds.nr_errors, 1);
	assert_non_null(strstr(h->ds.v[0].message, "CONFIG_BRIDGE_VLAN_FILTERING"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test_setup_teardown(everyone_has_theirs, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(turned_on_and_off_under_guests, setup,
						plan_host_teardown),
		cmocka_unit_test_setup_teardown(taken_down_and_back, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(moving_takes_them_along, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(a_kernel_without, setup, plan_host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
