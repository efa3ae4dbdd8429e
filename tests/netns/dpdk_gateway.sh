#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datapath dpdk: what the host routes between a network of mode route and a bridge on the LAN goes through user space,
# not the kernel, with the kernel's neighbours and routes, the policy's firewall, and without drift.
#
#	r1 198.51.100.11 --- ring -- rt0 198.51.100.1 -(routed)- xenbr0 192.0.2.10 --- lan0 ==== wan0 ("lan")
#	r2 198.51.100.12 --- ring --'                               '--- ring --- b1 192.0.2.21
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq
test_lab "$@"

# $1: what follows.
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, datapath: dpdk }
		  rt0:
		    mode: route
		    subnets: [ { cidr: 198.51.100.0/24, gateway: 198.51.100.1 }, { cidr: "2001:db8:51::/64", gateway: "2001:db8:51::1" } ]
		    datapath: dpdk
		guests:
		  b1: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:0a:01", addresses: [192.0.2.21] } ] }
		  r1: { vifs: [ { devid: 0, network: rt0, mac: "00:16:3e:00:0a:11", addresses: [198.51.100.11, "2001:db8:51::11"] } ] }
		  r2: { vifs: [ { devid: 0, network: rt0, mac: "00:16:3e:00:0a:12", addresses: [198.51.100.12] } ] }
		$1
	END
}
firewall='firewall:
  defaults: { guest-to-guest: drop, guest-to-host: accept, ingress: drop, egress: accept }
  rules: [ { name: web, from: ["192.0.2.1"], to: [r1], protocol: tcp, ports: [80], action: accept } ]'
