#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode route: guests with static addresses, each behind its own link, reach the LAN and are reached from it
# with the addresses that they have; the host answers ARP and ND for them, and for nobody else.
#
#	r1 198.51.100.70, 2001:db8:40::70 -- vif --+
#	r2 198.51.100.71, 2001:db8:40::71 -- vif --+-- host -- xenbr0 -- lan0 ==== wan0 ("lan")
#							rt0: 198.51.100.65, 2001:db8:40::1
# Alone: it holds answers to their time
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs tcpdump jq dnsmasq dhcpcd
TEST_POLICY=/run/policy.yaml
test_lab "$@"

cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" } } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0 }
	  rt0:
	    mode: route
	    subnets:
	      - { cidr: 198.51.100.64/27, dhcp: { range: 198.51.100.80-198.51.100.90 } }
	      - { cidr: "2001:db8:40::/64", ra: slaac }
	    egress: { network: xenbr0 }
	guests:
	  r1: { vifs: [ { devid: 0, network: rt0, mac: "00:16:3e:00:01:01", addresses: [198.51.100.70, "2001:db8:40::70"] } ] }
	  r2: { vifs: [ { devid: 0, network: rt0, mac: "00:16:3e:00:01:02", addresses: [198.51.100.71, "2001:db8:40::71"] } ] }
	  r3: { vifs: [ { devid: 0, network: rt0, mac: "00:16:3e:00:01:03", addresses: [198.51.100.72, "2001:db8:40::72"] } ] }
END
sed 's/egress: .*/&\n    advertise: none/' /run/policy.yaml > /run/silent.yaml
test_bridge_policy > /run/bridge.yaml

# $1 name, $2 number: a guest that configures itself as its owner was told.
routed_guest() {
	guest_start "$1" "mac=00:16:3e:00:01:0$2" \
		"ip addr add 198.51.100.7$(($2 - 1))/27 dev eth0; ip addr add 2001:db8:40::7$(($2 - 1))/128 dev eth0 nodad;" \
		"ip route add default via 198.51.100.65; ip route add default via fe80::1 dev eth0;"
}
lan_pings() { in_lan ping -c 1 -W 1 "$1"; }
proxies_are() { [ "$(proxies | wc -l)" = "$1" ]; }
proxies() { ip neigh show proxy; }

