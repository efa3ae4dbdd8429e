/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The router in the switch, with guests' rings at one side and a socket for an uplink at the other:
 *
 *	guest 0, 10.20.0.10 -+- red -(gateway)- lan -+- uplink: a router, beyond it 203.0.113.0/24
 *	guest 1, 10.20.0.11 -+			     +- guest 2, 192.0.2.12
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/fast_rig.h"
#include "tests/util/packet.h"
#include "base/clock.h"
#include "vswitch/fast/fast_priv.h"
#include "vswitch/fast/nat_priv.h"

#define HOST	100 /* of "lan" */
#define UPLINK	101
#define RED_END 102 /* the host's end of "red" */
#define ROUTER	0x70
#define LAN_MAC 0x64
#define RED_MAC 0x65
#define REMOTE	"203.0.113.7"
#define PUBLIC	"192.0.2.10"

#define GUESTS                                                                                         \
	"{'to':'10.20.0.10','network':'red','mac':'02:00:00:00:00:65','via-mac':'02:00:00:00:00:00'}," \
	"{'to':'10.20.0.11','network':'red','mac':'02:00:00:00:00:65','via-mac':'02:00:00:00:00:01'}"
#define BEYOND                                                                                        \
	"{'to':'0.0.0.0/0','network':'lan','mac':'02:00:00:00:00:64','via-mac':'02:00:00:00:00:70'}," \
	"{'to':'192.0.2.0/24'},"                                                                      \
	"{'to':'192.0.2.12','network':'lan','mac':'02:00:00:00:00:64','via-mac':'02:00:00:00:00:02'}"
#define NAT                                                                                        \
	",'nat':{'inside':['10.20.0.0/24'],'pool':[{'address':'192.0.2.10','ports':[40000,49999]," \
	"'shared':true}],'forwards':[{'protocol':6,'address':'192.0.2.10','ports':[8080,8080],"    \
	"'to':'10.20.0.11','to-port':80}]}"
#define LAN(more)                                                                                      \
	"'lan':{'mode':'bridge','mac':'02:00:00:00:00:64','uplink':{'link':'eth0','kind':'afpacket'}," \
	"'route':{'prefixes':[" GUESTS "]}" more "}"
#define RED(as, more)                                                                              \
	"'red':{'mode':'" as "','mac':'02:00:00:00:00:65','route':{'prefixes':[" BEYOND "," GUESTS \
	"]" more "}}"
#define RED_ROUTES(more)     RED("route", more)
#define RED_TRANSLATED(more) RED("nat", more)
#define ONLY_443	     ONLY_PORT(443)
#define ONLY_PORT(port)                                                                                \
	",'firewall':{'segment':false,'uplink':false,'local':true,'defaults':{'guest-to-guest':false," \
	"'guest-to-host':true,'ingress':false,'egress':false},'rules':[{'accept':true,'protocol':6,"   \
	"'ports':[[" #port "," #port "]]}],'sets':[]}"

static struct fast_rig *rig;
static struct packet_bytes p;
static unsigned int got_mac;

static void begin(const char *networks)
{
	char text[2500];

	if (fast_rig_uplink >= 0)
		close(fast_rig_uplink);
	fast_rig_uplink = -1;
	rig = fast_rig_create(3);
	snprintf(text, sizeof(text), "{'networks':{%s}}", networks);
	fast_rig_apply(rig, text);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text),
			 "{'ports':{'vif%u.0':{'network':'%s','mac':'02:00:00:00:00:%02x',"
			 "'guard':{'level':'mac','mac':'02:00:00:00:00:%02x'}}}}",
			 i, i < 2 ? "red" : "lan", i, i);
		fast_rig_apply(rig, text);
	}
}

static int teardown(void **state)
{
	(void)state;
	if (rig)
		fast_rig_destroy(rig);
	rig = NULL;
	return 0;
}

static int fd_of(unsigned int end)
{
	return end == HOST ? fast_rig_host : end == RED_END ? fast_rig_other : fast_rig_uplink;
}

