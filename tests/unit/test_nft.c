/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The compiler of nftables' rules: what it takes, what it refuses and where. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "vswitch/nft.h"
#include "vswitch/vswitch.h"

static const struct {
	const char *family, *rule;
} good[] = {
	{ "netdev", "ether saddr != 00:16:3e:00:00:01 counter drop" },
	{ "netdev", "ether type vmap { ip : goto x, arp : drop, 0x88cc : continue }" },
	{ "netdev", "vlan id { 10, 20-30 } accept" },
	{ "netdev", "vlan id 4095 vlan pcp 7 accept" },
	{ "netdev", "ip saddr { 192.0.2.1, 198.51.100.0/24 } accept" },
	{ "netdev", "ip hdrlength 6 @nh,160,32 0x94040000 accept" },
	{ "netdev", "ip frag-off & 0x1fff != 0 accept" },
	{ "netdev", "@th,192,64 0x0101001122334455 accept" },
	{ "netdev", "frag frag-off != 0 exthdr rt missing accept" },
	{ "netdev", "icmpv6 type { 1-4, nd-neighbor-solicit } icmpv6 taddr fe80::1 accept" },
	{ "netdev", "meta l4proto { tcp, udp } th sport >= 0 accept" },
	{ "netdev", "arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation request "
		    "arp saddr ether 00:16:3e:00:00:01 arp saddr ip 0.0.0.0 accept" },
	{ "netdev", "limit rate over 1000/second burst 100 packets counter drop" },
	{ "netdev", "limit rate 10 mbytes/second burst 64 kbytes accept" },
	{ "inet", "ip saddr . tcp dport { 192.0.2.0/24 . 80-90, 192.0.2.9 . 443 } accept" },
	{ "inet", "ip6 saddr 2001:db8::/32 ip6 daddr != 2001:db8::1-2001:db8::9 drop" },
	{ "inet", "iifname \"vif*\" oifname != \"eth0\" meta pkttype multicast drop" },
	{ "inet", "ct state established,related accept" },
	{ "inet", "ct state != invalid ct status dnat ct direction reply accept" },
	{ "inet", "ct original ip daddr 192.0.2.1 ct original proto-dst 80 masquerade" },
	{ "inet", "fib daddr type local jump local" },
	{ "inet", "tcp dport 80 dnat ip to 10.0.0.1:8080" },
	{ "inet", "tcp dport 80-90 dnat ip6 to [fd00::1]:100-110" },
	{ "inet", "dnat ip to tcp dport map { 81 : 10.0.0.2 . 90, 82 : 10.0.0.3 . 90 }" },
	{ "inet", "ip saddr 10.0.0.0/8 snat to 192.0.2.1-192.0.2.4 random,persistent" },
	{ "inet", "masquerade to :1024-65535 fully-random" },
	{ "inet", "tcp dport 53 redirect to :5353" },
	{ "inet", "log prefix \"drop: \" level info" },
	{ "inet", "log prefix \"drop\" group 5" },
	{ "inet", "tcp dport 22 reject with tcp reset" },
	{ "inet", "reject with icmpx admin-prohibited" },
	{ "inet", "ct mark set 0x10 meta mark set ct mark" },
	{ "inet", "meta mark 5 meta length > 1500 notrack" },
	{ "inet", "udp sport 67 udp dport 68 udp checksum set 0" },
	{ "ip", "ip daddr 0.0.0.0/0 accept" },
	{ "bridge", "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 accept" },
};

