/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guards stand for, parsed once and kept, and whether it is in the flow table: it is where it was set, or
 * seen, over a connection that lasts, as long as the number of flows is what it was.
 */
#include <config.h>

#include "vswitch/ovsdb_openflow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <byte-order.h>
#include <openvswitch/match.h>
#include <openvswitch/ofp-flow.h>

#include "vswitch/array.h"
#include "vswitch/ovs.h"

static void flow_mod_free(struct ofputil_flow_mod *fm)
{
	minimatch_destroy(&fm->match);
	free(fm->ofpacts);
}

static bool parse_flow(const char *text, unsigned int port, struct ofputil_flow_mod *fm)
{
	enum ofputil_protocol usable;
	char *error = parse_ofp_flow_mod_str(fm, text, NULL, NULL, OFPFC_ADD, &usable);

	if (error) {
		free(error);
		return false;
	}
	fm->new_cookie = htonll(OVS_COOKIE | port);
	fm->cookie = fm->cookie_mask = htonll(0);
	return true;
}

static void expect_fini(struct ovs_expect *e)
{
	for (size_t i = 0; i < e->nr; i++)
		flow_mod_free(&e->v[i]);
	free(e->v);
	free(e->matches);
	json_decref(e->guard);
	*e = (struct ovs_expect){ 0 };
}

void ovs_expect_free(struct ovs *ovs)
{
	free(ovs->counts);
	ovs->counts = NULL;
	ovs->nr_counts = 0;
	for (size_t i = 0; i < ovs->nr_expected; i++)
		expect_fini(&ovs->expected[i]);
	free(ovs->expected);
	ovs->expected = NULL;
	ovs->nr_expected = 0;
}

static bool expect_init(struct ovs_expect *e, unsigned int port, const json_t *guard)
{
	json_t *flows = port == OVS_GRACE_PORT ? ovs_grace_flows(guard)
			: port		       ? ovs_guard_flows(guard, port)
					       : ovs_base_flows(guard),
	       *flow;
	size_t i, nr = json_array_size(flows);
	bool is_good;

	*e = (struct ovs_expect){ .port = port, .guard = json_incref((json_t *)(uintptr_t)guard) };
	e->v = calloc(nr, sizeof(*e->v));
	e->matches = calloc(nr, sizeof(*e->matches));
	is_good = e->v && e->matches;
	json_array_foreach (flows, i, flow) {
		if (is_good && parse_flow(json_string_value(flow), port, &e->v[i])) {
			minimatch_expand(&e->v[i].match, &e->matches[i]);
			e->nr++;
		} else {
			is_good = false;
		}
	}
	json_decref(flows);
	if (!is_good)
		expect_fini(e);
	return is_good;
}

struct ovs_expect *ovs_expect(struct ovs *ovs, const char *bridge, unsigned int port,
			      const json_t *guard)
{
	struct ovs_expect made, *e;

	for (size_t i = 0; i < ovs->nr_expected; i++) {
		e = &ovs->expected[i];
		if (e->port != port || strcmp(e->bridge, bridge) != 0)
			continue;
		if (json_equal(e->guard, guard))
			return e;
		expect_fini(e);
		array_remove(ovs->expected, &ovs->nr_expected, sizeof(*e), i--);
	}
	if (!expect_init(&made, port, guard))
		return NULL;
	e = array_add(&ovs->expected, &ovs->nr_expected, sizeof(*e));
	if (e) {
		*e = made;
		snprintf(e->bridge, sizeof(e->bridge), "%s", bridge);
	} else {
		expect_fini(&made);
	}
	return e;
}

void ovs_expect_forget(struct ovs *ovs, const char *bridge, unsigned int port)
{
	struct ovs_expect *e;

	for (size_t i = ovs->nr_expected; i-- > 0;) {
		e = &ovs->expected[i];
		if (e->port != port || strcmp(e->bridge, bridge) != 0)
			continue;
		expect_fini(e);
		array_remove(ovs->expected, &ovs->nr_expected, sizeof(*e), i);
	}
}

void ovs_expect_doubt(struct ovs *ovs, const char *bridge)
{
	for (size_t i = 0; i < ovs->nr_expected; i++)
		if (!strcmp(ovs->expected[i].bridge, bridge))
			ovs->expected[i].is_there = false;
}

bool ovs_guard_is_there(struct ovs *ovs, const char *bridge, unsigned int port, const json_t *guard)
{
	for (size_t i = 0; i < ovs->nr_expected; i++)
		if (ovs->expected[i].port == port && ovs->expected[i].is_there &&
		    !strcmp(ovs->expected[i].bridge, bridge))
			return json_equal(ovs->expected[i].guard, guard);
	return false;
}
