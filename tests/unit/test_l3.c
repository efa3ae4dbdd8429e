/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks that the host routes for, planned on the model of the kernel: nat, isolated, custom bridge. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <cmocka.h>

#include "vswitch/fake.h"
#include "vswitch/plan_priv.h"

struct host {
	struct vs_fake *fake;
	struct vs_wanted wanted;
	struct vs_record record;
	struct diags ds;
	struct vs_plan plan;
	char *before;
};

static int setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	struct vs_link *eth0;

	assert_non_null(h);
	assert_int_equal(vs_fake_open(&h->fake), 0);
	vs_wanted_init(&h->wanted);
	vs_record_init(&h->record);
	eth0 = vs_fake_add_link(h->fake, "eth0", "");
	assert_non_null(eth0);
	h->before = vs_observed_text(&h->fake->model);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct host *h = *state;

	vs_plan_fini(&h->plan);
	diags_fini(&h->ds);
	vs_record_fini(&h->record);
	vs_wanted_fini(&h->wanted);
	h->fake->sys.ops->close(&h->fake->sys);
	free(h->before);
	free(h);
	return 0;
}

static void apply(struct host *h)
{
	char why[VS_TEXT_LEN];
	json_t *json;

	vs_plan_fini(&h->plan);
	assert_int_equal(vs_plan_make(&h->wanted, &h->fake->model, &h->record, &h->ds, &h->plan),
			 0);
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_int_equal(vs_step_do(&h->fake->sys, &h->plan.steps[i], why), 0);
	json = vs_record_json(&h->plan.record);
	assert_non_null(json);
	vs_record_fini(&h->record);
	assert_int_equal(vs_record_from_json(json, &h->record), 0);
	json_decref(json);
}

/* All undone, in reverse: what was there before is there again. */
static void undo_all(struct host *h)
{
	char why[VS_TEXT_LEN];
	char *text;

	for (size_t i = h->plan.nr; i-- > 0;)
		assert_int_equal(vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, h->before);
	free(text);
}

static struct vs_network *want(struct host *h, const char *name, const struct vs_mode *mode)
{
	struct vs_network *n = vs_wanted_add_network(&h->wanted);

	assert_non_null(n);
	strcpy(n->name, name);
	n->mode = mode;
	n->mtu = 1500;
	return n;
}

static void want_subnet(struct vs_network *n, const char *prefix, int len, const char *gateway)
{
	struct vs_subnet *s = vs_network_add_subnet(n);

	assert_non_null(s);
	s->prefix.family = strchr(prefix, ':') ? AF_INET6 : AF_INET;
	s->prefix.len = (uint8_t)len;
	assert_int_equal(inet_pton(s->prefix.family, prefix, s->prefix.address), 1);
	assert_int_equal(inet_pton(s->prefix.family, gateway, s->gateway), 1);
}

static void want_vif(struct host *h, const char *name, const char *network)
{
	struct vs_vif *vif = vs_wanted_add_vif(&h->wanted);

	assert_non_null(vif);
	strcpy(vif->name, name);
	strcpy(vif->network, network);
	assert_non_null(vs_fake_add_link(h->fake, name, "tun"));
	free(h->before);
	h->before = vs_observed_text(&h->fake->model);
}

/* Whether @line is part of the dump of what is there. */
static bool is_there(struct host *h, const char *line)
{
	char *text = vs_observed_text(&h->fake->model);
	bool found = strstr(text, line) != NULL;

	if (!found)
		print_message("not in\n%s", text);
	free(text);
	return found;
}

static void want_nat(struct host *h)
{
	struct vs_network *n = want(h, "nat0", &vs_mode_nat);

	want_subnet(n, "10.20.0.0", 24, "10.20.0.1");
	want_subnet(n, "fd00:20::", 64, "fd00:20::1");
}

