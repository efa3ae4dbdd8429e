/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrost-netback's switch routes by itself follows the host's routes and neighbours, and what it translates to the
 * address of the host's end, which go straight into networks' documents, beside any plan: a plan wants those that
 * are there. Resolving stays the kernel's work; it sees
 * nothing of what is forwarded here, so it is told now and then that a neighbour is in use and asks for it.
 *
 * One event begins a look at all, and none is read before that is over: whoever makes neighbours come and go
 * makes looks, a fixed part of the time at most, and no other work.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#include "base/clock.h"
#include "vswitch/fastnet_explain.h"
#include "vswitch/fastnet_nat.h"
#include "vswitch/fastnet_route.h"

#define QUIET_MS    50	  /* after an event */
#define COST_FACTOR 10	  /* of the time, at most 1/11 goes into looking */
#define CONFIRM_MS  15000 /* half of what a kernel takes a neighbour's word for */

struct routes_watch {
	struct vifrostd *d;
	struct vs_fib_events *events; /* NULL: no network needs them */
	struct loop_timer timer, confirm_timer;
	uint64_t not_before_ms;
	bool is_due;			    /* timer runs */
	json_t *told;			    /* what was found, by network: struct found's */
	char why[VS_TEXT_LEN], fib_why[80]; /* said last */
};

static void schedule(struct routes_watch *w)
{
	uint64_t now = clock_ms(), at = now + QUIET_MS;

	if (w->is_due)
		return;
	if (at < w->not_before_ms)
		at = w->not_before_ms;
	w->is_due = true;
	loop_timer_set(&w->timer, at - now, 0);
}

static bool forwards(const char *link, int family)
{
	char path[80], text[4] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%.15s/forwarding",
		 family == AF_INET ? "ipv4" : "ipv6", link);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '0';
	fclose(f);
	return text[0] != '0';
}

static void take_end(struct vifrostd *d, const struct vs_network *n, struct fastnet_end *end)
{
	struct vs_link link;

	if (!fastnet_routes(&d->networks, n) || d->sys->ops->link(d->sys, n->name, &link) ||
	    !link.is_up)
		return;
	end->ifindex = link.ifindex;
	end->mtu = link.mtu;
	memcpy(end->mac, link.mac, MAC_LEN);
	end->forwards[0] = forwards(n->name, AF_INET);
	end->forwards[1] = forwards(n->name, AF_INET6);
}

/* {"route": {"prefixes"}, "nat": {"pool"}}; a new reference, NULL: out of memory. */
static json_t *find(struct routes_watch *w, const struct vs_network *n,
		    const struct fastnet_end *ends, const struct vs_fib *fib, bool *used)
{
	const struct vs_wanted *wanted = &w->d->networks;
	const struct vs_system_ops *ops = w->d->sys->ops;
	struct vs_observed at = { 0 };
	int ifindex = ends[n - wanted->networks].ifindex;
	char why[VS_TEXT_LEN];
	json_t *found = json_pack("{s{so}}", "route", "prefixes",
				  fastnet_prefixes(wanted, n, ends, fib, used));

	if (!found || !fastnet_translates(wanted, n))
		return found;
	/* Without an address, or where nobody can say so, the kernel translates. */
	if (ifindex && ops->on_link && ops->on_link(w->d->sys, ifindex, &at, why))
		vs_observed_fini(&at);
	if (json_object_set_new(found, "nat",
				json_pack("{so}", "pool",
					  fastnet_pool_doc(wanted, n, at.addrs, at.nr_addrs)))) {
		json_decref(found);
		found = NULL;
	}
	vs_observed_fini(&at);
	return found;
}

