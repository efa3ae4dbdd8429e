/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* The number of a network that hops lead to. */
static int net_of(void *ctx, const char *name)
{
	struct fast_gateway *g = ctx;
	unsigned int i = 0;

	while (i < g->nr_nets && strcmp(g->names[i], name) != 0)
		i++;
	if (i == FAST_GATEWAY_NETS || !name[0] || strlen(name) >= IFNAMSIZ)
		return -1;
	if (i == g->nr_nets)
		snprintf(g->names[g->nr_nets++], IFNAMSIZ, "%s", name);
	return (int)i;
}

static int make_rules(const json_t *spec, struct fast_gateway *g, char *why)
{
	int rc = fast_rules_compile(spec, &g->rules, why);

	if (rc)
		return rc;
	g->ct = fast_ct_create(0, 0, clock_ns());
	if (!g->ct)
		snprintf(why, FAST_WHY_MAX, "out of memory");
	return g->ct ? 0 : -ENOMEM;
}

int fast_gateway_create(const json_t *route, const json_t *nat, struct fast_gateway **out,
			char *why)
{
	const json_t *spec = json_object_get(route, "firewall");
	struct fast_gateway *g;
	int rc = 0;

	*out = NULL;
	if (!route && !nat)
		return 0;
	g = calloc(1, sizeof(*g));
	if (!g) {
		snprintf(why, FAST_WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	if (route)
		rc = fast_routes_compile(route, net_of, g, &g->routes, why);
	if (!rc && spec)
		rc = make_rules(spec, g, why);
	if (!rc && nat)
		rc = fast_nat_create(nat, &g->nat, why);
	if (rc)
		fast_gateway_destroy(g);
	else
		*out = g;
	return rc;
}

struct fast_gateway *fast_gateway_replace(struct fast_gateway *old, struct fast_gateway *next)
{
	if (old && next && next->keeps_nat) {
		next->nat = old->nat;
		old->nat = NULL;
	} else if (old && next) {
		next->nat = next->nat ? fast_nat_replace(old->nat, next->nat) : NULL;
		if (next->nat)
			old->nat = NULL;
	}
	/* Connections stay, and are looked at again by the new rules. */
	if (old && next && old->ct && next->ct) {
		struct fast_ct *ct = next->ct;

		next->ct = old->ct;
		old->ct = ct;
	}
	fast_gateway_destroy(old);
	return next;
}

void fast_gateway_destroy(struct fast_gateway *g)
{
	if (!g)
		return;
	fast_routes_destroy(g->routes);
	fast_nat_destroy(g->nat);
	fast_rules_destroy(g->rules);
	fast_ct_destroy(g->ct);
	free(g);
}
