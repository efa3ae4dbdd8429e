/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's rules, from a privileged store and from guests' rings: permissions, quotas, watches. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/util/xs_guest.h"

struct world {
	struct loop *loop;
	struct xs_server *server;
	struct hv_store *dom0;
	struct xs_guest a, b; /* domains 1 and 2, each with its own /local/domain/<n> */
};

static void give_home(struct world *w, uint16_t domid)
{
	struct hv_store_perm perms[2] = { { domid, false, false }, { 0, false, false } };
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	assert_int_equal(hv_store_mkdir(w->dom0, 0, path), 0);
	assert_int_equal(hv_store_set_perms(w->dom0, 0, path, perms, 1), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_create(&w->loop), 0);
	assert_int_equal(xs_server_create_private(w->loop, &w->server), 0);
	assert_int_equal(xs_server_store(w->server, &w->dom0), 0);
	give_home(w, 1);
	give_home(w, 2);
	xs_guest_start(&w->a, w->loop, w->server, 1);
	xs_guest_start(&w->b, w->loop, w->server, 2);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	struct xs_server_stats stats;

	xs_guest_end(&w->a);
	xs_guest_end(&w->b);
	xs_server_stats(w->server, &stats);
	assert_int_equal(stats.domains, 0);
	assert_int_equal(stats.connections, 1);
	assert_int_equal(stats.transactions, 0);
	assert_int_equal(xs_server_domain_nodes(w->server, 1), 0);
	hv_store_close(w->dom0);
	xs_server_destroy(w->server);
	loop_destroy(w->loop);
	free(w);
	return 0;
}

static void check_value(struct hv_store *s, uint32_t tx, const char *path, const char *want)
{
	char *value = NULL;
	int rc = hv_store_read(s, tx, path, &value, NULL);

	if (!want) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	assert_string_equal(value, want);
	free(value);
}

static bool has_event(const struct xs_guest *g, const char *text)
{
	for (unsigned int i = 0; i < g->nr_events; i++)
		if (strcmp(g->events[i], text) == 0)
			return true;
	return false;
}

static void test_nodes(void **state)
{
	struct world *w = *state;
	unsigned int nr;
	char **names;
	size_t size;
	char *value;

	assert_int_equal(hv_store_write(w->dom0, 0, "/a/b/c", "x\0y", 3), 0);
	assert_int_equal(hv_store_read(w->dom0, 0, "/a/b/c", &value, &size), 0);
	assert_int_equal(size, 3);
	assert_memory_equal(value, "x\0y", 3);
	free(value);
	check_value(w->dom0, 0, "/a/b", "");
	check_value(w->dom0, 0, "/a/nope", NULL);
	assert_int_equal(hv_store_mkdir(w->dom0, 0, "/a/b/c"), 0);
	check_value(w->dom0, 0, "/a/b/c", "x");
	assert_int_equal(hv_store_mkdir(w->dom0, 0, "/a/d"), 0);
	assert_int_equal(hv_store_directory(w->dom0, 0, "/a", &names, &nr), 0);
	assert_int_equal(nr, 2);
	assert_string_equal(names[0], "b");
	assert_string_equal(names[1], "d");
	free(names);
	/* Relative paths of domain 0. */
	assert_int_equal(hv_store_write(w->dom0, 0, "name", "zero", 4), 0);
	check_value(w->dom0, 0, "/local/domain/0/name", "zero");
	assert_int_equal(hv_store_rm(w->dom0, 0, "/a"), 0);
	check_value(w->dom0, 0, "/a/b/c", NULL);
	/* Gone already is fine, unless the parent is missing too. */
	assert_int_equal(hv_store_rm(w->dom0, 0, "/a"), 0);
	assert_int_equal(hv_store_rm(w->dom0, 0, "/a/b"), -ENOENT);
	assert_int_equal(hv_store_rm(w->dom0, 0, "/"), -EINVAL);
}

