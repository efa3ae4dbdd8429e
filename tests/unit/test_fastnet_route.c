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
#include "vswitch/fast/nat.h"
#include "vswitch/fast/rules.h"
#include "vswitch/fastnet.h"
#include "vswitch/fastnet_nat.h"
#include "vswitch/fastnet_route.h"
#include "vswitch/ports.h"

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
	struct vs_network *n = plan_host_want(h, name, mode);

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

/* ---- Translated ---- */

static struct vs_network *want_nat(struct plan_host *h)
{
	struct vs_network *n;

	want(h, "lan", &vs_mode_fast_bridge, LAN);
	n = want(h, "nat0", &vs_mode_fast_nat, RT);
	subnet(n, "198.51.100.0/24");
	subnet(n, "fd00:20::/64");
	return n;
}

static void forward(struct plan_host *h, uint8_t protocol, uint16_t first, uint16_t last,
		    uint16_t to_port)
{
	struct vs_forward *f = vs_wanted_add_forward(&h->wanted);

	assert_non_null(f);
	strcpy(f->name, "f");
	strcpy(f->network, "nat0");
	f->protocol = protocol;
	f->ports = (struct vs_port_range){ first, last };
	f->to4 = prefix("198.51.100.11");
	f->to_port = to_port;
}

static void expect_json(json_t *got, const char *want)
{
	char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	json_decref(got);
}

static void expect_pool(struct plan_host *h, unsigned int first, unsigned int last)
{
	struct vs_port_range pool;

	assert_true(fastnet_pool(&h->wanted, &pool));
	assert_int_equal(pool.first, first);
	assert_int_equal(pool.last, last);
}

/* IPv4, by the bridge that translates, whatever forwards there are; to others' guests by the kernel. */
static void test_translated(void **state)
{
	struct plan_host *h = *state;

	want_nat(h);
	usual_routes();
	route("::/0", "2001:db8::1", LAN);
	neigh("2001:db8::1", LAN, 0x71);
	neigh("fd00:20::11", RT, 0x11);
	route("fd00:20::/64", NULL, RT);
	forward(h, IPPROTO_TCP, 8080, 8080, 80);
	assert_true(fastnet_routes(&h->wanted, &h->wanted.networks[0]));
	assert_string_equal(prefixes(h, 0), "198.51.100.11>nat0:11 ");
	assert_string_equal(prefixes(h, 1),
			    "0.0.0.0/0>lan:71 192.0.2.0/24 198.51.100.0/24 192.0.2.1>lan:71 ");
	subnet(want(h, "rt0", &vs_mode_fast_route, TUN), "203.0.113.0/24");
	route("203.0.113.0/24", NULL, TUN);
	neigh("203.0.113.5", TUN, 0x25);
	assert_string_equal(prefixes(h, 0), "198.51.100.11>nat0:11 203.0.113.5>rt0:25 ");
	assert_null(strstr(prefixes(h, 1), "rt0"));
	assert_null(strstr(prefixes(h, 2), "nat0"));
	strcpy(h->wanted.networks[1].egress.network, "elsewhere");
	assert_false(fastnet_translates(&h->wanted, &h->wanted.networks[0]));
	assert_string_equal(prefixes(h, 1), "");
	assert_null(strstr(prefixes(h, 0), "nat0"));
}

/* One source for a bridge: who has another is the kernel's. */
static void test_sources(void **state)
{
	struct plan_host *h = *state;
	struct vs_link_addr addrs[3] = { { .addr = { .family = AF_INET6 } },
					 { .addr = { .family = AF_INET, .scope = 253 } },
					 { .addr = { .family = AF_INET,
						     .local = { 192, 0, 2, 10 } } } };
	struct vs_network *n;

	want_nat(h);
	n = want(h, "nat1", &vs_mode_fast_nat, 0);
	subnet(n, "10.1.0.0/16");
	n->egress.source4 = prefix("192.0.2.11");
	assert_true(
		fastnet_translates_for(&h->wanted, &h->wanted.networks[0], &h->wanted.networks[1]));
	assert_false(fastnet_translates_for(&h->wanted, &h->wanted.networks[0], n));
	assert_false(fastnet_translates_for(&h->wanted, &h->wanted.networks[1], n));
	forward(h, IPPROTO_UDP, 8000, 8009, 53);
	expect_json(
		fastnet_nat_doc(&h->wanted, &h->wanted.networks[0]),
		"{\"flows\":131072,\"flows-per-guest\":16384,\"forwards\":[],\"inside\":[\"198.51.100.0/24\"],\"kernel\":[{\"address\":\"198.51.100.11\","
		"\"ports\":[53,62],\"protocol\":17}],\"pool\":[],\"ports\":[61000,65535]}");
	expect_json(fastnet_pool_doc(&h->wanted, &h->wanted.networks[0], addrs, 2), "[]");
	expect_json(fastnet_pool_doc(&h->wanted, &h->wanted.networks[0], addrs, 3),
		    "[{\"address\":\"192.0.2.10\",\"shared\":true}]");
	h->wanted.networks[1].egress.source4 = prefix("192.0.2.11");
	assert_true(fastnet_translates_for(&h->wanted, &h->wanted.networks[0], n));
	expect_json(fastnet_pool_doc(&h->wanted, &h->wanted.networks[0], addrs, 3),
		    "[{\"address\":\"192.0.2.11\",\"shared\":true}]");
}

