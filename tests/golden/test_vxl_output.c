/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vxl's tables, byte for byte what xl 4.17 prints for the same domains. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/vxl.h"

static const char domains[] =
	"[{\"domid\":0,\"name\":\"Domain-0\",\"uuid\":\"00000000-0000-0000-0000-000000000000\","
	"  \"memory\":3906,\"vcpus\":4,\"running\":true,\"cpu-time-ns\":1234567000000,\"created\":1000},"
	" {\"domid\":1,\"name\":\"web1\",\"uuid\":\"c7a5fdbd-edaf-9455-926a-d65c16db1809\","
	"  \"memory\":64,\"vcpus\":2,\"blocked\":true,\"cpu-time-ns\":1250000000,\"created\":90000},"
	" {\"domid\":12,\"name\":\"a-name-that-is-longer-than-forty-characters-is\",\"uuid\":\"c7a5fdbd-edaf-9455-926a-d65c16db180a\","
	"  \"memory\":65536,\"vcpus\":128,\"paused\":true,\"cpu-time-ns\":0,\"created\":99999},"
	" {\"domid\":13,\"name\":\"dead\",\"uuid\":\"c7a5fdbd-edaf-9455-926a-d65c16db180b\","
	"  \"memory\":1,\"vcpus\":1,\"shutdown\":true,\"reason\":3,\"dying\":true,\"cpu-time-ns\":99950000000,"
	"  \"created\":100000}]";

struct output {
	char *text;
	size_t size;
	FILE *file;
};

static void start(struct output *o)
{
	o->file = open_memstream(&o->text, &o->size);
	assert_non_null(o->file);
}

static void is(struct output *o, const char *want)
{
	fclose(o->file);
	assert_string_equal(o->text, want);
	free(o->text);
}

static void list(void **state)
{
	json_t *d = json_loads(domains, 0, NULL);
	struct output o;

	(void)state;
	assert_non_null(d);
	start(&o);
	vxl_print_list(d, 0, o.file);
	is(&o,
	   "Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
	   "Domain-0                                     0  3906     4     r-----    1234.6\n"
	   "web1                                         1    64     2     -b----       1.2\n"
	   "a-name-that-is-longer-than-forty-characters-is    12 65536   128     --p---       0.0\n"
	   "dead                                        13     1     1     ---scd     100.0\n");
	start(&o);
	json_array_remove(d, 2);
	json_array_remove(d, 0);
	vxl_print_list(d, VXL_LIST_VERBOSE | VXL_LIST_POOL | VXL_LIST_NUMA, o.file);
	is(&o,
	   "Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID"
	   "                            Reason-Code\tSecurity Label         Cpupool NODE Affinity\n"
	   "web1                                         1    64     2     -b----       1.2"
	   " c7a5fdbd-edaf-9455-926a-d65c16db1809        -                -          Pool-0 all\n"
	   "dead                                        13     1     1     ---scd     100.0"
	   " c7a5fdbd-edaf-9455-926a-d65c16db180b        3                -          Pool-0 all\n");
	json_decref(d);
}

static void networks(void **state)
{
	json_t *v = json_loads(
		"[{\"devid\":0,\"backend-id\":0,\"mac\":\"00:16:3e:12:34:56\",\"handle\":0,\"state\":4,"
		"  \"event-channel\":5,\"tx-ring-ref\":8,\"rx-ring-ref\":9,"
		"  \"backend\":\"/local/domain/0/backend/vif/1/0\"},"
		" {\"devid\":10,\"backend-id\":0,\"mac\":\"00:16:3e:12:34:57\",\"handle\":10,\"state\":1,"
		"  \"event-channel\":-1,\"tx-ring-ref\":-1,\"rx-ring-ref\":-1,"
		"  \"backend\":\"/local/domain/0/backend/vif/1/10\"}]",
		0, NULL);
	struct output o;

	(void)state;
	start(&o);
	vxl_print_networks_head(o.file);
	vxl_print_networks(v, o.file);
	is(&o,
	   "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path                       \n"
	   "0   0  00:16:3e:12:34:56     0     4      5     8/9           /local/domain/0/backend/vif/1/0\n"
	   "10  0  00:16:3e:12:34:57    10     1     -1    -1/-1          /local/domain/0/backend/vif/1/10\n");
	json_decref(v);
}

static void vcpus(void **state)
{
	json_t *v = json_loads(
		"[{\"name\":\"web1\",\"domid\":1,\"vcpu\":0,\"online\":true,\"cpu-time-ns\":2500000000,\"cpus\":\"all\"},"
		" {\"name\":\"web1\",\"domid\":1,\"vcpu\":1,\"online\":true,\"cpu\":3,\"running\":true,\"cpu-time-ns\":0,\"cpus\":\"0-1\"},"
		" {\"name\":\"web1\",\"domid\":1,\"vcpu\":2,\"online\":true,\"cpu\":12,\"running\":false,\"cpu-time-ns\":0,\"cpus\":\"0-1\"},"
		" {\"name\":\"off\",\"domid\":2,\"vcpu\":0,\"online\":false,\"cpu-time-ns\":0,\"cpus\":\"0\"}]",
		0, NULL);
	struct output o;

	(void)state;
	start(&o);
	vxl_print_vcpus_head(o.file);
	vxl_print_vcpus(v, o.file);
	is(&o,
	   "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n"
	   "web1                                 1     0    -   -b-       2.5  all / all\n"
	   "web1                                 1     1    3   r--       0.0  0-1 / all\n"
	   "web1                                 1     2   12   -b-       0.0  0-1 / all\n"
	   "off                                  2     0    -   --p       0.0  0 / all\n");
	json_decref(v);
}