/* Where no plan has it routed yet, nothing is said. */
static int tell_network(struct routes_watch *w, const char *name, json_t *found, char *why)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = VS_DOC_FAST_NETWORK };
	struct vs_system *sys = w->d->sys;
	uint64_t before = sys->nr_changes;
	json_t *doc = NULL;
	int rc = sys->ops->doc(sys, VS_DOC_FAST_NETWORK, name, &doc, why);
	bool is_routed = json_object_get(doc, "route");

	json_object_del(w->told, name);
	op.doc = json_deep_copy(doc);
	if (!rc && doc)
		rc = op.doc ? fastnet_keep_found(op.doc, found) : -ENOMEM;
	if (!rc && !json_equal(doc, op.doc)) {
		snprintf(op.text, sizeof(op.text), "%s", name);
		rc = sys->ops->apply(sys, &op, why);
	}
	/* No change of the policy's. */
	sys->nr_changes = before;
	if (!rc && is_routed)
		rc = json_object_set(w->told, name, found) ? -ENOMEM : 0;
	json_decref(op.doc);
	json_decref(doc);
	return rc;
}

/* Those that are reached. */
static json_t *known_of(const json_t *found)
{
	json_t *known = json_object();
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(found, "route"), "prefixes"), i, item)
		if (json_object_get(item, "via-mac"))
			json_object_set_new(known, json_string_value(json_object_get(item, "to")),
					    json_true());
	return known;
}

/*
 * What is translated waits for a neighbour that is gone, and gives the kernel no cause to look for it: so it is
 * told once to. If nobody answers, whoever next has something new for it asks.
 */
static void ask_for_lost(struct routes_watch *w, const struct fastnet_end *ends, const json_t *told,
			 const json_t *found)
{
	const struct vs_wanted *wanted = &w->d->networks;
	const json_t *old = json_object_get(json_object_get(told, "route"), "prefixes"), *item;
	json_t *known = known_of(found);
	size_t i;

	json_array_foreach (old, i, item) {
		const char *to = json_string_value(json_object_get(item, "to"));
		const char *by = json_string_value(json_object_get(item, "network"));
		const struct vs_network *n = by ? vs_wanted_network(wanted, by) : NULL;
		struct vs_fib_neigh neigh = { .family = AF_INET };

		if (!n || !to || json_object_get(known, to) ||
		    inet_pton(AF_INET, to, neigh.address) != 1)
			continue;
		neigh.ifindex = ends[n - wanted->networks].ifindex;
		if (neigh.ifindex)
			vs_fib_confirm(w->d->sys, &neigh);
	}
	json_decref(known);
}

static int renew_network(struct routes_watch *w, const struct vs_network *n,
			 const struct fastnet_end *ends, const struct vs_fib *fib, bool *used,
			 char *why)
{
	json_t *found = find(w, n, ends, fib, used);
	json_t *told = json_incref(json_object_get(w->told, n->name));
	int rc = found ? 0 : -ENOMEM;

	if (!rc && !json_equal(told, found))
		rc = tell_network(w, n->name, found, why);
	if (!rc && told && !fib->why[0] && !json_equal(told, found))
		ask_for_lost(w, ends, told, found);
	json_decref(told);
	json_decref(found);
	return rc;
}

static void confirm(struct routes_watch *w, const struct vs_fib *fib, const bool *used)
{
	for (size_t i = 0; i < fib->nr_neighs; i++)
		if (used[i] && fib->neighs[i].is_stale)
			vs_fib_confirm(w->d->sys, &fib->neighs[i]);
}

static int renew_all(struct routes_watch *w, const struct vs_fib *fib, bool is_confirmed, char *why)
{
	const struct vs_wanted *wanted = &w->d->networks;
	struct fastnet_end *ends = calloc(wanted->nr_networks + 1, sizeof(*ends));
	bool *used = calloc(fib->nr_neighs + 1, sizeof(*used));
	int rc = ends && used ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < wanted->nr_networks; i++)
		take_end(w->d, &wanted->networks[i], &ends[i]);
	for (size_t i = 0; !rc && i < wanted->nr_networks; i++)
		if (fastnet_routes(wanted, &wanted->networks[i]))
			rc = renew_network(w, &wanted->networks[i], ends, fib, used, why);
	if (!rc && is_confirmed)
		confirm(w, fib, used);
	free(ends);
	free(used);
	return rc;
}

