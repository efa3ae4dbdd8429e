/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vifrost explain` says of who routes and translates: each reason that the kernel has to. */
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
#include "vswitch/fastnet.h"
#include "vswitch/fastnet_explain.h"

/* A LAN, and a network that is translated to it: networks 0 and 1. */
static struct vs_network *want_nat(struct plan_host *h)
{
	struct vs_network *n;

	plan_host_want(h, "lan", &vs_mode_fast_bridge);
	n = plan_host_want(h, "nat0", &vs_mode_fast_nat);
	plan_host_want_subnet(n, "198.51.100.0", 24, "198.51.100.1");
	return n;
}

static struct vs_prefix address(const char *text)
{
	struct vs_prefix p = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	p.len = p.family == AF_INET ? 32 : 128;
	assert_int_equal(inet_pton(p.family, text, p.address), 1);
	return p;
}

static struct vs_forward *last_forward(struct plan_host *h)
{
	return &h->wanted.forwards[h->wanted.nr_forwards - 1];
}

static void forward(struct plan_host *h, uint8_t protocol, uint16_t first, uint16_t last)
{
	struct vs_forward *f = vs_wanted_add_forward(&h->wanted);

	assert_non_null(f);
	strcpy(f->name, "f");
	strcpy(f->network, "nat0");
	f->protocol = protocol;
	f->ports = (struct vs_port_range){ first, last };
	f->to4 = address("198.51.100.11");
}

static json_t *bridge_doc(void *ctx, const char *network)
{
	assert_string_equal(network, "lan");
	return json_incref(ctx);
}

static void expect_explained(struct plan_host *h, const char *network, json_t *doc,
			     const char *host_why, const char *want)
{
	const struct vs_network *n = vs_wanted_network(&h->wanted, network);
	json_t *got;
	char *text;

	assert_non_null(n);
	got = fastnet_explain(&h->wanted, n, "web", bridge_doc, doc, host_why);
	text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	json_decref(got);
}

#define NAT_DOC(pool)  "{\"nat\":{\"ports\":[61000,65535],\"pool\":[" pool "]}}"
#define BY_KERNEL(why) "{\"by\":\"kernel\",\"why\":\"" why "\"}"
#define NAT_KERNELS                                                                                \
	"[\"IPv6\",\"fragments\",\"protocols other than TCP, UDP and ICMP's echoes\","             \
	"\"what guests and the host say to forwards\","                                            \
	"\"connections that began before, or leave by another link\"]"

static void test_explained(void **state)
{
	json_t *doc = json_loads(NAT_DOC("{\"address\":\"192.0.2.10\"}"), 0, NULL);
	json_t *bare = json_loads(NAT_DOC(""), 0, NULL);
	struct plan_host *h = *state;
	struct vs_network *nat;

	nat = want_nat(h);
	expect_explained(h, "nat0", doc, "",
			 "{\"address\":\"192.0.2.10\",\"by\":\"user space\",\"kernel\":" NAT_KERNELS
			 ",\"networks\":[\"lan\"],\"ports\":\"61000-65535\"}");
	expect_explained(h, "nat0", bare, "",
			 BY_KERNEL("lan has no address of IPv4 to translate to"));
	expect_explained(h, "nat0", NULL, "", BY_KERNEL("vifrost-netback's switch has no lan"));
	expect_explained(h, "nat0", doc, "the host has rules", BY_KERNEL("the host has rules"));
	assert_null(
		fastnet_explain(&h->wanted, &h->wanted.networks[0], "web", bridge_doc, doc, ""));
	strcpy(nat->egress.network, "eth9");
	expect_explained(h, "nat0", doc, "",
			 BY_KERNEL("it leaves by eth9, which is no bridge with an uplink on such a "
				   "datapath"));
	nat->egress.network[0] = '\0';
	nat->fast.nr_cpus = 1;
	expect_explained(h, "nat0", doc, "",
			 BY_KERNEL("its pmd-cpus are not lan's: give both the same"));
	nat->fast.nr_cpus = 0;
	nat->fast.has_fallen = true;
	expect_explained(h, "nat0", doc, "",
			 BY_KERNEL("the network has fallen back to the kernel"));
	nat->fast.has_fallen = false;
	forward(h, IPPROTO_TCP, 61100, 61200);
	strcpy(last_forward(h)->network, "elsewhere");
	forward(h, IPPROTO_TCP, 61300, 65400);
	strcpy(last_forward(h)->network, "elsewhere");
	expect_explained(
		h, "nat0", doc, "",
		BY_KERNEL("forwards and host.management's services leave no 256 ports in a "
			  "row from 61000 on: have them listen below"));
	h->wanted.networks[0].mode = &vs_mode_bridge;
	expect_explained(h, "nat0", doc, "",
			 BY_KERNEL("no bridge with an uplink is on such a datapath"));
	json_decref(doc);
	json_decref(bare);
}

#define NAMED(name, by, more) "{\"by\":\"" by "\",\"name\":\"" name "\"" more "}"
#define WHY(why)	      ",\"why\":\"" why "\""

static void test_explained_forwards(void **state)
{
	static const char *const names[] = { "web", "dns", "v6", "else", "names", "other" };
	json_t *doc = json_loads(NAT_DOC("{\"address\":\"192.0.2.10\"}"), 0, NULL);
	struct plan_host *h = *state;
	struct vs_peer *host;

	want_nat(h);
	for (uint16_t i = 0; i < 6; i++) {
		forward(h, i == 1 ? IPPROTO_UDP : IPPROTO_TCP, (uint16_t)(80 + i),
			(uint16_t)(80 + i));
		strcpy(last_forward(h)->name, names[i]);
		strcpy(last_forward(h)->guest, i < 5 ? "web" : "mail");
	}
	h->wanted.forwards[2].listen = address("2001:db8::10");
	h->wanted.forwards[3].listen = address("192.0.2.11");
	host = array_add(&h->wanted.forwards[4].allow_from, &h->wanted.forwards[4].nr_allow_from,
			 sizeof(*host));
	assert_non_null(host);
	host->kind = VS_PEER_HOST;
	expect_explained(
		h, "nat0", doc, "",
		"{\"address\":\"192.0.2.10\",\"by\":\"user space\",\"forwards\":[" NAMED("web", "user space", "") "," NAMED("dns", "kernel", WHY("only the kernel can tell a first datagram from an answer to the host")) "," NAMED(
			"v6", "kernel",
			WHY("it is of IPv6")) "," NAMED("else", "kernel",
							WHY("it listens at another address than what leaves has")) "," NAMED("names",
															     "kernel",
															     WHY("allow-from names nobody by an address")) "],\"kernel\":" NAT_KERNELS
																					   ",\"networks\":[\"lan\"],\"ports\":\"61000-65535\"}");
	h->wanted.nr_forwards = 1;
	h->wanted.networks[1].egress.source4 = address("192.0.2.10");
	expect_explained(
		h, "nat0", doc, "",
		"{\"address\":\"192.0.2.10\",\"by\":\"user space\",\"forwards\":[" NAMED(
			"web", "kernel",
			WHY("it listens at the host's addresses, and what leaves has the network's "
			    "source: give listen.address")) "],\"kernel\":" NAT_KERNELS
							    ",\"networks\":[\"lan\"],\"ports\":\"61000-65535\"}");
	h->wanted.networks[0].mode = &vs_mode_bridge;
	expect_explained(
		h, "nat0", doc, "",
		"{\"by\":\"kernel\",\"forwards\":[" NAMED(
			"web", "kernel",
			WHY("as all of this network")) "],\"why\":\"no bridge with an uplink is on such a datapath\"}");
	h->wanted.nr_forwards = 6;
	json_decref(doc);
}

static void test_explained_routes(void **state)
{
	struct plan_host *h = *state;

	plan_host_want(h, "lan", &vs_mode_fast_bridge);
	plan_host_want_subnet(plan_host_want(h, "rt0", &vs_mode_fast_route), "198.51.100.0", 24,
			      "198.51.100.1");
	expect_explained(
		h, "rt0", NULL, "",
		"{\"by\":\"user space\",\"kernel\":[\"what is for the host, or networks of "
		"mode nat\",\"what has no resolved neighbour, no TTL left or is too big\","
		"\"what the firewall refuses, logs or knows by a name or a link\"],"
		"\"networks\":[\"lan\"]}");
	expect_explained(h, "rt0", NULL, "rules", BY_KERNEL("rules"));
	forward(h, IPPROTO_TCP, 80, 80);
	strcpy(last_forward(h)->network, "rt0");
	strcpy(last_forward(h)->guest, "web");
	expect_explained(
		h, "rt0", NULL, "",
		"{\"by\":\"kernel\",\"forwards\":[" NAMED(
			"f", "kernel",
			WHY("as all of this network")) "],\"why\":\"forwards lead to it, whose answers the kernel has to see\"}");
	strcpy(last_forward(h)->network, "elsewhere");
	h->wanted.networks[0].mode = &vs_mode_bridge;
	expect_explained(
		h, "rt0", NULL, "",
		BY_KERNEL("no bridge with an uplink, and no other network of mode route, is "
			  "on such a datapath with the same pmd-cpus"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, plan_host_setup, plan_host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_explained),
		T(test_explained_forwards),
		T(test_explained_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
