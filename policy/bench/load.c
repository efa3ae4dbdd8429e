/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/bench/load.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "policy/bench/bench.h"

#define BATCH	    64
#define GSO_BATCH   8
#define GSO_BYTES   (44 * LOAD_GSO_SIZE) /* below 64 KiB with headers */
#define SOCKET_ROOM (8 << 20)
#define PING_MS	    200 /* then it is lost */
#define MAX_SAMPLES 500000

/* First in each datagram. */
struct header {
	uint64_t run, seq;
};

static volatile sig_atomic_t ended;

static void on_term(int signo)
{
	(void)signo;
	ended = 1;
}

static int fail(const char *what, const char *address)
{
	fprintf(stderr, "vifrost-load: %s %s: %s\n", what, address, strerror(errno));
	return CLI_UNAVAILABLE;
}

static int resolve(const struct load *l, struct sockaddr_storage *addr, socklen_t *len)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_DGRAM },
			*found;
	char port[12];

	snprintf(port, sizeof(port), "%u", l->port);
	if (getaddrinfo(l->address, port, &hints, &found)) {
		fprintf(stderr, "vifrost-load: \"%s\" is no address; give a numeric one\n",
			l->address);
		return CLI_USAGE;
	}
	memcpy(addr, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static bool is_server(const struct load *l)
{
	return l->kind == LOAD_SINK || l->kind == LOAD_ECHO;
}

/* What is left of the packet behind IP's and UDP's headers. */
static uint32_t payload_size(const struct load *l, sa_family_t family)
{
	uint32_t headers = (family == AF_INET6 ? 40 : 20) + sizeof(struct udphdr);

	return l->size ? l->size - headers : LOAD_GSO_SIZE;
}

static int open_socket(const struct load *l, int *fd_out, sa_family_t *family)
{
	struct sockaddr_storage addr;
	int room = SOCKET_ROOM, fd;
	socklen_t len;
	int status = resolve(l, &addr, &len);

	if (status)
		return status;
	*family = addr.ss_family;
	if (l->kind == LOAD_ICMP)
		fd = socket(addr.ss_family, SOCK_RAW | SOCK_CLOEXEC,
			    addr.ss_family == AF_INET6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);
	else
		fd = socket(addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail("socket for", l->address);
	/* Beyond the limits where that is permitted. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (is_server(l) ? bind(fd, (void *)&addr, len) : connect(fd, (void *)&addr, len)) {
		status = fail(is_server(l) ? "cannot listen on" : "cannot reach", l->address);
		close(fd);
		return status;
	}
	*fd_out = fd;
	return 0;
}

struct batch {
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t bytes[BATCH][2048]; /* longer ones are cut: only the header is looked at */
};

static void batch_ready(struct batch *b)
{
	for (int i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ b->bytes[i], sizeof(b->bytes[i]) };
		b->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i],
						      .msg_iovlen = 1,
						      .msg_name = &b->from[i],
						      .msg_namelen = sizeof(b->from[i]) };
	}
}

struct counts {
	uint64_t received, bytes, reordered, alien, next_seq, first_ns, last_ns;
};

static bool is_ours(const struct load *l, const struct mmsghdr *m, struct header *h)
{
	if (m->msg_len < sizeof(*h))
		return false;
	memcpy(h, m->msg_hdr.msg_iov->iov_base, sizeof(*h));
	return h->run == l->run;
}

static void count(const struct load *l, struct counts *c, const struct mmsghdr *m)
{
	struct header h;

	if (!is_ours(l, m, &h)) {
		c->alien++;
		return;
	}
	c->received++;
	c->bytes += m->msg_len;
	c->reordered += h.seq < c->next_seq;
	c->next_seq = h.seq + 1;
}

