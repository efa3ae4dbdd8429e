/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The firewall as flows of Open vSwitch, without Open vSwitch; tests/netns/firewall_ovs.sh has the traffic. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "vswitch/fake.h"
#include "vswitch/ovs.h"
#include "vswitch/ovs_rules.h"
#include "vswitch/plan_priv.h"

static struct vs_wanted w;
static json_t *spec, *flows;

static void set_prefix(struct vs_prefix *p, const char *text, int len)
{
	p->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	p->len = (uint8_t)len;
	assert_int_equal(inet_pton(p->family, text, p->address), 1);
}

static struct vs_network *add_network(void)
{
	struct vs_network *n = vs_wanted_add_network(&w);

	strcpy(n->name, "ovsbr0");
	n->mode = &vs_mode_ovs;
	n->mtu = 1500;
	n->ovs_datapath = VS_OVS_KERNEL;
	n->has_uplink = true;
	strcpy(n->uplink.name, "eth0");
	return n;
}

static void add_guest(const char *name, const char *tag, const char *ip4, const char *ip6)
{
	struct vs_entry *e = vs_wanted_add_entry(&w);

	strcpy(e->guest, name);
	strcpy(e->network, "ovsbr0");
	strcpy(e->tags[e->nr_tags++], tag);
	set_prefix(&e->addrs[e->nr_addrs++], ip4, 32);
	if (ip6)
		set_prefix(&e->addrs[e->nr_addrs++], ip6, 128);
}

static struct vs_rule *add_rule(enum vs_verdict action)
{
	struct vs_rule *r = vs_wanted_add_rule(&w);

	snprintf(r->name, sizeof(r->name), "rule-%zu", w.firewall.nr_rules);
	r->action = action;
	return r;
}

/* @text: "@tag", "host", or an IPv4 address. */
static void add_peer(struct vs_peer **v, size_t *nr, const char *text)
{
	struct vs_peer *p;

	*v = reallocarray(*v, *nr + 1, sizeof(**v));
	p = &(*v)[(*nr)++];
	memset(p, 0, sizeof(*p));
	if (!strcmp(text, "host")) {
		p->kind = VS_PEER_HOST;
	} else if (text[0] == '@' || text[0] == '$') {
		p->kind = text[0] == '@' ? VS_PEER_TAG : VS_PEER_SET;
		snprintf(p->name, sizeof(p->name), "%s", text + 1);
	} else {
		p->kind = VS_PEER_PREFIX;
		set_prefix(&p->prefix, text, 32);
	}
}

static void from(struct vs_rule *r, const char *text)
{
	add_peer(&r->from, &r->nr_from, text);
}

static void to(struct vs_rule *r, const char *text)
{
	add_peer(&r->to, &r->nr_to, text);
}

static int setup(void **state)
{
	(void)state;
	vs_wanted_init(&w);
	w.firewall = (struct vs_firewall){ .given = true,
					   .guest_to_guest = VS_DROP,
					   .guest_to_host = VS_DROP,
					   .ingress = VS_DROP,
					   .egress = VS_ACCEPT };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vs_wanted_fini(&w);
	json_decref(spec);
	json_decref(flows);
	spec = flows = NULL;
	return 0;
}

static void make(void)
{
	json_decref(spec);
	json_decref(flows);
	spec = ovs_rules_spec(&w, &w.networks[0]);
	assert_non_null(spec);
	flows = json_array();
	ovs_rules_flows(spec, "02:00:00:00:00:01", flows);
	assert_int_equal(json_array_size(flows), ovs_rules_count(spec));
}

/* How many flows have both texts in them. */
static size_t count(const char *a, const char *b)
{
	const json_t *flow;
	size_t i, nr = 0;

	json_array_foreach (flows, i, flow) {
		const char *text = json_string_value(flow);

		nr += strstr(text, a) && strstr(text, b);
	}
	return nr;
}

#define RULES "table=14,"

