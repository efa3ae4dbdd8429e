#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Custom bridges: no uplink, an address of the host's, guests behind it. One with masquerade, whose guests the
# LAN sees as the host; one that the host routes for, with DHCP, reached from the LAN by a route there.
#
#	c1 10.30.0.11 ------------- vif -- inside0 10.30.0.1, masqueraded --+
#	c2 10.31.0.50 by DHCP ----- vif -- lab0 10.31.0.1, fd00:31::1 ------+-- xenbr0 -- lan0 ==== wan0 ("lan")
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
	  inside0: { mode: bridge, addresses: [10.30.0.1/24], masquerade: true, egress: { network: xenbr0 } }
	  lab0:
	    mode: bridge
	    subnets: [ { cidr: 10.31.0.0/24, dhcp: { range: 10.31.0.100-10.31.0.110 } }, { cidr: "fd00:31::/64", ra: slaac } ]
	    egress: { network: xenbr0 }
	guests:
	  c1: { vifs: [ { devid: 0, network: inside0, mac: "00:16:3e:00:03:01" } ] }
	  c2: { vifs: [ { devid: 0, network: lab0, mac: "00:16:3e:00:03:02", addresses: [10.31.0.50, "fd00:31::50"] } ] }
END
lan_pings() { in_lan ping -c 1 -W 1 "$1"; }
lan_saw() { tcpdump -n -r /run/lan.pcap "$1" 2> /dev/null | grep -q .; }

lab_network
lab_daemons_up
vifrost apply -q /run/policy.yaml
[ "$(vifrost apply -j /run/policy.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
[ "$(cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | tr '\n' ' ')" = '1 1 ' ]
guest_start c1 "mac=00:16:3e:00:03:01" \
	"ip addr add 10.30.0.11/24 dev eth0; ip route add default via 10.30.0.1;"
guest_start c2 "mac=00:16:3e:00:03:02" ""
guest_dhcp c2

in_lan tcpdump -Z root -U -n -i wan0 -w /run/lan.pcap icmp or icmp6 2> /dev/null &
test_helpers+=($!)
wait_for 5 test -s /run/lan.pcap
assert_ping c1 $LAB_LAN4
wait_for 5 lan_saw "icmp and src $LAB_HOST4 and dst $LAB_LAN4" || fail "the LAN has not seen the host"
! lan_saw "net 10.30.0.0/24" || fail "the LAN has seen c1's own address"

# No translation: it is the LAN that has to know the way.
wait_for 20 guest_has c2 10.31.0.50 || { guest_dump c2; fail "c2 has not got its address"; }
wait_for 20 guest_has c2 fd00:31::50 || { guest_dump c2; fail "c2 has not got its IPv6 address"; }
assert_no_ping c2 $LAB_LAN4
in_lan ip route add 10.31.0.0/24 via $LAB_HOST4
in_lan ip route add fd00:31::/64 via $LAB_HOST6
assert_ping c2 $LAB_LAN4
assert_ping c2 $LAB_LAN6
wait_for 5 lan_pings 10.31.0.50 || fail "the LAN does not reach c2"
wait_for 5 lan_pings fd00:31::50 || fail "the LAN does not reach c2, IPv6"
wait_for 5 lan_saw "icmp and src 10.31.0.50 and dst $LAB_LAN4" || fail "c2 was translated"
test_end
