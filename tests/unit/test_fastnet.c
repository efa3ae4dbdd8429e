/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks on vifrost-netback's switch, planned on the model of the kernel. */
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
#include "vswitch/fastnet.h"

static void want_uplink(struct vs_network *n, const char *link)
{
	n->has_uplink = true;
	strcpy(n->uplink_name, "lan");
	strcpy(n->uplink.name, link);
}

static struct vs_vif *want_vif(struct plan_host *h, uint16_t domid, const char *network)
{
	struct vs_vif *vif = vs_wanted_add_vif(&h->wanted);

	assert_non_null(vif);
	snprintf(vif->name, sizeof(vif->name), "vif%u.0", domid);
	vif->domid = domid;
	strcpy(vif->network, network);
	vif->has_mac = true;
	memcpy(vif->mac, (uint8_t[]){ 0, 0x16, 0x3e, 0, 0, (uint8_t)domid }, MAC_LEN);
	vif->anti_spoof = VS_SPOOF_MAC;
	return vif;
}

static struct vs_link *find_link(struct plan_host *h, const char *name)
{
	return (struct vs_link *)(uintptr_t)vs_observed_link(&h->fake->model, name);
}

static struct vs_link *add_tap(struct plan_host *h, const char *name)
{
	struct vs_link *link = vs_fake_add_link(h->fake, name, "tun");

	assert_non_null(link);
	return link;
}

static void give_address(struct plan_host *h, const char *link, const char *address)
{
	struct vs_op op = { .kind = VS_OP_ADDR_ADD,
			    .addr = { .family = AF_INET,
				      .prefix_len = 24,
				      .scope = RT_SCOPE_UNIVERSE,
				      .valid_s = UINT32_MAX,
				      .preferred_s = UINT32_MAX } };

	strcpy(op.link, link);
	assert_int_equal(inet_pton(AF_INET, address, op.addr.local), 1);
	memcpy(op.addr.peer, op.addr.local, sizeof(op.addr.peer));
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
	plan_host_keep(h);
}

static json_t *doc_of(struct plan_host *h, enum vs_doc_kind kind, const char *name)
{
	return vs_observed_doc(&h->fake->model, kind, name);
}

static const char *text_in(const json_t *doc, const char *outer, const char *inner)
{
	const json_t *in = outer ? json_object_get(doc, outer) : doc;
	const char *text = json_string_value(json_object_get(in, inner));

	return text ? text : "";
}

/* Where in the plan the first such step is; fails when there is none. */
static size_t step_of(struct plan_host *h, enum vs_op_kind kind, uint32_t index, const char *name)
{
	for (size_t i = 0; i < h->plan.nr; i++) {
		const struct vs_op *op = &h->plan.steps[i].op;

		if (op->kind == kind && (kind != VS_OP_DOC || op->index == index) &&
		    !strcmp(kind == VS_OP_DOC ? op->text : op->link, name))
			return i;
	}
	fail_msg("no such step about %s", name);
	return 0;
}