/* A set of both families beside an address of one: nothing of the other. */
static void test_families(void **state)
{
	struct vs_address_set *s;
	struct vs_rule *r;

	(void)state;
	add_network();
	add_guest("web1", "web", "10.0.0.1", "2001:db8::1");
	s = vs_wanted_add_set(&w);
	strcpy(s->name, "admins");
	s->v = calloc(2, sizeof(*s->v));
	s->nr = 2;
	set_prefix(&s->v[0], "192.0.2.0", 24);
	set_prefix(&s->v[1], "2001:db8:9::", 64);
	r = add_rule(VS_ACCEPT);
	from(r, "$admins");
	to(r, "10.0.0.1");
	make();
	assert_int_equal(count(RULES "priority=65000", ""), 1);
	assert_int_equal(count(RULES "priority=65000,ip,nw_src=192.0.2.0/24,nw_dst=10.0.0.1,",
			       "goto_table:16"),
			 1);
	assert_int_equal(count("2001:db8:9::", ""), 0);
	/* A protocol of one family, too. */
	r->protocol = IPPROTO_ICMPV6;
	make();
	assert_int_equal(count(RULES "priority=65000", ""), 0);
	/* From everybody of both. */
	r->protocol = 0;
	r->nr_from = 0;
	r->to[0] = (struct vs_peer){ .kind = VS_PEER_TAG, .name = "web" };
	make();
	assert_int_equal(count(RULES "priority=65000,ip,nw_dst=10.0.0.1,", ""), 1);
	assert_int_equal(count(RULES "priority=65000,ipv6,ipv6_dst=2001:db8::1,", ""), 1);
}

static void test_order_and_ports(void **state)
{
	struct vs_rule *r;

	(void)state;
	add_network();
	r = add_rule(VS_ACCEPT);
	to(r, "10.0.0.1");
	r->protocol = IPPROTO_TCP;
	r->ports[0] = (struct vs_port_range){ 80, 443 };
	r->ports[1] = (struct vs_port_range){ 443, 443 };
	r->nr_ports = 2;
	r = add_rule(VS_REJECT);
	to(r, "host");
	make();
	/* 80-95, 96-127, 128-255, 256-383, 384-415, 416-431, 432-439, 440-443 */
	assert_int_equal(count(RULES, "ct_tp_dst="), 8);
	assert_int_equal(count(RULES, "ct_tp_dst=0x50/0xfff0"), 1);
	assert_int_equal(count(RULES, "ct_tp_dst=0x1b8/0xfffc"), 1);
	/* Of the host alone: nothing among the others. Host's rules have the address, too. */
	assert_int_equal(count("table=15,priority=64998", "goto_table:17"), 2);
	assert_int_equal(count(RULES "priority=64998", ""), 0);
	/* All ports, and fragments that have none. */
	w.firewall.rules[0].ports[0] = (struct vs_port_range){ 0, 65535 };
	make();
	assert_int_equal(count(RULES "priority=65000,", "nw_proto=6"), 2);
	/* Of no protocol in particular, the three that have ports. */
	w.firewall.rules[0].protocol = 0;
	make();
	assert_int_equal(count(RULES "priority=65000,", "nw_proto="), 6);
}

/* 40 addresses to 40: one rule from each to each, by two ports. */
static void add_many(void)
{
	struct vs_rule *r;
	char ip[16];

	for (int i = 0; i < 80; i++) {
		snprintf(ip, sizeof(ip), "10.0.%d.%d", i % 2, 1 + i);
		add_guest(ip, i % 2 ? "db" : "web", ip, NULL);
	}
	r = add_rule(VS_ACCEPT);
	from(r, "@web");
	to(r, "@db");
	r->protocol = IPPROTO_UDP;
	r->ports[0] = (struct vs_port_range){ 53, 53 };
	r->ports[1] = (struct vs_port_range){ 123, 123 };
	r->nr_ports = 2;
}

