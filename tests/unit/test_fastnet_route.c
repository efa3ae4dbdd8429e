/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vifrost-netback's switch routes: as planned, and as the host's routes and neighbours have it. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "tests/util/plan_host.h"
#include "vswitch/array.h"
#include "vswitch/fast/rules.h"
#include "vswitch/fastnet.h"
#include "vswitch/fastnet_route.h"

#define LAN 1 /* ifindex */
#define RT  2
#define TUN 3 /* not ours */

static struct vs_fib fib;
static struct fastnet_end ends[8];

static int setup(void **state)
{
	struct plan_host *h = plan_host_open();

	memset(ends, 0, sizeof(ends));
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	vs_fib_fini(&fib);
	return plan_host_teardown(state);
}

static struct vs_network *want(struct plan_host *h, const char *name, const struct vs_mode *mode,
			       int ifindex)
{
	struct fastnet_end *end = &ends[h->wanted.nr_networks];
	struct vs_network *n = vs_wanted_add_network(&h->wanted);

	assert_non_null(n);
	strcpy(n->name, name);
	n->mode = mode;
	n->mtu = 1500;
	*end = (struct fastnet_end){ .ifindex = ifindex,
				     .mac = { 2, 0, 0, 0, 0, (uint8_t)ifindex },
				     .mtu = 1500,
				     .forwards = { true, true } };
	return n;
}

static struct vs_prefix prefix(const char *text)
{
	struct vs_prefix p = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	char copy[64], *slash;
	uint32_t len;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	p.len = p.family == AF_INET ? 32 : 128;
	if (slash) {
		*slash = '\0';
		assert_int_equal(parse_u32(slash + 1, 128, &len), 0);
		p.len = (uint8_t)len;
	}
	assert_int_equal(inet_pton(p.family, copy, p.address), 1);
	return p;
}

static void subnet(struct vs_network *n, const char *text)
{
	struct vs_subnet *s = vs_network_add_subnet(n);

	assert_non_null(s);
	s->prefix = prefix(text);
	memcpy(s->gateway, s->prefix.address, sizeof(s->gateway));
	s->gateway[s->prefix.family == AF_INET ? 3 : 15] = 1;
}

/* A LAN, and a network of guests that is routed: networks 0 and 1. */
static void want_both(struct plan_host *h)
{
	want(h, "lan", &vs_mode_fast_bridge, LAN);
	subnet(want(h, "rt0", &vs_mode_fast_route, RT), "198.51.100.0/24");
}

static struct vs_fib_route *route(const char *to, const char *via, int ifindex)
{
	struct vs_fib_route *r = array_add(&fib.routes, &fib.nr_routes, sizeof(*r));

	assert_non_null(r);
	r->to = prefix(to);
	r->is_plain = true;
	r->ifindex = ifindex;
	r->has_via = via;
	if (via)
		assert_int_equal(inet_pton(r->to.family, via, r->via), 1);
	return r;
}

static void neigh(const char *address, int ifindex, uint8_t mac)
{
	struct vs_fib_neigh *n = array_add(&fib.neighs, &fib.nr_neighs, sizeof(*n));
	struct vs_prefix p = prefix(address);

	assert_non_null(n);
	n->ifindex = ifindex;
	n->family = p.family;
	memcpy(n->address, p.address, sizeof(n->address));
	n->mac[0] = 2;
	n->mac[5] = mac;
}

static void usual_routes(void)
{
	route("0.0.0.0/0", "192.0.2.1", LAN);
	route("192.0.2.0/24", NULL, LAN);
	route("192.0.2.10", NULL, LAN)->is_plain = false;
	route("198.51.100.0/24", NULL, RT);
	neigh("192.0.2.1", LAN, 0x71);
	neigh("198.51.100.11", RT, 0x11);
}

/* "to>network:mac" or "to" where the kernel does it, each with a space behind it. */
static const char *prefixes(struct plan_host *h, size_t network)
{
	static char text[2000];
	size_t len = 0, i;
	bool *used;
	json_t *list, *item;

	vs_fib_sort(&fib);
	used = calloc(fib.nr_neighs + 1, sizeof(*used));
	assert_non_null(used);
	list = fastnet_prefixes(&h->wanted, &h->wanted.networks[network], ends, &fib, used);
	assert_non_null(list);
	text[0] = '\0';
	json_array_foreach (list, i, item) {
		const char *via = json_string_value(json_object_get(item, "via-mac"));

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
					json_string_value(json_object_get(item, "to")));
		if (via)
			len += (size_t)snprintf(text + len, sizeof(text) - len, ">%s:%s",
						json_string_value(json_object_get(item, "network")),
						via + 15);
		len += (size_t)snprintf(text + len, sizeof(text) - len, " ");
	}
	json_decref(list);
	free(used);
	return text;
}

