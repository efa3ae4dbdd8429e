/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One rule as flows: each pairing of its ends and ports, or where those are many, a conjunction. */
#include "vswitch/ovs_rules_priv.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ovs_side_add(struct side *s, const char *fmt, ...)
{
	va_list args;

	if (!s->v)
		return;
	va_start(args, fmt);
	vsnprintf(s->v[s->nr++], MATCH_LEN, fmt, args);
	va_end(args);
}

void ovs_side_begin(struct side *s, size_t nr_max)
{
	*s = (struct side){ .v = calloc(nr_max + 1, MATCH_LEN) };
}

void ovs_side_end(struct side *s)
{
	free(s->v);
}

#define PORT_MASKS_MAX 32 /* of one range */

/* One range as values with masks: each the widest that begins where the last ended. */
static void add_range(struct side *s, const char *match, unsigned int first, unsigned int last)
{
	while (first <= last && last <= 0xffff) {
		unsigned int size = 1;

		while (!(first & size) && first + 2 * size - 1 <= last && size < 0x10000)
			size *= 2;
		if (size == 0x10000)
			ovs_side_add(s, "%s=0/0", match);
		else
			ovs_side_add(s, "%s=0x%x/0x%x", match, first, 0xffff & ~(size - 1));
		first += size;
	}
}

static int compare_ranges(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Without those that overlap, which would be the same flow twice. */
static void add_ports(struct side *s, const char *match, const json_t *ports)
{
	unsigned int v[VS_PORTS_MAX][2], nr = 0, next = 0;
	const json_t *range;
	size_t i;

	json_array_foreach (ports, i, range) {
		if (nr == VS_PORTS_MAX)
			break;
		v[nr][0] = (unsigned)json_integer_value(json_array_get(range, 0));
		v[nr++][1] = (unsigned)json_integer_value(json_array_get(range, 1));
	}
	qsort(v, nr, sizeof(v[0]), compare_ranges);
	for (i = 0; i < nr; i++) {
		add_range(s, match, v[i][0] > next ? v[i][0] : next, v[i][1]);
		if (v[i][1] >= next)
			next = v[i][1] + 1;
	}
}

/* Protocol and port. Return: false: no packet of that family has them. */
static bool side_of_ports(struct side *s, const json_t *rule, int family, bool is_answer)
{
	static const struct {
		int protocol;
		const char *match, *answer; /* NULL: none that could go on */
	} with_ports[] = {
		{ IPPROTO_TCP, "ct_state=+trk-inv,nw_proto=6,ct_nw_proto=6,ct_tp_dst",
		  "ct_state=+trk-inv,nw_proto=6,ct_nw_proto=6,ct_tp_src" },
		{ IPPROTO_UDP, "ct_state=+trk-inv,nw_proto=17,ct_nw_proto=17,ct_tp_dst", NULL },
		/* Which ports it has user space's conntrack does not say. */
		{ IPPROTO_SCTP, "nw_proto=132,sctp_dst", NULL },
	};
	int protocol = (int)json_integer_value(json_object_get(rule, "protocol"));
	const json_t *ports = json_object_get(rule, "ports");

	ovs_side_begin(s, 3 * (PORT_MASKS_MAX * json_array_size(ports) + 1) + 1);
	if (protocol == (family ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	if (is_answer && protocol && protocol != IPPROTO_TCP)
		return false;
	if (!ports) {
		if (protocol || is_answer)
			ovs_side_add(s, "nw_proto=%d", protocol ? protocol : IPPROTO_TCP);
		return true;
	}
	for (size_t i = 0; i < 3; i++) {
		const char *match = is_answer ? with_ports[i].answer : with_ports[i].match;

		if (!match || (protocol && protocol != with_ports[i].protocol))
			continue;
		add_ports(s, match, ports);
		if (!is_answer && json_is_true(json_object_get(rule, "accept")))
			ovs_side_add(s, "nw_proto=%d,nw_frag=later", with_ports[i].protocol);
	}
	return s->nr;
}

struct target {
	int table, priority;
	const char *actions;
};

static void add_product(struct gen *g, const struct target *t, int family,
			const struct side sides[3])
{
	size_t nr[3], all = 1;

	for (size_t i = 0; i < 3; i++) {
		nr[i] = sides[i].nr ? sides[i].nr : 1;
		all *= nr[i];
	}
	for (size_t n = 0; n < all; n++) {
		const size_t at[] = { n / (nr[1] * nr[2]), n / nr[2] % nr[1], n % nr[2] };
		char match[3][MATCH_LEN + 1] = { "", "", "" };

		for (size_t i = 0; i < 3; i++)
			if (sides[i].nr)
				snprintf(match[i], sizeof(match[i]), ",%s", sides[i].v[at[i]]);
		ovs_gen_add(g, "table=%d,priority=%d,%s%s%s%s,actions=%s", t->table, t->priority,
			    ovs_gen_families[family], match[0], match[1], match[2], t->actions);
	}
}

static void add_conjunction(struct gen *g, const struct target *t, int family,
			    const struct side sides[3], int nr_sides)
{
	unsigned int id = ++g->conjunctions;
	int n = 0;

	for (size_t i = 0; i < 3; i++) {
		n += sides[i].nr != 0;
		for (size_t k = 0; k < sides[i].nr; k++)
			ovs_gen_add(g, "table=%d,priority=%d,%s,%s,actions=conjunction(%u,%d/%d)",
				    t->table, t->priority, ovs_gen_families[family], sides[i].v[k],
				    id, n, nr_sides);
	}
	ovs_gen_add(g, "table=%d,priority=%d,%s,conj_id=%u,actions=%s", t->table, t->priority,
		    ovs_gen_families[family], id, t->actions);
}

static void add_family(struct gen *g, const struct target *t, const json_t *rule, int family,
		       bool is_answer)
{
	struct side sides[3] = { 0 };
	size_t product = 1, sum = 1;
	int nr_sides = 0;

	if (!ovs_side_of_ends(g, &sides[0], json_object_get(rule, "from"), family, !is_answer) ||
	    !ovs_side_of_ends(g, &sides[1], json_object_get(rule, "to"), family, is_answer) ||
	    !side_of_ports(&sides[2], rule, family, is_answer))
		goto out;
	for (size_t i = 0; i < 3; i++) {
		nr_sides += sides[i].nr != 0;
		sum += sides[i].nr;
		product *= sides[i].nr ? sides[i].nr : 1;
	}
	if (product <= sum)
		add_product(g, t, family, sides);
	else
		add_conjunction(g, t, family, sides, nr_sides);
out:
	for (size_t i = 0; i < 3; i++)
		ovs_side_end(&sides[i]);
}

void ovs_gen_rules(struct gen *g, int table, bool of_host, const char *accepted,
		   const char *refused, bool is_answer)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(g->spec, "rules"), i, rule) {
		const struct target t = { table, FIRST_PRIORITY - (int)i,
					  json_is_true(json_object_get(rule, "accept")) ? accepted
											: refused };

		if (json_is_true(json_object_get(rule, "host")) != of_host ||
		    i >= OVS_RULES_FLOWS_MAX)
			continue;
		for (int family = 0; family < 2; family++)
			add_family(g, &t, rule, family, is_answer);
	}
}
