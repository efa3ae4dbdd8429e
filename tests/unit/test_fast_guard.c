/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guards of the switch in user space, with the very frames that tests/netns/spoof.sh sends through the
 * kernel's: each frame of tests/util/forge.h has the same verdict here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/util/forge.h"
#include "vswitch/fast/guard.h"
#include "vswitch/guard.h"

#define MAC "\"mac\":\"00:16:3e:00:00:01\""
#define STRICT                                                                                     \
	"{\"level\":\"strict\"," MAC ",\"addrs\":[\"10.1.0.11\",\"fd00::11\"],\"packets-per-s\":7}"
#define HEAD 128u

static struct fast_guard *guard;
static char why[FAST_WHY_MAX];

static int teardown(void **state)
{
	(void)state;
	fast_guard_destroy(guard);
	guard = NULL;
	return 0;
}

static int compile(const char *text)
{
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
	int rc;

	assert_true(doc || !text);
	fast_guard_destroy(guard);
	rc = fast_guard_compile(doc, &guard, why);
	json_decref(doc);
	return rc;
}

/* As the switch has it: no more than HEAD bytes to look at, in memory of just that size. */
static int check(const uint8_t *frame, size_t size,
		 int (*fn)(const struct fast_guard *g, const struct fast_head *h))
{
	size_t have = size < HEAD ? size : HEAD;
	uint8_t *copy = malloc(have ? have : 1);
	struct fast_head h;
	int reason;

	memcpy(copy, frame, have);
	fast_head_parse(copy, (uint16_t)have, (uint32_t)size, &h);
	reason = fn(guard, &h);
	free(copy);
	return reason;
}

static const char *text_of(int reason)
{
	return reason < 0 ? "passes" : fast_reason_name((enum fast_reason)reason);
}

/* Index of the frame of forge.h called @name. */
static size_t index_of(const char *name)
{
	size_t i = 0;

	while (i < forge_count() && strcmp(forge_frame(i)->name, name) != 0)
		i++;
	assert_true(i < forge_count());
	return i;
}

static const char *verdict(const char *name)
{
	uint8_t frame[FORGE_SIZE];
	size_t size = forge_build(index_of(name), &forge_example, frame);

	return text_of(check(frame, size, fast_guard_check));
}

static unsigned int judge_all(unsigned int level)
{
	uint8_t frame[FORGE_SIZE];
	unsigned int wrong = 0;

	for (size_t i = 0; i < forge_count(); i++) {
		size_t size = forge_build(i, &forge_example, frame);
		int reason = check(frame, size, fast_guard_check), want = forge_arrives(i, level);

		if (want < 0 || (reason < 0) == want)
			continue;
		print_message("%s: %s\n", forge_frame(i)->name, text_of(reason));
		wrong++;
	}
	return wrong;
}

static void test_strict(void **state)
{
	(void)state;
	assert_true(forge_count() >= 136);
	assert_int_equal(compile(STRICT), 0);
	assert_int_equal(judge_all(FORGE_STRICT), 0);
	assert_int_equal(fast_guard_packets(guard), 7);
	/* Prefixes that cover its addresses are as good, and an address more changes nothing. */
	assert_int_equal(compile("{\"level\":\"strict\"," MAC ",\"addrs\":[\"10.1.0.10/31\","
				 "\"192.0.2.1\",\"2001:db8::/33\",\"fd00::10/127\"]}"),
			 0);
	assert_int_equal(judge_all(FORGE_STRICT), 0);
}

static void test_mac(void **state)
{
	(void)state;
	assert_int_equal(compile("{\"level\":\"mac\"," MAC "}"), 0);
	assert_int_equal(judge_all(FORGE_MAC), 0);
}

static void test_none_and_silent(void **state)
{
	uint8_t frame[FORGE_SIZE];

	(void)state;
	assert_int_equal(compile("{\"level\":\"none\"}"), 0);
	assert_int_equal(judge_all(FORGE_NONE), 0);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(compile(k ? "{\"level\":\"silent\"}" : NULL), 0);
		for (size_t i = 0; i < forge_count(); i++)
			assert_int_equal(check(frame, forge_build(i, &forge_example, frame),
					       fast_guard_check),
					 FAST_SPOOF_MAC);
	}
}

