/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames without offloads: what is written is whole, in order, and with the right sums. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "netback/frame.h"
#include "netback/queue.h"
#include "netback/segment.h"

#define PAYLOAD 4001

struct port {
	int in, out;
	uint8_t frame[65536];
	size_t size, have;
	struct virtio_net_hdr vnet;
};

static int setup(void **state)
{
	struct port *p = calloc(1, sizeof(*p));
	int fds[2];

	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	p->in = fds[0];
	p->out = fds[1];
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct port *p = *state;

	close(p->in);
	close(p->out);
	free(p);
	return 0;
}

/* Ethernet, IPv4 or IPv6, TCP with 12 bytes of options or UDP, a blank checksum. */
static void make(struct port *p, bool is_v6, bool is_tcp, size_t payload)
{
	size_t ip = 14, l4 = ip + (is_v6 ? 40 : 20), l4_size = (is_tcp ? 32 : 8) + payload;
	uint8_t *f = p->frame;

	memset(f, 0, sizeof(p->frame));
	f[12] = is_v6 ? 0x86 : 0x08;
	f[13] = is_v6 ? 0xdd : 0x00;
	if (is_v6) {
		f[ip] = 0x60;
		f[ip + 4] = (uint8_t)(l4_size >> 8);
		f[ip + 5] = (uint8_t)l4_size;
		f[ip + 6] = is_tcp ? 6 : 17;
	} else {
		f[ip] = 0x45;
		f[ip + 2] = (uint8_t)((20 + l4_size) >> 8);
		f[ip + 3] = (uint8_t)(20 + l4_size);
		f[ip + 4] = 0xff;
		f[ip + 5] = 0xff; /* the number of the next one is 0 */
		f[ip + 9] = is_tcp ? 6 : 17;
	}
	for (int i = 8; i < (is_v6 ? 40 : 20); i++)
		if (i >= 12)
			f[ip + (size_t)i] = (uint8_t)(i * 7);
	if (!is_v6) {
		struct iovec head = { f + ip, 20 };
		uint16_t sum = (uint16_t)~nb_frame_sum(&head, 1, 0, 20);

		f[ip + 10] = (uint8_t)(sum >> 8);
		f[ip + 11] = (uint8_t)sum;
	}
	if (is_tcp) {
		memset(f + l4 + 4, 0xff, 4); /* the sequence wraps */
		f[l4 + 12] = 8 << 4;
		f[l4 + 13] = 0x99; /* CWR, ACK, PSH, FIN */
	} else {
		f[l4 + 4] = (uint8_t)(l4_size >> 8);
		f[l4 + 5] = (uint8_t)l4_size;
	}
	for (size_t i = 0; i < payload; i++)
		f[l4 + (is_tcp ? 32 : 8) + i] = (uint8_t)(i * 31 + (i >> 8));
	p->size = l4 + l4_size;
	p->have = p->size < NB_HEADER_MAX ? p->size : NB_HEADER_MAX;
	p->vnet = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
}

/* What follows the header in three parts. */
static int write_out(struct port *p)
{
	uint8_t header[NB_HEADER_MAX];
	size_t left = p->size - p->have, third = left / 3;
	struct iovec rest[3] = { { p->frame + p->have, third },
				 { p->frame + p->have + third, third },
				 { p->frame + p->have + 2 * third, left - 2 * third } };

	memcpy(header, p->frame, p->have);
	return nb_segment_write(p->out, &p->vnet, header, p->have, rest, left ? 3 : 0, p->size);
}

/* A frame that arrived: its sums are right and it asks for nothing. */
static size_t take(struct port *p, uint8_t *frame, struct nb_frame *f)
{
	uint8_t packet[65536 + sizeof(struct virtio_net_hdr)];
	struct virtio_net_hdr none = { 0 }, unused = { 0 };
	ssize_t n = recv(p->in, packet, sizeof(packet), 0);
	struct iovec all = { frame, 0 };
	uint8_t sum[2];

	if (n < 0)
		return 0;
	assert_memory_equal(packet, &none, sizeof(none));
	n -= (ssize_t)sizeof(none);
	memcpy(frame, packet + sizeof(none), (size_t)n);
	all.iov_len = (size_t)n;
	nb_frame_parse(frame, (size_t)n, (size_t)n, f);
	assert_true(f->l4_known);
	assert_int_equal(f->l4 + f->l4_size, n);
	if (f->ip_version == 4)
		assert_int_equal(nb_frame_sum(&all, 1, 14, 20), 0xffff);
	memcpy(sum, frame + f->l4 + f->csum_offset, 2);
	nb_frame_request_csum(frame, f, &unused);
	assert_int_equal((uint16_t)~nb_frame_sum(&all, 1, f->l4, f->l4_size), sum[0] << 8 | sum[1]);
	return (size_t)n;
}

static void segments(struct port *p, bool is_v6)
{
	static uint8_t frame[65536];
	size_t at = 0, mss = 1000, n, i = 0, head;
	struct nb_frame f;

	make(p, is_v6, true, PAYLOAD);
	p->vnet.gso_type = is_v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	p->vnet.gso_size = (uint16_t)mss;
	assert_int_equal(write_out(p), 0);
	while ((n = take(p, frame, &f)) != 0) {
		const uint8_t *tcp = frame + f.l4;
		uint32_t sequence = (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 |
				    (uint32_t)tcp[6] << 8 | tcp[7];

		head = (size_t)f.l4 + 32;
		assert_int_equal(sequence, (uint32_t)(0xffffffff + at));
		assert_memory_equal(frame + head, p->frame + head + at, n - head);
		at += n - head;
		assert_int_equal(n - head, at == PAYLOAD ? PAYLOAD % mss : mss);
		/* CWR on the first only; FIN and PSH on the last only. */
		assert_int_equal(tcp[13], 0x10 | (i ? 0 : 0x80) | (at == PAYLOAD ? 0x09 : 0));
		if (!is_v6)
			assert_int_equal(frame[18] << 8 | frame[19], (0xffff + i) & 0xffff);
		i++;
	}
	assert_int_equal(at, PAYLOAD);
}

static void test_segments(void **state)
{
	segments(*state, false);
	segments(*state, true);
}

static void test_checksum_only(void **state)
{
	struct port *p = *state;
	static uint8_t frame[65536];
	struct nb_frame f;

	for (int kind = 0; kind < 4; kind++) {
		make(p, kind & 1, kind & 2, kind == 0 ? 3 : 1200);
		assert_int_equal(write_out(p), 0);
		assert_int_equal(take(p, frame, &f), p->size);
		assert_memory_equal(frame + f.l4 + f.l4_header, p->frame + f.l4 + f.l4_header,
				    p->size - f.l4 - f.l4_header);
		assert_int_equal(take(p, frame, &f), 0);
	}
}

static void test_refused(void **state)
{
	struct port *p = *state;
	uint8_t byte;

	/* A packet a byte would keep the worker from everyone else. */
	make(*state, false, true, PAYLOAD);
	p->vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	p->vnet.gso_size = NB_SEGMENT_MIN - 1;
	assert_int_equal(write_out(p), -EINVAL);
	/* No protocol whose checksum is known. */
	make(*state, false, false, 100);
	p->frame[14 + 9] = 1;
	assert_int_equal(write_out(p), -EINVAL);
	assert_int_equal(recv(p->in, &byte, 1, 0), -1);
	/* A full port is told as such. */
	close(p->in);
	p->in = -1;
	make(*state, false, false, 100);
	assert_true(write_out(p) < 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checksum_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
