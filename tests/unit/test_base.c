/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The base library: loop, hash table, parsers, diagnostics, log budget, sockets with descriptors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/diag.h"
#include "base/file.h"
#include "base/htab.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/parse.h"
#include "base/rundir.h"
#include "base/unixsock.h"

struct pair {
	struct loop *loop;
	struct loop_fd a, b;
	int fired;
};

static void remove_both(void *arg, uint32_t events)
{
	struct pair *p = arg;

	(void)events;
	p->fired++;
	loop_fd_del(&p->a);
	loop_fd_del(&p->b);
}

/* Both watchers are in one batch; the first to run removes the other, which must then not run. */
static void test_loop_removal_in_batch(void **state)
{
	struct pair p = { 0 };
	int x[2], y[2];

	(void)state;
	assert_int_equal(loop_create(&p.loop), 0);
	assert_int_equal(pipe(x), 0);
	assert_int_equal(pipe(y), 0);
	assert_int_equal(loop_fd_add(p.loop, &p.a, x[0], EPOLLIN, remove_both, &p), 0);
	assert_int_equal(loop_fd_add(p.loop, &p.b, y[0], EPOLLIN, remove_both, &p), 0);
	assert_int_equal(write(x[1], "1", 1), 1);
	assert_int_equal(write(y[1], "1", 1), 1);
	assert_int_equal(loop_turn(p.loop, 1000), 2);
	assert_int_equal(p.fired, 1);
	assert_int_equal(loop_turn(p.loop, 0), 0);
	loop_destroy(p.loop);
	close(x[0]);
	close(x[1]);
	close(y[0]);
	close(y[1]);
}

static void stop_loop(void *arg)
{
	loop_stop(arg, 7);
}

static void test_loop_timer(void **state)
{
	struct loop_timer t = { 0 };
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(loop_timer_add(loop, &t, stop_loop, loop), 0);
	assert_int_equal(loop_timer_set(&t, 5, 0), 0);
	assert_int_equal(loop_run(loop), 7);
	loop_timer_del(&t);
	loop_timer_del(&t);
	loop_destroy(loop);
}

struct entry {
	struct htab_node node;
	unsigned int key;
};

static struct entry *find(struct htab *t, unsigned int key)
{
	struct htab_node *n = htab_first(t, htab_hash(t, &key, sizeof(key)));

	for (; n; n = htab_next_match(n))
		if (htab_entry(n, struct entry, node)->key == key)
			return htab_entry(n, struct entry, node);
	return NULL;
}

static void test_htab(void **state)
{
	enum { NR = 5000 };
	struct entry *e = calloc(NR, sizeof(*e));
	struct htab_node *n, *next;
	unsigned int seen = 0;
	struct htab t;

	(void)state;
	htab_init(&t);
	for (unsigned int i = 0; i < NR; i++) {
		e[i].key = i;
		assert_int_equal(htab_insert(&t, &e[i].node, htab_hash(&t, &i, sizeof(i))), 0);
	}
	for (unsigned int i = 0; i < NR; i++)
		assert_ptr_equal(find(&t, i), &e[i]);
	htab_for_each_safe (&t, n, next) {
		if (htab_entry(n, struct entry, node)->key % 2)
			htab_remove(&t, n);
		seen++;
	}
	assert_int_equal(seen, NR);
	for (unsigned int i = 0; i < NR; i++)
		assert_ptr_equal(find(&t, i), i % 2 ? NULL : &e[i]);
	htab_fini(&t);
	free(e);
}

static void test_parse_numbers(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.0" };
	uint32_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_u32(bad[i], UINT32_MAX, &v), -EINVAL);
	assert_int_equal(parse_u32("4294967295", UINT32_MAX, &v), 0);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(parse_u32("4294967296", UINT32_MAX, &v), -ERANGE);
	assert_int_equal(parse_u32("99999999999999999999999", UINT32_MAX, &v), -ERANGE);
	assert_int_equal(parse_u32("11", 10, &v), -ERANGE);
	assert_int_equal(v, UINT32_MAX);
}

static void test_parse_mac(void **state)
{
	static const char *const bad[] = { "", "00:16:3e:00:00", "00:16:3e:00:00:0g",
					   "00-16-3e-00-00-01", "00:16:3e:00:00:011" };
	uint8_t mac[MAC_LEN];
	char text[MAC_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_mac(bad[i], mac), -EINVAL);
	assert_int_equal(parse_mac("00:16:3E:aB:0c:fF", mac), 0);
	format_mac(mac, text);
	assert_string_equal(text, "00:16:3e:ab:0c:ff");
}