static void test_bridge_is_a_tap_with_the_uplinks_addresses(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	const json_t *doc;

	want_uplink(n, "eth0");
	n->fast.cpus[n->fast.nr_cpus++] = 1;
	n->fast.memory = 64 << 20;
	n->fast.says_hugepages = true;
	give_address(h, "eth0", "192.0.2.10");
	want_vif(h, 1, "xenbr0");
	plan_host_apply(h);
	doc = doc_of(h, VS_DOC_FAST_NETWORK, "xenbr0");
	assert_string_equal(text_in(doc, NULL, "mode"), "bridge");
	assert_string_equal(text_in(doc, "uplink", "link"), "eth0");
	assert_string_equal(text_in(doc, "uplink", "kind"), "auto");
	assert_true(json_is_true(json_object_get(doc, "segment")));
	assert_int_equal(json_integer_value(json_array_get(json_object_get(doc, "cpus"), 0)), 1);
	assert_int_equal(json_integer_value(json_object_get(doc, "memory")), 64 << 20);
	assert_true(json_is_false(json_object_get(doc, "hugepages")));
	assert_true(plan_host_shows(h, "addr xenbr0 192.0.2.10/24"));
	assert_false(plan_host_shows(h, "addr eth0 192.0.2.10/24"));
	assert_string_equal(find_link(h, "xenbr0")->kind, "tun");
	assert_int_equal(find_link(h, "eth0")->master, 0);
	/* The host's own stack takes nothing from it. */
	assert_non_null(doc_of(h, VS_DOC_NFT, "netdev vifrost-eth0"));
	doc = doc_of(h, VS_DOC_FAST_PORT, "vif1.0");
	assert_string_equal(text_in(doc, NULL, "network"), "xenbr0");
	assert_string_equal(text_in(doc, NULL, "mac"), "00:16:3e:00:00:01");
	assert_string_equal(text_in(doc, "guard", "level"), "mac");
	assert_true(json_is_false(json_object_get(doc, "protected")));
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

/* Never without an address, and never with a switch that has the uplink but not the address. */
static void test_addresses_move_make_before_break(void **state)
{
	struct plan_host *h = *state;
	size_t made, up, taken, lost;

	want_uplink(plan_host_want(h, "xenbr0", &vs_mode_fast_bridge), "eth0");
	give_address(h, "eth0", "192.0.2.10");
	assert_int_equal(plan_host_plan(h), 0);
	made = step_of(h, VS_OP_ADDR_ADD, 0, "xenbr0");
	up = step_of(h, VS_OP_SET_UP, 0, "xenbr0");
	lost = step_of(h, VS_OP_ADDR_DEL, 0, "eth0");
	taken = step_of(h, VS_OP_DOC, VS_DOC_NFT, "netdev vifrost-eth0");
	assert_true(made < up && up < taken && taken < lost);
	assert_int_equal(h->plan.steps[lost].disruption, VS_DISRUPTION_MANAGEMENT);
}

static void test_all_of_it_is_undone(void **state)
{
	struct plan_host *h = *state;

	want_uplink(plan_host_want(h, "xenbr0", &vs_mode_fast_bridge), "eth0");
	plan_host_want_subnet(plan_host_want(h, "nat0", &vs_mode_fast_nat), "10.20.0.0", 24,
			      "10.20.0.1");
	give_address(h, "eth0", "192.0.2.10");
	want_vif(h, 1, "xenbr0");
	want_vif(h, 2, "nat0");
	plan_host_apply(h);
	plan_host_undo(h);
}

static void test_down_leaves_nothing(void **state)
{
	struct plan_host *h = *state;
	char *text;

	want_uplink(plan_host_want(h, "xenbr0", &vs_mode_fast_bridge), "eth0");
	give_address(h, "eth0", "192.0.2.10");
	want_vif(h, 1, "xenbr0");
	plan_host_apply(h);
	vs_wanted_fini(&h->wanted);
	plan_host_apply(h);
	text = vs_observed_text(&h->fake->model);
	assert_string_equal(text, h->before);
	free(text);
}

static void test_nat_has_its_gateway_on_the_tap(void **state)
{
	struct plan_host *h = *state;
	const json_t *doc;

	plan_host_want_subnet(plan_host_want(h, "nat0", &vs_mode_fast_nat), "10.20.0.0", 24,
			      "10.20.0.1");
	plan_host_apply(h);
	doc = doc_of(h, VS_DOC_FAST_NETWORK, "nat0");
	assert_string_equal(text_in(doc, NULL, "mode"), "nat");
	assert_null(json_object_get(doc, "uplink"));
	assert_true(plan_host_shows(h, "addr nat0 10.20.0.1/24 "));
	assert_int_equal(h->fake->model.sysctls[VS_SYSCTL_FORWARDING4], 1);
	assert_non_null(doc_of(h, VS_DOC_NFT, "inet vifrost-nat"));
}

/* They share a subnet and no segment: the host answers for each to the others. */
static void test_guests_alone_are_kept_apart(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "rt0", &vs_mode_fast_route);
	const json_t *guard;
	struct vs_vif *vif;

	plan_host_want_subnet(n, "198.51.100.0", 24, "198.51.100.1");
	n->fast.is_per_guest = true;
	vif = want_vif(h, 1, "rt0");
	vif->addrs[vif->nr_addrs++] = (struct vs_prefix){ .family = AF_INET,
							  .len = 32,
							  .address = { 198, 51, 100, 11 } };
	vif = want_vif(h, 2, "rt0");
	vif->anti_spoof = VS_SPOOF_ANY;
	plan_host_apply(h);
	guard = json_object_get(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"), "guard");
	assert_true(json_is_true(json_object_get(guard, "apart")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(guard, "addrs"), 0)),
			    "198.51.100.11");
	guard = json_object_get(doc_of(h, VS_DOC_FAST_PORT, "vif2.0"), "guard");
	assert_true(json_is_true(json_object_get(guard, "apart")));
	assert_string_equal(text_in(guard, NULL, "to"), "00:16:3e:00:00:02");
	assert_null(json_object_get(guard, "addrs"));
	assert_true(
		json_is_true(json_object_get(doc_of(h, VS_DOC_FAST_NETWORK, "rt0"), "per-guest")));
	assert_true(
		json_is_true(json_object_get(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"), "protected")));
	assert_int_equal(find_link(h, "rt0")->sysctls[VS_LINK_PROXY_ARP_PVLAN], 1);
}

static void test_rates_and_vlans_are_the_ports(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	struct vs_vif *vif;
	const json_t *doc;

	n->vlan_filtering = true;
	vif = want_vif(h, 1, "xenbr0");
	vif->vlans.access = 20;
	vif->isolation = VS_ISOLATION_PORT;
	vif->from_guest = (struct vs_rate){ 100000000, 5000, 0 };
	vif->to_guest = (struct vs_rate){ 200000000, 0, 65536 };
	plan_host_apply(h);
	doc = doc_of(h, VS_DOC_FAST_PORT, "vif1.0");
	assert_int_equal(json_integer_value(json_object_get(doc, "access")), 20);
	assert_true(json_is_true(json_object_get(doc, "protected")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "from-guest"),
							    "packets-per-s")),
			 5000);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(doc, "from-guest"), "bits-per-s")),
			 100000000);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(doc, "to-guest"), "burst-bytes")),
			 65536);
	/* There is no link that could be shaped. */
	assert_null(doc_of(h, VS_DOC_RATE, "vif1.0"));
}

