/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The n-th allocation fails, n = 1, 2, ... until none is left to fail: each request is done wholly or
 * not at all, the accounts hold, and a restarted server reads from the log what the first one had.
 */
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

#include "hv/xenstore/xs_priv.h"
#include "tests/util/xs_guest.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifdef SANITIZED
int main(void)
{
	printf("skipped: the sanitizer has its own malloc\n");
	return 77;
}
#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *p, size_t size);

static unsigned int fail_in; /* 0: never */

static bool fails(void)
{
	return fail_in && --fail_in == 0;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t nr, size_t size)
{
	return fails() ? NULL : __libc_calloc(nr, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}

struct world {
	char dir[32];
	struct loop *loop;
	struct xs_server *server;
	struct hv_store *s;
	uint32_t tx;
};

static int do_create(struct world *w)
{
	return hv_store_write(w->s, 0, "/m/new/deep/er", "1", 1);
}

static int do_write(struct world *w)
{
	char value[3000];

	memset(value, 'v', sizeof(value));
	return hv_store_write(w->s, 0, "/m/a/b", value, sizeof(value));
}

static int do_perms(struct world *w)
{
	struct hv_store_perm perms[2] = { { 7, true, false }, { 8, true, true } };

	return hv_store_set_perms(w->s, 0, "/m/a", perms, 2);
}

static int do_rm(struct world *w)
{
	return hv_store_rm(w->s, 0, "/m/a");
}

static int do_release(struct world *w)
{
	int rc = xs_server_release(w->server, 9);

	return rc == -ENOENT ? 0 : rc;
}

/* Prepared by prepare(): only the commit is what may fail. */
static int do_commit(struct world *w)
{
	return hv_store_transaction_end(w->s, w->tx, true);
}

static int do_transaction(struct world *w)
{
	struct hv_store_perm perms[1] = { { 7, true, false } };
	uint32_t tx;
	int rc = hv_store_transaction_start(w->s, &tx);

	if (rc == 0)
		rc = hv_store_rm(w->s, tx, "/m/a");
	if (rc == 0)
		rc = hv_store_write(w->s, tx, "/m/a/x/y", "2", 1);
	if (rc == 0)
		rc = hv_store_set_perms(w->s, tx, "/m", perms, 1);
	/* A client that does not look: the server must know by itself. */
	return hv_store_transaction_end(w->s, tx, true) ?: rc;
}

static void start(struct world *w)
{
	assert_int_equal(xs_server_create(w->loop, w->dir, &w->server), 0);
	assert_int_equal(xs_server_store(w->server, &w->s), 0);
}

static void stop(struct world *w)
{
	hv_store_close(w->s);
	xs_server_destroy(w->server);
}

static char *dump(const struct world *w)
{
	const struct xs_node *root = w->server->tree.root, *node;
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	for (node = root; node; node = xs_tree_next(root, node)) {
		fprintf(out, "%s=%.*s", node->path, (int)node->size, (const char *)node->value);
		for (int i = 0; i < node->nr_perms; i++)
			fprintf(out, " %u:%u", node->perms[i].domid, node->perms[i].bits);
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

static void prepare(struct world *w)
{
	struct hv_store_perm own = { 9, false, false };

	hv_store_rm(w->s, 0, "/m");
	assert_int_equal(hv_store_write(w->s, 0, "/m/a/b", "0", 1), 0);
	assert_int_equal(hv_store_write(w->s, 0, "/m/of9/x", "0", 1), 0);
	assert_int_equal(hv_store_set_perms(w->s, 0, "/m/of9", &own, 1), 0);
	assert_int_equal(hv_store_watch(w->s, "/m", "t"), 0);
	assert_int_equal(hv_store_transaction_start(w->s, &w->tx), 0);
	assert_int_equal(hv_store_write(w->s, w->tx, "/m/a/b", "3", 1), 0);
	assert_int_equal(hv_store_write(w->s, w->tx, "/m/p/q", "4", 1), 0);
	assert_int_equal(hv_store_rm(w->s, w->tx, "/m/of9"), 0);
}

/* One attempt with the @n-th allocation failing. Return: whether it came to that. */
static bool attempt(struct world *w, int (*op)(struct world *w), unsigned int n, const char *before,
		    const char *after)
{
	char *now, *again;
	bool failed;
	int rc;

	start(w);
	prepare(w);
	fail_in = n;
	rc = op(w);
	failed = fail_in == 0;
	fail_in = 0;
	now = dump(w);
	if (rc == 0)
		assert_string_equal(now, after);
	else if (strcmp(now, after) != 0)
		assert_string_equal(now, before);
	assert_true(xs_accounts_hold(w->server, 9));
	assert_true(xs_accounts_hold(w->server, 0));
	/* It goes on: and what failed can be done now. */
	assert_int_equal(hv_store_write(w->s, 0, "/m/z", "1", 1), 0);
	assert_int_equal(hv_store_rm(w->s, 0, "/m/z"), 0);
	stop(w);
	start(w);
	again = dump(w);
	assert_string_equal(again, now);
	stop(w);
	free(now);
	free(again);
	return failed;
}

static void test_each(void **state)
{
	static int (*const ops[])(struct world * w) = {
		do_create, do_write, do_perms, do_rm, do_release, do_commit, do_transaction,
	};
	struct world w = { .dir = "/tmp/vf-xsfault.XXXXXX" };
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(w.dir));
	assert_int_equal(loop_create(&w.loop), 0);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		unsigned int n = 1;
		char *before, *after;

		start(&w);
		prepare(&w);
		before = dump(&w);
		assert_int_equal(ops[i](&w), 0);
		after = dump(&w);
		stop(&w);
		while (attempt(&w, ops[i], n, before, after))
			n++;
		/* do_release() alone needs no memory once the log has its buffer. */
		if (ops[i] != do_release)
			assert_true(n > 1);
		free(before);
		free(after);
	}
	loop_destroy(w.loop);
	snprintf(path, sizeof(path), "%s/xenstored/store.log", w.dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/xenstored", w.dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(w.dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_each) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
