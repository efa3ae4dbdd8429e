/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies in, messages or the policy out. What is said of a file stands beside it in NAME.expected;
 * VIFROST_REGEN=1 writes it anew, to be read before it is committed. Good files and the shipped
 * ones load, and come back the same from the JSON and the YAML that is printed of them.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

static const char *source_dir(void)
{
	const char *dir = getenv("VIFROST_SOURCE_DIR");

	return dir ? dir : ".";
}

/* Calls @fn with each file of @pattern below the source folder. At least @min must be there. */
static void for_each(const char *pattern, size_t min, void (*fn)(const char *path))
{
	char full[4096];
	glob_t found;

	snprintf(full, sizeof(full), "%s/%s", source_dir(), pattern);
	assert_int_equal(glob(full, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= min);
	for (size_t i = 0; i < found.gl_pathc; i++)
		fn(found.gl_pathv[i]);
	globfree(&found);
}

static char *messages(const struct diags *ds)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	diags_print(ds, f);
	fclose(f);
	return text;
}

static struct policy *load(const char *name, const char *text, size_t size)
{
	struct diags ds = { 0 };
	struct policy *policy;

	if (pol_load_text(name, text, size, &ds, &policy)) {
		diags_print(&ds, stderr);
		fail_msg("%s does not load", name);
	}
	diags_fini(&ds);
	return policy;
}

static char *dump(const struct policy *policy, bool yaml)
{
	json_t *json = pol_json(policy);
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(json);
	assert_non_null(f);
	if (yaml)
		pol_print_yaml(json, f);
	else
		json_dumpf(json, f, JSON_INDENT(1) | JSON_ENSURE_ASCII);
	fclose(f);
	json_decref(json);
	return text;
}

/* What is found must be what stands beside @path, or in shipped/ of one of configs/; nothing when nothing does. */
static void expect_messages(const char *path, const struct diags *ds)
{
	char expected_path[4096], *found = messages(ds), *expected = NULL;
	size_t size = 0;

	const char *shipped = strstr(path, "configs/policies/");
	size_t len = strlen(path) - strlen(".yaml");

	if (shipped)
		snprintf(expected_path, sizeof(expected_path),
			 "%.*stests/golden/policy/shipped/%.*s.expected", (int)(shipped - path),
			 path, (int)(path + len - strrchr(path, '/') - 1), strrchr(path, '/') + 1);
	else
		snprintf(expected_path, sizeof(expected_path), "%.*s.expected", (int)len, path);
	if (getenv("VIFROST_REGEN") && *found) {
		FILE *f = fopen(expected_path, "w");

		assert_non_null(f);
		fputs(found, f);
		fclose(f);
	}
	pol_read_file(expected_path, &expected, &size);
	if (strlen(found) != size || memcmp(found, expected ? expected : "", size))
		fail_msg("%s: found\n%s\nbut expected\n%.*s", path, found, (int)size,
			 expected ? expected : "");
	free(found);
	free(expected);
}

static void check_good(const char *path)
{
	char *text, *json, *again;
	struct policy *policy;
	struct diags ds = { 0 };
	json_t *effective;
	size_t size;

	assert_int_equal(pol_read_file(path, &text, &size), 0);
	pol_load_text(strrchr(path, '/') + 1, text, size, &ds, &policy);
	free(text);
	expect_messages(path, &ds);
	diags_fini(&ds);
	assert_non_null(policy);
	json = dump(policy, false);
	effective = pol_effective_json(policy);
	assert_non_null(effective);
	for (int yaml = 0; yaml < 2; yaml++) {
		struct policy *second;
		json_t *second_effective;

		text = dump(policy, yaml);
		second = load(path, text, strlen(text));
		free(text);
		again = dump(second, false);
		assert_string_equal(json, again);
		second_effective = pol_effective_json(second);
		assert_int_equal(json_object_size(json_object_get(effective, "guests")),
				 json_object_size(json_object_get(second_effective, "guests")));
		json_decref(second_effective);
		free(again);
		pol_free(second);
	}
	free(json);
	json_decref(effective);
	pol_free(policy);
}

static void check_bad(const char *path)
{
	struct diags ds = { 0 };
	struct policy *policy;
	char *text;
	size_t size;

	assert_int_equal(pol_read_file(path, &text, &size), 0);
	assert_int_equal(pol_load_text(strrchr(path, '/') + 1, text, size, &ds, &policy), -EINVAL);
	assert_null(policy);
	assert_true(ds.nr_errors > 0);
	free(text);
	expect_messages(path, &ds);
	diags_fini(&ds);
}

static void good_files(void **state)
{
	(void)state;
	for_each("tests/golden/policy/good/*.yaml", 5, check_good);
}

static void shipped_files(void **state)
{
	(void)state;
	for_each("configs/policies/*.yaml", 3, check_good);
}

static void bad_files(void **state)
{
	(void)state;
	for_each("tests/golden/policy/bad/*.yaml", 30, check_bad);
}

static void bad_semantic_files(void **state)
{
	(void)state;
	for_each("tests/golden/policy/bad-semantic/*.yaml", 8, check_bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files),
		cmocka_unit_test(shipped_files),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(bad_semantic_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