lab_network
in_lan ip route add 198.51.100.64/27 dev wan0
in_lan ip route add 2001:db8:40::/64 dev wan0
sysctl -n net.ipv6.conf.lan0.proxy_ndp net.ipv4.ip_forward net.ipv6.conf.all.forwarding > /run/before
lab_daemons_up
vifrost apply -q /run/bridge.yaml
vifrost apply -q /run/policy.yaml
[ "$(vifrost apply -j /run/policy.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
routed_guest r1 1
routed_guest r2 2
vif1=vif$(vxl domid r1).0 vif2=vif$(vxl domid r2).0

# Guest to LAN, and the LAN sees the guest itself.
in_lan tcpdump -Z root -U -n -i wan0 -w /run/lan.pcap icmp or icmp6 2> /dev/null &
test_helpers+=($!)
wait_for 5 test -s /run/lan.pcap
for address in $LAB_LAN4 $LAB_LAN6 198.51.100.65 2001:db8:40::1; do
	assert_ping r1 "$address"
done
# LAN to guest, first packet included: nobody waits before answering.
began=$(now_us)
for address in 198.51.100.71 2001:db8:40::71 198.51.100.70 2001:db8:40::70; do
	wait_for 5 lan_pings "$address" || { guest_dump r2; fail "the LAN does not reach $address"; }
done
[ "$(ms_since "$began")" -lt 700 ] || fail "answers for guests took $(ms_since "$began") ms"
lan_saw() { tcpdump -n -r /run/lan.pcap "$1" 2> /dev/null | grep -q .; }
wait_for 5 lan_saw 'icmp and src 198.51.100.70 and dst 192.0.2.1' || fail "the LAN has not seen 198.51.100.70"
wait_for 5 lan_saw 'icmp6 and src 2001:db8:40::70 and dst 2001:db8:0:1::1' ||
	fail "the LAN has not seen 2001:db8:40::70"
! lan_saw "icmp[icmptype] == icmp-echo and src $LAB_HOST4" ||
	fail "something was translated"

# Nobody is on a segment with anybody; guests reach each other by way of the host.
[ ! -e "/sys/class/net/$vif1/master" ] || fail "$vif1 is a port"
assert_ping r1 198.51.100.71
[[ $(in_guest r1 ip neigh show 198.51.100.71) = *fe:ff:ff:ff:ff:ff* ]] || fail "r1 sees r2's hardware address"
[[ $(ip neigh show dev "$vif1") = *"198.51.100.70 lladdr 00:16:3e:00:01:01"*PERMANENT* ]]
[[ $(ip -6 neigh show dev "$vif1") = *"2001:db8:40::70 lladdr 00:16:3e:00:01:01"*PERMANENT* ]]

# The host answers for guests that are there, and for nothing else of their subnet.
[ "$(in_lan ip -j neigh show 198.51.100.70 | jq -r '.[0].lladdr')" = "$(cat /sys/class/net/xenbr0/address)" ]
! lan_pings 198.51.100.79 > /dev/null || fail "an address without a guest answers"
[[ $(in_lan ip neigh show 198.51.100.79) != *lladdr* ]] || fail "the host answers for 198.51.100.79"
proxies_are 4 || fail "proxies: $(proxies)"

# One that knows nothing of itself is told: its addresses, and the way out.
guest_start r3 "mac=00:16:3e:00:01:03" ""
guest_dhcp r3
wait_for 20 guest_has r3 198.51.100.72 || { guest_dump r3; fail "r3 has not got its address"; }
wait_for 20 guest_has r3 2001:db8:40::72 || { guest_dump r3; fail "r3 has not got its IPv6 address"; }
assert_ping r3 $LAB_LAN4
assert_ping r3 $LAB_LAN6
assert_ping r3 198.51.100.70
assert_ping r3 2001:db8:40::70
vxl destroy r3
wait_for 5 proxies_are 4 || fail "still answered for: $(proxies)"

# A guest leaves: nothing of it stays.
vxl destroy r2
wait_for 5 test ! -e "/sys/class/net/$vif2"
wait_for 5 proxies_are 2 || fail "still answered for: $(proxies)"
[ -z "$(ip route show 198.51.100.71)" ] || fail "a route to r2 is left"
assert_ping r1 $LAB_LAN4

# ... and one that leaves while no daemon looks is found gone.
routed_guest r2 2
daemon_stop vifrostd KILL
vxl destroy r2
daemon_start vifrostd
vifrost apply -q /run/policy.yaml
proxies_are 2 || fail "answered for after a restart: $(proxies)"
[ "$(vifrost apply -j /run/policy.yaml | jq .changes)" = 0 ] || fail "an apply after that changed something"

# Upstream routes: no answers.
vifrost apply -q /run/silent.yaml
[ -z "$(proxies)" ] || fail "answered for: $(proxies)"
in_lan ip route replace 198.51.100.64/27 via $LAB_HOST4
in_lan ip route replace 2001:db8:40::/64 via $LAB_HOST6
wait_for 5 lan_pings 198.51.100.70 || fail "no way to r1 by a route upstream"
wait_for 5 lan_pings 2001:db8:40::70 || fail "no way to r1 by a route upstream, IPv6"

# The network goes, and with it all that it had brought, on the guest's link too (T13).
vifrost apply -q /run/bridge.yaml
[ -z "$(ip -o addr show dev "$vif1" scope global)" ] || fail "addresses left on $vif1"
[ -z "$(ip route show dev "$vif1")" ] || fail "routes left on $vif1"
[ -z "$(ip neigh show dev "$vif1" nud permanent)" ] || fail "neighbours left on $vif1"
! ip link show rt0 > /dev/null 2>&1 || fail "rt0 is left"
vxl destroy r1
vifrost down -q
sysctl -n net.ipv6.conf.lan0.proxy_ndp net.ipv4.ip_forward net.ipv6.conf.all.forwarding > /run/after
diff /run/before /run/after || fail "switches were not given back"
test_end