static void add_set(const char *name, const char *const *prefixes, size_t nr)
{
	struct vs_address_set *s = vs_wanted_add_set(&w);
	const char *slash;
	uint32_t len;
	char ip[64];

	strcpy(s->name, name);
	s->v = calloc(nr, sizeof(*s->v));
	for (; s->nr < nr; s->nr++) {
		slash = strchr(prefixes[s->nr], '/');
		snprintf(ip, sizeof(ip), "%.*s", (int)(slash - prefixes[s->nr]), prefixes[s->nr]);
		assert_int_equal(parse_u32(slash + 1, 128, &len), 0);
		set_prefix(&s->v[s->nr], ip, (int)len);
	}
}

/* Addresses are looked up once, whatever rules there are; one that several sets cover is in all of them. */
static void test_sets(void **state)
{
	struct vs_rule *r;

	(void)state;
	add_network();
	add_many();
	r = add_rule(VS_DROP);
	from(r, "@web");
	make();
	assert_int_equal(count("table=12,priority=33,ip,nw_src=10.0.", "goto_table:13"), 80);
	assert_int_equal(count("table=13,priority=33,ip,nw_dst=10.0.", "goto_table:14"), 80);
	assert_int_equal(count("table=12,priority=0,actions=goto_table:13", ""), 1);
	/* Two ports, or later fragments. */
	assert_int_equal(count(RULES "priority=65000,ip,reg1=0x1/0x1,reg3=0x2/0x2,", ""), 3);
	assert_int_equal(count(RULES "priority=64999,ip,reg1=0x1/0x1,actions=goto_table:17", ""),
			 1);
	assert_int_equal(count("ipv6,reg", ""), 0);
}

static void test_sets_overlap(void **state)
{
	static const char *const wide[] = { "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32" };
	static const char *const narrow[] = { "10.2.0.0/16", "192.0.2.1/32", "198.51.100.0/24" };

	(void)state;
	add_network();
	add_set("wide", wide, 3);
	add_set("narrow", narrow, 3);
	from(add_rule(VS_ACCEPT), "$wide");
	from(add_rule(VS_ACCEPT), "$narrow");
	make();
	assert_int_equal(count("table=12,", "load:"), 5);
	assert_int_equal(count("table=12,priority=9,ip,nw_src=10.0.0.0/8,actions=load:0x1->", ""),
			 1);
	assert_int_equal(count("table=12,priority=17,ip,nw_src=10.2.0.0/16,actions=load:0x3->", ""),
			 1);
	assert_int_equal(count("table=12,priority=33,ip,nw_src=192.0.2.1,actions=load:0x3->", ""),
			 1);
	assert_int_equal(count("nw_src=198.51.100.0/24,actions=load:0x2->", ""), 1);
	/* Of IPv6 the first alone has somebody. */
	assert_int_equal(count(RULES, "ipv6,reg1=0x1/0x1"), 1);
	assert_int_equal(count(RULES, "ipv6,reg1=0x2/0x2"), 0);
}

/* With no bit left for them: 83 flows and one that joins them. */
static void test_conjunctions(void **state)
{
	char name[24], ip[3][40];

	(void)state;
	add_network();
	for (int i = 0; i < 64; i++) {
		struct vs_address_set *s = vs_wanted_add_set(&w);

		snprintf(name, sizeof(name), "$set%d", i);
		strcpy(s->name, name + 1);
		s->v = calloc(3, sizeof(*s->v));
		for (; s->nr < 3; s->nr++) {
			snprintf(ip[s->nr], sizeof(ip[0]), "10.9.%d.%d", i, 1 + 2 * (int)s->nr);
			set_prefix(&s->v[s->nr], ip[s->nr], 32);
		}
		from(add_rule(VS_ACCEPT), name);
	}
	add_many();
	make();
	assert_int_equal(count("table=12,", "nw_src="), 64 * 3);
	assert_int_equal(count(RULES, "reg2=0x80000000/0x80000000"), 1);
	assert_int_equal(count(RULES, "conjunction(1,1/3)"), 40);
	assert_int_equal(count(RULES, "conjunction(1,2/3)"), 40);
	assert_int_equal(count(RULES, "conjunction(1,3/3)"), 3);
	assert_int_equal(count(RULES, "conj_id=1,actions=goto_table:16"), 1);
	assert_int_equal(count("ipv6_", ""), 0);
}

