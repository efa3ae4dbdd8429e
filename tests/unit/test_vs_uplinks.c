/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bonds and VLAN devices under networks: made, left alone, undone, taken down; what is refused. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <cmocka.h>

#include "tests/util/plan_host.h"
#include "vswitch/fake.h"
#include "vswitch/uplinks.h"

static struct vs_network *want(struct plan_host *h, const char *name)
{
	struct vs_network *n = vs_wanted_add_network(&h->wanted);

	assert_non_null(n);
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->mode = &vs_mode_bridge;
	n->mtu = 1500;
	n->has_uplink = true;
	return n;
}

static void want_bond(struct plan_host *h, const char *network, size_t nr_members)
{
	static const char *const names[] = { "eth0", "eth1" };
	struct vs_network *n = want(h, network);

	strcpy(n->uplink_name, "bond0");
	n->uplink_bond.mode = VS_BOND_ACTIVE_BACKUP;
	n->uplink_bond.nr_members = nr_members;
	for (size_t i = 0; i < nr_members; i++)
		strcpy(n->uplink_bond.members[i].name, names[i]);
}

static void give(struct plan_host *h, const char *link)
{
	struct vs_op addr = { .kind = VS_OP_ADDR_ADD,
			      .addr = { .family = AF_INET,
					.prefix_len = 24,
					.valid_s = UINT32_MAX,
					.local = { 192, 0, 2, 10 },
					.peer = { 192, 0, 2, 10 } } };
	struct vs_op route = { .kind = VS_OP_ROUTE_ADD,
			       .route = { .family = AF_INET,
					  .table = RT_TABLE_MAIN,
					  .type = RTN_UNICAST,
					  .protocol = RTPROT_STATIC,
					  .has_via = true,
					  .via = { 192, 0, 2, 1 } } };

	strcpy(addr.link, link);
	strcpy(route.link, link);
	assert_int_equal(vs_model_apply(&h->fake->model, &addr), 0);
	assert_int_equal(vs_model_apply(&h->fake->model, &route), 0);
}

static int setup(void **state)
{
	struct plan_host *h = plan_host_open();

	vs_fake_add_link(h->fake, "eth1", "")->is_up = false;
	give(h, "eth0");
	*state = h;
	return 0;
}

/* And then nothing is left to do. */
static void apply(struct plan_host *h)
{
	plan_host_apply(h);
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
}

/* From the state now to what is wanted and, step by step, back again. */
static void there_and_back(struct plan_host *h)
{
	char why[VS_TEXT_LEN], *before = vs_observed_text(&h->fake->model), *after;

	assert_int_equal(plan_host_plan(h), 0);
	assert_true(h->plan.nr > 0);
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_int_equal(vs_step_do(&h->fake->sys, &h->plan.steps[i], why), 0);
	for (size_t i = h->plan.nr; i-- > 0;)
		assert_int_equal(vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
	after = vs_observed_text(&h->fake->model);
	assert_string_equal(after, before);
	free(before);
	free(after);
}

static void down_is_as_before(struct plan_host *h, const char *before)
{
	char *after;

	vs_wanted_fini(&h->wanted);
	there_and_back(h);
	apply(h);
	after = vs_observed_text(&h->fake->model);
	assert_string_equal(after, before);
	free(after);
}

static const struct vs_link *link_of(const struct plan_host *h, const char *name)
{
	const struct vs_link *link = vs_observed_link(&h->fake->model, name);

	if (!link)
		fail_msg("there is no %s", name);
	return link;
}

static void a_bond_comes_and_goes(void **state)
{
	struct plan_host *h = *state;
	char *before = vs_observed_text(&h->fake->model);

	want_bond(h, "xenbr0", 2);
	there_and_back(h);
	apply(h);
	assert_int_equal(link_of(h, "eth0")->master, link_of(h, "bond0")->ifindex);
	assert_int_equal(link_of(h, "eth1")->master, link_of(h, "bond0")->ifindex);
	assert_int_equal(link_of(h, "bond0")->master, link_of(h, "xenbr0")->ifindex);
	assert_memory_equal(link_of(h, "xenbr0")->mac, link_of(h, "eth0")->permanent_mac, MAC_LEN);
	down_is_as_before(h, before);
	free(before);
}

static void vlans_of_a_bond(void **state)
{
	struct plan_host *h = *state;
	char *before = vs_observed_text(&h->fake->model);
	struct vs_network *n;

	want_bond(h, "xenbr0", 2);
	want_bond(h, "labbr0", 2);
	n = &h->wanted.networks[1];
	n->uplink_vlan = 10;
	strcpy(n->uplink_vlan_name, "lab");
	there_and_back(h);
	apply(h);
	assert_int_equal(link_of(h, "lab")->lower, link_of(h, "bond0")->ifindex);
	assert_int_equal(link_of(h, "lab")->vlan_id, 10);
	/* Another id is another device. */
	n->uplink_vlan = 11;
	there_and_back(h);
	apply(h);
	assert_int_equal(link_of(h, "lab")->vlan_id, 11);
	down_is_as_before(h, before);
	free(before);
}

static void members_change(void **state)
{
	struct plan_host *h = *state;
	char *before = vs_observed_text(&h->fake->model);

	want_bond(h, "xenbr0", 1);
	apply(h);
	h->wanted.networks[0].uplink_bond.nr_members = 2;
	strcpy(h->wanted.networks[0].uplink_bond.members[1].name, "eth1");
	there_and_back(h);
	apply(h);
	/* The mode needs it empty. */
	h->wanted.networks[0].uplink_bond.mode = VS_BOND_802_3AD;
	h->wanted.networks[0].uplink_bond.hash = VS_BOND_HASH_LAYER34;
	there_and_back(h);
	apply(h);
	assert_int_equal(link_of(h, "bond0")->bond_mode, VS_BOND_802_3AD);
	assert_int_equal(link_of(h, "bond0")->master, link_of(h, "xenbr0")->ifindex);
	h->wanted.networks[0].uplink_bond.hash = VS_BOND_HASH_LAYER2;
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 1);
	assert_int_equal(h->plan.steps[0].op.kind, VS_OP_SET_BOND);
	there_and_back(h);
	down_is_as_before(h, before);
	free(before);
}

