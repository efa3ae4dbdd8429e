/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mode ovs without Open vSwitch: documents, the flows that they stand for, plans. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "tests/util/plan_host.h"
#include "vswitch/fake.h"
#include "vswitch/ovs.h"
#include "vswitch/plan_priv.h"

static void give_addr(struct plan_host *h, const char *link, const char *ip)
{
	struct vs_op op = { .kind = VS_OP_ADDR_ADD };

	strcpy(op.link, link);
	op.addr = (struct vs_addr){ .family = AF_INET,
				    .prefix_len = 24,
				    .valid_s = UINT32_MAX,
				    .preferred_s = UINT32_MAX };
	assert_int_equal(inet_pton(AF_INET, ip, op.addr.local), 1);
	memcpy(op.addr.peer, op.addr.local, sizeof(op.addr.peer));
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
}

static struct vs_network *want(struct plan_host *h)
{
	struct vs_network *n = plan_host_want(h, "ovsbr0", &vs_mode_ovs);

	n->ovs_datapath = VS_OVS_NETDEV;
	n->has_uplink = true;
	strcpy(n->uplink_name, "lan0");
	strcpy(n->uplink.name, "eth0");
	return n;
}

static struct vs_vif *want_vif(struct plan_host *h, const char *name)
{
	struct vs_vif *vif = vs_wanted_add_vif(&h->wanted);

	snprintf(vif->name, sizeof(vif->name), "%s", name);
	strcpy(vif->network, "ovsbr0");
	strcpy(vif->guest, "web");
	vif->has_mac = true;
	memcpy(vif->mac, "\x00\x16\x3e\x00\x00\x01", MAC_LEN);
	vif->anti_spoof = VS_SPOOF_STRICT;
	vif->nr_addrs = 1;
	vif->addrs[0] = (struct vs_prefix){ .family = AF_INET, .len = 32 };
	memcpy(vif->addrs[0].address, "\x0a\x00\x00\x05", 4);
	return vif;
}

static int setup(void **state)
{
	struct plan_host *h = plan_host_open();

	assert_non_null(vs_fake_add_link(h->fake, "vif1.0", "tun"));
	give_addr(h, "eth0", "192.0.2.10");
	*state = h;
	return 0;
}

static size_t step_of(const struct plan_host *h, const char *text)
{
	char found[VS_OP_TEXT_LEN];

	for (size_t i = 0; i < h->plan.nr; i++) {
		vs_op_text(&h->plan.steps[i].op, found);
		if (!strcmp(found, text))
			return i;
	}
	fail_msg("no step: %s", text);
	return 0;
}

static void test_up_and_down(void **state)
{
	struct plan_host *h = *state;
	char *before = vs_observed_text(&h->fake->model), *after;
	const struct vs_link *link;

	want(h);
	want_vif(h, "vif1.0");
	plan_host_apply(h);
	link = vs_observed_link(&h->fake->model, "ovsbr0");
	assert_non_null(link);
	assert_true(link->is_up);
	/* Make before break, and the guest's link last. */
	assert_true(step_of(h, "add address 192.0.2.10/24 to ovsbr0") <
		    step_of(h, "set Open vSwitch port eth0"));
	assert_true(step_of(h, "set Open vSwitch port eth0") <
		    step_of(h, "remove address 192.0.2.10/24 from eth0"));
	assert_true(step_of(h, "set Open vSwitch port vif1.0") <= h->plan.nr - 1);
	/* Before Open vSwitch hears of it. */
	assert_true(step_of(h, "set packet filter of vif1.0") <
		    step_of(h, "set Open vSwitch port vif1.0"));
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
	/* Down again: as it was, but for the vif, which stays up until its guest goes. */
	vs_wanted_fini(&h->wanted);
	plan_host_apply(h);
	assert_null(vs_observed_link(&h->fake->model, "ovsbr0"));
	assert_int_equal(h->fake->model.nr_docs, 0);
	after = vs_observed_text(&h->fake->model);
	assert_non_null(strstr(after, "eth0"));
	free(before);
	free(after);
}

