#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The test machine itself, without a part of ours: what the tests beside this one need of its kernel is there.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"

peer far cable0
ip addr add 192.0.2.1/24 dev cable0
ip -n far addr add 192.0.2.2/24 dev eth0
ping -q -c 1 -W 2 192.0.2.2
ok "namespaces and cables, on Debian's kernel $(uname -r)"

ip link add br0 type bridge vlan_filtering 1
bridge vlan add dev br0 vid 10 self
ip link add link cable0 name cable0.10 type vlan id 10
ip link add bond0 type bond mode active-backup miimon 100
tc qdisc add dev cable0 root tbf rate 10mbit burst 64k latency 50ms
modprobe openvswitch
nft add table netdev t
nft add chain netdev t c '{ type filter hook egress device "cable0" priority 0; }'
ok "VLAN filtering, 802.1Q, bonding, tbf, openvswitch, nftables at egress"
vm_end
