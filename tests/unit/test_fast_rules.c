/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firewall of the switch in user space and its connections, what random packets do not reach
 * (fast_rules_oracle.sh has those): states, ends, limits, fragments, errors, rules that change.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "vswitch/fast/rules.h"

#define S    UINT64_C(1000000000)
#define LATE (1000 * S) /* of what is made at 0 the grace is over */
#define FIN  1
#define SYN  2
#define RST  4
#define ACK  16
#define G    FAST_TO_GUEST
#define U    FAST_TO_UPLINK
#define H    FAST_TO_HOST
#define A    "10.1.0.1"
#define B    "10.1.0.2"
#define LAN  "192.0.2.1"
#define DENIED                                                                                     \
	"\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":false,\"ingress\":false,\"egress\":false}"
#define OPEN                                                                                       \
	"\"defaults\":{\"guest-to-guest\":true,\"guest-to-host\":true,\"ingress\":true,\"egress\":true}"
#define SEGMENT "\"zone\":1,\"segment\":true,\"uplink\":true,\"local\":true,"

static struct fast_rules *rules;
static struct fast_ct *ct;
static uint64_t now;
static char why[FAST_WHY_MAX];
static uint8_t p[256];
static size_t size;

static int compile(const char *text)
{
	json_error_t error;
	json_t *doc = json_loads(text, 0, &error);
	struct fast_rules *made;
	int rc;

	assert_non_null(doc);
	rc = fast_rules_compile(doc, &made, why);
	json_decref(doc);
	if (!rc) {
		fast_rules_destroy(rules);
		rules = made;
	}
	return rc;
}

static void new_ct(uint32_t nr, uint32_t nr_guest)
{
	fast_ct_destroy(ct);
	ct = fast_ct_create(nr, nr_guest, 0);
	assert_non_null(ct);
	now = LATE;
}

static int setup(void **state)
{
	(void)state;
	new_ct(1024, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fast_rules_destroy(rules);
	fast_ct_destroy(ct);
	rules = NULL;
	ct = NULL;
	return 0;
}

/* ---- Frames ---- */

static void put16(size_t at, unsigned int v)
{
	p[at] = (uint8_t)(v >> 8);
	p[at + 1] = (uint8_t)v;
}

static size_t put_ip(size_t at, const char *from, const char *to, uint8_t protocol, size_t inside)
{
	if (strchr(from, ':')) {
		p[at] = 0x60;
		put16(at + 4, (unsigned int)inside);
		p[at + 6] = protocol;
		p[at + 7] = 64;
		assert_int_equal(inet_pton(AF_INET6, from, p + at + 8), 1);
		assert_int_equal(inet_pton(AF_INET6, to, p + at + 24), 1);
		return at + 40;
	}
	p[at] = 0x45;
	put16(at + 2, (unsigned int)(20 + inside));
	p[at + 8] = 64;
	p[at + 9] = protocol;
	assert_int_equal(inet_pton(AF_INET, from, p + at + 12), 1);
	assert_int_equal(inet_pton(AF_INET, to, p + at + 16), 1);
	return at + 20;
}

static size_t begin_frame(const char *from)
{
	memset(p, 0, sizeof(p));
	p[0] = p[6] = 2;
	put16(12, strchr(from, ':') ? 0x86dd : 0x0800);
	return 14;
}

/* @first, @second: ports; of ICMP type and number. */
static void make(const char *from, const char *to, uint8_t protocol, unsigned int first,
		 unsigned int second)
{
	size_t at = put_ip(begin_frame(from), from, to, protocol, 20);

	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		p[at] = (uint8_t)first;
		put16(at + 4, second);
	} else {
		put16(at, first);
		put16(at + 2, second);
	}
	size = at + 20;
}

static unsigned int ask_of(unsigned int from, unsigned int to, uint16_t guest)
{
	struct fast_ends ends = { .from = (uint8_t)from, .to = (uint8_t)to, .guest = guest };
	size_t have = size < 128 ? size : 128;
	uint8_t *copy = malloc(have);
	struct fast_head h;
	unsigned int may;

	memcpy(copy, p, have);
	fast_head_parse(copy, (uint16_t)have, (uint32_t)size, &h);
	fast_ct_prefetch(ct, &h);
	may = fast_rules_check(rules, ct, &h, &ends, now);
	free(copy);
	return may;
}

