/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/plan_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

struct plan_host *plan_host_open(void)
{
	struct plan_host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	assert_int_equal(vs_fake_open(&h->fake), 0);
	vs_wanted_init(&h->wanted);
	vs_record_init(&h->record);
	assert_non_null(vs_fake_add_link(h->fake, "eth0", ""));
	return h;
}

void plan_host_close(struct plan_host *h)
{
	vs_plan_fini(&h->plan);
	diags_fini(&h->ds);
	vs_record_fini(&h->record);
	vs_wanted_fini(&h->wanted);
	h->fake->sys.ops->close(&h->fake->sys);
	free(h->before);
	free(h);
}

int plan_host_teardown(void **state)
{
	plan_host_close(*state);
	return 0;
}

void plan_host_keep(struct plan_host *h)
{
	free(h->before);
	h->before = vs_observed_text(&h->fake->model);
	assert_non_null(h->before);
}

int plan_host_setup(void **state)
{
	struct plan_host *h = plan_host_open();

	plan_host_keep(h);
	*state = h;
	return 0;
}

bool plan_host_shows(const struct plan_host *h, const char *line)
{
	char *text = vs_observed_text(&h->fake->model);
	bool found = strstr(text, line) != NULL;

	free(text);
	return found;
}

struct vs_network *plan_host_want(struct plan_host *h, const char *name, const struct vs_mode *mode)
{
	struct vs_network *n = vs_wanted_add_network(&h->wanted);

	assert_non_null(n);
	strcpy(n->name, name);
	n->mode = mode;
	n->mtu = 1500;
	return n;
}

void plan_host_want_subnet(struct vs_network *n, const char *prefix, int len, const char *gateway)
{
	struct vs_subnet *s = vs_network_add_subnet(n);

	assert_non_null(s);
	s->prefix.family = strchr(prefix, ':') ? AF_INET6 : AF_INET;
	s->prefix.len = (uint8_t)len;
	assert_int_equal(inet_pton(s->prefix.family, prefix, s->prefix.address), 1);
	assert_int_equal(inet_pton(s->prefix.family, gateway, s->gateway), 1);
}

int plan_host_plan(struct plan_host *h)
{
	vs_plan_fini(&h->plan);
	return vs_plan_make(&h->wanted, &h->fake->model, &h->record, &h->ds, &h->plan);
}

void plan_host_apply(struct plan_host *h)
{
	char why[VS_TEXT_LEN], text[VS_OP_TEXT_LEN];
	json_t *json;

	assert_int_equal(plan_host_plan(h), 0);
	for (size_t i = 0; i < h->plan.nr; i++)
		if (vs_step_do(&h->fake->sys, &h->plan.steps[i], why)) {
			vs_op_text(&h->plan.steps[i].op, text);
			fail_msg("cannot %s: %s", text, why);
		}
	json = vs_record_json(&h->plan.record);
	assert_non_null(json);
	vs_record_fini(&h->record);
	assert_int_equal(vs_record_from_json(json, &h->record), 0);
	json_decref(json);
}

void plan_host_undo(struct plan_host *h)
{
	char why[VS_TEXT_LEN];
	char *text;

	for (size_t i = h->plan.nr; i-- > 0;)
		assert_int_equal(vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
	if (!h->before)
		return;
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, h->before);
	free(text);
}
