/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets which frame: learning, flooding, VLANs, isolation, limits, and receivers that stall or vanish. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/util/fast_rig.h"
#include "vswitch/fast/fast_priv.h"

#define HOST   100 /* ends beside the guests, by number */
#define UPLINK 101
#define ALL    255 /* a MAC */
#define NONE   -1
#define SLOTS  64 /* that a frontend of ours posts at first */

#define GUARD	  "'guard': {'level': 'none'}"
#define LAN(more) "'networks': {'lan': {'mode': 'bridge', 'mac': '02:00:00:00:00:64'" more "}}"
#define UP	  ", 'uplink': {'link': 'eth0', 'kind': 'afpacket'}"

static uint8_t data[65536];

/* MACs are 02:00:00:00:00:<number>. */
static void mac(uint8_t *p, unsigned int number)
{
	const uint8_t m[6] = { 2, 0, 0, 0, 0, (uint8_t)number };

	memset(p, 0xff, 6);
	if (number != ALL)
		memcpy(p, m, 6);
}

/* @vlan NONE: no tag. @mark is what tells it from others. */
static size_t make(uint8_t *p, unsigned int to, unsigned int from, int vlan, uint16_t mark,
		   size_t size)
{
	size_t at = 12;

	memset(p, 0x5a, size);
	mac(p, to);
	mac(p + 6, from);
	if (vlan != NONE) {
		p[at++] = 0x81;
		p[at++] = 0;
		p[at++] = (uint8_t)(vlan >> 8);
		p[at++] = (uint8_t)vlan;
	}
	p[at++] = 0x88;
	p[at++] = 0xb5;
	memcpy(p + at, &mark, sizeof(mark));
	return size;
}

static void write_fd(int fd, const void *frame, size_t size)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { (void *)(uintptr_t)frame, size } };

	assert_int_equal(writev(fd, iov, 2), (ssize_t)(size + sizeof(vnet)));
}

static void send_frame(struct fast_rig *r, unsigned int end, unsigned int to, unsigned int from,
		       int vlan, uint16_t mark, size_t size)
{
	uint8_t frame[9100];

	make(frame, to, from, vlan, mark, size);
	if (end == HOST || end == UPLINK)
		write_fd(end == HOST ? fast_rig_host : fast_rig_uplink, frame, size);
	else
		assert_true(fast_rig_send(r, end, frame, size));
}

static size_t recv_frame(struct fast_rig *r, unsigned int end)
{
	struct virtio_net_hdr vnet;
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { data, sizeof(data) } };
	ssize_t n;

	if (end != HOST && end != UPLINK)
		return fast_rig_recv(r, end, data, sizeof(data));
	n = readv(end == HOST ? fast_rig_host : fast_rig_uplink, iov, 2);
	return n < 0 ? 0 : (size_t)n - sizeof(vnet);
}

/* The next frame at @end is that with @mark and @vlan; mark NONE: there is none. */
static void expect_at(struct fast_rig *r, unsigned int end, int mark, int vlan, int line)
{
	size_t size = recv_frame(r, end), at = vlan == NONE ? 12 : 16;
	uint16_t got;

	if (mark == NONE) {
		if (size)
			fail_msg("line %d: end %u got a frame", line, end);
		return;
	}
	if (!size)
		fail_msg("line %d: end %u got nothing", line, end);
	memcpy(&got, data + at + 2, sizeof(got));
	if (data[at] != 0x88 || got != mark)
		fail_msg("line %d: end %u got another frame: %02x %d", line, end, data[at], got);
	if (vlan != NONE)
		assert_int_equal(data[14] << 8 | data[15], vlan);
	for (at += 4; at < size; at++)
		assert_int_equal(data[at], 0x5a);
}

#define expect(r, end, mark, vlan) expect_at(r, end, mark, vlan, __LINE__)

