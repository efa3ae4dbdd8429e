/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Open vSwitch's ports side by side in a plan, and done at once by a system that can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/array.h"
#include "vswitch/plan_priv.h"

static struct vs_step *add(struct vs_plan *plan, enum vs_op_kind kind, const char *link)
{
	struct vs_step *step = array_add(&plan->steps, &plan->nr, sizeof(*step));

	assert_non_null(step);
	step->op.kind = kind;
	snprintf(step->op.link, sizeof(step->op.link), "%s", link);
	return step;
}

static struct vs_step *add_port(struct vs_plan *plan, const char *link)
{
	struct vs_step *step = add(plan, VS_OP_DOC, "");

	step->op.index = VS_DOC_OVS_PORT;
	snprintf(step->op.text, sizeof(step->op.text), "%s", link);
	return step;
}

/* As "-a +b ^a": IPv6 off, a port, up. */
static void expect_order(const struct vs_plan *plan, const char *want)
{
	char text[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < plan->nr; i++) {
		const struct vs_op *op = &plan->steps[i].op;
		char sign = '?';

		if (op->kind == VS_OP_IPV6_OFF)
			sign = '-';
		else if (op->kind == VS_OP_DOC)
			sign = op->index == VS_DOC_OVS_PORT ? '+' : '%';
		else if (op->kind == VS_OP_SET_UP)
			sign = '^';
		else if (op->kind == VS_OP_SET_MASTER)
			sign = '=';
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c%s", i ? " " : "",
					sign, op->kind == VS_OP_DOC ? op->text : op->link);
	}
	assert_string_equal(text, want);
}

static void attach(struct vs_plan *plan, const char *link)
{
	add(plan, VS_OP_IPV6_OFF, link);
	add_port(plan, link)->disruption = VS_DISRUPTION_BLIP;
	add(plan, VS_OP_SET_UP, link);
}

static void ports_stand_side_by_side(void **state)
{
	struct vs_plan plan = { 0 };

	(void)state;
	attach(&plan, "a");
	attach(&plan, "b");
	/* All that attaching a vif may do first. */
	add(&plan, VS_OP_SET_MTU, "c");
	add(&plan, VS_OP_SET_ISOLATED, "c");
	add(&plan, VS_OP_ACCEPT_RA, "c");
	add_port(&plan, "netdev vifrost-c")->op.index = VS_DOC_NFT;
	attach(&plan, "c");
	assert_int_equal(plan_gather(&plan), 0);
	expect_order(&plan, "-a -b ?c ?c ?c %netdev vifrost-c -c +a +b +c ^a ^b ^c");
	vs_plan_fini(&plan);
}

/* Of a routed guest: all that is on its link is its own, and so are the connections of its address. */
static void attach_routed(struct vs_plan *plan, const char *link)
{
	char name[32];
	struct vs_step *step;

	snprintf(name, sizeof(name), "netdev vifrost-%s", link);
	add_port(plan, name)->op.index = VS_DOC_NFT;
	snprintf(add(plan, VS_OP_FLOWS, "")->op.text, VS_TEXT_LEN, "%s", link);
	add(plan, VS_OP_LINK_SYSCTL, link);
	step = add(plan, VS_OP_NEIGH_ADD, "lan");
	step->op.value = 1;
	add(plan, VS_OP_SET_UP, link);
	add(plan, VS_OP_ADDR_ADD, link);
	add(plan, VS_OP_ROUTE_ADD, link);
}

static void guards_stand_side_by_side(void **state)
{
	struct vs_plan plan = { 0 };

	(void)state;
	attach_routed(&plan, "a");
	attach_routed(&plan, "b");
	/* The host's own, on links that are no guest's, stay where they are. */
	add(&plan, VS_OP_ADDR_ADD, "lan");
	attach_routed(&plan, "c");
	attach_routed(&plan, "d");
	assert_int_equal(plan_gather(&plan), 0);
	expect_order(&plan, "?lan ?lan %netdev vifrost-a %netdev vifrost-b ? ?a ^a ?a ?a ? ?b ^b "
			    "?b ?b ?lan ?lan ?lan %netdev vifrost-c %netdev vifrost-d ? ?c ^c ?c "
			    "?c ? ?d ^d ?d ?d");
	vs_plan_fini(&plan);
}

/* What is no single link's, or disturbs, is neither moved nor passed. */
static void others_stay(void **state)
{
	struct vs_plan plan = { 0 };

	(void)state;
	attach(&plan, "a");
	attach(&plan, "b");
	add(&plan, VS_OP_BRIDGE_ADD, "br");
	attach(&plan, "c");
	add(&plan, VS_OP_SET_MASTER, "d")->disruption = VS_DISRUPTION_BLIP;
	attach(&plan, "d");
	add(&plan, VS_OP_SET_MASTER, "e")->disruption = VS_DISRUPTION_BLIP;
	attach(&plan, "e");
	assert_int_equal(plan_gather(&plan), 0);
	expect_order(&plan, "-a -b +a +b ^a ^b ?br -c +c ^c =d -d +d ^d =e -e +e ^e");
	vs_plan_fini(&plan);
}

/* A port that goes and comes again does both in this order. */
static void a_link_keeps_its_order(void **state)
{
	struct vs_plan plan = { 0 };

	(void)state;
	add_port(&plan, "a");
	attach(&plan, "b");
	add(&plan, VS_OP_SET_MASTER, "a");
	add_port(&plan, "a");
	assert_int_equal(plan_gather(&plan), 0);
	expect_order(&plan, "-b +a +b ^b =a +a");
	vs_plan_fini(&plan);
}

/* ---- Done at once ---- */

static size_t nr_calls, nr_at_once;

static int apply_one(struct vs_system *sys, const struct vs_op *op, char *why)
{
	(void)sys;
	(void)op;
	(void)why;
	nr_calls++;
	return 0;
}

static int apply_many(struct vs_system *sys, const struct vs_op *const *ops, size_t nr, char *why)
{
	(void)sys;
	(void)ops;
	(void)why;
	nr_at_once += nr;
	return -EIO;
}

static void ports_are_done_at_once(void **state)
{
	const struct vs_system_ops one = { .apply = apply_one };
	const struct vs_system_ops many = { .apply = apply_one, .apply_many = apply_many };
	struct vs_system sys = { .ops = &many };
	struct vs_plan plan = { 0 };
	char why[VS_TEXT_LEN];

	(void)state;
	add_port(&plan, "a");
	add_port(&plan, "b");
	add_port(&plan, "a");
	add(&plan, VS_OP_SET_UP, "a");
	/* Each name once, ports only, no more than asked for. */
	assert_int_equal(vs_steps_at_once(&sys, plan.steps, 4), 2);
	assert_int_equal(vs_steps_at_once(&sys, plan.steps, 1), 1);
	assert_int_equal(vs_steps_at_once(&sys, &plan.steps[2], 2), 1);
	assert_int_equal(vs_steps_at_once(&sys, &plan.steps[3], 1), 1);
	assert_int_equal(vs_steps_do(&sys, plan.steps, 2, why), -EIO);
	assert_int_equal(nr_at_once, 2);
	assert_int_equal(vs_steps_do(&sys, &plan.steps[2], 1, why), 0);
	assert_int_equal(nr_calls, 1);
	sys.ops = &one;
	assert_int_equal(vs_steps_at_once(&sys, plan.steps, 4), 1);
	vs_plan_fini(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_stand_side_by_side),
		cmocka_unit_test(guards_stand_side_by_side),
		cmocka_unit_test(others_stay),
		cmocka_unit_test(a_link_keeps_its_order),
		cmocka_unit_test(ports_are_done_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
