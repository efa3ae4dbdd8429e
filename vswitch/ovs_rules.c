/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firewall's flows. The tables behind a port's guard:
 *
 *	6, 7, 8	from a guest, the uplink, the host or a patch cable: what no segment can do without passes
 *	9	whose it is: by port, the MACs of vifs
 *	10	IP is tracked; other frames have no connections
 *	11	what the connection is: allowed, refused, answered, invalid, new
 *	12, 13	which of the policy's sets have the source, the destination
 *	14, 15	the policy's rules, then its defaults; 15: of what guests say to the host
 *	16, 17	accepted, refused
 *	18	for a while after the first time: refused, but the answer of a connection that was there before?
 *	19	out by the uplink alone
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
#include "vswitch/ovs_rules_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MULTICAST "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
#define UNTAGGED  "vlan_tci=0x0000/0x1fff"

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

void ovs_gen_add(struct gen *g, const char *fmt, ...)
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

const char *const ovs_gen_families[] = { "ip", "ipv6" };

/* Actions on connections want a family each. */
static void add_both(struct gen *g, int table, int priority, const char *match, const char *actions)
{
	for (size_t i = 0; i < 2; i++)
		ovs_gen_add(g, "table=%d,priority=%d,%s%s%s,actions=%s", table, priority,
			    ovs_gen_families[i], *match ? "," : "", match, actions);
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
			ovs_gen_add(g, "table=%d,priority=100,reg0=%d,actions=NORMAL", TABLE_IP,
				    way);
		else if (v == PASS_OUT)
			ovs_gen_add(g, "table=%d,priority=100,reg0=%d,actions=goto_table:%d",
				    TABLE_IP, way, OVS_TABLE_OUT);
		else if (v == PASS_HOST && g->has_local)
			ovs_gen_add(g, "table=%d,priority=100,reg0=%d," UNTAGGED ",actions=LOCAL",
				    TABLE_IP, way);
	}
}