/* Every prefix of the plan, undone, is where it began. */
static void test_undone_at_any_step(void **state)
{
	struct plan_host *h = *state;
	char *before = vs_observed_text(&h->fake->model), *after, why[VS_TEXT_LEN];

	want(h);
	want_vif(h, "vif1.0");
	assert_int_equal(plan_host_plan(h), 0);
	assert_true(h->plan.nr > 5);
	for (size_t n = 1; n <= h->plan.nr; n++) {
		for (size_t i = 0; i < n; i++)
			assert_int_equal(vs_step_do(&h->fake->sys, &h->plan.steps[i], why), 0);
		for (size_t i = n; i-- > 0;)
			assert_int_equal(vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
		after = vs_observed_text(&h->fake->model);
		assert_string_equal(after, before);
		free(after);
	}
	free(before);
}

static size_t count(const struct plan_host *h, enum vs_op_kind kind)
{
	size_t nr = 0;

	for (size_t i = 0; i < h->plan.nr; i++)
		nr += h->plan.steps[i].op.kind == kind;
	return nr;
}

static void undo_all_prefixes(struct plan_host *h)
{
	char *before = vs_observed_text(&h->fake->model), *after, why[VS_TEXT_LEN];

	assert_int_equal(plan_host_plan(h), 0);
	for (size_t n = 1; n <= h->plan.nr; n++) {
		for (size_t i = 0; i < n; i++)
			assert_int_equal(vs_step_do(&h->fake->sys, &h->plan.steps[i], why), 0);
		for (size_t i = n; i-- > 0;)
			assert_int_equal(vs_step_undo(&h->fake->sys, &h->plan.steps[i], why), 0);
		after = vs_observed_text(&h->fake->model);
		assert_string_equal(after, before);
		free(after);
	}
	free(before);
}

/* One name, two kinds of switches: no port is moved between Linux bridges where a bridge can be renamed. */
static void test_same_name(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want(h);
	const struct vs_mode *const modes[] = { &vs_mode_ovs, &vs_mode_bridge };

	n->ovs_datapath = VS_OVS_NETDEV;
	want_vif(h, "vif1.0");
	n->mode = &vs_mode_bridge;
	plan_host_apply(h);
	for (unsigned int lacks = 0; lacks <= VS_LACKS_LIVE_RENAME; lacks += VS_LACKS_LIVE_RENAME)
		for (size_t i = 0; i < 2; i++) {
			h->fake->model.lacks = lacks;
			n->mode = modes[i];
			undo_all_prefixes(h);
			plan_host_apply(h);
			assert_int_equal(count(h, VS_OP_SET_NAME), lacks ? 0 : 1);
			/* The vif and the uplink, once each. */
			if (lacks)
				assert_true(count(h, VS_OP_SET_MASTER) > 2);
			else
				assert_int_equal(count(h, VS_OP_SET_MASTER), 2);
			assert_int_equal(plan_host_plan(h), 0);
			assert_int_equal(h->plan.nr, 0);
			for (size_t k = 0; k < h->fake->model.nr_links; k++)
				assert_memory_not_equal(h->fake->model.links[k].name, "vfs", 3);
		}
}

static struct vs_network *want_dpdk(struct plan_host *h)
{
	struct vs_network *n = want(h);

	n->ovs_datapath = VS_OVS_DPDK;
	n->dpdk = (struct vs_ovs_dpdk){ .cpus = { 5, 2 }, .nr_cpus = 2, .memory = 512u << 20 };
	strcpy(n->dpdk.run_dir, "/run/vifrost");
	return n;
}

/* It has no link, and needs none. */
static struct vs_vif *want_port(struct plan_host *h)
{
	struct vs_vif *vif = want_vif(h, "web-eth0");

	vif->domid = 3;
	vif->is_given = true;
	vif->devid = 1;
	vif->mtu = 1400;
	vif->anti_spoof = VS_SPOOF_MAC;
	vif->vlans.access = 7;
	vif->to_guest = (struct vs_rate){ .bits_per_s = 80000000, .burst_bytes = 300000 };
	return vif;
}

static json_t *port_of(struct plan_host *h, const char *name)
{
	return vs_observed_doc(&h->fake->model, VS_DOC_OVS_PORT, name);
}

static const char *devargs_of(struct plan_host *h, const char *name)
{
	return json_string_value(json_object_get(port_of(h, name), "devargs"));
}

/* Vifs without a link: a port of their own name, and the bridge says what DPDK is to take. */
static void test_dpdk(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want_dpdk(h);
	json_t *bridge, *expected;

	want_port(h);
	plan_host_apply(h);
	assert_true(h->plan.record.networks[0].is_dpdk);
	bridge = vs_observed_doc(&h->fake->model, VS_DOC_OVS_BRIDGE, "ovsbr0");
	assert_string_equal(json_string_value(json_object_get(bridge, "datapath")), "netdev");
	assert_true(json_is_true(json_object_get(bridge, "secure")));
	expected = json_pack("{s[ii]si}", "cpus", 2, 5, "memory", 512);
	assert_true(json_equal(json_object_get(bridge, "dpdk"), expected));
	json_decref(expected);
	assert_string_equal(devargs_of(h, "vif3.1"),
			    "net_xenvif_3_1,dom=3,devid=1,run-dir=/run/vifrost");
	assert_int_equal(json_integer_value(json_object_get(port_of(h, "vif3.1"), "mtu")), 1400);
	assert_int_equal(json_integer_value(json_object_get(port_of(h, "vif3.1"), "access")), 7);
	assert_non_null(json_object_get(port_of(h, "vif3.1"), "guard"));
	assert_null(json_object_get(port_of(h, "vif3.1"), "queues"));
	expected = json_pack("{sisi}", "bits-per-s", 80000000, "burst", 300000);
	assert_true(json_equal(json_object_get(port_of(h, "vif3.1"), "to-guest"), expected));
	json_decref(expected);
	/* The uplink stays a link's. */
	assert_null(devargs_of(h, "eth0"));
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
	/* What flows cannot ask for is the driver's to drop. */
	h->wanted.vifs[0].anti_spoof = VS_SPOOF_STRICT;
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 1);
	assert_int_equal(h->plan.steps[0].disruption, VS_DISRUPTION_BLIP);
	plan_host_apply(h);
	assert_string_equal(devargs_of(h, "vif3.1"),
			    "net_xenvif_3_1,dom=3,devid=1,drop-forged=1,run-dir=/run/vifrost");
	h->wanted.vifs[0].anti_spoof = VS_SPOOF_ANY;
	n->dpdk.queues = 2;
	n->dpdk.run_dir[0] = '\0';
	plan_host_apply(h);
	assert_string_equal(devargs_of(h, "vif3.1"), "net_xenvif_3_1,dom=3,devid=1");
	assert_int_equal(json_integer_value(json_object_get(port_of(h, "vif3.1"), "queues")), 2);
	h->wanted.nr_vifs = 0;
	plan_host_apply(h);
	assert_null(port_of(h, "vif3.1"));
}

