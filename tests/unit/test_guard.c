/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guards as documents: each compiles, none lets more through than it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "vswitch/fake.h"
#include "vswitch/guard.h"
#include "vswitch/nft.h"

static struct vs_vif a_vif(enum vs_anti_spoof mode)
{
	struct vs_vif vif = { .name = "vif1.0",
			      .network = "red",
			      .anti_spoof = mode,
			      .has_mac = true,
			      .mac = { 0, 0x16, 0x3e, 1, 2, 3 } };

	return vif;
}

static void add(struct vs_vif *vif, const char *address, uint8_t len)
{
	struct vs_prefix *p = &vif->addrs[vif->nr_addrs++];

	p->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	p->len = len;
	assert_int_equal(inet_pton(p->family, address, p->address), 1);
}

/* As text, checked by the compiler. */
static char *text_of(const struct vs_vif *vif)
{
	char why[VS_TEXT_LEN];
	bool is_needed;
	json_t *doc = guard_doc(vif, &is_needed), *rule;
	json_t *from = json_object_get(json_object_get(doc, "from"), "rules");
	char *text;
	size_t i;

	assert_true(is_needed);
	assert_non_null(doc);
	json_array_extend(from, json_object_get(doc, "to"));
	json_array_foreach (from, i, rule)
		if (nft_check_rule("netdev", json_string_value(rule), why) != 0)
			fail_msg("%s", why);
	text = json_dumps(doc, 0);
	json_decref(doc);
	return text;
}

static bool says(const struct vs_vif *vif, const char *what)
{
	char *text = text_of(vif);
	bool found = strstr(text, what) != NULL;

	free(text);
	return found;
}

static void none_needs_none(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_ANY);
	bool is_needed = true;

	(void)state;
	assert_null(guard_doc(&vif, &is_needed));
	assert_false(is_needed);
	vif.vlans.access = 5;
	assert_true(says(&vif, "ether type 8021q goto vlan"));
	vif = a_vif(VS_SPOOF_ANY);
	vif.from_guest.packets_per_s = 1000;
	assert_true(says(&vif, "limit rate over 1000/second"));
	assert_true(says(&vif, "goto rate"));
	assert_false(says(&vif, "goto to_rate"));
	vif.to_guest.packets_per_s = UINT32_MAX;
	assert_true(says(&vif, "goto to_rate"));
}

static void mac_alone(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_MAC);

	(void)state;
	assert_true(says(&vif, "ether saddr != 00:16:3e:01:02:03 goto spoof_mac"));
	assert_true(says(&vif, "\"goto mac\""));
	assert_true(says(&vif, "\"own\": [\"00:16:3e:01:02:03\"]"));
	assert_true(says(&vif, "\"policy\": \"accept\""));
}

/* What is flooded to a guest that has a layer 2 of its own, whatever it may send. */
static void apart_hears_its_own(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_ANY);
	char why[VS_TEXT_LEN];
	json_t *doc, *to;
	bool is_needed;

	(void)state;
	vif.isolation = VS_ISOLATION_GUEST;
	assert_true(says(&vif, "\"ether daddr 00:16:3e:01:02:03 accept\""));
	assert_true(says(&vif, "jump apart\", \"goto others\"]"));
	assert_true(says(&vif, "\"own\": [\"00:16:3e:01:02:03\"]"));
	assert_true(says(&vif, "\"policy\": \"accept\""));
	add(&vif, "192.0.2.1", 32);
	/* Without addresses nobody knows which questions are for it. */
	assert_true(says(&vif, "jump apart_addrs\", \"goto others\"]"));
	assert_true(says(&vif, "\"192.0.2.1\", \"fe80::/10\"]"));
	vif.anti_spoof = VS_SPOOF_STRICT;
	assert_true(says(&vif, "\"192.0.2.1\", \"dhcp\"]"));
	/* None is dropped: a program that sends many at once would lose those behind. */
	doc = guard_stack_doc(&vif);
	to = json_object_get(doc, "to");
	assert_int_equal(json_array_size(to), 4);
	assert_non_null(strstr(json_string_value(json_array_get(to, 3)), "fwd to"));
	assert_int_equal(nft_check_rule("netdev", json_string_value(json_array_get(to, 3)), why),
			 0);
	assert_int_equal(json_array_size(json_object_get(doc, "own")), 3);
	json_decref(doc);
	/* A mirror's copies are not for it either; and one whose address nobody knows. */
	vif.isolation = VS_ISOLATION_PORT;
	vif.anti_spoof = VS_SPOOF_ANY;
	assert_null(guard_doc(&vif, &is_needed));
	vif.isolation = VS_ISOLATION_GUEST;
	vif.has_mac = false;
	assert_null(guard_doc(&vif, &is_needed));
	vif.has_mac = vif.receive_only = true;
	assert_false(says(&vif, "apart"));
}

