/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The n-th allocation of the loader and the printers fails, for n = 1, 2, ... until none does: each time
 * the answer must be "out of memory" (or the errors that were found), nothing half-made may come out,
 * and nothing may be lost. Allocations inside of libfyaml and libc are left alone.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_OWN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OWN_MALLOC 1
#endif
#endif

#ifdef HAS_OWN_MALLOC

int main(void)
{
	puts("SKIP: a sanitizer owns malloc here");
	return 77;
}

#else

/* The loader's failures and the printers', and what glibc behind them is. */
extern char __executable_start, etext;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static long countdown = -1; /* allocations until one fails; negative: none does */
static long live;	    /* allocated and not freed, in the whole program */

static bool is_ours(const void *caller)
{
	return (const char *)caller >= &__executable_start && (const char *)caller < &etext;
}

static bool must_fail(const void *caller)
{
	return is_ours(caller) && countdown > 0 && !--countdown;
}

static void *counted(void *p)
{
	live += p != NULL;
	return p;
}

void *malloc(size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t nr, size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : counted(__libc_calloc(nr, size));
}

void *realloc(void *p, size_t size)
{
	void *moved;

	if (must_fail(__builtin_return_address(0)))
		return NULL;
	moved = __libc_realloc(p, size);
	live += moved && !p;
	return moved;
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}

/* jansson's, as if they were ours. */
static void *json_malloc(size_t size)
{
	return countdown > 0 && !--countdown ? NULL : counted(__libc_malloc(size));
}

static const char *source_dir(void)
{
	const char *dir = getenv("VIFROST_SOURCE_DIR");

	return dir ? dir : ".";
}

/* @policy prints as @whole, which becomes its print when it is nothing yet. */
static void assert_same(const struct policy *policy, json_t *whole)
{
	json_t *json = pol_json(policy);

	assert_non_null(json);
	if (!json_object_size(whole))
		json_object_update(whole, json);
	assert_true(json_equal(json, whole));
	json_decref(json);
}

/* One run with the @n-th allocation failing. Return: whether there were fewer. */
static bool load_once(const char *text, size_t size, long n, int want, json_t *whole)
{
	struct diags ds = { 0 };
	struct policy *policy;
	long before = live;
	bool done;
	int rc;

	countdown = n;
	rc = pol_load_text("f", text, size, &ds, &policy);
	done = countdown > 0;
	countdown = -1;
	/* A hash table that cannot grow goes on as it is, a warning may be lost: both harmless. */
	if (rc != want && (done || rc != -ENOMEM))
		fail_msg("allocation %ld: returns %d", n, rc);
	if ((rc == -EINVAL && !ds.nr_errors) || !rc != !!policy)
		fail_msg("allocation %ld: %d without errors or with a policy", n, rc);
	if (policy)
		assert_same(policy, whole);
	pol_free(policy);
	diags_fini(&ds);
	/* The first print is kept. */
	if (live != before && n != LONG_MAX)
		fail_msg("allocation %ld: %ld lost", n, live - before);
	return done;
}

static void load_all(const char *pattern, int want)
{
	char full[4096];
	glob_t found;

	snprintf(full, sizeof(full), "%s/%s", source_dir(), pattern);
	assert_int_equal(glob(full, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		json_t *whole = json_object();
		char *text;
		size_t size;
		long n = 1;

		assert_int_equal(pol_read_file(found.gl_pathv[i], &text, &size), 0);
		/* The first time, the libraries take what they keep. */
		load_once(text, size, LONG_MAX, want, whole);
		while (!load_once(text, size, n, want, whole))
			n++;
		json_decref(whole);
		assert_true(n > 2);
		free(text);
	}
	globfree(&found);
}

static void good_policies(void **state)
{
	(void)state;
	load_all("tests/golden/policy/good/*.yaml", 0);
	load_all("configs/policies/*.yaml", 0);
	load_all("tests/fuzz/corpus/policy/parts", 0);
}

static void bad_policies(void **state)
{
	(void)state;
	load_all("tests/golden/policy/bad*/*.yaml", -EINVAL);
}

static void print_all(json_t *(*print)(const struct policy *), const struct policy *policy)
{
	json_t *whole = print(policy), *json;
	long before = live, n;
	bool done = false;

	assert_non_null(whole);
	for (n = 1; !done; n++) {
		countdown = n;
		json = print(policy);
		done = countdown > 0;
		countdown = -1;
		if (done ? !json_equal(json, whole) : json != NULL)
			fail_msg("allocation %ld: not what was to be printed", n);
		json_decref(json);
		if (live != before)
			fail_msg("allocation %ld: %ld lost", n, live - before);
	}
	assert_true(n > 20);
	json_decref(whole);
}

static void printers(void **state)
{
	struct diags ds = { 0 };
	struct policy *policy;
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/golden/policy/good/everything.yaml", source_dir());
	assert_int_equal(pol_load_file(path, NULL, &ds, &policy), 0);
	print_all(pol_json, policy);
	print_all(pol_effective_json, policy);
	pol_free(policy);
	diags_fini(&ds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_policies),
		cmocka_unit_test(bad_policies),
		cmocka_unit_test(printers),
	};

	json_set_alloc_funcs(json_malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
