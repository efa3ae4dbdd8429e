/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports kept from the host's sockets: a list that others write, too. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vswitch/ports.h"

static char dir[] = "/tmp/vifrost-ports.XXXXXX", sysctl_file[64];
static char why[VS_TEXT_LEN];

static void host_has(const char *text)
{
	FILE *f = fopen(sysctl_file, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void expect_host(const char *want)
{
	char text[400] = "";
	FILE *f = fopen(sysctl_file, "re");

	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, want);
}

static void apply(int first, int last)
{
	json_t *doc = first ? json_pack("{s[i,i]}", "ports", first, last) : NULL;

	if (ports_doc_ops.apply(dir, PORTS_HOST, doc, why))
		fail_msg("%s", why);
	json_decref(doc);
}

static void expect_doc(const char *want)
{
	json_t *doc;
	char *text;

	assert_int_equal(ports_doc_ops.get(dir, PORTS_HOST, &doc, why), 0);
	text = doc ? json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS) : strdup("none");
	assert_string_equal(text, want);
	free(text);
	json_decref(doc);
}

static void test_lists(void **state)
{
	static const char *const bad[] = {
		"x", "1-", "2-1", "65536", "1-65536", "-1", "1,,2", "1 2"
	};
	static const char *const good[] = { "\n", "1\n", "0,65535\n", "1-3,5,7-9\n", "0-65535\n" };
	static uint8_t list[PORTS_LIST_SIZE];
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ports_read_list(bad[i], list), -EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ports_read_list(good[i], list), 0);
		text = ports_write_list(list);
		assert_string_equal(text, good[i]);
		free(text);
	}
	/* As long as one can be. */
	memset(list, 0x55, sizeof(list));
	text = ports_write_list(list);
	assert_int_equal(ports_read_list(text, list), 0);
	free(text);
}

/* Ours come and go, others' stay, those that are both as well. */
static void test_others(void **state)
{
	(void)state;
	host_has("8080,62000-62010\n");
	expect_doc("none");
	apply(61000, 65535);
	expect_host("8080,61000-65535\n");
	expect_doc("{\"ports\":[61000,65535]}");
	apply(61000, 65535);
	expect_host("8080,61000-65535\n");
	apply(61000, 62005);
	expect_host("8080,61000-62010\n");
	apply(0, 0);
	expect_host("8080,62000-62010\n");
	expect_doc("none");
	apply(0, 0);
	expect_host("8080,62000-62010\n");
}

/* Somebody writes all anew: what he says holds for his. */
static void test_written_anew(void **state)
{
	(void)state;
	host_has("62000\n");
	apply(61000, 65535);
	host_has("9090,61000-61009\n");
	expect_doc("{\"missing\":true,\"ports\":[61000,65535]}");
	apply(61000, 65535);
	expect_host("9090,61000-65535\n");
	expect_doc("{\"ports\":[61000,65535]}");
	apply(0, 0);
	expect_host("9090,61000-61009\n");
	apply(61000, 65535);
	host_has("\n");
	apply(0, 0);
	expect_host("\n");
	expect_doc("none");
}

static void test_refused(void **state)
{
	json_t *doc = json_pack("{s[i,i]}", "ports", 5, 4);

	(void)state;
	host_has("\n");
	assert_int_equal(ports_doc_ops.apply(dir, PORTS_HOST, doc, why), -EINVAL);
	json_decref(doc);
	host_has("what?\n");
	doc = json_pack("{s[i,i]}", "ports", 5, 6);
	assert_int_equal(ports_doc_ops.apply(dir, PORTS_HOST, doc, why), -EINVAL);
	assert_non_null(strstr(why, sysctl_file));
	expect_host("what?\n");
	unlink(sysctl_file);
	assert_int_equal(ports_doc_ops.apply(dir, PORTS_HOST, doc, why), -ENOENT);
	json_decref(doc);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(sysctl_file, sizeof(sysctl_file), "%s/list", dir);
	ports_sysctl = sysctl_file;
	return 0;
}

static int teardown(void **state)
{
	char path[80];

	(void)state;
	unlink(sysctl_file);
	snprintf(path, sizeof(path), "%s/ports", dir);
	rmdir(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_written_anew),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
