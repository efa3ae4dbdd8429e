/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that a policy can say of modes, vifs and rules arrives where planners read it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "policy/place.h"
#include "policy/wanted.h"

static const char text[] =
	"version: 1\n"
	"uplinks:\n"
	"  lan0: { match: { mac: \"52:54:00:aa:bb:01\" }, mtu: 9000 }\n"
	"  lan1: { match: { name: e1 } }\n"
	"  lan2: { match: { name: e2 } }\n"
	"  bond0: { bond: { mode: 802.3ad, members: [lan2, lan1], lacp-rate: fast, hash: layer3+4, mii-interval: 50ms } }\n"
	"  v30: { vlan: { id: 30, link: lan0 }, mtu: 1400 }\n"
	"  v31: { vlan: { id: 31, link: bond0 } }\n"
	"networks:\n"
	"  br0:\n"
	"    mode: bridge\n"
	"    uplink: lan0\n"
	"    mtu: 1500\n"
	"    stp: { max-age: 10s, forward-delay: 7s, hello-time: 1s, priority: 0 }\n"
	"    vlan-filtering: true\n"
	"    vlans: { web: 10 }\n"
	"    addresses: [dhcp, 192.0.2.10/24, ra]\n"
	"  br1: { mode: bridge, uplink: v30, addresses: [dhcp6] }\n"
	"  br2: { mode: bridge, addresses: [10.1.0.1/24], masquerade: true }\n"
	"  ovs0:\n"
	"    mode: ovs\n"
	"    uplink: bond0\n"
	"    rstp: true\n"
	"    fail-mode: secure\n"
	"    datapath: netdev\n"
	"    mirrors: { m: { select: { guests: [web, \"@db\"] }, output: { vif: db/3 } } }\n"
	"    profile: fast\n"
	"  ovs1: { mode: ovs, uplink: v31, datapath: kernel }\n"
	"  nat0:\n"
	"    mode: nat\n"
	"    subnets:\n"
	"      - { cidr: 10.20.0.0/24, dhcp: { range: 10.20.0.100-10.20.0.199, lease: 2h } }\n"
	"      - { cidr: \"fd00:20::/64\", gateway: \"fd00:20::fe\", ra: dhcpv6, nat66: true, dhcp: {} }\n"
	"    egress: { network: br0, source: [\"2001:db8::9\", 192.0.2.10] }\n"
	"    dns: { domain: Nat0.Example, forward-to: [9.9.9.9, \"2620:fe::fe\"], register-guests: true }\n"
	"  rt0: { mode: route, subnets: [ { cidr: 198.51.100.64/27 } ], egress: { network: br0 } }\n"
	"  rt1: { mode: route, subnets: [ { cidr: 198.51.100.96/27 } ], advertise: none, isolation: none }\n"
	"  lab0: { mode: isolated }\n"
	"profiles:\n"
	"  fast: { datapath: kernel, anti-spoof: mac, rate: { ingress: 1Gbit, egress: 2Gbit, egress-pps: 200k } }\n"
	"guests:\n"
	"  web:\n"
	"    match: { name: \"web 1\" }\n"
	"    vifs:\n"
	"      - { devid: 0, network: nat0, mac: \"00:16:3e:00:00:01\", addresses: [10.20.0.11, \"fd00:20::11\"], anti-spoof: strict, isolation: port, tags: [a, b] }\n"
	"      - { devid: 1, network: br0, vlan: { trunk: [web, 20, 100-199], native: web } }\n"
	"      - { devid: 2, network: ovs0, vlan: { access: 7 }, rate: { ingress: none, burst: 2MB, ingress-pps: 1M } }\n"
	"  db:\n"
	"    vifs:\n"
	"      - { devid: 3, network: ovs0, tags: [db], role: mirror-target }\n"
	"      - { devid: 4, network: rt0, addresses: [198.51.100.70], isolation: none }\n"
	"  \"*\": { vifs: [ { network: lab0 } ] }\n"
	"address-sets: { admins: [192.0.2.0/24, \"2001:db8::1\"], none: [] }\n"
	"firewall:\n"
	"  defaults: { guest-to-guest: drop, guest-to-host: reject, egress: drop }\n"
	"  rules:\n"
	"    - { name: one, action: reject, from: [\"@a\", \"$admins\", nat0, web2], to: [host, 192.0.2.0/24], protocol: tcp, ports: [80, 90-99], log: true }\n"
	"    - { name: two, action: drop, from: any }\n"
	"forwards:\n"
	"  - { name: f, network: nat0, protocol: udp, listen: { port: 53 }, to: { guest: web, port: 54 }, allow-from: \"$admins\", hairpin: true }\n"
	"  - { name: g, network: nat0, protocol: tcp, listen: { address: 192.0.2.10, port: 100-110 }, to: { guest: web } }\n";