/* A card that DPDK has is a port by its address: no link is looked for, none is moved from. */
static void test_card(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want_dpdk(h);
	static const char card[] = "0000:5e:00.0";
	json_t *expected;

	n->uplink.name[0] = '\0';
	strcpy(n->uplink.pci, card);
	strcpy(n->dpdk.card_why, "not DPDK's");
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_non_null(strstr(h->ds.v[h->ds.nr - 1].message, "not DPDK's"));
	n->dpdk.card_why[0] = '\0';
	n->dpdk.queues = 2;
	plan_host_apply(h);
	expected = json_pack("{sssbsbs{ss}sssisi}", "bridge", "ovsbr0", "protected", 0, "uplink", 1,
			     "guard", "level", "uplink", "devargs", card, "queues", 2, "mtu", 1500);
	assert_true(json_equal(port_of(h, card), expected));
	json_decref(expected);
	assert_null(port_of(h, "eth0"));
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
	/* The kernel has it again: a link, and no card. */
	n->uplink.pci[0] = '\0';
	strcpy(n->uplink.name, "eth0");
	plan_host_apply(h);
	assert_null(port_of(h, card));
	assert_non_null(port_of(h, "eth0"));
	assert_null(devargs_of(h, "eth0"));
	strcpy(n->uplink.pci, card);
	n->uplink.name[0] = '\0';
	plan_host_apply(h);
	assert_non_null(port_of(h, card));
	h->wanted.nr_networks = 0;
	plan_host_apply(h);
	assert_null(port_of(h, card));
}