/* What was refused once stays so only while these rules do; nobody but the connection's first side is asked. */
static void test_marks(void **state)
{
	char seen[64], *text, *at;
	uint32_t first;

	(void)state;
	add_network();
	make();
	assert_int_equal(count("table=16,", "exec(load:0x"), 2);
	text = json_dumps(flows, 0);
	at = strstr(text, "table=11,priority=600,ct_state=+trk+est,ct_mark=0x");
	assert_non_null(at);
	first = (uint32_t)strtoul(strstr(at, "0x"), NULL, 16);
	free(text);
	assert_int_equal(first & 1, 0);
	snprintf(seen, sizeof(seen), "ct_mark=0x%x,actions=drop", first | 1);
	assert_int_equal(count("table=11,", seen), 1);
	snprintf(seen, sizeof(seen), "load:0x%x->", first | 1);
	assert_int_equal(count("table=17,", seen), 2);
	assert_int_equal(count("table=17,priority=100,ip,ct_state=+trk+est", ""), 1);
	w.firewall.egress = VS_DROP;
	make();
	assert_int_equal(count("table=16,", seen), 0);
	snprintf(seen, sizeof(seen), "load:0x%x->", first);
	assert_int_equal(count("table=16,", seen), 0);
}

/* Answers of connections from before pass where the connection would have, and go with time. */
static void test_grace(void **state)
{
	struct vs_rule *r;

	(void)state;
	add_network();
	r = add_rule(VS_ACCEPT);
	from(r, "192.0.2.1");
	to(r, "10.0.0.1");
	r->protocol = IPPROTO_TCP;
	r->ports[0] = (struct vs_port_range){ 443, 443 };
	r->nr_ports = 1;
	r = add_rule(VS_ACCEPT);
	r->protocol = IPPROTO_UDP;
	make();
	json_array_clear(flows);
	ovs_rules_grace_flows(spec, flows);
	assert_int_equal(count("hard_timeout=300,table=1", ""), json_array_size(flows));
	assert_int_equal(count("table=18,priority=65000,ip,nw_dst=192.0.2.1,nw_src=10.0.0.1,",
			       "ct_tp_src=0x1bb/0xffff,actions=NORMAL"),
			 1);
	assert_int_equal(count("priority=64998", ""), 0);
	assert_int_equal(count("table=18,priority=10,reg0=4,actions=drop", ""), 1);
	assert_int_equal(count("table=18,priority=10,reg0=5,actions=NORMAL", ""), 1);
}

/* A rule that goes by a name. */
static void add_fqdn(void)
{
	struct vs_address_set *s = vs_wanted_add_set(&w);
	struct vs_rule *r = add_rule(VS_ACCEPT);

	strcpy(s->name, "mirrors");
	s->fqdns = calloc(1, sizeof(*s->fqdns));
	s->nr_fqdns = 1;
	strcpy(s->fqdns[0], "www.example.org");
	to(r, "$mirrors");
}

/* Who may reach the host's services does, before any rule; of what guests say to it alone. */
static void test_management(void **state)
{
	const json_t *rules, *one;

	(void)state;
	add_network();
	add_guest("web1", "web", "10.0.0.1", NULL);
	from(add_rule(VS_DROP), "@web");
	strcpy(w.management.network, "ovsbr0");
	w.management.services[0] = (struct vs_service){ IPPROTO_TCP, { 22, 22 } };
	w.management.nr_services = 1;
	w.management.allow = calloc(1, sizeof(*w.management.allow));
	set_prefix(&w.management.allow[w.management.nr_allow++], "10.0.0.0", 24);
	make();
	rules = json_object_get(spec, "rules");
	one = json_array_get(rules, 0);
	assert_true(json_is_true(json_object_get(one, "accept")));
	assert_true(json_is_true(json_object_get(one, "host")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(one, "from"), 0)),
			    "10.0.0.0/24");
	assert_false(json_is_true(json_object_get(json_array_get(rules, 1), "accept")));
	assert_int_equal(json_array_size(rules), 3);
	strcpy(w.management.network, "other");
	make();
	assert_int_equal(json_array_size(json_object_get(spec, "rules")), 2);
}