struct fixture {
	struct policy *policy;
	struct vs_wanted w;
};

static int setup(void **state)
{
	static struct fixture f;
	struct diags ds = { 0 };
	char whole[sizeof(text) + 128];
	char *guests;

	/* A guest whose name a rule may use. */
	snprintf(whole, sizeof(whole), "%s", text);
	guests = strstr(whole, "  \"*\": {");
	snprintf(guests, sizeof(whole) - (size_t)(guests - whole), "%s%s",
		 "  web2: { vifs: [ { devid: 0, network: nat0, addresses: [10.20.0.12] } ] }\n",
		 strstr(text, "  \"*\": {"));
	if (pol_load_text("f", whole, strlen(whole), &ds, &f.policy)) {
		diags_print(&ds, stderr);
		return -1;
	}
	diags_fini(&ds);
	vs_wanted_init(&f.w);
	*state = &f;
	return pol_wanted(f.policy, "h", &f.w);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vs_wanted_fini(&f->w);
	pol_free(f->policy);
	return 0;
}

static const struct vs_network *get(void **state, const char *name)
{
	const struct vs_network *n = vs_wanted_network(&((struct fixture *)*state)->w, name);

	assert_non_null(n);
	return n;
}

static void assert_address(const uint8_t *bytes, const char *address)
{
	uint8_t want[16] = { 0 };

	assert_int_equal(inet_pton(strchr(address, ':') ? AF_INET6 : AF_INET, address, want), 1);
	assert_memory_equal(bytes, want, sizeof(want));
}

static void assert_prefix(const struct vs_prefix *p, const char *address, unsigned int len)
{
	assert_int_equal(p->family, strchr(address, ':') ? AF_INET6 : AF_INET);
	assert_int_equal(p->len, len);
	assert_address(p->address, address);
}

static void bridges(void **state)
{
	const struct vs_network *n = get(state, "br0");

	assert_int_equal(n->uplink_vlan, 0);
	assert_int_equal(n->uplink_mtu, 9000);
	assert_int_equal(n->uplink_bond.nr_members, 0);
	assert_true(n->stp);
	assert_int_equal(n->stp_max_age_s, 10);
	assert_int_equal(n->stp_forward_delay_s, 7);
	assert_int_equal(n->stp_hello_s, 1);
	assert_int_equal(n->stp_priority, 0);
	assert_true(n->has_stp_priority);
	assert_true(n->vlan_filtering);
	assert_true(n->host_dhcp4);
	assert_true(n->host_ra);
	assert_false(n->host_dhcp6);
	assert_int_equal(n->nr_addrs, 1);
	n = get(state, "br1");
	assert_string_equal(n->uplink_name, "lan0");
	assert_true(n->uplink.has_mac);
	assert_int_equal(n->uplink_mtu, 9000);
	assert_int_equal(n->uplink_vlan, 30);
	assert_string_equal(n->uplink_vlan_name, "v30");
	assert_int_equal(n->uplink_vlan_mtu, 1400);
	assert_int_equal(n->mtu, 1400);
	assert_true(n->host_dhcp6);
	assert_false(n->has_stp_priority);
	n = get(state, "br2");
	assert_false(n->has_uplink);
	assert_true(n->masquerade);
	assert_int_equal(n->nr_subnets, 1);
	assert_prefix(&n->subnets[0].prefix, "10.1.0.0", 24);
	assert_address(n->subnets[0].gateway, "10.1.0.1");
	assert_int_equal(get(state, "br0")->nr_subnets, 0);
}