static void test_long_directory(void **state)
{
	struct world *w = *state;
	char path[64], **names;
	unsigned int nr;
	uint32_t tx;

	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/long/a-child-of-a-large-family-%d", i);
		assert_int_equal(hv_store_write(w->dom0, 0, path, "", 0), 0);
	}
	assert_int_equal(hv_store_directory(w->dom0, 0, "/long", &names, &nr), 0);
	assert_int_equal(nr, 1000);
	assert_string_equal(names[999], "a-child-of-a-large-family-999");
	free(names);
	/* The wire itself says E2BIG and counts by parts (XSA-72). */
	assert_int_equal(hv_store_set_perms(w->dom0, 0, "/long",
					    &(struct hv_store_perm){ 0, true, false }, 1),
			 0);
	assert_int_equal(xs_guest_path(&w->a, XS_DIRECTORY, 0, "/long", NULL), -E2BIG);
	assert_int_equal(xs_guest_path(&w->a, XS_DIRECTORY_PART, 0, "/long", "0"), 0);
	assert_true(w->a.msg.len <= XENSTORE_PAYLOAD_MAX);
	assert_int_equal(xs_guest_path(&w->a, XS_DIRECTORY_PART, 0, "/long", "99999999"), 0);
	assert_int_equal(w->a.msg.len, strlen(w->a.data) + 2);
	/* In a transaction that takes one out and puts one in. */
	assert_int_equal(hv_store_transaction_start(w->dom0, &tx), 0);
	assert_int_equal(hv_store_rm(w->dom0, tx, "/long/a-child-of-a-large-family-5"), 0);
	assert_int_equal(hv_store_write(w->dom0, tx, "/long/new", "", 0), 0);
	assert_int_equal(hv_store_directory(w->dom0, tx, "/long", &names, &nr), 0);
	assert_int_equal(nr, 1000);
	assert_string_equal(names[5], "a-child-of-a-large-family-6");
	assert_string_equal(names[999], "new");
	free(names);
	assert_int_equal(hv_store_transaction_end(w->dom0, tx, false), 0);
}

static void test_paths(void **state)
{
	static const char *const bad[] = { "",
					   "//",
					   "/a/",
					   "/a//b",
					   "a//b",
					   "/a b",
					   "/a:b",
					   "/a.b",
					   "@",
					   "@other",
					   "a/",
					   "/a\x80",
					   "/\n",
					   "/local/domain/",
					   "@introduceDomain" };
	struct world *w = *state;
	char path[XENSTORE_PAYLOAD_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(hv_store_write(w->dom0, 0, bad[i], "x", 1), -EINVAL);
		assert_int_equal(xs_guest_write(&w->a, 0, bad[i], "x"), -EINVAL);
	}
	/* A body without NUL is no path. */
	assert_int_equal(xs_guest_call(&w->a, XS_READ, 0, "/local", 6), -EINVAL);
	assert_int_equal(xs_guest_call(&w->a, XS_READ, 0, "", 0), -EINVAL);
	assert_int_equal(xs_guest_call(&w->a, XS_READ, 0, "a\0b\0", 4), -EINVAL);
	/* The longest for a guest, the same said relatively and absolutely (XSA-323). */
	for (int over = 0; over < 2; over++) {
		size_t at = (size_t)sprintf(path, "/local/domain/1/");
		size_t prefix = at;

		while (at < prefix + XS_QUOTA_PATH + (size_t)over)
			path[at++] = 'x';
		path[at] = '\0';
		assert_int_equal(xs_guest_path(&w->a, XS_READ, 0, path, NULL),
				 over ? -EINVAL : -ENOENT);
		assert_int_equal(xs_guest_path(&w->a, XS_READ, 0, path + prefix, NULL),
				 over ? -EINVAL : -ENOENT);
	}
	memset(path, 'y', sizeof(path));
	path[0] = '/';
	path[XENSTORE_ABS_PATH_MAX] = '\0';
	assert_int_equal(hv_store_write(w->dom0, 0, path, "", 0), 0);
	check_value(w->dom0, 0, path, "");
	path[XENSTORE_ABS_PATH_MAX] = 'y';
	path[XENSTORE_ABS_PATH_MAX + 1] = '\0';
	assert_int_equal(hv_store_write(w->dom0, 0, path, "", 0), -EINVAL);
}

