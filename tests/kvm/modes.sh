#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two pvh guests with Debian's kernel reach each other, the host and the LAN over every mode and over the switch of
# vifrost-netback, from one into the next as they run; and a vif is plugged into one, and out.
# Cost: 140
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
# $1: its name, $2: of the guests' network; $3: of the LAN's; $4: the guests' network; $5: its first bytes
policy() {
	cat > "/run/$1.yaml" <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { $3, uplink: lan0, addresses: [192.0.2.10/24] }
		  $4
		guests:
		  one: { vifs: [ { devid: 0, network: $2, addresses: [$5.70] } ] }
		  two: { vifs: [ { devid: 0, network: $2, addresses: [$5.71] } ] }
		  "*": { vifs: [ { network: xenbr0 } ] }
	END
}
[ -z "${VM_TREE:-}" ] || {
	policy bridge xenbr0 'mode: bridge' '' 192.0.2
	policy ovs xenbr0 'mode: ovs, datapath: { type: kernel }' '' 192.0.2
	policy nat inner 'mode: bridge' 'inner: { mode: nat, subnets: [ { cidr: 10.20.0.0/24 } ], egress: { network: xenbr0 } }' 10.20.0
	policy route inner 'mode: bridge' \
		'inner: { mode: route, subnets: [ { cidr: 198.51.100.64/27 } ], egress: { network: xenbr0 }, advertise: none }' 198.51.100
	policy dpdk xenbr0 'mode: bridge, datapath: dpdk' '' 192.0.2
	export KVM_POLICY=/run/bridge.yaml
}
# shellcheck source=tests/util/ovs.sh
. "$(dirname "$0")/../util/ovs.sh"
kvm_begin "$@"
modprobe openvswitch
ip -n lan route add 198.51.100.64/27 via 192.0.2.10
guest_cfg one pvh 192.0.2.70
guest_cfg two pvh 192.0.2.71
vxl create /run/one.cfg
vxl create /run/two.cfg
guest_up one 300
guest_up two 300

pings() { in_guest "$1" "for a in ${*:2}; do ping -c 1 -W 2 \$a || exit 1; done" > /dev/null; }
# $1: a network's first three bytes, $2: its length, $3: the host there. All that a guest had before is gone.
move() {
	local name last=70
	for name in one two; do
		in_guest $name "ip addr flush dev eth0; ip addr add $1.$last/$2 dev eth0; ip route add default via $3"
		last=71
	done
	wait_for 20 pings one "$1.71" "$3" $KVM_LAN4
	wait_for 20 pings two "$1.70" "$3" $KVM_LAN4
}
datapath() { vifrost vif list -j | jq -r '[.[] | "\(.state) \(.datapath)"] | unique | join(",")'; }
datapath_is() { [ "$(datapath)" = "connected $1" ]; }

move 192.0.2 24 192.0.2.10
ok "bridge"
vifrost apply -q /run/ovs.yaml
move 192.0.2 24 192.0.2.10
[ "$(VIFROST_RUN_DIR=/run/vifrost ovs_vsctl get bridge xenbr0 datapath_type)" = system ]
ok "ovs, on the kernel's datapath"
vifrost apply -q /run/nat.yaml
move 10.20.0 24 10.20.0.1
# The LAN, which has answered, knows no way to 10.20.0.0/24.
ok "nat"
vifrost apply -q /run/route.yaml
move 198.51.100 27 198.51.100.65
ip netns exec lan ping -c 1 -W 5 198.51.100.70
ok "route"
vifrost apply -q /run/dpdk.yaml
wait_for 20 datapath_is dpdk
not ip link show "vif$(domid one).0" 2> /dev/null
move 192.0.2 24 192.0.2.10
ok "dpdk, by vifrost-netback's switch"

# Into a guest that runs: its netfront makes eth1 of it.
has_eth1() { in_guest one test -e /sys/class/net/eth1; }
has_none() { in_guest one test ! -e /sys/class/net/eth1; }
vxl network-attach one mac=00:16:3e:00:01:70 bridge=xenbr0
wait_for 20 has_eth1
[ "$(in_guest one cat /sys/class/net/eth1/address)" = 00:16:3e:00:01:70 ]
in_guest one "ip addr flush dev eth0; ip link set eth1 up; ip addr add 192.0.2.80/24 dev eth1"
wait_for 20 pings one 192.0.2.71 192.0.2.10
ok "a vif is plugged into a guest on dpdk"
vifrost apply -q /run/bridge.yaml
wait_for 20 datapath_is tap
wait_for 20 pings one 192.0.2.71 192.0.2.10
vxl network-list one
vxl network-detach one 1
wait_for 20 has_none
in_guest one "ip addr add 192.0.2.70/24 dev eth0"
wait_for 20 pings one 192.0.2.71
ok "on to the bridge, and out"
vxl destroy one
vxl destroy two
not pgrep vifrost-kvm
vifrost down -q
not ip link show xenbr0
kvm_end