static unsigned int ask(unsigned int from, unsigned int to)
{
	return ask_of(from, to, 1);
}

static unsigned int udp(const char *from, const char *to, unsigned int sport, unsigned int dport,
			unsigned int who, unsigned int whom)
{
	make(from, to, IPPROTO_UDP, sport, dport);
	return ask(who, whom);
}

/* Between A, port 1000, and B, port 80, guests both. */
static unsigned int tcp(bool is_answer, unsigned int flags, uint32_t seq, uint32_t ack)
{
	size_t at = 34;

	if (is_answer)
		make(B, A, IPPROTO_TCP, 80, 1000);
	else
		make(A, B, IPPROTO_TCP, 1000, 80);
	put16(at + 4, seq >> 16);
	put16(at + 6, seq & 0xffff);
	put16(at + 8, ack >> 16);
	put16(at + 10, ack & 0xffff);
	p[at + 12] = 0x50;
	p[at + 13] = (uint8_t)flags;
	return ask(G, G);
}

static uint32_t nr_flows(void)
{
	struct fast_ct_stats s;

	fast_ct_stats(ct, &s);
	return s.nr;
}

/* How many are left when all that is over by now is taken out. */
static uint32_t left(void)
{
	fast_ct_sweep(ct, 1u << 16, now);
	return nr_flows();
}

#define ONLY_80                                                                                    \
	"{" SEGMENT DENIED                                                                         \
	",\"rules\":[{\"accept\":true,\"protocol\":6,\"ports\":[[80,80]]}],\"sets\":[]}"

/* ---- Connections ---- */

static void test_tcp(void **state)
{
	(void)state;
	assert_int_equal(compile(ONLY_80), 0);
	assert_int_equal(tcp(true, SYN | ACK, 1, 1), 0); /* an answer to nothing */
	assert_int_equal(tcp(true, ACK, 1, 1), 0);
	assert_int_equal(tcp(false, SYN | FIN, 1, 0), 0);
	assert_int_equal(tcp(false, 0, 1, 0), 0);
	assert_int_equal(tcp(false, RST, 1, 0), 0);
	assert_int_equal(nr_flows(), 0);
	assert_int_equal(tcp(false, SYN, 100, 0), G);
	assert_int_equal(tcp(true, SYN | ACK, 500, 101), G);
	assert_int_equal(tcp(false, ACK, 101, 501), G);
	assert_int_equal(tcp(true, ACK, 501, 101), G);
	assert_int_equal(tcp(false, SYN | FIN, 1, 0), 0);
	assert_int_equal(nr_flows(), 1);
	now += 400000 * S; /* idle for days */
	assert_int_equal(left(), 1);
	assert_int_equal(tcp(true, ACK, 501, 101), G);
	assert_int_equal(tcp(false, FIN | ACK, 101, 501), G);
	assert_int_equal(tcp(true, FIN | ACK, 501, 102), G);
	assert_int_equal(tcp(false, ACK, 102, 502), G);
	now += 100 * S;
	assert_int_equal(left(), 1);
	now += 25 * S;
	assert_int_equal(left(), 0);
	assert_int_equal(tcp(true, ACK, 501, 101), 0);
}

static void establish(void)
{
	assert_int_equal(tcp(false, SYN, 100, 0), G);
	assert_int_equal(tcp(true, SYN | ACK, 500, 101), G);
	assert_int_equal(tcp(false, ACK, 101, 501), G);
	assert_int_equal(tcp(true, ACK, 501, 101), G);
}

