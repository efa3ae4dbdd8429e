/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks that the host routes for, planned on the model of the kernel: nat, isolated, custom bridge, route. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <cmocka.h>

#include "tests/util/plan_host.h"
#include "vswitch/fake.h"
#include "vswitch/plan_priv.h"

static void want_vif(struct plan_host *h, const char *name, const char *network)
{
	struct vs_vif *vif = vs_wanted_add_vif(&h->wanted);

	assert_non_null(vif);
	strcpy(vif->name, name);
	strcpy(vif->network, network);
	assert_non_null(vs_fake_add_link(h->fake, name, "tun"));
	plan_host_keep(h);
}

static size_t find_step(const struct plan_host *h, enum vs_op_kind kind)
{
	for (size_t i = 0; i < h->plan.nr; i++)
		if (h->plan.steps[i].op.kind == kind)
			return i;
	fail_msg("no step of kind %d", (int)kind);
	return 0;
}

static void want_nat(struct plan_host *h)
{
	struct vs_network *n = plan_host_want(h, "nat0", &vs_mode_nat);

	plan_host_want_subnet(n, "10.20.0.0", 24, "10.20.0.1");
	plan_host_want_subnet(n, "fd00:20::", 64, "fd00:20::1");
}

static void test_nat_is_a_bridge_with_gateways(void **state)
{
	struct plan_host *h = *state;
	const struct vs_link *nat0;

	want_nat(h);
	want_vif(h, "vif1.0", "nat0");
	plan_host_apply(h);
	nat0 = vs_observed_link(&h->fake->model, "nat0");
	assert_non_null(nat0);
	assert_true(nat0->is_up);
	assert_int_equal(nat0->accept_ra, 0);
	assert_int_equal(nat0->ipv6_off, 0);
	assert_true(plan_host_shows(h, "addr nat0 10.20.0.1/24 "));
	assert_true(plan_host_shows(h, "addr nat0 fd00:20::1/64 flags 2 ")); /* IFA_F_NODAD */
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING6], 1);
	assert_int_equal(vs_observed_link(&h->fake->model, "vif1.0")->master, nat0->ifindex);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

static void test_nat_is_undone(void **state)
{
	struct plan_host *h = *state;

	want_nat(h);
	want_vif(h, "vif1.0", "nat0");
	plan_host_apply(h);
	plan_host_undo(h);
}

static void test_only_families_in_use_are_forwarded(void **state)
{
	struct plan_host *h = *state;

	plan_host_want_subnet(plan_host_want(h, "nat0", &vs_mode_nat), "10.20.0.0", 24,
			      "10.20.0.1");
	plan_host_apply(h);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING6], 0);
}

static void test_isolated_needs_no_forwarding(void **state)
{
	struct plan_host *h = *state;

	plan_host_want_subnet(plan_host_want(h, "lab0", &vs_mode_isolated), "10.99.0.0", 24,
			      "10.99.0.1");
	plan_host_apply(h);
	assert_true(plan_host_shows(h, "addr lab0 10.99.0.1/24 "));
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 0);
}

static void test_down_takes_all_of_it(void **state)
{
	struct plan_host *h = *state;
	char *text;

	want_nat(h);
	plan_host_apply(h);
	vs_wanted_fini(&h->wanted);
	plan_host_apply(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, h->before);
	free(text);
}

static void test_subnet_that_changes(void **state)
{
	struct plan_host *h = *state;

	want_nat(h);
	plan_host_apply(h);
	vs_wanted_fini(&h->wanted);
	plan_host_want_subnet(plan_host_want(h, "nat0", &vs_mode_nat), "10.21.0.0", 24,
			      "10.21.0.1");
	plan_host_apply(h);
	assert_true(plan_host_shows(h, "addr nat0 10.21.0.1/24 "));
	assert_int_equal(h->fake->model.nr_addrs, 1);
}