/* Frames for others come with its own by one call of Open vSwitch's: none of them may end that. */
static void stack_drops_nothing_of_others(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_MAC);
	json_t *doc = guard_stack_doc(&vif), *to = json_object_get(doc, "to"), *rule;
	char why[VS_TEXT_LEN];
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(to), 2);
	json_array_foreach (to, i, rule) {
		assert_null(strstr(json_string_value(rule), "goto"));
		assert_int_equal(nft_check_rule("netdev", json_string_value(rule), why), 0);
	}
	assert_non_null(strstr(json_string_value(json_array_get(to, 1)), "fwd to"));
	json_decref(doc);
}

/* T185: a family without an address has none to send from. */
static void unlisted_families(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_STRICT);

	(void)state;
	assert_true(says(&vif, "\"own\": [\"00:16:3e:01:02:03\"]"));
	assert_true(says(&vif, "\"policy\": \"drop\""));
	add(&vif, "192.0.2.1", 32);
	assert_true(says(&vif, "[\"00:16:3e:01:02:03\", \"192.0.2.1\", \"dhcp\"]"));
	add(&vif, "2001:db8::1", 128);
	assert_true(
		says(&vif, "\"2001:db8::1\", \"dhcp\", \"fe80::216:3eff:fe01:203\", \"slaac\"]"));
}

static void unknown_mac_is_silent(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_STRICT);

	(void)state;
	vif.has_mac = false;
	add(&vif, "192.0.2.1", 32);
	assert_true(says(&vif, "[\"goto spoof_mac\"]"));
	vif.anti_spoof = VS_SPOOF_MAC;
	assert_true(says(&vif, "[\"goto spoof_mac\"]"));
}

/* Copies of others' frames are for other MACs; and whatever it may be, none of its own passes. */
static void mirror_target_only_receives(void **state)
{
	static const enum vs_anti_spoof levels[] = { VS_SPOOF_ANY, VS_SPOOF_MAC, VS_SPOOF_STRICT };

	(void)state;
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct vs_vif vif = a_vif(levels[i]);

		vif.receive_only = true;
		assert_true(says(&vif, "\"policy\": \"drop\", \"rules\": [\"goto spoof_mac\"]"));
		assert_true(says(&vif, "\"to\": []"));
		assert_true(says(&vif, "\"own\": []"));
	}
}

/* Before its lease it may ask for one, and no more: nothing of its own but the MAC is listed. */
static void by_lease_may_ask(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_STRICT);

	(void)state;
	vif.by_lease = true;
	assert_true(says(&vif, "\"own\": [\"00:16:3e:01:02:03\", \"dhcp\"]"));
	assert_true(says(&vif, "goto strict"));
	vif.by_lease = false;
	assert_false(says(&vif, "\"dhcp\""));
}

static void many_addresses(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_STRICT);
	char address[64];

	(void)state;
	for (int i = 0; i < VS_VIF_ADDRS_MAX; i++) {
		snprintf(address, sizeof(address), "2001:db8:1111:2222:3333:4444:5555:%x",
			 0x6660 + i);
		add(&vif, address, 128);
	}
	assert_true(says(&vif, "5555:6660"));
	assert_true(says(&vif, "5555:666f"));
}

/* Prefixes that hold others would be refused as overlapping. */
static void overlaps(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_STRICT);

	(void)state;
	add(&vif, "192.0.2.1", 32);
	add(&vif, "192.0.2.1", 32);
	add(&vif, "192.0.2.0", 24);
	add(&vif, "192.0.2.9", 32);
	add(&vif, "fe80::", 64);
	assert_true(says(&vif, "[\"00:16:3e:01:02:03\", \"192.0.2.0/24\", \"dhcp\", "));
	assert_true(says(&vif, "\"fe80::/64\", \"slaac\"]"));
}

static void trunks(void **state)
{
	struct vs_vif vif = a_vif(VS_SPOOF_STRICT);

	(void)state;
	add(&vif, "192.0.2.1", 32);
	for (uint16_t i = 0; i < VS_TRUNK_MAX; i++)
		vif.vlans.trunk[i] = (struct vs_vlan_range){ (uint16_t)(1000 + 20 * i),
							     (uint16_t)(1009 + 20 * i) };
	vif.vlans.nr_trunk = VS_TRUNK_MAX;
	assert_true(says(&vif, "1300-1309 } goto vlan"));
	assert_true(says(&vif, "ether type 8021ad goto vlan"));
}

/* incus#4025: what stands behind extension headers is not seen by it. */
static void next_header_never_alone(void **state)
{
	json_t *shared = guard_shared_doc();
	char *text = json_dumps(shared, 0), *at, why[VS_TEXT_LEN];

	(void)state;
	if (nft_check(GUARD_TABLE, shared, why) != 0)
		fail_msg("%s", why);
	for (at = text; (at = strstr(at, "ip6 nexthdr")); at++)
		assert_int_equal(strncmp(at, "ip6 nexthdr icmpv6 icmpv6 type nd-", 34), 0);
	assert_null(strstr(text, "ip protocol"));
	free(text);
	json_decref(shared);
}

