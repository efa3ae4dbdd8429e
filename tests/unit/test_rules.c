/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host-wide rules as steps: when they come and go, what is refused, whose connections end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "vswitch/fake.h"
#include "vswitch/rules_priv.h"

static struct vs_fake *fake;
static struct vs_wanted w;
static struct vs_record record;
static struct vs_plan plan;
static struct diags ds;

static int setup(void **state)
{
	(void)state;
	vs_wanted_init(&w);
	vs_record_init(&record);
	assert_int_equal(vs_fake_open(&fake), 0);
	for (int i = 0; i < VS_SYSCTL_NR; i++)
		fake->model.sysctls[i] = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vs_plan_fini(&plan);
	vs_record_fini(&record);
	vs_wanted_fini(&w);
	diags_fini(&ds);
	ds = (struct diags){ 0 };
	fake->sys.ops->close(&fake->sys);
	return 0;
}

static void set_prefix(struct vs_prefix *p, const char *address, uint8_t len)
{
	p->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	p->len = len;
	assert_int_equal(inet_pton(p->family, address, p->address), 1);
}

static struct vs_network *add_nat(void)
{
	struct vs_network *n = vs_wanted_add_network(&w);
	struct vs_subnet *s = vs_network_add_subnet(n);

	strcpy(n->name, "nat0");
	n->mode = vs_mode_find("nat");
	n->mtu = 1500;
	set_prefix(&s->prefix, "10.20.0.0", 24);
	inet_pton(AF_INET, "10.20.0.1", s->gateway);
	return n;
}

static struct vs_forward *add_forward(uint16_t port, const char *to)
{
	struct vs_forward *f = vs_wanted_add_forward(&w);

	sprintf(f->name, "forward-%u", port);
	strcpy(f->network, "nat0");
	f->protocol = IPPROTO_TCP;
	f->ports = (struct vs_port_range){ port, port };
	f->to_port = 443;
	set_prefix(&f->to4, to, 32);
	return f;
}

static int make(void)
{
	vs_plan_fini(&plan);
	return vs_plan_make(&w, &fake->model, &record, &ds, &plan);
}

/* Plan and do; what is ours is remembered. */
static void apply(void)
{
	char why[VS_TEXT_LEN];

	assert_int_equal(make(), 0);
	for (size_t i = 0; i < plan.nr; i++)
		assert_int_equal(vs_step_do(&fake->sys, &plan.steps[i], why), 0);
	vs_record_fini(&record);
	record = plan.record;
	vs_record_init(&plan.record);
}

/* The first step at or after @from like @text; -1: none. */
static int step_like(size_t from, const char *text)
{
	char found[VS_OP_TEXT_LEN];

	for (size_t i = from; i < plan.nr; i++) {
		vs_op_text(&plan.steps[i].op, found);
		if (strstr(found, text))
			return (int)i;
	}
	return -1;
}

static void test_order(void **state)
{
	int forwarding, up;

	(void)state;
	add_nat();
	apply();
	forwarding = step_like(0, "ip_forward to 1");
	up = step_like(0, "set nat0 up");
	assert_true(forwarding >= 0 && up >= 0);
	assert_int_equal(step_like(0, "set nftables table inet vifrost-filter"), 0);
	assert_true(step_like(0, "set nftables table inet vifrost-nat") < forwarding);
	assert_true(step_like(0, "set nftables table inet vifrost-nat") < up);
	assert_int_equal(make(), 0);
	assert_int_equal(plan.nr, 0);
}

static void test_down(void **state)
{
	json_t *closed;
	int gone;

	(void)state;
	add_nat();
	apply();
	vs_wanted_fini(&w);
	apply();
	/* Closed while guests may be on it, gone once it is. */
	assert_int_equal(step_like(0, "set nftables table inet vifrost-filter"), 0);
	closed = json_object_get(plan.steps[0].op.doc, "rules");
	assert_string_equal(json_string_value(json_object_get(json_array_get(closed, 0), "rule")),
			    "oifname \"nat0\" counter drop");
	gone = step_like(0, "delete bridge nat0");
	assert_true(gone > 0);
	assert_true(step_like(0, "remove nftables table inet vifrost-filter") > gone);
	assert_true(step_like(0, "remove nftables table inet vifrost-nat") > gone);
	assert_int_equal(fake->model.nr_docs, 0);
	assert_int_equal(fake->model.sysctls[VS_SYSCTL_FORWARDING4], 0);
}

/* What goes on is not touched, and a forward that stays keeps its connections. */
static void test_forwards_end(void **state)
{
	const json_t *forwards, *one;
	int step;

	(void)state;
	add_nat();
	add_forward(8443, "10.20.0.11");
	add_forward(8444, "10.20.0.11");
	apply();
	assert_int_equal(step_like(0, "end tracked connections"), -1);
	set_prefix(&w.forwards[1].to4, "10.20.0.12", 32);
	assert_int_equal(make(), 0);
	step = step_like(0, "end tracked connections of forwards that changed");
	assert_true(step > step_like(0, "set nftables table inet vifrost-nat"));
	forwards = json_object_get(plan.steps[step].op.doc, "forwards");
	for (size_t i = 0; i < json_array_size(forwards); i++) {
		one = json_array_get(forwards, i);
		assert_int_equal(json_integer_value(json_object_get(one, "first")), 8444);
		assert_int_equal(json_integer_value(json_object_get(one, "last")), 8444);
		assert_int_equal(json_integer_value(json_object_get(one, "protocol")), IPPROTO_TCP);
		assert_string_equal(json_string_value(json_object_get(one, "to")), "10.20.0.11");
	}
	assert_true(json_array_size(forwards) > 0);
}

