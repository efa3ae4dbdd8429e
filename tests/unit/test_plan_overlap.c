/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Subnets of the policy against what the host has already. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

#include "vswitch/fake.h"

#define NONE 0

/* One network nat0, 10.20.0.0/24 and fd00:20::/64, on a host with one thing more. */
static const struct row {
	const char *link, *net; /* of the thing */
	uint8_t len, protocol;	/* protocol NONE: an address */
	bool is_recorded;	/* as ours on that link */
	bool is_proxied;	/* nat0 is a routed network instead, whose guests the LAN sees */
	bool is_in_force;	/* nat0 has its gateway already */
	const char *message;	/* NULL: planned */
	bool is_warning;
} rows[] = {
	{ "eth0", "10.21.0.1", 24, NONE, .message = NULL },
	{ "eth0", "10.20.0.7", 24, NONE,
	  .message = "network nat0: 10.20.0.0/24 overlaps 10.20.0.7/24, an "
		     "address of this host on eth0" },
	{ "eth0", "10.0.0.7", 8, NONE, .message = "overlaps 10.0.0.7/8" },
	{ "eth0", "10.20.0.129", 25, NONE, .message = "overlaps 10.20.0.129/25" },
	{ "eth0", "fd00:20::5", 48, NONE, .message = "fd00:20::/64 overlaps fd00:20::5/48" },
	{ "eth0", "fd00:20:0:1::5", 64, NONE, .message = NULL },
	{ "eth0", "10.20.0.7", 32, NONE, .message = NULL },
	{ "eth0", "10.20.0.0", 23, RTPROT_STATIC,
	  .message = "overlaps 10.20.0.0/23, a route of this host" },
	{ "eth0", "0.0.0.0", 0, RTPROT_STATIC, .message = NULL },
	{ "eth0", "10.20.0.0", 23, RTPROT_KERNEL, .message = NULL }, /* its address counts */
	{ "eth0", "10.20.0.0", 23, VS_PROTOCOL, .message = NULL },
	{ "nat0", "10.20.0.7", 24, NONE, .message = NULL }, /* its own */
	{ "nat1", "10.20.0.1", 24, NONE, .is_recorded = true, .message = NULL },
	{ "nat1", "10.20.0.1", 24, NONE, .message = "on nat1" },
	{ "eth0", "10.0.0.7", 8, NONE, .is_proxied = true, .message = NULL },
	{ "eth0", "10.20.0.7", 24, NONE, .is_proxied = true, .message = "overlaps" },
	{ "eth0", "10.20.0.7", 24, NONE, .is_in_force = true, .message = "overlaps",
	  .is_warning = true },
};

static void add_address(struct vs_fake *fake, const char *link, const char *address, uint8_t len)
{
	struct vs_op op = { .kind = VS_OP_ADDR_ADD };
	char why[VS_TEXT_LEN];
	struct vs_step step = { .op = op };

	snprintf(step.op.link, sizeof(step.op.link), "%s", link);
	step.op.addr.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	step.op.addr.prefix_len = len;
	assert_int_equal(inet_pton(step.op.addr.family, address, step.op.addr.local), 1);
	memcpy(step.op.addr.peer, step.op.addr.local, 16);
	assert_int_equal(vs_step_do(&fake->sys, &step, why), 0);
}

static void add_route(struct vs_fake *fake, const struct row *row)
{
	char why[VS_TEXT_LEN];
	struct vs_step step = { .op = { .kind = VS_OP_ROUTE_ADD } };
	struct vs_route *r = &step.op.route;

	snprintf(step.op.link, sizeof(step.op.link), "%s", row->link);
	*r = (struct vs_route){ .family = AF_INET,
				.prefix_len = row->len,
				.type = RTN_UNICAST,
				.table = RT_TABLE_MAIN,
				.protocol = row->protocol };
	assert_int_equal(inet_pton(AF_INET, row->net, r->to), 1);
	assert_int_equal(vs_step_do(&fake->sys, &step, why), 0);
}

static void want(struct vs_wanted *w, bool is_proxied)
{
	static const char *const nets[] = { "10.20.0.0", "fd00:20::" };
	static const char *const gateways[] = { "10.20.0.1", "fd00:20::1" };
	struct vs_network *n = vs_wanted_add_network(w);

	assert_non_null(n);
	strcpy(n->name, "nat0");
	n->mode = vs_mode_find(is_proxied ? "route" : "nat");
	n->mtu = 1500;
	n->proxy_neighbours = is_proxied;
	for (int i = 0; i < 2; i++) {
		struct vs_subnet *s = vs_network_add_subnet(n);
		int family = i ? AF_INET6 : AF_INET;

		assert_non_null(s);
		s->prefix.family = (uint8_t)family;
		s->prefix.len = i ? 64 : 24;
		s->place.line = 7;
		assert_int_equal(inet_pton(family, nets[i], s->prefix.address), 1);
		assert_int_equal(inet_pton(family, gateways[i], s->gateway), 1);
	}
}

static void record(struct vs_record *r, const struct vs_observed *o, const char *link)
{
	struct vs_record_network *n = vs_record_add(r);

	assert_non_null(n);
	snprintf(n->name, sizeof(n->name), "%s", link);
	strcpy(n->mode, "nat");
	n->addrs = calloc(1, sizeof(*n->addrs));
	assert_non_null(n->addrs);
	n->addrs[n->nr_addrs++] = o->addrs[o->nr_addrs - 1].addr;
}

static void one(const struct row *row)
{
	struct vs_wanted w;
	struct vs_record r;
	struct vs_fake *fake;
	struct diags ds = { 0 };
	struct vs_plan plan = { 0 };
	int rc;

	assert_int_equal(vs_fake_open(&fake), 0);
	vs_wanted_init(&w);
	vs_record_init(&r);
	assert_non_null(vs_fake_add_link(fake, "eth0", ""));
	if (strcmp(row->link, "eth0") != 0 || row->is_in_force)
		assert_non_null(
			vs_fake_add_link(fake, row->is_in_force ? "nat0" : row->link, "bridge"));
	if (row->is_in_force)
		add_address(fake, "nat0", "10.20.0.1", 24);
	if (row->protocol != NONE)
		add_route(fake, row);
	else
		add_address(fake, row->link, row->net, row->len);
	if (row->is_recorded)
		record(&r, &fake->model, row->link);
	want(&w, row->is_proxied);
	rc = vs_plan_make(&w, &fake->model, &r, &ds, &plan);
	/* Where it is no matter of subnets, others may have something against it. */
	if (row->message && !row->is_warning && rc != -EINVAL)
		fail_msg("%s %s/%u: %d", row->link, row->net, row->len, rc);
	for (size_t i = 0; i < ds.nr && !row->message; i++)
		assert_string_not_equal(ds.v[i].code, "VF0520");
	if (row->message) {
		assert_true(ds.nr >= 1);
		assert_string_equal(ds.v[0].code, "VF0520");
		assert_non_null(strstr(ds.v[0].message, row->message));
		assert_int_equal(ds.v[0].line, 7);
		assert_int_equal(ds.v[0].severity, row->is_warning ? DIAG_WARNING : DIAG_ERROR);
	}
	vs_plan_fini(&plan);
	diags_fini(&ds);
	vs_record_fini(&r);
	vs_wanted_fini(&w);
	fake->sys.ops->close(&fake->sys);
}

static void overlaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one(&rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(overlaps) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