/* Receives until its time is over; an echo sends back what is of this run. */
static int serve(const struct load *l, int fd)
{
	uint64_t end = clock_ms() + l->ms;
	struct batch *b = calloc(1, sizeof(*b));
	struct counts c = { 0 };

	if (!b)
		return CLI_BUG;
	while (!ended && clock_ms() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct header h;
		int n;

		if (poll(&p, 1, 100) <= 0)
			continue;
		batch_ready(b);
		/* Truncated ones are counted by their true length. */
		n = recvmmsg(fd, b->msgs, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
		if (n <= 0)
			continue;
		c.last_ns = clock_ns();
		if (!c.first_ns)
			c.first_ns = c.last_ns;
		for (int i = 0; i < n; i++) {
			const struct mmsghdr *m = &b->msgs[i];

			count(l, &c, m);
			if (l->kind == LOAD_ECHO && is_ours(l, m, &h) &&
			    m->msg_len <= sizeof(b->bytes[i]))
				sendto(fd, b->bytes[i], m->msg_len, MSG_DONTWAIT,
				       m->msg_hdr.msg_name, m->msg_hdr.msg_namelen);
		}
	}
	free(b);
	printf("{\"received\": %llu, \"bytes\": %llu, \"ns\": %llu, \"reordered\": %llu, \"alien\": %llu}\n",
	       (unsigned long long)c.received, (unsigned long long)c.bytes,
	       (unsigned long long)(c.last_ns - c.first_ns), (unsigned long long)c.reordered,
	       (unsigned long long)c.alien);
	return CLI_OK;
}

struct sender {
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	uint8_t *bytes; /* of each message one after the other */
	uint32_t messages, message_size, segment;
	uint64_t seq;
};

static int sender_init(struct sender *s, const struct load *l, uint32_t payload)
{
	s->segment = payload;
	s->messages = l->size ? BATCH : GSO_BATCH;
	s->message_size = l->size ? payload : GSO_BYTES;
	s->bytes = calloc(s->messages, s->message_size);
	if (!s->bytes)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->messages; i++) {
		s->iov[i] = (struct iovec){ s->bytes + (size_t)i * s->message_size,
					    s->message_size };
		s->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &s->iov[i], .msg_iovlen = 1 };
	}
	return 0;
}

static void number(struct sender *s, uint64_t run)
{
	uint8_t *end = s->bytes + (size_t)s->messages * s->message_size;

	/* A message is a whole number of segments. */
	for (uint8_t *p = s->bytes; p < end; p += s->segment) {
		struct header h = { run, s->seq++ };

		memcpy(p, &h, sizeof(h));
	}
}

static int send_all(const struct load *l, int fd, uint32_t payload)
{
	int segment = (int)payload, status = CLI_OK;
	uint64_t began = clock_ns(), end = began + (uint64_t)l->ms * 1000000, now = began;
	uint32_t per_message;
	struct sender s = { 0 };
	uint64_t sent = 0;

	if (sender_init(&s, l, payload))
		return CLI_BUG;
	per_message = s.message_size / s.segment;
	if (!l->size && setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0) {
		status = fail("this kernel does not segment UDP for", l->address);
		goto out;
	}
	while (!ended && now < end) {
		int n;

		number(&s, l->run);
		n = sendmmsg(fd, s.msgs, s.messages, 0);
		now = clock_ns();
		/* What was not taken is sent under other numbers: the receiver only counts. */
		if (n > 0) {
			sent += (uint64_t)n * per_message;
			continue;
		}
		/* Refused: the other end is not there yet, or has gone; it says what came. */
		if (errno == ENOBUFS || errno == EAGAIN || errno == ECONNREFUSED ||
		    errno == EINTR || errno == EPERM)
			continue;
		status = fail("cannot send to", l->address);
		goto out;
	}
	printf("{\"sent\": %llu, \"bytes\": %llu, \"ns\": %llu}\n", (unsigned long long)sent,
	       (unsigned long long)sent * payload, (unsigned long long)(now - began));
out:
	free(s.bytes);
	return status;
}

struct echo {
	int fd;
	sa_family_t family;
	bool icmp;
	uint8_t *bytes;
	uint32_t size; /* of a message, with ICMP's header */
};

