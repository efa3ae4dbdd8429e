/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fastnet_nat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "vswitch/fastnet.h"
#include "vswitch/fastnet_forward.h"
#include "vswitch/rules_priv.h"

#define POOL_MIN 256 /* ports: with fewer, the kernel does better */

/* ---- Who translates for whom ---- */

static bool is_inner(const struct vs_network *n)
{
	return vs_is_fast(n) && vs_mode_plain(n->mode) == &vs_mode_nat &&
	       rules_is_translated(n, AF_INET);
}

static bool leaves_by(const struct vs_network *n, const struct vs_network *bridge)
{
	return (!n->egress.network[0] || !strcmp(n->egress.network, bridge->name)) &&
	       n->fast.nr_cpus == bridge->fast.nr_cpus &&
	       !memcmp(n->fast.cpus, bridge->fast.cpus, n->fast.nr_cpus * sizeof(n->fast.cpus[0]));
}

static bool has_same_source(const struct vs_network *n, const struct vs_network *m)
{
	const struct vs_prefix *a = &n->egress.source4, *b = &m->egress.source4;

	return a->family == b->family &&
	       (!a->family || !memcmp(a->address, b->address, sizeof(a->address)));
}

static bool is_way_out(const struct vs_network *n)
{
	return vs_is_fast(n) && vs_mode_plain(n->mode) == &vs_mode_bridge && rules_is_segment(n);
}

/* The first that leaves by @bridge, whose source all have; the kernel knows of more than one. */
static const struct vs_network *first_of(const struct vs_wanted *w, const struct vs_network *bridge)
{
	if (!is_way_out(bridge))
		return NULL;
	for (size_t i = 0; i < w->nr_networks; i++)
		if (is_inner(&w->networks[i]) && leaves_by(&w->networks[i], bridge))
			return &w->networks[i];
	return NULL;
}

/* ---- Ports ---- */

static int by_first(const void *a, const void *b)
{
	return ((const struct vs_port_range *)a)->first - ((const struct vs_port_range *)b)->first;
}

/* What forwards and services of the host listen at, in order. NULL: no memory. */
static struct vs_port_range *list_taken(const struct vs_wanted *w, size_t *nr_out)
{
	struct vs_port_range *taken = calloc(w->nr_forwards + w->management.nr_services + 1,
					     sizeof(taken[0]));
	size_t nr = 0;

	if (!taken)
		return NULL;
	for (size_t i = 0; i < w->nr_forwards; i++)
		taken[nr++] = w->forwards[i].ports;
	for (size_t i = 0; i < w->management.nr_services; i++)
		taken[nr++] = w->management.services[i].ports;
	qsort(taken, nr, sizeof(taken[0]), by_first);
	*nr_out = nr;
	return taken;
}

/* The widest of those that no forward and no service of the host listens at. */
static bool find_pool(const struct vs_wanted *w, struct vs_port_range *pool)
{
	uint32_t free_from = FASTNET_POOL_FIRST, best = 0;
	size_t nr = 0;
	struct vs_port_range *taken = list_taken(w, &nr);

	for (size_t i = 0; taken && i <= nr; i++) {
		uint32_t first = i < nr ? taken[i].first : UINT16_MAX + 1;

		if (first > free_from && first - free_from > best) {
			best = first - free_from;
			*pool = (struct vs_port_range){ (uint16_t)free_from,
							(uint16_t)(first - 1) };
		}
		if (i < nr && taken[i].last >= free_from)
			free_from = taken[i].last + 1u;
	}
	free(taken);
	return best >= POOL_MIN;
}

bool fastnet_translates(const struct vs_wanted *w, const struct vs_network *bridge)
{
	struct vs_port_range pool;

	return first_of(w, bridge) && find_pool(w, &pool);
}

bool fastnet_translates_for(const struct vs_wanted *w, const struct vs_network *bridge,
			    const struct vs_network *n)
{
	const struct vs_network *first = is_inner(n) && leaves_by(n, bridge) ? first_of(w, bridge)
									     : NULL;

	return first && has_same_source(n, first) && fastnet_translates(w, bridge);
}

/* Why @bridge, which is none or has a switch that @n leaves by, does not; "": it is none. */
static void say_why(const struct vs_wanted *w, const struct vs_network *bridge,
		    const struct vs_network *n, char *why, size_t size)
{
	struct vs_port_range pool;
	const struct vs_network *first = first_of(w, bridge);

	why[0] = '\0';
	if (!is_way_out(bridge) ||
	    (n->egress.network[0] && strcmp(n->egress.network, bridge->name)))
		return;
	if (!leaves_by(n, bridge))
		snprintf(why, size, "its pmd-cpus are not %s's: give both the same", bridge->name);
	else if (first && !has_same_source(n, first))
		snprintf(why, size, "%s translates to the source of %s: give both the same",
			 bridge->name, first->name);
	else if (!find_pool(w, &pool))
		snprintf(why, size,
			 "forwards and host.management's services leave no %d ports in a row from "
			 "%d on: have them listen below",
			 POOL_MIN, FASTNET_POOL_FIRST);
}

