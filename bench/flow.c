/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A steady flow of numbered UDP packets and what its receiver has missed: for how long at the most, and how
 * many. Two processes, in whatever namespaces the caller puts them:
 *
 *	bench-flow recv PORT SECONDS			prints one JSON object
 *	bench-flow send ADDRESS PORT RATE SECONDS	RATE packets a second
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parse.h"

#define PAYLOAD	    64
#define PORT_MAX    65535
#define RATE_MAX    100000
#define SECONDS_MAX 600
#define NS	    1000000000ull

struct seen {
	uint64_t received, duplicates, first, highest, reordered, last_ns, longest_ns, longest_at;
	double longest_time; /* since 1970: when it ended, to be compared with logs */
	uint8_t bits[(uint64_t)RATE_MAX * SECONDS_MAX / 8];
};

static double wall_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void note(struct seen *s, uint64_t number, uint64_t now)
{
	if (number / 8 >= sizeof(s->bits))
		return;
	if (s->bits[number / 8] & 1u << number % 8) {
		s->duplicates++;
		return;
	}
	s->bits[number / 8] |= (uint8_t)(1u << number % 8);
	if (!s->received)
		s->first = number;
	else if (now - s->last_ns > s->longest_ns) {
		s->longest_ns = now - s->last_ns;
		s->longest_at = number;
		s->longest_time = wall_time();
	}
	s->last_ns = now;
	s->received++;
	if (number >= s->highest || s->received == 1)
		s->highest = number;
	else
		s->reordered++;
}

static int open_socket(const char *address, uint32_t port, bool is_sender)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	bool is_v6 = !is_sender || strchr(address, ':');
	int buffer = 4 << 20, off = 0;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (!is_sender) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		rc = bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	} else if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address,
			     is_v6 ? (void *)&sin6.sin6_addr : (void *)&sin.sin_addr) != 1) {
		errno = EINVAL;
		rc = -1;
	} else {
		rc = is_v6 ? connect(fd, (struct sockaddr *)&sin6, sizeof(sin6))
			   : connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	}
	if (rc < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int receive(int fd, uint64_t seconds)
{
	uint64_t end = clock_ns() + seconds * NS, number, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	static struct seen s;
	char data[PAYLOAD];

	while ((now = clock_ns()) < end) {
		if (poll(&p, 1, (int)((end - now) / 1000000 + 1)) <= 0)
			continue;
		while (recv(fd, data, sizeof(data), MSG_DONTWAIT) == PAYLOAD) {
			memcpy(&number, data, sizeof(number));
			note(&s, number, clock_ns());
		}
	}
	printf("{\"received\": %llu, \"lost\": %llu, \"duplicates\": %llu, \"reordered\": %llu, "
	       "\"longest-gap-ms\": %.3f, \"longest-gap-before\": %llu, \"longest-gap-end\": %.4f}\n",
	       (unsigned long long)s.received,
	       (unsigned long long)(s.received ? s.highest - s.first + 1 - s.received : 0),
	       (unsigned long long)s.duplicates, (unsigned long long)s.reordered,
	       (double)s.longest_ns / 1e6, (unsigned long long)s.longest_at, s.longest_time);
	return s.received ? 0 : 1;
}

static int transmit(int fd, uint64_t rate, uint64_t seconds)
{
	uint64_t nr = rate * seconds, begin = clock_ns(), refused = 0, due;
	char data[PAYLOAD] = { 0 };
	struct timespec at;

	for (uint64_t i = 0; i < nr; i++) {
		due = begin + i * NS / rate;
		at = (struct timespec){ .tv_sec = (time_t)(due / NS), .tv_nsec = (long)(due % NS) };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		memcpy(data, &i, sizeof(i));
		/* No route for a moment is what is measured, not an error. */
		if (send(fd, data, sizeof(data), 0) < 0)
			refused++;
	}
	printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 "}\n", nr, refused);
	return 0;
}

int main(int argc, char **argv)
{
	bool is_sender = argc == 6 && !strcmp(argv[1], "send");
	uint32_t port, seconds, rate = 1;
	char **arg = argv + (is_sender ? 3 : 2);
	int fd;

	if ((!is_sender && (argc != 4 || strcmp(argv[1], "recv") != 0)) ||
	    parse_u32(arg[0], PORT_MAX, &port) ||
	    (is_sender && (parse_u32(arg[1], RATE_MAX, &rate) || !rate)) ||
	    parse_u32(arg[is_sender ? 2 : 1], SECONDS_MAX, &seconds)) {
		fprintf(stderr,
			"usage: bench-flow recv PORT SECONDS | send ADDRESS PORT RATE SECONDS\n");
		return 64;
	}
	fd = open_socket(is_sender ? argv[2] : "::", port, is_sender);
	if (fd < 0) {
		fprintf(stderr, "bench-flow: %s\n", strerror(-fd));
		return 1;
	}
	return is_sender ? transmit(fd, rate, seconds) : receive(fd, seconds);
}
