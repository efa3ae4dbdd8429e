/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The planner of mode bridge, on the model of the kernel: order, inverses, idempotence, refusals. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <cmocka.h>

#include "vswitch/array.h"
#include "tests/util/plan_host.h"
#include "vswitch/fake.h"
#include "vswitch/plan_priv.h"

static struct vs_addr make_addr(const char *ip, unsigned int len)
{
	struct vs_addr a = { .prefix_len = (uint8_t)len,
			     .valid_s = UINT32_MAX,
			     .preferred_s = UINT32_MAX };

	a.family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(a.family, ip, a.local), 1);
	memcpy(a.peer, a.local, sizeof(a.peer));
	return a;
}

static struct vs_route make_route(const char *to, unsigned int len, const char *via,
				  uint32_t metric)
{
	struct vs_route r = { .prefix_len = (uint8_t)len,
			      .table = RT_TABLE_MAIN,
			      .type = RTN_UNICAST };

	r.family = strchr(to, ':') ? AF_INET6 : AF_INET;
	r.metric = metric;
	r.protocol = RTPROT_STATIC;
	assert_int_equal(inet_pton(r.family, to, r.to), 1);
	r.has_via = via;
	if (via)
		assert_int_equal(inet_pton(r.family, via, r.via), 1);
	return r;
}

static void give_addr(struct plan_host *h, const char *link, struct vs_addr a)
{
	struct vs_op op = { .kind = VS_OP_ADDR_ADD, .addr = a };

	strcpy(op.link, link);
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
}

static void give_route(struct plan_host *h, const char *link, struct vs_route r)
{
	struct vs_op op = { .kind = VS_OP_ROUTE_ADD, .route = r };

	strcpy(op.link, link);
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
}

static struct vs_network *want(struct plan_host *h, const char *name, const char *uplink)
{
	struct vs_network *n = plan_host_want(h, name, &vs_mode_bridge);

	n->place = (struct diag_place){ .file = "p.yaml", .line = 7, .column = 3 };
	n->uplink_place = (struct diag_place){ .file = "p.yaml", .line = 2, .column = 3 };
	if (uplink) {
		n->has_uplink = true;
		strcpy(n->uplink_name, "lan0");
		strcpy(n->uplink.name, uplink);
	}
	return n;
}

static void want_addr(struct vs_network *n, struct vs_addr a)
{
	*vs_network_add_addr(n) = a;
}

static int setup(void **state)
{
	struct plan_host *h = plan_host_open();

	assert_non_null(vs_fake_add_link(h->fake, "eth1", ""));
	give_addr(h, "eth0", make_addr("192.0.2.10", 24));
	give_addr(h, "eth0", make_addr("192.0.2.11", 24));
	give_addr(h, "eth0", make_addr("2001:db8::10", 64));
	give_route(h, "eth0", make_route("0.0.0.0", 0, "192.0.2.1", 0));
	give_route(h, "eth0", make_route("198.51.100.0", 24, NULL, 5));
	*state = h;
	return 0;
}

static void unwant_all(struct plan_host *h)
{
	vs_wanted_fini(&h->wanted);
}

static size_t find_step(const struct plan_host *h, enum vs_op_kind kind, const char *link)
{
	for (size_t i = 0; i < h->plan.nr; i++)
		if (h->plan.steps[i].op.kind == kind && !strcmp(h->plan.steps[i].op.link, link))
			return i;
	fail_msg("no step of kind %d for %s", (int)kind, link);
	return 0;
}

static size_t count_addrs(const struct plan_host *h, const char *link)
{
	const struct vs_link *l = vs_observed_link(&h->fake->model, link);
	size_t n = 0;

	for (size_t i = 0; i < h->fake->model.nr_addrs; i++)
		n += h->fake->model.addrs[i].ifindex == l->ifindex;
	return n;
}

static void test_make_before_break(void **state)
{
	struct plan_host *h = *state;
	size_t slave;

	want(h, "xenbr0", "eth0");
	plan_host_apply(h);
	slave = find_step(h, VS_OP_SET_MASTER, "eth0");
	assert_true(find_step(h, VS_OP_BRIDGE_ADD, "xenbr0") <
		    find_step(h, VS_OP_ADDR_ADD, "xenbr0"));
	assert_true(find_step(h, VS_OP_ADDR_ADD, "xenbr0") < find_step(h, VS_OP_SET_UP, "xenbr0"));
	assert_true(find_step(h, VS_OP_SET_UP, "xenbr0") < slave);
	assert_true(slave < find_step(h, VS_OP_ROUTE_ADD, "xenbr0"));
	assert_true(find_step(h, VS_OP_ROUTE_ADD, "xenbr0") <
		    find_step(h, VS_OP_ROUTE_DEL, "eth0"));
	assert_true(find_step(h, VS_OP_ROUTE_DEL, "eth0") < find_step(h, VS_OP_ADDR_DEL, "eth0"));
	assert_int_equal(h->plan.steps[slave].disruption, VS_DISRUPTION_MANAGEMENT);
	assert_int_equal(count_addrs(h, "eth0"), 0);
	assert_int_equal(count_addrs(h, "xenbr0"), 3);
}