/* As steps: with the bridge's document, none a second time, none for a guest that comes. */
static void test_plan(void **state)
{
	struct diags ds = { 0 };
	struct vs_record record;
	struct vs_plan plan;
	struct vs_fake *fake;
	struct vs_network *n;
	struct vs_vif *vif;
	char why[VS_TEXT_LEN];
	json_t *doc;

	(void)state;
	assert_int_equal(vs_fake_open(&fake), 0);
	vs_record_init(&record);
	fake->model.lacks = VS_LACKS_BRIDGE_CONNTRACK;
	vs_fake_add_link(fake, "eth0", "");
	n = add_network();
	add_guest("web1", "web", "10.0.0.1", NULL);
	to(add_rule(VS_ACCEPT), "@web");
	vs_rules_prepare(&w);
	assert_true(n->ports_filtered);
	assert_false(n->ports_closed);
	assert_true(ovs_is_secure(n));
	assert_int_equal(vs_plan_make(&w, &fake->model, &record, &ds, &plan), 0);
	for (size_t i = 0; i < plan.nr; i++)
		assert_int_equal(vs_step_do(&fake->sys, &plan.steps[i], why), 0);
	doc = vs_observed_doc(&fake->model, VS_DOC_OVS_BRIDGE, "ovsbr0");
	assert_true(json_is_object(json_object_get(doc, "firewall")));
	vs_record_fini(&record);
	doc = vs_record_json(&plan.record);
	assert_int_equal(vs_record_from_json(doc, &record), 0);
	json_decref(doc);
	vs_plan_fini(&plan);
	/* The guest starts: its port knows its MAC, the bridge's document stays. */
	vs_fake_add_link(fake, "vif1.0", "tun");
	vif = vs_wanted_add_vif(&w);
	strcpy(vif->name, "vif1.0");
	strcpy(vif->network, "ovsbr0");
	vif->has_mac = true;
	vif->mac[0] = 2;
	assert_int_equal(vs_plan_make(&w, &fake->model, &record, &ds, &plan), 0);
	for (size_t i = 0; i < plan.nr; i++)
		assert_false(plan.steps[i].op.kind == VS_OP_DOC &&
			     plan.steps[i].op.index == VS_DOC_OVS_BRIDGE);
	doc = vs_observed_doc(&plan.model, VS_DOC_OVS_PORT, "vif1.0");
	assert_string_equal(json_string_value(json_object_get(json_object_get(doc, "guard"), "to")),
			    "02:00:00:00:00:00");
	vs_plan_fini(&plan);
	/* Addresses of names come and go, flows stay. */
	add_fqdn();
	assert_int_equal(vs_plan_make(&w, &fake->model, &record, &ds, &plan), -EINVAL);
	assert_string_equal(ds.v[ds.nr - 1].code, "VF0545");
	vs_plan_fini(&plan);
	w.sets[0].nr_fqdns = 0;
	/* So many flows nobody wants to look at. */
	for (int i = 0; i < OVS_RULES_FLOWS_MAX; i++) {
		char ip[20];

		snprintf(ip, sizeof(ip), "10.%d.%d.1", 1 + i / 200, i % 200);
		add_guest("web2", "web", ip, NULL);
	}
	assert_int_equal(vs_plan_make(&w, &fake->model, &record, &ds, &plan), -EINVAL);
	assert_string_equal(ds.v[ds.nr - 1].code, "VF0543");
	vs_plan_fini(&plan);
	diags_fini(&ds);
	vs_record_fini(&record);
	fake->sys.ops->close(&fake->sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_families, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order_and_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sets_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conjunctions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_management, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plan, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
