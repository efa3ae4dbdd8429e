/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/nbd.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/unixsock.h"

#define MAGIC	     0x4e42444d41474943u /* "NBDMAGIC" */
#define OPTION_MAGIC 0x49484156454f5054u /* "IHAVEOPT" */
#define REPLY_MAGIC  0x0003e889045565a9u
#define FIXED	     1u
#define NO_ZEROES    2u
#define OPT_GO	     7u
#define REP_ACK	     1u
#define REP_INFO     3u
#define INFO_EXPORT  0u
#define INFO_MAX     4096u /* bytes of one reply */
#define REPLIES_MAX  16
#define PATIENCE_S   2

static int receive(int fd, void *data, size_t size)
{
	uint8_t *at = data;

	while (size) {
		ssize_t n = recv(fd, at, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EPROTO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static int transmit(int fd, const void *data, size_t size)
{
	ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

	/* A few bytes into an empty socket go at once or not at all. */
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static int greet(int fd)
{
	struct __attribute__((packed)) {
		uint64_t magic, option_magic;
		uint16_t flags;
	} hello;
	uint32_t flags = htobe32(FIXED | NO_ZEROES);
	int rc = receive(fd, &hello, sizeof(hello));

	if (rc)
		return rc;
	if (be64toh(hello.magic) != MAGIC || be64toh(hello.option_magic) != OPTION_MAGIC ||
	    (be16toh(hello.flags) & (FIXED | NO_ZEROES)) != (FIXED | NO_ZEROES))
		return -EPROTO;
	return transmit(fd, &flags, sizeof(flags));
}

static int ask(int fd)
{
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, size, name_len;
		char name[sizeof(NBD_EXPORT) - 1];
		uint16_t nr_infos;
	} go = { .magic = htobe64(OPTION_MAGIC),
		 .option = htobe32(OPT_GO),
		 .size = htobe32(4 + sizeof(go.name) + 2),
		 .name_len = htobe32(sizeof(go.name)) };

	memcpy(go.name, NBD_EXPORT, sizeof(go.name));
	return transmit(fd, &go, sizeof(go));
}

/* 1: that was the last one. */
static int take_reply(int fd, struct nbd_export *export, bool *known)
{
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, type, size;
	} head;
	struct __attribute__((packed)) {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} info;
	uint8_t data[INFO_MAX];
	uint32_t size;
	int rc = receive(fd, &head, sizeof(head));

	if (rc)
		return rc;
	size = be32toh(head.size);
	if (be64toh(head.magic) != REPLY_MAGIC || be32toh(head.option) != OPT_GO || size > INFO_MAX)
		return -EPROTO;
	rc = receive(fd, data, size);
	if (rc)
		return rc;
	if (be32toh(head.type) == REP_ACK)
		return *known ? 1 : -EPROTO;
	if (be32toh(head.type) != REP_INFO)
		return -EPROTO;
	memcpy(&info, data, size < sizeof(info) ? size : sizeof(info));
	if (size != sizeof(info) || be16toh(info.type) != INFO_EXPORT)
		return 0;
	export->size = be64toh(info.size);
	export->flags = be16toh(info.flags);
	*known = true;
	return 0;
}

int nbd_connect(const char *path, struct nbd_export *export_out)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = unixsock_connect(path, SOCK_STREAM), rc = 0;
	bool known = false;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	rc = greet(fd);
	if (!rc)
		rc = ask(fd);
	for (int i = 0; i < REPLIES_MAX && !rc; i++)
		rc = take_reply(fd, export_out, &known);
	if (rc == 1)
		return fd;
	close(fd);
	return rc ? rc : -EPROTO;
}