/* A frame from @from to the MAC @to, marked anew, gets to exactly those of @ends (ended by NONE). */
static void reaches(struct fast_rig *r, unsigned int from, unsigned int to, const int *ends,
		    int line)
{
	static uint16_t mark = 1;

	send_frame(r, from, to, from, NONE, ++mark, 200);
	fast_rig_turn(r);
	for (int end = 0; end <= UPLINK; end++) {
		bool is_in = false;

		if (end >= (int)r->nr && end < HOST)
			continue;
		if (end == UPLINK && fast_rig_uplink < 0)
			continue;
		for (const int *e = ends; *e != NONE; e++)
			is_in |= *e == end;
		expect_at(r, (unsigned int)end, is_in ? mark : NONE, NONE, line);
	}
}

#define REACHES(r, from, to, ...) reaches(r, from, to, (const int[]){ __VA_ARGS__, NONE }, __LINE__)
#define NOBODY			  NONE

static struct fast_rig *lan(unsigned int nr, const char *network, const char *port)
{
	struct fast_rig *r;
	char text[400];

	if (fast_rig_uplink >= 0)
		close(fast_rig_uplink);
	fast_rig_uplink = -1;
	r = fast_rig_create(nr);
	snprintf(text, sizeof(text), "{%s}", network);
	fast_rig_apply(r, text);
	for (unsigned int i = 0; i < nr; i++) {
		snprintf(text, sizeof(text), "{'ports': {'vif%u.0': {'network': 'lan'%s}}}", i,
			 port);
		fast_rig_apply(r, text);
	}
	return r;
}

static void test_learns(void **state)
{
	struct fast_rig *r = lan(3, LAN(UP), ", " GUARD);

	(void)state;
	REACHES(r, 0, ALL, 1, 2, HOST, UPLINK);
	REACHES(r, 0, 1, 1, 2, UPLINK); /* not known yet; the host has its own */
	REACHES(r, 1, 0, 0);
	REACHES(r, 0, 1, 1);
	REACHES(r, UPLINK, 1, 1);
	REACHES(r, 1, UPLINK, UPLINK);
	REACHES(r, 1, HOST, HOST);
	REACHES(r, HOST, ALL, 0, 1, 2, UPLINK);
	REACHES(r, 0, 0, NOBODY);
	/* It has moved. */
	send_frame(r, 2, ALL, 1, NONE, 7, 60);
	fast_rig_turn(r);
	expect(r, 0, 7, NONE);
	expect(r, 1, 7, NONE);
	expect(r, HOST, 7, NONE);
	expect(r, UPLINK, 7, NONE);
	REACHES(r, 0, 1, 2);
	assert_int_equal(fast_rig_status(r, "networks/lan/fdb/moved"), 1);
	fast_rig_destroy(r);
}

static void test_nothing_without_document(void **state)
{
	struct fast_rig *r = lan(2, LAN(""), "");

	(void)state;
	REACHES(r, 0, ALL, NOBODY); /* no guard: sends nothing */
	assert_int_equal(fast_rig_status(r, "ports/vif0.0/drops/guard"), 1);
	REACHES(r, HOST, ALL, 0, 1);
	fast_rig_apply(r, "{'ports': {'vif1.0': null}}");
	fast_rig_apply(r, "{'ports': {'vif0.0': {'network': 'lan', " GUARD "}}}");
	REACHES(r, 0, ALL, HOST);
	REACHES(r, HOST, ALL, 0);
	fast_rig_destroy(r);
}

static void test_fixed(void **state)
{
	struct fast_rig *r = lan(3, LAN(UP), ", " GUARD);

	(void)state;
	fast_rig_apply(r, "{'ports': {'vif1.0': {'network': 'lan', 'mac': '02:00:00:00:00:01', "
			  "'guard': {'level': 'mac', 'mac': '02:00:00:00:00:01'}}}}");
	REACHES(r, 0, 1, 1);
	/* Somebody else sends as it: it stays where it is. */
	send_frame(r, 0, HOST, 1, NONE, 9, 60);
	fast_rig_turn(r);
	expect(r, HOST, 9, NONE);
	REACHES(r, 2, 1, 1);
	/* A frame to nobody it knows is not for who has just one MAC. */
	REACHES(r, 2, 77, 0, UPLINK);
	/* And it sends as nobody else. */
	send_frame(r, 1, 0, 5, NONE, 9, 60);
	fast_rig_turn(r);
	expect(r, 0, NONE, NONE);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/guard/spoof-mac"), 1);
	fast_rig_destroy(r);
}

