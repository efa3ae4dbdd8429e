/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a forwarding entry of its own on a bridge, when its VLANs change, and when it leaves. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vswitch/fake.h"
#include "vswitch/vlans.h"

struct host {
	struct vs_fake *fake;
	struct vs_network network;
	struct vs_vif vif;
	struct vs_plan plan;
};

static int setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	struct vs_link *link;

	assert_non_null(h);
	assert_int_equal(vs_fake_open(&h->fake), 0);
	assert_non_null(vs_fake_add_link(h->fake, "xenbr0", "bridge"));
	link = vs_fake_add_link(h->fake, "vif1.0", "tun");
	assert_non_null(link);
	link->is_up = false;
	strcpy(h->network.name, "xenbr0");
	h->network.mode = &vs_mode_bridge;
	h->vif = (struct vs_vif){ .name = "vif1.0",
				  .network = "xenbr0",
				  .anti_spoof = VS_SPOOF_MAC,
				  .has_mac = true,
				  .mac = { 0x00, 0x16, 0x3e, 0, 0, 1 } };
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct host *h = *state;

	vs_plan_fini(&h->plan);
	h->fake->sys.ops->close(&h->fake->sys);
	free(h);
	return 0;
}

static void place(struct host *h, const struct vs_network *n)
{
	char why[VS_TEXT_LEN];

	vs_plan_fini(&h->plan);
	assert_int_equal(vs_observed_copy(&h->plan.model, &h->fake->model), 0);
	assert_int_equal(vs_plan_vif(n, &h->vif, &h->plan), 0);
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_int_equal(vs_step_do(&h->fake->sys, &h->plan.steps[i], why), 0);
}

static void undo(struct host *h)
{
	char why[VS_TEXT_LEN];

	for (size_t i = h->plan.nr; i-- > 0;)
		assert_int_equal(vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
}

/* @want: NULL: none. */
static void assert_entry(const struct host *h, const char *want)
{
	json_t *doc = vs_observed_doc(&h->fake->model, VS_DOC_FDB, "vif1.0");
	json_t *wanted = want ? json_loads(want, 0, NULL) : NULL;

	assert_int_equal(!doc, !want);
	assert_true(!want || json_equal(doc, wanted));
	json_decref(wanted);
}

#define PLAIN "{\"macs\": [\"00:16:3e:00:00:01\"]}"

static int step_of(const struct host *h, enum vs_op_kind kind, int doc, bool is_set)
{
	for (size_t i = 0; i < h->plan.nr; i++) {
		const struct vs_op *op = &h->plan.steps[i].op;

		if (op->kind == kind &&
		    (doc < 0 || (op->index == (uint32_t)doc && (op->doc != NULL) == is_set)))
			return (int)i;
	}
	return -1;
}

static void before_it_is_up(void **state)
{
	struct host *h = *state;
	int entry;

	place(h, &h->network);
	assert_entry(h, PLAIN);
	entry = step_of(h, VS_OP_DOC, VS_DOC_FDB, true);
	assert_true(entry > step_of(h, VS_OP_SET_MASTER, -1, true));
	assert_true(entry < step_of(h, VS_OP_SET_UP, -1, true));
	place(h, &h->network);
	assert_int_equal(h->plan.nr, 0);
}

static void who_has_none(void **state)
{
	struct host *h = *state;

	h->vif.has_moved = true;
	place(h, &h->network);
	assert_entry(h, NULL);
	h->vif.has_moved = false;
	place(h, &h->network);
	assert_entry(h, PLAIN);
	h->vif.anti_spoof = VS_SPOOF_ANY;
	place(h, &h->network);
	assert_entry(h, NULL);
	h->vif.anti_spoof = VS_SPOOF_STRICT;
	place(h, &h->network);
	assert_entry(h, PLAIN);
	h->vif.has_mac = false;
	place(h, &h->network);
	assert_entry(h, NULL);
}

static void goes_with_the_port(void **state)
{
	struct host *h = *state;

	place(h, &h->network);
	place(h, NULL);
	assert_entry(h, NULL);
	undo(h);
	assert_entry(h, PLAIN);
}

/* Linux refuses to take away an entry of a VLAN that the port has no more. */
static void before_vlans_change(void **state)
{
	struct host *h = *state;

	h->network.vlan_filtering = true;
	h->vif.vlans = (struct vs_vlans){ .access = 10 };
	place(h, &h->network);
	assert_entry(h, "{\"macs\": [\"00:16:3e:00:00:01\"], \"tagged\": \"10\"}");
	h->vif.vlans = (struct vs_vlans){ .native = 5, .trunk = { { 20, 29 } }, .nr_trunk = 1 };
	place(h, &h->network);
	assert_entry(h, "{\"macs\": [\"00:16:3e:00:00:01\"], \"tagged\": \"5,20-29\"}");
	assert_true(step_of(h, VS_OP_DOC, VS_DOC_FDB, false) >= 0);
	assert_true(step_of(h, VS_OP_DOC, VS_DOC_FDB, false) <
		    step_of(h, VS_OP_DOC, VS_DOC_VLANS, true));
	assert_true(step_of(h, VS_OP_DOC, VS_DOC_VLANS, true) <
		    step_of(h, VS_OP_DOC, VS_DOC_FDB, true));
	place(h, &h->network);
	assert_int_equal(h->plan.nr, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(before_it_is_up, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_none, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_with_the_port, setup, teardown),
		cmocka_unit_test_setup_teardown(before_vlans_change, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
