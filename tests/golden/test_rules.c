/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wanted in, nftables tables out, as nft(8) would read them: golden/rules/NAME.nft;
 * VIFROST_REGEN=1 writes them anew, to be read before they are committed. Every table is one that our
 * compiler takes.
 */
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

#include "vswitch/nft.h"
#include "vswitch/rules_priv.h"

static const struct vs_mode bridge = { .name = "bridge" }, nat = { .name = "nat" },
			    route = { .name = "route" }, isolated = { .name = "isolated" };

static struct vs_wanted w;

static struct vs_prefix prefix(const char *text)
{
	struct vs_prefix p = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	char copy[64], *slash;
	uint32_t len;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	len = p.family == AF_INET ? 32 : 128;
	assert_int_equal(slash ? parse_u32(slash, 128, &len) : 0, 0);
	p.len = (uint8_t)len;
	assert_int_equal(inet_pton(p.family, copy, p.address), 1);
	return p;
}

static struct vs_network *network(const char *name, const struct vs_mode *mode, const char *cidr4,
				  const char *cidr6)
{
	const char *const cidrs[] = { cidr4, cidr6 };
	struct vs_network *n = vs_wanted_add_network(&w);

	snprintf(n->name, sizeof(n->name), "%s", name);
	n->mode = mode;
	n->is_per_guest = mode == &route;
	n->place = (struct diag_place){ .file = "/etc/vifrost/policy.yaml", .line = 10 };
	for (size_t i = 0; i < 2; i++) {
		if (!cidrs[i])
			continue;
		struct vs_subnet *s = vs_network_add_subnet(n);

		s->prefix = prefix(cidrs[i]);
		s->has_dhcp = i == 0;
	}
	return n;
}

static void entry(const char *guest, const char *net, const char *tag, const char *address4,
		  const char *address6)
{
	const char *const addresses[] = { address4, address6 };
	struct vs_entry *e = vs_wanted_add_entry(&w);

	snprintf(e->guest, sizeof(e->guest), "%s", guest);
	snprintf(e->network, sizeof(e->network), "%s", net);
	if (tag)
		snprintf(e->tags[e->nr_tags++], sizeof(e->tags[0]), "%s", tag);
	for (size_t i = 0; i < 2; i++)
		if (addresses[i])
			e->addrs[e->nr_addrs++] = prefix(addresses[i]);
}

static struct vs_peer peer(const char *text)
{
	struct vs_peer p = { .kind = VS_PEER_ANY };

	if (text[0] == '@' || text[0] == '$') {
		p.kind = text[0] == '@' ? VS_PEER_TAG : VS_PEER_SET;
		snprintf(p.name, sizeof(p.name), "%s", text + 1);
	} else if (!strcmp(text, "host")) {
		p.kind = VS_PEER_HOST;
	} else if (strpbrk(text, ".:")) {
		p.kind = VS_PEER_PREFIX;
		p.prefix = prefix(text);
	} else if (strcmp(text, "any") != 0) {
		p.kind = vs_wanted_network(&w, text) ? VS_PEER_NETWORK : VS_PEER_GUEST;
		snprintf(p.name, sizeof(p.name), "%s", text);
	}
	return p;
}

/* @texts: "any", or several with blanks between. */
static void peers(const char *texts, struct vs_peer **v, size_t *nr)
{
	char copy[128], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", texts);
	*v = calloc(8, sizeof(**v));
	for (*nr = 0; (word = strsep(&rest, " ")); (*nr)++)
		(*v)[*nr] = peer(word);
}

static struct vs_rule *rule(const char *name, enum vs_verdict action, const char *from,
			    const char *to, uint8_t protocol, uint16_t port)
{
	struct vs_rule *r = vs_wanted_add_rule(&w);

	snprintf(r->name, sizeof(r->name), "%s", name);
	r->action = action;
	peers(from, &r->from, &r->nr_from);
	peers(to, &r->to, &r->nr_to);
	r->protocol = protocol;
	r->nr_ports = port != 0;
	r->ports[0] = (struct vs_port_range){ port, port };
	r->place = (struct diag_place){ .file = "/etc/vifrost/policy.yaml",
					.line = 100 + (int)w.firewall.nr_rules };
	return r;
}

