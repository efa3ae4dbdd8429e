#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A policy on a real kernel: the uplink's addresses and routes go onto xenbr0 and come back exactly; a
# second apply changes nothing; a restarted daemon adopts everything; what is not ours stays untouched.
#
#	lan0 ==== veth ==== wan0 (namespace "lan")	policy: xenbr0 with uplink lan0, priv0 without
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd jq ping
test_enter "$@"

# All that a move must not change: addresses without their age, routes without their order.
dump() {
	ip -j -d addr show dev "$1" | jq -S 'map({ifname, mtu, operstate, master, flags,
		addr_info: (.addr_info | map(del(.valid_life_time, .preferred_life_time)))})'
	ip -j -4 route show table main | jq -S 'sort_by(.dst, .metric)'
	ip -j -6 route show table main | jq -S 'map(del(.expires)) | sort_by(.dst, .metric, .dev)'
}
changes() { vifrost apply -j "$1" | jq .changes; }
has_address() { [[ $(ip -o addr show dev "$1") = *" $2 "* ]]; }
settled() { [[ $(ip -6 addr show dev xenbr0) != *tentative* ]]; }
host_reaches_lan() { ping -c 1 -W 1 $LAB_LAN4 > /dev/null && ping -c 1 -W 1 $LAB_LAN6 > /dev/null; }

cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" }, mtu: 1480 } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, mtu: 1480, addresses: [192.0.2.10/24, 203.0.113.5/28], stp: true }
	  priv0: { mode: bridge, addresses: [10.9.0.1/24, "2001:db8:9::1/64"], routes: [ { to: 10.8.0.0/16, via: 10.9.0.2, metric: 7 } ] }
END
sed 's/stp: true/stp: false/; s/, 203.0.113.5.28//; /priv0/d' /run/policy.yaml > /run/smaller.yaml

lab_network
ip addr add 192.0.2.11/24 dev lan0 label lan0:second
ip addr add 198.51.100.9/32 dev lan0 scope link
ip route add 198.51.100.0/24 via 192.0.2.77 metric 50 mtu 1300
ip route add 10.77.0.0/16 dev lan0 src 192.0.2.11
ip route add 10.78.0.0/16 via 192.0.2.77 table 99
ip -6 route add 2001:db8:77::/48 via 2001:db8:0:1::77
ip -6 addr add 2001:db8:0:1::aa/128 dev lan0 nodad preferred_lft 3000000 valid_lft 4000000
ip link add foreign0 type bridge
ip addr add 172.31.0.1/24 dev foreign0
wait_for 5 host_reaches_lan
addresses_settle
dump lan0 > /run/before
ip -j route show table 99 > /run/before99
sysctl -n net.bridge.bridge-nf-call-iptables > /run/before-nf 2> /dev/null || true
before_foreign=$(ip -j -d link show foreign0 | jq -S 'map(del(.linkinfo))')

daemon_start vifrostd
vifrost plan --exit-code /run/policy.yaml > /run/plan && fail "plan says there is nothing to do" ||
	[ $? = 1 ]
dump lan0 | cmp - /run/before || fail "plan changed something"

vifrost apply -q /run/policy.yaml
host_reaches_lan
[ "$(cat /sys/class/net/xenbr0/address)" = 52:54:00:aa:bb:01 ]
[ "$(cat /sys/class/net/xenbr0/mtu)" = 1480 ]
[ "$(cat /sys/class/net/xenbr0/bridge/stp_state)" = 1 ]
[ "$(cat /sys/class/net/xenbr0/ifalias)" = vifrost:xenbr0 ]
[ "$(ip -j link show lan0 | jq -r '.[0].master')" = xenbr0 ]
[ -z "$(ip -o addr show dev lan0 scope global)" ] || fail "the uplink kept addresses"
for address in 192.0.2.10/24 192.0.2.11/24 198.51.100.9/32 203.0.113.5/28 2001:db8:0:1::10/64 \
	2001:db8:0:1::aa/128; do
	has_address xenbr0 "$address" || fail "$address is not on xenbr0"
done
[ -z "$(ip -4 route show table all dev lan0)" ] || fail "routes left on the uplink"
[ "$(ip route show table 99)" = "10.78.0.0/16 via 192.0.2.77 dev xenbr0 " ]
[[ $(ip route show 10.8.0.0/16) = *"via 10.9.0.2 dev priv0 "*"metric 7"* ]]
[ ! -e /proc/sys/net/bridge ] || [ "$(sysctl -n net.bridge.bridge-nf-call-iptables)" = 0 ]

[ "$(changes /run/policy.yaml)" = 0 ] || fail "the second apply changed something"
vifrost plan --exit-code /run/policy.yaml

# An IPv4 link that nobody of us made stays, and is told of when it is in the way.
ip link add taken0 type dummy 2> /dev/null || ip link add taken0 type ifb
sed 's/priv0/taken0/' /run/policy.yaml > /run/taken.yaml
vifrost apply /run/taken.yaml 2> /run/error && fail "took over a foreign link" || [ $? = 78 ]
grep -q "taken.yaml:5:.*taken0 exists already and is not Vifrost's" /run/error
[ "$(changes /run/policy.yaml)" = 0 ] || fail "a refused policy changed something"

# Killed and started again: nothing is sent to the kernel.
wait_for 10 settled
dump xenbr0 > /run/applied
daemon_stop vifrostd KILL
ip monitor link address route > /run/monitor &
monitor=$!
sleep 0.2
daemon_start vifrostd
[ "$(vifrost status -j | jq .pending)" = 0 ] || fail "the restarted daemon sees differences"
[ "$(changes /run/policy.yaml)" = 0 ] || fail "apply after a restart changed something"
kill "$monitor"
[ ! -s /run/monitor ] || fail "the restart was seen: $(cat /run/monitor)"
dump xenbr0 | cmp - /run/applied

# A smaller policy takes away what the larger one gave, and no more.
ip addr add 192.0.2.99/24 dev xenbr0
vifrost apply -q /run/smaller.yaml
! ip link show priv0 > /dev/null 2>&1 || fail "priv0 is still there"
! has_address xenbr0 203.0.113.5/28 || fail "an address that left the policy stayed"
has_address xenbr0 192.0.2.99/24 || fail "a foreign address was removed"
[ "$(cat /sys/class/net/xenbr0/bridge/stp_state)" = 0 ]
host_reaches_lan
ip addr del 192.0.2.99/24 dev xenbr0

vifrost down -q
dump lan0 > /run/after
diff /run/before /run/after || fail "down did not restore what was there"
ip -j route show table 99 | cmp - /run/before99
! ip link show xenbr0 > /dev/null 2>&1 || fail "xenbr0 is still there"
[ "$before_foreign" = "$(ip -j -d link show foreign0 | jq -S 'map(del(.linkinfo))')" ] ||
	fail "a foreign bridge was touched"
[ ! -s /run/before-nf ] || sysctl -n net.bridge.bridge-nf-call-iptables | cmp - /run/before-nf
host_reaches_lan
daemon_stop vifrostd
echo "apply: passed"
