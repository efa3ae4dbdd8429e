/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client of NBD against a server in a thread: one that serves memory, and ones that do not keep to it. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/unixsock.h"
#include "hv/block/nbd.h"

#define SIZE 65536u

/* Which word the server does not keep. */
enum lie {
	NONE,
	HELLO,	     /* another magic */
	OLD,	     /* no fixed newstyle */
	NO_EXPORT,   /* an error in place of the export */
	HUGE_REPLY,  /* an option's reply of 4 GiB */
	ACK_AT_ONCE, /* without saying how large it is */
	MUTE,	     /* ends in the middle of the greeting */
	BAD_MAGIC,   /* of an answer */
	BAD_HANDLE,  /* of an answer */
	ENDS,	     /* in the middle of a read's data */
	SAYS_EIO,
};

struct server {
	enum lie lie;
	char folder[32], path[64];
	int listener;
	pthread_t thread;
	uint8_t data[SIZE];
};

struct __attribute__((packed)) request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t len;
};

static bool get(int fd, void *data, size_t size)
{
	return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void put(int fd, const void *data, size_t size)
{
	if (send(fd, data, size, MSG_NOSIGNAL) < 0)
		return;
}

static void put_option_reply(int fd, uint32_t type, const void *data, uint32_t size, uint32_t said)
{
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, type, size;
	} reply = { htobe64(0x0003e889045565a9u), htobe32(7), htobe32(type), htobe32(said) };

	put(fd, &reply, sizeof(reply));
	put(fd, data, size);
}

/* False: it is over. */
static bool greet(const struct server *s, int fd)
{
	struct __attribute__((packed)) {
		uint64_t magic, option_magic;
		uint16_t flags;
	} hello = { htobe64(s->lie == HELLO ? 1 : 0x4e42444d41474943u),
		    htobe64(0x49484156454f5054u), htobe16(s->lie == OLD ? 0 : 3) };
	struct __attribute__((packed)) {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} info = { 0, htobe64(SIZE), htobe16(1 | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_TRIM) };
	uint8_t option[16 + 4 + 4 + 2], flags[4];

	put(fd, &hello, s->lie == MUTE ? 5 : sizeof(hello));
	if (s->lie == MUTE || !get(fd, flags, 4) || !get(fd, option, sizeof(option)))
		return false;
	if (s->lie == NO_EXPORT)
		put_option_reply(fd, 0x80000006u, NULL, 0, 0);
	else if (s->lie == HUGE_REPLY)
		put_option_reply(fd, 3, NULL, 0, UINT32_MAX);
	else if (s->lie != ACK_AT_ONCE)
		put_option_reply(fd, 3, &info, sizeof(info), sizeof(info));
	put_option_reply(fd, 1, NULL, 0, 0);
	return true;
}

static void answer(struct server *s, int fd, const struct request *r)
{
	struct __attribute__((packed)) {
		uint32_t magic, error;
		uint64_t handle;
	} reply = { htobe32(s->lie == BAD_MAGIC ? 7 : 0x67446698u),
		    htobe32(s->lie == SAYS_EIO ? 5 : 0),
		    s->lie == BAD_HANDLE ? htobe64(400) : r->handle };
	uint64_t offset = be64toh(r->offset);
	uint32_t len = be32toh(r->len);
	/* The test may change it as soon as it has its answer. */
	enum lie lie = s->lie;

	put(fd, &reply, sizeof(reply));
	if (be16toh(r->type) == 0 && lie != SAYS_EIO)
		put(fd, s->data + offset, lie == ENDS ? len / 2 : len);
	if (be16toh(r->type) == 4)
		memset(s->data + offset, 0, len);
	if (lie == ENDS)
		shutdown(fd, SHUT_RDWR);
}

static void serve(struct server *s, int fd)
{
	struct request r;

	if (!greet(s, fd))
		return;
	while (get(fd, &r, sizeof(r)) && be16toh(r.type) != 2) {
		if (be16toh(r.type) == 1 && !get(fd, s->data + be64toh(r.offset), be32toh(r.len)))
			return;
		answer(s, fd, &r);
	}
}

static void *run(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listener, NULL, NULL);

	if (fd >= 0) {
		serve(s, fd);
		close(fd);
	}
	return NULL;
}