static void test_permissions(void **state)
{
	struct world *w = *state;
	struct hv_store_perm perms[2] = { { 0, false, false }, { 1, true, false } };

	assert_int_equal(hv_store_write(w->dom0, 0, "/secret", "s", 1), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_READ, 0, "/secret", NULL), -EACCES);
	/* What must not be looked at does not even say whether it is there. */
	assert_int_equal(xs_guest_path(&w->a, XS_READ, 0, "/secret/nope", NULL), -EACCES);
	assert_int_equal(xs_guest_write(&w->a, 0, "/mine", "x"), -EACCES);
	assert_int_equal(hv_store_set_perms(w->dom0, 0, "/secret", perms, 2), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_READ, 0, "/secret", NULL), 0);
	assert_int_equal(xs_guest_write(&w->a, 0, "/secret", "x"), -EACCES);
	assert_int_equal(xs_guest_path(&w->b, XS_READ, 0, "/secret", NULL), -EACCES);
	perms[1].write = true;
	assert_int_equal(hv_store_set_perms(w->dom0, 0, "/secret", perms, 2), 0);
	assert_int_equal(xs_guest_write(&w->a, 0, "/secret", "x"), 0);
	check_value(w->dom0, 0, "/secret", "x");
	/* Inherited, but what a guest creates it owns. */
	assert_int_equal(xs_guest_write(&w->a, 0, "/secret/sub", "y"), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_GET_PERMS, 0, "/secret/sub", NULL), 0);
	assert_memory_equal(w->a.data, "n1\0b1\0", 6);
	assert_int_equal(xs_guest_path(&w->a, XS_GET_PERMS, 0, "/secret", NULL), 0);
	assert_memory_equal(w->a.data, "n0\0b1\0", 6);
	/* Not the owner; and the owner cannot give it away (XSA-352). */
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/secret", "n0"), -EACCES);
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/secret/sub", "n2"), -EPERM);
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/secret/sub", "b1"), 0);
	assert_int_equal(xs_guest_path(&w->b, XS_READ, 0, "/secret/sub", NULL), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/secret/sub", "x1"), -EINVAL);
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/secret/sub", "b"), -EINVAL);
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/secret/sub", "b65535"), -EINVAL);
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/secret/sub", NULL), -EINVAL);
	assert_int_equal(
		xs_guest_call(&w->a, XS_SET_PERMS, 0, "home\0n1\0r2\0r3\0r4\0r5\0r6\0", 23),
		-ENOSPC);
	/* The root is a node like others (XSA-353). */
	assert_int_equal(xs_guest_path(&w->a, XS_RM, 0, "/", NULL), -EACCES);
	assert_int_equal(xs_guest_path(&w->a, XS_SET_PERMS, 0, "/", "b1"), -EACCES);
	assert_int_equal(xs_guest_path(&w->a, XS_DIRECTORY, 0, "/", NULL), -EACCES);
	/* In a transaction the same rules hold. */
	{
		int64_t tx = xs_guest_tx(&w->b);

		assert_true(tx > 0);
		assert_int_equal(xs_guest_path(&w->b, XS_READ, (uint32_t)tx, "/secret", NULL),
				 -EACCES);
		assert_int_equal(xs_guest_write(&w->b, (uint32_t)tx, "/secret/other", "x"),
				 -EACCES);
		assert_int_equal(xs_guest_tx_end(&w->b, (uint32_t)tx, 1), 0);
	}
}

static void test_privileged_requests(void **state)
{
	struct world *w = *state;

	assert_int_equal(xs_guest_path(&w->a, XS_CONTROL, 0, "help", NULL), -EACCES);
	assert_int_equal(xs_guest_call(&w->a, XS_INTRODUCE, 0, "5\0001\0002\0", 6), -EACCES);
	assert_int_equal(xs_guest_path(&w->a, XS_RELEASE, 0, "2", NULL), -EACCES);
	assert_true(xs_server_is_introduced(w->server, 2));
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "@releaseDomain", "t"), -EACCES);
	assert_int_equal(
		xs_guest_call(&w->a, 14 /* WATCH_EVENT+1: ERROR's place */ + 200, 0, "", 0),
		-ENOSYS);
	assert_int_equal(xs_guest_call(&w->a, XS_RESUME, 0, "1", 2), -ENOSYS);
	assert_int_equal(xs_guest_call(&w->a, XS_WATCH_EVENT, 0, "1", 2), -ENOSYS);
	assert_int_equal(xs_guest_path(&w->a, XS_GET_DOMAIN_PATH, 0, "7", NULL), 0);
	assert_string_equal(w->a.data, "/local/domain/7");
	assert_int_equal(xs_guest_path(&w->a, XS_GET_DOMAIN_PATH, 0, "99999999", NULL), -EINVAL);
	assert_int_equal(xs_guest_path(&w->a, XS_IS_DOMAIN_INTRODUCED, 0, "2", NULL), 0);
	assert_string_equal(w->a.data, "T");
	assert_int_equal(xs_guest_path(&w->a, XS_IS_DOMAIN_INTRODUCED, 0, "3", NULL), 0);
	assert_string_equal(w->a.data, "F");
}