static void test_routes_and_neighbours(void **state)
{
	want_both(*state);
	usual_routes();
	assert_string_equal(prefixes(*state, 1),
			    "0.0.0.0/0>lan:71 192.0.2.0/24 198.51.100.0/24 192.0.2.1>lan:71 ");
	assert_string_equal(prefixes(*state, 0), "198.51.100.11>rt0:11 ");
}

/* Others' links, what is not one plain way, what is longer, the host's own: the kernel's. */
static void test_what_is_the_kernels(void **state)
{
	want_both(*state);
	usual_routes();
	route("10.0.0.0/8", "10.9.9.9", TUN);
	route("10.1.0.0/16", "192.0.2.1", LAN);
	route("172.16.0.0/12", "192.0.2.1", LAN)->is_plain = false;
	route("203.0.113.0/24", "192.0.2.99", LAN); /* a neighbour that nobody knows */
	route("192.0.2.128/25", "10.9.9.9", TUN);
	neigh("192.0.2.200", LAN, 0x72);
	neigh("192.0.2.10", LAN, 0x73);
	neigh("192.0.2.50", TUN, 0x74);
	assert_string_equal(prefixes(*state, 1),
			    "0.0.0.0/0>lan:71 10.0.0.0/8 10.1.0.0/16>lan:71 172.16.0.0/12 "
			    "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 192.0.2.1>lan:71 ");
}

/* Of one prefix the least metric is the kernel's choice; of two like it, it chooses itself. */
static void test_metrics(void **state)
{
	want_both(*state);
	neigh("192.0.2.1", LAN, 0x71);
	neigh("192.0.2.2", LAN, 0x72);
	route("0.0.0.0/0", "192.0.2.1", LAN)->metric = 200;
	route("0.0.0.0/0", "192.0.2.2", LAN)->metric = 100;
	assert_string_equal(prefixes(*state, 1), "0.0.0.0/0>lan:72 ");
	route("0.0.0.0/0", "192.0.2.1", LAN)->metric = 100;
	assert_string_equal(prefixes(*state, 1), "");
}

/* Behind guests is nothing but their subnets, whatever somebody says by ARP or routes there. */
static void test_subnets_alone(void **state)
{
	want_both(*state);
	usual_routes();
	route("8.8.8.0/24", "198.51.100.11", RT);
	route("9.9.9.0/24", NULL, RT);
	neigh("9.9.9.9", RT, 0x11);
	assert_string_equal(prefixes(*state, 0), "198.51.100.11>rt0:11 ");
}

static void test_not_at_all(void **state)
{
	struct plan_host *h = *state;
	struct vs_forward *f;

	want_both(h);
	usual_routes();
	strcpy(fib.why, "rules");
	assert_string_equal(prefixes(h, 1), "");
	fib.why[0] = '\0';
	ends[1].forwards[0] = false;
	assert_string_equal(prefixes(h, 1), "");
	ends[1].forwards[0] = true;
	h->wanted.networks[0].fast.cpus[0] = 1; /* on another thread */
	h->wanted.networks[0].fast.nr_cpus = 1;
	assert_string_equal(prefixes(h, 1), "");
	assert_false(fastnet_routes(&h->wanted, &h->wanted.networks[1]));
	h->wanted.networks[0].fast.nr_cpus = 0;
	assert_true(fastnet_routes(&h->wanted, &h->wanted.networks[1]));
	f = vs_wanted_add_forward(&h->wanted);
	assert_non_null(f);
	strcpy(f->network, "rt0"); /* its answers are translated back */
	assert_false(fastnet_routes(&h->wanted, &h->wanted.networks[1]));
	assert_false(fastnet_routes(&h->wanted, &h->wanted.networks[0]));
	assert_string_equal(prefixes(h, 1), "");
}

static void test_translated_is_the_kernels(void **state)
{
	struct plan_host *h = *state;

	want(h, "lan", &vs_mode_fast_bridge, LAN);
	subnet(want(h, "nat0", &vs_mode_fast_nat, RT), "198.51.100.0/24");
	usual_routes();
	assert_false(fastnet_routes(&h->wanted, &h->wanted.networks[0]));
	assert_string_equal(prefixes(h, 0), "");
	assert_string_equal(prefixes(h, 1), "");
}

/* ---- Plans ---- */

static json_t *route_of(struct plan_host *h, const char *name)
{
	return json_object_get(vs_observed_doc(&h->fake->model, VS_DOC_FAST_NETWORK, name),
			       "route");
}

