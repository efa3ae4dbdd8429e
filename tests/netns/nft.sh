#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What our nftables engine puts into the kernel is what nft(8) reads there, and what the engine itself reads
# back is what was asked for; what others do to a table shows.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs netns-nft netns-guard-doc nft jq
test_enter "$@"
ip link add v0 type veth peer name v1

# $1 name, $2 its document
apply() { netns-nft apply "$1" <<< "$2"; }
shown() { netns-nft show | sed -n "s/^$1 //p"; }
# $1 name, $2 document: read back as it was asked for
assert_read_back() { [ "$(shown "$1")" = "$(jq -cS . <<< "$2")" ] || fail "$1 reads back as $(shown "$1")"; }

echo "netdev: each rule is what nft(8) says of it"
# A rule of ours, and nft's words for it where those differ.
rules='ether saddr != 00:16:3e:00:00:01 counter drop|ether saddr != 00:16:3e:00:00:01 counter packets 0 bytes 0 drop
ether type vmap { ip : goto x, arp : goto x }
vlan id { 10, 20-30 } accept
ip saddr { 192.0.2.1, 198.51.100.0/24 } accept
ip hdrlength 6 @nh,160,32 0x94040000 accept
ip frag-off & 0x1fff != 0 accept|ip frag-off & 8191 != 0 accept
@th,192,64 0x1101001122334455 accept
frag frag-off != 0 accept
frag frag-off 5 accept
exthdr rt exists drop
icmpv6 type { 1-4, echo-request } accept
meta l4proto { tcp, udp } th sport >= 0 accept
limit rate over 1000/second burst 100 packets drop
arp saddr ether 00:16:3e:00:00:01 arp saddr ip 10.0.0.1 accept
ip saddr . ip daddr { 192.0.2.1 . 198.51.100.0/24 } accept
ip saddr 10.0.0.0/24 ip saddr != 10.0.0.1-10.0.0.5 accept
ip6 saddr 2001:db8::/32 ip6 daddr != ::1 accept
meta length > 100 drop'
doc=$(cut -d'|' -f1 <<< "$rules" | jq -R . | jq -s '{chains: [
	{name: "c", type: "filter", hook: "ingress", device: "v0", priority: -300, policy: "drop", rules: .},
	{name: "x", rules: []}]}')
apply "netdev vifrost-t" "$doc" 2> /dev/null && fail "a guard's name for a table of another kind"
apply "netdev vifrosty" "$doc"
assert_read_back "netdev vifrosty" "$doc"
nft list chain netdev vifrosty c | sed '1,3d;s/^\t*//' | head -n -2 > /run/listed
sed 's/.*|//' <<< "$rules" | diff - /run/listed

echo "inet: maps, translation, answers"
rules='tcp dport 80 dnat ip to 10.0.0.1:8080
dnat ip to tcp dport map { 81 : 10.0.0.2 . 90 }
dnat ip to tcp dport map @m
tcp dport 80-90 dnat ip6 to [fd00::1]:100-110
tcp dport 53 redirect to :5353'
more='ct state established,related accept
ct status dnat accept
ip saddr 192.0.2.1 reject with icmpx admin-prohibited
tcp dport 1 reject with tcp reset
log prefix "x y" level info
udp dport 68 udp checksum set 0
fib daddr type local iifname "vif*" oifname != "eth0" accept
ip saddr . tcp dport @a accept
ip6 saddr @n ip6 daddr != @n accept
meta pkttype multicast ip ttl < 5 accept
ip saddr @s limit rate 10 mbytes/second burst 64 kbytes drop'
doc=$(jq -n --arg p "$rules" --arg f "$more" '{
	chains: [{name: "p", type: "nat", hook: "prerouting", priority: -100},
		{name: "f", type: "filter", hook: "forward", priority: 0, policy: "drop"}],
	sets: [{name: "a", type: "ipv4_addr . inet_service", flags: ["interval"],
			elements: ["10.0.0.0/8 . 80", "192.0.2.1 . 1-9"]},
		{name: "m", type: "inet_service", map: "ipv4_addr . inet_service", elements: ["80 : 10.0.0.1 . 8080"]},
		{name: "n", type: "ipv6_addr", flags: ["interval"], elements: ["2001:db8::/32", "fd00::1-fd00::9"]},
		{name: "s", type: "ipv4_addr", elements: ["10.0.0.1", "10.0.0.2"]}],
	rules: [($f | split("\n")[] | {chain: "f", rule: ., comment: "p.yaml:1"}),
		($p | split("\n")[] | {chain: "p", rule: .})]}')