/* Not only dropped, but for the reason that the kernel's rules count. */
static void test_reasons(void **state)
{
	static const struct {
		const char *name, *reason;
	} want[] = {
		{ "f_mac_other", GUARD_SPOOF_MAC },
		{ "f_mac_both", GUARD_SPOOF_MAC },
		{ "f_vlan0_arp", GUARD_VLAN },
		{ "f_qinq_ra", GUARD_VLAN },
		{ "f_stp", GUARD_RESERVED },
		{ "f_bfd", GUARD_RESERVED },
		{ "f_snap_ra", GUARD_L2_FORM },
		{ "f_mpls", GUARD_L2_FORM },
		{ "f_rarp", GUARD_L2_FORM },
		{ "f_arp_reply_ip", GUARD_ARP },
		{ "f_arp_hlen", GUARD_ARP },
		{ "f_ip4_other", GUARD_SPOOF_IP },
		{ "f_dhcp4_zero_unicast", GUARD_SPOOF_IP },
		{ "f_ip6_link_local", GUARD_SPOOF_IP },
		{ "f_source_route", GUARD_IP_FORM },
		{ "f_tiny_second", GUARD_IP_FORM },
		{ "f_bad_ihl", GUARD_IP_FORM },
		{ "f_bad_length", GUARD_IP_FORM },
		{ "f_rt0", GUARD_IP_FORM },
		{ "f_ra_behind_first", GUARD_IP_FORM },
		{ "f_ns_option", GUARD_ND },
		{ "f_na_target", GUARD_ND },
		{ "f_dad_other", GUARD_ND },
		{ "f_na_fragment", GUARD_ND },
		{ "f_first_without_l4", GUARD_ND },
		{ "f_dhcp4_server", GUARD_ROGUE_DHCP },
		{ "f_dhcp6_server_hbh", GUARD_ROGUE_DHCP },
		{ "f_ra", GUARD_ROGUE_RA },
		{ "f_ra_atomic", GUARD_ROGUE_RA },
		{ "f_icmp_redirect", GUARD_ROGUE_RA },
		{ "f_igmp_query", GUARD_ROGUE_QUERIER },
		{ "f_mld_query", GUARD_ROGUE_QUERIER },
	};

	(void)state;
	assert_int_equal(compile(STRICT), 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		if (strcmp(verdict(want[i].name), want[i].reason) != 0)
			print_message("%s\n", want[i].name);
		assert_string_equal(verdict(want[i].name), want[i].reason);
	}
	assert_int_equal(compile("{\"level\":\"mac\"," MAC "}"), 0);
	assert_string_equal(verdict("f_rarp"), GUARD_ARP);
}

/* Of a trunk: one tag, behind which all is looked at as ever. */
static void test_trunk(void **state)
{
	uint8_t frame[FORGE_SIZE + 4];
	unsigned int passed = 0;

	(void)state;
	assert_int_equal(compile("{\"level\":\"strict\"," MAC
				 ",\"addrs\":[\"10.1.0.11\",\"fd00::11\"],\"trunk\":true}"),
			 0);
	assert_string_equal(verdict("f_qinq_arp"), GUARD_VLAN);
	assert_string_equal(verdict("f_vlan0_arp"), GUARD_VLAN);
	assert_string_equal(verdict("f_vlan5_honest"), "passes");
	for (size_t i = 0; i < forge_count(); i++) {
		size_t size = forge_build(i, &forge_example, frame);
		int reason;

		if (frame[12] == 0x81 || frame[12] == 0x88)
			continue;
		memmove(frame + 16, frame + 12, size - 12);
		memcpy(frame + 12, (const uint8_t[]){ 0x81, 0, 0, 5 }, 4);
		reason = check(frame, size + 4, fast_guard_check);
		if ((reason < 0) != forge_arrives(i, FORGE_STRICT))
			print_message("%s: %s\n", forge_frame(i)->name, text_of(reason));
		assert_int_equal(reason < 0, forge_arrives(i, FORGE_STRICT));
		passed += reason < 0;
	}
	assert_true(passed > 20);
}

/* A guest without a family's address has none to ask for, except by a lease. */
static void test_families(void **state)
{
	(void)state;
	assert_int_equal(compile("{\"level\":\"strict\"," MAC ",\"addrs\":[]}"), 0);
	assert_string_equal(verdict("h_dhcp4"), GUARD_SPOOF_IP);
	assert_string_equal(verdict("h_rs"), GUARD_SPOOF_IP);
	assert_string_equal(verdict("h_echo6_ll"), GUARD_SPOOF_IP);
	assert_string_equal(verdict("h_arp_request"), GUARD_ARP);
	assert_int_equal(compile("{\"level\":\"strict\"," MAC ",\"addrs\":[],\"by-lease\":true}"),
			 0);
	assert_string_equal(verdict("h_dhcp4"), "passes");
	assert_string_equal(verdict("h_udp4"), GUARD_SPOOF_IP);
	assert_int_equal(compile("{\"level\":\"strict\"," MAC ",\"addrs\":[\"fd00::11\"]}"), 0);
	assert_string_equal(verdict("h_dhcp4"), GUARD_SPOOF_IP);
	assert_string_equal(verdict("h_rs"), "passes");
	assert_string_equal(verdict("h_echo6_ll"), "passes");
	assert_string_equal(verdict("h_udp4"), GUARD_SPOOF_IP);
}

/* However few of an honest frame's bytes there are: what is cut off is not accepted. */
static void test_cut(void **state)
{
	uint8_t frame[FORGE_SIZE];

	(void)state;
	assert_int_equal(compile(STRICT), 0);
	for (size_t i = 0; i < forge_count(); i++) {
		size_t size = forge_build(i, &forge_example, frame);

		for (size_t cut = 0; cut < size; cut++) {
			int reason = check(frame, cut, fast_guard_check);

			/* ARP's 28 bytes, and padding behind a short packet. */
			if (reason < 0 && frame[12] == 8 && frame[13] == 6)
				assert_true(cut >= 42);
			else if (reason < 0)
				assert_true(cut >= 14 + (frame[12] == 8 ? 28 : 48));
		}
	}
}