static void test_nat_is_a_bridge_with_gateways(void **state)
{
	struct host *h = *state;
	const struct vs_link *nat0;

	want_nat(h);
	want_vif(h, "vif1.0", "nat0");
	apply(h);
	nat0 = vs_observed_link(&h->fake->model, "nat0");
	assert_non_null(nat0);
	assert_true(nat0->is_up);
	assert_int_equal(nat0->accept_ra, 0);
	assert_int_equal(nat0->ipv6_off, 0);
	assert_true(is_there(h, "addr nat0 10.20.0.1/24 "));
	assert_true(is_there(h, "addr nat0 fd00:20::1/64 flags 2 ")); /* IFA_F_NODAD */
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING6], 1);
	assert_int_equal(vs_observed_link(&h->fake->model, "vif1.0")->master, nat0->ifindex);
	apply(h);
	assert_int_equal(h->plan.nr, 0);
}

static void test_nat_is_undone(void **state)
{
	struct host *h = *state;

	want_nat(h);
	want_vif(h, "vif1.0", "nat0");
	apply(h);
	undo_all(h);
}

static void test_only_families_in_use_are_forwarded(void **state)
{
	struct host *h = *state;

	want_subnet(want(h, "nat0", &vs_mode_nat), "10.20.0.0", 24, "10.20.0.1");
	apply(h);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING6], 0);
}

static void test_isolated_needs_no_forwarding(void **state)
{
	struct host *h = *state;

	want_subnet(want(h, "lab0", &vs_mode_isolated), "10.99.0.0", 24, "10.99.0.1");
	apply(h);
	assert_true(is_there(h, "addr lab0 10.99.0.1/24 "));
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 0);
}

static void test_down_takes_all_of_it(void **state)
{
	struct host *h = *state;
	char *text;

	want_nat(h);
	apply(h);
	vs_wanted_fini(&h->wanted);
	apply(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, h->before);
	free(text);
}

static void test_subnet_that_changes(void **state)
{
	struct host *h = *state;

	want_nat(h);
	apply(h);
	vs_wanted_fini(&h->wanted);
	want_subnet(want(h, "nat0", &vs_mode_nat), "10.21.0.0", 24, "10.21.0.1");
	apply(h);
	assert_true(is_there(h, "addr nat0 10.21.0.1/24 "));
	assert_int_equal(h->fake->model.nr_addrs, 1);
}

static void test_host_without_ipv6(void **state)
{
	struct host *h = *state;
	struct vs_observed *o = &h->fake->model;

	want_nat(h);
	want_vif(h, "vif1.0", "nat0");
	for (size_t i = 0; i < o->nr_links; i++)
		o->links[i].ipv6_off = o->links[i].accept_ra = -1;
	o->sysctls[VS_SYSCTL_FORWARDING6] = -1;
	apply(h);
	assert_true(is_there(h, "addr nat0 10.20.0.1/24 "));
	assert_int_equal(o->nr_addrs, 1);
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_true(h->plan.steps[i].op.kind != VS_OP_IPV6_OFF &&
			    h->plan.steps[i].op.kind != VS_OP_ACCEPT_RA);
	apply(h);
	assert_int_equal(h->plan.nr, 0);
}

static void test_custom_bridge_routes_too(void **state)
{
	struct host *h = *state;

	want_subnet(want(h, "priv0", &vs_mode_bridge), "10.9.0.0", 24, "10.9.0.1");
	apply(h);
	assert_true(is_there(h, "addr priv0 10.9.0.1/24 "));
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
}

static void test_bridge_becomes_nat(void **state)
{
	struct host *h = *state;

	want(h, "nat0", &vs_mode_bridge);
	want_vif(h, "vif1.0", "nat0");
	apply(h);
	h->wanted.networks[0].mode = &vs_mode_nat;
	want_subnet(&h->wanted.networks[0], "10.20.0.0", 24, "10.20.0.1");
	apply(h);
	assert_true(is_there(h, "addr nat0 10.20.0.1/24 "));
	/* The guest's port stays where it is. */
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_string_not_equal(h->plan.steps[i].op.link, "vif1.0");
	h->wanted.networks[0].mode = &vs_mode_bridge;
	h->wanted.networks[0].nr_subnets = 0;
	apply(h);
	assert_int_equal(h->fake->model.nr_addrs, 0);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nat_is_a_bridge_with_gateways, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_nat_is_undone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_families_in_use_are_forwarded, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_isolated_needs_no_forwarding, setup, teardown),
		cmocka_unit_test_setup_teardown(test_down_takes_all_of_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_subnet_that_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_without_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_custom_bridge_routes_too, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bridge_becomes_nat, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