static void test_quarantine_is_no_document(void **state)
{
	struct plan_host *h = *state;

	plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	want_vif(h, 1, "xenbr0");
	plan_host_apply(h);
	assert_non_null(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"));
	h->wanted.vifs[0].network[0] = '\0';
	plan_host_apply(h);
	assert_null(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"));
}

static void test_a_vif_that_is_gone_loses_its_port(void **state)
{
	struct plan_host *h = *state;

	plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	want_vif(h, 1, "xenbr0");
	plan_host_apply(h);
	h->wanted.nr_vifs = 0;
	plan_host_apply(h);
	assert_null(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"));
}

/* From the kernel's bridge to this switch and back, with a guest and the host's own address on it. */
static void test_a_bridge_changes_its_switch(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_bridge);
	size_t off, on;

	want_uplink(n, "eth0");
	give_address(h, "eth0", "192.0.2.10");
	want_vif(h, 1, "xenbr0");
	add_tap(h, "vif1.0");
	plan_host_apply(h);
	assert_string_equal(find_link(h, "xenbr0")->kind, "bridge");

	h->wanted.networks[0].mode = &vs_mode_fast_bridge;
	plan_host_apply(h);
	assert_string_equal(find_link(h, "xenbr0")->kind, "tun");
	assert_true(plan_host_shows(h, "addr xenbr0 192.0.2.10/24"));
	assert_false(plan_host_shows(h, "addr eth0 192.0.2.10/24"));
	assert_non_null(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"));
	/* Its TAP, off its bridge, hands the host nothing of the guest's until it is gone. */
	assert_false(find_link(h, "vif1.0")->is_up);
	off = step_of(h, VS_OP_SET_UP, 0, "vif1.0");
	on = step_of(h, VS_OP_DOC, VS_DOC_FAST_PORT, "vif1.0");
	assert_true(off < on);

	h->wanted.networks[0].mode = &vs_mode_bridge;
	plan_host_apply(h);
	assert_string_equal(find_link(h, "xenbr0")->kind, "bridge");
	assert_true(plan_host_shows(h, "addr xenbr0 192.0.2.10/24"));
	assert_null(doc_of(h, VS_DOC_FAST_NETWORK, "xenbr0"));
	assert_null(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"));
	assert_null(doc_of(h, VS_DOC_NFT, "netdev vifrost-eth0"));
	assert_int_equal(find_link(h, "eth0")->master, find_link(h, "xenbr0")->ifindex);
	assert_int_equal(find_link(h, "vif1.0")->master, find_link(h, "xenbr0")->ifindex);
}

static void test_that_change_is_undone(void **state)
{
	struct plan_host *h = *state;

	want_uplink(plan_host_want(h, "xenbr0", &vs_mode_bridge), "eth0");
	give_address(h, "eth0", "192.0.2.10");
	want_vif(h, 1, "xenbr0");
	add_tap(h, "vif1.0");
	plan_host_apply(h);
	plan_host_keep(h);
	h->wanted.networks[0].mode = &vs_mode_fast_bridge;
	plan_host_apply(h);
	plan_host_undo(h);
}

static void test_the_uplink_changes(void **state)
{
	struct plan_host *h = *state;
	const json_t *doc;

	assert_non_null(vs_fake_add_link(h->fake, "eth1", ""));
	want_uplink(plan_host_want(h, "xenbr0", &vs_mode_fast_bridge), "eth0");
	plan_host_apply(h);
	strcpy(h->wanted.networks[0].uplink.name, "eth1");
	plan_host_apply(h);
	doc = doc_of(h, VS_DOC_FAST_NETWORK, "xenbr0");
	assert_string_equal(text_in(doc, "uplink", "link"), "eth1");
	assert_null(doc_of(h, VS_DOC_NFT, "netdev vifrost-eth0"));
	assert_non_null(doc_of(h, VS_DOC_NFT, "netdev vifrost-eth1"));
}

static void test_what_was_told_differently_is_repaired(void **state)
{
	struct plan_host *h = *state;
	json_t *bad;

	plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	want_vif(h, 1, "xenbr0");
	plan_host_apply(h);
	bad = json_pack("{ss sb s{ss}}", "network", "xenbr0", "protected", 0, "guard", "level",
			"none");
	assert_int_equal(vs_observed_set_doc(&h->fake->model, VS_DOC_FAST_PORT, "vif1.0", bad), 0);
	json_decref(bad);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 1);
	assert_string_equal(text_in(doc_of(h, VS_DOC_FAST_PORT, "vif1.0"), "guard", "level"),
			    "mac");
}

static void test_anothers_link_is_not_taken(void **state)
{
	struct plan_host *h = *state;

	assert_non_null(vs_fake_add_link(h->fake, "xenbr0", "bridge"));
	plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_string_equal(h->ds.v[0].code, "VF0510");
}

static void test_without_vifrost_netback_nothing_is_planned(void **state)
{
	struct plan_host *h = *state;

	plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	strcpy(h->wanted.fast_why, "vifrost-netback does not run: start it");
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_string_equal(h->ds.v[0].code, "VF0516");
	assert_non_null(strstr(h->ds.v[0].message, "vifrost-netback does not run"));
}

/* It shares its uplink's hardware address, by which the uplink is found. */
static void test_the_tap_is_not_taken_for_its_uplink(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);

	want_uplink(n, "");
	n->uplink.has_mac = true;
	memcpy(n->uplink.mac, find_link(h, "eth0")->permanent_mac, MAC_LEN);
	n->fast.by_xdp = true;
	plan_host_apply(h);
	assert_string_equal(text_in(doc_of(h, VS_DOC_FAST_NETWORK, "xenbr0"), "uplink", "kind"),
			    "afxdp");
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

/* Bound to DPDK, it is no link: there is nothing of the host's to move. */
static void test_a_card_of_dpdks_is_the_uplink(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);
	const json_t *doc;

	want_uplink(n, "");
	strcpy(n->uplink.pci, "0000:5e:00.0");
	n->fast.queues = 2;
	plan_host_apply(h);
	doc = doc_of(h, VS_DOC_FAST_NETWORK, "xenbr0");
	assert_string_equal(text_in(doc, "uplink", "pci"), "0000:5e:00.0");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(doc, "uplink"), "queues")), 2);
	plan_host_apply(h);
	assert_int_equal(h->plan.nr, 0);
}

