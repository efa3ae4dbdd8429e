/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Xen's scripts are told in texts: arguments, environment, keys of a vif's configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>

#include "policy/hotplug.h"

#define NR(a) (sizeof(a) / sizeof((a)[0]))

static char why[HOTPLUG_WHY_LEN];

static void test_bridge(void **state)
{
	static const struct {
		const char *text, *name;
		uint16_t access, native;
		size_t nr_trunk;
	} good[] = {
		{ "xenbr0", "xenbr0", 0, 0, 0 }, { "br.10", "br", 10, 0, 0 },
		{ "br:20", "br", 0, 0, 1 },	 { "br.10:20:30", "br", 0, 10, 2 },
		{ "br.4094", "br", 4094, 0, 0 },
	};
	static const char *const bad[] = {
		"",	 ".10",	   "br.0",  "br.4095",		"br.x",	 "br:",
		"br.:5", "br.1.2", "br:1:", "sixteencharacter", "br.-1", "br.10 "
	};
	char name[IFNAMSIZ];
	struct vs_vlans v;

	(void)state;
	for (size_t i = 0; i < NR(good); i++) {
		assert_int_equal(hotplug_parse_bridge(good[i].text, name, &v, why), 0);
		assert_string_equal(name, good[i].name);
		assert_int_equal(v.access, good[i].access);
		assert_int_equal(v.native, good[i].native);
		assert_int_equal(v.nr_trunk, good[i].nr_trunk);
	}
	assert_int_equal(hotplug_parse_bridge("br.10:20:30", name, &v, why), 0);
	assert_int_equal(v.trunk[0].first, 20);
	assert_int_equal(v.trunk[1].last, 30);
	for (size_t i = 0; i < NR(bad); i++) {
		why[0] = '\0';
		assert_int_equal(hotplug_parse_bridge(bad[i], name, &v, why), -EINVAL);
		assert_true(why[0]);
	}
}

static void test_vlans(void **state)
{
	static const char *const bad[] = { "",		"0",   "4095",	"10p/20p", "10/",
					   "/10",	"1+2", "1x2",	"1+0x4",   "1+1x0",
					   "1+1x4094",	"p",   "1x2+3", "10 20",   "10,20",
					   "4000+50x3", "-1" };
	static const char many[] = "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17";
	struct vs_vlans v;

	(void)state;
	assert_int_equal(hotplug_parse_vlans("10", &v, why), 0);
	assert_true(v.access == 10 && !v.native && !v.nr_trunk);
	assert_int_equal(hotplug_parse_vlans("10p", &v, why), 0);
	assert_true(v.access == 10 && !v.native && !v.nr_trunk);
	assert_int_equal(hotplug_parse_vlans("10p/20/100+10x4", &v, why), 0);
	assert_true(!v.access && v.native == 10 && v.nr_trunk == 5);
	assert_true(v.trunk[0].first == 20 && v.trunk[1].first == 100 && v.trunk[4].last == 130);
	assert_int_equal(hotplug_parse_vlans("100+1x50", &v, why), 0);
	assert_true(v.nr_trunk == 1 && v.trunk[0].first == 100 && v.trunk[0].last == 149);
	assert_int_equal(hotplug_parse_vlans("1+1x4094", &v, why), 0);
	assert_int_equal(v.trunk[0].last, 4094);
	for (size_t i = 0; i < NR(bad); i++) {
		why[0] = '\0';
		if (!strcmp(bad[i], "1+1x4094"))
			continue;
		assert_int_equal(hotplug_parse_vlans(bad[i], &v, why), -EINVAL);
		assert_true(why[0]);
	}
	assert_int_equal(hotplug_parse_vlans(many, &v, why), -EINVAL);
}