/* To and from TAPs: what a vif had there goes, and a port without a link does not wait for one. */
static void test_dpdk_and_back(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want(h);
	struct vs_vif *vif = want_vif(h, "vif1.0");

	vif->domid = 1;
	plan_host_apply(h);
	assert_null(devargs_of(h, "vif1.0"));
	assert_true(vs_observed_link(&h->fake->model, "vif1.0")->is_up);
	n->ovs_datapath = VS_OVS_DPDK;
	vif->anti_spoof = VS_SPOOF_MAC;
	plan_host_apply(h);
	/* Down and without a port, until it is given to the driver. */
	assert_null(port_of(h, "vif1.0"));
	assert_false(vs_observed_link(&h->fake->model, "vif1.0")->is_up);
	assert_null(vs_observed_doc(&h->fake->model, VS_DOC_XDP, "vif1.0"));
	vif->is_given = true;
	strcpy(vif->name, "vif1.0-gone");
	plan_host_apply(h);
	assert_non_null(devargs_of(h, "vif1.0"));
	/* vifrost-netback has not made the link yet. */
	n->ovs_datapath = VS_OVS_NETDEV;
	strcpy(vif->name, "later0");
	plan_host_apply(h);
	assert_null(port_of(h, "vif1.0"));
}

static void test_dpdk_lacks(void **state)
{
	struct plan_host *h = *state;

	want_dpdk(h);
	strcpy(h->wanted.dpdk_why, "there are no hugepages: 'sysctl vm.nr_hugepages=64'");
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_int_equal(h->ds.nr_errors, 1);
	assert_string_equal(h->ds.v[0].code, "VF0519");
	assert_non_null(strstr(h->ds.v[0].message, "vm.nr_hugepages=64"));
}

/* A vif that nobody wants leaves no port behind. */
static void test_stale_port_goes(void **state)
{
	struct plan_host *h = *state;

	want(h);
	want_vif(h, "vif1.0");
	plan_host_apply(h);
	assert_non_null(vs_observed_doc(&h->fake->model, VS_DOC_OVS_PORT, "vif1.0"));
	h->wanted.nr_vifs = 0;
	plan_host_apply(h);
	assert_null(vs_observed_doc(&h->fake->model, VS_DOC_OVS_PORT, "vif1.0"));
	assert_non_null(vs_observed_doc(&h->fake->model, VS_DOC_OVS_PORT, "eth0"));
}

static void test_name_is_taken(void **state)
{
	struct plan_host *h = *state;

	assert_non_null(vs_fake_add_link(h->fake, "ovsbr0", "openvswitch"));
	want(h);
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_int_equal(h->ds.nr_errors, 1);
	assert_string_equal(h->ds.v[0].code, "VF0510");
}

static json_t *foreign_bridge(const char *ports)
{
	json_t *doc = json_loads("{\"datapath\":\"system\",\"secure\":false,\"foreign\":true}", 0,
				 NULL);

	json_object_set_new(doc, "ports", json_loads(ports, 0, NULL));
	return doc;
}

static void refused(struct plan_host *h, const char *what)
{
	assert_int_equal(plan_host_plan(h), -EINVAL);
	assert_int_equal(h->ds.nr_errors, 1);
	assert_string_equal(h->ds.v[0].code, "VF0510");
	if (!strstr(h->ds.v[0].message, what))
		fail_msg("%s", h->ds.v[0].message);
	diags_fini(&h->ds);
	h->ds = (struct diags){ 0 };
}