/* Prefixes that have come meanwhile are no drift, and stay when the rest changes. */
static void test_prefixes_are_kept(void **state)
{
	struct plan_host *h = *state;
	json_t *list;

	want_both(h);
	h->wanted.networks[0].has_uplink = true;
	strcpy(h->wanted.networks[0].uplink.name, "eth0");
	plan_host_apply(h);
	list = json_object_get(route_of(h, "rt0"), "prefixes");
	assert_true(json_is_array(list));
	assert_int_equal(json_array_size(list), 0);
	assert_null(json_object_get(route_of(h, "rt0"), "firewall"));
	assert_non_null(route_of(h, "lan"));
	json_array_append_new(list, json_pack("{ss}", "to", "10.0.0.0/8"));
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
	h->wanted.firewall.given = true;
	plan_host_apply(h);
	list = json_object_get(route_of(h, "rt0"), "prefixes");
	assert_int_equal(json_array_size(list), 1);
	assert_true(json_is_object(json_object_get(route_of(h, "rt0"), "firewall")));
	assert_null(json_object_get(route_of(h, "lan"), "firewall"));
}

/* ---- The firewall ---- */

static struct vs_rule *rule(struct plan_host *h, enum vs_verdict action)
{
	struct vs_rule *r = vs_wanted_add_rule(&h->wanted);

	assert_non_null(r);
	r->action = action;
	return r;
}

static void peer(struct vs_peer **peers, size_t *nr, enum vs_peer_kind kind, const char *name)
{
	struct vs_peer *p = array_add(peers, nr, sizeof(*p));

	assert_non_null(p);
	p->kind = kind;
	snprintf(p->name, sizeof(p->name), "%s", name);
}

static char *rules_of(struct plan_host *h)
{
	json_t *doc = fastnet_route_doc(&h->wanted, &h->wanted.networks[1]);
	const json_t *spec = json_object_get(doc, "firewall");
	struct fast_rules *compiled;
	char why[FAST_WHY_MAX] = "", *text;

	assert_non_null(spec);
	if (fast_rules_compile(spec, &compiled, why))
		fail_msg("%s", why);
	fast_rules_destroy(compiled);
	text = json_dumps(json_object_get(spec, "rules"), JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(doc);
	return text;
}

static void expect_rules(struct plan_host *h, const char *want)
{
	char *text = rules_of(h);

	assert_string_equal(text, want);
	free(text);
}

/* What only the kernel can tell lets nobody through, and refuses all whom it may mean. */
static void test_rules_refuse_rather(void **state)
{
	struct plan_host *h = *state;
	struct vs_address_set *set;
	struct vs_rule *r;

	want_both(h);
	h->wanted.firewall.given = true;
	set = vs_wanted_add_set(&h->wanted);
	assert_non_null(set);
	strcpy(set->name, "names");
	set->nr_fqdns = 1;
	set->fqdns = calloc(1, sizeof(*set->fqdns));
	r = rule(h, VS_ACCEPT);
	peer(&r->from, &r->nr_from, VS_PEER_NETWORK, "rt0");
	r = rule(h, VS_DROP);
	peer(&r->to, &r->nr_to, VS_PEER_NETWORK, "rt0");
	r->protocol = IPPROTO_TCP;
	r->ports[r->nr_ports++] = (struct vs_port_range){ 22, 23 };
	r = rule(h, VS_ACCEPT);
	peer(&r->to, &r->nr_to, VS_PEER_NETWORK, "lan"); /* a device's, which has no prefix */
	r = rule(h, VS_ACCEPT);
	peer(&r->to, &r->nr_to, VS_PEER_SET, "names");
	r = rule(h, VS_REJECT);
	peer(&r->to, &r->nr_to, VS_PEER_SET, "names");
	r = rule(h, VS_ACCEPT);
	r->log = true;
	r = rule(h, VS_DROP);
	peer(&r->to, &r->nr_to, VS_PEER_HOST, "");
	expect_rules(h, "[{\"accept\":true,\"from\":[\"198.51.100.0/24\"]},"
			"{\"accept\":false,\"ports\":[[22,23]],\"protocol\":6},"
			"{\"accept\":false},{\"accept\":false}]");
}

/* A guest of the LAN is a guest, not the world. */
static void test_guests_elsewhere(void **state)
{
	struct plan_host *h = *state;
	struct vs_entry *e;

	want_both(h);
	h->wanted.firewall = (struct vs_firewall){ .given = true, .guest_to_guest = VS_DROP };
	for (int i = 0; i < 2; i++) {
		e = vs_wanted_add_entry(&h->wanted);
		assert_non_null(e);
		strcpy(e->network, i ? "rt0" : "lan");
		e->addrs[e->nr_addrs++] = prefix(i ? "198.51.100.11" : "192.0.2.21");
	}
	expect_rules(h, "[{\"accept\":false,\"to\":[\"192.0.2.21\"]},"
			"{\"accept\":false,\"from\":[\"192.0.2.21\"]}]");
	h->wanted.firewall.guest_to_guest = VS_ACCEPT;
	expect_rules(h, "[]");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_routes_and_neighbours),
		T(test_what_is_the_kernels),
		T(test_metrics),
		T(test_subnets_alone),
		T(test_not_at_all),
		T(test_translated_is_the_kernels),
		T(test_prefixes_are_kept),
		T(test_rules_refuse_rather),
		T(test_guests_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