static void begin(struct server *s, enum lie lie)
{
	memset(s, 0, sizeof(*s));
	s->lie = lie;
	strcpy(s->folder, "/tmp/vf-nbd.XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/nbd", s->folder);
	s->listener = unixsock_listen(s->path, SOCK_STREAM, 0600);
	assert_true(s->listener >= 0);
	/* accept() is to wait. */
	assert_int_equal(fcntl(s->listener, F_SETFL, 0), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static void end(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->listener);
	unlink(s->path);
	rmdir(s->folder);
}

static int64_t act(struct blk_io *io, enum blk_io_what what, uint64_t offset, void *data,
		   size_t size)
{
	struct iovec iov[3] = { { data, size / 4 },
				{ (uint8_t *)data + size / 4, size / 4 },
				{ (uint8_t *)data + size / 2, size - size / 2 } };
	struct blk_io_op op = {
		.what = what, .iov = iov, .nr_iov = data ? 3 : 0, .offset = offset, .len = size
	};

	blk_io_queue(io, &op);
	blk_io_submit(io);
	assert_ptr_equal(blk_io_reap(io, true), &op);
	return op.result;
}

static void test_serves(void **state)
{
	uint8_t out[8192], in[8192];
	struct server s;
	struct blk_io *io;

	(void)state;
	begin(&s, NONE);
	assert_int_equal(blk_io_nbd_create(s.path, 32, &io), 0);
	memset(out, 0x5a, sizeof(out));
	assert_int_equal(act(io, BLK_IO_WRITE, 512, out, sizeof(out)), sizeof(out));
	assert_int_equal(act(io, BLK_IO_SYNC, 0, NULL, 0), 0);
	assert_int_equal(act(io, BLK_IO_READ, 512, in, sizeof(in)), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(act(io, BLK_IO_DISCARD, 512, NULL, 512), 512);
	assert_int_equal(act(io, BLK_IO_READ, 0, in, sizeof(in)), sizeof(in));
	assert_int_equal(in[512], 0);
	assert_int_equal(in[1024], 0x5a);
	blk_io_destroy(io);
	end(&s);
}

/* Many at a time, more than a socket holds. */
static void test_many(void **state)
{
	enum { NR = 64 };
	static uint8_t data[NR][1024 * 16];
	struct iovec iov[NR];
	struct blk_io_op ops[NR], *op;
	struct server s;
	struct blk_io *io;
	unsigned int nr = 0;

	(void)state;
	begin(&s, NONE);
	assert_int_equal(blk_io_nbd_create(s.path, NR, &io), 0);
	for (unsigned int i = 0; i < NR; i++) {
		memset(data[i], (int)i, sizeof(data[i]));
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		ops[i] = (struct blk_io_op){ .what = i % 2 ? BLK_IO_READ : BLK_IO_WRITE,
					     .iov = &iov[i],
					     .nr_iov = 1,
					     .offset = (i / 2 % 4) * sizeof(data[i]) };
		blk_io_queue(io, &ops[i]);
	}
	blk_io_submit(io);
	while ((op = blk_io_reap(io, true))) {
		assert_int_equal(op->result, sizeof(data[0]));
		nr++;
	}
	assert_int_equal(nr, NR);
	/* Each read comes behind the write before it: this server does one after another. */
	for (unsigned int i = 1; i < NR; i += 2)
		assert_int_equal(data[i][77], i - 1);
	blk_io_destroy(io);
	end(&s);
}

static void test_refused(void **state)
{
	static const enum lie lies[] = { HELLO, OLD, NO_EXPORT, HUGE_REPLY, ACK_AT_ONCE, MUTE };
	struct nbd_export export;
	struct server s;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		begin(&s, lies[i]);
		assert_int_equal(nbd_connect(s.path, &export), -EPROTO);
		end(&s);
	}
	assert_int_equal(nbd_connect("/nonexistent/nbd", &export), -ENOENT);
}

/* What is asked for fails, and so does all that follows, without a wait. */
static void test_lost(void **state)
{
	static const enum lie lies[] = { BAD_MAGIC, BAD_HANDLE, ENDS };
	uint8_t in[4096];
	struct server s;
	struct blk_io *io;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		begin(&s, lies[i]);
		assert_int_equal(blk_io_nbd_create(s.path, 8, &io), 0);
		assert_int_equal(act(io, BLK_IO_READ, 0, in, sizeof(in)), -EIO);
		assert_int_equal(act(io, BLK_IO_WRITE, 0, in, sizeof(in)), -EIO);
		assert_null(blk_io_reap(io, false));
		blk_io_destroy(io);
		end(&s);
	}
	/* An error is that request's alone. */
	begin(&s, SAYS_EIO);
	assert_int_equal(blk_io_nbd_create(s.path, 8, &io), 0);
	assert_int_equal(act(io, BLK_IO_READ, 0, in, sizeof(in)), -EIO);
	s.lie = NONE;
	assert_int_equal(act(io, BLK_IO_READ, 0, in, sizeof(in)), sizeof(in));
	blk_io_destroy(io);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serves),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests_name("nbd", tests, NULL, NULL);
}