static void log_why(struct routes_watch *w, const struct vs_fib *fib, int rc, const char *why)
{
	if (strcmp(fib->why, w->fib_why) != 0)
		log_notice("routes: %s%s",
			   fib->why[0] ? fib->why : "by vifrost-netback's switch again",
			   fib->why[0] ? ": all is routed by the kernel" : "");
	snprintf(w->fib_why, sizeof(w->fib_why), "%s", fib->why);
	if (rc && strcmp(why, w->why) != 0)
		log_warning("routes of vifrost-netback's switch: %s; tried again", why);
	snprintf(w->why, sizeof(w->why), "%s", rc ? why : "");
}

static void renew(struct routes_watch *w, bool is_confirmed)
{
	uint64_t begin = clock_ms(), end;
	char why[VS_TEXT_LEN] = "";
	struct vs_fib fib = { 0 };
	int rc;

	if (!w->events || w->d->apply.is_broken)
		return;
	rc = vs_fib_events_rest(w->events);
	if (!rc)
		rc = vs_fib_read(w->d->sys, &fib);
	if (!rc)
		rc = renew_all(w, &fib, is_confirmed, why);
	if (rc && !why[0])
		snprintf(why, sizeof(why), "%s", strerror(-rc));
	log_why(w, &fib, rc, why);
	vs_fib_fini(&fib);
	end = clock_ms();
	w->not_before_ms = end + COST_FACTOR * (end - begin);
}

static void on_event(void *arg)
{
	schedule(arg);
}

static void on_timer(void *arg)
{
	struct routes_watch *w = arg;

	w->is_due = false;
	renew(w, false);
}

/* What others did to the documents is put right as well. */
static void on_confirm_timer(void *arg)
{
	struct routes_watch *w = arg;

	json_object_clear(w->told);
	renew(w, true);
}

static json_t *doc_of(void *ctx, const char *network)
{
	struct vs_system *sys = ctx;
	char why[VS_TEXT_LEN];
	json_t *doc = NULL;

	return sys->ops->doc(sys, VS_DOC_FAST_NETWORK, network, &doc, why) ? NULL : doc;
}

json_t *routes_explain(struct vifrostd *d, const struct vs_vif *vif)
{
	const struct vs_network *n = vs_wanted_network(&d->networks, vif->network);
	const struct routes_watch *w = d->routes;

	return n && w ? fastnet_explain(&d->networks, n, vif->guest, doc_of, d->sys,
					w->fib_why[0] ? w->fib_why : w->why)
		      : NULL;
}

void routes_sync(struct vifrostd *d)
{
	if (!d->routes || !d->routes->events)
		return;
	json_object_clear(d->routes->told);
	schedule(d->routes);
}

void routes_changed(struct vifrostd *d)
{
	struct routes_watch *w = d->routes;
	bool is_needed = false;
	int rc = 0;

	if (!w)
		return;
	for (size_t i = 0; i < d->networks.nr_networks; i++)
		is_needed |= fastnet_routes(&d->networks, &d->networks.networks[i]);
	if (!is_needed) {
		vs_fib_events_close(w->events);
		w->events = NULL;
	} else if (!w->events) {
		rc = vs_fib_events_open(d->loop, on_event, w, &w->events);
	}
	if (rc)
		log_err("cannot hear of routes: %s; all is routed by the kernel", strerror(-rc));
	loop_timer_set(&w->confirm_timer, w->events ? CONFIRM_MS : 0, CONFIRM_MS);
	routes_sync(d);
}

int routes_start(struct vifrostd *d)
{
	struct routes_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return -ENOMEM;
	w->d = d;
	w->told = json_object();
	d->routes = w;
	rc = w->told ? loop_timer_add(d->loop, &w->timer, on_timer, w) : -ENOMEM;
	return rc ? rc : loop_timer_add(d->loop, &w->confirm_timer, on_confirm_timer, w);
}

void routes_stop(struct vifrostd *d)
{
	struct routes_watch *w = d->routes;

	if (!w)
		return;
	vs_fib_events_close(w->events);
	loop_timer_del(&w->timer);
	loop_timer_del(&w->confirm_timer);
	json_decref(w->told);
	free(w);
	d->routes = NULL;
}