static void test_host_without_ipv6(void **state)
{
	struct plan_host *h = *state;
	struct vs_observed *o = &h->fake->model;

	want_nat(h);
	want_vif(h, "vif1.0", "nat0");
	for (size_t i = 0; i < o->nr_links; i++)
		o->links[i].ipv6_off = o->links[i].accept_ra = -1;
	o->sysctls[VS_SYSCTL_FORWARDING6] = -1;
	plan_host_apply(h);
	assert_true(plan_host_shows(h, "addr nat0 10.20.0.1/24 "));
	assert_int_equal(o->nr_addrs, 1);
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_true(h->plan.steps[i].op.kind != VS_OP_IPV6_OFF &&
			    h->plan.steps[i].op.kind != VS_OP_ACCEPT_RA);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

static void test_custom_bridge_routes_too(void **state)
{
	struct plan_host *h = *state;

	plan_host_want_subnet(plan_host_want(h, "priv0", &vs_mode_bridge), "10.9.0.0", 24,
			      "10.9.0.1");
	plan_host_apply(h);
	assert_true(plan_host_shows(h, "addr priv0 10.9.0.1/24 "));
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
}

static void test_bridge_becomes_nat(void **state)
{
	struct plan_host *h = *state;

	plan_host_want(h, "nat0", &vs_mode_bridge);
	want_vif(h, "vif1.0", "nat0");
	plan_host_apply(h);
	h->wanted.networks[0].mode = &vs_mode_nat;
	plan_host_want_subnet(&h->wanted.networks[0], "10.20.0.0", 24, "10.20.0.1");
	plan_host_apply(h);
	assert_true(plan_host_shows(h, "addr nat0 10.20.0.1/24 "));
	/* The guest's port stays where it is. */
	for (size_t i = 0; i < h->plan.nr; i++)
		assert_string_not_equal(h->plan.steps[i].op.link, "vif1.0");
	h->wanted.networks[0].mode = &vs_mode_bridge;
	h->wanted.networks[0].nr_subnets = 0;
	plan_host_apply(h);
	assert_int_equal(h->fake->model.nr_addrs, 0);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 0);
}

/* ---- Routed guests ---- */

static const uint8_t guest_mac[MAC_LEN] = { 0, 0x16, 0x3e, 0, 0, 1 };

static void give_default_route(struct plan_host *h, const char *link)
{
	struct vs_op op = { .kind = VS_OP_ROUTE_ADD };

	strcpy(op.link, link);
	op.route = (struct vs_route){ .family = AF_INET, .table = RT_TABLE_MAIN };
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
	op.route.family = AF_INET6;
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
}

static void add_addr(struct vs_vif *vif, const char *ip)
{
	struct vs_prefix *a = &vif->addrs[vif->nr_addrs++];

	a->family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	a->len = a->family == AF_INET ? 32 : 128;
	assert_int_equal(inet_pton(a->family, ip, a->address), 1);
}

static struct vs_network *want_route(struct plan_host *h)
{
	struct vs_network *n = plan_host_want(h, "rt0", &vs_mode_route);
	struct vs_vif *vif;

	n->proxy_neighbours = true;
	n->is_per_guest = true;
	plan_host_want_subnet(n, "198.51.100.64", 27, "198.51.100.65");
	plan_host_want_subnet(n, "2001:db8:40::", 64, "2001:db8:40::1");
	give_default_route(h, "eth0");
	want_vif(h, "vif1.0", "rt0");
	vif = &h->wanted.vifs[0];
	vif->has_mac = true;
	vif->anti_spoof = VS_SPOOF_STRICT;
	memcpy(vif->mac, guest_mac, MAC_LEN);
	add_addr(vif, "198.51.100.70");
	add_addr(vif, "2001:db8:40::70");
	return n;
}