static void test_addrs(void **state)
{
	static const uint8_t want[] = { 192, 0, 2, 7 };
	struct vs_prefix a[3];
	size_t nr;

	(void)state;
	assert_int_equal(hotplug_parse_addrs("192.0.2.7 2001:db8::7,10.0.0.0/8", a, 3, &nr, why),
			 0);
	assert_int_equal(nr, 3);
	assert_true(a[0].family == AF_INET && a[0].len == 32);
	assert_memory_equal(a[0].address, want, sizeof(want));
	assert_true(a[1].family == AF_INET6 && a[1].len == 128);
	assert_true(a[2].len == 8);
	assert_int_equal(hotplug_parse_addrs("", a, 3, &nr, why), 0);
	assert_int_equal(nr, 0);
	assert_int_equal(hotplug_parse_addrs("1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4", a, 3, &nr, why),
			 -EINVAL);
	assert_int_equal(hotplug_parse_addrs("192.0.2.256", a, 3, &nr, why), -EINVAL);
	assert_int_equal(hotplug_parse_addrs("192.0.2.1/33", a, 3, &nr, why), -EINVAL);
	assert_int_equal(hotplug_parse_addrs("fe80::1/129", a, 3, &nr, why), -EINVAL);
}

static int read_call(struct hotplug_call *call, const char *script, const char *a, const char *b)
{
	char *argv[] = { (char *)(uintptr_t)script, (char *)(uintptr_t)a, (char *)(uintptr_t)b };

	return hotplug_call_read(b ? 3 : 2, argv, call, why);
}

static void test_call(void **state)
{
	struct hotplug_call call;

	(void)state;
	setenv("XENBUS_PATH", "backend/vif/5/1", 1);
	setenv("vif", "vif5.1", 1);
	assert_int_equal(read_call(&call, "/etc/xen/scripts/vif-route", "online", "type_if=vif"),
			 0);
	assert_int_equal(call.mode, HOTPLUG_ROUTE);
	assert_true(call.is_up && !call.is_emulated && call.domid == 5 && call.devid == 1);
	assert_string_equal(call.device, "vif5.1");
	assert_null(call.bridge);
	assert_int_equal(read_call(&call, "vif-bridge", "bridge=br7", "offline"), 0);
	assert_true(!call.is_up);
	assert_string_equal(call.bridge, "br7");
	/* An event of the other kind of device is nobody's. */
	assert_int_equal(read_call(&call, "vif-bridge", "add", "type_if=vif"), -EALREADY);
	assert_int_equal(read_call(&call, "vif-bridge", "online", "type_if=tap"), -EALREADY);
	setenv("INTERFACE", "vif7.2-emu", 1);
	assert_int_equal(read_call(&call, "vif-openvswitch", "add", "type_if=tap"), 0);
	assert_true(call.is_emulated && call.domid == 7 && call.devid == 2);
	assert_string_equal(call.area, "/local/domain/0/backend/vif/7/2");
}

static void test_call_refused(void **state)
{
	static const char *const areas[] = { "",    "5",	   "/",	      "backend/vif/5/",
					     "//1", "vif/70000/0", "vif/0/x", "a/-1/0" };
	struct hotplug_call call;

	(void)state;
	setenv("vif", "vif5.1", 1);
	for (size_t i = 0; i < NR(areas); i++) {
		setenv("XENBUS_PATH", areas[i], 1);
		assert_int_equal(read_call(&call, "vif-bridge", "online", NULL), -EINVAL);
	}
	unsetenv("XENBUS_PATH");
	assert_int_equal(read_call(&call, "vif-bridge", "online", NULL), -EINVAL);
	setenv("XENBUS_PATH", "backend/vif/5/1", 1);
	assert_int_equal(read_call(&call, "vif-bridge", "sideways", NULL), -EINVAL);
	assert_int_equal(read_call(&call, "vif-bridge", "type_if=vif", NULL), -EINVAL);
	assert_int_equal(read_call(&call, "vif-magic", "online", NULL), -EINVAL);
	assert_int_equal(read_call(&call, "vif-bridge", "online", "type_if=tun"), -EINVAL);
	setenv("vif", "a-name-of-sixteen", 1);
	assert_int_equal(read_call(&call, "vif-bridge", "online", NULL), -EINVAL);
	unsetenv("vif");
	assert_int_equal(read_call(&call, "vif-bridge", "online", NULL), -EINVAL);
	setenv("INTERFACE", "eth0", 1);
	assert_int_equal(read_call(&call, "vif-bridge", "add", "type_if=tap"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bridge),	     cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_addrs),	     cmocka_unit_test(test_call),
		cmocka_unit_test(test_call_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
