/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/nat_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

struct nat_rig nat_rig;

int nat_rig_create(const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(doc);
	fast_nat_destroy(nat_rig.nat);
	nat_rig.now = 1000 * S;
	rc = fast_nat_create(doc, &nat_rig.nat, nat_rig.why);
	json_decref(doc);
	return rc;
}

void nat_rig_change(const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);
	struct fast_nat *new;

	assert_non_null(doc);
	assert_int_equal(fast_nat_create(doc, &new, nat_rig.why), 0);
	nat_rig.nat = fast_nat_replace(nat_rig.nat, new);
	json_decref(doc);
}

int nat_rig_setup(void **state)
{
	(void)state;
	return nat_rig_create(DOC(FORWARDS));
}

int nat_rig_teardown(void **state)
{
	(void)state;
	fast_nat_destroy(nat_rig.nat);
	nat_rig.nat = NULL;
	return 0;
}

/* In memory of just the size that the switch gives. */
enum fast_nat_verdict nat_rig_translate_as(int from, uint16_t guest, bool is_blank)
{
	size_t have = nat_rig.p.size < 128 ? nat_rig.p.size : 128;
	uint8_t *copy = malloc(have);
	enum fast_nat_verdict verdict;
	struct fast_head h;

	memcpy(copy, nat_rig.p.b, have);
	fast_head_parse(copy, (uint16_t)have, (uint32_t)nat_rig.p.size, &h);
	fast_nat_prefetch(nat_rig.nat, &h);
	verdict = fast_nat_translate(nat_rig.nat, &h, from == OUT, guest, is_blank, nat_rig.now);
	nat_rig.is_forwarded = verdict == FAST_NAT_FORWARDED;
	if (nat_rig.is_forwarded)
		verdict = FAST_NAT_TRANSLATED;
	if (verdict != FAST_NAT_TRANSLATED)
		assert_memory_equal(copy, nat_rig.p.b, have);
	else if (h.protocol != IPPROTO_ICMP)
		assert_true(h.from == fast_get16(copy + h.l4) &&
			    h.to == fast_get16(copy + h.l4 + 2));
	memcpy(nat_rig.p.b, copy, have);
	free(copy);
	assert_true(packet_is_right(&nat_rig.p, is_blank));
	return verdict;
}

enum fast_nat_verdict nat_rig_translate(int from)
{
	return nat_rig_translate_as(from, 1, false);
}

void nat_rig_expect(int from, const char *want)
{
	assert_int_equal(nat_rig_translate(from), FAST_NAT_TRANSLATED);
	assert_string_equal(packet_text(&nat_rig.p), want);
}

void nat_rig_make(const char *from, const char *to, uint8_t protocol, unsigned int a,
		  unsigned int b)
{
	packet_make(&nat_rig.p, from, to, protocol, a, b);
}

struct fast_nat_stats nat_rig_stats(void)
{
	struct fast_nat_stats s;

	fast_nat_stats(nat_rig.nat, &s);
	return s;
}

unsigned int nat_rig_go_out(uint8_t protocol, unsigned int port, const char *to,
			    unsigned int to_port)
{
	nat_rig_make(A, to, protocol, port, to_port);
	assert_int_equal(nat_rig_translate(OUT), FAST_NAT_TRANSLATED);
	nat_rig.first = nat_rig.p;
	return packet_get16(&nat_rig.p, L4);
}