static void takes(void **state)
{
	char why[VS_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (nft_check_rule(good[i].family, good[i].rule, why) != 0)
			fail_msg("%s: %s", good[i].rule, why);
}

static const struct {
	const char *family, *rule, *why;
} bad[] = {
	{ "inet", "ip saddr 192.0.2.256 drop", "column 10, '192.0.2.256'" },
	{ "inet", "ip saddr 192.0.2.1/24 drop", "column 10" },
	{ "inet", "ip saddr 192.0.2.9-192.0.2.1 drop", "column 10" },
	{ "inet", "ip saddr 2001:db8::1 drop", "not a value of ip saddr" },
	{ "inet", "ip saddr 192.0.2.1 ip6 daddr ::1 drop", "both kinds" },
	{ "inet", "tcp dport 80 udp sport 1 drop", "both protocols" },
	{ "inet", "arp operation request drop", "sees no ARP" },
	{ "ip", "ip6 saddr ::1 drop", "both kinds" },
	{ "inet", "tcp dport 65536 drop", "column 11" },
	{ "inet", "tcp dport { 80, 81 drop", "is missing" },
	{ "inet", "tcp dport { 80-90, 85 } drop", "overlap" },
	{ "inet", "tcp dport { 80, 80 } drop", "overlap" },
	{ "inet", "tcp dport @ports drop", "no such set" },
	{ "inet", "ip saddr . tcp dport 5 drop", "with a set" },
	{ "inet", "ip saddr . tcp dport { 192.0.2.1 } drop", "more fields" },
	{ "inet", "ct state > new drop", "no order" },
	{ "inet", "ether saddr 00:16:3e:00:00 drop", "column 13" },
	{ "netdev", "vlan id 4096 drop", "column 9" },
	{ "netdev", "vlan pcp { 1 } drop", "looked up" },
	{ "netdev", "@th,0,200 1 drop", "neither" },
	{ "netdev", "@th,0,16 0x12345 drop", "not a value" },
	{ "inet", "jump", "name of a chain" },
	{ "inet", "frobnicate", "neither" },
	{ "inet", "log prefix \"open", "not closed" },
	{ "inet", "limit rate 5/fortnight drop", "per second" },
	{ "inet", "limit rate over 0/second drop", "at least 1" },
	{ "inet", "reject with tcp reset", "TCP alone" },
	{ "inet", "dnat to 10.0.0.1", "say 'ip to'" },
	{ "inet", "dnat ip to", "an address" },
	{ "inet", "ip saddr 1.2.3.4; drop", "not a character" },
	{ "inet", "udp checksum set 0", "UDP first" },
};

static void refuses(void **state)
{
	char why[VS_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc = nft_check_rule(bad[i].family, bad[i].rule, why);

		if (rc != -EINVAL || !strstr(why, bad[i].why))
			fail_msg("%s: %d '%s', not '%s'", bad[i].rule, rc, why, bad[i].why);
	}
}

static void refuses_long_rules(void **state)
{
	char why[VS_TEXT_LEN], text[NFT_RULE_LEN + 2];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "drop", 4);
	text[NFT_RULE_LEN] = '\0';
	assert_int_equal(nft_check_rule("inet", text, why), 0);
	text[NFT_RULE_LEN] = ' ';
	text[NFT_RULE_LEN + 1] = '\0';
	assert_int_equal(nft_check_rule("inet", text, why), -EINVAL);
}