/* A reset ends it, one that does not know the number does not. */
static void test_reset(void **state)
{
	(void)state;
	assert_int_equal(compile(ONLY_80), 0);
	establish();
	assert_int_equal(tcp(true, RST, 7777, 0), G);
	now += 200 * S;
	assert_int_equal(tcp(true, ACK, 501, 101), G);
	now += 4000 * S;
	assert_int_equal(left(), 1);
	assert_int_equal(tcp(true, RST, 501, 0), G);
	now += 8 * S;
	assert_int_equal(tcp(true, ACK, 501, 101), G); /* does not prolong it */
	now += 8 * S;
	assert_int_equal(left(), 0);
	/* The same ports again, at once. */
	establish();
	assert_int_equal(tcp(false, RST | ACK, 101, 501), G);
	assert_int_equal(tcp(false, SYN, 900, 0), G);
	assert_int_equal(tcp(true, SYN | ACK, 1500, 901), G);
	assert_int_equal(nr_flows(), 1);
}

static void test_udp(void **state)
{
	(void)state;
	assert_int_equal(compile("{" SEGMENT DENIED ",\"rules\":[{\"accept\":true,\"protocol\":17,"
				 "\"ports\":[[53,53]]}],\"sets\":[]}"),
			 0);
	for (int v6 = 0; v6 < 2; v6++) {
		const char *a = v6 ? "2001:db8::1" : A, *b = v6 ? "2001:db8::2" : B;

		assert_int_equal(udp(b, a, 53, 900, U, G), 0);
		assert_int_equal(udp(a, b, 900, 54, G, U), 0);
		assert_int_equal(udp(a, b, 900, 53, G, U), U);
		assert_int_equal(udp(b, a, 53, 900, U, G), G);
		assert_int_equal(udp(b, a, 53, 901, U, G), 0);
		assert_int_equal(udp(b, a, 54, 900, U, G), 0);
		now += 100 * S;
		assert_int_equal(udp(b, a, 53, 900, U, G), G);
		now += 130 * S;
		assert_int_equal(udp(b, a, 53, 900, U, G), 0);
		assert_int_equal(left(), 0);
		assert_int_equal(udp(a, b, 900, 53, G, U), U);
		now += 35 * S; /* nobody has answered */
		assert_int_equal(left(), 0);
	}
}

