#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datapath dpdk, modes nat and route: guests behind the TAPs of vifrost-netback's switch, the host their gateway.
# DHCP, names and a forward; a vif held to its lease; routed guests that share a subnet and no segment.
#
#	n1 10.20.0.11 by DHCP ---- ring --+-- TAP nat0 10.20.0.1 ------+
#	n2 10.20.0.100-199, DHCP - ring --+                            +-- host -- lan0 ==== wan0 ("lan")
#	r1 198.51.100.11 --------- ring --+-- TAP rt0 198.51.100.1 ----+
#	r2 198.51.100.12 --------- ring --+
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq dnsmasq dhcpcd
TEST_POLICY=/run/policy.yaml
test_lab "$@"

cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  nat0:
	    mode: nat
	    subnets: [ { cidr: 10.20.0.0/24, dhcp: { range: 10.20.0.100-10.20.0.199, lease: 1h } } ]
	    datapath: dpdk
	  rt0:
	    mode: route
	    subnets: [ { cidr: 198.51.100.0/24, gateway: 198.51.100.1 } ]
	    datapath: dpdk
	  iso0:
	    mode: isolated
	    isolation: per-guest
	    subnets: [ { cidr: 10.7.0.0/24, gateway: 10.7.0.1 } ]
	    datapath: dpdk
	guests:
	  i1: { vifs: [ { devid: 0, network: iso0, mac: "00:16:3e:00:08:21", addresses: [10.7.0.11] } ] }
	  i2: { vifs: [ { devid: 0, network: iso0, mac: "00:16:3e:00:08:22", addresses: [10.7.0.12] } ] }
	  n1: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:08:01", addresses: [10.20.0.11] } ] }
	  n2: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:08:02", anti-spoof: strict } ] }
	  r1: { vifs: [ { devid: 0, network: rt0, mac: "00:16:3e:00:08:11", addresses: [198.51.100.11], anti-spoof: strict } ] }
	  r2: { vifs: [ { devid: 0, network: rt0, mac: "00:16:3e:00:08:12", addresses: [198.51.100.12] } ] }
	forwards:
	  - { name: web, network: nat0, protocol: tcp, listen: { port: 8080 }, to: { guest: n1, port: 80 } }
END

has_dynamic4() { in_guest "$1" ip -o -4 addr show dev eth0 | grep -q ' 10[.]20[.]0[.]1[0-9][0-9]/'; }
got() { grep -q "$2" "/run/got-$1"; }

lab_network
lab_daemons_up
vifrost apply -q /run/policy.yaml
[ "$(vifrost apply -j /run/policy.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
ip -d link show nat0 | grep -q ' tun ' || fail "nat0 is no TAP"
guest_start n1 "mac=00:16:3e:00:08:01" ""
guest_start n2 "mac=00:16:3e:00:08:02" ""
guest_dhcp n1
guest_dhcp n2
guest_start r1 "mac=00:16:3e:00:08:11" "ip addr add 198.51.100.11/24 dev eth0; ip route add default via 198.51.100.1;"
guest_start r2 "mac=00:16:3e:00:08:12" "ip addr add 198.51.100.12/24 dev eth0; ip route add default via 198.51.100.1;"
wait_for 20 guest_has n1 10.20.0.11 || { guest_dump n1; fail "n1 has not got its reservation"; }
wait_for 20 has_dynamic4 n2 || { guest_dump n2; fail "n2 has no address of the range"; }

# NAT: the LAN is reached, and knows of no such guests.
assert_ping n1 10.20.0.1
assert_ping n1 $LAB_LAN4
assert_ping n2 $LAB_LAN4
assert_ping n1 "$(in_guest n2 ip -o -4 addr show dev eth0 | sed 's/.* inet \([0-9.]*\).*/\1/')"

# A vif held to its lease sends from that alone.
in_guest n2 ip addr add 10.20.0.77/32 dev eth0
! in_guest n2 ping -c 2 -i 0.2 -W 1 -I 10.20.0.77 10.20.0.1 > /dev/null || fail "n2 has sent from an address it has no lease for"

# A forward, as in the kernel's plane.
in_guest n1 socat -u TCP4-LISTEN:80,fork,reuseaddr OPEN:/run/got-n1,creat,append &
test_helpers+=($!)
wait_for 5 in_guest n1 bash -c ': < /dev/tcp/127.0.0.1/80'
echo from-lan | in_lan socat -u - TCP:$LAB_HOST4:8080,connect-timeout=3
wait_for 5 got n1 from-lan || fail "the forward does not work"

# Routed guests, with the addresses that they have; to each other by the host.
in_lan ip route add 198.51.100.0/24 via $LAB_HOST4
assert_ping r1 $LAB_LAN4
wait_for 5 in_lan ping -c 1 -W 1 198.51.100.11 || fail "the LAN does not reach r1"
assert_ping r1 198.51.100.1
assert_ping r1 198.51.100.12
assert_ping n1 198.51.100.12

# Isolated guests reach each other by the host, and nobody else.
vxl destroy n1
vxl destroy n2
guest_start i1 "mac=00:16:3e:00:08:21" "ip addr add 10.7.0.11/24 dev eth0; ip route add default via 10.7.0.1;"
guest_start i2 "mac=00:16:3e:00:08:22" "ip addr add 10.7.0.12/24 dev eth0;"
assert_ping i1 10.7.0.12
assert_ping i1 10.7.0.1
assert_no_ping i1 198.51.100.12
assert_no_ping r1 10.7.0.11

test_end