static void test_bridge_takes_uplinks_mac(void **state)
{
	struct plan_host *h = *state;

	want(h, "xenbr0", "eth0");
	plan_host_apply(h);
	assert_memory_equal(vs_observed_link(&h->fake->model, "xenbr0")->mac,
			    vs_observed_link(&h->fake->model, "eth0")->mac, MAC_LEN);
}

static void test_second_apply_is_empty(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want(h, "xenbr0", "eth0");
	struct vs_vif *vif;

	n->stp = true;
	n->mtu = 1400;
	n->uplink_mtu = 1400;
	want_addr(n, make_addr("192.0.2.10", 24));
	want_addr(n, make_addr("203.0.113.1", 28));
	*vs_network_add_route(n) = make_route("0.0.0.0", 0, "192.0.2.1", 0);
	want(h, "priv0", NULL);
	vs_fake_add_link(h->fake, "vif1.0", "tun");
	vif = vs_wanted_add_vif(&h->wanted);
	strcpy(vif->name, "vif1.0");
	strcpy(vif->network, "priv0");
	vif->mtu = 1400;
	vif->isolation = VS_ISOLATION_PORT;
	plan_host_apply(h);
	assert_true(h->plan.nr > 10);
	assert_true(vs_observed_link(&h->fake->model, "vif1.0")->isolated);
	assert_int_equal(vs_observed_link(&h->fake->model, "vif1.0")->ipv6_off, 1);
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
}

static void test_down_restores(void **state)
{
	struct plan_host *h = *state;
	char *before = vs_observed_text(&h->fake->model), *after;
	struct vs_network *n;

	h->fake->model.sysctls[VS_SYSCTL_BRIDGE_NF_IPTABLES] = 1;
	free(before);
	before = vs_observed_text(&h->fake->model);
	n = want(h, "xenbr0", "eth0");
	n->mtu = n->uplink_mtu = 1300;
	want_addr(n, make_addr("203.0.113.1", 28));
	plan_host_apply(h);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_BRIDGE_NF_IPTABLES], 0);
	unwant_all(h);
	plan_host_apply(h);
	after = vs_observed_text(&h->fake->model);
	assert_string_equal(before, after);
	assert_int_equal(h->record.nr_networks, 0);
	free(before);
	free(after);
}