static unsigned int echo(const char *from, const char *to, unsigned int type, unsigned int number,
			 unsigned int who, unsigned int whom)
{
	make(from, to, strchr(from, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP, type, number);
	return ask(who, whom);
}

static void test_echo(void **state)
{
	(void)state;
	assert_int_equal(
		compile("{" SEGMENT "\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":"
			"false,\"ingress\":false,\"egress\":true},\"rules\":[],\"sets\":[]}"),
		0);
	assert_int_equal(echo(LAN, A, 0, 7, U, G), 0);
	assert_int_equal(echo(A, LAN, 0, 7, G, U), 0); /* begins nothing */
	assert_int_equal(echo(A, LAN, 42, 7, G, U), 0);
	assert_int_equal(echo(A, LAN, 8, 7, G, U), U);
	assert_int_equal(echo(LAN, A, 0, 7, U, G), G);
	assert_int_equal(echo(LAN, A, 0, 8, U, G), 0);
	assert_int_equal(echo(LAN, A, 8, 7, U, G), 0); /* a question is no answer */
	assert_int_equal(echo("fd00::1", "fd00::2", 128, 7, G, U), U);
	assert_int_equal(echo("fd00::2", "fd00::1", 129, 7, U, G), G);
	assert_int_equal(echo("fd00::2", "fd00::1", 128, 7, U, G), 0);
}

/* An error from @from to @to that quotes a datagram. */
static unsigned int error(const char *from, const char *to, const char *quoted_from,
			  const char *quoted_to, unsigned int sport, unsigned int dport,
			  unsigned int who, unsigned int whom)
{
	bool is_v6 = strchr(from, ':');
	size_t at = put_ip(begin_frame(from), from, to, is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			   is_v6 ? 56 : 36);

	p[at] = is_v6 ? 1 : 3;
	at = put_ip(at + 8, quoted_from, quoted_to, IPPROTO_UDP, 8);
	put16(at, sport);
	put16(at + 2, dport);
	size = at + 8;
	return ask(who, whom);
}

static void test_errors(void **state)
{
	(void)state;
	assert_int_equal(
		compile("{" SEGMENT "\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":"
			"false,\"ingress\":false,\"egress\":true},\"rules\":[],\"sets\":[]}"),
		0);
	assert_int_equal(udp(A, LAN, 900, 53, G, U), U);
	assert_int_equal(error("192.0.2.254", A, A, LAN, 900, 53, U, G), G);
	assert_int_equal(error("192.0.2.254", A, A, LAN, 901, 53, U, G), 0);
	assert_int_equal(error("192.0.2.254", B, A, LAN, 900, 53, U, G),
			 0); /* not to who sent it */
	assert_int_equal(error("192.0.2.254", A, LAN, A, 53, 900, U, G), 0);
	assert_int_equal(udp("fd00::1", "fd00::2", 900, 53, G, U), U);
	assert_int_equal(error("fd00::99", "fd00::1", "fd00::1", "fd00::2", 900, 53, U, G), G);
	assert_int_equal(error("fd00::99", "fd00::1", "fd00::1", "fd00::2", 900, 54, U, G), 0);
	size -= 1; /* cut off within what it quotes */
	assert_int_equal(ask(U, G), 0);
}

/* ---- Rules that change ---- */

static void test_tightened(void **state)
{
	struct fast_ct_stats s;

	(void)state;
	assert_int_equal(compile(ONLY_80), 0);
	establish();
	assert_int_equal(compile("{" SEGMENT DENIED ",\"rules\":[],\"sets\":[]}"), 0);
	assert_int_equal(tcp(true, ACK, 501, 101), 0);
	assert_int_equal(tcp(false, ACK, 101, 501), 0);
	assert_int_equal(tcp(true, ACK, 501, 101), 0);
	fast_ct_stats(ct, &s);
	assert_int_equal(s.refused, 3);
	assert_int_equal(compile("{" SEGMENT DENIED ",\"rules\":[{\"accept\":true}],\"sets\":[]}"),
			 0);
	assert_int_equal(tcp(true, ACK, 501, 101), G);
	assert_int_equal(compile(ONLY_80), 0);
	assert_int_equal(tcp(false, ACK, 101, 501), G);
}

/* The table is new, connections are not: an answer passes where the rules would let them begin. */
static void test_grace(void **state)
{
	(void)state;
	assert_int_equal(compile(ONLY_80), 0);
	now = 10 * S;
	assert_int_equal(tcp(true, SYN | ACK, 1, 1), 0);
	assert_int_equal(tcp(true, RST | ACK, 1, 1), 0);
	assert_int_equal(tcp(true, ACK, 1, 1), G);
	assert_int_equal(tcp(false, ACK, 1, 1), G);
	new_ct(64, 0);
	now = 10 * S;
	assert_int_equal(udp(A, LAN, 900, 53, G, U), 0);
	assert_int_equal(compile("{" SEGMENT OPEN ",\"rules\":[{\"accept\":false,\"from\":[\"" B
				 "\"]}],"
				 "\"sets\":[]}"),
			 0);
	assert_int_equal(tcp(true, ACK, 1, 1), 0); /* other rules end it */
	new_ct(64, 0);
	assert_int_equal(tcp(true, ACK, 1, 1), 0); /* and so does time */
}

/* ---- Who may hear it ---- */

static void test_ways(void **state)
{
	const char *one =
		"{" SEGMENT "\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":false,"
		"\"ingress\":false,\"egress\":true},\"rules\":[{\"accept\":true,\"host\":true,"
		"\"protocol\":17,\"ports\":[[53,60]]}],\"sets\":[]}";

	(void)state;
	assert_int_equal(compile(one), 0);
	assert_int_equal(udp(A, B, 1, 2, G, G), 0);
	assert_int_equal(udp(A, B, 1, 2, G, U), U);
	assert_int_equal(udp(A, B, 1, 53, G, G), 0); /* the rule is for what is said to the host */
	assert_int_equal(udp(A, B, 1, 60, G, H), H);
	assert_int_equal(udp(A, B, 1, 61, G, H), 0);
	assert_int_equal(udp(LAN, A, 1, 53, U, G), 0);
	assert_int_equal(udp(LAN, A, 1, 53, U, H), H);
	assert_int_equal(udp(LAN, A, 3, 4, H, G), G);
	assert_int_equal(udp(A, LAN, 4, 3, G, H), H); /* its answer */
	assert_int_equal(udp(A, "10.1.0.255", 1, 2, G, FAST_TO_ALL), U);
	assert_int_equal(udp(A, "10.1.0.255", 1, 55, G, FAST_TO_ALL), U | H);
	assert_int_equal(udp(LAN, "10.1.0.255", 1, 2, U, G | H), H);
	assert_int_equal(udp(LAN, "10.1.0.255", 1, 2, H, G | U), G | U);
	put16(12, 0x88b5);
	assert_int_equal(ask(G, FAST_TO_ALL), U);
	assert_int_equal(ask(U, G), 0);
	put16(12, 0x0806);
	assert_int_equal(ask(U, G), G);
	assert_int_equal(udp(A, B, 68, 67, G, G), G);
	assert_int_equal(udp(A, B, 68, 66, G, G), 0);
	assert_int_equal(echo("fd00::1", "fd00::2", 135, 0, G, G), 0);
	p[14 + 7] = 255;
	assert_int_equal(ask(G, G), G);
	p[14] = 0x70; /* no IP at all */
	assert_int_equal(ask(G, U), 0);
	/* Behind the host, what is said to it is its own to look at. */
	assert_int_equal(compile("{\"segment\":false,\"uplink\":false,\"local\":true," DENIED
				 ",\"rules\":[],\"sets\":[]}"),
			 0);
	assert_int_equal(udp(A, B, 1, 2, G, H), H);
	assert_int_equal(udp(A, B, 1, 2, H, G), G);
	assert_int_equal(udp(A, B, 1, 2, G, G), 0);
}

static void test_fragments(void **state)
{
	(void)state;
	assert_int_equal(
		compile("{" SEGMENT "\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":"
			"false,\"ingress\":false,\"egress\":false},\"rules\":[{\"accept\":true,"
			"\"protocol\":17,\"ports\":[[53,53]],\"to\":[\"" LAN "\"]}],\"sets\":[]}"),
		0);
	assert_int_equal(udp(A, LAN, 900, 53, G, U), U);
	for (int i = 0; i < 2; i++) {
		make(LAN, A, IPPROTO_UDP, 53, 900);
		put16(18, 77); /* its number */
		put16(20, i ? 0x2000 : 100);
		assert_int_equal(ask(U, G), i ? G : 0);
	}
	put16(20, 100);
	assert_int_equal(ask(U, G), G); /* the first has come */
	put16(18, 78);
	assert_int_equal(ask(U, G), 0);
	put16(18, 77);
	assert_int_equal(ask(G, G), 0);
	now += 40 * S;
	assert_int_equal(ask(U, G), 0);
	/* Of ends of which some port may pass, before its first. */
	make(A, LAN, IPPROTO_UDP, 1, 2);
	put16(20, 100);
	assert_int_equal(ask(G, U), U);
	make(A, "192.0.2.2", IPPROTO_UDP, 1, 2);
	put16(20, 100);
	assert_int_equal(ask(G, U), 0);
	make(A, LAN, IPPROTO_TCP, 1, 2);
	put16(20, 100);
	assert_int_equal(ask(G, U), 0);
}

/* ---- Bounds ---- */

static bool is_b(const void *arg, uint8_t version, const uint8_t *address)
{
	(void)arg;
	return version == 4 && !memcmp(address, (const uint8_t[]){ 10, 1, 0, 2 }, 4);
}

static void test_limits(void **state)
{
	struct fast_ct_stats s;
	unsigned int passed = 0;

	(void)state;
	new_ct(1024, 100);
	assert_int_equal(compile("{" SEGMENT OPEN ",\"rules\":[],\"sets\":[]}"), 0);
	for (unsigned int i = 0; i < 100; i++) { /* answered, so none makes room for another */
		make(A, LAN, IPPROTO_UDP, 1000 + i, 53);
		assert_int_equal(ask_of(G, U, 1), U);
		make(LAN, A, IPPROTO_UDP, 53, 1000 + i);
		assert_int_equal(ask_of(U, G, 1), G);
	}
	for (unsigned int i = 0; i < 1000; i++) {
		make(A, LAN, IPPROTO_UDP, 2000 + i, 53);
		passed += ask_of(G, U, 1) != 0;
	}
	assert_int_equal(passed, 0);
	assert_int_equal(fast_ct_of_guest(ct, 1), 100);
	make(B, LAN, IPPROTO_UDP, 1, 53);
	assert_int_equal(ask_of(G, U, 2), U);
	fast_ct_stats(ct, &s);
	assert_int_equal(s.over_limit, 1000);
	assert_int_equal(s.nr, 101);
	/* Nobody's answers: newer ones take the place of some. */
	for (unsigned int i = 0; i < 50000; i++) {
		make("10.2.0.1", LAN, IPPROTO_UDP, i, 53);
		ask_of(G, U, 3);
		assert_true(fast_ct_of_guest(ct, 3) <= 100);
	}
	fast_ct_stats(ct, &s);
	assert_true(s.made_room > 0);
	assert_int_equal(fast_ct_of_guest(ct, 2), 1);
	/* Many guests fill the table, and no more than that. */
	for (unsigned int i = 0; i < 4000; i++) {
		make("10.3.0.1", LAN, IPPROTO_UDP, i, 53);
		ask_of(G, U, (uint16_t)(10 + i / 50));
	}
	fast_ct_stats(ct, &s);
	assert_true(s.nr <= 1024);
	assert_true(s.full > 0);
	assert_int_equal(fast_ct_end_guest(ct, 1), 100);
	assert_int_equal(fast_ct_of_guest(ct, 1), 0);
	make(B, LAN, IPPROTO_UDP, 1, 53);
	assert_int_equal(ask_of(G, U, 2), U);
	assert_int_equal(fast_ct_end_if(ct, is_b, NULL), 1);
	assert_int_equal(fast_ct_of_guest(ct, 2), 0);
	now += 1000 * S;
	assert_int_equal(left(), 0);
	assert_true(fast_ct_memory(ct) < 512 * 1024);
}

/* Begun, ended and looked up in any order: what is there is found, what is not is not. */
static void test_table(void **state)
{
	static uint64_t until[4096];
	unsigned int seed = 1;

	(void)state;
	new_ct(4096, 4096);
	assert_int_equal(
		compile("{" SEGMENT "\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":"
			"false,\"ingress\":false,\"egress\":true},\"rules\":[],\"sets\":[]}"),
		0);
	memset(until, 0, sizeof(until));
	for (int n = 0; n < 200000; n++) {
		unsigned int i = (unsigned int)rand_r(&seed) % 4096;

		now += S / 100;
		if (rand_r(&seed) % 3) {
			assert_int_equal(udp(A, LAN, 1000 + i, 53, G, U), U);
			/* Ticks are longer than a second, and unanswered ones live 30. */
			until[i] = until[i] > now + 30 * S ? until[i] : now + 30 * S;
		} else {
			unsigned int found = udp(LAN, A, 53, 1000 + i, U, G);

			if (until[i] > now)
				assert_int_equal(found, G);
			else if (until[i] + 100 * S < now)
				assert_int_equal(found, 0);
			if (found)
				until[i] = now + 30 * S;
		}
		fast_ct_sweep(ct, 8, now);
	}
	assert_true(nr_flows() > 100);
	now += 1000 * S;
	assert_int_equal(left(), 0);
}

/* ---- Sets ---- */

static bool is_in(uint32_t a, uint32_t net, unsigned int len)
{
	return !len || !((a ^ net) >> (32 - len));
}

/* Thousands of prefixes that overlap, against a walk through all. */
static void test_large_sets(void **state)
{
	enum { NR = 3000 };
	static struct {
		uint32_t net;
		unsigned int len, set;
	} v[NR];
	json_t *sets = json_pack("[[],[]]"), *doc;
	char text[64];
	unsigned int seed = 7, passed = 0;

	(void)state;
	for (size_t i = 0; i < NR; i++) {
		v[i].len = 16 + (unsigned int)rand_r(&seed) % 17;
		v[i].set = (unsigned int)rand_r(&seed) % 2;
		v[i].net = (uint32_t)rand_r(&seed) << 8 ^ (uint32_t)rand_r(&seed);
		v[i].net = (v[i].net & 0x0fffffff) >> (32 - v[i].len) << (32 - v[i].len);
		snprintf(text, sizeof(text), "%u.%u.%u.%u/%u", v[i].net >> 24, v[i].net >> 16 & 255,
			 v[i].net >> 8 & 255, v[i].net & 255, v[i].len);
		json_array_append_new(json_array_get(sets, v[i].set), json_string(text));
	}
	doc = json_pack("{s:b,s:{s:b,s:b,s:b,s:b},s:[{s:b,s:i},{s:b,s:i}],s:o}", "segment", 1,
			"defaults", "guest-to-guest", 0, "guest-to-host", 0, "ingress", 0, "egress",
			0, "rules", "accept", 0, "from", 1, "accept", 1, "from", 0, "sets", sets);
	assert_non_null(doc);
	assert_int_equal(fast_rules_compile(doc, &rules, why), 0);
	json_decref(doc);
	for (int n = 0; n < 20000; n++) {
		uint32_t a = v[rand_r(&seed) % NR].net ^ (uint32_t)rand_r(&seed) % 1024;
		bool in[2] = { false, false };

		for (size_t i = 0; i < NR; i++)
			in[v[i].set] |= is_in(a, v[i].net, v[i].len);
		snprintf(text, sizeof(text), "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
			 a & 255);
		assert_int_equal(udp(text, LAN, 1, 2, G, G | U), !in[1] && in[0] ? G | U : 0);
		passed += !in[1] && in[0];
	}
	assert_true(passed > 100);
}

/* Edges of the address space, and of ports. */
static void test_edges(void **state)
{
	(void)state;
	assert_int_equal(
		compile("{" SEGMENT DENIED ",\"rules\":["
			"{\"accept\":true,\"from\":[\"255.255.255.255\",\"::/0\"],"
			"\"ports\":[[0,0],[65535,65535]]},"
			"{\"accept\":true,\"from\":0,\"protocol\":58},"
			"{\"accept\":true,\"to\":[\"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\"]}],"
			"\"sets\":[[\"0.0.0.0/0\",\"fd00::/8\",\"fd00::/64\"]]}"),
		0);
	assert_int_equal(udp("255.255.255.255", LAN, 1, 0, G, G | U), G | U);
	assert_int_equal(udp("255.255.255.255", LAN, 1, 65535, G, G | U), G | U);
	assert_int_equal(udp("255.255.255.255", LAN, 1, 65534, G, G | U), 0);
	assert_int_equal(udp("255.255.255.254", LAN, 1, 0, G, G | U), 0);
	assert_int_equal(udp("::", "fd00::1", 1, 0, G, G | U), G | U);
	assert_int_equal(udp("fd00::1", "fd00::1", 1, 1, G, G | U), 0);
	assert_int_equal(echo("fd01::1", "fd00::1", 128, 1, G, G | U), G | U);
	assert_int_equal(echo("fe01::1", "fd00::1", 128, 1, G, G | U), 0);
	assert_int_equal(echo(A, B, 8, 1, G, G | U), 0);
	make(A, B, 58, 0, 0); /* ICMPv6 in IPv4 is not what is meant */
	assert_int_equal(ask(G, G | U), 0);
	assert_int_equal(udp("fd00::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, 1, G, G | U),
			 G | U);
}

static void test_bad_documents(void **state)
{
	static const char *const docs[] = {
		"[]",
		"{}",
		"{" OPEN ",\"rules\":[{}]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"protocol\":256}]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"from\":0}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"from\":-1}],\"sets\":[[]]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"from\":\"any\"}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"to\":[\"10.0.0.0/40\"]}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"to\":[1]}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"ports\":[[2,1]]}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"ports\":[[1,65536]]}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"ports\":[80]}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[{\"accept\":true,\"ports\":80}],\"sets\":[]}",
		"{" OPEN ",\"rules\":[],\"sets\":[7]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		why[0] = '\0';
		if (compile(docs[i]) != -EINVAL)
			print_message("%s\n", docs[i]);
		assert_int_equal(compile(docs[i]), -EINVAL);
		assert_non_null(strstr(why, "firewall: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tightened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_documents, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