static void vlan_port(struct fast_rig *r, unsigned int i, const char *vlans)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "{'ports': {'vif%u.0': {'network': 'lan', %s, 'mac': '02:00:00:00:00:%02x', " GUARD
		 "}}}",
		 i, vlans, i);
	fast_rig_apply(r, text);
}

static void test_vlans(void **state)
{
	struct fast_rig *r = lan(4, LAN(UP ", 'host-vlan': 10"), ", " GUARD);

	(void)state;
	vlan_port(r, 0, "'access': 10");
	vlan_port(r, 1, "'access': 20");
	vlan_port(r, 2, "'trunk': [[10, 19], [30, 30]], 'native': 20");
	vlan_port(r, 3, "'trunk': [[10, 10]]");

	send_frame(r, 0, ALL, 0, NONE, 1, 60);
	fast_rig_turn(r);
	expect(r, 1, NONE, NONE);
	expect(r, 2, 1, 10);
	expect(r, 3, 1, 10);
	expect(r, HOST, 1, NONE);
	expect(r, UPLINK, 1, 10);

	send_frame(r, 2, ALL, 2, NONE, 2, 300); /* native */
	send_frame(r, 2, 0, 2, 10, 3, 300);
	send_frame(r, 2, 0, 2, 20, 4, 300); /* never tagged there */
	send_frame(r, 2, 0, 2, 40, 5, 300);
	fast_rig_turn(r);
	expect(r, 1, 2, NONE);
	expect(r, UPLINK, 2, 20);
	expect(r, 0, 3, NONE);
	expect(r, 0, NONE, NONE);
	expect(r, 3, NONE, NONE);
	expect(r, HOST, NONE, NONE);
	expect(r, UPLINK, NONE, NONE);
	assert_int_equal(fast_rig_status(r, "ports/vif2.0/drops/vlan"), 2);

	send_frame(r, 3, 0, 3, NONE, 6, 300); /* a trunk without native */
	send_frame(r, 0, 3, 0, 10, 7, 300);   /* a tag on an access port */
	send_frame(r, UPLINK, 3, UPLINK, 10, 8, 1400);
	send_frame(r, UPLINK, 0, UPLINK, 10, 9, 124);
	fast_rig_turn(r);
	send_frame(r, 0, 3, 0, NONE, 10, 1514);
	fast_rig_turn(r);
	expect(r, 3, 8, 10);
	expect(r, 0, 9, NONE);
	expect(r, 0, NONE, NONE);
	expect(r, 3, 10, 10);
	expect(r, 3, NONE, NONE);
	/* A tag of VLAN 0 says no more than a priority. */
	send_frame(r, 0, 3, 0, 0, 11, 300);
	fast_rig_turn(r);
	expect(r, 3, 11, 10);
	fast_rig_destroy(r);
}

static void test_isolation(void **state)
{
	struct fast_rig *r = lan(3, LAN(UP), ", " GUARD ", 'protected': true");

	(void)state;
	fast_rig_apply(r, "{'ports': {'vif2.0': {'network': 'lan', " GUARD "}}}");
	REACHES(r, 0, ALL, 2, HOST, UPLINK);
	REACHES(r, 1, 0, NOBODY);
	REACHES(r, 2, ALL, 0, 1, HOST, UPLINK);
	REACHES(r, 1, 2, 2);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/drops/isolated"), 1);
	fast_rig_apply(r, "{" LAN(", 'per-guest': true") "}");
	REACHES(r, 2, ALL, HOST);
	REACHES(r, 1, 2, NOBODY);
	REACHES(r, HOST, ALL, 0, 1, 2);
	fast_rig_destroy(r);
}

