/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dnsmasq is told for a network: pure, from what is wanted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "vswitch/dnsmasq.h"

static struct vs_wanted wanted;

static int setup(void **state)
{
	(void)state;
	vs_wanted_init(&wanted);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vs_wanted_fini(&wanted);
	return 0;
}

static struct vs_network *want(const struct vs_mode *mode)
{
	struct vs_network *n = vs_wanted_add_network(&wanted);

	assert_non_null(n);
	strcpy(n->name, "nat0");
	n->mode = mode;
	n->mtu = 1500;
	return n;
}

static struct vs_subnet *subnet(struct vs_network *n, const char *ip, uint8_t len)
{
	struct vs_subnet *s = vs_network_add_subnet(n);

	assert_non_null(s);
	s->prefix.family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	s->prefix.len = len;
	assert_int_equal(inet_pton(s->prefix.family, ip, s->prefix.address), 1);
	return s;
}

static void range(struct vs_subnet *s, const char *first, const char *last)
{
	s->has_dhcp = true;
	s->lease_s = 3600;
	assert_int_equal(inet_pton(s->prefix.family, first, s->dhcp_first), 1);
	assert_int_equal(inet_pton(s->prefix.family, last, s->dhcp_last), 1);
}

static struct vs_entry *entry(const char *guest, const char *network, uint32_t devid, uint8_t mac)
{
	struct vs_entry *e = vs_wanted_add_entry(&wanted);

	assert_non_null(e);
	strcpy(e->guest, guest);
	strcpy(e->network, network);
	e->devid = devid;
	e->has_mac = mac;
	e->mac[5] = mac;
	return e;
}

static void address(struct vs_entry *e, const char *ip)
{
	struct vs_prefix *a = &e->addrs[e->nr_addrs++];

	a->family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	a->len = a->family == AF_INET ? 32 : 128;
	assert_int_equal(inet_pton(a->family, ip, a->address), 1);
}

/* Whether @line is one of the document's lines under @key. */
static bool says(const char *key, const char *line, bool has_ipv6)
{
	bool found = false;
	json_t *doc = dnsmasq_doc(&wanted, &wanted.networks[0], has_ipv6), *one;
	size_t i;

	assert_non_null(doc);
	json_array_foreach (json_object_get(doc, key), i, one)
		found |= !strcmp(json_string_value(one), line);
	json_decref(doc);
	return found;
}

static void test_not_needed(void **state)
{
	struct vs_network *n = want(&vs_mode_nat);

	(void)state;
	subnet(n, "10.20.0.0", 24);
	assert_false(dnsmasq_is_needed(n));
	n->dns.given = true;
	assert_true(dnsmasq_is_needed(n));
}

static void test_ranges(void **state)
{
	struct vs_network *n = want(&vs_mode_nat);

	(void)state;
	range(subnet(n, "10.20.0.0", 22), "10.20.0.100", "10.20.3.9");
	subnet(n, "fd00:20::", 64)->ra = VS_RA_SLAAC;
	subnet(n, "fd00:21::", 64)->ra = VS_RA_STATELESS;
	range(subnet(n, "fd00:22::", 64), "fd00:22::100", "fd00:22::1ff");
	n->subnets[3].ra = VS_RA_DHCPV6;
	subnet(n, "fd00:23::", 64)->ra = VS_RA_DHCPV6;
	assert_true(says("config", "dhcp-range=10.20.0.100,10.20.3.9,255.255.252.0,3600", true));
	assert_true(says("config", "dhcp-range=fd00:20::,ra-only,64,43200", true));
	assert_true(says("config", "dhcp-range=fd00:21::,ra-stateless,64,43200", true));
	assert_true(says("config", "dhcp-range=fd00:22::100,fd00:22::1ff,64,3600", true));
	assert_true(says("config", "dhcp-range=fd00:23::,static,64,43200", true));
	assert_true(says("config", "enable-ra", true));
	assert_true(says("config", "port=0", true));
	assert_true(says("config", "interface=nat0", true));
	assert_true(says("config", "dhcp-ignore-names", true));
	/* T22 */
	assert_false(says("config", "enable-ra", false));
	assert_false(says("config", "dhcp-range=fd00:20::,ra-only,64,43200", false));
}

static void test_isolated_is_no_way_out(void **state)
{
	struct vs_network *n = want(&vs_mode_isolated);

	(void)state;
	range(subnet(n, "10.99.0.0", 24), "10.99.0.10", "10.99.0.20");
	subnet(n, "fd00:99::", 64)->ra = VS_RA_SLAAC;
	assert_true(says("config", "dhcp-option=option:router", true));
	assert_true(says("config", "ra-param=nat0,600,0", true));
	n->mode = &vs_mode_nat;
	assert_false(says("config", "dhcp-option=option:router", true));
}