static void from_a_link_to_a_bond(void **state)
{
	struct plan_host *h = *state;
	char *before = vs_observed_text(&h->fake->model);
	struct vs_network *n = want(h, "xenbr0");

	strcpy(n->uplink_name, "lan0");
	strcpy(n->uplink.name, "eth0");
	apply(h);
	vs_wanted_fini(&h->wanted);
	want_bond(h, "xenbr0", 2);
	there_and_back(h);
	apply(h);
	down_is_as_before(h, before);
	free(before);
}

static void refused(struct plan_host *h, const char *code, const char *what)
{
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_true(h->ds.nr_errors > 0);
	assert_string_equal(h->ds.v[0].code, code);
	if (!strstr(h->ds.v[0].message, what))
		fail_msg("\"%s\" does not say \"%s\"", h->ds.v[0].message, what);
	diags_fini(&h->ds);
	h->ds = (struct diags){ 0 };
}

static void what_is_refused(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n;

	want_bond(h, "xenbr0", 2);
	n = &h->wanted.networks[0];
	h->fake->model.lacks = VS_LACKS_BONDING;
	refused(h, "VF0515", "CONFIG_BONDING");
	h->fake->model.lacks = 0;
	n->uplink_vlan = 7;
	strcpy(n->uplink_vlan_name, "lab");
	n->uplink_vlan_mtu = 9000;
	refused(h, "VF0517", "1500");
	n->uplink_vlan_mtu = 0;
	h->fake->model.lacks = VS_LACKS_8021Q;
	refused(h, "VF0515", "CONFIG_VLAN_8021Q");
	h->fake->model.lacks = 0;
	assert_non_null(vs_fake_add_link(h->fake, "bond0", "bond"));
	refused(h, "VF0516", "not Vifrost's");
	strcpy(n->uplink_bond.members[1].name, "eth7");
	strcpy(n->uplink_name, "bond1");
	refused(h, "VF0501", "member 2 of uplink bond1");
}

/* A member is its bond's alone. */
static void a_member_as_uplink(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n;

	want_bond(h, "xenbr0", 2);
	n = want(h, "other0");
	strcpy(n->uplink_name, "lan1");
	strcpy(n->uplink.name, "eth1");
	refused(h, "VF0511", "member of bond bond0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_bond_comes_and_goes, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(vlans_of_a_bond, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(members_change, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(from_a_link_to_a_bond, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(what_is_refused, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(a_member_as_uplink, setup, plan_host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