static void sets(void **state)
{
	(void)state;
	assert_string_equal(guard_set_of("00:16:3e:01:02:03"), "macs");
	assert_string_equal(guard_set_of("192.0.2.1"), "own4");
	assert_string_equal(guard_set_of("192.0.2.0/24"), "net4");
	assert_string_equal(guard_set_of("fe80::1"), "own6");
	assert_string_equal(guard_set_of("fe80::/64"), "net6");
	assert_string_equal(guard_set_of("dhcp"), "dhcp");
	assert_string_equal(guard_reason("n_spoof_mac"), GUARD_SPOOF_MAC);
	assert_null(guard_reason("own4"));
}

/* ---- Planned ---- */

static struct vs_plan plan_of(struct vs_fake *fake, enum vs_anti_spoof mode, bool is_wanted)
{
	struct vs_network n = { .name = "red", .mode = &vs_mode_bridge, .mtu = 1500 };
	struct vs_vif vif = a_vif(mode);
	struct vs_wanted w;
	struct vs_record record;
	struct diags ds = { 0 };
	struct vs_plan plan;

	vs_wanted_init(&w);
	vs_record_init(&record);
	w.networks = &n;
	w.nr_networks = 1;
	w.vifs = &vif;
	w.nr_vifs = is_wanted;
	assert_int_equal(vs_plan_make(&w, &fake->model, &record, &ds, &plan), 0);
	diags_fini(&ds);
	return plan;
}

static size_t step_of(const struct vs_plan *plan, enum vs_op_kind kind, const char *link)
{
	for (size_t i = 0; i < plan->nr; i++)
		if (plan->steps[i].op.kind == kind &&
		    !strcmp(kind == VS_OP_DOC ? plan->steps[i].op.text : plan->steps[i].op.link,
			    link))
			return i;
	return SIZE_MAX;
}

static void run(struct vs_fake *fake, struct vs_plan *plan)
{
	char why[VS_TEXT_LEN];

	for (size_t i = 0; i < plan->nr; i++)
		assert_int_equal(vs_step_do(&fake->sys, &plan->steps[i], why), 0);
	vs_plan_fini(plan);
}

/* T186: before the link is up, and gone only when that is down. */
static void before_the_link(void **state)
{
	struct vs_fake *fake;
	struct vs_plan plan;
	size_t guard, up;

	(void)state;
	assert_int_equal(vs_fake_open(&fake), 0);
	vs_fake_add_link(fake, "vif1.0", "tun")->is_up = false;
	plan = plan_of(fake, VS_SPOOF_MAC, true);
	guard = step_of(&plan, VS_OP_DOC, "netdev vifrost-vif1.0");
	up = step_of(&plan, VS_OP_SET_UP, "vif1.0");
	assert_true(guard < up && up != SIZE_MAX);
	assert_true(guard < step_of(&plan, VS_OP_SET_MASTER, "vif1.0"));
	run(fake, &plan);

	plan = plan_of(fake, VS_SPOOF_MAC, true);
	assert_int_equal(step_of(&plan, VS_OP_DOC, "netdev vifrost-vif1.0"), SIZE_MAX);
	vs_plan_fini(&plan);
	/* Replaced in one step, not taken away and put back. */
	plan = plan_of(fake, VS_SPOOF_STRICT, true);
	guard = step_of(&plan, VS_OP_DOC, "netdev vifrost-vif1.0");
	assert_non_null(plan.steps[guard].op.doc);
	assert_non_null(plan.steps[guard].undo.doc);
	assert_int_equal(step_of(&plan, VS_OP_SET_UP, "vif1.0"), SIZE_MAX);
	run(fake, &plan);

	/* Nobody's vif: while it is up, its guard stays; a link that is gone needs none. */
	plan = plan_of(fake, VS_SPOOF_ANY, false);
	assert_int_equal(step_of(&plan, VS_OP_DOC, "netdev vifrost-vif1.0"), SIZE_MAX);
	vs_plan_fini(&plan);
	strcpy(fake->model.links[1].name, "vif2.0");
	plan = plan_of(fake, VS_SPOOF_ANY, false);
	guard = step_of(&plan, VS_OP_DOC, "netdev vifrost-vif1.0");
	assert_true(guard != SIZE_MAX && !plan.steps[guard].op.doc);
	vs_plan_fini(&plan);
	fake->sys.ops->close(&fake->sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_needs_none),
		cmocka_unit_test(mac_alone),
		cmocka_unit_test(apart_hears_its_own),
		cmocka_unit_test(stack_drops_nothing_of_others),
		cmocka_unit_test(unlisted_families),
		cmocka_unit_test(unknown_mac_is_silent),
		cmocka_unit_test(mirror_target_only_receives),
		cmocka_unit_test(by_lease_may_ask),
		cmocka_unit_test(many_addresses),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(trunks),
		cmocka_unit_test(next_header_never_alone),
		cmocka_unit_test(sets),
		cmocka_unit_test(before_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