/* From the plan's end and from its middle: undoing what was done leads back, twice as well as once. */
static void test_undo_from_everywhere(void **state)
{
	struct plan_host *h = *state;
	char why[VS_TEXT_LEN];
	char *before, *after;
	size_t nr;

	for (int down = 0; down < 2; down++) {
		if (down)
			unwant_all(h);
		else
			want_addr(want(h, "xenbr0", "eth0"), make_addr("203.0.113.1", 28));
		assert_int_equal(plan_host_plan(h), 0);
		nr = h->plan.nr;
		assert_true(nr > 8);
		before = vs_observed_text(&h->fake->model);
		for (size_t k = 0; k <= nr; k++) {
			for (size_t i = 0; i < k; i++)
				assert_int_equal(vs_step_do(&h->fake->sys, &h->plan.steps[i], why),
						 0);
			/* One more than was done: the step that a crash left in doubt. */
			for (size_t i = k < nr ? k + 1 : nr; i-- > 0;) {
				assert_int_equal(
					vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
				assert_int_equal(
					vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
			}
			after = vs_observed_text(&h->fake->model);
			assert_string_equal(before, after);
			free(after);
		}
		free(before);
		plan_host_apply(h);
	}
}

static void test_foreign_things_stay(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want(h, "xenbr0", "eth0");

	plan_host_apply(h);
	give_addr(h, "xenbr0", make_addr("172.16.0.1", 24));
	want_addr(n, make_addr("203.0.113.1", 28));
	plan_host_apply(h);
	assert_int_equal(count_addrs(h, "xenbr0"), 5);
	n->nr_addrs = 0;
	plan_host_apply(h);
	assert_int_equal(count_addrs(h, "xenbr0"), 4);
}

static void test_refused(struct plan_host *h, const char *code, int line)
{
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_int_equal(h->ds.nr_errors, 1);
	assert_string_equal(h->ds.v[0].code, code);
	assert_int_equal(h->ds.v[0].line, line);
	assert_string_equal(h->ds.v[0].file, "p.yaml");
	diags_fini(&h->ds);
	h->ds = (struct diags){ 0 };
}

static void test_refusals(void **state)
{
	struct plan_host *h = *state;
	struct vs_link_route *multi;

	want(h, "xenbr0", "eth7");
	test_refused(h, "VF0501", 2);
	strcpy(h->wanted.networks[0].uplink.name, "eth*");
	test_refused(h, "VF0502", 2);
	strcpy(h->wanted.networks[0].uplink.name, "eth1");
	h->wanted.unmanaged = calloc(1, sizeof(*h->wanted.unmanaged));
	h->wanted.nr_unmanaged = 1;
	strcpy(h->wanted.unmanaged[0], "eth[0-9]");
	test_refused(h, "VF0503", 2);
	h->wanted.nr_unmanaged = 0;
	want(h, "xenbr1", "eth1");
	test_refused(h, "VF0511", 7);
	h->wanted.nr_networks = 1;
	strcpy(h->wanted.networks[0].uplink.name, "eth0");
	multi = array_add(&h->fake->model.routes, &h->fake->model.nr_routes, sizeof(*multi));
	multi->ifindex = vs_observed_link(&h->fake->model, "eth0")->ifindex;
	multi->is_multipath = true;
	multi->route = make_route("10.0.0.0", 8, "192.0.2.5", 0);
	test_refused(h, "VF0513", 7);
	multi->is_multipath = false;
	vs_fake_add_link(h->fake, "br9", "bridge");
	((struct vs_link *)(uintptr_t)vs_observed_link(&h->fake->model, "eth0"))->master =
		vs_observed_link(&h->fake->model, "br9")->ifindex;
	test_refused(h, "VF0512", 7);
	strcpy(h->wanted.networks[0].name, "eth1");
	h->wanted.networks[0].has_uplink = false;
	test_refused(h, "VF0510", 7);
}

static void test_adoption(void **state)
{
	struct plan_host *h = *state;
	struct vs_link *br = vs_fake_add_link(h->fake, "xenbr0", "bridge");
	char *before, *after;

	br->mtu = 1400;
	want_addr(want(h, "xenbr0", NULL), make_addr("10.1.1.1", 24));
	test_refused(h, "VF0510", 7);
	br->mtu = 1500;
	test_refused(h, "VF0510", 7);
	give_addr(h, "xenbr0", make_addr("10.1.1.1", 24));
	before = vs_observed_text(&h->fake->model);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
	assert_true(h->record.networks[0].is_adopted);
	unwant_all(h);
	plan_host_apply(h);
	after = vs_observed_text(&h->fake->model);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* The state folder was lost: what is on our bridge goes to the uplink on the way down, not to nobody. */
static void test_lost_record(void **state)
{
	struct plan_host *h = *state;

	want(h, "xenbr0", "eth0");
	plan_host_apply(h);
	vs_record_fini(&h->record);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
	unwant_all(h);
	plan_host_apply(h);
	assert_null(vs_observed_link(&h->fake->model, "xenbr0"));
	assert_int_equal(count_addrs(h, "eth0"), 3);
}

static void test_uplink_changes(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want(h, "xenbr0", "eth0");

	plan_host_apply(h);
	strcpy(n->uplink.name, "eth1");
	plan_host_apply(h);
	assert_int_equal(count_addrs(h, "eth0"), 3);
	assert_int_equal(vs_observed_link(&h->fake->model, "eth0")->master, 0);
	assert_int_equal(vs_observed_link(&h->fake->model, "eth1")->master,
			 vs_observed_link(&h->fake->model, "xenbr0")->ifindex);
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
	/* The same uplink, another network, in one go. */
	unwant_all(h);
	want(h, "other0", "eth1");
	plan_host_apply(h);
	assert_null(vs_observed_link(&h->fake->model, "xenbr0"));
	assert_int_equal(vs_observed_link(&h->fake->model, "eth1")->master,
			 vs_observed_link(&h->fake->model, "other0")->ifindex);
}

/* An isolated vif that changes networks must not pass traffic before it is isolated there. */
static void test_isolated_move_goes_down_first(void **state)
{
	struct plan_host *h = *state;
	struct vs_vif *vif;

	want(h, "a0", NULL);
	want(h, "b0", NULL);
	vs_fake_add_link(h->fake, "vif1.0", "tun");
	vif = vs_wanted_add_vif(&h->wanted);
	strcpy(vif->name, "vif1.0");
	strcpy(vif->network, "a0");
	vif->isolation = VS_ISOLATION_PORT;
	plan_host_apply(h);
	strcpy(vif->network, "b0");
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 4);
	assert_int_equal(h->plan.steps[0].op.kind, VS_OP_SET_UP);
	assert_int_equal(h->plan.steps[0].op.value, 0);
	assert_int_equal(h->plan.steps[1].op.kind, VS_OP_SET_MASTER);
	assert_int_equal(h->plan.steps[2].op.kind, VS_OP_SET_ISOLATED);
	assert_int_equal(h->plan.steps[3].op.kind, VS_OP_SET_UP);
	/* Others move by one change. */
	vif->isolation = VS_ISOLATION_NONE;
	plan_host_apply(h);
	strcpy(vif->network, "a0");
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 1);
}

static void test_quarantine(void **state)
{
	struct plan_host *h = *state;
	struct vs_vif *vif;
	const struct vs_link *link;

	want(h, "a0", NULL);
	vs_fake_add_link(h->fake, "vif1.0", "tun");
	vif = vs_wanted_add_vif(&h->wanted);
	strcpy(vif->name, "vif1.0");
	strcpy(vif->network, "a0");
	plan_host_apply(h);
	vif->network[0] = '\0';
	plan_host_apply(h);
	assert_int_equal(h->plan.steps[0].op.kind, VS_OP_SET_UP);
	link = vs_observed_link(&h->fake->model, "vif1.0");
	assert_false(link->is_up);
	assert_int_equal(link->master, 0);
}

static void test_steps_as_json(void **state)
{
	struct plan_host *h = *state;
	struct vs_step back;
	json_t *json;

	want_addr(want(h, "xenbr0", "eth0"), make_addr("2001:db8:1::1", 64));
	assert_int_equal(plan_host_plan(h), 0);
	for (size_t i = 0; i < h->plan.nr; i++) {
		json = vs_step_json(&h->plan.steps[i]);
		assert_int_equal(vs_step_from_json(json, &back), 0);
		assert_memory_equal(&back.op.addr, &h->plan.steps[i].op.addr, sizeof(back.op.addr));
		assert_memory_equal(&back.undo.route, &h->plan.steps[i].undo.route,
				    sizeof(back.undo.route));
		assert_int_equal(back.op.kind, h->plan.steps[i].op.kind);
		assert_string_equal(back.op.text, h->plan.steps[i].op.text);
		vs_step_fini(&back);
		json_object_set_new(json_object_get(json, "op"), "kind", json_integer(VS_OP_NR));
		assert_int_equal(vs_step_from_json(json, &back), -EINVAL);
		json_object_set_new(json_object_get(json, "op"), "kind", json_integer(1));
		json_object_set_new(json_object_get(json, "op"), "link",
				    json_string("a-name-longer-than-ifnamsiz"));
		assert_int_equal(vs_step_from_json(json, &back), -EINVAL);
		json_decref(json);
	}
}

/* Down for it, as the kernel wants; never over another link; and done twice is done once. */
static void test_rename_link(void **state)
{
	struct vs_op op = { .kind = VS_OP_SET_NAME, .link = "vif1.0", .text = "web0" };
	char why[VS_TEXT_LEN], text[VS_OP_TEXT_LEN];
	struct vs_fake *fake;

	(void)state;
	assert_int_equal(vs_fake_open(&fake), 0);
	assert_non_null(vs_fake_add_link(fake, "vif1.0", ""));
	assert_non_null(vs_fake_add_link(fake, "eth0", ""));
	assert_int_equal(vs_model_apply(&fake->model, &op), -EBUSY);
	assert_int_equal(vs_rename_link(&fake->sys, "vif1.0", "eth0", why), -EEXIST);
	assert_string_equal(why, strerror(EEXIST));
	assert_int_equal(vs_rename_link(&fake->sys, "vif1.0", "web0", why), 0);
	assert_null(vs_observed_link(&fake->model, "vif1.0"));
	assert_false(vs_observed_link(&fake->model, "web0")->is_up);
	assert_int_equal(vs_rename_link(&fake->sys, "vif1.0", "web0", why), -ENODEV);
	assert_int_equal(vs_model_apply(&fake->model, &op), 0);
	vs_op_text(&op, text);
	assert_string_equal(text, "rename vif1.0 to web0");
	fake->sys.ops->close(&fake->sys);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, plan_host_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_make_before_break),
		TEST(test_bridge_takes_uplinks_mac),
		TEST(test_second_apply_is_empty),
		TEST(test_down_restores),
		TEST(test_undo_from_everywhere),
		TEST(test_foreign_things_stay),
		TEST(test_refusals),
		TEST(test_adoption),
		TEST(test_lost_record),
		TEST(test_uplink_changes),
		TEST(test_isolated_move_goes_down_first),
		TEST(test_quarantine),
		TEST(test_steps_as_json),
		cmocka_unit_test(test_rename_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