static void add_defaults(struct gen *g)
{
	for (int way = WAY_GUEST; way <= WAY_IN_SPREAD; way++) {
		enum verdict v = default_of(g, (enum way)way);
		int table = way == WAY_HOST ? TABLE_HOST_RULES : TABLE_RULES;

		if (v == PASS_HOST && g->has_local && g->is_segment)
			ovs_gen_add(g, "table=%d,priority=10,reg0=%d," UNTAGGED ",actions=LOCAL",
				    table, way);
		else
			ovs_gen_add(g, "table=%d,priority=10,reg0=%d,actions=goto_table:%d", table,
				    way,
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
	ovs_gen_add(g, "table=%d,priority=%d%s%s,actions=load:%d->NXM_NX_REG0[],goto_table:%d",
		    table, priority, *match ? "," : "", match, way, TABLE_IP);
}

static void add_doors(struct gen *g, const char *mac)
{
	char to_host[MATCH_LEN];

	snprintf(to_host, sizeof(to_host), "dl_dst=%s", mac);
	for (int table = OVS_TABLE_GUEST; table <= OVS_TABLE_HOST; table++)
		for (size_t i = 0; i < sizeof(basics) / sizeof(basics[0]); i++)
			ovs_gen_add(g, "table=%d,priority=300,%s,actions=NORMAL", table, basics[i]);
	/* Of other networks the host looks itself at what is said to it. */
	if (g->is_segment)
		add_way(g, OVS_TABLE_GUEST, 200, to_host, WAY_HOST);
	else
		ovs_gen_add(g, "table=%d,priority=200,%s,actions=NORMAL", OVS_TABLE_GUEST, to_host);
	add_way(g, OVS_TABLE_GUEST, 190, MULTICAST, WAY_SPREAD);
	ovs_gen_add(g, "table=%d,priority=100,actions=goto_table:%d", OVS_TABLE_GUEST,
		    OVS_TABLE_TO);
	add_way(g, OVS_TABLE_UPLINK, 200, to_host, WAY_NOT_OURS);
	add_way(g, OVS_TABLE_UPLINK, 190, MULTICAST, WAY_IN_SPREAD);
	add_way(g, OVS_TABLE_UPLINK, 100, "", WAY_IN);
	if (g->is_segment) {
		add_way(g, OVS_TABLE_HOST, 200, "in_port=LOCAL", WAY_FROM_HOST);
		add_way(g, OVS_TABLE_HOST, 100, "", WAY_NOT_OURS);
	} else {
		ovs_gen_add(g, "table=%d,priority=100,actions=NORMAL", OVS_TABLE_HOST);
	}
	add_way(g, OVS_TABLE_TO, 1, "", g->has_uplink ? WAY_OUT : WAY_GUEST);
	/* With a tag of its own, it keeps to its VLAN; by the uplink alone only what the uplink says. */
	ovs_gen_add(g, "table=%d,priority=200,vlan_tci=0x1000/0x1000,actions=drop", OVS_TABLE_OUT);
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
	ovs_gen_add(g, "table=%d,priority=700,%s,actions=goto_table:%d", TABLE_STATE, text,
		    TABLE_ACCEPTED);
	ovs_gen_add(g, "table=%d,priority=690,reg0=%d,actions=NORMAL", TABLE_STATE, WAY_FROM_HOST);
	ovs_gen_add(g, "table=%d,priority=690,reg0=%d,actions=NORMAL", TABLE_STATE, WAY_NOT_OURS);
	for (size_t i = 0; i < 2; i++) {
		ovs_gen_add(g, "table=%d,priority=600,ct_state=+trk+%s,ct_mark=0x%x,actions=NORMAL",
			    TABLE_STATE, seen[i], g->mark);
		ovs_gen_add(g, "table=%d,priority=580,ct_state=+trk+rpl+%s,actions=NORMAL",
			    TABLE_STATE, seen[i]);
	}
	ovs_gen_add(g, "table=%d,priority=590,ct_state=+trk,ct_mark=0x%x,actions=drop", TABLE_STATE,
		    g->mark | 1);
	/* An error about a connection that is yet to be looked at again says nothing about that. */
	ovs_gen_add(g, "table=%d,priority=570,ct_state=+trk+rel,actions=drop", TABLE_STATE);
	ovs_gen_add(g, "table=%d,priority=560,ct_state=+trk+inv,actions=goto_table:%d", TABLE_STATE,
		    TABLE_REFUSED);
	ovs_gen_add(g, "table=%d,priority=290,actions=goto_table:%d", TABLE_STATE, TABLE_FROM);
	ovs_gen_add(g, "table=%d,priority=65535,reg0=%d,actions=goto_table:%d", TABLE_RULES,
		    WAY_HOST, TABLE_HOST_RULES);
}

static void add_refused(struct gen *g)
{
	char text[MATCH_LEN];

	snprintf(text, sizeof(text), "ct(commit,zone=%u,exec(load:0x%x->NXM_NX_CT_MARK[]))",
		 g->zone, g->mark | 1);
	add_both(g, TABLE_REFUSED, 100, "ct_state=+trk+est", text);
	for (int way = WAY_GUEST; way <= WAY_IN_SPREAD; way++)
		if (is_hosts_too(g, (enum way)way))
			ovs_gen_add(g, "table=%d,priority=90,reg0=%d," UNTAGGED ",actions=LOCAL",
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
	ovs_gen_sets(g);
	ovs_gen_rules(g, TABLE_RULES, false, accepted, refused, false);
	if (g->is_segment)
		ovs_gen_rules(g, TABLE_HOST_RULES, true, accepted, refused, false);
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
		ovs_gen_add(&g, "table=%d,priority=0,actions=NORMAL", table);
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
		ovs_gen_add(g,
			    "table=%d,priority=200,%s,ct_state=+trk+new,tcp_flags=-syn-rst,"
			    "actions=goto_table:%d",
			    TABLE_REFUSED, i ? "tcp6" : "tcp", TABLE_ANSWERS);
	for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
		ovs_gen_add(g, "table=%d,priority=%d,reg0=%d,actions=%s", TABLE_ANSWERS,
			    answered[i].key ? 10 : FIRST_PRIORITY + 1, answered[i].way,
			    !answered[i].key || accepts(g, answered[i].key) ? "NORMAL" : "drop");
	ovs_gen_rules(g, TABLE_ANSWERS, false, "NORMAL", "drop", true);
}

void ovs_rules_grace_flows(const json_t *spec, json_t *flows)
{
	struct gen g;

	gen_begin(&g, spec, flows);
	g.timeout = OVS_GRACE_S;
	add_answers(&g);
}
