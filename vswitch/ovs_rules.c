/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firewall's flows. The tables behind a port's guard:
 *
 *	6, 7, 8	from a guest, the uplink, the host or a patch cable: what no segment can do without passes
 *	9	whose it is: by port, the MACs of vifs
 *	10	IP is tracked; other frames have no connections
 *	11	what the connection is: allowed, refused, answered, invalid, new
 *	12, 13	the policy's rules, then its defaults; 13: of what guests say to the host
 *	14, 15	accepted, refused
 *	16	for a while after the first time: refused, but the answer of a connection that was there before?
 *	18	out by the uplink alone
 *
 * What was allowed once passes by its connection's mark, a hash of all that is specified: with other rules
 * every connection is looked at again at its next packet in the direction that it began in, and goes on or is
 * marked as refused in both, as rules_policy.c has it. Only connections that are there are marked as refused,
 * so that nobody fills the table with what is not allowed.
 *
 * Of a datagram that comes in fragments ct() has them all before any passes. The kernel's then is whole again;
 * in user space the others are not known by ports, and pass where a rule lets any port of those ends pass:
 * without the first, which is, nobody can read them.
 */
#include "vswitch/ovs_rules.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_LEN       320
#define MATCH_LEN      96
#define FIRST_PRIORITY 65000
#define MULTICAST      "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
#define UNTAGGED       "vlan_tci=0x0000/0x1fff"

enum table {
	TABLE_IP = 10,
	TABLE_STATE,
	TABLE_RULES,
	TABLE_HOST_RULES,
	TABLE_ACCEPTED,
	TABLE_REFUSED,
	TABLE_ANSWERS,
};

/* reg0: between whom. */
enum way {
	WAY_GUEST = 1, /* guest to guest */
	WAY_HOST,      /* guest to host */
	WAY_SPREAD,    /* guest to everyone: broadcasts */
	WAY_OUT,       /* guest to elsewhere, by the uplink */
	WAY_IN,	       /* from the uplink to a guest */
	WAY_IN_SPREAD, /* from the uplink to everyone */
	WAY_FROM_HOST, /* nobody looks at it */
	WAY_NOT_OURS,  /* from the uplink to the host; from a switch that hands over */
	WAY_NR,
};

enum verdict { PASS, REFUSE, PASS_OUT, PASS_HOST };

struct gen {
	const json_t *spec;
	json_t *flows; /* NULL: they are counted only */
	size_t nr;
	int timeout; /* seconds; 0: they stay */
	unsigned int zone, conjunctions;
	uint32_t mark; /* of connections that passed; with bit 0 set, that were refused */
	bool is_segment, has_uplink, has_local;
};

static void add(struct gen *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct gen *g, const char *fmt, ...)
{
	char text[FLOW_LEN];
	size_t len = 0;
	va_list args;

	g->nr++;
	if (!g->flows)
		return;
	if (g->timeout)
		len = (size_t)snprintf(text, sizeof(text), "hard_timeout=%d,", g->timeout);
	va_start(args, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, args);
	va_end(args);
	json_array_append_new(g->flows, json_string(text));
}

static const char *const families[] = { "ip", "ipv6" };

/* Actions on connections want a family each. */
static void add_both(struct gen *g, int table, int priority, const char *match, const char *actions)
{
	for (size_t i = 0; i < 2; i++)
		add(g, "table=%d,priority=%d,%s%s%s,actions=%s", table, priority, families[i],
		    *match ? "," : "", match, actions);
}

static bool flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static bool accepts(const struct gen *g, const char *key)
{
	return flag(json_object_get(g->spec, "defaults"), key);
}

static uint32_t hash_spec(const json_t *spec)
{
	char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS);
	uint32_t hash = 2166136261u;

	for (const char *c = text; c && *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	free(text);
	hash &= ~1u;
	return hash ? hash : 2;
}

static void gen_begin(struct gen *g, const json_t *spec, json_t *flows)
{
	*g = (struct gen){ .spec = spec,
			   .flows = flows,
			   .zone = (unsigned)json_integer_value(json_object_get(spec, "zone")),
			   .mark = hash_spec(spec),
			   .is_segment = flag(spec, "segment"),
			   .has_uplink = flag(spec, "uplink"),
			   .has_local = flag(spec, "local") };
}