apply "inet vifrost" "$doc"
assert_read_back "inet vifrost" "$doc"
nft list chain inet vifrost p | sed '1,3d;s/^\t*//' | head -n -2 | diff <(echo "$rules") -
nft list chain inet vifrost f | sed '1,3d;s/^\t*//;s/ comment "p.yaml:1"$//' | head -n -2 | diff <(echo "$more") -
[[ $(nft list set inet vifrost n) = *"2001:db8::/32"*"fd00::1-fd00::9"* ]]
[[ $(nft list map inet vifrost m) = *"80 : 10.0.0.1 . 8080"* ]]

echo "again: nothing; other elements: nothing but those"
nft -a list table inet vifrost > /run/before
apply "inet vifrost" "$doc"
nft -a list table inet vifrost | diff /run/before -
doc=$(jq '.sets[3].elements = ["10.0.0.2", "10.0.0.3"] | .sets[2].elements = ["2001:db8::/32", "fd00::7"]' <<< "$doc")
apply "inet vifrost" "$doc"
assert_read_back "inet vifrost" "$doc"
[[ $(nft list set inet vifrost s) = *"10.0.0.2, 10.0.0.3"* && $(nft list set inet vifrost n) = *fd00::7* ]]
nft -a list chain inet vifrost f | diff <(sed -n '/chain f/,/^\t}/p' /run/before) <(sed -n '/chain f/,/^\t}/p')

echo "refused: told with the rule, and what was there stays"
bad=$(jq '.rules[0].rule = "masquerade"' <<< "$doc")
why=$(apply "inet vifrost" "$bad" 2>&1) && fail "masquerade where packets are forwarded"
[[ $why = "rule 'masquerade'"* ]] || fail "it says: $why"
assert_read_back "inet vifrost" "$doc"

echo "what others do shows"
nft add rule inet vifrost f accept
[[ $(shown "inet vifrost") = *'"rule":"?"'* ]]
apply "inet vifrost" "$doc"
assert_read_back "inet vifrost" "$doc"
nft chain inet vifrost f '{ policy accept; }'
[[ $(shown "inet vifrost") != "$(jq -cS . <<< "$doc")" ]]
nft add element inet vifrost s '{ 10.9.9.9 }'
apply "inet vifrost" "$doc"
assert_read_back "inet vifrost" "$doc"

echo "guards of many vifs in one commit; one that is refused is named, and keeps the others before it"
guards() {
	local n docs={}
	for n; do
		docs=$(jq -c --argjson doc "$(netns-guard-doc vif$n.0 mac 00:16:3e:00:00:0$n)" \
			".\"netdev vifrost-vif$n.0\" = \$doc" <<< "$docs")
	done
	echo "$docs"
}
for n in 1 2 3 4 5; do ip tuntap add vif$n.0 mode tap; done
# The first makes the table that all share.
[ "$(guards 1 2 3 | netns-nft many)" = 2 ]
[ "$(guards 1 2 3 | netns-nft many)" = 0 ]
[ "$(guards 2 4 5 | netns-nft many)" = 1 ]
for n in 1 2 3 4 5; do
	assert_read_back "netdev vifrost-vif$n.0" "$(netns-guard-doc vif$n.0 mac 00:16:3e:00:00:0$n)"
done
for n in 4 5; do apply "netdev vifrost-vif$n.0" null; done
why=$(guards 4 5 2 | jq -c '."netdev vifrost-vif5.0".from.rules[0] = "masquerade"' | netns-nft many 2>&1 > /run/commits) &&
	fail "masquerade where a vif's packets arrive"
[[ $why = "rule 'masquerade'"* ]] || fail "it says: $why"
[[ $(netns-nft show) = *vifrost-vif4.0* && $(netns-nft show) != *vifrost-vif5.0* ]]
for n in 1 2 3 4; do apply "netdev vifrost-vif$n.0" null; done

echo "gone, twice; a table of others stays"
nft add table inet other
apply "inet vifrost" null
apply "inet vifrost" null
apply "netdev vifrosty" null
[ -z "$(netns-nft show)" ]
[ "$(nft list tables)" = "table inet other" ]