static struct vs_forward *forward(const char *name, const char *net, uint8_t protocol,
				  const char *listen, uint16_t port, const char *to4,
				  const char *to6, uint16_t to_port)
{
	struct vs_forward *f = vs_wanted_add_forward(&w);

	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->network, sizeof(f->network), "%s", net);
	f->protocol = protocol;
	if (listen)
		f->listen = prefix(listen);
	f->ports = (struct vs_port_range){ port, port };
	if (to4)
		f->to4 = prefix(to4);
	if (to6)
		f->to6 = prefix(to6);
	f->to_port = to_port;
	f->place = (struct diag_place){ .file = "/etc/vifrost/policy.yaml", .line = 200 };
	return f;
}

/* ---- As nft(8) reads it ---- */

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static void print_sets(const json_t *doc, FILE *out)
{
	json_t *set, *element;
	size_t i, k;

	json_array_foreach (json_object_get(doc, "sets"), i, set) {
		bool is_name = !strcmp(text_of(set, "type"), "ifname");

		fprintf(out, "\tset %s {\n\t\ttype %s;%s\n\t\telements = {", text_of(set, "name"),
			text_of(set, "type"),
			json_object_get(set, "flags") ? " flags interval;" : "");
		json_array_foreach (json_object_get(set, "elements"), k, element)
			fprintf(out, "%s %s%s%s", k ? "," : "", is_name ? "\"" : "",
				json_string_value(element), is_name ? "\"" : "");
		fprintf(out, " }\n\t}\n");
	}
}

static void print_doc(const char *name, const json_t *doc, FILE *out)
{
	json_t *chain, *r;
	size_t i, k;

	fprintf(out, "table %s {\n", name);
	print_sets(doc, out);
	/* Declared before any rule goes there. */
	json_array_foreach (json_object_get(doc, "chains"), i, chain)
		if (!json_object_get(chain, "hook"))
			fprintf(out, "\tchain %s { }\n", text_of(chain, "name"));
	json_array_foreach (json_object_get(doc, "chains"), i, chain) {
		fprintf(out, "\tchain %s {\n", text_of(chain, "name"));
		if (json_object_get(chain, "hook"))
			fprintf(out, "\t\ttype %s hook %s priority %d; policy %s;\n",
				text_of(chain, "type"), text_of(chain, "hook"),
				(int)json_integer_value(json_object_get(chain, "priority")),
				text_of(chain, "policy"));
		json_array_foreach (json_object_get(doc, "rules"), k, r) {
			if (strcmp(text_of(r, "chain"), text_of(chain, "name")) != 0)
				continue;
			fprintf(out, "\t\t%s", text_of(r, "rule"));
			if (text_of(r, "comment")[0])
				fprintf(out, " comment \"%s\"", text_of(r, "comment"));
			fprintf(out, "\n");
		}
		fprintf(out, "\t}\n");
	}
	fprintf(out, "}\n");
}

static void print_checked(const char *name, json_t *doc, FILE *out)
{
	char why[VS_TEXT_LEN] = "";

	if (!doc)
		return;
	if (nft_check(name, doc, why))
		fail_msg("%s: %s", name, why);
	print_doc(name, doc, out);
	json_decref(doc);
}

static char *tables(void)
{
	static const char uplinks[8][IFNAMSIZ] = { "lan0" };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int rc;

	assert_non_null(out);
	print_checked(RULES_NAT, rules_nat(&w, &rc), out);
	assert_int_equal(rc, 0);
	print_checked(RULES_FILTER, rules_filter(&w, NULL, 0, &rc), out);
	assert_int_equal(rc, 0);
	print_checked(RULES_BRIDGE, rules_bridge(&w, uplinks, &rc), out);
	assert_int_equal(rc, 0);
	fclose(out);
	vs_wanted_fini(&w);
	return text;
}

