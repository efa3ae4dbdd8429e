/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree outlives its server, whatever instant it dies at and whatever became of the log's end. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/util/xs_guest.h"

struct world {
	char dir[32], log[64];
	struct loop *loop;
	struct xs_server *server;
	struct hv_store *s;
};

static void start(struct world *w)
{
	assert_int_equal(xs_server_create(w->loop, w->dir, &w->server), 0);
	assert_int_equal(xs_server_store(w->server, &w->s), 0);
}

static void stop(struct world *w)
{
	hv_store_close(w->s);
	xs_server_destroy(w->server);
	w->server = NULL;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/vf-xslog.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->log, sizeof(w->log), "%s/xenstored/store.log", w->dir);
	assert_int_equal(loop_create(&w->loop), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char path[64];

	loop_destroy(w->loop);
	unlink(w->log);
	snprintf(path, sizeof(path), "%s/xenstored/socket", w->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/xenstored", w->dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(w->dir), 0);
	free(w);
	return 0;
}

static int put(struct world *w, uint32_t tx, const char *path, const char *value)
{
	return hv_store_write(w->s, tx, path, value, strlen(value));
}

static void check(struct world *w, const char *path, const char *want)
{
	char *value = NULL;
	int rc = hv_store_read(w->s, 0, path, &value, NULL);

	assert_int_equal(rc, want ? 0 : -ENOENT);
	if (want)
		assert_string_equal(value, want);
	free(value);
}

static off_t log_size(const struct world *w)
{
	struct stat st;

	assert_int_equal(stat(w->log, &st), 0);
	return st.st_size;
}

/* A server in a process that ends as processes do that are shot. */
static void in_killed_server(struct world *w, void (*fn)(struct world *w))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct loop *loop;

		if (loop_create(&loop) < 0)
			_exit(1);
		w->loop = loop;
		if (xs_server_create(loop, w->dir, &w->server) < 0 ||
		    xs_server_store(w->server, &w->s) < 0)
			_exit(1);
		fn(w);
		raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void fill(struct world *w)
{
	struct hv_store_perm perms[2] = { { 3, false, true }, { 4, true, false } };
	uint32_t tx;

	put(w, 0, "/a/b/c", "value");
	hv_store_write(w->s, 0, "/a/bytes", "x\0y", 3);
	put(w, 0, "/a/gone/x", "1");
	hv_store_rm(w->s, 0, "/a/gone");
	hv_store_mkdir(w->s, 0, "/local/domain/3");
	hv_store_set_perms(w->s, 0, "/local/domain/3", perms, 2);
	put(w, 0, "/local/domain/3/of3", "");
	hv_store_transaction_start(w->s, &tx);
	put(w, tx, "/a/tx/1", "one");
	put(w, tx, "/a/b/c", "changed");
	hv_store_rm(w->s, tx, "/a/bytes");
	put(w, tx, "/a/bytes/below", "again");
	hv_store_transaction_end(w->s, tx, true);
	hv_store_transaction_start(w->s, &tx);
	put(w, tx, "/a/never", "committed");
	xs_server_release(w->server, 4);
}

static void check_filled(struct world *w)
{
	struct xs_guest g;

	check(w, "/a/b/c", "changed");
	check(w, "/a/bytes", "");
	check(w, "/a/bytes/below", "again");
	check(w, "/a/gone", NULL);
	check(w, "/a/tx/1", "one");
	check(w, "/a/never", NULL);
	check(w, "/local/domain/3/of3", "");
	/* Owners, rights and accounts. */
	assert_int_equal(xs_server_domain_nodes(w->server, 3), 2);
	xs_guest_start(&g, w->loop, w->server, 5);
	assert_int_equal(xs_guest_path(&g, XS_READ, 0, "/local/domain/3", NULL), -EACCES);
	assert_int_equal(xs_guest_write(&g, 0, "/local/domain/3/x", "1"), 0);
	assert_int_equal(xs_guest_path(&g, XS_GET_PERMS, 0, "/local/domain/3/x", NULL), 0);
	/* Domain 4 died before: its right is not inherited by anyone. */
	assert_int_equal(g.msg.len, 3);
	assert_memory_equal(g.data, "w5\0", 3);
	xs_guest_end(&g);
	check(w, "/local/domain/3/x", NULL);
}

static void test_killed(void **state)
{
	struct world *w = *state;

	in_killed_server(w, fill);
	start(w);
	check_filled(w);
	stop(w);
	/* And from the compacted log. */
	start(w);
	check_filled(w);
	stop(w);
}

static void test_torn_tail(void **state)
{
	struct world *w = *state;
	off_t before, after;

	start(w);
	assert_int_equal(put(w, 0, "/kept", "1"), 0);
	before = log_size(w);
	assert_int_equal(put(w, 0, "/last", "a value of some length"), 0);
	after = log_size(w);
	assert_true(after > before);
	stop(w);
	/* Cut off at every byte of the last record: it is gone, the rest is there. */
	for (off_t cut = after - before - 1; cut >= 0; cut -= 7) {
		start(w);
		assert_int_equal(hv_store_rm(w->s, 0, "/last"), 0);
		stop(w);
		start(w);
		check(w, "/last", NULL);
		before = log_size(w);
		assert_int_equal(put(w, 0, "/last", "a value of some length"), 0);
		stop(w);
		assert_int_equal(truncate(w->log, before + cut), 0);
		start(w);
		check(w, "/kept", "1");
		check(w, "/last", NULL);
		/* New records follow the sound ones. */
		assert_int_equal(put(w, 0, "/next", "2"), 0);
		stop(w);
		start(w);
		check(w, "/next", "2");
		stop(w);
	}
}

/* Not there, or a value that it had at some time. */
static void check_once_so(struct world *w, const char *path, const char *first, const char *second)
{
	char *value = NULL;
	int rc = hv_store_read(w->s, 0, path, &value, NULL);

	if (rc == 0 && strcmp(value, first) != 0)
		assert_string_equal(value, second);
	else if (rc < 0)
		assert_int_equal(rc, -ENOENT);
	free(value);
}

static void test_damage(void **state)
{
	struct world *w = *state;
	char *whole;
	off_t size;
	int fd;

	in_killed_server(w, fill);
	size = log_size(w);
	whole = malloc((size_t)size);
	fd = open(w->log, O_RDONLY);
	assert_int_equal(read(fd, whole, (size_t)size), size);
	close(fd);
	/* Any byte may be wrong: what is read back was once so, and the server starts. */
	for (off_t at = 0; at < size; at += 3) {
		char bad = (char)(whole[at] ^ 0x21);

		fd = open(w->log, O_WRONLY | O_TRUNC);
		assert_int_equal(write(fd, whole, (size_t)size), size);
		assert_int_equal(pwrite(fd, &bad, 1, at), 1);
		close(fd);
		start(w);
		check_once_so(w, "/a/b/c", "value", "changed");
		check_once_so(w, "/a/tx/1", "one", "one");
		check(w, "/a/never", NULL);
		assert_int_equal(put(w, 0, "/works", "1"), 0);
		stop(w);
	}
	free(whole);
}

static void test_compaction(void **state)
{
	struct world *w = *state;
	struct xs_server_stats stats;
	char value[1024], path[64];

	memset(value, 'v', sizeof(value));
	start(w);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		assert_int_equal(put(w, 0, path, "x"), 0);
	}
	for (int i = 0; i < 20000; i++)
		assert_int_equal(hv_store_write(w->s, 0, "/hot", value, sizeof(value)), 0);
	xs_server_stats(w->server, &stats);
	assert_in_range(stats.log_compactions, 3, 8);
	assert_int_equal(stats.log_errors, 0);
	assert_true(log_size(w) < (6 << 20));
	assert_int_equal((off_t)stats.log_bytes, log_size(w));
	stop(w);
	start(w);
	check(w, "/many/99", "x");
	assert_true(log_size(w) < (1 << 20));
	stop(w);
}

static void test_second_server(void **state)
{
	struct world *w = *state;
	struct xs_server *second;

	start(w);
	assert_int_equal(put(w, 0, "/mine", "1"), 0);
	assert_int_equal(xs_server_create(w->loop, w->dir, &second), -EADDRINUSE);
	check(w, "/mine", "1");
	stop(w);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_killed),	    T(test_torn_tail),	   T(test_damage),
		T(test_compaction), T(test_second_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