static void test_gateway(void **state)
{
	struct fast_rig *r = lan(2,
				 "'networks': {'lan': {'mode': 'nat', 'mac': "
				 "'02:00:00:00:00:64'}}",
				 ", " GUARD);

	(void)state;
	REACHES(r, 0, ALL, 1, HOST);
	REACHES(r, 0, 50, HOST);
	REACHES(r, 1, 0, 0);
	REACHES(r, HOST, 1, 1);
	REACHES(r, HOST, 60, 0, 1);
	fast_rig_destroy(r);
}

/* 01:80:c2:00:00:0e stays on its link. */
static void test_reserved(void **state)
{
	static const uint8_t to[6] = { 1, 0x80, 0xc2, 0, 0, 0x0e };
	struct fast_rig *r = lan(2, LAN(""), ", " GUARD);
	uint8_t frame[60];

	(void)state;
	make(frame, 0, 0, NONE, 1, sizeof(frame));
	memcpy(frame, to, sizeof(to));
	assert_true(fast_rig_send(r, 0, frame, sizeof(frame)));
	fast_rig_turn(r);
	expect(r, 1, NONE, NONE);
	expect(r, HOST, NONE, NONE);
	assert_int_equal(fast_rig_status(r, "ports/vif0.0/drops/reserved"), 1);
	fast_rig_destroy(r);
}

/* Who floods with MACs loses its own places only. */
static void test_mac_flood(void **state)
{
	struct fast_rig *r = lan(3, LAN(""), ", " GUARD);
	uint8_t frame[60];

	(void)state;
	REACHES(r, 1, ALL, 0, 2, HOST);
	for (unsigned int i = 0; i < 5000; i++) {
		make(frame, HOST, 0, NONE, 1, sizeof(frame));
		memcpy(frame + 8, &i, sizeof(i));
		assert_true(fast_rig_send(r, 0, frame, sizeof(frame)));
		fast_turn(r->fast);
		recv_frame(r, HOST);
	}
	fast_rig_turn(r);
	while (recv_frame(r, HOST))
		;
	assert_true(fast_rig_status(r, "ports/vif0.0/not-learnt") >= 4000);
	assert_true(fast_rig_status(r, "networks/lan/fdb/learnt") <= 258);
	REACHES(r, 2, 1, 1);
	fast_rig_destroy(r);
}

static void test_ages(void **state)
{
	struct fast_rig *r = lan(3, LAN(", 'ageing': 1"), ", " GUARD);

	(void)state;
	REACHES(r, 1, ALL, 0, 2, HOST);
	REACHES(r, 0, 1, 1);
	usleep(2100000);
	REACHES(r, 0, 1, 1, 2);
	assert_int_equal(fast_rig_status(r, "networks/lan/fdb/learnt"), 1);
	fast_rig_destroy(r);
}

static void test_limits(void **state)
{
	struct fast_rig *r = lan(2, LAN(""), ", " GUARD);
	uint64_t began_ms = clock_ms();
	unsigned int got = 0, dropped = 0;

	(void)state;
	fast_rig_apply(r,
		       "{'ports': {'vif1.0': {'network': 'lan', 'mac': '02:00:00:00:00:01', " GUARD
		       ", 'to-guest': {'packets-per-s': 100}}}}");
	for (unsigned int i = 0; i < 200; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 100);
	for (uint64_t until = clock_ns() + 2000000000u;
	     got + dropped < 200 && clock_ns() < until;) {
		fast_turn(r->fast);
		got += recv_frame(r, 1) > 0;
		dropped = (unsigned int)fast_rig_status(r, "ports/vif1.0/drops/to-guest-rate");
	}
	assert_int_equal(got + dropped, 200);
	assert_in_range(got, 64, 80 + (clock_ms() - began_ms) / 10);

	/* What a guest sends too much of waits, and is not lost. */
	began_ms = clock_ms();
	fast_rig_apply(r,
		       "{'ports': {'vif1.0': {'network': 'lan', 'mac': '02:00:00:00:00:01', " GUARD
		       "}, 'vif0.0': {'network': 'lan', " GUARD
		       ", 'from-guest': {'bits-per-s': 8000000, 'burst-bytes': 16384}}}}");
	for (unsigned int i = 0; i < 200; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 1000);
	fast_rig_turn(r);
	for (got = 0; recv_frame(r, 1);)
		got++;
	assert_in_range(got, 1, 40 + (clock_ms() - began_ms));
	for (uint64_t until = clock_ns() + 2000000000u; got < 200 && clock_ns() < until;) {
		fast_turn(r->fast);
		got += recv_frame(r, 1) > 0;
	}
	assert_int_equal(got, 200);
	fast_rig_destroy(r);
}