static const struct {
	const char *name, *doc, *why; /* why NULL: good */
} docs[] = {
	{ "inet vifrost",
	  "{\"chains\":[{\"name\":\"in\",\"type\":\"filter\",\"hook\":\"input\",\"priority\":0},"
	  "{\"name\":\"web\"}],"
	  "\"sets\":[{\"name\":\"a\",\"type\":\"ipv4_addr . inet_service\",\"flags\":[\"interval\"],"
	  "\"elements\":[\"10.0.0.0/8 . 80\",\"192.0.2.1 . 1-9\"]},"
	  "{\"name\":\"m\",\"type\":\"inet_service\",\"map\":\"ipv4_addr . inet_service\","
	  "\"elements\":[\"80 : 10.0.0.1 . 8080\"]},"
	  "{\"name\":\"v\",\"type\":\"ifname\",\"map\":\"verdict\",\"elements\":[\"eth0 : goto web\"]}],"
	  "\"rules\":[{\"chain\":\"in\",\"rule\":\"ip saddr . tcp dport @a accept\"},"
	  "{\"chain\":\"in\",\"rule\":\"iifname vmap @v\"},"
	  "{\"chain\":\"web\",\"rule\":\"dnat ip to tcp dport map @m\",\"comment\":\"x:5\"}]}",
	  NULL },
	{ "netdev vifrost-vif1.0",
	  "{\"chains\":[{\"name\":\"in\",\"hook\":\"ingress\",\"device\":\"vif1.0\",\"priority\":0,"
	  "\"policy\":\"drop\",\"rules\":[\"counter accept comment \\\"all\\\"\"]}]}",
	  NULL },
	{ "inet filter", "{}", "no table of ours" },
	{ "x vifrost", "{}", "no table of ours" },
	{ "inet vifrost",
	  "{\"chains\":[{\"name\":\"in\",\"hook\":\"ingress\",\"priority\":0,\"rules\":[]}]}",
	  "no such hook" },
	{ "netdev vifrost",
	  "{\"chains\":[{\"name\":\"in\",\"hook\":\"ingress\",\"priority\":0,\"rules\":[]}]}",
	  "\"device\"" },
	{ "inet vifrost", "{\"chains\":[],\"rules\":[{\"chain\":\"in\",\"rule\":\"drop\"}]}",
	  "no such chain" },
	{ "inet vifrost",
	  "{\"chains\":[{\"name\":\"a\"}],\"rules\":[{\"chain\":\"a\",\"rule\":\"jump b\"}]}",
	  "no chain b" },
	{ "inet vifrost",
	  "{\"chains\":[{\"name\":\"a\"}],\"rules\":[{\"chain\":\"a\",\"rule\":\"iifname vmap { a : "
	  "jump b }\"}]}",
	  "no chain b" },
	{ "inet vifrost",
	  "{\"sets\":[{\"name\":\"a\",\"type\":\"ipv4_addr\",\"elements\":[\"10.0.0.2\",\"10.0.0.1\"]}]}",
	  "out of order" },
	{ "inet vifrost",
	  "{\"sets\":[{\"name\":\"a\",\"type\":\"ipv4_addr\",\"elements\":[\"10.0.0.0/8\"]}]}",
	  "interval" },
	{ "inet vifrost",
	  "{\"sets\":[{\"name\":\"a\",\"type\":\"ipv4_addr\",\"flags\":[\"interval\"],\"elements\":["
	  "\"10.0.0.0/8\",\"10.1.0.0/16\"]}]}",
	  "overlap" },
	{ "inet vifrost",
	  "{\"chains\":[{\"name\":\"a\"}],\"sets\":[{\"name\":\"s\",\"type\":\"ipv6_addr\",\"elements\":[]}],"
	  "\"rules\":[{\"chain\":\"a\",\"rule\":\"ip saddr @s drop\"}]}",
	  "type is not" },
	{ "inet vifrost",
	  "{\"chains\":[{\"name\":\"a\"}],\"rules\":[{\"chain\":\"a\",\"rule\":\"ip saddr x drop\"}]}",
	  "in \"ip saddr x drop\"" },
};

static void checks_documents(void **state)
{
	char why[VS_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		json_t *doc = json_loads(docs[i].doc, 0, NULL);
		int rc;

		assert_non_null(doc);
		rc = nft_check(docs[i].name, doc, why);
		if (docs[i].why ? rc != -EINVAL || !strstr(why, docs[i].why) : rc != 0)
			fail_msg("%s: %d '%s'", docs[i].doc, rc, why);
		json_decref(doc);
	}
}

static void sorts(void **state)
{
	json_t *v = json_pack("[sss]", "b", "c", "a"), *want = json_pack("[sss]", "a", "b", "c");

	(void)state;
	assert_int_equal(nft_sort(v), 0);
	assert_true(json_equal(v, want));
	json_decref(v);
	json_decref(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_long_rules),
		cmocka_unit_test(checks_documents),
		cmocka_unit_test(sorts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
