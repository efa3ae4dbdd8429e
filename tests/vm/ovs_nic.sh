#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Open vSwitch's DPDK has a network card as its uplink, by the card's own driver: two cards of the machine are on one
# cable, one is the kernel's, in a namespace that is the LAN, the other one the switch's.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
VM_OPTIONS="--cpus 2" # one polls
vm_cards
vm_begin "$@"
# shellcheck source=tests/util/ovs.sh
. "$(dirname "$0")/../util/ovs.sh"
PATH=$PATH:${ovs_home}-dpdk/usr/lib/openvswitch-switch-dpdk:/usr/lib/openvswitch-switch-dpdk
command -v ovs-vswitchd-dpdk > /dev/null || skip "ovs-vswitchd-dpdk is not here: scripts/install-deps run"
export VIFROST_RUN_DIR=/run/vifrost

# $1: the policy of which uplink
policy() {
	cat <<-END
		version: 1
		uplinks: { wire: { match: { $1 } } }
		networks:
		  red: { mode: ovs, uplink: wire, datapath: { type: dpdk, pmd-cpus: [0], socket-mem: 128MiB }, addresses: [192.0.2.10/24] }
	END
}
policy "pci: \"$vm_card\"" > /run/card.yaml
policy "pci: \"0000:00:1e.7\"" > /run/none.yaml
policy "name: lan0" > /run/link.yaml

lan_card
peer other lan0 wan0
give other wan0 192.0.2.2/24
echo 128 > /proc/sys/vm/nr_hugepages
daemons_up

not vifrost plan /run/none.yaml 2> /run/why
grep -q 'no such PCI device' /run/why
echo "$vm_card" > /sys/bus/pci/devices/$vm_card/driver/unbind
not vifrost apply -q /run/card.yaml 2> /run/why
grep -q "$vm_card belongs to no driver: give it to DPDK by 'modprobe vfio-pci; dpdk-devbind.py -b vfio-pci $vm_card'" /run/why
not ovs_vsctl show 2> /dev/null
ok "a card that is not there, or not DPDK's, is said so before anything is started, with the cure"

card_give
vifrost apply -q /run/card.yaml
[ "$(ovs_vsctl get interface $vm_card type)" = dpdk ]
wait_for 10 ping -q -c 1 -W 1 192.0.2.1
ping -q -c 20 -i 0.05 -W 1 192.0.2.1
ip netns exec lan ping -q -c 20 -i 0.05 -W 1 192.0.2.10
ovs_vsctl get interface $vm_card status:driver_name | grep virtio
vifrost plan /run/card.yaml | grep -q 'nothing to do'
vifrost status -j | jq -e ".networks[] | select(.name == \"red\") | .uplink == \"$vm_card\" and .state == \"up\""
ok "the LAN is reached by the card's own driver, both ways, and status names it"

kill -KILL "$(ovs_pid ovs-vswitchd)"
wait_for 90 ping -q -c 1 -W 1 192.0.2.1
ok "ovs-vswitchd is killed: it has the card again"

vifrost apply -q /run/link.yaml
wait_for 10 ping -q -c 1 -W 1 192.0.2.2
not ping -q -c 1 -W 1 192.0.2.1
not ovs_vsctl get interface $vm_card type 2> /dev/null
vifrost try -q /run/card.yaml
wait_for 10 ping -q -c 1 -W 1 192.0.2.1
vifrost rollback
wait_for 10 ping -q -c 1 -W 1 192.0.2.2
ok "to a link, and back; that is tried and rolled back"

vifrost down
not test -e /run/vifrost/ovs/conf.db
vm_end
