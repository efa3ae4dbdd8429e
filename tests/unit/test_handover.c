/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors in a bag, and two vifrost-netbacks of which one takes the other's place, or fails to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rundir.h"
#include "base/unixsock.h"
#include "netback/handover.h"

#define NR 40 /* of several messages */

static char dir[] = "/tmp/test-handover.XXXXXX";
static char path[PATH_MAX];

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void fill(struct fdbag *bag, ino_t *inodes)
{
	for (int i = 0; i < NR; i++) {
		char name[24];
		int fds[2];

		assert_int_equal(pipe(fds), 0);
		close(fds[1]);
		inodes[i] = inode(fds[0]);
		snprintf(name, sizeof(name), "vif%d.0", i);
		assert_int_equal(fdbag_put(bag, "tap", name, fds[0]), 0);
	}
}

static void check(struct fdbag *bag, const ino_t *inodes)
{
	assert_int_equal(fdbag_size(bag), NR);
	for (int i = 0; i < NR; i++) {
		char name[24];
		int fd;

		snprintf(name, sizeof(name), "vif%d.0", i);
		assert_int_equal(fdbag_take(bag, "host", name), -1);
		fd = fdbag_take(bag, "tap", name);
		assert_true(fd >= 0 && inode(fd) == inodes[i]);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
	}
	assert_int_equal(fdbag_take(bag, "tap", "vif0.0"), -1);
}

static void test_bag(void **state)
{
	struct fdbag *bag = fdbag_create(), *other = fdbag_create();
	ino_t inodes[NR];
	int socks[2];

	(void)state;
	assert_int_equal(fdbag_take(NULL, "tap", "a"), -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), 0);
	fill(bag, inodes);
	assert_int_equal(fdbag_put(bag, "tap", "vif3.0", dup(0)), -EEXIST);
	assert_int_equal(fdbag_put(bag, "tap", "x", -1), -EBADF);
	assert_int_equal(fdbag_put(bag, "tap",
				   "a-name-that-is-longer-than-any-name-can-be-expected-to-be",
				   dup(0)),
			 -ENAMETOOLONG);
	assert_int_equal(fdbag_send(bag, socks[0]), 0);
	assert_int_equal(fdbag_size(bag), NR);
	assert_int_equal(fdbag_recv(other, socks[1]), 0);
	check(other, inodes);
	/* An empty one is one as well. */
	assert_int_equal(fdbag_send(other, socks[0]), 0);
	assert_int_equal(fdbag_recv(other, socks[1]), 0);
	assert_int_equal(fdbag_size(other), 0);
	/* Nonsense, too little, nothing. */
	assert_int_equal(unixsock_send(socks[0], "hello", 5, socks, 1), 5);
	assert_int_equal(fdbag_recv(other, socks[1]), -EPROTO);
	close(socks[0]);
	assert_int_equal(fdbag_recv(other, socks[1]), -ECONNRESET);
	assert_int_equal(fdbag_size(other), 0);
	close(socks[1]);
	fdbag_destroy(bag);
	fdbag_destroy(other);
}

enum heir { SERVES, ENDS, DIES_LATE, HANGS };

/* A successor; its exit status 0 when all was as it must be. */
static pid_t start_heir(enum heir kind, const ino_t *inodes)
{
	pid_t pid = fork();
	struct fdbag *bag;
	int sock;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	bag = fdbag_create();
	sock = handover_ask(path, bag);
	if (sock < 0)
		_exit(1);
	if (kind == HANGS)
		pause();
	if (kind == DIES_LATE)
		usleep(50000);
	if (kind != SERVES)
		_exit(0);
	check(bag, inodes);
	_exit(handover_done(sock) ? 3 : 0);
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_hand_over(void **state)
{
	static const struct {
		enum heir kind;
		int rc, status;
	} cases[] = {
		{ SERVES, 0, 0 },
		{ ENDS, -ECONNRESET, 0 },
		{ DIES_LATE, -ECONNRESET, 0 },
		{ HANGS, -ETIMEDOUT, -SIGKILL },
	};
	int listener = unixsock_listen(path, SOCK_SEQPACKET, 0600);
	struct fdbag *bag = fdbag_create();
	ino_t inodes[NR];

	(void)state;
	assert_true(listener >= 0);
	fill(bag, inodes);
	assert_int_equal(handover_accept(listener), -EAGAIN);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid_t pid = start_heir(cases[i].kind, inodes);
		int sock;

		do
			sock = handover_accept(listener);
		while (sock == -EAGAIN);
		assert_true(sock >= 0);
		assert_int_equal(handover_give(sock, bag, cases[i].kind == HANGS ? 200 : 5000),
				 cases[i].rc);
		assert_int_equal(status_of(pid), cases[i].status);
		assert_int_equal(fdbag_size(bag), NR);
	}
	/* Nobody there: the socket of one who has gone, or none. */
	close(listener);
	assert_int_equal(handover_ask(path, bag), -ECONNREFUSED);
	unlink(path);
	assert_int_equal(handover_ask(path, bag), -ENOENT);
	fdbag_destroy(bag);
}

/* The lock goes from hand to hand, at no time free. */
static void test_lock(void **state)
{
	struct fdbag *bag = fdbag_create();
	pid_t holder = 0;
	int fd, socks[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), 0);
	fd = pidfile_take(dir, "lock", &holder);
	assert_true(fd >= 0);
	assert_int_equal(fdbag_put(bag, "lock", "pid", fd), 0);
	assert_int_equal(fdbag_send(bag, socks[0]), 0);
	fdbag_empty(bag);
	assert_int_equal(pidfile_take(dir, "lock", &holder), -EBUSY);
	assert_int_equal(fdbag_recv(bag, socks[1]), 0);
	fd = fdbag_take(bag, "lock", "pid");
	assert_int_equal(pidfile_adopt(fd), 0);
	assert_int_equal(pidfile_take(dir, "lock", &holder), -EBUSY);
	assert_int_equal(holder, getpid());
	close(fd);
	fd = pidfile_take(dir, "lock", &holder);
	assert_true(fd >= 0);
	close(fd);
	close(socks[0]);
	close(socks[1]);
	fdbag_destroy(bag);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/take-over", dir);
	return 0;
}

static int remove_dir(void **state)
{
	char lock[PATH_MAX];

	(void)state;
	snprintf(lock, sizeof(lock), "%s/lock.pid", dir);
	unlink(lock);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bag),
		cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
