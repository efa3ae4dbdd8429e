/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs the switch in user space to know whether a frame passes, and to route and translate it: cycles
 * a frame of 64 bytes, with one connection and with 10,000 in random order, without rings and copies. Each step has the ones before it,
 * in bursts of 32 whose lines are called for first. The least and the median of many short windows: others may
 * be at work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "vswitch/fast/nat.h"
#include "vswitch/fast/route.h"
#include "vswitch/fast/rules.h"

#define BURST	32u
#define WINDOWS 2000u
#define SIZE	60u
#define HEAD	128u
#define NOW	UINT64_C(1000000000000)

enum step { PARSE, GUARD, RULES, NAT, ROUTE, NR_STEPS };

static const char *const names[NR_STEPS] = { "headers read", "and guarded (strict)", "and firewall",
					     "and translated", "and routed" };

static struct fast_guard *guard;
static struct fast_rules *rules;
static struct fast_ct *ct;
static struct fast_nat *nat;
static struct fast_routes *routes;
static uint8_t frames[BURST][HEAD];
static struct fast_head heads[BURST];
static unsigned int passed;

static inline uint64_t cycles(void)
{
	return __builtin_ia32_rdtsc();
}

static int port_of(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return 0;
}

static json_t *load(const char *text)
{
	json_t *doc = json_loads(text, 0, NULL);

	if (!doc)
		abort();
	return doc;
}

static void must(int rc, const char *why)
{
	if (!rc)
		return;
	fprintf(stderr, "bench-fast-gate: %s\n", why);
	exit(1);
}

static void set_up(void)
{
	char why[FAST_WHY_MAX] = "";
	json_t *doc;

	doc = load(
		"{\"level\":\"strict\",\"mac\":\"00:16:3e:00:00:01\",\"addrs\":[\"10.20.0.0/24\","
		"\"fd00::11\"]}");
	must(fast_guard_compile(doc, &guard, why), why);
	json_decref(doc);
	doc = load(
		"{\"segment\":false,\"defaults\":{\"guest-to-guest\":false,\"guest-to-host\":false,"
		"\"ingress\":false,\"egress\":false},\"rules\":[{\"accept\":true,\"from\":"
		"[\"10.20.0.0/24\"],\"protocol\":17}],\"sets\":[]}");
	must(fast_rules_compile(doc, &rules, why), why);
	json_decref(doc);
	doc = load("{\"inside\":[\"10.20.0.0/24\"],\"pool\":[{\"address\":\"192.0.2.1\",\"ports\":"
		   "[20000,59999],\"shared\":true}],\"flows-per-guest\":20000}");
	must(fast_nat_create(doc, &nat, why), why);
	json_decref(doc);
	doc = load(
		"{\"prefixes\":[{\"to\":\"0.0.0.0/0\",\"network\":\"lan\",\"mac\":\"02:00:00:00:00:01\","
		"\"via-mac\":\"02:00:00:00:00:02\"},{\"to\":\"192.0.2.0/24\"}]}");
	must(fast_routes_compile(doc, port_of, NULL, &routes, why), why);
	json_decref(doc);
	ct = fast_ct_create(0, 20000, 0);
	must(!ct, "out of memory");
}

/* Of flow @flow: a guest's address and port. */
static void make(uint8_t *p, unsigned int flow)
{
	static const uint8_t head[42] = { 2,  0,  0, 0,	   0,  1,  0,  0x16, 0x3e, 0, 0,
					  1,  8,  0, 0x45, 0,  0,  46, 0,    0,	   0, 0,
					  64, 17, 0, 0,	   10, 20, 0,  0,    203,  0, 113,
					  7,  0,  0, 0,	   53, 0,  26, 0x12, 0x34 };

	memcpy(p, head, sizeof(head));
	p[29] = (uint8_t)(1 + flow % 100);
	p[34] = (uint8_t)(4 + (flow / 100 >> 8));
	p[35] = (uint8_t)(flow / 100);
}

static void gate(enum step last)
{
	static const struct fast_ends ends = { FAST_TO_GUEST, FAST_TO_UPLINK, 1 };

	for (unsigned int i = 0; i < BURST; i++) {
		fast_head_parse(frames[i], SIZE, SIZE, &heads[i]);
		if (last >= RULES)
			fast_ct_prefetch(ct, &heads[i]);
		if (last >= NAT)
			fast_nat_prefetch(nat, &heads[i]);
	}
	for (unsigned int i = 0; i < BURST; i++) {
		struct fast_head *h = &heads[i];
		const struct fast_hop *hop;

		if (last >= GUARD && fast_guard_check(guard, h) >= 0)
			continue;
		if (last >= RULES && !fast_rules_check(rules, ct, h, &ends, NOW))
			continue;
		if (last >= NAT &&
		    fast_nat_translate(nat, h, true, 1, false, NOW) != FAST_NAT_TRANSLATED)
			continue;
		hop = last >= ROUTE ? fast_route_find(routes, h, 0) : NULL;
		if (hop)
			fast_route_take(hop, h);
		passed += last < ROUTE || hop;
	}
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(enum step last, unsigned int nr_flows)
{
	static double v[WINDOWS];
	unsigned int seed = 1, all;

	/* All flows are there before anything counts. */
	for (unsigned int flow = 0; flow < nr_flows; flow += BURST) {
		for (unsigned int i = 0; i < BURST; i++)
			make(frames[i], (flow + i) % nr_flows);
		gate(last);
	}
	passed = all = 0;
	for (unsigned int w = 0; w < WINDOWS; w++) {
		uint64_t began;

		for (unsigned int i = 0; i < BURST; i++)
			make(frames[i], (unsigned int)rand_r(&seed) % nr_flows);
		began = cycles();
		gate(last);
		v[w] = (double)(cycles() - began) / BURST;
		all += BURST;
	}
	must(passed != all, "frames that did not pass");
	qsort(v, WINDOWS, sizeof(v[0]), compare);
	printf("%-24s %6u flows: %6.1f cycles at least, %6.1f in the middle\n", names[last],
	       nr_flows, v[0], v[WINDOWS / 2]);
}

int main(void)
{
	static const unsigned int flows[] = { 1, 10000 };

	set_up();
	for (size_t k = 0; k < 2; k++)
		for (int step = PARSE; step < NR_STEPS; step++)
			measure((enum step)step, flows[k]);
	fast_nat_destroy(nat);
	fast_routes_destroy(routes);
	fast_ct_destroy(ct);
	fast_rules_destroy(rules);
	fast_guard_destroy(guard);
	return 0;
}
