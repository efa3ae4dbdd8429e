/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch's documents: what is refused and why, that nothing is done by halves, and that they are kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/fast_rig.h"

static char folder[] = "/tmp/test-fast.XXXXXX", path[64];
static unsigned int nr_forgotten;

static int host_forget(const char *name, const uint8_t *mac)
{
	assert_string_equal(name, "lan");
	assert_int_equal(mac[5], 9);
	nr_forgotten++;
	return 0;
}

static struct fast_host_ops host; /* fast_rig_ops with the above */

static struct fast *start(void)
{
	struct fast_config config = { .state = path, .host = &host };
	char why[FAST_TEXT_MAX];
	struct fast *f;

	if (fast_create(&config, &f, why))
		fail_msg("%s", why);
	return f;
}

static void is(struct fast *f, const char *text)
{
	json_t *want = json_loads(text, 0, NULL), *docs = fast_get(f);
	char *got = json_dumps(docs, JSON_SORT_KEYS);

	if (!json_equal(want, docs))
		fail_msg("documents are %s", got);
	free(got);
	json_decref(want);
	json_decref(docs);
}

#define NETWORK	   "\"networks\": {\"lan\": {\"mode\": \"bridge\"}}"
#define PORT(keys) "\"ports\": {\"vif1.0\": {\"network\": \"lan\"" keys "}}"

static void test_refused(void **state)
{
	static const struct {
		const char *change, *why;
	} cases[] = {
		{ "{\"netwroks\": {}}", "netwroks" },
		{ "{\"ports\": []}", "ports" },
		{ "{\"networks\": {\"lan\": 1}}", "an object is wanted" },
		{ "{\"networks\": {\"a name that is too long\": {\"mode\": \"bridge\"}}}",
		  "15 bytes" },
		{ "{\"networks\": {\"../x\": {\"mode\": \"bridge\"}}}", "link's name" },
		{ "{\"networks\": {\"lan\": {}}}", "\"mode\": it is missing" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"ovs\"}}}", "one of bridge" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"mut\": 1}}}", "\"mut\"" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"mtu\": 12}}}", "from 68" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"mac\": \"01:00:00:00:00:00\"}}}",
		  "unicast MAC" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"cpus\": []}}}", "CPUs" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"cpus\": [99999]}}}",
		  "number" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"nat\", \"uplink\": "
		  "{\"link\": \"eth0\", \"kind\": \"afpacket\"}}}}",
		  "only a bridge" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"uplink\": "
		  "{\"pci\": \"5e:00\"}}}}",
		  "PCI address" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"uplink\": "
		  "{\"link\": \"eth0\", \"kind\": \"usb\"}}}}",
		  "afxdp are" },
		{ "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"uplink\": "
		  "{\"link\": \"lan\", \"kind\": \"afpacket\"}}}}",
		  "own end" },
		{ "{" PORT("") "}", "there is no network lan" },
		{ "{" NETWORK ", " PORT(", \"acces\": 3") "}", "acces" },
		{ "{" NETWORK ", " PORT(", \"access\": 4095") "}", "0 to 4094" },
		{ "{" NETWORK ", " PORT(", \"trunk\": [[5, 4]]") "}", "5 to 4094" },
		{ "{" NETWORK ", " PORT(", \"trunk\": [[5, 6]], \"access\": 5") "}", "native" },
		{ "{" NETWORK ", " PORT(", \"from-guest\": {\"bits-per-s\": 0}") "}", "from 1" },
		{ "{" NETWORK ", " PORT(", \"guard\": 1") "}", "level" },
		{ "{" NETWORK ", \"ports\": {\"vif1.0\": {\"network\": \"wan\"}}}",
		  "no network wan" },
	};
	struct fast *f = start();
	char why[FAST_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (fast_rig_change(f, cases[i].change, why) != -EINVAL ||
		    !strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].change, why);
		is(f, "{\"networks\": {}, \"ports\": {}}");
	}
	fast_destroy(f);
}

