/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents as steps: planned only where they differ, undone to what was there, carried by a journal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>

#include <cmocka.h>

#include "vswitch/fake.h"
#include "vswitch/plan_priv.h"

#define NAME "inet vifrost"

static struct vs_fake *fake;

static int setup(void **state)
{
	(void)state;
	return vs_fake_open(&fake);
}

static int teardown(void **state)
{
	(void)state;
	fake->sys.ops->close(&fake->sys);
	return 0;
}

/* @doc: taken over; NULL: it is to go. */
static void plan_and_do(json_t *doc, size_t steps, bool undo)
{
	struct vs_plan plan = { 0 };
	struct plan_for p = { .plan = &plan, .network = "" };
	char why[VS_TEXT_LEN];
	bool is_gone = !doc;

	vs_record_init(&plan.record);
	assert_int_equal(vs_observed_copy(&plan.model, &fake->model), 0);
	if (is_gone)
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_NFT, NAME);
	else
		plan_set_doc(&p, VS_DISRUPTION_NONE, VS_DOC_NFT, NAME, doc);
	assert_int_equal(p.rc, 0);
	assert_int_equal(plan.nr, steps);
	for (size_t i = 0; i < plan.nr; i++) {
		assert_int_equal(vs_step_do(&fake->sys, &plan.steps[i], why), 0);
		if (undo)
			assert_int_equal(vs_step_undo(&fake->sys, &plan.steps[i], why), 0);
	}
	vs_plan_fini(&plan);
}

static json_t *observed(void)
{
	return vs_observed_doc(&fake->model, VS_DOC_NFT, NAME);
}

static void test_set_change_remove(void **state)
{
	json_t *one = json_pack("{si}", "n", 1), *two = json_pack("{si}", "n", 2);

	(void)state;
	plan_and_do(json_incref(one), 1, false);
	assert_true(json_equal(observed(), one));
	plan_and_do(json_incref(one), 0, false);
	plan_and_do(json_incref(two), 1, true);
	assert_true(json_equal(observed(), one));
	plan_and_do(json_incref(two), 1, false);
	assert_true(json_equal(observed(), two));
	plan_and_do(NULL, 1, true);
	assert_true(json_equal(observed(), two));
	plan_and_do(NULL, 1, false);
	assert_null(observed());
	plan_and_do(NULL, 0, false);
	json_decref(one);
	json_decref(two);
}

static void test_steps_as_json(void **state)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = VS_DOC_RATE, .text = "vif1.0" }, undo = op;
	struct vs_step step = { .op = op, .undo = undo }, back;
	json_t *json;

	(void)state;
	step.op.doc = json_pack("{ss}", "rate", "1Gbit");
	json = vs_step_json(&step);
	assert_int_equal(vs_step_from_json(json, &back), 0);
	assert_true(json_equal(back.op.doc, step.op.doc));
	assert_null(back.undo.doc);
	vs_step_fini(&back);
	json_object_set_new(json_object_get(json, "op"), "index", json_integer(VS_DOC_NR));
	assert_int_equal(vs_step_from_json(json, &back), -EINVAL);
	json_object_set_new(json_object_get(json, "op"), "index", json_integer(VS_DOC_NFT));
	json_object_set_new(json_object_get(json, "op"), "doc", json_string("no object"));
	assert_int_equal(vs_step_from_json(json, &back), -EINVAL);
	json_decref(json);
	vs_step_fini(&step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_change_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steps_as_json, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