static void exits(void **state)
{
	json_t *v = json_loads(
		"[{\"name\":\"web1\",\"domid\":1,\"vcpu\":0,\"exits\":{\"all\":1916,\"hypercalls\":1583,"
		"  \"timers\":900,\"kicks\":31,\"io\":12,\"mmio\":2}},"
		" {\"name\":\"ns\",\"domid\":2,\"vcpu\":0}]",
		0, NULL);
	struct output o;

	(void)state;
	start(&o);
	vxl_print_exits(v, o.file);
	is(&o,
	   "Name                                ID  VCPU       Exits  Hypercalls      Timers       Kicks          IO        MMIO\n"
	   "web1                                 1     0        1916        1583         900          31          12           2\n");
	json_decref(v);
}

static void sched(void **state)
{
	json_t *d = json_loads("[{\"domid\":0,\"name\":\"Domain-0\"},"
			       " {\"domid\":7,\"name\":\"web1\",\"weight\":512,\"cap\":50}]",
			       0, NULL);
	struct output o;

	(void)state;
	start(&o);
	vxl_print_sched_head(o.file);
	vxl_print_sched(d, o.file);
	is(&o, "Cpupool Pool-0: ratelimit=0us\n"
	       "Name                                ID Weight  Cap\n"
	       "Domain-0                             0    256    0\n"
	       "web1                                 7    512   50\n");
	json_decref(d);
}

static void memory(void **state)
{
	static const struct {
		const char *text;
		unsigned int mib; /* 0: refused */
	} cases[] = {
		{ "64", 64 },
		{ "64m", 64 },
		{ "64M", 64 },
		{ "1g", 1024 },
		{ "65536k", 64 },
		{ "1048576b", 1 },
		{ "1t", 1u << 20 },
		{ "", 0 },
		{ "0", 0 },
		{ "-1", 0 },
		{ "64mm", 0 },
		{ "64x", 0 },
		{ "m", 0 },
		{ "1k", 0 },
		{ " 64", 0 },
		{ "99999999999999999999", 0 },
		{ "18014398509481984k", 0 },
		{ "20t", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned int mib = 0;

		assert_int_equal(vxl_parse_memory(cases[i].text, &mib), cases[i].mib ? 0 : -EINVAL);
		assert_int_equal(mib, cases[i].mib);
	}
}

static void uptime(void **state)
{
	json_t *d = json_loads(domains, 0, NULL);
	struct output o;

	(void)state;
	setenv("TZ", "UTC", 1);
	start(&o);
	vxl_print_uptime(json_array_get(d, 0), false, 1000 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5,
			 o.file);
	vxl_print_uptime(json_array_get(d, 1), false, 90000 + 86400 + 61, o.file);
	vxl_print_uptime(json_array_get(d, 1), false, 90000 + 59, o.file);
	vxl_print_uptime(json_array_get(d, 1), true, 90000 + 3661, o.file);
	is(&o, "Domain-0                             0 2 days,  3:04:05\n"
	       "web1                                 1 1 day,  0:01:01\n"
	       "web1                                 1  0:00:59\n"
	       " 02:01:01 up  1:01, web1 (1)\n");
	json_decref(d);
}

static void details(void **state)
{
	json_t *config = json_loads(
		"{\"name\":\"web1\",\"type\":\"ns\",\"uuid\":\"u\",\"memory\":64,\"vcpus\":2,\"init\":[\"/x\"],"
		" \"on_crash\":\"preserve\",\"vif\":[{\"devid\":0,\"mac\":\"m\",\"bridge\":\"b\",\"vifname\":\"v\","
		" \"rate\":{\"bytes-per-interval\":1,\"interval-usecs\":2}}]}",
		0, NULL);
	json_t *want = json_loads(
		"{\"domid\":3,\"config\":{\"c_info\":{\"type\":\"ns\",\"name\":\"web1\",\"uuid\":\"u\"},"
		" \"b_info\":{\"max_vcpus\":2,\"avail_vcpus\":[0,1],\"max_memkb\":65536,\"target_memkb\":65536,"
		" \"type.ns\":{\"init\":[\"/x\"]}},"
		" \"nics\":[{\"devid\":0,\"mac\":\"m\",\"bridge\":\"b\",\"ifname\":\"v\",\"nictype\":\"vif\","
		" \"rate_bytes_per_interval\":1,\"rate_interval_usecs\":2}],"
		" \"on_poweroff\":\"destroy\",\"on_reboot\":\"restart\",\"on_crash\":\"preserve\"}}",
		0, NULL);
	json_t *got = vxl_details(config, 3);

	(void)state;
	assert_non_null(want);
	if (!json_equal(got, want))
		fail_msg("%s", json_dumps(got, 0));
	json_decref(config);
	json_decref(want);
	json_decref(got);
}

static void on_xen(void **state)
{
	(void)state;
	assert_true(vxl_on_xen("/proc/self/status"));
	assert_false(vxl_on_xen("/proc/self/no-such-file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list),	  cmocka_unit_test(networks), cmocka_unit_test(vcpus),
		cmocka_unit_test(exits),  cmocka_unit_test(sched),    cmocka_unit_test(memory),
		cmocka_unit_test(uptime), cmocka_unit_test(details),  cmocka_unit_test(on_xen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