/* @p, from @end's MAC @from to the MAC @to. */
static void send_as(unsigned int end, unsigned int from, unsigned int to)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { p.b, p.size } };

	memcpy(p.b, (const uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)to, 2, 0, 0, 0, 0, (uint8_t)from },
	       12);
	if (end < 3)
		assert_true(fast_rig_send(rig, end, p.b, p.size));
	else
		assert_int_equal(writev(fd_of(end), iov, 2), (ssize_t)(p.size + sizeof(vnet)));
	fast_rig_turn(rig);
}

/* What came out at @end, into @p. False: nothing. */
static bool came(unsigned int end)
{
	struct virtio_net_hdr vnet;
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { p.b, sizeof(p.b) } };
	ssize_t n;

	n = end < 3 ? (ssize_t)fast_rig_recv(rig, end, p.b, sizeof(p.b))
		    : readv(fd_of(end), iov, 2);
	if (n > 0 && end >= 3)
		n -= (ssize_t)sizeof(vnet);
	if (n <= 0)
		return false;
	p.size = (size_t)n;
	got_mac = p.b[5];
	return true;
}

/* Nothing more anywhere. */
static void expect_silence(void)
{
	static const unsigned int ends[] = { 0, 1, 2, HOST, UPLINK, RED_END };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (came(ends[i]))
			fail_msg("at %u: %s", ends[i], packet_text(&p));
}

/* It comes out at @end and nowhere else, to the MAC @mac from that of a host's end, one hop older. */
static void expect_routed(unsigned int end, unsigned int mac, unsigned int from, const char *text)
{
	struct packet_bytes first;

	if (!came(end))
		fail_msg("nothing at %u", end);
	assert_int_equal(got_mac, mac);
	assert_int_equal(p.b[11], from);
	assert_true(packet_is_right(&p, false));
	assert_int_equal(p.b[PACKET_L3 + 8], 63);
	if (text)
		assert_string_equal(packet_text(&p), text);
	first = p;
	expect_silence();
	p = first;
}

static void make(const char *from, const char *to, uint8_t protocol, unsigned int a, unsigned int b)
{
	packet_make(&p, from, to, protocol, a, b);
}

static void test_routed(void **state)
{
	(void)state;
	begin(LAN("") "," RED_ROUTES(""));
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, "10.20.0.10:1 > " REMOTE ":2");
	make(REMOTE, "10.20.0.10", IPPROTO_UDP, 2, 1);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(0, 0, RED_MAC, REMOTE ":2 > 10.20.0.10:1");
	make("10.20.0.10", "192.0.2.12", IPPROTO_TCP, 1, 2);
	send_as(0, 0, RED_MAC);
	expect_routed(2, 2, LAN_MAC, "10.20.0.10:1 > 192.0.2.12:2");
	make("192.0.2.12", "10.20.0.11", IPPROTO_TCP, 1, 2);
	send_as(2, 2, LAN_MAC);
	expect_routed(1, 1, RED_MAC, "192.0.2.12:1 > 10.20.0.11:2");
}

/* A neighbour that is not resolved, a TTL that is over, other protocols: untouched, to the host's end. */
static void test_to_kernel(void **state)
{
	static const char *const to[] = { "192.0.2.13", "224.0.0.9", REMOTE, REMOTE };

	(void)state;
	begin(LAN(NAT) "," RED_TRANSLATED(""));
	for (size_t i = 0; i < 4; i++) {
		struct packet_bytes sent;

		make("10.20.0.10", to[i], i == 3 ? IPPROTO_GRE : IPPROTO_UDP, 1, 2);
		if (i == 2)
			p.b[PACKET_L3 + 8] = 1;
		packet_sum(&p, false);
		send_as(0, 0, RED_MAC);
		sent = p;
		assert_true(came(RED_END));
		assert_memory_equal(p.b, sent.b, sent.size);
		expect_silence();
	}
	make(REMOTE, PUBLIC, IPPROTO_TCP, 1, 22);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	assert_string_equal(packet_text(&p), REMOTE ":1 > " PUBLIC ":22");
	expect_silence();
}

