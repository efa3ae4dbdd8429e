/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper: descriptors that outlive whoever stored them, by name. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rundir.h"
#include "base/unixsock.h"
#include "hv/keeper.h"

struct listed {
	char names[8][KEEPER_NAME_MAX];
	char bytes[8];
	int nr;
};

static void note(void *arg, const char *name, int fd)
{
	struct listed *l = arg;

	assert_true(l->nr < 8);
	strcpy(l->names[l->nr], name);
	assert_int_equal(pread(fd, &l->bytes[l->nr++], 1, 0), 1);
	close(fd);
}

static int file_with(char byte)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
	return fd;
}

static char byte_of(const struct listed *l, const char *name)
{
	for (int i = 0; i < l->nr; i++)
		if (!strcmp(l->names[i], name))
			return l->bytes[i];
	return 0;
}

static void store(struct keeper *k, const char *name, char byte)
{
	int fd = file_with(byte);

	assert_int_equal(keeper_store(k, name, fd), 0);
	close(fd);
}

static int setup(void **state)
{
	static char dir[RUNDIR_MAX];

	snprintf(dir, sizeof(dir), "/tmp/vf-keeper.XXXXXX");
	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static void wait_gone(const char *path)
{
	int fd = 0;

	for (int i = 0; i < 1000 && fd != -ECONNREFUSED; i++) {
		fd = unixsock_connect(path, SOCK_SEQPACKET);
		if (fd >= 0)
			close(fd);
		usleep(10000);
	}
	assert_int_equal(fd, -ECONNREFUSED);
}

/* A test that failed left its keeper, which no one else would end. */
static int teardown(void **state)
{
	const char *dir = *state;
	struct keeper *k;
	char path[64];
	bool fresh;

	if (keeper_open(dir, &k, &fresh) < 0)
		return -1;
	keeper_quit(k);
	keeper_close(k);
	snprintf(path, sizeof(path), "%s/keeper.sock", dir);
	wait_gone(path);
	unlink(path);
	return rmdir(dir);
}

static void test_keeps_drops_replaces(void **state)
{
	const char *dir = *state;
	char path[64], garbage[100] = "nonsense";
	struct listed l = { 0 };
	struct keeper *k;
	bool fresh;
	int fd;

	snprintf(path, sizeof(path), "%s/keeper.sock", dir);
	assert_int_equal(keeper_open(dir, &k, &fresh), 0);
	assert_true(fresh);
	store(k, "a", 'a');
	store(k, "b", 'b');
	store(k, "b", 'B');
	store(k, "c", 'c');
	keeper_drop(k, "c");
	keeper_drop(k, "never stored");
	/* Nobody is left who has them open. */
	keeper_close(k);

	assert_int_equal(keeper_open(dir, &k, &fresh), 0);
	assert_false(fresh);
	assert_int_equal(keeper_list(k, note, &l), 0);
	assert_int_equal(l.nr, 2);
	assert_int_equal(byte_of(&l, "a"), 'a');
	assert_int_equal(byte_of(&l, "b"), 'B');
	keeper_close(k);

	/* A client of any bytes costs itself only. */
	fd = unixsock_connect(path, SOCK_SEQPACKET);
	/* It may be put out at any of them. */
	for (int size = 1; size < 100; size += 7)
		if (send(fd, garbage, (size_t)size, MSG_NOSIGNAL) < 0)
			break;
	close(fd);
	l.nr = 0;
	assert_int_equal(keeper_open(dir, &k, &fresh), 0);
	assert_int_equal(keeper_list(k, note, &l), 0);
	assert_int_equal(l.nr, 2);
	/* Thrown out by a stranger, who is then thrown out by us. */
	fd = unixsock_connect(path, SOCK_SEQPACKET);
	assert_int_equal(recv(fd, garbage, 1, MSG_DONTWAIT), -1);
	usleep(50000);
	store(k, "d", 'd');
	l.nr = 0;
	assert_int_equal(keeper_list(k, note, &l), 0);
	assert_int_equal(l.nr, 3);
	close(fd);
	keeper_close(k);
}

/* As a stranger, tell it to end. */
static void end_keeper(const char *path)
{
	struct {
		uint32_t op;
		char name[KEEPER_NAME_MAX];
	} quit = { .op = 4 };
	int fd = unixsock_connect(path, SOCK_SEQPACKET);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, &quit, sizeof(quit), MSG_NOSIGNAL), sizeof(quit));
	close(fd);
	wait_gone(path);
}

static void expect_ab(struct keeper *k)
{
	struct listed l = { 0 };

	assert_int_equal(keeper_list(k, note, &l), 0);
	assert_int_equal(l.nr, 2);
	assert_int_equal(byte_of(&l, "a"), 'a');
	assert_int_equal(byte_of(&l, "b"), 'B');
}

static void test_dies(void **state)
{
	const char *dir = *state;
	char path[PATH_MAX];
	struct loop *loop;
	struct keeper *k;
	bool fresh;

	snprintf(path, sizeof(path), "%s/keeper.sock", dir);
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(keeper_open(dir, &k, &fresh), 0);
	store(k, "a", 'a');
	store(k, "b", 'b');
	store(k, "c", 'c');

	/* Seen at the next call: nothing is lost, and what was dropped does not come back. */
	end_keeper(path);
	store(k, "b", 'B');
	keeper_drop(k, "c");
	expect_ab(k);

	/* Seen by the loop. The successor has what was only ever stored with the dead. */
	assert_int_equal(keeper_watch(k, loop), 0);
	end_keeper(path);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 5);
	keeper_close(k);
	assert_int_equal(keeper_open(dir, &k, &fresh), 0);
	assert_false(fresh);
	expect_ab(k);

	/* What a successor was given counts as stored by it. */
	end_keeper(path);
	expect_ab(k);
	keeper_close(k);
	loop_destroy(loop);
}

static void test_many(void **state)
{
	const char *dir = *state;
	char name[KEEPER_NAME_MAX];
	struct listed l = { 0 };
	struct keeper *k;
	bool fresh;

	assert_int_equal(keeper_open(dir, &k, &fresh), 0);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(keeper_store(k, name, 0), 0);
	}
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		keeper_drop(k, name);
	}
	store(k, "last", 'z');
	assert_int_equal(
		keeper_store(k,
			     "a name that is longer than the sixty-three characters allowed in one",
			     0),
		-ENAMETOOLONG);
	assert_int_equal(keeper_list(k, note, &l), 0);
	assert_int_equal(l.nr, 1);
	keeper_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keeps_drops_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