policy "" > /run/open.yaml
policy "$firewall" > /run/closed.yaml
sed -i 's/^\t*//' /run/*.yaml

# What the host's ends got, of all that came from ports of rt0 and xenbr0.
to_kernel() { netback_rpc fast.status | jq '[.result.networks[].host."to-frames"] | add'; }
prefixes() { jq -r ".networks.$1.route.prefixes[] | select(.\"via-mac\") | .to" "$VIFROST_RUN_DIR/fast.json"; }
knows() { prefixes "$1" | grep -qxF "$2"; }
no_prefix() { ! knows "$1" "$2"; }
lan_reaches() { in_lan timeout 2 bash -c ": < /dev/tcp/$1/$2" 2> /dev/null; }

# The command passes, and user space routed its packets; a few of all are neighbours' questions.
is_user_space() {
	local before kernel
	before=$(fast_routed) kernel=$(to_kernel)
	"$@" || return 1
	user=$(($(fast_routed) - before)) kernel=$(($(to_kernel) - kernel))
	[ $user -ge 16 ] && [ $((kernel * 2)) -le $user ] || { echo "$user packets by user space, $kernel by the kernel: $*"; return 1; }
}
by_user_space() { is_user_space "$@" || fail "not by user space: $*"; }
by_kernel() {
	local before
	before=$(fast_routed)
	"$@" || fail "does not pass: $*"
	[ "$(fast_routed)" = "$before" ] || fail "by user space: $*"
}
pings() { in_guest "$1" ping -q -c 10 -i 0.05 -W 1 "$2" > /dev/null; }

lab_network
in_lan ip route add 198.51.100.0/24 via $LAB_HOST4
in_lan ip route add 2001:db8:51::/64 via $LAB_HOST6
lab_daemons_up
vifrost apply -q /run/open.yaml
guest_start b1 "mac=00:16:3e:00:0a:01" "ip addr add 192.0.2.21/24 dev eth0; ip route add 198.51.100.0/24 via $LAB_HOST4;"
guest_start r1 "mac=00:16:3e:00:0a:11" "ip addr add 198.51.100.11/24 dev eth0; ip route add default via 198.51.100.1; ip addr add 2001:db8:51::11/64 dev eth0 nodad; ip route add default via 2001:db8:51::1;"
guest_start r2 "mac=00:16:3e:00:0a:12" "ip addr add 198.51.100.12/24 dev eth0; ip route add default via 198.51.100.1;"

# The kernel finds neighbours, then both directions pass it by: to the LAN, to a guest of the bridge, IPv6.
assert_ping r1 $LAB_LAN4
assert_ping r1 $LAB_LAN6
assert_ping r1 192.0.2.21
assert_ping r2 $LAB_LAN4
for prefix in 198.51.100.11 198.51.100.12 2001:db8:51::11; do
	wait_for 5 knows xenbr0 $prefix || fail "xenbr0 does not know $prefix: $(cat "$VIFROST_RUN_DIR/fast.json")"
done
for prefix in 0.0.0.0/0 $LAB_LAN4 192.0.2.21 $LAB_LAN6; do
	wait_for 5 knows rt0 $prefix || fail "rt0 does not know $prefix: $(cat "$VIFROST_RUN_DIR/fast.json")"
done
by_user_space pings r1 $LAB_LAN4
by_user_space pings r1 $LAB_LAN6
by_user_space pings b1 198.51.100.12
by_user_space in_lan ping -q -c 10 -i 0.05 -W 1 198.51.100.11
! in_guest r1 ping -q -c 1 -W 1 -t 1 $LAB_LAN4 | grep -q ' 0% packet loss' || fail "a packet outlives its TTL"
assert_no_drift
[ "$(vifrost apply -j /run/open.yaml | jq .changes)" = 0 ] || fail "a second apply changes something"

# A route of the host's, and one away again; policy routing is the kernel's alone.
ip route add 203.0.113.0/24 via $LAB_LAN4
wait_for 5 knows rt0 203.0.113.0/24 || fail "a new route is not used"
ip route replace blackhole 203.0.113.0/24
wait_for 5 no_prefix rt0 203.0.113.0/24 || fail "a route that is gone is used"
ip route del 203.0.113.0/24
ip rule add from 198.51.100.12 lookup 100
wait_for 5 no_prefix rt0 0.0.0.0/0 || fail "routing rules are not heeded"
by_kernel pings r1 $LAB_LAN4
assert_explained r1 '.routing | .by == "kernel" and (.why | contains("routing rules of its own"))'
ip rule del from 198.51.100.12 lookup 100
wait_for 5 knows rt0 0.0.0.0/0
wait_for 5 knows xenbr0 198.51.100.11
assert_explained r1 '.routing | .by == "user space" and .networks == ["xenbr0"]'
assert_explained b1 '.routing == null'

# The firewall holds: refused in user space, the kernel refuses it as well; what is let in is user space's.
in_guest r1 socat TCP4-LISTEN:80,fork,reuseaddr EXEC:'head -c 400000 /dev/zero' &
test_helpers+=($!)
in_guest r1 socat TCP4-LISTEN:81,fork,reuseaddr /dev/null &
test_helpers+=($!)
wait_for 5 lan_reaches 198.51.100.11 80
wait_for 5 lan_reaches 198.51.100.11 81
vifrost apply -q /run/closed.yaml
wait_for 5 knows xenbr0 198.51.100.11 || fail "another policy, and it knows nobody"
by_user_space in_lan socat -u TCP:198.51.100.11:80,connect-timeout=3 /dev/null
by_user_space pings r1 $LAB_LAN4
! lan_reaches 198.51.100.11 81 || fail "the firewall does not hold"
! in_lan ping -q -c 2 -i 0.2 -W 1 198.51.100.12 > /dev/null || fail "the firewall lets in what begins outside"
assert_no_ping r2 192.0.2.21
in_guest r1 ip addr add 10.99.0.1/32 dev eth0
! in_guest r1 ping -q -c 2 -i 0.2 -W 1 -I 10.99.0.1 $LAB_LAN4 > /dev/null || fail "an address of nobody's is routed"

# A neighbour that is gone is the kernel's to look for; without vifrostd it goes on, and so with another vifrost-netback.
kill -KILL "${lab_pid[vifrostd]}"
by_user_space pings r1 $LAB_LAN4
ip neigh flush dev xenbr0
daemon_start vifrostd
wait_for 5 no_prefix rt0 192.0.2.21 || fail "a neighbour that is gone is used"
assert_ping r1 $LAB_LAN4
wait_for 5 is_user_space pings r1 $LAB_LAN4 || fail "what the kernel found is not used"
kill -KILL "${lab_pid[vifrost-netback]}"
wait_for 5 test ! -d "/proc/${lab_pid[vifrost-netback]}"
daemon_start vifrost-netback
assert_ping r1 $LAB_LAN4
assert_ping r2 $LAB_LAN4
wait_for 5 is_user_space pings r1 $LAB_LAN4 || fail "another vifrost-netback does not route"
assert_no_drift
test_end