static void test_nearest(void **state)
{
	static const char *const names[] = { "network", "networks", "uplink", NULL };

	(void)state;
	assert_string_equal(text_nearest("netwrok", names), "network");
	assert_null(text_nearest("zzzzzz", names));
	assert_int_equal(text_distance("dhcp", "dhpc"), 2);
	assert_int_equal(text_distance("", "abc"), 3);
}

static void test_diags(void **state)
{
	struct diags ds = { 0 };
	struct diag_place late = { "a.yaml", 9, 3, "/b" }, early = { "a.yaml", 2, 1, NULL };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_t *json;

	(void)state;
	diag_add(&ds, DIAG_ERROR, "VF0002", &late, "allowed: yes", "bad %s", "thing");
	diag_add(&ds, DIAG_WARNING, "VF0001", &early, NULL, "odd");
	diags_sort(&ds);
	diags_print(&ds, f);
	fclose(f);
	assert_string_equal(text, "a.yaml:2:1: warning: odd [VF0001]\n"
				  "a.yaml:9:3: error: bad thing, allowed: yes [VF0002]\n");
	assert_int_equal(ds.nr_errors, 1);
	json = diags_json(&ds);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json, 1), "line")), 9);
	json_decref(json);
	diags_fini(&ds);
	free(text);
}

static void test_log_limit(void **state)
{
	struct log_limit limit = { 0 };
	uint32_t suppressed;
	int written = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		written += log_limit_take(&limit, &suppressed);
	assert_int_equal(written, LOG_LIMIT_BURST);
	/* A window later one line comes through and tells of the others. */
	limit.window_start_ms -= LOG_LIMIT_INTERVAL_MS;
	assert_true(log_limit_take(&limit, &suppressed));
	assert_int_equal(suppressed, 1000 - LOG_LIMIT_BURST);
	assert_false(log_limit_take(&limit, &suppressed));
}

static void test_unixsock_fds(void **state)
{
	int sv[2], p[2], got[1];
	size_t nr = 1;
	char buf[4];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	assert_int_equal(pipe(p), 0);
	/* Two descriptors come, there is room for one: the other must not leak. */
	assert_int_equal(unixsock_send(sv[0], "hey", 3, (int[]){ p[1], p[1] }, 2), 3);
	close(p[1]);
	assert_int_equal(unixsock_recv(sv[1], buf, sizeof(buf), got, &nr), 3);
	assert_int_equal(nr, 1);
	assert_int_equal(write(got[0], "x", 1), 1);
	assert_int_equal(read(p[0], buf, 1), 1);
	close(got[0]);
	assert_int_equal(read(p[0], buf, 1), 0);
	assert_int_equal(unixsock_send(sv[0], "too long", 8, NULL, 0), 8);
	assert_int_equal(unixsock_recv(sv[1], buf, sizeof(buf), NULL, NULL), -EMSGSIZE);
	close(p[0]);
	close(sv[0]);
	close(sv[1]);
}

/* A pipe takes less than all at once; a reader that has gone is told. */
static void test_write_all(void **state)
{
	enum { SIZE = 300000 };
	char *data = calloc(1, SIZE), byte;
	size_t nr = 0;
	int p[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	data[SIZE - 1] = 'z';
	pid = fork();
	if (!pid)
		_exit(file_write_all(p[1], data, SIZE) ? 1 : 0);
	close(p[1]);
	while (read(p[0], &byte, 1) == 1)
		nr++;
	assert_int_equal(nr, SIZE);
	assert_int_equal(byte, 'z');
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(p[0]);
	assert_int_equal(file_write_all(-1, data, 1), -EBADF);
	assert_int_equal(file_write_all(-1, data, 0), 0);
	free(data);
}

static void test_pidfile(void **state)
{
	char dir[] = "/tmp/vf-base.XXXXXX", path[PATH_MAX];
	pid_t holder = 0;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = pidfile_take(dir, "x", &holder);
	assert_true(fd >= 0);
	assert_int_equal(pidfile_take(dir, "x", &holder), -EBUSY);
	assert_int_equal(holder, getpid());
	close(fd);
	fd = pidfile_take(dir, "x", &holder);
	assert_true(fd >= 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/x.pid", dir);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop_removal_in_batch),
		cmocka_unit_test(test_loop_timer),
		cmocka_unit_test(test_htab),
		cmocka_unit_test(test_parse_numbers),
		cmocka_unit_test(test_parse_mac),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_diags),
		cmocka_unit_test(test_log_limit),
		cmocka_unit_test(test_unixsock_fds),
		cmocka_unit_test(test_write_all),
		cmocka_unit_test(test_pidfile),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