/* A vif's address starts clean, once: not when its link is up already. */
static void test_reused_address(void **state)
{
	struct vs_vif *vif;
	struct vs_link *link;

	(void)state;
	add_nat();
	link = vs_fake_add_link(fake, "vif1.0", "tun");
	link->is_up = false;
	vif = vs_wanted_add_vif(&w);
	strcpy(vif->name, "vif1.0");
	strcpy(vif->network, "nat0");
	set_prefix(&vif->addrs[vif->nr_addrs++], "10.20.0.11", 32);
	apply();
	assert_true(step_like(0, "end tracked connections of vif1.0") >= 0);
	assert_true(step_like(0, "end tracked connections of vif1.0") <
		    step_like(0, "set vif1.0 up"));
	assert_int_equal(make(), 0);
	assert_int_equal(plan.nr, 0);
}

static void expect_refused(const char *code)
{
	assert_int_equal(make(), -EINVAL);
	assert_int_equal(ds.nr_errors, 1);
	assert_string_equal(ds.v[0].code, code);
	diags_fini(&ds);
	ds = (struct diags){ 0 };
}

static void test_refused(void **state)
{
	struct vs_forward *f;
	struct vs_entry *e;
	struct vs_rule *r;

	(void)state;
	add_nat();
	f = add_forward(8000, "10.20.0.11");
	f->ports.last = 8000 + 256;
	expect_refused("VF0540");
	f->ports.last = 8000 + 255;
	assert_int_equal(make(), 0);
	set_prefix(&f->listen, "2001:db8::1", 128);
	expect_refused("VF0540");
	w.nr_forwards = 0;
	w.forwarding4 = 0;
	expect_refused("VF0542");
	w.forwarding4 = -1;
	/* A tag whose guest nobody can know by an address. */
	e = vs_wanted_add_entry(&w);
	strcpy(e->guest, "web1");
	strcpy(e->network, "nat0");
	strcpy(e->tags[e->nr_tags++], "web");
	w.firewall.given = true;
	r = vs_wanted_add_rule(&w);
	strcpy(r->name, "web-in");
	r->to = calloc(1, sizeof(*r->to));
	r->to[r->nr_to++] = (struct vs_peer){ .kind = VS_PEER_TAG, .name = "web" };
	expect_refused("VF0541");
	set_prefix(&e->addrs[e->nr_addrs++], "10.20.0.11", 32);
	assert_int_equal(make(), 0);
}

/* Between ports of one bridge: everything, nothing, or by the connection where the kernel can. */
static void test_ports(void **state)
{
	struct vs_network *n = add_nat();
	struct vs_rule *r;

	(void)state;
	w.firewall = (struct vs_firewall){ .given = true, .ingress = VS_DROP };
	fake->model.lacks = VS_LACKS_BRIDGE_CONNTRACK;
	vs_rules_prepare(&w);
	assert_false(n->ports_closed);
	assert_int_equal(make(), 0);
	w.firewall.guest_to_guest = VS_DROP;
	vs_rules_prepare(&w);
	assert_true(n->ports_closed);
	assert_int_equal(make(), 0);
	assert_int_equal(step_like(0, "table bridge"), -1);
	/* From elsewhere it tells nobody apart here. */
	r = vs_wanted_add_rule(&w);
	strcpy(r->name, "lan-in");
	r->from = calloc(1, sizeof(*r->from));
	r->nr_from = 1;
	r->from[0].kind = VS_PEER_PREFIX;
	set_prefix(&r->from[0].prefix, "192.0.2.0", 24);
	assert_int_equal(make(), 0);
	assert_false(vs_rules_track_bridges(&w));
	set_prefix(&r->from[0].prefix, "10.20.0.11", 32);
	assert_true(vs_rules_track_bridges(&w));
	expect_refused("VF0544");
	fake->model.lacks = 0;
	assert_int_equal(make(), 0);
	assert_int_equal(step_like(0, "set nftables table bridge vifrost-filter"), 0);
	vs_rules_prepare(&w);
	assert_false(n->ports_closed);
	/* Open vSwitch tells them apart by itself. */
	n->mode = vs_mode_find("ovs");
	fake->model.lacks = VS_LACKS_BRIDGE_CONNTRACK;
	assert_false(vs_rules_track_bridges(&w));
	vs_rules_prepare(&w);
	assert_true(n->ports_filtered);
	assert_int_equal(make(), 0);
	assert_int_equal(step_like(0, "table bridge"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwards_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reused_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