/* Somebody else's bridge: used where it is as wanted, with our ports beside others', and left as it was. */
static void test_adoption(void **state)
{
	struct plan_host *h = *state;
	struct vs_observed *model = &h->fake->model;
	struct vs_network *n = want(h);
	struct vs_link *link = vs_fake_add_link(h->fake, "ovsbr0", "openvswitch");
	json_t *doc = foreign_bridge("[\"tap7\"]");
	char *before, *after;

	assert_non_null(link);
	link->mtu = 1500;
	assert_int_equal(vs_observed_set_doc(model, VS_DOC_OVS_BRIDGE, "ovsbr0", doc), 0);
	json_decref(doc);
	refused(h, "need all of its flows");
	n->ovs_datapath = VS_OVS_KERNEL;
	refused(h, "eth0 is not one of its ports");
	doc = foreign_bridge("[\"eth0\",\"tap7\"]");
	assert_int_equal(vs_observed_set_doc(model, VS_DOC_OVS_BRIDGE, "ovsbr0", doc), 0);
	link->is_up = false;
	refused(h, "it is down");
	link->is_up = true;
	n->stp = true;
	refused(h, "STP");
	n->stp = false;
	n->fail_secure = true;
	refused(h, "fail-mode secure");
	n->fail_secure = false;
	json_object_set_new(doc, "secure", json_true());
	refused(h, "its fail mode is secure");
	json_object_set_new(doc, "secure", json_false());
	json_object_set_new(doc, "datapath", json_string("netdev"));
	refused(h, "its datapath is netdev");
	json_object_set_new(doc, "datapath", json_string("system"));

	before = vs_observed_text(model);
	want_vif(h, "vif1.0");
	plan_host_apply(h);
	assert_true(h->record.networks[0].is_adopted);
	assert_non_null(vs_observed_doc(model, VS_DOC_OVS_PORT, "vif1.0"));
	assert_null(vs_observed_doc(model, VS_DOC_OVS_PORT, "eth0"));
	assert_int_equal(plan_host_plan(h), 0);
	assert_int_equal(h->plan.nr, 0);
	/* The vif's port goes with its guest, the bridge stays for those who made it. */
	h->wanted.nr_vifs = 0;
	plan_host_apply(h);
	assert_null(vs_observed_doc(model, VS_DOC_OVS_PORT, "vif1.0"));
	h->wanted.nr_vifs = 1;
	plan_host_apply(h);
	vs_wanted_fini(&h->wanted);
	plan_host_apply(h);
	assert_null(vs_observed_doc(model, VS_DOC_OVS_PORT, "vif1.0"));
	assert_true(json_equal(vs_observed_doc(model, VS_DOC_OVS_BRIDGE, "ovsbr0"), doc));
	assert_true(vs_observed_link(model, "ovsbr0")->is_up);
	after = vs_observed_text(model);
	assert_non_null(strstr(after, "192.0.2.10"));
	json_decref(doc);
	free(before);
	free(after);
}

/* The record is lost: what is on the bridge was the uplink's, and comes back to it. */
static void test_lost_record(void **state)
{
	struct plan_host *h = *state;

	want(h);
	plan_host_apply(h);
	vs_record_fini(&h->record);
	plan_host_apply(h);
	vs_wanted_fini(&h->wanted);
	plan_host_apply(h);
	assert_int_equal(h->fake->model.nr_addrs, 1);
	assert_int_equal(h->fake->model.addrs[0].ifindex,
			 vs_observed_link(&h->fake->model, "eth0")->ifindex);
}

static void expect_doc(json_t *doc, const char *text)
{
	json_t *want_doc = json_loads(text, 0, NULL);
	char *got = json_dumps(doc, JSON_SORT_KEYS | JSON_COMPACT);

	assert_non_null(want_doc);
	if (!json_equal(doc, want_doc))
		fail_msg("%s", got);
	free(got);
	json_decref(doc);
	json_decref(want_doc);
}