/* Hotplug: by few questions, and what an apply would have planned. */
static void test_one_vif_is_placed(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "rt0", &vs_mode_fast_route);
	struct vs_vif vif = { .name = "vif3.0", .domid = 3, .network = "rt0", .has_mac = true };
	char why[VS_TEXT_LEN];

	plan_host_want_subnet(n, "198.51.100.0", 24, "198.51.100.1");
	n->proxy_neighbours = true;
	strcpy(n->egress.network, "eth0");
	assert_int_equal(vs_place_vif(&h->fake->sys, n, &vif, why), -ENONET);
	plan_host_apply(h);
	n = &h->wanted.networks[0];
	vif.addrs[vif.nr_addrs++] = (struct vs_prefix){ AF_INET, 32, { 198, 51, 100, 9 } };
	assert_int_equal(vs_place_vif(&h->fake->sys, n, &vif, why), 0);
	assert_non_null(doc_of(h, VS_DOC_FAST_PORT, "vif3.0"));
	/* It is answered for on the LAN. */
	assert_int_equal(h->fake->model.nr_neighs, 1);
	assert_int_equal(vs_fast_forget(&h->fake->sys, "vif3.0", why), 0);
	assert_null(doc_of(h, VS_DOC_FAST_PORT, "vif3.0"));
}