/* One at a time or together, and again: and a restarted one has them. */
static void test_kept(void **state)
{
	struct fast *f = start();
	char why[FAST_TEXT_MAX];
	struct stat before, after;

	(void)state;
	assert_int_equal(fast_rig_change(f, "{" NETWORK ", " PORT("") "}", why), 0);
	is(f, "{" NETWORK ", " PORT("") "}");
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(fast_rig_change(f, "{" PORT("") "}", why), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* not written for nothing */

	assert_int_equal(fast_rig_change(f, "{\"networks\": {\"lan\": null}}", why), -EINVAL);
	assert_non_null(strstr(why, "no network lan"));
	is(f, "{" NETWORK ", " PORT("") "}");
	fast_destroy(f);

	f = start();
	is(f, "{" NETWORK ", " PORT("") "}");
	assert_int_equal(
		fast_rig_change(f, "{\"networks\": {\"lan\": null}, \"ports\": {\"vif1.0\": null}}",
				why),
		0);
	fast_destroy(f);
	f = start();
	is(f, "{\"networks\": {}, \"ports\": {}}");
	fast_destroy(f);
}

static void test_file_of_others(void **state)
{
	struct fast_config config = { .state = path, .host = &host };
	char why[FAST_TEXT_MAX];
	FILE *file = fopen(path, "w");
	struct fast *f;

	(void)state;
	assert_non_null(file);
	fputs("{\"networks\": {}}", file);
	fclose(file);
	assert_int_equal(fast_create(&config, &f, why), -EINVAL);
	assert_non_null(strstr(why, "remove it"));
	assert_null(f);
	unlink(path);
}

/* A file that cannot be written: nothing changes. */
static void test_not_kept(void **state)
{
	struct fast *f = start();
	char why[FAST_TEXT_MAX], next[80];

	(void)state;
	snprintf(next, sizeof(next), "%s.next", path);
	assert_int_equal(mkdir(next, 0700), 0);
	assert_int_equal(fast_rig_change(f, "{" NETWORK "}", why), -EISDIR);
	assert_non_null(strstr(why, "nothing was changed"));
	is(f, "{\"networks\": {}, \"ports\": {}}");
	rmdir(next);
	assert_int_equal(fast_rig_change(f, "{" NETWORK "}", why), 0);
	fast_destroy(f);
	unlink(path);
}

/* Where it runs is asked for and had, or refused. */
/* The host's neighbours go with a port, not with the switch. */
static void test_forgets_neighbours(void **state)
{
	struct fast *f = start();
	char why[FAST_TEXT_MAX];

	(void)state;
	assert_int_equal(
		fast_rig_change(f, "{" NETWORK ", " PORT(", \"mac\": \"02:00:00:00:00:09\"") "}",
				why),
		0);
	fast_destroy(f);
	assert_int_equal(nr_forgotten, 0);
	f = start();
	assert_int_equal(fast_rig_change(f, "{\"ports\": {\"vif1.0\": null}}", why), 0);
	assert_int_equal(nr_forgotten, 1);
	fast_destroy(f);
	unlink(path);
}

static void waits(struct fast *f, const char *text)
{
	json_t *want = json_loads(text, 0, NULL), *status = fast_status(f);
	json_t *waiting = json_object_get(status, "waiting");
	char *got = json_dumps(waiting, JSON_SORT_KEYS);

	if (!json_equal(want, waiting))
		fail_msg("waiting are %s", got);
	free(got);
	json_decref(want);
	json_decref(status);
}

/* Of the file, but what it needs is not there at start: not forgotten, and done as soon as it can be. */
static void test_waits_for_its_cause(void **state)
{
	static const char nobody[] = "{\"networks\": {}, \"ports\": {}}";
	char why[FAST_TEXT_MAX];
	struct fast *f = start();

	(void)state;
	assert_int_equal(fast_rig_change(f, "{" NETWORK ", " PORT("") "}", why), 0);
	fast_destroy(f);
	fast_rig_fail = EBUSY;
	f = start();
	is(f, nobody);
	assert_int_equal(fast_retry(f), 2);
	waits(f, "{\"networks\": {\"lan\": \"network lan: cannot make the host's end, link lan: "
		 "Device or resource busy\"}, \"ports\": {\"vif1.0\": \"port vif1.0: there is "
		 "no network lan: apply its document with or before the port's, and take it away "
		 "with or after it\"}}");
	fast_rig_fail = 0;
	/* Another document does not have it forgotten. */
	assert_int_equal(fast_rig_change(f, "{\"networks\": {\"b\": {\"mode\": \"bridge\"}}}", why),
			 0);
	fast_destroy(f);
	fast_rig_fail = EBUSY;
	f = start();
	assert_int_equal(fast_retry(f), 3);
	fast_rig_fail = 0;
	assert_int_equal(fast_retry(f), 0);
	waits(f, nobody);
	assert_int_equal(fast_rig_change(f, "{\"networks\": {\"b\": null}}", why), 0);
	is(f, "{" NETWORK ", " PORT("") "}");
	fast_destroy(f);
	/* What is taken away while it waits is gone. */
	fast_rig_fail = EBUSY;
	f = start();
	assert_int_equal(
		fast_rig_change(f, "{\"networks\": {\"lan\": null}, \"ports\": {\"vif1.0\": null}}",
				why),
		0);
	waits(f, nobody);
	fast_destroy(f);
	fast_rig_fail = 0;
	f = start();
	is(f, nobody);
	fast_destroy(f);
	unlink(path);
}

static void test_threads(void **state)
{
	struct fast_config config = { .host = &host, .threaded = true };
	char why[FAST_TEXT_MAX];
	json_t *status = NULL;
	struct fast *f;

	(void)state;
	assert_int_equal(fast_create(&config, &f, why), 0);
	assert_int_equal(
		fast_rig_change(
			f, "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"cpus\": [1023]}}}",
			why),
		-EINVAL);
	assert_non_null(strstr(why, "no such CPUs"));
	is(f, "{\"networks\": {}, \"ports\": {}}");
	assert_int_equal(fast_rig_change(f, "{" NETWORK "}", why), 0);
	assert_int_equal(
		fast_rig_change(f,
				"{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"cpus\": [0]}, "
				"\"b\": {\"mode\": \"nat\", \"cpus\": [0]}}}",
				why),
		0);
	/* Nothing to do: it sleeps. */
	for (int i = 0; i < 1000 && !status; i++) {
		const char *name = NULL;

		status = fast_status(f);
		assert_int_equal(json_unpack(status, "{s:{s:{s:{s:s}}}}", "networks", "b", "thread",
					     "state", &name),
				 0);
		if (strcmp(name, "sleeping") != 0) {
			json_decref(status);
			status = NULL;
			usleep(1000);
		}
	}
	assert_non_null(status);
	json_decref(status);
	assert_int_equal(fast_rig_change(f, "{\"networks\": {\"lan\": null}}", why), 0);
	fast_destroy(f);
}

/* What cannot be made is said, and nothing is left of it. */
static void test_not_made(void **state)
{
	struct fast_config config = { .host = &host };
	char why[FAST_TEXT_MAX];
	struct fast *f;

	(void)state;
	assert_int_equal(fast_create(&config, &f, why), 0);
	fast_rig_fail = EEXIST;
	assert_int_equal(fast_rig_change(f, "{" NETWORK "}", why), -EEXIST);
	assert_non_null(strstr(why, "name the network otherwise"));
	is(f, "{\"networks\": {}, \"ports\": {}}");
	fast_rig_fail = 0;
	assert_int_equal(fast_rig_change(f, "{" NETWORK "}", why), 0);
	fast_rig_fail = EINVAL;
	assert_int_equal(
		fast_rig_change(
			f, "{\"networks\": {\"lan\": {\"mode\": \"bridge\", \"mtu\": 9000}}}", why),
		-EINVAL);
	assert_non_null(strstr(why, "takes no MTU 9000"));
	is(f, "{" NETWORK ", \"ports\": {}}");
	fast_rig_fail = 0;
	fast_destroy(f);
}

static int setup(void **state)
{
	(void)state;
	host = fast_rig_ops;
	host.forget = host_forget;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/fast.json", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_waits_for_its_cause),
		cmocka_unit_test(test_forgets_neighbours),
		cmocka_unit_test(test_file_of_others),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_not_made),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