static void test_watches(void **state)
{
	struct world *w = *state;
	struct xs_server_stats before, after;

	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "dev", "rel"), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "/local/domain/1/dev", "abs"), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "dev", "rel"), -EEXIST);
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "/", "all"), 0);
	xs_guest_collect(&w->a);
	assert_int_equal(w->a.nr_events, 3);
	assert_true(has_event(&w->a, "dev rel"));
	xs_guest_forget_events(&w->a);
	assert_int_equal(hv_store_write(w->dom0, 0, "/local/domain/1/dev/x", "1", 1), 0);
	xs_guest_collect(&w->a);
	assert_int_equal(w->a.nr_events, 3);
	assert_true(has_event(&w->a, "dev/x rel"));
	assert_true(has_event(&w->a, "/local/domain/1/dev/x abs"));
	assert_true(has_event(&w->a, "/local/domain/1/dev/x all"));
	xs_guest_forget_events(&w->a);
	/* Watching everything shows only what may be read (XSA-115). */
	assert_int_equal(hv_store_write(w->dom0, 0, "/secret/x", "1", 1), 0);
	assert_int_equal(hv_store_rm(w->dom0, 0, "/secret"), 0);
	xs_guest_collect(&w->a);
	assert_int_equal(w->a.nr_events, 0);
	/* Ten changes unread are one event. */
	xs_server_stats(w->server, &before);
	for (int i = 0; i < 10; i++)
		assert_int_equal(hv_store_rm(w->dom0, 0, "/local/domain/1/dev"), 0);
	xs_server_stats(w->server, &after);
	xs_guest_collect(&w->a);
	assert_int_equal(w->a.nr_events, 3);
	xs_guest_forget_events(&w->a);
	/* The removal of a parent is told at the very path only. */
	assert_int_equal(hv_store_write(w->dom0, 0, "/local/domain/1/p/q/r", "1", 1), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_RESET_WATCHES, 0, "", NULL), 0);
	xs_guest_collect(&w->a);
	xs_guest_forget_events(&w->a);
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "p/q", "q"), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_UNWATCH, 0, "p/q", "other"), -ENOENT);
	xs_guest_collect(&w->a);
	xs_guest_forget_events(&w->a);
	assert_int_equal(hv_store_rm(w->dom0, 0, "/local/domain/1/p"), 0);
	xs_guest_collect(&w->a);
	assert_int_equal(w->a.nr_events, 1);
	assert_true(has_event(&w->a, "p/q q"));
	xs_guest_forget_events(&w->a);
	assert_int_equal(xs_guest_path(&w->a, XS_UNWATCH, 0, "p/q", "q"), 0);
	assert_int_equal(hv_store_write(w->dom0, 0, "/local/domain/1/p/q", "1", 1), 0);
	xs_guest_collect(&w->a);
	assert_int_equal(w->a.nr_events, 0);
}

static void test_watch_tokens(void **state)
{
	struct world *w = *state;
	char token[XS_TOKEN_MAX + 2];
	char path[XENSTORE_ABS_PATH_MAX];
	size_t at;

	memset(token, 't', sizeof(token));
	token[XS_TOKEN_MAX + 1] = '\0';
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "x", token), -EINVAL);
	token[XS_TOKEN_MAX] = '\0';
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "/", token), 0);
	xs_guest_collect(&w->a);
	xs_guest_forget_events(&w->a);
	/* The longest event there can be (XSA-324). */
	at = (size_t)sprintf(path, "/local/domain/1/");
	while (at < XS_QUOTA_PATH)
		path[at++] = 'z';
	path[at] = '\0';
	assert_int_equal(hv_store_write(w->dom0, 0, path, "1", 1), 0);
	xs_guest_collect(&w->a);
	assert_int_equal(w->a.nr_events, 1);
	assert_int_equal(strlen(w->a.events[0]), at + 1 + XS_TOKEN_MAX);
}