static void test_translated(void **state)
{
	char want[80];
	unsigned int port;

	(void)state;
	begin(LAN(NAT) "," RED_TRANSLATED(""));
	make("10.20.0.10", REMOTE, IPPROTO_TCP, 1000, 443);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	port = packet_get16(&p, 34);
	snprintf(want, sizeof(want), PUBLIC ":%u > " REMOTE ":443", port);
	assert_string_equal(packet_text(&p), want);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 443, port);
	p.b[34 + 13] = 0x12;
	packet_sum(&p, false);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(0, 0, RED_MAC, REMOTE ":443 > 10.20.0.10:1000");
	/* A flow goes on when the documents are said again. */
	fast_rig_apply(rig, "{'networks':{" LAN(NAT ",'mtu':1400") "}}");
	make(REMOTE, PUBLIC, IPPROTO_TCP, 443, port);
	p.b[34 + 13] = 0x10;
	packet_sum(&p, false);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(0, 0, RED_MAC, REMOTE ":443 > 10.20.0.10:1000");
	make(REMOTE, PUBLIC, IPPROTO_TCP, 443, port == 49999 ? 40000 : port + 1);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_silence();
	/* In by a forward, and its answer. */
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8080);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(1, 1, RED_MAC, REMOTE ":5000 > 10.20.0.11:80");
	make("10.20.0.11", REMOTE, IPPROTO_TCP, 80, 5000);
	p.b[34 + 13] = 0x12;
	packet_sum(&p, false);
	send_as(1, 1, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, PUBLIC ":8080 > " REMOTE ":5000");
}

/* Nothing passes as it is between who is translated and others, whatever is missing; and flows are not the kernel's. */
static void test_translated_or_kernels(void **state)
{
	unsigned int port;

	(void)state;
	begin(LAN("") "," RED_TRANSLATED(""));
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	assert_true(came(RED_END));
	expect_silence();
	make(REMOTE, "10.20.0.10", IPPROTO_UDP, 2, 1);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	expect_silence();
	fast_rig_apply(rig, "{'networks':{" LAN(NAT) "}}");
	make(REMOTE, "10.20.0.10", IPPROTO_UDP, 2, 1);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	port = packet_get16(&p, 34);
	/* The next router is looked for anew: what goes on waits, what is new is the kernel's. */
	fast_rig_apply(rig, "{'networks':{'red':{'mode':'nat','mac':'02:00:00:00:00:65','route':"
			    "{'prefixes':[{'to':'0.0.0.0/0'}]}}}}");
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	expect_silence();
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 3);
	send_as(0, 0, RED_MAC);
	assert_true(came(RED_END));
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	p.b[PACKET_L3 + 8] = 1;
	packet_sum(&p, false);
	send_as(0, 0, RED_MAC);
	assert_true(came(RED_END)); /* who asks how far it is, is answered */
	fast_rig_apply(rig, "{'networks':{" RED_TRANSLATED("") "}}");
	/* And so with the guest. */
	fast_rig_apply(rig,
		       "{'networks':{'lan':{'mode':'bridge','mac':'02:00:00:00:00:64','uplink':"
		       "{'link':'eth0','kind':'afpacket'},'route':{'prefixes':[]}" NAT "}}}");
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	expect_silence();
	fast_rig_apply(rig, "{'networks':{" LAN(NAT) "}}");
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	assert_int_equal(packet_get16(&p, 34), port);
}

static unsigned int nr_flows(void)
{
	return fast_net_find(rig->fast, "lan")->gateway->nat->stats.nr;
}

/* The firewall of the guests' network asks about their own addresses, in both directions. */
static void test_firewall(void **state)
{
	unsigned int port;

	(void)state;
	begin(LAN(NAT) "," RED_TRANSLATED(ONLY_443));
	make("10.20.0.10", REMOTE, IPPROTO_TCP, 1000, 80);
	send_as(0, 0, RED_MAC);
	assert_true(came(RED_END)); /* the kernel's to refuse */
	expect_silence();
	make("10.20.0.10", REMOTE, IPPROTO_TCP, 1000, 443);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	port = packet_get16(&p, 34);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 443, port);
	p.b[34 + 13] = 0x12;
	packet_sum(&p, false);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(0, 0, RED_MAC, NULL);
	/* A forward, but ingress is refused: the kernel's, too, as it came. */
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8080);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	assert_true(packet_is_right(&p, false));
	assert_string_equal(packet_text(&p), REMOTE ":5000 > " PUBLIC ":8080");
	expect_silence();
	assert_int_equal(nr_flows(), 1);
	make("10.20.0.10", "10.20.0.11", IPPROTO_TCP, 1, 2); /* by way of the gateway */
	send_as(0, 0, RED_MAC);
	assert_true(came(RED_END));
	expect_silence();
}