static void test_route_is_a_link_per_guest(void **state)
{
	struct plan_host *h = *state;
	const struct vs_link *vif, *eth0;

	want_route(h);
	plan_host_apply(h);
	vif = vs_observed_link(&h->fake->model, "vif1.0");
	eth0 = vs_observed_link(&h->fake->model, "eth0");
	assert_int_equal(vif->master, 0);
	assert_int_equal(vif->ipv6_off, 0);
	assert_int_equal(vif->accept_ra, 0);
	assert_int_equal(vif->sysctls[VS_LINK_PROXY_ARP], 1);
	assert_int_equal(vif->sysctls[VS_LINK_RP_FILTER], 1);
	assert_true(plan_host_shows(h, "addr rt0 198.51.100.65/27 "));
	assert_true(plan_host_shows(h, "addr vif1.0 198.51.100.65/32 "));
	assert_true(plan_host_shows(h, "addr vif1.0 2001:db8:40::1/128 "));
	assert_true(plan_host_shows(h, "addr vif1.0 fe80::1/64 "));
	assert_true(plan_host_shows(h, "route vif1.0 198.51.100.70/32 table 254 protocol 86"));
	assert_true(plan_host_shows(h, "route vif1.0 2001:db8:40::70/128 "));
	assert_true(plan_host_shows(h, "neigh vif1.0 198.51.100.70 00:16:3e:00:00:01"));
	assert_true(plan_host_shows(h, "neigh vif1.0 2001:db8:40::70 00:16:3e:00:00:01"));
	assert_true(plan_host_shows(h, "proxy eth0 198.51.100.70 "));
	assert_true(plan_host_shows(h, "proxy eth0 2001:db8:40::70 "));
	assert_int_equal(eth0->sysctls[VS_LINK_PROXY_NDP], 1);
	assert_int_equal(eth0->sysctls[VS_LINK_PROXY_DELAY4], 0);
	assert_int_equal(h->record.nr_switches, 3);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

/* The same links behind a network that translates; and back onto its segment. */
static void test_nat_with_a_link_per_guest(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want_route(h);
	const struct vs_link *vif;

	n->mode = &vs_mode_nat;
	n->proxy_neighbours = false;
	plan_host_apply(h);
	vif = vs_observed_link(&h->fake->model, "vif1.0");
	assert_int_equal(vif->master, 0);
	assert_int_equal(vif->sysctls[VS_LINK_PROXY_ARP], 1);
	assert_true(plan_host_shows(h, "addr rt0 198.51.100.65/27 "));
	assert_true(plan_host_shows(h, "addr vif1.0 198.51.100.65/32 "));
	assert_true(plan_host_shows(h, "route vif1.0 198.51.100.70/32 table 254 protocol 86"));
	assert_true(plan_host_shows(h, "neigh vif1.0 2001:db8:40::70 00:16:3e:00:00:01"));
	assert_false(plan_host_shows(h, "proxy "));
	assert_true(h->record.networks[0].is_per_guest);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
	n->is_per_guest = false;
	plan_host_apply(h);
	vif = vs_observed_link(&h->fake->model, "vif1.0");
	assert_int_equal(vif->master, vs_observed_link(&h->fake->model, "rt0")->ifindex);
	assert_false(plan_host_shows(h, "addr vif1.0"));
	assert_false(plan_host_shows(h, "neigh vif1.0"));
	assert_false(plan_host_shows(h, "route vif1.0"));
}

/* Guests that share no segment reach each other by the host. */
static void test_isolated_links_are_forwarded_between(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "lab0", &vs_mode_isolated);

	plan_host_want_subnet(n, "10.99.0.0", 24, "10.99.0.1");
	n->is_per_guest = true;
	plan_host_apply(h);
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
}

static void test_route_is_undone(void **state)
{
	struct plan_host *h = *state;

	want_route(h);
	plan_host_apply(h);
	plan_host_undo(h);
}

static void test_route_given_up_leaves_nothing(void **state)
{
	struct plan_host *h = *state;
	char *text;

	want_route(h);
	plan_host_apply(h);
	vs_wanted_fini(&h->wanted);
	want_vif(h, "vif9.0", ""); /* takes note of how things are, but for the new link */
	h->wanted.nr_vifs = 0;
	want_vif(h, "vif8.0", "");
	strcpy(h->wanted.vifs[0].name, "vif1.0");
	plan_host_apply(h);
	text = vs_observed_text(&h->fake->model);
	assert_null(strstr(text, "neigh "));
	assert_null(strstr(text, "proxy "));
	assert_null(strstr(text, "addr "));
	assert_null(strstr(text, "198.51.100."));
	assert_null(strstr(text, "rt0"));
	free(text);
	assert_int_equal(vs_observed_link(&h->fake->model, "eth0")->sysctls[VS_LINK_PROXY_NDP], 0);
	assert_int_equal(vs_observed_link(&h->fake->model, "eth0")->sysctls[VS_LINK_PROXY_DELAY4],
			 80);
	assert_int_equal(h->record.nr_switches, 0);
}

/* A guest that left while nobody looked is not answered for any more. */
static void test_answers_of_guests_gone(void **state)
{
	struct plan_host *h = *state;

	want_route(h);
	plan_host_apply(h);
	h->wanted.nr_vifs = 0;
	plan_host_apply(h);
	for (size_t i = 0; i < h->fake->model.nr_neighs; i++)
		assert_false(h->fake->model.neighs[i].neigh.is_proxy);
}

static void test_guest_leaves(void **state)
{
	struct plan_host *h = *state;
	char why[VS_TEXT_LEN];

	want_route(h);
	plan_host_apply(h);
	assert_int_equal(
		vs_leave_vif(&h->fake->sys, &h->wanted.networks[0], &h->wanted.vifs[0], why), 0);
	for (size_t i = 0; i < h->fake->model.nr_neighs; i++)
		assert_false(h->fake->model.neighs[i].neigh.is_proxy);
}