static void test_special_watches(void **state)
{
	struct world *w = *state;
	struct xs_guest g;
	char *path, *token;

	assert_int_equal(hv_store_watch(w->dom0, "@introduceDomain", "i"), 0);
	assert_int_equal(hv_store_watch(w->dom0, "@releaseDomain", "r"), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hv_store_next_event(w->dom0, &path, &token), 0);
		free(path);
	}
	assert_int_equal(hv_store_next_event(w->dom0, &path, &token), -EAGAIN);
	xs_guest_start(&g, w->loop, w->server, 9);
	assert_int_equal(hv_store_next_event(w->dom0, &path, &token), 0);
	assert_string_equal(path, "@introduceDomain");
	free(path);
	/* A domain that breaks its ring still dies properly (XSA-325). */
	g.page->req_prod = g.page->req_cons + XENSTORE_RING_SIZE + 1;
	xs_guest_kick(&g);
	xs_turns(w->loop);
	assert_int_equal(g.page->error, XENSTORE_ERROR_RINGIDX);
	assert_true(xs_server_is_introduced(w->server, 9));
	assert_int_equal(hv_store_next_event(w->dom0, &path, &token), -EAGAIN);
	xs_guest_end(&g);
	assert_int_equal(hv_store_next_event(w->dom0, &path, &token), 0);
	assert_string_equal(path, "@releaseDomain");
	free(path);
	assert_int_equal(hv_store_next_event(w->dom0, &path, &token), -EAGAIN);
}

static void test_quotas(void **state)
{
	struct world *w = *state;
	char path[64], value[XS_QUOTA_NODE_SIZE + 1];
	unsigned int made = 0;
	int rc;

	assert_int_equal(xs_server_domain_nodes(w->server, 1), 1);
	/* Twenty to a folder, so that no folder's list of names is too long. */
	for (int i = 0; (rc = (snprintf(path, sizeof(path), "d%d/n%d", i / 20, i),
			       xs_guest_write(&w->a, 0, path, "v"))) == 0;
	     i++)
		made++;
	assert_int_equal(rc, -ENOSPC);
	assert_true(xs_server_domain_nodes(w->server, 1) <= XS_QUOTA_NODES);
	assert_true(xs_server_domain_nodes(w->server, 1) >= XS_QUOTA_NODES - 1);
	/* At the limit: changes and removals work (XSA-115), two levels at once do not. */
	assert_int_equal(xs_guest_write(&w->a, 0, "d0/n0", "w"), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_RM, 0, "d0", NULL), 0);
	made = xs_server_domain_nodes(w->server, 1);
	assert_int_equal(xs_guest_write(&w->a, 0, "e/f/g", "w"), 0);
	assert_int_equal(xs_server_domain_nodes(w->server, 1), made + 3);
	/* Domain 0 is not held up by a guest's quota, but counts into it. */
	for (int i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "/local/domain/1/more/%d", i);
		assert_int_equal(hv_store_write(w->dom0, 0, path, "", 0), 0);
	}
	assert_true(xs_server_domain_nodes(w->server, 1) > XS_QUOTA_NODES);
	assert_int_equal(xs_guest_write(&w->a, 0, "one-more", ""), -ENOSPC);
	/* The other guest is not concerned. */
	assert_int_equal(xs_guest_write(&w->b, 0, "free", ""), 0);
	/* Node size, values and names. */
	memset(value, 'v', sizeof(value));
	value[XS_QUOTA_NODE_SIZE] = '\0';
	assert_int_equal(xs_guest_write(&w->b, 0, "big", value), -ENOSPC);
	assert_int_equal(xs_guest_write(&w->b, 0, "free", value), -ENOSPC);
	value[XS_QUOTA_NODE_SIZE - 40] = '\0';
	assert_int_equal(xs_guest_write(&w->b, 0, "big", value), 0);
	for (made = 0; made < 2000; made++) {
		snprintf(path, sizeof(path), "w/wide%04u", made);
		if (xs_guest_write(&w->b, 0, path, "") < 0)
			break;
	}
	assert_in_range(made, 200, XS_QUOTA_NODE_SIZE / 9);
}