static void switches(void **state)
{
	const struct vs_network *n = get(state, "ovs0");
	const struct vs_mirror *m = n->mirrors;

	assert_true(n->rstp);
	assert_false(n->stp);
	assert_true(n->fail_secure);
	assert_int_equal(n->ovs_datapath, VS_OVS_NETDEV);
	assert_string_equal(n->uplink_name, "bond0");
	assert_int_equal(n->uplink_bond.nr_members, 2);
	assert_string_equal(n->uplink_bond.members[0].name, "e2");
	assert_int_equal(n->uplink_bond.mode, VS_BOND_802_3AD);
	assert_int_equal(n->uplink_bond.hash, VS_BOND_HASH_LAYER34);
	assert_true(n->uplink_bond.lacp_fast);
	assert_int_equal(n->uplink_bond.mii_ms, 50);
	assert_int_equal(n->nr_mirrors, 1);
	assert_string_equal(m->name, "m");
	assert_int_equal(m->nr_guests, 2);
	assert_string_equal(m->guests[0], "web");
	assert_string_equal(m->guests[1], "@db");
	assert_string_equal(m->output_guest, "db");
	assert_int_equal(m->output_devid, 3);
	n = get(state, "ovs1");
	assert_int_equal(n->ovs_datapath, VS_OVS_KERNEL);
	assert_false(n->fail_secure);
	assert_int_equal(n->uplink_vlan, 31);
	assert_int_equal(n->uplink_bond.nr_members, 2);
}

static void routers(void **state)
{
	const struct vs_network *n = get(state, "nat0");
	const struct vs_subnet *s = n->subnets;

	assert_int_equal(n->nr_subnets, 2);
	assert_prefix(&s[0].prefix, "10.20.0.0", 24);
	assert_address(s[0].gateway, "10.20.0.1");
	assert_true(s[0].has_dhcp);
	assert_address(s[0].dhcp_first, "10.20.0.100");
	assert_address(s[0].dhcp_last, "10.20.0.199");
	assert_int_equal(s[0].lease_s, 7200);
	assert_false(s[0].nat66);
	assert_prefix(&s[1].prefix, "fd00:20::", 64);
	assert_address(s[1].gateway, "fd00:20::fe");
	assert_true(s[1].has_dhcp);
	assert_address(s[1].dhcp_first, "::");
	assert_int_equal(s[1].ra, VS_RA_DHCPV6);
	assert_true(s[1].nat66);
	assert_string_equal(n->egress.network, "br0");
	assert_prefix(&n->egress.source4, "192.0.2.10", 32);
	assert_prefix(&n->egress.source6, "2001:db8::9", 128);
	assert_true(n->dns.given);
	assert_string_equal(n->dns.domain, "nat0.example");
	assert_int_equal(n->dns.nr_forward_to, 2);
	assert_prefix(&n->dns.forward_to[1], "2620:fe::fe", 128);
	assert_true(n->dns.register_guests);
	n = get(state, "rt0");
	assert_true(n->proxy_neighbours);
	assert_true(n->is_per_guest);
	assert_int_equal(n->egress.source4.family, 0);
	n = get(state, "rt1");
	assert_false(n->proxy_neighbours);
	assert_false(n->is_per_guest);
	assert_string_equal(n->egress.network, "");
}

static void entries(void **state)
{
	const struct vs_wanted *w = &((struct fixture *)*state)->w;
	const struct vs_entry *e = w->entries;

	assert_int_equal(w->nr_entries, 6); /* without "*" */
	assert_string_equal(e->guest, "web");
	assert_int_equal(e->devid, 0);
	assert_string_equal(e->network, "nat0");
	assert_true(e->has_mac);
	assert_int_equal(e->mac[5], 1);
	assert_int_equal(e->nr_addrs, 2);
	assert_prefix(&e->addrs[1], "fd00:20::11", 128);
	assert_int_equal(e->nr_tags, 2);
	assert_string_equal(e->tags[1], "b");
	assert_false(e[1].has_mac);
}