static void test_guest_changes_address(void **state)
{
	struct plan_host *h = *state;
	struct vs_vif *vif;
	char *text;

	want_route(h);
	plan_host_apply(h);
	vif = &h->wanted.vifs[0];
	vif->nr_addrs = 0;
	memset(vif->addrs, 0, sizeof(vif->addrs));
	add_addr(vif, "198.51.100.71");
	vif->mac[5] = 2;
	plan_host_apply(h);
	text = vs_observed_text(&h->fake->model);
	assert_null(strstr(text, "100.70"));
	assert_null(strstr(text, "40::70"));
	free(text);
	assert_true(plan_host_shows(h, "neigh vif1.0 198.51.100.71 00:16:3e:00:00:02"));
	assert_true(plan_host_shows(h, "proxy eth0 198.51.100.71 "));
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

static void test_route_without_advertising(void **state)
{
	struct plan_host *h = *state;

	want_route(h)->proxy_neighbours = false;
	plan_host_apply(h);
	for (size_t i = 0; i < h->fake->model.nr_neighs; i++)
		assert_false(h->fake->model.neighs[i].neigh.is_proxy);
	assert_int_equal(h->record.nr_switches, 0);
}

static void test_routed_segment(void **state)
{
	struct plan_host *h = *state;
	const struct vs_link *vif;

	want_route(h)->is_per_guest = false;
	plan_host_apply(h);
	vif = vs_observed_link(&h->fake->model, "vif1.0");
	assert_int_equal(vif->master, vs_observed_link(&h->fake->model, "rt0")->ifindex);
	assert_true(plan_host_shows(h, "proxy eth0 198.51.100.70 "));
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
	h->wanted.networks[0].is_per_guest = true;
	plan_host_apply(h);
	assert_int_equal(vs_observed_link(&h->fake->model, "vif1.0")->master, 0);
	h->wanted.networks[0].is_per_guest = false;
	plan_host_apply(h);
	assert_false(plan_host_shows(h, "addr vif1.0"));
	assert_int_equal(h->plan.record.nr_networks, 1);
}

static void test_routed_guest_is_placed_alone(void **state)
{
	struct plan_host *h = *state;
	char why[VS_TEXT_LEN], *planned, *placed;

	want_route(h);
	plan_host_apply(h);
	planned = vs_observed_text(&h->fake->model);
	plan_host_undo(h);
	h->wanted.nr_vifs = 0;
	plan_host_apply(h);
	assert_int_equal(
		vs_place_vif(&h->fake->sys, &h->wanted.networks[0], &h->wanted.vifs[0], why), 0);
	placed = vs_observed_text(&h->fake->model);
	assert_string_equal(planned, placed);
	free(planned);
	free(placed);
	/* And off it again, to a bridge. */
	plan_host_want(h, "priv0", &vs_mode_bridge);
	plan_host_apply(h);
	strcpy(h->wanted.vifs[0].network, "priv0");
	assert_int_equal(
		vs_place_vif(&h->fake->sys, &h->wanted.networks[1], &h->wanted.vifs[0], why), 0);
	assert_false(plan_host_shows(h, "addr vif1.0"));
	assert_false(plan_host_shows(h, "route vif1.0"));
}

static void test_hears_routers_while_forwarding(void **state)
{
	struct plan_host *h = *state;
	struct vs_op op = { .kind = VS_OP_ROUTE_ADD };

	strcpy(op.link, "eth0");
	op.route = (struct vs_route){ .family = AF_INET6,
				      .table = RT_TABLE_MAIN,
				      .protocol = RTPROT_RA };
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
	want_nat(h);
	plan_host_apply(h);
	assert_int_equal(vs_observed_link(&h->fake->model, "eth0")->accept_ra, 2);
	assert_true(find_step(h, VS_OP_LINK_SYSCTL) < find_step(h, VS_OP_SYSCTL));
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
	vs_wanted_fini(&h->wanted);
	plan_host_apply(h);
	assert_int_equal(vs_observed_link(&h->fake->model, "eth0")->accept_ra, 1);
}

/* ---- Daemons for networks ---- */

static bool has_doc(struct plan_host *h, enum vs_doc_kind kind, const char *name)
{
	return vs_observed_doc(&h->fake->model, kind, name) != NULL;
}

static void test_dnsmasq_comes_and_goes(void **state)
{
	struct plan_host *h = *state;

	want_nat(h);
	h->wanted.networks[0].dns.given = true;
	plan_host_apply(h);
	assert_true(has_doc(h, VS_DOC_DNSMASQ, "nat0"));
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
	h->wanted.networks[0].dns.given = false;
	plan_host_apply(h);
	assert_false(has_doc(h, VS_DOC_DNSMASQ, "nat0"));
}

static void test_program_that_is_not_installed(void **state)
{
	struct plan_host *h = *state;

	want_nat(h);
	h->wanted.networks[0].dns.given = true;
	h->fake->model.lacks = VS_LACKS_DNSMASQ;
	assert_int_equal(vs_plan_make(&h->wanted, &h->fake->model, &h->record, &h->ds, &h->plan),
			 -EINVAL);
	assert_int_equal(h->ds.nr, 1);
	assert_string_equal(h->ds.v[0].code, "VF0515");
	assert_non_null(strstr(h->ds.v[0].hint, "dnsmasq-base"));
}

static struct vs_addr lease(const char *ip, uint32_t valid_s)
{
	struct vs_addr a = {
		.family = AF_INET, .prefix_len = 24, .valid_s = valid_s, .preferred_s = valid_s
	};

	assert_int_equal(inet_pton(AF_INET, ip, a.local), 1);
	memcpy(a.peer, a.local, sizeof(a.peer));
	return a;
}

static void change_addr(struct plan_host *h, enum vs_op_kind kind, const char *link,
			struct vs_addr a)
{
	struct vs_op op = { .kind = kind, .addr = a };

	strcpy(op.link, link);
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
}

/* eth0 with a lease goes under xenbr0, which asks for one. */
static void move_lease(struct plan_host *h)
{
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_bridge);

	n->has_uplink = n->host_dhcp4 = true;
	strcpy(n->uplink_name, "lan0");
	strcpy(n->uplink.name, "eth0");
	change_addr(h, VS_OP_ADDR_ADD, "eth0", lease("192.0.2.100", 600));
	plan_host_apply(h);
}