/* @path's text; NULL: there is none. */
static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (f && getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

static void expect(const char *name)
{
	const char *dir = getenv("VIFROST_SOURCE_DIR");
	char path[4096], *found = tables(), *expected;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/golden/rules/%s.nft", dir ? dir : ".", name);
	if (getenv("VIFROST_REGEN")) {
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(found, f);
		fclose(f);
	}
	expected = slurp(path);
	if (!expected || strcmp(found, expected) != 0)
		fail_msg("%s: found\n%s\nbut expected\n%s", path, found, expected ? expected : "");
	free(found);
	free(expected);
}

/* ---- Cases ---- */

static void test_nat(void **state)
{
	struct vs_network *n;

	(void)state;
	vs_wanted_init(&w);
	network("xenbr0", &bridge, NULL, NULL)->has_uplink = true;
	n = network("nat0", &nat, "10.20.0.0/24", "fd00:20::/64");
	n->subnets[1].nat66 = true;
	strcpy(n->egress.network, "xenbr0");
	/* As the host routes, from a fixed address; IPv6 is routed. */
	n = network("nat1", &nat, "10.21.0.0/24", "2001:db8:21::/64");
	n->egress.source4 = prefix("192.0.2.11");
	network("rt0", &route, "198.51.100.64/27", "2001:db8:40::/64");
	network("lab0", &isolated, "10.99.0.0/24", NULL);
	n = network("own0", &bridge, "10.77.0.0/24", NULL);
	n->masquerade = true;
	expect("nat");
}

/* What a device tells of a segment's guests, addresses tell of those behind links of their own. */
static void test_per_guest(void **state)
{
	struct vs_forward *f;
	struct vs_network *n;

	(void)state;
	vs_wanted_init(&w);
	network("xenbr0", &bridge, NULL, NULL)->has_uplink = true;
	n = network("nat0", &nat, "10.20.0.0/24", "fd00:20::/64");
	n->is_per_guest = true;
	strcpy(n->egress.network, "xenbr0");
	network("lab0", &isolated, "10.99.0.0/24", "fd00:99::/64")->is_per_guest = true;
	network("lab1", &isolated, "10.98.0.0/24", NULL);
	n = network("own0", &bridge, "10.77.0.0/24", NULL);
	n->is_per_guest = n->masquerade = true;
	entry("web1", "nat0", "web", "10.20.0.11", NULL);
	f = forward("web", "nat0", IPPROTO_TCP, NULL, 80, "10.20.0.11", NULL, 0);
	assert_false(f->hairpin);
	expect("per_guest");
}

static void test_forwards(void **state)
{
	struct vs_forward *f;

	(void)state;
	vs_wanted_init(&w);
	network("xenbr0", &bridge, NULL, NULL)->has_uplink = true;
	network("nat0", &nat, "10.20.0.0/24", "fd00:20::/64");
	entry("web1", "nat0", "web", "10.20.0.11", "fd00:20::11");
	f = forward("web-https", "nat0", IPPROTO_TCP, "192.0.2.10", 8443, "10.20.0.11",
		    "fd00:20::11", 443);
	f->hairpin = true;
	f = forward("web-quic", "nat0", IPPROTO_UDP, NULL, 8443, "10.20.0.11", "fd00:20::11", 443);
	peers("192.0.2.0/24 $admins", &f->allow_from, &f->nr_allow_from);
	f = forward("range", "nat0", IPPROTO_TCP, NULL, 9000, "10.20.0.11", NULL, 0);
	f->ports.last = 9009;
	f = forward("moved", "nat0", IPPROTO_TCP, "2001:db8:0:1::10", 9100, NULL, "fd00:20::11",
		    19100);
	f->ports.last = 9102;
	vs_wanted_add_set(&w);
	strcpy(w.sets[0].name, "admins");
	w.sets[0].v = calloc(2, sizeof(*w.sets[0].v));
	w.sets[0].v[w.sets[0].nr++] = prefix("203.0.113.0/24");
	w.sets[0].v[w.sets[0].nr++] = prefix("2001:db8:99::/64");
	expect("forwards");
}

/* The worked example's rules, and T4: a literal of one family beside sets of both. */
static void test_firewall(void **state)
{
	struct vs_rule *r;

	(void)state;
	vs_wanted_init(&w);
	network("xenbr0", &bridge, NULL, NULL)->has_uplink = true;
	network("nat0", &nat, "10.20.0.0/24", "fd00:20::/64");
	network("rt0", &route, "198.51.100.64/27", "2001:db8:40::/64");
	entry("web1", "nat0", "web", "10.20.0.11", "fd00:20::11");
	entry("web2", "rt0", "web", "198.51.100.70", NULL);
	entry("db1", "xenbr0", "tier-db", "192.0.2.21", NULL);
	vs_wanted_add_set(&w);
	strcpy(w.sets[0].name, "mixed");
	w.sets[0].v = calloc(3, sizeof(*w.sets[0].v));
	w.sets[0].v[w.sets[0].nr++] = prefix("203.0.113.7");
	w.sets[0].v[w.sets[0].nr++] = prefix("203.0.113.0/24");
	w.sets[0].v[w.sets[0].nr++] = prefix("2001:db8:99::/64");
	w.firewall = (struct vs_firewall){ .given = true,
					   .guest_to_guest = VS_DROP,
					   .guest_to_host = VS_REJECT,
					   .ingress = VS_DROP,
					   .egress = VS_ACCEPT };
	r = rule("web-in", VS_ACCEPT, "any", "@web", IPPROTO_TCP, 80);
	r->ports[r->nr_ports++] = (struct vs_port_range){ 443, 443 };
	r->ports[r->nr_ports++] = (struct vs_port_range){ 440, 445 };
	rule("web-to-db", VS_ACCEPT, "@web", "@tier-db", IPPROTO_TCP, 5432);
	rule("admin-ssh", VS_ACCEPT, "192.0.2.0/24", "@web", IPPROTO_TCP, 22)->log = true;
	rule("no-smtp", VS_REJECT, "nat0", "any", IPPROTO_TCP, 25);
	rule("literal-and-set", VS_ACCEPT, "192.0.2.77 $mixed", "web1", 0, 0);
	rule("set-to-literal", VS_DROP, "$mixed", "10.20.0.11", 0, 0);
	rule("ping4", VS_ACCEPT, "any", "rt0", IPPROTO_ICMP, 0);
	rule("host-to-web", VS_DROP, "host", "@web", IPPROTO_TCP, 23);
	rule("web-to-host", VS_ACCEPT, "@web", "host", IPPROTO_TCP, 8080);
	rule("a-name-that-is-longer-than-any-set-may-be-called", VS_ACCEPT, "any", "web1",
	     IPPROTO_UDP, 1000)
		->ports[0]
		.last = 2000;
	expect("firewall");
}

static void service(uint8_t protocol, uint16_t first, uint16_t last)
{
	w.management.services[w.management.nr_services++] = (struct vs_service){ protocol,
										 { first, last } };
}

/* Who is let in, before the firewall's rules; and that nobody else is, by any network. */
static void test_management(void **state)
{
	(void)state;
	vs_wanted_init(&w);
	network("xenbr0", &bridge, NULL, NULL)->has_uplink = true;
	network("nat0", &nat, "10.20.0.0/24", "fd00:20::/64");
	network("rt0", &route, "198.51.100.64/27", "2001:db8:40::/64");
	strcpy(w.management.network, "xenbr0");
	w.management.place = (struct diag_place){ .file = "policy.yaml", .line = 5 };
	service(IPPROTO_TCP, 22, 22);
	service(IPPROTO_TCP, 9100, 9100);
	service(IPPROTO_UDP, 161, 162);
	w.management.allow = calloc(2, sizeof(*w.management.allow));
	w.management.allow[w.management.nr_allow++] = prefix("192.0.2.0/24");
	w.management.allow[w.management.nr_allow++] = prefix("2001:db8:0:1::/64");
	w.firewall = (struct vs_firewall){ .given = true,
					   .guest_to_guest = VS_DROP,
					   .guest_to_host = VS_REJECT,
					   .ingress = VS_DROP,
					   .egress = VS_ACCEPT };
	expect("management");
}

/* Without allow-from anybody is let in by that network, whatever the firewall says; nobody is kept out. */
static void test_management_of_all(void **state)
{
	(void)state;
	vs_wanted_init(&w);
	network("xenbr0", &bridge, NULL, NULL)->has_uplink = true;
	strcpy(w.management.network, "xenbr0");
	service(IPPROTO_TCP, 22, 22);
	expect("management_of_all");
}

/* No network that the host routes: nothing at all. */
static void test_nothing(void **state)
{
	int rc;

	(void)state;
	vs_wanted_init(&w);
	network("xenbr0", &bridge, NULL, NULL)->has_uplink = true;
	assert_null(rules_nat(&w, &rc));
	assert_int_equal(rc, 0);
	assert_null(rules_filter(&w, NULL, 0, &rc));
	assert_int_equal(rc, 0);
	vs_wanted_fini(&w);
}

static json_t *filter_with(const char *found)
{
	struct vs_address_set *s = &w.sets[0];
	json_t *doc;
	int rc;

	s->nr_found = 0;
	if (found)
		s->found[s->nr_found++] = prefix(found);
	doc = rules_filter(&w, NULL, 0, &rc);
	assert_non_null(doc);
	return doc;
}

/* Addresses of names differ in sets' elements alone, and are brought there without a plan. */
static void test_names(void **state)
{
	json_t *none, *one, *renewed;
	int rc;

	(void)state;
	vs_wanted_init(&w);
	network("nat0", &nat, "10.20.0.0/24", "fd00:20::/64");
	rule("out", VS_ACCEPT, "any", "$mirrors", 0, 0);
	w.firewall.given = true;
	w.firewall.egress = VS_DROP;
	vs_wanted_add_set(&w);
	strcpy(w.sets[0].name, "mirrors");
	w.sets[0].fqdns = calloc(1, sizeof(*w.sets[0].fqdns));
	strcpy(w.sets[0].fqdns[w.sets[0].nr_fqdns++], "www.example.org");
	w.sets[0].found = calloc(1, sizeof(*w.sets[0].found));
	none = filter_with(NULL);
	one = filter_with("2001:db8::1");
	assert_int_equal(json_array_size(json_object_get(none, "sets")),
			 json_array_size(json_object_get(one, "sets")));
	assert_true(json_equal(json_object_get(none, "rules"), json_object_get(one, "rules")));
	assert_false(json_equal(none, one));
	renewed = vs_rules_renew(&w, none, &rc);
	assert_true(json_equal(renewed, one));
	json_decref(renewed);
	assert_null(vs_rules_renew(&w, one, &rc));
	assert_int_equal(rc, 0);
	/* What the file says itself is another rule. */
	json_decref(none);
	w.sets[0].v = calloc(1, sizeof(*w.sets[0].v));
	w.sets[0].v[w.sets[0].nr++] = prefix("192.0.2.1");
	none = filter_with(NULL);
	assert_false(json_equal(json_object_get(none, "rules"), json_object_get(one, "rules")));
	json_decref(none);
	json_decref(one);
	vs_wanted_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_per_guest),
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_firewall),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_management),
		cmocka_unit_test(test_management_of_all),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
