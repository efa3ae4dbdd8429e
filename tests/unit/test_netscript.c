/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the network scripts make of their arguments, and of the policy in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "policy/netscript.h"

#define ARGS_MAX 8

static char why[NETSCRIPT_WHY_LEN];

static int read_args(struct netscript *n, const char *default_netdev, const char *const *args)
{
	char *argv[ARGS_MAX] = { NULL };
	int argc = 0;

	for (; args[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc];
	why[0] = '\0';
	return netscript_read(argc, argv, default_netdev, n, why);
}

#define READ(n, netdev, ...) read_args(n, netdev, (const char *const[]){ __VA_ARGS__, NULL })

static void test_arguments(void **state)
{
	struct netscript n;

	(void)state;
	assert_int_equal(READ(&n, "enp3s0", "/etc/xen/scripts/network-bridge", "start"), 0);
	assert_string_equal(n.netdev, "enp3s0");
	assert_string_equal(n.bridge, "xenbr0");
	assert_string_equal(n.pdev, "");
	assert_int_equal(READ(&n, "", "network-bridge", "netdev=eth2", "stop"), 0);
	assert_string_equal(n.bridge, "xenbr2");
	assert_int_equal(n.command, NETSCRIPT_STOP);
	assert_int_equal(READ(&n, "eth1", "network-openvswitch", "start", "vifnum=7"), 0);
	assert_string_equal(n.bridge, "ovsbr7");
	assert_string_equal(n.netdev, "eth1");
	assert_int_equal(READ(&n, "eth1", "network-bridge", "start", "antispoof=yes"), 0);
	assert_true(n.antispoof);
	assert_int_equal(READ(&n, "eth1", "network-bridge", "start", "rename=yes"), 0);
	assert_string_equal(n.bridge, "eth1");
	assert_string_equal(n.pdev, "peth1");
	assert_int_equal(READ(&n, "eth1", "network-bridge", "start", "bridge=eth1"), 0);
	assert_string_equal(n.pdev, "peth1");
	setenv("bridge", "br5", 1);
	assert_int_equal(READ(&n, "eth1", "network-bridge", "start"), 0);
	assert_string_equal(n.bridge, "br5");
	assert_int_equal(READ(&n, "eth1", "network-bridge", "start", "bridge=br6"), 0);
	assert_string_equal(n.bridge, "br6");
	unsetenv("bridge");
}

static void test_arguments_refused(void **state)
{
	struct netscript n;

	(void)state;
	assert_int_equal(READ(&n, "", "network-bridge"), -EINVAL);
	assert_int_equal(READ(&n, "", "network-magic", "start"), -EINVAL);
	assert_int_equal(READ(&n, "", "network-bridge", "start", "vifnum=-1"), -EINVAL);
	assert_int_equal(READ(&n, "", "network-bridge", "start", "vifnum=1000"), -EINVAL);
	assert_int_equal(READ(&n, "", "network-bridge", "start", "bridge=sixteencharacter"),
			 -EINVAL);
	assert_int_equal(READ(&n, "", "network-bridge", "start", "netdev=a/b"), -EINVAL);
	assert_int_equal(READ(&n, "", "network-bridge", "start", "color=red"), -EINVAL);
	assert_true(why[0]);
	assert_int_equal(
		READ(&n, "", "network-bridge", "start", "netdev=fifteenchars123", "rename=yes"),
		-EINVAL);
}

/* What is added and removed again leaves the policy as it was. */
static void add_and_remove(const char *before, const char *expected, const char *const *args)
{
	json_t *policy = json_loads(before, 0, NULL), *was = json_deep_copy(policy);
	json_t *want = json_loads(expected, 0, NULL);
	char pdev[IFNAMSIZ], netdev[IFNAMSIZ];
	struct netscript n;

	assert_non_null(want);
	assert_int_equal(read_args(&n, "eth0", args), 0);
	assert_false(netscript_find(&n, policy, pdev, netdev));
	assert_int_equal(netscript_add(&n, policy, why), 0);
	assert_true(json_equal(policy, want));
	assert_true(netscript_find(&n, policy, pdev, netdev));
	assert_string_equal(pdev, n.pdev);
	assert_int_equal(netscript_add(&n, policy, why), 0);
	assert_true(json_equal(policy, want));
	assert_int_equal(netscript_remove(&n, policy), 0);
	assert_true(json_equal(policy, was));
	assert_int_equal(netscript_remove(&n, policy), -ENOENT);
	json_decref(policy);
	json_decref(was);
	json_decref(want);
}

static void test_policy(void **state)
{
	static const char *const plain[] = { "network-bridge", "start", NULL };
	static const char *const renamed[] = { "network-bridge", "start", "rename=yes",
					       "antispoof=yes", NULL };
	static const char *const nat[] = { "network-nat", "start", NULL };
	static const char *const route[] = { "network-route", "start", "subnet=198.51.100.0/24",
					     NULL };

	(void)state;
	add_and_remove("{\"version\":1,\"networks\":{}}",
		       "{\"version\":1,\"networks\":{\"xenbr0\":{\"mode\":\"bridge\",\"uplink\":"
		       "\"eth0\"}},\"uplinks\":{\"eth0\":{\"match\":{\"name\":\"eth0\"}}}}",
		       plain);
	add_and_remove(
		"{\"version\":1,\"networks\":{\"a\":{\"mode\":\"bridge\"}}}",
		"{\"version\":1,\"networks\":{\"a\":{\"mode\":\"bridge\"},\"eth0\":{\"mode\":"
		"\"bridge\",\"uplink\":\"was-eth0\",\"profile\":\"antispoof\"}},\"uplinks\":{"
		"\"was-eth0\":{\"match\":{\"name\":\"peth0\"}}},\"profiles\":{\"antispoof\":{"
		"\"anti-spoof\":\"mac\"}}}",
		renamed);
	add_and_remove("{\"version\":1,\"networks\":{}}",
		       "{\"version\":1,\"networks\":{\"xennat0\":{\"mode\":\"nat\",\"subnets\":[{"
		       "\"cidr\":\"10.0.0.0/16\",\"dhcp\":{}}]}},\"guests\":{\"*\":{\"vifs\":[{"
		       "\"network\":\"xennat0\"}]}}}",
		       nat);
	add_and_remove(
		"{\"version\":1,\"networks\":{}}",
		"{\"version\":1,\"networks\":{\"xenroute0\":{\"mode\":\"route\",\"subnets\":[{"
		"\"cidr\":\"198.51.100.0/24\"}]}}}",
		route);
}

static void test_policy_refused(void **state)
{
	json_t *policy = json_loads("{\"networks\":{\"xenbr0\":{\"mode\":\"ovs\"}}}", 0, NULL);
	struct netscript n;

	(void)state;
	assert_int_equal(READ(&n, "eth0", "network-bridge", "start"), 0);
	assert_int_equal(netscript_add(&n, policy, why), -EEXIST);
	assert_int_equal(READ(&n, "eth0", "network-route", "start"), 0);
	assert_int_equal(netscript_add(&n, policy, why), -EINVAL);
	json_decref(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_arguments_refused),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_policy_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