/* ---- One rule ---- */

/* What of one field is matched: each entry a match of its own; none: all of it. */
struct side {
	char (*v)[MATCH_LEN];
	size_t nr;
};

static void side_add(struct side *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void side_add(struct side *s, const char *fmt, ...)
{
	va_list args;

	if (!s->v)
		return;
	va_start(args, fmt);
	vsnprintf(s->v[s->nr++], MATCH_LEN, fmt, args);
	va_end(args);
}

static void side_begin(struct side *s, size_t nr_max)
{
	*s = (struct side){ .v = calloc(nr_max + 1, MATCH_LEN) };
}

static void side_end(struct side *s)
{
	free(s->v);
}

/* Of one family. Return: false: nobody of it is meant. */
static bool side_of_ends(struct side *s, const json_t *list, int family, bool is_source)
{
	static const char *const fields[2][2] = { { "nw_dst", "nw_src" },
						  { "ipv6_dst", "ipv6_src" } };
	const json_t *item;
	size_t i;

	side_begin(s, json_array_size(list));
	if (!list)
		return true;
	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item), *slash;

		if (!text || (strchr(text, ':') != NULL) != family)
			continue;
		slash = strchr(text, '/');
		/* Which covers all others. */
		if (slash && !strcmp(slash, "/0")) {
			s->nr = 0;
			return true;
		}
		side_add(s, "%s=%s", fields[family][is_source], text);
	}
	return s->nr;
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
			side_add(s, "%s=0/0", match);
		else
			side_add(s, "%s=0x%x/0x%x", match, first, 0xffff & ~(size - 1));
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

	side_begin(s, 3 * (PORT_MASKS_MAX * json_array_size(ports) + 1) + 1);
	if (protocol == (family ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	if (is_answer && protocol && protocol != IPPROTO_TCP)
		return false;
	if (!ports) {
		if (protocol || is_answer)
			side_add(s, "nw_proto=%d", protocol ? protocol : IPPROTO_TCP);
		return true;
	}
	for (size_t i = 0; i < 3; i++) {
		const char *match = is_answer ? with_ports[i].answer : with_ports[i].match;

		if (!match || (protocol && protocol != with_ports[i].protocol))
			continue;
		add_ports(s, match, ports);
		if (!is_answer && flag(rule, "accept"))
			side_add(s, "nw_proto=%d,nw_frag=later", with_ports[i].protocol);
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
		add(g, "table=%d,priority=%d,%s%s%s%s,actions=%s", t->table, t->priority,
		    families[family], match[0], match[1], match[2], t->actions);
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
			add(g, "table=%d,priority=%d,%s,%s,actions=conjunction(%u,%d/%d)", t->table,
			    t->priority, families[family], sides[i].v[k], id, n, nr_sides);
	}
	add(g, "table=%d,priority=%d,%s,conj_id=%u,actions=%s", t->table, t->priority,
	    families[family], id, t->actions);
}

static void add_family(struct gen *g, const struct target *t, const json_t *rule, int family,
		       bool is_answer)
{
	struct side sides[3] = { 0 };
	size_t product = 1, sum = 1;
	int nr_sides = 0;

	if (!side_of_ends(&sides[0], json_object_get(rule, "from"), family, !is_answer) ||
	    !side_of_ends(&sides[1], json_object_get(rule, "to"), family, is_answer) ||
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
		side_end(&sides[i]);
}

/* In the order of the file, each at a priority of its own. */
static void add_rules(struct gen *g, int table, bool of_host, const char *accepted,
		      const char *refused, bool is_answer)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (json_object_get(g->spec, "rules"), i, rule) {
		const struct target t = { table, FIRST_PRIORITY - (int)i,
					  flag(rule, "accept") ? accepted : refused };

		if (flag(rule, "host") != of_host || i >= OVS_RULES_FLOWS_MAX)
			continue;
		for (int family = 0; family < 2; family++)
			add_family(g, &t, rule, family, is_answer);
	}
}

/* ---- Defaults ---- */

/* What is not addressed to one passes where all may have it. */
static enum verdict spread_default(const struct gen *g)
{
	bool guests = accepts(g, "guest-to-guest");
	bool host = !g->is_segment || accepts(g, "guest-to-host");
	bool out = !g->has_uplink || accepts(g, "egress");

	if (guests && host && out)
		return PASS;
	if (g->has_uplink && out)
		return PASS_OUT;
	return host ? PASS_HOST : REFUSE;
}

static enum verdict default_of(const struct gen *g, enum way way)
{
	static const char *const keys[WAY_NR] = { [WAY_GUEST] = "guest-to-guest",
						  [WAY_HOST] = "guest-to-host",
						  [WAY_OUT] = "egress",
						  [WAY_IN] = "ingress",
						  [WAY_IN_SPREAD] = "ingress" };

	if (way == WAY_SPREAD)
		return spread_default(g);
	return !keys[way] || accepts(g, keys[way]) ? PASS : REFUSE;
}

/* Refused, a broadcast is the host's nonetheless: that is not what is refused. */
static bool is_hosts_too(const struct gen *g, enum way way)
{
	return g->has_local && (way == WAY_IN_SPREAD || (way == WAY_SPREAD && !g->is_segment));
}

/* Frames that nothing is known of but who they are for. */
static enum verdict other_verdict(const struct gen *g, enum way way)
{
	const json_t *rule;
	size_t i;

	if (way == WAY_FROM_HOST || way == WAY_NOT_OURS)
		return PASS;
	json_array_foreach (json_object_get(g->spec, "rules"), i, rule)
		if (flag(rule, "host") == (way == WAY_HOST) && !json_object_get(rule, "from") &&
		    !json_object_get(rule, "to") && !json_object_get(rule, "protocol") &&
		    !json_object_get(rule, "ports"))
			return flag(rule, "accept") ? PASS : REFUSE;
	return default_of(g, way);
}

static void add_others(struct gen *g)
{
	for (int way = WAY_GUEST; way < WAY_NR; way++) {
		enum verdict v = other_verdict(g, (enum way)way);

		if (v == REFUSE && is_hosts_too(g, (enum way)way))
			v = PASS_HOST;
		if (v == PASS)
			add(g, "table=%d,priority=100,reg0=%d,actions=NORMAL", TABLE_IP, way);
		else if (v == PASS_OUT)
			add(g, "table=%d,priority=100,reg0=%d,actions=goto_table:%d", TABLE_IP, way,
			    OVS_TABLE_OUT);
		else if (v == PASS_HOST && g->has_local)
			add(g, "table=%d,priority=100,reg0=%d," UNTAGGED ",actions=LOCAL", TABLE_IP,
			    way);
	}
}

static void add_defaults(struct gen *g)
{
	for (int way = WAY_GUEST; way <= WAY_IN_SPREAD; way++) {
		enum verdict v = default_of(g, (enum way)way);
		int table = way == WAY_HOST ? TABLE_HOST_RULES : TABLE_RULES;

		if (v == PASS_HOST && g->has_local && g->is_segment)
			add(g, "table=%d,priority=10,reg0=%d," UNTAGGED ",actions=LOCAL", table,
			    way);
		else
			add(g, "table=%d,priority=10,reg0=%d,actions=goto_table:%d", table, way,
			    v == PASS	    ? TABLE_ACCEPTED
			    : v == PASS_OUT ? OVS_TABLE_OUT
					    : TABLE_REFUSED);
	}
}

/* ---- The tables ---- */

/* As rules_bridge.c's. */
static const char *const basics[] = {
	"arp",
	"icmp6,icmp_type=133,nw_ttl=255",
	"icmp6,icmp_type=134,nw_ttl=255",
	"icmp6,icmp_type=135,nw_ttl=255",
	"icmp6,icmp_type=136,nw_ttl=255",
	"icmp6,icmp_type=130",
	"icmp6,icmp_type=131",
	"icmp6,icmp_type=132",
	"icmp6,icmp_type=143",
	"udp,tp_src=67,tp_dst=68",
	"udp,tp_src=68,tp_dst=67",
	"udp6,tp_src=67,tp_dst=68",
	"udp6,tp_src=68,tp_dst=67",
	"udp,tp_src=547,tp_dst=546",
	"udp,tp_src=546,tp_dst=547",
	"udp6,tp_src=547,tp_dst=546",
	"udp6,tp_src=546,tp_dst=547",
};

static void add_way(struct gen *g, int table, int priority, const char *match, enum way way)
{
	add(g, "table=%d,priority=%d%s%s,actions=load:%d->NXM_NX_REG0[],goto_table:%d", table,
	    priority, *match ? "," : "", match, way, TABLE_IP);
}

static void add_doors(struct gen *g, const char *mac)
{
	char to_host[MATCH_LEN];

	snprintf(to_host, sizeof(to_host), "dl_dst=%s", mac);
	for (int table = OVS_TABLE_GUEST; table <= OVS_TABLE_HOST; table++)
		for (size_t i = 0; i < sizeof(basics) / sizeof(basics[0]); i++)
			add(g, "table=%d,priority=300,%s,actions=NORMAL", table, basics[i]);
	/* Of other networks the host looks itself at what is said to it. */
	if (g->is_segment)
		add_way(g, OVS_TABLE_GUEST, 200, to_host, WAY_HOST);
	else
		add(g, "table=%d,priority=200,%s,actions=NORMAL", OVS_TABLE_GUEST, to_host);
	add_way(g, OVS_TABLE_GUEST, 190, MULTICAST, WAY_SPREAD);
	add(g, "table=%d,priority=100,actions=goto_table:%d", OVS_TABLE_GUEST, OVS_TABLE_TO);
	add_way(g, OVS_TABLE_UPLINK, 200, to_host, WAY_NOT_OURS);
	add_way(g, OVS_TABLE_UPLINK, 190, MULTICAST, WAY_IN_SPREAD);
	add_way(g, OVS_TABLE_UPLINK, 100, "", WAY_IN);
	if (g->is_segment) {
		add_way(g, OVS_TABLE_HOST, 200, "in_port=LOCAL", WAY_FROM_HOST);
		add_way(g, OVS_TABLE_HOST, 100, "", WAY_NOT_OURS);
	} else {
		add(g, "table=%d,priority=100,actions=NORMAL", OVS_TABLE_HOST);
	}
	add_way(g, OVS_TABLE_TO, 1, "", g->has_uplink ? WAY_OUT : WAY_GUEST);
	/* With a tag of its own, it keeps to its VLAN; by the uplink alone only what the uplink says. */
	add(g, "table=%d,priority=200,vlan_tci=0x1000/0x1000,actions=drop", OVS_TABLE_OUT);
}

static void add_states(struct gen *g)
{
	char text[MATCH_LEN];
	const char *seen[] = { "est", "rel" };

	snprintf(text, sizeof(text), "ct(zone=%u,table=%d)", g->zone, TABLE_STATE);
	add_both(g, TABLE_IP, 200, "", text);
	snprintf(text, sizeof(text), "ct(commit,zone=%u,exec(load:0x%x->NXM_NX_CT_MARK[])),NORMAL",
		 g->zone, g->mark);
	add_both(g, TABLE_ACCEPTED, 100, "", text);
	snprintf(text, sizeof(text), "reg0=%d,ct_state=+trk+new", WAY_FROM_HOST);
	add(g, "table=%d,priority=700,%s,actions=goto_table:%d", TABLE_STATE, text, TABLE_ACCEPTED);
	add(g, "table=%d,priority=690,reg0=%d,actions=NORMAL", TABLE_STATE, WAY_FROM_HOST);
	add(g, "table=%d,priority=690,reg0=%d,actions=NORMAL", TABLE_STATE, WAY_NOT_OURS);
	for (size_t i = 0; i < 2; i++) {
		add(g, "table=%d,priority=600,ct_state=+trk+%s,ct_mark=0x%x,actions=NORMAL",
		    TABLE_STATE, seen[i], g->mark);
		add(g, "table=%d,priority=580,ct_state=+trk+rpl+%s,actions=NORMAL", TABLE_STATE,
		    seen[i]);
	}
	add(g, "table=%d,priority=590,ct_state=+trk,ct_mark=0x%x,actions=drop", TABLE_STATE,
	    g->mark | 1);
	/* An error about a connection that is yet to be looked at again says nothing about that. */
	add(g, "table=%d,priority=570,ct_state=+trk+rel,actions=drop", TABLE_STATE);
	add(g, "table=%d,priority=560,ct_state=+trk+inv,actions=goto_table:%d", TABLE_STATE,
	    TABLE_REFUSED);
	add(g, "table=%d,priority=300,reg0=%d,actions=goto_table:%d", TABLE_STATE, WAY_HOST,
	    TABLE_HOST_RULES);
	add(g, "table=%d,priority=290,actions=goto_table:%d", TABLE_STATE, TABLE_RULES);
}

static void add_refused(struct gen *g)
{
	char text[MATCH_LEN];

	snprintf(text, sizeof(text), "ct(commit,zone=%u,exec(load:0x%x->NXM_NX_CT_MARK[]))",
		 g->zone, g->mark | 1);
	add_both(g, TABLE_REFUSED, 100, "ct_state=+trk+est", text);
	for (int way = WAY_GUEST; way <= WAY_IN_SPREAD; way++)
		if (is_hosts_too(g, (enum way)way))
			add(g, "table=%d,priority=90,reg0=%d," UNTAGGED ",actions=LOCAL",
			    TABLE_REFUSED, way);
}

static void add_all(struct gen *g, const char *mac)
{
	char accepted[24], refused[24];

	snprintf(accepted, sizeof(accepted), "goto_table:%d", TABLE_ACCEPTED);
	snprintf(refused, sizeof(refused), "goto_table:%d", TABLE_REFUSED);
	add_doors(g, mac);
	add_states(g);
	add_others(g);
	add_rules(g, TABLE_RULES, false, accepted, refused, false);
	if (g->is_segment)
		add_rules(g, TABLE_HOST_RULES, true, accepted, refused, false);
	add_defaults(g);
	add_refused(g);
}

void ovs_rules_flows(const json_t *spec, const char *mac, json_t *flows)
{
	struct gen g = { .flows = flows };

	if (json_is_object(spec)) {
		gen_begin(&g, spec, flows);
		add_all(&g, mac);
		return;
	}
	for (int table = OVS_TABLE_GUEST; table <= OVS_TABLE_HOST; table++)
		add(&g, "table=%d,priority=0,actions=NORMAL", table);
}

size_t ovs_rules_count(const json_t *spec)
{
	struct gen g;

	gen_begin(&g, spec, NULL);
	add_all(&g, "00:00:00:00:00:00");
	return g.nr;
}

/*
 * A connection's answer is met first when it began before anyone tracked it. It passes, untracked, where
 * the rules would let the connection itself; the other end's next packet then is looked at as ever.
 */
static void add_answers(struct gen *g)
{
	static const struct {
		enum way way;
		const char *key; /* of the way that it answers; NULL: the host's, nobody asks */
	} answered[] = { { WAY_GUEST, "guest-to-guest" },
			 { WAY_OUT, "ingress" },
			 { WAY_IN, "egress" },
			 { WAY_HOST, NULL } };

	for (size_t i = 0; i < 2; i++)
		add(g,
		    "table=%d,priority=200,%s,ct_state=+trk+new,tcp_flags=-syn-rst,"
		    "actions=goto_table:%d",
		    TABLE_REFUSED, i ? "tcp6" : "tcp", TABLE_ANSWERS);
	for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
		add(g, "table=%d,priority=%d,reg0=%d,actions=%s", TABLE_ANSWERS,
		    answered[i].key ? 10 : FIRST_PRIORITY + 1, answered[i].way,
		    !answered[i].key || accepts(g, answered[i].key) ? "NORMAL" : "drop");
	add_rules(g, TABLE_ANSWERS, false, "NORMAL", "drop", true);
}

void ovs_rules_grace_flows(const json_t *spec, json_t *flows)
{
	struct gen g;

	gen_begin(&g, spec, flows);
	g.timeout = OVS_GRACE_S;
	add_answers(&g);
}