static void rules(void **state)
{
	const struct vs_wanted *w = &((struct fixture *)*state)->w;
	const struct vs_rule *r = w->firewall.rules;

	assert_int_equal(w->nr_sets, 2);
	assert_int_equal(w->sets[0].nr, 2);
	assert_prefix(&w->sets[0].v[1], "2001:db8::1", 128);
	assert_int_equal(w->sets[1].nr, 0);
	assert_true(w->firewall.given);
	assert_int_equal(w->firewall.guest_to_guest, VS_DROP);
	assert_int_equal(w->firewall.guest_to_host, VS_REJECT);
	assert_int_equal(w->firewall.ingress, VS_ACCEPT);
	assert_int_equal(w->firewall.egress, VS_DROP);
	assert_int_equal(w->firewall.nr_rules, 2);
	assert_string_equal(r->name, "one");
	assert_int_equal(r->action, VS_REJECT);
	assert_int_equal(r->nr_from, 4);
	assert_int_equal(r->from[0].kind, VS_PEER_TAG);
	assert_string_equal(r->from[0].name, "a");
	assert_int_equal(r->from[1].kind, VS_PEER_SET);
	assert_string_equal(r->from[1].name, "admins");
	assert_int_equal(r->from[2].kind, VS_PEER_NETWORK);
	assert_int_equal(r->from[3].kind, VS_PEER_GUEST);
	assert_string_equal(r->from[3].name, "web2");
	assert_int_equal(r->to[0].kind, VS_PEER_HOST);
	assert_int_equal(r->to[1].kind, VS_PEER_PREFIX);
	assert_prefix(&r->to[1].prefix, "192.0.2.0", 24);
	assert_int_equal(r->protocol, IPPROTO_TCP);
	assert_int_equal(r->nr_ports, 2);
	assert_int_equal(r->ports[0].last, 80);
	assert_int_equal(r->ports[1].last, 99);
	assert_true(r->log);
	assert_int_equal(r[1].from[0].kind, VS_PEER_ANY);
	assert_int_equal(r[1].nr_to, 0);
	assert_int_equal(r[1].protocol, 0);
}

static void forwards(void **state)
{
	const struct vs_wanted *w = &((struct fixture *)*state)->w;
	const struct vs_forward *f = w->forwards;

	assert_int_equal(w->nr_forwards, 2);
	assert_string_equal(f->name, "f");
	assert_string_equal(f->network, "nat0");
	assert_string_equal(f->guest, "web");
	assert_int_equal(f->protocol, IPPROTO_UDP);
	assert_int_equal(f->listen.family, 0);
	assert_int_equal(f->ports.first, 53);
	assert_int_equal(f->ports.last, 53);
	assert_int_equal(f->to_port, 54);
	assert_prefix(&f->to4, "10.20.0.11", 32);
	assert_prefix(&f->to6, "fd00:20::11", 128);
	assert_int_equal(f->nr_allow_from, 1);
	assert_int_equal(f->allow_from[0].kind, VS_PEER_SET);
	assert_true(f->hairpin);
	f++;
	assert_prefix(&f->listen, "192.0.2.10", 32);
	assert_int_equal(f->ports.last, 110);
	assert_int_equal(f->to_port, 0);
	assert_int_equal(f->to6.family, 0);
	assert_int_equal(f->nr_allow_from, 0);
}

static void place(void **state, const char *guest, uint16_t devid, const char *mac,
		  struct placement *out)
{
	struct place_vif who = { .domid = 5, .devid = devid };

	snprintf(who.guest, sizeof(who.guest), "%s", guest);
	snprintf(who.mac, sizeof(who.mac), "%s", mac);
	snprintf(who.uuid, sizeof(who.uuid), "11111111-2222-3333-4444-555555555555");
	place_vif(((struct fixture *)*state)->policy, &who, false, out);
}