static uint16_t checksum(const uint8_t *bytes, uint32_t size)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Our number behind the header of an echo request, whose checksum IPv6 leaves to the kernel. */
static void make_request(const struct echo *e, struct header h)
{
	struct icmphdr icmp = { .type = e->family == AF_INET6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO };
	uint32_t at = e->icmp ? sizeof(icmp) : 0;

	memcpy(e->bytes + at, &h, sizeof(h));
	if (!e->icmp)
		return;
	icmp.un.echo.id = htons((uint16_t)h.run);
	icmp.un.echo.sequence = htons((uint16_t)h.seq);
	memcpy(e->bytes, &icmp, sizeof(icmp));
	if (e->family == AF_INET) {
		uint16_t sum = htons(checksum(e->bytes, e->size));

		memcpy(e->bytes + offsetof(struct icmphdr, checksum), &sum, sizeof(sum));
	}
}

/* Is what came, of @n bytes, the answer to @h? A raw socket of IPv4 has the packet's header before it. */
static bool is_answer(const struct echo *e, ssize_t n, struct header h)
{
	uint8_t reply = e->family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	ssize_t at = e->icmp && e->family == AF_INET ? (e->bytes[0] & 15) * 4 : 0;
	struct header got;

	if (n != at + (ssize_t)e->size)
		return false;
	if (e->icmp && e->bytes[at] != reply)
		return false;
	memcpy(&got, e->bytes + at + (e->icmp ? sizeof(struct icmphdr) : 0), sizeof(got));
	return got.run == h.run && got.seq == h.seq;
}

/* Return: its round trip in us; negative: lost. */
static double ping_once(const struct echo *e, struct header h)
{
	uint64_t began;

	make_request(e, h);
	began = clock_ns();
	if (send(e->fd, e->bytes, e->size, 0) < 0) {
		usleep(10000);
		return -1;
	}
	for (;;) {
		ssize_t n = recv(e->fd, e->bytes, e->size + 60, 0);

		if (n < 0 && errno == ECONNREFUSED)
			usleep(10000);
		if (n < 0)
			return -1;
		/* Answers to what was given up may still come. */
		if (n >= (e->icmp ? 28 : 16) && is_answer(e, n, h))
			return (double)(clock_ns() - began) / 1000;
		if (clock_ns() - began > (uint64_t)PING_MS * 1000000)
			return -1;
	}
}

static int ping(const struct load *l, int fd, sa_family_t family, uint32_t payload)
{
	bool icmp = l->kind == LOAD_ICMP;
	struct echo e = { fd, family, icmp, calloc(1, payload + 128),
			  payload + (icmp ? sizeof(struct icmphdr) : 0) };
	struct timeval timeout = { .tv_usec = PING_MS * 1000 };
	double *samples = calloc(MAX_SAMPLES, sizeof(*samples));
	uint64_t end = clock_ms() + l->ms, seq = 0, lost = 0;
	size_t nr = 0;

	if (!samples || !e.bytes) {
		free(samples);
		free(e.bytes);
		return CLI_BUG;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	while (!ended && clock_ms() < end && nr < MAX_SAMPLES) {
		double us = ping_once(&e, (struct header){ l->run, seq++ });

		if (us < 0)
			lost++;
		else
			samples[nr++] = us;
	}
	printf("{\"samples\": %zu, \"lost\": %llu, \"rtt-us\": {\"min\": %.3f, \"p50\": %.3f, "
	       "\"p99\": %.3f, \"max\": %.3f}}\n",
	       nr, (unsigned long long)lost, bench_percentile(samples, nr, 0),
	       bench_percentile(samples, nr, 50), bench_percentile(samples, nr, 99),
	       bench_percentile(samples, nr, 100));
	free(samples);
	free(e.bytes);
	return CLI_OK;
}

int load_run(const void *load)
{
	const struct load *l = load;
	struct sigaction act = { .sa_handler = on_term };
	sa_family_t family = AF_UNSPEC;
	int fd = -1, status;
	uint32_t payload;

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	status = open_socket(l, &fd, &family);
	if (status)
		return status;
	payload = payload_size(l, family);
	if (is_server(l))
		status = serve(l, fd);
	else if (l->kind == LOAD_SEND)
		status = send_all(l, fd, payload);
	else
		status = ping(l, fd, family, payload);
	close(fd);
	if (fflush(stdout))
		return CLI_BUG;
	return status;
}