static void test_documents(void **state)
{
	struct plan_host *h = *state;
	struct vs_network *n = want(h);
	struct vs_vif *vif = want_vif(h, "vif1.0");
	const uint8_t mac[MAC_LEN] = { 2, 0, 0, 0, 0, 1 };

	expect_doc(ovs_bridge_doc(n, mac),
		   "{\"datapath\":\"netdev\",\"secure\":true,\"flows\":true,"
		   "\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500}");
	expect_doc(ovs_vif_doc(vif, n),
		   "{\"bridge\":\"ovsbr0\",\"protected\":false,\"access\":0,"
		   "\"ids\":{\"attached-mac\":\"00:16:3e:00:00:01\",\"iface-id\":\"web/0\","
		   "\"vm-id\":\"web\"},"
		   "\"guard\":{\"level\":\"strict\",\"mac\":\"00:16:3e:00:00:01\","
		   "\"addrs\":[\"10.0.0.5\"]}}");
	/* The kernel's datapath has another guard, and a switch that goes on alone. */
	n->ovs_datapath = VS_OVS_KERNEL;
	n->stp = true;
	n->stp_max_age_s = 10;
	expect_doc(ovs_bridge_doc(n, mac), "{\"datapath\":\"system\",\"secure\":false,"
					   "\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,"
					   "\"stp\":{\"max-age\":10}}");
	vif->guest[0] = '\0';
	vif->isolation = VS_ISOLATION_PORT;
	vif->vlans = (struct vs_vlans){ .native = 12,
					.nr_trunk = 3,
					.trunk = { { 20, 29 }, { 10, 11 }, { 4094, 4094 } } };
	expect_doc(ovs_vif_doc(vif, n), "{\"bridge\":\"ovsbr0\",\"protected\":true,\"native\":12,"
					"\"trunk\":[[10,12],[20,29],[4094,4094]]}");
}

static bool has_flow(const json_t *flows, const char *text)
{
	json_t *flow;
	size_t i;

	json_array_foreach (flows, i, flow)
		if (!strcmp(json_string_value(flow), text))
			return true;
	return false;
}

static void test_flows(void **state)
{
	json_t *guard = json_pack("{s:s,s:s,s:[s],s:i}", "level", "strict", "mac",
				  "00:16:3e:00:00:01", "addrs", "10.0.0.5", "packets-per-s", 1000);
	json_t *flows = ovs_guard_flows(guard, 7);

	(void)state;
	assert_int_equal(json_array_size(flows), 6);
	assert_true(has_flow(flows, "table=0,priority=65000,in_port=7,dl_src=00:16:3e:00:00:01,"
				    "vlan_tci=0x0000/0x1000,actions=meter:7,goto_table:1"));
	assert_true(has_flow(
		flows, "table=4,priority=100,in_port=7,ip,nw_src=10.0.0.5,actions=goto_table:6"));
	/* From anywhere else it is dropped. */
	assert_true(has_flow(flows, "table=0,priority=1007,dl_src=00:16:3e:00:00:01,actions=drop"));
	json_decref(flows);
	/* Every other flow is bound to the port, and no address but those given appears. */
	json_array_append_new(json_object_get(guard, "addrs"), json_string("fd00::5"));
	flows = ovs_guard_flows(guard, 7);
	assert_int_equal(json_array_size(flows), 17);
	for (size_t i = 0; i < json_array_size(flows); i++) {
		const char *text = json_string_value(json_array_get(flows, i));

		assert_true(strstr(text, ",in_port=7,") || strstr(text, ",actions=drop"));
	}
	assert_true(has_flow(flows, "table=4,priority=100,in_port=7,ipv6,"
				    "ipv6_src=fe80::216:3eff:fe00:1,actions=goto_table:6"));
	json_decref(flows);
	json_decref(guard);
	/* A guard of no known level lets nothing pass. */
	guard = json_object();
	flows = ovs_guard_flows(guard, 7);
	assert_int_equal(json_array_size(flows), 0);
	json_decref(flows);
	json_decref(guard);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_up_and_down, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_undone_at_any_step, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_same_name, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_dpdk, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_card, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_dpdk_and_back, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_dpdk_lacks, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_stale_port_goes, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_name_is_taken, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_adoption, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_lost_record, setup, plan_host_teardown),
		cmocka_unit_test_setup_teardown(test_documents, setup, plan_host_teardown),
		cmocka_unit_test(test_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