static unsigned int nr_connections(void)
{
	return fast_net_find(rig->fast, "red")->gateway->ct->stats.nr;
}

/* A rule for what a forward leads to lets nobody else in; whose way is not known, the kernel forwards. */
static void test_forwards(void **state)
{
	(void)state;
	begin(LAN(NAT) "," RED_TRANSLATED(ONLY_PORT(80)));
	make(REMOTE, "10.20.0.11", IPPROTO_TCP, 5000, 80);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	expect_silence();
	assert_int_equal(nr_connections(), 0);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8080);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(1, 1, RED_MAC, REMOTE ":5000 > 10.20.0.11:80");
	assert_int_equal(nr_connections(), 1);
	/* From the LAN's guest, and as one who is not there. */
	make("192.0.2.12", PUBLIC, IPPROTO_TCP, 5000, 8080);
	send_as(2, 2, LAN_MAC);
	expect_routed(1, 1, RED_MAC, "192.0.2.12:5000 > 10.20.0.11:80");
	make("10.20.0.10", PUBLIC, IPPROTO_TCP, 5000, 8080);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	assert_string_equal(packet_text(&p), "10.20.0.10:5000 > " PUBLIC ":8080");
	expect_silence();
	assert_int_equal(nr_flows(), 2);
	/* The guest is looked for anew: the connection waits, one that begins is the kernel's. */
	fast_rig_apply(rig,
		       "{'networks':{'lan':{'mode':'bridge','mac':'02:00:00:00:00:64','uplink':"
		       "{'link':'eth0','kind':'afpacket'},'route':{'prefixes':[]}" NAT "}}}");
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5000, 8080);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_silence();
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5001, 8080);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	assert_string_equal(packet_text(&p), REMOTE ":5001 > " PUBLIC ":8080");
	expect_silence();
	assert_int_equal(nr_flows(), 2);
	/* And what goes on with the kernel's, though the way is known by now. */
	fast_rig_apply(rig, "{'networks':{" LAN(NAT) "}}");
	make(REMOTE, PUBLIC, IPPROTO_TCP, 5001, 8080);
	p.b[34 + 13] = 0x10;
	packet_sum(&p, false);
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	expect_silence();
}

/* What is begun by the kernel is answered by it, and nobody sends as somebody who is elsewhere. */
static void test_both_ways_or_none(void **state)
{
	static const char *const sources[] = { "10.20.0.12", "192.0.2.12", "198.51.100.1" };

	(void)state;
	begin(LAN("") "," RED_ROUTES(""));
	for (size_t i = 0; i < 3; i++) {
		make(sources[i], REMOTE, IPPROTO_UDP, 1, 2);
		send_as(0, 0, RED_MAC);
		assert_true(came(RED_END));
		expect_silence();
	}
	make("10.20.0.11", "10.20.0.10", IPPROTO_UDP, 1, 2); /* guest 1 is no guest of lan's */
	send_as(UPLINK, ROUTER, LAN_MAC);
	assert_true(came(HOST));
	expect_silence();
}

/* Only routes change: nobody is taken off the switch for it, and connections stay. */
static void test_new_routes_alone(void **state)
{
	(void)state;
	begin(LAN("") "," RED_ROUTES(ONLY_443));
	make("10.20.0.10", REMOTE, IPPROTO_TCP, 1000, 443);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	fast_rig_apply(rig, "{'networks':{'red':{'mode':'route','mac':'02:00:00:00:00:65','route':"
			    "{'prefixes':[" BEYOND "]" ONLY_443 "}}}}");
	make(REMOTE, "10.20.0.10", IPPROTO_TCP, 443, 1000);
	p.b[34 + 13] = 0x12;
	packet_sum(&p, false);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(0, 0, RED_MAC, NULL);
	fast_rig_apply(rig, "{'networks':{'red':{'mode':'route','mac':'02:00:00:00:00:65'}}}");
	make("10.20.0.10", REMOTE, IPPROTO_TCP, 1000, 443);
	send_as(0, 0, RED_MAC);
	assert_true(came(RED_END));
	expect_silence();
}

