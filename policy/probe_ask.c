/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One probe, asked until it is answered: networks need a while after a change, and packets get lost. */
#include "policy/probe.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <resolv.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define TRY_MS 300

struct target {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
	socklen_t len;
};

static int find_target(const struct probe *p, struct target *t)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;

	if (getaddrinfo(p->target, NULL, &hints, &found) || !found)
		return -EINVAL;
	*t = (struct target){ .len = found->ai_addrlen };
	memcpy(&t->u, found->ai_addr, found->ai_addrlen);
	if (t->u.sa.sa_family == AF_INET)
		t->u.in.sin_port = htons(p->port);
	else
		t->u.in6.sin6_port = htons(p->port);
	if (p->from[0] && t->u.sa.sa_family == AF_INET6)
		t->u.in6.sin6_scope_id = if_nametoindex(p->from);
	freeaddrinfo(found);
	return 0;
}

/* The link may come only after a while. */
static int bind_to(int fd, const struct probe *p)
{
	if (!p->from[0])
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p->from, (socklen_t)strlen(p->from)) < 0
		       ? -errno
		       : 0;
}

static int wait_fd(int fd, short events, unsigned int ms)
{
	struct pollfd f = { .fd = fd, .events = events };
	int n = poll(&f, 1, (int)ms);

	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

static uint16_t checksum(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The answer to the echo @id, as raw sockets give it: of IPv4 with its header. */
static bool is_answer(const uint8_t *data, size_t size, int family, uint16_t id)
{
	struct icmp6_hdr h6;
	struct icmphdr h4;
	size_t skip = size && family == AF_INET ? (size_t)(data[0] & 0xf) * 4 : 0;

	if (size < skip + sizeof(h4))
		return false;
	memcpy(&h4, data + skip, sizeof(h4));
	memcpy(&h6, data + skip, sizeof(h6));
	if (family == AF_INET)
		return h4.type == ICMP_ECHOREPLY && h4.un.echo.id == htons(id);
	return h6.icmp6_type == ICMP6_ECHO_REPLY && h6.icmp6_id == htons(id);
}

static int await_echo(int fd, int family, uint16_t id)
{
	uint64_t end = clock_ms() + TRY_MS, now;
	uint8_t data[1500];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n;
	int rc = 0;

	while (!rc && (now = clock_ms()) < end) {
		rc = wait_fd(fd, POLLIN, (unsigned int)(end - now));
		if (rc)
			break;
		n = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n > 0 && is_answer(data, (size_t)n, family, id))
			return 0;
		if (n < 0 && errno != EAGAIN)
			rc = -errno;
	}
	return rc ? rc : -ETIMEDOUT;
}

static int ping_once(const struct probe *p, const struct target *t)
{
	int family = t->u.sa.sa_family;
	uint16_t id = (uint16_t)getpid();
	struct icmphdr echo = { .type = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
				.un.echo.id = htons(id) };
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC,
			family == AF_INET ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
	struct target to = *t;
	int rc;

	if (fd < 0)
		return -errno;
	/* Of ICMPv6 the kernel makes it, over the addresses too. */
	if (family == AF_INET)
		echo.checksum = checksum((const uint8_t *)&echo, sizeof(echo));
	else
		to.u.in6.sin6_port = 0;
	rc = bind_to(fd, p);
	if (!rc && sendto(fd, &echo, sizeof(echo), 0, &to.u.sa, to.len) < 0)
		rc = -errno;
	if (!rc)
		rc = await_echo(fd, family, id);
	close(fd);
	return rc;
}

static int connect_once(const struct probe *p, const struct target *t)
{
	int fd = socket(t->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int rc, error = 0;

	if (fd < 0)
		return -errno;
	rc = bind_to(fd, p);
	if (!rc && connect(fd, &t->u.sa, t->len) < 0)
		rc = -errno;
	if (rc == -EINPROGRESS) {
		/* A lost SYN comes again after a second. */
		rc = wait_fd(fd, POLLOUT, 4 * TRY_MS);
		if (!rc && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			rc = -errno;
	}
	close(fd);
	return rc ? rc : -error;
}

static int resolve_once(const struct probe *p, const struct target *t)
{
	struct addrinfo *found = NULL;
	int r;

	(void)t;
	res_init();
	r = getaddrinfo(p->target, NULL, NULL, &found);
	if (!r)
		freeaddrinfo(found);
	return r ? -EHOSTUNREACH : 0;
}

int probe_ask(const struct probe *probe)
{
	static int (*const once[])(const struct probe *p, const struct target *t) = {
		[PROBE_PING] = ping_once,
		[PROBE_TCP] = connect_once,
		[PROBE_RESOLVE] = resolve_once,
	};
	const struct timespec pause = { .tv_nsec = 50000000 };
	uint64_t end = clock_ms() + probe->timeout_ms;
	struct target t = { 0 };
	int rc;

	if (probe->kind != PROBE_RESOLVE) {
		rc = find_target(probe, &t);
		if (rc)
			return rc;
	}
	do {
		rc = once[probe->kind](probe, &t);
		if (rc && clock_ms() < end)
			nanosleep(&pause, NULL);
	} while (rc && clock_ms() < end);
	return rc;
}