/* One that takes nothing more keeps its sender for a moment, and nobody else. */
static void test_stalled(void **state)
{
	struct fast_rig *r = lan(4, LAN(""), ", " GUARD);
	unsigned int waiting = 0;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		REACHES(r, i, HOST, HOST);
	for (unsigned int i = 0; i < 60; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 60);
	fast_rig_turn(r);
	for (unsigned int i = 0; i < 50; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 60);
	send_frame(r, 0, 3, 0, NONE, 2, 60);
	fast_turn(r->fast);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/waits"), 1);
	/* Others go on meanwhile. */
	send_frame(r, 2, 3, 2, NONE, 3, 60);
	fast_turn(r->fast);
	expect(r, 3, 2, NONE);
	expect(r, 3, 3, NONE);
	for (uint64_t end = clock_ns() + 2000000000u; clock_ns() < end;) {
		fast_turn(r->fast);
		if (fast_rig_status(r, "ports/vif1.0/drops/no-room"))
			break;
	}
	assert_true(fast_rig_status(r, "ports/vif1.0/drops/no-room") > 0);
	/* Not waited for again, until it has had time. */
	for (unsigned int i = 0; i < 64; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 60);
	send_frame(r, 0, 3, 0, NONE, 4, 60);
	fast_rig_turn(r);
	expect(r, 3, 4, NONE);
	while (recv_frame(r, 1))
		waiting++;
	assert_int_equal(waiting, SLOTS);
	REACHES(r, 0, 1, 1);
	fast_rig_destroy(r);
}

/* One that was only behind loses nothing. */
static void test_behind(void **state)
{
	struct fast_rig *r = lan(2, LAN(""), ", " GUARD);
	unsigned int sent = 0, got = 0;

	(void)state;
	REACHES(r, 1, HOST, HOST);
	for (int turn = 0; got < 5000; turn++) {
		uint8_t frame[60];

		assert_true(turn < 100000);
		make(frame, 1, 0, NONE, (uint16_t)sent, sizeof(frame));
		while (sent < 5000 && fast_rig_send(r, 0, frame, sizeof(frame)))
			make(frame, 1, 0, NONE, (uint16_t)++sent, sizeof(frame));
		fast_turn(r->fast);
		for (int i = 0; i < 32 && recv_frame(r, 1); i++, got++) {
			uint16_t mark;

			memcpy(&mark, data + 14, sizeof(mark));
			assert_int_equal(mark, (uint16_t)got);
		}
	}
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/drops/no-room"), 0);
	fast_rig_destroy(r);
}

static void stop_a_while(int signal)
{
	const struct timespec stop = { .tv_nsec = 60000000 };

	(void)signal;
	nanosleep(&stop, NULL);
}