/* What began before is known to the successor: from the same port, and past rules that let nobody in. */
static void test_handed_over(void **state)
{
	unsigned int port;

	(void)state;
	begin(LAN(NAT) "," RED_ROUTES(ONLY_443));
	make("10.20.0.10", REMOTE, IPPROTO_TCP, 1000, 443);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	port = packet_get16(&p, 34);
	assert_int_equal(fast_rig_hand_over(rig), 4);
	make(REMOTE, PUBLIC, IPPROTO_TCP, 443, port);
	p.b[34 + 13] = 0x12;
	packet_sum(&p, false);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(0, 0, RED_MAC, NULL);
	make("10.20.0.10", REMOTE, IPPROTO_TCP, 1000, 443);
	p.b[34 + 13] = 0x10;
	packet_sum(&p, false);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	assert_int_equal(packet_get16(&p, 34), port);
	/* Not of a guest that has gone meanwhile. */
	assert_int_equal(nr_flows(), 1);
	assert_int_equal(fast_net_find(rig->fast, "red")->gateway->ct->stats.nr, 1);
	rig->guests[0].has_left = true;
	fast_rig_hand_over(rig);
	assert_int_equal(nr_flows(), 0);
	assert_int_equal(fast_net_find(rig->fast, "red")->gateway->ct->stats.nr, 0);
}

/* What is of another version is passed over, what is no whole file as well; nothing of it is believed unseen. */
static void test_bad_legacies(void **state)
{
	struct {
		char magic[16], net[16];
		uint32_t kind, size, nr, zero;
	} head = { "vifrost switch ", "lan", 6, 64, 1, 0 };
	struct nat_flow flow = { 0 };
	static const struct {
		uint32_t kind, size, nr, until;
		char magic;
		uint16_t guest;
		uint8_t state;
		int is_taken;
	} cases[] = {
		{ 6, 64, 1, 60, '1', FAST_NAT_GUESTS, 0, 1 },
		{ 6, 64, 1, 60, '2', FAST_NAT_GUESTS, 0, 0 },
		{ 7, 64, 1, 60, '1', FAST_NAT_GUESTS, 0, 0 },
		{ 6, 32, 2, 60, '1', FAST_NAT_GUESTS, 0, 0 },
		{ 6, 64, 2, 60, '1', FAST_NAT_GUESTS, 0, 0 },
		{ 6, 64, 0xffffffff, 60, '1', FAST_NAT_GUESTS, 0, 0 },
		{ 6, 0, 0xffffffff, 60, '1', FAST_NAT_GUESTS, 0, 0 },
		{ 6, 64, 1, 0x7fffffff, '1', FAST_NAT_GUESTS, 0, 0 },
		{ 6, 64, 1, (uint32_t)-60, '1', FAST_NAT_GUESTS, 0, 0 },
		{ 6, 64, 1, 60, '1', 3000, 0, 0 },
		{ 6, 64, 1, 60, '1', 65535, 0, 0 },
		{ 6, 64, 1, 60, '1', FAST_NAT_GUESTS, 77, 0 },
		{ 3, 64, 1, 60, '1', FAST_NAT_GUESTS, 77, 0 },
		{ 2, 64, 1, 60, '1', FAST_NAT_GUESTS, 77, 0 },
	};

	(void)state;
	begin(LAN(NAT) "," RED_ROUTES(ONLY_443));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = memfd_create("test", MFD_CLOEXEC);

		head.magic[15] = cases[i].magic;
		head.kind = cases[i].kind;
		head.size = cases[i].size;
		head.nr = cases[i].nr;
		flow.until = (uint32_t)(clock_ns() >> CT_TICK_SHIFT) + cases[i].until;
		flow.guest = cases[i].guest;
		flow.state = cases[i].state;
		assert_int_equal(write(fd, &head, sizeof(head)), (ssize_t)sizeof(head));
		assert_int_equal(write(fd, &flow, sizeof(flow)), (ssize_t)sizeof(flow));
		fast_legacy_close(rig->fast->legacy);
		rig->fast->legacy = fast_legacy_open(fd);
		if (rig->fast->legacy)
			fast_legacy_ports(rig->fast->legacy, fast_net_find(rig->fast, "lan"));
		fast_resume(rig->fast);
		if (nr_flows() != (unsigned int)cases[i].is_taken)
			fail_msg("case %zu: %u flows", i, nr_flows());
		while (nr_flows())
			fast_nat_sweep(fast_net_find(rig->fast, "lan")->gateway->nat, 1,
				       clock_ns() + (UINT64_C(200) << CT_TICK_SHIFT));
	}
}