const struct vs_network *fastnet_translator(const struct vs_wanted *w, const struct vs_network *n,
					    char *why, size_t size)
{
	why[0] = '\0';
	for (size_t i = 0; i < w->nr_networks; i++)
		if (fastnet_translates_for(w, &w->networks[i], n))
			return &w->networks[i];
	if (!rules_is_translated(n, AF_INET))
		snprintf(why, size, "it has no subnet of IPv4");
	for (size_t i = 0; !why[0] && i < w->nr_networks; i++)
		say_why(w, &w->networks[i], n, why, size);
	if (!why[0] && n->egress.network[0])
		snprintf(why, size,
			 "it leaves by %s, which is no bridge with an uplink on such a datapath",
			 n->egress.network);
	else if (!why[0])
		snprintf(why, size, "no bridge with an uplink is on such a datapath");
	return NULL;
}

bool fastnet_pool(const struct vs_wanted *w, struct vs_port_range *pool)
{
	for (size_t i = 0; i < w->nr_networks; i++)
		if (first_of(w, &w->networks[i]))
			return find_pool(w, pool);
	return false;
}

/* ---- The document ---- */

static bool add_inside(json_t *list, const struct vs_network *n)
{
	char text[64];

	for (size_t i = 0; i < n->nr_subnets; i++) {
		if (n->subnets[i].prefix.family != AF_INET)
			continue;
		rules_prefix_text(&n->subnets[i].prefix, text);
		if (json_array_append_new(list, json_string(text)))
			return false;
	}
	return true;
}

static bool add_kernels(const struct vs_wanted *w, json_t *list, const struct vs_network *n)
{
	char text[64];

	for (size_t i = 0; i < w->nr_forwards; i++) {
		const struct vs_forward *f = &w->forwards[i];
		int first = f->to_port ? f->to_port : f->ports.first;

		if (strcmp(f->network, n->name) != 0 || !f->to4.family)
			continue;
		rules_prefix_text(&f->to4, text);
		if (json_array_append_new(list, json_pack("{si ss s[i,i]}", "protocol", f->protocol,
							  "address", text, "ports", first,
							  first + f->ports.last - f->ports.first)))
			return false;
	}
	return true;
}

json_t *fastnet_nat_doc(const struct vs_wanted *w, const struct vs_network *bridge)
{
	json_t *inside = json_array(), *kernels = json_array(), *doc = NULL;
	json_t *forwards = fastnet_forwards_doc(w, bridge, NULL, NULL);
	struct vs_port_range pool = { 0 };
	bool ok = inside && kernels && forwards && find_pool(w, &pool);

	for (size_t i = 0; ok && i < w->nr_networks; i++)
		if (fastnet_translates_for(w, bridge, &w->networks[i]))
			ok = add_inside(inside, &w->networks[i]) &&
			     add_kernels(w, kernels, &w->networks[i]);
	if (ok)
		doc = json_pack("{sO sO sO s[i,i] si si s[]}", "inside", inside, "kernel", kernels,
				"forwards", forwards, "ports", pool.first, pool.last, "flows",
				FASTNET_FLOWS, "flows-per-guest", FASTNET_GUEST_FLOWS, "pool");
	json_decref(inside);
	json_decref(kernels);
	json_decref(forwards);
	return doc;
}

/* As the kernel's masquerading finds it. */
static const uint8_t *primary_of(const struct vs_link_addr *addrs, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (addrs[i].addr.family == AF_INET && addrs[i].addr.scope == RT_SCOPE_UNIVERSE)
			return addrs[i].addr.local;
	return NULL;
}

json_t *fastnet_pool_doc(const struct vs_wanted *w, const struct vs_network *bridge,
			 const struct vs_link_addr *addrs, size_t nr)
{
	const struct vs_network *first = first_of(w, bridge);
	const uint8_t *address = primary_of(addrs, nr);
	struct vs_prefix p = { .family = AF_INET, .len = 32 };
	char text[64];

	if (first && first->egress.source4.family)
		address = first->egress.source4.address;
	if (!first || !address)
		return json_array();
	memcpy(p.address, address, 4);
	rules_prefix_text(&p, text);
	return json_pack("[{ss sb}]", "address", text, "shared", 1);
}