static void test_count_quotas(void **state)
{
	struct world *w = *state;
	char token[16];
	int rc = 0, nr;

	for (nr = 0; nr <= XS_QUOTA_WATCHES; nr++) {
		snprintf(token, sizeof(token), "t%d", nr);
		rc = xs_guest_path(&w->a, XS_WATCH, 0, "x", token);
		if (rc < 0)
			break;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(nr, XS_QUOTA_WATCHES);
	assert_int_equal(xs_guest_path(&w->a, XS_UNWATCH, 0, "x", "t5"), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "x", "again"), 0);
	for (nr = 0; nr <= XS_QUOTA_TRANSACTIONS; nr++)
		if (xs_guest_tx(&w->a) < 0)
			break;
	assert_int_equal(nr, XS_QUOTA_TRANSACTIONS);
	/* All of both at once, also from within a transaction (XSA-330, XSA-484). */
	assert_int_equal(xs_guest_call(&w->a, XS_RESET_WATCHES, 1, "", 0), 0);
	for (nr = 0; nr <= XS_QUOTA_TRANSACTIONS; nr++)
		if (xs_guest_tx(&w->a) < 0)
			break;
	assert_int_equal(nr, XS_QUOTA_TRANSACTIONS);
	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "x", "t1"), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_RESET_WATCHES, 0, "", NULL), 0);
}

static void test_unread_replies(void **state)
{
	struct world *w = *state;
	struct xsd_sockmsg msg = { XS_READ, 1, 0, 5 };
	struct xs_server_stats before, after;
	char request[sizeof(msg) + 5], value[2000];
	unsigned int answers = 0;

	/* Replies of 2000 bytes, of which the ring holds none: each request costs the server memory. */
	memset(value, 'v', sizeof(value));
	assert_int_equal(hv_store_write(w->dom0, 0, "/local/domain/1/fat0", value, sizeof(value)),
			 0);
	memcpy(request, &msg, sizeof(msg));
	memcpy(request + sizeof(msg), "fat0", 5);
	xs_server_stats(w->server, &before);
	for (int i = 0; i < 400; i++) {
		if (w->a.page->req_prod - w->a.page->req_cons + sizeof(request) <=
		    XENSTORE_RING_SIZE)
			xs_guest_put(&w->a, request, sizeof(request));
		xs_guest_kick(&w->a);
		xs_turns(w->loop);
	}
	xs_server_stats(w->server, &after);
	assert_in_range(after.requests - before.requests, XS_QUOTA_OUTSTANDING,
			XS_QUOTA_OUTSTANDING + 1);
	/* Others are served meanwhile, and it too as soon as it reads. */
	assert_int_equal(xs_guest_write(&w->b, 0, "x", "y"), 0);
	while (xs_guest_get(&w->a))
		answers++;
	xs_server_stats(w->server, &after);
	assert_true(answers > 2 * XS_QUOTA_OUTSTANDING);
	assert_true(after.requests - before.requests >= answers);
}

static void test_unread_events(void **state)
{
	struct world *w = *state;
	struct xs_server_stats stats;
	char path[64];

	assert_int_equal(xs_guest_path(&w->a, XS_WATCH, 0, "/local/domain/1", "t"), 0);
	for (int i = 0; i < 3 * XS_QUOTA_EVENTS; i++) {
		snprintf(path, sizeof(path), "/local/domain/1/n%d", i % (2 * XS_QUOTA_EVENTS));
		assert_int_equal(hv_store_write(w->dom0, 0, path, "1", 1), 0);
	}
	xs_server_stats(w->server, &stats);
	assert_true(stats.events_dropped >= XS_QUOTA_EVENTS / 2);
	assert_true(stats.events_merged >= XS_QUOTA_EVENTS / 2);
	xs_guest_collect(&w->a);
	assert_in_range(w->a.nr_events, XS_QUOTA_EVENTS / 2, XS_QUOTA_EVENTS + 40);
	xs_guest_forget_events(&w->a);
	assert_int_equal(hv_store_write(w->dom0, 0, "/local/domain/1/n0", "2", 1), 0);
	xs_guest_collect(&w->a);
	assert_true(has_event(&w->a, "/local/domain/1/n0 t"));
}

