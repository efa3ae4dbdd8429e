/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy as vswitch is asked for it: nothing lost, nothing added. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <cmocka.h>

#include "policy/wanted.h"

static const char text[] =
	"version: 1\n"
	"host: { forwarding: { ipv4: true }, unmanaged: [docker0, \"wg*\"] }\n"
	"uplinks:\n"
	"  u: { match: { mac: \"52:54:00:aa:bb:01\", pci: \"0000:3B:00.0\", driver: \"ix*\", name: e0 }, mtu: 9000 }\n"
	"networks:\n"
	"  xenbr0:\n"
	"    mode: bridge\n"
	"    uplink: u\n"
	"    mtu: 1500\n"
	"    stp: true\n"
	"    addresses: [192.0.2.10/24, \"2001:db8::10/64\", \"fe80::1/64\"]\n"
	"    routes:\n"
	"      - { to: default, via: 192.0.2.1 }\n"
	"      - { to: \"2001:db8:1::/48\", via: \"2001:db8::1\" }\n"
	"      - { to: 198.51.100.0/24, via: 192.0.2.2, metric: 7 }\n"
	"  bare: { mode: bridge }\n"
	"guests:\n"
	"  g: { vifs: [ { devid: 1, network: xenbr0, mtu: 1400, isolation: port } ] }\n";

static struct policy *load(void)
{
	struct diags ds = { 0 };
	struct policy *p;

	assert_int_equal(pol_load_text("f", text, strlen(text), &ds, &p), 0);
	diags_fini(&ds);
	return p;
}

static void assert_bytes(const uint8_t *bytes, int family, const char *address)
{
	uint8_t want[16] = { 0 };

	assert_int_equal(inet_pton(family, address, want), 1);
	assert_memory_equal(bytes, want, sizeof(want));
}

static void host(void **state)
{
	struct policy *p = load();
	struct vs_wanted w;

	(void)state;
	vs_wanted_init(&w);
	assert_int_equal(pol_wanted(p, "this host", &w), 0);
	assert_int_equal(w.forwarding4, 1);
	assert_int_equal(w.forwarding6, -1);
	assert_string_equal(w.host_id, "this host");
	assert_int_equal(w.nr_unmanaged, 2);
	assert_string_equal(w.unmanaged[1], "wg*");
	assert_int_equal(w.nr_networks, 2);
	assert_int_equal(w.nr_vifs, 0);
	vs_wanted_fini(&w);
	pol_free(p);
}

static void network(void **state)
{
	struct policy *p = load();
	struct vs_wanted w;
	const struct vs_network *n;

	(void)state;
	vs_wanted_init(&w);
	assert_int_equal(pol_wanted(p, "h", &w), 0);
	n = &w.networks[0];
	assert_string_equal(n->name, "xenbr0");
	assert_ptr_equal(n->mode, &vs_mode_bridge);
	assert_int_equal(n->place.line, 6);
	assert_string_equal(n->place.file, "f");
	assert_true(n->has_uplink);
	assert_string_equal(n->uplink_name, "u");
	assert_int_equal(n->uplink_place.line, 4);
	assert_true(n->uplink.has_mac);
	assert_int_equal(n->uplink.mac[5], 1);
	assert_string_equal(n->uplink.pci, "0000:3b:00.0");
	assert_string_equal(n->uplink.driver, "ix*");
	assert_string_equal(n->uplink.name, "e0");
	assert_int_equal(n->uplink_mtu, 9000);
	assert_int_equal(n->mtu, 1500);
	assert_true(n->stp);
	n = &w.networks[1];
	assert_false(n->has_uplink);
	assert_false(n->stp);
	assert_int_equal(n->mtu, 1500);
	assert_int_equal(n->nr_addrs + n->nr_routes, 0);
	vs_wanted_fini(&w);
	pol_free(p);
}

static void addresses_and_routes(void **state)
{
	struct policy *p = load();
	struct vs_wanted w;
	const struct vs_network *n;

	(void)state;
	vs_wanted_init(&w);
	assert_int_equal(pol_wanted(p, "h", &w), 0);
	n = &w.networks[0];
	assert_int_equal(n->nr_addrs, 3);
	assert_bytes(n->addrs[0].local, AF_INET, "192.0.2.10");
	assert_bytes(n->addrs[0].peer, AF_INET, "192.0.2.10");
	assert_int_equal(n->addrs[0].prefix_len, 24);
	assert_int_equal(n->addrs[0].scope, RT_SCOPE_UNIVERSE);
	assert_true(n->addrs[0].valid_s == UINT32_MAX);
	assert_bytes(n->addrs[1].local, AF_INET6, "2001:db8::10");
	assert_int_equal(n->addrs[2].scope, RT_SCOPE_LINK);
	assert_int_equal(n->nr_routes, 3);
	assert_int_equal(n->routes[0].family, AF_INET);
	assert_int_equal(n->routes[0].prefix_len, 0);
	assert_true(n->routes[0].has_via);
	assert_bytes(n->routes[0].via, AF_INET, "192.0.2.1");
	assert_int_equal(n->routes[0].metric, 0);
	assert_int_equal(n->routes[0].table, RT_TABLE_MAIN);
	assert_int_equal(n->routes[1].family, AF_INET6);
	assert_int_equal(n->routes[1].prefix_len, 48);
	assert_bytes(n->routes[1].to, AF_INET6, "2001:db8:1::");
	assert_int_equal(n->routes[1].metric, 1024);
	assert_int_equal(n->routes[2].metric, 7);
	vs_wanted_fini(&w);
	pol_free(p);
}

static void vif(void **state)
{
	struct policy *p = load();
	struct pol_effective e;
	struct vs_vif v = { .mtu = 0 };

	(void)state;
	assert_int_equal(pol_effective(p, &(struct pol_guest_id){ "g", NULL, 0 }, 1, &e), 0);
	pol_wanted_vif(&e, 65535, 65535, &v);
	assert_string_equal(v.name, "vif65535.65535");
	assert_string_equal(v.network, "xenbr0");
	assert_int_equal(v.mtu, 1400);
	assert_int_equal(v.isolation, VS_ISOLATION_PORT);
	pol_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host),
		cmocka_unit_test(network),
		cmocka_unit_test(addresses_and_routes),
		cmocka_unit_test(vif),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
