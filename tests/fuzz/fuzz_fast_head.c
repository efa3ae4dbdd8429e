/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames as a hostile guest may send them, one after the other: a byte that says between whom and by whose
 * guard, a byte of size, bytes. What must hold, besides what the sanitizers see: nothing is known that is not
 * there, and no more connections than there may be.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/fast/nat.h"
#include "vswitch/fast/route.h"
#include "vswitch/fast/rules.h"

#define HEAD	  128u
#define NR_GUARDS 4
#define NR_FLOWS  64u
#define SECOND	  UINT64_C(1000000000)
#define FULL_SIZE 1514u /* of a frame of which HEAD bytes are there */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fast_guard *guards[NR_GUARDS];
static struct fast_rules *rules[2];
static struct fast_routes *routes;
static json_t *nat_doc;

static int port_of(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return 0;
}

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static void compile_all(void)
{
	static const char *const guard_docs[NR_GUARDS] = {
		"{\"level\":\"strict\",\"mac\":\"00:16:3e:00:00:01\",\"addrs\":[\"10.1.0.11\",\"fd00::11\"]}",
		"{\"level\":\"strict\",\"mac\":\"00:16:3e:00:00:01\",\"addrs\":[\"::/0\"],\"apart\":true}",
		"{\"level\":\"mac\",\"mac\":\"00:16:3e:00:00:01\",\"trunk\":true}",
		"{\"level\":\"none\",\"to\":\"00:16:3e:00:00:01\",\"apart\":true,\"addrs\":[\"fd00::11\"]}",
	};
	static const char *const rule_docs[2] = {
		"{\"segment\":true,\"defaults\":{\"guest-to-guest\":true,\"guest-to-host\":false,"
		"\"ingress\":false,\"egress\":true},\"rules\":[],\"sets\":[]}",
		"{\"segment\":true,\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":false,"
		"\"ingress\":true,\"egress\":false},\"rules\":[{\"accept\":true,\"protocol\":17,"
		"\"ports\":[[1000,2000]]},{\"accept\":false,\"from\":0,\"host\":true}],"
		"\"sets\":[[\"10.0.0.0/8\",\"fd00::/8\",\"fd00::/64\"]]}",
	};
	static const char route_doc[] =
		"{\"prefixes\":[{\"to\":\"0.0.0.0/0\",\"network\":\"n\",\"mac\":\"02:00:00:00:00:01\","
		"\"via-mac\":\"02:00:00:00:00:02\"},{\"to\":\"fd00::/8\",\"network\":\"n\",\"mac\":"
		"\"02:00:00:00:00:01\",\"via-mac\":\"02:00:00:00:00:02\"}]}";
	char why[FAST_WHY_MAX];
	json_t *route = json_loads(route_doc, 0, NULL);

	nat_doc = json_loads(
		"{\"inside\":[\"10.0.0.0/8\"],\"pool\":[{\"address\":\"192.0.2.1\",\"ports\":"
		"[1000,1063],\"shared\":true}],\"forwards\":[{\"protocol\":17,\"address\":"
		"\"192.0.2.1\",\"ports\":[1,9],\"to\":\"10.1.0.11\",\"to-port\":2000}],"
		"\"flows\":32}",
		0, NULL);
	check(nat_doc && !fast_routes_compile(route, port_of, NULL, &routes, why));
	json_decref(route);

	for (size_t i = 0; i < NR_GUARDS; i++) {
		json_t *doc = json_loads(guard_docs[i], 0, NULL);

		check(!fast_guard_compile(doc, &guards[i], why));
		json_decref(doc);
	}
	for (size_t i = 0; i < 2; i++) {
		json_t *doc = json_loads(rule_docs[i], 0, NULL);

		check(!fast_rules_compile(doc, &rules[i], why));
		json_decref(doc);
	}
}

static void check_head(const struct fast_head *h)
{
	check(h->end <= h->have && h->have <= h->size && h->nr_tags <= FAST_HEAD_TAGS_MAX);
	if (h->version)
		check(h->l3 + (h->version == 4 ? 20u : 40u) <= h->have);
	if (h->flags & FAST_L4)
		check(h->flags & FAST_IP && !(h->flags & FAST_LATER) && h->l4 + 8u <= h->end);
	if (h->flags & FAST_ARP)
		check(h->l3 + 28u <= h->have);
}

/* Last, since the frame is another then. */
static void send_on(struct fast_nat *nat, struct fast_head *h, uint8_t how, uint64_t now)
{
	const struct fast_hop *hop;

	fast_nat_prefetch(nat, h);
	if (fast_nat_translate(nat, h, how & 1, how & 3, how & 64, now) == FAST_NAT_FORWARDED &&
	    how & 16)
		fast_nat_undo(nat, h, how & 64, now);
	check_head(h);
	hop = fast_route_find(routes, h, how & 32 ? 100 : 0);
	if (hop)
		fast_route_take(hop, h);
}

static void frame(struct fast_ct *ct, struct fast_nat *nat, uint8_t how, const uint8_t *data,
		  size_t size, uint64_t now)
{
	static const uint8_t to[] = { 1, 2, 4, 7, 3, 1, 1, 2 };
	struct fast_ends ends = { .from = (uint8_t)(1u << (how >> 2) % 3),
				  .to = to[how >> 4 & 7],
				  .guest = how & 3 };
	uint8_t *copy = malloc(size ? size : 1); /* just as large, so that nothing behind is read */
	struct fast_head h;
	struct fast_ct_stats s;
	unsigned int may;

	memcpy(copy, data, size);
	fast_head_parse(copy, (uint16_t)size, size < HEAD ? (uint32_t)size : FULL_SIZE, &h);
	check_head(&h);
	check(fast_guard_check(guards[how & 3], &h) < FAST_REASONS);
	check(fast_guard_check_to(guards[how & 3], &h) < FAST_REASONS);
	fast_ct_prefetch(ct, &h);
	may = fast_rules_check(rules[how >> 7], ct, &h, &ends, now);
	check(!(may & ~(unsigned int)ends.to));
	fast_ct_stats(ct, &s);
	check(s.nr <= NR_FLOWS);
	send_on(nat, &h, how, now);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fast_ct *ct = fast_ct_create(NR_FLOWS, 16, 0);
	struct fast_nat_stats n;
	struct fast_ct_stats s;
	struct fast_nat *nat;
	uint64_t now = SECOND;
	char why[FAST_WHY_MAX];

	if (!guards[0])
		compile_all();
	check(ct && !fast_nat_create(nat_doc, &nat, why));
	while (size > 2) {
		size_t nr = data[1] < size - 2 ? data[1] : size - 2;

		nr = nr < HEAD ? nr : HEAD;
		frame(ct, nat, data[0], data + 2, nr, now);
		now += SECOND * (nr % 8);
		data += 2 + nr;
		size -= 2 + nr;
	}
	fast_ct_sweep(ct, 4 * NR_FLOWS, now + 1000000 * SECOND);
	fast_ct_stats(ct, &s);
	check(!s.nr);
	fast_ct_destroy(ct);
	fast_nat_sweep(nat, 4 * NR_FLOWS, now + 1000000 * SECOND);
	fast_nat_stats(nat, &n);
	check(!n.nr);
	fast_nat_destroy(nat);
	return 0;
}