static void test_domid_reuse(void **state)
{
	struct world *w = *state;
	struct hv_store_perm perms[3] = { { 0, false, false },
					  { 7, true, true },
					  { 2, true, false } };
	struct hv_store_perm own = { 7, false, false };
	struct xs_guest g;
	uint32_t tx;

	xs_guest_start(&g, w->loop, w->server, 7);
	assert_int_equal(hv_store_write(w->dom0, 0, "/shared", "old", 3), 0);
	assert_int_equal(hv_store_set_perms(w->dom0, 0, "/shared", perms, 3), 0);
	assert_int_equal(hv_store_mkdir(w->dom0, 0, "/local/domain/7"), 0);
	assert_int_equal(hv_store_set_perms(w->dom0, 0, "/local/domain/7", &own, 1), 0);
	assert_int_equal(xs_guest_write(&g, 0, "data/deep/er", "x"), 0);
	assert_int_equal(xs_guest_write(&g, 0, "/shared/of7", "x"), 0);
	assert_int_equal(xs_server_domain_nodes(w->server, 7), 5);
	/* A transaction that still means the old domain. */
	assert_int_equal(hv_store_transaction_start(w->dom0, &tx), 0);
	assert_int_equal(hv_store_write(w->dom0, tx, "/local/domain/7/from-tx", "x", 1), 0);
	xs_guest_end(&g);
	assert_int_equal(hv_store_transaction_end(w->dom0, tx, true), -EAGAIN);
	assert_int_equal(xs_server_domain_nodes(w->server, 7), 0);
	check_value(w->dom0, 0, "/local/domain/7", NULL);
	check_value(w->dom0, 0, "/shared/of7", NULL);
	check_value(w->dom0, 0, "/shared", "old");
	xs_guest_start(&g, w->loop, w->server, 7);
	assert_int_equal(xs_guest_path(&g, XS_READ, 0, "/shared", NULL), -EACCES);
	assert_int_equal(xs_guest_path(&w->b, XS_READ, 0, "/shared", NULL), 0);
	xs_guest_end(&g);
}

static void test_drop_dead(void **state)
{
	struct world *w = *state;
	struct hv_store_perm own = { 33, false, false };

	assert_int_equal(hv_store_mkdir(w->dom0, 0, "/local/domain/33/x"), 0);
	assert_int_equal(hv_store_set_perms(w->dom0, 0, "/local/domain/33/x", &own, 1), 0);
	xs_server_drop_dead(w->server);
	check_value(w->dom0, 0, "/local/domain/33/x", NULL);
	check_value(w->dom0, 0, "/local/domain/33", "");
	check_value(w->dom0, 0, "/local/domain/1", "");
}

static void test_depth(void **state)
{
	struct world *w = *state;
	char path[XENSTORE_ABS_PATH_MAX + 1] = "/local/domain/1/deep";
	size_t at = strlen(path);
	struct xs_server_stats before, after;

	/* As deep as the quota on paths lets a guest go: 999 levels below its home (XSA-418). */
	xs_server_stats(w->server, &before);
	for (int i = 0; i < 990; i++)
		at += (size_t)sprintf(path + at, "/d");
	assert_int_equal(xs_guest_write(&w->a, 0, path, "x"), 0);
	xs_server_stats(w->server, &after);
	assert_int_equal(after.nodes - before.nodes, 991);
	assert_int_equal(xs_guest_path(&w->a, XS_READ, 0, path, NULL), 0);
	assert_int_equal(xs_guest_path(&w->a, XS_RM, 0, "deep", NULL), 0);
	xs_server_stats(w->server, &after);
	assert_int_equal(after.nodes, before.nodes);
	assert_int_equal(xs_server_domain_nodes(w->server, 1), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_nodes),	      T(test_long_directory),	   T(test_paths),
		T(test_permissions),  T(test_privileged_requests), T(test_watches),
		T(test_watch_tokens), T(test_special_watches),	   T(test_quotas),
		T(test_count_quotas), T(test_unread_replies),	   T(test_unread_events),
		T(test_domid_reuse),  T(test_drop_dead),	   T(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