/* Who comes with the address of a guest that has gone does not go on with its flows. */
static void test_new_guest(void **state)
{
	static const char port[] = "{'ports':{'vif0.0':{'network':'red','mac':'02:00:00:00:00:00',"
				   "'guard':{'level':'strict','mac':'02:00:00:00:00:00',"
				   "'addrs':['10.20.0.10']}}}}";
	unsigned int number;

	(void)state;
	begin(LAN(NAT) "," RED_TRANSLATED(""));
	fast_rig_apply(rig, port);
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1000, 53);
	send_as(0, 0, RED_MAC);
	expect_routed(UPLINK, ROUTER, LAN_MAC, NULL);
	number = packet_get16(&p, 34);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, number);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_routed(0, 0, RED_MAC, NULL);
	fast_rig_apply(rig, "{'ports':{'vif0.0':null}}");
	fast_rig_apply(rig, port);
	make(REMOTE, PUBLIC, IPPROTO_UDP, 53, number);
	send_as(UPLINK, ROUTER, LAN_MAC);
	expect_silence();
}

/* A network that hops lead to goes: the kernel has them; it comes back: they are ours again. */
static void test_vanishes(void **state)
{
	(void)state;
	begin(LAN("") "," RED_ROUTES(""));
	fast_rig_apply(rig, "{'ports':{'vif2.0':null},'networks':{'lan':null}}");
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	assert_true(came(RED_END));
	fast_rig_apply(rig, "{'networks':{" LAN("") "}}");
	make("10.20.0.10", REMOTE, IPPROTO_UDP, 1, 2);
	send_as(0, 0, RED_MAC);
	assert_false(came(RED_END));
	assert_true(came(UPLINK));
}

static void test_bad_documents(void **state)
{
	static const struct {
		const char *doc, *says;
	} docs[] = {
		{ "'route':{}", "network x: route: \"prefixes\" has to be an array" },
		{ "'route':{'prefixes':[{'to':'10.0.0.0/8','via-mac':'02:00:00:00:00:01',"
		  "'mac':'02:00:00:00:00:01','network':''}]}",
		  "network x: route: there is no such network" },
		{ "'nat':{}", "network x: nat: \"pool\" has to be an array" },
	};
	char text[400], why[FAST_TEXT_MAX];

	(void)state;
	begin(LAN("") "," RED_ROUTES(""));
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		snprintf(text, sizeof(text), "{'networks':{'x':{'mode':'bridge',%s}}}",
			 docs[i].doc);
		assert_true(fast_rig_try(rig, text, why) < 0);
		assert_non_null(strstr(why, docs[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_routed, teardown),
		cmocka_unit_test_teardown(test_to_kernel, teardown),
		cmocka_unit_test_teardown(test_translated, teardown),
		cmocka_unit_test_teardown(test_translated_or_kernels, teardown),
		cmocka_unit_test_teardown(test_firewall, teardown),
		cmocka_unit_test_teardown(test_forwards, teardown),
		cmocka_unit_test_teardown(test_both_ways_or_none, teardown),
		cmocka_unit_test_teardown(test_new_routes_alone, teardown),
		cmocka_unit_test_teardown(test_handed_over, teardown),
		cmocka_unit_test_teardown(test_bad_legacies, teardown),
		cmocka_unit_test_teardown(test_new_guest, teardown),
		cmocka_unit_test_teardown(test_vanishes, teardown),
		cmocka_unit_test_teardown(test_bad_documents, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