static void vifs(void **state)
{
	struct placement p;
	const struct vs_vif *v = &p.vif;

	place(state, "web 1", 0, "00:16:3e:00:00:01", &p);
	assert_true(p.is_placed);
	assert_string_equal(v->name, "vif5.0");
	assert_int_equal(v->domid, 5);
	assert_int_equal(v->anti_spoof, VS_SPOOF_STRICT);
	assert_int_equal(v->isolation, VS_ISOLATION_PORT);
	assert_true(v->has_mac);
	assert_int_equal(v->nr_addrs, 2);
	assert_int_equal(v->nr_tags, 2);
	assert_string_equal(v->guest, "web");
	assert_string_equal(v->uuid, "11111111-2222-3333-4444-555555555555");
	assert_int_equal(v->to_guest.bits_per_s + v->from_guest.bits_per_s, 0);

	place(state, "web 1", 1, "00:16:3e:00:00:02", &p);
	assert_int_equal(v->vlans.nr_trunk, 3);
	assert_int_equal(v->vlans.trunk[0].first, 10);
	assert_int_equal(v->vlans.trunk[0].last, 10);
	assert_int_equal(v->vlans.trunk[1].last, 20);
	assert_int_equal(v->vlans.trunk[2].last, 199);
	assert_int_equal(v->vlans.native, 10);
	assert_int_equal(v->vlans.access, 0);
	assert_true(v->has_mac); /* the toolstack's */
	assert_int_equal(v->mac[5], 2);

	/* An ovs network's datapath is the switch's, the profile's is the vif's. */
	place(state, "web 1", 2, "00:16:3e:00:00:03", &p);
	assert_int_equal(p.datapath, POL_DATAPATH_KERNEL);
	assert_int_equal(v->vlans.access, 7);
	assert_int_equal(v->to_guest.bits_per_s, 0);
	assert_int_equal(v->to_guest.packets_per_s, 1000000);
	assert_int_equal(v->to_guest.burst_bytes, 2000000);
	assert_int_equal(v->from_guest.bits_per_s, 2000000000);
	assert_int_equal(v->from_guest.packets_per_s, 200000);

	place(state, "db", 4, "", &p);
	assert_true(p.is_placed);
	assert_int_equal(v->isolation, VS_ISOLATION_GUEST);
	place(state, "stranger", 0, "", &p);
	assert_string_equal(v->guest, "stranger");
	assert_string_equal(v->network, "lab0");
}

/* What would only seem protected stays off. */
static void unprotected(void **state)
{
	static const char policy[] =
		"version: 1\n"
		"networks:\n"
		"  a: { mode: bridge, profile: p }\n"
		"  b: { mode: bridge, profile: q }\n"
		"  c: { mode: route, subnets: [ { cidr: 10.0.0.0/24 } ] }\n"
		"profiles: { p: { anti-spoof: strict }, q: { anti-spoof: mac } }\n";
	static const struct {
		const char *bridge, *mac, *why; /* why NULL: placed */
	} rows[] = {
		{ "a", "00:16:3e:00:00:01", "strict needs its addresses" },
		{ "b", "", "needs its hardware address" },
		{ "b", "00:16:3e:00:00:01", NULL },
		{ "c", "00:16:3e:00:00:01", "routes to addresses" },
	};
	struct diags ds = { 0 };
	struct policy *p;

	(void)state;
	assert_int_equal(pol_load_text("f", policy, strlen(policy), &ds, &p), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct place_vif who = { .domid = 1, .guest = "g" };
		struct placement out;

		snprintf(who.bridge, sizeof(who.bridge), "%s", rows[i].bridge);
		snprintf(who.mac, sizeof(who.mac), "%s", rows[i].mac);
		place_vif(p, &who, false, &out);
		assert_int_equal(out.is_placed, !rows[i].why);
		if (rows[i].why)
			assert_non_null(strstr(out.why, rows[i].why));
	}
	diags_fini(&ds);
	pol_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bridges, setup, teardown),
		cmocka_unit_test_setup_teardown(switches, setup, teardown),
		cmocka_unit_test_setup_teardown(routers, setup, teardown),
		cmocka_unit_test_setup_teardown(entries, setup, teardown),
		cmocka_unit_test_setup_teardown(rules, setup, teardown),
		cmocka_unit_test_setup_teardown(forwards, setup, teardown),
		cmocka_unit_test_setup_teardown(vifs, setup, teardown),
		cmocka_unit_test(unprotected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