static void test_names_and_resolvers(void **state)
{
	struct vs_network *n = want(&vs_mode_nat);
	struct vs_prefix *to = &n->dns.forward_to[0];

	(void)state;
	subnet(n, "10.20.0.0", 24);
	n->dns.given = n->dns.register_guests = true;
	strcpy(n->dns.domain, "lab.example");
	to->family = AF_INET;
	to->len = 32;
	inet_pton(AF_INET, "9.9.9.9", to->address);
	address(entry("web", "nat0", 0, 0), "10.20.0.11");
	address(entry("web", "nat0", 1, 0), "10.20.0.12");
	address(entry("no name", "nat0", 0, 0), "10.20.0.13");
	address(entry("x,dhcp-script=/tmp/x", "nat0", 0, 0), "10.20.0.14");
	address(entry("other", "nat1", 0, 0), "10.20.0.15");
	assert_false(says("config", "no-resolv", true));
	assert_false(says("config", "port=0", true));
	assert_true(says("names", "10.20.0.11 web", true));
	n->dns.nr_forward_to = 1;
	assert_true(says("config", "no-resolv", true));
	assert_true(says("config", "server=9.9.9.9", true));
	assert_true(says("config", "domain=lab.example", true));
	assert_true(says("config", "local=/lab.example/", true));
	assert_true(says("names", "10.20.0.12 web-1", true));
	assert_false(says("names", "10.20.0.13 no name", true));
	assert_false(says("names", "10.20.0.14 x,dhcp-script=/tmp/x", true));
	assert_false(says("names", "10.20.0.15 other", true));
	n->dns.register_guests = false;
	assert_false(says("names", "10.20.0.11 web", true));
}

/* The policy's nameservers are for networks that say no others. */
static void test_nameservers_of_networks(void **state)
{
	struct vs_network *n = want(&vs_mode_nat);
	json_t *doc;

	(void)state;
	subnet(n, "10.20.0.0", 24);
	n->dns.given = true;
	for (int i = 0; i < 3; i++) {
		wanted.resolver.nr_servers = i > 0;
		n->dns.nr_forward_to = i > 1;
		n->dns.forward_to[0] = (struct vs_prefix){ .family = AF_INET, .len = 32 };
		doc = dnsmasq_doc(&wanted, n, true);
		assert_int_equal(json_object_get(doc, "asks") != NULL, i == 1);
		json_decref(doc);
	}
}

static void test_reservations(void **state)
{
	struct vs_network *n = want(&vs_mode_nat);
	struct vs_entry *e;

	(void)state;
	range(subnet(n, "10.20.0.0", 24), "10.20.0.100", "10.20.0.199");
	subnet(n, "fd00:20::", 64)->ra = VS_RA_SLAAC;
	subnet(n, "10.30.0.0", 24);
	n->dns.given = n->dns.register_guests = true;
	e = entry("web", "nat0", 0, 1);
	address(e, "10.30.0.9"); /* of a subnet without DHCP */
	address(e, "10.20.0.11");
	address(e, "10.20.0.12");
	address(e, "fd00:20::11");
	address(entry("db", "nat0", 0, 0), "10.20.0.21");
	entry("bare", "nat0", 0, 3);
	assert_true(says("hosts", "00:00:00:00:00:01,10.20.0.11,[fd00:20::11],web", true));
	assert_true(says("hosts", "00:00:00:00:00:01,10.20.0.11,web", false));
	/* Addresses of the list are given by DHCPv6, beside those that guests make. */
	assert_true(says("config", "dhcp-range=fd00:20::,static,slaac,64,43200", true));
	n->dns.register_guests = false;
	assert_true(says("hosts", "00:00:00:00:00:01,10.20.0.11,[fd00:20::11]", true));
}

static void test_routed_guests(void **state)
{
	struct vs_network *n = want(&vs_mode_route);

	(void)state;
	n->is_per_guest = true;
	range(subnet(n, "198.51.100.64", 27), "198.51.100.70", "198.51.100.80");
	subnet(n, "2001:db8:40::", 64)->ra = VS_RA_SLAAC;
	assert_true(says("config", "interface=vif*", true));
	assert_true(says("config", "dhcp-range=198.51.100.64,static,255.255.255.224,3600", true));
	assert_true(says("config", "dhcp-range=2001:db8:40::,static,off-link,64,43200", true));
	n->is_per_guest = false;
	assert_true(says("config", "interface=nat0", true));
	assert_true(says("config", "dhcp-range=2001:db8:40::,ra-only,64,43200", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_needed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_isolated_is_no_way_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nameservers_of_networks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_and_resolvers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reservations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_routed_guests, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