/* Not where a forward or a service of the host listens. */
static void test_pool(void **state)
{
	struct plan_host *h = *state;
	struct vs_port_range pool;

	assert_false(fastnet_pool(&h->wanted, &pool));
	want_nat(h);
	expect_pool(h, 61000, 65535);
	forward(h, IPPROTO_TCP, 65000, 65000, 80);
	expect_pool(h, 61000, 64999);
	forward(h, IPPROTO_TCP, 60000, 61000, 0);
	expect_pool(h, 61001, 64999);
	forward(h, IPPROTO_TCP, 61001, 61009, 0);
	forward(h, IPPROTO_UDP, 61005, 63000, 0);
	expect_pool(h, 63001, 64999);
	h->wanted.management.services[h->wanted.management.nr_services++].ports =
		(struct vs_port_range){ 63002, 64998 };
	expect_pool(h, 65001, 65535);
	forward(h, IPPROTO_UDP, 65200, 65535, 0);
	assert_false(fastnet_pool(&h->wanted, &pool));
	assert_false(fastnet_translates(&h->wanted, &h->wanted.networks[0]));
	assert_false(fastnet_routes(&h->wanted, &h->wanted.networks[1]));
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

static size_t step_of(struct plan_host *h, unsigned int kind, const char *name)
{
	for (size_t i = 0; i < h->plan.nr; i++)
		if (h->plan.steps[i].op.kind == VS_OP_DOC && h->plan.steps[i].op.index == kind &&
		    !strcmp(h->plan.steps[i].op.text, name))
			return i;
	fail_msg("no step for %s", name);
	return 0;
}

static bool has_rule(struct plan_host *h, const char *end)
{
	json_t *doc = vs_observed_doc(&h->fake->model, VS_DOC_NFT, "inet vifrost-nat"), *rule;
	size_t i;

	json_array_foreach (json_object_get(doc, "rules"), i, rule) {
		const char *text = json_string_value(json_object_get(rule, "rule"));

		if (strlen(text) > strlen(end) && !strcmp(text + strlen(text) - strlen(end), end))
			return true;
	}
	return false;
}

/* Ports are kept from the kernel before the switch has them, and given back after it. */
static void test_ports_are_taken(void **state)
{
	struct plan_host *h = *state;
	char text[VS_OP_TEXT_LEN];
	json_t *nat;

	want_nat(h);
	h->wanted.networks[0].has_uplink = true;
	strcpy(h->wanted.networks[0].uplink.name, "eth0");
	assert_int_equal(plan_host_plan(h), 0);
	assert_true(step_of(h, VS_DOC_NFT, "inet vifrost-nat") <
		    step_of(h, VS_DOC_FAST_NETWORK, "lan"));
	assert_true(step_of(h, VS_DOC_PORTS, PORTS_HOST) < step_of(h, VS_DOC_FAST_NETWORK, "lan"));
	vs_op_text(&h->plan.steps[step_of(h, VS_DOC_FAST_NETWORK, "lan")].op, text);
	assert_string_equal(text, "set vifrost-netback's switch lan, which translates what leaves "
				  "198.51.100.0/24");
	vs_op_text(&h->plan.steps[step_of(h, VS_DOC_PORTS, PORTS_HOST)].op, text);
	assert_string_equal(text, "keep ports 61000-65535 from the host's sockets, to translate to "
				  "them in user space");
	plan_host_apply(h);
	assert_true(has_rule(h, "masquerade to :1024-60999"));
	expect_json(json_incref(vs_observed_doc(&h->fake->model, VS_DOC_PORTS, PORTS_HOST)),
		    "{\"ports\":[61000,65535]}");
	nat = json_object_get(vs_observed_doc(&h->fake->model, VS_DOC_FAST_NETWORK, "lan"), "nat");
	json_array_append_new(json_object_get(nat, "pool"),
			      json_pack("{ss}", "address", "192.0.2.10"));
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
	h->wanted.networks[1].egress.source4 = prefix("192.0.2.11");
	plan_host_apply(h);
	assert_true(has_rule(h, "snat ip to 192.0.2.11:1024-60999"));
	h->wanted.networks[1].mode = &vs_mode_nat;
	assert_int_equal(plan_host_plan(h), 0);
	assert_true(step_of(h, VS_DOC_PORTS, PORTS_HOST) > step_of(h, VS_DOC_FAST_NETWORK, "lan"));
	plan_host_apply(h);
	assert_null(vs_observed_doc(&h->fake->model, VS_DOC_PORTS, PORTS_HOST));
	assert_true(has_rule(h, "snat ip to 192.0.2.11"));
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

static struct vs_forward *last_forward(struct plan_host *h)
{
	return &h->wanted.forwards[h->wanted.nr_forwards - 1];
}

static void expect_forwards(struct plan_host *h, const char *want)
{
	json_t *doc = fastnet_nat_doc(&h->wanted, &h->wanted.networks[0]);

	assert_non_null(doc);
	expect_json(json_incref(json_object_get(doc, "forwards")), want);
	json_decref(doc);
}

#define DONE(first, last, to, more)                                                                \
	"{" more "\"ports\":[" #first "," #last "],\"protocol\":6,\"to\":\"198.51.100.11\","       \
	"\"to-port\":" #to "}"

/* Those that user space does, at any or one address; others are the kernel's, answers of all that it does as well. */
static void test_forwards(void **state)
{
	struct plan_host *h = *state;
	char text[VS_OP_TEXT_LEN];
	json_t *doc;

	want_nat(h);
	forward(h, IPPROTO_TCP, 8080, 8080, 80);
	forward(h, IPPROTO_TCP, 9000, 9009, 0);
	last_forward(h)->listen = prefix("192.0.2.10");
	last_forward(h)->hairpin = true;
	expect_forwards(h, "[" DONE(8080, 8080, 80, "") "," DONE(
				   9000, 9009, 9000, "\"address\":\"192.0.2.10\",") "]");
	forward(h, IPPROTO_UDP, 53, 53, 0);
	forward(h, IPPROTO_TCP, 443, 443, 0);
	last_forward(h)->listen = prefix("2001:db8::10");
	forward(h, IPPROTO_TCP, 444, 444, 0);
	last_forward(h)->to4.family = 0;
	last_forward(h)->to6 = prefix("fd00:20::11");
	forward(h, IPPROTO_TCP, 445, 445, 0);
	strcpy(last_forward(h)->network, "elsewhere");
	expect_forwards(h, "[" DONE(8080, 8080, 80, "") "," DONE(
				   9000, 9009, 9000, "\"address\":\"192.0.2.10\",") "]");
	doc = fastnet_network_doc(&h->wanted, &h->wanted.networks[0], ends[0].mac, NULL);
	assert_int_equal(json_array_size(json_object_get(json_object_get(doc, "nat"), "kernel")),
			 4);
	vs_op_text(&(struct vs_op){ .kind = VS_OP_DOC,
				    .index = VS_DOC_FAST_NETWORK,
				    .text = "lan",
				    .doc = doc },
		   text);
	assert_string_equal(text, "set vifrost-netback's switch lan, which translates what leaves "
				  "198.51.100.0/24 and forwards TCP port 8080, 9000-9009");
	json_decref(doc);
	/* At any address of the host's is not at one that is translated to, whosever that is. */
	h->wanted.networks[1].egress.source4 = prefix("192.0.2.10");
	expect_forwards(h, "[" DONE(9000, 9009, 9000, "\"address\":\"192.0.2.10\",") "]");
}

/* More than the switch does: the others are the kernel's, and the ends of all are said. */
static void test_many_forwards(void **state)
{
	struct plan_host *h = *state;
	char why[FAST_WHY_MAX], text[VS_OP_TEXT_LEN];
	json_t *doc, *network;
	struct fast_nat *nat;

	want_nat(h);
	for (uint16_t i = 0; i < 3000; i++)
		forward(h, i % 2 ? IPPROTO_UDP : IPPROTO_TCP, (uint16_t)(1000 + i),
			(uint16_t)(1000 + i), 0);
	doc = fastnet_nat_doc(&h->wanted, &h->wanted.networks[0]);
	assert_int_equal(json_array_size(json_object_get(doc, "forwards")), 1024);
	assert_int_equal(json_array_size(json_object_get(doc, "kernel")), 3000);
	network = fastnet_network_doc(&h->wanted, &h->wanted.networks[0], ends[0].mac, NULL);
	vs_op_text(&(struct vs_op){ .kind = VS_OP_DOC,
				    .index = VS_DOC_FAST_NETWORK,
				    .text = "lan",
				    .doc = network },
		   text);
	assert_int_equal(strlen(text), VS_OP_TEXT_LEN - 1);
	assert_string_equal(text + VS_OP_TEXT_LEN - 4, "...");
	json_decref(network);
	assert_int_equal(
		json_object_set_new(doc, "pool",
				    json_pack("[{ss sb}]", "address", "192.0.2.10", "shared", 1)),
		0);
	assert_int_equal(fast_nat_create(doc, &nat, why), 0);
	fast_nat_destroy(nat);
	json_decref(doc);
}

/* Whom the kernel knows by a name or another link is its own; who comes by this one is known. */
static void test_forwards_from(void **state)
{
	struct plan_host *h = *state;
	struct vs_address_set *set;
	struct vs_forward *f;

	want_nat(h);
	forward(h, IPPROTO_TCP, 8080, 8080, 80);
	f = last_forward(h);
	set = vs_wanted_add_set(&h->wanted);
	assert_non_null(set);
	strcpy(set->name, "names");
	set->nr_fqdns = 1;
	set->fqdns = calloc(1, sizeof(*set->fqdns));
	peer(&f->allow_from, &f->nr_allow_from, VS_PEER_SET, "names");
	peer(&f->allow_from, &f->nr_allow_from, VS_PEER_NETWORK, "nat0");
	peer(&f->allow_from, &f->nr_allow_from, VS_PEER_HOST, "");
	expect_forwards(h, "[]");
	peer(&f->allow_from, &f->nr_allow_from, VS_PEER_PREFIX, "");
	f->allow_from[3].prefix = prefix("203.0.113.0/24");
	peer(&f->allow_from, &f->nr_allow_from, VS_PEER_PREFIX, "");
	f->allow_from[4].prefix = prefix("2001:db8::/32");
	expect_forwards(h, "[" DONE(8080, 8080, 80, "\"from\":[\"203.0.113.0/24\"],") "]");
	peer(&f->allow_from, &f->nr_allow_from, VS_PEER_NETWORK, "lan");
	expect_forwards(h, "[" DONE(8080, 8080, 80, "") "]");
}

/* What is forwarded passes behind the policy's rules, whatever the defaults say; as the kernel has it. */
static void test_forwards_pass(void **state)
{
	struct plan_host *h = *state;
	struct vs_entry *e;
	struct vs_rule *r;

	want_nat(h);
	h->wanted.firewall = (struct vs_firewall){ .given = true,
						   .guest_to_guest = VS_DROP,
						   .ingress = VS_DROP };
	e = vs_wanted_add_entry(&h->wanted);
	assert_non_null(e);
	strcpy(e->network, "lan");
	e->addrs[e->nr_addrs++] = prefix("192.0.2.21");
	forward(h, IPPROTO_TCP, 9000, 9009, 90);
	forward(h, IPPROTO_UDP, 9000, 9009, 90);
	r = rule(h, VS_DROP);
	r->protocol = IPPROTO_TCP;
	r->ports[r->nr_ports++] = (struct vs_port_range){ 90, 91 };
	expect_rules(
		h,
		"[{\"accept\":false,\"ports\":[[90,91]],\"protocol\":6},"
		"{\"accept\":true,\"ports\":[[90,99]],\"protocol\":6,\"to\":[\"198.51.100.11\"]},"
		"{\"accept\":false,\"to\":[\"192.0.2.21\"]},"
		"{\"accept\":false,\"from\":[\"192.0.2.21\"]}]");
	strcpy(h->wanted.networks[1].egress.network, "elsewhere");
	expect_rules(h, "[{\"accept\":false,\"ports\":[[90,91]],\"protocol\":6},"
			"{\"accept\":false,\"to\":[\"192.0.2.21\"]},"
			"{\"accept\":false,\"from\":[\"192.0.2.21\"]}]");
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
		T(test_translated),
		T(test_sources),
		T(test_pool),
		T(test_ports_are_taken),
		T(test_prefixes_are_kept),
		T(test_forwards),
		T(test_many_forwards),
		T(test_forwards_from),
		T(test_forwards_pass),
		T(test_rules_refuse_rather),
		T(test_guests_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