/* Nobody answers there: what may fall back does, and is a bridge as ever. */
static void test_the_fallback_is_the_kernels_switch(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);

	n->fast.may_fall_back = true;
	vs_fast_decide(&h->wanted, "/nonexistent", 0);
	assert_true(h->wanted.networks[0].fast.has_fallen);
	assert_ptr_equal(h->wanted.networks[0].mode, &vs_mode_bridge);
	plan_host_apply(h);
	assert_string_equal(find_link(h, "xenbr0")->kind, "bridge");

	/* It stays so, whoever comes back meanwhile. */
	h->wanted.networks[0].mode = &vs_mode_fast_bridge;
	h->wanted.networks[0].fast.has_fallen = false;
	vs_fast_keep(&h->wanted, &h->record);
	assert_ptr_equal(h->wanted.networks[0].mode, &vs_mode_bridge);
}

static void test_cores_that_are_not_there(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);

	n->fast.cpus[n->fast.nr_cpus++] = 4095;
	assert_int_equal(vs_fast_check_host(&h->wanted, &h->ds), -EINVAL);
	assert_non_null(strstr(h->ds.v[0].message, "no core 4095"));
}

static void test_a_card_that_is_not_there(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);

	n->has_uplink = true;
	strcpy(n->uplink.pci, "FFFF:ff:1f.7");
	assert_int_equal(vs_fast_check_host(&h->wanted, &h->ds), -EINVAL);
	assert_non_null(strstr(h->ds.v[0].message, "no PCI device FFFF:ff:1f.7"));
	/* One by a name needs no card. */
	diags_fini(&h->ds);
	n->uplink.pci[0] = 0;
	assert_int_equal(vs_fast_check_host(&h->wanted, &h->ds), 0);
}

static void test_not_all_cores_are_given_away(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = plan_host_want(h, "xenbr0", &vs_mode_fast_bridge);

	for (uint16_t cpu = 0; cpu < VS_CPUS_MAX; cpu++)
		n->fast.cpus[n->fast.nr_cpus++] = cpu;
	assert_int_equal(vs_fast_check_host(&h->wanted, &h->ds), -EINVAL);
	assert_non_null(strstr(h->ds.v[h->ds.nr - 1].message, "too few cores"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, plan_host_setup, plan_host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bridge_is_a_tap_with_the_uplinks_addresses),
		T(test_addresses_move_make_before_break),
		T(test_all_of_it_is_undone),
		T(test_down_leaves_nothing),
		T(test_nat_has_its_gateway_on_the_tap),
		T(test_guests_alone_are_kept_apart),
		T(test_rates_and_vlans_are_the_ports),
		T(test_quarantine_is_no_document),
		T(test_a_vif_that_is_gone_loses_its_port),
		T(test_a_bridge_changes_its_switch),
		T(test_that_change_is_undone),
		T(test_the_uplink_changes),
		T(test_what_was_told_differently_is_repaired),
		T(test_anothers_link_is_not_taken),
		T(test_without_vifrost_netback_nothing_is_planned),
		T(test_the_tap_is_not_taken_for_its_uplink),
		T(test_a_card_of_dpdks_is_the_uplink),
		T(test_one_vif_is_placed),
		T(test_the_fallback_is_the_kernels_switch),
		T(test_cores_that_are_not_there),
		T(test_a_card_that_is_not_there),
		T(test_not_all_cores_are_given_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
