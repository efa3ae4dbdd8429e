/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found wrong with a host, from facts made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/netfilter.h>

#include "policy/doctor.h"

static struct doctor_facts quiet(void)
{
	struct doctor_facts f = { .rp_filter = 0 };

	for (int i = 0; i < VS_SYSCTL_NR; i++)
		f.kernel.sysctls[i] = -1;
	return f;
}

/* The finding with @code; its severity must be as said. NULL: none. */
static const json_t *finding(const json_t *findings, const char *code)
{
	const json_t *f;
	size_t i;

	json_array_foreach (findings, i, f)
		if (!strcmp(json_string_value(json_object_get(f, "code")), code))
			return f;
	return NULL;
}

static void check(const struct doctor_facts *f, const char *code, const char *severity,
		  const char *who)
{
	json_t *findings = doctor_judge(f);
	const json_t *found = finding(findings, code);

	assert_non_null(findings);
	if (!severity) {
		assert_null(found);
	} else {
		assert_non_null(found);
		assert_string_equal(json_string_value(json_object_get(found, "severity")),
				    severity);
		if (who)
			assert_string_equal(json_string_value(json_object_get(found, "who")), who);
		assert_true(strlen(json_string_value(json_object_get(found, "fix"))) > 10);
	}
	json_decref(findings);
}

static void test_quiet(void **state)
{
	struct doctor_facts f = quiet();
	json_t *findings = doctor_judge(&f);

	(void)state;
	assert_int_equal(json_array_size(findings), 0);
	json_decref(findings);
}

static void test_forward(void **state)
{
	struct nft_look_chain chains[] = {
		{ NFPROTO_IPV4, "filter", "FORWARD", true, true, NF_INET_FORWARD },
		{ NFPROTO_IPV4, "filter", "DOCKER-ISOLATION", false, false, 0 },
	};
	struct doctor_facts f = quiet();

	(void)state;
	f.nft = (struct nft_look){ chains, 2 };
	check(&f, "VD01", "warning", "Docker");
	f.has_bridged = true;
	check(&f, "VD01", "warning", "Docker");
	f.kernel.sysctls[VS_SYSCTL_BRIDGE_NF_IPTABLES] = 1;
	check(&f, "VD01", "error", "Docker");
	check(&f, "VD03", "error", "br_netfilter");
	f.kernel.sysctls[VS_SYSCTL_BRIDGE_NF_IPTABLES] = 0;
	f.has_routed = true;
	check(&f, "VD01", "error", "Docker");
	f.nft.nr = 1;
	check(&f, "VD01", "error", "someone's firewall");
	chains[0].drops = false;
	check(&f, "VD01", NULL, NULL);
	chains[0].drops = true;
	chains[0].hook = NF_INET_LOCAL_IN;
	check(&f, "VD01", NULL, NULL);
}

static void test_legacy(void **state)
{
	struct doctor_facts f = quiet();

	(void)state;
	f.has_routed = true;
	f.legacy[1] = DOCTOR_POLICY_ACCEPT;
	check(&f, "VD01", NULL, NULL);
	f.legacy[1] = DOCTOR_POLICY_DROP;
	check(&f, "VD01", "error", "someone's firewall");
}

static void test_kernel(void **state)
{
	struct doctor_facts f = quiet();

	(void)state;
	f.kernel.sysctls[VS_SYSCTL_FORWARDING4] = 0;
	f.rp_filter = 1;
	check(&f, "VD05", NULL, NULL);
	check(&f, "VD06", NULL, NULL);
	f.has_routed = true;
	check(&f, "VD05", "error", NULL);
	check(&f, "VD06", "warning", NULL);
	f.kernel.sysctls[VS_SYSCTL_FORWARDING4] = 1;
	f.rp_filter = 2;
	check(&f, "VD05", NULL, NULL);
	check(&f, "VD06", NULL, NULL);
}

static void test_managers(void **state)
{
	struct doctor_link link = { .name = "xenbr0", .is_ours = true, .ifupdown = true };
	struct doctor_facts f = quiet();

	(void)state;
	f.links = &link;
	f.nr_links = 1;
	check(&f, "VD04", "warning", "ifupdown");
	link = (struct doctor_link){ .name = "eth0", .nm = true };
	check(&f, "VD04", "warning", "NetworkManager");
	link.nm = false;
	check(&f, "VD04", NULL, NULL);
}

static void test_resolver(void **state)
{
	struct doctor_facts f = quiet();

	(void)state;
	check(&f, "VD07", NULL, NULL);
	strcpy(f.unasked, "/run/vifrost/resolv.conf");
	check(&f, "VD07", "warning", "/etc/resolv.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),	 cmocka_unit_test(test_forward),
		cmocka_unit_test(test_legacy),	 cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_managers), cmocka_unit_test(test_resolver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