/* Nor does one lose anything by a time in which none of us ran, though the switch slept as that began. */
static void test_stopped_while_asleep(void **state)
{
	struct fast_rig *r = lan(2, LAN(""), ", " GUARD);
	struct fast_thread *t = list_entry(r->fast->threads.next, struct fast_thread, all);
	const struct sigaction action = { .sa_handler = stop_a_while };
	const struct itimerval soon = { .it_value.tv_usec = 1000 };
	unsigned int got = 0, nr;
	uint64_t began_ns;

	(void)state;
	REACHES(r, 0, HOST, HOST);
	REACHES(r, 1, HOST, HOST);
	for (unsigned int i = 0; i < 60; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 60);
	fast_rig_turn(r);
	for (unsigned int i = 0; i < 60; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 60);
	fast_turn(r->fast);
	fast_turn(r->fast);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/waits"), 1);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	began_ns = clock_ns();
	nr = 0;
	while (clock_ns() - began_ns < 50000000)
		fast_thread_turn(t, nr++ ? 0 : -1);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/drops/no-room"), 0);
	for (int turn = 0; turn < 100; turn++) {
		fast_turn(r->fast);
		while (recv_frame(r, 1))
			got++;
	}
	assert_int_equal(got, 120);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/drops/no-room"), 0);
	fast_rig_destroy(r);
}

/* Sender or receiver gone while frames wait. */
static void test_vanishes(void **state)
{
	(void)state;
	for (unsigned int gone = 0; gone < 2; gone++) {
		struct fast_rig *r = lan(3, LAN(""), ", " GUARD);

		for (unsigned int i = 0; i < 3; i++)
			REACHES(r, i, HOST, HOST);
		for (unsigned int i = 0; i < 60; i++)
			send_frame(r, 0, 1, 0, NONE, 1, 60);
		fast_rig_turn(r);
		for (unsigned int i = 0; i < 100; i++)
			send_frame(r, 0, 1, 0, NONE, 1, 60);
		fast_turn(r->fast);
		fast_turn(r->fast);
		assert_int_equal(fast_rig_status(r, "ports/vif1.0/waits"), 1);
		fast_rig_stop(r, gone);
		/* Of 160, what it had no slots for. */
		assert_in_range(fast_rig_status(r, "ports/vif1.0/drops/no-room"), 1, 160 - SLOTS);
		fast_rig_turn(r);
		send_frame(r, 2 - 2 * gone, HOST, 2, NONE, 3, 60);
		fast_rig_turn(r);
		expect(r, HOST, 3, NONE);
		fast_rig_destroy(r);
	}
}

/* Nobody's frames are taken any more, those that wait arrive, and the next one finds the others. */
static void test_pause(void **state)
{
	struct fast_rig *r = lan(3, LAN(""), ", " GUARD);
	unsigned int got = 0, sent = 60;
	uint64_t resumed_ns;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		REACHES(r, i, HOST, HOST);
	for (unsigned int i = 0; i < sent; i++)
		send_frame(r, 0, 1, 0, NONE, 1, 60);
	fast_rig_turn(r);
	for (; sent < 124; sent++)
		send_frame(r, 0, 1, 0, NONE, 1, 60);
	fast_turn(r->fast);
	fast_turn(r->fast);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/waits"), 1);
	fast_pause(r->fast);
	send_frame(r, 0, 1, 0, NONE, 2, 60);
	send_frame(r, HOST, 2, HOST, NONE, 3, 60);
	while (recv_frame(r, 1))
		got++;
	for (int i = 0; i < 8; i++) {
		fast_turn(r->fast);
		while (recv_frame(r, 1))
			got++;
	}
	assert_int_equal(got, sent);
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/drops/no-room"), 0);
	expect(r, 2, NONE, NONE);
	resumed_ns = clock_ns();
	fast_resume(r->fast);
	fast_rig_turn(r);
	expect(r, 2, 3, NONE);
	expect(r, 1, 2, NONE);
	/* What came meanwhile comes at once: it is waited for longer, and given up all the same. */
	for (unsigned int i = 0; i < 8 && fast_rig_status(r, "ports/vif1.0/waits") == 1; i++) {
		for (unsigned int k = 0; k < 60; k++)
			send_frame(r, 0, 1, 0, NONE, 1, 60);
		fast_turn(r->fast);
	}
	assert_int_equal(fast_rig_status(r, "ports/vif1.0/waits"), 2);
	for (uint64_t until = clock_ns() + 20000000u; clock_ns() < until;)
		fast_turn(r->fast);
	/* A busy machine may not have let us run in that time. */
	if (clock_ns() - resumed_ns < 100000000u)
		assert_int_equal(fast_rig_status(r, "ports/vif1.0/drops/no-room"), 0);
	for (uint64_t end = clock_ns() + 2000000000u; clock_ns() < end;) {
		fast_turn(r->fast);
		if (fast_rig_status(r, "ports/vif1.0/drops/no-room"))
			break;
	}
	assert_true(fast_rig_status(r, "ports/vif1.0/drops/no-room") > 0);
	fast_rig_destroy(r);
}