static void test_lease_moves_and_is_kept(void **state)
{
	struct plan_host *h = *state;
	json_t *doc;

	move_lease(h);
	assert_true(plan_host_shows(h, "addr xenbr0 192.0.2.100/24 flags 0 valid 600"));
	doc = vs_observed_doc(&h->fake->model, VS_DOC_DHCP, "xenbr0");
	assert_non_null(doc);
	assert_string_equal(json_string_value(json_object_get(doc, "request")), "192.0.2.100");
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

static void test_lease_is_the_clients(void **state)
{
	struct plan_host *h = *state;

	move_lease(h);
	change_addr(h, VS_OP_ADDR_DEL, "xenbr0", lease("192.0.2.100", 600));
	change_addr(h, VS_OP_ADDR_ADD, "xenbr0", lease("192.0.2.101", 700));
	/* Not put back: the client has another now. */
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
	/* And it is that which the uplink gets. */
	vs_wanted_fini(&h->wanted);
	plan_host_apply(h);
	assert_true(plan_host_shows(h, "addr eth0 192.0.2.101/24 flags 0 valid 700"));
	assert_false(plan_host_shows(h, "192.0.2.100"));
	assert_false(has_doc(h, VS_DOC_DHCP, "xenbr0"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, plan_host_setup, plan_host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nat_is_a_bridge_with_gateways),
		T(test_nat_is_undone),
		T(test_only_families_in_use_are_forwarded),
		T(test_isolated_needs_no_forwarding),
		T(test_down_takes_all_of_it),
		T(test_subnet_that_changes),
		T(test_host_without_ipv6),
		T(test_custom_bridge_routes_too),
		T(test_bridge_becomes_nat),
		T(test_route_is_a_link_per_guest),
		T(test_nat_with_a_link_per_guest),
		T(test_isolated_links_are_forwarded_between),
		T(test_route_is_undone),
		T(test_route_given_up_leaves_nothing),
		T(test_answers_of_guests_gone),
		T(test_guest_leaves),
		T(test_guest_changes_address),
		T(test_route_without_advertising),
		T(test_routed_segment),
		T(test_routed_guest_is_placed_alone),
		T(test_hears_routers_while_forwarding),
		T(test_dnsmasq_comes_and_goes),
		T(test_program_that_is_not_installed),
		T(test_lease_moves_and_is_kept),
		T(test_lease_is_the_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