static const char *verdict_to(const uint8_t *mac, const char *name)
{
	uint8_t frame[FORGE_SIZE];
	size_t size = forge_build(index_of(name), &forge_example, frame);

	if (mac)
		memcpy(frame, mac, 6);
	return text_of(check(frame, size, fast_guard_check_to));
}

static void test_to_guest(void **state)
{
	static const char *const held[] = { STRICT, "{\"level\":\"mac\"," MAC "}" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(compile(held[i]), 0);
		assert_string_equal(verdict_to(forge_example.mac, "h_udp4"), "passes");
		assert_string_equal(verdict_to(forge_example.other_mac, "h_udp4"),
				    GUARD_FOREIGN_MAC);
		assert_string_equal(verdict_to(NULL, "h_arp_request"), "passes");
	}
	assert_int_equal(compile("{\"level\":\"none\"}"), 0);
	assert_string_equal(verdict_to(forge_example.other_mac, "h_udp4"), "passes");
}

/* A layer 2 of its own: what is said to many, and is for it. */
static void test_apart(void **state)
{
	(void)state;
	assert_int_equal(compile("{\"level\":\"mac\"," MAC
				 ",\"apart\":true,\"addrs\":[\"10.1.0.13\",\"fd00::13\"]}"),
			 0);
	assert_string_equal(verdict_to(forge_example.mac, "h_udp4"), "passes");
	assert_string_equal(verdict_to(forge_example.other_mac, "h_udp4"), GUARD_OTHERS);
	assert_string_equal(verdict_to(NULL, "h_arp_request"), "passes"); /* asks for 10.1.0.13 */
	assert_string_equal(verdict_to(NULL, "h_arp_probe"), GUARD_OTHERS);
	assert_string_equal(verdict_to(NULL, "h_ns"), "passes"); /* for fd00::13 */
	assert_string_equal(verdict_to(NULL, "h_na"), GUARD_OTHERS);
	assert_string_equal(verdict_to(NULL, "h_dad_nonce"), "passes"); /* any link-local one */
	assert_string_equal(verdict_to(NULL, "f_dhcp4_server"), GUARD_OTHERS);
	assert_string_equal(verdict_to(NULL, "h_igmp"), "passes");
	assert_string_equal(verdict_to(NULL, "f_rarp"), GUARD_OTHERS);
	assert_int_equal(
		compile("{\"level\":\"none\",\"to\":\"00:16:3e:00:00:01\",\"apart\":true}"), 0);
	assert_string_equal(verdict_to(NULL, "h_arp_probe"), "passes");
	assert_string_equal(verdict_to(NULL, "f_dhcp4_server"), GUARD_OTHERS);
}

static void test_bad_documents(void **state)
{
	static const char *const docs[] = {
		"{}",
		"[]",
		"{\"level\":\"uplink\"}",
		"{\"level\":1}",
		"{\"level\":\"strict\"}",
		"{\"level\":\"mac\",\"mac\":\"00:16:3e\"}",
		"{\"level\":\"none\",\"apart\":true}",
		"{\"level\":\"strict\"," MAC ",\"addrs\":[\"10.1.0\"]}",
		"{\"level\":\"strict\"," MAC ",\"addrs\":[\"10.1.0.1/33\"]}",
		"{\"level\":\"strict\"," MAC ",\"addrs\":[\"fd00::/129\"]}",
		"{\"level\":\"strict\"," MAC ",\"addrs\":[\"10.1.0.1/\"]}",
		"{\"level\":\"strict\"," MAC ",\"addrs\":[\"\"]}",
		"{\"level\":\"strict\"," MAC ",\"addrs\":[7]}",
		"{\"level\":\"none\",\"packets-per-s\":-1}",
	};
	char many[2048] = "{\"level\":\"strict\"," MAC ",\"addrs\":[";

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		why[0] = '\0';
		assert_int_equal(compile(docs[i]), -EINVAL);
		assert_null(guard);
		assert_non_null(strstr(why, "guard: "));
	}
	for (int i = 0; i <= VS_VIF_ADDRS_MAX; i++)
		snprintf(many + strlen(many), 32, "%s\"10.2.%d.1\"", i ? "," : "", i);
	strcat(many, "]}");
	assert_int_equal(compile(many), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_strict, teardown),
		cmocka_unit_test_teardown(test_mac, teardown),
		cmocka_unit_test_teardown(test_none_and_silent, teardown),
		cmocka_unit_test_teardown(test_reasons, teardown),
		cmocka_unit_test_teardown(test_trunk, teardown),
		cmocka_unit_test_teardown(test_families, teardown),
		cmocka_unit_test_teardown(test_cut, teardown),
		cmocka_unit_test_teardown(test_to_guest, teardown),
		cmocka_unit_test_teardown(test_apart, teardown),
		cmocka_unit_test_teardown(test_bad_documents, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
