#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datapath dpdk: VLANs, the firewall between ports, rates and the operator's way in are the policy's, as on the
# kernel's bridge; and a change of them is told to the switch as guests run.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq tcpdump
test_lab "$@"

# $1: VLAN of p3; $2: rate of p1; $3: what follows.
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks: { xenbr0: { mode: bridge, uplink: lan0, vlan-filtering: true, datapath: dpdk } }
		guests:
		  p1: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:09:01", addresses: [192.0.2.21], rate: { egress: $2 } } ] }
		  p2: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:09:02", addresses: [192.0.2.22] } ] }
		  p3: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:09:03", vlan: { access: $1 }, addresses: [203.0.113.23] } ] }
		  p4: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:09:04", vlan: { access: 20 }, addresses: [203.0.113.24] } ] }
		$3
	END
}
firewall='firewall:
  defaults: { guest-to-guest: drop, guest-to-host: accept, ingress: accept, egress: accept }
  rules: [ { name: web, from: [p1], to: [p2], protocol: tcp, ports: [80], action: accept } ]'
policy 20 1Gbit "" > /run/open.yaml
policy 30 1Gbit "" > /run/moved.yaml
policy 20 10Mbit "" > /run/slow.yaml
policy 20 1Gbit "$firewall" > /run/closed.yaml
sed -i 's/^\t*//' /run/*.yaml

guest() { guest_start "$1" "mac=00:16:3e:00:09:0$2" "ip addr add $3/24 dev eth0;"; }
mbit() { in_guest p1 iperf3 -c 192.0.2.22 -t 1 -J | jq '.end.sum_received.bits_per_second / 1000000 | floor'; }

lab_network
lab_daemons_up
vifrost apply -q /run/open.yaml
guest p1 1 192.0.2.21
guest p2 2 192.0.2.22
guest p3 3 203.0.113.23
guest p4 4 203.0.113.24

# A VLAN reaches the LAN tagged, and nobody else; the untagged rest stays among itself.
assert_ping p1 192.0.2.22
assert_ping p1 $LAB_LAN4
assert_ping p3 203.0.113.24
in_lan timeout 10 tcpdump -c 1 -n -l -i wan0 vlan 20 and arp host 203.0.113.1 > /run/tagged 2> /dev/null &
dump=$!
until ! kill -0 $dump 2> /dev/null; do
	in_guest p3 ping -c 1 -W 1 203.0.113.1 > /dev/null || true
done
wait $dump || fail "the LAN sees no frame of VLAN 20"
in_guest p1 ip addr add 203.0.113.21/24 dev eth0
assert_no_ping p1 203.0.113.24
vifrost apply -q /run/moved.yaml
assert_no_ping p3 203.0.113.24
vifrost apply -q /run/open.yaml
assert_ping p3 203.0.113.24

# Between ports by rule, with the answers; whoever is not named gets nothing.
in_guest p2 socat TCP4-LISTEN:80,fork,reuseaddr /dev/null &
test_helpers+=($!)
in_guest p2 socat TCP4-LISTEN:81,fork,reuseaddr /dev/null &
test_helpers+=($!)
wait_for 5 reaches_tcp p1 192.0.2.22 80
wait_for 5 reaches_tcp p1 192.0.2.22 81
vifrost apply -q /run/closed.yaml
reaches_tcp p1 192.0.2.22 80 || fail "what is allowed does not pass"
! reaches_tcp p1 192.0.2.22 81 || fail "what is not allowed passes"
assert_no_ping p2 192.0.2.21
assert_ping p2 $LAB_LAN4
assert_ping p1 $LAB_HOST4
vifrost apply -q /run/open.yaml
wait_for 5 reaches_tcp p1 192.0.2.22 81 || fail "it stayed closed"

# What a guest sends is limited, and the limit changes.
guest_serves p2
fast=$(mbit)
vifrost apply -q /run/slow.yaml
slow=$(mbit)
echo "p1 sends $fast Mbit/s, of 10 Mbit/s $slow"
((slow <= 12 && slow >= 5 && fast > 100)) || fail "the rate is not kept"

test_end