static void test_restart(void **state)
{
	struct fast_rig *r = lan(3, LAN(""), ", " GUARD);

	(void)state;
	fast_rig_apply(r, "{'ports': {'vif2.0': {'network': 'lan', 'access': 9, " GUARD "}}}");
	REACHES(r, 0, ALL, 1, HOST);
	send_frame(r, 0, ALL, 0, NONE, 5, 60); /* not yet taken */
	fast_rig_restart(r);
	fast_rig_turn(r);
	expect(r, 1, 5, NONE);
	expect(r, HOST, 5, NONE);
	REACHES(r, 0, ALL, 1, HOST);
	fast_rig_destroy(r);
}

/* What came to the host's end and the uplink meanwhile is there still, and so are both. */
static void test_hand_over(void **state)
{
	struct fast_rig *r = lan(2, LAN(UP), ", " GUARD);
	int host, uplink;

	(void)state;
	REACHES(r, 0, ALL, 1, HOST, UPLINK);
	REACHES(r, UPLINK, 0, 0);
	host = fast_rig_host;
	uplink = fast_rig_uplink;
	send_frame(r, HOST, 1, HOST, NONE, 5, 60);
	send_frame(r, UPLINK, 1, 77, NONE, 6, 60);
	send_frame(r, 0, HOST, 0, NONE, 7, 60);
	assert_int_equal(fast_rig_hand_over(r), 3);
	assert_int_equal(fast_rig_host, host);
	assert_int_equal(fast_rig_uplink, uplink);
	fast_rig_turn(r);
	expect(r, HOST, 7, NONE);
	for (unsigned int i = 0; i < 2; i++)
		assert_true(recv_frame(r, 1) > 0);
	expect(r, 1, NONE, NONE);
	/* Where MACs are; guest 1's was not known. */
	while (recv_frame(r, 0) || recv_frame(r, UPLINK))
		;
	REACHES(r, 0, UPLINK, UPLINK);
	/* Not so when it just ends. */
	send_frame(r, HOST, 1, HOST, NONE, 8, 60);
	fast_pause(r->fast);
	fast_rig_restart(r);
	fast_rig_turn(r);
	expect(r, 1, NONE, NONE);
	fast_rig_destroy(r);
}

/* What a document needs cannot be had: all is as before. */
static void test_all_or_nothing(void **state)
{
	struct fast_rig *r = lan(2, LAN(""), ", " GUARD);
	char why[FAST_TEXT_MAX];

	(void)state;
	assert_int_equal(fast_rig_try(r,
				      "{'networks': {'lan': {'mode': 'bridge', 'per-guest': true}, "
				      "'b': {'mode': 'bridge', 'uplink': {'link': 'absent0', "
				      "'kind': 'afpacket'}}}}",
				      why),
			 -19);
	assert_non_null(strstr(why, "network b: uplink absent0: there is no such link"));
	REACHES(r, 0, ALL, 1, HOST);
	assert_int_equal(fast_rig_try(r,
				      "{'ports': {'vif0.0': null, 'vif1.0': {'network': 'lan', "
				      "'guard': {'level': 'mac'}}}}",
				      why),
			 -22);
	assert_non_null(strstr(why, "vif1.0"));
	fast_rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learns),
		cmocka_unit_test(test_nothing_without_document),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_isolation),
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_mac_flood),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_stopped_while_asleep),
		cmocka_unit_test(test_vanishes),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
